"""The plots of a report as PNG files: the page's own drawings, drawn again by matplotlib (extra `report`).

There is one place that decides what a plot shows, `judge.report.plots`. This one knows only the few shapes that it draws with.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

from judge.errors import InputError
from judge.report.plots import HEIGHT, WIDTH
from judge.shipped import install_command

_COLOURS = {"axis": "#b9c0c7", "guide": "#5b6570", "fill": "#4a6fa5", "line": "#4a6fa5"}
_SECOND, _TEXT = "#8a5a12", "#3d454d"
_DPI = 100


def png_bytes(plot: str, *, scale: float = 2.0) -> bytes:
    """A plot of `judge.report.plots` as a PNG image.

    Args:
        plot: The SVG text.
        scale: Pixels for each of its units; a plot is 460 by 220 units and a line for its title.

    Raises:
        InputError: matplotlib is not installed.
    """
    figure_class, canvas_class = _matplotlib()
    head = 24  # units above the plot for its title, which a page says to a pointer and a file must show
    figure = figure_class(figsize=(WIDTH / _DPI, (HEIGHT + head) / _DPI), dpi=_DPI * scale)
    canvas_class(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, -head)
    axes.set_axis_off()
    root = ElementTree.fromstring(plot)  # noqa: S314  # our own text
    axes.text(8, 8 - head, _title(root), fontsize=8, color=_TEXT, va="top", weight="bold", parse_math=False)
    for shape in root:
        _DRAWN.get(_name(shape), _nothing)(axes, shape)
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor="white")
    return out.getvalue()


def _matplotlib() -> tuple[Any, Any]:
    try:
        return (
            import_module("matplotlib.figure").Figure,
            import_module("matplotlib.backends.backend_agg").FigureCanvasAgg,
        )
    except ImportError:
        raise InputError(f"--png needs matplotlib: {install_command('report')} (--svg needs nothing)") from None


def _name(shape: ElementTree.Element) -> str:
    return shape.tag.rpartition("}")[2]


def _title(root: ElementTree.Element) -> str:
    return next((child.text or "" for child in root if _name(child) == "title"), "")


def _numbers(shape: ElementTree.Element, names: str) -> Iterable[float]:
    return (float(shape.get(name) or 0) for name in names.split())


def _style(shape: ElementTree.Element) -> tuple[str, float, bool]:
    """Colour, opacity and whether it is dashed."""
    words = (shape.get("class") or "").split()
    colour = _SECOND if "second" in words else next((_COLOURS[w] for w in words if w in _COLOURS), _TEXT)
    return colour, 0.35 if "faint" in words else 1.0, "guide" in words


def _line(axes: Any, shape: ElementTree.Element) -> None:
    x1, y1, x2, y2 = _numbers(shape, "x1 y1 x2 y2")
    colour, alpha, dashed = _style(shape)
    axes.plot([x1, x2], [y1, y2], color=colour, alpha=alpha, linewidth=1, linestyle="--" if dashed else "-")


def _polyline(axes: Any, shape: ElementTree.Element) -> None:
    points = [tuple(map(float, point.split(","))) for point in (shape.get("points") or "").split()]
    colour, alpha, _ = _style(shape)
    axes.plot([x for x, _ in points], [y for _, y in points], color=colour, alpha=alpha, linewidth=1.5)


def _rect(axes: Any, shape: ElementTree.Element) -> None:
    x, y, width, height = _numbers(shape, "x y width height")
    colour, alpha, _ = _style(shape)
    axes.fill([x, x + width, x + width, x], [y, y, y + height, y + height], color=colour, alpha=alpha, linewidth=0)


def _circle(axes: Any, shape: ElementTree.Element) -> None:
    x, y, radius = _numbers(shape, "cx cy r")
    colour, alpha, _ = _style(shape)
    axes.plot([x], [y], marker="o", markersize=1.44 * radius, color=colour, alpha=alpha, markeredgewidth=0)


def _text(axes: Any, shape: ElementTree.Element) -> None:
    x, y = _numbers(shape, "x y")
    side = {"start": "left", "middle": "center", "end": "right"}[shape.get("text-anchor") or "start"]
    turned = 90 if shape.get("transform") else 0
    across = "center" if turned else "baseline"
    axes.text(x, y, shape.text or "", fontsize=7, color=_TEXT, ha=side, va=across, rotation=turned, parse_math=False)


def _nothing(axes: Any, shape: ElementTree.Element) -> None:
    """Titles, descriptions and styles draw nothing."""


_DRAWN = {"line": _line, "polyline": _polyline, "rect": _rect, "circle": _circle, "text": _text}
