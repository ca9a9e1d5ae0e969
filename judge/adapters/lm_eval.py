"""lm-eval (lm-evaluation-harness 0.4): the judge as a filter over all responses of a task, and its reward as a metric.

lm-eval calls a metric with one response and its target, and without the question. A filter sees all responses with their
documents at once, so the judge is a filter, and `process_results` hands its rewards to the metric. Beside the task's YAML stands
a file `judged.py` of two lines:

    from judge.adapters.lm_eval import register, reward
    register()

    output_type: generate_until
    filter_list:
      - name: judged
        filter:
          - {function: judge, config: judge.yaml, prompt: question, reference: answer}
    process_results: !function judged.reward
    metric_list:
      - {metric: judge_reward, aggregation: nanmean, higher_is_better: true}

A missing reward is NaN, which `nanmean` leaves out; `judge_missing`, listed with `aggregation: mean`, is its share. With
`repeats` the responses to one document are one group, and their mean is taken. An engine that is down ends the evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from judge.adapters._shared.metric_judge import JudgeConfig, as_number, by_sample, mean_of_known, metric_judge, metric_sample
from judge.errors import DataError, did_you_mean

METRIC = "judge_reward"
MISSING = "judge_missing"


class JudgeFilter:
    """lm-eval's filter `judge`: texts of responses become rewards, one list a document.

    Args:
        config: Run settings; None: the file that JUDGE_CONFIG names.
        prompt: Column of the question, or a template (`{{question}} {{hint}}`).
        reference: Column of the right answer, or a template; empty: none.
    """

    def __init__(self, config: JudgeConfig = None, prompt: str = "question", reference: str = "") -> None:
        self._judge = metric_judge(config)
        self._prompt, self._reference = prompt, reference

    def apply(self, resps: Iterable[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        """Judge all responses of a task in one call; NaN where there is no reward."""
        samples = []
        for number, (texts, doc) in enumerate(zip(resps, docs, strict=True)):
            question, known = _field(self._prompt, doc), _field(self._reference, doc) if self._reference else None
            row = {name: doc[name] for name in ("context", "rubric", "principle", "exemplar") if name in doc}
            samples.append(metric_sample(self._judge, question, list(texts), known, row, str(number), f"document {number}"))
        found = by_sample(samples, self._judge.score(samples)) if samples else []
        return [[as_number(reward) for reward in rewards] for rewards in found]


def _field(name: str, doc: Mapping[str, Any]) -> Any:
    if "{{" in name:
        return import_module("lm_eval.utils").apply_template(name, doc)
    if name not in doc:
        near = did_you_mean(name, doc) or f"; columns: {', '.join(doc)}"
        raise DataError(f"filter `judge`: the documents have no column `{name}`{near}")
    return doc[name]


def reward(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """`process_results` of a task whose responses went through the filter `judge`.

    Example:
        >>> reward({}, [[1.0, float("nan")]])
        {'judge_reward': 1.0, 'judge_missing': 0.5}
    """
    values = results[0]
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise DataError("`process_results` got texts, and no rewards: put the filter `judge` last in `filter_list`")
    return {METRIC: mean_of_known(values), MISSING: sum(map(math.isnan, values)) / max(len(values), 1)}


def register() -> None:
    """Make lm-eval know the filter `judge` and the metrics `judge_reward` and `judge_missing`; may be called again."""
    registry: Any = import_module("lm_eval.api.registry")
    if "judge" not in registry.FILTER_REGISTRY:
        registry.register_filter("judge")(JudgeFilter)
    for name, better, aggregation in ((METRIC, True, "nanmean"), (MISSING, False, "mean")):
        if name not in registry.METRIC_REGISTRY:
            registry.register_metric(metric=name, higher_is_better=better, output_type="generate_until", aggregation=aggregation)(
                _passed_through
            )


def _passed_through(items: Any) -> Any:
    return items
