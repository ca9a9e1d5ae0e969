"""How these tests ask an `HttpEngine`."""

import socket

from judge.engine.http import HttpEngine
from judge.retry import RetryPolicy
from judge.types import Message, Request, Sampling

KEY = "sk-very-secret-key-0123456789"
FAST = RetryPolicy(max_retries=2, base_s=0.01)


def ask(text="Is it right?", *, structured=None, prefill="", **sampling):
    messages = (Message("user", text),) + ((Message("assistant", prefill),) if prefill else ())
    return Request(messages, Sampling(**sampling), structured)


def engine_for(*servers, model="fake", policy=FAST, **settings):
    urls = [server if isinstance(server, str) else server.url for server in servers]
    return HttpEngine(model=model, base_url=urls, policy=policy, **settings)


async def started(*servers, **settings):
    engine = engine_for(*servers, **settings)
    await engine.start()
    return engine


def free_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"
