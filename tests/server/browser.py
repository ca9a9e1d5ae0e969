"""A page in headless Chromium, over its debugging protocol: what it measures, what it complains about, what it looks like."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class ProtocolError(Exception):
    """The browser refused a command."""


class Tab:
    """One tab.

    Attributes:
        complaints: Console errors, exceptions and blocked or failed loads so far.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            event = message.json()
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
            else:
                self._take(event["method"], event["params"])

    def _take(self, method: str, given: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(given["args"]))

    async def ask(self, method: str, **given: Any) -> dict[str, Any]:
        """One command of the protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": given})
        result = await asyncio.wait_for(answer, 30)
        if "error" in result:
            raise ProtocolError(result["error"]["message"])
        found: dict[str, Any] = result["result"]
        return found

    async def open(self, url: str, *, width: int, height: int, dark: bool = False, scripts: bool = True) -> None:
        """Load a page in a window of this size (CSS pixels)."""
        for domain in ("Page", "Log", "Runtime"):
            await self.ask(f"{domain}.enable")
        await self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        await self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._loaded.clear()
        result = await self.ask("Page.navigate", url=url)
        assert "errorText" not in result, result
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def value(self, expression: str) -> Any:
        """What an expression is there."""
        result = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise ProtocolError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")

    async def becomes(self, condition: str, seconds: float = 15.0) -> bool:
        """Whether an expression becomes true in time, on this page or the one it is replaced by."""
        for _ in range(int(seconds / 0.1)):
            with suppress(ProtocolError):  # between two pages
                if await self.value(condition):
                    return True
            await asyncio.sleep(0.1)
        return False

    async def picture(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode((await self.ask("Page.captureScreenshot", format="png"))["data"])

    def close(self) -> None:
        """Stop reading."""
        self._reader.cancel()


@asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """A browser with one tab, and a profile of its own."""
    assert CHROMIUM, "no chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    targets = await answer.json()
                url = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    found = Tab(socket)
                    try:
                        yield found
                    finally:
                        found.close()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _port(file: Path) -> int:
    for _ in range(600):
        if file.exists() and file.read_text().count("\n"):
            return int(file.read_text().split("\n")[0])
        await asyncio.sleep(0.05)
    raise AssertionError("chromium did not start")
