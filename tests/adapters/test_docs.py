"""docs/trainers.md and the page of each trainer against the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from judge.adapters._shared.failure_policy import FRAMEWORKS

ROOT = Path(__file__).parent.parent.parent
OVERVIEW = (ROOT / "docs" / "trainers.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs" / "trainers").glob("*.md"))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", list(FRAMEWORKS))
def test_the_table_of_policies(name):
    """A reader chooses by this table."""
    [row] = [line for line in OVERVIEW.splitlines() if line.startswith(f"| [`{name}`](trainers/")]
    assert row.rstrip(" |").endswith(", ".join(FRAMEWORKS[name].policies))


def test_examples_are_there():
    """No example that is not there (tests/test_docs_site.py follows the links)."""
    folders = re.findall(r"`(examples/[\w/.]+)`", TEXT)
    assert len(folders) >= 12
    for folder in folders:
        assert (ROOT / folder).exists(), folder


def test_the_overview_leads_to_every_page():
    """Who looks for a trainer finds its page."""
    for page in PAGES:
        assert f"(trainers/{page.name})" in OVERVIEW, page


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_python_blocks_import_what_there_is(code):
    """A renamed class would leave the page behind."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("judge"):
            module = __import__(str(node.module), fromlist=[a.name for a in node.names])
            assert all(hasattr(module, a.name) for a in node.names)


def test_dotted_paths_exist():
    """Names that a shell line or a YAML file passes on."""
    for module, name in set(
        re.findall(r"(judge\.adapters\.\w+)[.:](reward|compute_score|custom_rm|custom_group_rm|reward_fn)\b", TEXT)
    ):
        assert hasattr(__import__(module, fromlist=[name]), name)
