"""Numbers -> small SVG plots that take their colours from the page, and stand alone as files.

Each has a title and a description that a screen reader reads out, text in the reader's own size, and no script.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from judge.arrays import Floats
from judge.report.html import Html

WIDTH, HEIGHT = 460, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 10, 40
STYLE = (
    ".plot{width:100%;max-width:30rem;height:auto}.plot text{font:12px system-ui,sans-serif;fill:var(--soft,#5b6570)}"
    ".plot .axis{stroke:var(--line,#b9c0c7);stroke-width:1}.plot .fill{fill:var(--plain,#4a6fa5)}.plot .faint{opacity:.35}"
    ".plot .line{fill:none;stroke:var(--plain,#4a6fa5);stroke-width:2}.plot .second{stroke:var(--warn,#8a5a12)}"
    ".plot .fill.second{fill:var(--warn,#8a5a12);stroke:none}.plot .guide{stroke:var(--soft,#5b6570);stroke-dasharray:4 4}"
    "@media(max-width:30rem){.plot text{font-size:15px}}"  # a phone shows the drawing at three quarters of its size
)


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((value - low) / (high - low) if high > low else 0.5)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * ((value - low) / (high - low) if high > low else 0.5)


def _plot(title: str, description: str, parts: Sequence[str], x_name: str, y_name: str) -> Html:
    base, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    axes = (
        f'<line class="axis" x1="{_LEFT}" y1="{base}" x2="{right}" y2="{base}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{base}"/>'
        f'<text x="{(_LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x_name)}</text>'
        f'<text x="12" y="{(_TOP + base) / 2}" text-anchor="middle" transform="rotate(-90 12 {(_TOP + base) / 2})">'
        f"{html.escape(y_name)}</text>"
    )
    return Html(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>{axes}{''.join(parts)}</svg>"
    )


def _ticks(low: float, high: float, *, across: bool) -> list[str]:
    """Marks at the ends and in the middle."""
    out = []
    for value in (low, (low + high) / 2, high):
        words = f"{value:,.0f}" if high - low > 10 else f"{value:.2g}"
        if across:
            anchor = "start" if value == low else "end" if value == high else "middle"
            out.append(f'<text x="{_x(value, low, high):.1f}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="{anchor}">{words}</text>')
        else:
            out.append(f'<text x="{_LEFT - 4}" y="{_y(value, low, high) + 4:.1f}" text-anchor="end">{words}</text>')
    return out


def histogram(
    title: str,
    values: Floats,
    other: Floats | None = None,
    *,
    bins: int = 20,
    low: float = 0.0,
    high: float = 1.0,
    x_name: str = "reward",
    y_name: str = "responses",
) -> Html:
    """How often each value occurs, in equal bins of [low, high]; a second series is drawn as outlines beside it.

    Args:
        values: Any shape; NaN is left out.
    """
    edges = np.linspace(low, high, bins + 1)
    series = [np.histogram(np.clip(v[np.isfinite(v)], low, high), edges)[0] for v in (values, other) if v is not None]
    most = max(1, *(int(s.max()) if s.size else 0 for s in series))
    parts, each = [], (WIDTH - _LEFT - _RIGHT) / bins / len(series)
    for number, counts in enumerate(series):
        for place, count in enumerate(counts):
            if count:
                top = _y(float(count), 0, most)
                left = _LEFT + (place * len(series) + number) * each
                words = f"{edges[place]:.3g} to {edges[place + 1]:.3g}: {count:,}"
                box = f'x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(1.0, each - 1):.1f}" height="{HEIGHT - _BOTTOM - top:.1f}"'
                parts.append(f'<rect class="fill{" second" if number else ""}" {box}><title>{words}</title></rect>')
    there = values[np.isfinite(values)]
    said = f"{there.size:,} values" + (f", mean {there.mean():.3f}" if there.size else "")
    return _plot(title, said, [*_ticks(low, high, across=True), *_ticks(0, most, across=False), *parts], x_name, y_name)


def trend(title: str, x: Floats, y: Floats, *, x_name: str, y_name: str = "mean reward", bins: int = 10) -> Html:
    """Mean of y in bins of x that hold equally many, with an interval of two standard errors; "" where there is too little.

    Args:
        x: Shape (items,); NaN is left out.
        y: Shape (items,), in [0, 1].
    """
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 5 or np.ptp(x[both]) == 0:
        return Html("")
    order = np.argsort(x[both], kind="stable")
    xs, ys = x[both][order], y[both][order]
    low, high = float(xs[0]), float(xs[-1])
    parts, points = [], []
    for chunk in np.array_split(np.arange(xs.size), min(bins, xs.size)):
        mean, error = float(ys[chunk].mean()), 2 * float(ys[chunk].std()) / math.sqrt(chunk.size)
        at = _x(float(np.median(xs[chunk])), low, high)
        points.append(f"{at:.1f},{_y(mean, 0, 1):.1f}")
        top, bottom = _y(min(1.0, mean + error), 0, 1), _y(max(0.0, mean - error), 0, 1)
        parts.append(f'<line class="line faint" x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{bottom:.1f}"/>')
        words = f"{np.median(xs[chunk]):,.4g}: {mean:.3f} ± {error:.3f} ({chunk.size:,})"
        parts.append(f'<circle class="fill" cx="{at:.1f}" cy="{_y(mean, 0, 1):.1f}" r="3.5"><title>{words}</title></circle>')
    line = f'<polyline class="line" points="{" ".join(points)}"/>'
    ticks = [*_ticks(low, high, across=True), *_ticks(0, 1, across=False)]
    return _plot(title, f"{y_name} by {x_name}, {both.sum():,} items", [*ticks, line, *parts], x_name, y_name)


def reliability(title: str, said: Floats, right: Floats, *, bins: int = 10) -> Html:
    """Share of positive labels by reward, beside the diagonal of a calibrated one; "" where there is too little.

    Args:
        said: Reward in [0, 1], shape (items,); NaN is left out.
        right: Label in [0, 1], shape (items,).
    """
    both = np.isfinite(said) & np.isfinite(right)
    if both.sum() < 10:
        return Html("")
    place = np.minimum((said[both] * bins).astype(int), bins - 1)
    parts = [f'<line class="guide" x1="{_x(0, 0, 1)}" y1="{_y(0, 0, 1)}" x2="{_x(1, 0, 1)}" y2="{_y(1, 0, 1)}"/>']
    points = []
    for number in range(bins):
        inside = place == number
        if not inside.any():
            continue
        x, y, count = float(said[both][inside].mean()), float(right[both][inside].mean()), int(inside.sum())
        points.append(f"{_x(x, 0, 1):.1f},{_y(y, 0, 1):.1f}")
        size = 3 + 5 * math.sqrt(count / both.sum())
        parts.append(
            f'<circle class="fill" cx="{_x(x, 0, 1):.1f}" cy="{_y(y, 0, 1):.1f}" r="{size:.1f}">'
            f"<title>reward {x:.2f}: {y:.2f} right ({count:,})</title></circle>"
        )
    line = f'<polyline class="line" points="{" ".join(points)}"/>'
    ticks = [*_ticks(0, 1, across=True), *_ticks(0, 1, across=False)]
    return _plot(title, f"{both.sum():,} labelled responses", [*ticks, line, *parts], "reward", "label")


def scatter(title: str, x: Floats, y: Floats, *, x_name: str, y_name: str, cells: int = 24) -> Html:
    """Two rewards of the same items as dots on a grid, larger where more fall together; the diagonal is agreement."""
    both = np.isfinite(x) & np.isfinite(y)
    parts = [f'<line class="guide" x1="{_x(0, 0, 1)}" y1="{_y(0, 0, 1)}" x2="{_x(1, 0, 1)}" y2="{_y(1, 0, 1)}"/>']
    if both.any():
        a, b = (np.round(v[both] * cells) / cells for v in (x, y))
        places, counts = np.unique(np.stack([a, b]), axis=1, return_counts=True)
        most = counts.max()
        for (px, py), count in zip(places.T, counts, strict=True):
            size = 2 + 8 * math.sqrt(count / most)
            parts.append(
                f'<circle class="fill faint" cx="{_x(px, 0, 1):.1f}" cy="{_y(py, 0, 1):.1f}" r="{size:.1f}">'
                f"<title>{px:.2f} and {py:.2f}: {count:,}</title></circle>"
            )
    ticks = [*_ticks(0, 1, across=True), *_ticks(0, 1, across=False)]
    return _plot(title, f"{int(both.sum()):,} responses", [*ticks, *parts], x_name, y_name)


def curve(title: str, steps: Sequence[float], series: Sequence[tuple[str, Sequence[float | None]]], *, y_name: str = "") -> Html:
    """One or two lines over training steps; gaps where a value is missing, "" where there are fewer than two steps."""
    values = [v for _, line in series for v in line if v is not None and math.isfinite(v)]
    if len(steps) < 2 or not values:
        return Html("")
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    parts = []
    for number, (name, line) in enumerate(series):
        run: list[str] = []
        for step, value in [*zip(steps, line, strict=True), (0.0, None)]:
            if value is not None and math.isfinite(value):
                run.append(f"{_x(step, steps[0], steps[-1]):.1f},{_y(value, low, high):.1f}")
            elif run:
                mark = " second" if number else ""
                parts.append(
                    f'<polyline class="line{mark}" points="{" ".join(run)}"><title>{html.escape(name)}</title></polyline>'
                )
                run = []
    ticks = [*_ticks(steps[0], steps[-1], across=True), *_ticks(low, high, across=False)]
    return _plot(title, ", ".join(name for name, _ in series), [*ticks, *parts], "step", y_name)


def standalone(plot: Html) -> str:
    """A plot as a file of its own, with its style inside."""
    return plot.replace('role="img">', f'role="img"><style>{STYLE}</style>', 1)
