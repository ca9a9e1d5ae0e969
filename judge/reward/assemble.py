"""Cells of one response -> its reward, with how it was computed and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from judge.recipe.parts import Votes
from judge.records import quick
from judge.reward.fold import PASS, Folded, decisive, fold_criteria, fold_votes, spread
from judge.rubric.model import Rubric
from judge.types import Call, Flag, NoVerdict, Reason, Reward, Uncertainty, Verdict


@quick
@dataclass(frozen=True, slots=True)
class Cell:
    """One vote on one criterion of one response.

    Attributes:
        score: In [0, 1], 1 best; None when there is no verdict, and then `failure` says why.
        expected: The score under the judge's log-probabilities, where reported.
        entropy: Of the verdict distribution, nats.
        gap: |score in one order - score in the other|, where both were asked.
        variance: Of the score under the verdict distribution.
    """

    score: float | None
    failure: NoVerdict | None = None
    expected: float | None = None
    entropy: float | None = None
    forced: bool = False
    gap: float | None = None
    disagree: bool = False
    detail: str = ""
    variance: float | None = None


Cells = Mapping[str, Sequence[Cell]]  # component -> votes
FoldScores = Callable[[Mapping[str, float | None]], Folded]


def assemble(
    *,
    sample_id: str,
    group: str,
    response_index: int,
    cells: Cells,
    calls: Sequence[Call],
    flags: Sequence[Flag],
    rubric: Rubric | None,
    per_criterion: bool,
    votes: Votes,
    what: str = "one verdict",
    fold: FoldScores | None = None,
    skipped: Sequence[str] = (),
) -> Reward:
    """FoldScores votes, then criteria.

    Args:
        cells: Component -> one cell a vote; criteria checked by programs have one vote.
        per_criterion: Whether components are the rubric's criteria; otherwise there is one overall component, and
            programmatic criteria take part only as vetoes.
        what: What the one overall component is, for the explanation.
        skipped: Criteria that were not asked about, because one that was decides the reward.
        fold: Components -> reward, where they are neither criteria nor one overall grade: steps, a program's scores.
    """
    scores = {name: fold_votes([c.score for c in column], votes.fold, votes.quorum) for name, column in cells.items()}
    folded = _fold(scores, rubric, per_criterion, what, fold)
    notes = list(flags)
    if skipped and rubric is not None and (why := decisive(scores, rubric)):  # proof may have taken that verdict back
        folded = _without(why, skipped, rubric, folded)
        notes.append(Flag("decided_early", f"{len(skipped)} criteria were not asked about: {', '.join(skipped)}"))
    every = [cell for column in cells.values() for cell in column]
    if any(c.forced for c in every):
        notes.append(Flag("forced_verdict", "read from a constrained continuation"))
    if any(call.thinking and isinstance(call.outcome, Verdict) for call in calls):
        notes.append(Flag("forced_thinking", "its thinking had not ended, and was closed"))
    if any(call.again for call in calls):
        notes.append(Flag("asked_again", "the first reply stated no single verdict on the scale"))
    if folded.vetoed_by:
        notes.append(Flag("veto", f"criterion `{folded.vetoed_by}` failed", folded.vetoed_by))
    if folded.missing and folded.value is not None and not folded.vetoed_by:
        notes.append(
            Flag("partial", f"no verdict on {', '.join(folded.missing)}; {folded.coverage:.0%} of the importance is covered")
        )
    failure = None if folded.value is not None else _failure(cells, scores, folded, votes)
    return Reward(
        sample_id=sample_id,
        response_index=response_index,
        raw_reward=folded.value,
        failure=failure,
        components=scores,
        uncertainty=_uncertainty(cells, rubric, per_criterion, fold),
        flags=tuple(notes),
        calls=tuple(calls),
        explanation=folded.explanation if failure is None else _absent(failure),
        group=group,
    )


def _without(why: str, skipped: Sequence[str], rubric: Rubric, folded: Folded) -> Folded:
    """The fold of criteria of which some were left out, since one (`why`) decides the reward."""
    text = f"`{why}` failed, so the reward is 0; {len(skipped)} criteria were not asked about"
    how = "veto" if folded.vetoed_by else rubric.fold
    return Folded(0.0, 0.0, (), folded.coverage, folded.vetoed_by, f"{how}: {text}")


def _fold(
    scores: Mapping[str, float | None],
    rubric: Rubric | None,
    per_criterion: bool,
    what: str = "one verdict",
    fold: FoldScores | None = None,
) -> Folded:
    if per_criterion and rubric is not None:
        return fold_criteria(scores, rubric)
    open_vetoes = []
    for criterion in rubric.criteria if rubric else ():
        if not criterion.veto or criterion.id not in scores:
            continue
        score = scores[criterion.id]
        if score is None:
            open_vetoes.append(criterion.id)
        elif score < PASS:
            return Folded(0.0, vetoed_by=criterion.id, explanation=f"veto: `{criterion.id}` failed, so the reward is 0")
    if open_vetoes:
        return Folded(None, None, tuple(open_vetoes), explanation=f"no verdict on {', '.join(open_vetoes)}, a veto")
    if fold is not None:
        return fold(scores)
    value = scores.get("overall")
    return Folded(value, value, () if value is not None else ("overall",), explanation=what if value is not None else "")


def _failure(cells: Cells, scores: Mapping[str, float | None], folded: Folded, votes: Votes) -> NoVerdict:
    """The one reason for a missing reward: the judge's own where there is one, else what was incomplete."""
    blank = [name for name in folded.missing if name in cells] or [n for n, s in scores.items() if s is None]
    failures = {name: _column_failure(cells[name], votes) for name in blank}
    if not failures:
        return NoVerdict(Reason.INCOMPLETE, folded.explanation)
    reasons = Counter(f.reason for f in failures.values())
    if len(failures) == 1 and len(cells) == 1:
        return next(iter(failures.values()))
    if len(reasons) == 1 and len(failures) == len(cells):
        one = next(iter(failures.values()))
        return NoVerdict(one.reason, f"on every criterion: {one.detail}" if one.detail else "on every criterion")
    named = ", ".join(f"{name} ({f.reason})" for name, f in failures.items())
    return NoVerdict(Reason.INCOMPLETE, f"no verdict on {len(failures)} of {len(cells)} criteria: {named}")


def _absent(failure: NoVerdict) -> str:
    return f"no reward: {failure.reason}" + (f": {failure.detail}" if failure.detail else "")


def _column_failure(column: Sequence[Cell], votes: Votes) -> NoVerdict:
    failures = [c.failure for c in column if c.failure is not None]
    if len(column) == 1 and failures:
        return failures[0]
    if len(failures) == len(column) and len({f.reason for f in failures}) == 1:
        return failures[0]
    if not failures:
        return NoVerdict(Reason.AMBIGUOUS, f"{len(column)} votes have no majority")
    counts = ", ".join(f"{n} {reason}" for reason, n in Counter(f.reason for f in failures).most_common())
    return NoVerdict(Reason.LOW_QUORUM, f"{len(column) - len(failures)} of {len(column)} votes are valid ({counts})")


def _expected(cells: Cells, rubric: Rubric | None, per_criterion: bool, fold: FoldScores | None) -> float | None:
    """The reward from the probabilities of each verdict; a criterion that a program decides has its score."""
    programs = {c.id for c in rubric.criteria if c.check != "llm"} if rubric else set()
    expected = {
        name: fold_votes([c.score if name in programs and c.expected is None else c.expected for c in column])
        for name, column in cells.items()
    }
    return _fold(expected, rubric, per_criterion, fold=fold).value


def _uncertainty(cells: Cells, rubric: Rubric | None, per_criterion: bool, fold: FoldScores | None) -> Uncertainty:
    columns = list(cells.values())
    total = sum(map(len, columns))
    if not total:
        return Uncertainty()
    if total == 1:
        [[cell]] = columns
        expected = None if cell.expected is None else _expected(cells, rubric, per_criterion, fold)
        missing = 1.0 if cell.score is None else 0.0
        return Uncertainty(None, missing, expected, cell.entropy, cell.gap, cell.variance)
    most = max(map(len, columns))
    by_vote: list[float | None] = []
    for vote in range(most if most > 1 else 0):
        row = {n: (c[vote].score if len(c) > vote else c[-1].score) for n, c in cells.items()}
        by_vote.append(_fold(row, rubric, per_criterion, fold=fold).value)
    every = [c for column in columns for c in column]
    entropy = [c.entropy for c in every if c.entropy is not None]
    variance = [c.variance for c in every if c.variance is not None]
    gaps = [c.gap for c in every if c.gap is not None]
    heard = any(c.expected is not None for c in every)
    return Uncertainty(
        spread=spread(by_vote) if by_vote else None,
        missing=sum([c.score is None for c in every]) / total,
        expected=_expected(cells, rubric, per_criterion, fold) if heard else None,
        entropy=sum(entropy) / len(entropy) if entropy else None,
        order_gap=max(gaps) if gaps else None,
        variance=sum(variance) / len(variance) if variance else None,
    )
