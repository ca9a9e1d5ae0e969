"""Words of a criterion that no judge of one response can act on: what is out of its sight, what nobody can see, two asks in one.

The patterns are English and silent elsewhere. How often each speaks on published rubrics is in docs/rubrics.md.
"""

from __future__ import annotations

import re

from judge.rubric.valence import BE, PRAISE

ELSEWHERE = re.compile(
    r"\b(?:as|see|same as|listed|mentioned|described|stated|noted|given|defined|named) (?:the )?"
    r"(?:above|below|earlier|previously)\b(?! (?:the|its|each|every|an?) \w)"
    r"|\b(?:the|this) (?:above|previous|preceding|former|latter|following|last|next)"
    r" (?:criteri(?:on|a)|points?|items?|rules?|rubrics?)\b"
    r"|\b(?:the (?:rest of the|other|remaining) criteria|(?:as (?:in|for)|see|like) (?:item|point) \d{1,3})\b"
    r"|\b(?:criterion|rubric item|rule) (?:no\. ?|number |#)?\d{1,3}\b(?! of\b)"
    r"|\b(?:than|to|with|over|as) (?:the )?(?:other|rejected|chosen|preferred|alternative|competing|second|first)"
    r" (?:response|answer|one)s?\b"
    r"|\b(?:the|its) (?:other|rejected|chosen|competing) (?:response|answer)s?\b"
    r"|\bresponse [AB12]\b",
    re.I,
)
"""Refers to another criterion or another response: a judge is shown neither."""

_PEOPLE = r"(?:users?|readers?|listeners?|customers?|patients?|audience|students?|people|teachers?|child|children|client)"
UNSEEN = re.compile(
    r"(?<!if the )(?<!when the )(?<!that the )(?<!if )\b(?:user|reader|listener|customer|patient|audience|student)s?"
    r" (?:will |would |must |should )?(?:be |feels? (?!free)|felt |is |are )?"
    r"(?:happy|satisfied|pleased|delighted|enjoys?|likes? it|loves?|convinced|impressed|moved|entertained|comforted"
    r"|understood|respected|motivated)\b"
    r"|\b(?:author|writer|assistant|responder|model)(?: actually| really| truly| genuinely)? (?:intends?|intended|believes?|knows"
    r"|cares|wants|means)\b"
    r"|\b(?:truly|genuinely|really|actually) (?:understands?|cares?|knows?|means?|believes?)\b"
    r"|\bwould (?:go viral|sell|succeed in practice|win|rank (?:high|first))\b"
    r"|\b(?:every|each|all(?: the)?|any) (?:\w+ )?(?:links?|urls?|citations?|references?|sources?|doi)\b[^.;]{0,20} "
    r"(?:is|are) (?:real|valid|working|live|reachable|correct|genuine)\b"
    r"|\bno (?:links?|urls?) (?:is|are) (?:broken|dead)\b"
    rf"|\b{_PEOPLE} (?:will|would|should|must) feel (?!free\b)\w+|\b{_PEOPLE} finds? (?:it|this|the (?:response|answer|text)) \w+"
    rf"|\b(?:leaves|makes) (?:the |its )?{_PEOPLE} (?:feel |want |believe )?\w+"
    rf"|\b(?:changes|wins over|touches|moves|inspires|impresses|delights|convinces|persuades) (?:the |its )?{_PEOPLE}\b"
    r"|^(?:the )?(?:response|answer|code|text|article|essay|story|plan|policy|email|solution|advice) (?:will|would) (?:\w+ly )?"
    r"(?:be (?:easy|hard|simple|fun|useful) |be (?:successful|effective|popular|liked)|boost|change|come back|convince"
    r"|please|cure|earn|go viral|help|improve|increase|inspire|last|lead to"
    r"|lower|make|motivate|pass|persuade|prevent|rank|reduce|return|save|sell|succeed|survive|win)\b"
    rf"|^(?:the |each |every |most |an? )?{_PEOPLE} (?:will|would|ends? up|is left|are left|comes? back|learns?"
    r"|remembers?|feels?|trusts?|believes?|thinks?|wants?|knows?|understands?|recommends?|laughs?"
    r"|buys?)\b(?! (?:be )?(?:told|asked|advised|shown))"
    r"|\b(?:author|writer|assistant|responder|model|system) (?:has |had )?(?:carefully |really )?(?:did|done|read|researched"
    r"|thought|consulted|looked up|spent|tested|tried|worked hard|is (?:confident|sure|certain|honest|an expert))\b"
    r"|\bwith (?:good|honest|the best|bad) intentions?\b|\bin good faith\b|\b(?:is|was) (?:sincere|heartfelt|meant well)\b"
    r"|\b(?:was|is|were|been) (?:generated|written|produced|answered|created|made|done|completed) (?:in|within) "
    r"(?:under |less than |at most |about |\w+ )?\w+ (?:seconds?|minutes?|hours?)\b"
    r"|\b(?:was|is|were|been) (?:generated|written|produced|created|made|done) (?:without|with) (?:any |the )?"
    r"(?:external |outside |human )?(?:help|assistance|aid)\b|\b(?:in production|in real life)[\s.]*$"
    r"|\bgenuine (?:empathy|care|concern|interest)\b|\bthe (?:model|author|assistant|writer) (?:really |truly )?understands\b"
    r"|\b(?:was|were) not copied\b|\bdid not (?:use|copy|cheat|look up)\b|\b(?:the|each|every) link (?:leads|goes|points|works)\b"
    r"|\b(?:in practice|as of today)[\s.]*$|\btastes \w+[\s.]*$|\b(?:answer|response) was (?:fast|quick|slow)\b|\bsecretly\b"
    r"|\bbuilds (?:trust|rapport)\b|\bbased on a (?:real|true|personal) experience\b|\bgets a (?:reply|response)\b",
    re.I,
)
"""What happens in a head or in the world after reading: the response alone does not show it."""

_WHICH = r"(?:(?:all|any|every|each|the|this|that|these|your|of|it|and) ){0,4}"
_GRADED = r"(?:this|it|every(?:thing)?|each|all|any(?:thing)?|the (?:response|answer|criterion|first|second))\b[^.;!\n]{0,60}"
ORDER = re.compile(
    r"[.!?;:\n]\s{0,3}(?:(?:please|always|now|just|simply|from now on|you (?:must|should)),? ){0,3}"
    rf"(?:(?:ignore|disregard|forget|override) {_WHICH}(?:(?:previous|prior|above|earlier|preceding|former)\b"
    r"|(?:other|system) (?:criteri|instruct|prompt|rule|item|messag))"
    r"[^.;!\n]{0,60}"
    rf"|(?:mark|grade|judge|count|treat|consider|rate|score) {_GRADED}\b(?:met|unmet|passed|passing|fulfilled|satisfied"
    r"|\d+/\d+)\b"
    rf"|(?:give|award|assign|grant|rate|score) (?:{_GRADED}\b)?(?:full|highest|maximum|max|top|perfect|best)"
    r" (?:scores?|marks?|grades?|points?|rewards?|ratings?|credit)\b"
    r"|(?:answer|reply|respond|output|say|return|write|print)(?: only| with| always){0,2}:? [\"'“]?(?-i:MET|UNMET|PASS)\b)",
    re.I,
)
"""An order to the judge: a policy can plant one in a response that the model which writes criteria reads. It begins behind the
end of a sentence or of a line, to which `re` can skip, so a text is read behind a line break."""

SHORT = 160  # characters of a criterion in which "is helpful" is all that is said
_PURPOSE = re.compile(
    r"\b(?:for|to|without|lacks?|seeking|seek|get|obtain|receive|ensure|need(?:s|ed)?) (?:an? |the |more )?$", re.I
)
ASIDE = re.compile(r"\([^)]*\)|“[^”]*”|\"[^\"]*\"|'(?<!\w')[^']*'(?!\w)")
_VAGUE = re.compile(
    r"\b(good(?! (?:cholesterol|morning|evening|night|luck|faith|news|friday|deal|conduct)\b)|nice|great(?! (?:britain|deal)\b)"
    r"|appropriate(?:ly)?|adequate(?:ly)?|suitabl[ey]|properly|reasonabl[ey]|(?<!considered )sufficient(?:ly)?"
    r"|high[- ]quality|well[- ]written|well[- ]rounded|if applicable|etc\.?|and so on)(?=\W|$)",
    re.I,
)
_PREDICATE = re.compile(
    r"\b(?:is|are|feels?|seems?|looks?|sounds?|reads?) (?:\w{1,40}ly |very |quite |just |rather |overall ){0,4}"
    r"(excellent|satisfactory|helpful|useful|decent|acceptable|effective|fine|solid|strong|impressive|interesting|clean|engaging"
    r"|meaningful|robust|compelling|insightful|convincing|smart|smooth|creative|thorough|comprehensive|professional|poor|bad|weak|okay|ok|sensible|elegant|thoughtful|natural|nice"
    r"|top-notch|outstanding|superb|first-rate|subpar|mediocre|average|perfect|optimal|ideal|pleasant|pleasing|not bad"
    r"|well (?:done|made|thought[- ]out)|easy (?:enough )?to follow|up to (?:standard|par)|the best possible|\w+ enough"
    r"|(?<=just )right|(?<=feels )right|(?<=feel )right)(?: overall| enough| in (?:every|all) respects?| to read"
    r"| (?:to|for) (?:the |an? |most )?(?:user|reader|audience|person|asker|customer|patient|student)s?)?[\s.]*$"
    r"|\b(helpful|useful|valuable|meaningful|insightful|excellent|decent|solid|strong|effective|acceptable|enough)"
    r" (?:answer|response|information|advice|insights?|explanation|analysis|content|feedback|summary|examples?|suggestions?"
    r"|details?|context)[\s.]*$"
    r"|\b(meets? (?:the |all |our |its )?(?:expectations|standards)|better than average|does (?:its|the|a \w+) job"
    r"|to a (?:high|good|decent) standard|proper (?:format\w*|style|tone|structure|grammar|wording)"
    r"|(?:of|has) (?:decent|acceptable|sufficient|fair|fine|excellent|top|low|poor) quality|gets it right|as expected"
    r"|quality (?:of the \w+ )?is \w+|makes sense)\b"
    r"|\b(?:answers?|flows?|addresses|covers?|deals? with|does|explains?|handles?|performs?|works?|is written|is done)\b"
    r"[^.;,]{0,40}"
    r" (well|nicely)[\s.]*$|^(?:overall |general |writing )?(\w+)[\s.]*$",
    re.I,
)
_NAMED = re.compile(r"\b(?:appropriate|adequate|suitable|proper|good|sufficient) (?:for|to|if|when)\b", re.I)


def vague_word(text: str) -> str | None:
    """The first word that leaves the standard to the judge; None where there is none.

    Words within brackets or quotes, of a purpose ("for adequate evaluation") and of a fault ("without adequate assessment") are
    no standard for the response.

    Example:
        >>> vague_word("The tone is appropriate."), vague_word("Refers to a doctor for adequate evaluation.")
        ('appropriate', None)
    """
    plain = ASIDE.sub("", text)
    for match in _VAGUE.finditer(plain):
        if not _PURPOSE.search(plain[: match.start()]) and not _NAMED.match(plain, match.start()):
            return match[1]
    said = _PREDICATE.search(plain) if len(plain) <= SHORT else None  # a longer text says more before it
    return next(filter(None, said.groups())) if said else None


_VERB = (
    r"(?:acknowledges|addresses|advises|analyses|analyzes|answers|asks|avoids|cites|clarifies|compares|concludes|covers"
    r"|defines|describes|discusses|emphasi[sz]es|encourages|explains|gives|highlights|identifies|includes|indicates|lists"
    r"|mentions|names|notes|offers|outlines|presents|provides|recommends|refers|states|suggests|summari[sz]es|uses|warns)"
)
_DOES = (
    rf"(?:{_VERB}|is|are|has|have|does|adds|agrees|applies|apologi[sz]es|begins|calculates|changes|checks|closes|computes|contains"
    r"|converts|corrects|creates|demonstrates|derives|ends|ensures|fits|fixes|follows|greets|handles|ignores|keeps|links"
    r"|maintains|makes|matches|meets|omits|opens|passes|produces|proposes|proves|quotes|reaches|rejects|remains|repeats|reports"
    r"|respects|responds|returns|rhymes|runs|says|shows|sounds|starts|stays|supports|tells|thanks|translates|verifies|works"
    r"|writes)"
)
_TWO_VERBS = re.compile(rf"\b({_VERB})\b[^.;]*?,? and (?:also |then )?({_VERB})\b", re.I)
_AND_DOES = re.compile(
    r"([^;.:(]*?),? and (?:(?:also|then|finally|thus|it|they|the (?:response|answer|text|code)) ){0,2}"
    rf"({_DOES}|doesn't|never \w+s|(?:the|its|every|each|all) (?:\w+ ){{1,3}}(?:is|are|has|have))\b",
    re.I,
)
_FIRST = re.compile(rf"\b(?:{_DOES}|doesn't)\b", re.I)
_SUBORDINATE = re.compile(
    r"\b(?:that|which|who|whose|where|how|why|what|when|if|whether|because|since|as|until|unless|while|for (?:each|every))\b",
    re.I,
)
_TWO_MERITS = re.compile(
    rf"\b{BE} (?:both )?(?:\w+ly )?({PRAISE})(?:,|,? and| as well as| but also) (?:is |are )?(?:\w+ly )?({PRAISE})\b", re.I
)
_ADJECTIVE = r"\w+(?:able|ible|al|ful|ic|ive|less|ous|ent|ant|est|ise|ct|ear|te)"
_TWO_ADJECTIVES = re.compile(
    rf"^[^.;:,]*\b{BE} (?:both )?(?:\w+ly )?({_ADJECTIVE})(?:, (?:\w+ly )?{_ADJECTIVE}){{0,6}}"
    rf",? and (?:\w+ly )?({_ADJECTIVE})[\s.]*$"
    rf"|^({PRAISE}),? and ({PRAISE})[\s.]*$",
    re.I,
)
_TWICE = re.compile(
    r"\b(must|should|needs to|has to)\b[^.;]* and (?:it )?(\1)\b"
    r"|^[^.;:]*\b(is|are|cites|names|gives|keeps|explains)\b[^.;:]* (while \w+ing)\b"
    rf"|^[^.;:]*\b({_DOES}), (then) \w+s\b",
    re.I,
)
_BESIDES = re.compile(
    r"^(in addition to|besides|apart from|as well as|on top of|while) \w+ing\b[^,;]*,[^,;]*?\b(" + _DOES + r")\b", re.I
)
_NOT_ONLY = re.compile(r"(?:^|.* )(not only)\b[^.;]*\b(but)\b", re.I)
_ALSO = re.compile(
    rf"([.;]) (?:it |they |the (?:response|answer) )?(also|additionally|furthermore|moreover|in addition|{_VERB})\b(?! if\b)",
    re.I,
)


def _both(match: re.Match[str]) -> tuple[str, str]:
    first, second = filter(None, match.groups())
    return first, second


def two_asks(text: str) -> tuple[str, str] | None:
    """The words in front of two properties that one sentence asks for; None where it asks for one.

    "Names the dose and the interval" is one: a verb with two objects. So is "says that A has B and does C".

    Example:
        >>> two_asks("The poem rhymes and mentions the sea."), two_asks("Names the dose and the interval.")
        (('rhymes', 'mentions'), None)
    """
    if match := _TWO_VERBS.search(text):
        return match[1], match[2]
    plain = ASIDE.sub("", text)
    for pattern in (_TWO_MERITS, _ALSO, _TWO_ADJECTIVES, _BESIDES):
        if match := pattern.search(plain):
            return _both(match)
    if (match := _TWICE.search(plain)) and not _SUBORDINATE.search(match[0].partition(" while ")[0]):
        return _both(match)
    if (match := _NOT_ONLY.match(plain)) and not _SUBORDINATE.search(plain[: match.start(1)]):
        return match[1], match[2]
    match = _AND_DOES.match(plain)
    first = _FIRST.search(match[1]) if match else None
    return (first[0], match[2]) if match and first and not _SUBORDINATE.search(match[1]) else None
