"""One question, asked as often as the settings say: votes, orders, proofs, and what came back as cells.

All votes and orders of a question are in flight together, except where `votes.stop` ends the voting early: then they are
asked in waves, each as small as may be enough.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from judge.checks.programs import OVERALL
from judge.filters.intake import Intake
from judge.pipeline.calls import Asked, Caller
from judge.pipeline.cells import cell_of, combine, is_positive, unfounded
from judge.pipeline.judged import JudgesSample, graded_vote
from judge.pipeline.parts import completed
from judge.pipeline.proof import Prover
from judge.pipeline.steps import turned
from judge.recipe.parts import Order, UnitSpec, Votes
from judge.recipe.steps import STEP
from judge.render.build import Ask, Case
from judge.reward.assemble import Cell, FoldScores
from judge.reward.ensemble.sequential import next_wave
from judge.reward.ensemble.vote import kept_votes
from judge.rubric.model import Criterion
from judge.types import Call, Flag, NoVerdict, Reason


@dataclass(slots=True)
class Work:
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
    skipped: dict[int, tuple[str, ...]] = field(default_factory=dict)  # criteria that could not change the reward any more

    def flag(self, index: int, flag: Flag) -> None:
        """Note once what was noticed about a response."""
        flags = self.flags.setdefault(index, [])
        if flag.name not in {f.name for f in flags}:
            flags.append(flag)

    def note_positive(self, ask: Ask, answer: Asked) -> None:
        """Keep the first positive verdict on a suspected response, whichever came in first."""
        index = ask.order[0]
        place = (ask.criteria[0].id if ask.criteria else "", answer.calls[-1].vote)
        if is_positive(answer, index, ask.criteria) and (index not in self.positive or place < self.positive[index][0]):
            self.positive[index] = (place, answer)


class Voting:
    """Asks the questions of one pipeline.

    Args:
        meta: The judge of judgements that chooses which votes count.
        check_evidence: Flag verdicts whose reasoning quotes nothing that the judge was shown.
    """

    def __init__(
        self,
        caller: Caller,
        prover: Prover,
        intake: Intake,
        *,
        votes: Votes,
        order: Order,
        meta: JudgesSample | None = None,
        check_evidence: bool = False,
    ) -> None:
        self._caller = caller
        self._prover = prover
        self._intake = intake
        self._meta = meta
        self._check_evidence = check_evidence
        self._spec = caller.recipe.spec
        self._steps = self._spec.steps
        self._expected = self._spec.reads == "expected"
        unit = self._spec.unit
        self._again = unit.again if isinstance(unit, UnitSpec) and self._spec.salvages else 0
        self.votes = votes
        self.order = order

    async def ask(self, case: Case, ask: Ask, work: Work) -> None:
        """Ask one question in all its votes and orders, and enter the answers into `work`."""
        if self.votes.stop is not None:
            await self._until_decided(case, ask, work)
            return
        spread = [self.orders(case, replace(ask, vote=v) if v else ask) for v in range(self.votes.n)]
        if self.votes.n == 1 and len(spread[0]) == 1:
            answer = await self._whole(case, spread[0][0], await self._caller.ask(case, spread[0][0]))
            self._record(case, ask, [await self.proved(case, ask, answer, work)], work)
            return
        votes = await self._wave(case, ask, spread, work)
        if self._meta is not None and self.votes.filter is not None:
            votes = await self._trusted(case, ask, votes, work, self._meta, self.votes.filter.keep)
        for vote in votes:
            self._record(case, ask, vote, work)

    async def _wave(self, case: Case, ask: Ask, spread: Sequence[Sequence[Ask]], work: Work) -> list[list[Asked]]:
        """The answers of some votes, each in its orders; one order at a time shares its prefill."""
        columns = [[orders[k] for orders in spread] for k in range(len(spread[0]))]
        answers = await asyncio.gather(*(self._caller.ask_votes(case, column) for column in columns))
        if self._again:
            wholes = (
                asyncio.gather(*(self._whole(case, a, b) for a, b in zip(column, answered, strict=True)))
                for column, answered in zip(columns, answers, strict=True)
            )
            answers = [list(column) for column in await asyncio.gather(*wholes)]
        if self._prover.copies:
            answers = [list(await asyncio.gather(*(self.proved(case, ask, a, work) for a in column))) for column in answers]
        return [[column[vote] for column in answers] for vote in range(len(spread))]

    @property
    def most_parts(self) -> int:
        """Most further calls for the criteria that one reply leaves open: two halves, and two of each of these, and so on."""
        return int(2 ** (self._again + 1)) - 2

    async def _whole(self, case: Case, ask: Ask, answer: Asked) -> Asked:
        """An answer with the criteria that it leaves open asked about again, where the recipe or the run says so."""
        return await completed(self._caller, case, ask, answer, self._again) if self._again else answer

    async def _trusted(
        self, case: Case, ask: Ask, votes: Sequence[Sequence[Asked]], work: Work, meta: JudgesSample, keep: int
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
            work.flag(index, Flag("votes_filtered", f"{len(kept)} of {len(votes)} votes count", str(index)))
            work.calls.setdefault(index, []).extend(left)
        failed = NoVerdict(Reason.LOW_QUORUM, "the judge of judgements gave no verdict on any vote")
        return [told[vote] for vote in kept] or [[replace(one, outcome=failed) for one in told[0]]]

    async def _until_decided(self, case: Case, ask: Ask, work: Work) -> None:
        asked = 0
        while wave := max(next_wave([c.score for c in column], self.votes) for column in self._voted(ask, work)):
            spread = [self.orders(case, replace(ask, vote=vote)) for vote in range(asked, asked + wave)]
            for vote in await self._wave(case, ask, spread, work):
                self._record(case, ask, vote, work)
            asked += wave

    def _voted(self, ask: Ask, work: Work) -> list[list[Cell]]:
        """The votes so far on everything that a question is about; responses that are compared share theirs."""
        names = [c.id for c in ask.criteria] or [OVERALL]
        return [work.cells[ask.order[0]].get(name, []) for name in names]

    async def proved(self, case: Case, ask: Ask, answer: Asked, work: Work) -> Asked:
        """A verdict of a recipe that copies words, with these words checked where it is positive and needs proof."""
        index = ask.order[0]
        suspect = index in work.suspects
        if not self._prover.copies or not (suspect or self._prover.always) or not is_positive(answer, index, ask.criteria):
            return answer
        return await self._prover.proved(answer, self._intake.view(case.sample, index), suspect=suspect)

    def orders(self, case: Case, ask: Ask) -> list[Ask]:
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
            seed = hashlib.blake2b(prompt, digest_size=8, key=b"%d:%d" % (self._caller.builder.seed, ask.vote)).digest()
            random.Random(seed).shuffle(shuffled)
            return [replace(ask, order=tuple(shuffled))]
        return [ask]

    def _rotated(self, ask: Ask) -> list[Ask]:
        """One ask for each cyclic order of the responses, or of the labels where one response is shown."""
        if len(ask.order) > 1:
            return [replace(ask, order=(*ask.order[k:], *ask.order[:k])) for k in range(len(ask.order))]
        return [replace(ask, shift=k) for k in range(max(1, len(self._caller.builder.labels_of(ask))))]

    def _record(self, case: Case, ask: Ask, answers: Sequence[Asked], work: Work) -> list[Cell]:
        """Enter one vote (asked in one or two orders) into the cells of its responses and criteria."""
        components: Sequence[Criterion | None] = ask.criteria or (None,)
        for answer in answers:
            for index in ask.order:
                work.calls.setdefault(index, []).extend(answer.calls)
            if answer.lowest:
                work.flag(ask.order[0], Flag("no_answer", answer.lowest, str(ask.order[0])))
        if ask.order[0] in work.suspects:
            work.note_positive(ask, answers[0])
        out = []
        for index in ask.order:
            for column, criterion in enumerate(components):
                cell = combine(
                    [cell_of(a, index, self._column_in(a, column, criterion), criterion, graded=self._expected) for a in answers],
                    self.order,
                    graded=self._expected,
                )
                if self._check_evidence and column == 0 and any(unfounded(a, case.sample) for a in answers):
                    work.flag(index, Flag("no_evidence", "the judge's reasoning quotes nothing it was shown", str(index)))
                if cell.disagree:
                    work.flag(index, Flag("order_inconsistent", cell.detail, str(index)))
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
