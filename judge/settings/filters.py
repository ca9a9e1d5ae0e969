"""What is looked at before and after the judge, and what a finding does."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from judge.rubric.model import Frozen

Action = Literal["veto", "drop", "prove", "flag", "off"]
"""`veto`: the lowest reward without a call; `drop`: no reward; `prove`: judged, and a positive verdict counts only with the words
of the response that state its answer; `flag`: judged and flagged; `off`: not checked."""


class FilterSettings(Frozen):
    """What is looked at before the judge.

    Attributes:
        trivial: What a response with nothing to judge comes to: `veto`, `drop`, `flag`, `off`. It is the ceiling of every
            intake filter whose own default is `veto`.
        actions: The same for single filters by name, overriding `trivial` and the filter's default.
        max_response_chars: Longer responses are refused (`over_length`), never cut.
        evidence: Whether reasoning that quotes nothing from the response is flagged (`no_evidence`).
        max_response_tokens: The same in tokens of the judge's tokenizer; None: only the judge's context limits them.
    """

    trivial: Action = "veto"
    actions: dict[str, Action] = Field(default_factory=dict)
    max_response_chars: int = Field(default=2_000_000, ge=1)
    max_response_tokens: int | None = Field(default=None, ge=1)
    evidence: Literal["flag", "off"] = "flag"
