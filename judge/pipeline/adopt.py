"""A recipe and a published prompt -> an exact recipe of one's own, checked against the hash of the published messages."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from judge.errors import JudgeError, Problem, RecipeError, did_you_mean
from judge.recipe.load import READ_BY_CODE, Recipe, load_recipe, varied_data
from judge.recipe.model import RecipeSpec
from judge.recipe.parts import Checkpoint, Turn
from judge.recipe.published import (
    CHECKS,
    COMMON,
    RUBRIC,
    Reading,
    Turns,
    left_over,
    messages_hash,
    readings,
    template_of,
    unknown_placeholders,
)
from judge.recipe.serves import checkpoint_of
from judge.render.build import Ask, Builder
from judge.render.views import llm_criteria
from judge.rubric.load import rubric_from
from judge.types import Sample
from judge.yamlfile import parse_yaml, read_yaml, validate

_JOINS = (None, "\n", "\n\n", " ", "")  # between system and user text where the model has no system role; None: two messages


@dataclass(frozen=True)
class Adopted:
    """An exact recipe made of a published prompt.

    Attributes:
        base: Folder of the recipe that it was made from, whose transcripts it takes.
        data: The contents of its `recipe.yaml`.
        templates: Its other files.
        checkpoint: What it is for.
        checked: Whether its messages are the published ones, byte for byte; else nobody knows.
    """

    recipe: Recipe
    base: Path
    data: Mapping[str, Any]
    templates: Mapping[str, str]
    checkpoint: Checkpoint
    checked: bool

    def write(self, folder: Path) -> None:
        """Write the folder. Raises `RecipeError` when it holds something already or cannot be written."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RecipeError(Problem(str(folder), "is there already; --output names another folder"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(dict(self.data), sort_keys=False, allow_unicode=True, width=120)
            (folder / "recipe.yaml").write_text(text, encoding="utf-8", newline="\n")
            for name, template in self.templates.items():
                (folder / name).write_text(template, encoding="utf-8", newline="\n")
            tests = _transcripts(self.base, self.checkpoint, self.recipe.spec)
            if tests:
                text = yaml.safe_dump({"transcripts": tests}, sort_keys=False, allow_unicode=True, width=120)
                (folder / "transcripts.yaml").write_text(text, encoding="utf-8", newline="\n")
        except OSError as why:
            raise RecipeError(Problem(str(folder), f"cannot be written: {why.strerror or why}")) from None


def adopt(name: str, published: Turns, *, model: str = "", new_name: str = "", unchecked: bool = False) -> Adopted:
    """Find the way to read a published prompt under which its messages are the ones whose hash the recipe keeps.

    Args:
        name: Shipped recipe, or a folder.
        published: The prompt, as `read_prompt_file` gives it.
        model: For which of the recipe's checkpoints; empty: for any whose hash fits.
        new_name: Of the new recipe; empty: NAME-exact.
        unchecked: Take the likeliest reading where no hash fits, or the recipe keeps none.

    Raises:
        RecipeError: The recipe is for no checkpoint, or no reading gives the published messages.
    """
    base = load_recipe(name)
    wanted = _checkpoints(base.spec, model)
    likeliest: tuple[Adopted, Reading] | None = None
    most = -1
    unusable: str = ""
    for checkpoint, join, reading in itertools.product(wanted, _JOINS, readings()):
        made = _made(base, checkpoint, _joined(published, join), reading, new_name or f"{base.spec.name}-exact")
        if made is None:
            continue
        if isinstance(made, JudgeError):
            unusable = unusable or str(made)
            continue
        found, used = made
        if checkpoint.sha256 and hashes(found.recipe) == checkpoint.sha256:
            return Adopted(found.recipe, base.folder, found.data, found.templates, checkpoint, True)
        if used > most:
            most = used
            likeliest = Adopted(found.recipe, base.folder, found.data, found.templates, checkpoint, False), reading
    if likeliest is not None and unchecked:
        _nothing_left(published, *likeliest)
        return likeliest[0]
    raise RecipeError(_why_not(base.spec, wanted, published, unusable if likeliest is None else ""))


def _nothing_left(published: Turns, made: Adopted, reading: Reading) -> None:
    """Refuse a prompt in which placeholders would stay as they are: the judge would be shown `{answer}`."""
    known = made.checkpoint.placeholders
    left = left_over(published, known, reading)
    if left:
        near = did_you_mean(left[0].strip("{}<>$ "), known)
        raise RecipeError(
            f"the prompt has {'placeholders' if len(left) > 1 else 'a placeholder'} that recipe `{made.recipe.spec.name}` would"
            f" leave as it stands: {', '.join(left[:5])}{near}; known: {', '.join(sorted(known))}."
            " Braces that are text, and not a placeholder, are written twice: {{name}}"
        )


def hashes(recipe: Recipe) -> tuple[str, ...]:
    """SHA-256 of the messages of every turn, for each of the two samples."""
    return tuple(messages_hash(messages_of(recipe, turn, check)) for turn in recipe.spec.turns for check in CHECKS)


def messages_of(recipe: Recipe, turn: Turn, check: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The messages that a turn adds for one of the samples that published prompts are checked with."""
    spec, rubric = recipe.spec, rubric_from(dict(RUBRIC), "the check")
    responses = check["responses"] if spec.mode in ("pairwise", "listwise") else check["responses"][:1]
    sample = Sample.of(check["prompt"], *responses, **COMMON)
    criteria = llm_criteria(rubric)[-1:] if spec.per_call == 1 else llm_criteria(rubric)
    ask = Ask(tuple(range(len(responses))), criteria if spec.mode == "checklist" else ())
    builder = Builder(recipe)
    return [(m.role, m.text) for m in builder.messages(builder.case(sample, rubric), turn, ask, {})]


def _checkpoints(spec: RecipeSpec, model: str) -> list[Checkpoint]:
    able = [c for c in spec.serves if c.placeholders]
    if not able:
        raise RecipeError(f"recipe `{spec.name}` names no checkpoint with a published prompt (`serves` with `placeholders`)")
    if not model:
        return able
    found = checkpoint_of(spec, model)
    if found is None or not found.placeholders:
        names = [name for c in able for name in c.models]
        raise RecipeError(f"recipe `{spec.name}` has no published prompt for `{model}`{did_you_mean(model, names)}")
    return [found]


def _joined(published: Turns, join: str | None) -> Turns:
    """System and user text as one user message."""
    if join is None:
        return published
    return tuple((("user", join.join(text for _, text in turn)),) if len(turn) > 1 else turn for turn in published)


@dataclass(frozen=True)
class _Candidate:
    recipe: Recipe
    data: Mapping[str, Any]
    templates: Mapping[str, str]


def _made(
    base: Recipe, checkpoint: Checkpoint, published: Turns, reading: Reading, name: str
) -> tuple[_Candidate, int] | JudgeError | None:
    """One candidate and how many placeholders it uses; why it is no recipe; None where its turns are not those of the old one."""
    data = _data(base, checkpoint, name)
    turns = data["turns"]
    if len(turns) != len(published) or any([r for r, _ in turn] not in (["user"], ["system", "user"]) for turn in published):
        return None
    templates: dict[str, str] = {}
    used: set[str] = set()
    for turn, messages in zip(turns, published, strict=True):
        turn.pop("system", None)
        for role, text in messages:
            file = f"{turn['name']}.{role}.j2"
            templates[file], names = template_of(text, checkpoint.placeholders, reading)
            turn[role] = file
            used |= names
    try:
        spec = validate(RecipeSpec, parse_yaml(yaml.safe_dump(data), "the new recipe", RecipeError), error=RecipeError)
        recipe = Recipe(spec, templates, spec.options, Path(name))
        Builder(recipe).checked()
    except JudgeError as why:
        return why
    return _Candidate(recipe, data, templates), len(used)


def _data(base: Recipe, checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """The new `recipe.yaml`, still with the templates of the old one."""
    source = read_yaml(base.folder / "recipe.yaml", RecipeError)
    options = {**base.spec.options, **checkpoint.options}
    data = varied_data(source.data, base.spec, options)
    data |= {name: value for name, value in checkpoint.changes.items() if name != "turns"}
    own = checkpoint.changes.get("turns", data["turns"])
    served = checkpoint.model_dump(mode="json", exclude_defaults=True, exclude={"placeholders", "sha256", "changes", "options"})
    data |= {
        "name": name,
        "exact": True,
        "deviations": ["The prompt is the published text."],
        "turns": [{key: value for key, value in turn.items() if key != "output"} for turn in own],
        "serves": [{**served, "prompt": "exact"}],
        "options": {key: value for key, value in options.items() if key in READ_BY_CODE},
    }
    data.pop("variants", None)
    if not data["options"]:
        del data["options"]
    return data


def _transcripts(folder: Path, checkpoint: Checkpoint, spec: RecipeSpec) -> list[dict[str, Any]]:
    """The transcripts of the old recipe that hold for the new one, without what they say about its own words."""
    path = folder / "transcripts.yaml"
    if not path.is_file():
        return []
    old = load_recipe(folder).spec
    chosen = {**old.options, **checkpoint.options}
    out = []
    for each in read_yaml(path, RecipeError).data["transcripts"]:
        options = {**old.options, **each.get("options", {})}
        if any(options[name] != chosen[name] for name in old.options if name not in spec.options):
            continue
        kept = {key: value for key, value in each.items() if key != "options"}
        kept |= {key: [_replied(call) for call in each[key]] for key in ("calls",) if each.get(key)}
        own = {name: value for name, value in each.get("options", {}).items() if name in spec.options}
        out.append(kept | ({"options": own} if own else {}))
    return out


def _replied(call: Any) -> Any:
    """A recorded reply without its checks of the request."""
    return {key: value for key, value in call.items() if key != "request"} if isinstance(call, dict) else call


def _why_not(spec: RecipeSpec, wanted: list[Checkpoint], published: Turns, unusable: str) -> str:
    """Why a file is not taken.

    Args:
        unusable: What is wrong with the recipe that it would make; empty where that is one.
    """
    checked = any(c.sha256 for c in wanted)
    turns = len(spec.turns)
    if len(published) != turns:
        return (
            f"recipe `{spec.name}` has {turns} turns, and the file has {len(published)}; give a YAML file with `turns:`, a list"
            f" of {turns} texts"
        )
    known = {name for c in wanted for name in c.placeholders}
    odd = unknown_placeholders(published, dict.fromkeys(known, ""))
    hint = f"; not known: {', '.join(odd[:5])}" if odd else ""
    if unusable:
        return f"the file makes no recipe: {unusable}. Placeholders are {', '.join(sorted(known))}{hint}"
    if not checked:
        return f"recipe `{spec.name}` keeps no hash of the published prompt; --unchecked takes the file as it is{hint}"
    return (
        f"the file does not come to the published messages of {wanted[0].models[0]}: placeholders are {', '.join(sorted(known))}"
        f"{hint}; --unchecked takes it as it is"
    )
