"""Data sets in every format give the same samples, and a row that is none says why."""

from __future__ import annotations

import csv
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch.needed import SCAN
from judge.batch.read import BadRow, parse_map, read_samples, to_sample
from judge.errors import DataError
from judge.types import Message

ROWS = [
    {"id": "a", "prompt": "2+2?", "response": "4", "reference": "4", "group": "g"},
    {"id": "b", "prompt": 'Naïve — "quoted",\nsecond line', "response": "ok\tthen", "reference": "", "group": ""},
]


def _write(path, rows):
    kind = path.suffix
    if kind == ".jsonl":
        path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n", encoding="utf-8")
    elif kind == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif kind in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(rows[0]), delimiter="\t" if kind == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        datasets.Dataset.from_list(rows).save_to_disk(str(path))
    return str(path)


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.csv", "d.tsv", "d.parquet", "folder"])
def test_every_format_gives_the_same_samples(tmp_path, name):
    """Changing the file format must not change a single reward."""
    first, second = read_samples(_write(tmp_path / name, ROWS))
    assert (first.id, first.prompt, first.responses, first.reference, first.group) == ("a", "2+2?", ("4",), ("4",), "g")
    assert (second.id, second.prompt, second.responses) == ("b", ROWS[1]["prompt"], ("ok\tthen",))
    assert (second.reference, second.group) == (None, "")  # an empty cell says that there is none


def test_a_dataset_with_splits(tmp_path):
    """The only split, else `test`; a wrong name lists those there are."""
    rows = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"train": rows, "test": rows.select([1])}).save_to_disk(str(tmp_path / "d"))
    assert [s.id for s in read_samples(str(tmp_path / "d"))] == ["b"]
    assert [s.id for s in read_samples(str(tmp_path / "d"), split="train")] == ["a", "b"]
    with pytest.raises(DataError, match="no split `dev`; splits: train, test"):
        list(read_samples(str(tmp_path / "d"), split="dev"))


CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize("name", ["d.jsonl", "d.parquet", "folder"])
def test_chat_messages_and_lists_and_rubrics(tmp_path, name):
    """What trainers have: messages, several responses, documents, and a rubric as a struct column."""
    rubric = {"criteria": [{"id": "short", "text": "Is short.", "weight": 1.0}]}
    rows = [{"prompt": CHAT, "responses": ["4", "five"], "context": ["doc"], "rubric": rubric}]
    [sample] = read_samples(_write(tmp_path / name, rows))
    assert sample.prompt == (Message("system", "Be brief."), Message("user", "2+2?"))
    assert (sample.id, sample.responses, sample.context) == ("0", ("4", "five"), ("doc",))
    assert sample.rubric.criteria[0].id == "short"


GOOD = [
    pytest.param({"response_a": "x", "response_b": "y"}, ("x", "y"), id="a-and-b"),
    pytest.param({"chosen": "x", "rejected": "y"}, ("x", "y"), id="chosen-and-rejected"),
    pytest.param({"response": [{"role": "assistant", "content": "x"}]}, ("x",), id="completion-as-messages"),
    pytest.param(
        {"chosen": [*CHAT, {"role": "assistant", "content": "x"}], "rejected": "y"}, ("x", "y"), id="chosen-as-messages"
    ),
    pytest.param({"responses": '["x", "y"]'}, ("x", "y"), id="list-in-a-csv-cell"),
    pytest.param({"response": ""}, ("",), id="an-empty-answer-is-an-answer"),
    pytest.param({"response": 4}, ("4",), id="a-number-in-a-typed-column"),
    pytest.param({"responses": [True, 0.5]}, ("true", "0.5"), id="a-boolean-and-a-number"),
    pytest.param({"response": "a\x00\ud800"}, ("a\x00\ud800",), id="nul-and-lone-surrogate"),
]


@pytest.mark.parametrize(("row", "responses"), GOOD)
def test_ways_to_write_responses(row, responses):
    """One, two, or many; as text or as a trainer's messages."""
    assert to_sample({"prompt": "Q", **row}, {}, index=0, where="d:1").responses == responses


BAD = [
    pytest.param({"prompt": "Q", "response": None}, "`response` is null or missing", id="null-response"),
    pytest.param({"prompt": "Q"}, "`response` is null or missing", id="no-response"),
    pytest.param({"prompt": "Q", "response": []}, "`response` must be text or a list of chat messages, not []", id="empty-list"),
    pytest.param({"prompt": "Q", "responses": []}, "`responses` must be a list of texts, not []", id="no-responses"),
    pytest.param({"prompt": "Q", "responses": "x"}, "`responses` must be a list of texts", id="responses-is-text"),
    pytest.param(
        {"prompt": "Q", "responses": ["a", None]},
        "`responses[1]` must be text or a list of chat messages, not null",
        id="null-in-list",
    ),
    pytest.param(
        {"prompt": "Q", "chosen": "a"}, "`rejected` must be text or a list of chat messages, not null", id="half-a-pair"
    ),
    pytest.param({"prompt": None, "response": "x"}, "`prompt` must be text or a list of chat messages", id="null-prompt"),
    pytest.param({"prompt": [], "response": "x"}, "`prompt` must be text or a list of chat messages", id="no-messages"),
    pytest.param(
        {"prompt": [{"role": "robot", "content": "x"}], "response": "x"},
        "message 0: has the role `robot`; known roles: system, developer",
        id="role",
    ),
    pytest.param({"prompt": [{"role": "user"}], "response": "x"}, "message 0: has no `content`", id="content"),
    pytest.param({"prompt": "Q", "response": "x", "reference": {"x": 1}}, "`x`, none of which is known", id="reference-mapping"),
    pytest.param({"prompt": "Q", "response": "x", "context": 1}, "`context`: documents are text", id="context"),
    pytest.param({"prompt": "Q", "response": "x", "group": {}}, "`group` must be text", id="group"),
    pytest.param({"prompt": "Q", "response": "x", "rubric": "nope"}, "name of a shipped rubric", id="rubric-name"),
    pytest.param({"prompt": "Q", "response": "x", "rubric": "{"}, "not valid JSON", id="rubric-json"),
    pytest.param({"prompt": "Q", "response": "x", "rubric": '{"criteria": []}'}, "criteria", id="rubric-empty"),
    pytest.param(
        {"prompt": "Q", "response": "x", "rubric": "/etc/rubric.yaml"}, "name of a shipped rubric", id="rubric-is-a-path"
    ),
    pytest.param(
        {"prompt": "Q", "response": "x", "rubric": {"criteria": [{"id": "a", "text": "x", "check": "os:getcwd"}]}},
        "names Python code",
        id="rubric-names-code",
    ),
]


@pytest.mark.parametrize(("row", "problem"), BAD)
def test_a_bad_row_says_where_and_what(row, problem):
    """One row that is no sample is told with its place, and stops nobody else."""
    bad = to_sample(row, {}, index=6, where="d.jsonl:7")
    assert isinstance(bad, BadRow)
    assert bad.problem.startswith("d.jsonl:7: ")
    assert problem in bad.problem
    assert bad.id == "6"


def test_a_rubric_by_name_and_as_json(tmp_path):
    """A cell may name a shipped rubric or hold one; rows with the same text share the object, so it is built once."""
    text = '{"criteria": [{"id": "a", "text": "x"}]}'
    rows = [{"prompt": "Q", "response": "x", "rubric": r} for r in ("helpfulness", text, text, "")]
    first, second, third, fourth = read_samples(_write(tmp_path / "d.csv", rows))
    assert first.rubric.name == "helpfulness"
    assert second.rubric is third.rubric
    assert fourth.rubric is None


BROKEN_LINES = [
    pytest.param(b"not json", "d.jsonl:2: not valid JSON: ", id="not-json"),
    pytest.param(b'{"prompt": "Q", "response": "caf\xe9"}', "d.jsonl:2: not UTF-8 (byte 0xe9)", id="latin-1"),
    pytest.param(b'["Q", "x"]', "d.jsonl:2: a row must be an object", id="a-list"),
    pytest.param(b'{"prompt": NaN, "response": "x"}', "`prompt` must be text or a list of chat messages", id="nan"),
    pytest.param(b'{"prompt": "Q", "response": "x", "reference": Infinity}', "`Infinity` is not a finite number", id="infinity"),
    pytest.param(b'{"prompt": "Q", "response": "x", "response": "y"}', "`response` stands twice", id="duplicate-key"),
    pytest.param(b"[" * 100_000, "d.jsonl:2: nested more than 64 levels deep", id="deep"),
    pytest.param(b'{"prompt": "Q"}', "d.jsonl:2: `response` is null or missing", id="field-left-out"),
]


@pytest.mark.parametrize(("line", "problem"), BROKEN_LINES)
@pytest.mark.parametrize("first", [False, True], ids=["in-the-middle", "as-the-first"])
def test_a_broken_line_does_not_stop_the_others(tmp_path, line, problem, first):
    """A crash of the program that wrote the file costs one row, wherever it stands."""
    good = b'{"id": "a", "prompt": "Q", "response": "x"}'
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n".join([b"", line, good] if first else [good, line, b"  ", good]))
    rows = list(read_samples(str(path)))
    bad = [r for r in rows if isinstance(r, BadRow)]
    assert len(bad) == 1
    assert problem in bad[0].problem
    assert len(rows) == (2 if first else 3)


def test_a_column_that_comes_late_is_waited_for_only_so_long(tmp_path):
    """JSON rows may leave fields out; a file none of whose first rows has the field lacks the column."""
    rows = [{"prompt": "Q", "answer": "x"}] * (SCAN - 1)
    late = _write(tmp_path / "late.jsonl", [*rows, {"prompt": "Q", "response": "x"}])
    assert sum(isinstance(s, BadRow) for s in read_samples(late)) == SCAN - 1
    with pytest.raises(DataError, match=r"no column `response`.*columns: prompt, answer; map one: --map response=answer"):
        next(iter(read_samples(_write(tmp_path / "never.jsonl", rows * 2))))


def test_what_the_recipe_needs_is_looked_for_at_once(tmp_path):
    """A thousand rows that all lack the reference are one mistake, not a thousand failures."""
    path = _write(tmp_path / "d.jsonl", [{"prompt": "Q", "response": "x", "gold": "x"}])
    with pytest.raises(DataError, match="no column `reference`, which the recipe needs; columns: prompt, response, gold"):
        list(read_samples(path, needs=("reference",)))
    assert [s.reference for s in read_samples(path, {"reference": "gold"}, needs=("reference",))] == [("x",)]


def test_map_and_limit(tmp_path):
    """`--map` names columns; `--limit` reads no further."""
    rows = [{"q": f"Q{i}", "a": "x", "n": i} for i in range(5)]
    mapping = parse_map(["prompt=q, response=a", "id=n"])
    assert [s.id for s in read_samples(_write(tmp_path / "d.csv", rows), mapping, limit=3)] == ["0", "1", "2"]
    assert [s.id for s in read_samples(_write(tmp_path / "d.jsonl", rows), mapping, limit=2)] == ["0", "1"]


def test_the_preferred_response_is_carried_and_not_shown():
    """The label of a pair is for measuring a judge, so it rides in the metadata."""
    assert to_sample({"prompt": "Q", "chosen": "x", "rejected": "y"}, {}, index=0, where="").metadata == {
        "label": "A",
        "preferred": "A",
    }
