"""A folder with `generator.yaml` and templates -> `Generator`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from judge.errors import RecipeError, did_you_mean
from judge.generators.model import GeneratorSpec
from judge.recipe.load import read_templates
from judge.rubric.model import content_hash
from judge.shipped import shipped_dir
from judge.yamlfile import read_yaml, validate

FILE = "generator.yaml"
SUFFIX = "-rubric"


@dataclass(frozen=True)
class Generator:
    """A loaded generator. `templates` holds their text, shared ones included."""

    spec: GeneratorSpec
    templates: Mapping[str, str]
    folder: Path = Path()

    @cached_property
    def hash(self) -> str:
        """Content hash of the specification and the templates (16 hex digits)."""
        return content_hash([self.spec.model_dump(mode="json"), dict(self.templates)])

    @cached_property
    def template_hash(self) -> str:
        """Content hash of the templates alone."""
        return content_hash(dict(self.templates))


def list_generators() -> list[str]:
    """Methods of the shipped generators: the folder's name without `-rubric`."""
    return sorted(path.parent.name.removesuffix(SUFFIX) for path in shipped_dir("prompts").glob(f"*/{FILE}"))


def load_generator(method: str | Path) -> Generator:
    """Load a shipped generator by method (`contrastive`), or any generator folder by path.

    Raises:
        RecipeError: No such method, or something in the folder is wrong; with file and line.

    Example:
        >>> load_generator("contrastive").spec.needs
        ('chosen', 'rejected')
    """
    folder = _find(str(method))
    spec = validate(GeneratorSpec, read_yaml(folder / FILE, RecipeError), error=RecipeError)
    return Generator(spec, read_templates(folder, FILE, (t for t in (spec.system, spec.user) if t)), folder)


def _find(method: str) -> Path:
    for folder in (Path(method), shipped_dir("prompts") / f"{method}{SUFFIX}", shipped_dir("prompts") / method):
        if (folder / FILE).is_file():
            return folder
    known = list_generators()
    raise RecipeError(f"no rubric generator `{method}`{did_you_mean(method, known)} (shipped: {', '.join(known)}; or a folder)")
