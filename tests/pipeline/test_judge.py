"""`Judge` from everywhere: a script, a running loop, a notebook cell, a trainer that makes a new loop each step."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.errors import DataError, EngineDown, EngineError, InputError, NoVerdictError, SettingsError
from judge.types import Completion

CONFIG = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}}
GOOD = "Names the city.\nVERDICT: 5"


def scripted(reply: str = GOOD) -> ScriptedEngine:
    return ScriptedEngine([reply], repeat_last=True)


def test_a_script():
    """Three lines give a reward."""
    with Judge.from_config(CONFIG, engine=scripted()) as judge:
        [reward] = judge.score([Sample.of("Capital of France?", "Paris.")])
    assert reward.reward == 1.0
    assert reward.sample_id == "0"


async def test_inside_a_running_loop():
    """A notebook's loop is already running: `score` blocks, `ascore` does not, and both give the same."""
    with Judge.from_config(CONFIG, engine=scripted()) as judge:
        samples = [Sample.of("q", f"answer {i}") for i in range(5)]
        assert [r.reward for r in judge.score(samples)] == [r.reward for r in await judge.ascore(samples)]


def test_a_new_loop_each_step():
    """Trainers that call `asyncio.run` each step close the loop they were given; the engine must not be on it."""
    with Judge.from_config(CONFIG, engine=scripted()) as judge:
        for _ in range(3):
            assert asyncio.run(judge.ascore([Sample.of("q", "a")]))[0].reward == 1.0


def test_from_many_threads():
    """Reward workers call from threads."""
    with Judge.from_config(CONFIG, engine=scripted()) as judge:
        out: list[float | None] = []
        threads = [threading.Thread(target=lambda: out.append(judge.score([Sample.of("q", "a")])[0].reward)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert out == [1.0] * 8


def hear(alarm):
    """A function that pickles."""


def test_pickled_with_who_hears_the_alarms():
    """A trainer sends its reward to a process; there the function is as needed as here."""
    table = {"alarms": {"canary_passed": {"action": "callback"}}}
    config = {**CONFIG, "engine": {"kind": "openai", "model": "m"}, "monitor": table}
    with pytest.raises(InputError, match=r"monitor\.on_alarm"):
        Judge.from_config(config)
    judge = pickle.loads(pickle.dumps(Judge.from_config(config, on_alarm=hear)))
    assert judge.watch.monitor.settings.alarms.canary_passed.action == "callback"
    assert pickle.loads(pickle.dumps(judge)).session.on_alarm is hear


def test_pickled_before_use():
    """A judge can be sent to a worker process; it starts anew there."""
    judge = pickle.loads(pickle.dumps(Judge.from_config({**CONFIG, "engine": {"kind": "openai", "model": "m"}})))
    assert judge.plan.recipe.spec.name == "pointwise"


async def test_stream_gives_each_sample_as_it_ends():
    """Results need not wait for the slowest."""
    seen = []
    with Judge.from_config(CONFIG, engine=scripted()) as judge:
        async for rewards in judge.stream([Sample.of("q", "a", id=str(i)) for i in range(4)]):
            seen.append(rewards[0].sample_id)
    assert sorted(seen) == ["0", "1", "2", "3"]


def test_a_failed_judge_is_none_not_zero():
    """The reward is absent, with its reason, all the way to the caller."""
    with Judge.from_config(CONFIG, engine=ScriptedEngine([Completion("", "timeout", error="no reply in 120 s")])) as judge:
        [reward] = judge.score([Sample.of("q", "a")])
    assert reward.reward is None
    assert reward.failure is not None
    assert reward.failure.reason == "timeout"


@pytest.mark.parametrize(
    ("config", "samples", "error"),
    [
        pytest.param({"on_no_verdict": "raise"}, [Sample.of("q", "a")], NoVerdictError, id="raise"),
        pytest.param({"recipe": "verifier"}, [Sample.of("q", "a")], DataError, id="no-reference"),
        pytest.param({"recipe": "pairwise"}, [Sample.of("q", "a")], DataError, id="one-response-of-two"),
        pytest.param({}, ["text"], DataError, id="not-a-sample"),
        pytest.param({}, [Sample("q", ())], DataError, id="no-response"),
    ],
)
def test_errors_reach_the_caller_as_they_are(config, samples, error):
    """No ExceptionGroup, no thread's traceback: the one error a person can act on."""
    with Judge.from_config({**CONFIG, **config}, engine=scripted("I cannot say.")) as judge, pytest.raises(error):
        judge.score(samples)


def explode(sample: Sample, index: int, args: object) -> float:
    """A user's check that trips over a hostile response."""
    raise ZeroDivisionError("boom")


def test_a_check_that_raises_costs_one_reward_and_not_the_run():
    """The response that trips a user's program has no reward, and the others do."""
    criteria = [{"id": "ok", "text": "x"}, {"id": "mine", "text": "y", "check": f"{__name__}:explode"}]
    config = {"recipe": "checklist", "rubric": {"criteria": criteria}}
    with Judge.from_config(config, engine=scripted("VERDICT: MET")) as judge:
        [reward] = judge.score([Sample.of("q", "a")])
    assert reward.reward is None
    assert reward.failure is not None
    assert "mine (check_error)" in reward.failure.detail


def test_a_fatal_engine_error_ends_the_run():
    """A refused key is not a thousand failed rewards."""

    def refuse(_: object) -> str:
        raise EngineError("the key in OPENAI_API_KEY was refused")

    with Judge.from_config(CONFIG, engine=ScriptedEngine(refuse)) as judge, pytest.raises(EngineError, match="was refused"):
        judge.score([Sample.of("q", str(i)) for i in range(10)])


def test_votes_at_temperature_zero_are_refused():
    """Five votes at temperature 0 would be five copies of one."""
    with pytest.raises(SettingsError, match="5 copies of one"):
        Judge.from_config({**CONFIG, "votes": {"n": 5}, "sampling": {"temperature": 0}})


@pytest.mark.parametrize(("past_filters", "asked"), [(1.0, True), (0.0, False)], ids=["the-judge-itself", "behind-the-filters"])
def test_probes_of_the_judge_itself_reach_it(past_filters, asked):
    """A probe that the filters always stop would say that the judge is sound, whatever the judge is."""
    probe = "The answer is as follows."  # states nothing: the filters stop it where there is a reference
    canaries = {"per_batch": 4, "kinds": ["user"], "strings": [probe], "past_filters": past_filters, "confirm": 0}
    alarms = {"canary_passed": {"action": "warn"}, "constant_string_wins": {"action": "warn"}}
    engine = ScriptedEngine(lambda r: "VERDICT: INCORRECT")
    config = {"recipe": "verifier", "filters": "strict", "monitor": {"canaries": canaries, "alarms": alarms}}
    with Judge.from_config(config, engine=engine) as judge:
        judge.score([Sample.of(f"{i} + 1?", f"It is {i + 1}.", reference=str(i + 1)) for i in range(4)])
    assert any(probe in str(request.messages) for request in engine.requests) is asked


class SlowToLoad(ScriptedEngine):
    """An engine whose model takes a moment to load, once."""

    started = 0

    async def start(self) -> None:
        self.started += 1
        await asyncio.sleep(0.3)


async def test_a_caller_that_gives_up_while_the_model_loads_stops_nobody_else():
    """A client that disconnects in the first minute must not cancel the loading that all others wait for."""
    engine = SlowToLoad([GOOD], repeat_last=True)
    with Judge.from_config(CONFIG, engine=engine) as judge:
        first = asyncio.create_task(judge.ascore([Sample.of("q", "a")]))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(judge.ascore([Sample.of("q", "a")]))
        await asyncio.sleep(0.05)
        first.cancel()
        [reward] = await asyncio.wait_for(second, 30)
    assert (reward.failure, engine.started) == (None, 1)


@pytest.mark.parametrize("setting", ["raise", "exclude"])
def test_an_engine_that_is_down(setting):
    """A script stops with the cause, or goes on without rewards where its settings say so; neither gives a number."""

    def down(request):
        raise EngineDown("the endpoint is gone")

    samples = [Sample.of("q", "one", "two"), Sample.of("p", "three")]
    with Judge.from_config({**CONFIG, "recipe": "pointwise", "engine_down": setting}, engine=ScriptedEngine(down)) as judge:
        if setting == "raise":
            with pytest.raises(EngineDown, match="the endpoint is gone"):
                judge.score(samples)
            return
        rewards = judge.score(samples)
    assert [reward.reward for reward in rewards] == [None] * 3
    assert {(str(r.failure.reason), r.failure.detail) for r in rewards} == {("engine_error", "the endpoint is gone")}


@pytest.mark.parametrize(
    ("recipe", "engine", "says"),
    [
        pytest.param("checklist-all", scripted(), "needs a verdict that is one label", id="verdict"),
        pytest.param("pointwise", ScriptedEngine([GOOD], capabilities=frozenset()), "reports no log-probabilities", id="engine"),
    ],
)
def test_top_logprobs_that_would_do_nothing(recipe, engine, says):
    """Who asks for expected scores and cannot have them is told, and does not find empty columns at the end."""
    config = {**CONFIG, "recipe": recipe, "top_logprobs": 5}
    with Judge.from_config(config, engine=engine) as judge, pytest.raises(InputError, match=says):
        judge.score([Sample.of("q", "one")])


def test_settings_in_the_place_of_a_plan_are_told():
    """A mapping or a file is for `Judge.from_config`; nobody finds that out from an AttributeError."""
    for given in ({"recipe": "pointwise"}, "judge.yaml"):
        with pytest.raises(SettingsError, match=r"read by `Judge\.from_config`"):
            Judge(given)  # type: ignore[arg-type]
