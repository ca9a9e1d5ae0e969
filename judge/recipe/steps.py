"""Steps of a response: what `steps` in a recipe may say, and where a text is cut.

- Every piece is a range of the response, so a step's reward can be paid on the very tokens of it.
- Nothing between two pieces is lost but white space; code fences and displayed formulas are never cut in two.
- A response decides how many steps it has, and each may cost a call. So there is a most: beyond it neighbours are one step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import Field

from judge.conversation import own_words
from judge.errors import BadRecipe
from judge.rubric.model import Frozen
from judge.types import Conversation

SplitRule = Literal["given", "paragraphs", "lines", "sentences", "numbered", "latex", "code", "turns"]
StepsFold = Literal["min", "product", "mean", "last", "first_error"]
STEP = "step_"  # before the number, in the names of components


class StepsSpec(Frozen):
    """How the steps of a response are found, asked about and folded (`signal: steps`).

    Attributes:
        fold: `min`, `product`, `mean`, `last`, or `first_error`: the share of the steps before the first one below `threshold`.
            Which one is used decides the outcome, so none is a default.
        split: `given`: the sample's `steps`. Else the response is cut: at blank lines (`paragraphs`), `lines`, `sentences`, at
            lines that begin with `prefix` and a number (`numbered`), behind each displayed formula (`latex`), at the
            statements of its code that are not indented (`code`), or into the assistant's messages of a conversation (`turns`).
        ask: All steps `together` in one call, or one call for `each`.
        base: Where the number of a step comes from: its verdict as `stated`, the `expected` one, the `likelihood` of
            a scored text, or the recipe's `program`.
        backwards: Show the last step first; `both`: once in each direction, averaged (BiPRM, arXiv:2508.01682).
        prefix: What a step is called: `Step` makes `Step 1`.
        most: Steps of one response; of a longer one neighbours are joined.
        threshold: A step below it is an error, in [0, 1] (`first_error`).
        merge: Neighbouring steps on the same side of `threshold` count as one, their mean (TP-GRPO, arXiv:2507.23317), so that
            cutting a text finer earns nothing.
    """

    bad_value = BadRecipe

    fold: StepsFold
    split: SplitRule = "paragraphs"
    ask: Literal["together", "each"] = "together"
    base: Literal["stated", "expected", "likelihood", "program"] = "stated"
    backwards: bool | Literal["both"] = False
    prefix: str = Field(default="Step", min_length=1, max_length=40)
    most: int = Field(default=64, ge=1, le=1024)
    threshold: float = Field(default=0.5, ge=0, le=1)
    merge: bool = False


class Span(NamedTuple):
    """Half-open range of characters or tokens."""

    start: int
    stop: int


_OPENING = re.compile(r"```|~~~|\$\$|\\\[|\\begin\{(?:align|equation|gather|multline|eqnarray)\*?\}")  # of what is never cut
_FENCE = re.compile(r"```[^\n`]{0,40}\n")
_BLANK = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]{0,3}\s+(?=\S)|(?<=[。！？])[”’」』）]{0,3}\s*(?=\S)")
_LIST_NUMBER = re.compile(r"(?:^|\s)\(?(?:\d{1,3}|[A-Za-z])[.)]\s*\Z")
_STATEMENT = re.compile(r"^(?=\S)(?![)\]}]|(?:else|elif|except|finally|catch|end)\b|#|//)", re.MULTILINE)
_DECORATED = re.compile(r"@[^\n]*\n\Z")


def find_steps(
    response: str | Conversation, spec: StepsSpec, given: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[Span | None, ...]]:
    """The steps of a response, and where each stands in the policy's own words (None: nowhere, word for word).

    Example:
        >>> find_steps("a = 1\\n\\nb = 2", StepsSpec(fold="min"))
        (('a = 1', 'b = 2'), (Span(start=0, stop=5), Span(start=7, stop=12)))
    """
    text = own_words(response)
    if spec.split == "given":
        return tuple(given), locate(text, given)
    if spec.split == "turns":
        said = [response] if isinstance(response, str) else [own_words((m,)) for m in response if m.role == "assistant"]
        spans = [s for s in locate(text, [words for words in said if words.strip()]) if s is not None]
    else:
        spans = list(_SPLITTERS[spec.split](text, spec.prefix))
    spans = _joined(spans, spec.most)
    return tuple(text[s.start : s.stop] for s in spans), tuple(spans)


def beginnings(response: str | Conversation, spec: StepsSpec, given: Sequence[str] = ()) -> tuple[str | Conversation, ...]:
    """The response up to the end of each step, and before all of them what stands before the first: nothing.

    Of a conversation cut into turns, a beginning ends before the assistant's next message, so that what tools returned belongs to
    the turn that called them. Where a step does not stand in the text word for word, its beginning is the steps joined.

    Example:
        >>> beginnings("a = 1\\n\\nb = 2", StepsSpec(fold="mean"))
        ('', 'a = 1', 'a = 1\\n\\nb = 2')
    """
    steps, spans = find_steps(response, spec, given)
    if spec.split == "turns" and not isinstance(response, str):
        starts = [i for i, m in enumerate(response) if m.role == "assistant" and own_words((m,)).strip()]
        if len(starts) == len(steps):
            return ("", *(response[:end] for end in (*starts[1:], len(response))))
    text = own_words(response)
    joined = (("\n\n".join(steps[:k]) if s is None else text[: s.stop]) for k, s in enumerate(spans, 1))
    return ("", *joined)


def locate(text: str, steps: Sequence[str]) -> tuple[Span | None, ...]:
    """Find given steps in a text, each after the one before.

    A judge that quotes steps may change them. A step that is not there word for word has no range; the search for the next
    goes on from the last that was found.

    Example:
        >>> locate("x = 1. x = 1. y = 2.", ["x = 1.", "x = 1.", "z", "y = 2."])
        (Span(start=0, stop=6), Span(start=7, stop=13), None, Span(start=14, stop=20))
    """
    found: list[Span | None] = []
    cursor = 0
    for step in steps:
        start = text.find(step, cursor) if step else -1
        found.append(Span(start, start + len(step)) if start >= 0 else None)
        cursor = start + len(step) if start >= 0 else cursor
    return tuple(found)


def _joined(spans: Sequence[Span], most: int) -> list[Span]:
    """Neighbours joined, evenly, until there are at most so many."""
    if len(spans) <= most:
        return list(spans)
    cuts = [round(k * len(spans) / most) for k in range(most + 1)]
    return [Span(spans[a].start, spans[b - 1].stop) for a, b in pairwise(cuts)]


def _cut(text: str, cuts: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """The pieces between cuts (half-open ranges), white space around them left out."""
    start = 0
    for begin, end in (*cuts, (len(text), len(text))):
        piece = text[start:begin]
        inner = piece.strip()
        if inner:
            left = start + len(piece) - len(piece.lstrip())
            yield Span(left, left + len(inner))
        start = end


def _closing(opening: str) -> str:
    return opening.replace("begin", "end") if "begin" in opening else {"\\[": "\\]"}.get(opening, opening)


def _blocks(text: str) -> list[tuple[int, int, str]]:
    """Code fences and displayed formulas: begin, end, and how they open. What is never closed is none; linear in the text."""
    found: list[tuple[int, int, str]] = []
    at, never = 0, set[str]()
    for match in _OPENING.finditer(text):
        opening = match.group()
        if match.start() < at or opening in never:
            continue
        end = text.find(_closing(opening), match.end())
        if end < 0:
            never.add(opening)
            continue
        at = end + len(_closing(opening))
        found.append((match.start(), at, opening))
    return found


def _outside(text: str, cuts: Iterator[re.Match[str]]) -> list[tuple[int, int]]:
    """The cuts that stand in no code fence and no displayed formula."""
    closed = _blocks(text)
    out, at = [], 0
    for cut in cuts:
        begin, end = cut.span()
        while at < len(closed) and closed[at][1] <= begin:
            at += 1
        if at == len(closed) or begin < closed[at][0]:
            out.append((begin, end))
    return out


def _paragraphs(text: str, prefix: str) -> Iterator[Span]:
    return _cut(text, _outside(text, _BLANK.finditer(text)))


def _lines(text: str, prefix: str) -> Iterator[Span]:
    return _cut(text, _outside(text, _LINE.finditer(text)))


def _sentences(text: str, prefix: str) -> Iterator[Span]:
    ends = _outside(text, _SENTENCE.finditer(text))
    kept = [(b, e) for b, e in ends if not _LIST_NUMBER.search(text, max(0, b - 8), b)]  # `1. Add` is one sentence
    return _cut(text, sorted({*kept, *_outside(text, _BLANK.finditer(text))}))


def _numbered(text: str, prefix: str) -> Iterator[Span]:
    """At lines such as `Step 2:`, `### Step 2` or `**Step 2.**`; what stands before the first belongs to it."""
    called = re.escape(prefix)
    mark = re.compile(rf"^[ \t]*(?:#{{1,6}}[ \t]*)?[*_]{{0,3}}{called}[ \t]{{0,3}}\d{{1,4}}\b", re.MULTILINE | re.IGNORECASE)
    begins = [b for b, _ in _outside(text, mark.finditer(text))]
    return _cut(text, [(b, b) for b in begins[1:]])


def _latex(text: str, prefix: str) -> Iterator[Span]:
    """Behind each displayed formula, with the words that lead to it; and at blank lines."""
    behind = [(end, end) for _, end, opening in _blocks(text) if opening not in ("```", "~~~")]
    return _cut(text, sorted({*behind, *_outside(text, _BLANK.finditer(text))}))


def _code(text: str, prefix: str) -> Iterator[Span]:
    """The statements of the code blocks that are not indented, or of the whole text where it has no block."""
    blocks: list[tuple[int, int]] = []
    at = 0
    while (fence := _FENCE.search(text, at)) is not None:
        end = text.find("```", fence.end())
        blocks.append((fence.end(), end if end >= 0 else len(text)))
        at = end + 3 if end >= 0 else len(text)
    for start, stop in blocks or [(0, len(text))]:
        for span in _statements(text[start:stop]):
            yield Span(start + span.start, start + span.stop)


def _statements(code: str) -> Iterator[Span]:
    begins = [m.start() for m in _STATEMENT.finditer(code)]
    lines = [code.rfind("\n", 0, max(0, begin - 1)) + 1 for begin in begins]  # where the line before each begins
    cuts = [b for b, line in zip(begins, lines, strict=True) if b and not _DECORATED.match(code, line, b)]
    return _cut(code, [(c, c) for c in cuts])


_SPLITTERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "paragraphs": _paragraphs,
    "lines": _lines,
    "sentences": _sentences,
    "numbered": _numbered,
    "latex": _latex,
    "code": _code,
}
