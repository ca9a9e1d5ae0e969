"""What is around a judge's words but says nothing: thinking, leaked tokens, wrappers such as `<answer>`, HTML.

It is blanked out and not cut, so that every position still points at the same token of the completion.
"""

from __future__ import annotations

import re

from judge.recipe.verdict import VerdictSpec

_NAMED = r"(?:\s[^<>\n]{0,200})?"
_WRAPPERS = (
    r"(?:final[_-]?)?(?:answer|response|output|verdict|judge?ment|evaluation|decision|result|solution|conclusion)"
    r"|final|reply|assistant"
)
_BLOCKS = r"p|div|h[1-6]|br|hr|li|ul|ol|td|tr|th|table|tbody|thead|center|section|article|main|details|summary|html|body"
_INLINE = r"b|strong|em|i|u|span|font|mark|small|big|label|sup|sub"
_LEAKED = re.compile(  # end-of-turn tokens and chat marks that a server decoded as text; model boxes (`<|begin_of_box|>`)
    rf"<\|[^<>|\n]{{1,40}}\|?>|<[^<>|\n]{{1,40}}\|>|<(?:eos|bos|pad|end_of_turn|start_of_turn|EOT|end_of_text)>"
    rf"|\[/?(?:INST|RESULT)\]"
    rf"|\[\|\w{{1,20}}\|\]|</?(?:{_WRAPPERS}){_NAMED}/?>|</?(?:{_BLOCKS}){_NAMED}/?>|<(?P<inline>/?(?:{_INLINE})){_NAMED}>",
    re.IGNORECASE,
)
_END_OF_TEXT = re.compile(r"</s>", re.IGNORECASE)
_STRIKE = re.compile(r"<(?:s|del|strike)>", re.IGNORECASE)
_HOLDS_A_VALUE = frozenset(":=[({|>→")


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Write spaces, and a line break at the end, over some spans of a text."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], " " * (end - start - 1), "\n"]
        at = end
    return "".join([*parts, text[at:]])


def plain(text: str, spec: VerdictSpec) -> str:
    """Blank out wrappers, leaked tokens and HTML. What strikes through stays, as does the tag that the grammar asks for.

    Example:
        >>> plain("<answer>VERDICT: 4</answer><|im_end|>", VerdictSpec(kind="score")).split()
        ['VERDICT:', '4']
    """
    if "<" not in text and "[/" not in text and "[|" not in text:
        return text
    own = spec.marker.casefold()
    if "</" in text and not _STRIKE.search(text):
        text = _END_OF_TEXT.sub("   \n", text)

    def gone(found: re.Match[str]) -> str:
        mark = found.group()
        if _name(mark) == own:
            return mark
        if found.group("inline") or _opens_value(text, found.start()) or _quoted(text, found.start()):
            return " " * len(mark)
        return " " * (len(mark) - 1) + "\n"

    return _LEAKED.sub(gone, text)


def _name(mark: str) -> str:
    return mark.strip("</> ").partition(" ")[0].casefold()


def _quoted(text: str, at: int) -> bool:
    """Whether a position is on a line that begins as prompts show an answer's lines: a line break would end the quotation."""
    line = text.rfind("\n", max(0, at - 12_000), at)
    return text.startswith("| ", line + 1) if line >= 0 or at <= 12_000 else False


def _opens_value(text: str, at: int) -> bool:
    """Whether a mark stands where the value of a statement begins: a line break there would cut it off."""
    before = text[max(0, at - 12) : at].rstrip(" \t*_`\"'")
    return before[-1:] in _HOLDS_A_VALUE and before[-1:] != ""
