"""Words of a criterion that no judge of one response can act on: what is out of its sight, and what nobody can see.

The patterns are English and silent elsewhere. How often each speaks on published rubrics is in docs/rubrics.md.
"""

from __future__ import annotations

import re

ELSEWHERE = re.compile(
    r"\b(?:as|see|same as|listed|mentioned|described|stated|noted|given|defined) (?:the )?(?:above|below|earlier|previously)\b"
    r"|\b(?:the|this) (?:above|previous|preceding|former|latter|following|last|next)"
    r" (?:criteri(?:on|a)|points?|items?|rules?|rubrics?)\b"
    r"|\b(?:criterion|rubric item|rule) (?:no\. ?|number |#)?\d{1,3}\b(?! of\b)"
    r"|\b(?:than|to|with|over|as) (?:the )?(?:other|rejected|chosen|preferred|alternative|competing|second|first)"
    r" (?:response|answer|one)s?\b"
    r"|\b(?:the|its) (?:other|rejected|chosen|competing) (?:response|answer)s?\b"
    r"|\bresponse [AB12]\b",
    re.I,
)
"""Refers to another criterion or another response: a judge is shown neither."""

UNSEEN = re.compile(
    r"(?<!if the )(?<!when the )(?<!that the )(?<!if )\b(?:user|reader|listener|customer|patient|audience|student)s?"
    r" (?:will |would |must |should )?(?:be |feels? (?!free)|felt |is |are )?"
    r"(?:happy|satisfied|pleased|delighted|enjoys?|likes? it|loves?|convinced|impressed|moved|entertained|comforted"
    r"|understood|respected|motivated)\b"
    r"|\b(?:author|writer|assistant|responder)(?: actually| really| truly| genuinely)? (?:intends?|intended|believes?|knows"
    r"|cares|wants|means)\b"
    r"|\b(?:truly|genuinely|really|actually) (?:understands?|cares?|knows?|means?|believes?)\b"
    r"|\bwould (?:go viral|sell|succeed in practice|win|rank (?:high|first))\b"
    r"|\b(?:every|each|all(?: the)?|any) (?:\w+ )?(?:links?|urls?|citations?|references?|sources?|doi)\b[^.;]{0,20} "
    r"(?:is|are) (?:real|valid|working|live|reachable|correct|genuine)\b"
    r"|\bno (?:links?|urls?) (?:is|are) (?:broken|dead)\b",
    re.I,
)
"""What happens in a head or in the world after reading: the response alone does not show it."""

_PURPOSE = re.compile(
    r"\b(?:for|to|without|lacks?|seeking|seek|get|obtain|receive|ensure|need(?:s|ed)?) (?:an? |the |more )?$", re.I
)
ASIDE = re.compile(r"\([^)]*\)|“[^”]*”|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_VAGUE = re.compile(
    r"\b(good|nice|great|appropriate(?:ly)?|adequate(?:ly)?|suitabl[ey]|properly|reasonabl[ey]|(?<!considered )sufficient(?:ly)?"
    r"|high[- ]quality|well[- ]written|well[- ]rounded|if applicable|etc\.?|and so on)(?=\W|$)",
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
    return None


def leaked(text: str, references: tuple[str, ...]) -> str | None:
    """The reference answer that a criterion gives away, word for word; None where it gives none away.

    A reference of fewer than 4 characters stands in too many sentences to tell.

    Example:
        >>> leaked("States that the capital is Ouagadougou.", ("Ouagadougou",))
        'Ouagadougou'
    """
    words = f" {_bare(text)} "
    return next((r for r in references if len(bare := _bare(r)) >= 4 and f" {bare} " in words), None)


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
