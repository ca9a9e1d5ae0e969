"""Where the server is, and with which key: checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from judge.errors import DataError, InputError

_LONGEST_ID = 256  # characters, as the server has it


@dataclass(frozen=True, slots=True)
class Address:
    """A server.

    Attributes:
        url: Scheme, host, port and prefix; no key in it, so it can stand in messages.
    """

    url: str
    key: str | None = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    @classmethod
    def of(cls, url: str, api_key: str | None = None) -> Address:
        """Read a URL; a key may stand in it as the password, as trainers write it (`http://judge:KEY@host:8421`).

        Raises:
            InputError: It is no address of a server, or the key cannot stand in a header.

        Example:
            >>> Address.of("http://judge:0123456789abcdef@host:8421/").url
            'http://host:8421'
        """
        try:
            parts = urlsplit(url)
            _ = parts.port  # raises for one that is no number
        except ValueError as why:
            raise InputError(f"the server's URL cannot be read: {why}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InputError("the server's URL is written like http://127.0.0.1:8421, without a query")
        inside = unquote(parts.password) if parts.password else None
        if inside is not None and api_key is not None:
            raise InputError("the server's URL holds a key, and another one is given; leave out one of them")
        key = api_key if inside is None else inside
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            raise InputError("an API key is printable ASCII without spaces; is there a line break at its end?")
        return cls(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}", key)


def member_path(group: str, index: int) -> str:
    """The path of one member of a group.

    Raises:
        DataError: The name of the group cannot stand in a path.

    Example:
        >>> member_path("step 7.prompt-3", 0)
        '/v1/groups/step%207.prompt-3/members/0'
    """
    if not 0 < len(group) <= _LONGEST_ID or "/" in group or group in (".", "..") or not group.isprintable():
        raise DataError(f"a group's name is 1 to {_LONGEST_ID} printable characters without `/`: {group[:80]!r}")
    if index < 0:
        raise DataError(f"members of a group are counted from 0, and this is {index}")
    return f"/v1/groups/{quote(group, safe='')}/members/{index}"
