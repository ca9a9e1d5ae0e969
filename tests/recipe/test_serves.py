"""A trained judge named in `engine` gets its recipe and is run as its authors run it."""

from __future__ import annotations

import json

import pytest

from judge.batch.describe import method
from judge.engine.scripted import ScriptedEngine
from judge.errors import RecipeError
from judge.pipeline.build import build_pipeline, plan
from judge.recipe.load import list_recipes, load_recipe
from judge.recipe.serves import find_served, served_models
from judge.render.build import Ask
from judge.settings import load_settings
from judge.types import Sample
from tests.cli_harness import run_judge

BRRM = "nvidia/Qwen3-Nemotron-14B-BRRM"


def planned(**settings: object):
    return plan(load_settings(settings)[0])


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        pytest.param(BRRM, "branch-rethink", id="name"),
        pytest.param("/models/qwen3-nemotron-14b-brrm/", "branch-rethink", id="folder"),
        pytest.param("Qwen/Qwen3-8B", "checklist", id="not-known"),
        pytest.param("brrm", "checklist", id="too-short-to-tell"),
    ],
)
def test_the_recipe_follows_from_the_model(model, recipe):
    """Whoever names a judge that a recipe is for need not know the recipe."""
    made = planned(rubric="helpfulness", engine={"kind": "openai", "model": model})
    assert made.recipe.spec.name == recipe
    assert any("because it is for" in note for note in made.notes) == (recipe != "checklist")


def test_a_recipe_that_the_run_names_stays():
    """The model only decides where the settings say nothing."""
    made = planned(recipe="pairwise", engine={"kind": "openai", "model": BRRM})
    assert (made.recipe.spec.name, made.notes, made.profile.checkpoint) == ("pairwise", (), None)


RECIPE = """\
{name: own, summary: s, mode: pairwise, source: {title: t}, verdict: {kind: choice, form: brackets}, order: both_mean,
 turns: [{name: judge, system: s.j2, user: u.j2}], sampling: {temperature: 0, top_p: 0.5, max_tokens: 64}, options: {long: false},
 serves: [{model: a/b-judge, system_role: user, thinking: true, chat_template_kwargs: {x: 1}, order: single,
 options: {long: true}, sampling: {temperature: 0.6, max_tokens: 128}, note: reads 4096 tokens}]}
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "own"
    made.mkdir()
    (made / "recipe.yaml").write_text(RECIPE)
    (made / "s.j2").write_text("Judge.{% if options.long %} At length.{% endif %}")
    (made / "u.j2").write_text('{{ responses[0].text | quote("A") }}{{ responses[1].text | quote("B") }} [[A]] or [[B]]')
    return made


@pytest.mark.parametrize(
    ("settings", "sampling", "order", "kwargs"),
    [
        pytest.param({}, (0.6, 0.5, 128), "single", {"enable_thinking": True, "x": 1}, id="the-model-over-the-recipe"),
        pytest.param(
            {"sampling": {"temperature": 0.9}, "order": "both_agree"}, (0.9, 0.5, 128), "both_agree",
            {"enable_thinking": True, "x": 1}, id="the-run-over-the-model",
        ),
        pytest.param(
            {"engine": {"chat_template_kwargs": {"x": 2, "enable_thinking": False}}}, (0.6, 0.5, 128), "single",
            {"enable_thinking": False, "x": 2}, id="the-run-over-the-chat-template",
        ),
    ],
)  # fmt: skip
def test_recipe_then_model_then_run(folder, settings, sampling, order, kwargs):
    """Each value comes from the last of the three that gives one, and `run.json` says what came from the model."""
    engine = {"kind": "vllm", "model": "a/b-judge", **settings.get("engine", {})}
    made = planned(**{**settings, "recipe": str(folder), "engine": engine})
    last = made.sampling[-1]
    assert (last.temperature, last.top_p, last.max_tokens) == sampling
    assert (made.order, made.settings.engine.chat_template_kwargs) == (order, kwargs)
    assert method(made)["profile"]["sampling"] == {"temperature": 0.6, "max_tokens": 128}
    assert made.notes == ("own: reads 4096 tokens",)


@pytest.mark.parametrize(
    ("engine", "roles"),
    [
        pytest.param({"kind": "openai", "model": "a/b-judge"}, ["user"], id="folded"),
        pytest.param(
            {"kind": "openai", "model": "a/b-judge", "system_role": "system"}, ["system", "user"], id="the-run-says-otherwise"
        ),
        pytest.param({"kind": "openai", "model": "another"}, ["system", "user"], id="another-model"),
    ],
)  # fmt: skip
def test_a_model_without_a_system_role_gets_one_message(folder, engine, roles):
    """On every engine, before the chat template can refuse it."""
    made = planned(recipe=str(folder), engine=engine)
    builder = build_pipeline(made, ScriptedEngine(["x"])).caller.builder
    messages = builder.messages(builder.case(Sample.of("q", "a", "b"), None), made.recipe.spec.turns[0], Ask((0, 1)), {})
    assert [m.role for m in messages] == roles
    assert messages[0].text.startswith("Judge." + (" At length." if engine["model"] == "a/b-judge" else ""))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("thinking: true", "thinkin: true", "no field `thinkin`; did you mean `thinking`?", id="unknown-field"),
        pytest.param("order: single", "order: twice", "`serves.0.order`", id="order"),
        pytest.param("model: a/b-judge, ", "", "`serves.0.model` is missing", id="no-model"),
    ],
)
def test_a_mistake_in_serves_is_named(folder, old, new, expected):
    """With the file and the line."""
    (folder / "recipe.yaml").write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder)
    assert "recipe.yaml:3" in str(caught.value) or "recipe.yaml:4" in str(caught.value)
    assert expected in str(caught.value)


def test_every_shipped_model_is_found_by_its_name_and_fits_its_recipe():
    """No two recipes are picked for a model, and options of an entry exist."""
    seen: dict[str, str] = {}
    for served in served_models():
        load_recipe(served.recipe, options=served.checkpoint.options)
        for model in served.checkpoint.models if served.checkpoint.pick else ():
            assert seen.setdefault(model, served.recipe) == served.recipe
            found = find_served(model)
            assert found is not None
            assert found.recipe == served.recipe
        hashes, turns = len(served.checkpoint.sha256), len(served.spec.turns)
        assert hashes in (0, 2 * turns)
    assert seen
    assert set(seen.values()) <= set(list_recipes())


def test_models_lists_them_in_80_columns():
    """A terminal shows the table, a program reads the JSON."""
    table, plain, one = run_judge("models"), run_judge("models", "--json"), run_judge("models", BRRM)
    lines = table.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(BRRM) and "branch-rethink" in line and "adoptable" in line for line in lines)
    [record] = [r for r in json.loads(plain.out) if r["model"] == BRRM]
    assert (record["recipe"], record["mode"], record["prompt"]) == ("branch-rethink", "pairwise", "adoptable")
    assert "judge recipe adopt branch-rethink --prompt FILE" in one.out
    assert max(map(len, one.out.splitlines())) <= 80
    assert (table.code, plain.code, one.code) == (0, 0, 0)


def test_an_unknown_model_is_answered_with_the_nearest():
    """Exit code 2, as for any wrong name."""
    ended = run_judge("models", "nvidia/Qwen3-Nemotron-14B-BRM")
    assert ended.code == 2
    assert f"did you mean `{BRRM}`?" in ended.err
