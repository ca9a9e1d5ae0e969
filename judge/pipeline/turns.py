"""From turn to turn: which messages the next request has, and how the judge's reply to it begins.

- A turn that continues sees the reply before it without its thinking, as a chat would show it. A turn that extends goes on behind
  the very text that the judge wrote, thinking included, because that is what the model was reading.
- A reply that was begun for the judge (`prefill`) is read with its beginning: `\\boxed{` and `4}` are one verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from judge.pipeline.asking import begin
from judge.recipe.parts import Turn
from judge.render.build import Ask, Builder, Case
from judge.thinking import strip_thinking
from judge.types import Completion, Message, Sampling, TokenLogprobs


@dataclass(frozen=True, slots=True)
class Said:
    """A conversation up to the judge's last reply.

    Attributes:
        messages: What was sent, without a reply that was begun.
        reply: All that the judge's last message holds so far, thinking included.
    """

    messages: tuple[Message, ...] = ()
    reply: str = ""

    @classmethod
    def after(cls, sent: Sequence[Message], begun: str, completion: Completion) -> Self:
        """The conversation once a request has its reply.

        Args:
            sent: The request's messages.
            begun: What the recipe wrote at the end of them, as the beginning of the reply.
        """
        before, kept = apart(sent, "")
        text = completion.text
        if completion.reasoning and not begun and not kept:  # split off by the server; the model wrote it
            text = f"<think>\n{completion.reasoning}\n</think>\n\n{text}"
        return cls(before, kept + text)


def opened(
    builder: Builder, case: Case, turn: Turn, ask: Ask, outputs: Mapping[str, str], said: Said
) -> tuple[tuple[Message, ...], str]:
    """The messages of a turn's request, and the text that they begin its reply with (empty where there is none)."""
    begin(turn.name, ask.order, tuple(c.id for c in ask.criteria))
    begun = builder.prefill(case, turn, ask, outputs)
    if turn.conversation == "extend":
        return (*said.messages, Message("assistant", said.reply + begun)), begun
    messages = builder.messages(case, turn, ask, outputs)
    if turn.conversation == "continue":
        messages = [*said.messages, Message("assistant", strip_thinking(said.reply) or ""), *messages]
    return (*messages, Message("assistant", begun)) if begun else tuple(messages), begun


def apart(messages: Sequence[Message], begun: str) -> tuple[tuple[Message, ...], str]:
    """The messages before the reply that is being continued, and what stands in it before the words of `begun`."""
    if not messages or messages[-1].role != "assistant":
        return tuple(messages), ""
    return tuple(messages[:-1]), messages[-1].text.removesuffix(begun.lstrip())


def whole(completion: Completion, begun: str) -> Completion:
    """A reply with the beginning that it was given, as it is read.

    The beginning is one token without probabilities, so that positions in the text still point at the token that was generated.
    """
    if not begun:
        return completion
    logprobs = (TokenLogprobs(begun, {}), *completion.logprobs) if completion.logprobs else ()
    return replace(completion, text=begun + completion.text, logprobs=logprobs)


def drawn_for(turn: Turn, sampling: Sampling, vote: int) -> Sampling:
    """Sampling of one vote: its own seed. A turn that sees only the prompt is asked once, whatever the number of votes."""
    return replace(sampling, seed=sampling.seed + vote) if vote and turn.scope == "response" else sampling
