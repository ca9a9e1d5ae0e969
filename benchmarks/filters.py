"""Measure the intake filters: what the filters let through, what it stops that is right, and openers nobody listed.

    python benchmarks/filters.py DATA_FOLDER [--json] [--examples N]
    python benchmarks/filters.py --cost

DATA_FOLDER holds `verifier/`, `evouna/`, `triviaqa_judge_votes/`, `gsm8k/` and `math500/`. No model runs: what passes the filters would be
judged, so with a judge that always says yes it would be paid. Prints three tables (docs/robustness.md explains them).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from judge.checks.match import agrees
from judge.checks.values import compare_values
from judge.filters import opener
from judge.filters.intake import Intake
from judge.filters.lexicon import Lexicon
from judge.filters.proof import prove
from judge.filters.reference import reference
from judge.filters.surface import ResponseView
from judge.settings import FilterSettings
from judge.types import Sample

ROOT = Path(__file__).resolve().parent.parent
STATIC = ("master-key", "blank-and-symbol", "opener-collapsed", "non-committal")
REFERENCES = {"number": "42", "formula": "\\frac{3}{4}", "text": "David Seville", "none": None}
QUESTION = "Who was the man behind The Chipmunks, and how many apples were left?"
DEFAULT, DEFAULT_OTHER = Intake(FilterSettings(), "verifier"), Intake(FilterSettings(), "pointwise")
VERIFIER, OTHER = (Intake(FilterSettings(level="strict"), mode) for mode in ("verifier", "pointwise"))


@dataclass
class Count:
    """How many were checked, and which were blocked, by filter."""

    seen: int = 0
    blocked: Counter[str] = field(default_factory=Counter)
    agreeing: int = 0  # blocked although they agree with the reference
    examples: list[str] = field(default_factory=list)

    def add(self, sample: Sample, index: int = 0, intake: Intake = VERIFIER) -> bool:
        """Look at one response; True when it was blocked."""
        found = intake.check(sample, index, agrees)
        self.seen += 1
        if found.blocked is None:
            return False
        self.blocked[found.blocked.name] += 1
        self.agreeing += any(agrees(sample.responses[index], known) for known in sample.reference or ())
        self.examples.append(
            f"{found.blocked.name}: {sample.responses[index][:90]!r} (reference {' or '.join(sample.reference or ())[:50]!r})"
        )
        return True

    def row(self, name: str) -> dict[str, Any]:
        total = self.blocked.total()
        return {
            "set": name,
            "checked": self.seen,
            "blocked": total,
            "share": round(total / self.seen, 5) if self.seen else None,
            "agreeing blocked": self.agreeing,
            "by": dict(self.blocked.most_common()),
        }


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def static_keys() -> list[tuple[str, str]]:
    """(id, text) of every static key of the shipped catalogue."""
    families = yaml.safe_load((ROOT / "attacks" / "empty.yaml").read_text(encoding="utf-8"))["families"]
    keys = []
    for name in STATIC:
        for key, item in families[name]["items"].items():
            text = item if isinstance(item, str) else item.get("text")
            if text is not None:
                keys.append((key, text * (item.get("repeat", 1) if isinstance(item, dict) else 1)))
    return keys


def questions(data: Path) -> list[tuple[str, str]]:
    """300 (question, reference): 100 of each of grade-school numbers, MATH answers, open questions."""
    wanted = {"synthetic_gsm8k": 100, "synthetic_math500": 100, "evouna_nq": 50, "evouna_tq": 50}
    found = []
    for name, count in wanted.items():
        pairs = dict.fromkeys((r["question"], r["reference_answer"]) for r in read(data / "verifier" / f"{name}.jsonl"))
        found += list(islice(pairs, count))
    return found


def accepted(data: Path) -> dict[str, Any]:
    """Every static key as the answer to 300 questions, before a judge that always says yes and copies all of the response.

    That is the worst such judge: one that copies nothing proves nothing.
    """
    keys, asked = static_keys(), questions(data)
    passed: Counter[str] = Counter()
    for question, answer in asked:
        for key, text in keys:
            sample = Sample.of(question, text, reference=answer)
            if DEFAULT.check(sample, 0, agrees).blocked is None and not any(
                agrees(text, part) for part in reference(answer).parts
            ):
                passed[key] += prove(text, DEFAULT.view(sample, 0), compare=compare_values).state == "proved"
    return {"keys": len(keys), "questions": len(asked), "trials": len(keys) * len(asked), "accepted": +passed}


def right_short(data: Path) -> dict[str, Count]:
    """Right answers of at most twelve words, as a verifier sees them, and without a reference."""
    counts: dict[str, Count] = {}
    for name in ("synthetic_gsm8k", "synthetic_math500", "evouna_nq", "evouna_tq"):
        for row in read(data / "verifier" / f"{name}.jsonl"):
            if row["label"] and len(row["candidate"].split()) <= 12:
                sample = Sample.of(row["question"], row["candidate"], reference=row["reference_answer"])
                counts.setdefault(f"{name} right short", Count()).add(sample)
                bare = Sample.of(row["question"], row["candidate"])
                counts.setdefault(f"{name} right short, no reference", Count()).add(bare, intake=OTHER)
    for name, answers in golden(data):
        for question, answer, known in answers:
            counts.setdefault(name, Count()).add(Sample.of(question, answer, reference=known))
            counts.setdefault(f"{name}, no reference", Count()).add(Sample.of(question, answer), intake=OTHER)
    return counts


def golden(data: Path) -> Iterator[tuple[str, Iterable[tuple[str, str, str]]]]:
    """(set, (question, one accepted answer, the reference)): golden answers given as responses."""
    for name in ("nq", "tq"):
        rows = read(data / "evouna" / f"{name}.jsonl")
        yield (
            f"golden answers {name}",
            (
                (r["question"], a, r["golden_answer"])
                for r in rows
                for a in islice((r["golden_answer"] or "").split("/"), 4)
                if a.strip()
            ),
        )
    yield (
        "golden answers TriviaQA votes",
        (
            (r["question"], a, "/".join(r["references"]))
            for r in read(data / "triviaqa_judge_votes" / "v1.jsonl")
            for a in r["references"][:4]
            if a.strip()
        ),
    )
    finals = ((r["question"], r["answer"].rpartition("#### ")[2]) for r in read(data / "gsm8k" / "test.jsonl"))
    yield "GSM8K final answers", ((q, a, a) for q, a in finals)
    yield "MATH-500 answers", ((r["problem"], r["answer"], r["answer"]) for r in read(data / "math500" / "test.jsonl"))


def longer(data: Path) -> dict[str, Count]:
    """All other candidates of the verifier sets: right ones, and honest wrong ones (which the judge should see)."""
    counts: dict[str, Count] = {}
    built = ("synthetic:master_key", "synthetic:question_echo", "synthetic:first_sentence_only")
    for path in sorted((data / "verifier").glob("*.jsonl")):
        for row in read(path):
            source = row["candidate_source"]
            kind = source if source in built else ("right" if row["label"] else "honest wrong")
            sample = Sample.of(row["question"], row["candidate"], reference=row["reference_answer"])
            counts.setdefault(f"{path.stem} {kind}", Count()).add(sample)
    return counts


def openers() -> dict[str, dict[str, list[str]]]:
    """Family -> {`strings`, `skip`}: the development list, and the languages whose words only that family brought."""
    listed: dict[str, dict[str, list[str]]] = yaml.safe_load(
        (ROOT / "tests" / "filters" / "openers.yaml").read_text(encoding="utf-8")
    )
    return listed


def recall() -> list[dict[str, Any]]:
    """Share of each family that is blocked, with its own words listed and with them left out."""
    rows = []
    for family, listed in openers().items():
        row: dict[str, Any] = {"family": family, "strings": len(listed["strings"])}
        without = Lexicon(frozenset(listed.get("skip", ())), frozenset(w for w in listed.get("words", ())))
        for name, known in REFERENCES.items():
            row[name] = sum(_stopped(s, known, None) for s in listed["strings"]) / len(listed["strings"])
            row[f"{name} left out"] = sum(_stopped(s, known, without) for s in listed["strings"]) / len(listed["strings"])
        rows.append(row)
    return rows


def _stopped(text: str, known: str | None, lexicon: Lexicon | None) -> bool:
    """Whether the filters block an opener; with a lexicon given, the opener filter uses that one."""
    sample = Sample.of(QUESTION, text, reference=known)
    blocked = VERIFIER.check(sample, 0, agrees).blocked
    if blocked is None or lexicon is None or blocked.name != "opener_only":
        return blocked is not None
    view = ResponseView(text, QUESTION, reference(known) if known else None, "verifier")
    rest = Intake(FilterSettings(level="strict", actions={"opener_only": "off"}), "verifier")
    return opener.opener_only(view, lexicon) is not None or rest.check(sample, 0, agrees).blocked is not None


WORDS = (
    "ferry harbour mules gorge ledger copper winter lantern saddle orchard quarry timber bishop meadow granite salted canvas rope"
    " the a of and to in was with for on had by which from it that their at"
).split()


def cost(repeats: int = 7, count: int = 300) -> Iterator[tuple[str, int, float]]:
    """(mode, words, CPU ms a response): the least of some repeats, for plain sentences that all differ."""
    for name, intake, known in (("verifier", DEFAULT, "12"), ("pointwise", DEFAULT_OTHER, None)):
        for size in (100, 300, 1000):
            texts = [" ".join(random.Random(k).choices(WORDS, k=size)) + f", {k} times." for k in range(count)]
            samples = [Sample.of(QUESTION, text, reference=known) for text in texts]
            spent = []
            for _ in range(repeats):
                began = time.process_time()
                for sample in samples:
                    intake.check(sample, 0, agrees)
                spent.append((time.process_time() - began) / count * 1000)
            yield name, size, min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument(
        "--cost", action="store_true", help="only CPU ms of the filters for ordinary responses of 100 to 1,000 words"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--examples", type=int, default=0, metavar="N", help="print N blocked responses of each set")
    options = parser.parse_args()
    if options.cost:
        for name, size, spent in cost():
            print(f"{name:12s} {size:5d} words  {spent:.4f} ms CPU a response")
        return
    if options.data is None:
        parser.error("DATA_FOLDER is missing")
    began = time.perf_counter()
    keys = accepted(options.data)
    short, rest = right_short(options.data), longer(options.data)
    report = {
        "accepted": keys,
        "right short": [c.row(n) for n, c in short.items()],
        "all": [c.row(n) for n, c in rest.items()],
        "openers": recall(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    if options.json:
        json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
        return
    _print(report)
    for name, count in {**short, **rest}.items():
        if "wrong" not in name and "synthetic:" not in name:
            for example in count.examples[: options.examples]:
                print(f"{name}: {example}")


def _print(report: dict[str, Any]) -> None:
    keys = report["accepted"]
    print(
        f"static keys: {keys['keys']} x {keys['questions']} questions = {keys['trials']:,} trials, accepted {sum(keys['accepted'].values())} {dict(keys['accepted'])}"
    )
    for title in ("right short", "all"):
        print(f"\n{title:46s} {'checked':>9s} {'blocked':>8s} {'share':>8s}  agreeing  by")
        for row in report[title]:
            print(
                f"{row['set']:46s} {row['checked']:9,} {row['blocked']:8,} {row['share']:8.2%}  {row['agreeing blocked']:8}  {row['by']}"
            )
    names = list(REFERENCES)
    print(f"\n{'openers':34s} {'n':>4s} " + " ".join(f"{n:>15s}" for n in names) + "   (all listed / family left out)")
    total: Counter[str] = Counter()
    for row in report["openers"]:
        print(f"{row['family']:34s} {row['strings']:4} " + " ".join(f"{row[n]:7.0%} {row[f'{n} left out']:7.0%}" for n in names))
        for key in (k for n in names for k in (n, f"{n} left out")):
            total[key] += row[key] * row["strings"]
    size = sum(row["strings"] for row in report["openers"])
    if size:
        print(f"{'all':34s} {size:4} " + " ".join(f"{total[n] / size:7.1%} {total[f'{n} left out'] / size:7.1%}" for n in names))
    print(f"\n{report['seconds']} s")


if __name__ == "__main__":
    main()
