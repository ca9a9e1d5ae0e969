"""`judge models`: the trained judges that a shipped recipe is for."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from judge.errors import InputError, did_you_mean
from judge.recipe.parts import Checkpoint
from judge.recipe.serves import Served, find_served, served_models

WIDTH = 80  # characters of a line
_PROMPT, _LICENCE = 9, 11  # of their columns


def models(
    name: Annotated[
        str | None, typer.Argument(help="One model, with all that is known of it. [default: all]", metavar="MODEL")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one record a model. [default: off]")] = False,
) -> None:
    """List the trained judges that a shipped recipe is for.

    `engine: {model: NAME}` without `recipe` in the run settings picks the recipe, and runs the model as its authors do (sampling,
    chat template, order). Prompt `own`: in our words; `adoptable`: `judge recipe adopt` makes a recipe of the published text.

    \b
    Examples:
      judge models
      judge models nvidia/Qwen3-Nemotron-14B-BRRM
      judge models --json

    Exit codes: 0 listed, 2 there is no such model.
    """
    if name is not None:
        found = find_served(name) or next((s for s in served_models() if name in s.checkpoint.models), None)
        if found is None:
            known = [model for served in served_models() for model in served.checkpoint.models]
            raise InputError(f"no recipe is for the model `{name}`{did_you_mean(name, known) or '; `judge models` lists them'}")
        if as_json:
            print(json.dumps(_record(found, name), ensure_ascii=False))
            return
        print("\n".join(_details(found, name)))
        return
    rows = [(model, served) for served in served_models() for model in served.checkpoint.models]
    rows.sort(key=lambda row: (row[1].recipe, row[0].casefold()))
    if as_json:
        print(json.dumps([_record(served, model) for model, served in rows], ensure_ascii=False, indent=1))
        return
    for line in _table(rows):
        print(line)


def _table(rows: list[tuple[str, Served]]) -> Iterator[str]:
    """The rows in 80 columns; a name that is too long for its column stands on a line of its own."""
    recipe = max(len(served.recipe) for _, served in rows)
    model = WIDTH - recipe - _PROMPT - _LICENCE - 3
    yield _line(("MODEL", model), ("RECIPE", recipe), ("PROMPT", _PROMPT), ("LICENCE", _LICENCE))
    for name, served in rows:
        checkpoint = served.checkpoint
        if len(name) > model:
            yield name
        licence = checkpoint.licence or "-"
        if len(licence) > _LICENCE:
            licence = licence[: _LICENCE - 1] + "…"
        first = "" if len(name) > model else name
        yield _line((first, model), (served.recipe, recipe), (_prompt(checkpoint), _PROMPT), (licence, _LICENCE))


def _line(*cells: tuple[str, int]) -> str:
    return " ".join(text.ljust(width) for text, width in cells).rstrip()


def _prompt(checkpoint: Checkpoint) -> str:
    return "adoptable" if checkpoint.prompt == "own" and checkpoint.sha256 else checkpoint.prompt


def _record(served: Served, model: str) -> dict[str, Any]:
    """A model as JSON."""
    plain = served.checkpoint.model_dump(
        mode="json", exclude={"model", "placeholders", "sha256", "changes"}, exclude_defaults=True
    )
    return {"model": model, "recipe": served.recipe, "mode": served.spec.mode, **plain, "prompt": _prompt(served.checkpoint)}


def _details(served: Served, model: str) -> Iterator[str]:
    checkpoint, spec = served.checkpoint, served.spec
    yield model
    yield from _wrapped("recipe", f"{served.recipe} ({spec.mode}): {spec.summary}")
    yield from _wrapped("source", spec.source.title + (f" ({spec.source.paper})" if spec.source.paper else ""))
    yield from _wrapped("prompt", _prompt(checkpoint))
    if checkpoint.placeholders:
        yield from _wrapped("adopt", f"judge recipe adopt {served.recipe} --prompt FILE")
        yield from _wrapped("", f"(placeholders: {', '.join(checkpoint.placeholders)})")
    plain = _record(served, model)
    for key in ("options", "sampling", "order", "system_role", "thinking", "chat_template_kwargs", "licence", "note"):
        if key in plain:
            value = plain[key]
            shown = ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            yield from _wrapped({"system_role": "system", "chat_template_kwargs": "template"}.get(key, key), shown)
    if not checkpoint.pick:
        yield from _wrapped("chosen", f"only with `recipe: {served.recipe}` in the settings")


def _wrapped(name: str, text: str) -> Iterator[str]:
    """`  name       text`, in lines of 80 columns."""
    for number, line in enumerate(textwrap.wrap(text, WIDTH - 13)):
        yield f"  {name if number == 0 else '':<10} {line}"
