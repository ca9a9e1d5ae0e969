"""`judge.adapters.skyrl_generator.JudgeGenerator` under skyrl 0.4.0: its agent loops, batches, metrics and advantages.

Real: `SkyRLGymGenerator` under ours, environments, `prepare_generator_input`, the trainer's checks of what comes back, metrics of
training and evaluation, putting batches together, GRPO advantages. Not real: the inference engine, the trainer around it, and
what `skyrl_rollouts.py` says.
"""

from __future__ import annotations

import asyncio
import sys
import time
import types
from functools import partial

import pytest

from judge.adapters._shared.process_judge import close_shared
from judge.errors import NoVerdictError, SettingsError
from tests.adapters.stand_ins import prefers_longer, verdict
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned
from tests.frameworks.skyrl_rollouts import (
    RIGHT,
    ROW,
    RUBRIC,
    UNREADABLE,
    WRONG,
    Geography,
    JudgeGenerator,
    Policy,
    SamplingParams,
    advantages,
    batch_of,
    checked,
    generated,
    made,
    skyrl_gym,
    totals,
)

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(60)]

TOURNAMENT = "recipe: pairwise\nrubric: helpfulness\ngroup: {schedule: round_robin}\n"
LONGER = ("answer aa.", "answer aaaa.", "answer a.")


class Thorough(Geography):
    """Two turns, with a reward of its own for the first."""

    def step(self, action):
        self.turns += 1
        if self.turns == 1:
            return {"observations": [{"role": "user", "content": "Sure?"}], "reward": 0.25, "done": False, "metadata": {}}
        return super().step(action)

    def get_metrics(self):
        return {**super().get_metrics(), "turns": self.turns}


class Impatient(Geography):
    """Asks for a judgement at every step."""

    def step(self, action):
        self.turns += 1
        return {**super().step(action), "done": self.turns == 2}


class Rewritten(Geography):
    """Hands the judge a row of its own making."""

    def __init__(self, env_config, extras):
        super().__init__(env_config, {"answer": extras["reward_spec"]["ground_truth"]})


for _name in ("Thorough", "Impatient", "Rewritten"):
    skyrl_gym.register(id=_name, entry_point=f"{__name__}:{_name}")


@pytest.fixture
def judge(run_file):
    """Makes a generator with a judge of these settings."""

    def use(text="recipe: verifier\n", **options):
        return partial(JudgeGenerator, **(options if "server" in options else {"config": run_file(text), **options}))

    return use


@pytest.fixture
def longer(endpoint):
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))


def test_what_theirs_gives(judge, run_file, monkeypatch):
    """For the trainer there is no difference: the same keys and values, but for clocks and the names of figures."""
    ours = generated(RIGHT, WRONG, maker=judge())
    monkeypatch.setattr(Geography, "options", {"config": run_file()})
    theirs = generated(RIGHT, WRONG)
    assert ours.keys() == theirs.keys()
    timed = {"rollout_metrics", "env_metrics", "trajectory_generation_times", "trajectory_time_splits"}
    assert {k: v for k, v in ours.items() if k not in timed} == {k: v for k, v in theirs.items() if k not in timed}
    kept = {k for k in theirs["rollout_metrics"] if not k.startswith("environment/") and "time" not in k}
    assert "generate/avg_tokens_non_zero_rewards" in kept
    assert {k: ours["rollout_metrics"][k] for k in kept} == {k: theirs["rollout_metrics"][k] for k in kept}


def test_a_tournament(judge, longer):
    """Group members meet here, whichever of them ends first."""

    async def later_first(name):
        await asyncio.sleep({"0_0": 0.2, "0_1": 0.1}.get(name, 0.0))

    maker = made(Policy([LONGER], later_first), judge(TOURNAMENT))
    assert totals(asyncio.run(maker.generate(batch_of([LONGER]), disable_tqdm=True))) == [0.5, 1.0, 0.0]


def test_shaping_over_a_group(judge):
    """Ranks among group members: of a group, not of the batch."""
    groups = [(RIGHT, WRONG), (WRONG, "It is Rome again.")]
    maker = made(Policy(groups), judge("recipe: verifier\nreward: {shape: [{kind: rank}]}\n"))
    assert totals(asyncio.run(maker.generate(batch_of(groups), disable_tqdm=True))) == [1.0, 0.0, 0.5, 0.5]


def test_a_group_waits_for_no_other(judge, endpoint):
    """The second group's last answer comes only when the judge has seen all of the first."""

    async def last(name):
        while name == "1_1" and len(endpoint.asked) < 2:
            await asyncio.sleep(0.01)

    groups = [(RIGHT, WRONG), (WRONG, RIGHT)]
    maker = made(Policy(groups, last), judge())
    found = asyncio.run(asyncio.wait_for(maker.generate(batch_of(groups), disable_tqdm=True), 20))
    assert totals(found) == [1.0, 0.0, 0.0, 1.0]
    assert len(endpoint.asked) == 2  # the second group's answers are the first one's: judged already


@pytest.mark.parametrize("workers", [pytest.param(2, id="2-threads"), pytest.param(0, id="on-the-event-loop")])
def test_threads_limit_no_judgements(judge, endpoint, workers):
    """As they do where the environment judges: eight one after the other would be 1.6 s."""
    generated("It is Paris, once.", maker=judge())  # the judge is up
    endpoint.reply = lambda body: Canned(verdict(body).content, delay_s=0.2)
    begun = time.monotonic()
    output = generated(*(f"It is Paris, {i} times." for i in range(8)), maker=judge(), workers=workers)
    assert totals(output) == [1.0] * 8
    assert time.monotonic() - begun < 1.2


# ---- no reward -----------------------------------------------------------------------------------------------------------


def test_a_missing_reward_moves_no_group_member(judge, caplog):
    """Its mean in its place, and no token of it in the loss; a zero would have moved the others, masked or not."""
    output = generated(RIGHT, RIGHT, WRONG, UNREADABLE, maker=judge())
    assert totals(output) == pytest.approx([1.0, 1.0, 0.0, 2 / 3])
    assert [sum(mask) > 0 for mask in output["loss_masks"]] == [True, True, True, False]
    assert "a response is out of the loss: no reward: missing" in caplog.text
    alone = advantages([1.0, 1.0, 0.0])
    assert advantages(totals(output)) == pytest.approx([*alone, 0.0], abs=1e-6)
    assert advantages([1.0, 1.0, 0.0, 0.0]) == pytest.approx([0.5, 0.5, -0.5, -0.5])
    wider = [a * (3 / 2) ** 0.5 for a in advantages([1.0, 1.0, 0.0], by_std=True)]  # one more at the mean: sqrt((n-1)/(n-2))
    assert advantages(totals(output), by_std=True) == pytest.approx([*wider, 0.0], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "rewards"),
    [
        pytest.param({"on_no_verdict": "constant", "constant": 0.25}, [1.0, 0.25], id="constant"),
        pytest.param({"on_no_verdict": "raise"}, NoVerdictError, id="raise"),
        pytest.param({"on_no_verdict": "exclude"}, SettingsError, id="exclude"),
    ],
)
def test_policies(judge, options, rewards):
    """A row cannot be left out, since as many have to come back as were sent."""
    if isinstance(rewards, type):
        with pytest.raises(rewards):
            generated(RIGHT, UNREADABLE, maker=judge(**options))
        return
    output = generated(RIGHT, UNREADABLE, maker=judge(**options))
    assert totals(output) == rewards
    assert all(sum(mask) > 0 for mask in output["loss_masks"])


def test_a_group_without_any_reward_ends_the_batch(judge):
    """There is no mean. What waits for group members does not wait on."""
    left = []

    async def watched():
        groups = [(UNREADABLE, "It is Oslo, truly."), (RIGHT, WRONG)]

        async def never(name):
            while name == "1_0":
                await asyncio.sleep(0.05)

        try:
            await made(Policy(groups, never), judge()).generate(batch_of(groups), disable_tqdm=True)
        finally:
            await asyncio.sleep(0.1)
            left.extend(t for t in asyncio.all_tasks() - {asyncio.current_task()} if "wrap_awaitable" in repr(t))

    with pytest.raises(NoVerdictError, match="no response of the group has a reward"):
        asyncio.run(watched())
    assert len(left) == 1  # the one that the engine still holds, as in SkyRL itself


# ---- kinds of trajectories -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="one-row"),
        pytest.param({"use_conversation_multi_turn": False}, id="one-message"),
        pytest.param({"step_wise_trajectories": True}, id="step-wise"),
        pytest.param(
            {
                "chat_template": {"source": "name", "name_or_path": "qwen3_with_thinking"},
                "sampling_params": SamplingParams(logprobs=None),
            },
            id="template-of-its-own",
        ),
    ],
)
def test_several_turns(judge, endpoint, config):
    """Judged once, by the last text; what a step earned by itself stays. A masked trajectory is so in all of its steps."""
    groups = [(("Well.", RIGHT), ("Hm.", WRONG), ("Oh.", UNREADABLE))]
    policy = Policy(groups, logprobs="chat_template" not in config)
    maker = made(policy, judge("recipe: {name: verifier, options: {include_question: true}}\n"), **config)
    output = asyncio.run(maker.generate(batch_of(groups, "Thorough"), disable_tqdm=True))
    checked(3, output, step_wise="step_wise_trajectories" in config)
    assert output["rollout_metrics"]["environment/turns"] == 2.0
    if "step_wise_trajectories" in config:
        assert output["is_last_step"] == [False, True] * 3
        assert totals(output) == [0.25, 1.0, 0.25, 0.0, 0.25, 0.5]
        assert [any(mask) for mask in output["loss_masks"]] == [True] * 4 + [False] * 2
    else:
        early = 0.0 if "chat_template" in config else 0.25  # with a template of its own SkyRL keeps the last step's alone
        assert totals(output) == [early + judged for judged in (1.0, 0.0, 0.5)]
        assert [any(mask) for mask in output["loss_masks"]] == [True, True, False]
    ends = [r[-1] for r in output["rewards"] if isinstance(r, list)]
    assert ends[-1:] in ([0.5], [])
    assert [len(r) for r in output["rewards"] if isinstance(r, list)] == [len(i) for i in output["response_ids"]][: len(ends)]
    assert sum("Capital of France?" in text for text in endpoint.asked) == 3
    assert not [text for text in endpoint.asked if "Well." in text]


def test_one_that_ends_before_its_last_step(judge, longer):
    """The conversation grew too long, and nobody asked to have it judged: it has what its steps earned, and the others meet."""
    groups = [(("x", "answer aa."), ("x", "answer aaaa."), ("x" * 900, "answer a."))]
    maker = made(Policy(groups), judge(TOURNAMENT), max_input_length=600)
    output = asyncio.run(maker.generate(batch_of(groups, "Thorough"), disable_tqdm=True))
    assert totals(output) == [0.25, 1.25, 0.25]
    assert output["stop_reasons"] == ["stop", "stop", "length"]


def test_what_follows_in_their_generator(judge):
    """A trajectory that was cut off: judged, and then zero, or out of the loss, where SkyRL is told so."""
    zero, masked = (
        asyncio.run(made(Policy([(RIGHT, RIGHT)], cut=("0_1",)), judge(), **{option: True}).generate(batch_of([(RIGHT, RIGHT)])))
        for option in ("zero_reward_on_non_stop", "apply_overlong_filtering")
    )
    assert (totals(zero), totals(masked)) == ([1.0, 0.0], [1.0, 1.0])
    assert [any(mask) for mask in masked["loss_masks"]] == [True, False]


def test_environments_with_rewards_of_their_own(judge, endpoint, caplog):
    """Beside ours in one batch they keep them; a batch in which nothing is judged is told of."""
    sums = {"reward_spec": {"method": "rule", "ground_truth": "7"}}
    batch = batch_of([(RIGHT, WRONG), ("#### 7", "#### 8")])
    batch["env_classes"][2:], batch["env_extras"][2:] = ["gsm8k"] * 2, [dict(sums), dict(sums)]
    maker = made(Policy([(RIGHT, WRONG), ("#### 7", "#### 8")]), judge())
    assert totals(asyncio.run(maker.generate(batch, disable_tqdm=True))) == [1.0, 0.0, 1.0, 0.0]
    assert len(endpoint.asked) == 2
    assert "nothing is judged" not in caplog.text
    assert totals(generated("#### 8", env="gsm8k", maker=judge())) == [0.0]
    assert "nothing is judged" in caplog.text


def test_lengths_are_the_policys(judge):
    """12 letters and the closing mark, of 10 that cost nothing and 10 more that cost a tenth each: 1 - 3/10."""
    shape = "recipe: verifier\nreward: {shape: [{kind: overlong, limit: 20, cache: 10}]}\n"
    assert totals(generated(RIGHT, maker=judge(shape))) == pytest.approx([0.7])


# ---- figures, evaluation -------------------------------------------------------------------------------------------------


def put_together(outputs, monkeypatch):
    """By their own code."""
    from skyrl.train.generators.utils import concatenate_generator_outputs

    module = types.ModuleType("trainer_utils")
    module.validate_generator_output = checked
    monkeypatch.setitem(sys.modules, "skyrl.train.utils.trainer_utils", module)
    return concatenate_generator_outputs(outputs)["rollout_metrics"]


def test_figures(judge, run_file, monkeypatch):
    """Means, also where batches are put together; those of an environment that judges are summed up there."""
    with_ours = [generated(*answers, maker=judge(RUBRIC)) for answers in ((RIGHT, WRONG), (RIGHT, "It is Paris, yes."))]
    found = with_ours[0]["rollout_metrics"]
    names = [f"environment/judge/{n}_mean" for n in ("raw_reward", "criterion/right", "missing", "calls")]
    assert [found[n] for n in names] == [0.5, 0.5, 0.0, 1.0]
    both = put_together(with_ours, monkeypatch)
    assert [both[n] for n in names] == [0.75, 0.75, 0.0, 0.75]  # one answer stands in both, and is judged once
    options = {"config": run_file(RUBRIC)}
    monkeypatch.setattr(Geography, "options", options)
    alone = [generated(*answers) for answers in ((RIGHT, WRONG), (RIGHT, "It is Paris, yes."))]
    assert put_together(alone, monkeypatch)["environment/judge/raw_reward"] == 1.5
    options["name"] = "judge_mean"
    named = [generated(*answers) for answers in ((RIGHT, WRONG), (RIGHT, "It is Paris, yes."))]
    assert put_together(named, monkeypatch)["environment/judge_mean/raw_reward"] == 0.75


@pytest.mark.parametrize("size", [pytest.param(2, id="eval-n-2"), pytest.param(1, id="eval-n-1")])
def test_evaluation(judge, longer, size):
    """Groups of another size than in training; a comparison with nobody is refused before anything is generated."""
    from skyrl.train.generators.utils import get_metrics_from_generator_output

    groups = [LONGER[:size], LONGER[1:][:size]]
    batch = batch_of(groups, phase="eval")
    maker = made(Policy(groups), judge(TOURNAMENT))
    if size == 1:
        with pytest.raises(SettingsError, match=r"`group` needs whole groups.*generator\.eval_n_samples_per_prompt"):
            asyncio.run(maker.generate(batch))
        assert len(maker.inference_engine_client.turns["0_0"]) == 1
        return
    output = asyncio.run(maker.generate(batch))
    assert get_metrics_from_generator_output(output, ["0", "0", "1", "1"]) == {
        "avg_score": 0.5,
        "pass_at_n": 1.0,
        "mean_positive_reward": 0.5,
    }
    assert all(set(row) <= {*ROW, "max_turns"} for row in batch["env_extras"])  # they are dumped as JSON


def test_alone_where_nothing_needs_group_members(judge):
    """`eval_n_samples_per_prompt` is 1 by default; and a batch need not have ids."""
    maker = judge("recipe: verifier\non_no_verdict: group_mean\n")
    assert totals(generated(RIGHT, maker=maker)) == [1.0]
    batch = batch_of([(RIGHT,)], phase="eval")
    del batch["trajectory_ids"]

    class Nameless(Policy):
        async def generate(self, batch, model=None):
            return await super().generate({}, model)

    assert totals(asyncio.run(made(Nameless([(RIGHT,)]), maker).generate(batch))) == [1.0]


def test_a_group_a_call(judge, longer):
    """As the fully asynchronous trainer asks: many calls at once, each with one group, some of the same prompt."""
    maker = made(Policy([LONGER]), judge(TOURNAMENT))

    async def calls():
        maker.inference_engine_client.turns = {k: v * 4 for k, v in maker.inference_engine_client.turns.items()}
        return await asyncio.gather(*(maker.generate(batch_of([LONGER]), disable_tqdm=True) for _ in range(4)))

    assert [totals(output) for output in asyncio.run(calls())] == [[0.5, 1.0, 0.0]] * 4


# ---- settings ------------------------------------------------------------------------------------------------------------


def test_refused(judge, run_file, monkeypatch):
    """Where it would judge twice, one by one, or somewhere else."""
    with pytest.raises(SettingsError, match=r"`generator\.batched`"):
        made(Policy([(RIGHT,)]), judge(), batched=True)
    with pytest.raises(SettingsError, match="no field `recip`"):
        made(Policy([(RIGHT,)]), judge("recip: verifier\n"))
    with pytest.raises(SettingsError, match="at several steps"):
        generated((RIGHT, RIGHT), env="Impatient", maker=judge())
    for variable in ("JUDGE_CONFIG", "JUDGE_SERVER"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SettingsError, match="no judge: set JUDGE_CONFIG"):
        generated(RIGHT, env="Rewritten", maker=judge())  # the slot is in the row that it got
    monkeypatch.setattr(Geography, "options", {"config": run_file()})
    with pytest.raises(SettingsError, match=r"leave them out of `judged_step`"):
        generated(RIGHT, maker=judge())


def test_a_server(judge, monkeypatch):
    """Whole groups in one request."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        assert totals(generated(*([RIGHT, WRONG] * 4), maker=judge(server=url))) == [1.0, 0.0] * 4
        output = generated(RIGHT, "GARBAGE", maker=judge(server=url))
        assert (totals(output), [any(m) for m in output["loss_masks"]]) == ([1.0, 1.0], [True, False])
        close_shared()
