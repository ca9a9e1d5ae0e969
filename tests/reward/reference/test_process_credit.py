"""What steps are worth and paid, against plain loops."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from judge.reward.process import first_error, fold_steps
from judge.shape import RewardBatch, StepsStep, shape
from judge.shape.process import merge_thoughts, min_form, mix_verifiable, renorm, thought_rewards
from judge.shape.scalar import step_returns

NAN = math.nan


def gap(value: float) -> bool:
    return math.isnan(value)


def some_steps(seed: int) -> list[float]:
    draw = random.Random(seed)
    gaps = draw.random() < 0.3
    return [draw.choice([0.0, 1.0, 0.5, draw.random(), draw.random(), NAN if gaps else 0.9]) for _ in range(draw.randint(1, 8))]


EDGES = [[], [NAN], [0.0], [1.0], [0.5, 0.5, 0.5], [1.0] * 6, [0.0] * 6, [NAN, 0.1], [0.1, NAN], [1.0, 0.0, 0.0, 0.0, 0.0]]
STEPS = [*EDGES, *map(some_steps, range(150))]


def folded(steps: list[float], how: str) -> float:
    """The folds that Pan et al. (arXiv:2311.05821) compare; ProcessBench's first error (arXiv:2412.06559)."""
    if not steps:
        return NAN
    if how == "before_error":
        for at, step in enumerate(steps):
            if gap(step):
                return NAN
            if step < 0.5:
                return at / len(steps)
        return 1.0
    if how == "last":
        return steps[-1]
    if any(map(gap, steps)):
        return NAN
    return {"min": min(steps), "max": max(steps), "mean": sum(steps) / len(steps), "product": math.prod(steps)}[how]


@pytest.mark.parametrize("how", ["min", "max", "mean", "product", "last", "before_error"])
def test_folds(how: str, same):
    for steps in STEPS:
        same(fold_steps(steps, how), folded(steps, how), steps)


def test_first_errors(same):
    for steps in STEPS:
        wanted: float = -1
        for at, step in enumerate(steps):
            if gap(step) or step < 0.5:
                wanted = NAN if gap(step) else at
                break
        found = first_error(steps)
        same(NAN if found is None else found, wanted, steps)


def pure(steps: list[float], temperature: float) -> list[float]:
    """PURE (arXiv:2504.15275; CJReinforce/PURE a93a4bf, openrlhf/utils/utils.py): each step's p(right) - p(wrong), times
    the softmax of the negatives over the temperature."""
    low = min(steps)
    weights = [math.exp(-(s - low) / temperature) for s in steps]
    return [s * w / sum(weights) for s, w in zip(steps, weights, strict=True)]


def test_min_form(same):
    for steps in STEPS:
        if not steps or any(map(gap, steps)):
            same(min_form(steps), [NAN] * len(steps), steps)
            continue
        published = [2 * s - 1 for s in steps]
        same(min_form(published, 0.1), pure(published, 0.1), steps)
        if all(published):  # the weights of the published scale, on scores in [0, 1]
            weights = [w / p for w, p in zip(pure(published, 0.1), published, strict=True)]
            same(min_form(steps), [s * w for s, w in zip(steps, weights, strict=True)], steps)
        worst = [s if s == min(steps) else 0.0 for s in steps]
        same(min_form(steps, 0.0), [w / steps.count(min(steps)) for w in worst], steps)


def refined(steps: list[float], refine: str, eta: float) -> list[float]:
    """Clip and Delta (arXiv:2410.15115; only its abstract could be read again, the rest is from memory): min(s - eta, 0);
    s_k - s_(k+1), where the last but one keeps its own and the last has 0."""
    if refine in ("clip", "clip_delta"):
        steps = [NAN if gap(s) else s - eta if s < eta else 0.0 for s in steps]
    if refine in ("delta", "clip_delta"):
        last = len(steps) - 1
        out = []
        for k, step in enumerate(steps):
            if k == last:
                out.append(0.0)
            elif k == last - 1:
                out.append(step)
            else:
                out.append(step - steps[k + 1])
        steps = out
    return steps


@pytest.mark.parametrize("refine", ["clip", "delta", "clip_delta"])
@pytest.mark.parametrize("eta", [0.5, 0.9, 1.0])
def test_clip_and_delta(refine: str, eta: float, same):
    """Returns are sums of the rewards still to come plus the outcome at the end (no discount); a run's step adds their mean."""
    for steps in STEPS:
        rewards = refined(steps, refine, eta)
        missing = any(map(gap, rewards))
        returns = []
        ahead = 0.7  # the outcome
        for reward in reversed(rewards):
            ahead += 2 * reward
            returns.insert(0, NAN if missing else ahead)
        same(step_returns(steps, 0.7, refine=refine, eta=eta, weight=2.0), returns, steps)
        found = shape(RewardBatch.of([0.7], steps=[steps]), [StepsStep(refine=refine, eta=eta, weight=2.0)], seed=0).optional()
        same(found, [sum(returns) / len(returns) if returns else 0.7], steps)


def test_renorm(same):
    """PPR's ReNorm (arXiv:2509.25598): r_step + r_outcome - 1, as a public review has it; the text could not be read."""
    for steps in STEPS:
        for outcome in (0.0, 0.4, 1.0, None):
            wanted = [NAN if outcome is None else s - (1 - outcome) for s in steps]
            same(renorm(steps, outcome), wanted, steps)


def test_thoughts(same):
    """TP-GRPO (arXiv:2507.23317): neighbours of one verdict are one thought. What a thought is paid is the project's own: right
    beside wrong of the outcome and of the thought, by the pass rate."""
    for steps in STEPS:
        verdicts = [None if gap(s) else s >= 0.5 for s in steps]
        wanted: list[tuple[int, int, bool | None]] = []
        for at, verdict in enumerate(verdicts):
            if at and verdict is verdicts[at - 1]:
                wanted[-1] = (wanted[-1][0], at + 1, verdict)
            else:
                wanted.append((at, at + 1, verdict))
        thoughts = merge_thoughts(steps)
        assert [(t.start, t.stop, t.correct) for t in thoughts] == wanted
        for solved in (True, False):
            price = {(True, True): 1.0, (True, False): -0.25, (False, True): 0.75, (False, False): -1.0}
            paid = [NAN if right is None else price[solved, right] for _, _, right in wanted]
            same(thought_rewards(thoughts, solved, 0.25), paid, steps)


def test_verified_share(same, compared: Callable[..., None]):
    """PURE (section 4): a tenth of the questions has a checked outcome, which is added; which ones follows from seed and text."""
    draw = random.Random(4)
    questions = [f"question {k // 4}" for k in range(4000)]
    process = [draw.choice([NAN, draw.random(), draw.random()]) for _ in questions]
    outcomes = [draw.choice([NAN, 0.0, 1.0]) for _ in questions]
    mixed = mix_verifiable([0.0] * len(questions), [1.0] * len(questions), questions)
    assert sum(mixed) / len(questions) == pytest.approx(0.1, abs=0.03)
    compared()
    assert all(mixed[k] == mixed[k - k % 4] for k in range(len(questions)))
    wanted = [p + o if m else p for p, o, m in zip(process, outcomes, mixed, strict=True)]
    same(mix_verifiable(process, outcomes, questions), wanted)
    same(mix_verifiable(process, outcomes, questions, share=0.0), process)
