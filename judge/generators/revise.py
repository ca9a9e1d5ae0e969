"""Items of a pair that do not lead to its label are revised until they do: propose, evaluate, revise.

Auto-Rubric (arXiv:2510.17314, "Propose-Evaluate-Revise"). Ours: the evaluation asks in both orders, and a verdict that cannot be
read is none; the released code reads it, and a tie, as the first response.
"""

from __future__ import annotations

from dataclasses import replace

from judge.generators.refine import ReviseSpec
from judge.generators.work import KEPT, RejectedItem, RowWork, Unwritten, judgement, labelled_pair, read_list


async def revise(work: RowWork, spec: ReviseSpec) -> None:
    """Revise the items of one row. Raises `Unwritten` with the last judgement where no revision reproduces the label."""
    for round_ in range(spec.rounds + 1):
        pair = replace(work.sample, responses=labelled_pair(work.sample) or (), rubric=work.rubric())
        rewards = await work.judged(spec.recipe, pair, pair=True)
        reason, detail = judgement(rewards[0])
        work.scores["revisions"] = float(round_)
        if reason == KEPT:
            return
        if round_ == spec.rounds:
            raise Unwritten(reason, f"{detail}; after {round_} revision(s)")
        call = await work.ask_more("revise")
        found = read_list(call, work.spec)
        if isinstance(found, Unwritten):
            raise found
        left = {item.text for item in found.items}
        work.rejected += [RejectedItem(item.text, "revised", detail) for item in work.items if item.text not in left]
        work.found, work.listed = found, call
