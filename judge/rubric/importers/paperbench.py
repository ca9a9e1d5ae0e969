"""PaperBench rubric trees -> a flat rubric of leaves, and PaperBench's own recursive arithmetic.

- A node's score is the weighted mean of its children. So a leaf's weight in the flat rubric is the product, along
  its path, of the node's weight over the sum of its siblings' weights. Products are exact fractions until the end.
- A node of weight 0 counts for nothing: its leaves are dropped, and noted.
- Leaf ids are UUIDs, which may start with a digit: leaves become c1, c2, ... in depth-first order and the id is a tag.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, identifier, number_of, text_of

ID_TAG = "paperbench:"
_MAX_DEPTH = 64


def looks_like(record: Any) -> bool:
    """A node, or a record that has one under `tree`."""
    node = record.get("tree", record) if isinstance(record, dict) else None
    return isinstance(node, dict) and "requirements" in node and "sub_tasks" in node


def from_paperbench(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one tree. The weights of the leaves sum to 1.

    Raises:
        RubricError: A node without text, id or weight, a negative weight, siblings whose weights are all 0 below a node that
            counts (PaperBench scores it 0, and no criterion here is failed by everybody), an id that stands twice, or nesting
            beyond 64 levels.

    Example:
        >>> leaf = lambda name, weight: {"id": name, "requirements": f"{name} runs", "weight": weight, "sub_tasks": []}
        >>> tree = {"id": "r", "requirements": "paper", "weight": 1, "sub_tasks": [leaf("a", 1), leaf("b", 3)]}
        >>> [c.weight for c in from_paperbench(tree).rubric.criteria]
        [0.25, 0.75]
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "a PaperBench tree has `id`, `requirements`, `weight` and `sub_tasks`"))
    root = record.get("tree", record)
    criteria: list[dict[str, Any]] = []
    notes: list[str] = []
    seen: set[str] = set()
    for node, weight, parent in _leaves(root, Fraction(1), "", where, 0):
        own = text_of(node, "id", where)
        if own in seen:
            raise RubricError(Problem(where, f"two leaves are called `{own}`"))
        seen.add(own)
        if weight == 0:
            notes.append(f"leaf `{own}` dropped: its weight, or that of a node above it, is 0")
            continue
        category = node.get("task_category")
        tags = [ID_TAG + own, *([category] if isinstance(category, str) else [])]
        text = text_of(node, "requirements", where)
        criteria.append({"id": f"c{len(criteria) + 1}", "text": text, "title": parent, "weight": float(weight), "tags": tags})
    own = str(record.get("paper", root["id"]))
    data = {
        "name": name or identifier(own, "paperbench"),
        "title": text_of(root, "requirements", where),
        "source": "PaperBench (arXiv 2504.01848)",
        "criteria": criteria,
        "denominator": "all_weights",
    }
    return Imported(build(data, where), {key: value for key, value in record.items() if key == "paper"}, tuple(notes))


def _leaves(node: Any, weight: Fraction, parent: str, where: str, depth: int) -> Iterator[tuple[Any, Fraction, str]]:
    """(leaf, exact share of the total, text of the node above), depth first."""
    children = _children(node, where, depth)
    if not children:
        yield node, weight, parent
    if weight and children and not any(share for _, share in children):
        name = text_of(node, "id", where)
        raise RubricError(Problem(where, f"all children of `{name}` have weight 0, so nobody could ever meet it: leave it out"))
    for child, share in children:
        yield from _leaves(child, weight * share, text_of(node, "requirements", where), where, depth + 1)


def _children(node: Any, where: str, depth: int) -> list[tuple[Any, Fraction]]:
    """The children of a node and their shares, which sum to 1, or are all 0."""
    if depth > _MAX_DEPTH:
        raise RubricError(Problem(where, f"nested more than {_MAX_DEPTH} levels deep"))
    name = text_of(node, "id", where)
    children = node.get("sub_tasks") or []
    if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
        raise RubricError(Problem(where, f"`sub_tasks` of `{name}` should be a list of nodes"))
    weights = [Fraction(number_of(child, "weight", f"{where}: node `{child.get('id')}`")) for child in children]
    if any(weight < 0 for weight in weights):
        raise RubricError(Problem(where, f"a child of `{name}` has a negative weight"))
    total = sum(weights)
    return [(child, weight / total if total else Fraction(0)) for child, weight in zip(children, weights, strict=True)]


def paperbench_score(tree: Any, leaf_scores: Mapping[str, float], *, where: str = "tree") -> float:
    """Score of the root, by PaperBench's recursion: each node is the weighted mean of its children, 0 where all weigh 0.

    Args:
        tree: The root node, or a record that has it under `tree`.
        leaf_scores: Score in [0, 1] of each leaf, by its original id. A leaf of weight 0 may be absent.
        where: What errors call the tree.

    Raises:
        RubricError: The tree is unsound (see `from_paperbench`), or a leaf that counts has no score.

    Example:
        >>> leaf = lambda name, weight: {"id": name, "requirements": "x", "weight": weight, "sub_tasks": []}
        >>> tree = {"id": "r", "requirements": "x", "weight": 1, "sub_tasks": [leaf("a", 1), leaf("b", 3)]}
        >>> paperbench_score(tree, {"a": 1.0, "b": 0.5})  # (1 * 1 + 3 * 0.5) / 4
        0.625
    """
    return _score(tree.get("tree", tree), leaf_scores, where, 0)


def _score(node: Any, leaf_scores: Mapping[str, float], where: str, depth: int) -> float:
    children = _children(node, where, depth)
    if children:
        return math.fsum(float(share) * _score(child, leaf_scores, where, depth + 1) for child, share in children if share)
    if node["id"] not in leaf_scores:
        raise RubricError(Problem(where, f"leaf `{node['id']}` has no score"))
    score = leaf_scores[node["id"]]
    if not 0 <= score <= 1:
        raise RubricError(Problem(where, f"leaf `{node['id']}`: {score} is not in 0 to 1"))
    return score
