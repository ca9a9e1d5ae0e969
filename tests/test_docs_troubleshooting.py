"""docs/troubleshooting.md: each message that it shows is produced here by doing what leads to it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_harness import Server, run_judge
from tests.fake_endpoint import Canned

PAGE = (Path(__file__).parent.parent / "docs/troubleshooting.md").read_text(encoding="utf-8")
ASKED = {"group": "q0", "prompt": "What is 17 + 25?"}
TWO = [{"id": "q0-a", **ASKED, "response": "17 + 25 = 42."}, {"id": "q0-b", **ASKED, "response": "17 + 25 = 32."}]
SCRIPTED = 'rubric: rubric.yaml\nrecipe: checklist\nengine: {kind: scripted, reply: "Checked.\\nVERDICT: MET"}\n'
RUBRIC = (
    "name: r\ncriteria:\n"
    "  - {id: correct, text: The answer to the question is right., kind: hard_rule, weight: 3}\n"
    "  - {id: complete, text: Every part of the question is answered., weight: 2}\n"
    "  - {id: padding, text: The answer has sentences that could be cut without a loss., kind: pitfall, weight: 1}\n"
)
RUN = "run judge.yaml --data data.jsonl --output out"


def shown(heading: str) -> list[str]:
    """Lines of the text blocks under one heading of the page."""
    section = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert section, heading
    return "\n".join(re.findall(r"```text\n(.*?)```", section[1], re.DOTALL)).splitlines()


def said(heading: str, output: str) -> None:
    """Every line that the page shows is in what was printed; `[...]` stands for anything, and lines may be wrapped otherwise."""
    lines = [" ".join(line.split()) for line in shown(heading) if line.strip()]
    assert lines
    text = " ".join(output.split())
    for line in lines:
        pattern = ".*".join(re.escape(part) for part in line.split("[...]"))
        assert re.search(pattern, text), f"{line}\n--- printed:\n{output[-3000:]}"


def rows(path: str, *entries: dict) -> None:
    Path(path).write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with what `judge init` begins with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("judge.yaml").write_text(SCRIPTED)
    Path("rubric.yaml").write_text(RUBRIC)
    rows("data.jsonl", *TWO)


OTHERS = [{"question": "2+2?", "answer_text": "4"}]
PLAIN = [{"prompt": "2+2?", "response": "4"}]
MANY = [
    {"id": f"q{i}-{k}", "group": f"q{i}", "prompt": f"What is {i} + 25?", "response": f"{i} + 25 = {i + 25 - k}."}
    for i in range(30)
    for k in (0, 1)
]
TYPED = "# settings\nrubric: rubric.yaml\nrecpie: checklist\n"
CASES = [
    pytest.param("An unknown field", 2, TYPED, None, RUN, id="unknown-field"),
    pytest.param(
        "A setting that belongs to another engine", 2,
        'rubric: rubric.yaml\nrecipe: checklist\n# judge\nengine: {kind: scripted, reply: "VERDICT: MET"}\n', None,
        f"{RUN} --set engine.kind=vllm", id="engine-field",
    ),
    pytest.param("The columns have other names", 2, None, OTHERS, RUN, id="columns"),
    pytest.param("The recipe needs a reference", 2, None, PLAIN, f"{RUN} --set recipe=verifier", id="reference"),
    pytest.param(
        "A recipe that compares got one response", 2, None, TWO, f"{RUN} --set recipe=pairwise", id="one-response"
    ),
    pytest.param(
        "It cannot be reached", 3,
        'rubric: rubric.yaml\nengine: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", patience_s: 0}\n', None, RUN,
        id="unreachable",
    ),
    pytest.param("Results cannot be written (exit code 4)", 4, None, None, RUN.replace(" out", " afile/x"), id="output"),
    pytest.param(
        "One response ended the run", 5, SCRIPTED.replace("Checked.\\nVERDICT: MET", "I cannot tell."), None,
        f"{RUN} --set on_no_verdict=raise", id="raise",
    ),
    pytest.param("A short answer without proof", 5, None, [{"prompt": "17 + 25?", "response": "42."}], RUN, id="unproved"),
    pytest.param(
        "The budget is spent (exit code 7)", 7, SCRIPTED + "budget: {tokens: 500}\nmax_in_flight: 1\n", MANY, RUN, id="budget"
    ),
    pytest.param(
        "The monitor stopped the run (exit code 6)", 6,
        'rubric: helpfulness\nrecipe: pointwise\nengine: {kind: scripted, reply: "Good.\\nVERDICT: 5"}\n'
        "monitor: {canaries: {per_batch: 40}, alarms: {canary_passed: {action: stop}}}\n",
        [{"prompt": f"What is {i} + 25?", "response": f"{i} + 25 = {i + 25}."} for i in range(60)], RUN, id="monitor",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("heading", "code", "config", "data", "command"), CASES)
def test_the_message_is_what_happens(heading, code, config, data, command):
    """Who searches the page for what was printed finds it."""
    Path("afile").touch()
    if config:
        Path("judge.yaml").write_text(config)
    if data:
        rows("data.jsonl", *data)
    ended = run_judge(*command.split())
    assert ended.code == code, ended.err
    said(heading, ended.out + ended.err)


ANSWERS = [
    pytest.param("The key is missing or wrong", 3, Canned(status=401, error="bad key"), id="key"),
    pytest.param(
        "No credit", 3, Canned(status=429, error="You exceeded your current quota (insufficient_quota)"), id="credit"
    ),
    pytest.param(
        "The endpoint does not know the model", 3, Canned(status=404, error="The model `m` does not exist."), id="model"
    ),
    pytest.param("Truncated verdicts", 5, Canned("I think that the response", finish_reason="length"), id="truncated"),
    pytest.param("Two verdicts, or none on the scale", 5, Canned("VERDICT: MET\nVERDICT: UNMET"), id="two-verdicts"),
    pytest.param(
        "The prompt is too long", 5,
        Canned(status=400, error="This model's maximum context length is 4096 tokens. You asked 5000."), id="too-long",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("heading", "code", "answer"), ANSWERS)
def test_what_an_endpoint_answers(heading, code, answer):
    """The same for a judge behind an endpoint."""
    with Server() as server:
        server.reply = lambda body: answer
        Path("judge.yaml").write_text("rubric: rubric.yaml\n" + server.settings(patience_s=0))
        ended = run_judge(*RUN.split())
    assert ended.code == code, ended.err
    said(heading, ended.out + ended.err)


def test_another_run_is_there():
    """Results of two settings are not mixed."""
    assert run_judge(*RUN.split(), "--set", "votes=1").code == 0
    ended = run_judge(*RUN.split(), "--set", "votes=3")
    assert ended.code == 2
    said("The output directory holds another run", ended.err)


def test_the_port_is_in_use():
    """The message says which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_judge("serve", "judge.yaml", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    said("The port is in use", ended.err)


def test_every_row_is_invalid():
    """A file that is no JSON Lines."""
    Path("data.jsonl").write_text('{"prompt": "2+2?", "response": "4"\n')
    ended = run_judge(*RUN.split())
    assert ended.code == 2
    said("Every row is invalid", ended.out + ended.err)


def test_a_judge_that_always_says_yes():
    """The run warns, and `judge check` refuses it."""
    rows("data.jsonl", *MANY)
    ended, checked = run_judge(*RUN.split()), run_judge("check", "judge.yaml")
    assert (ended.code, checked.code) == (0, 1)
    said("It always says yes", ended.out + ended.err + checked.out)


def test_no_such_model():
    """A name that is on no hub that can be reached."""
    pytest.importorskip("transformers")
    Path("judge.yaml").write_text("rubric: rubric.yaml\nengine: {kind: transformers, model: nobody/nothing-8b}\n")
    ended = run_judge(*RUN.split())
    assert ended.code == 3
    said("The model cannot be found", ended.err)


@pytest.mark.vllm
def test_out_of_memory():
    """vLLM's words and ours."""
    Path("judge.yaml").write_text("rubric: rubric.yaml\nengine: {kind: vllm, model: smollm2-135m, cpu_kv_cache_gib: 900}\n")
    command = [sys.executable, "-m", "judge.cli.main", *RUN.split()]
    root = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    ended = subprocess.run(command, env=root, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 3
    said("Out of memory", ended.stdout + ended.stderr)


def test_every_message_of_the_page_is_produced():
    """A message that no test produces may have changed long ago."""
    source = Path(__file__).read_text(encoding="utf-8")
    for heading in re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE):
        if f"## {heading}\n" in PAGE and shown(heading):
            assert f'"{heading}"' in source, heading
