"""Data sets in many files: read one after the other, as if they were one."""

from __future__ import annotations

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch.files import content_hash, count_rows, data_files, passed_over, read_rows
from judge.batch.read import read_samples
from judge.errors import DataError
from tests.batch.test_merge import tables
from tests.batch_harness import rewards, run
from tests.cli_harness import judge  # noqa: F401  # a fixture


def row(number):
    return {"id": f"s{number}", "prompt": f"What is {number}?", "response": f"It is {number}."}


def parts(folder):
    """Six rows in a JSON Lines file, a packed one and a Parquet file, and something that is no data."""
    folder.mkdir(exist_ok=True)
    (folder / "part-0.jsonl").write_text("".join(json.dumps(row(i)) + "\n" for i in range(3)))
    with gzip.open(folder / "part-1.jsonl.gz", "wt") as file:
        file.write(json.dumps(row(3)) + "\n")
    pq.write_table(pa.Table.from_pylist([row(4), row(5)]), folder / "part-2.parquet")
    (folder / "notes.txt").write_text("not data")
    return folder


FORMS = [
    pytest.param("parts/part-*", 6, id="pattern"),
    pytest.param("parts", 6, id="folder"),
    pytest.param("**/part-[01]*", 4, id="nested-pattern"),
    pytest.param("parts/part-2.parquet", 2, id="one-file"),
]


@pytest.mark.parametrize(("data", "count"), FORMS)
def test_files_are_read_in_the_order_of_their_names(tmp_path, monkeypatch, data, count):
    """What a cluster has written in parts need not be put together first."""
    monkeypatch.chdir(tmp_path)
    parts(tmp_path / "parts")
    found = [sample.id for sample in read_samples(data)]
    assert found == [f"s{i}" for i in (range(count) if count != 2 else (4, 5))]
    assert count_rows(data) == count
    assert content_hash(data) is not None


def test_a_run_over_parts_is_a_run_over_the_whole(tmp_path):
    """Rows, ids and rewards are the same; only where the data are said to come from differs."""
    parts(tmp_path / "parts")
    (tmp_path / "whole.jsonl").write_text("".join(json.dumps(row(i)) + "\n" for i in range(6)))
    run(tmp_path / "a", read_samples(str(tmp_path / "parts" / "part-*")))
    run(tmp_path / "b", read_samples(str(tmp_path / "whole.jsonl")))
    assert tables(tmp_path / "a") == tables(tmp_path / "b")


def test_the_hash_is_of_the_content(tmp_path):
    """A byte changed in one of a thousand files is other data."""
    folder = parts(tmp_path / "parts")
    before = content_hash(str(folder))
    assert before == content_hash(str(folder / "part-*"))
    (folder / "part-0.jsonl").write_text((folder / "part-0.jsonl").read_text().replace("It is 2.", "It is 3."))
    assert content_hash(str(folder)) != before


def test_what_fits_nothing_is_said(tmp_path):
    """A typing error in a pattern is not an empty data set."""
    with pytest.raises(DataError, match=r"nothing-\*: no file fits this pattern"):
        next(read_samples(str(tmp_path / "nothing-*")))


def test_an_empty_file_among_several_is_passed_over(tmp_path):
    """Writers in parts leave files without rows; the others are read, and one such file alone is still an error."""
    folder = parts(tmp_path / "parts")
    (folder / "part-1a.jsonl").write_text("")
    with gzip.open(folder / "part-1b.json.gz", "wt"):
        pass
    data = str(folder / "part-*")
    assert [path.name for path in passed_over(data)] == ["part-1a.jsonl", "part-1b.json.gz"]
    assert [sample.id for sample in read_samples(data)] == [f"s{i}" for i in range(6)]
    with pytest.raises(DataError, match="the file is empty"):
        next(read_samples(str(folder / "part-1a.jsonl")))


BROKEN = [
    pytest.param("part-9.jsonl", b"\x89PNG\x00\x00", "holds binary data", id="picture"),
    pytest.param("part-9.parquet", b"PAR1 and then nothing", "it ends in the middle", id="cut-parquet"),
    pytest.param("part-9.jsonl.gz", b"\x1f\x8b\x08\x00", "cannot be unpacked", id="cut-gzip"),
    pytest.param("part-9.log", b"done", "unknown file type", id="unknown"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN)
def test_a_wrong_file_is_found_before_the_first_row(tmp_path, name, content, said):
    """Not after all files in front of it are judged and paid."""
    folder = parts(tmp_path / "parts")
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        next(read_samples(str(folder / "part-*")))


@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["rows-may-be-bad", "strict"])
def test_a_file_that_breaks_leaves_the_tables_of_what_was_judged(judge, tmp_path, monkeypatch, strict):  # noqa: F811  # a fixture
    """What was paid is there to read, and the run says what to do."""
    folder = parts(tmp_path / "parts")
    with gzip.open(folder / "part-3.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row(i) | {"id": f"{random.random()}"}) + "\n" for i in range(6, 2000))
    whole = (folder / "part-3.jsonl.gz").read_bytes()
    (folder / "part-3.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.yaml").write_text("rubric: helpfulness\nrecipe: yes-no\nengine: {kind: scripted, verdicts: drawn}\n")
    monkeypatch.chdir(tmp_path)
    ended = judge("run", "c.yaml", "--data", "parts/part-*", "--output", "out", *strict)
    assert ended.code == 2
    assert "part-3.jsonl.gz: cannot be unpacked" in ended.err
    assert "mend the data (a file that is broken may be removed), then continue with:" in ended.err
    assert len(rewards(tmp_path / "out")) > 6
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "stopped"


@pytest.mark.parametrize("name", ["train.jsonl", "README.md", "state.json"])
def test_a_folder_that_datasets_knows_is_left_to_it(tmp_path, name):
    """Splits and configurations are found as on the hub."""
    folder = parts(tmp_path / "parts")
    (folder / name).write_text("")
    assert data_files(str(folder)) is None


@pytest.mark.slow
def test_hub_names_stream(tmp_path):
    """Rows come while they are fetched: no copy of the data set on the disk before the first is judged."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row(i)) + "\n" for i in range(3)))
    (folder / "test.jsonl").write_text(json.dumps(row(7)) + "\n")
    name = f"hub:{folder}"
    assert [r["id"] for _, r in read_rows(name, "train")] == ["s0", "s1", "s2"]
    assert [sample.id for sample in read_samples(name)] == ["s7"]  # of several splits, test
    assert count_rows(name) is None
    with pytest.raises(DataError, match="no split `dev`; splits: train, test"):
        next(read_rows(name, "dev"))
