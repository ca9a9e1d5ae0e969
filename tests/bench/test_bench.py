"""`judge bench` end to end with a scripted judge: what is asked, what is counted, and what a person sees."""

from __future__ import annotations

import json

import pytest

from judge.bench.items import read_items, truth
from judge.bench.spec import SetSpec, load_set, shipped_sets
from judge.errors import DataError, InputError
from tests.bench.bench_harness import SHARED, write_judge, write_rows

PAIRS = [
    {"prompt": f"Name city {i}.", "response_a": f"good {i}", "response_b": f"bad {i}", "label": "A", "subset": "ab"[i % 2]}
    for i in range(6)
]
GOOD_FIRST = {r"(?s)good.*bad": "Short.\n[[A]]", r"(?s)bad.*good": "Short.\n[[B]]"}


@pytest.fixture
def cli(tmp_path, monkeypatch):
    from tests.cli_harness import run_judge

    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "pairs.jsonl", PAIRS)
    (tmp_path / "mine.yaml").write_text("kind: pairs\ndata: pairs.jsonl\n", encoding="utf-8")
    write_judge(tmp_path / "good.yaml", "pairwise", GOOD_FIRST)
    write_judge(tmp_path / "first.yaml", "pairwise", {".": "Short.\n[[A]]"})
    write_judge(tmp_path / "mute.yaml", "pairwise", {".": "I cannot tell."}, sampling={"max_tokens": 16})
    return lambda *args: run_judge("bench", *args)


def figures(ended, place=0):
    return json.loads(ended.out)["judges"][place]


def test_a_set_of_three_lines_and_a_judge_that_is_right(cli):
    ended = cli("mine.yaml", "good.yaml", "--json", "--quiet")
    found = figures(ended)
    assert ended.code == 0
    assert (found["published"][0]["value"], found["order_consistency"], found["judge_calls"]) == (1.0, 1.0, 12)
    assert {f["name"]: f["items"] for f in found["subsets"]} == {"a": 3, "b": 3}


def test_a_judge_that_names_the_first_is_not_right_by_chance(cli):
    """The better answer stands first in the data; asked in both orders, a judge that always says A decides nothing."""
    found = figures(cli("mine.yaml", "first.yaml", "--json", "--quiet"))
    assert (found["published"][0]["value"], found["ties"], found["first_preferred"]) == (0.0, 1.0, 1.0)


def test_one_order_is_drawn_by_the_item(cli):
    """With `--order own` each pair is shown once, and the better answer does not always stand first."""
    found = figures(cli("mine.yaml", "first.yaml", "--order", "own", "--set", "order=single", "--json", "--quiet"))
    assert found["judge_calls"] == 6
    assert 0 < found["published"][0]["value"] < 1


def test_a_failed_verdict_is_wrong_of_all_and_left_out_of_parsed(cli):
    found = figures(cli("mine.yaml", "mute.yaml", "--json", "--quiet"))
    assert [f["name"] for f in found["accuracy"]] == ["all"]  # of no parsed verdict there is no share
    assert (found["failed"], found["order_consistency"]) == (1.0, None)
    assert sum(found["no_verdict_reasons"].values()) == 6


def test_a_judge_without_a_verdict_has_no_interval(cli, tmp_path):
    """A mean of subsets is no plain mean: all its draws are 0, and `[0.0, 0.0]` would say that this is certain."""
    (tmp_path / "parts.yaml").write_text("kind: pairs\ndata: pairs.jsonl\nmetric: mean-of-subsets\n", encoding="utf-8")
    given = ("parts.yaml", "mute.yaml", "--quiet")
    headline, plain = figures(cli(*given, "--json"))["published"][:2]
    assert (headline["value"], headline["interval"]) == (0.0, None)
    assert plain["interval"][1] > 0  # of a rate: Wilson's
    assert "0.0 no verdicts" in cli(*given).out


def test_only_verdicts_in_both_orders_can_agree(cli, tmp_path):
    """The judge agrees with itself on city 1, contradicts itself on city 2, and of the others says one order or nothing."""
    replies = {
        r"(?s)city 1\..*good.*bad": "[[A]]", r"(?s)city 1\..*bad.*good": "[[B]]", r"city 2\.": "[[A]]",
        r"(?s)city 3\..*good.*bad": "[[A]]", ".": "I cannot tell.",
    }  # fmt: skip
    write_judge(tmp_path / "half.yaml", "pairwise", replies, sampling={"max_tokens": 16})
    assert figures(cli("mine.yaml", "half.yaml", "--json", "--quiet"))["order_consistency"] == 0.5


def test_two_judges_are_compared_on_the_same_items(cli):
    ended = cli("mine.yaml", "good.yaml", "first.yaml", "--json", "--quiet")
    [gap] = json.loads(ended.out)["compared"]
    assert (gap["judges"], gap["difference"], gap["items"], gap["shared_errors"]) == (["good", "first"], 1.0, 6, 0)


def test_the_second_run_asks_nothing(cli):
    assert figures(cli("mine.yaml", "good.yaml", "--json", "--quiet"))["judge_calls"] == 12
    assert figures(cli("mine.yaml", "good.yaml", "--json", "--quiet"))["judge_calls"] == 0


def test_the_table_fits_80_columns(cli):
    ended = cli("mine.yaml", "good.yaml", "first.yaml", "--quiet", "--price", "1,2")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "accuracy [95 %]" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("mine.yaml", "first.yaml", "--fail-below", "0.8"), 1, "--fail-below asks for 0.8", id="below"),
        pytest.param(("lmbar", "good.yaml"), 2, "did you mean `llmbar`?", id="misspelt-set"),
        pytest.param(("mine.yaml",), 2, "at least one CONFIG", id="no-config"),
        pytest.param(("mine.yaml", "none.yaml"), 2, "no such file", id="no-such-config"),
        pytest.param(("llmbar", "good.yaml"), 2, "--data PATH is missing", id="no-data"),
        pytest.param(("mine.yaml", "good.yaml", "--price", "free"), 2, "two numbers", id="price"),
        pytest.param(("mine.yaml", "good.yaml", "--order", "none"), 2, "both or own", id="order"),
        pytest.param(("odd.yaml", "good.yaml"), 2, "odd.yaml:2", id="line-of-the-set"),
        pytest.param(("right.yaml", "good.yaml"), 2, "use a pointwise", id="judge-of-pairs-on-single-labels"),
    ],
)
def test_a_mistake_has_its_place_and_its_code(cli, tmp_path, arguments, code, words):
    (tmp_path / "odd.yaml").write_text("kind: pairs\nmetrik: pairs\ndata: pairs.jsonl\n", encoding="utf-8")
    (tmp_path / "right.yaml").write_text("kind: right\ndata: pairs.jsonl\n", encoding="utf-8")
    ended = cli(*arguments, "--quiet")
    assert (ended.code, words in ended.err) == (code, True), ended.err


def test_best_of_several_by_pairs_and_by_single_grades(cli, tmp_path):
    """A judge of pairs meets each right answer with each wrong one; a judge of single answers sees each once."""
    wrong = [[f"bad {i}{c}" for c in "abc"] for i in range(3)]
    rows = [{"prompt": f"q{i}", "chosen": [f"good {i}"], "rejected": wrong[i]} for i in range(3)]
    write_rows(tmp_path / "best.jsonl", rows)
    (tmp_path / "best.yaml").write_text("kind: best\nmetric: rewardbench2\ndata: best.jsonl\n", encoding="utf-8")
    grades = {r"good \d": "Fine.\nVERDICT: 5", r"bad \da": "Hm.\nVERDICT: 2", ".": "No.\nVERDICT: 1"}
    write_judge(tmp_path / "grade.yaml", "pointwise", grades, rubric="helpfulness")
    found = json.loads(cli("best.yaml", "good.yaml", "grade.yaml", "--json", "--quiet").out)["judges"]
    assert [j["published"][0]["value"] for j in found] == [1.0, 1.0]
    assert [j["judge_calls"] for j in found] == [3 * 3 * 2, 3 * 4]
    assert found[1]["teacher"]["best_of_n"] == {"1": 0.25, "2": 0.5, "4": 1.0}


def test_criteria_bring_a_rubric_of_one(cli, tmp_path):
    """Each row is judged by its own criterion, against what each person said."""
    rows = [
        {"prompt": "q", "response": "a", "rubric": "It names a city.", "label": [True, True, False]},
        {"prompt": "r", "response": "b", "rubric": "It is short.", "label": [False, False, False]},
    ]
    write_rows(tmp_path / "criteria.jsonl", rows)
    (tmp_path / "criteria.yaml").write_text("kind: criteria\ndata: criteria.jsonl\n", encoding="utf-8")
    write_judge(tmp_path / "met.yaml", "checklist", {"names a city": "Yes.\nVERDICT: MET", ".": "No.\nVERDICT: UNMET"})
    found = figures(cli("criteria.yaml", "met.yaml", "--json", "--quiet"))
    assert found["published"][0] == {"name": "accuracy", "value": pytest.approx(5 / 6), "interval": [2 / 3, 1.0], "items": 2}
    from tests.cli_harness import run_judge

    [part] = json.loads(run_judge("agree", found["folder"], "--json", "--draws", "10").out)["parts"]
    names = {f["name"]: f["value"] for f in part["figures"]}
    assert (part["kind"], names["accuracy"]) == ("yes_no", 1.0)  # with what most of the three say
    assert names["alpha, people"] is not None


def test_shipped_sets_are_sound_and_known():
    """Every set by name has a title, a kind and a metric of that kind."""
    assert len(shipped_sets()) >= 8
    for name, spec in shipped_sets().items():
        assert spec.title
        assert spec.name == name
        assert load_set(name) is spec


@pytest.mark.parametrize(
    ("name", "data", "items"),
    [
        pytest.param("llmbar", "llmbar", 209, id="llmbar"),
        pytest.param("judgebench", "judgebench", 308, id="judgebench"),
        pytest.param("rm-bench", "rm_bench", 400, id="rm-bench"),
        pytest.param("pandalm", "pandalm", 499, id="pandalm"),
        pytest.param("auto-j", "autoj", 700, id="auto-j"),
        pytest.param("mt-bench-human", "mt_bench_human", 101, id="mt-bench-human"),
        pytest.param("rewardbench", "rewardbench_native", 432, id="rewardbench"),
    ],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the sets are not on this machine")
def test_published_rows_are_read_whole(name, data, items):
    """Not one row of the published files is lost."""
    found = read_items(load_set(name), str(SHARED / data))
    assert (len(found.items), found.bad) == (items, 0), found.first_bad


@pytest.mark.skipif(not SHARED.is_dir(), reason="the sets are not on this machine")
def test_improper_rows_of_evouna_are_left_out():
    found = read_items(load_set("evouna"), str(SHARED / "evouna"))
    assert (found.bad, len(found.items) + found.dropped) == (0, 1600)
    assert found.dropped > 0


def test_limit_keeps_the_share_of_each_subset(tmp_path):
    """Subsets lie one after the other in a file; ten of a hundred are not the first ten."""
    rows = [{**PAIRS[0], "prompt": f"q{i}", "subset": "a" if i < 80 else "b"} for i in range(100)]
    found = read_items(SetSpec(kind="pairs", name="x"), str(write_rows(tmp_path / "rows.jsonl", rows)), limit=10)
    assert [i.subset for i in found.items] == ["a"] * 8 + ["b"] * 2


def test_a_label_that_says_nothing_is_no_item(tmp_path):
    rows = [PAIRS[0], {**PAIRS[1], "label": "perhaps"}]
    found = read_items(SetSpec(kind="pairs", name="x"), str(write_rows(tmp_path / "rows.jsonl", rows)))
    assert (len(found.items), found.bad) == (1, 1)
    assert "'perhaps'" in found.first_bad


def test_no_item_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not say which response is better"):
        read_items(SetSpec(kind="pairs", name="x"), str(write_rows(tmp_path / "rows.jsonl", [{**PAIRS[0], "label": 7}])))


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(InputError, match="`rm-bench` is for styles sets"):
        SetSpec(kind="pairs", metric="rm-bench")


@pytest.mark.parametrize(
    ("label", "said"),
    [("Correct", 1.0), ("incorrect", 0.0), (1.0, 1.0), (False, 0.0), ("", None), ("unsure", None), (None, None)],
)
def test_words_of_yes_and_no(label, said):
    assert truth(label) == said


STEPS_RECIPE = """
name: by-words
summary: A step that says wrong is wrong.
mode: pointwise
source: {title: a test}
signal: steps
program: words_of_steps:judge
steps: {fold: first_error, base: program, split: paragraphs}
"""


def test_first_wrong_step_by_a_program(cli, tmp_path, monkeypatch):
    """The label counts the steps of the data, even where one of them holds a blank line; a step without a verdict is no index."""
    folder = tmp_path / "by-words"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(STEPS_RECIPE, encoding="utf-8")
    said = "[None if 'unclear' in s else float('wrong' not in s) for s in sample.steps]"
    (tmp_path / "words_of_steps.py").write_text(f"def judge(sample, index, options):\n    return {said}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = [
        {"id": "a", "problem": "p1", "steps": ["fine\n\nand fine", "wrong", "fine"], "label": 1},
        {"id": "b", "problem": "p2", "steps": ["fine", "fine"], "label": -1},
        {"id": "c", "problem": "p3", "steps": ["fine", "wrong"], "label": 0},
        {"id": "d", "problem": "p4", "steps": ["unclear", "wrong"], "label": 1},
    ]
    write_rows(tmp_path / "gsm8k.jsonl", rows)
    (tmp_path / "steps.yaml").write_text(json.dumps({"recipe": str(folder)}), encoding="utf-8")
    ended = cli("processbench", "steps.yaml", "--data", "gsm8k.jsonl", "--json", "--quiet")
    assert ended.code == 0, ended.err
    found = {f["name"]: f["value"] for f in figures(ended)["published"]}
    assert (found["with an error"], found["without"]) == (pytest.approx(1 / 3), 1.0)
    assert found["F1"] == found["GSM8K"] == pytest.approx(2 * (1 / 3) / (4 / 3))


def test_steps_want_a_recipe_of_steps(cli, tmp_path):
    write_rows(tmp_path / "gsm8k.jsonl", [{"problem": "p1", "steps": ["fine"], "label": -1}])
    ended = cli("processbench", "good.yaml", "--data", "gsm8k.jsonl")
    assert (ended.code, "use a" in ended.err) == (2, True)


def test_distractors_are_judged_beside_the_clean_documents(cli, tmp_path):
    """A judge that wants to see its document alone is right without the others' and wrong with them."""
    rows = [{"prompt": f"q{i}", "response": "yes", "context": [f"doc {i}"], "label": True, "id": str(i)} for i in range(8)]
    write_rows(tmp_path / "docs.jsonl", rows)
    (tmp_path / "docs.yaml").write_text("kind: right\ndata: docs.jsonl\n", encoding="utf-8")
    write_judge(
        tmp_path / "alone.yaml", "pointwise", {r"(?s)doc \d.*doc \d": "Crowded.\nVERDICT: 1", ".": "Fine.\nVERDICT: 5"},
        rubric="helpfulness", filters="off",
    )  # fmt: skip
    ended = cli("docs.yaml", "alone.yaml", "--distractors", "2", "--json", "--quiet")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert [(j["judge"], j["published"][0]["value"]) for j in found["judges"]] == [("alone", 1.0), ("alone+2", 0.0)]
    assert found["compared"][0]["difference"] == 1.0


def test_distractors_want_documents(cli):
    ended = cli("mine.yaml", "good.yaml", "--distractors", "2")
    assert (ended.code, "no documents" in ended.err) == (2, True)


def test_a_recipe_that_needs_what_no_row_has(cli, tmp_path):
    (tmp_path / "right.yaml").write_text("kind: right\ndata: right.jsonl\n", encoding="utf-8")
    write_rows(tmp_path / "right.jsonl", [{"prompt": "q", "response": "a", "label": True}])
    write_judge(tmp_path / "check.yaml", "verifier", {".": "VERDICT: CORRECT"})
    ended = cli("right.yaml", "check.yaml")
    assert (ended.code, "needs `reference`, and no row" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "data", "items"),
    [
        pytest.param("evalbiasbench", "evalbiasbench", 38, id="evalbiasbench"),
        pytest.param("hhh", "hhh_alignment", 109, id="hhh"),
        pytest.param("ifbench-rm", "ifbench_rm", 180, id="ifbench-rm"),
        pytest.param("rmb", "rmb/pairwise.jsonl", 400, id="rmb"),
        pytest.param("rmb-best", "rmb/bon.jsonl", 150, id="rmb-best"),
        pytest.param("rewardbench2", "rewardbench2_style", 80, id="rewardbench2"),
        pytest.param("halueval", "halueval_general", 500, id="halueval"),
        pytest.param("ifeval-checked", "ifeval/checked_responses.jsonl", 10, id="ifeval"),
        pytest.param("prometheus-absolute", "prometheus_absolute", 316, id="prometheus"),
        pytest.param("topical-chat", "topical_chat", 720, id="topical-chat"),
        pytest.param("math-best-of-8", "math_best_of_8", 49, id="math-best-of-8"),
        pytest.param("processbench", "processbench", 1208, id="processbench"),
        pytest.param("prm800k", "prm800k", 6, id="prm800k"),
        pytest.param("healthbench-graded", "healthbench/m42_graded_responses.jsonl", 552, id="healthbench-graded"),
    ],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the sets are not on this machine")
def test_more_published_rows_are_read_whole(name, data, items):
    found = read_items(load_set(name), str(SHARED / data))
    assert (len(found.items), found.bad) == (items, 0), found.first_bad


def test_best_of_several_by_a_tournament(cli, tmp_path):
    """With `group` the responses of an item compete, and what wins is the best."""
    rows = [{"prompt": f"q{i}", "chosen": [f"good {i}"], "rejected": [f"bad {i}a", f"bad {i}b"]} for i in range(3)]
    write_rows(tmp_path / "best.jsonl", rows)
    (tmp_path / "best.yaml").write_text("kind: best\ndata: best.jsonl\n", encoding="utf-8")
    replies = {**GOOD_FIRST, r"(?s)bad": "Alike.\n[[C]]"}
    write_judge(tmp_path / "cup.yaml", "pairwise", replies, group={"schedule": "round_robin"})
    found = figures(cli("best.yaml", "cup.yaml", "--json", "--quiet"))
    assert (found["published"][0]["value"], found["failed"]) == (1.0, 0.0)


def test_three_by_three_styles_end_to_end(cli, tmp_path):
    """A judge that falls for Markdown is right where the chosen answer is fancier, and wrong where the rejected one is."""
    row = {
        "id": 1, "prompt": "q", "domain": "chat",
        "chosen": ["style1 yes", "style2 yes", "style3 yes"], "rejected": ["style1 no", "style2 no", "style3 no"],
    }  # fmt: skip
    write_rows(tmp_path / "rm.jsonl", [row, {**row, "prompt": "r"}])
    grades = {r"style3": "VERDICT: 5", r"style2": "VERDICT: 3", r"style1 yes": "VERDICT: 2", ".": "VERDICT: 1"}
    write_judge(tmp_path / "style.yaml", "pointwise", grades, rubric="helpfulness", filters="off")
    found = {
        f["name"]: f["value"]
        for f in figures(cli("rm-bench", "style.yaml", "--data", "rm.jsonl", "--json", "--quiet"))["published"]
    }
    assert (found["hard"], found["easy"]) == (0.0, 1.0)
    assert found["normal"] == pytest.approx(1 / 3)  # of one style the two are told apart, of the others they tie


@pytest.mark.parametrize("each", [1, 2, 4])
def test_styles_want_three_of_each(cli, tmp_path, each):
    """Of one style there is no hard and no easy comparison, so nothing is measured and nothing judged."""
    texts = {side: [f"{side} {i}" for i in range(each)] for side in ("chosen", "rejected")}
    write_rows(tmp_path / "s.jsonl", [{"prompt": "q", **texts}])
    (tmp_path / "s.yaml").write_text("kind: styles\ndata: s.jsonl\n", encoding="utf-8")
    ended = cli("s.yaml", "good.yaml", "--quiet")
    assert (ended.code, f"got {each} and {each}" in ended.err, ended.out) == (2, True, ""), ended.err


def test_contrast_is_judged_under_both_instructions(cli, tmp_path):
    rows = [
        {"instruction_1": f"Name city {i}", "instruction_2": f"Name river {i}", "response_a": "city", "response_b": "river"}
        for i in range(2)
    ]
    write_rows(tmp_path / "c.jsonl", rows)
    grades = {r"(?s)Name city.*RESPONSE.*city": "VERDICT: 5", r"(?s)Name river.*RESPONSE.*river": "VERDICT: 5", ".": "VERDICT: 1"}
    write_judge(tmp_path / "fits.yaml", "pointwise", grades, rubric="helpfulness", filters="off")
    found = figures(cli("contrast-instructions", "fits.yaml", "--data", "c.jsonl", "--json", "--quiet"))
    assert {f["name"]: f["value"] for f in found["published"]} == {"response": 1.0, "instruction": 1.0}
    assert found["judge_calls"] == 2 * 4


def test_the_list_of_sets_fits_80_columns(cli):
    ended = cli("--list")
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert json.loads(cli("--list", "--json").out).keys() == shipped_sets().keys()


def test_checked_sets_are_those_that_a_test_reads(cli):
    """`checked: yes` is earned by a test over published rows, and the list says which sets were never looked at."""
    read = {p.values[0] for test in (test_published_rows_are_read_whole, test_more_published_rows_are_read_whole)
            for mark in test.pytestmark if mark.name == "parametrize" for p in mark.args[1]} | {"evouna"}  # fmt: skip
    read.remove("rewardbench2")  # its rows are those of another set in its columns
    assert {name for name, spec in shipped_sets().items() if spec.checked} == read
    listed = {line.split()[0]: line.split()[2] for line in cli("--list").out.splitlines()}
    assert (listed["llmbar"], listed["helpsteer3"], listed["rubricbench"]) == ("yes", "card", "no")


def test_a_list_of_criteria_is_an_item_each(tmp_path):
    """One criterion at a time, with its own label; the interval draws whole responses."""
    row = {"prompt": "q", "response": "a", "rubrics": [{"criterion": "one"}, {"criterion": "two"}], "met": [True, False]}
    spec = SetSpec(kind="criteria", name="x", criterion=("rubrics.*.criterion",), gold=("met",))
    found = read_items(spec, str(write_rows(tmp_path / "rows.jsonl", [row])))
    assert [(i.sample.rubric.criteria[0].text, i.gold) for i in found.items] == [("one", (1.0,)), ("two", (0.0,))]
    assert len({i.cluster for i in found.items}) == 1


ASKED = [{"role": "user", "content": "q"}]


@pytest.mark.parametrize(
    ("name", "row", "responses", "gold", "subset"),
    [
        pytest.param(
            "rewardbench2",
            {"id": "tied:3", "prompt": "q", "chosen": ["a", "b"], "rejected": ["c"], "num_correct": 2, "subset": "Ties"},
            ("a", "b", "c"), (1, 1, 0), "Ties", id="rewardbench2",
        ),
        pytest.param(
            "m-rewardbench",
            {"id": 1, "prompt": "q", "chosen": "a", "rejected": "b", "language": "deu_Latn", "source": "hep-cpp"},
            ("a", "b"), (1,), "deu_Latn/hep-cpp", id="m-rewardbench",
        ),
        pytest.param(
            "helpsteer3",
            {"domain": "code", "context": ASKED, "response1": "a", "response2": "b", "overall_preference": 2},
            ("a", "b"), (-1,), "code", id="helpsteer3",
        ),
        pytest.param(
            "ppe-human",
            {"prompt": "q", "response_1": "a", "response_2": "b", "winner": "tie (bothbad)", "language": "English"},
            ("a", "b"), (0,), "English", id="ppe-human",
        ),
        pytest.param(
            "ppe-correctness",
            {"prompt": "q", **{f"response_{i}": f"a{i}" for i in range(1, 33)}, "scores": [i % 2 == 0 for i in range(32)]},
            tuple(f"a{i}" for i in range(1, 33)), tuple(float(i % 2 == 0) for i in range(32)), "rows", id="ppe-correctness",
        ),
        pytest.param(
            "verifierbench",
            {"question": "q", "gold_answer": "4", "llm_response": "a", "gold_judgment": "C", "domain": "math"},
            ("a",), (0,), "math", id="verifierbench",
        ),
        pytest.param(
            "verifybench",
            {"question": "q", "answer": "4", "completion": "a", "gold_correct": True, "answer_type": "numeric"},
            ("a",), (1,), "numeric", id="verifybench",
        ),
        pytest.param(
            "healthbench-meta",
            {"prompt": ASKED, "completion": "a", "rubric": "It names a doctor.", "category": "c", "binary_labels": [True, False]},
            ("a",), (1, 0), "c", id="healthbench-meta",
        ),
        pytest.param(
            "fc-rewardbench",
            {"conversation": ASKED, "tools": ["add(a, b)"], "chosen_output": "add(1, 2)", "rejected_output": "sub(1, 2)"},
            ("add(1, 2)", "sub(1, 2)"), (1,), "rows", id="fc-rewardbench",
        ),
        pytest.param(
            "ruverbench",
            {"query": "q", "response": "a", "rubric": "It cites a source.", "label": 0, "domain": "research"},
            ("a",), (0,), "research", id="ruverbench",
        ),
        pytest.param(
            "rubricbench",
            {"instruction": "q", "chosen": "a", "rejected": "b", "rubric": ["It is short."], "domain": "chat"},
            ("a", "b"), (1,), "chat", id="rubricbench",
        ),
        pytest.param(
            "halueval-qa",
            {"knowledge": "a passage", "question": "q", "right_answer": "a", "hallucinated_answer": "b"},
            ("a", "b"), (1,), "rows", id="halueval-qa",
        ),
        pytest.param(
            "summeval",
            {"aspect": "Fluency: is it fluent?", "source": "q", "target": "a", "human_rating": 4.5},
            ("a",), (4.5,), "rows", id="summeval",
        ),
    ],
)  # fmt: skip
def test_columns_as_the_cards_name_them(tmp_path, name, row, responses, gold, subset):
    [item] = read_items(load_set(name), str(write_rows(tmp_path / "rows.jsonl", [row]))).items
    assert (item.sample.responses, item.gold, item.subset, item.sample.prompt_text) == (responses, gold, subset, "q")
    if "rubric" in row or "aspect" in row:
        assert item.sample.rubric is not None
    if "tools" in row or "knowledge" in row:
        assert item.sample.context


def test_a_listwise_judge_sees_all_in_an_order_of_the_item(cli, tmp_path):
    """The right answer stands first in the data; a judge that always names the first of a list is right by chance only."""
    rows = [
        {"prompt": f"q{i}", "chosen": [f"good {i}"], "rejected": [f"bad {i}{c}" for c in "abc"], "subset": "Math"}
        for i in range(40)
    ]
    write_rows(tmp_path / "rb2.jsonl", rows)
    write_judge(tmp_path / "first4.yaml", "rewardbench2", {".": "Fine.\n[[A]]"}, filters="off")
    found = figures(cli("rewardbench2", "first4.yaml", "--data", "rb2.jsonl", "--json", "--quiet"))
    assert (found["judge_calls"], found["teacher"]) == (40, None)
    assert 0.05 < found["published"][0]["value"] < 0.5


def test_long_names_of_subsets_leave_room_for_the_figure(cli, tmp_path):
    rows = [{**row, "subset": f"a/very/long/path/of/many/words/that/goes/on/{row['subset']}"} for row in PAIRS]
    write_rows(tmp_path / "pairs.jsonl", rows)
    ended = cli("mine.yaml", "good.yaml", "--quiet")
    assert "goes/on/a  100.0 [43.9, 100.0]" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("length", [4, 8, 10, 12, 16, 40])
def test_a_long_name_cuts_no_figure(cli, tmp_path, length):
    """Eighty columns: the name of the configuration gives way, and every figure stands whole."""
    name = "n" * length + ".yaml"
    (tmp_path / name).write_text((tmp_path / "good.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    ended = cli("mine.yaml", name, "--quiet", "--draws", "10")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["judge"])
    assert max(map(len, lines[head : head + 3])) <= 80
    assert lines[head].split()[-2:] == ["tokens", "s"]
    row = lines[head + 2]
    assert ("…" in row) == (length > 10)
    assert row.count("%") == 5  # all, parsed, orders, ties, none
