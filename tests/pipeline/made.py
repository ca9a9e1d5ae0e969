"""Recipe folders written by a test, and programs that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from judge import Judge, Sample, ScriptedEngine
from judge.types import NoVerdict, Reason, Reward

HEAD = "name: made\nsummary: For a test.\nmode: pointwise\nsource: {title: None}\n"


def folder(where: Path, spec: str, **templates: str) -> str:
    """A recipe folder with these templates."""
    where.mkdir(exist_ok=True)
    (where / "recipe.yaml").write_text(HEAD + spec, encoding="utf-8")
    for name, text in {"ask": '{{ response | quote("RESPONSE") }}', **templates}.items():
        (where / f"{name}.j2").write_text(f"{text}\n", encoding="utf-8")  # the last line break of a file is no part of it
    return str(where)


def judged(recipe: str, engine: ScriptedEngine | None = None, sample: Sample | None = None, **settings: Any) -> Reward:
    """The reward of one response; without an engine there is none in the settings either."""
    with Judge.from_config({"recipe": recipe, "filters": "off", **settings}, engine=engine) as judge:
        return judge.score([sample or Sample.of("2+2?", "It is 4.")])[0]


def length(sample: Sample, index: int) -> float:
    """A program of (sample, index) alone."""
    return min(1.0, len(sample.texts[index]) / 100)


async def length_later(sample: Sample, index: int, args: Mapping[str, Any]) -> float:
    """The same, asynchronous, with an option."""
    return min(1.0, len(sample.texts[index]) / args["most"])


def by_name(sample: Sample, index: int, args: Mapping[str, Any]) -> dict[str, float | None]:
    """Two scores, of which one may be missing."""
    return {"short": 1.0, "right": None if "?" in sample.texts[index] else 0.5}


def by_numpy(sample: Sample, index: int) -> Any:
    """A number as numpy has it."""
    return np.float32(0.25)


def by_numpy_and_name(sample: Sample, index: int) -> dict[str, Any]:
    """Whole numbers and truth values as numpy has them."""
    return {"whole": np.int64(1), "none": np.bool_(False)}


def a_list(sample: Sample, index: int) -> list[float]:
    """Scores of nobody knows what."""
    return [1.0, 0.0]


def with_overall(sample: Sample, index: int) -> dict[str, float]:
    """A score that counts beside one that explains it."""
    return {"overall": 0.3, "detail": 1.0}


def refuses(sample: Sample, index: int) -> NoVerdict:
    """A program that says why it cannot tell."""
    return NoVerdict(Reason.CHECK_ERROR, "no schema")


def breaks(sample: Sample, index: int) -> float:
    """A program with a fault."""
    raise KeyError("gone")


def too_much(sample: Sample, index: int) -> float:
    """A program that gives no score."""
    return 1.5


def with_sum(sample: Sample, index: int) -> list[float]:
    """One score a step: whether it has a sum in it."""
    return [float("+" in step) for step in sample.steps]


def one_step(sample: Sample, index: int) -> list[float]:
    """A program that does not count."""
    return [1.0]
