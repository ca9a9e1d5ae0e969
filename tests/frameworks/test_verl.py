"""`judge.adapters.verl` under verl 0.9.1 itself: its configuration, loader, reward managers, reward loop, v1 rollout worker,
replay buffer and advantages.

Not real: ray and transfer_queue (`verl_cluster.py`), the policy (`verl_run.py`: an agent loop that says what its row holds), and
the judge behind the endpoint or server.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import runpy
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from judge.adapters._shared.metrics import metric_names
from judge.engine.scripted import ScriptedEngine
from judge.errors import NoVerdictError, SettingsError
from judge.settings.server import GroupServing, ServerSettings
from tests.adapters.stand_ins import RUBRIC, prefers_longer
from tests.client.harness import real
from tests.fake_endpoint import Canned
from tests.frameworks import verl_cluster, verl_run
from tests.frameworks.verl_run import advantages, batch, buffer, loaded, rollout, scored, tokenizer, trained

import ray  # isort: skip  # after `verl_run`, which puts it there
import transfer_queue as tq  # isort: skip
from datasets import Dataset  # isort: skip
from verl.experimental.reward_loop import RewardLoopManager  # isort: skip
from verl.experimental.reward_loop.reward_manager import RateLimitedRewardManager  # isort: skip
from verl.trainer.ppo.reward import extract_reward  # isort: skip
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync  # isort: skip
from verl.utils.dataset.rl_dataset import RLHFDataset  # isort: skip

pytestmark = pytest.mark.filterwarnings("default")

COLUMNS = ["score", *metric_names((), "judge")]
CRITERIA = ["judge/missing_criteria", "judge/criterion/right", "judge/criterion/brief"]
LONGEST = {"recipe": "pairwise", "group": {"schedule": "round_robin"}}
THIRD = 1 / 3
EXAMPLE = Path(__file__).parents[2] / "examples/verl/add_question.py"


@pytest.fixture(autouse=True)
def limits(ended):
    RateLimitedRewardManager._class_initialized = False  # they are the process's


@pytest.fixture
def settings(model):
    return partial(verl_run.settings_of, model)


# ---- loader and managers -------------------------------------------------------------------------------------------------


def test_the_version():
    """The facts below are of this one."""
    assert version("verl") == "0.9.1"


@pytest.mark.parametrize(
    ("manager", "more"),
    [
        pytest.param("naive", [], id="naive"),
        pytest.param("dapo", [], id="dapo"),
        pytest.param("gdpo", [], id="gdpo"),
        pytest.param("rate_limited", ["+reward.max_concurrent=8"], id="rate_limited"),
    ],
)
def test_every_manager_awaits_it(run_file, settings, manager, more):
    """Found by `pkg://`, taken for asynchronous, given the text without its end token; the keys are the same for all."""
    config = settings(f"reward.reward_manager.name={manager}", *more, config=run_file(RUBRIC))
    made = loaded(config)
    assert made.is_async_reward_score
    outputs = scored(made, batch(config, ["It is Paris.", "It is Rome.", "\u200b"]))
    assert [o["reward_score"] for o in outputs] == [1.0, 0.0, 0.0]
    assert [o["reward_extra_info"]["judge/filtered"] for o in outputs] == [0.0, 0.0, 1.0]
    assert [[k for k in o["reward_extra_info"] if k != "acc"] for o in outputs] == [[*COLUMNS, *CRITERIA]] * 3


def test_the_remote_manager_takes_no_asynchronous_function(run_file, settings):
    """So it is not for this adapter: verl says so when it starts."""
    with pytest.raises(AssertionError, match="Async reward score is not supported in remote reward manager"):
        loaded(settings("reward.reward_manager.name=remote", config=run_file()))


def test_settings_inside_of_verls_own(run_file, settings, endpoint):
    """OmegaConf's containers are not dicts and lists: a run's settings may be written there, and its overrides."""
    engine = {"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    config = settings(config={"recipe": "verifier", "engine": engine}, overrides=[f"engine.base_url={endpoint.url}"])
    [made] = scored(loaded(config), batch(config, ["It is Paris."]))
    assert made["reward_score"] == 1.0


def test_the_judge_that_verl_serves(run_file, settings, endpoint):
    """With `reward.reward_model.enable` verl passes its router's address, and a tokenizer that nobody needs."""
    path = Path(run_file())
    path.write_text(path.read_text().replace(endpoint.url, "http://127.0.0.1:9/v1"))
    config = settings(config=str(path), use_router=True)
    address = endpoint.url.removeprefix("http://").removesuffix("/v1")
    manager = loaded(config, reward_router_address=address, reward_model_tokenizer=tokenizer(config))
    assert scored(manager, batch(config, ["It is Paris."]))[0]["reward_score"] == 1.0
    with pytest.raises(SettingsError, match="verl passes no router"):
        scored(loaded(config), batch(config, ["It is Paris."]))


def test_the_question_through_verls_data_set(run_file, settings, endpoint, tmp_path):
    """`examples/verl/add_question.py`, parquet, verl's data set; arrow fills what one row has and the other has not with None."""
    with_question = runpy.run_path(str(EXAMPLE))["with_question"]
    rubric = json.dumps({"criteria": [{"id": "right", "text": "It names a city on the Seine."}]})
    rows = [
        {
            "data_source": "geo",
            "prompt": [{"role": "user", "content": f"Capital of {land}?"}],
            "reward_model": {"style": "rule", "ground_truth": "Paris"},
            "extra_info": {"index": i, **more},
        }
        for i, (land, more) in enumerate([("France", {}), ("Gaul", {"rubric": rubric})])
    ]
    Dataset.from_list(rows).map(with_question).to_parquet(tmp_path / "train.parquet")
    config = settings("data.filter_overlong_prompts=False", f"+data.cache_dir={tmp_path}", config=run_file(RUBRIC))
    items = RLHFDataset(str(tmp_path / "train.parquet"), tokenizer(config), config.data)
    columns = {name: [item[name] for item in items] for name in ("data_source", "reward_model", "extra_info")}
    assert columns["extra_info"][0]["rubric"] is None
    outputs = scored(loaded(config), batch(config, ["It is Paris.", "It is Paris, too."], **columns))
    assert [o["reward_score"] for o in outputs] == [1.0, 1.0]
    asked = [str(body["messages"]) for body in endpoint.fake.bodies]
    assert ["France" in a for a in asked if "Seine" not in a] == [True, True]  # a call a criterion
    assert ["Gaul" in a for a in asked if "Seine" in a] == [True]


def test_calls_overlap_where_verl_lets_them(run_file, settings, endpoint):
    """A judge is slow; `rate_limited` asks it one by one unless told otherwise, `naive` all at once."""
    endpoint.reply = lambda body: Canned("RESPONSE SAYS: It is Paris\nVERDICT: CORRECT", delay_s=0.2)
    took = {}
    for name in ("naive", "rate_limited"):
        config = settings(f"reward.reward_manager.name={name}", config=run_file())
        manager, data = loaded(config), batch(config, [f"It is Paris {k} {name}." for k in range(6)])
        started = time.monotonic()
        scored(manager, data)
        took[name] = time.monotonic() - started
    assert took["rate_limited"] > 1.2
    assert took["naive"] < took["rate_limited"] / 2


# ---- the reward loop -----------------------------------------------------------------------------------------------------


def test_the_loop_packs_scores_and_columns(run_file, settings):
    """Five rows over two workers, so that verl pads: each score at its response's last token, the figures as columns."""
    config = settings(config=run_file(RUBRIC))
    texts = ["\u200b", "It is Paris.", "It is Rome.", "It is Paris, of course.", "No."]
    data = batch(config, texts)
    rewards, columns = extract_reward(RewardLoopManager(config).compute_rm_score(data))
    assert rewards.sum(-1).tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    assert rewards.nonzero().tolist() == [[1, len(texts[1])], [3, len(texts[3])]]
    assert list(columns) == [*COLUMNS, *CRITERIA]
    assert columns["judge/calls"].tolist() == [0, 2, 2, 2, 2]
    assert {values.dtype for values in columns.values()} == {np.dtype("float64")}


def test_a_missing_verdict_reaches_the_trainer(run_file, settings):
    """verl does not swallow it: with a judge in the trainer's own place (`_compute_reward_colocate`) the step ends there."""
    config = settings(config=run_file())
    with pytest.raises(NoVerdictError, match="judge: no reward: missing"):
        RewardLoopManager(config).compute_rm_score(batch(config, ["It is Paris.", "It is Oslo."]))


def test_a_declared_constant_keeps_the_group(run_file, settings):
    """The group members' mean is then of what was declared, and a column says how often."""
    config = settings(config=run_file(RUBRIC), on_no_verdict="constant", constant=0.5)
    data = batch(config, ["It is Oslo.", "It is Paris.", "It is Rome."])
    rewards, columns = extract_reward(RewardLoopManager(config).compute_rm_score(data))
    assert columns["judge/missing"].tolist() == [1, 0, 0]
    assert columns["judge/missing_criteria"].tolist() == [2, 0, 0]
    assert all(math.isfinite(v) for values in columns.values() for v in values)
    assert advantages(rewards.sum(-1).tolist(), "aaa") == pytest.approx([0.0, 1.0, -1.0], abs=1e-4)


def test_why_nothing_else_is_returned(settings, tmp_path):
    """Its own lines: NaN spreads over the group, None does not pack, and keys are those of the first sample."""
    (tmp_path / "other.py").write_text(
        "def compute_score(solution_str, **_):\n"
        "    return {'nan': float('nan'), 'none': None, 'bare': 1.0}.get(solution_str, {'score': 1.0, 'more': 2.0})\n"
    )
    config = settings(f"reward.custom_reward_function.path={tmp_path / 'other.py'}")
    loop = RewardLoopManager(config)
    rewards, _ = extract_reward(loop.compute_rm_score(batch(config, ["nan", "bare", "bare"])))
    assert all(map(math.isnan, advantages(rewards.sum(-1).tolist(), "aaa")))
    with pytest.raises(TypeError):
        loop.compute_rm_score(batch(config, ["none"]))
    with pytest.raises(KeyError, match="score"):
        loop.compute_rm_score(batch(config, ["full", "bare"]))


@pytest.mark.parametrize("texts", [["It is Oslo.", "It is Paris."], ["It is Paris.", "It is Oslo."]], ids=["first", "later"])
def test_rate_limited_makes_a_failure_a_grade(run_file, settings, texts):
    """Why the documentation says `naive`: what raises is 0.0 under other keys there, which the loop cannot pack."""
    config = settings("reward.reward_manager.name=rate_limited", "reward.num_workers=1", config=run_file())
    loop, data = RewardLoopManager(config), batch(config, texts)
    made = ray.get(loop.reward_loop_workers[0].compute_score_batch.remote(data))
    [failed, fine] = sorted(made, key=lambda o: o["reward_score"])
    assert (failed["reward_score"], fine["reward_score"]) == (0.0, 1.0)
    assert failed["reward_extra_info"].keys() == {"error", "acc"}
    with pytest.raises(KeyError):
        loop.compute_rm_score(data)


# ---- a step of the v1 trainer --------------------------------------------------------------------------------------------


def test_a_step(run_file, settings):
    """From a response to its advantage; the figures lie beside the response."""
    config = settings(config=run_file())
    texts = ["It is Paris.", "It is Rome.", "It is Paris, of course.", "It is Bonn."]
    assert rollout(config, texts) == {"uid0": "finished"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    half = math.sqrt(3) / 2
    assert trained(config, kept) == {"uid0_0_0": half, "uid0_1_0": -half, "uid0_2_0": half, "uid0_3_0": -half}
    infos = [each["reward_extra_info"] for each in tq.kv_batch_get(kept.keys, "train", ["extra_fields"])["extra_fields"]]
    assert [info["judge/calls"] for info in infos] == [1.0] * 4
    assert list(infos[0]) == COLUMNS


def test_a_failed_judgement_in_the_synchronous_trainer(run_file, settings):
    """verl's default: the prompt is marked, and its other responses are trained on as if there were no fourth."""
    config = settings(config=run_file())
    assert rollout(config, ["It is Paris.", "It is Oslo.", "It is Rome.", "It is Bonn."]) == {"uid0": "failure"}
    refilled = []
    kept, _ = buffer(ReplayBuffer, refilled, sync_refill_failed_groups=True).sample(3, "train", 1)
    high, low = (1 - THIRD) / math.sqrt(THIRD), -THIRD / math.sqrt(THIRD)
    assert trained(config, kept) == {"uid0_0_0": high, "uid0_2_0": low, "uid0_3_0": low}
    assert refilled == []  # the option is for groups of which nothing is left


def test_the_last_of_a_group_is_trained_on_its_bare_score(run_file, settings):
    """verl takes mean 0 and deviation 1 for a group of one: what a judge that fails often leads to."""
    config = settings(config=run_file())
    rollout(config, ["It is Oslo.", "It is Paris."])
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 1)
    assert trained(config, kept) == {"uid0_1_0": 1.0}


def test_nothing_left_of_a_group(run_file, settings):
    """With the option, verl draws another prompt; without, the step ends with what to set."""
    rollout(settings(config=run_file()), ["It is Oslo.", "It is Oslo, too."])
    with pytest.raises(RuntimeError, match=r"Enable trainer\.v1\.sampler\.sync_refill_failed_groups"):
        buffer(ReplayBuffer, []).sample(3, "train", 1)
    verl_cluster.end()
    rollout(settings(config=run_file()), ["It is Oslo.", "It is Oslo, too."])
    refilled = []
    with pytest.raises(InterruptedError):
        buffer(ReplayBuffer, refilled, sync_refill_failed_groups=True).sample(3, "train", 1)
    assert refilled == [1]


def test_a_mistake_is_only_in_the_log(run_file, settings, caplog):
    """Every call fails alike, and verl goes on to the next prompt: why to run `judge preflight` first."""
    config = settings(config=run_file(RUBRIC), question="asked")
    assert rollout(config, ["It is Paris."], ["It is Rome."]) == {"uid0": "failure", "uid1": "failure"}
    assert "add `asked`" in caplog.text
    refilled = []
    with pytest.raises(InterruptedError):
        buffer(ReplayBufferAsync, refilled).sample(3, "train", 1)
    assert refilled == [2]


def test_a_failed_judgement_in_an_asynchronous_trainer(run_file, settings):
    """The whole group goes, and another prompt is drawn in its place; the one beside it stays."""
    config = settings(config=run_file())
    found = rollout(config, ["It is Paris.", "It is Oslo."], ["It is Paris.", "It is Rome."])
    assert found == {"uid0": "failure", "uid1": "finished"}
    refilled = []
    with pytest.raises(InterruptedError):
        buffer(ReplayBufferAsync, refilled).sample(3, "train", 1)
    assert refilled == [1]
    assert {key.split("_")[0] for key in tq.kv_list()["train"]} == {"uid1"}
    kept, _ = buffer(ReplayBufferAsync, refilled).sample(3, "train", 1)
    assert trained(config, kept) == {"uid1_0_0": math.sqrt(0.5), "uid1_1_0": -math.sqrt(0.5)}


# ---- groups, at a server -------------------------------------------------------------------------------------------------


def longest():
    return ScriptedEngine(lambda request: prefers_longer("\n".join(m.content for m in request.messages)))


GROUPED = {"group": "judge_group", "group_size": 4}


@pytest.mark.parametrize(
    ("source", "more"),
    [
        pytest.param("named", [], id="agent-loop"),
        pytest.param(
            "geo",
            ["source=importlib", f"module.path=pkg://{verl_run.__name__}", "name=Naming"],
            id="reward-manager",
        ),
    ],
)
def test_group_members_meet_at_the_server(settings, source, more):
    """Drawn to any worker, each alone; judged as one group, by keys that an agent loop or a reward manager writes."""
    script = longest()
    with real(script, config=LONGEST) as (url, _):
        config = settings(*(f"reward.reward_manager.{line}" for line in more), server=url, **GROUPED)
        texts = [f"answer {a}." for a in ("aaa", "aaaaa", "aa", "aaaa")]
        assert rollout(config, texts, texts[::-1], source=source) == {"uid0": "finished", "uid1": "finished"}
    kept, _ = buffer(ReplayBuffer, []).sample(3, "train", 2)
    scores = tq.kv_batch_get(kept.keys, "train", ["rm_scores"])["rm_scores"].unbind()
    place = [THIRD, 1.0, 0.0, 2 * THIRD]
    assert sum("answer a" in str(request.messages) for request in script.requests) == 24
    assert {key: values.sum().item() for key, values in zip(kept.keys, scores, strict=True)} == {
        f"uid{group}_{i}_0": pytest.approx(value) for group, row in enumerate((place, place[::-1])) for i, value in enumerate(row)
    }


def test_a_group_member_that_never_comes(settings):
    """All the rest of its group fail with it: a partial ranking would be trained on, since verl's default keeps what is left."""
    waiting = ServerSettings(group=GroupServing(size=3, incomplete_s=0.3))
    with real(longest(), waiting, config=LONGEST) as (url, _):
        config = settings(server=url, group="judge_group")
        assert rollout(config, ["answer a.", "answer aa."], source="named") == {"uid0": "failure"}
    assert list(tq.kv_list()["train"]) == ["uid0"]


def _elsewhere(pipe, config, data):
    url = pipe.recv()
    config.reward.custom_reward_function.reward_kwargs.server = url
    pipe.send([o["reward_score"] for o in scored(loaded(config), data)])


def test_group_members_in_two_processes(settings):
    """Two of them are scored in a process of their own, as under ray."""
    config = settings(server="", **GROUPED)
    texts = [f"answer {a}." for a in ("aaa", "aaaaa", "aa", "aaaa")]
    infos = [{"question": "Which is longest?", "judge_group": "3.p", "judge_index": np.int64(i)} for i in range(4)]
    data = batch(config, texts, extra_info=infos)
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_elsewhere, args=(there, config, data[2:]), daemon=True)
    process.start()
    try:
        with real(longest(), config=LONGEST) as (url, _):
            here.send(url)
            config.reward.custom_reward_function.reward_kwargs.server = url
            mine = [o["reward_score"] for o in scored(loaded(config), data[:2])]
            assert here.poll(30)
            assert [*mine, *here.recv()] == [pytest.approx(v) for v in (THIRD, 1.0, 0.0, 2 * THIRD)]
    finally:
        process.kill()
        process.join(10)
