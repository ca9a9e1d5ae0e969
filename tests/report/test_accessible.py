"""Every page that this project makes, by day and by night, at a desk and on a phone: usable by eye, ear and keyboard."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from judge.bench.label import LabelFile, LabelServer, label_tasks
from judge.report.html import page as html_page
from judge.report.html import table as html_table
from judge.report.run_tables import load_tables
from judge.report.training import steps_page
from judge.types import Reward, Sample
from tests.accessibility import keyboard_problems, problems
from tests.cli_harness import run_judge
from tests.server.browser import CHROMIUM, tab
from tests.server.scene import trouble

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"), pytest.mark.slow]
SIZES = ((1280, 900, False), (375, 812, True))


def a_run(folder: Path, name: str, replies: dict[str, str]) -> Path:
    """A run of forty responses in ten groups, with failures, criteria and a label."""
    rows = [
        {
            "id": f"q{g}-{i}",
            "group": f"q{g}",
            "prompt": f"Question {g}?",
            "response": f"Answer {'word ' * (3 * i)}{w}.",
            "label": w,
        }
        for g in range(10)
        for i, w in enumerate((True, False, True, False))
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "replies.json").write_text(json.dumps(replies), encoding="utf-8")
    settings = {"recipe": "checklist", "rubric": ["It is right.", "It is short."], "filters": "off"}
    settings["engine"] = {"kind": "scripted", "replies": "replies.json"}
    (folder / "judge.yaml").write_text(json.dumps(settings), encoding="utf-8")
    arguments = (
        "run",
        str(folder / "judge.yaml"),
        "--data",
        str(folder / "rows.jsonl"),
        "--output",
        str(folder / name),
        "--quiet",
    )
    assert run_judge(*arguments).code == 0
    return folder / name


async def looked_at(url: str, *, ready: str = "true", open_all: bool = True) -> list[str]:
    """What is wrong with a page, in both sizes and colour schemes, and by keyboard."""
    found = []
    async with tab() as page:
        for width, height, dark in SIZES:
            await page.open(url, width=width, height=height, dark=dark)
            assert await page.becomes(ready)
            if open_all:
                await page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            found += [f"{width} px{', dark' if dark else ''}: {what}" for what in await problems(page)]
            found += [f"{width} px: {what}" for what in await keyboard_problems(page)]
        assert page.complaints == []
    return found


def test_the_check_finds_what_is_wrong(tmp_path):
    """A page with every fault: each is named. A check that finds nothing anywhere would prove nothing."""
    (tmp_path / "bad.html").write_text(
        "<!doctype html><html><body><h3>A</h3><button></button><img src='x.png'><table><tr><td>1</td></tr></table>"
        "<p style='color:#999;background:#fff'>faint</p><p id='a'></p><p id='a'></p>"
        "<a href='#' tabindex='3' style='outline:none'>last</a><a href='#' style='outline:none'>first</a></body></html>",
        encoding="utf-8",
    )

    async def look():
        async with tab() as page:
            await page.open(f"file://{tmp_path / 'bad.html'}", width=800, height=600)
            return [*await problems(page), *await keyboard_problems(page)]

    found = "\n".join(asyncio.run(look()))
    for what in (
        "no language", "no title", "not one main", "not one h1", "without a name", "picture without words", "without heads",
        "contrast", "id twice", "out of order", "no mark on what has the focus",
    ):  # fmt: skip
        assert what in found, what


def test_reports(tmp_path):
    """One run with everything opened, two runs side by side, and a training run."""
    first = a_run(
        tmp_path, "a", {"True": "Yes.\nVERDICT: MET", "word word word word word word word": "hm", ".": "No.\nVERDICT: UNMET"}
    )
    second = a_run(tmp_path, "b", {"False": "Yes.\nVERDICT: MET", ".": "No.\nVERDICT: UNMET"})
    for runs in ((first,), (first, second)):
        out = tmp_path / "page.html"
        assert run_judge("report", *map(str, runs), "--output", str(out)).code == 0
        assert asyncio.run(looked_at(f"file://{out}", ready="document.body.dataset.ready === '1'")) == []
    lines = [
        {
            "step": n,
            "responses": 8,
            "reward_mean": n / 10,
            "reward_std": 0.1,
            "missing_share": 0.1,
            "flat_groups": 0.2,
            "length_mean": 9,
        }
        for n in range(8)
    ]
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (tmp_path / "steps.html").write_text(steps_page([tmp_path / "steps"]), encoding="utf-8")
    assert asyncio.run(looked_at(f"file://{tmp_path / 'steps.html'}")) == []


def test_attack_and_audit_pages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"recipe": "pointwise", "rubric": "math-solution", "engine": {"kind": "scripted", "reply": "VERDICT: 5"}}
    Path("judge.yaml").write_text(json.dumps(settings), encoding="utf-8")
    few = ("--items", "1", "--trials", "2", "--limit", "4", "--families", "master-key,unicode,fake-verdict")
    assert run_judge("attack", "judge.yaml", *few, "--html", "attack.html").code == 0
    assert run_judge("audit", "judge.yaml", "--limit", "2", "--probes", "length,cue", "--html", "audit.html").code == 0
    for name in ("attack.html", "audit.html"):
        assert asyncio.run(looked_at(f"file://{tmp_path / name}")) == []


def a_run_of_pairs(folder: Path) -> Path:
    """A run of four pairs."""
    rows = [{"id": f"q{i}", "prompt": f"Question {i}?", "responses": [f"Answer {i}.", f"Another {i}."]} for i in range(4)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = {"recipe": "pairwise", "rubric": "helpfulness", "filters": "off", "order": "single"}
    settings["engine"] = {"kind": "scripted", "reply": "The first.\n[[A]]"}
    (folder / "judge.yaml").write_text(json.dumps(settings), encoding="utf-8")
    given = ("--data", str(folder / "pairs.jsonl"), "--output", str(folder / "p"), "--quiet")
    assert run_judge("run", str(folder / "judge.yaml"), *given).code == 0
    return folder / "p"


@pytest.mark.parametrize("mode", ["yes_no", "scale", "criteria", "pairs"])
def test_label_page(tmp_path, mode):
    folder = a_run_of_pairs(tmp_path) if mode == "pairs" else a_run(tmp_path, "a", {".": "Yes.\nVERDICT: MET"})
    server = LabelServer(label_tasks(load_tables(folder), mode), mode, LabelFile(folder, "anna"))
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        assert asyncio.run(looked_at(server.url, ready="document.querySelector('button') !== null")) == []
    finally:
        server.close()


async def test_server_pages():
    """The live page of a server in trouble, and its report of the last hour."""
    async with trouble() as (url, app):
        board = app.state.judge.dashboard
        board.judged([Sample.of("q", f"text {i}", id=f"s{i}") for i in range(9)], [Reward(f"s{i}", 0, i / 9) for i in range(9)])
        assert await looked_at(url) == []
        assert await looked_at(f"{url.rstrip('/')}/report", ready="document.body.dataset.ready === '1'") == []


def test_an_empty_page_is_sound(tmp_path):
    (tmp_path / "p.html").write_text(html_page("Nothing", "Nothing to see."), encoding="utf-8")
    assert asyncio.run(looked_at(f"file://{tmp_path / 'p.html'}")) == []


def test_captions_stay_in_sight_on_a_phone(tmp_path):
    """A table wider than the screen scrolls; what it is called is read whole, and names are not cut in the middle."""
    wide = html_table(
        ["probe"] * 9, [["a_name_of_a_probe"] * 9], "a caption that is longer than a phone is wide, by far and more"
    )
    (tmp_path / "p.html").write_text(html_page("Wide", wide), encoding="utf-8")

    async def look():
        async with tab() as page:
            await page.open(f"file://{tmp_path / 'p.html'}", width=375, height=812)
            return await page.value("document.querySelector('caption span').getBoundingClientRect().right")

    assert asyncio.run(look()) <= 375
