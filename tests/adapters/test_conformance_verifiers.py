"""`judge.adapters.verifiers` under stand-ins of `Task.score` (0.4) and `Rubric` (0.3)."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from judge.adapters import verifiers
from judge.adapters._shared.metrics import metric_names
from judge.adapters._shared.process_judge import ProcessJudge
from judge.errors import SettingsError
from tests.adapters.stand_ins import Trace, rubric_v0_group, verifiers_score
from tests.fake_endpoint import Canned

RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}, {id: brief, text: It is brief.}]}\n"


@dataclass
class TaskData:
    """Fields of a task, as a taskset declares them."""

    prompt: object = "Capital of France?"
    system_prompt: str | None = None
    answer: str | None = "Paris"


class UserMessage(BaseModel):
    """Messages are pydantic models in 0.4."""

    role: str = "user"
    content: str


class Row(BaseModel):
    """A row as verifiers has it."""

    prompt: str = "Capital of France?"
    answer: str = "Paris"
    data: str


def scored(reply, task=None, name="judge"):
    trace = Trace(reply)
    asyncio.run(verifiers_score(verifiers.reward, task or TaskData(), trace, name))
    return trace


def test_its_parameters_are_those_that_are_given_by_name():
    """A required `runtime` would make offline scoring skip it; a plain function would fail at `await`."""
    assert list(inspect.signature(verifiers.reward).parameters) == ["task", "trace"]
    assert inspect.iscoroutinefunction(verifiers.reward)


def test_a_trace_gets_its_reward_and_its_metrics(env):
    """Criteria are metrics: a mapping of rewards would be summed, and count twice."""
    env(RUBRIC)
    trace = scored("It is Paris.")
    assert (trace.ok, trace.reward) == (True, 1.0)
    assert trace.metrics["judge/criterion/right"] == 1.0
    assert set(trace.metrics) == set(metric_names(("right", "brief"), "judge"))


def test_no_verdict_makes_an_errored_trace(env):
    """prime-rl leaves errored traces out of the group; NaN would be its reward, and 0 a grade."""
    env("recipe: verifier\n")
    trace = scored("It is Oslo.")
    assert not trace.ok
    assert trace.rewards == {"judge": None}


def test_a_late_judge_makes_an_errored_trace(env, endpoint):
    """verifiers calls a trace fine, with a reward of 0.0, when its own deadline ends the scoring; a scored one has none."""
    env("recipe: verifier\n")
    endpoint.reply = lambda body: Canned("RESPONSE SAYS: It is Paris\nVERDICT: CORRECT", delay_s=0.5)
    trace = Trace("It is Paris.")
    trace.agent.config.timeout.scoring, trace.timing.scoring.start = 0.2, time.time()
    asyncio.run(verifiers_score(verifiers.reward, TaskData(), trace))
    assert (trace.ok, trace.rewards) == (False, {"judge": None})
    trace.timing.scoring.end, trace.ok = time.time(), True
    asyncio.run(verifiers_score(verifiers.reward, TaskData(), trace))
    assert (trace.ok, trace.reward) == (True, 1.0)


def test_a_field_called_data(env):
    """A plugged function gets the row itself, whose fields are the user's to name."""
    env("recipe: verifier\n")
    assert scored("It is Paris.", Row(data="of the user")).reward == 1.0


def test_the_question_and_the_system_prompt_reach_the_judge(env, endpoint):
    """A task's prompt is text or messages; its system prompt is a field of its own."""
    env(RUBRIC)
    scored("It is Paris.", TaskData(system_prompt="Answer briefly."))
    assert "Capital of France?" in endpoint.asked[0]
    assert "Answer briefly." in endpoint.asked[0]
    scored("It is Paris.", TaskData(prompt=[{"role": "user", "content": "As a message?"}]))
    assert "As a message?" in endpoint.asked[-1]
    scored("It is Paris.", TaskData(prompt=[UserMessage(content="As a model?")], system_prompt="Briefly, please."))
    assert "As a model?" in endpoint.asked[-1]
    assert "Briefly, please." in endpoint.asked[-1]


def test_a_method_of_your_own(run_file):
    """With several judges in one task, each is made by hand."""
    judge = ProcessJudge("verifiers", run_file(), name="facts")
    trace = Trace("It is Rome.")
    assert asyncio.run(verifiers.score_trace(judge, TaskData(), trace)) == 0.0
    assert trace.metrics["facts/missing"] == 0
    judge.close()


def states(*replies):
    prompt = [{"role": "user", "content": "Capital of France?"}]
    row = {"input": {"prompt": prompt, "answer": "Paris", "level": 3}}
    return [
        {**row, "prompt": prompt, "completion": [{"role": "assistant", "content": r}], "answer": "Paris", "info": {}}
        for r in replies
    ]


def group(function, *replies):
    try:
        return asyncio.run(rubric_v0_group(function, states(*replies)))
    finally:
        function.judge.close()


def test_v0_imputes_the_mean_of_the_group_members(run_file):
    """Its own way with an exception is 0.0 for the whole group; the mean leaves the group members' baseline where it was."""
    assert group(verifiers.judge_rewards(run_file()), "It is Paris.", "It is Oslo.", "It is Rome.") == [1.0, 0.5, 0.0]


def test_v0_group_without_any_reward(run_file):
    """Equal numbers for all: advantage 0, and an error in the log of verifiers."""
    assert group(verifiers.judge_rewards(run_file()), "It is Oslo.", "It is Oslo, yes.") == [0.0, 0.0]


def test_v0_leaves_failed_rollouts_out(run_file, endpoint):
    """It scores them with an empty completion; the mean they get is that of the shaped rewards."""
    function = verifiers.judge_rewards(run_file("recipe: verifier\nreward: {shape: [{kind: clip, high: 0.5}]}\n"))
    rows = states("It is Paris.", "", "It is Rome.")
    rows[1]["error"] = RuntimeError("gone")
    assert asyncio.run(rubric_v0_group(function, rows)) == [0.5, 0.25, 0.0]
    assert "its rollout failed: RuntimeError('gone')" in rows[1]["judge_why"]
    assert len(endpoint.asked) == 2
    function.judge.close()


def test_v0_text_prompts_and_other_references(run_file, endpoint):
    """Text is a message of the role `text` there, and a missing answer an empty one."""
    text = "recipe: {name: verifier, options: {include_question: true}}\n"
    function = verifiers.judge_rewards(run_file(text))
    [row] = states("It is Rome.")
    row |= {"prompt": [{"role": "text", "content": "Capital?"}], "answer": "", "info": {"solution": "Paris"}}
    assert asyncio.run(rubric_v0_group(function, [row])) == [0.0]
    assert "Capital?" in endpoint.asked[0]
    assert "Paris" in endpoint.asked[0]
    function.judge.close()


def test_v0_sees_groups(run_file):
    """Tournaments work there."""
    text = "recipe: pairwise\ngroup: {schedule: round_robin}\norder: single\n"
    values = group(verifiers.judge_rewards(run_file(text)), "It is Paris.", "It is Rome.")
    assert all(math.isfinite(v) for v in values)


def test_v0_policies(run_file):
    """`raise` there is 0.0 for everyone, so it is refused."""
    with pytest.raises(SettingsError, match="`raise` is not supported"):
        verifiers.judge_rewards(run_file(), on_no_verdict="raise")


def test_a_version_without_rubrics(run_file):
    """0.4 has none, and says nothing about it."""
    with pytest.raises(SettingsError, match=r"not installed|has no `Rubric`"):
        verifiers.judge_rubric(run_file())
