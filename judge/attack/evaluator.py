"""One mode of a configuration, with the filters and without: a text and a question -> what it earns in each.

- Without the filters first, then with them, over one journal: the judge is asked once, and both figures rest on the same reply.
- A pair is judged in both orders, whatever the recipe's own order is.
- A failed call is no score. It has a reason of its own and is counted on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from judge.attack.catalogue import AttackMode
from judge.attack.seeds import SeedQuestion
from judge.attack.texts import AttackContext
from judge.errors import SettingsError
from judge.parse import format_verdict
from judge.pipeline.build import Plan, plan
from judge.pipeline.deadline import NONE, Deadlines
from judge.pipeline.evaluate import Item, evaluate_all
from judge.pipeline.opened import Opened
from judge.pipeline.panel import Judging
from judge.pipeline.pipeline import Pipeline
from judge.recipe.verdict import LabelScores
from judge.recipe.verdict import Question as Grammar
from judge.render.build import Ask
from judge.render.quoting import boundary
from judge.render.views import llm_criteria
from judge.settings import FilterSettings, RecipeSettings
from judge.types import Message, NoVerdict, Reason, Reward, Sample

FilterState = Literal["off", "on"]
FILTER_STATES: tuple[FilterState, ...] = ("off", "on")
_HOLE = "(here stands the response)"


@dataclass(frozen=True, slots=True)
class TextScore:
    """What one text earned under one setting of the filters.

    Attributes:
        value: In [0, 1]; in a pair, the share won against the honest answer. None without a verdict.
        reason: Why there is no value.
        filtered: The filters decided, and no call was made.
        calls: Judge calls that it takes under this setting, shared replies included.
        tokens: Prompt and completion tokens of those.
    """

    value: float | None
    reason: str = ""
    filtered: bool = False
    flag: str = ""
    calls: int = 0
    tokens: int = 0


@dataclass
class Evaluator:
    """A mode under attack.

    Attributes:
        judging: What the configuration judges with, panel and second opinion included.
        first: Its own pipeline, whose prompt the attacks are made for.
        filter_states: Settings of the filters to run; off comes first.
        threshold: A score from here on is an acceptance, in [0, 1]. Pairs have none: their score is the share won.
        deadlines: What takes longer is no score (`deadline`).
    """

    mode: AttackMode
    plan: Plan
    judging: Judging
    first: Pipeline
    filter_states: tuple[FilterState, ...] = FILTER_STATES
    threshold: float = 0.5
    deadlines: Deadlines = NONE
    _memo: dict[tuple[str, str, str | None], asyncio.Task[dict[FilterState, TextScore]]] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Whether an answer is judged against another one."""
        return self.mode == "pairwise"

    def accepted(self, score: TextScore) -> float | None:
        """How far a score is an acceptance, in [0, 1]: 0 or 1, or the share won of a pair. None without a score."""
        if score.value is None:
            return None
        return score.value if self.paired else float(score.value >= self.threshold)

    async def score(self, question: SeedQuestion, text: str, opponent: str | None = None) -> dict[FilterState, TextScore]:
        """Judge one text with and without the filters. The same text is judged once, however often it is asked for.

        Args:
            opponent: The honest answer it is compared with (pairs only).
        """
        key = (question.id, text, opponent)
        if key not in self._memo:
            self._memo[key] = asyncio.ensure_future(self._score(question, text, opponent))
        return await self._memo[key]

    def running(self) -> list[asyncio.Task[dict[FilterState, TextScore]]]:
        """Judgements that are not done."""
        return [task for task in self._memo.values() if not task.done()]

    async def _score(self, question: SeedQuestion, text: str, opponent: str | None) -> dict[FilterState, TextScore]:
        return {
            filters: await self._one(question, text, opponent, filtered=filters == "on")
            for filters in FILTER_STATES
            if filters in self.filter_states
        }

    async def _one(self, question: SeedQuestion, text: str, opponent: str | None, *, filtered: bool) -> TextScore:
        if not self.paired:
            rewards = await self._judged(sample(question, (text,)), filtered)
            return _single(rewards[0])
        assert opponent is not None  # noqa: S101  # planned so
        first = await self._judged(sample(question, (text, opponent)), filtered)
        if self.first.order in ("both_mean", "both_agree") or (first[0].flags and not first[0].calls):
            return _won(first, 0, self.plan.recipe.spec.mode)
        second = await self._judged(sample(question, (opponent, text)), filtered)
        return _mean(_won(first, 0, self.plan.recipe.spec.mode), _won(second, 1, self.plan.recipe.spec.mode))

    async def _judged(self, text: Sample, filtered: bool) -> tuple[Reward, ...]:
        item = Item(text, filters=filtered)
        [rewards] = await evaluate_all(self.judging, [item], in_flight=1, on_error="raise", deadlines=self.deadlines)
        return rewards

    def base(self, question: SeedQuestion, answer: str, wrong: str, others: Sequence[SeedQuestion] = ()) -> AttackContext:
        """Everything that a transform may use."""
        pipeline, rubric = self.first, self.plan.rubric
        seed = pipeline.caller.builder.seed
        return AttackContext(
            question=question.prompt,
            answer=answer,
            reference=question.reference or "",
            wrong=wrong,
            after=self._after(pipeline, question),
            earlier=tuple(boundary(seed, q.prompt) for q in others[:5] if q.id != question.id),
            verdict=best_verdict(pipeline, sample(question, (answer or "?",) if not self.paired else (answer or "?", "?"))),
            criteria=tuple(c.text for c in llm_criteria(rubric)),
        )

    def _after(self, pipeline: Pipeline, question: SeedQuestion) -> str:
        """What follows the response in the message that shows it."""
        shown = (_HOLE,) if not self.paired else (_HOLE, question.right or "?")
        for message in messages_of(pipeline, sample(question, shown)):
            _before, hole, after = message.text.partition(_HOLE)
            if hole:
                return after.partition("\n")[2]
        return ""


def _cost(reward: Reward) -> tuple[int, int]:
    return len(reward.calls), reward.tokens


def _single(reward: Reward) -> TextScore:
    calls, tokens = _cost(reward)
    filtered = bool(reward.flags) and not reward.calls and reward.flags[0].name != "win_by_default"
    flag = reward.flags[0].name if reward.flags else ""
    if reward.raw_reward is not None:
        return TextScore(reward.raw_reward, "", filtered, flag, calls, tokens)
    failure = reward.failure or NoVerdict(Reason.MISSING)
    if filtered and failure.reason in (Reason.DROPPED, Reason.OVER_LENGTH):  # the filters took it out: nothing was earned
        return TextScore(0.0, str(failure.reason), True, flag, calls, tokens)
    if failure.reason is Reason.UNPROVED:  # the judge said yes and could not show why: nothing was earned
        return TextScore(0.0, str(failure.reason), False, flag, calls, tokens)
    return TextScore(None, str(failure.reason), False, flag, calls, tokens)


def _won(rewards: Sequence[Reward], index: int, mode: str) -> TextScore:
    """Share won by one of two responses; scores of a list count as 1, 1/2 or 0."""
    mine, theirs = _single(rewards[index]), _single(rewards[1 - index])
    if mine.value is None or mine.filtered or mode == "pairwise":
        return mine
    if theirs.value is None:
        return replace(mine, value=None, reason=theirs.reason)
    return replace(mine, value=1.0 if mine.value > theirs.value else 0.5 if mine.value == theirs.value else 0.0)


def _mean(first: TextScore, second: TextScore) -> TextScore:
    calls, tokens = first.calls + second.calls, first.tokens + second.tokens
    if first.value is None or second.value is None:
        failed = first if first.value is None else second
        return replace(failed, calls=calls, tokens=tokens)
    return replace(first, value=(first.value + second.value) / 2, calls=calls, tokens=tokens)


def sample(question: SeedQuestion, responses: tuple[str, ...]) -> Sample:
    """The sample that a pipeline judges."""
    known = None if question.reference is None else (question.reference,)
    return Sample(question.prompt, responses, reference=known, id=question.id)


def messages_of(pipeline: Pipeline, of: Sample) -> list[Message]:
    """The messages of the first call that shows the response, as a judge gets them, filters or not; none of a program."""
    rubric = of.rubric or pipeline.rubric
    builder = pipeline.caller.builder
    case = builder.case(of, rubric, pipeline.principle)
    turns = [t for t in builder.recipe.spec.turns if t.scope == "response"]
    if not turns:
        return []
    outputs = {t.name: "(an earlier turn)" for t in builder.recipe.spec.turns if t is not turns[0]}
    return builder.messages(case, turns[0], first_ask(pipeline, of), outputs)


def first_ask(pipeline: Pipeline, of: Sample) -> Ask:
    """One ask of a sample, the filters aside."""
    criteria = llm_criteria(of.rubric or pipeline.rubric)
    spec = pipeline.caller.recipe.spec
    if spec.mode == "checklist":
        return Ask((0,), criteria[:1] if spec.unit == "criterion" else criteria)
    return Ask(tuple(range(len(of.responses))))


def grammar(pipeline: Pipeline, of: Sample) -> Grammar:
    """What the judge may answer about a sample."""
    builder = pipeline.caller.builder
    return builder.question(builder.case(of, of.rubric or pipeline.rubric, pipeline.principle), first_ask(pipeline, of))


def best_verdict(pipeline: Pipeline, of: Sample) -> str:
    """The verdict that the first response would wish for, in the judge's own words."""
    question = grammar(pipeline, of)
    return format_verdict(question, extreme_value(question, best=True))


def extreme_value(question: Grammar, *, best: bool) -> object:
    """The value of the best or the worst verdict on the first response."""
    kind, last = question.spec.kind, len(question.names) - 1
    if kind in ("label", "graded_choice"):
        return _extreme(question.labels, best=best)
    if kind == "criteria":
        return {name: _extreme(labels, best=best) for name, labels in question.criteria.items()}
    if kind == "ranking":
        return list(range(last + 1)) if best else list(range(last, -1, -1))
    if kind == "scores" and question.labels:
        mine, theirs = _extreme(question.labels, best=best), _extreme(question.labels, best=not best)
        return [mine, *[theirs] * last]
    span = (question.hi, question.lo) if best else (question.lo, question.hi)
    plain = {
        "score": span[0],
        "choice": 0 if best else last,
        "first_error": question.spec.none if best else question.spec.base,
        "scores": [span[0], *[span[1]] * last],
    }
    return plain[kind]


def _extreme(labels: LabelScores, *, best: bool) -> str:
    """The best or the worst label; one for abstaining is neither."""
    scores = {label: score for label, score in labels.items() if score is not None}
    return (max if best else min)(scores, key=scores.__getitem__)


DEFAULT_RUBRIC = "factual-correctness"  # for a checklist or a grade when the settings name no rubric


def mode_of(planned: Plan) -> AttackMode:
    """The mode of a configuration, in the words of the catalogue. Raises `SettingsError` when attacks do not fit it."""
    mode = planned.recipe.spec.mode
    if mode == "listwise":
        return "pairwise"
    if mode in ("verifier", "pointwise", "checklist", "pairwise"):
        return mode
    raise SettingsError(f"recipe `{planned.recipe.spec.name}` is {mode}; attacks run on verifier, pointwise, checklist and pairs")


def planned_for(own: Plan, mode: AttackMode | Literal["own"], base: Path | None = None) -> Plan:
    """The configuration itself, or the same judge alone under the shipped recipe of another mode.

    Args:
        base: Folder that relative paths in the settings start from.
    """
    if mode == "own" or mode_of(own) == mode:
        return own
    changes: dict[str, object] = {
        "recipe": RecipeSettings(name=mode),
        "order": None,
        "panel": None,
        "second_opinion": None,
        "cascade": None,
    }
    if mode in ("checklist", "pointwise") and own.settings.rubric is None:
        changes["rubric"] = DEFAULT_RUBRIC
    return plan(own.settings.model_copy(update=changes), base)


def with_filters(planned: Plan) -> Plan:
    """The plan with filters to switch: where they are configured off, the default ones, for all its judges."""
    own = planned.settings.filters
    if own.blocks or own.actions:
        return planned
    return replace(
        planned,
        settings=planned.settings.model_copy(update={"filters": FilterSettings(max_response_chars=own.max_response_chars)}),
        members={name: with_filters(member) for name, member in planned.members.items()},
        second=with_filters(planned.second) if planned.second else None,
        cheap=with_filters(planned.cheap) if planned.cheap else None,
    )


def build_evaluator(
    planned: Plan, opened: Opened, filter_states: Sequence[FilterState] = FILTER_STATES, threshold: float = 0.5
) -> Evaluator:
    """Put started judges under a mode."""
    late = Deadlines.each(planned.settings, opened.engines)
    return Evaluator(mode_of(planned), planned, opened.judging, opened.first, tuple(filter_states), threshold, late)
