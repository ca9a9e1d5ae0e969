"""The one place that knows the order: filters -> programs -> ask -> proof -> votes -> criteria -> reward.

All calls of a sample (votes, criteria, orders) are in flight together, and so are all samples: there is no barrier
anywhere, the engine does the batching.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from judge.checks.match import agrees
from judge.checks.programs import COMPARISONS, OVERALL, Check, find_program, prepare
from judge.conversation import mapped, own_words
from judge.errors import DataError
from judge.filters.intake import FilterResult, Intake
from judge.pipeline.before import cut, kept_share, prepared, row_programs, run_programs
from judge.pipeline.calls import Asked, Caller
from judge.pipeline.cells import calls_in_order, cell_of, combine, in_rubric_order, is_positive, unfounded
from judge.pipeline.judged import graded_vote
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
    turned,
)
from judge.recipe.model import Order, Votes
from judge.recipe.steps import STEP
from judge.render.build import Ask, Case, lacking, llm_criteria
from judge.reward.assemble import Cell, FoldScores, assemble
from judge.reward.ensemble.vote import kept_votes
from judge.reward.fold import decided, own_rubric
from judge.rubric.model import Criterion, Rubric
from judge.settings import FilterSettings
from judge.types import Call, Flag, Message, NoVerdict, Reason, Reward, Sample, Verdict

SHRINKS = 6  # times a text is cut and asked about again, where only the endpoint knows its length
LEAST_CHARS = 200  # of the longest response; when less would have to do, the rest of the prompt is what does not fit
WHAT = {
    "stated": "one verdict",
    "expected": "the mean of the scale under the judge's probabilities",
    "likelihood": "how likely the judge finds the scored text",
    "scalar": "the number of the reward-model head",
    "program": "the program's score",
    "steps": "the steps' scores",
}


@dataclass(slots=True)
class _Work:
    """What is being gathered for one sample: cells[response][component][vote].

    Attributes:
        suspects: Responses that a filter suspects.
        positive: For each of them, the first ask (by criterion and vote) that gave a positive verdict; later with its proof.
    """

    cells: dict[int, dict[str, list[Cell]]]
    suspects: frozenset[int] = frozenset()
    calls: dict[int, list[Call]] = field(default_factory=dict)
    flags: dict[int, list[Flag]] = field(default_factory=dict)
    positive: dict[int, tuple[tuple[str, int], Asked]] = field(default_factory=dict)
    folds: dict[int, FoldScores] = field(default_factory=dict)  # of a program's scores


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
    ) -> None:
        self.caller = caller
        self.rubric = rubric
        self.principle = principle
        self.votes = votes
        self.order = order
        self.filters = filters
        self.on_over_length = on_over_length
        self.thinking = thinking
        self._fold_fields = dict(fold_fields or {})
        self._programs: dict[str, Check] = prepare(rubric) if rubric else {}
        self._spec = caller.recipe.spec
        self._expected = self._spec.reads == "expected"
        self._intake = Intake(filters, self._spec.mode)
        self._prover = Prover(caller)
        self._meta = meta
        self._steps = self._spec.steps
        self._program = find_program(self._spec.program, caller.recipe.options, self._spec.name) if self._spec.program else None
        self._rule_first = caller.recipe.options.get(RULE_FIRST) is True and self._spec.mode in ("verifier", "pointwise")

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
        shown = given if self._spec.thinking == "keep" else sample
        if self._spec.thinking == "keep":
            thought = {i: flag for i, flag in thought.items() if flag.name != "thinking_stripped"}
        programs = self._programs if rubric is self.rubric else row_programs(sample, rubric)
        entries = [self._filter(sample, i, filters) for i in range(len(sample.responses))]
        for i, flag in thought.items():
            entries[i] = replace(entries[i], flags=(*entries[i].flags, flag))
        alive = [i for i, entry in enumerate(entries) if entry.blocked is None]
        suspects = frozenset(i for i in alive if entries[i].suspect) if self._prover.possible else frozenset()
        work = _Work({i: {} for i in alive}, suspects)
        unsure = (
            await run_programs(sample, alive, rubric, programs, work.cells, asks_criteria=self._spec.unit == "criterion")
            if programs
            else {}
        )
        ruled = self._ruled(sample, alive, entries) if filters else frozenset[int]()
        for i in ruled:
            work.cells[i][OVERALL] = [Cell(1.0)]
        asks = self._asks([i for i in alive if i not in ruled], rubric, shown) if self._spec.asks else []
        asks += [Ask((i,), (c,)) for i, criteria in unsure.items() for c in criteria]
        if self._program is not None:
            await asyncio.gather(*(self._run_program(shown, i, work) for i in alive if i not in ruled))
        elif self._steps is not None:
            for i in set(alive) - {ask.order[0] for ask in asks} - ruled:
                work.cells[i][OVERALL] = [Cell(None, NO_STEPS)]
        if asks:
            case = self._fit(self.case(given, rubric), asks, work)
            programs_only = {i: dict(cells) for i, cells in work.cells.items()}
            await self._ask_all(case, asks, work)
            if self.on_over_length == "truncate":
                work = await self._shrink(case, asks, work, programs_only)
            if suspects and not self._prover.copies:
                await self._prove_suspects(case, asks, work)
        rewards = [self._reward(sample, i, rubric, entries, work) for i in range(len(sample.responses))]
        if self._steps is not None:
            rewards = [replace(r, spans=spans_of(given, shown, i, self._steps)) for i, r in enumerate(rewards)]
        return tuple(replace(r, explanation=BY_RULE) if r.response_index in ruled and r.raw_reward == 1 else r for r in rewards)

    def case(self, sample: Sample, rubric: Rubric | None) -> Case:
        """A sample as the judge is shown it: the policy's thinking taken off or marked, or kept where the recipe wants it."""
        shown = sample if self._spec.thinking == "keep" else prepared(sample, self.thinking)[0]
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
        asks = self._asks([i for i in alive if i not in ruled], rubric, sample) if self._spec.asks else []
        spread = [o for ask in asks for vote in range(self.votes.n) for o in self._orders(case, replace(ask, vote=vote))]
        compared = [c for c in rubric.criteria if c.check in COMPARISONS] if rubric and self._spec.unit == "criterion" else []
        unsure = len(alive) * len(compared) * self.votes.n if sample.reference is not None else 0
        suspects = {i for i in alive if entries[i].suspect} if self._prover.possible else set()
        again = bool(self._spec.force or self._spec.ask_again) * self._spec.parsed * (len(spread) + unsure)
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
        if self._spec.mode == "checklist" and (sample.rubric or self.rubric) is None:
            raise DataError(f"sample `{sample.id}`: {lacking(self._spec.name, 'rubric')}")
        if self._spec.mode == "pairwise" and len(sample.responses) != 2:
            raise DataError(
                f"sample `{sample.id}`: recipe `{self._spec.name}` compares 2 responses, and this has {len(sample.responses)}"
            )

    def _filter(self, sample: Sample, index: int, filters: bool) -> FilterResult:
        """What the intake filters find in one response, and whether it goes on to the judge."""
        too_long = self._too_long(sample.texts[index]) or self._too_much(sample)
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

    def _too_much(self, sample: Sample) -> str:
        """Why no response to this sample is judged, for the size of what comes with it; empty where it is not too large."""
        shown = len(sample.prompt_text) + sum(map(len, sample.context))
        if shown > self.filters.max_prompt_chars:
            most = f"{self.filters.max_prompt_chars:,} (`filters.max_prompt_chars`)"
            return f"the prompt and its documents have {shown:,} characters; at most {most} are judged"
        known = sum(map(len, sample.reference or ()))
        if known > self.filters.max_reference_chars:
            most = f"{self.filters.max_reference_chars:,} (`filters.max_reference_chars`)"
            return f"the reference has {known:,} characters; at most {most} are judged"
        return ""

    def _too_long(self, text: str) -> str:
        """Why a response is refused for its size; empty when it is not."""
        if len(text) > self.filters.max_response_chars:
            return f"{len(text):,} characters; at most {self.filters.max_response_chars:,} are judged"
        most = self.filters.max_response_tokens
        if most is None or len(text.encode("utf-8", "surrogatepass")) <= most:  # a token is at least one byte
            return ""
        tokens = self.caller.engine.count_tokens([Message("user", text)])
        return f"{tokens:,} tokens; at most {most:,} are judged" if tokens is not None and tokens > most else ""

    # ---- what to ask -------------------------------------------------------------------------------------------

    async def _run_program(self, sample: Sample, index: int, work: _Work) -> None:
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
        mode, criteria = self._spec.mode, llm_criteria(rubric)
        if mode == "pairwise":
            return [Ask((0, 1))] if len(alive) == 2 else []
        if mode == "listwise":
            return [Ask(tuple(alive))] if alive else []
        if mode != "checklist":
            return [Ask((i,)) for i in alive]
        if self._spec.unit == "criterion":
            return [Ask((i,), (c,)) for i in alive for c in criteria]
        return [Ask((i,), criteria) for i in alive] if criteria else []

    async def _ask_all(self, case: Case, asks: Sequence[Ask], work: _Work) -> None:
        if len(asks) == 1:
            await self._ask_votes(case, asks[0], work)
        else:
            await asyncio.gather(*(self._ask_votes(case, ask, work) for ask in asks))

    async def _ask_votes(self, case: Case, ask: Ask, work: _Work) -> None:
        if self.votes.stop_when_decided:
            await self._ask_until_decided(case, ask, work)
            return
        spread = [self._orders(case, replace(ask, vote=v) if v else ask) for v in range(self.votes.n)]
        if self.votes.n == 1 and len(spread[0]) == 1:
            answer = await self.caller.ask(case, spread[0][0])
            self._record(case, ask, [await self._proved(case, ask, answer, work)], work)
            return
        columns = [[orders[k] for orders in spread] for k in range(len(spread[0]))]  # one order at a time shares its prefill
        answers = await asyncio.gather(*(self.caller.ask_votes(case, column) for column in columns))
        if self._prover.copies:
            answers = [list(await asyncio.gather(*(self._proved(case, ask, a, work) for a in column))) for column in answers]
        votes = [[column[vote] for column in answers] for vote in range(self.votes.n)]
        if self._meta is not None and self.votes.filter is not None:
            votes = await self._trusted(case, ask, votes, work, self._meta, self.votes.filter.keep)
        for vote in votes:
            self._record(case, ask, vote, work)

    async def _trusted(
        self, case: Case, ask: Ask, votes: Sequence[Sequence[Asked]], work: _Work, meta: Pipeline, keep: int
    ) -> list[list[Asked]]:
        """The votes that the judge of judgements grades highest; the calls of the others are kept on record."""
        graded = await asyncio.gather(*(graded_vote(meta, case.sample, vote) for vote in votes))
        kept = kept_votes([np.nan if grade is None else grade for grade, _ in graded], keep)
        told = [
            [replace(one, calls=(*calls, *one.calls)) for one, calls in zip(vote, made, strict=True)]
            for vote, (_, made) in zip(votes, graded, strict=True)
        ]
        recorded = kept or (0,)
        left = [call for vote, each in enumerate(told) if vote not in recorded for one in each for call in one.calls]
        for index in ask.order:
            self._flag(work, index, Flag("votes_filtered", f"{len(kept)} of {len(votes)} votes count", str(index)))
            work.calls.setdefault(index, []).extend(left)
        failed = NoVerdict(Reason.LOW_QUORUM, "the judge of judgements gave no verdict on any vote")
        return [told[vote] for vote in kept] or [[replace(one, outcome=failed) for one in told[0]]]

    async def _ask_until_decided(self, case: Case, ask: Ask, work: _Work) -> None:
        seen: list[float | None] = []
        for vote in range(self.votes.n):
            orders = self._orders(case, replace(ask, vote=vote))
            answers = await asyncio.gather(*(self.caller.ask(case, o) for o in orders))
            if self._prover.copies:
                answers = [await self._proved(case, ask, a, work) for a in answers]
            cells = self._record(case, ask, list(answers), work)
            seen.append(cells[0].score if len(cells) == 1 else None)
            several = len(cells) > 1 and (self._spec.mode == "checklist" or self._steps is not None)
            if not several and decided([c.score for c in self._column(ask, work)], self.votes.n):
                return

    # ---- proof -------------------------------------------------------------------------------------------------

    async def _proved(self, case: Case, ask: Ask, answer: Asked, work: _Work) -> Asked:
        """A verdict of a recipe that copies words, with these words checked where it is positive and needs proof."""
        index = ask.order[0]
        suspect = index in work.suspects
        if not self._prover.copies or not (suspect or self._prover.always) or not is_positive(answer, index, ask.criteria):
            return answer
        return await self._prover.proved(answer, self._intake.view(case.sample, index), suspect=suspect)

    async def _prove_suspects(self, case: Case, asks: Sequence[Ask], work: _Work) -> None:
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
                self._flag(work, index, Flag("no_answer", asked.lowest, str(index)))
            cell = Cell(0.0) if asked.lowest else Cell(None, asked.outcome) if isinstance(asked.outcome, NoVerdict) else None
            if cell is not None:
                work.cells[index] |= {name: [cell] * len(votes) for name, votes in work.cells[index].items() if name in judged}

    def _column(self, ask: Ask, work: _Work) -> list[Cell]:
        component = ask.criteria[0].id if ask.criteria else OVERALL
        return work.cells[ask.order[0]][component]

    def _orders(self, case: Case, ask: Ask) -> list[Ask]:
        """The orders in which one vote shows the responses."""
        if self.order in ("both_mean", "both_agree"):
            return [ask, replace(ask, order=tuple(reversed(ask.order)))]
        if self._steps is not None and self._steps.backwards == "both":
            return [ask, turned(ask)]
        if self._expected and self._spec.readout.rotate:
            return self._rotated(ask)
        if self.order == "shuffle_per_vote" and len(ask.order) > 1:
            shuffled = list(ask.order)
            prompt = repr(case.sample.prompt).encode("utf-8", "surrogatepass")
            seed = hashlib.blake2b(prompt, digest_size=8, key=b"%d:%d" % (self.caller.builder.seed, ask.vote)).digest()
            random.Random(seed).shuffle(shuffled)
            return [replace(ask, order=tuple(shuffled))]
        return [ask]

    def _rotated(self, ask: Ask) -> list[Ask]:
        """One ask for each cyclic order of the responses, or of the labels where one response is shown."""
        if len(ask.order) > 1:
            return [replace(ask, order=(*ask.order[k:], *ask.order[:k])) for k in range(len(ask.order))]
        return [replace(ask, shift=k) for k in range(max(1, len(self.caller.builder.labels_of(ask))))]

    # ---- what came back ----------------------------------------------------------------------------------------

    def _record(self, case: Case, ask: Ask, answers: Sequence[Asked], work: _Work) -> list[Cell]:
        """Enter one vote (asked in one or two orders) into the cells of its responses and criteria."""
        components: Sequence[Criterion | None] = ask.criteria or (None,)
        for answer in answers:
            for index in ask.order:
                work.calls.setdefault(index, []).extend(answer.calls)
            if answer.lowest:
                self._flag(work, ask.order[0], Flag("no_answer", answer.lowest, str(ask.order[0])))
        if ask.order[0] in work.suspects:
            self._note_positive(ask, answers[0], work)
        out = []
        for index in ask.order:
            for column, criterion in enumerate(components):
                cell = combine(
                    [cell_of(a, index, self._column_in(a, column, criterion), criterion, graded=self._expected) for a in answers],
                    self.order,
                    graded=self._expected,
                )
                if self.filters.evidence == "flag" and column == 0 and any(unfounded(a, case.sample) for a in answers):
                    self._flag(work, index, Flag("no_evidence", "the judge's reasoning quotes nothing it was shown", str(index)))
                if cell.disagree:
                    self._flag(work, index, Flag("order_inconsistent", cell.detail, str(index)))
                work.cells[index].setdefault(criterion.id if criterion else OVERALL, []).append(cell)
                out.append(cell)
        return out

    def _column_in(self, answer: Asked, column: int, criterion: Criterion | None) -> int:
        """Where one reply speaks of a criterion: one that read the steps backwards speaks of the last first."""
        if self._steps is None or criterion is None or not answer.calls:
            return column
        if self._spec.verdict.kind == "first_error":  # its cells are in the order of the text
            return int(criterion.id.removeprefix(STEP)) - 1
        return answer.calls[-1].criteria.index(criterion.id)

    def _note_positive(self, ask: Ask, answer: Asked, work: _Work) -> None:
        """Keep the first positive verdict on a suspected response, whichever came in first."""
        index = ask.order[0]
        place = (ask.criteria[0].id if ask.criteria else "", answer.calls[-1].vote)
        if is_positive(answer, index, ask.criteria) and (index not in work.positive or place < work.positive[index][0]):
            work.positive[index] = (place, answer)

    def _flag(self, work: _Work, index: int, flag: Flag) -> None:
        flags = work.flags.setdefault(index, [])
        if flag.name not in {f.name for f in flags}:
            flags.append(flag)

    def _reward(self, sample: Sample, index: int, rubric: Rubric | None, entries: Sequence[FilterResult], work: _Work) -> Reward:
        entry = entries[index]
        if entry.blocked is not None:
            return self._filtered(sample, index, entry, entry.blocked)
        if self._spec.mode == "pairwise" and entries[1 - index].blocked is not None:
            return self._win_by_default(sample, index, entry, entries[1 - index])
        reward = assemble(
            sample_id=sample.id,
            group=sample.group_key,
            response_index=index,
            cells=_steps_in_order(work.cells[index]) if self._steps else in_rubric_order(work.cells[index], rubric),
            calls=calls_in_order(work.calls.get(index, []), rubric),
            flags=[*entry.flags, *work.flags.get(index, [])],
            rubric=rubric,
            per_criterion=self._spec.mode == "checklist",
            votes=self.votes,
            what=WHAT[self._spec.signal],
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

    # ---- length ------------------------------------------------------------------------------------------------

    def _fit(self, case: Case, asks: Sequence[Ask], work: _Work) -> Case:
        """Under `on_over_length: truncate`, cut the middle out of responses until the longest call fits."""
        limit = self.caller.engine.context_length
        if self.on_over_length != "truncate" or limit is None:
            return case
        room = limit - self.caller.room
        for _ in range(8):
            tokens = self._longest(case, asks)
            if tokens is None or tokens <= room:
                return case
            share = max(0.02, 0.95 * room / tokens - 0.05)
            responses = tuple(mapped(r, partial(cut, share=share)) for r in case.sample.responses)
            if responses == case.sample.responses:
                return case
            for index in range(len(responses)):
                if responses[index] != case.sample.responses[index]:
                    before, after = len(own_words(case.sample.responses[index])), len(own_words(responses[index]))
                    detail = f"cut from {before:,} to {after:,} characters to fit {limit:,} tokens"
                    self._flag(work, index, Flag("truncated_response", detail, str(index)))
            case = self.caller.builder.case(replace(case.sample, responses=responses), case.rubric, self.principle)
        return case

    async def _shrink(self, case: Case, asks: Sequence[Ask], work: _Work, programs: Mapping[int, dict[str, list[Cell]]]) -> _Work:
        """The same for an engine that cannot count tokens: cut and ask again as long as the endpoint says that it is too long.

        A refusal costs the endpoint nothing. When the rest of the prompt is too long by itself, the first answer stands.
        """
        first, whole = work, case.sample.responses
        for _ in range(SHRINKS):
            refusal = next(
                (c.completion for cs in work.calls.values() for c in cs if c.completion.finish_reason == "over_length"), None
            )
            if refusal is None:
                return work
            responses = tuple(mapped(r, partial(cut, share=kept_share(refusal.error))) for r in case.sample.responses)
            if responses == case.sample.responses or max(len(own_words(r)) for r in responses) < LEAST_CHARS:
                return first
            case = self.caller.builder.case(replace(case.sample, responses=responses), case.rubric, self.principle)
            work = _Work({i: {k: list(v) for k, v in cells.items()} for i, cells in programs.items()}, work.suspects)
            for index, (before, after) in enumerate(zip(whole, responses, strict=True)):
                if before != after:
                    detail = (
                        f"cut from {len(own_words(before)):,} to {len(own_words(after)):,} characters: the endpoint takes no more"
                    )
                    self._flag(work, index, Flag("truncated_response", detail, str(index)))
            await self._ask_all(case, asks, work)
        return first if any(c.completion.finish_reason == "over_length" for cs in work.calls.values() for c in cs) else work

    def _longest(self, case: Case, asks: Sequence[Ask]) -> int | None:
        turn = self._spec.turns[-1]
        ask = max(asks, key=lambda a: len(a.criteria[0].text) if a.criteria else 0)
        spoken = dict.fromkeys((t.name for t in self._spec.turns), "")  # what earlier turns will say is not known
        return self.caller.engine.count_tokens(self.caller.builder.messages(case, turn, ask, spoken))


def _steps_in_order(cells: dict[str, list[Cell]]) -> dict[str, list[Cell]]:
    """Steps in the order of the text, whichever was answered first; other components behind them."""
    return {**{name: cells[name] for name in step_names(cells)}, **cells}


def _has_parts(sample: Sample) -> bool:
    return type(sample.prompt) is not str or any(type(r) is not str for r in sample.responses)
