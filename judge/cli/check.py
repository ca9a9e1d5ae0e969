"""`judge check`: can this judge judge?"""

from __future__ import annotations

import json
import textwrap
from typing import Annotated

import typer

from judge.cli.options import Config, Set, load_plan, notice
from judge.loops import run as run_loop
from judge.report.text import percent


def check(
    config: Config,
    overrides: Set = None,
    own_rubric: Annotated[
        bool,
        typer.Option("--own-rubric", help="Judge by the rubric of CONFIG. [default: one that asks whether the answer is right]"),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Use N of the 24 questions. [default: all]", metavar="N", min=4, show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object. [default: off]")] = False,
) -> None:
    """Ask a judge two dozen easy questions, and say whether it can judge at all, before a training run is built on it.

    Each question has a right and a wrong answer, short and long, and a string without content; a comparing recipe sees them in
    both places. Caught are judges that are bound to a position, always answer one thing, follow length, pay for nothing, answer
    at random or give no verdict. Five calls a question. Passing says no more than that: how often the judge is right on your
    task is for `judge bench` and `judge agree`.

    \b
    Examples:
      judge check judge.yaml
      judge check judge.yaml --set engine.model=Qwen/Qwen3-8B --json

    Exit codes: 0 it passes; 1 it does not; 2 wrong input; 3 the engine cannot work.
    """
    from judge.bench.check import run_check  # noqa: PLC0415  # keeps `judge --help` fast

    plan = load_plan(config, overrides)
    notice(f"asking {plan.settings.engine.model} about {limit or 24} questions, 5 judgements each")
    found = run_loop(run_check(plan, own_rubric=own_rubric, limit=limit))
    if as_json:
        print(json.dumps(found.plain(), ensure_ascii=False))
        raise typer.Exit(0 if found.passes else 1)
    rows = [
        ("right answers win", found.won),
        ("  when longer, shorter", f"{percent(found.long_right)}, {percent(found.short_right)}"),
    ]
    if found.first is not None:
        rows.append(("the first place wins", percent(found.first)))
    if found.same is not None:
        rows.append(("commonest grade", f"{found.same[0]:g}, {percent(found.same[1])} of all"))
    if found.apart is not None:
        rows.append(("two wordings apart", percent(found.apart)))
    rows.append(("content-free accepted", percent(found.paid)))
    reasons = ", ".join(f"{n} {reason}" for reason, n in found.reasons.items())
    rows.append(("no verdict", percent(found.missing) + (f" ({reasons})" if reasons else "")))
    rows.append(("cost", f"{found.calls} calls, {found.seconds:.1f} s"))
    print(f"{found.recipe} on {found.model}")
    print(*(f"  {name:<24}{value}" for name, value in rows), sep="\n")
    for fault in found.faults:
        print(*textwrap.wrap(f"FAULT: {fault.text}", 80, subsequent_indent="  ", break_on_hyphens=False), sep="\n")
    print("this judge does not pass" if found.faults else "this judge passes")
    raise typer.Exit(1 if found.faults else 0)
