"""`judge optimize`: a recipe in better words, found on labelled pairs and told by others that were held out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.cli.options import Config, DataConfigName, Map, Set, SplitOption, notice
from judge.loops import run as run_loop

DRAWS = 1000


def optimize(
    config: Config,
    data: Annotated[
        str,
        typer.Option(
            "--data", help="Labelled pairs: prompt, chosen, rejected; or response_a, response_b, label.", metavar="FILE"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the new recipe's version, NAME-v1, NAME-v2...", metavar="DIR")
    ] = Path("recipes"),
    budget: Annotated[
        int, typer.Option("--budget", help="Items judged in the search; each costs the recipe's calls.", metavar="N", min=10)
    ] = 300,
    held_out: Annotated[
        float, typer.Option("--held-out", metavar="SHARE", min=0.1, max=0.9, help="Share of the prompts that are held out.")
    ] = 0.5,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Use N items, drawn evenly. [default: all]", metavar="N", min=1, show_default=False),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="Draws of the bootstrap.", metavar="N", min=1)] = DRAWS,
    seed: Annotated[int, typer.Option("--seed", help="Seed of split, search and bootstrap.", metavar="N", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No talk on standard error. [default: off]")] = False,
) -> None:
    """Reword the templates of a recipe so that its judge agrees more often with labelled pairs.

    A model (the judge's) reads judgements that went wrong and rewords one template at a time; candidates are kept along the
    Pareto front of agreement, consistency over both orders, and tokens (GEPA, arXiv:2507.19457). What a template shows, and how
    its verdict is written, stay: a candidate that changes them, or fails `judge recipe test`, is refused. Prompts held out take
    no part, and tell what was gained. Needs the extra `optimize`.

    \b
    Examples:
      judge optimize my.yaml --data pairs.jsonl
      judge optimize my.yaml --data pairs.jsonl --budget 1000 -o recipes/
      judge optimize my.yaml --data pairs.jsonl --set recipe=pairwise --json

    Exit codes: 0 a new recipe agrees more often with the labels held out; 1 nothing was gained (what was found is said, and
    written where it was better on the prompts learned from); 2 wrong input; 3 the engine cannot work; 4 cannot write.
    """
    from judge.cli.rubric_prove import read_labelled_items  # noqa: PLC0415  # keeps `judge --help` fast
    from judge.improve.optimize import Optimized, optimize_recipe  # noqa: PLC0415  # as above
    from judge.improve.validate import ProofOptions, Validator  # noqa: PLC0415  # as above
    from judge.pipeline.cache import Cache  # noqa: PLC0415  # as above
    from judge.settings import load_settings  # noqa: PLC0415  # as above

    settings, base = load_settings(config, overrides or ())
    items, kind = read_labelled_items(data, None, mapping, split, subset, limit)
    told = (lambda _: None) if quiet else notice

    async def work() -> Optimized:
        options = ProofOptions(kind, None, draws, seed)
        journal = Cache.of(settings.cache)
        said = None if quiet else notice
        async with Validator(settings, items, options, base=base, journal=journal, notice=said, writes=True) as validator:
            return await optimize_recipe(validator, output, budget=budget, held_out=held_out, seed=seed, told=told)

    found = run_loop(work())
    if as_json:
        print(json.dumps(_record(found), ensure_ascii=False, allow_nan=False))
    else:
        _print(found)
    if not found.gained:
        raise typer.Exit(1)


def _print(found: Any) -> None:
    from rich.text import Text  # noqa: PLC0415  # as above

    from judge.improve.show import cell, print_blocks, table_of  # noqa: PLC0415  # as above

    table = table_of(f"held out ({found.items[1]:,} of {sum(found.items):,} pairs)", "before [95 %]", "after [95 %]")
    after = {f.name: f for f in found.after}
    for figure in found.before:
        table.add_row(figure.name, cell(figure), cell(after[figure.name]))
    refused = [f"  {count} refused: {why}" for why, count in found.refused.items()]
    learned = f"learned from: agreement {100 * found.learned[0]:.1f} -> {100 * found.learned[1]:.1f}"
    lines = [f"{found.tried} rewordings tried, {found.judged:,} items judged", *refused, learned]
    print_blocks([*map(Text, lines), table, Text(_conclusion(found), style="bold")])


def _conclusion(found: Any) -> str:
    if found.recipe is None:
        return f"nothing gained: {_why_nothing(found)}; nothing is written"
    low, high = found.gap.interval
    ends = "" if math.isnan(low) else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    points = f"{100 * found.gap.value:+.1f} points{ends} on the prompts held out"
    if not found.gained:
        return f"nothing gained: {points}; the recipe is in {found.recipe}, to look at"
    sure = "" if low > 0 else "; the interval holds 0, so more items are needed to be sure"
    return f"gained: {points}{sure}; use it with `recipe: {found.recipe}`"


def _why_nothing(found: Any) -> str:
    """Why no rewording was better, or why none was tried."""
    if found.learned[0] >= 1:
        labels = f"all {found.items[0]:,} labels" if found.items[0] > 1 else "the one label"
        return f"the recipe agrees with {labels} of the prompts learned from, so no judgement went wrong (take harder pairs)"
    if not found.tried:
        return f"all {found.judged:,} judgements went to the recipe as it is, before a rewording was tried (raise --budget)"
    return "no rewording was better on the prompts learned from"


def _record(found: Any) -> dict[str, Any]:
    from judge.improve.show import figure_record, figures_record  # noqa: PLC0415  # as above

    return {
        "recipe": None if found.recipe is None else str(found.recipe),
        "gained": found.gained,
        "conclusion": _conclusion(found),
        "rewordings": found.tried,
        "refused": dict(found.refused),
        "items_judged": found.judged,
        "items": {"learned": found.items[0], "held_out": found.items[1]},
        "learned": {"before": found.learned[0], "after": found.learned[1]},
        "held_out": {"before": figures_record(found.before), "after": figures_record(found.after)},
        "gap": figure_record(found.gap),
        "pareto": [dict(row) for row in found.pareto],
    }
