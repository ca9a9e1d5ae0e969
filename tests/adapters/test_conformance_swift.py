"""`judge.adapters.swift` under a stand-in of ms-swift's `compute_rewards_per_func`."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType, SimpleNamespace

import pytest

from judge.adapters.swift import AsyncJudgeORM, JudgeORM, register
from judge.errors import DataError, SettingsError
from tests.adapters.stand_ins import swift_rewards
from tests.fake_endpoint import Canned

ARGS = SimpleNamespace(num_generations=4)
STATE = SimpleNamespace(global_step=3)


def rows(*replies, question="Capital of France?"):
    return [
        {
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": r}],
            "solution": "Paris",
            "prompt_id": "p",
            "request_id": str(i),
            "response_token_ids": [[1, 2], [3]],
            "rollout_infos": {},
        }
        for i, r in enumerate(replies)
    ]


GROUP = ("It is Paris.", "It is Oslo.", "It is Rome.", "It is Rome!")


def test_a_missing_reward_is_the_mean_of_its_group_members(run_file):
    """None would be 0 there, as if the response were the worst."""
    orm = JudgeORM(ARGS, run_file())
    assert swift_rewards(orm, rows(*GROUP), STATE) == pytest.approx([1.0, 1 / 3, 0.0, 0.0])
    orm.close()


def test_what_none_would_be():
    """Why: its own lines."""
    assert swift_rewards(lambda completions, **_: [0.0, 1.0, None, 3.0], rows(*GROUP)) == [0.0, 1.0, 0.0, 3.0]


def test_a_group_without_any_reward(run_file):
    """All members become the same 0, which is advantage 0 for each."""
    orm = JudgeORM(ARGS, run_file())
    assert swift_rewards(orm, rows(*["It is Oslo."] * 4)) == [0.0] * 4
    orm.close()


def test_a_group_without_any_reward_beside_trajectories(run_file):
    """With `trajectory_inputs`, which has no rows, its own warning about a None would end the run."""
    orm = JudgeORM(ARGS, run_file())
    completions = ["It is Oslo."] * 4
    columns = {name: [row[name] for row in rows(*completions)] for name in ("messages", "solution")}
    assert orm(completions, **columns, trajectory_inputs={"0": []}) == [0.0] * 4
    assert orm(completions, **columns) == [None] * 4
    orm.close()


def test_two_groups_in_one_batch(run_file):
    """The mean is that of the row's own group members."""
    orm = JudgeORM(SimpleNamespace(num_generations=2), run_file())
    batch = [*rows("It is Paris.", "It is Oslo."), *rows("It is Rome.", "It is Oslo.", question="And Italy?")]
    assert swift_rewards(orm, batch) == [1.0, 1.0, 0.0, 0.0]
    orm.close()


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        pytest.param("on_no_verdict: constant\nno_verdict_constant: 0.25\n", JudgeORM, [1.0, 0.25, 0.0, 0.0], id="constant"),
        pytest.param("on_no_verdict: constant\nno_verdict_constant: 0.25\n", AsyncJudgeORM, [1.0, 0.25, 0.0, 0.0], id="async"),
    ],
)
def test_three_steps(run_file, endpoint, text, kind, values):
    """ms-swift runs asynchronous rewards in a new event loop each step: a client kept between them dies on the second."""
    orm = kind(ARGS, run_file("recipe: verifier\n" + text))
    for _ in range(3):
        assert swift_rewards(orm, rows(*GROUP)) == values
    orm.close()


def test_asynchronous_rewards_cannot_impute(run_file):
    """They cannot form groups over processes; the default there would be None, which is 0."""
    with pytest.raises(SettingsError, match="an asynchronous reward cannot form over processes"):
        AsyncJudgeORM(ARGS, run_file())


@pytest.mark.parametrize("policy", ["exclude", None])
def test_exclude_is_refused(run_file, policy):
    """ms-swift has no such thing."""
    if policy:
        with pytest.raises(SettingsError, match=r"`exclude` is not supported.*in ms-swift, None is 0"):
            JudgeORM(ARGS, run_file(), on_no_verdict=policy)


def test_tournaments(run_file, endpoint):
    """Whole groups are judged by comparing, once each."""
    endpoint.reply = lambda body: Canned("VERDICT: A")
    orm = JudgeORM(ARGS, run_file("recipe: pairwise\ngroup: {schedule: round_robin}\norder: single\n"))
    assert len(swift_rewards(orm, rows("a one", "b two", "c three", "d four"))) == 4
    orm.close()


def test_without_messages_it_says_so(run_file):
    """An older trainer that passes only completions has no question."""
    orm = JudgeORM(ARGS, run_file())
    with pytest.raises(DataError, match="no `messages`"):
        orm(["It is Paris."])
    orm.close()


def test_registering(run_file, monkeypatch):
    """A plugin file of two lines: the class is built with `args=`, by 3.x with the arguments it names; metrics have its name."""
    home = ModuleType("swift.rewards")
    home.orms = {}
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, "swift.rewards", home)
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    register("facts")
    orm = home.orms["facts"](args=ARGS)
    assert type(orm).__name__ == "facts"
    assert swift_rewards(orm, rows(*GROUP))[0] == 1.0
    orm.close()
    named = [n for n in inspect.signature(home.orms["facts"].__init__).parameters if n not in ("self", "args", "kwargs")]
    older = home.orms["facts"](**{n: getattr(ARGS, n) for n in named if hasattr(ARGS, n)})
    assert swift_rewards(older, rows(*GROUP))[0] == 1.0
    older.close()


def test_without_swift():
    """The message says what is missing."""
    with pytest.raises(SettingsError, match="ms-swift is not installed"):
        register("judge")
