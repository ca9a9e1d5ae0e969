"""A rubric and labelled pairs -> the criteria that earn their place.

The judge is asked once, about all criteria. What a smaller rubric would say follows from the same verdicts by its own fold, so
the search costs no call. It learns from one part of the prompts and is told by the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from judge import __version__
from judge.arrays import Floats, pearson
from judge.bench.agreement import difference
from judge.bench.measures import Figure, WeightedMetric, figures, mean_credit
from judge.errors import InputError, RubricError
from judge.improve.split import items_hash
from judge.improve.tried import TriedItem, criterion_scores
from judge.reward.fold import fold_criteria
from judge.rubric.model import Lineage, Rubric

ALIKE = 0.9  # correlation with a chosen criterion, from which another adds nothing
SMALL = 1e-9


@dataclass(frozen=True)
class SelectStep:
    """One criterion taken: agreement on the part that is learned from, ties half, with it and all before it."""

    id: str
    agreement: float


@dataclass(frozen=True)
class SelectedCriteria:
    """The smaller rubric and what it is worth.

    Attributes:
        stay: Hard rules and vetoes, which stay whatever they add.
        steps: The others, in the order taken.
        left: Id of each criterion left out -> why.
        learned, held: Agreement (ties half) of the whole rubric and of the smaller one, on either part.
        gap: On the part held out, the smaller one's less the whole one's.
    """

    rubric: Rubric
    stay: tuple[str, ...]
    steps: tuple[SelectStep, ...]
    left: Mapping[str, str]
    learned: tuple[float, float]
    held: tuple[Figure, Figure]
    gap: Figure
    items: tuple[int, int] = field(default=(0, 0))

    @property
    def below_chance(self) -> bool:
        """Whether what was selected agrees with less than half of the labels held out: a coin would do better."""
        return self.held[1].value < 0.5


def select_criteria(
    rubric: Rubric,
    learn: Sequence[TriedItem],
    held: Sequence[TriedItem],
    *,
    most: int | None = None,
    alike: float = ALIKE,
    draws: int = 1000,
    seed: int = 0,
) -> SelectedCriteria:
    """Greedy forward selection: always the criterion that makes the labels agree most, until none helps.

    Equal agreement is decided by the mean margin between the preferred response and the other; a criterion that goes with a
    chosen one (correlation `alike` and more) is left out. Hard rules and vetoes always stay: what they forbid is rare, so that
    a sample of pairs says little about them.

    Args:
        learn, held: Items judged under the whole rubric, by prompt on one side or the other.
        most: At most so many criteria, those that always stay among them.

    Raises:
        InputError: The recipe gave no scores of single criteria, or more criteria than `most` always stay.
    """
    stay = always_kept(rubric, most)
    names = [c.id for c in rubric.criteria]
    if not any(row for t in learn for row in t.components):
        raise InputError("`select` needs a score for each criterion: use a recipe that asks about each (`checklist`)")
    steps, left, agreement = _taken(rubric, learn, stay, most, alike)
    if not steps and all(t.item.gold[0] == 0 for t in learn):
        raise InputError(f"every label of the {len(learn)} pairs to learn from is a tie; more pairs, or another --seed, would do")
    if math.isnan(agreement):
        raise InputError("no criterion can be scored: the judge gave no verdict on any pair that is learned from")
    kept = {*stay, *(step.id for step in steps)}
    for name in names:
        if name not in kept:
            left.setdefault(name, "adds no agreement" if most is None or len(kept) < most else "over the limit")
    part = _part(rubric, [k for k, name in enumerate(names) if name in kept])
    assert part is not None  # noqa: S101  # it has been folded
    own, whole = credit_of(part, held), credit_of(rubric, held)
    clusters = [t.item.cluster for t in held]
    measures: dict[str, WeightedMetric] = {"all": mean_credit(whole), "selected": mean_credit(own)}
    measures["gap"] = difference(measures["selected"], measures["all"])
    first, second, gap = figures(measures, clusters, draws=draws, seed=seed)
    lineage = Lineage(
        parents=(rubric.hash,), generator="select", data_hash=items_hash([t.item for t in (*learn, *held)]),
        scores=_scores(second, gap, len(held)), created_by=f"judge {__version__}",
    )  # fmt: skip
    made = part.changed(lineage=lineage)
    learned = (float(mean_credit(credit_of(rubric, learn))(np.ones(len(learn)))), agreement)
    return SelectedCriteria(made, stay, tuple(steps), left, learned, (first, second), gap, (len(learn), len(held)))


def always_kept(rubric: Rubric, most: int | None = None) -> tuple[str, ...]:
    """The ids of hard rules and vetoes.

    Raises:
        InputError: They are more than `most`.
    """
    stay = tuple(c.id for c in rubric.criteria if c.veto or c.kind == "hard_rule")
    if most is not None and len(stay) > most:
        named = ", ".join(f"`{name}`" for name in stay)
        raise InputError(
            f"a limit of {most} is too low: hard rules and vetoes always stay, and the rubric has {len(stay)} ({named})"
        )
    return stay


def _taken(
    rubric: Rubric, learn: Sequence[TriedItem], stay: Sequence[str], most: int | None, alike: float
) -> tuple[list[SelectStep], dict[str, str], float]:
    """The criteria in the order taken, why those that repeat one of them are left out, and the agreement in the end."""
    names = [c.id for c in rubric.criteria]
    scores = criterion_scores(learn, names)
    columns = [scores[:, :, k].ravel() for k in range(len(names))]
    chosen = [names.index(name) for name in stay]
    left: dict[str, str] = {}
    steps: list[SelectStep] = []
    best = (_value(_part(rubric, chosen), learn) if chosen else None) or (-math.inf, -math.inf)
    while most is None or len(chosen) < most:
        options = []
        for k in range(len(names)):
            if k in chosen or names[k] in left:
                continue
            same = next((c for c in chosen if pearson(columns[k], columns[c]) >= alike), None)
            if same is not None:
                left[names[k]] = f"says what `{names[same]}` says"
                continue
            value = _value(_part(rubric, [*chosen, k]), learn)
            if value is not None:
                options.append((value, -k))
        if not options or max(options)[0] <= (best[0] + SMALL, best[1] + SMALL):
            break
        best, place = max(options)
        chosen.append(-place)
        steps.append(SelectStep(names[-place], best[0]))
    return steps, left, best[0] if best[0] > -math.inf else math.nan


def _scores(own: Figure, gap: Figure, items: int) -> dict[str, float]:
    found = {"held_out_agreement": own.value, "held_out_gap": gap.value, "held_out_items": float(items)}
    return {name: round(value, 4) for name, value in found.items() if not math.isnan(value)}


def _part(rubric: Rubric, places: Sequence[int]) -> Rubric | None:
    """The rubric with some of its criteria; None where nothing is left to fold."""
    try:
        return rubric.changed(criteria=tuple(rubric.criteria[k] for k in places))
    except RubricError:
        return None


def folded_rewards(rubric: Rubric, tried: Sequence[TriedItem]) -> Floats:
    """The rewards that a rubric gives to verdicts on its criteria, shape (items, responses); NaN without one."""
    ids = [c.id for c in rubric.criteria]
    rows = [[fold_criteria({i: row.get(i) for i in ids}, rubric).value for row in one.components] for one in tried]
    return np.array(rows, dtype=np.float64).reshape(len(tried), -1)


def credit_of(rubric: Rubric, tried: Sequence[TriedItem]) -> Floats:
    """1 for a pair in the labelled order, 0.5 for a tie, 0 without a reward; NaN where the label is a tie."""
    rewards = folded_rewards(rubric, tried)
    margin = np.array([t.item.gold[0] for t in tried]) * (rewards[:, 0] - rewards[:, 1])
    right = np.where(np.isnan(margin), 0.0, np.where(np.abs(margin) < SMALL, 0.5, (margin > 0).astype(np.float64)))
    return np.where([t.item.gold[0] == 0 for t in tried], np.nan, right)


def _value(rubric: Rubric | None, tried: Sequence[TriedItem]) -> tuple[float, float] | None:
    """Agreement, then the mean margin."""
    if rubric is None:
        return None
    rewards = folded_rewards(rubric, tried)
    gold = np.array([t.item.gold[0] for t in tried])
    margin = gold * (rewards[:, 0] - rewards[:, 1])
    agreement = float(mean_credit(credit_of(rubric, tried))(np.ones(len(tried))))
    known = margin[~np.isnan(margin) & (gold != 0)]
    return None if math.isnan(agreement) or not known.size else (agreement, float(known.mean()))


def parts_of(tried: Sequence[TriedItem], places: Sequence[int]) -> list[TriedItem]:
    """Some of the items, in order."""
    return [tried[i] for i in places]
