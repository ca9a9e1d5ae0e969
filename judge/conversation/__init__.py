"""Conversations: one reader for every public form, one writer for judges.

Whatever a data set, a client or a trainer holds its chats in becomes the same messages here, so that a sample is judged by the
same words from each of them.
"""

from judge.conversation.chat_text import (
    messages_in,
    response_after,
    response_in,
    split_text,
)
from judge.conversation.messages import (
    after_prompt,
    policy_side,
    read_conversation,
    read_prompt,
    read_response,
    split_conversation,
)
from judge.conversation.trajectory import read_masked
from judge.conversation.write import (
    mapped,
    media,
    opened_thinking,
    own_words,
    plain,
    thinking_apart,
    to_messages,
    without_opening,
    without_system,
    without_thinking,
    write_prompt,
    write_response,
)

__all__ = [
    "after_prompt",
    "mapped",
    "media",
    "messages_in",
    "opened_thinking",
    "own_words",
    "plain",
    "policy_side",
    "read_conversation",
    "read_masked",
    "read_prompt",
    "read_response",
    "response_after",
    "response_in",
    "split_conversation",
    "split_text",
    "thinking_apart",
    "to_messages",
    "without_opening",
    "without_system",
    "without_thinking",
    "write_prompt",
    "write_response",
]
