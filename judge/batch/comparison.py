"""Two judges over the same data -> figures (for JSON) and a table with the disagreements worth reading (for a person)."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from judge.arrays import spearman
from judge.batch.sides import JudgeSide, Opinion, Spot, TwoJudges
from judge.report.stats import mcnemar
from judge.report.text import visible

SAME = 1e-9  # rewards this near are a tie
MOST = 64  # responses of a group of which all pairs are compared
WIDTH = 80
_LEFT, _CELL = 30, 24  # characters of the table's columns


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses that compete, and what each judge gave them."""

    first: Spot
    second: Spot
    rewards: tuple[tuple[float | None, float | None], tuple[float | None, float | None]]
    preferred: Any = None

    def gap(self, judge: int) -> float | None:
        """Reward of the first response minus that of the second; None where one of them is missing."""
        a, b = self.rewards[judge]
        return None if a is None or b is None else a - b

    def choice(self, judge: int) -> int | None:
        """1: the first is better, -1: the second, 0: a tie."""
        gap = self.gap(judge)
        return None if gap is None else 0 if abs(gap) <= SAME else 1 if gap > 0 else -1


def facts_of(found: TwoJudges, *, show: int = 5) -> dict[str, Any]:
    """All figures of a comparison; null where there is nothing to say.

    Args:
        show: Disagreements listed, those that say most first.
    """
    pairs = list(_pairs(found))
    return {
        "a": _side(found.sides[0], pairs, 0),
        "b": _side(found.sides[1], pairs, 1),
        "responses": _responses(found),
        "pairs": _agreement(pairs),
        "label": _label(pairs),
        "disagreements": _disagreements(found, pairs, show),
    }


def _pairs(found: TwoJudges) -> Iterator[Pair]:
    """The pairs of responses that compete: of one row, or of the rows of one group."""
    groups: dict[tuple[Any, ...], list[Spot]] = {}
    several = {row for row, index in found.shown if index > 0}
    for place, shown in sorted(found.shown.items()):
        key = ("row", place[0]) if place[0] in several or not shown.group else ("group", shown.group)
        groups.setdefault(key, []).append(place)
    none = Opinion(None, "missing")
    for key, places in groups.items():
        for first, second in combinations(places[:MOST], 2):
            a, b = ((s.opinions.get(first, none).reward, s.opinions.get(second, none).reward) for s in found.sides)
            preferred = found.shown[first].preferred if key[0] == "row" and len(places) == 2 else None
            yield Pair(first, second, (a, b), preferred)


def _side(side: JudgeSide, pairs: Sequence[Pair], judge: int) -> dict[str, Any]:
    rewards = [o.reward for o in side.opinions.values() if o.reward is not None]
    choices = [p.choice(judge) for p in pairs]
    return {
        "name": side.name,
        "recipe": side.recipe,
        "model": side.model,
        "responses": len(side.opinions),
        "with_reward": len(rewards),
        "no_reward": dict(side.failures.most_common()),
        "mean": fmean(rewards) if rewards else None,
        "pairs": sum(c is not None for c in choices),
        "ties": sum(c == 0 for c in choices),
        "calls": side.calls,
        "prompt_tokens": side.prompt_tokens,
        "completion_tokens": side.completion_tokens,
        "seconds": None if side.seconds is None else round(side.seconds, 3),
    }


def _responses(found: TwoJudges) -> dict[str, Any]:
    a, b = (side.opinions for side in found.sides)
    places = sorted(a.keys() | b.keys())
    none = Opinion(None, "missing")
    rewards = [(a.get(p, none).reward, b.get(p, none).reward) for p in places]
    both = [(x, y) for x, y in rewards if x is not None and y is not None]
    return {
        "responses": len(places),
        "both": len(both),
        "only_a": sum(x is not None and y is None for x, y in rewards),
        "only_b": sum(x is None and y is not None for x, y in rewards),
        "neither": sum(x is None and y is None for x, y in rewards),
        "equal": sum(abs(x - y) <= SAME for x, y in both),
        "mean_gap": fmean(abs(x - y) for x, y in both) if both else None,
        "rank_correlation": _spearman([x for x, _ in both], [y for _, y in both]),
    }


def _spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rank correlation, in [-1, 1]; None where one side never varies."""
    value = spearman(np.array(x, dtype=np.float64), np.array(y, dtype=np.float64), 2)
    return None if math.isnan(value) else value


def _agreement(pairs: Sequence[Pair]) -> dict[str, Any]:
    choices = [(p.choice(0), p.choice(1)) for p in pairs]
    both = [(a, b) for a, b in choices if a is not None and b is not None]
    same = sum(a == b for a, b in both)
    return {
        "pairs": len(pairs),
        "both": len(both),
        "same_choice": sum(a == b != 0 for a, b in both),
        "opposite": sum(a * b < 0 for a, b in both),
        "tie_in_one": sum((a == 0) != (b == 0) for a, b in both),
        "tie_in_both": sum(a == b == 0 for a, b in both),
        "agreement": same / len(both) if both else None,
        "kappa": _kappa(both),
    }


def _kappa(both: Sequence[tuple[int, int]]) -> float | None:
    """Cohen's kappa over the three choices, in [-1, 1]; None where chance alone would agree always."""
    if not both:
        return None
    n = len(both)
    chance = sum(sum(a == c for a, _ in both) * sum(b == c for _, b in both) for c in (1, 0, -1)) / n**2
    observed = sum(a == b for a, b in both) / n
    return None if chance > 1 - SAME else (observed - chance) / (1 - chance)


def _label(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """How often each judge chooses what the data prefer, over the pairs that have such a label; a missing choice is not right."""
    wanted = {"A": 1, "B": -1, "tie": 0}
    known = [(wanted[p.preferred], p) for p in pairs if isinstance(p.preferred, str) and p.preferred in wanted]
    if not known:
        return None
    right = [[p.choice(judge) == choice for choice, p in known] for judge in (0, 1)]
    test = mcnemar(*right)
    return {
        "pairs": len(known),
        "a_right": sum(right[0]),
        "b_right": sum(right[1]),
        "only_a_right": test.gained,
        "only_b_right": test.lost,
        "p": test.p,
    }


def _disagreements(found: TwoJudges, pairs: Sequence[Pair], show: int) -> list[dict[str, Any]]:
    """What to read first: opposite choices by the smaller of the two gaps; ties in one by the gap of the other; responses without
    a rival by the distance of their rewards; those with a reward from one judge only, once a row."""
    ranked: list[tuple[float, dict[str, Any]]] = []
    seen: set[Spot] = set()
    for pair in pairs:
        a, b = pair.gap(0), pair.gap(1)
        if a is None or b is None:
            continue
        seen |= {pair.first, pair.second}
        both, one = pair.choice(0) != pair.choice(1), 0 in (pair.choice(0), pair.choice(1))
        if both and one:
            ranked.append((1 + max(abs(a), abs(b)), _case(found, "a tie in one", (pair.first, pair.second))))
        elif both:
            ranked.append((2 + min(abs(a), abs(b)), _case(found, "opposite choices", (pair.first, pair.second))))
    one_sided: set[int] = set()
    for place in found.shown:
        x, y = (side.opinions[place].reward if place in side.opinions else None for side in found.sides)
        if place not in seen and x is not None and y is not None and abs(x - y) > SAME:
            ranked.append((abs(x - y), _case(found, "different rewards", (place,))))
        elif (x is None) != (y is None) and place[0] not in one_sided:
            one_sided.add(place[0])
            ranked.append((0.0, _case(found, "a reward from one only", (place,))))
    ranked.sort(key=lambda r: -r[0])
    return [case for _, case in ranked[:show]]


def _case(found: TwoJudges, why: str, places: Sequence[Spot]) -> dict[str, Any]:
    first = found.shown[places[0]]
    none = Opinion(None, "missing")
    return {
        "why": why,
        "id": first.id,
        "prompt": first.prompt,
        "responses": [
            {
                "row": place[0],
                "id": found.shown[place].id,
                "response_index": place[1],
                "response": found.shown[place].response,
                **{name: asdict(side.opinions.get(place, none)) for name, side in zip("ab", found.sides, strict=True)},
            }
            for place in places
        ],
    }


# ---- for a person --------------------------------------------------------------------------------------------------------


def text_of(facts: Mapping[str, Any]) -> str:
    """The figures as a table of 80 columns, then the disagreements."""
    a, b = facts["a"], facts["b"]
    rows = [
        ("", "A", "B"),
        ("", _end(a["name"]), _end(b["name"])),
        ("recipe", a["recipe"] or "-", b["recipe"] or "-"),
        ("model", _end(a["model"] or "-"), _end(b["model"] or "-")),
        ("responses with a reward", *(f"{s['with_reward']:,} of {s['responses']:,}" for s in (a, b))),
        ("mean reward", _figure(a["mean"]), _figure(b["mean"])),
    ]
    if facts["pairs"]["pairs"]:
        rows.append(("pairs with a tie", *(f"{s['ties']:,} of {s['pairs']:,}" for s in (a, b))))
    if facts["label"]:
        of = f"of {facts['label']['pairs']:,}"
        rows.append(("pairs as labelled", f"{facts['label']['a_right']:,} {of}", f"{facts['label']['b_right']:,} {of}"))
    rows += [
        ("calls", f"{a['calls']:,}", f"{b['calls']:,}"),
        ("prompt tokens", f"{a['prompt_tokens']:,}", f"{b['prompt_tokens']:,}"),
        ("completion tokens", f"{a['completion_tokens']:,}", f"{b['completion_tokens']:,}"),
        ("seconds", _figure(a["seconds"], 1), _figure(b["seconds"], 1)),
    ]
    lines = [f"{name:<{_LEFT}}{x:<{_CELL}}  {y}".rstrip() for name, x, y in rows]
    lines += [f"no reward ({name}): {told}" for name, s in (("A", a), ("B", b)) if (told := _reasons(s["no_reward"]))]
    return "\n".join([*lines, "", *_sentences(facts), *_cases(facts)])


def _end(name: str) -> str:
    """A name that fits its column; the end of a longer one says more."""
    return name if len(name) <= _CELL else "…" + name[1 - _CELL :]


def _reasons(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in failures.items())


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _sentences(facts: Mapping[str, Any]) -> list[str]:
    r, p, label = facts["responses"], facts["pairs"], facts["label"]
    said = f"Both give a reward to {r['both']:,} of {r['responses']:,} responses"
    if r["both"]:
        said += f"; {r['equal']:,} are equal, and the mean distance is {r['mean_gap']:.3f}"
        said += f" (rank correlation {_figure(r['rank_correlation'], 2)})" if r["rank_correlation"] is not None else ""
    out = [said + "."]
    if p["both"]:
        kappa = f" (kappa {p['kappa']:.2f})" if p["kappa"] is not None else ""
        out.append(
            f"Of the {p['both']:,} pairs that both compare, {p['same_choice']:,} have the same choice, {p['opposite']:,} opposite"
            f" ones, {p['tie_in_one']:,} a tie in one, {p['tie_in_both']:,} a tie in both{kappa}."
        )
    if label:
        out.append(
            f"Against the label only A is right on {label['only_a_right']:,} pairs and only B on {label['only_b_right']:,}"
            f" (p = {label['p']:.2g}, McNemar)."
        )
    return [line for sentence in out for line in textwrap.wrap(sentence, WIDTH)]


def _cases(facts: Mapping[str, Any]) -> list[str]:
    if not facts["disagreements"]:
        return []
    lines = ["", "Worth reading"]
    for number, case in enumerate(facts["disagreements"], 1):
        lines += ["", *textwrap.wrap(f"{number}. {case['why']}, item {case['id']}", WIDTH)]
        lines.append(_quoted("prompt", case["prompt"]))
        for each in case["responses"]:
            lines.append(_quoted(f"response {each['response_index']}", each["response"]))
            gave = [
                f"{n.upper()} {_figure(each[n]['reward']) if each[n]['reward'] is not None else each[n]['reason']}" for n in "ab"
            ]
            lines.append(f"   {'':<12}{', '.join(gave)}"[:WIDTH])
        last = case["responses"][-1]
        lines += [_quoted(f"{n.upper()} says", last[n]["said"], end=True) for n in "ab" if last[n]["said"]]
    return lines


def _quoted(name: str, text: str, *, end: bool = False) -> str:
    """A text on one line: its beginning, or the end of a judge's reply."""
    room = WIDTH - 20
    flat = " ".join(text.split())
    cut = ("…" + flat[1 - room :] if end else flat[: room - 1] + "…") if len(flat) > room else flat
    return f"   {name:<12}{visible(cut, room)}"
