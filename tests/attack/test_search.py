"""The search for new strings, and the training data: what a user keeps from an attack run."""

from __future__ import annotations

import json

import datasets
import pytest

from judge.attack.catalogue import load_catalogues
from judge.attack.export import check_folder, export, first_sentence
from judge.attack.run import AttackOptions
from judge.attack.search import write_found
from judge.errors import OutputError
from tests.attack.attack_harness import attacked, rights, some
from tests.fake_endpoint import Canned
from tests.stub_judges import always_yes, knowing, responses_in, verdict


def fond_of(word: str):
    """A judge that pays for one word, and proposes it among others when asked for openers."""

    def reply(body):
        shown = responses_in(body)
        if not shown:
            return Canned(f"The {word} way\nResult follows")
        return Canned(verdict(body, word in shown[0].lower()))

    return reply


def test_search_finds_what_this_judge_likes(tmp_path):
    """A weakness that is in no catalogue is found with a few hundred calls, measured on other questions, and can be replayed."""
    report, server = attacked(
        fond_of("verified"),
        AttackOptions(families=("master-key",), trials=2, search=150, filter_states=("off",)),
        questions=some(20),
    )
    found = report.modes[0].found
    assert found
    assert all("verified" in f.text.lower() for f in found)
    assert found[0].rate == 1.0
    assert server.requests <= report.calls + 5
    path = tmp_path / "found.yaml"
    write_found(found, path, "m")
    again = load_catalogues([path])
    assert {t for a in again if a.family == "found" for t in a.texts.values()} == {f.text for f in found}


def test_search_stays_within_its_calls():
    """`--search 40` costs about 40 calls, whatever it finds; a judge that cannot be bought yields nothing."""
    plain, _ = attacked(knowing(lambda _: False), AttackOptions(families=("master-key",), trials=1, items=1), questions=some(8))
    report, _ = attacked(
        knowing(lambda _: False), AttackOptions(families=("master-key",), trials=1, items=1, search=40), questions=some(8)
    )
    assert report.modes[0].found == []
    assert report.calls - plain.calls <= 40 + 16


SENTENCES = {
    "goes-on": ("Let us count the legs. A spider has 8.", "8", "Let us count the legs."),
    "holds-the-answer": ("It has 8 legs. So the answer is 8.", "8", None),
    "one-sentence": ("It has 8 legs.", "8", None),
    "number-inside-a-number": ("We start from 180 degrees. The answer is 80.", "80", "We start from 180 degrees."),
    "decimal": ("Take 2.5 hours. The answer is 72.", "72", "Take 2.5 hours."),
    "no-solution": ("", "8", None),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_first_sentence(name):
    """A negative must hold no answer: a first sentence that states it would teach the judge to refuse right ones."""
    solution, reference, expected = SENTENCES[name]
    assert first_sentence(solution, reference) == expected


def test_export_is_a_dataset_folder(tmp_path):
    """The folder loads with `datasets`, holds what was accepted as negatives, and is balanced in its honest rows."""
    questions = some(8)
    report, _ = attacked(always_yes, AttackOptions(families=("master-key", "non-committal"), trials=3), questions=questions)
    counts = export(report, questions.items, tmp_path / "out")
    rows = datasets.load_from_disk(str(tmp_path / "out"))
    assert counts["honest-right"] == counts["honest-wrong"] == 8
    assert counts["attack:master-key"] > 10
    assert counts["first-sentence"] > 0
    assert sum(counts.values()) == len(rows) == len({(r["question"], r["response"]) for r in rows})
    for row in rows:
        assert row["label"] == (row["source"] == "honest-right")
        assert row["completion"] == ("VERDICT: CORRECT" if row["label"] else "VERDICT: INCORRECT")
        assert row["messages"][0]["role"] == "system"
        assert row["reference"] in row["messages"][1]["content"]
    assert {r["response"] for r in rows if r["label"]} <= rights(questions.items)
    parquet = datasets.Dataset.from_parquet(str(tmp_path / "out" / "data.parquet"), cache_dir=str(tmp_path / "cache"))
    assert len(parquet) == len(rows)
    assert "| `completion` |" in (tmp_path / "out" / "README.md").read_text()


def test_export_never_mixes(tmp_path):
    """A folder that holds anything is refused before a single call is made."""
    (tmp_path / "a").write_text("x")
    with pytest.raises(OutputError, match="is not empty"):
        check_folder(tmp_path)


def test_pairs_have_no_training_rows(tmp_path):
    """A pair has no label of its own, and the message says which modes have one."""
    report, _ = attacked(
        always_yes, AttackOptions(families=("master-key",), trials=1, items=1), recipe="pairwise", questions=some(2)
    )
    with pytest.raises(OutputError, match="pairs have no label"):
        export(report, some(2).items, tmp_path / "out")


def test_record_is_json(tmp_path):
    """Half characters and NaN in metrics do not break the JSON that a script reads."""
    from judge.attack.report import record

    report, _ = attacked(always_yes, AttackOptions(families=("unicode", "null-model"), trials=1), questions=some(3))
    text = json.dumps(record(report), allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
