"""All statements of a reply -> the one verdict, or the reason there is none.

- What is quoted is set aside first, and words outside code fences win over words inside; a verdict that stands in a
  fence alone is read.
- The last statement in the judge's own words decides (choose.py). An unusable last one is never rescued by an earlier one.
- A checklist is decided criterion by criterion; one contradiction makes the whole reply ambiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from judge.lookalikes import fold
from judge.parse import checklist, clean, delimited, lines, objects, several, single
from judge.parse.choose import Candidate, Material, Planted, choose
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
class Decision:
    """The verdict, and where it stands (-1: in several places)."""

    reading: Reading
    statement: Statement | None


def decide(text: str, question: Question) -> Decision | NoVerdict:
    """Decide what a whole reply says. Never raises on model output."""
    folded = fold(text)
    spans = clean.thinking(folded)
    if spans is None:
        return NoVerdict(Reason.MISSING, "the thinking never ends")
    material = Material(question, scan)
    found = _decide(clean.blank(folded, spans), folded, question, material)
    if isinstance(found, Decision) and clean.untagged(folded, spans) and any(map(clean.has_tag, material.texts)):
        # the tag that hides the words before it may be the answer's, repeated by the judge
        whole = _decide(clean.blank(folded, spans[1:]), folded, question, material)
        if isinstance(whole, NoVerdict) or whole.reading != found.reading:
            return NoVerdict(Reason.AMBIGUOUS, "a thinking tag stands in the text under judgement")
    return found


def _decide(words: str, folded: str, question: Question, material: Material) -> Decision | NoVerdict:
    found = scan(words, question)
    if len(found) > _limit(question):
        return NoVerdict(Reason.AMBIGUOUS, f"more than {_limit(question)} statements: the reply is a loop")
    quoting = Quoting(words, folded)
    quoted = _quoted(found, quoting)
    if all(quoted):
        return _nothing(words, len(found))

    def candidate(statement: Statement, reading: Reading | Bad) -> Candidate:
        at = statement.start
        return Candidate(statement, reading, quoting.fenced(at), at in foreign, _source(words, statement, question))

    foreign = {s.start for s, is_quoted in zip(found, quoted, strict=True) if is_quoted}
    if question.spec.kind == "criteria":
        return _decide_criteria(found, foreign, candidate, question, material)
    reader = READERS[question.spec.kind]
    planted = Planted(material, lambda found: {Candidate(s, reader(s, question)).token for s in found})
    chosen = choose([candidate(s, reader(s, question)) for s in found], planted)
    if chosen is None:
        return _nothing(words, 0)
    return chosen if isinstance(chosen, NoVerdict) else Decision(_reading(chosen), chosen.statement)


def scan(text: str, question: Question) -> list[Statement]:
    """All statements of the question's form, in order; one more than the limit at most."""
    found = list(islice(SCANNERS[question.spec.form](text, question), _limit(question) + 1))
    return sorted(found, key=lambda s: s.start)


def _limit(question: Question) -> int:
    return MAX_STATEMENTS + 4 * len(question.criteria)


def _quoted(found: list[Statement], quoting: Quoting) -> list[bool]:
    """Which statements are somebody else's. An introduced checklist goes on line by line until an id comes back."""
    quoted: list[bool] = []
    run: set[str] = set()
    at = -1
    for statement in found:
        if quoting.marked(statement.start):
            quoted.append(True)
            continue
        follows = bool(run) and statement.key not in run and quoting.adjacent(at, statement.start)
        quoted.append(follows or quoting.introduced(statement.start))
        if quoted[-1]:
            run = (run if follows else set()) | ({statement.key} if statement.key else set())
            at = statement.start
        else:
            run = set()
    return quoted


def _reading(candidate: Candidate) -> Reading:
    assert not isinstance(candidate.reading, Bad)  # noqa: S101  # `_choose` returns bad readings as NoVerdict
    return candidate.reading


def _decide_criteria(
    found: list[Statement],
    foreign: set[int],
    candidate: Callable[[Statement, Reading | Bad], Candidate],
    question: Question,
    material: Material,
) -> Decision | NoVerdict:
    groups: dict[str, list[Candidate]] = {}
    strange: Statement | None = None
    for statement in checklist.by_criterion(found, question):
        criterion = checklist.criterion_of(statement.key, question)
        if criterion is not None:
            reading = _criterion_reading(statement, criterion, question)
            groups.setdefault(criterion, []).append(candidate(statement, reading))
            strange = None if strange is not None and isinstance(strange.raw, objects.Malformed) else strange
        elif statement.start in foreign:
            continue
        elif checklist.states_a_label(statement, question) or isinstance(statement.raw, objects.Malformed):
            strange = statement
    if strange is not None:
        wrong = checklist.unknown(strange)
        return NoVerdict(wrong.reason, wrong.detail)
    stated: dict[str, str] = {}
    worst: NoVerdict | None = None
    for criterion, candidates in groups.items():
        chosen = choose(candidates, Planted(material, partial(_criterion_tokens, criterion, question)))
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


def _criterion_tokens(criterion: str, question: Question, found: list[Statement]) -> set[str]:
    same = (s for s in checklist.by_criterion(found, question) if checklist.criterion_of(s.key, question) == criterion)
    return {Candidate(s, _criterion_reading(s, criterion, question)).token for s in same}


def _source(words: str, statement: Statement, question: Question) -> str:
    if question.spec.form != "line" or not isinstance(statement.raw, str):
        return ""
    return words[statement.start : statement.value_at + len(statement.raw)]


def _nothing(words: str, quoted: int) -> NoVerdict:
    if quoted:
        return NoVerdict(Reason.MISSING, "the only verdict is quoted from somebody else")
    if clean.is_refusal(words):
        return NoVerdict(Reason.REFUSED, words.strip()[:200])
    return NoVerdict(Reason.MISSING, "no verdict stated")
