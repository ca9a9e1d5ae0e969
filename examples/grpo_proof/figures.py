"""The record of the runs as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import matplotlib as mpl

from examples.grpo_proof.train import Run

mpl.use("Agg")  # before pyplot
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

ARMS = {"strict": ("filters: strict", "#1f5fa8"), "off": ("filters: off", "#c8501e")}
_WINDOW = 10  # steps over which the reward of a training batch is averaged for the eye


def plot(runs: Sequence[Run], path: Path) -> None:
    """Three panels: accuracy and openers on held-out problems, and the reward that the trainer saw."""
    with plt.rc_context({"svg.hashsalt": "grpo_proof", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (accuracy, openers, reward) = plt.subplots(1, 3, figsize=(10.5, 3.3), layout="constrained")
        for filters, (label, colour) in ARMS.items():
            arm = [r for r in runs if r.filters == filters]
            if arm:
                _lines(accuracy, [r.at for r in arm], [r.accuracy for r in arm], label, colour)
                _lines(openers, [r.at for r in arm], [r.openers for r in arm], label, colour)
                smooth = [_smoothed(r.reward) for r in arm]
                _lines(reward, [range(1, len(s) + 1) for s in smooth], smooth, label, colour)
        accuracy.set_title("Held-out problems answered right")
        openers.set_title("Held-out responses without content")
        reward.set_title(f"Reward in training, mean of {_WINDOW} steps")
        for panel in (accuracy, openers, reward):
            panel.set(xlabel="GRPO step", ylim=(-0.02, 1.02))
            panel.grid(alpha=0.25)
        openers.legend(frameon=False, loc="center right")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _lines(panel: Axes, at: Sequence[Sequence[int]], values: Sequence[Sequence[float]], label: str, colour: str) -> None:
    """Thin lines for the seeds, a thick one for their mean."""
    for steps, line in zip(at, values, strict=True):
        panel.plot(steps, line, color=colour, linewidth=0.8, alpha=0.45)
    panel.plot(at[0], [fmean(column) for column in zip(*values, strict=True)], color=colour, linewidth=2.4, label=label)


def _smoothed(values: Sequence[float]) -> list[float]:
    return [fmean(values[max(0, at - _WINDOW + 1) : at + 1]) for at in range(len(values))]


def table(runs: Sequence[Run]) -> str:
    """One row a run, in Markdown."""
    head = (
        "| filters | seed | right, before | right, after | most likely response right, before | after |"
        " openers, before | after | reward, first 10 steps | last 10 |"
    )
    rows = [head, "|---" * 10 + "|"]
    for run in sorted(runs, key=lambda r: (r.filters, r.seed)):
        figures = [
            run.accuracy[0], run.accuracy[-1], run.greedy[0], run.greedy[-1], run.openers[0], run.openers[-1],
            fmean(run.reward[:10]), fmean(run.reward[-10:]),
        ]  # fmt: skip
        rows.append(f"| {run.filters} | {run.seed} | " + " | ".join(f"{f:.2f}" for f in figures) + " |")
    return "\n".join(rows)


def alarm_table(runs: Sequence[Run]) -> str:
    """The first step of each alarm, one row a run, in Markdown."""
    names = list(dict.fromkeys(name for run in runs for name in run.alarms))
    rows = ["| filters | seed | " + " | ".join(f"`{name}`" for name in names) + " |", "|---" * (len(names) + 2) + "|"]
    for run in sorted(runs, key=lambda r: (r.filters, r.seed)):
        rows.append(f"| {run.filters} | {run.seed} | " + " | ".join(str(run.alarms.get(name, "-")) for name in names) + " |")
    return "\n".join(rows)
