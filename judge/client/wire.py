"""Samples as the server reads them, and its answers as the toolkit's records.

- A reward is a finite number, or null beside a failure. Anything else (a bool, NaN, null without a reason, a reward beside a
  failure, results that are missing or twice) is an error of the whole answer: it never becomes a record.
- `reward` is what a trainer gets, after the server's shaping chain; `raw_reward` is what the verdicts came to. Where they
  differ, the record has one stage called `server`, so that `Reward.reward` is what the server said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from judge.conversation import to_messages
from judge.errors import DataError, EngineError
from judge.schema import CallOut, RewardOut
from judge.types import Call, Completion, Conversation, Flag, NoVerdict, Reward, Sample, Uncertainty, Verdict

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, repr=False)
class ServedReward(Reward):
    """A reward from a server. Its calls are there only when asked for (`detail`), so the server's own counts stand here."""

    served_calls: int = 0
    served_tokens: int = 0

    @property
    def judge_calls(self) -> int:
        """Requests that reached the server's engine."""
        return self.served_calls

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens of all calls, as the server counted them."""
        return self.served_tokens


@dataclass(frozen=True, slots=True)
class Scored:
    """One sample of a stream, done. `index` is its place in the request."""

    index: int
    rewards: tuple[Reward, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Responses to one prompt in order.

    Attributes:
        best_first: Indices of the responses that have a reward, best first; equal rewards by index.
        unranked: Indices of those without one; they have no place, not the last one.
        rewards: Of all responses, in the order they were given.
    """

    best_first: tuple[int, ...]
    unranked: tuple[int, ...]
    rewards: tuple[Reward, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """What one member of a group earned.

    Attributes:
        place: 1 is best, ties share one; None when it has no reward.
    """

    group: str
    index: int
    attempt: int
    size: int
    place: int | None
    reward: Reward


# ---- requests ----------------------------------------------------------------------------------------------------


def fields_of(sample: Sample, rubric: str | None = None, *, named: bool = True) -> dict[str, Any]:
    """A sample as a JSON object; what it does not have is left out.

    Args:
        rubric: Name of a rubric that the server ships, for a sample without one of its own.
        named: With its responses, id and group (`/v1/rank` and groups take them otherwise, or not at all).

    Example:
        >>> fields_of(Sample.of("2+2?", "4", reference="4"))
        {'prompt': '2+2?', 'response': '4', 'reference': '4'}
    """
    prompt: Any = sample.prompt
    if not isinstance(prompt, str):
        prompt = to_messages(prompt)
    out: dict[str, Any] = {"prompt": prompt}
    if named:
        texts = [plain_response(r) for r in sample.responses]
        out |= {"response": texts[0]} if len(texts) == 1 else {"responses": texts}
        out |= {"id": sample.id, "group": sample.group}
    own = rubric if sample.rubric is None else sample.rubric.model_dump(mode="json", exclude_defaults=True)
    known = sample.reference[0] if sample.reference is not None and len(sample.reference) == 1 else sample.reference
    out |= {"reference": known, "context": list(sample.context), "rubric": own, "principle": sample.principle}
    out |= {"exemplar": sample.exemplar}
    out |= {"steps": list(sample.steps), "metadata": dict(sample.metadata)}
    may_be_empty = ("prompt", "response", "reference", "principle", "exemplar")
    return {name: value for name, value in out.items() if value is not None and (value or name in may_be_empty)}


def plain_response(response: str | Conversation) -> str | list[dict[str, Any]]:
    """A response as JSON: text, or OpenAI chat messages."""
    return response if isinstance(response, str) else to_messages(response)


def encode(value: Mapping[str, Any]) -> bytes:
    """JSON in ASCII, so that half a surrogate pair from a policy can be sent.

    Raises:
        DataError: Something in the metadata is not JSON, or is NaN or infinite.
    """
    try:
        plain = {name: field for name, field in value.items() if field is not None}
        return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as why:
        raise DataError(f"a sample cannot be sent as JSON: {why}") from None


# ---- answers -----------------------------------------------------------------------------------------------------


def read(model: type[Model], body: bytes, url: str) -> Model:
    """An answer, checked.

    Raises:
        EngineError: This is not an answer of a judge server.
    """
    try:
        return model.model_validate(json.loads(body))
    except ValidationError as why:
        first = why.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise EngineError(f"{url}: this is not an answer of a judge server: {place}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise EngineError(f"{url}: this is not an answer of a judge server: it is not JSON") from None


def rewards_of(given: Sequence[RewardOut], sample: Sample, url: str) -> tuple[ServedReward, ...]:
    """The rewards of one sample, one for each of its responses.

    Raises:
        EngineError: There are more or fewer, or one of them is a reward and a failure at once, or neither.
    """
    if [r.response_index for r in given] != list(range(len(sample.responses))):
        raise EngineError(f"{url}: {len(given)} rewards for {len(sample.responses)} responses, or in another order")
    return tuple(_record(r, sample, url) for r in given)


def _record(given: RewardOut, sample: Sample, url: str) -> ServedReward:
    if (given.reward is None) != (given.failure is not None):
        raise EngineError(f"{url}: a response has {'neither' if given.failure is None else 'both'} a reward and a failure")
    failure = None if given.failure is None else NoVerdict(given.failure.reason, given.failure.detail)
    u = given.uncertainty
    return ServedReward(
        sample_id=sample.id,
        response_index=given.response_index,
        raw_reward=given.raw_reward,
        failure=failure,
        components=given.components,
        uncertainty=Uncertainty(u.spread, u.missing, u.expected, u.entropy, u.order_gap, u.variance),
        flags=tuple(Flag(f.name, f.detail, f.where) for f in given.flags),
        calls=tuple(map(_call, given.calls or ())),
        explanation=given.explanation,
        group=sample.group_key,
        stages=() if given.reward == given.raw_reward else (("server", given.reward),),
        spans=tuple(None if s.start is None or s.stop is None else (s.start, s.stop) for s in given.steps or ()),
        step_rewards=tuple(s.reward for s in given.steps or ()),
        served_calls=given.judge_calls,
        served_tokens=given.tokens,
    )


def _call(given: CallOut) -> Call:
    """One call; of its verdict the server gives the value as stated, and the reward has the scores."""
    stated = None if given.verdict is None else Verdict(given.verdict, ())
    return Call(
        key=given.request_hash,
        turn=given.turn,
        order=tuple(given.order),
        criteria=tuple(given.criteria),
        vote=given.vote,
        seed=given.seed,
        completion=Completion(given.text, given.finish_reason),
        outcome=stated if given.no_verdict is None else NoVerdict(given.no_verdict),
    )
