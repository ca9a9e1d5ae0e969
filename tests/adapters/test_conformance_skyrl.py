"""`judge.adapters.skyrl` in an environment as `skyrl_gym` builds and steps it (SkyRL 0.4)."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from judge.adapters._shared.metrics import SERVED_PARTS
from judge.adapters.skyrl import SLOT, Slot, judged_step
from judge.adapters.skyrl_generator import JudgeGenerator
from judge.errors import NoVerdictError, SettingsError
from tests.client.harness import KEY, real

ROW = {"reward_spec": {"method": "rule", "ground_truth": "Paris"}}
PROMPT = [{"role": "user", "content": "Capital of France?"}]
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"


class Geography:
    """An environment of a user: `BaseTextEnv` asks for no more."""

    def __init__(self, extras, **options):
        self.extras = extras
        self.options = options

    def init(self, prompt):
        self.prompt = prompt
        return prompt, {}

    def step(self, action):
        return judged_step(action, self.prompt, self.extras, **self.options)


def rolled(*actions, workers=4, **options):
    """`skyrl_gym_generator`: one environment a trajectory, its step in a pool of threads; 0 workers: on the event loop."""

    async def one(action, pool):
        env = Geography(ROW, **options)
        env.init(PROMPT)
        if pool is None:
            return env.step(action)
        return await asyncio.get_running_loop().run_in_executor(pool, env.step, action)

    async def all_of_them():
        if not workers:
            return [await one(action, None) for action in actions]
        with ThreadPoolExecutor(workers) as pool:
            return await asyncio.gather(*(one(action, pool) for action in actions))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("workers", [pytest.param(4, id="pool"), pytest.param(0, id="on-the-event-loop")])
def test_a_step(run_file, workers):
    """The keys that the generator reads, and figures that can be averaged."""
    right, wrong = rolled("It is Paris.<|im_end|>", "It is Rome.", workers=workers, config=run_file(RUBRIC))
    assert (right["reward"], wrong["reward"]) == (1.0, 0.0)
    assert (right["observations"], right["done"]) == ([], True)
    assert right["metadata"]["judge/criterion/right"] == 1.0
    assert all(math.isfinite(v) for v in right["metadata"].values())


def test_the_judge_sees_question_and_reference(run_file, endpoint):
    """One from `init`, one from the data set's row."""
    rolled("It is Rome.", config=run_file("recipe: {name: verifier, options: {include_question: true}}\n"))
    assert "Capital of France?" in endpoint.asked[-1]
    assert "Paris" in endpoint.asked[-1]


def test_no_verdict(run_file):
    """Their own example of a judge makes it 0.0, which is a grade."""
    with pytest.raises(NoVerdictError):
        rolled("It is Oslo.", config=run_file())
    [made] = rolled("It is Oslo.", config=run_file(), on_no_verdict="constant", constant=0.5)
    assert made["reward"] == 0.5
    assert made["metadata"]["judge/missing"] == 1.0


def test_group_members_are_never_seen(run_file):
    """A tournament of one would be a constant."""
    with pytest.raises(SettingsError, match="skyrl shows one response a call"):
        rolled("It is Paris.", config=run_file("recipe: pairwise\ngroup: {schedule: round_robin}\n"))


def test_a_server(monkeypatch):
    """Many threads over one set of connections."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        made = rolled("It is Paris.", "It is Rome.", server=url)
        assert [m["reward"] for m in made] == [1.0, 0.0]
        assert list(made[0]["metadata"]) == [f"judge/{part}" for part in SERVED_PARTS]
        with pytest.raises(NoVerdictError):
            rolled("GARBAGE", server=url)


def test_a_slot_in_the_extras(endpoint):
    """Put there by a generator that judges later: nothing is asked yet. Anyone else's entry of that name is data."""
    slot = Slot()
    step = judged_step("It is Paris.", PROMPT, {**ROW, SLOT: slot})
    assert step == {"observations": [], "reward": 0.0, "done": True, "metadata": {}}
    assert [said.action for said in slot.said] == ["It is Paris."]
    with pytest.raises(SettingsError, match="no judge: set JUDGE_CONFIG"):
        judged_step("It is Paris.", PROMPT, {**ROW, SLOT: "window"})
    assert endpoint.asked == []


def test_a_generator_needs_skyrl():
    """The module can be looked at without it."""
    with pytest.raises(SettingsError, match="SkyRL is not installed"):
        JudgeGenerator()
