"""How far a preference pair is to be trusted, from the verdicts behind it: how many, whether votes and orders agree, how wide.

Read from verdicts.parquet, where each call has its vote, the responses it saw in their order, and its scores. A run without that
file gives no figures, and what was not asked (one vote, one order) has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, product
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

from judge.batch.select.folder import read_facts, table_batches
from judge.batch.select.groups import RunGroup, RunGroups
from judge.batch.select.pairs import PreferencePair
from judge.report.places import CallPlaces, Unit

_CALL = ["row", "turn", "order", "criteria", "vote", "scores"]
_Place = tuple[Unit, int]  # row of the data or group, place of the response in it


@dataclass(frozen=True, slots=True)
class PairReliability:
    """What stands behind one pair; None where nothing was asked that could tell.

    Attributes:
        verdicts: Comparisons of the two; else the verdicts of the response that has fewer. 0: none of them in the file.
        votes_agree: Chance in [0, 1] that a vote on the chosen response is above one on the rejected one, a tie is half; of
            comparisons, the share that prefers the chosen one. None with fewer than two votes.
        orders_agree: Share of the votes asked in both orders in which both orders say the same. None where none was.
        variance: Of the margin: the sum of the variances of both rewards under the judge's probabilities (`signal: expected`).
    """

    verdicts: int | None = None
    votes_agree: float | None = None
    orders_agree: float | None = None
    variance: float | None = None

    def columns(self) -> dict[str, Any]:
        """As columns of a row."""
        return {name: getattr(self, name) for name in self.__slots__}


class Reliabilities:
    """The verdicts of a run, looked up pair by pair."""

    def __init__(
        self,
        calls: Iterable[Mapping[str, Any]],
        variances: Mapping[tuple[int, int], float | None],
        places: CallPlaces | None = None,
    ) -> None:
        self._places = places or CallPlaces((), grouped=False)
        self._single: dict[_Place, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._compared: dict[tuple[Unit, int, int], list[tuple[int, bool, float]]] = defaultdict(list)
        self._variances = variances
        seen = set()
        for call in calls:
            key = (
                self._places.unit(call["row"]),
                call["turn"],
                tuple(call["order"]),
                tuple(call["criteria"] or ()),
                call["vote"],
            )
            if call["scores"] and key not in seen:  # a comparison stands in the file once for each of its responses
                seen.add(key)
                self._take(call)

    def _take(self, call: Mapping[str, Any]) -> None:
        unit = self._places.unit(call["row"])
        means = [_mean(scores) for scores in call["scores"]]
        shown = [(index, value) for index, value in zip(call["order"], means, strict=False) if value is not None]
        if len(call["order"]) == 1:
            for index, value in shown:
                self._single[unit, index][call["vote"]].append(value)
            return
        for place, (a, x) in enumerate(shown):
            for b, y in shown[place + 1 :]:
                first, second = (a, b) if a < b else (b, a)
                self._compared[unit, first, second].append((call["vote"], a < b, x - y if a < b else y - x))

    def of(self, pair: PreferencePair) -> PairReliability:
        """The figures of one pair."""
        own = [(one.row, one.response_index) for one in (pair.chosen, pair.rejected)]
        a, b = (self._places.of(*one) for one in own)
        found = self._comparisons(a, b) or self._votes(a, b)
        known = [self._variances.get(one) for one in own]
        variance = None if None in known else round(sum(v for v in known if v is not None), 9)
        return PairReliability(*found, variance)

    def _comparisons(self, a: _Place, b: _Place) -> tuple[int, float | None, float | None] | None:
        calls = self._compared.get((a[0], min(a[1], b[1]), max(a[1], b[1]))) if a[0] == b[0] else None
        if not calls:
            return None
        sign = 1 if a[1] < b[1] else -1
        by_vote: dict[int, dict[bool, int]] = defaultdict(dict)
        for vote, forward, gap in calls:
            by_vote[vote][forward] = _sign(sign * gap)
        both = [len(set(orders.values())) == 1 for orders in by_vote.values() if len(orders) == 2]
        agree = fmean((1 + _sign(sign * gap)) / 2 for _, _, gap in calls) if len(calls) > 1 else None
        return len(calls), agree, fmean(both) if both else None

    def _votes(self, a: _Place, b: _Place) -> tuple[int, float | None, float | None]:
        first, second = ([fmean(v) for v in self._single.get(place, {}).values()] for place in (a, b))
        counts = [sum(map(len, self._single.get(place, {}).values())) for place in (a, b)]
        several = bool(first and second) and len(first) + len(second) > 2
        agree = fmean((1 + _sign(x - y)) / 2 for x, y in product(first, second)) if several else None
        return min(counts), agree, None


def read_reliability(run: Path) -> Reliabilities:
    """The verdicts of a run folder; empty where there is no verdicts.parquet.

    Raises:
        DataError: A file cannot be read.
    """
    rewards = list(_records(run, "rewards", ["row", "response_index", "group", "reason", "variance"]))
    places = CallPlaces(rewards, grouped=_in_groups(run))
    variances = {(r["row"], r["response_index"]): r.get("variance") for r in rewards}
    return Reliabilities(_records(run, "verdicts", _CALL), variances, places)


class GroupReliability:
    """The verdicts of a run, group by group. A run with `group`, whose calls are about several rows, is held as a whole.

    Args:
        found: The groups of the run; the verdicts of each row are put beside them.

    Raises:
        DataError: A file cannot be read.
    """

    def __init__(self, found: RunGroups, run: Path) -> None:
        self._found = found
        self._whole = read_reliability(run) if _in_groups(run) else None
        if self._whole is None:
            by_row = groupby(_records(run, "verdicts", _CALL), key=itemgetter("row"))
            found.keep("verdicts", ((row, list(calls)) for row, calls in by_row))

    def of(self, group: RunGroup) -> Reliabilities:
        """Those of one group."""
        if self._whole is not None:
            return self._whole
        return Reliabilities(chain.from_iterable(self._found.of("verdicts", group.rows)), group.variances)


def _in_groups(run: Path) -> bool:
    return bool((read_facts(run, unfinished=True).get("settings") or {}).get("group"))


def _records(run: Path, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in table_batches(run, name, columns):
        yield from batch.to_pylist()


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [s for s in scores if s is not None]
    return fmean(known) if known else None


def _sign(value: float) -> int:
    value = round(value, 9)
    return (value > 0) - (value < 0)
