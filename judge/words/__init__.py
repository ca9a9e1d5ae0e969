"""Word lists as data, one file a language (`mixed.txt`: lists that no one language owns), for the filters and for number words.

- A file is lists: `[name]` on a line, then one entry a line. A line that begins with `#` is a comment. Case and Latin or Greek
  accents are folded where entries are compared, so either way of writing will do.
- In `grammar`, `task`, `core` and `step words` an entry that ends in `*` is a stem, and stands for all words that begin so (at
  most nine letters longer). An entry of `numbers` or `scales` is a value and its word.
- Read once per process, at the first question. A word that is in no list never raises suspicion by itself.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

MIXED = "mixed"


@cache
def _files() -> dict[str, dict[str, tuple[str, ...]]]:
    return {path.stem: _lists(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).parent.glob("*.txt"))}


def _lists(text: str) -> dict[str, tuple[str, ...]]:
    """One file: name of a list -> its entries."""
    found: dict[str, list[str]] = {}
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            entries = found.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            entries.append(line)
    return {name: tuple(listed) for name, listed in found.items()}


def by_language(name: str) -> dict[str, tuple[str, ...]]:
    """Language -> the entries of one list, for each language that has it.

    Example:
        >>> "solution*" in by_language("core")["en"]
        True
    """
    return {language: lists[name] for language, lists in _files().items() if name in lists}


def entries(name: str, language: str = MIXED) -> tuple[str, ...]:
    """The entries of one list of one file. Raises KeyError where there is none.

    Example:
        >>> entries("truth")[:2]
        ('yes', 'no')
    """
    return _files()[language][name]


def numbers(name: str) -> dict[str, int]:
    """Word, as written -> value, over all languages that have the list (`numbers`, `scales`)."""
    pairs = [entry.split(" ", 1) for listed in by_language(name).values() for entry in listed]
    return {word: int(value) for value, word in pairs}


def rows(name: str) -> list[list[str]]:
    """The rows of a table `NAME.tsv`, without the language that each begins with.

    Example:
        >>> [row[12] for row in rows("counting") if row[0] == "zero"][:2]
        ['dotze', 'twelve']
    """
    lines = (Path(__file__).parent / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.partition("\t")[2].split("|") for line in lines if not line.startswith("#")]


@cache
def listed_words() -> frozenset[str]:
    """All single words of grammar and of announcing, in any language; of a stem, the stem alone.

    Example:
        >>> "solution" in listed_words(), "octopus" in listed_words()
        (True, False)
    """
    tables = (by_language(name) for name in ("grammar", "task", "core"))
    return frozenset(word.rstrip("*").casefold() for table in tables for listed in table.values() for word in listed)
