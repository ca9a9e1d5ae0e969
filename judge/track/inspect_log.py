"""A run folder -> an Inspect eval log: one sample a response, which `inspect view` shows and `read_eval_log` reads.

A missing reward is Inspect's own "unscored" (the value NaN and a reason): its metrics and reducers leave it out.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from judge.report.run_tables import RunTables
from judge.settings.track import TrackSettings

SCORER = "judge"


def write_inspect_log(tables: RunTables, settings: TrackSettings, figures: Mapping[str, float]) -> Path:
    """Write the log of a run to INSPECT_LOG_DIR, or to `inspect/` in the run folder; returns the file.

    Args:
        figures: Figures of the run; they become the metrics of the scorer `judge`.
    """
    log: Any = import_module("inspect_ai.log")
    run = tables.run
    created = datetime.fromtimestamp((tables.folder / "run.json").stat().st_mtime, UTC).isoformat(timespec="seconds")
    task = settings.name or f"{settings.project}-{(run.get('recipe') or {}).get('name', 'run')}"
    samples = list(_samples(tables, log))
    source = (run.get("data") or {}).get("source") or tables.folder.name
    spec = log.EvalSpec(
        created=created,
        task=task,
        dataset=log.EvalDataset(
            name=Path(source).name, location=source, samples=len(samples), sample_ids=[s.id for s in samples]
        ),
        model=f"judge/{run.get('model') or 'program'}",
        config=log.EvalConfig(epochs=1),
        metadata={"recipe": run.get("recipe"), "rubric": run.get("rubric"), "folder": str(tables.folder)},
    )
    written = log.EvalLog(
        status="success",
        eval=spec,
        results=_results(log, samples, figures),
        stats=log.EvalStats(started_at=created, completed_at=created),
        samples=samples,
    )
    folder = Path(os.environ.get("INSPECT_LOG_DIR") or tables.folder / "inspect")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{created.replace(':', '-')}_{task.replace('/', '-')}_{uuid.uuid4().hex[:12]}.eval"
    log.write_eval_log(written, str(path))
    return path


def _results(log: Any, samples: list[Any], figures: Mapping[str, float]) -> Any:
    scored = sum(sample.scores[SCORER].value == sample.scores[SCORER].value for sample in samples)  # NaN is not itself
    short = {name.removeprefix("judge/"): value for name, value in figures.items()}
    metrics = {name: log.EvalMetric(name=name, value=value) for name, value in short.items()}
    score = log.EvalScore(
        name=SCORER, scorer=SCORER, scored_samples=scored, unscored_samples=len(samples) - scored, metrics=metrics
    )
    return log.EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=[score])


def _samples(tables: RunTables, log: Any) -> Iterator[Any]:
    from inspect_ai.model import ModelOutput  # noqa: PLC0415  # an optional package
    from inspect_ai.scorer import Score  # noqa: PLC0415  # the same

    wanted = [n for n in tables.names if n.startswith("criterion.")]
    plain = ["id", "response_index", "reward", "raw_reward", "status", "reason", "detail", "explanation", "prompt", "response"]
    rows = tables.columns([*plain, "flags", "label", *wanted])
    for batch in rows.to_batches():
        for row in batch.to_pylist():
            yield log.EvalSample(
                id=f"{row['id']}[{row['response_index']}]",
                epoch=1,
                input=row.get("prompt") or "",
                target=_text(row.get("label")),
                output=ModelOutput.from_content(model="policy", content=row.get("response") or ""),
                scores={SCORER: _score(Score, row, wanted)},
            )


def _score(score: Any, row: Mapping[str, Any], criteria: list[str]) -> Any:
    extra = {"status": row["status"], "raw_reward": row["raw_reward"], "flags": _text(row.get("flags"))}
    extra |= {name: row[name] for name in criteria if row.get(name) is not None}
    if row["reward"] is None:
        said = ": ".join(part for part in (row["reason"], row["detail"]) if part)
        return score.unscored(reason="grader_failed", explanation=said or "no reward", metadata=extra)
    return score(value=row["reward"], explanation=row["explanation"], metadata=extra)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
