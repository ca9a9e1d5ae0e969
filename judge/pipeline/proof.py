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

from judge.checks.final import repeats_question
from judge.checks.match import agrees
from judge.checks.stated import answer_part, find_stated
from judge.checks.values import compare_values
from judge.filters.intake import Intake
from judge.filters.proof import Proof, prove, spans
from judge.filters.surface import ResponseView
from judge.pipeline.calls import NONE, Asked, Caller
from judge.recipe.model import WRITTEN, RecipeSpec
from judge.settings.filters import FilterSettings
from judge.types import Flag, NoVerdict, Reason, Reward, Verdict

COMPARING = ("pairwise", "listwise")  # modes in which a call shows several responses


class Prover:
    """Checks the proofs of one run."""

    def __init__(self, caller: Caller) -> None:
        spec = caller.recipe.spec
        self._caller = caller
        copied = spec.verdict.copied
        self._none = NONE if copied is None else copied.none
        self.copies = copied is not None
        self.always = spec.proof == "always"
        self.possible = can_prove(spec)

    async def proved(self, asked: Asked, view: ResponseView, *, suspect: bool) -> Asked:
        """A positive verdict with its proof checked: itself, or what it comes to without one.

        Args:
            suspect: A filter suspects the response, so "none" is the judge's word that there is no answer; otherwise it only
                contradicts the verdict.
        """
        assert isinstance(asked.outcome, Verdict)  # noqa: S101  # only verdicts need a proof
        copied = asked.outcome.copied
        proof = self._check(copied, view) if self.copies else Proof("not_found")
        if proof.state == "not_found" or (proof.state in ("none", "says_nothing") and not suspect):
            found, call = await self._caller.copy(asked, spans(view.text))
            asked = replace(asked, calls=(*asked.calls, call))
            if isinstance(found, NoVerdict):
                detail = f"the call that asked for the words behind a positive verdict failed: {found.detail or found.reason}"
                return replace(asked, outcome=replace(found, detail=detail))
            copied = found
            proof = self._check(copied, view)
            asked = replace(asked, outcome=replace(asked.outcome, copied=copied)) if isinstance(asked.outcome, Verdict) else asked
        if proof.state == "proved":
            return asked
        if proof.state == "none" and suspect:
            return replace(asked, lowest=proof.detail)
        return replace(asked, outcome=NoVerdict(Reason.UNPROVED, unproved(proof, copied)))

    def _check(self, copied: str | None, view: ResponseView) -> Proof:
        return prove(copied, view, compare=compare_values, none=self._none)


def can_prove(spec: RecipeSpec) -> bool:
    """Whether positive verdicts of a recipe can be proved with words of the response: of one response, and written by a judge."""
    return spec.mode not in COMPARING and spec.reads in WRITTEN


def proving(settings: FilterSettings, spec: RecipeSpec) -> frozenset[str]:
    """The filters behind which a positive verdict needs proof; none where the recipe has none to give (`can_prove`)."""
    actions = Intake(settings, spec.mode).actions if can_prove(spec) else {}
    return frozenset(name for name, action in actions.items() if action == "prove")


_NEEDED = "a positive verdict counts here only with words copied from the response that state its answer"


def unproved(proof: Proof, copied: str | None = None) -> str:
    """Why a positive verdict does not count: what the judge gave as its proof, and what would have been one.

    Example:
        >>> unproved(Proof("none"))[:74]
        'the judge calls the response right and says that it states no answer; a po'
    """
    if proof.state == "none":
        return f"the judge calls the response right and says that it states no answer; {_NEEDED}"
    if proof.state == "not_found":
        told = proof.detail if copied is None else f"{proof.detail}, so the judge, asked for words of the response, copied none"
        return f"{told}; {_NEEDED}"
    wrong = "contradict its verdict" if proof.state == "refuted" else "state no answer"
    return f"the words that the judge copied {wrong} ({proof.detail}); {_NEEDED}"


def explained(reward: Reward, suspected: Flag, copied: str | None) -> Reward:
    """The reward of a suspected response, with a sentence on the proof that it owed.

    Args:
        suspected: What the filter found.
        copied: The words that the judge copied as its proof; None where no verdict was positive.
    """
    if reward.raw_reward is None:
        return reward
    doubt = f"the filter `{suspected.name}` suspects that the response does not state one answer"
    if any(flag.name == "no_answer" for flag in reward.flags):
        why = f"{doubt}, and the judge, asked to copy the words that state it, finds none"
        text = f"{reward.explanation}; {why}" if reward.raw_reward else f"{why}, so the reward is 0"
    elif copied is None:
        text = f"{reward.explanation}; {doubt}"
    else:
        shown = " ".join(copied.split())
        shown = f"\u201c{shown[:60]}{'…' * (len(shown) > 60)}\u201d"
        text = f"{reward.explanation}; {doubt}, and the judge proved its verdict with the words {shown}"
    return replace(reward, explanation=text)


RULE_FIRST = "rule_first"  # the recipe option that lets a rule decide before any call
BY_RULE = "the response states the reference answer by rule, so it gets 1 without a judge call"
_BOX = re.compile(r"\\boxed\s?\{([^{}]{0,200}(?:\{[^{}]{0,100}\}[^{}]{0,100}){0,4})\}")
_STATES = re.compile(r"####|answer\s{0,3}(?:is|:|=)", re.IGNORECASE)


def equal_by_rule(view: ResponseView, equal: Callable[[str, str], bool] = agrees) -> bool:
    """Whether a response, or the one final answer that it states in a box, behind `####` or behind "answer is", is the reference.

    What is not certain is left to the judge: a formula of the question given back, several boxes or statements that differ, and
    a last number that nothing calls the answer.

    Example:
        >>> from judge.filters.reference import reference
        >>> [equal_by_rule(ResponseView(t, reference=reference(("4",)))) for t in ("4", "The answer is 4.", "2 + 2 = 4", "5")]
        [True, True, False, False]
        >>> equal_by_rule(ResponseView("2^{10}", "What is $2^{10}$?", reference=reference(("1024",))))
        False
    """
    parts = () if view.reference is None else view.reference.parts
    parts = tuple(part for part in parts if not repeats_question(view.text, part, view.prompt))
    if any(equal(view.text, part) for part in parts):
        return True
    boxes = {box.strip() for box in _BOX.findall(view.text)}
    statements = _STATES.findall(view.text)
    if len(boxes) != 1 and not (not boxes and "\\boxed" not in view.text and len(statements) == 1):
        return False
    stated = find_stated(answer_part(view.text))
    return stated is not None and stated.how in ("box", "mark") and any(equal(stated.text, part) for part in parts)
