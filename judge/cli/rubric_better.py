"""`judge rubric select|refine`: a rubric made better by labelled pairs, and told by others that were held out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from judge.bench.measures import Figure
from judge.bench.record import number
from judge.cli.options import DataConfigName, Map, Set, SplitOption, notice
from judge.cli.rubric_files import check_yaml, write_rubric
from judge.cli.rubric_prove import DRAWS, ConfigOption, Draws, ItemsLimit, read_labelled_items
from judge.errors import InputError
from judge.improve.refine import Refined, RefineStep, refine_rubric
from judge.improve.select import SelectedCriteria, always_kept, parts_of, select_criteria
from judge.improve.show import cell, figure_record, print_blocks, table_of
from judge.improve.split import split_items
from judge.improve.validate import ProofOptions, Validator
from judge.loops import run as run_loop
from judge.pipeline.cache import Cache
from judge.report.text import printable
from judge.rubric.load import find_rubric, load_rubric
from judge.rubric.model import Rubric
from judge.settings import load_settings

RubricName = Annotated[str, typer.Argument(metavar="RUBRIC", help="Shipped name or rubric file.")]
LabelledPairs = Annotated[
    str,
    typer.Option("--pairs", help="Labelled pairs: prompt, chosen, rejected; or response_a, response_b, label.", metavar="FILE"),
]
OutputFile = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Rubric file to write (.yaml).")]
HeldOut = Annotated[
    float, typer.Option("--held-out", metavar="SHARE", min=0.1, max=0.9, help="Share of the prompts that are held out.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the split and the bootstrap.", metavar="N", min=0)]
PrintJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")]
BELOW_CHANCE = (
    "less than half of the labels held out come back: a coin would do better, so look for reversed criteria (`validate`)"
)
Quiet = Annotated[bool, typer.Option("--quiet", help="No talk on standard error. [default: off]")]


def select_command(
    name: RubricName,
    pairs: LabelledPairs,
    output: OutputFile,
    config: ConfigOption = None,
    most: Annotated[
        int | None, typer.Option("--max", metavar="N", min=1, help="Keep at most N criteria. [default: all that help]",
                                 show_default=False),
    ] = None,
    held_out: HeldOut = 0.5,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: ItemsLimit = None,
    draws: Draws = DRAWS,
    seed: Seed = 0,
    as_json: PrintJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Keep the criteria that earn their place on labelled pairs.

    Greedy: always the criterion that makes the labels agree most, until none helps; what repeats a chosen one is left out. Hard
    rules and vetoes always stay. The judge is asked once. It learns from one part of the prompts; agreement is told on the
    prompts held out.

    \b
    Examples:
      judge rubric select long.yaml --pairs p.jsonl --config my.yaml -o few.yaml
      judge rubric select many.yaml --pairs p.jsonl --max 8 -o few.yaml --json

    Exit codes: 0 written; 1 written, but held-out agreement is below the whole rubric's, or below half; 2 wrong input; 3 the
    engine cannot work; 4 cannot be written.
    """
    rubric = _read(name, output)
    always_kept(rubric, most)  # a limit that is too low is told before a model is asked
    validator = _validator(pairs, config, mapping, overrides, split, subset, limit, draws, seed, quiet)
    learn, held = split_items(validator.items, held_out, seed)

    async def work() -> SelectedCriteria:
        async with validator:
            tried = await validator.tried(rubric)
        return select_criteria(rubric, parts_of(tried, learn), parts_of(tried, held), most=most, draws=draws, seed=seed)

    found = run_loop(work())
    write_rubric(output, found.rubric)
    if as_json:
        print(json.dumps(_selection_record(found, output), ensure_ascii=False, allow_nan=False))
    else:
        print_blocks(_selection_blocks(found, name, output))
    if found.gap.value < 0 or found.below_chance:
        raise typer.Exit(1)


def _selection_blocks(found: SelectedCriteria, name: str, output: Path) -> list[Any]:
    table = table_of("taken", "agreement, learned from")
    for step in found.steps:
        table.add_row(step.id, f"{100 * step.agreement:.1f}")
    lines = [f"kept {one}: hard rules and vetoes always stay" for one in found.stay]
    lines += [f"left out {one}: {why}" for one, why in found.left.items()]
    kept = len(found.stay) + len(found.steps)
    return [
        Text(f"{name}: {kept} of {kept + len(found.left)} criteria kept, in {output}", style="bold"),
        table,
        *map(Text, map(printable, lines)),
        *_held_blocks(found.held, ("all criteria", "selected"), found.items),
        Text(f"difference: {cell(found.gap)} points"),
        *([Text(BELOW_CHANCE, style="bold")] if found.below_chance else []),
    ]


def _held_blocks(held: tuple[Figure, Figure], names: tuple[str, str], items: tuple[int, int]) -> list[Any]:
    table = table_of(f"held out ({items[1]:,} of {sum(items):,} pairs)", "agreement, ties half [95 %]")
    for label, figure in zip(names, held, strict=True):
        table.add_row(label, cell(figure))
    return [table]


def _selection_record(found: SelectedCriteria, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "stay": list(found.stay),
        "taken": [{"id": step.id, "agreement": step.agreement} for step in found.steps],
        "left_out": dict(found.left),
        "items": {"learned": found.items[0], "held_out": found.items[1]},
        "held_out": {"all": figure_record(found.held[0]), "selected": figure_record(found.held[1])},
        "gap": figure_record(found.gap),
        "below_chance": found.below_chance,
    }


def refine_command(
    name: RubricName,
    pairs: LabelledPairs,
    output: OutputFile,
    config: ConfigOption = None,
    most: Annotated[int, typer.Option("--max", metavar="N", min=1, help="Try to mend at most N criteria.")] = 10,
    held_out: HeldOut = 0.5,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: ItemsLimit = None,
    draws: Draws = DRAWS,
    seed: Seed = 0,
    as_json: PrintJson = False,
    quiet: Quiet = False,
) -> None:
    """Mend criteria with faults: a model rewords or splits them, and each change is tried on labelled pairs.

    Faults are what `judge rubric lint` finds in the wording, and what the labels say: reversed, met by nearly all or by none,
    telling nothing apart. A change is kept only when agreement on the prompts held out does not fall. The judge's model writes.

    \b
    Examples:
      judge rubric refine r.yaml --pairs p.jsonl --config my.yaml -o better.yaml
      judge rubric refine r.yaml --pairs p.jsonl --max 3 -o better.yaml --json

    Exit codes: 0 written (also where no change was kept); 2 wrong input; 3 the engine cannot work; 4 cannot be written.
    """
    rubric = _read(name, output)
    validator = _validator(pairs, config, mapping, overrides, split, subset, limit, draws, seed, quiet, writes=True)

    async def work() -> Refined:
        async with validator:
            told = (lambda step: None) if quiet else (lambda step: notice(_step_line(step)))
            return await refine_rubric(rubric, validator, held_out=held_out, most=most, seed=seed, told=told)

    found = run_loop(work())
    write_rubric(output, found.rubric)
    if as_json:
        print(json.dumps(_refined_record(found, output), ensure_ascii=False, allow_nan=False))
        return
    kept = sum(step.kept for step in found.steps)
    lines = [f"{len(found.steps)} criteria with faults, {kept} changes kept, in {output}"]
    for step in found.steps:
        lines += [_step_line(step), *(f"    {'now' if step.kept else 'not kept'}: {text}" for text in step.texts)]
    print_blocks([*map(Text, map(printable, lines)), *_held_blocks(found.held, ("before", "after"), found.items)])


def _step_line(step: RefineStep) -> str:
    word = "kept" if step.kept else "left as it is"
    figures = "" if math.isnan(step.after) else f" ({100 * step.before:.1f} -> {100 * step.after:.1f} held out)"
    return f"{step.id}: {word}{figures}{': ' + step.why if step.why else ''}"


def _refined_record(found: Refined, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "steps": [
            {"id": s.id, "found": s.found, "texts": list(s.texts), "kept": s.kept, "before": number(s.before),
             "after": number(s.after), "why": s.why}
            for s in found.steps
        ],
        "items": {"learned": found.items[0], "held_out": found.items[1]},
        "held_out": {"before": figure_record(found.held[0]), "after": figure_record(found.held[1])},
    }  # fmt: skip


def _read(name: str, output: Path) -> Rubric:
    """The rubric; one that would be written over is refused, before a model is asked."""
    check_yaml(output)
    rubric = load_rubric(name)
    if output.exists() and output.samefile(find_rubric(name)):
        raise InputError(f"{output} is the rubric that is read; choose another --output, so that the two can be compared")
    return rubric


def _validator(
    pairs: str,
    config: str | None,
    mapping: list[str] | None,
    overrides: list[str] | None,
    split: str,
    subset: str,
    limit: int | None,
    draws: int,
    seed: int,
    quiet: bool,
    *,
    writes: bool = False,
) -> Validator:
    settings, base = load_settings(config if config is not None else {}, overrides or ())
    items, kind = read_labelled_items(pairs, None, mapping, split, subset, limit)
    told = None if quiet else notice
    options = ProofOptions(kind, None, draws, seed)
    return Validator(settings, items, options, base=base, journal=Cache.of(settings.cache), notice=told, writes=writes)
