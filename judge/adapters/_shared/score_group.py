"""The process's judge, of its own or behind a server, and the rewards of a whole group by its failure policy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from judge.adapters._shared.metrics import why
from judge.adapters._shared.process_judge import CONFIG_VARIABLE, ProcessJudge, config_of, shared
from judge.adapters._shared.remote_judge import SERVER_VARIABLE, RemoteJudge
from judge.errors import NoVerdictError, SettingsError
from judge.loops import run as run_loop
from judge.reward.missing import apply_policy
from judge.types import Reward, Sample

T = TypeVar("T")


def judge_for(framework: str, config: Any = None, server: str | None = None, **options: Any) -> ProcessJudge | RemoteJudge:
    """The process's judge, its own or behind a server; made once.

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
        return shared(ProcessJudge, framework, config_of(config), **options)
    if config is not None:
        raise SettingsError("run settings and a server's URL are both given, and either could be the judge: leave one out")
    if options.pop("overrides", None):
        raise SettingsError("`overrides` change run settings, and those are the server's")
    return shared(RemoteJudge, framework, server, **options)


async def score_group(judge: ProcessJudge | RemoteJudge, samples: Sequence[Sample]) -> list[tuple[float | None, Reward]]:
    """The rewards of a whole group, in order: numbers by the judge's policy, and None where it is `exclude`.

    With `impute_group_mean` a group without any reward is None throughout.

    Raises:
        NoVerdictError: A response has no reward, and the policy is `raise`.
    """
    if not samples:
        return []
    rewards = await judge.judged([replace(s, id=str(i), group="0") for i, s in enumerate(samples)])
    if judge.policy == "impute_group_mean":
        rewards = apply_policy(rewards, "group_mean")
    if judge.policy == "raise":
        lacking = next((r for r in rewards if r.reward is None), None)
        if lacking is not None:
            raise NoVerdictError(f"{judge.name}: response {lacking.sample_id} of {len(rewards)}: {why(lacking)}")
    return [(judge.constant if r.reward is None else r.reward, r) for r in rewards]


async def group_numbers(judge: ProcessJudge | RemoteJudge, samples: Sequence[Sample]) -> list[tuple[float, Reward]]:
    """The same for hosts that can leave nothing out.

    Raises:
        NoVerdictError: Also where no response of the group has a reward.
    """
    found = []
    for value, reward in await score_group(judge, samples):
        if value is None:
            raise NoVerdictError(f"{judge.name}: no response of the group has a reward ({why(reward)})")
        found.append((value, reward))
    return found


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from plain code, also where this thread has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_loop(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run_loop, coroutine).result()
