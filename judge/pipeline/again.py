"""What follows a reply without a usable verdict: the verdict alone under a constraint, or the same question once more."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from judge.parse import constraint
from judge.pipeline.turns import apart
from judge.recipe.model import RecipeSpec
from judge.recipe.parts import THINKING
from judge.recipe.verdict import Question
from judge.thinking import close_thinking, strip_thinking
from judge.types import Capability, Completion, Message, Outcome, Request, Verdict

FORCED_TOKENS = 256  # room for a constrained verdict; a label takes one to five
_AGAIN = (
    "Your reply does not state exactly one verdict on the scale that was asked for. State your verdict now, once, "
    "in the form that was asked for, and nothing else."
)


def next_request(
    spec: RecipeSpec,
    able: Container[Capability],
    request: Request,
    completion: Completion,
    outcome: Outcome,
    question: Question,
    begun: str,
) -> tuple[Request, bool] | None:
    """What is asked once more after this reply, if anything: a constrained continuation, else the question again.

    Args:
        able: What the engine can do.
        begun: How the recipe began the reply.

    Returns:
        The request, and whether it asks the question again.
    """
    if isinstance(outcome, Verdict) or _one_token(question):
        return None
    forced = outcome.reason in spec.force
    if forced and (found := _forced(spec, able, request, completion, question, begun)) is not None:
        return found, False
    return (_again(able, request, completion, question, begun), True) if outcome.reason in spec.ask_again else None


def _forced(
    spec: RecipeSpec, able: Container[Capability], request: Request, completion: Completion, question: Question, begun: str
) -> Request | None:
    """The constrained continuation, where the engine can do it."""
    if Capability.STRUCTURED not in able:
        return None
    shape = constraint(question)
    if shape is None:
        return None
    opening, structured = shape
    said = strip_thinking(completion.text)
    thought = only_thought(completion)
    prefill = Capability.PREFILL in able
    if thought:  # a verdict without the thinking that was to lead to it would be a guess
        closed = close_thinking(completion.text or f"<think>\n{completion.reasoning}")
        if THINKING not in spec.force or not prefill or closed is None:
            return None
        reasoning, opening = closed, opening.lstrip("\n")
    else:
        reasoning, opening = (said or "").rstrip(), "\n" + opening.lstrip("\n")
    sampling = replace(
        request.sampling, temperature=0.0, max_tokens=FORCED_TOKENS, stop=(), top_logprobs=request.sampling.top_logprobs
    )
    before, kept = apart(request.messages, begun)
    if prefill:
        messages = (*before, Message("assistant", kept + reasoning + opening))
    else:
        ask_again = Message("user", "Your verdict is missing. State it now, and nothing else.")
        messages = (*before, Message("assistant", kept + reasoning or "(no verdict)"), ask_again)
    return Request(messages, sampling, structured)


def _again(able: Container[Capability], request: Request, completion: Completion, question: Question, begun: str) -> Request:
    """The same question once more, with the unreadable reply before it."""
    said = strip_thinking(completion.text)
    shape = constraint(question) if Capability.STRUCTURED in able else None
    before, kept = apart(request.messages, begun)
    messages = (*before, Message("assistant", kept + (said or "") or "(no verdict)"), Message("user", _AGAIN))
    if shape is None:
        return Request(messages, request.sampling)
    sampling = replace(request.sampling, temperature=0.0, max_tokens=FORCED_TOKENS, stop=())
    return Request(messages, sampling, shape[1])


def only_thought(completion: Completion) -> bool:
    """Whether the reply was cut off inside its thinking."""
    said = strip_thinking(completion.text)
    return said is None or bool(completion.reasoning and not said.strip())


def _one_token(question: Question) -> bool:
    """Whether only the first token is read: then nothing is asked for once more."""
    return question.readout is not None and question.readout.at == "first"
