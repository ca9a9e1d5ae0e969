"""Batches of `SkyRLGymGenerator` and its like, with environments as docs/trainers.md says, for the tests of skyrl 0.4.0.

Not real: the inference engine, which says what a test wants. skyrl asks for Python 3.12 because pydantic wants `TypedDict` from
typing_extensions before that, so it gets that one while it is imported; `ray` is an empty module, used by decorators only.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import inspect
import logging
import sys
import types
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest
import typing_extensions
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from judge.adapters.skyrl import judged_step

_ray = types.ModuleType("ray")
_ray.remote = lambda *a, **_: a[0] if a else lambda f: f
_ray.is_initialized = lambda: False
sys.modules.setdefault("ray", _ray)

with warnings.catch_warnings(), pytest.MonkeyPatch.context() as while_imported:
    warnings.simplefilter("ignore")
    while_imported.setattr(typing, "TypedDict", typing_extensions.TypedDict)
    import skyrl_gym
    import torch
    from skyrl.backends.skyrl_train.utils.ppo_utils import compute_grpo_outcome_advantage
    from skyrl.train.config import GeneratorConfig, SamplingParams, SkyRLGymConfig  # noqa: F401  # for the tests
    from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator
    from skyrl.train.generators.utils import prepare_generator_input
    from skyrl_gym.envs.base_text_env import BaseTextEnv

    from judge.adapters.skyrl_generator import JudgeGenerator  # imports skyrl, so from here


ROW = {"reward_spec": {"method": "rule", "ground_truth": "Paris"}}
PROMPT = [{"role": "user", "content": "Capital of France?"}]
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"
RIGHT, WRONG, UNREADABLE = "It is Paris.", "It is Rome.", "It is Oslo."


class Geography(BaseTextEnv):
    """As docs/trainers.md says."""

    options: typing.ClassVar[dict] = {}

    def __init__(self, env_config, extras):
        super().__init__()
        self.extras, self.figures = extras, {}

    def init(self, prompt):
        self.prompt = list(prompt)
        return prompt, {}

    def step(self, action):
        done = judged_step(action, self.prompt, self.extras, **self.options)
        self.figures = done["metadata"]
        return done

    def get_metrics(self):
        return self.figures


class TwoTurns(Geography):
    """Asks once more before it judges."""

    def step(self, action):
        self.turns += 1
        if self.turns == 1:
            return {"observations": [{"role": "user", "content": "Sure?"}], "reward": 0.0, "done": False, "metadata": {}}
        return super().step(action)


class NoMetrics(Geography):
    """Leaves the figures in the step's `metadata`."""

    def get_metrics(self):
        return BaseTextEnv.get_metrics(self)


for _name in ("Geography", "TwoTurns", "NoMetrics"):
    skyrl_gym.register(id=_name, entry_point=f"{__name__}:{_name}")


def chatml():
    """A byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    out = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    out.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return out


TOKENIZER = chatml()


class Policy:
    """An inference engine that says the given answers, each in its own trajectory; several are those of several turns.

    `before` is awaited with the trajectory's name (`0_1`: the second of the first group); `cut` names those that end too soon.
    """

    def __init__(self, groups, before=None, cut=(), logprobs=True):
        named = {f"{g}_{i}": answer for g, group in enumerate(groups) for i, answer in enumerate(group)}
        self.turns = {name: list(a) if isinstance(a, tuple) else [a] for name, a in named.items()}
        self.before, self.cut, self.logprobs = before, cut, logprobs

    async def generate(self, batch, model=None):
        sessions = batch.get("session_ids") or list(self.turns)
        if self.before is not None:
            await self.before(sessions[0])
        texts = [self.turns[name].pop(0) + "<|im_end|>" for name in sessions]
        ids = [TOKENIZER.encode(text, add_special_tokens=False) for text in texts]
        return {
            "responses": texts,
            "response_ids": ids,
            "stop_reasons": ["length" if name in self.cut else "stop" for name in sessions],
            "response_logprobs": [[-0.5] * len(each) for each in ids] if self.logprobs else None,
        }

    async def finish_session(self, session):
        pass


def batch_of(groups, env="Geography", phase="train", row=ROW):
    """As their trainer prepares it."""
    [size] = {len(group) for group in groups}
    prompts = [
        {"prompt": [dict(m) for m in PROMPT], "env_class": env, "env_extras": row, "uid": str(g)} for g, _ in enumerate(groups)
    ]
    batch, _ = prepare_generator_input(prompts, size, None, "none", phase, 1)
    return batch


def made(policy, maker=SkyRLGymGenerator, workers=32, max_input_length=4096, **config):
    settings = GeneratorConfig(max_input_length=max_input_length, max_turns=2, **config)
    return maker(settings, SkyRLGymConfig(max_env_workers=workers), policy, TOKENIZER)


def generated(*answers, env="Geography", **how):
    """What the generator gives the trainer for one group."""
    return asyncio.run(made(Policy([answers]), **how).generate(batch_of([answers], env), disable_tqdm=True))


def totals(output):
    return [sum(r) if isinstance(r, list) else r for r in output["rewards"]]


def advantages(rewards, by_std=False):
    """Of one group, as their GRPO computes them."""
    scores = torch.tensor(rewards).unsqueeze(1)
    found, _ = compute_grpo_outcome_advantage(
        scores, torch.ones_like(scores), np.array(["a"] * len(rewards)), grpo_norm_by_std=by_std
    )
    return found[:, 0].tolist()


def _checks():
    """`validate_generator_output` out of its file: importing that imports their whole trainer."""
    path = Path(inspect.getfile(JudgeGenerator.__mro__[1])).parent.parent / "utils" / "trainer_utils.py"
    wanted = ("validate_generator_output", "_validate_per_token_side_channels", "_validate_step_wise_fields")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    names = {"np": np, "logger": logging.getLogger(), "SAMPLE_SUPPORT_FIELD": "rollout_sample_support"}
    exec(compile(tree, path, "exec", flags=__future__.annotations.compiler_flag), names)  # SkyRL's own code
    return names["validate_generator_output"]


checked = _checks()
