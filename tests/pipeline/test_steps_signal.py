"""`signal: steps`: how a response is cut, what is asked, and what the steps come to."""

from __future__ import annotations

import math

import pytest

from judge import Sample, ScriptedEngine
from judge.errors import RecipeError, SettingsError
from judge.recipe.steps import StepsSpec, find_steps
from judge.types import Completion, TokenLogprobs
from tests.clock import least_cpu
from tests.pipeline.made import folder, judged

LIST = "{% for s in steps %}{{ s.text | quote(s.name) }}\n{% endfor %}\nSteps: {% for s in steps %}{{ s.id }} {% endfor %}"
TOGETHER = (
    "signal: steps\nsteps: {{{steps}}}\nturns: [{{name: judge, user: list.j2}}]\n"
    "verdict: {{kind: criteria, form: line, labels: {{RIGHT: 1, WRONG: 0}}}}\n"
)
EACH = (
    "signal: steps\nsteps: {{ask: each, {steps}}}\nturns: [{{name: judge, user: one.j2}}]\n"
    "verdict: {{kind: label, form: line, labels: {{RIGHT: 1, WRONG: 0}}}}\n"
)
ONE = (
    "{% for s in steps if s.number < step.number %}{{ s.text | quote(s.name) }}\n{% endfor %}"
    "Now: {{ step.text | quote(step.name) }}"
)
THREE = Sample.of("2+3?", "2 + 3 is what we add.\n\n2 + 3 = 6.\n\nSo it is 6.")


def lines(**labels: str) -> str:
    return "\n".join(f"VERDICT {name}: {label}" for name, label in labels.items())


def together(where, steps: str) -> str:
    return folder(where / "made", TOGETHER.format(steps=steps), list=LIST)


def each(where, steps: str) -> str:
    return folder(where / "made", EACH.format(steps=steps), one=ONE)


@pytest.mark.parametrize(
    ("fold", "value"),
    [("min", 0.0), ("product", 0.0), ("mean", 2 / 3), ("last", 1.0), ("first_error", 1 / 3)],
)
def test_steps_in_one_call_are_folded(tmp_path, fold, value):
    """Each step is a component, and the fold is the reward."""
    engine = ScriptedEngine([lines(step_1="RIGHT", step_2="WRONG", step_3="RIGHT")])
    reward = judged(together(tmp_path, f"fold: {fold}"), engine, THREE)
    assert reward.raw_reward == pytest.approx(value)
    assert dict(reward.components) == {"step_1": 1.0, "step_2": 0.0, "step_3": 1.0}
    assert reward.steps == (1.0, 0.0, 1.0)
    assert [THREE.responses[0][a:b] for a, b in reward.spans] == THREE.responses[0].split("\n\n")
    assert len(engine.requests) == 1


def by_step(request):
    """A judge that finds fault with the step that says 6 first."""
    return "VERDICT: WRONG" if "= 6." in request.messages[-1].text.rpartition("Now: ")[2] else "VERDICT: RIGHT"


def test_one_call_for_each_step(tmp_path):
    """Every call sees its step and what comes before it, and they are in flight together."""
    engine = ScriptedEngine(by_step, delay_s=0.01)
    reward = judged(each(tmp_path, "fold: min"), engine, THREE)
    assert (reward.steps, reward.raw_reward) == ((1.0, 0.0, 1.0), 0.0)
    assert [r.messages[-1].text.count("<<<BEGIN Step") for r in engine.requests] == [1, 2, 3]
    assert [c.criteria for c in reward.calls] == [("step_1",), ("step_2",), ("step_3",)]


def test_backwards_the_last_step_is_shown_first(tmp_path):
    """The same numbers, the other way round: scores come back in the order of the text."""
    engine = ScriptedEngine([lines(step_3="RIGHT", step_2="RIGHT", step_1="WRONG")])
    reward = judged(together(tmp_path, "fold: last, backwards: true"), engine, THREE)
    assert engine.requests[0].messages[-1].text.endswith("Steps: step_3 step_2 step_1")
    assert (reward.steps, reward.raw_reward) == ((0.0, 1.0, 1.0), 1.0)


def test_both_directions_are_averaged(tmp_path):
    """BiPRM: what a later step shows of an earlier one counts for half."""

    def reply(request):
        back = request.messages[-1].text.endswith("step_1")
        return (
            lines(step_3="RIGHT", step_2="RIGHT", step_1="WRONG")
            if back
            else lines(step_1="RIGHT", step_2="WRONG", step_3="RIGHT")
        )

    engine = ScriptedEngine(reply)
    reward = judged(together(tmp_path, "fold: mean, backwards: both"), engine, THREE)
    assert (len(engine.requests), reward.steps) == (2, (0.5, 0.5, 1.0))
    assert reward.raw_reward == pytest.approx(2 / 3)


def test_a_step_without_a_verdict_leaves_no_reward(tmp_path):
    """It might have been the wrong one. What the fold does not need may be missing."""
    half = lines(step_1="RIGHT", step_3="RIGHT")
    made = together(tmp_path, "fold: min")
    reward = judged(made, ScriptedEngine([half], repeat_last=True), THREE)
    assert (reward.raw_reward, reward.steps) == (None, (1.0, None, 1.0))
    assert str(reward.failure.reason) == "incomplete"
    made = together(tmp_path, "fold: last")
    assert judged(made, ScriptedEngine([half], repeat_last=True), THREE).raw_reward == 1.0


def test_expected_scores_of_steps(tmp_path):
    """P(RIGHT) of each step is its score."""

    def reply(request):
        p = 0.25 if "= 6." in request.messages[-1].text.rpartition("Now: ")[2] else 0.75
        top = {"RIGHT": math.log(p), "WRONG": math.log(1 - p)}
        return Completion("VERDICT: RIGHT", logprobs=(TokenLogprobs("VERDICT: ", {}), TokenLogprobs("RIGHT", top)))

    made = each(tmp_path, "fold: product, base: expected")
    assert judged(made, ScriptedEngine(reply), THREE).raw_reward == pytest.approx(0.75 * 0.25 * 0.75)
    stated = each(tmp_path, "fold: product")
    assert judged(stated, ScriptedEngine(reply), THREE, signal="expected").steps == pytest.approx((0.75, 0.25, 0.75))


def test_votes_are_folded_before_steps(tmp_path):
    """min of means, not mean of mins: 0.5 where two judges find two different faults."""
    engine = ScriptedEngine(
        [lines(step_1="RIGHT", step_2="WRONG", step_3="RIGHT"), lines(step_1="WRONG", step_2="RIGHT", step_3="RIGHT")]
    )
    reward = judged(together(tmp_path, "fold: min"), engine, THREE, votes=2)
    assert (reward.steps, reward.raw_reward) == ((0.5, 0.5, 1.0), 0.5)
    assert reward.uncertainty.spread == 0.0  # each vote alone has a fault


def test_merged_thoughts_pay_no_more_for_more_steps(tmp_path):
    """TP-GRPO: four right steps and a wrong one are two thoughts, however finely they were cut."""
    engine = ScriptedEngine([lines(step_1="RIGHT", step_2="RIGHT", step_3="WRONG")])
    reward = judged(together(tmp_path, "fold: mean, merge: true"), engine, THREE)
    assert reward.raw_reward == 0.5
    assert "2 thoughts of 3 steps" in reward.explanation


def test_given_steps_and_no_steps(tmp_path):
    """Steps that came with the row are found in the response where they stand in it; a response without any is said to be so."""
    engine = ScriptedEngine([lines(step_1="RIGHT", step_2="WRONG")], repeat_last=True)
    given = Sample.of("2+3?", "<think>2 + 3</think>We add 2 + 3. It is 6.", steps=["We add 2 + 3.", "Nowhere."])
    reward = judged(together(tmp_path, "fold: mean, split: given"), engine, given)
    assert (reward.raw_reward, reward.spans) == (0.5, ((20, 33), None))
    none = judged(together(tmp_path, "fold: mean, split: given"), engine, Sample.of("2+3?", "6"))
    assert (none.raw_reward, str(none.failure.reason)) == (None, "no_steps")


def test_spans_stand_in_the_response_as_it_came(tmp_path):
    """A trainer pays tokens of the whole completion, thinking included."""
    text = "<think>We add.\n\nWe add.</think>We add.\n\nIt is 5."
    engine = ScriptedEngine([lines(step_1="RIGHT", step_2="RIGHT")])
    reward = judged(together(tmp_path, "fold: min"), engine, Sample.of("2+3?", text))
    assert [(text[a:b], a) for a, b in reward.spans] == [("We add.", 31), ("It is 5.", 40)]


def test_many_steps_are_joined(tmp_path):
    """A response cannot buy a thousand calls."""
    text = "\n\n".join(f"Part {i}." for i in range(1000))
    engine = ScriptedEngine(["VERDICT: RIGHT"], repeat_last=True)
    reward = judged(each(tmp_path, "fold: min, most: 10"), engine, Sample.of("q", text))
    assert (len(engine.requests), len(reward.steps)) == (10, 10)
    assert text[slice(*reward.spans[9])].endswith("Part 999.")


def test_a_program_grades_steps(tmp_path):
    """It sees the steps as the sample's own, and must give one score for each."""
    spec = "signal: steps\nsteps: {fold: mean, base: program}\nprogram: tests.pipeline.made:"
    reward = judged(folder(tmp_path / "made", f"{spec}with_sum\n"), sample=THREE)
    assert (reward.steps, reward.raw_reward) == ((1.0, 1.0, 0.0), pytest.approx(2 / 3))
    with pytest.raises(RecipeError, match="gave step_1 for 3 steps"):
        judged(folder(tmp_path / "made", f"{spec}one_step\n"), sample=THREE)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("signal: steps\nturns: [{name: a, user: ask.j2}]\nverdict: {kind: score}\n", "go together", id="no-steps"),
        pytest.param(EACH.format(steps="").replace("ask: each, ", ""), "`steps.fold` is missing", id="no-fold"),
        pytest.param(TOGETHER.format(steps="fold: min, ask: each"), "ask: each` asks about one step", id="each-and-criteria"),
    ],
)
def test_steps_that_cannot_be(tmp_path, spec, message):
    """Said when the recipe is loaded."""
    with pytest.raises(RecipeError, match=message):
        judged(folder(tmp_path / "made", spec, list=LIST, one=ONE), ScriptedEngine(["x"]))


def test_truncating_would_take_steps_away(tmp_path):
    """A step that was cut out would be graded all the same."""
    with pytest.raises(SettingsError, match="takes steps out"):
        judged(together(tmp_path, "fold: min"), ScriptedEngine(["x"]), on_over_length="truncate")


CUTS = [
    ("paragraphs", "A\n\n```\nx\n\ny\n```\n \nB", ["A", "```\nx\n\ny\n```", "B"]),
    ("lines", "a\n\nb\n $$x\ny$$\nc", ["a", "b", "$$x\ny$$", "c"]),
    ("sentences", "We have 3.5 apples. Then: 1. One thing. Done!", ["We have 3.5 apples.", "Then: 1. One thing.", "Done!"]),
    ("sentences", "他来了。她走了！好", ["他来了。", "她走了！", "好"]),
    ("numbered", "First:\nStep 1: a\nmore\n**Step 2.** b\n### step 3\nc", ["First:\nStep 1: a\nmore",
     "**Step 2.** b", "### step 3\nc"]),
    ("latex", "We get\n\\[x=1\\]\nso $$y=2$$ end.", ["We get\n\\[x=1\\]", "so $$y=2$$", "end."]),
    ("latex", "\\begin{align}a&=b\\\\c&=d\\end{align} fin", ["\\begin{align}a&=b\\\\c&=d\\end{align}", "fin"]),
    ("code", "So:\n```python\nimport os\n\n@dec\ndef f():\n    return 1\nprint(f())\n```\nok",
     ["import os", "@dec\ndef f():\n    return 1", "print(f())"]),
    ("code", "if a:\n  b\nelse:\n  c\nd()", ["if a:\n  b\nelse:\n  c", "d()"]),
    ("paragraphs", " \n\n ", []),
]  # fmt: skip


@pytest.mark.parametrize(("split", "text", "steps"), CUTS)
def test_where_a_text_is_cut(split, text, steps):
    """Nothing is lost between two steps, and no formula or code block is cut in two."""
    found, spans = find_steps(text, StepsSpec(fold="min", split=split))
    assert list(found) == steps
    assert [text[a:b] for a, b in spans] == steps


def test_turns_of_an_agent_are_steps():
    """Each message of the assistant is a step; what tools answered is none."""
    run = Sample.of("q", [
        {"role": "assistant", "content": "I look it up."}, {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
    ]).responses[0]  # fmt: skip
    steps, spans = find_steps(run, StepsSpec(fold="last", split="turns"))
    assert (steps, spans) == (("I look it up.", "It is 42."), ((0, 13), (15, 24)))


@pytest.mark.parametrize("split", ["paragraphs", "lines", "sentences", "numbered", "latex", "code"])
@pytest.mark.parametrize(
    "piece", ["```", "\\[", "$$", "\\begin{align}", "\n\n\\[x", ". ", "\n ", "Step 1", "~~~", "(a) ", "```\n"]
)
def test_cutting_is_linear(split, piece):
    """A hostile text of 100,000 characters is cut in a moment."""
    text, spec = piece * (100_000 // len(piece)), StepsSpec(fold="min", split=split)
    assert least_cpu(lambda: find_steps(text, spec), 2.0) < 2.0
