"""What reading costs on the texts that hang released verdict readers: linear up to a megabyte, in every grammar.

A pattern such as `(?s).*score.*:.*(\\d+)` takes 20 s on 10 kB of `score`; one such sample froze a real training run.
Times are CPU time of this thread, compared within a round and the best of several, so that a busy machine does not matter.
"""

from __future__ import annotations

import ast
import re
import warnings
from itertools import pairwise
from pathlib import Path

import pytest
from parse_grammars import grammars, stopped

import judge
from judge.parse import format_verdict, read
from judge.types import NoVerdict
from tests.clock import cpu_seconds
from tests.hostile import NIGHTLY

pytestmark = pytest.mark.slow

SIZES = (64_000, 128_000, 256_000, 512_000, 1_000_000) if NIGHTLY else (64_000, 256_000, 1_000_000)
LIMIT = 1.2  # CPU seconds for a megabyte; at most 0.6 was measured, on a core shared with two other programs
RATIO = 2.5  # at most, for twice the text
NOISE = 0.004  # seconds below which a ratio says nothing


def items(size: int, marker: str, own: str) -> dict[str, str]:
    """The RX items, with the marker of the grammar where the catalogue has `score` or `verdict`."""

    def repeated(piece: str) -> str:
        return piece * (size // len(piece))

    return {
        "score": repeated("score"),
        "marker": repeated(marker),
        "marker-lines": repeated(f"{marker}:\n"),
        "spaces": f"{marker}:{' ' * size}x",
        "newlines": "\n" * size,
        "open-tags": repeated(f"<{marker}>"),
        "fences": repeated("```json {"),
        "letters": "a" * size,
        "line-then-verdict": f"{repeated('word ')}\n{own}",
        "digits": "1" * size,
        "brackets": repeated("[["),
        "braces": repeated("{"),
        "boxes": repeated("\\boxed{"),
        "keys": repeated(f'{{"{marker}": '),
        "quotes": repeated('"'),
        "thinking": repeated("<think>"),
        "wide": repeated("："),
    }


def cpu(text: str, question) -> float:
    """CPU seconds of this thread for one reading."""
    return cpu_seconds(lambda: read(stopped(text), question))


@pytest.mark.parametrize("grammar", grammars(), ids=lambda g: g.id)
def test_linear_up_to_a_megabyte(grammar):
    """An answer that its judge quotes, or a judge in a loop, costs milliseconds."""
    question, own = grammar.question, format_verdict(grammar.question, grammar.failing)
    made = [items(size, question.markers[0][0].partition("{")[0] or "the", own) for size in SIZES]
    allowed = [RATIO ** (large / small / 2) for small, large in pairwise(SIZES)]
    for name in made[0]:
        least, slow = LIMIT, set(range(len(allowed)))
        for _ in range(8):  # a round compares times of one moment: the clock of a busy machine may be half as fast in the next
            took = [cpu(texts[name], question) for texts in made]
            least = min(least, took[-1])
            slow -= {i for i, (small, large) in enumerate(pairwise(took)) if large <= max(allowed[i] * small, NOISE)}
            if not slow and least < LIMIT:
                break
        assert least < LIMIT, f"{name}: {least * 1e3:.0f} ms"
        assert not slow, f"{name}: {[f'{t * 1e3:.1f}' for t in took]} ms"


PACKAGE = Path(judge.__file__).parent
FUNCTIONS = ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")


def patterns() -> list[tuple[str, str]]:
    """Every constant pattern given to `re` anywhere in the package, and every pattern of a module once it is imported."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in FUNCTIONS
                and node.args
            ):
                text = constant(node.args[0])
                if text is not None:
                    found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", text))
    return found


def constant(node: ast.expr) -> str | None:
    """The text of a pattern; what an f-string fills in counts as one letter."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "a" for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = constant(node.left), constant(node.right)
        return None if left is None or right is None else left + right
    return None


def nested(pattern: str) -> bool:
    """Whether a repeat without a bound holds another, or one stands before the end with `.` in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = re._parser.parse(pattern)  # type: ignore[attr-defined]
    return _nested(tree, inside=False)


def _nested(tree, *, inside: bool) -> bool:
    for name, value in tree:
        kind = str(name)
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, child = value
            open_end = high is re._constants.MAXREPEAT and low != high  # type: ignore[attr-defined]
            if (open_end and inside) or _nested(child, inside=inside or open_end):
                return True
        elif kind == "POSSESSIVE_REPEAT":  # gives nothing back
            if _nested(value[2], inside=False):
                return True
        else:
            children = value if isinstance(value, tuple | list) else [value]
            for child in (c for v in children for c in (v if isinstance(v, list) else [v])):
                if isinstance(child, re._parser.SubPattern) and _nested(child, inside=inside):  # type: ignore[attr-defined]
                    return True
    return False


def test_the_lint_finds_what_it_should():
    """The patterns that hang are found, and bounded ones are not."""
    for bad in (r"(?:\s*\n)+\s*Score", r"^(\w+\s?)+$", r"\{((?:[^{}]|\{(?:[^{}]+)*\})*)\}", r"(a*)*", r"(?:a|b+)+"):
        assert nested(bad), bad
    for good in (r"a+b+", r"(?:a{0,3}b)+", r"(?:[ab]{1,9})+c", r"(?:x|y)*", r"(?:a++b)+"):
        assert not nested(good), good


def test_no_nested_repeats_in_the_package():
    """A repeat in a repeat is how a reader hangs for ever on 40 characters; none is in the package."""
    found = patterns()
    assert len(found) > 60
    assert [(where, p) for where, p in found if nested(p)] == []


FMT = [  # judge_output of the catalogue: kind, form, options -> the value, or a reason
    pytest.param("", None, id="FMT-01-empty"),
    pytest.param("I cannot grade this.", None, id="FMT-02-refusal"),
    pytest.param("<think>Looks right.", None, id="FMT-03-unclosed-thinking"),
    pytest.param("<think>{own}</think>", None, id="FMT-04-only-inside-thinking"),
    pytest.param("{off}", None, id="FMT-08-off-scale"),
    pytest.param("NOT {own}", None, id="FMT-13-negation"),
    pytest.param('```json\n{{"VERDICT": 1,\n', None, id="FMT-15-truncated-json"),
    pytest.param('{{"VERDICT": NaN}}', None, id="FMT-18-not-finite"),
    pytest.param("YES and NO", None, id="FMT-12-contradiction"),
    pytest.param("\ud800\x00", None, id="half-a-pair"),
]


@pytest.mark.parametrize(("text", "value"), FMT)
@pytest.mark.parametrize("grammar", grammars(), ids=lambda g: g.id)
def test_unreadable_is_a_reason_never_a_zero(grammar, text, value):
    """What a judge says without saying a verdict is absent, with a reason: not the worst score."""
    from parse_grammars import off_scale

    own = format_verdict(grammar.question, grammar.failing)
    if "NOT {own}" in text and (grammar.question.spec.form not in ("bare", "line") or grammar.question.spec.after):
        pytest.skip("in delimiters and behind a heading, the value alone counts")
    if "NOT {own}" in text and grammar.question.spec.kind == "criteria":
        pytest.skip("the second criterion has a line of its own")
    said = text.format(own=own, off=off_scale(grammar))
    outcome = read(stopped(said), grammar.question)
    assert isinstance(outcome, NoVerdict), (said, outcome)
    assert outcome.reason
