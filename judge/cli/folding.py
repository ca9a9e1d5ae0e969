"""Help texts in 80 columns: long example commands go on in a second line, as a shell takes them; prose is wrapped.

Paragraphs that begin with `\\b` are printed as they stand (click's mark), so nobody else would fold their lines.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

WIDTH = 78  # the page is 80 wide, and help is indented by 2
_BREAK = re.compile(r" (?=--|-[a-zA-Z] |\| |&& )")
_COMMAND = re.compile(r"[A-Z_]+=\S|judge |make |python |curl ")


def folded(text: str) -> str:
    r"""A help text with the long lines of its `\b` paragraphs folded.

    Example:
        >>> text = folded("\b\nExamples:\n  judge run my.yaml --data answers.parquet --map prompt=question --output a --limit 10")
        >>> print(text.removeprefix("\b\n"))
        Examples:
          judge run my.yaml --data answers.parquet --map prompt=question --output a \
            --limit 10
    """
    paragraphs = re.split(r"\n[ \t]*\n", text)
    out = []
    for paragraph in paragraphs:
        if paragraph.startswith("\b"):
            paragraph = "\n".join(part for line in paragraph.split("\n") for part in _line(line))  # noqa: PLW2901  # the same one
        out.append(paragraph)
    return "\n\n".join(out)


def fold_help(command: Any) -> None:
    """Fold the help of a command that typer has registered, or of all those of a group."""
    for each in getattr(command, "registered_commands", [command]):
        each.help = folded(inspect.cleandoc(each.help or each.callback.__doc__ or ""))


def _line(line: str) -> Iterator[str]:
    if len(line) <= WIDTH:
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    if not _COMMAND.match(line.lstrip()):
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)
        return
    now, limit = "", WIDTH - len(" \\")
    for part in _BREAK.split(line):
        if now.strip() and len(now) + 1 + len(part) > limit:
            yield f"{now} \\"
            now = f"{indent}  {part}"
        else:
            now = f"{now} {part}" if now else part
    yield now
