"""`judge.adapters.verl_manager` under verl 0.9.1 itself: its configuration, data set, loader, reward loop, v1 rollout worker,
replay buffer and advantages.

Not real, as in `test_verl.py`: ray and transfer_queue, the policy, and the judge behind the endpoint or server.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial

import numpy as np
import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, NoVerdictError, SettingsError
from judge.settings.server import GroupServing, ServerSettings
from tests.adapters.stand_ins import RUBRIC, prefers_longer
from tests.client.harness import real
from tests.frameworks import verl_cluster, verl_run
from tests.frameworks.verl_run import advantages, batch, buffer, loaded, rollout, scored, tokenizer, trained

import transfer_queue as tq  # isort: skip  # after `verl_run`, which puts it there
from datasets import Dataset  # isort: skip
from verl.experimental.reward_loop import RewardLoopManager  # isort: skip
from verl.trainer.ppo.reward import extract_reward  # isort: skip
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer  # isort: skip
from verl.utils.dataset.rl_dataset import RLHFDataset  # isort: skip

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("ended")]

OVERLONG = "recipe: verifier\nreward:\n  shape:\n    - {kind: overlong, limit: 24, cache: 10}\n"
LONGEST = {"recipe": "pairwise", "group": {"schedule": "round_robin"}}
ANSWERS = [f"answer {a}." for a in ("aaa", "aaaaa", "aa", "aaaa")]
SOON = ServerSettings(group=GroupServing(incomplete_s=3))  # given up
PLACES = [1 / 3, 1.0, 0.0, 2 / 3]
ASKED = {"raw_prompt": [[{"role": "user", "content": "Capital of France?"}]]}


@pytest.fixture
def settings(model):
    return partial(verl_run.managed, model)


def longest():
    return ScriptedEngine(lambda request: prefers_longer("\n".join(m.content for m in request.messages)))


def asked(script):
    """Calls beside the server's own at its start."""
    return sum("answer a" in str(request.messages) for request in script.requests)


def earned():
    """Scores of what the trainer gets of the first prompt, by the response's number."""
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    scores = tq.kv_batch_get(kept.keys, "train", ["rm_scores"])["rm_scores"].unbind()
    found = {int(key.split("_")[1]): pytest.approx(v.sum().item()) for key, v in zip(kept.keys, scores, strict=True)}
    return dict(sorted(found.items()))


def rows(count, **columns):
    """Columns of a batch without a question in `extra_info`."""
    return {"extra_info": [{} for _ in range(count)], "raw_prompt": ASKED["raw_prompt"] * count, **columns}


def members(count, **columns):
    """And what verl's v1 worker adds."""
    own = {"uid": ["u"] * count, "session_id": list(range(count)), "global_steps": [3] * count}
    return rows(count, **{**own, **columns})


# ---- one response a call -------------------------------------------------------------------------------------------------


def test_the_question_comes_with_the_row(run_file, settings, endpoint, tmp_path):
    """Parquet without a column for us, verl's data set; a reward needs nothing else."""
    row = {
        "data_source": "geo",
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of France?"}],
        "reward_model": {"style": "rule", "ground_truth": "Paris"},
    }
    Dataset.from_list([row, row]).to_parquet(tmp_path / "train.parquet")
    config = settings("data.filter_overlong_prompts=False", f"+data.cache_dir={tmp_path}", config=run_file(RUBRIC))
    items = RLHFDataset(str(tmp_path / "train.parquet"), tokenizer(config), config.data)
    columns = {name: [item[name] for item in items] for name in ("data_source", "reward_model", "extra_info", "raw_prompt")}
    made = scored(loaded(config), batch(config, ["It is Paris.", "It is Rome."], **columns))
    assert [o["reward_score"] for o in made] == [1.0, 0.0]
    assert all("Capital of France?" in text for text in endpoint.asked)
    assert len(endpoint.asked) == 4  # two criteria


def test_the_same_columns_as_the_function_gives(run_file, settings, model):
    """One can take the place of the other, metrics included; an answer that a filter stops, a failure, and the rest."""
    policy = {"config": run_file(RUBRIC), "on_no_verdict": "constant", "constant": 0.5}
    texts = ["It is Paris.", "It is Rome.", "...", "It is Oslo."]
    ours = scored(loaded(settings(**policy)), batch(settings(**policy), texts, **rows(4)))
    function = verl_run.settings_of(model, **policy)
    theirs = scored(loaded(function), batch(function, texts))
    assert [o["reward_score"] for o in ours] == [1.0, 0.0, 0.0, 0.5]
    assert [o["reward_extra_info"].keys() for o in ours] == [o["reward_extra_info"].keys() for o in theirs]
    for each in (*ours, *theirs):
        del each["reward_extra_info"]["judge/latency_s"]  # a clock's
    assert ours == theirs
    rewards, columns = extract_reward(RewardLoopManager(settings(**policy)).compute_rm_score(batch(function, texts, **rows(4))))
    assert rewards.sum(-1).tolist() == [1.0, 0.0, 0.0, 0.5]
    assert [c for c in columns if c != "judge/latency_s"] == list(ours[0]["reward_extra_info"])


def test_a_step_with_a_failed_judgement(run_file, settings):
    """The response is left out, as with the function: raised in the worker, counted by verl."""
    config = settings(config=run_file())
    assert rollout(config, ["It is Paris.", "It is Oslo.", "It is Rome."], extra_info=[{}]) == {"uid0": "failure"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    assert trained(config, kept) == {"uid0_0_0": math.sqrt(0.5), "uid0_2_0": -math.sqrt(0.5)}


def test_lengths_are_the_policys_tokens(run_file, settings):
    """A token a byte, and the end token: over 14 a penalty grows to 1 at 24. An endpoint has no tokenizer to count with."""
    config = settings(config=run_file(OVERLONG))
    texts = ["It is Paris", "It is Paris, yes.", "It is Paris, of course"]  # 12, 18 and 23 tokens
    made = scored(loaded(config), batch(config, texts, **rows(3)))
    assert [o["reward_score"] for o in made] == [pytest.approx(v, abs=1 / 64) for v in (1.0, 0.6, 0.1)]
    with real(config={"reward": {"shape": [{"kind": "overlong", "limit": 24, "cache": 10}]}}) as (url, _):
        config = settings(server=url)
        made = scored(loaded(config), batch(config, texts, **rows(3)))
    assert [o["reward_score"] for o in made] == [pytest.approx(v, abs=1 / 64) for v in (1.0, 0.6, 0.1)]


def test_only_the_last_output_of_an_agent_loop(run_file, settings, endpoint):
    """It may give several for one response; verl takes the last one's reward for all."""
    config = settings(config=run_file())
    made = asyncio.run(loaded(config).run_single(batch(config, ["It is Rome.", "It is Paris."], **rows(2))))
    assert made["reward_score"] == 1.0
    assert len(endpoint.asked) == 1


def test_fields_of_the_row(run_file, settings, endpoint):
    """`question` and `reference` name keys of `extra_info`; what an agent loop says of its response counts there, too."""
    path = run_file(RUBRIC)
    config = settings(config=path, question="short", reference="city")
    columns = rows(1, extra_info=[{"short": "Which city?"}], tool_extra_fields=[{"city": "Paris", "context": "It has a tower."}])
    scored(loaded(config), batch(config, ["It is Paris."], **columns))
    assert all("Which city?" in text and "Capital of France?" not in text for text in endpoint.asked)
    with pytest.raises(DataError, match="add `asked`"):
        scored(loaded(settings(config=path, question="asked")), batch(config, ["It is Paris."], **columns))


def test_the_judge_that_verl_serves(run_file, settings, endpoint):
    """Where it is enabled, verl calls a manager only if there is a function as well."""
    enabled = "reward.reward_model.enable=true"
    function = "reward.custom_reward_function.path=pkg://judge.adapters.verl"
    address = endpoint.url.removeprefix("http://").removesuffix("/v1")
    settings = partial(settings, config=run_file(), use_router=True)
    manager = loaded(settings(enabled, function), reward_router_address=address, reward_model_tokenizer=None)
    assert scored(manager, batch(settings(), ["It is Paris."], **rows(1)))[0]["reward_score"] == 1.0
    with pytest.raises(SettingsError, match="verl passes no router"):
        loaded(settings())
    with pytest.raises(SettingsError, match="verl asks that model"):
        loaded(settings(enabled))


# ---- what is refused when it is made -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "options", "says"),
    [
        pytest.param([], {"reference_key": "x"}, "no option `reference_key`; did you mean `reference`", id="mistyped"),
        pytest.param([], {"on_no_verdict": "impute_group_mean"}, "`impute_group_mean` is not supported", id="policy"),
        pytest.param(
            ["reward.custom_reward_function.path=pkg://math", "reward.custom_reward_function.name=sqrt"],
            {},
            "would never be called",
            id="function",
        ),
        pytest.param(
            ["+reward.custom_reward_function.reward_kwargs.name=x"], {}, "options are `reward.reward_kwargs`", id="elsewhere"
        ),
    ],
)
def test_what_would_be_passed_over(run_file, settings, lines, options, says):
    """verl checks none of these, and each would train on something else than was meant."""
    with pytest.raises(SettingsError, match=says):
        loaded(settings(*lines, config=run_file(), **options))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("recipe: pairwise\nrubric: helpfulness\ngroup: {schedule: swiss}\n", id="tournament"),
        pytest.param("recipe: verifier\nreward: {shape: [{kind: rank}]}\n", id="shape"),
        pytest.param("recipe: verifier\non_no_verdict: group_mean\n", id="group-mean"),
    ],
)
def test_group_members_need_a_server(run_file, settings, text):
    """They are in other processes."""
    with pytest.raises(SettingsError, match=r"group members meet at a server, with `reward\.reward_kwargs\.server`"):
        loaded(settings(config=run_file(text)))


# ---- groups, at a server -------------------------------------------------------------------------------------------------


def test_group_members_meet_at_the_server(settings):
    """A usual data set and agent loop; any worker; each response gets its own place, and the advantages follow."""
    script = longest()
    with real(script, config=LONGEST) as (url, _):
        config = settings(server=url)
        found = rollout(config, ANSWERS, ANSWERS[::-1], extra_info=[{}, {}])
    assert found == {"uid0": "finished", "uid1": "finished"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 2)
    scores = tq.kv_batch_get(kept.keys, "train", ["rm_scores"])["rm_scores"].unbind()
    assert asked(script) == 24  # 6 pairs, both orders, two groups
    assert {key: values.sum().item() for key, values in zip(kept.keys, scores, strict=True)} == {
        f"uid{group}_{i}_0": pytest.approx(value)
        for group, row in enumerate((PLACES, PLACES[::-1]))
        for i, value in enumerate(row)
    }
    deviation = np.std(PLACES, ddof=1)
    assert trained(config, kept)["uid0_1_0"] == pytest.approx(0.5 / deviation, abs=1e-4)


@pytest.mark.parametrize(("step", "status"), [pytest.param(9, "finished", id="later"), pytest.param(3, "failure", id="same")])
def test_a_prompt_that_is_rolled_out_again(settings, step, status):
    """As after a checkpoint: the same `uid` with other responses, of a later step. Of one step, the broker knows the first."""
    script = longest()
    with real(script, config=LONGEST) as (url, _):
        assert rollout(settings(server=url), ANSWERS) == {"uid0": "finished"}
        assert rollout(settings(server=url), ANSWERS[::-1], step=step) == {"uid0": status}
    assert asked(script) == 12  # the same pairs, whoever stands first: the replies are kept


@pytest.mark.parametrize(
    ("said", "calls", "looks"),
    [
        pytest.param(ANSWERS, 12, [0], id="as-many"),
        pytest.param(ANSWERS[:2], 2, [1, 2], id="fewer"),
        pytest.param([*ANSWERS, "answer aaaaaa."], 20, [1, 2], id="more"),
    ],
)
def test_validation_has_a_size_of_its_own(settings, monkeypatch, said, calls, looks):
    """No row says that it is validation: the store is asked, once a worker, and only where the two sizes differ."""
    script, looked = longest(), []
    list_of = tq.kv_list
    monkeypatch.setattr(tq, "kv_list", lambda *which: looked.append(which) or list_of(*which))
    with real(script, SOON, config=LONGEST) as (url, _):
        config = settings("actor_rollout_ref.rollout.n=4", server=url)
        assert rollout(config, said, validate=True) == {"uid0": "finished"}
        assert looked.count(("val",)) in looks
        assert asked(script) == calls
        verl_cluster.end()
        assert rollout(config, ANSWERS, step=4) == {"uid0": "finished"}
    assert earned() == dict(enumerate(PLACES))


def test_a_single_response_waits_for_nobody(settings):
    """verl's default for validation, `val_kwargs.n: 1`: judged alone, also while the run trains on groups."""
    with real(settings=SOON) as (url, _):
        config = settings("actor_rollout_ref.rollout.n=4", server=url)
        assert rollout(config, ["It is Paris."], validate=True) == {"uid0": "finished"}
        verl_cluster.end()
        assert rollout(config, ["It is Paris.", "It is Rome."]) == {"uid0": "finished"}


def test_a_group_member_that_never_comes(settings):
    """Its agent loop failed, say. All fail with it, since a partial ranking would be trained on."""
    with real(longest(), SOON, config=LONGEST) as (url, _):
        config = settings("actor_rollout_ref.rollout.n=4", server=url)
        with pytest.raises(NoVerdictError, match="missing: 3"):
            scored(loaded(config), batch(config, ANSWERS[:3], **members(3)))


def test_the_servers_group_mean(settings):
    """The whole group is known there: `on_no_verdict: group_mean` is for the server's run file."""
    with real(config={"on_no_verdict": "group_mean"}) as (url, _):
        config = settings("actor_rollout_ref.rollout.n=3", server=url)
        made = scored(loaded(config), batch(config, ["It is Paris.", "GARBAGE", "It is Rome."], **members(3)))
    assert [o["reward_score"] for o in made] == [1.0, 0.5, 0.0]
    assert advantages([o["reward_score"] for o in made], "aaa")[1] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("policy", [{}, {"on_no_verdict": "constant", "constant": 0.25}], ids=["raise", "constant"])
def test_one_of_a_group_without_a_reward(settings, policy):
    """The others keep theirs."""
    with real() as (url, _):
        config = settings("actor_rollout_ref.rollout.n=3", server=url, **policy)
        assert rollout(config, ["It is Paris.", "GARBAGE", "It is Rome."]) == {"uid0": "finished" if policy else "failure"}
    assert earned() == ({0: 1.0, 1: 0.25, 2: 0.0} if policy else {0: 1.0, 2: 0.0})


def test_a_trainer_that_numbers_no_responses(settings):
    """The older ones pass `uid` alone. Judged alone instead, a response would be ranked among one."""
    with real(longest(), config=LONGEST) as (url, _):
        config = settings("actor_rollout_ref.rollout.n=4", server=url)
        with pytest.raises(DataError, match=r"of verl's v1 trainer, and here these are \[None, 'u', None\]"):
            scored(loaded(config), batch(config, ["answer a."], **rows(1, uid=["u"])))
    with real() as (url, _):
        config = settings("actor_rollout_ref.rollout.n=4", server=url, grouped=False)
        made = scored(loaded(config), batch(config, ["It is Paris.", "It is Rome."], **rows(2, uid=["u", "u"])))
    assert [o["reward_score"] for o in made] == [1.0, 0.0]
