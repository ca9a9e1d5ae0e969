"""The event loop of this project is one function's to choose."""

from __future__ import annotations

import ast
from pathlib import Path

import judge

FILES = sorted(Path(judge.__file__).parent.rglob("*.py"))


def test_one_function_starts_event_loops():
    """Who installs uvloop has it in every command and every trainer, not in nine of them."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "run" and ast.unparse(node.value) == "asyncio"
    ]
    assert found == []
