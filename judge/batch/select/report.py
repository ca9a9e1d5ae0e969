"""What was selected, as figures (`BestMetrics`, `PairMetrics`: for JSON) and as a table for a person."""

from __future__ import annotations

import textwrap
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from judge.batch.select.best import Expected, Selection
from judge.batch.select.groups import RunGroups
from judge.batch.select.judgements import JudgementPairing
from judge.batch.select.model import ScoredResponse
from judge.batch.select.pairs import PairHint, Pairing
from judge.batch.select.reliability import PairReliability
from judge.batch.select.snapshot import Consistency
from judge.batch.select.write import PromptForms

WIDTH = 80
NAMED = 3  # groups named of those left out
LONGEST = 40  # characters of a group's name
_WHY = {
    "no_reward": "no response has a reward",
    "vetoed": "a filter stopped every response that has a reward",
    "below_min_reward": "no response reaches --min-reward",
    "one_reward": "fewer than two responses with a reward",
    "no_contrast": "the same text twice, or a filter stopped the better one, too",
    "below_margin": "no two rewards are --min-margin apart",
}


class _SelectionMetrics:
    """What all selections tell, from groups that come one by one; of each response a few numbers are kept."""

    def __init__(self) -> None:
        self._responses = self._filtered = self._groups = 0
        self._left_out: dict[str, list[str]] = {}
        self._before, self._lengths = array("d"), array("q")
        self.forms = PromptForms()

    def _take(self, members: Sequence[ScoredResponse], left_out: Mapping[Any, Sequence[str]]) -> None:
        self._groups += 1
        self._responses += len(members)
        self._filtered += sum(c.vetoed for c in members)
        self._before.extend(c.reward for c in members if c.reward is not None)
        self._lengths.extend(len(c.response) for c in members if c.reward is not None)
        for why, names in left_out.items():
            self._left_out.setdefault(why, []).extend(names)

    def _shared(self, found: RunGroups) -> dict[str, Any]:
        return {
            "responses": self._responses + found.without_reward.get("unreadable", 0),
            "without_reward": dict(found.without_reward),
            "filtered": self._filtered,
            "groups": self._groups,
            "grouped_by": found.grouped_by,
            "left_out": self._left_out,
        }


class BestMetrics(_SelectionMetrics):
    """Figures of a selection."""

    def __init__(self) -> None:
        super().__init__()
        self._kept, self._kept_lengths = array("d"), array("q")
        self._groups_kept = 0
        self.largest = 0
        """Most rewards that a group has."""

    def add(self, members: Sequence[ScoredResponse], kept: Selection) -> None:
        """Take in one group, and what was kept of it."""
        self._take(members, kept.left_out)
        self.largest = max(self.largest, sum(c.reward is not None for c in members))
        self._groups_kept += bool(kept.chosen)
        for each in kept.chosen:
            self.forms.add(each.candidate)
            self._kept_lengths.append(len(each.candidate.response))
            if each.candidate.reward is not None:
                self._kept.append(each.candidate.reward)

    def facts(self, found: RunGroups, expected: Sequence[Expected], min_reward: float | None = None) -> dict[str, Any]:
        """As plain values; null where there is nothing to average."""
        return self._shared(found) | {
            "kept": len(self._kept_lengths),
            "groups_kept": self._groups_kept,
            "mean_before": _mean(self._before),
            "mean_after": _mean(self._kept),
            "length_before": _mean(self._lengths),
            "length_after": _mean(self._kept_lengths),
            "min_reward": min_reward,
            "best_of": [asdict(e) for e in expected],
        }


class PairMetrics(_SelectionMetrics):
    """Figures of a set of pairs; `chosen_longer` is the share of pairs whose chosen text is the longer one."""

    def __init__(self) -> None:
        super().__init__()
        self._chosen, self._rejected, self._margins = array("d"), array("d"), array("d")
        self._long_chosen, self._long_rejected = array("q"), array("q")
        self.groups_with_pairs = self._vetoed = 0
        self._trust = {name: array("d") for name in ("verdicts", "votes_agree", "orders_agree", "variance")}

    def add(self, members: Sequence[ScoredResponse], made: Pairing, trust: Iterable[PairReliability]) -> None:
        """Take in one group, its pairs, and how far each is to be trusted."""
        self._take(members, made.left_out)
        self.groups_with_pairs += bool(made.pairs)
        for pair in made.pairs:
            self.forms.add(pair.chosen)
            self._chosen.append(pair.chosen.level)
            self._rejected.append(pair.rejected.level)
            self._margins.append(pair.margin)
            self._long_chosen.append(len(pair.chosen.response))
            self._long_rejected.append(len(pair.rejected.response))
            self._vetoed += pair.rejected.vetoed
        for each in trust:
            for name, values in self._trust.items():
                if (value := getattr(each, name)) is not None:
                    values.append(value)

    def facts(self, found: RunGroups, consistency: Consistency | None = None, *, hint: PairHint | None = None) -> dict[str, Any]:
        """As plain values; null where there is nothing to average."""
        return self._shared(found) | {
            "pairs": len(self._margins),
            "groups_with_pairs": self.groups_with_pairs,
            "ties": sum(margin == 0 for margin in self._margins),
            "gated_rejected": self._vetoed,
            "mean_chosen": _mean(self._chosen),
            "mean_rejected": _mean(self._rejected),
            "mean_margin": _mean(self._margins),
            "chosen_longer": _mean([a > b for a, b in zip(self._long_chosen, self._long_rejected, strict=True)]),
            "length_chosen": _mean(self._long_chosen),
            "length_rejected": _mean(self._long_rejected),
            **({} if consistency is None else {"consistency": consistency.facts()}),
            "hint": None if hint is None else asdict(hint),
            **{f"mean_{name}": _mean(values) for name, values in self._trust.items()},
        }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def best_text(facts: Mapping[str, Any]) -> str:
    """The table of `judge best-of-n`."""
    lines = _heads(facts)
    lines.append(_line("kept", facts["kept"], f"in {facts['groups_kept']:,} groups"))
    lines += _left_out(facts, "equal rewards in the last place, and --ties drop")
    lines += ["", f"{'':<26}{'responses':>10}{'mean reward':>13}{'characters':>12}"]
    for name, count, mean, length in (
        ("before (with a reward)", facts["responses"] - sum(facts["without_reward"].values()), "mean_before", "length_before"),
        ("after", facts["kept"], "mean_after", "length_after"),
    ):
        lines.append(f"{name:<26}{count:>10,}{_figure(facts[mean]):>13}{_figure(facts[length], 0):>12}")
    if facts["best_of"]:
        lines += ["", *_estimates(facts)]
    return "\n".join(lines)


def _estimates(facts: Mapping[str, Any]) -> list[str]:
    least = facts["min_reward"]
    chance = f"{f'chance of {least:g} or more':>26}" if least is not None else ""
    lines = [f"{'best of':<10}{'mean reward':>13}{'std. error':>12}{chance}"]
    for e in facts["best_of"]:
        end = f"{_figure(e['chance']):>26}" if least is not None else ""
        lines.append(f"{e['k']:<10}{_figure(e['mean']):>13}{_figure(e['error']):>12}{end}")
    groups, most = facts["best_of"][0]["groups"], facts["best_of"][-1]["k"]
    return [*lines, f"over the {groups:,} of {facts['groups']:,} groups that have {most} rewards or more"]


def pair_text(facts: Mapping[str, Any]) -> str:
    """The table of `judge pairs`."""
    lines = _heads(facts)
    parts = [f"in {facts['groups_with_pairs']:,} groups"]
    parts += [f"{facts['ties']:,} of equal rewards"] if facts["ties"] else []
    parts += [f"{facts['gated_rejected']:,} reject what a filter stopped"] if facts["gated_rejected"] else []
    lines.append(_line("pairs", facts["pairs"], ", ".join(parts)))
    lines += _left_out(facts, "equal rewards where one has to be better (--ties keep decides by position)")
    if facts["pairs"]:
        lines += ["", f"{'':<26}{'mean reward':>13}{'characters':>12}"]
        for name in ("chosen", "rejected"):
            lines.append(f"{name:<26}{_figure(facts[f'mean_{name}']):>13}{_figure(facts[f'length_{name}'], 0):>12}")
        lines.append(
            f"mean margin {facts['mean_margin']:.3f}; the chosen text is longer in {facts['chosen_longer']:.0%} of the pairs"
        )
    if facts["pairs"] and facts.get("mean_verdicts") is not None:
        trust = [f"verdicts behind a pair: {facts['mean_verdicts']:.1f} on average (of the response with fewer)"]
        for key, words in (("mean_votes_agree", "votes agree"), ("mean_orders_agree", "orders agree")):
            trust += [f"{words}: {facts[key]:.0%}"] if facts.get(key) is not None else []
        lines.append("; ".join(trust))
    if facts.get("hint"):
        h = facts["hint"]
        lines.append(f"hint: {h['options']} gives pairs in {h['groups']:,} of {facts['groups']:,} groups ({h['pairs']:,} pairs)")
    if "consistency" in facts:
        c = facts["consistency"]
        lines.append(f"the snapshot ranks alike to {c['mean']:.3f} ({c['measure']}, {c['groups']:,} groups): column `confidence`")
    return "\n".join(lines)


def judgement_text(found: JudgementPairing) -> str:
    """The table of `judge judgements`."""
    lines = [_line("requests", found.requests), _line("with a label", found.labelled)]
    if found.right is not None:
        lines.append(f"{'judgements that are right':<25}{found.right:>8.1%}".replace("%", " %"))
    lines.append(_line("all right or all wrong", found.one_sided, "no pair there"))
    return "\n".join([*lines, _line("pairs", len(found.pairs))])


def _heads(facts: Mapping[str, Any]) -> list[str]:
    lines = [_line("groups", facts["groups"], f"by {facts['grouped_by']}"), _line("responses", facts["responses"])]
    absent = facts["without_reward"]
    if absent:
        parts = ", ".join(f"{n:,} {name}" for name, n in absent.items())
        lines.append(_line("without a reward", sum(absent.values()), f"never used: {parts}"))
    if facts["filtered"]:
        lines.append(_line("stopped by a filter", facts["filtered"], "never chosen"))
    return lines


def _left_out(facts: Mapping[str, Any], tied: str) -> list[str]:
    lines = []
    for why, names in facts["left_out"].items():
        shown = ", ".join(" ".join(name.split())[:LONGEST] for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        lines.append(_line("groups left out", len(names), f"{_WHY.get(why, tied)}: {shown}"))
    return lines


def _line(name: str, count: int, more: str = "") -> str:
    head = f"{name:<23}{count:>10,}  "
    return textwrap.fill(f"{head}{more}".rstrip(), WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _figure(value: float | None, places: int = 3) -> str:
    return "-" if value is None else f"{value:,.{places}f}"
