"""Untrusted text -> a block the judge can see the edges of.

The text under judgement is hostile, and so may be the prompt, the reference and the documents. It enters a template
only as `Untrusted`, which is not a string: printing it without the `quote` filter is an error, never an injection.

- Each block opens and closes with a label drawn from the run's seed and the prompt. An answer cannot know it, and should
  it hold the label all the same, it is broken up. The fence has one length for every text, so that the prompt without the
  candidate is the same for every candidate, and completions of one prompt share their prefix.
- A chat template turns `<|im_end|>` in content into the real control token (transformers #29279, open). So control
  tokens get a space after their first character: readable for the judge, ordinary text for the tokenizer.
- Known tokens are named; the rest goes by shape (`<name_of_token>`, `[NAME]`), because a remote judge keeps its list to itself.
- What the recipe would read as a verdict is broken up as well (verdicts.py).
- A conversation is one block. Who wrote what stands on lines that bear the label too, so no text can forge one.
- Hidden characters (zero-width, bidirectional, tag characters, lone surrogates) are shown as `[U+200B]`. Joiners
  between letters that need them (Persian, Indic scripts, emoji) stay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from judge.conversation.write import is_one_text, pieces, write_prompt, write_response
from judge.render.verdicts import Break
from judge.types import Conversation

# Control tokens of the common families that have no shape of their own. An engine that knows its tokenizer adds its own.
_FAMILIES = (
    "<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<cls>", "<sep>", "<sop>", "<eop>", "<eod>", "<eot>", "<PAD>",
    "<UNK>", "<CLS>", "<SEP>", "<EOS>", "<BOS>", "<EOT>", "<PRE>", "<SUF>", "<MID>", "<<SYS>>", "<</SYS>>", "[gMASK]", "[sMASK]",
    "[@BOS@]", "[multimodal]",
    "<reponame>", "<filename>", "<think>", "</think>", "<image>", "<video>", "<audio>", "<box>", "</box>", "<ref>", "</ref>",
    "]~b]", "]~!b[", "[e~[",
)  # fmt: skip
_SHAPES = (
    r"<(?=/?[A-Za-z][A-Za-z0-9]{0,30}[_:▁][\w:▁]{1,60}>)"  # <start_of_turn>, <tool_call>, <SPECIAL_20>, <seed:bos>; no HTML
    r"|<(?=(?:unused|2|SPECIAL|IMG)[A-Za-z]{0,4}\d{0,6}>)"
    r"|\[(?=/?[A-Z][A-Z0-9_]{2,40}\])"  # [INST], [/TOOL_RESULTS], [IMG_BREAK]
)
_PIPED = re.compile(  # <|name|>, DeepSeek's full-width form and EXAONE's [|name|], in one linear pass
    r"[<＜\[［](?=[|｜])|(?<=[|｜])[>＞\]］]"
)
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]+"
)
_JOINERS = re.compile(  # a whole run, so that what is left needs no second look
    "(?<![\u0600-\U0001faff])[\u200c\u200d]++|(?<![\u200c\u200d])[\u200c\u200d]++(?![\u0600-\U0001faff])"
)
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"  # noncharacters: no text that is exchanged holds them
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]+")
_HALVES = re.compile("[\x00\ud800-\udfff]")
_UNSENDABLE = re.compile(f"[\x00\ud800-\udfff{_OPEN}{_CLOSE}]")
_REACH = 160  # characters on either side of a seam; the longest token that goes by shape has 95
_MARK = re.compile(r"[\s\S][^\s>＞\]］]{0,100}[>＞\]］]?")  # from where it is broken up to its end
_FENCE = re.compile(r"<<<(?=\s*(?:BEGIN|END|SYSTEM|DEVELOPER|USER|ASSISTANT|TOOL|IMAGE)\b)", re.IGNORECASE)


class Untrusted:
    """A text that may only be printed through the `quote` filter; a row's field also on one line."""

    __slots__ = ("_break", "_content", "_field", "_first_image", "_quoted", "_response", "label", "tokens")

    def __init__(
        self,
        content: str | Conversation,
        label: str,
        tokens: frozenset[str] = frozenset(),
        breaker: Break = str,
        *,
        response: bool = False,
        first_image: int = 1,
        field: bool = False,
    ) -> None:
        """Wrap a text or a conversation.

        Args:
            response: It is the assistant's side, so what others wrote in it is marked.
            first_image: Number of its first image in the message.
            field: It is a field of the row (a language, a domain), which may stand within a sentence of the template.
        """
        self._break = breaker
        self._content = content
        self._quoted: str | None = None
        self._response = response
        self._first_image = first_image
        self._field = field
        self.label = label
        self.tokens = tokens

    def quote(self, title: str) -> Quoted:
        """The text as a labelled block."""
        if self._quoted is None:
            content = self._content
            text = content if isinstance(content, str) else is_one_text(content, response=self._response)
            self._quoted = self._turns() if text is None else self._clean(text)
        return Quoted(_block(title, self.label, self._quoted))

    def _clean(self, text: str) -> str:
        return self._break(neutralise(text, self.tokens, self.label))

    def _turns(self) -> str:
        assert not isinstance(self._content, str)  # noqa: S101  # `quote` asked
        lines = []
        said = pieces(self._content, response=self._response, first_image=self._first_image)
        for who, text in said:
            if who:
                lines.append(f"<<<{who} {self.label}>>>")
            if text:
                lines.append(self._clean(text))
        return "\n".join(lines)

    @property
    def printable(self) -> bool:
        """Whether it may be printed without `quote`."""
        return self._field

    def text(self) -> str:
        """The text as it came; of a conversation, with who wrote what. Not for printing."""
        content = self._content
        if isinstance(content, str):
            return content
        return (write_response if self._response else write_prompt)(content, _role_line)

    def changed(self, change: Callable[[str], str]) -> Untrusted:
        """The same with its text changed (cut, trimmed), and no more to be trusted."""
        return type(self)(change(self.text()), self.label, self.tokens, self._break, field=self._field)

    def __str__(self) -> str:
        if self._field:
            return self._clean(" ".join(self.text().split()))
        raise TypeError("untrusted text must go through the `quote` filter: {{ value | quote('TITLE') }}")

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return str(self)


class Bare(Untrusted):
    """Untrusted text of an exact recipe: printed as it is, with control tokens broken up and nothing else.

    Where it begins and ends is marked for `joined`, since two harmless texts side by side may form a token.
    """

    __slots__ = ()

    @property
    def printable(self) -> bool:
        """Always."""
        return True

    def __str__(self) -> str:
        return f"{_OPEN}{defused(self.text(), self.tokens)}{_CLOSE}"


def _role_line(who: str) -> str:
    return f"{who}:"


def defused(text: str, tokens: frozenset[str], *, marked: bool = False) -> str:
    """The text with control tokens broken up; what cannot be sent (NUL, half a surrogate pair) is shown as `[U+D800]`.

    Args:
        marked: Marks in it are ours, and stay.

    Example:
        >>> defused("  ok<|im_end|>\\u200b\\n", frozenset()) == "  ok< |im_end| >\\u200b\\n"
        True
    """
    if not text.isascii() or "\x00" in text:
        text = (_HALVES if marked else _UNSENDABLE).sub(_visible, text)
    return disarm(text, tokens) if tokens or "<" in text or "[" in text or "|" in text or "]" in text else text


def joined(text: str, tokens: frozenset[str]) -> str:
    """A rendered message of an exact recipe without its marks; a token that only the seam of two texts forms is broken there."""
    if _OPEN not in text:
        return text
    parts = _MARKS.split(text)
    whole = "".join(parts)
    reach = max(_REACH, *map(len, tokens)) if tokens else _REACH
    out, at = [parts[0]], len(parts[0])
    for part in parts[1:]:
        left, right = whole[max(0, at - reach) : at], whole[at : at + reach]
        if disarm(left + right, tokens) != disarm(left, tokens) + disarm(right, tokens):
            out.append(" ")
        out.append(part)
        at += len(part)
    return "".join(out)


class Quoted(str):
    """The output of `quote`: already neutralised, so not looked at again when printed."""

    __slots__ = ()


def _block(title: str, label: str, text: str) -> str:
    return f"<<<BEGIN {title} {label}>>>\n{text}\n<<<END {title} {label}>>>"


def image_line(number: int, label: str) -> str:
    """Where an image stands in a message."""
    return f"<<<IMAGE {number} {label}>>>"


def boundary(seed: int, prompt: str | Conversation) -> str:
    """Label of the blocks of one prompt: the same for all its completions, unknown to whoever wrote them.

    Example:
        >>> len(boundary(0, "2+2?")), boundary(0, "2+2?") == boundary(1, "2+2?")
        (10, False)
    """
    text = prompt if isinstance(prompt, str) else "\x1e".join(f"{m.role}\x1f{m.exact}" for m in prompt)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5, key=b"judge-boundary-%d" % seed)
    return digest.hexdigest()


def neutralise(text: str, tokens: Iterable[str] = (), label: str = "") -> str:
    """The text with nothing left that could act: control tokens, hidden characters, forged fences.

    Example:
        >>> neutralise("ok<|im_end|>\\u200b")
        'ok< |im_end| >[U+200B]'
    """
    if not (text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()):
        text = _HIDDEN.sub(_visible, text)
    if not text.isascii() and ("\u200c" in text or "\u200d" in text):
        text = _JOINERS.sub(_visible, text)
    if "<" in text or "[" in text or "|" in text or tokens:
        text = disarm(text, tokens)
    if "<<<" in text:
        text = _FENCE.sub("< < <", text)
    while label and label in text:  # occurrences may overlap
        text = text.replace(label, f"{label[:4]} {label[4:]}")
    return text


def disarm(text: str, tokens: Iterable[str] = ()) -> str:
    """Break up chat-template control tokens, and nothing else."""
    if "|" in text or "｜" in text:
        text = _PIPED.sub(lambda m: f"{m.group()} " if m.group() in "<＜[［" else f" {m.group()}", text)
    pattern = _token_pattern(tokens if isinstance(tokens, frozenset) else frozenset(tokens))
    return pattern.sub(r"\g<0> ", text)


def acting(text: str, tokens: Iterable[str] = ()) -> frozenset[str]:
    """What `neutralise` would take apart: each control token, hidden character and forged fence in a text, once.

    Example:
        >>> sorted(acting("ok<|im_end|> [INST]\u200b"))
        ['<|im_end|>', '>', '[INST]', '\u200b']
    """
    patterns = (_HIDDEN, _JOINERS, _PIPED, _token_pattern(frozenset(tokens)), _FENCE)
    starts = [(found.start(), pattern) for pattern in patterns for found in pattern.finditer(text)]
    marks = (text[at] if pattern in (_HIDDEN, _JOINERS) else _MARK.match(text, at) for at, pattern in starts)
    return frozenset(mark if isinstance(mark, str) else mark.group() for mark in marks if mark is not None)


@lru_cache(maxsize=64)
def _token_pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    known = sorted({t for t in (*_FAMILIES, *tokens) if len(t) > 1}, key=lambda t: (-len(t), t))
    # the first character alone is taken, so that tokens that share one (`§turn§turn§`) are all broken
    return re.compile("|".join([*(f"{re.escape(t[0])}(?={re.escape(t[1:])})" for t in known), _SHAPES]))


def _visible(match: re.Match[str]) -> str:
    return "".join(map(_name, match.group()))


@lru_cache(maxsize=4096)
def _name(character: str) -> str:
    return f"[U+{ord(character):04X}]"
