"""The errors a person can act on. Everything a user can get wrong raises one of these, and nothing wider is caught.

Each message says where (file and line, or field), what came, and what would do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class JudgeError(Exception):
    """Base of all errors meant for a person. `exit_code` is what the command line returns."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place of a file or of a value."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class InputError(JudgeError):
    """A file, field or argument is wrong; nothing was judged because of it."""

    exit_code = 2

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class SettingsError(InputError):
    """The run settings are wrong."""


class RubricError(InputError):
    """A rubric is wrong."""


class RecipeError(InputError):
    """A recipe folder, or a template in it, is wrong."""


class BadSettings(SettingsError, ValueError):
    """A settings object was made with a value it cannot hold. A `ValueError` too, as for any wrong argument."""


class BadRubric(RubricError, ValueError):
    """A rubric or a part of one was made with a value it cannot hold."""


class BadRecipe(RecipeError, ValueError):
    """A part of a recipe was made with a value it cannot hold."""


class DataError(InputError):
    """A data set cannot be read, or a row of it lacks something the recipe needs."""


class CapabilityError(InputError):
    """The recipe needs something this engine cannot do."""


class EngineError(JudgeError):
    """The engine cannot work at all: no such model, endpoint down, key refused, not installed."""

    exit_code = 3


class EngineDown(EngineError):
    """The engine has stopped working and was waited for in vain: unreachable, key refused, no credit left, its process died."""


class BudgetSpent(EngineError):
    """The sum of `budget` is spent. What was judged is kept; a larger sum goes on."""

    exit_code = 7


class RequestFailed(JudgeError, ValueError):
    """One request that gives a number instead of a completion has failed, and the engine works on.

    `finish_reason` is what the completion of such a request would have had: `over_length`, `timeout`, `content_filter`, `error`.
    """

    def __init__(self, why: str, finish_reason: Literal["over_length", "timeout", "content_filter", "error"] = "error") -> None:
        super().__init__(why)
        self.finish_reason = finish_reason


class OutputError(JudgeError):
    """Results cannot be written (disk full, no permission)."""

    exit_code = 4


class NoVerdictError(JudgeError):
    """A response got no reward and the settings say `on_no_verdict: raise`."""

    exit_code = 5


class MonitorStop(JudgeError):
    """The monitor raised an alarm whose action is `stop`: training on these rewards should end here. `codes` names the alarms."""

    exit_code = 6

    def __init__(self, message: str, codes: tuple[str, ...] = ()) -> None:
        self.codes = codes
        super().__init__(message)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, as the tail of a message; empty when nothing is near.

    Example:
        >>> did_you_mean("wieght", ["weight", "text"])
        '; did you mean `weight`?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""
