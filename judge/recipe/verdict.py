"""What a judge may state and how: the typed grammar of a verdict (`verdict` in `recipe.yaml`), and one question of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import BadRecipe
from judge.recipe.signal import Readout
from judge.rubric.model import Frozen, Identifier

VerdictKind = Literal["label", "score", "scores", "choice", "graded_choice", "ranking", "criteria"]
EXPECTED_KINDS = ("label", "score", "choice", "graded_choice")  # verdicts that name one value in one place
MAX_LEVELS = 100  # of a scale of numbers that is treated as a list of values
Form = Literal["line", "brackets", "boxed", "tag", "json", "bare", "sentence"]


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
    | `json` | an object with the key MARKER (criteria and scores: an object under that key) |
    | `bare` | a line that is nothing but the value (MARKER is not used) |
    | `sentence` | MARKER is a sentence with a hole: `Therefore, {value} is better` |

    Attributes:
        marker: The word before the colon, the tag's name, or the JSON key.
        labels: Label -> score in [0, 1] (`label`, `graded_choice`: score of the *first* response). For `label`, the word
            `criterion` takes the labels of the criterion asked about.
        range: Numbers allowed (`score`, `scores`). None takes the rubric's overall scale.
        names: What the responses are called in the prompt, `{i}` counting from 1 and `{L}` from A.
        tie: The label for "equally good"; None forbids ties.
        prefixes: Words a judge may write before a name or label, and which mean nothing (`Response A` is `A`).
        ranking: JSON key that holds the order, best first, checked against the scores (`scores` only).
        copied: The line on which the judge copies the words that it judged; None where the recipe has no such line.
    """

    bad_value = BadRecipe

    kind: VerdictKind
    form: Form = "line"
    marker: str = Field(default="VERDICT", min_length=1, max_length=60)
    labels: dict[str, float] | Literal["criterion"] | None = None
    range: Range | None = None
    names: str = "{L}"
    tie: str | None = None
    prefixes: tuple[str, ...] = ()
    ranking: str | None = None
    copied: CopiedSpec | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _floats(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): float(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in value.items()}
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind in ("label", "graded_choice") and not self.labels:
            raise ValueError(f"a {self.kind} verdict needs `labels`")
        if isinstance(self.labels, dict) and any(not 0 <= v <= 1 for v in self.labels.values()):
            raise ValueError("label scores lie in [0, 1]")
        if self.kind in ("scores", "ranking") and self.form == "line":
            raise ValueError(f"a {self.kind} verdict is written as json, boxed, brackets or tag")
        if self.form in ("bare", "sentence") and self.kind in ("scores", "ranking", "criteria"):
            raise ValueError(f"a {self.kind} verdict is not written as {self.form}: its items need a place of their own")
        if (self.form == "sentence") != (self.marker.count("{value}") == 1):
            raise ValueError("form `sentence`, and no other, has a marker with one `{value}` in it")
        if self.form == "sentence" and not self.marker.replace("{value}", "").strip():
            raise ValueError("a sentence needs words beside `{value}`; without any, the form is `bare`")
        if self.ranking and (self.kind, self.form) != ("scores", "json"):
            raise ValueError("`ranking` goes with kind scores and form json")
        if self.copied is not None and self.copied.marker.casefold() == self.marker.casefold():
            raise ValueError(f"`copied` and the verdict have the same marker, `{self.marker}`")
        return self

    def response_names(self, count: int) -> tuple[str, ...]:
        """Names of the responses in the order shown.

        Example:
            >>> VerdictSpec(kind="choice", form="brackets").response_names(2)
            ('A', 'B')
        """
        return _names(self.names, count)


@lru_cache(maxsize=1024)
def _names(pattern: str, count: int) -> tuple[str, ...]:
    return tuple(pattern.format(i=i + 1, L=_letter(i)) for i in range(count))


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index}"


@dataclass(frozen=True, slots=True)
class Question:
    """What one judge call may answer: a verdict grammar with everything about this call filled in.

    Attributes:
        names: Names of the responses in the order shown; one for a pointwise call.
        labels: Label -> stated score in [0, 1] (`label`, `graded_choice`); tie excluded.
        lo, hi, integer: Range of numbers (`score`, `scores`).
        criteria: Criterion id -> its labels (`criteria` only), in the order asked.
        material: The untrusted texts that the prompt quotes, so that a planted verdict can be told from the judge's own.
        readout: How the judge's probabilities are read, where they are the score; None: the stated verdict is.
    """

    spec: VerdictSpec
    names: tuple[str, ...] = ("A",)
    labels: Mapping[str, float] = field(default_factory=dict)
    lo: float = 1.0
    hi: float = 5.0
    integer: bool = True
    criteria: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    material: tuple[str, ...] = ()
    readout: Readout | None = None
