"""Openers: a text that announces an answer, heads one or restates the question, and holds none.

"One Token to Fool LLM-as-a-Judge" (arXiv:2507.08794): such strings buy positive verdicts, and one RL run collapsed to a single one.
Known strings are a sample, so the test is what a text is made of: clause by clause, only grammar words, words about
solving, and
words of the question; no value, no claim, nothing new.
"""

from __future__ import annotations

import re

from judge.filters.commitment import claims_from_prompt, names_value, starts_with_head
from judge.filters.lexicon import LEXICON, Lexicon
from judge.filters.reference import ReferenceAnswer, ReferenceAnswers
from judge.filters.surface import ResponseView, words
from judge.numerals import fold
from judge.words import entries

_CJK = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_CJK_CORE = re.compile(
    "[解答题題问問步歩]|思[考维維路]|考え|推[理导導論论]|分析|[过過]程|首先|まず|かいせつ|こたえ|ステップ|プロセス|アプローチ|以下|[证證]明|[说說説]明|方[法式]|[开開]始|始め|実験|实验|"
    "最初|かいとう|วิธี|ตอบ|เฉลย|คิด|ขั้น|โจทย์|แก้|วิเคราะห์|ปัญหา|อธิบาย|เริ่ม"
)
_CODE = re.compile(
    r"[(){};=<>\[\]\\]|^\s{0,20}(?:def|if|for|while|class|else|elif|try|with|switch|case|default|public|private)\b"
)
_ENDS_OPEN = re.compile(r"[:\uff1a\u2236]\W{0,10}$")
_ANSWERS = frozenset(entries("answers alone", "en"))  # words of announcements that are answers when they stand alone
_TALK = frozenset(entries("talk", "en"))
_ROLES = frozenset(entries("roles", "en"))
_NAMELESS = frozenset(entries("no names", "de"))  # German writes all nouns large
_CHOICE = 4  # words; a response this short may pick its answer from the question
_NO_REFERENCE = ReferenceAnswers((ReferenceAnswer(""),))
_ASKING = ("?", "\uff1f", "\u061f")


def opener_only(view: ResponseView, lexicon: Lexicon = LEXICON) -> str | None:
    """An announcement, a heading or a restated question with no answer after it.

    Stops: short and long openers in some thirty languages, headings ending in a colon in any, "Step 1", role names, and restatements made of
    the question's words. Does not stop: vague prose with words of its own, first steps that state something, openers in
    unlisted languages without a colon (where the reference is a number or a formula, `uncommitted` does). A text that holds
    the reference, or a value, is never one. Cost: no request; about 0.1 ms for texts up to 1,500 characters, none for longer.
    """
    if not view.short or not view.plain or not view.words:
        return None
    reference = view.reference
    if reference is not None and reference.kind in ("text", "option", "truth") and reference.spoken_in(view.visible):
        return None
    if not view.verifying and (view.visible.endswith(_ASKING) or "please" in view.words):
        return None  # asking back is an answer of an assistant
    if names_value(view, reference or _NO_REFERENCE):
        return None
    if _CJK.search(view.plain) and len(_CJK.findall(view.plain)) * 3 > sum(map(str.isalpha, view.plain)):
        return "a heading or an announcement with nothing after it" if _pieces_only(view, lexicon) else None
    if _ENDS_OPEN.search(view.plain) and not _CODE.search(view.plain) and len(view.words) <= 12:
        tail = words(view.clauses[-1]) if view.clauses else []
        tongues = lexicon.best(view.words)
        known = view.clauses[:-1] if view.reference is not None else view.clauses
        if not any(_new(w, view, lexicon, tongues) for c in known for w in words(c)) and len(tail) <= 12:
            return "a heading with nothing after it"
    if len(view.words) == 1 and view.words[0] in _ROLES and (reference is not None or view.visible != view.plain):
        return "a role name and nothing after it"
    if len(view.words) == 1 and view.words[0] in _ANSWERS:
        talk = reference is not None and reference.kind != "truth" and view.words[0] in _TALK
        return "a word of talk and no answer" if talk else None
    return _made_of_announcing(view, lexicon) or (_step_by_step(view) if view.verifying and reference is not None else None)


def _step_by_step(view: ResponseView) -> str | None:
    """ "Step by step" in a language nobody listed: a word, at most one between, and the word again, in one short sentence without names."""
    found = view.words
    if not 4 <= len(found) <= 16 or len(view.clauses) != 1 or any(w[:1].isupper() for w in view.plain.split()[1:]):
        return None
    for at, word in enumerate(found):
        for other in found[at + 1 : at + 3]:
            size = max(3, min(len(word), len(other)) - 3)
            if (
                word[:size] == other[:size]
                and min(len(word), len(other)) >= 3
                and abs(len(word) - len(other)) <= 4
                and word not in view.prompt_words
            ):
                return "says “step by step” and nothing more"
    parts = [w.split("-") for w in found if w.count("-") == 1]
    return "says “step by step” and nothing more" if any(a[:3] == b[:3] and len(a) > 2 for a, b in parts) else None


def _made_of_announcing(view: ResponseView, lexicon: Lexicon) -> str | None:
    """Every clause is made of words known in one language; one that begins as an announcement may hold a few others."""
    clauses = [(c, found) for c in view.clauses if (found := words(c))]
    every = [part for w in view.words for part in ((w, *w.split("-")) if "-" in w else (w,))]
    tongues = lexicon.best(every)
    led = [starts_with_head(found, lexicon) for _, found in clauses]
    if not any(
        lexicon.is_core(w, tongues) for w in every
    ):  # without a word that heads, only where an answer is known and missing
        told = sum(lexicon.announces(w, tongues) for w in view.words)
        if view.reference is None or not view.verifying or len(view.words) < 2 or not (told or any(led)):
            return None
    for (clause, found), head in zip(clauses, led, strict=True):
        if claims_from_prompt(found, view, lexicon) or not _within(clause, found, head, any(led), view, lexicon, tongues):
            return None
    return "announces an answer and gives none"


def _within(
    clause: str, found: list[str], head: bool, led: bool, view: ResponseView, lexicon: Lexicon, tongues: frozenset[str]
) -> bool:
    """Whether a clause adds nothing: no new words, or few where it begins as an announcement does."""
    new = [w for w in found if _new(w, view, lexicon, tongues)]
    told = sum(lexicon.announces(w, tongues) for w in found)
    if not new:
        quoted = [w for w in found if w in view.prompt_words and not lexicon.tongues(w)]
        return not quoted or told > 0 or head or led
    if len(found) < 5 or (not head and not (led and 2 * told >= len(new))) or _names(clause, new, found):
        return False
    share = (0.34 if view.reference is not None else 0.15) if view.verifying else 0.0  # an assistant may rewrite its prompt
    return len(new) <= share * len(found) * (1 if head else 0.8)


def _names(clause: str, new: list[str], found: list[str]) -> bool:
    """A new word written large inside a clause: a name, which may be the answer."""
    if sum(w in _NAMELESS for w in found) >= 2:
        return False
    inner = clause.split()[1:]
    return any(w[:1].isupper() and fold(w.strip(".,!?'\"")) in new for w in inner)


def _new(word: str, view: ResponseView, lexicon: Lexicon, tongues: frozenset[str]) -> bool:
    """A word that neither grammar, nor announcing, nor the question accounts for."""
    if word.isdigit() or not lexicon.tongues(word).isdisjoint(tongues):
        return False
    if view.verifying and word in view.prompt_words and len(view.words) > _CHOICE:  # "Lead" may be the answer to "lead or gold?"
        return False
    if "-" in word or "'" in word:
        return any(_new(w, view, lexicon, tongues) for w in re.split(r"[-']", word) if len(w) > 1)
    return len(word) > 1 or not word.isascii()


def _pieces_only(view: ResponseView, lexicon: Lexicon) -> bool:
    """For scripts without spaces: take out known pieces, longest first, and see whether anything is left."""
    text = "".join(c for c in view.plain.casefold() if c.isalpha() or "\u0e31" <= c <= "\u0e4e")
    if not _CJK_CORE.search(text):
        return False
    left = text
    for piece in lexicon.pieces:
        if piece in left:
            left = left.replace(piece, "\x00")
    new = [c for c in left if c != "\x00" and not (view.verifying and c in view.prompt) and not "\u0e31" <= c <= "\u0e4e"]
    latin = [w for w in re.findall(r"[a-z]+", "".join(new)) if len(w) > 1]
    if any(not (lexicon.announces(w) or lexicon.is_grammar(w)) for w in latin):
        return False
    new = [c for c in new if not c.isascii()]
    share = 0.0 if len(text) < 10 or not view.verifying else (0.2 if view.reference is not None else 0.08)
    return len(new) <= share * len(text)
