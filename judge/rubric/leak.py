"""A reference answer that a criterion gives away: word for word, as its final value, or a long run of its words."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[-−]?\d+(?:[.,]\d++)*+(?:/\d+)?%?|[^\W\d_]+")
_FRACTION = re.compile(r"\\[dt]?frac\{(\w+)\}\{(\w+)\}")
_FINAL = re.compile(r"####\s*(\S[^\n]*)|\\boxed\{([^{}]*)\}")
_CUE = (
    r"(?:answer|results?|totals?|value|sum|product|solution|equals?|concludes?|arrives? at|reaches|gets|obtains?|computes?"
    r"|calculates?|derives?|option|choice)\b"
)
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]{2,}")
_SHORT = 4  # characters: a shorter reference stands in too many sentences to tell
_RUN = 6  # words in a row that a criterion shares with a long reference


def leaked(text: str, references: tuple[str, ...]) -> str | None:
    """The reference answer that a criterion gives away; None where it gives none away.

    Numbers are compared without separators of thousands, and without regard to case and spaces. One of fewer than 4 characters
    counts behind a word that announces an answer ("the total is 18"): elsewhere it stands in too many sentences to tell.

    Example:
        >>> leaked("States that the capital is Ouagadougou.", ("Ouagadougou",)), leaked("Names 3 causes.", ("3",))
        ('Ouagadougou', None)
        >>> leaked("The total is $18.", ("9 * 2 = 18 dollars\\n#### 18",))
        '18'
    """
    words = _words(text)
    for reference in references:
        finals: list[str] = [a or b for a, b in _FINAL.findall(reference)]
        for answer in (reference, *finals):
            if _given_away(answer, text, words):
                return answer.strip()
        if run := _shared_run(words, _words(reference)):
            return run
    return None


def _words(text: str) -> list[str]:
    found = _TOKEN.findall(_FRACTION.sub(r"\1/\2", text))
    return [_number(word) if word[-1].isdigit() else word.casefold() for word in found]


def _number(word: str) -> str:
    plain = re.sub(r",(?=\d{3}\b)", "", word).replace("−", "-")
    return plain.rstrip("0").rstrip(".") if re.fullmatch(r"-?\d+\.\d+", plain) else plain


def _given_away(answer: str, text: str, words: list[str]) -> bool:
    own = _words(answer)
    own = own[1:] if len(own) > 1 and own[0] in ("a", "an", "the") else own
    bare = " ".join(own)
    if not bare:
        return False
    if _UNSPACED.fullmatch(answer.strip()):
        return answer.strip() in text
    if len(bare) >= _SHORT or "/" in bare or "." in bare:
        return f" {bare} " in f" {' '.join(words)} "
    said = re.escape(answer.strip(" ().$")) if len(bare) == 1 and bare.isalpha() else None  # an option: its case counts
    if said is None and not bare[-1:].isdigit():
        return False
    return bool(re.search(rf"(?i:\b{_CUE}|=)[^.;]{{0,40}}?(?<![\w.,]){said}(?![\w])", text)) if said else _announced(bare, text)


def _announced(number: str, text: str) -> bool:
    """Whether a short number stands right behind words that announce an answer."""
    return any(number in _words(match[1])[:6] for match in re.finditer(rf"(?i:\b{_CUE}|=)([^;]{{0,60}})", text))


def _shared_run(words: list[str], reference: list[str]) -> str:
    """The first run of words of a long reference that a criterion repeats; empty where there is none."""
    runs = {tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)}
    found = (tuple(reference[i : i + _RUN]) for i in range(len(reference) - _RUN + 1))
    return next((" ".join(run) for run in found if run in runs), "")
