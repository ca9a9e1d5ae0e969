"""How to judge: what a recipe folder's `recipe.yaml` may say.

A recipe is data. A published judging method is a new folder with templates and these fields; Python is needed only
for a verdict grammar that does not exist yet.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.errors import BadRecipe, did_you_mean
from judge.recipe.parts import THINKING, Checkpoint, Needs, Order, SamplingSpec, SourceRef, Turn, UnitSpec, Votes
from judge.recipe.signal import LikelihoodSpec, Readout, ScalarSpec, Signal
from judge.recipe.steps import StepsSpec
from judge.recipe.verdict import EXPECTED_KINDS, MAX_LEVELS, VerdictSpec
from judge.rubric.model import Frozen, Identifier
from judge.types import Capability, Reason

Mode = Literal["pointwise", "checklist", "pairwise", "listwise", "verifier"]
WRITTEN = ("stated", "expected")  # signals that are read in what the judge writes
ProofRule = Literal["suspect", "always"]
"""Which responses need copied words behind a positive verdict: those that a filter suspects, or all."""


def _listed(value: Any, what: str, allowed: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, list | tuple):
        return value
    bad = [v for v in value if v not in allowed]
    if bad:
        raise ValueError(f"cannot {what} `{bad[0]}`; possible: {', '.join(allowed)}")
    return tuple(value)


_OF_ALL_STEPS = ("criteria", "first_error")  # kinds of verdict that say something about each of several steps
_ABOUT_CALLS = (
    "turns", "verdict", "sampling", "votes", "order", "force", "ask_again", "proof", "unit", "exact", "serves", "readout",
    "likelihood", "scalar",
)  # fmt: skip

_COMPARES = ("choice", "graded_choice", "scores", "ranking")  # kinds of verdict that are about several responses


class RecipeSpec(Frozen):
    """The contents of `recipe.yaml`.

    Attributes:
        signal: Where the number of a call comes from; `readout` says how probabilities are read.
        program: The function that gives the number (`signal: program`, and steps whose `base` is `program`): a registered name,
            or `package.module:function`. `options` are its arguments.
        steps: How the steps of a response are found, asked about and folded (`signal: steps`).
        force: After which failures the judge continues its reply with the verdict alone, under a constraint. `thinking` also
            closes thinking that was cut off and goes on from there; without it, such a reply has no verdict.
        ask_again: After which unreadable verdicts the judge is asked once more to state it.
        exact: The templates are the text of a published prompt: the sample's texts are printed as they are, with control tokens
            broken up, without blocks around them, and white space at both ends is kept.
        serves: The trained judges that this recipe is for.
        variants: Option -> value -> fields of this file that a run with that value has instead.
        thinking: `keep`: the judge is given each response with the policy's own thinking in it, as it was written, whatever the
            run says; filters see only what follows. None: as the run says.
        rubric: A rubric file of the folder, for runs and rows that bring none: the fixed aspects of a method.
        draw: How many criteria of the rubric each judgement is shown, drawn by weight from the run's seed and the sample.
        proof: For which responses a positive verdict counts only with the copied words that state the answer: `suspect` (those
            that an intake filter suspects), or `always`, which needs `verdict.copied`.
    """

    bad_value = BadRecipe

    name: Identifier
    summary: str
    mode: Mode
    exact: bool = False
    signal: Signal = "stated"
    readout: Readout = Readout()
    likelihood: LikelihoodSpec | None = None
    scalar: ScalarSpec = ScalarSpec()
    program: str | None = None
    steps: StepsSpec | None = None
    source: SourceRef
    deviations: tuple[str, ...] = ()
    unit: Literal["rubric", "criterion"] | UnitSpec = "rubric"
    thinking: Literal["keep"] | None = None
    turns: tuple[Turn, ...] = ()
    verdict: VerdictSpec = VerdictSpec(kind="score")
    sampling: SamplingSpec = SamplingSpec()
    votes: Votes = Votes()
    order: Order = "single"
    force: tuple[str, ...] = (Reason.MISSING, Reason.TRUNCATED)
    ask_again: tuple[Reason, ...] = (Reason.AMBIGUOUS, Reason.OFF_SCALE)
    proof: ProofRule = "suspect"
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    variants: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    serves: tuple[Checkpoint, ...] = ()
    needs: Needs = Needs()
    rubric: str | None = Field(default=None, min_length=1)
    draw: int | None = Field(default=None, ge=1, le=100)

    @field_validator("force", mode="before")
    @classmethod
    def _forced_after(cls, value: Any) -> Any:
        return _listed(value, "force after", (Reason.MISSING, Reason.TRUNCATED, Reason.EMPTY, THINKING))

    @field_validator("ask_again", mode="before")
    @classmethod
    def _asked_again_after(cls, value: Any) -> Any:
        listed = _listed(value, "ask again after", (Reason.AMBIGUOUS, Reason.OFF_SCALE, Reason.WRONG_COUNT))
        return tuple(map(Reason, listed)) if isinstance(listed, tuple) else listed

    @model_validator(mode="after")
    def _draws(self) -> Self:
        if self.draw is not None and self.mode == "checklist":
            raise ValueError("`draw` is for recipes of one grade or choice; a checklist asks about every criterion")
        return self

    def _fits_mode(self) -> None:
        """A verdict that compares needs several responses, and several responses need one that compares."""
        if self.steps is not None:
            return
        kind, several = self.verdict.kind, self.mode in ("pairwise", "listwise")
        if several and kind not in _COMPARES:
            names = ", ".join(k for k in _COMPARES if self.mode == "pairwise" or k != "graded_choice")
            raise ValueError(f"a {self.mode} recipe shows several responses, so its verdict is {names}; not {kind}")
        if not several and kind in (*_COMPARES, "first_error"):
            needs = "`steps`" if kind == "first_error" else "several responses (mode pairwise or listwise)"
            raise ValueError(f"a {kind} verdict needs {needs}; a {self.mode} recipe sees one response")
        if several and kind != "graded_choice" and not {"{i}", "{L}"} & set(re.findall(r"\{[iL]\}", self.verdict.names)):
            raise ValueError("`verdict.names` must hold {i} or {L}, or all responses have one name")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self._program_or_turns()
        if not self.asks:
            return self
        if self.turns[0].conversation in ("continue", "extend"):
            raise ValueError("the first turn has nothing to continue")
        self._every_turn_asks()
        if self.turns[-1].scope == "prompt":
            raise ValueError("the last turn states the verdict, so it must see the response")
        self._passages()
        if len({t.name for t in self.turns}) < len(self.turns):
            raise ValueError("two turns have the same name")
        if self.order != "single" and self.mode not in ("pairwise", "listwise"):
            raise ValueError(f"order `{self.order}` needs several responses; a {self.mode} recipe sees one")
        if self.order in ("both_mean", "both_agree") and self.mode != "pairwise":
            raise ValueError(f"order `{self.order}` is for pairwise recipes; a listwise recipe uses `shuffle_per_vote`")
        if why := self.wrong_unit(self.unit):
            raise ValueError(why)
        by_step = self.steps is not None and self.steps.ask == "together" and self.verdict.kind == "criteria"
        if (self.verdict.kind == "criteria" or self.verdict.labels == "criterion") and self.mode != "checklist" and not by_step:
            raise ValueError("verdicts per criterion are for checklist recipes")
        self._fits_mode()
        if self.verdict.copied is not None and self.mode in ("pairwise", "listwise"):
            raise ValueError(f"`copied` holds the words of one response; a {self.mode} recipe shows several")
        copies = self.verdict.copied.turn if self.verdict.copied is not None else None
        earlier = [t.name for t in self.turns[:-1] if t.scope == "response"]
        if copies is not None and copies not in earlier:
            names = f" ({', '.join(earlier)})" if earlier else ", and there is none"
            raise ValueError(f"`copied.turn` must be an earlier turn that sees the response{names}; got `{copies}`")
        if self.proof == "always" and self.verdict.copied is None:
            raise ValueError("`proof: always` needs `verdict.copied`: the line on which the judge copies the answer's words")
        self._one_signal()
        why = self.unreadable() if self.reads == "expected" else ""
        if why:
            raise ValueError(f"signal `expected`: {why}")
        return self

    def _one_signal(self) -> None:
        """Refuse fields of another signal than this one, and turns that do not fit it."""
        written = self.reads in WRITTEN
        for name, signal in (("readout", "expected"), ("likelihood", "likelihood"), ("scalar", "scalar")):
            if name in self.model_fields_set and self.reads != signal:
                raise ValueError(f"`{name}` is for `signal: {signal}`; set it, or leave `{name}` out")
        if written and "verdict" not in self.model_fields_set:
            raise ValueError("`verdict` is missing: the grammar of the last turn's reply")
        if not written and "verdict" in self.model_fields_set:
            raise ValueError(f"signal `{self.reads}` reads no verdict; leave `verdict` out")
        if not written and self.mode not in ("pointwise", "verifier"):
            raise ValueError(f"signal `{self.signal}` is about one response, so it needs `mode: pointwise` or `verifier`")
        self._idle_about_replies()
        scored = [t.name for t in self.turns if t.score]
        if self.reads != "likelihood":
            if scored:
                raise ValueError(f"turn `{scored[0]}` has `score`, which is for `signal: likelihood`")
            return
        if self.likelihood is None:
            raise ValueError("signal `likelihood` needs `likelihood: {of: TURN}`, the turn whose `score` counts")
        used = {self.likelihood.of, *([self.likelihood.baseline] if self.likelihood.baseline else [])}
        for name in used:
            if name not in scored:
                raise ValueError(
                    f"`likelihood` names turn `{name}`, which must be a turn with `score`{did_you_mean(name, scored)}"
                )
        idle = [name for name in scored if name not in used]
        if idle:
            raise ValueError(f"turn `{idle[0]}` is scored for nothing: `likelihood` names it neither in `of` nor in `baseline`")
        if not self.turns[-1].score:
            raise ValueError("the last turn must have a `score`: what is written after it would have no effect")

    def _idle_about_replies(self) -> None:
        """Refuse what is about replies where none is read, or none is written."""
        if self.reads in WRITTEN:
            return
        idle = sorted(self.model_fields_set & {"force", "ask_again"})
        if idle:
            raise ValueError(f"signal `{self.reads}` reads no verdict, so `{idle[0]}` has no effect; leave it out")
        silent = [t for t in self.turns if t.score or (self.reads == "scalar" and t is self.turns[-1])]
        for turn in silent:
            if turn.model_fields_set & {"sampling"}:
                raise ValueError(f"turn `{turn.name}` writes nothing, so its `sampling` has no effect; leave it out")
        if len(silent) == len(self.turns) and "sampling" in self.model_fields_set:
            raise ValueError(f"no turn writes anything (signal `{self.reads}`), so `sampling` has no effect; leave it out")

    def _passages(self) -> None:
        """Refuse passages where they cannot be gone through."""
        for turn, after in zip(self.turns, (*self.turns[1:], None), strict=True):
            if turn.passages is None:
                continue
            if after is None:
                raise ValueError(
                    "the last turn states the verdict, so it has no `passages`; an earlier turn collects evidence for it"
                )
            if after.conversation in ("continue", "extend"):
                raise ValueError(f"turn `{after.name}` cannot go on with a turn with `passages`, which has many conversations")
            if self.reads not in WRITTEN:
                raise ValueError(f"`passages` are for verdicts that the judge writes, not for the signal `{self.signal}`")
            if turn.passages.of == "response" and self.mode in ("pairwise", "listwise"):
                raise ValueError(f"`passages.of: response` needs one response; a {self.mode} recipe shows several")

    def _every_turn_asks(self) -> None:
        rated = self.turns[-1].name if self.signal == "scalar" else None
        for turn in self.turns:
            asks = turn.user or turn.prefill or turn.score or turn.name == rated
            if turn.conversation == "sample" and not asks:
                raise ValueError(
                    f"turn `{turn.name}` stands on the sample's conversation and asks nothing; add `user` or `prefill`"
                )

    def _program_or_turns(self) -> None:
        """Refuse turns beside a program, a recipe without either, and steps that are asked about in a way that cannot be."""
        if (self.steps is not None) != (self.signal == "steps"):
            raise ValueError("`steps` and `signal: steps` go together: give both, or none of them")
        if (self.program is not None) != (self.reads == "program"):
            raise ValueError("`program` goes with `signal: program`, or with `signal: steps` and `steps.base: program`")
        if (self.signal == "steps" or not self.asks) and self.mode not in ("pointwise", "verifier"):
            raise ValueError(f"signal `{self.signal}` is about one response, so it needs `mode: pointwise` or `verifier`")
        if not self.asks:
            idle = sorted(self.model_fields_set & set(_ABOUT_CALLS))
            if idle:
                raise ValueError(f"a program asks no model, so `{idle[0]}` has no effect; leave it out")
        elif not self.turns:
            raise ValueError("`turns` is missing: the requests of the method")
        if self.steps is not None and self.reads == "likelihood" and self.steps.ask == "together":
            raise ValueError("`steps.base: likelihood` scores a text for each step; set `steps.ask: each`")
        if self.steps is not None and self.asks and (self.steps.ask == "each") == (self.verdict.kind in _OF_ALL_STEPS):
            raise ValueError(
                "`steps.ask: each` asks about one step, so the verdict is a label or score; `together` asks about all, so it is"
                f" {' or '.join(_OF_ALL_STEPS)}"
            )

    @property
    def reads(self) -> str:
        """The signal of one call: of a recipe of steps, that of a step."""
        return self.steps.base if self.steps is not None and self.signal == "steps" else self.signal

    def wrong_unit(self, unit: Literal["rubric", "criterion"] | UnitSpec) -> str:
        """Why criteria cannot be asked about in this way; empty where they can."""
        if unit != "rubric" and self.mode != "checklist":
            shown = "criterion" if unit == "criterion" else "{criteria: ...}"
            return f"`unit: {shown}` is for checklist recipes"
        if isinstance(unit, UnitSpec) and self.verdict.kind != "criteria" and unit.criteria != 1:
            return (
                f"`unit.criteria: {unit.criteria}` needs a recipe that can ask about several criteria in one call, such as"
                f" `checklist-all`; the verdict of `{self.name}` is one {self.verdict.kind}, so `criteria` must be 1"
            )
        if isinstance(unit, UnitSpec) and unit.criteria == "all" and unit.stop_when_decided:
            return "`unit.stop_when_decided` has no effect with `criteria: all`: there is one call"
        return ""

    @property
    def per_call(self) -> int | None:
        """Criteria that one call of a checklist asks about; None: all."""
        if isinstance(self.unit, UnitSpec):
            return None if self.unit.criteria == "all" else self.unit.criteria
        return 1 if self.unit == "criterion" else None

    @property
    def salvages(self) -> bool:
        """Whether a reply that says something about some criteria only is kept for those."""
        return isinstance(self.unit, UnitSpec) and self.verdict.kind == "criteria"

    @property
    def asks(self) -> bool:
        """Whether a model is asked."""
        return self.reads != "program"

    @property
    def required(self) -> tuple[Capability, ...]:
        """What the engine must be able to do: what `needs` names, and what the turns take."""
        written = self.turns[:-1] if self.signal == "scalar" else [turn for turn in self.turns if not turn.score]
        continues = any(turn.prefill or turn.conversation == "extend" for turn in written)
        own = {"likelihood": Capability.SCORE_CONTINUATION, "scalar": Capability.RATE, "expected": Capability.TOP_LOGPROBS}
        signals = [own[self.reads]] if self.reads in own else []
        return tuple(dict.fromkeys((*self.needs.capabilities, *signals, *([Capability.PREFILL] if continues else []))))

    @property
    def parsed(self) -> bool:
        """Whether a verdict is looked for in what the judge writes, so that a planted one could be taken for it."""
        return self.reads in WRITTEN and not (self.reads == "expected" and self.readout.at == "first")

    def unreadable(self) -> str:
        """Why the verdict has no probabilities to read (`signal: expected`); empty where it has."""
        verdict = self.verdict
        if verdict.kind == "criteria":
            return self._unreadable_each()
        if verdict.kind not in EXPECTED_KINDS:
            return (
                f"the verdict must be one of {', '.join(EXPECTED_KINDS)}, which have one place to read, or criteria, which have"
                f" one each; it is {verdict.kind}"
            )
        span = verdict.range
        if verdict.kind == "score" and span is not None and not (span.integer and span.max - span.min <= MAX_LEVELS):
            return f"the scale must have a finite list of values: whole numbers, at most {MAX_LEVELS + 1} of them"
        if self.readout.at == "first" and verdict.copied is not None and verdict.copied.turn is None:
            return "`copied` wants a line in the reply, and of this reply only the first token is read"
        return ""

    def _unreadable_each(self) -> str:
        """The same for a verdict on several criteria or steps."""
        if self.verdict.form == "json":
            return "the values of a json object do not stand apart; have each criterion on a line of its own (`form: line`)"
        if self.readout.at == "first":
            return "there are several criteria, and one first token; use `at: verdict`, or `unit: criterion`"
        if self.readout.rotate or self.readout.debias != "none":
            return "`rotate` and `debias` are for one verdict a call; leave them out, or use `unit: criterion`"
        return ""
