"""Routes for trainers with a request format of their own: OpenRLHF, slime, and vLLM's scalar reward models.

What a response without a reward becomes is not the same in any two of them (`failure_policy.py`): NeMo-Gym can say so
(`mask_sample`); the others take a number or nothing. There it is the declared `server.neutral`, or 503, which all of them ask
again: OpenRLHF 5 times, slime 10, verl's reward loop 16.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from judge.adapters._shared.failure_policy import needs_group
from judge.adapters._shared.sample import label_answer, label_fields
from judge.conversation import messages_in, response_in, split_text
from judge.server.answer import answer, read
from judge.server.errors import APIError
from judge.server.samples import question_in, row_sample
from judge.server.state import State
from judge.server.wire import documented, failure_of
from judge.server.wire_trainers import (
    ClassifyOut,
    OpenRlhfIn,
    OpenRlhfOut,
    PoolingIn,
    PoolingOut,
    ScalarIn,
    SlimeIn,
    SlimeOut,
)
from judge.types import Conversation, Reason, Reward, Sample

router = APIRouter(tags=["trainers"])

_CHATML = "<|im_start|>user\nCapital of France?<|im_end|>\n<|im_start|>assistant\n"


@router.post(
    "/get_reward", **documented(OpenRlhfIn, OpenRlhfOut, "OpenRLHF: remote reward model", example={
        "query": [_CHATML + "Paris.<|im_end|>"], "prompts": [_CHATML], "labels": ["Paris"],
    }),
)  # fmt: skip
async def get_reward(request: Request) -> Response:
    """OpenRLHF's `--reward.remote_url http://judge:KEY@host:8421/get_reward`."""
    state: State = request.app.state.judge
    given, raw = await read(request, OpenRlhfIn)
    labels = given.labels or (None,) * len(given.query)
    rows = enumerate(zip(given.query, given.prompts, labels, strict=True))
    samples = [_openrlhf(state, i, query, prompt, label) for i, (query, prompt, label) in rows]

    async def work() -> dict[str, Any]:
        rewards = await judged(state, samples)
        values = [number(state, r) for r in rewards]
        scores = [value if r.raw_reward is None else r.raw_reward for r, value in zip(rewards, values, strict=True)]
        return {"rewards": values, "scores": scores, "extra_logs": {"judge_failed": [float(r.reward is None) for r in rewards]}}

    return await answer(request, raw, work)


def _openrlhf(state: State, place: int, query: str, prompt: str, label: Any) -> Sample:
    response = response_in(query, prompt)
    if response is None:
        message = "the query does not contain its prompt, so the start of the response is unknown"
        raise APIError(422, "bad_field", message, where=f"query[{place}]")
    return _labelled(state, messages_in(prompt), response, label, where=f"labels[{place}]", name=str(place))


def _labelled(
    state: State, prompt: str | Conversation, response: str | Conversation, label: Any, *, where: str, name: str = "0"
) -> Sample:
    """A sample of a trainer that passes nothing of its data but a label."""
    row, rubrics = label_fields(label), state.settings.client_rubrics
    asked = question_in(row, prompt, where=where)
    return row_sample(asked, response, label_answer(label), row, where=where, rubrics=rubrics, plan=state.judge.plan, name=name)


@router.post(
    "/remote_rm", **documented(SlimeIn, SlimeOut, "slime: remote_rm", example={
        "prompt": "Capital of France?", "response": "Paris.", "label": "Paris",
    }),
)  # fmt: skip
async def remote_rm(request: Request) -> Response:
    """slime's `--rm-type remote_rm --rm-url http://judge:KEY@host:8421/remote_rm`."""
    state: State = request.app.state.judge
    given, raw = await read(request, SlimeIn)
    prompt = messages_in(given.prompt) if isinstance(given.prompt, str) else given.prompt
    sample = _labelled(state, prompt, given.response, given.label, where="label")

    async def work() -> float:
        [reward] = await judged(state, [sample])
        return number(state, reward)

    return await answer(request, raw, work)


@router.post(
    "/classify", **documented(ScalarIn, ClassifyOut, "Scalar reward model, as vLLM's /classify", example={
        "model": "judge", "use_activation": False,
        "messages": [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris."}],
    }),
)  # fmt: skip
async def classify(request: Request) -> Response:
    """The reward as the only class probability of a scalar reward model (verl's reward loop, slime's judge query)."""
    given, raw = await read(request, ScalarIn)

    def item(index: int, value: float) -> dict[str, Any]:
        return {"index": index, "label": "LABEL_0", "probs": [value], "num_classes": 1}

    return await _scalar(request, raw, given, "classify", item)


@router.post(
    "/pooling", **documented(PoolingIn, PoolingOut, "Scalar reward model, as vLLM's /pooling", example={
        "model": "judge", "task": "classify",
        "messages": [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris."}],
    }),
)  # fmt: skip
async def pooling(request: Request) -> Response:
    """The reward as the pooled output of a scalar reward model."""
    given, raw = await read(request, PoolingIn)

    def item(index: int, value: float) -> dict[str, Any]:
        return {"index": index, "object": "pooling", "data": [value]}

    return await _scalar(request, raw, given, "pool", item)


async def _scalar(request: Request, raw: bytes, given: ScalarIn, kind: str, item: Any) -> Response:
    state: State = request.app.state.judge
    samples = _conversations(given)

    async def work() -> dict[str, Any]:
        rewards = await judged(state, samples)
        tokens = sum(r.tokens for r in rewards)
        return {
            "id": f"{kind}-{secrets.token_hex(8)}",
            "object": "list",
            "created": int(time.time()),
            "model": state.judge.plan.settings.engine.model,
            "data": [item(i, number(state, r)) for i, r in enumerate(rewards)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
        }

    return await answer(request, raw, work)


def _conversations(given: ScalarIn) -> list[Sample]:
    if given.messages:
        prompt, response = given.messages
        return [Sample(prompt, (response,), id="0")]
    out = []
    for place, text in enumerate((given.input,) if isinstance(given.input, str) else given.input):
        parts = split_text(text)
        if parts is None:
            message = "the text has no assistant mark of a known chat template, so the start of the response is unknown"
            raise APIError(422, "bad_field", message, where=f"input[{place}]", hint="send `messages`")
        out.append(Sample(parts[0], (parts[1],), id=str(place)))
    return out


async def judged(state: State, samples: Sequence[Sample]) -> list[Reward]:
    """One reward a sample, where none depends on the others.

    Raises:
        APIError: 422: these settings judge groups, or a sample lacks what the recipe needs.
    """
    why = needs_group(state.judge.plan.settings, "constant")
    if why:
        message = f"with {why} a reward depends on the other responses to the prompt, and this route sees one"
        raise APIError(422, "needs_group", message, hint="POST /v1/groups/{group_id}/members/{index}")
    rewards = [own[0] for own in await state.service.score(samples)]
    for place, reward in enumerate(rewards):
        if reward.failure is not None and reward.failure.reason is Reason.INVALID:
            raise APIError(422, "bad_sample", reward.failure.detail, where=f"sample {place}")
    return rewards


def number(state: State, reward: Reward) -> float:
    """The reward, or what was declared to stand for none.

    Raises:
        APIError: 503: there is none, and nothing was declared.
    """
    if reward.reward is not None:
        return reward.reward
    if state.settings.neutral is not None:
        return state.settings.neutral
    failure = failure_of(reward)
    said = f"{failure.reason}: {failure.detail}" if failure else "no reward"
    hint = "retry, or set `server.neutral` to the number that stands for a missing reward"
    raise APIError(503, "no_reward", f"this response has no reward ({said})", hint=hint, retry_s=1)
