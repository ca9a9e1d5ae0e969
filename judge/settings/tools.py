"""What the tools of a judge may take, and functions of one's own among them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from judge.rubric.model import Frozen, Identifier


class ToolSettings(Frozen):
    """The tools of recipes that have some.

    Attributes:
        functions: Name -> `package.module:function`: tools of one's own (a web search, a translation), or others in place of
            ours. A function gets the judge's input and the sample, and gives a text; it may be asynchronous.
        seconds: Wall-clock time of one run of code.
        memory_mb: Memory of one run of code, in megabytes.
        output_chars: Characters of a result that the judge is shown.
        on_error: A tool that fails: `observe`, the judge reads why and goes on; `no_verdict`, there is no reward (`tool_error`).
    """

    functions: dict[Identifier, str] = Field(default_factory=dict)
    seconds: float = Field(default=5.0, gt=0, le=300)
    memory_mb: int = Field(default=512, ge=64, le=16_384)
    output_chars: int = Field(default=4_000, ge=100, le=100_000)
    on_error: Literal["observe", "no_verdict"] = "observe"
