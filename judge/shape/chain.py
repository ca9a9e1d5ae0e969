"""A declared chain of steps: checked before judging, run after it, every stage kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from judge.arrays import Floats
from judge.errors import Problem, SettingsError, did_you_mean
from judge.shape import (
    beside,
    calibrated,
    constrained,
    difficulty,
    form,
    group,
    length,
    noise,
    objectives,
    process,
    repair,
    rubric_side,
    scalar,
    text,
    views,
)
from judge.shape.batch import ChainState, RewardBatch, RewardRange, Stage, StepKind
from judge.shape.beside import AddStep, ShrinkStep
from judge.shape.calibrated import CalibrateStep, SureStep
from judge.shape.constrained import ConstrainedStep
from judge.shape.difficulty import GrpoSStep, VerpoStep
from judge.shape.form import FormatStep
from judge.shape.group import DitherStep, MinmaxStep, QuantileStep, RankStep, StdFloorStep, ZStep
from judge.shape.length import CrfStep, GrpoLambdaStep, LaserDStep, LaserStep, OverlongStep
from judge.shape.noise import FlipStep, PatternStep, RandomStep
from judge.shape.objectives import ObjectivesStep
from judge.shape.process import MinFormStep, ProfStep, RenormStep, ThoughtsStep
from judge.shape.repair import RepairLabelStep
from judge.shape.rubric_side import ContrastStep, InteractionStep, SaturationStep, VetoStep
from judge.shape.scalar import ClipStep, ContrastiveStep, LscStep, ParStep, QuantiseStep, StepsStep, TopStretchStep
from judge.shape.text import R3Step, RelevanceStep, RepetitionStep
from judge.shape.views import CoRewardStep, FuseStep

# One step, by its `kind`, as settings hold it.
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
    | VetoStep
    | ObjectivesStep
    | ConstrainedStep
    | AddStep
    | ShrinkStep
    | FlipStep
    | RandomStep
    | PatternStep
    | RepairLabelStep
    | CoRewardStep
    | FuseStep
    | MinFormStep
    | RenormStep
    | ThoughtsStep
    | ProfStep
    | CalibrateStep
    | SureStep,
    Field(discriminator="kind"),
]

_FILES: tuple[dict[str, StepKind], ...] = (
    *(scalar.KINDS, group.KINDS, length.KINDS, text.KINDS, difficulty.KINDS, rubric_side.KINDS, form.KINDS),
    *(objectives.KINDS, constrained.KINDS, beside.KINDS, noise.KINDS, repair.KINDS, views.KINDS, process.KINDS, calibrated.KINDS),
)
KINDS: dict[str, StepKind] = {name: kind for kinds in _FILES for name, kind in kinds.items()}

_MISSING = {
    "lengths": "the length of each response in tokens",
    "texts": "the text of each response",
    "prompts": "the prompt of each response",
    "references": "rewards of reference responses, or `reference`",
    "correct": "which responses are correct, or `pass_at`: the reward from which one is",
    "steps": "the scores of each response's solution steps (a recipe with `signal: steps`)",
    "metadata": "the metadata of each response",
    "components": "scores of single criteria",
    "answers": "the final answer of each response",
    "labels": "the reference answer of each prompt",
    "variances": "several opinions on each response: several `votes`, a `panel`, two orders or `top_logprobs`",
}


@dataclass(frozen=True, eq=False)
class Shaped:
    """Rewards after a chain.

    Attributes:
        values: Shape (n,); NaN where absent.
        trace: (`raw`, values), then (name of the step, values after it) for every step.
        notes: What a step reported, with its name.
        state: What the steps want to see at the next batch; plain values.
        paid: What each solution step of each response is paid (none: empty), by the last step that pays so; where a later one
            changed the reward of the whole, nothing.
    """

    values: Floats
    trace: tuple[tuple[str, Floats], ...]
    notes: tuple[str, ...] = ()
    state: ChainState = field(default_factory=dict)
    paid: tuple[tuple[float, ...], ...] = ()

    def optional(self) -> list[float | None]:
        """The values with None for absent, as an adapter wants them."""
        return as_optional(self.values)


def as_optional(values: Floats) -> list[float | None]:
    """NaN -> None.

    Example:
        >>> as_optional(np.array([0.5, np.nan]))
        [0.5, None]
    """
    return [None if math.isnan(v) else float(v) for v in values]


def step_names(steps: Sequence[ShapeStep]) -> list[str]:
    """A name for each step: its kind, numbered where the kind comes again.

    Example:
        >>> step_names([QuantiseStep(), QuantiseStep()])
        ['quantise', 'quantise.2']
    """
    seen: Counter[str] = Counter()
    names = []
    for step in steps:
        seen[step.kind] += 1
        names.append(step.kind if seen[step.kind] == 1 else f"{step.kind}.{seen[step.kind]}")
    return names


def span_of(steps: Sequence[ShapeStep], span: RewardRange = (0.0, 1.0)) -> RewardRange:
    """The range of rewards that leave a chain, given the range that enters it.

    Example:
        >>> from judge.shape import OverlongStep
        >>> span_of([OverlongStep(limit=100, cache=20)])
        (-1.0, 1.0)
    """
    for step in steps:
        span = KINDS[step.kind].span(step, span)
    return span


def alone(steps: Sequence[ShapeStep]) -> bool:
    """Whether every step looks at one response at a time. Otherwise the batches must hold whole groups.

    Example:
        >>> from judge.shape import ClipStep, RankStep
        >>> alone([ClipStep()]), alone([ClipStep(), RankStep()])
        (True, False)
    """
    return all(KINDS[step.kind].sees(step) == "one" for step in steps)


def across_groups(steps: Sequence[ShapeStep]) -> list[str]:
    """Names of the steps that look at all groups of a training step at once.

    Example:
        >>> from judge.shape import GrpoLambdaStep, RankStep
        >>> across_groups([RankStep(), GrpoLambdaStep(), RankStep(over="batch")])
        ['grpo_lambda', 'rank.2']
    """
    named = zip(step_names(steps), steps, strict=True)
    return [name for name, step in named if KINDS[step.kind].sees(step) == "batch"]


def remembers(steps: Sequence[ShapeStep]) -> list[str]:
    """Names of the steps whose memory of one batch changes the next.

    Example:
        >>> from judge.shape import LaserDStep, RankStep
        >>> remembers([RankStep(), LaserDStep(pass_at=0.5)])
        ['laser_d']
    """
    return [name for name, step in zip(step_names(steps), steps, strict=True) if KINDS[step.kind].remembers(step)]


def needs(steps: Sequence[ShapeStep]) -> frozenset[str]:
    """Everything the chain cannot do without, in the words of `StepKind.needs`."""
    return frozenset(need for step in steps for need in KINDS[step.kind].needs(step))


def check_chain(
    steps: Sequence[ShapeStep], *, has: Collection[str], components: Collection[str] | None = None, where: str = "reward.shape"
) -> None:
    """Refuse a chain that cannot work, before anything is judged.

    Args:
        has: What the batches will bring: `lengths`, `texts`, `prompts`, `references`, `correct`, `steps`, `metadata`,
            `answers`, `labels`, `variances`, `column NAME`; `columns`: any, which are looked at row by row.
        components: Names of the components they will bring; None: not known yet.

    Raises:
        SettingsError: Every step that lacks something, works on another range, or names an unknown format.

    Example:
        >>> from judge.shape import LaserStep
        >>> check_chain([LaserStep(target=100, pass_at=0.5)], has=())
        Traceback (most recent call last):
        judge.errors.SettingsError: reward.shape[0] (laser): needs the length of each response in tokens
    """
    problems = list(_problems(steps, has, components, where))
    if problems:
        raise SettingsError(problems)


def _problems(steps: Sequence[ShapeStep], has: Collection[str], known: Collection[str] | None, where: str) -> Iterator[Problem]:
    span: RewardRange = (0.0, 1.0)
    for index, step in enumerate(steps):
        kind, place = KINDS[step.kind], f"{where}[{index}] ({step.kind})"
        for need in kind.needs(step):
            what = _lacks(need, has, known)
            if what:
                yield Problem(place, what)
        if objection := kind.objects(step, span):
            yield Problem(place, objection)
        if index and kind.replaces(step):
            yield Problem(
                place,
                f"puts another reward in place of the one that enters it, so `{steps[index - 1].kind}` before it would have no"
                " effect: put this step first",
            )
        if isinstance(step, DitherStep):
            yield from _dithered(step, steps[index + 1 :], place)
        if isinstance(step, FormatStep):
            yield from _formats(step, place)
        span = kind.span(step, span)


def _dithered(step: DitherStep, later: Sequence[ShapeStep], place: str) -> Iterator[Problem]:
    """Noise that a later step rounds away: of a reward on the grid nothing would be left."""
    largest = step.width * (1 if step.noise == "uniform" else 3)
    for each in later:
        if isinstance(each, QuantiseStep) and largest <= 2.0 ** -(each.bits + 1):
            yield Problem(
                place,
                f"noise of width {step.width:g} is rounded away by `quantise` after it, whose steps are 1/{2**each.bits}: dither"
                " after it, or take more bits",
            )
            return


def _lacks(need: str, has: Collection[str], known: Collection[str] | None) -> str:
    """What to say of a need that is not met; empty where it is met, or cannot be told yet."""
    what, _, name = need.partition(" ")
    if need in has or what == "maybe" or (what == "component" and (known is None or name in known)):
        return ""
    if what == "component":
        there = ", ".join(sorted(known or ())) or "none"
        return f"needs component `{name}`{did_you_mean(name, known or ()) or f'; there are: {there}'}"
    if what == "without":
        said = known is not None and name not in known  # the missing component is said already
        return "" if said else _without(name)
    if what == "column":
        return "" if "columns" in has else f"needs column `{name}` of the data"
    return "" if need == "components" and (known is None or known) else f"needs {_MISSING[need]}"


def _without(name: str) -> str:
    return (
        f"needs the reward without component `{name}`, which takes a rubric of other criteria too; write `base: reward` if"
        f" `{name}` is no part of the reward"
    )


def _formats(step: FormatStep, place: str) -> Iterator[Problem]:
    for name in step.formats:
        try:
            form.find_format(name)
        except SettingsError as why:
            yield Problem(place, str(why))


def shape(batch: RewardBatch, steps: Sequence[ShapeStep], *, seed: int, state: ChainState | None = None) -> Shaped:
    """Run a chain. Absent stays absent, and a response without a reward changes nothing for the others.

    Args:
        seed: Of the noise. With the same seed, batch and state the result is the same, in any order of the responses; add the
            number of the training step where noise should be new at each.
        state: `Shaped.state` of the batch before, for steps with a memory; it can be stored as JSON.

    Raises:
        SettingsError: As `check_chain`.

    Example:
        >>> from judge.shape import RankStep
        >>> shape(RewardBatch.of([0.2, None, 0.9]), [RankStep()], seed=0).optional()
        [0.0, None, 1.0]
    """
    check_chain(steps, has=batch.has, components=set(batch.components))
    values = np.array(batch.values)
    trace, notes, left = [("raw", values)], [], {}
    paid: tuple[tuple[float, ...], ...] = ((),) * len(values)
    for name, step in zip(step_names(steps), steps, strict=True):
        memory: Any = (state or {}).get(name, {})
        stepped = KINDS[step.kind].run(step, Stage(batch, values, seed, memory))
        paid = stepped.paid or tuple(pay if same else () for pay, same in zip(paid, stepped.values == values, strict=True))
        values = stepped.values
        trace.append((name, values))
        notes += [f"{name}: {note}" for note in stepped.notes]
        if stepped.state:
            left[name] = stepped.state
    return Shaped(values, tuple(trace), tuple(notes), left, paid)
