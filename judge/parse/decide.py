"""All statements of a reply -> the one verdict, or the reason there is none.

- The last statement in the judge's own words decides. An unusable last one is never rescued by an earlier one.
- Two different ones are `ambiguous`, unless the earlier stands in the text under judgement and the last does not:
  then the earlier one was the judge quoting.
- Words outside code fences win over words inside, and a verdict that stands in a fence alone is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from judge.parse import checklist, clean, delimited, lines, objects, several, single
from judge.parse.quoting import Quoting
from judge.parse.single import Reading
from judge.parse.statement import MAX_STATEMENTS, Statement
from judge.parse.values import Bad
from judge.recipe.model import Question
from judge.types import NoVerdict, Reason

Scanner = Callable[[str, Question], "Sequence[Statement]"]
Reader = Callable[[Statement, Question], Reading | Bad]

SCANNERS = {
    "line": lines.lines,
    "bare": lines.bare,
    "sentence": lines.sentences,
    "brackets": delimited.brackets,
    "boxed": delimited.boxed,
    "tag": delimited.tags,
    "json": objects.objects,
}
READERS: dict[str, Reader] = {
    "label": single.read_label,
    "graded_choice": single.read_graded_choice,
    "score": single.read_score,
    "choice": single.read_choice,
    "scores": several.read_scores,
    "ranking": several.read_ranking,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement in the judge's own words, read."""

    statement: Statement
    fenced: bool
    reading: Reading | Bad

    @property
    def token(self) -> str:
        """Equal for equal verdicts."""
        if isinstance(self.reading, Bad):
            return f"!{self.statement.raw}"
        return repr(self.reading.value)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and where it stands (-1: in several places)."""

    reading: Reading
    statement: Statement | None


def decide(text: str, question: Question) -> Decision | NoVerdict:
    """Decide what a whole reply says. Never raises on model output."""
    folded = clean.fold(text)
    words = clean.mask(folded)
    if words is None:
        return NoVerdict(Reason.MISSING, "the thinking never ends")
    found = scan(words, question)
    if len(found) > _limit(question):
        return NoVerdict(Reason.AMBIGUOUS, f"more than {_limit(question)} statements: the reply is a loop")
    quoting = Quoting(words, folded)
    own = _own(found, quoting)
    if not own:
        return _nothing(words, len(found))
    if question.spec.kind == "criteria":
        return _decide_criteria(own, quoting, question)
    reader = READERS[question.spec.kind]
    candidates = [Candidate(s, quoting.fenced(s.start), reader(s, question)) for s in own]
    chosen = _choose(candidates, lambda: _planted(question, reader))
    if chosen is None:
        return _nothing(words, 0)
    return chosen if isinstance(chosen, NoVerdict) else Decision(_reading(chosen), chosen.statement)


def scan(text: str, question: Question) -> list[Statement]:
    """All statements of the question's form, in order; one more than the limit at most."""
    found = list(islice(SCANNERS[question.spec.form](text, question), _limit(question) + 1))
    return sorted(found, key=lambda s: s.start)


def _limit(question: Question) -> int:
    return MAX_STATEMENTS + 4 * len(question.criteria)


def _own(found: list[Statement], quoting: Quoting) -> list[Statement]:
    """Drop what is quoted. A checklist introduced as somebody else's goes on line by line until an id comes back."""
    own: list[Statement] = []
    run: set[str] = set()
    at = -1
    for statement in found:
        if quoting.marked(statement.start):
            continue
        follows = bool(run) and statement.key not in run and quoting.adjacent(at, statement.start)
        if follows or quoting.introduced(statement.start):
            run = (run if follows else set()) | ({statement.key} if statement.key else set())
            at = statement.start
        else:
            run = set()
            own.append(statement)
    return own


def _choose(candidates: list[Candidate], planted: Callable[[], set[str]]) -> Candidate | NoVerdict | None:
    """Pick the statement that decides; None when none of them is a statement at all."""
    real = [c for c in candidates if not (c.statement.soft and isinstance(c.reading, Bad) and c.reading.loose)]
    outside = [c for c in real if not c.fenced]
    pool = outside or real
    if not pool:
        return None
    last = pool[-1]
    rivals = [c for c in pool[:-1] if _definite(c)]
    if outside and not last.statement.alone:  # a mention in running prose does not outrank a fenced verdict behind it
        rivals += [c for c in real if c.fenced and c.statement.start > last.statement.start and _definite(c)]
    if isinstance(last.reading, Bad):
        return NoVerdict(last.reading.reason, last.reading.detail)
    different = {c.token for c in rivals} - {last.token}
    if different:
        quotable = planted()
        if last.token in quotable or different - quotable:
            return NoVerdict(Reason.AMBIGUOUS, f"stated: {', '.join(sorted(different | {last.token}))}"[:300])
    return last


def _definite(candidate: Candidate) -> bool:
    """Whether a statement says something: an echo of the instructions (`VERDICT: MET or UNMET`) does not."""
    if not isinstance(candidate.reading, Bad):
        return True
    raw = candidate.statement.raw
    return isinstance(raw, str) and raw.strip(" *_`[]()<>")[:1].isdigit() and candidate.reading.reason is Reason.OFF_SCALE


def _planted(question: Question, reader: Reader) -> set[str]:
    """Verdicts that stand as statements in the texts under judgement."""
    found = (s for text in question.material for s in scan(clean.fold(text), question))
    return {Candidate(s, False, reader(s, question)).token for s in found}


def _reading(candidate: Candidate) -> Reading:
    assert not isinstance(candidate.reading, Bad)  # noqa: S101  # `_choose` returns bad readings as NoVerdict
    return candidate.reading


def _decide_criteria(own: list[Statement], quoting: Quoting, question: Question) -> Decision | NoVerdict:
    groups: dict[str, list[Candidate]] = {}
    strange: Statement | None = None
    for statement in checklist.by_criterion(own, question):
        criterion = checklist.criterion_of(statement.key, question)
        if criterion is not None:
            reading = _criterion_reading(statement, criterion, question)
            groups.setdefault(criterion, []).append(Candidate(statement, quoting.fenced(statement.start), reading))
            strange = None if strange is not None and isinstance(strange.raw, objects.Malformed) else strange
        elif checklist.states_a_label(statement, question) or isinstance(statement.raw, objects.Malformed):
            strange = statement
    if strange is not None:
        wrong = checklist.unknown(strange)
        return NoVerdict(wrong.reason, wrong.detail)
    stated: dict[str, str] = {}
    worst: NoVerdict | None = None
    for criterion, candidates in groups.items():
        chosen = _choose(candidates, lambda criterion=criterion: _planted_criterion(question, criterion))  # type: ignore[misc]
        if isinstance(chosen, NoVerdict):
            if chosen.reason is Reason.AMBIGUOUS:
                return NoVerdict(Reason.AMBIGUOUS, f"{criterion}: {chosen.detail}")
            worst = worst or NoVerdict(chosen.reason, f"{criterion}: {chosen.detail}")
        elif chosen is not None:
            stated[criterion] = _reading(chosen).value
    if not stated:
        return worst or NoVerdict(Reason.MISSING, "no criterion has a verdict")
    row = tuple(question.criteria[c][stated[c]] if c in stated else None for c in question.criteria)
    return Decision(Reading({c: stated[c] for c in question.criteria if c in stated}, (row,)), None)


def _criterion_reading(statement: Statement, criterion: str, question: Question) -> Reading | Bad:
    value = checklist.value_of(statement, criterion, question)
    return value if isinstance(value, Bad) else Reading(value, ((question.criteria[criterion][value],),))


def _planted_criterion(question: Question, criterion: str) -> set[str]:
    found = (s for text in question.material for s in checklist.by_criterion(scan(clean.fold(text), question), question))
    same = (s for s in found if checklist.criterion_of(s.key, question) == criterion)
    return {Candidate(s, False, _criterion_reading(s, criterion, question)).token for s in same}


def _nothing(words: str, quoted: int) -> NoVerdict:
    if quoted:
        return NoVerdict(Reason.MISSING, "the only verdict is quoted from somebody else")
    if clean.is_refusal(words):
        return NoVerdict(Reason.REFUSED, words.strip()[:200])
    return NoVerdict(Reason.MISSING, "no verdict stated")
