"""What a judge may state and how: the typed grammar of a verdict (`verdict` in `recipe.yaml`), and one question of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import BadRecipe
from judge.recipe.signal import Readout
from judge.records import quick
from judge.rubric.model import Frozen, Identifier
from judge.yamlfile import shown

VerdictKind = Literal["label", "score", "scores", "choice", "graded_choice", "ranking", "criteria", "first_error"]
Form = Literal["line", "brackets", "boxed", "tag", "json", "bare", "sentence", "angles"]
Assigned = Literal["name", "place"]
LabelScores = Mapping[str, float | None]
"""Label -> score in [0, 1]; None: the judge abstains."""

_SEVERAL = ("scores", "criteria")  # kinds with a value for each item, which may be told apart by place
_OF_RESPONSE = ("{i}", "{L}")
EXPECTED_KINDS = ("label", "score", "choice", "graded_choice")  # verdicts that name one value in one place
MAX_LEVELS = 100  # of a scale of numbers that is treated as a list of values


class Range(Frozen):
    """Numbers a judge may give."""

    bad_value = BadRecipe

    min: float = 1
    max: float = 5
    integer: bool = True

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min ({self.min}) must be below max ({self.max})")
        if self.integer and (self.min != int(self.min) or self.max != int(self.max)):
            raise ValueError(f"{self.min:g} to {self.max:g} holds fractions; add `integer: false`")
        return self


class CopiedSpec(Frozen):
    """Where a judge copies the words of the response that state its answer: a line `MARKER: words`, before the verdict.

    A program checks these words against the response, so they are evidence, not trust.

    Attributes:
        marker: The words before the colon.
        turn: The earlier turn that copies them; a reply of it without the marker is the words. None: the turn of the verdict.
        none: What the judge writes where the response states no answer.
    """

    bad_value = BadRecipe

    marker: str = Field(min_length=1, max_length=60)
    turn: Identifier | None = None
    none: str = Field(default="none", min_length=1, max_length=40)


class VerdictSpec(Frozen):
    """The typed grammar of a verdict: what is stated (`kind`) and how it is written (`form`).

    | form | written as |
    |---|---|
    | `line` | a line of its own: `MARKER: value` (criteria: `MARKER id: value`, one line each) |
    | `brackets` | `[[value]]` |
    | `boxed` | `\\boxed{value}` |
    | `tag` | `<MARKER>value</MARKER>` |
    | `json` | an object with the key MARKER (criteria, scores: an object under that key; without a marker the object itself) |
    | `bare` | a line that is nothing but the value (MARKER is not used) |
    | `sentence` | MARKER is a sentence with a hole: `Therefore, {value} is better` |
    | `angles` | `[[value]]` for the first of two responses, `<<value>>` for the second |

    Attributes:
        marker: The word before the colon, the tag's name, or the JSON key. With `{i}` or `{L}` in it each response has a marker
            of its own (`scores` as line, tag or json). Empty (null in YAML): the JSON object itself maps names or ids to values.
        labels: Label -> score in [0, 1] (`label`, `graded_choice`: score of the *first* response; `scores`: of each response;
            `criteria`: instead of the criteria's own), or null where a judge that says so abstains. The word `criterion` takes
            the labels of the criterion asked about.
        range: Numbers allowed (`score`, `scores`). None takes the rubric's overall scale.
        names: What the responses are called in the prompt, `{i}` counting from 1 and `{L}` from A.
        tie: The label for "equally good"; None forbids ties.
        prefixes: Words a judge may write before a name or label, and which mean nothing (`Response A` is `A`).
        ranking: JSON key that holds the order, best first, checked against the scores (`scores` only).
        ranks: What a list of a `ranking` holds: `order` (names, best first) or `places` (the rank of each response as shown).
        by: How statements of `scores` and `criteria` belong to responses and criteria: by `name` (or id), or by `place`: the
            first statement is of the first one.
        after: The verdict section begins behind the last occurrence of this text.
        until: The section ends at the first occurrence of this text behind its beginning.
        none: What a judge of `first_error` states where no step is wrong.
        base: Number of the first step (`first_error`).
        copied: The line on which the judge copies the words that it judged; None where the recipe has no such line.
    """

    bad_value = BadRecipe

    kind: VerdictKind
    form: Form = "line"
    marker: str = Field(default="VERDICT", max_length=60)
    labels: dict[str, float | None] | Literal["criterion"] | None = None
    range: Range | None = None
    names: str = "{L}"
    tie: str | None = None
    prefixes: tuple[str, ...] = ()
    ranking: str | None = None
    ranks: Literal["order", "places"] = "order"
    by: Assigned = "name"
    after: str | None = Field(default=None, min_length=2, max_length=120)
    until: str | None = Field(default=None, min_length=2, max_length=120)
    none: str = Field(default="none", min_length=1, max_length=40)
    base: Literal[0, 1] = 1
    copied: CopiedSpec | None = None

    @field_validator("marker", mode="before")
    @classmethod
    def _without(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("none", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("labels", mode="before")
    @classmethod
    def _floats(cls, value: Any) -> Any:
        """Numbers as floats; `true` and `false` as JSON writes them."""
        if value is None or value == "criterion":
            return value
        if not isinstance(value, dict):
            raise ValueError(  # pydantic turns only ValueError into a message with its line
                f"must be a mapping of labels to scores, for example {{Yes: 1, No: 0}}, or `criterion`; not {shown(value)}"
            )
        return {(str(k).lower() if isinstance(k, bool) else str(k)): _label_score(k, v) for k, v in value.items()}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for wrong in (_without_effect, _labels_wrong, _form_wrong, _marker_wrong, _section_wrong):
            why = wrong(self)
            if why:
                raise ValueError(why)
        return self

    @property
    def own_labels(self) -> dict[str, float | None]:
        """The labels written in the recipe; empty where they come from the criterion, or there are none."""
        return self.labels if isinstance(self.labels, dict) else {}

    @property
    def marked_each(self) -> bool:
        """Whether each response or criterion has a marker of its own, beside the form `angles`."""
        return _marked_each(self.marker, self.form)

    def response_names(self, count: int) -> tuple[str, ...]:
        """Names of the responses in the order shown.

        Example:
            >>> VerdictSpec(kind="choice", form="brackets").response_names(2)
            ('A', 'B')
        """
        return _names(self.names, count)


def _label_score(label: object, score: object) -> float | None:
    if isinstance(score, int | float) and not isinstance(score, bool):
        return float(score)
    if score is not None:
        raise ValueError(f"label `{label}`: a score is a number in [0, 1], or null where the judge abstains; not {shown(score)}")
    return None


_COMPARES = ("scores", "choice", "graded_choice", "ranking")
_READ_BY: dict[str, tuple[str, ...]] = {
    "labels": ("label", "graded_choice", "scores", "criteria"),
    "range": ("score", "scores"),
    "names": _COMPARES,
    "tie": ("choice",),
    "prefixes": ("label", "criteria", "first_error", *_COMPARES),
    "none": ("first_error",),
    "base": ("first_error",),
}
"""Fields that only some kinds of verdict read."""
_WITHOUT_MARKER = ("brackets", "boxed", "bare", "angles")  # forms in which no marker is written


def _without_effect(spec: VerdictSpec) -> str:
    """Why a field that is given would change nothing; empty where all have an effect."""
    for name, kinds in _READ_BY.items():
        if name in spec.model_fields_set and getattr(spec, name) is not None and spec.kind not in kinds:
            *most, last = kinds
            which = f"{', '.join(most)} and {last}" if most else last
            return f"`{name}` has no effect on a {spec.kind} verdict (it is for {which}); leave it out"
    if "marker" in spec.model_fields_set and spec.form in _WITHOUT_MARKER:
        return f"`marker` has no effect with form `{spec.form}`, which writes none; leave it out"
    return ""


def _labels_wrong(spec: VerdictSpec) -> str:
    own = spec.own_labels
    scores = [score for score in own.values() if score is not None]
    return _first((
        (spec.kind in ("label", "graded_choice") and not spec.labels, f"a {spec.kind} verdict needs `labels`"),
        (any(not 0 <= score <= 1 for score in scores), "label scores lie in [0, 1]"),
        (bool(own) and not scores, "at least one label needs a score; null is for a judge that abstains"),
        (bool(own) and len(set(scores)) == 1,
         f"every label has the score {scores[0] if scores else 0:g}, so all responses would be worth the same; give the labels"
         " different scores"),
        (len(scores) < len(own) and spec.kind == "scores",
         "`scores` takes no abstaining label (null): what one response is worth says nothing without the others"),
        (bool(own) and spec.range is not None, "`labels` and `range` exclude each other"),
    ))  # fmt: skip


def _first(rules: tuple[tuple[bool, str], ...]) -> str:
    return next((why for broken, why in rules if broken), "")


def _form_wrong(spec: VerdictSpec) -> str:
    kind, form, place = spec.kind, spec.form, spec.by == "place"
    delimited = "is written as json, boxed, brackets or tag"
    return _first((
        (place and kind not in _SEVERAL, f"`by: place` is for {' and '.join(_SEVERAL)}; a {kind} verdict is one statement"),
        (form == "angles" and (kind != "scores" or place), "form `angles` is for scores of two responses (`[[8]]`, `<<5>>`)"),
        (kind == "ranking" and form in ("line", "bare", "sentence"), f"a ranking verdict {delimited}"),
        (kind == "scores" and form == "line" and not (place or spec.marked_each),
         f"a scores verdict {delimited}, or it has `by: place`, or a marker with `{{i}}` or `{{L}}` in it"),
        (kind in _SEVERAL and form in ("bare", "sentence") and not place,
         f"a {kind} verdict is not written as {form}: its items need a place of their own (`by: place`)"),
        (bool(spec.ranking) and (kind, form) != ("scores", "json"), "`ranking` goes with kind scores and form json"),
        (spec.ranks == "places" and kind != "ranking", "`ranks: places` is for kind ranking"),
    ))  # fmt: skip


def _marker_wrong(spec: VerdictSpec) -> str:
    marker, form = spec.marker, spec.form
    each = bool(marker) and spec.marked_each
    return _first((
        (not marker and not (form == "json" and spec.kind in _SEVERAL and spec.by == "name"),
         "a marker is needed: only a json object of scores or criteria (by name) can do without"),
        ((form == "sentence") != (marker.count("{value}") == 1),
         "form `sentence`, and no other, has a marker with one `{value}` in it"),
        (form == "sentence" and not marker.replace("{value}", "").strip(),
         "a sentence needs words beside `{value}`; without any, the form is `bare`"),
        (each and (spec.kind != "scores" or form not in ("line", "tag", "json") or spec.by == "place"),
         "a marker for each response (`{i}`, `{L}`) goes with kind scores (by name) and form line, tag or json"),
        (spec.copied is not None and spec.copied.marker.casefold() == marker.casefold(),
         f"`copied` and the verdict have the same marker, `{marker}`"),
    ))  # fmt: skip


def _section_wrong(spec: VerdictSpec) -> str:
    if spec.until is not None and spec.after is None:
        return "`until` ends the section that `after` begins; give both"
    for name, text in (("after", spec.after), ("until", spec.until)):
        if text is not None and (text != text.strip() or not any(c.isalnum() for c in text) or "\n" in text):
            return f"`{name}` is words on one line, without white space around them"
    return ""


@lru_cache(maxsize=1024)
def _names(pattern: str, count: int) -> tuple[str, ...]:
    return tuple(pattern.replace("{i}", str(i + 1)).replace("{L}", _letter(i)) for i in range(count))


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index}"


@lru_cache(maxsize=1024)
def _marked_each(marker: str, form: str) -> bool:
    return not marker or (form != "sentence" and any(hole in marker for hole in _OF_RESPONSE))


@quick
@dataclass(frozen=True, slots=True)
class Question:
    """What one judge call may answer: a verdict grammar with everything about this call filled in.

    Attributes:
        names: Names of the responses in the order shown; one for a pointwise call.
        labels: Label -> stated score in [0, 1], None where the judge abstains (`label`, `graded_choice`, `scores`); tie excluded.
        lo, hi, integer: Range of numbers (`score`, `scores`).
        criteria: Criterion id -> its labels (`criteria` only), in the order asked.
        steps: How many steps are shown (`first_error`).
        material: The untrusted texts that the prompt quotes, so that a planted verdict can be told from the judge's own.
        readout: How the judge's probabilities are read, where they are the score; None: the stated verdict is.
        salvage: What a reply says about some criteria counts, although it is cut off or contradicts itself on others.
    """

    spec: VerdictSpec
    names: tuple[str, ...] = ("A",)
    labels: LabelScores = field(default_factory=dict)
    lo: float = 1.0
    hi: float = 5.0
    integer: bool = True
    criteria: Mapping[str, LabelScores] = field(default_factory=dict)
    steps: int = 0
    material: tuple[str, ...] = ()
    readout: Readout | None = None
    salvage: bool = False

    @property
    def markers(self) -> tuple[tuple[str, str], ...]:
        """Each marker, and whose value stands behind it: a response's name or a criterion's id; empty where one serves all.

        Example:
            >>> Question(VerdictSpec(kind="scores", form="tag", marker="score_{L}"), names=("A", "B")).markers
            (('score_A', 'A'), ('score_B', 'B'))
        """
        spec = self.spec
        if not spec.marked_each:
            return ((spec.marker, ""),)
        if spec.marker:
            return tuple(zip(_names(spec.marker, len(self.names)), self.names, strict=True))
        return tuple((key, key) for key in (self.criteria if spec.kind == "criteria" else self.names))
