"""The doors of NeMo-Gym: a resources server's `/verify`, and `/compare` as its genrm_compare has it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from judge.adapters._shared.failure_policy import needs_group
from judge.server import nemo_gym
from judge.server.answer import answer, read
from judge.server.describe import documented
from judge.server.refusal import Refusal
from judge.server.routes_trainers import judged, number
from judge.server.samples import one_prompt
from judge.server.state import State
from judge.server.wire_trainers import CompareIn, CompareOut, Nothing, VerifyIn, VerifyOut
from judge.types import Message, Sample

router = APIRouter(tags=["trainers"])


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
    sample = nemo_gym.sample_in(given.responses_create_params, given.response, row, rubrics=state.settings.client_rubrics)
    owner = request.scope.get("state", {}).get("owner", "")

    async def work() -> dict[str, Any]:
        if needs_group(state.judge.plan.settings, "constant"):
            name, index, attempt, size = _group_of(state, sample, row)
            _, reward = await state.broker.member(owner, name, index, size, attempt, sample)
        else:
            [reward] = await judged(state, [sample])
        verdict = nemo_gym.verdict_out(reward)
        nested = row.get("instance_config")
        if isinstance(nested, dict):  # where older readers look for it
            verdict["instance_config"] = {**nested, "mask_sample": verdict["mask_sample"]}
        return {"responses_create_params": given.responses_create_params, "response": given.response, **row, **verdict}

    return await answer(request, raw, work)


def _group_of(state: State, sample: Sample, row: dict[str, Any]) -> tuple[str, int, int, int]:
    name, index, attempt = nemo_gym.group_name(sample, row), row.get(nemo_gym.INDEX), row.get(nemo_gym.ATTEMPT, 0)
    size = state.settings.group.size
    if size is None:
        raise Refusal(422, "needs_group", "these settings judge groups: set `server.group.size` to the rollouts of a prompt")
    numbers = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (index, attempt))
    if name is None or not numbers:
        group = f"`{nemo_gym.GROUP}` (or `{nemo_gym.TASK}`)"
        message = f"these settings judge groups, and the request has no {group} and `{nemo_gym.INDEX}`"
        raise Refusal(422, "needs_group", message)
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
    given, raw = await read(request, CompareIn)
    prompt = tuple(Message(m.role, m.content) for m in given.conversation_history)
    texts = [nemo_gym.answer_in(each, f"response_objs[{i}]") for i, each in enumerate(given.response_objs)]

    def made(shown: tuple[str, ...], place: int) -> Sample:
        return Sample(prompt, shown, principle=given.principle, id=str(place), group="compare")

    samples = one_prompt(state, texts, made, where="response_objs")

    async def work() -> dict[str, Any]:
        rewards = [r for own in await state.work.score(samples) for r in own]
        absent = sum(r.trained is None for r in rewards)
        metrics = {"no_reward": float(absent), "judge_calls": float(sum(r.judge_calls for r in rewards))}
        return {"rewards": [number(state, r) for r in rewards], "comparison_results": None, "metrics": metrics}

    return await answer(request, raw, work)
