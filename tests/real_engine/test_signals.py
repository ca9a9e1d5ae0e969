"""Probability, likelihood and scalar rewards of the real engine, beside the same numbers made from bare transformers.

In float32 and without this project's templates, requests or engines on the other side: only the model and the formula.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from judge.engine.models import resolve_model
from judge.engine.transformers import TransformersEngine
from judge.engine.vllm import VllmEngine
from judge.types import Sample
from tests.engine import tiny_models
from tests.real_engine.judging import MODEL, judge_one

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torch and vLLM warn about themselves
    pytest.mark.filterwarnings("error:::judge"),
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
QUESTION = "What is the capital of France?"
SECRET = "Which words are on the door?"
REASONING = "The words on the door are: zebra crossing. On the door stands: "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exact() -> AsyncIterator[VllmEngine]:
    """vLLM in this process."""
    pytest.importorskip("vllm", reason="needs the extra `cpu` or `vllm`")
    engine = VllmEngine(MODEL, max_model_len=1024, dtype="float32")
    await engine.start()
    yield engine
    await engine.close()


class Bare:
    """A model and its tokenizer."""

    def __init__(self) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(resolve_model(MODEL))
        self.model: Any = AutoModelForCausalLM.from_pretrained(resolve_model(MODEL), dtype="float32").eval()

    def logits(self, messages: list[tuple[str, str]], text: str = "") -> tuple[Any, list[int]]:
        """Log-probabilities at each token of a text, and one place before them; the text's tokens."""
        import torch

        begun = messages[-1][0] == "assistant"
        prompt = self.tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            tokenize=False, add_generation_prompt=not begun, continue_final_message=begun,
        )  # fmt: skip
        before = self.tokenizer(prompt, add_special_tokens=False).input_ids
        said = self.tokenizer(text, add_special_tokens=False).input_ids if text else []
        with torch.no_grad():
            out = self.model(torch.tensor([before + said])).logits[0].log_softmax(-1)
        return out[len(before) - 1 :], said

    def likelihood(self, messages: list[tuple[str, str]], text: str) -> list[float]:
        """Log-probability of each token of a text."""
        logs, said = self.logits(messages, text)
        return [float(logs[place][token]) for place, token in enumerate(said)]


@pytest.fixture(scope="module")
def bare() -> Bare:
    """The other side."""
    return Bare()


async def test_likelihood_reward(exact: VllmEngine, bare: Bare):
    """RLPR's reward of a right answer, token by token: the mean probability behind the reasoning less that without it."""
    sample = Sample.of(SECRET, REASONING + "<answer>a lion</answer>", reference="zebra crossing", id="s")
    [reward] = await judge_one(exact, "rlpr", sample, filters="off")
    with_it = bare.likelihood([("user", SECRET), ("assistant", REASONING + "<answer>")], "zebra crossing")
    without = bare.likelihood([("user", SECRET), ("assistant", "<answer>")], "zebra crossing")
    mean = [sum(map(math.exp, logs)) / len(logs) for logs in (with_it, without)]
    assert mean[0] > mean[1]  # else both sides are 0 and the test says nothing
    assert reward.raw_reward == pytest.approx(mean[0] - mean[1], rel=1e-3)
    assert reward.calls[-1].outcome.value == pytest.approx({"reasoned": mean[0], "bare": mean[1]}, rel=1e-3)


async def test_self_aligned_reward(exact: VllmEngine, bare: Bare):
    """The share of the perplexity that the prompt takes away, over a whole response."""
    [reward] = await judge_one(exact, "sar", Sample.of(QUESTION, "The capital of France is Paris.", id="s"), filters="off")
    told, alone = [bare.likelihood([("user", q)], "The capital of France is Paris.") for q in (QUESTION, "")]
    perplexity = [math.exp(-sum(logs) / len(logs)) for logs in (told, alone)]
    assert reward.raw_reward == pytest.approx(1 - perplexity[0] / perplexity[1], rel=1e-3)
    assert 0 < reward.raw_reward < 1


async def test_probability_reward(exact: VllmEngine, bare: Bare):
    """P(Yes) among Yes and No, from the likeliest tokens that begin one of them: one call of one token."""
    [reward] = await judge_one(exact, "yes-no", Sample.of(QUESTION, "Paris.", id="s"), filters="off", readout={"min_mass": 0.0})
    assert reward.judge_calls == 1
    assert reward.calls[0].completion.completion_tokens == 1
    logs, _ = bare.logits([(m.role, m.text) for m in reward.calls[0].request.messages])
    best = logs[0].topk(20)
    mass = dict.fromkeys(("yes", "no"), 0.0)
    for value, token in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        words = bare.tokenizer.decode([token]).strip().casefold()
        starts = [name for name in mass if words and name.startswith(words)]
        if len(starts) == 1:
            mass[starts[0]] += math.exp(value)
    assert reward.raw_reward == pytest.approx(mass["yes"] / sum(mass.values()), rel=1e-3)


async def test_scalar_reward(tmp_path: Path):
    """The head's number on the sample's own conversation, through a sigmoid."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_models.reward_model(tmp_path / "reward")
    engine = TransformersEngine(folder, dtype="float32", device="cpu")
    await engine.start()
    [reward] = await judge_one(engine, "scalar", Sample.of(QUESTION, "Paris.", id="s"), filters="off")
    await engine.close()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder)
    chat = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Paris."}]
    ids = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False), add_special_tokens=False).input_ids
    with torch.no_grad():
        number = float(model.eval()(torch.tensor([ids])).logits[0, 0])
    assert reward.raw_reward == pytest.approx(1 / (1 + math.exp(-number)), rel=1e-3)
