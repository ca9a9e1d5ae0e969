"""The server's own routes: score samples, rank responses to one prompt (at once or line by line), bring a member of a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from judge.schema import MemberOut, RankOut, ScoreOut
from judge.server.answer import Lines, answer, read
from judge.server.errors import APIError
from judge.server.samples import one_prompt
from judge.server.state import State
from judge.server.wire import MemberIn, RankIn, ScoreIn, documented, places, reward_out, to_sample
from judge.types import Conversation, Reward, Sample

router = APIRouter()

GroupId = Annotated[str, Path(min_length=1, max_length=256)]
Index = Annotated[int, Path(ge=0, le=4095)]


@router.post(
    "/v1/score", tags=["native"], **documented(ScoreIn, ScoreOut, "Rewards of samples", streams=True, example={
        "samples": [{"id": "a", "prompt": "Capital of France?", "response": "Paris."}],
    }),
)  # fmt: skip
async def score(request: Request) -> Response:
    """Judge samples: one reward for each of their responses, or the reason why there is none."""
    state: State = request.app.state.judge
    given, raw = await read(request, ScoreIn)
    samples = [
        to_sample(s, s.prompt, s.texts, where=f"samples[{i}]", rubrics=state.settings.client_rubrics, id=s.id, group=s.group)
        for i, s in enumerate(given.samples)
    ]
    if given.stream:
        return _streamed(request, state, samples, _score_lines(state, samples, given.detail))

    return await answer(request, raw, partial(scored, state, samples, given.detail))


@router.post(
    "/v1/rank", tags=["native"], **documented(RankIn, RankOut, "Responses to one prompt, best first", streams=True, example={
        "prompt": "Capital of France?", "responses": ["Paris.", "Rome."],
    }),
)  # fmt: skip
async def rank(request: Request) -> Response:
    """Judge responses to one prompt and put them in order. Recipes that compare see them together, others one by one."""
    state: State = request.app.state.judge
    state.service.check_one_group()
    given, raw = await read(request, RankIn)
    rubrics = state.settings.client_rubrics

    def made(texts: tuple[str | Conversation, ...], place: int) -> Sample:
        return to_sample(given, given.prompt, texts, where="", rubrics=rubrics, id=str(place), group="rank")

    samples = one_prompt(state, given.responses, made, where="responses")
    if given.stream:
        return _streamed(request, state, samples, _rank_lines(state, samples, given.detail))

    async def work() -> dict[str, Any]:
        rewards = [r for own in await state.service.score(samples) for r in own]
        return {
            **state.described,
            **_ranked(rewards),
            "rewards": [reward_out(r, index=i, detail=given.detail) for i, r in enumerate(rewards)],
        }

    return await answer(request, raw, work)


@router.post(
    "/v1/groups/{group_id}/members/{index}",
    tags=["groups"],
    **documented(
        MemberIn,
        MemberOut,
        "One completion of a group that arrives in pieces",
        example={"prompt": "Capital of France?", "response": "Paris.", "size": 2},
    ),
)
async def member(request: Request, group_id: GroupId, index: Index) -> Response:
    """Bring one completion of a group, wait until all have come, and get its own reward.

    The same member again gets the same answer. A group that is not complete in time fails for all of its members.
    """
    state: State = request.app.state.judge
    given, raw = await read(request, MemberIn)
    size = given.size if given.size is not None else state.settings.group.size
    if size is None:
        raise APIError(422, "bad_field", "`size` is missing, and `server.group.size` is not set", where="size")
    sample = to_sample(given, given.prompt, (given.response,), where="", rubrics=state.settings.client_rubrics)
    owner = request.scope.get("state", {}).get("owner", "")

    async def work() -> dict[str, Any]:
        rewards, own = await state.groups.member(owner, group_id, index, size, given.attempt, sample)
        return {
            "group": group_id,
            "index": index,
            "attempt": given.attempt,
            "size": size,
            "place": places([r.reward for r in rewards])[index],
            "result": reward_out(own, index=0, detail=given.detail),
        }

    return await answer(request, raw, work)


def _ranked(rewards: Sequence[Reward]) -> dict[str, list[int]]:
    """Indices by reward, best first (ties in the order given), and those that have none."""
    known = [(value, i) for i, r in enumerate(rewards) if (value := r.reward) is not None]
    return {
        "ranking": [i for _, i in sorted(known, key=lambda pair: (-pair[0], pair[1]))],
        "unranked": [i for i, r in enumerate(rewards) if r.reward is None],
    }


async def scored(state: State, samples: Sequence[Sample], detail: bool) -> dict[str, Any]:
    """Judge samples; gives the answer of a route that scores them."""
    rewards = await state.service.score(samples)
    results = [result_out(i, sample, own, detail) for i, (sample, own) in enumerate(zip(samples, rewards, strict=True))]
    absent = sum(r.reward is None for own in rewards for r in own)
    return {**state.described, "no_reward": absent, "results": results}


def result_out(index: int, sample: Sample, rewards: Sequence[Reward], detail: bool) -> dict[str, Any]:
    """The rewards of one sample, as they are answered."""
    own = [reward_out(r, index=k, detail=detail) for k, r in enumerate(rewards)]
    return {"index": index, "id": sample.id or str(index), "rewards": own}


def _streamed(request: Request, state: State, samples: Sequence[Sample], lines: AsyncIterator[dict[str, Any]]) -> Response:
    if "idempotency-key" in request.headers:
        raise APIError(400, "no_replay", "Idempotency-Key is not supported for streamed answers", where="header idempotency-key")
    entered = state.service.enter(len(samples))
    entered.__enter__()
    return Lines(state, _Entered(entered), lines)


class _Entered:
    """A context that was entered before the answer began, so that an error could still be answered as one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __enter__(self) -> None:
        """Nothing: it has been entered."""

    def __exit__(self, *why: Any) -> bool | None:
        left: bool | None = self._inner.__exit__(*why)
        return left


async def _score_lines(state: State, samples: Sequence[Sample], detail: bool) -> AsyncIterator[dict[str, Any]]:
    absent = 0
    async with aclosing(state.service.each(samples)) as done:  # type: ignore[type-var]  # an asynchronous generator
        async for places, rewards in done:
            for place, own in zip(places, rewards, strict=True):
                absent += sum(r.reward is None for r in own)
                yield {"type": "result", **result_out(place, samples[place], own, detail)}
    yield {"type": "done", **state.described, "results": len(samples), "no_reward": absent}


async def _rank_lines(state: State, samples: Sequence[Sample], detail: bool) -> AsyncIterator[dict[str, Any]]:
    found: dict[int, list[Reward]] = {}
    async with aclosing(state.service.each(samples)) as done:  # type: ignore[type-var]  # an asynchronous generator
        async for places, rewards in done:
            for place, own in zip(places, rewards, strict=True):
                found[place] = own
                for k, reward in enumerate(own):
                    yield {"type": "result", **reward_out(reward, index=place if len(samples) > 1 else k, detail=detail)}
    yield {"type": "done", **state.described, **_ranked([r for place in sorted(found) for r in found[place]])}
