"""Read replies whose right reading is known, and print what is read wrong, per grammar and kind.

    python benchmarks/read_replies.py REPLIES.jsonl

A line of the file: `grammar` (a shipped recipe), `label` (the kind), `text`, and `expected`: `["=", "P"]` the grammar's
positive verdict, `["=", "N"]` its negative one, `["0"]` no verdict, `["~", x]` x or no verdict, `["P or None"]` the positive
verdict or none, wherever the reply is cut. No model runs.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.parse import read
from judge.recipe.load import load_recipe
from judge.recipe.verdict import Question
from judge.render.build import Ask, Builder
from judge.render.views import llm_criteria
from judge.rubric.load import load_rubric
from judge.types import Completion, Sample, Verdict

SHOWN = {"pairwise": 2, "listwise": 3}


def question_of(name: str, asked: tuple[str, ...] = ()) -> Question:
    """What a shipped recipe asks, by the shipped rubric `helpfulness`; `asked` are ids, where not all criteria are."""
    builder, rubric = Builder(load_recipe(name)), load_rubric("helpfulness")
    spec = builder.recipe.spec
    count = SHOWN.get(spec.mode, 1)
    sample = Sample.of("What is 2 + 2?", *(("Five.",) * count), reference="4", principle="Be right.", id="x")
    criteria = llm_criteria(rubric)
    if asked:
        criteria = tuple(c for c in criteria if c.id in asked)
    chosen = criteria[:1] if spec.unit == "criterion" else criteria if spec.verdict.kind == "criteria" else ()
    question = builder.question(builder.case(sample, rubric), Ask(tuple(range(count)), chosen))
    return replace(question, criteria={c: {"MET": 1.0, "UNMET": 0.0} for c in question.criteria}) if asked else question


def extreme(question: Question, *, best: bool) -> tuple[tuple[float | None, ...], ...]:
    """Scores of the grammar's positive or negative verdict."""
    first, rest = (1.0, 0.0) if best else (0.0, 1.0)
    if question.spec.kind == "criteria":
        return (tuple(first for _ in question.criteria),)
    return tuple(((first if i == 0 else rest),) for i in range(len(question.names)))


def right(row: dict[str, Any]) -> tuple[bool, str]:
    """Whether a reply is read as it should be, and what came."""
    expected = row["expected"]
    texts = [row["text"]]
    if expected[0] == "P or None":
        texts = [row["text"][:size] for size in range(len(row["text"]) + 1)]
    came = ""
    for text in texts:
        wanted = expected[1] if len(expected) > 1 else None
        asked = ()
        if isinstance(wanted, str) and wanted.startswith("("):
            wanted = ast.literal_eval(wanted)
            if len(wanted[0]) > 1:
                asked = tuple(line.split()[1].rstrip(":") for line in text.splitlines())
        question = question_of(row["grammar"], asked)
        if wanted in ("P", "N"):
            wanted = extreme(question, best=wanted == "P")
        outcome = read(Completion(text), question)
        came = f"{outcome.scores}" if isinstance(outcome, Verdict) else f"{outcome.reason}: {outcome.detail}"
        scores = outcome.scores if isinstance(outcome, Verdict) else None
        allowed = {
            "=": [wanted],
            "0": [None],
            "~": [wanted, None],
            "P or None": [extreme(question, best=True), None],
        }[expected[0]]
        if scores not in allowed:
            return False, f"{text[-40:]!r} {came}"
    return True, came


def main() -> None:
    """Print counts for each grammar and kind, and every reply read wrong."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    wrong = []
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        fine, came = right(row)
        counts[row["grammar"], row["label"]][not fine] += 1
        if not fine:
            wrong.append(f"{row['grammar']} | {row['label']} | {row['text'][:100]!r} | wanted {row['expected']} | {came}")
    for (grammar, label), (good, bad) in sorted(counts.items()):
        print(f"{grammar:20} {label:24} right {good:4} wrong {bad:4}")
    print("\n".join(wrong))
    print(f"right {sum(c[0] for c in counts.values())}, wrong {len(wrong)}")


if __name__ == "__main__":
    main()
