"""`judge show`: the exact messages a judge would get, without a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated

import typer

from judge.cli.options import Config, Data, DataConfigName, Map, Set, SplitOption, find_item, load_plan, say
from judge.pipeline.preview import Preview, previews
from judge.types import Message


def show(
    config: Config,
    data: Data,
    item: Annotated[str, typer.Option("--item", help="Id of the row, or its position from 0.", metavar="ID")],
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every call of the item; by default the first, and what differs in the others.")
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Count tokens with the judge's tokenizer (loads it, not the model).")
    ] = False,
) -> None:
    """Print the exact messages of one item, turn by turn, and what the verdict may be. No model is loaded.

    Later turns are shown with a placeholder where the judge's earlier reply will stand.

    \b
    Examples:
      judge show examples/quickstart.yaml --data examples/quickstart.jsonl \\
          --item 0
      judge show examples/quickstart.yaml --data examples/quickstart.jsonl \\
          --item 0 --all --tokens

    Exit codes: 0 done, 2 wrong input, 3 tokenizer cannot be loaded.
    """
    plan = load_plan(config, overrides)
    sample = find_item(data, mapping, split, item, config=subset)
    calls = previews(plan, sample)
    count = cache(_counter) if tokens else None
    if not calls:
        print("no judge call: a filter or a program decides this item")
        return
    for number, call in enumerate(calls if everything else calls[:1], 1):
        _print(number, len(calls), call, count)
    if not everything and len(calls) > 1:
        print(f"{len(calls) - 1} more calls (--all shows them):")
        for call in calls[1:]:
            say(f"  {call.title}")


def _print(number: int, of: int, call: Preview, count: Callable[[str], Callable[[tuple[Message, ...]], int]] | None) -> None:
    say(f"=== call {number} of {of}: {call.title}")
    sampling = f"seed {call.sampling.seed}, temperature {call.sampling.temperature:g}, at most {call.sampling.max_tokens} tokens"
    print(f"    {sampling}")
    if count is not None:
        print(f"    {count(call.model)(call.messages):,} prompt tokens")
    for message in call.messages:
        print(f"--- {message.role}")
        say(message.text, exact=True)
    print(f"--- the verdict may be: {call.allowed}")
    print()


def _counter(model: str) -> Callable[[tuple[Message, ...]], int]:
    from judge.engine.chat_template import ChatTokenizer  # noqa: PLC0415  # transformers, only when tokens are wanted
    from judge.engine.models import resolve_model  # noqa: PLC0415

    return ChatTokenizer.load(resolve_model(model)).count
