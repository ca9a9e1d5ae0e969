"""References and documents, in every form in which data sets and trainers hold them -> plain texts.

- A list, tuple, array or `{target: [...]}` holds alternatives: one of them is enough. Nothing here is ever written with
  `str()`, so no brackets or quotes of Python reach a judge.
- `NaN` (how pandas and Parquet say that a number is missing), None, "" and [] mean that there is none.
- A number column with a missing value becomes floats: `42.0` is written `42` again.

Every entry reads through here: `Sample` itself, `judge run`, the server, and each trainer's adapter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from judge.errors import DataError

MAX_DEPTH = 16
ANSWER_KEYS = (
    "reference", "reference_answer", "ground_truth", "answer", "answers", "target", "targets", "value", "text", "texts", "label",
    "content", "solution",
)  # fmt: skip
"""Where a mapping holds its answer, first come, first served."""

REFERENCE_COLUMNS = ("reference", "reference_answer", "answer", "solution", "ground_truth", "target")
"""Columns of a row that hold its reference, in every entry; the first one that holds something. A `label` is none of them: what a
label says about an answer no judge may see."""

_PLAIN = frozenset({str, int, float, bool, list, tuple, dict})
_ALIASES = ("aliases", "alternatives", "alias")  # TriviaQA: further right answers beside `value`
_TITLES = ("title", "heading", "name", "role")
_BODIES = (
    "text", "contents", "content", "sentences", "body", "passage", "passages", "passage_text", "paragraph_text", "paragraphs",
    "paragraph", "page_content", "document", "documents", "snippet", "snippets", "chunk", "abstract",
)  # fmt: skip


def is_missing(value: Any) -> bool:
    """Whether a cell says that nothing is there.

    Example:
        >>> [is_missing(v) for v in (None, float("nan"), " ", [], {"target": None}, 0, "0", False)]
        [True, True, True, True, True, False, False, False]
    """
    if isinstance(value, str):
        return not value or value.isspace()
    value = plain(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Mapping):
        return all(is_missing(v) for v in value.values())
    return isinstance(value, list | tuple | Set) and all(is_missing(v) for v in value)


def reference_in(row: Mapping[str, Any]) -> Any:
    """The reference among a row's fields, as it stands: under a known name, or where verl keeps it.

    Example:
        >>> reference_in({"id": 3, "answer": "Paris"}), reference_in({"reward_model": {"ground_truth": "Paris"}})
        ('Paris', 'Paris')
        >>> reference_in({"reference": "", "label": 1}) is None
        True
    """
    found = next((row[name] for name in REFERENCE_COLUMNS if name in row and not is_missing(row[name])), None)
    if found is None and isinstance(kept := row.get("reward_model"), Mapping):
        found = None if is_missing(kept.get("ground_truth")) else kept["ground_truth"]
    return found


def plain(value: Any) -> Any:
    """An array, a tensor or a scalar of theirs as Python's own values; anything else as it is."""
    if value is None or type(value) in _PLAIN or isinstance(value, str | bytes | int | float | list | tuple | Mapping):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.as_py() if hasattr(value, "as_py") else value


def read_reference(value: Any, where: str = "reference") -> tuple[str, ...] | None:
    """The answers that count as right, each once; None where there is none.

    Args:
        value: Text, a number, a list of such, a mapping that holds them under a known name, or messages.
        where: What errors call it.

    Raises:
        DataError: A mapping whose answer has no known name, or something that is no text at all.

    Example:
        >>> read_reference(["Delhi", "New Delhi"]), read_reference({"target": [42.0, None]}), read_reference(float("nan"))
        (('Delhi', 'New Delhi'), ('42',), None)
    """
    if type(value) is tuple and all(type(v) is str and v and not v.isspace() for v in value):  # as a sample holds it
        return value or None
    found = tuple(dict.fromkeys(_answers(value, where, 0)))
    return found or None


def reference_text(alternatives: Iterable[str] | None) -> str | None:
    """What a judge is shown: the answer itself; of several, a list that says that any one is right.

    Example:
        >>> reference_text(("Delhi",))
        'Delhi'
        >>> print(reference_text(("Delhi", "New Delhi")))
        Any one of these:
        - Delhi
        - New Delhi
    """
    texts = tuple(alternatives or ())
    if len(texts) < 2:
        return texts[0] if texts else None
    return "Any one of these:\n" + "\n".join("- " + text.strip().replace("\n", "\n  ") for text in texts)


def read_documents(value: Any, where: str = "context") -> tuple[str, ...]:
    """The documents of a sample, one text each; a title stands on a line above its text.

    Args:
        value: Text, a list of texts, of lists or of mappings (`{title, text}`, `{contents}`, `{title, sentences}`...), or one
            mapping of such lists (HotpotQA). A mapping without a known field is written out, one `name: value` a line.

    Raises:
        DataError: Neither text nor a mapping nor a list of them, or nested deeper than 16 levels.

    Example:
        >>> read_documents([{"title": "Delhi", "text": "It is a city."}, ["One.", "Two."]])
        ('Delhi\\nIt is a city.', 'One.', 'Two.')
        >>> read_documents({"title": ["A", "B"], "sentences": [["One.", "Two."], ["Three."]]})
        ('A\\nOne. Two.', 'B\\nThree.')
    """
    if type(value) is tuple and all(type(v) is str and v and not v.isspace() for v in value):
        return value
    return tuple(_documents(value, where, 0))


def written(value: Any) -> str:
    """One scalar as text: as JSON writes it, whole numbers without a point.

    Example:
        >>> written(42.0), written(0.5), written(True), written("x")
        ('42', '0.5', 'true', 'x')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def read_steps(value: Any, where: str = "`steps`") -> tuple[str, ...]:
    """The steps of a solution: one text, a list of texts, or of mappings with `text`, `step` or `content`.

    Example:
        >>> read_steps([{"text": "3 + 1", "rating": 1}, "= 4"])
        ('3 + 1', '= 4')

    Raises:
        DataError: It is none of these.
    """
    value = plain(value)
    if is_missing(value) and not isinstance(value, list | tuple):
        return ()
    values = [value] if isinstance(value, str) else value
    if isinstance(values, list | tuple):
        texts = [next((v[k] for k in ("text", "step", "content") if k in v), v) if isinstance(v, Mapping) else v for v in values]
        if all(isinstance(t, str) for t in texts):
            return tuple(map(str, texts))
    raise DataError(f"{where} must be text or a list of texts, not {str(value)[:60]!r}")


# ---- answers ---------------------------------------------------------------------------------------------------


def _answers(value: Any, where: str, depth: int) -> Iterator[str]:
    value = plain(value)
    _not_too_deep(depth, where)
    if is_missing(value):
        return
    if isinstance(value, Mapping):
        yield from _answers_of_mapping(value, where, depth)
    elif isinstance(value, list | tuple | Set):
        for item in sorted(value, key=str) if isinstance(value, Set) else _said(value):
            yield from _answers(item, where, depth + 1)
    elif _is_scalar(value):
        yield written(value)
    else:
        raise DataError(f"{where}: a reference is text, a number or a list of them, not {type(value).__name__}")


def _said(items: list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    """Of messages, what the assistant says; else all."""
    if items and all(isinstance(m, Mapping) and "role" in m and "content" in m for m in items):
        return [m["content"] for m in items if m["role"] == "assistant"] or [m["content"] for m in items]
    return items


def _answers_of_mapping(value: Mapping[str, Any], where: str, depth: int) -> Iterator[str]:
    key = next((k for k in ANSWER_KEYS if k in value and not is_missing(value[k])), None)
    if key is None and not any(k in value for k in ANSWER_KEYS):
        names = ", ".join(f"`{name}`" for name in list(value)[:8])
        raise DataError(
            f"{where}: a mapping with {names}, none of which is known to hold the answer; give the answer itself (of a data"
            f" set: --map reference=COLUMN.{next(iter(value))})"
        )
    if key is not None:
        yield from _answers(value[key], where, depth + 1)
    for name in _ALIASES:
        yield from _answers(value.get(name), where, depth + 1)


# ---- documents -------------------------------------------------------------------------------------------------


def _documents(value: Any, where: str, depth: int) -> Iterator[str]:
    value = plain(value)
    _not_too_deep(depth, where)
    if is_missing(value):
        return
    if isinstance(value, Mapping):
        yield from _documents_of_mapping(value, where, depth)
    elif isinstance(value, list | tuple):
        if _is_titled(value):
            yield f"{value[0]}\n{_joined(value[1])}"
            return
        for item in value:
            yield from _documents(item, where, depth + 1)
    elif isinstance(value, str | bytes) or depth:
        yield written(value)
    else:
        raise DataError(f"{where}: documents are text, mappings or a list of them, not {type(value).__name__}")


def _is_titled(value: list[Any] | tuple[Any, ...]) -> bool:
    """`[title, [sentence, ...]]`, as HotpotQA has its paragraphs."""
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], list | tuple) and _all_text(value[1])


def _documents_of_mapping(value: Mapping[str, Any], where: str, depth: int) -> Iterator[str]:
    body = next((k for k in _BODIES if k in value and not is_missing(value[k])), None)
    title = next((k for k in _TITLES if k in value and not is_missing(value[k])), None)
    if body is None:
        yield "\n".join(f"{name}: {_line(child)}" for name, child in value.items() if not is_missing(child))
        return
    text, head = plain(value[body]), plain(value[title]) if title is not None else ""
    if isinstance(head, list | tuple) and isinstance(text, list | tuple) and len(head) == len(text):  # columns side by side
        for name, part in zip(head, text, strict=True):
            yield _under(written(name), _joined(part))
    elif isinstance(text, Mapping):
        yield from _documents(text, where, depth + 1)
    elif isinstance(text, list | tuple) and (not head or not _all_text(text)):
        for part in [_joined(text)] if body == "sentences" else text:
            yield from _documents(part, where, depth + 1)
    else:
        yield _under(written(head), _joined(text))


def _under(title: str, text: str) -> str:
    return f"{title}\n{text}" if title.strip() else text


def _joined(value: Any) -> str:
    """Sentences as one text; some sets keep the space between two of them."""
    value = plain(value)
    if not isinstance(value, list | tuple):
        return _line(value)
    parts = [_joined(part) for part in value if not is_missing(part)]
    return ("" if any(p[:1].isspace() for p in parts[1:]) else " ").join(parts)


def _line(value: Any) -> str:
    value = plain(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return written(value)


def _all_text(value: Iterable[Any]) -> bool:
    return all(isinstance(part, str) for part in value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bytes | int | float) or type(value).__name__ in ("Decimal", "date", "datetime", "Fraction")


def _not_too_deep(depth: int, where: str) -> None:
    if depth > MAX_DEPTH:
        raise DataError(f"{where}: nested more than {MAX_DEPTH} levels deep")
