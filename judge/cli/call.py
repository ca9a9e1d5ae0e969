"""`judge call`: the exact request of a judge call of a run, and the reply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.requests import KnownRequest, find_request
from judge.batch.select.folder import read_facts
from judge.cli.options import say
from judge.errors import DataError, InputError, Problem
from judge.types import Sampling

_SHOWN = 50  # calls in the list


def call(
    folder: Annotated[Path, typer.Argument(help="Output directory of `judge run`.", metavar="DIR")],
    request: Annotated[
        str, typer.Argument(help="request_hash of a call, or its beginning. [default: list the calls]", metavar="HASH")
    ] = "",
    item: Annotated[str, typer.Option("--item", help="List the calls of this row only.", metavar="ID", show_default=False)] = "",
    body: Annotated[
        bool, typer.Option("--json", help="Print the body to post to /v1/chat/completions, and nothing else. [default: off]")
    ] = False,
) -> None:
    """Print the exact request of a judge call: model, sampling, seed, output constraint and messages, and what the judge replied.

    Without a hash, the calls are listed with their hashes.

    \b
    Examples:
      judge call runs/quickstart
      judge call runs/quickstart --item 3
      judge call runs/quickstart 5f0c2a
      judge call runs/quickstart 5f0c2a --json \\
          | curl $URL/v1/chat/completions -d @- \\
          -H 'Content-Type: application/json'

    Exit codes: 0 done, 2 no such call, or no requests in the directory.
    """
    if not request:
        _list(folder, item)
        return
    known = find_request(folder, request)
    if body:
        if known.request.scored is not None or known.request.rated:
            raise InputError(f"call {known.key} asked for a number, not for a reply: it has no body of a chat completion")
        print(_body(folder, known))
        return
    _print(known)
    reply = next((row for row in _verdicts(folder) if row["request_hash"] == known.key), None)
    if reply is not None:
        say(f"--- the judge's reply ({reply['finish_reason']}{', ' + reply['error'] if reply['error'] else ''})")
        say(reply["raw_text"], exact=True)
        say(f"--- {_outcome(reply)}")


def _print(known: KnownRequest) -> None:
    sampling, structured = known.request.sampling, known.request.structured
    print(f"=== {known.key}")
    print(
        f"    model {known.model}, seed {sampling.seed}, temperature {sampling.temperature:g}, top_p {sampling.top_p:g},", end=""
    )
    rare, plain = ("min_p", "repetition_penalty", "presence_penalty"), Sampling()
    said = "".join(f" {n} {value:g}," for n in rare if (value := getattr(sampling, n)) != getattr(plain, n))
    print(f" top_k {sampling.top_k},{said} at most {sampling.max_tokens} tokens, stop {list(sampling.stop)}")
    if structured is not None:
        limit = list(structured.choice) or structured.regex or structured.json_schema
        print(f"    the reply must be {limit}")
    for message in known.request.messages:
        print(f"--- {message.role}")
        say(message.text, exact=True)
    if known.request.scored is not None:
        print("--- scored: how likely is this text next")
        say(known.request.scored, exact=True)


def _list(folder: Path, item: str) -> None:
    rows = [row for row in _verdicts(folder) if not item or row["id"] == item]
    if not rows:
        raise InputError(f"{folder}: no judge call" + (f" of the row `{item}`" if item else ""))
    for row in rows[:_SHOWN]:
        what = ", ".join(row["criteria"]) or "-"
        say(f"{row['request_hash']}  {row['id']}  {row['turn']}  {what}  vote {row['vote']}  {_outcome(row)}")
    if len(rows) > _SHOWN:
        print(f"and {len(rows) - _SHOWN:,} more (--item ID lists those of one row)")


def _outcome(row: dict[str, Any]) -> str:
    if row["value"] is not None:
        return f"verdict {row['value']}"
    return f"no verdict: {row['reason']}" if row["reason"] else "a turn without a verdict"


def _verdicts(folder: Path) -> list[dict[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that `judge --help` need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = folder / "verdicts.parquet"
    if not path.is_file():
        raise DataError(Problem(str(folder), "no verdicts.parquet here: not a folder of `judge run`"))
    names = ["id", "request_hash", "turn", "criteria", "vote", "value", "reason", "raw_text", "finish_reason", "error"]
    try:
        return list(pq.read_table(path, columns=names).to_pylist())
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None


def _body(folder: Path, known: KnownRequest) -> str:
    """The body as the run's engine sent it; of an engine in process, as vLLM's server takes it."""
    from judge.engine.wire import CannotSay, Dialect, Wire  # noqa: PLC0415  # only here

    facts = read_facts(folder)
    engines = [{"model": facts.get("model"), **facts.get("engine", {})}, *facts.get("other_engines", [])]
    own: dict[str, str] = next((engine for engine in engines if engine.get("model") == known.model), {})
    wire = Wire(
        known.model,
        Dialect(own.get("dialect", "vllm")),
        extra_body=json.loads(own.get("extra_body", "{}")),
        omit=[name for name in own.get("omit", "").split(",") if name],
        system_role=own.get("system_role") != "user",
    )
    try:
        return wire.encode(known.request).decode()
    except CannotSay as why:
        raise InputError(f"{known.key}: {why}") from None
