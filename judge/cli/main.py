"""The `judge` command: mounts the commands, and turns a `JudgeError` into one clear message and its exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

import judge
from judge.errors import InputError, JudgeError

EXIT_CODES = """
Exit codes: 0 done · 1 other failure · 2 wrong input (settings, rubric, recipe, data, arguments) ·
3 the engine cannot work, or stopped working · 4 results cannot be written · 5 a response has no reward under `raise` ·
6 the monitor stopped the run · 130 stopped by Ctrl-C.
"""

app = typer.Typer(
    help="Turn a language model into a reward you can train on.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = {
    "run": "run:run",
    "attack": "attack:attack",
    "audit": "audit:audit",
    "bench": "bench:bench",
    "check": "check:check",
    "agree": "agree:agree",
    "calibrate": "calibrate:calibrate",
    "one": "one:one",
    "serve": "serve:serve",
    "preflight": "preflight:preflight",
    "compare": "compare:compare",
    "show": "show:show",
    "report": "report:report",
    "look": "report:look",
    "label": "label:label",
    "call": "call:call",
    "best-of-n": "select:best_of",
    "pairs": "select:pairs",
    "judgements": "select:judgements",
    "proxy": "proxy:proxy",
    "rubric": "rubric:app",
    "recipe": "recipe:app",
    "models": "models:models",
    "cache": "cache:app",
}
"""Name of a command -> its module in `judge.cli`, and what there is mounted."""


def _mount(first: str | None) -> None:
    """Mount the command that was named; all of them where none was (for `--help`, and for the hint at a typing error).

    A command imports half of the toolkit, so that mounting all of them would make each a second slower.
    """
    mounted = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for name in [first] if first in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        if name in mounted:
            continue
        found = getattr(import_module(f"judge.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)


@app.command("doctor")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say what this machine has, what is missing, and the command that fixes it."""
    from judge.cli.doctor import doctor as examine  # noqa: PLC0415  # only here

    raise typer.Exit(examine(as_json))


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(judge.__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `judge` command. Ends in `SystemExit` with one of the exit codes above.

    Args:
        arguments: Instead of the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # texts under judgement may hold what no terminal can show
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _mount(given[0] if given else None)
        app(given, prog_name="judge")
    except JudgeError as why:
        print(why, file=sys.stderr)
        notes = getattr(why, "__notes__", [])
        if isinstance(why, InputError) and not notes:
            notes = [f"{len(why.problems)} problem(s); nothing was judged"]
        print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
        sys.exit(why.exit_code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; Python would complain about that at exit
        sys.exit(0)


if __name__ == "__main__":
    main()
