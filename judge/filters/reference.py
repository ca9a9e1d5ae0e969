"""What kind of answer the reference is, and whether a response holds it: what lets the filters ask for a committed answer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from judge.numerals import VALUES, fold

AnswerKind = Literal["number", "math", "option", "truth", "text"]
"""What would be an answer: a number, an expression, a choice letter, yes or no, or anything."""

_TEXT_COMMAND = re.compile(r"\\(?:text|mbox|mathrm|textbf|boxed)\s{0,3}\{([^{}]{0,500})\}")
_NUMBER = re.compile(r"[-+\u2212~\u2248$\u20ac\u00a3\u00a5 \\]{0,6}(?:\d[\d,. _\u00a0\u202f!{}\\]{0,80}|\.\d{1,40})[ \\]{0,3}(?:%|\u00b0|\^\\circ"
                     r"|/\s?\d{1,40}|(?:[a-z\u00b5]{1,12}|[A-Z][A-Za-z]{0,2})\.?)?(?: [a-z]{1,12})?")  # fmt: skip
_MATH = re.compile(
    r"\\[A-Za-z]+|[=^_<>\u2264\u2265\u221a\u03c0\u221e\u2205\u2208\u222a\u2229\u00b1\u00d7\u00f7+*]|\d\s?[A-Za-z]\b|[A-Za-z]\s?-\s?[A-Za-z]\b|/"
)
_WORDS = re.compile(r"[^\W_]+")
_TRUTH = frozenset(
    map(
        fold,
        "yes no true false ja nein oui non sí si no sim não vrai faux да нет так ні 是 否 对 错 不是 はい いいえ 예 아니오 نعم لا हाँ नहीं".split(),
    )
)
NEGATIVE = frozenset(
    fold(w)
    for w in """no none nothing nobody nowhere never neither nor not cannot can't nil null void empty undefined unknown undetermined indeterminate
    impossible zero dne nonexistent infinite infinitely insufficient inconclusive nan n/a 0 \\emptyset \\varnothing ∅
    kein keine nicht nichts niemand
    unbestimmt unmöglich aucun rien pas jamais impossible ninguno nada nadie nunca imposible nenhum nessuno niente нет
    никто ничего невозможно 无 無
    没有 不能 不存在 なし ない 없음 없다 لا يوجد नहीं कोई""".split()
)


_SHORT_NEGATIVE = 80  # characters; a longer reference says more than "none"
_NEGATIVE_WORD = re.compile(r"\\[a-z]+|[^\W_]+(?:'[a-z]+|/[a-z]\b)?|∅")


def _negative(text: str) -> bool:
    """Whether a short reference says "none": by a word of its own, or by being 0. A 0 among other numbers says nothing."""
    found = [fold(w) for w in _NEGATIVE_WORD.findall(text.replace("\u2019", "'"))]
    return found == ["0"] or any(w in NEGATIVE and w != "0" for w in found)


@dataclass(frozen=True)
class ReferenceAnswer:
    """One reference answer, looked at once."""

    text: str

    @cached_property
    def bare(self) -> str:
        """Without the LaTeX that only wraps words."""
        return unicodedata.normalize("NFKC", _TEXT_COMMAND.sub(r" \1 ", self.text[:2_000])).strip().strip("$").strip()

    @cached_property
    def kind(self) -> AnswerKind:
        """What an answer must be to be right.

        Example:
            >>> [ReferenceAnswer(r).kind for r in ("1,200", "\\\\frac{1}{2}", "\\\\text{(B)}", "no", "David Seville", "9 years")]
            ['number', 'math', 'option', 'truth', 'text', 'number']
        """
        bare = self.bare
        if re.fullmatch(r"[(\[]?[A-Ja-j][)\].:]{0,2}", bare):
            return "option"
        if fold(bare.rstrip(".")) in _TRUTH:
            return "truth"
        if _NUMBER.fullmatch(bare) or fold(bare) in VALUES:
            return "number"
        letters = sum(len(w) for w in _WORDS.findall(re.sub(r"\\[A-Za-z]+", " ", bare)) if len(w) > 2 and not w[0].isdigit())
        if letters == 0 and (_MATH.search(bare) or any(c.isdigit() for c in bare)):
            return "math"
        return "text"

    @cached_property
    def single(self) -> bool:
        """Whether one value answers it, so that several values are a guess at it."""
        if self.kind in ("option", "truth"):
            return True
        bare = re.sub(r"(?<=\d)(?:,\s?|\{,\})(?=\d{3})", "", self.bare)
        return not re.search(r",|;|\bor\b|\band\b|\\cup|\\pm|±|\\\{|[\[(].*[\])]", bare) or self.kind == "text"

    @cached_property
    def negative(self) -> bool:
        """Whether it says that there is no answer, or none of a kind: then a response that says so may be right."""
        if any(w in self.bare for w in ("不", "无", "無", "没", "ない", "なし", "없")):
            return True
        parts = self.bare.split("/") if self.kind == "text" else [self.bare]  # one of many alternatives may be the negative one
        return any(_negative(part) for part in [self.bare, *parts] if len(part) <= _SHORT_NEGATIVE)

    @cached_property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """The answers it accepts, as folded words: parts between `/` and `|` where those hold words, else the whole."""
        worded = any(len(w) > 1 and not w.isdigit() for w in _WORDS.findall(self.bare))
        parts = re.split(r"[/|\n]", self.bare) if worded and not self.bare.startswith("\\") else [self.bare]
        found = (tokens(p) for p in [self.bare, *parts[:500]])
        return tuple(dict.fromkeys(f for f in found if f))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The answers it accepts, as they stand between `/` and `|`; only the whole where that is a fraction or a formula.

        Example:
            >>> ReferenceAnswer("8/eight/Eight").parts, ReferenceAnswer("3/4").parts, ReferenceAnswer("|x|").parts
            (('8/eight/Eight', '8', 'eight', 'Eight'), ('3/4',), ('|x|',))
        """
        text = self.text[:10_000]
        if (
            "\\" in text
            or text.startswith("|")
            or not re.search(r"[^\W\d_]{2}|[^\w\s]$", text)
            or re.fullmatch(r"[\d\s.,/%-]*[a-z]{0,3}/[a-z]{1,3}", text)
        ):
            return (self.text,)
        return tuple(dict.fromkeys([self.text, *(p for p in re.split(r"[/|]", text) if p.strip())]))

    def held_by(self, text: str) -> bool:
        """Whether one of its answers stands in a text, word for word, articles aside.

        Example:
            >>> ReferenceAnswer("puzzle/the maze").held_by("It is a Maze book."), ReferenceAnswer("42").held_by("It is 420.")
            (True, False)
        """
        padded = f"\x00{chr(0).join(tokens(unicodedata.normalize('NFKC', text)))}\x00"
        return any(f"\x00{chr(0).join(a)}\x00" in padded for a in self.alternatives) or (
            self.kind == "text" and len(self.bare) >= 2 and any(c > "\u2e7f" for c in self.bare) and self.bare in text
        )


def tokens(text: str) -> tuple[str, ...]:
    """Folded words without articles and thousands separators, for a comparison word by word."""
    text = re.sub(r"(?<=\d)[,_](?=\d{3})", "", text)
    return tuple(
        w for w in (fold(w) for w in _WORDS.findall(text.replace("'", "").replace("\u2019", ""))) if w not in ("the", "a", "an")
    )


@dataclass(frozen=True)
class ReferenceAnswers:
    """The answers known to be right, any one of which is enough. With one answer it says what that answer says."""

    answers: tuple[ReferenceAnswer, ...]

    @cached_property
    def text(self) -> str:
        """The answers, one a line."""
        return "\n".join(a.text for a in self.answers)

    @cached_property
    def bare(self) -> str:
        """The answers, one a line, without the LaTeX that only wraps words."""
        return "\n".join(a.bare for a in self.answers)

    @cached_property
    def kind(self) -> AnswerKind:
        """The kind of all answers; `text`, the most lenient, where they differ."""
        kinds: set[AnswerKind] = {a.kind for a in self.answers}
        return kinds.pop() if len(kinds) == 1 else "math" if kinds <= {"number", "math"} else "text"

    @cached_property
    def single(self) -> bool:
        """Whether one value answers it."""
        return all(a.single for a in self.answers)

    @cached_property
    def negative(self) -> bool:
        """Whether one of the answers says that there is none."""
        return any(a.negative for a in self.answers)

    @cached_property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """All that would be right, as folded words."""
        return tuple(dict.fromkeys(words for a in self.answers for words in a.alternatives))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """All that would be right, as it stands."""
        return tuple(dict.fromkeys(part for a in self.answers for part in a.parts))

    def held_by(self, text: str) -> bool:
        """Whether one of the answers stands in a text."""
        return any(a.held_by(text) for a in self.answers)

    def spoken_in(self, text: str) -> bool:
        """Whether a text gives one of the answers: it stands there, and yes or no stand at the beginning.

        "There is no way to say" holds the word "no", and does not say no.
        """
        if self.kind != "truth":
            return self.held_by(text)
        said = tokens(unicodedata.normalize("NFKC", text[:200]))
        return any(said[: len(a)] == a for a in self.alternatives)

    @property
    def says_none(self) -> bool:
        """Whether one of the answers is that there is none; a plain "no" says less than that."""
        return self.kind != "truth" and self.negative


@lru_cache(maxsize=4096)
def reference(answers: tuple[str, ...]) -> ReferenceAnswers:
    """The same reference is looked at once for all the responses of its group.

    Example:
        >>> known = reference(("42", "x^2 + 1"))
        >>> known.kind, known.held_by("It is 42.")
        ('math', True)
    """
    return ReferenceAnswers(tuple(map(ReferenceAnswer, answers)))
