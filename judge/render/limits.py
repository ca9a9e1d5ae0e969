"""What one rendering may cost: steps of loops, characters made, characters written.

- Jinja's sandbox stops object traversal, not memory: two nested loops of 3,200 wrote 10 MB in 0.4 s, 19 bytes of
  `'a'*200000000` took 783 MB. So every loop, join and filter of a template is charged to its rendering, in the same process.
- All limits are counts, never seconds: the same template is refused on every machine or on none.
- Text that comes from the sample is free, up to four times each: a long response is no mistake of the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from judge.render.quoting import Untrusted

MAX_TEXT = 2_000_000  # characters that a template may write, or make on the way, beyond the sample's own texts
MAX_STEPS = 1_000_000  # nodes evaluated in loops
MAX_NUMBER = 10**15
MAX_REPEAT = 10_000  # characters that one `*` may make
FREE = 4  # times that a text of the sample is written without being charged


class Spending(Context):
    """A rendering's variables, and what it has used up so far."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps = 0
        self.made = 0
        self.allowed = MAX_TEXT
        self._free: dict[int, int] = {}

    def pay(self, size: int) -> None:
        """Charge for characters made. Raises `SecurityError` when they are too many."""
        self.made += size
        if self.made > self.allowed:
            raise SecurityError(f"makes more than {MAX_TEXT:,} characters beyond the sample's own texts")

    def grant(self, source: object, size: int) -> None:
        """Allow for a text of the sample."""
        times = self._free.get(id(source), 0)
        if times < FREE:
            self._free[id(source)] = times + 1
            self.allowed += size


@pass_context
def _steps(context: Spending, items: Any, weight: int) -> Any:
    """What a loop goes through, charged for before it starts."""
    context.steps += len(items) * weight
    if context.steps > MAX_STEPS:
        raise SecurityError(f"loops over more than {MAX_STEPS:,} steps")
    return items


@pass_context
def _searched(context: Spending, items: Any) -> Any:
    """What `in` looks through."""
    context.steps += len(items) // 16 if isinstance(items, Sequence | Mapping) else 0
    if context.steps > MAX_STEPS:
        raise SecurityError(f"searches more than {MAX_STEPS:,} steps")
    return items


@pass_context
def _joined(context: Spending, parts: Sequence[Any]) -> str:
    """`a ~ b`."""
    return _join(context, parts, "")


@pass_context
def join(context: Spending, items: Any, separator: str = "") -> str:
    """The items as one text."""
    return _join(context, items, str(separator))


def _join(context: Spending, items: Any, separator: str) -> str:
    parts: list[str] = []
    for item in items:
        part = _printed(context, item)
        context.pay(len(part) + len(separator))
        parts.append(part)
    return separator.join(parts)


def _printed(context: Spending, item: Any) -> str:
    """An item as it is printed; a text of the sample may be long."""
    part = item if isinstance(item, str) else str(item)
    if isinstance(item, Untrusted):
        context.grant(item, len(part))
    return part


@pass_context
def tojson(context: Spending, value: Any) -> Any:
    """JSON, with what a chat template could act on left to the output's own disarming; a text of the sample stays one."""
    if isinstance(value, Untrusted) and not value.printable:
        return value.changed(_json)
    if isinstance(value, str):
        context.pay(len(value))
    text = json.dumps(value, ensure_ascii=False, default=lambda item: _printed(context, item))
    context.pay(len(text))
    return text


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _charged(function: Callable[[Any], Any]) -> Callable[..., Any]:
    @pass_context
    def filter_(context: Spending, value: Any) -> Any:
        context.pay(len(value))
        return function(value)

    return filter_


def _of_text(function: Callable[..., str]) -> Callable[..., Any]:
    """A filter for texts; of untrusted text it makes untrusted text."""

    @pass_context
    def filter_(context: Spending, value: Any, *args: Any) -> Any:
        if any(not isinstance(arg, str) for arg in args):
            raise TypeError("the mark to cut at must be text")
        if isinstance(value, Untrusted):
            return value.changed(lambda text: function(text, *args))
        context.pay(len(str(value)))
        return function(str(value), *args)

    return filter_


def before(text: str, mark: str) -> str:
    """What stands before the first `mark`; all of the text where there is none.

    Example:
        >>> before("Two and two. <answer>4</answer>", "<answer>")
        'Two and two. '
    """
    return text.partition(mark)[0] if mark else text


def after(text: str, mark: str) -> str:
    """What stands behind the last `mark`; all of the text where there is none.

    Example:
        >>> after("#### no, #### 4", "####")
        ' 4'
    """
    return text.rpartition(mark)[2] if mark else text


def last_paragraph(text: str) -> str:
    """The last paragraph that holds anything: paragraphs are parted by empty lines.

    Example:
        >>> last_paragraph("Two and two.\\n\\nIt is 4.\\n\\n")
        'It is 4.'
    """
    paragraph: list[str] = []
    for line in reversed(text.split("\n")):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            break
    return "\n".join(reversed(paragraph)).strip()


def signed(value: Any) -> str:
    """A number with its sign: `+5`, `-2`, `+0.5`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`signed` is for numbers, not for {type(value).__name__}")
    return f"{value:+g}"


def _end(index: int) -> Callable[[Any], Any]:
    def item(value: Any) -> Any:
        if not len(value):
            raise SecurityError("an empty list has no first or last item")
        return value[index]

    return item


FILTERS: dict[str, Callable[..., Any]] = {
    "join": join,
    "tojson": tojson,
    "length": len,
    "list": _charged(list),
    "lower": _of_text(str.lower),
    "upper": _of_text(str.upper),
    "capitalize": _of_text(str.capitalize),
    "trim": _of_text(str.strip),
    "before": _of_text(before),
    "after": _of_text(after),
    "last_paragraph": _of_text(last_paragraph),
    "signed": signed,
    "first": _end(0),
    "last": _end(-1),
}
HIDDEN_FILTERS: dict[str, Callable[..., Any]] = {"_steps": _steps, "_joined": _joined, "_searched": _searched}


class Charging(NodeTransformer):
    """Puts the charges into a template's tree, just before it is compiled."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        """Charge for a loop: its items times the nodes of its body."""
        weight = 1 + sum(1 for part in (*node.body, *node.else_) for _ in part.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filter(node.iter, "_steps", nodes.Const(weight))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """Charge for `~`."""
        self.generic_visit(node)
        return _filter(nodes.Tuple(node.nodes, "load", lineno=node.lineno), "_joined")

    def visit_Operand(self, node: nodes.Operand) -> nodes.Node:
        """Charge for `in`."""
        self.generic_visit(node)
        if node.op in ("in", "notin"):
            node.expr = _filter(node.expr, "_searched")
        return node


def _filter(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    for arg in args:
        arg.lineno = node.lineno
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def arithmetic(context: Spending, operator: str, left: Any, right: Any) -> None:
    """Refuse arithmetic on anything but numbers of a size that people write; `"-" * 20` is allowed, and charged.

    Raises:
        SecurityError: Saying which.
    """
    if operator == "*" and isinstance(left, str) and isinstance(right, int):
        if len(left) * right > MAX_REPEAT:
            raise SecurityError(f"`*` would make more than {MAX_REPEAT} items")
        context.pay(len(left) * max(0, right))
        return
    for value in (left, right):
        if not isinstance(value, int | float):
            raise SecurityError(f"`{operator}` is for numbers, not for {type(value).__name__}; `~` joins texts")
        if abs(value) > MAX_NUMBER:
            raise SecurityError(f"`{operator}` of a number above {MAX_NUMBER:g}")
