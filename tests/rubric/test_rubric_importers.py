"""Published rubrics: read as published, with the arithmetic of their source."""

import json
import math

import pytest

from judge.errors import RubricError
from judge.reward.fold import fold_criteria
from judge.rubric.importers import (
    FORMATS,
    from_healthbench,
    from_paperbench,
    from_prometheus,
    from_rar,
    healthbench_mean,
    healthbench_score,
    import_record,
    import_rubric,
    paperbench_score,
)
from judge.rubric.lint import lint


def rows(path):
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def leaf_scores(node):
    if not node["sub_tasks"]:
        return {node["id"]: node["score"]}
    return {name: score for child in node["sub_tasks"] for name, score in leaf_scores(child).items()}


# --- HealthBench


def points(*values):
    return from_healthbench([{"criterion": f"criterion {i}", "points": p, "tags": []} for i, p in enumerate(values)]).rubric


@pytest.mark.parametrize(
    ("values", "met", "score"),
    [
        pytest.param((6, 4), (True, True), 1.0, id="all-met"),  # (6 + 4) / 10
        pytest.param((6, 4), (False, True), 0.4, id="one-met"),  # 4 / 10
        pytest.param((6, 4, -5), (True, False, True), 0.1, id="fault-subtracts"),  # (6 - 5) / 10: -5 is not in the denominator
        pytest.param((6, -9), (True, True), -0.5, id="below-zero-is-kept"),  # (6 - 9) / 6
        pytest.param((6, -9), (False, False), 0.0, id="absent-fault-earns-nothing"),
    ],
)
def test_healthbench_arithmetic(values, met, score):
    """A number from this toolkit can be put beside a published HealthBench number."""
    assert healthbench_score(points(*values), met) == score


def test_only_the_healthbench_mean_is_clipped():
    """Clipping every example first would raise the mean: (-0.5 + 1) / 2 = 0.25, not (0 + 1) / 2."""
    assert healthbench_mean([-0.5, 1.0]) == 0.25
    assert healthbench_mean([-0.5, -1.0]) == 0.0


@pytest.mark.parametrize(
    "met",
    [
        pytest.param([True], id="too-few"),
        pytest.param([True, None], id="no-verdict"),
        pytest.param([True, 1], id="number"),
    ],
)
def test_healthbench_scores_need_every_verdict(met):
    """A criterion the judge failed on is not an unmet one."""
    with pytest.raises(ValueError, match="2 criteria need as many true or false values"):
        healthbench_score(points(3, 4), met)
    with pytest.raises(ValueError, match="at least one score"):
        healthbench_mean([])


def test_healthbench_recorded_results(data_dir):
    """All 42 recorded results come out to the last bit, and so does the fold that the pipeline uses."""
    records = rows(data_dir / "healthbench" / "m42_graded_responses.jsonl")
    scores = []
    for record in records:
        rubric = import_rubric(record, where=record["prompt_id"])
        met = [graded["response_dict"]["criteria_met"] for graded in record["responses"]]
        score = healthbench_score(rubric, met)
        assert score == record["metrics"]["overall_score"], record["prompt_id"]
        assert round(score, 10) == record["score"]
        stated = dict(zip((c.id for c in rubric.criteria), met, strict=True))
        best = {c.id: float(stated[c.id] != c.negative) for c in rubric.criteria}
        assert fold_criteria(best, rubric).unclipped == pytest.approx(score, abs=1e-12)
        scores.append(score)
    assert len(records) == 42
    assert healthbench_mean(scores) == pytest.approx(math.fsum(r["score"] for r in records) / 42, abs=1e-9)


def test_every_healthbench_record_loads(data_dir):
    """222 published records, 2,101 criteria: ids fit, faults are pitfalls, nothing is lost."""
    records = rows(data_dir / "healthbench" / "examples.jsonl") + rows(data_dir / "healthbench" / "consensus.jsonl")
    for record in records:
        imported = import_record(record)
        assert [c.points for c in imported.rubric.criteria] == [item["points"] for item in record["rubrics"]]
        assert all((c.kind == "pitfall") == c.negative for c in imported.rubric.criteria)
        assert imported.metadata["prompt"] == record["prompt"]
    assert len(records) == 222


# --- RaR


def rar(*items, **settings):
    return from_rar([{"title": "", "description": d, "weight": w} for d, w in items], **settings)


@pytest.mark.parametrize(
    ("description", "weight", "kind"),
    [
        pytest.param("Essential Criteria: Names the dose.", 5, "essential", id="essential"),
        pytest.param("Important Criteria: Names the dose.", 4, "important", id="important"),
        pytest.param("**Optional criterion:** Names the dose.", 2, "optional", id="markup"),
        pytest.param("Pitfall Criteria: Names a wrong dose.", -2, "pitfall", id="pitfall"),
        pytest.param("Names the dose.", 5, "essential", id="no-category-5"),
        pytest.param("Names the dose.", 3, "important", id="no-category-3"),
        pytest.param("Names the dose.", 1, "optional", id="no-category-1"),
        pytest.param("Names a wrong dose.", -1, "pitfall", id="no-category-negative"),
        pytest.param("Important Criteria: Names a wrong dose.", -1, "pitfall", id="negative-important"),
    ],
)
def test_rar_categories_and_weights(description, weight, kind):
    """The category becomes the kind, the weight its magnitude, and the prefix leaves the text."""
    criterion = rar((description, weight)).rubric.criteria[0]
    assert (criterion.kind, criterion.weight) == (kind, abs(weight))
    assert criterion.text in ("Names the dose.", "Names a wrong dose.")


@pytest.mark.parametrize(
    ("text", "became"),
    [
        pytest.param("Recommends antibiotics.", "Recommends antibiotics.", id="states-the-fault"),
        pytest.param("Does not mention the dose.", "Does not mention the dose.", id="omission-is-a-fault"),
        pytest.param("Fails to ask for the age.", "Fails to ask for the age.", id="fails-to"),
        pytest.param("Avoids recommending antibiotics.", "Has this fault: recommending antibiotics.", id="avoids"),
        pytest.param("Must not rely on anecdotes.", "Relies on anecdotes.", id="must-not"),
        pytest.param("The response should never carry blame.", "Carries blame.", id="never"),
        pytest.param("Does not confuse mass with weight.", "Confuses mass with weight.", id="misdeed"),
        pytest.param("Does not incorrectly assume rest.", "Incorrectly assumes rest.", id="adverb"),
        pytest.param("Does not suggest delaying fluids.", "Suggests delaying fluids.", id="harmful-advice"),
        pytest.param("Does not suggest drinking water.", "Does not suggest drinking water.", id="unclear-is-a-fault"),
    ],
)
def test_rar_pitfalls_describe_the_fault(text, became):
    """The two RaR corpora word pitfalls in opposite ways; after import MET always means that the fault is there."""
    imported = rar(("Essential Criteria: Names the dose.", 5), (f"Pitfall Criteria: {text}", -2))
    pitfall = imported.rubric.criteria[1]
    assert pitfall.text == became
    assert pitfall.negative
    assert pitfall.tags == (("polarity:fault",) if text == became else ("polarity:flipped",))
    assert imported.notes[-1].startswith("c2: describes")


def test_rar_unclear_wordings_go_by_their_company():
    """ "Does not recommend X" cannot be read alone: the title tells, then the other pitfalls of the list."""
    unclear = "Pitfall Criteria: Does not recommend imaging."
    alone = rar((unclear, -1))
    assert alone.notes == ("c1: describes the fault (unclear; check it, or pass `pitfall_polarity`); kept",)
    among_virtues = rar((unclear, -1), ("Pitfall Criteria: Avoids jargon.", -1))
    assert among_virtues.rubric.criteria[0].text == "Recommends imaging."
    titled = from_rar([{"title": "Avoid imaging", "description": unclear, "weight": -1}])
    assert titled.rubric.criteria[0].text == "Recommends imaging."


@pytest.mark.parametrize(
    ("polarity", "texts"),
    [
        pytest.param("fault", ["Avoids jargon.", "Recommends rest."], id="fault"),
        pytest.param("virtue", ["Has this fault: jargon.", "Has this fault: the opposite of “Recommends rest.”"], id="virtue"),
    ],
)
def test_rar_polarity_can_be_told(polarity, texts):
    """Whoever knows the corpus overrides the reading of words."""
    imported = rar(
        ("Pitfall Criteria: Avoids jargon.", -1), ("Pitfall Criteria: Recommends rest.", -1), pitfall_polarity=polarity
    )
    assert [c.text for c in imported.rubric.criteria] == texts


def test_rar_divides_by_all_weights():
    """(5 * 1 + 2 * 1) / 7 = 1 for a good answer, and (5 * 1 + 2 * 0) / 7 when the fault is there."""
    rubric = rar(("Essential Criteria: Names the dose.", 5), ("Pitfall Criteria: Names a wrong dose.", -2)).rubric
    assert rubric.effective_denominator == "all_weights"
    assert fold_criteria({"c1": 1.0, "c2": 1.0}, rubric).value == 1.0
    assert fold_criteria({"c1": 1.0, "c2": 0.0}, rubric).value == 5 / 7


# --- PaperBench


def node(name, weight, *children):
    return {"id": name, "requirements": f"{name} holds", "weight": weight, "sub_tasks": list(children)}


def test_paperbench_flat_and_recursive_agree():
    """Weighted mean of weighted means = weighted mean of leaves: 3/4 * (1/3 * a + 2/3 * b) + 1/4 * c."""
    tree = node(
        "root", 1, node("ab", 3, node("a", 1), node("b", 2)), node("single", 1, node("c", 7)), node("no", 0, node("d", 1))
    )
    imported = from_paperbench(tree)
    assert [c.weight for c in imported.rubric.criteria] == [0.25, 0.5, 0.25]
    assert [c.tags[0] for c in imported.rubric.criteria] == ["paperbench:a", "paperbench:b", "paperbench:c"]
    assert imported.notes == ("leaf `d` dropped: its weight, or that of a node above it, is 0",)
    assert paperbench_score(tree, {"a": 1.0, "b": 0.5, "c": 0.0}) == 0.25 * 1 + 0.5 * 0.5
    assert paperbench_score(node("leaf", 1), {"leaf": 0.3}) == 0.3
    idle = node("r", 1, node("a", 1), node("b", 1, node("x", 0), node("y", 0)))
    assert paperbench_score(idle, {"a": 1.0}) == 0.5  # PaperBench: a node whose children all weigh 0 scores 0


def test_paperbench_graded_trees(data_dir):
    """Three trees graded by experts (361, 174 and 79 leaves): the published root score, both ways."""
    for record in rows(data_dir / "paperbench_rubrics" / "graded_trees.jsonl"):
        scores = leaf_scores(record["tree"])
        rubric = import_rubric(record)
        root = record["tree"]["score"]
        assert len(rubric.criteria) == len(scores)
        assert paperbench_score(record, scores) == pytest.approx(root, abs=1e-9)
        flat = {c.id: scores[c.tags[0].removeprefix("paperbench:")] for c in rubric.criteria}
        assert fold_criteria(flat, rubric).value == pytest.approx(root, abs=1e-9)


# --- Prometheus


def test_prometheus_levels_stand_on_both_scales():
    """A checklist recipe and a single-grade recipe show the judge the same five descriptions."""
    record = {"criteria": "Is it polite?"} | {f"score{i}_description": f"level {i}" for i in range(1, 6)}
    rubric = import_rubric(record)
    assert rubric.criteria[0].scale == rubric.scale
    assert rubric.scale.anchors == {i: f"level {i}" for i in range(1, 6)}


def test_prometheus_files_load(data_dir):
    """240 BiGGen records, and the rubric inside 316 Prometheus judge prompts."""
    instances = rows(data_dir / "biggen_rubrics" / "instances.jsonl")
    for record in instances:
        imported = import_record(record)
        assert imported.rubric.criteria[0].text == record["score_rubric"]["criteria"].strip("[]").strip()
        assert imported.metadata["reference_answer"] == record["reference_answer"]
    folder = data_dir / "prometheus_absolute"
    prompts = rows(folder / "mt_bench_eval.jsonl") + rows(folder / "vicuna_eval.jsonl")
    assert all(len(import_rubric(row["instruction"]).scale.anchors) == 5 for row in prompts)
    assert (len(instances), len(prompts)) == (240, 316)


# --- all forms


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda: import_rubric({"rules": [], "n": 1}),
            "record: a mapping with `rules`, `n` fits no known form\nforms: " + ", ".join(FORMATS),
            id="unknown-form",
        ),
        pytest.param(
            lambda: import_rubric([{"colour": "x", "weight": 2}]),
            "record: a list of 1, the first a mapping with `colour`, `weight` fits no known form\nforms: " + ", ".join(FORMATS),
            id="unknown-list",
        ),
        pytest.param(
            lambda: import_rubric([], "helthbench"),
            "no format `helthbench`; did you mean `healthbench`?\nformats: " + ", ".join(FORMATS),
            id="unknown-format",
        ),
        pytest.param(
            lambda: import_rubric({}, "healthbench", where="a.jsonl:3"),
            "a.jsonl:3: a HealthBench record has a list of {criterion, points, tags} under `rubrics`",
            id="not-of-that-form",
        ),
        pytest.param(
            lambda: from_healthbench([{"criterion": "x", "points": -3}], where="a.jsonl:3"),
            "a.jsonl:3: no criterion has positive points, so there is nothing to divide by",
            id="healthbench-all-negative",
        ),
        pytest.param(
            lambda: from_healthbench([{"criterion": "x", "points": True}]),
            "record: item 1: `points` should be a finite number, not True",
            id="healthbench-bool",
        ),
        pytest.param(
            lambda: rar(("Essential Criteria: x", 50)),
            "record: item 1: `weight` is 50; it runs from 1 to 5, or -1 to -5 for a pitfall",
            id="rar-weight",
        ),
        pytest.param(
            lambda: rar(("Essential Criteria: ", 5)),
            "record: item 1: the description says nothing after its category",
            id="rar-empty",
        ),
        pytest.param(
            lambda: from_paperbench(node("r", 1, node("a", 0), node("b", 0))),
            "record: all children of `r` have weight 0, so nobody could ever meet it: leave it out",
            id="paperbench-zero",
        ),
        pytest.param(
            lambda: from_paperbench(node("r", 1, node("a", 1), node("b", -1))),
            "record: a child of `r` has a negative weight",
            id="paperbench-negative",
        ),
        pytest.param(
            lambda: from_paperbench(node("r", 1, node("a", 1), node("a", 1))),
            "record: two leaves are called `a`",
            id="paperbench-twice",
        ),
        pytest.param(lambda: paperbench_score(node("a", 1), {}), "tree: leaf `a` has no score", id="paperbench-no-score"),
        pytest.param(
            lambda: paperbench_score(node("a", 1), {"a": float("nan")}),
            "tree: leaf `a`: nan is not in 0 to 1",
            id="paperbench-nan",
        ),
        pytest.param(
            lambda: from_prometheus({"criteria": "x", "score1_description": "a"}),
            "record: `score2_description` should be text, not None",
            id="prometheus-level",
        ),
        pytest.param(
            lambda: from_prometheus("[x]\nScore 1: a\nScore 2: b\n"),
            "record: levels 1 to 5 should each be described once, not [1, 2]",
            id="prometheus-text",
        ),
    ],
)
def test_a_wrong_record_says_which_and_why(call, message):
    """One bad record in a published file is named, and never becomes a rubric with a hole."""
    with pytest.raises(RubricError) as caught:
        call()
    assert str(caught.value) == message


def test_deep_paperbench_trees_are_refused():
    """A tree nested without end stops with a message, not with a full stack."""
    tree = node("leaf", 1)
    for i in range(80):
        tree = node(f"n{i}", 1, tree)
    with pytest.raises(RubricError, match="nested more than 64 levels deep"):
        from_paperbench(tree)


def test_lint_finds_reversed_healthbench_criteria(data_dir):
    """25 published criteria take points off for good behaviour ("Should not ...", "Should seek ..."): the linter names each."""
    records = rows(data_dir / "healthbench" / "examples.jsonl")
    reversed_ = [f for r in records for f in lint(import_rubric(r)) if (f.severity, f.rule) == ("error", "double-negative")]
    assert len(reversed_) == 25
