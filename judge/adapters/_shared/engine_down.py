"""A judge for a trainer, and what its calls come to when the engine is down: an exception, a wait, or missing rewards.

- An engine that is down is not a thousand failed judgements: by default the trainer stops with `EngineDown`, since steps without
  rewards would run to the end and be saved.
- `exclude` is for long runs that may lose some steps: all responses of the call have no reward, and the failure policy decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.engine.protocol import Engine
from judge.errors import EngineDown
from judge.monitor import Alarm
from judge.pipeline.judge import Judge
from judge.settings import OpenAiSettings, RunSettings
from judge.types import NoVerdict, Reason, Reward, Sample


def trainer_judge(
    config: str | Path | Mapping[str, Any] | RunSettings,
    *,
    engine: Engine | None = None,
    overrides: Sequence[str] = (),
    on_alarm: Callable[[Alarm], object] | None = None,
) -> Judge:
    """A judge by the run settings; with `engine_down: wait` its engine is waited for without end.

    Raises:
        SettingsError, RecipeError, RubricError: With file and line.
    """
    made = Judge.from_config(config, engine=engine, overrides=overrides, on_alarm=on_alarm)
    settings = made.plan.settings
    if settings.engine_down == "wait" and isinstance(settings.engine, OpenAiSettings):
        patient = settings.engine.model_copy(update={"patience_s": math.inf})
        made.plan = replace(made.plan, settings=settings.model_copy(update={"engine": patient}))  # it is opened at the first call
    return made


def missing_rewards(judge: Judge, samples: Sequence[Sample], down: EngineDown) -> list[Reward]:
    """With `engine_down: exclude` a missing reward for each response.

    Raises:
        EngineDown: Otherwise: the one that is given.
    """
    if judge.plan.settings.engine_down != "exclude":
        raise down
    failure = NoVerdict(Reason.ENGINE_ERROR, str(down))
    return [Reward(s.id, i, None, failure, group=s.group_key) for s in samples for i in range(len(s.responses))]
