"""The signal in force: the recipe's own with what the run says about it, and why the two may not fit."""

from __future__ import annotations

import re
from dataclasses import replace

from judge.errors import SettingsError
from judge.recipe.load import Recipe
from judge.recipe.model import WRITTEN, RecipeSpec
from judge.recipe.parts import Order, Votes
from judge.recipe.signal import Readout
from judge.settings import RunSettings
from judge.types import Capability, Sampling

_SHOWS_LABELS = re.compile(r"\blabels\b")


def with_signal(recipe: Recipe, settings: RunSettings) -> Recipe:
    """The recipe under the signal of the run.

    Raises:
        SettingsError: The recipe states nothing that this signal could be read from, or a setting would have no effect.
    """
    spec = recipe.spec
    signal: str = settings.signal or spec.reads
    if settings.signal is not None and spec.reads not in WRITTEN:
        raise SettingsError(f"signal `{settings.signal}`: recipe `{spec.name}` has the signal `{spec.signal}`, and no other")
    if signal != "expected":
        if settings.readout is not None:
            raise SettingsError(f"`readout` is for `signal: expected`, and the signal of this run is `{signal}`")
        if spec.reads == "expected":
            _stated_again(spec, settings)
        return recipe if signal == spec.reads else _changed(recipe, signal, Readout())
    readout = settings.readout.over(spec.readout) if settings.readout is not None else spec.readout
    recipe = _changed(recipe, signal, readout)
    why = recipe.spec.unreadable() or _nothing_to_rotate(recipe)
    if why:
        raise SettingsError(f"signal `expected`: {why}")
    return recipe


def with_unit(recipe: Recipe, settings: RunSettings) -> Recipe:
    """The recipe with as many criteria a call as the run says. Raises SettingsError where it cannot ask so."""
    if settings.unit is None:
        return recipe
    if why := recipe.spec.wrong_unit(settings.unit):
        raise SettingsError(why)
    return replace(recipe, spec=recipe.spec.model_copy(update={"unit": settings.unit}))


def _stated_again(spec: RecipeSpec, settings: RunSettings) -> None:
    if spec.readout.at == "first" and settings.sampling.max_tokens is None:
        raise SettingsError(
            f"signal `stated`: recipe `{spec.name}` is made for one token; set `sampling.max_tokens` (16 is enough for a label)"
        )


def _changed(recipe: Recipe, signal: str, readout: Readout) -> Recipe:
    spec = recipe.spec
    if spec.steps is not None:
        steps = spec.steps.model_copy(update={"base": signal})
        return replace(recipe, spec=spec.model_copy(update={"steps": steps, "readout": readout}))
    return replace(recipe, spec=spec.model_copy(update={"signal": signal, "readout": readout}))


def _nothing_to_rotate(recipe: Recipe) -> str:
    """Why `rotate` would have no effect; empty where it has one, or is not asked for."""
    spec = recipe.spec
    if not spec.readout.rotate or spec.mode in ("pairwise", "listwise"):
        return ""
    if spec.verdict.kind != "label":
        return f"`rotate` changes the order of labels or responses, and `{spec.name}` asks for a {spec.verdict.kind}"
    if not any(_SHOWS_LABELS.search(text) for text in recipe.templates.values()):
        return f"`rotate`: no template of `{spec.name}` prints `labels`, so their order cannot change"
    return ""


def order_of(recipe: Recipe, order: Order) -> Order:
    """The order in force: `rotate` asks a pair in both."""
    spec = recipe.spec
    both = spec.reads == "expected" and spec.readout.rotate and spec.mode == "pairwise"
    return "both_mean" if both and order in ("single", "shuffle_per_vote") else order


def check_votes(recipe: Recipe, votes: Votes, order: Order) -> None:
    """Refuse votes that would be copies of one, and a majority of numbers that are never equal. Raises SettingsError."""
    spec = recipe.spec
    if spec.reads == "stated" or votes.n == 1:
        return
    if spec.reads not in WRITTEN and not any(t.scope == "response" and not t.score for t in spec.turns[:-1]):
        raise SettingsError(f"votes: signal `{spec.signal}` draws nothing, so {votes.n} votes are {votes.n} copies of one")
    if votes.fold == "majority":
        raise SettingsError(
            f"votes: a majority counts equal scores, and those of signal `{spec.signal}` are never equal; use `fold: mean`"
        )
    one_token = spec.reads == "expected" and spec.readout.at == "first" and len(spec.turns) == 1
    if one_token and (order != "shuffle_per_vote" or spec.readout.rotate):
        raise SettingsError(f"votes: {votes.n} readings of the same first token are {votes.n} copies of one; set `votes: 1`")


def check_baseline(recipe: Recipe, settings: RunSettings) -> None:
    """Refuse a second model that nothing would be asked of. Raises SettingsError."""
    likelihood = recipe.spec.likelihood
    if settings.baseline_engine is not None and (likelihood is None or likelihood.baseline is None):
        raise SettingsError(f"`baseline_engine`: recipe `{recipe.spec.name}` has no baseline to ask another model about")


def read_out(sampling: Sampling, recipe: Recipe, asked: int) -> Sampling:
    """Sampling of the turn whose probabilities are read.

    Args:
        asked: Log-probabilities that the run asks for besides (`top_logprobs`).
    """
    if recipe.spec.reads != "expected":
        return sampling
    sampling = replace(sampling, top_logprobs=max(asked, recipe.spec.readout.top))
    return replace(sampling, max_tokens=1, stop=()) if recipe.spec.readout.at == "first" else sampling


def beside(recipe: Recipe, asked: int) -> int:
    """Log-probabilities asked for where only the side figures come of them: by the run, or because the recipe needs them."""
    if asked or Capability.TOP_LOGPROBS not in recipe.spec.needs.capabilities:
        return asked
    return Readout().top
