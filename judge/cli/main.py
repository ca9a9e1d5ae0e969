"""The `judge` command: mounts the commands, and turns a `JudgeError` into one clear message and its exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import judge
from judge.cli import attack, audit, one, preflight, recipe, rubric, run, select, serve, show
from judge.errors import InputError, JudgeError

EXIT_CODES = """
Exit codes: 0 done · 1 other failure · 2 wrong input (settings, rubric, recipe, data, arguments) · 3 engine cannot work ·
4 results cannot be written · 5 a response has no reward and the settings say `raise` · 130 stopped by Ctrl-C.
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
app.command("run")(run.run)
app.command("attack")(attack.attack)
app.command("audit")(audit.audit)
app.command("one")(one.one)
app.command("serve")(serve.serve)
app.command("preflight")(preflight.preflight)
app.command("show")(show.show)
app.command("best-of-n")(select.best_of)
app.command("pairs")(select.pairs)
app.add_typer(rubric.app, name="rubric")
app.add_typer(recipe.app, name="recipe")


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
    try:
        app(None if arguments is None else list(arguments), prog_name="judge")
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
