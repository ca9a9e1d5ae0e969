"""`judge.adapters.art` under stand-ins of ART's trajectories and of `gather_trajectory_groups(after_each=...)` (0.5.23)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from judge.adapters.art import judge_group
from judge.errors import DataError, NoVerdictError, SettingsError
from tests.client.harness import KEY, real

QUESTION = {"role": "user", "content": "Capital of France?"}
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"


class Trajectory(BaseModel):
    """The fields of ART's that RULER uses, too."""

    messages_and_choices: list[dict[str, Any]]
    reward: float = 0.0
    metrics: dict[str, float] = {}
    metadata: dict[str, Any] = {"answer": "Paris"}
    logs: list[str] = []
    additional_histories: list[Any] = []

    def messages(self) -> list[dict[str, Any]]:
        return self.messages_and_choices


class Group(BaseModel):
    """A `TrajectoryGroup`."""

    trajectories: list[Trajectory]
    metadata: dict[str, Any] = {}


def trajectory(reply, **more):
    return Trajectory(messages_and_choices=[QUESTION, {"role": "assistant", "content": reply}], **more)


def group(*replies):
    return Group(trajectories=[trajectory(reply, reward=0.125) for reply in replies])


def gathered(after_each, *groups):
    """`gather_trajectory_groups`: None is left out, a list is spread, an exception ends it."""

    async def all_of_them():
        return await asyncio.gather(*(after_each(each) for each in groups))

    return [each for each in asyncio.run(all_of_them()) if each is not None]


def test_rewards_metrics_and_logs(run_file):
    """As RULER leaves them, so dashboards go on."""
    [made] = gathered(judge_group(run_file(RUBRIC)), group("It is Paris.", "It is Rome."))
    right, wrong = made.trajectories
    assert (right.reward, wrong.reward) == (1.0, 0.0)
    assert right.metrics["independent_reward"] == 0.125
    assert right.metrics["judge/criterion/right"] == 1.0
    assert right.logs[0].startswith("judge: ")


def test_a_group_with_a_missing_reward_is_left_out(run_file):
    """The default for ART; and nothing of that group is changed."""
    failed = group("It is Paris.", "It is Oslo.")
    whole = group("It is Paris.", "It is Rome.")
    assert gathered(judge_group(run_file()), failed, whole) == [whole]
    assert [(t.reward, t.metrics, t.logs) for t in failed.trajectories] == [(0.125, {}, [])] * 2


@pytest.mark.parametrize(
    ("options", "rewards"),
    [
        pytest.param({"on_no_verdict": "impute_group_mean"}, [1.0, 0.5, 0.0], id="mean"),
        pytest.param({"on_no_verdict": "constant", "constant": 0.25}, [1.0, 0.25, 0.0], id="constant"),
    ],
)
def test_other_policies(run_file, options, rewards):
    """Who would rather keep the group."""
    [made] = gathered(judge_group(run_file(), **options), group("It is Paris.", "It is Oslo.", "It is Rome."))
    assert [t.reward for t in made.trajectories] == rewards


def test_raise_and_nothing_to_impute_from(run_file):
    """One ends the run, the other leaves the group out."""
    with pytest.raises(NoVerdictError):
        gathered(judge_group(run_file(), on_no_verdict="raise"), group("It is Oslo."))
    assert gathered(judge_group(run_file(), on_no_verdict="impute_group_mean"), group("It is Oslo.")) == []


def test_a_tool_conversation(run_file, endpoint):
    """The judge sees the calls and their results, and the question without them."""
    calls = [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "France"}'}}]
    steps = [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "capital: Paris"},
        {"role": "assistant", "content": "It is Paris."},
    ]
    [made] = gathered(judge_group(run_file(RUBRIC)), Group(trajectories=[Trajectory(messages_and_choices=[QUESTION, *steps])]))
    assert made.trajectories[0].reward == 1.0
    assert "look_up" in endpoint.asked[-1]
    assert "capital: Paris" in endpoint.asked[-1]


def test_what_cannot_be_judged(run_file):
    """Said before anything is trained on it."""
    with pytest.raises(DataError, match="additional histories"):
        gathered(judge_group(run_file()), Group(trajectories=[trajectory("It is Paris.", additional_histories=[1])]))
    with pytest.raises(DataError, match="a question and a reply"):
        gathered(judge_group(run_file()), Group(trajectories=[Trajectory(messages_and_choices=[QUESTION])]))
    with pytest.raises(SettingsError, match="either could be the judge"):
        judge_group(run_file(), server="http://127.0.0.1:9")


def test_a_group_at_a_server():
    """Whole groups compete there, and a failed one is left out as well."""
    with real() as (url, _):
        judged = judge_group(server=url.replace("http://", f"http://judge:{KEY}@"))
        [made] = gathered(judged, group("It is Paris.", "It is Rome."), group("It is Paris.", "GARBAGE"))
    assert [t.reward for t in made.trajectories] == [1.0, 0.0]
    assert made.trajectories[0].metrics["judge/calls"] == 1.0
