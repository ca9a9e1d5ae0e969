"""`judge audit` on judges of known character, through the real HTTP engine."""

from __future__ import annotations

import json

import pytest

PAIR = {"prompt": "2+2?", "response_a": "It is 4.", "response_b": "It is 5.", "label": "A"}


def by_name(record: dict) -> dict[str, dict]:
    return {row["name"]: row for row in record["probes"]}


@pytest.mark.parametrize("stub", ["always_yes", "always_no"])
def test_a_judge_that_always_says_the_same_is_called_blind(audit, stub):
    """Perfect invariance, and worthless: the report must not let anyone read one without the other."""
    ended = audit(stub, "--probes", "cue,causal,contrast", "--limit", "8", raw=True)
    assert ended.code == 0
    assert "invariance   1.000" in ended.out
    assert "sensitivity  0.000" in ended.out
    assert "its invariance is blindness" in ended.out


@pytest.mark.slow
def test_an_exact_judge_is_steady_and_sensitive(audit):
    """The other end: a judge that reads the final answer scores 1 and 1 over the whole catalogue."""
    record = audit("exact")
    summary = record["summary"]
    assert (summary["sensitivity"]["rate"], summary["invariance"]["rate"]) == (1.0, 1.0)
    assert summary["accuracy"]["rate"] == 1.0
    assert summary["accuracy"]["n"] == 24
    assert summary["invariance"]["low"] > 0.99
    assert (
        summary["unscored"] <= 2
    )  # "Nine out of ten readers agree" beside an answer, and two numbers behind one another, prove nothing
    assert "step_changed" in record["not_applied"]  # a verifier compares final answers only
    assert by_name(record)["padded_4x"]["ranked"] == {"rate": 1.0, "low": pytest.approx(0.862, abs=0.01), "high": 1.0, "n": 24}


def test_a_judge_that_loves_length_fails_the_length_probes(audit):
    """Padding pays here, on wrong answers too, and the table names the worst item."""
    record = audit("long", "--probes", "length,format")
    padded = by_name(record)["padded_8x"]
    assert padded["as_expected"]["rate"] < 0.2
    assert padded["delta"]["mean"] > 0.8
    assert padded["delta"]["low"] > 0.5
    assert padded["delta"]["wrong"] > 0.8
    assert (padded["worst"]["before"], padded["worst"]["after"]) == (0.0, 1.0)
    assert len(padded["worst"]["text_after"]) > 7 * len(padded["worst"]["text_before"])
    assert by_name(record)["markdown_bold"]["as_expected"]["rate"] == 1.0


def test_order_is_averaged_away_and_the_raw_disagreement_stays_visible(audit):
    """`both_mean` makes r(A,B) + r(B,A) = 1 by construction; that the judge looked at the place only must still be read."""
    averaged = audit("first_wins", "--probes", "position,identical_pair", recipe="pairwise")
    assert averaged["order"] == "both_mean"
    assert averaged["summary"]["order_consistency"]["rate"] == 1.0
    assert averaged["summary"]["raw_order_disagreement"] == 1.0
    assert by_name(averaged)["identical_pair"]["as_expected"]["rate"] == 1.0  # 0.5 each
    single = audit("first_wins", "--probes", "position", "--set", "order=single", recipe="pairwise")
    assert single["summary"]["order_consistency"]["rate"] == 0.0
    assert single["summary"]["raw_order_disagreement"] == 1.0
    agreeing = audit("first_wins", "--probes", "position", "--set", "order=both_agree", recipe="pairwise")
    assert agreeing["summary"]["order_consistency"]["rate"] is None  # no verdict is neither kept nor lost
    assert agreeing["summary"]["raw_order_disagreement"] == 1.0
    assert agreeing["summary"]["unscored"] == agreeing["summary"]["trials"]


def test_a_judge_that_fails_is_neither_steady_nor_moved(audit):
    """No verdict is no figure: null rates, and every trial in the column of its own."""
    record = audit("garbage", "--probes", "filler,final_number_changed", "--limit", "4")
    assert record["summary"]["invariance"] == {"rate": None, "low": None, "high": None, "n": 0}
    assert record["summary"]["sensitivity"]["rate"] is None
    assert {row["unscored_rate"] for row in record["probes"]} == {1.0}
    assert record["summary"]["constant"] is False


@pytest.mark.parametrize(
    ("stub", "rate", "code", "said"),
    [
        pytest.param("exact", "0.95", 0, "", id="passes"),
        pytest.param("always_yes", "0.5", 1, "sensitivity 0.000 is below 0.5", id="blind"),
        pytest.param("garbage", "0", 1, "invariance was not measured", id="not-measured-is-not-passed"),
    ],
)
def test_fail_below(audit, stub, rate, code, said):
    """A gate for a pipeline: both scores must hold, and a score that could not be measured does not."""
    ended = audit(stub, "--probes", "filler,causal", "--limit", "6", "--fail-below", rate, raw=True)
    assert ended.code == code
    assert said in ended.err


def test_identical_requests_are_sent_once(audit, endpoint):
    """Before is judged once, however many probes use it."""
    record = audit("exact", "--probes", "filler,politeness,cheerful", "--limit", "3")
    assert record["cost"]["judge_calls"] == 6 + 3 * 6
    assert len(endpoint.asked) == record["cost"]["judge_calls"]


def test_own_data(audit, tmp_path):
    """Rows with single labelled responses, in the columns of the verifier sets or mapped; the longest of each is taken."""
    rows = [
        {"question": "2+2?", "reference_answer": "4", "candidate": text, "label": label}
        for text, label in (("4", True), ("2 + 2 = 4, so it is 4.", True), ("5", False))
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    record = audit("exact", "--data", "d.jsonl", "--probes", "filler,conclusion_negated")
    assert record["data"] == {"source": "d.jsonl", "questions": 1, "cases": 2, "bad_rows": 0}
    assert by_name(record)["conclusion_negated"]["worst"]["text_before"] == "2 + 2 = 4, so it is 4."
    (tmp_path / "e.jsonl").write_text(json.dumps({"q": "2+2?", "a": "It is 4.", "ref": "4"}) + "\n")
    mapped = audit("exact", "--data", "e.jsonl", "--map", "prompt=q,response=a,reference=ref", "--probes", "filler,causal")
    assert mapped["summary"]["sensitivity"]["n"] > 0  # unlabelled responses are taken as right ones
    assert mapped["summary"]["accuracy"]["rate"] is None


@pytest.mark.parametrize(
    ("rows", "arguments", "said"),
    [
        pytest.param([{"x": 1}], (), "no column `prompt`", id="no-columns"),
        pytest.param([{"prompt": "q", "response": "a"}], (), "no column `reference`", id="no-reference"),
        pytest.param([PAIR | {"reference": "4"}], ("--probes", "nope"), "no probe or family `nope`", id="no-probe"),
        pytest.param([PAIR | {"reference": "4"}], ("--probes", "position"), "none of the probes applies", id="no-trial"),
        pytest.param(
            [{"prompt": "q", "response": "a", "reference": "4"}],
            ("--set", "recipe=pairwise"),
            "needs two responses",
            id="no-pair",
        ),
    ],
)
def test_what_cannot_be_audited(audit, tmp_path, rows, arguments, said):
    """The message says what is missing, before a model is asked."""
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    ended = audit("always_yes", "--data", "d.jsonl", *arguments, raw=True)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_a_checklist_under_another_layout(audit):
    """A shuffled and renamed rubric is the same rubric: components are compared under their own names."""
    record = audit(
        "met",
        "--probes",
        "rubric",
        "--limit",
        "2",
        recipe="checklist",
        more="rubric: {criteria: [{id: city, text: Names the city., weight: 3}, {id: rude, text: Is rude., kind: pitfall}]}\n",
    )
    assert record["summary"]["invariance"]["rate"] == 1.0  # city 1 and rude 0, whatever they are called
    assert record["summary"]["invariance"]["n"] == record["summary"]["trials"] == 8


def test_list_and_page(audit, judge, tmp_path):
    """The catalogue without a model; the page with the texts of the worst trials, escaped."""
    listed = judge("audit", "--list")
    assert listed.code == 0
    assert "  homoglyph             One letter in ten as its Cyrillic lookalike." in listed.out
    ended = audit("long", "--probes", "length,cue", "--limit", "4", "--html", "a.html", raw=True)
    assert ended.code == 0
    page = (tmp_path / "a.html").read_text()
    assert "padded_8x" in page
    assert "worst trial" in page
    assert "<script" not in page
    nowhere = audit("long", "--probes", "filler", "--limit", "1", "--html", "no/such/a.html", raw=True)
    assert nowhere.code == 4
