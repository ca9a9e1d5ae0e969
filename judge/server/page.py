"""What a server is doing, as one HTML page at `/`: made here, complete without scripts, and nothing is loaded from elsewhere.

- It shows texts that a policy wrote to please a judge. Every one is escaped by the template and has its hidden characters made
  visible, and a content security policy with a nonce lets only the page's own style and script work, should that ever fail.
- It wants a key like every route. A browser asks for one by itself (HTTP Basic, the key is the password), so there is no login
  form, no cookie to steal or to forge requests with, and no key in a URL, where logs and histories would keep it.
- It renews itself by its script, else by a refresh that closes opened details; `/?refresh=off` holds still.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

import judge as package
from judge.report.text import percent, visible
from judge.server.dashboard import BINS, SLOTS, View
from judge.server.errors import APIError
from judge.server.state import State

REFRESH_S = 5
_WORDS = {  # status -> (tone, sign, what it means)
    "ready": ("good", "✓", "The judge answers."),
    "starting": ("warn", "…", "The engine is loading; requests wait."),
    "engine_down": ("bad", "✕", "The engine has stopped working; it is tried again by itself."),
    "failing": ("bad", "✕", "The engine gives errors only; it is tried again by itself."),
    "wedged": ("bad", "✕", "There is work, and the judge gives no sign of life."),
    "stopped": ("bad", "■", "The monitor ended this run; nothing new is judged."),
    "draining": ("warn", "▼", "About to stop: what is in progress finishes, nothing new is let in."),
}
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PageData:
    """What the page shows of a server at one moment.

    Attributes:
        status: One of `judge.server.health.Health.status`.
        stopped: The monitor's message, where it ended the run.
        names: Model, recipe and rubric.
        running, waiting, capacity, concurrency: Samples: judged now, waiting, held at most, judged at once at most.
        groups: Groups whose members are awaited or judged.
        silent_s: Seconds without a sign of life of the judge; 0 without work.
        refused: Refusals since the start by code.
        watched: Whether there is a monitor.
        texts: Whether texts are kept for the page.
    """

    status: str
    stopped: str
    names: tuple[tuple[str, str], ...]
    view: View
    running: int
    waiting: int
    capacity: int
    concurrency: int
    groups: int
    silent_s: float
    refused: tuple[tuple[str, int], ...]
    watched: bool
    texts: bool

    @classmethod
    def of(cls, state: State) -> PageData:
        """What a running server shows now."""
        admission = state.admission
        return cls(
            status=state.health.status,
            stopped=state.health.stopped,
            names=tuple((name, value or "none") for name, value in state.described.items()),
            view=state.dashboard.view(),
            running=admission.running,
            waiting=max(0, admission.held - admission.running),
            capacity=admission.capacity,
            concurrency=state.settings.max_concurrency,
            groups=state.groups.open,
            silent_s=state.health.silent_s if admission.running else 0.0,
            refused=tuple(state.metrics.refused.most_common(10)),
            watched=state.buffer is not None,
            texts=state.dashboard.texts,
        )


@router.get("/", response_class=HTMLResponse)
async def live(request: Request) -> HTMLResponse:
    """The page; `?refresh=off` makes one that stays as it is."""
    nonce, refresh = secrets.token_urlsafe(16), request.query_params.get("refresh") != "off"
    data = PageData.of(request.app.state.judge)
    text = await asyncio.to_thread(render, data, nonce=nonce, refresh=refresh)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text.encode("utf-8", "replace"), headers={**_HEADERS, "content-security-policy": policy})


@router.get("/report", response_class=HTMLResponse)
async def last_hour(request: Request) -> HTMLResponse:
    """The report of the last hour, as `judge report` makes it of a run. 404 where texts are switched off."""
    state: State = request.app.state.judge
    if not state.dashboard.texts:
        raise APIError(404, "not_found", "no report: texts are switched off", hint="`server.page_texts: true` keeps them")
    text = await asyncio.to_thread(state.dashboard.hour.report, dict(state.described))
    return HTMLResponse(text.encode("utf-8", "replace"), headers=_HEADERS)


def render(data: PageData, *, nonce: str = "", refresh: bool = True) -> str:
    """The page as HTML.

    Args:
        nonce: Of the style and the script.
        refresh: Whether it renews itself.
    """
    tone, sign, meaning = _WORDS[data.status]
    return _template().render(
        data=data,
        view=data.view,
        title=f"{sign} {data.status} – judge",
        tone=tone,
        sign=sign,
        meaning=meaning,
        nonce=nonce,
        refresh_s=REFRESH_S if refresh else 0,
        version=package.__version__,
        bars=_bars(data.view.bins),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("judge.server"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        shown=_shown, clock=_clock, span=_span, rate=_rate, seconds=_seconds, percent=percent, spark=_spark, reward=_reward
    )
    return environment.get_template("live.html")


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar of the histogram: its interval, count and share, and its height where the largest is 1."""

    low: float
    high: float
    count: int
    share: float
    height: float


def _bars(bins: Sequence[int]) -> tuple[_Bar, ...]:
    total, most = sum(bins), max(bins)
    if not total:
        return ()
    return tuple(_Bar(i / BINS, (i + 1) / BINS, n, n / total, n / most) for i, n in enumerate(bins))


def _spark(values: Sequence[float]) -> str:
    """Points of a line through these values in a box of 120 by 30, the last one at the right edge.

    Example:
        >>> _spark([0.0, 2.0, 1.0])
        '118,28 119,2 120,15'
    """
    most, left = max(values, default=0.0) or 1.0, SLOTS - len(values) + 1
    return " ".join(f"{left + i},{28 - 26 * v / most:.4g}" for i, v in enumerate(values))


def _shown(text: str, limit: int = 600) -> str:
    """Untrusted text on one line, beginning first; what draws nothing is written as an escape.

    Example:
        >>> _shown("a\\u202eb" + "x" * 9, 5)
        'a\\\\u202ebxx…'
    """
    line = text[:limit]
    if not (line.isascii() and line.isprintable()) or "\\" in line:
        line = visible(line, 12 * limit)[1:-1]  # an escape is at most 10 characters long
    return line + "…" if len(text) > limit else line


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _span(seconds: float) -> str:
    """A duration in its two largest units.

    Example:
        >>> _span(59.0), _span(3725.0), _span(200_000.0)
        ('59 s', '1 h 2 min', '2 d 7 h')
    """
    left, units = int(seconds), (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _rate(value: float) -> str:
    """Three digits at most matter.

    Example:
        >>> _rate(0.0), _rate(0.034), _rate(3.21), _rate(45.6), _rate(12345.6)
        ('0', '0.03', '3.2', '46', '12,346')
    """
    return "0" if value == 0 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    """A latency; a dash where there is none.

    Example:
        >>> _seconds(None), _seconds(0.0123), _seconds(2.5)
        ('–', '12 ms', '2.50 s')
    """
    return "–" if value is None else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def _reward(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
