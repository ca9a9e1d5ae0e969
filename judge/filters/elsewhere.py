"""Answers that point somewhere else, grade themselves or take their leave: "see above", "both answers are the same", "hope this helps"."""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.surface import words
from judge.filters.vague import new_words
from judge.numerals import fold
from judge.words import entries


def points_elsewhere(text: str) -> str | None:
    """The words with which a short text does so and says nothing besides; None when it says something.

    Args:
        text: Folded.

    Example:
        >>> points_elsewhere("both answers are identical"), points_elsewhere("the triangles are identical")
        ('identical', None)
    """
    if _LEAVE.search(text):
        left = _LEAVE.sub(" ", text)
        return None if new_words(left) or any(c.isdigit() for c in text) else "takes its leave"
    if (unspaced := _ELSEWHERE.fullmatch(text.strip(" .!?\u3002\uff01"))) is not None:
        return unspaced.group()
    found = words(text)
    if not 2 <= len(found) <= 25 or any(c.isdigit() for c in text):
        return None
    named = [w for w in found if w in _GRADED or LEXICON.is_core(w)]
    places, claims = ([w for w in found if w in known] for known in (_PLACES, _CLAIMS))
    if not ((found[0] in _POINTS and (places or named)) or (claims and set(named) - set(claims))):
        return None
    said = " ".join(w for w in found if not (w in _GRADED or w in _PLACES or w in _CLAIMS or w in _POINTS))
    return None if new_words(said) else " ".join(places + claims) or found[0]


_LEAVE = re.compile(
    r"\b(?:i )?hope (?:this|that|it) (?:helps|helped|answers|is helpful)(?: you)?|\bfeel free to (?:ask|reach|contact)\b|\blet me know (?:if|whether)\b(?: you)?"
    r"|\bhave a (?:nice|great|good|wonderful) (?:day|one|time)|\b(?:any|more|further|other|additional) questions\b|\banything else\b"
    r"|\b(?:task|request|work) (?:is |has been |was )?(?:completed?|done|finished)(?: successfully)?|\bwithout further ado|\bdrum ?roll"
    r"|\bi(?:'m| am) (?:\w+ )?(?:confident|sure|certain|positive)\b(?: (?:in|of|about) (?:this|it|my \w+|the \w+))?|\bwith (?:full|complete|total) confidence"
)
_ELSEWHERE = re.compile(
    "(?:(?:我的|两个|兩個|双方的?|両方の|두|二つの)?(?:答案|答复|回答|答え|解答|정답|답변?)(?:和|与|與|は|이|은|가|也|都|是|が|の)?(?:参考答案|參考答案)?)?(?:与|與|和)?(?:参考答案|參考答案)?"
    "(?:都|是|完全|は|も)?(?:相同|一致|一样|一樣|正确|正確|对的|對的|显而易见|顯而易見|很明显|明らか|同じ|正しい|일치|같습니다|맞습니다|동일합니다|맞다)(?:的|です|である|합니다|다)?"
    "|(?:请|請)?(?:见|見|看|参见|參見|参考|參考|参照)(?:上文|下文|上面|上方|附件|教科书|課本|课本|参考答案)|(?:上記|以上|下記|添付)を?(?:ご)?参照(?:してください|下さい)?|(?:위|아래)(?:를|의)? ?(?:내용을 )?(?:참조|참고)(?:하세요|하십시오)?"
)
_POINTS = frozenset(map(fold, entries("pointing")))
_GRADED = frozenset(map(fold, entries("graded")))
_PLACES = frozenset(map(fold, entries("places")))
_CLAIMS = frozenset(map(fold, entries("claims")))
