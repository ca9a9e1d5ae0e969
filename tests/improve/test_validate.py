"""What a rubric does to judging: every figure against arithmetic done by hand."""

from __future__ import annotations

import json
import math
from io import StringIO

import pytest
import yaml

from judge.cli.rubric_prove import read_labelled_items
from judge.engine.scripted import ScriptedEngine
from judge.improve.show import conclusion, proof_record
from judge.improve.validate import ProofOptions, Validator
from judge.labels import preferred
from judge.rubric.load import load_rubric
from judge.rubric.per_prompt import prompt_key
from tests.cli_harness import judge  # noqa: F401  # a fixture
from tests.improve.made import asked, criterion_judge, pair, pairs_file, rubric, settings

FOUR = {"It says right.": "right", "Is long.": "", "Has words.": "*", "Says bad.": "bad"}


def by_name(figures):
    return {f.name: round(f.value, 4) for f in figures}


async def proved(engine, *texts, items=None, **fields):
    given = [pair(i) for i in range(4)] if items is None else items
    async with Validator(settings(**fields), given, ProofOptions(draws=50), engine=engine) as validator:
        return await validator.one(rubric(*texts), "mine")


async def test_each_criterion_is_told_by_its_fault():
    """One criterion that works, one that everything meets, one that nothing meets, and one that is reversed."""
    found = await proved(criterion_judge(FOUR), *FOUR)
    assert [(c.id, c.discrimination.value, c.met, c.faults) for c in found.criteria] == [
        ("c0", 1.0, 0.5, ()),
        ("c1", 0.0, 0.0, ("never met", "tells nothing")),
        ("c2", 0.0, 1.0, ("saturated", "tells nothing")),
        ("c3", -1.0, 0.5, ("reversed",)),
    ]
    pooled = by_name(found.pooled)
    assert (pooled["criteria that decide"], pooled["criteria reversed"], pooled["discrimination"]) == (0.5, 0.25, 0.0)


async def test_every_figure_of_a_criterion_has_an_interval():
    """Met by half of eight responses: a share of so few says little, and the record says how little."""
    found = await proved(criterion_judge({"Says right.": "right", "Is correct.": "right"}), "Says right.", "Is correct.")
    first, second = proof_record(found)["criteria"]
    assert (first["met"], first["decides"], first["no_verdict"]) == (0.5, 1.0, 0.0)
    assert first["intervals"].keys() == {"met", "decides", "no_verdict"}
    low, high = first["intervals"]["met"]
    assert 0 < low < 0.5 < high < 1
    assert first["intervals"]["decides"][0] < 1.0  # four of four: Wilson's interval
    assert (second["repeats"], second["correlation"]) == ("c0", 1.0)
    assert second["intervals"]["correlation"] == [1.0, 1.0]


async def test_one_prompt_has_no_interval():
    """`The interval holds 0` was said of an interval that is not there."""
    found = await proved(criterion_judge({"Says right.": "right"}), "Says right.", items=[pair(0)])
    assert conclusion(found).endswith("of one prompt; one prompt has no interval, so more are needed to say anything")


async def test_a_criterion_said_twice_is_named():
    """Two criteria with the same scores count twice whatever their words are."""
    found = await proved(criterion_judge({"Says right.": "right", "Is correct.": "right"}), "Says right.", "Is correct.")
    assert [c.faults for c in found.criteria] == [(), ("repeats c0",)]


async def test_agreement_beside_no_rubric():
    """Three of four pairs right with it (one label the other way), and the same grade for all without: 75 % against 0 %."""
    items = [pair(i, gold=-1.0 if i == 3 else 1.0) for i in range(4)]
    found = await proved(criterion_judge({"It says right.": "right"}), "It says right.", items=items)
    own, bare = by_name(found.figures), by_name(found.bare)
    assert (own["agreement"], own["precision"], own["coverage"]) == (0.75, 0.75, 1.0)
    assert (bare["agreement"], bare["agreement, ties half"], bare["coverage"]) == (0.0, 0.5, 0.0)
    assert found.gap.value == 0.75
    assert found.gap.interval.low < 0.75 < found.gap.interval.high
    assert (own["calls an item"], bare["calls an item"]) == (2.0, 2.0)
    assert own["labels prefer longer"] == 0.75  # "right" is longer than "bad", and one label says "bad"
    assert not found.worse


@pytest.mark.parametrize(
    ("count", "low", "said"),
    [
        pytest.param(2, 0.3424, "no worse than no rubric: +100.0 points [-31.5, +100.0]; the interval holds 0", id="two"),
        pytest.param(20, 0.8389, "better than no rubric: +100.0 points [+67.8, +100.0]", id="twenty"),
    ],
)
async def test_two_pairs_prove_nothing(count, low, said):
    """All right with it and all wrong without: Wilson's interval of a rate, and a gain that two pairs do not make certain."""
    found = await proved(criterion_judge({"It says right.": "right"}), "It says right.", items=[pair(i) for i in range(count)])
    own = {f.name: [round(end, 4) for end in f.interval] for f in found.figures}
    assert own["agreement"] == [low, 1.0]
    assert own["calls an item"] == [2.0, 2.0]  # not a rate
    assert found.criteria[0].discrimination.interval == pytest.approx((2 * low - 1, 1.0), abs=1e-3)
    assert said in conclusion(found)


async def test_a_rubric_that_turns_the_judge_round_is_worse():
    """The plain judge grades right answers higher; the rubric rewards bad ones."""

    def reply(request):
        text = asked(request)
        if "Says bad." in text:
            return f"VERDICT: {'MET' if 'is bad' in text else 'UNMET'}"
        return f"Score: {4 if 'is right' in text else 2}"

    found = await proved(ScriptedEngine(reply), "Says bad.")
    assert (by_name(found.figures)["agreement"], by_name(found.bare)["agreement"], found.worse) == (0.0, 1.0, True)
    assert conclusion(found).startswith("worse than no rubric: -100.0 points")


async def test_a_rubric_that_decides_wrongly_is_worse_than_a_judge_that_ties():
    """The plain judge gives all the same grade, so it agrees with nothing; the reversed rubric was `no worse`."""
    items = [pair(i) for i in range(20)]
    found = await proved(criterion_judge({"Says bad.": "bad"}), "Says bad.", items=items)
    own, bare = by_name(found.figures), by_name(found.bare)
    assert (own["agreement"], bare["agreement"], bare["agreement, ties half"], found.gap.value) == (0.0, 0.0, 0.5, 0.0)
    assert (found.worse, found.halved.value) == (True, -0.5)
    assert "with ties as half -50.0 points" in conclusion(found)
    assert conclusion(found).startswith("worse than no rubric")
    assert conclusion(found).endswith("mostly wrong")  # the interval of -50 points does not hold 0
    assert proof_record(found)["gap_ties_half"]["value"] == -0.5


async def test_a_rubric_that_decides_by_chance_is_not_better():
    """Half of 20 decided pairs right, and the plain judge ties: 50 % against 0 %, and 50 % against 50 % with ties as half."""
    items = [pair(i, gold=1.0 if i % 2 else -1.0) for i in range(20)]
    found = await proved(criterion_judge({"It says right.": "right"}), "It says right.", items=items)
    assert (found.gap.value, found.halved.value, found.worse) == (0.5, 0.0, False)
    assert conclusion(found).startswith("no worse than no rubric: +50.0 points")
    assert "with ties as half +0.0 points" in conclusion(found)
    assert "interval holds 0" in conclusion(found)


async def test_a_judge_without_verdicts_proves_nothing():
    """No verdict is no agreement, and its reasons are told; it is never a tie that half counts."""
    found = await proved(ScriptedEngine(lambda r: "I cannot say."), "Says right.")
    own = by_name(found.figures)
    assert (own["agreement"], own["agreement, ties half"], own["no verdict"]) == (0.0, 0.0, 1.0)
    assert found.criteria[0].faults == ("no verdict",)
    assert sum(found.reasons.values()) == 8
    assert found.worse  # 0 % against 0 % is no proof
    assert "no verdict on any item" in conclusion(found)
    assert json.dumps(proof_record(found), allow_nan=False)


async def test_both_orders_of_a_judge_that_compares():
    """A judge that always names the first is consistent in no pair, and prefers nothing."""
    found = await proved(ScriptedEngine(lambda r: "[[A]]"), "Says right.", recipe="pairwise")
    own = by_name(found.figures)
    assert (own["orders agree"], own["agreement"], own["calls an item"]) == (0.0, 0.0, 2.0)
    assert found.criteria == ()


async def test_the_judge_without_a_rubric_is_asked_once():
    """Three candidates on the same items: the baseline is not paid for three times."""
    engine = criterion_judge({"Says right.": "right", "Has words.": "*"})
    async with Validator(settings(), [pair(0)], ProofOptions(draws=5), engine=engine) as validator:
        await validator.one(rubric("Says right."))
        before = len(engine.requests)
        await validator.one(rubric("Has words."))
    assert len(engine.requests) - before == 2


def script(folder, **settings_):
    """A judge as a settings file: it says MET where a response is right, and the same grade for all."""
    replies = {r"Criterion: Says right\.[\s\S]*": "VERDICT: UNMET", "Score:": "Score: 3"}
    replies = {r"RESPONSE \w+>>>\nIt is right[\s\S]*Criterion: Says right\.": "VERDICT: MET", **replies}
    (folder / "replies.yaml").write_text(yaml.safe_dump(replies, sort_keys=False))
    config = {"engine": {"kind": "scripted", "replies": "replies.yaml"}, "recipe": "checklist", **settings_}
    (folder / "judge.yaml").write_text(yaml.safe_dump(config))
    (folder / "good.yaml").write_text("criteria:\n  - {id: right, text: Says right.}\n")


def test_the_command(judge, tmp_path):  # noqa: F811
    """A table, the scores in the file, and a run of it that needs no eyes."""
    script(tmp_path)
    pairs = pairs_file(tmp_path)
    ended = judge("rubric", "validate", "good.yaml", "--pairs", str(pairs), "--config", "judge.yaml", "--write")
    assert ended.code == 0, ended.err
    assert "better than no rubric: +100.0 points [+35.1, +100.0]" in " ".join(ended.out.split())
    assert max(map(len, ended.out.splitlines())) <= 80
    scores = load_rubric("good.yaml").lineage.scores
    assert scores["agreement_ties_half"] == 1.0
    assert all(name.isidentifier() for name in scores)
    assert (scores["agreement"], scores["agreement_without"], scores["gap"], scores["items"]) == (1.0, 0.0, 1.0, 8.0)
    as_json = judge("rubric", "validate", "good.yaml", "--pairs", str(pairs), "--config", "judge.yaml", "--json", "--quiet")
    [record] = json.loads(as_json.out)["rubrics"]
    assert (record["worse"], record["figures"]["agreement"]["value"], record["criteria"][0]["id"]) == (False, 1.0, "right")


def test_a_folder_with_a_rubric_for_each_prompt(judge, tmp_path):  # noqa: F811
    """The output of `generate`: kept rubrics are matched by prompt as in a run, what was not kept is left out and counted."""
    script(tmp_path)
    folder = tmp_path / "written"
    folder.mkdir()
    lines = [
        {
            "id": f"row {i}",
            "prompt_key": prompt_key(f"Question {i}?"),
            "kept": i < 5,
            "file": f"kept/q{i}.yaml",
            "rubric": {"name": "r", "criteria": [{"id": "x", "text": "Says right."}]},
        }
        for i in range(6)
    ]
    (folder / "rubrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "kept").mkdir()
    for line in lines[:5]:
        (folder / line["file"]).write_text(json.dumps(line["rubric"]))
    ended = judge("rubric", "validate", "written", "--pairs", str(pairs_file(tmp_path)), "--config", "judge.yaml", "--write")
    assert ended.code == 0, ended.err
    assert "written: 5 items, 3 more without a rubric of their own" in ended.out
    assert json.loads((folder / "validation.json").read_text())["gap"]["value"] == 1.0
    scores = load_rubric(folder / "kept" / "q3.yaml").lineage.scores
    assert (scores["agreement"], scores["agreement_without"], scores["discrimination"]) == (1.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["good.yaml"], "--pairs FILE", id="no-labels"),
        pytest.param(["good.yaml", "--pairs", "a.jsonl", "--graded", "b.jsonl"], "--pairs FILE", id="two-kinds"),
        pytest.param(["none.yaml", "--pairs", "pairs.jsonl"], "no such file", id="no-rubric"),
        pytest.param(["empty", "--pairs", "pairs.jsonl"], "no rubrics.jsonl", id="a-folder-of-something"),
        pytest.param(["good.yaml", "--pairs", "pairs.jsonl", "--baseline", "checklist"], "needs a rubric", id="baseline"),
        pytest.param(["helpfulness", "--pairs", "pairs.jsonl", "--write"], "rubric files of your own", id="shipped"),
    ],
)
def test_wrong_input_is_told(judge, tmp_path, arguments, said):  # noqa: F811
    """Before a model is asked for anything that cannot be used."""
    script(tmp_path, engine={"kind": "scripted", "reply": "VERDICT: MET"})
    pairs_file(tmp_path)
    (tmp_path / "empty").mkdir()
    ended = judge("rubric", "validate", *arguments, "--config", "judge.yaml")
    assert ended.code in (2, 4)
    assert said in ended.err


async def test_grades_are_a_rank_correlation():
    """Grades 1 to 4 against 0, 1, 1, 2 of 2 criteria met: ranks 1, 2.5, 2.5, 4, so rho = 4.5 / sqrt(5 * 4.5) = 0.9487."""
    from judge.bench.items import BenchItem
    from judge.types import Sample

    texts = ["none.", "right.", "right indeed.", "right and good."]
    items = [
        BenchItem(s := Sample.of(f"Q{i}?", text, id=f"g{i}"), "", (float(i + 1),), s.group_key, "")
        for i, text in enumerate(texts)
    ]
    engine = criterion_judge({"Says right.": "right", "Says good.": "good"})
    async with Validator(settings(), items, ProofOptions("ratings", draws=20), engine=engine) as validator:
        found = await validator.one(rubric("Says right.", "Says good."))
    assert by_name(found.figures)["agreement"] == pytest.approx(0.9487, abs=1e-4)
    assert math.isnan(found.bare[0].value)  # the same grade for all ranks nothing
    assert "nothing can be said" in conclusion(found)


async def test_correlations_are_no_percentages():
    """The rubric ranks as the grades do, and the plain judge the other way round: +1.00 against -1.00, a gap of +2.00 in rho."""
    from rich.console import Console

    from judge.bench.items import BenchItem
    from judge.improve.show import print_blocks, proof_blocks
    from judge.types import Sample

    samples = [Sample.of(f"Q{i}?", "right " * (i % 2) + str(i), id=f"g{i}") for i in range(12)]
    items = [BenchItem(s, "", (float(i % 2),), s.group_key, "") for i, s in enumerate(samples)]

    def reply(request):
        met = "right " in (text := asked(request))
        return f"VERDICT: {'MET' if met else 'UNMET'}" if "Says so." in text else f"Score: {2 if met else 4}"

    options = ProofOptions("ratings", draws=50)
    async with Validator(settings(), items, options, engine=ScriptedEngine(reply)) as validator:
        found = await validator.one(rubric("Says so."))
    console = Console(width=80, record=True, file=StringIO())
    print_blocks(proof_blocks(found, 50), console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "agreement (Spearman rho) +1.00 [+1.00, +1.00] -1.00 [-1.00, -1.00]" in lines
    assert "Kendall tau +1.00 [+1.00, +1.00] -1.00 [-1.00, -1.00]" in lines
    assert any(line.startswith("labels' length correlation +0.") for line in lines)
    assert conclusion(found) == "better than no rubric: Spearman's rho +2.00 [+2.00, +2.00]"


HAND = """# why this rubric: see the wiki
criteria:
  - id: right   # the only one that matters
    text: >-
      Says
      right.
    weight: 1.0
{lineage}# the end
fold: weighted_mean
"""


@pytest.mark.parametrize(
    ("lineage", "end"),
    [
        pytest.param("", "\n", id="none"),
        pytest.param("lineage:\n  generator: me  # by hand\n  scores: {older: 0.5}\n\n", "\n", id="in-the-middle"),
        pytest.param("lineage: {scores: {older: 0.5}}\n", "\r\n", id="windows"),
    ],
)
def test_scores_leave_the_comments_of_the_file(judge, tmp_path, lineage, end):  # noqa: F811
    """A rubric is written by hand and explained there; keeping three numbers must not cost that."""
    script(tmp_path)
    before = HAND.format(lineage=lineage).replace("\n", end)
    (tmp_path / "good.yaml").write_bytes(before.encode())
    ended = judge("rubric", "validate", "good.yaml", "--pairs", str(pairs_file(tmp_path)), "--config", "judge.yaml", "--write")
    assert ended.code == 0, ended.err
    after = (tmp_path / "good.yaml").read_bytes().decode()
    apart = [
        line for line in before.splitlines(keepends=True) if line not in lineage.replace("\n", end).splitlines(keepends=True)
    ]
    assert [line for line in after.splitlines(keepends=True) if line in apart] == apart
    scores = load_rubric("good.yaml").lineage.scores
    assert (scores["agreement"], scores.get("older")) == (1.0, 0.5 if lineage else None)
    assert ("\r" in after, after.count("lineage:")) == (end == "\r\n", 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("{criteria: [{id: right, text: Says right.}]}\n", 0, id="no-comment"),
        pytest.param("{criteria: [{id: right, text: Says right.}]}  # mine\n", 4, id="comment"),
    ],
)
def test_a_file_that_cannot_be_edited(judge, tmp_path, text, code):  # noqa: F811
    """Braces around everything: written anew where nothing is lost, else left alone; the figures are told in both cases."""
    script(tmp_path)
    (tmp_path / "good.yaml").write_text(text)
    ended = judge("rubric", "validate", "good.yaml", "--pairs", str(pairs_file(tmp_path)), "--config", "judge.yaml", "--write")
    assert ended.code == code
    assert "better than no rubric" in ended.out
    assert ((tmp_path / "good.yaml").read_text() == text, "without its comments" in ended.err) == (bool(code), bool(code))


def test_pairs_that_say_nothing_are_left_out_and_counted(judge, tmp_path):  # noqa: F811  # the fixture
    """Twice the same response is wrong whatever the judge says, and a label may be a tie, missing or unknown."""
    rows = [
        {"prompt": "a?", "chosen": "It is right.", "rejected": "It is bad."},
        {"prompt": "b?", "chosen": "the same", "rejected": "the same"},
        *({"prompt": f"{word}?", "response_a": "x", "response_b": "y", "label": word} for word in ("C", "D", "D", "")),
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "c.yaml").write_text("engine: {kind: scripted, reply: 'Score: 3'}\nrecipe: pointwise\n")
    ended = judge("rubric", "validate", "helpfulness", "--pairs", "p.jsonl", "--config", "c.yaml", "--draws", "10")
    assert "3 rows are no labelled items and are left out; the first: p: row `3`" in ended.err
    assert "       2  the label 'D' does not say which response is better\n" in ended.err
    assert "1 pair(s) of twice the same response are left out: neither can be better" in ended.err
    assert "1 of 2 labels are ties" in ended.err
    assert "2 items; 1 rubric(s)" in ended.err


def test_grades_of_a_csv_file(tmp_path):
    """Every cell of a CSV file is text: each grade was refused as `'3' is not a number`."""
    file = tmp_path / "g.csv"
    file.write_text("prompt,response,label\nWhy?,Because.,3\nHow?,So., 1.5 \nWho?,He.,inf\nWhen?,Now.,good\n")
    items, kind = read_labelled_items(None, str(file), None, "", "", None)
    assert (kind, [item.gold[0] for item in items]) == ("ratings", [3.0, 1.5])


@pytest.mark.parametrize("word", ["Response B", "response-b", "Assistant B", "answer_2", "Option 2", "B.", "'b'", "Output B."])
def test_labels_in_words_that_people_write(word):
    """The row was left out, though nobody can mean the first response by it."""
    assert (preferred(word, 2), preferred(word.replace("B", "A").replace("b", "a").replace("2", "1"), 2)) == ("B", "A")


@pytest.mark.parametrize("word", ["tie (bothbad)", "Tie.", "both bad"])
def test_ties_in_words_that_people_write(word):
    """A tie is no label that cannot be read."""
    assert preferred(word, 2) == "tie"
