"""A trainer's columns -> samples: one completion a row, its reference and what else the judge may see found by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge.adapters.convert import listed, reference_column, sample_of
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.shaping import LENGTHS
from judge.rubric.load import rubric_from
from judge.types import Sample

SHOWN = ("context", "principle", "rubric")  # columns of these names become the field of the sample, as in `judge run`


def samples_of(
    plan: Plan,
    prompts: Sequence[Any],
    completions: Sequence[Any],
    columns: Mapping[str, Any],
    *,
    where: str,
    reference: str | None = None,
    lengths: Sequence[int] | None = None,
) -> list[Sample]:
    """One sample a completion; all completions of a prompt have the same group name, which comes from its content.

    Args:
        columns: What else the trainer passes; only lists with one value a row count.
        where: What errors call the caller.
        reference: Column of the reference answer; None: the first known name that is there.
        lengths: Tokens of each completion, for steps of `reward.shape` that want them.

    Raises:
        DataError, RubricError: Naming the row, or the column that is missing.
    """
    if len(prompts) != len(completions):
        raise DataError(f"{where}: {len(prompts)} prompts and {len(completions)} completions")
    columns = {name: values for name, values in columns.items() if _aligned(values, len(prompts))}
    baselines = plan.settings.reward.baselines
    if baselines and baselines not in columns:
        raise DataError(f"{where}: `reward.baselines` names the column `{baselines}`, which the trainer does not pass")
    answers = columns[column] if (column := reference_column(columns, reference)) is not None else [None] * len(prompts)
    out = []
    for row, (prompt, completion, answer) in enumerate(zip(prompts, completions, answers, strict=True)):
        at = f"{where}: row {row}"
        sample = sample_of(prompt, completion, answer, identity=str(row), where=at)
        carried = {baselines: columns[baselines][row]} if baselines else {}
        if lengths is not None:
            carried[LENGTHS] = lengths[row]
        out.append(replace(sample, metadata=carried, **shown_fields({n: columns[n][row] for n in SHOWN if n in columns}, at)))
    return out


def shown_fields(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fields of a sample besides prompt, response and reference, from the columns of the same names.

    Example:
        >>> shown_fields({"context": "Paris is a city.", "principle": None}, "row 0")
        {'context': ('Paris is a city.',)}

    Raises:
        DataError, RubricError: Naming the column.
    """
    out: dict[str, Any] = {}
    if (context := listed(row.get("context"))) is not None:
        if not isinstance(context, str | list | tuple):
            raise DataError(f"{where}, column context: documents are text or a list of texts, not {type(context).__name__}")
        out["context"] = (context,) if isinstance(context, str) else tuple(map(str, context))
    if (principle := row.get("principle")) is not None:
        out["principle"] = str(principle)
    if (rubric := listed(row.get("rubric"))) is not None:
        out["rubric"] = rubric_from(rubric, f"{where}, column rubric")
    return out


def _aligned(values: Any, count: int) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and len(values) == count
