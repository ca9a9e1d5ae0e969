"""More than one judge: a panel that always sits, and a second opinion that is asked when a reward looks too good.

A panel helps when its members differ: seven judges of mixed families bring injection success down to 10 to 19 %
(arXiv:2504.18333), while juries of one family correlate at 0.94 to 0.97 and gain about two points.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import did_you_mean
from judge.recipe.parts import Order, SamplingSpec, UnitSpec, Votes
from judge.recipe.signal import Readout, RunSignal
from judge.rubric.model import Frozen, Identifier
from judge.settings.engine import EngineSettings
from judge.settings.recipe import RecipeSettings

PanelFold = Literal["mean", "median", "min", "lower_bound", "variance", "nominal_min", "trimmed"]


class MemberSettings(Frozen):
    """Another judge: whatever is left out is as in the run itself.

    Attributes:
        name: What the member is called in components and calls.
        engine: The member's model. None: that of the run.
        recipe: None: the run's.
        rubric: None: the run's.
        sampling: None: the run's.
        votes: None: the run's.
        order: None: the run's.
        unit: None: the run's.
        signal: None: the run's.
        readout: None: the run's.
    """

    name: Identifier
    recipe: RecipeSettings | None = None
    rubric: str | dict[str, Any] | None = None
    engine: EngineSettings | None = None
    sampling: SamplingSpec | None = None
    votes: Votes | None = None
    order: Order | None = None
    unit: UnitSpec | None = None
    signal: RunSignal | None = None
    readout: Readout | None = None

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("engine", mode="before")
    @classmethod
    def _engine(cls, value: Any) -> Any:
        return {"kind": "vllm", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if not self.given:
            raise ValueError(f"member `{self.name}` is a copy of the run's judge; give it a recipe, engine, rubric or sampling")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The settings that this member sets itself."""
        names = ("recipe", "rubric", "engine", "sampling", "votes", "order", "unit", "signal", "readout")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


class PanelSettings(Frozen):
    """Judges that sit beside the run's own, on every sample.

    Attributes:
        members: The others; the run's judge is the first.
        fold: `mean`, `median`, `min` (worst case, arXiv:2310.02743), `lower_bound`: mean - k x standard deviation
            (population) over the members, `variance`: mean - k x variance (same paper), `nominal_min`:
            (mean + k x min) / (1 + k) (arXiv:2409.15360), or `trimmed`: mean without a quarter of the members at each
            end, at least one. Never below 0.
        k: How much disagreement costs, for `lower_bound`, `variance` and `nominal_min`.
        quorum: Least share of members with a verdict, in (0, 1]; below it there is no reward (`low_quorum`).
        weights: Of `fold: mean`: judge -> weight (the run's own is `first`); then the quorum is a share of the weight. A run over
            data with labels says which weights they speak for.
    """

    members: tuple[MemberSettings, ...] = Field(min_length=1, max_length=32)
    fold: PanelFold = "lower_bound"
    k: float = Field(default=1.0, ge=0, le=10)
    quorum: float = Field(default=0.5, gt=0, le=1)
    weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        names = ("first", *(m.name for m in self.members))
        if self.weights and self.fold != "mean":
            raise ValueError(f"`weights` are for `fold: mean`, and this is `{self.fold}`")
        for name in self.weights:
            if name not in names:
                near = did_you_mean(name, names) or f"; judges: {', '.join(names)}"
                raise ValueError(f"`weights` names `{name}`, which is not a judge of this panel{near}")
        if self.weights and (missing := next((name for name in names if name not in self.weights), None)):
            raise ValueError(f"`weights` has none for `{missing}`; write 0 to leave it out of the mean")
        if self.weights and not any(self.weights.values()):
            raise ValueError("all `weights` are 0")
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [m.name for m in self.members]
        twice = sorted({n for n in names if names.count(n) > 1} | ({"first"} & set(names)))
        if twice:
            raise ValueError(f"two members are called `{twice[0]}` (the run's own judge is `first`)")
        return self


class SecondOpinionSettings(Frozen):
    """Another judge that is asked about rewards which look too good, or which a filter found suspicious.

    Attributes:
        judge: The other judge: best another model, else another recipe.
        above: Rewards at or above this are asked again, in [0, 1]. A value over 1 turns this off.
        flags: So are positive rewards of responses with one of these flags.
        share: And this share of all the rest, drawn by the seed: what the monitor compares the two judges on.
        fold: What counts when both have a verdict: the lower (`min`), the `mean`, or `agree`: the first's, and no reward
            (`ambiguous`) when they differ by more than `tolerance`.
        tolerance: Of `agree`, in [0, 1].
    """

    judge: MemberSettings
    above: float = Field(default=0.9, ge=0)
    flags: tuple[str, ...] = ("planted_verdict", "chat_tokens", "hidden_unicode", "no_evidence", "order_inconsistent")
    share: float = Field(default=0.0, ge=0, le=1)
    fold: Literal["min", "mean", "agree"] = "min"
    tolerance: float = Field(default=0.25, ge=0, le=1)
