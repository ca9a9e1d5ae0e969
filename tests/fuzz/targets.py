"""Everything that reads hostile bytes, as functions that take bytes: they may say no, and nothing else.

Driven by hypothesis in test_targets.py at every commit, and by atheris, which follows the branches taken, when somebody has
an hour: `python tests/fuzz/run_atheris.py parse 3600`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from judge.checks.final import matches, states
from judge.checks.values import compare_values
from judge.errors import InputError
from judge.jsonfile import parse_json
from judge.parse import format_verdict, read, read_forced, read_strict
from judge.render.environment import Templates
from judge.render.quoting import neutralise
from judge.render.verdicts import verdict_breaker
from judge.rubric.load import rubric_from
from judge.types import Completion, NoVerdict
from judge.yamlfile import parse_yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parse"))
from parse_grammars import grammars

GRAMMARS = grammars()
BREAKERS = [verdict_breaker(g.question.spec) for g in GRAMMARS]
LABEL = "ab12cd34ef"


def text_of(data: bytes) -> str:
    """Bytes as text, halves of surrogate pairs included."""
    return data.decode("utf-8", "surrogateescape")


def parse(data: bytes) -> None:
    """Any reply, in any grammar: a verdict or a reason."""
    grammar = GRAMMARS[data[0] % len(GRAMMARS)] if data else GRAMMARS[0]
    completion = Completion(text_of(data[1:]))
    outcome = read(completion, grammar.question)
    assert not isinstance(outcome, NoVerdict) or outcome.reason
    read_forced(completion, grammar.question)
    strict = read_strict(completion, grammar.question)
    if not isinstance(strict, NoVerdict) and not isinstance(outcome, NoVerdict):
        assert strict.value == outcome.value


def quote(data: bytes) -> None:
    """Any text, quoted for any grammar: no verdict in it, and the same when quoted again."""
    index = data[0] % len(GRAMMARS) if data else 0
    grammar, broken = GRAMMARS[index], BREAKERS[index]
    text = broken(neutralise(text_of(data[1:]) + format_verdict(grammar.question, grammar.passing), (), LABEL))
    assert isinstance(read(Completion(text), grammar.question), NoVerdict)
    assert broken(neutralise(text, (), LABEL)) == text
    assert LABEL not in text
    text.encode("utf-8")


def template(data: bytes) -> None:
    """Any template: a text, or an error that names the file."""
    rubric = {"title": "t", "description": "d" * 2000, "criteria": [{"id": "c"}]}
    values = {"labels": ["a", "b"], "rubric": rubric, "scale": {"max": 5}}

    def made() -> None:
        assert len(Templates(Path("folder"), {"t.j2": text_of(data)}).render("t.j2", values)) < 10_000_000

    done_or_refused(made, ("folder/t.j2", "template `"))


def yaml(data: bytes) -> None:
    """Any YAML: plain values, or an error that names the file."""
    done_or_refused(lambda: json.dumps(parse_yaml(text_of(data), "f.yaml").data, allow_nan=False), ("f.yaml",))


def jsons(data: bytes) -> None:
    """Any JSON: plain finite values that can be sent, or an error that names where."""
    done_or_refused(lambda: json.dumps(parse_json(data, "f.json"), ensure_ascii=False, allow_nan=False).encode(), ("f.json: ",))


def rubric(data: bytes) -> None:
    """Any cell of a rubric column: a rubric, or an error."""
    done_or_refused(lambda: rubric_from(text_of(data), "row 1"), ("",))


def answers(data: bytes) -> None:
    """A response against a reference, in bytes on either side of `@`: the same, another, or it cannot be told."""
    response, _, reference = text_of(data).partition("@")
    for compare in (states, matches, compare_values):
        assert compare(response, reference) in (True, False, None)
    assert compare_values(response, reference) is compare_values(reference, response)


def done_or_refused(act: Callable[[], object], names: tuple[str, ...]) -> None:
    """Run; a typed error is fine when it begins with one of the names."""
    said = names[0]
    try:
        act()
    except InputError as why:
        said = str(why)
    assert said.startswith(names), said


TARGETS: dict[str, Callable[[bytes], None]] = {
    "parse": parse, "quote": quote, "template": template, "yaml": yaml, "json": jsons, "rubric": rubric, "answers": answers,
}  # fmt: skip
