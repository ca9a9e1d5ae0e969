"""`judge cache`: what a cache folder holds, and making it smaller."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from judge.cli.options import WholeLines
from judge.pipeline.cache import prune_folder
from judge.pipeline.cache import stats as stats_of

app = typer.Typer(cls=WholeLines, no_args_is_help=True, help="Look into the folder that `cache: DIR` names, or make it smaller.")
Folder = Annotated[Path, typer.Argument(help="The cache folder.", metavar="DIR")]


@app.command("stats")
def stats(folder: Folder) -> None:
    """Print how many replies a cache folder holds, their size and their age.

    \b
    Examples:
      judge cache stats ~/.cache/judge

    Exit codes: 0 done, 4 no cache folder, or it cannot be read.
    """
    found = stats_of(folder)
    print(f"{found.replies:,} replies, {found.bytes / 1e6:,.1f} MB")
    print(f"{found.prompt_tokens:,} prompt tokens and {found.completion_tokens:,} completion tokens that need not be paid again")
    for what, at in (("oldest", found.oldest), ("newest", found.newest)):
        if at is not None:
            print(f"{what} {time.strftime('%Y-%m-%d %H:%M', time.localtime(at))}")


@app.command("prune")
def prune(
    folder: Folder,
    max_mb: Annotated[float, typer.Option("--max-mb", help="Keep at most this much, in megabytes.", metavar="MB", min=0)],
) -> None:
    """Delete the oldest replies until the rest fits.

    \b
    Examples:
      judge cache prune ~/.cache/judge --max-mb 1000
      judge cache prune ~/.cache/judge --max-mb 0

    Exit codes: 0 done, 2 wrong arguments, 4 no cache folder, or it cannot be written.
    """
    gone = prune_folder(folder, max_mb)
    print(f"{gone:,} replies deleted, {stats_of(folder).replies:,} left")
