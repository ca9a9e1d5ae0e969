"""Where figures are sent besides the run folder."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from judge.rubric.model import Frozen

TrackTo = Literal["wandb", "mlflow", "trackio", "inspect"]


class TrackSettings(Frozen):
    """`track: wandb`, `track: [mlflow, inspect]`, or with names: `track: {to: [wandb], project: rewards, name: run-7}`.

    Attributes:
        to: `wandb`, `mlflow` and `trackio` get figures, the summary and the report; `inspect` gets a log that `inspect view`
            reads. Where they send it is set as they document it (WANDB_MODE, MLFLOW_TRACKING_URI, TRACKIO_DIR, INSPECT_LOG_DIR).
        project: Project (mlflow: experiment) of the runs.
        name: Name of the run. None: the name of the run folder, or of the training record.
        timeout_s: Seconds that a tracker may take at the end of a run (of a training: for what is still to be sent). Then a
            warning says what it did not get, and nothing waits for it. Not for `inspect`, which writes a file.
    """

    to: tuple[TrackTo, ...] = Field(min_length=1)
    project: str = Field(default="judge", min_length=1)
    name: str | None = None
    timeout_s: float = Field(default=120.0, gt=0, le=86_400)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"to": data} if isinstance(data, str | list | tuple) else data

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        return (
            tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value) else value
        )
