"""Every method of `judge rubric generate` on the real engine.

The embedded model writes poor rubrics, so nothing here asks how good they are: only that each of eight rows ends as a rubric that
loads, or with a typed reason, whatever the model says.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judge.engine.vllm import VllmEngine
from judge.generators.drive import write_rubrics
from judge.generators.model import list_generators, load_generator
from judge.generators.parse_items import Unreadable
from judge.generators.rows import Drop
from judge.generators.run import Writer, rows_from
from judge.generators.work import KEPT
from judge.generators.write import RubricFolder
from judge.rubric.load import load_rubric
from judge.settings import RunSettings
from judge.types import Reason, Sample

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torch and vLLM warn about themselves
    pytest.mark.filterwarnings("error:::judge"),
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(900),  # a slow machine with the other suite beside it
]
TYPED = {KEPT, *map(str, Drop), *map(str, Unreadable), *map(str, Reason)}
FEW = {"mine": {"mine.rounds": 1, "mine.batch": 4}, "chasing-tail": {"tail.rounds": 1}, "rrd": {"decompose.rejects": 3}}


def samples() -> list[Sample]:
    """Eight questions, each with two responses, a label, a reference and documents."""
    towns = ("Paris", "Rome", "Oslo", "Cairo", "Lima", "Quito", "Delhi", "Hanoi")
    return [
        Sample.of(
            f"In at most 20 words: for which country is {town} the capital, and why?",
            f"{town} is the capital of its country because the government sits there.",
            f"I like {town}. It is a nice place and everyone should go.",
            id=town,
            reference=f"The government sits in {town}.",
            context=(f"{town} is the seat of government.", f"{town} is an old town."),
            metadata={"label": "A", "preferred": "A"},
        )
        for town in towns
    ]


@pytest.mark.parametrize("method", list_generators())
async def test_every_row_ends_as_a_rubric_or_a_reason(local: VllmEngine, tmp_path: Path, method: str):
    """Nobody loses a run to a reply that no test foresaw."""
    settings = RunSettings.model_validate(
        {"sampling": {"max_tokens": 160, "stop": ["\n4.", "\n\n\n"]}}
    )  # three items, then an end
    writer = Writer(load_generator(method, FEW.get(method)), settings, local)
    with RubricFolder(tmp_path, writer) as out:
        merged = await write_rubrics(writer, rows_from(samples()), out, 8)
        summary = out.finish({}, merged)
    lines = [json.loads(line) for line in (tmp_path / "rubrics.jsonl").read_text().splitlines()]
    print(method, summary["counts"])
    assert len(lines) == 8
    assert {line["reason"] for line in lines} <= TYPED
    assert all(line["kept"] == (line["reason"] == KEPT) and (line["kept"] or line["detail"]) for line in lines)
    assert all(load_rubric(tmp_path / line["file"]).lineage is not None for line in lines if line["kept"])
    assert (merged is not None) == (writer.generator.spec.closing is not None)
