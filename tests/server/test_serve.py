"""`judge serve` as a process: ready line, drain on SIGTERM, errors at the start."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from judge.server.serve import curl
from judge.settings.server import ServerSettings
from tests.cli_harness import Server, run_judge
from tests.conftest import ROOT
from tests.fake_endpoint import Canned
from tests.server.harness import AUTH, KEY, ONE, client_of

BODY = {"samples": [{"prompt": "Capital of France?", "response": "It is SLOW Paris."}]}


def replies(slow_s: float):
    def reply(body: dict) -> Canned:
        slow = any("SLOW" in m["content"] for m in body["messages"])
        return Canned("Reasoned.\nVERDICT: 5", delay_s=slow_s if slow else 0.0)

    return reply


def wait_for(condition, seconds: float = 20) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Served:
    """A running `judge serve`."""

    def __init__(self, folder, endpoint: Server, **server: object) -> None:
        settings = ", ".join(f"{k}: {v}" for k, v in server.items())
        file = folder / "judge.yaml"
        file.write_text(f"rubric: helpfulness\nrecipe: pointwise\n{endpoint.settings()}server: {{{settings}}}\n")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "judge.cli.main", "serve", str(file), "--port", "0"],
            env={**os.environ, "JUDGE_API_KEYS": KEY, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.line = self.process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", self.line)
        assert found, self.process.stderr.read()
        self.url = found[0]

    def end(self, seconds: float = 10) -> tuple[int, str]:
        _, log = self.process.communicate(timeout=seconds)
        return self.process.returncode, log


@pytest.fixture
def endpoint():
    with Server() as server:
        server.reply = replies(4.0)
        yield server


@pytest.mark.slow
def test_the_ready_line_can_be_pasted(tmp_path, endpoint):
    """From the line to a reward: what it says works as it stands (the key comes from the environment)."""
    served = Served(tmp_path, endpoint)
    assert served.line.startswith("ready: curl ")
    command = served.line.removeprefix("ready: ").strip()
    pasted = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -s ", 1)], env={**os.environ, "JUDGE_API_KEYS": KEY}, capture_output=True,
        text=True, timeout=30, check=True,
    )  # fmt: skip
    assert json.loads(pasted.stdout)["results"][0]["rewards"][0]["reward"] == 1.0
    assert shlex.split(command)[0] == "curl"
    served.process.send_signal(signal.SIGTERM)
    code, log = served.end()
    assert code == 0
    assert KEY not in log
    assert {json.loads(line)["event"] for line in log.splitlines()} >= {"listening", "ready", "request", "draining"}


@pytest.mark.slow
def test_sigterm_finishes_what_is_in_progress_and_refuses_the_rest(tmp_path, endpoint):
    """A restart loses no reward: not ready at once, accepted work is answered, new work is told to come back."""
    served = Served(tmp_path, endpoint, drain_s=10)
    answers: list[httpx.Response] = []

    def post(number: int) -> None:
        body = {"samples": [{"prompt": f"Question {number}?", "response": "It is SLOW Paris."}]}
        answers.append(httpx.post(f"{served.url}/v1/score", json=body, headers=AUTH, timeout=20))

    in_progress = [threading.Thread(target=post, args=(i,)) for i in range(8)]
    for thread in in_progress:
        thread.start()
    wait_for(lambda: endpoint.fake.in_flight == 8)
    served.process.send_signal(signal.SIGTERM)
    wait_for(lambda: httpx.get(f"{served.url}/readyz").status_code == 503)
    ready = httpx.get(f"{served.url}/readyz")
    refused = httpx.post(f"{served.url}/v1/score", json=ONE, headers=AUTH)
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert "retry-after" in refused.headers
    assert httpx.get(f"{served.url}/livez").status_code == 200
    for thread in in_progress:
        thread.join(20)
    assert [a.status_code for a in answers] == [200] * 8
    assert served.end()[0] == 0


@pytest.mark.slow
def test_what_does_not_finish_in_time_is_cut_off(tmp_path, endpoint):
    """The process ends within its limit, and the client learns that it has no reward."""
    endpoint.reply = replies(60)
    served = Served(tmp_path, endpoint, drain_s=1)
    answers: list[httpx.Response] = []
    post = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{served.url}/v1/score", json=BODY, headers=AUTH, timeout=20))
    )
    post.start()
    wait_for(lambda: endpoint.fake.in_flight == 1)
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    code, _ = served.end()
    post.join(5)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "draining")
    assert code == 0
    assert time.monotonic() - began < 1 + 2 + 1  # the limit, two seconds, and a slow machine


@pytest.mark.slow
def test_sigterm_while_the_engine_is_being_started(tmp_path):
    """A supervisor that changes its mind is not kept waiting for a model of 70 billion parameters."""
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        engine = f"engine: {{kind: openai, model: m, base_url: 'http://127.0.0.1:{mute.getsockname()[1]}/v1'}}"
        (tmp_path / "judge.yaml").write_text(f"rubric: helpfulness\nrecipe: pointwise\n{engine}\n")
        process = subprocess.Popen(
            [sys.executable, "-m", "judge.cli.main", "serve", str(tmp_path / "judge.yaml"), "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert json.loads(process.stderr.readline())["event"] == "listening"
        with mute.accept()[0]:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=5)
    assert process.returncode == 0
    assert json.loads(log.splitlines()[-1])["event"] == "stopped_while_loading"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["--host", "0.0.0.0"], 2, "there are no keys", id="open-to-all-without-keys"),
        pytest.param(["--port", "99999"], 2, "port", id="no-such-port"),
        pytest.param(["--set", "server.max_body=1"], 2, "max_body", id="misspelt"),
        pytest.param(["--host", "192.0.2.1", "--set", "server.api_keys_file=keys"], 2, "cannot listen", id="not-my-address"),
        pytest.param(["--port", "0", "--set", "engine.base_url=http://127.0.0.1:9/v1"], 3, "127.0.0.1:9", id="no-engine"),
    ],
)
def test_starts_that_fail(tmp_path, monkeypatch, endpoint, arguments, code, words):
    """What is wrong is said in one line, before or instead of serving."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JUDGE_API_KEYS", raising=False)
    (tmp_path / "keys").write_text(KEY)
    (tmp_path / "judge.yaml").write_text(f"rubric: helpfulness\nrecipe: pointwise\n{endpoint.settings(max_retries=0)}")
    ended = run_judge("serve", "judge.yaml", *arguments)
    assert (ended.code, words in ended.err) == (code, True), ended.err


def test_help_says_what_it_takes():
    """Every option with its default, examples to paste, exit codes."""
    said = run_judge("serve", "--help").out
    for words in ("--host", "--port", "--set", "127.0.0.1", "8421", "JUDGE_API_KEYS", "Exit codes: 0 stopped by a signal"):
        assert words in said


def test_the_guide_names_every_refusal_and_every_limit():
    """Who gets a code finds it in docs/serving.md."""
    guide = (ROOT / "docs" / "serving.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "judge" / "server").glob("*.py"))
    codes = set(re.findall(r'APIError\(\s*\d+,\s*"(\w+)"', source))
    assert len(codes) > 25
    assert {code for code in codes if f"`{code}`" not in guide} <= {"internal"}
    limits = {name for name in ServerSettings.model_fields if name not in ("group", "docs", "api_keys_env")}
    assert {name for name in limits if name not in guide} == set()


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"recipe": "verifier"}, id="reference"),
        pytest.param({"recipe": "pointwise", "rubric": None}, id="rubric"),
        pytest.param({"recipe": "checklist", "rubric": None}, id="rubric-of-a-checklist"),
        pytest.param({"recipe": "principle"}, id="principle-and-three-responses"),
        pytest.param({"recipe": "pairwise"}, id="two-responses"),
        pytest.param({"recipe": "pairwise", "group": {"schedule": "round_robin"}}, id="a-group"),
        pytest.param(
            {"recipe": "pointwise", "second_opinion": {"judge": {"name": "b", "recipe": "verifier"}, "above": 0}},
            id="another-judge",
        ),
    ],
)
async def test_the_example_holds_what_the_recipe_needs(config):
    """The first line that a person pastes is not refused, whatever the recipe asks for."""
    async with client_of(config=config) as client:
        plan = client.app.state.judge.service.judge.plan
        line = curl("http://127.0.0.1:8421", False, ServerSettings(), plan)
        assert line.startswith("curl http://127.0.0.1:8421/v1/score ")
        answer = await client.post("/v1/score", content=shlex.split(line)[-1], headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    reasons = [(r["failure"] or {}).get("reason") for result in answer.json()["results"] for r in result["rewards"]]
    assert "invalid" not in reasons


async def test_a_missing_reference_names_the_field_of_the_request():
    """A client is told the field to send, not only an option of another command."""
    async with client_of(config={"recipe": "verifier"}) as client:
        answer = (await client.post("/v1/score", json=ONE)).json()
    [failure] = [reward["failure"] for result in answer["results"] for reward in result["rewards"]]
    assert failure["reason"] == "invalid"
    assert "the field `reference` in a request" in failure["detail"]
