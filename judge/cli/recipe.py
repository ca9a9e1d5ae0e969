"""`judge recipe`: list, show and test judging recipes."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.cli.adopt import adopt
from judge.cli.options import WholeLines
from judge.pipeline.selftest import missing_kinds, run_transcripts
from judge.recipe.load import list_recipes, load_recipe
from judge.recipe.model import WRITTEN, RecipeSpec
from judge.recipe.new import new_recipe
from judge.render.build import Builder

WIDTH = 80  # characters of a line
_BY_SIGNAL = ("top_logprobs", "score_continuation", "rate")  # capabilities that the signal tells already
_LEAST = 9  # characters for what a recipe needs, whatever the names are
_JUDGES = {"pointwise": "response", "verifier": "answer", "checklist": "criteria", "pairwise": "pair", "listwise": "list"}

app = typer.Typer(cls=WholeLines, help="List, show, begin and test judging recipes.", no_args_is_help=True, rich_markup_mode=None)
app.command()(adopt)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, with summaries and options.")] = False,
) -> None:
    """Print the shipped recipes: what one call judges, what a sample must have, and what it costs.

    Calls: of one sample with two responses' order and one vote; `c` is the number of criteria, `s` of steps, `+1p` is one call
    more for each prompt, whatever the number of its completions.

    \b
    Examples:
      judge recipe list
      judge recipe list --json

    Exit code: 0.
    """
    found = [_described(load_recipe(name).spec) for name in list_recipes()]
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    head = ("name", "judges", "needs", "signal", "calls", "paper", "serves")
    rows = [head] + [
        (
            each["name"],
            each["judges"],
            ", ".join((*each["needs"], *(c for c in each["capabilities"] if c not in _BY_SIGNAL))) or "-",
            each["signal"],
            each["calls"],
            _paper(each["source"]["paper"]),
            str(len(each["serves"])) if each["serves"] else "-",
        )
        for each in found
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    widths[2] = max(_LEAST, WIDTH - sum(widths) + widths[2] - 2 * (len(head) - 1))
    for row in rows:
        needs = textwrap.wrap(row[2], widths[2], break_long_words=False)
        cells = [*row[:2], needs[0], *row[3:]]
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        for more in needs[1:]:
            print(" " * (widths[0] + widths[1] + 4) + more)


def _paper(source: str) -> str:
    """A paper's number, or what kind of page, as it fits into a table.

    Example:
        >>> _paper("arXiv:2306.05685"), _paper("https://huggingface.co/org/model"), _paper("")
        ('2306.05685', 'model card', '-')
    """
    if source.startswith("https://huggingface.co/"):
        return "model card"
    if source.startswith("http"):
        return "web page"
    return source.removeprefix("arXiv:") or "-"


def _described(spec: RecipeSpec) -> dict[str, Any]:
    """A recipe as plain values, for the table and for --json."""
    return {
        "name": spec.name,
        "summary": spec.summary,
        "mode": spec.mode,
        "judges": _JUDGES[spec.mode],
        "needs": list(spec.needs.sample),
        "capabilities": [str(c) for c in spec.required],
        "signal": spec.signal,
        "verdict": f"{spec.verdict.kind}/{spec.verdict.form}" if spec.reads in WRITTEN else "",
        "calls": calls_of(spec),
        "order": spec.order,
        "options": dict(spec.options),
        "source": spec.source.model_dump(),
        "serves": [served["model"] for served in spec.model_dump(mode="json").get("serves") or ()],
    }


def calls_of(spec: RecipeSpec) -> str:
    """Calls for one sample, one vote: a number, times `c` criteria or `s` steps, and `+1p` for each that is asked once a prompt.

    Example:
        >>> calls_of(load_recipe("pairwise").spec), calls_of(load_recipe("checklist").spec)
        ('2', '1c')
    """
    read = spec.readout if spec.reads == "expected" else None
    rotated = bool(read and read.rotate)
    orders = 2 if spec.order in ("both_mean", "both_agree") or (rotated and spec.mode == "pairwise") else 1
    if rotated and spec.mode not in ("pairwise", "listwise"):
        orders = len(spec.verdict.own_labels) or 1
    each = sum(turn.scope == "response" for turn in spec.turns) * orders
    once = sum(turn.scope == "prompt" for turn in spec.turns)
    if read and read.debias == "prior":
        once += each
    criteria = "" if spec.per_call is None else "c" if spec.per_call == 1 else f"c/{spec.per_call}"
    unit = criteria or ("s" if spec.steps is not None and spec.steps.ask == "each" else "")
    return f"{each}{unit}" + (f"+{once}p" if once else "")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the new recipe.", metavar="NAME")],
    base: Annotated[str, typer.Option("--from", help="Shipped recipe or folder to begin with.", metavar="RECIPE")] = "pointwise",
    output: Annotated[str, typer.Option("--output", help="Folder in which the recipe's folder is made.", metavar="DIR")] = ".",
) -> None:
    """Begin a recipe of your own: a copy of another, with a comment on every field, that passes `judge recipe test` at once.

    \b
    Examples:
      judge recipe new my-judge --from pairwise
      judge recipe new my-judge --from ./older --output recipes

    Exit codes: 0 made, 2 there is no such recipe, or the folder is there already, 4 it cannot be written.
    """
    folder = new_recipe(load_recipe(base), name, Path(output) / name)
    shown = folder if folder.is_absolute() or str(folder).startswith(".") else f"./{folder}"
    print(f"{shown}: a copy of {base}; edit its templates and recipe.yaml")
    print(f"next: judge recipe test {shown}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="Shipped recipe or folder.", metavar="NAME")]) -> None:
    """Print a recipe: where it was published, what differs here, and its templates.

    \b
    Examples:
      judge recipe show pairwise
      judge recipe show ./my-recipe

    Exit codes: 0 shown, 2 there is no such recipe or something in it is wrong.
    """
    recipe = load_recipe(name)
    spec = recipe.spec
    print(*textwrap.wrap(f"{spec.name}: {spec.summary}", WIDTH, subsequent_indent="  ", break_on_hyphens=False), sep="\n")
    where = ", ".join(part for part in (spec.source.paper, spec.source.section) if part)
    _told("source", spec.source.title + (f" ({where})" if where else ""))
    for deviation in spec.deviations:
        _told("differs", deviation)
    for option, value in recipe.options.items():
        _told("option", f"{option} [default: {value}]")
    _told("hash", recipe.hash)
    for template, text in recipe.templates.items():
        print(f"--- {template}")
        print(text.rstrip())


def _told(what: str, words: str) -> None:
    """One fact of a recipe, in 80 columns."""
    lines = textwrap.wrap(words, WIDTH, initial_indent=f"  {what:<12}", subsequent_indent=" " * 14, break_on_hyphens=False)
    print(*lines, sep="\n")


@app.command()
def test(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes to test. [default: all shipped]", metavar="NAME")] = None,  # noqa: PT028
    everything: Annotated[bool, typer.Option("--all", help="Test all shipped recipes, beside those named.")] = False,  # noqa: PT028
) -> None:
    """Check recipes without a model: templates compile and render, and recorded replies come to the right rewards.

    A recipe also fails when its prompt never says how the verdict is to be written, and when its transcripts lack a kind of reply
    that judges give (a good one, a planted verdict, one cut off, two different verdicts).

    \b
    Examples:
      judge recipe test
      judge recipe test ./my-recipe
      judge recipe test ./my-recipe --all

    Exit codes: 0 all pass, 1 a transcript fails or is missing, 2 a recipe is wrong.
    """
    failed = 0
    for name in [*(names or []), *(list_recipes() if everything or not names else [])]:
        recipe = load_recipe(name)
        Builder(recipe).checked()  # what is wrong with the prompt itself is no failure of a transcript
        results = run_transcripts(recipe)
        bad = [r for r in results if r.problem]
        lacking = missing_kinds(recipe, results)
        failed += len(bad) + len(lacking)
        print(f"{name}: {len(results) - len(bad)} of {len(results)} transcripts pass")
        for result in bad:
            print(f"  {result.name}: {result.problem}")
        for kind in lacking:
            print(f"  no transcript shows {kind}")
    if failed:
        raise typer.Exit(1)
