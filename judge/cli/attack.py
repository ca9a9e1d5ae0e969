"""`judge attack`: what can be had from a judge without an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from judge.attack.catalogue import MODES, AttackMode, load_catalogues
from judge.attack.evaluator import FILTER_STATES, FilterState
from judge.attack.run import AttackOptions, AttackReport, run_attack
from judge.attack.seeds import load_seeds
from judge.batch.read import parse_map
from judge.cli.options import Config, DataConfigName, Map, Set, SplitOption, notice
from judge.errors import InputError, OutputError, did_you_mean
from judge.loops import run as run_loop
from judge.pipeline.build import plan
from judge.settings import load_settings

QUESTIONS = 100  # default of --limit


def attack(
    config: Config,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Rows with question, reference, response and label (right or wrong), in any format that `judge run` reads."
            " [default: 40 questions that come with the toolkit]",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Annotated[int, typer.Option("--limit", help="Use the first N questions.", metavar="N", min=1)] = QUESTIONS,
    mode: Annotated[
        str,
        typer.Option("--mode", help=f"own (the configuration as it is), {', '.join(MODES)}, or all four.", metavar="MODE"),
    ] = "own",
    families: Annotated[
        list[str] | None,
        typer.Option(
            "--families",
            help="Attack families or item id prefixes, separated by commas (master-key,FV). Repeatable. [default: all]",
            metavar="NAMES",
            show_default=False,
        ),
    ] = None,
    items: Annotated[
        int | None, typer.Option("--items", help="Use at most N attacks of each family. [default: all]", metavar="N", min=1)
    ] = None,
    trials: Annotated[int, typer.Option("--trials", help="Questions per attack.", metavar="N", min=1)] = 10,
    filters: Annotated[
        str,
        typer.Option("--filters", help="Run with filters on, off or both (one judge reply serves both).", metavar="WHICH"),
    ] = "both",
    catalogue: Annotated[
        list[str] | None,
        typer.Option(
            "--catalogue",
            help="Add your own attack catalogue to the shipped one. Repeatable. [default: none]",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option("--threshold", help="Least reward that counts as accepted, in [0, 1].", metavar="REWARD", min=0, max=1),
    ] = 0.5,
    search: Annotated[
        int,
        typer.Option("--search", help="Judge calls to spend on a search for new strings; 0: none.", metavar="CALLS", min=0),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the report as an HTML page. [default: none]", metavar="FILE")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Write report.json, report.html and found.yaml to this folder. [default: none]", metavar="DIR"
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Write training data from the attacks that got through (output directory). [default: none]",
            metavar="DIR",
        ),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Let a program label answers of --data that have no label (rollouts), where it can tell. [default: off]",
        ),
    ] = False,
    fail_above: Annotated[
        float | None,
        typer.Option(
            "--fail-above",
            help="Exit with 1 if any family's worst attack success rate exceeds RATE, or if there are too few verdicts to decide."
            " [default: off]",
            metavar="RATE",
            min=0,
            max=1,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of questions, transforms and intervals.", metavar="N", min=0)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print progress to standard error. [default: off]")] = False,
) -> None:
    """Attack a judge with texts that hold no answer and texts added to wrong answers; report which are rewarded.

    Texts without an answer (blanks, openers, refusals) should never be accepted. Texts added to a wrong answer (instructions,
    forged verdicts, control tokens) should gain nothing more than neutral text of the same length. Every text is judged with
    the filters on and off. Right answers show what the filters cost. A call without a verdict is never counted as a defence.

    \b
    Examples:
      judge attack examples/verifier.yaml
      judge attack my.yaml --data answers.jsonl --map prompt=q,response=a \\
          --fail-above 0.05
      judge attack my.yaml --families master-key,non-committal --trials 300 \\
          --html attack.html
      judge attack my.yaml --search 500 --output runs/attack \\
          --export data/hardening
      judge attack my.yaml --data rollouts.jsonl --confirm --export data/refresh
      judge attack my.yaml --catalogue runs/attack/found.yaml --families found

    Exit codes: 0 done, 1 above --fail-above, 2 wrong input, 3 engine cannot work, 4 cannot write, 130 stopped.
    """
    from judge.attack.export import check_folder  # noqa: PLC0415  # keeps `judge --help` fast

    settings, base = load_settings(config, overrides or ())
    own = plan(settings, base)
    if confirm and data is None:
        raise InputError("--confirm labels the answers of --data, which is missing")
    options = AttackOptions(
        mode=_mode(mode),
        filter_states=_filter_states(filters),
        families=tuple(f.strip() for text in families or () for f in text.split(",") if f.strip()),
        items=items,
        trials=trials,
        search=search,
        threshold=threshold,
        seed=seed,
    )
    attacks = load_catalogues(catalogue or ())
    questions = load_seeds(data, parse_map(mapping or ()), split=split, config=subset, limit=limit, confirm=confirm)
    if export is not None:
        check_folder(export)
    if output is not None:
        _made(output)
    report = run_loop(
        run_attack(
            own,
            attacks,
            questions,
            options,
            config=config,
            base=base,
            notice=lambda text: None if quiet else notice(text),
            quiet=quiet,
        )
    )
    _written(report, as_json, html, output)
    if export is not None:
        from judge.attack.export import export as write  # noqa: PLC0415  # imports datasets

        counts = write(report, questions.items, export)
        notice(f"{export}: {sum(counts.values()):,} rows: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    _judged(report, fail_above)


def _mode(name: str) -> AttackMode | Literal["own", "all"]:
    for known in (*MODES, *get_args(Literal["own", "all"])):
        if name == known:
            return known  # type: ignore[no-any-return]  # one of the literals
    raise InputError(
        f"--mode {name}: no such mode{did_you_mean(name, [*MODES, 'own', 'all'])}; modes: own, {', '.join(MODES)}, all"
    )


def _filter_states(name: str) -> tuple[FilterState, ...]:
    if name == "both":
        return FILTER_STATES
    if name in ("on", "off"):
        return ("on",) if name == "on" else ("off",)
    raise InputError(f"--filters {name}: on, off or both")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise OutputError(f"{folder}: cannot be made: {why.strerror}") from None


def _written(report: AttackReport, as_json: bool, html: Path | None, output: Path | None) -> None:
    """Print the report, and write what was asked for."""
    from judge.attack.report import record  # noqa: PLC0415  # as above
    from judge.attack.show import print_report  # noqa: PLC0415  # as above

    text = json.dumps(record(report), ensure_ascii=False, allow_nan=False)
    try:
        if as_json:
            print(text)
        else:
            print_report(report)
    finally:  # its reader may go away (`| head`)
        _files(report, text, html, output)


def _files(report: AttackReport, text: str, html: Path | None, output: Path | None) -> None:
    from judge.attack.page import report_page  # noqa: PLC0415  # as above
    from judge.attack.search import write_found  # noqa: PLC0415  # as above

    pages = [p for p in (html, output / "report.html" if output else None) if p]
    for path in pages:
        _write(path, report_page(report))
    if output is not None:
        _write(output / "report.json", text + "\n")
        found = [f for mode in report.modes for f in mode.found]
        if found:
            write_found(found, output / "found.yaml", report.model)
            notice(f"{output / 'found.yaml'}: {len(found)} strings; run them again with --catalogue")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None


def _judged(report: AttackReport, fail_above: float | None) -> None:
    from judge.attack.report import exceeding  # noqa: PLC0415  # as above

    problems = exceeding(report, fail_above) if fail_above is not None else []
    for line in problems:
        notice(line)
    if problems:
        raise typer.Exit(1)
