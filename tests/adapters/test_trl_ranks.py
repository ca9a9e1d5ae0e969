"""TRL over 2 and 4 processes that each hold half a group: whole groups are judged, once each, by comparing."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from tests.adapters.ranks import SIZE, STEPS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(400)
@pytest.mark.parametrize("world", [2, 4])
def test_split_groups_are_judged_once(tmp_path, world):
    """No process sees a whole group here, and TRL says nothing: a judge of halves would rank two of four."""
    command = [sys.executable, "-m", "tests.adapters.ranks", str(world), str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=360, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world)]

    rewards = found[0]["rewards"]
    assert all(f["rewards"] == rewards for f in found)
    assert len(rewards) == STEPS
    asked = Counter(tuple(pair) for f in found for pair in f["pairs"])
    expected: Counter[tuple[str, ...]] = Counter()
    for step in range(STEPS):
        parts = [f["local"][step] for f in found]
        assert [v for part in parts for v in part["values"]] == pytest.approx(rewards[step], rel=1e-6)  # trainers hold 32 bits
        texts = [text for part in parts for text in part["completions"]]
        for start in range(0, len(texts), SIZE):
            group = texts[start : start + SIZE]
            wins = [sum((a > b) + (a == b) / 2 for k, b in enumerate(group) if k != i) for i, a in enumerate(group)]
            assert rewards[step][start : start + SIZE] == pytest.approx([w / (SIZE - 1) for w in wins], abs=1 / 64)
            expected.update(tuple(sorted(pair)) for pair in itertools.combinations(dict.fromkeys(group), 2))
    assert set(asked.values()) == {2}, "each pair is asked once in each order, by one process"
    assert asked.keys() == expected.keys()
