"""How to judge: what a recipe folder's `recipe.yaml` may say.

A recipe is data. A published judging method is a new folder with templates and these fields; Python is needed only
for a verdict grammar that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import BadRecipe
from judge.rubric.model import Frozen, Identifier
from judge.types import Capability, Reason

Mode = Literal["pointwise", "checklist", "pairwise", "listwise", "verifier"]
VerdictKind = Literal["label", "score", "scores", "choice", "graded_choice", "ranking", "criteria"]
Form = Literal["line", "brackets", "boxed", "tag", "json", "bare", "sentence"]
THINKING = "thinking"  # of `force`
Order = Literal["single", "both_mean", "both_agree", "shuffle_per_vote"]
SampleField = Literal["reference", "context", "principle", "rubric", "steps"]
ProofRule = Literal["suspect", "always"]
"""Which responses need copied words behind a positive verdict: those that a filter suspects, or all."""


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
    """

    spec: VerdictSpec
    names: tuple[str, ...] = ("A",)
    labels: Mapping[str, float] = field(default_factory=dict)
    lo: float = 1.0
    hi: float = 5.0
    integer: bool = True
    criteria: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    material: tuple[str, ...] = ()


class SamplingSpec(Frozen):
    """Sampling values a recipe, or the run settings, may set; unset ones come from the level below.

    `max_tokens` is room for reasoning and verdict together, in tokens.
    """

    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: tuple[str, ...] | None = None


class Turn(Frozen):
    """One request of the method.

    Attributes:
        user: Template of the user message.
        system: Template of the system message, for a turn that opens a conversation.
        conversation: `continue` appends to the turn before (its reply included); `new` opens a conversation.
        scope: `prompt` turns see no response and run once for all completions of a prompt; `response` turns run for each.
        output: Later turns read this turn's reply as `outputs.<name>`, quoted like any untrusted text.
    """

    bad_value = BadRecipe

    name: Identifier
    user: str
    system: str | None = None
    conversation: Literal["new", "continue"] = "new"
    scope: Literal["response", "prompt"] = "response"
    sampling: SamplingSpec = SamplingSpec()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.conversation == "continue" and (self.system or self.scope == "prompt"):
            raise ValueError("a continued turn has no system message and no scope of its own")
        return self


class Votes(Frozen):
    """How many times each question is asked, and how the answers become one. `votes: 5` is short for `votes: {n: 5}`.

    Attributes:
        n: Votes a question.
        fold: `mean`, `median` or `majority` (most common score; a tie between scores gives no verdict).
        quorum: Least share of valid votes, in (0, 1]; below it there is no verdict.
        stop_when_decided: Ask one by one, and stop when the rest cannot change a majority (makes `fold: majority` the default).
    """

    n: int = Field(default=1, ge=1, le=1024)
    fold: Literal["mean", "median", "majority"] = "mean"
    quorum: float = Field(default=0.5, gt=0, le=1)
    stop_when_decided: bool = False

    @model_validator(mode="before")
    @classmethod
    def _majority(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {"n": data}
        if isinstance(data, dict) and data.get("stop_when_decided") is True:
            return {"fold": "majority", **data}
        return data

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.stop_when_decided and self.fold != "majority":
            raise ValueError(f"`stop_when_decided` goes with `fold: majority`: a {self.fold} is never decided early")
        return self


class Needs(Frozen):
    """What the recipe cannot work without."""

    bad_value = BadRecipe

    capabilities: tuple[Capability, ...] = ()
    sample: tuple[SampleField, ...] = ()

    @field_validator("capabilities", mode="before")
    @classmethod
    def _capabilities(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        known = [c.value for c in Capability]
        bad = [v for v in value if v not in known]
        if bad:
            raise ValueError(f"unknown capability `{bad[0]}`; known: {', '.join(known)}")
        return tuple(Capability(v) for v in value)


class SourceRef(Frozen):
    """Where the method was published."""

    bad_value = BadRecipe

    title: str
    paper: str = ""
    section: str = ""


def _listed(value: Any, what: str, allowed: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    bad = [v for v in value if v not in allowed]
    if bad:
        raise ValueError(f"cannot {what} `{bad[0]}`; possible: {', '.join(allowed)}")
    return tuple(value)


class RecipeSpec(Frozen):
    """The contents of `recipe.yaml`.

    Attributes:
        force: After which failures the judge continues its reply with the verdict alone, under a constraint. `thinking` also
            closes thinking that was cut off and goes on from there; without it, such a reply has no verdict.
        ask_again: After which unreadable verdicts the judge is asked once more to state it.
        proof: For which responses a positive verdict counts only with the copied words that state the answer: `suspect` (those
            that an intake filter suspects), or `always`, which needs `verdict.copied`.
    """

    bad_value = BadRecipe

    name: Identifier
    summary: str
    mode: Mode
    source: SourceRef
    deviations: tuple[str, ...] = ()
    unit: Literal["rubric", "criterion"] = "rubric"
    turns: tuple[Turn, ...] = Field(min_length=1)
    verdict: VerdictSpec
    sampling: SamplingSpec = SamplingSpec()
    votes: Votes = Votes()
    order: Order = "single"
    force: tuple[str, ...] = (Reason.MISSING, Reason.TRUNCATED)
    ask_again: tuple[Reason, ...] = (Reason.AMBIGUOUS, Reason.OFF_SCALE)
    proof: ProofRule = "suspect"
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    needs: Needs = Needs()

    @field_validator("force", mode="before")
    @classmethod
    def _forced_after(cls, value: Any) -> Any:
        return _listed(value, "force after", (Reason.MISSING, Reason.TRUNCATED, Reason.EMPTY, THINKING))

    @field_validator("ask_again", mode="before")
    @classmethod
    def _asked_again_after(cls, value: Any) -> Any:
        return _listed(value, "ask again after", (Reason.AMBIGUOUS, Reason.OFF_SCALE, Reason.WRONG_COUNT))

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.turns[0].conversation == "continue":
            raise ValueError("the first turn has nothing to continue")
        if self.turns[-1].scope == "prompt":
            raise ValueError("the last turn states the verdict, so it must see the response")
        if len({t.name for t in self.turns}) < len(self.turns):
            raise ValueError("two turns have the same name")
        if self.order != "single" and self.mode not in ("pairwise", "listwise"):
            raise ValueError(f"order `{self.order}` needs several responses; a {self.mode} recipe sees one")
        if self.order in ("both_mean", "both_agree") and self.mode != "pairwise":
            raise ValueError(f"order `{self.order}` is for pairwise recipes; a listwise recipe uses `shuffle_per_vote`")
        if self.unit == "criterion" and self.mode != "checklist":
            raise ValueError("`unit: criterion` is for checklist recipes")
        if (self.verdict.kind == "criteria" or self.verdict.labels == "criterion") and self.mode != "checklist":
            raise ValueError("verdicts per criterion are for checklist recipes")
        if self.verdict.copied is not None and self.mode in ("pairwise", "listwise"):
            raise ValueError(f"`copied` holds the words of one response; a {self.mode} recipe shows several")
        copies = self.verdict.copied.turn if self.verdict.copied is not None else None
        earlier = [t.name for t in self.turns[:-1] if t.scope == "response"]
        if copies is not None and copies not in earlier:
            names = f" ({', '.join(earlier)})" if earlier else ", and there is none"
            raise ValueError(f"`copied.turn` must be an earlier turn that sees the response{names}; got `{copies}`")
        if self.proof == "always" and self.verdict.copied is None:
            raise ValueError("`proof: always` needs `verdict.copied`: the line on which the judge copies the answer's words")
        return self
