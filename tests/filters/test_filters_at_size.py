"""The filters at the size that was promised: every static string on 300 questions, and thousands of right short answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.filters import accepted, right_short

pytestmark = pytest.mark.slow

LEAST_TRIALS, LEAST_RIGHT = 54 * 300, 3_000
MOST_VETOED = 0.001


@pytest.fixture(scope="module")
def collection(data_dir: Path) -> Path:
    """The data, where it holds the verifier records."""
    if not (data_dir / "verifier").is_dir():
        pytest.skip("the data collection has no `verifier` folder")
    return data_dir


def test_a_judge_that_always_says_yes_pays_no_static_string(collection):
    """Ten such strings bought 67 % of a 72B judge's verdicts: none of 54 reaches any judge, on any of 300 questions."""
    found = accepted(collection)
    assert found["trials"] >= LEAST_TRIALS
    assert dict(found["accepted"]) == {}


def test_right_short_answers_are_not_vetoed(collection):
    """A filter that stops right answers costs more than it saves; one that says the same as the reference always passes."""
    counts = right_short(collection)
    known = [count for name, count in counts.items() if "no reference" not in name]
    seen, blocked = sum(c.seen for c in known), sum(c.blocked.total() for c in known)
    assert seen >= LEAST_RIGHT
    assert blocked <= MOST_VETOED * seen
    assert not any(c.agreeing for c in counts.values())
    for name, count in counts.items():
        assert count.blocked.total() <= 0.01 * count.seen, (name, count.examples)
