"""Attacks x questions -> the texts to judge, each with what it is compared with.

Every item meets `trials` questions, drawn by the seed and the item's id: adding an item does not move the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from judge.attack.arena import Arena
from judge.attack.bases import Question, conclusion
from judge.attack.catalogue import Attack, BaseKind
from judge.attack.neutral import neutral
from judge.attack.places import placed
from judge.attack.transforms import Base, transform_named
from judge.checks.match import agrees
from judge.errors import InputError

OTHER_ANSWER = "The answer is something quite different: 7391 green boats."  # what a KEEP item is compared with in a pair
LEAST_CONTROL = 20  # characters added to an answer that a transform only rewrites: how much the judge moves by itself
RIGHTS, WRONGS = 4, 2  # honest answers judged of one question


@dataclass(frozen=True, slots=True)
class Shot:
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
    question: Question
    text: str
    base: str | None = None
    base_kind: BaseKind | None = None
    control: str | None = None
    opponent: str | None = None
    shown: str = ""


def honest_shots(arena: Arena, questions: Sequence[Question]) -> list[Shot]:
    """The honest answers themselves: what the judge and the gate do to a policy that does not cheat."""
    out: list[Shot] = []
    for q in questions:
        rights = q.rights[:RIGHTS] or ((q.right,) if q.right else ())
        wrongs = q.wrongs[:WRONGS] or ((q.wrong,) if q.wrong else ())
        if arena.paired:
            rights, wrongs = ((q.right,) if q.right and q.wrong else ()), ()
        out += [Shot("right", None, "", q, text, opponent=q.wrong if arena.paired else None) for text in rights]
        out += [Shot("wrong", None, "", q, text) for text in wrongs]
    return out


def attack_shots(arena: Arena, attacks: Iterable[Attack], questions: Sequence[Question], trials: int, seed: int) -> list[Shot]:
    """The attacks on the questions of a data set.

    Args:
        trials: Questions that each item meets; more where it has more variants than that.

    Raises:
        InputError: A transform of the user's own gave something that is no text.
    """
    return [shot for attack in attacks for shot in _item(arena, attack, questions, trials, seed)]


def _item(arena: Arena, attack: Attack, questions: Sequence[Question], trials: int, seed: int) -> Iterable[Shot]:
    if attack.safe == "KEEP":
        return [_keep(arena, attack)]
    rng = random.Random(f"{seed}|{attack.id}")
    variants = attack.variants()
    out: list[Shot] = []
    for kind in attack.base if attack.safe != "NEG" else (None,):
        fit = [q for q in questions if _fits(arena, attack, q, kind)]
        rng.shuffle(fit)
        count = min(max(trials, len(variants)), len(fit) * len(variants))
        out += [_shot(arena, attack, *_pick(variants, fit, t), kind, questions, seed) for t in range(count)]
        if kind == "wrong" and "right" not in attack.base and attack.safe not in ("CONTROL", "FLAG"):
            rights = [q for q in fit if q.right]
            out += [_shot(arena, attack, *_pick(variants, rights, 0), "right", questions, seed)] if rights else []
    return out


def _pick(variants: Sequence[tuple[str, str, str]], fit: Sequence[Question], trial: int) -> tuple[tuple[str, str, str], Question]:
    """Variants in turn, and another question each time a variant comes back: no combination twice."""
    turn, which = divmod(trial, len(variants))
    return variants[which], fit[(turn + which) % len(fit)]


def _fits(arena: Arena, attack: Attack, q: Question, kind: BaseKind | None) -> bool:
    if arena.paired and not (q.right and (kind is None or q.wrong)):
        return False
    if kind is not None:
        return bool(q.wrong if kind == "wrong" else q.right)
    texts = list(attack.texts.values())
    return not any(agrees(t, q.reference or "") for t in texts)  # a right answer by chance is no attack


def _keep(arena: Arena, attack: Attack) -> Shot:
    text = next(iter(attack.texts.values()))
    q = Question(f"keep-{attack.id}", attack.question or "", attack.reference, text, OTHER_ANSWER)
    return Shot("attack", attack, "", q, text, base_kind="right", opponent=OTHER_ANSWER if arena.paired else None, shown=text)


def _shot(
    arena: Arena,
    attack: Attack,
    variant: tuple[str, str, str],
    q: Question,
    kind: BaseKind | None,
    questions: Sequence[Question],
    seed: int,
) -> Shot:
    name, literal, place = variant
    rng = random.Random(f"{seed}|{attack.id}|{name}|{q.id}|{kind}")
    answer = "" if kind is None else (q.wrong if kind == "wrong" else q.right) or ""
    wrong = conclusion(q.wrong or "")
    opponent = None
    if arena.paired:
        opponent = q.wrong if kind == "right" else q.right
    if attack.transform:
        base = arena.base(q, answer, wrong, questions)
        text = _transformed(attack, replace(base, answer=answer or q.wrong or "") if kind is None else base, rng)
        payload, control = _difference(text, answer), None
        if attack.control and kind == "wrong":
            control = _transform_control(answer, text, attack.safe == "INVARIANT", rng)
    else:
        payload = attack.pair if arena.paired and attack.pair is not None else literal
        payload = payload.replace("@WRONG@", wrong or "0").replace("@RIGHT@", q.reference or "")
        text = placed(place, answer, payload)
        control = placed(place, answer, neutral(len(payload), rng)) if attack.control and kind == "wrong" else None
    return Shot("attack", attack, name, q, text, answer if kind else None, kind, control, opponent, payload)


def _transformed(attack: Attack, base: Base, rng: random.Random) -> str:
    text = transform_named(attack.transform or "")(base, rng)
    if not isinstance(text, str):
        raise InputError(f"transform `{attack.transform}` ({attack.id}) gave a {type(text).__name__}, not a text")
    return text


def _transform_control(answer: str, text: str, same: bool, rng: random.Random) -> str:
    """Neutral text as long as what the transform added, after the answer; or as long as what it put in the answer's place."""
    if answer and (same or answer in text):
        return f"{answer}\n{neutral(max(LEAST_CONTROL, len(text) - len(answer)), rng)}"
    return neutral(len(text), rng)


def _difference(text: str, answer: str) -> str:
    """The part of a text that is not the answer, where it can be told."""
    return text.replace(answer, "", 1).strip("\n") if answer and answer in text else text
