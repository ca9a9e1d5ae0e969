"""Words that praise or blame a response whatever it is about, and the frames in which they do: English, silent elsewhere.

"Names a wrong dose" blames; "is not rude", "makes no false claim" and "keeps to the word limit" praise. A blaming word is looked
for only where it belongs to what the sentence says of the response, and not to its subject: "does not explain harmful effects"
leaves something out.
"""

from __future__ import annotations

import re

_OF_THINGS = (
    r"(?![ -](?:analys[ei]s|bars?|bounds?|budgets?|bursts?|checks?|checking|codes?|corrections?|detection|estimates?|fix(?:es)?"
    r"|handl\w+|logs?|logging|margins?|messages?|mitigation|negatives?|positives?|prevention|propagation|rates?|recovery|reports?"
    r"|reporting|terms?|tracking|values?)\b)"
)
"""What makes of a defect a good thing to have: error handling, a bug fix, the false positive rate."""
_DEFECTS = (
    r"(?:(?:factual|spelling|grammatical|grammar|logical|arithmetic|calculation|formatting|syntax|punctuation) )?"
    r"(?:errors?(?!-free)|mistakes?|typos?|misspellings?|slips?|bugs?|flaws?)|jargon|bias(?:es)?|stereotypes?|repetitions?"
    r"|redundanc\w+(?! (?:in|of|for) (?:\w+ ){0,2}(?:backups?|power|servers?|networks?|systems?|storage|hardware)\b)"
    r"|filler|padding|fluff|hallucinat\w+|fabricat\w+|falsehoods?|insults?|slurs?|profanit\w+|contradict\w+|inconsisten\w+"
    r"|plagiari\w+|flattery|nonsense|digress\w+|misinformation|ramblings?|moralising|moralizing"
    r"|irrelevan\w+|unnecessar\w+|false|incorrect\w*|inaccura\w+|wrong\w*|invented|made[- ]up|misleading\w*|redundant|unrelated"
    r"|off[- ]topic|unsupported|unsubstantiated|unfounded|nonexist\w+|non-exist\w+|extraneous|superfluous|spurious|repetitive"
    r"|excessive\w*|verbose|wordy|long-winded|overly|unjustified|gratuitous|speculati\w+"
)
_DEFECTS = rf"(?:{_DEFECTS})\b{_OF_THINGS}"
_HARMS = (
    r"rude|biased|condescending|dismissive|offensive|harmful|unsafe|dangerous|judge?mental|patronising|patronizing|disrespectful"
    r"|discriminat\w+|hateful|toxic|racist|sexist|abusive|inflammatory|derogatory|preachy|sycophantic|evasive|hostile|aggressive"
    r"|inappropriate|unprofessional|confusing|ambiguous|vague|unclear|sloppy|careless|illegal|violent|prejudiced|manipulative"
    r"|robotic|sarcastic|arrogant"
)
DEFECT = re.compile(rf"\b(?:{_DEFECTS})\b", re.I)
BLAME = re.compile(rf"\b(?:{_DEFECTS}|{_HARMS})\b|\btoo (?:long|short|\w+)\b", re.I)
PRAISE = (
    r"(?:factually |grammatically )?(?:accurate|correct|right|true|truthful|honest|reliable|credible|trustworthy|precise|exact"
    r"|clear|concise|succinct|plain|simple|readable|legible|understandable|easy to (?:follow|read|understand)|coherent|logical"
    r"|fluent|grammatical|well[- ](?:organi[sz]ed|structured|written|supported|argued|formatted)|polite|respectful|courteous"
    r"|friendly|warm|kind|empathetic|empathic|compassionate|supportive|professional|helpful|useful|safe|complete|comprehensive"
    r"|relevant|neutral|balanced|impartial|fair|objective|unbiased|faithful|factual|consistent|on[ -]topic|original|valid|sound"
    r"|error[- ]free|up[ -]to[ -]date|direct|appropriate|suitable|(?:culturally )?sensitive|inclusive|considerate|harmless"
    r"|efficient|robust|elegant)"
)
_NOUN = (
    r"(?:tone|language|code|answer|response|text|style|writing|prose|wording|explanation|solution|output|argument|reasoning"
    r"|logic|structure|format|formatting|information|content|facts?|claims?|statements?|sentences?|steps?|calculations?"
    r"|citations?|sources?|references?|advice|summary|translation|essay|story|poem|letter|email|plan|conclusions?|figures"
    r"|grammar|spelling|numbers?|dates?|names?|quotations?|quotes?|units?)"
)
TOPIC = re.compile(
    rf"^(?:(?:the|its|this) )?{_NOUN} (?=(?:has|have|hasn't|haven't|contains?|does|doesn't|do|don't|never|avoids?|shows?|uses?"
    r"|makes?|lacks?|must|should|isn't|aren't|(?:is|are) (?:not|never|neither|free))\b)",
    re.I,
)
"""A subject beside those that mean the response itself: "the code has no bugs"."""
BE = r"(?:is|are|was|were|remains?|stays?|keeps?|sounds?)"
_WELL = (
    r"(?:accurately|correctly|clearly|politely|concisely|faithfully|properly|precisely|respectfully|honestly|truthfully|smoothly"
    r"|fluently)"
)
_DONE = r"(?:supported|cited|sourced|backed|justified|verified|followed|obeyed|respected|observed|honou?red|satisfied)"
_ALL = r"(?:the|its|all|every|each|all (?:of )?(?:the|its))"
_PRAISING = re.compile(
    rf"^(?:{_ALL}\s+)?(?:\w+ ){{0,2}}?{_NOUN} {BE} (?!not\b|never\b|no\b)(?:\w{{1,40}}ly |very |always |both ){{0,4}}"
    rf"(?:{PRAISE}|{_WELL} \w+|(?:\w+ )?{_WELL})\b"
    rf"|^(?:{_ALL}\s+)?(?:\w+ ){{1,2}}?{BE} (?:always |all |fully )?(?:{_DONE}|{_WELL} \w+ed|\w+ed {_WELL})\b"
    rf"|^{BE} (?!not\b|never\b|no\b)(?:\w{{1,40}}ly |very |always |both ){{0,4}}{PRAISE}\b"
    r"|^(?:\w+ly )?(?:(?:sticks?|keeps?|adheres?|conforms?|holds?) (?:\w+ly )?to (?:the|all|every)|respects?|honou?rs|obeys"
    r"|abides? by|(?:stays?|keeps?|remains?) within|(?:complies|comply) with"
    r"|(?:follows?|satisfies|fulfil+s|meets) (?:the|all|every|each)) "
    r"|^(?:uses?|gives?|provides?|offers?|cites?|shows?|presents?|writes? in|has|contains?|includes?|maintains?|adopts?|employs?"
    r"|demonstrates?|displays?|makes|states|speaks in)"
    rf" (?:an? |the |its |\w{{1,40}}ly ){{0,4}}(?:{PRAISE} (?:and \w+ )?{_NOUN}|empathy|compassion|respect|courtesy)\b"
    r"|^(?:\w+ly )?(?:answers?|addresses) (?:the|every|all|each|all of) [^.;,]{0,30}(?:question|request|query)s?\b"
    r"|^(?:acknowledges|admits) (?:\w+ )?(?:uncertaint\w+|limitations?|limits)\b|^(?:ensures?|makes sure) that\b"
    r"|^(?:treats|addresses|speaks to|talks to) [^.;,]{0,30}\b(?:with (?:respect|care|empathy|courtesy|kindness)|respectfully"
    r"|politely|kindly)\b"
    rf"|^(?:{PRAISE}|good (?:grammar|spelling|{_NOUN}))(?:,? (?:and |but )?{PRAISE}){{0,6}}(?: {_NOUN})?[\s.]*$"
    r"|^(?:the )?(?:code|program|function|script) (?:works|compiles|runs)[\s.]*$"
    r"|^(?:stays|remains) (?:in character|on (?:point|task))\b"
    r"|^(?:includes?|provides?|gives?|cites?|offers?) (?:an? |the )?(?:citations?|evidence|sources?|references?|proofs?|support)"
    r" for (?:its|each|every|all|the)\b|^keeps [^.;]{0,40}\b(?:private|confidential|safe|secure)[\s.]*$|^handles (?:all|edge)\b",
    re.I,
)
_ADMITS = re.compile(
    r"^(?:admits|acknowledges|says) (?:when|that|if) (?:it|the (?:model|response)) (?:does not|doesn't|cannot|can't)"
    r" (?:know|tell)",
    re.I,
)
_WELL_DONE = re.compile(rf"\b(?:{_WELL}|in an? (?:\w+ly )?{PRAISE} (?:tone|way|manner|style|language))[\s.]*$", re.I)
_LAST = ("ly", "tone", "way", "manner", "style", "language")
"""How every match of it ends, so that few sentences are searched."""
_FREE_OF = re.compile(
    rf"\b(?:without|devoid of|free (?:of|from)|clear of|absence of|avoidance of) (?:any )?(?:\w+ (?!of\b)(?:and |or )?)?"
    rf"(?:{_DEFECTS}|{_HARMS})\b|^(?:{_DEFECTS}|{_HARMS}|rudeness|harm)s? (?:is|are) (?:avoided|absent|left out|kept out)\b",
    re.I,
)
_NONE_OF = re.compile(
    rf"^(?:(?:contains?|states?|says?|has) )?(?:nothing|none of|not (?:an?|one)(?: single)?|neither)"
    rf"(?:\b.{{0,60}}?\b(?:is|are|was|were|sounds?|reads?|seems?))? (?:\w+ly )?(?:{_DEFECTS}|{_HARMS})\b",
    re.I,
)
_BUT = re.compile(
    r"\b(?:but|however|although|though|yet|instead of|rather than|without|even|despite|not|never|hides?|conceals?"
    r"|disguises?|pretends?|misses|ignores|misapplies|misleads|omits|lacks|overlooks|neglects|fails|vulnerable"
    r"|by (?:leaving|omitting|cutting|skipping|dropping)|only (?:in|for|when|if|part|some))\b|\bso \w+ that\b|\btoo\b",
    re.I,
)
_DIRECT = re.compile(r"(?:(?:an?|any|the|its|to|as|across as|like|in|more|such|single|with)\s+){0,3}", re.I)
_BARRIER = re.compile(
    r"\b(?:of|about|that|if|when|why|how|whether|what|who|where|from|for"
    r"|on|against|between|before|after|which|by)\b|[,;:(]",
    re.I,
)
_NAMED_AS = re.compile(
    r"^[^.;]{0,80}?\bas (?:an?|the|one|possible|potential|likely) (?!(?:consequence|fact|joke|result|rule|whole)\b)", re.I
)
"""Behind "omits": what is left out is not the thing but that it is named ("unnecessary surgery as a risk")."""
_BESIDE = re.compile(r"irrelevan|unnecessar|unrelated|made[- ]up|nonexist|fabricat", re.I)
_ABOUT = frozenset(
    "acknowledge address analyse analyze ask assess avoid catch caution challenge check clarify compare consider control"
    " correct cover debug delete describe detect determine disclose discuss distinguish eliminate emphasise emphasize"
    " evaluate examine exclude explain explore filter find fix flag guard handle highlight identify investigate limit log"
    " mention minimise minimize mitigate monitor name note notice outline point prevent quantify question recognise"
    " recognize reduce refute reject remind remove report resolve review rule screen separate spot stop test track verify"
    " warn".split()
)
"""What these verbs are about may be a fault of something else: "does not flag the wrong dose" leaves something out."""


def praises(body: str) -> bool:
    """Whether a sentence without its subject praises the response in so many words, and nothing in it blames.

    Example:
        >>> praises("Uses plain language."), praises("Uses plain language to hide an error."), praises("Names the river.")
        (True, False, False)
    """
    if _NONE_OF.match(body) or _ADMITS.match(body):
        return True
    if match := _FREE_OF.search(body):
        return not BLAME.search(body[: match.start()]) and not _BUT.search(body[: match.start()])
    last = body.rstrip(" \t\n\r\f\v.").lower().endswith(_LAST)
    if not _PRAISING.match(body) and not (last and _WELL_DONE.search(body)):  # first, since it is quick where nothing is praised
        return False
    return not BLAME.search(body) and not _BUT.search(body)


def blames(rest: str, verb: str = "", words: int = 4) -> bool:
    """Whether what stands right behind a verb (or a negation) is a fault of the response.

    Args:
        verb: The verb, in its base form, where one is known.
        words: How far it is looked.

    Example:
        >>> blames("wrong information.", "give"), blames("the risk of wrong doses.", "state"), blames("the false claim.", "flag")
        (True, False, False)
    """
    near = _BARRIER.split(rest[_direct(rest) :], maxsplit=1)[0]
    near = " ".join(near.split()[:words])
    if verb in _ABOUT:
        return verb == "mention" and bool(_BESIDE.match(near)) and not _NAMED_AS.match(rest)
    return bool(BLAME.search(near)) or bool(re.match(r"\w+ (?:as|for) (?:\w+ )?(?:fact|truth)", rest, re.I))


def omits_a_defect(rest: str) -> bool:
    """Whether what is left out is a defect of a text: no harm that it should name, no known one ("the bug in line 3").

    Example:
        >>> omits_a_defect("irrelevant details."), omits_a_defect("the harmful side effects."), omits_a_defect("error handling.")
        (True, False, False)
    """
    plain = _BARRIER.split(rest.removeprefix("of "), maxsplit=1)[0]
    if _NAMED_AS.match(rest):
        return False
    return not re.match(r"(?:the|this|that|its|an?)\b", plain, re.I) and bool(DEFECT.search(" ".join(plain.split()[:3])))


def is_about(verb: str) -> bool:
    """Whether a verb (in its base form) says what is done about something: "catch errors", "rule out dangerous causes"."""
    return verb in _ABOUT


def _direct(rest: str) -> int:
    match = _DIRECT.match(rest)
    return match.end() if match else 0
