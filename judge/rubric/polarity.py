"""Does a sentence describe a fault, or good behaviour? Decided by its leading words.

A judge says MET when what a criterion describes is there. A pitfall must therefore describe the fault. Published
pitfalls come in both wordings, and in one that leading words cannot settle:

| rule | leading words | reading |
|---|---|---|
| `avoids` | Avoids, Refrains from, Is free of, Steers clear of (but not: the question) | virtue |
| `prohibits` | Should not, Must not, Do not, Never; Declines to + something harmful | virtue |
| `requires` | Should, Must, Needs to (but not "should have") | virtue |
| `omits` | Fails to, Omits, Neglects, Lacks; Does not or Never + a duty (mention, explain, rule out, ...); Is not | fault |
| `is_not` | Is not, Isn't, Is neither + a fault (rude, biased, too long, ...) | virtue |
| `spares` | Does not or Never + a misdeed (confuse, ignore, ...), an adverb such as incorrectly, or a fault as object | virtue |
| `does_not` | Does not + any other verb (recommend, suggest, ...) | unclear, unless what follows is plainly harmful |
| `praises` | Correctly, Clearly, ... + a verb; Is clear, Uses plain language, Keeps to the limit (`valence.py`) | virtue |
| `names_none` | Contains no, Makes no, There is no, Without | as `does_not` |
| `states` | anything else (Recommends, Claims, Confuses, ...) | fault |

"Does not recommend X" turns on whether X is good: in HealthBench, where the sign of the points tells, each of the 27
such sentences is a fault (good advice left out); "does not suggest delaying antibiotics" is a virtue. So the reader says
`unclear`, and the caller decides by what else it knows.

Of the 625 negative criteria of HealthBench, 16 begin with "Should" or "must" and are turned round: 13 of them say what is missing
("Should make appropriate use of headers", -2), so that is what they mean; the words do not tell the other three apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from judge.rubric.valence import BLAME, TOPIC, blames, is_about, omits_a_defect, praises

Polarity = Literal["fault", "virtue", "unclear"]

_SUBJECT = re.compile(
    r"^(?:the )?(?:response|answer|model|assistant|text|reply|output|explanation|solution|it)(?:\s+|(?=(?:'s|’s) ))", re.I
)
_AVOIDS = re.compile(
    r"^(?:(?:successfully )?avoid(?:s|ing)?|refrains? from|abstains? from|(?:is|stays?|remains?) free (?:of|from)"
    r"|(?:steers?|keeps?|stays?) (?:well )?(?:clear of|away from)|resists?|rules? out|does a good job of avoiding)\s+",
    re.I,
)
_EVADED = re.compile(
    r"(?:directly )?answering\b|(?:addressing |engaging with )?(?:the|any) (?:\w+ )?(?:question|issue|topic|task|request)s?\b",
    re.I,
)
"""Whoever avoids this evades."""
_UNFOUNDED = re.compile(
    r"(?:stays?|keeps?|steers?|is|remains?) (?:well )?(?:free|clear) (?:of|from) (?:(?:any|all|supporting|credible|real) )*"
    r"(?:evidence|citations?|sources|references|support|proof|examples?|explanations?|justification|reasoning|substance)"
    r"(?=[\s.]*$| (?:for|that) )",
    re.I,
)
"""Whoever is free of this leaves out what supports the rest."""
_PROHIBITS = re.compile(
    r"^(?:(?:should|must|may|shall|can) ?(?:not|never)|mustn't|shouldn't|cannot|do not|don't|never(?! \w+(?<!s)s\b))\s+", re.I
)
_REQUIRES = re.compile(r"^(?:should|must|needs? to|has to|have to|ought to)\s+(?!have\b)", re.I)
_DOES_NOT = re.compile(r"^(?:(?:does|did|will|would) (?:not|never)|doesn't|didn't|won't|wouldn't)\s+", re.I)
_NEVER = re.compile(r"^(?:never|neither)\s+(\w+?)(?:(?<=[sxzho])es|(?<=i)es|s)\b", re.I)
_IS_NOT = re.compile(
    r"^(?:(?:is|are|was|were|remains?|stays?) (?:not|never|neither)|isn't|aren't|wasn't|weren't"
    r"|not(?! (?:an?|one|all|every|any)\b))\s+",
    re.I,
)
_NONE = re.compile(
    r"^(?:(?:(?:contains?|includes?|makes?|has|have|gives?|offers?|shows?|uses?|states?|there (?:is|are)) (?:no|zero)"
    r"|there (?:isn't|aren't) any|(?:hasn't|haven't|has not|have not) any|(?:lack|no sign) of|without(?: any)?|no|zero)\s+)",
    re.I,
)
_PRAISES = re.compile(
    r"^(?:(?:correctly|accurately|clearly|concisely|politely|respectfully|honestly|helpfully|thoroughly|faithfully|precisely"
    r"|properly|safely|appropriately|responsibly|carefully) "
    r"(?!\w+ed\b|(?:assumes|avoids|copies|declines|hides|ignores|is not|omits|refuses)\b)[a-z]"
    r"|(?:is|stays?|remains?|keeps?) (?!not\b|never\b)(?:\w+ )?(?:accurate|correct|clear|concise|polite|respectful|honest|helpful"
    r"|safe|complete|relevant|neutral|balanced|faithful|factual|consistent|on[ -]topic|empathetic|professional)\b)",
    re.I,
)
_BUT = re.compile(
    r"\b(?:but|however|although|though|yet|instead of|rather than|without|only (?:in|for|when|if|part|some))\b"
    r"|\bso \w+ that\b|\btoo\b",
    re.I,
)
_OMITS = re.compile(
    r"^(?:fails? to|omits?|neglects?(?: to)?|lacks?|misses|leaves out|(?:refuses|declines) to|rejects|turns down)\s+", re.I
)
_ADVERB = re.compile(
    r"^(?:(?:(?!(?:re|app|comp|imp|supp|multip)ly\b)\w{1,40}ly|even|also|always|at least|first|ever|any|further)\s{1,9})+", re.I
)
_WRONGLY = re.compile(r"^(?:in|mis|wrong|false|erroneous|inappropriate|unnecessar|unjustifi|over|undu)\w*ly\s", re.I)
_HARMFUL = re.compile(
    r"\b(?:unnecessar|unsafe|inappropriat|incorrect|wrong|harmful|dangerous|unproven|contraindicated|delay|despite|withhold"
    r"|stopping|discontinu|without (?:consult|check|medical|evidence|confirm|assess)|self-medicat)",
    re.I,
)
_ASKED_FOR = re.compile(r"(?:without|free (?:of|from)|devoid of)\b|(?:\w+ ){1,2}enough\b|.*\b(?:al)?though\b", re.I)
"""Behind "is not": a negation of a negation, and what is wanted of this response ("is not dark enough")."""
_DEALT_WITH = re.compile(
    r"\b(?:is|are|was|were) (?:\w+ly )?(?:addressed|caught|corrected|detected|discussed|explained|fixed|flagged|found|handled"
    r"|identified|listed|logged|mentioned|named|noted|noticed|pointed out|removed|reported|resolved)\b"
    r"|\b(?:but|however|although|though)\b",
    re.I,
)
"""Behind "no errors": what is missing is that something was done about them."""
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
    accuse assert assume attribute belittle blame bury claim coerce confuse conflate contradict copy deceive demean deny deviate
    digress discriminate disparage dismiss disregard distort double drift encroach equate exaggerate exceed extrapolate fabricate
    flatter forget guess hallucinate ignore imply insult intimidate introduce invent jump lecture lie manipulate mistake misapply
    misattribute mischaracterise mischaracterize misidentify misinterpret mislead misquote misrepresent misstate misuse mix mock
    moralise moralize omit oversimplify overcomplicate overestimate overlook overstate pad panic patronise patronize plagiarise
    plagiarize presume promise ramble rely repeat scold shame skip speculate stereotype threaten treat trivialise trivialize
    underestimate understate violate wander waste"""
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
    body = TOPIC.sub("", re.sub("^['’]s ", "is ", _SUBJECT.sub("", text.strip())))
    for rule, pattern in (("avoids", _AVOIDS), ("prohibits", _PROHIBITS)):
        if match := pattern.match(body):
            evades = _EVADED.match(body, match.end()) or _UNFOUNDED.match(body)
            if evades and not BLAME.search(body) and rule == "avoids":
                return PolarityReading("fault", "states", body)
            return PolarityReading("virtue", rule, body[match.end() :])
    if _REQUIRES.match(body):
        return PolarityReading("virtue", "requires", body)
    found = _without(body)
    if found is not None:
        return found
    praised = (_PRAISES.match(body) and not _BUT.search(body) and not BLAME.search(body)) or praises(body)
    return PolarityReading("virtue", "praises", body) if praised else PolarityReading("fault", "states", body)


def _without(body: str) -> PolarityReading | None:
    """Read a sentence that says what is not there; None where it says none."""
    for pattern, read in ((_OMITS, _omitted), (_DOES_NOT, _negated), (_NEVER, _never), (_IS_NOT, _is_not), (_NONE, _none)):
        if match := pattern.match(body):
            return read(body[match.end() :], match)
    return None


def without_subject(text: str) -> str:
    """A criterion without "The response" and its kind in front: what remains is what tells criteria apart.

    Example:
        >>> without_subject("The response names the dose.")
        'names the dose.'
    """
    return _SUBJECT.sub("", text.strip()) or text


def _omitted(rest: str, match: re.Match[str]) -> PolarityReading:
    """Read what follows "omits", "lacks", "declines to": leaving out a fault is no fault."""
    word = match[0].split()[0].lower()
    if word in ("refuses", "declines", "rejects", "turns"):
        harm = blames(rest) or _HARMFUL.search(re.split(r"\b(?:about|on|that)\b", rest)[0][:_NEAR])
        if not harm or is_about(rest.partition(" ")[0].lower()):
            return PolarityReading("fault", "states", f"{match[0]}{rest}")
        to_do = word in ("refuses", "declines")
        return PolarityReading("virtue", "prohibits" if to_do else "praises", rest if to_do else f"{match[0]}{rest}")
    virtue = word in ("omit", "omits", "lack", "lacks", "leaves") and omits_a_defect(rest)
    return PolarityReading("virtue" if virtue else "fault", "omits", rest)


def _never(rest: str, match: re.Match[str]) -> PolarityReading:
    """Read "never answers" as "does not answer"."""
    stem = match[1][:-1] + "y" if match[1].endswith("i") else match[1]
    return _negated(stem + rest, match)


def _is_not(rest: str, _: re.Match[str]) -> PolarityReading:
    virtue = blames(rest) and not _ASKED_FOR.match(rest)
    return PolarityReading("virtue", "is_not", rest) if virtue else PolarityReading("fault", "omits", rest)


def _none(rest: str, _: re.Match[str]) -> PolarityReading:
    virtue = (blames(rest) or _HARMFUL.search(rest[:_NEAR])) and not _DEALT_WITH.search(rest)
    return PolarityReading("virtue" if virtue else "unclear", "names_none", rest)


def _negated(rest: str, _: re.Match[str]) -> PolarityReading:
    """Read what follows "does not"."""
    word = re.match(r"[a-z]+", _ADVERB.sub("", rest).lower())
    verb = word[0] if word else ""
    object_ = _ADVERB.sub("", rest)[len(verb) :].lstrip()
    if verb == "treat" and not re.search(r"\b(?:as|like|with)\b", rest):  # an illness
        return PolarityReading("unclear", "does_not", rest)
    if verb in _MISDEED or _WRONGLY.match(rest) or blames(object_, verb):
        return PolarityReading("virtue", "spares", rest)
    if verb in _DUTY or is_about(verb):
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
    if reading.rule == "is_not":
        return f"Is {rest}"
    if reading.rule in ("praises", "requires"):
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
