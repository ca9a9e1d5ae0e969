"""The same Idempotency-Key: one judgement, one answer."""

from __future__ import annotations

import asyncio

import pytest

from judge.server.errors import APIError
from judge.server.idempotency import IdempotencyCache
from judge.settings.server import ServerSettings
from tests.server.harness import ONE, Scripted, client_of

KEYED = {"Idempotency-Key": "step-7/rank-3"}


async def test_a_repetition_gets_the_same_bytes():
    """A retry after a lost answer is not billed twice, and at a temperature above 0 does not get another reward."""
    engine = Scripted()
    async with client_of(engine) as client:
        before = len(engine.requests)
        first = await client.post("/v1/score", json=ONE, headers=KEYED)
        again = await client.post("/v1/score", json=ONE, headers=KEYED)
        asked = len(engine.requests) - before
    assert (first.content, asked) == (again.content, 1)
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"


async def test_repetitions_at_the_same_time_share_one_judgement():
    """A client that gave up early and asks again meets its first request still on its way."""
    engine = Scripted(delay_s=0.2)
    async with client_of(engine) as client:
        before = len(engine.requests)
        answers = await asyncio.gather(*(client.post("/v1/score", json=ONE, headers=KEYED) for _ in range(5)))
        asked = len(engine.requests) - before
    assert len({a.content for a in answers}) == 1
    assert asked == 1


async def test_another_body_under_the_same_key_is_refused():
    """Two requests under one key are a mistake of the client, which would get the wrong reward."""
    other = {"samples": [{"prompt": "q", "response": "b"}]}
    async with client_of() as client:
        await client.post("/v1/score", json=ONE, headers=KEYED)
        answer = await client.post("/v1/score", json=other, headers=KEYED)
        elsewhere = await client.post("/v1/rank", json={"prompt": "q", "responses": ["a", "b"]}, headers=KEYED)
    for refused in (answer, elsewhere):
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "key_reused")


async def test_a_refusal_is_not_kept():
    """Asking again after 503 must ask, not repeat the 503."""
    engine = Scripted()
    body = {"prompt": "q", "response": "It is Paris."}
    async with client_of(engine) as client:
        engine.broken = True
        failed = await client.post("/remote_rm", json=body, headers=KEYED)
        engine.broken = False
        answer = await client.post("/remote_rm", json=body, headers=KEYED)
    assert (failed.status_code, answer.status_code, answer.json()) == (503, 200, 1.0)


async def test_a_stream_takes_no_key():
    """What is not kept is said not to be."""
    async with client_of() as client:
        answer = await client.post("/v1/score", json={**ONE, "stream": True}, headers=KEYED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_replay")


@pytest.mark.parametrize("key", ["", "a" * 201])
async def test_keys_that_are_none(key):
    """Keys are bounded, as they are held."""
    async with client_of() as client:
        assert (await client.post("/v1/score", json=ONE, headers={"Idempotency-Key": key})).status_code == 400


async def test_answers_are_forgotten_by_age_and_number():
    """The store is bounded."""
    now = [0.0]
    cache = IdempotencyCache(10.0, 3, lambda: now[0])
    made = []

    async def ask(key: str) -> bool:
        async def make() -> bytes:
            made.append(key)
            return b"x"

        return (await cache.answer("", key, "/", b"", make))[1]

    assert [await ask(k) for k in "abca"] == [False, False, False, True]
    assert [await ask(k) for k in "dea"] == [False, False, False]
    now[0] = 11.0
    assert await ask("e") is False


async def test_a_leader_that_goes_away_leaves_the_work_to_the_next():
    """The first request under a key may be cancelled; the second must not wait for it for ever."""
    cache, began = IdempotencyCache(10.0, 10), asyncio.Event()

    async def forever() -> bytes:
        began.set()
        await asyncio.sleep(60)
        return b"late"

    async def quick() -> bytes:
        return b"quick"

    first = asyncio.create_task(cache.answer("", "k", "/", b"", forever))
    await began.wait()
    second = asyncio.create_task(cache.answer("", "k", "/", b"", quick))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.wait_for(second, 1) == (b"quick", False)
    with pytest.raises(APIError):
        await cache.answer("", "k", "/", b"other", quick)


async def test_keys_belong_to_who_used_them():
    """Two holders of API keys cannot read each other's answers by guessing."""
    cache = IdempotencyCache(10.0, 10)

    async def make() -> bytes:
        return b"x"

    await cache.answer("alice", "k", "/", b"", make)
    assert (await cache.answer("bob", "k", "/", b"other", make))[1] is False


def test_settings_hold_the_bounds():
    """The bounds can be set."""
    assert ServerSettings(idempotency_s=5, idempotency_entries=7).idempotency_entries == 7
