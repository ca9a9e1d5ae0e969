"""Run settings: every mistake has its place and a suggestion, and an override is checked like the file."""

from __future__ import annotations

import pytest

from judge.errors import SettingsError
from judge.settings import load_settings, settings_dict


def load(tmp_path, text, *overrides):
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, overrides)[0]


def test_defaults_are_the_documented_ones(tmp_path):
    """One line is a whole configuration."""
    settings = load(tmp_path, "rubric: helpfulness\n")
    assert (settings.recipe.name, settings.engine.kind, settings.engine.model) == ("checklist", "vllm", "smollm2-135m")
    assert (settings.on_no_verdict, settings.on_over_length, settings.filters.trivial) == ("drop", "no_verdict", "veto")


def test_short_forms(tmp_path):
    """What a person writes: a name for a recipe, a word for the filters, an integer where a float is meant."""
    settings = load(tmp_path, "recipe: pointwise\nfilters: off\nsampling: {temperature: 1}\nengine: {model: x}\n")
    assert (settings.recipe.name, settings.filters.level, settings.sampling.temperature) == ("pointwise", "off", 1.0)
    assert settings.engine.kind == "vllm"


BAD = [
    pytest.param("rubrik: x\n", "run.yaml:1: no field `rubrik`; did you mean `rubric`?", id="unknown-field"),
    pytest.param("rubric: x\nvotes: {m: 3}\n", "run.yaml:2: no field `m`; known: error, filter, fold", id="unknown-field-below"),
    pytest.param("engine: {kind: openai, modl: x}\n", "did you mean `model`?", id="unknown-field-of-a-kind"),
    pytest.param("engine: {kind: openai}\n", "`engine.model` is missing", id="missing-field"),
    pytest.param("engine: {kind: vlm}\n", "no kind `vlm`; did you mean `vllm`?", id="unknown-kind"),
    pytest.param("engine: vllm\n", "must be a mapping, for example `engine: {kind: vllm}`", id="engine-is-text"),
    pytest.param(
        "rubric: 5\n",
        "`rubric`: must be a shipped name, a path, a rubric written out or a list of criteria, not 5",
        id="rubric-is-a-number",
    ),
    pytest.param("votes: {n: three}\n", "`votes.n`: input should be a valid integer, not 'three'", id="wrong-type"),
    pytest.param("votes: {n: 0}\n", "`votes.n`: input should be greater than or equal to 1, not 0", id="out-of-range"),
    pytest.param("votes: {n: 2.0}\n", "`votes.n`", id="a-float-is-no-count"),
    pytest.param("seed: true\n", "`seed`: input should be a valid integer, not True", id="a-bool-is-no-number"),
    pytest.param("on_no_verdict: zero\n", "'drop', 'group_mean', 'constant' or 'raise'", id="unknown-choice"),
    pytest.param("on_no_verdict: constant\n", "needs `no_verdict_constant`", id="constant-without-a-value"),
    pytest.param("on_no_verdict: constant\nno_verdict_constant: .nan\n", "run.yaml:2: `.nan` is not a finite number", id="nan"),
    pytest.param("sampling: {temperature: -1}\n", "`sampling.temperature`", id="negative-temperature"),
    pytest.param("- a\n", "settings are a mapping of fields", id="a-list"),
    pytest.param("seed: 1\nseed: 2\n", "run.yaml:2: `seed` stands twice here (first on line 1)", id="duplicate-key"),
    pytest.param("rubric: !!python/object:os.system x\n", "is not allowed", id="python-tag"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_mistake_is_told_with_its_line(tmp_path, text, message):
    """A person reads one line and knows what to change."""
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "run.yaml"))


def test_all_mistakes_at_once(tmp_path):
    """Three mistakes are three lines, not three attempts."""
    with pytest.raises(SettingsError) as error:
        load(tmp_path, "rubrik: x\nseed: -1\nvotes: {n: x}\n")
    assert len(error.value.problems) == 3


OVERRIDES = [
    pytest.param("engine.model=Qwen/Qwen3-8B", lambda s: s.engine.model, "Qwen/Qwen3-8B", id="text"),
    pytest.param("votes.n=5", lambda s: s.votes.n, 5, id="group-that-was-not-there"),
    pytest.param("sampling.temperature=0.7", lambda s: s.sampling.temperature, 0.7, id="float"),
    pytest.param("recipe.name=pointwise", lambda s: s.recipe.name, "pointwise", id="short-form-written-out"),
    pytest.param("recipe.options.a=true", lambda s: (s.recipe.name, s.recipe.options), ("verifier", {"a": True}), id="option"),
    pytest.param("filters.trivial=off", lambda s: s.filters.trivial, "off", id="off-stays-a-word"),
    pytest.param("principle=", lambda s: s.principle, None, id="empty-is-null"),
    pytest.param('principle="Be kind: always"', lambda s: s.principle, "Be kind: always", id="quoted"),
    pytest.param("sampling.stop=[a, b]", lambda s: s.sampling.stop, ("a", "b"), id="list"),
]


@pytest.mark.parametrize(("text", "get", "value"), OVERRIDES)
def test_set_overrides_any_value(tmp_path, text, get, value):
    """`--set` reads its value as the file would."""
    assert get(load(tmp_path, "recipe: verifier\nfilters: default\nvotes:\n", text)) == value


def test_the_default_recipe_may_get_options(tmp_path):
    """The file says nothing about the recipe, and `--set` one option of it."""
    assert load(tmp_path, "rubric: x\n", "recipe.options.a=1").recipe.name == "checklist"


BAD_OVERRIDES = [
    pytest.param("votes", "--set votes: expected path.to.field=value", id="no-value"),
    pytest.param("=3", "--set =3: expected path.to.field=value", id="no-path"),
    pytest.param("a..b=1", "--set a..b=1: a field has no name", id="empty-name"),
    pytest.param("nope=1", "--set nope=1: no field `nope`; known: baseline_engine, budget, cache, calibration", id="unknown"),
    pytest.param("engine.modl=x", "--set engine.modl=x: no field `modl`; did you mean `model`?", id="unknown-below"),
    pytest.param("votes.n=abc", "--set votes.n=abc: `votes.n`: input should be a valid integer, not 'abc'", id="type"),
    pytest.param("rubric.x=1", "--set rubric.x=1: `rubric` is not a group of fields", id="not-a-group"),
    pytest.param("votes=[1", "--set votes:2: not valid YAML", id="not-yaml"),
    pytest.param("votes={n: 2, n: 3}", "`n` stands twice", id="duplicate-key"),
]


@pytest.mark.parametrize(("text", "message"), BAD_OVERRIDES)
def test_a_wrong_override_is_told_by_its_own_text(tmp_path, text, message):
    """Not by a line of the file that does not hold it."""
    with pytest.raises(SettingsError) as error:
        load(tmp_path, "rubric: helpfulness\n", text)
    assert message in str(error.value)


def test_a_key_in_a_header_does_not_reach_the_record(tmp_path):
    """`run.json` is shared; the key of somebody's gateway is not."""
    settings = load(tmp_path, "engine: {kind: openai, model: m, headers: {Authorization: Bearer secret}}\n")
    assert "secret" not in str(settings_dict(settings))
    assert settings_dict(settings)["engine"]["headers"] == {"Authorization": "***"}
