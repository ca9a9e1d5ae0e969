"""The `judge` command: mounts the commands, and turns a `JudgeError` into one clear message and its exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import judge
from judge.cli.folding import fold_help
from judge.errors import InputError, JudgeError, did_you_mean
from judge.report.text import printable

COMPLETE = "_JUDGE_COMPLETE"  # set by the shell that wants a word completed

EXIT_CODES = """
Exit codes: 0 done · 1 other failure, or a check that did not pass · 2 wrong input (settings, rubric, recipe, data, arguments) ·
3 the engine cannot work, or stopped working · 4 results cannot be written · 5 no rewards, or too few (`--max-failures`,
`raise`) · 6 the monitor stopped the run · 7 the budget is spent · 130 stopped by Ctrl-C.
"""
GROUPS = {
    "Begin": {
        "init": ("init:init", "Write a starter configuration, rubric and data."),
        "doctor": ("doctor:doctor_command", "Say what this machine has, lacks, and how to fix it."),
        "models": ("models:models", "List the trained judges that a recipe is for."),
        "recipe": ("recipe:app", "Judging methods: list, show, new, test, adopt."),
        "rubric": ("rubric:app", "Rubrics: write, check, merge, compare, prove."),
    },
    "Judge": {
        "run": ("run:run", "Judge every row of a data set."),
        "merge": ("merge:merge", "Put the shards of a run together."),
        "plan": ("plan:plan_command", "What a run would take, and what is cheaper."),
        "one": ("one:one", "Judge one response, and see why."),
        "serve": ("serve:serve", "Serve rewards over HTTP."),
        "show": ("show:show", "Print the exact prompt of an item; no model."),
        "call": ("call:call", "Print or repeat one call of a run."),
        "cache": ("cache:app", "The folder of kept replies: stats, prune."),
    },
    "Know your judge": {
        "check": ("check:check", "Can this judge judge? Two minutes."),
        "bench": ("bench:bench", "How often is it right, on published sets?"),
        "agree": ("agree:agree", "A run beside its labels."),
        "calibrate": ("calibrate:calibrate", "Rewards as chances, with promised errors."),
        "label": ("label:label", "Label a run by hand, on a local page."),
        "compare": ("compare:compare", "Two judges on the same data, or two runs."),
        "attack": ("attack:attack", "Try to be paid for texts without an answer."),
        "optimize": ("optimize:optimize", "A recipe in better words, by labelled pairs."),
        "audit": ("audit:audit", "Biases: length, style, rewording, authority."),
    },
    "Look at a run": {
        "report": ("report:report", "One HTML page: findings, plots, every item."),
        "look": ("report:look", "One item in the terminal."),
    },
    "Train": {
        "preflight": ("preflight:preflight", "Check a configuration against a trainer."),
        "best-of-n": ("select:best_of", "Keep the best response of every prompt."),
        "pairs": ("select:pairs", "Preference pairs for DPO."),
        "judgements": ("select:judgements", "Pairs of judgements, to train a judge."),
        "proxy": ("proxy:proxy", "Where more reward stops meaning better."),
    },
}
"""Heading -> command -> where it is in `judge.cli`, and its line in `judge --help`."""
COMMANDS = {name: where for group in GROUPS.values() for name, (where, _) in group.items()}
JUDGING = frozenset(
    "run plan one serve check bench compare attack optimize audit".split()
    + [f"rubric {name}" for name in ("validate", "select", "refine", "evolve")]
)
"""Commands that ask a judge: of these an error says that nothing was judged."""


class Grouped(TyperGroup):
    """The commands under their headings, each with its whole line; none of them is imported for that."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # typer brings a click of its own, or takes the installed one
        """Write the headings and lines of `GROUPS`."""
        width = max(map(len, COMMANDS))
        for heading, group in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in group.items()])


app = typer.Typer(
    cls=Grouped,
    help="Turn a language model into a reward you can train on. `judge COMMAND --help` says more, with examples to paste.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _mount(first: str | None) -> None:
    """Mount the command that was named; all of them where none was.

    A command imports half of the toolkit, so that mounting all of them would make each a second slower.
    """
    mounted = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for name in [first] if first in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        if name in mounted:
            continue
        found = getattr(import_module(f"judge.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            fold_help(found)
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
            fold_help(app.registered_commands[-1])


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    completion: Annotated[
        str | None,
        typer.Option(
            "--completion",
            help="Print what completes commands and options: `judge --completion bash >> ~/.bashrc`.",
            metavar="bash|zsh|fish",
            show_default=False,
        ),
    ] = None,
) -> None:
    if version:
        print(judge.__version__)
        raise typer.Exit
    if completion is not None:
        print(_completion(completion))
        raise typer.Exit


def _completion(shell: str) -> str:
    """The shell's own script for completing `judge`."""
    if shell not in ("bash", "zsh", "fish"):
        raise InputError(f"--completion {shell}: must be bash, zsh or fish")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # noqa: PLC0415  # only here

    script: str = get_completion_script(prog_name="judge", complete_var=COMPLETE, shell=shell)
    return script


def _prepare(given: Sequence[str]) -> None:
    """Mount what this call needs: the command that is named, nothing for the list of commands, all to complete a word."""
    if COMPLETE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # noqa: PLC0415  # only here

        completion_init()
        _mount(None)
        return
    named = next((word for word in given if not word.startswith("-")), None)
    if given and given[0] == named and named not in COMMANDS:
        raise InputError(f"no command `{named}`{_meant(named) or did_you_mean(named, COMMANDS) or '; `judge --help` lists them'}")
    _mount(named if named in COMMANDS else "doctor")


def _meant(named: str) -> str:
    """The commands of that name which belong to another, as the tail of a message; empty where there is none."""
    for name, where in COMMANDS.items():
        if where.endswith(":app"):
            _mount(name)
    held = {group.name: group.typer_instance for group in app.registered_groups if group.typer_instance is not None}
    found = [f"`judge {name} {named}`" for name in COMMANDS if name in held and named in _names(held[name])]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _names(inner: typer.Typer) -> list[str]:
    return [str(command.name or getattr(command.callback, "__name__", "")) for command in inner.registered_commands]


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
        _prepare(given)
        app(given, prog_name="judge", complete_var=COMPLETE)
    except JudgeError as why:
        print(printable(str(why)), file=sys.stderr)
        notes = getattr(why, "__notes__", [])
        if isinstance(why, InputError) and not notes:
            words = [word for word in given if not word.startswith("-")]
            judging = JUDGING & {" ".join(words[:1]), " ".join(words[:2])}
            notes = [f"{len(why.problems)} problem(s)" + ("; nothing was judged" if judging else "")]
        print(*map(printable, notes), sep="\n", end="\n" if notes else "", file=sys.stderr)
        sys.exit(why.exit_code)
    except SystemExit as why:
        if why.__context__ is not None and isinstance(why.__context__.__cause__, KeyboardInterrupt):  # as typer hands it on
            print("stopped", file=sys.stderr)
        raise
    except KeyboardInterrupt:  # while the command itself is loaded
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; Python would complain about that at exit
        sys.exit(0)


if __name__ == "__main__":
    main()
