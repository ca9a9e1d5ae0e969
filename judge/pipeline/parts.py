"""A question about several criteria whose reply leaves some of them open: those are asked about again, by themselves.

What a reply does state counts. A failed request is not sent again in parts: an engine that is busy would get more to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from judge.pipeline.calls import Asked, Caller
from judge.render.build import Ask, Case
from judge.types import NoVerdict, Reason, Verdict

OPEN = frozenset((
    Reason.EMPTY, Reason.MISSING, Reason.TRUNCATED, Reason.AMBIGUOUS, Reason.OFF_SCALE, Reason.WRONG_COUNT, Reason.UNCLEAR,
))  # fmt: skip
"""Reasons that are about what the judge wrote, so that a shorter question may be answered."""


async def completed(caller: Caller, case: Case, ask: Ask, answer: Asked, again: int) -> Asked:
    """An answer about several criteria, with the open ones asked about again.

    Args:
        again: How many more times.

    Returns:
        One answer about all criteria of `ask`, in their order; its calls are all that were made.
    """
    left = unstated(ask, answer)
    if not again or not left or len(ask.criteria) < 2:
        return answer
    sizes = [left] if len(left) < len(ask.criteria) else [left[: len(left) // 2], left[len(left) // 2 :]]
    parts = [replace(ask, criteria=tuple(c for c in ask.criteria if c.id in part)) for part in sizes]
    found = await asyncio.gather(*(caller.ask(case, part) for part in parts))
    done = await asyncio.gather(*(completed(caller, case, p, a, again - 1) for p, a in zip(parts, found, strict=True)))
    return joined(ask, [(ask, answer), *zip(parts, done, strict=True)])


def unstated(ask: Ask, answer: Asked) -> tuple[str, ...]:
    """Criteria about which a reply says nothing usable; none where the request failed, and none that the judge abstains on."""
    outcome = answer.outcome
    if isinstance(outcome, NoVerdict):
        return tuple(c.id for c in ask.criteria) if outcome.reason in OPEN else ()
    told: Mapping[str, object] = outcome.value if isinstance(outcome.value, dict) else {}
    return tuple(c.id for c, score in zip(ask.criteria, outcome.scores[0], strict=True) if score is None and c.id not in told)


def joined(ask: Ask, answers: Sequence[tuple[Ask, Asked]]) -> Asked:
    """Several answers as one about all criteria of `ask`; where two speak of a criterion, the later one had been asked for it."""
    value: dict[str, object] = {}
    scores: dict[str, float | None] = {}
    why: dict[str, NoVerdict] = {}
    verdicts = []
    for part, answer in answers:
        outcome = answer.outcome
        why |= answer.open
        if isinstance(outcome, NoVerdict):
            why |= {c.id: outcome for c in part.criteria}
            continue
        verdicts.append(outcome)
        value |= outcome.value if isinstance(outcome.value, dict) else {}
        stated = zip(part.criteria, outcome.scores[0], strict=True)
        scores |= {c.id: score for c, score in stated if score is not None or c.id in value}
    calls = tuple(call for _, answer in answers for call in answer.calls)
    if not verdicts:
        return replace(answers[0][1], calls=calls)
    whole = Verdict(
        {c.id: value[c.id] for c in ask.criteria if c.id in value},
        (tuple(scores.get(c.id) for c in ask.criteria),),
        forced=any(v.forced for v in verdicts),
        copied=next((v.copied for v in verdicts if v.copied is not None), None),
        entropy=_mean(verdicts, "entropy"),
        variance=_mean(verdicts, "variance"),
    )
    return Asked(whole, calls, open={name: reason for name, reason in why.items() if name not in scores})


def _mean(verdicts: Sequence[Verdict], name: str) -> float | None:
    known = [v for v in (getattr(verdict, name) for verdict in verdicts) if v is not None]
    return fmean(known) if known else None
