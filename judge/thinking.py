"""How models mark their thinking: one table, and where it begins and ends in a text.

- A model's own marks (`<think>`, `[THINK]`, gpt-oss channels...) count where a line begins with them. What prompts ask for
  (`<scratchpad>`, `<reasoning>`...) counts only where the whole text begins with it: further down it may be the answer's format.
- Some chat templates open the thinking themselves, so that a text begins inside it and only the closing mark is seen.
- Marks that are special tokens are lost when an engine decodes without them, and words stay: `thought`,
  `analysis...assistantfinal`.
- Thinking that never ends has no answer behind it: the token limit cut it off.
- A mark right behind a quotation mark or a backtick is only mentioned.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Format(NamedTuple):
    """One way of marking thinking.

    Attributes:
        opening: Regular expression of the mark that begins it.
        closing: Regular expression of the mark that ends it.
        leading: It counts only where the text begins with it (or right after other thinking).
        tokens: The marks that are special tokens in the vocabularies of the models that use them.
        lost_end: The closing mark is a special token while the opening is a word: decoded without special tokens, no end is left.
    """

    name: str
    opening: str
    closing: str
    leading: bool = False
    tokens: tuple[str, ...] = ()
    lost_end: bool = False


def _tag(names: str) -> tuple[str, str]:
    """Opening and closing tag, with spaces and attributes."""
    return (
        rf"<\s{{0,3}}(?:{names})(?:\s[^<>/]{{0,80}})?>",
        rf"<\s{{0,3}}/\s{{0,3}}(?:{names})\s{{0,3}}>",
    )


_ASKED = (
    "thinking",
    "thoughts?",
    "reasoning",
    "scratchpad",
    "reflection",
    "analysis",
    "inner_?(?:thoughts?|monologue)",
    "antthinking",
)

FORMATS: tuple[Format, ...] = (
    Format("think", *_tag(r"(?:[a-z]{1,12}[:_])?think"), tokens=("<think>", "</think>", "<seed:think>", "</seed:think>")),
    Format("mistral", r"\[THINK\]", r"\[/THINK\]", tokens=("[THINK]", "[/THINK]")),
    Format("kimi", "◁think▷", "◁/think▷", tokens=("◁think▷", "◁/think▷")),
    Format("cohere", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>", tokens=("<|START_THINKING|>", "<|END_THINKING|>")),
    Format("gemma 4", r"<\|channel>\s{0,3}thought\b\s{0,3}", r"<channel\|>", tokens=("<|channel>", "<channel|>")),
    Format(
        "openthinker", r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>",
        tokens=("<|begin_of_thought|>", "<|end_of_thought|>"),
    ),
    Format("apertus", r"<\|inner_prefix\|>", r"<\|inner_suffix\|>", tokens=("<|inner_prefix|>", "<|inner_suffix|>")),
    Format(
        "granite",
        r"[*_#]{0,3}\s?Here(?: is|['’]s) my thought process:?[*_]{0,3}",
        r"(?m:^)[*_#]{0,3}\s?Here(?: is|['’]s) my response:?[*_]{0,3}",
        leading=True,
    ),
    *(Format(re.sub(r"\W.*", "", name), *_tag(name), leading=True) for name in _ASKED),
    # Gemma 4 without its special tokens. `\n` follows the word at once, and the end of the thinking is gone.
    Format("gemma 4, decoded without special tokens", r"(?-i:thought)\n(?=\s{0,3}\S)", r"(?!)", leading=True, lost_end=True),
)  # fmt: skip

# gpt-oss channels: <|channel|>analysis<|message|>...<|end|>. The marks are special tokens.
HARMONY_TOKENS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>")
HARMONY_HEADER = re.compile(r"<\|channel\|>\s{0,3}(\w{1,20})([^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?)<\|message\|>")
HARMONY_END = re.compile(r"<\|(?:end|return|start|call)\|>")
# The same, decoded without them: `analysisWe look...assistantfinalParis.`
GLUED_OPENING = re.compile(r"\s{0,3}analysis(?=[^\W\d_]|[\"'*])")
GLUED_FINAL = "assistantfinal"
# Marks around the answer, dropped with the thinking.
ANSWER_MARKS = ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|begin_of_solution|>", "<|end_of_solution|>")

SPECIAL_TOKENS: frozenset[str] = frozenset((*HARMONY_TOKENS, *ANSWER_MARKS, *(t for f in FORMATS for t in f.tokens)))
"""Marks that an engine has to keep when it decodes, where they are special tokens of its tokenizer."""

_UNQUOTED = "(?<![\"'`“‘«])"  # a mark right behind a quotation mark is only mentioned


def _ending(closing: str) -> str:
    """A closing mark that is not in quotation marks; thinking itself may end with one: `he said "5"</think>`."""
    return f"(?:{_UNQUOTED}{closing}|{closing}(?![\"'`”’»]))"


_OPENINGS = re.compile(
    "|".join(f"(?P<f{i}>{_UNQUOTED}{f.opening})" for i, f in enumerate(FORMATS) if not f.leading), re.IGNORECASE
)
_LEADING = re.compile(r"\s*+(?:" + "|".join(f"(?P<f{i}>{f.opening})" for i, f in enumerate(FORMATS)) + ")", re.IGNORECASE)
_CLOSINGS = re.compile("|".join(_ending(f.closing) for f in FORMATS if not f.leading), re.IGNORECASE)
_BARE = ("thought\n", "analysis", "here is my thought", "here's my thought", "here’s my thought")


class Split(NamedTuple):
    """A text, taken apart. `closed` is False where thinking began and never ended: then there is no answer."""

    thinking: str
    answer: str
    closed: bool


@lru_cache(maxsize=64)
def _closing(index: int) -> re.Pattern[str]:
    return re.compile(_ending(FORMATS[index].closing), re.IGNORECASE)


def split_thinking(text: str) -> Split:
    """Take the thinking off a text that a model wrote. Never raises, linear in the text.

    Example:
        >>> split_thinking("<think>maybe 5?</think>It is 4.")
        Split(thinking='maybe 5?', answer='It is 4.', closed=True)
        >>> split_thinking("maybe 5?</think>It is 4.").answer  # the chat template opened it
        'It is 4.'
        >>> split_thinking("<think>maybe 5?")
        Split(thinking='maybe 5?', answer='', closed=False)
    """
    if not may_hold(text):
        return Split("", text, True)
    spans = thinking_spans(text)
    if spans is None:
        return Split(_unmarked(text), "", False)
    if not spans:
        return Split("", text, True)
    parts, kept, at = [], [], 0
    for start, end in spans:
        kept.append(text[at:start])
        parts.append(_unmarked(text[start:end]))
        at = end
    answer = "".join([*kept, text[at:]]).strip()
    for mark in ANSWER_MARKS:
        answer = answer.removeprefix(mark).removesuffix(mark).strip()
    return Split("\n\n".join(p for p in parts if p), answer, True)


def may_hold(text: str) -> bool:
    """Whether a text can hold thinking at all: a few searches for letters, so that plain text costs next to nothing."""
    return "<" in text or "THINK]" in text or "think▷" in text or text[:40].lstrip("*_# \t\n").lower().startswith(_BARE)


def thinking_spans(text: str, *, anywhere: bool = False) -> list[tuple[int, int]] | None:
    """Spans of the thinking, in order, marks included; None when it never ends.

    Args:
        anywhere: A model's own marks count in the middle of a line, too.
    """
    channels = _channels(text)
    if channels is not None:
        return channels or None
    spans: list[tuple[int, int]] = []
    at = 0
    first, close = _opening(text, 0, anywhere=anywhere), _CLOSINGS.search(text)
    if close is not None and (first is None or close.start() < first[0]):
        spans.append((0, close.end()))  # the chat template opened it
        at = close.end()
    while (opened := _opening(text, at, anywhere=anywhere)) is not None:
        start, inside, index = opened
        end = _closing(index).search(text, inside)
        if end is None:
            return None
        spans.append((start, end.end()))
        at = end.end()
    return spans


def _opening(text: str, at: int, *, anywhere: bool) -> tuple[int, int, int] | None:
    """Start and end of the next opening mark, and its format."""
    found = _LEADING.match(text, at)
    if found is None:
        found = next((m for m in _OPENINGS.finditer(text, at) if anywhere or _begins_line(text, m.start())), None)
    if found is None:
        return None
    name = found.lastgroup or ""
    return found.start(name), found.end(), int(name[1:])


def _begins_line(text: str, at: int) -> bool:
    before = text[max(0, at - 8) : at].rstrip(" \t")
    return not before or before[-1] in "\n>"


def _channels(text: str) -> list[tuple[int, int]] | None:
    """Everything but the last `final` channel of a gpt-oss text. None: no channels. Empty: no final channel."""
    headers = list(HARMONY_HEADER.finditer(text)) if "<|channel|>" in text else []
    if headers:
        final = [h for h in headers if h[1] == "final"]
        if not final or headers[-1][1] == "analysis":
            return []
        end = HARMONY_END.search(text, final[-1].end())
        return [(0, final[-1].end()), *([(end.start(), len(text))] if end else [])]
    if GLUED_OPENING.match(text):
        at = text.rfind(GLUED_FINAL)
        return [] if at < 0 else [(0, at + len(GLUED_FINAL))]
    return None


_MARKS = re.compile(
    rf"{_CLOSINGS.pattern}|{_OPENINGS.pattern}|{HARMONY_HEADER.pattern}|{HARMONY_END.pattern}(?:assistant)?", re.IGNORECASE
)


def _unmarked(text: str) -> str:
    """Thinking without its marks."""
    for opening in (_LEADING, GLUED_OPENING):
        found = opening.match(text)
        if found is not None:
            text = text[found.end() :]
            break
    text = text.removesuffix(GLUED_FINAL)
    leading = next((m for f in FORMATS if f.leading and (m := re.search(f.closing + r"\s*\Z", text[-80:], re.IGNORECASE))), None)
    if leading is not None:
        text = text[: len(text) - len(leading.group())]
    return _MARKS.sub("", text).strip()
