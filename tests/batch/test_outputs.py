"""What a run writes: the tables, run.json, and that every response ends in a reward or a reason."""

from __future__ import annotations

import json
import math

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judge.batch.read import BadRow
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, NoVerdictError, OutputError
from judge.types import Capability, Completion, Sample
from tests.batch_harness import RUBRIC, met, question, rewards, run, samples, verdicts

NOTHING = "Hard to tell, this one."
UNFORCED = frozenset({Capability.SEED})


def unsure(*phrases):
    """An engine that gives no verdict on messages that hold one of the phrases."""
    return ScriptedEngine(lambda r: NOTHING if any(p in question(r) for p in phrases) else "VERDICT: MET", capabilities=UNFORCED)


def test_schemas(tmp_path):
    """Column names and types are what trainers and notebooks are written against."""
    run(tmp_path, samples(1))
    table = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "rewards.parquet")}
    assert table == {
        "row": "int64", "id": "string", "group": "string", "response_index": "int32", "reward": "double",
        "raw_reward": "double", "status": "string", "reason": "string", "detail": "string",
        "flags": "list<element: struct<name: string, detail: string, where: string>>",
        "components": "map<string, double ('components')>", "spread": "double", "missing_votes": "double", "expected": "double",
        "entropy": "double", "order_gap": "double", "variance": "double",
        "explanation": "string", "judge_calls": "int32", "prompt_tokens": "int64",
        "completion_tokens": "int64", "stages": "list<element: struct<step: string, reward: double>>",
        "steps": "list<element: struct<score: double, start: int64, stop: int64, reward: double>>",
        "prompt": "string", "response": "string",
        "criterion.right": "double", "criterion.short": "double",
    }  # fmt: skip
    calls = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "verdicts.parquet")}
    assert calls == {
        "row": "int64", "id": "string", "request_hash": "string", "turn": "string", "order": "list<element: int32>",
        "criteria": "list<element: string>", "vote": "int32", "seed": "int64", "raw_text": "string", "value": "string",
        "scores": "list<element: list<element: double>>", "reason": "string", "detail": "string", "forced": "bool",
        "cached": "bool", "finish_reason": "string", "prompt_tokens": "int64", "completion_tokens": "int64",
        "cached_tokens": "int64", "latency_s": "double", "error": "string",
    }  # fmt: skip


def test_a_row_can_be_traced_to_its_calls(tmp_path):
    """From a reward to the exact reply: the components, the raw text, the seed and the request's hash."""
    run(tmp_path, samples(2, group="g"), lambda r: "Sure.\nVERDICT: " + ("UNMET" if "is short" in question(r) else "MET"))
    row = rewards(tmp_path)[1]
    assert (row["id"], row["group"], row["reward"], row["status"], row["reason"]) == ("s1", "g", 0.75, "judged", None)
    assert row["components"] == {"right": 1.0, "short": 0.0}
    assert row["explanation"] == "3 of 4 weight"
    mine = [v for v in verdicts(tmp_path) if v["id"] == "s1"]
    assert [(v["criteria"], json.loads(v["value"]), v["scores"]) for v in mine] == [
        (["right"], "MET", [[1.0]]),
        (["short"], "UNMET", [[0.0]]),
    ]
    assert all(v["raw_text"].startswith("Sure.\nVERDICT") and len(v["request_hash"]) == 32 for v in mine)
    assert row["prompt_tokens"] == sum(v["prompt_tokens"] for v in mine) > 0


def test_run_json_says_what_decided_the_rewards(tmp_path):
    """Hashes, model, sampling, versions and counts: enough to say in a year what this number was."""
    result, _ = run(tmp_path, samples(3), seed=7)
    told = json.loads((tmp_path / "run.json").read_text())
    assert told == json.loads(json.dumps(result.run))
    assert told["state"] == "finished"
    assert (told["model"], told["engine"], told["recipe"]["name"]) == ("judge-model", {"engine": "scripted"}, "checklist")
    assert len(told["recipe"]["hash"]) == len(told["rubric"]["hash"]) == 16
    assert told["sampling"][0]["seed"] == 7
    assert told["counts"]["judge_calls"] == told["counts"]["verdicts"] == 6
    assert told["settings"]["seed"] == 7
    assert told["tokens"]["prompt"] > 0
    assert told["seconds"]["judging"] > 0


def test_jsonl_is_the_same_rows(tmp_path):
    """For those whose tools read lines: the same fields and values as the table."""
    run(tmp_path, samples(3), unsure("It is 2."), jsonl=True)
    rows = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    assert rows == rewards(tmp_path)


HOSTILE = [
    pytest.param("half a pair \ud800 here", id="lone-surrogate"),
    pytest.param("a\x00b", id="nul"),
    pytest.param("\u202e\u2066\u200b \U000e0041", id="hidden-unicode"),
    pytest.param("'); DROP TABLE rewards; --", id="sql"),
    pytest.param("{{ 7 * 7 }} {% raw %}", id="template"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_stops_the_run_or_the_tables(tmp_path, text):
    """In the prompt, the answer, the id, the group, the judge's reply, or the server's error."""

    def reply(request):
        if "BOOM" in question(request):
            return Completion(text, "error", error=f"said {text}", refusal=text, reasoning=text)
        return f"Fine {text} indeed.\nVERDICT: MET"

    data = [
        Sample.of(f"What? {text}", f"Paris {text}", id=f"id {text}", group=f"g {text}"),
        Sample.of("What?", "BOOM", id="b"),
        Sample.of("What?", "Plain.", id="c"),
    ]
    run(tmp_path, data, ScriptedEngine(reply, capabilities=UNFORCED), jsonl=True)
    assert [(r["reward"], r["reason"]) for r in rewards(tmp_path)] == [(1.0, None), (None, "engine_error"), (1.0, None)]


def test_half_the_criteria_failed_gives_no_reward(tmp_path):
    """A rubric half of whose criteria failed is not a perfect score on the other half."""
    run(tmp_path, samples(1), unsure("is short"))
    [row] = rewards(tmp_path)
    assert (row["reward"], row["status"], row["reason"]) == (None, "no_verdict", "incomplete")
    assert row["components"] == {"right": 1.0, "short": None}
    assert "short (missing)" in row["detail"]


@pytest.mark.parametrize(
    ("coverage", "failing", "reward"),
    [
        pytest.param(0.5, "is short", 1.0, id="three-quarters-covered"),
        pytest.param(0.5, "is right", None, id="a-quarter-covered"),
        pytest.param(0.9, "is short", None, id="not-enough"),
        pytest.param(0.01, "What is", None, id="nothing-covered"),
    ],
)
def test_a_partial_reward_is_declared_and_flagged(tmp_path, coverage, failing, reward):
    """Whoever allows partial rewards sees which they are; below the declared share there is none."""
    run(tmp_path, samples(1), unsure(failing), rubric=RUBRIC | {"partial": {"min_coverage": coverage}})
    [row] = rewards(tmp_path)
    assert row["reward"] == reward
    assert ("partial" in [f["name"] for f in row["flags"]]) == (reward is not None)


def test_a_missing_veto_is_never_overlooked(tmp_path):
    """Partial or not: nobody knows that the hard rule was kept."""
    right, short = RUBRIC["criteria"]
    rubric = RUBRIC | {"criteria": [right, short | {"veto": True}], "partial": {"min_coverage": 0.1}}
    run(tmp_path, samples(1), unsure("is short"), rubric=rubric)
    assert rewards(tmp_path)[0]["reward"] is None


GROUP = [
    Sample.of("What?", "Good.", id="a", group="g"),
    Sample.of("What?", "Unclear.", id="b", group="g"),
    Sample.of("What?", "Bad.", id="c", group="g"),
    Sample.of("What?", "Unclear as fog.", id="d", group="alone"),
]


def _by_quality(request):
    text = question(request)
    return NOTHING if "Unclear" in text else f"VERDICT: {'UNMET' if 'Bad.' in text else 'MET'}"


@pytest.mark.parametrize(
    ("policy", "values", "statuses"),
    [
        pytest.param({"on_no_verdict": "drop"}, [1, None, 0, None], "judged no_verdict judged no_verdict", id="drop"),
        pytest.param({"on_no_verdict": "group_mean"}, [1, 0.5, 0, None], "judged imputed judged no_verdict", id="group-mean"),
        pytest.param(
            {"on_no_verdict": "constant", "no_verdict_constant": 0.25},
            [1, 0.25, 0, 0.25],
            "judged imputed judged imputed",
            id="constant",
        ),
        pytest.param(
            {"on_no_verdict": "constant", "no_verdict_constant": 0.0},
            [1, 0.0, 0, 0.0],
            "judged imputed judged imputed",
            id="constant-zero",
        ),
    ],
)
def test_what_a_missing_reward_becomes(tmp_path, policy, values, statuses):
    """Only by the declared policy; an imputed value says so in its status and flags, and keeps its reason."""
    result, _ = run(tmp_path, GROUP, ScriptedEngine(_by_quality, capabilities=UNFORCED), **policy)
    rows = rewards(tmp_path)
    assert [r["reward"] for r in rows] == values
    assert [r["status"] for r in rows] == statuses.split()
    for row in rows:
        assert (row["status"] == "imputed") == ("imputed" in [f["name"] for f in row["flags"]])
        assert (row["reason"] is None) == (row["status"] == "judged")
    counts = result.run["counts"]
    assert counts["judged"] + counts["filtered"] + counts["imputed"] + counts["no_reward"] == counts["responses"] == 4
    assert ("imputed reward" in result.summary) == ("imputed" in statuses)


def test_a_row_that_is_no_sample_is_never_imputed(tmp_path):
    """A broken line has no response that could be worth anything."""
    data = [BadRow("x", "data.jsonl:1: not valid JSON"), *samples(1)]
    run(tmp_path, data, on_no_verdict="constant", no_verdict_constant=0.5)
    assert [(r["reward"], r["reason"]) for r in rewards(tmp_path)] == [(None, "invalid"), (1.0, None)]


def test_raise_stops_at_the_first_and_says_which(tmp_path):
    """Some would rather stop: the sample, the reason, and what is kept."""
    with pytest.raises(NoVerdictError, match=r"sample `b` \(missing: .*`on_no_verdict: raise`"):
        run(tmp_path, GROUP, ScriptedEngine(_by_quality, capabilities=UNFORCED), on_no_verdict="raise", max_in_flight=1)
    engine = ScriptedEngine(met, capabilities=UNFORCED)
    run(tmp_path, GROUP, engine)
    assert len(engine.requests) == 6  # the two calls of sample `a` are kept


def test_strict_ends_at_a_bad_row(tmp_path):
    """`--strict`: a data set with a hole is a mistake, not a fact of life. What was judged before it is in the tables."""
    data = [*samples(1), BadRow("1", "data.jsonl:2: not valid JSON"), *samples(3)[1:]]
    with pytest.raises(DataError, match=r"data\.jsonl:2: not valid JSON"):
        run(tmp_path, data, strict=True)
    assert [row["status"] for row in rewards(tmp_path)] == ["judged"]
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "stopped"


def test_a_row_without_what_the_recipe_needs_does_not_stop_the_others(tmp_path):
    """One answer of a thousand came without its reference."""
    data = [
        Sample.of("2+2?", "4", id="a", reference="4"),
        Sample.of("2+2?", "4", id="b"),
        Sample.of("2+2?", "5", id="c", reference="4"),
    ]
    run(tmp_path, data, lambda r: "VERDICT: INCORRECT", recipe="verifier")
    assert [(r["reward"], r["reason"]) for r in rewards(tmp_path)] == [(1.0, None), (None, "invalid"), (0.0, None)]
    with pytest.raises(DataError, match=r"needs a reference.* --map reference=COLUMN"):
        run(tmp_path / "strict", data, lambda r: "VERDICT: CORRECT", recipe="verifier", strict=True)


def test_over_length_is_a_reason_with_the_token_counts(tmp_path):
    """A prompt that does not fit is never cut in silence, and does not stop the others."""
    data = [Sample.of("What?", " ".join(f"word{i}" for i in range(5000)), id="long"), *samples(1)]
    run(tmp_path, data, ScriptedEngine(met, context_length=3000, capabilities=UNFORCED))
    long, short = rewards(tmp_path)
    assert (long["reward"], long["reason"], short["reward"]) == (None, "over_length", 1.0)
    assert "3000" in long["detail"]
    run(tmp_path / "cut", data, ScriptedEngine(met, context_length=3000, capabilities=UNFORCED), on_over_length="truncate")
    cut = rewards(tmp_path / "cut")[0]
    assert cut["reward"] == 1.0
    assert [f["name"] for f in cut["flags"]] == ["truncated_response"]
    assert "cut from 43,889 to" in cut["flags"][0]["detail"]


def test_a_response_of_ten_megabytes_is_refused_by_its_own_row(tmp_path):
    """The limit is characters, so that nothing of that size is rendered at all."""
    data = [Sample.of("What?", "x" * 10_000_000, id="big"), *samples(1)]
    _, engine = run(tmp_path, data)
    big, other = rewards(tmp_path)
    assert (big["reward"], big["reason"], other["reward"]) == (None, "over_length", 1.0)
    assert big["detail"] == "10,000,000 characters; at most 2,000,000 are judged"
    assert len(engine.requests) == 2


def test_programs_alone_are_no_filter(tmp_path):
    """A rubric of checks costs no call; its rewards are judged, and a veto there is not a filter's."""
    check = {"id": "short", "text": "Short.", "check": "max_words", "args": {"n": 2}, "veto": True}
    result, engine = run(tmp_path, samples(1), rubric={"criteria": [check]})
    assert engine.requests == []
    assert (rewards(tmp_path)[0]["reward"], rewards(tmp_path)[0]["status"]) == (0.0, "judged")
    assert result.run["counts"]["filtered"] == 0


def test_a_pair_has_two_rows_and_shares_its_calls(tmp_path):
    """Two rewards rest on the same two calls; the run counts each call once."""
    pair = Sample.of("Say hi.", "Hi!", "No.", id="p")
    result, engine = run(
        tmp_path, [pair], lambda r: "[[A]]" if question(r).index("Hi!") < question(r).index("No.") else "[[B]]", recipe="pairwise"
    )
    rows = rewards(tmp_path)
    assert [(r["response_index"], r["reward"]) for r in rows] == [(0, 1.0), (1, 0.0)]
    assert result.run["counts"]["judge_calls"] == len(engine.requests) == len(verdicts(tmp_path)) == 2
    assert [v["order"] for v in verdicts(tmp_path)] == [[0, 1], [1, 0]]


REPLIES = st.sampled_from([
    "VERDICT: MET", "VERDICT: UNMET", "", "nothing", "VERDICT: MAYBE", "VERDICT: MET\nVERDICT: UNMET",
    Completion("VERDICT: M", "length"), Completion("", "error", error="HTTP 500"), Completion("", "timeout", error="late"),
    Completion("", "content_filter"), Completion("", "over_length", error="9 tokens"), Completion("", refusal="no"),
])  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    replies=st.lists(REPLIES, min_size=1, max_size=12), answers=st.lists(st.sampled_from(["It is 4.", "", "Sure!"]), max_size=6)
)
def test_every_response_has_a_reward_or_a_reason(tmp_path_factory, replies, answers):
    """Whatever mixture comes back: nothing is lost, nothing is both, and the counts add up."""
    folder = tmp_path_factory.mktemp("run")
    data = [Sample.of(f"Q{i}?", a, id=str(i)) for i, a in enumerate(answers)] or samples(1)
    script = [replies[i % len(replies)] for i in range(10 * len(data))]
    result, engine = run(folder, data, ScriptedEngine(script, repeat_last=True))
    rows = rewards(folder)
    assert [r["id"] for r in rows] == [s.id for s in data]
    for row in rows:
        assert (row["reward"] is None) == (row["reason"] is not None)
        assert row["reward"] is None or (0 <= row["reward"] <= 1 and math.isfinite(row["reward"]))
        assert row["reward"] is None or None not in row["components"].values() or row["components"] == {}
    counts = result.run["counts"]
    assert counts["judge_calls"] == len(engine.requests) == len(verdicts(folder))
    assert counts["responses"] == counts["judged"] + counts["filtered"] + counts["no_reward"] == len(rows)
    assert sum(result.run["no_verdict_reasons"].values()) == counts["no_reward"]
    assert sum(r["judge_calls"] for r in rows) == counts["judge_calls"]


def test_tables_that_cannot_be_written_cost_no_call(tmp_path):
    """The disk fills up at the very end: the journal has every call, and running again writes the tables."""
    (tmp_path / "rewards.parquet.partial").mkdir()
    with pytest.raises(OutputError, match=r"the tables cannot be written: .* every judge call is kept in journal\.sqlite"):
        run(tmp_path, samples(3))
    (tmp_path / "rewards.parquet.partial").rmdir()
    _, engine = run(tmp_path, samples(3))
    assert engine.requests == []
    assert len(rewards(tmp_path)) == 3


def test_the_table_is_readable_by_itself(tmp_path):
    """A person opens one file: the question, the answer, its label and each criterion in a column that can be sorted by."""
    metadata = [{"label": "A", "level": 3, "row": 7, "tags": ["x"]}, {"label": "B", "level": None}]
    data = [Sample.of(f"What is {i} + {i}?", f"It is {2 * i}.", id=f"s{i}", metadata=m) for i, m in enumerate(metadata)]
    run(tmp_path, [*data, BadRow("bad", "row 3: no prompt")])
    first, second, bad = pq.read_table(tmp_path / "rewards.parquet").to_pylist()
    assert (first["prompt"], first["response"]) == ("What is 0 + 0?", "It is 0.")
    assert (first["criterion.right"], first["criterion.short"]) == (1.0, 1.0)
    assert (first["label"], first["level"], first["data.row"], first["tags"]) == ("A", 3, 7, '["x"]')
    assert (second["label"], second["level"], second["row"]) == ("B", None, 1)
    assert (bad["prompt"], bad["label"], bad["status"]) == (None, None, "no_verdict")
