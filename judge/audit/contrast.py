"""Another question, another place, another layout of the rubric: changes around the answer instead of in it.

- Contrast instructions: the same answer must earn less when the question is another one. A reward that reads only the
  answer fails here and nowhere else. (Shen et al. 2023, "The Trickle-down Impact of Reward (In-)consistency",
  arXiv:2309.16155; irrelevant pairs: Crome, arXiv:2506.16507.)
- Position: r(A, B) + r(B, A) = 1, and every rotation of k responses gives each the reward it had (MT-Bench, arXiv:2306.05685;
  CALM, arXiv:2410.02736).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from judge.audit.cases import OtherQuestion, Probe, ProbeCase
from judge.audit.text import stated
from judge.checks.match import agrees
from judge.rubric.model import Criterion, Rubric


def contrast_question(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The same answer under another question of the data, with that question's reference. Expected: drop. Source: contrast.

    Another question whose reference the answer states as well is not used.
    """
    other = _other(case, rng)
    if other is None:
        return None
    theirs, mine = other.sample, case.sample
    sample = replace(
        mine,
        prompt=theirs.prompt,
        reference=theirs.reference,
        context=theirs.context,
        principle=theirs.principle,
        rubric=theirs.rubric,
        steps=(),
        exemplar=theirs.exemplar,
    )
    return replace(case, sample=sample)


def irrelevant_answer(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The right answer to another question instead of this answer. Expected: drop. Source: Crome, irrelevant pair."""
    other = _other(case, rng)
    if other is None or any(stated(other.answer, reference) for reference in case.sample.reference or ()):
        return None
    return case.but(other.answer)


def _other(case: ProbeCase, rng: random.Random) -> OtherQuestion | None:
    """Another question that this answer cannot be right about."""
    fit = [o for o in case.others if not any(agrees(case.text, r) or stated(case.text, r) for r in o.sample.reference or ())]
    return rng.choice(fit) if fit else None


def identical_pair(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The response beside itself. Expected: a tie. Source: Crome, neutral pair."""
    return case


def position_swap(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Two responses in the other order. Expected: r(A, B) + r(B, A) = 1. Source: MT-Bench; CALM."""
    return _moved(case, 1) if len(case.sample.responses) == 2 else None


def rotation_1(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Three responses or more, the first one moved to the end. Expected: each keeps its reward. Source: CALM."""
    return _moved(case, 1) if len(case.sample.responses) > 2 else None


def rotation_2(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Three responses or more, the first two moved to the end. Expected: each keeps its reward. Source: CALM."""
    return _moved(case, 2) if len(case.sample.responses) > 2 else None


def rotation_3(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Four responses or more, the first three moved to the end. Expected: each keeps its reward. Source: CALM."""
    return _moved(case, 3) if len(case.sample.responses) > 3 else None


def _moved(case: ProbeCase, shift: int) -> ProbeCase:
    count = len(case.sample.responses)
    order = tuple((i + shift) % count for i in range(count))
    responses = tuple(case.sample.responses[i] for i in order)
    right = tuple(case.right[i] for i in order)
    return replace(
        case, sample=replace(case.sample, responses=responses), index=order.index(case.index), right=right, order=order
    )


def rubric_shuffled(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The criteria of the rubric in another order. Expected: no change. Source: ours; attack catalogue RW-20."""
    rubric = _rubric(case)
    if rubric is None or len(rubric.criteria) < 2:
        return None
    criteria = list(rubric.criteria)
    rng.shuffle(criteria)
    if criteria == list(rubric.criteria):
        criteria.reverse()
    return _judged_by(case, rubric, criteria)


def criteria_renamed(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The criteria under names that mean nothing. Expected: no change. Source: ours; attack catalogue RW-20."""
    rubric = _rubric(case)
    if rubric is None:
        return None
    names = {c.id: f"item{i}" for i, c in enumerate(rubric.criteria, 1)}
    criteria = [Criterion(**{**_given(c), "id": names[c.id]}) for c in rubric.criteria]
    changed = _judged_by(case, rubric, criteria)
    return replace(changed, renamed={new: old for old, new in names.items()})


def _rubric(case: ProbeCase) -> Rubric | None:
    """The rubric, unless it names code: a rubric that stands in a sample may not."""
    rubric = case.sample.rubric or case.rubric
    if rubric is None or not rubric.criteria or any(":" in c.check for c in rubric.criteria):
        return None
    return rubric


def _judged_by(case: ProbeCase, rubric: Rubric, criteria: Sequence[Criterion]) -> ProbeCase:
    changed = Rubric(**{**_given(rubric), "criteria": tuple(criteria)})
    return replace(case, sample=replace(case.sample, rubric=changed))


def _given(model: Criterion | Rubric) -> dict[str, Any]:
    """The fields that were set: a default written out is not always allowed (`min` of a binary scale)."""
    return {name: getattr(model, name) for name in model.model_fields_set}


PROBES = (
    Probe("contrast_question", "contrast", "drop", contrast_question, "right", "question"),
    Probe("irrelevant_answer", "contrast", "drop", irrelevant_answer, "right", "against"),
    Probe("identical_pair", "neutral", "invariant", identical_pair, pairs="against", single=False),
    *(
        Probe(f.__name__, "position", "order", f, pairs="whole", single=False)
        for f in (position_swap, rotation_1, rotation_2, rotation_3)
    ),
    *(Probe(f.__name__, "rubric", "invariant", f, pairs="whole") for f in (rubric_shuffled, criteria_renamed)),
)
