"""A user's own function or object, named `package.module:name` in a file or on a command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from judge.errors import JudgeError


def imported(path: str, failed: Callable[[str], JudgeError]) -> Any:
    """What `package.module:name` names.

    Args:
        failed: Makes the error that is raised when it cannot be imported, from words that go on after the path.

    Raises:
        JudgeError: The one that `failed` makes.

    Example:
        >>> imported("math:sqrt", JudgeError)(9.0)
        3.0
        >>> imported("math:cube", JudgeError)
        Traceback (most recent call last):
        judge.errors.JudgeError: cannot be imported: module 'math' has no attribute 'cube'
    """
    module, _, name = path.partition(":")
    if not (module and name):
        raise failed("is not of the form `package.module:name`")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as why:
        raise failed(f"cannot be imported: {why}") from None
