"""`judge.adapters.axolotl` as Axolotl, and TRL's command line, find and call it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

from judge.adapters import axolotl
from judge.errors import SettingsError
from tests.adapters.stand_ins import axolotl_function

ASK = {
    "prompts": ["Capital of France?"] * 3,
    "completions": ["It is Paris.", "It is Rome.", "It is Oslo."],
    "answer": ["Paris"] * 3,
}


class Plain:
    """A trainer that computes advantages as TRL does."""

    def log(self, name, value):
        """Its `_log_metric`."""


class Asynchronous(Plain):
    """Axolotl's own, which collects rewards from workers and reads None as 0."""

    def _collect_reward_workers(self):
        raise AssertionError


PLAIN = {"log_metric": Plain().log}


def test_found_by_its_dotted_path(run_file, monkeypatch):
    """It passes nothing else: two named parameters, the run file in the environment, None for a missing reward."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    function = axolotl_function("judge.adapters.axolotl.reward")
    assert function.__name__ == "judge"
    assert function(**ASK, **PLAIN, completion_ids=[[1]] * 3) == [1.0, 0.0, None]
    assert function(**ASK, **PLAIN) == [1.0, 0.0, None]


@pytest.mark.parametrize(
    "passed",
    [
        pytest.param({}, id="context-parallel"),
        pytest.param({"completion_ids": [[1]] * 3}, id="worker"),
        pytest.param({"log_metric": Asynchronous().log}, id="asynchronous"),
    ],
)
def test_where_none_would_be_zero(run_file, monkeypatch, passed):
    """The mean of its group, which needs the size of a group; without it nothing is judged, and the note says what to set."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    monkeypatch.delenv("JUDGE_NUM_GENERATIONS", raising=False)
    with pytest.raises(SettingsError, match="`impute_group_mean` needs whole groups") as caught:
        axolotl.reward(**ASK, **passed)
    assert "JUDGE_NUM_GENERATIONS" in caught.value.__notes__[0]
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "3")
    assert axolotl.reward(**ASK, **passed) == [1.0, 0.0, 0.5]


def test_it_pickles():
    """Worker processes get it by its name."""
    assert pickle.loads(pickle.dumps(axolotl.reward)) is axolotl.reward


def test_rewards_of_groups(run_file, monkeypatch):
    """The size of a group comes from the environment, since the call does not tell."""
    monkeypatch.setenv("JUDGE_CONFIG", run_file("recipe: verifier\non_no_verdict: group_mean\n"))
    monkeypatch.delenv("JUDGE_NUM_GENERATIONS", raising=False)
    with pytest.raises(SettingsError, match="`impute_group_mean` needs whole groups"):
        axolotl.reward(**ASK, **PLAIN)
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "3")
    assert axolotl.reward(**ASK, **PLAIN) == [1.0, 0.0, 0.5]
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "many")
    with pytest.raises(SettingsError, match="JUDGE_NUM_GENERATIONS=many"):
        axolotl.reward(**ASK, **PLAIN)


def test_a_forked_worker_gets_a_judge_of_its_own(run_file):
    """A fork inherits dead loops and sockets; the child must not hang on them."""
    code = """
import os, sys
from judge.adapters.axolotl import reward
ask = dict(prompts=["Capital of France?"], completions=["It is Paris."], answer=["Paris"], log_metric=lambda name, value: None)
assert reward(**ask) == [1.0]
child = os.fork()
if child == 0:
    os._exit(0 if reward(**ask) == [1.0] else 7)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    env = {**os.environ, "JUDGE_CONFIG": run_file()}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
