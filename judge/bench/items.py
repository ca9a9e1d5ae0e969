"""Rows of a labelled set -> items: a sample with all its responses, and what its label says about them.

The readers and layouts of `judge run` do the reading, so a set that `judge run` understands needs no words here.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from judge.batch.kinds import KINDS
from judge.batch.read import BadRow, read_samples
from judge.batch.rows import NOTHING, at
from judge.bench.spec import SetSpec
from judge.errors import DataError, InputError, Problem
from judge.labels import preferred
from judge.reference import is_missing
from judge.rubric.load import rubric_from
from judge.types import Sample

Gold = tuple[float, ...]
"""What a label says, by kind. `pairs`: one number, 1 the first response is better, -1 the second, 0 a tie. `best`, `styles`: of
each response 1 or 0. `right`: of each response 1 or 0. `criteria`: what each person said of the one response, 1 or 0.
`ratings`: one number. `contrast`: nothing. `steps`: the index of the first wrong step, -1 for none."""

_YES = ("true", "yes", "1", "1.0", "correct", "met", "pass", "passed", "right", "satisfied", "positive")
_NO = (
    "false",
    "no",
    "0",
    "0.0",
    "incorrect",
    "unmet",
    "not met",
    "fail",
    "failed",
    "wrong",
    "not satisfied",
    "unsatisfied",
    "negative",
)
_PACKED = (".gz", ".zst", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class BenchItem:
    """One row of a labelled set.

    Attributes:
        sample: With all responses of the row.
        subset: Part of the set it belongs to.
        cluster: What items of one question share: they stand or fall together in the interval.
        note: What a metric wants to know besides (the id of the row, which of a pair of rows it is).
    """

    sample: Sample
    subset: str
    gold: Gold
    cluster: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class BenchItems:
    """The items of a set, and how many rows are none (`bad`, `first_bad` says why) or left out by the authors (`dropped`)."""

    items: tuple[BenchItem, ...]
    bad: int = 0
    first_bad: str = ""
    dropped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why rows are none -> how many, the most frequent first."""

    @property
    def digest(self) -> str:
        """A hash of what is judged and of its labels."""
        h = hashlib.blake2b(digest_size=8)
        for item in self.items:
            h.update(repr((item.sample.prompt, item.sample.responses, item.gold)).encode("utf-8", "surrogatepass"))
        return h.hexdigest()


def read_items(
    spec: SetSpec,
    data: str = "",
    *,
    mapping: Mapping[str, str] | None = None,
    split: str = "",
    config: str = "",
    limit: int | None = None,
) -> BenchItems:
    """Read a set.

    Args:
        data: File, folder or hub name; empty: what the set itself names.
        mapping: Sample field -> column, over the set's own.
        limit: At most this many items, drawn evenly over the whole, so that each subset keeps its share.

    Raises:
        InputError: No data are named.
        DataError: They cannot be read, or hold no item.
    """
    source = data or spec.data or spec.hub
    mapping = {**({"rubric": ""} if spec.kind == "criteria" else {}), **spec.map, **(mapping or {})}
    if not source:
        raise InputError(f"--data PATH is missing: `{spec.name}` has no name on the hub; give the file or folder you have")
    items: list[BenchItem] = []
    bad: list[str] = []
    reasons: Counter[str] = Counter()
    dropped = 0
    for part, sample in _samples(spec, source, mapping, split, config):
        if isinstance(sample, BadRow):
            bad.append(sample.problem)
            reasons[sample.problem.partition(": ")[2] or sample.problem] += 1  # without the place of the row
            continue
        if any(sample.metadata.get(column) == value for column, value in spec.drop.items()):
            dropped += 1
            continue
        try:
            items += _items(spec, part, sample)
        except ValueError as why:
            bad.append(f"{part}: row `{sample.id}`: {why}")
            reasons[str(why)] += 1
    if not items:
        raise DataError(
            Problem(
                source,
                f"no item of set `{spec.name}` can be read; the first problem: {bad[0] if bad else 'all rows are left out'}",
            )
        )
    found = _unlike(items)
    if limit is not None and limit < len(found):
        found = [found[i * len(found) // limit] for i in range(limit)]
    return BenchItems(tuple(found), len(bad), bad[0] if bad else "", dropped, dict(reasons.most_common()))


def with_distractors(found: BenchItems, count: int, seed: int = 0) -> BenchItems:
    """The items with so many documents of other items among their own, in an order drawn by the item and the seed.

    A judge should find the helpful document among them (RARE and NoisyBench, arXiv:2601.07226): a reward that falls with
    irrelevant context is a reward of the retriever.

    Raises:
        DataError: No item has documents, or all have the same.
    """
    pool = list(dict.fromkeys(doc for item in found.items for doc in item.sample.context))
    if len(pool) < 2:
        raise DataError(
            "--distractors: the items have no documents (`context`) to draw from; map their column with --map context=COLUMN"
        )
    noisy = []
    for item in found.items:
        digest = hashlib.blake2b(f"{seed}\0{item.sample.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        drawn = random.Random(digest)
        own = set(item.sample.context)
        others = [doc for doc in drawn.sample(pool, min(len(pool), count + len(own))) if doc not in own][:count]
        mixed = [*item.sample.context, *others]
        drawn.shuffle(mixed)
        noisy.append(replace(item, sample=replace(item.sample, context=tuple(mixed))))
    return replace(found, items=tuple(noisy))


def _unlike(items: Sequence[BenchItem]) -> list[BenchItem]:
    """Every item under an id of its own: files of one set count their rows from 0 each."""
    seen: dict[str, int] = {}
    out = []
    for item in items:
        name = f"{item.subset}/{item.sample.id}" if item.subset else item.sample.id
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}#{seen[name]}"
        out.append(replace(item, sample=replace(item.sample, id=name)))
    return out


def _samples(
    spec: SetSpec, source: str, mapping: Mapping[str, str], split: str, config: str
) -> Iterator[tuple[str, Sample | BadRow]]:
    """(name of the file, configuration or split, sample) of every row."""
    path = Path(source)
    if path.is_dir() and not any((path / name).exists() for name in ("state.json", "dataset_dict.json", "dataset_infos.json")):
        files = [f for f in sorted(path.rglob("*")) if _is_data(f)]
        if not files:
            raise DataError(Problem(source, f"no data file here; known: {', '.join(KINDS)}"))
        for file in files:
            for sample in read_samples(str(file), mapping, carry=("all",)):
                yield _named(file), sample
        return
    if path.exists():
        for sample in read_samples(source, mapping, split=split, config=config, carry=("all",)):
            yield _named(path), sample
        return
    for one in (config,) if config else spec.config:
        for part in (split,) if split else spec.split:
            for sample in read_samples(source, mapping, split=part, config=one, carry=("all",)):
                yield one or part, sample


def _is_data(file: Path) -> bool:
    """Whether a file of a folder is data; `*.sample.json` beside it is an excerpt."""
    name = file.name.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return file.is_file() and name.endswith(KINDS) and ".sample." not in name and not name.startswith(".")


def _named(file: Path) -> str:
    """What a file calls its part of the set: its own name, or its folder's where it has a general one."""
    name = file.name.split(".", maxsplit=1)[0]
    return file.parent.name if name.lower() in ("dataset", "data", "test", "train") and file.parent.name else name


# ---- one row ---------------------------------------------------------------------------------------------------------


def _items(spec: SetSpec, part: str, sample: Sample) -> list[BenchItem]:
    subset = next((found for column in spec.subset if (found := _named_by(column, sample))), part)
    bare = replace(sample, rubric=sample.rubric if spec.kind != "criteria" else None)
    gold: Gold
    if spec.kind == "pairs":
        gold = (_side(spec, sample),)
    elif spec.kind in ("best", "styles"):
        gold = _best(sample, spec)
    elif spec.kind == "right":
        bare, gold = _right(spec, sample, bare)
    elif spec.kind == "criteria":
        return _criteria(spec, sample, bare, subset)
    elif spec.kind == "ratings":
        bare, gold = _rated(spec, sample, bare), (_rating(spec, sample),)
    elif spec.kind == "steps":
        gold = (_first_error(sample),)
    else:
        return [_contrast(sample, bare, subset)]
    return [BenchItem(bare, subset, gold, bare.group_key, sample.id)]


def _named_by(column: str, sample: Sample) -> str:
    """What a column says, or several (`language+source`) with a slash between them; empty where one of them is not there."""
    values = [sample.metadata.get(name) for name in column.split("+")]
    return "" if any(is_missing(v) for v in values) else "/".join(map(str, values))


def _label(spec: SetSpec, sample: Sample) -> Any:
    """The label, by the column (or a path into one) that the set names, else the field."""
    for name in spec.gold:
        for column in (f"data.{name}", name):
            value = at(sample.metadata, column)
            if value is not NOTHING and not is_missing(value):
                return value
    return sample.metadata.get("label")


def _side(spec: SetSpec, sample: Sample) -> float:
    if len(sample.responses) != 2:
        raise ValueError(f"a pair has two responses, and this row has {len(sample.responses)}")
    said = sample.metadata.get("preferred")
    if said is None:
        said = preferred(_label(spec, sample), 2, spec.label)
    if said not in ("A", "B", "tie"):
        raise ValueError(f"the label {_label(spec, sample)!r} does not say which response is better")
    return {"A": 1.0, "B": -1.0, "tie": 0.0}[said]


def _best(sample: Sample, spec: SetSpec) -> Gold:
    count, said = len(sample.responses), sample.metadata.get("preferred")
    if said in ("A", "B") and count == 2:
        said = [0 if said == "A" else 1]
    label = sample.metadata.get("label")
    if said is None and isinstance(label, list) and len(label) == count and all(isinstance(x, int | float) for x in label):
        said = [i for i, x in enumerate(label) if x == max(label)]
    if not isinstance(said, list | tuple) or not said or len(said) >= count:
        raise ValueError("the label does not say which of the responses are the better ones")
    if spec.kind == "styles" and (len(said), count) != (3, 6):
        raise ValueError(f"three chosen and three rejected responses are expected, got {len(said)} and {count - len(said)}")
    return tuple(float(i in said) for i in range(count))


def _right(spec: SetSpec, sample: Sample, bare: Sample) -> tuple[Sample, Gold]:
    label = _label(spec, sample)
    labels = label if isinstance(label, list | tuple) else [label]
    if len(labels) != len(sample.responses):
        raise ValueError(f"{len(sample.responses)} responses and {len(labels)} labels")
    known = [(i, said) for i, one in enumerate(labels) if (said := truth(one, spec.positive, spec.negative)) is not None]
    if not known:
        raise ValueError(f"the label {label!r} says neither right nor wrong")
    return replace(bare, responses=tuple(sample.responses[i] for i, _ in known)), tuple(said for _, said in known)


def _criteria(spec: SetSpec, sample: Sample, bare: Sample, subset: str) -> list[BenchItem]:
    """One item a criterion: a row may have one with a label (or several people's), or a list of them with a label each."""
    if len(sample.responses) != 1:
        raise ValueError(f"a criterion is about one response, and this row has {len(sample.responses)}")
    found = next((v for c in spec.criterion if (v := at(sample.metadata, c)) is not NOTHING and not is_missing(v)), None)
    texts = [found] if isinstance(found, str) else list(found) if isinstance(found, list | tuple) else []
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"no column of {', '.join(spec.criterion)} holds the text of the criterion")
    label = _label(spec, sample)
    labels = [label] if isinstance(found, str) else label if isinstance(label, list | tuple) else [label]
    if len(labels) != len(texts):
        raise ValueError(f"{len(texts)} criteria and {len(labels)} labels")
    items = []
    for number, (text, said) in enumerate(zip(texts, labels, strict=True), 1):
        people = [
            one
            for x in (said if isinstance(said, list | tuple) else [said])
            if (one := truth(x, spec.positive, spec.negative)) is not None
        ]
        if not people:
            raise ValueError(f"the label {said!r} says neither met nor unmet")
        rubric = rubric_from({"name": "criterion", "criteria": [{"id": "criterion", "text": text}]}, "criterion")
        name = sample.id if len(texts) == 1 else f"{sample.id}:{number}"
        items.append(BenchItem(replace(bare, rubric=rubric, id=name), subset, tuple(people), bare.group_key, sample.id))
    return items


def _rated(spec: SetSpec, sample: Sample, bare: Sample) -> Sample:
    """The sample with the aspect that its rating is about as its rubric, where the set names a column of it."""
    text = next((v for c in spec.criterion if isinstance(v := sample.metadata.get(c), str) and v.strip()), None)
    if text is None or "criterion" not in spec.model_fields_set:
        return bare
    scale = {"kind": "ordinal", "min": 1, "max": 5}
    rubric = {"name": "aspect", "scale": scale, "criteria": [{"id": "aspect", "text": text, "scale": scale}]}
    return replace(bare, rubric=rubric_from(rubric, "aspect"))


def _rating(spec: SetSpec, sample: Sample) -> float:
    if len(sample.responses) != 1:
        raise ValueError(f"a rating is about one response, and this row has {len(sample.responses)}")
    label = _label(spec, sample)
    given = label if isinstance(label, list | tuple) else [label]
    numbers = [number for one in given if not is_missing(one) and (number := _grade(one)) is not None]
    if not numbers:
        raise ValueError(f"the label {label!r} is not a number")
    return sum(numbers) / len(numbers)


def _grade(value: Any) -> float | None:
    """A number, or text that is one: a cell of a CSV file is always text."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _first_error(sample: Sample) -> float:
    label = sample.metadata.get("label")
    if isinstance(label, list):  # PRM800K: a rating of each step, -1 is wrong
        return float(next((i for i, rating in enumerate(label) if rating == -1), -1))
    if not isinstance(label, int) or isinstance(label, bool) or not -1 <= label < max(len(sample.steps), 1):
        raise ValueError(f"the label {label!r} is not a step of this solution")
    return float(label)


def _contrast(sample: Sample, bare: Sample, subset: str) -> BenchItem:
    other = sample.metadata.get("prompt_b", sample.metadata.get("instruction_2"))
    if len(sample.responses) != 2 or not isinstance(other, str):
        raise ValueError("two instructions (`prompt`, `prompt_b`) and two responses are expected")
    return BenchItem(bare, subset, (), bare.group_key, other)


def truth(value: Any, positive: Sequence[str] = (), negative: Sequence[str] = ()) -> float | None:
    """1 or 0 for a label that says yes or no; None where it says neither.

    Example:
        >>> truth(True), truth("no"), truth("B", ["A"], ["B"]), truth("?"), truth(0)
        (1.0, 0.0, 0.0, None, 0.0)
    """
    if value is None or is_missing(value):
        return None
    word = str(value).strip().casefold()
    yes, no = ([w.casefold() for w in positive] or list(_YES)), ([w.casefold() for w in negative] or list(_NO))
    return 1.0 if word in yes else 0.0 if word in no else None
