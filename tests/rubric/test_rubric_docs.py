"""docs/rubrics.md keeps its word."""

import re
from pathlib import Path

from judge.reward.fold import fold_criteria
from judge.rubric import lint as lint_module
from judge.rubric.build import build_rubric
from judge.rubric.importers import FORMATS
from judge.rubric.lint import lint
from judge.rubric.load import list_rubrics
from judge.rubric.model import Criterion, Rubric
from judge.yamlfile import parse_yaml

DOC = (Path(__file__).parents[2] / "docs" / "rubrics.md").read_text(encoding="utf-8")


def test_the_example_loads_and_is_clean():
    """The first rubric that somebody pastes works."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOC, re.S)
    assert blocks
    for block in blocks:
        findings = lint(build_rubric(parse_yaml(block, "docs/rubrics.md")))
        assert [f for f in findings if f.severity != "info"] == []


def test_every_name_is_documented():
    """Fields, shipped names, forms and lint rules are all in the tables."""
    rules = set(re.findall(r'"(?:error|warning|info)", "([a-z-]+)"', Path(lint_module.__file__).read_text(encoding="utf-8")))
    rules -= {"error", "warning", "info"}
    assert len(rules) > 12
    for name in [*Rubric.model_fields, *Criterion.model_fields, *list_rubrics(), *FORMATS, *rules]:
        assert f"`{name}" in DOC, name


def test_the_worked_example():
    """The two denominators, as computed by the pipeline."""
    texts = {"city": "It names the city.", "river": "It names the river.", "rude": "It is rude."}
    weights = {"city": {"weight": 4}, "river": {"weight": 2}, "rude": {"weight": 2, "kind": "pitfall"}}
    points = {"city": {"points": 4}, "river": {"points": 2}, "rude": {"points": -2}}
    polite, rude = {"city": 1.0, "river": 0.0, "rude": 1.0}, {"city": 1.0, "river": 0.0, "rude": 0.0}
    nothing = {"city": 0.0, "river": 0.0, "rude": 1.0}
    for importance, expected in ((weights, (6 / 8, 4 / 8, 2 / 8)), (points, (4 / 6, 2 / 6, 0.0))):
        rubric = Rubric.model_validate({"criteria": [{"id": i, "text": t, **importance[i]} for i, t in texts.items()]})
        assert tuple(fold_criteria(scores, rubric).value for scores in (polite, rude, nothing)) == expected
