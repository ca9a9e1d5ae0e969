"""docs/recipes.md against the models: every field of `recipe.yaml` and of `transcripts.yaml` has its row, with an example."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from judge.errors import RecipeError
from judge.pipeline.transcripts import CallReply, Transcript
from judge.recipe.model import RecipeSpec
from judge.yamlfile import parse_yaml

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def models(annotation: object) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models(part)]


def fields(model: type[BaseModel], before: str = "") -> list[str]:
    """`verdict.copied.marker`, `turns.*.user`: every field of a model and of the models within it."""
    found = []
    for name, field in model.model_fields.items():
        several = any(word in str(field.annotation) for word in ("tuple[", "dict["))
        found.append(before + name)
        for inner in models(field.annotation):
            found += fields(inner, f"{before}{name}.{'*.' if several else ''}")
    return found


def rows() -> dict[str, str]:
    """Dotted name of a field -> the row that explains it."""
    found: dict[str, str] = {}
    for line in PAGE.splitlines():
        if not line.startswith("| `"):
            continue
        first = ""
        for name in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
            whole = first.rpartition(".")[0] + name if name.startswith(".") else name
            found.setdefault(whole, line)
            first = whole
    return found


def explained(path: str) -> str | None:
    """The row of a field, or of the field that holds it, where that row names it."""
    table = rows()
    if path in table:
        return table[path]
    holder, _, name = path.rpartition(".")
    holder = holder.removesuffix(".*")
    if holder.endswith(".sampling"):
        holder = "sampling"
    row = table.get(holder)
    return row if row is not None and f"`{name}`" in row else None


@pytest.mark.parametrize("path", fields(RecipeSpec))
def test_every_field_is_explained_with_an_example(path):
    """A field that stands on no page is used by nobody."""
    row = explained(path)
    assert row is not None, f"docs/recipes.md has no row for `{path}`"
    cells = [cell.strip() for cell in row.replace(r"\|", "").strip("|").split(" | ")]
    assert len(cells) == 4, f"the row of `{path}` has four cells: field, values, meaning, example; got {cells}"
    assert re.search(r"`[^`]+`", cells[3]), f"the row of `{path}` has no example"


@pytest.mark.parametrize("name", [*Transcript.model_fields, *CallReply.model_fields])
def test_every_field_of_a_transcript_is_explained(name):
    """So are the fields of a recipe's tests."""
    text = PAGE[PAGE.index("## Tests of a recipe") :]
    assert f"`{name}`" in text or f"{name}: " in text, name


def test_examples_are_read():
    """An example that the loader refuses teaches a mistake."""

    for path, row in rows().items():
        cells = row.split(" | ")
        if len(cells) != 4 or path not in fields(RecipeSpec):
            continue
        example = re.search(r"`([^`]+)`", cells[3])
        assert example is not None, path
        data = parse_yaml(example[1], "example", RecipeError).data
        assert isinstance(data, dict), path
        assert set(data) <= set(re.findall(r"\w+", row.split(" | ")[0])), (path, data)
