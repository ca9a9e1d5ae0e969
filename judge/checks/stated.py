r"""The final answer that a worked solution states, for a program to compare with the reference.

Where it stands, in order: the last `\boxed{...}` (with the boxes beside it), what follows the last `####`, what follows the last
"answer is" or "answer:" on its line, the last formula, the last number. A box in the thinking is a draft, and thinking that never
ends states nothing. Math verifiers look in the same places (GSM8K's `####`, MATH's box) and need no judge.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from judge.thinking import split_thinking

MAX_CHARS = 200_000  # of the end of a response; what comes before it states no final answer
_MARKS = """answer|correct option|correct choice|right option|right choice|respuesta|antwort|réponse|resposta|risposta|ответ
antwoord|odpowiedź|cevap|jawaban|lösung|答案|答え|解答|正解|답""".replace("\n", "|").split("|")
_SAYS = re.compile(
    r"(?: to (?:your|the|this) question)?(?:\s{0,3}(?:is\b|:|=)|\s(?:es|ist|lautet|est|é|è)\b|\s?(?:[:：]|是|は|은))"
    r"[ \t]{0,9}(?:\*{1,2}(?![a-z*]))?[:：]?[ \t]{0,9}(?=\S)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.])(?:[-\u2212](?=[\d.]))?(?:\d{1,3}(?:,\d{3}){1,12}(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:/\d+)?%?(?![\d:])"
)
_BETWEEN = re.compile(r"(?:[\s$,;.()\[\]]|\\[()\[\],;! ]|\\q?quad|\band\b|\bor\b|\\text\{[^{}]{0,40}\}){1,40}")
_BOX = re.compile(r"\\f?boxed\s?\{|\\fbox\s?\{")
FORMULA = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<![\\$\d])\$((?:\\\$|[^$\n]){1,400})(?<!\\)\$|\\\[((?:[^\\]|\\(?!\])){1,2000})\\\]|\\\(((?:[^\\]|\\(?!\))){1,400})\\\)"
)
_OPERAND = r"[(\[]{0,3}\s?(?:\d[\d.,]{0,20}[A-Za-z]?|[A-Za-z])[)\]]{0,3}"
_PLAIN = re.compile(rf"(?<![\w)])({_OPERAND}(?:\s?[-+*/^\u00d7]\s?{_OPERAND}){{1,20}})$")  # x + 2, without dollars
_PROSE = re.compile(r"(?<![\\{A-Za-z])[a-z]{3,}\s+[a-z]{2,}")  # two words: the dollars are money
_ARABIC = {0x066B: ".", 0x066C: ","}  # decimal and thousands separators
_SENTENCE = re.compile(r"(?<=\S)\.\s+(?=[A-Z])")
_EMPHASIS = re.compile(r"(?:\*{2,3}|(?<=[^\W\d_]{2})\*|(?<=[\d\s.)}\]$])\*)[.!\s]{0,3}$")
_LINE = 2_000  # characters
_WORDS = re.compile(r"(?!(?:or|and|pm|am)\b)[^\W\d_]{2,}")
_ALONE = 60  # characters
_TAIL = 4_000  # characters of the end in which an unmarked answer is looked for


class FinalAnswer(NamedTuple):
    """A final answer as it is written.

    Attributes:
        how: What marks it as one; `formula` and `number` are only the last of the text.
        ends: Nothing stands behind it but stops and leaked chat tokens.
    """

    text: str
    how: Literal["box", "mark", "formula", "number"]
    ends: bool = False


def stated_answer(text: str) -> str | None:
    r"""The final answer as it is written, or None where nothing states one.

    Example:
        >>> stated_answer(r"So \boxed{\frac{1}{2}}."), stated_answer("3 + 4 = 7\n#### 7"), stated_answer("The answer is 7 cm.")
        ('\\frac{1}{2}', '7', '7 cm')
        >>> stated_answer("She had 5, so now she has 12 apples."), stated_answer("Let me think.")
        ('12', None)
    """
    found = find_stated(answer_part(text))
    return found.text if found else None


def answer_part(text: str) -> str:
    """A response without its thinking; empty where the thinking never ends."""
    return split_thinking(text).answer[-MAX_CHARS:].strip().translate(_ARABIC)


def find_stated(text: str) -> FinalAnswer | None:
    """The final answer of a text without thinking."""
    boxed, end = _boxes(text)
    marked = _marked(text[end:] if boxed is not None else text, final=boxed is not None)
    if marked is not None:
        return marked
    if boxed is not None:
        return FinalAnswer(boxed, "box") if boxed else None
    return _last(text[-_TAIL:])


def _marked(text: str, *, final: bool = False) -> FinalAnswer | None:
    """What follows the last mark of an answer; `final`: behind a box only "final answer" is one."""
    at = -1 if final else text.rfind("####")
    at = at + 4 if at >= 0 else _behind_mark(text, final)
    line = text[at:].strip().split("\n", 1)[0][:_LINE] if at >= 0 else ""
    formula = FORMULA.match(line)
    if formula and line[formula.end() :].strip(" .*!")[:1] in ("", "I", "T"):  # nothing, or a new sentence
        line = formula[0]
    line = _SENTENCE.split(line, maxsplit=1)[0].strip()
    line = (line if line.startswith("*") else _EMPHASIS.sub("", line)).removesuffix(".")
    return FinalAnswer(line, "mark") if line else None


def _behind_mark(text: str, final: bool) -> int:
    """Where the answer begins behind the last "answer is" or the like; -1 without one."""
    lower = text.lower()
    lower = lower if len(lower) == len(text) else text
    found = -1
    for mark in ("final answer",) if final else _MARKS:
        at = lower.rfind(mark)
        while at >= 0 and at + len(mark) > found:
            says = _SAYS.match(text, at + len(mark))
            found = max(found, says.end()) if says else found
            at = -1 if says else lower.rfind(mark, 0, at)
    return found


def _last(text: str) -> FinalAnswer | None:
    """The last formula or the last number, whichever ends later; dollars around two words are no formula."""
    formulas = [
        m for m in FORMULA.finditer(text) if not _PROSE.search(m[0]) and (len(m[0].strip("$ \\()")) > 1 or _ends(text[m.end() :]))
    ]
    numbers = list(_NUMBER.finditer(text))
    if len(text) <= _ALONE and numbers and not _WORDS.search(text):  # nothing but numbers and signs: "x = 2 or x = 3"
        return FinalAnswer(text.strip(), "formula", True)
    if formulas and (not numbers or numbers[-1].end() <= formulas[-1].end()):
        inner = next(part for part in formulas[-1].groups() if part is not None)
        return FinalAnswer(inner.strip(), "formula", _ends(text[formulas[-1].end() :])) if inner.strip() else None
    if not numbers:
        return None
    ends = _ends(text[numbers[-1].end() :])
    sum_of = _PLAIN.search(text[: numbers[-1].end()], max(0, numbers[-1].start() - 100))
    return FinalAnswer(sum_of[1], "formula", ends) if sum_of else FinalAnswer(numbers[-1][0], "number", ends)


def _ends(rest: str) -> bool:
    return not re.sub(r"<\|[^|<>]{1,30}\|>(?:user|assistant)?", "", rest).strip(" .!*\n\u3002")


def _boxes(text: str) -> tuple[str | None, int]:
    """What the last box holds, with the boxes right before it ("1, 2"), and where it ends; None without a whole box."""
    held: list[str] = []
    start = last = len(text)
    for opened in reversed(list(_BOX.finditer(text))[-10:]):
        end = _closing(text, opened.end())
        if end is None:
            continue
        if held and not _BETWEEN.fullmatch(text[end + 1 : start][:200]):
            break
        last = last if held else end + 1
        held.append(text[opened.end() : end].strip())
        start = opened.start()
    return (", ".join(reversed(held)) if held else None), last


def _closing(text: str, start: int) -> int | None:
    """Where the brace closes that opens before `start`."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return start + brace.start()
    return None
