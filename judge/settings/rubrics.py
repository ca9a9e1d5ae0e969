"""Rubrics that change while a policy is trained: rewritten every few steps, and watched by one that is held out."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, InstanceOf, field_validator, model_validator

from judge.rubric.model import Frozen, Rubric
from judge.settings.engine import EngineSettings


class EvolveSettings(Frozen):
    """How the rubric of a training run gets new criteria.

    Meta policy optimisation (MPO, arXiv:2504.20157) rewrites a judge's rubric from what it could not tell apart; DR Tulu
    (arXiv:2511.19399) keeps a buffer of evolving criteria for each prompt beside its fixed ones, with a limit, and retires those
    that no longer vary. Both are here: what changes is one of `scope`. The criteria of the starting rubric are never retired.

    Attributes:
        folder: Where every version is written (`v0001.yaml`, `versions.jsonl`). A run goes on from the newest one in it.
        method: Where new criteria come from: `contrast`, different responses with one reward; `online`, the response that the
            rubric pays most beside a reference response (OnlineRubrics, arXiv:2510.07284).
        reference: Of `online`: column of the data with the reference response, such as one of the policy before training. Empty:
            the sample's `reference`, which judges may see; a column named here no judge sees.
        every: Steps (calls, where the caller counts none) between two rewritings.
        scope: `run`, one rubric for all prompts; `prompt`, further criteria for each prompt.
        max_active: Most criteria beside those of the starting rubric, of the run or of each prompt.
        max_new: Most criteria that one group of responses brings.
        groups: Groups that are looked at in one rewriting: the least told apart of those with one reward for different responses
            (`online`: of those with a reference response).
        engine: Model that writes; None: the judge.
    """

    folder: str = Field(min_length=1)
    method: Literal["contrast", "online"] = "contrast"
    reference: str = ""
    every: int = Field(default=10, ge=1)
    scope: Literal["run", "prompt"] = "run"
    max_active: int = Field(default=8, ge=1, le=200)
    max_new: int = Field(default=2, ge=1, le=10)
    groups: int = Field(default=2, ge=1, le=64)
    engine: EngineSettings | None = None

    @field_validator("engine", mode="before")
    @classmethod
    def _engine(cls, value: Any) -> Any:
        return {"kind": "vllm", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if self.reference and self.method != "online":
            raise ValueError("`reference` is of `method: online`; `contrast` compares the responses of a group with each other")
        return self


class HeldOutSettings(Frozen):
    """A second rubric that the policy is never paid by, judged beside the first: when the two part, the first is being exploited.

    Attributes:
        rubric: Shipped name, path, or the rubric written out.
        every: Steps (calls, where the caller counts none) between two measurements, each of which judges a batch a second time.
        gap: How much the mean reward may rise beyond that by the held-out rubric, from the first measurement on, in rewards.
        action: `warn` (log and metric), or `stop` the run, when the gap is passed twice in a row.
    """

    rubric: str | dict[str, Any] | list[Any] | InstanceOf[Rubric]
    every: int = Field(default=10, ge=1)
    gap: float = Field(default=0.15, gt=0, le=1)
    action: Literal["warn", "stop"] = "warn"
