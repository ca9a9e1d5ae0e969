"""The tools there are, and functions of one's own under a name.

A tool gets the text that the judge wrote for it, and gives a text. It may block: it is run in a thread. One that fails says so in
the observation, and the judge goes on; what it must never do is end the run.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.errors import SettingsError, did_you_mean
from judge.imported import imported
from judge.settings.tools import ToolSettings
from judge.tools.calculator import calculate
from judge.tools.child import Limits, Ran, run_limited
from judge.tools.lookups import dates, passages
from judge.types import Sample

ToolFunction = Callable[[str, Sample], str | Awaitable[str]]
_SQL = """
import json, sqlite3
database = sqlite3.connect(":memory:")
database.executescript(DATA["schema"])
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY)
out = []
for query in DATA["queries"]:
    try:
        rows = database.execute(query).fetchmany(DATA["most"] + 1)
        out.append({"rows": [[v if not isinstance(v, bytes) else v.hex() for v in row] for row in rows]})
    except (sqlite3.Error, sqlite3.Warning, ValueError) as why:
        out.append({"error": f"{type(why).__name__}: {why}"})
print(json.dumps(out))
"""
MOST_ROWS = 50  # that a judge is shown
SCHEMA_WORDS = ("create table", "insert into")


class ToolFailed(Exception):
    """A tool has no result; the text says why, for the judge to read."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        about: What it does, for the judge.
        example: What is written as its input.
    """

    name: str
    about: str
    example: str
    run: ToolFunction

    def view(self) -> dict[str, str]:
        """What a template may say of it."""
        return {"name": self.name, "about": self.about, "example": self.example}


def find_tools(names: Sequence[str], settings: ToolSettings) -> dict[str, Tool]:
    """The tools that a recipe names.

    Raises:
        SettingsError: There is none of that name, or its function cannot be imported.
    """
    limits = Limits(settings.seconds, settings.memory_mb, settings.output_chars)
    known = {tool.name: tool for tool in _own(limits)}
    for name, path in settings.functions.items():
        known[name] = _imported(name, path)
    for name in names:
        if name not in known:
            near = did_you_mean(name, known) or f"; there are: {', '.join(known)}"
            raise SettingsError(
                f"no tool `{name}`{near}; give one of your own as `tools: {{functions: {{{name}: module:name}}}}`"
            )
    return {name: known[name] for name in names}


def _imported(name: str, path: str) -> Tool:
    function = imported(path, lambda why: SettingsError(f"tools.functions.{name} {why}"))
    if not callable(function):
        raise SettingsError(f"tools.functions.{name}: `{path}` is not callable")
    about = " ".join((inspect.getdoc(function) or "a function of this installation").split())[:300]
    return Tool(name, about, "...", function)


async def use(tool: Tool, given: str, sample: Sample) -> str:
    """What a tool gives for an input. Raises `ToolFailed` where it has no result, whatever it raised itself."""
    try:
        if inspect.iscoroutinefunction(tool.run):
            return str(await tool.run(given, sample))
        return str(await asyncio.to_thread(tool.run, given, sample))
    except ToolFailed:
        raise
    except Exception as why:  # noqa: BLE001  # a tool may raise anything, and one judgement must not stop the run
        raise ToolFailed(f"{type(why).__name__}: {why}"[:500]) from None


def _own(limits: Limits) -> list[Tool]:
    def arithmetic(given: str, _: Sample) -> str:
        try:
            return calculate(given)
        except ValueError as why:
            raise ToolFailed(str(why)) from None

    def python(given: str, _: Sample) -> str:
        ran = run_limited(given, None, limits)
        if ran.status != "ok":
            raise ToolFailed(ran.told)
        return ran.told

    def calendar(given: str, _: Sample) -> str:
        try:
            return dates(given)
        except ValueError as why:
            raise ToolFailed(str(why)) from None

    def documents(given: str, sample: Sample) -> str:
        return passages(given, sample.context)

    def sql(given: str, sample: Sample) -> str:
        found = run_queries([given], schema_of(sample), limits)[0]
        if isinstance(found, str):
            raise ToolFailed(found)
        lines = [json.dumps(row, ensure_ascii=False) for row in found[:MOST_ROWS]]
        return "\n".join([*lines, *(["(more rows)"] if len(found) > MOST_ROWS else [])]) or "(no rows)"

    return [
        Tool("calculator", "computes an arithmetic expression", "(3 + 4) * 12 / 7", arithmetic),
        Tool("python", "runs Python and gives what it prints", "print(sum(range(10)))", python),
        Tool("calendar", "computes with dates", "2024-02-28 + 30 days", calendar),
        Tool("documents", "searches the documents given with the question", "who founded the town", documents),
        Tool("sql", "runs a SELECT on the tables given with the question", "SELECT count(*) FROM pets", sql),
    ]


TOOLS = tuple(tool.name for tool in _own(Limits()))
"""Names of the tools there are without functions of one's own."""


def schema_of(sample: Sample) -> str:
    """The statements of a sample's documents that build tables. Raises `ToolFailed` where there are none."""
    found = [text for text in sample.context if any(words in text.lower() for words in SCHEMA_WORDS)]
    if not found:
        raise ToolFailed("there are no tables: no document of the sample holds CREATE TABLE")
    return "\n".join(found)


def run_queries(queries: Sequence[str], schema: str, limits: Limits, most: int = MOST_ROWS) -> list[list[Any] | str]:
    """Run queries on a database in memory, in a limited process; nothing but reading is possible.

    Args:
        schema: Statements that build and fill the tables.
        most: Rows of one result that are kept; one more tells that there were more.

    Returns:
        The rows of each, or why there are none.

    Raises:
        ToolFailed: The tables cannot be built, or it took too long.
    """
    wide = Limits(limits.seconds, limits.memory_mb, 200_000)
    ran: Ran = run_limited(_SQL, {"schema": schema, "queries": list(queries), "most": most}, wide, sqlite=True)
    if ran.status != "ok":
        raise ToolFailed(ran.told[-500:])
    try:
        found: list[Mapping[str, Any]] = json.loads(ran.output)
    except ValueError:
        raise ToolFailed("the result is too large") from None
    return [each["rows"] if "rows" in each else str(each["error"]) for each in found]
