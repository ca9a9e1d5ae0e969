"""`judge rubric validate`: what a rubric does to judging, on labelled items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from judge.batch.read import parse_map
from judge.batch.write import write_json
from judge.bench.items import BenchItem, read_items
from judge.bench.spec import SetSpec
from judge.cli.options import DataConfigName, Map, Set, SplitOption, notice, say
from judge.cli.rubric_files import write_lineage
from judge.errors import DataError, InputError, OutputError, Problem, RubricError
from judge.improve.show import print_blocks, proof_blocks, proof_record
from judge.improve.validate import ProofOptions, RubricProof, Validator
from judge.loops import run as run_loop
from judge.pipeline.cache import Cache
from judge.report.text import json_text
from judge.rubric.load import find_rubric, load_rubric
from judge.rubric.model import Lineage, Rubric
from judge.rubric.per_prompt import LINES, PromptRubrics, load_prompt_rubrics
from judge.settings import load_settings

DRAWS = 1000
REASONS = 5  # told of those why rows are left out
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", help="Run settings: judge and recipe. [default: the embedded model, checklist]", metavar="CONFIG"),
]
PairsOption = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        help="Labelled pairs: prompt, chosen, rejected; or response_a, response_b, label. File, folder or hub name.",
        metavar="FILE",
        show_default=False,
    ),
]
GradedOption = Annotated[
    str | None,
    typer.Option("--graded", help="Labelled grades: prompt, response, label (a number).", metavar="FILE", show_default=False),
]
ItemsLimit = Annotated[
    int | None,
    typer.Option(
        "--limit", help="Use N items, drawn evenly over the data. [default: all]", metavar="N", min=1, show_default=False
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="Recipe of the judge without a rubric. [default: the same; self-rewarding where it needs one]",
        metavar="RECIPE",
        show_default=False,
    ),
]
Draws = Annotated[int, typer.Option("--draws", help="Draws of the bootstrap.", metavar="N", min=1)]


def validate_command(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUBRIC...", help="Rubrics for all items; or an output folder of `generate`: one a prompt."),
    ],
    pairs: PairsOption = None,
    graded: GradedOption = None,
    config: ConfigOption = None,
    baseline: BaselineOption = None,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: ItemsLimit = None,
    write: Annotated[
        bool, typer.Option("--write", help="Keep the scores in each rubric's file (`lineage.scores`). [default: off]")
    ] = False,
    draws: Draws = DRAWS,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.", metavar="N", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No talk on standard error. [default: off]")] = False,
) -> None:
    """Say what rubrics do to judging: agreement with labels beside the same judge without a rubric, and why.

    Agreement (a tie and a missing verdict are wrong), precision of decided pairs, coverage, consistency over both orders,
    length, share without a verdict and cost, each with an interval. With a recipe that asks about each criterion: how far it
    tells preferred responses from others, how often it is met, what it repeats, and whether it is reversed.

    \b
    Examples:
      judge rubric validate mine.yaml --pairs pairs.jsonl --config judge.yaml
      judge rubric validate v1.yaml v2.yaml --pairs pairs.jsonl --limit 200 --json
      judge rubric validate rubrics/ --pairs pairs.jsonl --set recipe=pairwise
      judge rubric validate mine.yaml --graded grades.jsonl --write

    Exit codes: 0 done; 1 a rubric agrees less often with the labels than no rubric does (a tie as wrong, or as half); 2 wrong
    input; 3 the engine cannot work, or stopped working; 4 scores cannot be written.
    """
    settings, base = load_settings(config if config is not None else {}, overrides or ())
    items, kind = read_labelled_items(pairs, graded, mapping, split, subset, limit)
    options = ProofOptions(kind, baseline, draws, seed)
    validator = Validator(settings, items, options, base=base, journal=Cache.of(settings.cache), notice=None if quiet else notice)
    if not quiet:
        notice(f"{len(items):,} items; {len(names)} rubric(s) and the judge without one")
    found = run_loop(_each(validator, names))
    try:
        if as_json:
            say(json_text({"rubrics": [proof_record(one) for one in found]}))
        else:
            for one in found:
                print_blocks(proof_blocks(one, draws))
    finally:  # what was found is told even where it cannot be kept, and kept even where its reader goes away (`| head`)
        for name, one in zip(names, found, strict=True) if write else ():
            keep_scores(name, one)
    if any(one.worse for one in found):
        raise typer.Exit(1)


def read_labelled_items(
    pairs: str | None, graded: str | None, mapping: list[str] | None, split: str, subset: str, limit: int | None
) -> tuple[list[BenchItem], str]:
    """The labelled items and their kind.

    Raises:
        InputError: Neither or both are given. DataError: They cannot be read.
    """
    if (pairs is None) == (graded is None):
        raise InputError("give --pairs FILE (which of two is better) or --graded FILE (a grade of one response)")
    kind = "pairs" if pairs is not None else "ratings"
    spec = SetSpec(name="labels", kind="pairs" if pairs is not None else "ratings")
    fields = {"rubric": "", **parse_map(mapping or ())}
    read = read_items(spec, str(pairs or graded), mapping=fields, split=split, config=subset, limit=limit)
    if read.bad:
        notice(f"{read.bad} rows are no labelled items and are left out; the first: {read.first_bad}")
        for why, count in list(read.reasons.items())[:REASONS] if len(read.reasons) > 1 else ():
            notice(f"  {count:>6,}  {why}")
    if kind == "ratings":
        return list(read.items), kind
    items = [item for item in read.items if item.sample.texts[0] != item.sample.texts[1]]
    if same := len(read.items) - len(items):
        notice(f"{same:,} pair(s) of twice the same response are left out: neither can be better")
    if not items:
        raise DataError(Problem(str(pairs), "each pair has twice the same response, so no label can be right"))
    if ties := sum(item.gold == (0.0,) for item in items):
        notice(f"{ties:,} of {len(items):,} labels are ties (`tie`, `same`, `C`, ...), which count for no agreement")
    return items, kind


async def _each(validator: Validator, names: list[str]) -> list[RubricProof]:
    read = [(name, _read(name)) for name in names]  # all of them, before the first request
    async with validator:
        found = []
        for name, rubrics in read:
            if isinstance(rubrics, Rubric):
                found.append(await validator.one(rubrics, name))
            else:
                found.append(await validator.each(lambda item, own=rubrics: own.find(item.sample.prompt), name))  # type: ignore[misc]
        return found


def _read(name: str) -> Rubric | PromptRubrics:
    """One rubric, or one for each prompt."""
    folder = Path(name)
    if folder.name == LINES or (folder / LINES).is_file():
        return load_prompt_rubrics(folder)
    if folder.is_dir():
        raise RubricError(f"{name}: no {LINES} in it; give the files, or the output folder of `judge rubric generate`")
    return load_rubric(name)


def keep_scores(name: str, found: RubricProof) -> None:
    """Write what a rubric came to into its file, or beside the rubrics of a folder (`validation.json`). Raises OutputError."""
    if found.rubric is None:
        rubrics = load_prompt_rubrics(name)
        write_json(rubrics.path.parent / "validation.json", proof_record(found))
        for key, scores in found.each.items():
            file = rubrics.file(key)
            if file is not None and file.is_file():
                _add_scores(file, load_rubric(file), scores)
        return
    path = find_rubric(name)
    if path.suffix not in (".yaml", ".yml") or not Path(name).suffix:
        raise OutputError(f"{name}: scores are kept in rubric files of your own (.yaml); `judge rubric show --yaml` copies one")
    _add_scores(path, found.rubric, found.scores)


def _add_scores(path: Path, rubric: Rubric, scores: Mapping[str, float]) -> None:
    lineage = rubric.lineage or Lineage()
    write_lineage(path, rubric.changed(lineage=lineage.model_copy(update={"scores": {**lineage.scores, **scores}})))
