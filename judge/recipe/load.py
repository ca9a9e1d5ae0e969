"""A folder with `recipe.yaml` and templates -> `Recipe`.

A recipe carries the text of its templates, not their paths: the hash that goes into every record is the hash of
what was really used, and nothing is read from disk while judging.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from judge.errors import Problem, RecipeError, did_you_mean
from judge.recipe.language import options_with, spoken_in
from judge.recipe.model import RecipeSpec
from judge.recipe.parts import Turn
from judge.rubric.load import read_rubric
from judge.rubric.model import Rubric, content_hash
from judge.shipped import shipped_dir
from judge.yamlfile import Source, read_yaml, shown, validate

_REFERENCE = re.compile(r"""\{%-?\s*(?:include|import|from|extends)\s+['"]([^'"]+)['"]""")
SHARED = "_shared"
OWN_FILES = ("recipe.yaml", "transcripts.yaml")
MAX_TEMPLATE = 262_144  # bytes of one file


@dataclass(frozen=True)
class Recipe:
    """A loaded recipe.

    Attributes:
        templates: Template name -> source text, shared ones included.
        options: The recipe's options with the run's values filled in.
        folder: Where it came from, for messages.
        rubric: The rubric that the folder brings, for runs and rows that name none.
        language: In which the judge writes (`judge.recipe.language`); empty: as its prompt has it.
    """

    spec: RecipeSpec
    templates: Mapping[str, str]
    options: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    folder: Path = Path()
    rubric: Rubric | None = None
    language: str = ""

    @cached_property
    def hash(self) -> str:
        """Content hash of the specification, the templates and the options (16 hex digits)."""
        spec = self.spec.model_dump(mode="json", exclude={"variants", "serves"})
        return content_hash([spec, dict(self.templates), dict(self.options), *([self.language] if self.language else [])])

    @cached_property
    def template_hash(self) -> str:
        """Content hash of the templates alone."""
        return content_hash(dict(self.templates))

    def shows(self, name: str) -> bool:
        """Whether a template reads a variable, for example `prompt` (or `messages`, which are the prompt)."""
        if name == "prompt" and self.options.get("include_question") is False:
            return False
        names = "prompt|messages" if name == "prompt" else re.escape(name)
        reads = re.compile(r"\{[{%][^{}%]*\b(?:" + names + r")\b")
        return any(reads.search(text) for text in self.templates.values())


def list_recipes() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(p.parent.name for p in shipped_dir("prompts").glob("*/recipe.yaml"))


def load_recipe(
    name: str | Path, *, base: Path | None = None, options: Mapping[str, Any] | None = None, language: str | None = None
) -> Recipe:
    """Load a shipped recipe by name, or any recipe folder by path.

    Args:
        name: `pointwise`, or a folder (relative to `base`, then to the working directory).
        options: Values for options that the recipe declares.
        language: In which the judge writes; None: as the prompt has it.

    Raises:
        RecipeError: With file and line.
    """
    folder = _find(str(name), base)
    source = read_yaml(folder / "recipe.yaml", RecipeError)
    spec = validate(RecipeSpec, source, error=RecipeError)
    chosen = _options(spec, options_with(spec, language, options or {}))
    spec = varied(source, spec, chosen)
    templates = read_templates(folder, "recipe.yaml", (t for turn in spec.turns for t in turn.templates))
    _options_read(source, folder, templates)
    return Recipe(spec, templates, chosen, folder, _own_rubric(folder, spec), spoken_in(spec, language))


READ_BY_CODE = ("rule_first", "include_question")  # options that do something beside the templates
_OPTION = re.compile(r"""\boptions\s*(?:\.\s*(\w+)|\[\s*['"]([^'"]+)['"])""")
_ALL_OPTIONS = re.compile(r"\{[{%][^{}%]*\boptions\b(?!\s*[.\[])")  # `options | tojson`


def _options_read(source: Source, folder: Path, templates: Mapping[str, str]) -> None:
    """Refuse an option that changes nothing: no template reads it, no variant goes by it, and it is no argument of a program."""
    data = source.data
    options, variants = data.get("options") or {}, data.get("variants") or {}
    idle = [name for name in options if name not in variants and name not in READ_BY_CODE]
    if not idle or data.get("program") is not None:
        return
    others = [fields for values in variants.values() for fields in values.values()]
    turns = [Turn.model_validate(turn) for fields in others for turn in fields.get("turns") or ()]
    texts = {**templates, **read_templates(folder, "recipe.yaml", (t for turn in turns for t in turn.templates))}.values()
    if any("program" in fields for fields in others) or any(_ALL_OPTIONS.search(text) for text in texts):
        return
    read = {found[1] or found[2] for text in texts for found in _OPTION.finditer(text)}
    for name in idle:
        if name not in read:
            tail = did_you_mean(name, read - set(options)) or f"; read it as `options.{name}`, or leave it out"
            raise RecipeError(Problem(source.where(("options", name)), f"option `{name}`: no template reads it{tail}"))


def _own_rubric(folder: Path, spec: RecipeSpec) -> Rubric | None:
    """The rubric that stands in the recipe's folder, where the recipe names one."""
    if spec.rubric is None:
        return None
    path, named_in = folder / spec.rubric, str(folder / "recipe.yaml")
    if Path(spec.rubric).name != spec.rubric or not path.resolve().is_relative_to(folder.resolve()):
        raise RecipeError(Problem(named_in, f"`rubric`: `{spec.rubric}` must be a file of this folder"))
    if not path.is_file():
        near = did_you_mean(spec.rubric, (p.name for p in folder.glob("*.yaml") if p.name not in OWN_FILES))
        raise RecipeError(Problem(named_in, f"no rubric `{spec.rubric}` in this folder{near}"))
    return read_rubric(path)[0]


FIXED = ("name", "options", "variants", "serves")  # fields of a recipe that no option changes
MERGED = ("sampling", "needs", "verdict")  # fields whose own fields a variant may change one by one; others it replaces


def varied(source: Source, spec: RecipeSpec, options: Mapping[str, Any]) -> RecipeSpec:
    """A recipe with what the values of its options change (`variants`).

    Raises:
        RecipeError: A variant, chosen or not, is not a recipe; with file and line.
    """
    for option, values in spec.variants.items():
        at = ("variants", option)
        if option not in spec.options:
            raise RecipeError(Problem(source.where(at), f"no option `{option}`{did_you_mean(option, spec.options)}"))
        for value, fields in values.items():
            fixed = next((name for name in FIXED if name in fields), None)
            if fixed is not None:
                raise RecipeError(Problem(source.where((*at, value, fixed)), f"a variant cannot change `{fixed}`"))
            _variant(source, dict(source.data), option, value)
        chosen = _key(options[option])
        if chosen not in values and chosen != _key(spec.options[option]):
            known = list(dict.fromkeys((_key(spec.options[option]), *values)))
            tail = did_you_mean(chosen, known) or f"; it may be: {', '.join(known)}"
            raise RecipeError(f"option `{option}` of recipe `{spec.name}` cannot be {shown(options[option])}{tail}")
    data = varied_data(source.data, spec, options)
    return spec if data == source.data else validate(RecipeSpec, source, data, error=RecipeError)


def varied_data(data: Mapping[str, Any], spec: RecipeSpec, options: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of `recipe.yaml` with those of the chosen variants in place."""
    out = dict(data)
    for option, values in spec.variants.items():
        out = _put(out, values.get(_key(options[option]), {}))
    return out


def _variant(source: Source, data: Mapping[str, Any], option: str, value: str) -> RecipeSpec:
    """One variant by itself; its errors point at its own lines."""
    at = ("variants", option, value)
    lines = {path: line for path, line in source.lines.items() if path[:1] != ("variants",)}
    lines |= {path[3:]: line for path, line in source.lines.items() if path[:3] == at}
    merged = _put(data, source.data["variants"][option][value])
    return validate(RecipeSpec, Source(source.name, merged, lines), error=RecipeError)


def _put(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe with those of a variant in their place."""
    out = dict(data)
    for name, value in fields.items():
        out[name] = _merged(out.get(name), value) if name in MERGED else value
    return out


def _merged(old: Any, new: Any) -> Any:
    """The old fields with the new ones in their place; a verdict of another kind is another verdict."""
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) and "kind" not in new else new


def _key(value: Any) -> str:
    """An option's value as a key of `variants`: `true`, `5`, `reasoning`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find(name: str, base: Path | None) -> Path:
    for root in (base, Path()):
        folder = (root or Path()) / name
        if (folder / "recipe.yaml").is_file():
            return folder
    if "/" in name or name.startswith("."):
        raise RecipeError(Problem(name, "no such folder, or no recipe.yaml in it"))
    folder = shipped_dir("prompts") / name
    if (folder / "recipe.yaml").is_file():
        return folder
    known = list_recipes()
    near = did_you_mean(name, known)
    rest = f"{near} `judge recipe list` shows all" if near else f"; shipped: {', '.join(known)}"
    raise RecipeError(f"no recipe `{name}`{rest}")


def read_templates(folder: Path, named_in: str, names: Iterable[str]) -> dict[str, str]:
    """Read the named templates of a folder, and those that these include.

    Args:
        named_in: File in which the names stand, for messages.

    Raises:
        RecipeError: A template is missing, not UTF-8, or outside the folder and `_shared/`.
    """
    out: dict[str, str] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        if name in out:
            continue
        out[name] = _read(folder, named_in, name)
        wanted += _REFERENCE.findall(out[name])
    return dict(sorted(out.items()))


def _read(folder: Path, named_in: str, name: str) -> str:
    """The text of one template, which must lie in the folder once every symbolic link is followed."""
    outside = RecipeError(Problem(str(folder), f"template `{name}` lies outside the recipe's folder"))
    if "\0" in name:
        raise RecipeError(Problem(str(folder / named_in), f"a template's name cannot hold a NUL character: {shown(name)}"))
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise outside
    shared = name.startswith(SHARED + "/") and not (folder / name).is_file()  # its own `_shared/` comes first
    root = shipped_dir("prompts") if shared else folder
    path = root / name
    try:
        if not path.resolve(strict=True).is_relative_to(root.resolve()):
            raise outside
        raw = path.read_bytes()
    except FileNotFoundError:
        near = did_you_mean(name, (p.name for p in folder.glob("*.j2")))
        raise RecipeError(Problem(str(folder / named_in), f"no template `{name}` in this folder{near}")) from None
    except (OSError, RuntimeError) as why:  # a folder, no permission, a ring of links
        raise RecipeError(Problem(str(path), f"cannot be read: {getattr(why, 'strerror', None) or why}")) from None
    if len(raw) > MAX_TEMPLATE:
        raise RecipeError(Problem(str(path), f"{len(raw):,} bytes; a template has at most {MAX_TEMPLATE:,}"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RecipeError(Problem(str(path), "not UTF-8; save the file as UTF-8")) from None


def _options(spec: RecipeSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(spec.options)
    for name, value in given.items():
        if name not in merged:
            tail = did_you_mean(name, merged) or (f"; it has: {', '.join(merged)}" if merged else "; it has none")
            raise RecipeError(f"recipe `{spec.name}` has no option `{name}`{tail}")
        if type(value) is not type(merged[name]):
            raise RecipeError(
                f"option `{name}` of recipe `{spec.name}` is {shown(merged[name])} by default, so not {shown(value)}"
            )
        merged[name] = value
    return merged
