"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The collection of real judge data: `JUDGE_DATA_DIR`, or `../shared/data` beside the repository."""
    for place in (os.environ.get("JUDGE_DATA_DIR"), ROOT.parent / "shared" / "data"):
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("no data collection: set JUDGE_DATA_DIR to run this")
