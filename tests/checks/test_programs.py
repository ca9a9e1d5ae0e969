"""Programmatic criteria: right on odd answers, and wrong arguments are found before anything is judged."""

from __future__ import annotations

import pytest

from judge.checks.programs import CHECKS, find_check, prepare
from judge.errors import RubricError
from judge.reward.fold import fold_criteria
from judge.rubric.model import Criterion, Rubric
from judge.types import Sample


def score(check, response, reference=None, **args):
    criterion = Criterion(id="c", text="x", check=check, args=args)
    return find_check(criterion)(Sample.of("Q", response, reference=reference), 0, criterion.args)


@pytest.mark.parametrize(
    ("check", "response", "args", "expected"),
    [
        pytest.param("contains", "It is PARIS.", {"text": "paris"}, 1.0, id="contains-ignores-case"),
        pytest.param("contains", "It is PARIS.", {"text": "paris", "ignore_case": False}, 0.0, id="contains-exact"),
        pytest.param("contains", "STRASSE", {"text": "straße"}, 1.0, id="contains-folds"),
        pytest.param("max_words", "one two three", {"n": 3}, 1.0, id="at-the-limit"),
        pytest.param("max_words", "one two three four", {"n": 3}, 0.0, id="over"),
        pytest.param("min_words", "", {"n": 1}, 0.0, id="no-words"),
        pytest.param("valid_json", '{"a": [1, null]}', {}, 1.0, id="json"),
        pytest.param("valid_json", '```json\n{"a": 1}\n```', {}, 1.0, id="fenced"),
        pytest.param("valid_json", '{"a": 1} and more', {}, 0.0, id="text-after"),
        pytest.param("valid_json", "NaN", {}, 0.0, id="nan-is-not-json"),
        pytest.param("valid_json", "9" * 10_000, {}, 1.0, id="a-number-of-any-length"),
        pytest.param("valid_json", "[" * 100_000, {}, 0.0, id="deep"),
        pytest.param("valid_json", "```", {}, 0.0, id="fence-only"),
        pytest.param("valid_json", "", {}, 0.0, id="empty"),
    ],
)
def test_checks(check, response, args, expected):
    """A program decides the same way every time, for free."""
    assert score(check, response, **args) == expected


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        pytest.param("5 + 7 = 12. Amy has 12 apples.", "12", True, id="last-number"),
        pytest.param("She has 12, no, 13.", "12", False, id="the-last-one-counts"),
        pytest.param(r"Thus $x = \boxed{\frac{1}{2}}$, which is 50 % of 1.", "0.5", True, id="box-over-last-number"),
        pytest.param("1 + 1 = 2\n#### 1,234", "1234", True, id="gsm8k-with-comma"),
        pytest.param("**Answer: 7 cm**", "7", True, id="with-a-unit"),
        pytest.param("The answer is Paris.", "Paris", True, id="a-word"),
        pytest.param("The answer is 3 or 4.", "4", False, id="two-answers"),
        pytest.param("It loses 5, so -3 is left", "-3", True, id="negative"),
        pytest.param(r"\boxed{12", "12", True, id="open-box-falls-back"),
        pytest.param("Let me think step by step.", "4", False, id="nothing-stated"),
        pytest.param("{" * 100_000 + "\\boxed{" * 1000, "4", False, id="hostile"),
    ],
)
def test_the_final_answer(response, reference, right):
    """A worked solution is right when what it ends with is, not when the number stands somewhere in it."""
    assert score("final_answer", response, reference) == float(right)
    assert score("final_answer", response) is None


@pytest.mark.parametrize(
    ("check", "args", "problem"),
    [
        pytest.param("contain", {}, "no check `contain`; did you mean `contains`", id="misspelt"),
        pytest.param("xyz", {}, "known: llm, matches_reference, final_answer, contains", id="unknown"),
        pytest.param("contains", {}, "needs `args: {text: ...}`", id="argument-missing"),
        pytest.param("max_words", {"n": "many"}, "takes a whole number as `n`, not 'many'", id="text-for-a-number"),
        pytest.param("max_words", {"n": -3}, "counts words, so `n` is 0 or more, not -3", id="fewer-than-no-words"),
        pytest.param("max_words", {"n": True}, "takes a whole number as `n`, not True", id="bool-for-a-number"),
        pytest.param(
            "contains", {"text": "a", "ignorecase": True}, "no argument `ignorecase`; did you mean `ignore_case`", id="typo"
        ),
        pytest.param("valid_json", {"n": 1}, "no argument `n`; it takes none", id="takes-none"),
        pytest.param("no_such_module:check", {}, "`no_such_module:check` cannot be imported", id="no-module"),
        pytest.param("json:nothing", {}, "cannot be imported", id="no-function"),
        pytest.param("math:pi", {}, "is not callable", id="not-callable"),
        pytest.param(":f", {}, "not of the form `package.module:name`", id="no-module-name"),
    ],
)
def test_a_wrong_check_is_found_when_the_rubric_is_loaded(check, args, problem):
    """Not on the ten-thousandth answer."""
    with pytest.raises(RubricError, match="criterion `c`: ") as error:
        prepare(Rubric(criteria=(Criterion(id="c", text="x", check=check, args=args),)))
    assert problem in str(error.value)


def test_a_check_of_ones_own_gives_a_score_or_nothing():
    """Whatever a user's function returns, no number outside [0, 1] becomes a reward."""
    assert score(f"{__name__}:own", "half") == 0.5
    assert score(f"{__name__}:own", "true") == 1.0
    assert score(f"{__name__}:own", "none") is None
    for word in ("five", "nan", "text"):
        with pytest.raises(RubricError, match=r"gave .* a check gives a score in \[0, 1\], or None"):
            score(f"{__name__}:own", word)


@pytest.mark.parametrize(
    ("prompt", "response", "reference", "score"),
    [
        pytest.param("What is $17 \\times 23$?", "It is $17 \\times 23$.", "391", None, id="given-back"),
        pytest.param("What is 17 * 23?", "\\boxed{17*23}", "391", None, id="in-a-box"),
        pytest.param("What is $17 \\times 23$?", "$17 \\times 23 = 391$", "391", 1.0, id="worked-out"),
        pytest.param("Which is greater, 2/3 or 3/5?", "2/3", "2/3", 1.0, id="one-of-two"),
        pytest.param("Write 0.5 as a fraction.", "1/2", "0.5", 1.0, id="not-of-the-prompt"),
    ],
)
def test_the_question_is_no_answer(prompt, response, reference, score):
    """A formula of the prompt given back is equal to the answer, and pays nothing."""
    assert CHECKS["final_answer"].run(Sample.of(prompt, response, reference=reference), 0, {}) == score


def test_a_veto_that_cannot_tell_pays_nothing_and_costs_nothing():
    """A right answer that a program cannot read must not get 0 for it: there is no reward at all."""
    criteria = [
        {"id": "right", "text": "The answer is right.", "check": "final_answer", "veto": True},
        {"id": "short", "text": "It is short.", "check": "max_words", "args": {"n": 9}},
    ]
    rubric = Rubric.model_validate({"criteria": criteria})
    rewards = {}
    for response in ("It is 0.", "It is 1.", "They cancel out."):
        sample = Sample.of("3 - 3?", response, reference="0")
        scores = {name: check(sample, 0, rubric.criteria[i].args) for i, (name, check) in enumerate(prepare(rubric).items())}
        rewards[response] = fold_criteria(scores, rubric).value
    assert rewards == {"It is 0.": 1.0, "It is 1.": 0.0, "They cancel out.": None}


def own(sample, index, args):
    return {"half": 0.5, "true": True, "none": None, "five": 5, "nan": float("nan"), "text": "0.5"}[sample.responses[index]]
