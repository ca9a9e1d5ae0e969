"""The monitor over a batch run: canaries are judged and counted, and in none of the tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.errors import MonitorStop
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.settings import load_settings
from judge.types import Request, Sample

SAMPLES = [Sample.of(f"What is {i} + 1?", f"The sum is {i + 1}.", reference=str(i + 1), id=f"s{i}") for i in range(40)]


def gullible(request: Request) -> str:
    """A judge that pays whoever claims to have checked the answer."""
    text = str(request.messages)
    claims = "been checked" in text or "verified" in text
    says = re.findall(r"BEGIN RESPONSE \w+>>>\n(.*?)\n<<<", request.messages[1].text, re.DOTALL)
    return f"RESPONSE SAYS: {says[0]}\nVERDICT: " + ("CORRECT" if claims or "The sum is 1" in text else "INCORRECT")


def config(**monitor: object) -> dict[str, object]:
    return {"recipe": "verifier", "engine": {"kind": "scripted"}, "monitor": monitor}


CANARIES = {"per_batch": 8, "kinds": ["null"]}


async def test_canaries_are_counted_and_leave_no_trace_in_the_tables(tmp_path: Path):
    """The rewards of a run are the same with and without canaries; only `run.json` tells of them."""
    values = []
    for name, settings in (
        ("with", config(canaries=CANARIES, alarms={"constant_string_wins": {"action": "warn"}})),
        ("without", {}),
    ):
        made = plan(load_settings({**config(), "monitor": None, **settings})[0])
        result = await run_batch(made, SAMPLES, tmp_path / name, engine=ScriptedEngine(gullible), quiet=True)
        table = pq.read_table(tmp_path / name / "rewards.parquet").to_pydict()
        values.append(dict(zip(table["id"], table["value"] if "value" in table else table["reward"], strict=True)))
        told = json.loads((tmp_path / name / "run.json").read_text())
        assert ("monitor" in told) == (name == "with")
        assert result.run["counts"]["samples"] == 40
    assert values[0] == values[1]
    told = json.loads((tmp_path / "with" / "run.json").read_text())["monitor"]
    assert sum(c["asked"] for c in told["canaries"]) == 8


def test_a_gullible_judge_is_found_out_in_training():
    """A string that is paid more often than honest answers stops the run with a reason code."""
    settings = config(canaries={"per_batch": 16, "kinds": ["null"]})
    seen: list[list[str]] = []

    def train(judge: Judge) -> None:
        for step in range(20):
            seen.append([r.sample_id for r in judge.score(SAMPLES, step=step)])

    with Judge.from_config(settings, engine=ScriptedEngine(gullible)) as judge, pytest.raises(MonitorStop) as stopped:
        train(judge)
    assert "constant_string_wins" in stopped.value.codes
    assert all(ids == [s.id for s in SAMPLES] for ids in seen)
