"""Steps on length and form, against plain loops."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from tests.reward.reference.rows import BATCHES, PROMPT, Row, members, run, seen

Rewards = list[float | None]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def known(rows: list[Row], *names: str) -> list[Row]:
    """Rows that lack something have no reward, but a vetoed one needs nothing to be the worst."""
    return [replace(r, reward=None) if not r.vetoed and any(getattr(r, n) is None for n in names) else r for r in seen(rows)]


def crf(rows: list[Row], spec: dict) -> Rewards:
    """r x (1 + weight x (conciseness + exp(share correct))), r without conciseness (arXiv:2511.09158). Neither paper nor code was
    to be had: written from readers' reports and the abstract."""
    rows = [replace(r, reward=None if r.scores.get("a") is None and not r.vetoed else r.reward) for r in seen(rows)]
    if spec.get("base") != "reward":
        rows = [replace(r, rest=0.0) if r.vetoed else r for r in rows]
        rows = [replace(r, reward=None if r.reward is None else r.rest) for r in rows]
    if spec.get("difficulty"):
        rows = known(rows, "correct")
    out: Rewards = [None] * len(rows)
    for numbers in members(rows):
        share = sum(rows[n].correct or 0 for n in numbers) / len(numbers)
        for n in numbers:
            concise = 0.0 if rows[n].vetoed else rows[n].scores["a"]
            extra = math.exp(share) if spec.get("difficulty") else 0.0
            out[n] = rows[n].reward * (1 + spec.get("weight", 0.2) * (concise + extra))
    return out


def grpo_lambda(rows: list[Row], spec: dict) -> Rewards:
    """Correct ones x (1 - weight x sigmoid(standard length)) in the groups with the most correct (arXiv:2505.18086, section 3).

    The paper was not to be had: written from reports. The factor is `compute_norm_length_penalty` in hkust-nlp/Laser
    (verl/utils/reward_score/length_penalty.py), with the population's standard deviation.
    """
    rows = known(rows, "length", "correct")
    out: Rewards = [r.reward for r in rows]
    groups = members(rows)
    shares = [sum(rows[n].correct for n in numbers) / len(numbers) for numbers in groups]
    if not groups:
        return out
    count = max(1, math.ceil(spec.get("top", 0.2) * len(groups)))
    bar = sorted(shares, reverse=True)[count - 1]
    for numbers, share in zip(groups, shares, strict=True):
        if share < bar or share < spec.get("least", 0.5):
            continue
        right = [n for n in numbers if rows[n].correct == 1]
        if not right:
            continue
        mean = sum(rows[n].length for n in right) / len(right)
        std = math.sqrt(sum((rows[n].length - mean) ** 2 for n in right) / len(right))
        for n in right:
            away = (rows[n].length - mean) / std if std else 0.0
            out[n] = rows[n].reward * (1 - spec.get("weight", 0.2) * logistic(away))
    return out


def laser(rows: list[Row], spec: dict) -> Rewards:
    """`compute_length_reward_larse` in the authors' code (same file), type `reward`."""
    out: Rewards = []
    for row in known(rows, "length", "correct"):
        short = row.reward is not None and row.correct == 1 and row.length is not None and row.length <= spec["target"]
        out.append(row.reward + spec.get("bonus", 0.5) if short else row.reward)
    return out


def laser_d(batches: list[list[Row]], spec: dict) -> list[Rewards]:
    """Coverage of each target over all responses of a band; floor(coverage x lower end of the band x n) >= 1.

    `_count_accuracy_bands_metrics` (verl/trainer/ppo/ray_trainer.py) and `_choose_target_length` (verl/utils/reward_score/
    length_penalty.py) of hkust-nlp/Laser. The project's own: the batches before this one in place of a monitoring set, each
    counting `memory` times as much as the next.
    """
    targets = [*range(spec["lower"], spec["upper"], spec["interval"]), spec["upper"]]
    past: dict[str, list[tuple[float, float]]] = {"low": [], "medium": [], "high": []}  # (length, weight)
    found = []
    for batch in batches:
        rows = known(batch, "length", "correct")
        out: Rewards = [r.reward for r in rows]
        fresh: dict[str, list[tuple[float, float]]] = {"low": [], "medium": [], "high": []}
        for numbers in members(rows):
            accuracy = sum(rows[n].correct for n in numbers) / len(numbers)
            level = "high" if accuracy >= 2 / 3 else "medium" if accuracy >= 1 / 3 else "low"
            lower = {"high": int(len(numbers) * 2 / 3), "medium": int(len(numbers) / 3), "low": 1}[level]
            best = targets[-1]
            total = sum(weight for _, weight in past[level])
            for target in targets:
                covered = sum(weight for length, weight in past[level] if length <= target)
                if total and int(covered / total * lower + 1e-9) >= 1 and target < best:
                    best = target
            band = "low" if accuracy <= 1 / 3 else "medium" if accuracy <= 2 / 3 else "high"
            for n in numbers:
                if rows[n].length is not None:
                    fresh[band].append((rows[n].length, 1.0))
                    if rows[n].correct == 1 and rows[n].length <= best:
                        out[n] = rows[n].reward + spec.get("bonus", 0.5)
        past = {level: [(length, weight * spec["memory"]) for length, weight in past[level]] + fresh[level] for level in past}
        found.append(out)
    return found


def overlong(rows: list[Row], spec: dict) -> Rewards:
    """DAPO, equation 13 (arXiv:2503.14476): 0, then ((L_max - L_cache) - |y|) / L_cache, then -1."""
    out: Rewards = []
    for row in known(rows, "length"):
        limit, cache, penalty = spec["limit"], spec["cache"], 0.0
        if row.length is not None and row.length > limit:
            penalty = -1.0
        elif row.length is not None and row.length > limit - cache:
            penalty = ((limit - cache) - row.length) / cache
        out.append(None if row.reward is None else row.reward + spec.get("weight", 1.0) * penalty)
    return out


def split_words(text: str) -> list[str]:
    """Runs of letters and digits in lower case; one a character in scripts without spaces."""
    words, word = [], ""
    for char in text:
        if ord(char) >= 0x2E80:
            words += [word, char]
            word = ""
        elif char.isalnum():
            word += char
        else:
            words.append(word)
            word = ""
    return [w.casefold() for w in [*words, word] if w.strip()]


def repeats(text: str, n: int) -> float:
    """Share of n-grams that stand earlier in the text: 1 - R^3's repetition term (arXiv:2402.03469, section 3, from reports)."""
    words, before, again, total = split_words(text), [], 0, 0
    for start in range(len(words) - n + 1):
        gram = words[start : start + n]
        again += gram in before
        before.append(gram)
        total += 1
    return again / total if total else 0.0


def cosine(a: str, b: str) -> float:
    """Of word counts."""
    x, y = split_words(a), split_words(b)
    inner = sum(x.count(w) * y.count(w) for w in set(x))
    size = math.sqrt(sum(x.count(w) ** 2 for w in set(x))) * math.sqrt(sum(y.count(w) ** 2 for w in set(y)))
    return inner / size if size else 0.0


def repetition(rows: list[Row], spec: dict) -> Rewards:
    return [None if r.reward is None else r.reward - spec.get("weight", 0.5) * repeats(r.text, spec.get("n", 3)) for r in rows]


def relevant(row: Row, name: str | None) -> float | None:
    return row.scores.get(name) if name else cosine(PROMPT, row.text)


def relevance(rows: list[Row], spec: dict) -> Rewards:
    out: Rewards = []
    for row in seen(rows):
        near = relevant(row, spec.get("component"))
        if row.reward is None or (near is None and not row.vetoed):
            out.append(None)
        elif near is None:
            out.append(row.reward)
        else:
            out.append(row.reward * (near / spec["enough"] if near < spec["enough"] else 1.0))
    return out


def r3(rows: list[Row], spec: dict) -> Rewards:
    """R^3 (arXiv:2402.03469, section 3; only its abstract and reports were to be had): relevance x length x (1 - repetition), of
    a closed question relevance to the reference x (1 - repetition). The project's own: the incentive's end, the mix."""
    out: Rewards = []
    for row in seen(rows):
        if row.reward is None:
            out.append(None)
            continue
        closed = str(row.closed).lower() in ("true", "1")
        fresh = 1 - repeats(row.text, spec.get("n", 3))
        length = len(split_words(row.text)) / spec.get("words", 100)
        near = row.scores.get(spec["reference"]) if closed and "reference" in spec else None
        if not closed:
            near = relevant(row, spec.get("component"))
            near = None if near is None else near * (length if length < 1 else 1.0)
        mixed = spec.get("mix", 0.5)
        if row.vetoed:
            out.append(row.reward * (1 - mixed))
        else:
            out.append(None if near is None else (1 - mixed) * row.reward + mixed * near * fresh)
    return out


def in_form(name: str, text: str) -> bool:
    """Each form, read from its description."""
    if name == "boxed":
        if "\\boxed{" not in text:
            return False
        inside, depth = "", 1
        for char in text.rpartition("\\boxed{")[2]:
            depth += {"{": 1, "}": -1}.get(char, 0)
            if depth == 0:
                return inside.strip() != ""
            inside += char
        return False
    if name == "json":
        try:
            return json.loads(text.strip()) is not Ellipsis
        except ValueError:
            return False
    opening, closing = f"<{name}>", f"</{name}>"
    if name == "answer":
        if text.count(opening) != 1 or text.count(closing) != 1 or text.index(opening) > text.index(closing):
            return False
        return text[text.index(opening) + 8 : text.index(closing)].strip() != "" and text.strip()[-9:] == closing
    if text.count(closing) != 1 or text.count(opening) > 1:
        return False
    thought, after = text.split(closing)
    if opening in thought:
        before, thought = thought.split(opening)
        if before.strip():
            return False
    return opening not in after and thought.strip() != "" and after.strip() != ""


def formed(rows: list[Row], spec: dict) -> Rewards:
    out: Rewards = []
    for row in rows:
        good = all(in_form(name, row.text) for name in spec["formats"])
        out.append(None if row.reward is None else row.reward if good else spec.get("failed", 0.0))
    return out


CASES = [
    (crf, {"kind": "crf", "conciseness": "a"}),
    (crf, {"kind": "crf", "conciseness": "a", "difficulty": True, "weight": 0.5}),
    (crf, {"kind": "crf", "conciseness": "a", "base": "reward"}),
    (crf, {"kind": "crf", "conciseness": "a", "base": "reward", "difficulty": True}),
    (grpo_lambda, {"kind": "grpo_lambda"}),
    (grpo_lambda, {"kind": "grpo_lambda", "top": 1.0, "least": 0.0, "weight": 1.0}),
    (grpo_lambda, {"kind": "grpo_lambda", "top": 0.5}),
    (laser, {"kind": "laser", "target": 50}),
    (overlong, {"kind": "overlong", "limit": 80, "cache": 40}),
    (overlong, {"kind": "overlong", "limit": 60, "cache": 60, "weight": 0.25}),
    (repetition, {"kind": "repetition"}),
    (repetition, {"kind": "repetition", "n": 1, "weight": 2.0}),
    (relevance, {"kind": "relevance", "enough": 0.3}),
    (relevance, {"kind": "relevance", "enough": 0.7, "component": "b"}),
    (r3, {"kind": "r3", "words": 5, "n": 1}),
    (r3, {"kind": "r3", "component": "a", "reference": "b", "mix": 1.0, "words": 3}),
    (formed, {"kind": "format", "formats": ["boxed"]}),
    (formed, {"kind": "format", "formats": ["think"], "failed": -1.0}),
    (formed, {"kind": "format", "formats": ["answer"]}),
    (formed, {"kind": "format", "formats": ["json"]}),
    (formed, {"kind": "format", "formats": ["think", "answer"]}),
]
TEXTS = (
    "\\boxed{\\frac{1}{2}}", "\\boxed{ }", "\\boxed{1", "\\boxed{1} and \\boxed{",
    "<think>hm</think>4", "hm</think>4", "<think></think>4", "<think>hm</think>", "4 <think>hm</think> 5",
    "<think>a<think>b</think>4",
    "<answer>4</answer>", "so <answer>4</answer>\n", "<answer>4</answer>.", "</answer><answer>", "<answer> </answer>",
    "{}", " [1, 2] ", "1", '"x"', "{'a': 1}", "", "<think>x</think><answer>4</answer>",
)  # fmt: skip
FORMS = [[Row(1.0, text=text) for text in TEXTS]]


@pytest.mark.parametrize(("second", "spec"), [pytest.param(f, s, id="-".join(str(v) for v in s.values())) for f, s in CASES])
def test_steps(second, spec, same):
    for rows in [*BATCHES, *FORMS]:
        same(run(rows, spec).optional(), second(rows, spec), (spec, rows))


def told(rows: list[Row], bar: float) -> list[Row]:
    """The same rows with correctness read off the reward."""
    return [replace(r, correct=None if r.reward is None else float(r.reward >= bar)) for r in rows]


@pytest.mark.parametrize("bar", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("second", "spec"), [
    pytest.param(grpo_lambda, {"kind": "grpo_lambda", "top": 0.5, "least": 0.0}, id="grpo_lambda"),
    pytest.param(laser, {"kind": "laser", "target": 50}, id="laser"),
    pytest.param(crf, {"kind": "crf", "conciseness": "a", "base": "reward", "difficulty": True}, id="crf"),
])  # fmt: skip
def test_correct_by_the_reward(bar, second, spec, same):
    for rows in BATCHES:
        same(run(rows, {**spec, "pass_at": bar}).optional(), second(told(rows, bar), spec), (spec, bar, rows))


@pytest.mark.parametrize("memory", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bonus", [0.5, 2.0])
def test_targets_over_a_run(memory, bonus, same):
    """Each batch goes by those before it."""
    spec = {"kind": "laser_d", "lower": 20, "upper": 110, "interval": 15, "bonus": bonus, "memory": memory}
    for start in range(0, len(BATCHES), 10):
        wanted = laser_d(BATCHES[start : start + 10], spec)
        state = None
        for rows, values in zip(BATCHES[start : start + 10], wanted, strict=True):
            shaped = run(rows, spec, state=state)
            state = shaped.state
            same(shaped.optional(), values, (spec, rows))
