"""Looking words up in the lists of `judge.words`: which language they are of, and whether they are grammar or about solving a task.

An announcement is made of `grammar` (short grammar words), `task` (words about solving a task) and `core` (those of them that make a
heading by themselves), behind one of `heads` (how it begins); `pieces` are both, in scripts without spaces.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from judge.numerals import fold
from judge.words import by_language, entries


class Lexicon:
    """Looks words up, by language.

    Args:
        skip: Languages left out, to measure what happens with one that nobody listed.
        without: Words left out, with every head that holds one, to measure an unlisted family of a listed language.
    """

    def __init__(self, skip: frozenset[str] = frozenset(), without: frozenset[str] = frozenset()) -> None:
        self._skip, self._without = skip, frozenset(map(fold, without))
        self._known: dict[str, frozenset[str]] = {}

    # each built at the first question: a process that judges nothing waits for none

    @cached_property
    def _grammar(self) -> dict[str, frozenset[str]]:
        return self._index(by_language("grammar"))

    @cached_property
    def _task(self) -> dict[str, frozenset[str]]:
        return self._index(by_language("task"), by_language("core"))

    @cached_property
    def _core(self) -> dict[str, frozenset[str]]:
        return self._index(by_language("core"))

    @cached_property
    def _steps(self) -> dict[str, frozenset[str]]:
        return self._index({"": entries("step words")})

    @cached_property
    def heads(self) -> frozenset[tuple[str, ...]]:
        """How announcements begin, each as its folded words."""
        known = (
            tuple(fold(head).split())
            for name, listed in by_language("heads").items()
            if name not in self._skip
            for head in listed
        )
        return frozenset(head for head in known if not self._without.intersection(head))

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What announcements are made of in scripts without spaces, the longest first."""
        known = {
            unicodedata.normalize("NFKC", p) for n, listed in by_language("pieces").items() if n not in self._skip for p in listed
        }
        return tuple(sorted(known, key=lambda piece: (-len(piece), piece)))

    def _index(self, *tables: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
        """Folded word, or stem and `*`, -> the languages it belongs to."""
        found: dict[str, set[str]] = {}
        for name, listed in ((n, t) for table in tables for n, t in table.items() if n not in self._skip):
            for word in map(fold, listed):
                stem = word.rstrip("*")
                if stem in self._without:
                    continue
                short = len(stem) < 4 and stem < "\u0590"  # `dat*` would take in `date`: alphabets need four letters
                found.setdefault(stem if short else word, set()).add(name)
                found.setdefault(stem, set()).add(name)
        return {word: frozenset(names) for word, names in found.items()}

    def tongues(self, word: str) -> frozenset[str]:
        """The languages in which a folded word is grammar or about solving."""
        known = self._known.get(word)
        if known is None:
            forms = [word, *_bare(word)]
            known = frozenset().union(*(_find(f, table) for f in forms for table in (self._grammar, self._task)))
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[word] = known
        return known

    def best(self, words: list[str]) -> frozenset[str]:
        """The one language that knows most of the words, and English, which headings in every language borrow from.

        Of several the first by name: the order of a set differs from process to process, and a verdict may not.

        Example:
            >>> sorted(LEXICON.best(["process"]))
            ['cs', 'en']
        """
        counts = Counter(name for w in words for name in self.tongues(w))
        return frozenset((min(counts, key=lambda name: (-counts[name], name)), "en")) if counts else frozenset()

    def announces(self, word: str, tongues: frozenset[str] | None = None) -> bool:
        """A word about solving a task, in any language or in some."""
        return any(_in(_find(w, self._task), tongues) for w in (word, *_bare(word)))

    def is_core(self, word: str, tongues: frozenset[str] | None = None) -> bool:
        """A word that makes a heading by itself: solution, answer, step."""
        return any(_in(_find(w, self._core), tongues) for w in (word, *_bare(word)))

    def is_grammar(self, word: str) -> bool:
        return word in self._grammar or any(w in self._grammar for w in _bare(word))

    def is_step(self, word: str) -> bool:
        """A word that numbers stand beside without being an answer: step, part, question."""
        return bool(_find(word, self._steps))


def _in(found: frozenset[str], tongues: frozenset[str] | None) -> bool:
    return bool(found) if tongues is None else not found.isdisjoint(tongues)


def _find(word: str, table: dict[str, frozenset[str]]) -> frozenset[str]:
    """Languages of a word that is listed, or begins with a listed stem and has few letters more."""
    found = table.get(word, _NONE)
    longest = 4 if len(word) < 9 else 7 if len(word) < 13 else 9
    for size in range(max(1, len(word) - longest), len(word)):
        if names := table.get(f"{word[:size]}*"):
            found |= names
    return found


_NONE: frozenset[str] = frozenset()
_PREFIXES = ("وال", "بال", "فال", "كال", "ال", "لل", "و", "ف", "ب", "ل", "ك", "س", "ה", "ב", "ל", "ו", "ש", "כ", "מ")
_CLITICS = ("l'", "d'", "qu'", "c'", "s'", "j'", "n'", "m'", "dell'", "all'", "un'", "nell'", "sull'")


def _bare(word: str) -> list[str]:
    """The word without a joined article or conjunction (Arabic, Hebrew, French, Italian), and without `'s`."""
    found = [word[len(p) :] for p in _PREFIXES if word.startswith(p) and len(word) - len(p) >= 2] if not word.isascii() else []
    found += [word[len(c) :] for c in _CLITICS if word.startswith(c) and len(word) > len(c)] if "'" in word else []
    return found + ([word[:-2]] if word.endswith("'s") else [])


LEXICON = Lexicon()
