"""`judge rubric generate`: write rubrics from data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.read import parse_map, read_samples
from judge.batch.store import Store
from judge.cli.options import DataConfigName, Limit, Map, Set, SplitOption, notice
from judge.engine.build import build_engine
from judge.engine.protocol import Engine
from judge.errors import OutputError
from judge.generators.model import Generator, load_generator
from judge.generators.run import SourceRow, Writer, Written, rows_from, write_all
from judge.generators.write import write_folder
from judge.loops import run as run_loop
from judge.settings import RunSettings, load_settings, settings_dict

LINE_EVERY_S = 10.0


def generate(
    method: Annotated[str, typer.Option("--method", help="Shipped generator, or a generator folder.", metavar="NAME")],
    pairs: Annotated[
        str,
        typer.Option(
            "--pairs",
            help="Preference pairs: JSONL, JSON, CSV, TSV or Parquet file, `datasets` folder, or hub name.",
            metavar="FILE",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Output folder; made when it is not there.", metavar="DIR")],
    config: Annotated[
        str | None,
        typer.Option("--config", help="Run settings: engine, sampling, seed. [default: the embedded model]", metavar="CONFIG"),
    ] = None,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")] = False,
) -> None:
    """Write a rubric for every preference pair, and keep those under which a judge prefers the chosen response in both orders.

    A row has prompt, chosen and rejected, or prompt, response_a, response_b and label (A or B). The same engine writes and
    judges. `engine`, `sampling`, `seed`, `max_in_flight` and `filters.max_response_chars` of the settings count; recipe,
    rubric, votes and order do not. Running the same command again asks only for what is new or failed.

    Writes rubrics.jsonl (every rubric, kept or not, with its lineage and reason), kept/*.yaml and generate.json.

    \b
    Examples:
      judge rubric generate --method contrastive --pairs pairs.jsonl \\
          --output rubrics/
      judge rubric generate --method contrastive --pairs pairs.parquet \\
          --output out --config my.yaml --limit 100
      judge rubric generate --method contrastive --pairs p.jsonl --output out \\
          --set engine.model=Qwen/Qwen3-8B

    Exit codes: 0 done (none kept included), 2 wrong input, 3 engine cannot work, 4 cannot write, 130 stopped.
    """
    settings, _ = load_settings(config if config is not None else {}, overrides or ())
    generator = load_generator(method)
    rows = rows_from(read_samples(pairs, parse_map(mapping or ()), split=split, config=subset, limit=limit))
    engine = build_engine(settings.engine, None if quiet else notice)
    summary = run_loop(run_generator(generator, settings, rows, output, engine, data=pairs, quiet=quiet))
    counts = summary["counts"]
    print(f"{counts['kept']} of {counts['rows']} rubrics kept, in {output / 'kept'}")
    for reason, number in counts["by_reason"].items():
        print(f"  {number:>6}  {reason}")
    print(
        f"{counts['calls']} model calls, {counts['calls_from_journal']} from the journal; lineage in {output / 'rubrics.jsonl'}"
    )


async def run_generator(
    generator: Generator,
    settings: RunSettings,
    rows: list[SourceRow],
    output: Path,
    engine: Engine,
    *,
    data: str = "",
    quiet: bool = True,
) -> dict[str, Any]:
    """Write rubrics into a folder and return what `generate.json` holds. The engine is started and closed here."""
    store = Store(_made(output) / "journal.sqlite")
    started = time.monotonic()
    try:
        await engine.start()
        writer = Writer(generator, settings, engine, store)
        ready = time.monotonic()
        results = await write_all(writer, rows, settings.max_in_flight, _progress(len(rows), quiet))
        facts = {
            "data": data,
            "settings": settings_dict(settings),
            "seconds": {"loading": round(ready - started, 3), "writing": round(time.monotonic() - ready, 3)},
        }
        return write_folder(output, writer, results, facts)
    finally:
        await engine.close()
        store.close()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise OutputError(f"{folder}: {why.strerror}") from None
    return folder


def _progress(total: int, quiet: bool) -> Any:
    """A callback that says every few seconds how far it is."""
    state = {"done": 0, "kept": 0, "shown": time.monotonic()}

    def done(written: Written) -> None:
        state["done"] += 1
        state["kept"] += written.kept
        if not quiet and (time.monotonic() - state["shown"] > LINE_EVERY_S or state["done"] == total):
            state["shown"] = time.monotonic()
            notice(f"{state['done']} of {total} rows done, {state['kept']} rubrics kept")

    return done
