"""What happens to rewards once they are judged, in one place for every entry: shaping chain -> policy.

The monitor stands before it and sees the judge's own rewards. What is missing stays missing through the chain, so it changes
nothing for the others there; the policy comes last, and also finds what the chain itself left without a reward.
"""

from __future__ import annotations

from collections.abc import Sequence

from judge.pipeline.shaping import CountTokens, Shaping
from judge.reward.missing import apply_policy
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.types import Reason, Reward, Sample


class Finish:
    """The shaping chain of a run with its memory, and its policy for missing rewards. Pickles.

    Attributes:
        shaping: The chain.
    """

    def __init__(self, settings: RunSettings, rubric: Rubric | None) -> None:
        self.shaping = Shaping.of(settings, rubric)
        self._policy = settings.on_no_verdict
        self._constant = settings.no_verdict_constant

    @property
    def alone(self) -> bool:
        """Whether each sample can be finished by itself, whatever the others come to."""
        return self.shaping.alone and not self.shaping.baselines and self._policy != "group_mean"

    def apply(
        self, samples: Sequence[Sample], rewards: Sequence[Reward], *, step: int = 0, count_tokens: CountTokens | None = None
    ) -> list[Reward]:
        """The same rewards with what a trainer gets. Samples that could not be judged (`invalid`) take no part in the chain.

        Args:
            samples: In order; the rewards are one for each of their responses.
            step: The trainer's, for new noise at each.
            count_tokens: For the length of responses whose metadata does not give it.

        Raises:
            DataError: The batch lacks what a step needs, such as lengths.
            NoVerdictError: A response has no reward and the policy is `raise`.
        """
        given = list(rewards)
        if self.shaping.steps:
            given = self._shaped(samples, given, step, count_tokens)
        return apply_policy(given, self._policy, self._constant)

    def _shaped(
        self, samples: Sequence[Sample], rewards: list[Reward], step: int, count_tokens: CountTokens | None
    ) -> list[Reward]:
        left = iter(rewards)
        rows = [(sample, [next(left) for _ in sample.responses or (None,)]) for sample in samples]  # unreadable: one reward
        valid = [(sample, own) for sample, own in rows if not any(_invalid(r) for r in own)]
        flat = [reward for _, own in valid for reward in own]
        shaped = iter(self.shaping.apply([sample for sample, _ in valid], flat, step=step, count_tokens=count_tokens))
        return [reward if _invalid(reward) else next(shaped) for reward in rewards]


def _invalid(reward: Reward) -> bool:
    return reward.failure is not None and reward.failure.reason is Reason.INVALID
