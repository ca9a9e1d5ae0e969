"""One question, asked again until it is answered, the retries are spent or its time is over.

The deadline is one for all attempts and pauses. Pauses are drawn uniformly up to a doubling bound (full jitter: Brooker,
"Exponential Backoff And Jitter", AWS 2015): the workers of a trainer fail together and would otherwise come back together. A
server that says when to come back is asked then, and not before; when that is past the deadline, the failure is told at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from judge.client.trouble import Trouble
from judge.errors import EngineError, JudgeError

BASE_S = 0.5  # bound of the first pause; it doubles
CAP_S = 15.0


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
        jitter = self.rng.uniform(0.0, min(CAP_S, BASE_S * 2.0 ** min(self.made - 1, 30)))
        pause = jitter if trouble.retry_s is None else trouble.retry_s + min(jitter, BASE_S)
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
