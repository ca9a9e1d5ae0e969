"""TRL's own GRPOTrainer with our reward: real steps of a tiny policy, on one process."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import re
import time
from importlib.metadata import version
from types import SimpleNamespace
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from transformers import TrainerCallback  # noqa: E402

from judge.adapters._shared.metrics import PARTS  # noqa: E402
from judge.adapters.trl import AsyncJudgeReward, JudgeReward  # noqa: E402
from judge.engine.scripted import ScriptedEngine  # noqa: E402
from judge.errors import EngineDown  # noqa: E402
from judge.settings import RunSettings  # noqa: E402
from tests.adapters import tiny  # noqa: E402
from tests.adapters.stand_ins import TRL  # noqa: E402
from tests.cli_harness import Server  # noqa: E402
from tests.fake_endpoint import Canned  # noqa: E402

CHECKLIST = {"recipe": "checklist", "rubric": ["It names a city."], "filters": "off"}
SEQUENCE = SimpleNamespace(input_ids=[1, 2], completion_mask=[0, 1], old_log_probs=[0.0, -1.0])

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of trl, transformers and torch are not ours
    pytest.mark.timeout(120),
    pytest.mark.skipif(version("trl") != TRL, reason=f"written against TRL {TRL}"),
]


def rewarding(reply, config=None, kind=JudgeReward, **options):
    engine_options = {k: options.pop(k) for k in ("delay_s",) if k in options}
    engine = ScriptedEngine(reply, capabilities=frozenset(), **engine_options)
    return kind(config or CHECKLIST, engine=engine, **options)


def entries(trainer, key):
    return [entry[key] for entry in trainer.state.log_history if key in entry]


def test_three_steps(tmp_path):
    """It trains, and every figure of the reward is in the log of every step under the reward's own name."""
    reward = rewarding(tiny.by_hash(), name="facts")
    trainer = tiny.trainer(str(tmp_path), reward)
    trainer.train()
    reward.close()
    assert trainer.state.global_step == 3
    for key in ("rewards/facts/mean", *(f"facts/{part}" for part in (*PARTS, "group_std", "seconds"))):
        assert len(entries(trainer, key)) == 3, key
    assert all(math.isfinite(v) for v in entries(trainer, "grad_norm"))


def test_a_failed_row_leaves_its_group_members_alone(tmp_path):
    """Their advantages are those of a group that never had the row; its own is 0."""
    reward = rewarding(tiny.by_hash(silent=6))
    trainer = tiny.trainer(str(tmp_path), reward, steps=4, batch=16)
    trainer.train()
    reward.close()
    broken = 0
    for rewards, advantages in zip(trainer.rewards, trainer.advantages, strict=True):
        for group, got in zip(rewards.view(-1, 4), advantages.view(-1, 4), strict=True):
            scored = ~torch.isnan(group)
            others = group[scored]
            alone = (others - others.mean()) / (others.std() + 1e-4) if len(others) > 1 else torch.zeros_like(others)
            assert torch.allclose(got[scored], alone, atol=1e-6)
            assert got[~scored].eq(0).all()
            broken += 1 < len(others) < 4 and bool(others.std() > 0)
    assert broken


@pytest.mark.parametrize(
    ("policy", "options"),
    [
        pytest.param("impute_group_mean", {"num_generations": 4}, id="impute"),
        pytest.param("constant", {"constant": 0.0}, id="constant"),
    ],
)
def test_other_policies_give_numbers(tmp_path, policy, options):
    """Who asks for them has no absent rewards; with the mean of its group the row's advantage is 0 as well."""
    reward = rewarding(tiny.by_hash(silent=3), on_no_verdict=policy, **options)
    trainer = tiny.trainer(str(tmp_path), reward, steps=1, batch=16)
    trainer.train()
    reward.close()
    [rewards], [advantages] = trainer.rewards, trainer.advantages
    assert 0 < entries(trainer, "judge/missing")[0] < 1
    lonely = torch.isnan(rewards.view(-1, 4)).all(dim=1)
    assert not torch.isnan(rewards.view(-1, 4)[~lonely]).any()
    assert torch.isfinite(advantages).all()


def test_a_judge_that_never_answers(tmp_path):
    """Training goes on without moving: no reward is no reward."""
    reward = rewarding(lambda request: "hm")
    trainer = tiny.trainer(str(tmp_path), reward, steps=1)
    trainer.train()
    reward.close()
    assert entries(trainer, "grad_norm") == [0.0]
    assert entries(trainer, "judge/missing") == [1.0]


def test_groups_compete(tmp_path):
    """A round robin within each group: rewards are win rates, so each group's mean is one half."""
    config = {"recipe": "pairwise", "group": {"schedule": "round_robin"}, "filters": "off"}
    reward = rewarding(tiny.prefer, config, num_generations=4)
    trainer = tiny.trainer(str(tmp_path), reward, steps=2)
    trainer.train()
    reward.close()
    for rewards in trainer.rewards:
        assert torch.allclose(rewards.view(-1, 4).mean(dim=1), torch.full((2,), 0.5), atol=1 / 64)


def test_asynchronous_calls_overlap(tmp_path):
    """Eight completions with a judge that takes 0.4 s cost little more than 0.4 s, not 3.2 s."""
    reward = rewarding(tiny.by_hash(), kind=AsyncJudgeReward, delay_s=0.4)
    trainer = tiny.trainer(str(tmp_path), reward)
    trainer.train()
    reward.close()
    assert min(entries(trainer, "judge/seconds")) < 0.6


def test_asyncgrpo_scores_a_group(run_file):
    """AsyncGRPO's own scoring lines: one group, in the order its members finished, by a function that was pickled."""
    from accelerate import PartialState

    worker = pytest.importorskip("trl.experimental.async_grpo.async_rollout_worker")
    reward = pickle.loads(pickle.dumps(JudgeReward(run_file(), framework="trl-async")))
    group = SimpleNamespace(
        completions=[[{"role": "assistant", "content": f"It is {city}."}] for city in ("Rome", "Oslo", "Paris", "Bern")],
        prompts=[[{"role": "user", "content": "Capital of France?"}]] * 4,
        completions_ids=[[1, 2]] * 4,
        completions_sequences=[[SEQUENCE]] * 4,
        reward_kwargs={"answer": ["Paris"] * 4},
        env_rewards=[],
        rollout_rewards=[],
        tool_call_counts=[0] * 4,
        tool_failure_counts=[0] * 4,
        model_version=1,
        group_id=0,
    )
    PartialState()  # as the trainer's process has it; the worker logs through it
    loop = SimpleNamespace(
        reward_funcs=[reward], reward_func_names=["judge"], _env_reward_types=[], _provides_rollout_reward=False
    )
    samples = asyncio.run(worker._AsyncRolloutLoop._score_group(loop, group))
    assert [s.advantage for s in samples] == pytest.approx([-0.7071, 0.0, 1.4142, -0.7071], abs=1e-3)
    assert math.isnan(samples[1].metrics["rewards/judge"])
    reward.close()


class Dies(TrainerCallback):
    """Ends the judge's endpoint when a step has ended."""

    def __init__(self, endpoint, step):
        self.endpoint, self.step, self.at = endpoint, step, None

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.endpoint.__exit__()
            self.at = time.monotonic()


def endpoint_run(tmp_path, endpoint, *callbacks, steps=12):
    """The training that a user would start again: same seed, same prompts, one folder of replies."""
    settings = {"kind": "openai", "model": "m", "base_url": endpoint.url, "patience_s": 3}
    cache = {"cache": str(tmp_path / "replies")} if "cache" in RunSettings.model_fields else {}
    reward = JudgeReward({**CHECKLIST, "engine": settings, **cache})
    trainer = tiny.trainer(str(tmp_path / "out"), reward, steps=steps)
    for each in callbacks:
        trainer.add_callback(each)
    try:
        trainer.train()
    finally:
        reward.close()
    return trainer


def test_an_endpoint_that_dies_ends_the_training(tmp_path, caplog):
    """In step 5 of 12: said within two seconds, raised when the patience is over; the same training then completes."""
    first = Server().__enter__()
    first.reply = verdict_of_hash
    dies = Dies(first, 4)
    with pytest.raises(EngineDown, match=re.escape(first.url.removesuffix("/v1"))):
        endpoint_run(tmp_path, first, dies)
    assert time.monotonic() - dies.at < 30
    told = [record for record in caplog.records if record.name == "judge.engine.sender"]
    assert told, "nothing was said while it was waited for"
    judged = len(first.fake.bodies)
    assert judged
    with Server() as second:
        second.reply = verdict_of_hash
        trainer = endpoint_run(tmp_path, second)
        assert trainer.state.global_step == 12
        if "cache" in RunSettings.model_fields:
            again = {str(b["messages"]) for b in first.fake.bodies} & {str(b["messages"]) for b in second.fake.bodies}
            assert again == set()


def verdict_of_hash(body):
    return Canned("VERDICT: " + ("MET" if crc32(str(body["messages"]).encode()) % 2 else "UNMET"))
