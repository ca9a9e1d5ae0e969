"""How to write rubrics: what a generator folder's `generator.yaml` may say.

A generator is data, like a recipe: a new published way to write rubrics is a new folder with templates and these fields. What
no prompt can do (choose by coding rate, decompose until nothing is left, weigh by covariance) is a program that the file names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import Problem, RecipeError, did_you_mean
from judge.generators.refine import DecomposeSpec, MineSpec, ReviseSpec, SupportSpec, TailSpec
from judge.recipe.load import read_templates
from judge.recipe.parts import SamplingSpec, SourceRef
from judge.rubric.model import CriterionKind, Frozen, Identifier, content_hash
from judge.shipped import shipped_dir
from judge.yamlfile import read_yaml, validate

Needed = Literal["chosen", "rejected", "reference", "context", "responses", "rubric"]
CheckName = Literal["contains", "excludes", "max_words", "min_words", "valid_json"]


class NumberSpec(Frozen):
    """Bounds of a number that an item may bring: a weight, points, or the levels of its scale."""

    min: float
    max: float

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min ({self.min:g}) must be below max ({self.max:g})")
        return self


class TagSpec(Frozen):
    """What a tag means: the kind of the criterion, and its weight where the item states none."""

    kind: CriterionKind
    weight: float | None = Field(default=None, gt=0)


class ItemSpec(Frozen):
    """The grammar of a written rubric: numbered lines, each with a tag in brackets behind it or in front of it (other forms of
    a list are read as such lines; see `judge.generators.forms`).

    Attributes:
        tags: Tag -> kind of the criterion, or kind and default weight.
        untagged: Kind of an item without a tag.
        min, max: Number of items allowed; a list outside it is no rubric. `tail` and `decompose` have a `max` of their own.
        max_chars: Longest item, in characters.
        forbid: Phrases an item must not hold (case counts only for words of one letter); such items are dropped and recorded.
        weights: A number behind the tag is the weight, within these bounds: `[Essential, 5]`.
        points: Each item ends with signed points within these bounds: `[+7]`, `[-5]`; one without is dropped.
        titles: An item may begin with a short title and a colon.
        levels: Items are graded on whole numbers in these bounds, and lines `Level 3: ...` below an item say what they look like.
        scale: Scale of an item without levels.
        checks: Programs that an item may name in place of a judge: `[max_words: 100]`. What a check is given must stand in
            the prompt; else a judge decides, and the item is recorded.
    """

    tags: dict[str, TagSpec] = Field(default_factory=dict)
    untagged: CriterionKind = "principle"
    min: int = Field(default=1, ge=1)
    max: int = Field(default=20, ge=1, le=200)
    max_chars: int = Field(default=400, ge=20, le=5000)
    forbid: tuple[str, ...] = ()
    weights: NumberSpec | None = None
    points: NumberSpec | None = None
    titles: bool = False
    levels: NumberSpec | None = None
    scale: Literal["binary", "ternary"] = "binary"
    checks: tuple[CheckName, ...] = ()

    @field_validator("tags", mode="before")
    @classmethod
    def _short_tags(cls, value: Any) -> Any:
        return {k: {"kind": v} if isinstance(v, str) else v for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        if self.points and (self.weights or any(tag.weight for tag in self.tags.values())):
            raise ValueError("give `points` or weights, not both; a rubric uses one of the two")
        return self


class ValidationSpec(Frozen):
    """How a written rubric is tried on the pair it was written from: kept only if `recipe` prefers the chosen response
    in both orders.
    """

    recipe: str


class WritingTurn(Frozen):
    """One request, or several of one kind.

    Attributes:
        user, system: Templates; without `system` the generator's own counts.
        reads: `items`, a list in the grammar of `items`; or `text`, kept as it is for later turns (`notes.NAME`).
        each: Asked once a row, or once for each document or response of it.
        draws: How many replies are drawn; reply k uses the seed + k.
        when: What a row must have for this turn; a row without it goes on without the turn.
    """

    name: Identifier
    user: str
    system: str | None = None
    reads: Literal["items", "text"] = "items"
    each: Literal["row", "document", "response"] = "row"
    draws: int = Field(default=1, ge=1, le=64)
    when: tuple[Needed, ...] = ()
    sampling: SamplingSpec = SamplingSpec()


class ClosingSpec(Frozen):
    """What becomes of all rows' items at the end: one rubric, in `merged.yaml`.

    Attributes:
        similarity: An item nearer to an earlier one (cosine, `encoder`) is left out; 1 leaves out equal ones only.
        encoder: See `judge.engine.encoder.find_encoder`; `hashing` compares spelling and needs no model.
        coding_rate: Choose by coding rate (`judge.generators.formulas`), at most this many items.
        user, system: Templates of the request that merges them; none: they are taken as they are.
        chunk: Items shown in one request; longer lists are merged in parts, and the parts again.
        themes: The merging reply gives each item a title (its theme); see `items.titles`.
        max: Most criteria of the merged rubric.
    """

    similarity: float = Field(default=0.9, gt=0, le=1)
    encoder: str = "hashing"
    coding_rate: int | None = Field(default=None, ge=1)
    user: str | None = None
    system: str | None = None
    chunk: int = Field(default=60, ge=2, le=500)
    themes: bool = False
    max: int = Field(default=20, ge=1, le=200)


class GeneratorSpec(Frozen):
    """The contents of `generator.yaml`.

    Attributes:
        needs: What a row must have besides its prompt.
        system, user: Templates; `user` stands for a single turn `generate` that reads items.
        turns: The requests of one row, in order. The last list of items is the rubric.
        more: Further templates by name, of the programs below.
        validation: None keeps every rubric that could be read.
        revise, tail, decompose: A program that goes on from the first items (at most one; see `judge.generators.refine`).
        support, mine: A program that chooses or goes over the pairs of all rows.
        closing: How all rows' items become one rubric.
        extends: The items are added to the row's own rubric, where it has one; the reply `NONE` adds nothing.
    """

    name: Identifier
    summary: str
    source: SourceRef
    deviations: tuple[str, ...] = ()
    needs: tuple[Needed, ...] = ()
    system: str | None = None
    user: str | None = None
    turns: tuple[WritingTurn, ...] = ()
    more: dict[str, str] = Field(default_factory=dict)
    items: ItemSpec
    sampling: SamplingSpec = SamplingSpec()
    validation: ValidationSpec | None = None
    revise: ReviseSpec | None = None
    tail: TailSpec | None = None
    decompose: DecomposeSpec | None = None
    support: SupportSpec | None = None
    mine: MineSpec | None = None
    closing: ClosingSpec | None = None
    extends: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        pairs = {"chosen", "rejected"} <= set(self.needs)
        for name in ("validation", "revise", "support", "mine"):
            if getattr(self, name) and not pairs:
                raise ValueError(f"`{name}` judges a pair, so `needs` has chosen and rejected")
        if (self.user is None) == (not self.turns):
            raise ValueError("give `user` (one request) or `turns`, and not both")
        if sum(p is not None for p in (self.revise, self.tail, self.decompose)) > 1:
            raise ValueError("a generator has one of `revise`, `tail` and `decompose`")
        if (self.mine or self.support) and not self.closing:
            raise ValueError("`mine` and `support` end in one rubric, so they need `closing`")
        for program in (self.revise, self.tail, self.decompose):
            missing = [name for name in (program.templates if program else ()) if name not in self.more]
            if missing:
                raise ValueError(f"`more` lacks the template `{missing[0]}`")
        return self

    @cached_property
    def steps(self) -> tuple[WritingTurn, ...]:
        """The requests of one row, the short form spelled out."""
        return self.turns or (WritingTurn(name="generate", user=self.user or ""),)

    @cached_property
    def final_items(self) -> ItemSpec:
        """The grammar of the finished list: `tail` and `decompose` may go beyond `items.max`, up to a `max` of their own."""
        most = max(self.items.max, *(program.max for program in (self.tail, self.decompose) if program), 0)
        return self.items.model_copy(update={"max": most})

    @property
    def named_templates(self) -> tuple[str, ...]:
        """Every template that the file names, each once."""
        closing = () if self.closing is None else (self.closing.user, self.closing.system)
        turns = [name for turn in self.steps for name in (turn.user, turn.system)]
        return tuple(dict.fromkeys(n for n in (self.system, *turns, *self.more.values(), *closing) if n))


FILE = "generator.yaml"
_EXAMPLE = re.compile(r"^\d{1,2}\. (?:[^:[{}\n]{1,60}: )?([^{}\n]+?)(?: \[[^]{}\n]*\])?[ \t]*$", re.MULTILINE)
SUFFIX = "-rubric"


@dataclass(frozen=True)
class Generator:
    """A loaded generator. `templates` holds their text, shared ones included."""

    spec: GeneratorSpec
    templates: Mapping[str, str]
    folder: Path = Path()
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def hash(self) -> str:
        """Content hash of the specification and the templates (16 hex digits)."""
        return content_hash([self.spec.model_dump(mode="json"), dict(self.templates)])

    @cached_property
    def template_hash(self) -> str:
        """Content hash of the templates alone."""
        return content_hash(dict(self.templates))

    @cached_property
    def examples(self) -> frozenset[str]:
        """The example lines that its prompts show: numbered lines with nothing of the row in them, without tag and title."""
        return frozenset(found for text in self.templates.values() for found in _EXAMPLE.findall(text))

    @property
    def method(self) -> str:
        """Its name without `-rubric`."""
        return self.spec.name.removesuffix(SUFFIX)


def list_generators() -> list[str]:
    """Methods of the shipped generators: the folder's name without `-rubric`."""
    return sorted(path.parent.name.removesuffix(SUFFIX) for path in shipped_dir("prompts").glob(f"*/{FILE}"))


def load_generator(method: str | Path, options: Mapping[str, Any] | None = None) -> Generator:
    """Load a shipped generator by method (`contrastive`), or any generator folder by path.

    Args:
        options: Fields that replace those of the file, by dotted path: `{"items.max": 12}`.

    Raises:
        RecipeError: No such method, or something in the folder is wrong; with file and line.

    Example:
        >>> load_generator("contrastive").spec.needs
        ('chosen', 'rejected')
        >>> load_generator("rrd", {"decompose.weights": "uniform"}).spec.decompose.weights
        'uniform'
    """
    folder = _find(str(method))
    source = read_yaml(folder / FILE, RecipeError)
    for path, value in (options or {}).items():
        _put(source.data, path, value, folder / FILE)
    spec = validate(GeneratorSpec, source, error=RecipeError)
    return Generator(spec, read_templates(folder, FILE, spec.named_templates), folder, dict(options or {}))


def _put(data: Any, path: str, value: Any, file: Path) -> None:
    """Set one field by its dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        data = data.setdefault(name, {}) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise RecipeError(Problem(str(file), f"no field `{path}` that an option could set"))
    data[last] = value


def _find(method: str) -> Path:
    for folder in (Path(method), shipped_dir("prompts") / f"{method}{SUFFIX}", shipped_dir("prompts") / method):
        if (folder / FILE).is_file():
            return folder
    known = list_generators()
    raise RecipeError(f"no rubric generator `{method}`{did_you_mean(method, known)} (shipped: {', '.join(known)}; or a folder)")
