"""Can this judge judge? Two dozen short questions, in two minutes, before a training run is built on the answer.

Each question has a right and a wrong answer, both in a few words and with a reason, and a string without content. A judge that
is bound to a position, always answers one thing, follows length, pays for nothing or answers at random is caught by that; one
that passes knows right from wrong on easy questions, and no more is said.

- The questions are easy on purpose: a judge that fails here cannot be trusted with harder ones.
- The intake filters are left aside, so that the judge itself is measured. Cost: five calls a question, or five comparisons.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from judge.arrays import Floats
from judge.engine.protocol import Engine
from judge.errors import SettingsError
from judge.intervals import Interval
from judge.pipeline.build import Plan
from judge.pipeline.session import Session
from judge.report.stats import cluster_bootstrap
from judge.report.text import percent
from judge.rubric.load import rubric_from
from judge.rubric.model import Rubric
from judge.types import Reward, Sample

SAME = 0.9  # share of one grade from which a judge "always answers one thing"
LENGTH = 0.3  # by how much the right answer must fare better when it is the longer one
POSITION = 0.25  # share of comparisons won by a place, above one half
PAID = 0.1  # share of strings without content that may be paid
MISSING = 0.05
UNSTEADY = 0.3  # share of answers whose two wordings may be graded apart


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One question: `right` and `wrong` hold a short and a long wording."""

    question: str
    reference: str
    right: tuple[str, str]
    wrong: tuple[str, str]


@dataclass(frozen=True, slots=True)
class CheckSet:
    """The shipped questions, the rubric that goes with them, and the strings without content."""

    items: tuple[CheckItem, ...]
    rubric: Rubric
    empty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckFault:
    """Why a judge does not pass.

    Attributes:
        code: `cannot_tell`, `always_same`, `position`, `length`, `pays_nothing`, `unsteady`, `no_verdict`.
    """

    code: str
    text: str


@dataclass(frozen=True)
class CheckReport:
    """What the check found.

    Attributes:
        accuracy: Share of right answers graded above the wrong one of the same question, ties half, without those that
            have no verdict; `interval` clustered by question.
        long_right, short_right: The same where the right answer is the longer one, and where it is the shorter one.
        first: Share of the comparisons won by what is shown first (comparing recipes); None for others.
        paid: Share of strings without content that got half of the scale and more (comparing: that won); None: none was read.
        missing: Share of judgements without a verdict.
        same: The commonest grade and its share; None for comparing recipes.
        apart: Share of answers whose two wordings were graded half of the scale apart and more.
        faults: Empty: the judge passes.
    """

    accuracy: float
    interval: Interval
    long_right: float
    short_right: float
    first: float | None
    paid: float | None
    missing: float
    same: tuple[float, float] | None
    apart: float | None
    judged: int
    calls: int
    seconds: float
    model: str
    recipe: str
    reasons: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[CheckFault, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether nothing speaks against the judge."""
        return not self.faults

    @property
    def won(self) -> str:
        """Accuracy with its interval and what chance would give, for a reader; a dash where no two answers were compared."""
        low, high = self.interval
        ends = "" if math.isnan(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
        return percent(self.accuracy) if math.isnan(self.accuracy) else f"{percent(self.accuracy)}{ends}, chance is 50 %"

    def plain(self) -> dict[str, Any]:
        """As plain values; NaN is None."""

        def number(value: float | None) -> float | None:
            return None if value is None or math.isnan(value) else round(value, 6)

        return {
            "passes": self.passes,
            "faults": [{"code": f.code, "text": f.text} for f in self.faults],
            "accuracy": number(self.accuracy),
            "interval": [number(self.interval.low), number(self.interval.high)],
            "accuracy_right_longer": number(self.long_right),
            "accuracy_right_shorter": number(self.short_right),
            "first_wins": number(self.first),
            "empty_paid": number(self.paid),
            "no_verdict": number(self.missing),
            "reasons": dict(self.reasons),
            "commonest": None if self.same is None else {"grade": self.same[0], "share": number(self.same[1])},
            "wordings_apart": number(self.apart),
            "judged": self.judged,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "model": self.model,
            "recipe": self.recipe,
        }


@cache
def check_set() -> CheckSet:
    """The shipped questions."""
    raw = yaml.safe_load((files("judge.bench") / "check_items.yaml").read_text(encoding="utf-8"))
    items = (CheckItem(i["q"], i["a"], tuple(i["right"]), tuple(i["wrong"])) for i in raw["items"])
    return CheckSet(tuple(items), rubric_from(raw["rubric"], "check_items.yaml"), tuple(raw["empty"]))


async def run_check(
    plan: Plan, engine: Engine | None = None, *, own_rubric: bool = False, limit: int | None = None
) -> CheckReport:
    """Judge the shipped questions.

    Args:
        engine: Used instead of the one in the settings.
        own_rubric: Judge by the run's rubric instead of the check's own, which asks whether the answer is right.
        limit: Only so many questions.

    Raises:
        SettingsError: The recipe needs what these questions do not have.
        EngineError: The engine cannot work.
    """
    spec = plan.recipe.spec
    lacking = [n for n in spec.needs.sample if n in ("steps", "exemplar")]
    if lacking:
        raise SettingsError(
            f"recipe `{spec.name}` needs {lacking[0]}, which the questions of `judge check` do not have; use `judge bench`"
        )
    items = check_set().items[:limit]
    settings = plan.settings.model_copy(update={"monitor": None, "group": None, "on_no_verdict": "drop", "record": None})
    order = "single" if spec.mode == "pairwise" else plan.order  # both places are asked here, one comparison each
    session = Session(replace(plan, settings=settings, order=order), engine)
    rubric = None if own_rubric and plan.rubric is not None else check_set().rubric
    began = time.monotonic()
    try:
        paired = spec.mode in ("pairwise", "listwise")
        samples = list(_pairs(items, rubric) if paired else _singles(items, rubric))
        rewards = await session.judge(samples, frozenset(s.id for s in samples))
    finally:
        session.close()
    seconds = time.monotonic() - began
    found = _paired(items, _by_id(rewards)) if paired else _single(items, _by_id(rewards))
    model = rewards[0].calls[0].model if rewards and rewards[0].calls else plan.settings.engine.model
    return replace(
        found,
        calls=len({(c.key, r.sample_id) for r in rewards for c in r.calls}),
        seconds=seconds,
        model=model,
        recipe=spec.name,
        reasons=_reasons(rewards),
        faults=tuple(_faults(found)),
    )


def _by_id(rewards: Sequence[Reward]) -> dict[str, tuple[Reward, ...]]:
    out: dict[str, list[Reward]] = {}
    for reward in rewards:
        out.setdefault(reward.sample_id, []).append(reward)
    return {name: tuple(each) for name, each in out.items()}


def _sample(item: CheckItem, name: str, responses: tuple[str, ...], rubric: Rubric | None) -> Sample:
    return Sample(
        prompt=item.question,
        responses=responses,
        reference=(item.reference,),
        context=(f"{item.question} {item.reference}",),
        principle="Prefer the answer that is right.",
        rubric=rubric,
        id=name,
    )


def _singles(items: Sequence[CheckItem], rubric: Rubric | None) -> Sequence[Sample]:
    """Five responses a question: right and wrong in two wordings, and a string without content."""
    empty, out = check_set().empty, []
    for n, item in enumerate(items):
        texts = {"right0": item.right[0], "right1": item.right[1], "wrong0": item.wrong[0], "wrong1": item.wrong[1]}
        texts["empty"] = empty[n % len(empty)]
        out += [_sample(item, f"{n}/{what}", (text,), rubric) for what, text in texts.items()]
    return out


def _pairs(items: Sequence[CheckItem], rubric: Rubric | None) -> Sequence[Sample]:
    """Five comparisons a question: the right one longer and shorter, in both places, and against a string without content."""
    empty, out = check_set().empty, []
    for n, item in enumerate(items):
        for what, right, wrong in (("long", item.right[1], item.wrong[0]), ("short", item.right[0], item.wrong[1])):
            out += [
                _sample(item, f"{n}/{what}/first", (right, wrong), rubric),
                _sample(item, f"{n}/{what}/second", (wrong, right), rubric),
            ]
        pair = (empty[n % len(empty)], item.right[0])
        out.append(_sample(item, f"{n}/empty", pair if n % 2 else pair[::-1], rubric))
    return out


def _value(reward: Reward) -> float:
    return math.nan if reward.raw_reward is None else reward.raw_reward


def _wins(right: float, wrong: float) -> float:
    """1, 0, one half of a tie; NaN without one of the two."""
    return math.nan if math.isnan(right) or math.isnan(wrong) else 0.5 if right == wrong else float(right > wrong)


def _single(items: Sequence[CheckItem], of: Mapping[str, Sequence[Reward]]) -> CheckReport:
    grades = {name: _value(each[0]) for name, each in of.items()}
    longer = np.array([_wins(grades[f"{n}/right1"], grades[f"{n}/wrong0"]) for n in range(len(items))])
    shorter = np.array([_wins(grades[f"{n}/right0"], grades[f"{n}/wrong1"]) for n in range(len(items))])
    apart = [
        abs(grades[f"{n}/{what}0"] - grades[f"{n}/{what}1"]) >= 0.5
        for n in range(len(items))
        for what in ("right", "wrong")
        if not (math.isnan(grades[f"{n}/{what}0"]) or math.isnan(grades[f"{n}/{what}1"]))
    ]
    answers = np.array([g for name, g in grades.items() if not name.endswith("empty") and not math.isnan(g)])
    values, counts = np.unique(answers, return_counts=True)
    same = (float(values[counts.argmax()]), float(counts.max() / answers.size)) if answers.size else None
    paid = [grades[f"{n}/empty"] >= 0.5 for n in range(len(items)) if not math.isnan(grades[f"{n}/empty"])]
    return _report(longer, shorter, grades, paid, None, same, float(np.mean(apart)) if apart else None)


def _paired(items: Sequence[CheckItem], of: Mapping[str, Sequence[Reward]]) -> CheckReport:
    def won(name: str, place: int) -> float:
        first, second = map(_value, of[name])
        return _wins(first, second) if place == 0 else _wins(second, first)

    sides: dict[str, list[float]] = {"long": [], "short": []}
    firsts, apart = [], []
    for n in range(len(items)):
        for what, each in sides.items():
            both = won(f"{n}/{what}/first", 0), won(f"{n}/{what}/second", 1)
            each.append(float(np.mean(both)))
            firsts += [w for w in (both[0], 1 - both[1]) if not math.isnan(w)]
        if not (math.isnan(sides["long"][-1]) or math.isnan(sides["short"][-1])):
            apart.append(abs(sides["long"][-1] - sides["short"][-1]) >= 0.5)
    empties = [won(f"{n}/empty", 0 if n % 2 else 1) for n in range(len(items))]
    paid = [w > 0.5 for w in empties if not math.isnan(w)]
    grades = {f"{name}/{i}": _value(r) for name, each in of.items() for i, r in enumerate(each)}
    first = float(np.mean(firsts)) if firsts else None
    return _report(
        np.array(sides["long"]), np.array(sides["short"]), grades, paid, first, None, float(np.mean(apart)) if apart else None
    )


def _report(
    longer: Floats,
    shorter: Floats,
    grades: Mapping[str, float],
    paid: Sequence[bool],
    first: float | None,
    same: tuple[float, float] | None,
    apart: float | None,
) -> CheckReport:
    both = np.concatenate([longer, shorter])
    question = np.concatenate([np.arange(longer.size), np.arange(shorter.size)])
    there = np.isfinite(both)
    interval = cluster_bootstrap(both[there], [question[there].tolist()], n=1000)
    return CheckReport(
        accuracy=float(both[there].mean()) if there.any() else math.nan,
        interval=interval,
        long_right=_mean(longer),
        short_right=_mean(shorter),
        first=first,
        paid=float(np.mean(paid)) if paid else None,
        missing=float(np.mean([math.isnan(g) for g in grades.values()])),
        same=same,
        apart=apart,
        judged=len(grades),
        calls=0,
        seconds=0.0,
        model="",
        recipe="",
    )


def _mean(values: Floats) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else math.nan


def _faults(found: CheckReport) -> list[CheckFault]:
    out = []
    if found.missing > MISSING:
        out.append(CheckFault("no_verdict", f"{percent(found.missing)} of the judgements have no verdict"))
    if found.same is not None and found.same[1] >= SAME:
        word = "yes" if found.same[0] >= 0.75 else "no" if found.same[0] <= 0.25 else "the same"
        share = f"{percent(found.same[1])} of right and wrong answers get {found.same[0]:g}"
        out.append(CheckFault("always_same", f"it always says {word}: {share}"))
    if found.first is not None and abs(found.first - 0.5) >= POSITION:
        place, won = ("first", found.first) if found.first > 0.5 else ("second", 1 - found.first)
        out.append(
            CheckFault("position", f"it is bound to a position: what is shown {place} wins {percent(won)} of the comparisons")
        )
    gap = found.long_right - found.short_right
    if abs(gap) >= LENGTH:
        wins = f"right answers win {percent(found.long_right)} when longer and {percent(found.short_right)} when shorter"
        out.append(CheckFault("length", f"it follows length: {wins}"))
    if found.paid is not None and found.paid > PAID:
        out.append(
            CheckFault("pays_nothing", f"it pays for nothing: {percent(found.paid)} of the content-free strings are accepted")
        )
    if found.apart is not None and found.apart >= UNSTEADY and abs(gap) < LENGTH:
        text = f"it is unsteady: {percent(found.apart)} of the answers are graded apart in two wordings of one meaning"
        out.append(CheckFault("unsteady", text))
    if not found.interval.low > 0.5:
        none = math.isnan(found.accuracy)
        why = "no two answers were compared" if none else f"right answers win {found.won}"
        out.append(CheckFault("cannot_tell", f"it cannot be shown to know right from wrong: {why}"))
    return out


def _reasons(rewards: Sequence[Reward]) -> dict[str, int]:
    out: dict[str, int] = {}
    for reward in rewards:
        if reward.failure is not None:
            out[str(reward.failure.reason)] = out.get(str(reward.failure.reason), 0) + 1
    return dict(sorted(out.items(), key=lambda item: -item[1]))
