"""The one place that knows the order: filters -> programs -> ask -> proof -> votes -> criteria -> reward.

All calls of a sample (votes, criteria, orders) are in flight together, and so are all samples: there is no barrier
anywhere, the engine does the batching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from judge.checks.match import agrees
from judge.checks.programs import COMPARISONS, OVERALL, Check, find_program, prepare
from judge.errors import DataError
from judge.filters.intake import FilterResult, Intake
from judge.pipeline.before import prepared, row_programs, run_programs
from judge.pipeline.calls import Caller
from judge.pipeline.cells import calls_in_order, in_rubric_order
from judge.pipeline.lengths import Lengths
from judge.pipeline.proof import BY_RULE, RULE_FIRST, Prover, equal_by_rule, explained
from judge.pipeline.steps import (
    NO_STEPS,
    fold_of,
    program_fold,
    program_steps,
    run_program,
    spans_of,
    step_asks,
    step_names,
)
from judge.pipeline.voting import Voting, Work
from judge.recipe.parts import Order, UnitSpec, Votes
from judge.render.build import Ask, Case
from judge.render.views import lacking, llm_criteria, not_a_pair
from judge.reward.assemble import Cell, assemble
from judge.reward.fold import decisive, fold_votes, own_rubric
from judge.rubric.model import Rubric
from judge.rubric.per_prompt import PromptRubrics
from judge.settings import FilterSettings
from judge.types import Flag, NoVerdict, Reason, Reward, Sample, Verdict

WHAT = {
    "stated": "one verdict",
    "expected": "the mean of the scale under the judge's probabilities",
    "likelihood": "how likely the judge finds the scored text",
    "scalar": "the number of the reward-model head",
    "program": "the program's score",
    "steps": "the steps' scores",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What judging one sample would take.

    Attributes:
        asks: What is asked first; each goes through the turns of the recipe.
        fates: What decides each response: `filter`, `rule`, `program` or `judge`.
        unsure: Most calls for criteria that a program was to decide and cannot.
        again: Most calls that ask once more for a verdict that a reply does not state.
        proofs: Most calls that ask for the words of the response behind a positive verdict.
        tools: Most calls behind the result of a tool.
        meta: Most calls that judge the votes.
        priors: Most calls that ask what the judge leans to without a response; completions of one prompt share them.
    """

    asks: tuple[Ask, ...]
    fates: tuple[str, ...]
    unsure: int = 0
    again: int = 0
    proofs: int = 0
    priors: int = 0
    tools: int = 0
    meta: int = 0

    @property
    def more(self) -> int:
        """Most calls beside those of `asks`."""
        return self.unsure + self.again + self.proofs + self.priors + self.tools + self.meta


class Pipeline:
    """Sample -> rewards, one for each of its responses. Bound to the event loop it runs on."""

    def __init__(
        self,
        caller: Caller,
        *,
        rubric: Rubric | None,
        principle: str | None,
        votes: Votes,
        order: Order,
        filters: FilterSettings,
        on_over_length: str = "no_verdict",
        thinking: str = "strip",
        fold_fields: Mapping[str, Any] | None = None,
        meta: Pipeline | None = None,
        rubrics: PromptRubrics | None = None,
    ) -> None:
        self.caller = caller
        self.rubric = rubric
        self.principle = principle
        self.votes = votes
        self.order = order
        self.filters = filters
        self.thinking = thinking
        self._fold_fields = dict(fold_fields or {})
        self._programs: dict[str, Check] = prepare(rubric) if rubric else {}
        self._spec = caller.recipe.spec
        # what every sample needs of the recipe is kept here: a look into a pydantic model costs three times as much
        self._mode, self._per_call = self._spec.mode, self._spec.per_call
        self._needs_rubric, self._rubrics = self._mode == "checklist" or "rubric" in self._spec.needs.sample, rubrics
        self._asks_judge, self._keeps_thinking = self._spec.asks, self._spec.thinking == "keep"
        self._what = WHAT[self._spec.signal]
        self._expected = self._spec.reads == "expected"
        self._intake = Intake(filters, self._mode)
        self._prover = Prover(caller)
        self._meta = meta
        self._voting = Voting(
            caller,
            self._prover,
            self._intake,
            votes=votes,
            order=order,
            meta=meta,
            check_evidence=filters.evidence == "flag",
        )
        self._lengths = Lengths(caller, filters, principle, cuts=on_over_length == "truncate")
        self._stops = isinstance(self._spec.unit, UnitSpec) and self._spec.unit.stop_when_decided
        self._steps = self._spec.steps
        self._program = find_program(self._spec.program, caller.recipe.options, self._spec.name) if self._spec.program else None
        self._rule_first = caller.recipe.options.get(RULE_FIRST) is True and self._mode in ("verifier", "pointwise")

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """Judge one sample. Raises `DataError` when the sample lacks something that the recipe needs.

        Args:
            filters: False: the intake filters only flag, and no rule decides before the judge. What measures the judge itself
                (canaries, an audit) is judged so.
        """
        rubric = own_rubric(sample, self._fold_fields) or self.rubric
        self._check_count(sample)
        unseen = self.caller.builder.cannot_show(sample) if _has_parts(sample) else ""
        if unseen:
            failure = NoVerdict(Reason.INVALID, unseen)
            return tuple(Reward(sample.id, i, None, failure, group=sample.group) for i in range(len(sample.responses)))
        given = sample
        sample, thought = prepared(sample, self.thinking)
        shown = given if self._keeps_thinking else sample
        if self._keeps_thinking:
            thought = {i: flag for i, flag in thought.items() if flag.name != "thinking_stripped"}
        programs = self._programs if rubric is self.rubric else row_programs(sample, rubric, self.rubric)
        entries = [self._filter(sample, i, filters) for i in range(len(sample.responses))]
        for i, flag in thought.items():
            entries[i] = replace(entries[i], flags=(*entries[i].flags, flag))
        alive = [i for i, entry in enumerate(entries) if entry.blocked is None]
        suspects = frozenset(i for i in alive if entries[i].suspect) if self._prover.possible else frozenset()
        work = Work({i: {} for i in alive}, suspects)
        unsure = (
            await run_programs(sample, alive, rubric, programs, work.cells, asks_criteria=self._per_call is not None)
            if programs
            else {}
        )
        ruled = self._ruled(sample, alive, entries) if filters else frozenset[int]()
        for i in ruled:
            work.cells[i][OVERALL] = [Cell(1.0)]
        asks = self._asks([i for i in alive if i not in ruled], rubric, shown) if self._asks_judge else []
        asks += [Ask((i,), (c,)) for i, criteria in unsure.items() for c in criteria]
        if self._program is not None:
            await asyncio.gather(*(self._run_program(shown, i, work) for i in alive if i not in ruled))
        elif self._steps is not None:
            for i in set(alive) - {ask.order[0] for ask in asks} - ruled:
                work.cells[i][OVERALL] = [Cell(None, NO_STEPS)]
        if asks:
            case = self._lengths.fit(self.caller.builder.case(shown, rubric, self.principle), asks, work)
            programs_only = {i: dict(cells) for i, cells in work.cells.items()}
            await self._ask_all(case, asks, work)
            if self._lengths.cuts:
                work = await self._lengths.shrink(case, asks, work, programs_only, self._ask_all)
            if suspects and not self._prover.copies:
                await self._prove_suspects(case, asks, work)
        rewards = [self._reward(sample, i, rubric, entries, work) for i in range(len(sample.responses))]
        if self._steps is not None:
            rewards = [replace(r, spans=spans_of(given, shown, i, self._steps)) for i, r in enumerate(rewards)]
        return tuple(replace(r, explanation=BY_RULE) if r.response_index in ruled and r.raw_reward == 1 else r for r in rewards)

    def case(self, sample: Sample, rubric: Rubric | None) -> Case:
        """A sample as the judge is shown it: the policy's thinking taken off or marked, or kept where the recipe wants it."""
        shown = sample if self._keeps_thinking else prepared(sample, self.thinking)[0]
        return self.caller.builder.case(shown, rubric, self.principle)

    def stopped(self, sample: Sample, index: int) -> Reward | None:
        """The reward of a response that never reaches the judge; None for one that does."""
        sample, thought = prepared(sample, self.thinking)
        entry = self._filter(sample, index, True)
        entry = replace(entry, flags=(*entry.flags, thought[index])) if index in thought else entry
        return None if entry.blocked is None else self._filtered(sample, index, entry, entry.blocked)

    def outlook(self, sample: Sample) -> Outlook:
        """What judging this sample would ask first, votes and orders included, and how much at most after that."""
        self._check_count(sample)
        sample, _ = prepared(sample, self.thinking)
        entries = [self._filter(sample, i, True) for i in range(len(sample.responses))]
        alive = [i for i, entry in enumerate(entries) if entry.blocked is None]
        ruled = self._ruled(sample, alive, entries)
        rubric = sample.rubric or self.rubric
        case = Case(sample, rubric, {}, (), ())
        asks = self._asks([i for i in alive if i not in ruled], rubric, sample) if self._asks_judge else []
        spread = [o for ask in asks for vote in range(self.votes.n) for o in self._voting.orders(case, replace(ask, vote=vote))]
        compared = [c for c in rubric.criteria if c.check in COMPARISONS] if rubric and self._per_call is not None else []
        unsure = len(alive) * len(compared) * self.votes.n if sample.reference is not None else 0
        suspects = {i for i in alive if entries[i].suspect} if self._prover.possible else set()
        parts = sum(len(ask.criteria) > 1 for ask in spread) * self._voting.most_parts
        again = parts + bool(self._spec.force or self._spec.ask_again) * self._spec.parsed * (len(spread) + unsure + parts)
        if not self._prover.copies:
            proofs = len(suspects) if spread or unsure else 0
        elif self._prover.always:
            proofs = len(spread) + unsure
        else:
            proofs = sum(ask.order[0] in suspects for ask in spread) + unsure * bool(suspects)
        asked = {i for ask in asks for i in ask.order}
        fates = tuple(
            "filter" if entry.blocked else "rule" if i in ruled else "judge" if i in asked else "program"
            for i, entry in enumerate(entries)
        )
        leaning = {(ask.criteria, ask.shift) for ask in spread} if self._expected and self._spec.readout.debias == "prior" else ()
        priors = len(leaning) * len(self._spec.turns)
        meta = (len(spread) + unsure) * len(self._meta._spec.turns) if self._meta is not None else 0
        tools = (len(spread) + unsure) * sum(turn.rounds for turn in self._spec.turns if turn.tools)
        return Outlook(tuple(spread), fates, unsure * len(self._spec.turns), again, proofs, priors, tools, meta)

    def _check_count(self, sample: Sample) -> None:
        if not sample.responses:
            raise DataError(f"sample `{sample.id}` has no response")
        if self._needs_rubric and (sample.rubric or self.rubric) is None:
            raise DataError(f"sample `{sample.id}`: {lacking(self._spec.name, 'rubric', self._rubrics)}")
        if self._mode == "pairwise" and len(sample.responses) != 2:
            raise DataError(f"sample `{sample.id}`: {not_a_pair(self._spec.name, len(sample.responses))}")

    def _filter(self, sample: Sample, index: int, filters: bool) -> FilterResult:
        """What the intake filters find in one response, and whether it goes on to the judge."""
        too_long = self._lengths.too_long(sample.texts[index]) or self._lengths.too_much(sample)
        if too_long:
            flag = Flag("over_length", too_long, str(index))
            return FilterResult((flag,), flag, "drop")
        found = self._intake.check(sample, index, agrees)
        return found if filters else FilterResult(found.flags)

    def _ruled(self, sample: Sample, alive: Sequence[int], entries: Sequence[FilterResult]) -> frozenset[int]:
        """The responses whose answer equals the reference by rule, where the recipe says `rule_first`: no judge is asked."""
        if not self._rule_first or sample.reference is None:
            return frozenset()
        return frozenset(i for i in alive if not entries[i].suspect and equal_by_rule(self._intake.view(sample, i)))

    # ---- what to ask -------------------------------------------------------------------------------------------

    async def _run_program(self, sample: Sample, index: int, work: Work) -> None:
        assert self._program is not None  # noqa: S101  # the caller looked
        name, options = str(self._spec.program), self.caller.recipe.options
        if self._steps is not None:
            work.cells[index] |= await program_steps(name, self._program, sample, index, options, self._steps)
            return
        cells = await run_program(name, self._program, sample, index, options)
        work.cells[index] |= cells
        work.folds[index] = program_fold(tuple(cells))

    def _asks(self, alive: Sequence[int], rubric: Rubric | None, sample: Sample) -> list[Ask]:
        """One ask for each question; votes and orders are spread later."""
        if self._steps is not None:
            return [a for i in alive for a in step_asks(i, len(self.caller.builder.steps_of(sample, i)), self._steps)]
        mode, criteria = self._mode, llm_criteria(rubric)
        if mode == "pairwise":
            return [Ask((0, 1))] if len(alive) == 2 else []
        if mode == "listwise":
            return [Ask(tuple(alive))] if alive else []
        if mode != "checklist":
            return [Ask((i,)) for i in alive]
        if self._stops:
            criteria = tuple(sorted(criteria, key=lambda c: not c.veto))
        size = self._per_call or max(1, len(criteria))
        return [Ask((i,), criteria[at : at + size]) for i in alive for at in range(0, len(criteria), size)]

    async def _ask_all(self, case: Case, asks: Sequence[Ask], work: Work) -> None:
        if self._stops and case.rubric is not None:
            own = {i: [ask for ask in asks if ask.order == (i,)] for i in dict.fromkeys(ask.order[0] for ask in asks)}
            await asyncio.gather(*(self._until_decided(case, i, each, case.rubric, work) for i, each in own.items()))
            return
        if len(asks) == 1:
            await self._voting.ask(case, asks[0], work)
        else:
            await asyncio.gather(*(self._voting.ask(case, ask, work) for ask in asks))

    async def _until_decided(self, case: Case, index: int, asks: Sequence[Ask], rubric: Rubric, work: Work) -> None:
        """Ask about one response until a criterion decides its reward."""
        for place, ask in enumerate(asks):
            columns = {name: [c.score for c in cells] for name, cells in work.cells[index].items()}
            scores = {name: fold_votes(column, self.votes.fold, self.votes.quorum) for name, column in columns.items()}
            if decisive(scores, rubric):
                work.skipped[index] = tuple(c.id for rest in asks[place:] for c in rest.criteria)
                return
            await self._voting.ask(case, ask, work)

    # ---- proof -------------------------------------------------------------------------------------------------

    async def _prove_suspects(self, case: Case, asks: Sequence[Ask], work: Work) -> None:
        """One turn for each suspected response with a positive verdict; without proof none of its verdicts counts."""
        wanted = [i for i in work.suspects if i in work.positive]
        found = await asyncio.gather(
            *(self._prover.proved(work.positive[i][1], self._intake.view(case.sample, i), suspect=True) for i in wanted)
        )
        judged = {c.id for ask in asks for c in ask.criteria} or {OVERALL}
        for index, asked in zip(wanted, found, strict=True):
            work.calls[index].append(asked.calls[-1])
            work.positive[index] = (work.positive[index][0], asked)
            if asked.lowest:
                work.flag(index, Flag("no_answer", asked.lowest, str(index)))
            cell = Cell(0.0) if asked.lowest else Cell(None, asked.outcome) if isinstance(asked.outcome, NoVerdict) else None
            if cell is not None:
                work.cells[index] |= {name: [cell] * len(votes) for name, votes in work.cells[index].items() if name in judged}

    def _reward(self, sample: Sample, index: int, rubric: Rubric | None, entries: Sequence[FilterResult], work: Work) -> Reward:
        entry = entries[index]
        if entry.blocked is not None:
            return self._filtered(sample, index, entry, entry.blocked)
        if self._mode == "pairwise" and entries[1 - index].blocked is not None:
            return self._win_by_default(sample, index, entry, entries[1 - index])
        reward = assemble(
            sample_id=sample.id,
            group=sample.group_key,
            response_index=index,
            cells=_steps_in_order(work.cells[index]) if self._steps else in_rubric_order(work.cells[index], rubric),
            calls=calls_in_order(work.calls.get(index, []), rubric),
            flags=[*entry.flags, *work.flags.get(index, [])],
            rubric=rubric,
            per_criterion=self._mode == "checklist",
            votes=self.votes,
            what=self._what,
            skipped=work.skipped.get(index, ()),
            fold=work.folds.get(index) or (fold_of(self._steps) if self._steps else None),
        )
        if self._program is not None and OVERALL in reward.components and len(reward.components) > 1:
            reward = replace(reward, not_criteria=(OVERALL,))
        if index not in work.suspects:
            return reward
        outcome = work.positive[index][1].outcome if index in work.positive else None
        return explained(reward, entry.flags[0], outcome.copied if isinstance(outcome, Verdict) else None)

    def _filtered(self, sample: Sample, index: int, entry: FilterResult, flag: Flag) -> Reward:
        if entry.action == "drop":
            reason = Reason.OVER_LENGTH if flag.name == "over_length" else Reason.DROPPED
            return Reward(sample.id, index, None, NoVerdict(reason, flag.detail), flags=entry.flags, group=sample.group_key)
        text = f"the filter `{flag.name}` finds nothing to judge ({flag.detail}), so the reward is 0 without a judge call"
        return Reward(sample.id, index, 0.0, flags=entry.flags, explanation=text, group=sample.group_key)

    def _win_by_default(self, sample: Sample, index: int, entry: FilterResult, other: FilterResult) -> Reward:
        """A pair whose other response was blocked: it wins against a vetoed one; against a dropped one nothing is known."""
        if other.action == "drop":
            name = other.blocked.name if other.blocked else ""
            failure = NoVerdict(Reason.DROPPED, f"the other response was dropped ({name})")
            return Reward(sample.id, index, None, failure, flags=entry.flags, group=sample.group_key)
        flag = Flag("win_by_default", "the other response has nothing to judge", str(index))
        text = "win by default: the other response has nothing to judge"
        flags = (*entry.flags, flag)
        return Reward(sample.id, index, 1.0, components={OVERALL: 1.0}, flags=flags, group=sample.group_key, explanation=text)


def _steps_in_order(cells: dict[str, list[Cell]]) -> dict[str, list[Cell]]:
    """Steps in the order of the text, whichever was answered first; other components behind them."""
    return {**{name: cells[name] for name in step_names(cells)}, **cells}


def _has_parts(sample: Sample) -> bool:
    return type(sample.prompt) is not str or any(type(r) is not str for r in sample.responses)
