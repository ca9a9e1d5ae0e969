"""`judge serve` in place of a judge of one's own, behind the same calls as `judge.adapters.door.Door`.

- Hosts call from many coroutines, threads and event loops; connections live on one loop and thread of a process.
- The server keeps its settings to itself. So the question is always needed, the figures are those every server gives, and a
  missing reward is what the framework's neutral way or a declared constant says.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from judge.adapters.columns import shown_fields
from judge.adapters.convert import REFERENCE_COLUMNS, group_key, reference_of
from judge.adapters.door import CONFIG_VARIABLE, Door, config_of, shared
from judge.adapters.figures import why
from judge.adapters.projection import check_policy
from judge.client import AsyncClient
from judge.errors import NoVerdictError, SettingsError
from judge.reward.absent import apply_policy
from judge.types import Message, Reward, Sample

SERVER_VARIABLE = "JUDGE_SERVER"
KEY_VARIABLE = "JUDGE_API_KEY"

T = TypeVar("T")

_OPEN: list[ServedDoor] = []  # a forked child must not collect its parent's: that would close sockets which the parent uses


class ServedDoor:
    """Scores by a judge server and the policy of one framework.

    Args:
        framework: A name of `judge.adapters.projection.FRAMEWORKS`.
        server: `http://host:8421`. A key is its password, or in the environment variable JUDGE_API_KEY.
        name: Prefix of the figures.
        on_no_verdict: Policy for a missing reward; None: the framework's neutral way.
        constant: For `constant`.

    Raises:
        SettingsError, InputError: The framework cannot honour this, or the URL is none.
    """

    needs_question = True

    def __init__(
        self, framework: str, server: str, *, name: str = "judge", on_no_verdict: str | None = None, constant: float | None = None
    ) -> None:
        self.name, self.framework, self.constant = name, framework, constant
        self.policy = check_policy(framework, on_no_verdict, constant)
        key = None if "@" in urlsplit(server).netloc else os.environ.get(KEY_VARIABLE) or None
        self._client = AsyncClient(server, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="judge-served", daemon=True)
        self._thread.start()
        _OPEN.append(self)

    async def judged(self, samples: Sequence[Sample]) -> list[Reward]:
        """Rewards as the server gives them; samples of one group compete where its settings say so."""
        return await self._there(self._client.score(samples))

    async def score(self, sample: Sample) -> tuple[float, Reward]:
        """The reward of one response as a finite number. Errors as `Door.score` and `AsyncClient.score`."""
        [reward] = await self.judged([sample])
        return self._number(reward), reward

    async def member(self, group: str, index: int, size: int | None, sample: Sample) -> tuple[float, Reward]:
        """The reward of one member of a group whose others come from elsewhere. Errors as `AsyncClient.member`."""
        found = await self._there(self._client.member(group, index, sample, size=size))
        return self._number(found.reward), found.reward

    def figures(self, score: float, reward: Reward) -> dict[str, float]:
        """The sample's figures: always `raw`, `no_verdict` and `calls`, finite numbers only.

        Criteria are not among them: only the server knows which there are, and some frameworks want the same for all samples.
        """
        raw = score if reward.value is None else reward.value
        values = {"raw": raw, "no_verdict": float(reward.failure is not None), "calls": float(reward.judge_calls)}
        return {f"{self.name}/{part}": value for part, value in values.items()}

    def sample(self, prompt: str | tuple[Message, ...], response: str, reference: Any, row: Mapping[str, Any]) -> Sample:
        """One sample; `row` may hold `context`, `principle` and `rubric`. Raises DataError, RubricError."""
        known = reference_of(reference)
        shown = shown_fields(row, self.name)
        return Sample(prompt, (response,), reference=known, id="0", group=group_key(prompt, known), **shown)

    def close(self) -> None:
        """End the connections; whoever waits is told."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        _OPEN.remove(self)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    async def _there(self, ask: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask, self._loop))

    def _number(self, reward: Reward) -> float:
        value = self.constant if reward.trained is None else reward.trained
        if value is None:
            raise NoVerdictError(f"{self.name}: {why(reward)}")
        return value


def door_for(framework: str, config: Any = None, server: str | None = None, **options: Any) -> Door | ServedDoor:
    """The process's door to a judge of its own, or to a server; made once.

    Args:
        config: Run settings.
        server: URL. Where neither is given, the environment variables JUDGE_CONFIG and JUDGE_SERVER are read.
        options: `name`, `on_no_verdict`, `constant`; and `overrides`, for a judge of its own.

    Raises:
        SettingsError: Both are given, or neither.
    """
    if config is None and server is None:
        config, server = os.environ.get(CONFIG_VARIABLE) or None, os.environ.get(SERVER_VARIABLE) or None
        if config is None and server is None:
            raise SettingsError(
                f"no judge: set {CONFIG_VARIABLE} to a run file (an absolute path), or {SERVER_VARIABLE} to a URL"
            )
    if server is None:
        return shared(Door, framework, config_of(config), **options)
    if config is not None:
        raise SettingsError("run settings and a server's URL are both given, and either could be the judge: leave one out")
    if options.pop("overrides", None):
        raise SettingsError("`overrides` change run settings, and those are the server's")
    return shared(ServedDoor, framework, server, **options)


async def score_group(door: Door | ServedDoor, samples: Sequence[Sample]) -> list[tuple[float | None, Reward]]:
    """The rewards of a whole group, in order: numbers by the door's policy, and None where it is `exclude`.

    With `impute_group_mean` a group without any reward is None throughout.

    Raises:
        NoVerdictError: A response has no reward, and the policy is `raise`.
    """
    if not samples:
        return []
    rewards = await door.judged([replace(s, id=str(i), group="0") for i, s in enumerate(samples)])
    if door.policy == "impute_group_mean":
        rewards = apply_policy(rewards, "group_mean")
    if door.policy == "raise":
        lacking = next((r for r in rewards if r.trained is None), None)
        if lacking is not None:
            raise NoVerdictError(f"{door.name}: response {lacking.sample_id} of {len(rewards)}: {why(lacking)}")
    return [(door.constant if r.trained is None else r.trained, r) for r in rewards]


async def numbers_of(door: Door | ServedDoor, samples: Sequence[Sample]) -> list[tuple[float, Reward]]:
    """The same for hosts that can leave nothing out.

    Raises:
        NoVerdictError: Also where no response of the group has a reward.
    """
    found = []
    for value, reward in await score_group(door, samples):
        if value is None:
            raise NoVerdictError(f"{door.name}: no response of the group has a reward ({why(reward)})")
        found.append((value, reward))
    return found


def reference_in(row: Mapping[str, Any]) -> Any:
    """The reference among a row's fields, by the known names.

    Example:
        >>> reference_in({"id": 3, "answer": "Paris"})
        'Paris'
    """
    return next((row[name] for name in REFERENCE_COLUMNS if row.get(name) is not None), None)


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from plain code, also where this thread has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
