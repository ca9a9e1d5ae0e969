"""Asking about single steps with what there is: recipes for checklists, and engines that score a given text.

- A step is a criterion, so `checklist-all` grades all steps in one call, and `checklist` in one call each. Steps are numbered
  in the response and the criteria speak of numbers only: the text of a step is untrusted and never becomes a question.
- A judge that reads backwards sees the last step first, under the same numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from judge.arrays import Floats
from judge.reward.process.spans import split_spans
from judge.rubric.model import Criterion, Rubric
from judge.types import Message, Sample

QUESTION = "Step {number} is right in itself and follows from what is known before it."
_NAME = "step_"

Score = Callable[[Sequence[Message], str], Awaitable[Sequence[float]]]
"""Conversation and the assistant's next words -> natural-log probability of each of their tokens: `Engine.score_continuation`."""


def numbered(steps: Sequence[str], *, backwards: bool = False) -> str:
    """The steps as one text, each under its number.

    Example:
        >>> numbered(["a = 1", "b = 2"], backwards=True)
        'Step 2: b = 2\\n\\nStep 1: a = 1'
    """
    lines = [f"Step {number}: {step}" for number, step in enumerate(steps, 1)]
    return "\n\n".join(reversed(lines) if backwards else lines)


def step_sample(sample: Sample, index: int = 0, *, question: str = QUESTION, backwards: bool = False) -> Sample:
    """A sample whose rubric asks about each step of one response.

    What is asked of a step is the caller's: right or wrong (the default, as most process reward models), or a principle
    (PPR, arXiv:2509.25598). Read backwards it is the second half of BiPRM (arXiv:2508.01682).

    Args:
        sample: Its `steps` are used; without them, the response's paragraphs.
        index: Of the response.
        question: With `{number}` in it.
        backwards: Show the last step first, and ask about it first.

    Raises:
        ValueError: There is no step, or `question` does not say which step it asks about.

    Example:
        >>> asked = step_sample(Sample.of("2+2+1?", "2+2 = 4\\n\\n4+1 = 6"))
        >>> asked.responses[0], [c.id for c in asked.rubric.criteria]
        ('Step 1: 2+2 = 4\\n\\nStep 2: 4+1 = 6', ['step_1', 'step_2'])
    """
    text = sample.texts[index]
    steps = sample.steps or tuple(text[s.start : s.stop] for s in split_spans(text))
    if not steps or "{number}" not in question:
        raise ValueError(f"sample `{sample.id}` has {len(steps)} steps, and the question must hold `{{number}}`: {question!r}")
    asked = [Criterion(id=f"{_NAME}{n}", text=question.replace("{number}", str(n))) for n in range(1, len(steps) + 1)]
    rubric = Rubric(criteria=tuple(asked[::-1] if backwards else asked))
    return replace(sample, responses=(numbered(steps, backwards=backwards),), steps=(), rubric=rubric)


def step_scores(components: Mapping[str, float | None]) -> Floats:
    """Components of a `step_sample`'s reward -> scores in the order of the text, whichever way they were read.

    Returns:
        Shape (steps,), in [0, 1]; NaN for a step without a verdict, whatever the others say.

    Example:
        >>> step_scores({"step_2": 0.0, "step_1": 1.0, "step_3": None})
        array([ 1.,  0., nan])
    """
    numbers = sorted(int(name.removeprefix(_NAME)) for name in components if name.startswith(_NAME))
    found = [components[f"{_NAME}{number}"] for number in numbers]
    return np.array([np.nan if score is None else score for score in found], dtype=np.float64)


async def chances_after(score: Score, cases: Sequence[tuple[Sequence[Message], str, str]]) -> Floats:
    """Length-normalised chance of a given text after what was written before it, for many cases at once.

    IGPO (arXiv:2510.14967): the reference answer after each turn; the differences are `information_gain`. P2S (Zhong et al. 2026,
    "Probabilistic Process Supervision", arXiv:2601.20649): the rest of a good solution after each step of the response is
    the step's path faithfulness. How that paper finds the rest was not available to us, so the caller cuts it.

    Args:
        score: `engine.score_continuation`.
        cases: The conversation, what the assistant has written so far in its turn (may be empty), and the text to score.

    Returns:
        exp(mean log-probability of the text's tokens), shape (cases,), in [0, 1]; NaN where there is no token to score.

    Example:
        >>> async def halves(messages, text):
        ...     return [np.log(0.5)] * len(text.split())
        >>> asyncio.run(chances_after(halves, [((Message("user", "2+2?"),), "It is", " 4"), ((), "", "")]))
        array([0.5, nan])
    """

    async def one(messages: Sequence[Message], written: str, text: str) -> float:
        whole = list(await score(messages, written + text)) if text else []
        before = list(await score(messages, written)) if text and written else []
        tokens = len(whole) - len(before)
        if tokens < 1:
            return float("nan")
        return float(np.exp(min(0.0, (sum(whole) - sum(before)) / tokens)))

    return np.array(await asyncio.gather(*(one(*case) for case in cases)), dtype=np.float64)
