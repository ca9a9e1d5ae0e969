"""How the responses of one prompt compete, when the recipe compares instead of grading."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen

Schedule = Literal["round_robin", "single_elimination", "double_elimination", "swiss", "anchor", "random_reference", "listwise"]
RankingMethod = Literal["places", "win_rate", "bradley_terry", "elo", "eigen", "sign"]
GroupScale = Literal["strength", "rank", "min_rank"]
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
PUBLISHED: dict[Schedule, tuple[RankingMethod, GroupScale]] = {
    "round_robin": ("sign", "min_rank"),
    "anchor": ("win_rate", "min_rank"),
    "single_elimination": ("places", "rank"),
}
_ONLY: dict[str, tuple[Schedule, ...]] = {
    "anchors": ("anchor", "single_elimination", "double_elimination"),
    "seeding": ("single_elimination", "double_elimination", "swiss"),
    "consolation": ("single_elimination",),
    "rounds": ("swiss",),
    "window": ("listwise",),
    "shuffles": ("listwise",),
    "max_skew": ("random_reference",),
}
_DECIDED = ("ranking", "scale", "max_comparisons", "anchors", "seeding", "consolation")  # by `published`


class GroupSettings(Frozen):
    """How the responses of one prompt compete.

    Attributes:
        schedule: Who meets whom. For n responses: `round_robin` n (n - 1) / 2 comparisons (Pref-GRPO, arXiv:2508.20751);
            `single_elimination` about (anchors + 1 + consolation / 2) n (ArenaRL, arXiv:2601.06487);
            `double_elimination` up to 2 n - 2 and the seeding pass; `swiss` rounds x n / 2; `anchor` anchors x n;
            `random_reference` n - 1 (BRPO, arXiv:2506.00103); `listwise` shuffles x n / window calls.
        published: As in ArenaRL's repository, in place of what serves a group better. A win of `round_robin` is 1, 0.5 or 0;
            ranks of `round_robin` and `anchor` are `min_rank`; in `single_elimination` the bracket without its empty places is
            paired in order, a tie is the first one's, nobody shares a place, and no consolation follows.
        ranking: How the win matrix becomes an order; None: what suits the schedule (`RANKINGS`). `places` is the bracket's or
            Swiss' own standing; where a match of a bracket is undecided it is the Bradley-Terry order instead.
        scale: `strength` (the ranking's own figure in [0, 1]), `rank` (linear from 1 to 0, equal ones share the mean of their
            ranks), or `min_rank` (equal ones share the best of their ranks, and the last rank that is taken is 0).
        join: How the two orders of one pair become one win: `mean` of what the judge stated, or `log_odds`: its probabilities at
            the verdict (`top_logprobs`), joined so that a constant preference for a place cancels (Pairwise-RL,
            arXiv:2504.04950; `win_probability`).
        top: Only who is among the best so many matters: they get 1, the others 0, and those who tie for the last places share
            them. Pairs that can no longer change that are not compared (`round_robin`). None: everyone's rank matters.
        max_comparisons: Most comparisons in a group; each schedule then plays less, in a declared way. None: no limit.
        anchors: Responses that all others meet (`anchor`, and the seeding of `single_elimination`).
        seeding: Of brackets and Swiss: `anchor` (a first pass against the anchors), `prior` (scores given by the caller),
            or `drawn` (by the seed).
        consolation: Rounds after the bracket in which everyone meets the nearest response not met yet.
        rounds: Of Swiss; None: log2(n), rounded up.
        pseudo_games: Drawn games against an imaginary response that keep Bradley-Terry and eigen strengths finite.
        window: Most responses in one listwise question.
        shuffles: Times that every response is listed.
        max_skew: `random_reference`: with |mean of -1 / +1 outcomes| above this the reference is an outlier and the group
            has no rewards (0.6 in BRPO). None: never.
    """

    schedule: Schedule = "round_robin"
    published: bool = False
    ranking: RankingMethod | None = None
    scale: GroupScale | None = None
    join: OrderJoin = "mean"
    top: int | None = Field(default=None, ge=1, le=1024)
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
        idle = next((name for name, used in _ONLY.items() if self._given(name) and self.schedule not in used), None)
        if idle is not None:
            raise ValueError(f"`{idle}` has no effect with schedule `{self.schedule}`; it is for {', '.join(_ONLY[idle])}")
        if self.top is not None:
            if self.schedule != "round_robin":
                raise ValueError(f"`top` is for schedule `round_robin`, not `{self.schedule}`")
            beside = [name for name in ("ranking", "scale", "published", "max_comparisons") if self._given(name)]
            if beside:
                raise ValueError(
                    f"`top` decides who gets a reward by wins, so `{beside[0]}` has no effect; leave one of them out"
                )
        if self.published:
            self._as_published()
        return self

    def _given(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def _as_published(self) -> None:
        if self.schedule not in PUBLISHED:
            raise ValueError(f"`published: true` is for {', '.join(PUBLISHED)}, not for `{self.schedule}`")
        given = [name for name in _DECIDED if self._given(name)]
        if given:
            raise ValueError(f"`published: true` decides `{given[0]}` itself; leave one of them out")

    @property
    def ranked(self) -> tuple[RankingMethod, GroupScale]:
        """The ranking and the scale in force.

        Example:
            >>> GroupSettings(schedule="swiss").ranked, GroupSettings(ranking="elo").ranked
            (('bradley_terry', 'rank'), ('elo', 'strength'))
        """
        if self.published:
            return PUBLISHED[self.schedule]
        ranking, scale = RANKINGS[self.schedule]
        return self.ranking or ranking, self.scale or scale
