"""A run group by group: what is selected is what a run in memory gives, wherever the rows of a group are; memory stays flat."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch import parts
from judge.batch.select import best_of_n, best_rows, compare_snapshot, pair_rows, preference_pairs, read_reliability, read_run
from judge.batch.select.best import BestOfEstimate, estimate_best_of
from judge.batch.select.folder import rewards_by_row
from judge.batch.select.groups import RunGroups
from judge.batch.select.pairs import PairHints, pair_hint
from judge.batch.select.reliability import GroupReliability
from judge.batch.select.snapshot import SnapshotGroups
from judge.batch.write import clear_parts
from judge.errors import DataError, InputError, OutputError
from tests.batch_harness import met, question, run, samples
from tests.select_harness import GRADES, judged

WORDS = list(GRADES)[:4]


def rows(count, groups):
    """Rows of a few groups, apart from each other, some of which have the name of another row."""
    draw = random.Random(1)
    return [
        {
            "id": f"g{i % groups}",
            "prompt": f"Q{i % groups}?",
            "response": f"A {draw.choice(WORDS)} one, {i}.",
            "group": f"g{i % groups}",
        }
        if i % 5
        else {"id": f"g{i % groups}", "prompt": f"Q{i}?", "response": f"A mute one, {i}."}
        for i in range(count)
    ]


BY = ["auto", "group", "prompt", "row"]


@pytest.mark.parametrize("group_by", BY)
def test_groups_are_those_of_a_run_in_memory(tmp_path, group_by):
    """The same groups under the same names, in the order of their first rows."""
    folder = judged(tmp_path, rows(60, 7))
    whole = read_run(folder, group_by=group_by)
    by_name = {}
    for candidate in whole.candidates:
        by_name.setdefault(candidate.group, []).append(candidate)
    with RunGroups(folder, group_by=group_by) as found:
        assert [list(group.members) for group in found] == list(by_name.values())
        assert [group.number for group in found] == list(range(len(by_name)))
        told = (found.without_reward, found.grouped_by, found.source, found.notes)
    assert told == (whole.without_reward, whole.grouped_by, whole.source, whole.notes)


OPTIONS = {"strategy": "best_each", "min_margin": 0.25, "ties": "drop", "max_pairs": 2, "filtered": True}


def test_what_is_selected_group_by_group_is_what_is_selected_at_once(tmp_path):
    """Rows, pairs, their reliability, the estimate and the hint: a million rows are no other method than a hundred."""
    folder = judged(tmp_path, rows(60, 7), votes={"n": 2})
    whole = read_run(folder).candidates
    with RunGroups(folder) as found:
        trust, estimate, hints = GroupReliability(found, folder), BestOfEstimate([1, 3], min_reward=0.5), PairHints(**OPTIONS)
        best, pairs, kept = [], [], 0
        for group in found:
            best += best_rows(best_of_n(group.members).chosen)
            made = preference_pairs(group.members, **OPTIONS).pairs
            pairs += pair_rows(made, reliability=trust.of(group))
            kept += bool(made)
            estimate.add(group.members)
            hints.add(group.members)
    made = preference_pairs(whole, **OPTIONS)
    assert len(pairs) > 5
    assert best == best_rows(best_of_n(whole).chosen)
    assert pairs == pair_rows(made.pairs, reliability=read_reliability(folder))
    assert estimate.result() == estimate_best_of(whole, [1, 3], min_reward=0.5)
    assert hints.best(kept) == pair_hint(whole, made, **OPTIONS)


@pytest.mark.parametrize("whole_set", [True, False])
def test_a_snapshot_is_compared_group_by_group(tmp_path, whole_set):
    """The confidence of each pair is that of both runs in memory."""
    (tmp_path / "old").mkdir()
    folder = judged(tmp_path, rows(60, 7))
    old = judged(tmp_path / "old", rows(60, 7), GRADES | {"fair": "VERDICT: 5"})
    whole = compare_snapshot(read_run(folder), folder, str(old), by="raw_reward", whole_set=whole_set)
    with RunGroups(folder) as found:
        compared = SnapshotGroups(found, folder, str(old), by="raw_reward")
        for group in found:
            compared.add(group)
        seen = compared.result(whole_set=whole_set)
        each = {}
        for group in found:
            each |= compared.confidence(group, seen)
    assert each == pytest.approx(whole.confidence)
    assert (seen.groups, seen.facts()) == (whole.groups, whole.facts())


def test_the_file_of_groups_is_gone_in_the_end(tmp_path, monkeypatch):
    """Also where the data are not those that were judged: a terabyte must not stay in /tmp."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    folder = judged(tmp_path, rows(20, 3))
    with RunGroups(folder) as found:
        assert list((tmp_path / "room").iterdir())
        assert len(list(found)) == 7
    assert not list((tmp_path / "room").iterdir())
    (tmp_path / "data.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="not the data that were judged"):
        RunGroups(folder)
    assert not list((tmp_path / "room").iterdir())


def test_no_room_for_the_file_of_groups(tmp_path, monkeypatch):
    """It says where another place is named."""
    folder = judged(tmp_path, rows(20, 3))
    monkeypatch.setattr("judge.batch.select.groups._TABLES", "CREATE TABLE nowhere.groups (key)")
    with pytest.raises(OutputError, match="TMPDIR names another place"):
        RunGroups(folder)


def test_selecting_from_a_run_on_its_way(tmp_path, monkeypatch, capsys):
    """The best of the morning can be looked at in the afternoon; the command says that there will be more."""
    monkeypatch.setattr(parts, "PAGE_ROWS", 8)
    monkeypatch.setattr(parts, "PART_ROWS", 16)
    data = tmp_path / "data.jsonl"
    rows = samples(80)
    data.write_text("".join(json.dumps({"id": s.id, "prompt": s.prompt, "response": s.responses[0]}) + "\n" for s in rows))
    counts = []

    def judge(request):
        if "What is 60 + 60?" in question(request) and not counts:
            with RunGroups(tmp_path / "run", data=str(data)) as found:
                counts.append((len(list(found)), found.notes[0]))
        return met(request)

    run(tmp_path / "run", rows, judge, max_in_flight=4)
    [(count, note)] = counts
    assert 16 <= count <= 60
    assert "the run is not at its end" in note
    (tmp_path / "run" / "rewards.parquet").unlink()
    with pytest.raises(InputError, match="never came to an end"):
        RunGroups(tmp_path / "run", data=str(data))


def test_a_run_that_ends_while_it_is_read_is_read_on(tmp_path):
    """The parts that were listed are one file now: no row is lost or twice there, and nobody has to start again."""
    folder = judged(tmp_path, rows(20, 3))
    whole = pq.read_table(folder / "rewards.parquet")
    (folder / "rewards.parquet").rename(tmp_path / "whole.parquet")
    (folder / "rewards").mkdir()
    for number in range(3):
        pq.write_table(whole.slice(5 * number, 5), folder / "rewards" / f"part-{number:05}.parquet")
    seen = []
    for row, records in rewards_by_row(folder):
        if row == 2:
            (tmp_path / "whole.parquet").rename(folder / "rewards.parquet")
            clear_parts(folder)
        seen += [(row, record["id"]) for record in records]
    assert seen == list(zip(whole["row"].to_pylist(), whole["id"].to_pylist(), strict=True))
    assert not list(folder.glob("*rewards*gone"))


def test_a_run_whose_tables_are_taken_away_is_no_run(tmp_path):
    """Another run has begun in the folder: what it has judged so far must not be mixed with this."""
    folder = judged(tmp_path, rows(20, 3))
    whole = pq.read_table(folder / "rewards.parquet")
    (folder / "rewards").mkdir()
    for number in range(3):
        pq.write_table(whole.slice(5 * number, 5), folder / "rewards" / f"part-{number:05}.parquet")
    reading = rewards_by_row(folder)
    next(reading)
    (folder / "rewards" / "part-00001.parquet").unlink()
    (folder / "rewards" / "part-00002.parquet").unlink()
    (folder / "rewards" / "part-00002.parquet").symlink_to("nowhere")
    with pytest.raises(DataError, match="was taken away while it was read"):
        list(reading)


def many(folder, count):
    """A run folder of many rows in groups of 8 that are far apart, made without judging."""
    folder.mkdir()
    base = judged(folder, [{"id": f"r{i}", "prompt": "Q?", "response": f"A good one, {i}."} for i in range(8)])
    tables = {name: pq.read_table(base / f"{name}.parquet") for name in ("rewards", "verdicts")}
    with (folder / "data.jsonl").open("w") as file:
        for i in range(count):
            text = f"{WORDS[i % 4]} {i} " + "and so on " * 40
            file.write(json.dumps({"id": f"r{i}", "prompt": "Q?", "response": text, "group": f"g{i % (count // 8)}"}) + "\n")
    for name, few in tables.items():
        table = pa.concat_tables([few] * (count // len(few))).combine_chunks()
        numbers = pa.array(range(count), pa.int64())
        table = table.set_column(0, "row", numbers).set_column(1, "id", pa.array([f"r{i}" for i in range(count)]))
        if name == "rewards":
            place = table.column_names.index("raw_reward")
            table = table.set_column(place, "raw_reward", pa.array([i % 13 / 13 for i in range(count)]))
        pq.write_table(table, base / f"{name}.parquet", row_group_size=1024)
    facts = json.loads((base / "run.json").read_text())
    facts["data"]["sha256"] = None
    (base / "run.json").write_text(json.dumps(facts))
    (base / "journal.sqlite").unlink()
    return base


PEAK = """
import pathlib, sys
from judge.cli.main import main
try:
    main(sys.argv[1:])
finally:  # not `ru_maxrss`, which counts what the process was before it became this one
    print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.mark.parametrize("command", [["best-of-n"], ["pairs", "--strategy", "all", "--max-pairs", "1"]])
def test_memory_is_flat_in_rows(tmp_path, command):
    """Eight times the rows, whose texts alone are 7 MB more, take a few MiB: groups lie on the disk until it is their turn."""
    peaks = []
    for count in (2_000, 16_000):
        base = many(tmp_path / str(count), count)
        arguments = [*command, str(base), "--output", str(tmp_path / f"{count}.jsonl")]
        done = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.splitlines()[-1]) // 1024)
        assert len((tmp_path / f"{count}.jsonl").read_text().splitlines()) == count // 8
    assert peaks[1] - peaks[0] < 8, peaks
