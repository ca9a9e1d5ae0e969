"""What a response's code does, run in a limited process: tests passed, and the rows that a query returns.

The response's program never sees what is right. Its process gives values; they are compared here with values from another
process, or with the text that the reference holds. So a program that ends early, prints "passed" or compares equal to everything
earns nothing.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from judge.settings.tools import ToolSettings
from judge.tools.child import Limits, run_limited
from judge.tools.registry import ToolFailed, run_queries, schema_of
from judge.types import NoVerdict, Reason, Sample

MOST_TESTS = 200
_FENCE = re.compile(r"```[ \t]*(\w*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_QUERY_BEGINS = re.compile(r"\s*(?:select|with|values)\b", re.IGNORECASE)
_HARNESS = """
import io, json, sys
scope = {"__name__": "solution"}
out, kept = [], sys.stdout
sys.stdout = io.StringIO()
try:
    exec(compile(DATA["code"], "<solution>", "exec"), scope)
    broken = ""
except BaseException as why:
    broken = f"{type(why).__name__}: {why}"[:200]
for test in DATA["tests"]:
    if broken:
        break
    try:
        try:
            exec(compile(test["before"], "<test>", "exec"), scope)
        except BaseException:
            if not DATA["lenient"]:
                raise
        value = eval(compile(test["value"], "<test>", "eval"), scope)
        out.append({"value": repr(value)[:2000], "kind": type(value).__name__})
    except BaseException as why:
        out.append({"error": f"{type(why).__name__}: {why}"[:200]})
sys.stdout = kept
print("\\n" + DATA["mark"] + json.dumps({"broken": broken, "out": out}))
"""
_MARK = "judge-values:"


def code_of(text: str, languages: Sequence[str] = ("python", "py", "python3")) -> str:
    """The program of a response: its last code block in one of these languages, else its last block, else all of it.

    Example:
        >>> code_of("So:\\n```python\\nx = 1\\n```\\nDone."), code_of("x = 1")
        ('x = 1\\n', 'x = 1')
    """
    blocks = _FENCE.findall(text)
    named = [code for language, code in blocks if language.lower() in languages]
    return str((named or [code for _, code in blocks] or [text])[-1])


def code_tests(sample: Sample, index: int, args: Mapping[str, Any]) -> Mapping[str, float | None] | NoVerdict | None:
    """The share of the reference's tests that the response's Python program passes; with `all: true` 1 for all and else 0. Each
    test by itself is `test_1`, `test_2` and so on.

    The reference holds the tests: Python with `assert`s (also inside `def check(candidate)`), or a JSON list of
    `{"input": text on standard input, "output": text expected}`. `seconds` (default 5) is for all of them, or for each input.
    """
    if not sample.reference:
        return None
    limits = Limits(seconds=float(args.get("seconds", ToolSettings().seconds)))
    tests, code = sample.reference[0], code_of(sample.texts[index])
    pairs = _input_pairs(tests)
    if pairs is not None:
        passed = [_prints(code, given, wanted, limits) for given, wanted in pairs]
    else:
        try:
            found = _asserts(tests)
        except (SyntaxError, ValueError, RecursionError) as why:
            return NoVerdict(Reason.CHECK_ERROR, f"the reference holds no tests that can be read: {why}")
        checked = _passes(code, found, limits)
        if isinstance(checked, NoVerdict):
            return checked
        passed = checked
    if not passed:
        return NoVerdict(Reason.CHECK_ERROR, "the reference holds no test")
    share = sum(passed) / len(passed)
    each = {f"test_{n}": float(ok) for n, ok in enumerate(passed, 1)}
    return {"overall": float(share == 1) if args.get("all") is True else share, "passed": share, **each}


def _input_pairs(tests: str) -> list[tuple[str, str]] | None:
    try:
        found = json.loads(tests)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(t, dict) and {"input", "output"} <= t.keys() for t in found):
        return None
    return [(str(t["input"]), str(t["output"])) for t in found[:MOST_TESTS]]


def _prints(code: str, given: str, wanted: str, limits: Limits) -> bool:
    """Whether a program prints what is expected, white space at the ends of lines aside."""
    ran = run_limited(f"import io, sys\nsys.stdin = io.StringIO(DATA)\n{_AS_MAIN.format(code=code)}", given, limits)
    return ran.status == "ok" and _lines(ran.output) == _lines(wanted)


_AS_MAIN = 'exec(compile({code!r}, "<solution>", "exec"), {{"__name__": "__main__"}})'


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _asserts(tests: str) -> list[tuple[str, str, str]]:
    """For each test: what is run before it, the value asked for, and the value that is right."""
    tree = ast.parse(tests)
    entry = next((named for n in ast.walk(tree) if (named := _calls(n, "check")) is not None), None)
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "check" and len(node.args.args) == 1:
            program = ast.unparse(entry) if entry is not None else ""
            body += [ast.parse(f"{node.args.args[0].arg} = {program}").body[0]] if program else []
            body += node.body
        elif not (isinstance(node, ast.Expr) and _calls(node.value, "check") is not None):
            body.append(node)
    found: list[tuple[str, str, str]] = []
    before: list[str] = []
    for node in body:
        if not isinstance(node, ast.Assert):
            before.append(ast.unparse(node))
            continue
        test = node.test
        equal = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
        left, right = (test.left, ast.unparse(test.comparators[0])) if equal else (test, "True")  # type: ignore[attr-defined]
        found.append(("\n".join(before), ast.unparse(left), right))
        before = []
    return found[:MOST_TESTS]


def _calls(node: ast.AST, name: str) -> ast.expr | None:
    """The first argument of a call of a function; None where a node is no such call."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    return node.args[0] if named and node.args else None  # type: ignore[attr-defined]  # just looked


def _passes(code: str, tests: Sequence[tuple[str, str, str]], limits: Limits) -> list[bool] | NoVerdict:
    asked = [{"before": before, "value": value} for before, value, _ in tests]
    right = [{"before": before, "value": wanted} for before, _, wanted in tests]
    wanted = _values("", right, limits, lenient=True)  # what stands before a test may name the program, which is not there
    if wanted is None or any("value" not in each for each in wanted):
        why = "they take too long" if wanted is None else next(e["error"] for e in wanted if "value" not in e)
        return NoVerdict(Reason.CHECK_ERROR, f"the values that the tests expect cannot be computed: {why}")
    found = _values(code, asked, limits) or []
    found = [*found, *({"error": "not reached"} for _ in range(len(tests) - len(found)))]
    return [_same(a, b) for a, b in zip(found, wanted, strict=True)]


def _values(
    code: str, tests: Sequence[Mapping[str, str]], limits: Limits, *, lenient: bool = False
) -> list[dict[str, str]] | None:
    """What each test's expression comes to in a process of its own; None where the process gave nothing."""
    wide = Limits(limits.seconds, limits.memory_mb, 1_000_000)
    ran = run_limited(_HARNESS, {"code": code, "tests": list(tests), "mark": _MARK, "lenient": lenient}, wide)
    _, mark, told = ran.output.rpartition("\n" + _MARK)
    if not mark:
        return None
    try:
        out = json.loads(told.splitlines()[0])["out"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return out if isinstance(out, list) and all(isinstance(each, dict) for each in out) else None


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Equal as plain values: an object of the program's own class is none, so it cannot claim to be equal."""
    if not isinstance(found.get("value"), str):
        return False
    try:
        one, other = ast.literal_eval(found["value"]), ast.literal_eval(wanted["value"])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return bool(found["value"] == wanted["value"] and found.get("kind") == wanted.get("kind"))
    if isinstance(one, float) or isinstance(other, float):
        near = isinstance(one, int | float) and isinstance(other, int | float)
        return near and abs(one - other) <= 1e-9 * max(1.0, abs(other))
    return bool(one == other and isinstance(one, bool) == isinstance(other, bool))


def sql_execution(sample: Sample, index: int, args: Mapping[str, Any]) -> Mapping[str, float | None] | NoVerdict | None:
    """Whether a query returns the rows of a reference query; `runs` says whether it runs at all.

    The database is built in memory from the `CREATE TABLE` and `INSERT` statements of the sample's documents. Rows are compared
    as a list where the reference orders them, and else whatever their order. Execution accuracy, as Spider and BIRD measure it.
    """
    if not sample.reference:
        return None
    query = code_of(sample.texts[index], ("sql", "sqlite")).strip().rstrip(";")
    limits = Limits(seconds=float(args.get("seconds", ToolSettings().seconds)))
    try:
        found, *wanted = run_queries(
            [query, *(r.strip().rstrip(";") for r in sample.reference)], schema_of(sample), limits, 10_000
        )
    except ToolFailed as why:
        return _too_slow(sample, limits) or (
            {"overall": 0.0, "runs": 0.0}
            if "in time" in str(why) or "memory" in str(why)
            else NoVerdict(Reason.CHECK_ERROR, str(why))
        )
    broken = next((w for w in wanted if isinstance(w, str)), None)
    if broken is not None:
        return NoVerdict(Reason.CHECK_ERROR, f"the reference query fails: {broken}")
    if isinstance(found, str) or not _QUERY_BEGINS.match(query):
        return {"overall": 0.0, "runs": 0.0}
    ordered = ["order by" in reference.lower() for reference in sample.reference]
    same = any(_rows(found, rows, ordered=o) for rows, o in zip(wanted, ordered, strict=True) if not isinstance(rows, str))
    return {"overall": float(same), "runs": 1.0}


def _too_slow(sample: Sample, limits: Limits) -> NoVerdict | None:
    """Where the reference alone is too slow, nothing is known of the response."""
    try:
        run_queries([r.strip().rstrip(";") for r in sample.reference or ()], schema_of(sample), limits)
    except ToolFailed as why:
        return NoVerdict(Reason.CHECK_ERROR, f"the reference query fails: {why}")
    return None


def _rows(found: Sequence[Sequence[Any]], wanted: Sequence[Sequence[Any]], *, ordered: bool) -> bool:
    first, second = ([tuple(_value(v) for v in row) for row in rows] for rows in (found, wanted))
    return first == second if ordered else Counter(first) == Counter(second)


def _value(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value
