"""Completion -> text in which a verdict may be looked for, or the reason why there is no use looking.

- The finish reason is asked before the text: `VERDICT: 1` cut off by the token limit was going to be `10`.
- Thinking holds drafts ("maybe VERDICT: 5?") and is never read. Engines that split it off put it in `reasoning`;
  others leave it in the text, and some chat templates open it themselves, so that only the closing tag is seen.
- Thinking is blanked out, not cut, so every position still points at the same token of the completion.
"""

from __future__ import annotations

import re

from judge.types import Completion, NoVerdict, Reason

_NAME = r"(?:think|thinking|reasoning|thoughts?|seed:think)"
_UNQUOTED = "(?<![\"'`“‘«])"  # a tag right behind a quotation mark is only mentioned
_OPEN = re.compile(rf"{_UNQUOTED}(?:<({_NAME})>|\[(THINK)\]|<\|begin_of_(thought)\|>|◁(think)▷)", re.IGNORECASE)
_CLOSE = re.compile(rf"{_UNQUOTED}(?:</{_NAME}>|\[/THINK\]|<\|end_of_thought\|>|◁/think▷)", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>\s{0,3}(\w{1,20})[^<]{0,80}<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|start|call)\|>")
_GLUED = re.compile(r"\s{0,3}analysis(?=[A-Z\"'*])")  # gpt-oss channels, decoded without their special tokens
_REFUSAL = re.compile(
    r"\s{0,3}(?:(?:i['’]?m|i am) (?:very |so )?sorry|sorry|i (?:can['’]?t|cannot|can not|won['’]?t|will not|must decline"
    r"|am unable|am not able)|i['’]m (?:unable|not able)|as an ai\b)",
    re.IGNORECASE,
)


def failure(completion: Completion) -> NoVerdict | None:
    """Say why a completion cannot hold a verdict, whatever its text; None when it may."""
    if completion.finish_reason in _BY_FINISH:
        detail = completion.error or completion.refusal
        return NoVerdict(_BY_FINISH[completion.finish_reason], detail or f"finish reason `{completion.finish_reason}`")
    if completion.refusal:
        return NoVerdict(Reason.REFUSED, completion.refusal)
    if not completion.text.strip():
        return NoVerdict(Reason.EMPTY, "the judge said nothing")
    return None


_BY_FINISH = {
    "error": Reason.ENGINE_ERROR,
    "timeout": Reason.TIMEOUT,
    "over_length": Reason.OVER_LENGTH,
    "content_filter": Reason.REFUSED,
    "length": Reason.TRUNCATED,
}


def strip_thinking(text: str) -> str | None:
    """Return what a judge said after its thinking; None when the thinking never ends.

    For use between turns. Of several closing tags without an opening one, the last counts.

    Example:
        >>> strip_thinking("<think>maybe 5?</think>VERDICT: 4")
        'VERDICT: 4'
        >>> strip_thinking("<think>maybe 5?") is None
        True
    """
    spans = thinking(text)
    if spans is None:
        return None
    if spans and _OPEN.search(text) is None:
        for last in _CLOSE.finditer(text):
            spans = [(0, max(spans[0][1], last.end())), *spans[1:]]
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start])
        at = max(at, end)
    return "".join([*parts, text[at:]]).strip()


def mask(text: str) -> str | None:
    """Blank out the thinking, keeping every position; None when the thinking never ends."""
    spans = thinking(text)
    return None if spans is None else blank(text, spans)


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Write spaces, and a line break at the end, over some spans of a text."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], " " * (end - start - 1), "\n"]
        at = end
    return "".join([*parts, text[at:]])


def untagged(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether the first span of thinking starts without an opening tag of its own: by a closing tag or a channel alone."""
    return bool(spans) and spans[0][0] == 0 and (not _OPEN.match(text) or bool(_channels(text)))


def has_tag(text: str) -> bool:
    """Whether a text holds something that ends thinking."""
    return bool(_CLOSE.search(text) or _CHANNEL.search(text)) or "assistantfinal" in text


def is_refusal(text: str) -> bool:
    """Whether a text without a verdict reads as a refusal (only its opening words are looked at)."""
    return _REFUSAL.match(text.lstrip("\n *_\"'")) is not None


def thinking(text: str) -> list[tuple[int, int]] | None:
    """Spans of the thinking, in order, tags included; None when it never ends.

    A stray closing tag after a complete block is plain text: a judge that quotes `</think>` must not lose its verdict
    to it. Of several closing tags without an opening, the text up to the *first* is thinking: what stands between
    them may be the verdict, so a different one there makes the reply ambiguous instead of invisible.
    """
    channels = _channels(text)
    if channels != []:
        return channels
    spans: list[tuple[int, int]] = []
    first, close = _OPEN.search(text), _CLOSE.search(text)
    if close is not None and (first is None or close.start() < first.start()):
        spans.append((0, close.end()))
    while first is not None:
        close = _close(first).search(text, first.end())
        if close is None:
            return None
        spans.append((first.start(), close.end()))
        first = _OPEN.search(text, close.end())
    return spans


def _close(opened: re.Match[str]) -> re.Pattern[str]:
    """The closing tag of an opening one."""
    tag = opened.group()
    end = f"</{opened.group(1)}>" if tag[0] == "<" and opened.group(1) else _CLOSERS[tag[0]]
    return re.compile(_UNQUOTED + re.escape(end), re.IGNORECASE)


_CLOSERS = {"[": "[/THINK]", "<": "<|end_of_thought|>", "◁": "◁/think▷"}


def _channels(text: str) -> list[tuple[int, int]] | None:
    """Everything but the last `final` channel of a gpt-oss reply. Empty: no channels. None: no final channel."""
    headers = list(_CHANNEL.finditer(text))
    if headers:
        final = [h for h in headers if h.group(1) == "final"]
        if not final or headers[-1].group(1) == "analysis":
            return None
        end = _CHANNEL_END.search(text, final[-1].end())
        tail = [(end.start(), len(text))] if end else []
        return [(0, final[-1].end()), *tail]
    if _GLUED.match(text):
        at = text.rfind("assistantfinal")
        return None if at < 0 else [(0, at + len("assistantfinal"))]
    return []
