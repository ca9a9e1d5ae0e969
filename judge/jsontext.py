"""JSON of what crosses the wire and the disk for every judgement: orjson where it can, the standard library where it cannot.

orjson writes and reads the body of a judge call in a quarter of the time. It refuses half a surrogate pair and, in what it reads,
NaN: a policy or a server may send either, and the standard library takes them.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_compact = json.JSONEncoder(separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    """A value as compact JSON bytes.

    Raises:
        TypeError: The value holds what JSON does not know.

    Example:
        >>> encoded({"a": [1, "\\u00e9"]}), encoded("\\ud800")
        (b'{"a":[1,"\\xc3\\xa9"]}', b'"\\\\ud800"')
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _compact(value).encode()


def decoded(raw: bytes | str) -> Any:
    """The value of JSON bytes or text.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.

    Example:
        >>> decoded(b'{"a": [1, NaN]}')
        {'a': [1, nan]}
    """
    try:
        return orjson.loads(raw)
    except ValueError:
        return json.loads(raw)
