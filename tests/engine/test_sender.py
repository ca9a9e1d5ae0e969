"""When an endpoint is asked again, and when it is left alone."""

import asyncio
import random

import pytest

from judge.engine.sender import PROBE_S, TRIP_AFTER, Endpoint, Reply, Sender
from judge.errors import EngineDown
from judge.retry import RetryPolicy, retry_after_seconds

POLICY = RetryPolicy(base_s=1.0, cap_s=4.0, retry_after_cap_s=30.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("2.5", 2.5, id="seconds"),
        pytest.param("-1", 0.0, id="negative"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, id="date-in-the-past"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="infinite"),
    ],
)
def test_retry_after_header(header, seconds):
    """A header that makes no sense must not make us wait for ever."""
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize(
    ("attempt", "retry_after", "least_s", "most_s"),
    [
        pytest.param(0, None, 0.0, 1.0, id="first"),
        pytest.param(1, None, 0.0, 2.0, id="doubled"),
        pytest.param(9, None, 0.0, 4.0, id="bounded"),
        pytest.param(0, "10", 10.0, 11.0, id="asked-to-wait"),
        pytest.param(0, "3600", 30.0, 31.0, id="asked-too-much"),
    ],
)
def test_pause(attempt, retry_after, least_s, most_s):
    """Pauses spread over their whole range, so that judges that failed together do not come back together."""
    rng = random.Random(0)
    pauses = [POLICY.pause(attempt, retry_after_seconds(retry_after), rng) for _ in range(500)]
    assert least_s <= min(pauses) < least_s + 0.1 * (most_s - least_s)
    assert most_s - 0.1 * (most_s - least_s) < max(pauses) <= most_s


def test_faults_in_a_row_put_an_endpoint_aside():
    """One fault in a hundred is chance; sixteen in a row are an outage."""
    endpoint = Endpoint("http://a/v1")
    for _ in range(TRIP_AFTER - 1):
        endpoint.failed(100.0, POLICY, None, gateway=True)
    assert endpoint.ready_at() == 0.0
    endpoint.failed(100.0, POLICY, None, gateway=True)
    assert endpoint.ready_at() == 101.0
    endpoint.answered()
    assert endpoint.ready_at() == 0.0


def test_one_probe_at_a_time():
    """A server that comes back is found by one request, not by all that wait for it."""
    endpoint = Endpoint("http://a/v1")
    endpoint.failed(100.0, POLICY, "unreachable")
    endpoint.take(101.0)
    assert endpoint.ready_at() == 101.0 + PROBE_S


def test_stragglers_do_not_lengthen_the_outage():
    """256 requests that fail together are one outage; each failed probe doubles the pause, up to the cap."""
    endpoint = Endpoint("http://a/v1")
    for _ in range(256):
        endpoint.failed(100.0, POLICY, "unreachable")
    assert endpoint.aside_until == 101.0
    for now, until in [(101.0, 103.0), (103.0, 105.0), (105.0, 107.0)]:
        endpoint.failed(now, POLICY, "unreachable")
        assert endpoint.aside_until == until


def test_lost_connections_then_refused_ones_are_a_server_that_is_gone():
    """A killed server first drops what is in flight: the log names the address that refuses, not the broken pipes."""
    endpoint = Endpoint("http://a/v1")
    for _ in range(TRIP_AFTER):
        endpoint.failed(100.0, POLICY, None)
    assert endpoint.fault == "failing"
    assert endpoint.failed(100.0, POLICY, "unreachable")
    assert (endpoint.fault, endpoint.down_since) == ("unreachable", 100.0)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        pytest.param("http://a/v1", "chat/completions", "http://a/v1/chat/completions", id="plain"),
        pytest.param("http://a/v1/", "models", "http://a/v1/models", id="closing-slash"),
        pytest.param("http://a/v1", "/tokenize", "http://a/tokenize", id="beside-v1"),
        pytest.param("https://a/openai/v1?api-version=1", "models", "https://a/openai/v1/models?api-version=1", id="query-kept"),
    ],
)
def test_addresses(base, path, url):
    """Base URLs are written in several ways, all of them usual."""
    assert Endpoint(base).url(path) == url


def test_a_page_in_the_place_of_replies_is_an_outage():
    """A proxy that answers every request with a page of its own stops the work; it does not fail a whole data set row by row."""
    page = Reply(200, b"<html>Bad gateway</html>")
    sender = Sender(["http://a/v1"], POLICY, 30.0, str, patience_s=0.2, seed=0)

    async def post(url, body):
        return page

    async def send_all():
        return await asyncio.gather(*(sender.send(post, "chat/completions", b"{}") for _ in range(200)), return_exceptions=True)

    given = asyncio.run(send_all())
    assert any(isinstance(one, EngineDown) and "Bad gateway" in str(one) for one in given)


def test_one_page_is_one_failed_reply():
    """A moment of the proxy costs one request, and the next reply says that the endpoint works."""
    replies = iter([Reply(200, b"<html></html>"), Reply(200, b"{}")])
    sender = Sender(["http://a/v1"], POLICY, 30.0, str, patience_s=0.2, seed=0)

    async def post(url, body):
        return next(replies)

    async def send_two():
        return [(await sender.send(post, "chat/completions", b"{}"))[0].body for _ in range(2)]

    assert asyncio.run(send_two()) == [b"<html></html>", b"{}"]
    assert sender.endpoints[0].failures == 0
