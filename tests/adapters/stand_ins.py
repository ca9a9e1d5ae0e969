"""The calling code of frameworks that are not installed here, written from what their own code was seen to do: for the fast
tests; `tests/frameworks` runs the frameworks themselves.

Each function says which version and which lines it stands for. They keep what bites: keys taken from the first sample, NaN that
spreads over a group, None that becomes 0, exceptions that are swallowed.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.fake_endpoint import Canned

TRL = "1.16.0"  # whose own code some tests here run; the other frameworks: tests/frameworks

RUBRIC = """\
rubric:
  name: city
  criteria:
    - {id: right, text: The response names the right city.}
    - {id: brief, text: The response is one sentence.}
recipe: checklist
"""


def verdict(body: Mapping[str, Any]) -> Canned:
    """A judge: Paris is right, anything else is wrong, and about Oslo it says nothing one could read."""
    text = str(body["messages"])  # of a second question about the same verdict, too
    if "It is Oslo" in text:
        return Canned("hm")
    labels = ("MET", "UNMET") if "MET" in text else ("CORRECT", "INCORRECT")
    copied = "It is Paris 42" if "It is Paris 42" in text else "It is Paris"
    return Canned(f"It names a city.\nRESPONSE SAYS: {copied}\nVERDICT: {labels[0 if 'It is Paris' in text else 1]}")


def prefers_longer(text: str) -> str:
    """A judge of two: the response that begins with `answer` and has more letters after it."""
    shown = [len(found) for found in re.findall(r"answer (a+)\.", text)]
    return "Compared.\n[[A]]" if not shown or shown[0] > shown[-1] else "Compared.\n[[B]]"


# ---- verl 0.9.1 ----------------------------------------------------------------------------------------------------------


def verl_function(path: str, name: str, reward_kwargs: Mapping[str, Any]) -> Callable[..., Any]:
    """`get_custom_reward_fn` and `load_module`: `pkg://` is imported by name; the given kwargs win over the call's."""
    module = importlib.import_module(path.removeprefix("pkg://").replace("/", "."))
    raw = getattr(module, name)
    if inspect.iscoroutinefunction(raw):

        async def awaited(function: Any, kept: Mapping[str, Any], **call: Any) -> Any:
            return await function(**{**call, **kept})

        return partial(awaited, raw, reward_kwargs)
    return partial(lambda function, kept, **call: function(**{**call, **kept}), raw, reward_kwargs)


async def verl_reward(function: Callable[..., Any], row: Mapping[str, Any], response: str) -> dict[str, Any]:
    """`NaiveRewardManager.run_single`: async or executor by `iscoroutinefunction`; a dict's keys become extra columns."""
    extra = row.get("extra_info", {})
    extra["num_turns"] = 2
    extra["rollout_reward_scores"] = {}
    call = {
        "data_source": row["data_source"],
        "solution_str": response,
        "ground_truth": row["reward_model"]["ground_truth"],
        "extra_info": extra,
    }
    if inspect.iscoroutinefunction(function):
        result = await function(**call)
    else:
        result = await asyncio.get_running_loop().run_in_executor(None, lambda: function(**call))
    if isinstance(result, dict):
        return {"reward_score": result["score"], "reward_extra_info": dict(result)}
    return {"reward_score": result, "reward_extra_info": {"acc": result}}


def verl_assemble(outputs: Sequence[Mapping[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """`compute_rm_score` and `AgentLoopWorker._postprocess`: scores into a float32 tensor, columns by the first sample's keys."""
    scores = np.array([o["reward_score"] for o in outputs], dtype=np.float32)
    infos = [o["reward_extra_info"] for o in outputs]
    return scores, {key: np.array([info[key] for info in infos]) for key in list(infos[0])}


def grpo_advantages(scores: Sequence[float], groups: Sequence[str]) -> list[float]:
    """`compute_grpo_outcome_advantage`: mean and deviation of the group, 0 and 1 for a single one; no guard against NaN."""
    members: dict[str, list[float]] = {}
    for score, group in zip(scores, groups, strict=True):
        members.setdefault(group, []).append(score)
    out = []
    for score, group in zip(scores, groups, strict=True):
        values = np.array(members[group], dtype=np.float32)
        if len(values) == 1:
            out.append(float(score))
            continue
        out.append(float((score - values.mean()) / (values.std(ddof=1) + 1e-6)))
    return out


# ---- OpenRLHF 0.11.2 -----------------------------------------------------------------------------------------------------


def openrlhf_module(path: str) -> ModuleType:
    """`SingleTurnAgentExecutor.__init__`: the file is executed under the name `reward_func`."""
    spec = importlib.util.spec_from_file_location("reward_func", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def openrlhf_execute(function: Callable[..., Any], query: str, prompt: str, label: Any) -> dict[str, Any]:
    """`SingleTurnAgentExecutor.execute`: lists of length 1 in a thread; any exception leaves the reward None."""
    output: dict[str, Any] = {"reward": None, "scores": None, "extra_logs": {}}
    try:
        info = await asyncio.to_thread(function, [query], [prompt], [label])
        if info:
            scores = info.get("scores")
            output.update(
                reward=info.get("rewards"),
                scores=info.get("rewards") if scores is None else scores,
                extra_logs=info.get("extra_logs") or {},
            )
    except Exception as swallowed:  # noqa: BLE001  # this is what it does
        output["swallowed"] = swallowed
    return output


class OpenrlhfExecutor:
    """`SingleTurnAgentExecutor` without a reward endpoint: the policy says what `sampling_params` holds, a letter a token."""

    async def execute(self, *, prompt: str, label: Any, sampling_params: Any, hf_tokenizer: Any, **_: Any) -> dict[str, Any]:
        asked, said = [list(map(ord, text)) for text in (prompt, sampling_params.pop(0))]
        await asyncio.sleep(0)
        return {"observation_tokens": asked + said, "action_ranges": [(len(asked), len(asked + said))], "reward": None}


async def openrlhf_responses(executor: Any, texts: Sequence[str], prompt: str, label: Any) -> list[dict[str, Any]]:
    """`RolloutRayActor.generate_responses`: all calls are made, then all are awaited."""
    tokenizer = SimpleNamespace(decode=lambda tokens, **_: "".join(map(chr, tokens)))
    given = {"prompt": prompt, "label": label, "sampling_params": list(texts), "hf_tokenizer": tokenizer}
    return await asyncio.gather(*[executor.execute(**given, max_length=64, llm_engine=None) for _ in texts])


def openrlhf_experience(output: Mapping[str, Any]) -> dict[str, Any]:
    """`_process_response_into_experience`: each log becomes a tensor of one element."""
    import torch

    info = {}
    for key, value in output["extra_logs"].items():
        info[key] = torch.tensor([value.flatten()[0].item() if isinstance(value, torch.Tensor) else value])
    return {"rewards": torch.tensor([output["reward"]]), "scores": torch.tensor([output["scores"]]), "info": info}


def openrlhf_batch(experiences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`make_experience_batch`: the keys of the first item, looked up in all others."""
    import torch

    return {key: torch.cat([e["info"][key] for e in experiences]) for key in experiences[0]["info"]}


# ---- verifiers -----------------------------------------------------------------------------------------------------------


class Trace:
    """What a reward may use of a v1 trace."""

    def __init__(self, reply: str) -> None:
        self.last_reply = reply
        self.rewards: dict[str, float | None] = {}
        self.metrics: dict[str, float] = {}
        self.ok = True
        self.agent = SimpleNamespace(config=SimpleNamespace(timeout=SimpleNamespace(scoring=None)))
        self.timing = SimpleNamespace(scoring=SimpleNamespace(start=0.0, end=0.0))

    def record_metrics(self, values: Mapping[str, float]) -> None:
        self.metrics.update({name: float(value) for name, value in values.items()})

    @property
    def reward(self) -> float:
        return sum(v for v in self.rewards.values() if v is not None)


async def verifiers_score(function: Callable[..., Any], task: Any, trace: Trace, name: str = "judge") -> None:
    """`Task.score` 0.4: arguments by name; expected keys are None first; an exception makes the trace an errored one."""
    available = {"task": task, "trace": trace}
    trace.rewards[name] = None
    parameters = inspect.signature(function).parameters
    try:
        [value] = await asyncio.gather(function(**{k: v for k, v in available.items() if k in parameters}))
    except Exception:  # noqa: BLE001  # `boundary(TaskError, ...)`
        trace.ok = False
        return
    trace.rewards[name] = float(value)


async def rubric_v0_group(function: Callable[..., Any], states: Sequence[dict[str, Any]]) -> list[float]:
    """`Rubric._call_group_reward_func` 0.3: a group function by its plural names; any exception is 0.0 for all."""
    parameters = inspect.signature(function).parameters
    assert set(parameters) & {"states", "prompts", "completions", "answers", "tasks", "infos"}
    merged = {
        "prompts": [s["prompt"] for s in states],
        "completions": [s["completion"] for s in states],
        "answers": [s.get("answer", "") for s in states],
        "states": states,
        "tasks": [s.get("task") for s in states],
        "infos": [s.get("info", {}) for s in states],
    }
    try:
        result: list[float] = await function(**{k: v for k, v in merged.items() if k in parameters})
    except Exception:  # noqa: BLE001  # this is what it does
        return [0.0] * len(states)
    return [float(value) for value in result]


# ---- ms-swift 4.6 --------------------------------------------------------------------------------------------------------


def swift_rewards(function: Callable[..., Any], rows: Sequence[Mapping[str, Any]], trainer_state: Any = None) -> list[float]:
    """`compute_rewards_per_func` and the `nansum` after it: completions positional; async in a fresh `asyncio.run`; None is 0."""
    completions = [row["messages"][-1]["content"] for row in rows]
    columns = {key: [row.get(key) for row in rows] for key in {k for row in rows for k in row}}
    kwargs = {"trainer_state": trainer_state, **columns}
    if asyncio.iscoroutinefunction(function) or asyncio.iscoroutinefunction(type(function).__call__):

        async def gathered() -> list[Any]:
            return await asyncio.gather(function(completions, **kwargs))

        output = asyncio.run(gathered())[0]
    else:
        output = function(completions, **kwargs)
    values = np.zeros(len(rows))
    values[:] = [np.nan if value is None else value for value in output]
    return [float(v) for v in np.nan_to_num(values, nan=0.0)]


# ---- Axolotl 0.21 --------------------------------------------------------------------------------------------------------


def axolotl_function(dotted: str) -> Callable[..., Any]:
    """`get_reward_func`: a dotted path; fewer than two named parameters are refused."""
    module, _, name = dotted.rpartition(".")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    if len(inspect.signature(function).parameters) < 2:
        raise ValueError("Reward function must accept at least two arguments: prompts: list and completions: list")
    return function
