r"""Is the answer that a response states the reference? Yes, no, or a program cannot tell.

The rules that are linear and exact come first (`judge.checks.match`, `judge.checks.values`): they settle numbers, amounts and
short answers in words. What they leave open, and only that, goes to the library math-verify in a process of its own
(`judge.checks.formulas`). What is open still is for the judge: "They cancel out." may well be right where the reference is 0.
"""

from __future__ import annotations

import re

from judge.checks.doubt import changed_before, other_base, other_shape, other_thing, says_more, taken_back
from judge.checks.exact import exact
from judge.checks.formulas import math_equal
from judge.checks.match import agrees, kept_apart, normalise
from judge.checks.phrases import NO, YES, in_symbols
from judge.checks.stated import FORMULA, MAX_CHARS, FinalAnswer, answer_part, find_stated
from judge.checks.units import UNITS
from judge.checks.values import changes_number, compare_values, has_value
from judge.numerals import fold

__all__ = ["MAX_CHARS", "is_value", "matches", "repeats_question", "states"]
MAX_REFERENCE, MAX_TAIL = 2_000, 1_500  # characters
_FEW_WORDS = 10  # beside a formula or number, in a text that is little more than an answer
_DATE_WORDS = 2
_SENTENCE = re.compile(r"[.?\n\u3002](?:\s|$)|(?<=[^\W\d_]{2})!(?:\s|$)")  # `n!` is a factorial
_LAST_STOP = re.compile(r"(?:[.? \n\u3002]|(?<=[^\W\d_]{2})!){1,9}$")
_STOPS = " .,;:!?*_-\u2026\u3002\n"
_SHORT_WORDS, _SHORT_CHARS = 5, 60  # of an answer in words that a program may fail to read
_PIECE = re.compile(
    r"((?:[$€£]\s?)?[-+\u2212]?(?:\d++(?:[.,]\d++)*+|\.\d+)(?:/\d+)?)(?:\s{0,3}(\\?%|°(?:\s?[CFK](?![A-Za-z]))?|[^\W\d_]{1,20}))?"
)
_BEFORE_NUMBER = ("$", "€", "£", "-", "\u2212")
_ALTERNATIVES = re.compile(r"\d\S{0,9}\s(?:\\text\{\s?)?(?:or|oder|ou|или|或)\s(?:\S{1,4}\s)?\S{0,6}\d")
_SEVERAL = re.compile(r"[,;{∪]|\b(?:or|and)\b|\\cup|\\pm")
_JOINED = re.compile(r",?\s(?:and|or)\s")
_OPERATION = re.compile(r"[\w)}\]]\s{0,3}(?:[-+*/^×·÷!]|\\[A-Za-z])|\\(?:[cdt]?frac|sqrt|binom|sum|int|prod|log|ln|sin|cos|tan)")
_ORDINAL = ("st", "nd", "rd", "th")
_PART_OF_FORMULA = re.compile(r"\d\s(?:in|over|out of|of|to)\s$|[\w)}][/*^×·]\s?$")  # "1 in 6", "pi/2 radians"
_SPACES = re.compile(r"[\s$]|\\[!,;:()\[\]]")
_CHAIN = re.compile(r"(?<![<>!])=(?!=)")
_NAME = re.compile(r"[^\W\d_]{3,}|[\u3040-\u9fff\uac00-\ud7af]")
_DIGITS = re.compile(r"\d++(?:[.,]\d++)*+")
_MATHS = re.compile(r"[\\^_+*/=<>≤≥≈√π!()\[\]{}|]")
_DELIMITED = re.compile(r"(?<!\\)\$|\\[(\[]|\\f?boxed|\\begin\{(?:align|equation)")
_COMMANDS = re.compile(
    r"\\(?:begin|end)\s?\{[a-z*]{1,20}\}(?:\{[^{}]{0,20}\})?|\\(?:text|mbox|mathrm|textbf|mathbf|operatorname)\s?\{[^{}]{0,80}\}|\\[A-Za-z]+"
)
_MATH_WORDS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log exp lim max min gcd lcm mod det sqrt and pct percent".split()
)
_SYMBOLS = frozenset("\\$∞∅π√=<>≤≥^_{")
_WORD = re.compile(r"[A-Za-z]{3,}")


def states(text: str, reference: str) -> bool | None:
    """Whether the final answer that a response states is the reference, units and words around a number aside.

    Returns:
        True or False where a program can tell. None where it cannot: the reference is a value, and what is stated is short or
        marked as the answer but not understood.

    Example:
        >>> states("5 + 7 = 12, so she has 12.", "12"), states("Not 12 but 13.", "12"), states("The answer is 12 cm.", "12")
        (True, False, True)
        >>> states("They cancel out.", "0") is None
        True
    """
    answer = answer_part(text)
    if not answer or agrees(answer, reference):
        return bool(answer)
    reference = _stated_reference(reference)
    stated = find_stated(answer)
    if stated is not None:
        return _compare(stated, answer, reference)
    return _unmarked(answer, reference)


def matches(text: str, reference: str) -> bool | None:
    """Whether a whole response says what the reference says: it is the answer alone, marks its answer, or ends with it.

    The difference to `states`: a number or formula within the last sentence of a longer text does not count.

    Example:
        >>> matches("12", "12"), matches("She ate 5 of the 17, so in the end there must still be all of 12 left for us.", "12")
        (True, False)
    """
    answer = answer_part(text)
    if not answer or agrees(answer, reference):
        return bool(answer)
    reference = _stated_reference(reference)
    stated = find_stated(answer)
    if stated is not None and (
        stated.how in ("box", "mark") or stated.ends or len(FORMULA.sub(" ", answer).split()) <= _FEW_WORDS
    ):
        return _compare(stated, answer, reference)
    return _unmarked(answer, reference) if stated is None else False


def repeats_question(text: str, reference: str, prompt: str) -> bool:
    """Whether the formula that a response states is one of the prompt's own and not what the reference says.

    `17 \\times 23` equals 391, and is no answer to "What is 17 \\times 23?".

    Example:
        >>> repeats_question("It is $17 + 23$.", "40", "What is 17+23?"), repeats_question("It is 40.", "40", "17+23?")
        (True, False)
    """
    stated = find_stated(answer_part(text))
    if stated is None or not _OPERATION.search(stated.text):
        return False
    formula = _SPACES.sub("", stated.text).rstrip("=.")
    return formula in _SPACES.sub("", prompt) and formula not in _SPACES.sub("", reference)


def is_value(reference: str) -> bool:
    """Whether a reference is a number, an amount or a formula, and not a name or a sentence.

    Example:
        >>> is_value("3/4"), is_value("5 km"), is_value("x^2+1"), is_value("Paris"), is_value("K2")
        (True, True, True, False, False)
    """
    if has_value(reference):
        return True
    plain = normalise(reference[:MAX_REFERENCE])
    name = re.fullmatch(r"[^\W\d_]+-?\d+|\d+-?([^\W\d_]+)", plain)  # K2, F-16, 3M
    if name:
        return name[1] in UNITS
    if in_symbols(plain) != plain:  # "no solution"
        return True
    words = [word for word in _prose(plain) if not changes_number(word)]
    if words:
        return len(words) <= _DATE_WORDS and any(c.isdigit() for c in plain)  # "8 May 1945"
    if _DELIMITED.search(reference) or any(c.isdigit() or c in _SYMBOLS for c in plain):
        return True
    return exact(plain) is not None and any(c in "+-*/" for c in plain)


def _stated_reference(reference: str) -> str:
    """A reference that is a worked solution (a box, or GSM8K's `####`): the answer that it states."""
    if "####" in reference or "boxed" in reference:
        stated = find_stated(reference[-MAX_CHARS:])
        if stated is not None and stated.how in ("box", "mark"):
            return stated.text if stated.how == "mark" else f"${stated.text}$"
    return reference


def _unmarked(answer: str, reference: str) -> bool | None:
    """Nothing states an answer in digits: number words, or another thing said in a few words."""
    if not answer.strip(_STOPS):
        return False
    last = _SENTENCE.split(_LAST_STOP.sub("", answer[-300:]))[-1]
    value = compare_values(last, reference)
    if value is not None:
        return value
    if has_value(last) and is_value(reference):
        return None
    return _other_words(answer, reference)


def _other_words(answer: str, reference: str) -> bool | None:
    """An answer that is not the reference word for word: another one, unless it is short and may say the same.

    That is so where the reference is a value or a code ("oxygen" for O2), or they share a word ("It is Paris." for Paris).
    """
    most = 2 * _SHORT_WORDS if in_symbols(normalise(reference)) != normalise(reference) else _SHORT_WORDS
    if len(answer) > _SHORT_CHARS or len(answer.split()) > most:
        return False
    if _may_translate(answer, reference):
        return None
    words, theirs = (set(_NAME.findall(text.casefold())) for text in (answer, reference))
    code = not reference.replace(" ", "").isalpha() and not any(c.isdigit() for c in answer)
    return None if is_value(reference) or code or words & theirs else False


def _may_translate(answer: str, reference: str) -> bool:
    """Whether other words may say what a reference in words says: a yes or no, the text of an option, an abbreviation, another
    script, other accents."""
    wanted, said = normalise(reference), normalise(answer)
    if ("\\" in answer and not _prose(answer)) or (said.isdigit() and not any(c.isdigit() for c in wanted)):
        return True
    if wanted in YES or wanted in NO or any(_LETTER.fullmatch(text) for text in (said, wanted)) or fold(wanted) == fold(said):
        return True
    if any(text[:-1].isalpha() and text.endswith(".") for text in (answer, reference)) and said[:3] == wanted[:3]:
        return True
    initials = ["".join(word[0] for word in text.split()) for text in (said, wanted)]
    letters = [re.sub(r"[\W_]", "", text) for text in (said, wanted)]
    return (
        letters[0] == initials[1]
        or letters[1] == initials[0]
        or any(bool(script.search(answer)) != bool(script.search(reference)) for script in _SCRIPTS)
    )


_LETTER = re.compile(r"\(?[a-j]\)?")
_SCRIPTS = tuple(
    re.compile(f"[{span}]")
    for span in (
        "\u0370-\u03ff",
        "\u0400-\u04ff",
        "\u0590-\u06ff",
        "\u0900-\u0dff",
        "\u0e00-\u0e7f",
        "\u3040-\u9fff",
        "\uac00-\ud7af",
    )
)


def _compare(stated: FinalAnswer, answer: str, reference: str) -> bool | None:
    at = answer.rfind(stated.text)
    same = _said(stated, answer, at, reference)
    whole = answer if stated.how == "number" and len(answer) <= _SHORT_CHARS else stated.text
    in_doubt = same and (
        kept_apart(whole, reference)
        or other_base(answer[max(0, at) :][: len(stated.text) + 6], reference)
        or _other_name(answer[max(0, at - 10) : max(0, at)] + stated.text, reference)
        or stated.text.endswith("?")
        or _counts_other(stated, answer, at, reference)
        or (stated.how in ("mark", "number") and taken_back(answer, at, at + len(stated.text)))
    )
    if same is False and stated.how == "number" and len(answer) <= _FORMULA_CHARS and _bare_formula(answer):
        return _by_library(FinalAnswer(answer, "formula"), answer, reference) if is_value(reference) else None
    return None if in_doubt else same


_FORMULA_CHARS = 150


def _bare_formula(answer: str) -> bool:
    """Whether a whole answer is a formula, or numbers with "and" between, without dollars: its last number is no answer."""
    return bool(_MATHS.search(answer) or _JOINED.search(answer)) and not _prose(answer)


def _counts_other(stated: FinalAnswer, answer: str, at: int, reference: str) -> bool:
    """Whether the one number that is stated counts another thing than the reference's."""
    numbers = list(_DIGITS.finditer(stated.text.replace(":", ".")))
    if at < 0 or len(numbers) != 1 or (stated.how != "number" and agrees(stated.text, reference)):
        return False
    return other_thing(answer, at + numbers[0].start(), reference)


def _other_name(first: str, second: str) -> bool:
    names = [_LEFT.search(text.strip("$ ")) for text in (first, second)]
    return bool(names[0] and names[1] and names[0][1] != names[1][1])


_LEFT = re.compile(r"(?<![A-Za-z])([A-Za-z])\s?=(?!=)[^=]+$")


def _said(stated: FinalAnswer, answer: str, at: int, reference: str) -> bool | None:
    if stated.how != "number" and agrees(stated.text, reference):
        return True
    if stated.text.endswith("!") and compare_values(stated.text[:-1], reference):  # "42!": a loud 42, or a factorial
        return None
    if _ALTERNATIVES.search(stated.text) and not _SEVERAL.search(reference):  # "3 or 4"
        return False
    if stated.how == "number":
        return _in_place(answer, at, reference)
    found = compare_values(stated.text, reference)
    numbers = list(_DIGITS.finditer(stated.text))
    if found is None and len(numbers) == 1 and _WORD.search(stated.text) and not _MATHS.search(stated.text):
        return _in_place(stated.text, numbers[0].start(), reference)
    if found is None and is_value(reference):
        found = _by_library(stated, answer, reference)
        chain = _CHAIN.split(stated.text)
        if found is None and len(chain) > 1 and not _CHAIN.search(reference):  # "2 + 2 = 4": what it comes to
            return _said(FinalAnswer(chain[-1].strip("$ ."), stated.how), answer, at, reference)
        return found
    return _other_words(stated.text, reference) if found is None else found


def _in_place(text: str, at: int, reference: str) -> bool | None:
    """The number at a place of a longer text, with the word behind it; None where what stands around may change it."""
    start = len(text[:at].rstrip())
    piece = _PIECE.match(text, start - 1 if text[start - 1 : start] in _BEFORE_NUMBER else at)
    if piece is None:
        return None
    same = compare_values(piece[0], reference)
    behind = piece[2] or ""
    if same is None and behind not in UNITS and not changes_number(behind):
        same = compare_values(piece[1], reference) or None  # words around a number aside
    if same is None and is_value(reference):
        plain = behind in ("", "%", "\\%", "percent", "pct") and not other_base(piece[0], reference)
        same = math_equal(_delimited(reference), f"${piece[0]}$") if plain else None
        return None if same is False and other_shape(piece[0], reference) else same
    if same:
        return None if changed_before(text, at) else True
    before = text[max(0, at - 300) : at]
    if _PART_OF_FORMULA.search(before[-12:]) or (behind in _ORDINAL and reference.strip(_STOPS).isalpha()):
        return None
    sentence = re.split(r"[.!?]\s|\n", before)[-1] if behind else ""  # "12 after 3 days": 12 may be meant
    if any(compare_values(each[1], reference) for each in _PIECE.finditer(sentence)):
        return None
    short = len(text) <= _SHORT_CHARS and len(text.split()) <= _DATE_WORDS
    return None if short and not is_value(reference) and not any(c.isdigit() for c in reference) else False


def _by_library(stated: FinalAnswer, answer: str, reference: str) -> bool | None:
    """What math-verify makes of what is stated, and of the end of the text where it cannot read that."""
    gold = _delimited(reference)
    form = stated.text if stated.how == "mark" and _DELIMITED.search(stated.text) else _formula(stated.text)
    forms = (form, "" if stated.how == "mark" else answer[-MAX_TAIL:])
    same = math_equal(gold, *filter(None, forms)) if gold and any(forms) else None
    if same and says_more(stated.text, reference):
        return None
    return None if same is False and other_shape(stated.text, reference) else same


def _delimited(text: str) -> str:
    return text if _DELIMITED.search(text) else _formula(text)


def _formula(text: str) -> str:
    """A text as one formula between dollar signs; empty where it is prose, which would be read as a product of its letters."""
    return "" if _prose(text) else f"${_JOINED.sub(', ', text).strip().strip('$')}$"


def _prose(text: str) -> list[str]:
    """The words of a formula that stand outside of LaTeX commands and mean nothing in one."""
    words = (word.casefold() for word in _WORD.findall(_COMMANDS.sub(" ", text)))
    return [word for word in words if word not in _MATH_WORDS and word not in UNITS]
