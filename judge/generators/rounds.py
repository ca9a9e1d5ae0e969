"""Programs that judge under the items and have them written again: `revise` on a pair, `tail` on the two best responses.

- Auto-Rubric (arXiv:2510.17314, "Propose-Evaluate-Revise"). Ours: the evaluation asks in both orders, and a verdict that cannot
  be read is none; the released code reads it, and a tie, as the first response.
- Chasing the Tail (arXiv:2509.21500, section "Refinement through differentiation"). Ours: a response whose verdicts cannot be
  read is in no comparison (the released code gives it 0); the list with the widest lead is taken, not the last one; growth is
  bounded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from judge.generators.refine import ReviseSpec, TailSpec
from judge.generators.rows import Drop, Unwritten, labelled_pair
from judge.generators.work import KEPT, RejectedItem, RowWork, judgement


async def tail(work: RowWork, spec: TailSpec) -> None:
    """Refine the items of one row. Raises `Unwritten` where they never tell the two best apart."""
    best_lead, best, listed, worse = -1.0, work.found, work.listed, "separates_less"
    for round_ in range(spec.rounds + 1):
        try:
            lead, top = await _two_best(work, spec)
        except Unwritten as why:
            if round_ == 0:
                raise
            work.lost += 1  # the list before it stands
            worse = why.reason
            break
        work.scores.setdefault("lead_before", lead)
        if lead > best_lead:
            best_lead, best, listed = lead, work.found, work.listed
        if lead >= spec.apart or round_ == spec.rounds:
            break
        call = await work.ask_more("refine", best=top, items={"min": work.spec.min, "max": spec.max})
        found = work.read_list(call, work.spec.model_copy(update={"max": spec.max}))
        if isinstance(found, Unwritten):  # the list before it stands
            work.lost += 1
            break
        work.found, work.listed = found, call
    left = {item.text for item in best.items} if best else set()
    work.rejected += [RejectedItem(item.text, worse) for item in work.items if item.text not in left]
    work.found, work.listed = best, listed
    work.scores["lead"] = best_lead
    if best_lead <= 0:
        raise Unwritten(str(Drop.NOT_SEPARATED), "the two best responses meet the same share of the items")


async def _two_best(work: RowWork, spec: TailSpec) -> tuple[float, list[dict[str, Any]]]:
    """By how much the best response leads the second, and both for the refining template."""
    rubric = work.rubric()
    samples = [replace(work.sample, responses=(r,), rubric=rubric) for r in dict.fromkeys(work.sample.responses)]
    rewards = await asyncio.gather(*(work.judged(spec.recipe, sample) for sample in samples))
    found = [(reward.raw_reward, place) for place, (reward,) in enumerate(rewards) if reward.raw_reward is not None]
    if len(found) < 2:
        failed = next(reward.failure for (reward,) in rewards if reward.raw_reward is None)
        raise Unwritten(str(Drop.NO_VERDICT), f"fewer than two responses could be scored: {failed and failed.reason}")
    (first, a), (second, b) = sorted(found, key=lambda each: (-each[0], each[1]))[:2]
    top = [
        {"name": name, "text": work.untrusted(samples[place].shown[0]), "met": round(100 * score)}
        for name, place, score in (("A", a, first), ("B", b, second))
    ]
    return first - second, top


async def revise(work: RowWork, spec: ReviseSpec) -> None:
    """Revise the items of one row. Raises `Unwritten` with the last judgement where no revision reproduces the label."""
    for round_ in range(spec.rounds + 1):
        pair = replace(work.sample, responses=labelled_pair(work.sample) or (), rubric=work.rubric())
        rewards = await work.judged(spec.recipe, pair, pair=True)
        reason, detail = judgement(rewards[0])
        work.scores["revisions"] = float(round_)
        if reason == KEPT:
            return
        if reason == Drop.NO_VERDICT or round_ == spec.rounds:  # a judge that fails says nothing to revise by
            raise Unwritten(reason, f"{detail}; after {round_} revision(s)")
        call = await work.ask_more("revise")
        found = work.read_list(call, work.spec)
        if isinstance(found, Unwritten):
            raise found
        left = {item.text for item in found.items}
        work.rejected += [RejectedItem(item.text, "revised", detail) for item in work.items if item.text not in left]
        work.found, work.listed = found, call
