"""The shaping chain of a run, over its batches: rewards of many samples -> the same rewards with what a trainer gets.

It comes after the judge and after the monitor, which both see rewards in [0, 1]; only real rewards take part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judge.errors import DataError, SettingsError
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.shape import ChainState, RewardBatch, ShapeStep, alone, check_chain, needs, shape
from judge.types import Reward, Sample

LENGTHS = "response_tokens"  # metadata field: tokens of the response as the policy counts them
BROUGHT = ("texts", "prompts", "metadata", "lengths")  # what every batch can bring

CountTokens = Callable[[str], int | None]


def check_shape(settings: RunSettings, rubric: Rubric | None, mode: str) -> None:
    """Refuse a chain that could not work on this run's rewards.

    Raises:
        SettingsError: Naming the step.
    """
    known = {c.id for c in rubric.criteria} if rubric is not None and mode == "checklist" else None
    has = (*BROUGHT, *(("references",) if settings.reward.baselines else ()))
    check_chain(settings.reward.shape, has=has, components=known)
    if settings.reward.baselines and "references" not in needs(settings.reward.shape):
        raise SettingsError("reward.baselines: no step of `reward.shape` uses reference rewards, so nothing would be judged")
    if settings.reward.baselines and settings.group is not None:
        raise SettingsError("reward.baselines: baselines are judged one at a time, and `group` compares; leave one of them out")


@dataclass
class Shaping:
    """One chain with its memory. Pickles.

    Attributes:
        importance: Component -> its weight in the rubric.
        seed: Of the noise; the number of the step is added.
        baselines: Metadata field that holds baseline responses, if there is one.
        state: What the steps want to see at the next batch.
        notes: What the steps reported about the last one.
        references: Baseline rewards known so far, under prompt, reference and text.
    """

    steps: tuple[ShapeStep, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    baselines: str | None = None
    state: ChainState = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    references: dict[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: RunSettings, rubric: Rubric | None) -> Shaping:
        """The chain of a run."""
        weights = {c.id: abs(c.weight) for c in rubric.criteria if c.weight} if rubric is not None else {}
        return cls(settings.reward.shape, weights, settings.seed, settings.reward.baselines)

    @property
    def alone(self) -> bool:
        """Whether a batch may be split anywhere, groups included."""
        return alone(self.steps)

    def check(self, sample: Sample, count_tokens: CountTokens | None) -> None:
        """Refuse a sample that lacks what the chain needs. Raises DataError."""
        self._baselines_of(sample)
        if "lengths" in needs(self.steps):
            for index in range(len(sample.responses)):
                _length(sample, index, count_tokens)

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
        batch = RewardBatch.from_rewards(rewards, groups=groups, **self._fields(rows, groups, count_tokens))
        shaped = shape(batch, self.steps, seed=self.seed + step, state=self.state)
        self.state, self.notes = shaped.state, shaped.notes
        columns = [(name, values.tolist()) for name, values in shaped.trace[1:]]
        return [
            replace(r, stages=(*r.stages, *((name, _optional(values[i])) for name, values in columns)))
            for i, r in enumerate(rewards)
        ]

    def _fields(
        self, rows: Sequence[tuple[Sample, int]], groups: Sequence[str], count_tokens: CountTokens | None
    ) -> dict[str, Any]:
        """The columns that the chain asks for, and no others: lengths cost a tokenizer."""
        wanted = needs(self.steps)
        fields: dict[str, Any] = {
            "importance": self.importance,
            "texts": [sample.texts[index] for sample, index in rows],
            "prompts": [sample.prompt_text for sample, _ in rows],
            "metadata": [sample.metadata for sample, _ in rows],
        }
        if "lengths" in wanted:
            fields["lengths"] = [_length(sample, index, count_tokens) for sample, index in rows]
        if self.baselines:
            by_group: dict[str, tuple[float, ...]] = {}
            for (sample, _), name in zip(rows, groups, strict=True):
                found = [self.references.get(_key(sample, text)) for text in self._baselines_of(sample)]
                by_group[name] = tuple(v for v in found if v is not None)
            fields["references"] = {name: values for name, values in by_group.items() if values}
        return fields

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
