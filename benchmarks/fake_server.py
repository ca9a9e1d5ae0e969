"""A fast fake of a chat endpoint, so that what is measured is the client. Standard library only, loopback only.

    python benchmarks/fake_server.py [--port 8123] [--latency-ms 20] [--max-seconds 600]

It answers every POST with one canned completion after the latency, GET .../models with the model "fake", and
GET /stats with {"requests", "connections", "peak_in_flight"} since the last look. It stops by itself. It prints its
base URL on the first line, so `--port 0` (any free port) is of use.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json

NUMBER = b"########"  # in --text: the number of the reply, so that no two are the same
REPLY = "The answer names the right city and says why.\nVERDICT: 4"


def respond(payload: object) -> bytes:
    """Make a whole HTTP reply of status 200."""
    body = json.dumps(payload).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def completion(text: str) -> bytes:
    """Make the reply to a chat request."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330}
    return respond({"id": "c", "object": "chat.completion", "created": 0, "model": "fake", "choices": [choice], "usage": usage})


class Counts:
    """What the server saw since the last look."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.numbers = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Start counting again."""
        self.requests = self.peak_in_flight = 0
        self.connections: set[int] = set()

    def look(self) -> bytes:
        """Give the counts and start again."""
        seen = {"requests": self.requests, "connections": len(self.connections), "peak_in_flight": self.peak_in_flight}
        self.reset()
        return respond(seen)


class FakeServer(asyncio.Protocol):
    """One connection. Understands requests with a Content-Length."""

    def __init__(self, counts: Counts, chat: bytes, latency_s: float) -> None:
        self._counts, self._chat, self._latency_s = counts, chat, latency_s
        self._numbered = NUMBER in chat
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            _, _, length = head.partition(b"content-length:")
            total = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
            if len(self._buffer) < total:
                return
            line, self._buffer = self._buffer[:end].split(b"\r\n", 1)[0], self._buffer[total:]
            self._answer(line)

    def _answer(self, line: bytes) -> None:
        if line.startswith(b"POST"):
            counts = self._counts
            counts.requests += 1
            counts.connections.add(id(self))
            counts.in_flight += 1
            counts.peak_in_flight = max(counts.peak_in_flight, counts.in_flight)
            asyncio.get_running_loop().call_later(self._latency_s, self._reply)
        elif b"/models" in line:
            self._transport.write(respond({"object": "list", "data": [{"id": "fake", "owned_by": "vllm"}]}))
        else:
            self._transport.write(self._counts.look())

    def _reply(self) -> None:
        self._counts.in_flight -= 1
        if not self._transport.is_closing():
            chat = self._chat
            if self._numbered:
                chat = chat.replace(NUMBER, b"%08d" % (next(self._counts.numbers) % 10**8))
            self._transport.write(chat)


async def serve(port: int, latency_s: float, max_seconds: float, text: str) -> None:
    """Serve for `max_seconds`, on loopback."""
    counts, chat = Counts(), completion(text)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FakeServer(counts, chat, latency_s), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.sleep(max_seconds)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123, help="0 takes a free one [default: 8123]")
    parser.add_argument("--latency-ms", type=float, default=20, help="before each completion [default: 20]")
    parser.add_argument("--max-seconds", type=float, default=600, help="then it stops [default: 600]")
    parser.add_argument("--text", default=REPLY, help="what the judge says; ######## in it is the number of the reply")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.latency_ms / 1000, arguments.max_seconds, arguments.text))


if __name__ == "__main__":
    main()
