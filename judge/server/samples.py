"""What trainers and rankers send -> samples: what a row shows beside prompt and response; several responses to one prompt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from judge.adapters._shared.sample import QUESTION_KEYS, listed, prompt_of, row_fields, shown_fields
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.shape_checks import carried_columns
from judge.reference import read_reference
from judge.server.errors import APIError
from judge.server.state import State
from judge.server.wire import rubric_in
from judge.types import Conversation, Sample


def row_sample(
    prompt: str | Conversation,
    response: str | Conversation,
    reference: Any,
    row: Mapping[str, Any],
    *,
    where: str,
    rubrics: str,
    plan: Plan,
    name: str = "0",
) -> Sample:
    """One response with what its row shows the judge (`context`, `principle`, `rubric`, `exemplar`, the fields of the recipe),
    and with the columns that the shaping chain and `evolve` take, which no judge sees.

    Args:
        reference: In any form that `judge.reference` reads.
        rubrics: `client_rubrics` of the settings.
        name: Of the sample, in its request.

    Raises:
        APIError: 422: the rubric is wrong, or not allowed here.
    """
    try:
        known = read_reference(reference, "the reference")
        shown = shown_fields({k: v for k, v in row.items() if k != "rubric"}, where or "the row")
    except DataError as why:
        raise APIError(422, "bad_field", str(why), where=where) from None
    rubric = rubric_in(listed(row.get("rubric")), where, rubrics)
    carried = itertools.chain(*carried_columns(plan.settings))  # a column that is missing is told of when the rewards are shaped
    metadata = row_fields(plan, row) | {name: row[name] for name in carried if name in row}
    return Sample(prompt, (response,), reference=known, rubric=rubric, id=name, metadata=metadata, **shown)


def question_in(row: Mapping[str, Any], prompt: str | Conversation, *, where: str) -> str | Conversation:
    """What the judge is shown as the question: the row's own words for it, else the prompt that the policy read.

    Raises:
        APIError: 422: the row's question is neither text nor messages.
    """
    name = next((n for n in QUESTION_KEYS if row.get(n) is not None), None)
    if name is None:
        return prompt
    try:
        return prompt_of(row[name], f"{where}.{name}")
    except DataError as why:
        raise APIError(422, "bad_field", str(why), where=f"{where}.{name}") from None


def one_prompt(
    state: State,
    responses: Sequence[str | Conversation],
    make: Callable[[tuple[str | Conversation, ...], int], Sample],
    *,
    where: str,
) -> list[Sample]:
    """Responses to one prompt: one sample where the recipe shows them together, else a sample each, in one group.

    Args:
        make: Texts and a place -> the sample.

    Raises:
        APIError: 422: the recipe compares two.
    """
    mode = state.judge.plan.recipe.spec.mode
    together = state.judge.plan.settings.group is None and mode in ("pairwise", "listwise")
    if together and mode == "pairwise" and len(responses) != 2:
        message = f"this server's recipe compares 2 responses, and here are {len(responses)}"
        hint = "with `group: {schedule: round_robin}` in its settings it ranks any number"
        raise APIError(422, "wrong_count", message, where=where, hint=hint)
    return [make(tuple(responses), 0)] if together else [make((text,), place) for place, text in enumerate(responses)]
