"""`judge serve` in place of a judge of one's own, behind the same calls as `judge.adapters._shared.process_judge.ProcessJudge`.

- Hosts call from many coroutines, threads and event loops; connections live on one loop and thread of a process.
- The server keeps its settings to itself. So the question is always needed, the metrics are those every server gives, and a
  missing reward is what the framework's default or a declared constant says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from judge.adapters._shared.failure_policy import check_policy
from judge.adapters._shared.metrics import served_metrics, why
from judge.adapters._shared.sample import listed, reference_of, shown_fields
from judge.client import AsyncClient
from judge.errors import NoVerdictError
from judge.loopthread import LoopThread
from judge.reference import is_missing
from judge.types import Conversation, Reward, Sample

SERVER_VARIABLE = "JUDGE_SERVER"
KEY_VARIABLE = "JUDGE_API_KEY"
FIELDS_VARIABLE = "JUDGE_FIELDS"  # names of the columns, with commas, that the server's recipe shows (`needs.fields`)


class RemoteJudge:
    """Scores by a judge server and the policy of one framework.

    Args:
        framework: A name of `judge.adapters._shared.failure_policy.FRAMEWORKS`.
        server: `http://host:8421`. A key is its password, or in the environment variable JUDGE_API_KEY.
        name: Prefix of the metrics.
        on_no_verdict: Policy for a missing reward; None: the framework's default.
        constant: For `constant`.

    Raises:
        SettingsError, InputError: The framework does not support this, or the URL is none.
    """

    needs_question = True

    def __init__(
        self, framework: str, server: str, *, name: str = "judge", on_no_verdict: str | None = None, constant: float | None = None
    ) -> None:
        self.name, self.framework, self.constant = name, framework, constant
        self._fields = [name.strip() for name in os.environ.get(FIELDS_VARIABLE, "").split(",") if name.strip()]
        self.policy = check_policy(framework, on_no_verdict, constant)
        key = None if "@" in urlsplit(server).netloc else os.environ.get(KEY_VARIABLE) or None
        AsyncClient(server, key)  # for its errors: here, and not at the first question
        self._home = LoopThread("judge-served", partial(AsyncClient, server, key))

    async def judged(self, samples: Sequence[Sample]) -> list[Reward]:
        """Rewards as the server gives them; samples of one group compete where its settings say so."""
        return await self._home.wait(lambda client: client.score(samples))

    async def score(self, sample: Sample) -> tuple[float, Reward]:
        """The reward of one response as a finite number. Errors as `ProcessJudge.score` and `AsyncClient.score`."""
        [reward] = await self.judged([sample])
        return self._number(reward), reward

    async def member(self, group: str, index: int, size: int | None, sample: Sample) -> tuple[float, Reward]:
        """The reward of one member of a group whose others come from elsewhere. Errors as `AsyncClient.member`."""
        found = await self._home.wait(lambda client: client.member(group, index, sample, size=size))
        return self._number(found.reward), found.reward

    def metrics(self, score: float, reward: Reward) -> dict[str, float]:
        """The sample's metrics: always the same names, finite numbers only."""
        return served_metrics(reward, score, self.name)

    def sample(self, prompt: str | Conversation, response: str | Conversation, reference: Any, row: Mapping[str, Any]) -> Sample:
        """One sample; `row` may hold `context`, `principle`, `rubric`, `exemplar`, and the columns named in JUDGE_FIELDS.

        Raises DataError, RubricError.
        """
        known = reference_of(reference)
        shown = shown_fields(row, self.name)
        metadata = {name: listed(row[name]) for name in self._fields if not is_missing(row.get(name))}
        return Sample(prompt, (response,), reference=known, id="0", metadata=metadata, **shown)

    def close(self) -> None:
        """End the connections; whoever waits is told."""
        self._home.close(last=AsyncClient.close)

    def _number(self, reward: Reward) -> float:
        value = self.constant if reward.reward is None else reward.reward
        if value is None:
            raise NoVerdictError(f"{self.name}: {why(reward)}")
        return value
