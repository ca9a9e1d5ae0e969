"""What to judge by: a rubric and its criteria.

- `weight` and `points` are the two ways the field writes importance. A weight is positive; the total is divided
  by all weights. Points may be negative (HealthBench) and the total is divided by the positive ones only.
  A rubric uses one of the two, so that nobody has to guess the denominator.
- A pitfall describes a fault. A judge says MET when the fault is there, and the stored score is still "1 best".
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from judge.errors import BadRubric, BadSettings, InputError, Problem
from judge.yamlfile import explained

CriterionKind = Literal["hard_rule", "principle", "essential", "important", "optional", "pitfall"]
Fold = Literal["weighted_mean", "all_pass", "min", "harmonic_mean"]
Denominator = Literal["all_weights", "positive_points"]
LARGEST = 1e6  # weight or points of a criterion: beyond, one criterion is the whole rubric
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
RubricText = Annotated[str, Field(min_length=1, max_length=20_000)]


class Frozen(BaseModel):  # noqa: PLW1641  # pydantic makes a hash for each frozen model
    """Base of everything read from a file: no unknown fields, no changes after loading, no silent conversions.

    Made in code with wrong values it raises what a file with them raises, with the class in place of file and line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    bad_value: ClassVar[type[InputError]] = BadSettings

    def __init__(self, /, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as why:
            cls = type(self)
            raise cls.bad_value(Problem(cls.__name__, what) for _, what in explained(why, cls)) from None

    # pydantic's own mark of an `__init__` that only validates: what stands inside another model, or comes by `model_validate`,
    # does not go through it, and keeps the place that its error names.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: nothing in it changes. pydantic copies each default that has no hash, for each instance."""
        return self

    def __eq__(self, other: object) -> bool:
        """As pydantic's; a default that stands in a field, which is compared wherever a model is written, is itself."""
        return self is other or super().__eq__(other)

    @model_validator(mode="before")
    @classmethod
    def _lists_to_tuples(cls, data: Any) -> Any:
        """YAML and JSON know lists only; a frozen model holds tuples."""
        if not isinstance(data, dict):
            return data
        if list not in map(type, data.values()):
            return data
        return {k: tuple(v) if isinstance(v, list) and k in cls._tuple_fields() else v for k, v in data.items()}

    @classmethod
    @cache
    def _tuple_fields(cls) -> frozenset[str]:
        return frozenset(name for name, field in cls.model_fields.items() if "tuple" in str(field.annotation))


class Scale(Frozen):
    """How a criterion, or a whole response, is graded.

    `binary` (MET / UNMET), `ternary` (MET / PARTIAL / UNMET), or `ordinal`: whole numbers from `min` to `max`, with
    `anchors` saying what each level looks like.

    Attributes:
        kind: `binary`, `ternary` or `ordinal`.
        min: Lowest level of an ordinal scale.
        max: Highest level of an ordinal scale.
        anchors: Level -> what it looks like.
    """

    bad_value = BadRubric

    kind: Literal["binary", "ternary", "ordinal"] = "binary"
    min: int = 1
    max: int = 5
    anchors: dict[int, RubricText] = Field(default_factory=dict)

    @field_validator("anchors", mode="before")
    @classmethod
    def _levels(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {int(k) if isinstance(k, str) and k.lstrip("-").isdigit() else k: v for k, v in value.items()}
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind == "ordinal":
            if not self.min < self.max:
                raise ValueError(f"min ({self.min}) must be below max ({self.max})")
            if self.max - self.min > 100:
                raise ValueError("an ordinal scale has at most 101 levels")
            off = [level for level in self.anchors if not self.min <= level <= self.max]
            if off:
                raise ValueError(f"anchor {off[0]} is off the scale {self.min} to {self.max}")
        elif self.anchors or self.model_fields_set & {"min", "max"}:
            raise ValueError(f"`min`, `max` and `anchors` belong to an ordinal scale, not to {self.kind}")
        return self

    def __hash__(self) -> int:
        return hash((self.kind, self.min, self.max))

    @cached_property
    def labels(self) -> dict[str, float]:
        """What the judge may say -> score in [0, 1], as stated (a pitfall's polarity is not applied here)."""
        if self.kind == "binary":
            return {"MET": 1.0, "UNMET": 0.0}
        if self.kind == "ternary":
            return {"MET": 1.0, "PARTIAL": 0.5, "UNMET": 0.0}
        span = self.max - self.min
        return {str(level): (level - self.min) / span for level in range(self.min, self.max + 1)}


PASSED: dict[str, Callable[..., Any]] = {}
"""Functions that were passed as checks, by the name that stands for them."""


def _named(function: Callable[..., Any]) -> str:
    name = f"{getattr(function, '__module__', 'python')}:{getattr(function, '__qualname__', type(function).__name__)}"
    same = name
    for number in itertools.count(2):
        if PASSED.setdefault(same, function) is function:
            return same
        same = f"{name}.{number}"
    raise AssertionError  # counting does not end


class Criterion(Frozen):
    """One thing to look at.

    Attributes:
        weight: Importance, above 0 (default 1). Exclusive with `points`.
        points: Signed importance: negative points are lost when the criterion is met.
        scale: `binary`, `ternary`, or an ordinal scale with anchors.
        veto: When this criterion fails (below half its scale), the reward is 0 whatever the others say.
        check: `llm`, or the name of a programmatic check (see `judge/checks`), or `package.module:function`; in Python also the
            function itself, which is then known by that name in this process.
        args: Arguments of the programmatic check.
        id: Name, unique in the rubric: a letter, then letters, digits, `_`, `.` or `-`, at most 64.
        text: What the judge is asked.
        title: For people; changes nothing.
        kind: Sets the weight and the polarity where none are given.
        tags: Labels of your own, carried through.
    """

    bad_value = BadRubric

    id: Identifier
    text: RubricText
    title: str = ""
    kind: CriterionKind = "important"
    weight: float | None = Field(default=None, gt=0)
    points: float | None = None
    scale: Scale = Scale()
    veto: bool = False
    check: str = "llm"
    args: dict[str, Any] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @field_validator("scale", mode="before")
    @classmethod
    def _short_scale(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        if isinstance(value, dict) and "kind" not in value:
            return {"kind": "ordinal", **value}
        return value

    @field_validator("check", mode="before")
    @classmethod
    def _function(cls, value: Any) -> Any:
        return _named(value) if callable(value) else value

    @field_validator("weight", "points", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if math.isnan(value) or abs(value) == math.inf:
            raise ValueError("must be a finite number")
        if abs(value) > LARGEST:  # an int may be too large for a float
            raise ValueError("must lie between -1,000,000 and 1,000,000")
        return float(value)

    @model_validator(mode="after")
    def _one_importance(self) -> Self:
        if self.weight is not None and self.points is not None:
            raise ValueError("give `weight` or `points`, not both")
        if self.points == 0:
            raise ValueError("0 points would change nothing; leave the criterion out")
        return self

    def __hash__(self) -> int:
        return hash((self.id, self.text))

    @property
    def negative(self) -> bool:
        """Whether meeting this criterion is bad."""
        return self.points < 0 if self.points is not None else self.kind == "pitfall"

    @property
    def importance(self) -> float:
        """Unsigned weight or points."""
        return abs(self.points) if self.points is not None else (1.0 if self.weight is None else self.weight)


class Partial(Frozen):
    """What to do when some criteria have no verdict: by default no reward at all.

    With `min_coverage` below 1, the reward is folded over the criteria that have one, provided they carry at least
    that share of the total importance, in (0, 1]; such a reward is flagged `partial`.

    Attributes:
        min_coverage: Least share of the total importance that needs a verdict, in (0, 1].
    """

    bad_value = BadRubric

    min_coverage: float = Field(default=1.0, gt=0, le=1)


class Lineage(Frozen):
    """Where a rubric comes from. No judge sees it, and it changes neither the rubric's hash nor any request.

    Attributes:
        parents: Hashes of the rubrics that this one was made from.
        generator: Method that wrote it, such as `rar`.
        model: Model that wrote it.
        prompt_hash: Content hash of the method's templates.
        data_hash: Content hash of what it was written from (prompt, responses, reference, documents).
        scores: What it came to when it was tried, by the metric's name, such as `agreement: 0.83`.
        created_by: Program and version, such as `judge 0.1.0`.
    """

    bad_value = BadRubric

    parents: tuple[str, ...] = ()
    generator: str = ""
    model: str = ""
    prompt_hash: str = ""
    data_hash: str = ""
    scores: dict[str, float] = Field(default_factory=dict)
    created_by: str = ""


class Rubric(Frozen):
    """A named set of criteria, and how their scores become one number.

    Attributes:
        scale: Overall scale, for recipes that give one grade to the whole response (ordinal, default 1 to 5).
        fold: `weighted_mean`, `all_pass` (1 if every criterion passes, else 0), `min`, or `harmonic_mean`.
        denominator: `all_weights` (default with weights) or `positive_points` (default with points).
        lineage: Where it comes from, for a rubric that a program wrote.
        name: What the rubric is called.
        title: For people; changes nothing.
        description: For people; changes nothing.
        source: Where it is from; changes nothing.
        version: For people; changes nothing.
        criteria: What is looked at, 1 to 5000 criteria.
        partial: What is done where some criteria have no verdict.
    """

    bad_value = BadRubric

    name: str = "rubric"
    title: str = ""
    description: str = ""
    source: str = ""
    version: str = ""
    criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=5000)
    scale: Scale = Scale(kind="ordinal")
    fold: Fold = "weighted_mean"
    denominator: Denominator | None = None
    partial: Partial = Partial()
    lineage: Lineage | None = None

    @field_validator("scale", mode="before")
    @classmethod
    def _overall(cls, value: Any) -> Any:
        return {"kind": "ordinal", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        seen: set[str] = set()
        for criterion in self.criteria:
            if criterion.id in seen:
                raise ValueError(f"two criteria are called `{criterion.id}`")
            seen.add(criterion.id)
        with_points = [c for c in self.criteria if c.points is not None]
        if with_points and len(with_points) < len(self.criteria):
            other = next(c for c in self.criteria if c.points is None)
            raise ValueError(f"`{with_points[0].id}` has points and `{other.id}` has a weight; a rubric uses one of the two")
        if self.effective_denominator == "positive_points" and all(c.negative for c in self.criteria):
            raise ValueError("no criterion has positive points, so there is nothing to divide by")
        if self.scale.kind != "ordinal":
            raise ValueError("the overall scale is ordinal")
        return self

    def __hash__(self) -> int:
        return hash(self.hash)

    def changed(self, **fields: Any) -> Rubric:
        """The same rubric with some fields replaced, checked anew (`model_copy` checks nothing, and keeps the old hash)."""
        return Rubric(**{name: fields.get(name, getattr(self, name)) for name in Rubric.model_fields})

    @property
    def effective_denominator(self) -> Denominator:
        """The denominator in force."""
        if self.denominator is not None:
            return self.denominator
        return "positive_points" if self.criteria[0].points is not None else "all_weights"

    @cached_property
    def hash(self) -> str:
        """Content hash (16 hex digits): changes with every word that a judge could see and every number of the fold."""
        return content_hash(self.model_dump(mode="json", exclude={"lineage"}))


def content_hash(value: Any) -> str:
    """Hash of plain values, the same in every process and on every platform.

    Example:
        >>> content_hash({"b": 1, "a": [2.0]}) == content_hash({"a": [2.0], "b": 1})
        True
    """
    return hashlib.blake2b(_ONE_SPELLING(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


_ONE_SPELLING = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
