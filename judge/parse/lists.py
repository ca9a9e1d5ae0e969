"""Values in a list of whatever format, for verdicts that are told apart by their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from judge.parse.markup import OUTSIDE
from judge.parse.patterns import allowed_words, value_pattern
from judge.parse.values import MAX_STATEMENTS, Statement
from judge.recipe.verdict import Question

_ROW = re.compile(r"^[^\n]*$", re.MULTILINE)
_EDGES = ("`", "~", OUTSIDE)  # first characters of a line that ends a list: a fence, the end of the section
_MAX_ROW = 600  # characters of a line of a list
_MARKUP = re.compile(r"<[/!?]?\w{0,40}[^<>\n]{0,60}>")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_OF_LISTS = frozenset(  # words beside the values of a list: heads of columns, keys, tags
    """answer answers assignment assignments class criterion criteria id idx index item items json judgement judgements judgment
    judgments label labels list number nugget nuggets output result results row score scores step steps value values verdict
    verdicts yaml""".split()
)


def listed(text: str, question: Question) -> Iterator[Statement]:
    """Find the values of a list in whatever format: JSON, CSV, YAML, XML, tables, numbered or comma-separated lines.

    A line counts when nothing but values, numbers, punctuation and the words of a list stands on it. Prose ends the list.
    """
    value = _list_value(value_pattern(question))
    numbers = allowed_words(question) is None
    block = _Block()
    for row in _ROW.finditer(text):
        line = row.group()
        short = len(line) <= _MAX_ROW
        rest = _MARKUP.sub(" ", value.sub(" ", line)) if short else ""
        prose = any(map(str.isalnum, rest)) if numbers else any(w.casefold() not in _OF_LISTS for w in _WORDS.findall(rest))
        if not short or prose or block.ends_before(line):
            yield from block.statements()
            block = _Block(quoted=block.quoted)
        if short and not prose:
            block.add(row.start(), line, value)
    yield from block.statements()


class _Block:
    """The lines of one list so far."""

    def __init__(self, *, quoted: bool = False) -> None:
        self.quoted = quoted
        self._found: list[tuple[int, str]] = []
        self._opened: int | None = None  # where the bracket around the values stands
        self._depth = 0

    def ends_before(self, line: str) -> bool:
        """Whether a list ends before a line: a fence, the end of the section, a quotation that begins or ends."""
        first = line.lstrip()[:1]
        edge = first in _EDGES or (first != "" and (first == ">") != self.quoted)
        self.quoted = first == ">" if first else self.quoted
        return edge or len(self._found) > MAX_STATEMENTS

    def add(self, at: int, line: str, value: re.Pattern[str]) -> None:
        """Take the values of a line."""
        indent = len(line) - len(line.lstrip())
        if self._opened is None and not self._found and line[indent : indent + 1] in ("[", "{"):
            self._opened = at + indent
        self._found += [(at + one.start(), one.group()) for one in value.finditer(line)]
        self._depth += sum(map(line.count, "[{")) - sum(map(line.count, "]}"))
        if self._depth <= 0 and not self._found:
            self._opened, self._depth = None, 0

    def statements(self) -> Iterator[Statement]:
        """The list as one statement; it begins at its bracket, as the quotation marks inside are JSON's."""
        if self._found:
            at, end = self._found[0][0], self._found[-1][0] + len(self._found[-1][1])
            yield Statement(at if self._opened is None else self._opened, end, at, [value for _, value in self._found])


@lru_cache(maxsize=256)
def _list_value(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-])(?:{value})(?![\w-])(?!\.\d)", re.IGNORECASE)
