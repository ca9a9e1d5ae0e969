"""`judge serve` as a resources server of NeMo-Gym 0.7.0.

Real: its request and response models, its failure names, its own failsafe around `verify` and what it measures of verify
responses, over HTTP to our server. Not real: the agent, which is an HTTP client here; ray and wandb, which only its launcher and
its histograms use, and pydot, which only draws profiles.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import logging
import sys
import time
from types import ModuleType

import httpx
import pytest

_version = importlib.metadata.version
importlib.metadata.version = lambda name: "0" if name == "ray" else _version(name)  # its configuration asks for it on import
for _name, _attribute in (("wandb", "Histogram"), ("pydot", "graph_from_dot_file")):
    if _name not in sys.modules:
        sys.modules[_name] = ModuleType(_name)
        setattr(sys.modules[_name], _attribute, type(_attribute, (list,), {}))

from nemo_gym.base_resources_server import (  # noqa: E402
    BaseMultiRewardVerifyResponse,
    BaseSeedSessionResponse,
    BaseVerifyRequest,
    BaseVerifyResponse,
)
from nemo_gym.failure_kinds import FAILURE_KINDS  # noqa: E402
from nemo_gym.judge import JudgeError, judge_failsafe  # noqa: E402
from nemo_gym.reward_profile import select_measured  # noqa: E402
from resources_servers.genrm_compare.app import (  # noqa: E402
    GenRMCompareRequest,
    GenRMCompareResponse,
    GenRMCompareVerifyRequest,
    GenRMCompareVerifyResponse,
)

from judge.settings.server import GroupServing, ServerSettings  # noqa: E402
from tests.client.harness import KEY, real  # noqa: E402
from tests.server.harness import Scripted  # noqa: E402
from tests.server.test_groups import GROUP_JUDGE, Comparing  # noqa: E402

importlib.metadata.version = _version
pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

TASK = {"input": [{"role": "user", "content": "Capital of France?"}]}


def response(text: str) -> dict:
    """A Responses-API object with a thought before its answer."""
    said = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "r", "created_at": 1.0, "model": "policy", "object": "response", "parallel_tool_calls": True, "tool_choice": "auto",
        "tools": [],
        "output": [
            {"type": "reasoning", "id": "t", "summary": [{"type": "summary_text", "text": "Rome, or not?"}]},
            {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [said]},
        ],
    }  # fmt: skip


def request(text: str, model=BaseVerifyRequest, **row) -> dict:
    """What an agent sends: the body as its own model writes it, and the row's fields."""
    made = model.model_validate({"responses_create_params": TASK, "response": response(text), **row})
    return {**row, **made.model_dump(mode="json")}


def verified(
    *bodies: dict, engine=None, config=None, size: int | None = None, broken: bool = False, path: str = "/verify"
) -> list:
    """Our server's answers, asked at once."""
    engine = engine or Scripted()
    settings = ServerSettings(group=GroupServing(size=size)) if size else None

    async def ask(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
            return await asyncio.gather(*(client.post(path, json=body) for body in bodies))

    with real(engine, settings, config) as (url, _):
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.02)
        engine.broken = broken
        answers = asyncio.run(ask(url))
    assert [a.status_code for a in answers] == [200] * len(bodies)
    return [a.json() for a in answers]


def test_its_models_read_our_answers():
    """Request and response come back whole, with the row's fields and a reward."""
    answers = verified(request("It is Paris.", answer="Paris", uuid="u"), request("It is Rome.", answer="Paris"))
    read = [BaseVerifyResponse.model_validate(a) for a in answers]
    assert [r.reward for r in read] == [1.0, 0.0]
    assert [(r.mask_sample, r.failure_kind) for r in read] == [(False, None)] * 2
    assert read[0].response.output[1].content[0].text == "It is Paris."
    assert answers[0]["uuid"] == "u"


def test_the_thought_is_not_judged():
    """Reasoning items are no answer."""
    engine = Scripted()
    verified(request("It is Paris."), engine=engine)
    shown = engine.requests[-1].messages[-1].content
    assert "It is Paris." in shown
    assert "or not?" not in shown


@pytest.mark.parametrize(
    ("text", "broken", "kind"),
    [
        pytest.param("GARBAGE", False, "judge_unparseable", id="no-verdict"),
        pytest.param("Paris", True, "judge_failed", id="down"),
    ],
)
def test_failures_are_named_in_its_words(text, broken, kind, caplog):
    """A name outside its vocabulary would be warned of."""
    with caplog.at_level(logging.WARNING, "nemo_gym"):
        [answer] = verified(request(text), broken=broken)
        read = BaseVerifyResponse.model_validate(answer)
    assert (read.reward, read.mask_sample, read.failure_kind) == (0.0, True, kind)
    assert kind in FAILURE_KINDS
    assert read.failure_reason
    assert "unregistered" not in caplog.text


def test_all_our_names_are_its_own():
    """Also those that are hard to bring about."""
    from judge.server.routes_nemo_gym import _KINDS

    assert set(_KINDS.values()) | {"judge_unparseable"} <= FAILURE_KINDS


def test_a_judge_that_is_down_looks_like_its_own_failed_call():
    """Its collection keeps such rows apart and asks again; one that is only masked counts as done."""

    @judge_failsafe
    async def verify(body: BaseVerifyRequest) -> BaseVerifyResponse:
        raise JudgeError("connection refused")

    body = BaseVerifyRequest.model_validate(request("It is Paris."))
    theirs = json.loads(asyncio.run(verify(body=body)).body)
    [ours] = verified(request("It is Paris.", instance_config={"a": 1}), broken=True)
    same = ("reward", "mask_sample", "failure_kind", "_ng_failure_class")
    assert {k: ours[k] for k in same} == {k: theirs[k] for k in same}
    assert theirs["_ng_failure_class"] == "judge_failed"
    assert ours["instance_config"] == {"a": 1, "mask_sample": True}
    [unreadable] = verified(request("GARBAGE"))
    assert "_ng_failure_class" not in unreadable


def test_a_failure_enters_no_mean():
    """Two of three rollouts are measured, and their mean is 0.5."""
    bodies = [request(t, _ng_task_index=0, _ng_rollout_index=i) for i, t in enumerate(("It is Paris.", "It is Rome.", "GARBAGE"))]
    answers = verified(*bodies)
    _, measured, masked, coverage = select_measured(answers, answers)
    assert sum(each["reward"] for each in measured) / len(measured) == 0.5
    assert [each["_ng_rollout_index"] for each in masked] == [2]
    assert (coverage["coverage/measured_rollouts"], coverage["coverage/masked_rollouts"]) == (2, 1)


def test_several_objectives_are_found():
    """`judge.components` are the criteria of a checklist; who wants them as its own field has the numbers."""
    config = {"recipe": "pointwise", "rubric": "helpfulness"}
    [answer] = verified(request("It is Paris."), config=config)
    read = BaseMultiRewardVerifyResponse.model_validate({**answer, "reward_components": answer["judge"]["components"]})
    assert read.reward_components == {"overall": 1.0}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"_ng_group_id": "g", "_ng_group_attempt": 1}, id="a-trainers-group"),
        pytest.param({"_ng_task_index": 0}, id="its-own-collection"),
    ],
)
def test_rollouts_meet_as_in_its_comparison_server(names):
    """The fields that genrm_compare takes: a group's name, else the task's number and the prompt."""
    bodies = [request(f"This is answer number {i}.", GenRMCompareVerifyRequest, _ng_rollout_index=i, **names) for i in (2, 0, 1)]
    answers = verified(*bodies, engine=Comparing(), config=GROUP_JUDGE, size=3)
    read = [GenRMCompareVerifyResponse.model_validate({"_ng_group_attempt": 0, **a}) for a in answers]
    assert [r.reward for r in read] == [1.0, 0.0, 0.5]
    assert [r.rollout_index for r in read] == [2, 0, 1]


def test_tasks_of_one_number_and_different_prompts_do_not_meet():
    """Two collections count their tasks from 0."""
    other = {"input": [{"role": "user", "content": "Capital of Spain?"}]}
    bodies = []
    for task in (TASK, other):
        for i in range(2):
            body = request(f"This is answer number {i}.", GenRMCompareVerifyRequest, _ng_rollout_index=i, _ng_task_index=0)
            bodies.append({**body, "responses_create_params": task})
    answers = verified(*bodies, engine=Comparing(), config=GROUP_JUDGE, size=2)
    assert [a["reward"] for a in answers] == [0.0, 1.0, 0.0, 1.0]


def test_a_whole_group_in_its_comparison_servers_shape():
    """`/compare` takes the group at once, and its own model reads what comes back."""
    objects = [response(f"This is answer number {i}.") for i in (2, 0, 1)]
    asked = GenRMCompareRequest(conversation_history=TASK["input"], response_objs=objects)
    [answer] = verified(asked.model_dump(mode="json"), engine=Comparing(), config=GROUP_JUDGE, path="/compare")
    assert GenRMCompareResponse.model_validate(answer).rewards == [1.0, 0.0, 0.5]


def test_a_session_is_seeded_with_the_whole_row():
    """Agents send the task's fields there; this server needs none of them."""
    [answer] = verified({"responses_create_params": TASK, "answer": "Paris"}, path="/seed_session")
    assert BaseSeedSessionResponse.model_validate(answer) == BaseSeedSessionResponse()
