"""Answers that avoid answering, and answers that give several at once."""

from __future__ import annotations

import pytest

from judge.checks.match import agrees
from judge.filters.intake import Intake
from judge.settings import FilterSettings
from judge.types import Sample


def look(text, reference="Paris", mode="verifier"):
    looked = Intake(FilterSettings(), mode).look(Sample.of("Where was it signed?", text, reference=reference), 0, agrees)
    return looked.blocked.name if looked.blocked else None, {f.name for f in looked.flags}


EVASIVE = [
    "The answer cannot be determined from the text.",
    "It depends.",
    "The answer is left as an exercise to the reader.",
    "I don't know.",
    "I'm sorry, but I can't help with that.",
    "There is not enough information to answer this.",
    "As an AI, I cannot answer that.",
    "Nobody knows.",
    "Das lässt sich nicht bestimmen.",
    "Es kommt darauf an.",
    "Ich weiß es nicht.",
    "Cela dépend.",
    "Je ne sais pas.",
    "No se puede determinar.",
    "Depende.",
    "Não é possível determinar a resposta.",
    "Non lo so.",
    "Dipende.",
    "Det beror på.",
    "Nie można tego określić.",
    "Невозможно определить.",
    "Я не знаю.",
    "无法确定。",
    "这取决于情况。",
    "わかりません。",
    "場合によります。",
    "알 수 없습니다.",
    "لا يمكن تحديد ذلك.",
    "यह निर्भर करता है।",
    "ไม่สามารถระบุได้",
    "Bilmiyorum.",
]


@pytest.mark.parametrize("text", EVASIVE)
def test_non_committal(text):
    """A policy learned such a sentence because a judge accepted it. Elsewhere it may be right, so it is flagged only."""
    assert look(text)[0]
    blocked, flags = look(text, None, "pointwise")
    assert flags
    assert blocked in (None, "opener_only")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("I don't know is the title of the song.", "I Don't Know", id="a-title"),
        pytest.param("It cannot be determined.", "cannot be determined", id="the-reference-says-so"),
        pytest.param("It is impossible to say.", "Indeterminate", id="the-reference-denies"),
        pytest.param("I'm not sure, but I think it is Paris.", "Paris", id="unsure-and-right"),
        pytest.param("It depends on the treaty; the best known was signed in Paris.", "Paris", id="holds-the-reference"),
        pytest.param("You cannot find x directly, so x = 4 follows from the second line: 2x = 8.", "5", id="work"),
    ],
)
def test_not_evasive(text, reference):
    """Doubt beside an answer is no evasion."""
    assert look(text, reference)[0] is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("either 5 or 7", "5"),
        ("5 or 7", "5"),
        ("A, B, C, or D", "B"),
        ("A or B", "B"),
        ("one of 1, 2, 3", "2"),
        ("1, 2, 3, 4, 5, 6", "4"),
        ("The answer is 5. The answer is 7.", "7"),
        ("\\boxed{5} \\boxed{6}", "5"),
        ("Either Paris or London.", "Paris"),
        ("yes or no", "yes"),
        ("entweder 5 oder 7", "5"),
        ("либо 5, либо 7", "5"),
        ("5 或 7", "5"),
        ("The answer could be 3, 4 or 5.", "4"),
        ("maybe 5, maybe 6", "6"),
    ],
)
def test_shotgun(text, reference):
    """Naming every possible answer is not naming the right one."""
    assert look(text, reference)[0] == "shotgun"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("2, 3", "2, 3"),
        ("x = 2 or x = 3", "2,3"),
        ("(1, 2, 3)", "5"),
        ("1,000,000", "5"),
        ("3 apples and 4 pears", "5"),
        ("2 or 3", "2 or 3"),
        ("First I had 5. Wait, the answer is 6. Actually the answer is 7.", "7"),
        ("Romeo and Juliet", "Hamlet"),
        ("1/2", "3"),
        ("A", "B"),
    ],
)
def test_not_shotgun(text, reference):
    """Lists, pairs, big numbers and second thoughts are answers."""
    assert look(text, reference)[0] is None
