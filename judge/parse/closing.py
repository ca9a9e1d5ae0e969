"""The reply that nothing has to be asked about: the judge's reasons, and below them its verdict in the very form asked for.

Most replies of a judge that follows its prompt are of this kind, and reading one like any other text costs more than rendering
its prompt did. What is read here, the whole reader reads the same, which a test holds both to; whatever is odd about a reply (a
second marker, words behind the verdict, a fence, a tag, an open sentence above it) is left to the whole reader.
"""

from __future__ import annotations

from judge.lookalikes import fold
from judge.parse.kinds import StatedValue, scaled
from judge.parse.values import Statement
from judge.recipe.verdict import Question
from judge.thinking import may_hold

_BEHIND = 100  # characters of white space behind a verdict
_ENDS = frozenset(".!?;")  # a sentence that ends so neither introduces nor supposes what stands below it
_MARKS = ("`", "~~", "|", "{", "<", "[/", "[|")  # code, struck-through words, tables, objects, tags, leaked tokens
_LIKE_ASCII = ("\u0130", "\u0131", "\u017f", "\u212a")  # letters that case folding takes for `i`, `s` and `k`


def closing_verdict(text: str, question: Question) -> tuple[StatedValue, Statement] | None:
    """The verdict of a reply that ends in one line of it and holds nothing that could mean another; None for any other reply.

    Example:
        >>> from judge.recipe.verdict import VerdictSpec
        >>> question = Question(VerdictSpec(kind="score"))
        >>> closing_verdict("It is short and right.\\nVERDICT: 4", question)[0].value
        4
        >>> closing_verdict("It ends with:\\nVERDICT: 4", question) is None
        True
    """
    spec = question.spec
    if spec.form != "line" or spec.after is not None or not spec.marker:
        return None
    body = text.rstrip()
    start = body.rfind("\n") + 1
    head = f"{spec.marker}: "
    at = start + len(head)
    stated = _exactly(body[at:], question) if body.startswith(head, start) and len(text) - len(body) <= _BEHIND else None
    if stated is None or not _stands_alone(text, body[:start].rstrip(), spec.marker):
        return None
    stop = text.find("\n", at)
    return stated, Statement(start, stop if stop >= 0 else len(text), at, body[at:], alone=True)


def _stands_alone(text: str, above: str, marker: str) -> bool:
    """Whether nothing can give the last line, below the words `above`, another meaning, or state another verdict. (A quotation
    that would hold the line would have to end behind it.)"""
    if (above and above[-1] not in _ENDS) or text.lower().count(marker.split(maxsplit=1)[0].lower()) != 1:
        return False
    if any(map(text.__contains__, _MARKS)) or fold(text) is not text or may_hold(text):
        return False
    return text.isascii() or not any(map(text.__contains__, _LIKE_ASCII))


def _exactly(raw: str, question: Question) -> StatedValue | None:
    """The value that stands there in the very form asked for, without a word or mark more."""
    kind = question.spec.kind
    if kind == "label":
        score = question.labels.get(raw)
        return None if score is None else StatedValue(raw, ((score,),))
    if kind == "choice":
        if raw in question.names:
            return StatedValue(raw, tuple((1.0 if name == raw else 0.0,) for name in question.names))
        return StatedValue(raw, ((0.5,),) * len(question.names)) if raw and raw == question.spec.tie else None
    if kind == "score" and len(raw) <= 4 and raw.isascii() and raw.isdigit() and (raw[0] != "0" or raw == "0"):
        value = int(raw)
        return StatedValue(value, ((scaled(value, question),),)) if question.lo <= value <= question.hi else None
    return None
