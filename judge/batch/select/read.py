"""A run folder and its data -> candidates: rewards.parquet holds the rewards, the data set holds the texts.

- A text joined to another response's reward would poison a training set without a trace. So the data must be the very file
  that was judged (its hash is in run.json), ids and counts must agree, and where the journal is still there, the beginning of
  each response as well: another `--map` on the same file is found out by that.
- A reward that stands in for a missing one (`on_no_verdict: constant` or `group_mean`) is no reward here.
- The two rewards of a comparison say nothing about other pairs: without a tournament, each row of such a run is a group.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from judge.batch.read import BadRow, read_samples
from judge.batch.select.folder import (
    By,
    Excerpts,
    check_data,
    clean,
    compares,
    read_facts,
    rewards_by_row,
    several_responses,
)
from judge.batch.select.model import ScoredResponse
from judge.batch.shards import group_place
from judge.batch.store_rows import EXCERPT
from judge.errors import DataError, Problem
from judge.types import Sample

GroupBy = Literal["auto", "group", "prompt", "row"]
GroupedBy = Literal["group", "prompt", "row"]


@dataclass(frozen=True, slots=True)
class RunCandidates:
    """What a run folder and its data come to.

    Attributes:
        without_reward: Responses without a reward by status: `no_verdict`, `imputed`, and `unreadable` rows (no candidates,
            since their text is not known).
        grouped_by: How groups were formed, in words.
        source: The data set that the texts come from.
        notes: What a person should know, one line each.
    """

    candidates: tuple[ScoredResponse, ...]
    without_reward: Mapping[str, int]
    grouped_by: str
    source: str = ""
    notes: tuple[str, ...] = ()


def read_run(
    run: Path,
    *,
    data: str = "",
    mapping: Mapping[str, str] | None = None,
    split: str = "",
    config: str = "",
    by: By = "raw_reward",
    group_by: GroupBy = "auto",
    part: tuple[int, int] | None = None,
) -> RunCandidates:
    """Read the judged responses of a run folder with their texts.

    Args:
        run: Folder that `judge run` wrote.
        data: The data set that was judged; empty: the one that run.json names.
        mapping: Sample field -> column, as in the run; empty: the one in run.json where it holds one.
        split, config: Of a `datasets` folder or hub name, as in the run.
        by: Column of rewards.parquet: `raw_reward`, what the verdicts came to, or `reward`, what a trainer would get.
        group_by: What makes a group. `auto`: `Sample.group_key` (the group of the data, else the same prompt, reference and
            documents); in runs that compare responses with each other, what was compared. `group`: the group of the data, else
            the row. `prompt`: the same prompt. `row`: the row.
        part: (i, n): only the groups of part i of n, by a hash of the group, so that memory holds one n-th of the texts.

    Raises:
        DataError: No finished run, other data than were judged, a missing column, an infinite reward.
    """
    candidates: list[ScoredResponse] = []
    joined = join_run(
        run,
        lambda one, _: candidates.append(one),
        _Names().of,
        data=data,
        mapping=mapping,
        split=split,
        config=config,
        by=by,
        group_by=group_by,
        part=part,
    )
    return RunCandidates(tuple(candidates), dict(joined.without_reward), joined.grouped_by, joined.source, joined.notes)


@dataclass(frozen=True, slots=True)
class JoinedRun:
    """What is known of a run once all its rows were read. Attributes as those of `RunCandidates`."""

    without_reward: Mapping[str, int]
    grouped_by: str
    source: str
    notes: tuple[str, ...]


Take = Callable[[ScoredResponse, float | None], None]
NameOf = Callable[[Hashable, Sample, int], str]


def join_run(
    run: Path,
    take: Take,
    name: NameOf,
    *,
    data: str,
    mapping: Mapping[str, str] | None,
    split: str,
    config: str,
    by: By,
    group_by: GroupBy,
    part: tuple[int, int] | None,
) -> JoinedRun:
    """Read rewards and data side by side, row by row. Other arguments and errors as those of `read_run`.

    Args:
        take: Called with each response, in the order of the data, and with the variance of its reward where there is one.
        name: Called once a row, before its responses: what makes its group, its sample and number -> the name of the group.
    """
    facts = read_facts(run, unfinished=True)
    told = facts.get("data", {})
    source = data or str(told.get("source") or "")
    notes = check_data(source, told, facts, run, named=bool(data))
    group, words = _grouping(run, facts, group_by, several=several_responses(run))
    samples = read_samples(
        source,
        mapping or told.get("map") or {},
        split=split or told.get("split") or "",
        config=config or told.get("config") or "",
    )
    joined = _Join(source, by, group, Excerpts(run), part, take, name)
    rewards = rewards_by_row(run)
    due = next(rewards, None)
    for row, sample in enumerate(samples):
        if due is None:
            break
        if row == due[0]:
            joined.add(row, sample, due[1])
            due = next(rewards, None)
    if due is not None:
        raise joined.fail(due[0], "is in the run and not in these data")
    if not joined.count and not joined.without and part is None:
        raise DataError(Problem(str(run), "the run has no responses"))
    return JoinedRun(joined.without, words, source, notes)


class _Join:
    """Rewards and samples, put together row by row."""

    def __init__(
        self,
        source: str,
        by: By,
        group: GroupedBy | None,
        excerpts: Excerpts,
        part: tuple[int, int] | None,
        take: Take,
        name: NameOf,
    ) -> None:
        self.count = 0
        self.without: Counter[str] = Counter()
        self._source = source
        self._by = by
        self._group = group
        self._excerpts = excerpts
        self._part = part
        self._take = take
        self._name = name

    def add(self, row: int, sample: Sample | BadRow, rewards: list[dict[str, Any]]) -> None:
        if isinstance(sample, BadRow):
            if any(r["raw_reward"] is not None and r["status"] != "imputed" for r in rewards):
                raise self.fail(row, f"was judged and cannot be read now: {sample.problem}")
            self.without["unreadable"] += len(rewards)
            return
        found = sorted(int(r["response_index"]) for r in rewards)
        if found != list(range(len(sample.responses))):
            raise self.fail(row, f"has {len(sample.responses)} responses, and the run has rewards of {len(found)}")
        key = _key(self._group, row, sample)
        if self._part is not None and group_place(repr(key), self._part[1]) != self._part[0]:
            return
        name, begins = self._name(key, sample, row), self._excerpts.of(row)
        for record in rewards:
            self.count += 1
            self._take(self._candidate(row, sample, record, name, begins), record.get("variance"))

    def _candidate(
        self, row: int, sample: Sample, record: Mapping[str, Any], name: str, excerpts: Mapping[int, str]
    ) -> ScoredResponse:
        index = int(record["response_index"])
        if record["id"] != clean(sample.id) and not record["id"].startswith(f"{clean(sample.id)}#"):  # a repeated id was renamed
            raise self.fail(row, f"has the id `{sample.id}`, and in the run it is `{record['id']}`")
        response = sample.texts[index]
        begins = excerpts.get(index)
        if begins is not None and begins != clean(response[:EXCERPT]):
            raise self.fail(row, f"response {index} is not the text that was judged; name its column as in the run, with --map")
        status = str(record["status"])
        reward = None if status == "imputed" else record[self._by]
        if reward is None or math.isnan(reward):
            self.without[status if status in ("no_verdict", "imputed") else f"{self._by} left out"] += 1
            reward = None
        elif math.isinf(reward):
            raise self.fail(row, f"the {self._by} of response {index} is infinite")
        vetoed = status == "filtered" and not any(f["name"] == "win_by_default" for f in record["flags"] or ())
        return ScoredResponse(
            name, sample.prompt, response, reward, vetoed, sample.id, row, index, dict(record["components"] or ())
        )

    def fail(self, row: int, what: str) -> DataError:
        return DataError(Problem(f"{self._source}: row {row}", what))


def free_name(key: Hashable, sample: Sample, row: int, taken: Callable[[str], bool]) -> str:
    """A name for a group that a person recognises, and that no other group has."""
    name = sample.group if isinstance(key, tuple) and key[0] == "group" else sample.id
    while taken(name):  # data may name a group as the next line does
        name = f"{name} (row {row})"
    return name


class _Names:
    """A name for each group that no two groups share."""

    def __init__(self) -> None:
        self._given: dict[Hashable, str] = {}
        self._taken: set[str] = set()

    def of(self, key: Hashable, sample: Sample, row: int) -> str:
        if key not in self._given:
            name = self._given[key] = free_name(key, sample, row, self._taken.__contains__)
            self._taken.add(name)
        return self._given[key]


def _key(group: GroupedBy | None, row: int, sample: Sample) -> Hashable:
    """What a row shares with the rows it competes with. None: its group, else its question."""
    if group in ("group", None) and sample.group:
        return ("group", sample.group)
    if group in ("group", "row"):
        return ("row", row)
    if group == "prompt":
        return ("prompt", sample.prompt)
    return ("question", sample.group_key)


def _grouping(run: Path, facts: Mapping[str, Any], asked: GroupBy, *, several: bool) -> tuple[GroupedBy | None, str]:
    words: dict[GroupedBy, str] = {"group": "the group of the data, else the row", "prompt": "the prompt", "row": "the row"}
    if asked != "auto":
        return asked, words[asked]
    if (facts.get("settings") or {}).get("group"):
        return "group", words["group"]
    if compares(run, several=several):
        return "row", "the row (each was compared within itself)"
    return None, "the group of the data, else the question"
