"""Settings -> where an endpoint is and which key it gets. Keys come from the environment and are named, never shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from judge.errors import Problem, SettingsError

DEFAULT_KEY_VARIABLE = "OPENAI_API_KEY"


def find_key(api_key: str | None, variable: str | None) -> tuple[str, str]:
    """The key ("" for none) and where it came from, for messages.

    Raises:
        SettingsError: A variable was asked for by name and is not set.
    """
    name = variable or DEFAULT_KEY_VARIABLE
    found = os.environ.get(name, "")
    if api_key and api_key != found:
        return api_key, "`api_key`"
    if not found and name != DEFAULT_KEY_VARIABLE:
        raise SettingsError(Problem("api_key_env", f"the environment variable {name} is not set"))
    return found, f"the environment variable {name}"


def checked_urls(base_url: str | Sequence[str]) -> list[str]:
    """Give the base URLs as a list. Raises `SettingsError` for one that cannot be used."""
    urls = [base_url] if isinstance(base_url, str) else list(base_url)
    if not urls:
        raise SettingsError(Problem("base_url", "at least one is needed, such as http://localhost:8000/v1"))
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(Problem("base_url", f"{url!r} is not an HTTP address; one looks like http://localhost:8000/v1"))
        if parts.username or parts.password:
            raise SettingsError(Problem("base_url", "holds a user name or password; pass the key by `api_key_env`"))
    return urls
