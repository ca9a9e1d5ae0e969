"""One row -> the raw values of a sample's fields: by `--map`, by a known layout, or by the fields' own names, in this order.

- A column that `--map` gives to one field is not read as another, and one that it names wins over all other names.
- `--map` takes dotted paths: `reward_model.ground_truth`, `messages.0.content`, `answers.*.text` (each of a list).
- Prompt and response may stand in one conversation: `messages`, a transcript, or both sides of a pair (TRL's implicit prompt).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from judge.batch.layouts import DataRow, RowLayout, layout_of
from judge.conversation import read_conversation, read_prompt, read_response, split_conversation
from judge.errors import DataError, InputError, did_you_mean
from judge.jsonfile import parse_json
from judge.labels import preferred
from judge.reference import is_missing, reference_in
from judge.types import Conversation
from judge.yamlfile import shown

FIELDS = (
    "prompt", "response", "responses", "response_a", "response_b", "chosen", "rejected", "messages", "reference", "context",
    "rubric", "principle", "steps", "exemplar", "id", "group", "label",
)  # fmt: skip
ROW = "fields."  # before the name of a further column that the recipe shows the judge (`needs.fields`)
PAIRS = (("response_a", "response_b"), ("chosen", "rejected"))
ANSWERS = ("responses", "response", "response_a", "response_b", "chosen", "rejected", "messages")
MESSAGES = ("messages", "conversation", "conversations", "dialogue", "trajectory")
NOTHING = object()  # no such column, or no such place in it


def parse_map(pairs: Iterable[str]) -> dict[str, str]:
    """`prompt=question,response=answer` -> {"prompt": "question", "response": "answer"}. `context=` leaves a field out.

    Raises:
        DataError: Not FIELD=COLUMN, or no such field.
    """
    out: dict[str, str] = {}
    for part in (p for text in pairs for p in text.split(",") if p.strip()):
        name, equals, column = (x.strip() for x in part.partition("="))
        if not equals:
            raise DataError(f"--map {part}: expected FIELD=COLUMN, for example prompt=question (context= leaves a field out)")
        if name not in FIELDS and not (name.startswith(ROW) and name != ROW):
            raise DataError(f"--map {part}: no field `{name}`{did_you_mean(name, FIELDS) or '; fields: ' + ', '.join(FIELDS)}")
        out[name] = column
    return out


def at(row: DataRow, path: str) -> Any:
    """What stands at a path of a row; `NOTHING` where there is no such place.

    Example:
        >>> row = {"a.b": 1, "c": {"d": [{"e": 2}, {"e": 3}]}, "f": '{"g": 4}'}
        >>> at(row, "a.b"), at(row, "c.d.1.e"), at(row, "c.d.*.e"), at(row, "f.g"), at(row, "c.x") is NOTHING
        (1, 3, [2, 3], 4, True)
    """
    if path in row:
        return row[path]
    if "+" in path or "," in path:
        return _several(row, path)
    return _inside(row, path.split("."))


def _several(row: DataRow, path: str) -> Any:
    """`instruction+input`: texts put together; `a,b`: a list of what is there."""
    if "," in path:
        return [value for part in path.split(",") if part and (value := at(row, part)) is not NOTHING]
    found = [value for part in path.split("+") if (value := at(row, part)) is not NOTHING and not is_missing(value)]
    return "\n\n".join(map(str, found)) if found else NOTHING


def _inside(value: Any, steps: list[str]) -> Any:
    for index, step in enumerate(steps):
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            value = parsed(value)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if step == "*" and isinstance(value, list | tuple):
            found = [_inside(part, steps[index + 1 :]) for part in value]
            return [part for part in found if part is not NOTHING] if steps[index + 1 :] else list(value)
        if isinstance(value, Mapping):
            rest = ".".join(steps[index:])
            if rest in value:
                return value[rest]
            value = value.get(step, NOTHING)
        elif isinstance(value, list | tuple) and step.lstrip("-").isdigit():
            place = int(step)
            value = value[place] if -len(value) <= place < len(value) else NOTHING
        else:
            return NOTHING
        if value is NOTHING:
            return NOTHING
    return value


def top(row: Iterable[str], path: str) -> set[str]:
    """The columns that a path reads.

    Example:
        >>> sorted(top(["a.b", "c"], "a.b")), sorted(top(["c"], "c.d.0")), sorted(top(["a", "b"], "a+b"))
        (['a.b'], ['c'], ['a', 'b'])
    """
    if path in row:
        return {path}
    return {part.split(".")[0] for piece in path.split(",") for part in piece.split("+") if part}


class Fields:
    """The fields of one row under a mapping."""

    def __init__(self, row: DataRow, mapping: Mapping[str, str], *, cells: bool = False) -> None:
        self.row = row
        self.mapping = mapping
        self.layout: RowLayout | None = layout_of(frozenset(map(str, row)))
        self._taken = frozenset(c for path in mapping.values() for c in top(row, path))
        if self.layout is not None and any(c in self._taken for c in self.layout.tells if mapping):
            kept = {f for f, path in mapping.items() if f in self.layout.fields and self.layout.fields[f] == path}
            self.layout = self.layout if len(kept) == len(mapping) else self._without_taken(self.layout)
        self._made: Mapping[str, Any] | None = None
        self._used = frozenset(c for path in self.layout.fields.values() for c in top(row, path)) if self.layout else frozenset()
        self._cells = cells
        self._simple = not mapping and self.layout is None

    def _without_taken(self, layout: RowLayout) -> RowLayout:
        """A layout whose columns were partly given to other fields says the rest only."""
        fields = {f: p for f, p in layout.fields.items() if not top(self.row, p) & self._taken}
        return RowLayout(layout.name, layout.tells, fields, layout.best)

    def raw(self, field: str) -> Any:
        """The value of a field as it stands, or `NOTHING`."""
        if self._simple and field not in ("messages", "reference") and not field.startswith(ROW):
            return self.row.get(field, NOTHING)
        if field in self.mapping or field.startswith(ROW):
            path = self.mapping.get(field, field.removeprefix(ROW))
            return at(self.row, path) if path else NOTHING
        if self.layout is not None and field in self.layout.makes and self.layout.read is not None:
            if self._made is None:
                try:
                    self._made = self.layout.read(self.row)
                except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                    raise DataError(
                        f"the columns are those of {self.layout.name}, and the row is not as that set has them"
                    ) from None
            return self._made.get(field, NOTHING)
        if self.layout is not None and field in self.layout.fields:
            return at(self.row, self.layout.fields[field])
        names = MESSAGES if field == "messages" else (field,)
        if field == "reference":  # the first one that holds something, as trainers' columns are read
            left = {n: v for n, v in self.row.items() if n not in self._taken and n not in self._used}
            return NOTHING if (found := reference_in(left)) is None else found
        name = next((n for n in names if n in self.row and n not in self._taken and n not in self._used), None)
        return NOTHING if name is None else self.row[name]

    def get(self, field: str) -> Any:
        """The value of a field; None where there is none. In a table of text, JSON in a cell is what it says."""
        value = self.raw(field)
        if value is NOTHING:
            return None
        return _cell(value, field) if self._cells and isinstance(value, str) else value

    def answers(self) -> tuple[str, ...]:
        """The fields in which the responses may be: those that `--map` or the layout names, else all."""
        named = [f for f in ANSWERS if self.mapping.get(f)]
        if not named and self.layout is not None:
            named = [f for f in ANSWERS if self.layout.has(f)]
        if not named:
            return ANSWERS
        partners = {other for pair in PAIRS for f in pair if f in named for other in pair}
        return tuple(f for f in ANSWERS if f in named or f in partners)


@dataclass(frozen=True, slots=True)
class AskedRow:
    """What is asked, what is answered, and what the data say about the answers."""

    prompt: str | Conversation
    responses: tuple[str | Conversation, ...]
    label: Any = None
    preferred: Any = None


def question_of(fields: Fields, *, answered: bool = True) -> AskedRow:
    """Prompt, responses and label of a row.

    Args:
        answered: False: a row may hold a prompt and no response.

    Raises:
        DataError, ValueError: They are not there, or neither text nor messages.
    """
    allowed = fields.answers()
    given = fields.get("prompt")
    prompt = None if is_missing(given) and not isinstance(given, str) else read_prompt(given)
    label, best = fields.get("label"), fields.layout.best if fields.layout is not None else ""
    label = None if is_missing(label) else label
    values, names, better = _values(fields, allowed)
    if better is not None and label is None:
        label = better
    if values is None and prompt is not None and not answered:
        return AskedRow(prompt, (), label, None)
    if values is None:
        found = None if prompt is not None and "messages" not in fields.mapping else fields.get("messages")
        if found is None and "messages" in allowed:
            found = fields.get("messages")
        if is_missing(found) or "messages" not in allowed:
            raise ValueError("`response` is null or missing")
        return _of_messages(prompt, found, label, fields)
    if prompt is None:
        messages = fields.get("messages")
        if not is_missing(messages) and "messages" in allowed:
            prompt = read_prompt(messages, "`messages`")
    if prompt is None:
        try:
            prompt, responses = _implicit(values, names)
        except DataError:
            if fields.raw("prompt") is NOTHING:
                raise
            read_prompt(given)  # says what is wrong with the prompt that is there
            raise
    else:
        responses = tuple(read_response(v, n, prompt=prompt) for v, n in zip(values, names, strict=True))
    said = better if better is not None else preferred(label, len(responses), best)
    return AskedRow(prompt, responses, label, said)


def _values(fields: Fields, allowed: tuple[str, ...]) -> tuple[list[Any] | None, list[str], Any]:
    """(the responses as they stand, what each is called, what their names say about them)."""
    many = fields.get("responses") if "responses" in allowed else None
    one = fields.get("response") if "response" in allowed else None
    if many is None and _is_several(one):
        many, one = one, None
    if many is not None:
        many = parsed(many) if isinstance(many, str) else many
        if hasattr(many, "tolist"):
            many = many.tolist()
        if not isinstance(many, list | tuple) or not many:
            raise ValueError(f"`responses` must be a list of texts, not {shown(many)}")
        return list(many), [f"`responses[{i}]`" for i in range(len(many))], None
    if one is not None:
        return [one], ["`response`"], None
    for first, second in PAIRS:
        a, b = (fields.get(first), fields.get(second)) if first in allowed else (None, None)
        if a is None and b is None:
            continue
        if first == "chosen" and (_is_several(a) or _is_several(b)):
            return _best_of(a, b)
        return [a, b], [f"`{first}`", f"`{second}`"], "A" if first == "chosen" else None
    return None, [], None


def _is_several(value: Any) -> bool:
    """Whether a value is a list of responses: of texts or of conversations, not one conversation."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, str | list) for v in value)


def _best_of(chosen: Any, rejected: Any) -> tuple[list[Any], list[str], Any]:
    """A list of right responses and one of wrong ones (RewardBench 2, RM-Bench): all of them, the right ones first."""
    good, bad = (list(v) if _is_several(v) else [] if v is None else [v] for v in (chosen, rejected))
    names = [f"`chosen[{i}]`" for i in range(len(good))] + [f"`rejected[{i}]`" for i in range(len(bad))]
    return [*good, *bad], names, "A" if len(good) == len(bad) == 1 else list(range(len(good)))


def _of_messages(prompt: str | Conversation | None, found: Any, label: Any, fields: Fields) -> AskedRow:
    """A whole conversation: the response is what follows the last turn of a user."""
    whole = read_conversation(found, "`messages`")
    if whole[-1].role not in ("assistant", "tool"):
        raise DataError("`messages` end with the user's turn, so there is no response")
    if prompt is not None:
        response: str | Conversation = read_response(whole, "`messages`", prompt=prompt)
    else:
        prompt, response = split_conversation(whole, "`messages`")
    return AskedRow(prompt, (response,), label, preferred(label, 1))


def _implicit(values: list[Any], names: list[str]) -> tuple[str | Conversation, tuple[str | Conversation, ...]]:
    """The prompt that all responses begin with, and what follows it in each."""
    whole = [read_conversation(v, n) for v, n in zip(values, names, strict=True)]
    if any(all(m.role == "user" for m in w) for w in whole):
        raise DataError("there is no `prompt`, and the responses hold none")
    shared = _common(whole)
    limit = min(len(w) - _tail(w) for w in whole)
    shared = min(shared, limit)
    while shared and whole[0][shared - 1].role in ("assistant", "tool"):
        shared -= 1
    if not shared:
        raise DataError("there is no `prompt`, and the responses do not begin with the same one")
    prompt = read_prompt(whole[0][:shared])
    return prompt, tuple(read_response(w[shared:], n) for w, n in zip(whole, names, strict=True))


def _common(whole: list[Conversation]) -> int:
    count = 0
    for turns in zip(*whole, strict=False):
        if any(turn != turns[0] for turn in turns):
            break
        count += 1
    return count


def _tail(whole: Conversation) -> int:
    """How many messages are the answer: from after the last turn of a user."""
    end = len(whole)
    while end and whole[end - 1].role not in ("assistant", "tool"):
        end -= 1
    start = end
    while start and whole[start - 1].role in ("assistant", "tool"):
        start -= 1
    return len(whole) - start


# ---- cells -----------------------------------------------------------------------------------------------------


def parsed(text: str) -> Any:
    """The value that a text is JSON of; else the text itself."""
    try:
        return parse_json(text, "", halves=True, nan_is_null=True) if text.lstrip()[:1] in ("{", "[") else text
    except InputError:
        return text


def _cell(text: str, field: str) -> Any:
    """A cell of a table of text. What a policy said stays text, whatever it looks like, unless it is a list of messages."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    value = parsed(text)
    if isinstance(value, str) and field in ("reference", "context", "steps") and text.lstrip()[:2] in ("['", '["'):
        value = _literal(text)  # how pandas writes a list
    if isinstance(value, list) and value and all(isinstance(m, dict) and m.keys() & {"role", "from"} for m in value):
        return value
    if field in ("response", "response_a", "response_b", "prompt", "principle", "exemplar", "id", "group"):
        return text
    if field in ("chosen", "rejected", "reference") and not (isinstance(value, list) and value and all(_filled(value))):
        return text
    return value


def _filled(value: list[Any]) -> Iterator[bool]:
    return (isinstance(part, str) and bool(part.strip()) for part in value)


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text.strip()) if len(text) < 100_000 else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else text
