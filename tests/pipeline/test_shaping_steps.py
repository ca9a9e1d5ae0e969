"""Chains over the scores of a response's steps, from a recipe to what a trainer gets, for the whole and for each step."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import SettingsError
from judge.pipeline.judge import Judge
from judge.server.wire import reward_out
from judge.types import Request, Sample
from tests.batch_harness import run
from tests.pipeline.made import folder

EACH = (
    "signal: steps\nsteps: {ask: each, fold: mean}\nturns: [{name: judge, user: one.j2}]\n"
    "verdict: {kind: score, form: line, range: {min: 0, max: 4}}\n"
)
ONE = "{% for s in steps %}{{ s.text | quote(s.name) }}\n{% endfor %}Grade what says: {{ step.text | quote('It') }}"


def graded(request: Request) -> str:
    """The digit behind `worth` in the step that is asked about is its grade."""
    asked = "\n".join(m.content for m in request.messages).rpartition("what says")[2]
    return f"VERDICT: {asked[asked.index('worth') + 6]}"


def steps(*grades: int, answer: str = "7") -> str:
    return "\n\n".join(f"Thought worth {g} points." for g in grades) + f"\nThe answer is {answer}."


def judging(where: Path, shape: dict, **settings) -> Judge:
    where.mkdir(exist_ok=True)
    made = folder(where / "made", EACH, one=ONE)
    config = {"recipe": made, "filters": "off", "reward": {"shape": [shape]}, **settings}
    return Judge.from_config(config, engine=ScriptedEngine(graded))


def group(*texts: str) -> list[Sample]:
    return [Sample.of("3 + 4?", text, reference="7", id=str(k)) for k, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("shape", "texts", "paid", "by_step"),
    [
        pytest.param(
            {"kind": "min_form", "temperature": 0},
            [steps(4, 1, 3)],
            [0.25],
            [(0.0, 0.25, 0.0)],
            id="pure-worst",
        ),
        pytest.param(
            {"kind": "min_form", "temperature": 0, "checked": 1.0},
            [steps(4, 2), steps(4, 2, answer="8")],
            [1.5, 0.5],
            [(0.0, 1.5), (0.0, 0.5)],
            id="pure-checked",
        ),
        pytest.param(
            {"kind": "renorm"}, [steps(4, 2), steps(4, 2, answer="8")], [0.75, -0.25], [(1.0, 0.5), (0.0, -0.5)], id="ppr"
        ),
        pytest.param(
            {"kind": "steps", "refine": "clip", "eta": 1.0},
            [steps(4, 2, 3)],
            [0.75 + (-0.75 - 0.75 - 0.25) / 3],
            [(0.0, 0.0, 0.5)],
            id="clip",
        ),
        pytest.param(
            {"kind": "thoughts"},
            [steps(4, 4, 0), steps(0, 4, answer="8")],
            [(1 - 0.5) / 2, (-1 + 0.5) / 2],
            [(0.0, 1.0, -0.5), (-1.0, 0.5)],
            id="tp-grpo",
        ),
        pytest.param(
            {"kind": "prof", "keep": 2},
            [steps(4, 4), steps(0, 0), steps(4, 4, answer="8"), steps(0, 0, answer="8")],
            [1.0, None, None, 0.0],
            [(), (), (), ()],
            id="prof",
        ),
    ],
)
def test_what_a_response_and_its_steps_are_paid(tmp_path, shape, texts, paid, by_step):
    """From a recipe of steps; what each step is paid stands beside the reward, where the shaping pays by step."""
    with judging(tmp_path, shape) as judge:
        rewards = judge.score(group(*texts))
    assert [r.reward for r in rewards] == [None if v is None else pytest.approx(v) for v in paid]
    assert [r.step_rewards for r in rewards] == [pytest.approx(each) for each in by_step]


def test_a_step_without_a_verdict_is_paid_nothing_and_makes_the_reward_absent(tmp_path):
    """It might have been the worst one."""
    with judging(tmp_path, {"kind": "min_form"}) as judge:
        [reward] = judge.score(group("Thought worth x points.\n\nThought worth 4 points. The answer is 7."))
    assert (reward.reward, reward.step_rewards) == (None, ())


def test_what_a_later_step_of_the_chain_changes_is_no_longer_paid_by_step(tmp_path):
    """Shares that do not add up to the reward would train something else."""
    made = folder(tmp_path / "made", EACH, one=ONE)
    chain = [{"kind": "min_form", "temperature": 0}, {"kind": "clip", "low": 0.4, "high": 0.6}]
    config = {"recipe": made, "filters": "off", "reward": {"shape": chain}}
    with Judge.from_config(config, engine=ScriptedEngine(graded)) as judge:
        cut, same = judge.score(group(steps(4, 1), steps(4, 2)))
    assert (cut.reward, cut.step_rewards) == (0.4, ())
    assert (same.reward, same.step_rewards) == (0.5, (0.0, 0.5))


def test_steps_of_a_run_and_of_a_server(tmp_path):
    """Scores, places and pay of the steps, in rewards.parquet and in the server's answer."""
    made = folder(tmp_path / "made", EACH, one=ONE)
    shape = {"shape": [{"kind": "renorm"}]}
    run(tmp_path / "run", group(steps(4, 2)), ScriptedEngine(graded), recipe=made, rubric=None, filters="off", reward=shape)
    [row] = pq.read_table(tmp_path / "run" / "rewards.parquet").to_pylist()
    text = steps(4, 2)
    wanted = [
        {"score": 1.0, "start": 0, "stop": 23, "reward": 1.0},
        {"score": 0.5, "start": 25, "stop": len(text), "reward": 0.5},
    ]
    assert row["steps"] == wanted
    assert text[:23] == "Thought worth 4 points."
    with judging(tmp_path / "again", {"kind": "renorm"}) as judge:
        [reward] = judge.score(group(text))
    assert reward_out(reward)["steps"] == wanted
    assert json.loads(json.dumps(reward_out(reward)))["reward"] == 0.75


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        pytest.param({"kind": "min_form"}, "a recipe with `signal: steps`", id="no-steps"),
        pytest.param({"kind": "renorm", "outcome": "column"}, "go together", id="no-column"),
        pytest.param({"kind": "prof", "keep": 0}, "keep", id="keep-none"),
    ],
)
def test_a_recipe_without_steps_is_told(shape, said):
    with pytest.raises(SettingsError) as caught:
        Judge(recipe="pointwise", rubric="helpfulness", engine=ScriptedEngine(graded), reward={"shape": [shape]})
    assert said in str(caught.value)
