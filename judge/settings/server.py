"""How a reward server listens, what it lets in, and how long it waits.

Keys never stand in this file: they come from an environment variable or a file, so that run settings can be shared and logged.
"""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen


class GroupServing(Frozen):
    """The group broker: completions of one prompt that arrive in requests of their own.

    Attributes:
        size: Members of a group where the caller does not say (NeMo-Gym's `/verify`). None: then it must.
        incomplete_s: Seconds from the first member within which all must have come; else the group fails for all of them.
        result_s: Seconds that judging a complete group may take.
        keep_s: Seconds a finished group is remembered, for members that ask again.
        max_groups: Groups held at once, finished ones included. Each API key may hold its share of them, so that one caller
            cannot take the room of the others.
        max_size: Most members of a group.
    """

    size: int | None = Field(default=None, ge=1, le=4096)
    incomplete_s: float = Field(default=600.0, gt=0, le=86_400)
    result_s: float = Field(default=1800.0, gt=0, le=86_400)
    keep_s: float = Field(default=600.0, ge=0, le=86_400)
    max_groups: int = Field(default=4096, ge=1, le=1_000_000)
    max_size: int = Field(default=256, ge=1, le=4096)


class ServerSettings(Frozen):
    """A reward server.

    Attributes:
        host: Address to listen on. Another one than this machine's own needs keys.
        port: 0 takes a free one.
        api_keys_env: Environment variable with the keys, separated by commas or white space.
        api_keys_file: File with one key a line; `#` begins a comment. Its keys count beside those of the variable.
        max_body_bytes: Larger requests are refused (413), whether they say their length or not.
        max_header_bytes: Of all headers of a request together (431).
        header_timeout_s: Seconds within which the head of a request must have come; else its connection is closed.
        body_timeout_s: Seconds within which a request's body must have come (408).
        write_timeout_s: Seconds that a client may leave what it is sent unread; then its connection is closed.
        idle_timeout_s: Seconds that a connection may stay open between requests. Longer than clients keep idle connections
            (aiohttp 15 s), so that none is closed under a new request.
        max_samples: Most samples in one request (413).
        max_concurrency: Samples judged at once. The engine batches them.
        queue_size: Samples that may wait beyond those; more are refused (429 with Retry-After).
        item_timeout_s: Seconds from the arrival of a request to the reward of each of its samples, retries included. A sample
            that takes longer has no reward (`timeout`), and its calls are cancelled.
        drain_s: Seconds that requests in progress may take after SIGTERM.
        stall_s: Seconds without any sign of life of the judge, while there is work, before the server is not ready.
        probe_s: Judge a small sample of the server's own after so many idle seconds (0: only while the judge is failing).
        idempotency_s: Seconds an answer is kept under its Idempotency-Key.
        idempotency_entries: Answers kept at most.
        max_connections: Open connections. When they are all taken, the one that has been idle longest is closed for a new
            one; when none is idle, requests of new ones are refused (503).
        client_rubrics: Whether a sample may bring a rubric: `off`, `judged` (criteria for the judge only), `all` (programmatic
            checks as well; a regular expression of a stranger can take the processor for itself).
        neutral: What routes that cannot say "no reward" (OpenRLHF, slime, /classify, /pooling) answer for it. None: 503, which
            these frameworks ask again.
        docs: Serve /openapi.json and /docs.
        page_texts: Show the beginnings of responses, explanations and failure details on the live page, to whoever has a key.
        group: How responses that arrive one by one meet.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8421, ge=0, le=65_535)
    api_keys_env: str = "JUDGE_API_KEYS"
    api_keys_file: str | None = None
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=1 << 30)
    max_header_bytes: int = Field(default=16 * 1024, ge=1024, le=1 << 20)
    header_timeout_s: float = Field(default=15.0, gt=0, le=3600)
    body_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    write_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    idle_timeout_s: float = Field(default=75.0, gt=0, le=3600)
    max_samples: int = Field(default=256, ge=1, le=100_000)
    max_concurrency: int = Field(default=256, ge=1, le=100_000)
    queue_size: int = Field(default=256, ge=0, le=1_000_000)
    item_timeout_s: float = Field(default=100.0, gt=0, le=86_400)
    group: GroupServing = GroupServing()
    drain_s: float = Field(default=30.0, ge=0, le=86_400)
    stall_s: float = Field(default=60.0, gt=0, le=86_400)
    probe_s: float = Field(default=0.0, ge=0, le=86_400)
    idempotency_s: float = Field(default=600.0, ge=0, le=86_400)
    idempotency_entries: int = Field(default=4096, ge=1, le=1_000_000)
    max_connections: int = Field(default=4096, ge=1, le=1_000_000)
    client_rubrics: Literal["off", "judged", "all"] = "judged"
    neutral: float | None = Field(default=None, ge=-1e6, le=1e6)
    docs: bool = True
    page_texts: bool = True

    @model_validator(mode="after")
    def _room(self) -> Self:
        room = self.max_concurrency + self.queue_size
        if self.max_samples > room:
            raise ValueError(
                f"`max_samples` ({self.max_samples}) is more than `max_concurrency` + `queue_size` ({room}):"
                " the largest requests would be refused for ever"
            )
        return self

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server.

        Example:
            >>> ServerSettings().local, ServerSettings(host="0.0.0.0").local
            (True, False)
        """
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
