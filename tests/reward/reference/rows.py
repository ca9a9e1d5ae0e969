"""Batches of shaped rewards as plain rows, for the second implementations: random ones, and the edges by name."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from judge.shape import RewardBatch, ShapeStep, shape

NAMES = ("a", "b", "c")
WORDS = ("red", "blue", "Green,", "你好", "\\boxed{4}", "<think>", "</think>", "<answer>4</answer>", "{}", "3.5")
PROMPT = "which colour is it, red or blue? 你好"
REFERENCES = {"x": (0.3, 0.9, 0.9), "y": (0.5,), "z": (0.0, 1.0)}
_STEP: TypeAdapter[Any] = TypeAdapter(ShapeStep)


@dataclass(frozen=True)
class Row:
    """One response. None: not known, or no reward."""

    reward: float | None
    group: str = "x"
    scores: dict[str, float | None] = field(default_factory=lambda: {"a": 0.5, "b": 1.0, "c": 0.0})
    weights: dict[str, float] = field(default_factory=dict)
    rest: float | None = 0.5  # the reward without criterion a
    vetoed: bool = False
    length: float | None = 50.0
    correct: float | None = 1.0
    text: str = "the answer is red"
    closed: object = None


def run(rows: list[Row], spec: dict[str, Any], *, seed: int = 0, state: Any = None) -> Any:
    """The project's own step on these rows."""
    batch = RewardBatch.of(
        [r.reward for r in rows],
        [r.group for r in rows],
        components={name: [r.scores.get(name) for r in rows] for name in NAMES},
        importance={name: [r.weights.get(name, 1.0) for r in rows] for name in NAMES},
        without={"a": [r.rest for r in rows]},
        vetoed=[r.vetoed for r in rows],
        lengths=[r.length for r in rows],
        correct=[r.correct for r in rows],
        texts=[r.text for r in rows],
        prompts=[PROMPT] * len(rows),
        references=REFERENCES,
        metadata=[{} if r.closed is None else {"closed": r.closed} for r in rows],
    )
    return shape(batch, [_STEP.validate_python(spec)], seed=seed, state=state)


def members(rows: list[Row], over: str = "group") -> list[list[int]]:
    """Row numbers of each group (or of all), without those that have no reward."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if row.reward is not None:
            found.setdefault(row.group if over == "group" else "", []).append(number)
    return list(found.values())


def seen(rows: list[Row]) -> list[Row]:
    """What is known of vetoed responses: they are not correct, and one that no judge saw meets no criterion of its group."""
    out = []
    for row in rows:
        if not row.vetoed:
            out.append(row)
            continue
        scores = row.scores
        if all(scores.get(name) is None for name in NAMES):
            asked = [n for n in NAMES if any(r.group == row.group and r.scores.get(n) is not None for r in rows)]
            scores = dict.fromkeys(asked or NAMES, 0.0)
        out.append(replace(row, scores=scores, correct=0.0))
    return out


def some(draw: random.Random, absent: bool) -> float | None:
    """A score: a round one (ties), any, or none."""
    if absent and draw.random() < 0.15:
        return None
    return draw.choice([0.0, 0.25, 0.5, 1.0, draw.random(), draw.random()])


def random_rows(seed: int) -> list[Row]:
    """Up to twelve responses in up to three groups."""
    draw = random.Random(seed)
    absent = seed % 3 != 0
    rows = []
    weights = {name: draw.choice([0.5, 1.0, 3.0]) for name in NAMES}
    for _ in range(draw.randint(1, 12)):
        vetoed = draw.random() < 0.2
        reward = some(draw, absent)
        scores = {name: some(draw, absent) for name in NAMES}
        rows.append(
            Row(
                0.0 if vetoed and reward is not None else reward,
                draw.choice("xyz"),
                {} if vetoed and draw.random() < 0.5 else scores,
                weights,
                some(draw, absent),
                vetoed,
                None if absent and draw.random() < 0.1 else float(draw.randint(0, 120)),
                None if absent and draw.random() < 0.1 else float(draw.random() < 0.5),
                " ".join(draw.choice(WORDS) for _ in range(draw.randint(0, 8))),
                draw.choice([None, False, True, "true", "false", 0]),
            )
        )
    return rows


EDGES: list[list[Row]] = [
    [Row(0.5)],
    [Row(None)],
    [Row(0.0, vetoed=True, scores={})],
    [Row(0.5), Row(0.5), Row(0.5)],
    [Row(0.0), Row(1.0)],
    [Row(0.0), Row(None), Row(1.0), Row(1.0)],
    [Row(1.0, "x"), Row(0.0, "y"), Row(None, "z")],
    [Row(0.1 + 0.2), Row(0.3)],
    [Row(1.0, scores={}), Row(0.5, scores={"a": None, "b": None})],
    [Row(0.0, correct=0.0), Row(0.0, correct=0.0)],
    [Row(1.0, length=20.0), Row(1.0, length=20.0), Row(0.0, length=119.0, correct=0.0)],
    [Row(1.0, length=None), Row(1.0, correct=None), Row(0.5, rest=None)],
    [Row(0.0, vetoed=True, scores={}), Row(0.0, vetoed=True, scores={"a": None, "b": 1.0}), Row(0.75), Row(0.5)],
    [Row(0.0, vetoed=True, scores={}, length=None, correct=None, rest=None), Row(1.0)],
    [Row(1.0, text=""), Row(1.0, text=" \n"), Row(1.0, text="red " * 40)],
    [Row(1.0, scores={"a": 1.0, "b": 1.0, "c": 1.0}), Row(0.0, scores={"a": 0.0, "b": 0.0, "c": 0.0})],
]
BATCHES: list[list[Row]] = [*EDGES, *map(random_rows, range(120))]
