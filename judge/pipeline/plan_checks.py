"""What a plan is refused for, and what is said of one that works but does not do what was meant."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from judge.engine.protocol import Engine
from judge.errors import CapabilityError, SettingsError
from judge.recipe.load import Recipe
from judge.recipe.model import WRITTEN
from judge.recipe.parts import Order, Votes
from judge.recipe.verdict import EXPECTED_KINDS
from judge.render.views import llm_criteria
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.settings.calibration import CalibrationFile
from judge.types import Capability, Sampling

if TYPE_CHECKING:
    from judge.pipeline.build import Plan

_CRITERIA = re.compile(r"\b(?:rubric|criteria|criterion)\b")
logger = logging.getLogger("judge.pipeline")


def tell_foreign(where: str, calibrated: CalibrationFile, judge: tuple[RunSettings, Recipe, Rubric | None]) -> None:
    """Say that a calibration was made with another judge: what its rewards mean says nothing about this one's.

    Of a model the last part of its name counts, since a path is another one on another machine.
    """
    settings, recipe, rubric = judge
    named = [str(v) for what in ("adapter", "model") if (v := getattr(settings.engine, what, None))]
    own = {"recipe": [recipe.spec.name], "rubric": [rubric.name] if rubric is not None else [], "model": named}
    made = {name: str(calibrated.made.get(name) or "") for name in own}
    other = [n for n in own if made[n] and PurePath(made[n]).name not in [PurePath(each).name for each in own[n]]]
    if other:
        logger.warning(
            "%s: made with another judge: %s. It says nothing about these rewards; `judge calibrate` a run of this judge",
            where, ", ".join(f"{n} `{made[n]}`, not {f'`{own[n][0]}`' if own[n] else 'none'}" for n in other),
        )  # fmt: skip


def tell_idle(rubric: Rubric, recipe: Recipe) -> None:
    """Say that a program decides nothing: beside one overall grade it can only veto. One rubric may serve several recipes."""
    idle = [c.id for c in rubric.criteria if c.check != "llm" and not c.veto]
    if idle:
        logger.warning(
            "rubric `%s`: the check of `%s` has no effect: recipe `%s` gives one grade, beside which a program can only veto;"
            " add `veto: true`, or use a recipe that grades each criterion (`checklist`)",
            rubric.name, idle[0], recipe.spec.name,
        )  # fmt: skip


def shows_rubric(recipe: Recipe) -> bool:
    """Whether the judge sees the rubric's criteria, or a recipe's program goes by them."""
    return recipe.spec.mode == "checklist" or not recipe.spec.asks or any(_CRITERIA.search(t) for t in recipe.templates.values())


def check_rubric(settings: RunSettings, recipe: Recipe, rubric: Rubric | None) -> None:
    """Refuse a rubric that leaves the judge nothing to do, `evolve` without one, and what changes a rubric that no judge is
    shown; say what of it has no effect.
    """
    over_time = {"evolve": settings.evolve, "held_out": settings.held_out, "rubric_dropout": settings.rubric_dropout}
    idle = [name for name, value in over_time.items() if value]
    others = settings.panel or settings.second_opinion or settings.cascade  # judges that may show it
    if idle and not others and not shows_rubric(recipe):
        raise SettingsError(
            f"`{idle[0]}` has no effect: recipe `{recipe.spec.name}` shows its judge no criteria; take a recipe that does"
            " (`checklist`, `pointwise`, `pairwise`)"
        )
    if rubric is None:
        if settings.evolve is not None:
            raise SettingsError("`evolve` changes the run's rubric, and there is none: set `rubric` to the one to start from")
        return
    if recipe.spec.mode == "checklist":
        if not rubric.criteria:
            raise SettingsError(f"rubric `{rubric.name}` has no criteria")
        return
    if recipe.spec.asks and not llm_criteria(rubric):
        raise SettingsError(f"rubric `{rubric.name}` holds programmatic checks only; recipe `{recipe.spec.name}` asks a judge")
    tell_idle(rubric, recipe)


def check_order(settings: RunSettings, recipe: Recipe) -> None:
    """Refuse an order of responses that the recipe cannot show."""
    mode, name = recipe.spec.mode, recipe.spec.name
    if settings.order and settings.order != "single" and mode not in ("pairwise", "listwise"):
        raise SettingsError(f"order `{settings.order}` needs several responses; recipe `{name}` sees one at a time")
    if settings.order in ("both_mean", "both_agree") and mode != "pairwise":
        raise SettingsError(f"order `{settings.order}` is for pairwise recipes; `{name}` is {mode}")


def check_drawn(recipe: Recipe, votes: Votes, order: Order, sampling: Sequence[Sampling]) -> None:
    """Refuse votes that are copies of one.

    Args:
        sampling: One a turn.
    """
    drawn = [s for s, turn in zip(sampling, recipe.spec.turns, strict=True) if turn.scope == "response"]
    if votes.n > 1 and order != "shuffle_per_vote" and not any(s.temperature for s in drawn):
        raise SettingsError(
            f"votes: every turn of recipe `{recipe.spec.name}` has temperature 0, so {votes.n} votes are {votes.n} copies of one;"
            " set `sampling.temperature` above 0"
        )


def check_group(settings: RunSettings, recipe: Recipe) -> None:
    """Refuse a tournament among responses that the recipe never compares."""
    assert settings.group is not None  # noqa: S101  # the caller looked
    schedule, mode = settings.group.schedule, recipe.spec.mode
    wanted = "listwise" if schedule == "listwise" else "pairwise"
    if mode != wanted:
        raise SettingsError(f"group: schedule `{schedule}` needs a {wanted} recipe; `{recipe.spec.name}` is {mode}")
    if settings.group.seeding == "prior":
        raise SettingsError("group: `seeding: prior` needs scores, which only a Python caller can give; use `anchor` or `drawn`")
    if settings.group.join == "log_odds":
        check_log_odds(settings, recipe)
    canaries = settings.monitor.canaries if settings.monitor else None
    if canaries is not None and (canaries.rate or canaries.per_batch or canaries.at_least_every):
        raise SettingsError("monitor.canaries: probes are judged one at a time, and `group` compares; set `rate: 0`")


def check_log_odds(settings: RunSettings, recipe: Recipe) -> None:
    """Refuse to join probabilities that nobody reports, or that a panel has folded away."""
    where = "group: `join: log_odds` reads the judge's probabilities at its verdict"
    if not settings.top_logprobs and recipe.spec.reads != "expected":
        raise SettingsError(f"{where}; set `top_logprobs: 20` or `signal: expected`")
    if recipe.spec.verdict.kind != "choice":
        raise SettingsError(f"{where}, which must be a choice; `{recipe.spec.name}` has {recipe.spec.verdict.kind}")
    several = next((n for n in ("panel", "second_opinion", "cascade") if getattr(settings, n) is not None), None)
    if several is not None:
        raise SettingsError(f"{where}, and of several judges only verdicts are folded; leave out `{several}`")


def responses_of(recipe: Recipe) -> str:
    """How many responses a recipe sees at once: what judges of one sample must have in common."""
    return {"pairwise": "two", "listwise": "several"}.get(recipe.spec.mode, "one")


def check_logprobs(plan: Plan, engine: Engine) -> None:
    """Refuse `top_logprobs` where nothing would come of it. (Other judges of a panel give what they can.)"""
    kind, signal = plan.recipe.spec.verdict.kind, plan.recipe.spec.reads
    if signal not in WRITTEN:
        raise SettingsError(f"`top_logprobs` is for written verdicts; recipe `{plan.recipe.spec.name}` has signal `{signal}`")
    if kind not in EXPECTED_KINDS:
        raise SettingsError(
            f"`top_logprobs` needs a verdict that is one label, score or choice; `{plan.recipe.spec.name}` has {kind}"
        )
    if Capability.TOP_LOGPROBS not in engine.capabilities:
        raise CapabilityError(
            f"`top_logprobs`: engine `{engine.model}` reports no log-probabilities. {WHO_CAN[Capability.TOP_LOGPROBS]}"
        )


WHO_CAN = {
    Capability.TOP_LOGPROBS: "Engines with it: vllm, transformers, and openai endpoints that report log-probabilities.",
    Capability.SCORE_CONTINUATION: "Engines with it: vllm, transformers, and openai endpoints served by vLLM.",
    Capability.STRUCTURED: "Engines with it: vllm, and openai endpoints.",
    Capability.PREFILL: "Engines with it: vllm, transformers, and openai endpoints served by vLLM.",
    Capability.VISION: "Engines with it: vllm with a model that sees, and openai endpoints with `vision: true`.",
    Capability.SEED: "Engines with it: vllm, transformers, and most openai endpoints.",
    Capability.RATE: "Engines with it: vllm, transformers, openai endpoints served by vLLM, with a reward model.",
}
