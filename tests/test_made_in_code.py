"""Rubrics and settings made in Python with wrong values."""

import pickle

import pytest

import judge
from judge import Criterion, Rubric, RunSettings
from judge.errors import RecipeError, RubricError, SettingsError
from judge.recipe.parts import Votes
from judge.recipe.verdict import VerdictSpec


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        pytest.param(
            lambda: Criterion(id="a", text="x", wieght=2),
            RubricError,
            "Criterion: no field `wieght`; did you mean `weight`?",
            id="unknown-field",
        ),
        pytest.param(lambda: Criterion(text="x"), RubricError, "Criterion: `id` is missing", id="missing"),
        pytest.param(
            lambda: Criterion(id="1 a", text="x"),
            RubricError,
            "Criterion: `id`: should begin with a letter and hold only letters, digits, `_`, `.` and `-`, at most 64, not '1 a'",
            id="bad-id",
        ),
        pytest.param(
            lambda: Rubric(criteria=[{"id": "a", "text": "x"}, {"id": "b"}]),
            RubricError,
            "Rubric: `criteria.1.text` is missing",
            id="inside-a-list",
        ),
        pytest.param(
            lambda: Rubric(criteria=["be nice"]),
            RubricError,
            "Rubric: `criteria.0`: should be a mapping with `id` and `text`, not 'be nice'",
            id="text-criteria",
        ),
        pytest.param(
            lambda: Rubric(criteria=[]), RubricError, "Rubric: `criteria` is empty; it needs at least 1 item", id="empty"
        ),
        pytest.param(
            lambda: RunSettings(engine={"kind": "vlm"}, seed=0.5),
            SettingsError,
            "RunSettings: `engine`: no kind `vlm`; did you mean `vllm`? (known: vllm, openai, transformers, scripted, none)\n"
            "RunSettings: `seed`: input should be a valid integer, not 0.5",
            id="all-mistakes-at-once",
        ),
        pytest.param(
            lambda: RunSettings(filters={"trival": "off"}),
            SettingsError,
            "RunSettings: no field `trival`; did you mean `trivial`?",
            id="nested-settings",
        ),
        pytest.param(
            lambda: VerdictSpec(kind="label", labls={}),
            RecipeError,
            "VerdictSpec: no field `labls`; did you mean `labels`?",
            id="recipe",
        ),
    ],
)
def test_a_wrong_value_is_told_in_words(make, error, message):
    """Who writes a rubric in a notebook reads the line that a file would have got, and may catch the project's errors alone."""
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)  # so it was, and programs may count on it
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)  # through a worker of a trainer


def test_a_file_keeps_its_lines(tmp_path):
    """The same mistake in a file is told by file and line, however deep it is."""
    path = tmp_path / "run.yaml"
    path.write_text("rubric: helpfulness\nvotes:\n  n: 0\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"^{path}:3: `votes\.n`: "):
        judge.Judge.from_config(path)
    with pytest.raises(SettingsError, match=r"^Votes: `n`: "):
        Votes(n=0)
