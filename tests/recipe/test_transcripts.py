"""Every shipped recipe passes its own recorded replies, through the whole pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from judge.pipeline.selftest import load_transcripts, run_transcripts
from judge.recipe.load import list_recipes, load_recipe


@pytest.mark.parametrize("name", list_recipes())
def test_transcripts(name):
    """A judge's reply comes to the reward that a reader of it would give."""
    assert [r for r in run_transcripts(load_recipe(name)) if r.problem] == []


@pytest.mark.parametrize("name", list_recipes())
def test_transcripts_cover_what_judges_do(name):
    """Each recipe shows a good and a bad verdict, a planted one, and four ways to give none."""
    transcripts = load_transcripts(load_recipe(name))
    names = " / ".join(t.name for t in transcripts)
    assert {"truncated", "ambiguous"} - {"ambiguous" if name == "checklist" else ""} <= {t.reason for t in transcripts}
    for needed in ("planted", "cut off", "two different", "off the scale", "none when asked to go on"):
        if (name, needed) not in {("openrubrics", "off the scale")}:
            assert needed in names, needed
    assert {0.0, 1.0} <= {value for t in transcripts for value in t.rewards}


def test_worked_example_of_the_documentation(tmp_path):
    """What a reader pastes from docs/recipes.md passes."""
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:yaml)?\n# (worst-fault/\S+)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    (tmp_path / "worst-fault").mkdir()
    for name, body in blocks:
        (tmp_path / name).write_text(body, encoding="utf-8")
    assert sum(body.count("\n") for _, body in blocks) < 30
    results = run_transcripts(load_recipe(tmp_path / "worst-fault"))
    assert [r.problem for r in results] == ["", "", ""]
