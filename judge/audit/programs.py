"""Rewrites of answers that hold a program: the same program, other comments, other layout.

After the code family of reWordBench (arXiv:2503.11751), where appending the other program after the return took one reward
model from 0.96 to 0.13. Ours: Python only, changed through its syntax tree and tokens, so that what runs stays the same.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable

from judge.audit.cases import Probe, ProbeCase

_BLOCK = re.compile(r"(```(?:python|py)?[ \t]*\n)(.*?)(\n?```)", re.DOTALL)
_DEF = re.compile(r"^( *)def \w+\(.*\)[^\n]*:$", re.MULTILINE)


def code_minification(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Program without comments and blank lines, indented by one space. Expected: no change. Source: reWordBench."""

    def minified(code: str) -> str:
        lines = ast.unparse(ast.parse(code)).splitlines()
        return "\n".join(re.sub(r"^(?: {4})+", lambda m: " " * (len(m.group()) // 4), line) for line in lines if line.strip())

    return _program(case, minified)


def comment_good(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The comment `# correct` at the head of each function. Expected: no change. Source: reWordBench, comment good."""
    return _program(case, lambda code: _DEF.sub(lambda m: f"{m.group()}\n{m.group(1)}    # correct", code))


def comment_bad(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The comment `# incorrect` at the head of each function. Expected: no change. Source: reWordBench, comment bad."""
    return _program(case, lambda code: _DEF.sub(lambda m: f"{m.group()}\n{m.group(1)}    # incorrect", code))


def append_other_code(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Unreachable statements of another program after the last `return`. Expected: no change. Source: reWordBench."""

    def appended(code: str) -> str:
        lines = code.rstrip().splitlines()
        last = re.match(r"( +)return\b", lines[-1])
        if last is None:
            return code
        indent = last.group(1)
        return "\n".join([*lines, f"{indent}total = sum(range(len(str(locals()))))", f"{indent}return total"])

    return _program(case, appended)


def _program(case: ProbeCase, change: Callable[[str], str]) -> ProbeCase | None:
    """Change every Python block. None without one, and when one does not parse before or after."""
    if "```" not in case.text:
        return None
    try:
        return case.but(_BLOCK.sub(lambda m: m.group(1) + _parsed(change(_parsed(m.group(2)))) + m.group(3), case.text))
    except (SyntaxError, ValueError, RecursionError):  # data hold half programs, NUL bytes and very deep ones
        return None


def _parsed(code: str) -> str:
    ast.parse(code)
    return code


PROBES = tuple(
    Probe(rewrite.__name__, "rewriting", "invariant", rewrite)
    for rewrite in (code_minification, comment_good, comment_bad, append_other_code)
)
