"""Inspect (inspect-ai 0.3): the judge as a scorer.

    from judge.adapters.inspect_scorer import judge_scorer

    @task
    def help():
        return Task(dataset=..., solver=generate(), scorer=judge_scorer("judge.yaml"))

- Prompt: the sample's input; reference: its target, where there is one; `context`, `rubric`, `principle` and `exemplar` come from
  its metadata. Response: what the solver added to the messages (an agent's whole trajectory, tool calls included).
- A missing reward is Inspect's *unscored* sample: NaN with the reason, which its metrics and reducers leave out.
- An engine that is down raises, so Inspect counts the sample as an error, not as a grade.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from judge.adapters._shared.metric_judge import JudgeConfig, metric_judge, metric_sample
from judge.adapters._shared.metrics import why
from judge.types import Reward


def judge_scorer(config: JudgeConfig = None, *, name: str = "judge") -> Any:
    """A scorer with Inspect's mean and standard error.

    Args:
        config: A YAML file, a mapping, `RunSettings` or a `Judge`; None: the file that JUDGE_CONFIG names.
        name: Of the scorer, in logs.
    """
    scoring: Any = import_module("inspect_ai.scorer")
    judge = metric_judge(config)

    @scoring.scorer(metrics=[scoring.mean(), scoring.stderr()], name=name)  # type: ignore[untyped-decorator]
    def made() -> Any:
        async def score(state: Any, target: Any) -> Any:
            texts = [text for text in target if text]
            sample = metric_sample(
                judge, _prompt(state.input), [_response(state)], texts, state.metadata or {}, f"{state.sample_id}", "metadata"
            )
            [reward] = await judge.ascore(sample)
            return _scored(scoring.Score, reward, state.output.completion)

        return score

    return made()


def _scored(score: Any, reward: Reward, answer: str) -> Any:
    known = {f"criterion.{name}": value for name, value in reward.criteria.items() if value is not None}
    more = known | {"raw_reward": reward.raw_reward, "judge_calls": reward.judge_calls}
    if reward.reward is None:
        return score.unscored(reason="grader_failed", answer=answer, explanation=why(reward), metadata=more)
    return score(value=reward.reward, answer=answer, explanation=reward.explanation, metadata=more)


def _prompt(given: Any) -> Any:
    return given if isinstance(given, str) else [_plain(m) for m in given]


def _response(state: Any) -> Any:
    """The solver's messages as one response: text, or a conversation where it did more than answer."""
    asked = 1 if isinstance(state.input, str) else sum(m.role != "system" for m in state.input)
    added: Sequence[Any] = [m for m in state.messages if m.role != "system"][asked:]
    if len(added) < 2 and not any(getattr(m, "tool_calls", None) for m in added):
        return state.output.completion
    return [_plain(m) for m in added]


def _plain(message: Any) -> dict[str, Any]:
    """An Inspect message in the form of OpenAI's chats."""
    out: dict[str, Any] = {"role": message.role, "content": message.text}
    if calls := getattr(message, "tool_calls", None):
        out["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.function, "arguments": json.dumps(c.arguments)}}
            for c in calls
        ]
    if message.role == "tool":
        out["tool_call_id"] = message.tool_call_id or ""
    return out
