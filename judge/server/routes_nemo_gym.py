"""Routes for NeMo-Gym: `/verify` of a resources server, and `/compare` as its genrm_compare has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from judge.adapters._shared.failure_policy import needs_group
from judge.conversation import plain, policy_side, read_conversation, read_prompt
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.reference import reference_in
from judge.rubric.model import Frozen
from judge.schema import Out
from judge.server.answer import answer, read
from judge.server.errors import APIError
from judge.server.routes_trainers import judged, number
from judge.server.samples import one_prompt, row_sample
from judge.server.state import State
from judge.server.wire import Messages, documented, failure_of
from judge.types import Conversation, Message, Reason, Reward, Sample, distinct_calls

router = APIRouter(tags=["trainers"])

GROUP, TASK, INDEX, ATTEMPT = "_ng_group_id", "_ng_task_index", "_ng_rollout_index", "_ng_group_attempt"
_KINDS = {
    Reason.ENGINE_ERROR: "judge_failed",
    Reason.OVER_LENGTH: "judge_failed",
    Reason.CHECK_ERROR: "judge_failed",
    Reason.DROPPED: "judge_failed",
    Reason.INVALID: "judge_failed",
    Reason.TIMEOUT: "transport_timeout",
}  # every other reason: the judge answered, and its answer cannot be used
_FAILED = "_ng_failure_class"  # such a row is kept apart, and asked again when a collection resumes; a masked one is done


class VerifyIn(BaseModel):
    """NeMo-Gym's `/verify`: the task, the model's response, and the fields of the data row, which are sent back."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: dict[str, Any]
    response: dict[str, Any]


class VerifyOut(BaseModel):
    """The request with its reward. Under `mask_sample` the reward is a placeholder that NeMo-Gym leaves out."""

    model_config = ConfigDict(extra="allow")

    reward: float
    mask_sample: bool
    failure_kind: str | None
    failure_reason: str | None


class CompareIn(Frozen):
    """genrm_compare's `/compare`: the conversation so far, and the responses as Responses-API objects."""

    conversation_history: Messages
    response_objs: Annotated[tuple[dict[str, Any], ...], Field(min_length=2, max_length=1000, fail_fast=True)]
    principle: Annotated[str, Field(max_length=20_000)] | None = None


class CompareOut(Out):
    """Rewards in the order of the responses; single comparisons are not listed."""

    rewards: list[float]
    comparison_results: None = None
    metrics: dict[str, float]


class Nothing(BaseModel):
    """An empty object."""


@router.post("/seed_session", **documented(Nothing, Nothing, "NeMo-Gym: begin an episode (nothing to begin)", example={}))
async def seed_session(request: Request) -> Response:
    """NeMo-Gym asks this of every resources server; this one holds no state between requests."""
    _, raw = await read(request, Nothing)

    async def work() -> dict[str, Any]:
        return {}

    return await answer(request, raw, work)


@router.post(
    "/verify", **documented(VerifyIn, VerifyOut, "NeMo-Gym: resources server", example={
        "responses_create_params": {"input": [{"role": "user", "content": "Capital of France?"}]},
        "response": {"output": [{"role": "assistant", "content": [{"type": "output_text", "text": "Paris."}]}]},
        "answer": "Paris",
    }),
)  # fmt: skip
async def verify(request: Request) -> Response:
    """NeMo-Gym's `/verify`. Where the settings judge groups, rollouts meet as in its genrm_compare."""
    state: State = request.app.state.judge
    given, raw = await read(request, VerifyIn)
    row = given.model_extra or {}
    sample = sample_in(
        given.responses_create_params, given.response, row, rubrics=state.settings.client_rubrics, plan=state.judge.plan
    )
    owner = request.scope.get("state", {}).get("owner", "")

    async def work() -> dict[str, Any]:
        if needs_group(state.judge.plan.settings, "constant"):
            name, index, attempt, size = _group_of(state, sample, row)
            _, reward = await state.groups.member(owner, name, index, size, attempt, sample)
        else:
            [reward] = await judged(state, [sample])
        verdict = verdict_out(reward)
        nested = row.get("instance_config")
        if isinstance(nested, dict):  # where older readers look for it
            verdict["instance_config"] = {**nested, "mask_sample": verdict["mask_sample"]}
        return {"responses_create_params": given.responses_create_params, "response": given.response, **row, **verdict}

    return await answer(request, raw, work)


def _group_of(state: State, sample: Sample, row: dict[str, Any]) -> tuple[str, int, int, int]:
    name, index, attempt = group_name(sample, row), row.get(INDEX), row.get(ATTEMPT, 0)
    size = state.settings.group.size
    if size is None:
        raise APIError(
            422, "needs_group", "these settings judge groups: set `server.group.size` to the number of rollouts per prompt"
        )
    numbers = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (index, attempt))
    if name is None or not numbers:
        group = f"`{GROUP}` (or `{TASK}`)"
        message = f"these settings judge groups, and the request has no {group} and `{INDEX}`"
        raise APIError(422, "needs_group", message)
    return name, int(index or 0), int(attempt), size


@router.post(
    "/compare", **documented(CompareIn, CompareOut, "NeMo-Gym: compare responses to one prompt", example={
        "conversation_history": [{"role": "user", "content": "Capital of France?"}],
        "response_objs": [
            {"output": [{"role": "assistant", "content": [{"type": "output_text", "text": "Paris."}]}]},
            {"output": [{"role": "assistant", "content": [{"type": "output_text", "text": "Rome."}]}]},
        ],
    }),
)  # fmt: skip
async def compare(request: Request) -> Response:
    """genrm_compare's `/compare`: a whole group at once. Its answer has no place for a missing reward."""
    state: State = request.app.state.judge
    state.service.check_one_group()
    given, raw = await read(request, CompareIn)
    prompt = given.conversation_history
    texts = [answer_in(each, f"response_objs[{i}]") for i, each in enumerate(given.response_objs)]

    def made(shown: tuple[str | Conversation, ...], place: int) -> Sample:
        return Sample(prompt, shown, principle=given.principle, id=str(place), group="compare")

    samples = one_prompt(state, texts, made, where="response_objs")

    async def work() -> dict[str, Any]:
        rewards = [r for own in await state.service.score(samples) for r in own]
        absent = sum(r.reward is None for r in rewards)
        metrics = {"no_reward": float(absent), "judge_calls": float(sum(not call.cached for call in distinct_calls(rewards)))}
        return {"rewards": [number(state, r) for r in rewards], "comparison_results": None, "metrics": metrics}

    return await answer(request, raw, work)


def sample_in(
    task: Mapping[str, Any], response: Mapping[str, Any], row: Mapping[str, Any], *, rubrics: str, plan: Plan
) -> Sample:
    """One rollout as a sample. The reference is the first known field of the row (`answer`, `ground_truth`...); `context`,
    `principle` and `rubric` are what they are everywhere.

    Args:
        rubrics: `client_rubrics` of the settings.

    Raises:
        APIError: 422: the task or the response cannot be read.
    """
    known = reference_in(row)
    return row_sample(_prompt(task), answer_in(response), known, row, where="", rubrics=rubrics, plan=plan)


def verdict_out(reward: Reward) -> dict[str, Any]:
    """The fields that `/verify` adds. Without a reward it is masked; the 0.0 is NeMo-Gym's placeholder, not a grade."""
    failure, value = failure_of(reward), reward.reward
    extra = {"components": dict(reward.components), "flags": [f.name for f in reward.flags], "explanation": reward.explanation}
    if failure is None or value is not None:
        return {"reward": value, "mask_sample": False, "failure_kind": None, "failure_reason": None, "judge": extra}
    kind = _KINDS.get(failure.reason, "judge_unparseable")
    return {
        "reward": 0.0,
        "mask_sample": True,
        "failure_kind": kind,
        "failure_reason": f"{failure.reason}: {failure.detail}",
        "judge": extra,
        **({} if kind == "judge_unparseable" else {_FAILED: "judge_failed"}),
    }


def group_name(sample: Sample, row: Mapping[str, Any]) -> str | None:
    """The group of a rollout: the one that a trainer names, else the task that a collection numbers.

    Example:
        >>> group_name(Sample.of("2+2?", "4"), {"_ng_group_id": "g", "_ng_task_index": 3})
        'g'
    """
    name, task = row.get(GROUP), row.get(TASK)
    if isinstance(name, str) or _whole(name):
        return str(name)[:256]
    return f"task {task} {sample.group_key}" if _whole(task) else None  # several collections count from 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _prompt(task: Mapping[str, Any]) -> str | Conversation:
    given, instructions = task.get("input"), task.get("instructions")
    where = "responses_create_params.input"
    if not isinstance(given, str) and (not isinstance(given, list) or not given):
        raise APIError(422, "bad_field", f"`{where}` is text or a list of messages", where=where)
    try:
        asked = read_prompt(given, "")
    except DataError as why:
        raise APIError(422, "bad_field", str(why), where=where) from None
    if not isinstance(instructions, str):
        return asked
    return (Message("system", instructions), *((Message("user", asked),) if isinstance(asked, str) else asked))


def answer_in(response: Mapping[str, Any], where: str = "response") -> str | Conversation:
    """What the assistant said and did in a response's items; a response without any is empty, and is judged as such.

    Raises:
        APIError: 422: it holds no list of items, or one that nothing here can read.
    """
    output = response.get("output")
    if not isinstance(output, list):
        raise APIError(422, "bad_field", f"`{where}.output` is a list of items", where=f"{where}.output")
    items = [i for i in output if isinstance(i, dict)]
    try:
        found = read_conversation(items) if items else ()
    except DataError as why:
        raise APIError(422, "bad_field", str(why), where=f"{where}.output") from None
    return plain(policy_side(found)) if any(m.role == "assistant" for m in found) else ""
