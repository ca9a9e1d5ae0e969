"""A turn with tools: the judge writes a call, the tool runs, the result comes back quoted, and so on until it calls nothing more.

Every round is a request like any other, with its own key and place in the journal. What a tool gave stands in the call that asked
for it (`Call.observed`) and in the messages of the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from judge.pipeline.turns import apart, whole
from judge.recipe.parts import Turn
from judge.settings.tools import ToolSettings
from judge.thinking import strip_thinking
from judge.tools.calls import STOPS, ToolCall, find_call
from judge.tools.registry import Tool, ToolFailed, find_tools, use
from judge.types import Completion, Message, NoVerdict, Reason, Request, Sample, Sampling

OBSERVATION = "Observation"  # title of the block that holds a result
_NO_MORE = "That was the last call that is possible. Go on without tools, and state what was asked for."
SendRequest = Callable[[Request], Awaitable[tuple[str, Completion, bool]]]
"""A request -> its key, its reply, and whether the reply was at hand already."""


@dataclass(frozen=True, slots=True)
class Round:
    """One request of a turn with tools, and what came of it."""

    request: Request
    key: str
    completion: Completion
    cached: bool
    begun: str
    observed: str = ""
    failed: bool = False


class ToolBox:
    """The tools of a recipe's turns."""

    def __init__(self, turns: tuple[Turn, ...], settings: ToolSettings) -> None:
        self._settings = settings
        self._of: Mapping[str, dict[str, Tool]] = {t.name: find_tools(t.tools, settings) for t in turns if t.tools}

    @property
    def views(self) -> dict[str, list[dict[str, str]]]:
        """Name of a turn -> its tools, for its templates."""
        return {name: [tool.view() for tool in tools.values()] for name, tools in self._of.items()}

    def sampling(self, sampling: Sampling, turn: Turn) -> Sampling:
        """Sampling of a turn, which ends behind a call."""
        return replace(sampling, stop=tuple(dict.fromkeys((*sampling.stop, *STOPS[turn.tool_form])))) if turn.tools else sampling

    async def loop(
        self, request: Request, begun: str, turn: Turn, sample: Sample, quote: Callable[[str, str], str], send: SendRequest
    ) -> tuple[list[Round], NoVerdict | None]:
        """Ask, run what is called, and ask again.

        Args:
            quote: Text and title -> a block of untrusted text.

        Returns:
            The rounds, the reply that calls nothing last; and why the turn came to nothing, if it did.
        """
        rounds: list[Round] = []
        tools = self._of[turn.name]
        while True:
            key, completion, cached = await send(request)
            entry = Round(request, key, completion, cached, begun)
            said = strip_thinking(whole(completion, begun).text)
            called = None if said is None or not _speaks(completion) else find_call(said, turn.tool_form, tuple(tools))
            if called is None or len(rounds) == turn.rounds:
                rounds.append(entry)
                return rounds, _stuck(rounds, called)
            result, failed = await self._run(called, tools, sample)
            rounds.append(replace(entry, observed=result, failed=failed))
            if failed and self._settings.on_error == "no_verdict":
                return rounds, NoVerdict(Reason.TOOL_ERROR, f"tool `{called.name}`: {result}"[:300])
            before, kept = apart(request.messages, begun)
            shown = quote(result, OBSERVATION.upper())
            note = f"{shown}\n\n{_NO_MORE}" if len(rounds) == turn.rounds else shown
            messages = (*before, Message("assistant", kept + called.said), Message("user", note))
            request, begun = replace(request, messages=messages), ""

    async def _run(self, called: ToolCall, tools: Mapping[str, Tool], sample: Sample) -> tuple[str, bool]:
        """What a call came to, and whether it failed."""
        most = self._settings.output_chars
        try:
            if called.problem:
                raise ToolFailed(called.problem)
            text = await use(tools[called.name], called.given, sample)
        except ToolFailed as why:
            return f"The call failed: {why}"[:most], True
        return (text if len(text) <= most else f"{text[:most]}\n[... {len(text) - most:,} characters left out here ...]"), False


def _speaks(completion: Completion) -> bool:
    return completion.finish_reason == "stop" and not completion.refusal


def _stuck(rounds: list[Round], called: ToolCall | None) -> NoVerdict | None:
    """A judge that still calls tools when it may not; whether that is the tools' fault decides the reason."""
    if called is None:
        return None
    if all(r.failed for r in rounds[:-1]):
        return NoVerdict(Reason.TOOL_ERROR, f"the judge calls tools that fail: {rounds[-2].observed}"[:300])
    return NoVerdict(Reason.TOOL_ERROR, f"the judge still calls tools after {len(rounds) - 1} rounds")


def trace(rounds: list[Round]) -> str:
    """What a turn with tools came to, for later turns: the judge's words and the results, in order."""
    parts = []
    for entry in rounds:
        parts.append(strip_thinking(whole(entry.completion, entry.begun).text) or "")
        if entry.observed:
            parts.append(f"[{OBSERVATION}]\n{entry.observed}")
    return "\n\n".join(part.strip() for part in parts if part.strip())
