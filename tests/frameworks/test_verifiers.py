"""`judge.adapters.verifiers` under verifiers 0.4.0 itself.

Real: environments (single agent, `best-of-n`, one of our own), rollouts with their runtimes, stages and deadlines, `Task.score`,
plugged functions and judges, retries, errors, traces, and the server process that prime-rl plays them in. Not real: the policy (a
harness that says what a list holds) and `prime_sandboxes`, a stub with the one name that is imported and never called here.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import pytest

for _name in ("prime_sandboxes", "prime_sandboxes.models"):  # with what it imports, more than all the rest
    sys.modules[_name] = ModuleType(_name)
sys.modules["prime_sandboxes.models"].validate_egress_lists = None  # type: ignore[attr-defined]

import verifiers.v1 as vf  # noqa: E402
from verifiers.v1.configs.client import EvalClientConfig  # noqa: E402
from verifiers.v1.serve import EnvClient, EnvServer  # noqa: E402

from judge.adapters._shared.metrics import metric_names  # noqa: E402
from judge.adapters._shared.process_judge import ProcessJudge  # noqa: E402
from judge.adapters.verifiers import score_trace  # noqa: E402
from judge.pipeline.judge import Judge  # noqa: E402
from judge.types import Sample  # noqa: E402
from tests.adapters.stand_ins import prefers_longer  # noqa: E402
from tests.fake_endpoint import Canned  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

PLUG = {"rewards": {"judge": {"fn": "judge.adapters.verifiers:reward"}}}
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}, {id: brief, text: It is brief.}]}\n"


class CityData(vf.TaskData):
    """A row; `data` is a name that a task set may well use."""

    answer: str | None = "Paris"
    data: str = "a field of the row"


class CityTask(vf.Task[CityData]):
    """No rewards of its own: they are plugged."""


class CityTaskset(vf.Taskset[CityTask, vf.TasksetConfig]):
    """One question."""

    scoring: ClassVar[float | None] = None  # seconds

    def load(self) -> Iterator[CityTask]:
        timeout = vf.TaskTimeout(scoring=self.scoring)
        yield CityTask(CityData(prompt="Capital of France?", system_prompt="Answer briefly.", timeout=timeout), self.config.task)


class Says(vf.Harness[vf.HarnessConfig]):
    """Says the next of `replies`, and calls no model."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False
    replies: ClassVar[list[str]] = []

    async def launch(self, ctx: Any, trace: Any, runtime: Any, endpoint: Any, secret: Any, mcp_urls: Any, data: Any) -> Any:
        said = [vf.UserMessage(content=data.prompt), vf.AssistantMessage(content=type(self).replies.pop(0))]
        trace.nodes += [vf.MessageNode(parent=None if i == 0 else 0, message=m, sampled=i == 1) for i, m in enumerate(said)]
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


class OursConfig(vf.JudgeConfig):
    """A judge as a plugin, with the run file in its config."""

    config: str = ""


class OursJudge(vf.Judge[float, OursConfig]):
    """`taskset.task.judges`: what a package of a user would export."""

    async def score(self, task: Any, trace: Any) -> float:
        judge = ProcessJudge("verifiers", self.config.config, name=self.reward_name)
        try:
            return await score_trace(judge, task, trace)
        finally:
            judge.close()


class RivalsConfig(vf.EnvConfig):
    agent: vf.AgentConfig = vf.AgentConfig()
    n: int = 3
    config: str = ""


class RivalsEnv(vf.Env[RivalsConfig]):
    """Attempts at one task, compared when all are there: groups in 0.4."""

    async def run(self, task: Any, agents: Any) -> None:
        for _ in range(self.config.n):
            await agents.agent.run(task)

    async def finalize(self, task: Any, episode: Any) -> None:
        ok = [t for t in episode.traces if t.ok]
        samples = [Sample.of(task.data.prompt, t.last_reply, id=str(i), group="0") for i, t in enumerate(ok)]
        with Judge.from_config(self.config.config) as judge:
            rewards = await judge.session.score(samples, watched=False)
        for trace, reward in zip(ok, rewards, strict=True):
            if reward.reward is not None:
                trace.record_reward("rivals", reward.reward)


for _module, _names in {"cities_v1": ("CityTaskset", "Says", "OursJudge"), "rivals_v1": ("RivalsEnv",)}.items():
    _plugin = ModuleType(_module)  # plugins are found by module name, one class of a kind in each
    vars(_plugin).update({n: globals()[n] for n in _names}, __all__=list(_names))
    sys.modules[_module] = _plugin

CONTEXT = vf.ModelContext(model="policy", client=EvalClientConfig(base_url="http://127.0.0.1:9/v1"))


@pytest.fixture
def plugged(run_file, monkeypatch):
    """Name a run file in the environment, as the plugged function wants it."""

    def write(text: str = "recipe: verifier\n") -> None:
        monkeypatch.setenv("JUDGE_CONFIG", run_file(text))

    return write


def played(*replies: str, task: dict[str, Any] | None = None, **config: Any) -> Any:
    """One episode, as an evaluation or a training run has it: from raw config, with whole-episode retries."""
    Says.replies[:] = replies
    agent = {"runtime": {"type": "subprocess"}, **config.pop("agent", {})}
    raw = {"taskset": {"id": "cities-v1", "task": PLUG if task is None else task}, "agent": agent, **config}
    env = vf.load_environment(vf.resolve_env_config(raw))

    async def run() -> Any:
        async with env.serving():
            [slot] = env.slots(next(iter(env.taskset)))
            return await env.run_slot(slot, CONTEXT)

    return asyncio.run(run())


def scores(trace: Any) -> dict[str, float | None]:
    return {name: None if r is None else r.value for name, r in trace.rewards.items()}


def test_a_function_named_in_the_config_rewards_a_group(plugged):
    """No code: a failed judgement is an error of its trace and of nobody else's, which trainers leave out by `ok`."""
    plugged()
    episode = played("It is Paris.", "It is Oslo.", "It is Rome.", id="best-of-n", n=3)
    assert [scores(t) for t in episode.traces] == [{"judge": 1.0}, {"judge": None}, {"judge": 0.0}]
    assert [t.ok for t in episode.traces] == [True, False, True]
    assert episode.ok is False
    failed = episode.traces[1]
    assert [e.type for e in failed.errors] == ["TaskError"]
    assert "NoVerdictError: judge: no reward: missing" in failed.last_error.message
    assert "judge/raw_reward" not in failed.metrics
    assert failed.reward == 0.0  # so whoever reads `reward` without `ok` reads a grade
    assert [t.metrics["best"] for t in episode.traces] == [1.0, 0.0, 0.0]


def test_criteria_are_metrics(plugged, endpoint):
    """A mapping of rewards is summed by verifiers: 2.0 for two criteria that are met."""
    plugged(RUBRIC)
    [trace] = played("It is Paris.").traces
    assert (trace.ok, trace.reward) == (True, 1.0)
    assert list(trace.metrics) == list(metric_names(("right", "brief"), "judge"))
    assert {name: value for name, value in trace.metrics.items() if not name.endswith(("tokens", "latency_s"))} == {
        "judge/reward": 1.0,
        "judge/raw_reward": 1.0,
        "judge/missing": 0.0,
        "judge/missing_criteria": 0.0,
        "judge/filtered": 0.0,
        "judge/flagged": 0.0,
        "judge/cached": 0.0,
        "judge/calls": 2.0,
        "judge/criterion/right": 1.0,
        "judge/criterion/brief": 1.0,
    }
    assert all("Answer briefly." in asked and "Capital of France?" in asked for asked in endpoint.asked)


def test_a_constant_instead_of_an_error(plugged):
    """Declared in the run file, and counted."""
    plugged("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n")
    [trace] = played("It is Oslo.").traces
    assert (trace.ok, trace.reward) == (True, 0.25)
    assert trace.metrics["judge/missing"] == 1.0


def test_its_own_retries_take_a_failed_judgement(plugged, endpoint):
    """The whole rollout runs again: a rule by type and message keeps that for judgements."""
    plugged()
    rule = {"type": "TaskError", "message": "NoVerdictError", "max_retries": 1}
    [trace] = played("It is Oslo.", "It is Paris.", agent={"retries": {"rules": [rule]}}).traces
    assert (trace.ok, trace.reward) == (True, 1.0)
    assert [e.type for e in trace.errors] == ["TaskError"]


def test_scoring_that_takes_too_long_is_no_grade(plugged, endpoint):
    """verifiers calls a trace fine, with a reward of 0.0, when its deadline ends the scoring: so the adapter is earlier."""
    plugged()
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT", delay_s=5)
    [trace] = played("It is Paris.", agent={"timeout": {"scoring": 1.0}}).traces
    assert (trace.ok, trace.is_timeout) == (False, False)
    assert "no reward: timeout: `timeout.scoring` of verifiers is over" in trace.last_error.message
    assert trace.timing.scoring.duration < 1.0


async def slow(task: Any, trace: Any) -> float:
    """A reward without a deadline of its own."""
    await asyncio.sleep(5)
    return 1.0


def test_what_its_deadline_makes_of_any_other_reward():
    """The fact behind the adapter's own deadline: when this test fails, the adapter can do without."""
    rewards = {"slow": {"fn": f"{__name__}:slow"}}
    [trace] = played("It is Paris.", task={"rewards": rewards}, agent={"timeout": {"scoring": 0.2}}).traces
    assert (trace.ok, trace.is_timeout, trace.reward, scores(trace)) == (True, True, 0.0, {"slow": None})


def test_a_constant_at_the_deadline(plugged, endpoint, monkeypatch):
    """The declared number stands in for late judgements, too; the task's own deadline counts where the agent has none."""
    plugged("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n")
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT", delay_s=5)
    monkeypatch.setattr(CityTaskset, "scoring", 1.0)
    [trace] = played("It is Paris.").traces
    assert (trace.ok, trace.reward, trace.metrics["judge/missing"]) == (True, 0.25, 1.0)


class OwnTask(vf.Task[CityData]):
    """Two rewards by hand; the judge belongs to the class, since verifiers copies tasks, deeply for a deferred scoring."""

    judge: ClassVar[ProcessJudge]

    @vf.reward(weight=0.5)
    async def facts(self, trace: Any) -> float:
        return await score_trace(self.judge, self, trace)

    @vf.reward(priority=1)
    async def short(self, trace: Any) -> float:
        return float(len(trace.last_reply) < 20)


def trace_of(reply: str, data: vf.TaskData) -> Any:
    """A finished trace, as `replay` loads one: its stages ended long ago."""
    trace = vf.Trace(
        task=vf.TraceTask(type="T", data=data, key="k", hash="h"),
        agent=vf.AgentInfo(config=vf.AgentConfig(runtime={"type": "subprocess"}, timeout={"scoring": 1.0})),
        nodes=[vf.MessageNode(message=vf.AssistantMessage(content=reply), sampled=True)],
    )
    trace.timing.scoring.start, trace.timing.scoring.end = 1.0, 2.0
    return trace


def test_a_method_of_a_task(run_file, endpoint):
    """Weights are verifiers'. After a failure what had a value is not kept, and the trace is the caller's to fail."""
    OwnTask.judge = ProcessJudge("verifiers", run_file(RUBRIC), name="facts")
    task = OwnTask(CityData(prompt=[vf.UserMessage(content="Capital of France?")], system_prompt="Answer briefly."))
    good, bad = trace_of("It is Paris.", task.data), trace_of("It is Oslo.", task.data)
    asyncio.run(task.score(good))
    assert (scores(good), good.metrics["facts/criterion/right"], good.reward) == ({"facts": 0.5, "short": 1.0}, 1.0, 1.5)
    assert all("Capital of France?" in asked and "Answer briefly." in asked for asked in endpoint.asked)
    with pytest.raises(vf.TaskError, match="task OwnTask scoring: NoVerdictError: facts: no reward: missing: on every criterion"):
        asyncio.run(task.score(bad))
    assert scores(bad) == {"facts": None, "short": None}
    deferred = task.defer_scoring()
    asyncio.run(deferred.score(later := trace_of("It is Paris.", task.data)))
    assert later.rewards == {}
    OwnTask.judge.close()


def test_a_plugged_judge(run_file):
    """A user's plugin in four lines: the name and the weight come from its config."""
    entry = {"id": "cities-v1", "name": "facts", "weight": 2.0, "config": run_file()}
    [trace] = played("It is Paris.", task={"judges": [entry]}).traces
    assert (trace.ok, scores(trace), trace.metrics["facts/missing"]) == (True, {"facts": 2.0}, 0.0)
    [trace] = played("It is Oslo.", task={"judges": [entry]}).traces
    assert (trace.ok, scores(trace)) == (False, {"facts": None})


def test_replay_scores_saved_rows_again(plugged):
    """Rows come back without their class, with their fields as extras; the deadline of their run is long over."""
    plugged()
    config = vf.TaskConfig.model_validate_json(vf.TaskConfig(**PLUG).model_dump_json())  # as saved, and as sent to a server
    row = vf.WireTaskData.model_validate(CityData(prompt="Capital of France?").model_dump(mode="json"))
    for reply, expected in (("It is Paris.", 1.0), ("It is Rome.", 0.0)):  # one judge under two event loops
        trace = trace_of(reply, row)
        asyncio.run(vf.Task(row, config).score(trace))
        assert (trace.reward, trace.metrics["judge/calls"]) == (expected, 1.0)


def test_a_row_without_the_question(plugged):
    """A user simulation opens the conversation: there is no prompt, and a judge that needs one says so."""
    plugged(RUBRIC)
    trace = trace_of("It is Paris.", data := CityData())
    with pytest.raises(vf.TaskError, match="DataError: judge: the task is missing the prompt, which the recipe shows"):
        asyncio.run(CityTask(data, vf.TaskConfig(**PLUG)).score(trace))


def test_groups_compete_in_finalize(run_file, endpoint):
    """The adapter of 0.4 sees one trace, so an environment of the user's own holds the tournament; who fails takes no part."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    config = run_file("recipe: pairwise\ngroup: {schedule: round_robin}\norder: single\n")
    episode = played("answer aaa.", "answer a.", "answer aa.", task={}, id="rivals-v1", config=config)
    assert episode.ok
    assert [scores(t) for t in episode.traces] == [{"rivals": 1.0}, {"rivals": 0.0}, {"rivals": 0.5}]


def serve(addresses: Any, raw: dict[str, Any], replies: list[str]) -> None:
    """The process of an environment."""
    Says.replies[:] = replies
    EnvServer.run_server(addresses, config=vf.resolve_env_config(raw), address="tcp://127.0.0.1:0")


def test_in_the_process_of_an_environment(plugged):
    """prime-rl's way: a spawned server makes its own judge of the run file that JUDGE_CONFIG names, for all rollouts at once."""
    plugged(RUBRIC)
    processes = multiprocessing.get_context("spawn")
    addresses, replies = processes.Queue(), ["It is Oslo.", "It is Paris.", "It is Rome."]
    raw = {"taskset": {"id": "cities-v1", "task": PLUG}, "agent": {"runtime": {"type": "subprocess"}}}
    server = processes.Process(target=serve, args=(addresses, raw, replies), daemon=True)
    server.start()

    async def asked() -> list[Any]:
        client = EnvClient(addresses.get(timeout=60))
        row = CityData(idx=0, prompt="Capital of France?").model_dump(mode="json")
        try:
            runs = (client.run(CONTEXT.client, "policy", vf.SamplingConfig(), row) for _ in replies)
            return [trace for episode in await asyncio.gather(*runs) for trace in episode.traces]
        finally:
            await client.close()

    try:
        oslo, paris, rome = sorted(asyncio.run(asked()), key=lambda t: t.last_reply)
    finally:
        server.terminate()
        server.join(20)
    assert [t.ok for t in (oslo, paris, rome)] == [False, True, True]
    assert [scores(t) for t in (oslo, paris, rome)] == [{"judge": None}, {"judge": 1.0}, {"judge": 0.0}]
    assert (oslo.last_error.type, paris.metrics["judge/criterion/right"], rome.metrics["judge/criterion/right"]) == (
        "TaskError",
        1.0,
        0.0,
    )
