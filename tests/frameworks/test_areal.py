"""`judge.adapters.areal` and `areal_workflow` under AReaL 1.0.4.

Real: the reward wrapper and its processes, `RLVRWorkflow`, the grouping of episodes, how a workflow is found, the executor
and its event loop, the normalisation of rewards and the actor's advantages. Not real: the policy, and what
`areal_rollouts.py` says.
"""

from __future__ import annotations

import asyncio
import pickle
import time

import pytest

from judge.adapters import areal
from judge.adapters._shared.process_judge import close_shared
from judge.errors import NoVerdictError, SettingsError
from tests.adapters.stand_ins import prefers_longer, verdict
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned
from tests.frameworks.areal_rollouts import (
    PROMPT,
    REWARD,
    RIGHT,
    ROW,
    RUBRIC,
    TOKENIZER,
    TOURNAMENT,
    UNREADABLE,
    WORKFLOW,
    WRONG,
    AsyncRewardWrapper,
    GenerationHyperparameters,
    JudgeWorkflow,
    NormConfig,
    Policy,
    PPOActor,
    PPOActorConfig,
    RLVRWorkflow,
    RolloutWorkflow,
    Run,
    StatefulDataLoader,
    episode,
    import_from_string,
    kwargs,
    stats_tracker,
    torch,
)

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def judged(env):
    env()
    yield
    AsyncRewardWrapper._atexit_shutdown_all()  # the next test's processes get its environment


def wrapped(text, *, row=None, **options):
    reward = AsyncRewardWrapper(import_from_string(REWARD), max_workers=1, **options)
    return asyncio.run(reward(PROMPT, text, [1, 2], [3, 4], **{"answer": "Paris", "query_id": "7", **(row or {})}))


# ---- reward_fn -----------------------------------------------------------------------------------------------------------


def test_a_reward_function_in_its_processes(env, endpoint):
    """Found by its name, called in another process, with the row's columns and the special tokens left in the texts."""
    env(RUBRIC)
    assert wrapped("It is Paris.<|im_end|><|endoftext|>") == 1.0
    assert wrapped(WRONG, row={"context": "France has a capital."}) == 0.0
    assert "Capital of France?" in endpoint.asked[-1]
    assert "im_start" not in endpoint.asked[-1]
    assert "France has a capital." in endpoint.asked[-1]


def test_a_missing_reward_is_tried_again_and_raised(env, endpoint):
    """Four tries, as AReaL has it; a declared constant is a number at once."""
    with pytest.raises(NoVerdictError):
        wrapped(UNREADABLE)
    tries = len(endpoint.asked)
    env("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n")
    AsyncRewardWrapper._atexit_shutdown_all()
    assert wrapped(UNREADABLE) == 0.25
    assert tries == 4 * (len(endpoint.asked) - tries) > 0


def test_a_slow_judge_would_be_a_zero(env, endpoint, monkeypatch):
    """AReaL's own limit makes a call without an end a reward of 0; giving up before it makes an error of it."""
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT", delay_s=2.0)
    assert wrapped(RIGHT, timeout_seconds=0.3, max_retries=0) == 0
    AsyncRewardWrapper._atexit_shutdown_all()
    monkeypatch.setattr(areal, "LIMIT_S", 0.3)
    with pytest.raises(NoVerdictError, match=r"no reward within 0\.3 s"):
        wrapped(RIGHT, timeout_seconds=15, max_retries=0)


def test_in_their_workflow_a_missing_reward_loses_the_group(env):
    """The exception of one member ends the episode of all; the run goes on."""
    with Run(RIGHT, WRONG) as run:
        [kept] = run.episodes(RLVRWorkflow, kwargs(reward_fn=REWARD), group_size=2)
        assert kept["rewards"].tolist() == [1.0, 0.0]
        run.policy.answers = [RIGHT, UNREADABLE, WRONG]
        assert run.episodes(RLVRWorkflow, kwargs(reward_fn=REWARD), group_size=3) == [None]


# ---- why the workflow rolls out groups itself ----------------------------------------------------------------------------

BY_GROUP = NormConfig(mean_level="group", std_level="group", group_size=3)


class OneAtATime(RolloutWorkflow):
    """What anyone would write: None for the one response that has no reward."""

    def __init__(self, **options):
        self.inner = RLVRWorkflow(reward_fn=None, **options)
        self.inner.async_reward_fn = self.reward
        self.inner.reward_fn = self.reward

    async def reward(self, prompt, completion, prompt_ids, completion_ids, **row):
        return await areal.score(prompt, completion, row)

    async def arun_episode(self, engine, data):
        try:
            return await self.inner.arun_episode(engine, data)
        except NoVerdictError:
            return None


def test_a_group_that_lost_a_member_spoils_the_batch(env):
    """AReaL slices the batch by a fixed size: later groups mix, and what is left at the end is divided by 1e-5."""
    answers = [RIGHT, WRONG, UNREADABLE, RIGHT, RIGHT, WRONG]
    with Run(*answers) as run:
        groups = run.episodes(OneAtATime, kwargs(), rows=(ROW, ROW), group_size=3)
    assert [g["rewards"].tolist() for g in groups] == [[1.0, 0.0], [1.0, 1.0, 0.0]]
    spoiled = advantages(groups)
    assert spoiled[3].item() == pytest.approx(1e5, rel=1e-3)
    assert spoiled[:3].tolist() == pytest.approx([0.577, -1.155, 0.577], abs=1e-3)  # the third is of another prompt


def advantages(groups, norm=BY_GROUP):
    """By AReaL's actor: of each response, at its last token."""
    config = PPOActorConfig(
        experiment_name="e", trial_name="t", backend="fsdp:d1", reward_norm=norm, adv_norm=None, kl_ctl=0.0, reward_clip=100.0,
        use_decoupled_loss=True, mask_no_eos_with_zero=False,
    )  # fmt: skip
    done = PPOActor(config, engine=None).compute_advantages([dict(g) for g in groups])
    rows = [row for batch in done for row in zip(batch["advantages"], batch["loss_mask"], strict=True)]
    return torch.stack([advantage[mask.bool()][-1] for advantage, mask in rows])


# ---- JudgeWorkflow -------------------------------------------------------------------------------------------------------


def test_an_episode_is_what_their_own_workflow_gives(env):
    """The actor takes it without knowing the difference: keys, shapes, types and values of RLVRWorkflow."""
    with Run(RIGHT) as run:
        [theirs] = run.episodes(RLVRWorkflow, kwargs(reward_fn=REWARD))
        [ours] = run.episodes(WORKFLOW, kwargs())
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        assert value.dtype == ours[key].dtype, key
        assert torch.equal(value, ours[key]), key
    assert ours["rewards"].tolist() == [1.0]


def test_a_whole_group(env):
    """Padded into one batch by length, rewards in the order of the responses."""
    batch = episode(RIGHT, "It is Rome, or so.", RIGHT, group_size=3)
    assert batch["rewards"].tolist() == [1.0, 0.0, 1.0]
    lengths = [len(TOKENIZER.encode(t)) + 1 for t in (RIGHT, "It is Rome, or so.", RIGHT)]
    assert batch["loss_mask"].sum(-1).tolist() == lengths
    assert batch["input_ids"].shape == (3, len(TOKENIZER.encode(PROMPT)) + max(lengths))


def test_a_group_with_a_missing_reward_is_left_out(env, capsys):
    """Whole: the batch stays in step. A reason is told."""
    assert episode(RIGHT, UNREADABLE, WRONG, group_size=3) is None
    assert (
        "a group of 3 is left out: no reward: missing" in capsys.readouterr().err
    )  # AReaL puts other loggers than its own aside


def test_or_has_the_mean_of_its_group_members(env):
    """Advantage 0 for it, and the others' keep their order and sum; the group after it is untouched."""
    env("recipe: verifier\non_no_verdict: group_mean\n")
    with Run(RIGHT, UNREADABLE, WRONG, RIGHT, RIGHT, WRONG) as run:
        groups = run.episodes(WORKFLOW, kwargs(group_size=3), rows=(ROW, ROW))
        run.policy.answers = [UNREADABLE]
        assert run.episodes(WORKFLOW, kwargs(group_size=3)) == [None]  # there is no mean
    assert groups[0]["rewards"].tolist() == [1.0, 0.5, 0.0]
    assert advantages(groups).tolist() == pytest.approx([1.0, 0.0, -1.0, 0.577, 0.577, -1.155], abs=1e-3)


def test_a_declared_constant(env):
    """A number in its place."""
    batch = episode(RIGHT, UNREADABLE, group_size=2, on_no_verdict="constant", constant=0.25)
    assert batch["rewards"].tolist() == [1.0, 0.25]


def test_a_tournament(env, endpoint):
    """Only a workflow sees group members here; judged together, in pairs."""
    env(TOURNAMENT)
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    batch = episode("answer aa.", "answer aaaa.", "answer a.", group_size=3)
    assert batch["rewards"].tolist() == [0.5, 1.0, 0.0]


def test_what_the_judge_sees(env, endpoint):
    """The conversation that the policy was asked, or the row's `question` in its place; its answer without marks; the context."""
    env(RUBRIC)
    episode(RIGHT, row={**ROW, "context": "France has a capital."})
    assert "Capital of France?" in endpoint.asked[-1]
    assert "France has a capital." in endpoint.asked[-1]
    assert "im_end" not in endpoint.asked[-1]
    episode(RIGHT, row={**ROW, "question": "As a column?"})
    assert "As a column?" in endpoint.asked[-1]
    assert "Capital of France?" not in endpoint.asked[-1]


def test_lengths_are_the_policys(env):
    """12 letters and the closing mark, of 10 that cost nothing and 10 more that cost a tenth each: 1 - 3/10."""
    env("recipe: verifier\nreward: {shape: [{kind: overlong, limit: 20, cache: 10}]}\n")
    assert episode(RIGHT)["rewards"].tolist() == pytest.approx([0.7])


def test_rejected_prompts_are_replaced(env):
    """AReaL goes on until the batch is full: no short step, and no made-up reward."""
    rows = [{**ROW, "query_id": str(i)} for i in range(4)]
    with Run(UNREADABLE, RIGHT, UNREADABLE, WRONG, RIGHT) as run:
        workflow = run.policy._resolve_workflow(WORKFLOW, kwargs())
        batch = run.executor.prepare_batch(StatefulDataLoader(rows, batch_size=2, collate_fn=list), workflow)
    assert [len(b["rewards"]) for b in batch] == [1, 1]
    assert {b["rewards"].item() for b in batch} <= {0.0, 1.0}


def test_figures(env):
    """In AReaL's own statistics, by their usual names; a group that is left out counts as without verdicts only."""
    env(RUBRIC)
    stats_tracker.get("rollout").export()
    episode(RIGHT, WRONG, group_size=2)
    found = stats_tracker.get("rollout").export()
    names = [f"rollout/{n}" for n in ("reward", "judge/criterion/right", "judge/missing", "judge/calls")]
    assert [found[n] for n in names] == [0.5, 0.5, 0.0, 1.0], found
    episode(RIGHT, UNREADABLE, group_size=2)
    found = stats_tracker.get("rollout").export()
    assert found["rollout/judge/missing"] == 0.5
    assert "rollout/reward" not in found


def test_episodes_are_judged_side_by_side(env, endpoint):
    """On the executor's uvloop nothing waits for the judge but its own episode."""
    endpoint.reply = lambda body: Canned(verdict(body).content, delay_s=0.4)
    with Run(*[f"It is Paris, {i} times." for i in range(16)]) as run:
        workflow = run.policy._resolve_workflow(WORKFLOW, kwargs(group_size=2))
        run.executor.wait_for_task(run.executor.submit(ROW, workflow), timeout=30)  # the judge is up
        begun = time.monotonic()
        for _ in range(6):
            run.executor.submit(ROW, workflow)
        found = run.executor.wait(6, timeout=30)
    assert [f["rewards"].tolist() for f in found] == [[1.0, 1.0]] * 6
    assert time.monotonic() - begun < 6 * 0.4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"gconfig": GenerationHyperparameters(n_samples=4)}, "pass `group_size=4` to the workflow", id="twice"),
        pytest.param({"on_no_verdict": "raise"}, "Use one of: exclude, impute_group_mean, constant", id="raise"),
        pytest.param({"on_no_verdict": "impute_group_mean"}, "needs whole groups, and `group_size` is 1", id="mean-of-none"),
        pytest.param({"config": {"recipe": "pairwise", "group": {}}}, "`group` needs whole groups", id="tournament-of-one"),
    ],
)
def test_refused_before_the_first_episode(env, options, says):
    """In an episode an error is only logged, and the run would reject prompts for ever."""
    if "config" in options:
        env(TOURNAMENT)
        options = {}
    with pytest.raises(SettingsError, match=says):
        Policy("")._resolve_workflow(WORKFLOW, kwargs(**options))


def test_it_can_be_sent_to_another_process(env):
    """By name, with no judge in it."""
    made = pickle.loads(pickle.dumps(JudgeWorkflow(**kwargs(group_size=2))))
    assert isinstance(made, RolloutWorkflow)
    both = asyncio.run(made.arun_episode(Policy(RIGHT, WRONG), ROW))
    assert both["rewards"].tolist() == [1.0, 0.0]


def test_a_judge_server(monkeypatch):
    """The same rewards, from a server that many rollout processes share."""
    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        assert episode(RIGHT, WRONG, server=url, group_size=2)["rewards"].tolist() == [1.0, 0.0]
        assert episode(RIGHT, "GARBAGE", server=url, group_size=2) is None
        close_shared()
