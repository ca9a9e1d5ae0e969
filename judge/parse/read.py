"""The public readers: a completion and the question it answers -> `Verdict` or `NoVerdict`.

- The finish reason is asked before the text: `VERDICT: 1` cut off by the token limit was going to be `10`.
- Thinking holds drafts ("maybe VERDICT: 5?") and is never read (judge/thinking.py knows its marks). It is blanked out, not cut,
  so every position still points at the same token of the completion.
- What is quoted is set aside first, and words outside code fences win over words inside; a verdict that stands in a
  fence alone is read.
- The last statement in the judge's own words decides (choose.py). An unusable last one is never rescued by an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from judge.lookalikes import fold
from judge.parse import checklist, kinds, markup, scan, several
from judge.parse.choose import Planted, ReadStatement, UntrustedTexts, choose
from judge.parse.closing import closing_verdict
from judge.parse.context import Context
from judge.parse.copied import read_copied
from judge.parse.format import constraint, format_verdict, line_count, opening
from judge.parse.kinds import StatedValue
from judge.parse.logprobs import Expectation, expectation, first_probabilities, stated_probabilities
from judge.parse.values import Bad, Statement
from judge.recipe.verdict import Question
from judge.records import quick
from judge.thinking import closed_alone, ends_thinking, thinking_spans
from judge.types import Completion, NoVerdict, Reason, Verdict

READERS: dict[str, Callable[[Statement, Question], StatedValue | Bad]] = {
    "label": kinds.read_label,
    "graded_choice": kinds.read_graded_choice,
    "score": kinds.read_score,
    "choice": kinds.read_choice,
    "scores": kinds.read_scores,
    "ranking": kinds.read_ranking,
    "first_error": kinds.read_first_error,
}
_REFUSAL = re.compile(
    r"\s{0,3}(?:(?:i['’]?m|i am) (?:very |so )?sorry|sorry|i (?:can['’]?t|cannot|can not|won['’]?t|will not|must decline"
    r"|am unable|am not able)|i['’]m (?:unable|not able)|as an ai\b)",
    re.IGNORECASE,
)
_BY_FINISH = {
    "error": Reason.ENGINE_ERROR,
    "timeout": Reason.TIMEOUT,
    "over_length": Reason.OVER_LENGTH,
    "content_filter": Reason.REFUSED,
    "length": Reason.TRUNCATED,
}
_NEVER_ENDS = NoVerdict(Reason.MISSING, "the thinking never ends")


def read(completion: Completion, question: Question, *, again: bool = False) -> Verdict | NoVerdict:
    """Read the verdict of one completion. Never raises on model output; `completion.reasoning` is never read.

    Args:
        again: The reply to a message that asked for the verdict and nothing else: it need not stand behind `after`.

    Returns:
        Scores of shape (responses shown, criteria asked) in [0, 1], rows in the order shown, a pitfall's polarity
        not applied. `expected` and `entropy` are filled in where log-probabilities allow.

    Example:
        >>> from judge.recipe.verdict import VerdictSpec
        >>> read(Completion("It says\\nVERDICT: 5\\nbut it is wrong.\\nVERDICT: 1"), Question(VerdictSpec(kind="score"))).value
        1
    """
    if question.readout is not None and question.readout.at == "first":
        return _first(completion, question)
    stopped = failure(completion)
    if stopped is None:
        return _read(completion, question, completion.text, 0, anywhere=again)
    if stopped.reason is not Reason.TRUNCATED or not question.salvage:
        return stopped
    found = _read(completion, question, _whole_lines(completion.text), 0, anywhere=again)
    return stopped if isinstance(found, NoVerdict) else found


def _whole_lines(text: str) -> str:
    """A reply that ran out of tokens without its last line, which may have been going to say more: `VERDICT a: UN`."""
    return text[: text.rfind("\n") + 1]


def read_forced(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read a completion that was made under `constraint`: the bare value, or the full statement where a server cannot
    continue a given text. A verdict is marked `forced`.
    """
    stopped = failure(completion)
    if stopped is not None:
        return stopped
    found = _read(completion, question, completion.text, 0, anywhere=True)
    if isinstance(found, NoVerdict) and found.reason in (Reason.MISSING, Reason.REFUSED) and question.spec.form != "bare":
        found = _bare(completion, question)
    return replace(found, forced=True) if isinstance(found, Verdict) else found


def read_strict(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read only the exact form, as `format_verdict` writes it, at the very end, and stated nowhere else.

    Agrees with `read` whenever both succeed; for tests, and for judges trained on the grammar.
    """
    stopped = failure(completion)
    if stopped is not None:
        return stopped
    folded = fold(completion.text)
    spans = thinking_spans(folded, judges=True, used=_tag_used(question))
    if spans is None:
        return _NEVER_ENDS
    words = markup.blank(completion.text, spans).strip()
    block = "\n".join(words.split("\n")[-line_count(question) :])
    found = decide(block, question)
    if isinstance(found, NoVerdict):
        return found
    if format_verdict(question, _writable(found, question)) != block:
        return NoVerdict(Reason.MISSING, "the last line is not the exact form")
    again = scan.statements if question.spec.after is None else _marks
    if len(again(fold(words), question)) != len(again(fold(block), question)):
        return NoVerdict(Reason.AMBIGUOUS, "a verdict is stated more than once")
    return Verdict(found.stated.value, found.stated.scores)


def _marks(text: str, question: Question) -> list[tuple[int, int]]:
    return markup.section_marks(text, [], question.spec.after or "")


def failure(completion: Completion) -> NoVerdict | None:
    """Say why a completion cannot hold a verdict, whatever its text; None when it may."""
    if completion.finish_reason in _BY_FINISH:
        detail = completion.error or completion.refusal
        return NoVerdict(_BY_FINISH[completion.finish_reason], detail or f"finish reason `{completion.finish_reason}`")
    if completion.refusal:
        return NoVerdict(Reason.REFUSED, completion.refusal)
    if not completion.text.strip():
        return NoVerdict(Reason.EMPTY, "the judge said nothing")
    return None


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and where it stands (None: in several places)."""

    stated: StatedValue
    statement: Statement | None


def decide(text: str, question: Question, *, anywhere: bool = False) -> Decision | NoVerdict:
    """Decide what a whole reply says. Never raises on model output.

    Args:
        anywhere: A verdict counts although the words are missing behind which it is to stand.
    """
    plain = closing_verdict(text, question)
    return decide_any(text, question, anywhere=anywhere) if plain is None else Decision(*plain)


def decide_any(text: str, question: Question, *, anywhere: bool = False) -> Decision | NoVerdict:
    """The same, whatever the reply looks like."""
    folded = fold(text)
    spans = thinking_spans(folded, judges=True, used=_tag_used(question))
    if spans is None:
        return _NEVER_ENDS
    untrusted = UntrustedTexts(question)
    found = _in_section(folded, spans, question, untrusted, anywhere)
    if isinstance(found, Decision) and closed_alone(folded, spans) and any(map(ends_thinking, untrusted.texts)):
        # the tag that hides the words before it may be the answer's, repeated by the judge
        whole = _in_section(folded, spans[1:], question, untrusted, anywhere)
        if isinstance(whole, NoVerdict) or whole.stated != found.stated:
            return NoVerdict(Reason.AMBIGUOUS, "a thinking tag stands in the text under judgement")
    return found


def _in_section(
    folded: str, spans: list[tuple[int, int]], question: Question, untrusted: UntrustedTexts, anywhere: bool
) -> Decision | NoVerdict:
    """Decide by the section of the verdict, or by the whole reply where the grammar names none."""
    words, after = markup.blank(folded, spans), question.spec.after
    if after is None:
        return _decide(words, folded, question, untrusted)
    marks = markup.section_marks(folded, spans, after)
    if not marks:
        missing = _nothing(words, 0, f"nothing stands behind `{after}`, which is not there")
        return _decide(words, folded, question, untrusted) if anywhere else missing
    outside, ends = markup.outside(folded, marks, question.spec.until)
    heads = markup.heads(words, sorted({*marks, *ends}))
    words, folded = (markup.blank(text, heads, last=" ") for text in (words, folded))
    found = _decide(words, folded, question, untrusted, outside)
    if isinstance(found, Decision) and _may_be_theirs(found, question, untrusted, after):
        whole = _decide(words, folded, question, untrusted)  # the section may be the answer's, repeated by the judge
        if isinstance(whole, NoVerdict) or whole.stated != found.stated:
            return NoVerdict(Reason.AMBIGUOUS, f"`{after}` stands in the text under judgement")
    return found


def _may_be_theirs(found: Decision, question: Question, untrusted: UntrustedTexts, after: str) -> bool:
    """Whether a text under judgement holds the words that begin the section, and does not clearly state something else."""
    alone = replace(question, material=())
    for text in untrusted.texts:
        if markup.section_marks(text, [], after):
            theirs = _decide(text, text, alone, UntrustedTexts(alone))
            if isinstance(theirs, NoVerdict) or theirs.stated == found.stated:
                return True
    return False


def _decide(
    words: str, folded: str, question: Question, untrusted: UntrustedTexts, outside: list[tuple[int, int]] | None = None
) -> Decision | NoVerdict:
    spec = question.spec
    words = markup.plain(words, spec)
    found = scan.statements(markup.blank(words, outside, markup.OUTSIDE) if outside else words, question)
    if len(found) > scan.limit(question):
        return NoVerdict(Reason.AMBIGUOUS, f"more than {scan.limit(question)} statements: the reply is a loop")
    context = Context(words, folded, found, question, untrusted.holds, _guesses(found, question))
    if all(context.foreign):
        return _nothing(words, len(found))
    foreign = {s.start for s, is_foreign in zip(found, context.foreign, strict=True) if is_foreign}

    def weighed(statement: Statement, stated: StatedValue | Bad) -> ReadStatement:
        why = "" if isinstance(stated, Bad) else context.taken_back(statement, stated)
        at = statement.start
        return ReadStatement(statement, stated, context.fenced(at), at in foreign, scan.source(words, statement, question), why)

    chosen: StatedValue | NoVerdict | None = None
    if spec.by == "place":
        chosen = several.by_place(found, weighed, question, untrusted)
    elif spec.kind == "criteria":
        chosen = checklist.decide(found, foreign, weighed, question, untrusted)
    elif spec.marked_each or spec.form == "angles":
        chosen = several.by_response(found, weighed, question, untrusted)
    if chosen is not None:
        return chosen if isinstance(chosen, NoVerdict) else Decision(chosen, None)
    reader = READERS[spec.kind]
    planted = Planted(untrusted, lambda found: {ReadStatement(s, reader(s, question)).token for s in found})
    picked = choose([weighed(s, reader(s, question)) for s in found], planted)
    if picked is None:
        return _nothing(words, 0)
    if isinstance(picked, ReadStatement) and picked.usable.scores[0] == (None,):
        return NoVerdict(Reason.ABSTAINED, f"the judge says {picked.usable.value}")
    return picked if isinstance(picked, NoVerdict) else Decision(picked.usable, picked.statement)


def _guesses(found: list[Statement], question: Question) -> frozenset[int]:
    """Where words that look like a statement of one value state none."""
    reader = None if question.spec.marked_each else READERS.get(question.spec.kind)
    if reader is None or question.spec.form != "line":
        return frozenset()
    return frozenset(s.start for s in found if s.weak and isinstance(reader(s, question), Bad))


def _read(completion: Completion, question: Question, text: str, shift: int, *, anywhere: bool = False) -> Verdict | NoVerdict:
    """Read a text in which the completion's own text begins at `shift`."""
    found = decide(text, question, anywhere=anywhere)
    if isinstance(found, NoVerdict):
        return found
    copied = None if question.spec.copied is None else read_copied(completion.text, question.spec.copied)
    verdict = Verdict(found.stated.value, found.stated.scores, copied=copied)
    wanted = question.readout is not None
    if found.statement is None:
        return _each(verdict, found.stated, completion, question, shift) if wanted else verdict
    place = found.statement.value_at - shift
    probabilities = stated_probabilities(completion, question, place, str(found.stated.value))
    if isinstance(probabilities, NoVerdict):
        return probabilities if wanted else verdict
    return weighed(verdict, probabilities, question)


def _each(verdict: Verdict, stated: StatedValue, completion: Completion, question: Question, shift: int) -> Verdict | NoVerdict:
    """A verdict on several criteria with the expected score of each; one that is unclear leaves none."""
    if not stated.at:
        return NoVerdict(Reason.UNCLEAR, "the values do not stand apart, so their probabilities cannot be told apart")
    found: dict[str, Expectation] = {}
    for criterion, place in stated.at.items():
        alone = replace(question, spec=question.spec.model_copy(update={"kind": "label"}), labels=question.criteria[criterion])
        probabilities = stated_probabilities(completion, alone, place - shift, stated.value[criterion])
        if not isinstance(probabilities, NoVerdict):
            found[criterion] = expectation(probabilities, alone)
        elif probabilities.reason is not Reason.ABSTAINED:
            return NoVerdict(probabilities.reason, f"{criterion}: {probabilities.detail}")
    row = tuple(found[c].rows[0] if c in found else None for c in question.criteria)
    entropy, variance = ([getattr(e, name) for e in found.values()] for name in ("entropy", "variance"))
    return replace(
        verdict, scores=(row,), entropy=fmean(entropy) if entropy else None, variance=fmean(variance) if variance else None
    )


def _first(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read the first token generated. What the text says, and that it stops short, means nothing."""
    stopped = failure(replace(completion, finish_reason="stop") if completion.finish_reason == "length" else completion)
    if stopped is not None and stopped.reason is not Reason.EMPTY:
        return stopped
    probabilities = first_probabilities(completion, question)
    if isinstance(probabilities, NoVerdict):
        return probabilities
    return weighed(Verdict(None, ()), probabilities, question)


def weighed(verdict: Verdict, probabilities: Mapping[str, float], question: Question) -> Verdict:
    """A verdict with what its probabilities come to: beside its stated score, or as the score where the readout says so.

    Read at the first token, its value is the likeliest one.
    """
    found = expectation(probabilities, question)
    if question.readout is not None and question.readout.at == "first":
        likeliest = max(probabilities, key=lambda value: probabilities[value])
        verdict = replace(verdict, value=int(likeliest) if question.spec.kind == "score" else likeliest)
    return replace(
        verdict,
        scores=verdict.scores if question.readout is None else tuple((row,) for row in found.rows),
        expected=found.rows[0],
        entropy=found.entropy,
        variance=found.variance,
        probabilities=dict(probabilities),
    )


def _bare(completion: Completion, question: Question) -> Verdict | NoVerdict:
    """Read the constrained value with the text it was to continue put in front."""
    if constraint(question) is None:
        return NoVerdict(Reason.MISSING, "nothing to force")
    spans = thinking_spans(completion.text, judges=True, used=_tag_used(question))
    if spans is None:
        return _NEVER_ENDS
    masked = markup.blank(completion.text, spans)
    value = masked.lstrip()
    before, after = opening(question)
    return _read(completion, question, before + value.rstrip() + after, len(before) - (len(masked) - len(value)))


def _tag_used(question: Question) -> str:
    return question.markers[0][0] if question.spec.form == "tag" else ""


def _writable(found: Decision, question: Question) -> object:
    """A verdict's value in the terms of `format_verdict`."""
    value, kind = found.stated.value, question.spec.kind
    if kind == "choice":
        return question.names.index(value) if value in question.names else None
    if kind == "scores":
        return [value[name] for name in question.names]
    if kind == "ranking":
        return [question.names.index(name) for name in value]
    return value


def _nothing(words: str, set_aside: int, why: str = "no verdict stated") -> NoVerdict:
    if set_aside:
        return NoVerdict(Reason.MISSING, "the only verdict is quoted from somebody else, or not meant")
    if _REFUSAL.match(words.lstrip("\n *_\"'")) is not None:  # only the opening words are looked at
        return NoVerdict(Reason.REFUSED, words.strip()[:200])
    return NoVerdict(Reason.MISSING, why)
