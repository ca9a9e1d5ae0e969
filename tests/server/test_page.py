"""The live page: closed to strangers, safe to look at, right on a phone, and honest about a judge that fails."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from judge.monitor.alarms import Alarm, AlarmCode
from judge.monitor.monitor import Report
from judge.server.dashboard import DashboardStats
from judge.server.page import PageData, render
from judge.types import Flag, NoVerdict, Reason, Reward, Sample
from tests.clock import least_cpu
from tests.server.browser import CHROMIUM, tab
from tests.server.harness import KEY, ONE, client_of
from tests.server.scene import HOSTILE, trouble

STATUSES = ("ready", "starting", "failing", "engine_down", "wedged", "stopped", "draining")


def look_of(board: DashboardStats | None = None, **fields) -> PageData:
    board = board or DashboardStats()
    plain = PageData(
        status="ready", stopped="", names=(("model", "m"), ("recipe", "r"), ("rubric", "none")), view=board.view(), running=3,
        waiting=1, capacity=8, concurrency=4, groups=0, silent_s=0.0, refused=(), watched=True, texts=board.texts,
    )  # fmt: skip
    return replace(plain, **fields)


def full_board(text: str = "An answer.") -> DashboardStats:
    board = DashboardStats()
    flags, components = tuple(Flag(f"{text[:56]}{i}") for i in range(40)), {f"{text[:56]}{i}": i / 40 for i in range(40)}
    none = NoVerdict(Reason.MISSING, text)
    samples = [Sample.of("q", text, id=text[:80]) for _ in range(20)]
    board.judged(
        samples,
        [Reward("a", 1, 0.5 if i % 2 else None, None if i % 2 else none, components, flags=flags, explanation=text * 9)
         for i in range(20)],
    )  # fmt: skip
    alarm = Alarm(AlarmCode.CONSTANT_STRING_WINS, "critical", 1.2, 1.0, 7, f"constant_string_wins: {text} is paid")
    board.report(Report(7, raised=(alarm,), active=(alarm.code,)))
    return board


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("watched", [True, False])
def test_every_state_is_said_in_words(status, watched):
    """A red edge says nothing to who cannot see red, or hears the page."""
    page = render(look_of(status=status, watched=watched))
    assert f"> {status}</strong>" in page
    assert "undefined" not in page


def test_an_idle_server_has_a_page_too():
    """The first look, before the first request: dashes and words, no 0 that was never measured."""
    page = render(look_of())
    for words in (
        "Nothing has been judged yet",
        "none answered yet",
        "No reward in the last ten minutes",
        "not seen a whole batch",
    ):
        assert words in page


@pytest.mark.parametrize(
    "text", [t for t in HOSTILE if t] + ["'\"><b onmouseover=x>", "\ud800 half", "\x1b[31m", "</style></script>"]
)
def test_hostile_texts_are_shown_and_do_nothing(text):
    """A policy writes to please; what it writes in every place that is shown must stay text, and be seen."""
    page = render(look_of(full_board(text), status="stopped", stopped=text, names=(("model", text),), refused=((text[:60], 1),)))
    body = re.sub(r"<time.*?</time>", "", page[page.index("<main") : page.index("</main>\n<footer")])  # 49 may be the second
    for tag in ("<script", "<img", "<b onmouseover", "</style", "</bdi></details></main>", "49"):
        assert tag not in body
    assert not any(c in body for c in "\u202e\u200b\U000e0041\ud800\x1b")
    assert body.count("<details") == body.count("</details>") == 21
    if "\u202e" in text:
        assert r"\u202e" in body
    page.encode("utf-8")


def test_the_beginning_of_a_text_is_shown():
    """160 characters, as many as were said."""
    page = render(look_of(full_board("a" * 159 + "bc")))
    assert "<bdi>" + "a" * 159 + "b…</bdi>" in page


def test_texts_switched_off():
    """Neither the responses nor what may quote them: explanations, failures, and strings that canaries were paid for."""
    board = DashboardStats(texts=False)
    board.judged([Sample.of("q", "SECRET", id="a")], [Reward("a", 0, None, NoVerdict(Reason.MISSING, "SECRET"))])
    alarm = Alarm(AlarmCode.CONSTANT_STRING_WINS, "critical", 1.2, 1.0, 7, "constant_string_wins: SECRET is paid")
    board.report(Report(7, raised=(alarm,), active=(alarm.code,)))
    page = render(look_of(board, status="stopped", stopped="step 7: SECRET"))
    assert "SECRET" not in page
    for words in ("Texts are switched off", "6 characters", "missing", "value 1.2, limit 1"):
        assert words in page


def test_nothing_is_loaded_and_nothing_runs_without_the_nonce():
    """One answer holds the page: it works in a closed network, and a policy forbids what anybody might slip in."""
    page = render(look_of(full_board()), nonce="N0NCE")
    assert re.findall(r"<(?:script|style)[^>]*>", page) == ['<style nonce="N0NCE">', '<script nonce="N0NCE">']
    assert not re.findall(r"\sstyle=|\son\w+=|https?://|@import|url\(", page)
    assert '<noscript><meta http-equiv="refresh"' in page
    still = render(look_of(), refresh=False)
    assert "<script" not in still
    assert "http-equiv" not in still


def test_it_can_be_read_aloud():
    """Landmarks, one h1, headings in order, tables with heads, pictures with words."""
    page = render(look_of(full_board()), refresh=False)
    assert '<html lang="en">' in page
    for landmark in ("<header>", "<main", "<footer"):
        assert page.count(landmark) == 1
    levels = [int(n) for n in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert page.count("<thead") == page.count("<table") == 3
    assert all("aria-label=" in svg or "aria-hidden" in svg for svg in re.findall(r"<svg[^>]*>", page))
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "soft", "good", "bad", "warn", "plain", "link"])
def test_contrast(scheme, ink):
    """Every text colour has at least 4.5 to 1 on both grounds (WCAG 2.2, 1.4.3)."""
    palettes = [dict(re.findall(r"--(\w+):(#\w+)", part)) for part in render(look_of()).split(":root{")[1:3]]
    for ground in ("ground", "raised"):
        light, dark = sorted((_luminance(palettes[scheme][name]) for name in (ink, ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_page_is_quick():
    """With everything full: whoever watches does not slow the judge (measured: 30 ms, 0.6 ms as a rule)."""
    look = look_of(full_board("\u202e" * 160))
    render(look)
    assert least_cpu(lambda: render(look_of(full_board("\u202e" * 160))), 0.15) < 0.15


async def test_the_page_of_a_server():
    """A browser gets in with the key as password; the answer is never stored, framed, or open to another site."""
    async with client_of() as client:
        await client.post("/v1/score", json=ONE)
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "It is Paris." in answer.text
        policy = answer.headers["content-security-policy"]
        [nonce] = set(re.findall(r"'nonce-([^']+)'", policy))
        assert f'<script nonce="{nonce}">' in answer.text
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert nonce not in (await client.get("/")).text
        closed = await client.get("/", headers={"Authorization": ""})
        assert (closed.status_code, closed.headers["www-authenticate"].split()[0]) == (401, "Basic")
        client.headers.pop("Authorization")
        assert (await client.get("/", auth=("anyone", KEY))).status_code == 200
        assert (await client.get(f"/?key={KEY}")).status_code == 401
        assert "set-cookie" not in answer.headers


async def test_failures_reach_the_page():
    """Wired from the judge to the page: a reply without a verdict is a reason there, and no reward."""
    async with client_of() as client:
        garbage = {"samples": [{"id": "g", "prompt": "GARBAGE", "response": "x"}]}
        await client.post("/v1/score", json=garbage)
        text = (await client.get("/")).text
        assert "<code>missing</code>" in text
        assert "1 without a reward (100.0 %)" in text


browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@browser
@pytest.mark.slow
async def test_in_a_browser():
    """At a desk and on a phone, by day and by night: a running batch, a failing judge and an alarm, nothing past the edge."""
    async with trouble() as (url, app), tab() as page:
        wide = "W" * 900
        worst = Reward("a", 3, 0.5, components={wide: 0.5}, flags=(Flag(wide),), explanation=wide)
        app.state.judge.dashboard.judged([Sample.of("q", wide, id=wide)], [worst])
        for width, height, dark in ((1280, 900, False), (375, 812, True), (320, 640, False)):
            await page.open(url, width=width, height=height, dark=dark)
            assert await page.value("document.documentElement.scrollWidth") <= width
            await page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await page.value("document.documentElement.scrollWidth") <= width
            ground = await page.value("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")
        shown = await page.value("document.body.innerText")
        for words in ("failing", "no_verdict_share", "64 of 64", "32 of 256", "engine_error", "<script>", r"\u202e"):
            assert words in shown, words
        assert "owned" not in await page.value("document.title")
        await _renews(page, app)
        assert page.complaints == []


async def _renews(page, app) -> None:
    """The script brings new figures, keeps what was opened open, and says so when the server is gone."""
    [first] = app.state.judge.dashboard.view().latest[:1]
    await page.value("document.querySelectorAll('details').forEach(d => d.open = false)")
    await page.value(
        f"document.getElementById('j{first.number}').open = true; document.querySelector('#j{first.number} summary').focus()"
    )
    app.state.judge.dashboard.judged([Sample.of("q", "brand new")], [Reward("a", 0, 1.0)])
    assert await page.becomes("document.body.innerText.includes('brand new')")
    assert await page.value("[...document.querySelectorAll('details[open]')].map(d => d.id).join()") == f"j{first.number}"
    assert await page.value("document.activeElement.closest('details').id") == f"j{first.number}"
    assert await page.value("document.getElementById('live').hidden")


@browser
@pytest.mark.slow
async def test_without_scripts():
    """Scripts switched off: the page is whole, and renews itself by a refresh."""
    async with trouble() as (url, app), tab() as page:
        await page.open(url, width=1280, height=900, scripts=False)
        assert "failing" in await page.value("document.body.innerText")
        app.state.judge.dashboard.judged([Sample.of("q", "brand new")], [Reward("a", 0, 1.0)])
        assert await page.becomes("document.body.innerText.includes('brand new')")
        assert page.complaints == []


@browser
@pytest.mark.slow
async def test_a_page_whose_server_is_gone_says_so():
    """Old figures never look like new ones."""
    async with tab() as page:
        async with trouble() as (url, _):
            await page.open(url, width=375, height=812)
        assert await page.becomes("!document.getElementById('live').hidden")
        assert "what is shown is old" in await page.value("document.body.innerText")
