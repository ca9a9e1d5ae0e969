"""Hooks of mkdocs.yml: the pages of the site that are generated from the code, and links that lead out of docs/.

- reference/cli.md: every command's `--help`, from the typer application.
- reference/settings.md: every field of a run file, from the pydantic schema, with the meaning from
  the docstring of its class.
- reference/recipes.md, reference/rubrics.md: what is shipped.
- reference/python.md, reference/adapters.md: names for mkdocstrings, which reads the sources and imports nothing.
- Files of the repository that a page links to (`../examples/...`) are copied into the site.
"""

from __future__ import annotations

import inspect
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

try:
    from griffe import Extension
except ImportError:  # the pages are generated, and tested, without it, too
    Extension = object

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"(\]\()(?!https?:|mailto:)([^)#\s]+)([^)]*\))")
ATTRIBUTE = re.compile(r" {4}(\w+): (.*)")
MANY = 6  # kinds that a field's row links to
CELL = re.compile(r"(?<!\\)\|")

PYTHON = {
    "Judge": ["judge.pipeline.judge.Judge"],
    "What is judged": ["judge.types.Sample", "judge.types.Conversation", "judge.types.Message"],
    "What comes back": [
        "judge.types.Reward", "judge.types.Verdict", "judge.types.NoVerdict", "judge.types.Reason", "judge.types.Flag",
        "judge.types.Uncertainty",
    ],
    "How to judge": [
        "judge.rubric.model.Rubric", "judge.rubric.model.Criterion", "judge.rubric.load.load_rubric", "judge.recipe.load.Recipe",
        "judge.recipe.load.load_recipe", "judge.settings.RunSettings",
    ],
    "Engines": [
        "judge.engine.protocol.Engine", "judge.engine.scripted.ScriptedEngine", "judge.types.Request", "judge.types.Completion",
    ],
    "Asking a server": ["judge.client.sync.Client", "judge.client.aio.AsyncClient", "judge.client.wire.ServedReward"],
    "Errors": ["judge.errors"],
}  # fmt: skip
ADAPTERS = (
    "trl", "axolotl", "swift", "verl", "verl_manager", "openrlhf", "openrlhf_agent", "verifiers", "slime", "art", "skyrl",
    "skyrl_generator", "areal", "areal_workflow", "tinker",
)  # fmt: skip


class DoctestSections(Extension):
    """Docstrings here say `Example:`, which the reader of Google's style takes for a note; to it the section is `Examples:`."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rename the section, so that the example is shown as code."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add what is generated, and what pages link to outside docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415  # the rest of this file is used without mkdocs

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    for name in sorted(linked_outside()):
        source = ROOT / name
        text = outward(source.read_text(encoding="utf-8"), name) if source.suffix == ".md" else None
        files.append(
            File.generated(config, name, content=text) if text else File.generated(config, name, abs_src_path=str(source))
        )
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let `../examples/x` of a page in docs/ lead to the copy in the site."""
    source = page.file.src_uri
    return markdown if page.file.generated_by else outward(markdown, f"docs/{source}")


def outward(text: str, name: str) -> str:
    """The links of one Markdown file, from the repository's folders to the site's, where docs/ is the root.

    Example:
        >>> outward("[a](../examples/README.md#x)", "docs/grpo.md")
        '[a](examples/README.md#x)'
        >>> outward("[a](../../docs/trainers.md)", "examples/trl/README.md")
        '[a](../../trainers.md)'
    """
    folder = posixpath.dirname(name)
    here = folder.removeprefix("docs").lstrip("/") if folder.startswith("docs") else folder

    def moved(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[2]))
        inside = target.removeprefix("docs/")
        return f"{found[1]}{posixpath.relpath(inside, here or '.')}{found[3]}"

    return LINK.sub(moved, text)


def linked_outside() -> set[str]:
    """Files outside docs/ that pages of the site link to, and what these link to in turn, as paths below the root."""
    found, todo = (
        {"CHANGELOG.md", "examples/README.md"},
        [*DOCS.rglob("*.md"), ROOT / "CHANGELOG.md", ROOT / "examples/README.md"],
    )
    while todo:
        page = todo.pop()
        for target in (found[1] for found in LINK.findall(page.read_text(encoding="utf-8"))):
            path = Path(os.path.normpath(page.parent / target))
            name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
            if not name or path.is_relative_to(DOCS) or name in found or not path.is_file():
                continue
            found.add(name)
            if path.suffix == ".md":
                todo.append(path)
    return found


def pages() -> dict[str, str]:
    """Path below docs/ -> Markdown, for each generated page."""
    return {
        "reference/cli.md": cli_page(),
        "reference/settings.md": settings_page(),
        "reference/recipes.md": recipes_page(),
        "reference/rubrics.md": rubrics_page(),
        "reference/python.md": python_page(),
        "reference/adapters.md": adapters_page(),
    }


def cli_page() -> str:
    """Every command with its help, in the order of `judge --help`."""
    from typer.main import get_command  # noqa: PLC0415  # imports the whole toolkit

    from judge.cli import main  # noqa: PLC0415

    main._mount(None)  # type: ignore[attr-defined]
    top: Any = get_command(main.app)
    context = top.context_class(top, info_name="judge", **top.context_settings)
    parts = ["# Command line\n\nThe same text as `judge COMMAND --help`.\n", _help(context)]
    for heading, group in main.GROUPS.items():
        parts.append(f"## {heading}\n")
        for name in group:
            parts += _command(top.commands[name], context, name)
    return "\n".join(parts)


def _command(command: Any, parent: Any, name: str) -> Iterator[str]:
    own = command.context_class(command, info_name=name, parent=parent, **command.context_settings)
    yield f"### {own.command_path}\n"
    yield _help(own)
    for inner, each in getattr(command, "commands", {}).items():
        yield from _command(each, own, inner)


def _help(context: Any) -> str:
    context.terminal_width = context.max_content_width = 80
    return f"```text\n{context.command.get_help(context)}\n```\n"


def settings_page() -> str:
    """Every field of a run file: name, type, default and meaning."""
    from judge.settings import RunSettings  # noqa: PLC0415

    schema = RunSettings.model_json_schema()
    return (
        "# Every setting\n\nThe fields of a run file, from its schema. [Run settings](../settings.md) explains the common ones"
        " with examples. `--set PATH=VALUE` overrides any of them.\n\n" + "\n".join(_tables(schema))
    )


def _tables(schema: Mapping[str, Any]) -> Iterator[str]:
    definitions: Mapping[str, Any] = schema["$defs"]
    titles, queue = {"": "The run file"}, [("", "", schema)]
    while queue:
        name, path, table = queue.pop(0)
        told = descriptions(name or "RunSettings")
        yield f"## {titles[name]}\n\n{_about(table) if name else ''}\n\n| field | type | default | meaning |\n|---|---|---|---|"
        for field, of in table.get("properties", {}).items():
            if "const" in of:  # the kind, which the heading names
                continue
            where = f"{path}.{field}".lstrip(".")
            for inner in _names(of):
                if inner not in titles and "properties" in definitions[inner]:
                    kind = definitions[inner]["properties"].get("kind", {})
                    titles[inner] = f"{where}: {kind['const']}" if "const" in kind else where
                    queue.append((inner, where, definitions[inner]))
            meaning = told.get(field, "")
            links = " " + ", ".join(
                f"[{titles[i]}](#{_anchor(titles[i])})" for i in _names(of)[:MANY] if i in titles and i != name
            )
            links += f" ... ({len(_names(of))} kinds, each with a table below)" if len(_names(of)) > MANY else ""
            yield f"| `{field}` | {_cell(_type(of, definitions))} | {_default(of, field, table)} | {_cell(meaning)}{links} |"
        yield ""


def _about(table: Mapping[str, Any]) -> str:
    """What a class's docstring says above its `Attributes:`."""
    return str(table.get("description", "")).partition("\nAttributes:")[0].strip()


def _names(of: Any) -> list[str]:
    return list(dict.fromkeys(re.findall(r"#/\$defs/(\w+)", json.dumps(of))))


def _anchor(title: str) -> str:
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _type(of: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A field's type in words, with its range.

    Example:
        >>> _type({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}, {})
        'integer, at least 0; or null'
        >>> _type({"enum": ["a", "b"]}, {})
        '`a`, `b`'
    """
    if "$ref" in of:
        target = definitions[of["$ref"].rpartition("/")[2]]
        return _type(target, definitions) if "properties" not in target else "mapping"
    if "const" in of:
        return f"`{of['const']}`"
    if "enum" in of:
        return ", ".join(f"`{v}`" for v in of["enum"])
    for union in ("anyOf", "oneOf"):
        if union in of:
            kinds = dict.fromkeys(_type(each, definitions) for each in of[union])
            return "; or ".join(kinds)
    kind = {"object": "mapping", "array": "list", "string": "text", None: "any"}.get(of.get("type"), of.get("type"))
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    told = [f"{word} {of[key]}" for key, word in bounds.items() if key in of]
    return ", ".join([str(kind), *told])


def _default(of: Mapping[str, Any], field: str, table: Mapping[str, Any]) -> str:
    if field in table.get("required", ()):
        return "required"
    value = of.get("default")
    if isinstance(value, dict):
        return "see its table" if value else "`{}`"
    return "none" if value is None else f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return CELL.sub(r"\\|", " ".join(text.split()))


def descriptions(name: str) -> dict[str, str]:
    """Field -> meaning, from the `Attributes:` of a settings class and its bases.

    Example:
        >>> descriptions("RunSettings")["seed"]
        'Vote k uses seed + k; orders and boundaries follow from it too.'
    """
    import judge.settings  # noqa: F401, PLC0415  # defines the classes
    from judge.rubric.model import Frozen  # noqa: PLC0415

    classes, todo = {}, [Frozen]
    while todo:
        each = todo.pop()
        classes[each.__name__] = each
        todo += each.__subclasses__()
    told: dict[str, str] = {}
    for base in reversed(classes[name].__mro__ if name in classes else ()):
        told |= _attributes(inspect.getdoc(base) or "" if "__doc__" in vars(base) else "")
    return told


def _attributes(doc: str) -> dict[str, str]:
    told: dict[str, str] = {}
    name, inside = "", False
    for line in doc.splitlines():
        if line and not line.startswith(" "):
            inside = line == "Attributes:"
        elif inside and (found := ATTRIBUTE.match(line)):
            name = found[1]
            told[name] = found[2].strip()
        elif inside and name and line.strip():
            told[name] += " " + line.strip()
    return told


def recipes_page() -> str:
    """The shipped recipes, as `judge recipe list --json` describes them."""
    from judge.cli.recipe import _described  # type: ignore[attr-defined]  # noqa: PLC0415
    from judge.recipe.load import list_recipes, load_recipe  # noqa: PLC0415

    lines = [
        "# Shipped recipes\n",
        "`judge recipe show NAME` prints one whole. What the columns mean: [recipes](../recipes.md).\n",
        "| recipe | judges | needs | signal | calls | what it does | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in (_described(load_recipe(name).spec) for name in list_recipes()):
        needs = ", ".join((*each["needs"], *each["capabilities"]))
        cells = (each["judges"], needs or "-", each["signal"], each["calls"], each["summary"], each["source"]["paper"] or "-")
        lines.append(f"| `{each['name']}` | " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def rubrics_page() -> str:
    """The shipped rubrics with their criteria."""
    from judge.rubric.load import list_rubrics, load_rubric  # noqa: PLC0415

    lines = ["# Shipped rubrics\n", "`judge rubric show NAME` prints one whole. [Rubrics](../rubrics.md) explains the fields.\n"]
    for name in list_rubrics():
        rubric = load_rubric(name)
        lines += [f"## {name}\n", f"{rubric.description}\n", "| criterion | kind | what it asks |", "|---|---|---|"]
        lines += [f"| `{c.id}` | {c.kind} | {_cell(c.text)} |" for c in rubric.criteria] + [""]
    return "\n".join(lines)


def python_page() -> str:
    """The names of `judge` and of its client."""
    parts = ["# Python\n\n`from judge import Judge, Sample` and the like; the types that people use, by what they are for.\n"]
    for heading, names in PYTHON.items():
        parts += [f"## {heading}\n", *(f"::: {name}\n    options: {{heading_level: 3}}\n" for name in names)]
    return "\n".join(parts)


def adapters_page() -> str:
    """The modules that trainers import."""
    parts = ["# Python: adapters\n\nHow each is used: [trainers](../trainers.md).\n"]
    return "\n".join(parts + [f"::: judge.adapters.{name}\n    options: {{heading_level: 2}}\n" for name in ADAPTERS])
