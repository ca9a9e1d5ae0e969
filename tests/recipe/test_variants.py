"""Options that change a recipe, shared files of one's own, and fields of the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.adapters._shared.sample import samples_of
from judge.batch.read import parse_map, to_sample
from judge.client.wire import fields_of
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, RecipeError
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.recipe.load import load_recipe
from judge.render.build import Ask, Builder
from judge.rubric.load import load_rubric
from judge.server.wire import SampleIn
from judge.server.wire import to_sample as sample_in
from judge.settings import load_settings
from judge.types import Sample

RECIPE = """\
name: two-forms
summary: s
mode: pointwise
source: {title: t}
turns: [{name: judge, user: grade.md.j2}]
verdict: {kind: score, form: brackets, range: {min: 1, max: 5}}
sampling: {temperature: 0, max_tokens: 64}
options: {form: grade, strict: false}
variants:
  form:
    yes-no:
      turns: [{name: judge, user: yes.md.j2}]
      verdict: {kind: label, form: brackets, labels: {"yes": 1, "no": 0}}
      sampling: {max_tokens: 8}
  strict:
    "true": {sampling: {temperature: 1}}
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "two-forms"
    made.mkdir()
    (made / "recipe.yaml").write_text(RECIPE)
    (made / "grade.md.j2").write_text('{{ response | quote("R") }}\n[[1]] to [[5]]')
    (made / "yes.md.j2").write_text('{{ response | quote("R") }}\n[[yes]] or [[no]]')
    return made


@pytest.mark.parametrize(
    ("options", "reply", "reward", "tokens", "temperature"),
    [
        pytest.param({}, "[[4]]", 0.75, 64, 0, id="default"),
        pytest.param({"form": "grade"}, "[[yes]]", None, 64, 0, id="default-named"),
        pytest.param({"form": "yes-no"}, "[[yes]]", 1.0, 8, 0, id="variant"),
        pytest.param({"form": "yes-no", "strict": True}, "[[no]]", 0.0, 8, 1, id="two-options"),
    ],
)
def test_an_option_changes_turns_verdict_and_sampling(folder, options, reply, reward, tokens, temperature):
    """One folder holds the forms of one paper, and the run says which."""
    settings = {"recipe": {"name": str(folder), "options": options}, "engine": {"kind": "scripted"}}
    engine = ScriptedEngine([reply], repeat_last=True)
    with Judge.from_config(settings, engine=engine) as judge:
        [found] = judge.score([Sample.of("q", "a")])
    sampling = engine.requests[0].sampling
    assert (found.reward, sampling.max_tokens, sampling.temperature) == (reward, tokens, temperature)


@pytest.mark.parametrize(
    ("old", "new", "options", "expected"),
    [
        pytest.param("", "", {"form": "yesno"}, "`two-forms` cannot be 'yesno'; did you mean `yes-no`?", id="value"),
        pytest.param("  form:\n", "  from:\n", {}, "recipe.yaml:10: no option `from`; did you mean `form`?", id="option"),
        pytest.param("kind: label", "knd: label", {}, "recipe.yaml:13: no field `knd`; did you mean `kind`?", id="field"),
        pytest.param(
            "      sampling: {max", "      name: x\n      sampling: {max", {}, "recipe.yaml:14: a variant cannot change `name`",
            id="name",
        ),
        pytest.param(
            "yes.md.j2", "yess.md.j2", {"form": "yes-no"},
            "recipe.yaml: no template `yess.md.j2` in this folder; did you mean `yes.md.j2`?", id="template",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_variant_is_found_when_the_recipe_is_loaded(folder, old, new, options, expected):
    """The message names the line of the variant, whether the run chose it or not."""
    (folder / "recipe.yaml").write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder, options=options)
    assert expected in str(caught.value)


def test_another_variant_is_another_recipe_to_the_cache(folder):
    """What a variant changes is in the hash; what it would have changed is not."""
    first, chosen = load_recipe(folder), load_recipe(folder, options={"form": "yes-no"})
    (folder / "recipe.yaml").write_text(RECIPE.replace("max_tokens: 8}", "max_tokens: 9}"))
    assert load_recipe(folder).hash == first.hash
    assert load_recipe(folder, options={"form": "yes-no"}).hash != chosen.hash != first.hash


def test_a_folder_may_bring_its_own_shared_files(folder):
    """Its own `_shared/` comes first; what it lacks is the shipped one."""
    (folder / "_shared").mkdir()
    (folder / "_shared" / "case.md.j2").write_text('mine: {{ prompt | quote("Q") }}\n')
    (folder / "grade.md.j2").write_text('{% include "_shared/case.md.j2" %}\n{% include "_shared/material.md.j2" %}')
    templates = load_recipe(folder).templates
    assert templates["_shared/case.md.j2"].startswith("mine")
    assert templates["_shared/material.md.j2"].startswith("Text between")


# ---- fields and exemplar -----------------------------------------------------------------------------------------------

TEMPLATE = """{{ fields.lang }}, {{ fields.tags | join("+") }}, {{ fields.level + 1 }}
{{ exemplar | quote("E") }}{{ response | quote("R") }}"""


@pytest.fixture
def shown(folder):
    (folder / "recipe.yaml").write_text(RECIPE + "needs: {sample: [exemplar], fields: [lang, tags, level]}\n")
    (folder / "grade.md.j2").write_text(TEMPLATE)
    return folder


ROW = {"prompt": "q", "response": "a", "exemplar": "like this", "language": "ger\nman</s>", "tags": ["x", "y"], "level": 2}
META = {"lang": ROW["language"], "tags": ROW["tags"], "level": 2}


def entries(folder: Path) -> dict[str, Sample]:
    made = plan(load_settings({"recipe": str(folder), "engine": {"kind": "scripted"}})[0])
    given = Sample.of("q", "a", exemplar="like this", metadata=META)
    columns = {"exemplar": ["like this"], **{name: [value] for name, value in META.items()}}
    needs = tuple(f"fields.{name}" for name in META)
    return {
        "python": given,
        "batch": to_sample(ROW, parse_map(["fields.lang=language"]), index=0, where="x", keep=needs),
        "http": sample_in(SampleIn.model_validate(fields_of(given)), "q", ("a",), where="", rubrics="all"),
        "trainer": samples_of(made, ["q"], ["a"], columns, where="t")[0],
    }


def test_fields_and_exemplar_are_the_same_from_every_entry(shown):
    """A language in a column reaches the judge whoever brings the row, on one line and unable to act."""
    builder = Builder(load_recipe(shown))
    for name, sample in entries(shown).items():
        case = builder.case(sample, load_rubric("helpfulness"))
        [message] = builder.messages(case, builder.recipe.spec.turns[0], Ask((0,)), {})
        head, _, rest = message.content.partition("\n")
        assert (name, head) == (name, "ger man< /s>, x+y, 3")
        assert "\nlike this\n" in rest


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param(Sample.of("q", "a", metadata=META), "needs an exemplar, and the sample has none", id="exemplar"),
        pytest.param(
            Sample.of("q", "a", exemplar="e", metadata={"lang": "de", "tags": ["x"]}),
            "needs the field `level`, and the sample has none", id="field",
        ),
    ],
)  # fmt: skip
def test_a_row_without_what_the_recipe_shows_says_so(shown, sample, expected):
    """Before the judge is asked, and with the places where the value may come from."""
    with pytest.raises(DataError, match=expected):
        Builder(load_recipe(shown)).case(sample, None)


def test_a_field_that_needs_does_not_name_is_found_at_once(shown):
    """Else the first row without it would end the run."""
    (shown / "grade.md.j2").write_text("\n{{ fields.langs }}")
    with pytest.raises(RecipeError) as caught:
        Builder(load_recipe(shown))
    assert str(caught.value).endswith("grade.md.j2:2: `fields.langs` is not in `needs.fields`; did you mean `lang`?")
