"""The examples in docs/parsing.md run."""

import doctest
from pathlib import Path


def test_examples():
    """Whoever writes a recipe starts by pasting from the page."""
    page = Path(__file__).parents[2] / "docs" / "parsing.md"
    outcome = doctest.testfile(str(page), module_relative=False)
    assert (outcome.failed, outcome.attempted > 4) == (0, True)
