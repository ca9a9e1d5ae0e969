"""Where the shipped rubrics, recipes and attack strings lie: beside the package in a checkout, inside it in a wheel.

The wheel's copy is looked for first: a site-packages folder may hold a stranger's `rubrics` next to `judge`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from judge.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def shipped_dir(kind: Literal["rubrics", "prompts", "attacks"]) -> Path:
    """Folder of the shipped `rubrics`, `prompts` or `attacks`. Raises InputError when the installation lacks it.

    Example:
        >>> shipped_dir("rubrics").name
        'rubrics'
    """
    inside, beside = _PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind
    if inside.is_dir():
        return inside
    if beside.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file():
        return beside
    raise InputError(f"the shipped {kind} are missing (looked for {inside} and {beside}); install the package again")
