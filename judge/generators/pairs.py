"""Programs that look at the pairs of all rows: which of them to write from, and which the rubric fails to explain.

Both hold rows: `support` those it may choose (`most` of them), `mine` all of them. Bound `mine` with `--limit`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from judge.generators.closing import Closing, Merged
from judge.generators.refine import MineSpec, SupportSpec
from judge.generators.rows import Drop, SourceRow, labelled_pair
from judge.generators.run import Writer, Written, row_problem, write_each
from judge.generators.work import KEPT, judgement
from judge.pipeline.evaluate import run_each
from judge.rubric.load import load_rubric
from judge.rubric.model import Rubric
from judge.types import Call, Reason

PairReasons = dict[int, tuple[str, str]]
"""Row -> `kept`, or why its label was not reproduced, and more for a person."""
Emit = Callable[[int, SourceRow, Written], None]
PlacedRow = tuple[int, SourceRow]


@dataclass(frozen=True, slots=True)
class _Margin:
    """How far a plain judge puts the chosen response above the rejected one, in [-1, 1]; None where it gave no grade."""

    value: float | None
    why: str
    calls: tuple[Call, ...]


async def deciding(writer: Writer, rows: Iterable[SourceRow], spec: SupportSpec, in_flight: int, emit: Emit) -> list[PlacedRow]:
    """The rows whose pairs decide, by position: smallest margins first chosen, as a support-vector machine keeps them.

    Support Vector Rubrics (arXiv:2606.08077, known to us by its abstract): pairs on or over the boundary define it, and the
    others repeat what these say. The margin, the plain judge and the number are ours. Rows that are not chosen are emitted.

    Raises:
        RubricError: The rubric of the plain judge cannot be loaded; before the first request.
    """
    rubric = load_rubric(spec.rubric)
    held: list[tuple[float, int, SourceRow, _Margin]] = []

    async def margin(unit: PlacedRow) -> _Margin | str:
        problem = row_problem(unit[1], writer.generator)
        return problem or await _margin(writer, unit[1], spec, rubric)

    async with aclosing(run_each(margin, enumerate(rows), in_flight=in_flight)) as finished:
        async for (place, row), found in finished:
            if isinstance(found, str):
                emit(place, row, Written(row.id, False, str(Reason.INVALID), found))
            elif found.value is None:
                emit(place, row, Written(row.id, False, str(Drop.NO_VERDICT), found.why, calls=found.calls))
            else:
                held.append((found.value, place, row, found))
                held.sort(key=lambda each: each[:2])
                for value, left, other, its in held[spec.most :]:
                    detail = f"margin {value:.3g}: {spec.most} pairs have smaller ones"
                    emit(left, other, Written(other.id, False, str(Drop.NOT_CHOSEN), detail, calls=its.calls))
                del held[spec.most :]
    return sorted((place, row) for _, place, row, _ in held)


async def _margin(writer: Writer, row: SourceRow, spec: SupportSpec, rubric: Rubric) -> _Margin:
    assert row.sample is not None  # noqa: S101  # the caller looked
    grades: list[float] = []
    calls: list[Call] = []
    for text in labelled_pair(row.sample) or ():
        (reward,) = await writer.judge(spec.recipe, replace(row.sample, responses=(text,), rubric=rubric, metadata={}))
        calls += reward.calls
        if reward.raw_reward is None:
            return _Margin(None, f"{reward.failure and reward.failure.reason}: no grade", tuple(calls))
        grades.append(reward.raw_reward)
    return _Margin(grades[0] - grades[1], "", tuple(calls))


async def mine(writer: Writer, rows: Iterable[SourceRow], spec: MineSpec, in_flight: int, emit: Emit, closing: Closing) -> Merged:
    """Write from some pairs, judge all under the merged rubric, and write again from those it fails to explain.

    Hypothesis mining in rounds; the rubric of the round that explains most is taken (ours: a later one may explain less).
    """
    valid: list[PlacedRow] = []
    for place, row in enumerate(rows):
        problem = row_problem(row, writer.generator)
        if problem:
            emit(place, row, Written(row.id, False, str(Reason.INVALID), problem))
        else:
            valid.append((place, row))
    written: dict[int, Written] = {}
    calls: dict[int, list[Call]] = {place: [] for place, _ in valid}
    merging: list[Call] = []
    best, best_reasons, left = Merged(None, "no_items", "no pair to write from"), PairReasons(), valid
    for round_ in range(spec.rounds):
        fresh = [each for each in left if each[0] not in written]
        batch = _drawn(fresh, spec.batch, writer.seed + round_)
        if not batch:
            break
        async with aclosing(write_each(writer, (row for _, row in batch), in_flight)) as finished:
            async for at, _, result in finished:
                place = batch[at][0]
                written[place] = result
                closing.add(place, result)
        merged = await closing.finish()
        merging += merged.calls
        if merged.rubric is None:
            best = best if best.rubric else merged
            continue
        reasons = await _explained(writer, valid, merged.rubric, spec, in_flight, calls)
        if best.rubric is None or _explains_more(reasons, best_reasons):
            best, best_reasons = _scored(merged, reasons), reasons
        left = [(place, row) for place, row in valid if reasons[place][0] not in (KEPT, Drop.NO_VERDICT)]
    for place, row in valid:
        emit(place, row, _outcome(row, written.get(place), best_reasons.get(place), tuple(calls[place])))
    return replace(best, calls=tuple(merging))


def _drawn(rows: list[PlacedRow], count: int, seed: int) -> list[PlacedRow]:
    """Some of the rows, in their order; the same under the same seed."""
    return rows if len(rows) <= count else sorted(random.Random(seed).sample(rows, count), key=lambda each: each[0])


async def _explained(
    writer: Writer, rows: list[PlacedRow], rubric: Rubric, spec: MineSpec, in_flight: int, calls: dict[int, list[Call]]
) -> PairReasons:
    """For each row, `kept` where both orders under the rubric prefer the chosen response; else why not."""

    async def one(unit: PlacedRow) -> tuple[str, str]:
        sample = unit[1].sample
        assert sample is not None  # noqa: S101  # only valid rows come here
        pair = replace(sample, responses=labelled_pair(sample) or (), rubric=rubric)
        rewards = await writer.judge(spec.recipe, pair, pair=True)
        calls[unit[0]] += rewards[0].calls
        return judgement(rewards[0])

    out: PairReasons = {}
    async with aclosing(run_each(one, rows, in_flight=in_flight)) as finished:
        async for (place, _), reason in finished:
            out[place] = reason
    return out


def _verdicts(reasons: PairReasons) -> dict[int, bool]:
    """Whether each row is explained, of those with a verdict: a judge that fails says nothing about the rubric."""
    return {place: reason == KEPT for place, (reason, _) in reasons.items() if reason != Drop.NO_VERDICT}


def _explains_more(reasons: PairReasons, best: PairReasons) -> bool:
    """Whether more rows are explained than before, of those with a verdict both times; any verdict is more than none."""
    now, before = _verdicts(reasons), _verdicts(best)
    both = now.keys() & before.keys()
    return sum(now[place] for place in both) > sum(before[place] for place in both) if before else bool(now)


def _scored(merged: Merged, reasons: PairReasons) -> Merged:
    """The share explained in the lineage; none where no row has a verdict."""
    verdicts = _verdicts(reasons)
    if merged.rubric is None or merged.rubric.lineage is None or not verdicts:
        return merged
    scores = {**merged.rubric.lineage.scores, "explained": round(sum(verdicts.values()) / len(verdicts), 6)}
    lineage = merged.rubric.lineage.model_copy(update={"scores": scores})
    return replace(merged, rubric=merged.rubric.changed(lineage=lineage))


def _outcome(row: SourceRow, written: Written | None, judged: tuple[str, str] | None, calls: tuple[Call, ...]) -> Written:
    """What one pair came to: what was written from it, and whether the merged rubric explains it."""
    if judged is None:
        return written or Written(row.id, False, str(Drop.UNEXPLAINED), "there is no merged rubric", calls=calls)
    reason, detail = judged
    told = "the merged rubric reproduces its label" if reason == KEPT else f"under the merged rubric: {reason}: {detail}"
    if written is not None:
        return replace(written, detail=written.detail or told, calls=(*written.calls, *calls))
    named = {KEPT: Drop.EXPLAINED, str(Drop.NO_VERDICT): Drop.NO_VERDICT}.get(reason, Drop.UNEXPLAINED)
    return Written(row.id, False, str(named), told, calls=calls)
