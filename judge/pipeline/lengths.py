"""What is too long to be judged: refused for its size, or with the middle of the responses cut out until it fits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from judge.conversation import mapped, own_words
from judge.pipeline.before import cut, kept_share
from judge.pipeline.calls import Caller
from judge.pipeline.voting import Work
from judge.render.build import Ask, Case
from judge.reward.assemble import Cell
from judge.settings import FilterSettings
from judge.types import Flag, Message, Sample

SHRINKS = 6  # times a text is cut and asked about again, where only the endpoint knows its length
LEAST_CHARS = 200  # of the longest response; when less would have to do, the rest of the prompt is what does not fit
AskAll = Callable[[Case, Sequence[Ask], Work], Awaitable[None]]


class Lengths:
    """The limits of one pipeline.

    Args:
        principle: Of the run, for cases that are made anew.
        cuts: `on_over_length: truncate`; else a prompt that does not fit has no verdict.
    """

    def __init__(self, caller: Caller, filters: FilterSettings, principle: str | None, *, cuts: bool) -> None:
        self._caller = caller
        self._filters = filters
        self._principle = principle
        self.cuts = cuts

    def too_much(self, sample: Sample) -> str:
        """Why no response to this sample is judged, for the size of what comes with it; empty where it is not too large."""
        shown = len(sample.prompt_text) + sum(map(len, sample.context))
        if shown > self._filters.max_prompt_chars:
            most = f"{self._filters.max_prompt_chars:,} (`filters.max_prompt_chars`)"
            return f"the prompt and its documents have {shown:,} characters; at most {most} are judged"
        known = sum(map(len, sample.reference or ()))
        if known > self._filters.max_reference_chars:
            most = f"{self._filters.max_reference_chars:,} (`filters.max_reference_chars`)"
            return f"the reference has {known:,} characters; at most {most} are judged"
        return ""

    def too_long(self, text: str) -> str:
        """Why a response is refused for its size; empty when it is not."""
        if len(text) > self._filters.max_response_chars:
            return f"{len(text):,} characters; at most {self._filters.max_response_chars:,} are judged"
        most = self._filters.max_response_tokens
        if most is None or len(text.encode("utf-8", "surrogatepass")) <= most:  # a token is at least one byte
            return ""
        tokens = self._caller.engine.count_tokens([Message("user", text)])
        return f"{tokens:,} tokens; at most {most:,} are judged" if tokens is not None and tokens > most else ""

    def fit(self, case: Case, asks: Sequence[Ask], work: Work) -> Case:
        """Under `on_over_length: truncate`, cut the middle out of responses until the longest call fits."""
        limit = self._caller.engine.context_length
        if not self.cuts or limit is None:
            return case
        room = limit - self._caller.room
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
                    work.flag(index, Flag("truncated_response", detail, str(index)))
            case = self._caller.builder.case(replace(case.sample, responses=responses), case.rubric, self._principle)
        return case

    async def shrink(
        self, case: Case, asks: Sequence[Ask], work: Work, programs: Mapping[int, dict[str, list[Cell]]], ask_all: AskAll
    ) -> Work:
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
            case = self._caller.builder.case(replace(case.sample, responses=responses), case.rubric, self._principle)
            work = Work({i: {k: list(v) for k, v in cells.items()} for i, cells in programs.items()}, work.suspects)
            for index, (before, after) in enumerate(zip(whole, responses, strict=True)):
                if before != after:
                    detail = (
                        f"cut from {len(own_words(before)):,} to {len(own_words(after)):,} characters: the endpoint takes no more"
                    )
                    work.flag(index, Flag("truncated_response", detail, str(index)))
            await ask_all(case, asks, work)
        return first if any(c.completion.finish_reason == "over_length" for cs in work.calls.values() for c in cs) else work

    def _longest(self, case: Case, asks: Sequence[Ask]) -> int | None:
        turn = self._caller.recipe.spec.turns[-1]
        ask = max(asks, key=lambda a: len(a.criteria[0].text) if a.criteria else 0)
        spoken = dict.fromkeys((t.name for t in self._caller.recipe.spec.turns), "")  # what earlier turns will say is not known
        return self._caller.engine.count_tokens(self._caller.builder.messages(case, turn, ask, spoken))
