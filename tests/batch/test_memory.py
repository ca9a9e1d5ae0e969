"""A run of any length fits into the same memory: samples stream through, and results go to disk."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import resource, sys
from pathlib import Path
from judge.engine.scripted import ScriptedEngine
from tests.batch_harness import met, run, samples
class Forgetful(list):
    def append(self, item): pass
def data(count):
    for i in range(count):
        yield samples(1)[0].__class__.of(f"What is {i}?", f"It is {i}. " + "More words. " * 50, id=str(i), group=str(i // 8))
engine = ScriptedEngine(met)
engine.requests = Forgetful()
import asyncio
from judge.batch.run import run_batch
from judge.pipeline.build import plan
from judge.settings import load_settings
from tests.batch_harness import SETTINGS
policy = {"on_no_verdict": "group_mean", "rubric": {"criteria": [{"id": "right", "text": "Right."}]}}
loaded, _ = load_settings(SETTINGS | policy)
asyncio.run(run_batch(plan(loaded), data(int(sys.argv[1])), Path(sys.argv[2]), engine=engine, quiet=True))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _peak_mib(count, folder):
    command = [sys.executable, "-c", SCRIPT, str(count), str(folder)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_does_not_grow_with_the_data(tmp_path):
    """Ten thousand samples more take at most 14 MiB more at the peak."""
    small = _peak_mib(2_000, tmp_path / "small")
    large = _peak_mib(12_000, tmp_path / "large")
    print(f"peak {small} MiB for 2,000 samples, {large} MiB for 12,000")
    assert large - small <= 14
