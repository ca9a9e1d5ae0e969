"""A cheap judge for all, the full one where that is unsure: who is asked, whose reward counts, and what a run says about it."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.adapters._shared.sample import shows_question
from judge.attack.evaluator import with_filters
from judge.batch.ray import _gpus
from judge.cli.options import wanted_columns
from judge.errors import SettingsError
from judge.pipeline.build import Plan, needed_columns, plan
from judge.pipeline.opened import open_judges
from judge.settings import load_settings
from judge.types import Completion, Request, Reward, TokenLogprobs
from tests import batch_harness

CONFIG = {
    "recipe": "pointwise",
    "rubric": "helpfulness",
    "engine": {"kind": "scripted"},
    "filters": "off",
    "cascade": {"first": {"recipe": "yes-no"}, "entropy": 0.3, "audit_share": 0.0},
}


def is_cheap(request: Request) -> bool:
    return request.sampling.max_tokens == 1


def judge_saying(chance: float, grade: int = 5):
    """The cheap judge says Yes with a chance; the full one states a grade."""

    def reply(request: Request) -> Completion:
        if not is_cheap(request):
            return Completion(f"It is named.\nVERDICT: {grade}")
        top = {"Yes": math.log(chance), "No": math.log(1 - chance)}
        return Completion("Yes", "length", logprobs=(TokenLogprobs("Yes", top),))

    return ScriptedEngine(reply)


def judged(engine: ScriptedEngine, *samples: Sample, **cascade: object) -> list[Reward]:
    config = {**CONFIG, "cascade": {**CONFIG["cascade"], **cascade}}  # type: ignore[dict-item]
    with Judge.from_config(config, engine=engine) as judge:
        return judge.score(list(samples) or [Sample.of("Capital of France?", "Paris.")])


def test_what_the_cheap_judge_is_sure_of_costs_no_full_call():
    """Entropy of 0.99 and 0.01 is 0.056 nats."""
    engine = judge_saying(0.99)
    [reward] = judged(engine)
    assert [is_cheap(r) for r in engine.requests] == [True]
    assert reward.raw_reward == pytest.approx(0.99)
    assert [f.name for f in reward.flags] == ["cascade_decided"]
    assert [c.turn.split(":")[0] for c in reward.calls] == ["cheap"]


def test_what_it_is_unsure_of_is_the_full_judges():
    """Entropy of 0.6 and 0.4 is 0.673 nats."""
    engine = judge_saying(0.6)
    [reward] = judged(engine)
    assert [is_cheap(r) for r in engine.requests] == [True, False]
    assert reward.raw_reward == 1.0
    assert reward.components["cheap"] == pytest.approx(0.6)
    assert reward.criteria == {"overall": 1.0}
    assert "entropy 0.673 is at least 0.3; cheap says 0.6" in reward.flags[-1].detail
    assert [c.turn for c in reward.calls] == ["cheap:ask", "judge"]


@pytest.mark.parametrize(
    ("rule", "chance", "asked"),
    [
        pytest.param({"entropy": None, "margin": 0.3}, 0.9, False, id="outside-the-margin"),
        pytest.param({"entropy": None, "margin": 0.45}, 0.9, True, id="inside-the-margin"),
        pytest.param({"entropy": None, "variance": 0.1}, 0.9, False, id="variance-0.09"),
        pytest.param({"entropy": None, "variance": 0.09}, 0.8, True, id="variance-0.16"),
        pytest.param({"entropy": 0.5, "margin": 0.45}, 0.9, True, id="any-of-two-is-enough"),
    ],
)
def test_rules(rule, chance, asked):
    """Each threshold, on both of its sides."""
    engine = judge_saying(chance)
    judged(engine, **{name: value for name, value in rule.items() if value is not None} | {"entropy": rule.get("entropy")})
    assert (len(engine.requests) == 2) == asked


def test_a_cheap_judge_without_a_verdict_is_unsure():
    """Its failure is nobody's grade."""

    def reply(request: Request) -> Completion:
        return Completion("", "timeout") if is_cheap(request) else Completion("VERDICT: 3")

    [reward] = judged(ScriptedEngine(reply))
    assert reward.raw_reward == 0.5
    assert "cheap has no verdict (timeout)" in reward.flags[-1].detail


def test_a_full_judge_without_a_verdict_gives_none():
    """An unsure reward is not saved by the cheap judge's guess."""

    cheap = TokenLogprobs("Yes", {"Yes": math.log(0.6), "No": math.log(0.4)})
    engine = ScriptedEngine(
        lambda r: Completion("Yes", "length", logprobs=(cheap,)) if is_cheap(r) else Completion("", "timeout")
    )
    [reward] = judged(engine)
    assert reward.raw_reward is None
    assert reward.failure is not None
    assert reward.failure.reason == "timeout"


def test_an_audit_changes_no_reward():
    """What is asked in full only to be compared is paid as if nobody had looked, and says what the full judge thinks."""
    engine = judge_saying(0.99, grade=1)
    [reward] = judged(engine, audit_share=1.0)
    assert [is_cheap(r) for r in engine.requests] == [True, False]
    assert reward.raw_reward == pytest.approx(0.99)
    assert reward.components["full"] == 0.0
    assert [f.name for f in reward.flags] == ["cascade_audit"]


def test_the_audited_share_is_drawn_by_what_is_said():
    """The same samples in another order are audited alike, and about as many as asked for."""
    samples = [Sample.of("q", f"answer number {i}") for i in range(200)]
    audited = [r.flags[-1].name == "cascade_audit" for r in judged(judge_saying(0.99), *samples, audit_share=0.25)]
    again = [r.flags[-1].name == "cascade_audit" for r in judged(judge_saying(0.99), *samples[::-1], audit_share=0.25)]
    assert audited == again[::-1]
    assert 30 <= sum(audited) <= 70


def test_a_calibration_says_what_is_too_unsure(tmp_path):
    """Chances between `low` and `high` of the file are asked in full."""
    file = tmp_path / "cheap.yaml"
    file.write_text(
        "method: platt\nmap: {kind: calibrate, slope: 1.0, offset: 0.0}\nunsure: {kind: sure, low: 0.2, high: 0.95}\n"
    )
    for chance, calls in ((0.9, 2), (0.97, 1), (0.1, 1)):
        engine = judge_saying(chance)
        judged(engine, entropy=None, calibration=str(file))
        assert len(engine.requests) == calls
    file.write_text("method: platt\nmap: {kind: calibrate, slope: 1.0, offset: 0.0}\n")
    with pytest.raises(SettingsError, match="calls no reward too unsure"):
        judged(judge_saying(0.9), entropy=None, calibration=str(file))


def test_votes_and_sampling_of_the_full_judge_are_its_own():
    """Three votes by majority are asked of the full judge; the cheap one reads one token once."""
    engine = judge_saying(0.6)
    config = {**CONFIG, "votes": {"n": 3, "stop": "decided"}, "sampling": {"max_tokens": 99, "temperature": 0.5}}
    with Judge.from_config(config, engine=engine) as judge:
        [reward] = judge.score([Sample.of("Capital of France?", "Paris.")])
    assert [r.sampling.max_tokens for r in engine.requests] == [1, 99, 99]
    assert reward.raw_reward == 1.0


@pytest.mark.parametrize(
    ("cascade", "message"),
    [
        pytest.param({"first": {"recipe": "yes-no"}}, "say when the cheap judge is unsure", id="no-rule"),
        pytest.param({"first": {"recipe": "verifier"}, "entropy": 0.3}, "states its verdict", id="no-probabilities"),
        pytest.param({"first": {"recipe": "pairwise"}, "margin": 0.3}, "cannot judge the samples", id="another-mode"),
        pytest.param({"first": {"name": "full", "recipe": "yes-no"}, "margin": 0.3}, "is the run's own judge", id="name"),
        pytest.param({"first": {"recipe": "yes-no"}, "entropie": 0.3}, "did you mean `entropy`", id="misspelt"),
    ],
)
def test_settings_that_do_not_fit_are_refused(cascade, message):
    """Before the first request, with what to do."""
    with pytest.raises(SettingsError, match=message):
        Judge.from_config({**CONFIG, "cascade": cascade}, engine=judge_saying(0.9))


def test_a_run_says_what_it_saved(tmp_path: Path):
    """Ten samples, seven of them sure, of which all are audited: the figures in run.json and in the closing lines."""

    chances = [0.99] * 7 + [0.6] * 3

    def said(request: Request) -> Completion:
        number = int(batch_harness.question(request).split("What is ")[1].split(" ")[0])
        if not is_cheap(request):
            return Completion(f"Seen.\nVERDICT: {1 if number == 0 else 5}")
        top = {"Yes": math.log(chances[number]), "No": math.log(1 - chances[number])}
        return Completion("Yes", "length", logprobs=(TokenLogprobs("Yes", top),))

    settings = {**CONFIG, "cascade": {"first": {"recipe": "yes-no"}, "entropy": 0.3, "audit_share": 1.0}}
    result, engine = batch_harness.run(tmp_path, batch_harness.samples(10), said, **settings)
    found = json.loads((tmp_path / "run.json").read_text())["cascade"]
    assert (found["decided"], found["unsure"], found["audited"]) == (7, 3, 7)
    assert found["full_calls"] == sum(not is_cheap(r) for r in engine.requests) == 10
    assert (found["saved_calls"], found["first_calls"]) == (0, 10)
    assert found["agree"] == pytest.approx(6 / 7)
    assert found["mean_difference"] == pytest.approx((0.99 + 6 * 0.01) / 7)
    assert "cascade: 7 of 10 responses decided by the cheap judge" in result.summary
    assert "85.7 % on the same side of 0.5" in result.summary


def test_a_training_step_is_recorded_with_it(tmp_path: Path):
    """A trainer's run says the same as `judge run`, step by step."""
    config = {**CONFIG, "cascade": {"first": {"recipe": "yes-no"}, "entropy": 0.3, "audit_share": 1.0}, "record": str(tmp_path)}
    with Judge.from_config(config, engine=judge_saying(0.99)) as judge:
        judge.score([Sample.of("q", f"answer {i}") for i in range(4)])
    [line] = (tmp_path / "steps.jsonl").read_text().splitlines()
    found = json.loads(line)["cascade"]
    assert (found["decided"], found["unsure"], found["audited"], found["agree"]) == (4, 0, 4, 1.0)


def cascade_plan(first: dict[str, Any], **settings: Any) -> Plan:
    config = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}, **settings}
    return plan(load_settings({**config, "cascade": {"first": first, "margin": 0.2, "audit_share": 0.0}})[0])


def test_columns_that_only_the_cheap_judge_looks_at_are_read_and_checked():
    """A reference that is not decoded is a cheap judge without one, in a run from files only."""
    made = cascade_plan({"recipe": "verifier"})
    assert needed_columns(made) == ("reference",)
    assert "reference" in wanted_columns(made)


def test_a_question_that_only_the_cheap_judge_shows_is_needed():
    """`verifier` leaves the question out; the judge in front of it does not."""
    made = cascade_plan({"recipe": "pointwise", "rubric": "helpfulness"}, recipe="verifier", rubric=None)
    assert not shows_question(replace(made, cheap=None))
    assert shows_question(made)


def test_the_price_of_the_cheap_judge_alone_counts():
    """A run whose own judge is at home and whose cheap one is paid has a cost."""
    first = {"engine": {"kind": "scripted", "verdicts": "drawn", "price": {"input": 1, "output": 1}}}
    made = cascade_plan(first, engine={"kind": "scripted", "verdicts": "drawn"})

    async def opened() -> bool:
        judges = await open_judges(made)
        await judges.close()
        return judges.meter is not None

    assert asyncio.run(opened())


def test_a_cheap_model_of_its_own_takes_its_gpus():
    """A Ray worker that asks for one GPU and loads two models runs out of memory."""
    made = cascade_plan({"engine": {"kind": "vllm", "model": "small"}}, engine={"kind": "vllm", "model": "large"})
    assert _gpus(SimpleNamespace(cluster_resources=lambda: {"GPU": 4.0}), made) == 2


def test_attacks_switch_the_filters_of_the_cheap_judge():
    """Otherwise an attack is measured with filters that its first judge does not have."""
    made = with_filters(cascade_plan({"recipe": "pointwise"}, filters="off"))
    assert [bool(one.settings.filters.blocks or one.settings.filters.actions) for one in made.judges] == [True, True]
