"""A recipe and labelled pairs -> the recipe in better words: reflective search over its templates (GEPA).

- GEPA (Agrawal et al. 2025, "Reflective Prompt Evolution", arXiv:2507.19457), the package `gepa`: a model reads judgements that
  went wrong and rewords a template; candidates are kept along the Pareto front over items and over three objectives: agreement,
  both orders the same, few tokens.
- A candidate that loses a part of the template, holds a control token or a marker of a block that the template does not, or no
  longer passes the recipe's own transcripts, is refused unjudged.
- Prompts that are held out take no part in the search, and tell what it gained.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from judge.bench.agreement import difference
from judge.bench.items import BenchItem
from judge.bench.measures import Figure, WeightedMetric, figures, mean_credit, mean_of
from judge.errors import InputError, JudgeError, OutputError, RecipeError, SettingsError
from judge.improve.split import split_items
from judge.improve.tried import TriedItem, judge_plan, try_items
from judge.improve.validate import Validator, pair_credit
from judge.pipeline.build import plan
from judge.pipeline.rewrite import CriterionWriter
from judge.pipeline.selftest import run_transcripts
from judge.recipe.load import Recipe, load_recipe
from judge.render.quoting import acting
from judge.rubric.model import Rubric
from judge.settings import RecipeSettings
from judge.shipped import install_command
from judge.types import NoVerdict

T = TypeVar("T")
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.S)
GROWTH = 2.0  # times the length of a template that it may grow to
SHOWN = 3  # failures that the writer is shown
OBJECTIVES = ("agreement", "orders", "brevity")
Wording = dict[str, str]
"""Template name -> its text."""


@dataclass(frozen=True)
class Optimized:
    """What the search came to.

    Attributes:
        recipe: The folder that was written; None where no candidate was better on the prompts learned from.
        tried, refused: Candidates, and those refused with the reason, most common first.
        learned: Agreement of the original and the best candidate on the prompts learned from.
        before, after: On the prompts held out: agreement (ties half), orders agree, no verdict, tokens an item.
        gap: Agreement held out, after less before.
        pareto: Candidates that no other one beats in all three objectives, on the prompts learned from.
    """

    recipe: Path | None
    tried: int
    refused: Mapping[str, int]
    learned: tuple[float, float]
    before: tuple[Figure, ...]
    after: tuple[Figure, ...]
    gap: Figure
    items: tuple[int, int]
    judged: int
    pareto: tuple[Mapping[str, float], ...] = ()

    @property
    def gained(self) -> bool:
        """Whether a new recipe was written that agrees more often with the labels held out."""
        return self.recipe is not None and self.gap.value > 0


async def optimize_recipe(
    validator: Validator,
    output: Path,
    *,
    budget: int = 200,
    held_out: float = 0.5,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> Optimized:
    """Search for better words, and write the best recipe as the next version in a folder.

    Args:
        validator: Labelled pairs, the judge, and the settings whose recipe is reworded; the rubric of its settings stays.
        output: Folder of the versions: `NAME-v1`, `NAME-v2`...
        budget: Items judged in the search, each time an item is judged by a candidate.
        held_out: Share of the prompts that take no part in the search.
        told: Called with one line for each candidate.

    Raises:
        SettingsError: `gepa` is not installed. RecipeError: The recipe is exact, or fails its own test.
        InputError: Too few prompts, or none with a label to learn from.
    """
    if importlib.util.find_spec("gepa") is None:
        raise SettingsError(f"`judge optimize` searches with the package gepa: {install_command('optimize')}")
    learn, held = split_items(validator.items, held_out, seed)
    learn = [i for i in learn if validator.items[i].gold[0] != 0]  # a label that is a tie says of no judgement that it is wrong
    if not learn:
        raise InputError("every label of the prompts to learn from is a tie; more pairs, or another --seed, would do")
    recipe = load_recipe(validator.settings.recipe.name, base=validator.base, options=validator.settings.recipe.options)
    with tempfile.TemporaryDirectory() as folder:
        search = _Search(validator, recipe, Path(folder), asyncio.get_running_loop(), seed, told)
        seed_wording = search.own_wording()
        search.rubric = plan(validator.settings, validator.base).rubric
        problem = search.problem(seed_wording)
        if problem:
            raise RecipeError(f"recipe `{recipe.spec.name}` fails its own test, so no candidate could be told from it: {problem}")
        result = await asyncio.to_thread(_searched, search, seed_wording, learn, budget, seed)
        scores: list[float] = list(result.val_aggregate_scores)
        candidates: list[Wording] = list(result.candidates)
        subs: list[Mapping[str, float]] = [dict(s) for s in result.val_aggregate_subscores or [{} for _ in candidates]]
        best = max(
            range(len(candidates)),
            key=lambda i: (round(scores[i], 9), subs[i].get("orders", 0.0), subs[i].get("brevity", 0.0), -i),
        )
        found = best if scores[best] > scores[0] + 1e-9 else 0
        before = await search.judged(candidates[0], held)
        after = await search.judged(candidates[found], held)
        written = search.write(candidates[found], output) if found else None
    own, other, gap = _held(before, after, validator.options.draws, seed)
    done = Optimized(
        written, search.tried, dict(sorted(search.refused.items(), key=lambda x: -x[1])), (scores[0], scores[found]),
        own, other, gap, (len(learn), len(held)), search.items_judged, _front(subs, scores),
    )  # fmt: skip
    if written is not None:
        _note(written, done, validator)
    return done


def _searched(search: _Search, seed_wording: Wording, learn: Sequence[int], budget: int, seed: int) -> Any:
    """GEPA's loop, in a thread of its own: it is not asynchronous."""
    from gepa.api import optimize  # noqa: PLC0415  # of an extra

    class Quiet:
        def log(self, message: str) -> None:
            """Say nothing: `told` does."""

    return optimize(
        seed_candidate=seed_wording,
        trainset=list(learn),
        valset=list(learn),
        adapter=search,
        max_metric_calls=budget,
        frontier_type="hybrid",
        reflection_minibatch_size=min(SHOWN, len(learn)),
        skip_perfect_score=True,
        logger=Quiet(),
        seed=seed,
        raise_on_exception=True,
    )


@dataclass
class _Search:
    """What GEPA asks: judge a candidate, say what went wrong, write another one. (Its protocol `GEPAAdapter`.)"""

    validator: Validator
    recipe: Recipe
    work: Path
    loop: asyncio.AbstractEventLoop
    seed: int
    told: Callable[[str], None]
    rubric: Rubric | None = None
    tried: int = 0
    items_judged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[str, int], TriedItem] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)

    def own_wording(self) -> Wording:
        """The templates of the recipe's own folder that its turns name. Raises RecipeError: the recipe is exact."""
        if self.recipe.spec.exact:
            raise RecipeError(f"recipe `{self.recipe.spec.name}` is exact: its checkpoints were trained on these very words")
        named = {name for turn in self.recipe.spec.turns for name in turn.templates}
        return {name: self.recipe.templates[name] for name in sorted(named) if not name.startswith("_shared/")}

    # ---- GEPA's protocol -------------------------------------------------------------------------------------------------

    def evaluate(self, batch: list[int], candidate: Wording, capture_traces: bool = False) -> Any:
        """Scores of a candidate on some items: agreement with a tie as half, and the three objectives."""
        from gepa.core.adapter import EvaluationBatch  # noqa: PLC0415  # of an extra

        problem = self.problem(candidate)
        if problem:
            none = [dict.fromkeys(OBJECTIVES, 0.0) for _ in batch]
            return EvaluationBatch([problem] * len(batch), [0.0] * len(batch), [None] * len(batch), none)
        tried = self._there(self.judged(candidate, batch))
        scores = [float(v) for v in pair_credit(tried, 0.5)]
        objectives = [
            {"agreement": score, "orders": _orders(t), "brevity": 1000.0 / (1000.0 + t.tokens)}
            for score, t in zip(scores, tried, strict=True)
        ]
        return EvaluationBatch([str(s) for s in scores], scores, list(tried), objectives)

    def make_reflective_dataset(
        self, candidate: Wording, eval_batch: Any, components: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """The judgements that went wrong, for each template that is to be reworded."""
        wrong = [{"tried": t} for t, s in zip(eval_batch.trajectories, eval_batch.scores, strict=True) if t is not None and s < 1]
        return dict.fromkeys(components, wrong[:SHOWN])

    def propose_new_texts(
        self, candidate: Wording, reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]], components_to_update: list[str]
    ) -> Wording:
        """Reword the named templates; what the model cannot write stays as it is."""
        made: Wording = {}
        for name in components_to_update:
            failures = [_shown(row["tried"]) for row in reflective_dataset.get(name, ())]
            most = int(GROWTH * len(self.recipe.templates[name])) + 200
            self.tried += 1
            writer = CriterionWriter(self.validator.engine, seed=self.seed)
            wrote = self._there(writer.reword(candidate[name], failures, most=most, number=self.tried))
            if isinstance(wrote, NoVerdict):
                self._refuse(wrote.detail or str(wrote.reason))
                continue
            made[name] = wrote
            problem = self.problem({**candidate, name: wrote})
            if problem:
                self._refuse(problem)
        return made or {name: candidate[name] for name in components_to_update}

    def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait, in GEPA's thread, for something on the engine's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def _refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1
        self.told(f"candidate {self.tried}: refused: {why}")

    # ---- candidates --------------------------------------------------------------------------------------------------------

    def problem(self, candidate: Wording) -> str:
        """Why a candidate cannot be a judge; empty where it can."""
        name = _hash(candidate)
        if name not in self._problems:
            self._problems[name] = self._problem(candidate)
        return self._problems[name]

    def _problem(self, candidate: Wording) -> str:
        for name, text in candidate.items():
            own = self.recipe.templates[name]
            if _TAG.findall(text) != _TAG.findall(own):
                return "a part in braces is changed, lost or moved"
            forged = _acting(text, self.validator.engine.control_tokens) - _acting(own, self.validator.engine.control_tokens)
            if forged:
                return f"it holds a control token or a marker of a block: {', '.join(map(repr, sorted(forged)[:3]))}"
            if len(text) > GROWTH * len(own) + 200:
                return "it is more than twice as long"
        try:
            results = run_transcripts(load_recipe(self.folder(candidate), options=dict(self.recipe.options)))
        except JudgeError as why:
            return f"it is no recipe: {str(why).splitlines()[0][:120]}"
        failed = [r for r in results if r.problem]
        return f"it fails the recipe's test: {failed[0].problem[:120]}" if failed else ""

    def folder(self, candidate: Wording) -> Path:
        """The recipe's folder with the candidate's templates."""
        folder = self.work / _hash(candidate)
        if not folder.exists():
            shutil.copytree(self.recipe.folder, folder)
            for name, text in candidate.items():
                (folder / name).write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
        return folder

    async def judged(self, candidate: Wording, places: Sequence[int]) -> list[TriedItem]:
        """Items judged by a candidate; each once."""
        name = _hash(candidate)
        fresh = [i for i in dict.fromkeys(places) if (name, i) not in self._known]
        if fresh:
            settings = self.validator.settings.model_copy(
                update={"recipe": RecipeSettings(name=str(self.folder(candidate)), options=dict(self.recipe.options))}
            )
            made = judge_plan(settings, self.validator.base, "pairs", self.rubric)
            items: list[BenchItem] = [self.validator.items[i] for i in fresh]
            tried = await try_items(made, items, self.validator.engine, self.validator.journal)
            self.items_judged += len(fresh)
            self._known |= {(name, i): t for i, t in zip(fresh, tried, strict=True)}
        return [self._known[name, i] for i in places]

    def write(self, candidate: Wording, output: Path) -> Path:
        """The candidate as the next version of the recipe. Raises OutputError."""
        name = re.sub(r"-v\d+$", "", self.recipe.spec.name)
        try:
            output.mkdir(parents=True, exist_ok=True)
            number = next(n for n in range(1, 10_000) if not (output / f"{name}-v{n}").exists())
            folder = output / f"{name}-v{number}"
            shutil.copytree(self.folder(candidate), folder)
            path = folder / "recipe.yaml"
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            data["name"] = folder.name
            data["deviations"] = [
                *data.get("deviations", []),
                f"Wording found by search on labelled pairs, from `{self.recipe.spec.name}`.",
            ]
            path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
        except OSError as why:
            raise OutputError(f"{output}: cannot be written: {why.strerror}") from None
        results = run_transcripts(load_recipe(folder))
        assert not [r for r in results if r.problem]  # noqa: S101  # the candidate has passed
        return folder


def _acting(template: str, tokens: frozenset[str]) -> frozenset[str]:
    """What of a template's own words a chat template or a judge would act on, its parts in braces printed or empty."""
    return acting(_TAG.sub("\n", template), tokens) | acting(_TAG.sub("", template), tokens)


def _hash(candidate: Wording) -> str:
    return hashlib.blake2b(json.dumps(candidate, sort_keys=True).encode(), digest_size=8).hexdigest()


def _orders(tried: TriedItem) -> float:
    views = tried.judged.views()
    return float(len(set(views)) == 1 and None not in views)


def _shown(tried: TriedItem) -> tuple[Any, tuple[str, ...], str, str]:
    gold = tried.item.gold[0]
    right = "they are equally good" if gold == 0 else f"response {1 if gold > 0 else 2} is better"
    said = {1: "Response 1 is better.", -1: "Response 2 is better.", 0: "They are equally good.", None: "It gave no verdict."}
    words = said[tried.judged.beats(0, 1)]
    views = tried.judged.views()
    also = " In the other order it said something else." if len(set(views)) > 1 else ""
    return tried.item.sample.prompt, tried.item.sample.shown, words + also, right


def _held(
    before: Sequence[TriedItem], after: Sequence[TriedItem], draws: int, seed: int
) -> tuple[tuple[Figure, ...], tuple[Figure, ...], Figure]:
    clusters = [t.item.cluster for t in before]

    def count(tried: Sequence[TriedItem]) -> tuple[Figure, ...]:
        measures: dict[str, WeightedMetric] = {
            "agreement, ties half": mean_credit(pair_credit(tried, 0.5)),
            "no verdict": mean_credit([float(t.judged.beats(0, 1) is None) for t in tried]),
            "tokens an item": mean_of([float(t.tokens) for t in tried]),
        }
        if any(len(t.judged.views()) > 1 for t in tried):
            measures["orders agree"] = mean_credit([_orders(t) for t in tried])
        return tuple(figures(measures, clusters, draws=draws, seed=seed))

    gap = difference(mean_credit(pair_credit(after, 0.5)), mean_credit(pair_credit(before, 0.5)))
    return count(before), count(after), figures({"gap": gap}, clusters, draws=draws, seed=seed)[0]


def _front(subs: Sequence[Mapping[str, float]], scores: Sequence[float]) -> tuple[Mapping[str, float], ...]:
    """Candidates that no other one equals or beats in every objective."""
    rows = [np.array([sub.get(name, score if name == "agreement" else 0.0) for name in OBJECTIVES])
            for sub, score in zip(subs, scores, strict=True)]  # fmt: skip
    front = [
        i for i, a in enumerate(rows)
        if not any((b >= a).all() and ((b > a).any() or j < i) for j, b in enumerate(rows) if j != i)
    ]  # fmt: skip
    return tuple({"candidate": float(i), **dict(zip(OBJECTIVES, map(float, rows[i]), strict=True))} for i in front)


def _note(folder: Path, done: Optimized, validator: Validator) -> None:
    """optimized.json beside the recipe: what it was made from and what it came to."""
    from judge.improve.show import figure_record, figures_record  # noqa: PLC0415  # which reads this module's neighbours

    record = {
        "from": validator.settings.recipe.name, "model": validator.engine.model, "items": list(done.items),
        "learned": list(done.learned), "before": figures_record(done.before), "after": figures_record(done.after),
        "gap": figure_record(done.gap), "candidates": done.tried, "refused": dict(done.refused), "items_judged": done.judged,
    }  # fmt: skip
    (folder / "optimized.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
