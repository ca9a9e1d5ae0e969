"""How to write rubrics: what a generator folder's `generator.yaml` may say.

A generator is data, like a recipe: a new published way to write rubrics is a new folder with templates and these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from judge.errors import RecipeError, did_you_mean
from judge.recipe.load import read_templates
from judge.recipe.model import SamplingSpec, SourceRef
from judge.rubric.model import CriterionKind, Frozen, Identifier, content_hash
from judge.shipped import shipped_dir
from judge.yamlfile import read_yaml, validate

Needed = Literal["chosen", "rejected", "reference", "context"]


class ItemSpec(Frozen):
    """The grammar of a written rubric: numbered lines, each ending with a tag in brackets.

    Attributes:
        tags: Tag -> kind of the criterion.
        untagged: Kind of an item without a tag.
        min, max: Number of items allowed; a list outside it is no rubric.
        max_chars: Longest item, in characters.
        forbid: Phrases an item must not hold (case counts only where a phrase has capitals); such items are dropped and recorded.
    """

    tags: dict[str, CriterionKind]
    untagged: CriterionKind = "principle"
    min: int = Field(default=1, ge=1)
    max: int = Field(default=20, ge=1, le=200)
    max_chars: int = Field(default=400, ge=20, le=5000)
    forbid: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self


class ValidationSpec(Frozen):
    """How a written rubric is tried on the pair it was written from: kept only if `recipe` prefers the chosen response
    in both orders.
    """

    recipe: str


class GeneratorSpec(Frozen):
    """The contents of `generator.yaml`.

    Attributes:
        needs: What a row must have besides its prompt.
        system, user: Templates of the one request.
        validation: None keeps every rubric that could be read.
    """

    name: Identifier
    summary: str
    source: SourceRef
    deviations: tuple[str, ...] = ()
    needs: tuple[Needed, ...] = ()
    system: str | None = None
    user: str
    items: ItemSpec
    sampling: SamplingSpec = SamplingSpec()
    validation: ValidationSpec | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.validation and not {"chosen", "rejected"} <= set(self.needs):
            raise ValueError("`validation` judges a pair, so `needs` has chosen and rejected")
        return self


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
