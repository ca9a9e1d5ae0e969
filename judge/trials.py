"""What `judge attack` and `judge audit` share: one case with how it was judged, and the replies of a run, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from judge.types import Call, Completion, NoVerdict

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


class MemoryJournal:
    """The replies of one run: an identical request is sent once. It counts what reached the engine.

    Args:
        keep_failures: Keep replies without a verdict as well, where two judgements must rest on the same reply; else such a
            request is sent again.
    """

    def __init__(self, *, keep_failures: bool = False) -> None:
        self._keep_failures = keep_failures
        self._replies: dict[str, Completion] = {}
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def find(self, key: str) -> Completion | None:
        """The reply to this very request."""
        return self._replies.get(key)

    def keep(self, call: Call) -> None:
        """Count one finished call, and keep its reply."""
        self.count(call.completion)
        if self._keep_failures or not isinstance(call.outcome, NoVerdict):
            self._replies[call.key] = call.completion

    def count(self, completion: Completion) -> None:
        """Count one reply of the engine."""
        self.calls += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
