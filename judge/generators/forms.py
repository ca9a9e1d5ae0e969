"""A generator's reply -> the lines of its items: numbered lines as asked for, or the list that models write in their place.

- Models wrap a long item over two lines, or give it a heading ("### 1. Length", and the sentence below it).
- They put the items of a kind under its name ("**Pitfalls**") and an item's kind and weight into lines below it ("Category:
  Pitfall"). Both become brackets of the item; not seen, every fault would be a merit that is paid.
- They put the list into JSON (texts, objects with `criterion` and `weight`, an object that holds the list; in a code fence or
  bare) or into a Markdown table. Each entry becomes the line that was asked for, its kind and number in brackets in front, so
  that everything behind this file holds for it as for any other line.
- A criterion may quote JSON or a table, so what stands behind numbered lines is no list. Numbered lines behind a list may be the
  notes on it, or the rubric behind a quotation of what a hostile response planted: such a reply is refused.
- A key or a column stated twice with different values, a row with more cells than columns and JSON that ends too early refuse
  the whole list: nobody knows what was meant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from judge.generators.model import ItemSpec
from judge.generators.tags import ends_with_tag, split_tag
from judge.parse.objects import Members, decode_each
from judge.parse.values import Number
from judge.rubric.importers.items import KIND, NAMES, TEXT, WEIGHT, text_with_more

_NAMED = r"(?:criterion|criteria|item|rule|principle|hypothesis|requirement|constraint|nugget)[ \t]{1,2}"
_NUMBERED = re.compile(rf"[ \t>*_#-]{{0,8}}(?:{_NAMED})?\(?(\d{{1,4}})[.):]\)?[*_]{{0,3}}[ \t]{{1,4}}(?=\S)", re.IGNORECASE)
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t].{0,80}|[^*]{0,12}\*\*[^*]{1,80}\*\*:?[ \t]*")  # a whole line
_BULLET = re.compile(r"[ \t]{0,8}[-*•][ \t]{1,4}(?=\S)")
_BARE = re.compile(r"[ \t]{0,8}(?=The response[ \t])")
_FIELD_NAME = r"(?:category|kind|type|class|tag|weight|importance|points?)"
_FIELD = re.compile(rf"[ \t>*_-]{{0,8}}{_FIELD_NAME}[*_]{{0,3}}[ \t]?[:=][*_ \t]{{0,6}}(.{{1,40}})", re.IGNORECASE)
_ASIDE = re.compile(r"\([^()]{0,40}\)[*_: \t]{0,8}$")
_STYLE = re.compile(r"[ \t]{0,3}([#*]{0,6})")
_LEVEL = re.compile(r"[ \t>*_-]{0,8}(?:level|score)[ \t]{1,3}(\d{1,3})[*_]{0,3}[:.)][*_]{0,3}[ \t]{1,4}(?=\S)", re.IGNORECASE)
MAX_TITLE_WORDS = 8

_JSON = re.compile(r"^[ \t]*(?:```\w{0,12}[ \t]{0,3})?([\[{])(?=\s*[\"{\[])", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")
_BREAK = re.compile(r"<br[ \t]{0,3}/?>", re.IGNORECASE)
_AMOUNT = re.compile(r"([+−-]?[\d.]{1,12}(?:e[+-]?\d{1,3})?)(?:[ \t]{0,3}(?:points?|pts)|/\d{1,4})?", re.IGNORECASE)
_COUNTED = re.compile(r"\D{0,20}(\d{1,3})")  # "1", "level_3", "criterion 2"
_ABOUT = re.compile(r"\(.*")
_APART = re.compile(r"[\s_-]+")
_MARKS = " \t*_`"
_DEEPEST = 4
_LONGEST_TAG = 80  # characters
_LONGEST_HEADING = 8  # spaces

_TEXTS = (*TEXT, "criteria", "rule", "principle", "constraint", "nugget", "hypothesis")
_MORE = ("description", "criterion_description", "definition", "details")
_TITLES = (*NAMES, "aspect", "dimension", "theme")
_TAGS = ("tag", "tags", "check", "program", *KIND)
_HOLDERS = frozenset(
    ("rubric", "rubrics", "criteria", "items", "checklist", "list", "principles", "rules", "hard_rules", "requirements",
     "constraints", "nuggets", "hypotheses", "questions")
)  # fmt: skip

ItemLine = tuple[str, dict[int, str]]


class Muddled(ValueError):
    """A list is there and cannot be read; the message says why."""


def item_lines(text: str, spec: ItemSpec) -> list[ItemLine]:
    """The items of a reply as one line each, with the levels below them; none where there is no list.

    Raises:
        Muddled: There is a list in JSON or in a table, and it cannot be read.

    Example:
        >>> item_lines('```json\\n[{"criterion": "It is short.", "weight": 3}]\\n```', ItemSpec(weights={"min": 1, "max": 5}))
        [('[3] It is short.', {})]
    """
    lines = text.splitlines()
    start = _start(lines, spec)
    written = _written(lines, start, spec)
    numbered = (n for n, line in enumerate(lines) if start is _NUMBERED and start.match(line))
    head = lines[: next(numbered, len(lines))]
    try:
        entries = [*_json("\n".join(head), spec), *_tables(head)]
    except Muddled:
        if not written:
            raise
        return written
    if entries and len(head) < len(lines):
        raise Muddled("a list in JSON or in a table, and numbered lines behind it: either may be the rubric")
    return [_line(entry, tag, spec) for entry, tag in entries[: 4 * spec.max + 1]] or written


# ---- lines ---------------------------------------------------------------------------------------------------------------


def _written(all_lines: list[str], start: re.Pattern[str], spec: ItemSpec) -> list[ItemLine]:
    """The items as one line each, with the levels below them; wrapped lines joined."""
    out: list[ItemLine] = []
    kinds: list[str] = []
    section = ("", "")
    open_ = headed = False
    for line in all_lines:
        level = _LEVEL.match(line) if spec.levels is not None and out else None
        found = None if level else start.match(line)
        if level:
            out[-1][1].setdefault(int(level.group(1)), line[level.end() :].strip())
            open_ = headed = False
        elif out and (of_item := _field(line, spec)):
            out[-1] = (f"{out[-1][0]} {of_item}", out[-1][1])
        elif (begun := _section(line, section, spec)) is not None:
            section, open_, headed = begun, False, False
        elif found:
            out.append((line[found.end() :].strip(), {}))
            kinds.append(section[0])
            open_ = not ends_with_tag(out[-1][0])
            headed = open_ and _is_heading(line, out[-1][0])
        elif headed and line.strip():  # the sentence of a heading
            out[-1] = (f"{out[-1][0].rstrip('*:# ')}: {line.strip()}", out[-1][1])
            headed, open_ = False, not ends_with_tag(line)
        elif open_ and line.strip() and (line[:1] in " \t" or _only_a_tag(line)):
            out[-1] = (f"{out[-1][0]} {line.strip()}", out[-1][1])
            open_ = not ends_with_tag(line)
        else:
            open_ = False
    return [(_under(line, kind, spec), levels) for (line, levels), kind in zip(out, kinds, strict=True)] if any(kinds) else out


def _field(line: str, spec: ItemSpec) -> str:
    """The bracket that a line below an item stands for ("Category: Pitfall"); empty where it is none."""
    found = _FIELD.fullmatch(line) if ":" in line or "=" in line else None
    tag = f"[{found.group(1).strip(_MARKS + '[]().')}]" if found else ""
    return tag if tag and split_tag(f"{tag} x", spec)[1] else ""


def _section(line: str, current: tuple[str, str], spec: ItemSpec) -> tuple[str, str] | None:
    """The kind that a line gives to the items below it, and the marks of that heading; None where the line is no such heading.

    Another heading with the same marks ends a section; a title within it does not.
    """
    if not line.strip() or len(line) > _LONGEST_TAG or line.count(" ") > _LONGEST_HEADING or line[-1] in "].":
        return None
    style = _STYLE.match(line)
    marks = style.group(1) if style else ""
    found = _NUMBERED.match(line) or _BULLET.match(line)
    inside = (line[found.end() :] if found else line).strip(_MARKS + "#:")
    if not inside or inside[0] in "[(":
        return None
    if kind := _kind_in(_ASIDE.sub("", inside).strip(_MARKS + ":-–—"), spec):
        return kind, marks
    return ("", "") if not found and marks == current[1] != "" and _HEADING.fullmatch(line) else None


def _under(line: str, kind: str, spec: ItemSpec) -> str:
    """An item of a section with the section's kind, where it states none itself."""
    tag = split_tag(line, spec)[1] if kind else None
    own = not kind or (tag is not None and (tag.kind is not None or tag.check != "llm"))
    return line if own else f"[{kind}] {line}" if not line.startswith(("[", "(", "**[", "**(")) else f"{line} [{kind}]"


def _start(lines: list[str], spec: ItemSpec) -> re.Pattern[str]:
    """How an item begins: with a number; with a bullet where nothing but kinds is numbered; else, where nothing but two sentences
    or more that begin as asked ("The response ...") is written, one a line, with those words. Small models forget the numbers.
    """
    for marked in (_NUMBERED, _BULLET):
        if any(marked.match(line) and _section(line, ("", ""), spec) is None for line in lines):
            return marked
    written = [line for line in lines if line.strip()]
    return _BARE if len(written) > 1 and all(_BARE.match(line) for line in written) else _NUMBERED


def _is_heading(line: str, item: str) -> bool:
    """Whether the line of an item is the title of the sentence below it, and no sentence itself."""
    title = item.strip("*#: \t")
    short = len(title.split()) <= MAX_TITLE_WORDS and not title.endswith((".", "!", "?"))
    return short and not _BARE.match(title) and _HEADING.fullmatch(line) is not None


def _only_a_tag(line: str) -> bool:
    bare = line.strip(" \t*_`.;")
    return bare[:1] in ("[", "(") and bare[-1:] in ("]", ")") and not any(mark in bare[1:-1] for mark in "[]()")


# ---- JSON ----------------------------------------------------------------------------------------------------------------


def _json(text: str, spec: ItemSpec) -> Iterator[tuple[Any, str]]:
    """The entries of every list in JSON, each with the kind that its list is named after."""
    values = decode_each(text, _JSON)
    if values is None:
        raise Muddled("the JSON cannot be read (it may be cut off)")
    for value in values:
        yield from _entries(value, spec)


def _entries(value: Any, spec: ItemSpec, depth: int = 0) -> list[tuple[Any, str]]:
    """The entries of the list in a value, or none."""
    if isinstance(value, Members) and depth < _DEEPEST:
        return _held(value, spec, depth)
    if not isinstance(value, list) or not all(isinstance(entry, str | Members) for entry in value):
        return []
    return [(entry, "") for entry in value] if any(map(_says, value)) else []


def _held(holder: Members, spec: ItemSpec, depth: int) -> list[tuple[Any, str]]:
    """The entries of the lists in an object: of those named after a kind or `criteria`, else of the only one."""
    if holder and all(_COUNTED.fullmatch(key) and isinstance(value, str | Members) for key, value in holder):
        return _entries([value for _, value in holder], spec, depth + 1)
    lists = [(key, found) for key, value in holder if (found := _entries(value, spec, depth + 1))]
    named = [(key, found) for key, found in lists if _name(key) in _HOLDERS or _kind_in(key, spec)]
    if not lists:
        return [(holder, "")] if depth == 0 and _says(holder) else []
    if not named and len(lists) > 1:
        raise Muddled(f"the JSON has {len(lists)} lists, and none is named as the one of criteria")
    return [(entry, tag or _kind_in(key, spec)) for key, found in named or lists for entry, tag in found]


def _says(entry: Any) -> bool:
    """Whether an entry has the text of a criterion; a word alone in a list of texts is none."""
    if isinstance(entry, Members):
        return any(_name(key) in (*_TEXTS, *_MORE, *_TITLES) and _words(value) for key, value in entry)
    words = _words(entry)
    return " " in words or not words.isascii()


# ---- tables --------------------------------------------------------------------------------------------------------------


def _tables(lines: Sequence[str]) -> Iterator[tuple[Members, str]]:
    """The rows of every Markdown table with a column of criteria, as objects."""
    header: list[str] = []
    for above, line in zip(("", *lines), lines, strict=False):
        if "|" not in line:
            header = []
        elif "-" in line and not set(line) - set("|:- \t"):
            header = [_ABOUT.sub("", cell).strip(_MARKS) for cell in _cells(above)]
            header = header if any(_name(cell) in (*_TEXTS, *_MORE) for cell in header) else []
        elif header:
            yield Members(_row(header, line)), ""


def _row(header: list[str], line: str) -> Iterator[tuple[str, str]]:
    cells = _cells(line)
    if len(cells) > len(header):
        raise Muddled(f"a row of the table has {len(cells)} cells and the table {len(header)} columns")
    return ((name, cell) for name, cell in zip(header, cells, strict=False) if name and cell)


def _cells(line: str) -> list[str]:
    cells = [_BREAK.sub(" ", cell).replace("\\|", "|").strip() for cell in _CELL.split(line.strip())]
    return cells[not cells[0] : len(cells) - (len(cells) > 1 and not cells[-1])]


# ---- an entry -> its line ------------------------------------------------------------------------------------------------


def _line(entry: Any, named: str, spec: ItemSpec) -> ItemLine:
    """The line that was asked for: the kind and the number in brackets in front of the sentence, or behind its own brackets."""
    fields = _fields(entry) if isinstance(entry, Members) else {"text": entry}
    sentence = _sentence(fields, titles=spec.titles)
    numbered = _NUMBERED.match(sentence) or _BULLET.match(sentence)
    sentence = sentence[numbered.end() :] if numbered else sentence
    tag = _tag(fields, named, spec)
    behind = sentence.startswith(("[", "(", "**[", "**("))
    return (f"{sentence} {tag}" if behind else f"{tag} {sentence}").strip(), _levels(fields)


def _fields(entry: Members) -> dict[str, Any]:
    """The members under plain names. Raises `Muddled` where one is stated twice, with different values."""
    out: dict[str, Any] = {}
    for key, value in entry:
        name = _name(key)
        if name in out and not (isinstance(value, str) and value == out[name]):
            raise Muddled(f"an entry states {name[:40]!r} twice")
        out[name] = value
    return out


def _sentence(fields: dict[str, Any], *, titles: bool) -> str:
    main, more, title = (_first(fields, names) for names in (_TEXTS, _MORE, _TITLES))
    said = text_with_more(main, more) or title
    return f"{title}: {said}" if titles and title and title != said else said


def _first(fields: dict[str, Any], names: Iterable[str]) -> str:
    return next((words for name in names if (words := _words(fields.get(name)))), "")


def _words(value: Any) -> str:
    """A text on one line; empty where it is none."""
    there = isinstance(value, str) and not isinstance(value, Number) and any(map(str.isalpha, value))
    return " ".join(value.split()) if there else ""


def _tag(fields: dict[str, Any], named: str, spec: ItemSpec) -> str:
    """The bracket with the entry's kind or program and its number, as far as the method knows them."""
    amounts = (_amount(fields.get(name)) for name in WEIGHT)
    number = next((amount for amount in amounts if amount), "") if spec.weights or spec.points else ""
    given = [word for name in _TAGS for word in _several(fields.get(name))]
    kind = next((known for word in (*given, named) if (known := _kind_in(word, spec))), "")
    inside = (f"{kind}, {number}" if kind and number else "", kind, number)
    return next((f"[{tag}]" for tag in inside if tag and split_tag(f"[{tag}] x", spec)[1]), "")


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def _kind_in(word: Any, spec: ItemSpec) -> str:
    """A word as the inside of a bracket that names a kind or a program of the method; empty where it names none."""
    bare = _words(word).strip(_MARKS + "[]()") if isinstance(word, str) and len(word) <= _LONGEST_TAG else ""
    for inside in (bare, _APART.sub(" ", bare), _APART.sub(" ", bare).removesuffix("s")):
        rest, tag = split_tag(f"[{inside}] x", spec) if inside and not set(inside) & set("[]") else ("", None)
        if rest == "x" and tag and (tag.kind or tag.check != "llm"):
            return inside
    return ""


def _amount(value: Any) -> str:
    """A finite number with at most three decimals, as a bracket has it; empty where it is none."""
    found = _AMOUNT.fullmatch(value.strip(_MARKS + "[]()")) if isinstance(value, str) and len(value) < _LONGEST_TAG else None
    with suppress(ValueError):
        number = float(found.group(1).replace("−", "-")) if found else math.nan
        return f"{number:.3f}".rstrip("0").rstrip(".") if abs(number) < 10_000 else ""
    return ""


def _levels(fields: dict[str, Any]) -> dict[int, str]:
    """Level -> what it looks like: of `levels`, or of keys and columns that are named after levels."""
    held = next((fields[name] for name in ("levels", "scale", "anchors") if isinstance(fields.get(name), Members)), ())
    found = ((_COUNTED.fullmatch(key), _words(text)) for key, text in (*held, *fields.items()))
    return {int(level.group(1)): text for level, text in found if level and text}


def _name(key: str) -> str:
    return _APART.sub("_", key.strip(_MARKS).casefold())
