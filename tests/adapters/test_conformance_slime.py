"""`judge.adapters.slime` under stand-ins of slime's `async_rm`, `batched_async_rm` and its normalisation (August 2026)."""

from __future__ import annotations

import asyncio
import importlib
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from judge.errors import DataError, InputError, NoVerdictError, SettingsError
from tests.adapters.stand_ins import prefers_longer
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned
from tests.server.harness import Scripted

PROMPT = "<|im_start|>user\nCapital of France?<|im_end|>\n<|im_start|>assistant\n"
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"


@dataclass
class Given:
    """The fields of slime's `Sample` that a reward may use."""

    response: str
    prompt: Any = PROMPT
    label: str | None = "Paris"
    metadata: dict[str, Any] = field(default_factory=dict)
    group_index: int = 0
    index: int = 0
    remove_sample: bool = False
    reward: float | dict[str, float] | None = None


def loaded(path):
    """`load_function`: module and name, split at the last dot."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def scored(*samples):
    """`async_rm` for each, gathered."""
    function = loaded("judge.adapters.slime.custom_rm")

    async def all_of_them():
        return await asyncio.gather(*(function(None, s, evaluation=False) for s in samples))

    return asyncio.run(all_of_them())


def scored_group(*samples):
    """`batched_async_rm` with `--group-rm`: a short list leaves later rewards None."""
    rewards = asyncio.run(loaded("judge.adapters.slime.custom_group_rm")(None, list(samples)))
    for sample, reward in zip(samples, rewards, strict=False):
        sample.reward = reward
    return [sample.reward for sample in samples]


def test_numbers_one_by_one(env):
    """A dict would need `--reward-key`; a number needs nothing."""
    env()
    assert scored(Given("It is Paris.<|im_end|>"), Given("It is Rome.")) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        pytest.param(Given("It is Paris."), "Capital of France?", id="chat-markup"),
        pytest.param(
            Given("It is Paris.", prompt=[{"role": "user", "content": "As a message?"}]), "As a message?", id="messages"
        ),
        pytest.param(Given("It is Paris.", metadata={"question": "From metadata?"}), "From metadata?", id="metadata"),
    ],
)
def test_where_the_question_comes_from(env, endpoint, given, asked):
    """A template applied by slime must not become part of the question."""
    env(RUBRIC)
    scored(given)
    assert asked in endpoint.asked[-1]
    assert "im_start" not in endpoint.asked[-1]


def test_the_reference_may_be_in_metadata(env, endpoint):
    """Data sets without a label column."""
    env()
    assert scored(Given("It is Paris.", label=None, metadata={"answer": "Lutetia"})) == [1.0]
    assert "Lutetia" in endpoint.asked[-1]


@pytest.mark.parametrize(("older", "told"), [(False, True), (True, False)], ids=["tools", "an-older-policys-words"])
def test_words_of_tools_are_not_the_policys(env, endpoint, monkeypatch, older, told):
    """A rollout with tools is one string: the mask says who wrote what, so a tool's words earn nothing as the policy's."""
    module = ModuleType("slime.utils.processing_utils")
    module.load_tokenizer = lambda name, **_: SimpleNamespace(decode=lambda ids: "".join(map(chr, ids)))
    monkeypatch.setitem(sys.modules, "slime.utils.processing_utils", module)
    env(RUBRIC)
    said, result, end = "I look it up.", "Capital: Paris", "It is Paris."
    given = Given(said + result + end)
    given.tokens = [ord(c) for c in PROMPT + given.response]
    given.loss_mask = [1] * len(said) + [0] * len(result) + [1] * len(end)
    args = SimpleNamespace(hf_checkpoint=f"policy-{older}", mask_offpolicy_in_partial_rollout=older)
    assert asyncio.run(loaded("judge.adapters.slime.custom_rm")(args, given)) == 1.0
    assert (f"{said}{result}{end}" in endpoint.asked[-1]) is not told
    assert ("tool" in endpoint.asked[-1].lower().split(said.lower())[-1].split(end.lower())[0]) is told


def test_no_verdict_ends_the_rollout_or_is_the_constant(env):
    """None would break the normalisation, far from its cause."""
    env()
    with pytest.raises(NoVerdictError, match="no reward: missing"):
        scored(Given("It is Oslo."))
    env("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n")
    assert scored(Given("It is Oslo.")) == [0.25]


def test_a_group_keeps_its_mean(env):
    """The failed one moves nobody's baseline, and is not learned from."""
    env()
    group = [Given("It is Paris."), Given("It is Oslo."), Given("It is Rome.")]
    assert scored_group(*group) == [1.0, 0.5, 0.0]
    assert [s.remove_sample for s in group] == [False, True, False]


def test_a_group_without_any_reward(env):
    """There is no mean to take, and equal zeros would still move other groups' normalisation."""
    env()
    with pytest.raises(NoVerdictError, match="no response of the group has a reward"):
        scored_group(Given("It is Oslo."), Given("It is Oslo, yes."))


def test_groups_compete(env, endpoint):
    """What `--group-rm` is for; and one sample a call cannot."""
    env("recipe: pairwise\ngroup: {schedule: round_robin}\n")
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    assert scored_group(Given("answer aa."), Given("answer aaaa."), Given("answer aaa.")) == [0.0, 1.0, 0.5]
    with pytest.raises(SettingsError, match="slime shows one response a call"):
        scored(Given("It is Paris."))


def test_the_wrong_function_for_the_flag(env):
    """Both mistakes are named; a dict of a group would hand out its keys as rewards."""
    env()
    with pytest.raises(SettingsError, match="custom_group_rm"):
        scored([Given("It is Paris.")])
    with pytest.raises(SettingsError, match="--group-rm"):
        asyncio.run(loaded("judge.adapters.slime.custom_group_rm")(None, Given("It is Paris.")))
    with pytest.raises(DataError, match="fan-out"):
        scored_group([Given("It is Paris.")])


def test_a_server(monkeypatch):
    """One judge for all workers; connections outlive the loop of a call."""
    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    with real(Scripted()) as (url, _):
        monkeypatch.setenv("JUDGE_SERVER", url)
        monkeypatch.setenv("JUDGE_API_KEY", KEY)
        for _ in range(2):
            assert scored(Given("It is Paris."), Given("It is Rome.")) == [1.0, 0.0]
        group = [Given("It is Paris."), Given("GARBAGE"), Given("It is Rome.")]
        assert scored_group(*group) == [1.0, 0.5, 0.0]
        with pytest.raises(NoVerdictError, match="no reward"):
            scored(Given("GARBAGE"))


def test_neither_or_both(env, monkeypatch):
    """Either could be the judge."""
    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    with pytest.raises(SettingsError, match=r"set JUDGE_CONFIG to a run file.*or JUDGE_SERVER"):
        scored(Given("It is Paris."))
    env()
    monkeypatch.setenv("JUDGE_SERVER", "http://127.0.0.1:9")
    with pytest.raises(SettingsError, match="leave one out"):
        scored(Given("It is Paris."))
    monkeypatch.delenv("JUDGE_CONFIG")
    monkeypatch.setenv("JUDGE_SERVER", "127.0.0.1:9")
    with pytest.raises(InputError, match="URL"):
        scored(Given("It is Paris."))
