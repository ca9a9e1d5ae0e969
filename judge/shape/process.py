"""Scores of solution steps -> one reward a response: by the worst step, by outcome and steps together, or by choosing responses.

A sum of step rewards pays for writing many good-looking steps. Everything here is bounded however many steps there are. A step
without a verdict makes absent what depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from judge.arrays import Bools, Floats, floats, unit
from judge.rubric.model import Frozen
from judge.shape.batch import RewardRange, Stage, StepKind, Stepped, UnitFloat, always, sees_one
from judge.shape.noise import draws


class _WithOutcome(Frozen):
    """A step that weighs solution steps against the outcome of the whole response.

    Attributes:
        outcome: `label`: 1 where the stated answer is the reference, else 0; `reward`: the reward that enters; `column`: a number
            of the data, in [0, 1].
        column: The column of `outcome: column`.
    """

    outcome: Literal["label", "reward", "column"] = "label"
    column: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.column is not None) != (self.outcome == "column"):
            raise ValueError("`outcome: column` and `column` go together")
        return self


class MinFormStep(Frozen):
    """The steps' scores, weighted by how near each is to being the worst, in place of the reward.

    Attributes:
        temperature: In the unit of the scores; at 0 only the worst step counts. 0.05 on [0, 1] is PURE's 0.1 on [-1, 1].
        checked: Share of the questions whose stated answer is checked against the reference, and paid 1 more where it is right.
    """

    kind: Literal["min_form"] = "min_form"
    temperature: float = Field(default=0.05, ge=0, le=1000)
    checked: UnitFloat = 0.0


class RenormStep(_WithOutcome):
    """Mean step score + outcome - 1, in place of the reward: a good step of a failed attempt is not paid."""

    kind: Literal["renorm"] = "renorm"


class ThoughtsStep(_WithOutcome):
    """Neighbouring steps of one verdict are one thought, paid by how able the policy is at the question, in place of the reward.

    Attributes:
        threshold: From this score on a step is right, and from this outcome on the question is solved.
    """

    kind: Literal["thoughts"] = "thoughts"
    threshold: UnitFloat = 0.5


class ProfStep(_WithOutcome):
    """Pay the outcome, to the responses only whose steps agree with it: right ones with good steps, wrong ones with bad steps.

    Attributes:
        keep: Responses of each group that keep a reward; the others have none.
        threshold: From this outcome on a response is right.
    """

    kind: Literal["prof"] = "prof"
    keep: int = Field(ge=1, le=1_000_000)
    threshold: UnitFloat = 0.5


def min_form(steps: ArrayLike, temperature: float = 0.05) -> Floats:
    """Weight each step's reward by how near it is to being the worst: r_i * softmax(-r / T)_i.

    PURE (Cheng et al. 2025, "Stop Summation: Min-Form Credit Assignment Is All Process Reward Model Needs for Reasoning",
    arXiv:2504.15275). An ordinary trainer that sums these gets about the minimum; at T = 0 exactly.

    PURE's process rewards are p(right) - p(wrong), in [-1, 1], at T = 0.1. The steps of this toolkit are in [0, 1], half as
    wide, so T is 0.05 here: the same weights. `min_form(2 * steps - 1, 0.1)` gives PURE's own figures.

    Args:
        steps: Any finite rewards, of any scale; NaN for absent.
        temperature: In the unit of the steps, at least 0. At 0 the worst steps share the minimum equally.

    Returns:
        Same shape; the sum lies between the least and the mean of the rewards. All NaN when one is absent: it might be the
        worst.

    Example:
        >>> min_form([1.0, 0.2, 0.9], temperature=0.0)
        array([0. , 0.2, 0. ])
        >>> min_form([1.0, 0.2, 0.3]).round(3)  # weights exp(-16), 1, exp(-2) over their sum
        array([0.   , 0.176, 0.036])
    """
    scores = floats(steps, 1, "steps")
    if not temperature >= 0:
        raise ValueError(f"temperature is {temperature:g}; it must not be negative")
    if not scores.size or np.isnan(scores).any():
        return np.full(len(scores), np.nan)
    with np.errstate(over="ignore"):  # so far above the worst that its weight is 0
        above = scores - scores.min()
        weight = np.exp(-above / temperature) if temperature > 0 else (above == 0).astype(np.float64)
    return np.asarray(scores * (weight / weight.sum()), dtype=np.float64)


def renorm(steps: ArrayLike, outcome: float | None) -> Floats:
    """r_step + r_outcome - 1: half is taken off each, so that a good step of a failed attempt is not paid.

    PPR (Xu et al. 2025, "Hybrid Reward Normalization for Process-supervised Non-verifiable Agentic Tasks",
    arXiv:2509.25598), its ReNorm, as a public review of the paper describes it (1/2 off both rewards); we could not read the
    formula itself.

    Args:
        steps: In [0, 1]; NaN for absent.
        outcome: In [0, 1]; None or NaN when absent, which makes all steps absent.

    Returns:
        Same shape, in [-1, 1].

    Example:
        >>> renorm([1.0, 0.5], outcome=1.0), renorm([1.0, 0.5], outcome=0.0)
        (array([1. , 0.5]), array([ 0. , -0.5]))
    """
    result = np.nan if outcome is None else float(outcome)
    if result < 0 or result > 1:
        raise ValueError(f"outcome is {result:g}, outside [0, 1]")
    return np.asarray(unit(steps, name="steps") + result - 1, dtype=np.float64)


def mix_verifiable(
    process: ArrayLike, outcomes: ArrayLike, questions: Sequence[str], *, share: float = 0.1, seed: int = 0
) -> Floats:
    """Process reward, plus the checked outcome for a small share of the questions.

    PURE (arXiv:2504.15275): process rewards alone end in hacking, and answers checked for a tenth of the questions prevent it.
    Ours: which questions those are follows from their text and the seed, so a question is checked for all its responses or none.

    Args:
        process: Folded step rewards (as of `min_form(...).sum()`), shape (responses,); NaN for absent.
        outcomes: Checked outcome, same shape; NaN for absent, which makes the response of a checked question absent.
        questions: One a response.
        share: Of the questions to check, in [0, 1].
        seed: Another seed checks others.

    Example:
        >>> mix_verifiable([0.25, 0.5], [1.0, np.nan], ["a", "b"], share=1.0)
        array([1.25,  nan])
    """
    steps, checked = floats(process, 1, "process"), floats(outcomes, 1, "outcomes")
    if not len(steps) == len(checked) == len(questions) or not 0 <= share <= 1:
        raise ValueError(f"{len(steps)} process rewards, {len(checked)} outcomes, {len(questions)} questions; share is {share:g}")
    return np.asarray(np.where(draws(questions, seed, "verifiable") < share, steps + checked, steps), dtype=np.float64)


def consistent(outcomes: ArrayLike, process: ArrayLike, keep: int, *, threshold: float = 0.5) -> Bools:
    """Keep right answers with good steps and wrong answers with bad ones, as many of each as there are.

    PROF (Ye et al. 2025, "Beyond Correctness: Harmonizing Process and Outcome Rewards through RL Training",
    arXiv:2509.03403): process rewards select and are never paid, so they cannot be hacked. Of the right answers those with
    the lowest mean step reward go, of the wrong ones those with the highest, and how many go of each brings the two sides
    as near to equal as they come. Ours: ties go by position, and a response without an outcome or step reward is not
    kept, since nothing says that the two agree.

    Args:
        outcomes: Shape (responses,), of one group; right at or above `threshold`; NaN for absent.
        process: Mean step reward, same shape; NaN for absent.
        keep: Responses to keep, at least 0.

    Returns:
        Shape (responses,): `keep` times True, or fewer when fewer can be used.

    Raises:
        ValueError: Shapes differ, or `keep` is negative.

    Example:
        >>> consistent([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.4], keep=2)
        array([ True, False, False,  True])
    """
    result, steps = floats(outcomes, 1, "outcomes"), floats(process, 1, "process")
    if result.shape != steps.shape or keep < 0:
        raise ValueError(f"{len(result)} outcomes and {len(steps)} step rewards; keep is {keep}")
    usable = ~(np.isnan(result) | np.isnan(steps))
    right = np.flatnonzero(usable & (result >= threshold))
    wrong = np.flatnonzero(usable & (result < threshold))
    right = right[np.argsort(-steps[right], kind="stable")]
    wrong = wrong[np.argsort(steps[wrong], kind="stable")]
    half = (keep + (len(right) >= len(wrong))) // 2
    of_right = min(len(right), max(half, keep - len(wrong)))
    kept = np.zeros(len(result), dtype=np.bool_)
    kept[right[:of_right]] = True
    kept[wrong[: min(len(wrong), keep - of_right)]] = True
    return kept


@dataclass(frozen=True, slots=True)
class Thought:
    """Neighbouring steps with the same verdict.

    Attributes:
        start: First step.
        stop: One past the last.
        correct: None where the judge gave no verdict.
    """

    start: int
    stop: int
    correct: bool | None


def merge_thoughts(steps: ArrayLike, threshold: float = 0.5) -> tuple[Thought, ...]:
    """Merge neighbouring steps of one verdict, so that cutting a text into more steps does not earn more.

    TP-GRPO (He et al. 2025, "Good Learners Think Their Thinking", arXiv:2507.23317).

    Example:
        >>> [(t.start, t.stop, t.correct) for t in merge_thoughts([0.9, 0.8, 0.1, 0.7])]
        [(0, 2, True), (2, 3, False), (3, 4, True)]
    """
    thoughts: list[Thought] = []
    for position, score in enumerate(unit(steps, name="steps")):
        correct = None if np.isnan(score) else bool(score >= threshold)
        if thoughts and thoughts[-1].correct is correct:
            thoughts[-1] = Thought(thoughts[-1].start, position + 1, correct)
        else:
            thoughts.append(Thought(position, position + 1, correct))
    return tuple(thoughts)


def thought_rewards(thoughts: tuple[Thought, ...], solved: bool, pass_rate: float) -> Floats:
    """Reward of each thought, by how able the policy is at this question.

    After TP-GRPO's capability-adaptive reward (arXiv:2507.23317), whose formula was not available to us. Ours: a right
    thought in a failed solution earns 1 - pass rate (a weak policy is encouraged to go on), a wrong thought in a solved one
    costs the pass rate (an able policy is made to stop wandering), and what agrees with the outcome earns or costs 1.

    Args:
        thoughts: Of one response.
        solved: Whether its final answer is right.
        pass_rate: Share of the group that solved the question, in [0, 1].

    Returns:
        Shape (thoughts,), in [-1, 1]; NaN for a thought without a verdict.

    Example:
        >>> thought_rewards(merge_thoughts([0.9, 0.1]), solved=False, pass_rate=0.25)
        array([ 0.75, -1.  ])
    """
    if not 0 <= pass_rate <= 1:
        raise ValueError(f"pass_rate is {pass_rate:g}, outside [0, 1]")
    right, wrong = (1.0, -pass_rate) if solved else (1.0 - pass_rate, -1.0)
    return np.array([np.nan if t.correct is None else right if t.correct else wrong for t in thoughts], dtype=np.float64)


def _outcomes(step: Any, stage: Stage) -> Floats:
    """Of each response, in [0, 1]; NaN where unknown, 0 of what a filter or a veto turned away."""
    batch = stage.batch
    if step.outcome == "reward":
        return stage.values
    if step.outcome == "label":
        pairs = zip(batch.answers or (), batch.labels or (), strict=True)
        found = np.array([math.nan if label is None else float(answer == label) for answer, label in pairs], dtype=np.float64)
    else:
        found = np.array(batch.numbers[step.column], dtype=np.float64)
    return np.where(stage.vetoed, 0.0, found)


def _means(stage: Stage) -> Floats:
    """Mean step score of each response; NaN without steps, and where one is missing."""
    rows = stage.batch.steps or ()
    return np.array([math.fsum(row) / len(row) if row else math.nan for row in rows], dtype=np.float64)


def _told(out: Floats, stage: Stage) -> tuple[str, ...]:
    lost = int((np.isnan(out) & stage.present).sum())
    return (f"{lost} response(s) lack an outcome or a step's score: no reward there",) if lost else ()


def _min_form(step: MinFormStep, stage: Stage) -> Stepped:
    rows = stage.batch.steps or ()
    credit = [min_form(row, step.temperature) for row in rows]
    out = np.array([math.fsum(c) if len(c) else math.nan for c in credit], dtype=np.float64)
    if step.checked:
        right, process = _outcomes(RenormStep(), stage), out
        questions = [stage.key(row) for row in range(len(out))]
        out = mix_verifiable(out, right, questions, share=step.checked, seed=stage.seed)
        for c, bonus in zip(credit, out - process, strict=True):
            c[-1:] += bonus  # the outcome is paid where the response ends
    return _paid_by_step(np.where(stage.vetoed, 0.0, out), credit, stage)


def _paid_by_step(out: Floats, credit: Sequence[Floats], stage: Stage) -> Stepped:
    """The rewards, and what each step is paid where a response has one."""
    out = np.where(stage.present, out, np.nan)
    known = ~np.isnan(out) & ~stage.vetoed
    paid = tuple(tuple(map(float, c)) if ok else () for c, ok in zip(credit, known, strict=True))
    return Stepped(out, _told(out, stage), paid=paid)


def _renorm(step: RenormStep, stage: Stage) -> Stepped:
    outcomes, rows = _outcomes(step, stage), stage.batch.steps or ()
    out = np.where(stage.vetoed, -1.0, _means(stage) + outcomes - 1)
    credit = [np.array(row, dtype=np.float64) + outcome - 1 for row, outcome in zip(rows, outcomes, strict=True)]
    return _paid_by_step(out, credit, stage)


def _thoughts(step: ThoughtsStep, stage: Stage) -> Stepped:
    out, outcomes = np.full(len(stage.values), np.nan), _outcomes(step, stage)
    credit = [np.zeros(len(row)) for row in stage.batch.steps or ()]
    for _, rows in stage.groups():
        known = rows[~np.isnan(outcomes[rows])]
        if not len(known):
            continue
        rate = float((outcomes[known] >= step.threshold).sum() / len(known))
        for row in known:
            thoughts = merge_thoughts((stage.batch.steps or ())[row], step.threshold)
            paid = thought_rewards(thoughts, bool(outcomes[row] >= step.threshold), rate)
            out[row] = math.fsum(paid) / len(paid) if len(paid) else math.nan
            for thought, pay in zip(thoughts, paid, strict=True):
                credit[row][thought.stop - 1] = pay  # once a thought, where it ends
    return _paid_by_step(np.where(stage.vetoed, -1.0, out), credit, stage)


def _prof(step: ProfStep, stage: Stage) -> Stepped:
    out, outcomes, means = np.full(len(stage.values), np.nan), _outcomes(step, stage), _means(stage)
    kept = 0
    for _, rows in stage.groups():
        chosen = rows[consistent(outcomes[rows], means[rows], step.keep, threshold=step.threshold)]
        out[chosen] = outcomes[chosen]
        kept += len(chosen)
    out = np.where(stage.vetoed & stage.present, 0.0, out)
    note = f"{kept} of {int(stage.present.sum())} response(s) kept, whose steps agree with their outcome"
    return Stepped(out, (note,))


def _needs(step: Any) -> tuple[str, ...]:
    if isinstance(step, MinFormStep):
        return ("steps", "answers", "labels") if step.checked else ("steps",)
    return ("steps", *{"label": ("answers", "labels"), "reward": (), "column": (f"column {step.column}",)}[step.outcome])


def _one(step: Any, span: RewardRange) -> RewardRange:
    return -1.0, 1.0


def _unit(step: Any, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


def _objects(step: Any, span: RewardRange) -> str:
    low, high = span
    inside = step.outcome != "reward" or (low >= 0 and high <= 1)
    return "" if inside else f"takes the reward for an outcome in [0, 1], and here rewards are in [{low:g}, {high:g}]"


def _replaces(step: Any) -> bool:
    return isinstance(step, MinFormStep) or step.outcome != "reward"


KINDS: dict[str, StepKind] = {
    "min_form": StepKind(
        _min_form, always("row"), _needs, lambda s, span: (0.0, 2.0 if s.checked else 1.0), replaces=_replaces, sees=sees_one
    ),
    "renorm": StepKind(_renorm, always("row"), _needs, _one, _objects, _replaces, sees=sees_one),
    "thoughts": StepKind(_thoughts, always("none"), _needs, _one, _objects, _replaces),
    "prof": StepKind(_prof, always("none"), _needs, _unit, _objects, _replaces),
}
