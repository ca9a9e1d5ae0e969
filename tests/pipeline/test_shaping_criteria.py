"""Steps that work on criteria, in a run: vetoes and filters hold, weights reach them, and what is no criterion is refused."""

from __future__ import annotations

from typing import Any

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, SettingsError
from judge.pipeline.judge import Judge
from judge.types import Request, Sample

QUESTION = "What is the capital of France, and why?"
WORDS = {"a": "alpha", "b": "beta", "brief": "short"}


def rubric(**criteria: dict[str, Any]) -> dict[str, Any]:
    return {"criteria": [{"id": name, "text": f"The response says {WORDS[name]}.", **more} for name, more in criteria.items()]}


def mentions(request: Request) -> str:
    """A judge for whom a criterion is met when its word stands in the response."""
    text = request.messages[-1].content
    word = next(word for word in WORDS.values() if f"The response says {word}." in text)
    return "VERDICT: MET" if f"it says {word}" in text else "VERDICT: UNMET"


def judge(shape: list[dict[str, Any]], **settings: Any) -> Judge:
    config = {"recipe": "checklist", "reward": {"shape": shape}, **settings}
    return Judge.from_config(config, engine=ScriptedEngine(mentions))


def answers(*words: str, **fields: Any) -> list[Sample]:
    """One sample a text: `alpha beta` meets both criteria, an empty one never reaches the judge."""
    said = [" ".join(f"Paris, since it says {w}." for w in each.split()) if each else " \n" for each in words]
    return [Sample.of(QUESTION, text or "Paris, since it is.", group="g", **fields) for text in said]


VETO = rubric(a={"veto": True}, b={})


@pytest.mark.parametrize(
    ("shape", "passed"),
    [
        pytest.param([{"kind": "contrast"}], 1.0, id="contrast"),
        pytest.param([{"kind": "saturation"}], 1.0, id="saturation"),
        pytest.param([{"kind": "verpo"}], 1.0, id="verpo"),
        pytest.param([{"kind": "interaction", "pair": ["a", "b"], "weight": 0.5}], 1.0, id="interaction"),
        pytest.param([{"kind": "crf", "conciseness": "b"}], 1.2, id="crf"),
        pytest.param([{"kind": "relevance", "component": "b"}], 1.0, id="relevance"),
        pytest.param([{"kind": "r3", "component": "b", "mix": 1.0, "words": 5}], 0.75, id="r3"),  # 2 of 8 3-grams repeat
        pytest.param([{"kind": "veto", "criteria": ["b"]}], 1.0, id="veto"),
        pytest.param([{"kind": "laser", "target": 100, "pass_at": 0.0}], 1.5, id="laser"),
    ],
)
def test_a_veto_and_a_filter_keep_their_zero(shape, passed):
    """`beta` meets the other criterion (contrast gave it 0.25, saturation 0.5), and an empty answer came out without a reward.

    With no reward it has advantage 0 in TRL, where a wrong answer has a negative one: emptiness would pay.
    """
    with judge(shape, rubric=VETO) as judging:
        right, vetoed, empty = judging.score(answers("alpha beta", "beta", "", metadata={"response_tokens": 10}))
    assert [r.raw_reward for r in (right, vetoed, empty)] == [1.0, 0.0, 0.0]
    assert (vetoed.reward, empty.reward) == (0.0, 0.0)
    assert right.reward == pytest.approx(passed)


def test_a_batch_of_nothing_but_empty_answers_is_shaped():
    """Nobody reached the judge, so no reward has a component: the steps see zeros and not a chain that cannot work."""
    with judge([{"kind": "contrast"}], rubric=VETO) as judging:
        assert [r.reward for r in judging.score(answers("", ""))] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("run", "row"),
    [
        pytest.param({"rubric": rubric(a={"points": 10}, b={"points": 1})}, None, id="points"),
        pytest.param({"rubric": rubric(a={"weight": 10}, b={"weight": 1})}, None, id="weights"),
        pytest.param({}, rubric(a={"points": 10}, b={"points": 1}), id="points-of-the-row"),
        pytest.param({"rubric": rubric(a={}, b={})}, rubric(a={"weight": 10}, b={"weight": 1}), id="weights-of-the-row"),
    ],
)
def test_weights_reach_the_steps(run, row):
    """10 to 1: the one that matters is met, which is 10 / 11, and not one of two."""
    with judge([{"kind": "contrast", "strength": 0.0}], **run) as judging:
        [found] = judging.score(answers("alpha", rubric=row))
    assert found.reward == pytest.approx(10 / 11) == found.raw_reward


def test_two_rubrics_in_one_batch():
    """Each response is weighed by the rubric it was judged by."""
    first, second = rubric(a={"points": 10}, b={"points": 1}), rubric(a={"points": 1}, b={"points": 10})
    samples = [*answers("alpha", rubric=first), *answers("alpha", rubric=second)]
    with judge([{"kind": "contrast", "strength": 0.0}, {"kind": "quantise", "bits": 20}]) as judging:
        assert [r.reward for r in judging.score(samples)] == pytest.approx([10 / 11, 1 / 11], abs=1e-6)


def test_memory_follows_the_prompt_whatever_its_group_is_called():
    """A trainer that calls its groups 0, 1, ... at every step: an unrelated prompt got the factors of the one before it."""

    def step(judging: Judge, prompt: str, *words: str) -> list[float | None]:
        rows = [Sample.of(prompt, s.responses[0], group="0") for s in answers(*words)]
        return [r.reward for r in judging.score(rows)]

    shape, other = [{"kind": "contrast", "memory": 0.5}], ("alpha beta", "alpha")
    with judge(shape, rubric=rubric(a={}, b={})) as judging:
        fresh = step(judging, "Spain?", *other)
        step(judging, "France?", "alpha", "beta alpha", "beta")
        again = step(judging, "Italy?", *other)
    assert fresh == again == [1.0, 0.25]  # factors 0.5 and 1.5
    with judge(shape, rubric=rubric(a={}, b={})) as judging:
        step(judging, "France?", *other)
        assert step(judging, "France?", "alpha", "alpha") == [0.375, 0.375]  # half way back: 0.75 and 1.25


@pytest.mark.parametrize(
    ("how", "rewards"),
    [
        pytest.param({}, [1.2, 1.0, 0.0, 0.0], id="others"),
        pytest.param({"base": "reward"}, [1.2, 0.5, 0.6, 0.0], id="reward"),
    ],
)
def test_conciseness_pays_for_right_answers_only(how, rewards):
    """CRF: right and short 1.2, right and long 1, wrong and short 0. With conciseness left in the base the wrong one got 0.6."""
    with judge([{"kind": "crf", "conciseness": "brief", **how}], rubric=rubric(a={}, brief={})) as judging:
        found = judging.score(answers("alpha short", "alpha", "short", "beta"))
    assert [r.reward for r in found] == pytest.approx(rewards)


def test_conciseness_is_taken_out_by_the_rubrics_own_fold():
    """Points: 10 and -5 for a fault that is there make 5 / 10; the 10 points of `brief` are in neither number."""
    points = rubric(a={"points": 10}, b={"points": -5}, brief={"points": 10})
    with judge([{"kind": "crf", "conciseness": "brief", "weight": 0.0}], rubric=points) as judging:
        [found] = judging.score(answers("alpha beta short"))
    assert (found.raw_reward, found.reward) == (15 / 20, 0.5)


MEMBERS = {"members": [{"name": "other", "votes": 3}]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(
            {"rubric": VETO, "panel": MEMBERS}, r"\[0\] \(contrast\): takes scores of criteria, and with `panel`", id="panel"
        ),
        pytest.param(
            {"recipe": "pairwise", "rubric": "helpfulness", "group": {"schedule": "round_robin"}}, "with `group`", id="group"
        ),
        pytest.param({"recipe": "pointwise", "rubric": "helpfulness"}, "use a checklist recipe", id="one-grade"),
        pytest.param(
            {"rubric": VETO, "second_opinion": {"judge": {"name": "last", "votes": 3}}},
            "`second_opinion` would have",
            id="second",
        ),
    ],
)
def test_what_are_no_criteria_is_refused_before_judging(settings, said):
    """Judges of a panel and wins of a tournament were weighed as if they were criteria."""
    with pytest.raises(SettingsError, match=said):
        judge([{"kind": "contrast"}], **settings)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        pytest.param([{"kind": "veto", "criteria": ["other"]}], r"veto\): takes scores of criteria", id="a-member-by-name"),
        pytest.param([{"kind": "rank"}, {"kind": "crf", "conciseness": "b"}], r"\[1\] \(crf\)", id="place"),
    ],
)
def test_a_step_on_a_panels_member_is_refused(shape, said):
    """A member is no criterion, whatever it is called."""
    with pytest.raises(SettingsError, match=said):
        judge(shape, rubric=VETO, panel=MEMBERS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param(rubric(a={}, b={}), "needs criterion `brief`, which the sample's rubric lacks", id="lacks-it"),
        pytest.param(rubric(brief={}), "no reward without criterion `brief`", id="nothing-else"),
    ],
)
def test_a_row_that_lacks_a_criterion_is_refused_before_judging(row, said):
    """Its reward would be missing after the judge was paid."""
    engine = ScriptedEngine(mentions)
    shape = {"shape": [{"kind": "crf", "conciseness": "brief"}]}
    with (
        Judge.from_config({"recipe": "checklist", "reward": shape}, engine=engine) as judging,
        pytest.raises(DataError, match=said),
    ):
        judging.score(answers("alpha", rubric=row))
    assert not engine.requests


def test_a_partial_policy_in_the_run_file():
    """`reward: {partial: ...}` overrides the rubric's: half of the rubric has a verdict, and that is a reward."""

    def half(request: Request) -> str:
        return "VERDICT: MET" if "The response says alpha." in request.messages[-1].content else "I cannot tell."

    config = {"recipe": "checklist", "rubric": rubric(a={}, b={}), "reward": {"partial": {"min_coverage": 0.5}}}
    with Judge.from_config(config, engine=ScriptedEngine(half)) as judging:
        [found] = judging.score(answers("alpha"))
    assert found.raw_reward == 1.0
    assert "partial" in [flag.name for flag in found.flags]


@pytest.mark.parametrize(
    ("fold", "reward"),
    [
        pytest.param({}, 0.5, id="the-rubrics-own"),
        pytest.param({"fold": "all_pass"}, 0.0, id="all-pass"),
        pytest.param({"fold": "min"}, 0.0, id="min"),
    ],
)
def test_the_runs_fold_holds_for_the_rubrics_of_rows(fold, reward):
    """What the run file says about folds is said about every rubric, and not only about the one it names."""
    with judge([], reward=fold) as judging:
        [found] = judging.score(answers("alpha", rubric=rubric(a={}, b={})))
    assert found.raw_reward == reward


def test_a_row_whose_rubric_does_not_fit_the_runs_fold_says_so():
    """One bad row among others has no reward, with the reason."""
    faults = rubric(a={"kind": "pitfall"})
    with judge([], reward={"denominator": "positive_points"}) as judging:
        good, bad = judging.score([*answers("alpha", rubric=rubric(a={}, b={})), *answers("alpha", rubric=faults)])
    assert good.reward == 0.5
    assert "no criterion has positive points" in bad.failure.detail


def test_a_denominator_that_does_not_fit_the_rubric_is_refused():
    """Overrides are checked as the rubric's own fields are: with faults only there are no points to divide by."""
    with pytest.raises(SettingsError, match="no criterion has positive points"):
        judge([], rubric=rubric(a={"kind": "pitfall"}), reward={"denominator": "positive_points"})
