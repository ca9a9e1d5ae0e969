"""Hostile code in a process of its own: what it may take is limited, and it is ended when it takes longer.

The process has a limit on memory, processor time, file size and processes, writes only in a folder that is deleted behind it, and
has no network where the kernel allows that; its output is cut. Callers wait in a thread, never on an event loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "error", "timeout", "memory", "output", "killed"]
_MAIN = Path(__file__).with_name("child_main.py")
_ROOM = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))  # more at once would only make each other late
START_S = 1.0  # seconds for the start of Python, besides the code's own
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take: seconds of wall-clock time, megabytes of memory, characters of output."""

    seconds: float = 5.0
    memory_mb: int = 512
    output_chars: int = 4_000


@dataclass(frozen=True, slots=True)
class Ran:
    """How code ended.

    Attributes:
        status: `ok`; `error`: it raised, `output` ends with the exception; `timeout`; `memory`; `output`: it wrote more than is
            kept, and was ended; `killed`: by the system.
        output: What it printed, and the exception where it raised one.
    """

    status: Status
    output: str = ""

    @property
    def told(self) -> str:
        """The result in words, for whoever called the tool."""
        said = {
            "timeout": "it did not end in time and was stopped",
            "memory": "it took more memory than it may have",
            "output": "it printed more than is kept, and was stopped",
            "killed": "it was ended by the system",
        }.get(self.status)
        text = self.output.rstrip()
        return f"{text}\n({said})".lstrip() if said else text or "(nothing was printed)"


def run_limited(code: str, data: Any = None, limits: Limits = Limits(), *, sqlite: bool = False) -> Ran:  # frozen
    """Run Python code in a limited process; blocks until it has ended. Never raises for what the code does.

    Args:
        data: JSON value that the code finds as the variable `DATA`.
        sqlite: The code is ours and may use that module, which can write files.

    Example:
        >>> run_limited("print(sum(DATA))", [1, 2])
        Ran(status='ok', output='3\\n')
        >>> run_limited("1 / 0").output
        'ZeroDivisionError: division by zero (line 1)\\n'
    """
    with _ROOM, tempfile.TemporaryDirectory(prefix="judge-") as folder:
        job = {"code": code, "data": data, "memory": limits.memory_mb << 20, "seconds": limits.seconds, "folder": folder}
        job["sqlite"] = sqlite
        process = subprocess.Popen(  # noqa: S603  # this Python, and a file of this package
            [sys.executable, "-I", str(_MAIN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        try:
            status, output = _talk(process, json.dumps(job).encode("utf-8", "surrogatepass"), limits)
        finally:
            _end(process)
        return Ran(status or _status(process.returncode, output), output)


def _talk(process: subprocess.Popen[bytes], job: bytes, limits: Limits) -> tuple[Status | None, str]:
    """Send the job and read what is printed; a status where the process has to be ended."""
    assert process.stdin is not None  # noqa: S101  # pipes were asked for
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job)
        process.stdin.close()
    until = time.monotonic() + limits.seconds + START_S
    waiting = select.poll()  # `select` knows no file beyond 1,024
    waiting.register(process.stdout, select.POLLIN | select.POLLHUP)
    found = b""
    while True:
        if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
            return "timeout", _cut(found, limits)
        part = os.read(process.stdout.fileno(), _CHUNK)
        if not part:
            break
        found += part
        if len(found) > 4 * limits.output_chars + _CHUNK:
            return "output", _cut(found, limits)
    try:
        process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "timeout", _cut(found, limits)
    return None, _cut(found, limits)


def _cut(raw: bytes, limits: Limits) -> str:
    text, most = raw.decode("utf-8", "replace"), limits.output_chars
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n[... {len(text) - most:,} characters left out here ...]\n{text[-(most - most // 2) :]}"


def _status(code: int | None, output: str) -> Status:
    if code == -signal.SIGXCPU:
        return "timeout"
    if code is not None and code < 0:
        return "killed"
    if code and "MemoryError" in output[-600:]:
        return "memory"
    return "error" if code else "ok"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it has started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
