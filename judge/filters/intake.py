"""Look at a response before any judge call: is there anything to judge?

"One Token to Fool LLM-as-a-Judge" (arXiv:2507.08794): ten strings without content (a blank, `:`, "Thought process:",
"Solution") buy a positive verdict from Qwen2.5-72B 67 % of the time. Judging them costs a call and may pay.

What it stops: blank and invisible text, symbols only, an opener or a heading with nothing after it, an empty thinking
block. What it does not stop: vague or evasive prose, a restated prompt, anything that commits to a claim. Cost: no request.
A response that agrees with the reference always passes, however short.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

from judge.types import Flag, Sample

Filter = Callable[[Sample, int], Flag | None]

_MARKUP = re.compile(r"</?[A-Za-z][A-Za-z_-]{0,30}>|[*_#`~>|]+|\\(?:begin|end)\{[a-z*]{1,20}\}|\\boxed\{\s*\}")
_WORD = re.compile(r"\w+")
_MAX_WORDS = 14  # an opener is short; longer text is the judge's matter
_CJK_MAX = 16  # characters, for scripts that write without spaces

# What an announcement is made of. An opener is a short text that uses no other words.
_ANNOUNCING = frozenset(
    """
    a about above accordingly after again ahead all alright an analyse analysis analyze analyzing and answer answering answers
    approach as at base based be because before begin beginning below break by calculate calculation can careful carefully
    certainly chain clear complete compute conclusion consider correct could derive detail detailed details determine do down
    draft each evaluate examine explain explanation explore figure final finally find first following follows for from full
    further get give given go going good happy hello help here hmm how i identify in initial is it its just know let lets ll
    logic logical logically look m main me mental method methodically methodology my need needed next now obtain of ok okay on
    one our out outline output overall overview part plan please point problem procedure proceed process provide provided query
    question re ready reason reasoning reply request resolve respond response result right rationale s scratchpad see shall
    should show simple so solution solutions solve solved solving some start started starting state statement step steps
    straightforward sum summarize summary sure systematic systematically take task tackle that the their then there these
    think thinking this thought thoughts through thus to together try trying two understand understanding up us use user using
    ve verdict verify want we well what will with work working would write you your
    also antwort antworten aufgabe beginnen denken der die das lösen lösung losung nachdenken schritt schritte wir zuerst
    analicemos análisis el empecemos la las los paso pasos pensamiento pensemos por primero problema proceso razonamiento
    resolvamos resolver respuesta solución solucion vamos veamos
    alors commençons d'abord étape étapes étudions pensée processus raisonnement réponse résolvons solution voici
    analise análise pensar pensamento primeiro processo raciocínio resolução resposta solução vamos
    ответ решение решим рассуждение шаг шагу мысли давайте анализ подумаем сначала задача задачу
    """.split()
)
_CJK_ANNOUNCING = re.compile(
    "解答|解法|解析|解题|解題|解|答え|答案|答|回答|思考過程|思考过程|思考|思路|過程|过程|分析|推理|让我们|讓我們|我们|我們|一步一步|逐步|步骤|步驟|"
    "首先|开始|開始|来|來|这个|這個|问题|問題|かいせつ|解説|かいとう|こたえ|ステップ|まず|考えましょう|考えてみましょう|考え|しましょう|풀이|해설|정답|답|생각|과정|단계별로|"
    "단계|차근차근|우선|먼저|해결|봅시다|[のをにはがでと的地得吧:：。、.,]"
)


def visible(text: str) -> str:
    """The text without white space at the ends and without characters that show nothing.

    `str.strip` keeps U+200B, U+2060, U+FEFF, U+00AD, U+3164, U+2800 and others: a "blank" answer passes it.
    """
    return "".join(c for c in text if c in "\n\t " or _shows(c)).strip()


def _shows(char: str) -> bool:
    return not (char.isspace() or char in _BLANK or unicodedata.category(char) in ("Cf", "Cc", "Cs", "Co", "Cn"))


_BLANK = frozenset("\u3164\u2800\uffa0\u115f\u1160\u034f")


def empty_response(sample: Sample, index: int) -> Flag | None:
    """Blank or invisible-only text, and markup around nothing (`<think></think>`)."""
    text = sample.responses[index]
    if any(map(_shows, _MARKUP.sub("", text[:64]))) or any(map(_shows, _MARKUP.sub("", text))):  # most show at once
        return None
    detail = "markup around nothing" if any(map(_shows, text)) else "nothing visible"
    return Flag("empty_response", detail, str(index))


def trivial_response(sample: Sample, index: int) -> Flag | None:
    """Symbols only: no letter, digit, emoji or mathematical sign."""
    if any(map(_content, sample.responses[index])):
        return None
    return Flag("trivial_response", "symbols only", str(index))


def _content(char: str) -> bool:
    category = unicodedata.category(char)
    if category[0] == "L":
        return char not in _BLANK
    return category[0] == "N" or (category in ("So", "Sm") and not char.isascii() and char not in _BLANK)


def opener_only(sample: Sample, index: int) -> Flag | None:
    """A short text that announces an answer and holds none: every word belongs to announcing, and no digit stands in it."""
    if len(sample.responses[index]) > 400 or sample.responses[index].count(" ") > 3 * _MAX_WORDS:
        return None
    text = _MARKUP.sub(" ", visible(sample.responses[index])).replace("\u2019", "'")
    words = [w for w in _WORD.findall(text.lower()) if w != "_"]
    if not words or any(c.isdigit() for c in text):
        return None
    if any(ord(c) > 0x2E7F for c in text):
        compact = "".join(text.split())
        left = _CJK_ANNOUNCING.sub("", compact)
        return (
            Flag("opener_only", "a heading with nothing after it", str(index))
            if len(compact) <= _CJK_MAX and not left.strip("!！…")
            else None
        )
    if len(words) <= _MAX_WORDS and all(w in _ANNOUNCING for w in words) and not _may_be_an_answer(words):
        return Flag("opener_only", "announces an answer and gives none", str(index))
    return None


def _may_be_an_answer(words: list[str]) -> bool:
    """`A`, `I`, `one`, `two`, `correct`, `right`: words of announcements that are answers when they stand alone."""
    return len(words) == 1 and (len(words[0]) == 1 or words[0] in _SHORT_ANSWERS)


_SHORT_ANSWERS = frozenset(
    "one two first right correct all some above below both time here there now good clear user they we us sure ok okay well "
    "hello simple logic logical full complete step steps for and it its is do das der die el la los las no".split()
)

FILTERS: dict[str, Filter] = {
    "empty_response": empty_response,
    "trivial_response": trivial_response,
    "opener_only": opener_only,
}


def gate(
    sample: Sample,
    index: int,
    filters: tuple[str, ...] = tuple(FILTERS),
    matches_reference: Callable[[str, str], bool] | None = None,
) -> Flag | None:
    """First filter that finds nothing to judge in a response; None when it goes on to the judge.

    Args:
        filters: Names out of `FILTERS`, in order.
        matches_reference: Decides whether a response agrees with the sample's reference; if so it always passes.
    """
    for name in filters:
        flag = FILTERS[name](sample, index)
        if flag is not None:
            agrees = matches_reference is not None and sample.reference is not None
            if agrees and matches_reference and matches_reference(sample.responses[index], sample.reference or ""):
                return None
            return flag
    return None


Action = Literal["veto", "drop", "flag"]
