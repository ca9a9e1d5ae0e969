"""Every grammar that `VerdictSpec` allows, with a passing and a failing verdict to spell in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, get_args

from judge.parse import format_verdict, read
from judge.parse.format import wrap
from judge.recipe.verdict import Form, Question, VerdictKind, VerdictSpec
from judge.types import Completion, Verdict

SENTENCE = "In the end {value} it is"
LABELS = {"CORRECT": 1.0, "INCORRECT": 0.0}
BINARY = {"MET": 1.0, "UNMET": 0.0}
GRADES = {"A>>B": 1.0, "A>B": 0.75, "A=B": 0.5, "B>A": 0.25, "B>>A": 0.0}
CRITERIA = {"facts": {"MET": 1.0, "UNMET": 0.0}, "style.2": {"MET": 1.0, "PARTIAL": 0.5, "UNMET": 0.0}}


@dataclass(frozen=True)
class Grammar:
    """One kind in one form. `off` is a value that is not on the scale, in the terms of `format_verdict`."""

    question: Question
    passing: Any
    failing: Any
    off: str
    variant: str = ""

    @property
    def id(self) -> str:
        return "-".join(filter(None, (self.question.spec.kind, self.question.spec.form, self.variant)))


def question(kind: VerdictKind, form: Form = "line", **fields: Any) -> Question:
    """A question with plain defaults for its kind; `fields` go to `VerdictSpec` or `Question`."""
    of_spec = {k: v for k, v in fields.items() if k in VerdictSpec.model_fields and k != "labels"}
    of_question = {k: v for k, v in fields.items() if k not in of_spec}
    labels = of_question.get("labels", {"label": LABELS, "graded_choice": GRADES}.get(kind))
    marker = {"marker": SENTENCE} if form == "sentence" else {}
    spec = VerdictSpec(kind=kind, form=form, labels=labels, **marker | of_spec)
    names = {"choice": 2, "graded_choice": 2, "scores": 2 if form == "angles" else 3, "ranking": 3}.get(kind, 1)
    defaults: dict[str, Any] = {"names": spec.response_names(names), "labels": labels or {}, "steps": 4}
    if kind == "criteria":
        defaults["criteria"] = CRITERIA
    return Question(spec, **defaults | of_question)


_VERDICTS: dict[str, tuple[Any, Any, str]] = {
    "label": ("CORRECT", "INCORRECT", "EXCELLENT"),
    "score": (5, 1, "11"),
    "choice": (0, 1, "C"),
    "graded_choice": ("A>>B", "B>>A", "A>>>B"),
    "scores": ([5, 4, 1], [1, 2, 5], "5, 99, 1"),
    "ranking": ([0, 1, 2], [2, 1, 0], "A > Z > C"),
    "criteria": ({"facts": "MET", "style.2": "MET"}, {"facts": "UNMET", "style.2": "UNMET"}, "facts: GREAT, style.2: GREAT"),
    "first_error": ("none", 1, "9"),
}
EACH = "score_{L}"
SECTION = {"after": "[The Verdict]", "until": "[End of the Verdict]"}
_VARIANTS: list[tuple[str, VerdictKind, Form, dict[str, Any]]] = [
    ("each", "scores", "tag", {"marker": EACH}),
    ("each", "scores", "line", {"marker": EACH}),
    ("each", "scores", "json", {"marker": EACH}),
    ("each-labels", "scores", "tag", {"marker": "resp_{L}_judge", "labels": LABELS}),
    ("labels", "scores", "json", {"labels": LABELS}),
    ("map", "scores", "json", {"marker": None}),
    ("map", "criteria", "json", {"marker": None}),
    *((("place"), "criteria", form, {"by": "place"}) for form in get_args(Form) if form != "angles"),
    *((("place"), "scores", form, {"by": "place"}) for form in get_args(Form) if form != "angles"),
    ("places", "ranking", "json", {"ranks": "places"}),
    ("places", "ranking", "boxed", {"ranks": "places"}),
    ("section", "label", "boxed", SECTION),
    ("section", "choice", "line", SECTION),
    ("section", "scores", "boxed", SECTION),
    ("section", "criteria", "line", SECTION),
    ("section-place", "criteria", "bare", {**SECTION, "by": "place"}),
    ("abstain", "label", "boxed", {"labels": {**LABELS, "UNCLEAR": None}}),
    ("minus-one", "first_error", "boxed", {"none": -1, "base": 0}),
]


def grammars() -> list[Grammar]:
    """All kinds in all forms that the model accepts."""
    found = []
    for kind in get_args(VerdictKind):
        for form in get_args(Form):
            try:
                asked = question(kind, form)
            except ValueError:
                continue
            passing, failing, off = _VERDICTS[kind]
            if form == "angles":
                passing, failing = passing[:2], failing[:2]
            found.append(Grammar(asked, passing, failing, off))
    return [*found, *(_variant(*variant) for variant in _VARIANTS)]


def _variant(name: str, kind: VerdictKind, form: Form, fields: dict[str, Any]) -> Grammar:
    asked = question(kind, form, **fields)
    passing, failing, off = _VERDICTS[kind]
    if kind == "scores" and asked.labels:
        passing, failing = ["CORRECT", "INCORRECT", "INCORRECT"], ["INCORRECT", "CORRECT", "CORRECT"]
    if name == "minus-one":
        passing, failing = "-1", 0
    return Grammar(asked, passing, failing, off, name)


def off_scale(grammar: Grammar) -> str:
    """A statement whose value is off the scale, written as `format_verdict` would."""
    spec, asked = grammar.question.spec, grammar.question
    values: dict[str, Any] = {
        "scores": ["99", "99", "1"][: len(asked.names)],
        "criteria": {"facts": "GREAT", "style.2": "GREAT"},
        "score": 11,
        "first_error": 9,
    }
    if spec.kind in values and not (spec.form in ("boxed", "brackets", "tag") and grammar.off.count(",")):
        return format_verdict(asked, values[spec.kind])
    if spec.by == "place" or spec.marked_each or spec.form == "angles":
        return format_verdict(asked, values[spec.kind])
    if spec.form == "json":
        plain: Any = {"ranking": ["A", "Z", "C"]}.get(spec.kind, grammar.off)
        return json.dumps({spec.marker: [9, 9, 9] if spec.ranks == "places" else plain})
    said = wrap(asked, grammar.off)
    return "\n".join(filter(None, (spec.after, said, spec.until)))


def stopped(text: str, **fields: Any) -> Completion:
    """A completion that ended by itself."""
    return Completion(text, **fields)


def said(text: str, asked: Question) -> Any:
    """The value read, or the reason there is none."""
    outcome = read(stopped(text), asked)
    return outcome.value if isinstance(outcome, Verdict) else outcome.reason
