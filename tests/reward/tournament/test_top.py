"""`top`: a round robin that ends once the best k are settled, against one that is played to its end."""

from __future__ import annotations

import asyncio
import random
from itertools import combinations

import pytest

from judge.errors import BadSettings
from judge.reward.tournament import Comparison, play
from judge.settings.group import GroupSettings


def shares(keys: list[str], wins: dict[tuple[str, str], float | None], k: int) -> list[float]:
    """The same by hand: all games, points, and places shared among those who tie for the last ones."""
    points = []
    for mine in range(len(keys)):
        total = 0.0
        for other in range(len(keys)):
            if other != mine:
                win = 0.5 if keys[other] == keys[mine] else wins[keys[mine], keys[other]]
                total += 0.5 if win is None else win
        points.append(round(total, 9))
    return [min(1.0, max(0.0, (k - sum(q > p for q in points)) / sum(q == p for q in points))) for p in points]


@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 0.5, 1.0), (0.0, 0.25, 1.0, None)], ids=["wins", "ties", "failures"])
def test_the_same_as_a_tournament_played_to_its_end(values):
    """100 random groups of 2 to 9, copies among them: nobody gains or loses a place by the games that were left out."""
    rng = random.Random(len(values))
    asked = full = 0
    for _ in range(100):
        names = [chr(97 + i) for i in range(rng.randint(2, 8))]
        keys = [*names, *rng.choices(names, k=rng.randint(0, 1))]
        wins: dict[tuple[str, str], float | None] = {}
        for a, b in combinations(names, 2):
            win = rng.choice(values)
            wins[a, b], wins[b, a] = win, None if win is None else 1 - win

        async def compare(i: int, j: int, keys=keys, wins=wins) -> Comparison:
            return Comparison(wins[keys[i], keys[j]])

        k = rng.randint(1, 3)
        played = asyncio.run(play(keys, compare, GroupSettings(top=k), seed=rng.randint(0, 99)))
        expected = shares(keys, wins, k)
        for reward, share in zip(played.rewards, expected, strict=True):
            assert reward is None or reward == pytest.approx(share), (keys, wins, k)
        if None not in values:
            assert None not in played.rewards
        asked, full = asked + played.comparisons, full + len(wins) // 2
    assert asked < full


def test_how_much_a_clear_group_saves():
    """Eight with a clear order: 4 + 2 + 1 games find the one without a defeat, who then meets the four that it has not met."""

    async def compare(i: int, j: int) -> Comparison:
        return Comparison(float(i > j))

    played = asyncio.run(play(list("abcdefgh"), compare, GroupSettings(top=1)))
    assert played.rewards == (0, 0, 0, 0, 0, 0, 0, 1)
    assert played.comparisons == 11
    assert "pairs are not compared: the best 1 are settled without them" in played.notes[0]


def test_those_who_tie_for_the_last_place_share_it():
    """Three that beat each other in a circle, two places: two thirds each."""

    async def compare(i: int, j: int) -> Comparison:
        return Comparison(1.0 if (j - i) % 3 == 1 else 0.0)

    played = asyncio.run(play(["a", "b", "c"], compare, GroupSettings(top=2)))
    assert played.rewards == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_a_comparison_without_a_verdict_stays_open():
    """A beats B and C, and nothing is known of A against D: D may have won, and is asked about until that is all it has.

    A has 2 wins and B 1; D may end with 3, so the two games left of it are played, and D loses to B: a place by its own game.
    """
    wins = {(0, 1): 1.0, (0, 2): 1.0, (0, 3): None, (1, 2): 1.0, (1, 3): 1.0, (2, 3): None}

    async def compare(i: int, j: int) -> Comparison:
        win = wins[min(i, j), max(i, j)]
        return Comparison(win if i < j or win is None else 1 - win)

    played = [asyncio.run(play(list("abcd"), compare, GroupSettings(top=1), seed=seed)) for seed in range(8)]
    assert {each.rewards for each in played} == {(1, 0, 0, 0)}
    assert {each.comparisons for each in played} == {6}
    said = "the best 1 are not certain: 2 comparisons without a verdict count half for each side"
    assert {each.notes for each in played} == {(said,)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param({"schedule": "swiss"}, "is for schedule `round_robin`", id="another-schedule"),
        pytest.param({"ranking": "elo"}, "`ranking` has no effect", id="ranking"),
        pytest.param({"max_comparisons": 5}, "`max_comparisons` has no effect", id="budget"),
    ],
)
def test_settings_without_effect_are_refused(more, message):
    """Nobody sets a ranking that is never used."""
    with pytest.raises(BadSettings, match=message):
        GroupSettings(top=1, **more)
