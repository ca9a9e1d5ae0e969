"""A judge behind an endpoint, for adapters that are made from a run file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from judge.adapters._shared.process_judge import close_shared
from tests.adapters.stand_ins import verdict
from tests.cli_harness import Server

collect_ignore = [] if find_spec("torch") else ["tiny.py"]  # its module is imported in the search for doctests


@pytest.fixture
def endpoint() -> Iterator[Server]:
    """A server that judges as `verdict` says; it closes after the adapter that ask it."""
    with Server() as server:
        server.reply = verdict
        yield server
        close_shared()


@pytest.fixture
def run_file(endpoint: Server, tmp_path: Path) -> Callable[..., str]:
    """Write a run file that asks the endpoint, and return its path."""

    def write(text: str = "recipe: verifier\n", **engine: object) -> str:
        path = tmp_path / "judge.yaml"
        path.write_text(text + endpoint.settings(**engine), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def env(run_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write a run file and name it by JUDGE_CONFIG, for adapters that get nothing else."""
    monkeypatch.delenv("JUDGE_SERVER", raising=False)

    def write(text: str = "recipe: verifier\n") -> None:
        close_shared()  # of the file as it was before
        monkeypatch.setenv("JUDGE_CONFIG", run_file(text))

    return write
