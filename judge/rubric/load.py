"""A rubric file, a shipped name, or a cell of a data set -> Rubric.

- A wrong rubric changes every reward silently, so nothing is guessed: an unknown field, a weight that is text, a
  duplicate key or an undecodable byte is an error with its file and line.
- JSON is read by its own rules (jsonfile.py), not as YAML, which folds U+2028 and refuses surrogate pairs.
- A cell of a data set is untrusted: it may name a shipped rubric, never a path, nor Python code as a `check`.
- Arrow fills absent fields of a struct column with null, so null fields of an inline rubric count as absent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judge.errors import InputError, Problem, RubricError, did_you_mean
from judge.jsonfile import parse_json
from judge.rubric.build import build_rubric
from judge.rubric.importers import import_rubric, is_published, own_form
from judge.rubric.model import Rubric
from judge.shipped import shipped_dir
from judge.yamlfile import MAX_BYTES, MAX_DEPTH, Source, parse_yaml, read_yaml, shown

SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".txt", ".md")


def load_rubric(name_or_path: str | Path, *, base: Path | None = None) -> Rubric:
    """Load a rubric by shipped name (`helpfulness`) or by path (`my/rubric.yaml`).

    Args:
        name_or_path: A path ends in .yaml, .yml, .json, .toml, .txt or .md; anything else is a shipped name.
        base: Folder that a relative path is tried in before the current one (usually that of the run settings).

    Raises:
        RubricError: No such file or name, or something in it is wrong; every problem with file and line.

    Example:
        >>> load_rubric("helpfulness").title
        'Helpfulness'
    """
    return read_rubric(find_rubric(name_or_path, base=base))[0]


def find_rubric(name_or_path: str | Path, *, base: Path | None = None) -> Path:
    """Path of a rubric given by shipped name or by path. Raises RubricError when there is none."""
    text = str(name_or_path)
    if "\0" in text:
        raise RubricError(f"a rubric path cannot hold a NUL character: {shown(text)}")
    if text.endswith(SUFFIXES):
        path = Path(text)
        inside = base / path if base is not None else path
        if inside.is_file() or path.is_file():
            return inside if inside.is_file() else path
        also = f" (nor {path} in the current folder)" if inside != path else ""
        raise RubricError(Problem(str(inside), f"no such file{also}{did_you_mean(path.stem, list_rubrics())}"))
    known = list_rubrics()
    if text not in known and Path(text).is_dir():
        inside = Path(text) / "kept" if (Path(text) / "kept").is_dir() else Path(text)
        raise RubricError(f"{text}: is a folder, and one rubric is expected; give one of {inside}/*.yaml")
    if text not in known:
        tail = did_you_mean(text, known) or f"; a path ends in {', '.join(SUFFIXES)}"
        raise RubricError(f"no shipped rubric is called {shown(text)}{tail}\nshipped: {', '.join(known)}")
    return _short(shipped_dir("rubrics") / f"{text}.yaml")


def list_rubrics() -> list[str]:
    """Names of the shipped rubrics, sorted."""
    return sorted(path.stem for path in shipped_dir("rubrics").glob("*.yaml"))


def read_rubric(path: Path) -> tuple[Rubric, Source]:
    """Read one rubric file; the source tells the line of every part of it. Raises RubricError."""
    source = _READERS.get(path.suffix, _read_text)(path)
    return _built(source, path), source


def parse_rubric(text: str, path: Path) -> Rubric:
    """The rubric that a YAML file with this text would hold. Raises RubricError."""
    return _built(parse_yaml(text, str(path), RubricError), path)


def _built(source: Source, path: Path) -> Rubric:
    source.data = own_form(source.data)
    if is_published(source.data):
        return import_rubric(source.data, where=source.name)
    if isinstance(source.data, dict):
        source.data.setdefault("name", path.stem)
    return build_rubric(source)


def rubric_from(value: Any, where: str) -> Rubric:
    """Make a rubric from one cell of a data set: a mapping, a list in a published form, or either as JSON text.

    Text may also be the name of a shipped rubric, a list of numbered lines, or a score rubric in the Prometheus text form.
    Published forms are those of `judge.rubric.importers`.

    Args:
        value: The cell.
        where: What errors call it, such as `train.jsonl:7, column rubric`.

    Raises:
        RubricError: Naming `where`.

    Example:
        >>> rubric_from('{"criteria": [{"id": "short", "text": "The response has one sentence."}]}', "row 1").criteria[0].id
        'short'
    """
    if isinstance(value, Rubric):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text in list_rubrics():
            return load_rubric(text)
        if not is_published(text):
            if not text.startswith(("{", "[")):
                raise RubricError(Problem(where, f"neither JSON nor the name of a shipped rubric: {shown(value)}"))
            value = read_json(value, where)
    value = own_form(without_nulls(value))
    _check_plain(value, where)
    if is_published(value):
        return import_rubric(value, where=where)
    rubric = build_rubric(Source(where, value, {}))
    for criterion in rubric.criteria:
        if ":" in criterion.check:
            what = f"`{criterion.id}` names Python code ({shown(criterion.check)}); only a rubric file may do that"
            raise RubricError(Problem(where, what))
    return rubric


def _short(path: Path) -> Path:
    """The path as seen from the current folder, where it lies inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _read_json(path: Path) -> Source:
    text = _text_in(path)
    data = read_json(text, str(path))
    try:  # only for the line numbers: nearly all JSON is YAML
        lines = parse_yaml(text, str(path)).lines
    except InputError:
        lines = {}
    return Source(str(path), data, lines)


def _read_toml(path: Path) -> Source:
    try:
        return Source(str(path), tomllib.loads(_text_in(path)), {})
    except tomllib.TOMLDecodeError as why:
        raise RubricError(Problem(str(path), f"not valid TOML: {why}")) from None


def _read_text(path: Path) -> Source:
    text = _text_in(path)
    if not is_published(text):
        raise RubricError(Problem(str(path), "a rubric as text is a list, one numbered or bulleted line a criterion"))
    return Source(str(path), text, {})


_READERS: dict[str, Callable[[Path], Source]] = {
    ".json": _read_json,
    ".toml": _read_toml,
    **dict.fromkeys((".yaml", ".yml"), lambda path: read_yaml(path, RubricError)),
}


def _text_in(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise RubricError(Problem(str(path), f"cannot be read: {why.strerror}")) from None
    if len(raw) > MAX_BYTES:
        raise RubricError(Problem(str(path), f"{len(raw)} bytes; at most {MAX_BYTES} are read"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as why:
        line = raw[: why.start].count(b"\n") + 1
        raise RubricError(Problem(f"{path}:{line}", f"not UTF-8 (byte 0x{raw[why.start]:02x}); save the file as UTF-8")) from None


def read_json(text: str, where: str) -> Any:
    """Strict JSON. Raises RubricError on anything two readers could understand differently."""
    if not text.strip():
        raise RubricError(Problem(where, "the file is empty"))
    return parse_json(text, where, RubricError)


def _check_plain(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what no YAML file could hold either: deep nesting, keys that are not text, lone surrogates."""
    if depth > MAX_DEPTH:
        raise RubricError(Problem(where, f"nested more than {MAX_DEPTH} levels deep"))
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        raise RubricError(Problem(where, f"text with half a surrogate pair, which cannot be sent: {shown(value)}"))
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _check_plain(child, where, depth + 1)


def without_nulls(value: Any, depth: int = 0) -> Any:
    """Drop null fields of mappings: the way a column of structs says "not there"."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: without_nulls(child, depth + 1) for key, child in value.items() if child is not None}
    return [without_nulls(child, depth + 1) for child in value] if isinstance(value, list | tuple) else value
