"""Which calls of a run are about which response: by the row of the data, or by the group that several rows make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from judge.types import Reason

Unit = int | str  # a row of the data, or the name of a group


class CallPlaces:
    """Where each response stands in the `order` of the calls about it.

    In a run with `group`, rows of one response that have one group are judged together: `order` then holds places in the group,
    counted over its rows in the order of the data, and a call stands in the file with one of these rows only.

    Args:
        responses: Records of `rewards` in the order of the file, with `row`, `response_index`, `group` and `reason`.
        grouped: Whether the run's settings have `group`.

    Example:
        >>> rows = [{"row": r, "response_index": 0, "group": "q", "reason": None} for r in (3, 4)]
        >>> CallPlaces(rows, grouped=True).of(4, 0), CallPlaces(rows, grouped=False).of(4, 0)
        (('q', 1), (4, 0))
    """

    def __init__(self, responses: Iterable[Mapping[str, Any]], *, grouped: bool) -> None:
        self._at: dict[int, tuple[Unit, int]] = {}
        if not grouped:
            return
        valid = [r for r in responses if r["reason"] != Reason.INVALID]  # a row that could not be read is in no group
        sizes, members = Counter(r["row"] for r in valid), Counter[str]()
        for one in valid:
            if sizes[one["row"]] == 1:
                self._at[one["row"]] = (one["group"], members[one["group"]])
                members[one["group"]] += 1

    def unit(self, row: int) -> Unit:
        """What the calls of a row are about: its group, or the row itself."""
        return self._at[row][0] if row in self._at else row

    def of(self, row: int, response_index: int) -> tuple[Unit, int]:
        """Unit and place of a response."""
        return self._at.get(row, (row, response_index))
