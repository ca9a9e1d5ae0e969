"""What steps are paid, on the tokens of a response: exactly where they end, or not at all."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.adapters._shared.step_tokens import token_credit
from judge.adapters.skyrl_generator import JudgeGenerator
from judge.types import Reward

TEXT = "a = 1\n\nb = 2, so ü\n\nc = 3"
SPANS = ((0, 5), (7, 18), (20, 25))
PAID = Reward("a", 0, 0.5, spans=SPANS, step_rewards=(0.0, 0.5, -0.25))


def by_bytes(ids):
    """A tokenizer whose tokens are bytes: a letter of two bytes is no character until both are there."""
    return bytes(ids).decode("utf-8", "replace")


@pytest.mark.parametrize("before", ["", "<think>no\n</think>"])
def test_each_step_is_paid_at_its_last_token(before):
    """Also where a token is half a character (its first half counts), and where other words stand before the judged ones."""
    ids = list((before + TEXT).encode())
    credit = token_credit(PAID, TEXT, ids, by_bytes)
    places = [len((before + TEXT[: stop - 1]).encode()) for _, stop in SPANS]
    assert {k: paid for k, paid in enumerate(credit) if paid} == {places[1]: 0.5, places[2]: -0.25}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_any_cut_into_tokens_pays_the_same(sizes, random):
    """However the text is cut, the sum is what the steps are paid, and the token paid for a step holds its last character."""
    text = TEXT * 8
    spans = tuple((a + k * len(TEXT), b + k * len(TEXT)) for k in range(8) for a, b in SPANS)
    pay = tuple(random.choice([0.25, 0.5, 1.0]) for _ in spans)
    cuts, at = [], 0
    while at < len(text):
        cuts.append((at, min(len(text), at + sizes[len(cuts) % len(sizes)])))
        at = cuts[-1][1]
    merged = any(sum(a < stop <= b for _, stop in spans) > 1 for a, b in cuts)
    credit = token_credit(
        Reward("a", 0, 1.0, spans=spans, step_rewards=pay),
        text,
        range(len(cuts)),
        lambda ids: "".join(text[slice(*cuts[k])] for k in ids),
    )
    if credit is None or merged:
        return
    assert sum(credit) == pytest.approx(sum(pay))
    for (_, stop), paid in zip(spans, pay, strict=True):
        [token] = [k for k, (a, b) in enumerate(cuts) if a < stop <= b]
        assert credit[token] == paid or credit[token - 1] == paid  # one that begins in the step before belongs to that


@pytest.mark.parametrize(
    ("reward", "words"),
    [
        pytest.param(Reward("a", 0, 0.5, spans=SPANS), TEXT, id="not-by-step"),
        pytest.param(Reward("a", 0, 0.5, spans=(SPANS[0], None), step_rewards=(0.5, 0.5)), TEXT, id="a-step-that-stands-nowhere"),
        pytest.param(PAID, "Other words.", id="other-words"),
        pytest.param(PAID, "", id="nothing"),
    ],
)
def test_what_has_no_place_is_paid_as_a_whole(reward, words):
    """None, so that the caller pays the reward at the last token."""
    assert token_credit(reward, words, list(TEXT.encode()), by_bytes) is None


def test_a_generator_of_skyrl_pays_within_the_response():
    """Its agent loop gives a list of one reward a token; the environment's own stays."""
    ids = list(TEXT.encode())
    asked = SimpleNamespace(
        tokenizer=SimpleNamespace(decode=lambda ids, skip_special_tokens: by_bytes(ids)),
        _judge=SimpleNamespace(metrics=lambda score, reward: {}, policy="raise"),
    )
    asked._credit = lambda *args: JudgeGenerator._credit(asked, *args)
    output = SimpleNamespace(reward=[0.0] * (len(ids) - 1) + [0.125], response_ids=ids, env_metrics={}, loss_mask=[1] * len(ids))
    JudgeGenerator._fill(asked, [output], 0.5, PAID, TEXT)
    assert sum(output.reward) == 0.5 - 0.25 + 0.125
    whole = SimpleNamespace(reward=[0.0] * len(ids), response_ids=ids, env_metrics={}, loss_mask=[1] * len(ids))
    JudgeGenerator._fill(asked, [whole], 0.5, Reward("a", 0, 0.5), TEXT)
    assert (whole.reward[-1], sum(whole.reward)) == (0.5, 0.5)
