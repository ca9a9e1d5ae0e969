"""`budget` ends a run at a sum, and nothing that was paid for is lost."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from judge.batch.run import run_batch
from judge.engine.protocol import waits
from judge.engine.scripted import ScriptedEngine
from judge.errors import BudgetSpent, SettingsError
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Sample
from tests.batch_harness import SETTINGS, met, question, rewards, run, samples

PRICE = {"input": 1.0, "output": 2.0}  # dollars a million tokens
ENGINE = {"kind": "scripted", "price": PRICE}


def costly(request):
    """A reply of 1,000 prompt and 100 completion tokens: 0.0012 dollars."""
    return Completion(met(request), prompt_tokens=1000, completion_tokens=100)


def told(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("budget", "calls"),
    [
        pytest.param({"usd": 0.0121}, 11, id="dollars"),  # 10 calls are 0.0120, the eleventh crosses the sum
        pytest.param({"tokens": 11_000}, 10, id="tokens"),  # exactly ten calls
        pytest.param({"usd": 100.0, "tokens": 5_500}, 5, id="whichever-comes-first"),
    ],
)
def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(tmp_path, budget, calls):
    """A user who gives five dollars is not sent a bill of six; what five dollars bought is kept."""
    engine = ScriptedEngine(costly)
    with pytest.raises(BudgetSpent, match=r"budget of .* is spent .*raise `budget\."):
        run(tmp_path, samples(40), engine, engine=ENGINE, budget=budget, max_in_flight=1)
    made = len(engine.requests)
    assert calls <= made <= calls + 1  # two criteria of one sample are asked together
    half = told(tmp_path)
    assert half["state"] == "incomplete"
    assert half["cost"]["calls"] == made
    assert half["cost"]["usd"] == pytest.approx(0.0012 * made)
    result, _ = run(tmp_path, samples(40), engine, engine=ENGINE, budget={"usd": 100.0})
    assert len(engine.requests) == 80  # 40 samples of two criteria: none was asked twice
    assert result.run["cost"]["usd"] == pytest.approx(0.0012 * 80)  # of both starts
    assert result.run["cost"]["before"]["calls"] == made
    assert all(row["reward"] == 1.0 for row in rewards(tmp_path))
    assert "0.0960 USD in all starts of this run" in result.summary


def test_what_was_paid_stays_told_by_a_start_without_price_and_budget(tmp_path):
    """A finished run is started again to write its tables: its bill is not lost, and what is asked anew has no dollars."""
    first, _ = run(tmp_path, samples(3), costly, engine=ENGINE, budget={"usd": 1.0})
    paid = first.run["cost"]
    again, _ = run(tmp_path, samples(3), costly)
    assert again.run["cost"] == paid | {"before": paid}
    more, _ = run(tmp_path, samples(4), costly)
    assert (more.run["cost"]["calls"], more.run["cost"]["usd"]) == (8, None)
    assert more.run["cost"]["before"] == paid


def test_a_second_start_with_the_same_budget_asks_nothing(tmp_path):
    """A job that is requeued again and again must not pay its budget each time."""
    engine = ScriptedEngine(costly)
    made = []
    for _ in range(3):
        with pytest.raises(BudgetSpent):
            run(tmp_path, samples(40), engine, engine=ENGINE, budget={"tokens": 11_000})
        made.append(len(engine.requests))
    assert made[0] == made[1] == made[2] <= 20  # 80 would be all: before any reply, a call is guessed by its size


def test_calls_in_flight_are_let_finish_and_kept(tmp_path):
    """They are paid whether their replies are read or not; and they are the whole overshoot."""
    window, under_way, most = 8, 0, 0

    async def slow(request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return costly(request)

    engine = ScriptedEngine(slow)
    with pytest.raises(BudgetSpent):
        run(tmp_path, samples(100), engine, engine=ENGINE, budget={"tokens": 50 * 1100}, max_in_flight=window)
    assert under_way == 0
    paid = told(tmp_path)["cost"]["calls"]
    assert paid == len(engine.requests)
    assert 50 <= paid <= 50 + 2 * window  # two criteria a sample
    assert most > 1


def test_a_price_alone_stops_nothing_and_is_told(tmp_path):
    """Who sets a price wants to see the cost."""
    result, _ = run(tmp_path, samples(3), costly, engine=ENGINE)
    assert result.run["state"] == "finished"
    assert result.run["cost"]["usd"] == pytest.approx(6 * 0.0012)
    assert "6,600 tokens (6,000 read, 600 written); 0.0072 USD" in result.summary


def test_what_the_server_had_cached_costs_its_own_price(tmp_path):
    """Hosted APIs bill cached prompt tokens at a fraction: 600 x 1 + 400 x 0.25 + 100 x 2, a million."""

    def reply(request):
        return Completion(met(request), prompt_tokens=1000, completion_tokens=100, cached_tokens=400)

    result, _ = run(tmp_path, samples(1), reply, engine={"kind": "scripted", "price": PRICE | {"cached": 0.25}})
    assert result.run["cost"]["usd"] == pytest.approx(2 * (600 + 100 + 200) / 1e6)


def test_a_failed_call_costs_nothing(tmp_path):
    """A provider bills no request that it could not answer."""
    result, _ = run(tmp_path, samples(2), lambda _: Completion("", "error", error="HTTP 500"), engine=ENGINE)
    assert result.run["cost"] == {"calls": 4, "tokens": {"prompt": 0, "completion": 0, "cached": 0}, "usd": 0.0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"budget": {}}, "give `usd`, `tokens` or both", id="no-sum"),
        pytest.param({"budget": {"usd": 0}}, "greater than 0", id="nothing"),
        pytest.param({"budget": {"eur": 5}}, "eur", id="another-currency"),
        pytest.param({"budget": {"usd": 5}}, "engine.price", id="money-without-a-price"),
        pytest.param({"budget": {"usd": 5}, "prices": "none.yaml"}, "no file", id="no-table"),
        pytest.param({"engine": {"kind": "scripted", "reply": "x", "price": {"input": -1}}}, "0", id="negative-price"),
    ],
)
def test_what_is_wrong_with_a_budget_is_found_before_a_call(tmp_path, settings, said):
    """A typing error in the sum must not become a run without one."""
    with pytest.raises(SettingsError, match=said):
        plan(load_settings(SETTINGS | settings)[0], tmp_path)


def test_prices_may_come_from_a_table_with_its_day(tmp_path):
    """A team keeps one file of prices; the day that it is of stands beside each cost."""
    (tmp_path / "prices.yaml").write_text("as_of: '2026-11-01'\nmodels:\n  scripted: {input: 1.0, output: 2.0}\n")
    result, _ = run(tmp_path / "run", samples(1), costly, base=tmp_path, prices="prices.yaml")
    assert result.run["cost"]["usd"] == pytest.approx(2 * 0.0012)
    assert "(prices of 2026-11-01)" in result.summary


@pytest.mark.parametrize(
    ("price", "says"),
    [
        pytest.param({"input": 1.0}, "`output` is missing beside `input`", id="half-a-price"),
        pytest.param({"output": 1.0}, "`input` is missing beside `output`", id="the-other-half"),
        pytest.param({"per_hour": 2.0, "as_of": "tomorrow"}, "must be a date such as 2026-11-30, not `tomorrow`", id="no-date"),
    ],
)
def test_half_a_price_is_refused(tmp_path, price, says):
    """Tokens without a price would count as free, and a budget of dollars would be overspent."""
    with pytest.raises(SettingsError, match=re.escape(says)):
        run(tmp_path, samples(1), ScriptedEngine(costly), engine={"kind": "scripted", "price": price})


def test_a_date_without_quotes_is_a_date(tmp_path):
    """As anybody writes it in YAML."""
    file = tmp_path / "run.yaml"
    file.write_text("recipe: pointwise\nengine: {kind: openai, model: m, price: {per_hour: 2, as_of: 2026-11-30}}\n")
    price = load_settings(file)[0].engine.price
    assert price is not None
    assert price.as_of == "2026-11-30"


def unclear(request):
    """Every fourth sample gets a reply that states no verdict."""
    text = "I cannot say." if any(f"What is {k} + {k}?" in question(request) for k in range(0, 40, 4)) else met(request)
    return Completion(text, prompt_tokens=1000, completion_tokens=100)


@pytest.mark.parametrize("second", [pytest.param(11_000, id="same-sum"), pytest.param(13_000, id="slightly-larger")])
@pytest.mark.parametrize("window", [1, 8])
def test_starting_again_at_a_spent_budget_keeps_every_row_that_was_written(tmp_path, window, second):
    """What the journal answers costs nothing; a second start must not empty the tables that were paid for."""
    engine, before = ScriptedEngine(unclear), {}
    for tokens in (11_000, second, second):
        with pytest.raises(BudgetSpent, match="is spent"):
            run(tmp_path, samples(40), engine, engine=ENGINE, budget={"tokens": tokens}, max_in_flight=window)
        now = {row["id"]: row for row in rewards(tmp_path)}
        assert before.keys() <= now.keys()
        assert all(now[name]["reward"] == row["reward"] and now[name]["reason"] == row["reason"] for name, row in before.items())
        assert told(tmp_path)["counts"]["samples"] == len(now) > 0
        before = now
    assert any(row["reward"] is None for row in before.values())  # those without a verdict stand there, too
    result, _ = run(tmp_path, samples(40), ScriptedEngine(costly), engine=ENGINE, budget={"tokens": 10**6})
    assert result.run["counts"]["no_reward"] == 0  # with money, what gave no verdict is asked anew


def test_a_row_that_needs_no_call_is_judged_when_the_money_is_gone(tmp_path):
    """A filter decides for nothing; a row behind the end of the money is in the tables of the next start."""
    data = [*samples(40), Sample.of("What is 1 + 1?", "", id="empty")]
    engine = ScriptedEngine(costly)
    for _ in range(2):
        with pytest.raises(BudgetSpent):
            run(tmp_path, data, engine, engine=ENGINE, budget={"tokens": 11_000}, max_in_flight=1)
    assert rewards(tmp_path)[-1]["id"] == "empty"


def test_the_command_that_continues_names_a_larger_sum(tmp_path):
    """The same command with the same sum would stop at once, for ever."""
    settings = load_settings(SETTINGS | {"engine": ENGINE, "budget": {"usd": 0.0121}})[0]
    work = run_batch(plan(settings), samples(40), tmp_path, engine=ScriptedEngine(costly), quiet=True, command="judge run c.yaml")
    with pytest.raises(BudgetSpent) as why:
        asyncio.run(work)
    assert "continue with:\n  judge run c.yaml --set budget.usd=0.0" in why.value.__notes__[0]
    larger = float(told(tmp_path)["continue"].rpartition("=")[2])
    assert larger >= 2 * 0.0121


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("--set budget.usd=0.05 --set budget.usd=0.101", id="twice"),
        pytest.param("--set=budget.usd=0.05", id="in-one-word"),
        pytest.param("--set 'budget.usd= 0.05'", id="quoted"),
    ],
)
def test_the_command_that_continues_holds_one_sum(tmp_path, before):
    """After a few starts the line would be sums only, and a reader asks which of them counts."""
    settings = load_settings(SETTINGS | {"engine": ENGINE, "budget": {"usd": 0.001}})[0]
    command = f"judge run c.yaml {before} --set seed=3"
    with pytest.raises(BudgetSpent, match=re.escape("the budget of 0.001 USD is spent")):
        asyncio.run(run_batch(plan(settings), samples(4), tmp_path, engine=ScriptedEngine(costly), quiet=True, command=command))
    assert re.fullmatch(r"judge run c\.yaml --set seed=3 --set budget\.usd=0\.\d+", told(tmp_path)["continue"])


def silent(request):
    """A reply of an endpoint that reports no `usage`."""
    return Completion(met(request))


@pytest.mark.parametrize("budget", [{"usd": 0.001}, {"tokens": 1000}], ids=["dollars", "tokens"])
def test_a_budget_holds_where_the_endpoint_reports_no_tokens(tmp_path, budget):
    """Calls without token counts are not free: 360 of them went past a budget, at 0.0000 USD."""
    engine = ScriptedEngine(silent)
    with pytest.raises(BudgetSpent, match=r"about 0\.00\d+ USD, estimated: the endpoint reports no tokens"):
        run(tmp_path, samples(100), engine, engine=ENGINE, budget=budget, max_in_flight=1)
    made, cost = len(engine.requests), told(tmp_path)["cost"]
    assert 0 < made < 200
    assert (cost["calls"], cost["estimated_calls"]) == (made, made)
    with pytest.raises(BudgetSpent):  # the next start knows what the first one paid
        run(tmp_path, samples(100), engine, engine=ENGINE, budget=budget, max_in_flight=1)
    assert (len(engine.requests), told(tmp_path)["cost"]["estimated_calls"]) == (made, made)


def test_a_cost_that_is_estimated_says_so(tmp_path):
    """Prompt as the engine counts it, reply at four bytes a token: 19 bytes are 5, at 2 dollars a million."""
    result, engine = run(tmp_path, samples(3), silent, engine=ENGINE)
    read = sum(engine.count_tokens(request.messages) for request in engine.requests)
    cost = result.run["cost"]
    assert cost["tokens"] == {"prompt": read, "completion": 6 * 5, "cached": 0}
    assert cost["usd"] == pytest.approx((read + 2 * 6 * 5) / 1e6)
    assert re.search(r"^about 0\.00\d+ USD, estimated: the endpoint reports no tokens$", result.summary, re.MULTILINE)
    assert "0.0000 USD" not in result.summary


async def late(request):
    """One sample in two takes for ever."""
    if any(f"What is {k} + {k}?" in question(request) for k in range(0, 40, 2)):
        await asyncio.sleep(60)
    return costly(request)


def test_calls_that_are_cancelled_are_counted(tmp_path):
    """The server got them, and bills them: a run of nothing but late items would never reach its budget."""
    engine = ScriptedEngine(late)
    result, _ = run(tmp_path, samples(4), engine, engine=ENGINE, item_deadline_s=0.2)
    cost = result.run["cost"]
    assert (cost["calls"], cost["cancelled_calls"], "estimated_calls" in cost) == (8, 4, False)
    prompts = sum(engine.count_tokens(r.messages) for r in engine.requests if "0 + 0" in question(r) or "2 + 2" in question(r))
    assert cost["usd"] == pytest.approx((4 * 1200 + prompts + 4 * 100 * 2) / 1e6)  # a reply as long as the others
    assert "USD; 4 calls cancelled, their cost estimated" in " ".join(result.summary.split())


def test_cancelled_calls_count_against_the_budget(tmp_path):
    """Each is taken to be as long as it may be, while no reply tells how long replies are."""

    async def never(_):
        await asyncio.sleep(60)

    engine = ScriptedEngine(never)
    with pytest.raises(BudgetSpent, match="calls cancelled"):
        run(tmp_path, samples(200), engine, engine=ENGINE, budget={"usd": 0.02}, item_deadline_s=0.02, max_in_flight=1)
    assert 0 < told(tmp_path)["cost"]["cancelled_calls"] == len(engine.requests) < 400


TIMEOUTS = [
    pytest.param(False, 4, id="the-server-has-it"),
    pytest.param(True, 0, id="waiting-for-another-attempt"),
]


@pytest.mark.parametrize(("waiting", "counted"), TIMEOUTS)
def test_a_call_without_a_reply_in_time_is_billed_where_the_server_had_it(tmp_path, waiting, counted):
    """`engine.deadline_s` gives a request up, and the server writes its reply to the end: no budget would ever see it."""

    async def some(request):
        if "What is 0 + 0?" not in question(request) and "What is 2 + 2?" not in question(request):
            return costly(request)
        waits(waiting=waiting)
        return Completion("", finish_reason="timeout", error="no reply within 2 s (1 attempt)")

    result, _ = run(tmp_path, samples(4), some, engine=ENGINE, max_in_flight=1)
    assert result.run["cost"].get("cancelled_calls", 0) == counted
    assert result.run["cost"]["usd"] > 4 * 1200 / 1e6 + counted * 100 * 2 / 1e6 - 1e-9
    assert "estimated_calls" not in result.run["cost"]
