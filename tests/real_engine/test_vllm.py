"""The engine protocol on the real vLLM, in process, with the embedded model."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from judge.engine.protocol import Engine
from judge.engine.vllm import VllmEngine
from judge.errors import EngineError
from judge.types import Message, Request, Sampling, Structured
from tests.real_engine.judging import CONTEXT

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.filterwarnings("ignore"),  # of torch's and vLLM's own making
]

CAPITAL = (Message("user", "What is the capital of France?"),)
SHARED = "You are a strict judge of short answers. Read the rubric with care before you decide. " * 6


def ask(text: str, **sampling) -> Request:
    return Request((Message("user", text),), Sampling(**{"max_tokens": 8} | sampling))


async def test_it_is_an_engine_and_says_what_decides_its_output(local: Engine):
    """Another dtype, revision or chat template is another judge, and its verdicts have another key."""
    assert isinstance(local, Engine)
    assert local.context_length == CONTEXT
    assert local.identity["dtype"] == "bfloat16"
    assert all(local.identity[name] for name in ("revision", "chat_template"))
    assert {"<|im_start|>", "<|im_end|>"} <= local.control_tokens
    assert local.count_tokens(CAPITAL) == 37


async def test_greedy_says_the_same_again(local: Engine):
    """A verdict at temperature 0 can be reproduced, and its counts add up."""
    first, again = [await local.complete(Request(CAPITAL, Sampling(max_tokens=16))) for _ in range(2)]
    assert first.text == again.text == "The capital of France is Paris."
    assert (first.finish_reason, first.prompt_tokens, first.completion_tokens) == ("stop", 37, 8)
    assert again.cached_tokens == 32
    assert first.latency_s > 0


async def test_out_of_tokens_is_said(local: Engine):
    """A verdict that was cut off must not look complete."""
    assert (await local.complete(ask("Tell me a story.", max_tokens=3))).finish_reason == "length"


async def test_stop_string_stays_in_the_text(local: Engine):
    """A closing tag is part of the grammar, so it must still be there to be read."""
    done = await local.complete(Request(CAPITAL, Sampling(max_tokens=16, stop=("France",))))
    assert (done.text, done.finish_reason) == ("The capital of France", "stop")


async def test_prefill_is_continued(local: Engine):
    """A forced verdict continues the judge's own words instead of starting again."""
    done = await local.complete(Request((*CAPITAL, Message("assistant", "The capital is")), Sampling(max_tokens=4)))
    assert done.text.startswith(" Paris")


@pytest.mark.parametrize(
    ("constraint", "good"),
    [
        pytest.param(Structured(choice=("PASS", "FAIL")), lambda text: text in ("PASS", "FAIL"), id="choice"),
        pytest.param(Structured(regex="[1-5]/5"), lambda text: text in ("1/5", "2/5", "3/5", "4/5", "5/5"), id="regex"),
        pytest.param(
            Structured(json_schema='{"type":"object","properties":{"met":{"type":"boolean"}},"required":["met"]}'),
            lambda text: isinstance(json.loads(text)["met"], bool),
            id="json",
        ),
    ],
)
async def test_constraint_holds(local: Engine, constraint, good):
    """A forced verdict can only be one of those the recipe allows."""
    done = await local.complete(replace(ask("Grade this answer.", max_tokens=40), structured=constraint))
    assert good(done.text), done.text


async def test_a_bad_request_stops_nothing(local: Engine):
    """One impossible constraint is that row's error; the next row is judged."""
    bad, fine = await asyncio.gather(
        local.complete(replace(ask("Grade it."), structured=Structured(regex="[1-5"))), local.complete(ask("Grade it."))
    )
    assert bad.finish_reason == "error"
    assert "regex" in bad.error
    assert fine.text


async def test_what_does_not_fit_is_not_cut(local: Engine):
    """A long answer is never judged by its beginning."""
    done = await local.complete(ask("word " * 5000, max_tokens=100))
    assert (done.text, done.finish_reason) == ("", "over_length")
    assert done.error == f"prompt {done.prompt_tokens:,} tokens + 100 for the verdict > context {CONTEXT:,}"
    edge = local.context_length - local.count_tokens(CAPITAL)
    assert (await local.complete(Request(CAPITAL, Sampling(max_tokens=edge)))).finish_reason == "stop"


async def test_logprobs_are_of_the_likeliest_tokens(local: Engine):
    """Expected scores need a distribution: at most k entries, natural logs, the greedy token first."""
    done = await local.complete(Request(CAPITAL, Sampling(max_tokens=16, top_logprobs=3)))
    assert len(done.logprobs) == done.completion_tokens
    assert "".join(token.text for token in done.logprobs).startswith("The capital of France")
    for token in done.logprobs:
        assert len(token.top) == 3
        assert next(iter(token.top)) == token.text
        assert sum(map(math.exp, token.top.values())) <= 1 + 1e-6


async def test_votes_are_seeded_one_by_one(local: Engine):
    """Vote k can be drawn again alone with seed + k, and drawing all votes costs the prompt once."""
    request = ask(SHARED + "Name an animal.", temperature=1.0, seed=5, max_tokens=4)
    votes = await local.sample(request, 4)
    alone = await asyncio.gather(
        *(local.complete(replace(request, sampling=replace(request.sampling, seed=5 + k))) for k in range(4))
    )
    assert [vote.text for vote in votes] == [one.text for one in alone]
    assert len({vote.text for vote in votes}) > 1
    assert all(vote.cached_tokens >= 64 for vote in votes[1:])
    assert len(await local.sample(ask("Hi"), 2)) == 2  # greedy, too


async def test_long_prompts_with_drawn_replies(local: Engine):
    """More prompt tokens at once than vLLM computes in one step, each with a seed of its own: the engine lives on."""
    long = ask("word " * 2500 + "Name an animal.", temperature=1.0, max_tokens=2)
    short = [ask(f"{k} " * 90 + "Name an animal.", temperature=1.0, seed=k, max_tokens=2) for k in range(30)]
    done = await asyncio.gather(*map(local.complete, (long, *short)))
    assert {one.error for one in done} == {""}
    assert done[0].prompt_tokens > 2048


async def test_a_given_text_is_scored_by_token(local: Engine):
    """Likelihood recipes read the probability of a stated verdict: that of the greedy words must match their log-probs."""
    done = await local.complete(Request(CAPITAL, Sampling(max_tokens=6, top_logprobs=1)))
    scored = await local.score_continuation(CAPITAL, done.text)
    assert scored == pytest.approx([next(iter(token.top.values())) for token in done.logprobs], abs=0.05)
    assert sum(await local.score_continuation(CAPITAL, "Bananas dream loudly")) < sum(scored)
    assert await local.score_continuation(CAPITAL, "") == ()


async def test_penalties_and_least_probability(local: Engine):
    """Settings that published judges are used with reach the engine."""
    text = "List the days of the week twice."
    plain, repetition, presence = [
        await local.complete(ask(text, max_tokens=24, **one))
        for one in ({}, {"repetition_penalty": 1.5}, {"presence_penalty": 2.0})
    ]
    assert len({plain.text, repetition.text, presence.text}) == 3
    hot, cut = [await local.complete(ask(text, max_tokens=24, temperature=2.0, min_p=p)) for p in (0.0, 1.0)]
    assert cut.text == plain.text != hot.text


async def test_cancelling_frees_the_engine(local: Engine):
    """A vote that is no longer needed stops costing."""
    task = asyncio.create_task(local.complete(ask("Tell me a very long story.", max_tokens=900)))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert local._llm.output_processor.get_num_unfinished_requests() == 0


async def test_an_unknown_engine_argument_is_named(local: Engine):
    """A slip in `engine.extra` is found before the model is loaded."""
    with pytest.raises(EngineError, match=r"no engine argument `max_num_seq`; did you mean `max_num_seqs`"):
        await VllmEngine("smollm2-135m", extra={"max_num_seq": 4}).start()


SCRIPT = """
import asyncio, os, signal
from judge.engine.vllm import VllmEngine
from judge.errors import EngineError
from judge.types import Message, Request, Sampling

def kill(engine):
    for process in engine._llm.engine_core.resources.engine_manager.processes:
        os.kill(process.pid, signal.SIGKILL)

async def main():
    lines = []
    engine = VllmEngine("smollm2-135m", max_model_len=512, progress=lines.append)
    await asyncio.gather(engine.start(), engine.start())
    request = Request((Message("user", "What is the capital of France?"),), Sampling(max_tokens=8))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.killpg(0, signal.SIGINT)  # Ctrl-C in a terminal reaches every process of the group
    await asyncio.sleep(1)
    print("said:", (await engine.complete(request)).text)
    story = (Message("user", "Tell me a very long story."),)
    long = [Request(story, Sampling(max_tokens=96, seed=n)) for n in range(4)]
    flying = [asyncio.create_task(engine.complete(one)) for one in long]
    await asyncio.sleep(0.3)
    kill(engine)
    print("again:", [(one.finish_reason, one.completion_tokens) for one in await asyncio.gather(*flying)])
    kill(engine)
    try:
        print(await engine.complete(request))
        print(await engine.complete(request))
    except EngineError as why:
        print("dead:", why)
    await engine.close()
    await engine.close()
    try:
        await engine.complete(request)
    except EngineError as why:
        print("closed:", why)
    print("loaded:", sum("ready in" in line for line in lines))

asyncio.run(main())
"""


@pytest.mark.asyncio(loop_scope="function")
async def test_a_plain_script_works_and_a_dead_engine_is_fatal(tmp_path: Path):
    """No `if __name__ == "__main__"` is needed, standard output holds nothing of vLLM's, the engine is loaded once for two that
    start it, it outlives Ctrl-C so that what is in flight can finish, and a crash of it is not a bad grade: what was in flight is
    asked again of a new process, and when that one dies too, the work stops."""
    path = tmp_path / "plain.py"
    path.write_text(SCRIPT)
    command = [sys.executable, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, start_new_session=True)
    assert done.returncode == 0, done.stderr
    said, again, dead, closed, loaded = done.stdout.splitlines()
    assert said == "said: The capital of France is Paris."
    assert again == f"again: {[('length', 96)] * 4}"
    assert "It is started again, once" in done.stderr
    assert dead.startswith("dead: vLLM's engine process died")
    assert "not running" in closed
    assert loaded == "loaded: 1"
