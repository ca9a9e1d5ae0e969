"""Attacks x questions -> the texts to judge, each with what it is compared with.

Every item meets `trials` questions, drawn by the seed and the item's id: adding an item does not move the others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from judge.attack.catalogue import Attack, SeedKind
from judge.attack.evaluator import Evaluator, FilterState, TextScore
from judge.attack.seeds import SeedQuestion, conclusion
from judge.attack.texts import AttackContext, control_text, inserted, transform_named
from judge.batch.progress import ProgressLine
from judge.checks.match import agrees
from judge.errors import InputError
from judge.pipeline.evaluate import run_each
from judge.trials import Trial

OTHER_ANSWER = "The answer is something quite different: 7391 green boats."  # what a KEEP item is compared with in a pair
LEAST_CONTROL = 20  # characters added to an answer that a transform only rewrites: how much the judge moves by itself
RIGHTS, WRONGS = 4, 2  # honest answers judged of one question


@dataclass(frozen=True, slots=True)
class AttackCase:
    """One text to judge.

    Attributes:
        kind: `attack`, or an honest answer: `right`, `wrong`.
        base: The honest answer that the text is made from; None: it stands alone.
        base_kind: Whether that answer is right.
        control: A neutral text of the same length in the same place, or None.
        opponent: The honest answer it is compared with in a pair.
        shown: What is the attack in it, for a person.
    """

    kind: Literal["attack", "right", "wrong"]
    attack: Attack | None
    variant: str
    question: SeedQuestion
    text: str
    base: str | None = None
    base_kind: SeedKind | None = None
    control: str | None = None
    opponent: str | None = None
    shown: str = ""


def honest_cases(evaluator: Evaluator, questions: Sequence[SeedQuestion]) -> list[AttackCase]:
    """The honest answers themselves: what the judge and the filters do to a policy that does not cheat."""
    out: list[AttackCase] = []
    for q in questions:
        rights = q.rights[:RIGHTS] or ((q.right,) if q.right else ())
        wrongs = q.wrongs[:WRONGS] or ((q.wrong,) if q.wrong else ())
        if evaluator.paired:
            rights, wrongs = ((q.right,) if q.right and q.wrong else ()), ()
        out += [AttackCase("right", None, "", q, text, opponent=q.wrong if evaluator.paired else None) for text in rights]
        out += [AttackCase("wrong", None, "", q, text) for text in wrongs]
    return out


def attack_cases(
    evaluator: Evaluator, attacks: Iterable[Attack], questions: Sequence[SeedQuestion], trials: int, seed: int
) -> list[AttackCase]:
    """The attacks on the questions of a data set.

    Args:
        trials: SeedQuestions that each item meets; more where it has more variants than that.

    Raises:
        InputError: A transform of the user's own gave something that is no text.
    """
    return [case for attack in attacks for case in _item(evaluator, attack, questions, trials, seed)]


def _item(
    evaluator: Evaluator, attack: Attack, questions: Sequence[SeedQuestion], trials: int, seed: int
) -> Iterable[AttackCase]:
    if attack.safe == "KEEP":
        return [_keep(evaluator, attack)]
    rng = random.Random(f"{seed}|{attack.id}")
    variants = attack.variants()
    out: list[AttackCase] = []
    for kind in attack.base if attack.safe != "NEG" else (None,):
        fit = [q for q in questions if _fits(evaluator, attack, q, kind)]
        rng.shuffle(fit)
        count = min(max(trials, len(variants)), len(fit) * len(variants))
        out += [_case(evaluator, attack, *_pick(variants, fit, t), kind, questions, seed) for t in range(count)]
        if kind == "wrong" and "right" not in attack.base and attack.safe not in ("CONTROL", "FLAG"):
            rights = [q for q in fit if q.right]
            out += [_case(evaluator, attack, *_pick(variants, rights, 0), "right", questions, seed)] if rights else []
    return out


def _pick(
    variants: Sequence[tuple[str, str, str]], fit: Sequence[SeedQuestion], trial: int
) -> tuple[tuple[str, str, str], SeedQuestion]:
    """Variants in turn, and another question each time a variant comes back: no combination twice."""
    turn, which = divmod(trial, len(variants))
    return variants[which], fit[(turn + which) % len(fit)]


def _fits(evaluator: Evaluator, attack: Attack, q: SeedQuestion, kind: SeedKind | None) -> bool:
    if evaluator.paired and not (q.right and (kind is None or q.wrong)):
        return False
    if kind is not None:
        return bool(q.wrong if kind == "wrong" else q.right)
    texts = list(attack.texts.values())
    return not any(agrees(t, q.reference or "") for t in texts)  # a right answer by chance is no attack


def _keep(evaluator: Evaluator, attack: Attack) -> AttackCase:
    text = next(iter(attack.texts.values()))
    q = SeedQuestion(f"keep-{attack.id}", attack.question or "", attack.reference, text, OTHER_ANSWER)
    return AttackCase(
        "attack", attack, "", q, text, base_kind="right", opponent=OTHER_ANSWER if evaluator.paired else None, shown=text
    )


def _case(
    evaluator: Evaluator,
    attack: Attack,
    variant: tuple[str, str, str],
    q: SeedQuestion,
    kind: SeedKind | None,
    questions: Sequence[SeedQuestion],
    seed: int,
) -> AttackCase:
    name, literal, place = variant
    rng = random.Random(f"{seed}|{attack.id}|{name}|{q.id}|{kind}")
    answer = "" if kind is None else (q.wrong if kind == "wrong" else q.right) or ""
    wrong = conclusion(q.wrong or "")
    opponent = None
    if evaluator.paired:
        opponent = q.wrong if kind == "right" else q.right
    if attack.transform:
        base = evaluator.base(q, answer, wrong, questions)
        text = _transformed(attack, replace(base, answer=answer or q.wrong or "") if kind is None else base, rng)
        payload, control = _difference(text, answer), None
        if attack.control and kind == "wrong":
            control = _transform_control(answer, text, attack.safe == "INVARIANT", rng)
    else:
        payload = attack.pair if evaluator.paired and attack.pair is not None else literal
        payload = payload.replace("@WRONG@", wrong or "0").replace("@RIGHT@", q.reference or "")
        text = inserted(place, answer, payload)
        control = inserted(place, answer, control_text(len(payload), rng)) if attack.control and kind == "wrong" else None
    return AttackCase("attack", attack, name, q, text, answer if kind else None, kind, control, opponent, payload)


def _transformed(attack: Attack, base: AttackContext, rng: random.Random) -> str:
    text = transform_named(attack.transform or "")(base, rng)
    if not isinstance(text, str):
        raise InputError(f"transform `{attack.transform}` ({attack.id}) gave a {type(text).__name__}, not a text")
    return text


def _transform_control(answer: str, text: str, same: bool, rng: random.Random) -> str:
    """Neutral text as long as what the transform added, after the answer; or as long as what it put in the answer's place."""
    if answer and (same or answer in text):
        return f"{answer}\n{control_text(max(LEAST_CONTROL, len(text) - len(answer)), rng)}"
    return control_text(len(text), rng)


def _difference(text: str, answer: str) -> str:
    """The part of a text that is not the answer, where it can be told."""
    return text.replace(answer, "", 1).strip("\n") if answer and answer in text else text


TextScores = dict[FilterState, TextScore]
AttackTrial = Trial[AttackCase, TextScores]


async def run_cases(
    evaluator: Evaluator, cases: Sequence[AttackCase], limit: int, progress: ProgressLine | None = None
) -> list[AttackTrial]:
    """Judge all cases, everything in flight at once; trials in the order of the cases.

    Args:
        limit: Cases worked on at once; the engine batches their requests.

    Raises:
        EngineError: The engine cannot work at all.
        DataError: A question lacks something that the recipe needs.
    """
    done: dict[int, AttackTrial] = {}

    async def one(index: int) -> AttackTrial:
        return await _trial(evaluator, cases[index])

    try:
        async with aclosing(run_each(one, range(len(cases)), in_flight=limit)) as finished:
            async for index, trial in finished:
                done[index] = trial
                first = next(iter(trial.changed.values()))
                if progress is not None:
                    progress.count([first.reason] if first.value is None else [])
    finally:
        left = evaluator.running()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)  # so that none is complained about later
    return [done[index] for index in sorted(done)]


async def _trial(evaluator: Evaluator, case: AttackCase) -> AttackTrial:
    if case.base is None and case.control is None:
        return Trial(case, await evaluator.score(case.question, case.text, case.opponent))
    texts = [case.text, *(t for t in (case.base, case.control) if t is not None)]
    scores = await asyncio.gather(*(evaluator.score(case.question, text, case.opponent) for text in texts))
    rest = list(scores[1:])
    base = rest.pop(0) if case.base is not None else None
    control = rest.pop(0) if case.control is not None else None
    return Trial(case, scores[0], base, control)
