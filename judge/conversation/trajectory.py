"""A trainer's trajectory -> the assistant's side of a conversation.

Agent trainers hold one string of tokens and a mask: 1 where the policy wrote, 0 where a tool or a user did. The mask, not the
marks in the text, says whose words they are: a policy can write marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from judge.conversation.chat_text import bare, messages_in, response_after, with_calls
from judge.conversation.write import plain
from judge.errors import DataError
from judge.types import Conversation, Message, Role, ToolResultPart


def read_masked(
    tokens: Sequence[Any], mask: Sequence[Any], decode: Callable[[Sequence[Any]], str], where: str = "response"
) -> str | Conversation:
    """A response whose mask says which tokens are the policy's.

    Args:
        tokens: Token ids, or pieces of text, of the response alone.
        mask: As long as `tokens`; true where the policy wrote.
        decode: Tokens -> text, special tokens kept.

    Raises:
        DataError: Mask and tokens are not equally long, or the policy wrote nothing.

    Example:
        >>> read_masked(["Hello", "<obs>", "Bye"], [1, 0, 1], "".join)[1].content[0].text
        '<obs>'
    """
    if len(tokens) != len(mask):
        raise DataError(f"{where}: the mask has {len(mask)} values for {len(tokens)} tokens")
    found: list[Message] = []
    at = 0
    for mine, run in groupby(mask, key=bool):
        length = sum(1 for _ in run)
        text = decode(tokens[at : at + length])
        at += length
        found += _policy(text) if mine else _others(text)
    while found and found[-1].role != "assistant":
        found.pop()
    if not found:
        raise DataError(f"{where}: the mask says that the policy wrote nothing")
    return plain(tuple(found))


def _policy(text: str) -> list[Message]:
    said = response_after(text)
    if not isinstance(said, str):
        return list(said)
    return [with_calls(said)] if said else []


def _others(text: str) -> list[Message]:
    """What stands between two turns of the policy: marks name who wrote it, else it is a tool."""
    read = messages_in(text)
    if isinstance(read, str):
        return [Message("tool", (ToolResultPart(read),))] if bare(read) else []
    out: list[Message] = []
    for m in read:
        role: Role = "tool" if m.role == "assistant" else m.role  # the policy did not write it
        out.append(Message("tool", (ToolResultPart(m.text),)) if role == "tool" and m.role != "tool" else m)
    return [m for m in out if m.content]
