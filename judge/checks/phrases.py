"""Answers in words that say the same as a symbol: "no solution" is the empty set, "all real numbers" the whole line.

Only phrases that have one meaning wherever they are the whole answer: "nothing" or "both" depend on the question, and are left
to the judge. Keys are normalised as `judge.checks.match.normalise` does it: lower case, LaTeX commands as symbols.
"""

from __future__ import annotations

import re

REALS, EMPTY = "(-∞,∞)", "∅"

_SAID = {
    "1/2": "half|one half|a half|one-half|fifty-fifty|50-50|ein halb|die hälfte|un demi|la moitié|la mitad|二分之一|一半",
    "1/3": "one third|a third|one-third|un tiers|un tercio|ein drittel|三分之一",
    "2/3": "two thirds|two-thirds|deux tiers|dos tercios|zwei drittel|三分之二",
    "1/4": "one quarter|a quarter|one fourth|a fourth|one-quarter|one-fourth|ein viertel|un quart|un cuarto|四分之一",
    "3/4": "three quarters|three-quarters|three fourths|drei viertel|trois quarts|tres cuartos|四分之三",
    "6": "half a dozen|a half dozen|half-dozen",
    "12": "a dozen|one dozen",
    "13": "a baker's dozen|baker's dozen",
    "100": "a hundred",
    "1000": "a thousand",
    "1000000": "a million",
    "1000000000": "a billion",
    "∞": "infinity|positive infinity|plus infinity|+∞|unendlich|l'infini|infinito|无穷大|无穷",
    "-∞": "negative infinity|minus infinity|minus unendlich|负无穷",
    "π": "pi",
    "φ": "phi|\\phi|\\varphi|ϕ",
    "e": "euler's number|euler’s number",
    "(1+\\sqrt{5})/2": "the golden ratio|golden ratio",
    "90°": "a right angle|right angle|ein rechter winkel",
    "180°": "a straight angle|straight angle",
    "(0,0)": "the origin|at the origin",
    EMPTY: "empty set|the empty set|ø|{}|keine lösung|es gibt keine lösung|pas de solution|aucune solution|sin solución|no hay solución|"
    "nessuna soluzione|sem solução|无解|無解|空集|解なし|해가 없다|нет решений|пустое множество",
    REALS: "(-∞,+∞)|ℝ|\\mathbb{r}|\\mathbb r|all reals|all real numbers|all real x|every real number|any real number|the real numbers|"
    "the set of all real numbers|the set of real numbers|all real values|all real values of x|alle reellen zahlen|tous les réels|"
    "todos los números reales|todos os números reais|tutti i numeri reali|全体实数|一切实数|все действительные числа",
    "ℤ": "\\mathbb{z}|\\mathbb z|all integers|the integers|the set of integers|the set of all integers",
    "ℕ": "\\mathbb{n}|\\mathbb n|the natural numbers|all natural numbers|the set of natural numbers",
    "ℚ": "\\mathbb{q}|\\mathbb q|the rational numbers|all rational numbers|the rationals|the set of rational numbers",
    "ℂ": "\\mathbb{c}|\\mathbb c|the complex numbers|all complex numbers|the set of complex numbers",
    "(0,∞)": "all positive numbers|all positive real numbers|all positive reals",
    "(-∞,0)": "all negative numbers|all negative real numbers|all negative reals",
    "does not exist": "dne|it does not exist|the limit does not exist",
}  # fmt: skip
SYMBOL = {phrase: symbol for symbol, phrases in _SAID.items() for phrase in phrases.split("|")}
"""A whole answer in words -> the same in symbols."""

YES = frozenset(
    "yes yep yeah yup true correct right affirmative ja si sí sì oui sim da да tak evet ya vâng はい 是 对 對 네 예".split()
)
NO = frozenset(
    "no nope nah false incorrect wrong negative nein non não nao nej nee нет nie hayır tidak không いいえ 否 不是 아니요 아니오".split()
)
"""A whole answer that affirms, and one that denies, in one or two dozen languages; in lower case."""

_JUDGED = frozenset("true false correct incorrect right wrong affirmative negative".split())

_NO_SOLUTION = re.compile(
    r"(?:(?:there (?:is|are)|(?:it|the (?:equation|system|inequality)) has) )?no (?:real )?(?:solutions?|roots?)(?: exists?)?"
)
_ROOT = re.compile(r"(?:the )?(square|cube) root of (\w[\w-]{0,20})")


def in_symbols(text: str) -> str:
    """A normalised answer with what it says in words written as symbols; as it is where it says nothing of the kind.

    Example:
        >>> in_symbols("all real numbers"), in_symbols("there is no solution"), in_symbols("paris")
        ('(-∞,∞)', '∅', 'paris')
    """
    if len(text) > 60:
        return text
    found = SYMBOL.get(text)
    if found is not None:
        return found
    if "no " in text and _NO_SOLUTION.fullmatch(text):
        return EMPTY
    return text


def root_of(text: str) -> tuple[int, str] | None:
    """Degree and radicand, as written, of "the square root of two"; None for anything else.

    Example:
        >>> root_of("the square root of two"), root_of("two")
        ((2, 'two'), None)
    """
    found = _ROOT.fullmatch(text) if " root of " in text else None
    return (2 if found[1] == "square" else 3, found[2]) if found else None


def same_side(first: str, second: str) -> bool | None:
    """Whether two whole answers in lower case both affirm or both deny; None where one does neither, or they may not mean the
    same ("correct" may be said of the answer, and "yes" of the question).

    Example:
        >>> same_side("yes", "ja"), same_side("no", "true"), same_side("yes", "correct"), same_side("yes", "paris")
        (True, False, None, None)
    """
    if (first in YES and second in NO) or (first in NO and second in YES):
        return False
    both = (first in YES and second in YES) or (first in NO and second in NO)
    return True if both and (first == second or not {first, second} & _JUDGED) else None
