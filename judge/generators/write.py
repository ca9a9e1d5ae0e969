"""Written rubrics -> the output folder.

- `rubrics.jsonl`: one line a row, kept or not, with everything needed to trace and to repeat it.
- `kept/*.yaml`: the kept rubrics, each loadable by path.
- `generate.json`: settings, counts by reason, seconds.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from judge.errors import OutputError
from judge.generators.run import Writer, Written
from judge.rubric.model import Rubric
from judge.rubric.show import rubric_yaml

_SAFE = re.compile(r"[^A-Za-z0-9_-]+")


def write_folder(folder: Path, writer: Writer, results: Sequence[Written], facts: dict[str, Any]) -> dict[str, Any]:
    """Write the three outputs and return the contents of `generate.json`.

    Args:
        facts: What the caller knows and the writer does not: data, settings, seconds.

    Raises:
        OutputError: Disk full, no permission.
    """
    try:
        kept = folder / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        for old in kept.glob("*.yaml"):
            old.unlink()
        files = _files(results)
        with (folder / "rubrics.jsonl").open("w", encoding="utf-8") as lines:
            for result, name in zip(results, files, strict=True):
                lines.write(json.dumps(record(result, writer, name), ensure_ascii=True) + "\n")
                if name and result.rubric is not None:
                    (kept / name).write_text(rubric_yaml(result.rubric), encoding="utf-8")
        summary = describe(writer, results) | facts
        (folder / "generate.json").write_text(json.dumps(summary, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{folder}: cannot be written: {why.strerror}; the replies so far are in its journal") from None
    return summary


def record(result: Written, writer: Writer, file: str | None = None) -> dict[str, Any]:
    """One line of `rubrics.jsonl`."""
    s = writer.sampling
    return {
        "id": result.id,
        "kept": result.kept,
        "reason": result.reason,
        "detail": result.detail,
        "rubric": rubric_dict(result.rubric) if result.rubric else None,
        "file": f"kept/{file}" if file else None,
        "untagged_items": result.untagged,
        "dropped_items": list(result.dropped),
        "merged_items": list(result.merged),
        "raw": result.generation.completion.text if result.generation else None,
        "finish_reason": result.generation.completion.finish_reason if result.generation else None,
        "request": result.generation.key if result.generation else None,
        "verdicts": [
            {"order": list(t.order), "winner": t.winner, "reason": t.reason, "request": t.key, "seed": t.seed, "raw": t.text}
            for t in result.trials
        ],
        "model": writer.engine.model,
        "sampling": asdict(s),
        "seed": s.seed,
        "generator": writer.generator.spec.name,
        "prompt_hash": writer.generator.template_hash,
    }


def rubric_dict(rubric: Rubric) -> dict[str, Any]:
    """The rubric as plain values, defaults left out: what a `rubric` column takes."""
    return {"name": rubric.name, **rubric.model_dump(mode="json", exclude_defaults=True)}


def describe(writer: Writer, results: Sequence[Written]) -> dict[str, Any]:
    """Counts, and what decided the rubrics."""
    calls = [call for result in results for call in result.calls]
    trial = writer.trial_plan
    return {
        "generator": {
            "name": writer.generator.spec.name,
            "hash": writer.generator.hash,
            "templates": writer.generator.template_hash,
        },
        "validation": {"recipe": trial.recipe.spec.name, "hash": trial.recipe.hash} if writer.generator.spec.validation else None,
        "model": writer.engine.model,
        "engine": dict(writer.engine.identity),
        "counts": {
            "rows": len(results),
            "kept": sum(result.kept for result in results),
            "by_reason": dict(Counter(result.reason for result in results).most_common()),
            "calls": sum(not call.cached for call in calls),
            "calls_from_journal": sum(call.cached for call in calls),
        },
    }


def _files(results: Sequence[Written]) -> list[str | None]:
    """A file name for each kept rubric, made of its id; equal ones are told apart by the row's position."""
    taken: set[str] = set()
    names: list[str | None] = []
    for position, result in enumerate(results):
        if not result.kept:
            names.append(None)
            continue
        stem = _SAFE.sub("-", result.id).strip("-")[:80] or "row"
        stem = f"{stem}-{position}" if stem.casefold() in taken or stem != result.id else stem
        taken.add(stem.casefold())
        names.append(f"{stem}.yaml")
    return names
