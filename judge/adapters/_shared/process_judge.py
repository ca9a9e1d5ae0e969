"""One judge behind the reward function of a framework that shows one response at a time, shared by all its calls.

- Such hosts import a function by its name and call it from many coroutines or threads, in several processes. Each process has
  one judge a configuration, made at the first call, and made anew in a process that was forked.
- Some of them pass nothing but texts, so the run file may come from the environment variable JUDGE_CONFIG. What becomes of a
  missing reward then comes from the run's own `on_no_verdict`.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from judge.adapters._shared.failure_policy import FRAMEWORKS, check_batch, needs_group, policy_of
from judge.adapters._shared.failure_policy import framework as known_framework
from judge.adapters._shared.metrics import components_of, sample_metrics, why
from judge.adapters._shared.sample import carried_of, reference_of, row_fields, shown_fields, shows_question
from judge.engine.protocol import Engine
from judge.errors import NoVerdictError, SettingsError
from judge.pipeline.build import Plan
from judge.pipeline.judge import Judge
from judge.settings import RunSettings
from judge.types import Conversation, Reward, Sample

CONFIG_VARIABLE = "JUDGE_CONFIG"

logger = logging.getLogger("judge.adapters")


class ProcessJudge:
    """Scores one response at a time by the policy of one framework.

    Args:
        framework: A name of `judge.adapters._shared.failure_policy.FRAMEWORKS`.
        config: A YAML file, a mapping, or `RunSettings`; None: the file that JUDGE_CONFIG names.
        name: Prefix of the metrics.
        on_no_verdict: Policy for a missing reward; None: the run's own, and where that is `drop`, the framework's default.
        constant: For `constant`; None: the run's `no_verdict_constant`.
        overrides: `engine.model=...` strings.
        engine: Used instead of the one in the settings.

    Raises:
        SettingsError: The framework cannot do this: a policy it would misread, or rewards that need groups it never shows.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> engine = ScriptedEngine(["RESPONSE SAYS: It is 4\\nVERDICT: CORRECT"])
        >>> judge = ProcessJudge("verl", {"recipe": "verifier"}, engine=engine)
        >>> import asyncio
        >>> asyncio.run(judge.score(Sample.of("2+2?", "It is 4.", reference="4")))[0]
        1.0
        >>> judge.close()
    """

    def __init__(
        self,
        framework: str,
        config: str | Path | Mapping[str, Any] | RunSettings | None = None,
        *,
        name: str = "judge",
        on_no_verdict: str | None = None,
        constant: float | None = None,
        overrides: Sequence[str] = (),
        engine: Engine | None = None,
    ) -> None:
        self.name = name
        self.framework = framework
        self.judge = Judge.from_config(config_of(config), engine=engine, overrides=overrides)
        check_alone(framework, self.plan.settings, name)
        self.policy, self.constant = policy_of(framework, self.plan.settings, on_no_verdict, constant)
        self.components = components_of(self.plan)
        if self.judge.watch is not None:
            logger.warning("`monitor` watches batches, and %s shows one response a call: it sees nothing", framework)

    @property
    def plan(self) -> Plan:
        """What the settings came to."""
        return self.judge.plan

    @property
    def needs_question(self) -> bool:
        """Whether the judge sees it."""
        return shows_question(self.plan)

    async def judged(self, samples: Sequence[Sample]) -> list[Reward]:
        """Rewards as the run gives them, before the framework's policy; samples of one group compete.

        Raises:
            EngineDown: The engine has stopped working, and the settings say nothing else (`engine_down`).
        """
        return await self.judge.session.score(samples, watched=False)

    async def score(self, sample: Sample) -> tuple[float, Reward]:
        """The reward of one response as a finite number, and where it came from. The monitor sees nothing of it.

        Raises:
            NoVerdictError: There is no reward, and the policy is `raise`.
            EngineError, DataError: As `Judge.score`.
        """
        [reward] = await self.judged([sample])
        if reward.reward is not None:
            return reward.reward, reward
        if self.constant is not None:
            return self.constant, reward
        raise NoVerdictError(f"{self.name}: {why(reward)}")

    def metrics(self, score: float, reward: Reward) -> dict[str, float]:
        """The sample's metrics: always the same names, finite numbers only."""
        return sample_metrics(reward, score, self.components, self.name)

    def sample(self, prompt: str | Conversation, response: str | Conversation, reference: Any, row: Mapping[str, Any]) -> Sample:
        """One sample; `row` may hold `context`, `principle`, `rubric`, `exemplar`, and the fields that recipe and settings name.

        Raises:
            DataError, RubricError: Naming the column.
        """
        known = reference_of(reference)
        return Sample(
            prompt=prompt,
            responses=(response,),
            reference=known,
            id="0",
            metadata=row_fields(self.plan, row) | carried_of(self.plan, row, self.name),
            **shown_fields(row, self.name),
        )

    def close(self) -> None:
        """Free the engine."""
        self.judge.close()


def check_alone(framework: str, settings: RunSettings, name: str = "judge") -> None:
    """Refuse what needs whole groups where a framework shows none, and what compares groups where it shows one at a time.

    Raises:
        SettingsError: Naming the setting.
    """
    cause, known = needs_group(settings, ""), known_framework(framework)
    if cause and not known.sees_groups:
        meets = f" group members meet {known.meets};" if known.meets else ""
        raise SettingsError(
            f"{name}: {cause} needs the other responses to the same prompt, and {framework} shows one response a call;{meets}"
            f" frameworks that show groups: {', '.join(f.name for f in FRAMEWORKS.values() if f.sees_groups)}"
        )
    check_batch(framework, settings, name)


def config_of(config: Any) -> str | Path | dict[str, Any] | RunSettings:
    """The run settings as given, else the file that JUDGE_CONFIG names.

    Raises:
        SettingsError: Neither is there.
    """
    if config is None:
        config = os.environ.get(CONFIG_VARIABLE) or None
    if isinstance(config, str | Path | RunSettings):
        return config
    if isinstance(config, Mapping):
        settings: dict[str, Any] = plain(config)
        return settings
    raise SettingsError(f"no run settings: pass `config`, or set {CONFIG_VARIABLE} to a run file (an absolute path)")


def plain(value: Any) -> Any:
    """Containers of a configuration library as dicts and lists.

    Example:
        >>> plain({"recipe": ("a", {"b": 1})})
        {'recipe': ['a', {'b': 1}]}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(v) for v in value]
    return value


# ---- one a process and configuration -----------------------------------------------------------------------------------


class Closable(Protocol):
    """What can be shared."""

    def close(self) -> None:
        """Free the engine."""


C = TypeVar("C", bound=Closable)

_made: dict[str, Closable] = {}
_lock = threading.Lock()


def shared(make: Callable[..., C], *arguments: Any, **options: Any) -> C:
    """`make(*arguments, **options)`, once a process: the next call with equal arguments gets the same object."""
    values = [plain(a) for a in arguments], {k: plain(v) for k, v in options.items()}
    key = json.dumps([f"{make.__module__}.{make.__qualname__}", *values], sort_keys=True, default=str)
    with _lock:
        if key not in _made:
            _made[key] = make(*values[0], **values[1])
        return _made[key]  # type: ignore[return-value]  # the key names `make`


def close_shared() -> None:
    """Close every shared object of this process. Called when it ends."""
    with _lock:
        for each in _made.values():
            each.close()
        _made.clear()


def _forget() -> None:
    """In a forked child: nothing of the parent's loops and clients works here, and its lock may be held by a lost thread."""
    global _lock  # noqa: PLW0603  # the parent's is of no use
    _lock = threading.Lock()
    _made.clear()


atexit.register(close_shared)
os.register_at_fork(after_in_child=_forget)
