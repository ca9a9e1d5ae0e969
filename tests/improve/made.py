"""Pairs whose right answer can be seen, and judges that see it, or do not."""

from __future__ import annotations

import json
import re
from pathlib import Path

from judge.bench.items import BenchItem
from judge.engine.scripted import ScriptedEngine
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.types import Request, Sample


def pair(number: int, better: str = "It is right.", worse: str = "It is bad.", gold: float = 1.0) -> BenchItem:
    sample = Sample.of(f"Question {number}?", better, worse, id=f"q{number}")
    return BenchItem(sample, "", (gold,), sample.group_key, f"q{number}")


def pairs_file(folder: Path, count: int = 8) -> Path:
    """Labelled pairs, the better one named `right`, at either place."""
    rows = []
    for i in range(count):
        a, b = f"It is right, number {i}.", f"It is bad, and number {i} is long-winded about it."
        row = {
            "id": f"q{i}",
            "prompt": f"Question {i}?",
            "response_a": a if i % 2 == 0 else b,
            "response_b": b if i % 2 == 0 else a,
        }
        rows.append({**row, "label": "A" if i % 2 == 0 else "B"})
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rubric(*texts: str, **fields: object) -> Rubric:
    return Rubric.model_validate({"criteria": [{"id": f"c{i}", "text": t} for i, t in enumerate(texts)], **fields})


def settings(**fields: object) -> RunSettings:
    return RunSettings.model_validate({"engine": {"kind": "scripted", "reply": "unused"}, "recipe": "checklist", **fields})


def asked(request: Request) -> str:
    return "\n".join(message.text for message in request.messages)


def criterion_judge(says: dict[str, str], bare: str = "Score: 3") -> ScriptedEngine:
    """A judge of single criteria: `says` maps a criterion's text to words of a response that meet it ("*": all, "": none).

    Without a criterion in the question it says `bare`.
    """

    def reply(request: Request) -> str:
        text = asked(request)
        for criterion, word in says.items():
            if criterion in text:
                response = text.split("RESPONSE")[1] if "RESPONSE" in text else text
                met = word == "*" or (bool(word) and re.search(rf"\b{word}\b", response.replace(criterion, "")) is not None)
                return f"VERDICT: {'MET' if met else 'UNMET'}"
        return bare

    return ScriptedEngine(reply)
