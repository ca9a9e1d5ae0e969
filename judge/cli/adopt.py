"""`judge recipe adopt`: an exact recipe of a published prompt that the user has in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from judge.cli.options import notice
from judge.pipeline.adopt import adopt as make
from judge.recipe.published import read_prompt_file


def adopt(
    name: Annotated[str, typer.Argument(help="Shipped recipe, or a folder, that is for the model.", metavar="NAME")],
    prompt: Annotated[
        str,
        typer.Option(
            "--prompt",
            help="The published prompt: a text, YAML or JSON file, or FILE.py:VARIABLE (read, never run).",
            metavar="FILE",
        ),
    ],
    system: Annotated[
        str | None,
        typer.Option("--system", help="The system text, where it is in a file of its own. [default: none]", metavar="FILE"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="For which of its models. [default: any whose messages fit]", metavar="MODEL"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder of the new recipe. [default: NAME-exact]", metavar="DIR")
    ] = None,
    unchecked: Annotated[
        bool,
        typer.Option("--unchecked", help="Take the file as it is where its messages are not known to be the published ones."),
    ] = False,
) -> None:
    """Make an exact recipe of a published prompt.

    The file has the text as its authors published it, with their placeholders ({name}, {{ name }}, <<name>> or $name). Two
    samples are rendered, and the SHA-256 of the messages is compared with the one in the recipe, so a missing space is found.

    \b
    Examples:
      judge recipe adopt branch-rethink --prompt brrm.yaml
      judge recipe adopt prometheus --prompt prompts.py:ABSOLUTE_PROMPT \\
          --system prompts.py:ABS_SYSTEM_PROMPT --output prom

    Exit codes: 0 written, 2 the file is not the published prompt, or something in it is wrong.
    """
    turns = read_prompt_file(prompt)
    if system is not None:
        [[(_, text)]] = read_prompt_file(system, "system")
        turns = (((("system", text)), *turns[0]), *turns[1:])
    folder = output or Path(f"{Path(name).name}-exact")
    made = make(name, turns, model=model or "", new_name=folder.name, unchecked=unchecked)
    made.write(folder)
    if made.checked:
        notice(f"{folder}: the published prompt of {made.checkpoint.models[0]}, byte for byte")
    else:
        notice(f"{folder}: made of {prompt}; whether it is the published prompt of {made.checkpoint.models[0]} was not checked")
    notice(f"use it with `recipe: ./{folder}` in the run settings; test it with: judge recipe test ./{folder}")
