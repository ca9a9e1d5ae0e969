"""Tool calls of a response against those that are right: names, arguments and their order, with partial credit.

What is expected stands in the sample's reference: a JSON list of `{"name": ..., "arguments": {...}}` (one object stands for a
list of one, and `[]` for "no call"). Of several references the one that fits best counts. The response's calls are those of its
messages, or the JSON between `<tool_call>` tags of its text. A call whose arguments are no JSON object is a call with none of
them right.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from judge.arrays import Floats
from judge.types import NoVerdict, Reason, Sample, ToolCallPart

MOST_CALLS = 64
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CalledTool:
    """One call. `arguments` is None where it is no JSON object."""

    name: str
    arguments: Mapping[str, Any] | None


def tool_calls(sample: Sample, index: int) -> list[CalledTool]:
    """The calls of a response, in order."""
    response = sample.responses[index]
    if isinstance(response, str):
        return [call for text in _TAGGED.findall(response) for call in _written(text)][:MOST_CALLS]
    parts = [p for m in response if m.role == "assistant" for p in m.parts]
    called = [CalledTool(p.name, _object(p.arguments)) for p in parts if isinstance(p, ToolCallPart)]
    text = "\n".join(p.text for p in parts if not isinstance(p, ToolCallPart))
    return (called or [call for found in _TAGGED.findall(text) for call in _written(found)])[:MOST_CALLS]


def _written(text: str) -> list[CalledTool]:
    """One or more calls written as JSON, one a line or in a list; what is no call is one without a name."""
    try:
        found = [json.loads(text)]
    except (ValueError, RecursionError):
        found = [_loaded(line) for line in text.splitlines() if line.strip()]
    flat = [each for one in found for each in (one if isinstance(one, list) else [one])]
    return [
        CalledTool(str(c["name"]), _object(c.get("arguments", c.get("parameters", {}))))
        if isinstance(c, dict) and isinstance(c.get("name"), str)
        else CalledTool("", None)
        for c in flat
    ]


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> Mapping[str, Any] | None:
    value = _loaded(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else None


def expected_calls(reference: str) -> list[CalledTool]:
    """The calls that a reference lists. Raises `ValueError` where it is no list of calls."""
    found = _loaded(reference)
    calls = found if isinstance(found, list) else [found]
    if any(not isinstance(c, dict) or not isinstance(c.get("name"), str) for c in calls):
        raise ValueError('the reference must be a JSON list of {"name": ..., "arguments": {...}}')
    return [CalledTool(c["name"], _object(c.get("arguments", c.get("parameters", {}))) or {}) for c in calls]


def match_credit(found: Sequence[CalledTool], wanted: Sequence[CalledTool]) -> float:
    """ToolRL's correctness reward, in [0, 1].

    "ToolRL: Reward is All Tool Learning Needs" (arXiv:2504.13958, section 3.3): r_name is the Jaccard similarity of the names;
    for each expected call, r_param the Jaccard similarity of the argument names and r_value the number of equal values, under
    the best assignment of calls; their sum is divided by its most, 1 + calls + arguments. The paper spreads it over [-3, 3].

    Example:
        >>> call = CalledTool("add", {"a": 1, "b": 2})
        >>> match_credit([CalledTool("add", {"a": 1, "b": 3})], [call])  # (1 + 1 + 1) of 1 + 1 + 2
        0.75
    """
    if not wanted:
        return float(not found)
    credit = np.zeros((len(found), len(wanted)))
    for i, call in enumerate(found):
        for j, right in enumerate(wanted):
            if call.name == right.name:
                credit[i, j] = sum(_arguments(call, right))
    most = 1 + len(wanted) + sum(len(c.arguments or {}) for c in wanted)
    return (_names(found, wanted) + _assigned(credit)) / most


def _arguments(call: CalledTool, right: CalledTool) -> tuple[float, float]:
    """Jaccard similarity of the argument names, and how many values are equal."""
    if call.arguments is None:
        return 0.0, 0.0
    given, wanted = call.arguments, right.arguments or {}
    names = len(given.keys() & wanted.keys()) / len(given.keys() | wanted.keys()) if given or wanted else 1.0
    return names, float(sum(_equal(given[k], wanted[k]) for k in given.keys() & wanted.keys()))


def _equal(first: Any, second: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, true and 1 are not."""
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    if isinstance(first, str) and isinstance(second, str):
        return first.strip() == second.strip()
    return bool(first == second)


def _names(found: Sequence[CalledTool], wanted: Sequence[CalledTool]) -> float:
    first, second = {c.name for c in found}, {c.name for c in wanted}
    return len(first & second) / len(first | second) if first | second else 1.0


def toolrl(sample: Sample, index: int, args: Mapping[str, Any]) -> Mapping[str, float | None] | NoVerdict | None:
    """ToolRL's reward: format 0 or 1, correctness spread over [-3, 3], and their sum brought into [0, 1] (arXiv:2504.13958).

    The format is right where every call of the response can be read, and, with `think: true`, its text opens with a thinking
    block.
    """
    wanted = _wanted(sample)
    if wanted is None or isinstance(wanted, NoVerdict):
        return wanted
    found = tool_calls(sample, index)
    text = sample.shown[index].lstrip()
    readable = all(c.name and c.arguments is not None for c in found)
    formed = float(readable and (args.get("think") is not True or text.startswith(("<think>", "[THINK]"))))
    right = max(match_credit(found, each) for each in wanted)
    return {"overall": (formed + 6 * right) / 7, "format": formed, "correct": right}


def calls_match(sample: Sample, index: int, args: Mapping[str, Any]) -> Mapping[str, float | None] | NoVerdict | None:
    """Which tools are called, with which arguments, in which order; `overall` is the mean (`exact: true`: 1 for all, else 0)."""
    wanted = _wanted(sample)
    if wanted is None or isinstance(wanted, NoVerdict):
        return wanted
    found = tool_calls(sample, index)
    parts = max((_parts(found, each) for each in wanted), key=lambda p: sum(p.values()))
    mean = sum(parts.values()) / len(parts)
    return {"overall": float(mean == 1) if args.get("exact") is True else mean, **parts}


def _parts(found: Sequence[CalledTool], wanted: Sequence[CalledTool]) -> dict[str, float]:
    if not wanted or not found:
        same = float(not wanted and not found)
        return {"names": same, "arguments": same, "order": same}
    first, second = Counter(c.name for c in found), Counter(c.name for c in wanted)
    names = (first & second).total() / max(first.total(), second.total())
    credit = np.array([[_share(c, w) if c.name == w.name else 0.0 for w in wanted] for c in found])
    order = _common([c.name for c in found], [c.name for c in wanted]) / max(len(found), len(wanted))
    return {"names": names, "arguments": _assigned(credit) / max(len(found), len(wanted)), "order": order}


def _assigned(credit: Floats) -> float:
    """The most credit that calls have, each set against one expected call."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  # half a second that a judge at work need not pay

    rows, columns = linear_sum_assignment(credit, maximize=True)
    return float(credit[rows, columns].sum())


def _share(call: CalledTool, right: CalledTool) -> float:
    """Share of the arguments, of either call, that are the same in both."""
    given, wanted = call.arguments, right.arguments or {}
    if given is None:
        return 0.0
    every = given.keys() | wanted.keys()
    return sum(_equal(given[k], wanted[k]) for k in given.keys() & wanted.keys()) / len(every) if every else 1.0


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for one in first:
        before = 0
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], before + 1 if one == other else max(row[j], row[j - 1])
    return row[-1]


def _wanted(sample: Sample) -> list[list[CalledTool]] | NoVerdict | None:
    try:
        return [expected_calls(reference) for reference in sample.reference] if sample.reference else None
    except ValueError as why:
        return NoVerdict(Reason.CHECK_ERROR, str(why))
