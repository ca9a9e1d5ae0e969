"""Items that a program decides, not a judge: IFEval instructions and RubricHub's `verifier: rule` -> programmatic checks.

RubricHub (arXiv 2601.08430) names IFEval's classes or a function such as `math_verify`; IFEval and its kin (arXiv 2311.07911,
`instruction_id_list` with `kwargs`) name instructions. Where no check exists here the judge is asked instead, and a note
and the tag `rule:<name>` say so: nothing is dropped, and nothing passes unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, identifier

RuleCheck = dict[str, Any]
"""`check` and `args` of a criterion."""


def looks_like(record: Any) -> bool:
    """An IFEval record, or its part that says what is to be checked."""
    return (
        isinstance(record, dict) and isinstance(record.get("instruction_id_list"), list) and bool(record["instruction_id_list"])
    )


def from_ifeval(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one record of IFEval, IFBench or a set made like them: one criterion an instruction, all equally heavy.

    Example:
        >>> record = {"instruction_id_list": ["length_constraints:number_words"]}
        >>> record |= {"kwargs": [{"relation": "at least", "num_words": 9}]}
        >>> one = from_ifeval(record).rubric.criteria[0]
        >>> one.text, one.check, one.args
        ('The response has at least 9 words.', 'min_words', {'n': 9})
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "an IFEval record has `instruction_id_list` and `kwargs`"))
    names, given = record["instruction_id_list"], record.get("kwargs") or []
    if isinstance(given, str):
        given = json.loads(given)
    criteria: list[dict[str, Any]] = []
    notes: list[str] = []
    for index, instruction in enumerate(names):
        args = given[index] if index < len(given) and isinstance(given[index], dict) else {}
        args = {key: value for key, value in args.items() if value is not None}
        check = check_of(str(instruction), args)
        if check is None:
            notes.append(f"c{index + 1}: no check does `{instruction}`; the judge is asked")
        text = describe(str(instruction), args)
        criteria.append(
            {"id": f"c{index + 1}", "text": text, "kind": "hard_rule", "tags": [f"rule:{instruction}"], **(check or {})}
        )
    data = {"name": name or identifier(str(record.get("key", "")), "ifeval"), "source": "IFEval (arXiv 2311.07911)"}
    metadata = {key: value for key, value in record.items() if key not in ("instruction_id_list", "kwargs")}
    return Imported(build(data | {"criteria": criteria}, where), metadata, tuple(notes))


def check_of(function: str, args: Mapping[str, Any]) -> RuleCheck | None:
    """The programmatic check that does what a rule does; None where none does.

    Example:
        >>> check_of("math_verify", {"answer": "42"})
        {'check': 'final_answer', 'args': {'answer': '42'}}
        >>> check_of("ParagraphChecker", {"num_paragraphs": 2}) is None
        True
    """
    made = _CHECKS.get(_short(function))
    return made(args) if made else None


def describe(function: str, args: Mapping[str, Any]) -> str:
    """A rule in words, for the judge and for a person.

    Example:
        >>> describe("detectable_format:number_bullet_lists", {"num_bullets": 3})
        'The response follows the rule “detectable format: number bullet lists” (num bullets: 3).'
    """
    check = check_of(function, args)
    if check is not None:
        return _WORDS[check["check"]].format(**check["args"])
    given = ", ".join(f"{key.replace('_', ' ')}: {_value(value)}" for key, value in args.items())
    plain = function.replace("_", " ").replace(":", ": ")
    return f"The response follows the rule “{plain}”{f' ({given})' if given else ''}."


def parameters(value: Any) -> dict[str, Any]:
    """Arguments of a rule, which some files hold as JSON text."""
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return {key: child for key, child in value.items() if child is not None} if isinstance(value, dict) else {}


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(function: str) -> str:
    """`length_constraints:number_words` and `NumberOfWords` are one rule."""
    return function.rpartition(":")[2].replace("_", "").casefold()


def _words(args: Mapping[str, Any]) -> RuleCheck | None:
    count, relation = args.get("num_words"), str(args.get("relation", "at least"))
    if isinstance(count, bool) or not isinstance(count, int | float):
        return None
    if relation == "at least":
        return {"check": "min_words", "args": {"n": int(count)}}
    return {"check": "max_words", "args": {"n": int(count) - (relation == "less than")}}


def _one(check: str, *names: str) -> Callable[[Mapping[str, Any]], RuleCheck | None]:
    def made(args: Mapping[str, Any]) -> RuleCheck | None:
        found = next((args[n] for n in names if args.get(n)), None)
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        return {"check": check, "args": {"text": found}} if isinstance(found, str) else None  # of several, all must stand there

    return made


def _answer(args: Mapping[str, Any]) -> RuleCheck | None:
    answer = next((args[n] for n in ("answer", "ground_truth", "gold", "target", "expected") if args.get(n) is not None), None)
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    return {"check": "final_answer", "args": {"answer": str(answer)}}


_CHECKS: dict[str, Callable[[Mapping[str, Any]], RuleCheck | None]] = {
    "numberwords": _words,
    "numberofwords": _words,
    "jsonformat": lambda args: {"check": "valid_json", "args": {}},
    "isjson": lambda args: {"check": "valid_json", "args": {}},
    "nocomma": lambda args: {"check": "excludes", "args": {"text": ","}},
    "commachecker": lambda args: {"check": "excludes", "args": {"text": ","}},
    "existence": _one("contains", "keywords", "keyword"),
    "keywordchecker": _one("contains", "keywords", "keyword"),
    "contains": _one("contains", "text", "substring", "keyword", "value"),
    "forbiddenwords": _one("excludes", "forbidden_words"),
    "mathverify": _answer,
    "exactmatch": _answer,
}
_WORDS = {
    "min_words": "The response has at least {n} words.",
    "max_words": "The response has at most {n} words.",
    "valid_json": "The response is valid JSON.",
    "contains": "The response contains “{text}”.",
    "excludes": "The response does not contain “{text}”.",
    "final_answer": "The final answer is {answer}.",
}
