"""How far to trust preference labels: another version of the judge (a snapshot) should rank the same responses alike.

The other version is a second run over the same data, or another member of the run's panel. CREAM (arXiv:2410.12735) trains on
C x loss(pair) + (1 - C) x loss(reversed pair); C is the column `confidence` of `judge pairs --snapshot`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.select.folder import By, read_facts, rewards_by_row
from judge.batch.select.groups import RunGroup, RunGroups
from judge.batch.select.model import ScoredResponse, grouped
from judge.batch.select.read import RunCandidates
from judge.errors import InputError, did_you_mean
from judge.reward.consistency import Measure, snapshot_consistency

OWN = "first"  # component of a panel's own judge


@dataclass(frozen=True, slots=True)
class Consistency:
    """How two versions of a judge agree about the same responses.

    Attributes:
        confidence: Group -> C in [0, 1]; groups that say nothing are not in it.
        mean: Of the groups that say something.
        groups: How many those are.
        measure: Of the rankings.
        whole_set: Whether every group has the mean.
    """

    confidence: Mapping[str, float]
    mean: float
    groups: int
    measure: Measure
    whole_set: bool

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"mean": self.mean, "groups": self.groups, "measure": self.measure, "whole_set": self.whole_set}


def compare_snapshot(
    found: RunCandidates, run: Path, other: str, *, by: By, measure: Measure = "kendall", whole_set: bool = True
) -> Consistency:
    """Compare the rankings of a run with those of another version of its judge.

    Args:
        run: The folder that `found` comes from.
        other: Folder of another run over the same data, or a member of the run's panel.
        by: Which reward is compared, between two runs.
        whole_set: One confidence for all pairs, as CREAM has it; otherwise one a group.

    Raises:
        InputError: There is no such run or member, it judged other data, or no group can be compared.
    """
    current, previous = _scores(found, run, other, by)
    groups = grouped(found.candidates)
    tables = [
        [[scores.get((c.row, c.response_index)) for c in members] for members in groups.values()]
        for scores in (current, previous)
    ]
    each = snapshot_consistency(_arrays(tables[0]), _arrays(tables[1]), measure=measure, whole_set=False)
    known = {name: float(value) for name, value in zip(groups, each, strict=True) if not math.isnan(value)}
    if not known:
        raise InputError(f"--snapshot {other}: no group has two responses that both versions gave a reward")
    mean = math.fsum(known.values()) / len(known)
    return Consistency(dict.fromkeys(groups, mean) if whole_set else known, mean, len(known), measure, whole_set)


_Scores = dict[tuple[int, int], float]


def _scores(found: RunCandidates, run: Path, other: str, by: By) -> tuple[_Scores, _Scores]:
    if _is_member({name for c in found.candidates for name in c.components}, run, other):
        return _of_member(found.candidates, OWN), _of_member(found.candidates, other)
    previous = {(row, index): score for row, scores in _of_run(run, other, by) for index, score in scores.items()}
    return {(c.row, c.response_index): c.reward for c in found.candidates if c.reward is not None}, previous


def _is_member(components: Collection[str], run: Path, other: str) -> bool:
    """Whether the other version is a member of the run's panel; else it is a run. Raises InputError where it is neither."""
    names = sorted(components)
    if other in names and OWN in names and not Path(other).is_dir():
        return True
    if not Path(other).is_dir():
        members = [name for name in names if name != OWN] if OWN in names else []
        near = did_you_mean(other, members) or (f"; members: {', '.join(members)}" if members else "")
        raise InputError(f"--snapshot {other}: neither a folder of `judge run` nor a member of the panel of {run}{near}")
    return False


def _of_run(run: Path, other: str, by: By) -> Iterator[tuple[int, dict[int, float]]]:
    """Rows of the other run with the rewards of their responses. Raises InputError where it judged other data."""
    facts, own = read_facts(Path(other)), read_facts(run, unfinished=True)
    if facts["data"].get("sha256") != own["data"].get("sha256"):
        raise InputError(f"--snapshot {other}: it judged other data ({facts['data'].get('source')}) than {run}")
    return (
        (row, {int(r["response_index"]): float(r[by]) for r in records if r[by] is not None and r["status"] != "imputed"})
        for row, records in rewards_by_row(Path(other))
    )


def _of_member(candidates: tuple[ScoredResponse, ...], name: str) -> _Scores:
    return {(c.row, c.response_index): score for c in candidates if (score := c.components.get(name)) is not None}


def _arrays(table: list[list[float | None]]) -> list[list[float]]:
    return [[math.nan if score is None else score for score in members] for members in table]


class SnapshotGroups:
    """`compare_snapshot` over groups that come one by one; 8 bytes of each are kept. Arguments and errors as there."""

    def __init__(self, found: RunGroups, run: Path, other: str, *, by: By, measure: Measure = "kendall") -> None:
        self._found = found
        self._other = other
        self._measure: Measure = measure
        self._member = _is_member(found.components, run, other)
        self._each = array("d")
        if not self._member:
            found.keep("previous", _of_run(run, other, by))

    def add(self, group: RunGroup) -> None:
        """Take in one group; they come in their order."""
        current, previous = self._scores(group)
        places = [(c.row, c.response_index) for c in group.members]
        tables = [[[scores.get(place) for place in places]] for scores in (current, previous)]
        found = snapshot_consistency(_arrays(tables[0]), _arrays(tables[1]), measure=self._measure, whole_set=False)
        self._each.append(float(found[0]))

    def result(self, *, whole_set: bool) -> Consistency:
        """What all groups come to, without a confidence for each; `confidence` has those."""
        known = [value for value in self._each if not math.isnan(value)]
        if not known:
            raise InputError(f"--snapshot {self._other}: no group has two responses that both versions gave a reward")
        return Consistency({}, math.fsum(known) / len(known), len(known), self._measure, whole_set)

    def confidence(self, group: RunGroup, seen: Consistency) -> dict[str, float]:
        """Of one group, by its name; nothing where it says nothing."""
        value = seen.mean if seen.whole_set else self._each[group.number]
        return {} if math.isnan(value) else {group.members[0].group: value}

    def _scores(self, group: RunGroup) -> tuple[_Scores, _Scores]:
        if self._member:
            return _of_member(group.members, OWN), _of_member(group.members, self._other)
        previous: _Scores = {}
        for row in group.rows:
            for scores in self._found.of("previous", [row]):
                previous |= {(row, index): score for index, score in scores.items()}
        return {(c.row, c.response_index): c.reward for c in group.members if c.reward is not None}, previous
