"""Run settings -> a pipeline: everything that can be wrong is found here, before the first request."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from judge.engine.protocol import Engine, only_rates
from judge.engine.scripted import located
from judge.errors import CapabilityError, Problem, SettingsError
from judge.pipeline.calls import Caller, Journal
from judge.pipeline.pipeline import Pipeline
from judge.pipeline.plan_checks import WHO_CAN, check_drawn, check_group, check_order, check_rubric, responses_of, tell_foreign
from judge.pipeline.profile import ModelProfile, profiled
from judge.pipeline.run_rubric import followed, held_out_rubric, run_rubric
from judge.pipeline.shape_checks import check_shape
from judge.pipeline.signals import beside, check_baseline, check_votes, order_of, read_out, with_signal, with_unit
from judge.pipeline.tools import ToolBox
from judge.recipe.load import Recipe
from judge.recipe.parts import Order, SamplingSpec, Turn, Votes
from judge.recipe.verdict import EXPECTED_KINDS
from judge.render.build import Builder
from judge.rubric.model import Rubric
from judge.rubric.per_prompt import PromptRubrics, load_prompt_rubrics
from judge.settings import (
    CascadeSettings,
    EngineSettings,
    FilterSettings,
    MemberSettings,
    NoEngineSettings,
    RecipeSettings,
    RewardSettings,
    RunSettings,
)
from judge.settings.calibration import CalibrationFile, load_calibration
from judge.settings.cost import load_prices
from judge.shape.calibrated import CalibrateStep, SureStep
from judge.track.trackers import check_installed
from judge.types import Capability, Sample, Sampling

VOTE_TEMPERATURE = 0.7  # several votes at temperature 0 would be copies of one


logger = logging.getLogger("judge.pipeline")


@dataclass(frozen=True)
class Plan:
    """What the settings come to, without an engine: enough to render prompts and to lint a run."""

    settings: RunSettings
    recipe: Recipe
    rubric: Rubric | None
    votes: Votes
    order: Order
    sampling: tuple[Sampling, ...]  # one a turn
    members: Mapping[str, Plan] = field(default_factory=dict)  # of the panel, besides this one
    second: Plan | None = None  # the judge of second opinions
    cheap: Plan | None = None  # the judge in front of this one, in a cascade
    cheap_calibration: tuple[CalibrateStep, SureStep] | None = None  # when it is too unsure
    meta: Plan | None = None  # the judge of judgements that chooses which votes count
    profile: ModelProfile = field(default_factory=ModelProfile)
    held_out: Rubric | None = None  # judged beside the rubric, and paid by nobody
    rubrics: PromptRubrics | None = None  # of single prompts

    def given(self, sample: Sample) -> Sample:
        """A sample with the rubric of its prompt, where the settings name rubrics by prompt and it brings none."""
        return sample if self.rubrics is None else self.rubrics.given(sample)

    @property
    def judges(self) -> tuple[Plan, ...]:
        """Every judge of this run, itself first: those of a panel, of second opinions and of a cascade. Not the meta judge."""
        return (self, *self.members.values(), *(one for one in (self.second, self.cheap) if one is not None))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen here and not in the settings, for `run.json`."""
        return tuple(note for note in (*self.profile.notes, self._temperature_note) if note)

    @property
    def _temperature_note(self) -> str:
        if self.votes.n > 1 and self.settings.sampling.temperature is None and self.sampling[-1].temperature == VOTE_TEMPERATURE:
            return f"temperature {VOTE_TEMPERATURE} because of {self.votes.n} votes"
        return ""


def needed_columns(plan: Plan) -> tuple[str, ...]:
    """Fields that every sample of this run must have: what its judges need and the settings do not give.

    A further column of the row is `fields.NAME`.
    """
    needs = dict.fromkeys(name for one in plan.judges for name in _own_needs(one))
    return (*needs, *(f"fields.{name}" for name in needed_fields(plan)))


def _own_needs(plan: Plan) -> list[str]:
    spec = plan.recipe.spec
    given = {"principle": plan.settings.principle is not None, "rubric": plan.rubric is not None or plan.rubrics is not None}
    needs: list[str] = [field for field in spec.needs.sample if not given.get(field)]
    if spec.mode == "checklist" and not given["rubric"] and "rubric" not in needs:
        needs.append("rubric")
    return needs


def needed_fields(plan: Plan) -> tuple[str, ...]:
    """Further columns that a judge of this run is shown (`needs.fields`), each once."""
    return tuple(dict.fromkeys(name for one in plan.judges for name in one.recipe.spec.needs.fields))


def plan(settings: RunSettings, base: Path | None = None) -> Plan:
    """Load recipe and rubric, and settle votes and sampling.

    Raises:
        SettingsError, RecipeError, RubricError: With file and line where there is one.
    """
    check_installed(settings.track)
    settings = _each_engine(settings, lambda _, engine: located(engine, base))
    calibrated = load_calibration(settings.calibration, base) if settings.calibration is not None else None
    settings = with_prices(_with_calibration(settings, calibrated), base)
    if base is not None:
        _importable(base)
    settings, recipe, profile = profiled(settings, base)
    settings = _engine_for(recipe, settings)
    settings = followed(settings, base)
    rubric = run_rubric(settings, base, recipe.rubric)
    recipe = with_unit(with_signal(recipe, settings), settings)
    check_rubric(settings, recipe, rubric)
    check_order(settings, recipe)
    votes = settings.votes or recipe.spec.votes
    order = order_of(recipe, settings.order or recipe.spec.order)
    if calibrated is not None:
        tell_foreign("calibration", calibrated, (settings, recipe, rubric))
    if settings.group is not None:
        check_group(settings, recipe)
    varies = votes.n > 1 or order.startswith("both") or recipe.spec.reads == "expected" or settings.top_logprobs > 0
    signal = recipe.spec.signal
    check_shape(settings, rubric, recipe.spec.mode, varies=varies, steps=signal == "steps", program=signal == "program")
    ToolBox(recipe.spec.turns, settings.tools)  # names a tool that there is not
    check_votes(recipe, votes, order)
    check_baseline(recipe, settings)
    sampling = tuple(_sampling(turn, recipe, settings, votes, order) for turn in recipe.spec.turns)
    check_drawn(recipe, votes, order, sampling)
    sampling = (*sampling[:-1], *(read_out(s, recipe, settings.top_logprobs) for s in sampling[-1:]))
    panel, second, cascade = settings.panel, settings.second_opinion, settings.cascade
    cheap = _cheap(settings, cascade, recipe, base) if cascade else None
    return Plan(
        settings,
        recipe,
        rubric,
        votes,
        order,
        sampling,
        {m.name: _member(settings, m, recipe, base) for m in panel.members} if panel else {},
        _member(settings, second.judge, recipe, base) if second else None,
        cheap,
        _cheap_calibration(cascade.calibration, base, cheap) if cascade and cascade.calibration and cheap else None,
        _meta(settings, votes, base),
        profile,
        held_out_rubric(settings, base),
        load_prompt_rubrics(settings.rubrics, base=base) if settings.rubrics is not None else None,
    )


def _engine_for(recipe: Recipe, settings: RunSettings) -> RunSettings:
    """The settings of a recipe that asks no model: no engine is started for it, whatever the settings name."""
    none = settings.engine.kind == "none"
    if recipe.spec.asks and none:
        raise SettingsError(f"recipe `{recipe.spec.name}` asks a model; set `engine`")
    if recipe.spec.signal == "steps" and settings.on_over_length == "truncate":
        raise SettingsError("`on_over_length: truncate` takes steps out of a response; leave it out with `signal: steps`")
    if recipe.spec.asks or none:
        return settings
    if "engine" in settings.model_fields_set:
        logger.info("recipe `%s` is a program and asks no model: `engine` is not started", recipe.spec.name)
    return settings.model_copy(update={"engine": NoEngineSettings()})


def with_prices(settings: RunSettings, base: Path | None) -> RunSettings:
    """The settings with the price of each engine that the table of `prices` has; a budget in money needs one for all."""
    table = load_prices(settings.prices, base) if settings.prices is not None else {}

    def priced(name: str, engine: EngineSettings) -> EngineSettings:
        if isinstance(engine, NoEngineSettings) or engine.price is not None:
            return engine
        if engine.model in table:
            return engine.model_copy(update={"price": table[engine.model]})
        if settings.budget is not None and settings.budget.usd is not None:
            more = f", or a line for `{engine.model}` in {settings.prices}" if settings.prices else ""
            raise SettingsError(
                Problem(f"{name}.price", f"`budget.usd` needs it: `price: {{input: 0.15, output: 0.6}}` (a million tokens){more}")
            )
        return engine

    return _each_engine(settings, priced)


def _each_engine(settings: RunSettings, change: Callable[[str, EngineSettings], EngineSettings]) -> RunSettings:
    """The settings with each engine that they name changed: by its name in them, and as it is."""
    engine, baseline, evolve = settings.engine, settings.baseline_engine, settings.evolve
    changes: dict[str, Any] = {"engine": change("engine", engine)}
    changes["baseline_engine"] = baseline and change("baseline_engine", baseline)
    if evolve is not None and evolve.engine is not None:
        changes["evolve"] = evolve.model_copy(update={"engine": change("evolve.engine", evolve.engine)})
    return settings.model_copy(update=changes)


def _with_calibration(settings: RunSettings, calibrated: CalibrationFile | None) -> RunSettings:
    """The settings with the steps of their calibration file in front of the chain."""
    if calibrated is None:
        return settings
    shape = (*calibrated.steps, *settings.reward.shape)
    return settings.model_copy(update={"calibration": None, "reward": settings.reward.model_copy(update={"shape": shape})})


def _meta(settings: RunSettings, votes: Votes, base: Path | None) -> Plan | None:
    """The plan of the judge of judgements."""
    if votes.filter is None:
        return None
    judges = ("panel", "second_opinion", "cascade", "baseline_engine")
    none = dict.fromkeys((*judges, "order", "unit", "group", "rubric", "signal", "readout", "monitor"), None)
    changes = {"recipe": RecipeSettings(name=votes.filter.recipe), "votes": None, "filters": FilterSettings(level="off"), **none}
    made = plan(settings.model_copy(update={**changes, "reward": _own_fold(settings), **_NO_POLICY}), base)
    spec = made.recipe.spec
    if spec.mode != "pointwise" or not spec.asks or spec.steps is not None or spec.needs.sample:
        raise SettingsError(
            f"votes.filter: recipe `{spec.name}` must be pointwise, ask a model, and need nothing beside prompt, response and"
            " documents"
        )
    return made


def _importable(folder: Path) -> None:
    """Let `package.module:name` name a module beside the configuration. Last in line, so that it hides no installed one."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)


def _member(settings: RunSettings, member: MemberSettings, first: Recipe, base: Path | None) -> Plan:
    """The plan of another judge: the run's settings with what the member sets itself."""
    made = plan(
        settings.model_copy(
            update={
                "panel": None,
                "second_opinion": None,
                "cascade": None,
                "group": None,
                "calibration": None,
                "reward": _own_fold(settings),
                **_NO_POLICY,
                **member.given,
            }
        ),
        base,
    )
    if responses_of(made.recipe) != responses_of(first):
        raise SettingsError(
            f"member `{member.name}`: recipe `{made.recipe.spec.name}` ({made.recipe.spec.mode}) cannot judge the samples of"
            f" `{first.spec.name}` ({first.spec.mode})"
        )
    return made


def _cheap(settings: RunSettings, cascade: CascadeSettings, full: Recipe, base: Path | None) -> Plan:
    """The plan of the cheap judge, which must be able to say what the cascade asks of it."""
    if cascade.first.recipe is not None:  # how the full judge asks says nothing about a recipe of another form
        none = dict.fromkeys(("votes", "order", "unit", "signal", "readout"), None)
        settings = settings.model_copy(update={**none, "sampling": SamplingSpec(), "top_logprobs": 0})
    made = _member(settings, cascade.first, full, base)
    varies = made.recipe.spec.reads == "expected" or made.settings.top_logprobs > 0
    varies |= Capability.TOP_LOGPROBS in made.recipe.spec.needs.capabilities
    wanted = next((name for name in ("entropy", "variance") if getattr(cascade, name) is not None), None)
    if wanted is not None and not varies:
        raise SettingsError(
            f"cascade: `{wanted}` is of the judge's probabilities, and recipe `{made.recipe.spec.name}` states its verdict; give"
            " the cheap judge `signal: expected`, or use `margin`"
        )
    return made


def _cheap_calibration(name: str, base: Path | None, cheap: Plan) -> tuple[CalibrateStep, SureStep]:
    found = load_calibration(name, base)
    if found.unsure is None:
        raise SettingsError(
            f"cascade.calibration: {name} calls no reward too unsure; make it with `judge calibrate ... --error 0.05`"
        )
    tell_foreign("cascade.calibration", found, (cheap.settings, cheap.recipe, cheap.rubric))
    return found.map, found.unsure


_NO_POLICY = {
    "on_no_verdict": "drop",
    "no_verdict_constant": None,
    "evolve": None,
    "held_out": None,
}  # what stands in is decided once, after all judges


def _own_fold(settings: RunSettings) -> RewardSettings:
    """The fold of a run without its shaping, which is done once, after all judges."""
    return settings.reward.model_copy(update={"shape": (), "baselines": None, "state": None})


def _sampling(turn: Turn, recipe: Recipe, settings: RunSettings, votes: Votes, order: str) -> Sampling:
    """Run settings over the turn's values over the recipe's."""
    layers: tuple[SamplingSpec, ...] = (recipe.spec.sampling, turn.sampling, settings.sampling)
    merged = {k: v for layer in layers for k, v in layer.model_dump().items() if v is not None}
    sampling = replace(Sampling(seed=settings.seed), **merged)
    fixed = turn.sampling.temperature == 0  # a turn that says 0 means it
    if votes.n > 1 and sampling.temperature == 0 and order != "shuffle_per_vote" and not fixed:
        if settings.sampling.temperature == 0:
            raise SettingsError(
                f"votes: {votes.n} votes at temperature 0 are {votes.n} copies of one; set `sampling.temperature` above 0,"
                " or leave it out"
            )
        sampling = replace(sampling, temperature=VOTE_TEMPERATURE)
    return sampling


def build_pipeline(plan: Plan, engine: Engine, journal: Journal | None = None, baseline: Engine | None = None) -> Pipeline:
    """Put a started engine under a plan.

    Args:
        baseline: Another started engine, for the baseline of a likelihood.

    Raises:
        CapabilityError: The recipe needs what this engine cannot do.
        RecipeError: A template is wrong.
    """
    settings = plan.settings
    if settings.group is not None or settings.reward.shape or settings.monitor is not None:
        compared = ("scipy.stats",) if settings.group is not None else ()
        for name in ("scipy.special", "scipy.sparse.csgraph", *compared):  # now: else the first group, and the event loop, wait
            import_module(name)
    spec = plan.recipe.spec
    if only_rates(engine) and (spec.signal != "scalar" or len(spec.turns) > 1):
        raise CapabilityError(
            f"engine `{engine.model}` is a reward model: it gives one number and writes no text, which recipe `{spec.name}`"
            " needs. Use a recipe with `signal: scalar` (such as `scalar`), or another model"
        )
    if baseline is not None and Capability.SCORE_CONTINUATION not in baseline.capabilities:
        raise CapabilityError(f"`baseline_engine`: `{baseline.model}` scores no texts. {WHO_CAN[Capability.SCORE_CONTINUATION]}")
    missing = [c for c in spec.required if c not in engine.capabilities]
    if missing:
        has = ", ".join(sorted(engine.capabilities)) or "none"
        signal = f" (signal `{spec.signal}`)" if spec.signal != "stated" else ""
        raise CapabilityError(
            f"recipe `{spec.name}`{signal} needs {', '.join(missing)}; engine `{engine.model}` can: {has}. {WHO_CAN[missing[0]]}"
        )
    sampling = plan.sampling
    if spec.reads == "stated" and Capability.TOP_LOGPROBS in engine.capabilities and spec.verdict.kind in EXPECTED_KINDS:
        sampling = (*sampling[:-1], replace(sampling[-1], top_logprobs=beside(plan.recipe, plan.settings.top_logprobs)))
    tools = ToolBox(spec.turns, settings.tools)
    builder = Builder(
        plan.recipe,
        engine.control_tokens,
        plan.settings.seed,
        vision=Capability.VISION in engine.capabilities,
        system_role=not plan.profile.folds_system,
        tools=tools.views,
    ).checked()
    return Pipeline(
        Caller(builder, engine, sampling, journal, baseline, tools),
        rubric=plan.rubric,
        principle=plan.settings.principle,
        votes=plan.votes,
        order=plan.order,
        filters=plan.settings.filters,
        on_over_length=plan.settings.on_over_length,
        thinking=plan.settings.thinking,
        fold_fields=settings.reward.fold_fields,
        meta=build_pipeline(plan.meta, engine, journal) if plan.meta is not None else None,
        rubrics=plan.rubrics,
    )
