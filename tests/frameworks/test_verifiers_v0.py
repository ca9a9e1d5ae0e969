"""`judge.adapters.verifiers` under verifiers 0.3.0 itself, the last version with `Rubric`.

Real: `Rubric`, `RubricGroup`, `SingleTurnEnv` with its data set, states and rollouts, `run_group`, rewards, metrics, advantages.
Not real: the policy (a client that says what a list holds) and `prime_sandboxes`, a stub whose names are imported and not called.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from datasets import Dataset


class _Stub(ModuleType):
    """Any name is an exception class, since some are used as such in class bodies."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


for _name in ("prime_sandboxes", "prime_sandboxes.core"):  # with what it imports, more than all the rest
    sys.modules[_name] = _Stub(_name)

import verifiers as vf  # noqa: E402
from verifiers.clients import Client  # noqa: E402
from verifiers.types import Response, ResponseMessage  # noqa: E402

from judge.adapters.verifiers import judge_rewards, judge_rubric, reward  # noqa: E402
from tests.adapters.stand_ins import prefers_longer  # noqa: E402
from tests.fake_endpoint import Canned  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"
QUESTION = [{"role": "user", "content": "Capital of France?"}]


class Says(Client):
    """Answers with the next reply; an exception is a policy server that fails."""

    def __init__(self, *replies: str | Exception) -> None:
        super().__init__(None)
        self.replies = list(replies)

    def setup_client(self, config: Any) -> Any: ...

    async def to_native_tool(self, tool: Any) -> Any: ...

    async def to_native_prompt(self, messages: Any) -> Any:
        return messages, {}

    async def get_native_response(self, *args: Any, **kwargs: Any) -> Any:
        said = self.replies.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def raise_from_native_response(self, response: Any) -> None: ...

    async def from_native_response(self, response: str) -> Response:
        message = ResponseMessage(content=response, finish_reason="stop", is_truncated=False)
        return Response(id="r", created=0, model="policy", message=message)

    async def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _signals():
    """An environment takes two signals of the process for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def group():
    """One group through a real environment: the outputs of its rollouts, with the columns that a caller may ask for."""

    def run(rubric: Any, *replies: str | Exception, row: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
        row = row or {"question": "Capital of France?", "answer": "Paris"}
        env = vf.SingleTurnEnv(dataset=Dataset.from_list([row]), rubric=rubric, **options)
        inputs = [dict(env.get_dataset()[0]) for _ in replies]
        columns = ["judge_why", "trajectory"]

        async def played() -> list[dict[str, Any]]:
            try:
                return await env.run_group(inputs, Says(*replies), "policy", {}, state_columns=columns)
            finally:
                await env._teardown()  # as when the process ends

        return asyncio.run(played())

    return run


def advantages(outputs: list[dict[str, Any]]) -> list[float]:
    """As its steps have them: the environment adds a rubric of its own, whose zeros stay in `state["advantage"]`."""
    return [o["trajectory"][0]["advantage"] for o in outputs]


def rewards(outputs: list[dict[str, Any]]) -> list[float]:
    return [o["reward"] for o in outputs]


def test_a_group_with_one_failed_judgement(run_file, group):
    """The mean of its group: its own advantage is 0, and theirs are what they were without it."""
    outputs = group(judge_rubric(run_file()), "It is Paris.", "It is Oslo.", "It is Rome.")
    assert rewards(outputs) == [1.0, 0.5, 0.0]
    assert advantages(outputs) == [0.5, 0.0, -0.5]
    assert [o["metrics"]["judge"] for o in outputs] == [1.0, 0.5, 0.0]
    assert [o["judge_why"].startswith("no reward: missing") for o in outputs] == [False, True, False]


async def graded(completion: Any) -> float:
    """An individual function, as people write it, that raises about Oslo."""
    said = completion[-1]["content"]
    if "Oslo" in said:
        raise ValueError("no verdict")
    return float("Paris" in said)


def test_what_it_makes_of_an_exception(group, caplog):
    """The fact behind the group form: 0.0 is a grade, and moves the group members' baseline from 1/2 to 1/3."""
    with caplog.at_level(logging.ERROR):
        outputs = group(vf.Rubric(funcs=[graded]), "It is Paris.", "It is Oslo.", "It is Rome.")
    assert rewards(outputs) == [1.0, 0.0, 0.0]
    assert advantages(outputs) == pytest.approx([2 / 3, -1 / 3, -1 / 3])


def test_a_group_without_any_reward(run_file, group):
    """Raised, and made 0.0 for all by verifiers: no advantage for anyone."""
    outputs = group(judge_rubric(run_file()), "It is Oslo.", "It is Oslo, yes.")
    assert rewards(outputs) == [0.0, 0.0]
    assert advantages(outputs) == [0.0, 0.0]


def test_a_rollout_that_failed_is_not_graded(run_file, group, endpoint):
    """verifiers scores it too, with an empty completion, which the filters would make 0.0."""
    outputs = group(judge_rubric(run_file()), "It is Paris.", RuntimeError("the policy server is gone"), "It is Rome.")
    assert rewards(outputs) == [1.0, 0.5, 0.0]
    assert outputs[1]["judge_why"].startswith("no reward: dropped: its rollout failed: ModelError")
    assert len(endpoint.asked) == 2
    assert rewards(group(judge_rubric(run_file()), RuntimeError("x"), RuntimeError("y"))) == [0.0, 0.0]


def test_a_failed_rollout_among_shaped_rewards(run_file, group):
    """Its stand-in is the mean of what is trained on, (0.5 + 0) / 2, and not of what the judge said."""
    text = "recipe: verifier\nreward: {shape: [{kind: clip, high: 0.5}]}\n"
    outputs = group(judge_rubric(run_file(text)), "It is Paris.", RuntimeError("gone"), "It is Rome.", "It is Oslo.")
    assert rewards(outputs) == [0.5, 0.25, 0.0, 0.25]


def test_it_ends_with_its_environment(run_file, group):
    """The judge has a thread and connections, and nobody but the environment knows when they are no longer of use."""
    before = threading.active_count()
    rubric = judge_rubric(run_file())
    assert rewards(group(rubric, "It is Paris.")) == [1.0]
    assert threading.active_count() == before


def test_a_constant(run_file, group):
    """Declared, and given to failed judgements and failed rollouts alike."""
    rubric = judge_rubric(run_file(), on_no_verdict="constant", constant=0.25)
    assert rewards(group(rubric, "It is Paris.", "It is Oslo.", RuntimeError("gone"))) == [1.0, 0.25, 0.25]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"question": "Capital of France?", "answer": "Paris"}, id="question-column"),
        pytest.param({"prompt": QUESTION, "answer": "Paris"}, id="messages"),
        pytest.param({"prompt": "Capital of France?", "answer": "Paris"}, id="text-becomes-a-message-of-role-text"),
        pytest.param({"prompt": QUESTION, "solution": "Paris"}, id="no-answer-becomes-empty-text"),
        pytest.param({"prompt": QUESTION, "answer": "", "info": {"reference": "Paris"}}, id="reference-in-info"),
    ],
)
def test_rows_as_it_passes_them(run_file, group, endpoint, row):
    """Each of these is a data set people have; an error of ours would be a reward of 0.0 for everybody."""
    text = RUBRIC.replace("recipe: checklist", "recipe: {name: verifier, options: {include_question: true}}")
    outputs = group(judge_rubric(run_file(text)), "It is Paris.", "It is Rome.", row=row)
    assert rewards(outputs) == [1.0, 0.0]
    assert "Capital of France?" in endpoint.asked[0]
    assert "Paris" in endpoint.asked[1]  # of the answer `It is Rome.`: the reference


def test_a_system_prompt_reaches_the_judge(run_file, group, endpoint):
    """The environment's, put before the question."""
    group(judge_rubric(run_file(RUBRIC)), "It is Paris.", "It is Rome.", system_prompt="Answer briefly.")
    assert all("Answer briefly." in asked for asked in endpoint.asked)


def test_groups_compete(run_file, group, endpoint):
    """A round robin of three."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    rubric = judge_rubric(run_file("recipe: pairwise\ngroup: {schedule: round_robin}\norder: single\n"))
    assert rewards(group(rubric, "answer aaa.", "answer a.", "answer aa.")) == [1.0, 0.0, 0.5]


def test_beside_other_rubrics(run_file, group):
    """Weights and sums are verifiers'; a trainer asks `requires_group_rollouts` before it plays rollouts one by one."""
    ours = vf.Rubric(funcs=[judge_rewards(run_file(), name="facts")], weights=[2.0])
    both = vf.RubricGroup([ours, vf.Rubric(funcs=[lambda completion: 1.0])])
    outputs = group(both, "It is Paris.", "It is Rome.")
    assert rewards(outputs) == [3.0, 1.0]
    assert [o["metrics"]["facts"] for o in outputs] == [1.0, 0.0]
    env = vf.SingleTurnEnv(dataset=Dataset.from_list([{"question": "q", "answer": "a"}]), rubric=both)
    assert env.requires_group_rollouts is True
    ours.funcs[0].judge.close()  # a function alone is its owner's to close


def test_alone_it_is_refused(run_file):
    """`score_rollout` shows no group members: verifiers stops there, before a model is asked."""
    state = vf.State(input={"prompt": QUESTION, "answer": "Paris"}, completion=[{"role": "assistant", "content": "It is Paris."}])
    with pytest.raises(AssertionError, match="no group-level reward functions"):
        asyncio.run(judge_rubric(run_file()).score_rollout(state))


def test_the_function_of_the_other_version(group):
    """`reward` is for 0.4: here it lacks the trace, and all that verifiers says about that is 0.0 and a line in its log."""
    assert rewards(group(vf.Rubric(funcs=[reward]), "It is Paris.", "It is Rome.")) == [0.0, 0.0]
