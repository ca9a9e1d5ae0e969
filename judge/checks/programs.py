"""Programmatic criteria: a criterion whose `check` names one of these costs no judge call.

A check gets the sample, the index of the response and the criterion's `args`, and returns a score in [0, 1] *as stated*
(1: the criterion is met; for a pitfall, the fault is there), or None when it cannot tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from judge.checks.final import matches, repeats_question, states
from judge.errors import RubricError, did_you_mean
from judge.imported import imported
from judge.rubric.model import PASSED, Criterion, Rubric
from judge.types import Sample
from judge.yamlfile import shown

Check = Callable[[Sample, int, Mapping[str, Any]], float | None]


def matches_reference(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The whole response says the same as a reference (`judge.checks.final.matches`).

    None without a reference, and where a program cannot tell.
    """
    return _any_reference(sample, index, sample.reference, matches)


def final_answer(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The final answer that the response states is a reference (`judge.checks.final`), or `answer`, where that is given.

    None without either, and where a program cannot tell.
    """
    wanted = (str(args["answer"]),) if "answer" in args else sample.reference
    return _any_reference(sample, index, wanted, states)


def _any_reference(
    sample: Sample, index: int, references: tuple[str, ...] | None, right: Callable[[str, str], bool | None]
) -> float | None:
    """1 where one reference fits; 0 where none does; None where one may, or where the prompt's own formula is given back."""
    cannot_tell, text = not references, sample.texts[index]
    for reference in references or ():
        same = right(text, reference)
        if same:
            return None if repeats_question(text, reference, sample.prompt_text) else 1.0
        cannot_tell = cannot_tell or same is None
    return None if cannot_tell else 0.0


def contains(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response contains `text`; `ignore_case` (default true)."""
    needle, hay = str(args["text"]), sample.texts[index]
    return float(needle.casefold() in hay.casefold() if args.get("ignore_case", True) else needle in hay)


def excludes(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response does not contain `text`; `ignore_case` (default true)."""
    found = contains(sample, index, args)
    return None if found is None else 1.0 - found


def max_words(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """At most `n` words, separated by white space."""
    return float(len(sample.texts[index].split()) <= int(args["n"]))


def min_words(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """At least `n` words, separated by white space."""
    return float(len(sample.texts[index].split()) >= int(args["n"]))


def valid_json(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response is one JSON value, alone or in one code fence."""
    text = sample.texts[index].strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removesuffix("```").partition("\n")[2]
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=str)  # of any length: nobody computes with it
    except (ValueError, RecursionError):
        return 0.0
    return 1.0


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Program:
    """A check, and the type of each argument it takes; `optional` names those that may be left out."""

    run: Check
    args: Mapping[str, type] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


CHECKS: dict[str, Program] = {
    "matches_reference": Program(matches_reference),
    "final_answer": Program(final_answer, {"answer": str}, frozenset({"answer"})),
    "contains": Program(contains, {"text": str, "ignore_case": bool}, frozenset({"ignore_case"})),
    "excludes": Program(excludes, {"text": str, "ignore_case": bool}, frozenset({"ignore_case"})),
    "max_words": Program(max_words, {"n": int}),
    "min_words": Program(min_words, {"n": int}),
    "valid_json": Program(valid_json),
}


COMPARISONS = frozenset({"matches_reference", "final_answer"})
"""Checks that compare with the reference: they may wait for another process, and where they cannot tell, a judge can."""


def find_check(criterion: Criterion) -> Check:
    """The program of a criterion. Raises `RubricError` when there is none of that name or its arguments are wrong."""
    if ":" in criterion.check:
        return _imported(criterion)
    if criterion.check not in CHECKS:
        near = did_you_mean(criterion.check, CHECKS) or f"; known: llm, {', '.join(CHECKS)}"
        raise RubricError(f"criterion `{criterion.id}`: no check `{criterion.check}`{near}")
    program = CHECKS[criterion.check]
    for problem in _wrong_args(program, criterion.args):
        raise RubricError(f"criterion `{criterion.id}`: check `{criterion.check}` {problem}")
    return program.run


def _wrong_args(program: Program, args: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments of a check, in words that go on after its name."""
    for name, kind in program.args.items():
        if name not in args and name not in program.optional:
            yield f"needs `args: {{{name}: ...}}`"
        elif name in args and type(args[name]) is not kind:  # `n: true` is no number
            yield f"takes {_KINDS[kind]} as `{name}`, not {shown(args[name])}"
    for name in args:
        if name not in program.args:
            known = f"; it takes {', '.join(program.args)}" if program.args else "; it takes none"
            yield f"has no argument `{name}`{did_you_mean(name, program.args) or known}"


_KINDS = {str: "text", bool: "true or false", int: "a whole number"}


def _imported(criterion: Criterion) -> Check:
    found = PASSED.get(criterion.check) or imported(
        criterion.check, lambda why: RubricError(f"criterion `{criterion.id}`: check `{criterion.check}` {why}")
    )
    if not callable(found):
        raise RubricError(f"criterion `{criterion.id}`: `{criterion.check}` is not callable")

    def checked(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
        score = found(sample, index, args)
        if score is None or (isinstance(score, int | float) and 0 <= score <= 1):  # NaN is not
            return None if score is None else float(score)
        raise RubricError(
            f"criterion `{criterion.id}`: check `{criterion.check}` gave {shown(score)} for sample `{sample.id}`; a check gives"
            " a score in [0, 1], or None when it cannot tell"
        )

    return checked


def prepare(rubric: Rubric) -> dict[str, Check]:
    """Criterion id -> program, for the criteria that have one."""
    return {c.id: find_check(c) for c in rubric.criteria if c.check != "llm"}
