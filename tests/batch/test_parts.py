"""Parts of the tables while a run goes: what is finished can be read, and the table of the end is made of them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import threading
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch import parts
from judge.batch.block import BlockWorker, blocks_of
from judge.batch.folder import begin, locked
from judge.batch.gather import judge_blocks
from judge.batch.parts import RowsUnderWay, TableParts
from judge.batch.read import BadRow
from judge.batch.select.folder import read_facts
from judge.batch.store import Store
from judge.batch.stream import NumberedRows
from judge.errors import InputError, OutputError
from judge.pipeline.build import plan
from judge.report.run_page import run_page
from judge.report.run_tables import load_tables
from judge.settings import load_settings
from judge.tables import run_state, table_files
from judge.types import Reward, Sample
from tests.batch.test_merge import tables
from tests.batch_harness import SETTINGS, met, question, run, samples


@pytest.fixture
def small(monkeypatch):
    """Pages of 8 rows, parts of 16."""
    monkeypatch.setattr(parts, "PAGE_ROWS", 8)
    monkeypatch.setattr(parts, "PART_ROWS", 16)


def rows(count):
    """Rows of which one is none, whose columns change: a number that is a word later, and a column that comes late."""
    made = samples(count)
    for place, sample in enumerate(made):
        sample.metadata.update({"n": place if place < count - 20 else "many", **({"late": 1.5} if place >= count - 30 else {})})
    return [*made[:9], BadRow("bad", "data.jsonl:10: no JSON"), *made[9:]]


def read(folder, name):
    return pa.concat_tables([pq.read_table(file) for file in table_files(folder, name)], promote_options="default").to_pylist()


def test_finished_rows_can_be_read_while_the_run_goes(tmp_path, small):
    """A run of two days shows in its first minute what its rewards look like."""
    seen = {}

    def judge(request):
        if "What is 60 + 60?" in question(request) and not seen:
            seen.update({name: read(tmp_path, name) for name in ("rewards", "verdicts")})
        return met(request)

    run(tmp_path, samples(80), judge, max_in_flight=4)
    assert 16 <= len(seen["rewards"]) <= 60
    assert len(seen["verdicts"]) == 2 * len(seen["rewards"])
    for name, known in seen.items():
        whole = pq.read_table(tmp_path / f"{name}.parquet").to_pylist()
        assert known == whole[: len(known)]
        assert table_files(tmp_path, name) == [tmp_path / f"{name}.parquet"]
        assert not (tmp_path / name).exists()


KEPT = [pytest.param(("all",), id="columns-that-change"), pytest.param(("none",), id="no-columns")]


@pytest.mark.parametrize("keep", KEPT)
def test_tables_made_of_parts_are_those_of_the_journal(tmp_path, monkeypatch, keep):
    """Whether a part fits, lacks a column or has to be left aside: the table is the same."""
    run(tmp_path / "whole", rows(100), keep=keep)
    monkeypatch.setattr(parts, "PAGE_ROWS", 8)
    monkeypatch.setattr(parts, "PART_ROWS", 16)
    run(tmp_path / "parts", rows(100), keep=keep, max_in_flight=8)
    assert tables(tmp_path / "parts") == tables(tmp_path / "whole")
    for name in ("rewards", "verdicts"):
        schemas = [pq.read_schema(tmp_path / folder / f"{name}.parquet") for folder in ("parts", "whole")]
        assert schemas[0] == schemas[1]


def test_rows_of_a_part_are_put_together_once(tmp_path, small, monkeypatch):
    """The end of a million rows does not read a million rows back from the journal."""
    asked = []
    pages = parts.JournalTable.pages

    def noted(self, store, first=0, end=2**62):
        asked.append((self.name, first, end))
        return pages(self, store, first, end)

    monkeypatch.setattr(parts.JournalTable, "pages", noted)
    run(tmp_path, samples(80), max_in_flight=4)
    for name in ("rewards", "verdicts"):
        spans = [(first, end) for table, first, end in asked if table == name]
        assert len(spans) > 4
        assert spans[0][0] == 0
        assert all(end == first for (_, end), (first, _) in pairwise(spans))


def test_what_a_killed_start_has_left_is_written_anew(tmp_path, small):
    """Parts of another start hold rows that this one has not judged; a reader must not take them for its own."""
    for name in ("rewards", "verdicts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-00000.parquet").write_bytes(b"torn")
        (tmp_path / name / "part-00001.parquet.partial").write_bytes(b"half")
    lines = []
    begin(tmp_path, {"data": {}}, lines.append)
    assert lines == ["1 part of the tables of a start that did not end: written anew from the journal"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json"]


def test_a_part_that_cannot_be_read_is_left_aside(tmp_path, small, caplog):
    """Somebody has cut it short meanwhile: the journal has its rows, and the log says so."""
    torn = []

    def judge(request):
        for path in () if torn else table_files(tmp_path, "rewards"):
            path.write_bytes(path.read_bytes()[:100])
            torn.append(path)
        return met(request)

    with caplog.at_level(logging.WARNING, "judge"):
        run(tmp_path / ".", samples(80), judge, max_in_flight=4)
    assert torn
    assert [r["row"] for r in pq.read_table(tmp_path / "rewards.parquet").to_pylist()] == list(range(80))
    assert "part-00000.parquet: cannot be read" in caplog.text


def test_a_run_that_fails_leaves_its_finished_parts(tmp_path, small):
    """What is half written is gone; what can be read stays until the next start."""
    asked = []

    def judge(request):
        asked.append(request)
        if len(asked) > 80:  # of 100
            raise OutputError("the disk is full")
        return met(request)

    with pytest.raises(OutputError, match="the disk is full"):
        run(tmp_path, samples(50), judge, max_in_flight=4)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "failed"
    assert 16 <= len(read(tmp_path, "rewards")) < 50
    assert not list(tmp_path.glob("*/*.partial"))
    run(tmp_path, samples(50))
    assert len(read(tmp_path, "rewards")) == 50
    assert not (tmp_path / "rewards").exists()


def test_rewards_that_wait_for_others_are_in_no_part(tmp_path, small):
    """A reward that the mean of its group may fill in yet is not shown as missing."""
    seen = []

    def judge(request):
        seen.extend(tmp_path.glob("rewards/*"))
        return met(request)

    run(tmp_path, samples(80, group="g"), judge, max_in_flight=4, on_no_verdict="group_mean")
    assert seen == []


def test_a_slow_run_closes_a_part_by_the_clock(tmp_path):
    """At ten rows a minute nobody waits a day for the first 16,384."""
    store, now = Store(tmp_path / "journal.sqlite"), [0.0]
    made = TableParts(store, tmp_path, clock=lambda: now[0])
    there = []
    for row in range(10):
        store.add(row, (Reward(f"s{row}", 0, 0.5),))
        now[0] += 7.0
        made.reached(row + 1)
        there.append(len(read(tmp_path, "rewards")) if table_files(tmp_path, "rewards") else 0)
    store.close()
    assert there == [0, 0, 0, 0, 5, 5, 5, 5, 5, 10]


ORDERS = [
    pytest.param([0, 1, 2, 3], [1, 2, 3, 4], id="in-order"),
    pytest.param([3, 2, 1, 0], [0, 0, 0, 4], id="the-first-last"),
    pytest.param([0, 2, 1, 3], [1, 1, 3, 4], id="one-late"),
]


@pytest.mark.parametrize(("ended", "reached"), ORDERS)
def test_rows_count_up_to_the_first_that_is_under_way(ended, reached):
    """A part with a hole in it would give the rows behind it another place in the table."""
    under_way = RowsUnderWay()
    for row in range(4):
        under_way.begin(row)
    assert [under_way.end(row) for row in ended] == reached


def test_rows_of_a_shard_have_gaps():
    """Row 18 comes after row 3 where another machine has those between."""
    under_way = RowsUnderWay()
    for row in (2, 3, 18):
        under_way.begin(row)
    assert [under_way.end(row) for row in (2, 18, 3)] == [3, 3, 19]


def test_a_disk_that_is_full_says_what_is_kept(tmp_path, small, monkeypatch):
    """Exit code 4 with what to do, as for the tables of the end."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts, "table_writer", full)
    with pytest.raises(OutputError, match=r"No space left.*every judge call is kept in journal\.sqlite"):
        run(tmp_path, [Sample.of(f"q{i}", f"a{i}", id=str(i)) for i in range(80)])


def test_a_run_on_its_way_can_be_reported(tmp_path, small):
    """Who looks at noon sees the rewards of the morning, and that the run is not at its end."""
    pages = []

    def judge(request):
        if "What is 60 + 60?" in question(request) and not pages:
            found = load_tables(tmp_path)
            pages.append((len(found), found.floats("criterion.right").tolist(), len(list(found.verdicts(["row"])))))
            pages.append(run_page([found]))
        return met(request)

    run(tmp_path, samples(80), judge, max_in_flight=4)
    (count, scores, calls), page = pages
    assert 16 <= count <= 60
    assert (scores, calls) == ([1.0] * count, 2 * count)
    assert "running" in page


def test_blocks_of_ray_are_parts_in_the_order_of_the_data(tmp_path, small):
    """Block 3 is done before block 1: its rows wait until those before them are there."""
    made = plan(load_settings(SETTINGS | {"engine": {"kind": "scripted", "reply": "VERDICT: MET"}})[0])
    seen = []

    def stream(done):
        blocks = list(blocks_of(NumberedRows(samples(80)), 16, "row"))
        for number in (0, 3, 2, 1, 4):
            worker = BlockWorker(made, keep=("all",), requests=True, strict=False)
            yield asyncio.run(worker.judge(blocks[number]))
            seen.append([r["row"] for r in read(tmp_path / "run", "rewards")] if table_files(tmp_path / "run", "rewards") else [])

    judge_blocks(made, stream, tmp_path / "run", quiet=True)
    assert seen == [list(range(n)) for n in (16, 16, 16, 64, 80)]
    assert [r["row"] for r in read(tmp_path / "run", "rewards")] == list(range(80))


def break_off(folder):
    """A run of 100 samples that dies after 60 requests."""
    left = iter(range(60))

    def judge(request):
        if next(left, None) is None:
            raise RuntimeError("a program's mistake")
        return met(request)

    with pytest.raises(RuntimeError):
        run(folder, samples(100), judge, max_in_flight=4)


def test_a_report_reads_one_state_of_a_run_that_goes_on(tmp_path, small):
    """Parts that come while it is read, and parts that become one file at the end, leave its columns as long as they were."""
    break_off(tmp_path)
    found = load_tables(tmp_path)
    before, calls = len(found), len(list(found.verdicts(["row"])))
    assert before in (16, 32, 48)
    new = table_files(tmp_path, "rewards")[0].read_bytes()
    (tmp_path / "rewards" / "part-00077.parquet").write_bytes(new)  # that of verdicts is not there yet
    assert (len(load_tables(tmp_path)), len(found.floats("raw_reward"))) == (before, before)
    run(tmp_path, samples(100), met, max_in_flight=4)  # takes the parts away
    assert len(load_tables(tmp_path)) == 100
    assert (len(found), len(found.raw), len(found.lengths), len(list(found.verdicts(["row"])))) == (*[before] * 3, calls)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        pytest.param({"state": "running"}, r"the run ended before .* \(state `interrupted`\); the same `judge run`", id="killed"),
        pytest.param({"state": "failed"}, r"the run ended before its tables were written \(state `failed`\)", id="failed"),
        pytest.param(None, "holds no run", id="nothing"),
    ],
)
def test_a_run_without_rows_says_what_it_is(tmp_path, record, said):
    """A run in its first half minute is none that "must be run to its end"."""
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=said):
        load_tables(tmp_path)


def test_a_run_in_its_first_half_minute_has_no_rows_yet(tmp_path):
    """Its folder is held; one that is not was left behind."""
    (tmp_path / "run.json").write_text('{"state": "running"}')
    with locked(tmp_path), pytest.raises(InputError, match=r"no rows yet: the first are written after half a minute$"):
        load_tables(tmp_path)


def test_a_run_that_was_killed_is_interrupted_for_its_readers(tmp_path, small):
    """`running` sent people to wait for rows that never came."""
    break_off(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "running"
    assert load_tables(tmp_path).run["state"] == "interrupted"
    assert read_facts(tmp_path, unfinished=True)["state"] == "interrupted"
    with locked(tmp_path):  # the next start
        assert load_tables(tmp_path).run["state"] == "running"
        assert read_facts(tmp_path, unfinished=True)["state"] == "running"
    (tmp_path / "run.json").write_text('{"state": "finished"}')
    assert run_state(tmp_path, {"state": "running"}) == "finished"  # it ended while it was looked at


def test_a_reader_does_not_keep_a_run_out(tmp_path):
    """A page that is looked at every second must not stop the run that is started beside it."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    leaves = threading.Timer(0.02, os.close, [handle])
    leaves.start()
    with locked(tmp_path):
        leaves.join()
