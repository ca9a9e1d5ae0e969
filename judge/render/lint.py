"""A template's source -> the tree that may be compiled, or what is wrong with it and on which line.

A prompt needs little of Jinja, so what is not listed here is refused: nothing to define, to call, to import or to slice.
That leaves no recursion and no way for a text to grow but those that limits.py charges for. Lists are written with
constants only: `[a, a]` of `[a, a]`, forty lines long, prints 2**40 items.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes

from judge.errors import did_you_mean
from judge.render.limits import FILTERS

MAX_SOURCE = 65_536  # characters of one message's template, includes put in
MAX_NODES = 3_000
MAX_DEPTH = 40  # of blocks and expressions in one another
MAX_LOOPS = 4  # loops in one another
TESTS = frozenset(
    ("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping", "sequence")
) | {"odd", "even"}

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Include, nodes.Assign, nodes.Name, nodes.Const,
    nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getitem,
    nodes.Getattr, nodes.Concat, nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv,
    nodes.Mod, nodes.Not, nodes.And, nodes.Or, nodes.Neg, nodes.Pos,
)  # fmt: skip
_CONSTANT = (nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Neg)
_NAMES = {
    nodes.Call: "calling a function", nodes.Slice: "a slice", nodes.Pow: "`**`", nodes.Macro: "`macro`",
    nodes.CallBlock: "`call`",
    nodes.Block: "`block`", nodes.Extends: "`extends`", nodes.Import: "`import`", nodes.FromImport: "`from`",
    nodes.FilterBlock: "`filter`", nodes.With: "`with`", nodes.AssignBlock: "a `set` block", nodes.NSRef: "`namespace`",
    nodes.Scope: "`autoescape`",
}  # fmt: skip


class Refused(Exception):  # an intermediate of this package: environment.py makes a RecipeError of it
    """What is wrong with a template, and on which line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def parse(environment: Environment, source: str, name: str) -> nodes.Template:
    """Parse one template and check everything in it.

    Raises:
        Refused: It is not valid, too large, or uses what templates may not use.
    """
    if len(source) > MAX_SOURCE:
        raise Refused(1, f"{len(source):,} characters; a template has at most {MAX_SOURCE:,}")
    try:
        tree = environment.parse(source, name)
    except TemplateSyntaxError as why:
        raise Refused(why.lineno, f"not a valid template: {why.message}") from None
    except RecursionError:
        raise Refused(1, f"nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as why:  # a number of 5,000 digits
        raise Refused(1, f"not a valid template: {why}") from None
    for count, (node, depth, loops) in enumerate(_walk(tree)):
        if count > MAX_NODES:
            raise Refused(node.lineno, f"more than {MAX_NODES:,} parts")
        if depth > MAX_DEPTH or loops > MAX_LOOPS:
            what = (
                f"more than {MAX_LOOPS} loops in one another"
                if loops > MAX_LOOPS
                else f"nested more than {MAX_DEPTH} levels deep"
            )
            raise Refused(node.lineno, what)
        _check(node)
    return tree


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Every node with its depth, and in how many loops it is; on a stack of its own."""
    waiting = [(tree, 0, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        yield node, depth, loops
        within = loops + isinstance(node, nodes.For)
        waiting += [(child, depth + 1, within) for child in node.iter_child_nodes()]


def _check(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        what = next((name for kind, name in _NAMES.items() if isinstance(node, kind)), f"`{type(node).__name__.lower()}`")
        line = next((n.lineno for n in (node, *node.find_all(nodes.Node)) if n.lineno), 1)
        raise Refused(line, f"{what} is not for recipe templates")
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        attribute = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", "")
        if isinstance(attribute, str) and attribute.startswith("_"):
            raise Refused(node.lineno, f"`{attribute}`: names that begin with _ are closed to templates")
    elif isinstance(node, nodes.List | nodes.Tuple | nodes.Dict) and getattr(node, "ctx", "load") == "load":
        if any(not isinstance(part, _CONSTANT) for part in node.find_all(nodes.Node)):
            raise Refused(node.lineno, "a list in a template holds constants only")
    elif isinstance(node, nodes.Filter):
        _known("filter", node.name, (*FILTERS, "quote"), node.lineno)
    elif isinstance(node, nodes.Test):
        _known("test", node.name, TESTS, node.lineno)
    elif isinstance(node, nodes.For) and node.recursive:
        raise Refused(node.lineno, "a `recursive` loop is not for recipe templates")
    elif isinstance(node, nodes.Include) and not (
        isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)
    ):
        raise Refused(node.lineno, "`include` takes one file name in quotation marks")
    elif isinstance(node, nodes.Assign) and not isinstance(node.target, nodes.Name):
        raise Refused(node.lineno, "`set` takes one name")


def _known(what: str, name: str, known: Collection[str], line: int) -> None:
    if name not in known:
        names = sorted(known)
        near = did_you_mean(name, names) or f"; known: {', '.join(names)}"
        raise Refused(line, f"not a valid template: No {what} named '{name}'{near}")


def printed_names(tree: nodes.Template) -> Iterator[str]:
    """Variables whose values a template prints, sets aside or goes through; what only a condition reads is left out."""
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, nodes.Name) and node.ctx == "load":
            yield node.name
        for field, value in node.iter_fields():
            if field != "test" or not isinstance(node, nodes.If | nodes.CondExpr | nodes.For):
                waiting += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, nodes.Node)]


def members(tree: nodes.Template, variable: str) -> Iterator[tuple[int, str]]:
    """Line and name of each member of a variable that a template reads: `variable.name` or `variable["name"]`."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        assert isinstance(node, nodes.Getattr | nodes.Getitem)  # noqa: S101  # what was searched for
        name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if isinstance(node.node, nodes.Name) and node.node.name == variable and isinstance(name, str):
            yield node.lineno, name


def is_blank(tree: nodes.Template) -> bool:
    """Whether a template prints nothing but white space, whatever its variables are."""
    printed = [part for node in tree.find_all(nodes.Output) for part in node.nodes]
    return all(_white(part) for part in printed)


def _white(part: nodes.Expr) -> bool:
    text = part.data if isinstance(part, nodes.TemplateData) else part.value if isinstance(part, nodes.Const) else "x"
    return isinstance(text, str) and not text.strip()
