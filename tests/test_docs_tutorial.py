"""docs/tutorial.md: every block, in order, in an empty folder: files are written, commands run, and their output is compared."""

from __future__ import annotations

import pytest

from tests.docs_harness import DOCS, matches, run_blocks

PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
ENGINE = "## 6. "  # from here on a model is loaded


@pytest.mark.slow
def test_the_part_without_a_model(tmp_path, monkeypatch):
    """Who has two minutes gets from nothing to a reward of their own."""
    monkeypatch.chdir(tmp_path)
    before, _, _ = PAGE.partition(ENGINE)
    assert run_blocks(before, tmp_path, marked=False, inside=True) >= 8
    assert (tmp_path / "runs/third/rewards.parquet").is_file()


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_page(tmp_path):
    """From nothing to two steps of GRPO, with a real judge on vLLM."""
    assert run_blocks(PAGE, tmp_path, marked=False, inside=False) >= 12
    assert (tmp_path / "runs/real/report.html").is_file()


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        pytest.param("a\n[...]\nc\n", "a\nb\n\nb\nc\n", True, id="lines-left-out"),
        pytest.param("[...]\n", "", True, id="nothing-printed"),
        pytest.param("a 0.[...] s\n", "a 0.25 s\n", True, id="text-left-out"),
        pytest.param("a\n[...]\nd\n", "a\nb\nc\n", False, id="a-line-is-missing"),
        pytest.param("a\n", "a\nb\n", False, id="more-than-shown"),
    ],
)
def test_what_counts_as_the_same(shown, said, same):
    """The comparison itself can fail."""
    assert matches(shown, said) is same
