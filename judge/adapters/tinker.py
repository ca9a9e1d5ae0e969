"""tinker-cookbook: group rewards for `EnvGroupBuilder.compute_group_rewards`.

    async def compute_group_rewards(self, trajectory_group, env_group):
        return await group_rewards(replies(trajectory_group, self.renderer), self.prompt, {"answer": self.answer})

What its own code does (tinker-cookbook 0.6.1, `rl/types.py`, `rl/preference_envs.py`):

- The method gives a reward and metrics for each trajectory, in the order of the list it gets (after `RetryOnFailure` that is
  not the order of the environments); they are added to the rewards of the steps, which should be 0.
- An exception ends the run with `FailFast`, and leaves the group out with the other strategies: none grades a group again, or
  keeps a part of it. So no reward raises.
- Trajectories hold tokens; a renderer makes messages of them. Of a reply that was cut off it gives the raw text.
- Builders are pickled. This is a function that finds its judge by the environment or by a path, so a builder holds none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from judge.adapters._shared.sample import completion_of, prompt_of
from judge.adapters._shared.score_group import group_numbers, judge_for
from judge.errors import DataError
from judge.reference import reference_in
from judge.thinking import strip_thinking
from judge.types import Conversation


async def group_rewards(
    responses: Sequence[str],
    prompt: str | Sequence[Mapping[str, Any]],
    row: Mapping[str, Any] | None = None,
    *,
    config: Any = None,
    server: str | None = None,
    name: str = "judge",
    on_no_verdict: str | None = None,
    constant: float | None = None,
) -> list[tuple[float, dict[str, float]]]:
    """Rewards of one group and their metrics, in order.

    Args:
        responses: Of all trajectories of the group: text, or the assistant's messages with what tools said between them.
        prompt: The question that all of them answer: text or messages.
        row: May hold the reference (`answer`, `reference`...), `context`, `principle`, `rubric`.
        config: Run settings. None: JUDGE_CONFIG names them.
        server: URL of `judge serve`. None: JUDGE_SERVER.
        on_no_verdict: `raise`, `impute_group_mean` or `constant`; None: what the run file says.

    Raises:
        NoVerdictError: A response has no reward (`impute_group_mean`: none of them has).
        SettingsError, DataError: The settings or the row cannot work.
    """
    judge = judge_for("tinker", config, server, name=name, on_no_verdict=on_no_verdict, constant=constant)
    asked, known = prompt_of(prompt, name), row or {}
    samples = [judge.sample(asked, completion_of(each, name), reference_in(known), known) for each in responses]
    return [(score, judge.metrics(score, reward)) for score, reward in await group_numbers(judge, samples)]


def replies(trajectory_group: Sequence[Any], renderer: Any) -> list[str | Conversation]:
    """The reply of each trajectory, by the policy's renderer, without its thinking; one that never ended is no reply, and empty.

    Raises:
        DataError: A trajectory has several turns: the environment's own texts are not in it, so write them out yourself.
    """
    out = []
    for place, trajectory in enumerate(trajectory_group):
        if len(trajectory.transitions) != 1:
            turns = len(trajectory.transitions)
            raise DataError(f"trajectory {place} has {turns} turns; `replies` reads those of one, so pass texts of your own")
        message, termination = renderer.parse_response(trajectory.transitions[0].ac.tokens)
        content = message["content"]
        if not isinstance(content, str):
            content = [part for part in content if part.get("type") != "thinking"]
        elif not termination.is_clean:  # the renderer has looked for no thinking there
            content = strip_thinking(content) or ""
        out.append(completion_of({"role": "assistant", "content": content}, f"trajectory {place}"))
    return out
