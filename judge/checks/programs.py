"""Programs that grade: a criterion whose `check` names one costs no judge call, and so does a recipe whose `program` does.

One type of function for both. It gets the sample, the index of the response and its arguments (the criterion's `args`, the
recipe's `options`), and gives a score in [0, 1] *as stated* (1: the criterion is met; for a pitfall, the fault is there); or None
when it cannot tell; or a `NoVerdict` that says why; or several scores by name, of which `overall` is the one that counts (without
it, their mean).
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from judge.checks.execution import code_tests, sql_execution
from judge.checks.final import matches, repeats_question, states
from judge.checks.protocols import protocol_score
from judge.checks.toolcalls import calls_match, toolrl
from judge.errors import RecipeError, RubricError, did_you_mean
from judge.imported import imported
from judge.rubric.model import PASSED, Criterion, Rubric
from judge.types import NoVerdict, Reason, Sample
from judge.yamlfile import shown

ProgramScore = float | None | NoVerdict
ProgramScores = ProgramScore | Mapping[str, float | None]
Check = Callable[[Sample, int, Mapping[str, Any]], ProgramScores]
OVERALL = "overall"  # among several scores, the one that counts


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


def contains(sample: Sample, index: int, args: Mapping[str, Any]) -> float:
    """The response contains `text`; `ignore_case` (default true)."""
    needle, hay = str(args["text"]), sample.texts[index]
    return float(needle.casefold() in hay.casefold() if args.get("ignore_case", True) else needle in hay)


def excludes(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response does not contain `text`; `ignore_case` (default true)."""
    return float(not contains(sample, index, args))


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
    "toolrl": Program(toolrl, {"think": bool}, frozenset({"think"})),
    "calls_match": Program(calls_match, {"exact": bool}, frozenset({"exact"})),
    "protocol_score": Program(protocol_score),
    "code_tests": Program(code_tests, {"all": bool, "seconds": float}, frozenset({"all", "seconds"})),
    "sql_execution": Program(sql_execution, {"seconds": float}, frozenset({"seconds"})),
}


SLOW = frozenset({"code_tests", "sql_execution"})
"""Checks that run code in another process, and wait for it."""


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
        elif name in args and type(args[name]) not in ((int, float) if kind is float else (kind,)):  # `n: true` is no number
            yield f"takes {_KINDS[kind]} as `{name}`, not {shown(args[name])}"
        elif name == "n" and args.get(name, 0) < 0:
            yield f"counts words, so `n` is 0 or more, not {shown(args[name])}"
    for name in args:
        if name not in program.args:
            known = f"; it takes {', '.join(program.args)}" if program.args else "; it takes none"
            yield f"has no argument `{name}`{did_you_mean(name, program.args) or known}"


_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _imported(criterion: Criterion) -> Check:
    found = PASSED.get(criterion.check) or imported(
        criterion.check, lambda why: RubricError(f"criterion `{criterion.id}`: check `{criterion.check}` {why}")
    )
    if not callable(found):
        raise RubricError(f"criterion `{criterion.id}`: `{criterion.check}` is not callable")

    def checked(sample: Sample, index: int, args: Mapping[str, Any]) -> ProgramScores:
        given = plain_scores(found(sample, index, args))
        if is_score(given):
            return given  # type: ignore[no-any-return]  # just looked
        raise RubricError(
            f"criterion `{criterion.id}`: check `{criterion.check}` gave {shown(given)} for sample `{sample.id}`; a check gives"
            " a score in [0, 1], or None when it cannot tell"
        )

    return checked


def plain_scores(value: Any) -> Any:
    """What a program gave with numbers of numpy and torch as Python's, also in mappings and lists; anything else as it is.

    Example:
        >>> import numpy as np
        >>> plain_scores(np.float32(0.5)), plain_scores({"a": np.int64(1)}), plain_scores(np.ones(2))
        (0.5, {'a': 1}, [1.0, 1.0])
    """
    if isinstance(value, Mapping):
        return {name: plain_scores(score) for name, score in value.items()}
    if isinstance(value, list | tuple):
        return [plain_scores(score) for score in value]
    return value.tolist() if hasattr(value, "ndim") and hasattr(value, "tolist") else value


def is_score(value: Any) -> bool:
    """Whether a value is what a program may give: a number in [0, 1] (NaN is none), None, a `NoVerdict`, or several by name."""
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(k, str) and (v is None or _in_range(v)) for k, v in value.items())
    return value is None or isinstance(value, NoVerdict) or _in_range(value)


def _in_range(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def total(scores: ProgramScores) -> float | NoVerdict:
    """The one score of what a program gave: `overall`, or the mean of several, of which none may be missing.

    Example:
        >>> total({"name": 1.0, "args": 0.5}), total({"overall": 0.2, "name": 1.0})
        (0.75, 0.2)
        >>> total({"name": 1.0, "args": None}).detail
        'no score for args'
    """
    if isinstance(scores, Mapping):
        counted = {OVERALL: scores[OVERALL]} if OVERALL in scores else scores
        missing = [name for name, score in counted.items() if score is None]
        if missing:
            return NoVerdict(Reason.MISSING, f"no score for {', '.join(missing)}")
        return math.fsum(score for score in counted.values() if score is not None) / len(counted)
    if isinstance(scores, NoVerdict):
        return scores
    return NoVerdict(Reason.MISSING, "it cannot tell") if scores is None else float(scores)


def find_program(name: str, options: Mapping[str, Any], recipe: str) -> Check:
    """The program of a recipe: a registered one, or `package.module:name`; also of a function of (sample, index) alone.

    Raises:
        RecipeError: There is none of that name, or the recipe's options are not its arguments.
    """
    if ":" not in name:
        if name not in CHECKS:
            near = did_you_mean(name, CHECKS) or f"; known: {', '.join(CHECKS)}"
            raise RecipeError(f"recipe `{recipe}`: no program `{name}`{near}")
        for problem in _wrong_args(CHECKS[name], options):
            raise RecipeError(f"recipe `{recipe}`: program `{name}` {problem.replace('args:', 'options:')}")
        return CHECKS[name].run
    found = imported(name, lambda why: RecipeError(f"recipe `{recipe}`: program `{name}` {why}"))
    if not callable(found):
        raise RecipeError(f"recipe `{recipe}`: program `{name}` is not callable")
    try:
        inspect.signature(found).bind(None, 0, options)
    except TypeError:
        return lambda sample, index, _: found(sample, index)
    except ValueError:  # a built-in without a signature
        pass
    checked: Check = found
    return checked


def prepare(rubric: Rubric) -> dict[str, Check]:
    """Criterion id -> program, for the criteria that have one."""
    return {c.id: find_check(c) for c in rubric.criteria if c.check != "llm"}
