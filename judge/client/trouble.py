"""What can come instead of an answer, whether asking again can mend it, and which error it is when it cannot.

- 409 is final here, unlike with an engine: it says that a group is incomplete, superseded, or told two different things.
- The server stops with 503 `monitor_stop` when its monitor has ended the run. Asking again would hide that from the trainer.
- A refusal without a reward to go with it (`no_reward`, a group that failed) is `NoVerdictError`: never a number.
"""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from judge.errors import DataError, EngineError, InputError, JudgeError, MonitorStop, NoVerdictError, Problem, RubricError

_PASSING = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
_NO_REWARD = frozenset({"no_reward", "group_incomplete", "group_superseded", "group_abandoned"})
_SOON = frozenset({"starting", "draining"})
_RUBRIC = frozenset({"bad_rubric", "rubric_not_allowed"})
_LONGEST = 500  # characters of a foreign answer that are quoted


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer yet.

    Attributes:
        where: Place in the request, where the server names one.
        again: Whether the same request may work later.
        retry_s: Seconds after which the server wants it, if it says so.
        status: Of HTTP; 0 where there was no answer.
        code: The server's word for it; empty where it is not the server that speaks.
    """

    what: str
    where: str = ""
    again: bool = False
    retry_s: float | None = None
    status: int = 0
    code: str = ""

    @property
    def come_back(self) -> bool:
        """Whether the server is well and says when it has room: waiting for it uses up the deadline, and no retries."""
        return self.again and self.retry_s is not None and (self.status == 429 or self.code in _SOON)

    def error(self, url: str, tried: str = "") -> JudgeError:
        """The toolkit's error for it, in the server's words.

        Args:
            tried: What was done about it, for the end of the message.
        """
        tail = f" ({tried})" if tried else ""
        said = f"{url}: {f'{self.status} ' if self.status else ''}{self.code or 'no answer'}: {self.what}{tail}"
        if self.code == "monitor_stop":
            return MonitorStop(said)
        if self.code in _NO_REWARD:
            return NoVerdictError(said)
        if self.again or not self.code or self.status in (401, 403, 404, 405) or self.status >= 500:
            return EngineError(said)
        kind = RubricError if self.code in _RUBRIC else DataError if self.status in (409, 422) else InputError
        return kind(Problem(self.where, f"{self.what} ({self.code}, says {url})"))


def lost(problem: Exception) -> Trouble:
    """No whole answer came. A certificate that is not trusted will not be trusted later either."""
    final = isinstance(problem, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL)
    return Trouble(f"{type(problem).__name__}: {problem}"[:_LONGEST], again=not final)


def refused(status: int, body: bytes, retry_after: str | None) -> Trouble:
    """An answer that is no result: the server's own (`{"error": ...}`), or that of something between us and it.

    Example:
        >>> t = refused(429, b'{"error": {"code": "queue_full", "message": "full", "where": "", "hint": ""}}', "3")
        >>> t.code, t.again, t.retry_s
        ('queue_full', True, 3.0)
    """
    if 300 <= status < 400:
        return Trouble("the answer is a redirection, which is not followed: the key would go with it", status=status)
    trouble = told(body, status)
    if trouble is None:
        text = body.decode("utf-8", "replace").strip()[:_LONGEST]
        return Trouble(text or "no text", again=status in _PASSING, retry_s=seconds(retry_after), status=status)
    again = status in _PASSING and trouble.code != "monitor_stop"
    return Trouble(trouble.what, trouble.where, again, seconds(retry_after), status, trouble.code)


def told(body: bytes, status: int = 0) -> Trouble | None:
    """The server's own words in an answer or in a line of a stream; None when these are not the server's."""
    try:
        error: Any = json.loads(body)["error"]
        fields = {name: error.get(name, "") for name in ("code", "message", "where", "hint")}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    if not fields["code"] or not all(isinstance(value, str) for value in fields.values()):
        return None
    hint = f"; {fields['hint']}" if fields["hint"] else ""
    return Trouble(f"{fields['message']}{hint}", fields["where"], status=status, code=fields["code"])


def seconds(header: str | None) -> float | None:
    """Read a `Retry-After` header: seconds or an HTTP date. None when there is none or it makes no sense.

    Example:
        >>> seconds("2"), seconds("soon"), seconds(None)
        (2.0, None, None)
    """
    if header is None:
        return None
    try:
        value = float(header)
    except ValueError:
        try:
            value = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(value, 0.0) if value < float("inf") else None  # NaN compares false
