"""The records of an audit: a case, a probe that changes it, a trial that compares before with after.

- A probe is a plain function (Case, random.Random) -> Case or None (it does not apply). It sees one response at a time,
  so the same probe serves recipes that see one response, two, or many.
- Its randomness is seeded by run seed, probe and case, never by position: the same item gets the same rewrite in any
  order and in any subset of the data.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from judge.rubric.model import Rubric
from judge.types import Sample

Expect = Literal["invariant", "order", "drop", "rise"]
Family = Literal[
    "rewriting", "rubric", "neutral", "length", "format", "sentiment", "cue", "causal", "contrast", "position", "user"
]
Pairs = Literal["both", "one", "against", "question", "whole"]
Base = Literal["any", "right", "wrong"]


@dataclass(frozen=True, slots=True)
class Other:
    """Another question of the same data: material for contrast."""

    question: str
    sample: Sample
    answer: str


@dataclass(frozen=True, slots=True)
class Case:
    """A sample, and the one response of it that a probe changes.

    Attributes:
        index: Which response the probe changes and the audit measures.
        right: For each response, whether the data call it right (or preferred); None: not said.
        question: Trials on one question fail together: intervals are clustered by it.
        rubric: What the run judges by, when the sample has none of its own.
        others: Other questions, ordered by name, never this one.
        order: Original index of the response at each position; empty: unchanged.
        renamed: New criterion id -> old one, where a probe renamed criteria.
    """

    sample: Sample
    index: int = 0
    right: tuple[bool | None, ...] = (None,)
    question: str = ""
    rubric: Rubric | None = None
    others: tuple[Other, ...] = ()
    order: tuple[int, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The response under the probe."""
        return self.sample.responses[self.index]

    @property
    def reference(self) -> str | None:
        """The known good answer, where there is one; the first of several."""
        return self.sample.reference[0] if self.sample.reference else None

    @property
    def is_right(self) -> bool | None:
        """Whether the response under the probe is right."""
        return self.right[self.index]

    def but(self, text: str | None) -> Case | None:
        """This case with another response text. None when there is no other text, or it is the same."""
        if text is None or text == self.text or not text.strip():
            return None
        responses = tuple(text if i == self.index else r for i, r in enumerate(self.sample.responses))
        return replace(self, sample=replace(self.sample, responses=responses))


Rewrite = Callable[[Case, random.Random], Case | None]


@dataclass(frozen=True, slots=True)
class Probe:
    """A named change, and what a good judge does about it.

    Attributes:
        expect: `invariant`: no component of the reward moves by more than the tolerance. `order`: each response keeps its
            reward at another position. `drop`, `rise`: the reward must move that way (any amount).
        base: Which responses it is tried on. `right` takes unlabelled ones too.
        pairs: What it means for a recipe that sees two responses. `both`: rewrite both. `one`: rewrite the one that is
            measured. `against`: show the response beside its own rewrite (a neutral pair must tie, a causal one must not).
            `whole`: the probe changes the sample as a whole.
            `question`: show it beside the other question's answer, under either question.
        in_verifier: False: leaves the final answer alone, so a recipe that compares final answers should not react.
        single: False: needs two responses or more.
    """

    name: str
    family: Family
    expect: Expect
    rewrite: Rewrite
    base: Base = "any"
    pairs: Pairs = "both"
    in_verifier: bool = True
    single: bool = True

    @property
    def about(self) -> str:
        """What it does, in one line: the first of the function's docstring."""
        return (self.rewrite.__doc__ or "").strip().partition("\n")[0]

    def apply(self, case: Case, seed: int) -> Case | None:
        """The changed case, or None where the probe does not apply."""
        return self.rewrite(case, rng(seed, self.name, case.question, case.text))


def rng(seed: int, *names: str) -> random.Random:
    """Randomness that belongs to these names and to nothing else.

    Example:
        >>> rng(0, "leet", "q1").random() == rng(0, "leet", "q1").random()
        True
    """
    text = "\x1f".join(names).encode("utf-8", "surrogatepass")
    return random.Random(hashlib.blake2b(text, digest_size=8, key=str(seed).encode()).digest())


@dataclass(frozen=True, slots=True)
class Trial:
    """One probe on one case: what is judged before, and what after."""

    probe: Probe
    case: Case  # as in the data
    before: Case
    after: Case

    @property
    def name(self) -> str:
        """Id of the sample, with the response under the probe where there are several."""
        several = len(self.case.sample.responses) > 1
        return f"{self.case.sample.id}[{self.case.index}]" if several else self.case.sample.id
