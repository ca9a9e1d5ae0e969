"""Two criteria of one rubric that say the same, or that no response can both meet, as far as their words tell.

Words are compared without the subject ("the response"), modal verbs, articles and endings. What is opposite: one negates what the
other asks, their limits on one thing exclude each other (at most 50 words, at least 100 words), or one word of a short demand is
replaced by its contrary (formal, informal).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

_SUBJECT = re.compile(r"^(?:the |this |an? )?(?:response|answer|reply|output|assistant|it)\s+", re.I)
_MODAL = re.compile(r"^(?:should|must|shall|needs? to|has to|ought to)\s+", re.I)
_AGAINST = re.compile(r"\b(?:advises?|recommends?|argues?|warns?) (?:the \w+ )?(?:against|not to)\b", re.I)
_AT_MOST = re.compile(r"\bnot? (?:more|longer) than\b", re.I)
_AT_LEAST = re.compile(r"\bnot? (?:fewer|less|shorter) than\b", re.I)
_FILLER = frozenset(
    ("a", "an", "the", "of", "to", "in", "on", "that", "and", "or", "is", "are", "be", "it", "its", "does", "do", "any")
)
_NEGATION = frozenset(
    "not no never without avoid avoiding cannot doesn't don't isn't aren't omit lack exclude refrain free neither nor zero"
    " against".split()
)
_LEAVES_OUT = frozenset(("omit", "lack", "avoid", "exclude"))  # in place of any verb
_CARRIER = frozenset(
    "use contain include have has give make show mention with provide present offer feature from add using".split()
)
_NUMBERS = {w: str(n) for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())} | {
    "fifty": "50", "hundred": "100"
}  # fmt: skip
_LIMIT = re.compile(
    r"\b(at most|up to|a maximum of|maximum|max|at least|a minimum of|minimum|min|exactly|precisely"
    r"|under|below|fewer than|less than|shorter than|more than|over|longer than"
    r"|within)\s+(\d[\d,]*)\s+(\w+)",
    re.I,
)
_MOST = ("at most", "up to", "a maximum of", "maximum", "max", "within")
_BELOW = ("under", "below", "fewer than", "less than", "shorter than")
_ABOVE = ("more than", "over", "longer than")
_MANNER = re.compile(
    r"^(?:(?:the |its )?(?:tone|language|style|text|final answer)\s+)?(?:is|are|be|written"
    r"|uses? (?:the )?\w+ (?:language|tone|style|voice|tense|register|letters|wording|vocabulary|person|sentences))\b",
    re.I,
)
_GIVES = frozenset("contain include have has give provide present offer feature use".split())
_WHOLE = frozenset("response answer reply output text by".split())  # said of the whole response, so it tells nothing apart
_BASE = {"given": "give", "shown": "show", "written": "write", "made": "make", "said": "say", "used": "use", "told": "tell"} | {
    "provided": "provide", "included": "include", "contained": "contain", "presented": "present", "offered": "offer"
}  # fmt: skip
_PASSIVE = re.compile(r"\b(?:is|are|be|been|being) (?:\w+ly )?(?:\w+ed|given|shown|written|made|said|told)\b", re.I)
_ENDING = re.compile(r"(?:ed|e)$")
_ONE_OR_MORE = re.compile(r"\b(?:one|1) or more\b", re.I)
SHORT = 3  # words of a demand on the manner in which a contrary word makes the contrary demand


@dataclass(frozen=True, slots=True)
class Demand:
    """What a criterion asks, ready to be compared.

    Attributes:
        words: In order, without what does not tell criteria apart.
        limit: (the words beside it, unit, least, most), where it limits a number.
        manner: Whether it is short and about how the response is: there a contrary word makes the contrary.
    """

    words: tuple[str, ...]
    limit: tuple[frozenset[str], str, float, float] | None
    manner: bool

    @property
    def negated(self) -> bool:
        """Whether it says what is not to be there."""
        return sum(word in _NEGATION for word in self.words) % 2 == 1


@lru_cache(maxsize=8192)
def asked(text: str) -> Demand:
    """Read one criterion.

    Example:
        >>> asked("The response should mention the dose.").words
        ('mention', 'dose')
    """
    body = _AGAINST.sub("discourages", _MODAL.sub("", _SUBJECT.sub("", text.strip())))
    body = _AT_LEAST.sub("at least", _AT_MOST.sub("at most", body))
    words = tuple(_stem(word) for word in re.findall(r"[\w']+", body.lower()) if word not in _FILLER)
    return Demand(words, _limit(body), len(words) <= SHORT and bool(_MANNER.match(body)))


def opposed(one: Demand, other: Demand) -> bool:
    """Whether no response can meet both.

    Example:
        >>> opposed(asked("Is under 50 words."), asked("The response has more than 100 words."))
        True
        >>> opposed(asked("Explains the short term."), asked("Explains the long term."))
        False
    """
    if one.limit and other.limit:
        beside, unit, least, most = one.limit
        if (beside, unit) == other.limit[:2] and (most < other.limit[2] or other.limit[3] < least):
            return True
    a, b = frozenset(one.words), frozenset(other.words)
    if a ^ b in _CONTRARY and len(one.words) == len(other.words):
        ordinals = a ^ b <= {"first", "second", "third"}
        verbs = not ordinals and a ^ b == {one.words[0], other.words[0]} and one.words[1:] == other.words[1:]
        return verbs or (one.manner and other.manner and (not ordinals or "person" in a))
    if one.negated != other.negated:
        left, right = a - _NEGATION, b - _NEGATION
        without = one if one.negated else other
        said = other if one.negated else one
        leaves_out = without.words[0] in _LEAVES_OUT and len(said.words) > 1 and said.words[1:] == without.words[1:]
        return left == right or leaves_out or (bool(left - _CARRIER) and left - _CARRIER == right - _CARRIER)
    return False


@dataclass(frozen=True, slots=True)
class Gist:
    """What a criterion says, whatever its voice: "names the capital" and "the capital is named in the response" have one `key`.

    Attributes:
        key: The words without endings, carriers ("gives", "contains") and negations; whether it is negated; its limit.
        order: The words in order, which count between texts of one voice ("meters to feet", "feet to meters").
    """

    key: tuple[frozenset[str], bool, tuple[str, float, float] | None]
    order: tuple[str, ...]
    passive: bool

    def same(self, other: Gist) -> bool:
        """Whether the other one, of an equal key, says the same."""
        return self.passive != other.passive or self.order == other.order


@lru_cache(maxsize=8192)
def gist(text: str) -> Gist:
    """Read one criterion for `Gist`.

    Example:
        >>> gist("The response names the capital.").key == gist("The capital is named in the response.").key
        True
    """
    demand = asked(_ONE_OR_MORE.sub("at least 1", text))
    if demand.limit:
        beside, unit, least, most = demand.limit
        return Gist((beside - _WHOLE, demand.negated, (unit, least, most)), (), passive=False)
    words = [word for word in (_BASE.get(word, word) for word in demand.words) if word not in _WHOLE | _NEGATION]
    core = tuple(_ENDING.sub("", word) if len(word) > 3 else word for word in words if word not in _GIVES)
    return Gist((frozenset(core), demand.negated, None), core, _PASSIVE.search(text) is not None)


def _stem(word: str) -> str:
    """Third person and plural off, so that "mentions" meets "does not mention"; numbers in digits."""
    word = _NUMBERS.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 5 and word.endswith(("sses", "shes", "ches", "xes")):  # addresses, reaches
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _limit(body: str) -> tuple[frozenset[str], str, float, float] | None:
    digits = re.sub(r"[A-Za-z]+", lambda m: _NUMBERS.get(m[0].lower(), m[0]), body)
    match = _LIMIT.search(digits)
    if match is None:
        return None
    how, number, unit = match[1].lower(), float(match[2].replace(",", "")), _stem(match[3].lower())
    around = digits[: match.start()] + digits[match.end() :]
    beside = frozenset(_stem(w) for w in re.findall(r"[\w']+", around.lower()) if w not in _FILLER) - _CARRIER - {"long"}
    if how in _MOST or how in _BELOW:
        return beside, unit, -math.inf, number - (how in _BELOW)
    if how in ("exactly", "precisely"):
        return beside, unit, number, number
    return beside, unit, number + (how in _ABOVE), math.inf


_PAIRS = """
    short long|brief long|formal informal|first third|first second|second third|lowercase uppercase|serious humorous
    |serious funny|agree disagree|yes no|recommend discourage|advise discourage|positive negative|simple complex|plain technical
    |singular plural|past present|past future|present future|active passive|polite rude|true false|accept reject
    |accept refuse|accept decline|confirm deny|support oppose|english french|english german|english spanish|french german
    |french spanish|german spanish|english chinese|english japanese|numbered bulleted|approve reject|ascending descending
    |include exclude|optimistic pessimistic|even odd"""
_MORE = """
    more fewer|more less|most least|minimum maximum|minimal maximal|min max|before after|begin end|start end|start finish
    |open close|early late|earlier later|increase decrease|increase reduce|increase lower|raise lower|raise reduce
    |rise fall|rising falling|grow shrink|up down|upper lower|higher lower|high low|above below|over under|inside outside
    |internal external|left right|front back|top bottom|north south|east west|hot cold|warm cold|fast slow|quick slow
    |big small|large small|wide narrow|thick thin|heavy light|old new|old young|easy hard|easy difficult|rich poor
    |strong weak|good bad|better worse|best worst|pro con|benefit risk|benefit drawback|advantage drawback
    |strength weakness|gain loss|profit loss|win lose|win loss|pass fail|success failure|succeed fail|accept refuse
    |allow forbid|allow prohibit|permit forbid|permit prohibit|encourage discourage|encourage deter|praise blame
    |praise criticise|praise criticize|reveal hide|reveal conceal|show hide|keep remove|add remove|add subtract
    |multiply divide|buy sell|import export|give take|give withhold|send receive|ask answer|push pull|enter exit|on off
    |in out|with without|for against|same different|similar different|equal different|common rare|often rarely
    |often seldom|always never|always sometimes|usually rarely|all some|all few|all most|all one|every some|each some
    |both either|many few|several one|whole part|full partial|complete partial|complete empty|full empty|public private
    |local global|local remote|general specific|abstract concrete|literal figurative|objective subjective|neutral biased
    |neutral partisan|fact opinion|factual fictional|real fictional|real imaginary|real fake|natural artificial
    |human machine|male female|man woman|mother father|son daughter|brother sister|boy girl|adult child|doctor patient
    |teacher student|buyer seller|employer employee|plaintiff defendant|input output|question answer|cause effect
    |cause symptom|theory practice|premise conclusion|introduction conclusion|beginning end|safe dangerous|safe harmful
    |healthy sick|healthy harmful|alive dead|day night|morning evening|today tomorrow|yesterday tomorrow|domestic foreign
    |ancient modern|verse prose|verbose concise|wordy concise|shorter longer|smaller larger|cheaper dearer|cheap expensive
    |cheaper expensive|numerator denominator|row column|mean median|mean variance|horizontal vertical|direct indirect
    |single multiple|single double|linear quadratic|credit debit|asset liability|supply demand|lead lag|celsius fahrenheit
    |metric imperial|mile kilometer|foot meter|pound kilogram|hour minute|minute second"""
_CONTRARY = {frozenset(map(_stem, pair.split())) for pair in _PAIRS.split("|")}
_DIFFERENT = _CONTRARY | {frozenset(map(_stem, pair.split())) for pair in _MORE.split("|")}
_PREFIX = re.compile(r"(?:under|over|counter|anti-?|non-?|un|in|im|il|ir|dis|mis|de|pre|post|sub|super|hyper|hypo)(?=\w{3})")
_JOINED = re.compile(r"\b(?:and|or)\b|,", re.I)


def contrary(one: str, other: str) -> bool:
    """Whether two texts that an encoder finds alike differ in a word that turns the meaning: "increases", "decreases".

    Looked at are words with a contrary, a prefix that makes one (correct, incorrect), limits (at most 3, at least 3), and the
    order of the same words ("from feet to meters"), unless they are merely listed.

    Example:
        >>> contrary("Says that it increases the risk.", "Says that it decreases the risk.")
        True
        >>> contrary("Names the dose and the risk.", "Names the risk and the dose.")
        False
    """
    a, b = asked(one), asked(other)
    if a.limit and b.limit and a.limit[1:] != b.limit[1:]:
        return True
    left, right = frozenset(a.words), frozenset(b.words)
    if left == right and len(a.words) == len(b.words):
        return a.words != b.words and (not _JOINED.search(one) or bool(left & _NEGATION))
    mine, others = left - right, right - left
    if any(not _contraries(word).isdisjoint(others) for word in mine):
        return True
    bare, other_bare = ({_bare(word) for word in own} - {""} for own in (mine, others))
    return not (bare.isdisjoint(others) and other_bare.isdisjoint(mine) and bare.isdisjoint(other_bare))


@lru_cache(maxsize=4096)
def _contraries(word: str) -> frozenset[str]:
    return frozenset().union(*(pair - {word} for pair in _DIFFERENT if word in pair))


@lru_cache(maxsize=4096)
def _bare(word: str) -> str:
    """A word without the prefix that turns it; empty where it has none."""
    return _PREFIX.sub("", word, count=1) if _PREFIX.match(word) else ""
