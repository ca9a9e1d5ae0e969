"""The group broker's door."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from judge.server.answer import answer, read
from judge.server.describe import documented
from judge.server.refusal import Refusal
from judge.server.results import MemberOut, places, reward_out
from judge.server.state import State
from judge.server.wire import MemberIn, to_sample

router = APIRouter(tags=["groups"])

GroupId = Annotated[str, Path(min_length=1, max_length=256)]
Index = Annotated[int, Path(ge=0, le=4095)]


@router.post(
    "/v1/groups/{group_id}/members/{index}",
    **documented(
        MemberIn,
        MemberOut,
        "One completion of a group that arrives in pieces",
        example={"prompt": "Capital of France?", "response": "Paris.", "size": 2},
    ),
)
async def member(request: Request, group_id: GroupId, index: Index) -> Response:
    """Bring one completion of a group, wait until all have come, and get its own reward.

    The same member again gets the same answer. A group that is not whole in time fails for all of its members.
    """
    state: State = request.app.state.judge
    given, raw = await read(request, MemberIn)
    size = given.size if given.size is not None else state.settings.group.size
    if size is None:
        raise Refusal(422, "bad_field", "`size` is missing, and `server.group.size` is not set", where="size")
    sample = to_sample(given, given.prompt, (given.response,), where="", rubrics=state.settings.client_rubrics)
    owner = request.scope.get("state", {}).get("owner", "")

    async def work() -> dict[str, Any]:
        rewards, own = await state.broker.member(owner, group_id, index, size, given.attempt, sample)
        return {
            "group": group_id,
            "index": index,
            "attempt": given.attempt,
            "size": size,
            "place": places([r.trained for r in rewards])[index],
            "result": reward_out(own, index=0, detail=given.detail),
        }

    return await answer(request, raw, work)
