"""Pages and shown texts: what an attack writes cannot act."""

from __future__ import annotations

import math

import pytest

from judge.report.html import badge, bar, code, details, facts, headline, page, table
from judge.report.text import percent, visible

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"


def test_everything_is_escaped():
    """An attack string in any block is text on the page."""
    blocks = [
        headline(HOSTILE),
        facts([(HOSTILE, HOSTILE)]),
        code(HOSTILE),
        badge(HOSTILE),
        details(HOSTILE, HOSTILE),
        table([HOSTILE], [[HOSTILE, bar(0.5, text=HOSTILE)]], caption=HOSTILE),
    ]
    text = page(HOSTILE, *blocks, HOSTILE, footer=HOSTILE)
    assert "<script>" not in text
    assert "default-src 'none'" in text
    assert "src=" not in text.replace("default-src=", "")


def test_nothing_measured_draws_a_dash():
    """NaN and None are no bar of length 0."""
    assert "–" in bar(None)
    assert "–" in bar(math.nan)
    assert percent(math.nan) == percent(None) == "–"
    assert "[10.0, 30.0]" in bar(0.2, 0.1, 0.3)


SHOWN = {
    "blank": (" ", '" "'),
    "zero-width": ("a\u200b\u2060", '"a\\u200b\\u2060"'),
    "tags": ("\U000e0041", '"\\U000e0041"'),
    "escape": ("\x1b[31m", '"\\u001b[31m"'),
    "lines": ("a\nb\t", '"a\\nb\\t"'),
    "half": ("\ud800", '"\\ud800"'),
    "filler": ("\u3164\u2800\xa0", '"\\u3164\\u2800\\u00a0"'),
    "letters": ("解 é ✓", '"解 é ✓"'),
}


@pytest.mark.parametrize("name", SHOWN)
def test_visible(name):
    """A reader sees what a text holds, blanks and direction marks included."""
    text, expected = SHOWN[name]
    assert visible(text) == expected


def test_long_texts_are_cut_in_the_middle():
    """A megabyte is one short line, quickly."""
    line = visible("\u200b" * 1_000_000, limit=40)
    assert len(line) < 80
    assert "1,000,000 characters" in line
