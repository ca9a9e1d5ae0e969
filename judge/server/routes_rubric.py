"""Which version of the rubric is in force, any version as it is, and scores by one version that stays the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from judge.errors import RubricError
from judge.pipeline.live_rubric import PINNED
from judge.rubric.model import Rubric
from judge.schema import RubricVersionOut, ScoreOut
from judge.server.answer import answer, read
from judge.server.errors import APIError, encode
from judge.server.routes import scored
from judge.server.state import State
from judge.server.wire import ScoreIn, documented, to_sample

router = APIRouter()

CURRENT = "current"
Version = Annotated[str, Path(pattern=r"^(current|v[0-9]{4,9})$", max_length=16)]


@router.get("/v1/rubric", tags=["rubric"], **documented(None, RubricVersionOut, "The rubric in force, and its versions"))
async def rubric(request: Request) -> Response:
    """Give the rubric in force; `versions` are those that can be asked for, oldest first."""
    return _described(request.app.state.judge, CURRENT)


@router.get("/v1/rubric/{version}", tags=["rubric"], **documented(None, RubricVersionOut, "One version of the rubric"))
async def rubric_version(request: Request, version: Version) -> Response:
    """Give one version of the rubric, such as `v0003`, or `current`."""
    return _described(request.app.state.judge, version)


@router.post(
    "/v1/rubric/{version}/score",
    tags=["rubric"],
    **documented(
        ScoreIn,
        ScoreOut,
        "Rewards by one version of the rubric",
        example={"samples": [{"id": "a", "prompt": "Capital of France?", "response": "Paris."}]},
    ),
)
async def score_by_version(request: Request, version: Version) -> Response:
    """Judge samples by one version of the rubric, all of its criteria: a measure that stays the same while the rubric changes."""
    state: State = request.app.state.judge
    given, raw = await read(request, ScoreIn)
    if given.stream:
        raise APIError(422, "bad_field", "`stream` is not supported here", where="stream", hint="POST /v1/score streams")
    _, frozen = _version(state, version)
    if frozen is None:
        raise APIError(
            422, "no_rubric", "this judge has no rubric of its own", hint="POST /v1/score with a rubric in each sample"
        )
    samples = []
    for i, s in enumerate(given.samples):
        made = to_sample(s, s.prompt, s.texts, where=f"samples[{i}]", rubrics="off", id=s.id, group=s.group)
        samples.append(replace(made, rubric=frozen, metadata={**made.metadata, PINNED: True}))

    return await answer(request, raw, partial(scored, state, samples, given.detail))


def _version(state: State, version: str) -> tuple[str, Rubric | None]:
    """Name and rubric of a version. Raises APIError: 422, there is none of this name."""
    rubrics = state.judge.session.rubrics
    if version == CURRENT:
        return rubrics.current() if rubrics is not None else ("", state.judge.plan.rubric)
    if rubrics is None or rubrics.folder is None:
        raise APIError(
            422, "unknown_version", "the rubric of this server has no versions", where="version", hint="ask for `current`"
        )
    try:
        return version, rubrics.folder.load(version)
    except RubricError as why:
        raise APIError(422, "unknown_version", str(why), where="version", hint="GET /v1/rubric lists them") from None


def _described(state: State, version: str) -> Response:
    name, found = _version(state, version)
    rubrics = state.judge.session.rubrics
    body = {
        "version": name,
        "hash": found.hash if found is not None else None,
        "versions": rubrics.folder.names() if rubrics is not None and rubrics.folder is not None else [],
        "rubric": found.model_dump(mode="json", exclude_defaults=True) if found is not None else None,
    }
    return Response(encode(body), media_type="application/json")
