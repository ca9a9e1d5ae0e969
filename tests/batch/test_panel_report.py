"""The report of a run with a panel: what its judges are worth together, by labels where there are some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.batch.labels import preferred, truth_of
from judge.types import Request, Sample
from tests.batch_harness import run

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
    ],
)
def test_labels_of_several_responses(kept, paid):
    """Each response of a row has its own truth, in the forms that data sets have."""
    whole = {**kept, "preferred": preferred(kept["label"], 2)}
    assert [truth_of(whole, index) for index in range(2)] == paid
