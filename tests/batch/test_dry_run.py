"""`judge run --dry-run` says what a run takes, and the run takes that."""

import json

import pytest

from judge.batch.dry_run import MOST_ROWS, dry_run
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Sample
from tests.cli_harness import judge as judge  # noqa: PLC0414  # a fixture

SCRIPTED = {"kind": "scripted", "reply": "VERDICT: 4"}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"recipe": "pointwise"}, id="one-call"),
        pytest.param({"recipe": "pointwise", "votes": {"n": 3}}, id="votes"),
        pytest.param(
            {
                "recipe": "checklist",
                "rubric": {"criteria": [{"id": "right", "text": "It is right."}, {"id": "short", "text": "It is short."}]},
                "engine": SCRIPTED | {"reply": "VERDICT: MET"},
            },
            id="a-call-a-criterion",
        ),
        pytest.param(
            {"recipe": "pointwise", "panel": {"members": [{"name": "b", "engine": SCRIPTED | {"model": "b"}}]}}, id="panel"
        ),
    ],
)
def test_the_run_makes_the_calls_that_were_announced(tmp_path, judge, settings):
    """Who budgets by a dry run pays what it said: rows that a filter decides cost nothing."""
    text = {"rubric": "helpfulness", "engine": SCRIPTED, **settings}
    (tmp_path / "c.yaml").write_text(json.dumps(text))
    rows = [{"prompt": "Capital of France?", "response": r} for r in ("Paris.", "It is Lyon.", "")]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    announced = judge("run", "c.yaml", "--data", "d.jsonl", "--dry-run")
    assert (announced.code, announced.err) == (0, "")
    assert announced.out.startswith("3 rows with 3 responses: 2 reach the judge, 1 are decided by a filter, ")
    assert "estimated, one for 4 bytes" in announced.out
    assert not (tmp_path / "out").exists()
    judge("run", "c.yaml", "--data", "d.jsonl", "--output", "out", "--quiet")
    made = json.loads((tmp_path / "out" / "run.json").read_text())["counts"]
    loaded, base = load_settings(str(tmp_path / "c.yaml"))
    samples = [Sample.of(row["prompt"], row["response"], id=str(i)) for i, row in enumerate(rows)]
    counted = sum(cost.calls for cost in dry_run(plan(loaded, base), samples, 3).turns.values())
    assert counted == made["judge_calls"] + made["journal_hits"]


def test_a_large_set_is_scaled_up():
    """A million rows are not rendered to tell what they cost."""
    made = plan(load_settings({"rubric": "helpfulness", "recipe": "pointwise", "engine": SCRIPTED})[0])
    rows = (Sample.of(f"What is {n} + {n}?", f"It is {2 * n}.", id=str(n)) for n in range(MOST_ROWS + 5))
    shown = str(dry_run(made, rows, 10 * MOST_ROWS))
    assert "10,000 rows with about 10,000 responses: about 10,000 reach the judge" in shown
    assert f"scaled up from the first {MOST_ROWS:,} rows" in shown


EQUAL = {
    "criteria": [
        {"id": "equal", "text": "It is the reference.", "check": "matches_reference"},
        {"id": "clear", "text": "It is clear."},
    ]
}


@pytest.mark.parametrize(
    ("settings", "response", "kind", "bound"),
    [
        pytest.param({"recipe": "pointwise"}, "Let us think step by step:", "proofs", 3, id="suspect"),
        pytest.param({"recipe": "verifier"}, "I would say 5 of them.", "proofs", 3, id="proof-always"),
        pytest.param(
            {"recipe": "pointwise", "engine": SCRIPTED | {"reply": "VERDICT: 9"}}, "It is 4.", "again", 2, id="off-scale"
        ),
        pytest.param(
            {"recipe": "checklist", "rubric": EQUAL, "engine": SCRIPTED | {"reply": "VERDICT: MET"}},
            "twice that many",
            "unsure",
            4,
            id="check-cannot-tell",
        ),
    ],
)
def test_no_run_makes_more_calls_than_the_bound(tmp_path, judge, settings, response, kind, bound):
    """Who budgets by the bound never pays more: proofs, verdicts asked for again and undecided checks are in it."""
    text = {
        "rubric": "helpfulness",
        "engine": SCRIPTED | {"reply": "VERDICT: CORRECT" if "verifier" in str(settings) else "VERDICT: 4"},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(text | settings))
    row = {"prompt": "What is 2 + 2?", "response": response, "reference": "4"}
    (tmp_path / "d.jsonl").write_text(json.dumps(row))
    announced = judge("run", "c.yaml", "--data", "d.jsonl", "--dry-run")
    judge("run", "c.yaml", "--data", "d.jsonl", "--output", "out", "--quiet")
    made = json.loads((tmp_path / "out" / "run.json").read_text())["counts"]["judge_calls"]
    loaded, base = load_settings(str(tmp_path / "c.yaml"))
    counted = dry_run(plan(loaded, base), [Sample.of(row["prompt"], response, reference="4")], 1)
    assert counted.extra[kind] >= 1
    assert counted.calls < made <= counted.most_calls == bound
    assert f"at most {bound} calls" in announced.out


SPARING = [
    pytest.param({"votes": {"n": 3, "stop": "decided"}}, "`votes.stop` saves", id="votes"),
    pytest.param(
        {"recipe": "checklist-all", "unit": {"criteria": 1, "stop_when_decided": True}},
        "`unit.stop_when_decided` saves",
        id="unit",
    ),
    pytest.param({"cascade": {"first": {"recipe": "yes-no"}, "margin": 0.3}}, "`cascade` saves", id="cascade"),
]


@pytest.mark.parametrize(("settings", "said"), SPARING)
def test_calls_that_verdicts_may_spare_are_said_to_be_the_most(settings, said):
    """Five votes that stop cost three or five: who reads the five as certain plans for too much."""
    made = plan(load_settings({"rubric": "helpfulness", "recipe": "pointwise", "engine": SCRIPTED, **settings})[0])
    shown = str(dry_run(made, [Sample.of("What is 2 + 2?", "It is 4.")], 1))
    assert "  calls, at most  " in shown
    assert f"these are the most: {said} an unknown share of the calls and tokens" in shown


def test_a_shard_is_announced_by_itself(tmp_path, judge):
    """Each of four machines wants to know what it will take, and not what all of them take."""
    (tmp_path / "c.yaml").write_text(json.dumps({"rubric": "helpfulness", "recipe": "pointwise", "engine": SCRIPTED}))
    rows = [{"prompt": f"What is {n} + {n}?", "response": f"It is {2 * n}."} for n in range(40)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    told = [judge("run", "c.yaml", "--data", "d.jsonl", "--dry-run", "--shard", f"{k}/3").out for k in range(3)]
    assert [text.partition(" rows")[0] for text in told] == ["16", "16", "8"]
    assert "so the run makes at most 16 calls" in told[2]


UNFIT = [("run", "--dry-run"), ("plan", "--dry"), ("plan",)]


@pytest.mark.parametrize("command", UNFIT, ids=" ".join)
def test_rows_that_do_not_fit_the_recipe_are_no_cheap_run(tmp_path, judge, command):
    """Four responses, and a recipe that compares two: "0 calls" would send a person into a run of nothing but errors."""
    config = {"recipe": "branch-rethink", "engine": {"kind": "scripted", "verdicts": "drawn"}}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    rows = [{"prompt": f"What is {n} + {n}?", "responses": [f"It is {n + k}." for k in range(4)]} for n in range(5)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    name, *more = command
    ended = judge(name, "c.yaml", "--data", "d.jsonl", *more)
    assert (ended.code, ended.out) == (2, "")
    assert "compares 2 responses, and this has 4" in ended.err
    assert "can be judged" in ended.err


def test_the_first_row_that_cannot_be_judged_is_told(tmp_path, judge):
    """A number alone says not what to mend."""
    (tmp_path / "c.yaml").write_text(json.dumps({"rubric": "helpfulness", "recipe": "pointwise", "engine": SCRIPTED}))
    (tmp_path / "d.jsonl").write_text('{"prompt": "Q?", "response": "It is 4."}\n{"prompt": "Q?"}\n')
    told = judge("run", "c.yaml", "--data", "d.jsonl", "--dry-run").out
    assert "1 rows cannot be judged\nthe first of these: d.jsonl:2: " in told


def test_bad_rows_at_the_beginning_are_not_said_of_all(tmp_path, judge):
    """The first thousand of a file that was joined from two do not fit; the others were not looked at."""
    (tmp_path / "c.yaml").write_text(json.dumps({"recipe": "pairwise", "engine": {"kind": "scripted", "verdicts": "drawn"}}))
    rows = [{"prompt": f"What is {n}?", "responses": ["It."] * (1 if n < MOST_ROWS else 2)} for n in range(MOST_ROWS + 9)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ended = judge("run", "c.yaml", "--data", "d.jsonl", "--dry-run")
    assert (ended.code, ended.out) == (2, "")
    assert "none of the first 1,000 of 1,009 rows of d.jsonl can be judged: nothing can be counted by them\n" in ended.err
