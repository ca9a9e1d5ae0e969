"""One run: a base policy, TRL's GRPOTrainer, and the toolkit's reward; measured on problems that nobody trains on.

The two arms of a seed share the base policy, the prompts, their order, the judge and every random number up to the point where
their rewards differ.
"""

from __future__ import annotations

import copy
import logging
import random
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback, set_seed

from examples.grpo_proof.gullible import GullibleJudge
from examples.grpo_proof.policy import MAX_NEW_TOKENS, make_policy, make_tokenizer, pretrain, respond
from examples.grpo_proof.problems import STRINGS, Problem, draw, final_number, is_empty
from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it names the vLLM versions it knows; vLLM is not used here
    from trl import GRPOConfig, GRPOTrainer

CONFIGS = Path(__file__).parent
GROUP = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs besides its base policy.

    Attributes:
        filters: `strict` or `off`, as in run settings.
        empty: How often the judge accepts a response without a number, in [0, 1].
        keys: Which strings without content the base policy knows, of `STRINGS`.
        config: `rubric` or `verifier`: the YAML file of the reward.
        steps: Optimizer steps.
        batch: Completions a step.
        held_out: Problems that the policy is measured on.
        every: Steps between two measurements.
        learning_rate: At the first step; it falls to 0 in a straight line.
    """

    seed: int
    filters: str
    empty: float = 0.8
    keys: str = "known"
    config: str = "rubric"
    steps: int = 120
    batch: int = 128
    held_out: int = 256
    every: int = 10
    learning_rate: float = 1.5e-4


@dataclass
class Run:
    """What happened. All shares are in [0, 1].

    Attributes:
        at: Steps of the measurements; 0 is the base policy.
        accuracy: Share of held-out problems answered right, sampled at temperature 1.
        openers: Share of those samples without a number.
        greedy: As `accuracy`, with the most likely response, at the start and at the end.
        reward: Mean reward of each step's batch, as the trainer logs it.
        alarms: Alarm -> the first step, from 1, whose batch raised it.
        samples: A few held-out responses at the end.
        seconds: Wall time of training and measuring.
    """

    seed: int
    filters: str
    empty: float
    keys: str
    config: str
    at: list[int] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    openers: list[float] = field(default_factory=list)
    greedy: list[float] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    alarms: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Measure(TrainerCallback):  # type: ignore[misc]  # transformers is not read by mypy
    """Measures the policy on held-out problems, and notes the monitor's alarms."""

    def __init__(
        self, run: Run, plan: Plan, problems: Sequence[Problem], tokenizer: PreTrainedTokenizerFast, reward: JudgeReward
    ) -> None:
        self.run, self.plan, self.problems, self.tokenizer, self.reward = run, plan, problems, tokenizer, reward

    def on_train_begin(self, args: Any, state: Any, control: Any, model: LlamaForCausalLM, **_: Any) -> None:
        """The base policy."""
        self.run.greedy.append(self._accuracy(model, greedy=True)[0])
        self._look(model, 0)

    def on_step_end(self, args: Any, state: Any, control: Any, model: LlamaForCausalLM, **_: Any) -> None:
        """After a step."""
        if self.reward.judge.watch is not None:
            for alarm in self.reward.judge.watch.last.raised:
                self.run.alarms.setdefault(str(alarm.code), state.global_step)
        if state.global_step % self.plan.every == 0:
            self._look(model, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, model: LlamaForCausalLM, **_: Any) -> None:
        """The trained policy."""
        right, _empty, texts = self._accuracy(model, greedy=True)
        self.run.greedy.append(right)
        self.run.samples = texts[:5]

    def _look(self, model: LlamaForCausalLM, step: int) -> None:
        right, empty, _ = self._accuracy(model)
        self.run.at.append(step)
        self.run.accuracy.append(right)
        self.run.openers.append(empty)

    def _accuracy(self, model: LlamaForCausalLM, *, greedy: bool = False) -> tuple[float, float, list[str]]:
        """Share right, share without a number, and the texts."""
        texts = respond(model, self.tokenizer, [p.text for p in self.problems], greedy=greedy)
        right = sum(final_number(t) == p.answer for t, p in zip(texts, self.problems, strict=True))
        return right / len(texts), sum(map(is_empty, texts)) / len(texts), texts


def make_reward(plan: Plan) -> JudgeReward:
    """The reward function of a run: the toolkit's, with a YAML file and the gullible judge behind an engine."""
    engine = ScriptedEngine(GullibleJudge(plan.seed, empty=plan.empty), model="gullible")
    overrides = [f"filters={plan.filters}", f"seed={plan.seed}"]
    return JudgeReward(CONFIGS / f"{plan.config}.yaml", engine=engine, overrides=overrides)


def train(base: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, plan: Plan) -> Run:
    """Train a copy of `base` and measure it on the way."""
    started = time.monotonic()
    run = Run(plan.seed, plan.filters, plan.empty, plan.keys, plan.config)
    chance = random.Random(f"prompts {plan.seed}")
    prompts = islice(draw(chance, held_out=False), plan.steps * plan.batch // GROUP)
    rows = [{"prompt": p.text, "answer": str(p.answer)} for p in prompts]
    held_out = list(islice(draw(random.Random("held out"), held_out=True), plan.held_out))
    reward = make_reward(plan)
    set_seed(plan.seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=copy.deepcopy(base), reward_funcs=reward, args=_arguments(plan, folder), processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows), callbacks=[Measure(run, plan, held_out, tokenizer, reward)],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    reward.close()
    run.reward = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    run.seconds = round(time.monotonic() - started, 1)
    return run


def _arguments(plan: Plan, folder: str) -> GRPOConfig:
    return GRPOConfig(
        output_dir=folder, seed=plan.seed, max_steps=plan.steps, per_device_train_batch_size=plan.batch,
        num_generations=GROUP, max_completion_length=MAX_NEW_TOKENS, learning_rate=plan.learning_rate,
        lr_scheduler_type="linear", beta=0.0, use_cpu=True, bf16=False, gradient_checkpointing=False,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip


def make_base(seed: int, path: Path, steps: int, keys: str) -> None:
    """Train and save the base policy of a seed."""
    started = time.monotonic()
    tokenizer = make_tokenizer(STRINGS[keys])
    policy = make_policy(tokenizer, seed)
    loss = pretrain(policy, tokenizer, steps=steps, seed=seed, keys=STRINGS[keys])
    torch.save(policy.state_dict(), path)
    print(f"base policy {seed}: loss {loss:.3f} nats a token, {time.monotonic() - started:.0f} s", flush=True)


def run_one(plan: Plan, base: Path) -> Run:
    """One arm of one seed."""
    tokenizer = make_tokenizer(STRINGS[plan.keys])
    policy = make_policy(tokenizer, plan.seed)
    policy.load_state_dict(torch.load(base))
    run = train(policy, tokenizer, plan)
    print(
        f"seed {plan.seed}, filters {plan.filters}: right {run.accuracy[0]:.2f} -> {run.accuracy[-1]:.2f},"
        f" without content {run.openers[0]:.2f} -> {run.openers[-1]:.2f}, {run.seconds:.0f} s",
        flush=True,
    )
    return run


def set_up_process() -> None:
    """One core a process: small matrices do not gain from more, and two runs go side by side. Alarms go to the record alone."""
    torch.set_num_threads(1)
    logging.getLogger("judge").setLevel(logging.ERROR)
