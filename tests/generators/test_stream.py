"""Rows are taken as there is room and written as they end: order, memory, a run that stops, and what a person is told."""

from __future__ import annotations

import asyncio
import cProfile
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.cli.generate import run_generator
from judge.engine.scripted import ScriptedEngine
from judge.errors import EngineError, RecipeError
from judge.generators.closing import Closing, unlike
from judge.generators.drive import write_rubrics
from judge.generators.model import ClosingSpec, Generator, list_generators, load_generator
from judge.generators.run import SourceRow, Writer, write_all
from judge.generators.tags import split_tag
from judge.generators.write import FileNames, RubricFolder, write_folder
from judge.settings import RunSettings
from judge.types import Completion, Message, Request, Sample, TextPart
from tests.cli_harness import run_judge
from tests.rubric_harness import asked

ONE = "1. The response is written as a letter. [Constraint]"


def rows(count: int) -> Iterator[SourceRow]:
    for i in range(count):
        yield SourceRow(f"r{i}", Sample.of(f"Write letter {i}.", id=f"r{i}"))


def late_first(request: Request) -> float:
    return 0.0 if "letter 0." not in asked(request) else 0.05


async def test_rows_are_taken_as_there_is_room(tmp_path):
    """A data set of any length is never in memory: at most so many rows are taken and not yet written."""
    taken = written = most = 0

    def source() -> Iterator[SourceRow]:
        nonlocal taken, most
        for row in rows(200):
            taken += 1
            most = max(most, taken - written)
            yield row

    def done(_: object) -> None:
        nonlocal written
        written += 1

    writer = Writer(load_generator("constraints"), RunSettings(), ScriptedEngine(lambda r: ONE))
    with RubricFolder(tmp_path, writer) as out:
        assert await write_rubrics(writer, source(), out, 8, done) is None
        summary = out.finish({})
    assert (summary["counts"]["kept"], written, most <= 9) == (200, 200, True)


async def test_lines_stand_in_the_rows_order(tmp_path):
    """The first row ends last; its line is the first all the same, and its file has its name."""

    async def reply(request: Request) -> str:
        await asyncio.sleep(late_first(request))
        return ONE

    await run_generator(load_generator("constraints"), RunSettings(), rows(5), tmp_path, ScriptedEngine(reply))
    lines = [json.loads(line) for line in (tmp_path / "rubrics.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [f"r{i}" for i in range(5)]
    assert [line["file"] for line in lines] == [f"kept/r{i}.yaml" for i in range(5)]
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize("in_flight", [64, 1])
async def test_the_rows_of_one_prompt_share_a_call(tmp_path, in_flight):
    """GRPO data hold a prompt once for each response: it is written for once, and each row keeps a line and a file."""
    engine = ScriptedEngine(lambda r: ONE, delay_s=0.01)
    same = [SourceRow(f"r{i}", Sample.of(f"Write letter {i // 4}.", id=f"r{i}")) for i in range(12)]
    summary = await run_generator(load_generator("constraints"), RunSettings(max_in_flight=in_flight), same, tmp_path, engine)
    counts = summary["counts"]
    assert (len(engine.requests), counts["calls"], counts["calls_from_journal"], counts["prompts"]) == (3, 3, 9, 3)
    lines = [json.loads(line) for line in (tmp_path / "rubrics.jsonl").read_text().splitlines()]
    assert ([line["id"] for line in lines], len({line["request"] for line in lines})) == ([f"r{i}" for i in range(12)], 3)
    assert all((tmp_path / line["file"]).is_file() for line in lines)


async def test_a_shared_call_that_fails_is_each_rows_reason(tmp_path):
    engine = ScriptedEngine(lambda r: Completion("", "error", error="no"), delay_s=0.01)
    same = [SourceRow(f"r{i}", Sample.of("Write a letter.", id=f"r{i}")) for i in range(4)]
    summary = await run_generator(load_generator("constraints"), RunSettings(), same, tmp_path, engine)
    assert (len(engine.requests), summary["counts"]["kept"], sum(summary["counts"]["by_reason"].values())) == (1, 0, 4)


async def test_a_run_that_stops_goes_on(tmp_path):
    """What was asked is not asked again, and the lines of the run before stand until the new ones are complete."""
    await run_generator(load_generator("constraints"), RunSettings(), rows(3), tmp_path, ScriptedEngine(lambda r: ONE))
    before = (tmp_path / "rubrics.jsonl").read_text()

    async def fails(request: Request) -> str:
        await asyncio.sleep(late_first(request))
        if "letter 15." in asked(request):
            raise EngineError("no route to the model")
        return ONE

    first = ScriptedEngine(fails)
    with pytest.raises(EngineError):
        await run_generator(load_generator("constraints"), RunSettings(max_in_flight=4), rows(30), tmp_path, first)
    assert (tmp_path / "rubrics.jsonl").read_text() == before
    again = ScriptedEngine(lambda r: ONE)
    summary = await run_generator(load_generator("constraints"), RunSettings(), rows(30), tmp_path, again)
    assert summary["counts"]["kept"] == 30
    assert len(again.requests) == summary["counts"]["calls"] < 30 - 12
    assert summary["counts"]["calls_from_journal"] == 30 - len(again.requests)


@pytest.mark.parametrize(
    "prompt", ["", " \n\t", (Message("user", ""), Message("user", (TextPart(" "),)))], ids=["none", "blank", "chat"]
)
@pytest.mark.parametrize("method", ["constraints", "mine"])
async def test_an_empty_prompt_is_refused(tmp_path, method, prompt):
    """A model that is asked about nothing invents criteria, and every row without a prompt would be judged by them."""
    engine = ScriptedEngine(lambda r: ONE)
    pair = Sample.of(prompt, "one", "two", id="r0", metadata={"preferred": 0})
    summary = await run_generator(load_generator(method), RunSettings(), [SourceRow("r0", pair)], tmp_path, engine)
    assert (engine.requests, summary["counts"]["by_reason"]) == ([], {"invalid": 1})
    assert summary["examples"]["invalid"] == "r0: row `r0` has an empty prompt: there is nothing to write a rubric for"


async def test_each_reason_with_its_first_example(tmp_path):
    """Whoever looks at the summary sees what a reason means without opening a file."""

    def reply(request: Request) -> str | Completion:
        number = int(asked(request).split("letter ")[1].split(".")[0])
        return [ONE, "no constraints", Completion("1. cut", "length")][number % 3]

    summary = await run_generator(load_generator("constraints"), RunSettings(), rows(9), tmp_path, ScriptedEngine(reply))
    assert summary["counts"]["by_reason"] == {"kept": 3, "no_items": 3, "truncated": 3}
    assert summary["examples"] == {
        "kept": "r0: The response is written as a letter.",
        "no_items": "r1: no numbered line",
        "truncated": "r2: finish reason `length`",
    }


async def test_results_that_are_there_already(tmp_path):
    """`write_folder` writes the same lines as a run does."""
    writer = Writer(load_generator("constraints"), RunSettings(), ScriptedEngine(lambda r: ONE))
    write_folder(tmp_path / "a", writer, await write_all(writer, list(rows(4))), {})
    await run_generator(load_generator("constraints"), RunSettings(), rows(4), tmp_path / "b", ScriptedEngine(lambda r: ONE))
    assert (tmp_path / "a" / "rubrics.jsonl").read_text() == (tmp_path / "b" / "rubrics.jsonl").read_text()


async def test_long_lists_are_merged_in_parts():
    """Forty different items in parts of ten: each part by itself, and what they come to once more."""
    engine = ScriptedEngine(lambda r: "1. The response is one of ten.\n2. The response is good." if "10." in asked(r) else ONE)
    writer = Writer(load_generator("autorule"), RunSettings(), engine)
    closing = Closing(writer, ClosingSpec(similarity=1, user="merge.md.j2", chunk=10))
    source = Writer(load_generator("constraints"), RunSettings(), ScriptedEngine(lambda r: f"1. It says {asked(r)[60:110]}."))
    for place, written in enumerate(await write_all(source, list(rows(40)))):
        closing.add(place, written)
    merged = await closing.finish()
    assert merged.items == 40
    assert len(engine.requests) == 5
    assert merged.rubric is not None
    assert [c.text for c in merged.rubric.criteria] == ["The response is written as a letter. [Constraint]"]


def test_near_duplicates():
    """The earlier of two items that say the same stays."""
    import numpy as np

    vectors = np.array([[1.0, 0], [0.8, 0.6], [1.0, 0]])
    assert unlike(vectors, 0.8, "aaa") == {0: 0, 1: 0, 2: 0}
    assert unlike(vectors, 0.8, "aab") == {0: 0, 1: 0, 2: 2}  # near, and of another kind


async def test_the_subject_tells_no_items_apart():
    """Rows begin their items with "The response", or do not: what they ask for is compared."""
    texts = ("The response names the dose.", "Names the dose.")
    reply = "\n".join(f"{i}. {t}" for i, t in enumerate(texts, 1))
    writer = Writer(load_generator("constraints"), RunSettings(), ScriptedEngine(lambda _: reply))
    closing = Closing(writer, ClosingSpec(similarity=0.99))
    for place, written in enumerate(await write_all(writer, list(rows(1)))):
        closing.add(place, written)
    merged = await closing.finish()
    assert [(r.text, r.reason, r.detail) for r in merged.rejected] == [(texts[0], "similar", texts[1])]


async def test_a_negation_is_no_duplicate():
    """A small encoder puts a rule beside its opposite; they stay two."""
    texts = ("The response names the dose.", "The response does not name the dose.", "The response names the dose well.")
    writer = Writer(
        load_generator("constraints"),
        RunSettings(),
        ScriptedEngine(lambda _: "\n".join(f"{i}. {t}" for i, t in enumerate(texts, 1))),
    )
    closing = Closing(writer, ClosingSpec(similarity=0.5))
    for place, written in enumerate(await write_all(writer, list(rows(1)))):
        closing.add(place, written)
    merged = await closing.finish()
    assert merged.rubric is not None
    assert sorted(c.text for c in merged.rubric.criteria) == sorted(texts[:2])
    assert [(r.reason, r.detail) for r in merged.rejected] == [("similar", texts[0])]


@pytest.mark.parametrize(
    ("line", "sentence", "number"),
    [
        pytest.param("It is so. [Essential, 4]", "It is so.", 4.0, id="comma"),
        pytest.param("It is so. **(Essential: weight 4)**.", "It is so.", 4.0, id="bold-round-word"),
        pytest.param("It is so. [4]", "It is so.", 4.0, id="number-alone"),
        pytest.param("It is so. [Essential, 9]", "It is so.", None, id="out-of-bounds"),
        pytest.param("It is so (in 4 of 5).", "It is so (in 4 of 5).", None, id="part-of-the-sentence"),
        pytest.param("It cites [4].", "It cites", 4.0, id="a-citation-is-read-as-a-weight"),
        pytest.param("It is [very] so.", "It is [very] so.", None, id="in-the-middle"),
    ],
)
def test_brackets(line, sentence, number):
    """Models write the bracket in many ways, and sentences end in brackets of their own."""
    spec = load_generator("rar").spec.items
    text, tag = split_tag(line, spec)
    assert (text, tag.number if tag else None) == (sentence, number)


def test_methods_fit_a_terminal():
    """One block a method, at 80 columns; as JSON with needs and source."""
    shown = run_judge("rubric", "methods")
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    methods = json.loads(run_judge("rubric", "methods", "--json").out)["methods"]
    assert [m["method"] for m in methods] == list_generators()
    assert all(m["paper"].startswith("arXiv:") and m["deviations"] and m["needs"][0] == "prompt" for m in methods)
    rrd = next(m for m in methods if m["method"] == "rrd")
    assert (rrd["needs"], rrd["tries"], rrd["makes"]) == (["prompt", "responses"], "checklist-all", "a rubric for each row")
    may_use = {m["method"]: m["may_use"] for m in methods if m["may_use"]}
    assert may_use == {
        "coarse-to-fine": ["reference", "responses"],
        "healthbench": ["reference"],
        "online": ["rubric"],
        "rar": ["reference"],
        "rlcf": ["responses"],
        "spct": ["responses"],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"items.mx": 3}, r"no field `mx`; did you mean `max`", id="typo"),
        pytest.param({"decompose.weights": "white"}, "uniform|assigned|whitened", id="no-such-value"),
        pytest.param({"name.first": 1}, "no field `name.first` that an option could set", id="below-a-text"),
    ],
)
def test_wrong_options(options, message):
    """An option is checked like the file it replaces a field of."""
    with pytest.raises(RecipeError, match=message):
        load_generator("rrd", options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(["items.max=abc"], "--option items.max: `items.max`: input should be a valid integer", id="value"),
        pytest.param(["system=x", "nope.max=3"], "--option nope.max: no field `nope`", id="field"),
        pytest.param(["items.min=30", "items.max=25"], "--option items.min, items.max: `items`: min (30) is above", id="two"),
    ],
)
def test_a_wrong_option_is_told_of_the_option(tmp_path, given, message):
    """The method's own file, with its line, is not what the user wrote."""
    (tmp_path / "d.jsonl").write_text('{"prompt": "p"}\n')
    options = [word for each in given for word in ("--option", each)]
    paths = ("--data", str(tmp_path / "d.jsonl"), "--output", str(tmp_path / "out"))
    done = run_judge("rubric", "generate", "--method", "rar", *paths, *options)
    assert (done.code, message in done.err, "generator.yaml" in done.err) == (2, True, False), done.err


def test_the_command_on_questions(tmp_path):
    """A set of questions without a column `prompt` works, and says what it took for the prompt."""
    (tmp_path / "r.yaml").write_text(json.dumps({"Write": ONE}))
    (tmp_path / "c.yaml").write_text("engine: {kind: scripted, replies: r.yaml}\n")
    data = tmp_path / "q.jsonl"
    data.write_text('{"question": "Write a letter.", "answer": "Dear"}\n{"question": "Write a list.", "answer": "One"}\n')
    given = ("--config", str(tmp_path / "c.yaml"), "--data", str(data), "--output", str(tmp_path / "out"))
    done = run_judge("rubric", "generate", "--method", "constraints", *given)
    assert done.code == 0, done.err
    assert "the prompts are read from `question`" in done.err
    assert "2 of 2 rubrics kept" in done.out
    assert "0: The response is written as a letter." in done.out
    none = run_judge("rubric", "generate", "--method", "constraints", "--output", str(tmp_path / "o2"))
    assert (none.code, "no data: give --data FILE" in none.err) == (2, True)


@pytest.mark.parametrize(
    ("method", "data", "message"),
    [
        pytest.param("rarr", '{"prompt": "p"}', "no rubric generator `rarr`; did you mean `rar`", id="method"),
        pytest.param(
            "rrd", '{"prompt": "p", "response": "r"}', "method rrd compares two or more different ones", id="one-response"
        ),
        pytest.param("contrastive", '{"prompt": "p", "responses": ["a", "b"]}', "is no labelled pair", id="no-label"),
        pytest.param("nuggets", '{"prompt": "p"}', "row `0` has no context", id="no-documents"),
        pytest.param("rar", '{"text": "p"}', "no column `prompt`", id="no-prompt"),
    ],
)
def test_what_a_user_is_told(tmp_path, method, data, message):
    """A wrong method or data that it cannot use end with exit code 2 and the first row's problem."""
    (tmp_path / "r.yaml").write_text(json.dumps({"Write": ONE}))
    (tmp_path / "c.yaml").write_text("engine: {kind: scripted, replies: r.yaml}\n")
    (tmp_path / "d.jsonl").write_text(data + "\n")
    given = ("--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "d.jsonl"), "--output", str(tmp_path / "out"))
    done = run_judge("rubric", "generate", "--method", method, *given)
    assert (done.code, message in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        pytest.param(["x", "b-2", "../b"], ["x", "b-2", "b-2-1"], id="one-that-stands-for-a-made-up-one"),
        pytest.param(["../b", "b-0", "b-0-1"], ["b-0", "b-0-1", "b-0-1-2"], id="after-a-made-up-one"),
        pytest.param(["a", "A", "a"], ["a", "A-1", "a-2"], id="equal-but-for-case"),
    ],
)
def test_no_two_rows_share_a_file(ids, names):
    """A rubric is never overwritten by that of another row."""
    given = FileNames()
    assert [given.name(place, row) for place, row in enumerate(ids)] == names


def test_a_folder_of_other_options_is_refused(tmp_path):
    """The rubrics of an hour are not replaced because an option was forgotten; the same command goes on."""
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "Say why."}) + "\n")
    given = ["--data", str(tmp_path / "p.jsonl"), "--output", str(tmp_path / "out"), "--quiet"]
    given += ["--set", "engine={kind: scripted, reply: '1. It gives a reason for what it says.'}", "--method", "constraints"]
    assert run_judge("rubric", "generate", *given).code == 0
    assert run_judge("rubric", "generate", *given).code == 0
    other = [*given, "--option", "items.max=2", "--set", "seed=7"]
    refused = run_judge("rubric", "generate", *other)
    assert refused.code == 2
    assert "  options: {} there, {'items.max': 2} here\n" in refused.err
    assert "  seed: 0 there, 7 here\n" in refused.err
    assert json.loads((tmp_path / "out/generate.json").read_text())["generator"]["options"] == {}
    assert run_judge("rubric", "generate", *other, "--overwrite").code == 0


TEN = "\n".join(f"{i}. Part {i}: The response states part {i} and says why it holds. [Important, 3]" for i in range(1, 11))


def calls_of(generator: Generator, folder: Path, count: int) -> int:
    """Calls of Python functions, built-in ones too, that a run over so many rows makes."""
    profile = cProfile.Profile()
    run = run_generator(generator, RunSettings(), rows(count), folder, ScriptedEngine(lambda r: TEN))
    profile.runcall(asyncio.run, run)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_rubric_takes_few_calls(tmp_path):
    """Rubrics are written by the ten thousand, at 2,000 a second of a core: what is done for each item is done once. The count
    stands for the time, which a shared machine does not give twice (before an item's bracket was kept and defaults were no
    longer copied and compared it was 2,060).
    """
    generator = load_generator("rar")
    few, more = calls_of(generator, tmp_path / "few", 50), calls_of(generator, tmp_path / "more", 250)
    assert (more - few) / 200 < 1_700
