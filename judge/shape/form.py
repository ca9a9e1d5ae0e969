"""Is the response in the form that was asked for? Yes, no, or None when that cannot be told.

Checks look at form only, by walking the text: a pattern over an untrusted text of any length can take for ever. One of your own
is `package.module:name`, a function from the text to true, false or None.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from judge.errors import SettingsError, did_you_mean
from judge.imported import imported
from judge.rubric.model import Frozen
from judge.shape.batch import Finite, Stage, StepKind, Stepped, always, fails_lowest, sees_one


class FormatStep(Frozen):
    """A response in the wrong form gets `failed` instead of its reward.

    Attributes:
        formats: `boxed`, `think`, `answer`, `json`, or `package.module:name` of a function text -> true, false or None (unclear).
        failed: Reward of a response in the wrong form.
    """

    kind: Literal["format"] = "format"
    formats: tuple[str, ...] = Field(min_length=1, max_length=32)
    failed: Finite = 0.0


FormatCheck = Callable[[str], bool | None]


def boxed(text: str) -> bool:
    r"""The last \boxed{...} is closed and holds something.

    Example:
        >>> boxed(r"so \boxed{\frac{1}{2}}"), boxed(r"so \boxed{ }"), boxed(r"so \boxed{1")
        (True, False, False)
    """
    _, found, rest = text.rpartition("\\boxed{")
    depth = 1
    for position, char in enumerate(rest if found else ""):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return bool(rest[:position].strip())
    return False


def think(text: str) -> bool:
    """One <think> block, at the very start, followed by an answer outside of it. A chat template may have opened the block.

    Example:
        >>> think("<think>hm</think>4"), think("hm</think>4"), think("<think>hm</think>"), think("4 <think>hm</think> 5")
        (True, True, False, False)
    """
    inside, closed, answer = text.lstrip().removeprefix("<think>").partition("</think>")
    alone = "<think>" not in inside and "<think>" not in answer and "</think>" not in answer
    return bool(closed) and alone and bool(inside.strip()) and bool(answer.strip())


def answer(text: str) -> bool:
    """Exactly one <answer> block with something in it, and nothing after it.

    Example:
        >>> answer("so <answer>4</answer>"), answer("<answer>4</answer><answer>5</answer>")
        (True, False)
    """
    if text.count("<answer>") != 1 or text.count("</answer>") != 1 or not text.rstrip().endswith("</answer>"):
        return False
    return bool(text.partition("<answer>")[2].partition("</answer>")[0].strip())


def json_value(text: str) -> bool:
    """One JSON value, alone or in one code fence. NaN and Infinity are not JSON.

    Example:
        >>> json_value('{"a": 1}'), json_value("{'a': 1}"), json_value("NaN")
        (True, False, False)
    """
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body.removesuffix("```").partition("\n")[2]
    try:
        json.loads(body, parse_constant=_no_constant, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


FORMATS: dict[str, FormatCheck] = {"boxed": boxed, "think": think, "answer": answer, "json": json_value}


def find_format(name: str) -> FormatCheck:
    """A format check by name, or a function by `package.module:name`.

    Raises:
        SettingsError: There is none, or it is no function.
    """
    if name in FORMATS:
        return FORMATS[name]
    if ":" not in name:
        near = did_you_mean(name, FORMATS) or f"; known: {', '.join(FORMATS)}, package.module:name"
        raise SettingsError(f"no format `{name}`{near}")
    found = imported(name, lambda why: SettingsError(f"format `{name}` {why}"))
    if not callable(found):
        raise SettingsError(f"format `{name}` is not a function")
    return found  # type: ignore[no-any-return]  # whatever it returns is looked at below


def passes(formats: tuple[str, ...], text: str) -> tuple[bool | None, str]:
    """Whether a text passes all format checks, or None when none fails and one cannot tell; and which one that was.

    Example:
        >>> passes(("boxed", "json"), "{}")
        (False, 'boxed')
    """
    unknown = ""
    for name in formats:
        try:
            verdict = find_format(name)(text)
        except Exception as why:  # a user's function may raise anything, and one response must not stop the run
            if name in FORMATS or isinstance(why, SettingsError):
                raise
            verdict, name = None, f"{name}: {type(why).__name__}: {why}"  # noqa: PLW2901
        if verdict is None or not isinstance(verdict, bool | np.bool_):
            unknown = unknown or name
        elif not verdict:
            return False, name
    return (None, unknown) if unknown else (True, "")


def _format(step: FormatStep, stage: Stage) -> Stepped:
    """Rewards that format decides train format fastest and hide quality; DeepSeek-R1-Zero has one (arXiv:2501.12948)."""
    out = stage.values.copy()
    failed, unknown = 0, ""
    for row in np.flatnonzero(stage.present):
        verdict, name = passes(step.formats, (stage.batch.texts or ())[row])
        if verdict is None:
            out[row], unknown = out[row] if stage.vetoed[row] else np.nan, unknown or name
        elif not verdict:
            out[row] = step.failed
            failed += 1
    notes = [f"{failed} response(s) are not in the form asked for"] if failed else []
    return Stepped(out, (*notes, f"no reward where a format check cannot tell ({unknown})") if unknown else tuple(notes))


KINDS: dict[str, StepKind] = {
    "format": StepKind(
        _format,
        always("row"),
        lambda s: ("texts",),
        lambda s, span: (min(s.failed, span[0]), max(s.failed, span[1])),
        fails_lowest,
        sees=sees_one,
    ),
}
