"""Options that several commands share, and what they come to."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from judge.batch.files import passed_over
from judge.batch.read import BadRow, parse_map, read_samples
from judge.errors import DataError, InputError, Problem, did_you_mean
from judge.pipeline.build import Plan, plan
from judge.report.text import printable
from judge.settings import load_settings
from judge.settings.track import TrackTo
from judge.types import Sample

Config = Annotated[str, typer.Argument(help="Run settings (a YAML file).", metavar="CONFIG")]
MaybeConfig = Annotated[
    str | None,
    typer.Argument(help="Run settings (a YAML file).", metavar="CONFIG", show_default=False),
]
OlderConfig = Annotated[str | None, typer.Option("--config", hidden=True)]  # an older way to say it
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="JSONL, JSON, CSV, TSV or Parquet file (also .gz, .zst), pattern ('parts/*.parquet'), folder, hub name, or"
        " hub:NAME (streamed).",
        metavar="FILE",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="Which column is which: prompt=question,response=answer. Dotted paths lead into a column"
        " (reference=reward_model.ground_truth); context= leaves a field out. Repeatable. [default: each field has its own name,"
        " or the layout of a known data set]",
        metavar="FIELD=COLUMN",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one setting: engine.model=Qwen/Qwen3-8B. Repeatable.", metavar="PATH=VALUE"),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help="Send figures, summary and report to wandb, mlflow, trackio, or write an inspect log. Repeatable."
        " [default: as `track` in the settings says]",
        metavar="NAME",
        show_default=False,
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        show_default=False,
        help="Split of a `datasets` folder or hub name. [default: the only one, else test, else train]",
        metavar="NAME",
    ),
]
DataConfigName = Annotated[
    str,
    typer.Option(
        "--data-config",
        show_default=False,
        help="Configuration of a hub data set that has several. [default: the only one]",
        metavar="NAME",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", help="Judge only the first N rows. [default: all]", metavar="N", min=1)]


class WholeLines(TyperGroup):
    """A group of commands whose help says the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one entry a command; typer cuts them at 45 characters."""
        told = [(name, (command.help or "").partition("\n\n")[0]) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(name, " ".join(text.split())) for name, text in told])


NEAR = 2_000  # ids searched for one that resembles a mistyped one


def notice(text: str) -> None:
    """One line of talk, on standard error; what would steer the terminal or hide is written as an escape."""
    print(printable(text), file=sys.stderr, flush=True)


def say(text: str, *, exact: bool = False) -> None:
    """Text on standard output; what would steer the terminal or hide is written as an escape.

    Args:
        exact: Into a file or a pipe it goes as it is.
    """
    print(text if exact and not sys.stdout.isatty() else printable(text))


def say_passed_over(data: str, split: str, config: str) -> None:
    """Name the files of the data that hold nothing."""
    if nothing := passed_over(data, split=split, config=config):
        more = "" if len(nothing) <= 3 else f" and {len(nothing) - 3:,} more"
        notice(f"empty, passed over: {', '.join(map(str, nothing[:3]))}{more}")


def with_track(overrides: list[str] | None, track: list[str] | None) -> list[str]:
    """The overrides with what `--track` says; it goes over the names in the settings, and keeps their project."""
    known = get_args(TrackTo)
    for name in track or ():
        if name not in known:
            raise InputError(f"--track {name}: {did_you_mean(name, known).strip('; ') or 'must be one of ' + ', '.join(known)}")
    return [*(overrides or ()), *([f"track.to=[{', '.join(track)}]"] if track else [])]


def named_config(given: str | None, as_option: str | None) -> str | None:
    """The run settings that a command was given, by position or in the older way."""
    if given is not None and as_option is not None:
        raise InputError(f"run settings are given twice: {given} and --config {as_option}")
    return given if given is not None else as_option


def load_plan(config: str, overrides: list[str] | None) -> Plan:
    """Settings, recipe and rubric of a run."""
    settings, base = load_settings(config, overrides or ())
    made = plan(settings, base)
    for note in made.profile.notes:
        notice(note)
    return made


def wanted_columns(plan: Plan) -> frozenset[str]:
    """Of the fields that a sample may have beside prompt and responses, those that a judge or a check of this run looks at."""
    return frozenset(field for one in plan.judges for field in _OPTIONAL if _looks_at(one, field))


_OPTIONAL = ("reference", "context", "rubric", "principle", "steps", "exemplar")


def _looks_at(plan: Plan, field: str) -> bool:
    spec = plan.recipe.spec
    if field in spec.needs.sample or (field == "rubric" and spec.mode == "checklist"):
        return True
    if plan.rubric is not None and field == "context" and any(c.check != "llm" for c in plan.rubric.criteria):
        return True  # a program may look at the documents
    shows = re.compile(r"\{[{%][^{}%]*\b" + ("(?:rubric|criterion|criteria|scale)" if field == "rubric" else field) + r"\b")
    return any(shows.search(text) for text in plan.recipe.templates.values())


def find_item(data: str, mapping: list[str] | None, split: str, item: str, *, config: str = "") -> Sample:
    """The sample with this id, or at this position."""
    by_position: Sample | BadRow | None = None
    ids: list[str] = []
    count = 0
    for count, sample in enumerate(read_samples(data, parse_map(mapping or ()), split=split, config=config), 1):
        if sample.id == item:
            return _whole(sample)
        if str(count - 1) == item:
            by_position = sample
        if count <= NEAR:
            ids.append(sample.id)
    if by_position is None:
        near = did_you_mean(item, ids) or f"; positions go from 0 to {count - 1}, and the first id is `{ids[0]}`"
        raise DataError(Problem(data, f"no item with the id or position `{item}`{near}"))
    return _whole(by_position)


def _whole(sample: Sample | BadRow) -> Sample:
    if isinstance(sample, BadRow):
        raise DataError(sample.problem)
    return sample
