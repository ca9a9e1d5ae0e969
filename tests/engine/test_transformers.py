"""Plain transformers with the embedded model, in float32, where batching must change nothing."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest
import pytest_asyncio

from judge.engine.protocol import Engine
from judge.engine.transformers import TransformersEngine
from judge.errors import EngineError
from judge.types import Capability, Message, Request, Sampling, Structured

pytestmark = [
    pytest.mark.vllm,  # needs torch and the embedded model, which the fast tests do without
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # of torch's own making
]

CAPITAL = (Message("user", "What is the capital of France?"),)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    """SmolLM2-135M in float32."""
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    made = TransformersEngine("smollm2-135m", dtype="float32", device="cpu", max_model_len=1024, max_batch_size=4)
    await asyncio.gather(made.start(), made.start())
    yield made
    await made.close()
    await made.close()
    with pytest.raises(EngineError, match="not running"):
        await made.complete(Request(CAPITAL, Sampling()))


def ask(text: str, **sampling) -> Request:
    return Request((Message("user", text),), Sampling(**{"max_tokens": 6} | sampling))


async def test_it_is_an_engine(engine):
    """A recipe that needs structured output is refused at load time, not at the thousandth row."""
    assert isinstance(engine, Engine)
    assert Capability.STRUCTURED not in engine.capabilities
    assert engine.identity["dtype"] == "float32"
    assert engine.context_length == 1024
    assert "<|im_end|>" in engine.control_tokens


async def test_alone_or_in_a_batch_greedy_text_is_the_same(engine):
    """Left padding must not leak into a neighbour: prompts of very different length, more than one batch of them."""
    requests = [ask("Well, " * 7 * i + f"count to {i}.") for i in range(6)]
    together = await asyncio.gather(*(engine.complete(request) for request in requests))
    alone = [await engine.complete(request) for request in requests]
    assert [done.text for done in together] == [done.text for done in alone]
    assert len({done.prompt_tokens for done in together}) == 6


async def test_end_stop_string_and_length(engine):
    """The reason for the end is read before the text is, so it must be right for each row of a batch."""
    ended, stopped, cut = await asyncio.gather(
        engine.complete(Request(CAPITAL, Sampling(max_tokens=12))),
        engine.complete(Request(CAPITAL, Sampling(max_tokens=12, stop=("France",)))),
        engine.complete(Request(CAPITAL, Sampling(max_tokens=3))),
    )
    assert (ended.text, ended.finish_reason, ended.completion_tokens) == ("The capital of France is Paris.", "stop", 8)
    assert (stopped.text, stopped.finish_reason) == ("The capital of France", "stop")
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 3)


async def test_prefill_is_continued(engine):
    """A forced verdict continues the judge's own words."""
    done = await engine.complete(Request((*CAPITAL, Message("assistant", "The capital is")), Sampling(max_tokens=4)))
    assert done.text.startswith(" Paris")


async def test_scores_shift_by_one_and_match_generation(engine):
    """An off-by-one here would score each verdict token by the logits of its neighbour."""
    done = await engine.complete(Request(CAPITAL, Sampling(max_tokens=6, top_logprobs=2)))
    scored = await engine.score_continuation(CAPITAL, done.text)
    assert scored == pytest.approx([token.top[token.text] for token in done.logprobs], abs=1e-3)
    assert all(len(token.top) == 2 and sum(map(math.exp, token.top.values())) <= 1 for token in done.logprobs)
    assert await engine.score_continuation(CAPITAL, "") == ()


async def test_seeded_votes_do_not_depend_on_each_other(engine):
    """Vote k drawn alone with seed + k is the same vote."""
    request = ask("Name an animal.", temperature=1.0, seed=3)
    votes = await engine.sample(request, 3)
    alone = await engine.complete(replace(request, sampling=replace(request.sampling, seed=4)))
    assert votes[1].text == alone.text
    assert len({vote.text for vote in votes}) > 1


REPEATS = "List the days of the week twice."


async def test_penalties_change_even_greedy_text(engine):
    """A recipe for a model that loops at temperature 0 can say so; neighbours in the batch have no part in it."""
    plain = ask(REPEATS, max_tokens=24)
    penalties = [{"repetition_penalty": 1.5}, {"presence_penalty": 2.0}]
    penalised = [replace(plain, sampling=replace(plain.sampling, **one)) for one in penalties]
    alone = [await engine.complete(request) for request in penalised]
    together = await asyncio.gather(*(engine.complete(r) for r in (*penalised, ask("Well, " * 90 + REPEATS), plain)))
    assert [done.text for done in together[:2]] == [done.text for done in alone]
    assert len({done.text for done in (*alone, together[3])}) == 3


async def test_min_p_of_one_is_greedy(engine):
    """Nothing but the likeliest token passes, however hot the draw is."""
    greedy, hot, cut = await asyncio.gather(
        engine.complete(ask("Name an animal.")),
        engine.complete(ask("Name an animal.", temperature=3.0, seed=5)),
        engine.complete(ask("Name an animal.", temperature=3.0, seed=5, min_p=1.0)),
    )
    assert cut.text == greedy.text != hot.text


@pytest.mark.parametrize(
    ("request_", "finish", "says"),
    [
        pytest.param(ask("word " * 1500), "over_length", "> context 1,024", id="too-long"),
        pytest.param(replace(ask("Hi"), structured=Structured(regex="[1-5]")), "error", "no regex or JSON", id="regex"),
    ],
)
async def test_what_it_cannot_do_is_that_rows_error(engine, request_, finish, says):
    """Nothing is cut and nothing is guessed."""
    done = await engine.complete(request_)
    assert (done.text, done.finish_reason) == ("", finish)
    assert says in done.error


async def test_choice_is_the_likeliest_candidate(engine):
    """The whole candidate and its end are scored, so a prefix of another candidate does not win by being short."""
    request = Request(CAPITAL, Sampling(max_tokens=8), Structured(choice=("Paris", "Bananas")))
    assert (await engine.complete(request)).text == "Paris"


async def test_a_cancelled_request_leaves_the_queue(engine):
    """Giving up on one verdict neither runs it nor blocks the next."""
    first = asyncio.create_task(engine.complete(ask("Hello.", max_tokens=20)))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(engine.complete(ask("Tell me a story.", max_tokens=500)))
    await asyncio.sleep(0.05)
    second.cancel()
    assert (await first).text
    assert (await engine.complete(ask("Hi", max_tokens=2))).text
