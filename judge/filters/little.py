"""Says little: short texts made of grammar, announcing and vague words, of the prompt's own words, of emoji, or of empty code.

No proof of anything, and not meant as one: right answers are made so, too ("How to Solve It"). The judge is asked for the words.
"""

from __future__ import annotations

import re
import unicodedata

from judge.filters.commitment import starts_with_head
from judge.filters.evasive import folded, new_words
from judge.filters.lexicon import LEXICON
from judge.filters.surface import ResponseView, words
from judge.numerals import VALUES, fold
from judge.words import entries

_WORDS, _CHARS = 30, 240  # of a text that is short enough to say little
_SHARE = 0.25  # of words that say something
_TRUTH = frozenset(map(fold, entries("truth")))
_WIDE = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FENCE = re.compile(r"\s{0,9}```[\w+-]{0,20}\n(.{0,400}?)\n?```\s{0,9}", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]{0,200}|//[^\n]{0,200}|--[^\n]{0,200}|/\*.{0,200}?\*/|<!--.{0,200}?-->", re.DOTALL)
_STUB = re.compile(r"(?:def|function|fn|func)\s[^\n]{0,80}[:{]|\bpass\b|\.\.\.|\u2026|[\s{}();:\[\]]")
_IMAGE = re.compile(r"\s{0,9}!\[[^\[\]]{0,40}\]\([^()\s]{0,200}\)\s{0,9}")


def says_little(view: ResponseView) -> str | None:
    """A short text with hardly a word of its own.

    Stops: hedges, announcements, praise of oneself, pointers, restatements of the question, in the listed languages; emoji,
    empty code, a picture that nobody sees. Does not stop: any text with a number, or where three words of ten are in no list and
    not all of them come from the prompt; yes and no. Where the prompt speaks of code or signs, emoji and code pass. Cost: no request; nothing
    for texts over 240 characters, else a look at each word.
    """
    text = view.visible
    if len(text) > _CHARS:
        return None
    if (found := _signs(view, text)) is not None:
        return found
    if not _WORDED.search(_FRAME.sub(" ", text)):
        return None if not signs_apart(view) else "a frame with nothing in it"
    if any(map(str.isdigit, text)):
        return None
    said = folded(view.plain)
    total = len(view.words) + len(_WIDE.findall(said)) // 2
    if not (1 if _EMOJI.search(text) else 2) <= total <= _WORDS or (
        view.words and view.words[0] in _TRUTH and len(view.words) <= 3
    ):
        return None
    if any(word in VALUES for word in view.words) and len(view.words) <= 3:
        return None
    told = telling(said)
    prompt = folded(view.prompt[:8_000])
    own = {word for word in told if word not in prompt}
    if _names(view.plain, own):
        return None
    if len(told) <= _SHARE * total:
        return "hardly a word that says anything"
    if starts_with_head(view.words, LEXICON) and len(view.clauses) == 1:
        return "begins as an announcement, in one sentence"
    return "only words of the question" if not own and total > _CHOICE else None


def _names(plain: str, told: set[str]) -> bool:
    """Whether a telling word is written large inside a sentence: a name. German writes all nouns so."""
    if not told or (not plain.isascii() and not _LATIN.search(plain)):
        return False
    inner = {fold(w.strip(".,!?'\"()")) for w in plain.split()[1:] if w[:1].isupper() and not w.isupper()}
    return not inner.isdisjoint(told) and sum(w in _NAMELESS for w in words(plain)) < _GERMAN


_LATIN = re.compile("[A-Za-z]{3}")
_GERMAN = 2  # German grammar words that make a text German
_NAMELESS = frozenset(entries("no names", "de"))


def telling(said: str) -> set[str]:
    """Words of a folded text that neither announce, hedge, point nor ask; two signs of a script without spaces are one."""
    if _WIDE.search(said):
        said = _PIECES.sub(" ", said)
    found = new_words(said)
    return {word for word in found if word not in _LISTED and not any(word[:size] in _STEMS for size in range(3, len(word) + 1))}


_ENTRIES = entries("says little")
_LISTED = frozenset(fold(word) for word in _ENTRIES if not word.endswith("*"))
_STEMS = frozenset(fold(word[:-1]) for word in _ENTRIES if word.endswith("*"))
_PIECES = re.compile("|".join(map(re.escape, sorted(entries("says little pieces"), key=len, reverse=True))))
_CHOICE = 4  # words; a response this short may pick its answer from the question


def _signs(view: ResponseView, text: str) -> str | None:
    """Emoji, a picture or code around nothing."""
    if not any(map(str.isalnum, text)):
        emoji = any(unicodedata.category(c) == "So" for c in text) and not _MATHS.search(text)
        return "emoji and no words" if emoji and signs_apart(view) else None
    if _IMAGE.fullmatch(text):
        return "a picture that the judge does not see"
    code = _FENCE.fullmatch(text)
    if code is not None and signs_apart(view) and not _STUB.sub("", _COMMENT.sub("", code[1])):
        return "code with nothing in it"
    return None


def signs_apart(view: ResponseView) -> bool:
    """Whether the prompt speaks of no code, markup or signs."""
    return view.prompt_words.isdisjoint(_SIGN_WORDS)


_FRAME = re.compile(  # list markers at the beginning of lines, brackets, arrows
    r"(?m)^[ \t]{0,8}(?:[-*+\u2022]|[(\[]?(?:\d{1,3}|[a-zA-Z])[.)\]])(?=\s|$)|\\(?:therefore|because|implies|Rightarrow|rightarrow|qed|blacksquare|ldots|dots|square)"
    r"|\\(?:begin|end)\{[a-z*]{1,20}\}"
)
_WORDED = re.compile(r"[^\W_]|[^\x00-\x7f\w\s]")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_MATHS = re.compile("[\u2200-\u22ff\u2190-\u21ff\u2800-\u28ff\u2500-\u257f]")
_SIGN_WORDS = frozenset(map(fold, entries("words about signs")))
