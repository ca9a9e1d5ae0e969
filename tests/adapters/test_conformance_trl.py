"""What TRL, Unsloth, Axolotl's variants and AsyncGRPO demand of a reward function before and while they call it."""

from __future__ import annotations

import inspect
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from judge.adapters.trl import AsyncJudgeReward, JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError
from tests.adapters.stand_ins import TRL

REPLIES = {"It is Paris": "RESPONSE SAYS: It is Paris\nVERDICT: CORRECT", "It is Rome": "VERDICT: INCORRECT", "": "hm"}
PROMPT = [{"role": "user", "content": "Capital of France?"}]
CALL = {
    "prompts": [PROMPT] * 3,
    "completions": [[{"role": "assistant", "content": f"It is {city}."}] for city in ("Paris", "Rome", "Oslo")],
    "completion_ids": [[1, 2]] * 3,
    "answer": ["Paris"] * 3,
    "level": [1, None, 3],
    "trainer_state": None,
}


@pytest.fixture
def made():
    reward = JudgeReward({"recipe": "verifier"}, engine=ScriptedEngine(REPLIES, capabilities=frozenset()), name="facts")
    yield reward
    reward.close()


def test_what_is_read_off_it(made):
    """Metrics are registered for what owns `__name__` (Unsloth), and two named parameters are wanted (Axolotl)."""
    assert made.__dict__["__name__"] == "facts"
    assert len(inspect.signature(made).parameters) >= 2


@pytest.mark.parametrize("drop", [(), ("completion_ids", "trainer_state"), ("level",)])
def test_calls_of_every_trainer(made, drop):
    """AsyncGRPO passes no state, Axolotl's sequence-parallel trainer no token ids."""
    assert made(**{k: v for k, v in CALL.items() if k not in drop}) == [1.0, 0.0, None]


def test_the_trainers_step_reaches_the_monitor():
    """An alarm names the step of the trainer's log and checkpoints; noise is drawn anew for each, also after a resume."""
    alarms = {"canary_passed": {"action": "warn"}}
    reward = JudgeReward(
        {"recipe": "verifier", "monitor": {"alarms": alarms}}, engine=ScriptedEngine(REPLIES, capabilities=frozenset())
    )
    reward(**{**CALL, "trainer_state": SimpleNamespace(global_step=41)})
    assert reward.judge.watch.last.step == 41
    reward(**CALL)  # without a state: counted by itself
    assert reward.judge.watch.last.step == 1
    reward.close()


def test_text_where_messages_are_usual(made):
    """Unsloth passes decoded text for image runs."""
    text = {**CALL, "prompts": ["Capital of France?"] * 3, "completions": ["It is Paris.", "It is Rome.", "It is Oslo."]}
    assert made(**text) == [1.0, 0.0, None]


def test_one_function_not_several(made):
    """With a second function, TRL's default sum reads None as 0. One reward with its components in the logs has no such row."""
    rewards = np.array([[np.nan if v is None else v, 1.0] for v in made(**CALL)])
    summed = np.nansum(rewards, axis=1)
    assert summed[2] == summed[1], "TRL #: the failed row would count as the wrong one"
    assert np.isnan(rewards[:, 0])[2]


def test_metrics_have_no_nan(made):
    """TRL averages over processes: one NaN would hide the others. A figure that no row has is left out instead."""
    metrics = {}
    made(**{**CALL, "completions": [CALL["completions"][2]] * 3}, log_metric=metrics.__setitem__)
    assert "facts/raw_reward" not in metrics
    assert all(np.isfinite(v) for v in metrics.values())


def test_extra_columns_have_one_value_a_row(made):
    """A short list is accepted by TRL, and shifts the table in silence."""
    columns = {}
    made(**CALL, log_extra=columns.__setitem__)
    assert {name: len(values) for name, values in columns.items()} == {"facts_why": 3}


def test_rows_that_do_not_match(made):
    """Fewer completions than prompts is an error with both numbers."""
    with pytest.raises(DataError, match="3 prompts and 2 completions"):
        made(**{**CALL, "completions": CALL["completions"][:2]})


def test_columns_that_reach_the_judge():
    """`context`, `principle` and `rubric` of a row are shown, as in `judge run`."""
    engine = ScriptedEngine(["[[A]] VERDICT: MET"], repeat_last=True, capabilities=frozenset())
    reward = JudgeReward({"recipe": "checklist"}, engine=engine)
    rubric = {"criteria": [{"id": "seine", "text": "It mentions the Seine."}]}
    reward(**{**CALL, "rubric": [rubric] * 3, "context": [["Paris lies on the Seine."]] * 3})
    sent = str(engine.requests[0].messages)
    assert "It mentions the Seine." in sent
    assert "Paris lies on the Seine." in sent
    reward.close()


def in_another_process(reward, call):
    return reward(**call)


def test_in_a_spawned_process(run_file):
    """AsyncGRPO's worker: the function travels by pickling, and makes its loop and its client there."""
    reward = JudgeReward(run_file(), framework="trl-async")
    assert reward(**CALL) == [1.0, 0.0, None]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(in_another_process, reward, CALL).result(60) == [1.0, 0.0, None]
    reward.close()


def test_trl_tells_the_two_apart():
    """TRL's own test of what is to be awaited, where that version is installed."""
    utils = pytest.importorskip("trl.trainer.utils")
    if version("trl") != TRL:
        pytest.skip(f"written against TRL {TRL}")
    options = {"engine": ScriptedEngine(["x"])}
    assert not utils.is_async_callable(JudgeReward({"recipe": "verifier"}, **options))
    assert utils.is_async_callable(AsyncJudgeReward({"recipe": "verifier"}, **options))


@pytest.mark.parametrize(
    ("bad", "whole"),
    [
        pytest.param({"completions": ["It is Paris.", None, "It is Rome."]}, False, id="no-completion"),
        pytest.param({"prompts": [PROMPT, None, PROMPT]}, False, id="no-prompt"),
        pytest.param({"rubric": [None, {"criteria": [{"id": "a"}]}, None]}, False, id="rubric-without-text"),
        pytest.param({"completions": ["It is Paris.", None, "It is Rome."]}, True, id="in-a-group"),
    ],
)
def test_one_unreadable_row_never_stops_the_others(bad, whole, caplog):
    """A run of a thousand steps does not end with one bad cell: its row has no reward, and says why."""
    settings = {"recipe": "verifier", **({"reward": {"shape": [{"kind": "rank"}]}} if whole else {})}
    engine = ScriptedEngine(REPLIES, capabilities=frozenset())
    reward = JudgeReward(settings, engine=engine, num_generations=3 if whole else None)
    first, second, third = reward(**{**CALL, "completions": ["It is Paris.", "It is Oslo.", "It is Rome."], **bad})
    reward.close()
    assert (first, second, third) == (1.0, None, 0.0)
    assert "row 1" in caplog.text


def test_nothing_but_unreadable_rows_is_an_error(made):
    """A column that no row can use is a mistake in the data set, and stops the run with its place."""
    with pytest.raises(DataError, match="row 0: the completion must be text"):
        made(**{**CALL, "completions": [None] * 3})
