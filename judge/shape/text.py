"""Relevance, repetition and the regularised relevance reward: terms that read the response, without a model.

Word overlap is a stand-in for a retriever: it sees an answer to another question, and misses a paraphrase. Pass the similarity of
a retriever or a judge as a component where there is one.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Literal

import numpy as np
from pydantic import Field

from judge.errors import DataError
from judge.rubric.model import Frozen
from judge.shape.batch import RewardRange, Stage, StepKind, Stepped, UnitFloat, Weight, always, not_negative, sees_one


class RepetitionStep(Frozen):
    """Lose `weight` x the share of n-grams that repeat an earlier one.

    Attributes:
        n: Words of an n-gram.
        weight: Of the share of repeated n-grams.
    """

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
    mix: UnitFloat = 0.5


def words(text: str) -> list[str]:
    """Words in lower case; scripts that write without spaces give one word a character.

    Example:
        >>> words("It is, 你好")
        ['it', 'is', '你', '好']
    """
    spaced = "".join(f" {c} " if ord(c) >= 0x2E80 else c if c.isalnum() else " " for c in text)
    return spaced.casefold().split()


def repeated_share(text: str, n: int = 3) -> float:
    """1 - different n-grams / n-grams of words, in [0, 1); 0 when the text has no n-gram.

    One minus the repetition term of R^3 (arXiv:2402.03469, section 3, with n = 3).

    Example:
        >>> repeated_share("a b a b a b", n=2)  # ab ba ab ba ab: 2 of 5 differ
        0.6
    """
    tokens = words(text)
    grams = list(zip(*(tokens[k:] for k in range(n)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def overlap(a: str, b: str) -> float:
    """Cosine of two texts' word counts, in [0, 1]; 0 when one has no words.

    Example:
        >>> overlap("the cat sat", "the cat ran")
        0.666...
    """
    x, y = Counter(words(a)), Counter(words(b))
    size = math.sqrt(sum(c * c for c in x.values()) * sum(c * c for c in y.values()))
    return min(1.0, sum(c * y[w] for w, c in x.items()) / size) if size else 0.0


def r3(
    relevance: float, text: str, *, reference: float | None = None, closed: bool = False, cap: int = 100, n: int = 3
) -> float | None:
    """Open question: relevance x length incentive x repetition term; closed question: relevance to the reference x repetition.

    "Preference-free Alignment Learning with Regularized Relevance Reward" (R^3, arXiv:2402.03469, section 3). The length
    incentive is words / 100, which has no upper end there. Ours: it ends at 1, since an unbounded one pays for length alone.

    Returns:
        In [0, 1]; None for a closed question without a reference score.

    Example:
        >>> r3(0.8, "one two three four five", cap=10)  # 0.8 x 5/10 x 1
        0.4
    """
    fresh = 1 - repeated_share(text, n)
    if closed:
        return None if reference is None or math.isnan(reference) else reference * fresh
    return relevance * min(1.0, len(words(text)) / cap) * fresh


def _relevance(component: str | None, stage: Stage, row: int) -> float:
    if component is not None:
        return float(stage.batch.components[component][row])
    return overlap((stage.batch.prompts or ())[row], (stage.batch.texts or ())[row])


def _is_closed(value: object, name: str) -> bool:
    """Whether a question is closed, as data writes it.

    Example:
        >>> _is_closed("false", "closed"), _is_closed(1, "closed"), _is_closed(None, "closed")
        (False, True, False)

    Raises:
        DataError: It is neither true nor false.
    """
    told = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "none": False, "nan": False, "": False}
    found = told.get(str(value).strip().casefold().removesuffix(".0"))
    if found is None:
        raise DataError(f"metadata `{name}` is {value!r}; step `r3` of `reward.shape` takes true or false")
    return found


def _repetition(step: RepetitionStep, stage: Stage) -> Stepped:
    out = stage.values.copy()
    for row in np.flatnonzero(stage.present).tolist():
        out[row] -= step.weight * repeated_share((stage.batch.texts or ())[row], step.n)
    return Stepped(out)


def _relevant(step: RelevanceStep, stage: Stage) -> Stepped:
    """r x min(1, relevance / enough). Ours: the gate form of relevance as a reward (R^3, above)."""
    out = stage.values.copy()
    for row in np.flatnonzero(stage.present).tolist():
        found = _relevance(step.component, stage, row)
        if math.isnan(found):
            out[row] = out[row] if stage.vetoed[row] else np.nan
        else:
            out[row] *= min(1.0, found / step.enough)
    return Stepped(out)


def _r3(step: R3Step, stage: Stage) -> Stepped:
    out, unknown = stage.values.copy(), 0
    for row in np.flatnonzero(stage.present).tolist():
        if stage.vetoed[row]:  # relevant or not, it was turned away
            out[row] *= 1 - step.mix
            continue
        reference = float(stage.batch.components[step.reference][row]) if step.reference else None
        closed = _is_closed((stage.batch.metadata or ({},) * len(out))[row].get(step.closed), step.closed)
        text = (stage.batch.texts or ())[row]
        relevance = math.nan if closed else _relevance(step.component, stage, row)
        score = r3(relevance, text, reference=reference, closed=closed, cap=step.words, n=step.n)
        known = score is not None and not math.isnan(score)
        unknown += not known
        out[row] = (1 - step.mix) * out[row] + step.mix * score if known and score is not None else np.nan
    return Stepped(out, (f"{unknown} response(s) lack a relevance score: no reward there",) if unknown else ())


def _source(component: str | None) -> tuple[str, ...]:
    return ("prompts", "texts") if component is None else (f"component {component}",)


def _r3_needs(step: R3Step) -> tuple[str, ...]:
    reference = (f"component {step.reference}", "metadata") if step.reference else ()
    return tuple(dict.fromkeys((*_source(step.component), "texts", *reference)))


def _mixed(step: Any, span: RewardRange) -> RewardRange:
    return (1 - step.mix) * span[0] if step.mix < 1 else 0.0, (1 - step.mix) * span[1] + step.mix if step.mix < 1 else 1.0


KINDS: dict[str, StepKind] = {
    "repetition": StepKind(
        _repetition, always("row"), lambda s: ("texts",), lambda s, span: (span[0] - s.weight, span[1]), sees=sees_one
    ),
    "relevance": StepKind(
        _relevant, always("row"), lambda s: _source(s.component), lambda s, span: (0.0, span[1]), not_negative, sees=sees_one
    ),
    "r3": StepKind(_r3, always("row"), _r3_needs, _mixed, replaces=lambda s: bool(s.mix == 1), sees=sees_one),
}
