"""Answers that give several at once, so that one may be right."""

from __future__ import annotations

import re

from judge.filters.evasive import folded
from judge.filters.reference import ReferenceAnswers
from judge.filters.surface import SHORT, ResponseView, words
from judge.numerals import VALUES, fold

JOIN = re.compile(
    r"\s{0,3}(?:,|;|/|\||\bor\b|\boder\b|\bou\b|\bo\b|\bu\b|\bили\b|\beller\b|\batau\b|\bveya\b|\bya da\b|\blub\b|\balbo\b|\bnebo\b|\bvagy\b|\bsau\b|\bή\b|\bof\b|أو|،|、|或者|或|または|또는|या|\bhoặc\b|\bhay\b|\band\b|\bund\b|\bet\b|\by\b|\be\b|\n|和|&)\s{0,3}(?:\bor\b|\boder\b|\bou\b|\bo\b|\bили\b|\beller\b|\bmaybe\b|\bperhaps\b|\beven\b|\band\b)?\s{0,3}"
)
ALTERNATIVE = re.compile(
    r"\bor\b|\boder\b|\bou\b|\bo\b|\bu\b|\bили\b|\beller\b|\batau\b|\bveya\b|\bya da\b|\blub\b|\balbo\b|\bnebo\b|\bvagy\b|\bsau\b|\bή\b|\bof\b|أو|或|または|또는|아니면|या|\bhoặc\b|\bhay\b|/|\|"
)
_FINAL = re.compile(
    r"(?:answer|antwort|respuesta|réponse|resposta|risposta|ответ|答案|答え|정답|उत्तर|الجواب|الإجابة|cevap|odpowiedź|antwoord|svar)\s{0,3}(?:is|ist|es|est|é|è|:|=|：|は|是|to|jest)?\s{0,3}\$?(-?\d[\d.,/]{0,20}|\(?[A-J]\)?(?![A-Za-z]))"
)
_BOXED = re.compile(r"\\boxed\s?\{([^{}]{1,60})\}")
_ITEM = re.compile(
    r"\(?\$?(?:[a-zA-Z]\s?=\s?)?(-?[\d.]{1,40}(?:/\d{1,20})?%?|[A-J](?![A-Za-z])|yes|no|true|false)\)?\$?", re.IGNORECASE
)


def shotgun(view: ResponseView) -> str | None:
    """Several conflicting answers, so that one may be right: "either 5 or 7", "A, B, C, or D", a bare list of numbers.

    Stops: hedges between values as the whole of a short text, two final answers that differ, four or more values and nothing
    else, four or more of anything under a heading such as "possible answers". Does not stop: lists where the reference is a
    list, tuples and sets in brackets, hedges inside long prose, candidates that are weighed before one is named, a text
    that agrees with the reference as a whole. Outside verifier recipes it only flags. Cost: no request; linear in 1,500 characters.
    """
    reference = view.reference
    if reference is not None and not reference.single:
        return None
    if _ONLY_NUMBERS.fullmatch(view.text[:SHORT]) and (many := len(set(view.text[:SHORT].split()))) >= _MANY_NUMBERS:
        return f"{many} numbers at once"
    if (many := _enumerates(view.text)) and not _CONCLUDES.search(view.text[-200:]):
        return f"{many} values and hardly a word"
    if not view.short or not view.words or len(view.words) > 120:
        return None
    text = BULLET.sub("", view.visible.replace("**", "").replace("$", "")).strip()
    values = _listed(text)
    opposed = any(pair <= {v.casefold() for v in values} for pair in _OPPOSED)
    if len(values) >= 4 or opposed or (len(values) >= 2 and ALTERNATIVE.search(text)):
        return f"{len(values)} answers at once"
    finals = [f.strip("().,") for f in _FINAL.findall(text)]
    boxed = [b.strip() for b in _BOXED.findall(text)]
    for found in (finals, boxed):
        if len(set(found)) >= (
            2 if len(view.words) <= 60 and not re.search(r"wait|actually|however|correct|=", text.lower()) else 3
        ):
            return f"{len(set(found))} final answers that differ"
    return _guesses(text, reference) or _hedge(text, reference)


_ONLY_NUMBERS = re.compile(r"[\d\s,.;:|/+\u2212-]{40,}")
_MANY_NUMBERS = 12
_SHARE = 0.6  # of the words that are numbers
_NUMBER = re.compile(r"(?<![^\W_])\d+(?:[./]\d+)?")
_WORD = re.compile(r"[^\W_]+")
_CONCLUDES = re.compile(r"answer|boxed|####|=\s?\S{1,20}\s{0,9}$", re.IGNORECASE)
BULLET = re.compile(r"(?m)^[ \t]{0,8}(?:[-*+\u2022]|\d{1,3}[.)])[ \t]{1,8}(?=\S)")
_OPPOSED = (frozenset(("yes", "no")), frozenset(("true", "false")))
_STOP = re.compile(r"(?<=\w)[.!]\s{1,3}(?=\S)")


def _enumerates(text: str) -> int:
    """How many numbers a text begins with that has hardly a word besides; 0 for any other. Most texts are left at their head."""
    if len(_NUMBER.findall(text[:200])) < _MANY_NUMBERS:
        return 0
    found = _NUMBER.findall(text[:SHORT])
    different = len(set(found))
    return different if different >= 2 * _MANY_NUMBERS and len(found) >= _SHARE * len(_WORD.findall(text[:SHORT])) else 0


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
    body = HEDGING.sub(" ", _STOP.sub(", ", folded(text))).strip(" .!?:*")
    parts = [p.strip(" .") for p in JOIN.split(body) if p and p.strip(" .")]
    if len(parts) == 1:
        parts = body.split()
    if not parts or not all(_ITEM.fullmatch(p) or p in VALUES for p in parts):
        return []
    return list(dict.fromkeys(parts))


def _guesses(text: str, reference: ReferenceAnswers | None) -> str | None:
    """`Possible answers: a, b, c, d`: a heading that promises no answer, four or more short items, and nothing else."""
    found = _POSSIBLE.match(text)
    if found is None or (reference is not None and reference.kind == "text" and _LIST.search(reference.text)):
        return None
    items = [i for part in _LIST.split(text[found.end() :]) if (i := part.strip(" -*\u2022.()\"'"))]
    short = [i for i in items if len(i) <= 60 and len(words(i)) <= 4 and not _STATES.search(i)]
    bare = [i for i in items if _ITEM.fullmatch(i)]
    if len({fold(i) for i in short}) < 4 or (len(short) < len(items) and (len(set(bare)) < 5 or items[-1] not in short)):
        return None
    return f"{len(items)} guesses under one heading"


_STATES = re.compile(r"[=:\uff1a]|[.!?]\s|\u3002|\b(?:answer|is|so|thus|final)\b", re.IGNORECASE)
_LIST = re.compile(r"[,;|\n\u3001\uff0c\uff1b]|\bor\b|\band\b|\boder\b|\bund\b|\bou\b|\bet\b|\bили\b|\bи\b|或者?|または|또는")
_POSSIBLE = re.compile(
    r"[^\w]{0,5}(?:(?:here|these|the|following|below|some|my|all|a|few|several|list|of|are|is|most|answer|answers|it|this|final|best|top|it's)\s{1,3}){0,5}"
    r"(?:possible|potential|plausible|likely|candidate|candidates|guess|guesses|alternatives|options|choices|one of|any of|either"
    r"|(?:could|might|may|can) be|perhaps|maybe|mögliche|vermutungen|kandidaten|réponses possibles|candidats|posibles|respuestas posibles|possíveis"
    r"|possibili|возможные|варианты|candidatos|候选|候選|可能|候補|가능한)(?:\s{0,3}[^\W\d]{1,20}){0,3}?\s{0,3}(?:[:\uff1a\u2014\n-]|\b(?:are|is|include|be|sind|sont|son)\b:?)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\b(?:some|any)(?:where|thing|time| number| value)? (?:between|from|in the range)\b")
_FRACTION = re.compile(r"[^\w]{0,3}\d{1,40}\s?/\s?\d{1,40}[^\w]{0,3}")
HEDGING = re.compile(
    r"\b(?:the|final|correct|right|answer|answers|solution|result|it|its|it's|this|value|is|are|was|either|one of|any of|one|of|could|can|may|might|must|should|be|maybe"
    r"|perhaps|possibly|probably|i|think|guess|say|would|option|options|choice|choose|between|somewhere|all|these|the following|also|"
    r"antwort|die|ist|entweder|vielleicht|la|le|el|reponse|respuesta|resposta|risposta|est|es|soit|sea|ya|o bien|quizas|talvez|forse|peut-etre|либо|может|быть|ответ"
    r"|возможно|это)\b(?!\s?[).])|答案|是|可能|要么|要麼|答え|は|です|かもしれません|か|정답|은|는|입니다|الجواب|الإجابة|هو|إما|उत्तर|है|either"
)


def _hedge(text: str, reference: ReferenceAnswers | None) -> str | None:
    """`either X or Y`, `maybe X or Y` in a short text, where the reference is one thing."""
    said = folded(text)
    found = re.search(
        r"\b(?:either|maybe|perhaps|possibly|(?:could|might|may) be|entweder|either|soit|либо|ya sea|ou bien|one of|any of)\b(.{1,160})",
        said,
    )
    if len(words(said)) <= 30 and reference is not None and reference.kind in ("number", "math") and _RANGE.search(said):
        return (
            "hedges over a range"
            if not re.search(r"[-\u2013,]|to|between|\\\\l|\\\\g|[<>\u2264\u2265]", reference.bare)
            else None
        )
    if found is None or len(words(said)) > 30:
        return None
    if not re.search(r"\bor\b|\boder\b|\bsoit\b|\bлибо\b|\bo\b|\bou\b|\bили\b|\bmaybe\b|\bperhaps\b|\bpossibly\b", found[1]):
        return None
    if reference is not None and (
        re.search(r"\bor\b|\beither\b", reference.text.lower())
        or (reference.kind == "text" and len(reference.parts) > 1)
        or len(reference.answers) > 1
    ):
        return None  # a reference that takes several answers takes two of them
    return "hedges between several answers"
