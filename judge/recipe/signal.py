"""Where the number of one judge call comes from, and how it is read: what `signal` and its own fields may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from judge.rubric.model import Frozen

Signal = Literal["stated", "expected"]
"""`stated`: the verdict as written. `expected`: the mean of the scale under the judge's probabilities at the verdict."""

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
