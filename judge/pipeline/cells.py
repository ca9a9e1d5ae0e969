"""What a judge answered -> cells: one a vote, criterion and response, with 1 for best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from judge.filters.evidence import evidence
from judge.pipeline.calls import Asked
from judge.recipe.parts import Order
from judge.reward.assemble import Cell
from judge.rubric.model import Criterion, Rubric
from judge.types import Call, NoVerdict, Reason, Sample, Verdict


def cell_of(asked: Asked, index: int, column: int, criterion: Criterion | None, *, graded: bool = False) -> Cell:
    """One response and one criterion out of one answer, in "1 best".

    Args:
        graded: The scores are the expected ones.
    """
    outcome = asked.outcome
    if asked.lowest:
        return Cell(0.0)
    if isinstance(outcome, NoVerdict):
        return Cell(None, outcome)
    assert isinstance(outcome, Verdict)  # noqa: S101  # the only other outcome
    row = asked.calls[-1].order.index(index)
    score = outcome.scores[row][column]
    if score is None:
        known = asked.open.get(criterion.id) if criterion is not None else None
        return Cell(None, known or _no_score(outcome, criterion))
    expected = score if graded else outcome.expected
    if expected is not None and row and not graded:
        expected = 1.0 - expected if len(outcome.scores) == 2 else None
    if criterion is not None and criterion.negative:
        score, expected = 1.0 - score, None if expected is None else 1.0 - expected
    return Cell(score, None, expected, outcome.entropy, outcome.forced, variance=outcome.variance)


def _no_score(outcome: Verdict, criterion: Criterion | None) -> NoVerdict:
    """Why a cell of a verdict is empty: the judge abstained there, or left it out."""
    if criterion is None:
        return NoVerdict(Reason.MISSING, "left out")
    if isinstance(outcome.value, dict) and criterion.id in outcome.value:
        return NoVerdict(Reason.ABSTAINED, f"the judge says {outcome.value[criterion.id]} of `{criterion.id}`")
    return NoVerdict(Reason.MISSING, f"the judge left out `{criterion.id}`")


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


def combine(cells: Sequence[Cell], order: Order, *, graded: bool = False) -> Cell:
    """Several orders of one vote -> one cell. One order alone would carry the position bias, so all must be there.

    Args:
        graded: Scores are probabilities, which never agree to the last digit: orders disagree when they lie on two sides of 0.5.
    """
    if len(cells) == 1:
        return cells[0]
    scores = [c.score for c in cells if c.score is not None]
    if len(scores) < len(cells):
        return next(c for c in cells if c.score is None)
    gap = max(scores) - min(scores)
    apart = min(scores) < 0.5 < max(scores) if graded else gap > 0
    detail = f"{scores[0]:.3g} when shown in one order, {scores[1]:.3g} in the other"
    if len(scores) > 2:
        detail = f"{min(scores):.3g} to {max(scores):.3g} over {len(scores)} orders"
    if order == "both_agree" and apart:
        return Cell(None, NoVerdict(Reason.AMBIGUOUS, f"the orders disagree: {detail}"), gap=gap, disagree=True, detail=detail)
    return Cell(
        fmean(scores),
        None,
        _mean([c.expected for c in cells]),
        _mean([c.entropy for c in cells]),
        any(c.forced for c in cells),
        gap,
        apart,
        detail,
        _mean([c.variance for c in cells]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of all, and None where one is missing."""
    known = [v for v in values if v is not None]
    return fmean(known) if known and len(known) == len(values) else None


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
