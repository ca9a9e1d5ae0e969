"""Every grammar that `VerdictSpec` allows, with a passing and a failing verdict to spell in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from judge.parse import read
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

    @property
    def id(self) -> str:
        return f"{self.question.spec.kind}-{self.question.spec.form}"


def question(kind: VerdictKind, form: Form = "line", **fields: Any) -> Question:
    """A question with plain defaults for its kind; `fields` go to `VerdictSpec` or `Question`."""
    of_spec = {k: v for k, v in fields.items() if k in ("marker", "tie", "prefixes", "ranking", "range")}
    of_question = {k: v for k, v in fields.items() if k not in of_spec}
    labels = of_question.get("labels", {"label": LABELS, "graded_choice": GRADES}.get(kind))
    marker = {"marker": SENTENCE} if form == "sentence" else {}
    spec = VerdictSpec(kind=kind, form=form, labels=labels, **marker | of_spec)
    names = {"choice": 2, "graded_choice": 2, "scores": 3, "ranking": 3}.get(kind, 1)
    defaults: dict[str, Any] = {"names": spec.response_names(names), "labels": labels or {}}
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
}


def grammars() -> list[Grammar]:
    """All kinds in all forms that the model accepts."""
    found = []
    for kind in get_args(VerdictKind):
        for form in get_args(Form):
            try:
                asked = question(kind, form)
            except ValueError:
                continue
            found.append(Grammar(asked, *_VERDICTS[kind]))
    return found


def off_scale(grammar: Grammar) -> str:
    """A statement whose value is off the scale, written as `format_verdict` would."""
    from judge.parse.format import format_verdict, wrap

    spec = grammar.question.spec
    if spec.form == "json":
        plain: Any = {
            "scores": {"A": 5, "B": 99, "C": 1},
            "ranking": ["A", "Z", "C"],
            "criteria": {"facts": "GREAT", "style.2": "GREAT"},
            "score": 11,
        }.get(spec.kind, grammar.off)
        import json

        return json.dumps({spec.marker: plain})
    if (spec.kind, spec.form) == ("criteria", "line"):
        return format_verdict(grammar.question, {"facts": "GREAT", "style.2": "GREAT"})
    return wrap(grammar.question, grammar.off)


def stopped(text: str, **fields: Any) -> Completion:
    """A completion that ended by itself."""
    return Completion(text, **fields)


def said(text: str, asked: Question) -> Any:
    """The value read, or the reason there is none."""
    outcome = read(stopped(text), asked)
    return outcome.value if isinstance(outcome, Verdict) else outcome.reason
