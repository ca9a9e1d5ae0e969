"""Rows -> rubrics: write one for each row, try it on the pair it came from, keep the lineage of every one.

- One engine has both roles. All rows are in flight together, and a row's validation starts as soon as its rubric is
  written: there is no barrier between the two phases.
- Requests go through the journal of the run, so a second run asks only for what is new or failed.
- A rubric that does not reproduce the label in both orders is not a bad rubric with a low score: it is not kept, and
  the reason is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from judge.engine.protocol import Engine
from judge.errors import SettingsError
from judge.generators.model import Generator
from judge.generators.parse_items import Items, NoItems, parse_items
from judge.parse import failure
from judge.pipeline.build import build_pipeline, plan
from judge.pipeline.calls import Journal
from judge.pipeline.evaluate import run_each
from judge.pipeline.pipeline import Pipeline
from judge.reference import reference_text
from judge.render.environment import Templates
from judge.render.quoting import Untrusted, boundary
from judge.rubric.load import rubric_from
from judge.rubric.model import Rubric
from judge.settings import FilterSettings, RecipeSettings, RunSettings
from judge.types import Call, Completion, Flag, Message, NoVerdict, Reason, Request, Reward, Sample, Sampling, Verdict

VARIABLES = {
    "prompt": "the prompt (quote it)",
    "chosen": "the preferred response, or none (quote it)",
    "rejected": "the other response, or none (quote it)",
    "reference": "the reference answer, or none (quote it)",
    "context": "list of documents (quote each)",
    "items": "min and max number of items",
}
TURN = "generate"


class Drop(StrEnum):
    """Why a rubric that could be read is not kept. Other reasons: `judge.types.Reason` and `Unreadable`."""

    LABEL_NOT_REPRODUCED = "label_not_reproduced"  # both orders prefer the rejected response
    ORDERS_DISAGREE = "orders_disagree"
    NO_VERDICT = "no_verdict"  # the judge gave none in one order or both


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What a rubric is written from. `problem` says why nothing can be, for a row that could not be read."""

    id: str
    sample: Sample | None = None
    problem: str = ""


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
        calls: Every request made, generation first.
    """

    id: str
    kept: bool
    reason: str
    detail: str = ""
    rubric: Rubric | None = None
    untagged: int = 0
    dropped: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    trials: tuple[OrderTrial, ...] = ()
    generation: Call | None = None
    calls: tuple[Call, ...] = ()


class Writer:
    """Writes rubrics by one generator, with one started engine and one journal.

    Raises:
        SettingsError, RecipeError, CapabilityError: Generator, templates or validation recipe do not fit.
    """

    def __init__(self, generator: Generator, settings: RunSettings, engine: Engine, journal: Journal | None = None) -> None:
        self.generator = generator
        self.engine = engine
        self.seed = settings.seed
        self.sampling = _sampling(generator, settings)
        self._journal = journal
        self._templates = Templates(generator.folder, generator.templates, engine.control_tokens, variables=VARIABLES)
        recipe = generator.spec.validation.recipe if generator.spec.validation else "pairwise"
        self.trial_plan = plan(_trial_settings(settings, recipe))
        self.pipeline: Pipeline = build_pipeline(self.trial_plan, engine, journal)

    async def write(self, row: SourceRow) -> Written:
        """Write and try one rubric. Raises only errors that end the run."""
        problem = row.problem or _problem(row, self.generator)
        if row.sample is None or problem:
            return Written(row.id, False, str(Reason.INVALID), problem)
        call = await self._generate(row.sample)
        if isinstance(call.outcome, NoVerdict):
            return Written(row.id, False, str(call.outcome.reason), call.outcome.detail, generation=call, calls=(call,))
        found = parse_items(call.completion.text, self.generator.spec.items)
        if isinstance(found, NoItems):
            return Written(row.id, False, str(found.reason), found.detail, generation=call, calls=(call,))
        written = Written(
            row.id,
            True,
            "kept",
            rubric=self._rubric(row, found),
            untagged=sum(not item.tagged for item in found.items),
            dropped=found.dropped,
            merged=found.merged,
            generation=call,
            calls=(call,),
        )
        return await self._try(written, row.sample) if self.generator.spec.validation else written

    def request(self, sample: Sample) -> Request:
        """The exact request for one row."""
        label = boundary(self.seed, sample.prompt)

        def untrusted(text: str | tuple[Message, ...] | None) -> Untrusted | None:
            return None if text is None else Untrusted(text, label, self.engine.control_tokens)

        chosen, rejected = _pair(sample) or (None, None)
        spec = self.generator.spec
        values: dict[str, Any] = {
            "prompt": untrusted(sample.prompt),
            "chosen": untrusted(chosen),
            "rejected": untrusted(rejected),
            "reference": untrusted(reference_text(sample.reference)),
            "context": [untrusted(document) for document in sample.context],
            "items": {"min": spec.items.min, "max": spec.items.max},
        }
        user = Message("user", self._templates.render(spec.user, values))
        system = [Message("system", self._templates.render(spec.system, values))] if spec.system else []
        return Request((*system, user), self.sampling)

    async def _generate(self, sample: Sample) -> Call:
        """The generator's reply; one that stopped of itself is never asked for again, whatever it says."""
        request = self.request(sample)
        key = self.pipeline.caller.key(request)
        found = self._journal.find(key) if self._journal is not None else None
        completion: Completion = found or await self.engine.complete(request)
        call = Call(key, TURN, (0, 1), (), 0, request.sampling.seed, completion, failure(completion), found is not None)
        if self._journal is not None and not call.cached:
            self._journal.keep(call)
        return call

    def _rubric(self, row: SourceRow, found: Items) -> Rubric:
        prefix = {"hard_rule": "rule"}
        counts: dict[str, int] = {}
        criteria = []
        for item in found.items:
            counts[item.kind] = counts.get(item.kind, 0) + 1
            name = f"{prefix.get(item.kind, item.kind)}-{counts[item.kind]}"
            criteria.append({"id": name, "text": item.text, "kind": item.kind})
        source = f"{self.generator.spec.name} {self.generator.hash}, model {self.engine.model}, row {row.id}"
        value = {"name": "generated", "source": source, "criteria": criteria}
        return rubric_from(value, f"rubric written for row {row.id}")

    async def _try(self, written: Written, sample: Sample) -> Written:
        """Judge the pair under the rubric in both orders."""
        pair = replace(sample, responses=_pair(sample) or (), rubric=written.rubric)
        rewards = await self.pipeline.judge(pair)
        reason, detail = _judgement(rewards[0])
        calls = (*written.calls, *rewards[0].calls)
        trials = _trials(rewards[0].calls)
        return replace(written, kept=reason == "kept", reason=reason, detail=detail, trials=trials, calls=calls)


async def write_all(
    writer: Writer, rows: Sequence[SourceRow], in_flight: int = 512, done: Callable[[Written], None] = lambda _: None
) -> list[Written]:
    """Write a rubric for every row, at most `in_flight` rows at once; results in the rows' order.

    Args:
        done: Called with each result as soon as it is there.
    """
    out: dict[int, Written] = {}

    async def one(index: int) -> Written:
        return await writer.write(rows[index])

    async with aclosing(run_each(one, range(len(rows)), in_flight=in_flight)) as finished:
        async for index, written in finished:
            out[index] = written
            done(written)
    return [out[index] for index in range(len(rows))]


def rows_from(samples: Iterable[Sample | Any]) -> list[SourceRow]:
    """Samples, and rows that are none (anything with `id` and `problem`), as rows."""
    return [SourceRow(s.id, s) if isinstance(s, Sample) else SourceRow(s.id, problem=s.problem) for s in samples]


def _pair(sample: Sample) -> tuple[str, str] | None:
    """(chosen, rejected); None when the sample is no labelled pair."""
    label = str(sample.metadata.get("preferred", sample.metadata.get("label", ""))).strip().upper()
    if len(sample.responses) != 2 or label not in ("A", "B"):
        return None
    first, second = sample.shown
    return (first, second) if label == "A" else (second, first)


def _problem(row: SourceRow, generator: Generator) -> str:
    sample = row.sample
    have: Mapping[str, bool] = {
        "chosen": sample is not None and _pair(sample) is not None,
        "rejected": sample is not None and _pair(sample) is not None,
        "reference": sample is not None and sample.reference is not None,
        "context": sample is not None and bool(sample.context),
    }
    missing = [name for name in generator.spec.needs if not have[name]]
    if not missing:
        return "" if _pair(sample) is None or len(set(sample.responses)) == 2 else "the two responses are equal"  # type: ignore[arg-type,union-attr]  # the row was read
    if missing[0] in ("chosen", "rejected"):
        return f"row `{row.id}` is no labelled pair: it needs chosen and rejected, or response_a, response_b and label A or B"
    return f"row `{row.id}` has no {missing[0]}"


def _judgement(reward: Reward) -> tuple[str, str]:
    """(`kept` or why not, detail) out of the reward of the chosen response."""
    if reward.raw_reward == 1.0:
        return "kept", ""
    if reward.raw_reward == 0.0:
        return Drop.LABEL_NOT_REPRODUCED, "both orders prefer the rejected response"
    failed: NoVerdict | None = reward.failure
    disagree: list[Flag] = [flag for flag in reward.flags if flag.name == "order_inconsistent"]
    if disagree or failed is None:
        return Drop.ORDERS_DISAGREE, disagree[0].detail if disagree else reward.explanation
    return Drop.NO_VERDICT, f"{failed.reason}: {failed.detail}"


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


def _sampling(generator: Generator, settings: RunSettings) -> Sampling:
    """The settings' values over the generator's."""
    layers = (generator.spec.sampling, settings.sampling)
    merged = {k: v for layer in layers for k, v in layer.model_dump().items() if v is not None}
    return replace(Sampling(seed=settings.seed), **merged)


def _trial_settings(settings: RunSettings, recipe: str) -> RunSettings:
    """The run's settings for the validation: both orders, one vote, and no filters (they would decide without the rubric)."""
    if settings.on_over_length == "truncate":
        raise SettingsError("`on_over_length: truncate` would try a rubric on other texts than it was written from; leave it out")
    fields = {
        "recipe": RecipeSettings(name=recipe),
        "rubric": None,
        "order": "both_agree",
        "votes": None,
        "filters": FilterSettings(level="off", max_response_chars=settings.filters.max_response_chars),
    }
    return settings.model_copy(update=fields)


__all__ = ["Drop", "OrderTrial", "SourceRow", "Writer", "Written", "rows_from", "write_all"]
