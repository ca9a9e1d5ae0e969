"""All rows' items -> one rubric: near-duplicates left out, chosen by coding rate, merged by the model.

What is held is the text of each different item and how many rows said it, so memory grows with what is new and not with the
rows. Items said by more rows come first; equal counts go by the first row that said them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from judge.arrays import Floats
from judge.engine.encoder import Encoder, find_encoder
from judge.generators.as_rubric import item_views, rubric_of
from judge.generators.formulas import choose, reduced
from judge.generators.model import ClosingSpec, WritingTurn
from judge.generators.parse_items import ListedItem
from judge.generators.rows import SourceRow, Unwritten
from judge.generators.run import Writer, Written
from judge.generators.tags import plain
from judge.generators.work import RejectedItem, RowWork
from judge.rubric.matching import marks
from judge.rubric.merge import MOST_PARENTS
from judge.rubric.model import Rubric, content_hash
from judge.rubric.opposites import contrary
from judge.rubric.polarity import without_subject
from judge.types import Call, Sample

MOST_COMPARED = 5000  # different items that are compared by meaning, the most frequent first
ROUNDS = 8  # of merging parts of parts
TURN = "merge"


@dataclass(frozen=True, slots=True)
class Merged:
    """The one rubric of all rows, or why there is none.

    Attributes:
        items: Different items that went in.
        rejected: Items that were left out, and why.
    """

    rubric: Rubric | None
    reason: str = "kept"
    detail: str = ""
    items: int = 0
    rejected: tuple[RejectedItem, ...] = ()
    calls: tuple[Call, ...] = ()


@dataclass
class _Said:
    item: ListedItem
    first: int
    rows: int = 1


@dataclass
class Closing:
    """Gathers the items of kept rubrics, and makes one rubric of them at the end."""

    writer: Writer
    spec: ClosingSpec
    parents: list[tuple[int, str]] = field(default_factory=list)
    _said: dict[str, _Said] = field(default_factory=dict)

    def add(self, place: int, written: Written) -> None:
        """Take in what one row came to; `place` is its position."""
        if not written.kept or written.rubric is None:
            return
        self.parents.append((place, written.rubric.hash))
        for c in written.rubric.criteria:
            item = ListedItem(c.text, c.kind, True, c.title, c.weight, c.points, c.check, c.args, c.scale.anchors)
            known = self._said.get(plain(c.text))
            if known is None:
                self._said[plain(c.text)] = _Said(item, place)
            else:
                known.rows += 1
                if place < known.first:
                    known.item, known.first = item, place

    async def finish(self) -> Merged:
        """Make the one rubric."""
        ordered = [s.item for s in sorted(self._said.values(), key=lambda s: (-s.rows, s.first, plain(s.item.text)))]
        if not ordered:
            return Merged(None, "no_items", "no rubric was kept, so there is nothing to merge")
        items, rejected = self._different(ordered)
        calls: list[Call] = []
        if self.spec.user is not None:
            try:
                items = await self._merged(items, calls)
            except Unwritten as why:
                return Merged(None, why.reason, why.detail, len(ordered), tuple(rejected), tuple(calls))
        rejected += [RejectedItem(item.text, "beyond_max", f"at most {self.spec.max}") for item in items[self.spec.max :]]
        hashes = [name for _, name in sorted(self.parents)]
        try:
            rubric = rubric_of(
                items[: self.spec.max],
                self.writer.generator,
                self.writer.model,
                parents=tuple(dict.fromkeys(hashes))[:MOST_PARENTS],
                data_hash=content_hash(hashes),
            )
        except Unwritten as why:
            return Merged(None, why.reason, why.detail, len(ordered), tuple(rejected), tuple(calls))
        return Merged(rubric, items=len(ordered), rejected=tuple(rejected), calls=tuple(calls))

    def _different(self, items: list[ListedItem]) -> tuple[list[ListedItem], list[RejectedItem]]:
        """Without near-duplicates, then those that the coding rate chooses."""
        rejected = [RejectedItem(item.text, "not_compared", f"beyond {MOST_COMPARED}") for item in items[MOST_COMPARED:]]
        items = items[:MOST_COMPARED]
        if self.spec.similarity >= 1 and self.spec.coding_rate is None:
            return items, rejected
        vectors = sentence_vectors([without_subject(item.text) for item in items], find_encoder(self.spec.encoder))
        kept = unlike(vectors, self.spec.similarity, [_marks(item) for item in items], [item.text for item in items])
        rejected += [RejectedItem(items[i].text, "similar", items[near].text) for i, near in kept.items() if near != i]
        places = [i for i, near in kept.items() if near == i]
        if self.spec.coding_rate is not None:
            chosen = choose(reduced(vectors[places]), self.spec.coding_rate)
            taken = {places[i] for i in chosen}
            rejected += [RejectedItem(items[i].text, "coding_rate", "adds too little") for i in places if i not in taken]
            places = [places[i] for i in chosen]
        return [items[i] for i in places], rejected

    async def _merged(self, items: list[ListedItem], calls: list[Call]) -> list[ListedItem]:
        """Have the model merge a list, in parts where it is long, and the parts again."""
        for _ in range(ROUNDS):
            parts = [items[i : i + self.spec.chunk] for i in range(0, len(items), self.spec.chunk)]
            merged: list[ListedItem] = []
            for part in parts:
                merged += await self._merge(part, calls)
            if len(parts) == 1 or len(merged) >= len(items):
                return merged
            items = merged
        return items

    async def _merge(self, items: Sequence[ListedItem], calls: list[Call]) -> list[ListedItem]:
        grammar = self.writer.generator.spec.items.model_copy(
            update={"min": 1, "max": self.spec.max, "titles": self.spec.themes or self.writer.generator.spec.items.titles}
        )
        work = RowWork(self.writer, SourceRow("merge"), Sample("", ()))
        turn = WritingTurn(name=TURN, user=self.spec.user or "", system=self.spec.system)
        call = await work.ask(turn, rules=item_views(items, grammar), items={"min": 1, "max": self.spec.max})
        calls.append(call)
        found = work.read_list(call, grammar)
        if isinstance(found, Unwritten):
            raise found
        before = {plain(item.text): item for item in items}
        return [_with_weight(item, before.get(plain(item.text))) for item in found.items]


def _with_weight(item: ListedItem, before: ListedItem | None) -> ListedItem:
    """An item taken over word for word keeps its program and levels."""
    return item if before is None else replace(item, check=before.check, args=before.args, levels=item.levels or before.levels)


def sentence_vectors(texts: Sequence[str], encoder: Encoder) -> Floats:
    """One vector of length 1 for each text, shape (texts, dimensions)."""
    return np.array([encoder.encode(text).sentence for text in texts])


def _marks(item: ListedItem) -> Hashable:
    negative = item.kind == "pitfall" or (item.points or 0) < 0
    return marks(item.text, negative, item.check, item.args)


def unlike(vectors: Floats, similarity: float, marked: Sequence[Hashable], texts: Sequence[str] = ()) -> dict[int, int]:
    """For each vector, the earlier kept one that it is at least so near to (cosine); itself where there is none.

    Args:
        marked: What two items that are one have in common besides (`judge.rubric.matching.marks`); others are never one.
        texts: Two that differ in a word that turns the meaning are never one either (`judge.rubric.opposites.contrary`).

    Example:
        >>> unlike(np.array([[1.0, 0.0], [0.0, 1.0], [0.96, 0.28], [0.96, 0.28]]), 0.9, "aaab")
        {0: 0, 1: 1, 2: 0, 3: 3}
    """
    number: dict[Hashable, int] = {}
    codes = np.array([number.setdefault(mark, len(number)) for mark in marked])
    out: dict[int, int] = {}
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        alike = vectors[kept] @ vector if kept else np.zeros(0)
        alike = np.where(codes[kept] == codes[place], alike, -1.0) if kept else alike
        for at in np.flatnonzero(alike >= similarity - 1e-9) if texts else ():
            alike[at] = -1.0 if contrary(texts[kept[at]], texts[place]) else alike[at]
        nearest = int(np.argmax(alike)) if len(alike) else -1
        near = nearest >= 0 and alike[nearest] >= similarity - 1e-9
        out[place] = kept[nearest] if near else place
        if not near:
            kept.append(place)
    return out
