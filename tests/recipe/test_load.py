"""A recipe folder with a mistake in it: the message says where it is and what would do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal, get_args

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import CapabilityError, RecipeError
from judge.pipeline.build import build_pipeline, plan
from judge.recipe.load import list_recipes, load_recipe
from judge.recipe.model import Mode, RecipeSpec
from judge.recipe.parts import Order, SampleField, Turn
from judge.render.build import Builder
from judge.settings import RunSettings
from judge.types import Capability

FIXTURE = Path(__file__).parent / "fixtures" / "prompt-first"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FIXTURE, tmp_path / "r"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def message(folder: Path, **options: object) -> str:
    with pytest.raises(RecipeError) as caught:
        Builder(load_recipe(folder, options=options)).checked()
    return str(caught.value).replace(f"{folder}/", "").replace(f"{folder}:", "")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param(
            "recipe.yaml", "summary:", "sumary:",
            "recipe.yaml:1: `summary` is missing\nrecipe.yaml:2: no field `sumary`; did you mean `summary`?",
            id="unknown-field",
        ),
        pytest.param(
            "recipe.yaml", "user: plan.md.j2", "user: plans.md.j2",
            "recipe.yaml: no template `plans.md.j2` in this folder; did you mean `plan.md.j2`?", id="missing-template",
        ),
        pytest.param(
            "recipe.yaml", "user: plan.md.j2", "user: ../plan.md.j2",
            " template `../plan.md.j2` lies outside the recipe's folder",
            id="template-outside",
        ),
        pytest.param(
            "plan.md.j2", "What", "{% include '/etc/passwd' %}", " template `/etc/passwd` lies outside the recipe's folder",
            id="include-outside",
        ),
        pytest.param(
            "judge.md.j2", "{{ response |", "{{ respons |",
            "judge.md.j2:2: `respons` is not a variable of a recipe template; did you mean `response`?", id="unknown-variable",
        ),
        pytest.param(
            "plan.md.j2", "{{ prompt |", "{{ response |",
            "plan.md.j2:1: `response` is not known to a turn with `scope: prompt`; known: context, criterion, evidence, "
            "exemplar, fields, labels, messages, options, outputs, passage, principle, prompt, reference, rubric, scale, tools",
            id="response-before-there-is-one",
        ),
        pytest.param(
            "judge.md.j2", "outputs.plan", "prompt.__class__",
            "judge.md.j2:1: `__class__`: names that begin with _ are closed to templates", id="reaching-for-python",
        ),
        pytest.param(
            "judge.md.j2", "{% endif %}", "", "judge.md.j2:3: not a valid template: Unexpected end of template. Jinja was looking"
            " for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'.",
            id="open-block",
        ),
        pytest.param(
            "recipe.yaml", "  - {name: judge, user: judge.md.j2}", "  - {name: judge, user: judge.md.j2, scope: prompt}",
            "recipe.yaml:1: the last turn states the verdict, so it must see the response", id="blind-verdict",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: label, form: line",
            "recipe.yaml:8: `verdict`: a label verdict needs `labels`", id="label-without-labels",
        ),
        pytest.param(
            "recipe.yaml", "sampling: {temperature: 0}", "order: both_mean",
            "recipe.yaml:1: order `both_mean` needs several responses; a pointwise recipe sees one", id="order-of-one",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: score, form: line, copied: {marker: SAYS, turn: plan}",
            "recipe.yaml:1: `copied.turn` must be an earlier turn that sees the response, and there is none; got `plan`",
            id="copied-by-a-turn-that-sees-no-response",
        ),
        pytest.param(
            "judge.md.j2", '{{ response | quote("RESPONSE") }}', "{% if response %}It is there.{% endif %}",
            "recipe.yaml: no turn shows the response, so the judge would grade nothing; print it (or its `steps`): "
            '{{ response | quote("RESPONSE") }}', id="response-never-shown",
        ),
        pytest.param(
            "plan.md.j2", '{{ prompt | quote("PROMPT") }}\nWhat does a good answer need?', "{# later #} {{ '' }}",
            "plan.md.j2: empty: turn `plan` would say nothing", id="empty-template",
        ),
        pytest.param(
            "judge.md.j2", "outputs.plan", "outputs.plam",
            "judge.md.j2:1: `outputs.plam` is the reply of no turn before this one; did you mean `plan`?", id="no-such-turn",
        ),
        pytest.param(
            "plan.md.j2", "{{ prompt |", "{{ outputs.judge |",
            "plan.md.j2:1: `outputs.judge` is the reply of no turn before this one; it is the first", id="reply-of-a-later-turn",
        ),
        pytest.param(
            "judge.md.j2", "options.strict", "options.stric",
            "recipe.yaml:9: option `strict`: no template reads it; did you mean `stric`?", id="option-never-read",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: score, form: line, labels: {A: 1, B: 0}",
            "recipe.yaml:8: `verdict`: `labels` has no effect on a score verdict (it is for label, graded_choice, scores and"
            " criteria); leave it out", id="labels-of-a-score",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: score, form: line, tie: C",
            "recipe.yaml:8: `verdict`: `tie` has no effect on a score verdict (it is for choice); leave it out",
            id="tie-of-a-score",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: score, form: bare, marker: GRADE",
            "recipe.yaml:8: `verdict`: `marker` has no effect with form `bare`, which writes none; leave it out",
            id="marker-of-none",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: label, form: line, labels: {Good: 1, Fine: 1, Unsure: null}",
            "recipe.yaml:8: `verdict`: every label has the score 1, so all responses would be worth the same; give the labels"
            " different scores", id="labels-of-one-value",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: label, form: line, labels: {Good: high, Bad: 0}",
            "recipe.yaml:8: `verdict.labels`: label `Good`: a score is a number in [0, 1], or null where the judge abstains; not"
            " 'high'", id="score-of-a-label",
        ),
        pytest.param(
            "recipe.yaml", "kind: score, form: line", "kind: label, form: line, labels: [Good, Bad]",
            "recipe.yaml:8: `verdict.labels`: must be a mapping of labels to scores, for example {Yes: 1, No: 0}, or `criterion`;"
            " not ['Good', 'Bad']", id="labels-without-scores",
        ),
        pytest.param(
            "recipe.yaml", "verdict: {kind: score, form: line}", "signal: scalar\nask_again: []",
            "recipe.yaml:1: signal `scalar` reads no verdict, so `ask_again` has no effect; leave it out",
            id="scalar-asked-again",
        ),
        pytest.param(
            "recipe.yaml", "  - {name: judge, user: judge.md.j2}\nverdict: {kind: score, form: line}",
            "  - {name: judge, user: judge.md.j2, sampling: {top_p: 0.5}}\nsignal: scalar",
            "recipe.yaml:1: turn `judge` writes nothing, so its `sampling` has no effect; leave it out", id="rated-turn-samples",
        ),
        pytest.param(
            "recipe.yaml", "sampling: {temperature: 0}", "needs: {capabilities: [telepathy]}",
            "recipe.yaml:10: `needs.capabilities`: unknown capability `telepathy`; known: top_logprobs, score_continuation, "
            "structured, prefill, vision, seed, rate", id="unknown-capability",
        ),
    ],
)  # fmt: skip
def test_mistakes_in_a_folder(folder, file, old, new, expected):
    """Whoever writes a recipe finds the mistake from the message alone, before anything is judged."""
    edit(folder / file, old, new)
    assert message(folder) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"strict": "yes"}, "option `strict` of recipe `prompt-first` is False by default, so not 'yes'", id="type"),
        pytest.param({"strikt": True}, "recipe `prompt-first` has no option `strikt`; did you mean `strict`?", id="name"),
    ],
)
def test_mistakes_in_options(options, expected):
    """An option that nobody reads would change nothing, silently."""
    assert message(FIXTURE, **options) == expected


@pytest.mark.parametrize("mode", ["process", "likelihood", "scalar"])
def test_a_mode_that_nothing_carries_out_is_refused(folder, mode):
    """A recipe of a mode that means nothing would be judged as pointwise, and its rewards believed."""
    path = folder / "recipe.yaml"
    path.write_text(re.sub(r"(?m)^mode: .*$", f"mode: {mode}", path.read_text(encoding="utf-8")), encoding="utf-8")
    told = message(folder)
    assert re.match(r"recipe.yaml:\d+: `mode`: .*'pointwise', 'checklist', .*" + mode, told), told


DOCUMENTED = [
    pytest.param("mode", Mode, id="mode"),
    pytest.param("order", Order, id="order"),
    pytest.param("force", Literal["missing", "truncated", "empty", "thinking"], id="force"),
    pytest.param("ask_again", Literal["ambiguous", "off_scale", "wrong_count"], id="ask_again"),
    pytest.param("unit", get_args(RecipeSpec.model_fields["unit"].annotation)[0], id="unit"),  # the other is a mapping
    pytest.param("turns.*.scope", Turn.model_fields["scope"].annotation, id="scope"),
    pytest.param("turns.*.conversation", Turn.model_fields["conversation"].annotation, id="conversation"),
    pytest.param("needs", Literal[SampleField, *(c.value for c in Capability)], id="needs"),
]


@pytest.mark.parametrize(("field", "allowed"), DOCUMENTED)
def test_the_documentation_lists_what_is_accepted(field, allowed):
    """A value that the page names and the loader refuses, or the other way round, costs somebody an hour."""
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{field}` |"))
    values = row.split("|")[2] if field == "needs" else re.sub(r"\([^)]*\)", "", row.split("|")[2])
    subfields = {"sample", "fields", "capabilities"} if field == "needs" else set()
    assert set(re.findall(r"`([a-z_]+)`", values)) - subfields == set(get_args(allowed))


def test_options_reach_the_template_and_the_hash():
    """Another option value is another prompt, so another recipe hash."""
    assert load_recipe(FIXTURE).hash != load_recipe(FIXTURE, options={"strict": True}).hash


def test_hash_follows_every_template(folder):
    """A changed word in a template is a different judge."""
    before = load_recipe(folder).hash
    edit(folder / "plan.md.j2", "good", "great")
    assert load_recipe(folder).hash != before


def test_unknown_recipe():
    """A typo names the recipe that was meant."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("pairwize")
    assert str(caught.value) == "no recipe `pairwize`; did you mean `pairwise`? `judge recipe list` shows all"


def test_unknown_folder():
    """A path is not looked up among the shipped names."""
    with pytest.raises(RecipeError) as caught:
        load_recipe("./nowhere")
    assert str(caught.value) == "./nowhere: no such folder, or no recipe.yaml in it"


def test_a_rubric_of_the_folder(folder):
    """A method with fixed aspects brings them along; a run that names a rubric of its own replaces them."""
    edit(folder / "recipe.yaml", "sampling: {temperature: 0}", "rubric: aspects.yaml")
    assert message(folder) == "recipe.yaml: no rubric `aspects.yaml` in this folder"
    (folder / "aspects.yaml").write_text("name: aspects\ncriteria:\n  - {id: sound, text: The response is sound., weight: 1}\n")
    recipe = load_recipe(folder)
    assert [c.id for c in recipe.rubric.criteria] == ["sound"]
    assert plan(RunSettings.model_validate({"recipe": str(folder)})).rubric.name == "aspects"
    assert plan(RunSettings.model_validate({"recipe": str(folder), "rubric": "helpfulness"})).rubric.name == "helpfulness"
    edit(folder / "recipe.yaml", "rubric: aspects.yaml", "rubric: ../aspects.yaml")
    assert message(folder) == "recipe.yaml: `rubric`: `../aspects.yaml` must be a file of this folder"


def test_template_that_is_not_utf8(folder):
    """Mojibake would reach the judge unseen."""
    (folder / "plan.md.j2").write_bytes(b"caf\xe9")
    assert message(folder) == "plan.md.j2: not UTF-8; save the file as UTF-8"


def test_missing_capability_names_the_engines(folder):
    """The user learns which engine to choose, before a model is loaded for nothing."""
    edit(folder / "recipe.yaml", "sampling: {temperature: 0}", "needs: {capabilities: [prefill]}")
    engine = ScriptedEngine(["unused"], capabilities=frozenset({Capability.SEED}))
    with pytest.raises(CapabilityError) as caught:
        build_pipeline(plan(RunSettings.model_validate({"recipe": str(folder)})), engine)
    assert str(caught.value) == (
        "recipe `prompt-first` needs prefill; engine `scripted` can: seed."
        " Engines with it: vllm, transformers, and openai endpoints served by vLLM."
    )


def test_shipped_recipes_name_their_source_and_deviations():
    """Whoever compares figures with a paper sees what differs."""
    assert len(list_recipes()) >= 9
    for name in list_recipes():
        spec = load_recipe(name).spec
        assert spec.name == name
        assert spec.source.paper.startswith(("arXiv:", "https://"))  # a model card, where there is no paper
        assert spec.deviations
