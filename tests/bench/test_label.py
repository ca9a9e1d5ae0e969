"""`judge label`: blind, saved at once, taken back, from this machine alone; and `judge agree` finds the labels."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request

import pytest

from judge.bench.label import LabelFile, LabelServer, default_mode, label_tasks, read_labels
from judge.report.run_tables import load_tables
from tests.cli_harness import run_judge
from tests.server.browser import CHROMIUM, tab


@pytest.fixture
def pairs(tmp_path):
    """A run of six pairs whose judge always prefers the first response."""
    rows = [{"id": f"p{n}", "prompt": f"Pair {n}?", "response_a": f"Left {n}.", "response_b": f"Other {n}."} for n in range(6)]
    return run(tmp_path, "pairwise", "The first.\n[[A]]", rows, "order: single\n")


@pytest.fixture
def singles(tmp_path):
    """A run of eight single responses, of which the judge accepts those that say four."""
    rows = [{"id": f"s{n}", "prompt": "2+2?", "response": "It is four." if n % 2 else f"It is {n} and a bit."} for n in range(8)]
    return run(tmp_path, "pointwise", {"four": "Yes.\nVERDICT: 5", "": "No.\nVERDICT: 1"}, rows)


def run(tmp_path, recipe, reply, rows, more=""):
    tmp_path = tmp_path / recipe
    tmp_path.mkdir()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (tmp_path / "replies.json").write_text(json.dumps(reply if isinstance(reply, dict) else {"": reply}), encoding="utf-8")
    config = tmp_path / "judge.yaml"
    config.write_text(
        f"recipe: {recipe}\nrubric: helpfulness\nfilters: off\nengine: {{kind: scripted, replies: replies.json}}\n{more}",
        encoding="utf-8",
    )
    ended = run_judge("run", str(config), "--data", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "run"), "--quiet")
    assert ended.code == 0, ended.err
    return tmp_path / "run"


@pytest.fixture
def served():
    """Start a page; stop it in the end."""
    started = []

    def start(folder, mode, person="anna", **more):
        tables = load_tables(folder)
        server = LabelServer(label_tasks(tables, mode), mode, LabelFile(folder, person), **more)
        threading.Thread(target=server.serve, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def ask(url, body=None, **headers):
    """Status and text of one request."""
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as why:
        return why.code, why.read().decode()


def test_the_page_is_blind_and_pairs_change_sides(pairs, served):
    """A labeller who sees the verdict, or knows that the chosen one stands left, repeats the judge."""
    server = served(pairs, "pairs")
    state = json.loads(ask(server.url + "state")[1])
    assert "[[A]]" not in json.dumps(state)
    assert not {"reward", "verdict"} & set(state["tasks"][0])
    lefts = {t["texts"][0].split()[0] for t in state["tasks"]}
    assert lefts == {"Left", "Other"}


def test_labels_go_to_the_response_that_was_meant(pairs, served):
    """Whichever side it stood on: here every `Other` is said to be better, so the label is B throughout."""
    server = served(pairs, "pairs")
    for task in json.loads(ask(server.url + "state")[1])["tasks"]:
        choice = "A" if task["texts"][0].startswith("Other") else "B"
        assert ask(server.url + "label", {"key": task["key"], "label": choice}) == (200, "kept")
    assert read_labels(pairs, dict.fromkeys(range(6), 2)) == dict.fromkeys(range(6), "B")
    ended = run_judge("agree", str(pairs), "--json")
    assert ended.code == 0, ended.err
    assert '"accuracy"' in ended.out
    shown = json.loads(ask(server.url + "state")[1])["tasks"]
    assert all(t["texts"][0 if t["label"] == "A" else 1].startswith("Other") for t in shown)


def test_agreement_with_labels_of_ones_own(singles, served):
    """Eight labels that agree with the judge in six: accuracy 0.75."""
    server = served(singles, "yes_no")
    for task in json.loads(ask(server.url + "state")[1])["tasks"]:
        right = "four" in task["texts"][0]
        ask(server.url + "label", {"key": task["key"], "label": right if task["id"] not in ("s0", "s1") else not right})
    record = json.loads(run_judge("agree", str(singles), "--json").out)
    figures = {f["name"]: f["value"] for f in record["parts"][0]["figures"]}
    assert figures["accuracy"] == pytest.approx(0.75)


def test_taken_back_resumed_and_a_second_person(singles, served):
    """A null takes a label back; another person's labels stand beside; a torn last line costs only itself."""
    server = served(singles, "yes_no")
    keys = [t["key"] for t in json.loads(ask(server.url + "state")[1])["tasks"]]
    for label in (True, None):
        ask(server.url + "label", {"key": keys[0], "label": label})
    ask(server.url + "label", {"key": keys[1], "label": False})
    with (singles / "labels.jsonl").open("a", encoding="utf-8") as out:
        out.write('{"key": "3/0/", "ro')
    assert set(LabelFile(singles, "anna").given()) == {keys[1]}
    tasks = {t.key: t for t in label_tasks(load_tables(singles), "yes_no")}
    LabelFile(singles, "ben").add(tasks[keys[1]], True)
    assert sorted(read_labels(singles, dict.fromkeys(range(8), 1))[tasks[keys[1]].row]) == [False, True]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        pytest.param("label", {"key": "0/0/", "label": "maybe"}, {}, 400, id="no-such-label"),
        pytest.param("label", {"key": "99/0/", "label": True}, {}, 400, id="no-such-item"),
        pytest.param("label", {"key": "0/0/", "label": True}, {"Origin": "https://evil.example"}, 404, id="other-origin"),
        pytest.param("state", None, {"Host": "evil.example"}, 403, id="other-host"),
        pytest.param("../state", None, {}, 404, id="without-the-token"),
    ],
)
def test_only_this_page_may_label(singles, served, path, body, headers, status):
    """A page on another site can send requests to this machine; it must not read texts or write labels."""
    url = served(singles, "yes_no").url
    url = url.rsplit("/", 2)[0] + "/state" if path.startswith("..") else url + path
    assert ask(url, body, **headers)[0] == status
    assert not (singles / "labels.jsonl").exists()


def test_modes(pairs, singles):
    """What a run holds decides what is asked; a mistake is named."""
    assert default_mode(load_tables(singles)) == "yes_no"
    assert [t.key for t in label_tasks(load_tables(singles), "yes_no", most=3)] == [
        t.key for t in label_tasks(load_tables(singles), "yes_no")[:3]
    ]
    ended = run_judge("label", str(singles), "--mode", "pairs", "--no-browser")
    assert (ended.code, "no row has two responses" in ended.err) == (2, True)
    assert run_judge("label", str(singles), "--mode", "stars", "--no-browser").code == 2
    assert run_judge("label", str(singles), "--scale", "5,1", "--no-browser").code == 2


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_by_keyboard(singles, served):
    """y and n label and go on, u takes back; on a phone nothing stands out of the page."""
    server = served(singles, "yes_no")

    async def go():
        async with tab() as page:
            await page.open(server.url, width=375, height=800)
            assert await page.becomes("document.body.dataset.ready === '1'")
            for key in ("y", "n"):
                await page.value(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")
                await asyncio.sleep(0.3)
            assert await page.becomes("document.getElementById('count').textContent.startsWith('2 of 8')")
            assert await page.value("document.documentElement.scrollWidth") <= 375
            assert page.complaints == []

    asyncio.run(go())
    assert sorted(LabelFile(singles, "anna").given().values()) == [False, True]
