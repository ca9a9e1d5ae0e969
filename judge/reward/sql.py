"""Partial credit for a database query, so that a group in which none is right still has something to prefer.

- An execution match is 0 for nearly every early attempt. Names, fragments and syntax say who is nearer.
- All three are criteria of a rubric without a judge: `check: judge.reward.sql:schema_linking`. Weights are the rubric's, and the
  execution match and the judge's opinion stand beside them as criteria of their own.
- A query is compiled against an empty database in memory and never run; anything but reading is refused.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from judge.types import Sample

MAX_CHARS = 20_000  # of a query or schema; a longer one does not compile
_TOKEN = re.compile(
    r"--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\*?$)"  # comments; one that is not closed goes to the end, as in SQLite
    r"|'(?:[^']|'')*(?:'|$)"
    r'|"(?:[^"]|"")*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)'  # names in quotes
    r"|\w+|[^\w\s]"
)
_FENCE = re.compile(r"```|~~~")
_LANGUAGE = re.compile(r"\s*(?:\w{0,10}sql(?:ite)?\d?|postgres|duckdb|bigquery|snowflake)(?=\s)", re.IGNORECASE)
_BEGINS = (["select"], ["with"], ["values"])
_READS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))
_BUILDS = frozenset((sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_READ))
_CATALOGUE = ("sqlite_master", "sqlite_schema", "sqlite_sequence")


def linked(query: str, reference: str, names: frozenset[str]) -> float | None:
    """Jaccard similarity of the tables and columns that two queries name: shared / named by either.

    "Reasoning-SQL: Reinforcement Learning with SQL Tailored Partial Rewards" (arXiv:2503.23157), schema linking. The abstract
    names the reward; the form is ours. Comments, names given by `AS` and texts in quotes name nothing.

    Args:
        names: Tables and columns that exist, in lower case.

    Returns:
        In [0, 1]; None when the reference names nothing of the schema.

    Example:
        >>> linked("SELECT name FROM pets", "SELECT name, age FROM pets", frozenset(("pets", "name", "age")))
        0.666...
    """
    wanted, found = (_named(tokens(q)) & names for q in (reference, query))
    return len(wanted & found) / len(wanted | found) if wanted else None


def _named(query: list[str]) -> set[str]:
    """Tokens but for those that `AS` makes a name of: `1 AS age` reads no `age`."""
    follows = [*query[1:], ""]
    return {t for before, t, after in zip(["", *query], query, follows, strict=False) if before != "as" or after == "("}


def shared_ngrams(query: str, reference: str, n: int = 2) -> float | None:
    """Jaccard similarity of the token n-grams of two queries.

    Reasoning-SQL (arXiv:2503.23157), n-gram similarity; the form is ours, as for `linked`.

    Returns:
        In [0, 1]; None when the reference is shorter than n tokens.

    Example:
        >>> shared_ngrams("select a from t", "SELECT b FROM t")  # of 5 different pairs, `from t` is shared
        0.2
    """
    wanted, found = (set(zip(*(tokens(q)[k:] for k in range(n)), strict=False)) for q in (reference, query))
    return len(wanted & found) / len(wanted | found) if wanted else None


def compiles(query: str, schema: str) -> bool:
    """Whether a query is one reading statement that SQLite accepts against a schema. Nothing is run.

    Reasoning-SQL (arXiv:2503.23157), syntax check. Ours: SQLite's dialect, on an empty database, so no data is needed.

    Args:
        schema: `CREATE TABLE` statements.

    Raises:
        ValueError: The schema itself is not accepted.

    Example:
        >>> queries = ("SELECT name FROM pets", "SELECT age FROM pets", "DROP TABLE pets")
        >>> [compiles(query, "CREATE TABLE pets (name)") for query in queries]
        [True, False, False]
    """
    return _tables_read(query, schema) is not None


def _tables_read(query: str, schema: str) -> set[str] | None:
    """The tables of a schema that a query reads, in lower case; None where SQLite does not accept the query."""
    if len(query) > MAX_CHARS or tokens(query)[:1] not in _BEGINS:
        return None
    read: set[str] = set()

    def reading(action: int, table: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and table:
            read.add(table.lower())
        return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY

    with _Empty(schema) as database:
        tables = {str(name).lower() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        database.set_authorizer(reading)
        try:
            database.execute(f"EXPLAIN {query}")
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return None
    return read & tables


def schema_names(schema: str) -> frozenset[str]:
    """Tables and columns of a schema, in lower case.

    Example:
        >>> sorted(schema_names("CREATE TABLE Pets (name TEXT, age INTEGER)"))
        ['age', 'name', 'pets']
    """
    with _Empty(schema) as database:
        rows = database.execute("SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'")
        return frozenset(str(name).lower() for row in rows for name in row)


def tokens(query: str) -> list[str]:
    """Words, signs and quoted texts of a query, without comments; words, and names in quotes, in lower case.

    Example:
        >>> tokens("SELECT a -- all\\n FROM t WHERE b='It''s'"), tokens('SELECT "Full Name"')
        (['select', 'a', 'from', 't', 'where', 'b', '=', "'It''s'"], ['select', 'full name'])
    """
    found = (t for t in _TOKEN.findall(query[:MAX_CHARS]) if not t.startswith(("--", "/*")))
    return [t if t[0] == "'" else t.strip('"`[]').lower() if len(t) > 1 else t.lower() for t in found]


def stated_query(text: str) -> str:
    """The query of a response: its last code block that begins as one, else its last code block, else all of it.

    Example:
        >>> fence = "`" * 3
        >>> stated_query(f"So: {fence}sqlite\\nSELECT 1\\n{fence}"), stated_query("SELECT 1")
        ('SELECT 1', 'SELECT 1')
    """
    blocks = [_without_language(block) for block in _FENCE.split(text)[1::2]]
    queries = [block for block in blocks if tokens(block)[:1] in _BEGINS]
    return (queries or blocks or [text.strip()])[-1]


def _without_language(block: str) -> str:
    """A code block without the name of its language on the line of the fence."""
    first, _, rest = block.partition("\n")
    if rest.strip() and re.fullmatch(r"[ \t]*[\w.+#-]{0,20}[ \t]*", first) and [first.strip().lower()] not in _BEGINS:
        return rest.strip()
    return _LANGUAGE.sub("", block, count=1).strip() if _LANGUAGE.match(block) else block.strip()


def schema_linking(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """Check: `linked`. `CREATE TABLE` statements: `args.schema`, or the documents of the sample's `context` that hold some."""
    if sample.reference is None:
        return None
    query, names = stated_query(sample.texts[index]), schema_names(_schema(sample, args))
    return _best(linked(query, reference, names) for reference in sample.reference)


def ngrams(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """Check: `shared_ngrams` with the reference; `args.n` (default 2)."""
    if sample.reference is None:
        return None
    query = stated_query(sample.texts[index])
    return _best(shared_ngrams(query, reference, int(args.get("n", 2))) for reference in sample.reference)


def _best(scores: Iterable[float | None]) -> float | None:
    """Of several references the nearest counts."""
    return max((score for score in scores if score is not None), default=None)


def syntax(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """Check: `compiles`, and it reads a table where a reference does; the schema as in `schema_linking`."""
    schema = _schema(sample, args)
    read = _tables_read(stated_query(sample.texts[index]), schema)
    if read is None:
        return 0.0
    return float(bool(read) or not any(_tables_read(reference, schema) for reference in sample.reference or ()))


def _schema(sample: Sample, args: Mapping[str, Any]) -> str:
    given = args.get("schema")
    found = [given] if isinstance(given, str) else [text for text in sample.context if "create table" in text.lower()]
    if not found:
        raise ValueError(
            f"sample `{sample.id}` has no CREATE TABLE statements in its `context`, and the criterion no `args.schema`"
        )
    return "\n".join(found)


class _Empty:
    """A database in memory that has the tables of a schema and no rows."""

    def __init__(self, schema: str) -> None:
        if len(schema) > MAX_CHARS:
            raise ValueError(f"the schema has {len(schema)} characters, more than {MAX_CHARS}")
        self._schema = schema

    def __enter__(self) -> sqlite3.Connection:
        self._database = sqlite3.connect(":memory:")
        self._database.set_authorizer(_building)
        try:
            self._database.executescript(self._schema)
        except (sqlite3.Error, ValueError) as why:
            self._database.close()
            raise ValueError(f"the schema is not accepted: {why}") from None
        self._database.set_authorizer(None)
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _building(action: int, table: str | None, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _BUILDS or table in _CATALOGUE else sqlite3.SQLITE_DENY
