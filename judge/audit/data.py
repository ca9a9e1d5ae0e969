"""A data set -> cases, for recipes that see one response, two, or many.

- Rows with one response are grouped by their question. One right and one wrong response of each are enough, and the
  longest ones are taken, because a change of the work needs work to change.
- Labels say which response is right: `label` of a single response (true/false, 1/0, correct/incorrect), `A` or `B` of a
  pair, the position of the best of a list. Without them invariance can still be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from judge.audit.cases import OtherQuestion, ProbeCase, rng
from judge.batch.read import BadRow, read_samples
from judge.errors import DataError
from judge.rubric.model import Rubric
from judge.types import Sample

SHIPPED = Path(__file__).with_name("questions.jsonl")
VERIFIER = {"prompt": "question", "reference": "reference_answer", "response": "candidate"}
LIST = 4  # responses of one question shown to a recipe that sees many
OTHERS = 32  # questions at hand for contrast

_RIGHT = frozenset(("true", "1", "1.0", "yes", "right", "correct", "good", "pass"))
_WRONG = frozenset(("false", "0", "0.0", "no", "wrong", "incorrect", "bad", "fail"))


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """One response with what the data say of it."""

    sample: Sample  # holding this response only
    right: bool | None


@dataclass(frozen=True)
class AuditData:
    """What an audit works on. `bad` counts rows that are no sample; `problem` is the first one's."""

    cases: tuple[ProbeCase, ...]
    questions: int
    bad: int = 0
    problem: str = ""


def load_cases(
    data: str,
    mode: str,
    *,
    mapping: Mapping[str, str] | None = None,
    split: str = "",
    config: str = "",
    limit: int | None = None,
    needs: Sequence[str] = (),
    rubric: Rubric | None = None,
) -> AuditData:
    """Read a data set and make the cases of one recipe mode.

    Args:
        data: As `read_samples` takes it; empty: the shipped questions.
        mode: Of the recipe. `pairwise` gets two responses a case, `listwise` up to four, every other mode one.
        mapping: Sample field -> column. The columns question, reference_answer and candidate are known.
        config: Configuration of a hub data set.
        limit: Questions taken, from the first.
        rubric: What the run judges by.

    Raises:
        DataError: The data cannot be read, or no question has what the mode needs.
    """
    source = data or str(SHIPPED)
    read = partial(read_samples, source, split=split, config=config, needs=needs)
    rows = list(read(_columns(read, dict(mapping or {}))))
    bad = [row for row in rows if isinstance(row, BadRow)]
    questions: dict[str, list[Sample]] = {}
    for sample in (row for row in rows if isinstance(row, Sample)):
        questions.setdefault(question_of(sample), []).append(sample)
    questions = dict(list(questions.items())[:limit])
    others = _others(questions)
    cases = [
        replace(case, question=question, others=others[question], rubric=rubric)
        for question, samples in questions.items()
        for case in _cases(question, samples, mode)
    ]
    if not cases:
        raise DataError(bad[0].problem if bad and not questions else f"{source}: {_LACKS.get(mode, 'no response')}")
    return AuditData(tuple(cases), len(questions), len(bad), bad[0].problem if bad else "")


_LACKS = {
    "pairwise": "a pairwise recipe needs two responses a row, or a right and a wrong response (column `label`) to a question",
    "listwise": "a listwise recipe needs several responses a row, or several rows of one question",
}


def _columns(read: Callable[..., Iterator[Sample | BadRow]], given: dict[str, str]) -> dict[str, str]:
    """The mapping that fits: the given one, else the verifier sets' own names for what the given one leaves open."""
    try:
        next(read(given, limit=256), None)
    except DataError as why:
        known = {**{f: c for f, c in VERIFIER.items() if f not in given}, **given}
        try:
            next(read(known, limit=256), None)
        except DataError:
            raise why from None  # says what is missing in the names the user knows
        return known
    return given


def question_of(sample: Sample) -> str:
    """The question as text: what trials are clustered by."""
    return sample.prompt_text


def _cases(question: str, samples: Sequence[Sample], mode: str) -> Iterable[ProbeCase]:
    if mode == "pairwise":
        return _pairs(question, samples)
    if mode == "listwise":
        return _lists(samples)
    return (ProbeCase(a.sample, 0, (a.right,)) for a in _best([a for s in samples for a in answers(s)]))


def answers(sample: Sample) -> list[LabelledAnswer]:
    """Each response of a sample on its own."""
    right = _right(sample)
    if len(sample.responses) == 1:
        return [LabelledAnswer(sample, right[0])]
    return [
        LabelledAnswer(replace(sample, responses=(text,), id=f"{sample.id}[{i}]"), right[i])
        for i, text in enumerate(sample.responses)
    ]


def _best(found: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
    """The longest right and the longest wrong response; those without a label all stay."""
    longest = {truth: max((a for a in found if a.right is truth), key=_length, default=None) for truth in (True, False)}
    return [a for a in (*longest.values(), *(a for a in found if a.right is None)) if a is not None]


def _length(answer: LabelledAnswer) -> int:
    return len(answer.sample.texts[0])


def _pairs(question: str, samples: Sequence[Sample]) -> Iterable[ProbeCase]:
    for sample in samples:
        if len(sample.responses) == 2:
            right = _right(sample)
            yield ProbeCase(sample, right.index(True) if True in right else 0, right)
    single = [a for s in samples if len(s.responses) != 2 for a in answers(s)]
    pair = [a for a in _best(single) if a.right is not None]
    if len(pair) == 2:
        order = (1, 0) if rng(0, "pair", question).random() < 0.5 else (0, 1)  # the right one is not always the first
        yield _together([pair[i] for i in order])


def _lists(samples: Sequence[Sample]) -> Iterable[ProbeCase]:
    for sample in samples:
        if len(sample.responses) > 1:
            right = _right(sample)
            yield ProbeCase(sample, right.index(True) if True in right else 0, right)
    single = [a for s in samples if len(s.responses) == 1 for a in answers(s)]
    if len(single) > 1:
        best = _best(single)
        yield _together([*best, *(a for a in single if a not in best)][:LIST])


def _together(found: Sequence[LabelledAnswer]) -> ProbeCase:
    right = tuple(a.right for a in found)
    index = right.index(True) if True in right else 0
    name = "+".join(dict.fromkeys(a.sample.id for a in found))
    sample = replace(found[index].sample, responses=tuple(a.sample.responses[0] for a in found), id=name)
    return ProbeCase(sample, index, right)


def _right(sample: Sample) -> tuple[bool | None, ...]:
    """What the label says about each response."""
    label, count = sample.metadata.get("label"), len(sample.responses)
    if count == 1:
        return (_truth(label),)
    said = sample.metadata.get("preferred")
    if isinstance(said, list):  # positions of the right ones
        return tuple(i in said for i in range(count))
    best = _position(label if said is None else said, count)
    return tuple(None if best is None else i == best for i in range(count))


def _truth(label: Any) -> bool | None:
    word = str(label).strip().casefold()
    return True if word in _RIGHT else False if word in _WRONG else None


def _position(label: Any, count: int) -> int | None:
    """Which response of several the label prefers: `A` or `B` of a pair, a position of a list."""
    word = str(label).strip().casefold()
    if count == 2:
        return {"a": 0, "response_a": 0, "b": 1, "response_b": 1}.get(word)
    return int(word) if word.isdecimal() and int(word) < count else None


def _others(questions: Mapping[str, Sequence[Sample]]) -> dict[str, tuple[OtherQuestion, ...]]:
    """For each question the ones that follow it by name, whatever their order in the data."""
    ring = [_other(question, questions[question]) for question in sorted(questions)]
    count = min(OTHERS, len(ring) - 1)
    return {other.question: tuple((ring * 2)[i + 1 : i + 1 + count]) for i, other in enumerate(ring)}


def _other(question: str, samples: Sequence[Sample]) -> OtherQuestion:
    found = [a for s in samples for a in answers(s)]
    best = max(found, key=lambda a: (a.right is True, a.right is None, _length(a)))
    return OtherQuestion(question, best.sample, best.sample.texts[0])
