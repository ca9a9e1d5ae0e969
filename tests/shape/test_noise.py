"""Noise: put in by content; and labels repaired by what the policy agrees on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.shape.noise import flip_rewards, lift_low_rewards, pattern_reward, random_rewards
from judge.shape.repair import LabelRepair

NAN = np.nan
MANY = [f"response {n}" for n in range(4000)]
REWARDS = st.lists(st.sampled_from([NAN, 0.0, 0.2, 0.9, 1.0]), min_size=1, max_size=8)
RATE = st.floats(0, 1)


def test_flips_come_at_the_stated_rates():
    """Asymmetric noise is what it says: 10 % of the wrong and 30 % of the right answers, 4000 of each."""
    wrong = flip_rewards(np.zeros(4000), MANY, false_positive=0.1, false_negative=0.3)
    right = flip_rewards(np.ones(4000), MANY, false_positive=0.1, false_negative=0.3)
    assert wrong.mean() == pytest.approx(0.1, abs=0.02)
    assert right.mean() == pytest.approx(0.7, abs=0.03)


@settings(deadline=None)
@given(rewards=REWARDS, seed=st.integers(0, 99), rate=RATE)
def test_noise_goes_by_content(rewards: list[float], seed: int, rate: float):
    """The same response gets the same noise in any order and batch, and a failed judgement stays one."""
    keys = [f"k{n}" for n in range(len(rewards))]
    order = np.random.default_rng(seed).permutation(len(rewards))
    for noisy in (
        lambda r, k: flip_rewards(r, k, false_positive=rate, false_negative=rate, seed=seed),
        lambda r, k: random_rewards(r, k, rate=rate, seed=seed),
    ):
        result = noisy(rewards, keys)
        assert noisy(np.array(rewards)[order], [keys[i] for i in order]) == pytest.approx(result[order], nan_ok=True)
        assert noisy(rewards[:1], keys[:1]) == pytest.approx(result[:1], nan_ok=True)
        assert (np.isnan(result) == np.isnan(rewards)).all()
        assert ((result[~np.isnan(result)] >= 0) & (result[~np.isnan(result)] <= 1)).all()


@settings(deadline=None)
@given(low=RATE, high=RATE, seed=st.integers(0, 99))
def test_more_noise_flips_more_of_the_same(low: float, high: float, seed: int):
    """Runs at 10 % and 20 % differ by the added flips only, so their curves can be compared."""
    low, high = sorted((low, high))
    few, more = (flip_rewards(np.ones(50), MANY[:50], false_positive=0, false_negative=r, seed=seed) for r in (low, high))
    assert (more <= few).all()


def test_another_seed_is_another_noise():
    """Seeds matter, and the control is not the flips in disguise."""
    one, two = (flip_rewards(np.ones(200), MANY[:200], false_positive=0, false_negative=0.5, seed=s) for s in (0, 1))
    assert (one != two).any()
    assert (one != random_rewards(np.ones(200), MANY[:200], rate=0.5)).any()


def test_the_random_control_keeps_the_mean():
    """Only the information is taken away: as many ones as the judge gave, and the same in a smaller batch."""
    rewards = np.array([1.0, 0.0, 0.0, 0.0] * 1000)
    drawn = random_rewards(rewards, MANY, rate=0.25)
    assert drawn.mean() == pytest.approx(0.25, abs=0.03)
    assert random_rewards(rewards[:3], MANY[:3], rate=0.25).tolist() == drawn[:3].tolist()


def _counts(wrong_accepted: int, wrong_probes: int, right_refused: int, right_probes: int) -> dict[str, int]:
    return {
        "wrong_accepted": wrong_accepted,
        "wrong_probes": wrong_probes,
        "right_refused": right_refused,
        "right_probes": right_probes,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("First, I need\nto add. Let me check.", 0.1, id="two"),
        pytest.param("Let me check. " * 3, 0.05, id="a-phrase-counts-once"),
        pytest.param("Let me check. " * 50, 0.05 - 3 / 131, id="repeating-costs"),  # 150 words, 131 20-grams of 3 kinds
        pytest.param("Let me check. " * 8, 0.0, id="never-below-0"),  # 24 words, 5 20-grams, 2 of which repeat: 0.05 - 2/5
        pytest.param("42", 0.0, id="none"),
    ],
)
def test_patterns(text: str, expected: float):
    """A phrase pays once, however often it is said, and a text that goes round in circles pays for it."""
    assert pattern_reward(text, ["first, i need to", "let me check"]) == pytest.approx(expected)


@settings(deadline=None)
@given(rewards=REWARDS, pattern=st.floats(0, 1))
def test_lifting_stays_below_the_bar(rewards: list[float], pattern: float):
    """Good form lifts a doubtful refusal, and never over the bar or past an accepted answer."""
    lifted = lift_low_rewards(rewards, [pattern] * len(rewards))
    for before, after in zip(rewards, lifted, strict=True):
        assert np.isnan(before) == np.isnan(after)
        if not np.isnan(before):
            assert before <= after <= max(before, 0.5)


RISING = (["7"] * 2 + ["8"], ["7"] * 3 + ["8"], ["7"] * 5 + ["8"], ["7"] * 9 + ["8"])


@pytest.mark.parametrize(
    ("label", "updates", "repaired"),
    [
        pytest.param("8", RISING, "7", id="rising-and-stable"),
        pytest.param("7", RISING, "7", id="agrees-already"),
        pytest.param("8", RISING[:3], "8", id="too-early"),
        pytest.param("8", RISING[::-1], "8", id="falling"),
        pytest.param("8", [["7", "7", "8"]] * 4, "8", id="flat-is-not-rising"),
        pytest.param("8", [["7", "7", "7", "8"]] * 4, "8", id="exactly-flat"),
        pytest.param("9", (["8"] * 3, ["8"] * 3, ["8"] * 3, ["7"] * 3), "9", id="new-leader"),
        pytest.param("9", (["1", "2", "3", "7", "7"],) * 3 + (["7", "7", "7", "1", "2", "3", "4"],), "9", id="no-majority"),
        pytest.param("8", (*RISING[:3], ["7", "7", "8", "8"]), "8", id="a-tie-repairs-nothing"),
        pytest.param("8", (*RISING[:3], [None, None]), "8", id="a-failed-group-repairs-nothing"),
        pytest.param("8", (*RISING, [None, None]), "7", id="nor-does-it-undo-one"),
        pytest.param("8", (*RISING, *[["7"] * 8] * 6), "7", id="a-repaired-label-stays-when-all-agree"),
        pytest.param("8", (*RISING, *[["7", "7", "8"]] * 6), "7", id="and-when-fewer-agree"),
        pytest.param("8", (*RISING, *[["8"] * n + ["7"] for n in range(2, 8)]), "8", id="until-another-answer-rises"),
    ],
)
def test_label_repair(label: str, updates: tuple[list[str | None], ...], repaired: str):
    """A reference is replaced only by an answer that leads, has led, and gains."""
    state = LabelRepair(window=4)
    for answers in updates:
        state, repair = state.update("q", label, answers)
    assert repair.label == repaired, repair.why
    assert repair.changed == (repaired != label)


def test_repair_state_is_a_value():
    """A checkpoint in the middle goes on the same, questions do not mix, and the old state is untouched."""
    start = LabelRepair(window=4)
    state = start
    for answers in RISING[:3]:
        state, _ = state.update("q", "8", answers)
        state, _ = state.update("other", "x", ["y", "x"])
    restored = pickle.loads(pickle.dumps(state))
    assert restored.update("q", "8", RISING[3])[1] == state.update("q", "8", RISING[3])[1]
    assert restored.update("q", "8", RISING[3])[1].changed
    assert not start.history
