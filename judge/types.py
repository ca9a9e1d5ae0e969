"""The records that travel between the stages: plain, frozen, cheap to make and to pickle.

- A failure is a value (`NoVerdict`), never a number, and it stays visible until an adapter turns it
  into what its trainer calls "absent".
- Nothing here knows an engine, a file or a template, so reading a rubric never imports torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from judge.errors import DataError, did_you_mean
from judge.records import quick
from judge.reference import is_missing, read_documents, read_reference, read_steps

if TYPE_CHECKING:
    from judge.rubric.model import Rubric

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "error", "timeout", "over_length"]


@quick
@dataclass(frozen=True, slots=True)
class TextPart:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture, or something else that is not text.

    Attributes:
        url: Where it is: `data:image/png;base64,...`, `https://...`; empty where a message only says that there is one.
        detail: How closely a model is to look (`low`, `high`, `auto`), where the sender said so.
        kind: `image`; or `audio`, `video`, `file`, which no judge here can be shown.
    """

    url: str
    detail: str = ""
    kind: Literal["image", "audio", "video", "file"] = "image"

    @property
    def text(self) -> str:
        """What stands for it in text."""
        return f"[{self.kind}]"


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call that the assistant made. `arguments` is JSON text, or what the model wrote in its place."""

    name: str
    arguments: str = "{}"
    id: str = ""

    @property
    def text(self) -> str:
        """The call as it is shown."""
        return f"{self.name}({self.arguments})"


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool gave back. The assistant did not write it."""

    text: str
    name: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """The assistant's own thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """The assistant's words when it refuses, where the sender keeps them apart."""

    text: str


Part = TextPart | ImagePart | ToolCallPart | ToolResultPart | ReasoningPart | RefusalPart


@quick
@dataclass(frozen=True, slots=True)
class Message:
    """One chat message: plain text, or parts where something in it is more than that."""

    role: Role
    content: str | tuple[Part, ...]

    @property
    def text(self) -> str:
        """Its words, tool calls and tool results; not its thinking."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(p.text for p in self.content if p.text and not isinstance(p, ReasoningPart))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts, one of text where the content is plain."""
        return (TextPart(self.content),) if isinstance(self.content, str) else self.content

    @property
    def exact(self) -> str:
        """All that is in it as one text, for hashing."""
        return self.content if isinstance(self.content, str) else repr(self.content)


Conversation = tuple[Message, ...]


@quick
@dataclass(frozen=True, slots=True)
class Sample:
    """What is judged: one prompt with one (pointwise), two (pairwise) or N (listwise) responses.

    Attributes:
        prompt: The question, as text or as a conversation.
        responses: What is under judgement: text, or the assistant's side of a conversation. Untrusted.
        reference: The answers known to be right, any one of which is enough; None where there is none. Text, a list, an array
            or `{target: [...]}` is read when the sample is made (`judge.reference`).
        context: Documents the answer had to rest on; read likewise.
        rubric: A rubric of this sample's own, overriding the run's; `Sample.of` reads any form of one.
        principle: Free-text principle to judge by (recipe `principle`).
        steps: Solution steps (process recipes).
        exemplar: A solution that the judge may look at, or that responses are compared with (recipes that show one).
        id: Name of the sample in every output. Empty: its position in the data set.
        group: Name of the group of samples that compete (the completions of one prompt). Empty: `group_key` tells.
        metadata: Carried through untouched. A judge is shown what the recipe names in `needs.fields`, and nothing else of it.
    """

    prompt: str | Conversation
    responses: tuple[str | Conversation, ...]
    reference: tuple[str, ...] | None = None
    context: tuple[str, ...] = ()
    rubric: Rubric | None = None
    principle: str | None = None
    steps: tuple[str, ...] = ()
    exemplar: str | None = None
    id: str = ""
    group: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reference is not None:
            object.__setattr__(self, "reference", read_reference(self.reference))
        if type(self.context) is not tuple or self.context:
            object.__setattr__(self, "context", read_documents(self.context))
        if type(self.steps) is not tuple or self.steps:
            object.__setattr__(self, "steps", read_steps(self.steps))

    @classmethod
    def of(cls, prompt: Any, *responses: Any, **fields: Any) -> Sample:
        """Make a sample from plain values: text, chat messages, or any other form that `judge.conversation` reads.

        Raises:
            DataError, RubricError: A value is none of these forms, or a field is unknown.

        Example:
            >>> Sample.of("2+2?", "4", reference="4").responses
            ('4',)
            >>> Sample.of([{"role": "user", "content": "2+2?"}], [{"role": "assistant", "content": "4"}]).prompt
            '2+2?'
            >>> Sample.of("2+2?", "4", reference=["4", "four"]).reference
            ('4', 'four')
            >>> len(Sample.of("2+2?", "4", rubric=["It is 4.", "It is short."]).rubric.criteria)
            2
        """
        from judge.conversation import read_prompt, read_response  # noqa: PLC0415  # the reader makes these records

        given: Any = responses
        if "responses" in fields:
            if responses:
                raise DataError("responses: given twice, as arguments and as `responses=`")
            given = fields.pop("responses")
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise DataError(
                    f"responses: must be a list, not {type(given).__name__}; one alone is `Sample.of(prompt, response)`"
                )
        for name in fields:
            if name not in cls.__slots__:
                raise DataError(f"no field `{name}`{did_you_mean(name, cls.__slots__)}")
        if "rubric" in fields:
            fields["rubric"] = _rubric(fields["rubric"])
        return cls(prompt=read_prompt(prompt), responses=tuple(read_response(r) for r in given), **fields)

    @property
    def group_key(self) -> str:
        """What the members of a group have in common: its name, else a hash of prompt, reference and documents.

        Example:
            >>> Sample.of("q", "a").group_key == Sample.of("q", "b").group_key != Sample.of("q", "b", reference="r").group_key
            True
            >>> Sample.of("q", "a", group="first").group_key
            'first'
        """
        if self.group:
            return self.group
        question = repr((self.prompt, self.reference, self.context))
        return "#" + hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def prompt_text(self) -> str:
        """The prompt as text; of messages, their contents line by line."""
        return self.prompt if isinstance(self.prompt, str) else "\n".join(m.text for m in self.prompt)

    @property
    def texts(self) -> tuple[str, ...]:
        """The policy's own words of each response, tool calls included: what filters, checks and lengths are about."""
        plain = self._plain()
        if plain is not None:
            return plain
        from judge.conversation import own_words  # noqa: PLC0415  # only for conversations

        return tuple(map(own_words, self.responses))

    @property
    def shown(self) -> tuple[str, ...]:
        """All that a judge is shown of each response: the policy's own words, and what others wrote in it, marked."""
        plain = self._plain()
        if plain is not None:
            return plain
        from judge.conversation import write_response  # noqa: PLC0415  # only for conversations

        return tuple(map(write_response, self.responses))

    def _plain(self) -> tuple[str, ...] | None:
        """The responses, where all of them are text."""
        for response in self.responses:
            if not isinstance(response, str):
                return None
        return self.responses  # type: ignore[return-value]  # just checked


def _rubric(value: Any) -> Rubric | None:
    """A rubric in any form that a row may bring one."""
    if is_missing(value):
        return None
    from judge.rubric.load import rubric_from  # noqa: PLC0415  # only where a sample brings one

    return rubric_from(value.tolist() if hasattr(value, "tolist") else value, "rubric")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an engine draws a completion. Token counts in tokens; sample k of a request uses `seed + k`.

    Attributes:
        top_k: Only the likeliest k tokens; 0: no limit.
        stop: Texts that end the completion; kept in the returned text.
        top_logprobs: Likeliest tokens reported at each position, before temperature, penalties and cuts; 0: none.
        min_p: Least probability of a token, as a share of the likeliest one's, in [0, 1]; 0: no limit.
        repetition_penalty: Divides the logits (multiplies negative ones) of tokens of the prompt and the completion so far
            (Keskar et al. 2019, arXiv:1909.05858, section 4.1); 1: none. Works at temperature 0 as well.
        presence_penalty: Taken from the logit of each token that the completion holds already, in [-2, 2]; 0: none.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 1024
    seed: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Structured:
    """A constraint on the generated text: one of `choice`, or a full match of `regex`, or the JSON schema."""

    choice: tuple[str, ...] = ()
    regex: str = ""
    json_schema: str = ""  # the schema as canonical JSON text, so that requests stay hashable


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """What goes to an engine: one conversation to continue by one completion.

    When the last message is the assistant's, the engine continues that very text (capability `prefill`).

    Attributes:
        scored: A text whose log-probability is asked for instead of a reply; None: a reply is asked for.
        rated: The number of a reward-model head is asked for instead of a reply.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    structured: Structured | None = None
    scored: str | None = None
    rated: bool = False


@quick
@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """One generated token: its text, and natural-log probabilities of the likeliest tokens there."""

    text: str
    top: Mapping[str, float]


@quick
@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine gave back for one request. Engines report a failed request here, and never raise for it.

    Of a scored text, `logprobs` holds one entry a token, without its words; of a rated conversation, `text` is the number.
    `text` holds what the model said, stop strings included; `reasoning` holds thinking that the server
    already split off (never parsed). `error` is set when `finish_reason` is `error`, `timeout` or `over_length`.
    """

    text: str
    finish_reason: FinishReason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    latency_s: float = 0.0
    reasoning: str = ""
    refusal: str = ""
    error: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()


class Capability(StrEnum):
    """What a recipe may need from an engine."""

    TOP_LOGPROBS = "top_logprobs"
    SCORE_CONTINUATION = "score_continuation"
    STRUCTURED = "structured"
    PREFILL = "prefill"
    VISION = "vision"
    SEED = "seed"
    RATE = "rate"


class Reason(StrEnum):
    """Why there is no verdict."""

    EMPTY = "empty"  # the judge said nothing
    MISSING = "missing"  # it never stated a verdict
    TRUNCATED = "truncated"  # it ran out of tokens
    AMBIGUOUS = "ambiguous"  # it stated two different verdicts
    OFF_SCALE = "off_scale"  # its verdict is not on the scale
    WRONG_COUNT = "wrong_count"  # too few, too many or unknown items
    ABSTAINED = "abstained"  # it says that it cannot judge, in the words the recipe has for that
    REFUSED = "refused"
    ENGINE_ERROR = "engine_error"
    TIMEOUT = "timeout"
    UNCLEAR = "unclear"  # its probabilities say too little about the values of the scale
    OVER_LENGTH = "over_length"  # the prompt does not fit the judge's context
    LOW_QUORUM = "low_quorum"  # too few votes were valid
    INCOMPLETE = "incomplete"  # some criteria have no verdict, and the partial policy does not allow that
    DROPPED = "dropped"  # a filter took the response out
    UNPROVED = "unproved"  # a positive verdict without the words of the response that would prove it
    CHECK_ERROR = "check_error"  # a programmatic check raised
    DEADLINE = "deadline"  # the sample took longer than `item_deadline_s` or `step_deadline_s` in all
    NO_STEPS = "no_steps"  # the response has no step to judge
    TOOL_ERROR = "tool_error"  # a tool that the judge called failed, and the recipe does not go on
    INVALID = "invalid"  # the row of the data set could not be read as a sample


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge call, read.

    Attributes:
        value: As the judge stated it: a label, a number, or a mapping for several items.
        scores: Shape (responses shown, criteria asked), in [0, 1], 1 best. None in a cell the judge left out.
            Rows in the order the responses were *shown*; the pipeline maps them back.
        forced: Read from a structured continuation, because the free text held no verdict.
        expected: Mean of the scale under the judge's own log-probabilities, in [0, 1], where reported.
        entropy: Of the same distribution, in nats.
        variance: Of the score under it, in [0, 0.25].
        probabilities: Value -> its probability, with sum 1.
        copied: The words of the response that state its answer, as the judge copied them; None where it copied none.
    """

    value: Any
    scores: tuple[tuple[float | None, ...], ...]
    forced: bool = False
    expected: float | None = None
    entropy: float | None = None
    copied: str | None = None
    variance: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class NoVerdict:
    """Why one judge call, or one whole reward, has no value. `detail` is for a person to read."""

    reason: Reason
    detail: str = ""


Outcome = Verdict | NoVerdict


@quick
@dataclass(frozen=True, slots=True)
class Flag:
    """What a filter noticed. `where` is a response index or a criterion id; `detail` is for a person."""

    name: str
    detail: str = ""
    where: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """One judge call as it happened: everything needed to trace and to repeat it.

    Attributes:
        key: Hash of the exact request: messages, sampling, structure, model (hex).
        turn: Name of the recipe's turn.
        order: Index of the response shown at each position.
        criteria: Ids of the criteria asked about; empty when the whole rubric was one question.
        vote: Which vote, from 0.
        cached: Taken from the run's journal, not from the engine.
        again: Asked once more, because the reply before stated no single verdict on the scale.
        thinking: Continued from thinking that had not ended, which was closed for it (`force: thinking`).
        observed: What the tool that this reply calls gave back.
        proof: Asked for the words of the response that state its answer; states no verdict.
        shared: Counted with another response of the group, which rests on it as well.
        model: The model that was asked.
        request: What was sent, to be sent again; None in a call that came over HTTP. `key` stands for it and the model.
    """

    key: str
    turn: str
    order: tuple[int, ...]
    criteria: tuple[str, ...]
    vote: int
    seed: int
    completion: Completion
    outcome: Outcome | None  # None for a turn that states no verdict
    cached: bool = False
    again: bool = False
    thinking: bool = False
    proof: bool = False
    observed: str = ""
    shared: bool = field(default=False, repr=False, compare=False)
    model: str = field(default="", repr=False, compare=False)
    request: Request | None = field(default=None, repr=False, compare=False)

    def plain(self) -> dict[str, Any]:
        """The call as plain values, as JSON outputs show it."""
        return {
            "turn": self.turn,
            "criteria": list(self.criteria),
            "order": list(self.order),
            "vote": self.vote,
            "seed": self.seed,
            "request_hash": self.key,
            "text": self.completion.text,
            "finish_reason": self.completion.finish_reason,
            "verdict": self.outcome.value if isinstance(self.outcome, Verdict) else None,
            "no_verdict": str(self.outcome.reason) if isinstance(self.outcome, NoVerdict) else None,
            **({"observed": self.observed} if self.observed else {}),
        }


@quick
@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How sure the reward is. Every figure is on the [0, 1] scale of the reward unless it says otherwise.

    Attributes:
        spread: Standard deviation of the reward over votes (None with one vote).
        missing: Share of the votes that gave no verdict.
        expected: Reward from the judge's log-probabilities instead of its stated words.
        entropy: Mean entropy of the verdict distribution, nats.
        order_gap: |first order - second order|, where both were asked.
        variance: Mean variance of the score under the verdict distribution.
    """

    spread: float | None = None
    missing: float = 0.0
    expected: float | None = None
    entropy: float | None = None
    order_gap: float | None = None
    variance: float | None = None


def _short(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


@quick
@dataclass(frozen=True, slots=True, repr=False)
class Reward:
    """What one response earned, or why it earned nothing.

    Attributes:
        raw_reward: What the verdicts came to, in [0, 1], 1 best; None when they came to nothing (then `failure` says why).
        components: Per criterion, in [0, 1]; None where a criterion has no verdict.
        not_criteria: Components that are no criteria: judges of a panel, and wins over other members of a group (`vs:K`).
        explanation: How `raw_reward` was computed, one line a person can check.
        group: `group_key` of its sample.
        spans: Where each step stands in the policy's own words, in characters, half-open (`signal: steps`); None for a step that
            is not there word for word.
        step_rewards: What each step of the response is paid, in order, where a shaping step pays by step (`min_form`, `renorm`,
            `thoughts`, `steps`); for trainers that take rewards within a response.
        stages: What became of it: the name of each shaping step (or of the policy that put a number in place of a missing
            reward) and the reward after it (None: missing).
    """

    sample_id: str
    response_index: int
    raw_reward: float | None
    failure: NoVerdict | None = None
    components: Mapping[str, float | None] = field(default_factory=dict)
    uncertainty: Uncertainty = Uncertainty()
    flags: tuple[Flag, ...] = ()
    calls: tuple[Call, ...] = ()
    explanation: str = ""
    group: str = ""
    stages: tuple[tuple[str, float | None], ...] = ()
    not_criteria: tuple[str, ...] = ()
    spans: tuple[tuple[int, int] | None, ...] = ()
    step_rewards: tuple[float | None, ...] = ()

    @property
    def steps(self) -> tuple[float | None, ...]:
        """The scores of the response's steps in order, in [0, 1]; empty where the recipe does not judge steps."""
        numbered = {n: name for name in self.components if (n := name.removeprefix("step_")) != name and n.isdecimal()}
        return tuple(self.components[numbered[n]] for n in sorted(numbered, key=int))

    @property
    def step_table(self) -> list[dict[str, Any]]:
        """The response's steps as outputs show them: `score`, where it stands (`start`, `stop`: characters of the policy's own
        words, None where it does not stand there word for word) and what it is paid (`reward`)."""
        steps = self.steps
        if not steps:
            return []
        spans = self.spans if len(self.spans) == len(steps) else (None,) * len(steps)
        paid = self.step_rewards if len(self.step_rewards) == len(steps) else (None,) * len(steps)
        return [
            {"score": s, "start": None if a is None else a[0], "stop": None if a is None else a[1], "reward": r}
            for s, a, r in zip(steps, spans, paid, strict=True)
        ]

    @property
    def criteria(self) -> Mapping[str, float | None]:
        """The components that are criteria: what steps that work on criteria may take."""
        return {name: score for name, score in self.components.items() if name not in self.not_criteria}

    @property
    def reward(self) -> float | None:
        """What a trainer gets: `raw_reward` after shaping and `on_no_verdict`; the same number from every entry."""
        return self.stages[-1][1] if self.stages else self.raw_reward

    def __repr__(self) -> str:
        raw = "" if self.raw_reward == self.reward else f", raw_reward={_short(self.raw_reward)}"
        why = f", {self.failure.reason}: {self.failure.detail[:60]}" if self.failure else ""
        flags = f", flags={[f.name for f in self.flags]}" if self.flags else ""
        parts = {name: None if value is None else round(value, 4) for name, value in list(self.components.items())[:4]}
        more = f", components={parts}"[:-1] + (", ...}" if len(self.components) > 4 else "}") if len(parts) > 1 else ""
        where = f"{self.sample_id}[{self.response_index}]"
        return f"Reward({where}: {_short(self.reward)}{raw}{why}{flags}{more}, {len(self.calls)} calls)"

    @property
    def judge_calls(self) -> int:
        """Requests that reached the engine (journal hits not counted, nor what is counted with another response of the group)."""
        return sum(not (call.cached or call.shared) for call in self.calls)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens of all calls but those that are counted with another response of the group."""
        return sum(c.completion.prompt_tokens + c.completion.completion_tokens for c in self.calls if not c.shared)


def distinct_calls(rewards: Iterable[Reward]) -> list[Call]:
    """The calls that rewards rest on, each once: the responses of a sample share theirs, and so do those of a group.

    Example:
        >>> call = Call("k", "judge", (0, 1), (), 0, 0, Completion("A"), None)
        >>> len(distinct_calls([Reward("s", 0, 1.0, calls=(call,)), Reward("s", 1, 0.0, calls=(call,))]))
        1
    """
    return list({id(call): call for reward in rewards for call in reward.calls if not call.shared}.values())
