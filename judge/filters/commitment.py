"""Does a response commit to an answer of the reference's type? The check that needs no list of openers.

Where the reference is a number or an expression, a response that names no value at all cannot be right, whatever it says and
in whatever language. What numbers steps ("Step 1", "in three parts") or only quotes the question is no value.
"""

from __future__ import annotations

import re
from itertools import pairwise

from judge.filters.lexicon import LEXICON, Lexicon
from judge.filters.reference import NEGATIVE, ReferenceAnswers
from judge.filters.surface import WORD, ResponseView, straight, words
from judge.numerals import VALUES, fold
from judge.words import entries

_SYMBOL = re.compile(
    r"=\s{0,9}(?=[^\s=?\uff1f])|[\u221e\u2205\u221a\u00b1\u2264\u2265\u2208\u222a\u2229\u2211\u222b\u00d7\u00f7^\u2102\u2115\u211a\u211d\u2124%]|(?<![\u0370-\u03ff\u1f00-\u1fff])[\u03b1-\u03c9](?![\u0370-\u03ff\u1f00-\u1fff])|(?<=\w)\s?[+*/]\s?(?=\w)"
)
_DIGIT_OR_SIGN = re.compile("[0-9\\d=\u221e\u2205\u221a\u00b1\u2264\u2265\u00bd\u00bc\u00be]")
_COMMAND = re.compile(
    r"\\(?:d?t?frac|sqrt|pi|infty|emptyset|varnothing|cdot|times|pm|cup|cap|in|le|ge|leq|geq|alpha|beta|gamma|theta|lambda|phi|mathbb|binom"
    r"|sin|cos|tan|log|ln|circ|pmatrix|sum|int)(?![A-Za-z])"
)
_LIST_MARKER = re.compile(r"(?m)^[ \t]{0,8}[(\[]?(?:\d{1,3}|[A-Za-zivx])[.):\]]{1,2}(?:[ \t]{1,8}(?=\S)|[ \t]{0,8}$)")
_BARE_NUMBER = re.compile(r"\W{0,5}\d[\d.,/]{0,40}\W{0,5}")
_ROMAN = re.compile(r"(?<![A-Za-z])[IVXLCDM]{2,10}(?![A-Za-z])")
_LETTER = re.compile(
    r"(?<![\w'\u2019\\.-])\\?[B-HJ-Zb-df-hj-np-tv-xz](?![\w'\u2019.-]*\w)"
)  # not `a`, `e`, `i`, `o`, `u`, `y`: words
_VALUE_WORDS = frozenset(map(fold, entries("value words")))
_CJK_DIGIT = re.compile(r"[零〇二三四五六七八九十百千万萬億亿兩两半無无壱弐]|参(?![照考加与與])")
_CJK_ONE = re.compile(r"一(?![想看步歩下起个個つ緒旦定般样樣致切直些边邊点點同度番])")
_SPOKEN_THAI = re.compile("ศูนย์|หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า|สิบ|ครึ่ง|อนันต์")
_TRUTH = frozenset(entries("truth"))
_NOT_A_STEM = frozenset(map(fold, entries("number words with other endings")))
_COPULAS = frozenset(map(fold, entries("copulas")))


def uncommitted(view: ResponseView) -> str | None:
    """No value at all, where the reference is a number or an expression.

    Stops: openers, headings, vague prose and refusals in any language, listed or not, of any length. Does not stop: a wrong
    value, an unrelated text with a number in it, anything where the reference is a text, a letter or yes/no. Cost: no request;
    one search of the whole text for a digit (about 1 ms a megabyte), and for its words where there is none.
    """
    reference = view.reference
    if reference is None or reference.kind not in ("number", "math") or not view.verifying:
        return None
    if names_value(view, reference):
        return None
    return f"names no value, and the reference is a {'number' if reference.kind == 'number' else 'formula'}"


def names_value(view: ResponseView, reference: ReferenceAnswers) -> bool:
    """Whether a text names a value that could be meant as its answer."""
    if not view.short:
        return _anything(view.text)
    if _COMMAND.search(view.text) or _SYMBOL.search(view.visible) or _SYMBOL.search(view.plain):
        return True
    text = _without_markers(view.plain)
    bare = {a.bare.lower() for a in reference.answers}
    if (_letters(text, view, reference) and not view.visible.endswith("=")) or _ROMAN.search(text) or _spoken(text):
        return True
    found = words(text)
    if bare & {"0", "1"} and any(w in _TRUTH for w in found):
        return True
    if "0" in bare and any(w in NEGATIVE for w in found):  # "nothing" where something is counted
        return True
    return bool(_values(text, view)) or (not found and bool(_BARE_NUMBER.fullmatch(view.plain)))


def counted(view: ResponseView) -> bool:
    """Whether a text holds a numeral or a number word that numbers no step and is no article."""
    text = _without_markers(view.plain) if view.short else view.text
    if not view.short:
        return _anything(text)
    return _spoken(text) or bool(_values(text, view)) or bool(not view.words and _BARE_NUMBER.fullmatch(view.plain))


def _without_markers(text: str) -> str:
    """Without the numbers that only number lists and steps: `1.` at line starts, `Step 2`, `1) ... 2) ...` within a line."""
    inline = _INLINE_MARKER.findall(text)
    if len(inline) > 1 and inline == [str(i + 1) for i in range(len(inline))]:
        text = _INLINE_MARKER.sub(" ", text)
    return _NUMBERED_STEP.sub(" ", _LIST_MARKER.sub(" ", text))


_INLINE_MARKER = re.compile(r"(?<![\w.,])(\d{1,2})[.)](?=\s{1,3}[^\W\d_])")
_CJK_COUNT = "[0-9一二三四五六七八九十]{1,3}"
_NUMBERED_STEP = re.compile(
    f"(?:ステップ|手順|段階|設問|步骤|步驟|问题|問題|题目|題目|단계|문제|ขั้นตอนที่|ขั้นที่|ข้อ)\\s?{_CJK_COUNT}|第\\s?{_CJK_COUNT}\\s?[步个個章节節题題部問问点點条歩段]|"
    f"{_CJK_COUNT}\\s?(?:단계|번|つ目|番目|段階|ขั้นตอน)|分[二三四五两兩几幾数][步个個]|[两兩二][个個种種者][答回解]"
    r"|\d{1,3}\s?%\s{1,3}(?:sure|confident|certain|positive|correct|accurate|right)\b"
)


def _anything(text: str) -> bool:
    """A digit, sign or number word anywhere in a long text."""
    if _DIGIT_OR_SIGN.search(text) or _COMMAND.search(text):
        return True
    found = set(text.lower().translate(_SPACES).split()) if text.isascii() else set(words(f"{text[:20_000]} {text[-20_000:]}"))
    return _spoken(text) or any(_is_number_word(w) for w in found)


_SPACES = {ord(c): " " for c in ".,;:!?()[]{}\"'*_#-/\\`"}


def _spoken(text: str) -> bool:
    return not text.isascii() and bool(_CJK_DIGIT.search(text) or _CJK_ONE.search(text) or _SPOKEN_THAI.search(text))


def _is_number_word(word: str) -> bool:
    """A number word or a form of one (`fourth`, `fünfundzwanzig`); not one that also is an article or a word of announcing."""
    if word in VALUES or word in _VALUE_WORDS:
        return True
    return any(word[:size] in VALUES and word[:size] not in _NOT_A_STEM for size in range(4, min(len(word), 10)))


def _letters(text: str, view: ResponseView, reference: ReferenceAnswers) -> bool:
    """A variable or a choice letter: alone, in a formula, or in a sentence where such letters can be answers."""
    found = _LETTER.findall(text) or re.findall(r"\$\\?[A-Za-z]\$|\\boxed\{[A-Za-z]\}|^[A-Za-z]$", view.visible)
    if not found:
        return False
    if reference.kind == "math" or len(view.words) <= 3:
        return True
    return bool(re.search(r"\(?A[).:].{1,2000}\(?B[).:]", view.prompt[:8_000], re.DOTALL))


def _values(text: str, view: ResponseView) -> list[str]:
    """Digits and number words of a short text that do not number steps and do not only quote the question."""
    text = straight(text)
    matches = list(WORD.finditer(text))
    found = [fold(m.group()) for m in matches]
    gaps = [text[m.end() : n.start()] for m, n in pairwise(matches)]
    quoting = view.verifying and announces(found, LEXICON) and not _claims(found)
    numbering, out = set[int](), []
    for at, word in enumerate(found):
        digits = any(c.isdigit() for c in word)
        if not digits and not _is_number_word(word):
            continue
        if not digits and len(found) > 3 and (LEXICON.is_grammar(word) or LEXICON.announces(word)):
            continue
        if _numbers_a_step(found, gaps, at, numbering):
            numbering.add(at)
        elif not (digits and quoting and word in view.prompt_words and not _closes(found, at, view)):
            out.append(word)
    return out


def _numbers_a_step(found: list[str], gaps: list[str], at: int, numbering: set[int]) -> bool:
    """`Step 1`, `part two`, `three steps`, `step 1 of 3`: nothing but a space stands between. `Solution: 4` is an answer."""
    before = at > 0 and gaps[at - 1].strip(" #") == ""
    after = at < len(gaps) and gaps[at].strip(" -") == ""
    if (before and LEXICON.is_step(found[at - 1])) or (after and (LEXICON.is_step(found[at + 1]) or found[at + 1] in _COUNTED)):
        return True
    return before and at > 1 and found[at - 1] in _OF and at - 2 in numbering


_COUNTED = frozenset(map(fold, entries("counted")))
_OF = frozenset(entries("of"))


def _closes(found: list[str], at: int, view: ResponseView) -> bool:
    """Whether a number ends a text, in other words than the question has before it: `I will go with 17`."""
    return at > 0 and at == len(found) - 1 and f"{found[at - 1]} {found[at]}" not in view.prompt.lower()


def announces(found: list[str], lexicon: Lexicon) -> bool:
    """Whether a text talks about solving: it begins so, or a third of its words do."""
    told = sum(lexicon.announces(w) for w in found)
    return starts_with_head(found, lexicon) or 3 * told >= len(found) > 0


def starts_with_head(found: list[str], lexicon: Lexicon) -> bool:
    """Whether a clause begins as announcements do (`let us`, `ich werde`, `чтобы`), behind up to four words like `sure` or `so`."""
    for start in range(min(5, len(found))):
        if any(tuple(found[start : start + size]) in lexicon.heads for size in (1, 2, 3, 4)):
            return True
        if not (lexicon.announces(found[start]) or found[start] in _DISCOURSE):
            return False
    return False


_DISCOURSE = frozenset(map(fold, entries("discourse")))


def _claims(found: list[str]) -> bool:
    """`the answer is 5`, `it equals 5`: a copula with a value soon after it."""
    for at, word in enumerate(found):
        if word in _COPULAS and any(any(c.isdigit() for c in w) or w in VALUES for w in found[at + 1 : at + 4]):
            return not any(w in ("what", "which", "how", "if", "given", "given:") for w in found[:at])
    return False


def claims_from_prompt(found: list[str], view: ResponseView, lexicon: Lexicon) -> bool:
    """`The answer is the dog`: behind a copula stand words of the question, before it only words of announcing."""
    for at, word in enumerate(found):
        if word in _COPULAS and 0 < at < len(found) - 1:
            before = all(lexicon.announces(w) or lexicon.is_grammar(w) for w in found[:at])
            after = [w for w in found[at + 1 :] if not lexicon.is_grammar(w) and not lexicon.announces(w)]
            if before and 0 < len(after) <= 8 and not any(w in _NO_SUBJECT for w in found[:at]):
                return True
    return False


_NO_SUBJECT = frozenset(entries("no subject"))
