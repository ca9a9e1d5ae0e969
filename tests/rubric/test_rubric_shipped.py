"""The shipped rubrics: sound, and hard to please with nothing."""

import re

import pytest

from judge.reward.fold import fold_criteria
from judge.rubric.load import list_rubrics, load_rubric
from judge.shipped import shipped_dir

NAMES = list_rubrics()


def test_the_promised_rubrics_are_there():
    """The names in the documentation work."""
    assert set(NAMES) >= {
        "helpfulness",
        "factual-correctness",
        "instruction-following",
        "code-review",
        "summarization-faithfulness",
        "medical-answer",
        "creative-writing",
        "safety-refusal",
        "math-solution",
    }
    assert all((shipped_dir("rubrics") / f"{name}.yaml").is_file() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_what_a_rubric_needs(name):
    """5 to 9 short criteria of several kinds, a veto, a pitfall, a graded criterion, and an anchor for every level."""
    rubric = load_rubric(name)
    assert rubric.name == name
    assert rubric.title
    assert rubric.description
    assert 5 <= len(rubric.criteria) <= 9
    assert any(c.veto and not c.negative for c in rubric.criteria)  # so that an empty response gets 0
    assert any(c.kind == "pitfall" for c in rubric.criteria)
    assert len({c.kind for c in rubric.criteria}) >= 5
    assert any(c.scale.kind == "ordinal" for c in rubric.criteria)
    for scale in (rubric.scale, *(c.scale for c in rubric.criteria if c.scale.kind == "ordinal")):
        assert sorted(scale.anchors) == list(range(scale.min, scale.max + 1))
    for criterion in rubric.criteria:
        assert re.fullmatch(r"[A-Z][^.]*\.", criterion.text), "one sentence"
        assert len(criterion.text) <= 120
        assert criterion.title


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_the_reward(name):
    """Everything right earns 1; nothing at all earns 0, though it commits no fault."""
    rubric = load_rubric(name)
    assert fold_criteria({c.id: 1.0 for c in rubric.criteria}, rubric).value == 1.0
    nothing = fold_criteria({c.id: float(c.negative) for c in rubric.criteria}, rubric)
    assert nothing.value == 0.0
    assert nothing.vetoed_by


@pytest.mark.parametrize("name", NAMES)
def test_each_criterion_matters(name):
    """A response that fails one criterion gets less than one that fails none, for every criterion."""
    rubric = load_rubric(name)
    for failed in rubric.criteria:
        value = fold_criteria({c.id: float(c is not failed) for c in rubric.criteria}, rubric).value
        assert value is not None
        assert value < 1.0, failed.id
