"""What can come instead of an answer, whether asking again can mend it, and which error it is when it cannot.

- One deadline bounds all attempts and pauses of a request. A server that says when to come back is asked then, and not before;
  when that is past the deadline, the failure is reported at once.
- 409 is final here, unlike with an engine: it says that a group is incomplete, superseded, or told two different things.
- The server stops with 503 `monitor_stop` when its monitor has ended the run. Asking again would hide that from the trainer.
- A refusal without a reward to go with it (`no_reward`, a group that failed) is `NoVerdictError`: never a number.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from judge.errors import (
    BudgetSpent,
    DataError,
    EngineDown,
    EngineError,
    InputError,
    JudgeError,
    MonitorStop,
    NoVerdictError,
    Problem,
    RubricError,
)
from judge.retry import PASSING, RetryPolicy, retry_after_seconds

_NO_REWARD = frozenset({"no_reward", "group_incomplete", "group_superseded", "group_abandoned"})
_SOON = frozenset({"starting", "draining", "engine_down"})
_RUBRIC = frozenset({"bad_rubric", "rubric_not_allowed"})
_LONGEST = 500  # characters of a foreign answer that are quoted
_POLICY = RetryPolicy(retry_after_cap_s=float("inf"))  # a server that asks for more than the deadline ends the request at once


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
        if self.code == "budget_spent":
            return BudgetSpent(said)
        if self.code == "engine_down":
            return EngineDown(said)
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
        return Trouble(text or "no text", again=status in PASSING, retry_s=retry_after_seconds(retry_after), status=status)
    again = status in PASSING and trouble.code not in ("monitor_stop", "budget_spent")
    return Trouble(trouble.what, trouble.where, again, retry_after_seconds(retry_after), status, trouble.code)


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


@dataclass(slots=True)
class Tries:
    """The attempts at one question.

    Attributes:
        retries: Failures after which there is another attempt. A server that is full, starting or draining and says when to come
            back has not failed.
        limit_s: Seconds for everything.
    """

    url: str
    retries: int
    limit_s: float
    rng: random.Random
    made: int = 0
    failed: int = 0
    last: str = ""
    _began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds that remain; 0 when there are none."""
        return max(0.0, self._began + self.limit_s - time.monotonic())

    async def again(self, trouble: Trouble) -> None:
        """Wait until the next attempt.

        Raises:
            JudgeError: There is none: asking again does not help, the retries are spent, or it would come too late.
        """
        self.last = f"{trouble.status or ''} {trouble.code or trouble.what}".strip()
        if not trouble.again:
            raise trouble.error(self.url)
        self.failed += not trouble.come_back
        if self.failed > self.retries:
            raise trouble.error(self.url, f"given up after {self}")
        pause = _POLICY.pause(self.made - 1, trouble.retry_s, self.rng)
        if pause >= self.left_s:
            asked = f", and the server asks for {trouble.retry_s:g} s" if trouble.retry_s else ""
            raise trouble.error(self.url, f"the next attempt is due after the deadline of {self.limit_s:g} s{asked}; {self}")
        await asyncio.sleep(pause)

    def late(self) -> JudgeError:
        """The deadline has passed."""
        last = f"; before that: {self.last}" if self.last else ""
        return EngineError(f"{self.url}: no answer within {self.limit_s:g} s ({self}{last})")

    def __str__(self) -> str:
        return f"{self.made} attempt{'s' if self.made != 1 else ''}"
