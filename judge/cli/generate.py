"""`judge rubric generate` and `judge rubric methods`: write rubrics from data."""

from __future__ import annotations

import itertools
import json
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.folder import locked
from judge.batch.needed import likely_prompt
from judge.batch.read import parse_map, read_rows, read_samples
from judge.batch.run import rare_collections
from judge.batch.store import Store
from judge.batch.summary import cost_lines
from judge.cli.options import DataConfigName, Limit, Map, Set, SplitOption, notice, say
from judge.engine.build import build_engine
from judge.engine.meter import Meter
from judge.engine.protocol import Engine
from judge.engine.scripted import located
from judge.errors import BudgetSpent, DataError, EngineError, JudgeError, OutputError, Problem, RecipeError, SettingsError
from judge.generators.drive import merged_lines, untagged_lines, validation_lines, write_rubrics
from judge.generators.model import Generator, list_generators, load_generator
from judge.generators.run import SourceRow, Writer, Written, check_draws, rows_from
from judge.generators.work import VARIABLES
from judge.generators.write import RubricFolder, check_folder
from judge.loops import run as run_loop
from judge.pipeline.build import with_prices
from judge.pipeline.evaluate import Unpaid
from judge.render.environment import Templates
from judge.report.text import printable
from judge.settings import NoEngineSettings, RunSettings, load_settings, settings_dict
from judge.yamlfile import parse_yaml

LINE_EVERY_S = 10.0
STEPS = ("validation", "revise", "tail", "decompose", "support", "mine", "closing")  # parts that some methods have
_WIDTH = 80


def generate(
    method: Annotated[
        str,
        typer.Option("--method", help="A method of `judge rubric methods`, or a generator folder.", metavar="NAME"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Output directory (created if missing).", metavar="DIR")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "--pairs",
            help="Prompts, pairs or responses: JSONL, JSON, CSV, TSV or Parquet file, `datasets` folder, or hub name.",
            metavar="FILE",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Run settings: engine, sampling, seed. [default: the embedded model]", metavar="CONFIG"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Override a field of the method: items.max=12. Repeatable.", metavar="PATH=VALUE"),
    ] = None,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace rubrics of another method, data or model. [default: off; refused]")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")] = False,
) -> None:
    """Write a rubric for every row of a data set: from prompts, preference pairs or several responses.

    What a row must have depends on the method: see `judge rubric methods`. A pair has prompt, chosen and rejected, or prompt,
    response_a, response_b and label (A or B). The same engine writes and judges. `engine`, `sampling`, `seed`, `budget`,
    `prices`, `max_in_flight` and `filters.max_response_chars` of the settings count; recipe, rubric, votes and order do not.
    Running the same command again asks only for what is new or failed.

    Writes rubrics.jsonl (every rubric, kept or not, with its lineage and reason), kept/*.yaml, generate.json, and
    merged.yaml for methods that make one rubric of all rows. `judge run CONFIG --data FILE --rubrics DIR` judges each
    prompt by its own; `--set rubric=DIR/merged.yaml` all by one.

    \b
    Examples:
      judge rubric generate --method contrastive --pairs pairs.jsonl \\
          --output rubrics/
      judge rubric generate --method rar --data prompts.jsonl --output out
      judge rubric generate --method rrd --data many.jsonl --output out \\
          --option decompose.weights=uniform
      judge rubric generate --method contrastive --pairs p.jsonl --output out \\
          --set engine.model=Qwen/Qwen3-8B

    Exit codes: 0 done (none kept included); 2 wrong input, or no row is what the method needs; 3 the engine cannot work, or
    failed for every row; 4 cannot write; 7 the budget is spent; 130 stopped.
    """
    if data is None:
        raise SettingsError("no data: give --data FILE (prompts, pairs or responses; --pairs is the same)")
    settings, base = load_settings(config if config is not None else {}, overrides or ())
    settings = with_prices(settings.model_copy(update={"engine": located(settings.engine, base)}), base)
    generator = _generator(method, _options(option or ()))
    columns = _mapping(data, parse_map(mapping or ()), split, subset)
    read_as = {"map": columns, "split": split, "data-config": subset}
    if not overwrite:
        check_folder(output, generator, data, settings_dict(settings), read_as)
    rows = _begun(rows_from(read_samples(data, columns, split=split, config=subset, limit=limit, answered=False)))
    engine = build_engine(settings.engine, None if quiet else notice)
    with locked(output, "no rubric was written"):
        writing = run_generator(generator, settings, rows, output, engine, data=data, read_as=read_as, quiet=quiet, total=limit)
        summary = run_loop(writing)
    counts = summary["counts"]
    if counts["by_reason"].get("invalid") == counts["rows"]:
        raise DataError(f"no row can be written from ({counts['rows']} read); the first: {summary['examples']['invalid']}")
    prompts = "" if counts["prompts"] in (0, counts["rows"]) else f" of {counts['prompts']} different prompts"
    print(f"{counts['kept']} of {counts['rows']} rubrics kept{prompts}, in {output / 'kept'}")
    for reason, number in counts["by_reason"].items():
        print(f"  {number:>6}  {reason}")
        say(textwrap.fill(printable(summary["examples"][reason]), _WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10))
    for line in (*untagged_lines(summary, generator.spec.items), *validation_lines(summary), *merged_lines(summary)):
        say(line)
    print(
        f"{counts['calls']} model calls, {counts['calls_from_journal']} answered by the journal or by an equal call;"
        f" lineage in {output / 'rubrics.jsonl'}"
    )
    for line in cost_lines(summary | {"tokens": summary["cost"]["tokens"]}) if "cost" in summary else ():
        print(line)
    if counts["by_reason"].get("engine_error") == counts["rows"]:
        raise EngineError(
            f"the engine answered none of {counts['rows']} rows with a reply that can be used; the first: "
            f"{summary['examples']['engine_error']}\nNo rubric was written; the same command asks again"
        )


def methods(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with every method, its needs and source.")] = False,
) -> None:
    """List the methods of `judge rubric generate`: what each needs, what it makes, where it is from.

    Example: judge rubric methods --json

    Exit code: 0.
    """
    loaded = [load_generator(name) for name in list_generators()]
    if as_json:
        typer.echo(json.dumps({"methods": [method_facts(generator) for generator in loaded]}, indent=2, ensure_ascii=False))
        return
    for generator in loaded:
        facts = method_facts(generator)
        typer.echo(
            textwrap.fill(
                f"{facts['method']}  (needs: {', '.join(facts['needs'])}; makes: {facts['makes']})",
                _WIDTH,
                subsequent_indent="    ",
            )
        )
        for text in (facts["summary"], f"{facts['title']}, {facts['paper']}"):
            typer.echo(textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="    "))


def method_facts(generator: Generator) -> dict[str, Any]:
    """One method as plain values."""
    spec = generator.spec
    return {
        "method": generator.method,
        "summary": spec.summary,
        "needs": ["prompt", *spec.needs],
        "may_use": _may_use(generator),
        "makes": "one rubric of all rows" if spec.closing else "a rubric for each row",
        "tries": _tries(generator),
        "title": spec.source.title,
        "paper": spec.source.paper,
        "section": spec.source.section,
        "deviations": list(spec.deviations),
        "folder": str(generator.folder),
    }


def _may_use(generator: Generator) -> list[str]:
    """What a row may bring besides what it must: the fields that the templates read."""
    templates = Templates(generator.folder, generator.templates, variables=VARIABLES)
    read = frozenset[str]().union(*map(templates.reads, generator.templates))
    wanted = {"reference": {"reference"}, "responses": {"responses", "response"}, "context": {"context", "document"}}
    return [
        name for name, words in (wanted | {"rubric": {"existing"}}).items() if words & read and name not in generator.spec.needs
    ]


def _tries(generator: Generator) -> str:
    """The recipe by which what is written is tried; empty where nothing is."""
    spec = generator.spec
    programs = (spec.validation, spec.revise, spec.tail, spec.decompose, spec.mine)
    return next((program.recipe for program in programs if program is not None), "")


async def run_generator(
    generator: Generator,
    settings: RunSettings,
    rows: Iterable[SourceRow],
    output: Path,
    engine: Engine,
    *,
    data: str = "",
    read_as: Mapping[str, Any] | None = None,
    quiet: bool = True,
    total: int | None = None,
) -> dict[str, Any]:
    """Write rubrics into a folder and return what `generate.json` holds. The engine is started and closed here.

    Args:
        read_as: How the data were read (`map`, `split`, `data-config`), for `generate.json`.

    Raises:
        BudgetSpent: What was written before, and what kept replies answer, is in the folder.
    """
    check_draws(generator, settings)  # before a model is loaded
    store = Store(_made(output) / "journal.sqlite")
    price = None if isinstance(settings.engine, NoEngineSettings) else settings.engine.price
    meter = Meter(settings.budget, store.spent) if settings.budget is not None or price is not None else None
    started = time.monotonic()
    try:
        await engine.start()
        if meter is not None:
            engine, store.meter = meter.metered(engine, price), meter
        writer = Writer(generator, settings, engine, store)
        ready = time.monotonic()
        with rare_collections(), RubricFolder(output, writer) as out:
            said, unpaid, merged = _progress(total, quiet), Unpaid(go_on=store.answers), None
            spent: BudgetSpent | None = None
            try:
                merged = await write_rubrics(writer, rows, out, settings.max_in_flight, said, unpaid)
            except BudgetSpent as why:
                spent = why
            facts = {
                "data": data,
                **({} if read_as is None else {"read_as": dict(read_as)}),
                "state": "finished" if spent is None else "incomplete",
                "settings": settings_dict(settings),
                "seconds": {"loading": round(ready - started, 3), "writing": round(time.monotonic() - ready, 3)},
                **({} if meter is None else {"cost": meter.told()}),
            }
            summary = out.finish(facts, merged)
            if spent is not None:
                counts = summary["counts"]
                spent.add_note(f"{counts['rows']:,} rows are done and {counts['kept']:,} rubrics kept in {output / 'kept'}")
                spent.add_note("with the larger sum, the same command continues: what was asked is not asked again")
                raise spent
            return summary
    finally:
        await engine.close()
        store.close()


def _begun(rows: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """The same rows, the first one read: what is wrong with the data is said before a model is loaded."""
    first = next(rows, None)
    return itertools.chain([] if first is None else [first], rows)


def _options(pairs: Iterable[str]) -> dict[str, Any]:
    """`items.max=12` as a field and its value, which is read as YAML."""
    out: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise SettingsError(f"--option {pair}: expected PATH=VALUE, for example items.max=12")
        out[path.strip()] = parse_yaml(text, f"--option {path}").data
    return out


def _generator(method: str, options: dict[str, Any]) -> Generator:
    """The method with the options; what is wrong with an option is told of the option, not of a line of the file."""
    plain = load_generator(method)
    if not options:
        return plain
    for path in options:
        step = path.partition(".")[0]
        if step in STEPS and getattr(plain.spec, step) is None:
            having = [name for name in list_generators() if getattr(load_generator(name).spec, step) is not None]
            raise SettingsError(f"--option {path}: method {plain.method} has no `{step}`; methods that have: {', '.join(having)}")
    try:
        return load_generator(method, options)
    except RecipeError as why:
        raise SettingsError([Problem(f"--option {_blamed(each.what, options)}", each.what) for each in why.problems]) from None


def _blamed(what: str, options: Iterable[str]) -> str:
    """The options that a problem speaks of: by their path, the beginning of it, or one of its names; else all."""
    parts = {path: path.split(".") for path in options}
    names = {path: {*own, *(".".join(own[:n]) for n in range(1, len(own) + 1))} for path, own in parts.items()}
    return ", ".join([path for path in parts if any(f"`{name}`" in what for name in names[path])] or parts)


def _mapping(data: str, given: dict[str, str], split: str, subset: str) -> dict[str, str]:
    """`--map`, and the prompt's usual other name where there is no column `prompt`; said aloud."""
    if "prompt" in given:
        return given
    with suppress(StopIteration, JudgeError):  # what is wrong with the data is said when they are read
        _, row = next(iter(read_rows(data, split, config=subset)))
        found = likely_prompt([str(name) for name in row]) if not isinstance(row, str) else {}
        if found:
            notice(f"no column `prompt`: the prompts are read from `{found['prompt']}` (--map prompt=COLUMN for another)")
        return found | given
    return given


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise OutputError(f"{folder}: {why.strerror}") from None
    return folder


def _progress(total: int | None, quiet: bool) -> Any:
    """A callback that says every few seconds how far it is, and why rows came to nothing."""
    state = {"done": 0, "kept": 0}
    lost: dict[str, int] = {}
    began = shown = time.monotonic()

    def done(written: Written) -> None:
        nonlocal shown
        state["done"] += 1
        state["kept"] += written.kept
        if not written.kept:
            lost[written.reason] = lost.get(written.reason, 0) + 1
        now = time.monotonic()
        if not quiet and now - shown > LINE_EVERY_S:
            shown = now
            of = f" of {total}" if total else ""
            reasons = "".join(f", {number} {reason}" for reason, number in sorted(lost.items(), key=lambda each: -each[1])[:3])
            rate = state["done"] / (now - began)
            notice(f"{state['done']}{of} rows done ({rate:.3g} a second), {state['kept']} rubrics kept{reasons}")

    return done
