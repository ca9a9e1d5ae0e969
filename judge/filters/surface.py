"""What a reader sees of a response: visible text, words, clauses. Computed once for a response and shared by all filters.

- `str.strip` keeps U+200B, U+2060, U+FEFF, U+00AD, U+3164, U+2800, U+180E and others: a "blank" answer passes it.
- A response may be megabytes, and hostile. Filters read all of it only with single-pass searches; whatever splits text into
  words looks at texts of at most `SHORT` characters, or at the head and the tail.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from judge.filters.reference import ReferenceAnswers
from judge.numerals import fold
from judge.words import listed_words

SHORT = 1_500  # characters; nothing longer is an opener
TAIL = 600  # characters read at each end of longer texts

_AT_LEAST = 200  # characters of a text that says much
_MANY, _SOME = 15, 5  # different words in no list; the smaller number where they are one of three
_HEAD = 320  # characters in which they mostly are
_SPACED = {ord(c): " " for c in '.,;:!?()[]{}<>"*_`#$|/\\\u201c\u201d\u2018\u2026'}
_SPACED_ASCII = "".join(map(chr, range(128))).translate(_SPACED)

# Characters that show nothing: controls, format characters, fillers, variation selectors, blanks of all widths.
_BLANKS = (
    "\\s\\x00-\\x1f\\x7f-\\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff\\ud800-\\udfff\ue000-\uf8ff"
    "\U0001d173-\U0001d17a\U0001bca0-\U0001bca3\U000f0000-\U0010ffff"
)
_VISIBLE = re.compile(f"[^{_BLANKS}]")
_INVISIBLE = re.compile(f"(?![ \\t\\n\\r])[{_BLANKS}]+")
MARKUP = re.compile(
    r"&(?:nbsp|ensp|emsp|thinsp|shy|zwnj|zwj|#160|#8203|#x200b|#xa0);|<[!/?]?[A-Za-z!|-][^<>]{0,200}>|<!-{0,3}|<\?[a-z]{0,10}|-->|"
    r"\\(?:begin|end|section|subsection|paragraph)\*?\{[A-Za-z*]{1,30}\}|"
    r"\\(?:text|textbf|textit|emph|mathrm|mathbf|boxed|fbox|left|right|item|quad|qquad|displaystyle|par|noindent|newline|hline|section"
    r"|subsection|paragraph|Large|large)(?![A-Za-z])\*?|\\[\[\]()\\,;:! ]|[*_#`~>|{}$]{1,40}"
)
WORD = re.compile(r"\\[A-Za-z]+|[^\W_](?:[\w\u0300-\u036f\u0900-\u0963\u0981-\u09e3\u0b82-\u0bcd\u0c00-\u0c56\u0e31-\u0e4e\u064b-\u065f"
                   r"\u200c]|['\u02bc-](?=[^\W\d_]))*")  # fmt: skip
_SPACES = re.compile(r"[^\S\n]{2,}")
_CLAUSE = re.compile(r"[.!?;:\u2026\n\u3002\uff01\uff1f\uff1a\uff1b\u0964\u061f\u061b]+|\s[\u2013\u2014-]\s")


def visible(text: str) -> str:
    """The text without what shows nothing, and without white space at the ends.

    Example:
        >>> visible("\\u200b a\\u2060b \\ufeff")
        'ab'
    """
    return _INVISIBLE.sub("", text).strip()


def shows(text: str) -> bool:
    """Whether any character of the text can be seen. Stops at the first.

    Example:
        >>> shows("\\u200b \\u3164\\n"), shows("\\u2060.")
        (False, True)
    """
    return bool(_VISIBLE.search(text))


def straight(text: str) -> str:
    """With straight apostrophes."""
    return text.replace("\u2019", "'").replace("\u2018", "'")


def words(text: str) -> list[str]:
    """Folded words and commands (`\\frac`) of a text, in order; apostrophes and hyphens stay inside a word.

    Example:
        >>> words("Let’s solve: Lösung, \\\\frac{1}{2}!")
        ["let's", 'solve', 'losung', '\\\\frac', '1', '2']
    """
    return [fold(w) for w in WORD.findall(straight(text))]


def plain(text: str) -> str:
    """The text with markup (tags, LaTeX wrappers, Markdown) blanked out and width folded."""
    return unicodedata.normalize("NFKC", MARKUP.sub(" ", text))


def _telling(text: str) -> bool:
    """Whether many different words are in no list, or some and one of three."""
    found = set(text.translate(_SPACED_ASCII if text.isascii() else _SPACED).casefold().split())
    enough = min(_MANY, max(_SOME, -(-len(found) // 3)))
    for word in found - listed_words():
        if len(word) > 1 and word.isalpha():
            enough -= 1
            if not enough:
                return True
    return False


@dataclass(frozen=True)
class ResponseView:
    """One response as the filters see it. Everything below is worked out when first asked for, once.

    Attributes:
        text: The response, untouched.
        prompt: Its prompt as one text.
        mode: Of the recipe: `verifier`, `pointwise`, `pairwise`, `listwise`, `checklist`, `process`.
    """

    text: str
    prompt: str = ""
    reference: ReferenceAnswers | None = None
    mode: str = "pointwise"

    @cached_property
    def visible(self) -> str:
        return visible(self.text)

    @cached_property
    def short(self) -> bool:
        """Short enough to be read word by word, once hidden characters and runs of white space are left out."""
        if len(self.text) <= SHORT:
            return True
        if len(visible(self.text[: 2 * SHORT])) > SHORT + SHORT // 2:
            return False
        return len(" ".join(self.visible.split())) <= SHORT

    @cached_property
    def says_much(self) -> bool:
        """Whether a text has so many different words that are in no list that it cannot be an announcement: the cheapest proof.

        Reads the first `_HEAD` characters, and `SHORT` of a text that has too few such words there.
        """
        if len(self.text) < _AT_LEAST:
            return False
        return _telling(self.text[:_HEAD]) or (len(self.text) > _HEAD and _telling(self.text[:SHORT]))

    @cached_property
    def plain(self) -> str:
        """Visible text without markup; of long texts the head and the tail only."""
        if self.short:
            return plain(_SPACES.sub(" ", self.visible)).strip()
        return plain(visible(f"{self.text[:TAIL]}\n{self.text[-TAIL:]}"))

    @cached_property
    def words(self) -> list[str]:
        return words(self.plain)

    @cached_property
    def clauses(self) -> list[str]:
        return [c for c in _CLAUSE.split(self.plain) if c.strip()]

    @cached_property
    def prompt_words(self) -> frozenset[str]:
        """Words of the prompt; of a long one, of its first and last 20,000 characters."""
        text = self.prompt if len(self.prompt) <= 40_000 else f"{self.prompt[:20_000]}\n{self.prompt[-20_000:]}"
        return frozenset(words(unicodedata.normalize("NFKC", text)))

    @property
    def verifying(self) -> bool:
        """Whether only a committed answer can be right."""
        return self.mode == "verifier"
