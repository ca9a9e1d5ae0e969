"""A recipe of one's own, begun as a copy of another: the whole folder, with a comment on every field of its `recipe.yaml`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from judge.errors import OutputError, Problem, RecipeError
from judge.recipe.load import Recipe
from judge.recipe.model import RecipeSpec

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_KEY = re.compile(r"^([a-z_]+):", re.MULTILINE)

MEANING = {
    "name": "The folder's name, as settings name it.",
    "summary": "One line for `judge recipe list`.",
    "mode": "pointwise, checklist, pairwise, listwise, verifier: how many responses a call shows; whether criteria are asked.",
    "source": "Where the method was published: title, paper, section.",
    "deviations": "What differs from the source, and why. Whoever compares figures reads this first.",
    "unit": "Checklists only: `rubric` asks about all criteria in one call, `criterion` makes one call for each,\n"
    "`{criteria: 5}` asks about five at a time, and again about those that a reply leaves open.",
    "turns": "The requests, in order; the last one states the verdict. Each has a name (later turns read its reply as\n"
    "`outputs.NAME`), `user` and `system` templates, `conversation` (new, continue, extend, sample), `scope` (response, or\n"
    "prompt: asked once for all completions of a prompt), `prefill` and `sampling`.",
    "verdict": "What is stated (`kind`) and how it is written (`form`, `marker`); `labels` or `range`: the values;\n"
    "`names`, `tie`, `prefixes`: what responses are called.",
    "sampling": "temperature, top_p, top_k, max_tokens (reasoning included), stop, min_p and penalties; a run may override them.",
    "signal": "Where the number of a call comes from: `stated` reads the verdict, `expected` its probabilities.",
    "readout": "How probabilities are read with `signal: expected`: which token, how much of it must be values.",
    "votes": "How often each question is asked, and how the answers become one.",
    "order": "In which order several responses are shown: single, both_mean, both_agree, shuffle_per_vote.",
    "force": "After which failures the judge is asked once more, for the verdict alone.",
    "ask_again": "After which unreadable verdicts the judge is asked to state it once more.",
    "proof": "Behind which positive verdicts a program looks for copied words: `suspect` responses, or `always`.",
    "options": "Values for the templates (`options.NAME`); a run may set them.",
    "exact": "The templates are the text of a published prompt, printed without blocks around the sample's texts.",
    "likelihood": "With `signal: likelihood`: turn whose text is scored, its baseline, the fold, and what brings it into 0 to 1.",
    "scalar": "With `signal: scalar`: what brings the number of a reward-model head into 0 to 1.",
    "program": "With `signal: program`: the function that gives the reward, a registered name or package.module:function.",
    "steps": "With `signal: steps`: how the steps of a response are found, asked about and folded.",
    "thinking": "`keep` shows the judge the policy's own thinking, whatever the run says.",
    "variants": "What the values of an option change: any of these fields but name, options, variants and serves.",
    "serves": "The trained judges that this recipe is for, each with its prompt, sampling and licence.",
    "draw": "How many criteria of the rubric each judgement is shown, drawn by weight.",
    "rubric": "A rubric file of this folder, for runs and rows that bring none.",
    "needs": "What a sample (`sample`) or an engine (`capabilities`) must have; checked before anything is judged.",
}
_ELSE = "See docs/recipes.md."


def new_recipe(base: Recipe, name: str, folder: Path) -> Path:
    """Copy a recipe's folder under a new name; the copy passes `judge recipe test` as its original does.

    Args:
        folder: Made here; it must not exist.

    Raises:
        RecipeError: The name is none that a recipe may have, or the folder is there already.
        OutputError: The folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise RecipeError(
            f"`{name}` cannot be a recipe's name: it should begin with a letter and hold only letters, digits, `_`, `.` and `-`"
        )
    if folder.exists():
        raise RecipeError(Problem(str(folder), "exists already; choose another name or another --output"))
    try:
        shutil.copytree(base.folder, folder)
        file = folder / "recipe.yaml"
        file.write_text(commented(file.read_text(encoding="utf-8"), name, base.spec.name), encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{folder}: cannot be written: {why.strerror}") from None
    return folder


def commented(text: str, name: str, base: str) -> str:
    """The text of a `recipe.yaml` under another name, with a comment above each field, and the fields that it leaves out.

    Example:
        >>> print(commented("name: pairwise\\nsummary: Two.\\n", "mine", "pairwise").split("# ----")[0], end="")
        # A copy of `pairwise`. Change the templates and this file, then: judge recipe test ./mine
        <BLANKLINE>
        # The folder's name, as settings name it.
        name: mine
        # One line for `judge recipe list`.
        summary: Two.
        <BLANKLINE>
    """
    given = set(_KEY.findall(text))
    text = re.sub(r"^name:.*$", f"name: {name}", text, count=1, flags=re.MULTILINE)
    text = _KEY.sub(lambda key: f"{_comment(MEANING.get(key[1], _ELSE))}\n{key[0]}", text)
    head = f"# A copy of `{base}`. Change the templates and this file, then: judge recipe test ./{name}\n"
    rest = [
        f"{_comment(MEANING.get(field, _ELSE))}\n# {field}: {_default(field)}"
        for field in RecipeSpec.model_fields
        if field not in given
    ]
    tail = "# ---- not set above, with their defaults ----\n" + "\n".join(rest) + "\n" if rest else ""
    return f"{head}\n{text.rstrip()}\n\n{tail}"


def _comment(words: str) -> str:
    return "\n".join(f"# {line}" for line in words.split("\n"))


def _default(field: str) -> str:
    """The default of a field as it would be written."""
    info = RecipeSpec.model_fields[field]
    value = info.get_default(call_default_factory=True)
    if value is None or info.is_required():
        return "(none)"
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", exclude_none=True)
    return _flow(value)


def _flow(value: object) -> str:
    """A plain value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
