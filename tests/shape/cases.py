"""One or more settings of every kind, and batches that bring all a step can ask for."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from pydantic import TypeAdapter

from judge.shape import RewardBatch, ShapeStep

STEP = TypeAdapter(ShapeStep)
NAMES = ("a", "b", "c")
SPECS = [
    {"kind": "par"},
    {"kind": "par", "reference": 0.5, "scale": 8.0},
    {"kind": "lsc"},
    {"kind": "lsc", "reference": 0.5},
    {"kind": "contrastive"},
    {"kind": "contrastive", "centre": "group_mean"},
    {"kind": "clip", "low": 0.25, "high": 0.75},
    {"kind": "steps", "refine": "clip"},
    {"kind": "steps", "refine": "delta"},
    {"kind": "steps"},
    {"kind": "quantise"},
    {"kind": "top_stretch"},
    {"kind": "minmax"},
    {"kind": "minmax", "over": "batch"},
    {"kind": "z"},
    {"kind": "z", "floor": 0.2},
    {"kind": "rank"},
    {"kind": "quantile"},
    {"kind": "quantile", "over": "group", "buckets": 3},
    {"kind": "std_floor", "floor": 0.2},
    {"kind": "dither"},
    {"kind": "dither", "noise": "gauss"},
    {"kind": "verpo"},
    {"kind": "verpo", "criteria": ["a", "b"], "equalise": True, "mix": 1.0},
    {"kind": "grpo_s"},
    {"kind": "grpo_s", "similarity": "a", "responsiveness": False},
    {"kind": "crf", "conciseness": "a"},
    {"kind": "crf", "conciseness": "a", "difficulty": True},
    {"kind": "crf", "conciseness": "a", "base": "reward"},
    {"kind": "grpo_lambda", "top": 0.5},
    {"kind": "laser", "target": 50},
    {"kind": "laser_d", "lower": 20, "upper": 100, "interval": 20},
    {"kind": "overlong", "limit": 80, "cache": 20},
    {"kind": "repetition", "n": 2},
    {"kind": "relevance"},
    {"kind": "relevance", "component": "a"},
    {"kind": "r3"},
    {"kind": "r3", "component": "a", "reference": "b", "mix": 1.0},
    {"kind": "format", "formats": ["boxed"]},
    {"kind": "contrast"},
    {
        "kind": "contrast",
        "criteria": ["a", "b"],
        "weights": {"a": 3.0},
        "categories": {"a": "x"},
        "balance": "equal",
        "memory": 0.5,
    },
    {"kind": "saturation"},
    {"kind": "interaction", "pair": ["a", "b"], "weight": -0.3},
    {"kind": "veto", "criteria": ["c"]},
    {"kind": "objectives", "weights": {"a": 1.0, "b": -0.5}, "caps": {"a": 0.6}},
    {"kind": "objectives", "weights": {"a": 1.0, "b": 2.0}, "join": "log_sigmoid", "reference": {"a": 0.5, "b": 0.25}},
    {"kind": "objectives", "weights": {"a": 1.0, "c": 1.0}, "join": "normalised"},
    {"kind": "objectives", "weights": {"a": 1.0, "c": 1.0}, "join": "normalised", "across_batch": False},
    {"kind": "constrained", "constraints": [{"component": "a", "at_least": 0.8}]},
    {
        "kind": "constrained",
        "constraints": [
            {"component": "a", "at_most": 0.3},
            {"component": "b", "equal": 0.5},
            {"component": "c", "at_least": 0.9},
        ],
        "start": 2.0,
    },
    {"kind": "add", "column": "metric", "weight": 0.5},
    {"kind": "calibrate", "points": [[0, 0.2], [0.5, 0.3], [1, 0.9]]},
    {"kind": "calibrate", "slope": 2.0, "offset": -1.0},
    {"kind": "sure"},
    {"kind": "shrink"},
    {"kind": "flip", "false_positive": 0.5, "false_negative": 0.5},
    {"kind": "flip", "false_negative": 1.0, "by": "question"},
    {"kind": "random", "rate": 0.5},
    {"kind": "pattern", "phrases": ["the answer"], "strength": 1.0},
    {"kind": "pattern", "phrases": ["The Answer", "red"], "use": "reward", "ngram": 2, "each": 0.5},
    {"kind": "repair_label"},
    {"kind": "co_reward", "question": "question"},
    {"kind": "fuse", "least": 0.3},
    {"kind": "min_form"},
    {"kind": "min_form", "temperature": 0.0, "checked": 0.5},
    {"kind": "renorm"},
    {"kind": "renorm", "outcome": "reward"},
    {"kind": "thoughts"},
    {"kind": "prof", "keep": 2},
    {"kind": "prof", "keep": 1, "outcome": "reward"},
]
CASES = [(f"{spec['kind']}-{index}", STEP.validate_python(spec)) for index, spec in enumerate(SPECS)]
TEXTS = ("", "so \\boxed{4}", "red red red red", "the answer is red", "你好 你好", "\\boxed{", "blue or green")


def column(unit: st.SearchStrategy[float], n: int, absent: bool = True) -> st.SearchStrategy[list[float | None]]:
    return st.lists(st.one_of(unit, st.none()) if absent else unit, min_size=n, max_size=n)


def _rows(absent: bool) -> st.SearchStrategy[dict[str, object]]:
    """Metadata of a response: whether its question is closed, which it is, and a number from outside."""
    numbers = st.floats(0, 1)
    return st.fixed_dictionaries(
        {"question": st.sampled_from(["m", "n"]), "metric": st.one_of(numbers, st.none()) if absent else numbers},
        optional={"closed": st.just(True)},
    )


@st.composite
def batches(draw: st.DrawFn, absent: bool = True, vetoes: bool = False) -> RewardBatch:
    """Up to eight responses in up to three groups; rewards, components, lengths and the rest may be absent."""
    n = draw(st.integers(1, 8))
    unit = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    truth = st.sampled_from([0.0, 1.0])
    vetoed = draw(st.lists(st.booleans(), min_size=n, max_size=n)) if vetoes else [False] * n
    rewards = draw(column(unit, n, absent))
    return RewardBatch.of(
        [0.0 if veto and reward is not None else reward for reward, veto in zip(rewards, vetoed, strict=True)],
        draw(st.lists(st.sampled_from("xyz"), min_size=n, max_size=n)),
        components={name: draw(column(unit, n, absent)) for name in NAMES},
        importance={"a": 2.0, "b": draw(st.lists(st.sampled_from([0.5, 1.0]), min_size=n, max_size=n))},
        vetoed=vetoed,
        keys=draw(st.one_of(st.none(), st.lists(st.sampled_from("pq"), min_size=n, max_size=n))),
        without={"a": draw(column(unit, n, absent))},
        lengths=draw(column(st.integers(0, 120).map(float), n, absent)),
        correct=draw(column(truth, n, absent)),
        texts=draw(st.lists(st.sampled_from(TEXTS), min_size=n, max_size=n)),
        prompts=["which colour is it, red or blue"] * n,
        references={"x": (0.3, 0.9), "y": (0.5,), "z": (0.0, 1.0, 1.0)},
        steps=draw(st.lists(st.lists(st.one_of(unit, st.none()) if absent else unit, max_size=4), min_size=n, max_size=n)),
        metadata=draw(st.lists(_rows(absent), min_size=n, max_size=n)),
        answers=draw(st.lists(st.sampled_from(["4", "5", None]), min_size=n, max_size=n)),
        labels=draw(st.lists(st.sampled_from(["4", "6", None]), min_size=n, max_size=n)),
        variances=draw(column(st.floats(0, 0.25), n, absent)),
    )


def take(batch: RewardBatch, rows: list[int]) -> RewardBatch:
    """The batch with these rows, in this order."""
    pick = np.array(rows, dtype=int)
    columns = {k: getattr(batch, k)[pick] for k in ("lengths", "correct", "variances")}
    lists = {k: [getattr(batch, k)[r] for r in rows] for k in ("texts", "prompts", "steps", "metadata", "answers", "labels")}
    lists["keys"] = None if batch.keys is None else [batch.keys[r] for r in rows]
    return RewardBatch.of(
        batch.values[pick],
        [batch.groups[r] for r in rows],
        components={k: v[pick] for k, v in batch.components.items()},
        importance={k: v[pick] for k, v in batch.importance.items()},
        vetoed=batch.vetoed[pick],
        without={k: v[pick] for k, v in batch.without.items()},
        references=batch.references,
        **columns,
        **lists,
    )
