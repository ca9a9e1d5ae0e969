"""Formulas compared by the library math-verify, in a process of its own that may be killed.

- The library computes, and a formula out of a response may ask for anything: the process has limits (`judge.checks.math_child`),
  is ended when it does not answer, and starts again at the next pair. The caller waits at most `WAIT_S`.
- No signal handler, thread or event loop of the caller is touched; a lock lets threads take turns.
- Started at the first pair that the rules of `judge.checks.match` and `judge.checks.values` leave open: about a second, once.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import logging
import os
import re
import select
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path

from judge.shipped import install_command

LOG = logging.getLogger("judge.checks")
MAX_CHARS = 2_000  # of a reference or an answer; of a longer text the end is read
START_S, WAIT_S = 60.0, 10.0  # seconds
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_RELIABLE = frozenset(
    """
    frac dfrac tfrac cfrac sqrt pi cdot times div pm left right big Big bigg Bigg bigl bigr text mathrm mbox textbf
    mathbf boxed fbox begin end infty cup cap in le leq leqslant ge geq geqslant lt gt ne neq sin cos tan circ degree
    quad qquad displaystyle emptyset varnothing mathbb alpha beta gamma delta theta lambda mu nu rho sigma tau phi
    varphi omega cdots ldots dots setminus
    """.split()
)
_STARTS = 3  # that fail in a row, and no more are tried
_CHILD = Path(__file__).with_name("math_child.py")


class _Ended(Exception):
    """The process could not start, or ended at its hard limit."""


def math_equal(reference: str, *answers: str) -> bool | None:
    """Whether an answer is mathematically the reference, as math-verify decides; in LaTeX or plain notation, words around it.

    Args:
        reference: The right answer. Formulas stand between `$` signs, or the whole text is one.
        answers: The answer in one or more forms (what is boxed; the whole end of the text). The first that can be read decides.

    Returns:
        True: equal. False: different for certain. None: it cannot be told, or not within the limits, or math-verify is not
        installed (said once in the log).

    Example:
        >>> math_equal("$\\\\frac{x+2}{7}$", "$\\\\frac{x}{7}+\\\\frac{2}{7}$"), math_equal("$2$", "$\\\\sqrt{5}$")
        (True, False)
    """
    if not _installed():
        return None
    try:
        same = _asked(reference[:MAX_CHARS], tuple(answer[-MAX_CHARS:] for answer in answers))
    except _Ended:
        return None
    return None if same is False and not (_plain(reference) and _plain(answers[0])) else same


def _plain(text: str) -> bool:
    """Whether the library's reading of a formula can be relied on to tell it from another.

    Not so for logarithms without a base, angles of sines, recurring decimals, and whatever command is not in the list.
    """
    commands = set(_COMMAND.findall(text))
    return commands <= _RELIABLE and not ("circ" in commands and commands & {"sin", "cos", "tan"})


@lru_cache(maxsize=1)
def _installed() -> bool:
    if importlib.util.find_spec("math_verify") is not None:
        return True
    LOG.warning(
        "math-verify is not installed: the checks `final_answer` and `matches_reference` compare numbers and simple formulas"
        " only, and say of other formulas that they cannot tell. To install it: %s",
        install_command("checks"),
    )
    return False


@lru_cache(maxsize=4096)  # a group often has the same answer many times, and a hostile one is paid for once
def _asked(reference: str, answers: tuple[str, ...]) -> bool | None:
    reply = _CHILDREN.ask(json.dumps({"reference": reference, "answers": answers}).encode() + b"\n")
    return {"same": True, "different": False}.get(reply)


class _Child:
    """One process, made at the first question and again after it has ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.failed = 0  # starts in a row

    def ask(self, line: bytes) -> str:
        """The reply to one line. Raises `_Ended` where none comes in time."""
        with self.lock:
            process = self.process or self._start()
            try:
                assert process.stdin is not None  # noqa: S101  # a pipe was asked for
                process.stdin.write(line)
                return self._read(process, WAIT_S)
            except OSError:  # it ended between two questions
                self.end()
                raise _Ended from None

    def _start(self) -> subprocess.Popen[bytes]:
        if self.failed >= _STARTS:
            raise _Ended
        self.failed += 1
        if self.failed == _STARTS:
            LOG.warning(
                "the process that compares formulas does not start (%s %s): formulas are left open", sys.executable, _CHILD
            )
        command = [sys.executable, "-P", str(_CHILD)]
        try:
            self.process = subprocess.Popen(  # noqa: S603  # this Python, and a file of this package
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as why:
            raise _Ended(str(why)) from None
        if self._read(self.process, START_S) != "ready":
            self.end()
            raise _Ended
        self.failed = 0
        return self.process

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> str:
        """One line; ends the process where none comes."""
        assert process.stdout is not None  # noqa: S101  # a pipe was asked for
        until, found = time.monotonic() + seconds, b""
        waiting = select.poll()  # `select` knows no file beyond 1,024, and a server holds more connections than that
        waiting.register(process.stdout, select.POLLIN)
        while not found.endswith(b"\n"):
            ready = waiting.poll(1000 * max(0.0, until - time.monotonic()))
            part = process.stdout.read(64) if ready else b""
            if not part:
                self.end()
                raise _Ended
            found += part
        return found.decode().strip()

    def end(self) -> None:
        """Kill the process, if there is one, and wait for its end."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def forget(self) -> None:
        """In a fork: the process is the parent's; this one starts its own."""
        process, self.process = self.process, None
        self.lock = threading.Lock()
        if process is not None:
            process.returncode = 0  # not ours to wait for
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


_CHILDREN = _Child()
atexit.register(_CHILDREN.end)
os.register_at_fork(after_in_child=_CHILDREN.forget)
