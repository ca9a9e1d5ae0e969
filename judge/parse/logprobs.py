"""Log-probabilities -> how likely each value of the scale was, so that equal grades stop tying.

- The probabilities stand where the judge's final statement names its value, or at the first token where a recipe says so.
- Engines report only their likeliest tokens: what was not reported is left out, never spread over the values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from judge.parse.values import shared_prefix
from judge.recipe.signal import Readout
from judge.recipe.verdict import MAX_LEVELS, Question
from judge.thinking import MARK_START
from judge.types import Completion, NoVerdict, Reason, TokenLogprobs

_MAX_UNCLEAR = 0.01  # most probability, relative to that of the values, on tokens that begin two values (`1` of 1 and 10)
_LEAST_PRIOR = 0.01  # a value that is nearly impossible without a response would else be multiplied without bound
_BROKEN = "\ufffd"  # stands for a part of a character
_MAX_BROKEN = 16  # characters of one run that may be split over tokens
_MAX_ENDS = 3  # tokens behind the text: the end of the turn, white space
_READOUT = Readout()  # of scores that only stand beside the stated ones
_DECOR = " \t\n*_`\"'[](){}<>$.,;:!"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the probabilities of the values come to.

    Attributes:
        rows: Expected score of each response in the order shown, in [0, 1].
        entropy: In nats.
        variance: Of the first response's score, in [0, 0.25].
    """

    rows: tuple[float, ...]
    entropy: float
    variance: float


def expectation(probabilities: Mapping[str, float], question: Question) -> Expectation:
    """Average the scale over what the judge might have said.

    G-Eval (Liu et al. 2023, arXiv:2303.16634); with the variance, an ordinal probabilistic reward (arXiv:2602.12660).

    Args:
        probabilities: Of each value that may be stated, with sum 1.

    Example: P(4) = 0.75, P(5) = 0.25 on a scale of 1 to 5: 0.75 * 0.75 + 0.25 * 1 = 0.8125.
    """
    scores = row_scores(question)
    count = len(next(iter(scores.values())))
    rows = tuple(math.fsum(p * scores[value][row] for value, p in probabilities.items()) for row in range(count))
    variance = math.fsum(p * (scores[value][0] - rows[0]) ** 2 for value, p in probabilities.items())
    entropy = -math.fsum(p * math.log(p) for p in probabilities.values() if p > 0)
    return Expectation(tuple(min(1.0, max(0.0, row)) for row in rows), max(0.0, entropy), max(0.0, variance))


def stated_probabilities(completion: Completion, question: Question, position: int, stated: str) -> dict[str, float] | NoVerdict:
    """How likely each value was where the final statement names its value.

    Args:
        position: Where the stated value begins in `completion.text`, in characters.
        stated: The value as it was read, in its canonical spelling.

    Returns:
        Value -> probability, with sum 1 (renormalised over the values with any). `unclear` without log-probabilities, for
        real-valued ranges, when the values hold less of the probability than `readout.min_mass` (by default half), and when
        over 1 % of it lies on tokens that could begin two values; `abstained` when half of it lies on labels of abstaining.
    """
    allowed = value_scores(question)
    if not completion.logprobs:
        return NoVerdict(Reason.UNCLEAR, "the engine reported no log-probabilities")
    if not allowed or stated not in allowed:
        return NoVerdict(Reason.UNCLEAR, "the verdict has no finite scale")
    shared = shared_prefix([*allowed, *_abstaining(question)])
    at = _place(completion.text, position, stated, shared, question.spec.prefixes)
    token = None if at is None else _token_at(completion, at)
    if at is None or token is None:
        return NoVerdict(Reason.UNCLEAR, "the tokens reported are not those of the verdict")
    return _probabilities(question, shared, token[0], token[1])


def first_probabilities(completion: Completion, question: Question) -> dict[str, float] | NoVerdict:
    """How likely each value was at the first token generated; the rest of the text is not looked at. `unclear` as above."""
    if not value_scores(question):
        return NoVerdict(Reason.UNCLEAR, "the verdict has no finite scale")
    if not completion.logprobs:
        return NoVerdict(Reason.UNCLEAR, "the engine reported no log-probabilities")
    begun = not completion.logprobs[0].top and len(completion.logprobs) > 1  # a beginning that the recipe wrote
    return _probabilities(question, "", completion.logprobs[int(begun)], "")


def without_prior(probabilities: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """Divide what the judge leans to by itself out of what it says, and let the rest sum to 1 again.

    Contextual calibration (Zhao et al. 2021, arXiv:2102.09690, section 5). Ours: a prior counts as 1 % at least.

    Example:
        >>> without_prior({"A": 0.5, "B": 0.5}, {"A": 0.75, "B": 0.25})  # 0.5 and 1.5 over 2
        {'A': 0.25, 'B': 0.75}
    """
    weights = {value: p / max(prior.get(value, 0.0), _LEAST_PRIOR) for value, p in probabilities.items()}
    total = math.fsum(weights.values())
    return {value: weight / total for value, weight in weights.items()}


def value_scores(question: Question) -> dict[str, float]:
    """Every value that may be stated -> score of the first response shown; empty when there is no finite list."""
    spec = question.spec
    if spec.kind in ("label", "graded_choice"):
        return {label: score for label, score in question.labels.items() if score is not None}
    if spec.kind == "choice":
        ties = {spec.tie: 0.5} if spec.tie else {}
        return {name: float(i == 0) for i, name in enumerate(question.names)} | ties
    if spec.kind == "score" and question.integer and question.hi - question.lo <= MAX_LEVELS:
        low, high = math.ceil(question.lo), math.floor(question.hi)
        return {str(n): (n - question.lo) / (question.hi - question.lo) for n in range(low, high + 1)}
    return {}


def row_scores(question: Question) -> dict[str, tuple[float, ...]]:
    """Every value that may be stated -> score of each response in the order shown.

    Example:
        >>> from judge.recipe.model import VerdictSpec
        >>> row_scores(Question(VerdictSpec(kind="choice", tie="tie"), names=("A", "B")))
        {'A': (1.0, 0.0), 'B': (0.0, 1.0), 'tie': (0.5, 0.5)}
    """
    kind, names = question.spec.kind, question.names
    if kind == "choice":
        ties = {question.spec.tie: (0.5,) * len(names)} if question.spec.tie else {}
        return {name: tuple(float(name == other) for other in names) for name in names} | ties
    both = kind == "graded_choice"
    return {value: (score, 1.0 - score) if both else (score,) for value, score in value_scores(question).items()}


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


def _probabilities(question: Question, shared: str, token: TokenLogprobs, head: str) -> dict[str, float] | NoVerdict:
    """Probability of each value with any at one token, renormalised."""
    abstaining = _abstaining(question)
    values = {name[len(shared) :]: name for name in (*value_scores(question), *abstaining)}
    least = (question.readout or _READOUT).min_mass
    found: dict[str, float] = {}
    unclear: dict[str, float] = {}
    for text, logprob in token.top.items():
        if math.isnan(logprob):  # nothing was reported: min(0.0, nan) would make it certain
            continue
        names = _begun(text, head.strip(), tuple(values))
        if len(names) == 1:
            found[values[names[0]]] = found.get(values[names[0]], 0.0) + math.exp(min(0.0, logprob))
        elif names:
            unclear[text] = math.exp(min(0.0, logprob))
    total = math.fsum(found.values())
    if math.fsum(unclear.values()) > _MAX_UNCLEAR * total:
        worst = max(unclear, key=lambda text: unclear[text])
        return NoVerdict(Reason.UNCLEAR, f"the token {worst!r} (probability {unclear[worst]:.2g}) begins several values")
    if total < least or total == 0:
        likeliest = max(token.top, key=lambda text: token.top[text], default="")
        detail = f"the values hold {total:.2g} of the probability, and {least:g} is needed; likeliest: {likeliest!r}"
        if MARK_START.match(likeliest.strip()):
            detail += (
                "; the judge begins to think: turn its thinking off, as with `chat_template_kwargs: {enable_thinking: false}`"
            )
        return NoVerdict(Reason.UNCLEAR, detail)
    silent = math.fsum(found.pop(name, 0.0) for name in abstaining)
    if silent >= total / 2:
        return NoVerdict(Reason.ABSTAINED, f"the judge says that it cannot judge with probability {silent / total:.2g}")
    return {name: p / (total - silent) for name, p in found.items()}


def _abstaining(question: Question) -> tuple[str, ...]:
    """Labels of a judge that does not judge."""
    return tuple(label for label, score in question.labels.items() if score is None)


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
