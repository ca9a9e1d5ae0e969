"""A rubric with known faults -> a better one: a model rewords or splits what lint and labels found, and each change is tried.

- RRD (arXiv:2602.05125) decomposes what too many responses satisfy; Chasing the Tail (arXiv:2509.21500) refines until great is
  told from good. Here a change is kept only when agreement on prompts held out does not fall.
- What is held out decides each change, so its figure is a little too good afterwards; `judge rubric validate` on other labels
  says how much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from judge import __version__
from judge.arrays import Floats
from judge.bench.measures import Figure, figures, mean_credit
from judge.bench.units import reasons_of
from judge.errors import InputError, RubricError
from judge.improve.select import credit_of, parts_of
from judge.improve.split import items_hash, split_items
from judge.improve.tried import TriedItem, criterion_scores
from judge.improve.validate import Validator, proof
from judge.pipeline.rewrite import CriterionWriter
from judge.rubric.lint import lint
from judge.rubric.model import Criterion, Lineage, Rubric

WORDING = {"vague", "compound", "long", "not-alone", "unverifiable", "double-negative", "leak", "control", "template"}
"""Rules of `judge rubric lint` that a rewording can mend."""
_SAID = {
    "saturated": "nearly every response meets it, so it tells none apart; split it into finer ones that only good responses meet",
    "never met": "hardly any response meets it; ask for what good responses do have",
    "tells nothing": "better and worse responses meet it equally often; ask for what tells them apart",
    "reversed": "worse responses meet it more often than better ones; say what really makes a response better in this matter",
}
EXAMPLES = 2
PARTS = 2


@dataclass(frozen=True)
class RefineStep:
    """One change that was tried.

    Attributes:
        found: What was wrong, in words.
        texts: What the model wrote in its place; empty where it wrote nothing usable, then `why` says so.
        kept: Whether it is in the result.
        before, after: Agreement on the prompts held out, ties half; NaN where nothing was tried.
    """

    id: str
    found: str
    texts: tuple[str, ...]
    kept: bool
    before: float = math.nan
    after: float = math.nan
    why: str = ""


@dataclass(frozen=True)
class Refined:
    """The result, change by change. `held` are agreement held out, ties half, before and after."""

    rubric: Rubric
    steps: tuple[RefineStep, ...]
    held: tuple[Figure, Figure]
    items: tuple[int, int]


async def refine_rubric(
    rubric: Rubric,
    validator: Validator,
    *,
    held_out: float = 0.5,
    most: int = 10,
    seed: int = 0,
    told: Callable[[RefineStep], None] = lambda _: None,
) -> Refined:
    """Mend the criteria with faults, one after the other.

    Args:
        validator: Labelled pairs and the judge; the same model rewrites.
        held_out: Share of the prompts that decide whether a change is kept.
        most: At most so many criteria are tried.
        told: Called with each change once it is decided.

    Raises:
        InputError: The recipe gives no scores of single criteria, there are fewer than 4 prompts, or nothing can be counted on
            those held out (every label there is a tie).
    """
    learn, held = split_items(validator.items, held_out, seed)
    tried = await validator.tried(rubric)
    if not any(row for t in tried for row in t.components):
        raise InputError("`refine` needs a score for each criterion: use a recipe that asks about each (`checklist`)")
    if np.isnan(criterion_scores(tried, [c.id for c in rubric.criteria])).all():
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in reasons_of([t.judged for t in tried]).items())
        raise InputError(f"the judge gave no verdict on any of {len(tried):,} pairs ({reasons}), so no fault can be found")
    writer = CriterionWriter(validator.engine, seed=seed)
    found = faults_of(rubric, parts_of(tried, learn), validator)
    current, judged, steps = rubric, list(tried), []
    before = credit_of(rubric, parts_of(judged, held))
    if math.isnan(_mean(before)):
        raise InputError(
            f"every label of the {len(held)} pairs held out is a tie, so no change can be decided; try another --seed"
        )
    start = before
    for number, (name, what) in enumerate(list(found.items())[:most]):
        criterion = next(c for c in current.criteria if c.id == name)
        step, current, judged, before = await _one(
            criterion, what, current, judged, before, validator, writer, learn, held, number
        )
        steps.append(step)
        told(step)
    clusters = [validator.items[i].cluster for i in held]
    measures = {"before": mean_credit(start), "after": mean_credit(before)}
    first, second = figures(measures, clusters, draws=validator.options.draws, seed=seed)
    if current is not rubric:
        score = {"held_out_agreement": round(second.value, 4), "held_out_items": float(len(held))}
        lineage = Lineage(
            parents=(rubric.hash,), generator="refine", model=validator.engine.model, prompt_hash=writer.prompt_hash,
            data_hash=items_hash(validator.items), scores=score, created_by=f"judge {__version__}",
        )  # fmt: skip
        current = current.changed(lineage=lineage)
    return Refined(current, tuple(steps), (first, second), (len(learn), len(held)))


def faults_of(rubric: Rubric, learn: Sequence[TriedItem], validator: Validator) -> dict[str, str]:
    """Id of each criterion that can be mended -> what is wrong with it, worst first. Programs are left alone."""
    proved = proof("", rubric, learn, learn, replace(validator.options, draws=200))
    out: dict[str, list[str]] = {}
    for one in proved.criteria:
        said = [_SAID[word] for word in ("reversed", "saturated", "never met", "tells nothing") if word in one.faults]
        if said:
            out.setdefault(one.id, []).append(said[0])
    for finding in lint(rubric):
        if finding.rule in WORDING:
            out.setdefault(finding.where, []).append(finding.message)
    asked = {c.id for c in rubric.criteria if c.check == "llm" and not c.veto}
    return {name: "; ".join(said) for name, said in out.items() if name in asked}


async def _one(
    criterion: Criterion,
    what: str,
    current: Rubric,
    judged: list[TriedItem],
    before: Floats,
    validator: Validator,
    writer: CriterionWriter,
    learn: Sequence[int],
    held: Sequence[int],
    number: int,
) -> tuple[RefineStep, Rubric, list[TriedItem], Floats]:
    """Try one change; the state comes back as it was where it is not kept."""

    def left(why: str, texts: tuple[str, ...] = (), after: float = math.nan) -> RefineStep:
        return RefineStep(criterion.id, what, texts, False, _mean(before), after, why)

    examples = [(t.item.sample.prompt, *_better(t)) for t in parts_of(judged, learn) if _untold(t, criterion.id)][:EXAMPLES]
    wrote = await writer.rewrite(criterion.text, what, examples, most=PARTS, fault=criterion.negative, number=number)
    if wrote.failure is not None or not wrote.texts:
        return left(str(wrote.failure.detail) if wrote.failure else "the model wrote none"), current, judged, before
    made, new = _replaced(current, criterion, wrote.texts)
    if made is None:
        return left("it says what another criterion says, or has a fault itself", wrote.texts), current, judged, before
    fresh = await validator.tried(new)
    joined = [replace(old, components=_joined(old, one)) for old, one in zip(judged, fresh, strict=True)]
    after = credit_of(made, parts_of(joined, held))
    if not _mean(after) >= _mean(before):  # NaN is no proof either
        return left("agreement held out falls", wrote.texts, _mean(after)), current, judged, before
    return RefineStep(criterion.id, what, wrote.texts, True, _mean(before), _mean(after)), made, joined, after


def _mean(credit: Floats) -> float:
    return float(mean_credit(credit)(np.ones(len(credit))))


def _untold(tried: TriedItem, name: str) -> bool:
    """Whether a criterion scores both responses of a labelled pair alike."""
    a, b = criterion_scores([tried], [name])[0][:, 0]
    return bool(a == b) and tried.item.gold[0] != 0


def _better(tried: TriedItem) -> tuple[str, str]:
    a, b = tried.item.sample.texts
    return (a, b) if tried.item.gold[0] > 0 else (b, a)


def _joined(old: TriedItem, new: TriedItem) -> tuple[dict[str, float | None], ...]:
    return tuple({**a, **b} for a, b in zip(old.components, new.components, strict=True))


def _replaced(rubric: Rubric, criterion: Criterion, texts: Sequence[str]) -> tuple[Rubric | None, Rubric]:
    """The rubric with new criteria in place of one, their importance shared; and a rubric of the new ones alone.

    None where a new one is already there or has an error of its own.
    """
    known = {c.text.casefold() for c in rubric.criteria}
    fields = {name: getattr(criterion, name) for name in Criterion.model_fields if name not in ("id", "text", "weight", "points")}
    share = criterion.importance / len(texts)
    if criterion.points is not None:
        fields["points"] = -share if criterion.negative else share
    else:
        fields["weight"] = share
    taken = {c.id for c in rubric.criteria}
    parts = tuple(Criterion(**fields, id=_free(criterion.id, i, taken), text=text) for i, text in enumerate(texts, 1))
    alone = Rubric(name=rubric.name, criteria=parts, denominator="all_weights", scale=rubric.scale, partial=rubric.partial)
    if any(text.casefold() in known for text in texts) or any(f.severity == "error" for f in lint(alone)):
        return None, alone
    place = rubric.criteria.index(criterion)
    try:
        return rubric.changed(criteria=(*rubric.criteria[:place], *parts, *rubric.criteria[place + 1 :])), alone
    except RubricError:
        return None, alone


def _free(name: str, number: int, taken: set[str]) -> str:
    made = f"{name[:58]}-{number}"
    while made in taken:
        number += 1
        made = f"{name[:58]}-{number}"
    taken.add(made)
    return made
