"""What clients send and get: unknown fields are errors with a suggestion, and nothing here reaches an engine unread.

A client names texts, a rubric and how much detail it wants. Models, templates, sampling and engine options are the server's
alone, so no field can carry a chat template or an engine argument.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from judge.conversation import read_prompt, read_response
from judge.errors import DataError, RubricError
from judge.reference import is_missing, read_documents, read_reference, read_steps
from judge.rubric.load import rubric_from
from judge.rubric.model import Frozen, Rubric
from judge.server.errors import APIError, error_responses
from judge.types import Conversation, NoVerdict, Reason, Reward, Sample
from judge.yamlfile import explain, shown

Model = TypeVar("Model", bound=BaseModel)
Name = Annotated[str, Field(max_length=256)]
REQUESTS: dict[str, type[BaseModel]] = {}  # models of request bodies, for the document
_TAGS = ("as-text", "as-messages", "as-texts")  # of unions; no part of a request's path


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"should be text, not {shown(value)}")
    return value


RequestText = Annotated[str, PlainValidator(_is_text, json_schema_input_type=str)]
"""Any text; pydantic's own check refuses half a surrogate pair, which a policy can write and which is judged."""


def _reference(value: Any) -> tuple[str, ...] | None:
    try:
        return read_reference(value, "reference")
    except DataError as why:
        raise ValueError(str(why)) from None


def _documents(value: Any) -> tuple[str, ...]:
    try:
        return read_documents(value, "context")
    except DataError as why:
        raise ValueError(str(why)) from None


def _steps(value: Any) -> tuple[str, ...]:
    try:
        return read_steps(value, "")
    except DataError as why:
        raise ValueError(str(why).lstrip()) from None


Steps = Annotated[
    tuple[str, ...],
    PlainValidator(_steps, json_schema_input_type=str | list[str | dict[str, Any]] | None),
    Field(max_length=1000),
]
"""The steps of a solution: any form that `judge run` reads."""

Reference = Annotated[
    tuple[str, ...] | None,
    PlainValidator(_reference, json_schema_input_type=str | float | list[str | float | None] | dict[str, Any] | None),
]
"""Text, a number, or a list or mapping of alternatives: any form that `judge run` reads."""

Documents = Annotated[
    tuple[str, ...],
    PlainValidator(_documents, json_schema_input_type=str | list[str | dict[str, Any] | list[Any]] | dict[str, Any] | None),
    Field(max_length=1000),
]
"""Texts, or mappings with a title and a text: any form that `judge run` reads."""


_RUBRIC = {"anyOf": [{"type": "object"}, {"type": "array"}, {"type": "string"}, {"type": "null"}]}
MOST_MESSAGES = 1000


def _counted(value: Any, what: str) -> None:
    if isinstance(value, list | tuple) and len(value) > MOST_MESSAGES:
        raise ValueError(f"{what} may have at most {MOST_MESSAGES} messages, not {len(value):,}")


def _prompt(value: Any) -> str | Conversation:
    _counted(value, "a prompt")
    try:
        return read_prompt(value, "")
    except DataError as why:
        raise ValueError(str(why)) from None


def _messages(value: Any) -> str | Conversation:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"must be a list of chat messages, not {shown(value)}")
    return _prompt(value)


def _response(value: Any) -> str | Conversation:
    _counted(value, "a response")
    try:
        return read_response(value, "")
    except DataError as why:
        raise ValueError(str(why)) from None


_Chat = str | list[dict[str, Any]]
Prompt = Annotated[Any, PlainValidator(_prompt, json_schema_input_type=_Chat)]
"""Text, or chat messages in any form that `judge run` reads."""
Messages = Annotated[Any, PlainValidator(_messages, json_schema_input_type=list[dict[str, Any]])]
Answer = Annotated[Any, PlainValidator(_response, json_schema_input_type=_Chat | float | bool)]
"""A response: text, a number or a boolean (read as text), or the assistant's side of a conversation."""


class Extras(Frozen):
    """What every route takes beside prompt and responses.

    Attributes:
        rubric: Its own, written out, or the name of a shipped one.
        metadata: For the shaping chain (`response_tokens`, baselines). A judge sees only what its recipe names in `needs.fields`.
    """

    reference: Reference = None
    context: Documents = ()
    rubric: Annotated[Any, WithJsonSchema(_RUBRIC)] = None
    principle: Annotated[str, Field(max_length=20_000)] | None = None
    steps: Steps = ()
    exemplar: Annotated[str, Field(max_length=200_000)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class SampleIn(Extras):
    """One prompt with `response`, or with `responses` (2 for a pairwise recipe, N for a listwise one)."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["response"]}, {"required": ["responses"]}]})

    prompt: Prompt
    response: Answer = ""
    responses: Annotated[tuple[Answer, ...], Field(min_length=1, max_length=1000, fail_fast=True)] = ()
    id: Name = ""
    group: Name = ""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if ("response" in self.model_fields_set) == ("responses" in self.model_fields_set):
            raise ValueError("give `response` (one text) or `responses` (several), and not both")
        return self

    @property
    def texts(self) -> tuple[str | Conversation, ...]:
        """The responses under judgement."""
        return self.responses or (self.response,)


class ScoreIn(Frozen):
    """`POST /v1/score`.

    Attributes:
        samples: What is judged.
        stream: Answer with one JSON line a sample, as each is done, and a last line of type `done`.
        detail: Add every judge call with its text.
    """

    samples: Annotated[tuple[SampleIn, ...], Field(min_length=1, max_length=100_000, fail_fast=True)]
    stream: bool = False
    detail: bool = False


class RankIn(Extras):
    """`POST /v1/rank`: responses to one prompt, put in order."""

    prompt: Prompt
    responses: Annotated[tuple[Answer, ...], Field(min_length=2, max_length=1000, fail_fast=True)]
    stream: bool = False
    detail: bool = False


class MemberIn(Extras):
    """`POST /v1/groups/{group_id}/members/{index}`: one completion of a group.

    Attributes:
        size: Members of the group; the same from all of them.
        attempt: Raise it to judge a group of the same name again; callers of lower attempts are told so.
    """

    prompt: Prompt
    response: Answer
    size: int | None = Field(default=None, ge=1, le=4096)
    attempt: int = Field(default=0, ge=0, le=2**31)
    detail: bool = False


def validated(model: type[Model], data: Any) -> Model:
    """Build a request model.

    Raises:
        APIError: 422, naming the first problem, its place, and the field that was meant.
    """
    try:
        return model.model_validate(data)
    except ValidationError as why:
        first = why.errors(include_url=False)[0]
    message = explain({**first, "loc": tuple(p for p in first["loc"] if p not in _TAGS)}, model)
    hint = ""
    if "; did you mean " in message:
        message, _, tail = message.partition("; ")
        hint = tail
    raise APIError(422, "bad_field", shortened(message), where=shortened(place(first["loc"])), hint=shortened(hint))


def shortened(text: str) -> str:
    """Words of a client as they may stand in an answer: a field's name may be megabytes."""
    return text if len(text) <= 500 else f"{text[:499]}…"


def place(loc: Sequence[str | int]) -> str:
    """A path in the request as a person writes it.

    Example:
        >>> place(("samples", 0, "prompt", "as-messages", 1, "role"))
        'samples[0].prompt[1].role'
    """
    out = ""
    for part in loc:
        if isinstance(part, int):
            out += f"[{part}]"
        elif part not in _TAGS:
            out += f".{part}" if out else part
    return out


def to_sample(
    given: Extras, prompt: Any, responses: tuple[str | Conversation, ...], *, where: str, rubrics: str, **names: str
) -> Sample:
    """A validated request as a sample.

    Args:
        rubrics: `client_rubrics` of the settings.
        names: `id` and `group`.

    Raises:
        APIError: 422: the rubric is wrong, or not allowed here.
    """
    return Sample(
        prompt=prompt,
        responses=responses,
        reference=given.reference,
        context=given.context,
        rubric=rubric_in(given.rubric, where, rubrics),
        principle=given.principle,
        steps=given.steps,
        exemplar=given.exemplar,
        metadata=given.metadata,
        **names,
    )


def rubric_in(value: Any, where: str, allowed: str) -> Rubric | None:
    """A rubric that a request brings.

    Args:
        allowed: `client_rubrics` of the settings.

    Raises:
        APIError: 422: it is wrong, or not allowed here.
    """
    if is_missing(value):
        return None
    place_ = f"{where}.rubric" if where else "rubric"
    if allowed == "off":
        raise APIError(422, "rubric_not_allowed", "this server does not accept rubrics from clients", where=place_)
    try:
        rubric = _known_rubric(json.dumps(value, sort_keys=True))
    except RubricError as why:
        raise APIError(422, "bad_rubric", "; ".join(p.what for p in why.problems[:5]), where=place_) from None
    programs = [c.id for c in rubric.criteria if c.check != "llm"]
    if programs and allowed != "all":
        message = f"criterion `{programs[0]}` is a programmatic check; this server accepts criteria for the judge only"
        raise APIError(422, "rubric_not_allowed", message, where=place_, hint="leave `check` out")
    return rubric


@lru_cache(maxsize=256)
def _known_rubric(text: str) -> Rubric:
    """A rubric written as JSON, built once for all samples that bring the same."""
    return rubric_from(json.loads(text), "rubric")


# ---- answers ----------------------------------------------------------------------------------------------------


def failure_of(reward: Reward) -> NoVerdict | None:
    """Why a response has nothing to train on; a reward that the shaping chain took away says so."""
    if reward.reward is not None:
        return None
    if reward.failure is not None:
        return reward.failure
    gone = next((name for name, value in reward.stages if value is None), "")
    return NoVerdict(Reason.DROPPED, f"step `{gone}` of the shaping chain left no reward" if gone else "no reward")


def reward_out(reward: Reward, *, index: int | None = None, detail: bool = False) -> dict[str, Any]:
    """One reward as plain values (the shape of `RewardOut`)."""
    failure, u = failure_of(reward), reward.uncertainty
    out: dict[str, Any] = {
        "response_index": reward.response_index if index is None else index,
        "reward": reward.reward,
        "raw_reward": reward.raw_reward,
        "failure": None if failure is None else {"reason": str(failure.reason), "detail": failure.detail},
        "components": dict(reward.components),
        "uncertainty": {
            "spread": u.spread, "missing": u.missing, "expected": u.expected, "entropy": u.entropy, "order_gap": u.order_gap,
            "variance": u.variance,
        },
        "flags": [{"name": f.name, "detail": f.detail, "where": f.where} for f in reward.flags],
        "explanation": reward.explanation,
        "judge_calls": reward.judge_calls,
        "tokens": reward.tokens,
    }  # fmt: skip
    if steps := reward.step_table:
        out["steps"] = steps
    if detail:
        out["calls"] = [call.plain() for call in reward.calls]
    return out


def places(values: Sequence[float | None]) -> list[int | None]:
    """Place of each value, 1 for the highest; equal values share one, None has none.

    Example:
        >>> places([0.5, None, 1.0, 0.5])
        [2, None, 1, 2]
    """
    known = [v for v in values if v is not None]
    return [None if v is None else 1 + sum(other > v for other in known) for v in values]


def documented(
    takes: type[BaseModel] | None, gives: type[BaseModel], summary: str, *, example: Any = None, streams: bool = False
) -> dict[str, Any]:
    """Arguments of a route: bodies are read by hand, so their models are noted here."""
    answers = error_responses()
    answers[200] = {"model": gives, "description": "The result."}
    if streams:
        answers[200]["content"] = {"application/x-ndjson": {"schema": {"type": "string"}}}
    extra: dict[str, Any] = {}
    if takes is not None:
        REQUESTS[takes.__name__] = takes
        body: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{takes.__name__}"}}
        if example is not None:
            body["example"] = example
        extra["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {"summary": summary, "responses": answers, "response_model": None, "openapi_extra": extra}
