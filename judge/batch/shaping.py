"""What happens to the rewards of a run after the last one is there: its shaping chain, and its policy for absent rewards.

A chain may look at whole groups, or at the whole run, so samples are held until the end, but only where there is a chain.
"""

from __future__ import annotations

from dataclasses import replace

from judge.batch.store import Store
from judge.pipeline.build import Plan
from judge.pipeline.session import Opened
from judge.pipeline.shaping import CountTokens, Shaping
from judge.reward.absent import apply_policy
from judge.settings import RunSettings
from judge.types import Reason, Reward, Sample


class RunShaping:
    """The shaping chain over one run.

    Attributes:
        count_tokens: Set when the engine is there.
    """

    def __init__(self, plan: Plan) -> None:
        self.count_tokens: CountTokens | None = None
        self._shaping = Shaping.of(plan.settings, plan.rubric)
        self._settings = plan.settings
        self._held: list[tuple[int, Sample, tuple[Reward, ...]]] = []

    def add(self, row: int, sample: Sample, rewards: tuple[Reward, ...]) -> None:
        """Take in the rewards of one sample. A row that is no sample takes no part.

        Raises:
            DataError: The sample lacks what the chain needs: now, and not when all are judged.
        """
        if self._shaping.steps and not any(r.failure and r.failure.reason == Reason.INVALID for r in rewards):
            self._shaping.check(sample, self.count_tokens)
            self._held.append((row, sample, tuple(replace(r, calls=()) for r in rewards)))

    async def finish(self, store: Store, judges: Opened) -> None:
        """Judge the baseline responses, run the chain, and enter what it made of every reward."""
        if not self._held:
            return
        self._held.sort(key=lambda held: held[0])
        samples = [sample for _, sample, _ in self._held]
        due = self._shaping.due(samples)
        self._shaping.learn(await judges.judge_many(due, self._settings.max_in_flight))
        rewards = [reward for _, _, each in self._held for reward in each]
        if self._settings.on_no_verdict == "constant":
            rewards = apply_policy(rewards, "constant", self._settings.no_verdict_constant)
        shaped = self._shaping.apply(samples, rewards, count_tokens=self.count_tokens)
        if self._settings.on_no_verdict == "group_mean":
            shaped = apply_policy(shaped, "group_mean")
        rows = [row for row, _, each in self._held for _ in each]
        store.add_stages(zip(rows, shaped, strict=True))


def impute(settings: RunSettings, store: Store) -> None:
    """Apply `constant` and `group_mean` to the rewards that are missing. A row that is no sample stays without."""
    policy = settings.on_no_verdict
    if policy not in ("constant", "group_mean"):
        return
    constant = settings.no_verdict_constant if policy == "constant" else None
    group = "CASE grp WHEN '' THEN id ELSE grp END"
    store.query("CREATE TEMP TABLE means (name TEXT PRIMARY KEY, mean REAL) WITHOUT ROWID")
    store.query(f"INSERT INTO means SELECT {group}, COALESCE(?, AVG(value)) FROM rewards GROUP BY 1", constant)
    store.query(
        f"""UPDATE rewards SET value = mean, status = 'imputed', flags = json_insert(flags, '$[#]',
          json_object('name', 'imputed', 'detail', printf('%s: %g', ?, mean), 'where', ''))
        FROM means WHERE name = {group} AND value IS NULL AND reason != '{Reason.INVALID}' AND mean IS NOT NULL""",
        policy,
    )
