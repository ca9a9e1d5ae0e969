"""Several objectives as one number, constraints, caps, dominance and calibration, against plain loops."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest

from judge.reward.objectives import calibration, dominance, dominating_pairs, proxy_point
from judge.shape.constrained import Constraint, Multipliers
from judge.shape.objectives import cap, combine, combine_then_normalise, log_sigmoid_sum, normalise_groups, normalise_then_combine

NAN = math.nan
Table = list[list[float]]
WEIGHTS = [1.0, -0.5, 0.0]


def gap(value: float) -> bool:
    return math.isnan(value)


def some_table(seed: int) -> tuple[Table, list[str]]:
    draw = random.Random(seed)
    size = draw.randint(1, 9)
    gaps = draw.random() < 0.6
    cell = lambda: draw.choice([0.0, 1.0, 0.5, draw.random(), NAN if gaps and draw.random() < 0.3 else 0.25])  # noqa: E731
    scale = draw.choice([1.0, 1.0, 1e6])
    groups = [draw.choice("ab") for _ in range(size)]
    table = [[cell(), cell() * (scale if group == "b" else 1.0), cell()] for group in groups]
    return table, groups


TABLES: list[tuple[Table, list[str]]] = [
    ([[0.5, 0.5, 0.5]], ["a"]),
    ([[NAN, 1.0, 1.0]], ["a"]),
    ([[1.0, 0.0, NAN], [0.0, 1.0, NAN]], ["a", "a"]),
    ([[0.3, 0.0, 0.0], [0.1 + 0.2, 0.0, 0.0]], ["a", "a"]),
    ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1e9, 0.0, 0.0], [1e9, 0.0, 0.0]], ["a", "a", "b", "b"]),
    *map(some_table, range(150)),
]


def normal(values: list[float], ddof: int, epsilon: float) -> list[float]:
    """(r - mean) / (std + epsilon) over what is there: GRPO (arXiv:2402.03300) and, with 1 and 1e-4, NVlabs/GDPO's
    `trl-GDPO/.../grpo_trainer.py`. Flat is what differs by rounding only."""
    there = [v for v in values if not gap(v)]
    if not there:
        return values
    mean = math.fsum(there) / len(there)
    squares = math.fsum((v - mean) ** 2 for v in there)
    std = math.sqrt(squares / max(1, len(there) - ddof))
    flat = std <= 1e-8 * max(1.0, *(abs(v) for v in there))
    return [NAN if gap(v) else 0.0 if flat else (v - mean) / (std + epsilon) for v in values]


def by_group(values: list[float], groups: list[str], ddof: int, epsilon: float) -> list[float]:
    out = [NAN] * len(values)
    for group in set(groups):
        numbers = [n for n, name in enumerate(groups) if name == group]
        for n, value in zip(numbers, normal([values[n] for n in numbers], ddof, epsilon), strict=True):
            out[n] = value
    return out


def summed(table: Table, weights: list[float]) -> list[float]:
    out = []
    for row in table:
        total = 0.0
        for weight, value in zip(weights, row, strict=True):
            if weight != 0:
                total += weight * value
        out.append(total)
    return out


@pytest.mark.parametrize(("ddof", "epsilon"), [(0, 0.0), (1, 1e-4), (1, 0.0)])
def test_normalising(ddof, epsilon, compared):
    """GDPO (arXiv:2601.05242): each objective in its group, then weighted and added, then over the batch; GRPO: added first."""
    for table, groups in TABLES:
        columns = [by_group([row[k] for row in table], groups, ddof, epsilon) for k in range(3)]
        close(normalise_groups(table, groups, ddof=ddof, epsilon=epsilon).T.tolist(), columns, compared)
        usable = [n for n, row in enumerate(table) if not any(gap(v) for v, w in zip(row, WEIGHTS, strict=True) if w)]
        kept = [table[n] for n in usable]
        columns = [by_group([row[k] for row in kept], [groups[n] for n in usable], ddof, epsilon) for k in range(3)]
        parts = [sum(w * columns[k][n] for k, w in enumerate(WEIGHTS) if w) for n in range(len(usable))]
        for across in (False, True):
            wanted = [NAN] * len(table)
            for n, value in zip(usable, normal(parts, ddof, epsilon) if across else parts, strict=True):
                wanted[n] = value
            found = normalise_then_combine(table, WEIGHTS, groups, across_batch=across, ddof=ddof, epsilon=epsilon)
            close(found.tolist(), wanted, compared)
        wanted = by_group(summed(table, WEIGHTS), groups, ddof, epsilon)
        close(combine_then_normalise(table, WEIGHTS, groups, ddof=ddof, epsilon=epsilon).tolist(), wanted, compared)


def close(found: list, wanted: list, compared: object) -> None:
    """Equal to 1e-6: sums in another order lose digits beside a million."""
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, list):
            close(one, other, compared)
        else:
            assert gap(one) == gap(other), (found, wanted)
            assert gap(one) or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6), (found, wanted)
            compared()  # type: ignore[operator]


def test_sums_and_caps(same):
    for table, _ in TABLES:
        same(combine(table, WEIGHTS), summed(table, WEIGHTS), table)
        limits = [0.5, NAN, 0.0]
        same(cap(table, limits), [[v if gap(c) or not v > c else c for v, c in zip(row, limits, strict=True)] for row in table])


@pytest.mark.parametrize("reference", [[0.0, 0.0, 0.0], [2.0, -1.0, 0.5]])
def test_log_sigmoid_sum(reference, same):
    """Sum of log sigmoid(r - r_ref): arXiv:2402.00742, whose text was not to be had; the transform is in PAR's code."""
    for table, _ in [*TABLES, ([[800.0, -800.0, 0.0]], [])]:
        wanted = []
        for row in table:
            total = 0.0
            for value, zero in zip(row, reference, strict=True):
                away = value - zero
                total += -math.log1p(math.exp(-away)) if away > 0 else away - math.log1p(math.exp(away))
            wanted.append(total)
        same(log_sigmoid_sum(table, reference), wanted, table)


def test_dominance(same):
    """Pareto dominance (DG-PRM, arXiv:2507.17849 uses it): at least as good in all objectives, better in one."""
    for table, _ in TABLES:
        over = []
        for one in table:
            line = []
            for other in table:
                pairs = list(zip(one, other, strict=True))
                known = not any(gap(v) for v in [*one, *other])
                line.append(known and all(a >= b for a, b in pairs) and any(a > b for a, b in pairs))
            over.append(line)
        same(dominance(table), over, table)
        same(dominating_pairs(table), [(i, j) for i in range(len(table)) for j in range(len(table)) if over[i][j]], table)


KINDS = ("at_least", "at_most", "equal")


@pytest.mark.parametrize("kinds", [("at_least", "at_most"), ("equal", "equal"), ("at_most", "equal")])
def test_multipliers(kinds, same):
    """Dual ascent: lambda + rate x violation, not below 0, for `equal` in [-1, 1] (arXiv:2310.04373, from reports of it).
    The division by 1 + sum |lambda| is the project's own."""
    constraints = (Constraint(0, kinds[0], 0.6), Constraint(2, kinds[1], 0.3))
    state, values = Multipliers(constraints, rate=0.7, limit=1.5), [0.0, 0.0]
    for table, _ in TABLES[5:]:
        violations = []
        for constraint in constraints:
            there = [row[constraint.objective] for row in table if not gap(row[constraint.objective])]
            short = constraint.threshold - sum(there) / len(there) if there else NAN
            violations.append(-short if constraint.kind == "at_most" else short)
        same(state.violations(table), violations, table)
        for n, constraint in enumerate(constraints):
            moved = values[n] + (0.0 if gap(violations[n]) else 0.7 * violations[n])
            low, high = (-1.0, 1.0) if constraint.kind == "equal" else (0.0, 1.5)
            values[n] = min(high, max(low, moved))
        state = state.update(table)
        same(state.values, values, table)
        wanted = []
        for row in table:
            total = 0.25 * row[1]
            for constraint, value in zip(constraints, values, strict=True):
                total += (-value if constraint.kind == "at_most" else value) * row[constraint.objective]
            wanted.append(total / (1 + abs(values[0]) + abs(values[1])))
        same(state.reward(table, [0.0, 0.25, 0.0]), wanted, table)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_proxy_point(window, same):
    """The highest running median, sorted by reward: the project's own way to read arXiv:2310.04373's turning points off a run."""
    for seed in range(80):
        draw = random.Random(seed)
        rewards = [
            draw.choice([NAN, draw.random()]) if draw.random() < 0.2 else draw.random() for _ in range(draw.randint(1, 12))
        ]
        scores = [draw.choice([NAN, 1.0, 2.0, 3.0, draw.random()]) for _ in rewards]
        pairs = sorted((r, n, s) for n, (r, s) in enumerate(zip(rewards, scores, strict=True)) if not gap(r) and not gap(s))
        if not pairs:
            found = proxy_point(rewards, scores, window=window)
            same([found.reward, found.evaluation, found.turned], [NAN, NAN, False])
            continue
        half = window // 2
        smooth = [median(s for _, _, s in pairs[max(0, k - half) : k + half + 1]) for k in range(len(pairs))]
        best = smooth.index(max(smooth))
        found = proxy_point(rewards, scores, window=window)
        wanted = [pairs[best][0], smooth[best], any(s < smooth[best] for s in smooth[best:])]
        same([found.reward, found.evaluation, found.turned], wanted, (rewards, scores))


def ends_of(sure: list[float], bins: int, binning: str) -> list[float]:
    """Inner ends of the bins: equal parts of [0, 1], or quantiles by linear interpolation between the sorted values."""
    if binning == "width":
        return [number / bins for number in range(1, bins)]
    ordered, ends = sorted(sure), []
    for number in range(1, bins):
        place = number * (len(ordered) - 1) / bins
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        ends.append(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
    return ends


@pytest.mark.parametrize("binning", ["width", "mass"])
@pytest.mark.parametrize("bins", [1, 4, 10])
def test_calibration(bins, binning, same):
    """Guo et al. 2017, section 2 (arXiv:1706.04599): sum over the bins of share x |accuracy - confidence|; Brier 1950."""
    for seed in range(120):
        draw = random.Random(seed)
        size = draw.randint(0, 20)
        sure = [draw.choice([NAN, 0.0, 1.0, 0.5, draw.random(), draw.random()]) for _ in range(size)]
        right = [draw.choice([0.0, 1.0, 1.0, NAN]) for _ in range(size)]
        pairs = [(c, r) for c, r in zip(sure, right, strict=True) if not gap(c) and not gap(r)]
        ece, table = 0.0, []
        ends = ends_of([c for c, _ in pairs], bins, binning) if pairs else []
        for number in range(bins):
            inside = [(c, r) for c, r in pairs if sum(c >= end for end in ends) == number]
            if inside:
                mean, share = sum(c for c, _ in inside) / len(inside), sum(r for _, r in inside) / len(inside)
                ece += len(inside) / len(pairs) * abs(mean - share)
                table.append([len(inside), mean, share])
        found = calibration(sure, right, bins=bins, binning=binning)
        brier = sum((c - r) ** 2 for c, r in pairs) / len(pairs) if pairs else NAN
        base = sum(r for _, r in pairs) / len(pairs) if pairs else NAN
        same([found.ece, found.brier, found.base_rate], [ece if pairs else NAN, brier, base], pairs)
        same([[b.count, b.confidence, b.accuracy] for b in found.bins], table, pairs)
        same([found.count, found.absent], [len(pairs), size - len(pairs)])
