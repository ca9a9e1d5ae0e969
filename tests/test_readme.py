"""What the README promises works when pasted."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
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


def commands(name: str) -> list[str]:
    """The console lines that begin with a command, continued ones in one piece."""
    text = "\n".join(blocks("console")).replace("\\\n", " ")
    return re.findall(rf"^\$ ({name} .*)$", text, re.MULTILINE)


def environment() -> dict[str, str]:
    """One where `judge` is found, as after activating .venv."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_a_scripted_run_prints_rewards(tmp_path):
    """Who tries the toolkit sees rewards before any model is fetched, for less than three seconds of one core."""
    [command] = [c for c in commands("judge run") if "scripted" in c]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [*shlex.split(command)[:-1], str(tmp_path / "run")]
    run = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "rewards of 13 responses, mean 0.692" in run.stdout
    assert after.ru_utime - before.ru_utime < 3.0


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_served_and_asked_with_curl():
    """From the start of the server to both replies that the README shows: a minute on two quiet cores."""
    [serve], curls = commands("judge serve"), commands("curl")
    began = time.monotonic()
    server = subprocess.Popen(
        shlex.split(serve), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout.readline().startswith("ready: curl http://127.0.0.1:8421/v1/score ")
        scored, ranked = (
            json.loads(subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=100, check=True).stdout)
            for line in curls
        )
        assert time.monotonic() - began < 300  # the suite beside it takes a core
        assert 0 <= scored["results"][0]["rewards"][0]["reward"] <= 1
        assert ranked["ranking"][0] == 1
        assert ranked["rewards"][0]["reward"] in (None, 0)  # an opener: unproved, or the judge finds no answer
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert server.returncode == 0


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_console_commands_run():
    """The commands shown, and the second run of a batch, which asks nothing."""
    [command] = commands("judge one")
    run = subprocess.run(
        shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=500, check=False, env=environment()
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.search(r"^reward 0\.\d+ +\(.* of 24 weight\)$|^reward 0", run.stdout, re.MULTILINE)
