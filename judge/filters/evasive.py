"""Answers that avoid answering: it depends, cannot be determined, a refusal; or that point elsewhere ("see above") or take their leave.

A refusal is one wherever it stands in a short text. "It depends" and "I am sorry" also begin real answers, and "the boiling
point depends on the pressure" is one: these count only where the rest of the text says nothing: what is left
of it without grammar, announcing, and words as vague as `circumstances`.
"""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.reference import ReferenceAnswers
from judge.filters.surface import ResponseView, words
from judge.numerals import fold
from judge.words import entries

_PHRASES = """
(?:can ?not|can't|could not|couldn't|cannot|can never|impossible to|not possible to|unable to|no way to|isn't possible to|hard to|difficult to) (?:be )?(?:\\w+ )?(?:determin|answer|solve|say|tell|know|decid|comput|calculat|establish|find|conclu|infer|deduc|ascertain|deriv|give|provide|help|assist|comply|fulfil|complete|do that|verif|specif)
(?:not|isn't|in)\\s?(?:enough|sufficient) (?:information|info|data|context|detail|evidence)|insufficient (?:information|data|context|detail)|lack(?:s|ing)? (?:of )?(?:sufficient|enough|the necessary) |more (?:information|context|details?) (?:is|are) (?:needed|required|necessary)|need more (?:information|context|detail)
(?:left|leave\\w*|remains?)(?: this| it| that| the \\w+)?(?: as)? (?:an? )?(?:exercise|homework|the reader|to the reader|up to|for the reader|open)
\\b(?:i|we) (?:do not|don't|really don't|don't really|dont|cannot|can't|am unable|'m unable|am not able|'m not able|are unable|won't|will not|would rather not|have no|must decline|decline)(?: \\w+)? ?(?:know|idea|clue|sure|answer|help|assist|provide|say|to|have|remember|recall|see|comply|do|determine|tell|understand)
\\b(?:i'm|i am|we are|we're) (?:not sure|unsure|uncertain|unable|not certain|not able|just an ai|an ai)|\\bas an ai\\b
\\b(?:no one|nobody) (?:knows|can (?:say|tell|know))|\\bwho knows\\b|\\bcould be anything\\b|\\bthere (?:is|are) (?:no (?:way|single|one|definit\\w+|clear|simple|unique|right|correct)|many (?:possible|different|ways)|several (?:possible|different)|multiple (?:possible|correct|valid))|\\bany answer\\b|\\bno (?:definit\\w+|clear|single|simple) answer
\\b(?:answer|solution|result|value|it|this|that|question)\\b(?: is| remains| may be| might be| could be)(?: \\w+)? (?:unknown|unclear|uncertain|undetermined|indeterminate|indeterminable|ambiguous|not (?:known|given|clear|specified|provided|stated|available|determined|mentioned)|subjective|debatable|anyone's guess|open to interpretation|beyond|unanswerable|unknowable|up to (?:you|the reader|interpretation))
\\b(?:the|this) (?:text|passage|question|problem|context|document|information) (?:does not|doesn't|do not|don't|fails to) (?:\\w+ )?(?:say|state|mention|provide|specify|contain|give|include|tell|have)|\\btrivial(?:ly)? (?:and|so|to see)|\\bproof is (?:trivial|obvious|left)|\\b(?:omitted|skipped) for brevity\\b
(?:nicht|kaum|nie) (?:eindeutig )?(?:bestimm|beantwort|sagen|wissen|ermittel|losbar|klar|beantworten|feststell)|\\bich weiss (?:es )?nicht|\\bich weiß (?:es )?nicht|\\bkeine ahnung|nicht genugend informationen|\\b(?:leider )?kann ich (?:\\w+ ){0,3}nicht|(?:dem|den) leser (?:uberlassen|als ubung)|als ubung (?:dem|den|uber)
(?:ne peut (?:pas )?etre|impossible (?:de|a)|ne peut pas|ne peuvent pas|n'est pas possible) ?(?:\\w+ )?(?:determin|repon|savoir|dire|resou|etabli|calcul|trouv)|\\bje ne (?:sais|peux|suis)|pas assez d'inform|informations? insuffisant|laisse(?:e)? (?:en exercice|au lecteur|comme exercice)|en exercice au lecteur|\\baucune idee|\\bpersonne ne sait
(?:no se puede|no puede|no es posible|imposible|no podemos|no puedo) (?:\\w+ )?(?:determin|respond|saber|decir|resolv|calcul|contest|encontr|hall|ayud|ser )|\\bno (?:lo )?se\\b|\\bno tengo (?:idea|suficiente)|informacion (?:insuficiente|suficiente)|no hay (?:suficiente|informacion)|se deja (?:como|al)|ejercicio (?:para el|al) lector|\\bnadie (?:lo )?sabe
(?:nao e possivel|nao pode ser|impossivel|nao posso|nao podemos|nao se pode|nao consigo) ?(?:\\w+ )?(?:determin|respond|saber|dizer|resolv|calcul|encontr|ajud)?|\\bnao sei\\b|informacoes? (?:insuficiente|suficiente)|nao ha (?:inform|dados)|exercicio (?:para o|ao) leitor|\\bninguem sabe
(?:non (?:si )?puo|non e possibile|impossibile|non posso|non possiamo|non sono in grado) ?(?:\\w+ )?(?:determin|rispond|sapere|dire|risolv|calcol|trov|aiut|esser)?|\\bnon (?:lo )?so\\b|informazioni (?:insufficienti|sufficienti)|lasciat[oa] (?:al|come)|esercizio (?:per il|al) lettore|\\bnessuno (?:lo )?sa\\b
(?:kan niet|kunnen niet|niet te|onmogelijk te|niet mogelijk) ?(?:\\w+ )?(?:bepa|beantw|zeggen|weten|bereken|worden|oplos)|\\bik weet (?:het )?niet|onvoldoende (?:informatie|gegevens)|niet genoeg informatie
\\bjag vet inte|\\bjeg ved (?:det )?ikke|\\bjeg vet ikke|kan (?:inte|ikke) (?:\\w+ )?(?:bestam|besvar|avgor|bestem|afgør|avgjør|hjælp|hjalp|hjelp|sva)
\\ben tieda|\\ben osaa sanoa|ei voi(?:da)? (?:\\w+ )?(?:maarit|vastat|tieta|sano)|nie (?:mozna|da sie|moge|mozemy|jest mozliwe|wiem|wiadomo)|(?:nelze|neni mozne|nemohu|nemuzeme|nevim|nevime)|nem (?:lehet|tudom|hatarozhato|allapithato|valaszolhato)|nu (?:se poate|pot|stiu|este posibil)
(?:belirlenemez|cevaplanamaz|bilinemez|bilmiyorum|soylenemez|hesaplanamaz|yeterli bilgi|mumkun degil)|(?:khong the|khong biet|khong du|khong ro)|(?:tidak (?:dapat|bisa|tahu|mungkin|cukup|diketahui))|(?:haiwezekani|sijui)
(?:нельзя|невозможно|не (?:могу|можем|знаю|знаем|удается|удаётся|представляется|хватает|определен|определить)|недостаточно|неизвестно|затрудняюсь|оставля\\w+ читател|читателю|никто не знает)|(?:неможливо|не (?:можу|знаю|можна)|недостатньо)|(?:не може да|не знам)
(?:δεν (?:μπορ|γνωριζ|ξερω|ειναι δυνατον|υπαρχουν αρκετ|εχω)|αδυνατο)|(?:لا (?:يمكن|أعرف|أعلم|اعرف|اعلم|أستطيع|استطيع|توجد معلومات)|من المستحيل|غير (?:معروف|ممكن|محدد))|(?:نمی ?توان|نمی ?دانم|نمی‌توان|نمی‌دانم|مشخص نیست|نامشخص)
(?:לא (?:ניתן|יודע|ידוע|אפשר|יכול|מספיק)|אי אפשר)|(?:नहीं (?:किया जा|पता|जानता|बता|दिया जा|कहा जा|कर सक|मिल)|पता नहीं|असंभव|संभव नहीं|पर्याप्त जानकारी)|(?:বলা যায় না|জানি না|সম্ভব নয়)
无法|不能(?:确定|回答|判断|得出|提供|帮)|無法|不能(?:確定|回答)|不知道|不确定|不確定|不清楚|信息不足|資訊不足|条件不足|條件不足|留给读者|留作(?:练习|習題|习题)|无可奉告|难以(?:确定|回答)|没有足够
わかりません|分かりません|わからない|分からない|判断できません|決定できません|できません|情報が(?:不足|足りない)|不明です|読者への|お答えできません|特定できません|求められません|一概には
알 수 없|모르겠|모릅니다|결정할 수 없|판단할 수 없|대답할 수 없|답할 수 없|구할 수 없|정보가 부족|불가능|독자에게|도와드릴 수 없
ไม่สามารถ|ไม่ทราบ|ไม่รู้|ข้อมูลไม่เพียงพอ
"""
_EVASIVE = re.compile("|".join(f"(?:{line})" for line in _PHRASES.strip().splitlines()))
_DEPENDS = re.compile(
    r"\bdepends\b|\b(?:answer|result|it|that|this) (?:varies|differs|vary)\b|\b(?:es )?kommt (?:ganz )?(?:dar|dr)auf an|\bdas hangt (?:davon|von)"
    r"|\b(?:ca|cela) depend\b|\bdepende\b|\bdipende\b|\bhet hangt (?:er ?van )?af|\bdat hangt|\bdet beror pa|\bdet kommer an pa|\bdet avhenger"
    r"|\bdet afhænger|\bse riippuu|\bto zalezy|\bto zavisi|\bzalezi na|\battol fugg|\bdepinde\b|duruma bagli|baglidir|degisir|tuy thuoc|con tuy"
    r"|\btergantung|\binategemea|зависит от|это зависит|^зависит|все зависит|всё зависит|залежить|зависи\b|εξαρταται|يعتمد (?:على|ذلك)|هذا يعتمد"
    r"|يتوقف على|بستگی|תלוי|निर्भर|নির্ভর|看情况|看情況|取决于|取決於|视情况|視情況|要看|場合によ|状況による|依存し|次第です|상황에 따라|경우에 따라|달라집니다"
    r"|다릅니다|ขึ้นอยู่กับ"
)
_SORRY = re.compile(
    r"\b(?:i'm|i am|we are|we're) (?:so |very |really |truly )?(?:sorry|afraid)\b|\bsorry\b|\bapolog(?:y|ies|i[sz]e)\b|\bes tut mir leid|\bje (?:suis )?desole"
    r"|\blo siento|\bdesculpe\b|\blamento\b|\bsinto muito\b|\bmi dispiace|\bhet spijt me|\btyvarr|\bdesvarre|\bprzepraszam|\bomlouvam|\bsajnalom"
    r"|\bimi pare rau|\buzgunum|\bxin loi|\bmaaf\b|\bsamahani|извините|простите|к сожалению|вибачте|на жаль|λυπαμαι|آسف|اسف|عذرا|متأسفم|متاسفم"
    r"|מצטער|क्षमा|माफ़|দুঃখিত|对不起|抱歉|對不起|很遗憾|申し訳|ごめんなさい|すみません|죄송|ขอโทษ|ขออภัย"
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[\u3002\uff01\uff1f\uff1b\u0964\u061f])\s*")
_ANSWERED, _EXPLAINED = 3, 4  # new words that make an answer: beside an apology in its sentence; beside "it depends"
_MENTION = re.compile(
    r"[\"'\u201d\u2019\u00bb*]{0,3} ?(?:is|was|are|by|comes|came|ist|war|est|es|é|è)\\b(?: (?:the|a|an) (?:title|name|song|album|film|movie|book|phrase|first|line)| by| from)?".replace(
        "\\\\", "\\"
    )
)
_HOLDS_WORK = re.compile(r"(?:\d.{0,40}[=+*/\u00d7].{0,40}\d)|\\boxed\{[^{}]|[=:]\s?-?\d")


def non_committal(view: ResponseView) -> str | None:
    """A refusal, "it depends", "cannot be determined", "left as an exercise", in some thirty languages; in English also "see above" and
    "both answers are the same", which grade or point and say nothing.

    A policy learned "The answer cannot be determined from the text" because a judge accepted it (prime-envs #389). Stops: such answers as a whole,
    or as the last sentence of a longer text without any value in it. Does not stop: an apology before an answer; "X depends
    on Y" as a claim; one where the reference says the same or stands in it; a title ("I don't know is the title of the
    song"); evasion in words of its own. Outside verifier recipes it only flags, because there a refusal may be right.
    Cost: no request; linear in at most 1,500 characters.
    """
    if not view.words or not (view.short or view.verifying):
        return None
    found = _evasion(view)
    if found is None:
        return None
    reference = view.reference
    if reference is not None and (_accepts(reference) or reference.spoken_in(view.text)):
        return None
    return f"non-committal: \u201c{found[:40]}\u201d"


def _evasion(view: ResponseView) -> str | None:
    """The words with which a text avoids answering; None when it answers, or says no such words."""
    long = len(view.words) > 60 or not view.short
    text = _last_sentence(folded(view.plain)) if long else folded(view.plain)
    if (long and any(c.isdigit() for c in text)) or _HOLDS_WORK.search(text):
        return None
    found = _EVASIVE.search(text)
    if found is not None:
        return None if _MENTION.match(text[found.end() : found.end() + 40]) else found.group()
    if not long and view.verifying and (pointed := points_elsewhere(text)) is not None:
        return pointed
    if not (_DEPENDS.search(text) or _SORRY.search(text)):
        return None
    return _vague([text], apologies=False) if long else _vague([folded(s) for s in _SENTENCE.split(view.plain)])


def _vague(sentences: list[str], *, apologies: bool = True) -> str | None:
    """`It depends` or an apology, in a text that says nothing beside it."""
    rest, found, said = set[str](), None, 0
    for sentence in sentences:
        hedge = _DEPENDS.search(sentence)
        match = hedge or (_SORRY.search(sentence) if apologies else None)
        if match is None:
            rest |= new_words(sentence)
            continue
        found = found or match
        before, after = new_words(sentence[: match.start()]), new_words(sentence[match.end() :])
        if hedge is not None and len(before) >= 1 and len(before | after) >= 2:
            return None  # "the boiling point depends on the pressure": a claim
        if hedge is None and (len(before | after) >= _ANSWERED or any(c.isdigit() for c in sentence)):
            return None
        said = max(said, _EXPLAINED if hedge is not None else 1)
    if found is None or len(rest) >= said or any(c.isdigit() for s in sentences for c in s):
        return None
    return None if _MENTION.match(found.string[found.end() : found.end() + 40]) else found.group()


def _accepts(reference: ReferenceAnswers) -> bool:
    return any(
        (a.negative and a.kind != "truth" and not re.fullmatch(r"\D{0,2}0\D{0,2}", a.bare)) or _is_evasive(a.text)
        for a in reference.answers
    )


def _is_evasive(text: str) -> bool:
    said = folded(text[:400])
    return bool(_EVASIVE.search(said) or _DEPENDS.search(said) or _SORRY.search(said))


def _last_sentence(text: str) -> str:
    parts = [p for p in re.split(r"[.!?\u3002\uff01\uff1f]\s", text[-400:]) if p.strip()]
    return parts[-1] if parts else ""


_VAGUE = frozenset(map(fold, entries("vague")))
_VAGUE_PIECES = re.compile("|".join(map(re.escape, entries("vague pieces"))))
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def folded(text: str) -> str:
    """Folded, with straight apostrophes and single spaces."""
    return " ".join(fold(text.replace("\u2019", "'")).split())


def new_words(text: str) -> set[str]:
    """Words of a folded text that say something: no grammar, no announcing, nothing as vague as `circumstances`."""
    found = set[str]()
    for word in words(text):
        if _UNSPACED.search(word):
            found |= _new_pieces(word)
        elif not (LEXICON.is_grammar(word) or LEXICON.announces(word) or word in _VAGUE or len(word) < 2):
            found.add(word)
    return found


def _new_pieces(text: str) -> set[str]:
    """The same for scripts without spaces: what is left without known pieces, two characters for a word."""
    left = _VAGUE_PIECES.sub(" ", text)
    for piece in LEXICON.pieces:
        left = left.replace(piece, " ")
    return {part[at : at + 2] for part in left.split() for at in range(0, len(part) - 1, 2)}


def points_elsewhere(text: str) -> str | None:
    """The words with which a short text does so and says nothing besides; None when it says something.

    Args:
        text: Folded.

    Example:
        >>> points_elsewhere("both answers are identical"), points_elsewhere("the triangles are identical")
        ('identical', None)
    """
    if _LEAVE.search(text):
        left = _LEAVE.sub(" ", text)
        return None if new_words(left) or any(c.isdigit() for c in text) else "takes its leave"
    if (unspaced := _ELSEWHERE.fullmatch(text.strip(" .!?\u3002\uff01"))) is not None:
        return unspaced.group()
    found = words(text)
    if not 2 <= len(found) <= 25 or any(c.isdigit() for c in text):
        return None
    named = [w for w in found if w in _GRADED or LEXICON.is_core(w)]
    places, claims = ([w for w in found if w in known] for known in (_PLACES, _CLAIMS))
    if not ((found[0] in _POINTS and (places or named)) or (claims and set(named) - set(claims))):
        return None
    said = " ".join(w for w in found if not (w in _GRADED or w in _PLACES or w in _CLAIMS or w in _POINTS))
    return None if new_words(said) else " ".join(places + claims) or found[0]


_LEAVE = re.compile(
    r"\b(?:i )?hope (?:this|that|it) (?:helps|helped|answers|is helpful)(?: you)?|\bfeel free to (?:ask|reach|contact)\b|\blet me know (?:if|whether)\b(?: you)?"
    r"|\bhave a (?:nice|great|good|wonderful) (?:day|one|time)|\b(?:any|more|further|other|additional) questions\b|\banything else\b"
    r"|\b(?:task|request|work) (?:is |has been |was )?(?:completed?|done|finished)(?: successfully)?|\bwithout further ado|\bdrum ?roll"
    r"|\bi(?:'m| am) (?:\w+ )?(?:confident|sure|certain|positive)\b(?: (?:in|of|about) (?:this|it|my \w+|the \w+))?|\bwith (?:full|complete|total) confidence"
)
_ELSEWHERE = re.compile(
    "(?:(?:我的|两个|兩個|双方的?|両方の|두|二つの)?(?:答案|答复|回答|答え|解答|정답|답변?)(?:和|与|與|は|이|은|가|也|都|是|が|の)?(?:参考答案|參考答案)?)?(?:与|與|和)?(?:参考答案|參考答案)?"
    "(?:都|是|完全|は|も)?(?:相同|一致|一样|一樣|正确|正確|对的|對的|显而易见|顯而易見|很明显|明らか|同じ|正しい|일치|같습니다|맞습니다|동일합니다|맞다)(?:的|です|である|합니다|다)?"
    "|(?:请|請)?(?:见|見|看|参见|參見|参考|參考|参照)(?:上文|下文|上面|上方|附件|教科书|課本|课本|参考答案)|(?:上記|以上|下記|添付)を?(?:ご)?参照(?:してください|下さい)?|(?:위|아래)(?:를|의)? ?(?:내용을 )?(?:참조|참고)(?:하세요|하십시오)?"
)
_POINTS = frozenset(map(fold, entries("pointing")))
_GRADED = frozenset(map(fold, entries("graded")))
_PLACES = frozenset(map(fold, entries("places")))
_CLAIMS = frozenset(map(fold, entries("claims")))
