"""Positive verdicts that count only with the words of the response behind them.

- A recipe with `verdict.copied` makes the judge copy the words in the same call. They are checked behind every positive verdict
  (`proof: always`), or behind those on a response that a filter suspects.
- Other recipes ask for the words in one short turn more, and only for a suspected response that got a positive verdict.
- Words that do not stand in the response, or say nothing although no filter suspects it, are asked for once more. What stays
  unproved has no reward; a suspected response in which the judge itself finds no answer has the lowest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from judge.checks.match import agrees
from judge.checks.stated import answer_part, find_stated
from judge.checks.values import compare_values
from judge.filters.proof import Proof, prove, spans
from judge.filters.surface import ResponseView
from judge.pipeline.calls import NONE, Asked, Caller
from judge.types import NoVerdict, Reason, Verdict


class Prover:
    """Checks the proofs of one run."""

    def __init__(self, caller: Caller) -> None:
        spec = caller.recipe.spec
        self._caller = caller
        copied = spec.verdict.copied
        self._none = NONE if copied is None else copied.none
        self.copies = copied is not None
        self.always = spec.proof == "always"
        self.possible = spec.mode not in ("pairwise", "listwise")

    async def proved(self, asked: Asked, view: ResponseView, *, suspect: bool) -> Asked:
        """A positive verdict with its proof checked: itself, or what it comes to without one.

        Args:
            suspect: A filter suspects the response, so "none" is the judge's word that there is no answer; otherwise it only
                contradicts the verdict.
        """
        assert isinstance(asked.outcome, Verdict)  # noqa: S101  # only verdicts need a proof
        proof = self._check(asked.outcome.copied, view) if self.copies else Proof("not_found")
        if proof.state == "not_found" or (proof.state in ("none", "says_nothing") and not suspect):
            copied, call = await self._caller.copy(asked, spans(view.text))
            asked = replace(asked, calls=(*asked.calls, call))
            if isinstance(copied, NoVerdict):
                return replace(asked, outcome=copied)
            proof = self._check(copied, view)
            asked = replace(asked, outcome=replace(asked.outcome, copied=copied)) if isinstance(asked.outcome, Verdict) else asked
        if proof.state == "proved":
            return asked
        if proof.state == "none" and suspect:
            return replace(asked, lowest=proof.detail)
        return replace(asked, outcome=NoVerdict(Reason.UNPROVED, proof.detail))

    def _check(self, copied: str | None, view: ResponseView) -> Proof:
        return prove(copied, view, compare=compare_values, none=self._none)


RULE_FIRST = "rule_first"  # the recipe option that lets a rule decide before any call
BY_RULE = "equals the reference by rule, without a judge call"
_BOX = re.compile(r"\\boxed\s?\{([^{}]{0,200}(?:\{[^{}]{0,100}\}[^{}]{0,100}){0,4})\}")
_STATES = re.compile(r"####|answer\s{0,3}(?:is|:|=)", re.IGNORECASE)


def equal_by_rule(view: ResponseView, equal: Callable[[str, str], bool] = agrees) -> bool:
    """Whether a response, or the one final answer that it states in a box, behind `####` or behind "answer is", is the reference.

    What is not certain is left to the judge: several boxes or statements that differ, and a last number that nothing calls the
    answer.

    Example:
        >>> from judge.filters.reference import reference
        >>> [equal_by_rule(ResponseView(t, reference=reference(("4",)))) for t in ("4", "The answer is 4.", "2 + 2 = 4", "5")]
        [True, True, False, False]
    """
    parts = () if view.reference is None else view.reference.parts
    if any(equal(view.text, part) for part in parts):
        return True
    boxes = {box.strip() for box in _BOX.findall(view.text)}
    statements = _STATES.findall(view.text)
    if len(boxes) != 1 and not (not boxes and "\\boxed" not in view.text and len(statements) == 1):
        return False
    stated = find_stated(answer_part(view.text))
    return stated is not None and stated.how in ("box", "mark") and any(equal(stated.text, part) for part in parts)
