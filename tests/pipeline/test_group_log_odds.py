"""`group: {join: log_odds}`: a judge with a taste for a place, from the run file to the reward."""

from __future__ import annotations

import math

import pytest

from judge import Judge
from judge.engine.scripted import ScriptedEngine
from judge.errors import SettingsError
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Reason, Request, Sample, TokenLogprobs

QUALITY = {"Paris is the capital.": 1.0, "It is Lyon.": 0.0}
BIAS = 2.0  # log-odds for what is shown first
RUN = {"recipe": "pairwise", "filters": "off", "top_logprobs": 20, "group": {"schedule": "anchor", "join": "log_odds"}}


def likes_the_first(request: Request, *, blind: bool = False) -> Completion:
    """Names the likelier response, and reports how likely it is: true log-odds 1, and 2 for the first place."""
    text = "\n".join(m.text for m in request.messages if m.role == "user")
    first, second = sorted(QUALITY, key=text.index)
    chance = 1 / (1 + math.exp(-(QUALITY[first] - QUALITY[second] + BIAS)))
    said = "A" if chance > 0.5 else "B"
    top = {} if blind else {"A": math.log(chance), "B": math.log1p(-chance)}
    tokens = (TokenLogprobs("I compared them.\n[[", {}), TokenLogprobs(said, top), TokenLogprobs("]]", {}))
    return Completion("".join(t.text for t in tokens), logprobs=tokens)


def rewards(reply=likes_the_first, **fields):
    config = {**RUN, **fields, "engine": {"kind": "scripted"}}
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judge:
        return judge.score([Sample.of("Capital of France?", *QUALITY, id="s")])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"group": {"schedule": "anchor"}}, 0.5, id="hard-verdicts-see-the-place-only"),
        pytest.param({}, 1 / (1 + math.exp(-1)), id="log-odds"),  # sigmoid(1) = 0.731
        pytest.param({"order": "single"}, 1 / (1 + math.exp(-1)), id="the-tournament-asks-both-orders"),
        pytest.param({"votes": {"n": 3}, "sampling": {"temperature": 0.7}}, 1 / (1 + math.exp(-1)), id="votes"),
        pytest.param({"group": {"schedule": "round_robin", "join": "log_odds"}}, 1 / (1 + math.exp(-1)), id="in-any-schedule"),
    ],
)
def test_a_preference_for_a_place_cancels(fields: dict[str, object], expected: float):
    """A judge that adds 2 log-odds to what it reads first is still worth its true log-odds of 1."""
    better, worse = rewards(**fields)
    assert better.raw_reward == pytest.approx(expected, abs=1e-6)
    assert worse.raw_reward == pytest.approx(1 - expected, abs=1e-6)


def test_without_probabilities_there_is_no_reward():
    """A stated winner is no probability: nothing is made up from it, and the failure says what is missing."""
    found = rewards(lambda request: likes_the_first(request, blind=True))
    assert [r.raw_reward for r in found] == [None, None]
    assert found[0].failure is not None
    assert found[0].failure.reason is Reason.MISSING
    assert "join: log_odds" in found[0].failure.detail


def test_an_empty_response_still_loses():
    """What a filter decides needs no probabilities."""
    with Judge.from_config({**RUN, "filters": "default", "engine": {"kind": "scripted"}}, engine=ScriptedEngine(["x"])) as judge:
        found = judge.score([Sample.of("Capital of France?", "Paris is the capital.", "", id="s")])
    assert found[1].raw_reward == 0.0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"top_logprobs": 0}, "set `top_logprobs: 20`", id="nothing-reported"),
        pytest.param({"group": {"schedule": "swiss", "seeding": "prior"}}, "use `anchor` or `drawn`", id="prior-from-nowhere"),
        pytest.param(
            {"second_opinion": {"judge": {"name": "b", "recipe": "openrubrics"}}}, "several judges", id="several-judges"
        ),
        pytest.param(
            {"cascade": {"first": {"recipe": "openrubrics"}, "margin": 0.2}}, "leave out `cascade`", id="a-judge-in-front"
        ),
        pytest.param({"recipe": "principle", "group": {"schedule": "listwise", "join": "log_odds"}}, "about pairs", id="lists"),
    ],
)
def test_what_cannot_be_joined_is_refused(fields: dict[str, object], says: str):
    """A setting without effect is an error before the first request."""
    with pytest.raises(SettingsError, match=says):
        plan(load_settings({**RUN, "engine": {"kind": "scripted"}, **fields})[0])
