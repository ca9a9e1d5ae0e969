"""Answers that avoid answering (it depends, cannot be determined, a refusal), and answers that give several at once."""

from __future__ import annotations

import re

from judge.filters.reference import Reference
from judge.filters.surface import Look, words
from judge.numerals import VALUES, fold

_PHRASES = """
(?:can ?not|can't|could not|couldn't|cannot|can never|impossible to|not possible to|unable to|no way to|isn't possible to|hard to|difficult to) (?:be )?(?:\\w+ )?(?:determin|answer|solve|say|tell|know|decid|comput|calculat|establish|find|conclu|infer|deduc|ascertain|deriv|give|provide|help|assist|comply|fulfil|complete|do that|verif|specif)
(?:not|isn't|in)\\s?(?:enough|sufficient) (?:information|info|data|context|detail|evidence)|insufficient (?:information|data|context|detail)|lack(?:s|ing)? (?:of )?(?:sufficient|enough|the necessary) |more (?:information|context|details?) (?:is|are) (?:needed|required|necessary)|need more (?:information|context|detail)
\\bit (?:really |all |just )?depends\\b|\\bdepends on (?:the|many|several|various|what|how|who|your|which|context)\\b|\\bthat depends\\b
(?:left|leave\\w*|remains?)(?: this| it| that| the \\w+)?(?: as)? (?:an? )?(?:exercise|homework|the reader|to the reader|up to|for the reader|open)
\\b(?:i|we) (?:do not|don't|really don't|don't really|dont|cannot|can't|am unable|'m unable|am not able|'m not able|are unable|won't|will not|would rather not|have no|must decline|decline)(?: \\w+)? ?(?:know|idea|clue|sure|answer|help|assist|provide|say|to|have|remember|recall|see|comply|do|determine|tell|understand)
\\b(?:i'm|i am|we are|we're) (?:not sure|unsure|uncertain|sorry|afraid|unable|not certain|not able|just an ai|an ai)|\\bas an ai\\b|\\bsorry,? (?:but )?i\\b|\\bmy apologies\\b|\\bi apologi[sz]e\\b
\\b(?:no one|nobody) (?:knows|can (?:say|tell|know))|\\bwho knows\\b|\\bcould be anything\\b|\\bthere (?:is|are) (?:no (?:way|single|one|definit\\w+|clear|simple|unique|right|correct)|many (?:possible|different|ways)|several (?:possible|different)|multiple (?:possible|correct|valid))|\\bany answer\\b|\\bno (?:definit\\w+|clear|single|simple) answer
\\b(?:answer|solution|result|value|it|this|that|question)\\b(?: is| remains| may be| might be| could be)(?: \\w+)? (?:unknown|unclear|uncertain|undetermined|indeterminate|indeterminable|ambiguous|not (?:known|given|clear|specified|provided|stated|available|determined|mentioned)|subjective|debatable|anyone's guess|open to interpretation|beyond|unanswerable|unknowable|up to (?:you|the reader|interpretation))
\\b(?:the|this) (?:text|passage|question|problem|context|document|information) (?:does not|doesn't|do not|don't|fails to) (?:\\w+ )?(?:say|state|mention|provide|specify|contain|give|include|tell|have)|\\btrivial(?:ly)? (?:and|so|to see)|\\bproof is (?:trivial|obvious|left)|\\b(?:omitted|skipped) for brevity\\b
(?:nicht|kaum|nie) (?:eindeutig )?(?:bestimm|beantwort|sagen|wissen|ermittel|losbar|klar|beantworten|feststell)|\\bes kommt (?:ganz )?darauf an|\\bdas hangt (?:davon|von)|\\bkommt drauf an|\\bich weiss (?:es )?nicht|\\bich weiß (?:es )?nicht|\\bkeine ahnung|\\bes tut mir leid|nicht genugend informationen|\\b(?:leider )?kann ich (?:\\w+ ){0,3}nicht|(?:dem|den) leser (?:uberlassen|als ubung)|als ubung (?:dem|den|uber)
(?:ne peut (?:pas )?etre|impossible (?:de|a)|ne peut pas|ne peuvent pas|n'est pas possible) ?(?:\\w+ )?(?:determin|repon|savoir|dire|resou|etabli|calcul|trouv)|\\b(?:ca|cela) depend\\b|\\bje ne (?:sais|peux|suis)|\\bje (?:suis )?desole|pas assez d'inform|informations? insuffisant|laisse(?:e)? (?:en exercice|au lecteur|comme exercice)|en exercice au lecteur|\\baucune idee|\\bpersonne ne sait
(?:no se puede|no puede|no es posible|imposible|no podemos|no puedo) (?:\\w+ )?(?:determin|respond|saber|decir|resolv|calcul|contest|encontr|hall|ayud|ser )|\\bdepende\\b|\\bno (?:lo )?se\\b|\\blo siento|\\bno tengo (?:idea|suficiente)|informacion (?:insuficiente|suficiente)|no hay (?:suficiente|informacion)|se deja (?:como|al)|ejercicio (?:para el|al) lector|\\bnadie (?:lo )?sabe
(?:nao e possivel|nao pode ser|impossivel|nao posso|nao podemos|nao se pode|nao consigo) ?(?:\\w+ )?(?:determin|respond|saber|dizer|resolv|calcul|encontr|ajud)?|\\bnao sei\\b|\\bdesculpe\\b|\\blamento\\b|\\bsinto muito\\b|informacoes? (?:insuficiente|suficiente)|nao ha (?:inform|dados)|exercicio (?:para o|ao) leitor|\\bninguem sabe
(?:non (?:si )?puo|non e possibile|impossibile|non posso|non possiamo|non sono in grado) ?(?:\\w+ )?(?:determin|rispond|sapere|dire|risolv|calcol|trov|aiut|esser)?|\\bdipende\\b|\\bnon (?:lo )?so\\b|\\bmi dispiace|informazioni (?:insufficienti|sufficienti)|lasciat[oa] (?:al|come)|esercizio (?:per il|al) lettore|\\bnessuno (?:lo )?sa\\b
(?:kan niet|kunnen niet|niet te|onmogelijk te|niet mogelijk) ?(?:\\w+ )?(?:bepa|beantw|zeggen|weten|bereken|worden|oplos)|\\bhet hangt (?:er ?van )?af|\\bdat hangt|\\bik weet (?:het )?niet|\\bhet spijt me|onvoldoende (?:informatie|gegevens)|niet genoeg informatie
\\bdet beror pa|\\bdet kommer an pa|\\bdet avhenger|\\bdet afhænger|\\bjag vet inte|\\bjeg ved (?:det )?ikke|\\bjeg vet ikke|kan (?:inte|ikke) (?:\\w+ )?(?:bestam|besvar|avgor|bestem|afgør|avgjør|hjælp|hjalp|hjelp|sva)|\\btyvarr|\\bdesvarre
\\bse riippuu|\\ben tieda|\\ben osaa sanoa|ei voi(?:da)? (?:\\w+ )?(?:maarit|vastat|tieta|sano)|nie (?:mozna|da sie|moge|mozemy|jest mozliwe|wiem|wiadomo)|\\bto zalezy|\\bprzepraszam|(?:nelze|neni mozne|nemohu|nemuzeme|nevim|nevime)|\\bto zavisi|\\bzalezi na|\\bomlouvam|nem (?:lehet|tudom|hatarozhato|allapithato|valaszolhato)|\\battol fugg|\\bsajnalom|nu (?:se poate|pot|stiu|este posibil)|\\bdepinde\\b|\\bimi pare rau
(?:belirlenemez|cevaplanamaz|bilinemez|bilmiyorum|soylenemez|hesaplanamaz|duruma bagli|baglidir|degisir|uzgunum|yeterli bilgi|mumkun degil)|(?:khong the|khong biet|khong du|khong ro|tuy thuoc|con tuy|xin loi)|(?:tidak (?:dapat|bisa|tahu|mungkin|cukup|diketahui)|tergantung|maaf)|(?:haiwezekani|sijui|inategemea|samahani)
(?:нельзя|невозможно|не (?:могу|можем|знаю|знаем|удается|удаётся|представляется|хватает|определен|определить)|недостаточно|неизвестно|зависит от|это зависит|^зависит|все зависит|всё зависит|извините|простите|к сожалению|затрудняюсь|оставля\\w+ читател|читателю|никто не знает)|(?:неможливо|не (?:можу|знаю|можна)|недостатньо|залежить|вибачте|на жаль)|(?:не може да|не знам|зависи)
(?:δεν (?:μπορ|γνωριζ|ξερω|ειναι δυνατον|υπαρχουν αρκετ|εχω)|εξαρταται|λυπαμαι|αδυνατο)|(?:لا (?:يمكن|أعرف|أعلم|اعرف|اعلم|أستطيع|استطيع|توجد معلومات)|يعتمد (?:على|ذلك)|هذا يعتمد|آسف|اسف|عذرا|من المستحيل|غير (?:معروف|ممكن|محدد)|يتوقف على)|(?:نمی ?توان|نمی ?دانم|نمی‌توان|نمی‌دانم|بستگی|متأسفم|متاسفم|مشخص نیست|نامشخص)
(?:לא (?:ניתן|יודע|ידוע|אפשר|יכול|מספיק)|אי אפשר|תלוי|מצטער)|(?:नहीं (?:किया जा|पता|जानता|बता|दिया जा|कहा जा|कर सक|मिल)|पता नहीं|निर्भर|क्षमा|माफ़|असंभव|संभव नहीं|पर्याप्त जानकारी)|(?:বলা যায় না|জানি না|নির্ভর|দুঃখিত|সম্ভব নয়)
无法|不能(?:确定|回答|判断|得出|提供|帮)|無法|不能(?:確定|回答)|不知道|不确定|不確定|不清楚|看情况|看情況|取决于|取決於|视情况|視情況|要看|信息不足|資訊不足|条件不足|條件不足|对不起|抱歉|對不起|很遗憾|留给读者|留作(?:练习|習題|习题)|无可奉告|难以(?:确定|回答)|没有足够
わかりません|分かりません|わからない|分からない|判断できません|決定できません|できません|場合による|場合によ|状況による|依存し|次第です|申し訳|ごめんなさい|すみません|情報が(?:不足|足りない)|不明です|読者への|お答えできません|特定できません|求められません|一概には
알 수 없|모르겠|모릅니다|결정할 수 없|판단할 수 없|대답할 수 없|답할 수 없|구할 수 없|상황에 따라|경우에 따라|달라집니다|다릅니다|죄송|정보가 부족|불가능|독자에게|도와드릴 수 없
ไม่สามารถ|ไม่ทราบ|ไม่รู้|ขึ้นอยู่กับ|ขอโทษ|ขออภัย|ข้อมูลไม่เพียงพอ
"""
_EVASIVE = re.compile("|".join(f"(?:{line})" for line in _PHRASES.strip().splitlines()))
_MENTION = re.compile(
    r"[\"'\u201d\u2019\u00bb*]{0,3} ?(?:is|was|are|by|comes|came|ist|war|est|es|é|è)\\b(?: (?:the|a|an) (?:title|name|song|album|film|movie|book|phrase|first|line)| by| from)?".replace(
        "\\\\", "\\"
    )
)
_HOLDS_WORK = re.compile(r"(?:\d.{0,40}[=+*/\u00d7].{0,40}\d)|\\boxed\{[^{}]|[=:]\s?-?\d")

_EITHER = re.compile(
    r"\beither\b|\bone of\b|\bany of\b|\bone or the other\b|\b(?:could|might|may|can) be\b|\bmaybe\b|\bperhaps\b|\bpossibly\b|\bentweder\b|\bsoit\b|\bou bien\b|\bo bien\b|\bja sea\b|\bya sea\b|\bлибо\b|\bили\b|\bهل\b|إما|要么|或者|かもしれ|または|또는|아니면|\bou\b|\boder\b|\bveya\b|\bya da\b|\batau\b|\bofwel\b|\beller\b|\blub\b|\balbo\b|\bnebo\b|\bvagy\b|\bsau\b|\bή\b|أو|\bया\b|\bhoặc\b|\bof\b(?= \d)"
)
_JOIN = re.compile(
    r"\s{0,3}(?:,|;|/|\||\bor\b|\boder\b|\bou\b|\bo\b|\bu\b|\bили\b|\beller\b|\batau\b|\bveya\b|\bya da\b|\blub\b|\balbo\b|\bnebo\b|\bvagy\b|\bsau\b|\bή\b|\bof\b|أو|،|、|或者|或|または|또는|या|\bhoặc\b|\bhay\b|\band\b|\bund\b|\bet\b|\by\b|\be\b|\n|和|&)\s{0,3}(?:\bor\b|\boder\b|\bou\b|\bo\b|\bили\b|\beller\b|\bmaybe\b|\bperhaps\b|\beven\b|\band\b)?\s{0,3}"
)
_ALTERNATIVE = re.compile(
    r"\bor\b|\boder\b|\bou\b|\bo\b|\bu\b|\bили\b|\beller\b|\batau\b|\bveya\b|\bya da\b|\blub\b|\balbo\b|\bnebo\b|\bvagy\b|\bsau\b|\bή\b|\bof\b|أو|或|または|또는|아니면|या|\bhoặc\b|\bhay\b|/|\|"
)
_FINAL = re.compile(
    r"(?:answer|antwort|respuesta|réponse|resposta|risposta|ответ|答案|答え|정답|उत्तर|الجواب|الإجابة|cevap|odpowiedź|antwoord|svar)\s{0,3}(?:is|ist|es|est|é|è|:|=|：|は|是|to|jest)?\s{0,3}\$?(-?\d[\d.,/]{0,20}|\(?[A-J]\)?(?![A-Za-z]))"
)
_BOXED = re.compile(r"\\boxed\s?\{([^{}]{1,60})\}")
_ITEM = re.compile(
    r"\(?\$?(?:[a-zA-Z]\s?=\s?)?(-?[\d.]{1,40}(?:/\d{1,20})?%?|[A-J](?![A-Za-z])|yes|no|true|false)\)?\$?", re.IGNORECASE
)


def non_committal(look: Look) -> str | None:
    """A refusal, "it depends", "cannot be determined", "left as an exercise", in some thirty languages.

    A policy learned "The answer cannot be determined from the text" because a judge accepted it (prime-envs #389). Stops: such answers as a whole,
    or as the last sentence of a longer text without any value in it. Does not stop: one where the reference says the same or
    stands in it; a title ("I don't know is the title of the song"); evasion in words of its own. Outside verifier
    recipes it only flags, because there a refusal may be right. Cost: no request; linear in at most 1,500 characters.
    """
    if not look.words or not (look.short or look.verifying):
        return None
    text = _folded(look.plain)
    if len(look.words) > 60 or not look.short:
        text = _last_sentence(text)
        if any(c.isdigit() for c in text):
            return None
    found = _EVASIVE.search(text)
    if found is None or _HOLDS_WORK.search(text) or _MENTION.match(text[found.end() : found.end() + 40]):
        return None
    reference = look.reference
    if reference is not None and (_accepts(reference) or reference.held_by(look.text)):
        return None
    return f"non-committal: \u201c{found.group()[:40]}\u201d"


def _accepts(reference: Reference) -> bool:
    return (reference.negative and not re.fullmatch(r"\D{0,2}0\D{0,2}", reference.bare)) or _is_evasive(reference.text)


def _is_evasive(text: str) -> bool:
    return bool(_EVASIVE.search(_folded(text[:400])))


def _folded(text: str) -> str:
    return " ".join(fold(text.replace("\u2019", "'")).split())


def _last_sentence(text: str) -> str:
    parts = [p for p in re.split(r"[.!?\u3002\uff01\uff1f]\s", text[-400:]) if p.strip()]
    return parts[-1] if parts else ""


def shotgun(look: Look) -> str | None:
    """Several conflicting answers, so that one may be right: "either 5 or 7", "A, B, C, or D", a bare list of numbers.

    Stops: hedges between values as the whole of a short text, two final answers that differ, four or more values and nothing
    else. Does not stop: lists where the reference is a list, tuples and sets in brackets, hedges inside long prose, a
    text that agrees with the reference as a whole. Outside verifier recipes it only flags. Cost: no request; linear in 1,500 characters.
    """
    reference = look.reference
    if not look.short or not look.words or len(look.words) > 120 or (reference is not None and not reference.single):
        return None
    text = look.visible.replace("**", "").replace("$", "").strip()
    values = _listed(text)
    if len(values) >= 4 or (len(values) >= 2 and _ALTERNATIVE.search(text)):
        return f"{len(values)} answers at once"
    finals = [f.strip("().,") for f in _FINAL.findall(text)]
    boxed = [b.strip() for b in _BOXED.findall(text)]
    for found in (finals, boxed):
        if len(set(found)) >= (
            2 if len(look.words) <= 60 and not re.search(r"wait|actually|however|correct|=", text.lower()) else 3
        ):
            return f"{len(set(found))} final answers that differ"
    return _hedge(text, reference)


def _listed(text: str) -> list[str]:
    """The different values of a text that is nothing but values, joiners and a few words of hedging; else none."""
    if text[:1] in "([{" and text[-1:] in ")]}" and "or" not in text:
        return []
    text = (
        re.sub(r"(?<=\d)[, \u00a0\u202f](?=\d{3}(?!\d))", "", text)
        if re.fullmatch(r"-?\d{1,3}(?:[, \u00a0\u202f]\d{3}){1,8}", text)
        else text
    )
    if _FRACTION.fullmatch(text):
        return []
    body = _HEDGING.sub(" ", _folded(text)).strip(" .!?:*")
    parts = [p.strip(" .") for p in _JOIN.split(body) if p and p.strip(" .")]
    if len(parts) == 1:
        parts = body.split()
    if not parts or not all(_ITEM.fullmatch(p) or p in VALUES for p in parts):
        return []
    return list(dict.fromkeys(parts))


_FRACTION = re.compile(r"[^\w]{0,3}\d{1,40}\s?/\s?\d{1,40}[^\w]{0,3}")
_HEDGING = re.compile(
    r"\b(?:the|final|correct|right|answer|answers|solution|result|it|its|it's|this|value|is|are|was|either|one of|any of|one|of|could|can|may|might|must|should|be|maybe"
    r"|perhaps|possibly|probably|i|think|guess|say|would|option|options|choice|choose|between|somewhere|all|these|the following|also|"
    r"antwort|die|ist|entweder|vielleicht|la|le|el|reponse|respuesta|resposta|risposta|est|es|soit|sea|ya|o bien|quizas|talvez|forse|peut-etre|либо|может|быть|ответ"
    r"|возможно|это)\b(?!\s?[).])|答案|是|可能|要么|要麼|答え|は|です|かもしれません|か|정답|은|는|입니다|الجواب|الإجابة|هو|إما|उत्तर|है|either"
)


def _hedge(text: str, reference: Reference | None) -> str | None:
    """`either X or Y`, `maybe X or Y` in a short text, where the reference is one thing."""
    folded = _folded(text)
    found = re.search(
        r"\b(?:either|maybe|perhaps|possibly|(?:could|might|may) be|entweder|either|soit|либо|ya sea|ou bien|one of|any of)\b(.{1,160})",
        folded,
    )
    if found is None or len(words(folded)) > 30:
        return None
    if not re.search(r"\bor\b|\boder\b|\bsoit\b|\bлибо\b|\bo\b|\bou\b|\bили\b|\bmaybe\b|\bperhaps\b|\bpossibly\b", found[1]):
        return None
    if reference is not None and (
        re.search(r"\bor\b|\beither\b", reference.text.lower()) or (reference.kind == "text" and len(reference.parts) > 1)
    ):
        return None  # a reference that takes several answers takes two of them
    return "hedges between several answers"
