"""What follows a verdict: does it take the verdict back, negate it, or give it another scale?

"VERDICT: CORRECT. Actually incorrect.", "Winner: Response A. Scratch that: Response B.", "4. No, 2.", "4 (out of ten)", "VERDICT:
YES. The verdict should be NO". Only the next two sentences are looked at. In doubt there is no verdict: the judge is asked again,
and nobody is paid by mistake. The words are English; another value named by itself counts in every language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_WINDOW = 240  # characters behind a value that are looked at
_SENTENCES = 2
_CUT = re.compile(r"(?<=[.!?;。！？])\s+|\n+|(?<=[。！？])")
_EDGES = " \t\n*_`~()[]{}\"'“”‘’.,:;!?-–—"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

_START = re.compile(  # whatever follows
    r"(?:(?:oh|ah|but|and|well|hmm+|um+|uh+)[,.!…]* )?(?:"
    r"wait\b|hold on\b|hang on\b|scratch (?:that|this|it)\b|strike (?:that|this|it)\b|correction\b|corrected\b"
    r"|edit(?:ed)?\s*:|update(?:d)?\s*:"
    r"|revis(?:ed|ing|ion)\b|oops|whoops|sorry\b|apologies|my (?:mistake|bad|error)\b|(?:just |only )?(?:kidding"
    r"|joking)\b|jk\b|psych\b"
    r"|sarcas|never ?mind|on second thoughts?|on (?:further |closer )?(?:reflection|consideration|reconsideration|inspection)"
    r"|thinking (?:again|about it)|(?:i )?reconsider|come to think|then again\b|i (?:hereby )?(?:take|took"
    r"|withdraw|retract) (?:that|it|this)\b"
    r"|taking (?:that|it|this) back|(?:retracted|withdrawn|void|invalid)\b|i mean\b|i meant\b|make (?:that|it)\b"
    r"|change (?:that|it|this|my)\b"
    r"|i(?:['’]ve| have)? change(?:d)? my\b|or (?:rather|not|maybe|perhaps|actually|is it)\b|maybe not\b"
    r"|perhaps not\b|if only\b|disregard\b"
    r"|ignore (?:that|this|the|my)\b|forget (?:that|it|this|what)\b|(?:quite |just |exactly "
    r"|in fact )?the opposite\b|on the contrary\b"
    r"|but no\b|but not\b|i (?:was|am) (?:just |only )?(?:joking|kidding|wrong|mistaken|lying)|i (?:misspoke|erred|lied)\b"
    r"|(?:that|this|it)(?:['’]s| is| was) (?:just |only )?(?:a |an )?(?:joke|lie|mistake|error|typo|wrong verdict)|typo\b"
    r"|(?:it |that |this )?should (?:be|read|have been|say) (?:an? )?(?:\d|[A-Z]\b"
    r"|(?!(?:not|mention|add|emphasi[sz]|stress|point|credit|acknowledg|prais|explain)ed\b)\w+ed\b|the other)"
    r"|vice versa|the other way"
    r")",
    re.IGNORECASE,
)
_IF_POSITIVE = re.compile(  # behind a negative verdict these are its reasons: "INCORRECT. No, it is Canberra."
    r"(?:no|nope|nah)(?:$|\s*[,.!;:?—–-]|\s+(?:wait|sorry|it|that|this|actually|rather|not|make)\b)"
    r"|not(?:$|\s*[,.!;:?)—–-]|\s+(?:really|quite|exactly|so|at all|that|any ?more|true|right|correct|met|yet)\b)"
    r"|(?:this|that|it|which)(?:['’]s| is| was) (?:wrong|false|incorrect|untrue|not)\b(?! (?:only|just|perfect))"
    r"|(?:it|this|that) (?:fails|failed|does not|doesn['’]t|isn['’]t|wasn['’]t|did not|didn['’]t)\W*$"
    r"|(?:false|wrong|untrue|hardly|never|lies|nonsense|as if)\W*$|(?:is|was) (?:wrong|false|not)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"(?:(?:but|and|or|well|hmm+),? )?(?:actually|rather|in fact|really|however|perhaps|maybe|possibly|more like"
    r"|though|well|so|or|instead)\b",
    re.IGNORECASE,
)
_ANYWHERE = re.compile(
    r"just kidding|scratch that|strike that|on second thought|\b(?:take|taking|took) (?:that|it|this"
    r"|my words?) back|changed my mind"
    r"|\bi (?:misspoke|was (?:joking|kidding|wrong|mistaken))|no,? wait\b|wait,? no\b|(?:disregard"
    r"|ignore) (?:that|this|my) (?:verdict|line|score|grade)"
    r"|\bi(?:['’]m|['’]ve|['’]ll| am| have| will| must| need to| have to| should)? (?:now |hereby |therefore |thus |also )?"
    r"(?:chang(?:e|ed|ing)|revis(?:e|ed|ing)|correct(?:ed|ing)?|amend(?:ed|ing)?|switch(?:ed|ing)?"
    r"|revers(?:e|ed|ing)) (?:my|the|this|that) (?:final )?(?:verdict|score|grade|rating|vote|choice|decision|judge?ment)\b"
    r"|opposite is (?:true|the case|correct|right)|\bi meant\b|only joking|\bnot really\b[.!?]*$",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|nothing|none|nobody|neither|nor|without|cannot|hardly|\w+n['’]t|anything but|far from)\b", re.IGNORECASE
)
_SPELT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
    " nineteen twenty"
).split()
_NUMBERS = frozenset((*_SPELT, "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"))
_RESCALED = re.compile(
    r"percent|per cent|%|‰|\bout of\b|\bof (?:an? )?(?:\d|ten\b|twenty\b|hundred\b|five\b)|\bscale\b|\bminus\b"
    r"|\bplus\b|\btimes\b|\bhal(?:f|ves)\b"
    r"|\bquarters?\b|\bthirds?\b|\btenths?\b|\bhundredths?\b|/\s?\d|\bdivided\b|\bdoubled?\b|\bbase\b"
    r"|\broughly\b|\bor so\b|\bnegative\b"
    r"|\b(?:or|to|between|maybe|perhaps|was|were|previously|formerly|actually|rather|not|no|nope|never|instead"
    r"|should|wait|sorry)\b",
    re.IGNORECASE,
)
_SURE = re.compile(
    r"[^\w]*(?:(?:\d{1,3}(?:\.\d{1,9})? ?%?|very|quite|highly|high|low|medium|moderate|fully|i am|i'm"
    r"|with) ){0,8}(?:confiden(?:t|ce)|certain(?:ty)?|sure|probability|likelihood)\b[^\n]{0,30}",
    re.IGNORECASE,
)
_RESTATED = re.compile(  # "The verdict should be", "My grade is now", "The correct label is"
    r"\b(?:(?P<new>correct|right|proper|true|new|revised|corrected|better|actual|real|fair|fairer)\s{1,3})?"
    r"(?:verdict|score|grade|rating|mark|label|judge?ment|decision|choice|winner|vote)\b[*_`\"”’:]{0,4}\s{1,3}"
    r"(?:(?P<ought>should|ought to|must|has to|needs to|had better|would rather|is now|becomes"
    r"|(?:is |was |has |now )?chang(?:es|ed)|drops|falls|rises|flips|switches|moves)|is|was|would be)\b(?P<rest>[^\n]{0,80})",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(r"\b(?:if|unless|had|were|whether|otherwise)\b", re.IGNORECASE)
_ANOTHER = re.compile(r"\b(?:lower|higher|revers(?:ed|al)|swapped|flipped|different|the other|the opposite)\b", re.IGNORECASE)
_A_NUMBER = re.compile(r"(?<![\w.])\d{1,6}(?:\.\d{1,6})?(?!\w)")
_BETTER = r"(?:better|best|wins?|won|winner|superior|stronger|preferred|preferable|chosen)"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a verdict might have been, for the words behind it.

    Attributes:
        stated: The value that was read, as it is called.
        others: The other values, as they are called.
        positive: It is no bad grade: words such as "No," would contradict it.
        names: The values are names of responses, which an explanation may mention.
    """

    stated: str
    others: tuple[str, ...] = ()
    positive: bool = True
    names: bool = False


def takes_back(
    tail: str, scale: Stated | None, theirs: Callable[[str], bool] = lambda words: False, *, apart: bool = False
) -> bool:
    """Whether the words behind a value take it back.

    Args:
        scale: What the value might have been. None: only words that take something back in so many words count.
        apart: The words stand in a paragraph of their own, so that only those count that speak of a verdict.
        theirs: Tells whether words stand in the texts under judgement: those are repeated, and take nothing back.

    Example:
        >>> takes_back("Actually incorrect.", Stated("CORRECT", ("INCORRECT",))), takes_back("It names all.", Stated("CORRECT"))
        (True, False)
    """
    parts = [part for part in _CUT.split(tail[:_WINDOW]) if part and part.strip(_EDGES)]
    for part in parts[:_SENTENCES]:
        words = part.strip(" \t*_`~([\"'“‘-–—:,")
        if _sentence_takes_back(words, scale, apart) and not theirs(words.strip(_EDGES)):
            return True
        if part.rstrip(" *_`").endswith(":"):  # what follows is introduced: a list, a quotation
            break
    return False


def _sentence_takes_back(words: str, scale: Stated | None, apart: bool) -> bool:
    if _START.match(words) or _ANYWHERE.search(words):
        return True
    if scale is None:
        return False
    return _states_another(words, scale) or (not apart and _goes_on_otherwise(words, scale))


def _goes_on_otherwise(words: str, scale: Stated) -> bool:
    """Whether the sentence right behind a value says something that does not go with it."""
    if scale.positive and _IF_POSITIVE.match(words):
        return True
    if _HEDGE.match(words) and (len(words.split()) <= 4 or _mentions(words, scale)):
        return True
    return _only_values(words, scale) or _contradicts(words, scale)


def _states_another(words: str, scale: Stated) -> bool:
    """Whether a sentence says that the verdict is to be another one: "The verdict should be NO", "The correct score is 2"."""
    found = _RESTATED.search(words)
    if found is None or not (found["new"] or found["ought"]) or _SUPPOSED.search(words):
        return False
    rest = found["rest"]
    if _NEGATION.search(words[: found.start()]) or _NEGATION.match(rest.lstrip()):
        return False
    if scale.others:
        return any(_states(rest, other) for other in scale.others)
    number = _first_number(rest)
    if number is not None and _A_NUMBER.fullmatch(scale.stated):
        return number != float(scale.stated)
    return bool(scale.stated) and _ANOTHER.search(rest) is not None


def _first_number(words: str) -> float | None:
    """The first number, in digits or as a word ("one" is seldom a number)."""
    found = _A_NUMBER.search(words)
    spelt = next((word for word in _WORD.findall(words.casefold()) if word in _SPELT and word != "one"), None)
    if found is not None:
        return float(found[0])
    return None if spelt is None else float(_SPELT.index(spelt))


def _states(rest: str, other: str) -> bool:
    """Whether a value stands in the words behind "should", not denied; a single letter and a short word in its own case."""
    at = _finds(other.casefold(), rest.casefold()) if len(other) > 3 else _finds(other, rest)
    return at is not None and not _NEGATION.search(rest[max(0, at - 30) : at])


def _mentions(words: str, scale: Stated) -> bool:
    """Whether a sentence names a value or negates something."""
    low = words.casefold()
    tokens = _WORD.findall(low)
    if any(t in _NUMBERS or t.isdigit() for t in tokens) or _NEGATION.search(words):
        return True
    return any(_finds(other.casefold(), low) for other in scale.others)


def _only_values(words: str, scale: Stated) -> bool:
    """`Two.`, `Response B.`, `INCORRECT`: a sentence that is nothing but another value."""
    bare = words.strip(_EDGES).casefold()
    if bare == scale.stated.casefold():
        return False
    tokens = _WORD.findall(bare)
    if tokens and all(t in _NUMBERS or t.isdigit() for t in tokens) and not scale.names and bare.isalnum():
        return True
    return any(bare == other.casefold() for other in scale.others) and len(bare) > 1


def _contradicts(words: str, scale: Stated) -> bool:
    """Whether a sentence states another value, or that it is not this one."""
    if scale.names:
        return any(_prefers(words, other) for other in scale.others)
    low = words.casefold()
    for other in scale.others:
        if len(other) > 3 and not other.isdigit():
            at = _finds(other.casefold(), low)
        else:
            at = _finds(other, words) if not other.isdigit() else None
        if at is not None and not _NEGATION.search(words[max(0, at - 30) : at]):
            return True
    at = _finds(scale.stated.casefold(), low) if len(scale.stated) > 3 else None
    return at is not None and _NEGATION.search(" ".join(words[:at].split()[-3:])) is not None


def _prefers(words: str, other: str) -> bool:
    name = rf"(?<!\w){re.escape(other)}(?!\w)"
    case = 0 if len(other) == 1 else re.IGNORECASE
    found = re.search(name, words, case)
    if found is None:
        return False
    before, behind = words[: found.start()], words[found.end() :]
    if re.match(rf"\W{{0,3}}(?:is |are )?(?:the |clearly |much |far |actually )?{_BETTER}\b", behind, re.IGNORECASE):
        return not _NEGATION.search(before)
    return (
        re.search(
            r"\b(?:winner(?: is)?|i (?:now |would |rather |actually ){0,2}(?:prefer|choose|pick|favou?r)|verdict(?: is)?|go with)"
            r"\W{1,3}(?:\w+ )?$",
            before,
            re.IGNORECASE,
        )
        is not None
    )


def _finds(value: str, words: str) -> int | None:
    found = re.search(rf"(?<![\w]){re.escape(value)}(?!\w)", words)
    return None if found is None else found.start()


def rescales(aside: str) -> bool:
    """Whether an aside behind a number gives it another meaning: `(out of ten)`, `(minus two)`, `- rather two`.

    Example:
        >>> rescales("percent"), rescales("Good"), rescales("two")
        (True, False, True)
    """
    words = aside.casefold()[:80]
    return _RESCALED.search(words) is not None or any(t in _NUMBERS or t.isdigit() for t in _WORD.findall(words))


def is_confidence(aside: str) -> bool:
    """Whether an aside says how sure the judge is, and nothing else: `[95% confident]`.

    Example:
        >>> is_confidence("95% confident"), is_confidence("not confident")
        (True, False)
    """
    return _SURE.fullmatch(aside.strip("()[] .")) is not None and not _NEGATION.search(aside)


def names_any(words: str, values: Iterable[str]) -> bool:
    """Whether any of these values stands in the words, whole and in its own case."""
    return any(_finds(value, words) is not None for value in values)
