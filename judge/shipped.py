"""Where this installation came from: its rubrics, recipes and attack strings, and the command that adds an extra to it.

- They lie beside the package in a clone, inside it in a wheel. The wheel's copy is looked for first: a site-packages folder may
  hold a stranger's `rubrics` next to `judge`.
- The project is on no package index, so a command that installs more of it names the clone or the repository it came from.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any, Literal

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
    if beside.is_dir() and _in_a_clone():
        return beside
    raise InputError(f"the shipped {kind} are missing (looked for {inside} and {beside}); install the package again")


def install_command(extra: str) -> str:
    """The command that installs an optional extra of this project, to paste.

    Example:
        >>> install_command("serve").startswith("pip install ")
        True
    """
    if _in_a_clone():
        return f"pip install -e '{_PACKAGE.parent}[{extra}]'"
    noted = _origin()
    if "url" not in noted:
        return f"pip install '.[{extra}]'   (in a clone of the project)"
    vcs = noted.get("vcs_info")
    url = f"{vcs['vcs']}+{noted['url']}@{vcs['commit_id']}" if vcs else noted["url"]
    return f"pip install 'judge-rewards[{extra}] @ {url}'"


def _in_a_clone() -> bool:
    return (_PACKAGE.parent / "pyproject.toml").is_file()


def _origin() -> dict[str, Any]:
    """What pip noted about where it found this distribution (PEP 610); empty where it noted nothing."""
    try:
        noted = importlib.metadata.distribution("judge-rewards").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return {}
    return dict(json.loads(noted)) if noted else {}
