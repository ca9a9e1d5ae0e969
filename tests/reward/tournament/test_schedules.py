"""Who meets whom, at what cost, and what comes out."""

from __future__ import annotations

import asyncio
from math import ceil, log2

import numpy as np
import pytest

from judge.reward.tournament import Comparison, both_orders, play, play_lists, settle
from judge.reward.tournament.play import draw
from judge.settings.group import GroupSettings
from tests.reward.tournament.harness import Scales, run

SCHEDULES = ("round_robin", "single_elimination", "double_elimination", "swiss", "anchor", "random_reference")


@pytest.mark.parametrize("n", [2, 3, 5, 8, 13, 16, 21])
@pytest.mark.parametrize(
    ("fields", "most"),
    [
        pytest.param({"schedule": "round_robin"}, lambda n: n * (n - 1) // 2, id="round-robin"),
        pytest.param({"schedule": "single_elimination", "consolation": 0}, lambda n: 2 * (n - 1), id="bracket-with-seeding-pass"),
        pytest.param(
            {"schedule": "single_elimination", "consolation": 0, "seeding": "drawn"}, lambda n: n - 1, id="bracket-drawn"
        ),
        pytest.param({"schedule": "single_elimination"}, lambda n: 2 * (n - 1) + 6 * (n // 2), id="bracket-with-consolation"),
        pytest.param({"schedule": "double_elimination", "seeding": "drawn"}, lambda n: 2 * n - 2, id="double"),
        pytest.param({"schedule": "swiss"}, lambda n: ceil(log2(n)) * (n // 2), id="swiss"),
        pytest.param({"schedule": "anchor"}, lambda n: n - 1, id="anchor"),
        pytest.param({"schedule": "anchor", "anchors": 2}, lambda n: 2 * n - 3, id="two-anchors"),
        pytest.param({"schedule": "random_reference"}, lambda n: n - 1, id="random-reference"),
    ],
)
def test_cost_and_best(n: int, fields: dict[str, object], most):
    """Judge calls are what a group costs: no schedule asks more than it says, or a pair twice; and the best has the most."""
    scales = Scales(range(n))
    played = run(scales, **fields)
    assert played.comparisons == len(scales.asked) <= most(n)
    assert len({frozenset(p) for p in scales.asked}) == len(scales.asked)
    assert played.rewards[n - 1] == max(r for r in played.rewards if r is not None)
    assert played.rewards[0] < played.rewards[n - 1]
    if fields["schedule"] not in ("anchor", "random_reference"):
        assert played.order[0] == n - 1


def test_round_robin_is_the_win_rate():
    """Pref-GRPO's reward: wins over comparisons. 4 responses, one tie: (3, 1.5, 1.5, 0) of 3."""
    played = run(Scales([3, 1, 1, 0]))
    assert played.rewards == (1.0, 0.5, 0.5, 0.0)
    assert played.wins[0].tolist()[1:] == [1, 1, 1]
    assert np.isnan(played.wins.diagonal()).all()
    assert (played.comparisons, played.calls, played.cycle_count, played.components) == (6, 6, 0, ())


@pytest.mark.parametrize("schedule", ["single_elimination", "double_elimination"])
def test_places_of_a_bracket(schedule: str):
    """The round reached orders a bracket, with no surprise the best seeds are the best places."""
    prior = [float(q) for q in range(8)]
    rest = {"consolation": 0} if schedule == "single_elimination" else {}
    played = run(Scales(range(8)), schedule=schedule, seeding="prior", prior=prior, ranking="places", **rest)
    assert played.order[:2] == (7, 6)
    assert played.rewards[7] == 1.0
    assert {played.order[2], played.order[3]} == {5, 4}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n", [2, 4, 5, 7])
@pytest.mark.parametrize("seed", range(3))
def test_ties_are_not_settled_by_the_draw(schedule: str, n: int, seed: int):
    """A judge that cannot tell the responses apart gives them one reward, whatever was drawn, byes and rounds included."""
    played = run(Scales([1] * n), [f"response {k}" for k in range(n)], schedule=schedule, ranking="places", seed=seed)
    assert played.rewards == (0.5,) * n


@pytest.mark.parametrize("schedule", ["single_elimination", "double_elimination", "swiss"])
@pytest.mark.parametrize("seed", range(6))
def test_a_failed_comparison_makes_no_winner(schedule: str, seed: int):
    """Where the comparisons of the best of 0 > 1 > 2 > 3 with 2 and 3 fail, these do not pass it, nor who beat them."""

    def silent(i: int, j: int) -> bool:
        return {i, j} in ({0, 2}, {0, 3})

    fields = {"schedule": schedule, "ranking": "places", "seeding": "drawn", "seed": seed}
    extra = {"consolation": 0} if schedule == "single_elimination" else {"rounds": 3} if schedule == "swiss" else {}
    played = run(Scales([3, 2, 1, 0], silent), **fields, **extra)
    assert any("undecided" in note for note in played.notes) == bool(played.unresolved)
    if played.wins[0, 1] == 1.0:  # they met, so there is a reward
        assert played.rewards[0] == max(r for r in played.rewards if r is not None)
    for better, worse in ((0, 1), (1, 2), (1, 3), (2, 3)):
        if played.wins[better, worse] == 1.0:
            assert played.rewards[better] > played.rewards[worse]


def test_equal_strengths_share_a_rank():
    """Two responses with the same record against the same opponents are equal, to the last digit of the solver."""
    nan = np.nan
    wins = np.array(
        [
            [nan, nan, 0.5, 1, 1, 0],
            [nan, nan, 1, nan, 0.5, nan],
            [0.5, 0, nan, nan, nan, 1],
            [0, nan, nan, nan, 0, 1],
            [0, 0.5, nan, 1, nan, nan],
            [1, nan, 0, 0, nan, nan],
        ]
    )
    assert settle(wins, "bradley_terry", "rank").tolist() == pytest.approx([0.8, 1.0, 0.5, 0.1, 0.5, 0.1])


def test_ranks_as_published():
    """ArenaRL's anchor: ranks 1, 2, 2 and 4 are worth 1, 2/3, 2/3 and 0."""
    wins = {1: 0.5, 2: 0.5, 3: 0.1}  # over the anchor, whose own mean is 1 - 1.1 / 3 = 0.63

    async def compare(i: int, j: int) -> Comparison:
        return Comparison(wins[i] if j == 0 else 1 - wins[j])

    seed = next(s for s in range(99) if draw("abcd", s)[0] == [0])  # with which the first one is the anchor
    settings = GroupSettings(schedule="anchor", published=True)
    assert asyncio.run(play("abcd", compare, settings, seed=seed)).rewards == pytest.approx((1, 2 / 3, 2 / 3, 0))


def test_byes_as_published():
    """Five responses: the repository gives the byes to who is left over in bracket order, here to the third best."""
    mine = run(Scales(range(5)), schedule="single_elimination", consolation=0, ranking="places")
    published = Scales(range(5))
    theirs = run(published, schedule="single_elimination", published=True)
    assert theirs.order[0] == mine.order[0] == 4
    assert sorted(r for r in theirs.rewards if r is not None) == [0, 0.25, 0.5, 0.75, 1]
    assert theirs.comparisons <= 4 + 4


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param(
            {"schedule": "anchor", "consolation": 2}, "no effect with schedule `anchor`; it is for single_elim", id="rounds"
        ),
        pytest.param({"max_skew": 0.5}, "no effect with schedule `round_robin`; it is for random_reference", id="skew"),
        pytest.param({"schedule": "random_reference", "anchors": 2}, "`anchors` has no effect", id="anchors"),
        pytest.param({"schedule": "swiss", "window": 4}, "`window` has no effect", id="window"),
        pytest.param({"seeding": "drawn"}, "`seeding` has no effect", id="seeding"),
    ],
)
def test_a_setting_without_effect_is_refused(fields: dict[str, object], says: str):
    """Whoever writes a number into a run file expects it to do something."""
    with pytest.raises(ValueError, match=says):
        GroupSettings.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"schedule": "swiss"}, "is for round_robin, anchor, single_elimination, not for `swiss`", id="no-such"),
        pytest.param({"consolation": 2}, "decides `consolation` itself", id="consolation"),
        pytest.param({"ranking": "elo"}, "decides `ranking` itself", id="ranking"),
        pytest.param({"max_comparisons": 9}, "decides `max_comparisons` itself", id="budget"),
    ],
)
def test_published_leaves_nothing_to_choose(fields: dict[str, object], says: str):
    """A setting beside `published` would either be ignored or change what was published."""
    with pytest.raises(ValueError, match=says):
        GroupSettings.model_validate({"schedule": "single_elimination", "published": True, **fields})


def test_brpo_is_a_win_or_a_loss():
    """BRPO's +1 / -1 against one member, in [0, 1]; the reference itself and ties are 0.5."""
    played = run(Scales([0, 1, 2, 3, 4, 4]), schedule="random_reference")
    reference = int(np.argmax((played.counts > 0).sum(axis=1)))
    quality = [0, 1, 2, 3, 4, 4]
    expected = [1.0 if q > quality[reference] else 0.0 if q < quality[reference] else 0.5 for q in quality]
    assert list(played.rewards) == expected


def test_an_outlier_reference_is_no_reward():
    """BRPO skips a prompt whose reference loses to (nearly) all: 7 of 7 is a skew of +1."""
    for seed in range(40):
        played = run(Scales(range(8)), schedule="random_reference", max_skew=0.6, seed=seed)
        reference = int(np.argmax((played.counts > 0).sum(axis=1)))
        skew = abs((7 - reference) - reference) / 7
        assert (played.rewards == (None,) * 8) == (skew > 0.6)
        assert any("outlier" in note for note in played.notes) == (skew > 0.6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("budget", [1, 3, 6, 9, 14, 40])
def test_a_budget_is_kept_and_said(schedule: str, budget: int):
    """A budget is a promise about cost; what it left out is in the notes, and who met nobody has no reward."""
    scales = Scales(range(9))
    played = run(scales, schedule=schedule, max_comparisons=budget)
    assert len(scales.asked) <= budget
    unlimited = run(Scales(range(9)), schedule=schedule).comparisons
    assert bool(played.notes) == (budget < unlimited)
    met = {p for pair in scales.asked for p in pair}
    assert [p for p, r in enumerate(played.rewards) if r is not None] == sorted(met)


def test_round_robin_under_a_budget_is_fair():
    """With half the pairs everyone still plays about as often as everyone else."""
    played = run(Scales(range(8)), max_comparisons=12)
    assert sorted((played.counts > 0).sum(axis=1)) == [3] * 8


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_silence_is_not_a_loss(schedule: str):
    """A judge that fails on every comparison of the best response gives it no reward, and leaves the others theirs."""
    played = run(Scales(range(6), lambda i, j: 5 in (i, j)), schedule=schedule)
    assert played.rewards[5] is None
    assert np.isnan(played.wins[5]).all()
    assert all(5 in pair for pair in played.unresolved)
    assert played.unresolved
    others = played.rewards[:5]
    if schedule == "round_robin":
        assert others == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("n", [5, 7])
def test_swiss_makes_up_for_failed_comparisons(n: int):
    """A response that cannot be judged costs its opponents no comparison: each has as many as there are rounds, 3."""
    for seed in range(8):
        played = run(Scales(range(n + 1), lambda i, j: n in (i, j)), schedule="swiss", seed=seed)
        assert played.rewards[n] is None
        decided = (played.counts[:n, :n] > 0).sum(axis=1)
        assert decided.min() >= 3
        assert played.order[0] in (n - 1, n - 2)


@pytest.mark.parametrize("lists", [1, 3])
def test_a_member_left_out_of_lists_changes_nothing_for_others(lists: int):
    """The judge scores all but one: the others have the rewards that they have without it."""

    async def arrange(shown) -> list[float | None]:
        return [None if i == 5 else i / 10 for i in shown]

    settings = GroupSettings(schedule="listwise", window=8, shuffles=lists)
    with_it, without = (asyncio.run(play_lists([str(k) for k in range(n)], arrange, settings)) for n in (6, 5))
    assert with_it.rewards == pytest.approx((*without.rewards, None))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_identical_responses_tie_without_a_question(schedule: str):
    """Copies are one player: same reward, no calls spent between them."""
    keys = ["good", "bad", "good", "fair"]
    scales = Scales([2, 0, 2, 1])
    played = run(scales, keys, schedule=schedule)
    assert played.rewards[0] == played.rewards[2]
    assert played.wins[0, 2] == 0.5
    assert played.counts[0, 2] == 0
    assert all({i, j} != {0, 2} for i, j in scales.asked)


@pytest.mark.parametrize(
    ("keys", "lost", "rewards"),
    [
        pytest.param([], (), (), id="nobody"),
        pytest.param(["a"], (), (None,), id="alone-there-is-nothing-to-compare"),
        pytest.param(["a", "a"], (), (0.5, 0.5), id="copies-only"),
        pytest.param(["a", ""], (1,), (1.0, 0.0), id="win-by-default"),
        pytest.param(["", ""], (0, 1), (0.0, 0.0), id="all-vetoed"),
    ],
)
def test_small_groups(keys: list[str], lost: tuple[int, ...], rewards: tuple[float | None, ...]):
    """Groups with nothing to ask do not ask, and do not fail."""
    scales = Scales(range(len(keys)))
    for schedule in SCHEDULES:
        assert run(scales, keys, schedule=schedule, lost=lost).rewards == rewards
    assert scales.asked == []


def test_a_vetoed_response_loses_without_a_question():
    """Two good answers and an empty one: the empty one is beaten by both, and not judged."""
    scales = Scales([1, 2, 9])
    played = run(scales, lost=(2,))
    assert played.rewards == (0.5, 1.0, 0.0)
    assert scales.asked in ([(0, 1)], [(1, 0)])


def test_a_failed_judge_is_no_win_by_default():
    """With an empty group member and a judge that fails, the others have no reward rather than a perfect one."""
    played = run(Scales([1, 2, 0], lambda i, j: True), lost=(2,))
    assert played.rewards == (None, None, 0.0)


@pytest.mark.parametrize("ranking", ["win_rate", "bradley_terry", "elo", "eigen", "sign"])
@pytest.mark.parametrize("scale", ["strength", "rank"])
def test_a_failed_row_changes_nothing_for_others(ranking: str, scale: str):
    """With a vetoed group member and a copy about, a response that the judge never rated still moves nobody."""
    keys = ["a", "b", "c", "", "silent", "silent"]
    with_it = run(Scales([3, 2, 1, 0, 9, 9], lambda i, j: max(i, j) >= 4), keys, ranking=ranking, scale=scale, lost=(3,))
    without = run(Scales([3, 2, 1, 0]), keys[:4], ranking=ranking, scale=scale, lost=(3,))
    assert with_it.rewards == pytest.approx((*without.rewards, None, None))


def test_a_copy_says_nothing_about_the_anchor():
    """Two copies that both beat the anchor earn what one alone would: the full win."""
    for seed in range(5):
        played = run(Scales([1, 1, 0, 0]), ["good", "good", "bad", "bad"], schedule="anchor", seed=seed)
        assert played.rewards == (1.0, 1.0, 0.0, 0.0)


def test_cycles_are_reported():
    """A judge that prefers rock to scissors to paper to rock is reported, not hidden in equal rewards."""
    beats = {(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)}

    async def compare(i: int, j: int) -> Comparison:
        return Comparison(float((i, j) in beats))

    played = asyncio.run(play(list("abcd"), compare, GroupSettings()))
    assert (played.cycle_count, played.cycles, played.components) == (1, ((0, 1, 2),), ((0, 1, 2),))
    assert played.rewards == (pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3), 0.0)


def test_position_bias_cancels():
    """A judge that always prefers the first place says nothing, and the gap shows it."""

    async def first(i: int, j: int) -> Comparison:
        return Comparison(1.0)

    played = asyncio.run(play(list("abc"), first, GroupSettings(), single_order=True))
    assert (played.rewards, played.calls) == ((0.5, 0.5, 0.5), 6)
    assert asyncio.run(both_orders(first)(0, 1)).gap == 1.0


@pytest.mark.parametrize(("schedule", "waves"), [("round_robin", 1), ("anchor", 1), ("single_elimination", 3), ("swiss", 3)])
def test_what_can_be_asked_together_is(schedule: str, waves: int):
    """A group of 8 waits for its longest chain of decisions, not for each comparison."""

    asked: list[asyncio.Future[None]] = []

    async def compare(i: int, j: int) -> Comparison:
        asked.append(asyncio.get_running_loop().create_future())
        await asked[-1]
        return Comparison(float(i > j))

    async def count() -> int:
        rest = {"consolation": 0} if schedule == "single_elimination" else {}
        settings = GroupSettings.model_validate({"schedule": schedule, **rest})
        playing, answered = asyncio.create_task(play([str(k) for k in range(8)], compare, settings)), 0
        while not playing.done():
            for _ in range(100):  # until whatever can be asked has been
                await asyncio.sleep(0)
            for future in asked:
                future.set_result(None)
            answered += bool(asked)
            asked.clear()
        return answered

    assert asyncio.run(count()) == waves


def test_listwise():
    """Lists of at most `window`, everyone in `shuffles` of them; a score left out is no loss."""
    asked: list[list[int]] = []

    async def arrange(shown) -> list[float | None]:
        asked.append(list(shown))
        return [None if i == 3 else i / 10 for i in shown]

    settings = GroupSettings(schedule="listwise", window=4, shuffles=3)
    played = asyncio.run(play_lists([str(k) for k in range(10)], arrange, settings))
    assert (len(asked), max(map(len, asked)), played.comparisons) == (9, 4, 9)
    assert sorted(i for shown in asked for i in shown) == sorted(list(range(10)) * 3)
    assert played.rewards[3] is None
    assert played.order[0] == 9
    assert played.counts.max() >= 1


@pytest.mark.parametrize(
    ("settings", "extra", "says"),
    [
        pytest.param(GroupSettings(schedule="listwise"), {}, "play_lists", id="pairs-of-a-list"),
        pytest.param(GroupSettings(schedule="swiss", seeding="prior"), {}, "prior scores", id="no-prior"),
    ],
)
def test_wrong_use(settings: GroupSettings, extra: dict[str, object], says: str):
    """A schedule that cannot work says what it needs."""
    with pytest.raises(ValueError, match=says):
        asyncio.run(play(["a", "b"], Scales([1, 2]).compare, settings, **extra))
