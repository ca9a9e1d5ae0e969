"""Benchmarks run only on a real engine, so what no test runs is at least read: a coroutine of the engine is awaited."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from judge.engine.vllm import VllmEngine

FILES = sorted((Path(__file__).resolve().parents[2] / "benchmarks").glob("*.py"))
COROUTINES = {name for name, what in inspect.getmembers(VllmEngine, inspect.iscoroutinefunction)}


def left_waiting(source: str) -> list[str]:
    """Calls of `engine.NAME(...)` whose coroutine is taken apart, kept or dropped without `await`."""
    return [
        f"line {call.lineno}: {ast.unparse(call)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Assign | ast.Expr)
        for call in [node.value]
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in COROUTINES
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "engine"
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_the_engine_promises_is_awaited(path: Path):
    """Whoever repeats a published figure gets it, not a TypeError after the model was loaded."""
    assert left_waiting(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("source", "found"), [
    pytest.param("await (await engine._ready())[1].reset()", 0, id="awaited"),
    pytest.param("await engine._ready()[1].reset()", 1, id="taken-apart"),
    pytest.param("chat, llm = engine._ready()", 1, id="unpacked"),
    pytest.param("engine.start()", 1, id="dropped"),
])  # fmt: skip
def test_each_way_to_forget_it_is_seen(source: str, found: int):
    """The check above can fail."""
    assert len(left_waiting(f"async def main():\n    {source}\n")) == found
