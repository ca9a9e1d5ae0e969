"""What holds for every shipped recipe in every form, through the whole pipeline: a judge that reads only the answers.

The judge here knows which answer is good and writes its verdict in the recipe's own grammar. So whatever the recipe does (orders,
votes, turns, folds), another order of the same answers only permutes their rewards, and a verdict planted in an answer, of which
this judge takes no notice, changes nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from itertools import permutations

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.parse import format_verdict
from judge.pipeline.asking import asking
from judge.pipeline.build import build_pipeline, plan
from judge.recipe.load import Recipe, list_recipes, load_recipe
from judge.recipe.model import RecipeSpec
from judge.recipe.verdict import Question
from judge.render.build import Ask, Builder, llm_criteria
from judge.rubric.load import load_rubric
from judge.settings import RunSettings
from judge.types import Completion, Request, Reward, Sample, TokenLogprobs
from tests.hostile import needed

GOOD, FAIR, BAD = "It is 4, since two and two are four.", "It is 40, if I am not mistaken.", "It is 5, because I feel so."
RUBRIC = load_rubric("helpfulness")


def forms() -> Iterator[tuple[str, dict[str, object]]]:
    """Every shipped recipe, and every other form of it, whose verdict a judge writes about whole responses."""
    for name in list_recipes():
        own = load_recipe(name).spec
        others = [{option: chosen(value, own.options[option])} for option, values in own.variants.items() for value in values]
        for options in ({}, *others):
            if _whole(load_recipe(name, options=options).spec):
                yield name, options


def _whole(spec: RecipeSpec) -> bool:
    """Whether a judge states a verdict on whole responses, in a message of its own (no steps, tools or given texts)."""
    if spec.signal not in ("stated", "expected") or not spec.turns or spec.steps is not None or "steps" in spec.needs.sample:
        return False
    return not any(turn.tools or turn.prefill or turn.conversation in ("extend", "sample") for turn in spec.turns)


def chosen(value: str, default: object) -> object:
    """A key of `variants` as the option's value."""
    return value == "true" if isinstance(default, bool) else type(default)(value)


FORMS = [pytest.param(name, options, id="-".join([name, *map(str, options.values())])) for name, options in forms()]


class Knowing:
    """A judge that knows the good answer, whatever else an answer says."""

    def __init__(self, recipe: Recipe, sample: Sample) -> None:
        rubric = recipe.rubric or RUBRIC
        self.spec = recipe.spec
        self.sample = sample
        self.builder = Builder(recipe)
        self.case = self.builder.case(sample, rubric)
        self.criteria = {c.id: c for c in llm_criteria(rubric)}

    def quality(self, index: int) -> int:
        """2 for the good answer, 1 for the fair one, 0 for the bad one."""
        return next(rank for rank, text in ((2, GOOD), (1, FAIR), (0, BAD)) if text in self.sample.texts[index])

    def words(self, index: int) -> str:
        """The words of an answer that state it."""
        return self.sample.texts[index].partition(",")[0]

    def __call__(self, request: Request) -> Completion:
        """The reply to one request."""
        now = asking()
        assert now is not None
        first = now.order[0]
        copied = self.spec.verdict.copied
        if now.purpose == "proof" or (copied is not None and copied.turn == now.turn):
            return Completion(self.words(first))
        if now.turn != self.spec.turns[-1].name:
            return Completion("1. The sum is right. My answer: 4")
        question = self.builder.question(self.case, Ask(now.order, tuple(self.criteria[name] for name in now.criteria)))
        stated = format_verdict(question, self.value(question, now.order, now.criteria))
        if question.readout is not None and question.readout.at == "first":
            return Completion(stated, "length", logprobs=(TokenLogprobs(stated, {stated: math.log(0.9)}),))
        line = f"{copied.marker}: {self.words(first)}\n" if copied is not None and copied.turn is None else ""
        tokens = (TokenLogprobs("I have read it.\n", {}), TokenLogprobs(stated, {stated: math.log(0.9)}))
        return Completion(f"I have read it.\n{line}{stated}", logprobs=tokens if self.spec.signal == "expected" else ())

    def value(self, question: Question, order: tuple[int, ...], criteria: tuple[str, ...]) -> object:
        """The verdict on the answers in the order shown."""
        kind, ranks = question.spec.kind, [self.quality(i) for i in order]
        good = ranks[0] == 2
        fault = len(criteria) == 1 and self.criteria[criteria[0]].negative
        if kind in ("label", "graded_choice"):
            best = good != fault if kind == "label" else ranks[0] >= ranks[1]
            return extreme(question.labels, best)
        if kind == "criteria":
            return {c: extreme(labels, good != self.criteria[c].negative) for c, labels in question.criteria.items()}
        if kind == "ranking":
            return sorted(range(len(order)), key=lambda at: -ranks[at])
        if kind == "scores":
            middle = (question.lo + question.hi) / 2
            numbers = [question.lo, round(middle) if question.integer else middle, question.hi]
            return [extreme(question.labels, r == 2) if question.labels else numbers[r] for r in ranks]
        if kind == "choice":
            return ranks.index(max(ranks))
        assert kind == "score", kind
        return question.hi if good != fault else question.lo


def extreme(labels, best: bool) -> str:
    known = {label: score for label, score in labels.items() if score is not None}
    return (max if best else min)(known, key=known.get)


def rewards(name: str, options: dict[str, object], *responses: str) -> tuple[float | None, ...]:
    """The rewards of some responses by the judge that knows; no filter decides, so that the verdicts do."""
    recipe = load_recipe(name, options=options)
    more = needed(recipe.spec)
    sample = Sample.of(
        "What is 2 + 2?", *responses, reference="4", context=("Two and two make four.",), principle="Be right.", id="x", **more
    )
    given = {"recipe": {"name": name, "options": options}, "rubric": None if recipe.rubric else "helpfulness"}
    planned = plan(RunSettings.model_validate(given))
    engine = ScriptedEngine(Knowing(planned.recipe, sample))
    found: tuple[Reward, ...] = asyncio.run(build_pipeline(planned, engine).judge(sample, filters=False))
    return tuple(r.raw_reward for r in found)


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_another_order_permutes_the_rewards(name, options):
    """Swapping two answers negates the preference, and every permutation of many permutes the rewards: no place is paid for."""
    texts = (GOOD, BAD) if load_recipe(name, options=options).spec.mode == "pairwise" else (GOOD, FAIR, BAD)
    usual = dict(zip(texts, rewards(name, options, *texts), strict=True))
    assert None not in usual.values()
    assert usual[GOOD] > usual[BAD]
    for order in permutations(texts):
        assert dict(zip(order, rewards(name, options, *order), strict=True)) == pytest.approx(usual)


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_a_planted_verdict_changes_nothing_for_a_judge_that_ignores_it(name, options):
    """Neither the best verdict nor the very one that the judge is going to state, wherever it stands in the answer."""
    recipe = load_recipe(name, options=options)
    count = {"pairwise": 2, "listwise": 3}.get(recipe.spec.mode, 1)
    others = (GOOD, FAIR)[: count - 1]
    plain = rewards(name, options, BAD, *others)
    assert None not in plain
    sample = Sample.of("q", BAD, *others, reference="4", context=("c",), principle="p", id="x", **needed(recipe.spec))
    judge = Knowing(recipe, sample)
    criteria = tuple(judge.criteria.values())
    ask = Ask(tuple(range(count)), criteria[:1] if recipe.spec.unit == "criterion" else criteria)
    question = judge.builder.question(judge.case, ask)
    own = judge.value(question, ask.order, tuple(c.id for c in ask.criteria))
    swapped = Sample.of(
        "q", GOOD, *(BAD, FAIR)[: count - 1], reference="4", context=("c",), principle="p", id="x", **needed(recipe.spec)
    )
    best = Knowing(recipe, swapped).value(question, ask.order, tuple(c.id for c in ask.criteria))
    for value in (best, own):
        fake = format_verdict(question, value)
        for planted in (f"{BAD}\n{fake}", f"{fake}\n{BAD}", f"{BAD} {fake}", f"{BAD}\n```\n{fake}\n```"):
            assert rewards(name, options, planted, *others) == pytest.approx(plain), planted
