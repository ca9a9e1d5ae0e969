"""A fake endpoint in a process of its own, which a test can kill: `python -m tests.serve_fake PORT LOG [SECONDS]`.

Appends one line to LOG for each chat request it answers: a hash of the messages. Answers after SECONDS.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tests.fake_endpoint import Canned, FakeEndpoint


async def _serve(port: int, log: Path, delay_s: float) -> None:
    with log.open("a", buffering=1) as out:

        def answer(body: dict[str, Any]) -> Canned:
            out.write(hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest() + "\n")
            return Canned("It is right.\nVERDICT: 4", delay_s=delay_s)

        async with FakeEndpoint({"fake": answer}, port=port):
            print("ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0))
