"""What stops the run before the first request, and what must not."""

import logging

import pytest

from judge.engine.http import HttpEngine
from judge.engine.protocol import Engine
from judge.errors import EngineError, SettingsError
from tests.engine.http_engine.asking import KEY, ask, engine_for, free_url, started
from tests.fake_endpoint import Canned, FakeEndpoint


async def test_nothing_listens():
    """The commonest mistake of all names the address and the question to ask."""
    url = free_url()
    with pytest.raises(EngineError, match=f"cannot reach {url} .*is the server running"):
        await started(url)


async def test_wrong_key_names_the_variable(monkeypatch):
    """The message says which variable to look at."""
    monkeypatch.setenv("JUDGE_TEST_KEY", KEY)
    async with FakeEndpoint(key="another") as server:
        engine = engine_for(server, api_key_env="JUDGE_TEST_KEY")
        with pytest.raises(EngineError, match="refused the key from the environment variable JUDGE_TEST_KEY") as caught:
            await engine.start()
        await engine.close()
    assert KEY not in str(caught.value)


async def test_no_key_where_one_is_needed(monkeypatch):
    """The message says that no key was sent at all."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with FakeEndpoint(key=KEY) as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match=r"without a key \(the environment variable OPENAI_API_KEY is not set\)"):
            await engine.start()
        await engine.close()


@pytest.mark.parametrize("check_model", [True, False])
async def test_unknown_model(check_model):
    """A typing error is found before the first request; an unchecked one at the first."""
    async with FakeEndpoint({"Qwen/Qwen3-8B": [Canned()]}) as server:
        engine = engine_for(server, model="Qwen/Qwen3-8b", check_model=check_model)
        if check_model:
            with pytest.raises(EngineError, match="did you mean `Qwen/Qwen3-8B`"):
                await engine.start()
        else:
            await engine.start()
            with pytest.raises(EngineError, match="does not exist"):
                await engine.complete(ask())
        await engine.close()


async def test_every_endpoint_must_serve_the_model():
    """Two servers with two models would be two judges."""
    async with FakeEndpoint({"fake": [Canned()]}) as right, FakeEndpoint({"other": [Canned()]}) as wrong:
        engine = engine_for(right, wrong)
        with pytest.raises(EngineError, match=f"{wrong.url} has no model `fake`; it lists other"):
            await engine.start()
        await engine.close()


@pytest.mark.parametrize("status", [404, 405])
async def test_server_without_a_model_list(status):
    """Not every server lists its models."""
    async with FakeEndpoint(models_status=status) as server:
        engine = await started(server)
        assert (await engine.complete(ask())).finish_reason == "stop"
        await engine.close()


async def test_server_still_loading():
    """A server that is not ready says so at the start."""
    async with FakeEndpoint(models_status=503) as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match=r"HTTP 503.*still loading"):
            await engine.start()
        await engine.close()


async def test_hostile_text_cannot_stop_the_run_by_403():
    """A gateway that blocks one text must not end the run for the others; a key that never worked must."""
    replies = {"fake": [Canned("fine"), Canned(status=403, error="forbidden")], "new": [Canned(status=403, error="forbidden")]}
    async with FakeEndpoint(replies) as server:
        engine = await started(server)
        await engine.complete(ask())
        assert (await engine.complete(ask())).finish_reason == "error"
        fresh = await started(server, model="new")
        with pytest.raises(EngineError, match="403: forbidden"):
            await fresh.complete(ask())
        await engine.close()
        await fresh.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"base_url": "localhost:8000"}, "not an HTTP address", id="no-scheme"),
        pytest.param({"base_url": []}, "at least one", id="no-address"),
        pytest.param({"base_url": "http://me:pw@host/v1"}, "holds a user name or password", id="password-in-address"),
        pytest.param({"api_key_env": "JUDGE_NO_SUCH_KEY"}, "JUDGE_NO_SUCH_KEY is not set", id="key-variable-not-set"),
        pytest.param({"extra_body": {"temperature": 1, "min_tokens": 3}}, "extra_body.temperature: is set", id="clash"),
    ],
)
def test_bad_settings(settings, says):
    """What is wrong is said before anything is sent."""
    with pytest.raises(SettingsError, match=says) as caught:
        HttpEngine(**{"model": "fake", "base_url": "http://127.0.0.1:1/v1", **settings})
    assert "pw" not in str(caught.value).replace("password", "")


async def test_the_key_is_nowhere(caplog):
    """Servers quote the key they refuse; logs, errors and records must not."""
    caplog.set_level(logging.DEBUG)
    quoting = [
        Canned(status=400, error=f"bad key {KEY}"),
        Canned(body=f"oops {KEY}".encode()),
        Canned(status=500, error=f"key {KEY}"),
    ]
    texts = []
    for reply in quoting:
        async with FakeEndpoint({"fake": [reply]}, key=KEY) as server:
            engine = await started(server, api_key=KEY, headers={"X-Tenant": "tenant-secret-1"})
            texts.append(repr(await engine.complete(ask())) + repr(engine) + repr(engine.identity))
            assert server.headers["Authorization"] == f"Bearer {KEY}"
            assert server.headers["X-Tenant"] == "tenant-secret-1"
            await engine.close()
    async with FakeEndpoint(key="another") as server:
        with pytest.raises(EngineError) as caught:
            await started(server, api_key=KEY)
    texts += [str(caught.value), repr(caught.value), caplog.text]
    assert not [text for text in texts if "very-secret" in text or "tenant-secret" in text]


async def test_start_is_needed_and_idempotent():
    """Forgetting `start` is said plainly; calling it twice asks once."""
    async with FakeEndpoint() as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match="start"):
            await engine.complete(ask())
        await engine.start()
        await engine.start()
        assert isinstance(engine, Engine)
        await engine.close()
        await engine.close()
