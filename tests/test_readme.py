"""What the README promises works when pasted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from judge.settings import load_settings
from judge.yamlfile import parse_yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found


def test_settings_blocks_are_valid():
    """The YAML a reader copies is accepted."""
    for text in blocks("yaml"):
        load_settings(parse_yaml(text, "README.md").data)


def test_documents_it_links_to_exist():
    """No dead link."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code):
    """The Python a reader pastes runs as a plain script, without a main guard."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "opener_only" in run.stdout


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_console_commands_run():
    """The commands shown, and the second run of a batch, which asks nothing."""
    [command] = [line for text in blocks("console") for line in re.findall(r"^\$ (judge one .*)$", text, re.MULTILINE)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=500, check=False, env={**os.environ, "PATH": path}
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.search(r"^reward 0\.\d+ +\(.* of 24 weight\)$|^reward 0", run.stdout, re.MULTILINE)
