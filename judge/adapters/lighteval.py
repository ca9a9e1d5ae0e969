"""lighteval 0.13: the judge as a metric of generative tasks.

    from judge.adapters.lighteval import judge_metric

    task = LightevalTaskConfig(name="mine", prompt_function=..., metrics=[judge_metric("judge.yaml")], ...)

- Prompt: the document's query; reference: its gold answers; `context`, `rubric`, `principle` and `exemplar` from `doc.specific`.
  All generations of a document are one group, and their mean is the metric.
- All documents are judged in one call (lighteval's batched metrics).
- A missing reward is NaN. The corpus figure is the mean of what is known; lighteval's standard error is NaN as soon as one is
  missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from judge.adapters._shared.metric_judge import JudgeConfig, as_number, by_sample, mean_of_known, metric_judge, metric_sample


def judge_metric(config: JudgeConfig = None, *, name: str = "judge_reward") -> Any:
    """A `SampleLevelMetric` with the mean reward.

    Args:
        config: A YAML file, a mapping, `RunSettings` or a `Judge`; None: the file that JUDGE_CONFIG names.
        name: Of the metric.
    """
    utils: Any = import_module("lighteval.metrics.utils.metric_utils")
    base: Any = import_module("lighteval.metrics.metrics_sample").SampleLevelComputation
    method: Any = import_module("lighteval.tasks.requests").SamplingMethod
    judge = metric_judge(config)

    class JudgeRewards(base):  # type: ignore[misc]
        """Rewards of all documents of a task."""

        def compute(self, responses: Sequence[Any], docs: Sequence[Any], **_: Any) -> list[float]:
            samples = [
                metric_sample(judge, doc.query, response.final_text, _golds(doc), doc.specific or {}, str(number), "doc.specific")
                for number, (doc, response) in enumerate(zip(docs, responses, strict=True))
            ]
            found = by_sample(samples, judge.score(samples)) if samples else []
            return [mean_of_known([as_number(r) for r in rewards]) for rewards in found]

    return utils.SampleLevelMetric(
        metric_name=name,
        higher_is_better=True,
        category=method.GENERATIVE,
        sample_level_fn=JudgeRewards(),
        corpus_level_fn=mean_of_known,
        batched_compute=True,
    )


def _golds(doc: Any) -> list[str]:
    return [gold.strip() for gold in doc.get_golds() if isinstance(gold, str) and gold.strip()] if doc.choices else []
