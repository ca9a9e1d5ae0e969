"""The tables of a run folder as files: one file once the run has ended, finished parts in a folder of its name while it goes."""

from __future__ import annotations

from pathlib import Path


def table_files(folder: Path, name: str) -> list[Path]:
    """The files that hold a table, in the order of the data; none where there is no such table yet.

    Parts are taken away when a run ends, so where there are some, they are what is judged so far, and a whole file beside them
    is of an earlier run.

    Args:
        name: `rewards` or `verdicts`.
    """
    whole = folder / f"{name}.parquet"
    return sorted((folder / name).glob("part-*.parquet")) or ([whole] if whole.is_file() else [])
