"""`judge recipe`: list, show and test judging recipes."""

from __future__ import annotations

from typing import Annotated

import typer

from judge.pipeline.selftest import missing_kinds, run_transcripts
from judge.recipe.load import list_recipes, load_recipe

app = typer.Typer(help="List, show and test judging recipes.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_() -> None:
    """Print the shipped recipes: name, mode, calls, what a sample must have, what it does.

    \b
    Example:
      judge recipe list

    Exit code: 0.
    """
    rows = [("name", "mode", "turns", "verdict", "order", "needs", "")]
    for name in list_recipes():
        spec = load_recipe(name).spec
        needs = ", ".join((*spec.needs.sample, *spec.needs.capabilities)) or "-"
        rows.append(
            (name, spec.mode, str(len(spec.turns)), f"{spec.verdict.kind}/{spec.verdict.form}", spec.order, needs, spec.summary)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)) + "  " + row[6])


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
    print(f"{spec.name}: {spec.summary}")
    print(f"  source      {spec.source.title} ({spec.source.paper}{', ' + spec.source.section if spec.source.section else ''})")
    for deviation in spec.deviations:
        print(f"  differs     {deviation}")
    for option, value in recipe.options.items():
        print(f"  option      {option} [default: {value}]")
    print(f"  hash        {recipe.hash}")
    for template, text in recipe.templates.items():
        print(f"--- {template}")
        print(text.rstrip())


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
