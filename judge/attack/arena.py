"""One mode of a configuration, with the gate and without: a text and a question -> what it earns in each.

- Without the gate first, then with it, over one journal: the judge is asked once, and both figures rest on the same reply.
- A pair is judged in both orders, whatever the recipe's own order is.
- A failed call is no score. It has a reason of its own and is counted on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from judge.attack.bases import Question
from judge.attack.catalogue import AttackMode
from judge.attack.prompts import best_verdict, messages_of, sample
from judge.attack.transforms import Base
from judge.pipeline.build import Plan
from judge.pipeline.panel import Judging
from judge.pipeline.pipeline import Pipeline
from judge.render.build import llm_criteria
from judge.render.quoting import boundary
from judge.types import Call, Completion, NoVerdict, Reason, Reward

Gate = Literal["off", "on"]
GATES: tuple[Gate, ...] = ("off", "on")
_HOLE = "(here stands the response)"


@dataclass(frozen=True, slots=True)
class Score:
    """What one text earned under one setting of the gate.

    Attributes:
        value: In [0, 1]; in a pair, the share won against the honest answer. None without a verdict.
        reason: Why there is no value.
        gated: The gate decided, and no call was made.
        calls: Judge calls that it takes under this setting, shared replies included.
        tokens: Prompt and completion tokens of those.
    """

    value: float | None
    reason: str = ""
    gated: bool = False
    flag: str = ""
    calls: int = 0
    tokens: int = 0


class Memory:
    """A journal in memory, shared by all pipelines of an attack run; it counts what reached the engine."""

    def __init__(self) -> None:
        self._replies: dict[str, Completion] = {}
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def find(self, key: str) -> Completion | None:
        """The reply to this very request. Failed ones as well: gate on and off must see the same."""
        return self._replies.get(key)

    def keep(self, call: Call) -> None:
        """Keep one finished call."""
        self._replies[call.key] = call.completion
        self.calls += 1
        self.prompt_tokens += call.completion.prompt_tokens
        self.completion_tokens += call.completion.completion_tokens


@dataclass
class Arena:
    """A mode under attack.

    Attributes:
        judging: What the configuration judges with, panel and second opinion included.
        first: Its own pipeline, whose prompt the attacks are made for.
        gates: Settings of the gate to run; off comes first.
        threshold: A score from here on is an acceptance, in [0, 1]. Pairs have none: their score is the share won.
    """

    mode: AttackMode
    plan: Plan
    judging: Judging
    first: Pipeline
    gates: tuple[Gate, ...] = GATES
    threshold: float = 0.5
    _memo: dict[tuple[str, str, str | None], asyncio.Task[dict[Gate, Score]]] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Whether an answer is judged against another one."""
        return self.mode == "pairwise"

    def accepted(self, score: Score) -> float | None:
        """How far a score is an acceptance, in [0, 1]: 0 or 1, or the share won of a pair. None without a score."""
        if score.value is None:
            return None
        return score.value if self.paired else float(score.value >= self.threshold)

    async def score(self, question: Question, text: str, opponent: str | None = None) -> dict[Gate, Score]:
        """Judge one text with and without the gate. The same text is judged once, however often it is asked for.

        Args:
            opponent: The honest answer it is compared with (pairs only).
        """
        key = (question.id, text, opponent)
        if key not in self._memo:
            self._memo[key] = asyncio.ensure_future(self._score(question, text, opponent))
        return await self._memo[key]

    def running(self) -> list[asyncio.Task[dict[Gate, Score]]]:
        """Judgements that are not done."""
        return [task for task in self._memo.values() if not task.done()]

    async def _score(self, question: Question, text: str, opponent: str | None) -> dict[Gate, Score]:
        return {gate: await self._one(question, text, opponent, gate == "on") for gate in GATES if gate in self.gates}

    async def _one(self, question: Question, text: str, opponent: str | None, gate: bool) -> Score:
        if not self.paired:
            rewards = await self.judging.judge(sample(question, (text,)), gate=gate)
            return _single(rewards[0])
        assert opponent is not None  # noqa: S101  # planned so
        first = await self.judging.judge(sample(question, (text, opponent)), gate=gate)
        if self.first.order in ("both_mean", "both_agree") or (first[0].flags and not first[0].calls):
            return _won(first, 0, self.plan.recipe.spec.mode)
        second = await self.judging.judge(sample(question, (opponent, text)), gate=gate)
        return _mean(_won(first, 0, self.plan.recipe.spec.mode), _won(second, 1, self.plan.recipe.spec.mode))

    def base(self, question: Question, answer: str, wrong: str, others: Sequence[Question] = ()) -> Base:
        """Everything that a transform may use."""
        pipeline, rubric = self.first, self.plan.rubric
        seed = pipeline.caller.builder.seed
        return Base(
            question=question.prompt,
            answer=answer,
            reference=question.reference or "",
            wrong=wrong,
            after=self._after(pipeline, question),
            earlier=tuple(boundary(seed, q.prompt) for q in others[:5] if q.id != question.id),
            verdict=best_verdict(pipeline, sample(question, (answer or "?",) if not self.paired else (answer or "?", "?"))),
            criteria=tuple(c.text for c in llm_criteria(rubric)),
        )

    def _after(self, pipeline: Pipeline, question: Question) -> str:
        """What follows the response in the message that shows it."""
        shown = (_HOLE,) if not self.paired else (_HOLE, question.right or "?")
        for message in messages_of(pipeline, sample(question, shown)):
            _before, hole, after = message.content.partition(_HOLE)
            if hole:
                return after.partition("\n")[2]
        return ""


def _cost(reward: Reward) -> tuple[int, int]:
    return len(reward.calls), reward.tokens


def _single(reward: Reward) -> Score:
    calls, tokens = _cost(reward)
    gated = bool(reward.flags) and not reward.calls and reward.flags[0].name != "walkover"
    flag = reward.flags[0].name if reward.flags else ""
    if reward.value is not None:
        return Score(reward.value, "", gated, flag, calls, tokens)
    failure = reward.failure or NoVerdict(Reason.MISSING)
    if gated and failure.reason in (Reason.DROPPED, Reason.OVER_LENGTH):  # the gate took it out: nothing was earned
        return Score(0.0, str(failure.reason), True, flag, calls, tokens)
    return Score(None, str(failure.reason), False, flag, calls, tokens)


def _won(rewards: Sequence[Reward], index: int, mode: str) -> Score:
    """Share won by one of two responses; scores of a list count as 1, 1/2 or 0."""
    mine, theirs = _single(rewards[index]), _single(rewards[1 - index])
    if mine.value is None or mine.gated or mode == "pairwise":
        return mine
    if theirs.value is None:
        return replace(mine, value=None, reason=theirs.reason)
    return replace(mine, value=1.0 if mine.value > theirs.value else 0.5 if mine.value == theirs.value else 0.0)


def _mean(first: Score, second: Score) -> Score:
    calls, tokens = first.calls + second.calls, first.tokens + second.tokens
    if first.value is None or second.value is None:
        failed = first if first.value is None else second
        return replace(failed, calls=calls, tokens=tokens)
    return replace(first, value=(first.value + second.value) / 2, calls=calls, tokens=tokens)
