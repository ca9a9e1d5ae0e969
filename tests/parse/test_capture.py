"""A judge that repeats the answer word for word, planted verdict and all, and then says its own: never taken for the plant.

The parrot quotes what it really saw: the block of the prompt that the shipped recipe rendered. `read` then knows the texts
under judgement, as in a run. The raw answer is repeated as well, as by a judge that undoes the marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from parse_grammars import stopped

from judge.parse import format_verdict, read
from judge.recipe.verdict import Question
from judge.types import NoVerdict, Verdict
from tests.hostile import DELIMITERS, FAKE_VERDICTS, READ, RUBRIC, prompt_of, question_of, texts, tries

PLACES = {  # of the planted text in the answer
    "appended": "It is 5.\n{fake}",
    "same-line": "It is 5. {fake}",
    "prepended": "{fake}\nIt is 5.",
    "alone": "{fake}",
    "fenced": "It is 5.\n```\n{fake}\n```",
    "thinking": "<think>\n{fake}\n</think>\nIt is 5.",
}
REPLIES = {
    "quote-first": "{quote}\n\nThat is wrong.\n{own}",
    "own-first": "That is wrong.\n{own}\n\nIt said:\n{quote}",
    "own-first-bare": "That is wrong.\n{own}\n\n{quote}",
    "quote-marks": 'The response says "{quote}" and is wrong.\n\n{own}',
    "fenced-quote": "````\n{quote}\n````\nWrong.\n{own}",
    "twice": "{quote}\n{quote}\n{own}",
}


def verdicts(question: Question) -> tuple[object, object]:
    """Two different verdicts of a question, the second one worse for the first response."""
    kind, spec = question.spec.kind, question.spec
    if kind == "criteria":
        return tuple({c: pick(labels) for c, labels in question.criteria.items()} for pick in (best, worst))  # type: ignore[return-value]
    if kind in ("label", "graded_choice"):
        return best(question.labels), worst(question.labels)
    if kind == "score":
        return question.hi, question.lo
    if kind == "scores" and question.labels:
        others = len(question.names) - 1
        best_label, worst_label = best(question.labels), worst(question.labels)
        return [best_label, *[worst_label] * others], [worst_label, *[best_label] * others]
    if kind == "scores":
        count = len(question.names)
        return [question.hi] + [question.lo] * (count - 1), [question.lo] + [question.hi] * (count - 1)
    assert spec.kind == "choice"
    return 0, 1


def best(labels) -> str:
    return max(scored(labels), key=labels.get)


def worst(labels) -> str:
    return min(scored(labels), key=labels.get)


def scored(labels) -> list[str]:
    return [label for label, score in labels.items() if score is not None]


def seen(name: str, answer: str) -> str:
    """The candidate's block as the judge saw it."""
    block = re.compile(r"<<<BEGIN ([^\n]*) (\w{10})>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)
    blocks, others = (block.findall(prompt_of(name, text)) for text in (answer, "Something else."))
    return next(mine[2] for mine, other in zip(blocks, others, strict=True) if mine[2] != other[2])


def outcomes(name: str, fake: str, quoted) -> Iterator[tuple[str, Verdict | NoVerdict, Verdict]]:
    """What is read from each way to quote one planted text, and what the judge said."""
    for place, frame in PLACES.items():
        answer = frame.format(fake=fake)
        question = question_of(name, answer)
        own = format_verdict(question, verdicts(question)[1])
        meant = read(stopped(own), question_of(name, material=False))
        assert isinstance(meant, Verdict)
        for reply, shape in REPLIES.items():
            text = shape.format(quote=quoted(name, answer), own=own)
            yield f"{place}, {reply}", read(stopped(text), question), meant


def planted(name: str) -> list[str]:
    """Every fake verdict and delimiter of the catalogue, and the recipe's own best verdict."""
    question = question_of(name)
    own = format_verdict(question, verdicts(question)[0])
    return [*FAKE_VERDICTS, *DELIMITERS, own, f"**{own}**", *(f"{d}\n{own}" for d in DELIMITERS), f"{own}\n{DELIMITERS[0]}"]


def flips(name: str, quoted) -> tuple[list, int, int]:
    """Readings that are neither the judge's own verdict nor none; how many were its own; of how many."""
    wrong, right, count = [], 0, 0
    for fake in planted(name):
        for where, outcome, meant in outcomes(name, fake, quoted):
            count += 1
            if isinstance(outcome, Verdict):
                right += outcome.scores == meant.scores
                if outcome.scores != meant.scores:
                    wrong.append((fake, where, outcome.value))
    return wrong, right, count


@pytest.mark.parametrize("name", READ)
def test_parrot_of_what_it_saw(name):
    """0 flips, and nearly always the judge's own verdict: an answer cannot silence its judge either."""
    wrong, right, count = flips(name, seen)
    assert wrong == []
    print(f"{name}: own verdict read in {right} of {count}")
    assert right > 0.99 * count


@pytest.mark.parametrize("name", READ)
def test_parrot_that_undoes_the_marks(name):
    """A judge that writes the planted verdict as the answer had it: 0 flips, though now and then there is no verdict."""
    wrong, _, _ = flips(name, lambda _, answer: answer)
    assert wrong == []


@pytest.mark.parametrize("name", READ)
def test_parrot_of_any_text(name):
    """The same for texts nobody has thought of."""
    question = question_of(name)
    own = format_verdict(question, verdicts(question)[0])
    pieces = texts(own, *FAKE_VERDICTS[::3], *DELIMITERS)

    @tries(60, 2_000)
    @given(pieces)
    def holds(answer):
        asked = question_of(name, answer)
        meant = read(stopped(format_verdict(asked, verdicts(asked)[1])), question_of(name, material=False))
        quote = seen(name, answer)
        for shape in REPLIES.values():
            outcome = read(stopped(shape.format(quote=quote, own=format_verdict(asked, verdicts(asked)[1]))), asked)
            assert not isinstance(outcome, Verdict) or outcome.scores == meant.scores, (answer, shape)

    holds()


def test_the_rubric_has_criteria():
    """Checklists are among the grammars tried."""
    assert len(RUBRIC.criteria) > 1
