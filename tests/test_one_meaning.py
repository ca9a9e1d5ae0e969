"""One sample, every entry: the judge is sent the same bytes, and the reward is the same number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from judge.adapters import areal, openrlhf, skyrl, slime, swift, tinker, trl, verifiers, verl
from judge.adapters._shared.process_judge import ProcessJudge, close_shared
from judge.batch.read import to_sample
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.cli_harness import Server, run_judge
from tests.fake_endpoint import Canned
from tests.server.harness import served

USER = {"role": "user", "content": "Capital of France?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CHAT = [SYSTEM, {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}, USER]
TOOLS = [
    {
        "role": "assistant",
        "content": "I look it up.",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"q": "France"}'}}],
    },
    {"role": "tool", "tool_call_id": "1", "name": "find", "content": "Capital: Paris"},
    {"role": "assistant", "content": "It is Paris."},
]
RUBRIC = {"name": "own", "criteria": [{"id": "right", "text": "It names the capital."}]}
TEXT = {"prompt": "Capital of France?", "response": "It is Paris."}

KINDS: dict[str, dict[str, Any]] = {
    "text": TEXT,
    "messages": {"prompt": [SYSTEM, USER], "response": "It is Paris."},
    "multi-turn": {"prompt": CHAT, "response": "It is Paris."},
    "tools": {"prompt": [SYSTEM, USER], "response": TOOLS},
    "references": {**TEXT, "reference": ["Paris", "Lutetia"]},
    "no-reference": {**TEXT, "reference": float("nan")},
    "documents": {**TEXT, "context": [{"title": "Paris", "text": "It is the capital."}, "It is a city."]},
    "own-rubric": {**TEXT, "rubric": RUBRIC},
    "thinking": {"prompt": [USER], "response": "<think>Paris or Lyon? Paris.</think>It is Paris."},
}
RUN = "recipe: pointwise\nrubric: helpfulness\nreward: {shape: [{kind: par, reference: 0.5, scale: 8}]}\n"


@dataclass(frozen=True)
class Told:
    """What an entry made of the sample: what the judge was sent, and the two numbers where the entry tells both."""

    sent: list[dict[str, Any]]
    reward: float
    raw_reward: float | None = None


def fields(row: dict[str, Any]) -> dict[str, Any]:
    """What stands beside prompt and response."""
    return {name: value for name, value in row.items() if name not in ("prompt", "response")}


def said(row: dict[str, Any]) -> Any:
    """The response as a chat trainer passes it."""
    response = row["response"]
    return [{"role": "assistant", "content": response}] if isinstance(response, str) else response


def messages(row: dict[str, Any]) -> list[dict[str, Any]]:
    prompt = row["prompt"]
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


# ---- the entries ------------------------------------------------------------------------------------------------------


def by_run(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    import pyarrow.parquet as pq

    folder = Path(path).parent
    (folder / "row.jsonl").write_text(json.dumps({k: v for k, v in row.items() if v == v}) + "\n")
    ended = run_judge("run", path, "--data", str(folder / "row.jsonl"), "--output", str(folder / "out"))
    assert ended.code == 0, ended.err
    [found] = pq.read_table(folder / "out" / "rewards.parquet").to_pylist()
    return found["reward"], found["raw_reward"]


def by_python(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    with Judge.from_config(path) as judge:
        [found] = judge.score([to_sample(row, {}, index=0, where="row")])  # type: ignore[list-item]
    return found.reward, found.raw_reward  # type: ignore[return-value]


def by_server(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    with Judge.from_config(path) as judge:
        settings = ServerSettings(client_rubrics="judged") if "rubric" in row else ServerSettings()
        app = make_app(judge, settings, keys=Keys(()))
        with served(app) as url:
            body = {"samples": [{k: v for k, v in row.items() if v == v}]}
            answer = httpx.post(f"{url}/v1/score", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["results"][0]["rewards"]
    return found["reward"], found["raw_reward"]


def by_trl(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    reward = trl.JudgeReward(path)
    logged: dict[str, float] = {}
    chat = not isinstance(row["prompt"], str) or not isinstance(row["response"], str)
    columns = {name: [value] for name, value in fields(row).items()}
    completion = said(row) if chat else row["response"]
    [found] = reward(prompts=[row["prompt"]], completions=[completion], log_metric=logged.__setitem__, **columns)
    reward.close()
    assert found is not None
    return found, logged["judge/raw_reward"]


def by_swift(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    reward = swift.JudgeORM(SimpleNamespace(num_generations=1), path)
    columns = {name: [value] for name, value in fields(row).items()}
    [found] = reward([row["response"]], messages=[[*messages(row), *said(row)]], **columns)
    reward.close()
    assert found is not None
    return found, None


def by_verl(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    extra = {"question": row["prompt"], **fields(row)}
    found = asyncio.run(verl.compute_score("d", row["response"], row.get("reference"), extra, config=path))
    return found["score"], found["judge/raw_reward"]


def by_openrlhf(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    pytest.importorskip("torch")
    label = json.dumps({"question": row["prompt"], **{k: v for k, v in fields(row).items() if v == v}})
    found = openrlhf.reward_func(["q" + row["response"]], ["q"], [label])
    return float(found["rewards"][0]), float(found["extra_logs"]["judge/raw_reward"][0])


def by_slime(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    given = SimpleNamespace(
        prompt=row["prompt"], response=row["response"], label=row.get("reference"), metadata={**fields(row), "reference": None}
    )
    return asyncio.run(slime.custom_rm(None, given)), None


def by_skyrl(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    made = skyrl.judged_step(row["response"], row["prompt"], fields(row), config=path)
    return made["reward"], made["metadata"]["judge/raw_reward"]


def by_areal(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    return asyncio.run(areal.score("", row["response"], {"question": row["prompt"], **fields(row)})), None


def by_tinker(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    [(found, metrics)] = asyncio.run(tinker.group_rewards([row["response"]], row["prompt"], fields(row), config=path))
    return found, metrics["judge/raw_reward"]


def by_verifiers(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    judge = ProcessJudge("verifiers", path)
    logged: dict[str, float] = {}
    trace = SimpleNamespace(
        last_reply=row["response"],
        agent=SimpleNamespace(config=SimpleNamespace(timeout=SimpleNamespace(scoring=None))),
        timing=SimpleNamespace(scoring=SimpleNamespace(start=None, end=None)),
        record_metrics=logged.update,
    )
    found = asyncio.run(verifiers.score_trace(judge, {"prompt": row["prompt"], **fields(row)}, trace))
    judge.close()
    return found, logged["judge/raw_reward"]


def by_verifiers_v0(path: str, row: dict[str, Any]) -> tuple[float, float | None]:
    function = verifiers.judge_rewards(path)
    state = {"input": fields(row)}
    [found] = asyncio.run(function(prompts=[row["prompt"]], completions=[said(row)], answers=[""], states=[state], infos=[{}]))
    function.judge.close()  # type: ignore[attr-defined]
    return found, None


ENTRIES: dict[str, Callable[[str, dict[str, Any]], tuple[float, float | None]]] = {
    "server": by_server, "run": by_run, "trl": by_trl, "ms-swift": by_swift, "verl": by_verl, "openrlhf": by_openrlhf,
    "slime": by_slime, "skyrl": by_skyrl, "areal": by_areal, "tinker": by_tinker, "verifiers": by_verifiers,
    "verifiers-v0": by_verifiers_v0,
}  # fmt: skip
TEXT_ONLY = ("verl", "openrlhf", "slime", "skyrl", "areal", "tinker", "verifiers", "ms-swift")  # pass a response as one text


@pytest.fixture
def endpoint() -> Iterator[Server]:
    with Server() as server:
        server.reply = lambda body: Canned("Reasoned.\nVERDICT: 4")
        yield server
        close_shared()


def told(entry: Callable[..., tuple[float, float | None]], path: str, row: dict[str, Any], endpoint: Server) -> Told:
    before = len(endpoint.fake.bodies)
    numbers = entry(path, row)
    sent = [b["messages"] for b in endpoint.fake.bodies[before:] if "What is 2 + 2?" not in str(b["messages"])]
    assert len(sent) == 1, sent
    return Told(sent[0], *numbers)


_WANTED: dict[str, Told] = {}  # by `Judge.score`, once a kind


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", list(ENTRIES))
def test_the_same_bytes_and_the_same_numbers(name, kind, endpoint, tmp_path, monkeypatch):
    """A reward measured on a data set before a run is the reward of the run."""
    row = KINDS[kind]
    if not isinstance(row["response"], str) and name in TEXT_ONLY:
        pytest.skip("this trainer passes a response as one text")
    path = tmp_path / "judge.yaml"
    policy = "on_no_verdict: constant\nno_verdict_constant: 0.5\n" if name == "openrlhf" else ""
    path.write_text(RUN + policy + endpoint.settings())
    monkeypatch.setenv("JUDGE_CONFIG", str(path))
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    if kind not in _WANTED:
        _WANTED[kind] = told(by_python, str(path), row, endpoint)
    wanted = _WANTED[kind]
    found = told(ENTRIES[name], str(path), row, endpoint)
    assert found.sent == wanted.sent
    assert found.reward == pytest.approx(wanted.reward, abs=1e-6)  # float32 in OpenRLHF
    if found.raw_reward is not None:
        assert found.raw_reward == pytest.approx(wanted.raw_reward, abs=1e-6)
