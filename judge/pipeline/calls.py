"""One judge call from request to outcome: journal, engine, conversation, reading, one forced continuation.

- A request is named by the hash of everything that decides its reply. What the run's journal holds under that name is
  not asked again; a reply that gave no verdict is.
- Turns that see only the prompt are asked once: calls that need the same reply at the same time wait for one request.
- A verdict that the text does not hold is asked for once more, as a constrained continuation of the same reasoning. Thinking
  that was cut off led to no verdict, and is closed and continued only where the recipe says `force: thinking`.
- A verdict that cannot be read (two different ones, off the scale) is asked for once more in a message of its own.
- A positive verdict that needs proof, and has none, is followed by one short turn that asks for the words of the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from judge.engine.protocol import Engine
from judge.parse import failure, read, read_copied, read_copy, read_forced, weighed, without_prior
from judge.pipeline.again import next_request, only_thought
from judge.pipeline.asking import begin, follow, states
from judge.pipeline.flight import Flight
from judge.pipeline.keys import RequestKeys
from judge.pipeline.scored import measure, sent, unmeasured
from judge.pipeline.tools import Round, ToolBox, trace
from judge.pipeline.turns import Said, drawn_for, opened, whole
from judge.recipe.load import Recipe
from judge.recipe.model import WRITTEN
from judge.recipe.parts import Turn
from judge.recipe.verdict import Question
from judge.records import quick
from judge.render.build import NOTHING, Ask, Builder, Case
from judge.settings.tools import ToolSettings
from judge.thinking import strip_thinking
from judge.types import Call, Capability, Completion, Message, NoVerdict, Outcome, Reason, Request, Sampling, Structured, Verdict

MEMO_SIZE = 4096  # prompt-scoped replies kept at hand
COPY_TOKENS = 128  # room for the copied words
_COPY = (
    "Copy the words of the response that state its answer, exactly as they stand there, and write nothing else. "
    "If the response states no answer, write: {none}"
)
PRIOR = "prior"  # behind the turn's name, of calls without a response
NONE = "none"  # what a judge writes that finds no answer


class Journal(Protocol):
    """Where finished calls are kept. Both methods must be quick: they run on the event loop."""

    def find(self, key: str) -> Completion | None:
        """The reply kept under this name, if it was usable."""
        ...

    def keep(self, call: Call) -> None:
        """Keep one finished call."""
        ...


@quick
@dataclass(frozen=True, slots=True)
class Asked:
    """What one ask came to: the outcome that counts, and every request made for it.

    Attributes:
        lowest: Why the response gets the lowest grade whatever the verdict says; empty where it does not.
        open: Criterion -> why it has no score, where one reply left it open and the next request failed.
    """

    outcome: Outcome
    calls: tuple[Call, ...]
    lowest: str = ""
    open: Mapping[str, NoVerdict] = field(default_factory=dict)


class Caller:
    """Asks one engine, through one journal, by one recipe."""

    def __init__(
        self,
        builder: Builder,
        engine: Engine,
        sampling: Sequence[Sampling],
        journal: Journal | None = None,
        baseline: Engine | None = None,
        tools: ToolBox | None = None,
    ) -> None:
        """Make a caller.

        Args:
            tools: Of the recipe's turns.
            baseline: Another model that the baseline of a likelihood is asked of.
        """
        self.builder = builder
        self.recipe: Recipe = builder.recipe
        self._writes = self.recipe.spec.reads in WRITTEN
        self.engine = engine
        self._tools = tools or ToolBox(self.recipe.spec.turns, ToolSettings())
        pairs = zip(sampling, self.recipe.spec.turns, strict=False)
        self._sampling = tuple(self._tools.sampling(each, turn) for each, turn in pairs)  # one a turn
        self._journal = journal
        self._baseline = None if baseline is None else Caller(builder, baseline, sampling, journal)
        self.key = RequestKeys(engine)
        self._flight = Flight(MEMO_SIZE)
        self.room = max((s.max_tokens for s in self._sampling), default=0)  # tokens a call needs besides its prompt

    async def ask(self, case: Case, ask: Ask) -> Asked:
        """Go through the turns of one ask. Raises only errors that end the run."""
        if self._writes:
            return await self._go(case, ask, prior=False)
        found = await measure(self, case, ask)
        return Asked(found.outcome, found.calls)

    @property
    def of_baseline(self) -> Caller:
        """What asks about the baseline of a likelihood: another model, or this one."""
        return self._baseline or self

    async def written(self, turn: Turn, messages: tuple[Message, ...], ask: Ask, begun: str) -> Call:
        """The reply to a turn that writes something for later turns."""
        sampling = self._sampling[self.recipe.spec.turns.index(turn)]
        return await self._turn(Request(messages, drawn_for(turn, sampling, ask.vote)), turn, ask, begun)

    async def measured(self, request: Request, turn: Turn, ask: Ask) -> Call:
        """A scored text or a rated conversation; the outcome is None, or the reason why there is no number."""
        key = self.key(request)
        completion, cached = await self._complete(key, request, remember=turn.scope == "prompt")
        call = self._call(key, request, completion, unmeasured(completion, request), turn, ask, cached)
        self._keep(call)
        return call

    async def _go(self, case: Case, ask: Ask, *, prior: bool) -> Asked:
        calls: list[Call] = []
        said = Said()
        outputs: dict[str, str] = {}
        turns = self.recipe.spec.turns
        question = self.builder.question(case, ask)
        copied = question.spec.copied
        for turn, sampling in zip(turns[:-1], self._sampling, strict=False):
            if turn.passages is not None:
                made, case = await self._passages(case, turn, sampling, ask, outputs)
                calls += made
                wrong = next((call.outcome for call in made if isinstance(call.outcome, NoVerdict)), None)
                if wrong is not None:
                    return Asked(wrong, tuple(calls))
                continue
            messages, begun = opened(self.builder, case, turn, ask, outputs, said)
            if copied is not None and copied.turn == turn.name:
                states(question, copies=True)
            request = Request(messages, drawn_for(turn, sampling, ask.vote))
            made, final, spoken = await self._spoken(case, request, turn, ask, begun, remember=prior)
            calls += made
            if isinstance(made[-1].outcome, NoVerdict):
                return Asked(made[-1].outcome, tuple(calls))
            said = Said.after(final.request.messages, final.begun, final.completion)
            outputs[turn.name] = spoken
        messages, begun = opened(self.builder, case, turns[-1], ask, outputs, said)
        request = Request(messages, drawn_for(turns[-1], self._sampling[-1], ask.vote))
        states(question)
        calls += await self._verdict(case, request, question, turns[-1], ask, begun, remember=prior)
        last = calls[-1].outcome
        if copied is not None and copied.turn is not None and isinstance(last, Verdict):
            last = replace(last, copied=read_copy(outputs[copied.turn], copied))
            calls[-1] = replace(calls[-1], outcome=last)
        return _answered(calls) if prior else await self._settled(case, ask, question, calls)

    async def _passages(
        self, case: Case, turn: Turn, sampling: Sampling, ask: Ask, outputs: dict[str, str]
    ) -> tuple[list[Call], Case]:
        """A turn that goes through a text in passages: its calls, and the case with what they copied."""
        assert turn.passages is not None  # noqa: S101  # the caller looked
        cases = self.builder.by_passage(case, turn.passages, ask)

        async def read_one(each: Case) -> Call:
            messages, begun = opened(self.builder, each, turn, ask, outputs, Said())
            return await self._turn(Request(messages, drawn_for(turn, sampling, ask.vote)), turn, ask, begun)

        made = list(await asyncio.gather(*map(read_one, cases)))
        said = [(each, strip_thinking(call.completion.text) or "") for each, call in zip(cases, made, strict=True)]
        return made, self.builder.with_evidence(case, turn.passages, said)

    async def ask_votes(self, case: Case, asks: Sequence[Ask]) -> list[Asked]:
        """Ask the same question once a vote. Single-turn votes share one prefill."""
        first = asks[0]
        place = (first.order, first.shift, first.backwards)
        several = len(asks) > 1 and len(self.recipe.spec.turns) == 1 and self._writes
        if not several or self.recipe.spec.turns[0].tools or any((a.order, a.shift, a.backwards) != place for a in asks):
            return list(await asyncio.gather(*(self.ask(case, a) for a in asks)))
        turn = self.recipe.spec.turns[0]
        messages, begun = opened(self.builder, case, turn, first, {}, Said())
        base = Request(messages, self._sampling[0])
        requests = [replace(base, sampling=replace(base.sampling, seed=base.sampling.seed + a.vote)) for a in asks]
        keys = [self.key(r) for r in requests]
        if self._journal is not None and any(self._journal.find(k) for k in keys):
            return list(await asyncio.gather(*(self.ask(case, a) for a in asks)))
        question = self.builder.question(case, first)
        states(question)
        completions = await self.engine.sample(requests[0], len(asks))
        return list(
            await asyncio.gather(
                *(
                    self._finish(case, r, k, c, question, turn, a, begun)
                    for r, k, c, a in zip(requests, keys, completions, asks, strict=True)
                )
            )
        )

    async def copy(self, asked: Asked, spans: Sequence[str]) -> tuple[str | NoVerdict | None, Call]:
        """Ask for the words of the response that state its answer, behind the call that copied them or gave the verdict.

        Args:
            spans: What the words may be, where the engine can be held to that; empty: anything.

        Returns:
            The words (None: nothing was said; a `NoVerdict`: the call failed), and the call.
        """
        spec = self.recipe.spec.verdict.copied
        turn = self.recipe.spec.turns[-1].name if spec is None or spec.turn is None else spec.turn
        last = next(call for call in reversed(asked.calls) if call.turn == turn)
        assert last.request is not None  # noqa: S101  # made by this object
        none = spec.none if spec is not None else NONE
        structured = Structured(choice=(*spans, none)) if spans and Capability.STRUCTURED in self.engine.capabilities else None
        sampling = replace(last.request.sampling, temperature=0.0, max_tokens=COPY_TOKENS, stop=(), top_logprobs=0)
        begin(last.turn, last.order, last.criteria)
        follow("proof")
        messages = (*_with_reply(last), Message("user", _COPY.format(none=none)))
        request = Request(messages, sampling, structured)
        key = self.key(request)
        completion, cached = await self._complete(key, request)
        if completion.finish_reason == "error" and structured is not None:  # spans that its grammar compiler cannot take
            request = replace(request, structured=None)
            key = self.key(request)
            completion, cached = await self._complete(key, request)
        wrong = failure(completion) if completion.finish_reason != "length" else None
        sent = replace(last, key=key, request=request, completion=completion, cached=cached)
        call = replace(sent, outcome=wrong, again=False, thinking=False, proof=True)
        self._keep(call)
        if wrong is not None and wrong.reason is not Reason.EMPTY:
            return wrong, call
        return read_copy(completion.text, spec), call

    async def _finish(
        self,
        case: Case,
        request: Request,
        key: str,
        completion: Completion,
        question: Question,
        turn: Turn,
        ask: Ask,
        begun: str,
    ) -> Asked:
        calls = await self._read(request, key, completion, False, question, turn, ask, begun)
        return await self._settled(case, ask, question, calls)

    async def _settled(self, case: Case, ask: Ask, question: Question, calls: list[Call]) -> Asked:
        """What an ask came to, with what the judge leans to by itself divided out where the recipe says so."""
        verdict = calls[-1].outcome
        if question.readout is None or question.readout.debias == "none" or not isinstance(verdict, Verdict):
            return _answered(calls)
        prior = await self._go(self.builder.blank(case), replace(ask, vote=0), prior=True)
        before = [
            replace(c, turn=f"{c.turn}:{PRIOR}", outcome=None if isinstance(c.outcome, Verdict) else c.outcome)
            for c in prior.calls
        ]
        if isinstance(prior.outcome, NoVerdict):
            outcome: Outcome = NoVerdict(prior.outcome.reason, f"with {NOTHING} in place of the response: {prior.outcome.detail}")
        else:
            outcome = weighed(verdict, without_prior(verdict.probabilities, prior.outcome.probabilities), question)
        return _answered([*before, *calls[:-1], replace(calls[-1], outcome=outcome)])

    async def _turn(self, request: Request, turn: Turn, ask: Ask, begun: str = "", *, remember: bool = False) -> Call:
        """A turn that states no verdict; its outcome is None, or the reason why it cannot be built on."""
        key = self.key(request)
        completion, cached = await self._complete(key, request, remember=remember or turn.scope == "prompt")
        failure = _unusable(whole(completion, begun))
        call = self._call(key, request, completion, failure, turn, ask, cached)
        self._keep(call)
        return call

    async def _spoken(
        self, case: Case, request: Request, turn: Turn, ask: Ask, begun: str, *, remember: bool
    ) -> tuple[list[Call], Round, str]:
        """A turn that states no verdict: its calls, the last round, and what later turns are told that it said."""
        if not turn.tools:
            call = await self._turn(request, turn, ask, begun, remember=remember)
            entry = Round(request, call.key, call.completion, call.cached, begun)
            return [call], entry, strip_thinking(begun + call.completion.text) or ""
        rounds, wrong = await self._rounds(case, request, turn, begun, remember=remember)
        last = rounds[-1]
        outcome = wrong or _unusable(whole(last.completion, last.begun))
        calls = [self._round(entry, turn, ask, outcome if entry is last else None) for entry in rounds]
        return calls, last, trace(rounds)

    async def _rounds(
        self, case: Case, request: Request, turn: Turn, begun: str, *, remember: bool
    ) -> tuple[list[Round], NoVerdict | None]:
        async def send(asked: Request) -> tuple[str, Completion, bool]:
            key = self.key(asked)
            completion, cached = await self._complete(key, asked, remember=remember or turn.scope == "prompt")
            return key, completion, cached

        sample = case.sample if turn.scope == "response" else replace(case.sample, responses=())
        return await self._tools.loop(request, begun, turn, sample, partial(self.builder.quoted, case), send)

    def _round(self, entry: Round, turn: Turn, ask: Ask, outcome: Outcome | None) -> Call:
        call = self._call(entry.key, entry.request, entry.completion, outcome, turn, ask, entry.cached)
        call = replace(call, observed=entry.observed)
        self._keep(call)
        return call

    async def _verdict(
        self, case: Case, request: Request, question: Question, turn: Turn, ask: Ask, begun: str, *, remember: bool
    ) -> list[Call]:
        if turn.tools:
            rounds, wrong = await self._rounds(case, request, turn, begun, remember=remember)
            last = rounds[-1]
            if wrong is not None:
                return [self._round(entry, turn, ask, wrong if entry is last else None) for entry in rounds]
            made = [self._round(entry, turn, ask, None) for entry in rounds[:-1]]
            return [
                *made,
                *await self._read(last.request, last.key, last.completion, last.cached, question, turn, ask, last.begun),
            ]
        key = self.key(request)
        completion, cached = await self._complete(key, request, remember=remember)
        return await self._read(request, key, completion, cached, question, turn, ask, begun)

    async def _read(
        self,
        request: Request,
        key: str,
        generated: Completion,
        cached: bool,
        question: Question,
        turn: Turn,
        ask: Ask,
        begun: str,
    ) -> list[Call]:
        """Read one reply, and ask once more where the recipe says so.

        Args:
            generated: What the engine gave; it is kept as it is.
            begun: How the recipe began the reply; it is read with that.
        """
        completion = whole(generated, begun)
        outcome = read(completion, question)
        call = self._call(key, request, generated, outcome, turn, ask, cached)
        found = next_request(self.recipe.spec, self.engine.capabilities, request, completion, outcome, question, begun)
        if found is None:
            self._keep(call)
            return [call]
        again, unreadable = found
        follow("ask_again" if unreadable else "force")
        again_key = self.key(again)
        reply, again_cached = await self._complete(again_key, again)
        verdict = read_forced(reply, question) if again.structured is not None else read(reply, question, again=True)
        second = self._call(
            again_key, again, reply, verdict if isinstance(verdict, Verdict) else outcome, turn, ask, again_cached
        )
        if isinstance(verdict, Verdict):  # the reasoning led to a verdict after all: it was a turn of it, and is kept
            call = replace(call, outcome=None)
            if verdict.copied is None and question.spec.copied is not None:
                verdict = replace(verdict, copied=read_copied(completion.text, question.spec.copied))
                second = replace(second, outcome=verdict)
        self._keep(call)
        second = replace(second, again=unreadable, thinking=not unreadable and only_thought(completion))
        self._keep(second)
        return [call, second]

    async def _complete(self, key: str, request: Request, *, remember: bool = False) -> tuple[Completion, bool]:
        """The reply, and whether it came without a request of this call's own."""
        if self._journal is not None:
            found = self._journal.find(key)
            if found is not None:
                return found, True
        whole = ("stop", "length") if request.sampling.max_tokens == 1 else ("stop",)
        return await self._flight.get(key, lambda: sent(self.engine, request), remember=remember, whole=whole)

    def _call(
        self, key: str, request: Request, completion: Completion, outcome: Outcome | None, turn: Turn, ask: Ask, cached: bool
    ) -> Call:
        ids = tuple(c.id for c in ask.criteria)
        model, seed = self.engine.model, request.sampling.seed
        return Call(key, turn.name, ask.order, ids, ask.vote, seed, completion, outcome, cached, model=model, request=request)

    def _keep(self, call: Call) -> None:
        if self._journal is not None and not call.cached:
            self._journal.keep(call)


def _answered(calls: Sequence[Call]) -> Asked:
    last = calls[-1].outcome
    return Asked(last if last is not None else NoVerdict(Reason.MISSING), tuple(calls))


def _with_reply(call: Call) -> tuple[Message, ...]:
    """The conversation of a call with its reply, thinking taken off; a reply that continued a given text is joined to it."""
    assert call.request is not None  # noqa: S101  # made here
    said = (strip_thinking(call.completion.text) or "").strip() or "(nothing)"
    messages = call.request.messages
    if messages[-1].role == "assistant":
        return (*messages[:-1], Message("assistant", messages[-1].text + said))
    return (*messages, Message("assistant", said))


def _unusable(completion: Completion) -> NoVerdict | None:
    """Why nothing can be built on an intermediate reply, if so."""
    reasons = {
        "error": Reason.ENGINE_ERROR,
        "timeout": Reason.TIMEOUT,
        "over_length": Reason.OVER_LENGTH,
        "length": Reason.TRUNCATED,
        "content_filter": Reason.REFUSED,
    }
    reason = reasons.get(completion.finish_reason)
    if reason is not None:
        return NoVerdict(reason, completion.error)
    if completion.refusal:
        return NoVerdict(Reason.REFUSED, completion.refusal[:200])
    if not (strip_thinking(completion.text) or "").strip():
        return NoVerdict(Reason.EMPTY, "an earlier turn said nothing")
    return None
