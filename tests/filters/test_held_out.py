"""Strings the filters were not written on: what an unknown opener meets, by the kind of reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from judge.checks.match import agrees
from judge.filters.intake import Intake
from judge.settings import FilterSettings
from judge.types import Sample

HERE = Path(__file__).parent
STRINGS, MORE = (yaml.safe_load((HERE / name).read_text(encoding="utf-8")) for name in ("held_out.yaml", "held_out_2.yaml"))
NUMBER = ("A farmer has 17 sheep and buys 4 more. How many sheep does he have now?", "21", "verifier")
WORD = ("Which gas do plants take in for photosynthesis?", "carbon dioxide", "verifier")
NONE = ("Explain why the sky is blue.", None, "pointwise")


@pytest.mark.parametrize(
    ("case", "families", "least"),
    [
        pytest.param(NUMBER, None, 0.97, id="number"),  # 185 of 188 when first measured
        pytest.param(WORD, None, 0.87, id="word"),  # 167
        pytest.param(NONE, "blank symbol opener long_opener", 0.87, id="no-reference"),  # 146 of 163 without the families below
    ],
)
def test_share_of_unseen_strings_stopped(case: tuple[str, str | None, str], families: str | None, least: float):
    """A list of known strings is no defence: what counts is the share of unknown ones that never reach the judge."""
    prompt, reference, mode = case
    texts = [t for name, found in STRINGS.items() if families is None or name.startswith(tuple(families.split())) for t in found]
    assert stopped(texts, prompt, reference, mode) >= least * len(texts)


@pytest.mark.parametrize(
    ("case", "least"),
    [
        pytest.param(NUMBER, 0.95, id="number"),  # 245 of 266 when first measured
        pytest.param(WORD, 0.75, id="word"),  # 151
        pytest.param(NONE, 0.46, id="no-reference"),  # 114
    ],
)
def test_share_of_strings_that_look_for_gaps(case: tuple[str, str | None, str], least: float):
    """Written to find what the filters miss."""
    texts = [t for found in MORE.values() for t in found]
    assert stopped(texts, *case) >= least * len(texts)


def stopped(texts: list[str], prompt: str, reference: str | None, mode: str) -> int:
    intake = Intake(FilterSettings(level="strict"), mode)
    return sum(intake.check(Sample.of(prompt, t, reference=reference), 0, agrees).blocked is not None for t in texts)
