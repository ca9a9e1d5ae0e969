"""A judge without a model that replies in whatever form a recipe asks for: `engine: {kind: scripted, verdicts: drawn}`.

To try a recipe, a rubric or a data set before a model is there. Its verdict on a response is drawn from the response's own words,
so the same response always gets the same grade, of two responses the same one is always better, and no order matters. It says
nothing about quality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from judge.engine.scripted import DEFAULT_CAPABILITIES, ScriptedEngine
from judge.parse import format_verdict
from judge.parse.format import opening
from judge.pipeline.asking import Asking, asking
from judge.recipe.verdict import LabelScores, Question
from judge.settings import EngineSettings, ScriptedSettings
from judge.types import Completion, Message, Request, TokenLogprobs

SURE = 0.9  # probability of the stated value where probabilities are read
WORDS = 8  # words of a response that are copied as its answer


def draws(settings: EngineSettings) -> bool:
    """Whether the settings ask for this judge."""
    return isinstance(settings, ScriptedSettings) and settings.verdicts == "drawn"


def drawn_engine(model: str = "scripted") -> ScriptedEngine:
    """The engine: it replies, scores texts and rates conversations, each drawn from the words in question."""
    return ScriptedEngine(
        _reply,
        model=model,
        capabilities=DEFAULT_CAPABILITIES,
        scores=lambda _, text: [-0.1 - 2 * share(word) for word in text.split() or [text]],
        rates=lambda messages: 4 * share(_last(messages)) - 2,
        identity={"replies": "drawn"},
    )


def share(text: str) -> float:
    """A number in [0, 1) that hangs on the text alone.

    Example:
        >>> share("42") == share("42"), 0 <= share("42") < 1
        (True, True)
    """
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest()) / 2**48


def _last(messages: Sequence[Message]) -> str:
    return messages[-1].text if messages else ""


def _reply(request: Request) -> Completion:
    now = asking()
    if request.structured is not None and request.structured.choice:  # the verdict alone, or the words that prove it
        return Completion(request.structured.choice[0])
    if now is None or now.question is None:
        return Completion("1. The response answers what was asked.\n2. It is short.")
    if now.copies:
        return Completion(_answer(now, now.question))
    return _stated(request, now, now.question)


def _stated(request: Request, now: Asking, question: Question) -> Completion:
    value = verdict(question, now.order)
    if question.readout is not None and question.readout.at == "first":
        token = _token(question, value)
        return Completion(token, "length", logprobs=(TokenLogprobs(token, {token: math.log(SURE)}),))
    statement = format_verdict(question, value)
    before, _ = opening(question)
    begun = _last(request.messages) if request.messages[-1].role == "assistant" else ""
    if begun and before.strip() and begun.rstrip().endswith(before.strip()):  # the recipe has written the first half of it
        statement, text = statement[len(before) :], ""
    else:
        copied = question.spec.copied
        line = f"{copied.marker}: {_answer(now, question)}\n" if copied is not None and copied.turn is None else ""
        text = f"I have read it.\n{line}"
    tokens = [TokenLogprobs(text, {})] if text else []
    tokens.append(TokenLogprobs(statement, {statement: math.log(SURE)}))
    return Completion(text + statement, logprobs=tuple(tokens) if question.readout is not None else ())


def _token(question: Question, value: object) -> str:
    """A value as the one token that a judge would write."""
    if question.spec.kind == "choice" and isinstance(value, int):
        return question.names[value]
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _answer(now: Asking, question: Question) -> str:
    return " ".join(_text(question, now.order[0]).split()[:WORDS])


def _text(question: Question, index: int) -> str:
    """The response at a place of the sample: the texts of a question begin with the responses."""
    return question.material[index] if index < len(question.material) else ""


def verdict(question: Question, order: Sequence[int]) -> object:
    """A verdict of the question's kind on the responses in the order shown, as `format_verdict` takes it."""
    texts = [_text(question, index) for index in order]
    if question.spec.kind == "criteria":
        return {name: _level(labels, share(f"{name}\n{texts[0]}")) for name, labels in question.criteria.items()}
    levels = [share(text) for text in texts]
    return _of_one(question, levels[0]) if len(levels) == 1 else _of_several(question, levels)


def _of_one(question: Question, level: float) -> object:
    if question.spec.kind == "label":
        return _level(question.labels, level)
    if question.spec.kind == "first_error":
        at = int(2 * level * question.steps)
        return question.spec.none if at >= question.steps else at + question.spec.base
    return _number(question, level)


def _of_several(question: Question, levels: Sequence[float]) -> object:
    kind = question.spec.kind
    if kind == "graded_choice":
        return _level(question.labels, (1 + levels[0] - levels[1]) / 2)
    if kind == "ranking":
        return sorted(range(len(levels)), key=lambda at: -levels[at])
    if kind == "scores":
        return [_level(question.labels, level) if question.labels else _number(question, level) for level in levels]
    return levels.index(max(levels))


def _level(labels: LabelScores, level: float) -> str:
    """The label whose score is next to a level in [0, 1]; labels that abstain are not drawn."""
    known: Mapping[str, float] = {label: score for label, score in labels.items() if score is not None}
    return min(known, key=lambda label: abs(known[label] - level))


def _number(question: Question, level: float) -> float:
    value = question.lo + level * (question.hi - question.lo)
    return round(value) if question.integer else round(value, 1)
