"""Whether a recipe shows the question at all, and where it is in what a framework passes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judge.adapters.convert import prompt_of
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.types import Message

QUESTION_KEYS = ("question", "prompt", "problem", "query", "messages", "raw_prompt")
ABSENT = "(not given)"  # what stands for the question where no template shows it

_PRINTS = re.compile(r"\{\{[^{}]*\bprompt\b[^{}]*\}\}")


def shows_question(plan: Plan) -> bool:
    """Whether a judge of this run sees the prompt: `verifier` leaves it out by default, and needs none then.

    Example:
        >>> from judge.pipeline.build import plan
        >>> from judge.settings import RunSettings, load_settings
        >>> [shows_question(plan(load_settings({"recipe": r, "rubric": "helpfulness"})[0])) for r in ("verifier", "checklist")]
        [False, True]
    """
    recipe = plan.recipe
    if recipe.options.get("include_question") is not False and any(_PRINTS.search(t) for t in recipe.templates.values()):
        return True
    others = [*plan.members.values(), *((plan.second,) if plan.second else ())]
    return any(shows_question(other) for other in others)


def question_of(row: Mapping[str, Any], key: str | None, *, needed: bool, where: str, holder: str) -> str | tuple[Message, ...]:
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
        return ABSENT
    wanted = f"`{key}`" if key else "any of " + ", ".join(QUESTION_KEYS)
    raise DataError(
        f"{where}: the recipe shows the judge the question, and {holder} has not {wanted} (it has:"
        f" {', '.join(map(str, row)) or 'nothing'}); put the question there when you make the data set"
    )
