"""`judge judgements`: from a run with votes over labelled data to pairs of judgements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judge.batch.select.judgements import judgement_pairs
from judge.errors import DataError
from judge.types import Request
from tests.cli_harness import run_judge
from tests.select_harness import judged

PAIRS = [
    {"id": "p0", "prompt": "Capital of France?", "response_a": "Paris it is.", "response_b": "Lyon it is.", "label": "A"},
    {"id": "p1", "prompt": "Capital of Spain?", "response_a": "Paris it was.", "response_b": "Madrid it is.", "label": "B"},
    {"id": "p2", "prompt": "Capital of Peru?", "response_a": "Lima.", "response_b": "Cusco.", "label": None},
]
VOTING: dict[str, Any] = {"votes": {"n": 4, "fold": "mean"}, "sampling": {"temperature": 1.0}, "filters": "off", "rubric": None}


def wavering(request: Request) -> str:
    """Right about France with an even seed; about Spain always for whom is shown first."""
    text = request.messages[-1].content
    seed = request.sampling.seed
    if "Spain" in text:
        return f"The first. {seed}\n[[A]]"
    first_is_paris = text.index("Paris") < text.index("Lyon") if "Paris" in text else True
    right = first_is_paris == (seed % 2 == 0)
    return f"Thought {seed} about it.\n[[{'A' if right else 'B'}]]"


def test_right_and_wrong_judgements_of_one_request(tmp_path: Path):
    """Both orders of a pair are requests of their own; one whose judgements agree gives no pair, nor does one without a label."""
    run = judged(tmp_path, PAIRS, wavering, recipe="pairwise", order="both_mean", **VOTING)
    found = judgement_pairs(run)
    assert (found.requests, found.labelled, found.one_sided, found.right) == (6, 4, 2, 0.5)
    assert len(found.pairs) == 2
    for pair in found.pairs:
        assert (pair.chosen.text[:9], pair.rejected.text[:9]) == ("Thought 0", "Thought 1")
        assert pair.chosen.id == "p0"
    shown = [pair.messages[-1]["content"] for pair in found.pairs]
    assert shown[0].index("Paris") < shown[0].index("Lyon")
    assert shown[1].index("Lyon") < shown[1].index("Paris")


def test_the_file_is_what_a_trainer_reads(tmp_path: Path):
    """Messages of the judge and two replies, as TRL's preference format has them."""
    run = judged(tmp_path, PAIRS, wavering, recipe="pairwise", order="single", **VOTING)
    out = tmp_path / "judgements.jsonl"
    ended = run_judge("judgements", str(run), "--max-pairs", "2", "--output", str(out), "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == {"requests": 3, "labelled": 2, "right": 0.25, "one_sided": 1, "pairs": 2}
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["chosen"][0]["content"][:9] for r in rows] == ["Thought 0", "Thought 2"]
    assert rows[0]["rejected"] == [{"role": "assistant", "content": "Thought 1 about it.\n[[B]]"}]
    assert rows[0]["prompt"][-1]["role"] == "user"
    assert "Paris it is." in rows[0]["prompt"][-1]["content"]
    again = run_judge("judgements", str(run), "--output", str(tmp_path / "pairs.parquet"))
    assert again.code == 0, again.err


ONE = [{"id": f"q{k}", "prompt": "2 + 2?", "response": text, "label": v} for k, (text, v) in enumerate([("4", 1), ("5", 0)])]


def test_single_responses_with_labels(tmp_path: Path):
    """1 and 0 of one response; a judgement is right where its grade lies on the label's side of the threshold."""

    def reply(request: Request) -> str:
        return f"Vote {request.sampling.seed}.\nVERDICT: {5 if request.sampling.seed % 2 else 1}"

    run = judged(tmp_path, ONE, reply, **(VOTING | {"rubric": "helpfulness"}))
    found = judgement_pairs(run)
    assert [(p.chosen.text[:6], p.rejected.text[:6]) for p in found.pairs] == [("Vote 1", "Vote 0"), ("Vote 0", "Vote 1")]


def test_a_tie_told_as_0_says_of_no_response_that_it_is_wrong(tmp_path: Path):
    """HelpSteer3 writes ties as 0: no judgement of one of the two responses is right or wrong by that."""
    texts = {"context": "2 + 2?", "response1": "It is 4.", "response2": "4"}
    rows = [{**texts, "overall_preference": 0}, {**texts, "context": "1 + 3?", "overall_preference": -3}]
    run = judged(
        tmp_path, rows, lambda request: f"Vote {request.sampling.seed}.\nVERDICT: 5", **(VOTING | {"rubric": "helpfulness"})
    )
    found = judgement_pairs(run)
    assert (found.requests, found.labelled, found.right) == (4, 2, 0.5)


def test_a_number_beside_two_responses_says_of_neither_that_it_is_right(tmp_path: Path):
    """1 may mean the first or the second of two; read as `both are right`, it would teach a judge to praise both."""
    texts = {"prompt": "2 + 2?", "response_a": "It is 4.", "response_b": "It is 5."}
    run = judged(
        tmp_path,
        [{**texts, "label": 1}],
        lambda r: f"Vote {r.sampling.seed}.\nVERDICT: 5",
        **(VOTING | {"rubric": "helpfulness"}),
    )
    with pytest.raises(DataError, match="no verdict of this run has a label"):
        judgement_pairs(run)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([{**ONE[0], "label": None}], "the data need a column `label`", id="no-label"),
        pytest.param(None, "no such run folder", id="no-run"),
    ],
)
def test_what_cannot_be_paired(rows, said, tmp_path: Path):
    run = tmp_path / "run" if rows is None else judged(tmp_path, rows, lambda r: "VERDICT: 5")
    with pytest.raises(DataError, match=said):
        judgement_pairs(run)


def test_no_pair_is_no_file(tmp_path: Path):
    run = judged(tmp_path, ONE, lambda r: "VERDICT: 5")
    ended = run_judge("judgements", str(run), "--output", str(tmp_path / "x.jsonl"))
    assert ended.code == 2
    assert "ask for more `votes`" in ended.err
    assert not (tmp_path / "x.jsonl").exists()
