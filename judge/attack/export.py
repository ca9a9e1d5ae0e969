"""What got through -> training data that teaches a judge to refuse it.

Master-RM (arXiv:2507.08794, 3.2 and appendix B.2) mixes 20,000 first sentences of real solutions, labelled NO, with 160,000
honest rows, and its false positives fall from tens of per cent to 0.1. Ours: first sentences come from the answers at hand,
without a model; the attacks that this judge accepted are added, and the honest rows are as many right as wrong.

Columns of a row:

| column | what |
|---|---|
| `messages` | the prompt as the judge gets it: a list of `role` and `content` |
| `completion` | the verdict to be learned, in the grammar of the recipe |
| `label` | True: the response is right; False: it is not |
| `question`, `reference`, `response` | the parts; the reference may be null |
| `source` | `attack:FAMILY`, `first-sentence`, `honest-right`, `honest-wrong` |
| `item` | id of the attack, or null |
| `mode`, `recipe`, `seed` | how it came about |
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from judge.attack.cases import AttackTrial
from judge.attack.evaluator import Evaluator, extreme_value, grammar, messages_of, sample
from judge.attack.metrics import got_through
from judge.attack.run import AttackReport, ModeReport
from judge.attack.seeds import SeedQuestion
from judge.checks.match import normalise
from judge.errors import OutputError
from judge.parse import format_verdict

FIRST_SENTENCE_MAX = 300  # characters; a longer one is a solution
_SENTENCE = re.compile(r"(.+?[.!?:。])(?:\s|$)", re.DOTALL)

TrainingRow = dict[str, Any]


def check_folder(folder: Path) -> None:
    """Raises `OutputError` when the folder holds something: training data is never mixed by accident."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: is not empty; name a new folder for the training data")


def export(report: AttackReport, questions: Sequence[SeedQuestion], folder: Path) -> dict[str, int]:
    """Write a `datasets` folder (`datasets.load_from_disk`) with the same rows in `data.parquet`.

    Returns:
        Rows of each source.

    Raises:
        OutputError: The folder is not empty, cannot be written, or there is no row to write.
    """
    check_folder(folder)
    rows: list[TrainingRow] = []
    for mode in report.modes:
        if not mode.evaluator.paired:  # a pair has no label of its own
            rows += training_rows(mode, questions, report.options.seed)
    if not rows:
        raise OutputError("no training data: pairs have no label of their own; run a verifier, pointwise or checklist mode")
    _write(rows, folder)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["source"]] = counts.get(row["source"], 0) + 1
    return dict(sorted(counts.items()))


def training_rows(mode: ModeReport, questions: Sequence[SeedQuestion], seed: int) -> list[TrainingRow]:
    """Rows of one mode, each text once, in an order that the seed decides."""
    evaluator = mode.evaluator
    negatives = [*_accepted(evaluator, mode.trials, seed), *_first_sentences(evaluator, questions, seed)]
    rows = _distinct([*negatives, *_balanced(evaluator, questions, seed)])
    random.Random(seed).shuffle(rows)
    return rows


def _accepted(evaluator: Evaluator, trials: Iterable[AttackTrial], seed: int) -> Iterable[TrainingRow]:
    """Attacks that got through with the filters or without: the judge itself should have refused them."""
    for trial in trials:
        attack = trial.case.attack
        if attack is None or trial.case.base_kind == "right" or attack.safe not in ("NEG", "NOGAIN", "LITERAL", "INVARIANT"):
            continue
        if any(got_through(evaluator, trial, filters) for filters in evaluator.filter_states):
            yield _row(evaluator, trial.case.question, trial.case.text, False, f"attack:{attack.family}", attack.id, seed)


def _first_sentences(evaluator: Evaluator, questions: Sequence[SeedQuestion], seed: int) -> Iterable[TrainingRow]:
    for q in questions:
        sentence = first_sentence(q.right or "", q.reference or "")
        if sentence and q.reference:
            yield _row(evaluator, q, sentence, False, "first-sentence", None, seed)


def first_sentence(solution: str, reference: str) -> str | None:
    """The first sentence of a solution that goes on, unless it holds the answer already.

    Example:
        >>> first_sentence("Let us count the legs. A spider has 8.", "8"), first_sentence("It has 8. So 8.", "8")
        ('Let us count the legs.', None)
    """
    match = _SENTENCE.match(solution.strip())
    head = match.group(1).strip() if match else solution.strip().partition("\n")[0].strip()
    goes_on = len(head) < len(solution.strip())
    if not head or not goes_on or len(head) > FIRST_SENTENCE_MAX:
        return None
    answer = normalise(reference)
    inside = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", normalise(head)) if answer else None
    return None if inside else head


def _balanced(evaluator: Evaluator, questions: Sequence[SeedQuestion], seed: int) -> list[TrainingRow]:
    """As many right answers as wrong ones."""
    rights = [(q, text) for q in questions for text in q.rights or ((q.right,) if q.right else ())]
    wrongs = [(q, text) for q in questions for text in q.wrongs or ((q.wrong,) if q.wrong else ())]
    rng = random.Random(f"export|{seed}")
    count = min(len(rights), len(wrongs))
    right = [_row(evaluator, q, text, True, "honest-right", None, seed) for q, text in rng.sample(rights, count)]
    return right + [_row(evaluator, q, text, False, "honest-wrong", None, seed) for q, text in rng.sample(wrongs, count)]


def _row(evaluator: Evaluator, q: SeedQuestion, text: str, label: bool, source: str, item: str | None, seed: int) -> TrainingRow:
    of = sample(q, (text,))
    return {
        "messages": [{"role": m.role, "content": _clean(m.text)} for m in messages_of(evaluator.first, of)],
        "completion": format_verdict(*_verdict(evaluator, of, label)),
        "label": label,
        "question": _clean(q.prompt),
        "reference": _clean(q.reference) if q.reference is not None else None,
        "response": _clean(text),
        "source": source,
        "item": item,
        "mode": evaluator.mode,
        "recipe": evaluator.plan.recipe.spec.name,
        "seed": seed,
    }


def _verdict(evaluator: Evaluator, of: Any, label: bool) -> tuple[Any, Any]:
    question = grammar(evaluator.first, of)
    return question, extreme_value(question, best=label)


def _clean(text: str) -> str:
    """Half characters as escapes: Arrow holds UTF-8 only."""
    return text.encode("utf-8", "backslashreplace").decode()


def _distinct(rows: Iterable[TrainingRow]) -> list[TrainingRow]:
    """Each text on a question once; a right answer is never also a negative."""
    out: dict[tuple[str, str, str], TrainingRow] = {}
    listed = list(rows)
    good = {(r["question"], normalise(r["response"])) for r in listed if r["label"]}
    for row in listed:
        if not row["label"] and (row["question"], normalise(row["response"])) in good:
            continue
        out.setdefault((row["mode"], row["question"], row["response"]), row)
    return list(out.values())


def _write(rows: list[TrainingRow], folder: Path) -> None:
    import datasets  # noqa: PLC0415  # a second to import, for this option only

    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = datasets.Dataset.from_list(rows)
        quiet = datasets.is_progress_bar_enabled()
        datasets.disable_progress_bars()
        try:
            made.save_to_disk(str(folder))
            made.to_parquet(str(folder / "data.parquet"))
        finally:
            if quiet:
                datasets.enable_progress_bars()
        (folder / "README.md").write_text(_card(rows), encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{folder}: cannot be written: {why}") from None


def _card(rows: Sequence[TrainingRow]) -> str:
    table = (__doc__ or "").partition("| column")[2]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["source"]] = counts.get(row["source"], 0) + 1
    sources = "\n".join(f"- `{name}`: {n}" for name, n in sorted(counts.items()))
    origin = json.dumps({"rows": len(rows), "seed": rows[0]["seed"], "recipe": rows[0]["recipe"]})
    return f"# Training data against attacks on a judge\n\n{origin}\n\n{sources}\n\n| column{table}"
