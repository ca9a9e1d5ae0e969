"""One string with a chat template's marks -> messages and the response, for those that hold nothing else.

A policy can write the marks too. So where a prompt is known it is taken off the front, whatever follows is the response; and
where it is not, the response begins at the *first* assistant mark: an answer that opens another "user" turn cannot choose
the question it is judged by. Conversations with earlier assistant turns have to come as messages. The family is the one whose
mark comes first, so an answer cannot choose that either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from judge.thinking import Split, split_thinking
from judge.types import Conversation, Message, Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart

_ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "developer", "user": "user", "human": "user", "prompter": "user",
    "tool": "tool", "ipython": "tool", "tool_response": "tool", "observation": "tool", "environment": "tool", "function": "tool",
    "assistant": "assistant", "model": "assistant", "ai": "assistant", "chatbot": "assistant",
}  # fmt: skip


class Family(NamedTuple):
    """Chat templates that mark their turns in one way.

    Attributes:
        head: Mark of a turn's beginning; a group holds the role, or stands for it by its number's place in `fixed`.
        fixed: Roles of marks that do not name one (`[/INST]`).
        before: What stands before the first mark, beginning-of-text marks aside, is the system message.
    """

    name: str
    head: re.Pattern[str]
    fixed: Mapping[str, Role] = {}
    before: bool = False


FAMILIES = (
    Family("ChatML, Qwen, SmolLM, Phi-4", re.compile(r"<\|im_start\|>(\w{1,20})(?:\n|<\|im_sep\|>|\Z)")),
    Family("Kimi", re.compile(r"<\|im_(?:user|assistant|system)\|>(\w{1,40})<\|im_middle\|>")),
    Family("Llama 3", re.compile(r"<\|start_header_id\|>(\w{1,20})<\|end_header_id\|>\s{0,2}")),
    Family("Llama 4", re.compile(r"<\|header_start\|>(\w{1,20})<\|header_end\|>\s{0,2}")),
    Family("Gemma 2 and 3", re.compile(r"<start_of_turn>(\w{1,20})\n")),
    Family("Gemma 4", re.compile(r"<\|turn>(\w{1,20})\n")),
    Family("gpt-oss", re.compile(r"<\|start\|>([\w.]{1,80})[^<]{0,80}(?=<\|channel\|>|<\|message\|>|\Z)(?:<\|message\|>)?")),
    Family("Granite", re.compile(r"<\|start_of_role\|>(\w{1,20})[^<]{0,200}<\|end_of_role\|>")),
    Family("Cohere", re.compile(r"<\|START_OF_TURN_TOKEN\|><\|(USER|SYSTEM|CHATBOT)_TOKEN\|>")),
    Family(
        "Mistral, Llama 2",
        re.compile(r"(\[/?INST\]|\[SYSTEM_PROMPT\]|\[/?TOOL_RESULTS\]|\[AVAILABLE_TOOLS\])"),
        {
            "[inst]": "user", "[/inst]": "assistant", "[system_prompt]": "system", "[tool_results]": "tool",
            "[/tool_results]": "assistant", "[available_tools]": "system",
        },
    ),
    Family("DeepSeek", re.compile(r"<｜(User|Assistant)｜>"), before=True),
    Family("Zephyr, Phi-3, GLM, Tulu", re.compile(r"<\|(system|user|assistant|observation)\|>\n?")),
    Family("EXAONE", re.compile(r"\[\|(system|user|assistant|tool)\|\]\n?")),
    Family("MiniMax", re.compile(r"\]~b\](system|user|ai|tool)[^\n]{0,80}\n")),
    Family("Seed", re.compile(r"<seed:bos>(system|user|assistant|tool)\n")),
    Family("Apertus", re.compile(r"<\|(system|developer|user|assistant)_start\|>")),
)  # fmt: skip
_HARMONY = next(f for f in FAMILIES if f.name == "gpt-oss")
_MISTRAL = next(f for f in FAMILIES if f.name.startswith("Mistral"))
KNOWN_BY = 200  # letters of a prompt's end by which one that was cut from the left is known
TORN = "\ufffd"  # what is left of a letter that the cut went through
MOST_TURNS = 1000  # of one prompt; more is no conversation, and stays text
_ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>",
    "<|end_of_text|>", "<end_of_turn>", "<turn|>", "<eos>", "</s>", "<｜end▁of▁sentence｜>", "<|im_start|>assistant",
    "<|start|>assistant",
    "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "[/SYSTEM_PROMPT]", "[/AVAILABLE_TOOLS]", "[|endofturn|]", "[e~[", "<seed:eos>",
    "<|system_end|>", "<|developer_end|>", "<|user_end|>", "<|assistant_end|>", "<|header_start|>assistant<|header_end|>",
)  # fmt: skip
_STARTS = (
    "<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "[gMASK]<sop>", "<BOS_TOKEN>", "<|startoftext|>",
    "<|endoftext|>",
    "[BOS]", "]~!b[",
)  # fmt: skip
_BY_LAST = {pair: [e for e in _ENDS if e.endswith(pair)] for pair in {e[-2:] for e in _ENDS}}
_RESPONSE_STARTS = ("<|START_RESPONSE|>",)
_FIRST = ("<", "[", "]")  # letters that marks begin with


def begins_with_mark(text: str) -> bool:
    """Whether a text begins with a chat template's mark, a mark of the beginning of text aside."""
    if text[:1] not in _FIRST and text[:16].lstrip()[:1] not in _FIRST:
        return False
    rest = _opened(text.lstrip()).lstrip()
    return any(f.head.match(rest) and (f is not _MISTRAL or "[/INST]" in rest or rest != text.lstrip()) for f in FAMILIES) or (
        rest != text.lstrip() and "<｜User｜>" in rest
    )


def _family(text: str) -> Family | None:
    """The family whose mark comes first."""
    found = [(m.start(), f) for f in FAMILIES if (m := next(_heads(f, text), None))]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _heads(family: Family, text: str) -> Iterator[re.Match[str]]:
    return (m for m in family.head.finditer(text) if _role(family, m) is not None)


def _role(family: Family, mark: re.Match[str]) -> Role | None:
    name = mark[1].lower()
    if family.fixed:
        return family.fixed.get(name)
    if family is _HARMONY and ("." in name or name == "functions"):
        return "tool"  # <|start|>functions.get_weather to=assistant
    return _ROLES.get(name)


def messages_in(text: str) -> str | Conversation:
    """A prompt with marks as messages; without any it stays text. A last assistant turn that is still empty is left out.

    Example:
        >>> messages_in("<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n")
        'Hi'
    """
    family = _family(text) if any(c in text for c in _FIRST) else None
    if family is None:
        return bare(text)
    marks = list(islice(_heads(family, text), MOST_TURNS + 1))
    if len(marks) > MOST_TURNS:
        return bare(text)
    ends = [*(m.start() for m in marks[1:]), len(text)]
    turns: list[Message] = []
    first = bare(text[: marks[0].start()])
    if family.before and first:
        turns.append(Message("system", first))
    for mark, end in zip(marks, ends, strict=True):
        role = _role(family, mark)
        assert role is not None  # noqa: S101  # `_heads` gives no other
        turns += _turn(family, role, mark, text[mark.end() : end])
    return as_prompt(tuple(m for m in turns if m.content or m.role != "assistant"))


def as_prompt(found: Conversation) -> str | Conversation:
    """A prompt in its one form: without a last assistant turn that says nothing yet (some templates write an empty thinking
    into it), and a single user message of plain text as that text.
    """
    while len(found) > 1 and found[-1].role == "assistant" and _says_nothing(found[-1].content):
        found = found[:-1]
    if len(found) == 1 and found[0].role == "user" and isinstance(found[0].content, str):
        return found[0].content
    return found


def _says_nothing(content: str | tuple[Part, ...]) -> bool:
    return isinstance(content, str) and split_thinking(content) == Split("", "", True)


def _turn(family: Family, role: Role, mark: re.Match[str], raw: str) -> list[Message]:
    """One turn's messages."""
    if family is _HARMONY:
        return _harmony_turn(role, mark, raw)
    content = bare(raw, of_response=role == "assistant")
    if family is _MISTRAL:
        if role == "assistant" and not content:
            return []
        if role == "user" and content.startswith("<<SYS>>"):
            system, end, rest = content.removeprefix("<<SYS>>").partition("<</SYS>>")
            if end:
                return [Message("system", system.strip()), Message("user", rest.strip())]
    if role == "user" and content.startswith("<tool_response>"):
        results = [r.strip() for r in re.findall(r"<tool_response>(.*?)</tool_response>", content, re.DOTALL)]
        return [Message("tool", (ToolResultPart(r),)) for r in results] or [Message(role, content)]
    if role == "tool":
        return [Message("tool", (ToolResultPart(content),))]
    return [with_calls(content)] if role == "assistant" else [Message(role, content)]


_HERMES = re.compile(r"<tool_call>\s*+((?:(?!</?tool_call>).)*+)</tool_call>", re.DOTALL)


def with_calls(text: str) -> Message:
    """An assistant's text in which tool calls stand as JSON in `<tool_call>`, taken apart.

    Example:
        >>> with_calls('<tool_call>{"name": "f", "arguments": {}}</tool_call>').content
        (ToolCallPart(name='f', arguments='{}', id=''),)
    """
    if "<tool_call>" not in text:
        return Message("assistant", text)
    parts: list[Part] = []
    at = 0
    for found in _HERMES.finditer(text):
        call = _hermes_call(found[1].strip())
        if call is None:
            return Message("assistant", text)
        if before := text[at : found.start()].strip():
            parts.append(TextPart(before))
        parts.append(call)
        at = found.end()
    if not parts:
        return Message("assistant", text)
    if after := text[at:].strip():
        parts.append(TextPart(after))
    return Message("assistant", tuple(parts))


def _hermes_call(text: str) -> ToolCallPart | None:
    import json  # noqa: PLC0415  # only for tool calls

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    return ToolCallPart(value["name"], json.dumps(value.get("arguments", {}), ensure_ascii=False))


# ---- gpt-oss ------------------------------------------------------------------------------------------------------

_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant([^<]{0,80}))?<\|channel\|>\s{0,3}(\w{1,20})([^<]{0,80})(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_RECIPIENT = re.compile(r"to=(?:functions\.)?([\w.\-]{1,80})")


def _harmony_turn(role: Role, mark: re.Match[str], raw: str) -> list[Message]:
    if role == "assistant":
        found = harmony(mark.group() + raw)
        return [found] if found is not None else []
    text = raw.partition("<|message|>")[2] if raw.startswith("<|channel|>") else raw
    content = bare(text)
    if role == "tool":
        return [Message("tool", (ToolResultPart(content, mark[1].removeprefix("functions.")),))]
    return [Message(role, content)]


def harmony(text: str) -> Message | None:
    """What an assistant of the gpt-oss family said: analysis is thinking, a recipient makes a tool call. None: nothing.

    Example:
        >>> harmony("<|channel|>analysis<|message|>Hm.<|end|><|channel|>final<|message|>Paris.<|return|>").content
        (ReasoningPart(text='Hm.'), TextPart(text='Paris.'))
    """
    heads = list(islice(_CHANNEL.finditer(text), MOST_TURNS))
    if not heads:
        content = bare(re.sub(r"\A<\|start\|>assistant(?:<\|message\|>)?", "", text))
        return Message("assistant", content) if content else None
    parts: list[Part] = []
    for head, end in zip(heads, [*(h.start() for h in heads[1:]), len(text)], strict=True):
        said = bare(text[head.end() : end])
        to = _RECIPIENT.search((head[1] or "") + head[3])
        if to is not None:
            parts.append(ToolCallPart(to[1], said))
        elif head[2] == "analysis":
            parts.append(ReasoningPart(said))
        elif said:
            parts.append(TextPart(said))
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return Message("assistant", parts[0].text)
    return Message("assistant", tuple(parts)) if parts else None


# ---- the response -------------------------------------------------------------------------------------------------


def response_in(query: str, prompt: str) -> str | Conversation | None:
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
                return response_after(whole[len(known) :])
    places = [at for at, letter in enumerate(query) if not letter.isspace()]
    end = _end_of("".join(prompt.split()), "".join(query[at] for at in places))
    if end is None:
        return None
    return response_after(query[places[end - 1] + 1 :] if end else query)


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


def split_text(text: str) -> tuple[str | Conversation, str | Conversation] | None:
    """Prompt and response of one string; None when no assistant mark says where the response begins.

    Example:
        >>> split_text("<s>[INST] Capital? [/INST] Paris.</s>")
        ('Capital?', 'Paris.')
    """
    family = _family(text)
    mark = next((m for m in _heads(family, text) if _role(family, m) == "assistant"), None) if family else None
    if family is None or mark is None:
        return None
    prompt = messages_in(text[: mark.start()])
    return prompt, response_after(text[mark.start() :] if family is _HARMONY else text[mark.end() :])


def response_after(text: str) -> str | Conversation:
    """A response as a policy's tokens spell it, without the marks of its beginning and end; gpt-oss channels taken apart."""
    if "<|channel|>" in text[:200] or text.startswith("<|start|>assistant"):
        found = harmony(text)
        if found is not None:
            return found.content if isinstance(found.content, str) else (found,)
    return bare(text, of_response=True)


def bare(text: str, *, of_response: bool = False) -> str:
    """Text without the marks at its two ends."""
    out = _opened(text).strip()
    if of_response:
        for start in _RESPONSE_STARTS:
            out = out.removeprefix(start)
        out = out.lstrip()
    end = len(out)  # moved back without copies: an answer may be a million marks
    while mark := next((e for e in _BY_LAST.get(out[max(0, end - 2) : end], ()) if out.endswith(e, 0, end)), ""):
        end -= len(mark)
        while end and out[end - 1].isspace():
            end -= 1
    return out[:end]


def _opened(text: str) -> str:
    """Text without a mark of its beginning, which some tokenizers decode and others leave out."""
    start = next((s for s in _STARTS if text.startswith(s)), "")
    return text[len(start) :]


# ---- transcripts --------------------------------------------------------------------------------------------------

_TRANSCRIPT = re.compile(r"(?:\A\s*+|\n\n)(Human|Assistant):[ ]?")


def transcript(text: str) -> Conversation | None:
    """An HH transcript (`Human: ...`, blank line, `Assistant: ...`) as messages; None when the text is none.

    Example:
        >>> transcript("\\n\\nHuman: 2+2?\\n\\nAssistant: 4")[1]
        Message(role='assistant', content='4')
    """
    if not text[:64].lstrip().startswith("Human:") or "\n\nAssistant:" not in text:
        return None
    marks = list(_TRANSCRIPT.finditer(text))
    ends = [*(m.start() for m in marks[1:]), len(text)]
    turns = [(m[1], text[m.end() : end].strip()) for m, end in zip(marks, ends, strict=True)]
    if turns[-1] == ("Assistant", ""):
        turns = turns[:-1]
    return tuple(Message("user" if who == "Human" else "assistant", said) for who, said in turns)
