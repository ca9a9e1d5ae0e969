"""Does a sentence describe a fault, or good behaviour? Decided by its leading words.

A judge says MET when what a criterion describes is there. A pitfall must therefore describe the fault. Published
pitfalls come in both wordings, and in one that leading words cannot settle:

| rule | leading words | reading |
|---|---|---|
| `avoids` | Avoids, Refrains from, Is free of, Steers clear of | virtue |
| `prohibits` | Should not, Must not, Do not, Never | virtue |
| `omits` | Fails to, Omits, Neglects, Lacks; Does not + a duty (mention, include, explain, ...) | fault |
| `spares` | Does not + a misdeed (confuse, claim, ignore, ...), or an adverb such as incorrectly | virtue |
| `does_not` | Does not + any other verb (recommend, suggest, ...) | unclear, unless what follows is plainly harmful |
| `praises` | Correctly, Clearly, Politely, ... + a verb; Is clear, Stays on topic, ... | virtue |
| `names_none` | Contains no, Makes no, There is no, Without | as `does_not` |
| `states` | anything else (Recommends, Claims, Confuses, ...) | fault |

"Does not recommend X" turns on whether X is good: in HealthBench, where the sign of the points tells, each of the 27
such sentences is a fault (good advice left out); "does not suggest delaying antibiotics" is a virtue. So the reader says
`unclear`, and the caller decides by what else it knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Polarity = Literal["fault", "virtue", "unclear"]

_SUBJECT = re.compile(r"^(?:the )?(?:response|answer|model|assistant|text|reply|output|explanation|solution|it)\s+", re.I)
_AVOIDS = re.compile(
    r"^(?:(?:successfully )?avoid(?:s|ing)?|refrains? from|abstains? from|(?:is|stays?|remains?) free (?:of|from)"
    r"|(?:steers?|keeps?|stays?) (?:well )?(?:clear of|away from)|resists?|rules? out|does a good job of avoiding)\s+",
    re.I,
)
_PROHIBITS = re.compile(r"^(?:(?:should|must|may|shall|can) ?(?:not|never)|mustn't|shouldn't|cannot|do not|don't|never)\s+", re.I)
_DOES_NOT = re.compile(r"^(?:does not|doesn't|did not|didn't)\s+", re.I)
_NONE = re.compile(
    r"^(?:(?:contains?|includes?|makes?|has|gives?|offers?|shows?|uses?|there (?:is|are)) no|without(?: any)?|no)\s+",
    re.I,
)
_PRAISES = re.compile(
    r"^(?:(?:correctly|accurately|clearly|concisely|politely|respectfully|honestly|helpfully|thoroughly|faithfully|precisely"
    r"|properly|safely|appropriately|responsibly|carefully) [a-z]"
    r"|(?:is|stays?|remains?|keeps?) (?:\w+ )?(?:accurate|correct|clear|concise|polite|respectful|honest|helpful|safe|complete"
    r"|relevant|neutral|balanced|faithful|factual|consistent|on[ -]topic|empathetic|professional)\b)",
    re.I,
)
_BUT = re.compile(r"\b(?:but|however|although|though|yet|instead of|rather than|without)\b", re.I)
_OMITS = re.compile(r"^(?:fails? to|omits?|neglects?(?: to)?|lacks?|misses)\s+", re.I)
_ADVERB = re.compile(
    r"^(?:(?:(?!(?:re|app|comp|imp|supp|multip)ly\b)\w{1,40}ly|even|also|always|at least|first|ever|any|further)\s{1,9})+", re.I
)
_WRONGLY = re.compile(r"^(?:in|mis|wrong|false|erroneous|inappropriate|unnecessar|unjustifi|over|undu)\w*ly\s", re.I)
_HARMFUL = re.compile(
    r"\b(?:unnecessar|unsafe|inappropriat|incorrect|wrong|harmful|dangerous|unproven|contraindicated|delay|despite|withhold"
    r"|stopping|discontinu|without (?:consult|check|medical|evidence|confirm|assess)|self-medicat)",
    re.I,
)
_NEAR = 60  # characters: a harmful word further on is about something else
_DUTY_VERBS = """
    account acknowledge add address adjust admit adhere alert analyse analyze answer apply ask assess attempt caution cite
    clarify classify communicate compare complete comply conclude confirm connect consider convey correct cover define deliver
    demonstrate derive describe detail determine differentiate disclose discuss distinguish elaborate emphasise emphasize
    encourage ensure establish evaluate examine explain explore express flag follow format fulfil fulfill give guide handle
    highlight identify illustrate include incorporate indicate inform inquire interpret investigate justify keep list maintain
    meet mention name note offer outline point present prioritise prioritize probe prove provide quantify recognise recognize
    refer reference remind request respond review screen seek separate show simplify solve specify state stress structure
    summarise summarize support tailor tell translate understand verify warn write"""
_MISDEEDS = """
    accuse assert assume attribute bury claim confuse conflate contradict copy deny disparage dismiss disregard distort double
    encroach equate exaggerate exceed extrapolate fabricate forget guess hallucinate ignore imply insult introduce invent jump
    lecture mistake misapply misattribute mischaracterise mischaracterize misidentify misinterpret mislead misquote
    misrepresent misstate misuse mix moralise moralize omit oversimplify overcomplicate overestimate overlook overstate
    pad panic plagiarise plagiarize presume promise ramble rely repeat skip speculate stereotype treat trivialise trivialize
    underestimate understate violate"""
_DUTY, _MISDEED = frozenset(_DUTY_VERBS.split()), frozenset(_MISDEEDS.split())


@dataclass(frozen=True, slots=True)
class PolarityReading:
    """How a sentence was read: `polarity`, the rule that decided, and the sentence with its leading words taken off."""

    polarity: Polarity
    rule: str
    rest: str


def read_polarity(text: str) -> PolarityReading:
    """Read one criterion text.

    Example:
        >>> [read_polarity(f"Does not {verb} the dose.").polarity for verb in ("mention", "confuse", "recommend")]
        ['fault', 'virtue', 'unclear']
    """
    body = _SUBJECT.sub("", text.strip())
    for rule, pattern in (("avoids", _AVOIDS), ("prohibits", _PROHIBITS)):
        if match := pattern.match(body):
            return PolarityReading("virtue", rule, body[match.end() :])
    if match := _OMITS.match(body):
        return PolarityReading("fault", "omits", body[match.end() :])
    if match := _DOES_NOT.match(body):
        return _negated(body[match.end() :])
    if match := _NONE.match(body):
        rest = body[match.end() :]
        return PolarityReading("virtue" if _HARMFUL.search(rest[:_NEAR]) else "unclear", "names_none", rest)
    praised = _PRAISES.match(body) and not _BUT.search(body)
    return PolarityReading("virtue", "praises", body) if praised else PolarityReading("fault", "states", body)


def without_subject(text: str) -> str:
    """A criterion without "The response" and its kind in front: what remains is what tells criteria apart.

    Example:
        >>> without_subject("The response names the dose.")
        'names the dose.'
    """
    return _SUBJECT.sub("", text.strip()) or text


def _negated(rest: str) -> PolarityReading:
    """Read what follows "does not"."""
    word = re.match(r"[a-z]+", _ADVERB.sub("", rest).lower())
    verb = word[0] if word else ""
    if verb in _MISDEED or _WRONGLY.match(rest):
        return PolarityReading("virtue", "spares", rest)
    if verb in _DUTY:
        return PolarityReading("fault", "omits", rest)
    return PolarityReading("virtue" if _HARMFUL.search(rest[:_NEAR]) else "unclear", "does_not", rest)


def as_fault(reading: PolarityReading) -> str:
    """Reword good behaviour as the fault that it rules out.

    Example:
        >>> as_fault(read_polarity("Avoids recommending antibiotics."))
        'Has this fault: recommending antibiotics.'
        >>> as_fault(read_polarity("Must not rely on anecdotes."))
        'Relies on anecdotes.'
        >>> as_fault(read_polarity("Correctly names the dose."))
        'Fails in this: Correctly names the dose.'
    """
    rest = reading.rest
    if reading.rule == "praises":
        return f"Fails in this: {rest}"
    if reading.rule not in ("prohibits", "does_not", "spares"):
        return f"Has this fault: {rest}"
    adverb = _ADVERB.match(rest)
    head = adverb[0] if adverb else ""
    verb, space, tail = rest[len(head) :].partition(" ")
    reworded = f"{head}{_third_person(verb)}{space}{tail}"
    return reworded[:1].upper() + reworded[1:]


def _third_person(verb: str) -> str:
    irregular = {"be": "is", "have": "has", "do": "does"}
    if verb.lower() in irregular:
        return irregular[verb.lower()]
    match = re.fullmatch(r"([A-Za-z]+)([^A-Za-z]*)", verb)  # the verb may carry a comma or the closing full stop
    if match is None:
        return verb
    stem, mark = match[1], match[2]
    if re.search(r"[^aeiou]y$", stem):
        return f"{stem[:-1]}ies{mark}"
    return f"{stem}es{mark}" if re.search(r"(s|x|z|ch|sh|o)$", stem) else f"{stem}s{mark}"
