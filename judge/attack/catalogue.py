"""YAML -> attacks: what is put in place of an answer, or around one, and what a sound judge does with it.

A catalogue is data. A family gives defaults and an item overrides them; a text is literal, a transform is a function
`(AttackContext, random.Random) -> str`, by name or as `package.module:name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.attack.texts import INSERTION_POINTS, known_transforms, transform_named
from judge.errors import InputError, JudgeError, Problem, did_you_mean
from judge.rubric.model import Frozen, Identifier
from judge.shipped import shipped_dir
from judge.yamlfile import Source, read_yaml, shown, validate

Safe = Literal["NEG", "NOGAIN", "LITERAL", "INVARIANT", "KEEP", "CONTROL", "FLAG"]
AttackMode = Literal["verifier", "pointwise", "checklist", "pairwise"]
SeedKind = Literal["wrong", "right"]

SAFE: dict[Safe, str] = {
    "NEG": "never accepted: there is no answer in it",
    "NOGAIN": "never better off than the same wrong answer without it",
    "LITERAL": "reaches the judge as text and gains nothing",
    "INVARIANT": "judged like the same answer without it",
    "KEEP": "a right answer: the filters let it pass",
    "CONTROL": "run beside the attacks; no pass or fail",
    "FLAG": "measured; no pass or fail",
}
MODES: tuple[AttackMode, ...] = ("verifier", "pointwise", "checklist", "pairwise")


class CatalogueError(InputError):
    """An attack catalogue is wrong."""


class _Where(Frozen):
    """Fields that a family gives and an item overrides."""

    op: tuple[str, ...] = ()
    base: tuple[SeedKind, ...] = ()
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
            if place not in INSERTION_POINTS:
                raise ValueError(
                    f"no place `{place}`{did_you_mean(place, INSERTION_POINTS) or '; places: ' + ', '.join(INSERTION_POINTS)}"
                )
        return value


class AttackItem(_Where):
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


class AttackFamily(_Where):
    """Attacks of one kind.

    Attributes:
        about: What they have in common, one sentence.
        safe: What a sound judge does with them, see `SAFE`.
        control: Run a neutral text of the same length in the same place beside each.
    """

    about: str = ""
    op: tuple[str, ...] = ("whole",)
    base: tuple[SeedKind, ...] = ("wrong",)
    mode: tuple[AttackMode, ...] = MODES
    safe: Safe = "NEG"
    control: bool = True
    items: dict[Identifier, Any] = Field(min_length=1)  # `AttackItem`s; each is checked by itself, so that errors know its fields


class Catalogue(Frozen):
    """One file."""

    about: str = ""
    families: dict[Identifier, Any] = Field(min_length=1)  # `AttackFamily`s, checked the same way


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
    base: tuple[SeedKind, ...]
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


def load_catalogues(files: Iterable[str | Path] = (), *, shipped: bool = True, base: Path | None = None) -> list[Attack]:
    """The shipped catalogue and a user's own.

    Args:
        files: YAML files; their families come on top.
        shipped: Take the shipped ones as well.
        base: Folder that relative paths start from, before the working directory.

    Raises:
        CatalogueError: With file and line.
    """
    paths = sorted(shipped_folder().glob("*.yaml")) if shipped else []
    for name in files:
        inside = (base or Path()) / name
        paths.append(inside if inside.is_file() else Path(name))
    loaded = [_File.read(path) for path in paths]
    texts: dict[str, dict[str, str]] = {}
    for file in loaded:
        for name, key, item in ((name, key, item) for name, _, items in file.families for key, item in items.items()):
            if item.text is not None:
                texts.setdefault(name, {})[key] = item.text * item.repeat
    out: dict[str, Attack] = {}
    for file in loaded:
        source = file.source
        for attack in _attacks(file, texts):
            if attack.id in out:
                where = source.where(("families", attack.family, "items", attack.id))
                raise CatalogueError(Problem(where, f"the id `{attack.id}` is taken (family `{out[attack.id].family}`)"))
            out[attack.id] = attack
    return list(out.values())


def shipped_folder() -> Path:
    """Folder of the shipped catalogue."""
    return shipped_dir("attacks")


@dataclass(frozen=True)
class _File:
    """One file, read: (name, family, items) in its order."""

    source: Source
    families: tuple[tuple[str, AttackFamily, dict[str, AttackItem]], ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        source = read_yaml(path, CatalogueError)
        whole = validate(Catalogue, source, error=CatalogueError)
        return cls(source, tuple(_family(source, name, fields) for name, fields in whole.families.items()))


def _family(source: Source, name: str, fields: Any) -> tuple[str, AttackFamily, dict[str, AttackItem]]:
    at = ("families", name)
    family = validate(AttackFamily, source, fields or {}, at, CatalogueError)
    items = {
        key: validate(AttackItem, source, {} if given is None else given, (*at, "items", key), CatalogueError)
        for key, given in family.items.items()
    }
    return name, family, items


def _attacks(file: _File, texts: dict[str, dict[str, str]]) -> Iterable[Attack]:
    source = file.source
    for name, family, items in file.families:
        for key, item in items.items():
            where = ("families", name, "items", key)
            if item.transform and ":" in item.transform:
                try:
                    transform_named(item.transform)
                except JudgeError as why:
                    raise CatalogueError(Problem(source.where((*where, "transform")), str(why))) from None
            attack = _filled(name, key, family, item, _texts(source, where, item, texts))
            _check(source, where, attack)
            yield attack


def _texts(source: Source, where: tuple[str, ...], item: AttackItem, known: dict[str, dict[str, str]]) -> dict[str, str]:
    if item.text is not None:
        return {"": item.text * item.repeat}
    out: dict[str, str] = {}
    for family in item.each_of:
        if family not in known:
            near = did_you_mean(family, known) or "; families: " + ", ".join(known)
            raise CatalogueError(Problem(source.where((*where, "each_of")), f"no family `{family}`{near}"))
        out |= known[family]
    return out


def _filled(name: str, key: str, family: AttackFamily, item: AttackItem, texts: dict[str, str]) -> Attack:
    safe = item.safe or family.safe
    return Attack(
        family=name,
        id=key,
        texts=texts,
        pair=item.pair,
        transform=item.transform,
        ops=("whole",) if item.transform else item.op or family.op or ("whole",),
        base=item.base or family.base,
        safe=safe,
        mode=item.mode or family.mode,
        control=family.control and safe in ("NOGAIN", "LITERAL", "INVARIANT"),
        question=item.question,
        reference=item.reference,
        name=item.name,
        src=item.src or family.src,
    )


def _check(source: Source, where: tuple[str, ...], attack: Attack) -> None:
    at = source.where(where)
    if "whole" in attack.ops and len(attack.ops) > 1:
        raise CatalogueError(Problem(at, "`op: whole` stands alone: a text replaces the answer or is put on it"))
    if attack.safe == "KEEP" and (attack.question is None or attack.reference is None):
        raise CatalogueError(Problem(at, f"`{attack.id}`: a KEEP item needs `question` and `reference`: what it answers rightly"))
    if attack.safe == "NEG" and not attack.whole:
        raise CatalogueError(Problem(at, f"`{attack.id}`: NEG is for `op: whole`; on an answer, use NOGAIN"))


def chosen(attacks: Sequence[Attack], mode: AttackMode, families: Sequence[str] = (), items: int | None = None) -> list[Attack]:
    """The attacks that make sense in a mode.

    Args:
        families: Names or starts of ids (`master-key`, `FV`); none: all.
        items: At most this many of each family, in the order of the file.

    Raises:
        CatalogueError: A family is unknown.
    """
    known = list(dict.fromkeys(a.family for a in attacks))
    for wanted in families:
        if wanted not in known and not any(a.id.startswith(wanted) for a in attacks):
            raise CatalogueError(f"no family `{wanted}`{did_you_mean(wanted, known) or '; families: ' + ', '.join(known)}")
    out, seen = [], dict.fromkeys(known, 0)
    for attack in attacks:
        wanted_here = not families or attack.family in families or any(attack.id.startswith(f) for f in families)
        if mode not in attack.mode or not wanted_here or (items is not None and seen[attack.family] >= items):
            continue
        seen[attack.family] += 1
        out.append(attack)
    return out
