"""How the responses of one prompt compete, when the recipe compares instead of grading."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen

Schedule = Literal["round_robin", "single_elimination", "double_elimination", "swiss", "anchor", "random_reference", "listwise"]
RankingMethod = Literal["places", "win_rate", "bradley_terry", "elo", "eigen", "sign"]
GroupScale = Literal["strength", "rank"]
OrderJoin = Literal["mean", "log_odds"]

RANKINGS: dict[Schedule, tuple[RankingMethod, GroupScale]] = {
    "round_robin": ("win_rate", "strength"),
    "single_elimination": ("bradley_terry", "rank"),
    "double_elimination": ("places", "rank"),
    "swiss": ("bradley_terry", "rank"),
    "anchor": ("win_rate", "strength"),
    "random_reference": ("sign", "strength"),
    "listwise": ("bradley_terry", "strength"),
}


class GroupSettings(Frozen):
    """How the responses of one prompt compete.

    Attributes:
        schedule: Who meets whom. For n responses: `round_robin` n (n - 1) / 2 comparisons (Pref-GRPO, arXiv:2508.20751);
            `single_elimination` about (anchors + 1 + consolation / 2) n (ArenaRL, arXiv:2601.06487);
            `double_elimination` up to 2 n - 2 and the seeding pass; `swiss` rounds x n / 2; `anchor` anchors x n;
            `random_reference` n - 1 (BRPO, arXiv:2506.00103); `listwise` shuffles x n / window calls.
        ranking: How the win matrix becomes an order; None: what suits the schedule (`RANKINGS`).
        scale: `strength` (the ranking's own figure in [0, 1]), or `rank` (linear from 1 to 0, ties averaged).
        join: How the two orders of one pair become one win: `mean` of what the judge stated, or `log_odds`: its probabilities at
            the verdict (`top_logprobs`), joined so that a constant preference for a place cancels (Pairwise-RL,
            arXiv:2504.04950; `win_probability`).
        max_comparisons: Most comparisons in a group; each schedule then plays less, in a declared way. None: no limit.
        anchors: Responses that all others meet (`anchor`, and the seeding of `single_elimination`).
        seeding: Of brackets and Swiss: `anchor` (a first pass against the anchors), `prior` (scores given by the caller),
            or `drawn` (by the seed).
        consolation: Rounds after the bracket in which everyone meets the nearest response not met yet. 0, with
            `ranking: places`, is the bracket as published.
        rounds: Of Swiss; None: log2(n), rounded up.
        pseudo_games: Drawn games against an imaginary response that keep Bradley-Terry and eigen strengths finite.
        window: Most responses in one listwise question.
        shuffles: Times that every response is listed.
        max_skew: `random_reference`: with |mean of -1 / +1 outcomes| above this the reference is an outlier and the group
            has no rewards (0.6 in BRPO). None: never.
    """

    schedule: Schedule = "round_robin"
    ranking: RankingMethod | None = None
    scale: GroupScale | None = None
    join: OrderJoin = "mean"
    max_comparisons: int | None = Field(default=None, ge=1)
    anchors: int = Field(default=1, ge=1, le=64)
    seeding: Literal["anchor", "prior", "drawn"] = "anchor"
    consolation: int = Field(default=6, ge=0, le=64)
    rounds: int | None = Field(default=None, ge=1, le=64)
    pseudo_games: float = Field(default=0.5, ge=0.01, le=10)
    window: int = Field(default=8, ge=2, le=64)
    shuffles: int = Field(default=2, ge=1, le=64)
    max_skew: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.join == "log_odds" and self.schedule == "listwise":
            raise ValueError("`join: log_odds` is about pairs, and `listwise` shows lists; leave one of them out")
        return self

    @property
    def ranked(self) -> tuple[RankingMethod, GroupScale]:
        """The ranking and the scale in force.

        Example:
            >>> GroupSettings(schedule="swiss").ranked, GroupSettings(ranking="elo").ranked
            (('bradley_terry', 'rank'), ('elo', 'strength'))
        """
        ranking, scale = RANKINGS[self.schedule]
        return self.ranking or ranking, self.scale or scale
