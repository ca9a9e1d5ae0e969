"""`judge.adapters.art` under ART 0.5.23 itself.

Real: trajectories, groups, what records requests into them, `gather_trajectory_groups(after_each=...)`, GRPO's advantages, and
`ruler_score_group` beside us. Not real: the policy's replies, RULER's model call (litellm), and polars, which nothing here uses.
ART is written for Python 3.12: `type X = ...` and `def f[T]` are read as their older forms, and nothing else of it is changed.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.machinery
import json
import re
import sys
import typing
from types import ModuleType, SimpleNamespace

import httpx
import pytest
import torch  # noqa: F401  # before there is a `typing.override`
import typing_extensions

_GENERIC = re.compile(r"^((?:async )?def \w+)\[([^\]]+)\](?=\()", re.MULTILINE)
_ALIAS = re.compile(r"^type (\w+)(?:\[(\w+)\])? =", re.MULTILINE)
_FUTURE = "from __future__ import annotations\n"


class Older(importlib.machinery.SourceFileLoader):
    """Compiles a module of Python 3.12 in an older one."""

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        listed = ",".join([*(m[2] for m in _GENERIC.finditer(source)), *(m[2] or "" for m in _ALIAS.finditer(source))])
        names = {name.partition(":")[0].strip() for name in listed.split(",")} - {""}
        header = "import typing\n" + "".join(f"{name} = typing.TypeVar('{name}')\n" for name in sorted(names))
        source = _ALIAS.sub(r"\1 =", _GENERIC.sub(r"\1", source))
        return compile(source.replace(_FUTURE, _FUTURE + header, 1), path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Only for the modules that need it."""

    def find_spec(self, fullname, path, target=None):
        found = fullname.startswith("art.trajectories") and importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if found and found.origin and found.origin.endswith(".py"):
            found.loader = Older(fullname, found.origin)
        return found or None


if sys.version_info < (3, 12):
    sys.meta_path.insert(0, Finder())
    if not hasattr(typing, "override"):
        typing.override = typing_extensions.override
polars = ModuleType("polars")  # 100 MB of data frames, for files of metrics
polars.__getattr__ = lambda name: object
sys.modules.setdefault("polars", polars)
judged_by_ruler: list[str] = []
litellm = ModuleType("litellm")
litellm_types = ModuleType("litellm.types.utils")
litellm_types.ModelResponse = SimpleNamespace
sys.modules.setdefault("litellm", litellm)
sys.modules.setdefault("litellm.types", ModuleType("litellm.types"))
sys.modules.setdefault("litellm.types.utils", litellm_types)


async def acompletion(**request):
    """RULER's judge: the first trajectory is right."""
    judged_by_ruler.append(str(request["messages"]))
    scores = [{"trajectory_id": "1", "explanation": "a", "score": 1.0}, {"trajectory_id": "2", "explanation": "b", "score": 0.0}]
    content = json.dumps({"scores": scores})
    return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=content))])


litellm.acompletion = acompletion

import art  # noqa: E402
from art.preprocessing.tokenize import tokenize_trajectory_groups  # noqa: E402
from art.rewards.ruler import ruler_score_group  # noqa: E402
from openai.types.chat.chat_completion import Choice  # noqa: E402

from judge.adapters.art import judge_group  # noqa: E402
from judge.errors import DataError, NoVerdictError  # noqa: E402
from tests.adapters.stand_ins import verdict  # noqa: E402
from tests.client.harness import KEY, real  # noqa: E402
from tests.fake_endpoint import Canned  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

QUESTION = {"role": "user", "content": "Capital of France?"}
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"


def choice(text: str) -> Choice:
    """A reply with its tokens, as a vLLM server gives them to training."""
    tokens = [{"token": "t", "logprob": -1.0, "bytes": None, "top_logprobs": []}] * 3
    return Choice.model_validate({
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
        "logprobs": {"content": tokens, "refusal": None}, "prompt_token_ids": [1, 2], "token_ids": [3, 4, 5],
    })  # fmt: skip


def trajectory(text: str, **fields) -> art.Trajectory:
    return art.Trajectory(messages_and_choices=[QUESTION, choice(text)], metadata={"answer": "Paris"}, reward=0.125, **fields)


async def rollout(*texts: str, metadata: dict | None = None) -> art.TrajectoryGroup:
    return art.TrajectoryGroup([trajectory(text) for text in texts], metadata=metadata)


def gathered(after_each, *groups, **options) -> list[art.TrajectoryGroup]:
    """As a training script gathers."""

    async def all_of_them():
        return await art.gather_trajectory_groups(groups, after_each=after_each, **options)

    return asyncio.run(all_of_them())


def advantages(group: art.TrajectoryGroup) -> list[float]:
    """Of those that are trained on: a trajectory of no advantage is left out."""
    tokenizer = SimpleNamespace(decode=lambda ids: "", pad_token_id=0, name_or_path="")
    made = tokenize_trajectory_groups(
        tokenizer, [group], allow_training_without_logprobs=False, scale_rewards=False, shuffle_group_trajectories=False
    )
    return [round(each.advantage, 4) for each in made]


def test_rewards_advantages_metrics_and_logs(run_file):
    """A trajectory of ART takes all of it (its fields are checked when set)."""
    [made] = gathered(judge_group(run_file(RUBRIC)), rollout("It is Paris.", "It is Rome."))
    right, _ = made.trajectories
    assert [t.reward for t in made] == [1.0, 0.0]
    assert advantages(made) == [0.5, -0.5]
    assert right.metrics["independent_reward"] == 0.125
    assert right.metrics["judge/criterion/right"] == 1.0
    assert right.logs[0].startswith("judge: ")


def test_left_as_ruler_leaves_it(run_file):
    """Rewards, the earlier reward and a line in the log are where RULER's are."""

    async def ruler(group):
        return await ruler_score_group(group, "openai/none")

    [theirs] = gathered(ruler, rollout("It is Paris.", "It is Rome."))
    [ours] = gathered(judge_group(run_file()), rollout("It is Paris.", "It is Rome."))
    assert "It is Rome." in judged_by_ruler[-1]
    assert [t.reward for t in theirs] == [t.reward for t in ours] == [1.0, 0.0]
    assert [t.metrics["independent_reward"] for t in theirs] == [t.metrics["independent_reward"] for t in ours] == [0.125] * 2
    assert [len(t.logs) for t in theirs] == [len(t.logs) for t in ours] == [1, 1]
    assert advantages(theirs) == advantages(ours)


def test_a_group_with_a_missing_reward_is_left_out(run_file):
    """And the other groups are not."""
    [made] = gathered(judge_group(run_file()), rollout("It is Paris.", "It is Oslo."), rollout("It is Paris.", "It is Rome."))
    assert [t.reward for t in made] == [1.0, 0.0]


def test_the_mean_leaves_the_group_members_where_they_were(run_file):
    """Its own advantage is 0, so ART does not train on it; the others have those of a group without it."""
    whole = judge_group(run_file(), on_no_verdict="impute_group_mean")
    [made] = gathered(whole, rollout("It is Paris.", "It is Oslo.", "It is Rome."))
    assert [t.reward for t in made] == [1.0, 0.5, 0.0]
    assert advantages(made) == [0.5, -0.5]
    assert [t.metrics["judge/missing"] for t in made] == [0.0, 1.0, 0.0]


def test_a_constant_moves_the_group_members(run_file):
    """Which is what one chooses with it."""
    [made] = gathered(
        judge_group(run_file(), on_no_verdict="constant", constant=-1.0), rollout("It is Paris.", "It is Oslo.", "It is Rome.")
    )
    assert [t.reward for t in made] == [1.0, -1.0, 0.0]
    assert advantages(made) == [1.0, -1.0]


def test_raise_ends_the_gathering(run_file):
    """`max_exceptions` counts failed rollouts only, not what `after_each` raises."""
    with pytest.raises(NoVerdictError):
        gathered(judge_group(run_file(), on_no_verdict="raise"), rollout("It is Oslo.", "It is Rome."), max_exceptions=10)


def test_failed_rollouts_are_no_members(run_file):
    """A group keeps their exceptions beside its trajectories."""

    async def partly():
        return art.TrajectoryGroup([trajectory("It is Paris."), RuntimeError("container"), trajectory("It is Rome.")])

    [made] = gathered(judge_group(run_file()), partly())
    assert [t.reward for t in made] == [1.0, 0.0]
    assert len(made.exceptions) == 1


def replied(text: str) -> bytes:
    """A policy's whole answer."""
    message = {"role": "assistant", "content": text}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**answer, "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}).encode()


def test_recorded_requests_are_read(run_file, endpoint):
    """ART records what its client asks and is answered; such a trajectory holds no messages of its own."""
    endpoint.reply = lambda body: Canned(body=replied(body["user"])) if "user" in body else verdict(body)

    async def recorded(text: str) -> art.Trajectory:
        with art.Trajectory(metadata={"answer": "Paris"}) as made:
            async with httpx.AsyncClient() as client:
                await client.post(f"{endpoint.url}/chat/completions", json={"model": "m", "messages": [QUESTION], "user": text})
        return made

    async def rollouts():
        return art.TrajectoryGroup([await recorded("It is Paris."), await recorded("It is Rome.")])

    [made] = gathered(judge_group(run_file()), rollouts())
    assert [len(t.messages_and_choices) for t in made] == [0, 0]
    assert [t.reward for t in made] == [1.0, 0.0]


def test_the_judges_own_requests_are_not_recorded(run_file, endpoint):
    """ART records what is asked while a trajectory is open, and would train on the judge's verdicts as on replies."""
    endpoint.reply = lambda body: Canned(body=replied(verdict(body).content))

    async def inside():
        with art.Trajectory() as opened:
            made = await judge_group(run_file())(await rollout("It is Paris.", "It is Rome."))
        return opened, made

    opened, made = asyncio.run(inside())
    assert [t.reward for t in made] == [1.0, 0.0]
    assert not opened.exchanges


def test_a_tool_conversation(run_file, endpoint):
    """The judge sees calls and results."""
    calls = [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "France"}'}}]
    asked = Choice.model_validate(
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": calls}}
    )
    result = {"role": "tool", "tool_call_id": "1", "content": "capital: Paris"}
    made = art.Trajectory(messages_and_choices=[QUESTION, asked, result, choice("It is Paris.")], metadata={"answer": "Paris"})

    async def one():
        return art.TrajectoryGroup([made])

    gathered(judge_group(run_file()), one())
    assert made.reward == 1.0
    assert "look_up" in endpoint.asked[-1]
    assert "capital: Paris" in endpoint.asked[-1]


def test_the_groups_metadata_is_read(run_file, endpoint):
    """A reference that all trajectories share."""

    async def shared():
        one = art.Trajectory(messages_and_choices=[QUESTION, choice("It is Paris.")])
        return art.TrajectoryGroup([one], metadata={"answer": "Lutetia"})

    gathered(judge_group(run_file()), shared())
    assert "Lutetia" in endpoint.asked[-1]


def test_additional_histories_are_refused_as_by_ruler(run_file):
    """No one conversation."""

    def forked():
        history = {"messages_and_choices": [QUESTION, choice("It is Rome.")]}
        return art.TrajectoryGroup([trajectory("It is Paris.", additional_histories=[history])])

    with pytest.raises(ValueError, match="dditional histories"):
        asyncio.run(ruler_score_group(forked(), "openai/none"))
    with pytest.raises(DataError, match="additional histories"):
        asyncio.run(judge_group(run_file())(forked()))


def test_a_server(monkeypatch):
    """No judge in the process."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        [made] = gathered(judge_group(server=url), rollout("It is Paris.", "It is Rome."), rollout("It is Paris.", "GARBAGE"))
    assert advantages(made) == [0.5, -0.5]
