"""`python -m tests.adapters.ranks WORLD FOLDER`: TRL's trainer in several processes over gloo, groups split between them.

The processes are forked after the imports, which cost more than the training. Each writes what its judge was asked and what the
trainer made of the rewards to `FOLDER/RANK.json`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["ACCELERATE_USE_CPU"] = "true"

SIZE = 4  # completions a prompt; a process holds half as many
STEPS = 2


def run(rank: int, world: int, port: int, folder: Path) -> None:
    """One process of the trainer."""
    from judge.adapters.trl import JudgeReward
    from judge.engine.scripted import ScriptedEngine
    from tests.adapters import tiny

    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )  # fmt: skip
    engine = ScriptedEngine(tiny.prefer, capabilities=frozenset())
    config = {"recipe": "pairwise", "order": "single", "group": {"schedule": "round_robin"}, "filters": "off"}
    local: list[dict[str, object]] = []

    class Noted(JudgeReward):
        def __call__(self, prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
            values = super().__call__(prompts, completions, **columns)
            local.append({"completions": completions, "values": values})
            return values

    reward = Noted(config, num_generations=SIZE, engine=engine)
    trainer = tiny.trainer(str(folder / "out"), reward, steps=STEPS, batch=2, size=SIZE)
    trainer.train()
    found = {
        "pairs": [sorted(tiny.texts(r)) for r in engine.requests],
        "rewards": [r.flatten().tolist() for r in trainer.rewards],
        "local": local,
    }
    (folder / f"{rank}.json").write_text(json.dumps(found))
    reward.close()


def main() -> None:
    """Fork the processes and wait for them."""
    world, folder = int(sys.argv[1]), Path(sys.argv[2])
    warnings.simplefilter("ignore")
    from tests.adapters import tiny  # noqa: F401  # before the fork

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run(rank, world, port, folder)
                code = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(map(abs, codes)))


if __name__ == "__main__":
    main()
