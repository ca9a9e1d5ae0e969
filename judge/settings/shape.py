"""The steps of a shaping chain: what is done to rewards between the judge and the trainer.

Formulas, sources and worked numbers stand with the code, in `judge/reward/shape/`. Rewards enter the first step in [0, 1], 1
best; each kind says what range leaves it, and a chain that makes no sense is refused before anything is judged.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen

Over = Literal["group", "batch"]
Weight = Annotated[float, Field(ge=0, le=1000)]
Unit = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]


class _Centred(Frozen):
    """A step that needs a reference reward: a constant, the group's mean, or rewards of reference responses by group."""

    reference: Finite | None = None
    centre: Literal["references", "group_mean"] = "references"

    @model_validator(mode="after")
    def _one_centre(self) -> Self:
        if self.reference is not None and self.centre == "group_mean":
            raise ValueError("give `reference` or `centre: group_mean`, not both")
        return self


class ParStep(_Centred):
    """Mean of sigmoid(scale x (reward - reference)). `scale` 1 is for reward models; about 8 suits rewards in [0, 1]."""

    kind: Literal["par"] = "par"
    scale: float = Field(default=1.0, gt=0, le=1000)


class LscStep(_Centred):
    """log sigmoid(scale x (reward - reference)), the reference being a high quantile of the reference rewards."""

    kind: Literal["lsc"] = "lsc"
    scale: float = Field(default=1.0, gt=0, le=1000)
    quantile: float = Field(default=0.85, gt=0, lt=1)


class ContrastiveStep(_Centred):
    """Reward minus the mean reward of the baseline responses."""

    kind: Literal["contrastive"] = "contrastive"


class ClipStep(Frozen):
    """Cut rewards to [low, high]."""

    kind: Literal["clip"] = "clip"
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"`low` ({self.low:g}) is at most `high` ({self.high:g})")
        return self


class StepsStep(Frozen):
    """Add what the solution steps earned, refined so that more steps cannot earn more. `eta`: steps at or above it earn 0."""

    kind: Literal["steps"] = "steps"
    refine: Literal["clip", "delta", "clip_delta"] = "clip_delta"
    eta: Unit = 0.9
    weight: Weight = 1.0


class QuantiseStep(Frozen):
    """Round to multiples of 2 to the power -bits (6: 1/64)."""

    kind: Literal["quantise"] = "quantise"
    bits: int = Field(default=6, ge=1, le=20)


class TopStretchStep(Frozen):
    """Rewards above `knee` get `share` of the range [0, 1], those below get the rest."""

    kind: Literal["top_stretch"] = "top_stretch"
    knee: float = Field(default=0.75, gt=0, lt=1)
    share: float = Field(default=0.5, gt=0, lt=1)


class MinmaxStep(Frozen):
    """(reward - lowest) / (highest - lowest); `flat` where all are equal."""

    kind: Literal["minmax"] = "minmax"
    over: Over = "group"
    flat: Unit = 0.5


class ZStep(Frozen):
    """(reward - mean) / standard deviation (population), which is not taken below `floor`."""

    kind: Literal["z"] = "z"
    over: Over = "group"
    floor: float = Field(default=0.0, ge=0, le=1e6)


class RankStep(Frozen):
    """Rank as a share: worst 0, best 1, ties averaged, a response alone 0.5."""

    kind: Literal["rank"] = "rank"
    over: Over = "group"


class QuantileStep(Frozen):
    """Which of `buckets` equally filled buckets a reward falls in: worst 0, best 1, ties share one."""

    kind: Literal["quantile"] = "quantile"
    over: Over = "batch"
    buckets: int = Field(default=5, ge=2, le=1000)


class StdFloorStep(Frozen):
    """Groups whose rewards differ less than `floor` (standard deviation) become equal: their differences are noise."""

    kind: Literal["std_floor"] = "std_floor"
    floor: float = Field(default=0.02, gt=0, le=1e6)


class DitherStep(Frozen):
    """Add zero-mean noise that follows from seed, group and text. `width`: half width (uniform) or standard deviation."""

    kind: Literal["dither"] = "dither"
    noise: Literal["uniform", "gauss"] = "uniform"
    width: float = Field(default=0.05, gt=0, le=10)


class VerpoStep(Frozen):
    """Mix in a weighted share of the criteria passed, where what few of the group pass counts more.

    Attributes:
        criteria: Components that are the tests; empty: all.
        power: Weight of a criterion is (1 - its pass rate in the group) to this power.
        equalise: Divide the weight by the number of criteria with the same pass rate, so that many easy ones are no majority.
        mix: Share of the dense reward; the rest is the reward as it was.
    """

    kind: Literal["verpo"] = "verpo"
    criteria: tuple[str, ...] = ()
    power: float = Field(default=1.0, gt=0, le=10)
    equalise: bool = False
    mix: Unit = 0.5


class GrpoSStep(Frozen):
    """Scale distances from the group's mean by difficulty.

    Attributes:
        similarity: Component that says how close a response is to a demonstration, in [0, 1]; None: not used.
        responsiveness: Scale by how the reward gaps to the references lie, outliers left out.
        outlier: Squared distance of a gap from the mean gap above which it is left out.
    """

    kind: Literal["grpo_s"] = "grpo_s"
    similarity: str | None = None
    responsiveness: bool = True
    outlier: float = Field(default=0.25, gt=0, le=1e6)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.similarity is None and not self.responsiveness:
            raise ValueError("without `similarity` and without `responsiveness` this step changes nothing")
        return self


class _Outcome(Frozen):
    """A step that depends on which responses are correct: as told, or by the reward that enters the chain.

    Attributes:
        pass_at: From this reward on a response counts as correct; None: correctness is given with the batch.
    """

    pass_at: Finite | None = None


class CrfStep(_Outcome):
    """Conciseness pays only together with a correct outcome: reward x (1 + weight x (conciseness + difficulty)).

    Attributes:
        conciseness: Component with the conciseness score, in [0, 1].
        difficulty: Add exp(share correct in the group).
    """

    kind: Literal["crf"] = "crf"
    conciseness: str = "conciseness"
    weight: Weight = 0.2
    difficulty: bool = False


class GrpoLambdaStep(_Outcome):
    """Length counts only in the groups that are mostly correct.

    Attributes:
        top: Share of the batch's groups, most correct first, in which length counts.
        least: Share of correct responses that such a group must have.
        weight: Largest share of the reward that length can take.
    """

    kind: Literal["grpo_lambda"] = "grpo_lambda"
    top: float = Field(default=0.2, gt=0, le=1)
    least: Unit = 0.5
    weight: Unit = 0.2


class LaserStep(_Outcome):
    """Correct responses of at most `target` tokens earn `bonus`."""

    kind: Literal["laser"] = "laser"
    target: Tokens
    bonus: Weight = 0.5


class LaserDStep(_Outcome):
    """Laser with a target that follows the group's difficulty and the lengths seen so far.

    Attributes:
        lower: Shortest target, tokens.
        upper: Longest target, tokens; used until lengths have been seen.
        interval: Targets are `lower`, `lower + interval`, ... `upper`.
        memory: Weight of the earlier batches when a new one comes, in [0, 1].
    """

    kind: Literal["laser_d"] = "laser_d"
    lower: Tokens = 1024
    upper: Tokens = 16384
    interval: Tokens = 1024
    bonus: Weight = 0.5
    memory: Unit = 0.9

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"`lower` ({self.lower}) is at most `upper` ({self.upper})")
        if (self.upper - self.lower) // self.interval > 10_000:
            raise ValueError("at most 10000 targets between `lower` and `upper`")
        return self


class OverlongStep(Frozen):
    """Lose up to `weight` in the last `cache` tokens before `limit`, and all of it beyond."""

    kind: Literal["overlong"] = "overlong"
    limit: Tokens
    cache: Tokens
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.cache > self.limit:
            raise ValueError(f"`cache` ({self.cache}) is at most `limit` ({self.limit})")
        return self


class RepetitionStep(Frozen):
    """Lose `weight` x the share of n-grams that repeat an earlier one."""

    kind: Literal["repetition"] = "repetition"
    n: int = Field(default=3, ge=1, le=100)
    weight: Weight = 0.5


class RelevanceStep(Frozen):
    """Reward x min(1, relevance / enough): an answer to another question earns nothing.

    Attributes:
        component: Relevance score in [0, 1]; None: cosine of the words of prompt and response.
        enough: Relevance from which nothing is lost.
    """

    kind: Literal["relevance"] = "relevance"
    component: str | None = None
    enough: float = Field(default=0.3, gt=0, le=1)


class R3Step(Frozen):
    """Mix in the regularised relevance reward.

    Attributes:
        component: Relevance of the response to the prompt, in [0, 1]; None: cosine of their words.
        reference: Relevance to a reference answer (component), for closed questions.
        closed: Key of the metadata that is true for a closed question.
        words: So many words earn the whole length incentive.
        n: Of the n-grams that must not repeat.
        mix: Share of this reward; the rest is the reward as it was.
    """

    kind: Literal["r3"] = "r3"
    component: str | None = None
    reference: str | None = None
    closed: str = "closed"
    words: int = Field(default=100, ge=1, le=100_000)
    n: int = Field(default=3, ge=1, le=100)
    mix: Unit = 0.5


class FormatStep(Frozen):
    """A response in the wrong form gets `failed` instead of its reward.

    Attributes:
        gates: `boxed`, `think`, `answer`, `json`, or `package.module:name` of a function text -> true, false or None (unclear).
    """

    kind: Literal["format"] = "format"
    gates: tuple[str, ...] = Field(min_length=1, max_length=32)
    failed: Finite = 0.0


class ContrastStep(Frozen):
    """Weighted mean of the criteria in which what separates the group's responses counts more; it replaces the reward.

    Attributes:
        criteria: Components; empty: all.
        weights: Importance, overriding what comes with the batch.
        categories: Criterion -> category. Weight moves within a category only; without categories there is one.
        balance: A category counts as its criteria together (`human`), or all count the same (`equal`).
        strength: 0: human weights alone; 1: the ratio of variances alone.
        low: Least factor on a human weight.
        high: Largest factor on a human weight.
        memory: Weight of the factors of earlier batches of the same group, in [0, 1).
    """

    kind: Literal["contrast"] = "contrast"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    categories: dict[str, str] = Field(default_factory=dict)
    balance: Literal["human", "equal"] = "human"
    strength: Unit = 0.5
    low: float = Field(default=0.25, gt=0, le=1)
    high: float = Field(default=4.0, ge=1, le=1000)
    memory: float = Field(default=0.0, ge=0, lt=1)


class SaturationStep(Frozen):
    """Weighted mean of the criteria, each with diminishing returns; it replaces the reward. `rate`: how fast they diminish."""

    kind: Literal["saturation"] = "saturation"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    rate: float = Field(default=2.0, gt=0, le=100)


class InteractionStep(Frozen):
    """Add `weight` x the two criteria together (negative: they count less together), cut to [0, 1]."""

    kind: Literal["interaction"] = "interaction"
    pair: tuple[str, str]
    weight: float = Field(default=0.1, ge=-1, le=1)
    together: Literal["product", "min"] = "product"


class VetoStep(Frozen):
    """Where one of the criteria is below `below`, the reward is `failed`."""

    kind: Literal["veto"] = "veto"
    criteria: tuple[str, ...] = Field(min_length=1)
    below: Unit = 0.5
    failed: Finite = 0.0


ShapeStep = Annotated[
    ParStep
    | LscStep
    | ContrastiveStep
    | ClipStep
    | StepsStep
    | QuantiseStep
    | TopStretchStep
    | MinmaxStep
    | ZStep
    | RankStep
    | QuantileStep
    | StdFloorStep
    | DitherStep
    | VerpoStep
    | GrpoSStep
    | CrfStep
    | GrpoLambdaStep
    | LaserStep
    | LaserDStep
    | OverlongStep
    | RepetitionStep
    | RelevanceStep
    | R3Step
    | FormatStep
    | ContrastStep
    | SaturationStep
    | InteractionStep
    | VetoStep,
    Field(discriminator="kind"),
]
