"""A written protocol against the right one, component by component: how many steps, which actions in which order, with what.

Both are JSON lists of steps, `{"action": "centrifuge", "objects": ["lysate"], "parameters": ["12,000 g", "10 min"]}`: the
reference as it stands, the response's between `<key>` tags, in a code fence, or as its whole text. Nothing else is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.types import NoVerdict, Reason, Sample

MOST_STEPS = 256
_KEYED = re.compile(r"<key>(.*?)</key>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n```", re.DOTALL)
_WORD = re.compile(r"\w++(?:[.,]\d++)*+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class ProtocolStep:
    """One step: its action in lower case, and the words of its objects and parameters."""

    action: str
    details: frozenset[str]


def protocol_score(sample: Sample, index: int, args: Mapping[str, Any]) -> Mapping[str, float | None] | NoVerdict | None:
    """Thoth's reward by components (arXiv:2510.15600): granularity, order and fidelity of the steps; the mean of the three.

    The components are the paper's; the formulas are ours. Granularity is 1 minus the difference in the number of steps over the
    reference's number; order, the longest common run of actions (gaps allowed) over the larger number of steps; fidelity, the
    Jaccard similarity of what the steps of that run are done with. A response whose steps cannot be read has 0 in all three.

    Returns:
        `overall`, `granularity`, `order`, `fidelity` in [0, 1]; None without a reference; a `NoVerdict` where it is no protocol.
    """
    if sample.reference is None:
        return None
    references = [steps_of(text) for text in sample.reference]
    known = [steps for steps in references if steps]
    if not known:
        return NoVerdict(Reason.CHECK_ERROR, "the reference is no JSON list of steps with an `action` each")
    found = written_steps(sample.texts[index])
    if not found:
        return {"overall": 0.0, "granularity": 0.0, "order": 0.0, "fidelity": 0.0}
    return max((_compared(found, right) for right in known), key=lambda parts: parts["overall"])


def written_steps(text: str) -> tuple[ProtocolStep, ...]:
    """The steps of a response; none where it holds no list of them. The last list counts."""
    for pattern in (_KEYED, _FENCED):
        blocks = pattern.findall(text)
        if blocks:
            return steps_of(blocks[-1])
    return steps_of(text)


def steps_of(text: str) -> tuple[ProtocolStep, ...]:
    """The steps of a JSON list, or of one object a line; empty where it is neither.

    Example:
        >>> steps_of('[{"action": "Mix", "objects": ["A", "B"], "parameters": ["5 min"]}]')[0].action
        'mix'
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        try:
            data = [json.loads(line.strip().rstrip(",")) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return ()
    steps = data if isinstance(data, list) else [data]
    if len(steps) > MOST_STEPS or not all(isinstance(s, dict) and isinstance(s.get("action"), str) for s in steps):
        return ()
    return tuple(ProtocolStep(" ".join(s["action"].casefold().split()), _details(s)) for s in steps)


def _details(step: Mapping[str, Any]) -> frozenset[str]:
    """The words of a step's objects and parameters, whether they are a text, a list or a mapping."""
    given = [step.get("objects"), step.get("parameters")]
    return frozenset(_WORD.findall(json.dumps([g for g in given if g], ensure_ascii=False).casefold()))


def _compared(found: Sequence[ProtocolStep], right: Sequence[ProtocolStep]) -> dict[str, float]:
    granularity = max(0.0, 1 - abs(len(found) - len(right)) / len(right))
    length, alike = _common(found, right)
    most = max(len(found), len(right))
    order, fidelity = length / most, alike / most
    return {"overall": (granularity + order + fidelity) / 3, "granularity": granularity, "order": order, "fidelity": fidelity}


def _alike(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0


def _common(found: Sequence[ProtocolStep], right: Sequence[ProtocolStep]) -> tuple[int, float]:
    """Length of the longest common subsequence of actions, and the similarity of its steps: of several, the most alike."""
    row: list[tuple[int, float]] = [(0, 0.0)] * (len(right) + 1)
    for step in found:
        above, row = row, [(0, 0.0)]
        for j, wanted in enumerate(right):
            best = max(above[j + 1], row[j])
            if step.action == wanted.action:
                length, alike = above[j]
                best = max(best, (length + 1, alike + _alike(step.details, wanted.details)))
            row.append(best)
    return row[-1]
