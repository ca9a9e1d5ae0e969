"""`judge pairs --snapshot`, and `--strategy dominating`: how far a label is to be trusted, and pairs that nothing turns round."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from judge.batch.select import ScoredResponse, compare_snapshot, preference_pairs, read_run
from judge.errors import InputError
from tests.cli_harness import run_judge
from tests.select_harness import judged

ROWS = [
    {"id": "q0", "prompt": "First?", "responses": ["A great one.", "A fair one.", "A poor one."]},
    {"id": "q1", "prompt": "Second?", "responses": ["A great one, too.", "A good one, too.", "A mute one, too."]},
]
BEFORE = {"great": "VERDICT: 5", "good": "VERDICT: 4", "fair": "VERDICT: 1", "poor": "VERDICT: 3", "mute": "VERDICT: 1"}


def two_runs(folder: Path) -> tuple[Path, Path]:
    """The run of a judge as it is, and that of the version before, which swaps two of three responses."""
    (folder / "before").mkdir()
    before = judged(folder / "before", ROWS, BEFORE)
    return judged(folder, ROWS), before


@pytest.mark.parametrize(
    ("options", "confidence"),
    [
        pytest.param([], [5 / 6, 5 / 6], id="one-for-all"),  # 2 of 3 pairs agree, and 1 of 1
        pytest.param(["--each-group"], [2 / 3, 1.0], id="each"),
        pytest.param(["--measure", "top", "--each-group"], [0.0, 1.0], id="top"),
    ],
)
def test_a_snapshot_says_how_far_a_pair_is_to_be_trusted(options, confidence, tmp_path: Path):
    """CREAM's soft label beside each pair, in the file that a trainer reads."""
    now, before = two_runs(tmp_path)
    out = tmp_path / "pairs.jsonl"
    ended = run_judge("pairs", str(now), "--snapshot", str(before), *options, "--output", str(out), "--json")
    assert ended.code == 0, ended.err
    assert [json.loads(line)["confidence"] for line in out.read_text().splitlines()] == pytest.approx(confidence)
    assert json.loads(ended.out)["consistency"]["mean"] == pytest.approx(sum(confidence) / 2)


def test_a_member_of_the_panel_is_a_snapshot(tmp_path: Path):
    """The policy's judge and its snapshot sit beside each other in one run."""
    panel = {"members": [{"name": "before", "engine": {"kind": "scripted", "model": "before", "reply": "VERDICT: 3"}}]}
    run = judged(tmp_path, ROWS, panel=panel)
    found = compare_snapshot(read_run(run), run, "before", by="raw_reward")
    assert (found.mean, found.groups) == (0.5, 2)  # one that cannot tell them apart says nothing
    with pytest.raises(InputError, match=r"nor a member of the panel .* did you mean `before`\?"):
        compare_snapshot(read_run(run), run, "befor", by="raw_reward")


def test_a_run_over_other_data_is_no_snapshot(tmp_path: Path):
    """Rows of another data set would be compared by their numbers alone."""
    now, before = two_runs(tmp_path)
    (tmp_path / "other").mkdir()
    other = judged(tmp_path / "other", ROWS[:1])
    ended = run_judge("pairs", str(now), "--snapshot", str(other))
    assert ended.code == 2
    assert "it judged other data" in ended.err
    shutil.rmtree(before)
    assert run_judge("pairs", str(now), "--snapshot", str(before)).code == 2
    ended = run_judge("pairs", str(now), "--measure", "top")
    assert "about --snapshot, which is missing" in ended.err


def test_a_parquet_file_holds_the_confidence(tmp_path: Path):
    """A group that says nothing has null, and the column is one of numbers."""
    import pyarrow.parquet as pq

    now, before = two_runs(tmp_path)
    out = tmp_path / "pairs.parquet"
    run_judge("pairs", str(now), "--snapshot", str(before), "--measure", "spearman", "--each-group", "--output", str(out))
    assert pq.read_table(out).column("confidence").to_pylist() == pytest.approx([0.75, 1.0])


def scored(*rows: tuple[str, float, dict[str, float | None]]) -> list[ScoredResponse]:
    return [ScoredResponse("q", "?", text, reward, row=k, components=parts) for k, (text, reward, parts) in enumerate(rows)]


def test_a_pair_that_no_weighting_turns_round():
    """`a` and `b` are each better than `c` in one criterion and as good in the other; `d` lacks one."""
    found = preference_pairs(
        scored(
            ("a", 0.75, {"x": 1.0, "y": 0.5}),
            ("b", 0.5, {"x": 0.0, "y": 1.0}),
            ("c", 0.25, {"x": 0.0, "y": 0.5}),
            ("d", 0.9, {"x": 1.0, "y": None}),
        ),
        strategy="dominating",
    )
    assert [(p.chosen.response, p.rejected.response) for p in found.pairs] == [("a", "c"), ("b", "c")]


def test_a_run_gives_dominating_pairs(tmp_path: Path):
    """From a checklist's run folder, by its criteria."""
    rubric = {"criteria": [{"id": "x", "text": "It is fine."}, {"id": "y", "text": "It is long."}]}
    rows = [{"id": "q", "prompt": "?", "responses": ["red and blue", "red", "blue", "green"]}]

    def reply(request) -> str:
        text = request.messages[-1].content
        return "VERDICT: MET" if ("red" if "It is fine." in text else "blue") in text else "VERDICT: UNMET"

    run = judged(tmp_path, rows, reply, recipe="checklist", rubric=rubric)
    found = read_run(run)
    assert {c.response: dict(c.components) for c in found.candidates}["green"] == {"x": 0.0, "y": 0.0}
    ended = run_judge("pairs", str(run), "--strategy", "dominating", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["pairs"] == 5
