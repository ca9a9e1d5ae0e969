"""Where a judge's reply calls a tool, in one of three forms. What it wrote behind a call, without the result, is cut off.

| form | written as |
|---|---|
| `action` | a line `Action: NAME[INPUT]`, or `Action: NAME` and below it `Action Input: INPUT` |
| `code` | a fenced block that names the language: ```` ```python ```` or ```` ```sql ```` |
| `json` | `{"tool": "NAME", "input": "..."}` between `<tool_call>` and `</tool_call>`, or alone in a fenced block |
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from judge.recipe.parts import ToolForm

STOPS: dict[ToolForm, tuple[str, ...]] = {"action": ("\nObservation:",), "code": ("```output",), "json": ("</tool_call>",)}
_ACTION = re.compile(r"^[ \t*]{0,4}Action[ \t*]{0,4}:[ \t*]{0,4}(\w{1,64})[ \t]{0,4}", re.MULTILINE | re.IGNORECASE)
_INPUT = re.compile(r"\s{0,8}\**Action Input\**[ \t]*:[ \t]*", re.IGNORECASE)
_BLOCK = re.compile(r"^[ \t]*```[ \t]*(\w{1,20})[^\n]{0,40}\n", re.MULTILINE)
_JSON = re.compile(r"<tool_call>|^[ \t]*```(?:json|tool_call)?[ \t]*\n(?=\s{0,20}\{)", re.MULTILINE)
_LANGUAGES = {"python": "python", "py": "python", "python3": "python", "sql": "sql", "sqlite": "sql"}
_CLOSING = {"[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call.

    Attributes:
        said: The reply up to its end.
        name: Of the tool, as the judge wrote it.
        problem: Why it cannot be run; empty where it can.
    """

    said: str
    name: str
    given: str = ""
    problem: str = ""


def find_call(text: str, form: ToolForm, tools: Collection[str]) -> ToolCall | None:
    """The first call of a reply; None where it calls nothing.

    Example:
        >>> find_call("Let me see.\\nAction: calculator[2+2]\\nObservation: 5", "action", ["calculator"]).given
        '2+2'
        >>> find_call("```python\\nprint(1)\\n```", "code", ["python"]).given
        'print(1)'
        >>> find_call("The score is 4.", "json", ["python"]) is None
        True
    """
    found = {"action": _action, "code": _code, "json": _json}[form](text, tools)
    if found is None or found.problem or found.name in tools:
        return found
    return ToolCall(found.said, found.name, problem=f"there is no tool `{found.name}`; there are: {', '.join(tools)}")


def _action(text: str, tools: Collection[str]) -> ToolCall | None:
    found = _ACTION.search(text)
    if found is None:
        return None
    at = found.end()
    if text[at : at + 1] in _CLOSING:
        end = _matching(text, at)
        if end is None:
            return ToolCall(text, found[1], problem=f"`Action: {found[1]}{text[at]}` is not closed")
        return ToolCall(text[: end + 1], found[1], text[at + 1 : end].strip())
    line = text.find("\n", at)
    behind = _INPUT.match(text, line if line >= 0 else len(text))
    if behind is None:
        return ToolCall(text[: line if line >= 0 else len(text)], found[1], problem=f"write it as `Action: {found[1]}[INPUT]`")
    end = next((m for mark in ("\nObservation", "\nThought", "\nAction") if (m := text.find(mark, behind.end())) >= 0), len(text))
    return ToolCall(text[:end].rstrip(), found[1], text[behind.end() : end].strip())


def _matching(text: str, at: int) -> int | None:
    """Where the bracket that opens at a place is closed."""
    opening, closing, depth = text[at], _CLOSING[text[at]], 0
    for place in range(at, len(text)):
        depth += (text[place] == opening) - (text[place] == closing)
        if depth == 0:
            return place
    return None


def _code(text: str, tools: Collection[str]) -> ToolCall | None:
    for block in _BLOCK.finditer(text):
        name = _LANGUAGES.get(block[1].lower())
        if name is None or name not in tools:
            continue
        end = text.find("```", block.end())
        if end < 0:
            return ToolCall(text, name, problem="the code block is not closed")
        return ToolCall(text[: end + 3], name, text[block.end() : end].strip("\n"))
    return None


def _json(text: str, tools: Collection[str]) -> ToolCall | None:
    found = _JSON.search(text)
    if found is None:
        return None
    closing = "</tool_call>" if found[0] == "<tool_call>" else "```"
    end = text.find(closing, found.end())
    body = text[found.end() : end if end >= 0 else len(text)]
    said = text[: end + len(closing)] if end >= 0 else text
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict) or not isinstance(call.get("tool", call.get("name")), str):
        if closing == "```":
            return None  # some other JSON
        return ToolCall(said, "", problem='a call is written {"tool": "NAME", "input": "..."}')
    given = call.get("input", call.get("arguments", ""))
    return ToolCall(said, str(call.get("tool", call.get("name"))), given if isinstance(given, str) else json.dumps(given))
