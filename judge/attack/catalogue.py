"""YAML -> attacks: what is put in place of an answer, or around one, and what a sound judge does with it.

A catalogue is data. A family gives defaults and an item overrides them; a text is literal, a transform is a function
`(Base, random.Random) -> str`, by name or as `package.module:name`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.attack.places import PLACES
from judge.attack.transforms import known_transforms
from judge.errors import InputError, did_you_mean
from judge.rubric.model import Frozen, Identifier
from judge.yamlfile import shown

Safe = Literal["NEG", "NOGAIN", "LITERAL", "INVARIANT", "KEEP", "CONTROL", "FLAG"]
AttackMode = Literal["verifier", "pointwise", "checklist", "pairwise"]
BaseKind = Literal["wrong", "right"]

SAFE: dict[Safe, str] = {
    "NEG": "never accepted: there is no answer in it",
    "NOGAIN": "never better off than the same wrong answer without it",
    "LITERAL": "reaches the judge as text and gains nothing",
    "INVARIANT": "judged like the same answer without it",
    "KEEP": "a right answer: the gate lets it pass",
    "CONTROL": "run beside the attacks; no pass or fail",
    "FLAG": "measured; no pass or fail",
}
MODES: tuple[AttackMode, ...] = ("verifier", "pointwise", "checklist", "pairwise")


class CatalogueError(InputError):
    """An attack catalogue is wrong."""


class _Where(Frozen):
    """Fields that a family gives and an item overrides."""

    op: tuple[str, ...] = ()
    base: tuple[BaseKind, ...] = ()
    mode: tuple[AttackMode, ...] = ()
    src: str = ""

    @field_validator("op", "base", "mode", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("op")
    @classmethod
    def _places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            if place not in PLACES:
                raise ValueError(f"no place `{place}`{did_you_mean(place, PLACES) or '; places: ' + ', '.join(PLACES)}")
        return value


class Item(_Where):
    """One attack. What is not given here comes from its family.

    Attributes:
        text: The literal text. `@WRONG@` and `@RIGHT@` in it become the short wrong answer and the reference.
        pair: The text for pairwise modes, where it differs.
        transform: Instead of a text: a named function, or `package.module:name`.
        each_of: Instead of a text: all literal texts of these families, one variant each.
        op: Where the text goes; several places are variants, tried in turn.
        base: Answers it is put on.
        repeat: Times the text is repeated.
        question: For `KEEP`: the question that the text answers rightly.
        reference: For `KEEP`: its reference answer.
        name: What the item is, for a person.
        src: Where it comes from.
    """

    text: str | None = None
    pair: str | None = None
    transform: str | None = None
    each_of: tuple[str, ...] = ()
    safe: Safe | None = None
    repeat: int = Field(default=1, ge=1, le=100_000)
    question: str | None = None
    reference: str | None = None
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        """`ID: text` is `ID: {text: text}`."""
        if isinstance(data, str):
            return {"text": data}
        if not isinstance(data, dict):
            raise ValueError(f"is a text or a group of fields, not {shown(data)}; quote it")
        return data

    _one_family = field_validator("each_of", mode="before")(lambda value: (value,) if isinstance(value, str) else value)

    @field_validator("transform")
    @classmethod
    def _transform(cls, value: str | None) -> str | None:
        if value is not None:
            known = known_transforms()
            if ":" not in value and value not in known:
                near = did_you_mean(value, known) or "; transforms: " + ", ".join(known)
                raise ValueError(f"no transform `{value}`{near}, or package.module:name")
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if sum((self.text is not None, self.transform is not None, bool(self.each_of))) != 1:
            raise ValueError("an item has one of `text`, `transform` and `each_of`")
        return self


class Family(_Where):
    """Attacks of one kind.

    Attributes:
        about: What they have in common, one sentence.
        safe: What a sound judge does with them, see `SAFE`.
        control: Run a neutral text of the same length in the same place beside each.
    """

    about: str = ""
    op: tuple[str, ...] = ("whole",)
    base: tuple[BaseKind, ...] = ("wrong",)
    mode: tuple[AttackMode, ...] = MODES
    safe: Safe = "NEG"
    control: bool = True
    items: dict[Identifier, Any] = Field(min_length=1)  # `Item`s; each is checked by itself, so that errors know its fields


class Catalogue(Frozen):
    """One file."""

    about: str = ""
    families: dict[Identifier, Any] = Field(min_length=1)  # `Family`s, checked the same way


@dataclass(frozen=True, slots=True)
class Attack:
    """One item with everything filled in.

    Attributes:
        texts: Variant name -> literal text; empty for a transform.
        ops: Places; each text is tried in each.
        whole: It takes the place of an answer instead of being put on one.
    """

    family: str
    id: str
    texts: dict[str, str]
    pair: str | None
    transform: str | None
    ops: tuple[str, ...]
    base: tuple[BaseKind, ...]
    safe: Safe
    mode: tuple[AttackMode, ...]
    control: bool
    question: str | None
    reference: str | None
    name: str
    src: str

    @property
    def whole(self) -> bool:
        """Whether an answer has no part in it."""
        return self.ops == ("whole",)

    def variants(self) -> list[tuple[str, str, str]]:
        """(name, text, place) of every form; the text of a transform is empty."""
        texts = self.texts or {"": ""}
        return [
            ("/".join(p for p in (key, op if len(self.ops) > 1 else "") if p), text, op)
            for key, text in texts.items()
            for op in self.ops
        ]
