"""Calibration: maps against second implementations, promises on labels that were not used, and a run that uses the file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import optimize

from judge.bench.agreement import calibration_error
from judge.bench.calibrate import (
    fitted,
    folds_of,
    isotonic_map,
    least_labels,
    levels_map,
    platt_map,
    sure_threshold,
)
from judge.bench.ppi import ask_next, powered_mean
from judge.pipeline.build import plan
from judge.settings.load import load_settings
from judge.shape.calibrated import calibrated, log_odds
from tests.bench.bench_harness import SHARED, write_judge, write_rows

VOTES = SHARED / "triviaqa_judge_votes" / "v1.jsonl"
needs_votes = pytest.mark.skipif(not VOTES.is_file(), reason="the votes are not on this machine")


def votes(*names):
    """(mean vote of up to eleven judges, human verdict, question) of 1200 answers a file."""
    files = [VOTES.with_name(f"{name}.jsonl") for name in names or ("v1",)]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    known = [[v for v in row["votes"].values() if v is not None] for row in rows]
    kept = [(sum(v) / len(v), float(row["human"]), row["question"]) for v, row in zip(known, rows, strict=True) if v]
    scores, human, questions = zip(*kept, strict=True)
    return np.array(scores), np.array(human), list(questions)


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_equals_another_solver(seed):
    """Pool adjacent violators against the least-squares solution found by bounded optimisation of the steps."""
    rng = np.random.default_rng(seed)
    x = np.arange(12) / 11
    y = rng.integers(0, 2, 12).astype(float)
    lower = np.tril(np.ones((12, 12)))  # a rising fit is a start and steps that are not negative
    best = optimize.lsq_linear(lower, y, bounds=([-np.inf] + [0] * 11, np.inf), tol=1e-14)
    assert calibrated(x, isotonic_map(x, y)) == pytest.approx(lower @ best.x, abs=1e-6)


def test_platt_is_the_likeliest_curve():
    """No other slope or offset fits Platt's targets better."""
    rng = np.random.default_rng(1)
    x = rng.random(80)
    y = (rng.random(80) < x).astype(float)
    found = platt_map(x, y)
    up, down = y.sum(), (1 - y).sum()
    target = np.where(y == 1, (up + 1) / (up + 2), 1 / (down + 2))

    def loss(beta):
        p = 1 / (1 + np.exp(-(beta[0] * log_odds(x) + beta[1])))
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    other = optimize.minimize(loss, [0.5, 0.5], method="BFGS").x
    assert [found.slope, found.offset] == pytest.approx(other, abs=1e-3)


def test_platt_of_separable_labels_is_finite():
    found = platt_map([0, 0, 1, 1], [0, 0, 1, 1])
    assert math.isfinite(found.slope)
    assert found.slope > 0


def test_levels_are_shares_with_one_label_of_the_base_rate():
    assert calibrated(np.array([0.0, 1.0]), levels_map([0, 0, 1, 1], [0, 0, 1, 1])).tolist() == [0.5 / 3, 2.5 / 3]


@needs_votes
@pytest.mark.parametrize("method", ["isotonic", "platt", "levels"])
def test_one_half_calibrates_the_other(method):
    """Recorded votes and human verdicts: fitted on one half of the questions, the calibration error of the other half falls."""
    scores, human, questions = votes()
    scores = np.round(scores, 1)
    for seed in range(5):
        half = folds_of(questions, 2, seed)
        fit, test = half == 0, half == 1
        after = calibrated(scores[test], fitted(method, scores[fit], human[fit]))
        weights = np.ones(int(test.sum()))
        assert calibration_error(after, human[test])(weights) < calibration_error(scores[test], human[test])(weights)


@needs_votes
@pytest.mark.parametrize("together", [True, False], ids=["new-questions", "new-answers"])
def test_a_promised_error_holds_on_the_other_half(together):
    """A quarter fits, a quarter finds the threshold; on the other half over 5 % are wrong in at most 5 of 100 splits."""
    scores, human, questions = votes("v1", "v2")
    broken = promised = 0
    kept = []
    for seed in range(100):
        units = questions if together else list(range(len(questions)))
        half, quarter = folds_of(units, 2, seed), folds_of(units, 2, seed + 1000)
        fit, find, test = (half == 0) & (quarter == 0), (half == 0) & (quarter == 1), half == 1
        chance = calibrated(scores, fitted("isotonic", scores[fit], human[fit]))
        sure = sure_threshold(chance[find], human[find], error=0.05, clusters=[u for u, f in zip(units, find, strict=True) if f])
        if sure is not None:
            stay = np.maximum(chance, 1 - chance)[test] >= sure.least
            promised += 1
            broken += ((chance[test] >= 0.5) != (human[test] >= 0.5))[stay].mean() > 0.05
            kept.append(stay.mean())
    assert promised > 50
    assert broken <= 5
    assert np.mean(kept) > 0.3


def test_a_threshold_is_exact_at_its_rate():
    """Simulated, where the true error is known: the promise of 10 % is broken in at most 5 % of the runs, and not never."""
    rng = np.random.default_rng(3)
    broken = 0
    for _ in range(300):
        p = rng.uniform(0.5, 1, 400)
        y = (rng.random(400) < p).astype(float)
        sure = sure_threshold(p, y, error=0.1)
        if sure is not None:
            broken += (1 - (1 + sure.least) / 2) > 0.1  # true error above the threshold: mean of 1 - p there
    assert 0 < broken <= 0.05 * 300 + 3 * math.sqrt(0.05 * 0.95 * 300)


def test_too_few_labels_promise_nothing():
    """Sixty right answers are needed for 5 % at 95 %, even without one error: with 58 there is no promise."""
    assert sure_threshold([0.99] * 58, [1] * 58, error=0.05) is None
    assert sure_threshold([0.99] * 59, [1] * 59, error=0.05) is not None
    assert least_labels(0.05, 0.95) == 2 * 59


def test_answers_of_one_question_are_one_trial():
    """A hundred copies of one question promise nothing."""
    assert sure_threshold([0.99] * 100, [1] * 100, error=0.05, clusters=["q"] * 100) is None


@needs_votes
def test_prediction_powered_mean_is_shorter_and_covers():
    """200 of 1200 labels: shorter than the labels' own interval, and over the true mean in at least 95 of 100 splits."""
    scores, human, questions = votes()
    true = human.mean()
    covered, shorter = 0, []
    for seed in range(100):
        few = np.zeros(len(human), dtype=bool)
        few[np.random.default_rng(seed).permutation(len(human))[:200]] = True
        found = powered_mean(np.where(few, human, np.nan), scores, questions)
        covered += found.interval.low <= true <= found.interval.high
        shorter.append((found.interval.high - found.interval.low) / (found.plain_interval.high - found.plain_interval.low))
    assert covered >= 95
    assert np.mean(shorter) < 0.95


def test_a_useless_judge_costs_nothing():
    """Noise: lambda near 0, and the interval is the labels' own."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000).astype(float)
    found = powered_mean(np.where(np.arange(3000) < 300, truth, np.nan), rng.random(3000))
    assert found.power < 0.25
    ratio = (found.interval.high - found.interval.low) / (found.plain_interval.high - found.plain_interval.low)
    assert 0.95 < ratio < 1.02


def test_ppi_by_hand():
    """Labels 1, 0; judged 1, 0; three more judged 1, 1, 0, and lambda 1 for the arithmetic: 2/3 + mean(0, 0)."""
    from judge.bench import ppi

    found = powered_mean([1, 0, math.nan, math.nan, math.nan], [1, 0, 1, 1, 0])
    assert found.estimate == pytest.approx(found.power * 2 / 3 + (1 - found.power) * 0.5)
    assert 0 < found.power <= 1
    assert ppi._variance(np.array([1.0, 0.0]), "ab") == pytest.approx(0.5 / 4 * 2)


def test_labels_for_a_width():
    """Halving the width takes four times the labels where the judge's own mean has no noise to speak of."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200_000).astype(float)
    judged = np.where(rng.random(200_000) < 0.8, truth, 1 - truth)
    found = powered_mean(np.where(np.arange(200_000) < 500, truth, np.nan), judged)
    width = found.interval.high - found.interval.low
    assert found.labels_for(width) == pytest.approx(500, rel=0.02)
    assert found.labels_for(width / 2) / found.labels_for(width) == pytest.approx(4, rel=0.1)
    assert found.plain_labels_for(width) > 500


def test_what_to_label_next():
    """No verdict first, then the nearest to a half, and the widest votes among equal ones."""
    assert ask_next([0.5, math.nan, 0.9, 0.5], [math.nan] * 4, [0.1, 0, 0, 0.4]) == [1, 3, 0, 2]


# ---- the command, and a run that uses its file --------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path, monkeypatch):
    from tests.cli_harness import run_judge

    monkeypatch.chdir(tmp_path)
    grades = {rf"grade{n}\b": f"Fine.\nVERDICT: {n}" for n in range(1, 6)}
    write_judge(tmp_path / "judge.yaml", "pointwise", grades, rubric="helpfulness", filters="off")
    rng = np.random.default_rng(5)
    rows = []
    for i in range(300):
        grade = int(rng.integers(1, 6))
        right = bool(rng.random() < {1: 0.01, 2: 0.3, 3: 0.5, 4: 0.6, 5: 0.99}[grade])
        rows.append({"id": f"r{i}", "prompt": f"q{i}", "response": f"grade{grade} answer {i}", "label": right})
    write_rows(tmp_path / "rows.jsonl", rows)
    assert run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", "--quiet").code == 0
    return run_judge


def test_the_file_is_used_by_a_run(cli, tmp_path):
    """Grade 5 is surely right and grade 1 surely wrong; grades between are too unsure, and get no reward."""
    ended = cli("calibrate", "run", "--error", "0.1", "--output", "c.yaml", "--draws", "50", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["compared"][found["method"]]["Brier"]["value"] < found["compared"]["raw"]["Brier"]["value"]
    again = cli(
        "run", "judge.yaml", "--data", "rows.jsonl", "--output", "new", "--quiet", "--jsonl", "--set", "calibration=c.yaml"
    )
    assert again.code == 0, again.err
    rows = [json.loads(line) for line in (tmp_path / "new" / "rewards.jsonl").read_text().splitlines()]
    for row in rows:
        raw, reward = row["raw_reward"], row["reward"]
        names = [f["name"] for f in row["flags"]]
        if raw in (0.0, 1.0):
            assert abs(reward - raw) < 0.1
        else:
            assert (reward, "unsure" in names) == (None, True)
    facts = json.loads((tmp_path / "new" / "run.json").read_text())
    assert [s["kind"] for s in facts["settings"]["reward"]["shape"]] == ["calibrate", "sure"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param("rubric=helpfulness", "", id="the-same-judge"),
        pytest.param("engine.model=models/scripted", "", id="the-same-model-elsewhere"),
        pytest.param("recipe=checklist", "recipe `pointwise`, not `checklist`", id="recipe"),
        pytest.param("rubric=factual-correctness", "rubric `helpfulness`, not `factual-correctness`", id="rubric"),
        pytest.param("engine.model=other", "model `scripted`, not `other`", id="model"),
    ],
)
def test_a_calibration_of_another_judge_is_said(cli, caplog, change, words):
    assert cli("calibrate", "run", "--output", "c.yaml", "--draws", "20").code == 0
    plan(*load_settings("judge.yaml", ["calibration=c.yaml", change]))
    assert ("made with another judge" in caplog.text, words in caplog.text) == (bool(words), True)


def test_a_cascade_is_told_of_its_cheap_judge(cli, caplog):
    """The calibration of `cascade` belongs to the cheap judge, and is compared with that."""
    assert cli("calibrate", "run", "--error", "0.1", "--output", "c.yaml", "--draws", "20").code == 0
    for first, told in (("pointwise", False), ("themis", True)):
        cascade = f'cascade={{"first": {{"recipe": "{first}"}}, "calibration": "c.yaml"}}'
        caplog.clear()
        plan(*load_settings("judge.yaml", ["recipe=checklist", cascade]))
        assert ("cascade.calibration: made with another judge: recipe `pointwise`, not `themis`" in caplog.text) is told


def test_the_same_in_python(cli, tmp_path):
    """A calibration file says the same through `Judge` as through `judge run`."""
    from judge import Judge, Sample

    assert cli("calibrate", "run", "--error", "0.1", "--output", "c.yaml", "--draws", "50").code == 0
    with Judge.from_config("judge.yaml", overrides=["calibration=c.yaml"]) as judge:
        best, middle = judge.score([Sample.of("q", "grade5"), Sample.of("q", "grade3")])
    assert best.raw_reward == 1.0
    assert 0.9 < best.reward < 1.0
    assert (middle.raw_reward, middle.reward, [f.name for f in middle.flags]) == (0.5, None, ["unsure"])


def test_few_labels_many_rows(cli, tmp_path):
    """A hundred labelled of three hundred: the estimate, what the judge is worth, and whom to ask next."""
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for row in rows[100:]:
        row["label"] = None
    write_rows(tmp_path / "few.jsonl", rows)
    assert cli("run", "judge.yaml", "--data", "few.jsonl", "--output", "few", "--quiet").code == 0
    found = json.loads(cli("calibrate", "few", "--width", "0.1", "--next", "3", "--draws", "50", "--json").out)
    mean = found["mean_label"]
    assert (found["labels"], found["unlabelled"]) == (100, 200)
    assert mean["worth_labels"] > 100
    assert mean["interval"][1] - mean["interval"][0] < mean["labels_alone_interval"][1] - mean["labels_alone_interval"][0]
    assert found["labels_for_width"]["with_judge"] < found["labels_for_width"]["labels_alone"]
    assert len(found["label_next"]) == 3
    assert all(int(name[1:]) >= 100 for name in found["label_next"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("run", "--error", "0.001"), 1, "no threshold keeps", id="no-promise"),
        pytest.param(("run", "--method", "isotonc"), 2, "did you mean `isotonic`?", id="misspelt-method"),
        pytest.param(("nowhere",), 2, "no such run folder", id="no-run"),
        pytest.param(("run", "--output", "run/rewards.parquet/x"), 4, "cannot be written", id="no-place"),
    ],
)
def test_a_mistake_has_its_code(cli, arguments, code, words):
    ended = cli("calibrate", *arguments, "--draws", "20")
    assert (ended.code, words in ended.err + ended.out) == (code, True), ended.err + ended.out


def relabelled(cli, tmp_path, right, name):
    """The rows of `cli` with labels by grade and place."""
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for i, row in enumerate(rows):
        row["label"] = right(int(row["response"][5]), i)
    write_rows(tmp_path / f"{name}.jsonl", rows)
    assert cli("run", "judge.yaml", "--data", f"{name}.jsonl", "--output", name, "--quiet").code == 0
    return name


@pytest.mark.parametrize("method", ["auto", "levels", "platt"])
def test_a_judge_that_is_wrong_on_purpose_is_refused(cli, tmp_path, method):
    """A map of it pays what the judge grades lowest: none is written."""
    name = relabelled(cli, tmp_path, lambda grade, i: (grade < 3) ^ (i % 7 == 0), "anti")
    ended = cli("calibrate", name, "--method", method, "--output", "anti.yaml", "--draws", "50")
    assert (ended.code, "grades wrong answers above right ones" in ended.err) == (1, True)
    assert not (tmp_path / "anti.yaml").exists()
    assert "WARNING" in ended.out


def test_a_falling_map_is_taken_by_name_only(cli, tmp_path):
    """Grade 3 is always right and grade 5 half of the time: `levels` has the least Brier score and falls."""
    name = relabelled(cli, tmp_path, lambda grade, i: grade == 3 or (grade > 3 and i % 2 == 0), "hump")
    found = json.loads(cli("calibrate", name, "--draws", "50", "--json").out)
    brier = {m: found["compared"][m]["Brier"]["value"] for m in ("isotonic", "platt", "levels")}
    assert min(brier, key=brier.get) == "levels"
    assert (found["method"] != "levels", found["map_falls"], found["inverted"]) == (True, False, False)
    ended = cli("calibrate", name, "--method", "levels", "--output", "hump.yaml", "--draws", "50")
    assert (ended.code, "the map `levels` falls" in ended.out, (tmp_path / "hump.yaml").exists()) == (0, True, True)


def test_too_few_labels(cli, tmp_path):
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()][:10]
    write_rows(tmp_path / "ten.jsonl", rows)
    assert cli("run", "judge.yaml", "--data", "ten.jsonl", "--output", "ten", "--quiet").code == 0
    ended = cli("calibrate", "ten")
    assert (ended.code, "at least 20" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("method: isotonic\nmap: {points: [[0.5, 0.1], [0.2, 0.3]]}\n", "ascending order", id="order"),
        pytest.param("method: isotonic\nmap: {}\n", "either `points` or `slope`", id="empty"),
        pytest.param("methd: platt\nmap: {slope: 1}\n", "did you mean `method`?", id="misspelt"),
        pytest.param("method: platt\nmap: {slope: 1}\nunsure: {low: 0.9, high: 0.1}\n", "`low`", id="ends"),
    ],
)
def test_a_wrong_file_names_its_line(cli, tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    ended = cli("run", "judge.yaml", "--data", "rows.jsonl", "--output", "x", "--quiet", "--set", "calibration=c.yaml")
    assert (ended.code, words in ended.err, "c.yaml:" in ended.err) == (2, True, True), ended.err


def test_a_missing_file_is_said(cli):
    ended = cli("run", "judge.yaml", "--data", "rows.jsonl", "--output", "x", "--quiet", "--set", "calibration=none.yaml")
    assert (ended.code, "judge calibrate RUN --output FILE" in ended.err) == (2, True)


def test_the_report_fits_80_columns(cli):
    ended = cli("calibrate", "run", "--error", "0.1", "--width", "0.05", "--next", "5", "--draws", "20")
    assert "label next: none, every row has a label" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
