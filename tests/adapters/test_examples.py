"""The examples of each framework: their run files pass the preflight, their scripts at least parse."""

from __future__ import annotations

import ast
import re
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
    "slime": "slime-group",
    "art": "art",
    "skyrl": "skyrl-generator",
    "areal": "areal-workflow",
    "tinker": "tinker",
}
PINS = {"ms_swift": "swift"}  # folder -> tests/frameworks/NAME.txt, where they differ


@pytest.mark.parametrize("folder", list(FRAMEWORKS))
def test_the_run_file_works_there(folder):
    """Whoever copies it starts from something that is right for this framework."""
    config = str(EXAMPLES / folder / "judge.yaml")
    numbers = ("--num-generations", "8", "--per-device-batch", "8")
    ended = run_judge("preflight", config, "--framework", FRAMEWORKS[folder], *numbers)
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


@pytest.mark.parametrize("folder", [*FRAMEWORKS, "trl"])
def test_a_readme_says_first_what_is_needed(folder):
    """Nobody should find out after an hour that a GPU, a cluster or an account is missing."""
    text = (EXAMPLES / folder / "README.md").read_text(encoding="utf-8")
    title, empty, first = text.splitlines()[:3]
    assert title.startswith("# ")
    assert not empty
    assert first.startswith(("Needs ", "Runs end to end on "))
    assert "```console" in text
    assert f"({folder}/README.md)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", list(FRAMEWORKS))
def test_a_readme_names_the_version_that_is_tested(folder):
    """`make test-frameworks` runs the adapter under this version, and under no other."""
    pins = EXAMPLES.parent / "tests" / "frameworks" / f"{PINS.get(folder, folder)}.txt"
    if not pins.exists():
        pytest.skip("no lane of its own")
    [(name, version)] = re.findall(r"^([\w.-]+)==(\S+)$", pins.read_text(encoding="utf-8"), re.MULTILINE)[:1]
    assert f"{name} {version}" in (EXAMPLES / folder / "README.md").read_text(encoding="utf-8")


def test_axolotl_names_a_function_that_is_there():
    """A dotted path in YAML is checked by nobody else."""
    run = yaml.safe_load((EXAMPLES / "axolotl" / "run.yaml").read_text())
    assert run["trl"]["reward_funcs"] == ["judge.adapters.axolotl.reward"]
