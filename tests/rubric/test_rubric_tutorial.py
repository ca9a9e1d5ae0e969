"""docs/rubric_tutorial.md: every block is run, in its order, in an empty folder, and prints what the page shows."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.cli_harness import judge  # noqa: F401  # a fixture

DOC = Path(__file__).parents[2] / "docs" / "rubric_tutorial.md"
KINDS = {"python", "yaml", "bash", "text"}


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```$", DOC.read_text(encoding="utf-8"), re.S | re.M)


def plain(text: str) -> list[str]:
    """Lines without the spaces that a table fills up with."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.slow
def test_every_block_runs_and_prints_what_the_page_shows(judge, tmp_path):  # noqa: F811
    """A tutorial that stops at its fourth block is worse than none."""
    names: dict[str, object] = {}
    printed = ""
    seen = set()
    for kind, body in blocks():
        seen.add(kind)
        if kind == "text":
            missing = [line for line in plain(body) if line not in plain(printed)]
            assert not missing, f"{missing}\nwas printed:\n{printed}"
        elif kind == "yaml":
            (tmp_path / body.splitlines()[0].lstrip("# ")).write_text(body)
        elif kind == "python":
            with redirect_stdout(out := io.StringIO()):
                exec(compile(body, str(DOC), "exec"), names)
            printed = out.getvalue()
        else:
            ended = [judge(*shlex.split(line)[1:]) for line in body.splitlines()]
            assert all(e.code in (0, 1) for e in ended), [e.err for e in ended]
            assert all(e.code == 0 or " diff " in line for e, line in zip(ended, body.splitlines(), strict=True))
            printed = "\n".join(e.out for e in ended)
    assert seen == KINDS
