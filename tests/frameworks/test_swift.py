"""ms-swift 4.6.0's own reward path: plugin import, registry, `_prepare_rewards`, samples, `score_completions`, advantages.

Real: all of these, on CPU tensors, and trl 0.29.1 below them. Not real: policy and rollouts (samples are made by hand), groups
over processes, and modelscope (69 MB), of which only names are imported here: nothing on this path calls it.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

for part in "", ".hub", ".hub.api", ".hub.constants", ".hub.file_download", ".hub.utils", ".hub.utils.utils":
    sys.modules[f"modelscope{part}"] = MagicMock(__path__=[], __spec__=None)
for part in ".utils", ".utils.logger", ".utils.config_ds":
    sys.modules[f"modelscope{part}"] = MagicMock(__path__=[], __spec__=None)
sys.modules["modelscope.hub.utils.utils"].get_cache_dir = tempfile.gettempdir  # joined to paths when swift is imported
sys.modules["modelscope.utils.config_ds"].MS_CACHE_HOME = tempfile.gettempdir()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # theirs, and torch's
    import torch
    from swift.arguments.base_args.base_args import BaseArguments
    from swift.rewards import orms
    from swift.rl_core.advantage import compute_advantages, compute_advantages_dynamic, compute_reward_metrics
    from swift.rl_core.data import GRPOSample
    from swift.rl_core.grpo_algorithm import compute_rewards_per_func, score_completions
    from swift.rlhf_trainers.grpo_trainer import GRPOTrainer

from judge.adapters.swift import AsyncJudgeORM, JudgeORM, register  # noqa: E402
from judge.errors import DataError, NoVerdictError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # those of swift, trl and torch are not ours

CPU = torch.device("cpu")
STATE = SimpleNamespace(global_step=3)
GROUP = ("It is Paris.", "It is Oslo.", "It is Rome.", "It is Rome!")  # right, no verdict, wrong, wrong
SILENT = ("It is Oslo.",) * 4
CONSTANT = "recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n"


def samples(*replies, question="Capital of France?", prompt_id="p", **columns):
    """Rows after a rollout, as swift's data loader and `apply_rollout_output` leave them."""
    return [
        GRPOSample.from_row(
            {
                "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}],
                "solution": "Paris", "prompt_id": prompt_id, "request_id": f"{prompt_id}{i}", "finish_reason": "stop",
                "response_token_ids": [[1, 2], [3]], **columns,
            }
        )
        for i, reply in enumerate(replies)
    ]  # fmt: skip


def scored(functions, rows, **more):
    """One step's rewards, (rows, functions)."""
    return score_completions(rows, functions, None, False, CPU, trainer_state=STATE, **more)


def advantages(rewards, size=4, **options):
    return compute_advantages(rewards, torch.ones(rewards.shape[1]), size, **options)[0]


@pytest.fixture
def orm(run_file):
    made = JudgeORM(SimpleNamespace(num_generations=4), run_file())
    yield made
    made.close()


def prepared(names, **settings):
    """`--reward_funcs NAMES` as the trainer's `__init__` reads it."""
    args = SimpleNamespace(num_generations=4, reward_weights=None, **settings)
    trainer = SimpleNamespace(args=args, accelerator=SimpleNamespace(device=CPU), use_gym_env=False)
    GRPOTrainer._prepare_rewards(trainer, names)
    return trainer


def test_a_plugin_file(run_file, tmp_path, monkeypatch):
    """`--external_plugins plugin.py --reward_funcs facts`: found, built with the trainer's arguments, logged under its name."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    plugin = tmp_path / "plugin.py"
    plugin.write_text('from judge.adapters.swift import register\n\nregister("facts")\n')
    BaseArguments._import_external_plugins(SimpleNamespace(external_plugins=str(plugin), custom_register_path=[]))
    assert issubclass(orms["facts"], JudgeORM)
    trainer = prepared(["facts"])
    assert trainer.reward_func_names == ["facts"]
    found = scored(trainer.reward_funcs, samples(*GROUP))
    assert found[:, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])
    metrics = compute_reward_metrics(found[:, 0], found, trainer.reward_func_names, 4, "group")
    assert metrics.per_func_mean == {"facts": pytest.approx(1 / 3)}
    trainer.reward_funcs[0].close()
    del orms["facts"]


def test_beside_a_reward_of_its_own(run_file, monkeypatch):
    """Two columns; the failed row's total is what swift's own function gives it, and the mean of its group."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    register("facts")
    trainer = prepared(["format", "facts"])
    assert trainer.reward_func_names == ["Format", "facts"]
    found = scored(trainer.reward_funcs, samples(*GROUP))
    assert found.flatten().tolist() == pytest.approx([0.0, 1.0, 0.0, 1 / 3, 0.0, 0.0, 0.0, 0.0])
    trainer.reward_funcs[1].close()
    del orms["facts"]


def test_what_none_would_be():
    """The trap: a silent judge costs the response as much as a wrong answer, and moves the rest of its group."""
    found = scored([lambda completions, **_: [0.0, 1.0, None, 3.0]], samples(*GROUP))
    assert torch.isnan(found[:, 0]).tolist() == [False, False, True, False]
    assert advantages(found).tolist() == pytest.approx([-0.7071, 0.0, -0.7071, 1.4141], abs=1e-3)


def test_a_failed_judgement_moves_nobody(orm):
    """Its advantage is 0, and the others' deviations from the mean are those of a group that never had it."""
    found = scored([orm], samples(*GROUP))
    plain = advantages(found, scale_rewards="none")
    assert plain.tolist() == pytest.approx([2 / 3, 0.0, -1 / 3, -1 / 3])
    alone = advantages(found[[0, 2, 3]], size=3, scale_rewards="none")
    assert plain[[0, 2, 3]].tolist() == pytest.approx(alone.tolist())
    scaled = advantages(found)  # by a deviation of 0.4714 instead of 0.5774
    assert scaled.tolist() == pytest.approx([1.4139, 0.0, -0.7070, -0.7070], abs=1e-3)
    by_id = compute_advantages_dynamic(found, torch.ones(1), ["p"] * 4, [str(i) for i in range(4)])[0]
    assert by_id.tolist() == pytest.approx(scaled.tolist())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="grpo"),
        pytest.param({"advantage_estimator": "rloo"}, id="rloo"),
        pytest.param({"advantage_estimator": "reinforce_plus_plus", "scale_rewards": "batch"}, id="reinforce-batch"),
    ],
)
def test_a_silent_group(orm, options):
    """A group without any verdict trains nothing, and the group beside it has what it has alone."""
    rows = [*samples(*GROUP), *samples(*SILENT, question="And of Norway?", prompt_id="q")]
    found = scored([orm], rows)
    assert torch.isnan(found[4:, 0]).all()
    both = advantages(found, **options)
    assert both[4:].tolist() == [0.0] * 4
    if options.get("scale_rewards") != "batch":  # which is over all groups
        assert both[:4].tolist() == pytest.approx(advantages(found[:4], **options).tolist())
    assert both[1] == pytest.approx(0.0, abs=1e-6)


def test_a_silent_group_beside_trajectories(orm):
    """Multi-turn with a rollout server: a row that is None would end the run in swift's own warning about it."""
    rows = samples(*SILENT)
    inputs = {"trajectory_inputs": {s.request_id: [s.to_reward_row()] for s in rows}}
    with pytest.raises(KeyError):
        scored([lambda completions, **_: [None] * 4], rows, extra_reward_kwargs=inputs)
    found = scored([orm], rows, extra_reward_kwargs=inputs)
    assert advantages(found).tolist() == [0.0] * 4
    mixed = samples(*GROUP)
    inputs = {"trajectory_inputs": {s.request_id: [s.to_reward_row()] for s in mixed}}
    assert scored([orm], mixed, extra_reward_kwargs=inputs)[:, 0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


def test_a_rollout_in_several_rows(orm, endpoint):
    """A scheduler that cuts rollouts: swift would end the run after the judge was paid, unless all got the same."""
    rows = samples(*GROUP)
    inputs = {"trajectory_inputs": {"one": [s.to_reward_row() for s in rows[:2]]}}
    asked = len(endpoint.asked)
    with pytest.raises(DataError, match="cut the rollout one into 2 rows"):
        scored([orm], rows, extra_reward_kwargs=inputs)
    assert len(endpoint.asked) == asked


@pytest.mark.parametrize("kind", [JudgeORM, AsyncJudgeORM])
def test_three_steps(run_file, endpoint, kind):
    """Each step of an asynchronous reward is an `asyncio.run` of its own; a second one is awaited beside it."""
    orm = kind(SimpleNamespace(num_generations=4), run_file(CONSTANT))

    async def length(completions, **_):
        return [len(c) for c in completions]

    for step in range(3):
        rows = samples(*(f"{reply} ({step})" for reply in GROUP))  # nothing comes from a cache
        asked = len(endpoint.asked)
        found = compute_rewards_per_func(rows, [orm, length], None, CPU, trainer_state=STATE)
        assert found[:, 0].tolist() == [1.0, 0.25, 0.0, 0.0]
        assert found[:, 1].tolist() == [16.0, 15.0, 15.0, 15.0]
        assert len(endpoint.asked) - asked >= 4
    orm.close()


def test_an_asynchronous_plugin(run_file, monkeypatch):
    """`register(..., asynchronous=True)` is seen as asynchronous by swift's own test, or its values would be a coroutine."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file(CONSTANT))
    register("slow", asynchronous=True)
    trainer = prepared(["slow"])
    assert trainer.reward_func_names == ["slow"]
    for _ in range(2):
        assert scored(trainer.reward_funcs, samples(*GROUP))[:, 0].tolist() == [1.0, 0.25, 0.0, 0.0]
    trainer.reward_funcs[0].close()
    del orms["slow"]


def test_raise_ends_the_run(run_file):
    """swift catches nothing, so a declared `raise` is one."""
    orm = JudgeORM(SimpleNamespace(num_generations=4), run_file("recipe: verifier\non_no_verdict: raise\n"))
    with pytest.raises(NoVerdictError, match="1 of 4 responses have no reward"):
        scored([orm], samples(*GROUP))
    assert scored([orm], samples("It is Paris.", "It is Rome."))[:, 0].tolist() == [1.0, 0.0]
    orm.close()


def test_columns(run_file, endpoint):
    """The question, and columns of the data set, reach the judge row by row; swift fills the gaps of a column with None."""
    rubric = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"
    orm = JudgeORM(SimpleNamespace(num_generations=2), run_file(rubric), reference="city")
    rows = [
        *samples("It is Paris.", "It is Rome.", city="Paris, on the Seine"),
        *samples("It is Paris!", "It is Rome!", question="Of Italy?", context="A map of Italy.", prompt_id="q"),
    ]
    assert scored([orm], rows)[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
    said = [str(body["messages"]) for body in endpoint.fake.bodies]
    assert len(said) == 4
    for question, shown in ("Capital of France?", "Paris, on the Seine"), ("Of Italy?", "A map of Italy."):
        assert sum(question in s for s in said) == 2
        assert all((question in s) == (shown in s) for s in said)
    orm.close()
