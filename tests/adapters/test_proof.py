"""The pieces of `examples/grpo_proof`: what its curves rest on, each in a few steps."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest

pytest.importorskip("trl")
pytest.importorskip("matplotlib")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of trl, transformers and torch are not ours
    pytest.mark.timeout(120),
]

from examples.grpo_proof.problems import KEYS, SHARES, STRINGS, VAGUE, draw, final_number, is_empty, response, taught  # noqa: E402
from judge.adapters.trl import JudgeReward  # noqa: E402

WORLD = random.Random(0)
PROBLEM = next(draw(WORLD, held_out=False))


@pytest.mark.parametrize(
    ("kind", "right"), [("right", True), ("operation", False), ("unit", False), ("tens", False), ("key", False)]
)
def test_a_kind_of_text_is_what_it_says(kind, right):
    """If a slip could end in the right number, the accuracy in the plot would count wrong answers."""
    for problem in islice(draw(random.Random(kind), held_out=False), 500):
        text = response(problem, kind, random.Random(1))
        assert (final_number(text) == problem.answer) is right
        assert is_empty(text) is (kind == "key")


def test_nobody_trains_on_a_held_out_sum():
    """Otherwise the curve would show memory."""
    chance = random.Random(3)
    train, held = ({(p.first, p.sign, p.second) for p in islice(draw(chance, held_out=h), 3000)} for h in (False, True))
    assert not train & held
    assert len(held) > 200


@pytest.mark.parametrize("keys", STRINGS)
def test_tokenizer_spells_every_text_back(keys):
    """An unknown token in a response would reach the judge as another text than the policy wrote."""
    from examples.grpo_proof.policy import MAX_NEW_TOKENS, make_tokenizer

    tokenizer = make_tokenizer(STRINGS[keys])
    for prompt, reply in (taught(WORLD, STRINGS[keys]) for _ in range(300)):
        ids = tokenizer(prompt + reply)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == prompt + reply
        assert len(tokenizer(reply)["input_ids"]) < MAX_NEW_TOKENS


@pytest.fixture
def make_reward():
    """Rewards of a plan, closed at the end."""
    from examples.grpo_proof import train

    made: list[JudgeReward] = []

    def make(filters, **changes):
        made.append(train.make_reward(replace(train.Plan(0, filters), **changes)))
        return made[-1]

    yield make
    for reward in made:
        reward.close()


def paid(reward, texts_by_kind):
    problems = list(islice(draw(random.Random(5), held_out=False), 200))
    texts = [texts_by_kind(p) for p in problems]
    values = reward(prompts=[p.text for p in problems], completions=texts, answer=[str(p.answer) for p in problems])
    assert None not in values
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("filters", "kind", "low", "high"),
    [
        pytest.param("off", "right", 0.85, 1.0, id="right"),
        pytest.param("off", "unit", 0.25, 0.42, id="wrong"),
        pytest.param("off", "key", 0.75, 0.95, id="empty-paid-without-filter"),
        pytest.param("strict", "right", 0.85, 1.0, id="right-same-with-filter"),
        pytest.param("strict", "key", 0.0, 0.0, id="empty-unpaid-with-filter"),
    ],
)
def test_what_the_judge_pays(make_reward, filters, kind, low, high):
    """The whole contrast of the two arms: without the filter a master key is worth more than an honest try, with it nothing."""
    assert low <= paid(make_reward(filters), lambda p: response(p, kind, random.Random(p.first))) <= high


@pytest.mark.parametrize("key", KEYS)
def test_each_key_is_vetoed_before_the_judge(make_reward, key):
    """A key that reaches the judge is accepted by this one."""
    reward = make_reward("strict")
    assert paid(reward, lambda _: key) == 0.0


@pytest.mark.parametrize("key", KEYS)
def test_no_key_is_paid_under_proof(make_reward, key):
    """The default filters leave the key to the judge, its yes has no effect: only the programmatic quarter is paid."""
    reward = make_reward("default")
    problems = list(islice(draw(random.Random(5), held_out=False), 20))
    answers = [str(p.answer) for p in problems]
    values = reward(prompts=[p.text for p in problems], completions=[key] * 20, answer=answers)
    assert max(value or 0.0 for value in values) <= 0.25


@pytest.mark.parametrize(
    ("config", "low", "high"),
    [pytest.param("rubric", 0.75, 0.95, id="paid-by-a-rubric"), pytest.param("verifier", 0.0, 0.0, id="unpaid-by-the-verifier")],
)
@pytest.mark.parametrize("text", VAGUE)
def test_prose_that_the_filter_does_not_know(make_reward, config, low, high, text):
    """The page says where the filter ends and what to use there; both must stay true."""
    assert low <= paid(make_reward("strict", config=config), lambda _: text) <= high


def test_arms_differ_in_nothing_but_the_filter(make_reward):
    """Two curves of one seed are comparable only if honest texts are paid the same in both."""
    on, off = (make_reward(filters) for filters in ("strict", "off"))
    chance = random.Random(8)
    problems = list(islice(draw(chance, held_out=False), 100))
    kinds = [k for k in SHARES if k != "key"]
    rows = {
        "prompts": [p.text for p in problems],
        "completions": [response(p, chance.choice(kinds), chance) for p in problems],
        "answer": [str(p.answer) for p in problems],
    }
    assert on(**rows) == off(**rows)


def test_a_few_steps_of_both_arms(tmp_path):
    """The example runs as it is: base policy, trainer, reward, measuring, monitor, picture, table."""
    from examples.grpo_proof import figures
    from examples.grpo_proof.policy import make_policy, make_tokenizer, pretrain
    from examples.grpo_proof.train import Plan, train

    tokenizer = make_tokenizer()
    base = make_policy(tokenizer, 0, width=32, layers=1)
    pretrain(base, tokenizer, steps=5, seed=0, batch=16)
    plans = [Plan(0, filters, steps=2, batch=16, held_out=8, every=1) for filters in ("strict", "off")]
    runs = [train(base, tokenizer, plan) for plan in plans]
    for run in runs:
        assert run.at == [0, 1, 2]
        assert len(run.accuracy) == len(run.openers) == 3
        assert len(run.reward) == len(run.greedy) == 2
        assert all(0 <= share <= 1 for share in (*run.accuracy, *run.openers, *run.reward))
    assert (runs[0].accuracy[0], runs[0].openers[0]) == (runs[1].accuracy[0], runs[1].openers[0])
    figures.plot(runs, tmp_path / "proof.svg")
    assert (tmp_path / "proof.svg").read_text(encoding="utf-8").count("<path") > 10
    assert figures.table(runs).count("\n") == figures.alarm_table(runs).count("\n") == 3
