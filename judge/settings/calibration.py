"""A calibration file: what `judge calibrate` learned from labels, and what a run puts in front of its shaping chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from judge.errors import Problem, SettingsError
from judge.rubric.model import Frozen
from judge.shape import ShapeStep
from judge.shape.batch import UnitFloat
from judge.shape.calibrated import CalibrateStep, SureStep
from judge.yamlfile import read_yaml, validate


class CalibrationFile(Frozen):
    """One calibration.

    Attributes:
        method: How it was fitted: `isotonic`, `platt` or `levels`.
        map: The step that makes a reward a chance.
        unsure: Chances between these two are too unsure for a reward; None: every reward stays.
        error: Share of wrong answers (chance of 0.5 and above, and not right; or below, and right) that was promised among
            those that stay.
        confidence: Chance, over the labels, that the promise holds.
        made: Run, labels, model and recipe it was made with, for a reader.
    """

    method: Literal["isotonic", "platt", "levels"]
    map: CalibrateStep
    unsure: SureStep | None = None
    error: UnitFloat | None = None
    confidence: UnitFloat | None = None
    made: dict[str, Any] = Field(default_factory=dict)

    @property
    def steps(self) -> tuple[ShapeStep, ...]:
        """The steps of a run with this calibration."""
        return (self.map,) if self.unsure is None else (self.map, self.unsure)


def load_calibration(name: str, base: Path | None) -> CalibrationFile:
    """Read a calibration file; a relative path is looked for beside the settings, then here.

    Raises:
        SettingsError: It is not there, or wrong (with its line).
    """
    given = Path(name).expanduser()
    beside = given if base is None else base / given
    path = next((p for p in (beside, given) if p.is_file()), None)
    if path is None:
        raise SettingsError(Problem("calibration", f"{beside} does not exist; `judge calibrate RUN --output FILE` makes one"))
    return validate(CalibrationFile, read_yaml(path, SettingsError), error=SettingsError)
