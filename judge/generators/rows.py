"""What rubrics are written from, row by row, and why a row comes to none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from judge.labels import truths_of
from judge.rubric.model import content_hash
from judge.types import Sample


class Drop(StrEnum):
    """Why a rubric that could be read is not kept. Other reasons: `judge.types.Reason` and `Unreadable`."""

    LABEL_NOT_REPRODUCED = "label_not_reproduced"  # both orders prefer the rejected response
    ORDERS_DISAGREE = "orders_disagree"
    NO_VERDICT = "no_verdict"  # the judge gave none in one order or both
    NO_POSITIVE_POINTS = "no_positive_points"  # every item takes points away, so there is nothing to divide by
    NOT_CHOSEN = "not_chosen"  # `support`: the pair decides nothing, and nothing is written from it
    NOT_SEPARATED = "not_separated"  # `tail`: no item tells the two best responses apart
    ALL_REJECTED = "all_rejected"  # `decompose`: the filters left no item
    EXPLAINED = "explained"  # `mine`: the merged rubric reproduces the label; nothing was written from this pair
    UNEXPLAINED = "unexplained"  # `mine`: it does not


class Unwritten(Exception):
    """A row that comes to nothing, and why."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What a rubric is written from. `problem` says why nothing can be, for a row that could not be read."""

    id: str
    sample: Sample | None = None
    problem: str = ""


def has(sample: Sample, what: str) -> bool:
    """Whether a row has what a generator or a turn needs."""
    if what in ("chosen", "rejected"):
        return labelled_pair(sample) is not None
    if what == "responses":
        return len(sample.responses) > 0
    return {"reference": sample.reference is not None, "context": bool(sample.context), "rubric": sample.rubric is not None}[what]


def data_hash_of(sample: Sample) -> str:
    """Content hash of all that a row shows a generator."""
    prompt = sample.prompt if isinstance(sample.prompt, str) else [[m.role, m.exact] for m in sample.prompt]
    return content_hash([prompt, list(sample.shown), sample.reference, list(sample.context), labelled_pair(sample)])


def labelled_pair(sample: Sample) -> tuple[str, str] | None:
    """(chosen, rejected); None when the sample is no labelled pair."""
    if len(sample.responses) != 2:
        return None
    truths = truths_of(sample.metadata, 2)
    if truths not in ((1.0, 0.0), (0.0, 1.0)):
        return None
    first, second = sample.shown
    return (first, second) if truths[0] else (second, first)
