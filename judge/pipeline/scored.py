"""Signals without a written verdict: how likely given texts are (`likelihood`), and the number of a reward-model head (`scalar`).

- A scored text and a rated conversation are requests like any other: one key, one journal, one request for all who need the same
  answer. A baseline that sees only the prompt is asked once for all its completions.
- Of several references the likeliest counts; when one of them could not be scored, none does, since it may have been that one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from judge.engine.protocol import Engine
from judge.errors import RequestFailed
from judge.parse import failure
from judge.pipeline.turns import Said, opened
from judge.recipe.load import Recipe
from judge.recipe.parts import Turn
from judge.recipe.signal import LOGS, LikelihoodSpec, ScalarSpec
from judge.render.build import Ask, Builder, Case
from judge.reward.likelihood import compared, folded, squashed
from judge.thinking import strip_thinking
from judge.types import Call, Completion, Message, NoVerdict, Outcome, Reason, Request, Sampling, TokenLogprobs, Verdict

UNDRAWN = Sampling(max_tokens=0)  # nothing is generated

ROUNDING = 1e-3  # how far above 0 a log-probability may be by rounding


class Measuring(Protocol):
    """What sends requests for one recipe."""

    builder: Builder
    recipe: Recipe
    engine: Engine

    @property
    def of_baseline(self) -> Measuring:
        """What sends those of the baseline: another model, or this one."""
        ...

    async def written(self, turn: Turn, messages: tuple[Message, ...], ask: Ask, begun: str) -> Call:
        """The reply to a turn that writes."""
        ...

    async def measured(self, request: Request, turn: Turn, ask: Ask) -> Call:
        """A scored text or a rated conversation; the outcome is None, or the reason why there is no number."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """What one ask came to, and its calls; the verdict stands in the last one."""

    outcome: Outcome
    calls: tuple[Call, ...]


async def sent(engine: Engine, request: Request) -> Completion:
    """Send any request. A failed one comes back as a completion, as `Engine.complete` has it."""
    if request.scored is None and not request.rated:
        return await engine.complete(request)
    began = time.monotonic()
    try:
        if request.scored is None:
            text, logs = repr(await engine.rate(request.messages)), tuple[float, ...]()
        else:
            text, logs = request.scored, tuple(await engine.score_continuation(request.messages, request.scored))
    except RequestFailed as why:
        return Completion("", why.finish_reason, error=str(why))
    prompt, took = engine.count_tokens(request.messages) or 0, time.monotonic() - began
    tokens = tuple(TokenLogprobs("", {"": value}) for value in logs)
    return Completion(text, prompt_tokens=prompt, completion_tokens=len(tokens), latency_s=took, logprobs=tokens)


async def measure(asker: Measuring, case: Case, ask: Ask) -> Measured:
    """Go through the turns of one ask. Raises only errors that end the run."""
    cases = asker.builder.by_reference(case)
    found = await asyncio.gather(*(_one(asker, each, ask) for each in cases))
    failed = next((f for f in found if isinstance(f.outcome, NoVerdict)), None)
    best = failed or max(found, key=lambda f: f.outcome.scores[0][0])  # type: ignore[union-attr,arg-type,return-value]  # verdicts all
    others = [replace(c, outcome=None) if isinstance(c.outcome, Verdict) else c for f in found if f is not best for c in f.calls]
    return Measured(best.outcome, (*others, *best.calls))


async def _one(asker: Measuring, case: Case, ask: Ask) -> Measured:
    spec = asker.recipe.spec
    calls: list[Call] = []
    said, outputs = Said(), dict[str, str]()
    values: dict[str, float] = {}
    for turn in spec.turns:
        messages, begun = opened(asker.builder, case, turn, ask, outputs, said)
        rated = spec.signal == "scalar" and turn is spec.turns[-1]
        if rated:
            made = [await asker.measured(Request(messages, UNDRAWN, rated=True), turn, ask)]
        elif turn.score is not None:
            assert spec.likelihood is not None  # noqa: S101  # a recipe without it is not loaded
            who = asker.of_baseline if turn.name == spec.likelihood.baseline else asker
            texts = asker.builder.texts(case, turn, ask, outputs, lines=spec.likelihood.texts == "lines")
            if not texts or not all(texts):
                return Measured(NoVerdict(Reason.EMPTY, f"turn `{turn.name}` has no text to score"), tuple(calls))
            asked = (who.measured(Request(messages, UNDRAWN, scored=text), turn, ask) for text in texts)
            made = list(await asyncio.gather(*asked))
        else:
            made = [await asker.written(turn, messages, ask, begun)]
        calls += made
        failed = next((c.outcome for c in made if isinstance(c.outcome, NoVerdict)), None)
        if failed is not None:
            return Measured(failed, tuple(calls))
        if turn.score is not None and spec.likelihood is not None:
            values[turn.name] = fmean(_folded(call.completion, spec.likelihood) for call in made)
        said = Said.after(messages, begun, made[-1].completion)
        outputs[turn.name] = strip_thinking(begun + made[-1].completion.text) or ""
    last = calls[-1].completion
    outcome = _likelihood(values, spec.likelihood) if spec.likelihood is not None else _scalar(float(last.text), spec.scalar)
    return Measured(outcome, (*calls[:-1], replace(calls[-1], outcome=outcome)))


def unmeasured(completion: Completion, request: Request) -> NoVerdict | None:
    """Why a scored text or a rated conversation came to no number; None when it did."""
    if request.scored is not None and completion.finish_reason == "stop":
        logs = [token.top[""] for token in completion.logprobs]
        if any(log > ROUNDING for log in logs):
            return NoVerdict(Reason.ENGINE_ERROR, f"the engine gives a log-probability of {max(logs):g}, and none is above 0")
        return None if logs else NoVerdict(Reason.EMPTY, "the text to score has no tokens")
    return failure(completion)


def _folded(completion: Completion, spec: LikelihoodSpec) -> float:
    logs = [token.top[""] for token in completion.logprobs]
    return folded(logs, spec.fold, len(completion.text.encode("utf-8", "surrogatepass")))


def _likelihood(values: Mapping[str, float], spec: LikelihoodSpec) -> Outcome:
    baseline = None if spec.baseline is None else values[spec.baseline]
    value = spec.scale * compared(values[spec.of], baseline, spec.compare, logs=spec.fold in LOGS)
    score = squashed(value, spec.squash)
    if math.isnan(score):
        return NoVerdict(Reason.UNCLEAR, f"{spec.compare} of {values[spec.of]:g} and {baseline} is no number")
    return Verdict(dict(values), ((score,),))


def _scalar(number: float, spec: ScalarSpec) -> Outcome:
    if not math.isfinite(number):
        return NoVerdict(Reason.UNCLEAR, f"the reward model gives {number:g}, which is no finite number")
    score = squashed(number * spec.scale + spec.offset, spec.squash)
    if not 0 <= score <= 1:
        return NoVerdict(Reason.OFF_SCALE, f"the reward model gives {number:g}, which comes to {score:g}; set `scalar.squash`")
    return Verdict(number, ((score,),))
