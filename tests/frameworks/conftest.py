"""The doors under the frameworks' own code, at exact versions. `scripts/frameworks.sh NAME` installs one and runs its tests here.

Elsewhere nothing of this folder is collected: the frameworks do not fit into one environment.
"""

from __future__ import annotations

import os

from tests.adapters.conftest import endpoint, run_file  # noqa: F401  # fixtures

collect_ignore_glob = [] if os.environ.get("JUDGE_FRAMEWORK") else ["*.py"]
