"""One judge behind the metric of an evaluation framework: many samples a call, NaN where there is no reward.

Frameworks make their metric objects anew in every task, so judges of one configuration are shared in a process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judge.adapters._shared.process_judge import config_of, shared
from judge.adapters._shared.sample import reference_of, row_fields, shown_fields
from judge.conversation import read_prompt, read_response
from judge.pipeline.judge import Judge
from judge.settings import RunSettings
from judge.types import Reward, Sample

JudgeConfig = str | Path | Mapping[str, Any] | RunSettings | Judge | None


def metric_judge(config: JudgeConfig) -> Judge:
    """The judge of a configuration: a YAML file, a mapping, settings, a `Judge`; None: the file that JUDGE_CONFIG names.

    Equal settings, and files of one path, have one judge in a process; it is closed when that ends.
    """
    if isinstance(config, Judge):
        return config
    found = config_of(config)
    return shared(Judge.from_config, os.path.abspath(found) if isinstance(found, str | Path) else found)


def metric_sample(
    judge: Judge,
    prompt: Any,
    responses: Sequence[Any],
    reference: Any,
    row: Mapping[str, Any],
    identity: str = "",
    where: str = "",
) -> Sample:
    """A sample from what a framework holds: prompt and responses in any form of chats, other fields from the columns of the row.

    Raises:
        DataError, RubricError: Naming the column.
    """
    return Sample(
        prompt=read_prompt(prompt),
        responses=tuple(read_response(r) for r in responses),
        reference=None if reference in (None, "", [], ()) else reference_of(reference),
        id=identity,
        metadata=row_fields(judge.plan, row),
        **shown_fields(row, where or "the row"),
    )


def by_sample(samples: Sequence[Sample], rewards: Sequence[Reward]) -> list[tuple[Reward, ...]]:
    """Rewards, sample by sample."""
    given = iter(rewards)
    return [tuple(next(given) for _ in sample.responses) for sample in samples]


def as_number(reward: Reward) -> float:
    """The reward; NaN where there is none."""
    return math.nan if reward.reward is None else reward.reward


def mean_of_known(values: Sequence[float]) -> float:
    """The mean of what is not NaN; NaN where nothing is.

    Example:
        >>> mean_of_known([1.0, float("nan"), 0.0]), mean_of_known([float("nan")])
        (0.5, nan)
    """
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan
