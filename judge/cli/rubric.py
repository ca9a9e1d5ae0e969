"""`judge rubric ...`: look at rubrics, check them, bring published ones in, write new ones, prove them and make them better.

`list`, `show`, `lint` and `import` are here; `diff` and `merge` in `rubric_files.py`. What asks a model has files of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from judge.batch.files import read_rows
from judge.checks.programs import find_check
from judge.cli.generate import generate, methods
from judge.cli.options import WholeLines
from judge.cli.rubric_better import refine_command, select_command
from judge.cli.rubric_evolve import evolve_command
from judge.cli.rubric_files import RubricOrFolder, diff_command, merge_command, rubric_names
from judge.cli.rubric_prove import validate_command
from judge.errors import InputError, OutputError, RubricError
from judge.rubric.importers import FORMATS, Imported, from_rar, import_record, is_published
from judge.rubric.importers.rar import PitfallPolarity
from judge.rubric.lint import LintFinding, lint
from judge.rubric.load import SUFFIXES, find_rubric, list_rubrics, load_rubric, read_json, read_rubric, without_nulls
from judge.rubric.model import Criterion, Rubric
from judge.rubric.show import importance, polarity, reward_lines, rubric_text, rubric_yaml, scale_words
from judge.yamlfile import Source, read_yaml

app = typer.Typer(
    cls=WholeLines,
    help="Look at rubrics, check, compare and merge them, bring published ones in; with a model: write, prove and mend them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("generate")(generate)
app.command("diff")(diff_command)
app.command("merge")(merge_command)
app.command("methods")(methods)
app.command("validate")(validate_command)
app.command("select")(select_command)
app.command("refine")(refine_command)
app.command("evolve")(evolve_command)

_ENDINGS = f"path ending in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
RubricArgument = Annotated[str, typer.Argument(metavar="RUBRIC", help=f"Shipped name, or a {_ENDINGS}.")]


@app.command("list")
def list_command() -> None:
    """List the shipped rubrics: name, number of criteria, what they judge.

    \b
    Prints one line a rubric, tab-separated, on standard output.
    Example: judge rubric list
    Exit code: 0.
    """
    for name in list_rubrics():
        rubric = load_rubric(name)
        typer.echo(f"{name}\t{len(rubric.criteria)} criteria\t{rubric.description}")


@app.command("show")
def show_command(
    name: RubricArgument,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print the rubric as YAML, to copy and edit.")] = False,
) -> None:
    """Show a rubric: criteria, weights, polarity, vetoes, anchors, and how verdicts become the reward.

    \b
    Prints a table on a terminal and plain text into a file or pipe.
    Examples:
      judge rubric show helpfulness
      judge rubric show my/rubric.yaml
      judge rubric show helpfulness --yaml > mine.yaml
    Exit codes: 0 shown, 2 no such rubric or something in it is wrong.
    """
    rubric = load_rubric(name)
    if yaml:
        typer.echo(rubric_yaml(rubric), nl=False)
    elif sys.stdout.isatty():
        _print_table(rubric, Console())
    else:
        typer.echo(rubric_text(rubric), nl=False)


def _print_table(rubric: Rubric, console: Console) -> None:
    """The rubric as a table; texts are printed as they are, never read as markup."""
    console.print(f"{rubric.name}  {rubric.title}\n{rubric.description}".rstrip(), markup=False, highlight=False)
    table = Table("criterion", "counts", "text", show_lines=True)
    for c in rubric.criteria:
        kind = f"{c.id}\n{c.kind}{', veto' if c.veto else ''}"
        cells = (kind, f"{importance(c)}\n{scale_words(c.scale)}, {polarity(c)}", _with_anchors(c))
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
    anchors = "\n".join(f"  {level}  {text}" for level, text in sorted(rubric.scale.anchors.items()))
    console.print(f"overall scale: {scale_words(rubric.scale)}\n{anchors}".rstrip(), markup=False, highlight=False)
    console.print("\n" + "\n".join(reward_lines(rubric)), markup=False, highlight=False)


def _with_anchors(criterion: Criterion) -> str:
    levels = [f"{level}  {text}" for level, text in sorted(criterion.scale.anchors.items())]
    return "\n".join([criterion.text, *levels])


@app.command("lint")
def lint_command(
    names: RubricOrFolder,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there are warnings.")] = False,
    info: Annotated[bool, typer.Option("--info", help="Print also what is merely worth knowing.")] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="TEXT", help="Reference answer that no criterion may give away. Repeatable."),
    ] = None,
) -> None:
    """Check rubrics for what would make their rewards mean something else.

    Prints `file:line: severity: criterion: message [rule]` on standard output, one line a finding; a summary on
    standard error. The rules are in docs/rubrics.md.

    \b
    Examples:
      judge rubric lint helpfulness
      judge rubric lint one-prompt.yaml --reference "42 km"
      judge rubric lint --strict my/*.yaml
      judge rubric lint rubrics/

    Exit codes: 0 nothing wrong (warnings allowed), 1 warnings with --strict, 2 errors.
    """
    counts = {"error": 0, "warning": 0, "info": 0}
    files = [file for name in names for file in ([name] if name in list_rubrics() else rubric_names(name))]
    for name in files:
        for line, severity in _findings(name, reference or []):
            counts[severity] += 1
            if severity != "info" or info:
                typer.echo(line)
    total = f"{counts['error']} error(s), {counts['warning']} warning(s) in {len(files)} rubric(s)"
    hidden = f"; {counts['info']} remark(s) not shown, see --info" if counts["info"] and not info else ""
    typer.echo(total + hidden, err=True)
    if counts["error"]:
        raise typer.Exit(2)
    if counts["warning"] and strict:
        raise typer.Exit(1)


def _findings(name: str, references: list[str]) -> Iterator[tuple[str, str]]:
    """(line, severity) of each finding; a rubric that cannot be loaded gives its problems as errors."""
    try:
        rubric, source = read_rubric(find_rubric(name))
    except RubricError as why:
        for problem in why.problems:
            place = f"{problem.where}: " if problem.where else ""
            yield f"{place}error: {problem.what}", "error"
        return
    for finding in lint(rubric, references):
        yield _finding_line(finding, source.where(finding.path)), finding.severity
    yield from _check_findings(rubric, source)


def _check_findings(rubric: Rubric, source: Source) -> Iterator[tuple[str, str]]:
    """Programmatic checks that do not exist, cannot be imported, or get arguments they do not take."""
    for place, criterion in enumerate(rubric.criteria):
        if criterion.check == "llm":
            continue
        try:
            find_check(criterion)
        except RubricError as why:
            yield f"{source.where(('criteria', place, 'check'))}: error: {why} [check]", "error"


def _finding_line(finding: LintFinding, where: str) -> str:
    return f"{where}: {finding.severity}: {finding.where}: {finding.message} [{finding.rule}]"


@app.command("import")
def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Published records: .jsonl (one a line), .json or .yaml (one, or a list), or .parquet."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the YAML files; made if missing.")],
    format: Annotated[str, typer.Option("--format", "-f", metavar="FORMAT", help=f"auto, {', '.join(FORMATS)}.")] = "auto",
    pitfall_polarity: Annotated[
        str, typer.Option("--pitfall-polarity", help="rar only: what pitfall texts describe: auto, fault or virtue.")
    ] = "auto",
    limit: Annotated[int, typer.Option("--limit", metavar="RECORDS", min=1, help="Read at most this many.")] = 1_000_000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are already there.")] = False,
) -> None:
    """Import published rubrics, in any form of docs/rubrics.md -> one YAML file each.

    Prints the path of each file written on standard output. What was changed or dropped on the way stands as a comment
    at the top of the file. Nothing is written when a record is wrong.

    \b
    Examples:
      judge rubric import healthbench.jsonl --output rubrics/
      judge rubric import rubrics.parquet --output rubrics/
      judge rubric import rar.json --format rar --pitfall-polarity virtue \\
          --output rubrics/

    Exit codes: 0 written, 2 a record is wrong or a file is in the way, 4 cannot be written.
    """
    if pitfall_polarity not in ("auto", "fault", "virtue"):
        raise InputError(f"--pitfall-polarity is auto, fault or virtue, not `{pitfall_polarity}`")
    rubrics: dict[Path, Imported] = {}
    for number, (where, record) in enumerate(_records(file), 1):
        if number > limit:
            break
        imported = _import(record, format, where, pitfall_polarity)
        path = _free(output, imported.rubric.name, number, rubrics)
        if path.exists() and not overwrite:
            raise InputError(f"{path} is already there; choose another folder or pass --overwrite\nnothing was written")
        rubrics[path] = imported
    if not rubrics:
        raise RubricError(f"{file}: holds no record")
    for path, imported in rubrics.items():
        _write(path, imported)
        typer.echo(str(path))
    changed = sum(bool(imported.notes) for imported in rubrics.values())
    typer.echo(f"{len(rubrics)} rubric(s) written; {changed} with notes at the top of the file", err=True)


def _import(record: Any, format: str, where: str, pitfall_polarity: str) -> Imported:
    if format == "rar" or (format == "auto" and pitfall_polarity != "auto"):
        polarity_: PitfallPolarity = (
            "fault" if pitfall_polarity == "fault" else "virtue" if pitfall_polarity == "virtue" else "auto"
        )
        return from_rar(record, where=where, pitfall_polarity=polarity_)
    return import_record(record, format, where=where)


def _records(file: Path) -> Iterator[tuple[str, Any]]:
    """(file:line, record) of each record."""
    kind = file.suffix.lower()
    if kind == ".parquet":
        yield from ((where, without_nulls(row)) for where, row in read_rows(str(file)))
        return
    if kind in (".yaml", ".yml"):
        source = read_yaml(file, RubricError)
        yield from _each(source.data, lambda place: source.where(() if place is None else (place,)))
        return
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as why:
        raise RubricError(f"{file}: not UTF-8 (byte {why.start}); save the file as UTF-8") from None
    except OSError as why:
        raise RubricError(f"{file}: cannot be read: {why.strerror}") from None
    if kind in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.split("\n"), 1):  # not splitlines: JSON text may hold U+2028
            if line.strip():
                yield f"{file}:{number}", read_json(line, f"{file}:{number}")
        return
    yield from _each(read_json(text, str(file)), lambda place: str(file) if place is None else f"{file}: record {place + 1}")


def _each(data: Any, where: Callable[[int | None], str]) -> Iterator[tuple[str, Any]]:
    """One record, or each of a list."""
    if is_published(data) or not isinstance(data, list):
        yield where(None), data
    else:
        yield from ((where(place), record) for place, record in enumerate(data))


def _free(folder: Path, name: str, number: int, taken: dict[Path, Imported]) -> Path:
    """A path for this rubric; records without a name of their own are told apart by their number."""
    path = folder / f"{name}.yaml"
    return folder / f"{name}-{number}.yaml" if path in taken else path


def _write(path: Path, imported: Imported) -> None:
    notes = "".join(f"# {' '.join(note.split())}\n" for note in imported.notes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notes + rubric_yaml(imported.rubric), encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None
