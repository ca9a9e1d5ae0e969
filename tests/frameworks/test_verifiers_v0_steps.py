"""Turns that are paid one by one, in the trajectory that verifiers 0.3.0 hands to its trainer.

Real: `MultiTurnEnv`, its rollouts and `Rubric.score_group`. The policy is `test_verifiers_v0.py`'s, the judge a program.
"""

from __future__ import annotations

import asyncio
import math

import pytest
from datasets import Dataset

from tests.frameworks.test_verifiers_v0 import Says, _signals  # noqa: F401  # stubs what verifiers imports; a fixture

import verifiers as vf  # isort: skip
from judge.adapters.verifiers import judge_rubric  # isort: skip

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

RECIPE = """\
name: by-turn
summary: A turn is right where it says so; for a test.
mode: pointwise
signal: steps
steps: {split: turns, base: program, fold: mean}
program: tests.frameworks.test_verifiers_v0_steps:says_so
source: {title: For a test}
"""


def says_so(sample, index):
    """One score a turn."""
    return [1.0 if "right" in step else 0.25 for step in sample.steps]


class TwoTurns(vf.MultiTurnEnv):
    """The policy speaks twice; the first turn may be paid by the environment."""

    paid: float | None = None

    async def env_response(self, messages, state, **others):
        if self.paid is not None:
            state["trajectory"][-1]["reward"] = self.paid
        return [{"role": "user", "content": "Go on."}]


def played(tmp_path, shape, *replies, paid=None):
    """Two rollouts of one prompt: of each its reward, and those of its turns."""
    (tmp_path / "by-turn").mkdir()
    (tmp_path / "by-turn" / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "judge.yaml").write_text(f"recipe: ./by-turn\nreward: {{shape: [{shape}]}}\n", encoding="utf-8")
    rows = Dataset.from_list([{"question": "2+2?", "answer": "4"}])
    env = TwoTurns(dataset=rows, rubric=judge_rubric(str(tmp_path / "judge.yaml")), max_turns=2)
    env.paid = paid

    async def go():
        try:
            inputs = [dict(env.get_dataset()[0]) for _ in range(len(replies) // 2)]
            return await env.run_group(inputs, Says(*replies), "policy", {}, state_columns=["trajectory"])
        finally:
            await env._teardown()

    return [(o["reward"], [turn["reward"] for turn in o["trajectory"]]) for o in asyncio.run(go())]


def pay(*scores):
    """What PURE's min form pays for each step: the formula once more."""
    shares = [math.exp(-score) for score in scores]
    return [score * share / sum(shares) for score, share in zip(scores, shares, strict=True)]


BY_STEP = "{kind: min_form, temperature: 1.0}"


def test_each_turn_has_what_it_is_paid(tmp_path):
    """The rollout keeps its one reward, their sum here; the trainer sees both."""
    [(whole, turns)] = played(tmp_path, BY_STEP, "a right turn", "a wrong turn")
    assert turns == pytest.approx(pay(1.0, 0.25))
    assert whole == pytest.approx(sum(turns))


def test_what_the_environment_paid_stays(tmp_path):
    """A reward of the environment's own is not written over."""
    [(_, turns)] = played(tmp_path, BY_STEP, "a right turn", "a wrong turn", paid=0.125)
    assert turns == pytest.approx([0.125, pay(1.0, 0.25)[1]])


def test_without_shaping_by_step_all_turns_have_the_whole(tmp_path):
    """As verifiers does it."""
    [(whole, turns)] = played(tmp_path, "", "a right turn", "a wrong turn")
    assert (whole, turns) == (pytest.approx(0.625), [whole, whole])
