"""Groups whose members arrive one by one: judged once, each gets its own, and an incomplete one fails for all."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from judge.server import groups
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.server.errors import APIError
from judge.server.service import JudgingService
from judge.settings.server import GroupServing, ServerSettings
from judge.types import Sample
from tests.server.harness import AUTH, KEY, Scripted, client_of, judge_of, served, until

GROUP_JUDGE = {"recipe": "pairwise", "group": {"schedule": "round_robin"}}


class Comparing(Scripted):
    """Prefers the response with the larger number in it."""

    async def _answer(self, request):
        await asyncio.sleep(self.delay_s)
        if self.broken:
            return await super()._answer(request)
        text = request.messages[-1].content
        import re

        numbers = [int(n) for n in re.findall(r"answer number (\d+)", text)]
        return "Compared.\n[[A]]" if not numbers or numbers[0] > numbers[-1] else "Compared.\n[[B]]"


def member(number: int, size: int = 4, **fields: object) -> dict[str, object]:
    return {"prompt": "Which is best?", "response": f"This is answer number {number}.", "size": size, **fields}


async def post(client, index: int, body: dict, group: str = "g"):
    return await client.post(f"/v1/groups/{group}/members/{index}", json=body, timeout=30)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/groups/g/members/0", member(0), id="member"),
        pytest.param("/v1/rank", {"prompt": "Which?", "responses": ["a", "b"]}, id="rank"),
        pytest.param(
            "/compare",
            {
                "conversation_history": [{"role": "user", "content": "Which?"}],
                "response_objs": [{"output": [{"role": "assistant", "content": [{"type": "output_text", "text": "a"}]}]}] * 2,
            },
            id="compare",
        ),
    ],
)
async def test_one_group_is_no_batch(path, body):
    """Of one group a request every group is the best of its batch: length would count in all of them."""
    step = {"kind": "grpo_lambda", "pass_at": 0.5}
    config = {"recipe": "pointwise", "rubric": "helpfulness", "reward": {"shape": [step]}}
    async with client_of(Scripted(), config=config) as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "needs_batch")


async def test_members_in_any_order_get_their_own_reward_once_judged():
    """The group is judged once, by comparing; who came twice is answered twice and changes nothing."""
    engine = Comparing()
    async with client_of(engine, config=GROUP_JUDGE) as client:
        before = len(engine.requests)
        order = [2, 0, 0, 3, 1, 2]
        answers = await asyncio.gather(*(post(client, i, member(i)) for i in order))
        asked = len(engine.requests) - before
    rewards = {i: a.json()["result"]["reward"] for i, a in zip(order, answers, strict=True)}
    assert [a.status_code for a in answers] == [200] * 6
    assert sorted(rewards, key=rewards.get) == [0, 1, 2, 3]
    assert rewards[3] == 1.0
    assert [answers[0].json()["place"], answers[1].json()["place"]] == [2, 4]
    assert asked == 12  # 6 pairs, both orders


async def test_a_late_retry_gets_the_answer_already_there():
    """A trainer that lost the connection asks again, and nothing is judged twice."""
    engine = Comparing()
    async with client_of(engine, config=GROUP_JUDGE) as client:
        first = await asyncio.gather(*(post(client, i, member(i, 2)) for i in range(2)))
        asked = len(engine.requests)
        again = await post(client, 1, member(1, 2))
        assert len(engine.requests) == asked
    assert again.json() == first[1].json()


async def test_pointwise_recipes_judge_each_member_alone():
    """A group needs no comparing judge: the server only brings the members together."""
    async with client_of() as client:
        texts = ["It is Paris.", "It is Rome."]
        bodies = [{"prompt": "q", "response": text, "size": 2} for text in texts]
        answers = await asyncio.gather(*(post(client, i, body) for i, body in enumerate(bodies)))
    assert [a.json()["result"]["reward"] for a in answers] == [1.0, 0.0]


async def test_an_incomplete_group_fails_for_all_and_says_who_is_missing():
    """Half a group is never judged as if it were whole, and nobody waits for ever."""
    settings = ServerSettings(group=GroupServing(incomplete_s=0.3))
    async with client_of(Comparing(), settings, config=GROUP_JUDGE) as client:
        answers = await asyncio.gather(*(post(client, i, member(i)) for i in (0, 2)))
        late = await post(client, 1, member(1))
    for answer in (*answers, late):
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "group_incomplete"
        assert "2 of 4 members" in answer.json()["error"]["message"]
        assert "missing: 1, 3" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("index", "body", "status", "code"),
    [
        pytest.param(0, member(7), 409, "member_differs", id="other-content-under-the-same-index"),
        pytest.param(1, member(1, 5), 409, "size_differs", id="other-size"),
        pytest.param(1, {**member(1), "prompt": "Another question?"}, 409, "prompt_differs", id="other-prompt"),
        pytest.param(1, {**member(1), "reference": "x"}, 409, "reference_differs", id="other-reference"),
        pytest.param(1, {**member(1), "context": ["x"]}, 409, "context_differs", id="other-context"),
        pytest.param(1, {**member(1), "principle": "x"}, 409, "principle_differs", id="other-principle"),
        pytest.param(1, {**member(1), "rubric": "safety-refusal"}, 409, "rubric_differs", id="other-rubric"),
        pytest.param(4, member(4), 422, "bad_index", id="index-beyond-the-group"),
        pytest.param(0, {**member(0), "size": 1000}, 422, "bad_index", id="too-large-a-group"),
        pytest.param(0, {k: v for k, v in member(0).items() if k != "size"}, 422, "bad_field", id="no-size"),
        pytest.param(0, {**member(0), "group": "x"}, 422, "bad_field", id="unknown-field"),
    ],
)
async def test_what_does_not_fit_is_refused_and_harms_nobody(index, body, status, code):
    """The newcomer is told; those who wait go on waiting, and are judged when their group is whole."""
    async with client_of(Comparing(), config=GROUP_JUDGE) as client:
        first = asyncio.create_task(post(client, 0, member(0)))
        await asyncio.sleep(0.05)
        refused = await post(client, index, body)
        rest = await asyncio.gather(*(post(client, i, member(i)) for i in (1, 2, 3)))
        assert (await first).status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert [a.status_code for a in rest] == [200] * 3


async def test_a_higher_attempt_takes_the_place_of_a_lower_one():
    """A trainer that starts a group again is not held up by the remains of the first try."""
    async with client_of(Comparing(), config=GROUP_JUDGE) as client:
        old = asyncio.create_task(post(client, 0, member(0, 2)))
        await asyncio.sleep(0.05)
        new = await asyncio.gather(*(post(client, i, member(i + 5, 2, attempt=1)) for i in range(2)))
        behind = await post(client, 1, member(1, 2))
    assert [a.status_code for a in new] == [200, 200]
    for answer in (await old, behind):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "group_superseded")


def test_a_key_has_its_share_of_groups():
    """One run that opens groups without end, or enormous ones, leaves the others their room; its own open groups still fill."""

    async def main() -> None:
        settings = GroupServing(max_groups=4)
        held = groups.GroupRendezvous(judging_service(), settings, keys=2, connections=32)  # 2 groups and 14 members a key
        one = Sample(prompt="Q", responses=("A",))

        def opened(owner: str, name: str, size: int) -> asyncio.Task:
            return asyncio.create_task(held.member(owner, name, 0, size, 0, one))

        waiting = [opened("a", "g1", 8)]
        await asyncio.sleep(0)
        with pytest.raises(APIError, match="would be over 14") as members:
            await opened("a", "g2", 8)
        waiting.append(opened("a", "g3", 4))
        await asyncio.sleep(0)
        with pytest.raises(APIError, match="2 groups of this key are held") as own:
            await opened("a", "g4", 1)
        waiting.append(opened("b", "g1", 14))
        waiting.append(asyncio.create_task(held.member("a", "g1", 1, 8, 0, one)))
        await asyncio.sleep(0)
        assert {members.value.code, own.value.code} == {"too_many_groups"}
        assert (held.open, sum(task.done() for task in waiting)) == (3, 0)
        held.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert held.open == 0
        opened("a", "g5", 8)  # what has ended takes no room
        await asyncio.sleep(0)
        held.close()

    asyncio.run(main())


def judging_service() -> JudgingService:
    """A service that lets everything in and is asked nothing."""

    class Open:
        drain = SimpleNamespace(error=APIError(503, "draining", "about to stop"))

        def check_one_group(self) -> None:
            """Nothing compares groups."""

        def check_open(self) -> None:
            """It is."""

    return cast("JudgingService", Open())


async def test_groups_of_different_keys_never_meet():
    """Two runs that count their groups from 0 do not judge each other's answers."""
    engine = Comparing()
    with judge_of(engine, **GROUP_JUDGE) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys((KEY, "second-key-0123456")))
        open_groups = app.state.judge.groups
        with served(app) as url:
            import httpx

            async with httpx.AsyncClient(base_url=url, headers=AUTH) as one, httpx.AsyncClient(base_url=url) as two:
                two.headers["X-API-Key"] = "second-key-0123456"
                first = asyncio.create_task(post(one, 0, member(0, 2)))
                other = asyncio.create_task(post(two, 1, member(9, 2)))
                assert await until(lambda: open_groups.open == 2)
                done = await asyncio.gather(post(one, 1, member(1, 2)), post(two, 0, member(8, 2)))
                assert (await first).json()["result"]["reward"] == 0.0
                assert (await other).json()["result"]["reward"] == 1.0
                assert [d.status_code for d in done] == [200, 200]


async def test_an_outage_is_told_to_all_and_a_higher_attempt_judges_again():
    """Nobody gets a number from a dead engine, and the group is not lost by it."""
    engine = Comparing()
    async with client_of(engine, config=GROUP_JUDGE) as client:
        engine.broken = True
        failed = await asyncio.gather(*(post(client, i, member(i, 2)) for i in range(2)))
        engine.broken = False
        judged = await asyncio.gather(*(post(client, i, member(i, 2, attempt=1)) for i in range(2)))
    results = [a.json()["result"] for a in failed]
    assert [r["reward"] for r in results] == [None, None]
    assert {r["failure"]["reason"] for r in results} == {"engine_error"}
    assert [a.json()["result"]["reward"] for a in judged] == [0.0, 1.0]


async def test_an_error_nobody_foresaw_reaches_all_members():
    """Nobody waits for ever for a group whose judging has died."""
    async with client_of(Comparing(), config=GROUP_JUDGE) as client:

        def broken(samples, limit_s):
            raise ZeroDivisionError

        object.__setattr__(client.app.state.judge.service, "each", broken)
        answers = await asyncio.gather(*(post(client, i, member(i, 2)) for i in range(2)))
    assert [(a.status_code, a.json()["error"]["code"]) for a in answers] == [(500, "internal")] * 2


async def test_judging_outlives_one_member_and_not_all(monkeypatch):
    """A sender that goes away costs the others nothing; when nobody waits, the engine is let go."""
    monkeypatch.setattr(groups, "ABANDONED_S", 0.2)
    engine = Comparing(delay_s=5.0)
    with judge_of(engine, **GROUP_JUDGE) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys((KEY,)))
        app.state.judge.health.started.set()
        async with app.router.lifespan_context(app):
            import httpx

            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=AUTH) as client:
                tasks = [asyncio.create_task(post(client, i, member(i, 2))) for i in range(2)]
                await asyncio.sleep(0.2)
                tasks[0].cancel()
                await asyncio.sleep(0.4)
                assert app.state.judge.groups.open == 1
                tasks[1].cancel()
                assert await until(lambda: app.state.judge.groups.open == 0)
                assert await until(lambda: app.state.judge.admission.held == 0)


_MEMBER = """
import json, random, sys, time, urllib.request
url, key, index, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
body = {"prompt": "Which is best?", "response": f"This is answer number {index}.", "size": 8}
out = []
time.sleep(random.random() * 0.5)
for _ in range(times):
    request = urllib.request.Request(f"{url}/v1/groups/step-3/members/{index}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    out.append(json.load(urllib.request.urlopen(request, timeout=60)))
print(json.dumps(out))
"""


def test_eight_processes_meet():
    """The real thing: a group of 8 from 8 processes in random order, two of them twice, is judged once."""
    engine = Comparing()
    with judge_of(engine, **GROUP_JUDGE) as judge, served(make_app(judge, ServerSettings(), keys=Keys((KEY,)))) as url:
        command = [sys.executable, "-c", _MEMBER, url, KEY]
        processes = [
            subprocess.Popen([*command, str(i), "2" if i in (2, 5) else "1"], stdout=subprocess.PIPE, text=True) for i in range(8)
        ]
        answers = {i: json.loads(p.communicate(timeout=60)[0]) for i, p in enumerate(processes)}
        asked = len(engine.requests)
    rewards = [answers[i][0]["result"]["reward"] for i in range(8)]
    assert rewards == sorted(rewards)
    assert len(set(rewards)) == 8
    assert all(answers[i][0] == answers[i][1] for i in (2, 5))
    assert asked == 2 * 28 + 2  # 28 pairs in both orders, and the server's own probe
