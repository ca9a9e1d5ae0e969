"""The report of a run with a panel: what its judges are worth together, by labels where there are some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judge.batch.panel import _weights
from judge.errors import SettingsError
from judge.labels import preferred, truth_of
from judge.settings import load_settings
from judge.types import Request, Sample
from tests.batch_harness import rewards, run

MEMBERS = [{"name": "twin", "sampling": {"max_tokens": 500}}, {"name": "odd", "sampling": {"temperature": 0.5}}]
COMMON: dict[str, Any] = {
    "recipe": "pointwise",
    "rubric": "helpfulness",
    "filters": "off",
    "panel": {"members": MEMBERS, "fold": "median"},
}


def reply(request: Request) -> str:
    """`first` and its twin take every long answer for a good one; the third judge knows."""
    text = request.messages[-1].content
    good = "right" in text if request.sampling.temperature == 0.5 else "long" in text
    return "VERDICT: 5" if good else "VERDICT: 1"


def told(folder: Path, labels: list[Any]) -> dict[str, Any]:
    texts = ["It is right and long.", "It is wrong and long.", "It is right.", "It is wrong."]
    data = [Sample.of(f"Q{k}?", t, id=str(k), metadata={"label": v}) for k, (t, v) in enumerate(zip(texts, labels, strict=True))]
    result, _ = run(folder, data, reply, **COMMON)
    return {**json.loads((folder / "run.json").read_text())["panel"], "summary": result.summary}


def test_judges_that_err_together_are_told_of(tmp_path: Path):
    """Two of three err on the same half: all that they add is one judge, and the third shares no error."""
    found = told(tmp_path / "run", [1, 0, True, False])
    assert found["judges"] == ["first", "twin", "odd"]
    assert found["errors"] == [0.5, 0.5, 0.0]
    assert found["error_correlation"][0][1] == 1.0
    assert found["agreement"][0] == [1.0, 1.0, 0.5]
    assert (found["all_wrong"], found["herding"]) == (0.0, None)
    assert "first and twin decide alike on 100 %, kappa 1.00" in found["summary"]
    assert "wrong by 4 labels: first 50 %, twin 50 %, odd 0 %; all wrong on 0.0 %" in found["summary"]


def test_without_labels_agreement_is_all_there_is(tmp_path: Path):
    """A label that says neither right nor wrong is none, and the report says what it cannot know."""
    found = told(tmp_path / "run", [None, "good", 0.7, None])
    assert "errors" not in found
    assert found["labels"] == 0
    assert "without labels nobody knows whether they err together" in found["summary"]


@pytest.mark.parametrize(
    ("kept", "paid"),
    [
        pytest.param({"label": "A>B"}, [1.0, 0.0], id="pair"),
        pytest.param({"label": [0, 1]}, [0.0, 1.0], id="list"),
        pytest.param({"label": "tie"}, [None, None], id="tie"),
        pytest.param({"label": 0, "best": "signed"}, [None, None], id="tie-told-as-0"),
        pytest.param({"label": [1, 2, 0], "best": "annotators"}, [None, None], id="tie-of-annotators"),
        pytest.param({"label": 1, "best": "signed"}, [0.0, 1.0], id="signed"),
        pytest.param({"label": 1}, [None, None], id="a-number-nobody-explains"),
    ],
)
def test_labels_of_several_responses(kept, paid):
    """Each response of a row has its own truth, in the forms that data sets have; of a tie none, whatever its number."""
    whole = {**kept, "preferred": preferred(kept["label"], 2, kept.get("best", ""))}
    assert [truth_of(whole, index, 2) for index in range(2)] == paid


def test_labels_say_whom_to_trust(tmp_path: Path):
    """Pairs of a right and a wrong answer to one prompt give the judge that knows most of the weight; the mean takes it."""
    texts = [f"It is {word} number {k}." for k in range(10) for word in ("right", "wrong")]
    data = [Sample.of(f"Q{k // 2}?", t, id=str(k), metadata={"label": k % 2 == 0}) for k, t in enumerate(texts)]
    members = [MEMBERS[1]]

    def judge(request: Request) -> str:
        text = request.messages[-1].content
        good = "It is right" in text if request.sampling.temperature == 0.5 else "number 1" in text
        return "VERDICT: 5" if good else "VERDICT: 1"

    settings = COMMON | {"panel": {"members": members, "fold": "mean"}}
    result, _ = run(tmp_path / "a", data, judge, **settings)
    weights = result.run["panel"]["weights"]
    assert weights["odd"] > 0.6
    assert "weights that the labels speak for: first" in result.summary
    run(tmp_path / "b", data[:2], judge, **settings | {"panel": {"members": members, "fold": "mean", "weights": weights}})
    paid = [row["raw_reward"] for row in rewards(tmp_path / "b")]
    assert paid == pytest.approx([weights["odd"], 0.0])


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        pytest.param({"fold": "min", "weights": {"first": 1, "odd": 1}}, "are for `fold: mean`", id="fold"),
        pytest.param({"fold": "mean", "weights": {"first": 1, "od": 1}}, "did you mean `odd`?", id="name"),
        pytest.param({"fold": "mean", "weights": {"odd": 1}}, "has none for `first`", id="missing"),
        pytest.param({"fold": "mean", "weights": {"first": 0, "odd": 0}}, "all `weights` are 0", id="nothing"),
    ],
)
def test_weights_that_mean_nothing(panel, said):
    with pytest.raises(SettingsError) as caught:
        load_settings(COMMON | {"panel": {"members": [MEMBERS[1]], **panel}})
    assert said in str(caught.value)


def test_weights_of_very_many_groups_take_one_pass():
    """The end of a run without labels must not take hours: the names of groups are looked at a few times, not once a group."""

    class Name(str):
        __slots__ = ()
        compared = 0

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = [Name(f"q{row // 4}") for row in range(2000)]
    assert _weights(np.full((2, 2000), 0.5), np.full(2000, np.nan), names, ["first", "odd"]) is None
    assert Name.compared < 10 * len(names)
