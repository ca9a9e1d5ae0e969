"""Steps that are paid one by one, in verl 0.9.1's own reward tensor: its reward loop, v1 rollout worker and replay buffer.

Not real, as in `test_verl_manager.py`: ray, transfer_queue and the policy. The judge is a program, so each step's pay is known.
"""

from __future__ import annotations

import math
import pickle
from functools import partial

import pytest

from judge.adapters.verl_steps import PaidByStep
from tests.frameworks import verl_run
from tests.frameworks.verl_run import batch, buffer, loaded, rollout, scored, tokenizer, trained

import transfer_queue as tq  # isort: skip  # after `verl_run`, which puts it there
from judge.adapters.verl_loop import JudgeAgentLoop, judged_output  # isort: skip
from verl.experimental.agent_loop import agent_loop  # isort: skip
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop  # isort: skip
from verl.experimental.reward_loop import RewardLoopManager  # isort: skip
from verl.trainer.ppo.reward import extract_reward  # isort: skip
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer  # isort: skip

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("ended")]

RECIPE = """\
name: by-step
summary: A step is right where it says so; for a test.
mode: pointwise
signal: steps
steps: {split: paragraphs, base: program, fold: mean}
program: tests.frameworks.test_verl_steps:says_so
source: {title: For a test}
"""
RUN = "recipe: ./by-step\nreward: {shape: [{kind: min_form, temperature: 1.0}]}\n"
GOOD, HALF = "right ü one\n\nright two", "right one\n\nwrong two"


def says_so(sample, index):
    """One score a step."""
    return [1.0 if "right" in step else 0.25 for step in sample.steps]


def pay(*scores):
    """What PURE's min form pays for each step: the formula once more."""
    shares = [math.exp(-score) for score in scores]
    return [score * share / sum(shares) for score, share in zip(scores, shares, strict=True)]


@pytest.fixture
def config(tmp_path):
    """A run file whose shaping pays by step."""
    (tmp_path / "by-step").mkdir()
    (tmp_path / "by-step" / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "judge.yaml").write_text(RUN, encoding="utf-8")
    return str(tmp_path / "judge.yaml")


@pytest.fixture
def settings(model):
    return partial(verl_run.managed, model)


def at_ends(words, text, row):
    """What a row of the tensor pays, by the words up to the token paid."""
    ids = [*words(text).input_ids, words.eos_token_id]
    return {words.decode(ids[: k + 1], skip_special_tokens=True): pytest.approx(value) for k, value in enumerate(row) if value}


class SaysByStep(verl_run.Says):
    """A policy of the tests, in an agent loop of one's own."""

    async def run(self, sampling_params, **row):
        return judged_output(await super().run(sampling_params, **row))


def test_each_step_is_paid_at_its_last_token(config, settings):
    """Where verl scores a whole batch: letters of two bytes and padding shift nothing."""
    made = settings(config=config)
    data = batch(made, [GOOD, HALF], raw_prompt=[[{"role": "user", "content": "q"}]] * 2)
    [good, half] = scored(loaded(made), data)
    rewards, columns = extract_reward(RewardLoopManager(made).compute_rm_score(data))
    words = tokenizer(made)
    assert at_ends(words, GOOD, rewards[0].tolist()) == dict(zip(("right ü one", GOOD), pay(1.0, 1.0), strict=True))
    assert at_ends(words, HALF, rewards[1].tolist()) == dict(zip(("right one", HALF), pay(1.0, 0.25), strict=True))
    assert list(columns["score"]) == pytest.approx([float(good["reward_score"]), float(half["reward_score"])])


def test_the_v1_trainer_sees_the_steps(config, settings):
    """From the reward worker over the store to the advantages, with an agent loop that gives back our output."""
    agent_loop._agent_loop_registry["by_step"] = {"_target_": f"{__name__}.SaysByStep"}
    made = settings(config=config)
    assert rollout(made, [GOOD, HALF], agent_name=["by_step"]) == {"uid0": "finished"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    rows = tq.kv_batch_get(kept.keys, "train", ["rm_scores"])["rm_scores"].unbind()
    by_key = dict(zip(kept.keys, rows, strict=True))
    words = tokenizer(made)
    assert at_ends(words, GOOD, by_key["uid0_0_0"].tolist()) == dict(zip(("right ü one", GOOD), pay(1.0, 1.0), strict=True))
    assert at_ends(words, HALF, by_key["uid0_1_0"].tolist()) == dict(zip(("right one", HALF), pay(1.0, 0.25), strict=True))
    assert len(trained(made, kept)) == 2


def test_without_such_an_output_the_reward_is_at_the_end(config, settings):
    """verl's own agent loop: one number, which is the reward of the whole."""
    made = settings(config=config)
    assert rollout(made, [GOOD, HALF]) == {"uid0": "finished"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    for row in tq.kv_batch_get(kept.keys, "train", ["rm_scores"])["rm_scores"].unbind():
        assert [k for k, value in enumerate(row.tolist()) if value] == [len(row) - 1]


def test_a_number_that_knows_its_tokens():
    """It crosses processes, and is a number to all who do not know."""
    reward = pickle.loads(pickle.dumps(PaidByStep(0.5, [0.0, 1.0])))
    assert (reward, reward.tokens, float(reward) + 1) == (0.5, (0.0, 1.0), 1.5)


def test_the_agent_loop_is_verls_own():
    """With one line more, so that it is configured as verl's."""
    assert issubclass(JudgeAgentLoop, SingleTurnAgentLoop)
