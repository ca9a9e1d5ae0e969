"""Who may ask: every route but /livez and /readyz wants a key, when the server has any.

- Some trainers can send no header of their own, but every HTTP client turns `http://judge:KEY@host/...` into Basic; so a key is
  taken as `Authorization: Bearer KEY`, as `X-API-Key: KEY`, and as the password of Basic.
- All keys are compared, each in constant time, by their SHA-256: neither the time nor the length of a key says which is near.
- Without keys (only on this machine's own address) a web page could still reach the server through the user's browser. So the
  Host header must name this machine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

from judge.errors import Problem, SettingsError
from judge.server.errors import APIError, App, Receive, Scope, Send
from judge.settings.server import ServerSettings

OPEN_PATHS = frozenset({"/livez", "/readyz"})
LEAST_LENGTH = 16


class Keys:
    """The keys of a server; holds their hashes only."""

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def __len__(self) -> int:
        return len(self._digests)

    def owner(self, key: str) -> str | None:
        """A short name for the holder of this key (of its hash, for logs and caches); None when it is unknown."""
        given, found = _digest(key), False
        for known in self._digests:
            found |= hmac.compare_digest(given, known)
        return given.hex()[:12] if found else None


def load_keys(settings: ServerSettings, environ: Mapping[str, str] | None = None) -> Keys:
    """Read the keys of a server.

    Raises:
        SettingsError: The file cannot be read, a key is too short, or there is none and other machines could connect.

    Example:
        >>> bool(load_keys(ServerSettings(), {"JUDGE_API_KEYS": "3f786850e387550f"}))
        True
    """
    environ = os.environ if environ is None else environ
    keys = [(f"${settings.api_keys_env}", key) for key in environ.get(settings.api_keys_env, "").replace(",", " ").split()]
    if settings.api_keys_file is not None:
        keys += _from_file(Path(settings.api_keys_file).expanduser())
    for where, key in keys:
        if len(key) < LEAST_LENGTH:
            raise SettingsError(Problem(where, f"a key of {len(key)} characters; use at least {LEAST_LENGTH}"))
    if not keys and not settings.local:
        raise SettingsError(
            f"server.host: {settings.host} can be reached from other machines, and there are no keys; set the environment"
            f" variable {settings.api_keys_env} (for example to the output of `openssl rand -hex 24`), or `server.api_keys_file`"
        )
    return Keys(tuple(key for _, key in keys))


def _from_file(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        reason = why.strerror if isinstance(why, OSError) else "not UTF-8"
        raise SettingsError(Problem(str(path), f"cannot be read: {reason}")) from None
    stripped = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    return [(f"{path}:{number}", key) for number, key in stripped if key]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class AuthMiddleware:
    """Middleware: lets through who has a key, and names the holder in `scope["state"]["owner"]`."""

    def __init__(self, app: App, *, keys: Keys, local: bool) -> None:
        self._app = app
        self._keys = keys
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            scope.setdefault("state", {})["owner"] = self._check(headers)
        except APIError as error:
            await error.send(send, connection="close")
            return
        await self._app(scope, receive, send)

    def _check(self, headers: Mapping[str, str]) -> str:
        if not self._keys:
            if self._local and not _is_here(headers.get("host", "")):
                raise APIError(
                    403,
                    "wrong_host",
                    "this server has no API keys, so it answers requests to a local host name only",
                    where="header Host",
                )
            return ""
        key = _key_in(headers)
        if key is None:
            raise APIError(
                401, "no_key", "an API key is required", where="header Authorization", hint="Authorization: Bearer KEY"
            )
        owner = self._keys.owner(key)
        if owner is None:
            raise APIError(401, "wrong_key", "unknown API key", where="header Authorization")
        return owner


def _key_in(headers: Mapping[str, str]) -> str | None:
    if "x-api-key" in headers:
        return headers["x-api-key"].strip()
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return None


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine's own address; no header at all does (HTTP/1.0)."""
    head, colon, port = host.rpartition(":")
    name = head if colon and port.isdigit() else host  # digits alone are a name, and no port
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower() in ("", "localhost")
