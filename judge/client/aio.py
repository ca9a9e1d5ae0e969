"""The client for programs with an event loop: what can be asked of a server, and what comes back."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Self

from judge.client.address import Address, member_path
from judge.client.http import Connection, lines
from judge.client.trouble import Tries
from judge.client.wire import Member, Ranking, Scored, encode, fields_of, plain_response, read, rewards_of
from judge.errors import DataError, EngineError, InputError
from judge.schema import MemberOut, RankOut, ResultOut, ScoreOut, StatusOut
from judge.types import Reward, Sample

DEADLINE_S = 300.0  # above the server's own 120 s a sample, so that it can say what happened
GROUP_DEADLINE_S = 2460.0  # the server's 600 s for the group to come, its 1800 s to judge it, and a minute
HEALTH_S = 10.0


class AsyncClient:
    """Asks one server, on one event loop, as many questions at once as the caller likes.

    Args:
        url: `http://host:8421`; a key may stand in it as the password.
        api_key: Sent as `Authorization: Bearer`. None: none is sent.
        deadline_s: Seconds for one question: attempts, pauses and reading the answer together.
        retries: Failures that are tried again, where a second try can mend them: no connection, a lost one, 408, 5xx. A server
            that is full, starting or about to stop and says when to come back is asked then; only the deadline ends that.
        seed: Of the pauses. None: from the system.

    Raises:
        InputError: The URL, the key or a number is wrong.

    Example:
        >>> async def rewards(samples: list[Sample]) -> list[Reward]:
        ...     async with AsyncClient("http://127.0.0.1:8421") as client:
        ...         return await client.score(samples)
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        retries: int = 8,
        seed: int | None = None,
    ) -> None:
        if not deadline_s > 0 or retries < 0:
            raise InputError(f"`deadline_s` is above 0 and `retries` at least 0, not {deadline_s!r} and {retries!r}")
        self._address = Address.of(url, api_key)
        self._deadline_s = deadline_s
        self._retries = retries
        self._rng = random.Random(seed)
        self._http = Connection(self._address)

    @property
    def url(self) -> str:
        """The server's, without a key."""
        return self._address.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. What is in progress fails."""
        await self._http.close()

    # ---- questions -----------------------------------------------------------------------------------------------

    async def score(
        self, samples: Sequence[Sample], *, rubric: str | None = None, detail: bool = False, deadline_s: float | None = None
    ) -> list[Reward]:
        """Judge samples: one reward a response, in order; a failure is a `Reward` without a value.

        Args:
            rubric: Name of a rubric that the server ships, for samples without one of their own.
            detail: With every judge call and its text.
            deadline_s: Instead of the client's.

        Raises:
            InputError: The server refuses the request: a field, a rubric, too many samples, too large.
            EngineError: No answer in time, key refused, no judge server there, or its engine is down.
            NoVerdictError: Its settings say `on_no_verdict: raise`, and a response got no reward.
            MonitorStop: Its monitor has ended the run.
        """
        if not samples:
            return []
        body = encode({"samples": [fields_of(s, rubric) for s in samples], "detail": detail})
        answer = read(ScoreOut, await self._http.post(self._tries(deadline_s), "/v1/score", body), self.url)
        if [result.index for result in answer.results] != list(range(len(samples))):
            raise EngineError(f"{self.url}: {len(answer.results)} results for {len(samples)} samples, or in another order")
        pairs = zip(answer.results, samples, strict=True)
        return [reward for result, sample in pairs for reward in rewards_of(result.rewards, sample, self.url)]

    async def rank(
        self, sample: Sample, *, rubric: str | None = None, detail: bool = False, deadline_s: float | None = None
    ) -> Ranking:
        """Put the responses to one prompt in order. Recipes that compare see them together, others one by one.

        Raises:
            JudgeError: As `score`.
        """
        body = encode(
            {
                **fields_of(sample, rubric, named=False),
                "responses": [plain_response(r) for r in sample.responses],
                "detail": detail,
            }
        )
        answer = read(RankOut, await self._http.post(self._tries(deadline_s), "/v1/rank", body), self.url)
        if sorted(answer.ranking + answer.unranked) != list(range(len(sample.responses))):
            raise EngineError(f"{self.url}: a ranking of other responses than the {len(sample.responses)} sent")
        rewards = rewards_of(answer.rewards, sample, self.url)
        if any((rewards[i].reward is None) != (i in answer.unranked) for i in range(len(rewards))):
            raise EngineError(f"{self.url}: a response has a place and no reward, or the reverse")
        return Ranking(tuple(answer.ranking), tuple(answer.unranked), rewards)

    async def member(
        self,
        group: str,
        index: int,
        sample: Sample,
        *,
        size: int | None = None,
        attempt: int = 0,
        rubric: str | None = None,
        detail: bool = False,
        deadline_s: float | None = None,
    ) -> Member:
        """Bring one completion of a group, wait until all have come from wherever they are, and take its own reward.

        Asking again brings the same member again, which the server knows; nothing is judged twice.

        Args:
            group: The same name from all members, and another one at each step of the training.
            index: From 0; each member has its own.
            sample: Its one response is the member.
            size: Members of the group. None: as the server is set.
            attempt: A higher one judges the same group afresh.
            deadline_s: None: `GROUP_DEADLINE_S`, since the others may be minutes late.

        Raises:
            NoVerdictError: The group did not come together in time, was given up or begun again: no member has a reward.
            DataError: Another text was brought under this index, or another prompt, reference or size than by the others.
            JudgeError: As `score`.
        """
        if len(sample.responses) != 1:
            raise DataError(f"a member of a group has one response, and this has {len(sample.responses)}")
        fields = {**fields_of(sample, rubric, named=False), "response": plain_response(sample.responses[0])}
        body = encode({**fields, "size": size, "attempt": attempt, "detail": detail})
        tries = self._tries(GROUP_DEADLINE_S if deadline_s is None else deadline_s)
        raw = await self._http.post(tries, member_path(group, index), body, keyed=False)
        answer = read(MemberOut, raw, self.url)
        if (answer.group, answer.index, answer.attempt) != (group, index, attempt):
            raise EngineError(f"{self.url}: the answer is for another member")
        [reward] = rewards_of([answer.result], sample, self.url)
        return Member(group, index, attempt, answer.size, answer.place, reward)

    async def stream(
        self, samples: Sequence[Sample], *, rubric: str | None = None, detail: bool = False, deadline_s: float | None = None
    ) -> AsyncGenerator[Scored, None]:
        """Judge samples, and give each as it is done, in any order. Ends in an error unless all have come.

        Opening the stream is tried again; a stream that has begun is not, since results have been given out.

        Raises:
            JudgeError: As `score`; and EngineError when the stream is cut off.
        """
        if not samples:
            return
        body = encode({"samples": [fields_of(s, rubric) for s in samples], "detail": detail, "stream": True})
        tries = self._tries(deadline_s)
        response = await self._http.stream(tries, "/v1/score", body)
        try:
            seen: set[int] = set()
            async with aclosing(lines(response, tries)) as own:
                async for line in own:
                    result = read(ResultOut, line, tries.url)
                    if result.index >= len(samples) or result.index in seen:
                        raise EngineError(f"{tries.url}: a result for no sample, or twice for one")
                    seen.add(result.index)
                    yield Scored(result.index, rewards_of(result.rewards, samples[result.index], tries.url))
            if len(seen) < len(samples):
                raise EngineError(f"{tries.url}: the stream ended after {len(seen)} of {len(samples)} samples")
        finally:
            response.close()  # one that is not read to its end tells the server to stop

    async def health(self, *, deadline_s: float = HEALTH_S) -> str:
        """What the server is: `ready`, `starting`, `draining`, `stopped`, `engine_down`, `wedged` or `failing`. Asked once.

        Raises:
            EngineError: Nothing answers there, or something else than a judge server.
        """
        url = self.url
        code, raw = await self._http.get("/readyz", deadline_s)
        status = read(StatusOut, raw, url).status if code in (200, 503) else ""
        if (status == "ready") != (code == 200):
            raise EngineError(f"{url}: /readyz is not that of a judge server (status {code})")
        return status

    def _tries(self, deadline_s: float | None) -> Tries:
        limit_s = self._deadline_s if deadline_s is None else deadline_s
        return Tries(self.url, self._retries, limit_s, self._rng)
