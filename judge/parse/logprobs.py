"""Log-probabilities at the verdict token -> expected score and entropy, so that equal grades stop tying."""

from __future__ import annotations

import math
from collections.abc import Mapping

from judge.parse.values import shared_prefix
from judge.recipe.verdict import Question
from judge.types import Completion, TokenLogprobs

_MIN_MASS = 0.5  # least total probability of the allowed values
_MAX_UNCLEAR = 0.01  # most probability, relative to that, on tokens that begin two values (`1` of 1 and 10)
_BROKEN = "\ufffd"  # stands for a part of a character
_MAX_BROKEN = 16  # characters of one run that may be split over tokens
_MAX_ENDS = 3  # tokens behind the text: the end of the turn, white space
_DECOR = " \t\n*_`\"'[](){}<>$.,;:!"


def expectation(completion: Completion, question: Question, position: int, stated: str) -> tuple[float, float] | None:
    """Average the scale over what the judge might have said where its final statement names the value.

    G-Eval (Liu et al. 2023, arXiv:2303.16634). Ours: the values' probabilities are renormalised, because an engine
    reports only its top tokens; mass that was not reported is left out, never spread over the values.

    Args:
        position: Where the stated value begins in `completion.text`, in characters.
        stated: The value as it was read, in its canonical spelling.

    Returns:
        Expected score in [0, 1] (choices: of the first response shown) and entropy in nats. None without
        log-probabilities, for real-valued ranges, when the values hold less than half of the probability,
        and when over 1 % of it lies on tokens that could begin two values.

    Example: P(4) = 0.6, P(5) = 0.2 on a scale of 1 to 5: (0.6 * 0.75 + 0.2 * 1) / 0.8 = 0.8125.
    """
    allowed = value_scores(question)
    if not completion.logprobs or not allowed or stated not in allowed:
        return None
    shared = shared_prefix(allowed)
    at = _place(completion.text, position, stated, shared, question.spec.prefixes)
    token = None if at is None else _token_at(completion, at)
    if at is None or token is None:
        return None
    mass = _mass({name[len(shared) :]: score for name, score in allowed.items()}, token[0], token[1])
    return None if mass is None else _moments(mass)


def value_scores(question: Question) -> dict[str, float]:
    """Every value that may be stated -> score of the first response shown; empty when there is no finite list."""
    spec = question.spec
    if spec.kind in ("label", "graded_choice"):
        return dict(question.labels)
    if spec.kind == "choice":
        ties = {spec.tie: 0.5} if spec.tie else {}
        return {name: float(i == 0) for i, name in enumerate(question.names)} | ties
    if spec.kind == "score" and question.integer and question.hi - question.lo <= 100:
        low, high = math.ceil(question.lo), math.floor(question.hi)
        return {str(n): (n - question.lo) / (question.hi - question.lo) for n in range(low, high + 1)}
    return {}


def _place(text: str, position: int, stated: str, shared: str, prefixes: tuple[str, ...]) -> int | None:
    """Position of the first character that tells the values apart."""
    window = text[position : position + 200].casefold()
    skip = 0
    for prefix in sorted(prefixes, key=len, reverse=True):
        head = window.lstrip(_DECOR)
        if head.startswith(prefix.casefold()) and not stated.casefold().startswith(prefix.casefold()):
            skip = len(window) - len(head) + len(prefix)
            break
    found = window.find(stated.casefold(), skip)
    return None if found < 0 or window[skip:found].strip(_DECOR + "#-_") else position + found + len(shared)


def _token_at(completion: Completion, at: int) -> tuple[TokenLogprobs, str] | None:
    """The token that holds a position, and what stands before the position inside it.

    Aligned from the end: a server's reasoning parser takes the thinking off the text but not off the tokens, and an end token
    is in no text. A character split over several tokens (an emoji) comes as replacement characters, one or more a token.
    None where the tokens are not the end of this text: no guess.
    """
    text, end = completion.text, len(completion.text)
    begin = end - len(text.lstrip())
    found: tuple[TokenLogprobs, str] | None = None
    broken = False
    for place in range(len(completion.logprobs) - 1, -1, -1):
        if end <= begin:
            break
        token = completion.logprobs[place]
        if _BROKEN in token.text:
            broken = True
            continue
        if not token.text:
            continue
        start = _start_of(text, token.text, end, broken)
        if start is None:
            if end == len(text) and place > len(completion.logprobs) - 1 - _MAX_ENDS:
                continue  # an end token, or white space that the server stripped
            return None
        broken = False
        end = start
        if found is None and start <= at < start + len(token.text):
            found = token, token.text[: at - start]
    return found if end <= begin or (broken and end <= begin + _MAX_BROKEN and not text[begin:end].isascii()) else None


def _start_of(text: str, token: str, end: int, broken: bool) -> int | None:
    """Where a token begins that ends at `end`; behind broken ones, up to a few characters that are not ASCII are passed over."""
    if text.endswith(token, 0, end):
        return end - len(token)
    passed = 0
    while broken and passed < _MAX_BROKEN and end > 0 and not text[end - 1].isascii():
        end, passed = end - 1, passed + 1
        if text.endswith(token, 0, end):
            return end - len(token)
    if token.lstrip() == text[:end]:  # the server stripped the beginning of the text
        return end - len(token)
    stripped = token.rstrip()
    if end == len(text) and stripped and text.endswith(stripped, 0, end):  # the server stripped the end of the text
        return end - len(stripped)
    return None


def _mass(values: Mapping[str, float], token: TokenLogprobs, head: str) -> list[tuple[float, float]] | None:
    """Probability and score of each value with any, renormalised; None when too little or unclear."""
    by_name: dict[str, float] = {}
    unclear = 0.0
    for text, logprob in token.top.items():
        if math.isnan(logprob):  # nothing was reported: min(0.0, nan) would make it certain
            continue
        names = _begun(text, head.strip(), tuple(values))
        if len(names) == 1:
            by_name[names[0]] = by_name.get(names[0], 0.0) + math.exp(min(0.0, logprob))
        elif names:
            unclear += math.exp(min(0.0, logprob))
    total = sum(by_name.values())
    if total < _MIN_MASS or unclear > _MAX_UNCLEAR * total:
        return None
    return [(p / total, values[name]) for name, p in by_name.items()]


def _begun(token: str, head: str, names: tuple[str, ...]) -> list[str]:
    """Which values a token states or begins: exact spelling first, then ignoring case."""
    words = token.strip()
    if head:
        if not words.startswith(head):
            return []
        words = words[len(head) :].strip()
    words = words.rstrip("*_`\"')]}.,;") or words
    if not words:
        return []
    begun = [name for name in names if name.startswith(words) or name == words]
    return begun or [name for name in names if name.casefold().startswith(words.casefold())]


def _moments(mass: list[tuple[float, float]]) -> tuple[float, float]:
    expected = math.fsum(p * score for p, score in mass)
    entropy = -math.fsum(p * math.log(p) for p, _ in mass if p > 0)
    return min(1.0, max(0.0, expected)), max(0.0, entropy)
