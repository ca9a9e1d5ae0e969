"""`judge preflight`: what it says about a run file in a framework, and its exit codes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from judge.adapters._shared.failure_policy import FRAMEWORKS
from judge.adapters.preflight import BATCHED, ONE_AT_A_TIME, Layout, examine
from judge.pipeline.build import plan
from judge.settings import load_settings
from tests.cli_harness import run_judge

SERVED = {"kind": "openai", "model": "m"}


def findings(framework, layout=None, row=None, question=None, **settings):
    made = plan(load_settings({"rubric": "helpfulness", "engine": SERVED, **settings})[0])
    return {f.about: f for f in examine(framework, made, layout or Layout(), row=row, question=question)}


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_a_plain_run_file(framework):
    """One response judged alone, a served judge, and a declared constant where there is no other way: fine everywhere."""
    policy = {"on_no_verdict": "constant", "no_verdict_constant": 0.5} if framework.startswith("openrlhf") else {}
    found = findings(framework, Layout(4, 2, 4), row={"extra_info": {"question": "q"}}, **policy)
    assert [f for f in found.values() if f.problem] == []
    assert found.keys() >= {"groups", "comparison", "question", "no reward", "engine", "metrics"}


@pytest.mark.parametrize(
    ("layout", "says", "problem"),
    [
        pytest.param(Layout(4, 4, 8), "whole: a process holds 8 completions, which is 2 groups of 4", False, id="whole"),
        pytest.param(Layout(4, 1, 2, 4), "whole: a process holds 8", False, id="accumulated"),
        pytest.param(Layout(4, 4, 2), "split: 2 completions a process, 4 a group", False, id="half-a-group"),
        pytest.param(Layout(4, 2, 6), "split: 6 completions a process, 4 a group", False, id="one-and-a-half"),
        pytest.param(Layout(4, 1, 2), "not a multiple of 4", True, id="too-few"),
        pytest.param(Layout(4), "give --per-device-batch", False, id="batch-not-given"),
        pytest.param(Layout(None, 4, 2), "`--num-generations` is not given", True, id="size-not-given"),
        pytest.param(Layout(1, 1, 4), "`--num-generations` is 1", True, id="no-group-members"),
    ],
)
@pytest.mark.parametrize("framework", BATCHED)
def test_groups(framework, layout, says, problem):
    """The maintainers' advice to chunk the batch is wrong for split groups, and nothing warns at run time."""
    found = findings(framework, layout, on_no_verdict="group_mean")["groups"]
    assert says in found.says
    assert found.problem is problem


@pytest.mark.parametrize("framework", [name for name, known in FRAMEWORKS.items() if known.sees_groups])
def test_steps_that_compare_groups(framework):
    """Told before a GPU is paid for: one group a call is no batch."""
    found = findings(framework, Layout(4, 2, 4), reward={"shape": [{"kind": "quantile"}]})["comparison"]
    assert found.problem is not FRAMEWORKS[framework].sees_batch
    assert ("compares the groups of a training step" in found.says) is found.problem


@pytest.mark.parametrize("framework", ONE_AT_A_TIME)
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"recipe": "pairwise", "group": {"schedule": "swiss"}}, id="tournament"),
        pytest.param({"reward": {"shape": [{"kind": "rank"}]}}, id="shape"),
    ],
)
def test_group_members_that_are_never_seen(framework, settings):
    """These would compare a response with nobody."""
    assert findings(framework, **settings)["comparison"].problem


@pytest.mark.parametrize(
    ("row", "question", "recipe", "problem"),
    [
        pytest.param({"extra_info": {"question": "q"}}, None, "checklist", False, id="known-name"),
        pytest.param({"extra_info": {"q": "q"}}, "q", "checklist", False, id="named"),
        pytest.param({"extra_info": {"index": 1}}, None, "checklist", True, id="absent"),
        pytest.param({"prompt": "q"}, None, "checklist", True, id="no-extra-info"),
        pytest.param({"extra_info": {}}, None, "verifier", False, id="not-shown-to-the-judge"),
        pytest.param(None, None, "checklist", False, id="no-data-given"),
    ],
)
def test_the_question_in_verl(row, question, recipe, problem):
    """verl passes no prompt: a judge of answers without questions is found out here."""
    assert findings("verl", row=row, question=question, recipe=recipe)["question"].problem is problem


@pytest.mark.parametrize(
    ("framework", "settings", "about"),
    [
        pytest.param("openrlhf", {}, "no reward", id="no-constant"),
        pytest.param("openrlhf", {"on_no_verdict": "raise"}, "no reward", id="raise-is-swallowed"),
        pytest.param("openrlhf-agent", {"on_no_verdict": "group_mean"}, "no reward", id="no-number-for-a-group-without-any"),
        pytest.param("verl", {"engine": {"kind": "vllm"}}, "engine", id="a-model-a-worker"),
        pytest.param("trl-async", {"engine": {"kind": "vllm"}}, "engine", id="no-gpu-there"),
        pytest.param("trl", {"engine": {**SERVED, "deadline_s": 3600}}, "engine", id="longer-than-the-gather"),
        pytest.param("trl-async", {"engine": {**SERVED, "deadline_s": 600}}, "engine", id="longer-than-the-heartbeat"),
        pytest.param("trl-async", {"engine_down": "wait"}, "engine", id="waits-longer-than-the-heartbeat"),
        pytest.param("trl", {"engine": {**SERVED, "patience_s": 3600}}, "engine", id="waits-longer-than-the-gather"),
        pytest.param("trl", {"engine": {"kind": "scripted"}}, "engine", id="scripted"),
        pytest.param("verl", {"monitor": "default"}, "monitor", id="monitor-sees-nothing"),
        pytest.param("verl", {"reward": {"shape": [{"kind": "overlong", "limit": 100, "cache": 20}]}}, "lengths", id="lengths"),
    ],
)
def test_problems(framework, settings, about):
    """Each is a run that fails late, or one that trains on something else than was meant."""
    assert findings(framework, **settings)[about].problem


def test_what_verls_reward_manager_sees():
    """More than a function does there: no column for the question, lengths from token ids; group members, at a server."""
    found = findings("verl-manager", row={}, reward={"shape": [{"kind": "overlong", "limit": 100, "cache": 20}]})
    assert [f for f in found.values() if f.problem] == []
    told = findings("verl-manager", recipe="pairwise", group={"schedule": "swiss"})["comparison"]
    assert told.problem
    assert told.says.endswith("they meet at a server, with `reward.reward_kwargs.server`")


@pytest.mark.parametrize(
    ("row", "about", "problem"),
    [
        pytest.param({"prompt": "q", "answer": "4"}, "reference", False, id="reference-found"),
        pytest.param({"prompt": "q", "gold": "4"}, "reference", True, id="reference-called-otherwise"),
        pytest.param({"prompt": "q", "answer": "4", "completions": []}, "columns", True, id="a-name-that-is-taken"),
    ],
)
def test_columns_in_trl(row, about, problem):
    """The usual first mistakes with a data set."""
    assert findings("trl", row=row, recipe="verifier")[about].problem is problem


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("judge.yaml").write_text("rubric: helpfulness\nengine: {kind: openai, model: m}\n")
    Path("train.jsonl").write_text(json.dumps({"extra_info": {"question": "q"}}) + "\n")
    Path("bare.jsonl").write_text(json.dumps({"extra_info": {}}) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param("--framework trl --num-generations 8 --per-device-batch 8", 0, "no problems", id="fine"),
        pytest.param("--framework verl --data train.jsonl", 0, "extra_info[question]", id="verl-with-data"),
        pytest.param("--framework verl --data bare.jsonl", 1, "2 problem(s)", id="problem"),
        pytest.param("--framework openrlhf", 1, "no_verdict_constant", id="no-neutral-way"),
        pytest.param("--framework verk", 2, "did you mean `verl`", id="no-such-framework"),
        pytest.param("--framework verl --data gone.jsonl", 2, "gone.jsonl", id="no-such-data"),
        pytest.param("--framework trl --config gone.yaml", 2, "gone.yaml", id="no-such-run-file"),
    ],
)
def test_the_command(files, arguments, code, says):
    """What a script sees."""
    words = shlex.split(arguments)
    ended = run_judge("preflight", *words, *(() if "--config" in words else ("--config", "judge.yaml")))
    assert ended.code == code
    assert says in ended.out + ended.err


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_lines_to_paste(files, framework):
    """They name the run file by an absolute path, since workers run in folders of their own."""
    ended = run_judge("preflight", "judge.yaml", "--framework", framework, "--json")
    facts = json.loads(ended.out)
    assert any(str(files / "judge.yaml") in line for line in facts["use"])
    assert facts["framework"] == framework


def test_parquet(files):
    """What verl trains on."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([{"extra_info": {"question": "q"}}]), "train.parquet")
    assert run_judge("preflight", "judge.yaml", "--framework", "verl", "--data", "train.parquet").code == 0
    Path("not.parquet").write_text("no")
    assert run_judge("preflight", "judge.yaml", "--framework", "verl", "--data", "not.parquet").code == 2
