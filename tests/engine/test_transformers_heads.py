"""Plain transformers with a reward model, and with an adapter over the embedded model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from judge.engine.protocol import only_rates
from judge.engine.transformers import TransformersEngine
from judge.errors import CapabilityError, EngineError, RequestFailed
from judge.types import Message, Request, Sampling
from tests.engine import tiny_models

pytestmark = [
    pytest.mark.vllm,  # needs torch and the embedded model, which the fast tests do without
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # of torch's own making
]


def chat(*texts: str) -> tuple[Message, ...]:
    """User and assistant in turn."""
    return tuple(Message("assistant" if k % 2 else "user", text) for k, text in enumerate(texts))


CHATS = (chat("2+2?", "4"), chat("2+2?", "It is " + "certainly " * 40 + "5"), chat("2+2?", "4", "Sure?", "Yes."))


@pytest.fixture(scope="module")
def reward_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    return tiny_models.reward_model(tmp_path_factory.mktemp("tiny") / "reward")


async def test_rates_as_the_model_card_would(reward_folder):
    """A reward is the head's own number for the conversation as the template writes it, alone and among others."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    engine = TransformersEngine(reward_folder, dtype="float32", device="cpu")
    await engine.start()
    together = await asyncio.gather(*map(engine.rate, CHATS))
    assert only_rates(engine)
    assert await engine.rate(CHATS[1]) == pytest.approx(together[1], rel=1e-4)
    with pytest.raises(RequestFailed, match="> context 512") as why:
        await engine.rate(chat("word " * 600, "x"))
    assert why.value.finish_reason == "over_length"
    with pytest.raises(CapabilityError, match="is a reward model: it has a scalar head and writes no text"):
        await engine.complete(Request(CHATS[0], Sampling()))
    with pytest.raises(CapabilityError, match="writes no text"):
        await engine.score_continuation(CHATS[0], "x")
    await engine.close()

    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    model = AutoModelForSequenceClassification.from_pretrained(reward_folder, dtype=torch.float32).eval()
    for messages, rated in zip(CHATS, together, strict=True):
        plain = [{"role": m.role, "content": m.text} for m in messages]
        ids = tokenizer.apply_chat_template(plain, tokenize=True, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            assert rated == pytest.approx(model(**ids).logits[0][0].item(), rel=1e-3)
    assert len({round(value, 3) for value in together}) == 3


async def test_a_head_of_several_numbers_is_no_reward(tmp_path: Path):
    """Which of three class scores would be the reward is nobody's guess."""
    engine = TransformersEngine(tiny_models.reward_model(tmp_path / "three", heads=3), device="cpu")
    with pytest.raises(EngineError, match="its head gives 3 numbers, and a reward model's gives one"):
        await engine.start()


async def test_an_adapter_is_another_judge(tmp_path: Path):
    """The adapter's own words and probabilities, and a key of its own for the cache."""
    folder = tiny_models.adapter(tmp_path / "adapter")
    plain, tuned = [
        TransformersEngine(tiny_models.EMBEDDED, adapter=a, dtype="float32", device="cpu", max_model_len=256)
        for a in (None, folder)
    ]
    await asyncio.gather(plain.start(), tuned.start())
    question = chat("What is the capital of France?")
    said = [(await e.complete(Request(question, Sampling(max_tokens=8)))).text for e in (plain, tuned)]
    scores = [await e.score_continuation(question, "Paris") for e in (plain, tuned)]
    assert said[0] != said[1]
    assert scores[1] == pytest.approx(await reference_scores(folder, question, "Paris"), rel=1e-3)
    assert scores[0] != pytest.approx(scores[1], rel=0.1)
    assert plain.identity.keys() | {"adapter"} == tuned.identity.keys()
    await asyncio.gather(plain.close(), tuned.close())


async def reference_scores(folder: str, messages: tuple[Message, ...], text: str) -> list[float]:
    """peft's own model, asked in the plainest way."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    model = AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model.peft_config["default"].base_model_name_or_path)
    plain = [{"role": m.role, "content": m.text} for m in messages]
    before = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    ids, more = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in (before, text)]
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids + more])).logits[0].log_softmax(-1)
    return [logprobs[len(ids) + k - 1, token].item() for k, token in enumerate(more)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(None, "no such folder", id="nowhere"),
        pytest.param({}, "holds no adapter_config.json", id="empty-folder"),
        pytest.param({"adapter_config.json": '{"peft_type": "IA3"}'}, "only LoRA .* this one is IA3", id="ia3"),
        pytest.param({"adapter_config.json": '{"peft_type": "LORA"}'}, "states no rank", id="no-rank"),
        pytest.param({"adapter_config.json": "{"}, "cannot be read", id="broken"),
    ],
)
async def test_what_is_no_adapter(tmp_path: Path, files, message):
    """A slip in the adapter's path is found before the model is loaded, and never judged without the adapter."""
    folder = tmp_path / "adapter"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    engine = TransformersEngine(tiny_models.EMBEDDED, adapter=str(folder), device="cpu")
    with pytest.raises(EngineError, match=message):
        await engine.start()
