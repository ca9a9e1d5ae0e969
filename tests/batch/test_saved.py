"""What was not asked is said at the end of a run: votes after the last wave, comparisons outside the best."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from judge.batch.merge import merge_runs
from judge.batch.saved import saved_report
from judge.batch.shards import Shard
from judge.batch.store import Store
from judge.types import Completion, Request, Sample
from tests import batch_harness


def told(request: Request) -> str:
    """Split on the second question of three, with one voice otherwise."""
    vote = request.sampling.seed
    return f"Seen.\nVERDICT: {'UNMET' if '1 + 1' in batch_harness.question(request) and vote % 2 else 'MET'}"


@pytest.mark.parametrize(
    ("stop", "risk", "saved"),
    [
        pytest.param({"stop": "decided"}, "those saved could not change a result", 2 * 2 * 2, id="decided"),
        pytest.param({"stop": "beta", "error": 0.1}, "a chance of at most 10 %", 2 * 2 * 3, id="beta"),
        pytest.param({"stop": "sprt", "error": 0.2}, "says one thing in 70 % of its votes or more", 2 * 2 * 3, id="sprt"),
    ],
)
def test_votes(tmp_path, stop, risk, saved):
    """Two of three samples agree with themselves on two criteria: 2 votes of 5 are saved, or 3 where a chance will do.

    beta, 2 to 0 with 3 to come: the other score draws level with all three, C(3, 3) B(4, 3) / B(1, 3) = 1 / 20.
    sprt: 2 ahead are enough, ln 4 / ln (0.7 / 0.3) = 1.64.
    """
    settings = {"votes": {"n": 5, **stop}, "sampling": {"temperature": 0.7}}
    result, engine = batch_harness.run(tmp_path, batch_harness.samples(3), told, **settings)
    found = json.loads((tmp_path / "run.json").read_text())["votes_stop"]
    assert (found["rule"], found["questions"], found["stopped"]) == (stop["stop"], 6, 4)
    assert (found["saved_votes"], found["asked_votes"]) == (saved, len(engine.requests)) == (saved, 30 - saved)
    assert found["error"] == stop.get("error", 0.0)
    assert f"votes.stop: 4 of 6 questions ended early (`{stop['stop']}`)" in result.summary
    assert f"{saved} votes saved and {30 - saved} made; " in result.summary
    assert risk in result.summary
    assert max(map(len, result.summary.splitlines()[:-1])) <= 80


def test_a_run_that_asks_everything_says_nothing(tmp_path):
    """No line about a setting that nobody made."""
    result, _ = batch_harness.run(tmp_path, batch_harness.samples(2))
    assert {"votes_stop", "group_top"} & result.run.keys() == set()
    assert "saved" not in result.summary


def compared(request: Request) -> Completion | str:
    """The greater number wins; with the silent one in it, nobody knows."""
    text = batch_harness.question(request)
    first, second = sorted((n for n in range(10) if f"number {n}." in text), key=lambda n: text.index(f"number {n}."))
    silent = "Hidden" in text and 0 in (first, second)
    return "Both." if silent else f"[[{'A' if first > second else 'B'}]]"


@pytest.mark.parametrize("rows", [True, False], ids=["rows", "one-sample"])
def test_comparisons(tmp_path, rows):
    """Of four in a clear order, and of four with one of which nothing is known, the best is asked for."""
    texts = [f"It is number {n}." for n in range(4)]
    data = []
    for prompt in ("Which?", "Hidden?"):
        apart = [Sample.of(prompt, text, id=f"{prompt}{n}", group=prompt) for n, text in enumerate(texts)]
        data += apart if rows else [Sample.of(prompt, *texts, id=prompt)]
    settings = {"recipe": "pairwise", "rubric": None, "order": "both_mean", "group": {"top": 1}}
    result, engine = batch_harness.run(tmp_path, data, compared, **settings)
    found = json.loads((tmp_path / "run.json").read_text())["group_top"]
    assert 2 * found["asked_comparisons"] == len(engine.requests) - 6  # three pairs that nobody decides are asked once more
    assert found["asked_comparisons"] + found["saved_comparisons"] == 12
    assert (found["groups"], found["uncertain"]) == (1, 1)
    assert "group.top: 1 group ended early" in result.summary
    assert "those saved could not change who is best" in result.summary
    assert "in 1 group that hangs on comparisons without a verdict" in result.summary


@pytest.mark.parametrize("size", [1, 2])
def test_criteria_behind_a_failure(tmp_path, size):
    """Of five criteria the second fails: the three behind it are not asked about, in three calls of one or two of two."""
    rubric = {"criteria": [{"id": f"c{n}", "text": f"It is {n}."} for n in range(5)]}

    def said(request: Request) -> str:
        asked = [n for n in range(5) if f"- c{n}: " in request.messages[-1].text]
        return "\n".join(f"Because.\nVERDICT c{n}: {'UNMET' if n == 1 else 'MET'}" for n in asked)

    settings = {"recipe": "checklist-all", "rubric": rubric, "unit": {"criteria": size, "stop_when_decided": True}}
    result, engine = batch_harness.run(tmp_path, batch_harness.samples(3), said, reward={"fold": "all_pass"}, **settings)
    found = json.loads((tmp_path / "run.json").read_text())["unit_stop"]
    calls = 5 if size == 1 else 3
    assert len(engine.requests) == 3 * calls - found["saved_calls"]
    assert found == {"responses": 3, "stopped": 3, "saved_criteria": 9, "saved_calls": 3 * (3 if size == 1 else 2)}
    assert "unit.stop_when_decided: 3 of 3 responses decided early" in result.summary
    assert f"at least {found['saved_calls']} calls saved" in " ".join(result.summary.split())


def test_what_other_flags_say_counts_no_criteria(tmp_path):
    """A flag may quote the response, and a response may say anything."""
    store = Store(tmp_path / "journal.sqlite")
    said = [("suspect", "99 criteria were not asked about"), ("decided_early", "2 criteria were not asked about: c1, c2")]
    flags = json.dumps([{"name": name, "detail": detail, "where": ""} for name, detail in said])
    store._db.execute("INSERT INTO rewards (status, flags) VALUES ('judged', ?)", (flags,))
    found = saved_report(store, {"unit_stop": {"criteria": 1, "votes": 1}})["unit_stop"]
    store.close()
    assert found == {"responses": 1, "stopped": 1, "saved_criteria": 2, "saved_calls": 2}


def test_merged_shards_say_it_together(tmp_path):
    """Shards of one run have one closing text."""
    settings = {"votes": {"n": 5, "stop": "decided"}, "sampling": {"temperature": 0.7}}
    data = batch_harness.samples(3)
    for place in (0, 1):
        batch_harness.run(tmp_path / str(place), data, told, shard=Shard(place, 2), **settings)
    merged = merge_runs([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    assert merged.run["votes_stop"]["saved_votes"] == 8


def test_the_figures_of_very_many_rows_hold_a_page_of_them(tmp_path):
    """What was saved is counted as it is read: a million rows take the memory of a thousand."""
    store = Store(tmp_path / "journal.sqlite")
    marks = ",".join("?" * 14)
    made = ((row, "", "", "t", "[0, 1]", '["c"]', vote, *[None] * 7) for row in range(20_000) for vote in range(2))
    store._db.executemany(f"INSERT INTO verdicts VALUES ({marks})", made)
    asked = {"votes_stop": {"rule": "decided", "n": 3, "error": 0.0, "turns": ["t"]}, "group_top": {"best": 1, "turns": ["t"]}}
    saved_report(store, asked)
    tracemalloc.start()
    found = saved_report(store, asked)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    store.close()
    assert (found["votes_stop"]["saved_votes"], found["group_top"]["asked_comparisons"]) == (20_000, 20_000)
    assert most < 2_000_000
