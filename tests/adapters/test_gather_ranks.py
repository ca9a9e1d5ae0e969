"""Forming groups over three real processes, without a trainer: uneven rows, and a judge that fails on one of them."""

from __future__ import annotations

import multiprocessing
import os
import socket

import pytest

pytest.importorskip("torch")

from judge.adapters._shared.gather import GatheredRow, judge_groups
from judge.errors import EngineError
from judge.types import Sample

pytestmark = pytest.mark.slow

WORLD = 3
ROWS = [["a0", "a1", "b0"], ["b1", "a2"], ["b2"]]  # of each process; the letter is the prompt


def one(rank, port, out, failing):
    """One process: judges its groups, and says what it got and what it was asked."""
    import torch.distributed as dist

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    asked = []

    def judge(groups):
        asked.extend([s.responses[0] for s in group] for group in groups)
        if rank == failing:
            raise EngineError("down")
        return [[f"{s.responses[0]} of {len(group)}" for s in group] for group in groups]

    try:
        rows = [GatheredRow(text[0], Sample.of(text[0], text)) for text in ROWS[rank]]
        found = judge_groups(rows, judge, 3, lambda groups, results: results)
    except EngineError as why:
        found = str(why)
    out.put((rank, found, asked))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("failing", [None, 1])
def test_three_processes(failing):
    """Each process gets the rewards of its own rows; an engine that is down on one is an error on all, so that none waits."""
    spawn = multiprocessing.get_context("spawn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out = spawn.Queue()
    workers = [spawn.Process(target=one, args=(rank, port, out, failing)) for rank in range(WORLD)]
    for worker in workers:
        worker.start()
    found = {rank: (values, asked) for rank, values, asked in (out.get(timeout=100) for _ in workers)}
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert [found[r][1] for r in range(WORLD)] == [[["a0", "a1", "a2"]], [["b0", "b1", "b2"]], []]
    for rank in range(WORLD):
        expected = "down" if failing is not None else [f"{text} of 3" for text in ROWS[rank]]
        assert found[rank][0] == expected
