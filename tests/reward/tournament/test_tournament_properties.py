"""What holds for every group, judge and schedule."""

from __future__ import annotations

import asyncio
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.tournament import Comparison, linear_rank, play, play_lists, strengths, win_rate
from judge.reward.tournament.ranking import expected_win_rate
from judge.settings.group import GroupSettings

WIN = st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0, None])
SCHEDULES = ["round_robin", "single_elimination", "double_elimination", "swiss", "anchor", "random_reference"]
RANKINGS = [None, "places", "win_rate", "bradley_terry", "elo", "eigen", "sign"]


@st.composite
def groups(draw) -> tuple[list[str], dict[tuple[str, str], float | None]]:
    """Texts (some identical) and a verdict for each pair of different ones."""
    texts = draw(st.lists(st.sampled_from("abcdefghij"), min_size=0, max_size=9))
    names = sorted(set(texts))
    verdicts = {(a, b): draw(WIN) for i, a in enumerate(names) for b in names[i + 1 :]}
    return texts, verdicts


def judge(texts: list[str], verdicts: dict[tuple[str, str], float | None]):
    async def compare(i: int, j: int) -> Comparison:
        a, b = texts[i], texts[j]
        win = verdicts[min(a, b), max(a, b)]
        return Comparison(win if win is None or a < b else 1 - win)

    return compare


def outcome(texts, verdicts, how: GroupSettings, lost: set[str]):
    places = [k for k, text in enumerate(texts) if text in lost]
    return asyncio.run(play(texts, judge(texts, verdicts), how, seed=3, lost=places))


@settings(max_examples=150, deadline=None)
@given(
    group=groups(),
    order=st.randoms(use_true_random=False),
    schedule=st.sampled_from(SCHEDULES),
    ranking=st.sampled_from(RANKINGS),
    scale=st.sampled_from([None, "strength", "rank"]),
    budget=st.sampled_from([None, 2, 5, 11]),
    lost=st.sets(st.sampled_from("abcdefghij"), max_size=2),
)
def test_every_tournament(group, order, schedule, ranking, scale, budget, lost):
    """Rewards are in [0, 1] or absent, do not depend on the positions in the batch, and survive pickling."""
    texts, verdicts = group
    how = GroupSettings.model_validate(
        {"schedule": schedule, "ranking": ranking, "scale": scale, "max_comparisons": budget}
        | ({"consolation": 2} if schedule == "single_elimination" else {})
    )
    played = outcome(texts, verdicts, how, lost)
    n = len(texts)
    assert len(played.rewards) == n
    assert all(r is None or 0 <= r <= 1 for r in played.rewards)
    assert all(played.rewards[k] == 0 for k, text in enumerate(texts) if text in lost)
    sums = played.wins + played.wins.T
    assert np.allclose(sums[~np.isnan(sums)], 1)
    by_text: dict[str, float | None] = {}
    for text, reward in zip(texts, played.rewards, strict=True):
        assert by_text.setdefault(text, reward) == pytest.approx(reward, abs=1e-9)
    moved = list(range(n))
    order.shuffle(moved)
    again = outcome([texts[k] for k in moved], verdicts, how, lost)
    for position, k in enumerate(moved):
        assert again.rewards[position] == pytest.approx(played.rewards[k], abs=1e-6)
    copy = pickle.loads(pickle.dumps(played))
    assert copy.rewards == played.rewards
    assert np.array_equal(copy.wins, played.wins, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=9),
    window=st.integers(2, 5),
    shuffles=st.integers(1, 3),
    budget=st.sampled_from([None, 1, 3]),
)
def test_every_list(scores, window, shuffles, budget):
    """Lists give rewards in [0, 1], and none to whom the judge never scored."""

    async def arrange(shown):
        return [scores[i] for i in shown]

    how = GroupSettings(schedule="listwise", window=window, shuffles=shuffles, max_comparisons=budget)
    played = asyncio.run(play_lists([str(k) for k in range(len(scores))], arrange, how))
    assert all(r is None or 0 <= r <= 1 for r in played.rewards)
    assert all(r is None for r, s in zip(played.rewards, scores, strict=True) if s is None)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 10_000),
    density=st.floats(0, 1),
    how=st.sampled_from(["bradley_terry", "elo", "eigen"]),
)
def test_strengths_are_finite(n, seed, density, how):
    """Unbeaten responses, empty matrices and parts that never met have finite strengths."""
    rng = np.random.default_rng(seed)
    wins = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i):
            if rng.random() < density:
                wins[i, j] = rng.choice([0.0, 0.0, 0.5, 1.0])
                wins[j, i] = 1 - wins[i, j]
    found = strengths(wins, how, 0.01)
    assert np.isfinite(found).all()
    rates = expected_win_rate(found)
    assert ((rates >= 0) & (rates <= 1)).all()


def test_bradley_terry_is_the_win_rate_of_a_full_round_robin():
    """Why the strengths are reported as expected win rates: on a full matrix they say what was observed."""
    rng = np.random.default_rng(0)
    wins = np.full((6, 6), np.nan)
    for i in range(6):
        for j in range(i):
            wins[i, j] = rng.choice([0.2, 0.5, 0.7])
            wins[j, i] = 1 - wins[i, j]
    assert expected_win_rate(strengths(wins, "bradley_terry", 1e-6)) == pytest.approx(win_rate(wins), abs=1e-4)


@pytest.mark.parametrize("how", ["bradley_terry", "elo", "eigen"])
def test_strengths_see_the_opponents(how):
    """b and c each won half of their games, but b's opponents were the best and the middle: a chain of five in order."""
    nan = np.nan
    chain = np.full((5, 5), nan)
    for i in range(4):
        chain[i, i + 1], chain[i + 1, i] = 1.0, 0.0
    assert win_rate(chain).tolist() == [1.0, 0.5, 0.5, 0.5, 0.0]
    assert linear_rank(strengths(chain, how)).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
