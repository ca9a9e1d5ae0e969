"""Steps that compare the groups of a training step: the same rewards on 1, 2 and 4 processes, or refused."""

from __future__ import annotations

import multiprocessing
import os
import socket
from functools import partial
from typing import Any

import pytest

from judge.adapters._shared.failure_policy import FRAMEWORKS
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, SettingsError
from judge.types import Request

SIZE = 2
SHARES = [2, 1, 2, 1, 1, 1, 1, 1]  # right answers of each of eight prompts
RUBRIC = {"criteria": [{"id": "right", "text": "The sum is right."}]}
LAMBDA = {
    "kind": "grpo_lambda",
    "top": 0.2,
    "weight": 0.4,
    "pass_at": 0.5,
}  # the best 2 of 8 groups, and what is as good as they are
PRICED = {"kind": "constrained", "constraints": [{"component": "right", "at_least": 0.9}], "rate": 1.0}
REPAIR = {"kind": "repair_label", "window": 2}
LASER = {"kind": "laser_d", "lower": 10, "upper": 40, "interval": 10, "pass_at": 0.5}


def marks(request: Request) -> str:
    return "VERDICT: MET" if "It is right" in request.messages[-1].content else "VERDICT: UNMET"


def made(shape: list[dict[str, Any]], **options: Any) -> JudgeReward:
    config = {"recipe": "checklist", "rubric": RUBRIC, "filters": "off", "reward": {"shape": shape}}
    return JudgeReward(config, engine=ScriptedEngine(marks), num_generations=SIZE, **options)


def rows() -> tuple[list[str], list[str], list[list[int]]]:
    """Prompts, completions and token ids of a step."""
    prompts = [f"{p} + 1?" for p in range(len(SHARES)) for _ in range(SIZE)]
    texts = [f"It is {'right' if k < share else 'wrong'}, number {p}.{k}." for p, share in enumerate(SHARES) for k in range(SIZE)]
    return prompts, texts, [[1] * (10 + 7 * (i % 3)) for i in range(len(prompts))]


def steps_of(reward: JudgeReward, rank: int, world: int, ids: bool = True) -> list[list[float | None]]:
    """Two steps of one process: its share of the rows, which cuts groups in half."""
    prompts, texts, tokens = rows()
    mine = slice(rank * len(prompts) // world, (rank + 1) * len(prompts) // world)
    columns = {"completion_ids": tokens[mine]} if ids else {}
    return [reward(prompts[mine], texts[mine], **columns) for _ in range(2)]


def one(rank: int, world: int, port: int, out: Any, shape: list[dict[str, Any]], ids: bool) -> None:
    import torch.distributed as dist

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=world)
    reward = made(shape)
    try:
        found: Any = steps_of(reward, rank, world, ids)
    except DataError as why:
        found = str(why)
    out.put((rank, found, reward.judge.finish.shaping.state))
    reward.close()
    dist.barrier()
    dist.destroy_process_group()


def over(world: int, shape: list[dict[str, Any]], ids: bool = True) -> list[tuple[Any, Any]]:
    """What each process found, and what it remembers."""
    spawn = multiprocessing.get_context("spawn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = spawn.Queue()
    workers = [spawn.Process(target=one, args=(rank, world, port, out, shape, ids)) for rank in range(world)]
    for worker in workers:
        worker.start()
    found = {rank: (values, state) for rank, values, state in (out.get(timeout=150) for _ in workers)}
    for worker in workers:
        worker.join(30)
    return [found[rank] for rank in range(world)]


def test_length_counts_in_the_best_groups_of_the_batch():
    """Two of eight groups are all right: length counts in them, and in no other."""
    reward = made([LAMBDA])
    [first, _] = steps_of(reward, 0, 1)
    reward.close()
    assert [0 < value < 1 for value in first] == [True] * 2 + [False] * 2 + [True] * 2 + [False] * 10


@pytest.mark.slow
@pytest.mark.timeout(250)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("world", [2, 4])
def test_a_batch_is_the_same_over_processes(world):
    """By what one process holds, length counted in 6 of the 8 groups on 2 or 4 processes, and each remembered other lengths."""
    pytest.importorskip("torch")
    chain = [REPAIR, LAMBDA, LASER, PRICED]
    alone = made(chain)
    wanted = steps_of(alone, 0, 1)
    state = alone.judge.finish.shaping.state
    alone.close()
    found = over(world, chain)
    for step in range(2):
        assert [v for values, _ in found for v in values[step]] == wanted[step]
    assert [memory for _, memory in found] == [state] * world


@pytest.mark.slow
@pytest.mark.timeout(250)
@pytest.mark.filterwarnings("default")
def test_lengths_that_nobody_can_count_end_the_run_on_every_process():
    """An error on one process only would leave the others waiting."""
    pytest.importorskip("torch")
    assert all("passes no `completion_ids`" in said for said, _ in over(2, [LASER], ids=False))


@pytest.mark.parametrize("name", [name for name, known in FRAMEWORKS.items() if known.sees_groups and not known.sees_batch])
@pytest.mark.parametrize(
    "step",
    [LAMBDA, LASER, PRICED, REPAIR, {"kind": "fuse"}, {"kind": "quantile"}, {"kind": "z", "over": "batch"}],
    ids=["grpo_lambda", "laser_d", "constrained", "repair_label", "fuse", "quantile", "z"],
)
def test_one_group_a_call_is_no_batch(name, step):
    """Of one group a call every group is the best one: length would count everywhere."""
    config = {"recipe": "checklist", "rubric": RUBRIC, "reward": {"shape": [step]}, "no_verdict_constant": 0.5}
    trainers = {kind: partial(JudgeReward, num_generations=2, framework=kind) for kind in ("trl-async", "axolotl-async")}
    make = trainers.get(name, partial(ProcessJudge, name))
    with pytest.raises(SettingsError, match="compares the groups of a training step"):
        make(config)
