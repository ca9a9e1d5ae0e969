"""`judge report` and `judge look`: what a run rewarded and why, as a page and for one item in the terminal."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.cli.options import notice
from judge.errors import InputError, OutputError, Problem, did_you_mean
from judge.report.html import Html
from judge.report.run_tables import load_tables
from judge.report.text import json_text, printable

WIDTH = 80
RunFolder = Annotated[str, typer.Argument(help="Run folder, as `judge run --output` made it.", metavar="RUN")]


def report(
    runs: Annotated[list[str], typer.Argument(help="Run folders; several are set side by side.", metavar="RUN...")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", help="File to write. [default: report.html in the first run folder]", metavar="FILE", show_default=False
        ),
    ] = None,
    items: Annotated[int, typer.Option("--items", help="Responses that the page holds.", metavar="N", min=0)] = 5_000,
    svg: Annotated[
        str | None,
        typer.Option("--svg", help="Also write every plot as an SVG file to this directory.", metavar="DIR", show_default=False),
    ] = None,
    png: Annotated[
        str | None,
        typer.Option(
            "--png", help="The same as PNG files; needs matplotlib (extra `report`).", metavar="DIR", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON; write no page.")] = False,
) -> None:
    """Write one HTML page about one or several runs: findings, plots, failures, cost, and every response to look at.

    The page needs no network and can be sent to somebody as it is. With several runs, disagreements come first. The directory
    that a training run wrote (`record:` in its settings) gives curves over steps.

    \b
    Examples:
      judge report runs/a
      judge report runs/a runs/b --output compare.html
      judge report runs/a --svg plots/ --png plots/

    Exit codes: 0 done, 2 wrong input, 4 the page cannot be written.
    """
    from judge.report.findings import findings  # noqa: PLC0415  # numpy, only here
    from judge.report.run_page import plot_files, run_page  # noqa: PLC0415
    from judge.report.training import step_plots, steps, steps_page  # noqa: PLC0415

    folders = [Path(run) for run in runs]
    if all(steps(folder) and not (folder / "rewards.parquet").exists() for folder in folders):
        path = Path(output) if output else folders[0] / "report.html"
        _write(path, steps_page(folders))
        _write_plots(step_plots(folders), svg, png)
        print(path)
        return
    tables = [load_tables(run) for run in runs]
    if as_json:
        print(_as_json({str(t.folder): findings(t) for t in tables}))
        return
    path = Path(output) if output else tables[0].folder / "report.html"
    _write(path, run_page(tables, most=items))
    _write_plots(plot_files(tables) if svg or png else {}, svg, png)
    for t in tables:
        for found in findings(t):
            if found.tone in ("bad", "warn"):
                notice(f"{t.folder}: {found.text}")
    print(path)


def look(
    run: RunFolder,
    item: Annotated[str, typer.Option("--item", help="Id of the row, or its position from 0.", metavar="ID")],
    response: Annotated[
        int | None, typer.Option("--response", help="Only this response, from 0. [default: all]", metavar="N", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the item as JSON.")] = False,
) -> None:
    """Print one item of a run: prompt, response, what the judge said, the verdict and how the reward was computed.

    Characters that steer a terminal or that hide are shown as escapes, such as \\u001b, also in --json.

    \b
    Examples:
      judge look runs/a --item q0
      judge look runs/a --item 17 --response 1 --json

    Exit codes: 0 done, 2 wrong input.
    """
    from judge.report.items import item as find  # noqa: PLC0415

    tables = load_tables(run)
    found = [d for d in find(tables, item) if response is None or d["response_index"] == response]
    if not found:
        ids = tables.columns(["id"])["id"].to_pylist()
        near = did_you_mean(item, ids[:2000]) or f"; positions go from 0 to {max(0, len(set(ids)) - 1)}"
        what = (
            f"item `{item}` has no response {response}" if response is not None else f"no item with the id or position `{item}`"
        )
        raise InputError(Problem(run, f"{what}{near}"))
    if as_json:
        print(json_text(found, indent=2))
        return
    for each in found:
        for line in map(printable, _lines(each)):
            folded = sys.stdout.isatty() or (line.startswith(("    ", "---", "===")) and "\n" not in line)
            print(fold_text(line) if folded else line)


def fold_text(text: str) -> str:
    """Text with no line over 80 columns, broken between words; its own line ends stay.

    Example:
        >>> print(fold_text("    a: " + "word " * 18))
            a: word word word word word word word word word word word word word word
              word word word word
    """
    return "\n".join(_folded(line) for line in text.split("\n"))


def _folded(line: str) -> str:
    if len(line) <= WIDTH:
        return line
    indent = line[: len(line) - len(line.lstrip(" "))]
    more = indent + "  " if 0 < len(indent) < WIDTH // 2 else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=more, replace_whitespace=False, expand_tabs=False,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _lines(d: dict[str, Any]) -> list[str]:
    raw = f" (raw reward {_number(d['raw_reward'])})" if d["raw_reward"] != d["reward"] else ""
    out = [f"=== {d['id']}[{d['response_index']}]  reward {_number(d['reward'])}{raw}  {d['status']}"]
    if d["reason"]:
        out.append(f"    {d['reason']}: {d['detail'] or ''}")
    if d["explanation"]:
        out.append(f"    {d['explanation']}")
    out += [f"    {name}: {_number(value)}" for name, value in d["components"] if name != "overall"]
    out += [f"    after `{name}`: {_number(value)}" for name, value in d["stages"]]
    out += [f"    flag {name}: {detail}" for name, detail in d["flags"]]
    out += [f"    {name}: {value}" for name, value in d["data"].items()]
    out += ["--- prompt", d["prompt"] or "(not kept)", "--- response", d["response"] or "(not kept)"]
    for call in d["calls"]:
        named = [f"turn {call['turn']}", *(call["criteria"] or ()), f"vote {call['vote']}"]
        if len(call["order"] or ()) > 1:
            named.append("order " + ", ".join(map(str, call["order"])))
        said = (
            f"{call['reason']}: {call['detail']}"
            if call["reason"]
            else f"verdict {call['value']}"
            if call["value"]
            else "no verdict asked for"
        )
        forced = ", asked for alone" if call["forced"] else ""
        out += [f"--- judge, {', '.join(named)}: {said}{forced}", call["text"] or "(nothing)"]
    return [*out, ""]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _as_json(found: dict[str, Any]) -> str:
    from dataclasses import asdict  # noqa: PLC0415

    return json_text({run: [asdict(f) for f in each] for run, each in found.items()}, indent=2)


def _write_plots(plots: dict[str, str], svg: str | None, png: str | None) -> None:
    """Each plot as the files that are wanted."""
    from judge.report.plots import standalone  # noqa: PLC0415  # numpy, only here
    from judge.report.png import png_bytes  # noqa: PLC0415

    for name, plot in plots.items():
        if svg:
            _write(Path(svg) / f"{name}.svg", standalone(Html(plot)))
        if png:
            _write(Path(png) / f"{name}.png", png_bytes(plot))


def _write(path: Path, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".partial")
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror or why}; the run folder is as it was") from None
