"""The report of the last hour: what the server judged, in memory that has an end, behind the key, and never half made."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from judge.server import last_hour
from judge.server.last_hour import KEPT_S, MOST_OF_ONE, MOST_SAMPLES, LastHour
from judge.settings.server import ServerSettings
from judge.types import Call, Completion, NoVerdict, Reason, Reward, Sample, Verdict
from tests.server.browser import CHROMIUM, tab
from tests.server.harness import ONE, client_of
from tests.server.scene import HOSTILE, trouble

KNOWN = {"model": "m", "recipe": "pointwise", "rubric": None}


def call(text: str, vote: int = 0) -> Call:
    return Call(
        f"key-{text}-{vote}",
        "judge",
        (0,),
        (),
        vote,
        0,
        Completion(text, "stop", 10, 2),
        Verdict("5", ((1.0,),)),
    )


def judged(hour: LastHour, name: str, text: str = "An answer.", reward: float | None = 1.0, said: str = "VERDICT: 5") -> None:
    failure = None if reward is not None else NoVerdict(Reason.MISSING, "no verdict was stated")
    hour.judged([Sample.of("A question?", text, id=name)], [Reward(name, 0, reward, failure, calls=(call(said),))])


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_report_shows_what_was_judged():
    """Rewards, failures with their reason, and the judge's words, as the report of a run has them."""
    hour = LastHour()
    for i in range(30):
        judged(hour, f"s{i}", reward=None if i == 7 else (i % 5) / 4)
    page = hour.report(KNOWN)
    assert "<title>The last hour</title>" in page
    assert "1 of 30 responses has no verdict" in page
    assert re.search(r"What to know first", page)


def test_an_empty_hour_has_a_page():
    assert "The last hour" in LastHour().report(KNOWN)


def test_what_is_older_than_an_hour_goes():
    clock = Clock()
    hour = LastHour(clock=clock)
    judged(hour, "old", "OLD-TEXT")
    clock.now += KEPT_S + 1
    assert "old" not in re.findall(r'"(old)"', hour.report(KNOWN))
    judged(hour, "new")
    assert len(hour) == 1


def test_memory_is_bounded():
    """Many samples, large samples, and one that is too large: characters and counts stay below what is promised."""
    hour = LastHour()
    for i in range(MOST_SAMPLES + 50):
        judged(hour, f"s{i}")
    assert len(hour) == MOST_SAMPLES
    for i in range(200):
        judged(hour, f"l{i}", "x" * (MOST_OF_ONE - 1000))
    assert hour.chars <= last_hour.MOST_CHARS
    before = len(hour)
    judged(hour, "huge", "x" * (MOST_OF_ONE + 1))
    assert len(hour) == before
    for kept in hour._kept:
        assert all(c.request is None and not c.completion.logprobs for r in kept.rewards for c in r.calls)


def test_one_report_at_a_time():
    """Ten people who ask at once get one page."""
    hour = LastHour(clock=Clock())
    judged(hour, "a")
    with ThreadPoolExecutor(10) as threads:
        pages = list(threads.map(lambda _: hour.report(KNOWN), range(10)))
    assert len(set(map(id, pages))) == 1


def test_shared_calls_stay_one():
    """Two responses that one call judged: its verdict is one row."""
    hour, shared = LastHour(), call("[[A]]")
    sample = Sample.of("q", "a", "b", id="p")
    hour.judged([sample], [Reward("p", i, float(i == 0), calls=(shared,)) for i in range(2)])
    assert len({id(c) for r in hour._kept[0].rewards for c in r.calls}) == 1


def test_tokens_of_a_shared_call_count_once():
    """A group that is compared sends 12 tokens a pair; the page must not bill them to both of its samples."""
    hour, made = LastHour(), call("[[A]]")
    samples = [Sample.of("q", text, id=text, group="g") for text in "ab"]
    hour.judged(samples, [Reward("a", 0, 1.0, calls=(made,)), Reward("b", 0, 0.0, calls=(replace(made, shared=True),))])
    assert "12 (6 a response), 2 of them written by the judge" in hour.report(KNOWN)


async def test_route(monkeypatch):
    """Behind the key, not stored, with the sample in it; linked from the live page."""
    async with client_of() as client:
        await client.post("/v1/score", json=ONE)
        answer = await client.get("/report")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        assert "The last hour" in answer.text
        assert '<a href="report">' in (await client.get("/")).text
        assert (await client.get("/report", headers={"Authorization": ""})).status_code == 401


async def test_no_texts_no_report():
    async with client_of(settings=ServerSettings(page_texts=False)) as client:
        await client.post("/v1/score", json=ONE)
        answer = await client.get("/report")
        assert answer.status_code == 404
        assert "texts are switched off" in answer.text
        assert 'href="report"' not in (await client.get("/")).text
        assert len(client.app.state.judge.dashboard.hour) == 0


async def test_reasoning_and_errors_are_on_the_live_page():
    """What the judge said, and why there is no reward."""
    async with client_of() as client:
        await client.post("/v1/score", json=ONE)
        garbage = {"samples": [{"id": "g", "prompt": "GARBAGE", "response": "x"}]}
        await client.post("/v1/score", json=garbage)
        text = (await client.get("/")).text
        latest = client.app.state.judge.dashboard.view().latest
        assert all(j.replies for j in latest)
        for judgement in latest:
            assert judgement.replies[0][1].split("\n")[0][:20] in text
        assert "<bdi>judge, vote 0</bdi>" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.slow
async def test_in_a_browser():
    """Hostile texts, on a phone: nothing past the edge, nothing runs, no complaint of the page's policy."""
    async with trouble() as (url, app), tab() as page:
        hour = app.state.judge.dashboard.hour
        for i, text in enumerate(HOSTILE * 5):
            hour.judged([Sample.of("q", text, id=f"h{i}")], [Reward(f"h{i}", 0, 0.5)])
        await page.open(f"{url}/report" if not url.endswith("/") else f"{url}report", width=375, height=812)
        await asyncio.sleep(0.3)
        assert await page.value("document.documentElement.scrollWidth") <= 375
        assert "owned" not in await page.value("document.title")
        assert page.complaints == []
