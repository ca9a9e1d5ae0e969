"""A run folder -> observations: what the judge said of each response, or of each comparison, beside its label.

Labels come from the run folder itself: `judge run` keeps the data's `label` (and any column named with `--keep`), `judge bench`
keeps that of its set. A label is yes or no, a number, the name of the better response, a list with one value a response, or,
for criteria, a mapping.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from judge.arrays import Floats
from judge.batch.select.folder import read_facts
from judge.bench.items import truth
from judge.bench.label import FILE as LABEL_FILE
from judge.bench.label import read_labels
from judge.bench.units import compared, views_of
from judge.errors import DataError, InputError, Problem, did_you_mean
from judge.labels import preferred
from judge.reference import is_missing

LabelKind = Literal["yes_no", "number", "better"]
CRITERION = "criterion."


@dataclass(frozen=True)
class Observations:
    """Judgements with labels, one place an observation.

    Attributes:
        kind: `yes_no` (labels 1 and 0), `number` (labels in their own unit), or `better` (1 the first response, -1 the second,
            0 a tie).
        scores: What the judge said: a reward in [0, 1], or, of a comparison, 1, -1 or 0. NaN without a verdict.
        labels: NaN where there is none.
        people: Shape (observations, labellers) where rows bring several labels; else None.
        clusters: Observations that share a prompt.
        lengths: Characters of the response; of a comparison, of the first less of the second.
        formatted: 1 where the response has Markdown structure; of a comparison, of the first less of the second.
        places: Index of the response in its row (0 in a row of one).
        keys: (row, response index) of each.
    """

    kind: LabelKind
    scores: Floats
    labels: Floats
    ids: tuple[str, ...]
    keys: tuple[tuple[int, int], ...]
    clusters: tuple[str, ...]
    subsets: tuple[str, ...]
    lengths: Floats
    formatted: Floats
    places: Floats
    people: Floats | None = None
    spread: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.scores)

    def picked(self, chosen: Any) -> Observations:
        """Some of the observations, by a mask or by places."""
        places = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else np.asarray(chosen, dtype=int)

        def of(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[i] for i in places)

        return Observations(
            self.kind, self.scores[places], self.labels[places], of(self.ids), of(self.keys), of(self.clusters), of(self.subsets),
            self.lengths[places], self.formatted[places], self.places[places],
            None if self.people is None else self.people[places], self.spread[places] if len(self.spread) else self.spread,
        )  # fmt: skip

    @property
    def labelled(self) -> Observations:
        """Those that have a label."""
        return self.picked(~np.isnan(self.labels))


@dataclass(frozen=True)
class LabelledRun:
    """Observations of a run: of the reward, and of each criterion that has labels of its own.

    Attributes:
        orders: Row -> what a pairwise judge preferred when the first and when the second response was shown first (1, -1, 0,
            NaN), as responses of the data; rows that were asked in both orders.
    """

    folder: Path
    facts: Mapping[str, Any]
    whole: Observations | None
    criteria: Mapping[str, Observations]
    orders: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def read_labelled(
    run: Path,
    *,
    label: str = "label",
    by: str = "raw_reward",
    subset: str = "subset",
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
) -> LabelledRun:
    """Read a run folder with its labels.

    Args:
        label: Column of rewards.parquet that holds them, kept by `judge run --keep COLUMN`. The default, `label`, means those of
            `judge label` where the run folder has any.
        by: Column of the judge's score: `raw_reward`, `reward` or `expected`.
        subset: Column that names the part a row belongs to, where there is one.
        positive, negative: Words of the label that mean yes and no.

    Raises:
        DataError: No finished run, no such column, or labels that are none of these forms.
        InputError: Labels of a criterion that the run does not have, or a word that means yes and no.
    """
    both = sorted({w.casefold() for w in positive} & {w.casefold() for w in negative})
    if both:
        raise InputError(f"`{both[0]}` stands in --positive and in --negative; a word of the label means yes or no")
    facts = read_facts(run)
    rows = _labelled_rows(run, label, by)
    single, pairs, criteria = _Build(by), _Build(by), dict[str, _Build]()
    read = _Reading(positive, negative)
    for records in _by_row(rows):
        given = _plain(records[0].get(label))
        if isinstance(given, Mapping) and not is_missing(given):
            _add_criteria(criteria, records, given, read, subset)
            continue
        side = _side(given, records)
        if side is not None:
            pairs.add_pair(records, side, subset)
        elif len(records) > 1 and not isinstance(given, list):
            single.add_each(records, [None] * len(records), read, subset)
        else:
            single.add_each(records, given if isinstance(given, list) and len(records) > 1 else [given], read, subset)
    whole = pairs.done("better") if pairs.scores and not read.seen else single.done(read.kind) if read.seen else None
    found = {name: build.done("yes_no" if read.criteria_are_yes_no else "number") for name, build in criteria.items()}
    _check_criteria(run, [name for name, one in found.items() if len(one.labelled)], rows)
    if whole is None and not found:
        what = f"no row has a label in column `{label}`; name its column with --label, and keep it with `judge run --keep`"
        raise DataError(Problem(str(run), what))
    return LabelledRun(run, facts, whole, found, _orders(run) if whole is not None and whole.kind == "better" else {})


def _labelled_rows(run: Path, label: str, by: str) -> list[dict[str, Any]]:
    """The rows of the run with their labels: those given by hand, where there are any and no other column is named."""
    by_hand = label == "label" and (run / LABEL_FILE).is_file()
    rows = _rows(run, (by,) if by_hand else (label, by))
    if not by_hand:
        return rows
    given = read_labels(run, Counter(record["row"] for record in rows))
    return [{**record, label: given.get(record["row"])} for record in rows]


def _by_row(rows: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = {}
    for record in rows:
        grouped.setdefault(record["row"], []).append(record)
    return grouped.values()


def _add_criteria(
    criteria: dict[str, _Build], records: list[dict[str, Any]], given: Mapping[str, Any], read: _Reading, subset: str
) -> None:
    """Labels of single criteria: one for all responses of the row, or a list of one each."""
    for name, value in given.items():
        own = criteria.setdefault(str(name), _Build(CRITERION + str(name)))
        each = value if isinstance(value, list) and len(value) == len(records) else [value] * len(records)
        own.add_each(records, each, read, subset)


def _check_criteria(run: Path, labelled: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse labels of criteria that were not judged: a mistyped name is not a judge that is always wrong."""
    known = [c.removeprefix(CRITERION) for c in rows[0] if c.startswith(CRITERION)] if rows else []
    if not known and all(record.get("raw_reward") is None for record in rows):
        return  # every verdict failed, and with it every criterion
    for name in labelled:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none, and these labels are a mapping"
            raise InputError(Problem(str(run), f"no criterion `{name}` in this run{did_you_mean(name, known) or '; ' + has}"))


def _orders(run: Path) -> dict[int, tuple[float, float]]:
    if not (run / "verdicts.parquet").is_file():
        return {}
    found = views_of(run)
    both = {row: (views.get((0, 1)), views.get((1, 0))) for row, views in found.items() if len(views) == 2}
    return {row: (math.nan if a is None else float(a), math.nan if b is None else float(b)) for row, (a, b) in both.items()}


def _rows(run: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms that `judge --help` need not pay

    path = run / "rewards.parquet"
    names = pq.read_schema(path).names
    for name in needed:
        if name not in names:
            known = [n for n in names if n not in ("flags", "components", "stages", "steps")]
            kept = _not_kept(name) if name == needed[0] else ""
            raise DataError(
                Problem(str(path), f"no column `{name}`{did_you_mean(name, known) or kept}; columns: {', '.join(known)}")
            )
    records: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return records


def _not_kept(name: str) -> str:
    if name == "label":  # always kept
        return ": the data has none, or it is empty in every row; `judge label RUN` takes labels, --label names another column"
    return f"; keep it with `judge run --keep {name}` (a column that is empty in every row is not kept)"


def _plain(value: Any) -> Any:
    """A kept value; lists and mappings are JSON in the table."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _side(given: Any, records: Sequence[Mapping[str, Any]]) -> float | None:
    """Which of two responses is the better one, where that is what the label says."""
    if len(records) != 2:
        return None
    said = records[0].get("preferred") if records[0].get("preferred") in ("A", "B", "tie") else preferred(given, 2)
    return {"A": 1.0, "B": -1.0, "tie": 0.0}.get(str(said)) if said is not None and not isinstance(given, list) else None


class _Reading:
    """Labels of single responses, and which kind they all are."""

    def __init__(self, positive: Sequence[str], negative: Sequence[str]) -> None:
        self._words = positive, negative
        self.seen = False
        self.criteria_are_yes_no = True
        self._yes_no = True

    @property
    def kind(self) -> LabelKind:
        return "yes_no" if self._yes_no else "number"

    def read(self, value: Any, *, criterion: bool) -> list[float]:
        """The labels in one value (several people's are a list); empty where there is none."""
        out = []
        for one in value if isinstance(value, list) else [value]:
            if one is None or is_missing(one):
                continue
            said = truth(one, *self._words)
            number = said if said is not None else float(one) if isinstance(one, int | float) else _number(one)
            if number is None:
                raise InputError(
                    f"the label {one!r} is no yes or no and no number; name its words with --positive and --negative"
                )
            out.append(number)
            if criterion:
                self.criteria_are_yes_no &= said is not None
            else:
                self.seen, self._yes_no = True, self._yes_no and said is not None
        return out


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


class _Build:
    """Observations on the way."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.scores: list[float] = []
        self._labels: list[list[float]] = []
        self._rest: list[tuple[str, tuple[int, int], str, str, float, float, float, float]] = []

    def add_each(self, records: Sequence[Mapping[str, Any]], labels: Sequence[Any], read: _Reading, subset: str) -> None:
        for record, value in zip(records, labels, strict=False):
            score = record.get(self._column)
            self.scores.append(math.nan if score is None else float(score))
            self._labels.append(read.read(value, criterion=self._column.startswith(CRITERION)))
            text = str(record.get("response") or "")
            self._entry(record, subset, float(len(text)), float(is_formatted(text)), float(record["response_index"]))

    def add_pair(self, records: Sequence[Mapping[str, Any]], side: float, subset: str) -> None:
        first, second = records
        said = compared(first.get(self._column), second.get(self._column))
        self.scores.append(math.nan if said is None else float(said))
        self._labels.append([side])
        a, b = str(first.get("response") or ""), str(second.get("response") or "")
        self._entry(first, subset, float(len(a) - len(b)), float(is_formatted(a)) - float(is_formatted(b)), 0.0)

    def _entry(self, record: Mapping[str, Any], subset: str, length: float, formatted: float, place: float) -> None:
        spread = record.get("spread")
        cluster = str(record.get("group") or record["row"])
        key = (int(record["row"]), int(record["response_index"]))
        self._rest.append(
            (
                str(record["id"]),
                key,
                cluster,
                str(record.get(subset) or ""),
                length,
                formatted,
                place,
                math.nan if spread is None else spread,
            )
        )

    def done(self, kind: LabelKind) -> Observations:
        ids, keys, clusters, subsets, lengths, formatted, places, spread = zip(*self._rest, strict=True)
        many = max((len(labels) for labels in self._labels), default=0)
        people = np.array([labels + [math.nan] * (many - len(labels)) for labels in self._labels]) if many > 1 else None
        labels = [_one(labels, kind) for labels in self._labels]
        return Observations(
            kind, np.array(self.scores), np.array(labels, dtype=np.float64), ids, keys, clusters, subsets,
            np.array(lengths), np.array(formatted), np.array(places), people, np.array(spread),
        )  # fmt: skip


def _one(labels: Sequence[float], kind: LabelKind) -> float:
    """One label of several people's: the mean of numbers, what most say of yes and no (NaN where they are even)."""
    if not labels:
        return math.nan
    mean = sum(labels) / len(labels)
    return (
        mean
        if kind != "yes_no"
        else math.nan
        if mean == 0.5 and len(labels) > 1
        else float(mean > 0.5)
        if len(labels) > 1
        else mean
    )


def is_formatted(text: str) -> bool:
    """Whether a text has Markdown structure: a heading, a list of two or more items, bold words, a table or a code block.

    Example:
        >>> is_formatted("plain words"), is_formatted("# Title"), is_formatted("- a\\n- b"), is_formatted("so **bold**")
        (False, True, True, True)
    """
    lines = [line.lstrip() for line in text.splitlines()]
    items = sum(line[:2] in ("- ", "* ") or (line[:1].isdigit() and ". " in line[:4]) for line in lines)
    return (
        items > 1 or text.count("**") > 1 or "```" in text or any(line.startswith(("# ", "## ", "### ", "|")) for line in lines)
    )
