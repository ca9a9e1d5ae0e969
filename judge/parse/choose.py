"""Several statements of one thing -> the one that decides, knowing which words are the answer's.

- The last own statement decides; two different ones are ambiguous, unless the earlier stands in the text under judgement
  and the last does not.
- A last statement that stands in the text under judgement is believed only while nothing else in the reply says
  otherwise, be it fenced or in quotation marks: an odd quotation mark or an open fence in the answer, repeated by the
  judge, can put the judge's own verdict inside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from judge.lookalikes import fold
from judge.parse.single import Reading
from judge.parse.statement import Statement
from judge.parse.values import Bad
from judge.recipe.model import Question
from judge.types import NoVerdict, Reason

Scan = Callable[[str, Question], list[Statement]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement, read.

    Attributes:
        fenced: It stands in a code fence.
        quoted: It is somebody else's words.
        source: The words of a line, from the marker to the value.
    """

    statement: Statement
    reading: Reading | Bad
    fenced: bool = False
    quoted: bool = False
    source: str = ""

    @property
    def token(self) -> str:
        """Equal for equal verdicts."""
        return f"!{self.statement.raw}" if isinstance(self.reading, Bad) else repr(self.reading.value)

    @property
    def definite(self) -> bool:
        """Whether it says something: an echo of the instructions (`VERDICT: MET or UNMET`) does not."""
        if not isinstance(self.reading, Bad):
            return True
        raw = self.statement.raw
        return isinstance(raw, str) and raw.strip(" *_`[]()<>")[:1].isdigit() and self.reading.reason is Reason.OFF_SCALE


class Material:
    """The texts under judgement, read when first asked and once for all criteria."""

    def __init__(self, question: Question, scan: Scan) -> None:
        """Take the question, and how statements are found."""
        self._question = question
        self._scan = scan

    @cached_property
    def texts(self) -> list[str]:
        """The texts, folded like the reply."""
        return [fold(text) for text in self._question.material]

    @cached_property
    def statements(self) -> list[Statement]:
        """All statements that stand in them."""
        return [statement for text in self.texts for statement in self._scan(text, self._question)]

    def holds(self, source: str) -> bool:
        """Whether these words stand anywhere in them, the last word whole."""
        source = source.casefold()
        found = ((text, text.find(source)) for text in map(str.casefold, self.texts)) if source else ()
        return any(at >= 0 and not text[at + len(source) : at + len(source) + 1].isalnum() for text, at in found)


class Planted:
    """Tells whether a statement also stands in the texts under judgement."""

    def __init__(self, material: Material, tokens: Callable[[list[Statement]], set[str]]) -> None:
        """Take the texts, and how statements found there become tokens."""
        self._material = material
        self._tokens = tokens

    @cached_property
    def _found(self) -> set[str]:
        return self._tokens(self._material.statements)

    def __call__(self, candidate: Candidate) -> bool:
        """Whether the texts hold a statement of the same verdict, or these very words in the middle of a line."""
        return candidate.token in self._found or self._material.holds(candidate.source)


def choose(candidates: list[Candidate], planted: Planted) -> Candidate | NoVerdict | None:
    """Pick the statement that decides; None when none of them is a statement of the judge's."""
    real = [c for c in candidates if not (c.statement.soft and isinstance(c.reading, Bad) and c.reading.loose)]
    own = [c for c in real if not c.quoted]
    pool = [c for c in own if not c.fenced] or own
    if not pool:
        return None
    if _fence_speaks(pool[-1], own, planted):
        pool = own
    last = pool[-1]
    if isinstance(last.reading, Bad):
        return NoVerdict(last.reading.reason, last.reading.detail)
    others = [c for c in real if c.definite and c.token != last.token]
    rivals = others if others and planted(last) else [c for c in others if c in pool]
    against = [c for c in rivals if not planted(c)]
    if not against:
        against = rivals if rivals and planted(last) and any(c in pool for c in rivals) else []
    if against:
        stated = sorted({c.token for c in [*against, last]})
        return NoVerdict(Reason.AMBIGUOUS, f"stated: {', '.join(stated)}"[:300])
    return last


def _fence_speaks(last: Candidate, own: list[Candidate], planted: Planted) -> bool:
    """Whether a fence behind the last words outside counts as well: those words are planted, or a mention in mid-line.

    Without this, an answer that gets its JSON repeated in front of the judge's fenced JSON would be read instead of it.
    """
    behind = [c for c in own if c.fenced and c.statement.start > last.statement.start and c.definite and c.token != last.token]
    return any(not planted(c) for c in behind) and (not last.statement.alone or planted(last))
