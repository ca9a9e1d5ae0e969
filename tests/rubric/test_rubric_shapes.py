"""Rubrics of every public shape: read as they are, with weights, signs, kinds and tags kept, from a cell or from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.checks.programs import prepare
from judge.errors import RubricError
from judge.rubric.importers import import_record
from judge.rubric.lint import lint
from judge.rubric.load import load_rubric, rubric_from
from judge.rubric.model import Rubric

CASES = Path(__file__).parents[1] / "cases"
SHAPES: dict[str, Any] = {
    **json.loads((CASES / "rubric_shapes.json").read_text(encoding="utf-8")),
    **json.loads((CASES / "26_rubric_forms.json").read_text(encoding="utf-8")),
}
WANTED: dict[str, list[tuple[str, str, float]]] = {  # text, kind, signed importance
    "RubricHub_v1 (tags object)": [("Divides 3.87 g by 35.45 g/mol.", "important", 10)],
    "ResearchRubrics": [("Cites at least two sources.", "important", 4)],
    "OpenRubrics text": [("The response must be under 200 words.", "hard_rule", 1), ("The response is clear.", "principle", 1)],
    "list of strings": [("The response names the city.", "important", 1), ("The response is short.", "important", 1)],
    "autorubric/rubric": [("States X.", "important", 10), ("Claims Y.", "pitfall", -15)],
    "AdvancedIF": [("Does the response use bullets?", "important", 1), ("Is it in French?", "important", 1)],
    "PRBench": [("Identifies the breach.", "essential", 9)],
    "RLCF checklist": [("Is it in French?", "important", 100), ("Is it short?", "important", 60)],
    "verl reward_model": [("A.", "important", 5)],
    "TOML-ish verifiers": [("Is it right?", "important", 1)],
    "promptfoo llm-rubric": [("Names the city", "important", 1)],
    "HealthBench": [("Names a dose.", "important", 5)],
    "RaR": [("Names the dose.", "essential", 5)],
    "researchrubrics": [("Names the dose.", "important", 1)],
    "plain list": [("Names the dose.", "important", 1), ("Is concise.", "important", 1)],
}


def outline(rubric: Rubric) -> list[tuple[str, str, float]]:
    return [(c.text, c.kind, -c.importance if c.negative else c.importance) for c in rubric.criteria]


@pytest.mark.parametrize("name", SHAPES)
def test_a_cell_of_each_shape_is_read(name: str):
    """A column of a public rubric set needs no conversion, be it a struct or JSON text."""
    cell = SHAPES[name]
    as_text = cell if isinstance(cell, str) else json.dumps(cell)
    for form in (cell, as_text):
        rubric = rubric_from(form, "row 1")
        assert outline(rubric) == WANTED[name]
        prepare(rubric)


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_of_each_shape_is_read(name: str, tmp_path: Path):
    """`rubric: FILE` reads what a row's column may hold."""
    cell = SHAPES[name]
    path = tmp_path / ("rubric.md" if isinstance(cell, str) else "rubric.json")
    path.write_text(cell if isinstance(cell, str) else json.dumps(cell), encoding="utf-8")
    assert outline(load_rubric(path)) == WANTED[name]


def test_choices_become_a_scale():
    """Named choices, worst first, are the levels of an ordinal scale, each with its name as the anchor."""
    (one,) = rubric_from(SHAPES["TOML-ish verifiers"], "row 1").criteria
    assert (one.id, one.scale.labels, one.scale.anchors) == (
        "correct",
        {"0": 0.0, "1": 0.5, "2": 1.0},
        {0: "no", 1: "partly", 2: "yes"},
    )


def tags(cell: Any) -> list[tuple[str, ...]]:
    return [c.tags for c in rubric_from(cell, "row 1").criteria]


def test_tags_are_kept():
    """What an item is about stays beside it, so that rewards can be split by it afterwards."""
    assert tags(SHAPES["HealthBench"]) == [("level:example",)]
    assert tags(SHAPES["verl reward_model"]) == [("axis:accuracy",)]
    assert tags(SHAPES["ResearchRubrics"]) == [("axis:Citation Quality",)]
    assert tags(SHAPES["PRBench"]) == [("criteria_category:Legal",)]
    assert tags(SHAPES["researchrubrics"]) == [("category:Accuracy",)]


def prbench(title: str, weight_class: str, weight: int) -> dict[str, Any]:
    return {"title": title, "annotations": {"weight_class": weight_class, f"{weight_class.replace(' ', '_')}_weight": weight}}


MORE: dict[str, tuple[Any, list[tuple[str, str, float]]]] = {
    "prbench-detrimental": (
        [prbench("Names it.", "slightly important", 2), prbench("Makes it up.", "critically detrimental", -8)],
        [("Names it.", "optional", 2), ("Makes it up.", "pitfall", -8)],
    ),
    "researchrubrics-negative": (
        {"rubrics": [{"criterion": "A.", "weight": 5.0, "axis": "x"}, {"criterion": "B.", "weight": -2.0, "axis": "y"}]},
        [("A.", "important", 5), ("B.", "pitfall", -2)],
    ),
    "profbench": (
        [{"criterion_description": "A.", "criterion_weight": "Critical", "criterion_type": ["Extraction (recall)"]},
         {"criterion_description": "B.", "criterion_weight": "Additional"}],
        [("A.", "essential", 4), ("B.", "optional", 1)],
    ),
    "dr-tulu": (
        {"ground_truth": json.dumps({"query": "q", "rubrics": [{"description": "A.", "title": "T", "weight": 1.0}]})},
        [("A.", "optional", 1)],
    ),
    "verl-extra-info": (
        {"reward_model": {"style": "rubric", "ground_truth": "", "rubrics": [
            {"criterion": "A.", "points": -3, "tags": {}}, {"criterion": "B.", "points": 7, "tags": {"axis": "x"}}]}},
        [("A.", "pitfall", -3), ("B.", "important", 7)],
    ),
    "rewardkit-likert": (
        {"criterion": [{"description": "How clear is it?", "type": "likert", "points": 5, "weight": 2.0}]},
        [("How clear is it?", "important", 2)],
    ),
    "oumi": ([{"name": "brief", "description": "It is brief.", "weight": 2}], [("It is brief.", "important", 2)]),
    "description-beside-the-name": (
        [{"criterion": "Accuracy", "description": "All figures are right.", "weight": 3}],
        [("Accuracy: All figures are right.", "important", 3)],
    ),
    "wildchecklists": ([{"requirement": "In French?", "importance": 90}], [("In French?", "important", 90)]),
    "weights-as-text": ([{"criterion": "A.", "weight": "3"}, {"criterion": "B.", "weight": "high"}],
                        [("A.", "important", 3), ("B.", "important", 3)]),
    "sections": ({"essential": ["A."], "nice_to_have": ["B."], "pitfalls": ["C."]},
                 [("A.", "essential", 1), ("B.", "optional", 1), ("C.", "pitfall", -1)]),
    "rubric-in-json-in-a-record": ({"rubric": '[{"criterion": "A.", "points": 2}]'}, [("A.", "important", 2)]),
    "bullets": ("Checklist:\n- **Names it.** (weight: 3)\n* Is short.\n  And clear.", [("Names it.", "important", 3),
                                                                                ("Is short. And clear.", "important", 1)]),
    "signed-brackets": ("1. Names it. [+5]\n2. Made up. [-2]", [("Names it.", "important", 5), ("Made up.", "pitfall", -2)]),
    "brackets-of-the-text": ("1. Cites the report (2019)\n2. Uses x [a]", [("Cites the report (2019)", "important", 1),
                                                                     ("Uses x", "important", 1)]),
    "null-points": ([{"text": "A.", "points": None, "tags": [], "anchors": None}], [("A.", "important", 1)]),
    "all-faults": ([{"criterion": "A.", "weight": -2}], [("A.", "pitfall", -2)]),
    "weight-zero": ([{"criterion": "A.", "weight": 2}, {"criterion": "B.", "weight": 0}], [("A.", "important", 2)]),
    "texts-without-ids": (
        {"criteria": [{"text": "A.", "points": 4}, {"text": "B."}]}, [("A.", "important", 4), ("B.", "important", 1)],
    ),
    "deep-research": (
        {"dimension_weight": {"insight": 0.4, "form": 0.6}, "criterions": {
            "insight": [{"criterion": "Depth", "explanation": "It goes deep.", "weight": 0.5}],
            "form": [{"criterion": "Clear", "weight": 1}]}},
        [("Depth: It goes deep.", "important", 0.2), ("Clear", "important", 0.6)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_other_sets_of_the_same_kinds(name: str):
    """Each stands for a public set whose names or signs differ from those above."""
    cell, wanted = MORE[name]
    found = (
        rubric_from(cell, "row 1"),
        import_record(json.loads(cell) if isinstance(cell, str) and cell[:1] == "[" else cell).rubric,
    )
    assert outline(found[0]) == outline(found[1]) == [(text, kind, pytest.approx(amount)) for text, kind, amount in wanted]


def checks(cell: Any) -> list[tuple[str, dict[str, Any]]]:
    rubric = rubric_from(cell, "row 1")
    prepare(rubric)
    return [(c.check, c.args) for c in rubric.criteria]


def rubrichub(function: str, given: Any) -> list[dict[str, Any]]:
    return [{"criterion": "rule:x", "points": 5, "tags": {"function": function, "parameters": given, "verifier": "rule"}}]


@pytest.mark.parametrize(
    ("cell", "check", "args"),
    [
        pytest.param(rubrichub("math_verify", {"answer": "42"}), "final_answer", {"answer": "42"}, id="math"),
        pytest.param(rubrichub("NumberOfWords", '{"num_words": 9, "relation": "at least"}'), "min_words", {"n": 9}, id="as-json"),
        pytest.param(rubrichub("number_words", {"num_words": 9, "relation": "less than"}), "max_words", {"n": 8}, id="less-than"),
        pytest.param(rubrichub("JsonFormat", {}), "valid_json", {}, id="json"),
        pytest.param(rubrichub("punctuation:no_comma", None), "excludes", {"text": ","}, id="no-comma"),
        pytest.param(rubrichub("ForbiddenWords", {"forbidden_words": ["bad"]}), "excludes", {"text": "bad"}, id="forbidden"),
        pytest.param(
            {"assert": [{"type": "icontains", "value": "x"}]}, "contains", {"text": "x", "ignore_case": True}, id="promptfoo"
        ),
        pytest.param({"tests": [{"assert": [{"type": "is-json", "value": None}]}]}, "valid_json", {}, id="promptfoo-json"),
    ],
)
def test_a_rule_becomes_a_program_where_one_exists(cell: Any, check: str, args: dict[str, Any]):
    """A rule that a program decides costs no judge call, and is not left to one."""
    assert checks(cell) == [(check, args)]


def test_a_rule_without_a_program_is_asked_and_reported():
    """Nothing is dropped and nothing passes unchecked: the judge gets the rule in words, and a note says so."""
    found = import_record(rubrichub("ParagraphChecker", {"num_paragraphs": 2}))
    (one,) = found.rubric.criteria
    assert (one.check, one.tags) == ("llm", ("verifier:rule", "rule:ParagraphChecker"))
    assert one.text == "The response follows the rule “ParagraphChecker” (num paragraphs: 2)."
    assert found.notes == ("c1: no check does the rule `ParagraphChecker`; the judge is asked",)


def test_a_bare_list_of_own_criteria_keeps_all_its_fields():
    """Nothing that this project's form says is lost because the list came without its mapping, nor is code let in by it."""
    cell = [{"id": "json", "text": "Is JSON.", "check": "valid_json", "weight": 2.0, "veto": True}]
    (one,) = rubric_from(cell, "row 1").criteria
    assert (one.id, one.check, one.weight, one.veto) == ("json", "valid_json", 2.0, True)
    with pytest.raises(RubricError, match="names Python code"):
        rubric_from([{"id": "a", "text": "t", "check": "os:system"}], "row 1")


def test_the_linter_warns_of_rules_without_a_program():
    """Whoever reads the lint output learns what the judge is asked in a program's place."""
    rubric = rubric_from(rubrichub("ParagraphChecker", {"num_paragraphs": 2}), "row 1")
    assert "unchecked" in {f.rule for f in lint(rubric)}


def test_code_of_a_data_set_is_refused():
    """A cell may not bring a program, and leaving the item out would change the reward without a word."""
    with pytest.raises(RubricError, match="row 1: item 1: no check does the assert `javascript`; leave it out"):
        rubric_from({"assert": [{"type": "javascript", "value": "output.length < 9"}]}, "row 1")


def test_instructions_of_ifeval():
    """An IFEval record is a rubric of hard rules."""
    record = {
        "key": 7,
        "instruction_id_list": [
            "punctuation:no_comma",
            "detectable_format:number_bullet_lists",
            "length_constraints:number_words",
        ],
        "kwargs": [{}, {"num_bullets": 3, "relation": None}, {"relation": "at least", "num_words": 300}],
    }
    assert checks(record) == [("excludes", {"text": ","}), ("llm", {}), ("min_words", {"n": 300})]
    assert {kind for _, kind, _ in outline(rubric_from(record, "row 1"))} == {"hard_rule"}


@pytest.mark.parametrize(
    ("levels", "anchors"),
    [
        pytest.param({"options": [{"label": "Good", "value": 1}, {"label": "Fair", "value": 0.5}, {"label": "Bad", "value": 0}]},
                     {0: "Bad", 1: "Fair", 2: "Good"}, id="autorubric"),
        pytest.param({"choices": {"no": 0, "partly": 0.25, "yes": 1}}, {0: "no", 1: "partly", 4: "yes"}, id="uneven"),
        pytest.param({"anchors": {"1": "poor", "5": "great"}}, {1: "poor", 5: "great"}, id="anchors"),
        pytest.param({"choices": ["no", "yes"]}, {}, id="yes-or-no"),
    ],
)  # fmt: skip
def test_levels_keep_their_distances(levels: dict[str, Any], anchors: dict[int, str]):
    """A level's place on the scale is its published value, so that half marks stay half marks."""
    (one,) = rubric_from([{"criterion": "A.", **levels}], "row 1").criteria
    assert one.scale.anchors == anchors


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        pytest.param(
            ".toml",
            '[[criteria]]\nname = "correct"\ndescription = "Is it right?"\nchoices = ["no", "partly", "yes"]\n',
            id="toml",
        ),
        pytest.param(".yaml", "rubrics:\n  - criterion: Is it right?\n    weight: 1\n", id="yaml"),
        pytest.param(".txt", "1. Is it right? [Hard Rule]\n", id="txt"),
    ],
)
def test_files_of_other_kinds(suffix: str, text: str, tmp_path: Path):
    """A file is told by its ending, and what it holds by its shape."""
    path = tmp_path / f"mine{suffix}"
    path.write_text(text, encoding="utf-8")
    assert [c.text for c in load_rubric(path).criteria] == ["Is it right?"]


WRONG: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: rubric_from([{"criterion": "A.", "wieght": 3}], "row 1"),
        "row 1: item 1: no field `wieght`; did you mean `weight`?",
    ),
    (
        lambda: rubric_from([{"criterion": "A.", "weight": "heavy"}], "row 1"),
        "row 1: item 1: `weight` should be a number, not 'heavy'",
    ),
    (lambda: rubric_from([{"criterion": "A.", "weight": 0}], "row 1"), "row 1: every item has weight 0"),
    (lambda: rubric_from("Be polite.", "row 1"), "row 1: neither JSON nor the name of a shipped rubric: 'Be polite.'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_is_wrong_says_where(call: Callable[[], Any], message: str):
    """A rubric that is read in part would change every reward silently."""
    with pytest.raises(RubricError) as caught:
        call()
    assert str(caught.value).split("\n")[0] == message


words = st.text(alphabet="abcdefgh ", min_size=3, max_size=30).map(str.strip).filter(bool)
amounts = st.one_of(st.integers(-9, -1), st.integers(1, 9))


@given(
    st.lists(st.tuples(words, amounts), min_size=1, max_size=6),
    st.sampled_from(["criterion", "requirement", "description", "title"]),
)
def test_signs_and_sizes_survive_any_name(items: list[tuple[str, int]], key: str):
    """Whatever a set calls its text, an item that takes points off is a fault of the same size."""
    rubric = rubric_from([{key: text, "weight": amount} for text, amount in items], "row 1")
    assert outline(rubric) == [(text, "pitfall" if amount < 0 else "important", amount) for text, amount in items]
