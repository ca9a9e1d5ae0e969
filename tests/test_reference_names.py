"""A row's reference has the same names in a data set and in a trainer's columns."""

from __future__ import annotations

import json

import pytest

from judge.adapters._shared.sample import references_in
from judge.batch.read import read_samples
from judge.reference import REFERENCE_COLUMNS, read_reference

ROW = {"prompt": "Capital of India?", "response": "It is Delhi."}


def from_a_file(tmp_path, row, mapping=None):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [sample] = read_samples(str(path), mapping)
    return sample


@pytest.mark.parametrize("name", [*REFERENCE_COLUMNS, "reward_model"])
def test_one_list_of_names(tmp_path, name):
    """Who judges offline what a trainer will train on gets the same prompts, and so the same rewards."""
    value = {"style": "rule", "ground_truth": "Delhi"} if name == "reward_model" else "Delhi"
    assert from_a_file(tmp_path, ROW | {name: value}).reference == ("Delhi",)
    [found] = references_in({name: [value]}, None, 1)
    assert read_reference(found) == ("Delhi",)


def test_an_empty_column_hides_no_other(tmp_path):
    """Merged data sets have every column, most of them empty."""
    assert from_a_file(tmp_path, ROW | {"reference": None, "answer": "Delhi"}).reference == ("Delhi",)


@pytest.mark.parametrize("label", [1, 0, "A>B", "chosen"])
def test_a_label_is_no_reference(tmp_path, label):
    """A judge that is shown what the data say about the answer grades the label."""
    assert from_a_file(tmp_path, ROW | {"label": label}).reference is None
    assert references_in({"label": [label]}, None, 1) == [None]


def test_what_is_the_response_is_no_reference(tmp_path):
    """`--map response=answer` must not show the judge the response as the right answer."""
    row = {"prompt": "Capital of India?", "answer": "It is Delhi."}
    assert from_a_file(tmp_path, row, {"response": "answer"}).reference is None
    assert from_a_file(tmp_path, ROW | {"answer": "Delhi"}, {"reference": ""}).reference is None
