"""The programs behind `rrd` and `chasing-tail`, and their arithmetic, on planted cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from judge.engine.scripted import ScriptedEngine
from judge.generators.decompose import _Tried
from judge.generators.formulas import choose, coding_rate, reduced, whitened_weights
from judge.generators.parse_items import ListedItem
from judge.types import Request, Sample
from tests.rubric_harness import asked, criteria, generate

FIRST = [
    "The response names water.",  # met by all: decomposed
    "The response says why.",
    "The response names water.",  # said twice
    "The response gives a reason for it.",  # a duplicate in other words
    "The response gives no reason.",  # conflicts
    "The response is chatty.",  # the weaker response has it
]
MET = {
    "The response names water.": (1, 1, 1, 1),
    "The response says why.": (1, 1, 0, 0),
    "The response gives a reason for it.": (1, 1, 0, 0),
    "The response gives no reason.": (1, 0, 1, 1),
    "The response is chatty.": (0, 1, 1, 0),
    "The response names water first.": (1, 0, 1, 0),
    "The response names no other drink.": (1, 0, 0, 1),
}
TEXTS = ("answer one", "answer two", "answer three", "answer four")


def rrd_reply(request: Request) -> str:
    text = asked(request)
    if "proposed for a rubric" in text:
        proposed = text.split("\n")[1]
        overlap = "share 70 %" in text and proposed == "The response gives a reason for it."
        conflict = "conflict with one" in text and proposed == "The response gives no reason."
        return f"So it is.\nEVALUATION: {'YES' if overlap or conflict else 'NO'}"
    if "Decompose it" in text:
        assert "so it tells little apart:\nThe response names water." in text
        return "1. The response names water first.\n2. The response names no other drink."
    if "Write criteria" in text:
        return "\n".join(f"{i}. {line}" for i, line in enumerate(FIRST, 1))
    if "How much should each count" in text:
        return "\n".join(f"{line} [{line[0]}]" for line in text.splitlines() if line[:2] in ("1.", "2.", "3."))
    return checklist(request, MET)


def verdicts(request: Request, met: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """What a judge of all items at once would say, by a table: id -> met."""
    place = next(i for i, text in enumerate(TEXTS) if f"\n{text}\n" in asked(request))
    listed = [line[2:].partition(": ") for line in asked(request).splitlines() if line.startswith("- ")]
    return {name: met[text][place] for name, _, rest in listed for text in met if rest.startswith(text)}


def checklist(request: Request, met: dict[str, tuple[int, ...]]) -> str:
    return "\n".join(
        f"The text shows it.\nVERDICT {name}: {'MET' if value else 'UNMET'}" for name, value in verdicts(request, met).items()
    )


def many() -> Sample:
    return Sample.of("Name a healthy drink.", *TEXTS, id="p", metadata={"preferred": "A"})


async def test_rrd_on_planted_criteria(tmp_path):
    """A saturated criterion is decomposed; one said twice, one that conflicts and one that likes the weaker response are out."""
    [line] = await generate("rrd", tmp_path, rrd_reply, many(), **{"decompose.weights": "uniform"})
    assert line["kept"], line["detail"]
    assert {text for (text,) in criteria(line, "text")} == {
        "The response says why.",
        "The response names water first.",
        "The response names no other drink.",
    }
    assert [(i["text"], i["reason"]) for i in line["rejected_items"]] == [
        ("The response gives a reason for it.", "overlap"),
        ("The response gives no reason.", "conflict"),
        ("The response is chatty.", "misaligned"),
        ("The response names water.", "decomposed"),
    ]
    assert line["merged_items"] == ["The response names water."]


async def test_rrd_reads_the_label_of_a_list(tmp_path):
    """Rows with several responses label them by position: a criterion that the wrong ones meet is out there too."""
    row = Sample.of("Name a healthy drink.", *TEXTS, id="p", metadata={"label": [0, 3], "preferred": [0, 3]})
    [line] = await generate("rrd", tmp_path, rrd_reply, row, **{"decompose.weights": "uniform"})
    assert {"text": "The response is chatty.", "reason": "misaligned"}.items() <= line["rejected_items"][2].items()


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        pytest.param("uniform", [None, None, None], id="uniform"),
        pytest.param("assigned", [1.0, 2.0, 3.0], id="assigned-by-the-model"),
        pytest.param("whitened", [1.0, 1.0, 1.0], id="whitened"),
    ],
)
async def test_rrd_weights(tmp_path, weights, expected):
    """Three criteria with the same correlations among them count alike when whitened; the model may weigh them otherwise."""
    met = {**MET, "The response says why.": (1, 1, 0, 0)}
    assert (
        abs(np.corrcoef(np.array([met[t] for t in ("The response says why.", "The response names water first.")]))[0, 1]) < 1e-9
    )
    [line] = await generate("rrd", tmp_path, rrd_reply, many(), **{"decompose.weights": weights})
    assert [w for (w,) in criteria(line, "weight")] == (expected if weights != "whitened" else pytest.approx(expected))


async def test_rrd_without_a_verdict(tmp_path):
    """A criterion that the judge says nothing about on some response is not weighed as if it had failed."""
    replies = ScriptedEngine(lambda r: "I cannot say." if "Write criteria" not in asked(r) else "1. The response is short.")
    [line] = await generate("rrd", tmp_path, replies, many())
    assert (line["kept"], line["reason"]) == (False, "all_rejected")
    assert line["rejected_items"][0]["reason"] == "no_verdict"


def test_a_missing_score_is_no_failure():
    """Met by one of the two responses with a verdict: half, not a third; nothing at all is not 0 either."""
    item = ListedItem("It is so.", "important", True)
    assert _Tried(item, (1.0, 0.0, None)).satisfied == 0.5
    assert math.isnan(_Tried(item, (None, None)).satisfied)


def test_whitened_weights_by_hand():
    """Two criteria that agree always share a direction of twice the variance: each gets (2v + r)^-1/2, the third (v + r)^-1/2."""
    votes = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)
    pair, single = (2 * 0.25 + 0.05) ** -0.5, (0.25 + 0.05) ** -0.5
    mean = (2 * pair + single) / 3
    assert whitened_weights(votes) == pytest.approx([pair / mean, pair / mean, single / mean])


def test_whitened_weights_against_a_second_implementation():
    """The inverse square root by eigenvectors equals that of a Newton iteration on the matrix itself."""
    votes = np.random.default_rng(3).random((40, 5))
    matrix = np.cov(votes.T, bias=True) + 0.05 * np.eye(5)
    scale = np.trace(matrix)
    y, z = matrix / scale, np.eye(5)
    for _ in range(60):  # Denman and Beavers
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    weights = z @ np.ones(5) / math.sqrt(scale)
    assert whitened_weights(votes) == pytest.approx(weights / weights.mean(), rel=1e-6)


def test_coding_rate_by_hand():
    """Orthogonal items: n log(1 + 1 / (0.01 n)); a repetition adds nothing."""
    assert coding_rate(np.eye(3)) == pytest.approx(3 * math.log(1 + 100 / 3))
    doubled = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert coding_rate(doubled) == pytest.approx(math.log(1 + 200 / 3) + math.log(1 + 100 / 3))


def test_choice_against_trying_every_one():
    """The fast gain of a candidate is the rate with it, computed anew."""
    vectors = np.random.default_rng(1).normal(size=(30, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    slow: list[int] = []
    for _ in range(6):
        slow.append(max((i for i in range(30) if i not in slow), key=lambda i: coding_rate(vectors[[*slow, i]])))
    assert choose(vectors, 6, least_gain=-1.0) == slow


def test_choice_ends_where_items_repeat():
    """After two increments below the least gain nothing more is taken, and those two are not."""
    vectors = np.repeat(np.eye(3), 4, axis=0)
    assert choose(vectors, 12) == [0, 4, 8]
    assert reduced(np.eye(2)).tolist() == np.eye(2).tolist()


TAIL = {
    "The response names water.": (1, 1, 0, 0),
    "The response is short.": (1, 1, 1, 0),
    "The response gives the reason.": (1, 0, 0, 0),
}


def tail_reply(request: Request, refined: str) -> str:
    text = asked(request)
    if "Write a checklist" in text:
        return "1. The response names water. [3]\n2. The response is short. [1]"
    if "Both responses are good" in text:
        return refined
    return json.dumps({name: "yes" if value else "no" for name, value in verdicts(request, TAIL).items()})


GREAT = "1. The response names water. [3]\n2. The response is short. [1]\n3. The response gives the reason. [2]"


async def test_chasing_tail_separates_the_two_best(tmp_path):
    """Both great responses met everything; the refined checklist tells them apart, and the lead is on record."""
    engine = ScriptedEngine(lambda r: tail_reply(r, GREAT))
    [line] = await generate("chasing-tail", tmp_path, engine, many())
    assert line["kept"], line["detail"]
    assert criteria(line, "text", "weight")[2] == ("The response gives the reason.", 2.0)
    assert line["rubric"]["lineage"]["scores"] == {"lead_before": 0.0, "lead": pytest.approx(2 / 6)}


async def test_chasing_tail_that_separates_nothing(tmp_path):
    """A rubric under which the two best are equal is not kept."""
    same = "1. The response names water. [3]\n2. The response is short. [1]"
    [line] = await generate("chasing-tail", tmp_path, ScriptedEngine(lambda r: tail_reply(r, same)), many(), **{"tail.rounds": 1})
    assert (line["kept"], line["reason"]) == (False, "not_separated")


@pytest.mark.parametrize(
    ("most", "told"),
    [
        pytest.param(30, (True, "kept", 23), id="up-to-the-max-of-the-program"),
        pytest.param(22, (False, "not_separated", 2), id="a-longer-list-is-not-taken"),
    ],
)
async def test_chasing_tail_beyond_the_first_list(tmp_path, most, told):
    """A refined checklist may be longer than the first one (`items.max` 20), up to `tail.max`."""
    longer = GREAT + "".join(f"\n{i}. The response names part {i}. [1]" for i in range(4, 24))
    met = TAIL | {f"The response names part {i}.": (1, 1, 0, 0) for i in range(4, 24)}

    def reply(request: Request) -> str:
        if any(word in asked(request) for word in ("Write a checklist", "Both responses are good")):
            return tail_reply(request, longer)
        return json.dumps({name: "yes" if value else "no" for name, value in verdicts(request, met).items()})

    [line] = await generate("chasing-tail", tmp_path, reply, many(), **{"tail.max": most})
    assert (line["kept"], line["reason"], len(line["rubric"]["criteria"])) == told, line["detail"]


async def test_rrd_beyond_the_first_list(tmp_path):
    """Decomposing one of 15 items (`items.max`) gives 16."""
    first = ["The response names water."] + [f"The response names part {i}." for i in range(14)]
    met = MET | dict.fromkeys(first[1:], (1, 1, 0, 0))

    def reply(request: Request) -> str:
        text = asked(request)
        if "proposed for a rubric" in text:
            return "EVALUATION: NO"
        if "Write criteria" in text:
            return "\n".join(f"{i}. {line}" for i, line in enumerate(first, 1))
        return rrd_reply(request) if "Decompose it" in text else checklist(request, met)

    [line] = await generate("rrd", tmp_path, reply, many(), **{"decompose.weights": "uniform"})
    assert (line["kept"], len(line["rubric"]["criteria"])) == (True, 16), line["detail"]


async def test_chasing_tail_keeps_the_list_before_one_that_cannot_be_scored(tmp_path):
    """The first list leads by 1 of 4; the judge fails on the refined one, which does not take the first one away."""
    met = {"The response names water.": (1, 1, 0, 0), "The response gives the reason.": (1, 0, 0, 0)}

    def reply(request: Request) -> str:
        text = asked(request)
        if "Write a checklist" in text:
            return "1. The response names water. [3]\n2. The response gives the reason. [1]"
        if "Both responses are good" in text:
            return "1. The response names water. [3]\n2. The response is short. [1]"
        if "is short" in text:
            return "I cannot tell."
        return json.dumps({name: "yes" if value else "no" for name, value in verdicts(request, met).items()})

    [line] = await generate("chasing-tail", tmp_path, reply, many(), **{"tail.apart": 0.5})
    assert (line["kept"], line["reason"], line["lost_replies"]) == (True, "kept", 1)
    assert criteria(line, "text") == [("The response names water.",), ("The response gives the reason.",)]
    assert line["rubric"]["lineage"]["scores"] == {"lead_before": 0.25, "lead": 0.25}
    assert [(i["text"], i["reason"]) for i in line["rejected_items"]] == [("The response is short.", "no_verdict")]
    assert "gives the reason" in line["raw"]
