r"""The final answer that a worked solution states, for a program to compare with the reference.

Where it stands, in order: the last `\boxed{...}`, what follows the last `####`, what follows the last "answer is" or "answer:"
on its line, else the last number. A box in the thinking is a draft, and thinking that never ends states nothing. Math verifiers
look in the same places (GSM8K's `####`, MATH's box) and need no judge.
"""

from __future__ import annotations

import re

from judge.checks.match import agrees, number
from judge.thinking import split_thinking

MAX_CHARS = 200_000  # of the end of a response; what comes before it states no final answer
_ANSWER = re.compile(r"answer\s{0,3}(?:is|:|=)[ \t]{0,9}(?:\*{1,2})?[ \t]{0,9}(?=\S)", re.IGNORECASE)
_UNIT = re.compile(r"\s{0,3}(?:\\(?:text|mathrm)\{\s{0,3})?([A-Za-z°µ$€£%][A-Za-z/]{0,14})")
_NUMBER = re.compile(r"[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?")


def stated_answer(text: str) -> str | None:
    r"""The final answer as it is written, or None where nothing states one.

    Example:
        >>> stated_answer(r"So \boxed{\frac{1}{2}}."), stated_answer("3 + 4 = 7\n#### 7"), stated_answer("The answer is 7 cm.")
        ('\\frac{1}{2}', '7', '7 cm')
        >>> stated_answer("She had 5, so now she has 12 apples."), stated_answer("Let me think.")
        ('12', None)
    """
    split = split_thinking(text)
    text = split.answer[-MAX_CHARS:]  # empty where the thinking never ends
    boxed = text.rfind("\\boxed{")
    if boxed >= 0 and (inner := _braced(text, boxed + len("\\boxed{"))) is not None:
        return inner.strip() or None
    at = text.rfind("####")
    if at < 0:
        marks = list(_ANSWER.finditer(text))
        at = marks[-1].end() if marks else -1
    else:
        at += 4
    if at >= 0:
        line = text[at:].strip().split("\n", 1)[0].strip().rstrip(".!* ")
        if line:
            return line
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def states(text: str, reference: str) -> bool:
    """Whether the final answer that a response states is the reference, units and words around a number aside.

    Example:
        >>> states("5 + 7 = 12, so she has 12.", "12"), states("Not 12 but 13.", "12"), states("The answer is 12 cm.", "12")
        (True, False, True)
    """
    split = split_thinking(text)
    if agrees(split.answer, reference):
        return True
    stated = stated_answer(text)
    if stated is None:
        return False
    if agrees(stated, reference):
        return True
    numbers = list(_NUMBER.finditer(stated))
    if len(numbers) != 1:
        return False
    [found] = numbers
    if number(reference) is not None and not any(sign in reference for sign in "$€£%"):
        return agrees(found[0].rstrip("%"), reference)
    unit = _UNIT.match(stated, found.end())  # the reference has a unit: so has the answer, or it has none at all
    sign = stated[: found.start()].rstrip()[-1:]
    return agrees(f"{sign if sign in '$€£' else ''}{found[0]} {unit[1] if unit else ''}".strip(), reference)


def _braced(text: str, start: int) -> str | None:
    """What stands between the brace before `start` and the one that closes it."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start : start + brace.start()]
    return None
