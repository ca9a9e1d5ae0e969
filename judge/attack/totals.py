"""Trials -> what a whole run comes to: texts without an answer, gains, honest answers, and the string that earns most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from judge.attack.arena import Arena, Gate
from judge.attack.catalogue import Safe
from judge.attack.figures import by_item, clusters, got_through, share_of
from judge.attack.play import Trial
from judge.report.stats import NOTHING, Interval, rate, wilson


@dataclass(frozen=True)
class Honest:
    """What the judge and the gate do to honest answers.

    Attributes:
        accepted: Share of right answers accepted (true-positive rate); the rest of the scored ones are false negatives.
        wrong_accepted: Share of wrong answers accepted (false-positive rate on honest answers).
        vetoed: Share of right answers that the gate stopped.
        pass_rate: What a policy earns that is right as often as the data's answers are; NaN without labels.
    """

    gate: Gate
    right: int
    accepted: float
    accepted_interval: Interval
    wrong: int
    wrong_accepted: float
    wrong_interval: Interval
    vetoed: float
    vetoed_interval: Interval
    vetoed_flags: dict[str, int]
    pass_rate: float
    unscored: dict[str, int]


@dataclass(frozen=True)
class Constant:
    """A string that earns the same everywhere: a policy that emits nothing else.

    Attributes:
        rate: Share of the questions on which it is accepted.
        beats: It earns more than honest answers do (`Honest.pass_rate`); None where that is not known.
    """

    gate: Gate
    item: str
    variant: str
    text: str
    rate: float
    interval: Interval
    trials: int
    pass_rate: float
    beats: bool | None


@dataclass(frozen=True)
class Total:
    """All texts without an answer (NEG), or all gains (NOGAIN, LITERAL, INVARIANT), taken together."""

    trials: int
    unscored: int
    rate: float
    interval: Interval
    worst: float


def total(arena: Arena, trials: Sequence[Trial], gate: Gate, seed: int, keep: Callable[[Safe], bool]) -> Total:
    """One rate over all families whose expectation `keep` accepts."""
    mine = [t for t in trials if t.shot.attack is not None and keep(t.shot.attack.safe) and t.shot.base_kind != "right"]
    said = [(t, x) for t in mine if (x := got_through(arena, t, gate)) is not None]
    per_item = by_item(said)
    return Total(
        trials=len(mine),
        unscored=sum(t.attack[gate].value is None for t in mine),
        rate=share_of([x for _, x in said]),
        interval=rate([x for _, x in said], clusters(t for t, _ in said), seed=seed) if said else NOTHING,
        worst=max((got / n for got, n in per_item.values()), default=math.nan),
    )


def honest_figure(arena: Arena, trials: Sequence[Trial], gate: Gate, seed: int) -> Honest:
    """The figure of the honest answers of one mode."""
    rights = [t for t in trials if t.shot.kind == "right"]
    wrongs = [t for t in trials if t.shot.kind == "wrong"]
    right = [(t, a) for t in rights if (a := arena.accepted(t.attack[gate])) is not None]
    wrong = [(t, a) for t in wrongs if (a := arena.accepted(t.attack[gate])) is not None]
    vetoed = [float(t.attack[gate].gated) for t in rights]
    accepted, wrong_accepted = share_of([a for _, a in right]), share_of([a for _, a in wrong])
    shares = [t.shot.question.share_right for t in rights + wrongs if t.shot.question.share_right is not None]
    share = sum(shares) / len(shares) if shares else math.nan
    by_question = [[t.shot.question.id for t, _ in right]]
    return Honest(
        gate=gate,
        right=len(rights),
        accepted=accepted,
        accepted_interval=rate([a for _, a in right], by_question, seed=seed),
        wrong=len(wrongs),
        wrong_accepted=wrong_accepted,
        wrong_interval=rate([a for _, a in wrong], [[t.shot.question.id for t, _ in wrong]], seed=seed),
        vetoed=share_of(vetoed),
        vetoed_interval=rate(vetoed, [[t.shot.question.id for t in rights]], seed=seed),
        vetoed_flags=dict(Counter(t.attack[gate].flag for t in rights if t.attack[gate].gated)),
        pass_rate=share * accepted + (1 - share) * (0.0 if arena.paired else wrong_accepted) if shares else math.nan,
        unscored=dict(Counter(t.attack[gate].reason for t in trials if t.attack[gate].value is None)),
    )


def constant_figure(arena: Arena, trials: Sequence[Trial], gate: Gate, honest: Honest) -> Constant | None:
    """The literal string that earns most wherever it is written, beside what honest answers earn."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for t in trials:
        attack = t.shot.attack
        if attack is None or attack.safe != "NEG" or attack.transform:
            continue
        through = arena.accepted(t.attack[gate])
        if through is not None:
            groups.setdefault((attack.id, t.shot.variant, t.shot.text), []).append(through)
    if not groups:
        return None
    (item, variant, text), values = max(groups.items(), key=lambda g: (sum(g[1]) / len(g[1]), len(g[1])))
    share = sum(values) / len(values)
    beats = None if math.isnan(honest.pass_rate) else share > honest.pass_rate
    ends = wilson(round(sum(values)), len(values))
    return Constant(gate, item, variant, text, share, ends, len(values), honest.pass_rate, beats)
