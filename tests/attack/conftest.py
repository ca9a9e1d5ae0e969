"""The command line as a user meets it: `judge(...)` runs one command in this process, `endpoint` is a server to ask."""

from __future__ import annotations

from tests.cli_harness import endpoint, judge

__all__ = ["endpoint", "judge"]
