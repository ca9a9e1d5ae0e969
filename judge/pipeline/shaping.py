"""The shaping chain of a run, over its batches: rewards of many samples -> the same rewards with what a trainer gets.

It comes after the judge and after the monitor, which both see rewards in [0, 1]; only real rewards take part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judge.errors import DataError, Problem, RubricError, SettingsError, did_you_mean
from judge.reward.fold import fold_criteria, own_rubric
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.shape import KINDS, ChainState, RewardBatch, ShapeStep, alone, check_chain, needs, shape, span_of
from judge.types import Reward, Sample

LENGTHS = "response_tokens"  # metadata field: tokens of the response as the policy counts them
BROUGHT = ("texts", "prompts", "metadata", "lengths")  # what every batch can bring

OVERALL = "overall"  # the one component of a recipe that gives one grade

CountTokens = Callable[[str], int | None]


def check_shape(settings: RunSettings, rubric: Rubric | None, mode: str) -> None:
    """Refuse a chain that could not work on this run's rewards.

    Raises:
        SettingsError: Naming the step.
    """
    steps, reward = settings.reward.shape, settings.reward
    if why := _no_criteria(settings):
        problems = [Problem(place, f"takes scores of criteria, and {why}") for place, _ in _taken(steps)]
        if problems:
            raise SettingsError(problems)
    if mode != "checklist" and (idle := next((place for place, names in _taken(steps) if names is None), None)):
        raise SettingsError(f"{idle}: takes the scores of all criteria, and this recipe gives one grade; use a checklist recipe")
    known = _components(rubric, mode) if rubric is not None or mode != "checklist" else None
    without = {f"without {name}" for name in known} if known is not None and mode == "checklist" and len(known) > 1 else set()
    without |= {need for need in needs(steps) if need.startswith("without ")} if known is None else set()
    check_chain(steps, has=(*BROUGHT, *without, *(("references",) if reward.baselines else ())), components=known)
    if reward.baselines and "references" not in needs(steps):
        raise SettingsError("reward.baselines: no step of `reward.shape` uses reference rewards, so nothing would be judged")
    if reward.baselines and settings.group is not None:
        raise SettingsError("reward.baselines: baselines are judged one at a time, and `group` compares; leave one of them out")
    _check_replaced(settings)
    low, high = span_of(steps)
    if settings.no_verdict_constant is not None and not low <= settings.no_verdict_constant <= high:
        raise SettingsError(
            f"no_verdict_constant: {settings.no_verdict_constant:g} stands in for a missing reward after `reward.shape`, where"
            f" rewards are in [{low:g}, {high:g}]"
        )


def _components(rubric: Rubric | None, mode: str) -> set[str]:
    """Components that every reward of a run has and that a step may take: criteria, or the one grade and programs beside it."""
    if mode == "checklist":
        return {c.id for c in rubric.criteria} if rubric is not None else set()
    return {OVERALL, *(c.id for c in rubric.criteria if c.check != "llm")} if rubric is not None else {OVERALL}


def _no_criteria(settings: RunSettings) -> str:
    """Why rewards of this run have no components that a step may take; empty where they have."""
    if settings.panel is not None:
        return "with `panel` a reward's components are its judges, and no criteria"
    if settings.group is not None:
        return "with `group` a reward's components are its comparisons, and no criteria"
    return ""


def _taken(steps: Sequence[ShapeStep]) -> list[tuple[str, list[str] | None]]:
    """(place, names) of each step that takes components; None for all there are."""
    out: list[tuple[str, list[str] | None]] = []
    for index, step in enumerate(steps):
        place, wanted = f"reward.shape[{index}] ({step.kind})", needs([step])
        named = sorted(need.removeprefix("component ") for need in wanted if need.startswith("component "))
        if named or "components" in wanted:
            out.append((place, named or None))
    return out


def _check_replaced(settings: RunSettings) -> None:
    """Refuse what a step that makes a reward of the criteria would lose without a word."""
    first = settings.reward.shape[0] if settings.reward.shape else None
    if first is not None and KINDS[first.kind].replaces(first) and settings.second_opinion is not None:
        raise SettingsError(
            f"reward.shape[0] ({first.kind}): makes its own reward of what the first judge said, so `second_opinion` would have"
            " no effect; leave one of them out"
        )


@dataclass
class Shaping:
    """One chain with its memory. Pickles.

    Attributes:
        rubric: Of the run: whose weights and fold the steps go by, where a sample brings none.
        fold_fields: What the run says about the fold of every rubric.
        seed: Of the noise; the number of the step is added.
        baselines: Metadata field that holds baseline responses, if there is one.
        state: What the steps want to see at the next batch.
        notes: What the steps reported about the last one.
        references: Baseline rewards known so far, under prompt, reference and text.
    """

    steps: tuple[ShapeStep, ...] = ()
    rubric: Rubric | None = None
    fold_fields: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    baselines: str | None = None
    state: ChainState = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    references: dict[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: RunSettings, rubric: Rubric | None) -> Shaping:
        """The chain of a run."""
        return cls(settings.reward.shape, rubric, settings.reward.fold_fields, settings.seed, settings.reward.baselines)

    @property
    def alone(self) -> bool:
        """Whether a batch may be split anywhere, groups included."""
        return alone(self.steps)

    def check(self, sample: Sample, count_tokens: CountTokens | None) -> None:
        """Refuse a sample that lacks what the chain needs. Raises DataError."""
        self.check_components(sample)
        self._baselines_of(sample)
        if "lengths" in needs(self.steps):
            for index in range(len(sample.responses)):
                _length(sample, index, count_tokens)

    def check_components(self, sample: Sample) -> None:
        """Refuse a sample whose own rubric lacks a criterion that a step names. Raises DataError."""
        if sample.rubric is None:
            return
        known = {c.id for c in sample.rubric.criteria}
        for place, name in ((place, name) for place, names in _taken(self.steps) for name in names or ()):
            if name not in known and name != OVERALL:
                there = did_you_mean(name, known) or f"; it has: {', '.join(sorted(known))}"
                raise DataError(f"sample `{sample.id}`: {place} needs criterion `{name}`, which the sample's rubric lacks{there}")
        for name in (need.removeprefix("without ") for need in needs(self.steps) if need.startswith("without ")):
            if _rest(name, sample.rubric) is None:
                raise DataError(f"sample `{sample.id}`: its rubric has no reward without criterion `{name}`, which `crf` needs")

    def due(self, samples: Sequence[Sample]) -> list[Sample]:
        """Baseline responses that have not been judged yet, a sample each; give their rewards to `learn`."""
        out: dict[str, Sample] = {}
        for sample in samples:
            for text in self._baselines_of(sample):
                key = _key(sample, text)
                if key not in self.references:
                    out[key] = replace(sample, responses=(text,), steps=(), id=f"baseline-{key}", group="", metadata={})
        return list(out.values())

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Keep the rewards of baseline responses; one without a reward is no reference, and is asked again."""
        for reward in rewards:
            if reward.raw_reward is not None:
                self.references[reward.sample_id.removeprefix("baseline-")] = reward.raw_reward

    def apply(
        self, samples: Sequence[Sample], rewards: Sequence[Reward], *, step: int = 0, count_tokens: CountTokens | None = None
    ) -> list[Reward]:
        """Run the chain over one batch.

        Args:
            samples: In order; the rewards are one for each of their responses.
            step: The trainer's, for new noise at each.
            count_tokens: For the length of responses whose metadata does not give it (`response_tokens`).

        Raises:
            DataError: The batch lacks what a step needs, such as lengths.
        """
        if not self.steps or not rewards:
            return list(rewards)
        rows = [(sample, index) for sample in samples for index in range(len(sample.responses))]
        groups = [reward.group for reward in rewards]
        batch = RewardBatch.from_rewards(rewards, groups=groups, **self._fields(rows, rewards, count_tokens))
        shaped = shape(batch, self.steps, seed=self.seed + step, state=self.state)
        self.state, self.notes = shaped.state, shaped.notes
        columns = [(name, values.tolist()) for name, values in shaped.trace[1:]]
        return [
            replace(r, stages=(*r.stages, *((name, _optional(values[i])) for name, values in columns)))
            for i, r in enumerate(rewards)
        ]

    def _fields(
        self, rows: Sequence[tuple[Sample, int]], rewards: Sequence[Reward], count_tokens: CountTokens | None
    ) -> dict[str, Any]:
        """The columns that the chain asks for, and no others: lengths cost a tokenizer."""
        wanted = needs(self.steps)
        rubrics = [own_rubric(sample, self.fold_fields) or self.rubric for sample, _ in rows]
        fields: dict[str, Any] = {
            **self._criteria(rubrics, rewards, wanted),
            "keys": [replace(sample, group="").group_key for sample, _ in rows],
            "texts": [sample.texts[index] for sample, index in rows],
            "prompts": [sample.prompt_text for sample, _ in rows],
            "metadata": [sample.metadata for sample, _ in rows],
        }
        if "lengths" in wanted:
            fields["lengths"] = [_length(sample, index, count_tokens) for sample, index in rows]
        if self.baselines:
            by_group: dict[str, tuple[float, ...]] = {}
            for (sample, _), reward in zip(rows, rewards, strict=True):
                by_group[reward.group] = tuple(self.known(sample).values())
            fields["references"] = {name: values for name, values in by_group.items() if values}
        return fields

    def _criteria(self, rubrics: Sequence[Rubric | None], rewards: Sequence[Reward], wanted: Collection[str]) -> dict[str, Any]:
        """What the rubric of each response says about its components, for steps that take some."""
        named = {need.removeprefix("component ") for need in wanted if need.startswith("component ")}
        if not named and "components" not in wanted:
            return {}
        ids = {c.id for rubric in _different(rubrics) for c in rubric.criteria} if "components" in wanted else set()
        weights = {id(rubric): {c.id: c.importance for c in rubric.criteria} for rubric in _different(rubrics)}
        importance = {
            name: [math.nan if rubric is None else weights[id(rubric)].get(name, math.nan) for rubric in rubrics]
            for name in sorted(ids | named)
        }
        without: dict[str, list[float | None]] = {}
        for name in sorted(need.removeprefix("without ") for need in wanted if need.startswith("without ")):
            rest = {id(rubric): _rest(name, rubric) for rubric in _different(rubrics)}
            pairs = [(rest.get(id(rubric)), reward) for rubric, reward in zip(rubrics, rewards, strict=True)]
            without[name] = [None if r is None else fold_criteria(reward.components, r).value for r, reward in pairs]
        return {"names": ids | named, "importance": importance, "without": without}

    def known(self, sample: Sample) -> dict[str, float]:
        """Rewards of the sample's baseline responses, as far as they are known, by what `references` calls them."""
        keys = [_key(sample, text) for text in self._baselines_of(sample)]
        return {key: value for key in keys if (value := self.references.get(key)) is not None}

    def _baselines_of(self, sample: Sample) -> Sequence[str]:
        if not self.baselines:
            return ()
        found = sample.metadata.get(self.baselines)
        texts = [found] if isinstance(found, str) else found
        if not isinstance(texts, list | tuple) or not texts or not all(isinstance(t, str) for t in texts):
            raise DataError(
                f"sample `{sample.id}`: `{self.baselines}` (reward.baselines) is the text of a baseline response or a list of"
                f" them, not {found!r}"
            )
        return texts


def _different(rubrics: Sequence[Rubric | None]) -> list[Rubric]:
    """Each rubric object once."""
    return list({id(rubric): rubric for rubric in rubrics if rubric is not None}.values())


def _rest(name: str, rubric: Rubric) -> Rubric | None:
    """A rubric without one criterion; None where nothing is left to fold."""
    others = tuple(c for c in rubric.criteria if c.id != name)
    try:
        return rubric.changed(criteria=others)
    except RubricError:  # no criterion is left, or none with points above 0
        return None


def _key(sample: Sample, text: str) -> str:
    parts = (repr(sample.prompt), *(sample.reference or ()), text)
    digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16)
    return digest.hexdigest()


def _length(sample: Sample, index: int, count_tokens: CountTokens | None) -> float:
    """Tokens of one response, from its metadata or counted."""
    given = sample.metadata.get(LENGTHS)
    if isinstance(given, list | tuple) and len(given) == len(sample.responses):
        given = given[index]
    if isinstance(given, int | float) or (isinstance(given, str) and given.strip().isdecimal()):
        return float(given)
    counted = None if count_tokens is None else count_tokens(sample.texts[index])
    if counted is None:
        raise DataError(
            f"sample `{sample.id}`: a step of `reward.shape` needs lengths, and this engine has no tokenizer to count with; give"
            f" them in the field `{LENGTHS}` of the data"
        )
    return float(counted)


def _optional(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  # NaN
