"""Axolotl 0.21.0's own reward path: `get_reward_func`, its plain and its asynchronous trainer with their reward workers.

Real: both trainers on TRL 1.14.1 (the version it pins), stepping a policy of a few thousand weights; workers are processes.
Not real: Python 3.12, a GPU, vLLM, several ranks, and the context-parallel trainer, which needs ring attention.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections import defaultdict
from itertools import pairwise
from types import SimpleNamespace
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # theirs, trl's and torch's
    import torch
    from axolotl.core.trainers.grpo import GRPOStrategy
    from axolotl.core.trainers.grpo.args import AxolotlAsyncGRPOConfig, AxolotlGRPOConfig
    from datasets import Dataset
    from transformers import PrinterCallback

    from tests.adapters import tiny

from judge.adapters import axolotl
from judge.errors import NoVerdictError, SettingsError
from tests.fake_endpoint import Canned
from tests.stub_judges import responses_in

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(120)]

PLAIN = GRPOStrategy.get_trainer_class()
ASYNC = GRPOStrategy.get_trainer_class(async_grpo=True)
# Streaming: without it 0.21 cannot shuffle a rollout that has no vLLM's log-probabilities, and stops.
PREFETCH = {"use_data_producer": True, "async_prefetch": True, "streaming_partial_batch": True, "reward_num_workers": 2}


@pytest.fixture(autouse=True)
def surroundings(run_file, monkeypatch):
    """JUDGE_CONFIG is there; the group size is not."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    monkeypatch.delenv("JUDGE_NUM_GENERATIONS", raising=False)


def by_hash(body):
    """A judge of random words: right, wrong, and about one text in three nothing."""
    value = crc32(responses_in(body)[-1].encode())
    copied = f"RESPONSE SAYS: {responses_in(body)[-1]}\nVERDICT: "
    return Canned("hm" if value % 3 == 0 else copied + ("CORRECT" if value // 7 % 2 else "INCORRECT"))


def trained(kind, config, folder, function, steps=2, **options):
    """A run of that trainer, with each batch of rewards and the advantages it made of them."""
    seen = []

    class Watched(kind):
        def _calculate_rewards(self, *arguments):
            self.last = super()._calculate_rewards(*arguments).clone()
            return self.last.clone()

        def _generate_and_score_completions(self, *arguments):
            made = super()._generate_and_score_completions(*arguments)
            if kind is PLAIN:
                seen.append((self.last[:, 0], made["advantages"].clone()))
            return made

        def _post_advantage_hook(self, data, rewards, advantages, *arguments, **named):
            seen.append((rewards[:, 0].clone(), advantages.clone()))
            return super()._post_advantage_hook(data, rewards, advantages, *arguments, **named)

    words = tiny.tokenizer()
    settings = {
        "output_dir": str(folder), "seed": 3, "max_steps": steps, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 6, "beta": 0.0, "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip
    trainer = Watched(
        model=tiny.policy(words), reward_funcs=[function], args=config(**settings, **options), processing_class=words,
        train_dataset=Dataset.from_list([{"prompt": f"{a} {b}", "answer": b} for a, b in pairwise(tiny.WORDS)]),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if kind is ASYNC:
        trainer._shutdown_reward_workers()
    return trainer, seen


def bare(size, workers=2, function=axolotl.reward):
    """The asynchronous trainer without a model: what its reward path needs."""
    made = ASYNC.__new__(ASYNC)
    made.args = SimpleNamespace(reward_num_workers=workers, report_to=[])
    made.accelerator = SimpleNamespace(device="cpu", is_main_process=True)
    made.state = SimpleNamespace(global_step=1)
    made.num_generations = size
    made.reward_funcs, made.reward_func_names, made.reward_processing_classes = [function], [function.__name__], [None]
    made.environments, made._reward_workers, made.model = None, None, SimpleNamespace(training=True)
    made._metrics = {"train": {}}
    made._pending_metrics, made._pending_extra_logs = defaultdict(list), defaultdict(list)
    return made


def batch(*completions, question="Capital of France?", **columns):
    """What the trainer hands to its reward path."""
    rows = [{"prompt": question, "answer": "Paris", **columns} for _ in completions]
    return rows, [question] * len(completions), list(completions), [[1, 2]] * len(completions)


def joined(*batches):
    return tuple([each for part in parts for each in part] for parts in zip(*batches, strict=True))


GROUP = ("It is Paris.", "It is Oslo.", "It is Rome.", "It is Rome!")  # right, no verdict, wrong, wrong


def test_found_by_its_dotted_path():
    """Two named parameters are asked for; what has fewer is refused by that same check."""
    assert GRPOStrategy.get_reward_func("judge.adapters.axolotl.reward") is axolotl.reward
    with pytest.raises(ValueError, match="at least two arguments"):
        GRPOStrategy.get_reward_func("judge.adapters.axolotl.group_size")


def test_the_plain_trainer_leaves_it_out(endpoint, tmp_path):
    """A row without a verdict has advantage 0, and the others what they have without it. Metrics are in its log."""
    endpoint.reply = by_hash
    trainer, seen = trained(PLAIN, AxolotlGRPOConfig, tmp_path, axolotl.reward)
    broken = 0
    for rewards, advantages in seen:
        for group, got in zip(rewards.view(-1, 4), advantages.view(-1, 4), strict=True):
            there = ~torch.isnan(group)
            others = group[there]
            alone = (others - others.mean()) / (others.std() + 1e-4) if len(others) > 1 else torch.zeros_like(others)
            assert torch.allclose(got[there], alone, atol=1e-5)
            assert got[~there].eq(0).all()
            broken += 1 < len(others) < 4
    assert broken
    logged = [entry for entry in trainer.state.log_history if "rewards/judge/mean" in entry]
    assert len(logged) == 2
    assert {"judge/raw_reward", "judge/missing", "judge/calls", "judge/filtered", "judge/seconds"} <= set(logged[0])
    assert logged[0]["judge/missing"] == pytest.approx(torch.isnan(seen[0][0]).float().mean().item())


def silent_second(prompts, completions, **columns):
    """The trap: a function of one's own that returns None."""
    return [None if i % 4 == 1 else float(i % 4) for i in range(len(prompts))]


def test_what_none_would_be_in_the_asynchronous_trainer(tmp_path):
    """Its own sum reads None as 0: the silent row trains as the worst one does, and moves the rest of its group."""
    _, seen = trained(ASYNC, AxolotlAsyncGRPOConfig, tmp_path, silent_second, **PREFETCH)
    rewards, advantages = seen[0]
    assert torch.isnan(rewards).tolist() == [False, True, False, False]
    assert advantages.tolist() == pytest.approx([-0.8333, -0.8333, 0.5, 1.1666], abs=1e-3)


def test_the_asynchronous_trainer_gets_the_mean_of_the_group_members(endpoint, monkeypatch, tmp_path):
    """Under its own sum and its own workers, a row without a verdict has advantage 0."""
    endpoint.reply = by_hash
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    _, seen = trained(ASYNC, AxolotlAsyncGRPOConfig, tmp_path, axolotl.reward, **PREFETCH)
    imputed = 0
    for rewards, advantages in seen:
        for group, got in zip(rewards.view(-1, 4), advantages.view(-1, 4), strict=True):
            if torch.isnan(group).all():
                assert got.eq(0).all()
                continue
            assert not torch.isnan(group).any()
            between = ~group.eq(0) & ~group.eq(1)
            assert got[between].abs().max().item() < 1e-3 if between.any() else True
            imputed += int(between.sum())
    assert imputed


def test_workers(monkeypatch):
    """Two groups, a worker each: whole groups arrive, and each failed row is the mean of its group."""
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    trainer = bare(4)
    second = ("It is Oslo!", "It is Paris!", "It is Paris", "It is Rome")
    for _ in range(2):  # they persist
        rewards = trainer._compute_rewards_for_batch(*joined(batch(*GROUP), batch(*second, question="And of Gaul?")))
        assert rewards[:, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0, 2 / 3, 1.0, 1.0, 0.0])
    assert len({process.pid for _, process in trainer._reward_workers} - {os.getpid()}) == 2
    trainer._shutdown_reward_workers()


def test_what_is_left_over_is_zero(monkeypatch, endpoint):
    """A process that holds a group and a half: the half is never sent to a worker, and 0. The documents say so."""
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    trainer = bare(4)
    rewards = trainer._compute_rewards_for_batch(*joined(batch(*GROUP), batch("It is Paris?", "It is Paris?", question="Half")))
    assert rewards[:, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0, 0.0, 0.0])
    assert not any("It is Paris?" in said for said in endpoint.asked)
    trainer._shutdown_reward_workers()


def test_columns_reach_the_workers(monkeypatch, endpoint):
    """The reference is found by its name among the columns there, too."""
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "2")
    trainer = bare(2)
    rewards = trainer._compute_rewards_for_batch(*batch("It is Paris.", "It is Rome.", reference="Paris, on the Seine"))
    assert rewards[:, 0].tolist() == [1.0, 0.0]
    assert all("Paris, on the Seine" in said for said in endpoint.asked)
    trainer._shutdown_reward_workers()


def test_a_worker_without_a_group_size(endpoint):
    """The worker's error is swallowed; the main process scores again, stops the run, and says what is missing."""
    trainer = bare(4)
    with pytest.raises(SettingsError, match="`impute_group_mean` needs whole groups") as caught:
        trainer._compute_rewards_for_batch(*batch(*GROUP))
    assert "set JUDGE_NUM_GENERATIONS to its `trl.num_generations`" in caught.value.__notes__[0]
    assert endpoint.asked == []  # before anything is judged
    trainer._shutdown_reward_workers()


def test_raise_stops_the_run_and_is_judged_twice(run_file, monkeypatch, endpoint):
    """Once in the worker, and once more in the main process, whose error is the one seen."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file("recipe: verifier\non_no_verdict: raise\n"))
    trainer = bare(4)
    with pytest.raises(NoVerdictError, match="1 of 4 responses have no reward"):
        trainer._compute_rewards_for_batch(*batch(*GROUP))
    assert sum("It is Paris." in said for said in endpoint.asked) == 2
    trainer._shutdown_reward_workers()


def test_constant(run_file, monkeypatch):
    """A declared number needs no group size, in workers and in the main process."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n"))
    for workers in (1, 2):
        trainer = bare(4, workers)
        assert trainer._compute_rewards_for_batch(*batch(*GROUP))[:, 0].tolist() == [1.0, 0.25, 0.0, 0.0]
        trainer._shutdown_reward_workers()


def test_the_main_process_of_the_asynchronous_trainer(monkeypatch):
    """With one worker it calls through TRL's code, log functions and all, and still reads None as 0 afterwards."""
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    assert bare(4, 1)._compute_rewards_for_batch(*batch(*GROUP))[:, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


def test_a_worker_of_one_rank_of_two(monkeypatch):
    """A fork inherits the process group as an object that reaches nobody: gathering over it would hang, or mix in nonsense."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    assert multiprocessing.get_start_method() == "fork"
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        trainer = bare(4)
        trainer._launch_reward_workers(*batch(*GROUP))
        [[values]] = [conn.recv() for conn in trainer._reward_workers_used]
    finally:
        torch.distributed.destroy_process_group()
    assert values == pytest.approx([1.0, 1 / 3, 0.0, 0.0])
    trainer._shutdown_reward_workers()


def breaks_in_workers(prompts, completions, **columns):
    """A reward function whose worker processes fail."""
    if multiprocessing.parent_process() is not None:
        raise RuntimeError("out of memory")
    return axolotl.reward(prompts, completions, **columns)


def test_one_rank_of_two_scores_again(monkeypatch):
    """The other rank's workers did not fail: it makes no call that this one could gather with, and would let it wait for ever."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "4")
    monkeypatch.setattr(torch.distributed, "all_gather_object", lambda *_: pytest.fail("a collective of one rank"))
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        trainer = bare(4, function=breaks_in_workers)
        rewards = trainer._compute_rewards_for_batch(*batch(*GROUP))
    finally:
        torch.distributed.destroy_process_group()
    assert rewards[:4, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])
    trainer._shutdown_reward_workers()
