"""Where the number of one judge call comes from, and how it is read: what `signal` and its own fields may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.errors import BadRecipe
from judge.rubric.model import Frozen, Identifier

Signal = Literal["stated", "expected", "likelihood", "scalar", "program", "steps"]
"""`stated`: the verdict as written. `expected`: the mean of the scale under the judge's probabilities at the verdict.
`likelihood`: how likely a given text is. `scalar`: the number of a reward-model head. `program`: what a function of the sample
gives, without a model. `steps`: one of these for each step of the response, folded."""

RunSignal = Literal["stated", "expected"]
"""What a run may choose for any recipe that asks for a verdict on a finite scale."""


class Readout(Frozen):
    """How the judge's probabilities are read (`signal: expected`).

    Attributes:
        top: Likeliest tokens to ask for at each place.
        min_mass: Least probability, in [0, 1], that the values of the scale must hold together; with less there is no verdict
            (`unclear`).
        at: `verdict`: where the reply states its verdict. `first`: the first token generated, whatever it is; the text is not
            parsed, one token is asked for, and a reached token limit is fine.
        rotate: Average over every cyclic order of what is chosen from: the labels as the prompt lists them, or the responses
            (a pair: both orders).
        debias: `prior`: the probability of each value is divided by the one that it has where the responses are replaced by
            "N/A", and all are made to sum to 1 again (Zhao et al. 2021, arXiv:2102.09690, section 5). Asked once a prompt.
    """

    top: int = Field(default=20, ge=1, le=20)
    min_mass: float = Field(default=0.5, ge=0, le=1)
    at: Literal["verdict", "first"] = "verdict"
    rotate: bool = False
    debias: Literal["none", "prior"] = "none"

    def over(self, below: Readout) -> Readout:
        """These values where they were given, and the others' where not.

        Example:
            >>> Readout(rotate=True).over(Readout(at="first", top=5))
            Readout(top=5, min_mass=0.5, at='first', rotate=True, debias='none')
        """
        return below.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


TokenFold = Literal["sum", "mean", "geometric", "mean_probability", "bits_per_byte"]
BaselineUse = Literal["none", "difference", "ratio", "drop"]
Squash = Literal["none", "exp", "exp2", "clip", "sigmoid", "tanh"]
LOGS = ("sum", "mean", "bits_per_byte")  # folds whose values are logarithms, so at most 0; the others lie in [0, 1]


class LikelihoodSpec(Frozen):
    """What the log-probabilities of scored texts come to (`signal: likelihood`); formulas: `judge.reward.likelihood`.

    Attributes:
        of: The scored turn whose text counts.
        baseline: The scored turn that it is set against.
        fold: The tokens of a text -> one value.
        texts: What is scored: the rendered text as a `whole`, or each of its `lines` by itself, averaged after the fold.
        compare: The value against the baseline's: `difference`, `ratio`, or `drop` (the share of the perplexity that is gone).
        scale: What the result is multiplied by before `squash`.
        squash: How it gets into [0, 1].
    """

    bad_value = BadRecipe

    of: Identifier
    baseline: Identifier | None = None
    fold: TokenFold = "geometric"
    texts: Literal["whole", "lines"] = "whole"
    compare: BaselineUse = "none"
    scale: float = Field(default=1.0, gt=0)
    squash: Squash = "none"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.baseline is None) != (self.compare == "none"):
            raise ValueError("`baseline` and `compare` go together: give both, or none of them")
        why = self._outside()
        if why:
            raise ValueError(f"fold `{self.fold}`, compare `{self.compare}`, squash `{self.squash}`: {why}")
        return self

    def _outside(self) -> str:
        """Why the result would not lie in [0, 1], or would always be the same; empty where it does."""
        logs = self.fold in LOGS
        if self.compare == "ratio" and logs:
            return (
                "a ratio of logarithms grows as the text gets less likely; use `difference`, `drop`, or a fold in probabilities"
            )
        low = logs and self.compare == "none"  # never above 0
        if self.squash in ("exp", "exp2") and not low:
            return f"`{self.squash}` is for values that are never above 0: a fold in logarithms, without a baseline"
        if self.squash in ("clip", "tanh") and low:
            return f"a logarithm is never above 0, so `{self.squash}` would always give 0; use `exp`, `exp2` or `sigmoid`"
        if self.squash == "none" and (logs or self.compare != "none" or self.scale > 1):
            return "the result need not lie in [0, 1]; set `squash`"
        return ""


class ScalarSpec(Frozen):
    """What the number of a reward-model head comes to: squash(number * scale + offset) (`signal: scalar`).

    Attributes:
        squash: `sigmoid`; `clip`: below 0 is 0 and above 1 is 1; `none`: a number outside [0, 1] gives no reward (`off_scale`).
    """

    bad_value = BadRecipe

    squash: Literal["sigmoid", "clip", "none"] = "sigmoid"
    scale: float = Field(default=1.0, gt=0)
    offset: float = 0.0
