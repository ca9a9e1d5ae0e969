"""Loading rubrics: what comes in, and the exact words for what cannot."""

import json
from itertools import pairwise

import numpy as np
import pytest

from judge.errors import RubricError
from judge.rubric.load import find_rubric, list_rubrics, load_rubric, rubric_from
from judge.server.wire import rubric_in
from judge.types import Sample
from tests.clock import least_cpu

ONE = "criteria:\n  - id: a\n    text: The response names a city.\n"
LEVELS = "abcdefgh"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(LEVELS))
WHERE = "train.jsonl:7, column rubric"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes `r.yaml` (or another name) in the current folder, so that messages hold no machine path."""
    monkeypatch.chdir(tmp_path)

    def _write(text, name="r.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return _write


def message_of(call):
    with pytest.raises(RubricError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(ONE + "    wieght: 2\n", "r.yaml:4: no field `wieght`; did you mean `weight`?", id="unknown-field"),
        pytest.param(ONE + "critria: []\n", "r.yaml:4: no field `critria`; did you mean `criteria`?", id="unknown-top-field"),
        pytest.param(
            ONE.replace("The response names a city.", "[1]"),
            "r.yaml:3: `criteria.0.text`: input should be a valid string, not [1]",
            id="wrong-type",
        ),
        pytest.param(
            ONE + "    weight: heavy\n",
            "r.yaml:4: `criteria.0.weight`: input should be a valid number, not 'heavy'",
            id="weight-is-text",
        ),
        pytest.param(
            ONE + "    weight: yes\n", "r.yaml:4: `criteria.0.weight`: input should be a valid number, not 'yes'", id="weight-yes"
        ),
        pytest.param(
            ONE + "    weight: true\n",
            "r.yaml:4: `criteria.0.weight`: input should be a valid number, not True",
            id="weight-bool",
        ),
        pytest.param(
            ONE + "    weight: 12:30:45\n",
            "r.yaml:4: `criteria.0.weight`: input should be a valid number, not '12:30:45'",
            id="weight-sexagesimal",
        ),
        pytest.param(ONE + "    weight: .nan\n", "r.yaml:4: `.nan` is not a finite number", id="weight-nan"),
        pytest.param(ONE + "    weight: .inf\n", "r.yaml:4: `.inf` is not a finite number", id="weight-infinite"),
        pytest.param(
            ONE + "    weight: 0\n",
            "r.yaml:4: `criteria.0.weight`: 0 is not above 0; "
            "for a fault write `kind: pitfall` with a positive weight, or use `points`",
            id="weight-zero",
        ),
        pytest.param(
            ONE + "    weight: -1\n",
            "r.yaml:4: `criteria.0.weight`: -1 is not above 0; "
            "for a fault write `kind: pitfall` with a positive weight, or use `points`",
            id="weight-negative",
        ),
        pytest.param(
            ONE + "    weight: 1\n    points: 3\n",
            "r.yaml:2: `criteria.0`: give `weight` or `points`, not both",
            id="both-on-one",
        ),
        pytest.param(
            ONE + "  - id: b\n    text: It names a river.\n    points: 3\n",
            "r.yaml:6: `b` has points and the first criterion has weights (1 where none is given); a rubric uses one of the two",
            id="weights-and-points",
        ),
        pytest.param(
            ONE + "    points: 0\n",
            "r.yaml:2: `criteria.0`: 0 points would change nothing; leave the criterion out",
            id="points-zero",
        ),
        pytest.param(
            ONE + "    points: -3\n",
            "r.yaml:1: no criterion has positive points, so there is nothing to divide by",
            id="points-all-negative",
        ),
        pytest.param(
            ONE + "  - id: a\n    text: It names a river.\n",
            "r.yaml:4: two criteria are called `a` (the first at r.yaml:2)",
            id="duplicate-id",
        ),
        pytest.param(
            ONE + "    text: again\n",
            "r.yaml:4: `text` stands twice here (first on line 3); the later one would win silently",
            id="duplicate-key",
        ),
        pytest.param(
            ONE + "    scale: {min: 1, max: 3, anchors: {7: x}}\n",
            "r.yaml:4: `criteria.0.scale`: anchor 7 is off the scale 1 to 3",
            id="anchor-off-scale",
        ),
        pytest.param(
            ONE + "    scale: {kind: binary, anchors: {1: x}}\n",
            "r.yaml:4: `criteria.0.scale`: `min`, `max` and `anchors` belong to an ordinal scale, not to binary",
            id="anchors-on-binary",
        ),
        pytest.param(
            ONE + "    scale: {min: 5, max: 1}\n",
            "r.yaml:4: `criteria.0.scale`: min (5) must be below max (1)",
            id="scale-turned",
        ),
        pytest.param(
            ONE + "denominator: sum\n",
            "r.yaml:4: `denominator`: input should be 'all_weights' or 'positive_points', not 'sum'",
            id="denominator",
        ),
        pytest.param(
            ONE.replace("id: a", "id: 1 a"),
            "r.yaml:2: `criteria.0.id`: should begin with a letter and hold only letters, digits, `_`, `.` and `-`, "
            "at most 64, not '1 a'",
            id="bad-id",
        ),
        pytest.param("criteria: []\n", "r.yaml:1: `criteria` is empty; it needs at least 1 item", id="no-criteria"),
        pytest.param("name: x\n", "r.yaml:1: `criteria` is missing", id="criteria-missing"),
        pytest.param(
            "criteria:\n  - id: a\n    text: x\n  - be nice\n",
            "r.yaml:4: `criteria.1`: should be a mapping with `id` and `text`, not 'be nice'",
            id="text-criteria",
        ),
        pytest.param("hello\n", "r.yaml:1: a rubric is a mapping with `criteria`, not 'hello'", id="scalar-file"),
        pytest.param("- 1\n", "r.yaml:1: a rubric is a mapping with `criteria`, not a list", id="list-file"),
        pytest.param("", "r.yaml: the file is empty", id="empty"),
        pytest.param("# soon\n", "r.yaml: the file is empty", id="only-a-comment"),
        pytest.param(b"name: x\ntitle: caf\xe9\n", "r.yaml:2: not UTF-8 (byte 0xe9); save the file as UTF-8", id="latin-1"),
        pytest.param(BOMB, "r.yaml:1: expands to more than 10000 values by its aliases", id="alias-bomb"),
        pytest.param("a: &a [*a]\n", "r.yaml:1: nested more than 64 levels deep", id="alias-of-itself"),
        pytest.param(
            "".join(f"{' ' * i}a:\n" for i in range(200)), "r.yaml:65: nested more than 64 levels deep", id="block-nesting"
        ),
    ],
)
def test_a_wrong_file_says_where_and_what(write, text, message):
    """Someone who mistypes a rubric reads one line that names the place and the remedy, not a stack trace."""
    name = write(text)
    assert message_of(lambda: load_rubric(name)) == message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("a: [1\n", "r.yaml:2: not valid YAML: ", id="broken"),
        pytest.param("[" * 2000 + "]" * 2000, "r.yaml:1: ", id="flow-nesting"),
    ],
)
def test_what_the_parser_refuses_has_a_place(write, text, place):
    """The words are the YAML library's and change with its releases; the place is ours."""
    name = write(text)
    assert message_of(lambda: load_rubric(name)).startswith(place)


def test_every_problem_is_listed_at_once(write):
    """Ten mistakes should not take ten runs."""
    name = write("criteria:\n  - id: a\n    txt: hi\n    kind: essential\n    veto: 1\n")
    assert message_of(lambda: load_rubric(name)).splitlines() == [
        "r.yaml:2: `criteria.0.text` is missing",
        "r.yaml:5: `criteria.0.veto`: input should be a valid boolean, not 1",
        "r.yaml:3: no field `txt`; did you mean `text`?",
    ]


def test_bombs_are_refused_quickly(write):
    """A hostile file costs a moment, not the machine."""
    name = write(BOMB)
    assert least_cpu(lambda: message_of(lambda: load_rubric(name)), 2.0) < 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"criteria": NaN}', "r.json: `NaN` is not a finite number", id="nan"),
        pytest.param('{"criteria": -Infinity}', "r.json: `-Infinity` is not a finite number", id="infinity"),
        pytest.param(
            '{"name": "x", "name": "y"}',
            "r.json: `name` stands twice in one object; the later one would win silently",
            id="twice",
        ),
        pytest.param("[" * 100_000, "r.json: nested more than 64 levels deep", id="deep"),
        pytest.param('{"criteria": ' + "9" * 5000 + "}", "r.json: a number of 5000 digits", id="digits"),
        pytest.param(
            '{"name": "\\ud83d"}', "r.json: text with half a surrogate pair, which cannot be sent: '\\ud83d'", id="half"
        ),
        pytest.param(
            "{\n", "r.json: not valid JSON: Expecting property name enclosed in double quotes (line 2, column 1)", id="cut"
        ),
        pytest.param("", "r.json: the file is empty", id="empty"),
        pytest.param(
            '{"criteria": [\n{"id": "a",\n"text": "t",\n"wieght": 2}]}',
            "r.json:4: no field `wieght`; did you mean `weight`?",
            id="unknown-field",
        ),
    ],
)
def test_json_is_read_strictly(write, text, message):
    """JSON that two readers could understand differently is refused, and plain mistakes still have their line."""
    name = write(text, "r.json")
    assert message_of(lambda: load_rubric(name)) == message


def test_json_text_arrives_unchanged(write):
    """Emoji escapes and line separators reach the judge as written (a YAML reader would fold or refuse them)."""
    text = "one\u2028two 😀 {{ x }}"
    name = write(json.dumps({"criteria": [{"id": "a", "text": text}]}), "r.json")
    assert load_rubric(name).criteria[0].text == text


def test_names_and_paths(write, tmp_path):
    """Settings name a shipped rubric or a file beside them; a near miss is suggested."""
    write(ONE)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own.yaml").write_text(ONE.replace("city", "river"))
    assert load_rubric("r.yaml").name == "r"
    assert "river" in load_rubric("own.yaml", base=tmp_path / "sub").criteria[0].text
    assert load_rubric("r.yaml", base=tmp_path / "sub").name == "r"
    known = ", ".join(list_rubrics())
    assert message_of(lambda: load_rubric("helpfullness")) == (
        f"no shipped rubric is called 'helpfullness'; did you mean `helpfulness`?\nshipped: {known}"
    )
    assert message_of(lambda: load_rubric("../helpfulness")).endswith(f"shipped: {known}")
    assert message_of(lambda: load_rubric("none.yaml")) == "none.yaml: no such file"
    assert message_of(lambda: load_rubric("helpfulnes.yaml")) == "helpfulnes.yaml: no such file; did you mean `helpfulness`?"
    assert message_of(lambda: find_rubric("a\0.yaml")) == "a rubric path cannot hold a NUL character: 'a\\x00.yaml'"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(5, "a rubric is a mapping with `criteria`, not 5", id="number"),
        pytest.param(b"x", "a rubric is a mapping with `criteria`, not b'x'", id="bytes"),
        pytest.param([], "a rubric is a mapping with `criteria`, not a list", id="empty-list"),
        pytest.param("be helpful", "neither JSON nor the name of a shipped rubric: 'be helpful'", id="prose"),
        pytest.param("../secret.yaml", "neither JSON nor the name of a shipped rubric: '../secret.yaml'", id="path"),
        pytest.param(
            "{'criteria': []}",
            "not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)",
            id="python-literal",
        ),
        pytest.param(
            {"criteria": [{"id": "a", "text": "t", "wieght": 1}]}, "no field `wieght`; did you mean `weight`?", id="field"
        ),
        pytest.param(
            {"criteria": [{"id": "a", "text": "t", "weight": float("nan")}]},
            "`criteria.0.weight`: must be a finite number",
            id="nan",
        ),
        pytest.param(
            {"criteria": [{"id": "a", "text": "t", "check": "os:system"}]},
            "`a` names Python code ('os:system'); only a rubric file may do that",
            id="code",
        ),
        pytest.param(
            [{"criterion": "x", "points": "3"}], "item 1: `points` should be a finite number, not '3'", id="points-text"
        ),
        pytest.param(
            [{"criterion": "x", "points": -3}],
            "no criterion has positive points, so there is nothing to divide by",
            id="negative",
        ),
    ],
)
def test_a_wrong_cell_names_its_row(value, message):
    """In a data set of a million rows, the error says which row, and a row cannot read files or run code."""
    assert message_of(lambda: rubric_from(value, WHERE)) == f"{WHERE}: {message}"


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        pytest.param({"criteria": [{"id": "a", "text": "t"}]}, ["a"], id="mapping"),
        pytest.param('{"criteria": [{"id": "a", "text": "t"}]}', ["a"], id="json-text"),
        pytest.param(
            {"name": None, "criteria": [{"id": "a", "text": "t", "weight": None, "points": 2}]}, ["a"], id="arrow-nulls"
        ),
        pytest.param(
            [{"criterion": "x", "points": 3, "tags": []}, {"criterion": "y", "points": -1}], ["c1", "c2"], id="healthbench"
        ),
        pytest.param('[{"title": "t", "description": "Essential Criteria: x", "weight": 5}]', ["c1"], id="rar-text"),
    ],
)
def test_a_cell_in_any_form_becomes_a_rubric(value, ids):
    """Rubric columns come as structs, as JSON text and in published forms; all of them work."""
    assert [c.id for c in rubric_from(value, WHERE).criteria] == ids


def test_a_cell_may_name_a_shipped_rubric():
    """A data set may choose a shipped rubric per row."""
    assert rubric_from("helpfulness", WHERE) == load_rubric("helpfulness")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["It is right.", "It is short."], id="list"),
        pytest.param('["It is right.", "It is short."]', id="json-text"),
        pytest.param("1. It is right.\n2. It is short.", id="numbered-lines"),
        pytest.param({"criteria": [{"id": "a", "text": "It is right."}, {"id": "b", "text": "It is short."}]}, id="mapping"),
        pytest.param(np.array(["It is right.", "It is short."]), id="array"),
    ],
)
def test_a_sample_made_in_python_reads_a_rubric_as_a_row_does(value):
    """Whoever passes the cell of a data set on gets the same rubric, and no AttributeError in the middle of a run."""
    rubric = Sample.of("q", "a", rubric=value).rubric
    assert rubric is not None
    assert [c.text.splitlines()[0] for c in rubric.criteria] == ["It is right.", "It is short."]


@pytest.mark.parametrize("value", [None, {}, [], "", float("nan")])
def test_a_sample_with_an_empty_rubric_has_none(value):
    """An empty cell leaves the run's own rubric in force, in Python and over HTTP."""
    assert Sample.of("q", "a", rubric=value).rubric is None
    assert rubric_in(value, "samples[0]", "judged") is None
