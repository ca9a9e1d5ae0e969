"""Commands that guides show, run where a reader would stand: a folder with the files of `judge init`, and two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.settings import load_settings
from judge.yamlfile import parse_yaml
from tests.cli_harness import run_judge
from tests.docs_harness import DOCS, blocks, run_blocks

FILES = {
    "verifier.yaml": 'recipe: verifier\nengine: {kind: scripted, reply: "VERDICT: CORRECT"}\n',
    "pairs.yaml": 'recipe: pairwise\nengine: {kind: scripted, reply: "The first.\\n[[A]]"}\n',
    "unreachable.yaml": (
        'rubric: helpfulness\nengine: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", patience_s: 0}\n'
    ),
    "real.yaml": "rubric: helpfulness\nengine: {kind: openai, model: m}\n",
    "top-grade.yaml": 'recipe: pointwise\nrubric: math-solution\nengine: {kind: scripted, reply: "VERDICT: 5"}\n',
}
GUIDES = {  # page -> what else tests its blocks; empty: the blocks that are marked run here
    "data.md": "",
    "conversations.md": "",
    "report.md": "",
    "bench.md": "",
    "robustness.md": "",
    "engine_down.md": "",
    "settings.md": "",
    "trainers.md": "",
    "serving.md": "tests/server/test_docs.py",
    "rubrics.md": "tests/rubric/test_rubric_docs.py",
    "recipes.md": "tests/recipe/test_transcripts.py",
    "selection.md": "tests/cli/test_select.py",
    "parsing.md": "tests/parse/test_parse_docs.py",
    "rewards.md": "tests/test_systems.py",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What a reader has after `judge init . --engine scripted`, two runs, and the settings that the guides name."""
    monkeypatch.chdir(tmp_path)
    assert run_judge("init", ".", "--engine", "scripted").code == 0
    for name, text in FILES.items():
        Path(name).write_text(text)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, elsewhere in GUIDES.items() if not elsewhere])
def test_marked_blocks_do_what_they_show(folder, page):
    """Who pastes a command from a guide sees what the guide shows."""
    if page == "report.md":
        for run in ("a", "b"):
            assert run_judge("run", "judge.yaml", "--data", "data.jsonl", "--output", f"runs/{run}").code == 0
    assert run_blocks((DOCS / page).read_text(encoding="utf-8"), folder, marked=True, inside=True) >= 1


@pytest.mark.parametrize("page", GUIDES)
def test_each_guide_has_a_block_that_a_test_runs(page):
    """A guide without one goes out of date unseen."""
    elsewhere = GUIDES[page]
    if elsewhere:
        assert f"docs/{page}" in (DOCS.parent / elsewhere).read_text(encoding="utf-8")
    else:
        assert any(block.marked for block in blocks((DOCS / page).read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", ["settings.md", "concepts.md"])
def test_run_files_of_a_page_are_accepted(page):
    """The YAML that a reader copies is valid."""
    found = [block.text for block in blocks((DOCS / page).read_text(encoding="utf-8")) if block.language == "yaml"]
    assert found
    for text in found:
        load_settings(parse_yaml(text, page).data)
