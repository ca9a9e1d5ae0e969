"""The examples of each framework: their run files pass the preflight, their scripts at least parse."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli_harness import run_judge

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FRAMEWORKS = {
    "verl": "verl",
    "openrlhf": "openrlhf",
    "ms_swift": "ms-swift",
    "verifiers": "verifiers",
    "axolotl": "axolotl",
    "unsloth": "unsloth",
    "trl_async": "trl-async",
}


@pytest.mark.parametrize("folder", list(FRAMEWORKS))
def test_the_run_file_works_there(folder):
    """Whoever copies it starts from something that is right for this framework."""
    config = str(EXAMPLES / folder / "judge.yaml")
    numbers = ("--num-generations", "8", "--per-device-batch", "8")
    ended = run_judge("preflight", "--framework", FRAMEWORKS[folder], "--config", config, *numbers)
    assert ended.code == 0, ended.out + ended.err


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*/launch*.sh")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_shell_scripts_parse(script):
    """No stray quote; the frameworks themselves are not installed here."""
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize(
    "script", sorted(p for f in FRAMEWORKS for p in (EXAMPLES / f).glob("*.py")), ids=lambda p: p.parent.name
)
def test_python_scripts_parse(script):
    """And each says what it is."""
    assert ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))


def test_axolotl_names_a_function_that_is_there():
    """A dotted path in YAML is checked by nobody else."""
    run = yaml.safe_load((EXAMPLES / "axolotl" / "run.yaml").read_text())
    assert run["trl"]["reward_funcs"] == ["judge.adapters.axolotl.reward"]
