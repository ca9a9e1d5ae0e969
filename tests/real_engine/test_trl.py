"""TRL's GRPOTrainer with the real engine as judge, one process: the policy is tiny, the judge a real model on vLLM."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from judge.adapters.trl import JudgeReward
from judge.engine.protocol import Engine
from judge.types import Completion, Message, Request

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torch, trl and vLLM warn about themselves
    pytest.mark.filterwarnings("error:::judge"),
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed"),
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(600),
]

T = TypeVar("T")
CONFIG = {
    "recipe": "checklist",
    "rubric": {"name": "short", "criteria": [{"id": "clear", "text": "The response is clear."}]},
    "sampling": {"max_tokens": 24, "temperature": 0.0},
    "filters": "off",
}


class Elsewhere:
    """An engine of another event loop, as the judge's own loop sees it. The suite has one engine, and it is bound to its loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self.model = engine.model
        self.identity = engine.identity
        self.capabilities = engine.capabilities
        self.context_length = engine.context_length
        self.control_tokens = engine.control_tokens

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def start(self) -> None:
        """It runs already."""

    async def complete(self, request: Request) -> Completion:
        return await self._there(self._engine.complete(request))

    async def sample(self, request: Request, n: int) -> list[Completion]:
        return await self._there(self._engine.sample(request, n))

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        return await self._there(self._engine.score_continuation(messages, text))

    async def rate(self, messages: Sequence[Message]) -> float:
        return await self._there(self._engine.rate(messages))

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        return self._engine.count_tokens(messages)

    async def close(self) -> None:
        """The suite closes it."""


async def test_three_steps_with_a_real_judge(local: Engine, tmp_path: Path):
    """Rewards of a real model reach the advantages: three steps, each completion graded or its failure counted."""
    from tests.adapters import tiny

    reward = JudgeReward(CONFIG, engine=Elsewhere(local), name="real")
    trainer = tiny.trainer(str(tmp_path), reward, steps=3)
    await asyncio.to_thread(trainer.train)
    log = trainer.state.log_history
    for key in ("rewards/real/mean", "real/missing", "real/calls", "real/seconds"):
        assert len([entry for entry in log if key in entry]) == 3, key
    for entry in (e for e in log if "real/missing" in e):
        assert entry["real/calls"] >= 1
        assert entry["real/missing"] < 1, "the constrained continuation brings a small model to a verdict"
    assert all(math.isfinite(v) for advantages in trainer.advantages for v in advantages.tolist())
    assert len(trainer.rewards) == 3
    reward.close()


async def test_a_group_judged_by_comparing(local: Engine, tmp_path: Path):
    """A round robin on the real engine: rewards of a group lie in [0, 1], and win rates have the mean one half."""
    from tests.adapters import tiny

    config = {"recipe": "pairwise", "group": {"schedule": "round_robin"}, "sampling": {"max_tokens": 24}, "filters": "off"}
    reward = JudgeReward(config, engine=Elsewhere(local), num_generations=4)
    trainer = tiny.trainer(str(tmp_path), reward, steps=1, batch=4)
    await asyncio.to_thread(trainer.train)
    values = [v for v in trainer.rewards[0].flatten().tolist() if not math.isnan(v)]
    assert all(0 <= v <= 1 for v in values)
    if len(values) == 4:
        assert sum(values) / 4 == pytest.approx(0.5, abs=1 / 64)
    reward.close()
