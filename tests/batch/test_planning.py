"""`judge plan` foresees what `judge run` then takes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from judge.batch.drawn import draw
from judge.batch.extrapolate import client_memory
from judge.batch.planning import extrapolated, measured, rendered, shared_prefixes, with_change
from judge.batch.read import BadRow
from judge.cli.main import main
from judge.cli.plan import _text
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion
from tests.batch_harness import SETTINGS, met, run, samples
from tests.cli_harness import run_judge

PRICE = {"input": 1.0, "output": 4.0, "cached": 0.1}


def made(**settings):
    engine = {"kind": "scripted", "price": PRICE, "reply": "x"}
    return plan(load_settings(SETTINGS | {"engine": engine} | settings)[0])


def priced(request):
    """1,000 prompt tokens, 200 of them cached, and 50 written: 800 x 1 + 200 x 0.1 + 50 x 4 = 1,020 millionths of a dollar."""
    return Completion(met(request), prompt_tokens=1000, completion_tokens=50, cached_tokens=200)


def test_a_plan_foresees_calls_tokens_and_cost_of_the_run(tmp_path):
    """Rows that are alike: the extrapolation must be what the run then reports."""
    data = samples(60)
    drawn, read = draw(data, 10, seed=0)
    found = asyncio.run(measured(made(), drawn, read, ScriptedEngine(priced)))
    result, _ = run(tmp_path, data, priced, engine={"kind": "scripted", "price": PRICE})
    assert found.total(lambda cost: cost.calls)[0] == result.run["counts"]["judge_calls"] == 120
    assert found.total(lambda cost: cost.prompt)[0] == result.run["tokens"]["prompt"] == 120_000
    assert found.usd is not None
    assert found.usd[0] == pytest.approx(result.run["cost"]["usd"]) == pytest.approx(120 * 1020e-6)
    assert found.hours > 0
    assert found.no_reward == 0


def test_the_interval_holds_the_truth_nineteen_times_of_twenty():
    """Who books a budget by it should be right as often as it says. 400 draws: 95 % +- 2.2 %."""
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, 100.0, 2000)
    hits = 0
    for _ in range(400):
        low, high = extrapolated(list(rng.choice(values, 40, replace=False)), len(values))[1]
        hits += low <= values.sum() <= high
    assert 0.91 <= hits / 400 <= 0.985


def test_rows_that_are_no_samples_cost_nothing_and_count():
    """A tenth of broken rows makes the run a tenth cheaper."""
    rows = [*samples(9), BadRow("bad", "no response")]
    found = asyncio.run(measured(made(), rows, 1000, ScriptedEngine(priced)))
    assert found.total(lambda cost: cost.calls)[0] == pytest.approx(1000 * 18 / 10)


def test_votes_that_were_not_needed_are_told():
    """Five equal votes: two of five could no longer change the majority, so 40 % is saved."""
    found = asyncio.run(measured(made(votes={"n": 5, "fold": "majority"}), samples(8), 8, ScriptedEngine(priced)))
    [cheaper] = found.cheaper
    assert cheaper.change == "votes.stop: decided"
    assert cheaper.share == pytest.approx(0.4)
    assert cheaper.tokens == 8 * 2 * 2 * 1050
    assert not asyncio.run(measured(made(votes={"n": 5, "stop": "decided"}), samples(8), 8, ScriptedEngine(priced))).cheaper


def test_another_recipe_is_set_against_this_one_by_rendering_both():
    """All criteria in one call: half of the calls, and far less than the whole prompt again."""
    data, now = samples(6), made()
    found = asyncio.run(measured(now, data, 600, ScriptedEngine(priced)))
    cheaper = with_change(found, now, made(recipe="checklist-all"), data, "recipe: checklist-all", "one call")
    assert cheaper is not None
    assert 0.2 < cheaper.share < 0.6
    assert (
        0.25 < cheaper.tokens / (600 / 6 * 12 * 1000) < 0.5
    )  # two prompts of a criterion share most; how much one of both has is wording
    assert with_change(found, now, now, data, "nothing", "") is None


def test_without_an_engine_the_prompts_are_counted_and_replies_are_the_most_they_can_be():
    """A hosted judge need not be paid to learn the size of a job."""
    found = rendered(made(), samples(5), 50)
    assert found.total(lambda cost: cost.calls)[0] == 100
    assert found.total(lambda cost: cost.completion)[0] == 100 * made().sampling[-1].max_tokens
    assert np.isnan(found.hours)


def test_shared_beginnings_are_what_a_prefix_cache_could_save():
    """Two criteria of one response share all but their end; one row alone with one criterion shares nothing."""
    one = {"name": "one", "criteria": [{"id": "a", "text": "It is right."}]}
    assert shared_prefixes(made(rubric=one), samples(1)) == 0
    assert 0.3 < shared_prefixes(made(), samples(1)) < 0.5  # of two prompts, nearly one


def test_the_command_prints_within_eighty_columns_and_as_json(tmp_path, capsys):
    """What a person reads before a job that costs money, and what a script reads."""
    config, data = tmp_path / "run.yaml", tmp_path / "rows.jsonl"
    engine = {"kind": "scripted", "reply": "Fine.\nVERDICT: MET", "price": PRICE | {"as_of": "2026-11-01"}}
    config.write_text(yaml.safe_dump(SETTINGS | {"engine": engine, "votes": {"n": 3, "fold": "majority"}}))
    data.write_text("\n".join(json.dumps({"prompt": f"{k}+{k}?", "response": f"It is {2 * k}."}) for k in range(40)))
    for more in ([], ["--dry"]):
        with pytest.raises(SystemExit, match="0"):
            main(["plan", str(config), "--data", str(data), "--sample", "5", *more])
        out = capsys.readouterr().out
        assert "40 rows, 5 of them" in out
        assert "prices of 2026-11-01" in out
        assert "What would make it cheaper" in out
        assert max(map(len, out.splitlines()[1:])) <= 80
    with pytest.raises(SystemExit, match="0"):
        main(["plan", str(config), "--data", str(data), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["calls"]["total"] == 40 * 2 * 3
    assert [each["share"] for each in told["cheaper"]] == sorted((e["share"] for e in told["cheaper"]), reverse=True)


def test_what_is_rendered_says_how_many_calls_may_come_on_top():
    """Rows are judged with 2 calls, and each may be asked once more: 60 rows take 120 calls, and 240 at most."""
    found = rendered(made(), samples(6), 60)
    assert (found.total(lambda cost: cost.calls)[0], found.on_top) == (120, 120)
    assert "on top, at most            2.0              120   to ask again, or for proof" in _text(found, "c.yaml")


def test_the_interval_of_criteria_that_are_left_out_reaches_down_to_one_call():
    """`unit.stop_when_decided`: all rows looked at may be good ones, and the first veto of the others ends them."""
    now = made(recipe="checklist-all", unit={"criteria": 1, "stop_when_decided": True})
    found = asyncio.run(measured(now, samples(6), 60, ScriptedEngine(priced)))
    total, (low, high) = found.total(lambda cost: cost.calls)
    assert (total, high) == (120, 120)
    assert low < 120


def test_savings_are_calls_where_the_engine_counts_no_tokens():
    """Half of the calls is half of the work, whatever the tokens are."""
    now, data = made(votes={"n": 5, "fold": "majority"}), samples(6)
    found = asyncio.run(measured(now, data, 60, ScriptedEngine(lambda request: Completion(met(request)))))
    other = made(votes={"n": 5, "fold": "majority"}, recipe="checklist-all")
    cheaper = with_change(found, now, other, data, "recipe: checklist-all", "one call")
    assert (cheaper.share, cheaper.calls) == (0.5, 300)
    assert [(each.change, each.share, each.calls) for each in found.cheaper] == [("votes.stop: decided", 0.4, 240)]


def test_rows_that_cannot_be_read_are_told_and_nothing_else_is_an_error(tmp_path):
    """A wrong file must not look like a cheap run."""
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(SETTINGS | {"engine": {"kind": "scripted", "reply": "VERDICT: MET"}}))
    (tmp_path / "bad.jsonl").write_text("{not json\n" * 5)
    (tmp_path / "some.jsonl").write_text("{not json\n" + json.dumps({"prompt": "1+1?", "response": "2"}) + "\n")
    for more in ([], ["--dry"]):
        ended = run_judge("plan", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "bad.jsonl"), *more)
        assert ended.code == 2
        assert "bad.jsonl:1: " in ended.err
        assert "5 read, all invalid" in ended.err
        ended = run_judge("plan", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "some.jsonl"), *more)
        assert ended.code == 0
        assert "1 of 2 rows; the first:" in ended.out


def test_a_row_that_steers_the_terminal_is_told_in_escapes(tmp_path):
    """Why a row cannot be read quotes it, and a terminal must not obey it."""
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(SETTINGS | {"engine": {"kind": "scripted", "reply": "VERDICT: MET"}}))
    hostile = {"prompt": [{"role": "\x1b[2J\u202e", "content": "1+1?"}], "response": "2"}
    rows = [{"prompt": "1+1?", "response": "2"}, hostile]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = run_judge("plan", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "data.jsonl"), "--dry")
    assert "\\u001b[2J\\u202e" in ended.out
    assert not {"\x1b", "\u202e"} & {*ended.out}


def test_the_interval_of_a_few_rows_that_take_far_more_holds_the_truth():
    """One row in eight goes to the dear judge: a sample of twenty may show one of them, and the interval is not to end there."""
    rng = np.random.default_rng(0)
    values = np.where(np.arange(400) % 8 == 0, 9.0, 1.0)
    hits = 0
    for _ in range(200):
        low, high = extrapolated(list(rng.choice(values, 20, replace=False)), 400, ends=(1.0, 9.0))[1]
        assert 400 <= low < high <= 3600
        hits += low <= values.sum() <= high
    assert hits >= 190


def test_a_cascade_takes_no_less_than_its_cheap_judge(tmp_path):
    """Every row asks the cheap judge once: an interval below that cannot hold."""
    now = made(cascade={"first": {"recipe": "yes-no"}, "margin": 0.1}, engine={"kind": "scripted", "verdicts": "drawn"})
    found = asyncio.run(measured(now, samples(10), 200))
    calls = sum(cost.calls for cost in found.costs)
    _, (low, high) = found.total(lambda cost: cost.calls)
    assert calls + 190 <= low <= high <= calls + 190 * 3


def test_the_most_is_called_the_most(tmp_path):
    """What is counted without verdicts is no estimate where verdicts spare calls."""
    found = [rendered(made(**more), samples(4), 4) for more in ({"votes": {"n": 5, "stop": "decided"}}, {})]
    stopped, plain = (_text(each, "c.yaml") for each in found)
    assert all(row in stopped for row in ("\ncalls, at most ", "\nprompt, at most ", "\nUSD, at most "))
    assert "`votes.stop` saves an unknown share" in stopped
    assert "calls, at most" not in plain
    cascade = {"first": {"recipe": "yes-no"}, "margin": 0.1}
    assert "`cascade` saves" in _text(rendered(made(cascade=cascade), samples(4), 4), "c.yaml")


def test_the_memory_of_the_client_grows_with_what_is_in_flight():
    """A machine chosen by the plan is to hold the run; without judging nobody knows, so nothing is said."""
    few, some, many = (
        client_memory(made(max_in_flight=n), samples(4), rows, 8) for n, rows in ((64, 40), (64, 3000), (512, 3000))
    )
    assert few + 20 < some < few + 100  # measured: 35
    assert 15 < many - some < 60  # measured: 41
    assert "client memory" not in _text(rendered(made(), samples(4), 4), "c.yaml")


LOADED = """
import sys, tempfile
from pathlib import Path
from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.loops import run
from tests.batch.test_planning import made, samples
replies = ScriptedEngine(lambda request: f"VERDICT: {'MET' if len(str(request)) % 2 else 'UNMET'}")
with tempfile.TemporaryDirectory() as folder:
    run(run_batch(made(), samples(40), Path(folder), engine=replies, quiet=True))
print("scipy.special" in sys.modules, "scipy.stats" in sys.modules)
"""


def test_the_end_of_a_run_loads_no_library_that_the_memory_leaves_out():
    """Its rewards are ranked beside their lengths; the library for ranks would take half a second and 50 MiB of every run."""
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "False"]
