"""A few criteria of a rubric for each judgement, drawn by weight: `draw` of a recipe.

A judge that is shown other principles each time cannot be learned by heart: what pays under three of them today may cost
under three others tomorrow (SALMON, Sun et al. 2023, arXiv:2310.05910, section 3). The draw hangs on the run's seed and the
sample alone, so it is the same in any batch order, in both orders of a pair, and in every vote.
"""

from __future__ import annotations

import hashlib
import math

from judge.rubric.model import Criterion, Rubric
from judge.types import Sample


def drawn(rubric: Rubric, count: int, seed: int, sample: Sample) -> Rubric:
    """The rubric with `count` of the criteria that a judge is asked about; those that programs check all stay.

    Drawn without replacement, each with a chance that grows with its importance (Efraimidis and Spirakis 2006): the `count`
    largest of ln(u) / importance, with u uniform in (0, 1) from a hash of seed, sample and criterion. Order as in the rubric.
    """
    asked = [c for c in rubric.criteria if c.check == "llm"]
    if len(asked) <= count:
        return rubric
    base = repr((seed, sample.prompt, sample.responses)).encode("utf-8", "surrogatepass")
    kept = {c.id for c in sorted(asked, key=lambda c: -_key(base, c))[:count]}
    return rubric.model_copy(update={"criteria": tuple(c for c in rubric.criteria if c.check != "llm" or c.id in kept)})


def _key(base: bytes, criterion: Criterion) -> float:
    digest = hashlib.blake2b(base, digest_size=8, key=criterion.id.encode()[:64]).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return math.log(uniform) / criterion.importance
