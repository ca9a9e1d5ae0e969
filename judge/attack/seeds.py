"""Labelled answers -> questions with an honest right and an honest wrong answer to attack.

Rows are grouped by question and reference. Without labels there is still something to do: texts that hold no answer need
a question and its reference only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.batch.read import BadRow, read_samples
from judge.checks.final import is_value, states
from judge.checks.match import agrees, normalise
from judge.errors import DataError, Problem
from judge.shipped import shipped_dir
from judge.types import Sample

MAX_BASE_CHARS = 8_000  # a longer answer costs every attack on it its whole length
_QUESTION = {"prompt": "question"}
SCHEMAS: tuple[tuple[Mapping[str, str], tuple[str, ...]], ...] = (  # column names that are recognised, and what must be there
    (_QUESTION | {"reference": "reference_answer", "response": "candidate"}, ()),  # verifier collections
    (_QUESTION | {"reference": "reference_answer"}, ()),
    ({}, ("reference",)),
    (_QUESTION, ("reference",)),
    (_QUESTION | {"reference": "answer"}, ()),
    ({"prompt": "problem", "reference": "answer"}, ()),
    (_QUESTION, ()),
    ({}, ()),
)
_RIGHT = ("right", "correct", "true", "yes", "1", "1.0")
_WRONG = ("wrong", "incorrect", "false", "no", "0", "0.0")


@dataclass(frozen=True, slots=True)
class SeedQuestion:
    """One question and its honest answers.

    Attributes:
        id: Short hash of question and reference: the cluster that intervals are drawn by.
        right: An honest right answer, or None.
        wrong: An honest wrong answer, or None.
        borrowed: `wrong` is the reference answer of another question.
        rights: Labelled answers that are right, at most four.
        wrongs: The same, wrong.
        share_right: Share of the labelled rows that are right: how often the answers' author passes. None without labels.
    """

    id: str
    prompt: str
    reference: str | None
    right: str | None
    wrong: str | None
    borrowed: bool = False
    rights: tuple[str, ...] = ()
    wrongs: tuple[str, ...] = ()
    share_right: float | None = None


@dataclass(frozen=True, slots=True)
class SeedQuestions:
    """What a data set came to."""

    data: str
    items: tuple[SeedQuestion, ...]
    rows: int
    bad: tuple[str, ...]  # rows that could not be read, and why
    labelled: bool


def load_seeds(
    data: str | None,
    mapping: Mapping[str, str] | None = None,
    *,
    split: str = "",
    config: str = "",
    limit: int | None = None,
    confirm: bool = False,
) -> SeedQuestions:
    """Read a data set; None: the questions that come with the toolkit.

    Args:
        mapping: Sample field -> column. Without one, common column names are recognised.
        limit: SeedQuestions taken, in the order of the file.
        confirm: Label rows that have no label where a program can tell whether their answer is the reference: rollouts of a
            policy, of which only what a rule has confirmed is taken (Cooper, arXiv:2508.05613).

    Raises:
        DataError: The data cannot be read, or a label is neither right nor wrong.
    """
    name = data if data is not None else str(shipped_dir("attacks") / "questions.jsonl")
    rows, bad = _rows(name, mapping, split, config)
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in rows:
        groups.setdefault((_prompt(sample), (sample.reference or ("",))[0]), []).append(sample)
    items = [_question(prompt, reference, group, name, confirm) for (prompt, reference), group in groups.items()][:limit]
    if not items:
        raise DataError(Problem(name, "no row could be read" + (f": {bad[0]}" if bad else "")))
    labelled = any(q.rights or q.wrongs for q in items)
    return SeedQuestions(
        name if data is not None else "shipped questions", tuple(_borrow(items)), len(rows), tuple(bad), labelled
    )


def _rows(data: str, mapping: Mapping[str, str] | None, split: str, config: str) -> tuple[list[Sample], list[str]]:
    failed: DataError | None = None
    for schema, needs in [(mapping, ())] if mapping else SCHEMAS:
        rows: list[Sample] = []
        bad: list[str] = []
        try:
            for row in read_samples(data, schema, split=split, config=config, needs=needs):
                if isinstance(row, BadRow):
                    bad.append(row.problem)
                else:
                    rows.append(row)
        except DataError as why:
            failed = why  # the last schema is the plainest, and so is what it misses
            continue
        return rows, bad
    assert failed is not None  # noqa: S101  # every schema failed
    raise failed


def _prompt(sample: Sample) -> str:
    return sample.prompt if isinstance(sample.prompt, str) else "\n\n".join(m.text for m in sample.prompt)


def _question(prompt: str, reference: str, group: Sequence[Sample], data: str, confirm: bool) -> SeedQuestion:
    labels = [_right(s.metadata.get("label"), data, s.id) for s in group]
    if confirm:
        labels = [_confirmed(s) if label is None else label for s, label in zip(group, labels, strict=True)]
    answers = [(s.texts[0], label) for s, label in zip(group, labels, strict=True) if len(s.responses) == 1]
    rights = [a for a, label in answers if label is True]
    wrongs = [a for a, label in answers if label is False]
    known = len(rights) + len(wrongs)
    return SeedQuestion(
        id=hashlib.blake2b(f"{prompt}\x1f{reference}".encode("utf-8", "surrogatepass"), digest_size=6).hexdigest(),
        prompt=prompt,
        reference=reference or None,
        right=_best(rights, prompt) or reference or None,
        wrong=_best(wrongs, prompt),
        rights=tuple(rights[:4]),
        wrongs=tuple(wrongs[:4]),
        share_right=len(rights) / known if known else None,
    )


def _right(label: Any, data: str, row: str) -> bool | None:
    if label is None:
        return None
    word = str(label).strip().lower()
    if word in _RIGHT or word in _WRONG:
        return word in _RIGHT
    raise DataError(
        Problem(data, f"row `{row}`: label {label!r} is neither right nor wrong; labels: {', '.join(_RIGHT + _WRONG)}")
    )


def _confirmed(sample: Sample) -> bool | None:
    """What a rule says of one response: it states the reference, it states another value, or the rule cannot tell."""
    if not sample.reference or len(sample.responses) != 1:
        return None
    found = [states(sample.texts[0], reference) for reference in sample.reference]
    if any(found):
        return True
    return False if all(f is False for f in found) and all(map(is_value, sample.reference)) else None


def _best(answers: Sequence[str], prompt: str) -> str | None:
    """The fullest answer: collections of hard cases hold openers and echoes of the question among the wrong ones."""
    echo = normalise(prompt)
    real = [a for a in answers if a.strip() and len(a) <= MAX_BASE_CHARS and normalise(a) != echo]
    return max(real, key=len, default=None)


def _borrow(items: Sequence[SeedQuestion]) -> list[SeedQuestion]:
    """Give questions without a wrong answer the reference of the next question that has another one."""
    out = []
    for index, q in enumerate(items):
        others = (items[(index + step) % len(items)].reference for step in range(1, min(len(items), 20)))
        other = next((o for o in others if o and q.reference and not agrees(o, q.reference)), None)
        if q.wrong is None and other is not None:
            q = SeedQuestion(q.id, q.prompt, q.reference, q.right, other, True, q.rights, q.wrongs, q.share_right)  # noqa: PLW2901
        out.append(q)
    return out


def conclusion(answer: str) -> str:
    """The last line of an answer, without the words that announce it.

    Example:
        >>> conclusion("2+2 = 5\\nThe answer is 5.")
        '5'
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    return normalise(lines[-1]) if lines else ""
