"""Before the judge: the policy's thinking is taken off, programs decide what they can, and a text that is too long is cut."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from judge.checks.match import agrees
from judge.checks.programs import COMPARISONS, SLOW, Check, prepare, total
from judge.conversation import opened_thinking, thinking_apart, without_opening, without_thinking
from judge.errors import DataError, JudgeError
from judge.reward.assemble import Cell
from judge.rubric.model import PASSED, Criterion, Rubric
from judge.thinking import ends_thinking, may_hold
from judge.types import Conversation, Flag, Message, NoVerdict, Reason, ReasoningPart, Sample

_UNCLOSED = "the thinking never ends, so no answer follows it"
_COUNT = re.compile(r"\b\d[\d,]{2,}\b")


def prepared(sample: Sample, mode: str) -> tuple[Sample, dict[int, Flag]]:
    """A sample as this run judges it: without the policy's thinking, or with it as a part; a flag where it had some.

    Where the prompt opened the thinking and the response never ends it, all of the response is thinking.

    Args:
        mode: `strip` or `show`: the setting `thinking`.
    """
    flags: dict[int, Flag] = {}
    out: list[str | Conversation] = []
    opened = opened_thinking(sample.prompt)
    if opened:
        sample = replace(sample, prompt=without_opening(sample.prompt))
    for index, response in enumerate(sample.responses):
        if opened and type(response) is str and not ends_thinking(response):
            flags[index] = Flag("thinking_unclosed", _UNCLOSED, str(index))
            out.append("" if mode == "strip" else (Message("assistant", (ReasoningPart(response),)),))
            continue
        if type(response) is str and not may_hold(response):
            out.append(response)
            continue
        bare, thinking, closed = without_thinking(response)
        if closed and not thinking and _stray(bare, sample.reference):  # `<think></think>a`: a filter has to see the block
            out.append(response)
            continue
        if not closed:
            flags[index] = Flag("thinking_unclosed", _UNCLOSED, str(index))
        elif thinking and mode == "strip":
            size = f"{len(thinking):,} character{'s' * (len(thinking) != 1)}"
            detail = f"the policy's own thinking ({size}) is not shown to the judge"
            flags[index] = Flag("thinking_stripped", detail, str(index))
        out.append(bare if mode == "strip" else thinking_apart(response)[0])
    return (replace(sample, responses=tuple(out)) if tuple(out) != sample.responses else sample), flags


def _stray(rest: str | Conversation, reference: tuple[str, ...] | None) -> bool:
    """Whether what stands behind an empty thinking block is a letter or two that no reference holds."""
    if not isinstance(rest, str) or not reference or len(rest.strip()) > 3 or any(c.isdigit() for c in rest):
        return False
    return not any(agrees(rest.strip(), each) for each in reference)


async def run_programs(
    sample: Sample,
    alive: Sequence[int],
    rubric: Rubric | None,
    programs: Mapping[str, Check],
    cells: Mapping[int, dict[str, list[Cell]]],
    *,
    asks_criteria: bool,
) -> dict[int, tuple[Criterion, ...]]:
    """Enter what programs say into the cells; gives the criteria, by response, that a judge has to decide instead.

    A comparison of formulas and a run of code wait for another process, so they are done in a thread.

    Args:
        alive: Places of the responses that no filter has decided.
        cells: Of each of them, criterion -> votes; filled in.
        asks_criteria: Whether the recipe can be asked about one criterion.
    """
    unsure: dict[int, tuple[Criterion, ...]] = {}
    for i in alive:
        for criterion in rubric.criteria if rubric else ():
            if criterion.id not in programs:
                continue
            compares = criterion.check in COMPARISONS
            run = partial(_program_cell, programs[criterion.id], sample, i, criterion)
            cell = await asyncio.to_thread(run) if compares or criterion.check in SLOW else run()
            told = not (isinstance(cell.failure, NoVerdict) and cell.failure.reason is Reason.MISSING)
            if told or not compares or sample.reference is None or not asks_criteria:
                cells[i][criterion.id] = [cell]
            else:
                unsure[i] = (*unsure.get(i, ()), criterion)
    return unsure


def row_programs(sample: Sample, rubric: Rubric | None, run: Rubric | None = None) -> Mapping[str, Check]:
    """Programs of a rubric that came with the data: only the built-in ones, because data must not import code.

    Args:
        run: The rubric of the settings: the code that it names is known to be wanted.
    """
    trusted = {c.check for c in run.criteria} if run else set()
    for criterion in rubric.criteria if rubric else ():
        if ":" in criterion.check and criterion.check not in PASSED and criterion.check not in trusted:
            raise DataError(
                f"sample `{sample.id}`: criterion `{criterion.id}`: a rubric in the data may not name code (`{criterion.check}`)"
            )
    return prepare(rubric) if rubric else {}


def _program_cell(check: Check, sample: Sample, index: int, criterion: Criterion) -> Cell:
    try:
        score = check(sample, index, criterion.args)
    except JudgeError:
        raise
    except Exception as why:  # noqa: BLE001  # a user's program may raise anything, and one response must not stop the run
        return Cell(None, NoVerdict(Reason.CHECK_ERROR, f"check `{criterion.check}`: {type(why).__name__}: {why}"))
    counted = total(score)
    if isinstance(counted, NoVerdict):
        detail = f"check `{criterion.check}` cannot tell" if score is None else f"check `{criterion.check}`: {counted.detail}"
        return Cell(None, NoVerdict(counted.reason, detail))
    return Cell(1.0 - counted if criterion.negative else counted, None)


def cut(text: str, share: float) -> str:
    """The head and the tail of a text, `share` of it together, with a line between them that says what was left out."""
    keep = int(len(text) * share)
    if keep >= len(text):
        return text
    head = keep // 2
    return f"{text[:head]}\n[... {len(text) - keep:,} characters left out here ...]\n{text[len(text) - (keep - head) :]}"


def kept_share(refusal: str) -> float:
    """The share of the text to keep, from the token counts that a refusal states; 0.6 where it states none.

    Example:
        >>> round(kept_share("The maximum context length is 2048 tokens. However, your request has 4000 input tokens."), 2)
        0.41
    """
    counts = sorted({int(n.replace(",", "")) for n in _COUNT.findall(refusal)})
    if len(counts) < 2 or counts[-2] * 20 < counts[-1]:
        return 0.6
    return min(0.9, max(0.05, 0.9 * counts[-2] / counts[-1] - 0.05))
