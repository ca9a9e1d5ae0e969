"""One name, one thing: no two public types of different files are called alike."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "judge"


def public_types(tree: ast.Module) -> Iterator[str]:
    """Classes, and names given to types (`Floats = NDArray[...]`), at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp | ast.Name | ast.Attribute):
            name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        else:
            continue
        if name[:1].isupper() and not name.isupper():  # CONSTANTS are no types
            yield name


def test_no_two_public_types_share_a_name():
    """A reader who meets `Row` in a message or a signature need not ask which of seven it is."""
    where: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in public_types(ast.parse(path.read_text(encoding="utf-8"))):
            where[name].append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_what_is_measured_is_called_metrics():
    """One word for one thing: no public function or type, and no file, is named `..._figures`."""
    named = [path.stem for path in PACKAGE.rglob("*.py")]
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named += [*public_types(tree), *(node.name for node in tree.body if isinstance(node, ast.FunctionDef))]
    assert [name for name in named if name.endswith(("_figures", "Figures")) and not name.startswith("_")] == []
