"""Base classes of frameworks: an adapter that derives from one can be imported where its framework is not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def base_of(path: str) -> Any:
    """The class that `package.module.Name` names; `object` where its package is not installed, so that only making one fails.

    A package that is there and broken raises what it raises.

    Example:
        >>> base_of("collections.abc.Mapping").__name__, base_of("no_such_framework.envs.Env") is object
        ('Mapping', True)
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        if missing.name != path.partition(".")[0]:
            raise
        return object
