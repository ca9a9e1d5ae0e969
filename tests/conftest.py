"""What all tests share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def logging_left_as_found() -> Iterator[None]:
    """A test that silences the project's log would fail another one, far away, in some orders only: it fails here instead."""
    log = logging.getLogger("judge")
    before = (log.level, log.propagate, log.disabled, list(log.handlers))
    yield
    after = (log.level, log.propagate, log.disabled, list(log.handlers))
    log.setLevel(before[0])
    log.propagate, log.disabled, log.handlers = before[1:]
    assert after == before, "this test left the logger `judge` changed (level, propagate, disabled, handlers)"
