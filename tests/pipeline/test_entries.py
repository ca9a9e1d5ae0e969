"""One sample, one outcome: `Judge.score`, `judge run` and the server agree on what a group is and on what a reward is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.errors import BudgetSpent
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.settings import load_settings
from judge.types import Capability, Request, Sample
from tests.server.harness import client_of

Outcome = list[tuple[float | None, float | None, tuple[str, ...]]]
RANKED = {"shape": [{"kind": "rank"}]}
ROUGH = {"shape": [{"kind": "par", "reference": 0.5, "scale": 0.7}]}  # 0.594 on a grid of 64, 0.587 without


def graded(request: Request) -> str:
    text = "\n".join(m.content for m in request.messages)
    return "I would rather not say." if "Rome" in text else "VERDICT: 5" if "Paris" in text else "VERDICT: 1"


def answers(group: str) -> list[Sample]:
    return [Sample.of("Capital of France?", f"The capital is {w}.", id=w, group=group) for w in ("Paris", "Nice", "Rome")]


def engine() -> ScriptedEngine:
    return ScriptedEngine(graded, capabilities=frozenset({Capability.SEED}))


def by_python(config: dict[str, Any], samples: list[Sample], _: Path) -> Outcome:
    with Judge.from_config(config, engine=engine()) as judge:
        rewards = judge.score(samples)
    return [(r.reward, r.raw_reward, tuple(f.name for f in r.flags)) for r in rewards]


def by_batch(config: dict[str, Any], samples: list[Sample], folder: Path) -> Outcome:
    asyncio.run(run_batch(plan(load_settings(config)[0]), samples, folder, engine=engine(), quiet=True))
    rows = pq.read_table(folder / "rewards.parquet").to_pylist()
    return [(r["reward"], r["raw_reward"], tuple(f["name"] for f in r["flags"])) for r in rows]


def by_server(config: dict[str, Any], samples: list[Sample], _: Path) -> Outcome:
    async def ask() -> Outcome:
        body = [{"prompt": s.prompt, "response": s.responses[0], "id": s.id, "group": s.group} for s in samples]
        own = {k: v for k, v in config.items() if k != "engine"}
        async with client_of(engine(), config=own) as client:
            answer = (await client.post("/v1/score", json={"samples": body})).json()
        rewards = [own for result in answer["results"] for own in result["rewards"]]
        return [(r["reward"], r["raw_reward"], tuple(f["name"] for f in r["flags"])) for r in rewards]

    return asyncio.run(ask())


ENTRIES = [
    pytest.param(by_python, id="Judge.score"),
    pytest.param(by_batch, id="judge-run"),
    pytest.param(by_server, id="server"),
]


@pytest.mark.parametrize("ask", ENTRIES)
@pytest.mark.parametrize("group", ["", "france"])
@pytest.mark.parametrize(
    ("shape", "rewards"),
    [
        pytest.param(RANKED, [1.0, 0.0, 0.5], id="ranked"),
        pytest.param({}, [1.0, 0.0, 0.5], id="plain"),
    ],
)
def test_a_group_needs_no_name(tmp_path, ask, group, shape, rewards):
    """Answers to one prompt are one group for the chain and for the mean alike: the one without a verdict gets it."""
    config = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}, "reward": shape}
    found = ask(config | {"on_no_verdict": "group_mean"}, answers(group), tmp_path)
    assert [(reward, raw) for reward, raw, _ in found] == list(zip(rewards, [1.0, 0.0, None], strict=True))
    assert found[2][2] == ("imputed",)


@pytest.mark.parametrize("ask", ENTRIES)
def test_a_reward_is_the_same_number_from_every_entry(tmp_path, ask):
    """A trainer over HTTP and a table for the same run must not differ in the second decimal."""
    config = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}, "reward": ROUGH}
    found = ask(config, answers("")[:1], tmp_path)
    assert found == [(pytest.approx(0.5866175789), 1.0, ())]  # 1 / (1 + exp(-0.7 x (1 - 0.5)))


def test_a_budget_holds_in_python_and_trainers_too():
    """A reward function that goes on without money would train on nothing; it raises, as for an engine that is down."""
    engine = {"kind": "scripted", "reply": "Good.\nVERDICT: 5"}
    settings = {"rubric": "helpfulness", "recipe": "pointwise", "engine": engine, "budget": {"tokens": 300}}
    many = [Sample.of(f"Question {k}?", f"Answer {k}.") for k in range(20)]
    with Judge.from_config(settings | {"engine_down": "exclude"}) as judge:
        assert judge.score(many[0])[0].reward == 1.0
        with pytest.raises(BudgetSpent, match="300 tokens is spent"):
            judge.score(many)
