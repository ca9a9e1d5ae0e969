"""Questions to the real application on a real port: what comes back is what the judge said, or an error a person can act on."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from judge.client import AsyncClient, Client
from judge.client.wire import encode, fields_of
from judge.errors import DataError, EngineError, InputError, MonitorStop, NoVerdictError, RubricError
from judge.rubric.load import list_rubrics, load_rubric, rubric_from
from judge.settings.server import GroupServing, ServerSettings
from judge.types import Message, Reason, Sample
from tests.client.harness import GARBAGE, KEY, PARIS, ROME, SLOW, Steps, real, reply, scored
from tests.server.harness import Scripted, until


@pytest.fixture(scope="module")
def server():
    with real() as (url, _):
        yield url


@pytest.fixture(scope="module")
def client(server):
    with Client(server, KEY, retries=0, deadline_s=20) as client:
        yield client


def test_rewards_in_order(client):
    """A failure among rewards is a failure, in its place, and costs the others nothing."""
    first, second, third = client.score([PARIS, GARBAGE, ROME])
    assert (first.reward, second.reward, third.reward) == (1.0, None, 0.0)
    assert second.failure.reason is Reason.MISSING
    assert second.reward is None
    assert [r.sample_id for r in (first, second, third)] == ["p", "g", "r"]
    assert first.judge_calls == 1
    assert first.calls == ()


def test_detail_brings_the_calls(client):
    """A surprising reward can be traced to what the judge said."""
    [reward] = client.score([GARBAGE], detail=True)
    assert {call.outcome.reason for call in reward.calls} == {Reason.MISSING}
    assert all("rather not say" in call.completion.text for call in reward.calls)


def test_nothing_to_judge_asks_nobody():
    """An empty batch of a trainer is no error."""
    assert Client("http://127.0.0.1:9").score([]) == []


@pytest.mark.parametrize("sample", [
    pytest.param(Sample.of("q", "half a pair \ud800"), id="surrogate"),
    pytest.param(Sample.of("q", ""), id="empty-response"),
    pytest.param(Sample((Message("system", "Be short."), Message("user", "q")), ("a",)), id="messages"),
    pytest.param(Sample.of("q", "a", reference="r", context=("d",), metadata={"response_tokens": 3}), id="everything"),
    pytest.param(Sample.of("q", "a", rubric=load_rubric("helpfulness")), id="own-rubric"),
])  # fmt: skip
def test_every_sample_gets_through(client, sample):
    """What a policy writes and a data set holds reaches the judge as it is."""
    [reward] = client.score([sample])
    assert reward.reward is not None or reward.failure is not None


@pytest.mark.parametrize("name", list_rubrics())
def test_a_rubric_survives_the_way(name):
    """Anchors, points and scales are not lost between trainer and server."""
    rubric = load_rubric(name)
    sent = json.loads(encode(fields_of(Sample.of("q", "a", rubric=rubric))))
    assert rubric_from(sent["rubric"], "rubric").hash == rubric.hash


def test_a_shipped_rubric_by_name(client):
    """One word instead of a file; a wrong one names the right ones."""
    assert client.score([PARIS], rubric="helpfulness")[0].reward == 1.0
    with pytest.raises(RubricError, match=r"samples\[0\]\.rubric: .*helpfulnes"):
        client.score([PARIS], rubric="helpfulnes")


def test_ranking(client):
    """The one without a reward has no place, and is not last."""
    ranking = client.rank(Sample.of("Capital of France?", "It is Rome.", "GARBAGE", "It is Paris."))
    assert (ranking.best_first, ranking.unranked) == ((2, 0), (1,))
    assert [r.reward for r in ranking.rewards] == [0.0, None, 1.0]


async def test_a_stream_gives_what_is_done(server):
    """A slow sample does not hold back the others."""
    async with AsyncClient(server, KEY) as client:
        begun = client.stream([SLOW, PARIS, GARBAGE])
        first = [await anext(begun), await anext(begun)]
        await begun.aclose()
    assert sorted(s.index for s in first) == [1, 2]
    assert {s.index: s.rewards[0].reward for s in first} == {1: 1.0, 2: None}


async def test_a_whole_stream(server):
    """It ends by itself after the last result."""
    async with AsyncClient(server, KEY) as client:
        results = {s.index: s.rewards[0].reward async for s in client.stream([PARIS, ROME])}
    assert results == {0: 1.0, 1: 0.0}


def test_a_group_from_threads(client):
    """Members wait for each other in one client, and each gets its own."""
    found = {}

    def bring(index, text):
        found[index] = client.member("step 7.prompt-3%", index, Sample.of("Capital of France?", text), size=3)

    threads = [threading.Thread(target=bring, args=(i, t)) for i, t in enumerate(["Paris.", "Rome.", "Paris!"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {i: (m.reward.reward, m.place) for i, m in found.items()} == {0: (1.0, 1), 1: (0.0, 3), 2: (1.0, 1)}


async def test_a_group_larger_than_a_usual_pool():
    """Members of 120 wait at once: a pool of 100 connections would wait until the deadline."""
    with real(settings=ServerSettings(max_concurrency=120)) as (url, _):
        async with AsyncClient(url, KEY, deadline_s=30) as client:
            asked = [client.member("g", i, PARIS, size=120, deadline_s=30) for i in range(120)]
            assert {m.reward.reward for m in await asyncio.gather(*asked)} == {1.0}


def test_a_group_that_stays_incomplete():
    """Nobody gets a number, and the message names who is missing."""
    with real(settings=ServerSettings(group=GroupServing(incomplete_s=0.2))) as (url, _), Client(url, KEY) as client:
        says = r"group_incomplete: group `g` has 1 of 3 members after 0\.2 s; missing: 1, 2"
        with pytest.raises(NoVerdictError, match=says):
            client.member("g", 0, PARIS, size=3)


async def test_another_text_under_the_same_index():
    """A worker that mixes up its indices hears about it, and the group goes on."""
    with real() as (url, state):
        async with AsyncClient(url, KEY, deadline_s=20) as client:
            first = asyncio.create_task(client.member("g", 0, PARIS, size=2))
            assert await until(lambda: state.groups.open == 1)
            with pytest.raises(DataError, match="member_differs"):
                await client.member("g", 0, ROME, size=2)
            second = await client.member("g", 1, ROME, size=2)
            assert ((await first).reward.reward, second.reward.reward) == (1.0, 0.0)


@pytest.mark.parametrize(("key", "says"), [
    pytest.param("wrong-key-0123456789", "401 wrong_key: unknown API key", id="wrong"),
    pytest.param(None, "401 no_key", id="none"),
])  # fmt: skip
def test_a_key_that_is_refused(server, key, says):
    """It is told at once, without retries, and the key is not in the message."""
    with Client(server, key, deadline_s=5) as client, pytest.raises(EngineError, match=says) as caught:
        client.score([PARIS])
    assert str(key) not in str(caught.value)


def test_a_key_in_the_url(server):
    """As trainers write it; it stays out of messages."""
    with Client(server.replace("://", f"://judge:{KEY}@"), retries=0) as client:
        assert client.score([PARIS])[0].reward == 1.0
        with pytest.raises(DataError) as caught:
            client.rank(Sample.of("q", *["a"] * 2, metadata={"x": float("nan")}))
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(("ask", "error", "says"), [
    pytest.param(lambda c: c.score([PARIS] * 257), InputError, "too_many_samples", id="too-many"),
    pytest.param(lambda c: c.score([Sample.of("q", "a" * 9_000_000)]), InputError, "body_too_large", id="too-large"),
    pytest.param(lambda c: c.rank(PARIS), DataError, "responses", id="one-to-rank"),
    pytest.param(lambda c: c.member("g/h", 0, PARIS, size=2), DataError, "without `/`", id="slash"),
    pytest.param(lambda c: c.member("g", 5, PARIS, size=2), DataError, "index 5 of a group of 2", id="no-such-index"),
    pytest.param(lambda c: c.member("g", 0, PARIS), DataError, "`size` is missing", id="no-size"),
])  # fmt: skip
def test_a_request_that_cannot_be_judged(client, ask, error, says):
    """The server's own words, as the toolkit's own error."""
    with pytest.raises(error, match=says):
        ask(client)


def test_a_large_body_gets_through(server):
    """Megabytes are announced, let in and judged."""
    with Client(server, KEY) as client:
        [reward] = client.score([Sample.of("q", "a longer answer, " * 200_000)])
    assert reward.reward is not None or reward.failure is not None


def test_health(server):
    """Ready, with or without a key."""
    assert Client(server).health() == "ready"


def test_no_server_there():
    """Said as such, in time."""
    with Client("http://127.0.0.1:9", deadline_s=0.3) as client:
        with pytest.raises(EngineError, match="Cannot connect"):
            client.health()
        with pytest.raises(EngineError, match=r"Cannot connect.*deadline|no answer within 0.3 s"):
            client.score([PARIS])


def test_a_monitor_that_ended_the_run():
    """Training stops; asking again would hide it."""
    with real() as (url, state), Client(url, KEY) as client:
        state.health.stopped = "constant_string"
        with pytest.raises(MonitorStop, match="constant_string"):
            client.score([PARIS])
        assert client.health() == "stopped"


def test_a_slow_judge_ends_at_the_deadline_and_costs_nothing_more():
    """The client's deadline is the caller's, whatever the server allows; the judge is told to stop."""
    engine = Scripted()
    with real(engine) as (url, state):
        with Client(url, KEY) as client:
            client.score([PARIS])  # from here on the judge is there
        with Client(url, KEY, deadline_s=0.5) as client, pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
            client.score([SLOW])
        for _ in range(100):
            if (state.admission.held, engine.cancelled) == (0, 1):
                break
            threading.Event().wait(0.02)
        assert (state.admission.held, engine.cancelled) == (0, 1)


def test_a_full_queue_is_waited_out():
    """Workers that come together are all served: 429 and Retry-After are no failure."""
    settings = ServerSettings(max_concurrency=1, queue_size=1, max_samples=2)
    with real(Scripted(delay_s=0.3), settings) as (url, state), Client(url, KEY, deadline_s=60) as client:
        found = []
        threads = [threading.Thread(target=lambda: found.extend(client.score([PARIS]))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [r.reward for r in found] == [1.0] * 4
        assert state.metrics.refused["queue_full"] > 0


@pytest.mark.parametrize("changes", [
    pytest.param({"reward": None, "raw_reward": None}, id="neither"),
    pytest.param({"failure": {"reason": "missing", "detail": ""}}, id="both"),
    pytest.param({"reward": True}, id="bool"),
    pytest.param({"reward": "1.0"}, id="text"),
    pytest.param({"reward": float("nan")}, id="nan"),
    pytest.param({"reward": None, "failure": {"reason": "because", "detail": ""}}, id="unknown-reason"),
    pytest.param({"response_index": 1}, id="other-response"),
])  # fmt: skip
def test_an_answer_that_is_none_is_no_number(changes):
    """A proxy, another server or another release cannot slip in a reward."""
    says = r"not an answer of a judge server|a reward and a failure|in another order"
    with Steps(reply(200, scored(**changes))) as fake, pytest.raises(EngineError, match=says):
        Client(fake.url, retries=0).score([PARIS])


@pytest.mark.parametrize("body", [
    pytest.param(b"<html>hello</html>", id="html"),
    pytest.param(b'{"results": []}', id="missing"),
    pytest.param(b"[" * 100_000, id="deep"),
    pytest.param(b"", id="empty"),
])  # fmt: skip
def test_something_else_than_an_answer(body):
    """Nothing is made up from it."""
    with Steps(reply(200, body)) as fake, Client(fake.url, retries=0) as client, pytest.raises(EngineError):
        client.score([PARIS])


def test_a_shaped_reward_stays_what_the_server_trains_on():
    """`raw_reward` is the judge's, `reward` what came out of the shaping chain; a newer server's fields are let pass."""
    with Steps(reply(200, scored(reward=0.5, new="field"))) as fake, Client(fake.url) as client:
        [reward] = client.score([PARIS])
    assert (reward.raw_reward, reward.reward, reward.tokens, reward.judge_calls) == (1.0, 0.5, 7, 1)
