"""Votes and criteria -> one number.

- A missing verdict is None (NaN, where a function of your own gives one), and never takes part in arithmetic: it is counted, and
  decides through the quorum and the partial policy whether there is a reward at all.
- Every score here is "1 best": the polarity of pitfalls has been applied.
- Two denominators exist in the field and give different numbers for the same verdicts; both are here by name.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from judge.errors import DataError, RubricError
from judge.records import quick
from judge.rubric.model import Criterion, Rubric
from judge.types import Sample

VoteFold = Literal["mean", "median", "majority"]
PASS = 0.5  # a criterion passes at or above half its scale
SLACK = 1e-9  # 0.28 x 25 is a hair above 7, and 7 of 25 votes are a quorum of 0.28


@quick
@dataclass(frozen=True, slots=True)
class Folded:
    """One response's criteria, folded.

    Attributes:
        value: In [0, 1], or None: see `missing`.
        unclipped: The same before clipping to [0, 1] (HealthBench scores may be negative).
        missing: Ids of the criteria without a verdict.
        coverage: Share of the importance that has a verdict, in [0, 1].
        vetoed_by: Id of the veto criterion that failed, if one did.
        explanation: The arithmetic, for a person.
    """

    value: float | None
    unclipped: float | None = None
    missing: tuple[str, ...] = ()
    coverage: float = 1.0
    vetoed_by: str = ""
    explanation: str = ""


def fold_votes(votes: Sequence[float | None], how: VoteFold = "mean", quorum: float = 0.5) -> float | None:
    """Make one score of several votes on the same question.

    Args:
        votes: Scores in [0, 1]; None (or NaN) for a vote without a verdict.
        how: `mean`, `median`, or `majority` (the most common score; None when two are equally common).
        quorum: Least share of valid votes, in (0, 1].

    Returns:
        A score in [0, 1], or None below the quorum.

    Example:
        >>> fold_votes([1.0, 1.0, 0.0, None]), fold_votes([1.0, None, None]), fold_votes([1.0, 1.0, 0.0], "majority")
        (0.6666666666666666, None, 1.0)
    """
    valid = [v for v in votes if v is not None and not math.isnan(v)]
    if not valid or len(valid) < quorum * len(votes) - SLACK:
        return None
    if len(valid) == 1:
        return valid[0]
    if how == "median":
        return statistics.median(valid)
    if how == "majority":
        counts = Counter(valid).most_common(2)
        return None if len(counts) == 2 and counts[0][1] == counts[1][1] else counts[0][0]
    return math.fsum(valid) / len(valid)


def decided(votes: Sequence[float | None], planned: int) -> bool:
    """Whether a majority of `planned` votes can no longer change.

    Example:
        >>> decided([1.0, 1.0, 1.0], 5), decided([1.0, 1.0, 0.0], 5)
        (True, False)
    """
    counts = Counter(v for v in votes if v is not None and not math.isnan(v)).most_common(2)
    if not counts:
        return False
    second = counts[1][1] if len(counts) > 1 else 0
    return counts[0][1] > second + planned - len(votes)


def fold_criteria(scores: Mapping[str, float | None], rubric: Rubric) -> Folded:
    """Make one reward of the criteria of one response.

    - `weighted_mean` over `all_weights`: sum(w * s) / sum(w) (Rubrics as Rewards, arXiv:2507.17746).
    - `weighted_mean` over `positive_points`: (sum of points of what is met, negative ones included) / (sum of positive
      points), clipped to [0, 1] (HealthBench, arXiv:2505.08775, which clips only the mean over examples; the number
      before clipping is kept).
    - `all_pass`: 1 when every criterion passes (score >= 0.5), else 0.
    - `min`: the lowest score.
    - `harmonic_mean`: sum(w) / sum(w / s), 0 where a score is 0; of precision and recall with equal weights, their F1.

    A failed veto criterion makes the reward 0. A missing criterion makes it None, unless the rubric's partial policy
    allows the coverage; a missing veto criterion always makes it None.

    Args:
        scores: Criterion id -> score in [0, 1], 1 best; None (or NaN) without a verdict.
        rubric: Weights, fold, denominator and policy.

    Example:
        >>> rubric = Rubric.model_validate({"criteria": [
        ...     {"id": "a", "text": "x", "points": 10}, {"id": "b", "text": "y", "points": -5}]})
        >>> fold_criteria({"a": 1.0, "b": 0.0}, rubric).value  # a met (+10), fault b present (-5): 5 / 10
        0.5
    """
    scores = {name: None if score is None or math.isnan(score) else score for name, score in scores.items()}
    found = [(c, scores.get(c.id)) for c in rubric.criteria]
    present = [c for c, score in found if score is not None]
    missing = tuple([c.id for c, score in found if score is None])
    coverage = 1.0
    if missing:
        coverage = math.fsum(c.importance for c in present) / math.fsum(c.importance for c in rubric.criteria)
    for criterion, score in found:
        if score is not None and score < PASS and criterion.veto:
            return Folded(0.0, 0.0, missing, coverage, criterion.id, f"veto: `{criterion.id}` failed, so the reward is 0")
    blocked = any(c.veto and score is None for c, score in found) if missing else False
    if missing and (blocked or coverage < rubric.partial.min_coverage - SLACK or not present):
        return Folded(None, None, missing, coverage, "", f"no verdict on {', '.join(missing)}")
    valid = {c.id: float(scores[c.id]) for c in present}  # type: ignore[arg-type]  # None was filtered above
    return _fold(present, valid, rubric, missing, coverage)


def decisive(scores: Mapping[str, float | None], rubric: Rubric) -> str:
    """The criterion that decides the reward, whatever the others would come to: a failed veto, or a failed one of `all_pass`.

    Example:
        >>> rubric = Rubric.model_validate({"fold": "all_pass", "criteria": [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]})
        >>> decisive({"a": 1.0}, rubric), decisive({"b": 0.0}, rubric)
        ('', 'b')
    """
    failed = [c for c in rubric.criteria if (s := scores.get(c.id)) is not None and s < PASS]
    veto = next((c.id for c in failed if c.veto), "")
    return veto or (failed[0].id if failed and rubric.fold == "all_pass" else "")


def strict_completion(components: Sequence[Mapping[str, float | None]], required: Sequence[str] = ()) -> float | None:
    """Share of the responses that meet every required criterion: what a rising mean can hide.

    POW3R (arXiv:2605.20164) reports it beside the mean, since weights that follow the policy must not let the rest slip.

    Args:
        components: Of each response, criterion -> score in [0, 1]; None without a verdict.
        required: Criteria that count; empty: all that the response was judged on.

    Returns:
        In [0, 1], over the responses for which it can be told: a missing verdict leaves it open unless another criterion
        failed. None without such a response.

    Example:
        >>> strict_completion([{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": None}])
        0.5
    """
    told = []
    for scores in components:
        values = [scores.get(name) for name in required or scores]
        if any(v is not None and v < PASS for v in values):
            told.append(False)
        elif values and not any(v is None or math.isnan(v) for v in values):
            told.append(True)
    return sum(told) / len(told) if told else None


def _fold(
    criteria: Sequence[Criterion], scores: Mapping[str, float], rubric: Rubric, missing: tuple[str, ...], coverage: float
) -> Folded:
    if rubric.fold == "all_pass":
        passed = sum(scores[c.id] >= PASS for c in criteria)
        value = 1.0 if passed == len(criteria) else 0.0
        return Folded(value, value, missing, coverage, "", f"all_pass: {passed} of {len(criteria)} criteria pass")
    if rubric.fold == "min":
        worst = min(criteria, key=lambda c: scores[c.id])
        value = scores[worst.id]
        return Folded(value, value, missing, coverage, "", f"min: `{worst.id}` is lowest")
    if rubric.fold == "harmonic_mean":
        total = math.fsum(c.importance for c in criteria)
        zero = any(scores[c.id] == 0 for c in criteria)
        value = 0.0 if zero else min(1.0, total / math.fsum(c.importance / scores[c.id] for c in criteria))
        return Folded(value, value, missing, coverage, "", f"harmonic_mean of {len(criteria)} criteria, weight {total:g}")
    if rubric.effective_denominator == "positive_points":
        gained = math.fsum(c.importance * _stated(c, scores[c.id]) * (-1 if c.negative else 1) for c in criteria)
        total = math.fsum(c.importance for c in criteria if not c.negative)
        if total == 0:
            return Folded(None, None, missing, coverage, "", "no positive criterion has a verdict")
        unclipped = gained / total
        value = min(1.0, max(0.0, unclipped))
        return Folded(value, unclipped, missing, coverage, "", f"{gained:g} of {total:g} positive points")
    gained = math.fsum(c.importance * scores[c.id] for c in criteria)
    total = math.fsum(c.importance for c in criteria)
    value = min(1.0, gained / total)
    return Folded(value, value, missing, coverage, "", f"{gained:g} of {total:g} weight")


def _stated(criterion: Criterion, score: float) -> float:
    """The score as the judge stated it: 1 means the criterion, or the fault, is there."""
    return 1.0 - score if criterion.negative else score


def own_rubric(sample: Sample, fields: Mapping[str, Any]) -> Rubric | None:
    """The rubric that a sample brings, with what the run says about every fold; None where it brings none.

    Args:
        fields: `fold`, `denominator`, `partial`, as far as the run gives them.

    Raises:
        DataError: The two do not fit.
    """
    if sample.rubric is None or not fields:
        return sample.rubric
    try:
        return sample.rubric.changed(**fields)
    except RubricError as why:
        raise DataError(f"sample `{sample.id}`: the run's `reward` does not fit the sample's rubric: {why}") from None


def spread(values: Sequence[float | None]) -> float | None:
    """Standard deviation (population) of the valid values; None with fewer than two."""
    valid = [v for v in values if v is not None and not math.isnan(v)]
    return statistics.pstdev(valid) if len(valid) > 1 else None
