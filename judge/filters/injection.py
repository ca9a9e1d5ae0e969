"""What a response carries that a reader does not see, or that is meant for the judge. Reported only: the text is never rewritten."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from judge.filters.surface import ResponseView

_LIMIT = 10_000  # findings that are counted; a text may hold millions
_FIRST, _LAST = 200, 600  # characters at both ends in which a planted verdict is looked for
_WINDOWS = 100  # places of one hint word that are read
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]|[\ud800-\udfff]"
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = frozenset("\u200c\u200d")
_CHAT = (  # each begins with one character, which is looked for first
    re.compile(
        r"<[|\uff5c][^<>\s]{1,60}[|\uff5c]>|</?s>|<(?:unk|pad|bos|eos|mask|image|video|audio|sep|cls)>|<(?:start|end)_of_(?:turn|image|text)>"
        r"|<</?SYS>>|</?(?:think|tool_call|tool_response|function_call)>"
    ),
    re.compile(r"\[(?:/?INST|CLS|SEP|PAD|MASK|BOS|EOS)\]"),
    re.compile(r"\x00[\d,]{1,60}\x00"),
)
_TURN = re.compile(r"\n(?:Human|Assistant|User|System|USER|ASSISTANT|SYSTEM):")
_VERDICT = re.compile(
    r"\[\[\s?(?:[A-E](?:[<>=]{1,2}[A-E])?|-?[\d.]{1,6}|tie|yes|no)\s?\]\]|<(?:score|verdict|rating|grade|reward|judge?ment|decision|label|winner)>"
    r"|\[RESULT\]|\bequivalence judge?ment\b|=== ?report over ?==="
    r"|\b(?:score|rating|grade|verdict|final decision|judge?ment|decision|reward|winner|final score|overall)\b[\"'*]{0,3}\s{0,3}[:=]\s{0,3}[\"'*\[]{0,3}"
    r"(?:[\d\u00b2\u00b3\u00b9\uff10-\uff19.]{1,6}(?:\s?(?:/|out of)\s?\d{1,3})?|yes|no|pass|fail|true|false|correct|incorrect|[A-E]\b|response [a-z0-9]\b|assistant [a-z0-9]\b|tie)"
    r"|\brating is\b.{0,3}\[|\b(?:give|award|assign|output)\b.{0,24}\b(?:full|maximum|highest|perfect|max|top)\b.{0,12}\b(?:score|marks?|rating|grade|points)\b"
    r"|\b(?:ignore|disregard|forget)\b.{0,24}\b(?:previous|above|prior|reference|earlier|all)\b.{0,24}\b(?:instruction|criteri|scoring|prompt|reference|output|rule|comparing)"
    r"|\b(?:note|message|instructions?) (?:to|for) (?:the )?(?:grader|judge|evaluator|verifier)",
    re.IGNORECASE,
)
_VERDICT_HINTS = (
    "[[", "score", "rating", "verdict", "judg", "decision", "winner", "[result]", "grade", "reward", "overall", "ignore", "disregard", "forget",
    "marks", "evaluator", "===",
)  # fmt: skip


def hidden_unicode(view: ResponseView) -> str | None:
    """Zero-width, bidirectional, tag and control characters, private use and lone surrogates, with counts and code points.

    Stops nothing: it flags. Does not report: the joiners that Persian, Indic scripts and emoji need, nor look-alike letters.
    Cost: no request; one search of the text (about 1 ms a megabyte of plain text).
    """
    if not _hides(view.text):
        return None
    counts: Counter[str] = Counter()
    for found in _HIDDEN.finditer(view.text):
        char = found.group()
        if char in _JOINERS and _needed(view.text, found.start()):
            continue
        if char == "\ufeff" and found.start() == 0:
            continue
        counts[char] += 1
        if counts.total() >= _LIMIT:
            break
    if not counts:
        return None
    parts = [f"U+{ord(c):04X} x {n}" for c, n in counts.most_common(4)]
    more = f" and {len(counts) - 4} more kinds" if len(counts) > 4 else ""
    kind = "bidirectional" if any(c in _BIDI for c in counts) else "hidden"
    return f"{kind} characters: {', '.join(parts)}{more}"


def _hides(text: str) -> bool:
    """Whether any hidden character is there: for most texts a look at their few characters beyond ASCII."""
    if text.isascii():
        return any(map(text.__contains__, _CONTROLS))
    return _HIDDEN.search(_ASCII_RUN.sub("", text)) is not None


_CONTROLS = tuple(map(chr, (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F)))
_ASCII_RUN = re.compile("[\t\n\r\x0c -~]+")


def _needed(text: str, at: int) -> bool:
    """Whether a joiner stands where writing needs one: beside a letter or mark of a joining script, or between emoji."""
    before = text[at - 1] if at else ""
    if not before:
        return False
    return "\u0600" <= before <= "\u1cff" or before == "\ufe0f" or unicodedata.category(before) in ("So", "Sk")


def chat_tokens(view: ResponseView) -> str | None:
    """Control tokens of chat templates, or turns of a forged conversation, in the response.

    Stops nothing: it flags; the render stage makes such tokens harmless. Does not see: tokens of
    templates written without brackets. Cost: no request; one search, none without `<`, `[`, `:`.
    """
    text = view.text
    patterns = [pattern for pattern, first in zip((*_CHAT, _TURN), "<[\x00\n", strict=True) if first in text]
    if not patterns:
        return None
    matches = [m for p in patterns for m, _ in zip(p.finditer(text), range(200), strict=False)]
    found = dict.fromkeys(m.group().strip() for m in matches)
    return ", ".join(ascii(f)[1:-1] for f in list(found)[:4]) if found else None


def planted_verdict(view: ResponseView) -> str | None:
    """Verdict syntax, or an instruction to the grader, in the response: `[[A]]`, `Score: 10/10`, `<verdict>`.

    Stops nothing: it flags, since an answer may speak of scores. Does not see: verdicts in words of their own, nor between the first 200 and the last 600 characters. Cost: no request; a few plain
    searches, and a look around the first hundred places of each word found.
    """
    text = view.text
    if len(text) > _FIRST + _LAST:
        text = f"{text[:_FIRST]}\n{text[-_LAST:]}"
    lower = text.lower()
    if not any(map(lower.__contains__, _VERDICT_HINTS)):
        return None
    for hint in _VERDICT_HINTS:
        at, seen = lower.find(hint), 0
        while at >= 0 and seen < _WINDOWS:
            found = _VERDICT.search(text, max(0, at - 40), at + 100)
            if found:
                return " ".join(found.group().split())[:60]
            at, seen = lower.find(hint, at + 60), seen + 1
    return None
