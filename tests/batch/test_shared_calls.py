"""A call that several responses rest on counts once: with one row for each response of a group, and with one sample for all."""

from __future__ import annotations

import json

import pytest

from judge.batch.merge import merge_runs
from judge.batch.shards import parse_shard
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.settings import load_settings
from judge.types import Completion, Sample
from tests.batch_harness import SETTINGS, question, rewards, run, verdicts

PRICE = {"input": 1.0, "output": 2.0}
READ, WRITTEN = 1000, 100  # tokens of each call


def longer(request):
    """The one with more exclamation marks is better, wherever it stands."""
    first, second = question(request).split("!a")[1:3] if question(request).count("!a") > 1 else ("", "")
    verdict = "A" if first.count("!") >= second.count("!") else "B"
    return Completion(f"[[{verdict}]]", prompt_tokens=READ, completion_tokens=WRITTEN)


def rows(prompts=5, size=4):
    """Rows of one response each; the last two of a group say the same."""
    words = ["!a!", "!a!!", "!a!!!", "!a!!!"][:size]
    return [
        Sample.of(f"What is {p}?", text, id=f"p{p}-{k}", group=f"p{p}") for p in range(prompts) for k, text in enumerate(words)
    ]


def whole(prompts=5):
    """The same responses, a sample for each prompt."""
    return [Sample.of(f"What is {p}?", "!a!", "!a!!", "!a!!!", "!a!!!", id=f"p{p}") for p in range(prompts)]


def settings(**group):
    return {"recipe": "pairwise", "rubric": None, "group": group, "engine": {"kind": "scripted", "price": PRICE}}


SCHEDULES = [
    pytest.param({"schedule": "round_robin"}, id="round-robin"),
    pytest.param({"schedule": "round_robin", "top": 1}, id="top"),
    pytest.param({"schedule": "swiss"}, id="swiss"),
    pytest.param({"schedule": "single_elimination"}, id="elimination"),
    pytest.param({"schedule": "random_reference"}, id="reference"),
]


@pytest.mark.parametrize("data", [rows, whole], ids=["rows", "samples"])
@pytest.mark.parametrize("group", SCHEDULES)
def test_the_totals_are_what_the_engine_got(tmp_path, group, data):
    """Calls, tokens, tokens/s, cost and tables are of the same calls."""
    result, engine = run(tmp_path, data(), longer, **settings(**group))
    asked, made = len(engine.requests), result.run
    assert made["counts"]["judge_calls"] == made["cost"]["calls"] == asked > 0
    assert made["counts"]["verdicts"] == len(verdicts(tmp_path)) - made["counts"]["no_verdict"]
    assert made["tokens"] == {"prompt": READ * asked, "completion": WRITTEN * asked}
    assert made["cost"]["usd"] == pytest.approx(asked * (READ * 1.0 + WRITTEN * 2.0) / 1e6)
    table = rewards(tmp_path)
    assert sum(row["judge_calls"] for row in table) == asked
    fresh = [call for call in verdicts(tmp_path) if not call["cached"]]
    assert len(fresh) == len({call["request_hash"] for call in fresh}) == asked
    assert f"{asked} judge calls (" in result.summary


def test_a_run_that_goes_on_counts_the_same_calls(tmp_path):
    """What was new is from the journal now; the sum stays."""
    first, _ = run(tmp_path, rows(), longer, **settings(schedule="round_robin"))
    again, engine = run(tmp_path, rows(), longer, **settings(schedule="round_robin"))
    counts = [r.run["counts"]["judge_calls"] + r.run["counts"]["journal_hits"] for r in (first, again)]
    assert engine.requests == []
    assert counts[0] == counts[1]
    assert again.run["counts"]["judge_calls"] == again.run["tokens"]["prompt"] == 0


def test_merged_shards_count_as_one_run(tmp_path):
    """A group is in one shard, so its calls are counted there."""
    own = settings(schedule="round_robin")
    one, _ = run(tmp_path / "one", rows(), longer, **own)
    made = plan(load_settings(SETTINGS | own)[0])
    for index in range(2):
        run(tmp_path / f"part{index}", rows(), longer, shard=parse_shard(f"{index}/2", made), **own)
    merged = merge_runs([tmp_path / "part0", tmp_path / "part1"], tmp_path / "all")
    assert merged.run["counts"] == one.run["counts"]
    assert merged.run["tokens"] == one.run["tokens"]
    tables = [[call | {"latency_s": 0.0} for call in verdicts(tmp_path / name)] for name in ("one", "all")]
    assert tables[0] == tables[1]


PAIR = {"recipe": "pairwise", "rubric": None}


@pytest.mark.parametrize(
    ("data", "own"),
    [
        pytest.param(rows, settings(schedule="round_robin"), id="group"),
        pytest.param(lambda: [Sample.of("What?", "!a!", "!a!!", id="p")], PAIR, id="pair"),
    ],
)
def test_a_training_step_counts_them_once(tmp_path, data, own):
    """A trainer's record says the same as the run."""
    engine = ScriptedEngine(longer)
    with Judge.from_config({**own, "engine": {"kind": "scripted"}, "record": str(tmp_path)}, engine=engine) as judge:
        judge.score(data())
    told = json.loads((tmp_path / "steps.jsonl").read_text())
    assert told["judge_calls"] == len(engine.requests) > 0
    assert told["tokens"] == (READ + WRITTEN) * told["judge_calls"]
