"""Everything one run needs besides the data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, InstanceOf, field_validator

from judge.recipe.load import Recipe
from judge.recipe.parts import Order, SamplingSpec, UnitSpec, Votes
from judge.recipe.signal import Readout, RunSignal
from judge.rubric.model import Denominator, Fold, Frozen, Partial, Rubric
from judge.settings.cache import CacheSettings
from judge.settings.cascade import CascadeSettings
from judge.settings.cost import BudgetSettings
from judge.settings.engine import EngineSettings, VllmSettings
from judge.settings.filters import FilterSettings
from judge.settings.group import GroupSettings
from judge.settings.monitor import MonitorSettings
from judge.settings.panel import PanelSettings, SecondOpinionSettings
from judge.settings.recipe import RecipeSettings
from judge.settings.rubrics import EvolveSettings, HeldOutSettings
from judge.settings.server import ServerSettings
from judge.settings.tools import ToolSettings
from judge.settings.track import TrackSettings
from judge.shape import ShapeStep
from judge.yamlfile import shown


class RewardSettings(Frozen):
    """Overrides of the fold of every rubric, the run's and those of data rows, and what happens to a reward between the judge and
    the trainer.

    Attributes:
        shape: Steps in order, each with its `kind`; see `judge.shape`.
        baselines: Metadata field that holds baseline responses to the prompt. They are judged once, and their rewards are the
            references of steps that need some.
        state: File that holds what the steps remember from batch to batch; a run that starts again goes on from there. None: the
            memory ends with the process.
        fold: How criteria become one number, over each rubric's own.
        denominator: What the sum is divided by, over each rubric's own.
        partial: What is done where some criteria have no verdict.
    """

    fold: Fold | None = None
    denominator: Denominator | None = None
    partial: Partial | None = None
    shape: tuple[ShapeStep, ...] = ()
    baselines: str | None = None
    state: str | None = None

    @property
    def fold_fields(self) -> dict[str, Any]:
        """The overrides of a rubric that are given."""
        return {name: value for name in ("fold", "denominator", "partial") if (value := getattr(self, name)) is not None}


class RunSettings(Frozen):
    """Everything one run needs besides the data.

    Attributes:
        rubric: A folder of versions is followed: its newest one is in force, without a restart.
        evolve: How the rubric gets new criteria while a policy is trained. None: it stays as it is.
        held_out: A rubric that is judged beside it and pays nothing. None: none.
        rubric_dropout: Chance of each criterion to be left out for a group and step, in [0, 1); vetoes stay. For trainers,
            `Judge.score` and the server; `judge run` and other measurements judge by all.
        panel: Other judges that see every sample beside this one.
        second_opinion: Another judge for rewards that look too good.
        cascade: A cheap judge in front, so that this run's judge is asked only where that one is unsure.
        calibration: File of `judge calibrate`: rewards become chances of being right, in front of `reward.shape`, and those
            that are too unsure are none. None: rewards stay as judged.
        group: How the responses of one prompt compete, for recipes that compare. None: a sample holds what one call shows.
        server: How `judge serve` listens, what it lets in, and how long it waits.
        tools: What the tools of a recipe may take, and functions of one's own among them.
        monitor: What is watched over the batches, and the canaries mixed into them. None: nothing.
        on_no_verdict: What a response without a reward becomes: `drop` (null), `group_mean` (of its group's rewards),
            `constant` (`no_verdict_constant`, in the range of rewards after `reward.shape`), `raise`.
        unit: How many criteria one call of a checklist asks about, over the recipe's own.
        signal: Where the number of a call comes from, over the recipe's own: `stated`, or `expected` where
            the verdict has a finite scale.
        readout: How probabilities are read with `signal: expected`, field by field over the recipe's own.
        baseline_engine: Another model that the baseline turn of a recipe with `signal: likelihood` is asked of (a density ratio).
        engine_down: What happens when an engine has stopped working and its `patience_s` is over: `raise` ends the work, `wait`
            waits for it without end, `exclude` gives the responses of a trainer's reward function and of `Judge.score` no reward
            (`judge run` ends as with `raise`, and leaves them to the next run).
        on_over_length: A prompt that does not fit the judge's context has no verdict (`no_verdict`), or loses the middle
            of its responses and is flagged `truncated_response` (`truncate`).
        thinking: What a response's own thinking (`<think>...</think>` and its kind) comes to: taken off and flagged
            `thinking_stripped`, or shown to the judge as thinking. Thinking that never ends is flagged `thinking_unclosed`.
        top_logprobs: Log-probabilities to ask for at each token (0: none); with them a reward has an expected score
            and an entropy.
        item_deadline_s: Seconds that one sample (or group that competes) may take over all its calls and retries; then it has
            no reward (`deadline`), and its requests are cancelled. None: as long as it takes. An outage does not count.
        step_deadline_s: Seconds that one call of a trainer's reward function, or of `Judge.score`, may take; samples that are not
            done then have no reward (`deadline`).
        max_in_flight: Samples worked on at once; the engine batches their requests.
        cache: Where replies are kept, so that the same request is sent once: `memory`, `off` or a folder. `judge run` keeps its
            replies in the run folder in any case, and looks into this folder besides.
        record: Directory to which a trainer's reward function, `judge serve` and `Judge.score` append the figures of each step
            (`steps.jsonl`), for `judge report`. None: nothing is kept. `judge run` has its run folder.
        track: Where figures are sent besides: `wandb`, `mlflow`, `trackio` (a run's figures, summary and report; a trainer's or
            server's figures of each step), `inspect` (a run as an eval log). None: nowhere.
        budget: The sum at which the work stops, in US dollars or tokens: what a run folder, or a process, has spent in all.
        prices: File with the price of each model (`models: {NAME: {input: 0.15, output: 0.6}}`), for engines without `price`.
        seed: Vote k uses seed + k; orders and boundaries follow from it too.
        rubric: What to judge by: a shipped name, a path, or the rubric itself.
        rubrics: A rubric for each prompt: a folder that `judge rubric generate` wrote, or its `rubrics.jsonl`. A row's own comes
            first; a prompt without one has `rubric`.
        recipe: How to judge: a shipped name, a folder, or a mapping with `name` and `options`.
        principle: Text that the recipe `principle` judges by, unless the data has a column of that name.
        engine: Which model judges, and how it is reached.
        sampling: Sampling values, over the recipe's own.
        order: How the responses of a pair or list are ordered, over the recipe's own: one order (`single`), both
            orders and their mean (`both_mean`), both orders that must agree (`both_agree`), another order for each
            vote (`shuffle_per_vote`).
        reward: Overrides of each rubric's fold, and the steps between the judge and the trainer.
        no_verdict_constant: The number of `on_no_verdict: constant`.
        filters: What is done with responses that hold nothing to judge: `default`, `strict`, `off`, or a mapping.
        votes: How often each question is asked, and how the answers are joined.
    """

    rubric: str | dict[str, Any] | list[Any] | InstanceOf[Rubric] | None = None
    evolve: EvolveSettings | None = None
    held_out: HeldOutSettings | None = None
    rubric_dropout: float = Field(default=0.0, ge=0, lt=1)
    rubrics: str | None = None
    recipe: RecipeSettings = RecipeSettings(name="checklist")
    principle: str | None = None
    engine: EngineSettings = VllmSettings()
    baseline_engine: EngineSettings | None = None
    sampling: SamplingSpec = SamplingSpec()
    votes: Votes | None = None
    order: Order | None = None
    unit: UnitSpec | None = None
    signal: RunSignal | None = None
    readout: Readout | None = None
    filters: FilterSettings = FilterSettings()
    panel: PanelSettings | None = None
    second_opinion: SecondOpinionSettings | None = None
    cascade: CascadeSettings | None = None
    monitor: MonitorSettings | None = None
    calibration: str | None = None
    reward: RewardSettings = RewardSettings()
    group: GroupSettings | None = None
    server: ServerSettings = ServerSettings()
    tools: ToolSettings = ToolSettings()
    on_no_verdict: Literal["drop", "group_mean", "constant", "raise"] = "drop"
    no_verdict_constant: float | None = None
    engine_down: Literal["raise", "wait", "exclude"] = "raise"
    on_over_length: Literal["no_verdict", "truncate"] = "no_verdict"
    thinking: Literal["strip", "show"] = "strip"
    top_logprobs: int = Field(default=0, ge=0, le=20)
    item_deadline_s: float | None = Field(default=None, gt=0, le=86_400)
    step_deadline_s: float | None = Field(default=None, gt=0, le=86_400)
    max_in_flight: int = Field(default=512, ge=1, le=100_000)
    cache: CacheSettings = CacheSettings()
    record: str | None = None
    track: TrackSettings | None = None
    budget: BudgetSettings | None = None
    prices: str | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, value: Any) -> Any:
        if isinstance(value, Recipe):
            given = {"name": str(value.folder.resolve()), "options": dict(value.options)}
            return {**given, "language": value.language} if value.language else given
        return {"name": value} if isinstance(value, str) else value

    @field_validator("track", mode="before")
    @classmethod
    def _track(cls, value: Any) -> Any:
        return None if value in ("off", False, [], ()) else value

    @field_validator("monitor", mode="before")
    @classmethod
    def _monitor(cls, value: Any) -> Any:
        return {} if value == "default" else None if value in ("off", False) else value

    @field_validator("rubric", mode="before")
    @classmethod
    def _rubric(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | dict | list | Rubric):
            return value
        raise ValueError(f"must be a shipped name, a path, a rubric written out or a list of criteria, not {shown(value)}")

    @field_validator("engine", "baseline_engine", mode="before")
    @classmethod
    def _engine(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"must be a mapping, for example `engine: {{kind: {value}}}`, with `model` where the kind needs one")
        return {"kind": "vllm", **value} if isinstance(value, dict) else value
