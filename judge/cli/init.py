"""`judge init`: a starter configuration, rubric and data, each line of which says what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from judge.errors import InputError, OutputError, did_you_mean
from judge.recipe.load import list_recipes, load_recipe

ENGINES = {
    "vllm": """engine:
  kind: vllm                      # in this process
  model: {model}
  max_model_len: 16384            # tokens: prompt and reply together
""",
    "openai": """engine:
  kind: openai                    # any OpenAI-compatible endpoint, a vLLM server too
  model: {model}
  base_url: http://127.0.0.1:8000/v1
  api_key_env: OPENAI_API_KEY     # name of the variable that holds the key
""",
    "scripted": """engine:
  kind: scripted                  # no model: every request gets this reply
  reply: "Checked.\\nVERDICT: MET"
""",
}
MODELS = {"vllm": "Qwen/Qwen3-8B", "openai": "Qwen/Qwen3-8B", "scripted": "scripted"}
RUBRIC = """\
name: my-rubric
description: What a good answer to our users is.
criteria:
  - id: correct
    text: The answer to the question is right.
    kind: hard_rule        # hard_rule, principle, essential, important, optional or pitfall
    weight: 3
  - id: complete
    text: Every part of the question is answered.
    kind: important
    weight: 2
  - id: padding
    text: The answer has sentences that could be cut without a loss.
    kind: pitfall          # met is bad; the weight stays positive
    weight: 1
"""
ROWS = (
    {"id": "q0-a", "group": "q0", "prompt": "What is 17 + 25?", "response": "17 + 25 = 42.", "reference": "42", "label": True},
    {"id": "q0-b", "group": "q0", "prompt": "What is 17 + 25?", "response": "17 + 25 = 32.", "reference": "42", "label": False},
)


def init(
    folder: Annotated[Path, typer.Argument(help="Directory for the files (created if missing).", metavar="DIR")] = Path(),
    recipe: Annotated[
        str, typer.Option("--recipe", help="How to judge; `judge recipe list` shows all.", metavar="NAME")
    ] = "checklist",
    engine: Annotated[str, typer.Option("--engine", help="vllm, openai or scripted.", metavar="KIND")] = "vllm",
    model: Annotated[
        str | None,
        typer.Option("--model", help="The judge's model. [default: Qwen/Qwen3-8B]", metavar="NAME", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there. [default: off; refused]")] = False,
) -> None:
    """Write judge.yaml, rubric.yaml and data.jsonl to begin with; each line of the configuration says what it does.

    \b
    Examples:
      judge init
      judge init myjudge --engine openai --model gpt-4o-mini
      judge init try --engine scripted && judge run try/judge.yaml \\
          --data try/data.jsonl --output try/run

    Exit codes: 0 done, 2 wrong input, 4 a file cannot be written.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine {engine}: must be {', '.join(ENGINES)}{did_you_mean(engine, ENGINES)}")
    if recipe not in list_recipes():
        raise InputError(f"no recipe `{recipe}`{did_you_mean(recipe, list_recipes()) or '; `judge recipe list` shows them'}")
    spec = load_recipe(recipe).spec
    if spec.mode in ("pairwise", "listwise"):
        row = {
            "id": "q0",
            "prompt": ROWS[0]["prompt"],
            "responses": [r["response"] for r in ROWS],
            "reference": "42",
            "label": "A",
        }
        rows = [row]
    else:
        rows = [dict(row) for row in ROWS]
    files = {
        "judge.yaml": _config(recipe, spec.summary, ENGINES[engine].format(model=model or MODELS[engine])),
        "rubric.yaml": RUBRIC,
        "data.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    }
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise InputError(f"{folder / there[0]}: is there already; choose another directory, or replace it with --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{folder}: cannot be written: {why.strerror or why}") from None
    needed = [n for n in (*spec.needs.sample, *spec.needs.fields) if n not in ("reference", "rubric")]
    print(*(folder / name for name in files), sep="\n")
    if needed:
        print(
            f"recipe `{recipe}` also needs {', '.join(needed)}: add to the rows, or to judge.yaml (`judge recipe show {recipe}`)"
        )
    print(f"next: judge run {folder / 'judge.yaml'} --data {folder / 'data.jsonl'} --output {folder / 'run'}")


def _config(recipe: str, summary: str, engine: str) -> str:
    return (
        f"# How to judge. All settings: docs/settings.md; what a recipe sends: judge recipe show {recipe}\n"
        "rubric: rubric.yaml               # what to judge by: a file beside this one, or a shipped name (judge rubric list)\n"
        f"recipe: {recipe:<26}# {summary}\n"
        f"{engine}"
        "sampling: {max_tokens: 1024}      # room for the judge's reasoning and verdict, in tokens\n"
        "votes: 1                          # 5: ask five times and average\n"
        "on_no_verdict: drop               # what a response without a verdict becomes: drop | group_mean | constant | raise\n"
    )
