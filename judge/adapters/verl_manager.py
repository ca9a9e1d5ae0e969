"""verl: a reward manager with the judge's rewards, `reward.reward_manager.module.path=pkg://judge.adapters.verl_manager`.

What its own code does (verl 0.9.1, `experimental/reward_loop`, `experimental/agent_loop`, `trainer/ppo/v1`):

- A manager's `run_single` gets one response with all columns of its row, of which a `compute_score` sees four: the messages
  (`raw_prompt`), the token ids, and in the v1 trainer the prompt's `uid`, drawn anew each time the prompt is, the response's
  number among the prompt's (`session_id`, from 0), and `global_steps`. So it needs no column made for it, and group members,
  which go to reward workers drawn at random, find each other at a server.
- A prompt that was under way at a checkpoint is rolled out again with its old `uid`, as of the step at which the run goes on.
- No row says that it is of the validation set, where a prompt has `val_kwargs.n` responses instead of `n`. The store between
  verl's workers does: its key `uid` is in the partition `val`.
- Other trainers (`trainer.use_v1=false`, fully asynchronous, one step off) pass no number that is the response's own.
- With a judge in the trainer's own place (`reward_model.enable_resource_pool: false`) the v1 trainer passes texts and no row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any

from judge.adapters._shared.lazy import base_of
from judge.adapters._shared.process_judge import ProcessJudge, plain
from judge.adapters._shared.sample import question_of
from judge.adapters._shared.score_group import judge_for
from judge.adapters.verl import Place, judged, router
from judge.adapters.verl_steps import paid, place
from judge.conversation import read_masked
from judge.errors import DataError, SettingsError, did_you_mean
from judge.pipeline.shaping import LENGTHS
from judge.types import Conversation, Sample

FRAMEWORK = "verl-manager"
FUNCTION = "pkg://judge.adapters.verl"

_Base: Any = base_of("verl.experimental.reward_loop.reward_manager.base.RewardManagerBase")


@dataclass(frozen=True)
class Options:
    """`reward.reward_kwargs` of verl's configuration.

    Attributes:
        config: Run file (an absolute path: workers have folders of their own) or the settings themselves.
        server: URL of `judge serve`, instead of `config`. Neither: JUDGE_CONFIG or JUDGE_SERVER of the environment.
        grouped: Whether a server judges the responses to a prompt as one group, once all have come; else each alone.
        question: Key of `extra_info` that holds the question; None: the prompt as the policy saw it.
        reference: Key of `extra_info` to use instead of `reward_model.ground_truth`.
        name: Prefix of the metrics.
        on_no_verdict: `raise` (the default: the response is left out) or `constant`; None: what the run file says.
        use_router: Ask the judge that verl serves (`reward.reward_model.enable`) instead of the run file's `base_url`.
    """

    config: Any = None
    server: str | None = None
    grouped: bool = True
    question: str | None = None
    reference: str | None = None
    name: str = "judge"
    on_no_verdict: str | None = None
    constant: float | None = None
    overrides: Sequence[str] = ()
    use_router: bool = False


class JudgeRewardManager(_Base):  # type: ignore[misc]  # known only where verl is
    """One response a call -> its reward and metrics, with the signature that verl makes its managers by.

    Raises:
        SettingsError: The configuration cannot work, group members are needed and there is no server, or verl is not installed.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Any,
        compute_score: Any = None,
        reward_router_address: str | None = None,
        reward_model_tokenizer: Any = None,
    ) -> None:
        if _Base is object:
            raise SettingsError("verl is not installed here")
        super().__init__(config, tokenizer, compute_score)
        _check_calls(config.reward)
        self.options = own = options_of(config.reward.get("reward_kwargs") or {})
        overrides = [*own.overrides, *(router(reward_router_address, own.name) if own.use_router else ())]
        shown = {"name": own.name, "on_no_verdict": own.on_no_verdict, "constant": own.constant, "overrides": overrides}
        self.judge = judge_for(FRAMEWORK, own.config, own.server, **shown)
        rollout = config.actor_rollout_ref.rollout
        self.sizes: tuple[int, int] = (rollout.n, rollout.val_kwargs.n)
        self._validation = _Validation()

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Reward of the last response in `data`: an agent loop may give several for one, and the last is the whole.

        Returns:
            `reward_score` (with what its tokens are paid, where the shaping pays by step), and in `reward_extra_info` the columns
            of `judge.adapters.verl.compute_score`.

        Raises:
            NoVerdictError: There is no reward, and the policy is `raise`; or the group did not come together.
            DataError, RubricError: The row cannot work.
        """
        item = data[-1]
        columns = item.non_tensor_batch
        text, length = await asyncio.to_thread(self._response, item.batch)
        sample = self._sample(columns, text, length)
        score, reward = await judged(self.judge, sample, await self._place(columns))
        made = {"score": score, **self.judge.metrics(score, reward)}
        ids = item.batch["responses"][:length].tolist() if reward.step_rewards else []
        return {"reward_score": paid(score, reward, sample.texts[0], ids, self._words), "reward_extra_info": made}

    @classmethod
    def assemble_rm_scores(cls, data: Any, scores: Sequence[float]) -> Any:
        """The reward tensor where verl scores a whole batch at once."""
        return place(super().assemble_rm_scores(data, [float(score) for score in scores]), scores)

    def _words(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _response(self, batch: Any) -> tuple[str | Conversation, int]:
        """A response and its tokens, without what pads it. By a `response_mask`, tools' words are marked as theirs."""
        ids, mask = batch["responses"], batch["attention_mask"]
        length = int(mask[len(mask) - len(ids) :].sum())
        mine = batch.get("response_mask", None)  # verl's agent loops leave it out, a batch of the trainer has it
        mask = [] if mine is None else mine[:length].tolist()
        if any(mask) and not all(mask):
            return read_masked(ids[:length].tolist(), mask, self.tokenizer.decode, "`response_mask`"), length
        return self._words(ids[:length]), length

    def _sample(self, columns: Mapping[str, Any], text: str | Conversation, length: int) -> Sample:
        own, judge = self.options, self.judge
        row = {**(columns.get("extra_info") or {}), **(columns.get("tool_extra_fields") or {})}
        held, key, holder = (columns, "raw_prompt", "the row") if own.question is None else (row, own.question, "extra_info")
        asked = question_of(held, key, needed=judge.needs_question, where=own.name, holder=holder)
        known = (columns.get("reward_model") or {}).get("ground_truth") if own.reference is None else row.get(own.reference)
        sample = judge.sample(asked, text, known, row)
        return replace(sample, metadata={**sample.metadata, LENGTHS: length})

    async def _place(self, columns: Mapping[str, Any]) -> Place | None:
        """Where the response belongs at a server; None: nowhere, since it has no group members or they are not asked for."""
        if isinstance(self.judge, ProcessJudge) or not self.options.grouped or max(self.sizes) == 1:
            return None
        named: list[Any] = [columns.get(column) for column in ("global_steps", "uid", "session_id")]
        if None in named:
            raise DataError(
                f"{self.options.name}: a group meets by the `global_steps`, `uid` and `session_id` of verl's v1 trainer, and here"
                f" these are {named}; `reward.reward_kwargs.grouped: false` judges each response alone"
            )
        step, uid, number = named
        train, validation = self.sizes
        size = validation if train != validation and await self._validation.has(str(uid)) else train
        return None if size == 1 else (f"{step}.{uid}", int(number), size)


class _Validation:
    """Which prompts are of the validation set. All of a batch are in the store before the first is rolled out."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # a process's client of the store is made by its first call, and must be made once
        self._known: frozenset[str] = frozenset()

    async def has(self, uid: str) -> bool:
        async with self._lock:
            if uid not in self._known:  # the partition is empty while the run trains, so asking again costs little
                self._known = frozenset(await asyncio.to_thread(_keys_of, "val"))
            return uid in self._known


def _keys_of(partition: str) -> list[str]:
    found = import_module("transfer_queue").kv_list(partition) or {}
    return list(found.get(partition) or ())


def options_of(given: Mapping[str, Any]) -> Options:
    """The options in `reward.reward_kwargs`.

    Raises:
        SettingsError: There is no such option; verl itself checks no name there.

    Example:
        >>> options_of({"server": "http://judge:8421"}).grouped
        True
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise SettingsError(f"reward.reward_kwargs: no option `{name}`{did_you_mean(name, known)}; known: {', '.join(known)}")
    return Options(**plain(given))


def _check_calls(reward: Any) -> None:
    """Refuse what verl, or this manager, would pass over in silence."""
    function = reward.custom_reward_function
    if function.path not in (None, FUNCTION):
        raise SettingsError(f"reward.custom_reward_function.path: `{function.path}` would never be called: leave it out")
    if function.get("reward_kwargs"):
        raise SettingsError("reward.custom_reward_function.reward_kwargs: a reward manager's options are `reward.reward_kwargs`")
    if reward.reward_model.enable and function.path is None:
        raise SettingsError(
            "with `reward.reward_model.enable` and no reward function verl asks that model, and no reward manager: add"
            f" `reward.custom_reward_function.path={FUNCTION}`"
        )
