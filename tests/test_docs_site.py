"""The documentation as a site: it builds without a warning, nothing in it is fetched from elsewhere, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import docs_site
from scripts.docs_site import CELL

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GENERATED = ("reference/",)  # below docs/ on the site only


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, and what mkdocs said."""
    where = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(where)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=280, check=False)
    return where, done


@pytest.mark.slow
def test_it_builds_without_a_warning(site):
    """A dead link, a dead anchor, a page outside the navigation and a docstring that cannot be read are warnings."""
    pytest.importorskip("mkdocs")
    where, done = site
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    assert (where / "index.html").is_file()
    assert (where / "search" / "search_index.json").is_file()


@pytest.mark.slow
def test_a_page_fetches_nothing_from_elsewhere(site):
    """It opens on a machine without a network: no font, script, style or picture of another host."""
    pytest.importorskip("mkdocs")
    where, _ = site
    pages = list(where.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:)?//|<link[^>]*\shref=\"?(https?:)?//", text)
        assert not fetched, page


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page):
    """Read in the repository, too: what is linked is there, but for what only the site has."""
    for _, target, _ in docs_site.LINK.findall(page.read_text(encoding="utf-8")):
        path = Path(os.path.normpath(page.parent / target))
        inside = path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else ""
        assert path.exists() or inside.startswith(GENERATED), target


def test_every_page_is_in_the_navigation():
    """A page that no menu names is not found."""
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f": {page.relative_to(DOCS).as_posix()}\n" in listed, page


def test_every_setting_has_a_meaning():
    """A field whose line says nothing is found by trial only."""
    rows = [line for line in docs_site.settings_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    silent = [row for row in rows if not re.sub(r"\[[^]]*\]\([^)]*\)", "", CELL.split(row.strip("|"))[-1]).strip()]
    assert not silent, silent


def test_every_command_is_in_the_reference():
    """And its help fits the 80 columns of the block."""
    from judge.cli.main import COMMANDS

    text = docs_site.cli_page()
    assert all(f"### judge {name}\n" in text for name in COMMANDS)
    assert "### judge rubric import\n" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_links_of_copied_files_are_moved():
    """A README below examples/ is a page of the site, where docs/ is the root."""
    assert docs_site.outward("[a](../../docs/trainers.md#metrics)", "examples/trl/README.md") == "[a](../../trainers.md#metrics)"
    assert docs_site.outward("[a](docs/bench.md)", "CHANGELOG.md") == "[a](bench.md)"
    assert docs_site.outward("[a](../../examples/x.yaml)", "docs/trainers/trl.md") == "[a](../examples/x.yaml)"


def test_help_is_laid_out():
    """Examples stand one to a line, usage names the command once, and no summary is cut."""
    text = docs_site.cli_page()
    assert "\\b" not in text
    assert not re.findall(r"^ .*Examples?: .*Exit codes?:.*$", text, re.MULTILINE)
    for usage in re.findall(r"^Usage: (.*)$", text, re.MULTILINE):
        assert re.match(r"judge( [a-z-]+)* (\[|\{|[A-Z])", usage), usage
    assert not re.findall(r"^  [a-z-]+ .*\.\.\.$", text, re.MULTILINE)
