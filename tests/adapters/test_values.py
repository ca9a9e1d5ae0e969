"""A trainer's values -> samples, groups and returns, without the trainer."""

from __future__ import annotations

import asyncio
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from judge.adapters._shared.failure_policy import FRAMEWORKS, check_policy
from judge.adapters._shared.gather import GatheredRow, form_groups, judge_groups
from judge.adapters._shared.metrics import components_of
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.sample import completion_of, label_reference, prompt_of, reference_of, references_in
from judge.adapters.trl import AsyncJudgeReward, JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, EngineDown, NoVerdictError, SettingsError
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Message, Request, Sample, ToolCallPart, ToolResultPart


@pytest.mark.parametrize(
    ("value", "read"),
    [
        pytest.param("plain", "plain", id="text"),
        pytest.param([{"role": "assistant", "content": "one"}], "one", id="one-message"),
        pytest.param([{"role": "assistant", "content": [{"type": "text", "text": "a"}]}], "a", id="parts"),
        pytest.param(
            [
                {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2}}}]},
                {"role": "tool", "content": "4"},
            ],
            (
                Message("assistant", (ToolCallPart("add", '{"a": 2}'),)),
                Message("tool", (ToolResultPart("4"),)),
            ),
            id="tool-conversation",
        ),
    ],
)
def test_completions_of_every_shape(value: Any, read: Any):
    """What the policy wrote reaches the judge whole, tool calls included."""
    assert completion_of(value, "row 0") == read


def test_prompts_keep_their_messages():
    """A system prompt stays one: the judge sees who said what."""
    messages = [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    assert prompt_of(messages, "row 0") == (Message("developer", "Be short."), Message("user", "Hi"))
    with pytest.raises(DataError, match="row 0: the prompt: message 0: has the role `robot`"):
        prompt_of([{"role": "robot", "content": "x"}], "row 0")


@pytest.mark.parametrize(
    ("columns", "wanted", "found"),
    [
        pytest.param({"answer": [1, 2], "level": [2, 2]}, None, [1, 2], id="known-name"),
        pytest.param({"gold": [1, 2]}, "gold", [1, 2], id="asked-for"),
        pytest.param({"level": [2, 2]}, None, [None, None], id="none"),
        pytest.param({"reference": [None, "x"], "answer": ["y", "z"]}, None, ["y", "x"], id="the-first-that-holds-something"),
        pytest.param({"answer": [float("nan"), ""], "solution": [[], "z"]}, None, [None, "z"], id="missing-in-every-form"),
    ],
)
def test_the_reference_is_found_by_name(columns: dict[str, Any], wanted: str | None, found: list[Any]):
    """Trainers pass every column; a wrong guess would judge against nonsense, a wrong name is an error."""
    assert references_in(columns, wanted, 2) == found
    with pytest.raises(DataError, match="no column `gone`"):
        references_in(columns, "gone", 2)


def test_references_become_text():
    """verl-style mappings and plain numbers are references, too."""
    found = [reference_of(v) for v in (4, "4", {"ground_truth": 4}, None, ["4", "four"], float("nan"))]
    assert found == [("4",), ("4",), ("4",), None, ("4", "four"), None]
    with pytest.raises(DataError, match="none of which is known"):
        reference_of({"style": "rule"})


@pytest.mark.parametrize(
    ("keys", "size", "groups"),
    [
        pytest.param("aabb", 2, [[0, 1], [2, 3]], id="adjacent"),
        pytest.param("abab", 2, [[0, 2], [1, 3]], id="interleaved"),
        pytest.param("aaaa", 2, [[0, 1], [2, 3]], id="one-prompt-drawn-twice"),
        pytest.param("aab", None, [[0, 1], [2]], id="unknown-size"),
    ],
)
def test_groups_are_formed_by_content(keys: str, size: int | None, groups: list[list[int]]):
    """Equal prompts arrive as distinct objects, so identity says nothing."""
    assert form_groups(keys, size) == groups


def test_half_a_group_is_refused():
    """Judging a part of a group would be a silent error in every advantage."""
    with pytest.raises(DataError, match="expected 4 completions of each prompt, got 3"):
        form_groups("aaabbbb", 4)


def test_one_process_judges_each_group_once():
    """Results come back to their own rows."""
    rows = [GatheredRow(k, Sample.of("p", f"{k}{i}")) for i, k in enumerate("abab")]
    seen: list[list[str]] = []

    def judge(groups: list[list[Sample]]) -> list[list[str]]:
        seen.extend([[s.responses[0] for s in g] for g in groups])
        return [[s.responses[0] for s in g] for g in groups]

    assert judge_groups(rows, judge, 2, lambda groups, results: results) == ["a0", "b1", "a2", "b3"]
    assert seen == [["a0", "a2"], ["b1", "b3"]]


@pytest.mark.parametrize("name", list(FRAMEWORKS))
def test_a_policy_that_a_framework_cannot_honour_is_refused(name: str):
    """None is 0 in ms-swift and a crash in OpenRLHF: `exclude` there would be a lie."""
    known = FRAMEWORKS[name]
    for policy in ("exclude", "impute_group_mean", "constant", "raise"):
        constant = 0.0 if known.takes_constant(policy) else None
        if policy in known.policies:
            assert check_policy(name, policy, constant) == policy
        else:
            with pytest.raises(SettingsError, match="is not supported"):
                check_policy(name, policy, constant)


def by_answer(request: Request) -> str:
    text = request.messages[-1].content
    return (
        "hm"
        if "It is Oslo" in text
        else "RESPONSE SAYS: It is Paris\nVERDICT: " + ("CORRECT" if "It is Paris" in text else "INCORRECT")
    )


ASK = {
    "prompts": ["Capital of France?"] * 3,
    "completions": ["It is Paris.", "It is Rome.", "It is Oslo."],
    "answer": ["Paris"] * 3,
}
CONFIG = {"recipe": "verifier", "engine": {"kind": "scripted"}}


def reward(**options: Any) -> JudgeReward:
    engine = ScriptedEngine(by_answer, capabilities=frozenset())
    return JudgeReward(CONFIG, engine=engine, **options)


def test_what_the_trainer_gets():
    """A failed row is None, the rest of its group keep their rewards, and the logs have one value a row."""
    metrics: dict[str, float] = {}
    columns: dict[str, list[str]] = {}
    made = reward(name="facts")
    values = made(**ASK, completion_ids=[[1]] * 3, log_metric=metrics.__setitem__, log_extra=columns.__setitem__)
    made.close()
    assert values == [1.0, 0.0, None]
    assert made.__name__ == "facts"
    assert metrics["facts/missing"] == pytest.approx(1 / 3)
    assert columns["facts_why"][2].startswith("no reward: missing")


def test_a_step_logs_what_happened_and_no_list_of_zeros():
    """Reasons, flags and alarms appear when they first occur, and stay, so that a mean over the steps of a log line is right."""
    made = JudgeReward({**CONFIG, "monitor": "default"}, engine=ScriptedEngine(by_answer, capabilities=frozenset()))
    first, second, third = {}, {}, {}
    made(**{**ASK, "completions": ["It is Paris.", "It is Rome.", "It is Rome!"]}, log_metric=first.__setitem__)
    made(**ASK, log_metric=second.__setitem__)
    made(**{**ASK, "completions": ["It is Paris."] * 3}, log_metric=third.__setitem__)
    made.close()
    assert not [name for name in first if "alarm" in name or "reason" in name]
    assert (first["judge/reward"], first["judge/calls"], first["judge/missing"]) == (pytest.approx(1 / 3), 1.0, 0.0)
    assert second["judge/reason/missing"] == pytest.approx(1 / 3)
    assert third["judge/reason/missing"] == 0.0
    assert second["judge/group_std"] == 0.5  # of the rewards 1 and 0; the third is missing


def test_the_trainers_step_is_the_monitors():
    """An alarm names the step of the run, not the number of the call."""
    made = JudgeReward({**CONFIG, "monitor": "default"}, engine=ScriptedEngine(by_answer, capabilities=frozenset()))
    made(**ASK, trainer_state=SimpleNamespace(global_step=70))
    assert made.judge.watch is not None
    assert made.judge.watch.monitor.as_dict()["step"] == 70
    made.close()


@pytest.mark.parametrize(
    ("options", "values"),
    [
        pytest.param({"on_no_verdict": "impute_group_mean", "num_generations": 3}, [1.0, 0.0, 0.5], id="impute"),
        pytest.param({"on_no_verdict": "constant", "constant": 0.125}, [1.0, 0.0, 0.125], id="constant"),
    ],
)
def test_policies_in_a_call(options: dict[str, Any], values: list[float]):
    """Each policy does what its name says, in one group."""
    made = reward(**options)
    assert made(**ASK) == values
    made.close()


def test_raise_names_the_reason():
    """Whoever asks for it gets an error instead of a silent hole."""
    made = reward(on_no_verdict="raise")
    with pytest.raises(NoVerdictError, match=r"1 of 3 completions have no reward \(the first: missing"):
        made(**ASK)
    made.close()


async def test_the_asynchronous_form():
    """Awaited from the trainer's own loop, it runs on the judge's."""
    made = AsyncJudgeReward(CONFIG, engine=ScriptedEngine(by_answer, capabilities=frozenset()))
    assert await made(**ASK) == [1.0, 0.0, None]
    made.close()
    with pytest.raises(SettingsError, match="an asynchronous reward cannot form over processes"):
        AsyncJudgeReward(CONFIG, on_no_verdict="impute_group_mean", num_generations=2)


def test_it_pickles():
    """AsyncGRPO sends the function into another process; loops and clients are made anew there."""
    made = JudgeReward({"recipe": "verifier", "engine": {"kind": "openai", "model": "m"}}, name="j")
    again = pickle.loads(pickle.dumps(made))
    assert again.__name__ == "j"
    assert again.judge.plan.settings == made.judge.plan.settings


def test_a_missing_reference_says_which_columns_came():
    """The usual first mistake: the data set calls it something else."""
    made = reward(reference="gold")
    with pytest.raises(DataError, match="the trainer passes answer"):
        made(**ASK)
    made.close()


class Down(ScriptedEngine):
    """An engine that stops working at its third request."""

    async def complete(self, request: Request) -> Any:
        if len(self.requests) >= 2:
            raise EngineDown("the judge's engine at http://127.0.0.1:1 cannot be reached")
        return await super().complete(request)


def test_an_engine_that_is_down_ends_the_training():
    """Steps without rewards would run to the end, be saved, and count as success."""
    made = JudgeReward(CONFIG, engine=Down(by_answer, capabilities=frozenset()))
    with pytest.raises(EngineDown, match="cannot be reached"):
        made(**ASK)
    made.close()


def test_or_gives_no_reward_where_the_settings_say_so():
    """The step teaches nothing, and its log says why."""
    made = JudgeReward({**CONFIG, "engine_down": "exclude"}, engine=Down(by_answer, capabilities=frozenset()))
    metrics: dict[str, float] = {}
    assert made(**ASK, log_metric=metrics.__setitem__) == [None, None, None]
    assert metrics["judge/reason/engine_error"] == 1.0
    made.close()


@pytest.mark.parametrize("framework", ["verl", "slime-group"])
def test_in_the_other_frameworks_too(framework):
    """One judge behind all of them."""
    sample = Sample.of("Capital of France?", "It is Paris.", reference="Paris")
    found = {}
    for setting in ("raise", "exclude"):
        engine = ScriptedEngine(down, capabilities=frozenset())
        judge = ProcessJudge(framework, {**CONFIG, "engine_down": setting}, engine=engine)
        with pytest.raises((EngineDown, NoVerdictError)) as caught:
            asyncio.run(judge.score(sample))
        judge.close()
        found[setting] = caught.type
    assert found == {"raise": EngineDown, "exclude": NoVerdictError}


def down(request: Request) -> str:
    raise EngineDown("the judge's engine at http://127.0.0.1:1 cannot be reached")


@pytest.mark.parametrize(
    ("label", "reference"),
    [
        pytest.param('{"question": "2+2?", "context": ["a"]}', None, id="no-answer"),
        pytest.param('{"question": "2+2?", "answer": ["4", "four"]}', ("4", "four"), id="alternatives"),
        pytest.param({"target": ["4"]}, ("4",), id="mapping"),
        pytest.param(float("nan"), None, id="nan"),
        pytest.param("{1, 2}", ("{1, 2}",), id="a-set-in-braces"),
    ],
)
def test_a_label(label, reference):
    """A label that brings only a question says that there is no reference, and costs nobody a reward."""
    assert label_reference(label) == reference


@pytest.mark.parametrize(
    ("fields", "criteria"),
    [
        pytest.param({}, ("right",), id="criteria"),
        pytest.param({"panel": {"members": [{"name": "other", "recipe": "checklist-all"}]}}, (), id="judges-of-a-panel"),
    ],
)
def test_metrics_are_of_components_that_a_reward_has(fields: dict[str, Any], criteria: tuple[str, ...]):
    """With a panel a reward's components are its judges; metrics of criteria would all be missing at every step."""
    rubric = {"criteria": [{"id": "right", "text": "It is right.", "weight": 1}]}
    settings, _ = load_settings({"engine": {"kind": "scripted"}, "recipe": "checklist", "rubric": rubric, **fields})
    assert components_of(plan(settings)) == criteria
