"""What rewards.parquet keeps beside the figures: prompt, response, the data's own columns, and one column a criterion."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from judge.batch.columns import MOST_CRITERIA, KeptColumns, parse_keep
from judge.batch.read import BadRow, read_samples
from judge.conversation import read_conversation
from judge.errors import DataError, InputError
from judge.rubric.load import rubric_from
from judge.types import Message, Reward, Sample, ToolCallPart
from tests.batch_harness import RUBRIC, met, question, rewards, run, samples

ROWS = [
    {"prompt": "2+2?", "response": "4", "label": 1, "source": "x", "extra": {"index": 3}, "reward": 0.5, "n": 1, "ok": True},
    {"prompt": "2+3?", "response": "6", "label": 0, "source": "y", "extra": {"index": 4}, "n": 2.5, "mixed": 7},
    {"prompt": "2+4?", "response": "6", "label": 1, "extra": {"index": 5}, "mixed": "seven"},
]


def _judged(tmp_path, rows, keep=(), mapping=None, **options):
    """Rows of rewards.parquet of a run over a JSON Lines file."""
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(tmp_path / "out", read_samples(str(path), mapping, carry=keep), keep=keep, **options)
    return rewards(tmp_path / "out")


def _kept(rows):
    return [{k: v for k, v in row.items() if k not in _ALWAYS and not k.startswith("criterion.")} for row in rows]


_ALWAYS = frozenset({
    "row", "id", "group", "response_index", "reward", "raw_reward", "status", "reason", "detail", "flags", "components", "spread",
    "missing_votes", "expected", "entropy", "order_gap", "variance", "explanation",
    "judge_calls", "prompt_tokens", "completion_tokens",
    "stages", "steps", "prompt", "response",
})  # fmt: skip


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        pytest.param((), [{"label": 1}, {"label": 0}, {"label": 1}], id="label-by-default"),
        pytest.param(("none",), [{}, {}, {}], id="none"),
        pytest.param(
            ("source", "extra.index"),
            [
                {"source": "x", "extra.index": 3, "label": 1},
                {"source": "y", "extra.index": 4, "label": 0},
                {"source": None, "extra.index": 5, "label": 1},
            ],
            id="named-and-a-path",
        ),
        pytest.param(
            ("all",),
            [
                {"label": 1, "source": "x", "extra": '{"index": 3}', "data.reward": 0.5, "n": 1.0, "ok": True, "mixed": None},
                {"label": 0, "source": "y", "extra": '{"index": 4}', "data.reward": None, "n": 2.5, "ok": None, "mixed": "7"},
                {
                    "label": 1,
                    "source": None,
                    "extra": '{"index": 5}',
                    "data.reward": None,
                    "n": None,
                    "ok": None,
                    "mixed": "seven",
                },
            ],
            id="all",
        ),
    ],
)
def test_the_datas_own_columns(tmp_path, keep, expected):
    """A reward is looked at beside what the data say about the row; nobody wants to join two files by position for that."""
    assert _kept(_judged(tmp_path, ROWS, keep)) == expected


def test_a_named_column_that_is_not_there(tmp_path):
    """A typing error must not cost a night: it is found before the first call, with the columns there are."""
    with pytest.raises(DataError, match=r"--keep sorce: no column `sorce`; did you mean `source`\?; columns: .*extra"):
        _judged(tmp_path, ROWS, ("sorce",))
    with pytest.raises(DataError, match=r"--keep extra.idx: no column `extra.idx`; did you mean `extra.index`"):
        _judged(tmp_path, ROWS, ("extra.idx",))


def test_columns_of_a_table_are_all_named(tmp_path):
    """Of a Parquet file only what is needed is decoded, and the message still lists every column."""
    pq.write_table(pa.table({"prompt": ["a"], "response": ["b"], "difficulty": [3], "other": ["x"]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="columns: prompt, response, difficulty, other"):
        list(read_samples(str(tmp_path / "d.parquet"), wants=(), carry=("hardness",)))
    [sample] = read_samples(str(tmp_path / "d.parquet"), wants=(), carry=("difficulty",))
    assert sample.metadata == {"difficulty": 3}


def test_keep_is_names_or_one_word():
    """`none` beside a name says two things."""
    assert parse_keep(["a,b", "c"]) == ("a", "b", "c")
    assert parse_keep(["a", "all"]) == ("all",)
    with pytest.raises(InputError, match="`none` cannot be combined"):
        parse_keep(["none,a"])


PAIR = {"prompt": "Q", "response_a": "A", "response_b": "B"}


@pytest.mark.parametrize(
    ("row", "mapping", "label", "preferred"),
    [
        pytest.param(PAIR | {"label": "A>B"}, {}, "A>B", "A", id="text"),
        pytest.param({"question": "Q", "response_A": "A", "response_B": "B", "label": "B>A"}, {}, "B>A", "B", id="JudgeBench"),
        pytest.param({"input": "Q", "output_1": "A", "output_2": "B", "label": 2}, {}, 2, "B", id="1-or-2"),
        pytest.param(
            {"context": "Q", "response1": "A", "response2": "B", "overall_preference": -3}, {}, -3, "A", id="minus-3-to-3"
        ),
        pytest.param({"prompt": "Q", "chosen": "A", "rejected": "B"}, {}, "A", "A", id="chosen-rejected"),
        pytest.param(
            {"prompt": "Q", "chosen": ["A", "B"], "rejected": ["C"]}, {}, "[0, 1]", "[0, 1]", id="lists-of-right-and-wrong"
        ),
        pytest.param(
            {"prompt": "Q", "responses": ["A", "B"], "label": [False, True]}, {}, "[false, true]", "[1]", id="list-of-correct"
        ),
        pytest.param(PAIR | {"winner": "tie"}, {"label": "winner"}, "tie", "tie", id="mapped"),
        pytest.param({"prompt": "Q", "response": "A", "label": 4.5}, {}, 4.5, None, id="a-grade"),
    ],
)
def test_labels_of_every_form_reach_the_table(tmp_path, row, mapping, label, preferred):
    """Whoever compares rewards with labels has both in one row, as the data have them and as they are meant."""
    for found in _judged(tmp_path, [row], mapping=mapping):
        assert (found["label"], found.get("preferred")) == (label, preferred)


def test_a_mapped_label_does_not_hide_the_column_of_that_name(tmp_path):
    """`--map label=gold`: the data's own `label` is another thing, and `--keep all` keeps it."""
    row = _judged(tmp_path, [PAIR | {"gold": "A>B", "label": "easy"}], ("all",), {"label": "gold"})[0]
    assert (row["label"], row["data.label"], row["gold"], row["preferred"]) == ("A>B", "easy", "A>B", "A")


def test_prompt_and_response_are_text(tmp_path):
    """Plain text as it is, conversations as chat messages that can be read back; a row that is no sample has neither."""
    call = Message("assistant", (ToolCallPart("add", '{"a": 2}', "1"),))
    asked = (Message("system", "Be short."), Message("user", "2+2?"))
    data = [Sample(asked, ((call, Message("assistant", "4")),), id="a"), Sample.of("Q", "A", id="b"), BadRow("c", "d:3: broken")]
    run(tmp_path, data)
    first, plain, bad = rewards(tmp_path)
    assert read_conversation(json.loads(first["prompt"])) == asked
    assert read_conversation(json.loads(first["response"]))[0].content[0].name == "add"
    assert (plain["prompt"], plain["response"]) == ("Q", "A")
    assert (bad["prompt"], bad["response"], bad["reason"]) == (None, None, "invalid")


def test_one_column_a_criterion(tmp_path):
    """The figures people plot: a float each, null where there is no verdict, the same as in `components`."""
    run(tmp_path, samples(2), lambda r: "VERDICT: " + ("UNMET" if "is short" in question(r) else "MET"))
    assert [(r["criterion.right"], r["criterion.short"]) for r in rewards(tmp_path)] == [(1.0, 0.0)] * 2
    run(tmp_path / "b", samples(1), lambda r: "VERDICT: MET" if "is right" in question(r) else "Hard to tell.")
    [row] = rewards(tmp_path / "b")
    assert (row["criterion.right"], row["criterion.short"], row["reward"]) == (1.0, None, None)


def test_judges_and_wins_are_no_criteria():
    """A panel's judges and the wins over group members stay in `components`: a column of theirs would be no criterion's."""
    kept = KeptColumns()
    kept.note([Reward("a", 0, 1.0, components={"vs:1": 1.0}, not_criteria=("vs:1",))])
    kept.note([Reward("b", 0, 0.5, components={"right": 1.0, "strict": 0.0}, not_criteria=("strict",))])
    assert kept.columns(())[1] == [("criterion.right", "right")]


def test_rubrics_of_the_rows_own_do_not_make_a_table_of_thousands_of_columns(tmp_path):
    """Each row has ids of its own; the first have a column, and `components` holds all."""
    many = [
        Sample.of("Q", str(i), rubric=rubric_from(json.dumps({"criteria": [{"id": f"c{i}", "text": "T"}]}), "r"))
        for i in range(MOST_CRITERIA + 9)
    ]
    run(tmp_path, many)
    rows = rewards(tmp_path)
    assert sum(name.startswith("criterion.") for name in rows[0]) == MOST_CRITERIA
    assert rows[-1]["components"] == {f"c{MOST_CRITERIA + 8}": 1.0}


def test_names_that_the_table_has_already(tmp_path):
    """The data's `reward` and `criterion.right` never take the place of ours."""
    metadata = {"reward": 0.25, "data.reward": "x", "criterion.right": "y", "when": date(2026, 1, 2), "bad": float("nan")}
    run(tmp_path, [Sample.of("Q", "A", metadata=metadata)], keep=("all",), jsonl=True)
    [row] = rewards(tmp_path)
    assert (row["reward"], row["data.reward"], row["data.data.reward"]) == (1.0, 0.25, "x")
    assert (row["criterion.right"], row["data.criterion.right"], row["when"]) == (1.0, "y", "2026-01-02")
    assert "bad" not in row
    assert json.loads((tmp_path / "rewards.jsonl").read_text()) == row


def test_pages_hold_long_texts_a_few_at_a_time(tmp_path, monkeypatch):
    """Tables are written in pages of bounded size, and no row is lost where a page ends."""
    monkeypatch.setattr("judge.batch.store.PAGE_CHARS", 50_000)
    monkeypatch.setattr("judge.batch.write.GROUP_BYTES", 60_000)
    run(tmp_path, [Sample.of("Q", "x " * 1000 + str(i), id=str(i)) for i in range(150)], met, rubric=RUBRIC)
    assert [r["id"] for r in rewards(tmp_path)] == [str(i) for i in range(150)]
    assert pq.ParquetFile(tmp_path / "rewards.parquet").num_row_groups > 1


def test_short_rows_share_a_row_group(tmp_path, monkeypatch):
    """Readers hold the statistics of every row group: a thousand of them took more memory than the column that was asked for."""
    monkeypatch.setattr("judge.batch.write.GROUP_ROWS", 2500)
    run(tmp_path, [Sample.of("Q", f"It is {i}.", id=str(i)) for i in range(3000)], met, rubric=RUBRIC)
    files = [pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("rewards", "verdicts")]
    assert [(f.metadata.num_rows, f.num_row_groups) for f in files] == [(3000, 1), (6000, 2)]  # a page has at most 1,024 rows
    assert [r["id"] for r in rewards(tmp_path)] == [str(i) for i in range(3000)]
