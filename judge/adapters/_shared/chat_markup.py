"""One string with a chat template's marks -> messages and the response, for trainers that send nothing else.

A policy can write the marks too. So where a prompt is known it is taken off the front, whatever follows is the response; and
where it is not, the response begins at the *first* assistant mark: an answer that opens another "user" turn cannot choose
the question it is judged by. Conversations with earlier assistant turns have to come as messages.
"""

from __future__ import annotations

import re
from itertools import islice

from judge.types import Message, Role

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "tool": "user",
    "assistant": "assistant", "model": "assistant", "ai": "assistant",
}  # fmt: skip
_HEADS = (
    re.compile(r"<\|im_start\|>(\w{1,20})\n"),  # ChatML: Qwen, SmolLM
    re.compile(r"<\|start_header_id\|>(\w{1,20})<\|end_header_id\|>\s{0,2}"),  # Llama 3
    re.compile(r"<start_of_turn>(\w{1,20})\n"),  # Gemma
    re.compile(r"<\|(system|user|assistant)\|>\n?"),  # Zephyr, Phi, GLM
    re.compile(r"<｜(User|Assistant)｜>"),  # DeepSeek
)
KNOWN_BY = 200  # letters of a prompt's end by which one that was cut from the left is known
TORN = "\ufffd"  # what is left of a letter that the cut went through
MOST_TURNS = 1000  # of one prompt; more is no conversation, and stays text
_ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>", "<eos>", "</s>",
    "<｜end▁of▁sentence｜>", "<|im_start|>assistant",
)  # fmt: skip
_STARTS = ("<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "[gMASK]<sop>")


def messages_in(text: str) -> str | tuple[Message, ...]:
    """A prompt with marks as messages; without any it stays text. A last assistant turn that is still empty is left out.

    Example:
        >>> messages_in("<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n")
        (Message(role='user', content='Hi'),)
    """
    for head in _HEADS:
        marks = list(islice((m for m in head.finditer(text) if m[1].lower() in _ROLES), MOST_TURNS + 1))
        if 0 < len(marks) <= MOST_TURNS:
            ends = [*(m.start() for m in marks[1:]), len(text)]
            turns = [(_ROLES[m[1].lower()], bare(text[m.end() : end])) for m, end in zip(marks, ends, strict=True)]
            return tuple(Message(role, content) for role, content in turns if content or role != "assistant")
    return bare(text)


def response_in(query: str, prompt: str) -> str | None:
    """What follows the prompt in a query, without closing marks; where decoding spaced the prompt another way, or its start
    was cut off, what follows its end. None when the query does not contain the prompt.

    Example:
        >>> prompt = "<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n"
        >>> response_in(prompt + "Hello.<|im_end|>", prompt)
        'Hello.'
        >>> response_in("<s> Capital of  France?  Paris.</s>", "Capital of France?")
        'Paris.'
    """
    for known in (prompt, _opened(prompt)):
        for whole in (query, _opened(query)):
            if known and whole.startswith(known):
                return bare(whole[len(known) :])
    places = [at for at, letter in enumerate(query) if not letter.isspace()]
    end = _end_of("".join(prompt.split()), "".join(query[at] for at in places))
    if end is None:
        return None
    return bare(query[places[end - 1] + 1 :] if end else query)


def _end_of(prompt: str, query: str) -> int | None:
    """How many letters of the query come before the response, both without spaces; None when the prompt is not in it."""
    mark = query.find(">") + 1 if query.startswith("<") else 0  # such as one of the beginning of text
    for start in (0, mark):
        if query.startswith(prompt, start):
            return start + len(prompt)
    if len(prompt) < KNOWN_BY:
        return None
    known, torn = prompt[-KNOWN_BY:], len(query) - len(query.lstrip(TORN))
    within = re.finditer(re.escape(known), query[: torn + len(prompt)])  # what is left of a prompt is no longer than it was
    cut = (found.end() for found in within if prompt.endswith(query[torn : found.end()]))  # examples in it may end as it does
    first = query.find(known)
    return next(cut, first + len(known) if first >= 0 else None)


def split_conversation(text: str) -> tuple[str | tuple[Message, ...], str] | None:
    """Prompt and response of one string; None when no assistant mark says where the response begins."""
    for head in _HEADS:
        mark = next((m for m in head.finditer(text) if _ROLES.get(m[1].lower()) == "assistant"), None)
        if mark is not None:
            return messages_in(text[: mark.start()]), bare(text[mark.end() :])
    return None


def bare(text: str) -> str:
    """Text without the marks at its two ends."""
    out = _opened(text).strip()
    end = len(out)  # moved back without copies: an answer may be a million marks
    while mark := next((e for e in _ENDS if out.endswith(e, 0, end)), ""):
        end -= len(mark)
        while end and out[end - 1].isspace():
            end -= 1
    return out[:end]


def _opened(text: str) -> str:
    """Text without a mark of its beginning, which some tokenizers decode and others leave out."""
    start = next((s for s in _STARTS if text.startswith(s)), "")
    return text[len(start) :]
