"""Who gets in: every route wants a key, keys cannot be guessed or leaked, and an open address without keys is refused."""

from __future__ import annotations

import base64
import logging

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from judge.errors import SettingsError
from judge.server.auth import Keys, load_keys
from judge.settings.server import ServerSettings
from tests.server.harness import AUTH, KEY, ONE, client_of


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_every_route_wants_a_key():
    """A route that somebody adds later is closed too: the list comes from the application itself."""
    async with client_of() as client:
        routes = [r for r in _routes(client.app) if r.path not in ("/livez", "/readyz")]
        assert {"/v1/score", "/v1/rank", "/metrics", "/openapi.json", "/docs", "/verify"} <= {r.path for r in routes}
        for route in routes:
            for method in route.methods or ():
                path = route.path.replace("{group_id}", "g").replace("{index}", "0")
                answer = await client.request(method, path, headers={"Authorization": ""})
                assert answer.status_code == 401, (method, path)
        assert (await client.get("/nowhere", headers={"Authorization": ""})).status_code == 401
        for path in ("/livez", "/readyz"):
            assert (await client.get(path, headers={"Authorization": ""})).status_code == 200


def _routes(app):
    """Routes of an application, those of included routers too."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute | Route):
            found.append(route)
        else:
            found += list(getattr(getattr(route, "original_router", route), "routes", []))
    return found


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(AUTH, 200, id="bearer"),
        pytest.param({"X-API-Key": KEY}, 200, id="own-header"),
        pytest.param({"Authorization": basic("judge", KEY)}, 200, id="basic-of-a-trainer-url"),
        pytest.param({"Authorization": f"bearer {KEY}"}, 200, id="lower-case-scheme"),
        pytest.param({}, 401, id="none"),
        pytest.param({"Authorization": KEY}, 401, id="no-scheme"),
        pytest.param({"Authorization": f"Bearer {KEY}x"}, 401, id="longer"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, 401, id="shorter"),
        pytest.param({"Authorization": "Bearer "}, 401, id="empty"),
        pytest.param({"Authorization": basic(KEY, "")}, 401, id="key-as-user"),
        pytest.param({"Authorization": "Basic %%%"}, 401, id="broken-basic"),
        pytest.param({"X-API-Key": "é" * 16}, 401, id="not-ascii"),
    ],
)
async def test_forms_of_a_key(headers, status):
    """Trainers that send no headers of their own pass a key in the URL, which HTTP turns into Basic."""
    async with client_of() as client:
        client.headers.pop("Authorization")
        sent = {name.encode(): value.encode() for name, value in headers.items()}
        assert (await client.post("/v1/score", json=ONE, headers=sent)).status_code == status


@pytest.mark.parametrize(
    ("fields", "environ", "words"),
    [
        pytest.param({"host": "0.0.0.0"}, {}, "no keys", id="everywhere"),
        pytest.param({"host": "::"}, {}, "no keys", id="everywhere-v6"),
        pytest.param({"host": "192.168.1.5"}, {}, "no keys", id="a-network"),
        pytest.param({"host": "example.org"}, {}, "no keys", id="a-name"),
        pytest.param({}, {"JUDGE_API_KEYS": "short"}, "at least 16", id="short-key"),
        pytest.param({"api_keys_file": "/no/such/file"}, {}, "cannot be read", id="no-file"),
    ],
)
def test_a_start_that_is_refused(fields, environ, words):
    """A judge that anybody can bill is found out before it listens."""
    with pytest.raises(SettingsError, match=words):
        load_keys(ServerSettings(**fields), environ)


def test_keys_from_a_file(tmp_path):
    """One key a line, so that it can be rotated by adding one; comments say whose it is."""
    file = tmp_path / "keys"
    file.write_text(f"# trainers\n{KEY}  # alice\n\nanother-key-0123456\n")
    keys = load_keys(ServerSettings(host="0.0.0.0", api_keys_file=str(file)), {})
    assert keys.owner(KEY) is not None
    assert keys.owner("another-key-0123456") != keys.owner(KEY)
    assert keys.owner("alice") is None


def test_keys_are_not_in_settings():
    """Run settings are shared and logged; a key in them is refused, with what was meant."""
    with pytest.raises(ValueError, match="api_keys"):
        ServerSettings(api_keys=[KEY])  # type: ignore[call-arg]


async def test_without_keys_only_local_names_are_answered():
    """A web page cannot use the user's own browser to reach a judge without keys."""
    async with client_of(keys=False) as client:
        assert (await client.post("/v1/score", json=ONE)).status_code == 200
        evil = await client.post("/v1/score", json=ONE, headers={"Host": "evil.example"})
        assert (evil.status_code, evil.json()["error"]["code"]) == (403, "wrong_host")
        assert (await client.post("/v1/score", json=ONE, headers={"Host": "127.0.0.1:8421"})).status_code == 200
        assert (await client.post("/v1/score", json=ONE, headers={"Host": "[::1]:8421"})).status_code == 200
        assert "access-control-allow-origin" not in evil.headers


@pytest.mark.parametrize("host", ["8421", "2130706433", "0", ":8421x", "localhost.evil.example", "127.0.0.1.evil.example:8421"])
async def test_digits_are_no_local_host(host):
    """A name made of digits is a name: it is not taken for a port of this machine."""
    async with client_of(keys=False) as client:
        answer = await client.post("/v1/score", json=ONE, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_host")


async def test_logs_hold_no_secret_and_no_text(caplog):
    """Logs travel further than requests do."""
    with caplog.at_level(logging.INFO, logger="judge.server"):
        async with client_of() as client:
            await client.post("/v1/score", json=ONE, headers={"X-API-Key": "wrong-key-9876543210"})
            await client.post("/v1/score", json=ONE)
    from judge.server.log import JsonLines

    lines = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert '"route": "/v1/score", "status": 200' in lines
    assert f'"key": "{Keys((KEY,)).owner(KEY)}"' in lines
    for secret in (KEY, "wrong-key-9876543210", "Paris", "France"):
        assert secret not in lines
