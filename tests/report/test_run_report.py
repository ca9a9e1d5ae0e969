"""What a run says about its judge, and the page that shows it: warnings with figures, every item to look at, no network."""

from __future__ import annotations

import asyncio
import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from judge.arrays import ranks, spearman
from judge.cli.report import fold_text
from judge.engine.scripted import ScriptedEngine
from judge.errors import InputError
from judge.pipeline.judge import Judge
from judge.pipeline.record import figures
from judge.report import findings as findings_module
from judge.report import plots
from judge.report.findings import findings, positions, within_groups
from judge.report.items import pack
from judge.report.run_page import matched, run_page
from judge.report.run_tables import RunTables, load_tables
from judge.report.training import step_findings, steps, steps_page
from judge.types import Reward, Sample
from tests.batch_harness import run as run_batch_of
from tests.batch_harness import samples
from tests.cli_harness import run_judge as run_command
from tests.server.browser import CHROMIUM, tab

WORDS = ("alpha", "beta", "gamma", "delta", "lake", "stone", "cloud", "seven")
LAKE = " It lies by the lake."
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e"


def run_judge(*arguments):
    """The command with any arguments: exit code, standard output, standard error."""
    ended = run_command(*map(str, arguments))
    return ended.code, ended.out, ended.err


def judged(tmp_path, name, reply, *, recipe="pointwise", rows=None, extra=""):
    """A finished run folder, whose judge replies by `reply`: text, or a mapping from a phrase to the reply."""
    folder = tmp_path / name
    if rows is None:
        rows = [
            {
                "id": f"q{q}-{k}",
                "group": f"q{q}",
                "prompt": f"Name stone {q}.",
                "response": f"It is the {WORDS[k]} stone of {q}." + LAKE * k,
            }
            for q in range(8)
            for k in range(4)
        ]
    data = tmp_path / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    replies = tmp_path / f"{name}.replies.json"
    replies.write_text(json.dumps(reply if isinstance(reply, dict) else {"": reply}), encoding="utf-8")
    config = tmp_path / f"{name}.yaml"
    config.write_text(
        f"recipe: {recipe}\nrubric: helpfulness\nengine: {{kind: scripted, replies: '{replies}'}}\nfilters: off\n{extra}",
        encoding="utf-8",
    )
    code, out, err = run_judge("run", config, "--data", data, "--output", folder, "--quiet")
    assert code in (0, 5), err  # 5: nothing got a reward
    return folder, out


def codes(folder):
    return {f.code: f for f in findings(load_tables(folder))}


def test_a_judge_with_one_answer_says_so(tmp_path):
    """A run whose judge always answers 4 must not end as if all were well."""
    folder, out = judged(tmp_path, "same", "Fine.\nVERDICT: 4")
    found = codes(folder)
    assert found["one_answer"].tone == "bad"
    assert "0.75 to 100.0 % of the 32 responses" in found["one_answer"].text
    assert "100.0 % of the 8 groups" in found["group_spread"].text
    assert "warning: The judge gave 0.75" in out


def test_an_honest_judge_is_not_accused(tmp_path):
    """Quality that has nothing to do with length or place raises no warning."""
    grades = {
        f"the {word} stone of {q}.": f"Read.\nVERDICT: {1 + (3 * q + 2 * k + q * k) % 5}"
        for q in range(8)
        for k, word in enumerate(WORDS[:4])
    }
    folder, out = judged(tmp_path, "honest", grades)
    assert {f.tone for f in findings(load_tables(folder))} <= {"plain", "good"}
    assert "warning" not in out


def test_a_judge_that_follows_length(tmp_path):
    """Rank correlation within groups: here exactly one, so longer always gets more."""
    grades = {f"the {word} stone": f"Read.\nVERDICT: {k + 1}" for k, word in enumerate(WORDS[:4])}
    folder, _ = judged(tmp_path, "length", grades)
    assert "rank correlation +" in codes(folder)["length"].text


def test_a_judge_bound_to_a_position(tmp_path):
    """Both orders asked: whatever is shown first wins, so each pair ends at one half and the gap is one."""
    rows = [
        {"id": f"p{n}", "prompt": f"Pair {n}?", "response_a": f"One answer {n}.", "response_b": f"Other answer {n}."}
        for n in range(25)
    ]
    folder, _ = judged(tmp_path, "first", "The first one.\n[[A]]", recipe="pairwise", rows=rows)
    assert positions(load_tables(folder)) == (1.0, 25)
    assert codes(folder)["position"].tone == "bad"


def test_missing_verdicts_come_with_what_helps(tmp_path):
    """A reason alone leaves a user guessing which setting to change."""
    folder, _ = judged(tmp_path, "silent", "I would rather not say.")
    found = codes(folder)["no_verdict"]
    assert (found.tone, "32 of 32 responses have no verdict" in found.text, bool(found.advice)) == ("bad", True, True)


def test_what_helps_late_items_is_a_setting_that_a_run_has(tmp_path):
    """`step_deadline_s` has no effect on a run, so raising it would change nothing."""

    async def slow(_):
        await asyncio.sleep(30)
        return "VERDICT: MET"

    run_batch_of(tmp_path, samples(20), slow, item_deadline_s=0.01)
    assert codes(tmp_path)["no_verdict"].advice == "raise `item_deadline_s`, or lower `max_in_flight`"


def test_ranks_are_those_of_scipy():
    """Ties share their mean rank, whatever their number and place; a second implementation says the same."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 500):
        values = rng.integers(-3, 3, size) / 3
        assert (ranks(values) == stats.rankdata(values)).all()
    assert ranks(np.zeros(0)).size == 0


def test_rank_correlation_by_hand():
    """Ranks 1 2 3 4 and 1 2 4 3: 1 - 6 * 2 / (4 * 15) = 0.8; missing values are left out."""
    first, second = np.array([0.1, 0.2, 0.3, 0.4, np.nan]), np.array([1.0, 2.0, 4.0, 3.0, 9.0])
    assert spearman(first, second) == pytest.approx(0.8)
    assert np.isnan(spearman(first, np.ones(5)))


def test_within_groups_takes_the_mean_off():
    """Groups of one say nothing about competition."""
    centred = within_groups(np.array([1.0, 3.0, 5.0, np.nan]), np.array([0, 0, 1, 1]))
    assert centred[:2].tolist() == [-1.0, 1.0]
    assert np.isnan(centred[2:]).all()


def test_a_page_holds_everything_and_nothing_acts(tmp_path):
    """A policy writes into this page. Its texts stand in data that cannot run, under a policy that names one script."""
    rows = [{"id": f"h{n}", "prompt": HOSTILE, "response": HOSTILE + str(n)} for n in range(3)]
    folder, _ = judged(tmp_path, "hostile", "Seen.\nVERDICT: 2", rows=rows)
    text = run_page([load_tables(folder)])
    assert text.count("<script>") == 1
    assert "<script>document.title" not in text
    assert "<img" not in text
    assert re.search(r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]{44}'", text)
    assert not re.search(r"(?:src|href)=", text.partition("<main>")[2].partition("</main>")[0])


def test_the_packed_items_hold_the_verdicts(tmp_path):
    """What the judge said, for which criterion, in which order: found again in the chunk of its item."""
    folder, _ = judged(tmp_path, "packed", "Good reasoning here.\nVERDICT: 4")
    held = pack([load_tables(folder)], most=5)
    assert (len(held.index), held.left_out) == (5, 27)
    code, out, _ = run_judge("look", folder, "--item", "q0-1", "--json")
    (item,) = json.loads(out)
    assert (code, item["calls"][0]["text"], item["reward"]) == (0, "Good reasoning here.\nVERDICT: 4", 0.75)


def test_a_response_cannot_steer_the_terminal(tmp_path):
    """Escapes, a bidirectional mark and a reply of the judge: all are shown; line ends and words of any language stay."""
    rows = [{"id": "a\x1b[1m", "prompt": "\x1b[31mred", "response": "\x1b]0;owned\x07x\r\u202e\u009b2J\x7f\nनमस्ते é\tend"}]
    folder, _ = judged(tmp_path, "steer", "\x1b[2JFine.\nVERDICT: 4", rows=rows)
    code, out, _ = run_judge("look", folder, "--item", "0")
    assert code == 0
    assert not set(out) & set("\x1b\x07\r\u202e\u009b\x7f")
    for shown in (
        r"a\u001b[1m[0]",
        r"\u001b[31mred",
        "\\u001b]0;owned\\u0007x\\r\\u202e\\u009b2J\\u007f\nनमस्ते é\tend",
        r"\u001b[2JFine.",
    ):
        assert shown in out


def test_the_facts_of_an_item_fit_the_terminal(tmp_path):
    """Explanations of many criteria are broken between words; the texts that were judged stay as they are in a pipe."""
    long = "word " * 40 + "end"
    rows = [{"id": "a", "prompt": long, "response": long, "label": long}]
    folder, _ = judged(tmp_path, "wide", "Fine.\nVERDICT: 4", rows=rows)
    code, out, _ = run_judge("look", folder, "--item", "a")
    facts, texts = out.split("--- prompt\n")
    assert (code, max(map(len, facts.splitlines())) <= 80, f"{long}\n" in texts) == (0, True, True)
    assert fold_text(long) == "\n".join(["word " * 15 + "word", "word " * 15 + "word", "word " * 8 + "end"])
    assert fold_text("x" * 100 + "\n  y") == "x" * 100 + "\n  y"


def test_json_cannot_steer_the_terminal_either(tmp_path):
    """The same text for a program, and nothing that a terminal obeys: C0, C1, DEL, bidirectional marks, invisible tags."""
    text = "\x1b]0;owned\x07x\u202e\u009b2J\x7f\U000e0041\nनमस्ते é"
    said = "\x1b[2JFine \u009b2J\x7f.\nVERDICT: 4"
    folder, _ = judged(tmp_path, "steer", said, rows=[{"id": "a", "prompt": text, "response": text}])
    code, out, _ = run_judge("look", folder, "--item", "a", "--json")
    assert code == 0
    assert not set(out) & set("\x1b\x07\u202e\u009b\x7f\U000e0041")
    assert "नमस्ते é" in out
    (item,) = json.loads(out)
    assert [item["prompt"], item["response"], item["calls"][0]["text"]] == [text, text, said]


def test_two_runs_differ_first(tmp_path):
    """Of several runs the page shows first where they disagree, one without a reward before all."""
    first, _ = judged(tmp_path, "a", {"of 3.": "Nothing.", "": "Fine.\nVERDICT: 4"})
    second, _ = judged(tmp_path, "b", {"of 5.": "Fine.\nVERDICT: 1", "": "Fine.\nVERDICT: 4"})
    runs = [load_tables(first), load_tables(second)]
    x, y = matched(*runs)
    assert (np.isnan(x).sum(), int((y == 0).sum())) == (4, 4)
    gaps = [entry[11] for entry in pack(runs).index]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[:8] == [1.5] * 4 + [0.75] * 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("report", "nowhere"), "no such run folder", id="no-folder"),
        pytest.param(("report", "."), "holds no run", id="not-a-run"),
        pytest.param(("look", "RUN", "--item", "q0-11"), "did you mean", id="mistyped-item"),
        pytest.param(("look", "RUN", "--item", "q0-1", "--response", "4"), "has no response 4", id="no-such-response"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, said):
    """One line that says what is wrong, exit code 2, no traceback."""
    folder, _ = judged(tmp_path, "run", "Fine.\nVERDICT: 4")
    code, _, err = run_judge(*(folder if a == "RUN" else tmp_path if a == "." else a for a in arguments))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_plots_stand_alone(tmp_path):
    """SVG files for a paper: parsed as XML, with a title and their own style."""
    from xml.etree import ElementTree as ET

    folder, _ = judged(tmp_path, "run", {"alpha": "Fine.\nVERDICT: 4", "": "Fine.\nVERDICT: 2"})
    code, _, _ = run_judge("report", folder, "--svg", tmp_path / "plots")
    drawn = sorted((tmp_path / "plots").glob("*.svg"))
    assert code == 0
    assert len(drawn) >= 2
    for path in drawn:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.find("{http://www.w3.org/2000/svg}title").text


def test_plots_as_png(tmp_path):
    """The same plots as images: their size, their bars in the page's colour, and each of them with a title on top."""
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    folder, _ = judged(tmp_path, "run", {"alpha": "Fine.\nVERDICT: 4", "": "Fine.\nVERDICT: 2"})
    code, _, err = run_judge("report", folder, "--svg", tmp_path / "plots", "--png", tmp_path / "plots")
    assert code == 0, err
    drawn = sorted((tmp_path / "plots").glob("*.png"))
    assert [p.stem for p in drawn] == sorted(p.stem for p in (tmp_path / "plots").glob("*.svg"))
    for path in drawn:
        image = imread(path)[..., :3]
        assert image.shape == (488, 920, 3)
        dark = (image < 0.9).any(axis=2)
        assert dark[:40].any()  # the title
    bars = (abs(imread(drawn[0])[..., :3] - np.array([0x4A, 0x6F, 0xA5]) / 255) < 0.02).all(axis=2)
    assert bars.mean() > 0.01


def test_a_bar_of_a_png_is_where_the_page_has_it():
    """One bar of the right half of a histogram: its pixels are there and nowhere else."""
    pytest.importorskip("matplotlib")
    import io

    from matplotlib.image import imread

    from judge.report.png import png_bytes

    image = imread(io.BytesIO(png_bytes(plots.histogram("t", np.array([0.9, 0.9]), bins=2))), format="png")[..., :3]
    bars = (abs(image - np.array([0x4A, 0x6F, 0xA5]) / 255) < 0.02).all(axis=2)
    across = bars.any(axis=0).nonzero()[0]
    middle = 2 * (62 + (460 - 62 - 10) / 2)
    assert abs(across.min() - middle) < 6
    assert abs(across.max() - 2 * 450) < 6


def test_a_histogram_counts():
    """Three values in two bins: heights follow the counts, and a screen reader hears how many."""
    drawn = plots.histogram("t", np.array([0.1, 0.2, 0.9, np.nan]), bins=2)
    assert "0 to 0.5: 2" in drawn
    assert "0.5 to 1: 1" in drawn
    assert "<desc>3 values, mean 0.400</desc>" in drawn


def test_steps_are_recorded_and_drawn(tmp_path):
    """A training run leaves one line a step, and the report says where reward and length went."""
    engine = ScriptedEngine(lambda request: f"Read.\nVERDICT: {min(5, 1 + len(engine.requests) // 5)}")
    settings = {
        "rubric": "helpfulness",
        "recipe": "pointwise",
        "engine": {"kind": "scripted"},
        "filters": "off",
        "record": str(tmp_path / "train"),
    }
    with Judge.from_config(settings, engine=engine) as judge:
        for step in range(6):
            judge.score(
                [Sample.of("Name a stone.", f"The {w} stone." + " It is by the lake." * step) for w in WORDS[:4]], step=step
            )
    with (tmp_path / "train" / "steps.jsonl").open("a", encoding="utf-8") as out:
        out.write('{"step": 6, "rew')  # killed here
    recorded = steps(tmp_path / "train")
    assert [r["step"] for r in recorded] == list(range(6))
    assert recorded[-1]["length_mean"] > recorded[0]["length_mean"]
    assert {"reward", "length"} <= {f.code for f in step_findings(recorded)}
    assert "Mean reward by step" in steps_page([tmp_path / "train"])
    code, out, _ = run_judge("report", tmp_path / "train")
    assert (code, out.strip()) == (0, str(tmp_path / "train" / "report.html"))


def test_other_processes_record_nothing(tmp_path, monkeypatch):
    """Eight ranks would write every step eight times."""
    monkeypatch.setenv("RANK", "3")
    settings = {"rubric": "helpfulness", "recipe": "pointwise", "engine": {"kind": "scripted"}, "record": str(tmp_path)}
    with Judge.from_config(settings, engine=ScriptedEngine(["Fine.\nVERDICT: 3"], repeat_last=True)) as judge:
        judge.score([Sample.of("Name a stone.", "The alpha stone.")])
    assert not (tmp_path / "steps.jsonl").exists()


def test_figures_of_a_step_by_hand():
    """Two groups, one flat; one response without a reward, which is in no mean."""
    samples = [Sample.of("p", "ab", id=str(n)) for n in range(4)]
    values = [("g", 0.5), ("g", 0.5), ("h", 1.0), ("h", None)]
    rewards = [Reward(str(n), 0, v, group=g) for n, (g, v) in enumerate(values)]
    found = figures(samples, rewards)
    assert (found["reward_mean"], found["missing_share"], found["flat_groups"], found["length_mean"]) == (
        0.666667,
        0.25,
        1.0,
        2.0,
    )


def test_a_torn_table_is_an_error_with_its_path(tmp_path):
    """Half a file is a message, not a traceback of the library that reads it."""
    folder, _ = judged(tmp_path, "torn", "Fine.\nVERDICT: 4")
    (folder / "rewards.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(InputError, match=r"rewards\.parquet: cannot be read"):
        findings(load_tables(folder))
    shutil.rmtree(folder)


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_in_a_browser(tmp_path):
    """Search, filters, keyboard and phone, with nothing loaded and nothing complained about."""
    folder, _ = judged(tmp_path, "run", {"alpha": "Fine, by the lake.\nVERDICT: 4", "": "Bad.\nVERDICT: 1"})
    run_judge("report", folder)
    asyncio.run(_browse(folder))


async def _browse(folder):
    async with tab() as page:
        await page.open(f"file://{folder / 'report.html'}", width=375, height=800)
        assert await page.becomes("document.body.dataset.ready === '1'")
        assert await page.value("document.documentElement.scrollWidth") <= 375
        await page.value("document.getElementById('search').value = 'q3-'; document.getElementById('filters').requestSubmit()")
        assert await page.becomes("document.getElementById('count').textContent.startsWith('4 responses')")
        await page.value("document.getElementById('everywhere').checked = true")
        await page.value(r"document.getElementById('search').value = 'by the lake.\\nVERDICT'")
        await page.value("document.getElementById('filters').requestSubmit()")
        assert await page.becomes("document.getElementById('count').textContent.startsWith('8 responses')")
        await page.value("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'j'}))")
        assert await page.becomes("document.querySelector('#detail pre') !== null")
        assert "Fine, by the lake." in await page.value("document.getElementById('detail').textContent")
        unnamed = (
            "[...document.querySelectorAll('button,input,select')]"
            ".filter(e => !e.textContent.trim() && !e.closest('label')).length"
        )
        assert await page.value(unnamed) == 0
        assert page.complaints == []


def test_lengths_are_taken_without_holding_the_texts(tmp_path, monkeypatch):
    """A million long responses are gigabytes, and their lengths eight bytes each."""
    table = pa.table({"response": ["ab", None, "äöü"] * 50, "status": ["judged", "filtered", None] * 50})
    for number in range(2):
        (tmp_path / "rewards").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "rewards" / f"part-{number:05}.parquet", row_group_size=40)
    monkeypatch.setattr(pq, "read_table", None)
    found = RunTables(tmp_path, {})
    np.testing.assert_array_equal(found.lengths, [2, np.nan, 3] * 100)
    assert np.isnan(found.floats("nowhere")).sum() == 300


def test_lengths_of_very_many_responses_are_looked_at_in_some_groups(tmp_path, monkeypatch):
    """Whole groups are kept, and the sentence says how many."""
    rng = np.random.default_rng(3)
    size = rng.integers(5, 400, 900)
    record = {
        "group": [f"g{n // 3}" for n in range(900)], "response": ["x" * n for n in size], "raw_reward": size / 400,
        "status": ["judged"] * 900, "judge_calls": [1] * 900, "completion_tokens": [1] * 900,
    }  # fmt: skip
    pq.write_table(pa.table(record), tmp_path / "rewards.parquet")
    [whole] = findings_module._length(RunTables(tmp_path, {}))
    monkeypatch.setattr(findings_module, "MOST_RANKED", 250)
    [some] = findings_module._length(RunTables(tmp_path, {}))
    assert all("rank correlation +1.00 within groups" in each.text for each in (whole, some))
    assert some.text.endswith("(Looked at in 225 responses, every 4th group.)")
    assert "Looked at" not in whole.text


def test_groups_are_numbered_over_parts_and_row_groups(tmp_path):
    """By their first response, whichever file or row group it stands in; each value is looked at once."""
    names = [["b", "b", "a"] * 20, ["a", "c", "b"] * 20]
    for number, group in enumerate(names):
        for table in ("rewards", "verdicts"):
            (tmp_path / table).mkdir(exist_ok=True)
            pq.write_table(pa.table({"group": group}), tmp_path / table / f"part-{number:05}.parquet", row_group_size=7)
    np.testing.assert_array_equal(RunTables(tmp_path, {}).groups, [0, 0, 1] * 20 + [1, 2, 0] * 20)


def test_flags_are_counted_without_what_they_say(tmp_path, monkeypatch):
    """Of a million flags with their details only the names are read, some thousand at a time."""
    flags = [
        [{"name": "forced", "detail": "x" * 99}],
        [],
        None,
        [{"name": n, "detail": "", "where": ""} for n in "ab"],
    ]
    for number in range(2):
        for table in ("rewards", "verdicts"):
            (tmp_path / table).mkdir(exist_ok=True)
            path = tmp_path / table / f"part-{number:05}.parquet"
            pq.write_table(pa.table({"flags": flags * 20}), path, row_group_size=7)
    monkeypatch.setattr(pq, "read_table", None)
    assert RunTables(tmp_path, {}).flagged() == {"forced": 40, "a": 40, "b": 40}


def test_flags_are_counted_in_every_file_that_has_them(tmp_path):
    """A table from elsewhere may lack the column, and other writers call the elements of a list `item`."""
    for table in ("rewards", "verdicts"):
        (tmp_path / table).mkdir()
    parts = [{"reward": [1.0]}, {"flags": [[{"name": "forced"}]]}, {"flags": [[{"name": "forced"}]]}]
    for number, columns in enumerate(parts):
        for table in ("rewards", "verdicts"):
            path = tmp_path / table / f"part-{number:05}.parquet"
            pq.write_table(pa.table(columns), path, use_compliant_nested_type=number < 2)
    assert RunTables(tmp_path, {}).flagged() == {"forced": 2}


def test_criteria_are_looked_at_one_after_the_other(tmp_path):
    """Twenty columns of a million rows would be 160 MB; the sentence names those that say nothing."""
    columns = {"criterion.flat": [1.0] * 40, "criterion.fine": [0.0, 1.0] * 20, "raw_reward": [0.5] * 40}
    pq.write_table(pa.table(columns), tmp_path / "rewards.parquet")
    tables = RunTables(tmp_path, {})
    [found] = findings_module._criteria(tables)
    assert found.text == "1 of 2 criteria get nearly the same score from every response: `flat` (mean 1.00)."
    assert "criteria" not in vars(tables)
