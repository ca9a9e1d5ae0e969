"""A labelled set as data: where its rows are, what its labels mean, and the published figure it is compared by.

`sets.yaml` holds the sets that are known by name. A set of one's own is a YAML file with the same fields; `kind` and `data` are
enough. No data come with the toolkit: a set is read from its hub name, or from a file or folder that the user has.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from judge.batch.rows import FIELDS
from judge.errors import InputError, Problem, did_you_mean
from judge.labels import Best
from judge.rubric.model import Frozen
from judge.yamlfile import Source, read_yaml, validate

SetKind = Literal["pairs", "best", "styles", "right", "criteria", "ratings", "contrast", "steps"]
"""What a label says: which of two is better; which of several; the same in three styles; whether a response is right; whether it
meets one criterion; how good it is; which of two instructions each of two responses answers; which step is the first wrong
one."""

SHIPPED = Path(__file__).with_name("sets.yaml")


class SetSpec(Frozen):
    """One labelled set.

    Attributes:
        kind: What its labels say.
        metric: Published figure it is compared by, a name in `judge.bench.published`; None: the plain one of its kind.
        data: File or folder, for a set of one's own; relative to the file that says so.
        hub: Name on the Hugging Face hub, where it is there.
        config, split: Configurations and splits that are read; several are read one after the other, and name the subsets.
        map: Sample field -> column or path, as `--map`.
        label: How a number in the label names the better response; `from 1`: 1 is the first. See docs/data.md.
        subset: Column that names the part of the set a row belongs to; the first one that is there. None of them: the file's
            name.
        criterion: Column (or path) of the criterion's text or texts (`criteria`), or of the aspect rated (`ratings`); the first
            one.
        gold: Column (or path) of the label where it is not a field of a sample: booleans or numbers, one or several people's.
        positive, negative: Words of the label that mean yes and no; none: true, yes, correct, met and 1, and their opposites.
        drop: Column -> value of rows that the authors leave out.
        sections: Name -> subsets that are averaged under it; `*` and `?` stand for any text.
        weights: Subset -> weight in its section, in place of its number of items.
        licence: As its authors state it.
        checked: Whether the columns were seen in published rows: True, a test reads them; False, they could not be looked at and
            may have other names (`--map`); None, they are as the data card names them.
        note: What a reader must know about the figure.
    """

    name: str = ""
    title: str = ""
    paper: str = ""
    kind: SetKind
    metric: str | None = None
    data: str = ""
    hub: str = ""
    config: tuple[str, ...] = ("",)
    split: tuple[str, ...] = ("",)
    map: dict[str, str] = Field(default_factory=dict)
    label: Best = ""
    subset: tuple[str, ...] = ("subset",)
    criterion: tuple[str, ...] = ("criterion", "rubric_item", "rubric")
    gold: tuple[str, ...] = ("label",)
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    drop: dict[str, str | int | float | bool] = Field(default_factory=dict)
    sections: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)
    licence: str = "not stated"
    checked: bool | None = None
    note: str = ""

    @field_validator("config", "split", "subset", "criterion", "gold", "positive", "negative", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("sections", mode="before")
    @classmethod
    def _sections(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {k: tuple(v) if isinstance(v, list) else (v,) if isinstance(v, str) else v for k, v in value.items()}

    @model_validator(mode="after")
    def _sound(self) -> SetSpec:
        from judge.bench.published import METRICS  # noqa: PLC0415  # which reads this model

        for name in self.map:
            if name not in FIELDS:
                raise ValueError(f"`map`: no field `{name}`{did_you_mean(name, FIELDS) or '; fields: ' + ', '.join(FIELDS)}")
        if self.metric is not None and self.metric not in METRICS:
            known = did_you_mean(self.metric, METRICS) or f"; metrics: {', '.join(METRICS)}"
            raise ValueError(f"`metric`: no metric `{self.metric}`{known}")
        if self.metric is not None and METRICS[self.metric].kind != self.kind:
            raise ValueError(f"`metric`: `{self.metric}` is for {METRICS[self.metric].kind} sets, and this one holds {self.kind}")
        return self


@cache
def shipped_sets() -> dict[str, SetSpec]:
    """The sets that are known by name, in the order of the table."""
    source = read_yaml(SHIPPED)
    return {name: _built(source, row, name, (name,)) for name, row in source.data.items()}


def load_set(name: str) -> SetSpec:
    """A set by its name, or from a YAML file of one's own.

    Raises:
        InputError: There is no such set, or the file is wrong (with its line).
    """
    if name in shipped_sets():
        return shipped_sets()[name]
    path = Path(name)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        near = did_you_mean(name, shipped_sets()) or "; `judge bench --list` shows them"
        raise InputError(f"no set `{name}`{near}. A set of your own is a YAML file with `kind` and `data`")
    source = read_yaml(path)
    if not isinstance(source.data, dict):
        raise InputError(Problem(source.name, f"must be a mapping with `kind` ({', '.join(get_args(SetKind))}) and `data`"))
    spec = _built(source, source.data, source.data.get("name") or path.stem, ())
    found = Path(spec.data)
    beside = path.parent / found
    return spec.model_copy(update={"data": str(beside)}) if spec.data and not found.is_absolute() and beside.exists() else spec


def _built(source: Source, row: object, name: str, at: tuple[str, ...]) -> SetSpec:
    data = {"name": name, **row} if isinstance(row, dict) else row
    return validate(SetSpec, source, data, at)
