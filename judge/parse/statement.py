"""One statement of a verdict as it stands in a reply, before anybody asks whether it is usable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_STATEMENTS = 1000  # above this a reply is a loop, and no single statement of it is its verdict


@dataclass(frozen=True, slots=True)
class Statement:
    """Where a statement stands, and its words.

    Attributes:
        start: Position of its first character.
        value_at: Position of its value.
        raw: The words of the value; for JSON the decoded value.
        key: Criterion id (`criteria` in line form), else empty.
        soft: Only a guess (a heading with the value on the next line): dropped when its words are no value.
        alone: It begins its line.
        siblings: Other members of the same JSON object, in order.
    """

    start: int
    value_at: int
    raw: Any
    key: str = ""
    soft: bool = False
    alone: bool = True
    siblings: tuple[tuple[str, Any], ...] = ()
