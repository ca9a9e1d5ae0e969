"""The steps that look beyond one verdict pay the same from Python, `judge run`, a server and a trainer, batch after batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.judge import Judge
from judge.types import Request, Sample
from tests.batch_harness import run
from tests.server.harness import client_of

RUBRIC = {"criteria": [{"id": "right", "text": "It is right."}, {"id": "brief", "text": "It is brief.", "weight": 1}]}
TEXTS = ["In brief: the answer is 4.", "The answer is 4.", "First, I need it. The answer is 5.", "A brief one, so \\boxed{4}"]
ROWS = [
    {"prompt": "2 + 2?" if k < 2 else "Two and two?", "response": text, "sum": "a", "comet": k / 4}
    for k, text in enumerate(TEXTS)
]
CHAINS: dict[str, list[dict[str, Any]]] = {
    "constrained": [{"kind": "constrained", "constraints": [{"component": "brief", "at_least": 0.9}], "rate": 2.0}],
    "objectives": [{"kind": "objectives", "weights": {"right": 1, "brief": -0.5}, "join": "normalised"}],
    "add": [{"kind": "add", "column": "comet"}],
    "flip": [{"kind": "flip", "false_positive": 0.5, "false_negative": 0.5}],
    "pattern": [{"kind": "pattern", "phrases": ["first, i need"], "each": 0.5}],
    "repair_label": [{"kind": "repair_label", "window": 2, "least_stability": 0.5, "least_share": 0.5}],
    "co_reward": [{"kind": "co_reward", "question": "sum"}],
    "fuse": [{"kind": "fuse", "least": 0.5}],
}


def marks(request: Request) -> str:
    text = request.messages[-1].content
    good = "brief" in text.replace("It is brief", "") if "It is brief" in text else "4" in text
    return "VERDICT: MET" if good else "VERDICT: UNMET"


def settings(chain: str) -> dict[str, Any]:
    return {"recipe": "checklist", "rubric": RUBRIC, "filters": "off", "reward": {"shape": CHAINS[chain]}}


def samples() -> list[Sample]:
    return [
        Sample.of(row["prompt"], row["response"], reference="4", id=str(k), metadata={"sum": row["sum"], "comet": row["comet"]})
        for k, row in enumerate(ROWS)
    ]


def python(chain: str) -> list[list[float | None]]:
    with Judge.from_config(settings(chain), engine=ScriptedEngine(marks)) as judge:
        return [[r.reward for r in judge.score(samples(), step=step)] for step in range(2)]


def trainer(chain: str) -> list[list[float | None]]:
    reward = JudgeReward(settings(chain), engine=ScriptedEngine(marks), num_generations=2)
    columns = {name: [row[name] for row in ROWS] for name in ("sum", "comet")}
    found = [
        reward([r["prompt"] for r in ROWS], [r["response"] for r in ROWS], reference=["4"] * len(ROWS), **columns)
        for _ in range(2)
    ]
    reward.close()
    return found


async def server(chain: str) -> list[list[float | None]]:
    body = {
        "samples": [
            {
                "prompt": r["prompt"],
                "response": r["response"],
                "reference": "4",
                "metadata": {"sum": r["sum"], "comet": r["comet"]},
            }
            for r in ROWS
        ]
    }
    found = []
    async with client_of(ScriptedEngine(marks), config=settings(chain)) as client:
        for _ in range(2):
            answer = (await client.post("/v1/score", json=body)).json()
            found.append([r["rewards"][0]["reward"] for r in answer["results"]])
    return found


@pytest.mark.parametrize("chain", CHAINS)
async def test_every_entry_pays_the_same(chain, tmp_path: Path):
    """Two batches each: what the first one left behind changes the second alike."""
    wanted = python(chain)
    assert any(value is not None for value in wanted[0])
    assert trainer(chain) == [[v if v is None else pytest.approx(v, abs=1e-6) for v in batch] for batch in wanted]
    if chain != "flip":  # its noise follows the training step, and requests to a server count their own
        assert await server(chain) == [[v if v is None else pytest.approx(v) for v in batch] for batch in wanted]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_run_pays_as_the_first_batch(chain, tmp_path: Path):
    """`judge run` takes the whole data set as one batch."""
    with Judge.from_config(settings(chain), engine=ScriptedEngine(marks)) as judge:
        wanted = [r.reward for r in judge.score(samples(), step=0)]
    run(tmp_path / "run", samples(), ScriptedEngine(marks), **settings(chain))
    assert pq.read_table(tmp_path / "run" / "rewards.parquet").column("reward").to_pylist() == wanted
