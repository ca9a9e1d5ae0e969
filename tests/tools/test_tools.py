"""The tools themselves, and how a reply calls them."""

from __future__ import annotations

import asyncio

import pytest

from judge import Sample
from judge.errors import SettingsError
from judge.settings import ToolSettings
from judge.tools.calculator import NoResult, calculate
from judge.tools.calls import find_call
from judge.tools.lookups import dates, passages
from judge.tools.registry import ToolFailed, find_tools, use
from tests.clock import least_cpu


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", "14"), ("(3 + 4) * 12 / 7", "12"), ("-2^2", "-4"), ("2^-1", "0.5"), ("2**10", "1024"), ("7 % 3", "1"),
        ("15% * 80", "12"), ("20% of 5", "1"), ("5!", "120"), ("0.1 + 0.2", "0.3"), ("1/3", "1/3 (0.333333333333)"),
        ("sqrt(16)", "4"), ("1,234 * 2", "2468"), ("max(1,2,3)", "3"), ("gcd(12, 18)", "6"), ("2(3 + 4) =", "14"),
        ("round(2.5678, 2)", "2.57"), ("7 // 2", "3"), ("6 ÷ 4 × 2", "3"), ("2^100", "1267650600228229401496703205376"),
    ],
)  # fmt: skip
def test_arithmetic(expression, value):
    """Exact where people expect it: a judge that reads 0.30000000000000004 finds fault where there is none."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["", "1/0", "9**9**9", "sqrt(-1)", "((((", "2 +", "import os", "__import__('os')", "1 2", "2 3", "500! * 500!", "(" * 400,
        "9" * 501,
     "exp(1000)", "foo(2)", "log(0)", "1.5!", "abs(1, 2)"],
)  # fmt: skip
def test_what_has_no_value_is_told(expression):
    """A reason in words, in no time."""

    def tried():
        with pytest.raises(NoResult):
            calculate(expression)

    assert least_cpu(tried, 0.5) < 0.5


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("2024-02-28 + 2 days", "2024-03-01 (Friday)"),
        ("2024-01-31 + 1 month", "2024-02-29 (Thursday)"),
        ("2024-03-01 - 1 year", "2023-03-01 (Wednesday)"),
        ("from 2024-01-01 to 2024-03-01", "60 days"),
        ("2024-02-29", "2024-02-29 is a Thursday; day 60 of a leap year"),
    ],
)
def test_dates(question, answer):
    assert dates(question) == answer


@pytest.mark.parametrize("question", ["tomorrow", "2023-02-29", "9999-12-31 + 1 day", "0001-01-01 - 9 years"])
def test_dates_that_are_none(question):
    with pytest.raises(ValueError, match=r"date|calendar"):
        dates(question)


def test_documents_are_searched():
    """The passage that answers comes first, with the number of its document."""
    found = passages(
        "Who founded the town?", ["Rain falls often.\n\nThe town was founded by Anna in 1200.", "A town has a mayor."]
    )
    assert found.splitlines()[0] == "[document 1] The town was founded by Anna in 1200."
    assert passages("zebra", ["Rain."]) == "(nothing found)"


CALLS = [
    pytest.param("action", "I compute.\nAction: calculator[2*(3+[4])]\nObservation: 99", "calculator", "2*(3+[4])", id="action"),
    pytest.param("action", "**Action:** python\nAction Input: print(1)\nObservation: 1", "python", "print(1)", id="action-input"),
    pytest.param("action", "Action: calculator(2+2)\nVERDICT: 5", "calculator", "2+2", id="what-follows-is-cut"),
    pytest.param("code", "So:\n```python\nprint(1)\n```\nwhich gives 2", "python", "print(1)", id="code"),
    pytest.param("json", '<tool_call>{"tool": "calculator", "input": "1+1"}</tool_call>', "calculator", "1+1", id="json"),
    pytest.param("json", '```json\n{"name": "python", "arguments": {"a": 1}}\n```', "python", '{"a": 1}', id="json-block"),
]


@pytest.mark.parametrize(("form", "text", "name", "given"), CALLS)
def test_calls_are_found(form, text, name, given):
    """The call, its input, and nothing that the judge made up behind it."""
    call = find_call(text, form, ["calculator", "python"])
    assert (call.name, call.given, call.problem) == (name, given, "")
    assert "VERDICT" not in call.said
    assert "Observation" not in call.said


@pytest.mark.parametrize(
    ("form", "text", "problem"),
    [
        ("action", "Action: calculator[2+2", "not closed"),
        ("action", "Action: calcluator[2]", "there is no tool `calcluator`"),
        ("action", "Action: calculator", "write it as"),
        ("code", "```python\nprint(1)", "not closed"),
        ("json", "<tool_call>2+2</tool_call>", "a call is written"),
    ],
)
def test_calls_that_cannot_be_run_are_told(form, text, problem):
    assert problem in find_call(text, form, ["calculator", "python"]).problem


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("action", "No action is needed."),
        ("code", "```\nprint(1)\n```"),
        ("code", "```text\nx\n```"),
        ("json", '```json\n{"score": 4}\n```'),
    ],
)
def test_what_is_no_call(form, text):
    assert find_call(text, form, ["calculator", "python"]) is None


@pytest.mark.parametrize("form", ["action", "code", "json"])
@pytest.mark.parametrize("piece", ["Action: a[", "Action: a", "```python\n", "```json\n{", "<tool_call>", "[(", "Action Input:"])
def test_finding_calls_is_quick(form, piece):
    """A judge that loops is cut off by its token limit, and not by ours."""
    assert least_cpu(lambda: find_call(piece * 10_000, form, ["a", "python"]), 1.0) < 1.0


PETS = Sample.of("q", "r", context=["CREATE TABLE pets (name, age); INSERT INTO pets VALUES ('Rex', 3), ('Kit', 5);"])


def ask(name: str, given: str, sample: Sample = PETS, **settings) -> str:
    found = ToolSettings(**settings)
    return asyncio.run(use(find_tools([name], found)[name], given, sample))


def test_queries_read_and_nothing_else():
    """The tables of the row's documents, in a process of their own."""
    assert ask("sql", "SELECT name FROM pets ORDER BY age DESC") == '["Kit"]\n["Rex"]'
    for query in (
        "DROP TABLE pets",
        "ATTACH '/tmp/x.db' AS x",
        "SELECT load_extension('x')",
        "SELEC 1",
        "PRAGMA writable_schema=1",
    ):
        with pytest.raises(ToolFailed):
            ask("sql", query)
    with pytest.raises(ToolFailed, match="no tables"):
        ask("sql", "SELECT 1", Sample.of("q", "r"))
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(ToolFailed, match="in time"):
        ask("sql", slow, seconds=1)


def search(query: str, sample: Sample) -> str:
    """Searches the web."""
    return f"found {query} for {sample.prompt}"


async def later(query: str, sample: Sample) -> str:
    await asyncio.sleep(0)
    return query.upper()


def test_functions_of_ones_own():
    """A web search is a function in the run file; a plain one runs in a thread."""
    assert ask("search", "x", functions={"search": "tests.tools.test_tools:search"}) == "found x for q"
    assert ask("shout", "x", functions={"shout": "tests.tools.test_tools:later"}) == "X"
    with pytest.raises(SettingsError, match=r"no tool `search`; there are.*tools: {functions: {search: module:name}}"):
        find_tools(["search"], ToolSettings())
    with pytest.raises(SettingsError, match="did you mean `python`"):
        find_tools(["pyton"], ToolSettings())
    with pytest.raises(SettingsError, match="cannot be imported"):
        find_tools([], ToolSettings(functions={"search": "nowhere:gone"}))
