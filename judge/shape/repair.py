"""Reference answers that are wrong, repaired by what the policy itself comes to agree on.

A majority alone is what a collapsing policy has too. So a label changes only while the majority's share *rises* and its
answer has been the same for a while. A repaired label stays: once all rollouts agree, the share rises no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from judge.rubric.model import Frozen
from judge.shape.batch import RewardRange, Stage, StepKind, Stepped, always, sees_batch, unit_only


class RepairLabelStep(Frozen):
    """Where the policy comes to agree on another answer than the reference, pay that answer 1 and all others 0.

    Attributes:
        window: Batches with this question that are looked at.
        least_stability: Share of the window in which the same answer led.
        least_share: Of the majority in the last batch.
    """

    kind: Literal["repair_label"] = "repair_label"
    window: int = Field(default=4, ge=2, le=1000)
    least_stability: float = Field(default=0.75, gt=0, le=1)
    least_share: float = Field(default=0.5, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a reference answer.

    Attributes:
        label: The answer to reward by from now on.
        changed: Whether it is another than the one given: repaired now, or before.
        majority: What most rollouts said this time; None without answers, or when two were equally common.
        share: Its share of the answered rollouts, in (0, 1]; None without a majority.
        slope: Of that answer's share, a update, over the window; None before the window is full.
        stability: Share of the window in which the same answer led, in [0, 1]; None before it is full.
        why: For a person.
    """

    label: Hashable
    changed: bool
    majority: Hashable | None = None
    share: float | None = None
    slope: float | None = None
    stability: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class LabelRepair:
    """Online label refinement: the state of all questions, as a value; each update gives the next.

    OLR (Yang et al. 2026, "Can LLMs Learn to Reason Robustly under Noisy Supervision?", arXiv:2604.03993): the label becomes the
    majority answer when the slope of that answer's pass rate is positive and its history is stable. Ours: the slope is
    least squares over the last `window` updates, stability the share of them that the answer led, and a majority below
    `least_share` repairs nothing. The thresholds are ours. A repair lasts until another answer, the given one too, meets the same
    conditions.

    Attributes:
        window: Updates of a question that are looked at, at least 2.
        least_stability: In (0, 1].
        least_share: Of the majority in the last update, in (0, 1].
        history: Question -> for each of its last updates, the share of every answer.
        repaired: Question -> the label given for it and the one in force instead; another given label starts afresh.

    Example:
        >>> state = LabelRepair(window=3)
        >>> for answers in (["7", "7", "8"], ["7", "7", "7", "8"], ["7"] * 5 + ["8"]):
        ...     state, repair = state.update("q", "8", answers)
        >>> repair.label, repair.changed, round(repair.slope, 4)  # shares 2/3, 3/4, 5/6
        ('7', True, 0.0833)
    """

    window: int = 4
    least_stability: float = 0.75
    least_share: float = 0.5
    history: Mapping[str, tuple[Mapping[Hashable, float], ...]] = field(default_factory=dict)
    repaired: Mapping[str, tuple[Hashable, Hashable]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.window < 2 or not 0 < self.least_stability <= 1 or not 0 < self.least_share <= 1:
            raise ValueError("window must be at least 2, least_stability and least_share in (0, 1]")

    def update(self, question: str, label: Hashable, answers: Sequence[Hashable | None]) -> tuple[LabelRepair, Repair]:
        """Take in one group of rollouts.

        Args:
            question: Its name.
            label: The reference answer as given, not as repaired before.
            answers: Final answer of each rollout, in one spelling; None without one. A group of None changes nothing.

        Returns:
            The next state, and the label to use.
        """
        counts = Counter(a for a in answers if a is not None)
        past, kept = self.history.get(question, ()), self.repaired.get(question)
        force = kept[1] if kept is not None and kept[0] == label else label
        if not counts:
            return self, Repair(force, force != label, why="no rollout has an answer")
        shares = {answer: n / counts.total() for answer, n in counts.items()}
        window = (*past, shares)[-self.window :]
        repair = self._decide(label, force, window)
        repaired = {**self.repaired, question: (label, repair.label)}
        return replace(self, history={**self.history, question: window}, repaired=repaired), repair

    def _decide(self, label: Hashable, force: Hashable, window: Sequence[Mapping[Hashable, float]]) -> Repair:
        majority, changed = leader(window[-1]), force != label
        if majority is None:
            return Repair(force, changed, why="two answers are equally common")
        share = window[-1][majority]
        if len(window) < self.window:
            return Repair(force, changed, majority, share, why=f"{len(window)} of {self.window} updates seen")
        rates = np.array([shares.get(majority, 0.0) for shares in window])
        times = np.arange(len(rates)) - (len(rates) - 1) / 2
        slope = float(times @ rates / (times @ times))
        stability = sum(leader(shares) == majority for shares in window) / len(window)
        refused = [
            *(["the majority's share does not rise"] if slope <= 1e-12 else []),
            *([f"led in {stability:.0%} of the window only"] if stability < self.least_stability else []),
            *([f"only {share:.0%} agree"] if share < self.least_share else []),
        ]
        if majority == force:
            return Repair(force, changed, majority, share, slope, stability, "the majority agrees with the label in force")
        if refused:
            return Repair(force, changed, majority, share, slope, stability, "; ".join(refused))
        why = f"{share:.0%} agree, rising, over {len(window)} updates"
        return Repair(majority, majority != label, majority, share, slope, stability, why)


def leader(shares: Mapping[Hashable, float]) -> Hashable | None:
    """The most common answer; None when two are equally common.

    Example:
        >>> leader({"a": 0.6, "b": 0.4}), leader({"a": 0.5, "b": 0.5})
        ('a', None)
    """
    most = max(shares.values(), default=0.0)
    first = [answer for answer, share in shares.items() if share == most]
    return first[0] if len(first) == 1 else None


def _repair(step: RepairLabelStep, stage: Stage) -> Stepped:
    out, answers, labels = stage.values.copy(), stage.batch.answers or (), stage.batch.labels or ()
    found: dict[tuple[str, str], list[int]] = {}
    for row in np.flatnonzero(stage.present).tolist():
        label = labels[row]
        if label is not None:
            found.setdefault((stage.key(row), label), []).append(row)
    state: dict[str, Any] = dict(stage.state)
    changed: list[str] = []
    for (question, label), rows in sorted(found.items()):
        key = f"{question}\n{label}"
        known = _of_state(step, key, stage.state.get(key))
        after, repair = known.update(key, label, [answers[row] for row in rows])
        state[key] = _to_state(after, key)
        if repair.changed:
            changed.append(f"`{repair.label}` in place of `{label}`")
            right = [answers[row] == repair.label for row in rows]
            out[rows] = np.where(stage.vetoed[rows], 0.0, np.array(right, dtype=np.float64))
    note = (
        f"{len(changed)} of {len(found)} question(s) have another answer than their reference, as {changed[0]}" if changed else ""
    )
    return Stepped(out, (note,) if note else (), state)


def _of_state(step: RepairLabelStep, key: str, kept: Any) -> LabelRepair:
    fields: dict[str, Any] = {name: getattr(step, name) for name in ("window", "least_stability", "least_share")}
    if not kept:
        return LabelRepair(**fields)
    repaired = {key: (kept["label"][0], kept["label"][1])} if kept.get("label") else {}
    return LabelRepair(**fields, history={key: tuple(kept["shares"])}, repaired=repaired)


def _to_state(known: LabelRepair, key: str) -> dict[str, Any]:
    """As JSON has it: shares of the answers, batch by batch, and the label given and in force."""
    shares = [{str(a): share for a, share in sorted(each.items(), key=str)} for each in known.history.get(key, ())]
    return {"shares": shares, "label": [str(each) for each in known.repaired[key]] if key in known.repaired else []}


def _unit(step: RepairLabelStep, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


KINDS: dict[str, StepKind] = {
    "repair_label": StepKind(
        _repair, always("row"), lambda s: ("answers", "labels"), _unit, unit_only, sees=sees_batch, remembers=lambda s: True
    ),
}
