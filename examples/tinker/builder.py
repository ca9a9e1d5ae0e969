"""tinker-cookbook with judge.yaml as the reward: a group builder for its RL loop (needs a tinker account; no GPU of your own)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinker_cookbook import renderers
from tinker_cookbook.rl.problem_env import ProblemEnv
from tinker_cookbook.rl.types import Env, EnvGroupBuilder, Metrics

from judge.adapters.tinker import group_rewards, replies

CONFIG = str(Path(__file__).with_name("judge.yaml"))


class Question(ProblemEnv):
    """A question whose own reward is 0: what counts is the group's."""

    def __init__(self, renderer: renderers.Renderer, question: str) -> None:
        super().__init__(renderer)
        self.question = question

    def get_question(self) -> str:
        """Called by the cookbook."""
        return self.question

    def check_answer(self, sample_str: str) -> bool:
        """The judge decides, with the whole group before it."""
        return False

    def check_format(self, sample_str: str) -> bool:
        """No reward for the format, no penalty."""
        return True

    def get_reference_answer(self) -> str:
        """For the cookbook's log."""
        return ""


@dataclass(frozen=True)
class Judged(EnvGroupBuilder):
    """One question with its answer, rolled out `size` times."""

    renderer: renderers.Renderer
    question: str
    answer: str
    size: int = 8

    async def make_envs(self) -> Sequence[Env]:
        """The environments of the group."""
        return [Question(self.renderer, self.question) for _ in range(self.size)]

    async def compute_group_rewards(
        self, trajectory_group: Sequence[Any], env_group: Sequence[Env]
    ) -> list[tuple[float, Metrics]]:
        """The judge's rewards, for all trajectories of the group at once."""
        texts = replies(trajectory_group, self.renderer)
        return await group_rewards(texts, self.question, {"answer": self.answer}, config=CONFIG)
