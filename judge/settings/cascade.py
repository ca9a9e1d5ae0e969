"""A cheap judge in front of the run's own."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from judge.rubric.model import Frozen
from judge.settings.panel import MemberSettings


class CascadeSettings(Frozen):
    """A cheap judge for all samples; the run's own judge where that one is unsure, or has no verdict.

    At least one of `entropy`, `variance`, `margin` and `calibration` says when it is unsure; of several, any is enough.

    Attributes:
        first: The cheap judge: a recipe of one token (`signal: expected`), a reward model, a smaller engine. Engine,
            rubric and filters that it leaves out are the run's; so are sampling, votes and signal where it names no recipe of its
            own. It is called `cheap` where it has no name.
        entropy: Unsure at this entropy of its probabilities or more, in nats.
        variance: Unsure at this variance of its score or more, in [0, 0.25].
        margin: Unsure where its reward is nearer to 0.5 than this, in (0, 0.5].
        calibration: Unsure where the file of `judge calibrate`, made with the cheap judge, finds its reward too unsure.
        audit_share: Share of the decided samples that are asked in full as well, to tell how often the two agree; their rewards
            stay those of the cheap judge.
    """

    first: MemberSettings
    entropy: float | None = Field(default=None, ge=0, le=10)
    variance: float | None = Field(default=None, ge=0, le=0.25)
    margin: float | None = Field(default=None, gt=0, le=0.5)
    calibration: str | None = None
    audit_share: float = Field(default=0.02, ge=0, le=1)

    @field_validator("first", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": "cheap", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.entropy, self.variance, self.margin, self.calibration) == (None,) * 4:
            raise ValueError("say when the cheap judge is unsure: `entropy`, `variance`, `margin` or `calibration`")
        if self.first.name == "full":
            raise ValueError("`full` is the run's own judge; call the cheap one something else")
        return self
