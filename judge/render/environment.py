"""Recipe templates -> compiled templates that cannot reach Python.

- Jinja's plain environment is remote code execution when template text is not ours. The immutable sandbox stops
  object traversal; repetition (`'a' * 10**9`) it does not, so that operator is limited here.
- `map(attribute='__class__')` renders an undefined value silently even when strict. So names are also checked
  when the recipe is loaded: an unknown variable is an error with file and line before anything is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from judge.errors import Problem, RecipeError, did_you_mean
from judge.recipe.load import Recipe
from judge.render.quoting import Quoted, Untrusted, disarm

MAX_REPEAT = 10_000  # characters or items one multiplication may make
MAX_OUTPUT = 64 * 1024 * 1024  # characters of one rendered message

VARIABLES = {
    "prompt": "the prompt (quote it)",
    "response": "the response, when there is one (quote it)",
    "responses": "the responses in the order shown: .name and .text (quote .text)",
    "reference": "the reference answer or none (quote it)",
    "context": "list of documents (quote each)",
    "principle": "the free-text principle or none (quote it)",
    "rubric": "title, description, criteria, scale",
    "criterion": "the criterion asked about, in recipes with `unit: criterion`",
    "labels": "what the verdict may say",
    "scale": "min, max and anchors of the numbers allowed",
    "names": "names of the responses in the order shown",
    "options": "the recipe's options",
    "outputs": "replies of earlier turns by name (quote them)",
}
PROMPT_SCOPE_HIDES = frozenset({"response", "responses", "names"})


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with bounded repetition and no printing of untrusted values."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            size = max((len(v) for v in (left, right) if isinstance(v, str | list | tuple)), default=MAX_REPEAT)
            times = max((abs(v) for v in (left, right) if isinstance(v, int)), default=1)
            if size * times > MAX_REPEAT:
                raise SecurityError(f"`{operator}` would make more than {MAX_REPEAT} items")
        return super().call_binop(context, operator, left, right)


def _quote(value: Any, title: str = "TEXT") -> Quoted:
    if not isinstance(value, Untrusted):
        raise TypeError(f"`quote` is for the sample's texts, not for {type(value).__name__}")
    return value.quote(title)


class Templates:
    """The compiled templates of one recipe."""

    def __init__(self, recipe: Recipe, control_tokens: frozenset[str] = frozenset()) -> None:
        self.recipe = recipe
        self._env = _Environment(
            loader=DictLoader(dict(recipe.templates)),
            undefined=StrictUndefined,
            autoescape=False,  # the output is a prompt, not a web page; `quote` is its escaping
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            finalize=lambda value: disarm(value, control_tokens) if type(value) is str else value,
        )
        self._env.filters = {
            k: self._env.filters[k] for k in ("join", "length", "list", "lower", "upper", "trim", "tojson", "first", "last")
        }
        self._env.filters["quote"] = _quote
        self._env.globals = {}
        self._compiled = {name: self._compile(name) for name in recipe.templates}

    def _where(self, name: str, line: int | None = None) -> str:
        path = self.recipe.folder / name
        return f"{path}:{line}" if line else str(path)

    def _compile(self, name: str) -> Template:
        source = self.recipe.templates[name]
        try:
            tree = self._env.parse(source, name)
            self._check_names(name, tree)
            return self._env.get_template(name)
        except TemplateSyntaxError as why:
            raise RecipeError(
                Problem(self._where(why.filename or name, why.lineno), f"not a valid template: {why.message}")
            ) from None
        except TemplateError as why:
            raise RecipeError(Problem(self._where(name), f"not a valid template: {why}")) from None

    def _check_names(self, name: str, tree: nodes.Template) -> None:
        for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
            attribute = node.attr if isinstance(node, nodes.Getattr) else getattr(getattr(node, "arg", None), "value", "")
            if isinstance(attribute, str) and attribute.startswith("_"):
                raise RecipeError(
                    Problem(self._where(name, node.lineno), f"`{attribute}`: names that begin with _ are closed to templates")
                )
        hidden = self._hidden(name)
        for unknown in sorted(meta.find_undeclared_variables(tree)):
            if unknown in VARIABLES and unknown not in hidden:
                continue
            what = "is not known to a turn with `scope: prompt`" if unknown in hidden else "is no variable of a recipe template"
            near = did_you_mean(unknown, set(VARIABLES) - hidden) or f"; known: {', '.join(sorted(set(VARIABLES) - hidden))}"
            raise RecipeError(Problem(self._where(name, self._line_of(name, unknown)), f"`{unknown}` {what}{near}"))

    def _hidden(self, name: str) -> frozenset[str]:
        turns = [t for t in self.recipe.spec.turns if name in (t.user, t.system)]
        return PROMPT_SCOPE_HIDES if turns and all(t.scope == "prompt" for t in turns) else frozenset()

    def _line_of(self, name: str, variable: str) -> int:
        word = re.compile(rf"\b{re.escape(variable)}\b")
        for number, line in enumerate(self.recipe.templates[name].splitlines(), 1):
            if word.search(line):
                return number
        return 1

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """Render one template. Raises `RecipeError` with the template's file and line."""
        try:
            text = self._compiled[name].render(values)
        except (UndefinedError, SecurityError, TypeError) as why:
            raise RecipeError(Problem(self._where(name, _line(why)), str(why))) from None
        if len(text) > MAX_OUTPUT:
            raise RecipeError(Problem(self._where(name), f"renders {len(text):,} characters; at most {MAX_OUTPUT:,}"))
        return text.strip()


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
