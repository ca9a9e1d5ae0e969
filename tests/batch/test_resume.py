"""Running again: what was judged well is never asked again, and exactly what changed or failed is."""

from __future__ import annotations

import shutil

import pytest

from judge.batch.store import Store
from judge.batch.summary import load_run
from judge.engine.scripted import ScriptedEngine
from judge.errors import EngineError, OutputError
from judge.shipped import shipped_dir
from judge.types import Call, Capability, Completion, NoVerdict, Reason, Sample, Verdict
from tests.batch_harness import RUBRIC, met, question, rewards, run, samples, verdicts

UNFORCED = frozenset({Capability.SEED})  # an engine that cannot be made to state a verdict


def test_the_same_run_again_asks_nothing(tmp_path):
    """A GPU hour is not paid twice because somebody pressed the arrow key and enter."""
    first, engine = run(tmp_path, samples(5))
    before = rewards(tmp_path)
    again, second = run(tmp_path, samples(5))
    assert len(engine.requests) == 10
    assert second.requests == []
    after = rewards(tmp_path)
    assert [r | {"judge_calls": 2} for r in after] == before  # all but the calls made is the same
    assert all(r["judge_calls"] == 0 for r in after)
    assert again.run["counts"]["journal_hits"] == 10
    assert first.run["counts"]["judge_calls"] == 10
    assert [v | {"cached": False} for v in verdicts(tmp_path)] == [v | {"cached": False} for v in verdicts(tmp_path)]


def _answer(data):
    return {"data": [Sample.of("What is 2 + 2?", "It is four.", id="s2") if s.id == "s2" else s for s in data]}


def _prompt(data):
    return {"data": [Sample.of("What is two + two?", "It is 4.", id="s2") if s.id == "s2" else s for s in data]}


def _word(data):
    right = RUBRIC["criteria"][0] | {"text": "The answer is correct."}
    return {"data": data, "rubric": RUBRIC | {"criteria": [right, RUBRIC["criteria"][1]]}}


def _weight(data):
    right = RUBRIC["criteria"][0] | {"weight": 5}
    return {"data": data, "rubric": RUBRIC | {"criteria": [right, RUBRIC["criteria"][1]]}}


EDITS = [
    pytest.param(_answer, 2, id="one-answer"),
    pytest.param(_prompt, 2, id="one-prompt"),
    pytest.param(_word, 5, id="one-rubric-word"),
    pytest.param(_weight, 0, id="a-weight-is-arithmetic"),
    pytest.param(lambda data: {"data": data, "model": "other"}, 10, id="model"),
    pytest.param(lambda data: {"data": data, "sampling": {"temperature": 0.5}}, 10, id="temperature"),
    pytest.param(lambda data: {"data": data, "sampling": {"max_tokens": 99}}, 10, id="max-tokens"),
    pytest.param(lambda data: {"data": data, "sampling": {"stop": ["\n\n"]}}, 10, id="stop"),
    pytest.param(lambda data: {"data": data, "seed": 1}, 10, id="seed"),
    pytest.param(lambda data: {"data": [*data, *samples(6)[5:]]}, 2, id="one-more-row"),
    pytest.param(lambda data: {"data": list(reversed(data))}, 0, id="another-order-of-rows"),
    pytest.param(lambda data: {"data": data, "max_in_flight": 1}, 0, id="concurrency"),
]


@pytest.mark.parametrize(("edit", "calls"), EDITS)
def test_an_edit_asks_for_exactly_what_it_changes(tmp_path, edit, calls):
    """A stale verdict under a new rubric would be a wrong reward that nobody can see."""
    run(tmp_path, samples(5))
    changed = edit(samples(5))
    _, engine = run(tmp_path, changed.pop("data"), met, **changed)
    assert len(engine.requests) == calls


def test_a_word_of_the_template_changes_every_call(tmp_path):
    """The template is part of the question."""
    recipe = tmp_path / "recipe"
    shutil.copytree(shipped_dir("prompts") / "checklist", recipe)
    run(tmp_path / "out", samples(3), recipe=str(recipe))
    system = recipe / "system.md.j2"
    system.write_text(system.read_text() + "\nBe strict.\n")
    _, engine = run(tmp_path / "out", samples(3), recipe=str(recipe))
    assert len(engine.requests) == 6


def test_options_of_a_recipe_reach_the_hash_through_the_prompt(tmp_path):
    """The verifier with the question shown is another judge."""
    data = samples(2, reference="0")
    verdict = "VERDICT: INCORRECT"
    run(tmp_path, data, lambda r: verdict, recipe="verifier")
    _, same = run(tmp_path, data, lambda r: verdict, recipe={"name": "verifier", "options": {"include_question": False}})
    _, other = run(tmp_path, data, lambda r: verdict, recipe={"name": "verifier", "options": {"include_question": True}})
    assert (len(same.requests), len(other.requests)) == (0, 2)


BAD = [
    pytest.param("I will not say.", id="garbage"),
    pytest.param("", id="empty"),
    pytest.param("VERDICT: PERHAPS", id="off-the-scale"),
    pytest.param("VERDICT: MET\nNo.\nVERDICT: UNMET", id="two-verdicts"),
    pytest.param(Completion("VERDICT: ME", "length"), id="cut-off"),
    pytest.param(Completion("", "error", error="HTTP 500: boom"), id="http-500"),
    pytest.param(Completion("", "timeout", error="no reply within 1 s"), id="timeout"),
    pytest.param(Completion("", "content_filter", refusal="policy"), id="filtered"),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_failed_call_is_made_again_and_a_good_one_never(tmp_path, bad):
    """What a server's bad minute left without a reward gets one by running again, and costs nothing else."""

    def fails(request):
        return bad if "It is 6." in question(request) and "is short" in question(request) else met(request)

    _, engine = run(tmp_path, samples(5), ScriptedEngine(fails, capabilities=UNFORCED))
    again = "VERDICT" in str(bad) and "length" not in str(bad)  # an unreadable verdict is asked for once more at once
    assert len(engine.requests) == 10 + again
    failed = [r for r in rewards(tmp_path) if r["reward"] is None]
    assert [r["id"] for r in failed] == ["s3"]
    _, second = run(tmp_path, samples(5), ScriptedEngine(met, capabilities=UNFORCED))
    assert len(second.requests) == 1
    assert all(r["reward"] == 1.0 for r in rewards(tmp_path))
    _, third = run(tmp_path, samples(5), ScriptedEngine(met, capabilities=UNFORCED))
    assert third.requests == []


def test_a_forced_verdict_is_kept_with_the_reasoning_it_continues(tmp_path):
    """Reasoning without a verdict, then the constrained continuation: both are good, and neither is asked again."""

    def reply(request):
        return "VERDICT: MET" if request.structured else "Well reasoned, and no verdict."

    _, engine = run(tmp_path, samples(2), reply)
    assert len(engine.requests) == 8
    _, second = run(tmp_path, samples(2), reply)
    assert second.requests == []
    assert all([f["name"] for f in r["flags"]] == ["forced_verdict"] for r in rewards(tmp_path))
    assert all(r["reward"] == 1.0 for r in rewards(tmp_path))


def test_what_was_asked_again_is_counted(tmp_path):
    """Who reads `run.json` sees how often the judge had to be asked once more."""

    def reply(request):
        return (
            "VERDICT: MET" if "Maybe." in str(request.messages) or request.structured else "VERDICT: MET\nMaybe.\nVERDICT: UNMET"
        )

    made, engine = run(tmp_path, samples(2), reply)
    assert made.run["counts"]["asked_again"] == 2
    assert made.run["counts"]["forced_thinking"] == 0
    assert len(engine.requests) == 2 * made.run["counts"]["responses"] * 2


def test_a_criterion_left_out_is_asked_again(tmp_path):
    """`checklist-all` with one criterion forgotten is half an answer; the next run wants the whole."""
    half = "VERDICT short: MET"
    whole = "VERDICT right: MET\nVERDICT short: MET"
    run(tmp_path, samples(1), ScriptedEngine(lambda r: half, capabilities=UNFORCED), recipe="checklist-all")
    [row] = rewards(tmp_path)
    assert (row["reward"], row["reason"]) == (None, "incomplete")
    engine = ScriptedEngine(lambda r: whole, capabilities=UNFORCED)
    run(tmp_path, samples(1), engine, recipe="checklist-all")
    assert len(engine.requests) == 1
    assert rewards(tmp_path)[0]["reward"] == 1.0


def test_a_failure_never_takes_the_place_of_a_good_reply(tmp_path):
    """Two shards may ask the same: when the second call fails, the first one's reply stays, in whichever order they come."""
    good = Call("key", "judge", (0,), (), 0, 0, Completion("VERDICT: MET"), Verdict("MET", ((1.0,),)))
    bad = Call(
        "key", "judge", (0,), (), 0, 0, Completion("", "error", error="HTTP 500"), NoVerdict(Reason.ENGINE_ERROR, "HTTP 500")
    )
    for calls in ((good, bad), (bad, good)):
        store = Store(tmp_path / "journal.sqlite")
        for call in calls:
            store.keep(call)
        store.close()
        store = Store(tmp_path / "journal.sqlite")
        assert store.find("key").text == "VERDICT: MET"
        store.close()
        (tmp_path / "journal.sqlite").unlink()


def test_twins_are_asked_once(tmp_path):
    """Two rows with the same texts are one request, also while the run goes on."""
    twins = [Sample.of("What is 1 + 1?", "It is 2.", id=name) for name in ("a", "b")]
    _, engine = run(tmp_path, twins, max_in_flight=1)
    assert len(engine.requests) == 2
    assert [r["reward"] for r in rewards(tmp_path)] == [1.0, 1.0]


def test_votes_are_kept_one_by_one(tmp_path):
    """Three votes after one: the first is another request (temperature), and adding votes to votes asks for the new ones."""
    votes = {"sampling": {"temperature": 0.7}}
    run(tmp_path, samples(1), votes={"n": 3}, **votes)
    _, engine = run(tmp_path, samples(1), votes={"n": 5}, **votes)
    assert len(engine.requests) == 2 * 2
    assert sorted({r.sampling.seed for r in engine.requests}) == [3, 4]


def test_an_engine_that_dies_midway_keeps_what_was_judged(tmp_path):
    """The key is revoked after four calls: what was judged is in the tables, and the next run asks for the rest only."""
    count = iter(range(100))

    def dies(request):
        if next(count) >= 4:
            raise EngineError("the key was refused")
        return met(request)

    with pytest.raises(EngineError, match="refused") as error:
        run(tmp_path, samples(5), dies, max_in_flight=1)
    assert "2 samples are judged and kept in" in error.value.__notes__[0]
    assert [row["id"] for row in rewards(tmp_path)] == ["s0", "s1"]
    assert load_run(tmp_path)["state"] == "incomplete"
    _, engine = run(tmp_path, samples(5))
    assert len(engine.requests) == 6


def test_a_damaged_journal_is_said_and_not_deleted(tmp_path):
    """Whatever the file is, it is somebody's: the message says what to do and touches nothing."""
    (tmp_path / "journal.sqlite").write_bytes(b"this is no database, and it is long enough to look like one" * 50)
    with pytest.raises(OutputError, match=r"journal\.sqlite: cannot be used as the run's journal: .*choose another --output"):
        run(tmp_path, samples(1))
    assert (tmp_path / "journal.sqlite").read_bytes().startswith(b"this is no database")
