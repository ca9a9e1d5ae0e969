"""Rows -> rubrics: write one for each row, try it on the pair it came from, keep the lineage of every one.

- One engine has both roles. All rows are in flight together, and a row's validation starts as soon as its rubric is
  written: there is no barrier between the two phases. Rows are taken as there is room, so memory does not grow with them.
- Requests go through the journal of the run, so a second run asks only for what is new or failed.
- A rubric that does not reproduce the label in both orders is not a bad rubric with a low score: it is not kept, and
  the reason is written down.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

from judge.engine.protocol import Engine
from judge.errors import BudgetSpent, SettingsError
from judge.generators.decompose import decompose
from judge.generators.model import Generator, WritingTurn
from judge.generators.rounds import revise, tail
from judge.generators.rows import Drop, SourceRow, Unwritten, has, labelled_pair
from judge.generators.work import KEPT, VARIABLES, RejectedItem, RowWork, judgement
from judge.labels import preferred
from judge.parse import failure
from judge.pipeline.build import Plan, build_pipeline, plan
from judge.pipeline.calls import Caller, Journal
from judge.pipeline.evaluate import Unpaid, run_each
from judge.pipeline.flight import Flight
from judge.pipeline.pipeline import Pipeline
from judge.render.environment import Templates
from judge.rubric.model import Rubric
from judge.rubric.per_prompt import prompt_key
from judge.settings import FilterSettings, RecipeSettings, RunSettings
from judge.types import Call, Message, Reason, Request, Reward, Sample, Sampling, TextPart, Verdict

TURN = "generate"


@dataclass(frozen=True, slots=True)
class OrderTrial:
    """One order of the validation. `winner` is `chosen`, `rejected`, or None with the `reason`."""

    order: tuple[str, str]
    winner: str | None
    reason: str | None
    key: str
    seed: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """What one row came to.

    Attributes:
        reason: `kept`, or why not: a `Drop`, an `Unreadable`, or a `judge.types.Reason`.
        rubric: The rubric, kept or not; None where none could be read.
        untagged: Items whose kind or number was not stated.
        dropped, merged: Items that could not be used, and repetitions.
        rejected: Items that a filter took out, and why.
        unchecked: Items that named a program with a value that is not in the prompt; a judge decides them.
        prompt_key: Name of the row's prompt (`judge.rubric.per_prompt`); empty where the row could not be read.
        generation: The call whose reply holds the items.
        calls: Every request made.
    """

    id: str
    kept: bool
    reason: str
    detail: str = ""
    rubric: Rubric | None = None
    untagged: int = 0
    dropped: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    reworded: int = 0
    rejected: tuple[RejectedItem, ...] = ()
    unchecked: tuple[str, ...] = ()
    lost: int = 0
    trials: tuple[OrderTrial, ...] = ()
    generation: Call | None = None
    calls: tuple[Call, ...] = ()
    prompt_key: str = ""


class Writer:
    """Writes rubrics by one generator, with one started engine and one journal.

    Raises:
        SettingsError, RecipeError, CapabilityError: Generator, templates or validation recipe do not fit.
    """

    def __init__(self, generator: Generator, settings: RunSettings, engine: Engine, journal: Journal | None = None) -> None:
        self.generator = generator
        self.engine = engine
        self.settings = settings
        self.seed = settings.seed
        self.model = engine.model
        self.control_tokens = engine.control_tokens
        self.sampling = _sampling(generator, settings)
        self._sampling = check_draws(generator, settings)
        self._plain = {name: asdict(sampling) for name, sampling in self._sampling.items()}
        self._journal = journal
        self._flight = Flight(0)
        self._templates = Templates(generator.folder, generator.templates, engine.control_tokens, variables=VARIABLES)
        self._pipelines: dict[tuple[str, bool], tuple[Plan, Pipeline]] = {}
        recipe = generator.spec.validation.recipe if generator.spec.validation else "pairwise"
        self.trial_plan = self._bound(recipe, pair=True)[0]
        self._caller: Caller = self._bound(recipe, pair=True)[1].caller
        spec = generator.spec
        for program, pair in (
            (spec.tail, False), (spec.decompose, False), (spec.support, False), (spec.revise, True), (spec.mine, True),
        ):  # fmt: skip
            if program is not None:  # a wrong recipe is told of before the first request
                self._bound(program.recipe, pair=pair)

    async def write(self, row: SourceRow) -> Written:
        """Write and try one rubric. Raises only errors that end the run."""
        problem = row_problem(row, self.generator)
        if row.sample is None or problem:
            return Written(row.id, False, str(Reason.INVALID), problem)
        work = RowWork(self, row, row.sample)
        try:
            await self._go(work)
            rubric = work.rubric()
        except Unwritten as why:
            return _written(work, why.reason, why.detail, work.tried)
        written = _written(work, KEPT, rubric=rubric)
        return await self._try(written, row.sample) if self.generator.spec.validation else written

    async def _go(self, work: RowWork) -> None:
        spec = self.generator.spec
        for turn in spec.steps:
            await work.turn(turn)
        if spec.revise is not None:
            await revise(work, spec.revise)
        elif spec.tail is not None:
            await tail(work, spec.tail)
        elif spec.decompose is not None:
            await decompose(work, spec.decompose)

    def request(self, sample: Sample, turn: WritingTurn | None = None) -> Request:
        """The exact request of a turn (the first) for one row, before anything was replied."""
        work = RowWork(self, SourceRow(sample.id, sample), sample)
        return self.compose(turn or self.generator.spec.steps[0], work.values())

    def compose(self, turn: WritingTurn, values: Mapping[str, Any], draw: int = 0) -> Request:
        """The exact request of a turn with these values; draw k has the seed + k."""
        system = turn.system or self.generator.spec.system
        messages = [Message("system", self._templates.render(system, values))] if system else []
        user = Message("user", self._templates.render(turn.user, values))
        sampling = self._sampling.get(turn.name, self.sampling)
        return Request((*messages, user), replace(sampling, seed=sampling.seed + draw) if draw else sampling)

    def sampling_of(self, call: Call | None) -> dict[str, Any]:
        """What a call was drawn with, as plain values; without a call, what the first turn draws with."""
        plain = self._plain.get(call.turn if call else self.generator.spec.steps[0].name) or asdict(self.sampling)
        return plain if call is None else {**plain, "seed": call.seed}

    async def ask(self, turn: WritingTurn, values: Mapping[str, Any], draw: int = 0) -> Call:
        """One request of a turn; a reply that stopped of itself is never asked for again, whatever it says."""
        request = self.compose(turn, values, draw)
        key = self._caller.key(request)
        found = self._journal.find(key) if self._journal is not None else None
        completion, shared = found, found is not None
        if completion is None:  # rows of one prompt ask the same: one of them does
            completion, shared = await self._flight.get(key, lambda: self.engine.complete(request))
        call = Call(key, turn.name, (0, 1), (), draw, request.sampling.seed, completion, failure(completion), shared)
        if self._journal is not None and not call.cached:
            self._journal.keep(call)
        return call

    async def judge(self, recipe: str, sample: Sample, *, pair: bool = False) -> tuple[Reward, ...]:
        """Judge a sample by a recipe with this model: a pair in both orders, which must agree; without filters."""
        return await self._bound(recipe, pair=pair)[1].judge(sample)

    def _bound(self, recipe: str, *, pair: bool) -> tuple[Plan, Pipeline]:
        if (recipe, pair) not in self._pipelines:
            made = plan(_trial_settings(self.settings, recipe, pair=pair))
            self._pipelines[recipe, pair] = (made, build_pipeline(made, self.engine, self._journal))
        return self._pipelines[recipe, pair]

    async def _try(self, written: Written, sample: Sample) -> Written:
        """Judge the pair under the rubric in both orders."""
        assert self.generator.spec.validation is not None  # noqa: S101  # the caller looked
        pair = replace(sample, responses=labelled_pair(sample) or (), rubric=written.rubric)
        rewards = await self.judge(self.generator.spec.validation.recipe, pair, pair=True)
        reason, detail = judgement(rewards[0])
        if reason in (KEPT, Drop.LABEL_NOT_REPRODUCED) and written.rubric is not None and written.rubric.lineage is not None:
            scores = {**written.rubric.lineage.scores, "label_reproduced": float(reason == KEPT)}
            lineage = written.rubric.lineage.model_copy(update={"scores": scores})
            written = replace(written, rubric=written.rubric.changed(lineage=lineage))
        calls = (*written.calls, *rewards[0].calls)
        return replace(written, kept=reason == KEPT, reason=reason, detail=detail, trials=_trials(rewards[0].calls), calls=calls)


async def write_each(
    writer: Writer, rows: Iterable[SourceRow], in_flight: int = 512, unpaid: Unpaid | None = None
) -> AsyncGenerator[tuple[int, SourceRow, Written]]:
    """Write a rubric for every row, at most `in_flight` at once: (position, row, what it came to), as each is done.

    Args:
        unpaid: Rows that the budget does not reach are left out, and the error is put there. None: it is raised.
    """

    async def one(unit: tuple[int, SourceRow]) -> Written | None:
        try:
            return await writer.write(unit[1])
        except BudgetSpent as why:
            if unpaid is None:
                raise
            unpaid.why = unpaid.why or why
            return None

    units = takewhile(lambda _: unpaid is None or unpaid.takes, enumerate(rows))
    async with aclosing(run_each(one, units, in_flight=in_flight)) as finished:
        async for (place, row), written in finished:
            if written is not None:
                yield place, row, written


async def write_all(writer: Writer, rows: Sequence[SourceRow], in_flight: int = 512) -> list[Written]:
    """The same, in the order of the rows."""
    out: dict[int, Written] = {}
    async with aclosing(write_each(writer, rows, in_flight)) as finished:
        async for place, _, written in finished:
            out[place] = written
    return [out[place] for place in range(len(rows))]


def rows_from(samples: Iterable[Sample | Any]) -> Iterator[SourceRow]:
    """Samples, and rows that are none (anything with `id` and `problem`), as rows, one by one."""
    for s in samples:
        yield SourceRow(s.id, s) if isinstance(s, Sample) else SourceRow(s.id, problem=s.problem)


def _written(work: RowWork, reason: str, detail: str = "", rubric: Rubric | None = None) -> Written:
    found = work.found
    return Written(
        work.row.id,
        reason == KEPT,
        reason,
        detail,
        rubric=rubric,
        untagged=sum(not item.tagged for item in work.items),
        dropped=found.dropped if found else work.dropped,
        merged=found.merged if found else (),
        reworded=sum(item.reworded for item in work.items),
        rejected=tuple(work.rejected),
        unchecked=work.unchecked,
        lost=work.lost,
        generation=work.listed or (work.calls[0] if work.calls else None),
        calls=tuple(work.calls),
        prompt_key=prompt_key(work.sample.prompt),
    )


def row_problem(row: SourceRow, generator: Generator) -> str:
    """Why nothing can be written from a row; empty where something can."""
    sample = row.sample
    if sample is None or row.problem:
        return row.problem or "the row could not be read"
    if not _asks(sample):
        return f"row `{row.id}` has an empty prompt: there is nothing to write a rubric for"
    missing = [name for name in generator.spec.needs if not has(sample, name)]
    if missing and missing[0] in ("chosen", "rejected"):
        return f"row `{row.id}` {_no_pair(sample)}"
    if missing:
        return f"row `{row.id}` has no {missing[0]}"
    if "responses" in generator.spec.needs and len(set(sample.shown)) < 2:
        return f"row `{row.id}` has one response; method {generator.method} compares two or more different ones"
    return "the two responses are equal" if labelled_pair(sample) and len(set(sample.shown)) == 1 else ""


def _no_pair(sample: Sample) -> str:
    """Why a row is no labelled pair: what it has, and what it would need."""
    needs = "it needs chosen and rejected, or response_a, response_b and label A or B"
    label, said = sample.metadata.get("label"), sample.metadata.get("preferred")
    if len(sample.responses) != 2:
        return f"is no labelled pair but has {len(sample.responses)} response(s): {needs}"
    if (preferred(label, 2) if said is None else said) == "tie":
        return f"is labelled as a tie ({label!r}): neither response is preferred, so there is nothing to learn from"
    what = "has no label" if label is None else f"has the label {label!r}, which does not say which response is better"
    return f"is no labelled pair: it {what}; {needs}"


def _asks(sample: Sample) -> bool:
    """Whether there is anything in the prompt."""
    if isinstance(sample.prompt, str):
        return bool(sample.prompt.strip())
    return any(part.text.strip() or not isinstance(part, TextPart) for message in sample.prompt for part in message.parts)


def _trials(calls: Sequence[Call]) -> tuple[OrderTrial, ...]:
    """The outcome of each order; a forced continuation stands for the call that it continues."""
    last: dict[tuple[int, ...], Call] = {}
    for call in calls:
        last[call.order] = call
    return tuple(_trial(call) for call in last.values())


def _trial(call: Call) -> OrderTrial:
    names = ("chosen", "rejected")
    shown = (names[call.order[0]], names[call.order[1]])
    winner, reason = None, None
    if isinstance(call.outcome, Verdict):
        scores = [row[0] for row in call.outcome.scores]
        winner = shown[0] if scores == [1.0, 0.0] else shown[1] if scores == [0.0, 1.0] else None
        reason = None if winner else "tie"
    elif call.outcome is not None:
        reason = str(call.outcome.reason)
    return OrderTrial(shown, winner, reason, call.key, call.seed, call.completion.text)


def check_draws(generator: Generator, settings: RunSettings) -> dict[str, Sampling]:
    """How each turn is drawn, by its name.

    Raises:
        SettingsError: Several replies of a turn would be copies of one.
    """
    found = {turn.name: _sampling(generator, settings, turn) for turn in generator.spec.steps}
    for turn in generator.spec.steps:
        if turn.draws > 1 and not found[turn.name].temperature:
            raise SettingsError(
                f"sampling.temperature: at 0 the {turn.draws} replies of turn `{turn.name}` of method `{generator.method}`"
                " would be copies of one; leave it out (each turn has its own), or set it above 0"
            )
    return found


def _sampling(generator: Generator, settings: RunSettings, turn: WritingTurn | None = None) -> Sampling:
    """The settings' values over the turn's, over the generator's."""
    layers = (generator.spec.sampling, *((turn.sampling,) if turn else ()), settings.sampling)
    merged = {k: v for layer in layers for k, v in layer.model_dump().items() if v is not None}
    return replace(Sampling(seed=settings.seed), **merged)


def _trial_settings(settings: RunSettings, recipe: str, *, pair: bool) -> RunSettings:
    """The run's settings for a judgement: both orders of a pair, one vote, no filters (they would decide without the rubric)."""
    if settings.on_over_length == "truncate":
        raise SettingsError("`on_over_length: truncate` would try a rubric on other texts than it was written from; leave it out")
    fields = {
        "recipe": RecipeSettings(name=recipe),
        "rubric": None,
        "order": "both_agree" if pair else None,
        "votes": None,
        "filters": FilterSettings(level="off", max_response_chars=settings.filters.max_response_chars),
    }
    return settings.model_copy(update=fields)


__all__ = ["Drop", "OrderTrial", "SourceRow", "Writer", "Written", "rows_from", "write_all", "write_each"]
