"""What trainers send and expect, as their own code does it (OpenRLHF 0.11, slime 0.3, vLLM's pooling routes)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, PlainValidator, RootModel, Tag, model_validator

from judge.conversation import read_conversation, split_conversation
from judge.errors import DataError
from judge.rubric.model import Frozen
from judge.schema import Out
from judge.server.wire import MOST_MESSAGES, Answer, Prompt, RequestText
from judge.types import Conversation

Many = Annotated[tuple[RequestText, ...], Field(min_length=1, max_length=100_000, fail_fast=True)]


class OpenRlhfIn(Frozen):
    """OpenRLHF's remote reward model: lists of one length; each query is prompt and response with the template's marks."""

    query: Many
    prompts: Many
    labels: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _equal(self) -> Self:
        if len(self.prompts) != len(self.query) or len(self.labels) not in (0, len(self.query)):
            raise ValueError(f"{len(self.query)} queries, {len(self.prompts)} prompts and {len(self.labels)} labels")
        return self


class OpenRlhfOut(Out):
    """Rewards (after shaping), scores (the judge's own, in [0, 1]), and figures for the logs."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


class SlimeIn(Frozen):
    """slime's `remote_rm`: one sample."""

    prompt: Prompt
    response: Answer
    label: Any = None


class SlimeOut(RootModel[float]):
    """The reward, as a bare number."""


def _form(value: Any) -> str:
    return "as-texts" if isinstance(value, list | tuple) else "as-text"


OneOrManyTexts = Annotated[Annotated[RequestText, Tag("as-text")] | Annotated[Many, Tag("as-texts")], Discriminator(_form)]


def _whole(value: Any) -> tuple[str | Conversation, str | Conversation]:
    """A whole conversation as prompt and response."""
    if not isinstance(value, list | tuple) or len(value) > MOST_MESSAGES:
        raise ValueError(f"must be a list of at most {MOST_MESSAGES} chat messages")
    try:
        found = read_conversation(value)
        if found[-1].role not in ("assistant", "tool"):
            raise ValueError("the last of `messages` is the response under judgement, and has the role `assistant`")
        return split_conversation(found)
    except DataError as why:
        raise ValueError(str(why)) from None


class ScalarIn(Frozen):
    """vLLM's `/classify`: `input` (one text or several, each a whole conversation with its marks) or `messages`.

    `model` is taken and not looked at; rewards come as they are, so `use_activation` can only be false.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["input"]}, {"required": ["messages"]}]})

    model: str = ""
    input: OneOrManyTexts = ""
    messages: Annotated[Any, PlainValidator(_whole, json_schema_input_type=list[dict[str, Any]])] = ()
    use_activation: Literal[False] = False

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if ("input" in self.model_fields_set) == ("messages" in self.model_fields_set):
            raise ValueError("give `input` or `messages`, and not both")
        return self


class PoolingIn(ScalarIn):
    """vLLM's `/pooling`, for sequence reward models."""

    task: Literal["classify"] = "classify"


class Usage(Out):
    """Tokens of the judge."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int


class ClassOut(Out):
    """One reward, as the only class."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class PooledOut(Out):
    """One reward."""

    index: int
    object: str
    data: list[float]


class ClassifyOut(Out):
    """Answer of `/classify`."""

    id: str
    object: str
    created: int
    model: str
    data: list[ClassOut]
    usage: Usage


class PoolingOut(Out):
    """Answer of `/pooling`."""

    id: str
    object: str
    created: int
    model: str
    data: list[PooledOut]
    usage: Usage
