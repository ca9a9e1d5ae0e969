"""Number words: of many languages, and never a value that the words do not have."""

from __future__ import annotations

import pytest

from judge.numerals import spoken
from judge.words import rows
from tests.clock import least_cpu


@pytest.mark.parametrize(
    ("words", "value"),
    [
        pytest.param("forty-two", 42, id="en"),
        pytest.param("Two hundred and five", 205, id="en-hundreds"),
        pytest.param("vierundzwanzig", 24, id="de"),
        pytest.param("quatre-vingt-dix", 90, id="fr"),
        pytest.param("nonante", 90, id="fr-Swiss"),
        pytest.param("двадцать один", 21, id="ru"),
        pytest.param("năm", 5, id="vi-accents"),
        pytest.param("이십사", 24, id="ko"),
        pytest.param("二百五十", 250, id="zh"),
        pytest.param("两万", 20_000, id="zh-ten-thousands"),
        pytest.param("trzydzieści trzy", 33, id="pl"),
        pytest.param("two three", None, id="two-numbers"),
        pytest.param("一二", None, id="zh-two-digits"),
        pytest.param("十百", None, id="zh-no-number"),
        pytest.param("ok", None, id="eight-in-Esperanto"),
        pytest.param("fire", None, id="four-in-Danish"),
        pytest.param("once", None, id="eleven-in-Spanish"),
        pytest.param("two apples", None, id="something-else"),
        pytest.param("", None, id="empty"),
    ],
)
def test_values(words, value):
    """A wrong value would pay for a wrong answer; an unknown word only leaves it to the judge."""
    assert spoken(words) == value


def test_every_language_of_the_table():
    """Zero to 120: each is its value, or left out because the word is another language's."""
    found = [(value, spoken(words)) for row in rows("counting") for value, words in enumerate(row)]
    assert all(got in (value, None) for value, got in found)
    assert sum(got is not None for _, got in found) > 0.97 * len(found) > 5_600


def test_long_texts_take_no_time():
    """Every short answer is looked up."""
    assert least_cpu(lambda: spoken("one " * 250_000), 0.1) < 0.1
