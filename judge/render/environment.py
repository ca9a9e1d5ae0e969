"""Recipe templates -> compiled templates that cannot reach Python.

- Jinja's plain environment is remote code execution when template text is not ours. The immutable sandbox stops
  object traversal; lint.py refuses what a prompt does not need, and limits.py bounds the rest.
- `map(attribute='__class__')` renders an undefined value silently even when strict. So names are also checked
  when the recipe is loaded: an unknown variable is an error with file and line before anything is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError, UndefinedError, meta, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from judge.errors import Problem, RecipeError, did_you_mean
from judge.render import limits, lint
from judge.render.quoting import Bare, Quoted, Untrusted, defused, joined, neutralise
from judge.render.skeleton import Hole, Skeleton, cut
from judge.render.skeleton import reads as skeleton_reads

MAX_KEPT = 1024  # messages rendered once and kept
_FAILURES = (UndefinedError, SecurityError, TypeError, ValueError, ArithmeticError)

VARIABLES = {
    "prompt": "the prompt (quote it)",
    "messages": "the prompt as chat messages: .role and .content (quote .content)",
    "response": "the response, when there is one (quote it)",
    "responses": "the responses in the order shown: .name and .text (quote .text)",
    "reference": "the reference answer or none (quote it)",
    "context": "list of documents (quote each)",
    "principle": "the free-text principle or none (quote it)",
    "exemplar": "a solution to look at or to compare with, or none (quote it)",
    "fields": "the row's fields that `needs.fields` names",
    "passage": "of a turn with `passages`: .number, .count, .document, .text (quote .text)",
    "evidence": "what earlier turns copied from passages: .number, .document, .text (quote .text)",
    "rubric": "title, description, criteria, scale",
    "criterion": "the criterion asked about, in recipes with `unit: criterion`",
    "labels": "what the verdict may say",
    "scale": "min, max and anchors of the numbers allowed",
    "names": "names of the responses in the order shown",
    "options": "the recipe's options",
    "outputs": "replies of earlier turns by name (quote them)",
    "steps": "steps of the response: .number, .name, .id and .text (quote .text)",
    "tools": "the tools of the turn: .name, .about and .example",
    "step": "the step asked about, in recipes with `steps.ask: each`; also .before and .so_far (quote them)",
}
PROMPT_SCOPE_HIDES = frozenset({"response", "responses", "names", "steps", "step"})


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with everything that can grow charged to the rendering."""

    context_class = limits.Spending
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        limits.arithmetic(context, operator, left, right)
        return super().call_binop(context, operator, left, right)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        return super()._generate(limits.Charging().visit(source), *args, **kwargs)


def _quoting(control_tokens: frozenset[str]) -> Callable[..., Quoted]:
    """The `quote` filter. A title may come from the rubric, so it is neutralised and kept on its line."""

    @lru_cache(maxsize=256)
    def safe(title: str) -> str:
        return " ".join(neutralise(title, control_tokens).split())

    @pass_context
    def quote(context: limits.Spending, value: Any, title: str = "TEXT") -> Quoted:
        if not isinstance(value, Untrusted):
            raise TypeError(f"`quote` is for the sample's texts, not for {type(value).__name__}")
        if not isinstance(title, str):
            raise TypeError(f'the title of `quote` must be text, as in quote("RESPONSE"); got {title!r}')
        quoted = value.quote(safe(title))
        context.grant(value, len(quoted))
        return quoted

    return quote


def _printing(control_tokens: frozenset[str]) -> Callable[[Any], Any]:
    """What is done to every printed value: all but quoted text and numbers is neutralised, lists of texts included."""

    def printed(value: Any) -> Any:
        if type(value) is str:
            return neutralise(value, control_tokens)
        return value if isinstance(value, Quoted | int | float) else neutralise(str(value), control_tokens)

    return printed


def _printing_exact(control_tokens: frozenset[str]) -> Callable[..., Any]:
    """The same for exact recipes: control tokens are broken up, and the sample's texts are paid for by the sample."""

    @pass_context
    def printed(context: limits.Spending, value: Any) -> Any:
        if isinstance(value, Quoted | int | float):
            return value
        text = str(value)
        if isinstance(value, Bare):
            context.grant(value, len(text))
            return text
        return defused(text, control_tokens, marked=True)  # texts put together with `~` keep the marks of their seams

    return printed


class Templates:
    """The compiled templates of one folder.

    Args:
        folder: Where they came from, for messages.
        templates: Name -> source text, included ones too.
        control_tokens: Of the judge's tokenizer.
        variables: What the templates may use, with a word on each.
        prompt_scoped: Names of those that are rendered before any response is known.
        exact: Print the sample's texts as they are, control tokens broken up, and keep white space at both ends.
        fields: The row's fields that may be read (`needs.fields`); None: not checked.
        outputs: Template -> names of the turns before it, whose replies it may read; None: not checked.
    """

    def __init__(
        self,
        folder: Path,
        templates: Mapping[str, str],
        control_tokens: frozenset[str] = frozenset(),
        *,
        variables: Mapping[str, str] = VARIABLES,
        prompt_scoped: frozenset[str] = frozenset(),
        exact: bool = False,
        fields: Collection[str] | None = None,
        outputs: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._folder = folder
        self._sources = templates
        self._variables = variables
        self._prompt_scoped = prompt_scoped
        self._exact = exact
        self._tokens = control_tokens
        self._fields = fields
        self._env = _Environment(
            loader=DictLoader(dict(templates)),
            undefined=StrictUndefined,
            autoescape=False,  # the output is a prompt, not a web page; `quote` is its escaping
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            finalize=_printing_exact(control_tokens) if exact else _printing(control_tokens),
        )
        self._env.filters = {**limits.FILTERS, **limits.HIDDEN_FILTERS, "quote": _quoting(control_tokens)}
        self._env.tests = {k: v for k, v in self._env.tests.items() if k in lint.TESTS}
        self._env.globals = {}
        for name in templates:
            self._check(name)
        self._check_outputs(outputs)
        whole = {name: self._whole(name) for name in templates}
        self._compiled = {name: self._template(name, text) for name, text in whole.items()}
        trees = {name: self._env.parse(text) for name, text in whole.items()}
        decided = {} if exact else {name: skeleton_reads(tree, variables) for name, tree in trees.items()}
        self._decided = {name: found for name, found in decided.items() if found is not None}
        self._prints = {name: frozenset(lint.printed_names(tree)) for name, tree in trees.items()}
        self._reads = {name: meta.find_undeclared_variables(tree) for name, tree in trees.items()}  # the last: it folds constants
        self._same: dict[tuple[str, int], tuple[Any, str]] = {}
        self._skeletons: dict[tuple[Any, ...], tuple[Any, Any, Skeleton]] = {}

    def _where(self, name: str, line: int | None = None) -> str:
        path = self._folder / name
        return f"{path}:{line}" if line else str(path)

    def _parsed(self, name: str, source: str) -> nodes.Template:
        try:
            return lint.parse(self._env, source, name)
        except lint.Refused as why:
            raise RecipeError(Problem(self._where(name, why.line), str(why))) from None

    def _check(self, name: str) -> None:
        """Whether one file is a valid template and names only what there is."""
        self._check_names(name, self._parsed(name, self._sources[name]))
        try:
            self._env.get_template(name)
        except TemplateError as why:
            raise RecipeError(Problem(self._where(name), f"not a valid template: {why}")) from None

    def _whole(self, name: str) -> str:
        """A template with its includes put in, checked once more as a whole."""
        text = _inlined(name, self._sources)
        if "include" not in text and text == self._sources[name]:  # `_check` has looked at it
            return text
        left = self._parsed(name, text).find(nodes.Include)
        if left is not None:
            raise RecipeError(Problem(self._where(name), 'an include is written {% include "name" %}, and nothing else in it'))
        return text

    def _template(self, name: str, whole: str) -> Template:
        """A template compiled; one without includes is, since it was checked."""
        return self._env.get_template(name) if whole == self._sources[name] else self._env.from_string(whole)

    def _check_names(self, name: str, tree: nodes.Template) -> None:
        for node in tree.find_all(nodes.Include):
            named = getattr(node.template, "value", "")
            if named not in self._sources:
                near = did_you_mean(named, self._sources) or f"; there are: {', '.join(self._sources)}"
                raise RecipeError(Problem(self._where(name, node.lineno), f"no template `{named}`{near}"))
        hidden = PROMPT_SCOPE_HIDES if name in self._prompt_scoped else frozenset()
        known = sorted(self._variables.keys() - hidden)
        for unknown in sorted(meta.find_undeclared_variables(tree)):
            if unknown in known:
                continue
            what = (
                "is not known to a turn with `scope: prompt`" if unknown in hidden else "is not a variable of a recipe template"
            )
            near = did_you_mean(unknown, known) or f"; known: {', '.join(known)}"
            raise RecipeError(Problem(self._where(name, self._line_of(name, unknown)), f"`{unknown}` {what}{near}"))

        for read in () if self._fields is None else tree.find_all((nodes.Getattr, nodes.Getitem)):
            self._check_field(name, read)

    def _check_field(self, name: str, node: nodes.Expr) -> None:
        """A field of the row is named in `needs.fields`, so that a row without it is told of before the judge is asked."""
        assert isinstance(node, nodes.Getattr | nodes.Getitem)  # noqa: S101  # what was searched for
        if not isinstance(node.node, nodes.Name) or node.node.name != "fields":
            return
        field = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if field not in (self._fields or ()):
            near = did_you_mean(str(field), self._fields or ()) or f"; add it: `needs: {{fields: [{field}]}}`"
            raise RecipeError(Problem(self._where(name, node.lineno), f"`fields.{field}` is not in `needs.fields`{near}"))

    def _check_outputs(self, outputs: Mapping[str, Collection[str]] | None) -> None:
        """Whether templates read replies of earlier turns only. An included file is checked by each template that includes it."""
        for name, turns in (outputs or {}).items():
            for part in _included(name, self._sources):
                for line, turn in lint.members(self._parsed(part, self._sources[part]), "outputs"):
                    if turn not in turns:
                        known = f"; earlier turns: {', '.join(turns)}" if turns else "; it is the first"
                        why = f"`outputs.{turn}` is the reply of no turn before this one{did_you_mean(turn, turns) or known}"
                        raise RecipeError(Problem(self._where(part, line), why))

    def reads(self, name: str) -> frozenset[str]:
        """Variables that a template reads, what it includes too."""
        return frozenset(self._reads[name])

    def prints(self, name: str) -> frozenset[str]:
        """The variables whose values a template prints or goes through; one that only a condition reads is none of them."""
        return self._prints[name]

    def blank(self, name: str) -> bool:
        """Whether a template can only render white space."""
        return lint.is_blank(self._env.parse(_inlined(name, self._sources)))

    def _line_of(self, name: str, variable: str) -> int:
        word = re.compile(rf"\b{re.escape(variable)}\b")
        for number, line in enumerate(self._sources[name].splitlines(), 1):
            if word.search(line):
                return number
        return 1

    def render(self, name: str, values: Mapping[str, Any], *, strip: bool = True) -> str:
        """Render one template. Raises `RecipeError` with the template's file and line.

        A message that reads nothing of the sample (a system message that holds the rubric) is rendered once and kept.

        Args:
            strip: Without white space at both ends; False for the opening of a reply, which goes on behind it.
        """
        if not strip:
            return self._render(name, values, strip=False)
        if not self._reads[name] <= _RUN_WIDE:
            return self._filled(name, values)
        rubric = values.get("rubric")
        kept = self._same.get((name, id(rubric)))
        if kept is not None and kept[0] is rubric:
            return kept[1]
        text = self._render(name, values)
        if len(self._same) < MAX_KEPT:
            self._same[name, id(rubric)] = (rubric, text)
        return text

    def _filled(self, name: str, values: Mapping[str, Any]) -> str:
        """A message whose own words were rendered for an earlier sample, where the template allows it."""
        decided = self._decided.get(name)
        key = None if decided is None else decided.key(values)
        if decided is None or key is None:
            return self._render(name, values)
        rubric, criterion = values.get("rubric"), values.get("criterion")
        kept = self._skeletons.get((name, *key))
        if kept is not None and kept[0] is rubric and kept[1] is criterion:
            return kept[2].fill(values)
        if len(self._skeletons) >= MAX_KEPT:
            return self._render(name, values)
        holes = {slot: Hole(slot) for slot in decided.slots if values.get(slot) is not None}
        try:
            skeleton = cut(self._render(name, {**values, **holes}))
        except RecipeError:  # told again with the sample's own values
            return self._render(name, values)
        self._skeletons[name, *key] = (rubric, criterion, skeleton)
        return skeleton.fill(values)

    def _render(self, name: str, values: Mapping[str, Any], *, strip: bool = True) -> str:
        try:
            text = _text(self._compiled[name], values)
            if self._exact:
                return joined(text, self._tokens)
            return text.strip() if strip else text
        except _FAILURES as why:
            raise RecipeError(Problem(self._where(name, self._line_of_error(name, values)), str(why))) from None

    def _line_of_error(self, name: str, values: Mapping[str, Any]) -> int | None:
        """The line, by rendering once more with the includes left where they are."""
        try:
            try:
                _text(self._env.get_template(name), values)
            except _FAILURES:
                self._env.handle_exception()
        except _FAILURES as why:
            return _line(why)
        return None


def _text(template: Template, values: Mapping[str, Any]) -> str:
    """Render piece by piece, and stop where it is too long."""
    context: Any = template.new_context(dict(values))
    parts, size = [], 0
    for part in template.root_render_func(context):
        size += len(part)
        parts.append(part)
        if size > limits.MAX_TEXT and size > context.allowed:
            raise SecurityError(f"renders more than {limits.MAX_TEXT:,} characters beyond the sample's own texts")
    return "".join(parts)


_RUN_WIDE = frozenset({"rubric", "scale", "options"})  # `scale` follows from the rubric and the recipe
_INCLUDE = re.compile(r"""[ \t]*\{%-?\s*include\s+['"]([^'"]+)['"]\s*-?%\}\n?""")


def _inlined(name: str, templates: Mapping[str, str], depth: int = 0) -> str:
    """A template with its includes put in: one context a message instead of one an include, which costs more.

    The empty expression keeps the line break that follows, which would be taken for that of a closing block.
    """
    if depth > 8:
        raise RecipeError(f"template `{name}` includes itself")
    left = lint.MAX_SOURCE

    def put_in(match: re.Match[str]) -> str:
        nonlocal left
        text = _inlined(match[1], templates, depth + 1).removesuffix("\n") + '{{ "" }}'
        left -= len(text)
        if left < 0:
            raise RecipeError(f"template `{name}` includes more than {lint.MAX_SOURCE:,} characters")
        return text

    return _INCLUDE.sub(put_in, templates[name])


def _included(name: str, templates: Mapping[str, str]) -> dict[str, None]:
    """A template and the files that it includes, at any depth, each once."""
    found, waiting = dict[str, None](), [name]
    while waiting:
        at = waiting.pop()
        if at not in found and at in templates:
            found[at] = None
            waiting += [match[1] for match in _INCLUDE.finditer(templates[at])]
    return found


def _line(error: BaseException) -> int | None:
    """Line of the template in which an error arose, from its traceback."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if (
            trace.tb_frame.f_code.co_name in ("root", "top-level template code")
            or "<template>" in trace.tb_frame.f_code.co_filename
        ):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
