"""Blocks of a documentation page: files that a reader writes, and commands with what they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cli_harness import run_judge

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_BLOCK = re.compile(r'(<!-- run(?:: (\d))? -->\n)?^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: As the fence says.
        file: Name of the file that it is, or empty.
        text: Between the fences.
        marked: `<!-- run -->` stands in front of it.
        code: Exit code that its commands end with (`<!-- run: 3 -->`).
    """

    language: str
    file: str
    text: str
    marked: bool
    code: int


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for marker, code, language, file, text in _BLOCK.findall(page):
        yield Block(language, file, text, bool(marker), int(code or 0))


def run_blocks(page: str, folder: Path, *, marked: bool, inside: bool) -> int:
    """Do what a page says, in a folder: write its files, run its commands, compare what they print.

    Args:
        marked: Run only blocks with a `<!-- run -->` before them; else every console block.
        inside: Run `judge` in this process, which saves a second for each command; vLLM wants one of its own.

    Returns:
        How many commands ran.
    """
    count = 0
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console" and (block.marked or not marked):
            for command, shown in _COMMAND.findall(block.text):
                count += 1
                here = inside and command.startswith("judge ")
                code, said = _in_this_process(command) if here else _in_a_shell(command, folder)
                assert code == block.code, f"$ {command}\nended with {code}\n{said[-3000:]}"
                assert matches(shown, said), f"$ {command}\n{said[-3000:]}"
    return count


def _in_this_process(command: str) -> tuple[int, str]:
    ended = run_judge(*shlex.split(command)[1:])
    return ended.code, ended.out if ended.code == 0 else ended.err


def _in_a_shell(command: str, folder: Path) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=quiet, capture_output=True, text=True, timeout=1200, check=False
    )
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def matches(shown: str, said: str) -> bool:
    """Is this what was printed? A line `[...]` stands for any lines, `[...]` in a line for any text.

    Blank lines are not compared.
    """
    pattern = ""
    for line in filter(str.strip, shown.splitlines()):
        if line.strip() == "[...]":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("[...]")) + r" *\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in said.splitlines() if line.strip())) is not None
