"""One method over all rows, into a folder: the rows' rubrics, and the one rubric of all where the method makes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any

from judge.generators.closing import Closing, Merged
from judge.generators.model import ItemSpec
from judge.generators.pairs import PlacedRow, deciding, mine
from judge.generators.rows import SourceRow
from judge.generators.run import Writer, Written, write_each
from judge.generators.write import FileNames, RubricFolder
from judge.pipeline.evaluate import Unpaid


async def write_rubrics(
    writer: Writer,
    rows: Iterable[SourceRow],
    out: RubricFolder,
    in_flight: int = 512,
    done: Callable[[Written], None] = lambda _: None,
    unpaid: Unpaid | None = None,
) -> Merged | None:
    """Write a rubric for every row into an open folder, and what all rows come to.

    Rows are taken as there is room and written as they end: memory does not grow with their number, except for methods with
    `closing` (their different items) and `mine` (its rows).

    Args:
        done: Called with each result.
        unpaid: Tells whether rows go on once the budget is spent, for those that kept replies answer.

    Returns:
        The one rubric of all rows, or why there is none; None for a method that makes none.

    Raises:
        BudgetSpent: After every row that needs no further call was written (methods that choose among rows: at once).
    """
    spec = writer.generator.spec
    closing = Closing(writer, spec.closing) if spec.closing is not None else None
    names = FileNames()
    stems: dict[int, str] = {}

    def named(source: Iterable[SourceRow]) -> Iterator[SourceRow]:
        for place, row in enumerate(source):
            stems[place] = names.name(place, row.id)
            yield row

    def emit(place: int, _: SourceRow, written: Written) -> None:
        out.add(place, written, stems.pop(place))
        done(written)

    if spec.mine is not None and closing is not None:
        return await mine(writer, named(rows), spec.mine, in_flight, emit, closing)
    if spec.support is not None:
        chosen: list[PlacedRow] = await deciding(writer, named(rows), spec.support, in_flight, emit)
    else:
        chosen = []
    source = (row for _, row in chosen) if spec.support is not None else named(rows)
    async with aclosing(write_each(writer, source, in_flight, unpaid)) as finished:
        async for at, row, written in finished:
            place = chosen[at][0] if spec.support is not None else at
            emit(place, row, written)
            if closing is not None:
                closing.add(place, written)
    if unpaid is not None and unpaid.why is not None:
        raise unpaid.why
    return await closing.finish() if closing is not None else None


def untagged_lines(summary: dict[str, Any], spec: ItemSpec) -> list[str]:
    """What to tell a person about items whose kind or number was not stated, where the method asks for it."""
    untagged, items = summary["counts"]["untagged_items"], summary["counts"]["items"]
    if not untagged or not (spec.tags or spec.weights or spec.points):
        return []
    return [f"{untagged} of {items} items state no kind or number that can be read; those have the default"]


def validation_lines(summary: dict[str, Any]) -> list[str]:
    """What to tell a person about the trial of each rubric on its own pair, out of `generate.json`."""
    found = summary.get("validation")
    if not found:
        return []
    rate = found["reproduced"]
    share = "none judged" if rate is None else f"{rate['rate']:.0%} (95% interval {rate['low']:.0%} to {rate['high']:.0%})"
    return [
        f"each tried on its own pair by `{found['recipe']}`, both orders:",
        f"  label reproduced  {share}",
        f"  prefers chosen {found['kept']}, rejected {found['label_not_reproduced']}, one each {found['orders_disagree']},"
        f" no verdict {found['no_verdict']}",
    ]


def merged_lines(summary: dict[str, Any]) -> list[str]:
    """What to tell a person about the rubric of all rows, out of `generate.json`."""
    merged = summary.get("merged")
    if merged is None:
        return []
    if merged["file"] is None:
        return [f"no merged rubric: {merged['reason']}: {merged['detail']}"]
    return [f"merged rubric: {merged['criteria']} criteria out of {merged['items']} different items, in {merged['file']}"]
