"""Programs that run a response's code, or read its tool calls: what is right earns, and what only looks right does not."""

from __future__ import annotations

import json

import pytest

from judge import Sample
from judge.checks.execution import code_tests, sql_execution
from judge.checks.toolcalls import calls_match, expected_calls, match_credit, tool_calls, toolrl
from judge.types import NoVerdict

TESTS = """
import math
assert add(2, 2) == 4
assert add(-1, 1) == 0
assert add(0.1, 0.2) == 0.30000000000000004
assert add(1, 2) < math.pi
"""
CHECK = "def check(candidate):\n    assert candidate(2, 2) == 4\n    assert candidate(1, 1) == 2\ncheck(add)"
STDIN = json.dumps([{"input": "2 2\n", "output": "4"}, {"input": "1 5\n", "output": "6\n"}])
GOOD = "def add(a, b):\n    return a + b"


EQUAL = "class Any:\n    __eq__ = __lt__ = lambda self, other: True\ndef add(a, b): return Any()"
TAGGED = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}\n{"name": "say", "arguments": {"text": "3"}}</tool_call>'


def block(code: str) -> str:
    return f"Here it is:\n```python\n{code}\n```\nIt works."


@pytest.mark.parametrize(
    ("code", "tests", "share"),
    [
        pytest.param(GOOD, TESTS, 1.0, id="right"),
        pytest.param("def add(a, b):\n    return 4", TESTS, 0.25, id="right-once"),
        pytest.param(GOOD, CHECK, 1.0, id="human-eval"),
        pytest.param("a, b = map(int, input().split())\nprint(a + b)", STDIN, 1.0, id="standard-input"),
        pytest.param("print(4)", STDIN, 0.5, id="standard-input-half"),
        pytest.param("import sys\nsys.exit(0)", TESTS, 0.0, id="ends-early"),
        pytest.param("import os\nos._exit(0)", TESTS, 0.0, id="ends-at-once"),
        pytest.param("def add(a, b):\n    raise ValueError", TESTS, 0.0, id="raises"),
        pytest.param("while True: pass", TESTS, 0.0, id="never-ends"),
        pytest.param(EQUAL, TESTS, 0.25, id="equal-to-everything"),
        pytest.param("print('4 passed')\nimport builtins\nbuiltins.AssertionError = Exception", TESTS, 0.0, id="says-it-passed"),
        pytest.param("print('judge-values:' + '{\"out\": []}')", TESTS, 0.0, id="forges-the-result"),
        pytest.param("def add(a, b):\n    return True", "assert add(1, 0) == 1", 0.0, id="true-is-not-one"),
        pytest.param("def add(a, b", TESTS, 0.0, id="no-program"),
    ],
)  # fmt: skip
def test_code_is_paid_for_the_tests_it_passes(code, tests, share):
    """A policy finds every way to pass that is no solution."""
    got = code_tests(Sample.of("q", block(code), reference=tests), 0, {"seconds": 2.0})
    assert got["passed"] == pytest.approx(share)
    assert code_tests(Sample.of("q", block(code), reference=tests), 0, {"all": True, "seconds": 2.0})["overall"] == float(
        share == 1
    )


@pytest.mark.parametrize("tests", ["assert f(", "x = 1", "assert f(1) == gone(2)"])
def test_tests_that_are_none(tests):
    """A fault of the row is no fault of the response."""
    assert isinstance(code_tests(Sample.of("q", block(GOOD), reference=tests), 0, {}), NoVerdict)
    assert code_tests(Sample.of("q", block(GOOD)), 0, {}) is None


PETS = ["CREATE TABLE pets (name, age); INSERT INTO pets VALUES ('Rex', 3), ('Kit', 5), ('Bo', 5);"]


@pytest.mark.parametrize(
    ("query", "reference", "overall", "runs"),
    [
        ("SELECT name FROM pets WHERE age = 5", "SELECT name FROM pets WHERE age > 4", 1.0, 1.0),
        ("SELECT name FROM pets WHERE age > 4 ORDER BY name DESC", "SELECT name FROM pets WHERE age > 4", 1.0, 1.0),
        ("SELECT name FROM pets ORDER BY age, name", "SELECT name FROM pets ORDER BY name", 0.0, 1.0),
        ("SELECT nme FROM pets", "SELECT name FROM pets", 0.0, 0.0),
        ("DROP TABLE pets", "SELECT name FROM pets", 0.0, 0.0),
        ("DELETE FROM pets; SELECT 1", "SELECT 1", 0.0, 0.0),
    ],
)
def test_queries_are_compared_by_their_rows(query, reference, overall, runs):
    """Execution accuracy: the words of a query do not matter, its rows do."""
    got = sql_execution(Sample.of("q", f"```sql\n{query}\n```", reference=reference, context=PETS), 0, {})
    assert (got["overall"], got["runs"]) == (overall, runs)


def test_a_slow_query_earns_nothing_and_a_broken_reference_says_so():
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert sql_execution(Sample.of("q", slow, reference="SELECT 1", context=PETS), 0, {"seconds": 1.0}) == {
        "overall": 0.0,
        "runs": 0.0,
    }
    assert isinstance(sql_execution(Sample.of("q", "SELECT 1", reference="SELEC 1", context=PETS), 0, {}), NoVerdict)
    assert isinstance(sql_execution(Sample.of("q", "SELECT 1", reference="SELECT 1"), 0, {}), NoVerdict)


def called(*calls: tuple[str, object]) -> list[dict]:
    parts = [
        {"type": "function", "function": {"name": n, "arguments": a if isinstance(a, str) else json.dumps(a)}} for n, a in calls
    ]
    return [{"role": "assistant", "content": None, "tool_calls": parts}]


WANTED = json.dumps([{"name": "add", "arguments": {"a": 1, "b": 2}}, {"name": "say", "arguments": {"text": "3"}}])


@pytest.mark.parametrize(
    ("response", "credit", "overall"),
    [
        # names 1 + (args 1 + values 2) + (args 1 + values 1) = 6 of 1 + 2 + 3
        pytest.param(called(("add", {"a": 1, "b": 2}), ("say", {"text": "3"})), 1.0, 1.0, id="all-right"),
        pytest.param(called(("say", {"text": "3"}), ("add", {"a": 1, "b": 2})), 1.0, (1 + 1 + 0.5) / 3, id="wrong-order"),
        pytest.param(called(("add", {"a": 1, "b": 9}), ("say", {"text": "3"})), 5 / 6, (1 + 0.75 + 1) / 3, id="one-value-wrong"),
        pytest.param(called(("add", {"a": 1, "b": 2})), (0.5 + 3) / 6, 0.5, id="one-call-missing"),
        pytest.param(called(("mul", {"a": 1, "b": 2})), 0.0, 0.0, id="another-tool"),
        pytest.param(called(("add", "no json"), ("say", {"text": "3"})), 3 / 6, 2.5 / 3, id="arguments-are-no-json"),
        pytest.param("No call.", 0.0, 0.0, id="no-call"),
        pytest.param(TAGGED, 1.0, 1.0, id="written-in-tags"),
    ],
)  # fmt: skip
def test_tool_calls_earn_partial_credit(response, credit, overall):
    """Worked by hand from the formulas in the docstrings."""
    sample = Sample.of("q", response, reference=WANTED)
    assert match_credit(tool_calls(sample, 0), expected_calls(WANTED)) == pytest.approx(credit)
    assert calls_match(sample, 0, {})["overall"] == pytest.approx(overall)
    assert calls_match(sample, 0, {"exact": True})["overall"] == float(overall == 1)


def test_toolrl_adds_format_and_correctness():
    """(1 + 6 x credit) / 7 is (format + correct + 3) / 7 with correct = 6 x credit - 3."""
    sample = Sample.of("q", called(("add", {"a": 1, "b": 9}), ("say", {"text": "3"})), reference=WANTED)
    assert toolrl(sample, 0, {})["overall"] == pytest.approx((1 + 6 * 5 / 6) / 7)
    broken = Sample.of("q", called(("add", "no json")), reference=WANTED)
    assert toolrl(broken, 0, {})["format"] == 0.0
    none = Sample.of("q", "It is a greeting; nothing to call.", reference="[]")
    assert toolrl(none, 0, {})["overall"] == 1.0
    assert isinstance(toolrl(Sample.of("q", "x", reference="soon"), 0, {}), NoVerdict)
    assert toolrl(Sample.of("q", "x"), 0, {}) is None
