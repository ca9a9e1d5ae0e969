"""What is checked before and after the judge, and what a finding does."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen

Action = Literal["veto", "drop", "prove", "flag", "off"]
"""`veto`: the lowest reward without a call; `drop`: no reward; `prove`: judged, and a positive verdict counts only with the words
of the response that state its answer; `flag`: judged and flagged; `off`: not checked."""

FilterLevel = Literal["default", "strict", "off"]
"""`default`: what is proved to be empty gets the lowest reward without a call, and what is suspect is judged under proof;
`strict`: what is suspect gets the lowest reward without a call, too; `off`: no intake filter."""


class FilterSettings(Frozen):
    """What is checked before the judge. `filters: strict` is short for `filters: {level: strict}`.

    Attributes:
        level: What the intake filters do by default.
        trivial: What a response with nothing to judge comes to, for every filter whose own action is `veto`. `flag` and `off` go
            for the filters that would demand proof, too.
        actions: The same for single filters by name, overriding `level` and `trivial`.
        max_response_chars: Longer responses are refused (`over_length`), never cut.
        max_prompt_chars: The same for the prompt with its documents; no response to a longer one is judged.
        max_reference_chars: The same for the reference answers together.
        evidence: Whether reasoning that quotes nothing from the response is flagged (`no_evidence`).
        max_response_tokens: The same in tokens of the judge's tokenizer; None: only the judge's context limits them.
    """

    level: FilterLevel = "default"
    trivial: Action = "veto"
    actions: dict[str, Action] = Field(default_factory=dict)
    max_response_chars: int = Field(default=2_000_000, ge=1)
    max_prompt_chars: int = Field(default=4_000_000, ge=1)
    max_reference_chars: int = Field(default=1_000_000, ge=1)
    max_response_tokens: int | None = Field(default=None, ge=1)
    evidence: Literal["flag", "off"] = "flag"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"level": value} if isinstance(value, str) else {"level": "off"} if value is False else value

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.level == "off" and "trivial" in self.model_fields_set and self.trivial != "off":
            raise ValueError(f"`trivial: {self.trivial}` has no effect with `level: off`; name single filters in `actions`")
        return self

    @property
    def blocks(self) -> bool:
        """Whether any filter may decide a reward, or demand proof, by the level and `trivial`."""
        return self.level != "off" and self.trivial not in ("off", "flag")
