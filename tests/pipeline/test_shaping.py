"""A run's shaping chain and its tournaments, from settings to what a trainer gets."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judge.adapters.trl import AsyncJudgeReward, JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, NoVerdictError, SettingsError
from judge.pipeline.judge import Judge
from judge.types import Request, Sample
from tests.batch_harness import run

SCORES = {"Paris": 5, "Lyon": 3, "Nice": 1}


def graded(request: Request) -> str:
    """A judge that grades by the words it is shown, and says nothing about a Rome."""
    text = request.messages[-1].content
    return next((f"VERDICT: {score}" for words, score in SCORES.items() if words in text), "I cannot tell.")


def better(request: Request) -> str:
    """A judge of pairs: the better words win, in whichever place they stand."""
    text = request.messages[-1].content
    places = sorted((text.rfind(words), score) for words, score in SCORES.items() if words in text)
    if len(places) < 2 or places[0][1] == places[1][1]:
        return "No idea."
    return "[[A]]" if places[0][1] > places[1][1] else "[[B]]"


def judge(engine: Any = graded, **settings: Any) -> Judge:
    return Judge.from_config({"recipe": "pointwise", "rubric": "helpfulness", **settings}, engine=ScriptedEngine(engine))


def group(*responses: str, name: str = "", prompt: str = "What is the capital of France?") -> list[Sample]:
    return [Sample.of(prompt, f"The capital of France is {r}.", group=name) for r in responses]


def test_the_chain_works_on_the_samples_of_a_call():
    """Raw rewards stay as judged; what the trainer gets stands beside them, step by step."""
    with judge(reward={"shape": [{"kind": "rank"}, {"kind": "quantise", "bits": 2}]}) as judging:
        rewards = judging.score(group("Paris", "Nice", "Lyon", name="g"))
    assert [r.raw_reward for r in rewards] == [1.0, 0.0, 0.5]
    assert [r.reward for r in rewards] == [1.0, 0.0, 0.5]
    assert rewards[0].stages == (("rank", 1.0), ("quantise", 1.0))


def test_responses_to_one_prompt_are_a_group_without_a_name():
    """Flat rows need no group column: what answers one question is ranked together, as it competes together."""
    samples = [
        *group("Paris"),
        *group("Lyon", prompt="Another?"),
        *group("Nice"),
        Sample.of("What is the capital of France?", "Paris.", "Nice."),
    ]
    with judge(reward={"shape": [{"kind": "rank"}]}) as judging:
        assert [r.reward for r in judging.score(samples)] == pytest.approx([5 / 6, 0.5, 1 / 6, 5 / 6, 1 / 6])


def test_a_response_without_a_reward_changes_nothing_for_its_group_members():
    """The advantages of the others are what they would be without it."""
    shape = {"shape": [{"kind": "z"}]}
    with judge(reward=shape) as judging:
        whole = judging.score(group("Paris", "Nice", "Rome", name="g"))
    with judge(reward=shape) as judging:
        without = judging.score(group("Paris", "Nice", name="g"))
    assert whole[2].reward is None
    assert [r.reward for r in whole[:2]] == [r.reward for r in without]


@pytest.mark.parametrize(
    ("policy", "reward", "steps"),
    [
        pytest.param({"on_no_verdict": "drop"}, None, ["contrastive", "clip"], id="drop"),
        pytest.param(
            {"on_no_verdict": "group_mean"}, 0.0, ["contrastive", "clip", "group_mean"], id="mean-of-what-the-chain-made"
        ),
        pytest.param(
            {"on_no_verdict": "constant", "no_verdict_constant": 0.0},
            0.0,
            ["contrastive", "clip", "constant"],
            id="a-constant-comes-last",
        ),
    ],
)
def test_policies_meet_the_chain(policy, reward, steps):
    """What stands in for a missing reward is a stage that a person can see, and never what the verdicts came to."""
    with judge(
        reward={"shape": [{"kind": "contrastive", "centre": "group_mean"}, {"kind": "clip", "low": -1, "high": 1}]}, **policy
    ) as judging:
        *others, absent = judging.score(group("Paris", "Nice", "Rome", name="g"))
    assert absent.raw_reward is None
    assert absent.reward == reward
    assert [r.reward for r in others] == [0.5, -0.5]  # the mean is (1 + 0) / 2: what is missing is in no statistic
    assert [name for name, _ in absent.stages] == steps


@pytest.mark.parametrize(
    ("policy", "rewards"),
    [
        pytest.param({"on_no_verdict": "drop"}, [1.0, None], id="drop"),
        pytest.param({"on_no_verdict": "group_mean"}, [1.0, 1.0], id="mean"),
        pytest.param({"on_no_verdict": "constant", "no_verdict_constant": 0.25}, [1.0, 0.25], id="constant"),
    ],
)
def test_policies_find_what_the_chain_left_without_a_reward(policy, rewards):
    """A format check that cannot tell leaves no reward after the judge gave one: to a trainer it is missing like any other."""
    shape = [{"kind": "format", "formats": [f"{__name__}:names_paris"]}]
    with judge(reward={"shape": shape}, **policy) as judging:
        found = judging.score(group("Paris", "Lyon", name="g"))
    assert [r.raw_reward for r in found] == [1.0, 0.5]
    assert [r.reward for r in found] == rewards


def test_a_chain_that_leaves_no_reward_ends_a_run_that_allows_none():
    """`raise` names the step, since no judge failed."""
    shape = [{"kind": "format", "formats": [f"{__name__}:names_paris"]}]
    with judge(reward={"shape": shape}, on_no_verdict="raise") as judging, pytest.raises(NoVerdictError, match="step `format`"):
        judging.score(group("Paris", "Lyon", name="g"))


def names_paris(text: str) -> bool | None:
    return True if "Paris" in text else None


@pytest.mark.parametrize(
    ("shape", "constant", "fits"),
    [
        pytest.param([], 0.5, True, id="raw"),
        pytest.param([], -1.0, False, id="below-raw"),
        pytest.param([{"kind": "overlong", "limit": 100, "cache": 50}], -1.0, True, id="a-penalty"),
        pytest.param([{"kind": "par", "reference": 0.5}], 1.5, False, id="above"),
    ],
)
def test_a_constant_is_on_the_scale_of_shaped_rewards(shape, constant, fits):
    """A constant that no reward can be is a mistake, and one that a shaped reward can be is none."""
    settings = {"reward": {"shape": shape}, "on_no_verdict": "constant", "no_verdict_constant": constant}
    if fits:
        judge(**settings)
    else:
        with pytest.raises(SettingsError, match="no_verdict_constant"):
            judge(**settings)


def test_baselines_are_judged_once():
    """A prompt seen at every step does not pay for its baseline at every step; two samples of one prompt share it."""
    engine = ScriptedEngine(graded)
    config = {"recipe": "pointwise", "rubric": "helpfulness"}
    config |= {"reward": {"shape": [{"kind": "contrastive"}], "baselines": "sft"}}
    samples = [Sample.of("Q?", f"The capital is {w}.", metadata={"sft": "The capital is Lyon."}) for w in ("Paris", "Nice")]
    with Judge.from_config(config, engine=engine) as judging:
        first, second = judging.score(samples), judging.score(samples)
        with pytest.raises(DataError, match="sample `0`: `sft`"):
            judging.score([Sample.of("Q?", "The capital is Paris.")])
    assert [r.reward for r in first] == [r.reward for r in second] == [0.5, -0.5]
    assert len(engine.requests) == 3  # two responses and their baseline; the second step is known


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"reward": {"shape": [{"kind": "rnk"}]}}, "rnk", id="unknown-kind"),
        pytest.param({"reward": {"shape": [{"kind": "contrastive"}]}}, "rewards of reference responses", id="no-references"),
        pytest.param({"reward": {"baselines": "sft"}}, "no step of `reward.shape` uses reference rewards", id="idle-baselines"),
        pytest.param({"group": {"schedule": "swiss"}}, "needs a pairwise recipe; `pointwise` is pointwise", id="no-comparisons"),
        pytest.param(
            {"recipe": "pairwise", "group": {}, "monitor": {"canaries": {"rate": 0.1}}}, "`group` compares", id="lone-probes"
        ),
        pytest.param({"recipe": "pairwise", "group": {"schedule": "listwise"}}, "needs a listwise recipe", id="pairs-for-lists"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_judged(settings, message):
    """A chain or a tournament that makes no sense is no matter for step 400."""
    with pytest.raises(SettingsError, match=message):
        judge(**settings)


# ---- groups ------------------------------------------------------------------------------------------------------


PAIRS = {"recipe": "pairwise", "rubric": None, "group": {"schedule": "round_robin"}}


def test_samples_of_one_group_compete():
    """Single responses with one group name, or one prompt, are a group; another prompt is another."""
    samples = [*group("Lyon", "Paris"), *group("Nice", prompt="Another?"), *group("Nice")]
    with judge(better, **PAIRS) as judging:
        rewards = judging.score(samples)
    assert [r.raw_reward for r in rewards] == [0.5, 1.0, None, 0.0]
    assert rewards[0].components == {"vs:1": 0.0, "vs:2": 1.0}
    assert "nothing to compare with" in rewards[2].failure.detail


def test_a_filtered_response_costs_no_comparison():
    """What a filter stops loses to all without a call."""
    engine = ScriptedEngine(better)
    with Judge.from_config(PAIRS, engine=engine) as judging:
        rewards = judging.score([*group("Lyon", "Paris"), Sample.of("What is the capital of France?", " \n")])
    assert [r.raw_reward for r in rewards] == [0.5, 1.0, 0.0]
    assert len(engine.requests) == 2  # one pair in both orders


def test_a_run_over_groups(tmp_path: Path):
    """`judge run`: a row holds a whole group; shaped rewards stand in their own column."""
    answers = ("The capital is Paris.", "The capital is Nice.", "The capital is Lyon.")
    data = [Sample.of(f"Capital of France, question {i}?", *answers, id=str(i)) for i in range(3)]
    run(tmp_path / "out", data, ScriptedEngine(better), **PAIRS, reward={"shape": [{"kind": "z"}]})
    table = pq.read_table(tmp_path / "out" / "rewards.parquet").to_pylist()
    assert [r["raw_reward"] for r in table[:3]] == [1.0, 0.0, 0.5]
    assert [round(r["reward"], 3) for r in table[:3]] == [1.225, -1.225, 0.0]
    assert [s["step"] for s in table[0]["stages"]] == ["z"]


def test_a_panel_competes_and_is_shaped_once():
    """Members judge the pairs; the tournament and the chain are the run's, and not theirs once more."""
    settings = PAIRS | {"panel": {"members": [{"name": "other", "recipe": "pairwise"}]}, "reward": {"shape": [{"kind": "z"}]}}
    with judge(better, **settings) as judging:
        rewards = judging.score(group("Paris", "Nice"))
        assert not any(m.settings.group or m.settings.reward.shape for m in judging.plan.members.values())
    assert [(r.raw_reward, r.reward) for r in rewards] == [(1.0, 1.0), (0.0, -1.0)]


def test_baselines_and_lengths_of_a_run_come_with_its_data(tmp_path: Path):
    """`judge run`: columns that no judge sees; a row that lacks one ends the run before the others are paid for."""
    shape = {"shape": [{"kind": "contrastive"}, {"kind": "overlong", "limit": 100, "cache": 50}], "baselines": "sft"}
    metadata = {"sft": ["The capital is Lyon."], "response_tokens": 75}
    data = [Sample.of(f"Q{i}?", f"The capital is {w}.", id=w, metadata=metadata) for i, w in enumerate(("Paris", "Nice"))]
    engine, common = ScriptedEngine(graded), {"recipe": "pointwise", "rubric": "helpfulness", "reward": shape}
    run(tmp_path / "a", data, engine, **common)
    table = pq.read_table(tmp_path / "a" / "rewards.parquet").to_pylist()
    assert [(r["id"], r["raw_reward"], r["reward"]) for r in table] == [("Paris", 1.0, 0.0), ("Nice", 0.0, -1.0)]
    assert len(engine.requests) == 4
    with pytest.raises(DataError, match="sample `no`: `sft`"):
        run(tmp_path / "b", [*data, Sample.of("Q?", "The capital is Paris.", id="no")], ScriptedEngine(graded), **common)


# ---- the monitor -------------------------------------------------------------------------------------------------


def test_a_suspect_is_settled_within_its_step():
    """A probe that is paid brings more probes at once: by the next step the policy may have moved there."""
    canaries = {"per_batch": 8, "kinds": ["null"], "confirm": 4, "confirm_rounds": 2}
    alarms = {"constant_string_wins": {"action": "warn"}, "canary_passed": {"action": "warn"}}
    engine = ScriptedEngine(lambda r: "VERDICT: 5")
    config = {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off"}
    with Judge.from_config({**config, "monitor": {"canaries": canaries, "alarms": alarms}}, engine=engine) as judging:
        rewards = judging.score([Sample.of(f"{i} + 1?", f"It is {i + 1}.") for i in range(16)])
    asked = sum(c["asked"] for c in judging.watch.monitor.as_dict()["canaries"])
    assert (len(rewards), asked) == (16, 8 + 2 * 4)


# ---- trainers ----------------------------------------------------------------------------------------------------


def test_a_trainer_gets_the_shaped_rewards_and_no_others():
    """What the chain says is what trains: rounding is a step that a person wrote, and its trace reaches the trainer's log."""
    config = {
        "recipe": "pointwise",
        "rubric": "helpfulness",
        "reward": {"shape": [{"kind": "par", "reference": 0.5, "scale": 8}, {"kind": "quantise"}]},
    }
    reward = JudgeReward(config, engine=ScriptedEngine(graded))
    logged: dict[str, Any] = {}
    values = reward(
        prompts=["Q?"] * 3,
        completions=["The capital is Paris.", "The capital is Nice.", "The capital is Rome."],
        log_metric=logged.__setitem__,
        log_extra=logged.__setitem__,
    )
    reward.close()
    assert values == [63 / 64, 1 / 64, None]
    assert logged["judge/raw_reward"] == 0.5
    assert logged["judge_why"][0].endswith("par 0.982 -> quantise 0.9844")


def test_lengths_are_the_policys():
    """The trainer's own token ids say how long a completion is."""
    config = {"recipe": "pointwise", "rubric": "helpfulness"}
    config |= {"reward": {"shape": [{"kind": "overlong", "limit": 100, "cache": 50}]}}
    reward = JudgeReward(config, engine=ScriptedEngine(graded))
    ids = [[1] * 10, [1] * 75, [1] * 200]
    assert reward(["Q?"] * 3, ["The capital is Paris."] * 3, completion_ids=ids) == [1.0, 0.5, 0.0]
    reward.close()


def noisy(*prompts: str) -> dict[str, list[float | None]]:
    """Rewards of two completions a prompt with noise, by prompt, in a trainer that numbers its groups."""
    config = {"recipe": "pointwise", "rubric": "helpfulness", "reward": {"shape": [{"kind": "dither"}]}}
    reward = JudgeReward(config, engine=ScriptedEngine(graded), num_generations=2)
    values = reward([p for p in prompts for _ in range(2)], ["The capital is Paris.", "The capital is Nice."] * len(prompts))
    reward.close()
    return {prompt: values[2 * i : 2 * i + 2] for i, prompt in enumerate(prompts)}


def test_noise_in_a_trainer_follows_the_prompt():
    """TRL's groups are numbered by their place: the noise of a prompt must not be that of whichever stood there."""
    one, two = noisy("France?", "Spain?", "Italy?"), noisy("Italy?", "France?")
    assert one["France?"] == two["France?"]
    assert one["Italy?"] == two["Italy?"]
    assert one["France?"] != one["Spain?"]


def test_a_trainers_policy_finds_what_the_chain_left_without_a_reward():
    """The mean of the group stands in for it, as for a judge that failed."""
    config = {"recipe": "pointwise", "rubric": "helpfulness"}
    config |= {"reward": {"shape": [{"kind": "format", "formats": [f"{__name__}:names_paris"]}]}}
    reward = JudgeReward(config, engine=ScriptedEngine(graded), num_generations=3, on_no_verdict="impute_group_mean")
    logged: dict[str, Any] = {}
    answers = ["The capital is Paris.", "It is Paris.", "The capital is Lyon."]
    assert reward(["Q?"] * 3, answers, log_metric=logged.__setitem__) == [1.0, 1.0, 1.0]
    assert logged["judge/missing"] == pytest.approx(1 / 3)
    reward.close()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        pytest.param(PAIRS, "`group`", id="group"),
        pytest.param({"recipe": "verifier", "reward": {"shape": [{"kind": "z"}]}}, "`reward.shape`", id="chain"),
        pytest.param({"recipe": "verifier", "on_no_verdict": "group_mean"}, "`impute_group_mean`", id="policy"),
    ],
)
def test_what_depends_on_group_members_must_know_the_group(settings, what):
    """A trainer may hand over half a group without a word: then a rank among four would be a rank among two."""
    with pytest.raises(SettingsError, match=f"{what} needs whole groups: JudgeReward"):
        JudgeReward(settings)
    with pytest.raises(SettingsError, match="an asynchronous reward cannot form over processes"):
        AsyncJudgeReward(settings, num_generations=4)


def test_a_judge_that_is_pickled_keeps_its_chain():
    """Trainers pickle reward functions into workers; the chain's memory goes along."""
    first = judge(reward={"shape": [{"kind": "clip"}]})
    first.finish.shaping.memory.state = {"clip": {"seen": 3}}
    again = pickle.loads(pickle.dumps(Judge(first.plan, None)))
    assert again.finish.shaping.steps == first.finish.shaping.steps
