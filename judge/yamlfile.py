"""YAML file -> plain values, with the line of every key, so that an error can point at it.

- `yaml.safe_load` keeps the last of two equal keys, expands alias bombs (300 bytes become megabytes), and
  recurses until Python gives up. So the events are counted before a tree is built (a list of 4 MB took 550 MB), and the
  node tree is walked here: size, depth, duplicate keys and aliases that expand too far are errors with a line.
- Values stay what they look like: `yes`, `on` and `12:30` are text, not booleans or sexagesimal numbers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from judge.errors import InputError, Problem, did_you_mean

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_DIGITS = 300  # of a whole number: it still fits a float
MAX_ALIASED = 10_000  # values that aliases repeat
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS = {
    "input should be a valid tuple": "should be a list",
    "string should match pattern '^[A-Za-z][A-Za-z0-9_.-]{0,63}$'": (
        "should begin with a letter and hold only letters, digits, `_`, `.` and `-`, at most 64"
    ),
}

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class Source:
    """A parsed YAML document: its values, and the line (1-based) of each path in it."""

    def __init__(self, name: str, data: Any, lines: dict[Path_, int]) -> None:
        self.name = name
        self.data = data
        self.lines = lines

    def where(self, path: Path_) -> str:
        """`file:line` of the deepest known part of a path."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path)
        return f"{self.name}:{line}" if line else self.name


def read_yaml(path: Path, error: type[InputError] = InputError) -> Source:
    """Read one YAML file. Raises `error` naming the file, and the line where there is one."""
    if "\0" in str(path):
        raise error(f"a file name cannot hold a NUL character: {shown(str(path))}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise error(Problem(str(path), "no such file")) from None
    except OSError as why:
        raise error(Problem(str(path), f"cannot be read: {why.strerror}")) from None
    except ValueError:  # a NUL in the name
        raise error(Problem(repr(str(path)), "is not a file name")) from None
    if len(raw) > MAX_BYTES:
        raise error(Problem(str(path), f"{len(raw)} bytes; at most {MAX_BYTES} are read"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as why:
        line = raw[: why.start].count(b"\n") + 1
        raise error(Problem(f"{path}:{line}", f"not UTF-8 (byte 0x{raw[why.start]:02x}); save the file as UTF-8")) from None
    return parse_yaml(text, str(path), error)


def parse_yaml(text: str, name: str, error: type[InputError] = InputError) -> Source:
    """Parse YAML text; `name` is what errors call it."""
    try:
        _measure(text, name, error)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as why:
        line = why.problem_mark.line + 1 if why.problem_mark else 0
        raise error(Problem(f"{name}:{line}", f"not valid YAML: {why.problem}")) from None
    except yaml.reader.ReaderError as why:
        line = text.encode()[: why.position].count(b"\n") + 1
        raise error(
            Problem(f"{name}:{line}", f"not valid YAML: the character U+{why.character:04X} cannot stand in it")
        ) from None
    except UnicodeEncodeError as why:
        line = text.count("\n", 0, why.start) + 1
        raise error(Problem(f"{name}:{line}", "text with half a surrogate pair, which cannot be sent")) from None
    except yaml.YAMLError as why:
        raise error(Problem(name, f"not valid YAML: {why}")) from None
    if node is None:
        raise error(Problem(name, "the file is empty"))
    walker = _Walker(name, error)
    data = walker.value(node, (), 0)
    return Source(name, data, walker.lines)


def _measure(text: str, name: str, error: type[InputError]) -> None:
    """Refuse what is too large or too deep while nothing is built yet."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or count > MAX_NODES:
            what = f"nested more than {MAX_DEPTH} levels deep" if depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise error(Problem(f"{name}:{line}", what))


class _Walker:
    """Node tree -> values, counting nodes as expanded, so an alias bomb is stopped before it is built."""

    def __init__(self, name: str, error: type[InputError]) -> None:
        self.name = name
        self.error = error
        self.lines: dict[Path_, int] = {}
        self.nodes = 0
        self.distinct: set[int] = set()

    def fail(self, node: yaml.Node, what: str) -> InputError:
        return self.error(Problem(f"{self.name}:{node.start_mark.line + 1}", what))

    def value(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self.nodes += 1
        self.distinct.add(id(node))
        if self.nodes - len(self.distinct) > MAX_ALIASED:
            raise self.fail(node, f"expands to more than {MAX_ALIASED} values by its aliases")
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested more than {MAX_DEPTH} levels deep")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self.fail(node, f"the tag `{node.tag}` is not allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail(key_node, "a key must be plain text")
            key = str(key_node.value)
            if key in out:
                first = self.lines.get((*path, key), 0)
                raise self.fail(key_node, f"`{key}` stands twice here (first on line {first}); the later one would win silently")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            out[key] = self.value(child, (*path, key), depth + 1)
        return out

    def _scalar(self, node: yaml.Node) -> Any:
        text, tag = str(node.value), node.tag
        if tag == "tag:yaml.org,2002:null":
            return None
        if tag == "tag:yaml.org,2002:bool":
            lowered = text.lower()
            return lowered == "true" if lowered in ("true", "false") else text
        if tag == "tag:yaml.org,2002:int" and len(text) > MAX_DIGITS:
            raise self.fail(node, f"a number of {len(text)} digits")
        if tag == "tag:yaml.org,2002:int":
            return _number(text, int)
        if tag == "tag:yaml.org,2002:float":
            number = _number(text, float)
            if isinstance(number, float) and not math.isfinite(number):
                raise self.fail(node, f"`{text}` is not a finite number")
            return number
        if tag.startswith(("tag:yaml.org,2002:python", "!")) or tag == "tag:yaml.org,2002:binary":
            raise self.fail(node, f"the tag `{tag}` is not allowed")
        return text


def _number(text: str, kind: type[int] | type[float]) -> Any:
    """The number, or the text itself where YAML 1.1 saw one that nobody meant (12:30, 0o7, 1_000)."""
    lowered = text.lower().lstrip("+-")
    if kind is float and lowered in (".nan", ".inf"):
        return float(lowered[1:])
    if len(text) > MAX_DIGITS or "_" in text or ":" in text:
        return text
    try:
        return kind(text)
    except ValueError:
        return text


def validate(model: type[Model], source: Source, data: Any = None, at: Path_ = (), error: type[InputError] = InputError) -> Model:
    """Build a pydantic model from (part of) a source; every problem gets its file, line and a suggestion."""
    try:
        return model.model_validate(source.data if data is None else data)
    except ValidationError as why:
        raise error(Problem(source.where((*at, *loc)), what) for loc, what in explained(why, model)) from None


def explained(why: ValidationError, model: type[BaseModel]) -> list[tuple[Path_, str]]:
    """Every problem in words, with its place. A list with a wrong item in it is not also too short."""
    errors = why.errors(include_url=False)
    places = [e["loc"] for e in errors]

    def wrong_inside(loc: Path_) -> bool:
        return any(len(other) > len(loc) and other[: len(loc)] == loc for other in places)

    return [(e["loc"], explain(e, model)) for e in errors if e["type"] != "too_short" or not wrong_inside(e["loc"])]


def explain(e: Any, model: type[BaseModel]) -> str:
    """One pydantic error in words: what came, and what would do."""
    owner, names, inner = _walk(model, list(e["loc"]))
    name = ".".join(names)
    if e["type"] == "extra_forbidden":
        known = sorted(owner.model_fields) if owner else []
        tail = did_you_mean(names[-1], known) or (f"; known: {', '.join(known)}" if known else "")
        return f"no field `{names[-1]}`{tail}"
    if e["type"] == "missing":
        return f"`{name}` is missing"
    if e["type"] == "union_tag_invalid":
        kinds = e["ctx"]["expected_tags"].replace("'", "")
        given = e["ctx"]["tag"]
        return f"`{name}`: no kind `{given}`{did_you_mean(given, kinds.split(', ')) or ''} (known: {kinds})"
    if e["type"] == "too_short" and not e.get("input"):
        least = e["ctx"]["min_length"]
        return f"`{name}` is empty; it needs at least {least} {'item' if least == 1 else 'items'}"
    message = e["msg"].removeprefix("Value error, ")
    message = _in_words(e, message[:1].lower() + message[1:], inner)
    if e["type"] in ("value_error", "assertion_error"):
        return f"`{name}`: {message}" if name else message
    return f"`{name}`: {message}, not {shown(e.get('input'))}"


def _in_words(e: Any, message: str, inner: list[type[BaseModel]]) -> str:
    """The message without pydantic's inner vocabulary."""
    if e["type"] == "model_type":
        meant = next((m for m in inner if m.__name__ == e["ctx"]["class_name"]), None)
        needed = [f"`{name}`" for name, field in (meant.model_fields if meant else {}).items() if field.is_required()]
        return "should be a mapping" + (f" with {' and '.join(needed)}" if needed else "")
    return _WORDS.get(message, message)


def shown(value: Any, limit: int = 60) -> str:
    """A value as it may stand in a message: short, one line, printable."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _walk(model: type[BaseModel], loc: list[Any]) -> tuple[type[BaseModel] | None, list[str], list[type[BaseModel]]]:
    """The owner of the last part of a location, the location without pydantic's own marks, and the models that may be there."""
    owner: type[BaseModel] | None = None
    current: list[type[BaseModel]] = [model]
    names: list[str] = []
    for part in loc:
        tagged = [m for m in current if "kind" in m.model_fields and m.model_fields["kind"].default == part]
        if tagged and len(current) > 1:
            current = tagged
            continue
        if isinstance(part, str) and part.startswith(("function-", "tagged-union", "union", "constrained", "lax-or-strict")):
            continue
        names.append(str(part))
        owner = current[0] if current else None
        if isinstance(part, int):
            continue
        field = next((m.model_fields[part] for m in current if part in m.model_fields), None)
        current = _inner_models(field.annotation) if field else []
    return owner, names or [str(loc[-1]) if loc else ""], current


def _inner_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _inner_models(arg)]
