"""Time limits of connections, and room for new ones: who is idle or slow costs nobody else anything.

uvicorn alone waits for ever for the end of a request's head and for a client that does not read its answer, and counts such
connections against its limit, so that a few thousand silent ones would turn everyone else away. Here a head and an answer have
their time, and a full server closes the connection that has been idle longest before it turns a new one away.
"""

from __future__ import annotations

import asyncio
import functools
import resource
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from judge.server.log import log
from judge.settings.server import ServerSettings

SPARE_FILES = 256  # for what else the process has open: the engine's connections, logs, libraries


def server_config(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    """The configuration of uvicorn under these settings."""
    return uvicorn.Config(
        app,
        http=functools.partial(TimedConnection, settings=settings),  # type: ignore[arg-type]  # called as a protocol class is
        h11_max_incomplete_event_size=2 * settings.max_header_bytes,
        limit_concurrency=room_for(settings.max_connections),
        timeout_keep_alive=settings.idle_timeout_s,  # type: ignore[arg-type]  # seconds, for `call_later`
        access_log=False,
        log_config=None,
        server_header=False,
        ws="none",
    )


class TimedConnection(H11Protocol):
    """One connection (HTTP/1.1, h11: the reader whose header buffer is bounded).

    Args:
        settings: `header_timeout_s` for the head of a request, `write_timeout_s` for a client to read what it is sent.
    """

    def __init__(self, *args: Any, settings: ServerSettings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._idle_since = self.loop.time()

    @property
    def busy(self) -> bool:
        """A request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client has connected."""
        super().connection_made(transport)
        self._make_room()
        self._expect_head()

    def _make_room(self) -> None:
        """Close those that have been idle longest, while the server is full."""
        while self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            idle = [c for c in self.connections if isinstance(c, TimedConnection) and c is not self and not c.busy]
            if not idle:
                return  # the requests of this one are answered 503
            oldest = min(idle, key=lambda c: c._idle_since)
            self.connections.discard(oldest)
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        super().data_received(data)
        self._expect_head()

    def on_response_complete(self) -> None:
        """An answer has been handed over to be sent."""
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():  # it stays open until the client has read everything
            self._close_after(self._settings.write_timeout_s)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came on an idle connection."""
        super().timeout_keep_alive_handler()
        self._close_after(self._settings.write_timeout_s)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is sent to."""
        super().pause_writing()
        if self._write_timer is None:
            self._close_after(self._settings.write_timeout_s)

    def resume_writing(self) -> None:
        """The client has read on."""
        super().resume_writing()
        if self._write_timer is not None and not self.transport.is_closing():
            self._write_timer.cancel()
            self._write_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        """Give the head of the next request its time, from its first byte (or from the connection) on."""
        if self.busy:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._settings.header_timeout_s, self.transport.abort)

    def _close_after(self, seconds: float) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._write_timer = self.loop.call_later(seconds, self.transport.abort)


def room_for(connections: int) -> int:
    """How many connections this process may hold; its limit of open files is raised for them as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            log("fewer_connections", wanted=connections, open_files=soft)
            return max(1, soft - SPARE_FILES)
    return connections
