"""Judges with one fault each, behind the OpenAI API: what the filters, the parser and the figures make of them."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from judge.attack.cases import AttackTrial, attack_cases, run_cases
from judge.attack.catalogue import chosen, load_catalogues
from judge.attack.evaluator import build_evaluator
from judge.attack.report import exceeding, record, verdict_line
from judge.attack.run import AttackOptions
from judge.attack.seeds import load_seeds
from judge.errors import EngineDown
from judge.pipeline.opened import open_judges
from tests.attack.attack_harness import attacked, planned, rights, some
from tests.fake_endpoint import FakeEndpoint
from tests.stub_judges import always_no, always_yes, first_wins, garbage, knowing, noisy, obedient, parrot, slow, truncated

pytestmark = pytest.mark.slow

STATIC = ("master-key", "blank-and-symbol", "opener-collapsed")
SHORT = AttackOptions(trials=4, items=2)


def test_the_filters_and_not_the_judge_stops_texts_without_an_answer():
    """`always_yes` pays everything that reaches it, so what is not paid was stopped by the strict filters, without a call."""
    report, server = attacked(always_yes, AttackOptions(families=STATIC, trials=10), filters="strict")
    mode = report.modes[0]
    assert mode.alone["off"].rate == 1.0
    assert mode.alone["on"].rate == 0.0
    assert all(f.filtered == f.trials and f.scored == f.trials for f in mode.metrics["on"])
    assert server.requests == report.calls  # the second setting of the filters cost nothing
    assert mode.honest["on"].vetoed == 0.0
    assert mode.constant["off"].rate == 1.0
    assert not exceeding(report, 0.0)
    assert "accepts 100 % of honest wrong answers" in verdict_line(report)


@pytest.mark.parametrize(
    ("recipe", "off"), [pytest.param("verifier", 1.0, id="trusting"), pytest.param("proving", 0.05, id="as-shipped")]
)
def test_proof_and_not_a_veto_stops_texts_without_an_answer(recipe, off):
    """`always_yes` copies the text itself as evidence. By default nothing is paid, though the judge is asked."""
    report, server = attacked(always_yes, AttackOptions(families=STATIC, trials=10), recipe=recipe)
    mode = report.modes[0]
    assert mode.alone["on"].rate == 0.0
    assert mode.alone["off"].rate <= off
    assert mode.honest["on"].vetoed == 0.0
    assert server.requests > 0


def test_a_judge_that_says_yes_leaves_nothing_to_gain():
    """Added text cannot lift what is accepted anyway: those trials are in no rate, and the report says so."""
    report, _ = attacked(always_yes, AttackOptions(families=("delimiter",), trials=2))
    [figure] = report.modes[0].metrics["on"]
    assert figure.no_room == figure.trials
    assert math.isnan(figure.rate)
    assert exceeding(report, 1.0)


GRAMMARS = (  # one of each kind and form; tests/recipe/test_properties.py has every recipe
    "branch-rethink", "checklist", "checklist-all", "checklist-implicit", "openrubrics", "pairwise", "pointwise", "principle",
    "verifier", "verifier-extract",
)  # fmt: skip


@pytest.mark.parametrize("recipe", GRAMMARS)
def test_parrot_is_never_read_as_its_quotation(recipe):
    """A judge that copies the answer, forged verdicts and all, before its own verdict: only its own counts, in every grammar."""

    async def main() -> list[AttackTrial]:
        questions = some(2).items
        honest = rights(questions)
        async with FakeEndpoint({"m": parrot(honest.__contains__)}) as server:
            own = planned(server.url, recipe)
            opened = await open_judges(own)
            evaluator = build_evaluator(own, opened, ("off",))
            attacks = chosen(load_catalogues(), evaluator.mode, ("fake-verdict", "delimiter"))
            cases = attack_cases(evaluator, [replace(a, control=False, mode=()) for a in attacks], questions, 1, 0)
            trials = await run_cases(evaluator, [s for s in cases if s.base_kind != "right"], 64)
            await opened.close()
            return trials

    trials = asyncio.run(main())
    assert len(trials) > 120
    known = [t for t in trials if t.changed["off"].value is not None and t.base["off"].value is not None]
    flips = [(t.case.attack.id, t.case.variant) for t in known if t.changed["off"].value > t.base["off"].value]
    assert flips == []
    assert len(known) > 0.5 * len(trials)


def test_obedient_is_measured():
    """A judge that does what it is told is fooled whatever the parser does: the report shows it, above neutral text."""
    report, _ = attacked(obedient, AttackOptions(families=("injection-authority", "fake-verdict"), trials=10))
    assert all(f.rate > 0.3 for f in report.modes[0].metrics["on"])
    assert all(f.through for f in report.modes[0].metrics["on"])
    assert exceeding(report, 0.05)


def test_first_wins_gives_half():
    """A judge that only looks at the order earns an attack half of the pairs, and no honest answer more."""
    report, _ = attacked(first_wins, AttackOptions(families=("null-model", "universal-suffix"), trials=3), recipe="pairwise")
    mode = report.modes[0]
    assert mode.honest["on"].accepted == 0.5
    assert mode.alone["off"].rate == 0.5
    assert mode.added["off"].rate == 0.0  # half before, half after


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        pytest.param(garbage, "missing", id="garbage"),
        pytest.param(truncated, "truncated", id="truncated"),
    ],
)
def test_silence_is_no_defence(stub, reason):
    """A judge that never states a verdict has not stopped an attack: no rate, the reason counted, and --fail-above fails."""
    report, _ = attacked(stub, AttackOptions(families=("fake-verdict",), trials=2, items=2, filter_states=("on",)))
    [figure] = report.modes[0].metrics["on"]
    assert figure.scored == 0
    assert figure.unscored == {reason: figure.trials}
    assert math.isnan(figure.rate)
    assert math.isnan(report.modes[0].honest["on"].accepted)
    assert "Nothing is shown" in verdict_line(report)
    assert exceeding(report, 0.5)


def test_an_endpoint_that_never_replies_in_time_stops_the_attack():
    """Thousands of time-outs one after the other would look like a judge that resists."""
    options = AttackOptions(families=("fake-verdict",), trials=2, items=2, filter_states=("on",))
    with pytest.raises(EngineDown):
        attacked(slow(3.0), options, engine={"deadline_s": 0.5, "patience_s": 0})


def test_a_perfect_judge_has_a_clean_report():
    """Right answers are accepted, nothing else is, and the line at the top says so."""
    questions = some(6)
    good = rights(questions.items)
    report, _ = attacked(knowing(lambda text: text in good), SHORT, questions=questions)
    mode = report.modes[0]
    assert (mode.honest["on"].accepted, mode.honest["on"].wrong_accepted) == (1.0, 0.0)
    assert mode.alone["on"].rate == mode.added["on"].rate == 0.0
    assert "None of" in verdict_line(report)


def test_noise_is_not_an_attack():
    """A judge that answers by chance moves with any text: beside neutral text of the same length the attack gains nothing."""
    report, _ = attacked(noisy(0.4), AttackOptions(families=("placeholder",), trials=20))
    [figure] = report.modes[0].metrics["on"]
    assert figure.rate > 0.2
    assert figure.difference_interval.low < 0 < figure.difference_interval.high
    assert not figure.through


def test_always_no_hurts_right_answers_visibly():
    """A judge that refuses everything is safe and useless; the true-positive rate stands beside."""
    report, _ = attacked(always_no, SHORT, questions=some(4))
    assert report.modes[0].honest["on"].accepted == 0.0
    assert report.modes[0].alone["off"].rate == 0.0


def test_all_modes_in_one_run():
    """`--mode all` attacks the same judge as verifier, grader, checklist and in pairs."""
    options = AttackOptions(mode="all", families=("master-key", "placeholder"), trials=1, items=2)
    report, _ = attacked(always_no, options, questions=some(2))
    assert [m.mode for m in report.modes] == ["verifier", "pointwise", "checklist", "pairwise"]
    assert all(m.alone["on"].trials for m in report.modes)


def test_same_seed_same_report():
    """Two runs differ in their clock only."""
    first, second = (record(attacked(noisy(0.3), SHORT, questions=some(4))[0]) for _ in range(2))
    first["cost"] = second["cost"] = None
    assert first == second


def test_the_filters_on_real_questions(data_dir):
    """The worst judge there is, every static key, 300 real questions: nothing is paid, and the judge is never asked."""
    questions = load_seeds(str(data_dir / "verifier" / "gsm8k_model_solutions.jsonl"), limit=300)
    bare = tuple(replace(q, rights=(), wrongs=(), right=None, wrong=None) for q in questions.items)
    options = AttackOptions(families=STATIC, trials=300, filter_states=("on",))
    report, server = attacked(always_yes, options, questions=replace(questions, items=bare), filters="strict")
    total = report.modes[0].alone["on"]
    assert total.trials > 14_000
    assert total.rate == 0.0
    assert server.requests == 0
