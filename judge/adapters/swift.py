"""ms-swift: outcome rewards for a file given by `--external_plugins`.

    # plugin.py
    from judge.adapters.swift import register
    register("judge")          # then --reward_funcs judge, with the run file in JUDGE_CONFIG

What its own code does (ms-swift 4.6, `rl_core/grpo_algorithm.py`, `rewards/orm.py`):

- The class is built with `args=` (3.x: with the trainer's arguments that its `__init__` names), and metrics have its name.
- The call is `self(completions, **kwargs)`, completions positional, as plain strings. There are no prompts: they are `messages`
  without the last one, which is the completion.
- None becomes NaN and then, in the sum, 0: as if the response were the worst. So a response without a reward gets the mean of
  its group (advantage 0), a declared constant, or ends the run. A group without any reward at all stays None: all its members
  are the same 0 then, which is advantage 0 for each. In multi-turn runs with a rollout server they are that 0 here: its warning
  about a None looks each keyword up by row, and `trajectory_inputs` has no rows, so the run would die of a KeyError.
- Asynchronous rewards run in a fresh `asyncio.run` each step, where a kept client dies on step 2; ours live on their own loop.
- A scheduler may cut one rollout into several rows (one `request_id`); swift ends the run when their rewards differ. That is said
  here before anything is judged.
- A list of length 1 would be given to the whole batch without a word; the length is always right here.
- Each process of the HF trainer sees its own rows, so groups are formed over processes, with `args.num_generations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from judge.adapters._shared.process_judge import config_of
from judge.adapters.trl import AsyncJudgeReward, JudgeReward
from judge.errors import DataError, SettingsError

_NOT_COLUMNS = frozenset({"messages", "response_token_ids", "rollout_infos", "trajectory_inputs"})
_HOMES = ("swift.rewards", "swift.plugin")  # where `orms` lives in 4.x, and lived in 3.x


class JudgeORM:
    """A reward of the run file, as ms-swift calls one.

    Args:
        args: Of the trainer; its `num_generations` is the size of a group.
        config: Run settings; None: the file that JUDGE_CONFIG names.
        num_generations: Instead of that of `args`.
        options: As `JudgeReward`: `reference`, `name`, `on_no_verdict`, `constant`, `overrides`, `engine`.

    Example:
        >>> from types import SimpleNamespace
        >>> from judge.engine.scripted import ScriptedEngine
        >>> engine = ScriptedEngine({"It is A.": "RESPONSE SAYS: A\\nVERDICT: CORRECT", "It is B.": "VERDICT: INCORRECT"})
        >>> orm = JudgeORM(SimpleNamespace(num_generations=2), {"recipe": "verifier"}, engine=engine)
        >>> chats = [[{"role": "user", "content": "A or B?"}, {"role": "assistant", "content": f"It is {x}."}] for x in "AB"]
        >>> orm(["It is A.", "It is B."], messages=chats, solution=["A", "A"])
        [1.0, 0.0]
        >>> orm.close()
    """

    _kind: type[JudgeReward] = JudgeReward

    def __init__(self, args: Any = None, config: Any = None, *, num_generations: int | None = None, **options: Any) -> None:
        size = num_generations or getattr(args, "num_generations", None)
        self.args = args
        settings = config_of(config)
        self._reward = self._kind(settings, num_generations=size, framework="ms-swift", **options)
        self.__name__ = self._reward.__name__

    def __call__(self, completions: Sequence[str], **kwargs: Any) -> list[float | None]:
        """Rewards of the completions, in their order."""
        rewards = self._reward(**_call(completions, kwargs))
        return [0.0 if r is None else r for r in rewards] if "trajectory_inputs" in kwargs else rewards

    def close(self) -> None:
        """Free the engine."""
        self._reward.close()


class AsyncJudgeORM(JudgeORM):
    """The same, awaited together with other asynchronous rewards. It cannot form groups over processes, so a missing reward is
    a declared constant or the end of the run here."""

    _kind = AsyncJudgeReward

    async def __call__(self, completions: Sequence[str], **kwargs: Any) -> list[float | None]:  # type: ignore[override]
        """Rewards of the completions, in their order."""
        rewards: list[float | None] = await self._reward(**_call(completions, kwargs))  # type: ignore[misc]  # this kind is awaited
        return rewards


def register(name: str = "judge", config: Any = None, *, asynchronous: bool = False, **options: Any) -> type[JudgeORM]:
    """Make `--reward_funcs NAME` known to ms-swift.

    Args:
        config: Run settings; None: the file that JUDGE_CONFIG names when training starts.
        asynchronous: As `AsyncJudgeORM`.
        options: As `JudgeORM`.

    Raises:
        SettingsError: ms-swift is not installed.
    """
    base = AsyncJudgeORM if asynchronous else JudgeORM

    def build(self: JudgeORM, args: Any = None, num_generations: int | None = None, **_: Any) -> None:
        base.__init__(self, args, config, **{"num_generations": num_generations, "name": name, **options})

    made = type(name, (base,), {"__init__": build, "__doc__": base.__doc__})  # metrics are called after the class
    _orms()[name] = made
    return made


def _orms() -> dict[str, Any]:
    for home in _HOMES:
        try:
            found: dict[str, Any] = import_module(home).orms
        except (ImportError, AttributeError):
            continue
        return found
    raise SettingsError("ms-swift is not installed here (neither `swift.rewards` nor `swift.plugin` has `orms`)")


def _call(completions: Sequence[str], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """ms-swift's call as one of TRL."""
    messages = kwargs.get("messages")
    if messages is None:
        raise DataError("ms-swift passes no `messages`, so there is no question to judge by")
    for rollout, rows in (kwargs.get("trajectory_inputs") or {}).items():
        if len(rows) > 1:
            raise DataError(
                f"ms-swift cut the rollout {rollout} into {len(rows)} rows and wants one reward for all, but each would be"
                " judged by itself; use a multi-turn scheduler that keeps a rollout in one row. Nothing was judged"
            )
    columns = {k: v for k, v in kwargs.items() if k not in _NOT_COLUMNS}
    ids = kwargs.get("response_token_ids")
    if ids and all(each is not None for each in ids):
        columns["completion_ids"] = [_flat(each) for each in ids]
    return {**columns, "prompts": [turns[:-1] for turns in messages], "completions": completions}


def _flat(ids: Any) -> list[int]:
    """Token ids of a response; those of several turns come as a list each."""
    return [token for turn in ids for token in turn] if ids and isinstance(ids[0], list | tuple) else list(ids)
