"""Chains as a user writes them: refused with a reason, traced, remembered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors import DataError, SettingsError
from judge.rubric.model import Frozen
from judge.shape import KINDS, RewardBatch, ShapeStep, across_groups, as_optional, check_chain, is_vetoed, shape
from judge.shape.form import passes
from judge.shape.group import z_score
from judge.shape.scalar import quantise
from judge.types import Flag, NoVerdict, Reason, Reward
from judge.yamlfile import parse_yaml, validate
from tests.shape.cases import STEP

FULL = ("lengths", "texts", "prompts", "references", "correct", "steps", "metadata")


class Chain(Frozen):
    shape: tuple[ShapeStep, ...] = ()


def read(text: str) -> tuple[ShapeStep, ...]:
    return validate(Chain, parse_yaml(text, "run.yaml", SettingsError), error=SettingsError).shape


def steps(*specs: dict) -> list[ShapeStep]:
    return [STEP.validate_python(s) for s in specs]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("shape: [{kind: parr}]", "no kind `parr`; did you mean `par`?", id="kind"),
        pytest.param("shape: [{kind: par, scal: 2}]", "no field `scal`; did you mean `scale`?", id="field"),
        pytest.param("shape: [{kind: laser}]", "`shape.0.target` is missing", id="missing"),
        pytest.param("shape: [{kind: clip, low: 2.0}]", "`low` (2) is at most `high` (1)", id="order"),
        pytest.param("shape: [{kind: par, reference: 0.5, centre: group_mean}]", "not both", id="two-centres"),
        pytest.param("shape: [{kind: grpo_s, responsiveness: false}]", "changes nothing", id="no-effect"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(text, said):
    """A slip of the pen in a run file costs a second, not a run."""
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "run.yaml:1" in str(caught.value)


@pytest.mark.parametrize(
    ("chain", "has", "said"),
    [
        pytest.param([{"kind": "laser", "target": 9}], (), "needs the length of each response in tokens", id="lengths"),
        pytest.param([{"kind": "laser", "target": 9}], ("lengths",), "`pass_at`: the reward from which one is", id="correct"),
        pytest.param([{"kind": "par"}], (), "or `reference`", id="references"),
        pytest.param([{"kind": "veto", "criteria": ["safty"]}], (), "did you mean `safety`?", id="component"),
        pytest.param([{"kind": "veto", "criteria": ["q"]}], (), "there are: safety", id="component-list"),
        pytest.param(
            [{"kind": "z"}, {"kind": "top_stretch"}], (), "works on rewards in [0, 1], and here they are in [-inf", id="range"
        ),
        pytest.param([{"kind": "z"}, {"kind": "veto", "criteria": ["safety"]}], (), "failing would beat a bad answer", id="gate"),
        pytest.param([{"kind": "lsc", "reference": 0.5}, {"kind": "relevance"}], FULL, "would raise a negative", id="factor"),
        pytest.param(
            [{"kind": "format", "formats": ["bxed"]}], FULL, "no format `bxed`; did you mean `boxed`?", id="format-name"
        ),
        pytest.param([{"kind": "format", "formats": ["no.such:check"]}], FULL, "cannot be imported", id="format-import"),
    ],
)
def test_a_chain_that_cannot_work_is_refused_before_judging(chain, has, said):
    """The step and what it lacks are named."""
    with pytest.raises(SettingsError) as caught:
        check_chain(steps(*chain), has=has, components={"safety"})
    assert said in str(caught.value)
    assert f"({chain[-1]['kind']})" in str(caught.value)


def test_all_problems_at_once():
    """One round trip, not three."""
    with pytest.raises(SettingsError) as caught:
        check_chain(steps({"kind": "laser", "target": 9}, {"kind": "dither"}), has=())
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"values": [math.inf]}, id="infinite"),
        pytest.param({"values": [1e300]}, id="absurd"),
        pytest.param({"values": [1.0], "texts": []}, id="texts"),
        pytest.param({"values": [1.0], "lengths": [1, 2]}, id="lengths"),
        pytest.param({"values": [1.0], "components": {"a": [2.0]}}, id="component"),
        pytest.param({"values": [1.0], "correct": [0.5]}, id="half-correct"),
        pytest.param({"values": [1.0], "references": {"": (math.nan,)}}, id="reference"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(fields):
    """Columns of another length would shift rewards to other responses."""
    with pytest.raises(DataError):
        RewardBatch.of(**fields)


def test_rewards_of_the_pipeline():
    """A failed reward comes in as absent and goes out as None; a component one rubric lacks is absent there."""
    rewards = [
        Reward("1", 0, 0.25, components={"a": 1.0}, group="g"),
        Reward("2", 0, None, NoVerdict(Reason.TIMEOUT), group="g"),
        Reward("3", 0, 0.75, components={"b": 0.5}, group="g"),
    ]
    batch = RewardBatch.from_rewards(rewards)
    shaped = shape(batch, steps({"kind": "rank"}, {"kind": "rank"}), seed=0)
    assert shaped.optional() == [0.0, None, 1.0]
    assert [name for name, _ in shaped.trace] == ["raw", "rank", "rank.2"]
    assert as_optional(batch.components["b"]) == [None, None, 0.5]


def test_unknown_side_information_is_absent_not_zero():
    """A response of unknown length is not a short one."""
    batch = RewardBatch.of([1.0, 1.0], lengths=[5, None], correct=[1, 1])
    shaped = shape(batch, steps({"kind": "laser", "target": 10}), seed=0)
    assert shaped.optional() == [1.5, None]
    assert "1 response(s) lack" in shaped.notes[0]


def test_length_counts_only_where_the_group_is_mostly_right():
    """GRPO-lambda: the mostly wrong group keeps its rewards, so nobody gets short before getting it right."""
    batch = RewardBatch.of([1, 1, 1, 0], ["easy", "easy", "hard", "hard"], lengths=[100, 300, 100, 300], correct=[1, 1, 1, 0])
    shaped = shape(batch, steps({"kind": "grpo_lambda", "top": 0.5, "weight": 0.2}), seed=0)
    np.testing.assert_allclose(shaped.values, [1 - 0.2 / (1 + math.e), 1 - 0.2 * math.e / (1 + math.e), 1.0, 0.0])


@pytest.mark.parametrize(
    ("lengths", "correct", "target"),
    [
        # hard: all responses of the band must fit, and the wrong ones are long (2,048 by the right one alone)
        pytest.param([1500, *[15000] * 7], [1, *[0] * 7], "hard 15360", id="wrong-answers-count"),
        # easy: floor(8 x 2/3) = 5 right ones at least, of which one is expected within the target: 2 of 8 are short
        pytest.param([1500, 1500, *[15000] * 6], [1] * 8, "easy 2048", id="easy"),
        pytest.param([1500, 1500, *[15000] * 6], [1] * 4 + [0] * 4, "medium 15360", id="medium"),
    ],
)
def test_targets_cover_the_whole_band(lengths, correct, target):
    """LASER-D counts the lengths of right and wrong responses; a target by the right ones alone cuts hard prompts short."""
    step = steps({"kind": "laser_d"})
    batch = RewardBatch.of(correct, lengths=lengths, correct=correct)
    second = shape(batch, step, seed=0, state=shape(batch, step, seed=0).state)
    assert second.notes == (f"laser_d: targets in tokens: {target}",)


def test_targets_follow_the_lengths_seen():
    """LASER-D: after a batch of short answers, a long one no longer earns the bonus."""
    step = steps({"kind": "laser_d", "lower": 100, "upper": 400, "interval": 100})
    batch = RewardBatch.of([1, 1, 1], lengths=[50, 60, 300], correct=[1, 1, 1])
    first = shape(batch, step, seed=0)
    second = shape(batch, step, seed=0, state=first.state)
    assert first.optional() == [1.5, 1.5, 1.5]
    assert second.optional() == [1.5, 1.5, 1.0]


def test_weight_moves_to_what_separates_the_group():
    """POW3R: `b` is met by all and fades; the order among responses follows `a`, and memory carries the factors on."""
    batch = RewardBatch.of([0.5, 0.5], components={"a": [0.0, 1.0], "b": [1.0, 1.0]})
    first = shape(batch, steps({"kind": "contrast", "memory": 0.5}), seed=0)
    assert first.optional() == [0.25, 1.0]  # factors 1.5 and 0.5
    assert first.state == {"contrast": {"": {"a": 1.5, "b": 0.5}}}
    flat = RewardBatch.of([0.5, 0.5], components={"a": [0.0, 0.0], "b": [1.0, 1.0]})
    later = shape(flat, steps({"kind": "contrast", "memory": 0.5}), seed=0, state=first.state)
    assert later.optional() == [0.375, 0.375]  # 0.75 / (1.25 + 0.75): half way back to 1


def test_memory_follows_the_prompt_and_not_its_place():
    """The second batch has an unrelated prompt where the first one was: by its name "0" the group got the other one's factors."""
    step = steps({"kind": "contrast", "memory": 0.5})
    spread, flat = {"a": [0.0, 1.0], "b": [1.0, 1.0]}, {"a": [1.0, 0.0], "b": [1.0, 0.0]}
    first = shape(RewardBatch.of([0.5, 0.5], ["0", "0"], components=spread, keys=["france"] * 2), step, seed=0)
    other = RewardBatch.of([0.5, 0.5], ["0", "0"], components=flat, keys=["spain"] * 2)
    same = RewardBatch.of([0.5, 0.5], ["7", "7"], components=spread, keys=["france"] * 2)
    alone = shape(other, step, seed=0).optional()
    assert first.state == {"contrast": {"france": {"a": 1.5, "b": 0.5}}}
    assert shape(other, step, seed=0, state=first.state).optional() == alone == [1.0, 0.0]
    assert shape(same, step, seed=0, state=first.state).state == first.state


def test_a_prompt_that_stands_twice_in_a_batch_is_remembered_once():
    """Two groups of one prompt: what is kept is the mean of their factors, in whichever order they stand."""
    step = steps({"kind": "contrast", "memory": 0.5})
    a, b = {"a": [0.0, 1.0], "b": [1.0, 1.0]}, {"a": [1.0, 1.0], "b": [1.0, 0.0]}
    states = []
    for one, two in ((a, b), (b, a)):
        rows = {name: [*one[name], *two[name]] for name in "ab"}
        batch = RewardBatch.of([0.5] * 4, ["0", "0", "1", "1"], components=rows, keys=["france"] * 4)
        states.append(shape(batch, step, seed=0).state)
    assert states[0] == states[1] == {"contrast": {"france": {"a": 1.0, "b": 1.0}}}


def test_noise_follows_the_prompt_and_not_its_place():
    """The same text in answer to the same prompt gets the same noise wherever the group stands, and other noise elsewhere."""
    step = steps({"kind": "dither"})
    one = shape(RewardBatch.of([1.0, 1.0], ["0", "1"], texts=["a", "a"], keys=["p", "q"]), step, seed=0).values
    two = shape(RewardBatch.of([1.0, 1.0], ["0", "1"], texts=["a", "a"], keys=["q", "p"]), step, seed=0).values
    assert one.tolist() == two[::-1].tolist()
    assert one[0] != one[1]


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        pytest.param([{"kind": "dither", "width": 1 / 128}, {"kind": "quantise"}], "rounded away by `quantise`", id="too-narrow"),
        pytest.param([{"kind": "dither"}, {"kind": "clip"}, {"kind": "quantise", "bits": 3}], "are 1/8", id="later"),
        pytest.param([{"kind": "dither", "width": 1 / 120}, {"kind": "quantise"}], "", id="wide-enough"),
        pytest.param([{"kind": "quantise"}, {"kind": "dither", "width": 0.001}], "", id="after"),
        pytest.param(
            [{"kind": "dither", "noise": "gauss", "width": 1 / 128}, {"kind": "quantise"}], "", id="gauss-reaches-further"
        ),
        pytest.param([{"kind": "clip"}, {"kind": "contrast"}], "so `clip` before it would have no effect", id="replaced"),
        pytest.param([{"kind": "veto", "criteria": ["safety"]}, {"kind": "saturation"}], "put this step first", id="lost-veto"),
        pytest.param([{"kind": "contrast"}, {"kind": "veto", "criteria": ["safety"]}], "", id="veto-last"),
        pytest.param([{"kind": "clip"}, {"kind": "verpo"}], "", id="mixes"),
        pytest.param([{"kind": "clip"}, {"kind": "verpo", "mix": 1.0}], "put this step first", id="mixes-nothing"),
    ],
)
def test_a_step_without_effect_is_refused(chain, said):
    """Noise that is rounded off, and a step whose result the next one throws away, are mistakes."""
    if not said:
        check_chain(steps(*chain), has=FULL, components={"safety"})
        return
    with pytest.raises(SettingsError) as caught:
        check_chain(steps(*chain), has=FULL, components={"safety"})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "sees"),
    [
        pytest.param({"kind": "clip"}, "one", id="one"),
        pytest.param({"kind": "contrastive", "centre": "group_mean"}, "group", id="group-mean"),
        pytest.param({"kind": "contrast"}, "group", id="group"),
        pytest.param({"kind": "crf"}, "one", id="crf"),
        pytest.param({"kind": "crf", "difficulty": True}, "group", id="crf-difficulty"),
        pytest.param({"kind": "quantile"}, "batch", id="quantile"),
        pytest.param({"kind": "quantile", "over": "group"}, "group", id="quantile-in-a-group"),
        pytest.param({"kind": "grpo_lambda"}, "batch", id="grpo-lambda"),
        pytest.param({"kind": "laser_d"}, "batch", id="laser-d"),
        pytest.param({"kind": "laser", "target": 1}, "one", id="laser"),
    ],
)
def test_what_a_step_has_to_see(spec, sees):
    """A trainer that shows less than this would get other rewards on two processes than on one."""
    [step] = steps(spec)
    assert KINDS[step.kind].sees(step) == sees
    assert across_groups([step]) == ([step.kind] if sees == "batch" else [])


@pytest.mark.parametrize(("ddof", "shaped"), [pytest.param(0, -0.8606, id="population"), pytest.param(1, -0.9370, id="sample")])
def test_which_standard_deviation_is_named(ddof, shaped):
    """References 0.2 and 0.8: the 85 % quantile is 0.5 + 1.036 x 0.3 = 0.811, or with n - 1 0.5 + 1.036 x 0.424 = 0.940."""
    batch = RewardBatch.of([0.5], references={"": (0.2, 0.8)})
    assert shape(batch, steps({"kind": "lsc", "ddof": ddof}), seed=0).values[0] == pytest.approx(shaped, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        pytest.param("false", False, id="text-false"),
        pytest.param("True", True, id="text-true"),
        pytest.param(0, False, id="zero"),
        pytest.param(None, False, id="none"),
        pytest.param(1.0, True, id="one"),
    ],
)
def test_a_closed_question_is_one_that_says_so(value, closed):
    """Data that writes "false" was taken for a closed question, whose reward was missing without a reference."""
    batch = RewardBatch.of(
        [1.0], texts=["red"], prompts=["which colour"], components={"near": [None]}, metadata=[{"closed": value}]
    )
    [found] = shape(batch, steps({"kind": "r3", "reference": "near", "mix": 1.0}), seed=0).optional()
    assert (found is None) == closed


def test_a_closed_question_that_says_neither_is_an_error():
    """A typing mistake in the data would turn a question round."""
    batch = RewardBatch.of([1.0], texts=["red"], prompts=["which colour"], metadata=[{"closed": "maybe"}])
    with pytest.raises(DataError, match="metadata `closed` is 'maybe'"):
        shape(batch, steps({"kind": "r3"}), seed=0)


@pytest.mark.parametrize(
    ("reward", "vetoed"),
    [
        pytest.param(Reward("1", 0, 0.0, flags=(Flag("empty", "nothing there"),)), True, id="filtered"),
        pytest.param(Reward("1", 0, 0.0, components={"a": 0.0}, flags=(Flag("veto", "a"),)), True, id="veto"),
        pytest.param(Reward("1", 0, 0.0, components={"a": 0.0}, flags=(Flag("no_answer", ""),)), True, id="no-answer"),
        pytest.param(Reward("1", 0, 0.0, components={"a": 0.0}, flags=(Flag("no_evidence", ""),)), False, id="judged-0"),
        pytest.param(Reward("1", 0, 0.4, components={"x": 0.0, "y": 0.8}, flags=(Flag("veto", "a"),)), False, id="outvoted"),
        pytest.param(Reward("1", 0, 1.0, flags=(Flag("win_by_default", ""),)), False, id="win"),
        pytest.param(Reward("1", 0, None, NoVerdict(Reason.DROPPED), flags=(Flag("empty", ""),)), False, id="dropped"),
    ],
)
def test_what_is_a_final_zero(reward, vetoed):
    """A judge's own 0 may be shaped; one of a veto or a filter stands."""
    assert is_vetoed(reward) == vetoed


def test_an_empty_answer_is_paid_like_a_wrong_one():
    """It meets no criterion of its own group, and criteria that only other groups have stay out of its group's weights."""
    batch = RewardBatch.of(
        [1.0, 0.0, 1.0],
        ["x", "x", "y"],
        components={"a": [1.0, None, None], "b": [None, None, 1.0]},
        vetoed=[False, True, False],
        correct=[1, None, 1],
    )
    assert as_optional(batch.components["a"]) == [1.0, 0.0, None]
    assert as_optional(batch.components["b"]) == [None, None, 1.0]
    assert batch.correct.tolist() == [1.0, 0.0, 1.0]


def test_noise_splits_equal_rewards_of_different_texts_only():
    """Dithering gives a flat group a direction, the same one for the same seed; copies stay equal."""
    batch = RewardBatch.of([1.0, 1.0, 1.0], texts=["a", "b", "a"])
    one, two = (shape(batch, steps({"kind": "dither"}), seed=s).values for s in (1, 2))
    assert one[0] == one[2] != one[1]
    assert one[0] != two[0]


def explodes(text: str) -> bool:
    raise RuntimeError("boom")


def test_a_gate_that_raises_leaves_no_reward():
    """One response a user's function cannot read must neither stop the run nor count as bad form."""
    verdict, why = passes((f"{__name__}:explodes",), "x")
    assert verdict is None
    assert "boom" in why
    batch = RewardBatch.of([1.0, 1.0], texts=["no", r"\boxed{1}"])
    assert shape(batch, steps({"kind": "format", "formats": ["boxed"]}), seed=0).optional() == [0.0, 1.0]


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_never_overflows(value):
    """Rounding the largest float gives itself."""
    assert abs(quantise(np.array([value]))[0] - value) <= 1 / 128


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6))
def test_tiny_spreads_do_not_divide_by_zero(values):
    """Rewards that differ in the last bit have a z-score, and it is bounded."""
    assert np.abs(z_score(np.array(values))).max() <= math.sqrt(len(values)) + 1e-9


@pytest.mark.parametrize(
    ("chain", "known", "said"),
    [
        pytest.param(
            [{"kind": "rank"}, {"kind": "veto", "criteria": ["safe"]}],
            {"safety", "tone"},
            "reward.shape[1] (veto): needs component `safe`; did you mean `safety`?",
            id="near",
        ),
        pytest.param(
            [{"kind": "veto", "criteria": ["safe"]}],
            {"tone", "length"},
            "reward.shape[0] (veto): needs component `safe`; there are: length, tone",
            id="not-near",
        ),
        pytest.param([{"kind": "veto", "criteria": ["safe"]}], set(), "needs component `safe`; there are: none", id="none"),
        pytest.param(
            [{"kind": "contrast"}], set(), "reward.shape[0] (contrast): needs scores of single criteria", id="no-criteria"
        ),
        pytest.param(
            [{"kind": "dither", "noise": "gauss", "width": 0.0026}, {"kind": "quantise", "bits": 6}],
            None,
            "reward.shape[0] (dither): noise of width 0.0026 is rounded away by `quantise` after it, whose steps are 1/64: dither"
            " after it, or take more bits",
            id="noise-rounded-away",
        ),
    ],
)
def test_what_a_chain_lacks_in_words(chain, known, said):
    """The place, what is missing, and what is there: a run is not started to find it out."""
    with pytest.raises(SettingsError) as error:
        check_chain(steps(*chain), has=FULL, components=known)
    assert said in str(error.value)


def test_gaussian_noise_reaches_three_widths():
    """Noise that sometimes crosses a step of the grid is no setting without effect."""
    check_chain(steps({"kind": "dither", "noise": "gauss", "width": 0.0027}, {"kind": "quantise", "bits": 6}), has=FULL)


def test_every_step_that_has_something_to_say_says_it():
    """Two checks of form in one chain both report, each under its own name."""
    batch = RewardBatch.of([1.0, 1.0], texts=["<answer>4</answer>", "4"])
    both = steps({"kind": "format", "formats": ["answer"]}, {"kind": "format", "formats": ["boxed"]})
    notes = shape(batch, both, seed=0).notes
    assert [note.partition(":")[0] for note in notes] == ["format", "format.2"]


def test_components_are_known_when_a_batch_is_shaped():
    """A batch without the criterion is refused with what it has."""
    with pytest.raises(SettingsError, match="there are: tone"):
        shape(RewardBatch.of([1.0], components={"tone": [1.0]}), steps({"kind": "veto", "criteria": ["safe"]}), seed=0)
