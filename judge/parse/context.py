"""Which statements of a reply are the judge's own and meant, and which are quoted, supposed, negated or struck through.

- Judges quote. An answer that holds `VERDICT: 5` is quoted with it, before or after the judge's own verdict, so neither
  "first wins" nor "last wins" is safe: it matters who says it.
- Quoted: inside quotation marks or backticks, in a `>` line, or right after words such as "it says" or "the response
  ends with", on the same line or the one before.
- Not meant: "If it had been right, I would have written", "Format example:", "The answer is not [[A]]", "Loser: [[A]]", "[[A]]
  would need a date", ~~struck through~~. The words are English, and a lost verdict is asked for again.
- A code fence is no quotation by itself, because judges love to fence their verdict; it only yields to words outside.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection
from functools import cached_property

from judge.parse.kinds import StatedValue, rescaled_beside
from judge.parse.quotes import BLANK, LEAD_EDGES, Quoting
from judge.parse.retraction import Stated, takes_back
from judge.parse.values import Statement, is_positive, match
from judge.recipe.verdict import Question

_TAIL_WINDOW = 300  # characters behind a statement in which it may be taken back

_WOULD_HAVE = re.compile(
    r"(?:\b(?:would|could|might|should|must)(?:n['’]t| not)?(?: \w+){0,2}? (?:have|['’]ve)\b"
    r"|['’]d (?:\w+ )?have\b|\bwould['’]ve\b"
    r"|\b(?:suppose|supposing|imagine|assuming|hypothetically|otherwise|in theory|in that case)\b"
    r"|\b(?:were|had) (?:it|the|this|that|they|you|he|she|there)\b)",
    re.IGNORECASE,
)
_IF = re.compile(r"\b(?:if|unless|whether)\b", re.IGNORECASE)
_NO_IF = re.compile(  # an `if` that supposes nothing
    r"\b(?:even|as|only|see|sees|check|checked|checks|determine|decide|know|ask|asks|asked|verify|evaluate"
    r"|assess|tell|judge|and|or|look(?:ed)? at) (?:if|whether)\b"
    r"|\bif (?:i (?:had|have) to|forced|anything|any|so|not mistaken|i must|pressed|needed)\b",
    re.IGNORECASE,
)
_SAYING = re.compile(
    r"(?:[:,]|\b(?:written|said|given|been|awarded|chosen|rated|scored|voted|answered|put|stated|got|gotten"
    r"|received|deserved|earned|picked"
    r"|write|say|give|be|award|choose|rate|score|vote|answer|put|state|get|receive|deserve|earn|pick|read|it"
    r"|this|the following))[ *_`\"'“]*$",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"(?:\b(?:examples?|e\.g\.?|for instance|such as|instances?|templates?|placeholders?|illustrations?|demonstrations?|samples?)"
    r"(?:[ *_:,]+(?:of|the|a|an|is|are|would|be|follows|verdicts?|outputs?|replies|reply|lines?|formats?"
    r"|responses?|answers?|this|only|as|here|below)){0,6}"
    r"|\b(?:output |reply |answer |expected |required |verdict )?(?:format|syntax|form|wording)(?: (?:is|was"
    r"|would be|looks like|reads|as follows|below)){0,2}"
    r"|\b(?:options?|choices|possible \w+|allowed \w+|valid \w+)(?: (?:are|is|include))?"
    r"|\b(?:told|asked|instructed|supposed|required|wants me|ordered|tempted|invited"
    r"|meant) (?:me )?to (?:\w+ )?(?:write|say|state|print|output|answer|reply|end|give|put|use|choose|pick"
    r"|award|rate)(?: with| in| it)?"
    r"|\b(?:first|initial|rough|early|my first) (?:guess|impression|thought|draft|idea|reaction|instinct|verdict"
    r"|take)(?: (?:is|was|would be))?"
    r"|\b(?:at first|initially),?(?: \w+){0,4}|\bi (?:first|initially|briefly|almost|nearly) (?:\w+ ){0,3}\w+"
    r")[ \t*_:,.=>`\"'“(\-–—]*$",
    re.IGNORECASE,
)
_MINE = re.compile(r"\b(?:my|final|mine)\b(?! (?:first|initial))", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|never|neither|nor|cannot|hardly|scarcely|anything but|far from|instead of|rather than|other than|except|no longer"
    r"|rule[sd]? out|rejects?|rejected|excludes?|excluded|avoid|refuse|against|deny|denied|disagree(?: with)?"
    r"|doubt|wrong(?:ly)? (?:to|say|call))\b|n['’]t\b",
    re.IGNORECASE,
)
_NOT_NOT = re.compile(r"\b(?:not only|no doubt|without (?:a )?doubt|why not|not (?:sure )?whether)\b", re.IGNORECASE)
_CLAUSES = re.compile(r"[,;:—–]|\s-{1,2}\s|\b(?:so|(?<!anything )but|and so|hence|therefore|thus|because|since)\b", re.IGNORECASE)
_WORSE = re.compile(
    r"\b(?P<worse>loser|losers|losing|loses|lost|worse|worst|weaker|weakest|inferior|rejected|eliminated"
    r"|runner-?up|second[- ](?:best|place)|less \w+|least \w+|bad)\b(?! than\W*$)"
    r"|\b(?:better|best|winner|winning|wins|stronger|strongest|superior|preferred|chosen|good|more \w+|most \w+)\b",
    re.IGNORECASE,
)
_BEHIND_EDGES = " \t\n*_`)]}\"'”’~.,"
_BEHIND = re.compile(  # words that go on with a statement and unsay it
    r"[\s*_`)\]}\"'”’~.]{0,8}(?:would|could|might|if|unless|only if|were|had|should (?:it|the|this)|needs?"
    r"|requires?|means|stands for"
    r"|is (?:for|reserved|meant|what|too|wrong|false|worse|weaker|inferior|incorrect|out|off|ruled|rejected|no"
    r"|not|never|the (?:loser|worse|weaker|wrong|opposite))"
    r"|(?:is|was|does|do|did|has|can|could|would|should|wo|ca)n['’]t|(?:was|does|do|did|has|can|will|should"
    r"|may)(?: not| never)|cannot|loses|lost|lacks?|fails"
    r"|, (?:if|unless)|,? but (?:it|that|this)(?:['’]s| is| was| does| did)(?:n['’]t)?(?: \w+)? ?(?:not|false"
    r"|wrong|incorrect|untrue|none|n['’]t)"
    r"|,? but (?:it|that|this) (?:fails|isn['’]t|wasn['’]t|doesn['’]t|didn['’]t))\b",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"[\s*_`)\]}\"'”’~,]{0,8}(?:or|and/or|versus|vs\.?)\b[\s*_`(\[\"'“]{0,8}(?:maybe |perhaps |is it )?$", re.IGNORECASE
)
_ASKS = re.compile(r"[ \t*_`)\]}\"'”’~]{0,8}\?")
_STRIKES = re.compile(r"~~|<(/?)(?:s|del|strike)>", re.IGNORECASE)


class Context:
    """What the words around the statements of one reply make of them. Work is bounded for each statement."""

    def __init__(
        self,
        text: str,
        original: str,
        found: list[Statement],
        question: Question,
        theirs: Callable[[str], bool],
        guesses: Collection[int] = (),
    ) -> None:
        """Take the text with its thinking blanked, the same text before that (a cue may stand in front of a stray tag), the
        statements found in it, in order, and how to tell whether words stand in the texts under judgement.

        Args:
            guesses: Where statements begin that state no value: words about a verdict ("VERDICT should be NO").
        """
        self._theirs = theirs
        self._text = text
        self._question = question
        self._quoting = Quoting(text, original)
        self._starts = [s.start for s in found if s.start not in guesses]
        self._by_place = question.spec.by == "place"
        self._longest = max(len(question.criteria), len(question.names)) if self._by_place else len(found) + 1  # of a list
        self.foreign = self._foreign(found)

    def fenced(self, at: int) -> bool:
        """Whether a position is inside a code fence."""
        return self._quoting.fenced(at)

    def taken_back(self, statement: Statement, stated: StatedValue) -> str:
        """Why a statement does not stand: a question, taken back in the next sentence, on another scale. Empty: it stands."""
        tail = self._tail(statement)
        if _ASKS.match(tail):
            return "asked, not stated"
        if _ALTERNATIVE.fullmatch(tail):
            return "one of several"
        if statement.siblings and (why := rescaled_beside(statement.siblings, self._question)):
            return why
        own, *later = BLANK.split(tail, maxsplit=1)  # behind a blank line something else may be told
        scale = _scale(statement, stated, self._question)
        taken = takes_back(_continued(own), scale, self._theirs)
        taken = taken or any(takes_back(_continued(part), scale, self._theirs, apart=True) for part in later)
        return "taken back by the words behind it" if taken else ""

    def _foreign(self, found: list[Statement]) -> list[bool]:
        """Which statements are not the judge's verdict. An introduced checklist goes on line by line until an id comes back."""
        foreign: list[bool] = []
        run: set[str] = set()
        at = -1
        for place, statement in enumerate(found):
            start = statement.start
            key = statement.key if not self._by_place else str(place)
            if self._quoting.marked(start) or self._struck(statement) or _unsaid(self._tail(statement)):
                foreign.append(True)
                continue
            follows = 0 < len(run) < self._longest and key not in run and self._quoting.adjacent(at, start)
            foreign.append(follows or self._quoting.introduced(start) or self._not_meant(statement))
            if foreign[-1]:
                run = (run if follows else set()) | ({key} if key else set())
                at = start
            else:
                run = set()
        return foreign

    def _tail(self, statement: Statement) -> str:
        """What stands behind a statement, up to the next one."""
        end = min(statement.end + _TAIL_WINDOW, len(self._text))
        after = bisect_left(self._starts, statement.end)
        if after < len(self._starts):
            end = min(end, max(statement.end, self._starts[after]))
        return self._text[statement.end : end]

    def _not_meant(self, statement: Statement) -> bool:
        if self._by_place and not statement.alone:  # the words before it are other values of its list
            return False
        at = statement.start
        lead, above = self._quoting.lead(at)
        if not lead.strip(LEAD_EDGES):
            return False
        if _EXAMPLE.search(lead) and not _MINE.search(lead):
            return True
        supposed = _WOULD_HAVE.search(lead) or (_IF.search(_NO_IF.sub(" ", lead)))
        if supposed and (not above or _SAYING.search(lead)):
            return True
        clause = _CLAUSES.split(lead.rstrip(LEAD_EDGES))[-1]
        words = clause.split()
        named = _CLAUSES.split(lead.rstrip(LEAD_EDGES + ":="))[-1]  # "Loser: [[A]]"
        if above:
            return (bool(words) and _NOT.fullmatch(words[-1]) is not None) or (len(named.split()) <= 4 and self._worse(named))
        return _NOT.search(_NOT_NOT.sub(" ", " ".join(words[-6:]))) is not None or self._worse(named)

    def _worse(self, clause: str) -> bool:
        """Whether the words before a name call it the loser."""
        if self._question.spec.kind != "choice":
            return False
        found = list(_WORSE.finditer(clause))
        return bool(found) and found[-1].group("worse") is not None

    def _struck(self, statement: Statement) -> bool:
        """Whether a statement stands between marks that strike it through, on its own line."""
        if not self._strikes:
            return False
        low = max(self._text.rfind("\n", max(0, statement.start - 400), statement.start) + 1, statement.start - 400)
        opened = 0
        for found in _STRIKES.finditer(self._text, low, max(low, statement.value_at)):
            opened = 0 if (found.group() == "~~" and opened) or found.group(1) else 1
        end = self._text.find("\n", statement.value_at, statement.value_at + 400)
        return (
            bool(opened)
            and _STRIKES.search(self._text, statement.value_at, end if end >= 0 else statement.value_at + 400) is not None
        )

    @cached_property
    def _strikes(self) -> bool:
        return _STRIKES.search(self._text) is not None


_QUOTED = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|`[^`\n]{1,300}`|^[ \t]*>[^\n]*|[\"“«`][^\n]*$", re.MULTILINE
)


_SPACES = re.compile(r" {2,}")  # what was blanked


def _unsaid(tail: str) -> bool:
    """Whether the words behind a statement go on with it and unsay it; a new sentence on a new line is none of it."""
    found = _BEHIND.match(_SPACES.sub(" ", tail))
    if found is None:
        return False
    words = found.group().lstrip(_BEHIND_EDGES)
    return "\n" not in found.group() or not words[:1].isupper()


def _continued(tail: str) -> str:
    """The judge's own words behind a statement, without the marks that close it."""
    return _QUOTED.sub(" ", tail.lstrip(" \t*_`~)]}>\"'”’.,;:|-–—")).lstrip(" \t\n*_`~)]}>\"'”’.,;:|-–—")


def _scale(statement: Statement, stated: StatedValue, question: Question) -> Stated:
    """What one stated value might have been; of several stated at once, nothing is known."""
    kind, value = question.spec.kind, str(stated.value)
    if kind in ("scores", "ranking") or question.spec.by == "place":
        return Stated("", ())
    if kind == "choice":
        names = (*question.names, *((question.spec.tie,) if question.spec.tie else ()))
        return Stated(value, tuple(n for n in names if n != value), names=True)
    if kind in ("label", "graded_choice"):
        graded = kind == "graded_choice"
        return Stated(
            value, tuple(n for n in question.labels if n != value), graded or is_positive(question.labels[value]), graded
        )
    if kind == "criteria":
        labels = question.criteria[match(statement.key, question.criteria) or next(iter(question.criteria))]
        return Stated(value, tuple(n for n in labels if n != value), is_positive(labels.get(value, 1.0)))
    return Stated(value)
