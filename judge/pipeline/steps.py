"""Signals that are not one verdict on a response: a program's scores, and those of the steps of a response.

- A program runs in a thread, so one that waits (for a child process, for an encoder) holds up nobody else's calls.
- A step is a component, `step_1` to `step_n` in the order of the text, whichever way they were read. They are folded last, after
  votes and directions, so every step keeps its own score.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from judge.checks.programs import OVERALL, Check, is_score, plain_scores, total
from judge.errors import JudgeError, RecipeError
from judge.recipe.steps import STEP, Span, StepsSpec, find_steps, locate
from judge.render.build import Ask
from judge.reward.assemble import Cell, FoldScores
from judge.reward.fold import Folded
from judge.reward.process import fold_steps
from judge.rubric.model import Criterion
from judge.shape.process import merge_thoughts
from judge.types import NoVerdict, Reason, Sample
from judge.yamlfile import shown

NO_STEPS = NoVerdict(Reason.NO_STEPS, "the response has no step")


@lru_cache(maxsize=4096)
def step_criteria(count: int) -> tuple[Criterion, ...]:
    """One criterion a step; the text of a step is untrusted and stands in none of them."""
    return tuple(Criterion(id=f"{STEP}{n}", text=f"Step {n}.") for n in range(1, count + 1))


def step_asks(index: int, count: int, spec: StepsSpec) -> list[Ask]:
    """What is asked about the steps of one response, before votes."""
    criteria = step_criteria(count)
    if spec.ask == "each":
        return [Ask((index,), (c,), backwards=spec.backwards is True) for c in criteria]
    ask = Ask((index,), criteria)
    return [turned(ask) if spec.backwards is True else ask] if criteria else []


def turned(ask: Ask) -> Ask:
    """The same ask with the last step first."""
    return replace(ask, criteria=ask.criteria[::-1], backwards=True)


def fold_of(spec: StepsSpec) -> FoldScores:
    """The scores of the steps -> the reward."""

    def fold(scores: Mapping[str, float | None]) -> Folded:
        steps = [scores[name] for name in step_names(scores)]
        if not steps:
            ruled = scores.get(OVERALL)  # decided before any step was looked at
            missing: tuple[str, ...] = () if ruled is not None else (OVERALL,)
            return Folded(ruled, ruled, missing, explanation="" if missing else "by rule")
        values = np.array([np.nan if s is None else s for s in steps], dtype=np.float64)
        if spec.merge and not np.isnan(values).any():
            values = np.array([values[t.start : t.stop].mean() for t in merge_thoughts(values, spec.threshold)])
        how = "before_error" if spec.fold == "first_error" else spec.fold
        value = fold_steps(values, how, threshold=spec.threshold)
        if np.isnan(value):
            missing = tuple(name for name in step_names(scores) if scores[name] is None)
            return Folded(None, None, missing, explanation=f"no verdict on {', '.join(missing)}")
        words = f"{len(values)} thoughts of {len(steps)} steps" if spec.merge else f"{len(steps)} steps"
        return Folded(float(value), float(value), explanation=f"{spec.fold} of {words}")

    return fold


def step_names(scores: Mapping[str, Any]) -> list[str]:
    """Names of the components that are steps, in the order of the text."""
    numbered = [name for name in scores if name.startswith(STEP) and name.removeprefix(STEP).isdecimal()]
    return sorted(numbered, key=lambda name: int(name.removeprefix(STEP)))


def spans_of(raw: Sample, judged: Sample, index: int, spec: StepsSpec) -> tuple[tuple[int, int] | None, ...]:
    """Where the steps that were judged stand in the policy's own words as they came, its thinking included."""
    steps, spans = find_steps(judged.responses[index], spec, judged.steps)
    before, after = raw.texts[index], judged.texts[index]
    shift = before.rfind(after) if after else -1
    if shift >= 0:
        return tuple(None if s is None else Span(s.start + shift, s.stop + shift) for s in spans)
    return locate(before, steps)


# ---- programs ----------------------------------------------------------------------------------------------------


async def run_program(
    name: str, check: Check, sample: Sample, index: int, options: Mapping[str, Any], *, by_step: bool = False
) -> dict[str, list[Cell]]:
    """What a recipe's program says of one response, as cells of one vote; `overall` alone where it gives one score.

    Args:
        by_step: It may give a list, one score a step. Else a list has no meaning, and leaves no reward (`check_error`).

    Raises:
        RecipeError: It gave something that is no score.
    """
    given: Any
    try:
        if inspect.iscoroutinefunction(check):
            given = await check(sample, index, options)
        else:
            given = await asyncio.to_thread(_called, check, sample, index, options)
            if inspect.isawaitable(given):  # an async function behind a wrapper
                given = await given
    except JudgeError:
        raise
    except Exception as why:  # noqa: BLE001  # a user's program may raise anything, and one response must not stop the run
        return {OVERALL: [Cell(None, NoVerdict(Reason.CHECK_ERROR, f"program `{name}`: {type(why).__name__}: {why}"))]}
    given = plain_scores(given)
    if isinstance(given, list) and not by_step:
        what = (
            f"program `{name}` gave a list of {len(given)}; it gives one score in [0, 1], or several by name ({{'facts': 0.5}})"
        )
        return {OVERALL: [Cell(None, NoVerdict(Reason.CHECK_ERROR, what))]}
    if isinstance(given, list):
        given = {f"{STEP}{n}": score for n, score in enumerate(given, 1)} or None
    if not is_score(given):
        raise RecipeError(
            f"program `{name}` gave {shown(given)} for sample `{sample.id}`; a program gives a score in [0, 1], None when it"
            " cannot tell, a NoVerdict, or several scores by name"
        )
    if isinstance(given, Mapping):
        failed = NoVerdict(Reason.MISSING, f"program `{name}` cannot tell")
        return {part: [Cell(None, failed) if score is None else Cell(float(score))] for part, score in given.items()}
    counted = total(given)
    return {OVERALL: [Cell(None, counted) if isinstance(counted, NoVerdict) else Cell(counted)]}


def _called(check: Check, sample: Sample, index: int, options: Mapping[str, Any]) -> Any:
    """What the program gives. `StopIteration` cannot leave a thread: the one that awaits it would wait for ever."""
    try:
        return check(sample, index, options)
    except StopIteration as why:
        raise RuntimeError("StopIteration: `next(...)` found nothing; give it a default") from why
    except SystemExit as why:
        raise RuntimeError(f"it called sys.exit({why.code!r})") from why


def program_fold(names: Sequence[str]) -> FoldScores:
    """The scores of a program -> the reward: `overall`, or the mean of all that it gave."""

    def fold(scores: Mapping[str, float | None]) -> Folded:
        counted = total({name: scores[name] for name in names})
        if isinstance(counted, NoVerdict):
            missing = tuple(n for n in ([OVERALL] if OVERALL in names else names) if scores[n] is None)
            return Folded(None, None, missing, explanation=counted.detail)
        words = "the program's score" if OVERALL in names else f"the mean of the program's {len(names)} scores"
        return Folded(counted, counted, explanation=words)

    return fold


async def program_steps(
    name: str, check: Check, sample: Sample, index: int, options: Mapping[str, Any], spec: StepsSpec
) -> dict[str, list[Cell]]:
    """What a program says of each step: it sees the steps as `sample.steps`, and gives one score for each, in order."""
    steps, _ = find_steps(sample.responses[index], spec, sample.steps)
    if not steps:
        return {OVERALL: [Cell(None, NO_STEPS)]}
    cells = await run_program(name, check, replace(sample, steps=steps), index, options, by_step=True)
    if cells.keys() == {OVERALL} and cells[OVERALL][0].score is None:
        return cells
    wanted = [f"{STEP}{n}" for n in range(1, len(steps) + 1)]
    if sorted(cells) != sorted(wanted):
        raise RecipeError(
            f"program `{name}` gave {', '.join(cells)} for {len(steps)} steps of sample `{sample.id}`; it gives a list of one"
            " score a step, or scores named step_1, step_2, ..."
        )
    return cells
