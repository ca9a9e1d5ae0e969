"""What a person reads of a rubric, and the YAML that comes back as the same rubric."""

import json

import pytest

from judge.errors import BadRubric
from judge.reward.fold import fold_criteria
from judge.rubric.build import build_rubric
from judge.rubric.importers import import_rubric
from judge.rubric.load import list_rubrics, load_rubric
from judge.rubric.model import Rubric
from judge.rubric.show import reward_lines, rubric_text, rubric_yaml
from judge.yamlfile import parse_yaml

A, B = {"id": "a", "text": "It names a city."}, {"id": "b", "text": "It is rude.", "kind": "pitfall"}


def back(rubric):
    return build_rubric(parse_yaml(rubric_yaml(rubric), "written.yaml"))


@pytest.mark.parametrize("name", list_rubrics())
def test_yaml_round_trip_of_shipped(name):
    """`show --yaml > mine.yaml` gives a file with the same hash, hence the same rewards."""
    assert back(load_rubric(name)).hash == load_rubric(name).hash


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("yes", id="yes"),
        pytest.param("12:30", id="clock"),
        pytest.param("- a: b # c", id="yaml-syntax"),
        pytest.param("line\nbreak\u2028and\ttab", id="breaks"),
        pytest.param("next\x85line \ufeff mark", id="odd-breaks"),
        pytest.param("🙂 ñ 中文 \x07", id="unicode"),
        pytest.param("~", id="null-sign"),
        pytest.param(" padded ", id="spaces"),
    ],
)
def test_yaml_keeps_awkward_text(text):
    """Imported criteria hold anything; what is written is what is read."""
    fields = {**A, "text": text, "args": {"1": "one", "max": 2.0}, "weight": 0.1}
    rubric = Rubric.model_validate({"criteria": [fields]})
    assert back(rubric) == rubric


def test_yaml_round_trip_of_published_records(data_dir):
    """Importing to files loses nothing."""
    for file in ("healthbench/consensus.jsonl", "biggen_rubrics/instances.jsonl", "paperbench_rubrics/rubric_trees.jsonl"):
        with (data_dir / file).open(encoding="utf-8") as lines:
            for line in list(lines)[:10]:
                rubric = import_rubric(json.loads(line))
                assert back(rubric).hash == rubric.hash


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        pytest.param(
            {"criteria": [{**A, "weight": 3}, B]},
            [
                "reward = (sum of weight x score, a pitfall scoring 1 when absent) / 4   (denominator all_weights)",
                "missing: no reward when any criterion lacks a verdict",
                "  all met, no fault: 4 / 4 = 1",
                "  the same, fault `b`: (4 - 1) / 4 = 0.75",
                "  nothing met, no fault: 1 / 4 = 0.25",
            ],
            id="weights",
        ),
        pytest.param(
            {"criteria": [{**A, "points": 4}, {**B, "points": -6}]},
            [
                "reward = (sum of what is met, faults subtracted) / 4, clipped to 0..1   (denominator positive_points)",
                "missing: no reward when any criterion lacks a verdict",
                "  all met, no fault: 4 / 4 = 1",
                "  the same, fault `b`: (4 - 6) / 4 = -0.5, clipped to 0",
                "  nothing met, no fault: 0 / 4 = 0",
            ],
            id="points",
        ),
        pytest.param(
            {"criteria": [{**A, "veto": True}], "fold": "min", "partial": {"min_coverage": 0.5}},
            [
                "reward = the lowest criterion score, 1 best   (fold min)",
                "veto: 0 when `a` fails: below half of its scale, 1 best",
                "missing: no reward unless the criteria with a verdict carry 50% of the importance; flagged `partial` below 100%",
            ],
            id="min-partial-veto",
        ),
    ],
)
def test_the_arithmetic_is_spelled_out(fields, lines):
    """Nobody has to read code to know what a verdict is worth."""
    assert reward_lines(Rubric.model_validate(fields)) == lines


def test_the_spelled_out_arithmetic_is_the_real_one():
    """The worked cases above, through the fold of the pipeline."""
    weights = Rubric.model_validate({"criteria": [{**A, "weight": 3}, B]})
    assert fold_criteria({"a": 1.0, "b": 0.0}, weights).value == 0.75
    assert fold_criteria({"a": 0.0, "b": 1.0}, weights).value == 0.25
    points = Rubric.model_validate({"criteria": [{**A, "points": 4}, {**B, "points": -6}]})
    assert fold_criteria({"a": 1.0, "b": 0.0}, points).unclipped == -0.5
    assert fold_criteria({"a": 0.0, "b": 1.0}, points).value == 0.0


def test_the_sheet_shows_polarity_veto_and_anchors():
    """The three things that authors get wrong stand beside each criterion."""
    scale = {"min": 1, "max": 3, "anchors": {1: "no city", 3: "the right city"}}
    text = rubric_text(Rubric.model_validate({"name": "geo", "criteria": [{**A, "scale": scale, "veto": True}, B]}), width=60)
    assert "  a  (important, weight 1, 1 to 3, 3 is best, veto)" in text
    assert "      3  the right city" in text
    assert "  b  (pitfall, weight 1, binary, UNMET is best)" in text
    assert max(map(len, text.splitlines())) <= 60


def test_lineage_is_kept_shown_and_changes_nothing():
    """Scores written into a file after it was tried must not make every judgement under it a new one."""
    bare = Rubric(criteria=({"id": "a", "text": "It names a city."},))
    traced = bare.changed(lineage={"parents": ["0f"], "generator": "rar", "model": "m", "scores": {"agreement": 0.75}})
    assert (traced.hash, back(traced).lineage) == (bare.hash, traced.lineage)
    assert "written: by rar; model m; parents 0f; agreement 0.75" in rubric_text(traced)
    with pytest.raises(BadRubric, match="no field `generater`; did you mean `generator`"):
        bare.changed(lineage={"generater": "rar"})


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"tags": ["a, b", "yes", "[c]", "1e3"]}, id="list-with-commas"),
        pytest.param({"check": "contains", "args": {"text": "1", "ignore_case": True}}, id="arguments-stay-text"),
        pytest.param(
            {"check": "judge.checks.programs:max_words", "args": {"n": 2.0, "5": [1.5, {"a, b": None}]}}, id="numbers-and-keys"
        ),
        pytest.param({"weight": 1e-7}, id="small-number"),
        pytest.param({"scale": {"min": 1, "max": 3, "anchors": {"1": "no", "3": "Fine: all of it # here"}}}, id="anchors"),
    ],
)
def test_yaml_of_every_kind_of_value(fields):
    """What is written without a YAML library loads to the same rubric."""
    rubric = Rubric.model_validate({"criteria": [{"id": "a", "text": "It is - so.", **fields}]})
    assert back(rubric).criteria == rubric.criteria
