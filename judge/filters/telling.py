"""Do copied words state an answer of the kind that the reference is?

A sentence about answering ("My answer matches the reference exactly.") is in no list of announcements, in most languages, and a
judge that copies it proves nothing. So words are asked for what an answer of the kind holds: a value or the name of one where the
reference is a value, a letter or the text of an option, yes or no. What holds none of them is no negative verdict: it has no reward.
"""

from __future__ import annotations

import re

from judge.filters.commitment import counted
from judge.filters.evasive import folded
from judge.filters.lexicon import LEXICON
from judge.filters.little import says_little, telling
from judge.filters.reference import NEGATIVE, ReferenceAnswers
from judge.filters.surface import ResponseView, words
from judge.numerals import fold, readings
from judge.words import entries

_NAME = re.compile(  # K2, 3M, F-16, H2O, O_2, C++, AC/DC, e4
    r"(?:[A-Za-z]{1,3}[-_ ]?\d{1,4}[A-Za-z]?){1,6}|\d{1,3}[A-Z][A-Za-z]?|[A-Z]{1,4}/[A-Z]{1,4}|[A-Za-z][+#*]{1,2}|[^\w\s]{1,3}|[A-Za-z_0-9+^{}-]*[A-Z][a-z]?_?\{?\d\}?[A-Za-z_0-9+^{}-]*"
)
_COMMAND = re.compile(r"\\(?:text|mathrm|mbox)\{[^{}]{0,80}\}|\\[A-Za-z]+")
_CONSTANT = re.compile(
    r"\\(?:infty|pi|emptyset|varnothing|varphi|phi|mathbb|sqrt|circ)(?![A-Za-z])|[\u221e\u2205\u221a\u00b0\u00bd\u00bc\u00be\u2150-\u215e\u2102\u2115\u211a\u211d\u2124\u00b9\u00b2\u00b3\u2070-\u209f]|(?<![\u0370-\u03ff\u1f00-\u1fff])[\u03b1-\u03c9](?![\u0370-\u03ff\u1f00-\u1fff])"
)
_VARIABLE = re.compile(r"\W*(?:[a-z]\s?[-+]\s?\d+|\d+\s?[-+]\s?[a-z])\W*")  # `n+1`
_ROMAN = re.compile(r"(?<![A-Za-z])[IVXLCDM]{2,10}(?![A-Za-z])")
_OPERATION = re.compile(
    r"[-=+*/^<>\u2264\u2265\u2260\u00b1\u2208\u00d7\u00b7_(]|\\(?:sin|cos|tan|log|ln|exp|le|ge|leq|geq|cdot|times)(?![A-Za-z])"
)
_FUNCTION = re.compile(r"(?<![A-Za-z])(?:arc)?(?:sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|mod|gcd)(?![A-Za-z])")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_CHOICE = re.compile(r"(?<![\w'\u2019])[(\[]?([A-J])[).:\]]\s?(\S.{0,200}?)(?=[\s,;]+[(\[]?[A-J][).:\]]\s?\S|\n|$)", re.DOTALL)
_PICKED = re.compile(
    r"(?<![\w'\u2019\\])[B-HJ](?![\w'\u2019])|(?<![\w'\u2019\\])[AI](?![\w'\u2019]|\s[a-z])|^\W{0,4}[a-j]\W{0,4}$"
)
_PROPER = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]\.?){2,6}(?![a-z])|[\U0001f1e6-\U0001f1ff]|^\W{0,3}[A-Z]\W{0,3}$|\b[A-Z]\("
)  # `U.S.`, a flag, a letter
_ALL = re.compile(r"\b(?:all|any|every)\b.{0,20}\b(?:number|real|integer|value)s?\b")
_CLAIM = re.compile(r"\?\s{0,3}$|^(?:whether|if|is|are|was|were|do|does|did|can|could|the question)\b|\bor not\b", re.IGNORECASE)
_NONE = re.compile(
    r"\b(?:no|zero|without|keine?|pas de|aucune?|sin|no hay|sem|nessuna?|нет|geen|ingen|brak|nincs)\s(?:\w+\s)?(?:solutions?|roots?|losung(?:en)?|solucion(?:es)?|soluzion[ei]|soluco?es|solucao|racines?|решени[йея]|oplossing(?:en)?|losning(?:ar|er)?)\b|无解|無解|空集|没有解|解なし|해가 없|해는 없|لا (?:يوجد )?حل"
)
_KOREAN = re.compile(
    "(?<![\uac00-\ud7a3])(?:[\uc77c\uc774\uc0bc\uc0ac\uc624\uc721\uce60\ud314\uad6c]?[\uc2ed\ubc31\ucc9c\ub9cc])+[\uc77c\uc774\uc0bc\uc0ac\uc624\uc721\uce60\ud314\uad6c]?(?=\\s|$)|"
    "(?<![\uac00-\ud7a3])(?:\uc5f4|\uc2a4\ubb3c|\uc11c\ub978|\ub9c8\ud754|\uc270)?(?:\ud55c|\ub450|\uc138|\ub124|\ub2e4\uc12f|\uc5ec\uc12f|\uc77c\uacf1|\uc5ec\ub35f|\uc544\ud649)\\s(?:\uac1c|\uba85|\uc2dc\uac04|\ubc88|\uc0b4|\ub9c8\ub9ac|\uad8c)"
)
_FEW = 4  # words around "all", "both", "neither"

_COUNTED = frozenset("numbers number real positive negative integers them".split())
_VALUES = frozenset(map(fold, entries("names of values")))
_COUNTS = frozenset(map(fold, entries("counting in a word")))
_AGREES_ALONE = frozenset(map(fold, entries("agreeing by itself")))
_AGREES = frozenset(map(fold, entries("agreeing or denying")))
_PIECES = re.compile("|".join(map(re.escape, entries("names of values in pieces"))))
_ORDER = frozenset("first second third fourth last former latter both all none neither one two three four 1 2 3 4 5".split())


def tells_nothing(said: ResponseView, *, whole: bool = True) -> str | None:
    """Why copied words cannot state the reference, whatever it is; None when they may.

    Args:
        said: The words, with the prompt and the reference.
        whole: They are all of the response, so that "both" or "all" may be its answer.

    Example:
        >>> from judge.filters.reference import reference
        >>> def tells(text, known): return tells_nothing(ResponseView(text, "Q?", reference((known,)), "verifier")) is None
        >>> tells("a right angle", "90"), tells("a whole number", "90"), tells("Yes, it does.", "yes"), tells("We shall see.", "yes")
        (True, False, True, False)
    """
    reference = said.reference
    if reference is None or (reference.held_by(said.text) and reference.kind not in ("truth", "option")):
        return None
    if reference.kind in ("number", "math") and not all(_NAME.fullmatch(a.bare) for a in reference.answers):
        return None if states_value(said, reference, whole=whole) else "names no value, and the reference is one"
    if not said.verifying:
        return None
    if reference.kind == "truth":
        return None if _affirms(said) else "says neither yes nor no"
    if reference.kind == "option" and (choices := options(said.prompt)):
        return None if _picks(said, choices) else "names no option"
    if _PROPER.search(said.visible) or (reference.negative and any(word in NEGATIVE for word in said.words)):
        return None
    return says_little(said)


def states_value(said: ResponseView, reference: ReferenceAnswers, *, whole: bool = True) -> bool:
    """Whether words hold a number, a constant, a formula with the reference's letters, or the name of a value."""
    if not any(map(str.isalpha, _COMMAND.sub("", reference.bare))) and _VARIABLE.fullmatch(said.visible):
        return False
    if counted(said) or _CONSTANT.search(said.text) or _ROMAN.search(said.text):
        return True
    text = folded(said.plain)
    found = [part for word in words(said.plain) for part in (word, *word.split("-"))]
    if any(word in _VALUES or (readings(word) and not LEXICON.is_grammar(word)) for word in found) or _KOREAN.search(text):
        return True
    if _NONE.search(text) or _ALL.search(text) or _PIECES.search(text):
        return True
    if whole and len(said.words) <= _FEW and any(word in _COUNTS for word in found) and _alone(found, said):
        return True
    if any(a.negative for a in reference.answers) and any(word in NEGATIVE for word in found):
        return True
    letters = {letter for a in reference.answers for letter in _LETTER.findall(_COMMAND.sub(" ", a.bare))}
    mine = set(_LETTER.findall(_COMMAND.sub(" ", said.visible)))
    if letters & mine and (_OPERATION.search(said.visible) or len(letters) == 1 == len(mine)):
        return True
    return bool(_FUNCTION.search(said.visible)) or bool(options(said.prompt) and _PICKED.search(said.visible))


def _alone(found: list[str], said: ResponseView) -> bool:
    """Whether all words beside "all", "both" or "certain" are grammar, or words of the question, or may be counted."""
    beside = (word for word in found if word not in _COUNTS)
    return all(LEXICON.is_grammar(word) or word in said.prompt_words or word in _COUNTED for word in beside)


def options(prompt: str) -> dict[str, str]:
    """The options that a prompt lists, letter -> text; empty where there are fewer than two.

    Example:
        >>> options("Which is red? A) blood B) snow")
        {'A': 'blood', 'B': 'snow'}
    """
    found = {letter: text.strip() for letter, text in _CHOICE.findall(prompt[-20_000:])}
    return found if len(found) > 1 else {}


def _picks(said: ResponseView, choices: dict[str, str]) -> bool:
    found = set(said.words)
    if _PICKED.search(said.visible) or (found & _ORDER and len(found) <= _FEW):
        return True
    told = {letter: set(words(text)) for letter, text in choices.items()}
    return any(text and (text <= found or _own(text, letter, told) & found) for letter, text in told.items())


def _own(text: set[str], letter: str, told: dict[str, set[str]]) -> set[str]:
    """Words of one option that no other one has, and that say something."""
    others = set().union(*(each for other, each in told.items() if other != letter))
    return {word for word in text - others if telling(word)} or text - others


def _affirms(said: ResponseView) -> bool:
    """Yes, no or a word like them; a number or an equation; or a claim made of the question's own words."""
    found = words(said.plain)
    text = folded(said.plain)
    if any(word in _AGREES or word.endswith("n't") for word in found) or _NO.search(text) or _PIECES_OF_TRUTH.search(text):
        return True
    if any(word in _AGREES_ALONE for word in found) and len(found) <= _FEW and not telling(text) and not _TASK.search(text):
        return True
    if re.search(r"\d\s?[=<>\u2260*\u00d7/]", said.visible) or _SIGN.fullmatch(said.visible):
        return True
    if _CLAIM.search(said.plain):
        return False
    told = telling(folded(said.plain))
    return len(told & telling(folded(said.prompt[:8_000]))) > 1 and len(found) > 2


_NO = re.compile(r"\bno\b(?=\W*$|\s?[^\w\s]|\s(?:it|he|she|they|we|you|this|that|there|because|since|as)\b)")
_TASK = re.compile(r"\b(?:answers?|values?|options?|choice|solutions?|results?|verdict|responses?|question|idea|clue)\b")
_SIGN = re.compile("[\u2713\u2714\u2705\u2717\u2718\u274c\U0001f44d\U0001f44e]\ufe0f?")
_PIECES_OF_TRUTH = re.compile("|".join(map(re.escape, entries("agreeing or denying in pieces"))))
