"""The shaping chain of a run, over its batches: rewards of many samples -> the same rewards with what a trainer gets.

It comes after the judge and after the monitor, which both see rewards in [0, 1]; only real rewards take part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from judge.checks.match import normalise, number
from judge.checks.programs import OVERALL
from judge.checks.stated import stated_answer
from judge.errors import DataError, RubricError, did_you_mean
from judge.pipeline.memory import Memory, digest_of
from judge.pipeline.shape_checks import taken_columns
from judge.reward.fold import fold_criteria, own_rubric
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.shape import (
    AddStep,
    ChainState,
    RewardBatch,
    ShapeStep,
    alone,
    needs,
    shape,
    step_names,
)
from judge.types import Flag, Reward, Sample

LENGTHS = "response_tokens"  # metadata field: tokens of the response as the policy counts them


CountTokens = Callable[[str], int | None]


@dataclass
class Shaping:
    """One chain with its memory. Pickles.

    Attributes:
        rubric: Of the run: whose weights and fold the steps go by, where a sample brings none.
        fold_fields: What the run says about the fold of every rubric.
        seed: Of the noise; the number of the step is added.
        baselines: Metadata field that holds baseline responses, if there is one.
        memory: What the steps want to see at the next batch.
        notes: What the steps reported about the last one.
        references: Baseline rewards known so far, under prompt, reference and text.
    """

    steps: tuple[ShapeStep, ...] = ()
    rubric: Rubric | None = None
    fold_fields: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    baselines: str | None = None
    memory: Memory = field(default_factory=Memory)
    notes: tuple[str, ...] = ()
    references: dict[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: RunSettings, rubric: Rubric | None) -> Shaping:
        """The chain of a run."""
        reward = settings.reward
        memory = Memory.of(reward.state, step_names(reward.shape))
        return cls(reward.shape, rubric, reward.fold_fields, settings.seed, reward.baselines, memory)

    @property
    def state(self) -> ChainState:
        """What the steps want to see at the next batch."""
        return self.memory.state

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
        """Refuse a sample that lacks a column, or whose own rubric lacks a criterion, that a step names. Raises DataError."""
        self._check_columns(sample)
        if sample.rubric is None:
            return
        known = {c.id for c in sample.rubric.criteria}
        for place, name in ((place, name) for place, names in taken_columns(self.steps) for name in names or ()):
            if name not in known and name != OVERALL:
                there = did_you_mean(name, known) or f"; it has: {', '.join(sorted(known))}"
                raise DataError(f"sample `{sample.id}`: {place} needs criterion `{name}`, which the sample's rubric lacks{there}")
        for name in (need.removeprefix("without ") for need in needs(self.steps) if need.startswith("without ")):
            if _rest(name, sample.rubric) is None:
                raise DataError(f"sample `{sample.id}`: its rubric has no reward without criterion `{name}`, which `crf` needs")

    def _check_columns(self, sample: Sample) -> None:
        for index, step in enumerate(self.steps):
            place = f"sample `{sample.id}`: reward.shape[{index}] ({step.kind})"
            for name in (need.removeprefix("column ") for need in needs([step]) if need.startswith("column ")):
                if name not in sample.metadata:
                    near = did_you_mean(name, map(str, sample.metadata))
                    raise DataError(f"{place} needs the column `{name}`, which this row does not have{near}")
            if isinstance(step, AddStep):
                try:
                    for response in range(len(sample.responses)):
                        step.read(sample.metadata, response, len(sample.responses))
                except DataError as why:
                    raise DataError(f"{place}: {why}") from None

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
            OutputError: The file of `reward.state` cannot be written.
        """
        if not self.steps or not rewards:
            return list(rewards)
        rows = [(sample, index) for sample in samples for index in range(len(sample.responses))]
        groups = [reward.group for reward in rewards]
        batch = RewardBatch.from_rewards(rewards, groups=groups, **self._fields(rows, rewards, count_tokens))
        digest = digest_of(samples, rewards, step) if self.memory.path is not None else ""
        shaped = shape(batch, self.steps, seed=self.seed + step, state=self.memory.seen(digest))
        self.memory.keep(digest, shaped.state)
        self.notes = shaped.notes
        columns = [(name, values.tolist()) for name, values in shaped.trace[1:]]
        return [
            replace(
                r,
                stages=(*r.stages, *((name, _optional(values[i])) for name, values in columns)),
                flags=(*r.flags, *_too_unsure(columns, i)),
                step_rewards=tuple(map(_optional, shaped.paid[i])),
            )
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
        if "steps" in wanted:
            fields["steps"] = [step_scores(reward) for reward in rewards]
        if "answers" in wanted:
            fields["answers"] = [final_answer(sample.texts[index]) for sample, index in rows]
            fields["labels"] = [reference_answer(sample) for sample, _ in rows]
        if "variances" in wanted:
            fields["variances"] = [_variance(reward) for reward in rewards]
        numbers = [step for step in self.steps if isinstance(step, AddStep)]
        if numbers:
            fields["numbers"] = {
                s.column: [s.read(sample.metadata, i, len(sample.responses)) for sample, i in rows] for s in numbers
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
        if "components" in wanted and not ids:  # a program's own names
            ids = {name for reward in rewards for name in reward.criteria}
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


def step_scores(reward: Reward) -> tuple[float | None, ...]:
    """Scores of the solution steps of one response in their order: its components `step_1`, `step_2` and so on.

    Example:
        >>> step_scores(Reward("a", 0, 0.5, components={"step_2": 0.5, "step_10": None, "step_1": 1.0, "other": 0.0}))
        (1.0, 0.5, None)
    """
    return reward.steps


def final_answer(text: str) -> str | None:
    r"""The final answer of a response in one spelling, so that equal answers are equal texts; None where it states none.

    Example:
        >>> final_answer(r"So \boxed{0.50}."), final_answer("The answer is 1/2"), final_answer("Let me think.")
        ('1/2', '1/2', None)
    """
    stated = stated_answer(text)
    return None if stated is None else _one_spelling(stated)


def reference_answer(sample: Sample) -> str | None:
    """The first reference answer of a sample, in the same spelling."""
    return _one_spelling(sample.reference[0]) if sample.reference else None


def _one_spelling(answer: str) -> str | None:
    value = number(answer)
    return str(value) if value is not None else normalise(answer) or None


def _variance(reward: Reward) -> float | None:
    """Over the votes, judges or orders, else of the judge's own probabilities; 0 where a program or a rule decided."""
    spread, gap = reward.uncertainty.spread, reward.uncertainty.order_gap
    if spread is None and reward.uncertainty.variance is not None:
        return reward.uncertainty.variance
    spread = gap / 2 if spread is None and gap is not None else spread
    return spread**2 if spread is not None else 0.0 if not reward.calls else None


def _too_unsure(columns: Sequence[tuple[str, Sequence[float]]], row: int) -> Sequence[Flag]:
    """A flag for a reward that a step `sure` took away."""
    for (_, before), (name, after) in pairwise(columns):
        if name.partition(".")[0] == "sure" and math.isnan(after[row]) and not math.isnan(before[row]):
            return (Flag("unsure", f"calibrated reward {before[row]:.3f} is neither surely right nor surely wrong"),)
    return ()


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
