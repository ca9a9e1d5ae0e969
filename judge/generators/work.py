"""One row being written: what its requests show, what they said, and what came of it.

A row ends as a rubric or as a typed reason. What ends it early is raised here as `Unwritten` and becomes that reason in one
place (`judge.generators.run`); it never leaves this package.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from judge.generators.as_rubric import grounded, item_views, rubric_of
from judge.generators.model import Generator, ItemSpec, WritingTurn
from judge.generators.parse_items import Items, ListedItem, join_items, list_problem, parse_items
from judge.generators.rows import Drop, SourceRow, Unwritten, has, labelled_pair
from judge.generators.tags import plain
from judge.reference import reference_text
from judge.render.quoting import Untrusted, boundary
from judge.rubric.lint import spoken_to_judge
from judge.rubric.model import Rubric
from judge.thinking import strip_thinking
from judge.types import Call, Flag, Message, NoVerdict, Reward, Sample

VARIABLES = {
    "prompt": "the prompt (quote it)",
    "chosen": "the preferred response, or none (quote it)",
    "rejected": "the other response, or none (quote it)",
    "reference": "the reference answer, or none (quote it)",
    "context": "list of documents (quote each)",
    "responses": "the responses: .name and .text (quote .text)",
    "document": "the document asked about, in turns with `each: document` (quote it)",
    "response": "the response asked about, in turns with `each: response`: .name and .text",
    "items": "min and max number of items",
    "notes": "replies of earlier turns that read text, by name: a list each (quote each)",
    "drafts": "lists of items that an earlier turn with several replies wrote",
    "current": "the items so far: .number, .text, .title, .tag, .weight, .points",
    "item": "the item asked about, of programs that go item by item",
    "others": "the other items",
    "best": "the two best responses so far: .name, .text (quote it) and .met, the share of the items it meets",
    "overlap": "the share of the meaning at which two items say the same, in percent",
    "existing": "the texts of the row's own rubric",
    "rules": "the items of all rows that are to be merged",
}
KEPT = "kept"
_NOTHING = re.compile(r"[\s*_`]{0,20}NONE[\s*_`.]{0,20}")


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that a filter took out of a rubric, and why: `overlap`, `conflict`, `misaligned`, `saturated`, ..."""

    text: str
    reason: str
    detail: str = ""


class RowWriter(Protocol):
    """What a row needs of its writer."""

    generator: Generator
    seed: int
    model: str
    control_tokens: frozenset[str]

    async def ask(self, turn: WritingTurn, values: Mapping[str, Any], draw: int = 0) -> Call:
        """One request of a turn."""
        ...

    async def judge(self, recipe: str, sample: Sample, *, pair: bool = False) -> tuple[Reward, ...]:
        """Judge a sample by a recipe, with the writer's own model."""
        ...


@dataclass
class RowWork:
    """The state of one row.

    Attributes:
        found: The items so far; None before the first list.
        calls: Every request made for the row.
        listed: The call whose reply holds the items.
        lost: Replies of several of one kind that could not be used, where others could.
        dropped: Items that were dropped from lists that could not be used.
        tried: The last rubric made of the items, for a row that is not kept.
    """

    writer: RowWriter
    row: SourceRow
    sample: Sample
    found: Items | None = None
    calls: list[Call] = field(default_factory=list)
    listed: Call | None = None
    notes: dict[str, list[str]] = field(default_factory=dict)
    drafts: list[Items] = field(default_factory=list)
    rejected: list[RejectedItem] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    unchecked: tuple[str, ...] = ()
    lost: int = 0
    dropped: tuple[str, ...] = ()
    tried: Rubric | None = None

    def __post_init__(self) -> None:
        self._label = boundary(self.writer.seed, self.sample.prompt)
        self._base = self._row_values()
        self._examples = {plain(text) for text in self.writer.generator.examples}

    # ---- what templates may use ----------------------------------------------------------------------------------------

    def untrusted(self, text: str | tuple[Message, ...] | None) -> Untrusted | None:
        """A text of the row or of a model, for a template that quotes it."""
        return None if text is None else Untrusted(text, self._label, self.writer.control_tokens)

    def _row_values(self) -> dict[str, Any]:
        chosen, rejected = labelled_pair(self.sample) or (None, None)
        spec = self.writer.generator.spec.items
        shown = self.sample.shown
        return {
            "prompt": self.untrusted(self.sample.prompt),
            "chosen": self.untrusted(chosen),
            "rejected": self.untrusted(rejected),
            "reference": self.untrusted(reference_text(self.sample.reference)),
            "context": [self.untrusted(document) for document in self.sample.context],
            "responses": [
                {"name": chr(65 + i) if i < 26 else str(i + 1), "text": self.untrusted(t)} for i, t in enumerate(shown)
            ],
            "document": None,
            "response": None,
            "items": {"min": spec.min, "max": spec.max},
            "item": None,
            "others": [],
            "best": [],
            "overlap": 0,
            "rules": [],
            "existing": [c.text for c in self.sample.rubric.criteria] if self.sample.rubric else [],
        }

    def values(self, **more: Any) -> dict[str, Any]:
        """The values of one request."""
        return {
            **self._base,
            "notes": {
                turn.name: [self.untrusted(text) for text in self.notes.get(turn.name, ())]
                for turn in self.writer.generator.spec.steps
                if turn.reads == "text"
            },
            "drafts": [item_views(draft.items, self.spec) for draft in self.drafts],
            "current": item_views(self.found.items, self.spec) if self.found else [],
            **more,
        }

    @property
    def spec(self) -> ItemSpec:
        """The grammar of the items."""
        return self.writer.generator.spec.items

    @property
    def items(self) -> tuple[ListedItem, ...]:
        """The items so far."""
        return self.found.items if self.found else ()

    # ---- asking --------------------------------------------------------------------------------------------------------

    async def ask(self, turn: WritingTurn, draw: int = 0, **more: Any) -> Call:
        """One request, on record."""
        call = await self.writer.ask(turn, self.values(**more), draw)
        self.calls.append(call)
        return call

    async def ask_more(self, name: str, **more: Any) -> Call:
        """One request with a template of `more`."""
        return await self.ask(WritingTurn(name=name, user=self.writer.generator.spec.more[name]), **more)

    async def judged(self, recipe: str, sample: Sample, *, pair: bool = False) -> tuple[Reward, ...]:
        """Judge, on record."""
        rewards = await self.writer.judge(recipe, sample, pair=pair)
        seen = {id(call) for call in self.calls}
        self.calls += [c for r in rewards for c in r.calls if id(c) not in seen and not seen.add(id(c))]  # type: ignore[func-returns-value]  # each once
        return rewards

    async def turn(self, turn: WritingTurn) -> None:
        """Go through one turn of the file. Raises `Unwritten` where nothing of it can be used."""
        if any(not has(self.sample, what) for what in turn.when):
            return
        units: dict[str, list[dict[str, Any]]] = {
            "row": [{}],
            "document": [{"document": text} for text in self._base["context"]],
            "response": [{"response": each} for each in self._base["responses"]],
        }
        asks = [self.ask(turn, draw, **unit) for unit in units[turn.each] for draw in range(turn.draws)]
        calls = [await asks[0]] if len(asks) == 1 else await asyncio.gather(*asks)  # a task costs as much as reading a reply
        if turn.reads == "text":
            self.notes[turn.name] = self._told(calls)
        elif calls:
            self._list(calls, several=len(calls) > 1)

    def read_list(self, call: Call, spec: ItemSpec, *, nothing: bool = False) -> Items | Unwritten:
        """The items in one reply, or why there are none.

        Args:
            nothing: `NONE` is an answer: there is nothing to add.
        """
        if isinstance(call.outcome, NoVerdict):
            return unusable(call)
        if nothing and _NOTHING.fullmatch(strip_thinking(call.completion.text) or ""):
            return Items(())
        found = parse_items(call.completion.text, spec, self._unfit)
        if isinstance(found, Items):
            return found
        self.dropped += found.dropped
        return Unwritten(str(found.reason), found.detail)

    def _unfit(self, item: ListedItem) -> bool:
        """Whether an item speaks to the judge, or is an example of the prompt whose program's value does not stand in the row."""
        if spoken_to_judge(_all_of(item)):
            return True
        if plain(item.text) not in self._examples:
            return False
        return item.check == "llm" or not item.args or grounded(item, self.sample.prompt_text).check == "llm"

    def _told(self, calls: Sequence[Call]) -> list[str]:
        texts = [strip_thinking(c.completion.text) for c in calls if not isinstance(c.outcome, NoVerdict)]
        good = [text for text in texts if text and text.strip()]
        if calls and not good:
            raise unusable(calls[0])
        self.lost += len(calls) - len(good)
        return good

    def _list(self, calls: Sequence[Call], *, several: bool) -> None:
        spec = self.spec.model_copy(update={"min": 1}) if several else self.spec
        read = [(call, self.read_list(call, spec, nothing=self.writer.generator.spec.extends)) for call in calls]
        good = [(call, found) for call, found in read if isinstance(found, Items)]
        if not good:
            self.listed = calls[0]
            wrong = read[0][1]
            raise wrong if isinstance(wrong, Unwritten) else Unwritten("no_items")
        self.lost += len(read) - len(good)
        self.listed = good[0][0]
        self.drafts = [found for _, found in good]
        self.found = join_items(self.drafts, self.spec) if several else good[0][1]

    # ---- what came of it ------------------------------------------------------------------------------------------------

    def rubric(self) -> Rubric:
        """The items as a rubric. Raises `Unwritten` where they are none."""
        spec = self.writer.generator.spec
        given = self.sample.rubric if spec.extends else None
        wrong = list_problem(self.found, spec.final_items) if self.found and not (given and not self.found.items) else None
        if wrong or self.found is None:
            raise Unwritten(str(wrong.reason), wrong.detail) if wrong else Unwritten("no_items", "no turn wrote items")
        prompt = self.sample.prompt_text
        checked = [grounded(item, prompt) for item in self.found.items]
        self.unchecked = tuple(a.text for a, b in zip(self.found.items, checked, strict=True) if a.check != b.check)
        writer = self.writer
        self.tried = rubric_of(
            checked, writer.generator, writer.model, row=self.row, weights=self.weights, scores=self.scores, given=given
        )
        return self.tried


def _all_of(item: ListedItem) -> str:
    """What of an item a judge may be shown: a colon parts "VERDICT: MET" into title and text."""
    shown = f"{item.title}: {item.text}"
    return "\n".join((shown, *item.levels.values())) if item.levels else shown


def judgement(reward: Reward) -> tuple[str, str]:
    """(`kept` or why not, detail) out of the reward of the chosen response."""
    if reward.raw_reward == 1.0:
        return KEPT, ""
    if reward.raw_reward == 0.0:
        return Drop.LABEL_NOT_REPRODUCED, "both orders prefer the rejected response"
    failed: NoVerdict | None = reward.failure
    disagree: list[Flag] = [flag for flag in reward.flags if flag.name == "order_inconsistent"]
    if disagree or failed is None:
        return Drop.ORDERS_DISAGREE, disagree[0].detail if disagree else reward.explanation
    return Drop.NO_VERDICT, f"{failed.reason}: {failed.detail}"


def unusable(call: Call) -> Unwritten:
    """Why a reply cannot be used."""
    if isinstance(call.outcome, NoVerdict):
        return Unwritten(str(call.outcome.reason), call.outcome.detail)
    return Unwritten("thinking_only", "the thinking never ends")
