"""The part of a message that is the same for every sample, rendered once; for a sample, its quoted texts are put in.

A template takes part where it can be seen from its tree that the sample's texts are quoted and nothing else is done with them:
`{{ response | quote("RESPONSE") }}`, and `{% if reference %}`. One that loops over responses or documents, cuts a text or
quotes it under a title that is worked out is rendered as before, sample by sample.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from judge.render.limits import FREE
from judge.render.quoting import Quoted, Untrusted

SLOTS = frozenset({"prompt", "response", "reference", "principle", "exemplar"})
SAME = frozenset({"rubric", "criterion", "labels", "scale", "options", "names"})  # told apart by `Skeletons.key`
_ABSENT = frozenset({"context", "evidence", "steps", "fields"})  # a sample that has some is rendered by itself
_ASKED = ("none", "defined")
_NONCE = secrets.token_hex(8)  # so that no rubric and no text of a template can look like a place of ours
_OPEN, _CLOSE = f"\ufdd0{_NONCE}:", "\ufdd1"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A rendered message with places for quoted texts: text, then (variable, title) and text in turn."""

    first: str
    rest: tuple[tuple[str, str, str], ...]

    def fill(self, values: Mapping[str, Any]) -> str:
        """The message of one sample."""
        parts = [self.first]
        for name, title, text in self.rest:
            parts += (values[name].quote(title), text)
        return "".join(parts)


class Hole(Untrusted):
    """Stands for a text of a sample while a skeleton is rendered. It can be quoted, and nothing else."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        super().__init__("", "")
        self._name = name

    def quote(self, title: str) -> Quoted:
        """The place of the text."""
        return Quoted(f"{_OPEN}{self._name}:{title}{_CLOSE}")

    def text(self) -> str:
        """Refused: a skeleton must not depend on a text."""
        raise TypeError("a text of the sample is looked at")


def cut(text: str) -> Skeleton:
    """A rendered message at its places."""
    first, *rest = text.split(_OPEN)
    found = []
    for piece in rest:
        place, _, after = piece.partition(_CLOSE)
        name, _, title = place.partition(":")
        found.append((name, title, after))
    return Skeleton(first, tuple(found))


@dataclass(frozen=True, slots=True)
class Reads:
    """Which variables of a template decide its skeleton.

    Attributes:
        slots: Texts of the sample.
        absent: Variables that must be empty.
    """

    slots: tuple[str, ...]
    absent: tuple[str, ...]

    def key(self, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """What tells skeletons of one template apart; None: this sample has to be rendered by itself.

        `scale` follows from the rubric and the recipe, `options` from the recipe.
        """
        for name in self.absent:
            if values.get(name):
                return None
        there = tuple([values.get(name) is None for name in self.slots])
        rubric, criterion = values.get("rubric"), values.get("criterion")
        return id(rubric), id(criterion), tuple(values.get("labels") or ()), tuple(values.get("names") or ()), there


def reads(tree: nodes.Template, variables: Collection[str]) -> Reads | None:
    """What decides a template's skeleton; None where it does more with the sample's texts than to quote them.

    Args:
        variables: All that a template may use; other names in it are its own.
    """
    slots: dict[str, int] = {}
    absent: dict[str, None] = {}
    for name, parents in _names(tree, ()):
        if name.name in SAME and name.ctx == "load":
            continue
        if name.ctx != "load" and name.name in (SLOTS | SAME | _ABSENT):
            return None
        if name.name in _ABSENT:
            absent[name.name] = None
        elif name.name in SLOTS:
            if not _only_quoted(name, parents):
                return None
            slots[name.name] = slots.get(name.name, 0) + 1
        elif name.name in variables and not _in_loop(name, parents):
            return None
    if not slots or max(slots.values()) > FREE:  # quoted more often, it is charged for
        return None
    return Reads(tuple(slots), tuple(absent))


def _names(node: nodes.Node, parents: tuple[nodes.Node, ...]) -> list[tuple[nodes.Name, tuple[nodes.Node, ...]]]:
    if isinstance(node, nodes.Name):
        return [(node, parents)]
    return [found for child in node.iter_child_nodes() for found in _names(child, (*parents, node))]


def _only_quoted(name: nodes.Name, parents: tuple[nodes.Node, ...]) -> bool:
    """Whether a text is quoted under a fixed title and printed, or only asked about: is there one?"""
    parent, above = parents[-1], parents[-2] if len(parents) > 1 else None
    if isinstance(parent, nodes.Filter):
        fixed = all(isinstance(arg, nodes.Const) for arg in parent.args) and not (parent.kwargs or parent.dyn_args)
        printed = isinstance(above, nodes.Output) and not any(isinstance(p, nodes.For) for p in parents)
        return parent.name == "quote" and parent.node is name and fixed and printed
    asked: nodes.Node = name
    for outer in reversed(parents):
        if isinstance(outer, nodes.If | nodes.CondExpr):
            return outer.test is asked
        if not (isinstance(outer, nodes.Not | nodes.And | nodes.Or) or (isinstance(outer, nodes.Test) and outer.name in _ASKED)):
            return False
        asked = outer
    return False


def _in_loop(name: nodes.Name, parents: tuple[nodes.Node, ...]) -> bool:
    """Whether a name is that of a loop that goes on around it."""
    loops = [p for p in parents if isinstance(p, nodes.For)]
    return any(
        name.name in {n.name for n in (loop.target, *loop.target.find_all(nodes.Name)) if isinstance(n, nodes.Name)}
        for loop in loops
    )
