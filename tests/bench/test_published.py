"""Each published figure against its arithmetic, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from judge.bench.measures import figures, macro_f1, mean_credit
from judge.bench.pairs import judgebench_score
from judge.bench.published import METRICS
from judge.bench.several import shared_top, style_matrix, ties_score
from judge.bench.spec import SetSpec, shipped_sets
from judge.bench.units import Duel, JudgedItem
from tests.bench.bench_harness import item, pair, scored, values


def figures_of(metric: str, judged, **fields):
    spec = SetSpec(kind=METRICS[metric].kind, metric=metric, **fields)
    return values(METRICS[metric].build(spec, judged), len(judged))


@pytest.mark.parametrize(
    ("views", "right"),
    [
        pytest.param((1, 1), True, id="both"),
        pytest.param((1, 0), True, id="one-and-a-tie"),
        pytest.param((1, None), True, id="one-and-no-verdict"),
        pytest.param((1, -1), False, id="contradicts-itself"),
        pytest.param((0, 0), False, id="two-ties"),
        pytest.param((None, None), False, id="silent"),
        pytest.param((-1, 0), False, id="wrong"),
    ],
)
def test_judgebench_counts_both_orders(views, right):
    """+1 for the label, -1 for the other answer, 0 for a tie or for nothing; above 0 is right."""
    assert (judgebench_score(views, 1) > 0) is right
    assert figures_of("judgebench", [pair(1, *views)])["accuracy"] == float(right)


def test_llmbar_averages_the_orders_and_then_the_subsets():
    """Natural (1 + 0.5) / 2, Neighbor 0.5, GPTInst 1: mean 0.75; the adversarial mean is 0.75; agreement 2 of 4."""
    judged = [
        pair(1, 1, 1, subset="Natural"),
        pair(1, 1, -1, subset="Natural"),
        pair(-1, -1, None, subset="Neighbor"),
        pair(-1, -1, -1, subset="GPTInst"),
    ]
    found = values(METRICS["llmbar"].build(shipped_sets()["llmbar"], judged), 4)
    assert found == {
        "accuracy": 0.75, "Natural": 0.75, "Neighbor": 0.5, "GPTInst": 1.0, "Adversarial": 0.75, "agreement": 0.5,
        "right in both": 0.5,
    }  # fmt: skip


def test_rewardbench_weighs_subsets_by_the_official_counts():
    """Reasoning: math-prm counts 984 and hep-cpp 164, whatever was judged: (984 * 1 + 164 * 0) / 1148."""
    judged = [
        scored([1], [0.9, 0.1], "math-prm"),
        scored([1], [0.5, 0.5], "hep-cpp"),  # equal scores are wrong in the scalar runner
        pair(1, 1, 0, subset="alpacaeval-easy"),  # no decision is 0.5 in the generative one
    ]
    found = values(METRICS["rewardbench"].build(shipped_sets()["rewardbench"], judged), 3)
    assert found["Reasoning"] == round(984 / 1148, 4)
    assert found["Chat"] == 0.75
    assert found["score"] == round((984 / 1148 + 0.75) / 2, 4)


def test_rm_bench_matrix_is_the_published_one():
    """Rows are the chosen styles, columns the rejected ones; above the diagonal the rejected answer is the fancier one."""
    judged = scored([1, 1, 1, 0, 0, 0], [0.5, 0.6, 0.9, 0.4, 0.55, 0.7], "chat")
    assert style_matrix(judged).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    found = figures_of("rm-bench", [judged])
    assert (found["hard"], found["normal"], found["easy"]) == (0.0, 1.0, 1.0)
    assert found["score"] == round(2 / 3, 4)


def test_rm_bench_safety_is_one_domain_of_two_parts():
    """refuse 1, response 0, chat 1: safety 0.5, and the total is (1 + 0.5) / 2, not 2 / 3."""
    up, down = [0.9] * 3 + [0.1] * 3, [0.1] * 3 + [0.9] * 3
    judged = [
        scored([1, 1, 1, 0, 0, 0], rewards, subset)
        for rewards, subset in ((up, "chat"), (up, "safety-refuse"), (down, "safety-response"), (up, "safety-refuse"))
    ]
    found = values(METRICS["rm-bench"].build(shipped_sets()["rm-bench"], judged), 4)
    assert (found["Chat"], found["Safety"], found["score"]) == (1.0, 0.5, 0.75)


@pytest.mark.parametrize(
    ("rewards", "credit"),
    [
        pytest.param([0.9, 0.1, 0.2, 0.3], 1.0, id="alone-on-top"),
        pytest.param([0.9, 0.9, 0.2, 0.9], 1 / 3, id="shares-with-two"),
        pytest.param([0.1, 0.9, 0.2, 0.3], 0.0, id="below"),
        pytest.param([0.9, None, 0.2, 0.3], 0.25, id="no-verdict-is-chance"),
    ],
)
def test_rewardbench2_shares_the_top(rewards, credit):
    """One right answer of four; a tie at the top earns its share, and a judge that says nothing earns chance."""
    assert shared_top(scored([1, 0, 0, 0], rewards)) == pytest.approx(credit)


def test_rewardbench2_by_pairs():
    """The right answer beats one and ties two: it shares the top with them."""
    duels = {(0, 1): Duel(1), (0, 2): Duel(0), (0, 3): Duel(0)}
    assert shared_top(JudgedItem(item([1, 0, 0, 0], 4), (None,) * 4, duels)) == pytest.approx(1 / 3)


def reference_ties(rows):
    """The same score as the authors' function computes it, on plain lists."""
    stats = {}
    for note, scores, right in rows:
        good, bad = scores[:right], scores[right:]
        stats[note] = (min(good) > max(bad), max(good) - min(good), min(good) - max(bad))
    ids = sorted({n.partition(":")[2] for n in stats})
    ref, tied = [stats[f"ref:{i}"] for i in ids], [stats[f"tied:{i}"] for i in ids]
    spread, gap = np.array([t[1] for t in tied]), np.array([t[2] for t in tied])
    least = np.minimum([r[2] for r in ref], gap)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.nan_to_num(np.tanh(least / spread - 1), nan=0.0)
    return (
        0.3 * np.mean([t[0] for t in tied])
        + 0.3 * np.mean([r[0] for r in ref])
        + 0.2 * np.mean(gap > spread)
        + 0.2 * np.mean(least > spread)
        + 0.01 * np.mean(size)
    )


def test_rewardbench2_ties_against_a_second_implementation():
    """Six random prompt pairs, and one in which all correct answers earn the same."""
    rng = np.random.default_rng(7)
    rows = []
    for i in range(6):
        rows.append((f"ref:{i}", rng.random(4).round(2).tolist(), 1))
        rows.append((f"tied:{i}", rng.random(7).round(2).tolist(), 4))
    rows += [("ref:9", [0.9, 0.1], 1), ("tied:9", [0.8, 0.8, 0.3], 2)]
    judged = [scored([1] * right + [0] * (len(s) - right), s, "Ties", note=note) for note, s, right in rows]
    assert ties_score(judged)(np.ones(len(judged))) == pytest.approx(reference_ties(rows))


def test_pandalm_counts_three_classes():
    """Said 1, -1, 0, nothing; labels 1, 0, 0, -1. Accuracy 2 / 4; F1: first 1, second 0, tie 2 / 3; mean 5 / 9."""
    judged = [pair(1, 1, 1), pair(0, -1, -1), pair(0, 0, 0), pair(-1, None, None)]
    found = figures_of("pandalm", judged)
    assert found["accuracy"] == 0.5
    assert found["F1"] == round(5 / 9, 4)


def test_auto_j_wants_both_orders():
    """Agreement counts only what both orders say; a label tie is met by two ties."""
    judged = [pair(1, 1, 1), pair(1, 1, -1), pair(0, 0, 0), pair(-1, 1, 1)]
    assert figures_of("auto-j", judged) == {"agreement": 0.5, "consistency": 0.75}


def test_right_counts_silence_as_wrong_and_misses_its_class():
    """Said yes, no, nothing, yes; labels yes, yes, yes, no. Accuracy 1 / 4; F1 of yes 2 * 1 / (2 + 3)."""
    judged = [scored([1, 1, 1, 0], [0.9, 0.2, None, 0.8])]
    found = figures_of("right", judged)
    assert (found["accuracy"], found["F1"]) == (0.25, 0.4)


def test_healthbench_compares_with_each_physician():
    """One completion, met by the judge; three physicians say met, met, unmet: F1 of met 4 / 5, of unmet 0; mean 0.4."""
    assert figures_of("healthbench-meta", [scored([1, 1, 0], [1.0])])["macro F1"] == 0.4


def test_processbench_is_a_harmonic_mean():
    """Errors found 1 of 2, clean solutions 1 of 1: 2 * 0.5 * 1 / 1.5."""
    judged = [scored([2], [2.0]), scored([0], [1.0]), scored([-1], [-1.0])]
    assert figures_of("processbench", judged) == {"F1": 0.6667, "with an error": 0.5, "without": 1.0}


def test_contrast_instructions_by_response_and_by_instruction():
    """Under its own instruction each answer wins, and the first is worth more there than under the other: 1 and 1 / 2."""
    one = scored([], [0.9, 0.1])
    judged = [JudgedItem(one.item, (0.9, 0.8), swapped=(0.5, 0.6))]
    assert figures_of("contrast", judged) == {"response": 1.0, "instruction": 0.5}


def test_sample_level_correlates_within_a_question():
    """Two questions: tau 1 and tau -1; pooled they would not be 0."""
    judged = [
        scored([g], [r], name=q)
        for q, g, r in [("a", 1, 0.1), ("a", 2, 0.2), ("a", 3, 0.3), ("b", 7, 0.9), ("b", 8, 0.8), ("b", 9, 0.7)]
    ]
    assert figures_of("sample-level", judged)["kendall"] == 0.0


def test_interval_draws_whole_questions():
    """Ten labels of one question are one draw: no interval is narrower for repeating it."""
    credits = [1.0] * 10 + [0.0] * 10
    together = figures({"a": mean_credit(credits)}, ["p"] * 10 + ["q"] * 10)[0].interval
    apart = figures({"a": mean_credit(credits)}, range(20))[0].interval
    assert (together.low, together.high) == (0.0, 1.0)
    assert 0.2 < apart.low < apart.high < 0.8


def test_macro_f1_equals_the_textbook():
    """Against counts by hand: class 1 has 2 hits, 1 false alarm, 1 miss; class 0 has 1 hit, 1 false alarm, 1 miss."""
    said, gold = [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]
    assert macro_f1(said, gold, (1, 0))(np.ones(5)) == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert math.isnan(macro_f1([], [], (1, 0))(np.ones(0)))


def test_languages_are_scored_apart_and_then_averaged():
    """German 1, French 0 in the one subset that is there: mean 0.5, whatever their sizes."""
    judged = [
        scored([1], [0.9, 0.1], "deu/hep-cpp", note="7"),
        scored([1], [0.1, 0.9], "fra/hep-cpp", name="1", note="7"),
        scored([1], [0.1, 0.9], "fra/hep-cpp", name="2", note="8"),
    ]
    found = values(METRICS["rewardbench-languages"].build(shipped_sets()["m-rewardbench"], judged), 3)
    assert found == {"score": 0.5, "same in two languages": 0.0, "deu": 1.0, "fra": 0.0}


def test_verdicts_on_translations_of_one_pair():
    """Item 7 in three languages: two verdicts are alike, so each of these has half of the others, and the third none."""
    judged = [
        scored([1], r, f"{lang}/hep-cpp", name=lang, note="7") for lang, r in [("a", [1, 0]), ("b", [0.8, 0]), ("c", [0, 1])]
    ]
    found = values(METRICS["rewardbench-languages"].build(shipped_sets()["m-rewardbench"], judged), 3)
    assert found["same in two languages"] == round((0.5 + 0.5 + 0) / 3, 4)


def test_right_answers_above_wrong_ones_of_one_question():
    """Two right, one wrong: one right above, one tied: 0.75. The top is right; a draw is right in 2 of 3."""
    found = figures_of("right-above-wrong", [scored([1, 1, 0], [0.9, 0.5, 0.5])])
    assert (found["pairs"], found["best of all"], found["drawn at random"], found["at most"]) == (0.75, 1.0, 0.6667, 1.0)


def test_mrr_of_one_right_solution():
    """One of three wrong ones above and one equal: rank 3."""
    assert figures_of("best", [scored([1, 0, 0, 0], [0.5, 0.9, 0.5, 0.1])])["MRR"] == 0.3333


def test_mean_of_subsets_weighs_them_alike():
    judged = [pair(1, 1, 1, subset="a"), pair(1, -1, -1, subset="b"), pair(1, -1, -1, subset="b", name="2")]
    assert figures_of("mean-of-subsets", judged) == {"mean of subsets": 0.5, "accuracy": 0.3333}


def test_what_a_teacher_needs():
    """Two prompts: rewards (0, 1) with the right one on top, and (0.5, 0.5) that teach nothing."""
    from judge.bench.teacher import picked, reward_distance, teacher_metrics

    judged = [scored([1, 0], [1.0, 0.0], name="a"), scored([1, 0], [0.5, 0.5], name="b")]
    found = teacher_metrics(SetSpec(kind="best"), judged)
    assert (found.groups, found.spread, found.silent, found.ties) == (2, 0.25, 0.5, 0.5)
    assert found.curve == {1: 0.5, 2: 0.75}
    assert found.ceiling == {1: 0.5, 2: 1.0}
    rng = np.random.default_rng(0)
    rewards, labels = rng.integers(0, 4, 9) / 3, np.array([1, 0, 0, 1, 1, 0, 1, 0, 0])
    drawn = [rng.permutation(9)[:3] for _ in range(20000)]
    brute = np.mean([labels[d][rewards[d] == rewards[d].max()].mean() for d in drawn])
    assert picked(rewards, labels, 3) == pytest.approx(brute, abs=0.02)
    assert reward_distance(rewards, 1 - rewards, [0] * 9) == 1.0
    assert 0 < reward_distance(rewards, labels, [0] * 9) < 1
    assert math.isnan(reward_distance([1, 1], [0, 1], "aa"))
