"""Rows of public data sets: read as they are, with references, labels and mappings, or refused with what would read them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.batch.layouts import LAYOUTS, layout_of
from judge.batch.read import BadRow, count_rows, parse_map, problem_kind, read_samples, to_sample
from judge.batch.rows import FIELDS, Fields, at
from judge.errors import DataError
from judge.labels import preferred
from judge.types import Message, Sample

CASES = Path(__file__).parents[1] / "cases"


def samples(name: str, *maps: str, **options: Any) -> list[Sample]:
    found = list(read_samples(str(CASES / name), parse_map(maps), **options))
    assert all(isinstance(s, Sample) for s in found), found
    return [s for s in found if isinstance(s, Sample)]


def of(row: dict[str, Any], *maps: str, **options: Any) -> Sample:
    found = to_sample(row, parse_map(maps), index=0, where="d:1", **options)
    assert isinstance(found, Sample), found
    return found


# ---- one test a case -------------------------------------------------------------------------------------------


def test_nan_is_no_reference():
    """A number column with a gap comes as floats: the gap is no reference, and 42.0 is 42 again."""
    assert [s.reference for s in samples("04_nan_reference.parquet")] == [None, ("42",)]


def test_nan_in_json_is_no_reference(tmp_path):
    """pandas' and Python's writers put NaN into JSON: the row means what the same row in Parquet means."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"prompt": "Q", "response": 4, "reference": NaN}\n{"prompt": "Q", "response": NaN, "reference": 42.0}\n')
    first, second = read_samples(str(path))
    assert isinstance(first, Sample)
    assert (first.responses, first.reference) == (("4",), None)
    assert isinstance(second, BadRow)
    assert second.problem == f"{path}:2: `response` is null or missing"


@pytest.mark.parametrize("maps", [(), ("prompt=context,response_a=response1,response_b=response2,label=overall_preference",)])
def test_a_mapped_column_is_read_once(maps):
    """A conversation under `context`, mapped to the prompt, is no document as well."""
    (sample,) = samples("05_conversation_in_context.jsonl", *maps)
    assert (sample.prompt, sample.responses, sample.context) == ("Capital of France?", ("Paris is the capital.", "Rome is."), ())
    assert sample.metadata["label"] == -2


def test_a_column_nobody_needs_makes_no_row_invalid():
    """Documents and steps that the recipe does not show are not even decoded."""
    (sample,) = samples("06a_unwanted_context.jsonl", "prompt=question,response=answer", wants=())
    assert (sample.prompt, sample.context) == ("Capital of India?", ())
    (sample,) = samples("06a_unwanted_context.jsonl", "prompt=question,response=answer,context=")
    assert sample.context == ()
    (sample,) = samples("06b_unwanted_steps.jsonl", wants=())
    assert sample.steps == ()


def test_a_needed_column_that_cannot_be_read_is_a_bad_row():
    """What the recipe looks at is never left out without a word."""
    bad = to_sample({"prompt": "Q", "response": "x", "reference": {"x": 1}}, {}, index=0, where="d:1", wants=("reference",))
    assert isinstance(bad, BadRow)
    assert of({"prompt": "Q", "response": "x", "reference": {"x": 1}}, wants=()).reference is None


def test_a_list_of_references():
    """Alternatives stay apart."""
    assert samples("10b_list_reference.jsonl")[0].reference == ("Delhi", "New Delhi")


def test_roles_and_parts():
    """`developer`, `tool`, no content beside tool calls, and text parts are read."""
    first, second, third = samples("23_roles_and_parts.jsonl")
    assert isinstance(first.prompt, tuple)
    assert first.prompt[0] == Message("developer", "Be brief.")
    assert isinstance(second.prompt, tuple)
    assert [m.role for m in second.prompt] == ["user", "assistant", "tool"]
    assert third.prompt == "Weather in Paris?"


def test_an_empty_list_is_an_answer():
    """`[]` answers "list the people"; it is text, whatever it looks like."""
    assert [s.responses for s in samples("25_empty_list_answer.jsonl")] == [("[]",), ("[]",)]


def test_json_lines_under_any_name(tmp_path):
    """`.json` may hold JSON Lines, and a file without an ending is told by its first bytes."""
    assert len(samples("28a_json_lines.json")) == 2
    for name in ("rows", "rows.txt", "rows.data"):
        (tmp_path / name).write_bytes((CASES / "28a_json_lines.json").read_bytes())
        assert len(list(read_samples(str(tmp_path / name)))) == 2


def test_packed_files(tmp_path):
    """`.gz`, `.zst`, `.bz2` and `.xz` are unpacked on the way, of JSON Lines, JSON and CSV alike."""
    assert len(samples("28b_rows.jsonl.gz")) == 1
    csv, lines = b"prompt,response\nQ?,x\n", b'{"prompt": "Q?", "response": "x"}\n'
    packers = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    }
    for ending, pack in packers.items():
        for name, data in (("a.csv", csv), ("a.jsonl", lines), ("a.json", b"[" + lines + b"]")):
            path = tmp_path / f"{name}.{ending}"
            path.write_bytes(pack(data))
            assert [s.responses for s in read_samples(str(path)) if isinstance(s, Sample)] == [("x",)]
    (tmp_path / "named.jsonl").write_bytes(gzip.compress(lines))
    assert [s.responses for s in read_samples(str(tmp_path / "named.jsonl")) if isinstance(s, Sample)] == [("x",)]
    (tmp_path / "picture.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 40)
    with pytest.raises(DataError, match="binary data"):
        list(read_samples(str(tmp_path / "picture.jsonl")))
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(lines * 1000)[:-20])
    with pytest.raises(DataError, match="cannot be unpacked"):
        list(read_samples(str(tmp_path / "torn.jsonl.gz")))


def test_a_dotted_path():
    """A struct's field is mapped by its path; a wrong path says which are there."""
    assert samples("28c_nested_reference.jsonl", "reference=reward_model.ground_truth")[0].reference == ("Delhi",)
    with pytest.raises(
        DataError, match=r"no column `reward_model.ground_trut` \(mapped to reference\); did you mean `reward_model.ground_truth`"
    ):
        samples("28c_nested_reference.jsonl", "reference=reward_model.ground_trut")


def test_transcripts():
    """HH-RLHF holds prompt and answer in one text on both sides."""
    (sample,) = samples("28d_transcripts.jsonl")
    assert (sample.prompt, sample.responses, sample.metadata["label"]) == ("Hi", ("Hello there.", "Go away."), "A")


def test_best_of_four():
    """A list of right and a list of wrong responses are all responses, and the label says which are right."""
    (sample,) = samples("28f_best_of_four.jsonl")
    assert sample.responses == ("Hello.", "Go.", "What?", "No way.")
    assert sample.metadata["label"] == [0]


def test_configurations_of_a_folder():
    """Several configurations need one to be named; the error lists them."""
    with pytest.raises(
        DataError, match=r"several configurations; choose one, for example --data-config main; configurations: main, socratic"
    ):
        samples("28h_two_configs")
    assert len(samples("28h_two_configs", config="socratic")) == 1
    with pytest.raises(DataError, match=r"no configuration `mian`; did you mean `main`"):
        samples("28h_two_configs", config="mian")


@pytest.mark.parametrize("name", ROWS := json.loads((CASES / "row_shapes.json").read_text(encoding="utf-8")))
def test_row_shapes(name):
    """Each is a row of a public set or of a trainer's data."""
    sample = of(ROWS[name])
    assert sample.texts[-1] in ("42", "It is 42.", "let me look\n\nIt is 42.", "b")
    assert sample.prompt_text.startswith("q")


# ---- more of the same kinds ------------------------------------------------------------------------------------

USER, ANSWER, OTHER = (
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "a"},
    {"role": "assistant", "content": "b"},
)
LAYOUT_ROWS: list[tuple[str, dict[str, Any], tuple[str, ...], Any, Any]] = [  # layout, row, responses, label, preferred
    ("JudgeBench", {"question": "q", "response_A": "a", "response_B": "b", "label": "B>A"}, ("a", "b"), "B>A", "B"),
    ("HelpSteer3", {"context": [USER], "response1": "a", "response2": "b", "overall_preference": 3}, ("a", "b"), 3, "B"),
    ("HelpSteer3", {"context": [USER], "response1": "a", "response2": "b", "overall_preference": 0}, ("a", "b"), 0, "tie"),
    ("LLMBar, FairEval", {"input": "q", "output_1": "a", "output_2": "b", "label": 1}, ("a", "b"), 1, "A"),
    ("Auto-J", {"prompt": "q", "response 1": "a", "response 2": "b", "label": 2}, ("a", "b"), 2, "tie"),
    ("EvalBiasBench", {"instruction": "q", "response1": "a", "response2": "b", "label": 1}, ("a", "b"), 1, "A"),
    ("PandaLM", {"instruction": "q", "input": "", "response1": "a", "response2": "b", "annotator1": 2,
                 "annotator2": 2, "annotator3": 0}, ("a", "b"), [2, 2, 0], "B"),
    ("Chatbot Arena", {"conversation_a": [USER, ANSWER], "conversation_b": [USER, OTHER], "winner": "model_b"}, ("a", "b"),
      "model_b", "B"),
    ("RMB pairs", {"conversation_input": [USER], "chosen": {"answer": "a"}, "reject": {"answer": "b"}}, ("a", "b"), "A", "A"),
    ("RMB best of N", {"conversation_input": [USER], "bon_best": {"answer": "a"},
                       "loser_list": [{"answer": "b"}, {"answer": "c"}]}, ("a", "b", "c"), [0], [0]),
    ("IFBench (reward models)", {"text_chosen": [USER, ANSWER], "text_rejected": [USER, OTHER]}, ("a", "b"), "A", "A"),
    ("SHP", {"history": "q", "human_ref_A": "a", "human_ref_B": "b", "labels": 0}, ("a", "b"), 0, "B"),
    ("Qwen2.5-Math samples", {"question": "q", "gt": "4", "response": ["a", "b"], "score": [True, False]}, ("a", "b"),
     [True, False], [0]),
    ("EVOUNA", {"question": "q", "golden_answer": "x/y", "answer_m": "a", "judge_m": True, "answer_n": "b", "judge_n": False},
     ("a", "b"), [True, False], [0]),
    ("UltraFeedback", {"instruction": "q", "completions": [{"response": "a"}, {"response": "b"}]}, ("a", "b"), None, None),
    ("verifier sets", {"question": "q", "reference_answer": "4", "candidate": "a", "label": True}, ("a",), True, None),
    ("TRL completions", {"prompt": "q", "completion": [ANSWER], "label": True}, ("a",), True, None),
    ("verl", {"prompt": [USER], "reward_model": {"style": "rule", "ground_truth": "4"}, "response": "a"}, ("a",), None, None),
    ("verl validation dump", {"input": "q", "output": "a", "gts": "4", "score": 1.0}, ("a",), 1.0, None),
    ("ProcessBench", {"problem": "q", "steps": ["a", "b"], "label": 1}, ("a\n\nb",), 1, None),
    ("instruction and output", {"instruction": "q", "input": "", "output": "a"}, ("a",), None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "row", "responses", "label", "better"), LAYOUT_ROWS, ids=[f"{n}-{r[0]}" for n, r in enumerate(LAYOUT_ROWS)]
)
def test_layouts_of_public_sets(layout, row, responses, label, better):
    """The set is known by its columns, and its label is kept as it is and understood."""
    found = layout_of(frozenset(row))
    assert found is not None
    assert found.name == layout
    sample = of(row)
    assert (sample.prompt, sample.responses) == ("q", responses)
    assert (sample.metadata.get("label"), sample.metadata.get("preferred")) == (label, better)


def test_rewardbench_2_and_rm_bench():
    """Lists of chosen and rejected; one of each is a pair, and lists of messages are conversations."""
    two = of({"prompt": "q", "chosen": ["a", "b"], "rejected": ["c", "d", "e"]})
    assert (two.responses, two.metadata["label"]) == (("a", "b", "c", "d", "e"), [0, 1])
    assert of({"prompt": "q", "chosen": ["a"], "rejected": ["b"]}).metadata["label"] == "A"
    assert of({"prompt": "q", "chosen": [ANSWER], "rejected": [{**ANSWER, "content": "b"}]}).responses == ("a", "b")


def test_the_prompt_within_the_messages():
    """A whole conversation: the last answer is judged, the rest is the prompt."""
    more = [
        {"role": "system", "content": "s"},
        USER,
        ANSWER,
        {"role": "user", "content": "more"},
        {"role": "assistant", "content": "z"},
    ]
    for name in ("messages", "conversation"):
        sample = of({name: more})
        assert sample.responses == ("z",)
        assert len(sample.prompt) == 4
    assert of({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}).responses == ("a",)
    bad = to_sample({"messages": [USER, ANSWER, USER]}, {}, index=0, where="d:1")
    assert isinstance(bad, BadRow)
    assert "end with the user's turn" in bad.problem


def test_pairs_that_differ_before_the_last_turn():
    """The prompt is what both conversations begin with."""
    other = [
        USER,
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "why?"},
        {"role": "assistant", "content": "c"},
    ]
    sample = of(
        {"chosen": [USER, ANSWER, {"role": "user", "content": "why?"}, {"role": "assistant", "content": "d"}], "rejected": other}
    )
    assert sample.prompt == "q"
    assert sample.texts == ("a\n\nd", "b\n\nc")


def test_a_named_column_wins_over_other_names():
    """What `--map` says is meant, whatever else the data hold."""
    row = {"prompt": "q", "response": "own", "responses": ["x", "y"], "answer": "mapped", "chosen": "c", "rejected": "r"}
    assert of(row, "response=answer").responses == ("mapped",)
    assert of(row, "response_a=chosen,response_b=rejected").responses == ("c", "r")
    assert of({"prompt": "q", "question": "mapped", "response": "x"}, "prompt=question").prompt == "mapped"
    assert of({"question": "q", "response_A": "a", "response_B": "b", "mine": "m"}, "response=mine").responses == ("m",)


def test_a_field_left_out():
    """`reference=` hides the column of that name; what the recipe needs cannot be left out."""
    assert of({"prompt": "q", "response": "x", "reference": "4"}, "reference=").reference is None
    with pytest.raises(DataError, match=r"the recipe needs `reference`, and --map reference= leaves it out"):
        samples("10b_list_reference.jsonl", "reference=", needs=("reference",))


def test_messages_and_lists_in_cells(tmp_path):
    """A table of text holds messages and lists as JSON, or as pandas writes them; an answer that looks like one stays text."""
    path = tmp_path / "d.csv"
    cells = [json.dumps([USER]), json.dumps([ANSWER]), json.dumps(["4", "four"])]
    path.write_text(
        "prompt,response,reference\n" + ",".join('"' + c.replace('"', '""') + '"' for c in cells) + "\nQ?,[],\"['a', 'b']\"\n"
    )
    first, second = (s for s in read_samples(str(path)) if isinstance(s, Sample))
    assert (first.prompt, first.responses, first.reference) == ("q", ("a",), ("4", "four"))
    assert (second.responses, second.reference) == (("[]",), ("a", "b"))


def test_only_wanted_columns_of_parquet_are_decoded(tmp_path):
    """A column of pictures costs nothing where nobody looks at it."""
    path = tmp_path / "d.parquet"
    rows = [{"prompt": "Q", "response": "x", "picture": b"\x00" * 10, "context": {"title": ["A"]}, "reference": "4"}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    (sample,) = read_samples(str(path), wants=("reference",))
    assert isinstance(sample, Sample)
    assert (sample.reference, sample.context, count_rows(str(path))) == (("4",), (), 1)


def test_an_unknown_set_is_refused_with_the_option_that_reads_it():
    """GSM8K has no answers of a model; where the names are known ones the option is written out."""
    with pytest.raises(DataError, match=r"map one: --map prompt=question,response=answer$"):
        list(read_samples(str(CASES / "06a_unwanted_context.jsonl")))


def test_kinds_of_bad_rows(tmp_path):
    """Each bad row has its own reason; rows with the same fault are counted together."""
    rows = [
        {"prompt": "Q", "response": None},
        {"prompt": "Q", "response": {"x": 1}},
        {"prompt": 5, "response": "x"},
        {"prompt": 6, "response": "x"},
    ]
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in [*rows, {"prompt": "Q", "response": "x"}]) + "\nnot json\n")
    found = list(read_samples(str(path)))
    kinds = [problem_kind(s.problem) for s in found if isinstance(s, BadRow)]
    assert sum(isinstance(s, Sample) for s in found) == 1
    assert len(kinds) == 5
    assert len(set(kinds)) == 4
    assert kinds[2] == kinds[3] == "`prompt` must be text or a list of chat messages"


# ---- labels and mappings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "count", "best", "found"),
    [
        pytest.param("A>B", 2, "", "A", id="judgebench"),
        pytest.param("A=B", 2, "", "tie", id="tie"),
        pytest.param("B>>A", 2, "", "B", id="arena-hard"),
        pytest.param("tie (bothbad)", 2, "", "tie", id="arena"),
        pytest.param(-3, 2, "signed", "A", id="helpsteer"),
        pytest.param("2", 2, "from 1", "B", id="number-as-text"),
        pytest.param(1, 2, "", None, id="a-number-nobody-explains"),
        pytest.param([True, False, True], 3, "", [0, 2], id="flags"),
        pytest.param([1], 4, "", [1], id="positions"),
        pytest.param([1, 2, 0], 2, "annotators", "tie", id="annotators"),
        pytest.param(True, 1, "", None, id="one-response"),
        pytest.param([None, None], 2, "annotators", None, id="nobody-voted"),
        pytest.param(1.98, 2, "from 1", "B", id="nearly-2"),
        pytest.param(1.5, 2, "from 1", "tie", id="half-way"),
        pytest.param("1e999", 2, "from 1", None, id="not-finite"),
    ],
)
def test_what_a_label_comes_to(label, count, best, found):
    """Numbers mean opposite things in different sets, so that a bare number is kept and not interpreted."""
    assert preferred(label, count, best) == found


names = st.text(alphabet="abcxyz_", min_size=1, max_size=6)
plain = st.recursive(
    st.integers() | names, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(names, plain, min_size=1, max_size=4))
def test_every_place_has_a_path(row: dict[str, Any]):
    """Whatever a row holds can be reached by the path that names it."""
    waiting: list[tuple[str, Any]] = list(row.items())
    while waiting:
        path, value = waiting.pop()
        assert at(row, path) == value
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [(f"{path}.{key}", child) for key, child in inner]


@given(st.permutations(["prompt", "response", "reference", "context", "principle"]), st.integers(1, 4))
def test_no_column_is_read_twice(order: list[str], count: int):
    """However fields and columns are mapped onto each other, each column reaches one field."""
    columns = ["prompt", "response", "reference", "context", "principle"]
    mapping = dict(zip(order[:count], columns[:count], strict=True))
    fields = Fields({name: f"<{name}>" for name in columns}, mapping)
    read = [fields.get(name) for name in FIELDS if fields.get(name) is not None]
    assert len(read) == len(set(read))


def test_layouts_tell_each_other_apart():
    """A layout that another one hides would never be taken."""
    for layout in LAYOUTS:
        found = layout_of(frozenset({*layout.tells, *(p for p in layout.fields.values() if p.isidentifier())}))
        assert found is not None
        assert found.name == layout.name or len(found.tells) >= len(layout.tells)


def test_the_page_lists_every_layout():
    """A reader of docs/data.md finds each known set by its name and its columns."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for layout in LAYOUTS:
        assert layout.name in page, layout.name
        assert any(f"`{column}`" in page for column in layout.tells)
    assert all(f"`{field}`" in page for field in FIELDS)
