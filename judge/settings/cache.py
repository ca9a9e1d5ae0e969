"""Where replies of the judge are kept, so that nothing is judged twice."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from judge.rubric.model import Frozen


class CacheSettings(Frozen):
    """`cache: memory`, `cache: off`, or `cache: FOLDER`; with a size: `cache: {where: FOLDER, max_mb: 4000}`.

    Attributes:
        where: `memory` (as long as the process lives), `off`, or a folder, which several processes may share.
        max_mb: Most megabytes of replies; the oldest go first.
    """

    where: str = Field(default="memory", min_length=1)
    max_mb: float = Field(default=256.0, gt=0, le=1e9)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if data is False:  # YAML's `off`
            return {"where": "off"}
        return {"where": data} if isinstance(data, str) else data
