"""The adapters under the frameworks' own code, at exact versions. `scripts/frameworks.sh NAME` installs one and runs its tests.

Elsewhere nothing of this folder is collected: the frameworks do not fit into one environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.adapters._shared.process_judge import close_shared
from tests.adapters.conftest import endpoint, env, run_file  # noqa: F401  # fixtures
from tests.client.harness import KEY

collect_ignore_glob = [] if os.environ.get("JUDGE_FRAMEWORK") else ["*.py"]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """verl: the judge comes from the settings alone, and what a test started ends with it."""
    from tests.frameworks import verl_cluster

    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    yield
    verl_cluster.end()
    close_shared()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """verl: the folder of a policy that nothing loads."""
    from tests.frameworks.verl_run import policy_folder

    return policy_folder(tmp_path_factory.mktemp("model"))
