"""Criteria that too many responses satisfy are decomposed into finer ones; what overlaps, conflicts or prefers the weaker
response is filtered; what is left is weighed.

RRD (arXiv:2602.05125, "Recursive decompose-filter cycle"). Ours:

- An item enters only after it was tried on every response; one without a verdict on some response is rejected (`no_verdict`).
- Misalignment is decided by the row's label (the labelled responses are the stronger ones) and is not looked for without one.
- A filter's reply that says neither yes nor no rejects the proposal (`unfiltered`): nobody looked at it.
- A saturated item whose parts are all rejected stays: it tells nothing apart among these responses, and may among later ones.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from judge.generators.as_rubric import item_views, rubric_of
from judge.generators.formulas import whitened_weights
from judge.generators.model import NumberSpec
from judge.generators.parse_items import Items, ListedItem, parse_yes_no
from judge.generators.refine import DecomposeSpec
from judge.generators.rows import Drop, Unwritten
from judge.generators.tags import plain
from judge.generators.work import RejectedItem, RowWork, unusable
from judge.labels import truths_of
from judge.types import NoVerdict

WEIGHTS = NumberSpec(min=1, max=10)
PARTS = 2  # what one item is decomposed into


@dataclass(frozen=True, slots=True)
class _Tried:
    """An item and its score on each response, 1 best."""

    item: ListedItem
    scores: tuple[float | None, ...]

    @property
    def satisfied(self) -> float:
        """Share that satisfies it, of the responses with a verdict; NaN without one."""
        known = [s for s in self.scores if s is not None]
        return sum(s >= 0.5 for s in known) / len(known) if known else math.nan


async def decompose(work: RowWork, spec: DecomposeSpec) -> None:
    """Refine and weigh the items of one row. Raises `Unwritten` where the filters leave none."""
    kept: list[_Tried] = []
    for tried in await _try(work, spec, work.items):
        if await _passes(work, spec, tried, kept):
            kept.append(tried)
    if not kept:
        raise Unwritten(str(Drop.ALL_REJECTED), _why(work))
    waiting = deque(kept)
    while waiting and len(work.rejected) < spec.rejects and len(kept) < spec.max:
        parent = waiting.popleft()
        if not parent.satisfied > spec.saturated:
            continue
        parts = await _parts(work, spec, parent, kept)
        if parts:
            place = kept.index(parent)
            kept[place : place + 1] = parts
            work.rejected.append(
                RejectedItem(parent.item.text, "decomposed", f"{parent.satisfied:.0%} of the responses satisfy it")
            )
            waiting.extend(parts)
    assert work.found is not None  # noqa: S101  # there were items to try
    work.scores["saturated"] = sum(t.satisfied > spec.saturated for t in kept) / len(kept)
    kept = await _weighed(work, spec, kept)
    work.found = replace(work.found, items=tuple(t.item for t in kept))


async def _try(work: RowWork, spec: DecomposeSpec, items: tuple[ListedItem, ...]) -> list[_Tried]:
    """The score of each item on each response."""
    rubric = rubric_of(items, work.writer.generator, work.writer.model, row=work.row)
    samples = [replace(work.sample, responses=(r,), rubric=rubric) for r in work.sample.responses]
    rewards = await asyncio.gather(*(work.judged(spec.recipe, sample) for sample in samples))
    ids = [criterion.id for criterion in rubric.criteria]
    return [_Tried(item, tuple(r.components.get(name) for (r,) in rewards)) for item, name in zip(items, ids, strict=True)]


async def _passes(work: RowWork, spec: DecomposeSpec, tried: _Tried, kept: list[_Tried]) -> bool:
    """Whether an item passes the filters; if not, why is on record."""
    reason, detail = await _fault(work, spec, tried, kept)
    if reason:
        work.rejected.append(RejectedItem(tried.item.text, reason, detail))
    return not reason


async def _fault(work: RowWork, spec: DecomposeSpec, tried: _Tried, kept: list[_Tried]) -> tuple[str, str]:
    """Why an item does not pass, and more for a person; empty where it does. Programs first, then the model."""
    if None in tried.scores:
        return "no_verdict", "the judge gave none on some response"
    if _misaligned(tried, truths_of(work.sample.metadata, len(work.sample.responses))):
        return "misaligned", "it scores the weaker response higher than the stronger one"
    same = next((k.item.text for k in kept if plain(k.item.text) == plain(tried.item.text)), "")
    if same or not kept:
        return ("overlap", f"equal to: {same}") if same else ("", "")
    return await _by_the_model(work, spec, tried, kept)


def _misaligned(tried: _Tried, truths: Sequence[float | None]) -> bool:
    """Whether the mean score of the responses that the label calls better is below that of the others."""
    known = [(truth, score) for truth, score in zip(truths, tried.scores, strict=True) if score is not None]
    better = [score for truth, score in known if truth == 1]
    others = [score for truth, score in known if truth == 0]
    return bool(better and others) and sum(better) / len(better) < sum(others) / len(others)


async def _by_the_model(work: RowWork, spec: DecomposeSpec, tried: _Tried, kept: list[_Tried]) -> tuple[str, str]:
    shown = {"item": _view(work, tried), "others": item_views((k.item for k in kept), work.spec)}
    for reason in ("overlap", "conflict"):
        call = await work.ask_more(reason, **shown, overlap=round(100 * spec.overlap))
        said = None if isinstance(call.outcome, NoVerdict) else parse_yes_no(call.completion.text)
        if said is None:
            return "unfiltered", f"the reply about {reason} says neither yes nor no"
        if said:
            return reason, "by the model"
    return "", ""


async def _parts(work: RowWork, spec: DecomposeSpec, parent: _Tried, kept: list[_Tried]) -> list[_Tried]:
    """The finer items that pass the filters, beside those kept; none where the reply holds no two."""
    others = [k for k in kept if k is not parent]
    call = await work.ask_more("decompose", item=_view(work, parent), others=item_views((k.item for k in others), work.spec))
    found = work.read_list(call, work.spec.model_copy(update={"min": PARTS, "max": PARTS}))
    if not isinstance(found, Items):
        work.rejected.append(RejectedItem(parent.item.text, "not_decomposed", f"{found.reason}: {found.detail}"))
        return []
    parts: list[_Tried] = []
    for tried in await _try(work, spec, found.items):
        if await _passes(work, spec, tried, [*others, *parts]):
            parts.append(tried)
    return parts


async def _weighed(work: RowWork, spec: DecomposeSpec, kept: list[_Tried]) -> list[_Tried]:
    """Set the weights; an item whose weight comes to 0 is left out, and on record."""
    if spec.weights == "uniform":
        return kept
    if spec.weights == "assigned":
        return await _assigned(work, kept)
    verdicts = np.array([t.scores for t in kept], dtype=float).T
    weights = whitened_weights(verdicts)
    for tried, weight in zip(kept, weights, strict=True):
        if weight <= 0:
            work.rejected.append(RejectedItem(tried.item.text, "no_weight", "others say it better"))
    pairs = [(t, float(w)) for t, w in zip(kept, weights, strict=True) if w > 0]
    return [replace(t, item=replace(t.item, weight=round(w, 6))) for t, w in pairs]


async def _assigned(work: RowWork, kept: list[_Tried]) -> list[_Tried]:
    """Have the model weigh the items: the same list, with a number behind each."""
    call = await work.ask_more("weigh", current=item_views((t.item for t in kept), work.spec))
    if isinstance(call.outcome, NoVerdict):
        raise unusable(call)
    grammar = work.spec.model_copy(update={"min": 1, "max": max(len(kept), work.spec.max), "weights": WEIGHTS})
    found = work.read_list(call, grammar)
    if isinstance(found, Unwritten):
        raise found
    given = {plain(item.text): item.weight for item in found.items}
    if any(given.get(plain(t.item.text)) is None for t in kept):
        raise Unwritten("wrong_count", "the reply does not weigh every item once")
    return [replace(t, item=replace(t.item, weight=given[plain(t.item.text)])) for t in kept]


def _view(work: RowWork, tried: _Tried) -> dict[str, object]:
    return item_views([tried.item], work.spec)[0]


def _why(work: RowWork) -> str:
    first = work.rejected[0]
    return f"{len(work.rejected)} items rejected; the first as {first.reason}: {first.text}"
