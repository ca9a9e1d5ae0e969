"""What a trainer passes -> samples: messages or text, columns by name, the question, groups by content."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge.conversation import read_prompt, read_response
from judge.errors import DataError, InputError, did_you_mean
from judge.pipeline.build import Plan, needed_fields
from judge.pipeline.evaluate import UNREADABLE
from judge.pipeline.shape_checks import carried_columns
from judge.pipeline.shaping import LENGTHS
from judge.reference import ANSWER_KEYS, REFERENCE_COLUMNS, is_missing, read_documents, read_reference, reference_in, written
from judge.rubric.load import rubric_from
from judge.types import Conversation, Sample

logger = logging.getLogger("judge.adapters")

QUESTION_KEYS = ("question", "prompt", "problem", "query", "messages", "raw_prompt")
NOT_GIVEN = "(not given)"  # what stands for the question where no template shows it
SHOWN = ("context", "principle", "rubric", "exemplar")  # columns of these names become the field of the sample, as in `judge run`


def prompt_of(value: Any, where: str) -> str | Conversation:
    """A prompt as trainers pass it: text, or messages in any form that `judge.conversation` reads."""
    return read_prompt(value, f"{where}: the prompt")


def completion_of(value: Any, where: str) -> str | Conversation:
    """A completion as trainers pass it: text, or the assistant's messages with what tools and users said between them."""
    return read_response(value, f"{where}: the completion")


def listed(value: Any) -> Any:
    """An array, as some Parquet readers give lists, as a list."""
    return value.tolist() if hasattr(value, "tolist") else value


def messages_as_mappings(value: Any) -> Any:
    """Messages that are pydantic models (verifiers), as mappings; anything else as it is."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [m.model_dump() if hasattr(m, "model_dump") else m for m in value]


def references_in(columns: Mapping[str, Sequence[Any]], wanted: str | None, count: int) -> Sequence[Any]:
    """The reference of each row: the column asked for, else the first known one that holds something in that row.

    Example:
        >>> references_in({"reference": [None, ""], "answer": ["Paris", float("nan")]}, None, 2)
        ['Paris', None]

    Raises:
        DataError: The one asked for is not there.
    """
    if wanted is None:
        known = [name for name in (*REFERENCE_COLUMNS, "reward_model") if name in columns]
        return [reference_in({name: columns[name][row] for name in known}) for row in range(count)]
    if wanted not in columns:
        known = sorted(columns)
        raise DataError(f"no column `{wanted}` for the reference: the trainer passes {', '.join(known) or 'none'}")
    return columns[wanted]


def reference_of(value: Any, where: str = "the reference") -> tuple[str, ...] | None:
    """A reference as the trainer passes it, read as `judge run` reads a column of one (`judge.reference`)."""
    return read_reference(value, where)


LABEL_FIELDS = frozenset({"answer", "reference", "ground_truth", "question", "context", "principle", "rubric", "exemplar"})


def label_fields(label: Any) -> Mapping[str, Any]:
    """The fields of a label, which is all that some trainers pass of a row: a mapping, or JSON text of one with a known field.
    Else nothing: an answer may be JSON itself, or a set in braces.

    Example:
        >>> label_fields('{"answer": "Paris", "principle": "Be brief."}')["answer"]
        'Paris'
        >>> label_fields('{"x": 1}'), label_fields("{1, 2}"), label_fields("Paris")
        ({}, {}, {})
    """
    if isinstance(label, Mapping):
        return label
    if not isinstance(label, str) or not label.lstrip().startswith("{"):
        return {}
    try:
        read = json.loads(label)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) and not LABEL_FIELDS.isdisjoint(read) else {}


def label_reference(label: Any) -> tuple[str, ...] | None:
    """The reference that a label is or holds; an empty text is how OpenRLHF says that there is no label.

    Example:
        >>> label_reference('{"answer": "Paris"}'), label_reference("4"), label_reference("")
        (('Paris',), ('4',), None)
    """
    return reference_of(label_answer(label), "the label")


def label_answer(label: Any) -> Any:
    """What in a label is the reference: the fields that it holds, else the label itself."""
    fields = label_fields(label)
    if not fields:
        return label
    holds = any(not is_missing(fields.get(name)) for name in ANSWER_KEYS)
    return fields if holds or LABEL_FIELDS.isdisjoint(fields) else None  # a question, documents, and no answer


def sample_of(prompt: Any, completion: Any, reference: Any, *, identity: str, where: str) -> Sample:
    """One completion of a trainer as a sample with its group."""
    read = prompt_of(prompt, where)
    known = reference_of(reference, where)
    return Sample(prompt=read, responses=(completion_of(completion, where),), reference=known, id=identity)


# ---- the question -----------------------------------------------------------------------------------------------------


def shows_question(plan: Plan) -> bool:
    """Whether a judge of this run sees the prompt: `verifier` leaves it out by default, and needs none then.

    Example:
        >>> from judge.pipeline.build import plan
        >>> from judge.settings import RunSettings, load_settings
        >>> [shows_question(plan(load_settings({"recipe": r, "rubric": "helpfulness"})[0])) for r in ("verifier", "checklist")]
        [False, True]
    """
    return any(one.recipe.shows("prompt") for one in plan.judges)


def question_of(row: Mapping[str, Any], key: str | None, *, needed: bool, where: str, holder: str) -> str | Conversation:
    """The question in what a framework passes for one sample.

    Args:
        key: Where it is; None: the first of `QUESTION_KEYS` that is there.
        needed: Whether a template shows it.
        holder: What the framework calls `row`, for the message.

    Raises:
        DataError: It is not there, and the judge would have to grade an answer without its question.

    Example:
        >>> question_of({"question": "2+2?"}, None, needed=True, where="judge", holder="extra_info")
        '2+2?'
    """
    found = key if key is not None and row.get(key) is not None else None
    if key is None:
        found = next((name for name in QUESTION_KEYS if row.get(name) is not None), None)
    if found is not None:
        return prompt_of(row[found], f"{where}: {holder}[{found!r}]")
    if not needed:
        return NOT_GIVEN
    wanted = f"`{key}`" if key else "one of " + ", ".join(f"`{name}`" for name in QUESTION_KEYS)
    raise DataError(
        f"{where}: {holder} is missing the prompt, which the recipe shows the judge: add {wanted} when you make the data set"
        f" (found: {', '.join(map(str, row)) or 'nothing'})"
    )


# ---- a trainer's columns ----------------------------------------------------------------------------------------------


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

    A row that cannot be read gets no reward (`UNREADABLE`), and the others theirs.

    Raises:
        DataError: Naming the column that is missing.
    """
    if len(prompts) != len(completions):
        raise DataError(f"{where}: {len(prompts)} prompts and {len(completions)} completions")
    columns = {name: values for name, values in columns.items() if _aligned(values, len(prompts))}
    kept = carried_of(plan, columns, where)
    answers = references_in(columns, reference, len(prompts))
    names = needed_fields(plan)
    out = []
    for row, (prompt, completion, answer) in enumerate(zip(prompts, completions, answers, strict=True)):
        at = f"{where}: row {row}"
        carried = row_fields(plan, {n: columns[n][row] for n in names if n in columns})
        carried |= {name: columns[name][row] for name in kept}
        if lengths is not None:
            carried[LENGTHS] = lengths[row]
        try:
            sample = sample_of(prompt, completion, answer, identity=str(row), where=at)
            shown = shown_fields({n: columns[n][row] for n in SHOWN if n in columns}, at)
        except InputError as why:
            logger.warning("%s (this row has no reward)", why)
            sample, shown = _stands_for(prompt, answer, columns.get("context", {}), row), {}
            carried[UNREADABLE] = str(why)
        out.append(replace(sample, metadata=carried, **shown))
    return out


def carried_of(plan: Plan, row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What of a row no judge sees and the shaping chain works with.

    Raises:
        DataError: A column that the chain needs is missing.
    """
    must, may = carried_columns(plan.settings)
    for name in must:
        if name not in row:
            said = "reward.baselines" if name == plan.settings.reward.baselines else "reward.shape"
            near = did_you_mean(name, row)
            raise DataError(f"{where}: `{said}` names the column `{name}`, which the trainer does not pass{near}")
    return {name: row[name] for name in (*must, *may) if name in row}


def _stands_for(prompt: Any, answer: Any, context: Any, row: int) -> Sample:
    """A sample of the group that an unreadable row belongs to, as far as its other columns can be read."""
    try:
        sample = sample_of(prompt, "", answer, identity=str(row), where="")
        return replace(sample, context=read_documents(context[row])) if context else sample
    except InputError:
        return Sample(repr(prompt), ("",), id=str(row))


def shown_fields(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fields of a sample besides prompt, response and reference, from the columns of the same names.

    Example:
        >>> shown_fields({"context": "Paris is a city.", "principle": None}, "row 0")
        {'context': ('Paris is a city.',)}

    Raises:
        DataError, RubricError: Naming the column.
    """
    out: dict[str, Any] = {}
    if context := read_documents(row.get("context"), f"{where}, column context"):
        out["context"] = context
    out |= {name: written(row[name]) for name in ("principle", "exemplar") if not is_missing(row.get(name))}
    if not is_missing(rubric := listed(row.get("rubric"))):
        out["rubric"] = rubric_from(rubric, f"{where}, column rubric")
    return out


def row_fields(plan: Plan, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the recipes of a run show of a row besides the fields of a sample (`needs.fields`), for its metadata."""
    return {name: listed(row[name]) for name in needed_fields(plan) if not is_missing(row.get(name))}


def _aligned(values: Any, count: int) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and len(values) == count
