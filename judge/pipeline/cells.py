"""What a judge answered -> cells: one a vote, criterion and response, with 1 for best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from judge.filters.evidence import evidence
from judge.pipeline.calls import Asked
from judge.recipe.model import Order
from judge.reward.assemble import Cell
from judge.rubric.model import Criterion, Rubric
from judge.types import Call, NoVerdict, Reason, Sample, Verdict


def cell_of(asked: Asked, index: int, column: int, criterion: Criterion | None) -> Cell:
    """One response and one criterion out of one answer, in "1 best"."""
    outcome = asked.outcome
    if asked.lowest:
        return Cell(0.0)
    if isinstance(outcome, NoVerdict):
        return Cell(None, outcome)
    assert isinstance(outcome, Verdict)  # noqa: S101  # the only other outcome
    row = asked.calls[-1].order.index(index)
    score = outcome.scores[row][column]
    if score is None:
        return Cell(None, NoVerdict(Reason.MISSING, f"the judge left out `{criterion.id}`" if criterion else "left out"))
    expected = outcome.expected
    if expected is not None and row:
        expected = 1.0 - expected if len(outcome.scores) == 2 else None
    if criterion is not None and criterion.negative:
        score, expected = 1.0 - score, None if expected is None else 1.0 - expected
    return Cell(score, None, expected, outcome.entropy, outcome.forced)


def is_positive(asked: Asked, index: int, criteria: Sequence[Criterion]) -> bool:
    """Whether a verdict is above the lowest grade on anything it was asked about."""
    if isinstance(asked.outcome, NoVerdict):
        return False
    cells = (cell_of(asked, index, column, criterion) for column, criterion in enumerate(criteria or (None,)))
    return any(cell.score is not None and cell.score > 0 for cell in cells)


def unfounded(asked: Asked, sample: Sample) -> bool:
    """Whether a verdict comes with reasoning that points at nothing in the responses it was shown."""
    if not isinstance(asked.outcome, Verdict):
        return False
    reasoning = "\n".join(f"{c.completion.reasoning}\n{c.completion.text}" for c in asked.calls)
    return evidence(reasoning, tuple(sample.shown[i] for i in asked.calls[-1].order)) is False


def combine(cells: Sequence[Cell], order: Order) -> Cell:
    """Two orders of one vote -> one cell. One order alone would carry the position bias, so both must be there."""
    if len(cells) == 1:
        return cells[0]
    failed = next((c for c in cells if c.score is None), None)
    if failed is not None:
        return failed
    first, second = (c.score for c in cells)
    assert first is not None and second is not None  # noqa: S101, PT018  # the line above returned otherwise
    gap = abs(first - second)
    detail = f"{first:g} when shown in one order, {second:g} in the other"
    if order == "both_agree" and gap > 0:
        return Cell(None, NoVerdict(Reason.AMBIGUOUS, f"the orders disagree: {detail}"), gap=gap, disagree=True, detail=detail)
    expected = [c.expected for c in cells if c.expected is not None]
    entropy = [c.entropy for c in cells if c.entropy is not None]
    return Cell(
        (first + second) / 2,
        None,
        sum(expected) / 2 if len(expected) == 2 else None,
        sum(entropy) / 2 if len(entropy) == 2 else None,
        any(c.forced for c in cells),
        gap,
        gap > 0,
        detail,
    )


def in_rubric_order(cells: Mapping[str, list[Cell]], rubric: Rubric | None) -> Mapping[str, list[Cell]]:
    """Components as the rubric lists them, whichever was answered first."""
    if rubric is None or len(cells) < 2:
        return cells
    return {**{c.id: cells[c.id] for c in rubric.criteria if c.id in cells}, **cells}


def calls_in_order(calls: Sequence[Call], rubric: Rubric | None) -> Sequence[Call]:
    """Calls by criterion, vote and order; the turns of one ask stay as they were made."""
    if len(calls) < 2:
        return calls
    place = {c.id: i for i, c in enumerate(rubric.criteria)} if rubric else {}
    return sorted(calls, key=lambda call: (place.get(call.criteria[0], 0) if call.criteria else 0, call.vote, call.order))
