"""Partial credit for queries: who is nearer, without running anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.checks.programs import prepare
from judge.reward.fold import fold_criteria
from judge.reward.sql import MAX_CHARS, compiles, linked, schema_linking, schema_names, shared_ngrams, syntax
from judge.rubric.model import Rubric
from judge.types import Sample
from tests.clock import least_cpu

SCHEMA = """
CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, "full name" TEXT UNIQUE);
CREATE TABLE pets (name TEXT, age INTEGER, owner INTEGER REFERENCES owners (id));
CREATE INDEX by_age ON pets (age);
"""


@pytest.mark.parametrize(
    ("query", "accepted"),
    [
        pytest.param("SELECT name FROM pets WHERE age > 3;", True, id="plain"),
        pytest.param("WITH old AS (SELECT * FROM pets) SELECT count(*) FROM old", True, id="with"),
        pytest.param('SELECT "full name" FROM owners JOIN pets ON owner = id', True, id="quoted-name"),
        pytest.param("-- all names\nSELECT name FROM pets -- of pets", True, id="comments"),
        pytest.param("/* a ; b */ SELECT name FROM pets; -- done", True, id="comment-behind-the-end"),
        pytest.param("SELECT nam FROM pets", False, id="no-such-column"),
        pytest.param("-- SELECT name FROM pets", False, id="comment-only"),
        pytest.param("/* SELECT name FROM pets", False, id="open-comment"),
        pytest.param("-- SELECT 1\nQUERY PLAN SELECT 1", False, id="our-own-word-behind-a-comment"),
        pytest.param("SELECT name FROM", False, id="cut-off"),
        pytest.param("", False, id="empty"),
        pytest.param("QUERY PLAN SELECT 1", False, id="finishes-our-own-word"),
        pytest.param("SELECT 1; DROP TABLE pets", False, id="two-statements"),
        pytest.param("DELETE FROM pets", False, id="writes"),
        pytest.param("ATTACH DATABASE 'x.db' AS x", False, id="opens-a-file"),
        pytest.param("PRAGMA writable_schema = 1", False, id="pragma"),
        pytest.param("WITH x AS (SELECT 1) INSERT INTO pets SELECT * FROM x", False, id="writes-behind-with"),
        pytest.param("SELECT '\x00'", False, id="null-character"),
        pytest.param("SELECT '\ud800'", False, id="surrogate"),
        pytest.param("SELECT " + "(" * 5000 + "1" + ")" * 5000, False, id="deep"),
        pytest.param("SELECT 1" + " " * MAX_CHARS, False, id="long"),
    ],
)
def test_only_a_reading_query_compiles(query: str, accepted: bool):
    """A query from a policy can neither change nor open anything, and a broken one is told from a whole one."""
    assert compiles(query, SCHEMA) is accepted


def test_a_query_without_end_is_not_run():
    """A policy cannot stop the trainer by a query that never ends."""
    query = "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT count(*) FROM x"
    assert compiles(query, SCHEMA)
    assert least_cpu(lambda: compiles(query, SCHEMA), 1.0) < 1.0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("SELECT name FROM pets", 1.0, id="same"),
        pytest.param("select NAME from PETS", 1.0, id="case"),
        pytest.param("SELECT name, age FROM pets", 2 / 3, id="one-too-many"),
        pytest.param("SELECT 'name' FROM pets", 0.5, id="a-quoted-text-is-no-name"),
        pytest.param("SELECT 1", 0.0, id="nothing-shared"),
        pytest.param("SELECT 1 -- name pets", 0.0, id="in-a-comment"),
        pytest.param("SELECT 1 /* name\npets */", 0.0, id="in-a-block-comment"),
        pytest.param("SELECT 1 /* name pets", 0.0, id="in-an-open-comment"),
        pytest.param("SELECT '--', name FROM pets", 1.0, id="no-comment-in-a-text"),
        pytest.param("SELECT 'name pets", 0.0, id="in-an-open-text"),
        pytest.param('SELECT "name" FROM [pets]', 1.0, id="names-in-quotes"),
        pytest.param("SELECT 1 AS name, 2 AS age FROM pets", 0.5, id="names-that-it-gives"),
    ],
)
def test_names(query: str, expected: float):
    """Naming every column of the schema does not pay: what is too much counts like what is missing."""
    assert linked(query, "SELECT name FROM pets", schema_names(SCHEMA)) == pytest.approx(expected)


FENCE = "`" * 3


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        pytest.param(f"{FENCE}sqlite\nSELECT name FROM pets\n{FENCE}", 1.0, id="sqlite"),
        pytest.param(f"{FENCE}PostgreSQL\nSELECT name FROM pets\n{FENCE}", 1.0, id="postgresql"),
        pytest.param(f"{FENCE}\n-- names\nSELECT name FROM pets\n{FENCE}", 1.0, id="comment-first"),
        pytest.param(f"{FENCE}sql SELECT name FROM pets{FENCE}", 1.0, id="one-line"),
        pytest.param("~~~sql\nSELECT name\nFROM pets\n~~~", 1.0, id="tildes"),
        pytest.param(f"{FENCE}SELECT\nname FROM pets{FENCE}", 1.0, id="no-language"),
        pytest.param(f"{FENCE}sql\nSELECT name FROM pets", 1.0, id="not-closed"),
        pytest.param(f"{FENCE}sql\nSELECT name FROM pets\n{FENCE}\nIt gives\n{FENCE}\nTom\n{FENCE}", 1.0, id="result-behind-it"),
        pytest.param("SELECT 1 -- SELECT name FROM pets", 0.0, id="reads-nothing"),
        pytest.param("-- SELECT name FROM pets", 0.0, id="comment-only"),
        pytest.param(f"{FENCE}\n{FENCE}", 0.0, id="empty"),
    ],
)
def test_syntax_of_an_answer(answer: str, score: float):
    """How a query is wrapped costs nothing, and a comment that names everything earns nothing."""
    sample = Sample.of("Names?", answer, reference="SELECT name FROM pets", context=(SCHEMA,))
    assert syntax(sample, 0, {}) == score
    assert schema_linking(sample, 0, {}) == score


def test_a_query_without_tables_may_be_the_answer():
    """Only where the reference reads a table must the answer."""
    assert syntax(Sample.of("1 + 1?", "SELECT 2", reference="SELECT 1 + 1", context=(SCHEMA,)), 0, {}) == 1.0


@settings(deadline=None)
@given(st.text(), st.text())
def test_scores_stay_in_the_unit_interval(query: str, reference: str):
    """Whatever is written, the score is a share, or absent where the reference says nothing."""
    for score in (shared_ngrams(query, reference), linked(query, reference, frozenset(("a", "b")))):
        assert score is None or 0 <= score <= 1


def test_as_criteria_of_a_rubric():
    """The set of partial rewards is a rubric, and costs no judge call."""
    checks = {"tables": "schema_linking", "words": "ngrams", "form": "syntax"}
    criteria = [{"id": k, "text": f"{k} fit.", "check": f"judge.reward.sql:{v}", "weight": 1} for k, v in checks.items()]
    rubric = Rubric.model_validate({"criteria": criteria})
    answer = "So:\n```sql\nSELECT name, age FROM pets\n```"
    sample = Sample.of("Names?", answer, reference="SELECT name FROM pets", context=("Pets.", SCHEMA))
    scores = {name: check(sample, 0, {}) for name, check in prepare(rubric).items()}
    assert scores == pytest.approx({"tables": 2 / 3, "words": 2 / 6, "form": 1.0})  # 2 shared of 3 + 5 - 2 pairs
    assert fold_criteria(scores, rubric).value == pytest.approx(2 / 3)


def test_a_schema_that_does_more_is_refused():
    """A wrong data set is an error of its own, never a low score."""
    for schema in ("CREATE TABLE", "CREATE TABLE a AS SELECT 1", "ATTACH 'x.db' AS x", "x" * (MAX_CHARS + 1)):
        with pytest.raises(ValueError, match="schema"):
            compiles("SELECT 1", schema)


def test_the_schema_may_stand_in_the_rubric():
    """One database for a whole data set need not be in every row; and none at all is an error, never a 0."""
    sample = Sample.of("Names?", "SELECT name FROM pets", reference="SELECT name FROM pets")
    assert schema_linking(sample, 0, {"schema": SCHEMA}) == syntax(sample, 0, {"schema": SCHEMA}) == 1.0
    with pytest.raises(ValueError, match="CREATE TABLE"):
        syntax(sample, 0, {})
