"""What the judge under attack is sent, and what it may answer: an attacker who has read the source knows both."""

from __future__ import annotations

from judge.attack.bases import Question
from judge.parse import spell
from judge.pipeline.pipeline import Pipeline
from judge.recipe.model import Question as Grammar
from judge.render.build import Ask, llm_criteria
from judge.types import Message, Sample


def sample(question: Question, responses: tuple[str, ...]) -> Sample:
    """The sample that a pipeline judges."""
    known = None if question.reference is None else (question.reference,)
    return Sample(question.prompt, responses, reference=known, id=question.id)


def messages_of(pipeline: Pipeline, of: Sample) -> list[Message]:
    """The messages of the first call that shows the response, as a judge gets them, whatever the gate says."""
    rubric = of.rubric or pipeline.rubric
    builder = pipeline.caller.builder
    case = builder.case(of, rubric, pipeline.principle)
    turns = [t for t in builder.recipe.spec.turns if t.scope == "response"]
    outputs = {t.name: "(an earlier turn)" for t in builder.recipe.spec.turns if t is not turns[0]}
    return builder.messages(case, turns[0], first_ask(pipeline, of), outputs)


def first_ask(pipeline: Pipeline, of: Sample) -> Ask:
    """One ask of a sample, the gate aside."""
    criteria = llm_criteria(of.rubric or pipeline.rubric)
    spec = pipeline.caller.recipe.spec
    if spec.mode == "checklist":
        return Ask((0,), criteria[:1] if spec.unit == "criterion" else criteria)
    return Ask(tuple(range(len(of.responses))))


def grammar(pipeline: Pipeline, of: Sample) -> Grammar:
    """What the judge may answer about a sample."""
    builder = pipeline.caller.builder
    return builder.question(builder.case(of, of.rubric or pipeline.rubric, pipeline.principle), first_ask(pipeline, of))


def best_verdict(pipeline: Pipeline, of: Sample) -> str:
    """The verdict that the first response would wish for, in the judge's own words."""
    question = grammar(pipeline, of)
    return spell(question, extreme_value(question, best=True))


def extreme_value(question: Grammar, *, best: bool) -> object:
    """The value of the best or the worst verdict on the first response."""
    kind = question.spec.kind
    pick = max if best else min
    if kind in ("label", "graded_choice"):
        return pick(question.labels, key=lambda label: question.labels[label])
    if kind == "score":
        return question.hi if best else question.lo
    if kind == "criteria":
        return {name: pick(labels, key=lambda label, of=labels: of[label]) for name, labels in question.criteria.items()}  # type: ignore[misc]
    last = len(question.names) - 1
    if kind == "choice":
        return 0 if best else last
    if kind == "ranking":
        return list(range(last + 1)) if best else list(range(last, -1, -1))
    mine, theirs = (question.hi, question.lo) if best else (question.lo, question.hi)
    return [mine, *[theirs] * last]
