"""Steps that read the response: repetition, relevance, form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from judge.rubric.model import Frozen
from judge.settings.shape.units import Finite, Unit, Weight


class RepetitionStep(Frozen):
    """Lose `weight` x the share of n-grams that repeat an earlier one."""

    kind: Literal["repetition"] = "repetition"
    n: int = Field(default=3, ge=1, le=100)
    weight: Weight = 0.5


class RelevanceStep(Frozen):
    """Reward x min(1, relevance / enough): an answer to another question earns nothing.

    Attributes:
        component: Relevance score in [0, 1]; None: cosine of the words of prompt and response.
        enough: Relevance from which nothing is lost.
    """

    kind: Literal["relevance"] = "relevance"
    component: str | None = None
    enough: float = Field(default=0.3, gt=0, le=1)


class R3Step(Frozen):
    """Mix in the regularised relevance reward.

    Attributes:
        component: Relevance of the response to the prompt, in [0, 1]; None: cosine of their words.
        reference: Relevance to a reference answer (component), for closed questions.
        closed: Key of the metadata that is true for a closed question.
        words: So many words earn the whole length incentive.
        n: Of the n-grams that must not repeat.
        mix: Share of this reward; the rest is the reward as it was.
    """

    kind: Literal["r3"] = "r3"
    component: str | None = None
    reference: str | None = None
    closed: str = "closed"
    words: int = Field(default=100, ge=1, le=100_000)
    n: int = Field(default=3, ge=1, le=100)
    mix: Unit = 0.5


class FormatStep(Frozen):
    """A response in the wrong form gets `failed` instead of its reward.

    Attributes:
        gates: `boxed`, `think`, `answer`, `json`, or `package.module:name` of a function text -> true, false or None (unclear).
    """

    kind: Literal["format"] = "format"
    gates: tuple[str, ...] = Field(min_length=1, max_length=32)
    failed: Finite = 0.0
