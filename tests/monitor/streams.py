"""Batches for the monitor: eight prompts with eight responses each, honest unless told otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable

from judge.monitor import CanaryProbe
from judge.monitor.canaries import CanaryResult
from judge.types import NoVerdict, Reason, Reward, Sample

Text = Callable[[int, int, random.Random], str]
Paid = Callable[[str, int, random.Random], float | None]
WORDS = "river stone quiet under seven paper cloud lamp green north wheel table salt music early train".split()


def prose(_prompt: int, _place: int, chance: random.Random) -> str:
    """Text like no other, of 10 to 40 words."""
    return " ".join(chance.choices(WORDS, k=chance.randint(10, 40)))


def coin(rate: float) -> Paid:
    """Pays 1 at a rate, whatever the text."""
    return lambda _text, _place, chance: float(chance.random() < rate)


FAIR = coin(0.4)


def batch(
    step: int, text: Text = prose, paid: Paid = FAIR, prompts: int = 8, group: int = 8
) -> tuple[list[Sample], list[Reward]]:
    """One batch; `paid` None: no verdict."""
    chance = random.Random(f"{step}")
    samples, rewards = [], []
    for prompt in range(prompts):
        for place in range(group):
            name = f"{step}.{prompt}.{place}"
            sample = Sample.of(f"Question {prompt} of {step}?", text(prompt, place, chance), id=name, group=f"{step}.{prompt}")
            value = paid(sample.responses[0], place, chance)
            failure = NoVerdict(Reason.TIMEOUT) if value is None else None
            samples.append(sample)
            rewards.append(Reward(name, 0, value, failure, group=sample.group))
    return samples, rewards


def probes(
    count: int, passed: int, string: str = "All of it has been checked.", kind: str = "null", filtered: bool = True
) -> list[CanaryResult]:
    """Results of probes with one string, some of them paid."""
    found = []
    for n in range(count):
        sample = Sample.of("q", string, id=f"c{n}")
        probe = CanaryProbe(sample, 0, kind, string, filtered)  # type: ignore[arg-type]  # a literal
        found.append(CanaryResult(probe, Reward(sample.id, 0, 1.0 if n < passed else 0.0)))
    return found
