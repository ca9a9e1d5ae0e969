"""One JSON object a line on standard error: what was asked and how it ended, never what was said.

No text under judgement, no key and no header is logged; a key's holder is named by the first digits of its hash.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

LOG = logging.getLogger("judge.server")


class JsonLines(logging.Formatter):
    """Log records as JSON lines; fields come in `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. Of an exception: its type, and where it was raised."""
        out: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        out |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            out["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                out["at"] = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        return json.dumps(out, default=str)


def log(event: str, *, level: int = logging.INFO, failed: BaseException | None = None, **fields: Any) -> None:
    """Write one line."""
    LOG.log(level, event, extra={"fields": fields}, exc_info=failed)


@contextmanager
def json_lines(stream: TextIO | None = None) -> Iterator[None]:
    """Send the logs of `judge` and of uvicorn to one stream, as JSON lines; uvicorn's access log, which holds URLs, is off.

    At the end logging is as it was: what served may be a notebook or a test.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    access = logging.getLogger("uvicorn.access")
    levels = {logging.getLogger("judge"): logging.INFO, logging.getLogger("uvicorn.error"): logging.WARNING}
    before = [(each, each.handlers, each.propagate, each.level) for each in levels]
    silent = access.disabled
    for each, level in levels.items():
        each.handlers, each.propagate = [handler], False
        each.setLevel(level)
    access.disabled = True
    try:
        yield
    finally:
        for each, handlers, propagate, level in before:
            each.handlers, each.propagate = handlers, propagate
            each.setLevel(level)
        access.disabled = silent
