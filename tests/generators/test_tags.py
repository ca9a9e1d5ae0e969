"""In which spellings and places a kind and a weight are seen."""

from __future__ import annotations

import time

import pytest

from judge.generators.model import ItemSpec
from judge.generators.parse_items import Items, parse_items

WEIGHED = ItemSpec(
    tags={
        "Essential": {"kind": "essential", "weight": 5},
        "Important": {"kind": "important", "weight": 3},
        "Pitfall": {"kind": "pitfall", "weight": 1},
    },
    untagged="important",
    weights={"min": 1, "max": 5},
    min=2,
    max=20,
)


@pytest.mark.parametrize(
    "line",
    [
        "{} [Pitfall] (weight: 4)",
        "{} [Pitfall] [4]",
        "{} [Pitfall] 4",
        "{} [Pitfall] -- weight 4",
        "{} [4, Pitfall]",
        "{} [Weight: 4] [Pitfall]",
        "{} (weight: 4) [Pitfall]",
        "{} (+4) [Pitfall]",
        "{} [Category: Pitfall, Weight: 4]",
        "{} [Pitfall (4)]",
        "{} — Pitfall (4)",
        "{} - Pitfall, weight 4",
        "**{}** Pitfall, weight 4",
        "{} [Pitfall] [Important, 4]",
        "[Pitfall] {} (4)",
        "Pitfall (4): {}",
        "**Pitfall (4):** {}",
        "**Pitfall, weight 4**: {}",
        "Pitfall Criteria (4): {}",
        "{}\n   Category: Pitfall\n   Weight: 4",
        "{}\n   - **Type**: pitfall\n   - **Points**: 4",
    ],
)
def test_a_fault_is_seen_in_any_spelling_of_its_tag(line: str):
    """A kind that is not read makes the fault a merit, which the policy is then paid for."""
    said = "The response invents a source."
    found = parse_items(f"1. The response names one. [Important]\n2. {line.format(said)}", WEIGHED)
    assert isinstance(found, Items)
    assert [(item.text, item.kind, item.weight) for item in found.items[1:]] == [(said, "pitfall", 4.0)]


@pytest.mark.parametrize(
    "text",
    [
        "**Essential**\n1. {a}\n2. {b}\n\n**Pitfalls**\n3. {c}\n4. {d}",
        "## Essential Criteria\n1. {a}\n2. {b}\n## Pitfall Criteria (taken off)\n1. {c}\n2. {d}",
        "Essential:\n- {a}\n- {b}\nPitfalls:\n- {c}\n- {d}",
        "1. Essential\n   - {a}\n   - {b}\n2. **Pitfalls**\n   - {c}\n   - {d}",
        "ESSENTIAL CRITERIA\n1. {a}\n2. {b}\n\nPITFALLS (weight 2)\n3. {c}\n4. {d}",
        "## Essential\n1. {a}\n2. {b}\n## Pitfalls\n**Facts**\n3. {c}\n**Units**\n4. {d}",
        "## Pitfalls\n1. {c}\n2. {d}\n## Notes\n3. {a} [Essential]\n4. {b} [Essential]",
        "**Pitfalls**\n1. {c}\n2. {a} [Essential]\n3. {b} [Essential]\n4. {d}",
    ],
)
def test_items_below_the_name_of_a_kind_are_of_that_kind(text: str):
    """Models group a list by kind; read as if nothing were said, every pitfall was paid as good behaviour."""
    said = {
        "a": "The response names one.",
        "b": "It is short.",
        "c": "It invents a source.",
        "d": "The response omits the units.",
    }
    found = parse_items(text.format(**said), WEIGHED)
    assert isinstance(found, Items)
    kinds = {item.text: (item.kind, item.weight) for item in found.items}
    assert kinds == {said[k]: ("essential", 5.0) if k in "ab" else ("pitfall", 1.0) for k in "abcd"}


@pytest.mark.parametrize(
    "said",
    [
        "The response names Orwell's novel (1984).",
        "The response cites the study (Smith, 2004).",
        "The response warns of one pitfall: the leak.",
        "The plan has a step 4",
        "Note - the response is short.",
        "The response lists its important points (at most 3).",
        "Pitfalls of the design are named.",
    ],
)
def test_a_sentence_keeps_what_is_no_tag(said: str):
    """A year, a source or the word itself belong to what the judge is asked."""
    for line in (said, f"{said} [Essential]"):
        found = parse_items(f"1. {line}\n2. The response has a title.", WEIGHED)
        assert isinstance(found, Items)
        assert found.items[0].text == said


@pytest.mark.parametrize(
    "piece", ["[Pitfall] ", "(4) ", " - ", "**", "Pitfall: ", "{", "Weight: 4\n", "**Pitfalls**\n", "x (a: "]
)
def test_a_long_reply_is_read_in_time(piece: str):
    """A reply that is one loop must not stop the run."""
    start = time.perf_counter()
    parse_items("1. It is short. " + piece * (200_000 // len(piece)), WEIGHED)
    assert time.perf_counter() - start < 5
