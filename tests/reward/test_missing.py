"""What stands in for a missing reward, and what is said when nothing may."""

from __future__ import annotations

import pytest

from judge.errors import NoVerdictError
from judge.reward.missing import apply_policy
from judge.types import Flag, NoVerdict, Reason, Reward

FAILED = NoVerdict(Reason.TRUNCATED, "cut off after 8 tokens")


def reward(
    value: float | None, *, raw: float | None = None, group: str = "g", failure: NoVerdict | None = None, **fields
) -> Reward:
    """A reward after shaping; without a value and without a failure, a step of the chain left none."""
    if value is None:
        return Reward("s", 0, raw, failure, group=group, stages=(("laser", None),) if failure is None else (), **fields)
    return Reward("s", 0, value if raw is None else raw, group=group, **fields)


def test_what_takes_its_place():
    """The last stage names the policy and its value, and a flag says so; what has a reward is left alone."""
    rewards = [reward(1.0), reward(0.5), reward(None, failure=FAILED), reward(None, failure=FAILED, group="other")]
    meant = apply_policy(rewards, "group_mean")
    assert [r.reward for r in meant] == [1.0, 0.5, 0.75, None]
    assert meant[2].flags == (Flag("imputed", "group_mean: 0.75"),)
    assert meant[2].stages == (("group_mean", 0.75),)
    assert meant[2].raw_reward is None
    fixed = apply_policy(rewards, "constant", 0.25)
    assert [r.reward for r in fixed] == [1.0, 0.5, 0.25, 0.25]
    assert fixed[3].flags == (Flag("imputed", "constant: 0.25"),)


def test_data_that_cannot_be_judged_is_no_failed_judgement():
    """A row without a question gets no grade out of thin air, and neither does anything when nothing is missing."""
    invalid = reward(None, failure=NoVerdict(Reason.INVALID, "no prompt"))
    assert apply_policy([reward(1.0), invalid], "constant", 0.25)[1] is invalid
    assert apply_policy([reward(1.0)], "raise")[0].reward == 1.0
    assert apply_policy([reward(None, failure=FAILED)], "drop")[0].reward is None


@pytest.mark.parametrize(
    ("rewards", "words"),
    [
        pytest.param([reward(None, failure=FAILED)], "no reward: sample `s` (truncated: cut off after 8 tokens); ", id="alone"),
        pytest.param(
            [reward(1.0), reward(None, failure=FAILED)],
            "1 of 2 responses have no reward; the first is sample `s` (truncated: cut off after 8 tokens); ",
            id="one-of-two",
        ),
        pytest.param(
            [reward(None, failure=NoVerdict(Reason.TIMEOUT, ""))], "no reward: sample `s` (timeout); ", id="without-detail"
        ),
        pytest.param(
            [reward(None, raw=1.0)], "no reward: sample `s` (step `laser` of `reward.shape` left none); ", id="by-a-step"
        ),
    ],
)
def test_the_error_names_the_first(rewards, words):
    """Who asked for an error wants to know which sample and why."""
    with pytest.raises(NoVerdictError) as error:
        apply_policy(rewards, "raise")
    assert str(error.value) == f"{words}`on_no_verdict: raise` stops here"
