"""A recipe's verdict grammar -> a function that keeps quoted text from stating a verdict in it.

Judges quote the answer. In one released stack a wrong answer that carried `[[10]]` was paid 8 times of 10, because the
reader took the quote for the verdict (NVIDIA-NeMo/Gym #2852). So the syntax, never the answer, is broken up where the
text enters the prompt: `V ERDICT: 5`, `[ [A]]`, `\\ boxed{4}`, `"r ating": 9`. A judge still reads it; no reader does.

- Matching is done on the text with look-alikes folded, as replies are read: `ＶＥＲＤＩＣＴ：５` counts.
- It breaks more than a reader takes for a verdict (any line, any decoration), never less; it is linear and idempotent.
- Where a verdict is a bare value on a line, there is no syntax to break: every short line gets `| ` in front.
- Thinking tags go as well: repeated by a judge, `</think>` would hide its own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from judge.lookalikes import fold, spellings
from judge.recipe.verdict import VerdictSpec
from judge.thinking import MARK_START

Break = Callable[[str], str]

_EDGE = r"(?<![^\W_])"  # no letter or digit before
_SHORT = 240  # characters of a line that may be a bare value; labels come on top
_DECOR = r"(?:[^\w\n]|_){0,12}"
_ODD = "ſıİK"  # match s, i and k where case is ignored, though their lower case does not
_HOLES = {"{i}": r"\d{1,4}", "{L}": r"[A-Za-z]\d{0,4}"}  # of a marker that each response has for itself
_IDLE = str  # of a text: the text itself


def verdict_breaker(spec: VerdictSpec | None) -> Break:
    """The function for one recipe, compiled once. None (no verdict is asked for) leaves texts alone.

    Example:
        >>> verdict_breaker(VerdictSpec(kind="score"))("**Verdict**: 5. The verdict is out.")
        '**V erdict**: 5. The verdict is out.'
        >>> verdict_breaker(VerdictSpec(kind="choice", form="boxed"))(r"So x = \\boxed{4}.")
        'So x = \\\\ boxed{4}.'
    """
    if spec is None:
        return _IDLE
    hint, pattern, gap = _FORMS[spec.form](spec)
    words = [] if spec.copied is None else [_inside(spec.copied.marker, _EDGE, rf"{_DECOR}[:=]")]
    words += [_inside(text, "", "") for text in (spec.after, spec.until) if text is not None]

    def broken(text: str) -> str:
        folded = fold(text)
        if "<" in folded or "[" in folded or "assistantfinal" in folded or not text.isascii():
            text, folded = _insert(text, folded, MARK_START, "_")  # no space: `< think >` is a mark, too
        odd = not folded.isascii() and any(map(folded.__contains__, _ODD))
        if hint in folded.lower() or odd:
            text, folded = _insert(text, folded, pattern, gap)
        for also in words:
            if also[0] in folded.lower() or odd:
                text, folded = _insert(text, folded, *also[1:])
        return text

    return broken


def _insert(text: str, folded: str, pattern: re.Pattern[str], gap: str) -> tuple[str, str]:
    """Put `gap` behind every match in the folded text, there and at the same place of the text itself."""
    ends = [found.end() for found in pattern.finditer(folded)]
    if not ends:
        return text, folded
    text, folded = (gap.join(map(t.__getitem__, map(slice, [0, *ends], [*ends, None]))) for t in (text, folded))
    return text, folded


# Each form: a lower-case word without which a text states nothing, the pattern that ends where to break, the gap.
_Form = tuple[str, "re.Pattern[str]", str]


def _line(spec: VerdictSpec) -> _Form:
    # `>` and `|`: as a tag, or as the head of a table's column; a value may stand behind the marker or behind "is". Behind a
    # marker that is broken up as well (`VERDICT**VERDICT: 5`) its first letter would stand there alone, as a value.
    again = r"\s{1,4}".join(map(_literal, spec.marker.split()))
    tail = rf"{_DECOR}(?:[:=–—>|→⇒➔➜➡⟶-]|$|{again}|(?:(?:is|was){_DECOR})?(?:{_values(spec)})(?![^\W_]))"
    if spec.kind == "criteria":  # an id may stand before the colon
        tail = rf"(?:{tail}|[^\n]{{1,120}}?[:=–—-])"
    return _inside(spec.marker, _EDGE, tail)


def _values(spec: VerdictSpec) -> str:
    """What a reader may take for a value right behind a marker."""
    words = {*(spec.labels if isinstance(spec.labels, dict) else ()), *spec.prefixes, *((spec.tie,) if spec.tie else ())}
    written = [form for word in words for form in spellings(word)]
    names = re.escape(spec.names).replace(re.escape("{L}"), "[A-Za-z]") if "{L}" in spec.names else re.escape(spec.names)
    return "|".join(
        [r"\d{1,9}", "[A-Za-z]", *([names] if spec.names else []), *sorted(map(re.escape, written), key=len, reverse=True)]
    )


def _brackets(spec: VerdictSpec) -> _Form:
    return "[[", re.compile(r"\[(?=\[)"), " "


def _boxed(spec: VerdictSpec) -> _Form:
    return "\\boxed", re.compile(r"\\(?=boxed)"), " "


def _tag(spec: VerdictSpec) -> _Form:
    return _inside(spec.marker, "</? ?", " ?>", words=False)


def _json(spec: VerdictSpec) -> _Form:
    if not spec.marker:  # the keys are ids or names, which only the call knows
        return '"', re.compile(r'"(?! )(?=[^"\n]{1,200}"\s{0,20}:)'), " "
    return _inside(spec.marker, '"', r'"\s{0,20}:', words=False)


def _angles(spec: VerdictSpec) -> _Form:
    return "", re.compile(r"\[(?=\[)|<(?=<)"), " "


def _listed(spec: VerdictSpec) -> _Form:
    """A list may be written in any format, a table included, so a short line becomes a quoted one, which no reader counts."""
    return "", re.compile(r"^(?!> )(?=[^\n]{1,600}$)(?=[^\n]{0,600}?[^\s])", re.MULTILINE), "> "


def _bare(spec: VerdictSpec) -> _Form:
    if spec.by == "place":
        return _listed(spec)
    words = [*(spec.labels if isinstance(spec.labels, dict) else ()), *spec.prefixes, spec.names, spec.tie or ""]
    limit = min(_SHORT + 4 * max(map(len, words)), 10_000)
    return "", re.compile(rf"^(?!\| )(?=[^\n]{{1,{limit}}}$)(?=[^\n]{{0,{limit}}}?[^\s])", re.MULTILINE), "| "


def _sentence(spec: VerdictSpec) -> _Form:
    before, _, after = spec.marker.partition("{value}")
    if before.strip():
        return _inside(before, _EDGE, "")
    if len(after.strip()) == 1:
        return after.strip().lower(), re.compile(rf"(?<!·)(?={re.escape(after.strip())}(?!\w))", re.IGNORECASE), "·"
    return _inside(after, "", r"(?!\w)")


_FORMS: dict[str, Callable[[VerdictSpec], _Form]] = {
    "line": _line, "brackets": _brackets, "boxed": _boxed, "tag": _tag, "json": _json, "bare": _bare, "sentence": _sentence,
    "angles": _angles,
}  # fmt: skip


def _inside(marker: str, before: str, after: str, *, words: bool = True) -> _Form:
    """Break a marker behind its first character; behind a single one a dot, because readers skip spaces there."""
    parts = marker.split() if words else [marker]
    first, begun = _head(parts[0])
    rest = [begun, *parts[1:]]
    tail = r"[ \t]{1,4}".join(map(_literal, rest))
    gap = " " if rest[0] and not rest[0][0].isspace() else "·"
    hint = parts[0].partition("{")[0].lower() if parts[0].isascii() else ""
    return hint, re.compile(rf"{before}{first}(?!{gap})(?={tail}{after})", re.IGNORECASE | re.MULTILINE), gap


def _head(word: str) -> tuple[str, str]:
    """The pattern of a word's first character, which may be that of a response's name, and the rest of the word."""
    for hole, pattern in _HOLES.items():
        if word.startswith(hole):
            return pattern, word[len(hole) :]
    return re.escape(word[0]), word[1:]


def _literal(words: str) -> str:
    """A pattern of these words, with any response's number or letter where they have `{i}` or `{L}`."""
    pattern = re.escape(words)
    for hole, any_of in _HOLES.items():
        pattern = pattern.replace(re.escape(hole), any_of)
    return pattern
