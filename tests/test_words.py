"""The word lists: what their files may hold, and that the filters know what they knew when the lists were Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import judge.words
from judge.filters.lexicon import LEXICON
from judge.numerals import VALUES, fold
from judge.words import by_language, entries

FILES = sorted(Path(judge.words.__file__).parent.glob("*.txt"))
COUNTS = {"grammar": 1819, "task": 2690, "core": 604, "heads": 588, "pieces": 448, "numbers": 408}
KEPT_BY_LANGUAGE = {
    "grammar",
    "task",
    "core",
    "heads",
    "pieces",
    "numbers",
    "scales",
    "answers alone",
    "talk",
    "roles",
    "no names",
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_is_lists_of_entries(path):
    """A contributor's typo (an entry before any list, a list that nothing reads, an entry twice) is found here."""
    name, seen = "", set()
    for line in path.read_text(encoding="utf-8").splitlines():
        assert line == line.strip()
        if line.startswith("["):
            name = line[1:-1]
            assert line.endswith("]")
            assert (name in KEPT_BY_LANGUAGE) is (path.stem != "mixed"), name
        elif line and not line.startswith("#"):
            assert name, f"`{line}` stands in no list"
            assert (name, line) not in seen, f"`{line}` stands twice in {name}"
            seen.add((name, line))
            assert name not in ("numbers", "scales") or line.split(" ", 1)[0].isdecimal(), line
            assert name in ("heads", "numbers", "scales", "names of values in pieces") or " " not in line, line


def test_nothing_was_lost():
    """Fewer entries are fewer announcements seen; change the numbers when you change the lists."""
    counts = {
        name: sum(map(len, by_language(name).values())) for name in ("grammar", "task", "core", "heads", "pieces", "numbers")
    }
    assert counts == COUNTS
    assert len(VALUES) == 376
    assert len(LEXICON.heads) == 574
    assert len(LEXICON.pieces) == 424


@pytest.mark.parametrize(
    ("word", "languages"),
    [
        pytest.param("the", {"en"}, id="grammar"),
        pytest.param("Lösungen", {"de"}, id="stem"),
        pytest.param("решения", {"ru"}, id="cyrillic"),
        pytest.param("l'analyse", {"fr"}, id="joined-article"),
        pytest.param("paris", set(), id="unknown"),
    ],
)
def test_a_word_is_known_in_its_languages(word, languages):
    """`*` stands for endings, and an article joined to a word hides nothing."""
    assert languages <= LEXICON.tongues(fold(word))
    assert languages or not LEXICON.tongues(fold(word))


def test_number_words_of_another_meaning_are_no_numbers():
    """German `elf` is eleven and in English somebody of a fairy tale: a wrong value would pay for a wrong answer."""
    assert "elf" in entries("no numbers")
    assert not VALUES.keys() & set(entries("no numbers"))
    assert (VALUES["zwolf"], VALUES["ninety"], VALUES["trillion"], VALUES["百"]) == (12, 90, 10**12, 100)
