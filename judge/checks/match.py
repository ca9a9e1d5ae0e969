"""Does a short answer say the same as the reference? Exact, normalised, as a number, an option, a list or a formula.

Never true for a wrong answer: what is not certain is left to the judge. So nothing is rounded, no unit converted, no order ignored.
Cheap steps come first, sizes are bounded, nothing needs a time limit.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from judge.checks.exact import MAX_CHARS, exact
from judge.checks.lettercase import case_tells
from judge.checks.phrases import in_symbols, root_of
from judge.checks.units import UNITS, case_differs
from judge.numerals import spoken

MAX_LENGTH = 2_000  # characters; longer texts are compared exactly only
_LEAD = re.compile(
    r"(?:(?:so|thus|hence|therefore)[,\s]\s{0,3})?(?:(?:the\s{1,3})?(?:final\s{1,3}|correct\s{1,3})?answer\s{0,3}(?:is|:|=|-)|[#]{2,6}|(?:solution|result|a|ans|respuesta|"
    r"la respuesta es|antwort|die antwort (?:ist|lautet)|réponse|la réponse est|resposta|risposta|ответ|antwoord|svar|odpowiedź|cevap|jawaban|solución|lösung|"
    r"हल|उत्तर|الجواب|الإجابة|答|解|答案|解答|答え|回答|정답|답)\s{0,2}[:：]|答案是|答えは|정답은|=)\s{0,3}:?\s{0,3}",
    re.IGNORECASE,
)
_OUTER = (("\\boxed{", "}"), ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("\\text{", "}"), ("\\mathrm{", "}"), ("<answer>", "</answer>"),
          ("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"), ("\u201c", "\u201d"))  # fmt: skip
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?")
_MIXED = re.compile(r"([+-]?)(\d{1,20})\s{1,3}(\d{1,20})/(\d{1,20})")
_GROUPED = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?:(?:,\d{3}){1,12}|(?:[ '\u2019_]\d{3}){1,12})(?![\d,])")
_SYMBOLS = {"\\infty": "∞", "\\emptyset": "∅", "\\varnothing": "∅", "\\pi": "π", "\\leq": "≤", "\\geq": "≥", "\\le": "≤", "\\ge": "≥", "\\cup": "∪",
            "\\cap": "∩", "\\pm": "±", "\\times": "*", "\\cdot": "*", "\\in": "∈", "\\div": "/", "\\dfrac": "\\frac", "\\tfrac": "\\frac",
            "\\left": "", "\\right": "", "\\displaystyle": "", "\\quad": " ", "\\degree": "°", "\\circ": "°", "\\{": "{", "\\}": "}", "\\%": "%", "\\$": "$",
            "\\!": "", "\\,": " ", "\\;": " ", "\\:": " ", "\\ ": " "}  # fmt: skip
_COMMAND = re.compile(r"\\(?:\\|[A-Za-z]{1,14}|[{}%$!,;: ])")
_WRAPPED = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|operatorname)\s{0,2}\{([^{}]{0,200})\}")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_OPTION = re.compile(r"(?:(?:option|choice|answer) ?)?[(\[]?([a-j])[)\].:]{0,2}")
_MEASURE = re.compile(
    r"([$€£]?)\s?([+-]?[\d.,/\\{}fracsqrtπ ]{1,60}?)\s?(?:(?:\^\s?)?\{?([a-z$€£°][a-z/-]{0,14})\}?(\^\{?[23]\}?)?)?\.?"
)


_CACHED = 2048  # texts; a reference is compared with many responses


@lru_cache(maxsize=_CACHED)
def normalise(text: str) -> str:
    """Fold what does not change an answer: width, case, outer markup, words like "The answer is", trailing stops, LaTeX spelling.

    Example:
        >>> normalise(" **The answer is \\\\boxed{４}.** "), normalise("解：x=2"), normalise("\\\\left(-\\\\infty, 0\\\\right]")
        ('4', 'x=2', '(-∞,0]')
    """
    text = _core(text)
    text = _WRAPPED.sub(r" \1 ", text) if "\\" in text else text
    text = _COMMAND.sub(lambda m: _SYMBOLS.get(m.group(), m.group()), text) if "\\" in text else text
    text = " ".join(text.casefold().split())
    if any(c in text for c in "=+-±*/^_{},()[]<>≤≥∪|"):
        worded = re.search(r"(?<![\\{a-z])[^\W\d_]{2,}", text)
        text = re.sub(r" ?([,()\[\]^]) ?", r"\1", text) if worded else re.sub(r"(?<![^\W_]) | (?![^\W_])", "", text)
        text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    return text


@lru_cache(maxsize=_CACHED)
def _core(text: str) -> str:
    """A text without what is written around an answer, in its own letter case."""
    text = _plain(text[: MAX_LENGTH * 2])
    for _ in range(4):
        before = text
        text = _unwrap(_unmark(_unstop(text)))
        lead = _LEAD.match(text)
        text = text[lead.end() :] if lead and lead.end() < len(text) else text
        if text == before:
            break
    return text


def _plain(text: str) -> str:
    """Full-width and styled characters as plain ones; fractions and powers written out."""
    if text.isascii():
        return text.strip()
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,8}", lambda m: "^" + m.group().translate(_SUPERSCRIPT), text)
    text = re.sub("[¼½¾⅐-⅞]", lambda m: " " + unicodedata.normalize("NFKC", m.group()).replace("⁄", "/"), text)
    text = (
        unicodedata.normalize("NFKC", text)
        .replace("−", "-")
        .replace("–", "-")
        .replace("⁄", "/")
        .replace("×", "*")
        .replace("·", "*")
    )
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)
    return text.replace("\u066b", ".").replace("\u066c", ",").replace("\u200f", "").replace("\u200e", "").strip()


def _unstop(text: str) -> str:
    """Without stops at the end; an exclamation mark only behind a word, since `4!` and `n!` are numbers; `0.3...` goes on."""
    text = text.strip()
    if _GOES_ON.search(text[-80:]):
        return text
    text = text.rstrip(".。:：; \n")
    return text.rstrip("!！") if text[-1:] in "!！" and len(text) > 2 and text[-3:-1].isalpha() else text


_GOES_ON = re.compile(r"[\d})](?:\.{2,60}|\u2026)$")
_OPENS = re.compile(r"\*{1,3}(?![a-z(*])|_{1,3}(?![^\W\d_]|_)|`{1,3}")
_CLOSES = re.compile(r"(?:(?<=[\d\s.)}\]$])|(?<=[^\W\d_]{3}))\*$|\*{2,3}$|(?<![^\W\d_])_{1,3}$|`{1,3}$")


def _unmark(text: str) -> str:
    """Without the marks of emphasis and code at the ends; `*args`, `_x`, `__init__` and `R*` are names."""
    text = text.strip("` \n\t")
    for mark in ("**", "*", "__", "_"):
        inner = text[len(mark) : -len(mark)].strip()
        if text.startswith(mark) and text.endswith(mark) and inner and (mark[0] == "*" or not _IDENTIFIER.fullmatch(inner)):
            return inner if mark not in inner else text
    opens, closes = _OPENS.match(text), _CLOSES.search(text[-80:])
    text = text[: len(text) - len(closes[0])] if closes else text
    return (text[opens.end() :] if opens else text).strip()


_IDENTIFIER = re.compile(r"[a-z]\w{0,60}")


def _unwrap(text: str) -> str:
    """Outer marks that close at the very end. One level at a time, so that `{a}{b}` is not unwrapped."""
    for left, right in _OUTER:
        if text.startswith(left) and text.endswith(right) and len(text) > len(left) + len(right):
            inner = text[len(left) : len(text) - len(right)]
            if right != "}" or _balanced(inner):
                return inner.strip() if left not in inner or right == "}" else text
    return text


def _balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def number(text: str) -> Fraction | None:
    """The exact value of a text that is one number: `1,000`, `-3.50`, `3/4`, `2½`, `٤`, `50%`, `forty-two`; None otherwise.

    Example:
        >>> number("1,000.50") == Fraction(2001, 2), number("3/4"), number("2½"), number("3 apples")
        (True, Fraction(3, 4), Fraction(5, 2), None)
    """
    return _number(normalise(text))


@lru_cache(maxsize=_CACHED)
def _number(text: str) -> Fraction | None:
    text = text.strip("$€£ ").replace("{,}", ",")
    if not text or len(text) > 200:
        return None
    text = in_symbols(text)
    if not any(c.isdigit() for c in text):
        value = spoken(text)
        return None if value is None else Fraction(value)
    percent = text.endswith("%")
    text = _GROUPED.sub(lambda m: re.sub(r"\D", "", m.group()), text.rstrip("% "))
    mixed = _MIXED.fullmatch(text)
    if mixed:
        sign, whole, above, below = mixed.groups()
        if int(below) == 0 or int(above) >= int(below):
            return None
        value_ = Fraction(int(whole)) + Fraction(int(above), int(below))
        return -value_ if sign == "-" else value_
    top, slash, bottom = text.partition("/")
    if not _NUMBER.fullmatch(top.strip()) or (slash and not _NUMBER.fullmatch(bottom.strip())):
        return None
    value_ = Fraction(top.strip())
    if slash:
        if Fraction(bottom.strip()) == 0:
            return None
        value_ /= Fraction(bottom.strip())
    return value_ / 100 if percent else value_


def agrees(response: str, reference: str) -> bool:
    """Whether a whole response says the same as the reference. Never true for a blank reference.

    Example:
        >>> agrees("$4$", "4"), agrees("(c)", "C"), agrees("\\\\frac{\\\\sqrt{8}}{2}", "sqrt(2)"), agrees("5 cm", "5 m"), agrees("five", "4")
        (True, True, True, False, False)
    """
    if not reference.strip():
        return False
    if response.strip() == reference.strip():
        return True
    if len(response) > MAX_LENGTH or len(reference) > MAX_LENGTH:
        return False
    mine, theirs = normalise(response), normalise(reference)
    if kept_apart(response, reference):
        return False
    if mine == theirs:
        return mine != ""
    if len(mine) > 4 * MAX_CHARS or len(theirs) > 4 * MAX_CHARS:
        return False
    return _same(mine, theirs, 0)


def kept_apart(first: str, second: str) -> bool:
    """Whether what `normalise` folds, or reckons, may make two answers of two texts. Symmetric.

    That is letter case of a symbol, a list against one number, digits that go on ("0.3..."), a code with a leading zero (`007`),
    and numbers with a dash between (a score, a span, a date) that are written otherwise.

    Example:
        >>> [kept_apart(*pair) for pair in (("x^2", "X^2"), ("0.3...", "0.3"), ("007", "7"), ("3-1", "4-2"), ("Paris", "paris"))]
        [True, True, True, True, False]
    """
    if case_differs(first, second) or _one_list(first, second):
        return True
    one, other = _core(first), _core(second)
    if one == other:
        return False
    marks = any(bool(sign.search(one)) != bool(sign.search(other)) for sign in (_GOES_ON, _PADDED))
    return marks or case_tells(one, other) or (normalise(first) != normalise(second) and (dashed(one) or dashed(other)))


_PADDED = re.compile(r"(?<![\d.,:/'\u2019_!} \u2013-])0\d")


LISTED = re.compile(r"\d,\s+\d")  # `1, 234` is two numbers


def _one_list(first: str, second: str) -> bool:
    """Whether one text has numbers with a comma and a space between, and the other no sign of a list: `1, 234` is not 1234."""
    lists = bool(LISTED.search(first)), bool(LISTED.search(second))
    other = second if lists[0] else first
    return lists[0] != lists[1] and any(c.isdigit() for c in other) and not re.search(r"[,;]|\band\b", other)


def _same(mine: str, theirs: str, depth: int) -> bool:
    """The comparisons that need the texts read, on normalised texts."""
    mine, theirs = _symbols(mine), _symbols(theirs)
    if mine == theirs:
        return True
    first, second = _number(mine), _number(theirs)
    if first is not None and second is not None:
        return (
            first == second
            and not _versions(mine, theirs)
            and (_currency(mine) == _currency(theirs) or not _currency(mine) or not _currency(theirs))
        )
    options = _OPTION.fullmatch(mine), _OPTION.fullmatch(theirs)
    if options[0] and options[1]:
        return options[0][1] == options[1][1]
    if len(mine) > MAX_CHARS or len(theirs) > MAX_CHARS:
        return False
    return _measured(mine, theirs) or _named(mine, theirs, depth) or _listed(mine, theirs, depth) or _formula(mine, theirs)


def _symbols(text: str) -> str:
    """What is said in words, as symbols: "no solution", "the square root of two", and the interval `]0,1[`."""
    text = in_symbols(text)
    root = root_of(text)
    if root is not None:
        radicand = spoken(root[1]) if not root[1].isdecimal() else int(root[1])
        return text if radicand is None or root[0] != 2 else f"\\sqrt{{{radicand}}}"
    if text[:1] == "]" or text[-1:] == "[":
        ends = _FRENCH.fullmatch(text)
        return f"{'(' if ends[1] == ']' else '['}{ends[2]}{')' if ends[3] == '[' else ']'}" if ends else text
    return text


_FRENCH = re.compile(r"([\[\]])([^\[\]]{1,80},[^\[\]]{1,80})([\[\]])")


def _versions(first: str, second: str) -> bool:
    """Whether two numbers may be versions or sections: `3.10` is not `3.1`, and may be."""
    shorter, longer = sorted((first, second), key=len)
    return longer == shorter + "0" and _VERSION.fullmatch(shorter) is not None


_VERSION = re.compile(r"[1-9]\d?\.[1-9]")


def _currency(text: str) -> int:
    """A bit for each currency; none for a bare number, which agrees with any."""
    return sum(bit for bit, sign in ((1, "$"), (2, "€"), (4, "£")) if sign in text)


def _measured(mine: str, theirs: str) -> bool:
    """The same number with a unit on one side or the same unit on both."""
    first, second = _measure(mine), _measure(theirs)
    if first is None or second is None or (not first[1] and not second[1]):
        return False
    return first[0] == second[0] and (first[1] == second[1] or not first[1] or not second[1])


def _measure(text: str) -> tuple[object, str] | None:
    text = re.sub(r"\^?\{?\s?°\s?\}?", "°", text)
    squared = re.match(r"(.*?)\s?(?:sq\.?|square|cubic) ([a-z]+)$", text)
    if squared:
        text = f"{squared[1]} {squared[2]}^{3 if 'cubic' in text else 2}"
    found = _MEASURE.fullmatch(text)
    if found is None:
        return None
    sign, digits, unit, power = found.groups()
    if (unit and unit not in UNITS) or (unit == "s" and _DECADE.fullmatch(text)):
        return None
    value: object = _number(digits.strip())
    if value is None:
        formula = exact(digits.strip())
        if formula is None or any(name.isalpha() and name != "π" for monomial in formula for name, _ in monomial):
            return None
        value = tuple(sorted(formula.items()))
    name = UNITS[unit].name if unit else sign
    return value, f"{name}{re.sub('[^23]', '', power or '')}"


def _named(mine: str, theirs: str, depth: int) -> bool:
    """`x = 2` against `2`: a name on one side only. The same name on both is left out on both."""
    first, second = _NAME.match(mine), _NAME.match(theirs)
    if depth > 2 or not (first or second):
        return False
    if first and second and first[1] != second[1]:
        return False
    return _same(mine[first.end() :] if first else mine, theirs[second.end() :] if second else theirs, depth + 1)


_NAME = re.compile(r"([a-z](?:\([a-z]\))?)\s?(?:=|∈)\s?(?=\S)")
_DECADE = re.compile(r"[1-9]\d{1,2}0s")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def _listed(mine: str, theirs: str, depth: int) -> bool:
    """Lists, tuples, intervals and sets: the same brackets, the same items in the same order."""
    mine, theirs = (re.sub(r",? and ", ",", text) if text[:1] not in "([{" else text for text in (mine, theirs))
    if depth > 2 or "," not in mine or "," not in theirs:
        return False
    if mine[0] in "([{" or theirs[0] in "([{":
        if (mine[0], mine[-1]) != (theirs[0], theirs[-1]) or mine[-1] not in ")]}":
            return False
        mine, theirs = mine[1:-1], theirs[1:-1]
    first, second = _items(mine), _items(theirs)
    return len(first) == len(second) > 1 and all(_same(a, b, depth + 1) for a, b in zip(first, second, strict=True))


def _items(text: str) -> list[str]:
    """The parts between commas outside brackets."""
    depth, parts = 0, [""]
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [p.strip() for p in parts]


def dashed(text: str) -> bool:
    """Whether a text is numbers with dashes, colons or two strokes between: a score, a span, a date, a telephone number.

    Example:
        >>> dashed("3-1"), dashed("5/4/2021"), dashed("6-4, 6-3"), dashed("3/4"), dashed("-4"), dashed("2-\\\\sqrt{3}")
        (True, True, True, False, False, False)
    """
    return _NUMBERS_ONLY.fullmatch(text) is not None and _DASH.search(text) is not None


_NUMBERS_ONLY = re.compile(r"[\d\s.,:;+*/()\[\]\u2013\u2212-]{1,300}")
_DASH = re.compile(r"\d\s?[-:\u2013\u2212]\s?\d|\d\s?/\s?\d{1,9}\s?/\s?\d")
_FRACTION = re.compile(r"[+-]?[\d.]{1,60}(?:\s?/\s?[\d.]{1,60})?")


def _sum(text: str) -> bool:
    """Whether a text is a sum or product of plain numbers: the question, as often as the answer."""
    return _NUMBERS_ONLY.fullmatch(text) is not None and _FRACTION.fullmatch(text) is None


def _formula(mine: str, theirs: str) -> bool:
    if _sum(mine) or _sum(theirs):
        return False
    if not all(any(c.isdigit() or c in "πi√+-*/^" for c in text) for text in (mine, theirs)):
        return False
    first = exact(mine)
    return first is not None and first == exact(theirs)
