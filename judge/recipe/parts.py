"""What a recipe is made of: sampling, turns, votes, units, needs, its source and the models that it serves."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import BadRecipe
from judge.recipe.passages import PassageSpec
from judge.rubric.model import Frozen, Identifier
from judge.types import Capability

THINKING = "thinking"  # of `force`
ToolForm = Literal["action", "code", "json"]
Order = Literal["single", "both_mean", "both_agree", "shuffle_per_vote"]
SampleField = Literal["reference", "context", "principle", "rubric", "steps", "exemplar"]


class SamplingSpec(Frozen):
    """Sampling values a recipe, or the run settings, may set; unset ones come from the level below.

    `max_tokens` is room for reasoning and verdict together, in tokens. The others are those of `judge.types.Sampling`.

    Attributes:
        temperature: 0: the most likely token each time.
        top_p: Draw from the most likely tokens with this total probability.
        top_k: Draw from this many most likely tokens; 0 from all.
        max_tokens: Room for reasoning and verdict together, in tokens.
        stop: Texts at which the reply ends.
        min_p: Leave out tokens below this share of the likeliest one's probability.
        repetition_penalty: Above 1: tokens seen before become less likely (prompt included).
        presence_penalty: Above 0: tokens already in the reply become less likely.
    """

    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: tuple[str, ...] | None = None
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)


class Turn(Frozen):
    """One request of the method.

    Attributes:
        user: Template of the user message; none in a turn that extends a reply.
        system: Template of the system message, for a turn that opens a conversation.
        conversation: `new` opens a conversation; `continue` appends to the turn before (its reply included); `extend` goes on
            writing the reply of the turn before, with `prefill` behind it; `sample` is the sample's own conversation, with the
            response as the assistant's last message, or with `prefill` in its place.
        score: Template of a text whose log-probability is asked for instead of a reply, as the assistant's next words. In a turn
            on the sample's own conversation it stands in the place of the response.
        prefill: Template of the text that opens the judge's reply. The reply that is read begins with it.
        tools: Names of tools that the judge may call in this turn (`judge.tools.registry`, or the run's `tools.functions`).
        rounds: Most calls of tools in it.
        tool_form: How a call is written: a line `Action: NAME[INPUT]`, a block of code, or a JSON object.
        passages: The turn goes through a long text in passages, one call each; what it copies is `evidence` in later turns.
        scope: `prompt` turns see no response and run once for all completions of a prompt; `response` turns run for each.
        output: Later turns read this turn's reply as `outputs.<name>`, quoted like any untrusted text.
    """

    bad_value = BadRecipe

    name: Identifier
    user: str | None = None
    system: str | None = None
    conversation: Literal["new", "continue", "extend", "sample"] = "new"
    prefill: str | None = None
    score: str | None = None
    scope: Literal["response", "prompt"] = "response"
    sampling: SamplingSpec = SamplingSpec()
    tools: tuple[str, ...] = ()
    rounds: int = Field(default=4, ge=1, le=32)
    tool_form: ToolForm = "action"
    passages: PassageSpec | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.tools and {"rounds", "tool_form"} & self.model_fields_set:
            raise ValueError("`rounds` and `tool_form` are of a turn with `tools`")
        if self.passages is not None and (self.conversation != "new" or self.tools or self.score or self.prefill):
            raise ValueError("a turn with `passages` opens a conversation for each, without `tools`, `score` or `prefill`")
        if self.passages is not None and self.passages.of == "response" and self.scope == "prompt":
            raise ValueError("`passages.of: response` is for a turn that sees the response; leave `scope: prompt` out")
        if self.tools and self.score:
            raise ValueError("a turn with `score` writes nothing, so it calls no tools")
        if self.conversation in ("continue", "extend") and (self.system or self.scope == "prompt"):
            raise ValueError("a continued turn has no system message and no scope of its own")
        if self.conversation == "extend" and self.user:
            raise ValueError(
                "`conversation: extend` goes on with the judge's own reply, so it has no `user` message; use `prefill`"
            )
        if self.conversation in ("new", "continue") and not self.user:
            raise ValueError(f"a turn with `conversation: {self.conversation}` needs `user`, the template of its message")
        return self

    @property
    def templates(self) -> tuple[str, ...]:
        """Names of the templates that this turn renders."""
        return tuple(t for t in (self.system, self.user, self.prefill, self.score) if t)


class VoteFilter(Frozen):
    """A judge of judgements that chooses which votes count (DeepSeek-GRM's meta reward model, arXiv:2504.02495).

    Attributes:
        recipe: A pointwise recipe: the judgement is its response, what was judged stands in its documents. Same engine.
        keep: The votes it grades highest, so many (more where the last of them tie); one without a grade is never kept.
    """

    bad_value = BadRecipe

    recipe: str = "meta-judge"
    keep: int = Field(ge=1)


class Votes(Frozen):
    """How many times each question is asked, and how the answers become one. `votes: 5` is short for `votes: {n: 5}`.

    Attributes:
        n: Votes a question.
        fold: `mean`, `median` or `majority` (most common score; a tie between scores gives no verdict).
        quorum: Least share of valid votes, in (0, 1]; below it there is no verdict.
        filter: Which votes count, by a judge of judgements. None: all.
        stop_when_decided: Short for `stop: decided`.
        stop: Ask in small waves, and end before the last vote (makes `fold: majority` the default): `decided`, when the rest
            cannot change the majority; `sprt` or `beta`, when they will hardly do so (`judge.reward.ensemble.sequential`).
        error: Of `sprt` and `beta`: chance that the full vote would have come out otherwise, in (0, 0.5).
        margin: Of `sprt`: the judge is taken to say one thing in at least 0.5 + margin of its votes; in (0, 0.5). On closer
            questions `error` is no bound.
    """

    n: int = Field(default=1, ge=1, le=1024)
    fold: Literal["mean", "median", "majority"] = "mean"
    quorum: float = Field(default=0.5, gt=0, le=1)
    stop_when_decided: bool = False
    stop: Literal["decided", "sprt", "beta"] | None = None
    error: float = Field(default=0.02, gt=0, lt=0.5)
    margin: float = Field(default=0.2, gt=0, lt=0.5)
    filter: VoteFilter | None = None

    @model_validator(mode="before")
    @classmethod
    def _majority(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {"n": data}
        if not isinstance(data, dict):
            return data
        if data.get("stop_when_decided") is True:
            if data.get("stop", "decided") != "decided":
                raise ValueError("`stop_when_decided` is short for `stop: decided`; leave one of them out")
            data = {**data, "stop": "decided"}
        return {"fold": "majority", **data} if data.get("stop") is not None else data

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.stop is not None and self.fold != "majority":
            name = "stop_when_decided" if self.stop_when_decided else "stop"
            raise ValueError(f"`{name}` goes with `fold: majority`: a {self.fold} is never decided early")
        if "error" in self.model_fields_set and self.stop not in ("sprt", "beta"):
            raise ValueError("`error` is for `stop: sprt` and `stop: beta`; the other ways to vote make none")
        if "margin" in self.model_fields_set and self.stop != "sprt":
            raise ValueError("`margin` is for `stop: sprt`")
        if self.filter is not None and self.filter.keep >= self.n:
            raise ValueError(f"`filter.keep` must be below `n`: of {self.n} votes {self.filter.keep} are all")
        if self.filter is not None and self.stop is not None:
            name = "stop_when_decided" if self.stop_when_decided else "stop"
            raise ValueError(f"`filter` compares all votes, and `{name}` does not ask all; leave one of them out")
        return self


class UnitSpec(Frozen):
    """How many criteria one call asks about, and when a response needs no further ones.

    Attributes:
        criteria: Criteria in a call, in the rubric's order, or `all`. More than one needs a recipe whose verdict is `criteria`.
        again: How many more times the criteria that a reply left open are asked about, by themselves: what it did state counts.
            When it states nothing at all, they are asked in two halves.
        stop_when_decided: Calls are made one after the other, vetoes first, until a failed veto, or the first failed criterion
            under `fold: all_pass`, decides the reward. The criteria that were not asked about have no score.
    """

    bad_value = BadRecipe

    criteria: Annotated[int, Field(ge=1, le=1000)] | Literal["all"] = "all"
    again: int = Field(default=1, ge=0, le=5)
    stop_when_decided: bool = False


class Needs(Frozen):
    """What the recipe cannot work without.

    Attributes:
        fields: Further columns of a row, which templates read as `fields.NAME`: languages, a domain, a source text.
    """

    bad_value = BadRecipe

    capabilities: tuple[Capability, ...] = ()
    sample: tuple[SampleField, ...] = ()
    fields: tuple[Identifier, ...] = ()

    @field_validator("capabilities", mode="before")
    @classmethod
    def _capabilities(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        known = [c.value for c in Capability]
        bad = [v for v in value if v not in known]
        if bad:
            raise ValueError(f"unknown capability `{bad[0]}`; known: {', '.join(known)}")
        return tuple(Capability(v) for v in value)


class SourceRef(Frozen):
    """Where the method was published."""

    bad_value = BadRecipe

    title: str
    paper: str = ""
    section: str = ""


class Checkpoint(Frozen):
    """Trained judges that a recipe is for, and how they are run.

    Attributes:
        model: Name on the model hub, or several.
        pick: A run that names this model and no recipe gets this one. False for models that do more than judge.
        prompt: `exact`: the templates here are the text that they were trained on; `own`: they are our words, and
            `judge recipe adopt` makes a recipe of the published text, which stays yours.
        options: Values of the recipe's options that fit them.
        system_role: Where the recipe's system text goes: `system`, a message of its own, or `user`, in front of the first user
            message, for models whose chat template has no such role. None: as the engine settings say.
        thinking: Whether they reason before they reply, where the chat template can be told (`enable_thinking`).
        changes: Fields of the recipe that the published prompt needs otherwise; only for `judge recipe adopt`.
        placeholders: Name in the published text -> template expression (or text of a template), for `judge recipe adopt`.
        sha256: Of the messages that the published prompt comes to, for each turn and each sample of `judge.recipe.published`.
    """

    bad_value = BadRecipe

    model: str | tuple[str, ...]
    pick: bool = True
    prompt: Literal["exact", "own"] = "own"
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    system_role: Literal["system", "user"] | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    thinking: bool | None = None
    sampling: SamplingSpec = SamplingSpec()
    order: Order | None = None
    licence: str = ""
    note: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)
    placeholders: dict[str, str] = Field(default_factory=dict)
    sha256: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """Their names."""
        return (self.model,) if isinstance(self.model, str) else self.model
