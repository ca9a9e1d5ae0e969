"""Blocks -> one HTML page that needs nothing else: no font, no image, no network, and no script but one named by its hash.

- A report shows attack strings, so whatever is not already `Html` is escaped here, and the page forbids scripts and
  loading (content security policy) besides.
- It is read on a phone and at night: one column, tables that scroll, the reader's own light or dark colours.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

Tone = Literal["good", "bad", "warn", "plain"]


class Html(str):
    """Text that is markup already. Everything else is escaped."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """A value as markup: escaped, unless it is `Html`; None is empty."""
    if isinstance(value, Html):
        return value
    return Html("" if value is None else html.escape(str(value)))


def page(
    title: str,
    *blocks: object,
    footer: object = "",
    style: str = "",
    script: str = "",
    data: Sequence[tuple[str, str]] = (),
) -> str:
    """A whole page.

    Args:
        blocks: `Html` from the functions below; plain text becomes a paragraph.
        footer: What made the page: command, versions, seed.
        style: Rules besides the page's own.
        script: The one script that may run, named in the policy by its hash; empty: none may.
        data: Attributes and text of script elements that hold data and never run, in front of the script.

    Example:
        >>> page("<Report>", "1 < 2").count("&lt;")
        3
    """
    body = "\n".join(b if isinstance(b, Html) else paragraph(b) for b in blocks)
    name = html.escape(title)
    foot = f"<footer>{escaped(footer)}</footer>" if footer else ""
    allowed = f"; script-src '{_hash(script)}'" if script else ""
    held = "".join(f"<script {attributes}>{_inert(text)}</script>\n" for attributes, text in data)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'{allowed}\">"
        f"<title>{name}</title><style>{_STYLE}{style}</style></head>\n<body><main><h1>{name}</h1>\n{body}\n{foot}</main>\n{held}"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def _hash(script: str) -> str:
    """What a content security policy calls this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inert(text: str) -> str:
    """Text that cannot end the script element it stands in: in JSON, an escaped `<` is the same string."""
    return text.replace("<", "\\u003c")


def heading(text: object, level: int = 2) -> Html:
    """A heading of level 2 to 4."""
    return Html(f"<h{level}>{escaped(text)}</h{level}>")


def paragraph(text: object) -> Html:
    """A paragraph."""
    return Html(f"<p>{escaped(text)}</p>")


def headline(text: object, tone: Tone = "plain") -> Html:
    """The one line that a reader takes away."""
    return Html(f'<p class="headline {tone}">{escaped(text)}</p>')


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """Names and values side by side: what was run."""
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in pairs)
    return Html(f"<dl>{rows}</dl>")


def code(text: object) -> Html:
    """Text in the type of a terminal, breakable anywhere."""
    return Html(f"<code>{escaped(text)}</code>")


def badge(text: object, tone: Tone = "plain") -> Html:
    """A word on a coloured ground."""
    return Html(f'<span class="badge {tone}">{escaped(text)}</span>')


def details(summary: object, *blocks: object) -> Html:
    """Blocks that open on a click."""
    inner = "".join(b if isinstance(b, Html) else paragraph(b) for b in blocks)
    return Html(f"<details><summary>{escaped(summary)}</summary>{inner}</details>")


def bar(
    share: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    tone: Tone = "plain",
    text: str | None = None,
    full: float = 1.0,
) -> Html:
    """A share as a bar with its figure; the thin line is the interval.

    Args:
        share: In [0, full]; None or NaN draws a dash.
        low: Lower end of the interval, if any.
        high: Upper end.
        text: The figure in words; default: a percentage.
        full: What a whole bar means.
    """
    if share is None or math.isnan(share):
        return Html('<span class="none">–</span>')
    words = text if text is not None else f"{100 * share:.1f} %"
    interval = ""
    if low is not None and high is not None and not (math.isnan(low) or math.isnan(high)):
        left, right = _within(low / full), _within(high / full)
        interval = f'<i style="left:{left:.1f}%;width:{max(right - left, 0.8):.1f}%"></i>'
        words += f" [{100 * low:.1f}, {100 * high:.1f}]" if text is None else ""
    width = _within(share / full)
    return Html(
        f'<span class="bar {tone}"><span class="track"><b style="width:{width:.1f}%"></b>{interval}</span>'
        f"<span>{html.escape(words)}</span></span>"
    )


def _within(share: float) -> float:
    return 100 * min(1.0, max(0.0, share))


def worded(text: str) -> Html:
    """A sentence in which names stand between backticks."""
    parts = text.split("`")
    return Html("".join(code(p) if n % 2 and n < len(parts) - 1 else escaped(p) for n, p in enumerate(parts)))


def figure_row(drawn: Iterable[Html]) -> Html:
    """Plots side by side, each under its own title; empty ones are left out."""
    shown = (f"<figure><figcaption>{_title(p)}</figcaption>{p}</figure>" for p in drawn if p)
    return Html(f'<div class="plots">{"".join(shown)}</div>')


def _title(plot: Html) -> str:
    """The title of a plot, which is markup already."""
    return plot.partition("<title>")[2].partition("</title>")[0]


@cache
def asset(name: str) -> str:
    """A file that is put into pages: style, script or markup."""
    return (files("judge.report") / "assets" / name).read_text(encoding="utf-8")


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], caption: object = "") -> Html:
    """A table that scrolls on a narrow screen; numbers stand on the right."""
    head = "".join(f'<th scope="col">{escaped(c)}</th>' for c in columns)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    title = f"<caption><span>{escaped(caption)}</span></caption>" if caption else ""
    return Html(f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def _cell(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = f"{value:,}" if number else value
    return f'<td class="number">{escaped(shown)}</td>' if number else f"<td>{escaped(shown)}</td>"


_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee3;--ground:#fff;--track:#eceff2;--plain:#5b7fb4;
--good:#2e7d4f;--bad:#c0392b;--warn:#8a5a12}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4ae;--line:#343b43;--ground:#15181c;--track:#262c33;--plain:#7fa3d8;
--good:#5dbb83;--bad:#ef6f62;--warn:#e0a94a}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1rem}h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{max-width:46rem}.headline{font-size:1.15rem;border-left:.3rem solid var(--plain);padding:.4rem .8rem;margin:1rem 0}
.headline.good{border-color:var(--good)}.headline.bad{border-color:var(--bad)}.headline.warn{border-color:var(--warn)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}caption{text-align:left;color:var(--soft)}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}
caption>span{display:block;position:sticky;left:0;max-width:calc(100vw - 2.5rem)}td:first-child:has(code){min-width:8.5rem}
td.number{text-align:right;font-variant-numeric:tabular-nums}code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}
.bar{display:flex;align-items:center;gap:.5rem;white-space:nowrap;font-variant-numeric:tabular-nums}
.track{position:relative;flex:none;width:6rem;height:.7rem;background:var(--track);border-radius:.2rem}
.track b{position:absolute;inset:0 auto 0 0;background:var(--plain);border-radius:.2rem}.bar.good b{background:var(--good)}
.bar.bad b{background:var(--bad)}.bar.warn b{background:var(--warn)}
.track i{position:absolute;top:45%;height:1.5px;background:var(--ink)}.none{color:var(--soft)}
.badge{padding:0 .45rem;border-radius:.3rem;border:1px solid currentColor;font-size:.85em;white-space:nowrap}
.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}.badge.warn{color:var(--warn)}.badge.plain{color:var(--soft)}
details{margin:.5rem 0}summary{cursor:pointer}footer{margin:2rem 0;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
"""
