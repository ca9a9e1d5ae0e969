"""What `judge attack` and `judge audit` share: one case with how it was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

CaseT = TypeVar("CaseT")
OutcomeT = TypeVar("OutcomeT")


@dataclass(frozen=True, slots=True)
class Trial(Generic[CaseT, OutcomeT]):
    """One case, judged, beside what it is compared with.

    Attributes:
        case: What was planned.
        changed: What the changed text earned (with the attack, or after the rewrite).
        base: What the text earned as it was; None where the changed text stands alone.
        control: What the text earned with neutral text of the same length; None where that was not judged.
    """

    case: CaseT
    changed: OutcomeT
    base: OutcomeT | None = None
    control: OutcomeT | None = None
