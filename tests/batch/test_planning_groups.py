"""`judge plan` and `judge run --dry-run` where the responses of a prompt compete, and what a sample says of the rest."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from judge.batch.drawn import draw
from judge.batch.dry_run import dry_run
from judge.batch.planning import RowCost, RunPlan, extrapolated, measured, rendered
from judge.cli.plan import _plain, _text
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Sample
from tests.batch_harness import run
from tests.cli_harness import run_judge

PAIRWISE = {"recipe": "pairwise", "rubric": {"name": "one", "criteria": [{"id": "a", "text": "It is right."}]}}
ENGINE = {"kind": "scripted", "reply": "x", "price": {"input": 1.0, "output": 2.0}}


def groups(*sizes):
    """One response a row, the groups' rows far apart from each other."""
    rows = [Sample.of(f"q{g}?", f"Answer {k}.", id=f"{g}-{k}") for g, size in enumerate(sizes) for k in range(size)]
    return sorted(rows, key=lambda row: row.id.partition("-")[::-1])


def made(**group):
    return plan(load_settings(PAIRWISE | {"engine": ENGINE, "group": group})[0])


def tie(request):
    return Completion("Fine. [[C]]", prompt_tokens=1000, completion_tokens=100)


def asked(tmp_path, rows, **group):
    """How many requests reach the engine in a run."""
    return len(run(tmp_path, rows, tie, **(PAIRWISE | {"engine": ENGINE, "group": group}))[1].requests)


def test_whole_groups_are_drawn_and_each_as_likely_as_another():
    """A group of which a few rows are drawn makes too few comparisons."""
    seen = [0] * 20
    for seed in range(300):
        drawn, read = draw(groups(*[4] * 20), 7, seed, groups=True)
        assert (len(drawn), read) == (8, 80)
        names = [row.prompt for row in drawn]
        assert sorted(map(names.count, set(names))) == [4, 4]
        for name in set(names):
            seen[int(name[1:-1])] += 1
    assert min(seen) >= 12  # 30 +- 5.2 each
    assert max(seen) <= 50


def test_a_plan_of_groups_foresees_the_calls_and_the_cost_of_the_run(tmp_path):
    """Fifteen groups of four: six pairs in both orders each."""
    data = groups(*[4] * 15)
    drawn, read = draw(data, 20, 0, groups=True)
    found = asyncio.run(measured(made(), drawn, read, ScriptedEngine(tie)))
    truth = asked(tmp_path, data)
    assert truth == 180
    assert found.total(lambda cost: cost.calls)[0] == pytest.approx(truth)
    assert found.usd is not None
    assert found.usd[0] == pytest.approx(truth * 0.0012)
    assert found.sizes == (4,) * 5


def test_groups_of_unlike_size_are_weighed_by_it():
    """Groups of 2 and 4 rows, 1 and 6 pairs: 7 / 6 a row, residuals -4/3 and 4/3, a mean size of 3; Student's t is 12.706."""
    total, (low, high) = extrapolated([1.0, 6.0], 60, [2, 4])
    assert total == pytest.approx(70)
    half = 12.706 * (2 * (4 / 3) ** 2) ** 0.5 / 2**0.5 / 3 * (1 - 6 / 60) ** 0.5 * 60
    assert (low, high) == (max(0, 70 - half), pytest.approx(70 + half, rel=1e-4))


@pytest.mark.parametrize(
    "group",
    [
        {"schedule": "round_robin"},
        {"schedule": "round_robin", "max_comparisons": 4},
        {"schedule": "anchor", "anchors": 2},
        {"schedule": "random_reference"},
    ],
    ids=str,
)
def test_a_schedule_is_counted_without_an_engine(tmp_path, group):
    """Exactly what the run then asks; equal texts and empty ones meet nobody."""
    data = [*groups(4, 5, 1), Sample.of("q0?", "Answer 0.", id="same"), Sample.of("q1?", "", id="empty")]
    truth = asked(tmp_path, data, **group)
    found = rendered(made(**group), data, len(data))
    assert found.total(lambda cost: cost.calls)[0] == pytest.approx(truth)
    assert dry_run(made(**group), data, len(data)).calls == truth
    assert "every comparison of the schedule is counted" in str(dry_run(made(**group), data, len(data)))


@pytest.mark.parametrize("group", [{"schedule": "swiss"}, {"top": 1}], ids=str)
def test_what_depends_on_verdicts_is_refused_without_them(tmp_path, group):
    """No number is better than 0 calls."""
    config, data = tmp_path / "c.yaml", tmp_path / "d.jsonl"
    config.write_text(yaml.safe_dump(PAIRWISE | {"engine": ENGINE, "group": group}))
    data.write_text("".join(json.dumps({"prompt": "q", "response": f"r{k}"}) + "\n" for k in range(4)))
    ended = run_judge("plan", str(config), "--data", str(data), "--dry")
    assert (ended.code, "compares as the verdicts go" in ended.err) == (2, True)
    assert "one comparison of each group is counted" in run_judge("run", str(config), "--data", str(data), "--dry-run").out


def test_exact_is_only_what_nothing_was_left_out_of():
    """Rows drawn that happen to be alike say nothing certain of the others."""
    costs = (RowCost(2, 0, 100, 10, usd=0.0001),) * 20
    some, every = (RunPlan(rows, 20, costs, True, made().settings.engine.price) for rows in (60, 20))
    assert "exact" not in _text(some, "c.yaml")
    assert "none: these 20 are alike" in _text(some, "c.yaml")
    assert _plain(some)["calls"] == {"total": 120, "low": None, "high": None}
    assert "exact" in _text(every, "c.yaml")
    assert _plain(every)["calls"] == {"total": 40, "low": 40, "high": 40}


def test_no_cost_where_no_tokens_were_counted():
    """0.00 USD for a job that is not free is worse than no figure."""
    text = _text(RunPlan(60, 20, (RowCost(2),) * 20, True, made().settings.engine.price), "c.yaml")
    assert "not known: this engine counts no tokens" in text
    assert "not counted by this engine" in text
    assert "USD" not in text


@pytest.mark.parametrize(("hours", "said"), [(0.0006, "2.2 s at"), (0.3, "18.0 min at"), (30.0, "30.0 hours at")])
def test_a_time_is_told_in_a_unit_that_fits(hours, said):
    """ "0.00 hours" says nothing of a run of some seconds, and a line has 80 columns."""
    text = _text(RunPlan(9, 1, (RowCost(1),), True, None, hours=hours, hours_full=hours / 2), "c.yaml")
    assert f"time               {said} the rate of these rows" in text
    assert max(map(len, text.splitlines())) <= 80
