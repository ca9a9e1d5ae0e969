"""Several criteria in one call: what a reply states counts, and only what it leaves open is asked about again."""

from __future__ import annotations

import re

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.errors import SettingsError
from judge.pipeline.build import build_pipeline, plan
from judge.settings import load_settings
from judge.types import Completion, Reason, Request, Reward

CRITERIA = [{"id": f"c{i}", "text": f"criterion {i}"} for i in range(1, 6)]
SAMPLE = Sample.of("2+2?", "It is 4.")


def asked_about(request: Request) -> list[str]:
    return re.findall(r"^- (c\d): ", request.messages[-1].text, re.MULTILINE)


def lines(*pairs: str) -> str:
    return "\n".join(f"VERDICT {pair.replace('+', ': MET').replace('-', ': UNMET')}" for pair in pairs)


def judged(replies: list[str | Completion], criteria: object = None, **settings: object) -> tuple[Reward, ScriptedEngine]:
    engine = ScriptedEngine(replies)
    config = {"recipe": "checklist-all", "rubric": criteria or CRITERIA, "engine": {"kind": "scripted"}, **settings}
    with Judge.from_config(config, engine=engine) as judge:
        [reward] = judge.score([SAMPLE])
    return reward, engine


def test_k_criteria_a_call():
    """Five criteria, two a call: three calls, each of which shows and asks for its own."""
    reward, engine = judged([lines("c1+", "c2-"), lines("c3+", "c4+"), lines("c5+")], unit={"criteria": 2})
    assert [asked_about(r) for r in engine.requests] == [["c1", "c2"], ["c3", "c4"], ["c5"]]
    assert reward.components == {"c1": 1.0, "c2": 0.0, "c3": 1.0, "c4": 1.0, "c5": 1.0}
    assert reward.raw_reward == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        pytest.param(lines("c1+", "c3+", "c5+"), ["c2", "c4"], id="two-left-out"),
        pytest.param(lines("c1+", "c2+", "c3+"), ["c4", "c5"], id="stops-short"),
        pytest.param(Completion(lines("c1+", "c2+", "c3+") + "\nVERDICT c4: UN", "length"), ["c4", "c5"], id="cut-in-a-label"),
        pytest.param(
            Completion(lines("c1+", "c2+") + "\nVERDICT c3: MET", "length"), ["c3", "c4", "c5"], id="cut-behind-a-label"
        ),
        pytest.param(lines("c1+", "c2+", "c3+", "c4+", "c5+", "c4-"), ["c4"], id="contradicts-itself"),
        pytest.param(lines("c1+", "c2+", "c3+", "c4+") + "\nVERDICT c5: MAYBE", ["c5"], id="off-the-scale"),
    ],
)
def test_only_what_is_open_is_asked_again(reply, again):
    """A reply that forgets one criterion of five is not paid for twice, and does not cost the reward."""
    reward, engine = judged([reply, lines(*(f"{c}-" for c in again))], unit={"criteria": 5})
    assert [asked_about(r) for r in engine.requests] == [["c1", "c2", "c3", "c4", "c5"], again]
    assert {name for name, score in reward.components.items() if score == 0} == set(again)
    assert reward.raw_reward == pytest.approx(1 - len(again) / 5)
    assert [len(c.criteria) for c in reward.calls] == [5, len(again)]


def test_a_reply_that_states_nothing_is_asked_in_halves():
    """The same question would get the same reply; two shorter ones may not."""
    reply = Completion("Well, let me think about the first one at length", "length")
    halves = [lines("c1+", "c2+"), lines("c3+", "c4+", "c5-")]
    reward, engine = judged([reply, reply, *halves], unit={"criteria": "all"})
    assert [asked_about(r) for r in engine.requests[-2:]] == [["c1", "c2"], ["c3", "c4", "c5"]]
    assert reward.raw_reward == pytest.approx(0.8)


def test_what_stays_open_has_no_verdict():
    """A criterion that two replies leave out is missing, and no grade."""
    reward, engine = judged([lines("c1+", "c2+", "c3+", "c4+")] * 2, unit={"criteria": 5})
    assert len(engine.requests) == 2
    assert reward.raw_reward is None
    assert reward.failure is not None
    assert reward.failure.reason is Reason.INCOMPLETE
    assert [name for name, score in reward.components.items() if score is None] == ["c5"]


def test_a_failed_request_is_not_sent_in_parts():
    """An engine that times out is not asked twice as much."""
    reward, engine = judged([Completion("", "timeout")], unit={"criteria": 5})
    assert len(engine.requests) == 1
    assert reward.failure is not None
    assert reward.failure.reason is Reason.TIMEOUT


def test_the_second_failure_keeps_its_reason():
    """The criterion says that its own request failed, not that the judge left it out."""
    reward, _ = judged([lines("c1+", "c2+", "c3+", "c4+"), Completion("", "timeout")], unit={"criteria": 5})
    assert reward.failure is not None
    assert "c5 (timeout)" in reward.failure.detail


def test_again_0_asks_once():
    """Whoever wants one call gets one."""
    reward, engine = judged([lines("c1+", "c2+", "c4+")], unit={"criteria": 5, "again": 0})
    assert len(engine.requests) == 1
    assert reward.components == {"c1": 1.0, "c2": 1.0, "c3": None, "c4": 1.0, "c5": None}


def test_votes_ask_again_each_with_its_own_seed():
    """Only the vote that left one out is completed, under its own seed."""
    whole, part = lines("c1+", "c2+", "c3+", "c4+", "c5+"), lines("c1+", "c2+", "c3+", "c5+")
    reward, engine = judged([whole, part, whole, lines("c4-")], unit={"criteria": 5}, votes=3, seed=7)
    assert [(r.sampling.seed, len(asked_about(r))) for r in engine.requests] == [(7, 5), (8, 5), (9, 5), (8, 1)]
    assert reward.components["c4"] == pytest.approx(2 / 3)


def test_a_veto_that_fails_ends_the_sample():
    """What cannot change the reward is not asked; the veto comes first, wherever the rubric lists it."""
    criteria = [*CRITERIA[:4], {"id": "c5", "text": "criterion 5", "veto": True}]
    reward, engine = judged([lines("c5-")], criteria, unit={"criteria": 1, "stop_when_decided": True})
    assert [asked_about(r) for r in engine.requests] == [["c5"]]
    assert reward.raw_reward == 0
    assert {f.name for f in reward.flags} >= {"veto", "decided_early"}
    assert "4 criteria were not asked about" in reward.explanation


def test_a_failed_proof_takes_an_early_end_back():
    """A suspected response whose proof call fails has no verdict at all: the veto that had ended it is no low grade."""
    criteria = [{"id": "v1", "text": "a", "veto": True}, {"id": "v2", "text": "b", "veto": True}, {"id": "c", "text": "c"}]
    failed = Completion("", "error", error="the engine failed")
    engine = ScriptedEngine(["VERDICT v1: MET", "VERDICT v2: UNMET", failed], repeat_last=True)
    config = {
        "recipe": "checklist-all", "rubric": criteria, "engine": {"kind": "scripted"},
        "unit": {"criteria": 1, "stop_when_decided": True}, "filters": {"actions": {"opener_only": "prove"}},
    }  # fmt: skip
    with Judge.from_config(config, engine=engine) as judge:
        [reward] = judge.score([Sample.of("2+2?", "Let's solve this step by step.")])
    assert len(engine.requests) == 4  # two verdicts, and the copying turn twice
    assert reward.raw_reward is None
    assert reward.failure is not None
    assert reward.components == {"v1": None, "v2": None}


@pytest.mark.parametrize(
    ("fold", "replies", "calls", "value"),
    [
        pytest.param("all_pass", [("c1+", "c2-")], 1, 0.0, id="failed-in-the-first-call"),
        pytest.param("all_pass", [("c1+", "c2+"), ("c3+", "c4-")], 2, 0.0, id="in-the-second"),
        pytest.param("all_pass", [("c1+", "c2+"), ("c3+", "c4+"), ("c5+",)], 3, 1.0, id="all-pass"),
        pytest.param("weighted_mean", [("c1-", "c2-"), ("c3+", "c4+"), ("c5+",)], 3, 0.6, id="a-mean-is-open-to-the-end"),
    ],
)
def test_a_decided_fold_ends_the_sample(fold, replies, calls, value):
    """Under `all_pass` the first failed criterion is the reward."""
    said = [lines(*reply) for reply in replies]
    unit = {"criteria": 2, "stop_when_decided": True}
    reward, engine = judged(said, unit=unit, reward={"fold": fold})
    assert len(engine.requests) == calls
    assert reward.raw_reward == pytest.approx(value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"recipe": "checklist", "unit": {"criteria": 5}}, "such as `checklist-all`", id="one-verdict-a-call"),
        pytest.param({"recipe": "pointwise", "unit": {"criteria": 1}}, "is for checklist recipes", id="no-checklist"),
        pytest.param({"unit": {"criteria": "all", "stop_when_decided": True}}, "there is one call", id="no-effect"),
        pytest.param(
            {"unit": {"criteria": 1, "stop_when_decided": True}, "reward": {"shape": [{"kind": "saturation"}]}},
            "some criteria have none",
            id="shaping-that-takes-criteria",
        ),
    ],
)
def test_units_that_do_not_fit_are_refused(settings, message):
    """A setting without effect is told, not ignored."""
    config = {"recipe": "checklist-all", "rubric": CRITERIA, "engine": {"kind": "scripted"}, **settings}
    with pytest.raises(SettingsError, match=re.escape(message)):
        Judge.from_config(config, engine=ScriptedEngine([""]))


def test_one_criterion_a_call_may_be_written_as_a_unit():
    """`criteria: 1` is `unit: criterion`, for recipes of both kinds."""
    engine = ScriptedEngine(["Fine.\nVERDICT: MET"], repeat_last=True)
    config = {"recipe": "checklist", "rubric": CRITERIA, "engine": {"kind": "scripted"}, "unit": {"criteria": 1}}
    with Judge.from_config(config, engine=engine) as judge:
        [reward] = judge.score([SAMPLE])
    assert (len(engine.requests), reward.raw_reward) == (5, 1.0)


def test_a_dry_run_counts_the_calls_that_may_follow():
    """Two calls on two criteria each may be asked about in halves, and each of all these calls may be forced once."""
    config = {"recipe": "checklist-all", "rubric": CRITERIA[:4], "engine": {"kind": "scripted"}, "unit": {"criteria": 2}}
    outlook = build_pipeline(plan(load_settings(config)[0]), ScriptedEngine([""])).outlook(SAMPLE)
    assert len(outlook.asks) == 2
    assert outlook.again == 4 + 6
