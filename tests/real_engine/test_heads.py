"""vLLM in process with a reward model, and with an adapter over the embedded model: the same numbers as plain transformers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from judge.engine.protocol import only_rates
from judge.engine.transformers import TransformersEngine
from judge.engine.vllm import VllmEngine
from judge.errors import CapabilityError, RequestFailed
from judge.types import Message, Request, Sampling
from tests.engine import tiny_models

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # of torch's and vLLM's own making
    pytest.mark.timeout(300),
]


def chat(*texts: str) -> tuple[Message, ...]:
    """User and assistant in turn."""
    return tuple(Message("assistant" if k % 2 else "user", text) for k, text in enumerate(texts))


CHATS = (chat("2+2?", "4"), chat("2+2?", "It is " + "certainly " * 40 + "5"), chat("2+2?", "4", "Sure?", "Yes."))
QUESTION = chat("What is the capital of France?")


async def test_a_reward_model_rates_and_writes_nothing(tmp_path: Path):
    """A scalar head is recognised, gives transformers' own numbers, and a recipe that wants text is refused in words."""
    folder = tiny_models.reward_model(tmp_path / "reward")
    engine = VllmEngine(folder, dtype="float32", max_model_len=512)
    plain = TransformersEngine(folder, dtype="float32", device="cpu")
    await asyncio.gather(engine.start(), plain.start())
    assert only_rates(engine)
    rated = await asyncio.gather(*map(engine.rate, CHATS))
    assert rated == pytest.approx([await plain.rate(messages) for messages in CHATS], rel=1e-3)
    with pytest.raises(RequestFailed, match="> context 512") as why:
        await engine.rate(chat("word " * 600, "x"))
    assert why.value.finish_reason == "over_length"
    with pytest.raises(CapabilityError, match="is a reward model: it has a scalar head and writes no text"):
        await engine.complete(Request(CHATS[0], Sampling()))
    await asyncio.gather(engine.close(), plain.close())


async def test_an_adapter_answers_in_place_of_the_base(tmp_path: Path):
    """A policy that judges itself is a base model with its newest adapter: its probabilities, under a name of their own."""
    folder = tiny_models.adapter(tmp_path / "adapter")
    engine = VllmEngine(tiny_models.EMBEDDED, adapter=folder, dtype="float32", max_model_len=512)
    plain = TransformersEngine(tiny_models.EMBEDDED, adapter=folder, dtype="float32", device="cpu", max_model_len=512)
    await asyncio.gather(engine.start(), plain.start())
    request = Request(QUESTION, Sampling(max_tokens=4))
    assert (await engine.complete(request)).text == (await plain.complete(request)).text
    for messages in (QUESTION, (*QUESTION, Message("assistant", "The capital of France"))):
        scored = await engine.score_continuation(messages, " is Paris, as all know.")
        assert scored == pytest.approx(await plain.score_continuation(messages, " is Paris, as all know."), rel=1e-3)
    assert engine.identity["adapter"] == plain.identity["adapter"] != ""
    await asyncio.gather(engine.close(), plain.close())


async def test_a_text_model_has_no_head(local: VllmEngine):
    """Rating is no guess from words."""
    with pytest.raises(CapabilityError, match="writes text and has no scalar head"):
        await local.rate(CHATS[0])
