"""The closing text of a run, and the figures of `run.json`, by what decided each reward."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from judge.batch.cascade import cascade_report
from judge.batch.store import Store
from judge.batch.summary import invalid_rows, load_run
from judge.types import Sample
from tests.batch_harness import question, run

OPENER = "Let's solve this step by step."


def replies(request) -> str:
    """Calls all right that does not say wrong; finds words in all but one."""
    asked = "Copy the words" in request.messages[-1].text
    if asked:
        return "none" if "prompt b" in question(request) else "The end" if "prompt c" in question(request) else "no such words"
    return "VERDICT: 1" if "prompt d" in question(request) else "VERDICT: 4"


RESPONSES = {"a": "", "b": OPENER, "c": "The end", "d": OPENER, "e": OPENER, "f": "The cat sat on the mat."}


def test_suspects_are_counted_by_what_became_of_them(tmp_path):
    """Nobody takes a reward that owed proof for one like any other, nor looks for the missing ones in vain."""
    data = [Sample.of(f"prompt {name}", response, id=name) for name, response in RESPONSES.items()]
    result, _ = run(tmp_path, data, replies, recipe="pointwise", rubric="helpfulness")
    counts = load_run(tmp_path)["counts"]
    assert {name: counts[name] for name in ("filtered", "suspect", "proved", "no_answer", "suspect_low", "suspect_unpaid")} == {
        "filtered": 1, "suspect": 4, "proved": 1, "no_answer": 1, "suspect_low": 1, "suspect_unpaid": 1,
    }  # fmt: skip
    text = result.summary
    assert "1 of 6 responses was decided by a filter without a judge call: 1 empty_response" in text
    assert "4 of 6 responses were suspected" in text
    assert "unproved: " in text
    assert "does not stand in the response" in text


def test_what_a_rule_decided_is_counted(tmp_path):
    """Rewards that cost no call are told from the judge's, and equal rewards are not called the lowest."""
    data = [Sample.of(f"What is {n} + {n}?", f"The answer is {2 * n}.", id=str(n), reference=str(2 * n)) for n in range(2, 7)]
    result, engine = run(tmp_path, data, lambda r: "VERDICT: INCORRECT", recipe="verifier")
    assert engine.requests == []
    assert load_run(tmp_path)["counts"]["by_rule"] == 5
    assert "5 of 5 responses were paid 1 by rule" in result.summary
    assert "lowest:" not in result.summary
    assert "all 5 are 1.000" in result.summary


@pytest.mark.parametrize(("level", "suspects"), [("default", 1), ("strict", 0), ("off", 0)])
def test_only_what_owed_proof_is_a_suspect(tmp_path, level, suspects):
    """A filter that vetoes or flags leaves no suspect."""
    run(tmp_path, [Sample.of("prompt", OPENER)], lambda r: "VERDICT: 1", recipe="pointwise", rubric="helpfulness", filters=level)
    assert json.loads((tmp_path / "run.json").read_text())["counts"]["suspect"] == suspects


def _decided(store):
    return cascade_report(store, "small")["decided"]


def _invalid(store):
    return sum(kind["rows"] for kind in invalid_rows(store).values())


@pytest.mark.parametrize("figure", [pytest.param(_decided, id="cascade"), pytest.param(_invalid, id="invalid-rows")])
def test_figures_of_very_many_rows_hold_a_page_of_them(tmp_path, figure):
    """What every row has a part in is counted as it is read: a million rows take the memory of a thousand."""
    store = Store(tmp_path / "journal.sqlite")
    flags = '[{"name": "cascade_decided", "detail": "", "where": ""}]'
    rows = ((row, 0, "invalid", f"data.jsonl:{row}: no JSON", flags, '{"first": 0.5}') for row in range(20_000))
    names = "row, response_index, reason, detail, flags, components"
    store._db.execute("BEGIN")
    store._db.executemany(f"INSERT INTO rewards ({names}) VALUES (?, ?, ?, ?, ?, ?)", rows)
    store._db.execute("COMMIT")
    figure(store)
    tracemalloc.start()
    found = figure(store)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    store.close()
    assert found == 20_000
    assert most < 1_500_000
