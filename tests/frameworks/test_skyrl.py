"""`judge.adapters.skyrl` in an environment of skyrl-gym 0.4.0, under the generator of skyrl 0.4.0.

Real: `BaseTextEnv`, the registry, `SkyRLGymGenerator` with its thread pool, its metrics, the GRPO advantages. Not real: the
inference engine, and what `skyrl_rollouts.py` says.
"""

from __future__ import annotations

import math
import time

import pytest

from judge.adapters._shared.process_judge import close_shared
from judge.errors import NoVerdictError, SettingsError
from tests.adapters.stand_ins import verdict
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned
from tests.frameworks.skyrl_rollouts import (
    PROMPT,
    RIGHT,
    ROW,
    RUBRIC,
    UNREADABLE,
    WRONG,
    Geography,
    advantages,
    generated,
    skyrl_gym,
    totals,
)

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(60)]


@pytest.fixture
def options(monkeypatch, run_file):
    """How the environment calls the judge."""

    def use(text="recipe: verifier\n", **more):
        monkeypatch.setattr(Geography, "options", more if "server" in more else {"config": run_file(text), **more})

    use()
    return use


def test_an_environment_by_its_name(options):
    """As the generator makes one; what a step gives is what their own environments give."""
    made = skyrl_gym.make("Geography", env_config={}, extras=ROW)
    made.init(PROMPT)
    step = made.step("It is Paris.<|im_end|>")
    assert (step["reward"], step["done"], step["observations"]) == (1.0, True, [])
    own = skyrl_gym.make("gsm8k", env_config={}, extras=ROW)
    assert own.step("#### Paris").keys() == step.keys()


def test_rewards_of_a_batch(options):
    """Each at the last token of its response."""
    output = generated(RIGHT, WRONG, RIGHT)
    assert totals(output) == [1.0, 0.0, 1.0]
    assert output["rewards"][0][-1] == 1.0
    assert [len(r) for r in output["rewards"]] == [len(i) for i in output["response_ids"]]


def test_figures(options):
    """The generator reads `get_metrics`, and no `metadata`: an environment without the one loses the figures."""
    options(RUBRIC)
    found = generated(RIGHT, WRONG)["rollout_metrics"]
    assert found["environment/judge/criterion/right"] == 0.5
    assert found["environment/judge/missing"] == 0.0
    assert not [n for n in generated(RIGHT, WRONG, env="NoMetrics")["rollout_metrics"] if n.startswith("environment/")]


def test_no_verdict_ends_the_batch(options):
    """Out of the agent loop and the generator; what would be a number has to be declared."""
    with pytest.raises(NoVerdictError):
        generated(RIGHT, UNREADABLE)
    options(on_no_verdict="constant", constant=0.5)
    output = generated(RIGHT, UNREADABLE)
    assert totals(output) == [1.0, 0.5]
    assert output["rollout_metrics"]["environment/judge/missing"] == 0.5
    options(on_no_verdict="impute_group_mean")
    with pytest.raises(SettingsError, match="`impute_group_mean` is not supported"):
        generated(RIGHT)


def test_advantages_of_group_members(options):
    """A declared constant moves the others' baseline: that is why it is not the default."""
    options(on_no_verdict="constant", constant=0.5)
    rewards = totals(generated(RIGHT, WRONG, UNREADABLE))
    assert advantages(rewards) == pytest.approx([0.5, -0.5, 0.0])
    assert all(math.isnan(a) for a in advantages([*rewards[:2], float("nan")]))  # so NaN is never given


@pytest.mark.parametrize(
    "config", [pytest.param({}, id="one-row"), pytest.param({"step_wise_trajectories": True}, id="step-wise")]
)
def test_several_turns(options, endpoint, config):
    """Judged once, at the end, by the question that `init` got and the last text: the generator goes on writing into its list."""
    options("recipe: {name: verifier, options: {include_question: true}}\n")
    output = generated((WRONG, RIGHT), env="TwoTurns", **config)
    assert sum(totals(output)) == 1.0
    assert len(endpoint.asked) == 1
    assert "Capital of France?" in endpoint.asked[0]
    assert "Rome" not in endpoint.asked[0]


@pytest.mark.parametrize(
    ("config", "least", "most"),
    [
        pytest.param({}, 0.2, 1.5, id="32-threads"),
        pytest.param({"workers": 2}, 0.8, 1.5, id="2-threads"),
        pytest.param({"workers": 0}, 1.6, 9.0, id="on-the-event-loop"),
        pytest.param({"batched": True}, 1.6, 9.0, id="batched"),
    ],
)
def test_how_many_are_judged_at_once(options, endpoint, config, least, most):
    """The pool's size; without a pool, and in a batched generator, one after the other."""
    generated("It is Paris, once.")  # the judge is up
    endpoint.reply = lambda body: Canned(verdict(body).content, delay_s=0.2)
    begun = time.monotonic()
    output = generated(*(f"It is Paris, {i} times." for i in range(8)), **config)
    assert totals(output) == [1.0] * 8
    assert least <= time.monotonic() - begun <= most


def test_group_members_are_never_seen(options):
    """A tournament of one would be a constant."""
    options("recipe: pairwise\ngroup: {schedule: round_robin}\n")
    with pytest.raises(SettingsError, match="skyrl shows one response a call"):
        generated(RIGHT)


def test_a_server(options, monkeypatch):
    """Many threads over one set of connections."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        options(server=url)
        output = generated(*([RIGHT, WRONG] * 20))
        assert totals(output) == [1.0, 0.0] * 20
        assert output["rollout_metrics"]["environment/judge/raw_reward"] == 0.5
        with pytest.raises(NoVerdictError):
            generated("GARBAGE")
        close_shared()
