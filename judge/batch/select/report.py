"""What was selected, as figures (`best_facts`, `pair_facts`: for JSON) and as a table for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from judge.batch.select.best import Expected, Selection
from judge.batch.select.judgements import JudgementPairing
from judge.batch.select.pairs import PairHint, Pairing
from judge.batch.select.read import RunCandidates
from judge.batch.select.reliability import Reliabilities
from judge.batch.select.snapshot import Consistency

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


def best_facts(
    found: RunCandidates, kept: Selection, expected: Sequence[Expected], min_reward: float | None = None
) -> dict[str, Any]:
    """Figures of a selection; null where there is nothing to average."""
    rewards = [c.candidate.reward for c in kept.chosen if c.candidate.reward is not None]
    return _shared(found, kept.groups, kept.left_out) | {
        "kept": len(kept.chosen),
        "groups_kept": len({c.candidate.group for c in kept.chosen}),
        "mean_before": _mean([c.reward for c in found.candidates if c.reward is not None]),
        "mean_after": _mean(rewards),
        "length_before": _mean([len(c.response) for c in found.candidates if c.reward is not None]),
        "length_after": _mean([len(c.candidate.response) for c in kept.chosen]),
        "min_reward": min_reward,
        "best_of": [asdict(e) for e in expected],
    }


def pair_facts(
    found: RunCandidates,
    made: Pairing,
    consistency: Consistency | None = None,
    *,
    hint: PairHint | None = None,
    reliability: Reliabilities | None = None,
) -> dict[str, Any]:
    """Figures of a set of pairs; `chosen_longer` is the share of pairs whose chosen text is the longer one."""
    lengths = [(len(p.chosen.response), len(p.rejected.response)) for p in made.pairs]
    return _shared(found, made.groups, made.left_out) | {
        "pairs": len(made.pairs),
        "groups_with_pairs": len({p.chosen.group for p in made.pairs}),
        "ties": sum(p.margin == 0 for p in made.pairs),
        "gated_rejected": sum(p.rejected.vetoed for p in made.pairs),
        "mean_chosen": _mean([p.chosen.level for p in made.pairs]),
        "mean_rejected": _mean([p.rejected.level for p in made.pairs]),
        "mean_margin": _mean([p.margin for p in made.pairs]),
        "chosen_longer": _mean([a > b for a, b in lengths]),
        "length_chosen": _mean([a for a, _ in lengths]),
        "length_rejected": _mean([b for _, b in lengths]),
        **({} if consistency is None else {"consistency": consistency.facts()}),
        "hint": None if hint is None else asdict(hint),
        **({} if reliability is None else _trust(made, reliability)),
    }


def _trust(made: Pairing, reliability: Reliabilities) -> dict[str, Any]:
    """Means of the reliability columns over the pairs that have one; null where none has."""
    each = [reliability.of(p) for p in made.pairs]
    return {
        f"mean_{name}": _mean([value for e in each if (value := getattr(e, name)) is not None])
        for name in ("verdicts", "votes_agree", "orders_agree", "variance")
    }


def _shared(found: RunCandidates, groups: int, left_out: Mapping[Any, Sequence[str]]) -> dict[str, Any]:
    return {
        "responses": len(found.candidates) + found.without_reward.get("unreadable", 0),
        "without_reward": dict(found.without_reward),
        "filtered": sum(c.vetoed for c in found.candidates),
        "groups": groups,
        "grouped_by": found.grouped_by,
        "left_out": {why: list(names) for why, names in left_out.items()},
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
        lines.append(f"{'judgements that are right':<26}{found.right:>10.1%}".replace("%", " %"))
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
    return f"{name:<26}{count:>10,}  {more}".rstrip()


def _figure(value: float | None, places: int = 3) -> str:
    return "-" if value is None else f"{value:,.{places}f}"
