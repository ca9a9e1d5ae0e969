"""The public readers: a completion and the question it answers -> `Verdict` or `NoVerdict`."""

from __future__ import annotations

from dataclasses import replace

from judge.lookalikes import fold
from judge.parse import clean
from judge.parse.decide import Decision, decide, scan
from judge.parse.expect import expectation
from judge.parse.spell import constraint, opening, spell
from judge.recipe.model import Question
from judge.types import Completion, NoVerdict, Reason, Verdict


def read(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read the verdict of one completion. Never raises on model output; `completion.reasoning` is never read.

    Returns:
        Scores of shape (responses shown, criteria asked) in [0, 1], rows in the order shown, a pitfall's polarity
        not applied. `expected` and `entropy` are filled in where log-probabilities allow.

    Example:
        >>> from judge.recipe.model import VerdictSpec
        >>> read(Completion("It says\\nVERDICT: 5\\nbut it is wrong.\\nVERDICT: 1"), Question(VerdictSpec(kind="score"))).value
        1
    """
    return clean.failure(completion) or _read(completion, question, completion.text, 0)


def read_forced(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read a completion that was made under `constraint`: the bare value, or the full statement where a server cannot
    continue a given text. A verdict is marked `forced`.
    """
    stopped = clean.failure(completion)
    if stopped is not None:
        return stopped
    found = _read(completion, question, completion.text, 0)
    if isinstance(found, NoVerdict) and found.reason in (Reason.MISSING, Reason.REFUSED) and question.spec.form != "bare":
        found = _bare(completion, question)
    return replace(found, forced=True) if isinstance(found, Verdict) else found


def read_strict(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read only the exact form, as `spell` writes it, at the very end, and stated nowhere else.

    Agrees with `read` whenever both succeed; for tests, and for judges trained on the grammar.
    """
    stopped = clean.failure(completion)
    if stopped is not None:
        return stopped
    words = clean.strip_thinking(completion.text)
    if words is None:
        return NoVerdict(Reason.MISSING, "the thinking never ends")
    size = len(question.criteria) if (question.spec.kind, question.spec.form) == ("criteria", "line") else 1
    block = "\n".join(words.split("\n")[-size:])
    found = decide(block, question)
    if isinstance(found, NoVerdict):
        return found
    if spell(question, _spellable(found, question)) != block:
        return NoVerdict(Reason.MISSING, "the last line is not the exact form")
    if len(scan(fold(words), question)) != len(scan(fold(block), question)):
        return NoVerdict(Reason.AMBIGUOUS, "a verdict is stated more than once")
    return Verdict(found.reading.value, found.reading.scores)


def _read(completion: Completion, question: Question, text: str, shift: int) -> Verdict | NoVerdict:
    """Read a text in which the completion's own text begins at `shift`."""
    found = decide(text, question)
    if isinstance(found, NoVerdict):
        return found
    verdict = Verdict(found.reading.value, found.reading.scores)
    if completion.logprobs and found.statement is not None:
        moments = expectation(completion, question, found.statement.value_at - shift, str(found.reading.value))
        if moments is not None:
            return replace(verdict, expected=moments[0], entropy=moments[1])
    return verdict


def _bare(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read the constrained value with the text it was to continue put in front."""
    if constraint(question) is None:
        return NoVerdict(Reason.MISSING, "nothing to force")
    masked = clean.mask(completion.text)
    if masked is None:
        return NoVerdict(Reason.MISSING, "the thinking never ends")
    value = masked.lstrip()
    before, after = opening(question)
    return _read(completion, question, before + value.rstrip() + after, len(before) - (len(masked) - len(value)))


def _spellable(found: Decision, question: Question) -> object:
    """A reading's value in the terms of `spell`."""
    value, kind = found.reading.value, question.spec.kind
    if kind == "choice":
        return question.names.index(value) if value in question.names else None
    if kind == "scores":
        return [value[name] for name in question.names]
    if kind == "ranking":
        return [question.names.index(name) for name in value]
    return value
