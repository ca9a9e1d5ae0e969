"""`judge rubric generate` from the command line: what is refused, when, and what is left as it was."""

from __future__ import annotations

import json
import os

import pytest

import judge.cli.generate as command
from judge.batch.folder import locked
from judge.engine.scripted import ScriptedEngine
from judge.types import Completion
from tests.cli_harness import run_judge

ROW = {"prompt": "Name a city.", "other": "Name a river."}
WRITE = ("rubric", "generate", "--method", "constraints", "--data", "rows.jsonl", "--config", "c.yaml", "--output", "out")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One row, and a model that writes one constraint."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "c.yaml").write_text('engine: {kind: scripted, reply: "1. The response names a city. [Constraint]"}\n')
    return tmp_path


def test_a_missing_file_is_said_before_a_model_is_loaded(folder):
    """The embedded model took half a minute to load before a typing error in --data was told."""
    done = run_judge("rubric", "generate", "--method", "rar", "--data", "row.jsonl", "--output", "out")
    assert done.code == 2
    assert "row.jsonl: no such file; did you mean `rows.jsonl`?" in done.err
    assert "loading" not in done.err
    assert not (folder / "out" / "journal.sqlite").exists()


def test_other_columns_of_the_same_file_are_other_data(folder):
    """`--map` decides what the rubrics are for: the folder is not replaced without being asked to."""
    assert run_judge(*WRITE).code == 0
    before = (folder / "out" / "rubrics.jsonl").read_text()
    refused = run_judge(*WRITE, "--map", "prompt=other")
    assert refused.code == 2
    assert "--map: {} there, {'prompt': 'other'} here" in refused.err
    assert (folder / "out" / "rubrics.jsonl").read_text() == before
    assert run_judge(*WRITE, "--map", "prompt=other", "--overwrite").code == 0


def test_an_option_of_another_method_names_the_methods_that_have_it(folder):
    """The message `more` lacks the template `decompose` told nobody that the option is of `rrd`."""
    refused = run_judge(*WRITE, "--option", "decompose.weights=uniform")
    assert refused.code == 2
    assert "method constraints has no `decompose`; methods that have: rrd" in refused.err


def test_an_engine_that_fails_for_every_row_is_no_success(folder, monkeypatch):
    """A model server that had died gave 24 rows of `engine_error` and exit code 0."""
    (folder / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"Name city {i}."}) + "\n" for i in range(2)))
    fails = Completion("", "error", error="HTTP 500")
    monkeypatch.setattr(command, "build_engine", lambda *_: ScriptedEngine(lambda _: fails))
    done = run_judge(*WRITE)
    assert done.code == 3
    assert "the engine answered none of 2 rows" in done.err
    assert "HTTP 500" in done.err
    monkeypatch.undo()
    os.chdir(folder)
    assert run_judge(*WRITE).code == 0


@pytest.mark.skipif(os.name != "posix", reason="locks of folders")
def test_two_commands_do_not_write_into_one_folder(folder):
    """Two at once mixed their lines in rubrics.jsonl."""
    with locked(folder / "out"):
        refused = run_judge(*WRITE)
    assert refused.code == 4
    assert "no rubric was written" in refused.err
    assert run_judge(*WRITE).code == 0
