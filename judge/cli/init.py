"""`judge init`: a starter configuration, rubric and data, each line of which says what it does."""

from __future__ import annotations

import json
import textwrap
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.conversation.write import to_messages
from judge.errors import InputError, OutputError, did_you_mean
from judge.pipeline.selftest import load_transcripts, transcript_sample
from judge.recipe.load import Recipe, list_recipes, load_recipe
from judge.types import Conversation, Sample

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
  kind: scripted                  # no model: replies in the recipe's own form
  verdicts: drawn                 # says nothing about quality
""",
}
WIDTH = 80
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
    loaded = load_recipe(recipe)
    spec = loaded.spec
    rows = _rows(loaded)
    files = {
        "judge.yaml": _config(loaded, ENGINES[engine].format(model=model or MODELS[engine]) if spec.asks else ""),
        **({"rubric.yaml": RUBRIC} if _takes_rubric(loaded) else {}),
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
    print(*(folder / name for name in files), sep="\n")
    print(f"next: judge run {folder / 'judge.yaml'} --data {folder / 'data.jsonl'} --output {folder / 'run'}")


def _takes_rubric(recipe: Recipe) -> bool:
    """Whether a rubric of one's own is what to begin with: not for a program, or a method that brings its own."""
    return recipe.spec.asks and recipe.rubric is None


def _rows(recipe: Recipe) -> list[dict[str, Any]]:
    """Two rows to begin with, or the sample of a transcript of the recipe where it needs more than a reference and a rubric."""
    spec = recipe.spec
    if spec.asks and not set(spec.needs.sample) - {"reference", "rubric"} and not spec.needs.fields:
        if spec.mode not in ("pairwise", "listwise"):
            return [dict(row) for row in ROWS]
        pair = {"responses": [row["response"] for row in ROWS], "label": "A" if spec.mode == "pairwise" else [True, False]}
        return [{"id": "q0", "prompt": ROWS[0]["prompt"], **pair, "reference": "42"}]
    good = (t for t in load_transcripts(recipe) if None not in t.rewards and not t.settings and t.rubric is None)
    return [_row(transcript_sample(recipe, t), n) for n, t in enumerate(islice(good, 2))]


def _row(sample: Sample, number: int) -> dict[str, Any]:
    """A sample as a row of the data."""
    row: dict[str, Any] = {"id": f"q{number}", "prompt": _written(sample.prompt)}
    if len(sample.responses) == 1:
        row["response"] = _written(sample.responses[0])
    else:
        row["responses"] = [_written(response) for response in sample.responses]
    for name in ("reference", "context", "steps"):
        if getattr(sample, name):
            row[name] = list(getattr(sample, name))
    row |= {name: getattr(sample, name) for name in ("principle", "exemplar") if getattr(sample, name)}
    return row | dict(sample.metadata)


def _written(text: str | Conversation) -> Any:
    return text if isinstance(text, str) else to_messages(text)


def _config(recipe: Recipe, engine: str) -> str:
    spec = recipe.spec
    head = f"# How to judge. All settings: docs/settings.md\n# What a recipe sends: judge recipe show {spec.name}\n"
    if _takes_rubric(recipe):
        head += (
            "rubric: rubric.yaml               # what to judge by: a file beside this one,\n"
            "                                  # or a shipped name (judge rubric list)\n"
        )
    about = [f"# {line}" for line in textwrap.wrap(spec.summary, WIDTH - 36)]
    lines = [f"recipe: {spec.name:<26}{about[0]}", *(f"{'':<34}{line}" for line in about[1:])]
    asked = (
        f"{engine}"
        "sampling: {max_tokens: 1024}      # tokens for the judge's reasoning and verdict\n"
        "votes: 1                          # 5: ask five times and average\n"
        if spec.asks
        else ""
    )
    return (
        head + "\n".join(lines) + f"\n{asked}"
        "on_no_verdict: drop               # a response without a verdict becomes:\n"
        "                                  # drop | group_mean | constant | raise\n"
    )
