"""One sample of each kind through every entry: the judge is asked the same bytes, and the reward is the same.

To add a kind, add a row to `KINDS`; to add an entry, write a function and add it to `ENTRIES`. Where an interface cannot carry a
kind, `CANNOT` says why, and a test says that the table has no reason too many.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from judge import Judge, Sample
from judge.adapters import openrlhf
from judge.adapters._shared.process_judge import close_shared
from judge.adapters.art import judge_group
from judge.adapters.skyrl import judged_step
from judge.adapters.swift import JudgeORM
from judge.adapters.tinker import group_rewards
from judge.adapters.trl import JudgeReward
from judge.client.wire import encode, fields_of
from judge.errors import DataError
from judge.settings.server import ServerSettings
from tests.adapters.stand_ins import openrlhf_module, verl_function
from tests.cli_harness import Server, run_judge
from tests.fake_endpoint import Canned

TEXT = """\
recipe: checklist
rubric: {name: c, criteria: [{id: right, text: The response is right.}, {id: brief, text: The response is brief.}]}
reward: {shape: [{kind: clip, low: 0.1, high: 0.4}]}
filters: "off"
on_no_verdict: constant
no_verdict_constant: 0.25
"""
PLAIN: dict[str, Any] = {"prompt": "Capital of France?", "response": "It is Paris."}
CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "France"}'}}
TOOLS = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "capital: Paris"},
    {"role": "assistant", "content": "It is Paris."},
]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Capital of France?"},
]
KINDS: dict[str, dict[str, Any]] = {
    "text": PLAIN,
    "messages": {"prompt": CHAT, "response": [{"role": "assistant", "content": "It is Paris."}]},
    "one message": {"prompt": CHAT[-1:], "response": [{"role": "assistant", "content": "It is Paris."}]},
    "tools": {"prompt": CHAT[-1:], "response": TOOLS},
    "multi-turn response": {
        "prompt": CHAT[-1:],
        "response": [
            {"role": "assistant", "content": "It is"},
            {"role": "user", "content": "Go on."},
            {"role": "assistant", "content": "Paris."},
            {"role": "user", "content": "thanks, that was perfect"},
        ],
    },
    "list reference": {**PLAIN, "reference": ["Paris", "Paris, France"]},
    "documents": {**PLAIN, "context": ["Paris is a city.", {"title": "France", "text": "Its capital is Paris."}]},
    "own rubric": {**PLAIN, "rubric": {"criteria": [{"id": "own", "text": "It names Paris."}]}},
    "thinking": {"prompt": "Capital of France?", "response": "<think>Rome? No.</think>It is Paris."},
    "probabilities": PLAIN,
    "steps": {**PLAIN, "response": "France has one capital.\n\nIt is Paris."},
    "program": {
        "prompt": "Add 2 and 2.",
        "response": '<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>',
        "reference": '[{"name": "add", "arguments": {"a": 2, "b": 2}}]',
    },
    "image": {
        "prompt": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "Which city?"}]}], "response": "It is Paris.",
    },
}  # fmt: skip
VISION = {"image": True}  # with a judge that sees
Paid = float | None | tuple[float | None, float | None]  # the reward; with the raw reward where the interface has one
Entry = Callable[[str, Mapping[str, Any], Path], Paid]
SERVERS: list[Server] = []  # the one of this test


def recipe_of(kind: str) -> str:
    """The run file's text: a reference needs a recipe that shows it, probabilities one that reads them."""
    if kind == "probabilities":
        return TEXT.replace("recipe: checklist", "recipe: zyn\nreadout: {debias: prior}")
    if kind not in ("list reference", "steps", "program"):
        return TEXT
    lines = [line for line in TEXT.splitlines() if not line.startswith(("recipe:", "rubric:"))]
    named = {"steps": "first-error", "program": "tool-rm"}.get(kind, "{name: verifier, options: {include_question: true}}")
    return "\n".join([f"recipe: {named}", *lines, ""])


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("prompt", "response")}


# ---- entries: a run file and a row -> the reward --------------------------------------------------------------------


def batch(config: str, row: Mapping[str, Any], folder: Path) -> Paid:
    data = folder / "rows.jsonl"
    data.write_text(json.dumps(row) + "\n")
    ended = run_judge("run", config, "--data", str(data), "--output", str(folder / "run"))
    assert (folder / "run" / "rewards.parquet").exists(), ended
    [judged] = pq.read_table(folder / "run" / "rewards.parquet").to_pylist()
    return judged["reward"], judged["raw_reward"]


def python(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    with Judge.from_config(config) as judge:
        [reward] = judge.score([Sample.of(row["prompt"], row["response"], **_fields(row))])
    return reward.reward, reward.raw_reward


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    from judge.rubric.load import rubric_from

    fields = columns_of(row)
    return {**fields, **({"rubric": rubric_from(fields["rubric"], "row")} if "rubric" in fields else {})}


def _served(config: str, body: bytes, path: str = "/v1/score") -> Any:
    import httpx

    from judge.server.app import make_app
    from judge.server.auth import Keys

    async def ask() -> Any:
        with Judge.from_config(config) as judge:
            served = make_app(judge, ServerSettings(client_rubrics="judged"), keys=Keys(()))
            async with served.router.lifespan_context(served):
                await asyncio.wait_for(served.state.judge.health.started.wait(), 60)
                SERVERS[0].fake.bodies.clear()  # its own test sample
                async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://localhost") as client:
                    return (await client.post(path, content=body, headers={"content-type": "application/json"})).json()

    return asyncio.run(ask())


def server(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    [own] = _served(config, json.dumps({"samples": [row]}).encode())["results"][0]["rewards"]
    return own["reward"], own["raw_reward"]


def client(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    sample = Sample.of(row["prompt"], row["response"], **_fields(row))
    [own] = _served(config, encode({"samples": [fields_of(sample)]}))["results"][0]["rewards"]
    return own["reward"], own["raw_reward"]


def nemo_gym(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    response = row["response"]
    output = [{"type": "message", "role": "assistant", "content": response}] if isinstance(response, str) else _items(response)
    body = {"responses_create_params": {"input": row["prompt"]}, "response": {"output": output}, **columns_of(row)}
    return _served(config, json.dumps(body).encode(), "/verify")["reward"]


def _items(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat messages as items of the responses API."""
    out: list[dict[str, Any]] = []
    for m in messages:
        if m["role"] == "tool":
            out.append({"type": "function_call_output", "call_id": m["tool_call_id"], "output": m["content"]})
            continue
        out += [
            {"type": "function_call", "call_id": c["id"], **c["function"]} for c in m.get("tool_calls") or ()
        ]  # fmt: skip
        if m["content"]:
            out.append({"type": "message", "role": m["role"], "content": [{"type": "output_text", "text": m["content"]}]})
    return out


def trl(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    reward = JudgeReward(config)
    try:
        columns = {k: [v] for k, v in columns_of(row).items()}
        return reward(
            prompts=[row["prompt"]], completions=[row["response"]], completion_ids=[[1]], trainer_state=None, **columns
        )[0]
    finally:
        reward.close()


def swift(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    orm = JudgeORM(SimpleNamespace(num_generations=1), config)
    try:
        prompt = row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]
        messages = [*prompt, {"role": "assistant", "content": row["response"]}]
        return orm([row["response"]], messages=[messages], **{k: [v] for k, v in columns_of(row).items()})[0]
    finally:
        orm.close()


def axolotl(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    from judge.adapters import axolotl as adapter

    columns = {k: [v] for k, v in columns_of(row).items()}
    return adapter.reward(prompts=[row["prompt"]], completions=[row["response"]], completion_ids=[[1]], **columns)[0]


def verl(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    function = verl_function("pkg://judge.adapters.verl", "compute_score", {"config": config})
    extra = {"question": row["prompt"], **columns_of(row)}
    told = asyncio.run(
        function(data_source="d", solution_str=row["response"], ground_truth=row.get("reference"), extra_info=extra)
    )
    return told["score"]


CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def _chatml(row: Mapping[str, Any]) -> str:
    prompt = row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in prompt) + "<|im_start|>assistant\n"


def _said(row: Mapping[str, Any]) -> str:
    response = row["response"]
    return response if isinstance(response, str) else response[0]["content"]


def open_rlhf(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    function = openrlhf_module(openrlhf.__file__).reward_func
    prompt, label = _chatml(row), json.dumps({"answer": row.get("reference"), **columns_of(row)})
    return function([prompt + _said(row) + "<|im_end|>"], [prompt], [label])["rewards"][0].item()


def slime(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    given = SimpleNamespace(
        prompt=_chatml(row), response=_said(row) + "<|im_end|>", label=None, metadata=columns_of(row), group_index=0, index=0,
        remove_sample=False, reward=None,
    )  # fmt: skip
    return asyncio.run(import_module("judge.adapters.slime").custom_rm(None, given))


def areal(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    function = import_module("judge.adapters.areal").reward_fn
    return function(_chatml(row), _said(row) + "<|im_end|>", [1], [2], **columns_of(row))


def skyrl(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    return judged_step(_said(row) + "<|im_end|>", row["prompt"], columns_of(row), config=config)["reward"]


def tinker(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    [(reward, _metrics)] = asyncio.run(group_rewards([row["response"]], row["prompt"], columns_of(row), config=config))
    return reward


class _Trajectory(BaseModel):
    messages_and_choices: list[dict[str, Any]]
    reward: float = 0.0
    metrics: dict[str, float] = {}
    metadata: dict[str, Any] = {}
    logs: list[str] = []

    def messages(self) -> list[dict[str, Any]]:
        return self.messages_and_choices


def art(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    prompt, response = row["prompt"], row["response"]
    prompt = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    response = response if isinstance(response, list) else [{"role": "assistant", "content": response}]
    made = _Trajectory(messages_and_choices=[*prompt, *response], metadata=columns_of(row))
    group = SimpleNamespace(trajectories=[made], metadata={})
    return asyncio.run(judge_group(config)(group)).trajectories[0].reward


def verifiers(config: str, row: Mapping[str, Any], _: Path) -> Paid:
    from judge.adapters.verifiers import reward

    metrics: dict[str, float] = {}
    trace = SimpleNamespace(
        last_reply=row["response"], record_metrics=metrics.update,
        agent=SimpleNamespace(config=SimpleNamespace(timeout=SimpleNamespace(scoring=None))),
        timing=SimpleNamespace(scoring=SimpleNamespace(start=0.0, end=0.0)),
    )  # fmt: skip
    return asyncio.run(reward({"prompt": row["prompt"], **columns_of(row)}, trace))


ENTRIES: dict[str, Entry] = {
    "judge run": batch, "/v1/score": server, "client": client, "TRL, Unsloth": trl, "ms-swift": swift, "Axolotl": axolotl,
    "verl": verl,
    "OpenRLHF": open_rlhf, "slime": slime, "AReaL": areal, "SkyRL": skyrl, "tinker": tinker, "ART": art, "verifiers": verifiers,
    "NeMo-Gym": nemo_gym,
}  # fmt: skip
ONE_STRING = "the trainer passes the response as one string"
TEMPLATE = "the trainer passes prompt and response as one string of its chat template"
CANNOT: dict[tuple[str, str], str] = {
    **{(e, k): ONE_STRING for e in ("ms-swift", "verl", "SkyRL", "verifiers") for k in ("tools", "multi-turn response")},
    **{(e, k): ONE_STRING for e in ("ms-swift", "verl", "verifiers") for k in ("messages", "one message")},
    **{(e, k): TEMPLATE for e in ("OpenRLHF", "slime", "AReaL") for k in ("tools", "multi-turn response", "image")},
    ("ART", "messages"): "ART keeps prompt and response in one list, and the response begins at the first assistant message",
}


@pytest.fixture
def endpoint():
    with Server() as one:
        SERVERS[:] = [one]
        yield one
        close_shared()


def asked(endpoint: Server) -> list[str]:
    """What the judge was asked, as bytes would say it; the criteria of a sample are asked at once, in any order."""
    return sorted(json.dumps([b["messages"] for b in [body]], ensure_ascii=False) for body in endpoint.fake.bodies)


def _shortly(found: Any, expected: list[str]) -> str:
    """What differs: the words of an error, or the first places where what was asked is not the same."""
    if not isinstance(found, list):
        return str(found)[:300]
    if len(found) != len(expected):
        return f"{len(found)} requests instead of {len(expected)}"
    ours, theirs = next((a, b) for a, b in zip(expected, found, strict=True) if a != b)
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0)
    return f"...{theirs[max(0, at - 40) : at + 160]!r} instead of {ours[at : at + 160]!r}"


def verdict(body: Mapping[str, Any]) -> Canned:
    """A judge that says MET, or CORRECT where it is asked so; UNMET about brevity."""
    text = str(body["messages"])
    if body.get("top_logprobs"):
        chances = {"Yes": 0.5, "No": 0.5} if "N/A" in text else {"Yes": 0.3, "No": 0.6, "Well": 0.1}
        top = [{"token": token, "logprob": math.log(p)} for token, p in chances.items()]
        return Canned("No", "length", choice={"logprobs": {"content": [{**top[1], "top_logprobs": top}]}})
    if "first wrong step" in text:
        return Canned(r"It does not follow. \boxed{2}")
    if "CORRECT" in text:
        return Canned("It is.\nVERDICT: CORRECT")
    return Canned("It is.\nVERDICT: " + ("UNMET" if "is brief" in text else "MET"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_asks_and_pays_the_same(kind, endpoint, tmp_path, monkeypatch):
    """Nobody's reward depends on the way in."""
    endpoint.reply = verdict
    row = KINDS[kind]
    path = tmp_path / "judge.yaml"
    path.write_text(recipe_of(kind) + endpoint.settings(**({"vision": "true"} if kind in VISION else {})))
    monkeypatch.setenv("JUDGE_CONFIG", str(path))
    monkeypatch.setenv("JUDGE_NUM_GENERATIONS", "1")
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    reward, raw = python(str(path), row, tmp_path)
    assert reward is not None
    expected = asked(endpoint)
    assert bool(expected) == (kind != "program")  # which asks nobody
    differs: dict[str, Any] = {}
    for name, entry in ENTRIES.items():
        if (name, kind) in CANNOT:
            continue
        endpoint.fake.bodies.clear()
        close_shared()
        folder = tmp_path / "".join(c for c in name if c.isalnum())
        folder.mkdir()
        try:
            paid = entry(str(path), row, folder)
        except Exception as why:  # noqa: BLE001  # all entries are tried, and what each did is said
            differs[name] = repr(why)
            continue
        if asked(endpoint) != expected:
            differs[name] = asked(endpoint)
        elif paid != ((reward, raw) if isinstance(paid, tuple) else pytest.approx(reward, abs=1e-6)):  # 32 bits for some
            differs[name] = f"paid {paid} instead of {(reward, raw)}"
    assert not differs, "\n".join(f"{name}: {_shortly(found, expected)}" for name, found in differs.items())


def test_the_table_names_only_what_there_is():
    """A reason that nobody needs would hide a kind that works."""
    assert {e for e, _ in CANNOT} <= ENTRIES.keys()
    assert {k for _, k in CANNOT} <= KINDS.keys()


@pytest.mark.parametrize(
    "name", ["judge run", "/v1/score", "client", "NeMo-Gym", "TRL, Unsloth", "verl", "tinker", "ART", "SkyRL"]
)
def test_an_image_is_never_judged_blind(name, endpoint, tmp_path, monkeypatch):
    """A judge that cannot see is not asked, whichever way the row came."""
    path = tmp_path / "judge.yaml"
    path.write_text(TEXT.replace("on_no_verdict: constant\nno_verdict_constant: 0.25\n", "") + endpoint.settings())
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    with Judge.from_config(path) as judge, pytest.raises(DataError, match="holds an image, and this judge cannot see images"):
        judge.score([Sample.of(KINDS["image"]["prompt"], "It is Paris.")])
    with contextlib.suppress(Exception):  # some trainers are told by an error
        paid = ENTRIES[name](str(path), KINDS["image"], tmp_path)
        assert paid in (None, (None, None), 0.0)  # NeMo-Gym: 0 with its mask
    shown = [body for body in endpoint.fake.bodies if "Which city?" in str(body)]
    assert not shown
