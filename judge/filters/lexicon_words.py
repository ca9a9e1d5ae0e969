"""The words an announcement is made of, in some thirty languages: short grammar words, and words about solving a task.

An opener is a text that uses no other words. The lists are open to read and to extend; a word ending in `*` is a stem and
stands for all words that begin so (at most seven letters longer). Case and Latin or Greek accents are folded.
"""

from __future__ import annotations

GRAMMAR = {
    "en": """a about above after again all also am an and any are as at be because been before being below both but by can could
      did do does doing down each every few for from further had has have having how i if in into is it it's its itself just
      may me might more most much my of off on only or other our ours ourselves out over own per quite rather same shall
      should so some still such than that the their them themselves then there these they this those through thus to too
      under until up upon us very was we were what when where whether which while who whom whose why will with within would
      you your yours i'm i'd you're we're that's there's here's what's must everything something anything it'll way let ll ve re
      i'll we'll i've we've let's lets""",
    "de": """aber alle allen alles als also am an auch auf aus bei beim bevor bis da damit dann das dass dazu dein deine dem den
      denn der des deshalb die dies diese diesem diesen dieser dieses doch du durch ein eine einem einen einer eines er es
      für genau habe haben hat ich ihr im in ist ja jede jeden jetzt kann können man mein meine mich mir mit muss müssen nach
      nicht noch nun nur ob oder ohne sehr sein sich sie sind so soll sollen sollten uns unser unsere um und vom von vor war
      was weil welche wenn werde werden wie wir wird wo wollen würde zu zum zur zunächst zuerst hier folgt""",
    "fr": """à afin ainsi alors au aussi aux avec avoir avons bien c'est car ce cela ces cet cette chaque comme d' dans de des
      donc dont du elle en ensuite est et être faire il ils je j'ai l' la le les leur lui mais me mes moi mon ne nos notre nous
      on ont ou où par pas peu peut pour puis qu' que quel quelle qui quoi sa se ses si son sont sur tous tout toute toutes
      très tu un une vais va vers voici voilà vos votre vous y ci dessous""",
    "es": """a al algo antes así aquí ahora como con cada cual cuando cómo de del desde donde e el ella en entonces era es esa ese
      eso esta este esto estos estas está fue ha hasta hay he la las le les lo los luego más me mi mis muy nos nuestra nuestro
      o para pero por porque primero puede que qué se ser si sin sobre son su sus también te tengo todo todos tu un una unos
      usted va vamos voy y ya yo continuación""",
    "pt": """a ao aos agora aqui as assim até com como da das de depois do dos e ela ele em então era essa esse esta está este
      estes eu foi há isso isto já lhe mais mas me meu minha muito na nas no nos nós o onde os ou para pela pelo por porque
      primeiro qual quando que quem se sem ser seu sua são também tem todo todos tudo um uma vai vamos vou você à às é seguir""",
    "it": """a ad ai al alla alle allo anche c'è che chi ci come con cosa così da dal dalla degli dei del della delle dello di
      dopo dove e ecco ed è era essere gli ho i il in io la le lo loro ma mi mia mio ne nel nella nelle noi non nostra nostro o
      ogni ora per perché più poi prima può qual quale quando quello questa queste questi questo qui se si sia sono su sua sul
      sulla suo te ti tra tu tutti tutto un una uno vi seguito""",
    "nl": """aan al alle als bij dan dat de deze die dit door een en er gaan ga geen heb hebben heeft het hier hoe hun ik in is
      je kan kunnen maar me met mijn moet moeten na naar niet nog nu of om omdat onder ons onze ook op over te tot u uit van
      voor waar wat we welke wij worden wordt zal ze zich zij zijn zo zullen eerst laten laat""",
    "nordic": """alla allt alt att at av da de den denna denne dennes der det detta dette dig din du där efter efter eller en er
      et ett fra från först først för for gjennom genom ha han har här her hur hvordan hvad hva hvilken i ikke inte jag jeg kan
      lad la låt man med mig min mitt må måste mot mig må nå nu nogle något og også och om opp oss os på samt se seg sig ska
      skal skall som så til till tills under ut var ved vi vil vill vår vårt å är""",
    "fi": """ja ei en että hän he ja joka jos kanssa kuin kun kuten me mikä minä miten mitä myös ne niin nyt olemme olen on ovat
      se sekä sen siis sitten tai tämä tämän tässä tätä vain voi ensin aluksi alla""",
    "pl": """a aby ale bo by być co czy dla do gdy go i ich ich ile ja jak jaka jaki jakie jako je jego jej jest jeszcze już
      każdy która które który lub ma mam mi mnie mój może możemy muszę musimy na nad nam nas nasz nie niech o oraz po pod
      ponieważ poniżej przed przez przy są się tak ta te tego tej ten tę to tu tutaj tym w we więc wszystko z za ze że żeby
      najpierw oto""",
    "cs": """a aby ale ani bude budeme by co či do i já jak jako je jeho její jen ještě jsem jsme jsou k ke který která které ma
      mám máme mi mu musíme můžeme my na nad nám nás než o od po pod podle pro proto před při s se si tak ta tak také ten této
      tento to toto tu u už v ve více všechny z za ze že zde nejprve teď""",
    "hu": """a az és egy ez ezt ezek hogy is itt ki kell meg mi milyen minden most nem először lesz van vagy volt után alább ha
      így úgy majd azután alapján alatt által""",
    "ro": """a ai al ale am ar are as au ca cã că ce cea cel cele ci cu cum da dar de deci din după el ea este eu fi iar în îl
      la le lui mai mea meu mi ne noi nu o pe pentru prin sa să se sunt un una unei unui va vă vom voi și acest această acum
      aici întâi""",
    "tr": """bir bu şu o ve ile için de da ki ne nasıl ben biz bizi bize sen siz gibi daha en çok her şimdi önce ilk olarak göre
      kadar sonra ise mi mı mu mü var yok olan olup aşağıda işte tüm adım""",
    "vi": """và là của cho các những một này đó để trong với từ như sau đây ta tôi chúng mình bạn hãy cùng nhau sẽ cần phải được
      có không về ra vào thì mà nào gì trước tiên đầu hết theo từng bằng lại nên rồi dưới""",
    "id": """dan yang untuk di ke dari ini itu dengan adalah akan saya kita kami mari pada dalam sebagai oleh atau juga sudah bisa
      dapat harus perlu agar lalu kemudian pertama tama secara satu demi berikut mengenai apa bagaimana kamu anda ada tidak
      boleh saja mula""",
    "sw": "na ya wa kwa ni hii hili hiyo huu cha la za katika tu sisi mimi nita tuta kwanza hapa sasa ili kama moja",
    "ca": "el la els les un una i o de del dels a al als amb per que és aquest aquesta anem ara primer aquí ho es com tot",
    "ru": """а без более бы был была были было в вам вас вот все всё всего вы где да дальше данная данную данный даже для до его
      ее её если есть еще ещё же за затем здесь и из или им их к как какая какие каков какой каждую каждый ко когда кто ли
      лишь меня мне мной мы на над надо нам нами нас наш наша нашу не него неё нет ни них но ну нужно о об один он она они оно
      от перед по под после потом потому при про с сам свой себя сейчас сначала со так также такой там те тем теперь то
      тогда того тоже той только том тот ты у уже хорошо что чтобы эта эти это этого этой этом этот эту я буду будем ниже""",
    "uk": """а або але б без був буде будемо в ви від він вона вони все всі де для до є ж з за і із й її його як яка який які
      коли крок ми мене на над нам нас наш не нехай них ну о один після по потім при про спочатку та так там те тепер ти то
      тут у це цей цю цього ця чи що щоб я""",
    "bg": "и в на за да се с от по е са ще ни ви го ги ли как какво който която нека първо сега този тази това тук че",
    "el": """ο η το οι τα τον την της του των τους τις στο στη στην στον στα και να θα με σε για από που πως ότι είναι ας εμείς
      μας σας μου σου αυτό αυτή αυτό αυτού αυτόν προς πρώτα αρχικά εδώ τώρα ένα μια μία έναν βήμα κατά ως παρακάτω λοιπόν""",
    "ar": """و في من على إلى الى عن مع هذا هذه هو هي هما نحن أنا أن إن ان ما ماذا كيف هل ثم أو او لا كل بعد قبل بين عند حتى قد لقد
      التي الذي ذلك تلك هنا كما إذا لكي كي لنا لي سوف دعنا دعونا أولا أولاً اولا بداية حيث خلال أي يلي فيما""",
    "fa": """و در از به با برای این آن که را است هست ما من شما تا هم یک بر باید می خواهیم خواهم کرد کنیم کنم بیایید ابتدا اول
      سپس اینجا چه چگونه همه زیر""",
    "he": """ו של על את עם אל כי זה זו זאת הוא היא אנו אנחנו אני לי לנו מה איך כל גם אם או לא כדי אז כך כאן עכשיו תחילה קודם
      ראשית בואו בוא נא הבה אחד אחר""",
    "hi": """का के की को में से पर है हैं था थे थी और या यह यहाँ यहां वह ये इस उस हम मैं हमें मुझे कि जो तो ही भी एक कर करके करें करते
      करना करेंगे करूंगा करता लिए द्वारा साथ पहले सबसे अब नीचे बाद ने तक हो होगा क्या कैसे आइए चलिए चलो आओ गए गया दिए दी निम्नलिखित""",
    "bn": "এই ও এবং একটি আমরা আমি জন্য থেকে করি করা করব করে হবে হয় চলুন এর প্রথমে নিচে কে তার যে কি আমাদের",
    "ko": """이 그 저 것 수 를 을 은 는 가 에 의 와 과 로 으로 먼저 우선 이제 다음 다음과 같습니다 같이 한번 함께 제가 저는 우리 우리는 대한
      위해 위한 위해서 해 봅시다 보겠습니다 하겠습니다 하자 해보자 보자 해요 합니다 있습니다 자 네 그럼 그러면 이것 이것은 여기""",
}

TASK = {
    "en": """accordingly address* ahead aim* allow alright analy* answer answered answering answers apply applying approach
      approached approaches appropriate argument ask asked asking asks aspect* assess* assistant attempt* basic basis begin
      beginning begins break breakdown breaking brief* calculat* call care careful carefully case certain certainly chain
      check* clarif* clear clearly combine complete completely comput* concept* conclu* consider* context correct correctly
      deduc* deriv* describ* detail detailed details determin* diagram dive done draft each easy element* employ equation*
      essential establish* evaluat* examin* exercise experiment explain* explanation* explor* express expression* fact* far
      figur* final finally find finding first firstly follow followed following follows form formula* framework full fully
      fundamental general get getting give given gives go goal going good great guide happy hand handle hello help helpful
      here hey hi hmm human idea identif* important includ* indeed info information initial input insight* inspect*
      instruction* interest* interpret* introduc* investigat* involve* issue key know known last lead learn like list listed
      logic* long look looking make making manner math mathematical matter me mental method* mind move moving multiple name
      natural necessary need needed needs next notation note nothing now objective observ* obtain* of ok okay one order
      organiz* organis* outline outlin* output overall overview part particular parts path piece pieces place plan planning
      please plug point points possible precise* prepar* present* previous principle* problem problem's problems procedure*
      proceed* process processes processing prompt properly propert* provid* put quantit* query question question's questions
      quick quickly ready real reason reasoned reasoning recall* refer* reflect* relat* relevant remember reply request*
      require* resolv* respond* response responses rest result results review* right rigorous* rough run sake say scratch
      scratchpad search second section see set setting setup show showing shown simpl* situation solution solutions solve
      solved solver solves solving sort specific* stage* start started starting starts state stated statement* step stepped
      stepping steps straightforward* strateg* structur* stuff subject substep* suitable sum summar* suppose sure system
      systematic* tackl* take takes taking talk task tasks teacher tell term terms thank thanks thing things think thinking
      thorough* thought thoughts time together tool* topic toward* translate try trying turn two-step type underlying
      understand* unknown* use used user using value* variable* various verdict verif* view want way ways well welcome where
      whole wonder* word words work worked working works wrap write writing written yes yield* accurate* accuracy address
      attention* concise* convert* coherent correspond* deep deeper deeply down-to fair* effective* efficient* let's logical
      meaning* methodical* moment numbered numerical* order orderly pencil perform* read reading rephras* restat* sequence*
      sequential* short start-to-finish thoroughly thing-by-thing try upon conclude excellent absolutely course glad
      delighted assist* assistance challenge* intriguing fascinating tricky puzzle* one-by-one step-by-step several internal external intern* believe justif* smaller larger ensure interesting complex complicated simpl* arriv* carry carried carrying choose
      chosen chose double-check walk walking along easily easy go-through probably dig delve unpack reach reached coheren* organized clarity precise sense
      recall facts knowledge thoughtful* comprehensiv* in-depth elaborat* subsequent* consequent* ultimate* essential* basically actually really definitely
      hereby herein desired sought target infer* interpret* gather* collect* assembl* combin* draw draws conclusions strive hope wish intend prepar* continu*
      finish end initiat* commenc* launch kick jump straight away shortly soon curious wonderful nice lies lie main core ask pose posed posing hard difficult simplest
      best better different another many much various number numbers mean means meaning possible fairly quite pretty bit little lot try tries tried attempt
      piece-by-piece part-by-part ourselves myself care cautious* attentiv* carefully-considered considered known unknowns require requires required clean
      neat tidy found therefore hence hold holds definition definitions denot* standard technique* routine* commenc* today expert* mathematician unfold* appreciat* accurate* proof prove hint unravel mystery moment while process* processing request loading calculating everyone pleasure model* loud aloud ordered organised solution-finding problem-solving stepwise proper underway started""",
    "de": """abschnitt* analys* anfang* angab* ansatz antwort* lauten lautet anweisung* arbeit* aufgabe* aufgabenstellung auflös* ausführ*
      bearbeit* beantwort* bedeut* beginn* begründ* berechn* beschreib* bestimm* betracht* beweis* denk* detail* eingabe
      endgültig* ergebnis* erklär* erläuter* ermitt* erst* finden folg* frage* gedank* gegeben* gehen gehe gerne gern helfe gesamt*
      gesucht* gleichung* gründlich* gut helfen herangeh* herleit* hilfe kommen könnten lass lassen lasst logisch* lös* löse
      lösen lösung* lösungsweg* mach* methode* nachdenk* natürlich notwendig* näher overleg* plan planung problem* prozess*
      prüf* rechn* rechenweg resultat* richtig* schau* schritt* schrittweise sehen sicher sorgfält* start* stell* such*
      systemat* teil* text überblick überleg* gefragt unten untersuch* verfahren* versteh* versuch* vorgeh* vorgehensweise weg weise
      weiter wichtig* ziel* zerleg* zusammen* zusammenfass* los angehen""",
    "fr": """abord* aborder aider aide analy* appliqu* approche* attentivement avant bien* bonjour but calcul* certain* ceci chercher
      cherchons clair* commen* comprendre comprenons conclu* consider* considér* correct* début* décompos* dédui* demand* démarche
      détail* détermin* développ* devoir donn* effectu* énonc* ensemble essay* étap* étape étapes étudi* examin* exercice*
      expliqu* explication* façon facon falloir faut final* finale fond* identif* importan* indiqu* inform* instruction* logi* maintenant
      manière math* méthod* méthode métho* monde nécess* objectif obten* organis* partie* pas pens* pensée point* pos* précis* premi*
      premier* procéd* process* proces* prob* problème problèm* propos* quest* question* raison* rappel* recherch* réfléch*
      réflexion* réfléchissons regard* répond* répons* résol* résolution* résolv* résoudre résultat* résum* sais savoir
      solution* soin* structur* suit* suivant* sûr système* tâche* tent* texte traiter trouver trouv* utilis* valeur* vérif*
      voir voyons souhait* plaisir""",
    "es": """principio abord* ahora analic* análisis analiz* aplic* ayud* ayudar base* bien bueno busc* calcul* cálculo* claro comenc*
      comenz* comienz* comprend* comprensi* conclu* consider* contest* correct* cuestión cuidado* dado* dato* deb* decir deduc*
      demostr* desarroll* descompon* desglos* detall* determin* ejercicio* empec* empez* empiez* encontr* entend* entiend*
      enunciad* enfoque* estrateg* estructur* etapa* evalu* examin* explic* explicación final* forma* fórmula* gust* haré
      hacer hag* hall* identific* import* incógnita* inform* inicial* instruc* investig* junto* lleg* lóg* manera mental* método*
      metod* mira* mostr* necesit* necesario* observ* obten* orden* paso* pasos pens* pensamiento pid* piens* plan* plante* poder
      pod* pregunta* primer* problema* proced* proces* proceso propuest* punto* quier* raz* razon* realiz* record* reflex*
      respond* respuest* respuesta resolv* resolución resoluc* resuelv* resultad* revis* segu* segui* según siguiente* sistem*
      soluc* solución solucion* supuest* sum* tarea* tenemos tener tom* trabaj* trat* usar usando utiliz* valor* veamos ver
      verific* encantad* cabo desafi*""",
    "pt": """abord* agora ajud* analis* análise* aplic* bem busc* calcul* cálculo* certo claro começ* comec* compreend* conclus* conclu*
      consider* correta* correto cuidad* dad* deduz* desenvolv* detalh* determin* dev* diss* encontr* entend* enunciad* equaç*
      escrev* etapa* estratég* examin* exercício* explic* faz* fazer final* forma* identific* inform* inic* iníc* juntos lóg*
      maneira mental* método* mostr* necess* observ* obter* ordem parte* passo* pass* pens* pensamento pergunta* pod* ponto*
      precis* primeir* problema* proced* process* proced* propost* prossegu* quer* questão questões raciocín* racioc* realiz*
      reflet* reflex* resolu* resolv* respond* respost* resposta* result* resum* revis* segu* seguint* sistem* soluç* soluc*
      solução tarefa* tent* trabalh* trat* usar usando utiliz* valor* vamos ver veja* vejamos verific* prazer""",
    "it": """affront* aiut* analizz* analisi analis* applic* approcc* attent* base bene calcol* capire certo certamente cerc* chiar*
      chied* cominc* compit* comprend* conclus* consider* corrett* dat* dedu* descri* determin* dettagl* domand* dovere dobb*
      eseg* esamin* esercizi* facc* fare fas* final* forma* identific* important* inform* iniz* insieme istruz* logic* manier*
      mental* mente metod* mostr* necess* obiett* occorr* ordin* ottenere parte* pass* passaggi* passo pens* pensier* piano
      possiamo posso pred* preced* preliminar* prim* probl* problem* proced* process* process* propost* prov* punto quesit*
      question* ragion* ragionamento risol* risoluz* risolv* rispond* rispost* risposta risult* riflet* riflession* riguard*
      riepil* segu* seguent* semplic* serv* sistem* soluz* soluzione spieg* svolg* svolgim* svilupp* strateg* task tratt* trov*
      usare us* vedere vediam* verific* vogl* volta andiamo calm* ecc* procediam* volentieri""",
    "nl": """aanpak* aanpakken analyse* analys* antwoord* begin* begrijp* bekijk* bepaal* bepalen bereken* beschrijv* bespreek*
      beantwoord* berekening* conclusie* correct* denk* denkproces denken denkwijze doen doe doorlop* duidelijk* eind* eindantwoord
      eerst* gaan gedacht* gegeven* gegevens goed graag help* helpen hieronder hulp idee identific* kijk* kijken leg* leggen los
      lossen logisch* maken methode* na* nadenk* nodig* onderzoek* opdracht* oplos* oplossen oplossing* opgave* overweg* plan*
      probleem problemen proces* proberen redener* redenering respons* resultaat* resultaten samen slotsom stap* stappen
      stapsgewijs start* systemat* taak tekst toepass* uitleg* uitleggen uitwerk* uitwerking* uiteraard uitkomst* vinden volg*
      volgende vraag* vraagstuk* vragen weg werk* werken werkwijze zeker zien zoek* juiste""",
    "nordic": """analys* använd* bra beräkn* besvar* beskriv* bestem* bestäm* betrakt* bryta börja* börjar delen denk* detalj* endelig*
      del* fakt* finn* finna finne fin* find* finde fremgang* fråga* frågan følg* följ* först* forklar* förklar* forst* fundera
      gang gennem* genomg* gir giv* given* givet gjør gjøre göra gøre god gå går gången hitta hjelp* hjälp* hjælp* identif*
      inled* konklusjon* kommer korrekt* lag lös* losn* lösa løs* løse løsning* lösning* lade logisk* metod* metode* må måde
      måte noggrant nødvendig* nöd* oppg* oppgave* opgave* overvej* plan* problem* process* prosess* proces* resonem* resonnem*
      resonemang* resultat* rett* riktig* rätt* se ser sikker* självklart skridt* slutlig* slutsats* spørgsm* spørsmål* start*
      starte steg* svar* svare systemat* sätt* säkert tag* tank* tanke* tenk* tenke* tænk* tankeproc* tekst* ta tar trin* trinn*
      tydlig* tänk* tänka uppgift* uppgiften undersøk* undersög* undersök* utforsk* utred* vej vidare vis* visa visst vurder*""",
    "fi": """ajattel* ajatus* aloite* aloit* analys* askel* etsi* edet* etene* harkit* huolell* järjest* kysymy* käsittel* käydään
      laske* lasken* lopul* lopputul* lähd* löyt* mieti* mietit* määrit* ongelm* pohdi* pohdit* prosess* päätel* perustel* ratkais*
      ratka* ratkaisu* seuraav* selit* selvit* selvä* tarkast* tarkastel* tehtäv* tehdä teen toimi* tulo* tutki* vaihe* vaiheit*
      vasta* vastau* vastaa* yritä* ymmärr* lopullinen""",
    "pl": """aby analiz* analizu* cel* chc* całość dane danych definic* etap* etapami działan* formuł* jasne krok* kolejn* końcow*
      logicz* mental* metod* myśl* możliw* należy odpowiad* odpowiedz* odpowiedź określ* obliczen* oblicz* opis* opracow*
      ostatecz* pomog* podejści* podan* podsumow* podziel* pomyśl* poprawn* postęp* potrzeb* prawidł* problem* proces* procedur* proszę
      przeanaliz* przedstaw* przejdź* przemyśl* przyjrzyj* pytan* rozbij* rozpatrz* rozpocz* rozumow* rozważ* rozwiąz* rozwiązan*
      rzecz* sposób* sprawd* spróbuj* strateg* szczegół* szuk* tok treść treśc* uwag* uważn* wniosk* wyjaśn* wykon* wynik* wyznacz*
      zaczn* zaczyn* zacząć zadan* zanal* zastan* zastanów* zobacz* znajd* znaleźć zrozum* zaraz""",
    "cs": """analýz* analyz* analyzuj* cíl* další dan* detail* dobře finál* hled* identif* jasně koneč* krok* krocích kroky kroku
      logick* metod* myšlen* mysl* myšlenk* najd* najít napišm* nalez* nejdřív* odpov* odpověď odpověd* otáz* otázk* ověř* podív* podívej*
      pojď* pojďme popis* porozum* postup* postupně potřeb* použij* pomoc* pomoh* pozor* problém* proces* projd* proved* prvn* první přemýšl*
      předpokl* přístup* rád rozbor* rozeb* rozděl* rozum* řeš* řešen* řešení řešit samozřejm* správn* spočít* start* strateg*
      text* ukaž* uvaž* úloh* úkol* úvah* úvod* vypočít* výpoč* výsled* vyřeš* vysvětl* zač* začn* začněm* zadan* zadán* zam*
      zamysl* závěr* zjist* zkusm* riešen* rieš* odpoveď""",
    "hu": """adott* adat* átgond* bemutat* cél* elemez* elemz* elemezz* első elkezd* ellenőr* eljár* eredmény* érdek* értelm* feladat* fejt*
      figyelm* folyamat* gondol* gondold* gondolat* gondolkod* határozz* helyes* ismert* kérdés* keres* kezd* kezdj* kiszám* kis*
      következ* követ* levez* lép* lépés* lépésr* lépésről lépésre megér* megért* megold* megoldás* megoldj* megközel* megvizsg* módszer*
      nézz* nézzük* oldjuk* oldj* összef* probléma* részlet* segít* szám* számít* szeretn* szüks* találj* tekints* tervez* válasz*
      végleg* végs* végezz* vizsg* lássuk hozzuk""",
    "ro": """ajut* abord* analiz* aplic* aflăm aflam bine calcul* căut* cerin* clar compl* concl* consider* corect* dat* decu* deduc*
      demonstr* desigur detali* determin* enunț* enunt* etap* examin* exerci* explic* fac* final* găs* gând* gandi* haid* identific* incep*
      încep* început* inform* întreb* înțel* logic* metod* mod* obțin* pas* pași pasi* pasul plan* porni* prezen* prim* problem* proced*
      proces* proces* propus* punct* raționament* rationament* răspun* raspun* răspuns* rezolv* rezolvar* rezult* scri* solu* soluț* solut*
      strateg* studi* trebu* următo* urmato* utiliz* urm* verific* vedem detaliat*""",
    "tr": """açıkla* adım* adımlar* adım* aşama* anla* analiz* bakal* başla* başlayalım belirle* bul* bulalım cevap* çözüm* çözel* çöz*
      çözmek çözeceğim değerlend* dikkat* doğru* düşün* düşünce* düşünelim edelim edeceğ* elde gerek* geç* göz* gözd* hesap* hesapla*
      incele* inceley* iste* işlem* izle* kullan* lazım mantık* nihai öncelikle parça* plan* problem* probleml* sıra* sonuç* sonuc* soru*
      soruyu sorun* süreç* sürec* tabii tanım* tamam veril* yanıt* yap* yapal* yardım* yol* yöntem* yazalım elbette""",
    "vi": """bài toán toàn giải lời đáp án câu trả hỏi bước suy nghĩ luận phân tích bắt đầu thực hiện quá trình kết quả kết luận cuối
      cùng xem xét tìm hiểu vấn đề cách phương pháp tiến hành chi tiết đề yêu nghiệm thích trình bày tính toán dữ kiện xác định lý
      đúng chính giúp chắc chắn thôi nhé rõ ràng cẩn thận hướng dẫn tóm tắt thể mong muốn""",
    "id": """analis* akhir alur awal bagian baik baiklah benar berarti berpikir bahas bagi bantu berdasarkan cara cari coba data detail
      dahulu dicari diberikan diketahui ditanya* hasil hitung* identif* informasi jawab* jawaban* kasus kesimpul* ketahui kunci langkah*
      lakukan lihat logis logika masalah membantu memahami memecah* melakukan memulai mencari mengidentif* menganal* menghitung menemukan
      menentukan menjawab menjelaskan menyelesaikan metode mulai* pahami penalaran pembahasan penjelasan penyelesaian perhitungan
      permasalahan pertanyaan* pendekatan pikir* pikiran proses rencana respon* rinci selesai* selesaikan senang sistematis soal solusi
      tahap* tentu tentukan tepat terlebih uraian tugas jalan kerja""",
    "sw": """jibu majibu hatua suluhisho swali maswali tatizo hebu tuanze tutatue kutatua kujibu fikra mchakato mawazo fikiria tuchambue
      uchambuzi kufikiri tufikirie jibu la hesabu""",
    "ca": """solució resposta anàlisi analitz* pas passos problema pregunta procés raonament pensem comenc* resold* resol* resolguem vegem
      explicació pensament""",
    "ru": """алгоритм* анализ* будем верн* взглян* внимател* вопрос* вначале входн* выполн* вывод* выч* вычисл* давай* давайте дан* данн* дать
      деталь* детал* далее действ* документ* дел* диалог думать думаю задани* задач* зада* заключ* записа* запиш* знач* известн* изложен*
      информ* искомо* используя исследу* итак итог* итогов* конечн* коротк* логик* логич* ломать метод* можем можно мы* мысл* мыслител*
      мыслей надо наконец найд* найт* начал* начин* начн* начнем начнём необход* нужн* обоснов* общ* объясн* описан* определ* ответ* ответа
      ответить отве* ошиб* перв* первым переход* план* подроб* подход* подума* поиск* пошаг* поэтап* покаж* получ* помог* помоч* понят* пойм* понима* порядк*
      последов* посмотр* построен* поэтап* правильн* предлага* предполож* приведён* приступ* проанализ* проблем* провер* пройд* просто*
      процес* путь разбер* разбор* разобьем разобьём раздел* размышл* разъяс* рассмотр* рассужд* расчет* расчёт* результат* реш* решен* решить
      решим рад следую* следующ* смотрим собер* способ* стратег* структур* сформул* текст* точн* требуе* удовольств* условие услови* хода ходе
      ход хочу шаг* шага шагом шагу шаги шагов этап* ясн* тщательн*""",
    "uk": """аналіз* відповід* відповідь виріш* висновк* дав* давайте дан* детальн* допомож* думк* дума* завдан* задач* зробим* зрозум* знайд*
      етап* кінцев* крок* логічн* метод* міркув* міркуван* мислен* найдем* обчисл* остаточн* отже питан* поміркуй* подум* пояснен* поясн*
      початк* почнем* почн* перейд* перш* послідов* проблем* проанал* процес* результ* рішен* розв'яз* розв розвяз* розгля* розбер*
      розпочн* спос* хід шлях* умов* уважн*""",
    "bg": """решен* решаван* реша* отгов* стъпк* стъпка по задач* въпрос* анализ* разсъжд* мисл* мислов* започн* процес* проблем* обясн*
      разгл* намер* краен*""",
    "el": """λυση* λύση* λυσουμε λύσουμε λυσ* λύν* απαντ* απάντηση ερωτ* ερώτηση βημ* βήμα* βήματα προβλ* πρόβλημα* ανάλυσ* αναλ* αναλύσ*
      σκεφτ* σκέψ* σκεψ* συλλογ* διαδικ* διαδικασία ξεκιν* αρχισ* αρχίσ* αρχικ* δουμε δούμε εξετ* εξηγ* τελικ* μέθοδ* μεθοδ* συμπερ* επιλυ* επίλυσ*
      υπολογ* προσέγγ* ακολουθ* βρούμε σωστ* προσεκτ* λογικ*""",
    "ar": """حل* الحل حلا حلول لحل نحل سنحل سأحل يحل إجاب* اجاب* أجيب الإجابة الاجابة جواب* سؤال* مسأل* مسال* مشكل* خطو* خطوة بخطوة خطوات
      تفكير* تفكر* نفكر أفكر فكر* عملي* عملية ذهني* عقلي* تحليل* نحلل سأحلل بتحليل لنحلل لنبدأ نبدأ أبدأ سأبدأ سنبدأ ابدأ شرح* طريق* منهج*
      استدلال* استنتاج* منطق* نتيج* نهائي* معطي* معطى* سأقوم نقوم أقوم قوم بالتفكير إيجاد ايجاد نجد لإيجاد نحتاج يجب علينا لننظر ننظر نتبع باتباع
      التالي* تالي* مطلوب* تفصيل* بالتفصيل صحيح* حساب* نحسب معا معاً نفهم فهم لفهم بالتأكيد بالطبع يمكن* مساعد* برهان* توضيح* تمهيد* سيكون""",
    "fa": """حل* حلش راه راه‌حل پاسخ* جواب* سوال* سؤال* پرسش* مسئله* مساله* مسأله* مشکل* گام* قدم* مرحله* تحلیل* تجزیه بررسی* فکر* تفکر*
      استدلال* فرایند فرآیند* روند روش* نتیجه* نهایی توضیح* شروع* آغاز* داده* اطلاعات پیدا محاسبه* کمک* حتما منطق* ذهن* بیندیشیم دقت دقیق* صحیح درست""",
    "he": """פתר* פתרון הפתרון לפתור נפתור לפתרון תשוב* התשובה תשובה שאל* השאלה שאלה בעי* הבעיה צעד* שלב* חשיב* נחשוב לחשוב תהליך ניתוח נתח
      לנתח ננתח נתחיל להתחיל אתחיל הסבר* נסביר שיט* דרך נתון נתונים לוגי* היגיון מסקנ* סופי* סופית נבדוק נמצא למצוא חישוב* נחשב נבין להבין
      נכונה נכון הנכונה בהתאם כמובן בשמחה עזור אפתור""",
    "hi": """हल समाधान उत्तर जवाब प्रश्न सवाल समस्या समस्याओं चरण चरणों चरणबद्ध कदम कदमों विचार सोच सोचते सोचें सोचना प्रक्रिया विश्लेषण व्याख्या
      स्पष्टीकरण तर्क तर्कसंगत मानसिक विधि तरीका तरीके शुरू शुरुआत शुरुवात ज्ञात गणना परिणाम निष्कर्ष अंतिम जानकारी अनुसार विस्तार समझते समझें समझना
      समझने देखते देखें निकालते निकालें आवश्यकता दृष्टिकोण सही ध्यान पूर्वक करने बताए पालन निर्धारित ढूंढते खोजते मदद ज़रूर अवश्य दिया""",
    "bn": "সমাধান উত্তর প্রশ্ন সমস্যা সমস্যাটি ধাপে ধাপ চিন্তা প্রক্রিয়া বিশ্লেষণ ব্যাখ্যা যুক্তি শুরু পদ্ধতি চূড়ান্ত ভাবি দেখি",
    "ta": "தீர்வு விடை பதில் படி படிப்படியாக சிந்தனை செயல்முறை கேள்வி பிரச்சனை விளக்கம் தீர்ப்போம்",
    "te": "పరిష్కారం సమాధానం జవాబు దశ ఆలోచన ప్రక్రియ ప్రశ్న సమస్య వివరణ",
    "ko": """풀이* 해설* 해답* 정답* 답* 답변* 답은 문제* 생각* 사고* 과정* 단계* 단계별로 차근차근 분석* 해결* 설명* 추론* 논리* 풀어* 풀겠* 풀기* 풀
      구하* 구해* 알아* 살펴* 시작* 접근* 방법* 주어진 조건* 질문* 결론* 최종* 계산* 이해* 먼저 순서* 진행* 따라* 하나씩 단계적으로 다음* 위해* 하겠*
      보겠* 봅시* 드리* 물론* 정리* 필요*""",
}

# Scripts written without spaces: pieces taken out one by one, longest first, until nothing is left.
PIECES = {
    "zh": """第 骤 驟 一 正式 解答 解法 解析 解题 解題 题解 題解 解决 解決 解释 解釋 解 答案 答复 答覆 回答 作答 答 思考过程 思考過程 思维 思維 思考 思路 想法 想想 想 过程 過程 分析 推理 推导
      推導 论证 論證 证明 證明 让我们 讓我們 让我 讓我 我们 我們 咱们 我 你 您 大家 一步一步 一步步 一步 逐步 按步骤 步骤 步驟 首先 其次 接下来 接下來 然后 然後 最后 最後 最终 最終 开始 開始
      来 來 看看 看 这个 這個 这道 這道 这是 這是 这 這 那么 那麼 那 本题 本題 题目 題目 题 題 问题 問題 问 問 以下 如下 下面 下列 根据 根據 已知 条件 條件 给定 給定 给出 給出 所给 求解 求 计算 計算
      结论 結論 结果 結果 好的 好 当然 當然 可以 需要 必须 必須 应该 應該 要 将 將 会 會 先 再 一下 一起 一个 一個 个 個 为了 為了 对 對 进行 進行 仔细 仔細 详细 詳細 完整 正确 正確 理解 明确 明確 找出 找到
      确定 確定 方法 方式 策略 心理 心智 实验 實驗 逻辑 邏輯 说明 說明 信息 资料 概述 总结 總結 步 中 用 按照 按 系统 系統 地 的 得 着 了 吧 呢 和 与 與 及 或 在 到 从 從 就 是 也 都 帮助 幫助 帮 幫 通过 通過 清楚 回顾 关键
      您的 使用 采用 所需 需 能 会 有 下 上 请 請 考虑 考慮 列出 处理 處理 给 給 出""",
    "ja": """かいせつ かいとう こたえ ステップ・バイ・ステップ ステップバイステップ ステップ プロセス アプローチ メンタル 思考過程 思考 解説 解答 回答 解法 答え 答 解き方 解決策 解決 解き 解く 解い 解こう 解 考え方 考えて 考え 考察 推論 推理 方法
      手順 段階 順番 順 一歩 一つ ひとつ 一緒 問題 質問 問い 設問 課題 まず 最初 はじめ 初め 始めましょう 始め 次 以下 下記 与えられた 与え それでは では さあ ここ これ この その 私たち 私 みていき みて 見て いきましょう いきます いき いく
      みましょう みます みる しましょう します しよう して する した ましょう ます ました です でした ください 分析 詳しく 詳細 丁寧 論理的 論理 過程 計算 求め 求 結論 結果 最終的 最終 正しい 正解 説明 確認 理解 整理 進め 必要 ため ながら ずつ こと もの よう もちろん はい
      整理 情報 数 お答え いただ 第 一 的 に を が は の へ と も や で て た な よ ね か い う く り る ら し つ ご お""",
    "th": """วิธีทำ วิธีคิด วิธี คำตอบ ตอบ คำถาม ถาม โจทย์ ปัญหา แก้ เฉลย ขั้นตอน ทีละขั้น ทีละ ขั้น กระบวนการ ความคิด คิด วิเคราะห์ อธิบาย เรามา เรา มา กัน เริ่มต้น เริ่ม ลอง ดู พิจารณา จะ ได้ ให้ การ และ ที่ นี้ ของ ใน
      เพื่อ ต้อง หา สรุป สุดท้าย คือ ก่อน อื่น กัน ๆ ปัญหา ตอน เหตุผล ตาม กำหนด เป็น แล้ว ทำ ข้อ ผม ฉัน ด้วย อย่าง ละเอียด ไป ถูกต้อง ที่ ทาง ออก ซึ่ง""",
    "ko": "",
}

# How an announcing clause begins: an invitation, a future, a purpose, a presentation. Folded; up to four words.
HEADS = {
    "en": """let's|let us|let me|lets|i will|i'll|we will|we'll|we shall|i shall|i'm going|i am going|we're going|we are going|i need to|
      we need to|we must|i must|we have to|we should|we can|i can|i would|i'd|we want|i want|allow me|to solve|to find|to answer|to determine|
      to begin|to start|to tackle|to approach|to calculate|to compute|to work|to figure|to address|to understand|to get|to obtain|to
      evaluate|to analyze|to analyse|to resolve|to do|to see|to prove|to derive|to arrive|to proceed|in order to|here is|here's|here
      are|here goes|below is|below are|the following|the first step|my approach|our approach|step by step|this problem|this question|this is a|the
      problem|the question|there are several|there are a few|given the|we are given|we're given|before we|before i|before answering|before
      solving|first we|by following|by breaking|using the|after careful|thinking about|looking at|starting with|time to|shall we|it is
      important|it is necessary|it's important|we start|we begin|i start|i begin|what we|the task|the goal|our goal|my goal|a good|the key|the
      best way|happy to|glad to|of course|i am ready|as a first|i have to|i think we|i am asked|we are asked|one way|the solution to|the solution
      is|the answer to|the answer will|the answer can|the reasoning|the process|the approach|consider|considering|note that|recall""",
    "de": """lassen sie uns|lass uns|lasst uns|lass mich|wir werden|ich werde|wir müssen|ich muss|wir wollen|ich möchte|wir können|um die|um
      das|um diese|um dieses|hier ist|hier sind|hier folgt|zunächst|zuerst|als erstes|im folgenden|gehen wir|schauen wir|beginnen wir|fangen
      wir|wir beginnen|betrachten wir|bevor|es folgt|nun wollen|nachfolgend|die lösung|die aufgabe|das problem|gerne""",
    "fr": """nous allons|je vais|commençons|résolvons|analysons|pour résoudre|pour répondre|pour trouver|pour déterminer|afin de|voici|voyons|d'abord|tout
      d'abord|procédons|réfléchissons|nous devons|il faut|avant de|examinons|étudions|considérons|on va|je dois|nous pouvons|permettez|la
      solution|le problème|essayons|suivons""",
    "es": """vamos a|voy a|vamos|veamos|analicemos|resolvamos|empecemos|comencemos|pensemos|para resolver|para responder|para encontrar|para hallar|a
      continuación|aquí está|aquí tienes|primero|debemos|tenemos que|necesitamos|procedamos|antes de|consideremos|permíteme|la solución|el
      problema|tengo que|podemos|se nos|intentemos|para poder""",
    "pt": """vamos|vou|iremos|irei|analisemos|resolvamos|comecemos|para resolver|para responder|para encontrar|a seguir|aqui está|primeiro|devemos|temos
      que|precisamos|antes de|vejamos|pensemos|consideremos|permita|a solução|o problema|podemos""",
    "it": """risolviamo|analizziamo|iniziamo|cominciamo|vediamo|ragioniamo|procediamo|per risolvere|per rispondere|per trovare|ecco|di seguito|andiamo
      a|prima di|innanzitutto|dobbiamo|devo|consideriamo|esaminiamo|pensiamo|vado a|la soluzione|il problema|possiamo|proviamo""",
    "nl": """laten we|laat me|laat ons|we gaan|ik ga|we zullen|ik zal|om dit|om deze|om de|om het|hier is|hieronder|eerst|we moeten|we beginnen|voordat|de
      oplossing|het probleem|we kunnen""",
    "nordic": """låt oss|lad os|la oss|vi ska|jag ska|vi skal|jeg skal|jeg vil|jag kommer|vi kommer|vi vil|för att|for å|for at|her er|här
      är|först|først|vi börjar|vi begynner|vi starter|vi måste|vi må|her følger""",
    "fi": "ratkaistaan|mietitään|aloitetaan|katsotaan|tarkastellaan|tässä on|käydään|ensin|ratkaisen|analysoidaan|lähdetään|pohditaan",
    "pl": """rozwiążmy|przeanalizujmy|zacznijmy|pomyślmy|zastanówmy|spójrzmy|rozważmy|aby|żeby|oto|najpierw|musimy|spróbujmy|przejdźmy|zanim|poniżej|będę|
      będziemy|chcę""",
    "cs": "pojďme|vyřešme|podívejme|začněme|zamysleme|analyzujme|abychom|zde je|nejprve|nejdříve|musíme|budu|budeme|rozeberme|uvažujme|než",
    "hu": "oldjuk|nézzük|kezdjük|gondoljuk|elemezzük|először|vizsgáljuk|lássuk|ahhoz hogy|meg kell|gondolkodjunk|íme|itt van",
    "ro": "să|haideți|hai|vom|voi|pentru a|iată|mai întâi|trebuie să|în primul rând|începem|înainte de",
    "tr": "şimdi|önce|öncelikle|ilk olarak|bu problemi|bu soruyu|haydi|hadi|problemi|soruyu|işte|adım adım|bunu|çözelim|düşünelim|başlayalım",
    "vi": "hãy|chúng ta|ta sẽ|tôi sẽ|để|trước|đầu tiên|sau đây|dưới đây|mình sẽ|bước",
    "id": "mari|ayo|saya akan|kita akan|kami akan|untuk|berikut|pertama|kita perlu|langkah|sebelum|mula|baik",
    "sw": "hebu|tutatatua|nitatatua|ili|kwanza|tuanze|tufikirie|hapa",
    "ca": "anem|resolguem|vegem|pensem|per resoldre|a continuació|primer",
    "ru": """давайте|давай|рассмотрим|разберём|разберем|проанализируем|решим|подумаем|начнём|начнем|чтобы|для решения|для того|вот|сначала|итак|я буду|мы
      будем|нам нужно|мне нужно|необходимо|нужно|следует|попробуем|приступим|перейдём|перейдем|прежде|ниже|сперва|хорошо""",
    "uk": "давайте|розглянемо|розв'яжемо|почнемо|подумаємо|проаналізуємо|щоб|ось|спочатку|нам потрібно|спробуємо|для",
    "bg": "нека|ще|за да|ето|първо|трябва|да",
    "el": "ας|θα|για να|εδώ|πρώτα|αρχικά|ξεκινάμε|πρέπει|πριν|παρακάτω",
    "ar": "دعنا|دعونا|لنبدأ|سأقوم|سنقوم|سوف|لحل|لنحل|سأحل|سنحل|هيا|أولا|فيما يلي|إليك|يجب|نبدأ|لنفكر|لنحلل|للإجابة|من أجل|لإيجاد|سأبدأ|علينا|قبل",
    "fa": "بیایید|برای|ابتدا|اول|در ادامه|باید|می خواهیم|اجازه|بگذارید|در اینجا|بیا|من|ما",
    "he": "בואו|בוא|נתחיל|נפתור|כדי|הבה|ראשית|תחילה|אני|אנו|נחשוב|ננתח|להלן|על מנת|לפני",
    "hi": "आइए|चलिए|हम|मैं|सबसे|पहले|इस|दिए|यहाँ|यहां|निम्नलिखित|चलो|आओ|नीचे",
    "bn": "চলুন|আমরা|আমি|প্রথমে|এই|আসুন|নিচে",
    "ko": "먼저|우선|이제|다음은|이|주어진|자|문제를|단계별로|차근차근|제가|그럼",
}

CORE = {  # the words of solving that make a heading or an announcement by themselves
    "en": """answer answers approach analys* analyz* begin beginning calculat* chain comput* conclu* consider deduc* deriv* determin* evaluat* examin* proof hint result conclusion explain* explanation* explor*
      final* figure find finding logic* mental method* methodical* proceed* process procedure* problem question reason* rationale reflect* respond*
      response result review scratchpad solution* solve solving solved solver* start step steps stepwise strateg* systematic* tackl* task think thinking thought thoughts
      understand* work working breakdown step-by-step stage stages* idea* happy sure certainly let's try""",
    "de": "antwort* aufgabe* analys* ansatz denk* erklär* ergebnis* gedank* lös* lösung* nachdenk* problem* prozess* rechenweg* schritt* überleg* beginn* frage* vorgehen* begründ* herleit*",
    "fr": "analy* démarche* étap* étape* explication* pensée* problème* process* question* raison* réfléch* réflexion* répons* répond* résol* résolu* résoudre résolv* solution* commen* méthod*",
    "es": "analic* análisis analiz* explic* paso pasos pens* pensamiento proceso* pregunta* problema* razon* respuest* respond* resolv* resoluc* resuelv* soluc* solución empec* comenc* desarroll* procedimiento",
    "pt": "analis* análise explic* passo* pens* pensamento processo* pergunta* problema* raciocín* racioc* respost* respond* resolv* resoluç* resoluc* soluç* soluc* solução começ* comec* questão",
    "it": "analizz* analisi spieg* pass* passagg* passo pens* pensier* process* problem* ragion* ragionamento risol* risolv* rispost* rispond* risoluz* soluz* soluzione svolg* domand* inizi*",
    "nl": "aanpak* analys* antwoord* denk* gedacht* oplos* oplossing* probleem problemen proces* redener* stap* stappen uitleg* uitwerk* vraag* vraagst* begin*",
    "nordic": "analys* lösning* løsning* losn* lös* løs* oppg* opgave* uppgift* svar* steg* trin* trinn* skridt* tank* tanke* tänk* tenk* tænk* resonem* resonnem* process* prosess* problem* fråga* spørsm* börja*",
    "fi": "ajattel* ajatus* analys* askel* ratkais* ratkaisu* vaihe* vasta* vastau* kysymy* ongelm* prosess* pohdi* mieti* perustel* tehtäv* selit* päätel* aloit*",
    "pl": "analiz* krok* myśl* odpowied* odpowiedź pytan* problem* proces* rozumow* rozwiąz* rozwiązan* zadan* wyjaśn* zastan* przeanaliz* zaczn*",
    "cs": "analýz* analyz* krok* kroky myšlen* mysl* odpov* odpověď otáz* otázk* postup* problém* proces* řeš* řešen* úloh* úvah* vysvětl* zamysl* riešen* rieš* odpoveď začn*",
    "hu": "elemez* elemz* feladat* folyamat* gondol* gondold* gondolat* kérdés* lép* lépés* megold* megoldás* oldjuk* probléma* válasz* magyaráz* kezd*",
    "ro": "analiz* explic* gând* gandi* pas* pași pasi* pasul problem* proces* raționament* rationament* răspuns* răspun* raspun* rezolv* soluț* solut* soluți* intreb* încep*",
    "tr": "açıkla* adım* analiz* cevap* çözüm* çözel* çöz* düşün* düşünce* incele* problem* soru* süreç* sürec* yanıt* akıl* başla*",
    "vi": "giải đáp án bước suy nghĩ luận phân tích toán trả",
    "id": "analis* jawab* jawaban* langkah* masalah pemecah* penyelesaian pikir* pikiran proses soal solusi penalaran pembahasan penjelasan selesai* tahap* menyelesaikan berpikir memecah*",
    "sw": "jibu majibu hatua suluhisho swali tatizo fikra mchakato mawazo uchambuzi kufikiri tutatue",
    "ca": "solució resposta anàlisi passos pas procés raonament pensem resold* resol* problema pregunta pensament",
    "ru": "анализ* вопрос* задач* логик* мысл* мыслител* ответ* рассужд* реш* решен* решим шаг* этап* подума* думаю процес* проанализ* проблем* размышл* рассмотр* разбер* разбор* объясн* ход начн*",
    "uk": "аналіз* відповід* відповідь виріш* задач* завдан* крок* міркув* мислен* питан* поясн* процес* рішен* розв'яз* розв* розвяз* подум* думк*",
    "bg": "решен* решаван* отгов* стъпк* задач* въпрос* анализ* разсъжд* мисл* мислов* процес* проблем*",
    "el": "λυση* λύσ* λύση* απαντ* βημ* βήμα* προβλ* πρόβλημα* ανάλυσ* αναλ* σκέψ* σκεφτ* συλλογ* διαδικ* ερωτ* επίλυσ* επιλυ* λύν* λυσουμε",
    "ar": "حل* حلا لحل نحل إجاب* اجاب* أجيب جواب* سؤال* مسأل* مسال* مشكل* خطو* خطوة تفكير* تفكر* نفكر أفكر فكر* تحليل* نحلل شرح* استدلال* استنتاج* نبدأ أبدأ منطق*",
    "fa": "حل* راه پاسخ* جواب* سوال* پرسش* مسئله* مساله* مسأله* گام* قدم* مرحله* تحلیل* فکر* تفکر* استدلال* توضیح* شروع*",
    "he": "פתר* פתרון לפתור נפתור תשוב* תשובה שאל* שאלה בעי* צעד* שלב* חשיב* נחשוב תהליך ניתוח ננתח הסבר* היגיון נתחיל",
    "hi": "हल समाधान उत्तर जवाब प्रश्न सवाल समस्या चरण चरणों चरणबद्ध कदम विचार सोच सोचते सोचें प्रक्रिया विश्लेषण व्याख्या स्पष्टीकरण तर्क मानसिक",
    "bn": "সমাধান উত্তর প্রশ্ন সমস্যা সমস্যাটি ধাপে ধাপ চিন্তা প্রক্রিয়া বিশ্লেষণ ব্যাখ্যা যুক্তি",
    "ta": "தீர்வு விடை பதில் படி படிப்படியாக சிந்தனை விளக்கம் கேள்வி தீர்ப்போம்",
    "te": "పరిష్కారం సమాధానం జవాబు దశ ఆలోచన వివరణ",
    "ko": "풀이* 해설* 해답* 정답* 답* 답변* 문제* 생각* 사고* 과정* 단계* 분석* 해결* 설명* 추론* 논리* 풀어* 풀겠* 풀기* 결론* 질문*",
}

STEP_WORDS = """step* stage* part parts phase* point section question problem exercise task item chapter thing things way ways piece
  pieces schritt* teil* aufgabe* frage paso* parte* pregunta ejercicio etapa* étape* etape* question exercice passo* passagg* passaggio
  domanda pergunta stap* stappen vraag steg* trin* trinn* krok* etap* pytanie zadanie askel* vaihe* lépés* feladat* pas* adım* adim* soru* bước buoc
  langkah* tahap* soal hatua шаг* этап* пункт* вопрос* задач* задан* крок* стъпк* βημα βηματα βηματ* خطو* الخطو* مرحل* سؤال* السؤال گام* مرحله* قدم* שלב* צעד* שאלה चरण*
  कदम* प्रश्न ধাপ* 단계* 문제* 번 q user human assistant turn solution method approach case""".split()
