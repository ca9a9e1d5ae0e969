"""How models mark their thinking: one table, and where it begins and ends in a text.

- A model's own marks (`<think>`, `[THINK]`, gpt-oss channels...) count where a line begins with them. What prompts ask for
  (`<scratchpad>`, `<reasoning>`...) counts only where the whole text begins with it: further down it may be the answer's format.
- Some chat templates open the thinking themselves, so that a text begins inside it and only the closing mark is seen.
- Marks that are special tokens are lost when an engine decodes without them, and words stay: `thought`,
  `analysis...assistantfinal`.
- Thinking that never ends has no answer behind it: the token limit cut it off.
- A mark right behind a quotation mark or a backtick is only mentioned.
- Judges are read more strictly than policies (`judges=True`): a mark of a model's own counts in the middle of a line, and one
  that a prompt asks for at the start of any line, because a draft taken for a verdict is a wrong reward.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
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
    "scratch[_-]?pad",
    "(?:self[_-]?)?reflections?",
    "analysis",
    "(?:inner|internal|hidden|private)[_-]?(?:thoughts?|thinking|reasoning|monologue)",
    "(?:thought|thinking|reasoning)[_-]?(?:process|steps?)",
    "chain[_-]?of[_-]?thought|cot",
    "deliberations?",
    "drafts?",
    "antthinking",
)
_ALONE = 3  # of these, the first ones also count where only their closing tag is seen

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
        r"[*_#]{0,3}\s?Here(?: is|['’]s)(?: my)? (?:thought process|thinking|reasoning process):?[*_]{0,3}",
        r"(?m:^)[*_#]{0,3}\s?Here(?: is|['’]s) my (?:final )?(?:response|answer|verdict):?[*_]{0,3}",
        leading=True,
    ),
    *(Format(f"tag: {name}", *_tag(name), leading=True) for name in _ASKED),
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
_ASKED_TAGS = [(i, f) for i, f in enumerate(FORMATS) if f.name.startswith("tag: ")]
_ASKED_OPENINGS = re.compile("|".join(f"(?P<f{i}>{f.opening})" for i, f in _ASKED_TAGS), re.IGNORECASE)
_JUDGES_CLOSINGS = re.compile(
    "|".join([_CLOSINGS.pattern, *(_ending(f.closing) for _, f in _ASKED_TAGS[:_ALONE])]), re.IGNORECASE
)
_ENDS = re.compile(  # anything that ends thinking
    "|".join(_ending(f.closing) for f in FORMATS if not f.lost_end) + f"|{HARMONY_HEADER.pattern}|{GLUED_FINAL}", re.IGNORECASE
)
_TAG_NAME = re.compile(r"<\s{0,3}([\w:-]{1,40})")
_BARE = ("thought\n", "analysis", "here is ", "here's ", "here’s ")


def _behind_first(pattern: str) -> str | None:
    """A mark's pattern without its first character; None for words."""
    return next((pattern[len(first) :] for first in ("<", r"\[", "◁") if pattern.startswith(first)), None)


_BEHIND_FIRST = "|".join(p for f in FORMATS for m in (f.opening, f.closing) if (p := _behind_first(m)))
_ANY_MARK = re.compile(rf"[<\[◁](?![<\[◁])(?:{_BEHIND_FIRST})", re.IGNORECASE)
MARK_START = re.compile(
    r"[<\[◁](?=" + "|".join(p for f in FORMATS for m in (f.opening, f.closing) if (p := _behind_first(m)))
    + r"|\|(?:channel|start|end|message|return)\|>)|assistant(?=final)",
    re.IGNORECASE,
)  # fmt: skip
"""The first character of any mark (or word), for who has to break marks up in quoted text."""


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


def strip_thinking(text: str) -> str | None:
    """Return what a judge said after its thinking; None when the thinking never ends.

    For use between turns. Of several closing marks without an opening one, the last counts.

    Example:
        >>> strip_thinking("<think>maybe 5?</think>VERDICT: 4")
        'VERDICT: 4'
        >>> strip_thinking("<think>maybe 5?") is None
        True
    """
    spans = thinking_spans(text, judges=True)
    if spans is None:
        return None
    if closed_alone(text, spans) and _opening(text, 0, _marks(text), True, "") is None:
        for last in _hits(_JUDGES_CLOSINGS, text, _marks(text), 0):
            spans = [(0, max(spans[0][1], last.end())), *spans[1:]]
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start])
        at = max(at, end)
    return "".join([*parts, text[at:]]).strip()


def close_thinking(text: str) -> str | None:
    """Thinking that was cut off, with the mark that ends it; None where it did not begin, or nothing could end it.

    Example:
        >>> close_thinking("<think>maybe 5")
        '<think>maybe 5\\n</think>\\n\\n'
    """
    if thinking_spans(text, judges=True) is not None:
        return None
    if "<|channel|>" in text:
        return text.rstrip() + "<|end|><|start|>assistant<|channel|>final<|message|>"
    if GLUED_OPENING.match(text):
        return text.rstrip() + GLUED_FINAL
    opened, at, marks = None, 0, _marks(text)
    while (found := _opening(text, at, marks, True, "")) is not None:  # the last one is the one that never ends
        opened, at = found, found[1]
    if opened is None:
        return None
    mark = text[opened[0] : opened[1]].strip()
    form = FORMATS[opened[2]]
    if form.name == "granite":
        end = "Here is my response:"
    elif mark.startswith("<") and (tag := _TAG_NAME.match(mark)) is not None:
        end = f"</{tag.group(1)}>"
    else:
        end = next((e for m, e in zip(form.tokens[::2], form.tokens[1::2], strict=False) if mark.startswith(m)), "")
    return f"{text.rstrip()}\n{end}\n\n" if end else None


def after_opening(text: str) -> str:
    """A text without the thinking mark that it begins with.

    Example:
        >>> after_opening("<think> Okay"), after_opening("Okay")
        (' Okay', 'Okay')
    """
    found = _LEADING.match(text)
    return text[found.end() :] if found else text


def _marks(text: str) -> list[int]:
    """Where anything stands that begins like a mark: all other text is looked at once."""
    return [hit.start() for hit in _ANY_MARK.finditer(text)]


def _hits(pattern: re.Pattern[str], text: str, marks: list[int], at: int) -> Iterator[re.Match[str]]:
    """The matches of a pattern of marks from a position on."""
    for place in range(bisect_left(marks, at), len(marks)):
        if marks[place] >= at and (found := pattern.match(text, marks[place])) is not None:
            yield found
            at = found.end()


def closed_alone(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether the first span of thinking has no opening mark of its own: it is known by a closing mark or a channel alone."""
    if not spans or spans[0][0] != 0:
        return False
    opened = _LEADING.match(text)
    return opened is None or bool(_channels(text))


def ends_thinking(text: str) -> bool:
    """Whether a text holds a mark that ends thinking."""
    return ("<" in text or "/" in text or "assistant" in text or "ere" in text) and _ENDS.search(text) is not None


def may_hold(text: str) -> bool:
    """Whether a text can hold thinking at all: a few searches for letters, so that plain text costs next to nothing."""
    return "<" in text or "THINK]" in text or "think▷" in text or text[:40].lstrip("*_# \t\n").lower().startswith(_BARE)


def thinking_spans(text: str, *, judges: bool = False, used: str = "") -> list[tuple[int, int]] | None:
    """Spans of the thinking, in order, marks included; None when it never ends.

    A stray closing mark after a complete block is plain text: who quotes `</think>` must not lose the answer to it. Of several
    closing marks without an opening one, the text up to the *first* is thinking.

    Args:
        judges: The text is a judge's reply: marks count in more places.
        used: Name of a tag that the recipe asks for as part of the verdict; it marks no thinking.
    """
    if not may_hold(text):
        return []
    channels = _channels(text)
    if channels is not None:
        return channels or None
    spans: list[tuple[int, int]] = []
    at, marks = 0, _marks(text)
    first = _opening(text, 0, marks, judges, used)
    close = next(_hits(_JUDGES_CLOSINGS if judges else _CLOSINGS, text, marks, 0), None)
    if close is not None and (first is None or close.start() < first[0]):
        spans.append((0, close.end()))  # the chat template opened it
        at = close.end()
    while (opened := _opening(text, at, marks, judges, used)) is not None:
        start, inside, index = opened
        closing = _closing(index)
        end = (
            closing.search(text, inside) if FORMATS[index].name == "granite" else next(_hits(closing, text, marks, inside), None)
        )
        if end is None:
            return None
        spans.append((start, end.end()))
        at = end.end()
    return spans


def _opening(text: str, at: int, marks: list[int], judges: bool, used: str) -> tuple[int, int, int] | None:
    """Start and end of the next opening mark, and its format."""
    found = _LEADING.match(text, at)
    if found is None or _is_used(found, used):
        own = next((m for m in _hits(_OPENINGS, text, marks, at) if judges or _begins_line(text, m.start())), None)
        asked = None
        if judges:
            hits = _hits(_ASKED_OPENINGS, text, marks, at)
            asked = next((m for m in hits if _begins_line(text, m.start()) and not _is_used(m, used)), None)
        found = min((m for m in (own, asked) if m), key=re.Match.start, default=None)
    if found is None:
        return None
    name = found.lastgroup or ""
    return found.start(name), found.end(), int(name[1:])


def _is_used(found: re.Match[str], used: str) -> bool:
    tag = _TAG_NAME.search(found.group()) if used else None
    return tag is not None and tag.group(1).casefold() == used.casefold()


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
