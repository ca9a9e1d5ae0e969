"""A judge of hidden qualities for tournaments in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from judge.reward.tournament import Comparison, Tournament, play
from judge.settings.group import GroupSettings


class Scales:
    """Prefers the higher number; ties are 0.5, and the pairs in `silent` have no verdict."""

    def __init__(self, quality: Sequence[float], silent: Callable[[int, int], bool] = lambda i, j: False) -> None:
        self.quality = quality
        self.silent = silent
        self.asked: list[tuple[int, int]] = []

    async def compare(self, i: int, j: int) -> Comparison:
        """Compare two positions."""
        self.asked.append((i, j))
        await asyncio.sleep(0)
        if self.silent(i, j):
            return Comparison(None)
        a, b = self.quality[i], self.quality[j]
        return Comparison(0.5 if a == b else float(a > b))


def run(scales: Scales, keys: Sequence[str] | None = None, **fields: object) -> Tournament:
    """Play with settings given as fields; `seed`, `prior` and `lost` go to `play`."""
    names = keys if keys is not None else [f"response {q}" for q in range(len(scales.quality))]
    extra = {k: fields.pop(k) for k in ("seed", "prior", "lost", "single_order") if k in fields}
    return asyncio.run(play(names, scales.compare, GroupSettings.model_validate(fields), **extra))  # type: ignore[arg-type]
