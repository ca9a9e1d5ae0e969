"""Noise put into rewards on purpose: what a run does with a worse judge, and with no judge at all.

A model with strong priors improves under random rewards too. A gain counts as the judge's only against `random_rewards`, and
a judge's error rate matters only next to the same run with that rate injected. Every draw depends on the content and the
seed, so a response gets the same noise in any batch, order or process.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from judge.arrays import Floats, unit
from judge.rubric.model import Frozen
from judge.shape.batch import RewardRange, Stage, StepKind, Stepped, UnitFloat, always, sees_one, unit_only


class FlipStep(Frozen):
    """Turn rewards round (r becomes 1 - r) at given error rates, as a judge that errs would.

    Attributes:
        false_positive: Share of the wrong ones (below 0.5) to flip.
        false_negative: Share of the right ones to flip.
        by: One draw a `response`, or one a `question` (then all its responses are flipped together).
    """

    kind: Literal["flip"] = "flip"
    false_positive: UnitFloat = 0.0
    false_negative: UnitFloat = 0.0
    by: Literal["response", "question"] = "response"

    @model_validator(mode="after")
    def _flips(self) -> Self:
        if self.false_positive == self.false_negative == 0:
            raise ValueError("with both rates at 0 nothing is flipped; give `false_positive`, `false_negative` or both")
        return self


class RandomStep(Frozen):
    """The control: 0 or 1 by a coin that knows nothing of the response. `rate`: share of ones, the mean of the compared run.

    Attributes:
        rate: Share of ones.
    """

    kind: Literal["random"] = "random"
    rate: UnitFloat = 0.5


class PatternStep(Frozen):
    """Phrases of sound reasoning: as the reward itself, or to lift what a noisy judge marked down.

    Attributes:
        phrases: What is looked for, in any letter case.
        use: `lift` low rewards by it, or pay it alone (`reward`).
        each: What a phrase that is there counts.
        ngram: n of the word n-grams whose repetition is taken off; null: repetition costs nothing.
        below: Of `lift`: only rewards under this are lifted, and none above it.
        strength: Of `lift`: share of the gap that a full pattern reward gives back.
    """

    kind: Literal["pattern"] = "pattern"
    phrases: tuple[str, ...] = Field(min_length=1, max_length=1000)
    use: Literal["lift", "reward"] = "lift"
    each: float = Field(default=0.05, gt=0, le=1)
    ngram: int | None = Field(default=20, ge=1, le=1000)
    below: UnitFloat = 0.5
    strength: UnitFloat = 0.5

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if any(not phrase.strip() for phrase in self.phrases):
            raise ValueError("an empty phrase is in every text")
        if self.use == "reward" and {"below", "strength"} & self.model_fields_set:
            raise ValueError("`below` and `strength` are for `use: lift`")
        if self.use == "lift" and not self.below * self.strength:
            raise ValueError("with `below` or `strength` at 0 nothing is lifted")
        return self


def draws(keys: Sequence[str], seed: int, purpose: str = "") -> Floats:
    """One number in [0, 1) for each key; equal keys get equal numbers.

    Example:
        >>> bool((draws(["a", "b", "a"], seed=0)[[0, 2]] == draws(["a"], seed=0)[0]).all())
        True
    """
    name = f"{purpose}\x1f{seed}".encode()
    salt = hashlib.blake2b(name, digest_size=32).digest()
    digests = (hashlib.blake2b(k.encode("utf-8", "surrogatepass"), digest_size=8, key=salt).digest() for k in keys)
    return np.array([(int.from_bytes(d, "big") >> 11) / 2**53 for d in digests], dtype=np.float64)


def flip_rewards(
    rewards: ArrayLike, keys: Sequence[str], *, false_positive: float, false_negative: float, seed: int = 0
) -> Floats:
    """Flip rewards at given error rates: r becomes 1 - r.

    The flips of Lv et al. 2025, "The Climb Carves Wisdom Deeper Than the Summit: On the Noisy Rewards in Learning to
    Reason", arXiv:2505.22653 (equal rates, one draw a question: give the question as key), with the two rates of
    arXiv:2510.00915: rho_0 for wrong answers, rho_1 for right ones.

    Args:
        rewards: Shape (responses,), in [0, 1]; right at or above 0.5; NaN for absent.
        keys: What each draw depends on: question and response for independent flips.
        false_positive: Share of the wrong ones to flip, in [0, 1].
        false_negative: Share of the right ones to flip, in [0, 1].
        seed: Another seed flips others.

    Returns:
        Shape (responses,); NaN stays NaN. A response flipped at one rate is flipped at every higher rate.

    Example:
        >>> flip_rewards([1.0, 0.0, np.nan], ["a", "b", "c"], false_positive=0.0, false_negative=1.0)
        array([ 0.,  0., nan])
    """
    values = unit(rewards)
    if not (0 <= false_positive <= 1 and 0 <= false_negative <= 1):
        raise ValueError("rates must be in [0, 1]")
    rate = np.where(values >= 0.5, false_negative, false_positive)
    return np.asarray(np.where(_draws_for(values, keys, seed, "flip") < rate, 1 - values, values), dtype=np.float64)


def random_rewards(rewards: ArrayLike, keys: Sequence[str], *, rate: float, seed: int = 0) -> Floats:
    """The control: 0 or 1 by a coin that knows nothing of the response.

    Args:
        rewards: The rewards to replace, in [0, 1]; what is absent stays absent.
        keys: What each draw depends on.
        rate: Share of ones, in [0, 1]: the mean reward of the run that is compared, so that only the information is taken away.
            (The mean of the batch at hand would give a response another reward in another batch.)
        seed: Of the coin.

    Example:
        >>> random_rewards([0.9, 0.2, np.nan], ["a", "b", "c"], rate=1.0)
        array([ 1.,  1., nan])
    """
    values = unit(rewards)
    known = ~np.isnan(values)
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate:g}, outside [0, 1]")
    drawn = (_draws_for(values, keys, seed, "random") < rate).astype(np.float64)
    return np.asarray(np.where(known, drawn, np.nan), dtype=np.float64)


def pattern_reward(text: str, phrases: Sequence[str], *, each: float = 0.05, most: float = 1.0, ngram: int | None = 20) -> float:
    """Reward for how a text reasons, whatever it concludes: `each` for every phrase in it, at most `most`, less its repetition.

    Reasoning pattern reward (RPR, arXiv:2505.22653). As in the authors' code (`think_reward` in `math_score.py`): a phrase counts
    once however often it is said, in lower case, 1/20 each up to 1, less the share of 20-grams that occur more than once, not
    below 0. Ours: the phrases are given (theirs are forty of mathematics), runs of white space count as one space, and where
    theirs takes off a point for each "user: " in the text, that is left to the filters.

    Args:
        ngram: n of the word n-grams whose repetition is taken off; None: repetition costs nothing.

    Returns:
        In [0, most].

    Example:
        >>> pattern_reward("First, I need to add. First, I need to stop.", ["first, i need to", "let me check"])
        0.05
    """
    if each < 0 or most < 0 or (ngram is not None and ngram < 1):
        raise ValueError("each and most must not be negative, and ngram be at least 1")
    plain = " ".join(text.split()).casefold()
    found = {p for p in (" ".join(phrase.split()).casefold() for phrase in phrases) if p and p in plain}
    return max(0.0, min(most, each * len(found)) - (repeated_kinds(plain, ngram) if ngram else 0.0))


def repeated_kinds(text: str, n: int) -> float:
    """Different n-grams that occur more than once, over all n-grams, in [0, 1/2]; 0 when the text has none. Words end at spaces.

    Example:
        >>> repeated_kinds("a b a b c", 2)  # ab ba ab bc: one kind of four repeats
        0.25
    """
    words = text.split()
    grams = Counter(zip(*(words[k:] for k in range(n)), strict=False))
    return sum(count > 1 for count in grams.values()) / grams.total() if grams else 0.0


def lift_low_rewards(rewards: ArrayLike, patterns: ArrayLike, *, below: float = 0.5, strength: float = 0.5) -> Floats:
    """Give well-reasoned responses that a noisy judge marked down part of it back.

    After the calibration of arXiv:2505.22653 (RPR against false negatives of a reward model). Ours: r + strength * pattern *
    (below - r) for r < below, so that no response rises above `below`, the order of equal patterns is kept, and high rewards
    are left alone.

    Args:
        rewards: Shape (responses,), in [0, 1]; NaN for absent.
        patterns: Pattern reward, same shape, in [0, 1]; where absent, nothing is lifted.
        below: Only rewards under this are suspected, in [0, 1].
        strength: Share of the gap that a full pattern reward gives back, in [0, 1].

    Example:
        >>> lift_low_rewards([0.1, 0.1, 0.9], [1.0, 0.0, 1.0])
        array([0.3, 0.1, 0.9])
    """
    values, pattern = unit(rewards), unit(patterns)
    if values.shape != pattern.shape or not (0 <= below <= 1 and 0 <= strength <= 1):
        raise ValueError("rewards and patterns must have one shape; below and strength must be in [0, 1]")
    lift = strength * np.nan_to_num(pattern, nan=0.0) * np.maximum(below - values, 0.0)
    return np.asarray(values + lift, dtype=np.float64)


def _draws_for(values: Floats, keys: Sequence[str], seed: int, purpose: str) -> Floats:
    if len(keys) != len(values):
        raise ValueError(f"{len(keys)} keys for {len(values)} rewards")
    return draws(keys, seed, purpose)


def _flip(step: FlipStep, stage: Stage) -> Stepped:
    rows = np.flatnonzero(stage.present & ~stage.vetoed)  # a filter's 0 is no judge's, and stays
    out = stage.values.copy()
    out[rows] = flip_rewards(
        stage.values[rows],
        _keys(stage, rows, whole=step.by == "question"),
        false_positive=step.false_positive,
        false_negative=step.false_negative,
        seed=stage.seed,
    )
    flipped = int((out[rows] != stage.values[rows]).sum())
    return Stepped(out, (f"{flipped} of {len(rows)} reward(s) flipped, seed {stage.seed}",))


def _random(step: RandomStep, stage: Stage) -> Stepped:
    rows = np.flatnonzero(stage.present & ~stage.vetoed)
    out = stage.values.copy()
    out[rows] = random_rewards(stage.values[rows] * 0, _keys(stage, rows), rate=step.rate, seed=stage.seed)
    return Stepped(out, (f"rewards drawn by a coin, seed {stage.seed}",))


def _pattern(step: PatternStep, stage: Stage) -> Stepped:
    rows, out = np.flatnonzero(stage.present & ~stage.vetoed), stage.values.copy()
    texts = [(stage.batch.texts or ())[row] for row in rows]
    found = [pattern_reward(text, step.phrases, each=step.each, ngram=step.ngram) for text in texts]
    if step.use == "reward":
        out[rows] = found
        return Stepped(out)
    out[rows] = lift_low_rewards(stage.values[rows], found, below=step.below, strength=step.strength)
    return Stepped(out, (f"{int((out[rows] != stage.values[rows]).sum())} of {len(rows)} reward(s) lifted",))


def _keys(stage: Stage, rows: Any, *, whole: bool = False) -> list[str]:
    return [stage.key(row) if whole else f"{stage.key(row)}\0{(stage.batch.texts or ())[row]}" for row in rows]


def _unit(step: Any, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


def _pattern_objects(step: PatternStep, span: RewardRange) -> str:
    return unit_only(step, span) if step.use == "lift" else ""


KINDS: dict[str, StepKind] = {
    "flip": StepKind(_flip, always("none"), lambda s: ("texts",), _unit, unit_only, sees=sees_one),
    "random": StepKind(_random, always("row"), lambda s: ("texts",), _unit, replaces=lambda s: True, sees=sees_one),
    "pattern": StepKind(
        _pattern,
        always("row"),
        lambda s: ("texts",),
        _unit,
        _pattern_objects,
        replaces=lambda s: bool(s.use == "reward"),
        sees=sees_one,
    ),
}
