"""`judge agree` on run folders made by `judge run` and `judge bench`."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from judge.bench.agree import AgreeOptions, agree_part
from judge.bench.labelled import Observations
from tests.bench.bench_harness import write_judge, write_rows

GRADES = {r"grade(\d)": "", **{rf"grade{n}\b": f"Fine.\nVERDICT: {n}" for n in range(1, 6)}}
del GRADES[r"grade(\d)"]


@pytest.fixture
def cli(tmp_path, monkeypatch):
    from tests.cli_harness import run_judge

    monkeypatch.chdir(tmp_path)
    write_judge(tmp_path / "judge.yaml", "pointwise", GRADES, rubric="helpfulness", filters="off")
    return run_judge


def run(cli, rows, *more, name="run", config="judge.yaml"):
    from pathlib import Path

    write_rows(Path("rows.jsonl"), rows)
    ended = cli("run", config, "--data", "rows.jsonl", "--output", name, "--quiet", *more)
    assert ended.code == 0, ended.err
    return name


def agreed(cli, *args):
    ended = cli("agree", *args, "--json", "--draws", "50")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def values(part):
    return {f["name"]: f["value"] for f in part["figures"]}


def rows(grades, labels, **more):
    return [
        {"prompt": f"q{i}", "response": f"grade{g} answer {i}", "label": y, **{k: v[i] for k, v in more.items()}}
        for i, (g, y) in enumerate(zip(grades, labels, strict=True))
    ]


def test_yes_and_no(cli):
    """Grades 5, 4, 1, 2, 5 are yes, yes, no, no, yes; four of five agree; three of five labels are yes."""
    name = run(cli, rows([5, 4, 1, 2, 5], [True, True, False, True, False]))
    [part] = agreed(cli, name)["parts"]
    assert (part["kind"], part["labels"], part["always_one_answer"]) == ("yes_no", 5, 0.6)
    found = values(part)
    assert found["accuracy"] == 0.6
    assert found["Cohen kappa"] == pytest.approx((0.6 - 0.52) / 0.48)
    assert found["ECE"] is not None


def test_balanced_accuracy_where_one_label_occurs(cli):
    """No label says no, so that class has no recall; the mean of the others is the accuracy, in every draw."""
    [part] = agreed(cli, run(cli, rows([5, 1, 4, 2], [True] * 4)))["parts"]
    found = {f["name"]: (f["value"], f["interval"]) for f in part["figures"]}
    assert found["balanced accuracy"] == found["accuracy"]
    assert found["accuracy"][0] == 0.5


def test_numbers_on_their_own_scale(cli):
    """Grade 3 of 1 to 5 is 0.5 in [0, 1], and 3 on the labels' scale."""
    name = run(cli, rows([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]))
    [part] = agreed(cli, name)["parts"]
    found = values(part)
    assert part["kind"] == "number"
    assert (found["exact"], found["mean absolute error"], found["quadratic kappa"]) == (1.0, 0.0, 1.0)
    off = agreed(cli, name, "--scale", "0,10")["parts"][0]
    assert values(off)["bias"] == pytest.approx(np.mean([0, 2.5, 5, 7.5, 10]) - 3)


def test_one_number_as_label_is_no_scale(cli):
    """The least and the largest label are the same, so every reward would be right; with the ends said it is counted."""
    name = run(cli, rows([5, 4, 1, 2], [3, 3, 3, 3]))
    ended = cli("agree", name)
    assert (ended.code, "every label is 3" in ended.err, "--scale" in ended.err) == (2, True, True)
    found = values(agreed(cli, name, "--scale", "1,5")["parts"][0])
    assert (found["mean absolute error"], found["exact"]) == (1.5, 0.0)


def test_a_subset_is_on_the_scale_of_all(cli):
    """Labels of one subset are all 5: its grades 5 and 1 are off by 0 and by 4, as beside the others."""
    name = run(cli, rows([5, 1] * 3 + [1, 3] * 3, [5] * 6 + [1, 3] * 3, subset=["a"] * 6 + ["b"] * 6), "--keep", "subset")
    first, _ = agreed(cli, name)["subsets"]
    assert (first["name"], values(first)["mean absolute error"]) == ("a", 2.0)


def test_a_criterion_with_one_number_has_no_error():
    part = agree_part("c", observed("number", [0.2, 0.8, 1.0], [3, 3, 3], [1, 2, 3]), AgreeOptions(draws=10))
    found = {f.name: f.value for f in part.figures}
    assert (math.isnan(found["mean absolute error"]), math.isnan(found["bias"]), "exact" in found) == (True, True, False)


def test_failed_verdicts_are_wrong_of_all(cli):
    name = run(cli, rows([5, 1, 9], [1, 0, 1]))
    [part] = agreed(cli, name)["parts"]
    assert (part["labels"], part["failed"]) == (3, 1)
    assert (values(part)["accuracy"], values(part)["accuracy, parsed"]) == (pytest.approx(2 / 3), 1.0)


def test_the_name_of_a_subset_cannot_steer_the_terminal(cli):
    """Names of subsets are cells of the data."""
    name = run(cli, rows([5, 1] * 6, [1, 0] * 6, subset=["a\x1b[2J"] * 6 + ["b"] * 6), "--keep", "subset")
    out = cli("agree", name).out
    assert ("\x1b" in out, "a\\u001b[2J" in out) == (False, True)


def test_subsets_have_their_own_figures(cli):
    data = rows([5, 5, 5, 5, 5] * 2, [1] * 5 + [0] * 5, subset=["a"] * 5 + ["b"] * 5)
    found = agreed(cli, run(cli, data, "--keep", "subset"))
    assert {p["name"]: values(p)["accuracy"] for p in found["subsets"]} == {"a": 1.0, "b": 0.0}


def test_labels_of_each_response(cli):
    data = [{"prompt": "q", "responses": ["grade5", "grade1", "grade4"], "label": [True, False, False]}]
    [part] = agreed(cli, run(cli, data))["parts"]
    assert (part["labels"], values(part)["accuracy"]) == (3, pytest.approx(2 / 3))


def test_several_people_and_the_judge(cli):
    """Three people; the judge is compared with what most say, and their own agreement stands beside."""
    data = rows([5, 1, 5, 1], [[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    found = values(agreed(cli, run(cli, data))["parts"][0])
    assert found["accuracy"] == 1.0
    assert 0 < found["Fleiss kappa, people"] < 1
    assert found["alpha, people and judge"] > found["alpha, people"]


def test_the_better_of_two(cli, tmp_path):
    """Graded one by one, the larger reward is preferred; equal rewards are a tie, which is no agreement."""
    data = [
        {"prompt": f"q{i}", "response_a": f"grade{a}", "response_b": f"grade{b}", "label": y}
        for i, (a, b, y) in enumerate([(5, 1, "A"), (1, 4, "B"), (3, 3, "A"), (2, 2, "tie")])
    ]
    [part] = agreed(cli, run(cli, data))["parts"]
    assert (part["kind"], values(part)["accuracy"], values(part)["ties of the judge"]) == ("better", 0.75, 0.5)


def test_criteria_with_labels_of_their_own(cli, tmp_path):
    write_judge(
        tmp_path / "list.yaml", "checklist", {"names a city": "Yes.\nVERDICT: MET", ".": "No.\nVERDICT: UNMET"},
        rubric={"name": "r", "criteria": [{"id": "city", "text": "It names a city."}, {"id": "short", "text": "It is short."}]},
    )  # fmt: skip
    data = [{"prompt": f"q{i}", "response": f"answer {i}", "people": {"city": i % 2 == 0, "short": False}} for i in range(4)]
    name = run(cli, data, "--keep", "people", config="list.yaml")
    found = {p["name"]: values(p)["accuracy"] for p in agreed(cli, name, "--label", "people")["parts"]}
    assert found == {"city": 0.5, "short": 1.0}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("citty", "no criterion `citty` in this run; did you mean `city`?", id="mistyped"),
        pytest.param("zzz", "no criterion `zzz` in this run; it has city, short", id="unknown"),
    ],
)
def test_labels_of_a_criterion_that_was_not_judged(cli, tmp_path, name, words):
    """A name that the rubric does not have is no judge that is always wrong; a label that is empty asks for nothing."""
    criteria = [{"id": "city", "text": "It names a city."}, {"id": "short", "text": "It is short."}]
    write_judge(tmp_path / "list.yaml", "checklist", {".": "Yes.\nVERDICT: MET"}, rubric={"name": "r", "criteria": criteria})
    data = [{"prompt": f"q{i}", "response": f"answer {i}", "people": {"city": True, name: i == 0}} for i in range(4)]
    made = run(cli, data, "--keep", "people", config="list.yaml")
    ended = cli("agree", made, "--label", "people")
    assert (ended.code, words in " ".join(ended.err.split())) == (2, True), ended.err
    empty = run(
        cli, [{**row, "people": {"city": True, name: None}} for row in data], "--keep", "people", config="list.yaml", name="e"
    )
    assert [p["name"] for p in agreed(cli, empty, "--label", "people")["parts"]] == ["city"]


def test_labels_of_criteria_on_a_run_without_any(cli):
    name = run(cli, [{**row, "label": {"city": True}} for row in rows([5, 1], [1, 0])])
    ended = cli("agree", name)
    assert (ended.code, "no criterion `city` in this run; it has" in ended.err) == (2, True), ended.err


def test_two_judges_share_their_errors(cli, tmp_path):
    """The second judge calls everything good: wrong on the two bad ones; the first is wrong on one of these."""
    data = rows([5, 5, 1, 5], [1, 1, 0, 0])
    first = run(cli, data, name="a")
    write_judge(tmp_path / "kind.yaml", "pointwise", {".": "Fine.\nVERDICT: 5"}, rubric="helpfulness", filters="off")
    second = run(cli, data, name="b", config="kind.yaml")
    [beside] = agreed(cli, first, second)["beside"]
    assert (beside["wrong_first"], beside["wrong_second"], beside["wrong_both"]) == (0, 1, 1)
    assert {f["name"]: f["value"] for f in beside["figures"]}["difference"] == 0.25


def test_a_bench_folder_has_its_labels(cli, tmp_path):
    write_rows(
        tmp_path / "pairs.jsonl", [{"prompt": f"q{i}", "response_a": "good", "response_b": "bad", "label": "A"} for i in range(4)]
    )
    (tmp_path / "set.yaml").write_text("kind: pairs\ndata: pairs.jsonl\n", encoding="utf-8")
    write_judge(tmp_path / "pw.yaml", "pairwise", {r"(?s)good.*bad": "[[A]]", ".": "[[B]]"})
    assert cli("bench", "set.yaml", "pw.yaml", "--quiet").code == 0
    assert values(agreed(cli, "runs/bench/set/pw")["parts"][0])["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("run", "--fail-below", "0.9"), 1, "--fail-below asks for 0.9", id="below"),
        pytest.param(("run", "--label", "lable"), 2, "did you mean `label`?", id="misspelt-column"),
        pytest.param(("nowhere",), 2, "no such run folder", id="no-run"),
        pytest.param(("run", "--scale", "5"), 2, "two numbers", id="scale"),
    ],
)
def test_a_mistake_has_its_code(cli, arguments, code, words):
    run(cli, rows([5, 4, 1, 2, 5], [True, True, False, True, False]))
    ended = cli("agree", *arguments)
    assert (ended.code, words in ended.err) == (code, True), ended.err


def test_labels_outside_the_scale_are_refused(cli):
    ended = cli("agree", run(cli, rows([5, 4, 1, 2], [5, 4, 1, 2])), "--scale", "2,3")
    assert (ended.code, "labels reach from 1 to 5, and the scale is 2,3" in ended.err) == (2, True)


def test_odd_words_are_named(cli):
    name = run(cli, rows([5, 1], ["splendid", "dreadful"]))
    ended = cli("agree", name)
    assert (ended.code, "--positive" in ended.err) == (2, True)
    assert values(agreed(cli, name, "--positive", "splendid", "--negative", "dreadful")["parts"][0])["accuracy"] == 1.0


def test_labels_that_are_all_empty_are_called_so(cli):
    """`label` is always kept, so keeping it is no advice; another column has to be asked for."""
    name = run(cli, rows([5, 1], [None, None]))
    ended = cli("agree", name)
    assert (ended.code, "empty in every row" in ended.err, "--keep" in ended.err) == (2, True, False), ended.err
    assert "--keep human" in cli("agree", name, "--label", "human").err


@pytest.mark.parametrize("command", ["agree", "calibrate"])
def test_a_word_cannot_mean_yes_and_no(cli, command):
    ended = cli(command, run(cli, rows([5, 1], ["good", "bad"])), "--positive", "good", "--negative", "Good,bad")
    assert (ended.code, "`good` stands in --positive and in --negative" in ended.err) == (2, True)


def test_the_table_fits_80_columns(cli):
    name = run(cli, rows([5, 4, 1, 2, 5], [True, True, False, True, False]))
    ended = cli("agree", name, "--draws", "20")
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80


def observed(kind, scores, labels, lengths, formatted=None):
    n = len(scores)
    names = tuple(map(str, range(n)))
    keys = tuple((i, 0) for i in range(n))
    columns = [np.array(x, dtype=float) for x in (scores, labels, lengths, formatted or [0] * n)]
    return Observations(kind, columns[0], columns[1], names, keys, names, ("",) * n, columns[2], columns[3], np.zeros(n))


def test_a_judge_that_loves_length_is_told_from_labels_that_do():
    """The labels favour length as much as the judge does: no effect. Labels by coin: an effect."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 4000, 200)
    long = (lengths > 1000).astype(float)
    same = agree_part("x", observed("yes_no", long, long, lengths), AgreeOptions(draws=100)).effects
    coin = agree_part("x", observed("yes_no", long, rng.integers(0, 2, 200), lengths), AgreeOptions(draws=100)).effects
    assert next(f for f in same if f.name == "length").value == pytest.approx(0)
    assert next(f for f in coin if f.name == "length").interval.low > 0.1


def test_format_and_place_of_pairs():
    """Prefers the first, and what is formatted, each more than the labels do."""
    part = agree_part(
        "x", observed("better", [1, 1, 1, -1], [1, -1, -1, -1], [5, 5, -5, -5], [1, 1, 0, -1]), AgreeOptions(draws=10)
    )
    found = {f.name: f.value for f in part.effects}
    assert found["first place"] == pytest.approx(np.mean([0, 2, 2, 0]) / 2)
    assert found["format"] == pytest.approx((0 + 1) / 2 - 0)


def test_nothing_to_say_is_no_number():
    part = agree_part("x", observed("yes_no", [math.nan, math.nan], [1, 0], [1, 2]), AgreeOptions(draws=10))
    assert part.failed == 2
    assert math.isnan(next(f for f in part.figures if f.name == "ROC AUC").value)


def test_both_orders_of_a_pairwise_judge(cli, tmp_path):
    """A judge that names what is shown first agrees with itself never, and prefers the first always."""
    write_judge(tmp_path / "first.yaml", "pairwise", {".": "Short.\n[[A]]"})
    data = [{"prompt": f"q{i}", "response_a": "one", "response_b": "two", "label": "A"} for i in range(4)]
    found = values(agreed(cli, run(cli, data, config="first.yaml"))["parts"][0])
    assert (found["orders agree"], found["shown first preferred"], found["accuracy"]) == (0.0, 1.0, 0.0)


def test_one_correlation():
    """Pearson and Spearman against scipy, with what is missing left out and ties at their mean rank."""
    import numpy as np
    from scipy import stats

    from judge.arrays import pearson, spearman

    rng = np.random.default_rng(3)
    x = rng.integers(0, 6, 40).astype(float)
    y = x + rng.normal(size=40)
    with_gaps = np.where(np.arange(40) % 7 == 0, np.nan, x)
    known = ~np.isnan(with_gaps)
    assert pearson(with_gaps, y) == pytest.approx(stats.pearsonr(x[known], y[known])[0])
    assert spearman(with_gaps, y) == pytest.approx(stats.spearmanr(x[known], y[known])[0])
    assert np.isnan([pearson(x, np.full(40, 0.1)), spearman(x[:2], y[:2]), pearson(x[:7], y[:7], least=8)]).all()
