"""Data sets in many files: read one after the other, as if they were one."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch.files import content_hash, count_rows, data_files, read_rows
from judge.batch.read import read_samples
from judge.errors import DataError
from tests.batch.test_merge import tables
from tests.batch_harness import run


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
