"""Several statements of one thing -> the one that decides, knowing which words are the answer's.

- A statement that is quoted, supposed, negated or struck through is nobody's verdict (context.py).

- The last own statement decides; two different ones are ambiguous, unless the earlier stands in the text under judgement
  and the last does not.
- A last statement that stands in the text under judgement is believed only while nothing else in the reply says
  otherwise, be it fenced or in quotation marks: an odd quotation mark or an open fence in the answer, repeated by the
  judge, can put the judge's own verdict inside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from judge.lookalikes import fold
from judge.parse import markup, scan
from judge.parse.kinds import StatedValue
from judge.parse.values import Bad, Statement
from judge.recipe.verdict import Question
from judge.records import quick
from judge.types import NoVerdict, Reason

_NUMBER_LIKE = re.compile(r"[-+]?\d[\d.,/ %]{0,20}(?:(?:out )?of \d{1,6})?")


@quick
@dataclass(frozen=True, slots=True)
class ReadStatement:
    """A statement, and the value it states.

    Attributes:
        fenced: It stands in a code fence.
        quoted: It is somebody else's words, or not meant.
        source: The words of a line, from the marker to the value.
        taken_back: Why it does not stand, though it is said; empty where it does.
    """

    statement: Statement
    stated: StatedValue | Bad
    fenced: bool = False
    quoted: bool = False
    source: str = ""
    taken_back: str = ""

    @property
    def token(self) -> str:
        """Equal for equal verdicts."""
        return f"!{self.statement.raw}" if isinstance(self.stated, Bad) else repr(self.stated.value)

    @property
    def definite(self) -> bool:
        """Whether it says something: an echo of the instructions (`VERDICT: MET or UNMET`) does not."""
        if not isinstance(self.stated, Bad):
            return True
        raw = self.statement.raw
        number = isinstance(raw, str) and _NUMBER_LIKE.fullmatch(raw[:60].strip(" *_`[]()<>.")) is not None
        return number and self.stated.reason is Reason.OFF_SCALE and not self.statement.weak

    @property
    def usable(self) -> StatedValue:
        """The value, of a statement that `choose` picked."""
        assert not isinstance(self.stated, Bad)  # noqa: S101  # `choose` returns bad ones as NoVerdict
        return self.stated


class UntrustedTexts:
    """The texts under judgement, read when first asked and once for all criteria."""

    def __init__(self, question: Question) -> None:
        """Take the question, which holds the texts."""
        self._question = question

    @cached_property
    def texts(self) -> list[str]:
        """The texts, folded like the reply."""
        return [fold(text) for text in self._question.material]

    @cached_property
    def _readings(self) -> list[str]:
        """The texts as they are, and without their markup where that changes them."""
        return list(dict.fromkeys([*self.texts, *(markup.plain(text, self._question.spec) for text in self.texts)]))

    @cached_property
    def statements(self) -> list[Statement]:
        """All statements that stand in them."""
        return [statement for text in self._readings for statement in scan.statements(text, self._question)]

    def holds(self, source: str) -> bool:
        """Whether these words stand anywhere in them, the last word whole."""
        whole = re.compile(rf"{re.escape(source.casefold())}(?![^\W_])")
        return bool(source) and any(whole.search(text.casefold()) for text in self._readings)


class Planted:
    """Tells whether a statement also stands in the texts under judgement."""

    def __init__(self, untrusted: UntrustedTexts, tokens: Callable[[list[Statement]], set[str]]) -> None:
        """Take the texts, and how statements found there become tokens."""
        self._untrusted = untrusted
        self._tokens = tokens

    @cached_property
    def _found(self) -> set[str]:
        return self._tokens(self._untrusted.statements)

    def __call__(self, candidate: ReadStatement) -> bool:
        """Whether the texts hold a statement of the same verdict, or these very words in the middle of a line."""
        return candidate.token in self._found or self._untrusted.holds(candidate.source)


def choose(candidates: list[ReadStatement], planted: Planted) -> ReadStatement | NoVerdict | None:
    """Pick the statement that decides; None when none of them is a statement of the judge's."""
    real = [c for c in candidates if not _only_a_guess(c)]
    own = [c for c in real if not c.quoted]
    pool = [c for c in own if not c.fenced] or own
    if not pool:
        return None
    if _fence_speaks(pool[-1], own, planted):
        pool = own
    last = pool[-1]
    if isinstance(last.stated, Bad):
        return NoVerdict(last.stated.reason, last.stated.detail)
    if last.taken_back:
        return NoVerdict(Reason.AMBIGUOUS, f"{last.token}: {last.taken_back}"[:300])
    others = [c for c in real if c.definite and c.token != last.token]
    rivals = others if others and planted(last) else [c for c in others if c in pool]
    against = [c for c in rivals if not planted(c)]
    if not against:
        against = rivals if rivals and planted(last) and any(c in pool for c in rivals) else []
    if against:
        stated = sorted({c.token for c in [*against, last]})
        return NoVerdict(Reason.AMBIGUOUS, f"stated: {', '.join(stated)}"[:300])
    return last


def _only_a_guess(candidate: ReadStatement) -> bool:
    """Whether words that look like a statement turned out to be none."""
    stated = candidate.stated
    if not isinstance(stated, Bad):
        return False
    return candidate.statement.weak or (candidate.statement.soft and stated.loose)


def _fence_speaks(last: ReadStatement, own: list[ReadStatement], planted: Planted) -> bool:
    """Whether a fence behind the last words outside counts as well: those words are planted, or a mention in mid-line.

    Without this, an answer that gets its JSON repeated in front of the judge's fenced JSON would be read instead of it.
    """
    behind = [c for c in own if c.fenced and c.statement.start > last.statement.start and c.definite and c.token != last.token]
    return any(not planted(c) for c in behind) and (not last.statement.alone or planted(last))
