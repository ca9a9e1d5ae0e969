"""From a run folder and its data to candidates, and from what was selected to files."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_from_disk

from judge.batch.select import ScoredResponse, best_of_n, best_rows, pair_rows, preference_pairs, read_run, write_rows
from judge.batch.select.groups import RunGroups
from judge.batch.select.write import check_output
from judge.errors import DataError, OutputError
from judge.types import Message
from tests.select_harness import ROWS, judged
from tests.select_harness import write_rows as write_data


def test_a_run_and_its_data_come_together(tmp_path):
    """Each text with its own reward, failures without one, and what a filter stopped marked."""
    found = read_run(judged(tmp_path))
    got = {(c.group, c.response): (c.reward, c.vetoed) for c in found.candidates}
    assert got[("q0", "A great one.")] == (1.0, False)
    assert got[("q0", "A poor one.")] == (0.0, False)
    assert got[("q0", ":")] == (0.0, True)
    assert got[("q2", "A mute one.")] == (None, False)
    assert (dict(found.without_reward), found.notes) == ({"no_verdict": 3}, ())
    assert len(found.candidates) == sum(len(row["responses"]) for row in ROWS)


def test_an_imputed_reward_is_no_reward(tmp_path):
    """`on_no_verdict: constant` is for trainers that need a number; nobody's best answer is one that nobody judged."""
    run = judged(tmp_path, on_no_verdict="constant", no_verdict_constant=1.0)
    found = read_run(run)
    assert dict(found.without_reward) == {"imputed": 3}
    assert "mute" not in "".join(c.candidate.response for c in best_of_n(found.candidates, keep=None).chosen)


def test_an_unreadable_row_is_counted_and_in_no_group(tmp_path):
    """It has no text to train on."""
    run = judged(tmp_path, [*ROWS[:1], {"prompt": "Q", "response": None}])
    found = read_run(run)
    assert dict(found.without_reward) == {"no_verdict": 1, "unreadable": 1}
    assert {c.group for c in found.candidates} == {"q0"}


FLAT = [
    {"id": "a", "prompt": "Q?", "response": "A good one.", "group": "g"},
    {"id": "b", "prompt": "Q?", "response": "A poor one.", "group": "g"},
    {"id": "c", "prompt": "Q?", "response": "A fair one."},
    {"id": "d", "prompt": "Q?", "response": "A great one."},
    {"id": "e", "prompt": "Q?", "response": "A great one.", "reference": "other"},
]
GROUPINGS = [
    pytest.param("auto", [["a", "b"], ["c", "d"], ["e"]], id="auto-group-else-question"),
    pytest.param("group", [["a", "b"], ["c"], ["d"], ["e"]], id="group-else-row"),
    pytest.param("prompt", [["a", "b", "c", "d", "e"]], id="prompt"),
    pytest.param("row", [["a"], ["b"], ["c"], ["d"], ["e"]], id="row"),
]


@pytest.mark.parametrize(("group_by", "expected"), GROUPINGS)
def test_what_makes_a_group(tmp_path, group_by, expected):
    """One row a response is how samplers write; without a group column the question says what competes."""
    groups = {}
    for candidate in read_run(judged(tmp_path, FLAT), group_by=group_by).candidates:
        groups.setdefault(candidate.group, []).append(candidate.id)
    assert list(groups.values()) == expected


def test_two_groups_never_share_a_name(tmp_path):
    """Ids that repeat over rows, and a group called like an id, stay apart."""
    rows = [
        {"id": "x", "prompt": "1?", "response": "A good one."},
        {"id": "x", "prompt": "2?", "response": "A poor one."},
        {"id": "y", "prompt": "3?", "response": "A fair one.", "group": "x"},
    ]
    assert [c.group for c in read_run(judged(tmp_path, rows)).candidates] == ["x", "x (row 1)", "x (row 2)"]


def test_an_id_like_a_made_name_joins_no_other_group(tmp_path):
    """Else responses to two prompts would be a pair."""
    ids, words = ("x (row 2)", "x", "x", "x (row 2)"), ("good", "poor", "fair", "great")
    rows = [
        {"id": name, "prompt": f"Prompt {row}?", "response": f"A {word} one."}
        for row, (name, word) in enumerate(zip(ids, words, strict=True))
    ]
    folder = judged(tmp_path, rows)
    found = read_run(folder).candidates
    names = ["x (row 2)", "x", "x (row 2) (row 2)", "x (row 2) (row 3)"]
    assert [c.group for c in found] == names
    assert preference_pairs(found).pairs == ()
    with RunGroups(folder) as groups:
        assert [one.group for group in groups for one in group.members] == names


def test_pairs_of_a_pairwise_recipe_stay_in_their_row(tmp_path):
    """A reward won against one opponent says nothing about another's: equal prompts are not thrown together."""
    rows = [
        {"id": "x", "prompt": "Q?", "response_a": "A good one.", "response_b": "A poor one.", "group": "same"},
        {"id": "y", "prompt": "Q?", "response_a": "A fair one.", "response_b": "A great one.", "group": "same"},
    ]

    def prefer(request):
        text = request.messages[-1].content
        better, worse = ("A good one.", "A poor one.") if "A good one." in text else ("A great one.", "A fair one.")
        return f"Final verdict: [[{'A' if text.index(better) < text.index(worse) else 'B'}]]"

    found = read_run(judged(tmp_path, rows, prefer, recipe="pairwise", rubric=None))
    made = preference_pairs(found.candidates)
    assert [(p.chosen.response, p.rejected.response, p.margin) for p in made.pairs] == [
        ("A good one.", "A poor one.", 1.0),
        ("A great one.", "A fair one.", 1.0),
    ]


def test_winning_against_nothing_is_no_veto(tmp_path):
    """Without a judge's call the answer wins against ':', and it is the answer that is learnt."""
    rows = [{"id": "x", "prompt": "Q?", "response_a": ":", "response_b": "A good one."}]
    found = read_run(judged(tmp_path, rows, {}.get, recipe="pairwise", rubric=None))
    assert [(c.reward, c.vetoed) for c in found.candidates] == [(0.0, True), (1.0, False)]
    assert [(p.chosen.response, p.rejected.response) for p in preference_pairs(found.candidates).pairs] == [("A good one.", ":")]


def test_changed_data_are_refused(tmp_path):
    """One edited answer, and the reward belongs to a text that is no longer there."""
    run = judged(tmp_path)
    edited = json.dumps([row | {"prompt": "Edited?"} for row in ROWS])
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in json.loads(edited)))
    with pytest.raises(DataError, match=r"data\.jsonl: not the data that were judged: its SHA-256"):
        read_run(run)


def test_moved_data_are_found_with_data(tmp_path):
    """The folder of a colleague: the same bytes under another name do."""
    run = judged(tmp_path)
    (tmp_path / "data.jsonl").rename(tmp_path / "moved.jsonl")
    with pytest.raises(DataError, match="say where with --data"):
        read_run(run)
    assert read_run(run, data=str(tmp_path / "moved.jsonl")).candidates


def test_another_column_of_the_same_file_is_found_out(tmp_path):
    """The hash is right and the text is not: the run judged `answer`, and `response` holds something else."""
    rows = [{"id": "x", "prompt": "Q?", "answer": "A good one.", "response": "A poor one."}]
    run = judged(tmp_path, rows, mapping={"response": "answer"})
    facts = json.loads((run / "run.json").read_text())
    facts["data"] = {k: facts["data"][k] for k in ("source", "sha256")}  # also where run.json does not tell the columns
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="row 0: response 0 is not the text that was judged; name its column"):
        read_run(run)
    assert [c.response for c in read_run(run, mapping={"response": "answer"}).candidates] == ["A good one."]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(ROWS[:3], "row 3: is in the run and not in these data", id="rows-missing"),
        pytest.param(
            [{**ROWS[0], "id": "other"}, *ROWS[1:]], "row 0: has the id `other`, and in the run it is `q0`", id="other-ids"
        ),
        pytest.param(
            [{**ROWS[0], "responses": ["A poor one."]}, *ROWS[1:]],
            "row 0: has 1 responses, and the run has rewards of 4",
            id="other-counts",
        ),
        pytest.param(
            [{**ROWS[0], "responses": ROWS[0]["responses"][::-1]}, *ROWS[1:]],
            "row 0: response 0 is not the text that was judged",
            id="other-order",
        ),
    ],
)
def test_data_without_a_hash_are_compared_row_by_row(tmp_path, rows, said):
    """A hub name or a folder has no hash; what differs is found all the same, or at least said to be unchecked."""
    run = judged(tmp_path)
    facts = json.loads((run / "run.json").read_text())
    facts["data"]["sha256"] = None
    (run / "run.json").write_text(json.dumps(facts))
    assert "no file with a known hash" in read_run(run).notes[0]
    with pytest.raises(DataError) as raised:
        read_run(run, data=write_data(tmp_path / "other.jsonl", rows))
    assert said in str(raised.value)


def test_by_reward_reads_that_column(tmp_path):
    """The order of the shaped rewards decides, negative ones too; one that the chain left out is no reward."""
    run = judged(tmp_path, ROWS[1:2])
    table = pq.read_table(run / "rewards.parquet")
    values = [-2.0, 0.5, None, 3.0]
    columns = {name: table.column(name).to_pylist() for name in table.column_names if name != "reward"} | {"reward": values}
    schema = pa.schema([f for f in table.schema if f.name != "reward"] + [pa.field("reward", pa.float64())])
    pq.write_table(pa.Table.from_pydict(columns, schema=schema), run / "rewards.parquet")
    found = read_run(run, by="reward")
    assert [c.reward for c in found.candidates] == values
    assert dict(found.without_reward) == {"reward left out": 1}


def test_the_rewards_of_a_shaping_chain(tmp_path):
    """q1 has 0.75, 0.5, 0.75, 0: mean 0.5, so the fair one is 0 after standardising."""
    run = judged(tmp_path, ROWS[1:2], reward={"shape": [{"kind": "z"}]})
    rewards = [c.reward for c in read_run(run, by="reward").candidates]
    assert rewards[1] == pytest.approx(0)
    assert rewards[0] == rewards[2] > 0 > rewards[3]
    assert [c.reward for c in read_run(run).candidates] == [0.75, 0.5, 0.75, 0.0]


BROKEN = [
    pytest.param(lambda run: (run / "run.json").unlink(), "no run.json here", id="no-run-json"),
    pytest.param(lambda run: (run / "rewards.parquet").unlink(), "no rewards.parquet here", id="no-rewards"),
    pytest.param(lambda run: (run / "rewards.parquet").write_bytes(b"PAR1"), "not a readable Parquet file", id="broken-rewards"),
    pytest.param(lambda run: (run / "run.json").write_text("{}"), "no `data` in it", id="another-json"),
    pytest.param(lambda run: (run / "run.json").write_text("{"), "not valid JSON", id="half-a-json"),
]


@pytest.mark.parametrize(("broken", "said"), BROKEN)
def test_a_folder_that_is_no_run(tmp_path, broken, said):
    """One clear error for each."""
    run = judged(tmp_path, ROWS[:1])
    broken(run)
    with pytest.raises(DataError, match=said):
        read_run(run)


def test_a_run_without_its_journal_is_enough(tmp_path):
    """rewards.parquet and run.json are what people copy."""
    run = judged(tmp_path)
    (run / "journal.sqlite").unlink()
    (run / "verdicts.parquet").unlink()
    assert len(best_of_n(read_run(run).candidates).chosen) == 2


# ---- files -------------------------------------------------------------------------------------------------------------

CHAT = (Message("system", "Be brief."), Message("user", "2+2?"))
MIXED = [ScoredResponse("q", "2+2?", "4", 1.0, id="t"), ScoredResponse("c", CHAT, "4", 1.0, id="m", row=1)]


def test_chat_prompts_stay_chat():
    """TRL tells the two forms apart by type; a chat prompt with bare text would be trained without its template."""
    chat = [ScoredResponse("c", CHAT, "4", 1.0), ScoredResponse("c", CHAT, "5", 0.0, row=1)]
    [row] = pair_rows(preference_pairs(chat).pairs)
    assert row["prompt"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    assert (row["chosen"], row["rejected"]) == ([{"role": "assistant", "content": "4"}], [{"role": "assistant", "content": "5"}])
    assert best_rows(best_of_n(chat).chosen)[0]["response"] == [{"role": "assistant", "content": "4"}]


def test_prompts_of_both_forms_need_a_word():
    """No column holds both; nothing is turned into the other unasked."""
    chosen = best_of_n(MIXED).chosen
    with pytest.raises(DataError, match="row 0 is text and that of row 1 is chat messages"):
        best_rows(chosen)
    assert best_rows(chosen, messages=True)[0]["prompt"] == [{"role": "user", "content": "2+2?"}]


def read_back(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pq.read_table(path).to_pylist() if path.suffix else load_from_disk(str(path)).to_list()


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out"])
@pytest.mark.parametrize("messages", [False, True], ids=["text", "chat"])
def test_every_format_holds_the_same_rows(tmp_path, name, messages):
    """Also a margin that is null in every row, text in any script, and a second write over the first."""
    rows = best_rows(best_of_n([ScoredResponse("q", "Où ?", "là-bas\n日本", 1.0, id="t")]).chosen, messages=messages)
    for _ in range(2):
        write_rows(rows, tmp_path / name)
        assert read_back(tmp_path / name) == rows
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_half_a_surrogate_pair(tmp_path):
    """JSON has an escape for it; the other formats have no way, and say so before they write."""
    rows = best_rows(best_of_n([ScoredResponse("q", "?", "\ud800", 1.0, id="t")]).chosen)
    write_rows(rows, tmp_path / "out.jsonl")
    assert read_back(tmp_path / "out.jsonl") == rows
    with pytest.raises(DataError, match=r"`t` has a text with half a surrogate pair; only \.jsonl can hold it"):
        write_rows(rows, tmp_path / "out.parquet")


REFUSED = [
    pytest.param("out.csv", "unknown file type `.csv`", id="format"),
    pytest.param("run", "belongs to the run", id="the-run"),
    pytest.param("run/rewards.parquet", "belongs to the run", id="a-file-of-the-run"),
    pytest.param("data.jsonl", "is the data set that was judged", id="the-data"),
    pytest.param("full", "is a folder with other things in it", id="a-full-folder"),
    pytest.param("dir.jsonl", "is a folder", id="a-folder-called-like-a-file"),
    pytest.param("file", "is a file", id="a-file-without-suffix"),
]


@pytest.mark.parametrize(("name", "said"), REFUSED)
def test_places_that_are_not_written_to(tmp_path, name, said):
    """A slip in --output costs no run, no data set and no home folder."""
    for folder in ("run", "full", "dir.jsonl"):
        (tmp_path / folder).mkdir()
    (tmp_path / "full/thesis.tex").touch()
    (tmp_path / "full/state.json").touch()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=said):
        check_output(tmp_path / name, tmp_path / "run", str(tmp_path / "data.jsonl"))


def test_parts_together_are_the_whole(tmp_path):
    """Whose responses do not fit into memory selects them part by part: each group is in one part, whole."""
    run = judged(tmp_path)
    whole = read_run(run)
    parts = [read_run(run, part=(index, 3)) for index in range(3)]
    assert sorted(c.place for part in parts for c in part.candidates) == sorted(c.place for c in whole.candidates)
    owners = [{c.group for c in part.candidates} for part in parts]
    assert len(set().union(*owners)) == sum(map(len, owners))
    assert sorted(p.margin for part in parts for p in preference_pairs(part.candidates).pairs) == sorted(
        p.margin for p in preference_pairs(whole.candidates).pairs
    )
