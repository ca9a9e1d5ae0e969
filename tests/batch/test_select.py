"""Selecting from judged responses: best-of-n, its estimate, preference pairs, and the laws they keep."""

from __future__ import annotations

import itertools
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.batch.select import ScoredResponse, best_of_n, estimate_best_of, expected_best_of, has_reward, preference_pairs

STRATEGIES = ("best_worst", "best_each", "all", "adjacent")


def group(*rewards, name="q", veto=()):
    """Candidates of one group; the text of number i is the i-th letter."""
    texts = "abcdefghij"
    return [ScoredResponse(name, "?", texts[i], r, i in veto, f"{name}{i}", i) for i, r in enumerate(rewards)]


def kept(candidates, **options):
    return "".join(c.candidate.response for c in best_of_n(candidates, **options).chosen)


def paired(candidates, **options):
    return [p.chosen.response + p.rejected.response for p in preference_pairs(candidates, **options).pairs]


# ---- best-of-n ---------------------------------------------------------------------------------------------------------

BEST = [
    pytest.param([0.5, 1.0, 0.0], {}, "b", id="the-best"),
    pytest.param([0.5, 1.0, 0.0], {"keep": 2}, "ba", id="two-best-first"),
    pytest.param([0.5, 1.0, 0.0], {"keep": None, "min_reward": 0.5}, "ba", id="all-good-enough-inclusive"),
    pytest.param([0.5, 1.0, 0.0], {"min_reward": 0.5}, "b", id="best-if-good-enough"),
    pytest.param([0.1 + 0.2, 0.0], {"min_reward": 0.3}, "a", id="spelling-of-floats-above"),
    pytest.param([0.3 - 1e-16, 0.0], {"min_reward": 0.3}, "a", id="spelling-of-floats-below"),
    pytest.param([0.5, 0.5, 0.5, 0.0], {}, "a", id="tie-first"),
    pytest.param([0.1 + 0.2, 0.3, 0.0], {"ties": "drop"}, "", id="tie-in-all-but-spelling"),
    pytest.param([1.0, 0.5, 0.5, 0.0], {"keep": 2}, "ab", id="tie-in-the-last-place-first"),
    pytest.param([1.0, 0.5, 0.5, 0.0], {"keep": 2, "ties": "all"}, "abc", id="tie-in-the-last-place-all"),
    pytest.param([1.0, 0.5, 0.5, 0.0], {"keep": 2, "ties": "drop"}, "a", id="tie-in-the-last-place-drop"),
    pytest.param([1.0, 0.5, 0.5], {"keep": 3, "ties": "drop"}, "abc", id="tie-that-nobody-has-to-break"),
    pytest.param([None, 0.0, None], {}, "b", id="no-reward-is-not-worse-than-zero-but-absent"),
    pytest.param([None, -0.5], {}, "b", id="a-negative-reward-is-a-reward"),
]


@pytest.mark.parametrize(("rewards", "options", "expected"), BEST)
def test_what_is_kept(rewards, options, expected):
    """The file to train on holds what the options say, and a tie never ends in a surprise."""
    assert kept(group(*rewards), **options) == expected


def test_the_shortest_of_equals():
    """Judges like length; among equals the short one is the better lesson."""
    texts = ["a long one", "short", "a longer one still"]
    candidates = [ScoredResponse("q", "?", text, 1.0, row=i) for i, text in enumerate(texts)]
    assert kept(candidates, ties="shortest") == "short"
    assert kept(candidates, ties="first") == "a long one"


def test_a_vetoed_response_is_never_chosen():
    """Where all answers are wrong, ':' with its 0 must not become the answer to learn."""
    assert kept(group(0.0, 0.0, veto={0})) == "b"
    assert kept(group(0.0, 0.0, veto={0, 1})) == ""
    assert dict(best_of_n(group(0.0, None, veto={0})).left_out) == {"vetoed": ("q",)}


LEFT_OUT = [
    pytest.param([None, None], {}, "no_reward", id="no-reward"),
    pytest.param([0.2, 0.1], {"min_reward": 0.5}, "below_min_reward", id="below"),
    pytest.param([0.2, 0.2], {"ties": "drop"}, "tied", id="tied"),
]


@pytest.mark.parametrize(("rewards", "options", "why"), LEFT_OUT)
def test_groups_left_out_are_told_with_the_reason(rewards, options, why):
    """Half a data set that silently went missing is found out in the report, not after training."""
    found = best_of_n([*group(*rewards, name="lost"), *group(1.0, 0.0, name="kept")], **options)
    assert (found.groups, dict(found.left_out)) == (2, {why: ("lost",)})
    assert [c.candidate.group for c in found.chosen] == ["kept"]


def test_rank_margin_and_sizes():
    """What filters downstream go by. 1 - 0.75 = 0.25, 0.75 - 0.5 = 0.25, and the last has nothing after it."""
    found = best_of_n(group(0.5, 1.0, None, 0.75), keep=3)
    assert [(c.rank, c.margin, c.group_size, c.scored) for c in found.chosen] == [
        (1, 0.25, 4, 3),
        (2, 0.25, 4, 3),
        (3, None, 4, 3),
    ]


@pytest.mark.parametrize("options", [{"keep": 0}, {"min_reward": float("nan")}], ids=["keep-0", "nan"])
def test_senseless_options_are_refused(options):
    with pytest.raises(ValueError, match="at least 1 or None"):
        best_of_n(group(1.0), **options)


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_is_refused(reward):
    """NaN sorts anywhere; it must not decide what is trained on."""
    with pytest.raises(ValueError, match="what is absent is None"):
        ScoredResponse("q", "?", "a", reward)


# ---- the estimate ------------------------------------------------------------------------------------------------------

REWARDS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(-2, 2), min_size=1, max_size=7)


@settings(deadline=None)
@given(REWARDS)
def test_expected_best_is_the_mean_over_all_subsets(rewards):
    """The formula against its definition: every set of k draws, the best of each, the mean."""
    for k in range(1, len(rewards) + 1):
        brute = fmean(max(subset) for subset in itertools.combinations(rewards, k))
        assert expected_best_of(rewards, k) == pytest.approx(brute, abs=1e-12)


@settings(deadline=None)
@given(REWARDS)
def test_more_draws_are_never_worse(rewards):
    """Monotone in k, from the mean to the maximum."""
    curve = [expected_best_of(rewards, k) for k in range(1, len(rewards) + 1)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(curve))
    assert curve[0] == pytest.approx(fmean(rewards), abs=1e-12)
    assert curve[-1] == pytest.approx(max(rewards))


def test_many_draws_do_not_overflow():
    """C(5000, 2500) has 1,504 digits. Of 0 ... 4999 with k of n drawn the expected maximum is k (n + 1) / (k + 1) - 1."""
    assert expected_best_of(range(5000), 2500) == pytest.approx(2500 * 5001 / 2501 - 1)


def test_too_few_rewards_have_no_estimate():
    """An absent reward is no draw; three draws cannot say what four would do."""
    assert expected_best_of([1.0, None, 0.0, 0.5], 4) != expected_best_of([1.0, None, 0.0, 0.5], 4)  # NaN
    assert estimate_best_of(group(1.0, None, 0.0), [4]) == ()


def test_the_estimate_compares_like_with_like():
    """Each k over the same groups: a group with one reward would raise best-of-1 alone. Means 0.5 and 1 of the group of two."""
    one, two = estimate_best_of([*group(0.0, 1.0, name="two"), *group(1.0, name="one")], [2, 1])
    assert [(e.k, e.mean, e.groups) for e in (one, two)] == [(1, 0.5, 1), (2, 1.0, 1)]


def test_the_chance_is_pass_at_k():
    """1 of 4 reaches the threshold: 1 - C(3, 2) / C(4, 2) = 1/2."""
    [found] = estimate_best_of(group(0.2, 0.9, 0.1, 0.3), [2], min_reward=0.9)
    assert found.chance == pytest.approx(0.5)


# ---- pairs -------------------------------------------------------------------------------------------------------------

PAIRS = [
    pytest.param([0.5, 1.0, 0.0], {}, ["bc"], id="best-worst"),
    pytest.param([0.5, 1.0, 0.0], {"strategy": "best_each"}, ["bc", "ba"], id="best-each"),
    pytest.param([0.5, 1.0, 0.0], {"strategy": "all"}, ["bc", "ac", "ba"], id="all"),
    pytest.param([0.5, 1.0, 0.25], {"strategy": "adjacent"}, ["ba", "ac"], id="adjacent"),
    pytest.param([0.5, 1.0, 0.25], {"strategy": "all", "min_margin": 0.5}, ["bc", "ba"], id="margin-inclusive"),
    pytest.param([0.3, 0.1 + 0.2 + 0.3], {"min_margin": 0.3}, ["ba"], id="margin-in-all-but-spelling"),
    pytest.param([0.5, 1.0, 0.0], {"strategy": "all", "max_pairs": 1}, ["bc"], id="widest-first"),
    pytest.param([1.0, 1.0, 0.0], {}, [], id="shared-best-dropped"),
    pytest.param([1.0, 0.0, 0.0], {}, [], id="shared-worst-dropped"),
    pytest.param([1.0, 0.0, 0.0], {"ties": "keep"}, ["ac"], id="shared-worst-kept"),
    pytest.param([1.0, 1.0, 0.0], {"strategy": "best_each"}, ["ac", "bc"], id="each-of-the-best"),
    pytest.param([1.0, 0.5, 0.5, 0.0], {"strategy": "adjacent"}, ["ab", "ac", "bd", "cd"], id="level-against-level"),
    pytest.param([0.5, 0.5], {"strategy": "all"}, [], id="equal-dropped"),
    pytest.param([0.5, 0.5], {"strategy": "all", "ties": "keep"}, ["ab"], id="equal-kept-in-one-order"),
    pytest.param([0.1 + 0.2, 0.3], {"strategy": "all"}, [], id="equal-in-all-but-spelling"),
    pytest.param([1.0, None, 0.0], {"strategy": "all"}, ["ac"], id="no-reward-in-no-pair"),
    pytest.param([1.0, None], {}, [], id="nobody-to-lose"),
]


@pytest.mark.parametrize(("rewards", "options", "expected"), PAIRS)
def test_pairs_of_a_group(rewards, options, expected):
    """Which response a trainer is told to prefer to which."""
    assert paired(group(*rewards), **options) == expected


def test_a_vetoed_response_is_rejected_and_never_chosen():
    """':' is a fair loser against an answer, unless the user wants pairs of real answers only."""
    assert paired(group(1.0, 0.0, veto={1})) == ["ab"]
    assert paired(group(1.0, 0.0, veto={1}), filtered=False) == []
    assert paired(group(0.0, 0.0, veto={0, 1}), ties="keep") == []
    assert paired(group(0.0, 0.0, veto={0}), ties="keep") == ["ba"]


def test_the_same_two_texts_make_one_pair():
    """A response drawn twice and judged differently must not teach both orders; alone against itself it teaches nothing."""
    texts = [("x", 0.9), ("y", 0.5), ("x", 0.3)]
    candidates = [ScoredResponse("q", "?", text, reward, row=i) for i, (text, reward) in enumerate(texts)]
    found = preference_pairs(candidates, strategy="all")
    assert [(p.chosen.response, p.rejected.response, p.margin) for p in found.pairs] == [("x", "y", 0.4)]
    assert dict(preference_pairs(candidates).left_out) == {"no_contrast": ("q",)}


NO_PAIR = [
    pytest.param([None, None], {}, "no_reward", id="no-reward"),
    pytest.param([1.0, None], {}, "one_reward", id="one-reward"),
    pytest.param([1.0, 1.0], {}, "tied", id="tied"),
    pytest.param([1.0, 0.9], {"min_margin": 0.5}, "below_margin", id="below-margin"),
]


@pytest.mark.parametrize(("rewards", "options", "why"), NO_PAIR)
def test_groups_without_a_pair_are_told_with_the_reason(rewards, options, why):
    """The user sees whether the judge failed, or the policy answers always alike."""
    assert dict(preference_pairs(group(*rewards), **options).left_out) == {why: ("q",)}


# ---- laws --------------------------------------------------------------------------------------------------------------


@st.composite
def judged_groups(draw):
    """Some groups of candidates with equal, absent and vetoed rewards, and texts that repeat."""
    one = st.tuples(
        st.sampled_from("pqr"), st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]), st.booleans(), st.text("xy", max_size=3)
    )
    rows = draw(st.lists(one, min_size=1, max_size=14))
    return [
        ScoredResponse(name, "?", text, 0.0 if veto and r is not None else r, veto and r is not None, f"i{i}", i)
        for i, (name, r, veto, text) in enumerate(rows)
    ]


OPTIONS = st.fixed_dictionaries(
    {
        "keep": st.sampled_from([1, 2, None]),
        "min_reward": st.sampled_from([None, 0.0, 0.5]),
        "ties": st.sampled_from(["first", "all", "drop", "shortest"]),
    }
)
PAIR_OPTIONS = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(STRATEGIES),
        "min_margin": st.sampled_from([0.0, 0.5]),
        "ties": st.sampled_from(["drop", "keep"]),
        "max_pairs": st.sampled_from([None, 1, 2]),
        "filtered": st.booleans(),
    }
)


@settings(deadline=None)
@given(judged_groups(), OPTIONS, PAIR_OPTIONS, st.randoms())
def test_the_order_of_the_records_changes_nothing(candidates, options, pair_options, random):
    """A shuffled or sharded run selects the same."""
    shuffled = random.sample(candidates, len(candidates))
    assert best_of_n(shuffled, **options) == best_of_n(candidates, **options)
    assert preference_pairs(shuffled, **pair_options) == preference_pairs(candidates, **pair_options)


@settings(deadline=None)
@given(judged_groups(), OPTIONS)
def test_only_what_was_judged_is_chosen(candidates, options):
    """No reward, no place; every group is either in the file or accounted for."""
    found = best_of_n(candidates, **options)
    assert all(c.candidate.reward is not None and not c.candidate.vetoed for c in found.chosen)
    lost = [name for names in found.left_out.values() for name in names]
    assert sorted([*lost, *{c.candidate.group for c in found.chosen}]) == sorted({c.group for c in candidates})


@settings(deadline=None)
@given(judged_groups(), PAIR_OPTIONS)
def test_pairs_keep_their_promises(candidates, options):
    """Same prompt, two texts, never the worse one first, no pair twice, and no response without a reward."""
    found = preference_pairs(candidates, **options)
    seen = set()
    for pair in found.pairs:
        assert pair.chosen.group == pair.rejected.group
        assert has_reward(pair.chosen)
        assert has_reward(pair.rejected)
        assert not pair.chosen.vetoed
        assert pair.margin >= options["min_margin"]
        assert pair.margin > 0 or options["ties"] == "keep"
        texts = (pair.chosen.group, frozenset((pair.chosen.response, pair.rejected.response)))
        assert len(texts[1]) == 2
        assert texts not in seen
        seen.add(texts)


@settings(deadline=None)
@given(judged_groups(), st.sampled_from(STRATEGIES), st.randoms())
def test_without_ties_position_decides_nothing(candidates, strategy, random):
    """Under `drop`, the same responses in other rows of the data give the same texts. (Each text once: no copies to merge.)"""
    distinct = list({(c.group, c.response): c for c in candidates}.values())
    rows = random.sample(range(len(distinct)), len(distinct))
    moved = [
        ScoredResponse(c.group, c.prompt, c.response, c.reward, c.vetoed, c.id, row)
        for c, row in zip(distinct, rows, strict=True)
    ]

    def texts(found):
        return {(p.chosen.group, p.chosen.response, p.rejected.response) for p in found.pairs}

    assert texts(preference_pairs(moved, strategy=strategy)) == texts(preference_pairs(distinct, strategy=strategy))


def test_all_good_responses_of_a_large_group_are_ranked_in_one_pass(monkeypatch):
    """Ten thousand responses to one prompt, all kept, are a matter of a moment: no response is looked for among the others."""
    group = [ScoredResponse("g", "?", str(row), row / 100, row=row) for row in range(100)]
    monkeypatch.setattr(ScoredResponse, "__eq__", lambda *_: pytest.fail("two responses were compared"))
    kept = best_of_n(group, keep=None).chosen
    assert [(one.rank, one.candidate.row) for one in kept] == [(rank, 100 - rank) for rank in range(1, 101)]
    assert {one.margin for one in kept} == {0.01, None}
