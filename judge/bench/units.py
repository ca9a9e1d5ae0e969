"""Items -> samples that a judge can be shown, and its rewards -> what it said of each item.

- A judge of single responses sees each response of an item by itself. A pairwise judge sees pairs: of one right answer and
  several wrong ones, each right one against each wrong one. A listwise judge sees all of them, and so does a pairwise one with
  `group`.
- Chosen and rejected answers stand in a fixed order in most sets. A judge that sees one order only is shown them in an order
  drawn by the item's id, else naming the first would be always right.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from judge.bench.items import BenchItem
from judge.errors import InputError
from judge.pipeline.build import Plan, needed_columns
from judge.pipeline.steps import step_names
from judge.types import Sample

Preference = int | None
"""Which of two responses a judge prefers: 1 the first, -1 the second, 0 neither; None: it gave no verdict."""

COMPARED = ("pairs", "best", "styles")


@dataclass(frozen=True, slots=True)
class BenchUnit:
    """One sample of the run. `shown[k]` is the index, in the item, of its response k."""

    item: int
    sample: Sample
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Duel:
    """Two responses of an item that a pairwise judge compared.

    Attributes:
        joined: By the rewards that came of it.
        views: By each order that was asked, the order of the data first; empty where the judge saw them apart.
    """

    joined: Preference
    views: tuple[Preference, ...] = ()


@dataclass(frozen=True)
class JudgedItem:
    """What a judge said of an item.

    Attributes:
        rewards: Of each response, in [0, 1]; None without a verdict, or where responses were only compared.
        duels: By (index, index), for a pairwise judge.
        reasons: Why there is no reward, of each response or comparison that has none.
        swapped: `contrast`: the rewards of both responses under the other instruction.
    """

    item: BenchItem
    rewards: tuple[float | None, ...]
    duels: Mapping[tuple[int, int], Duel] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    swapped: tuple[float | None, ...] = ()

    def beats(self, a: int, b: int) -> Preference:
        """Which of two responses is preferred."""
        if (a, b) in self.duels:
            return self.duels[a, b].joined
        if (b, a) in self.duels:
            return _turned(self.duels[b, a].joined)
        return compared(self.rewards[a], self.rewards[b])

    def views(self, a: int = 0, b: int = 1) -> tuple[Preference, ...]:
        """The same by each order asked; once where responses were judged apart."""
        duel = self.duels.get((a, b))
        return duel.views if duel is not None and duel.views else (self.beats(a, b),)


def compared(a: float | None, b: float | None) -> Preference:
    """Two rewards as a preference. Equal to nine places is equal: a mean of thirds must not decide by its last digit."""
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return None
    return 0 if abs(a - b) < 1e-9 else 1 if a > b else -1


def _turned(decision: Preference) -> Preference:
    return None if decision is None else -decision


# ---- before: what is judged ----------------------------------------------------------------------------------------------


def check_judge(plan: Plan, kind: str, name: str) -> None:
    """Refuse a judge that cannot answer what the labels of a set say.

    Raises:
        InputError: With what would do.
    """
    mode, recipe = plan.recipe.spec.mode, plan.recipe.spec.name
    if kind not in COMPARED and mode in ("pairwise", "listwise"):
        raise InputError(
            f"set `{name}` has labels of single responses, and recipe `{recipe}` compares responses; use a pointwise,"
            " checklist or verifier recipe"
        )
    if kind == "criteria" and mode != "checklist":
        raise InputError(f"set `{name}` has labels of single criteria, and recipe `{recipe}` is {mode}; use a checklist recipe")
    if (kind == "steps") != (plan.recipe.spec.signal == "steps"):
        what = "labels of single steps" if kind == "steps" else "no labels of single steps"
        fit = "a recipe with `signal: steps`" if kind == "steps" else "a recipe that judges whole responses"
        raise InputError(f"set `{name}` has {what}, and recipe `{recipe}` has `signal: {plan.recipe.spec.signal}`; use {fit}")


def check_needs(plan: Plan, items: Sequence[BenchItem], name: str) -> None:
    """Refuse a recipe that needs what no row of the set has: every sample would be invalid.

    Raises:
        InputError: Naming the field.
    """
    for need in needed_columns(plan):
        if need.startswith("fields.") or any(getattr(item.sample, need, None) for item in items):
            continue
        also = f"; set `{need}:` in its settings" if need in ("rubric", "principle") else ""
        raise InputError(f"recipe `{plan.recipe.spec.name}` needs `{need}`, and no row of set `{name}` has one{also}")


def given_steps(plan: Plan) -> Plan:
    """The plan of a recipe of steps with the steps as the set has them: labels count these, however it would cut a text."""
    steps = plan.recipe.spec.steps
    if steps is None or steps.split == "given":
        return plan
    spec = plan.recipe.spec.model_copy(update={"steps": steps.model_copy(update={"split": "given", "merge": False})})
    return replace(plan, recipe=replace(plan.recipe, spec=spec))


def order_for(plan: Plan, own: bool) -> str | None:
    """The order in which a pairwise judge is to be asked: both, unless its settings already say so or `own` keeps them."""
    return "both_mean" if plan.recipe.spec.mode == "pairwise" and plan.order == "single" and not own else None


def make_units(items: Sequence[BenchItem], kind: str, plan: Plan) -> list[BenchUnit]:
    """The samples of a run, with the label of each in its metadata."""
    mode = plan.recipe.spec.mode
    single = mode == "listwise" or plan.order == "single"
    units: list[BenchUnit] = []
    for index, item in enumerate(items):
        if mode == "pairwise" and kind in ("best", "styles") and plan.settings.group is None:
            units += _against_each(index, item, single)
        elif kind == "contrast":
            units += [_unit(index, item, (0, 1)), _other_instruction(index, item)]
        elif mode in ("pairwise", "listwise"):
            units.append(_unit(index, item, _drawn(item, range(len(item.sample.responses))) if single else _all(item)))
        else:
            units.append(_unit(index, item, _all(item)))
    return units


def _all(item: BenchItem) -> tuple[int, ...]:
    return tuple(range(len(item.sample.responses)))


def _drawn(item: BenchItem, places: Iterable[int]) -> tuple[int, ...]:
    """An order that depends on the item alone."""

    def key(place: int) -> bytes:
        text = f"{item.sample.id}\0{place}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8).digest()

    return tuple(sorted(places, key=key))


def _against_each(index: int, item: BenchItem, single: bool) -> Iterator[BenchUnit]:
    good = [i for i, best in enumerate(item.gold) if best]
    bad = [i for i, best in enumerate(item.gold) if not best]
    for a in good:
        for b in bad:
            shown = _drawn(item, (a, b)) if single else (a, b)
            yield _unit(index, item, shown, f"{item.sample.id}:{a}-{b}")


def _unit(index: int, item: BenchItem, shown: tuple[int, ...], name: str = "") -> BenchUnit:
    sample = replace(
        item.sample,
        id=name or item.sample.id,
        responses=tuple(item.sample.responses[i] for i in shown),
        metadata={**item.sample.metadata, "label": _told(item, shown), "subset": item.subset, "item": item.sample.id},
    )
    return BenchUnit(index, sample, shown)


def _other_instruction(index: int, item: BenchItem) -> BenchUnit:
    unit = _unit(index, item, (0, 1), f"{item.sample.id}:other")
    return replace(unit, sample=replace(unit.sample, prompt=item.note, group=""))


def _told(item: BenchItem, shown: tuple[int, ...]) -> Any:
    """The label as a column of the run folder: `A`, `B` or `tie` of two that are compared, a number of one, else a list."""
    gold = item.gold
    if len(gold) == 1 and len(item.sample.responses) == 2:
        side = gold[0] if shown == (0, 1) else -gold[0]
        return "tie" if side == 0 else "A" if side > 0 else "B"
    if len(gold) == len(item.sample.responses) and len(shown) == 2 and len(gold) != 2:
        a, b = gold[shown[0]], gold[shown[1]]
        return "tie" if a == b else "A" if a > b else "B"
    if len(gold) == len(item.sample.responses) and len(gold) > 1:
        return [gold[i] for i in shown]
    return gold[0] if len(gold) == 1 else list(gold) or None  # several people's labels of one response


# ---- after: what came back -----------------------------------------------------------------------------------------------


def read_judged(
    folder: Path, items: Sequence[BenchItem], units: Sequence[BenchUnit], *, compares: bool, steps: bool = False
) -> list[JudgedItem]:
    """What a finished run folder says of each item that it holds.

    Args:
        compares: The judge saw responses side by side, two at a time.
        steps: Its rewards are those of steps: the reward of an item is the index of the first step below a half, -1 for none.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms that `judge --help` need not pay

    table = pq.read_table(folder / "rewards.parquet", columns=["row", "response_index", "raw_reward", "reason", "components"])
    table = table.to_pylist()
    found: dict[int, dict[int, Mapping[str, Any]]] = {}
    for record in table:
        wrong = first_wrong(dict(record["components"])) if steps else None
        found.setdefault(record["row"], {})[record["response_index"]] = {**record, "raw_reward": wrong} if steps else record
    views = views_of(folder) if compares else {}
    by_item: dict[int, list[tuple[int, BenchUnit]]] = {}
    for row, unit in enumerate(units):
        if row in found:
            by_item.setdefault(unit.item, []).append((row, unit))
    return [
        _judged(items[index], [(unit, found[row], views.get(row, {})) for row, unit in rows], compares=compares)
        for index, rows in by_item.items()
    ]


def _judged(
    item: BenchItem,
    parts: Sequence[tuple[BenchUnit, Mapping[int, Mapping[str, Any]], Mapping[tuple[int, ...], Preference]]],
    *,
    compares: bool,
) -> JudgedItem:
    rewards: list[float | None] = [None] * len(item.sample.responses)
    swapped: tuple[float | None, ...] = ()
    duels: dict[tuple[int, int], Duel] = {}
    reasons: list[str] = []
    for unit, records, views in parts:
        got = [_reward(records.get(k)) for k in range(len(unit.shown))]
        reasons += [r["reason"] for r in records.values() if r["reason"] is not None][: 1 if compares else None]
        if item.note and unit.sample.prompt == item.note and not item.gold:
            swapped = tuple(got)
        elif compares and len(unit.shown) == 2:
            a, b = unit.shown
            joined = compared(got[0], got[1])
            seen = tuple(views[order] for order in sorted(views))
            duel = Duel(joined, seen)
            key = (a, b) if a < b else (b, a)
            duels[key] = duel if a < b else Duel(_turned(joined), tuple(_turned(v) for v in seen))
        else:
            for place, value in zip(unit.shown, got, strict=True):
                rewards[place] = value
    return JudgedItem(item, tuple(rewards), duels, tuple(reasons), swapped)


def first_wrong(components: Mapping[str, float | None]) -> float | None:
    """Index of the first step below a half, from 0; -1 where there is none; None where a step before it has no verdict.

    Example:
        >>> [first_wrong(c) for c in ({"step_1": 1.0, "step_2": 0.0}, {"step_1": 0.9}, {"step_1": None})]
        [1.0, -1.0, None]
    """
    names = step_names(components)
    for place, name in enumerate(names):
        score = components[name]
        if score is None:
            return None
        if score < 0.5:
            return float(place)
    return -1.0 if names else None


def _reward(record: Mapping[str, Any] | None) -> float | None:
    return None if record is None else record["raw_reward"]


def views_of(folder: Path) -> dict[int, dict[tuple[int, ...], Preference]]:
    """By row and by order shown: the preference that the verdicts of that order state, for the response first in the sample."""
    import pyarrow.parquet as pq  # noqa: PLC0415  # as above

    found: dict[int, list[tuple[tuple[int, ...], Sequence[Sequence[float | None]] | None]]] = {}
    table = pq.read_table(folder / "verdicts.parquet", columns=["row", "order", "scores", "reason"]).to_pylist()
    for record in table:
        if record["scores"] is not None or record["reason"] is not None:
            found.setdefault(record["row"], []).append((tuple(record["order"] or ()), record["scores"]))
    return {row: views_from(verdicts) for row, verdicts in found.items()}


def views_from(
    verdicts: Iterable[tuple[tuple[int, ...], Sequence[Sequence[float | None]] | None]],
) -> dict[tuple[int, ...], Preference]:
    """By order shown: the preference that the verdicts of that order state, for the response first in the sample.

    Args:
        verdicts: (order shown, scores in that order) of each call about two responses; None where it gave no verdict.
    """
    margins: dict[tuple[int, ...], list[float]] = {}
    for order, rows in verdicts:
        if len(order) != 2:
            continue
        own = margins.setdefault(order, [])
        shown = [mean for row in rows or () if (mean := _mean(row)) is not None]
        if rows is not None and len(rows) == len(shown) == 2:
            by_place = dict(zip(order, shown, strict=True))
            own.append(by_place[0] - by_place[1])
    return {order: compared(sum(m) / len(m), 0.0) if m else None for order, m in margins.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def reasons_of(judged: Iterable[JudgedItem]) -> dict[str, int]:
    """How many responses or comparisons have no reward, by reason, the most common first."""
    counts: dict[str, int] = {}
    for one in judged:
        for reason in one.reasons:
            counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda x: -x[1]))


def as_line(judged: JudgedItem) -> str:
    """One item as a line of JSON, for people who want to look at what went wrong."""
    item = judged.item
    record = {
        "id": item.sample.id,
        "subset": item.subset,
        "gold": list(item.gold),
        "rewards": list(judged.rewards),
        "duels": [{"responses": list(k), "joined": d.joined, "by_order": list(d.views)} for k, d in judged.duels.items()],
        "reasons": list(judged.reasons),
    }
    return json.dumps(record, ensure_ascii=True)
