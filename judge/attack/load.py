"""YAML files -> attacks, with file and line for everything that is wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from judge.attack.catalogue import Attack, AttackMode, Catalogue, CatalogueError, Family, Item
from judge.attack.transforms import transform_named
from judge.errors import JudgeError, Problem, did_you_mean
from judge.shipped import shipped_dir
from judge.yamlfile import Source, read_yaml, validate


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
    families: tuple[tuple[str, Family, dict[str, Item]], ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        source = read_yaml(path, CatalogueError)
        whole = validate(Catalogue, source, error=CatalogueError)
        return cls(source, tuple(_family(source, name, fields) for name, fields in whole.families.items()))


def _family(source: Source, name: str, fields: Any) -> tuple[str, Family, dict[str, Item]]:
    at = ("families", name)
    family = validate(Family, source, fields or {}, at, CatalogueError)
    items = {
        key: validate(Item, source, {} if given is None else given, (*at, "items", key), CatalogueError)
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


def _texts(source: Source, where: tuple[str, ...], item: Item, known: dict[str, dict[str, str]]) -> dict[str, str]:
    if item.text is not None:
        return {"": item.text * item.repeat}
    out: dict[str, str] = {}
    for family in item.each_of:
        if family not in known:
            near = did_you_mean(family, known) or "; families: " + ", ".join(known)
            raise CatalogueError(Problem(source.where((*where, "each_of")), f"no family `{family}`{near}"))
        out |= known[family]
    return out


def _filled(name: str, key: str, family: Family, item: Item, texts: dict[str, str]) -> Attack:
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
