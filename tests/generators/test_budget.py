"""A sum of money limits `judge rubric generate` as it limits a run, and what was paid for is kept."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from judge.cli.generate import run_generator
from judge.engine.scripted import ScriptedEngine
from judge.errors import BudgetSpent
from judge.generators.model import load_generator
from judge.generators.run import SourceRow
from judge.settings import load_settings
from judge.types import Completion, Sample
from tests.cli_harness import run_judge

ONE = "1. The response is written as a letter. [Constraint]"
ENGINE = {"kind": "scripted", "reply": ONE, "price": {"input": 1.0, "output": 2.0}}


def costly(request):
    """A reply of 1,000 prompt and 100 completion tokens: 0.0012 dollars."""
    return Completion(ONE, prompt_tokens=1000, completion_tokens=100)


async def written(folder, engine, usd, window=1):
    settings = load_settings({"engine": ENGINE, "budget": {"usd": usd}, "max_in_flight": window})[0]
    rows = (SourceRow(f"r{i}", Sample.of(f"Write letter {i}.", id=f"r{i}")) for i in range(30))
    return await run_generator(load_generator("constraints"), settings, rows, folder, engine)


@pytest.mark.parametrize("window", [1, 4])
async def test_writing_stops_at_the_sum_and_goes_on_with_a_larger_one(tmp_path, window):
    """Ten calls are 0.0120 dollars: the eleventh is not made, a second start makes none, and each keeps what was paid for."""
    engine = ScriptedEngine(costly)
    for _ in range(2):
        with pytest.raises(BudgetSpent, match=r"budget of 0\.0119 USD is spent") as why:
            await written(tmp_path, engine, 0.0119, window)
        assert len(engine.requests) == 10
        assert len((tmp_path / "rubrics.jsonl").read_text().splitlines()) == len(list((tmp_path / "kept").iterdir())) == 10
        told = json.loads((tmp_path / "generate.json").read_text())
        assert (told["state"], told["cost"]["usd"]) == ("incomplete", pytest.approx(0.0120))
        assert "10 rows are done and 10 rubrics kept" in why.value.__notes__[0]
    told = await written(tmp_path, engine, 1.0, window)
    assert (told["state"], told["counts"]["kept"], len(engine.requests)) == ("finished", 30, 30)
    assert told["cost"]["usd"] == pytest.approx(0.0360)


def test_the_command_tells_the_cost_and_wants_a_price_for_a_sum(tmp_path):
    """A limit that nothing can be counted against is refused, and never ignored."""
    config, data = tmp_path / "c.yaml", tmp_path / "d.jsonl"
    data.write_text('{"prompt": "Write a letter."}\n')
    config.write_text(yaml.safe_dump({"engine": ENGINE}))
    command = ["rubric", "generate", "--method", "constraints", "--data", str(data), "--config", str(config), "--output"]
    ended = run_judge(*command, str(tmp_path / "a"))
    assert ended.code == 0
    assert re.search(r"\d tokens \(\d+ read, \d+ written\); \d\.\d{4} USD", ended.out)
    config.write_text(yaml.safe_dump({"engine": {"kind": "scripted", "reply": ONE}, "budget": {"usd": 1}}))
    ended = run_judge(*command, str(tmp_path / "b"))
    assert (ended.code, "`budget.usd` needs it" in ended.err) == (2, True)
