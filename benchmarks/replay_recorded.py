"""Replay what real judges wrote, and compare our reading with the decision their authors recorded.

    python benchmarks/replay_recorded.py DATA_FOLDER [--differences]

DATA_FOLDER holds `recorded_judge_outputs/`. Prints a table (docs/parsing.md explains each class of difference), and with
`--differences` every single one. Nothing is downloaded and no model runs.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from judge.parse import read
from judge.recipe.verdict import Question, VerdictSpec
from judge.types import Completion, FinishReason, NoVerdict, TokenLogprobs, Verdict

GRADES = {"A>>B": 1.0, "A>B": 0.75, "A=B": 0.5, "B>A": 0.25, "B>>A": 0.0}
OUTPUTS = ("Output (a)", "Output (b)")
RATED = Question(VerdictSpec(kind="score", form="bare"), lo=0, hi=9)
BARE = Question(VerdictSpec(kind="choice", form="bare", names="Output ({L})"), names=OUTPUTS)
BETTER = Question(VerdictSpec(kind="choice", form="sentence", marker="{value} is better", names="Output ({L})"), names=OUTPUTS)
ASKED = Question(
    VerdictSpec(kind="choice", form="sentence", marker="Therefore, {value} is better", names="Output ({L})"), names=OUTPUTS
)
ARENA = Question(VerdictSpec(kind="graded_choice", form="brackets", labels=GRADES), names=("A", "B"), labels=GRADES)
RANKED = Question(VerdictSpec(kind="ranking", form="json", marker="ordered_models", prefixes=("Model",)), names=("m", "M"))
LETTER = Question(VerdictSpec(kind="choice", form="bare"), names=("m", "M"))


@dataclass(frozen=True)
class Item:
    """One recorded decision beside ours; None where there is none."""

    format: str
    id: str
    text: str
    recorded: str | None
    ours: str | None
    reason: str = ""
    cause: str = ""  # class of the difference; empty where both agree

    @property
    def agrees(self) -> bool:
        """Whether both decided the same; no decision counts as one."""
        return self.recorded == self.ours


def replay(folder: Path) -> list[Item]:
    """Read every recorded reply below `folder/recorded_judge_outputs`."""
    data = folder / "recorded_judge_outputs"
    found: list[Item] = []
    for judge in ("chatgpt", "gpt4", "llama2", "palm2"):
        found += _llmbar(data / f"llmbar_{judge}.jsonl", judge)
    found += _arena(data / "judgebench_arena_hard.jsonl")
    found += _rankings(data / "alpacaeval_cot_ranking.jsonl")
    found += _logprobs(data / "alpacaeval_weighted_logprobs.jsonl")
    return [item if item.agrees else replace(item, cause=_cause(item)) for item in found]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _llmbar(path: Path, judge: str) -> Iterator[Item]:
    for row in _rows(path):
        strategy = row["strategy"]
        for stage, result in enumerate(row["results"]):
            if not isinstance(result, dict):
                continue  # a metric or a reference answer written by the judge: no verdict
            for order in ("swap = False", "swap = True"):
                if "completion" in result.get(order, {}):
                    name = f"{row['item']} {order}{' debate' if stage and strategy == 'Swap_CoT' else ''}"
                    yield from _llmbar_reply(judge, strategy, name, result[order], order == "swap = True")
            if "score_1" in result:
                yield _rating(judge, strategy, row["item"], result)


def _llmbar_reply(judge: str, strategy: str, name: str, reply: dict[str, Any], swapped: bool) -> Iterator[Item]:
    text = reply["completion"][0] or ""
    shown = {"1": OUTPUTS[1], "2": OUTPUTS[0]} if swapped else {"1": OUTPUTS[0], "2": OUTPUTS[1]}
    recorded = shown.get(reply["winner"]) if reply["winner"] else None
    if strategy in ("Vanilla", "Metrics_Reference"):
        yield _item(f"llmbar {judge} {strategy}", name, text, recorded, BARE)
        return
    yield _item(f"llmbar {judge} {strategy}", name, text, recorded, BETTER)
    yield _item(f"llmbar {judge} {strategy}, as asked", name, text, recorded, ASKED)


def _rating(judge: str, strategy: str, name: str, result: dict[str, Any]) -> Item:
    """Two ratings make a decision; equal ones make none. Recorded as shown in the first order."""
    texts = [result["score_1"][0], result["score_2"][0]]
    read_ = [read(Completion(text), RATED) for text in texts]
    values = [r.value for r in read_ if isinstance(r, Verdict)]
    ours = None
    if len(values) == 2 and values[0] != values[1]:
        ours = "1" if values[0] > values[1] else "2"
    winners = {result["swap = False"]["winner"], result["swap = True"]["winner"]}
    recorded = winners.pop() if len(winners) == 1 else "the one shown second"
    reason = "equal" if len(values) == 2 else "unread"
    return Item(f"llmbar {judge} {strategy}", name, " / ".join(texts), recorded, ours, reason)


def _arena(path: Path) -> Iterator[Item]:
    for row in _rows(path):
        for judgment, order in zip(row["judgments"], row["judgments_order"], strict=True):
            name = f"{row['pair_id'][:8]} {order}"
            item = _item(
                f"judgebench arena-hard {judgment['judge_model']}", name, judgment["response"], judgment["decision"], ARENA
            )
            yield replace(item, ours=item.ours.replace(">>", ">") if item.ours else None)


def _rankings(path: Path) -> Iterator[Item]:
    for number, row in enumerate(_rows(path)):
        best = {output: name for name, output in row["referenced_models"].items()}[f"output_{int(row['preference'])}"]
        text = json.dumps(row["raw_completion"])
        outcome = read(Completion(text), RANKED)
        ours = outcome.value[0] if isinstance(outcome, Verdict) else None
        yield Item("alpacaeval cot ranking", str(number), text, best, ours, _reason(outcome))


def _logprobs(path: Path) -> Iterator[Item]:
    """Recorded: 1 + probability of output 2. Which letter stood for it is not recorded, so the nearer of the two counts."""
    for number, row in enumerate(_rows(path)):
        raw = row["raw_completion"]
        tokens = tuple(
            TokenLogprobs(t["token"], {top["token"]: top["logprob"] for top in t["top_logprobs"]})
            for t in raw["logprobs"]["content"]
        )
        recorded = row["preference"] - 1
        finishes: tuple[tuple[str, FinishReason], ...] = (
            ("as recorded", raw["finish_reason"]),
            ("finish reason set aside", "stop"),
        )
        for name, finish in finishes:
            outcome = read(Completion(raw["text"], finish, logprobs=tokens), LETTER)
            ours = None
            if isinstance(outcome, Verdict) and outcome.expected is not None:
                near = min((outcome.expected, 1 - outcome.expected), key=lambda e: abs(e - recorded))
                ours = f"{near:.6f}"
            same = ours is not None and math.isclose(float(ours), recorded, abs_tol=2e-6)
            stated = f"{recorded:.6f}"
            yield Item(
                f"alpacaeval log-probs, {name}", str(number), raw["text"], stated, stated if same else ours, _reason(outcome)
            )


def _item(fmt: str, name: str, text: str, recorded: str | None, question: Question) -> Item:
    outcome = read(Completion(text), question)
    return Item(fmt, name, text, recorded, outcome.value if isinstance(outcome, Verdict) else None, _reason(outcome))


def _reason(outcome: Verdict | NoVerdict) -> str:
    return "" if isinstance(outcome, Verdict) else outcome.reason


def _cause(item: Item) -> str:
    """Name the class of a difference; docs/parsing.md has an example of each."""
    for cause, applies in _CAUSES.items():
        if applies(item):
            return cause
    return "unexplained"


_CAUSES: dict[str, Callable[[Item], bool]] = {
    "recorded: equal ratings count as a win of the output shown second": lambda i: i.reason == "equal",
    "ours: one token and finish reason `length` is a cut-off reply": lambda i: i.reason == "truncated",
    "recorded: a line that starts with `Output (a)` wins, whatever it says": lambda i: (
        "palm2 CoT" in i.format and i.ours == OUTPUTS[1] and re.search(r"^Output \(a\)", i.text, re.MULTILINE) is not None
    ),
    "recorded: `Output (a) is better` anywhere wins, even in a debater's mouth": lambda i: (
        i.recorded == OUTPUTS[0] and f"{OUTPUTS[0]} is better" in i.text and _last_better(i.text) == OUTPUTS[1]
    ),
    "recorded: a refusal to choose is read as a choice": lambda i: "cannot claim that either" in i.text,
    "ours: the reply does not hold the sentence asked for": lambda i: (
        i.reason in ("missing", "refused") and "as asked" in i.format
    ),
    "ours: the closing sentence stands in quotation marks": lambda i: (
        i.reason == "missing" and re.search(r'"[^"\n]{0,80}\[\[[^\]\n]{1,5}\]\]"', i.text) is not None
    ),
}  # fmt: skip


def _last_better(text: str) -> str | None:
    names = re.findall(r"(Output \([ab]\)) is better", text)
    return names[-1] if names else None


def summary(items: list[Item]) -> dict[str, tuple[int, int]]:
    """Format -> (agreements, replies)."""
    total, same = Counter(i.format for i in items), Counter(i.format for i in items if i.agrees)
    return {name: (same[name], count) for name, count in total.items()}


def causes(items: list[Item]) -> dict[str, Counter[str]]:
    """Format -> how many differences of each class."""
    found: dict[str, Counter[str]] = {}
    for item in items:
        if not item.agrees:
            found.setdefault(item.format, Counter())[item.cause] += 1
    return found


def main() -> None:
    """Print the table, and the differences on request."""
    parser = argparse.ArgumentParser(description="Compare our reading of recorded judge replies with the recorded decisions.")
    parser.add_argument("folder", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--differences", action="store_true", help="print every difference")
    options = parser.parse_args()
    items = replay(options.folder)
    why = causes(items)
    print("| format | replies | same | differences |\n|---|---|---|---|")
    for name, (same, count) in summary(items).items():
        notes = "; ".join(f"{n} x {cause}" for cause, n in why.get(name, Counter()).most_common())
        print(f"| {name} | {count} | {same} | {notes} |")
    if options.differences:
        for item in items:
            if not item.agrees:
                print(f"\n## {item.format}: {item.id}\nrecorded {item.recorded}, ours {item.ours} {item.reason}: {item.cause}")
                print(item.text[-600:])


if __name__ == "__main__":
    main()
