"""Nothing there: blank or invisible text, symbols and markup only, a placeholder where an answer should be."""

from __future__ import annotations

import re
import unicodedata

from judge.filters.reference import ReferenceAnswer
from judge.filters.surface import MARKUP, ResponseView, shows, words
from judge.numerals import fold
from judge.thinking import may_hold, split_thinking
from judge.words import entries

_PIECE = re.compile(rf"(?:{MARKUP.pattern})|([^\W_]|[^\x00-\x7f\w\s])")
_ALNUM = re.compile(r"[^\W_]")
_EMPTY_CODE = re.compile(r"(?:async )?(?:def|class|function|public|private|static|void|fn|func)\b[^\n={}]{0,80}[:{]\s{0,9}\}?")
_CHECK_MARK = re.compile("[\u2705\u2713\u2714\u2611\U0001f44d\U0001f4af\ufe0f\\s]{1,20}")
_LIST_MARKER = re.compile(r"[\[(]?(?:\d{1,3}|[ivxIVX]{1,4})[.):\]]{1,3}|[\[(]?[A-Za-z][)\]]?:")
_FIRST_MARKER = re.compile(r"[\[(]?(?:1|[iI])[.):\]]{1,3}|[\[(]?[A-Za-z][)\]]?:")  # `12.` may be an answer nobody knows
_BLOCK = r"(?:model |assistant |candidate |final )?(?:response|answer|candidate|output|submission|solution|completion)"
_CLOSES = re.compile(  # a block that the response never opened
    rf"\s{{0,400}}(?:[<\[{{(=#*_|-]{{1,8}}\s?end(?:[ _-](?:of|the)){{0,2}}[ _-]{_BLOCK}\b|[<\[{{(]{{1,2}}\s?/\s?{_BLOCK}\b[^\w\n])",
    re.IGNORECASE,
)
_PLACEHOLDERS = frozenset(
    "null none n/a na n.a. nan nil undefined tbd tba todo void empty blank undef unknown nothing #n/a -- ??? xxx placeholder qed q.e.d etc foo bar foobar asdf qwerty blah bla test lipsum"
    " [answer]".split()
) | {"your answer", "your answer here", "answer here", "insert answer here", "no answer", "[no answer]", "(blank)"}
_SLOT = re.compile(  # what a template or a censor left where text was to stand
    r"%[sdifr]|\$\{\w{1,30}\}|\{\{.{1,40}\}\}"
    r"|[\[<{(]{1,2}\s?(?:redacted|removed|deleted|withheld|omitted|censored|(?:insert|enter|put|fill in|add|type|write)\b[^\[\]<>{}()]{1,30}"
    r"|(?:your|the|final|correct) (?:final |correct )?(?:answer|response|solution|text|name|number|value)(?: here| goes here)?)\s?[\]>})]{1,2}\.?",
    re.IGNORECASE,
)
_CODE = frozenset("null none nan nil undefined undef".split())
_EMPTY_FIELD = re.compile(
    r"\{\s{0,9}[\"']?\w{1,20}[\"']?\s{0,9}[:=]\s{0,9}(?:null|None|[\"']{2}|\[\s?\]|\{\s?\}|NaN|undefined)\s{0,9},?\s{0,9}\}"
)
_EMPTY_VALUE = re.compile(  # data with nothing in it, which answers "list the ..." where there are none
    r"""\s{0,20}(?:```\w{0,10}\s{1,9})?(?:\[\s{0,9}(?:\[\s{0,9}\]|\{\s{0,9}\})?\s{0,9}\]|\{\s{0,9}\}|""|'')(?:\s{1,9}```)?\s{0,20}"""
)
_COUNTING = re.compile(
    r"how many|how much|which of|is there|are there|\bany\b|combien|wie viele|cuánt|quant[oia]s|сколько|多少|いくつ",
    re.IGNORECASE,
)
_SHELLS = frozenset(
    "php br hr html body div span step answer item items enumerate itemize xml doctype json python latex tex output response".split()
)


def empty_response(view: ResponseView) -> str | None:
    """Blank, white or invisible characters only.

    Stops: the space, zero-width and filler characters, variation selectors, unassigned tags. Does not stop: anything that
    shows. Cost: no request, one pass that ends at the first visible character.
    """
    return None if shows(view.text) else ("nothing visible" if view.text.strip() else "blank")


def symbols_only(view: ResponseView) -> str | None:
    """Symbols and punctuation only, where every reference answer is a number, a letter, yes or no, or a formula of such.

    Stops: `:`, `---`, `[]`, `\\boxed{}` against `42`. Does not stop: any symbols where a reference is words or a symbol (`\\emptyset`, "the
    colon"), or there is none, since a prompt may ask for a symbol; emoji and mathematical signs. Cost: no request, one pass that
    ends at the first content.
    """
    reference = view.reference
    if reference is None or not all(_has_signs(a) for a in reference.answers):
        return None
    return "symbols or markup only" if symbols_alone(view) and view.prompt_words.isdisjoint(_SIGN_WORDS) else None


_COMMAND = re.compile(r"\\[A-Za-z]+")
_SIGN = re.compile(r"[^\W_]")


def _has_signs(answer: ReferenceAnswer) -> bool:
    """Whether an answer is written with digits or letters and cannot be written without."""
    return answer.kind in ("number", "option", "truth") or (
        answer.kind == "math" and bool(_SIGN.search(_COMMAND.sub(" ", answer.bare)))
    )


def trivial_response(view: ResponseView) -> str | None:
    """Symbols, punctuation and markup around nothing, a bare list marker, or an empty thinking block and a stray letter.

    Stops: `:`, `---`, `\\boxed{}`, `<answer></answer>`, `| Step |`, `<?php`, `1.`, `<think></think>a`, and a text that begins by
    closing the block it stands in (`<<<END RESPONSE 5abd>>>`), whatever follows. Does not stop: any other letter, digit, emoji
    or mathematical sign outside markup, nor, without a reference, an empty list, object or string (`[]`, `{}`, `""`). Cost: no
    request, one pass that ends at the first content.
    """
    if view.reference is None and len(view.text) <= 100 and _EMPTY_VALUE.fullmatch(view.text):
        return None
    if symbols_alone(view):
        return None if _asks_for_signs(view) else "symbols or markup only"
    if _CLOSES.match(view.text):
        return "it ends the response before it says anything"
    if len(view.text) > 200:
        return None
    text = view.visible
    if _asks_for_signs(view):
        return None
    if view.reference is not None and view.reference.kind != "truth" and _CHECK_MARK.fullmatch(text):
        return "a check mark and no answer"
    if (_LIST_MARKER if view.reference is not None else _FIRST_MARKER).fullmatch(text):
        return "a list marker with nothing after it"
    if (
        re.fullmatch(r"[\W_]*[A-Za-z]+[\W_]*", text)
        and re.search(r"[<|{\\]", text)
        and fold(re.sub(r"[\W_]", "", text)) in _SHELLS
    ):
        return "markup around nothing"
    if _EMPTY_CODE.fullmatch(text):
        return "code with nothing in it"
    if view.reference is not None and view.reference.kind != "option" and _empty_thought(text):
        return "an empty thinking block and no answer"
    return None


def _empty_thought(text: str) -> bool:
    """An empty thinking block and a letter or two."""
    if not may_hold(text):
        return False
    split = split_thinking(text)
    return split.closed and not split.thinking and 0 < len(split.answer) <= 3 and not any(c.isdigit() for c in split.answer)


def _asks_for_signs(view: ResponseView) -> bool:
    """Whether a prompt speaks of code, markup or signs, so that a sign may be its answer. Lowers suspicion, and never raises it."""
    return view.reference is None and not view.prompt_words.isdisjoint(_SIGN_WORDS)


_SIGN_WORDS = frozenset(map(fold, entries("words about signs")))
_NAME = 3  # words: "the empty list"
_COUNTED_SIGNS = frozenset(("tally", "morse"))
_NAMES_OF_SIGNS = frozenset(("tilde", "hash", "smiley", "arrow", "pipe", "ampersand", "morse", "empty"))


def names_signs(view: ResponseView) -> bool:
    """Whether the reference is the name of a sign, or the prompt asks for marks to be counted."""
    told = words(view.reference.text[:200]) if view.reference is not None and view.reference.kind == "text" else []
    named = len(told) <= _NAME and not _NAMES_OF_SIGNS.isdisjoint(told)
    return named or not _COUNTED_SIGNS.isdisjoint(view.prompt_words)


def symbols_alone(view: ResponseView) -> bool:
    """The same for most texts at once: one that begins with two letters says something."""
    head = view.text[:2]
    return not (head.isascii() and head.isalpha()) and _symbols_only(view.text)


def _symbols_only(text: str) -> bool:
    """No letter, digit, emoji or mathematical sign outside markup. Lazy: an ordinary text is left at its first letter."""
    if not _ALNUM.search(text):
        return not any(map(_content, set(text)))
    return not any(piece[1] and _content(piece[1]) for piece in _PIECE.finditer(text))


def _content(char: str) -> bool:
    category = unicodedata.category(char)
    if char in "\u3164\uffa0\u115f\u1160\u220e":  # fillers, and the end of a proof
        return False
    if category[0] == "L":
        return True
    return category[0] == "N" or (
        category in ("So", "Sm") and not char.isascii() and char != "\u2800" and not "\u2500" <= char <= "\u25af"
    )


def placeholder(view: ResponseView) -> str | None:
    """What stands where an answer should: `null`, `None`, `N/A`, `NaN`, `TBD`, `your answer here`.

    Stops: such a word alone, in any markup. Does not stop: one that agrees with the reference, or says the same as a negative
    reference ("none" where the reference is "no solutions"), or "none" to a question that counts and has no reference. Cost: no request.
    """
    if len(view.text) > 60:
        return None
    word = fold(view.plain.strip(" .:;!\"'()"))
    if len(set(word.split())) == 1:  # `null null null`
        word = word.split()[0]
    if _EMPTY_FIELD.fullmatch(view.visible) or word.startswith("lorem ipsum") or _SLOT.fullmatch(view.visible):
        word = "null"
    if word not in _PLACEHOLDERS and fold(view.visible) not in _PLACEHOLDERS:
        return None
    reference = view.reference
    if reference is not None and any(
        a.bare.strip(" .") == "0" for a in reference.answers
    ):  # "none" counts as 0 where something is counted
        return None if word in ("none", "nothing") and _COUNTING.search(view.prompt[:2_000]) else "a placeholder, not an answer"
    if reference is not None and (reference.says_none or (reference.kind == "text" and reference.held_by(view.text))):
        return None
    if (
        view.reference is None
        and word in ("none", "nothing", "unknown", "empty", "void", "undefined", "na")
        and _COUNTING.search(view.prompt[:2_000])
    ):
        return None
    return "a placeholder, not an answer"
