"""The same model in process and behind vLLM's OpenAI server says the same, and says it again.

In float32: in bfloat16 a word of the judge's reasoning can depend on the batch and on which prefix was cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from judge.engine.http import HttpEngine
from judge.engine.models import resolve_model
from judge.engine.protocol import Engine, only_rates
from judge.engine.transformers import TransformersEngine
from judge.engine.vllm import VllmEngine
from judge.errors import RequestFailed
from judge.pipeline.build import build_pipeline, plan
from judge.settings import load_settings
from judge.types import Completion, Message, Request, Sample, Sampling
from tests.engine import tiny_models
from tests.real_engine.judging import CONTEXT, MODEL, RUBRIC, choice_after_prefill, judge_one
from tests.real_engine.serving import served

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torch and vLLM warn about themselves
    pytest.mark.filterwarnings("error:::judge"),
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

DTYPE = "float32"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exact() -> AsyncIterator[VllmEngine]:
    """vLLM in this process."""
    engine = VllmEngine(MODEL, max_model_len=CONTEXT, dtype=DTYPE)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LoRA adapter with random weights."""
    pytest.importorskip("vllm", reason="needs the extra `cpu` or `vllm`")
    return tiny_models.adapter(tmp_path_factory.mktemp("adapter"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory, adapter: str) -> AsyncIterator[str]:
    """The same model behind vLLM's own OpenAI server, with an adapter beside it."""
    arguments = ["--served-model-name", MODEL, "--max-model-len", str(CONTEXT), "--dtype", DTYPE]
    lora = ["--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"tuned={adapter}"]
    async with served(resolve_model(MODEL), tmp_path_factory.mktemp("server") / "log.txt", *arguments, *lora) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def remote(url: str) -> AsyncIterator[HttpEngine]:
    """That server as an engine."""
    engine = HttpEngine(model=MODEL, base_url=url, deadline_s=300)
    await engine.start()
    yield engine
    await engine.close()


class OneAtATime:
    """An engine that is asked one request at a time: the batch that a request shares changes the last bits of bf16 sums."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    async def complete(self, request: Request) -> Completion:
        async with self._turn:
            return await self._engine.complete(request)


async def test_votes_share_a_prefill_and_differ(exact: Engine):
    """Five votes come from five seeds; the prompt is prefilled once."""
    sample = Sample.of("Name a colour.", "Blue, like the sky.", id="s")
    run, _ = load_settings(
        {"recipe": "pointwise", "rubric": RUBRIC, "votes": {"n": 5}, "sampling": {"max_tokens": 32, "temperature": 1.0}}
    )
    [reward] = await build_pipeline(plan(run), exact).judge(sample)
    first = {call.seed: call for call in reversed(reward.calls)}  # of each vote the first call, before a forced one
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert len({call.completion.text for call in first.values()}) > 1
    again = (await build_pipeline(plan(run), exact).judge(sample))[0]
    assert [c.completion.text for c in again.calls] == [c.completion.text for c in reward.calls]


async def test_local_and_served_verdicts_agree_at_temperature_0(exact: Engine, remote: Engine):
    """The same configuration gives the same rewards in process and over HTTP."""
    sums = [(2, 0), (9, 1)]
    samples = [Sample.of(f"What is {a} + 3?", f"It is {a + 3 + off}.", reference=str(a + 3), id=f"{a}{off}") for a, off in sums]
    short = {"max_tokens": 16, "temperature": 0.0}  # then a verdict is forced: what is written and what is forced must agree
    differ = []
    for recipe in ("checklist", "verifier", "pointwise"):
        for sample in samples:
            here, there = [await judge_one(OneAtATime(engine), recipe, sample, sampling=short) for engine in (exact, remote)]
            here, there = here[0].components, there[0].components
            assert here
            differ += [(recipe, sample.id, name) for name in here if here[name] != there[name]]
    assert not differ


async def test_a_served_judge_is_kept_to_a_choice(remote: Engine):
    """A given text is continued over HTTP too."""
    assert await choice_after_prefill(remote) in ("CORRECT", "INCORRECT")


TEXT = " is Paris, as everybody knows."
AFTER = (
    (Message("user", "What is the capital of France?"),),
    (Message("system", "Be brief."), Message("user", "Capital of France?"), Message("assistant", "The capital of France")),
)


async def test_scores_agree_with_transformers(exact: Engine, url: str):
    """A likelihood reward is the same number in process, over HTTP in both ways of asking, and from transformers itself."""
    plain = TransformersEngine(MODEL, dtype=DTYPE, device="cpu")
    ways = [
        HttpEngine(model=MODEL, base_url=url, **settings)
        for settings in ({}, {"scoring": "echo"}, {"scoring": "echo", "tokenizer": MODEL, "dialect": "openai"})
    ]
    await asyncio.gather(plain.start(), *(engine.start() for engine in ways))
    for messages in AFTER:
        right = await plain.score_continuation(messages, TEXT)
        assert len(right) == 7
        for engine in (exact, *ways):
            assert await engine.score_continuation(messages, TEXT) == pytest.approx(right, rel=1e-3, abs=1e-5)
    with pytest.raises(RequestFailed, match="4096") as why:
        await ways[0].score_continuation(AFTER[0], "word " * 5000)
    assert why.value.finish_reason == "over_length"
    await asyncio.gather(plain.close(), *(engine.close() for engine in ways))


async def test_token_probabilities_agree_with_transformers(exact: Engine, remote: Engine):
    """An expected score is the same number in process, over HTTP and from transformers itself."""
    plain = TransformersEngine(MODEL, dtype=DTYPE, device="cpu")
    await plain.start()
    for messages in AFTER:
        request = Request(messages, Sampling(max_tokens=4, top_logprobs=5))
        right, *others = [await engine.complete(request) for engine in (plain, exact, remote)]
        for done in others:
            assert done.text == right.text
            assert [token.text for token in done.logprobs] == [token.text for token in right.logprobs]
            for token, same in zip(done.logprobs, right.logprobs, strict=True):
                assert token.top == pytest.approx(same.top, rel=1e-3, abs=1e-4)
    await plain.close()


async def test_a_served_adapter_is_asked_by_its_name(url: str, adapter: str):
    """The server's adapter and the same one in process are one judge."""
    there = HttpEngine(model=MODEL, adapter="tuned", base_url=url)
    here = TransformersEngine(MODEL, adapter=adapter, dtype=DTYPE, device="cpu")
    await asyncio.gather(there.start(), here.start())
    scored = [await engine.score_continuation(AFTER[0], TEXT) for engine in (there, here)]
    assert scored[0] == pytest.approx(scored[1], rel=1e-3, abs=1e-5)
    assert there.context_length == CONTEXT
    await asyncio.gather(there.close(), here.close())


@pytest.mark.asyncio(loop_scope="function")
async def test_a_served_reward_model_rates(tmp_path: Path):
    """A server with a scalar head is recognised, and gives the number that transformers gives."""
    folder = tiny_models.reward_model(tmp_path / "reward")
    here = TransformersEngine(folder, dtype=DTYPE, device="cpu")
    async with served(folder, tmp_path / "log.txt", "--dtype", DTYPE, "--served-model-name", "head") as url:
        there = HttpEngine(model="head", base_url=url)
        await asyncio.gather(there.start(), here.start())
        assert only_rates(there)
        for reply in ("4", "It is " + "certainly " * 40 + "5"):
            messages = (Message("user", "2+2?"), Message("assistant", reply))
            assert await there.rate(messages) == pytest.approx(await here.rate(messages), rel=1e-3)
        with pytest.raises(RequestFailed) as why:
            await there.rate((Message("user", "word " * 600),))
        assert why.value.finish_reason == "over_length", str(why.value)
        await asyncio.gather(there.close(), here.close())
