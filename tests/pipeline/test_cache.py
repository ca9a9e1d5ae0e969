"""Nothing is judged twice: in one process, in the next one, and in several at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import OutputError, SettingsError
from judge.pipeline.cache import Cache, prune_folder, stats
from judge.pipeline.judge import Judge
from judge.types import Call, Capability, Completion, NoVerdict, Reason, Sample, Verdict
from tests.batch_harness import run, verdicts
from tests.cli_harness import run_judge
from tests.server.harness import Scripted, client_of

CONFIG = {"recipe": "pointwise", "rubric": "helpfulness"}
FAILED = frozenset({Capability.SEED})


def samples(count: int) -> list[Sample]:
    return [Sample.of(f"What is {i} + {i}?", f"It is {2 * i}.", id=str(i)) for i in range(count)]


def call(key: str, text: str = "VERDICT: 5") -> Call:
    return Call(key, "judge", (0,), (), 0, 0, Completion(text, prompt_tokens=10, completion_tokens=2), Verdict("5", ((1.0,),)))


async def test_a_server_asks_once_for_what_is_sent_twice():
    """A trainer that restarts its step, or two that share a server, do not pay for the same 64 answers again."""
    engine = Scripted()
    body = {"samples": [{"prompt": s.prompt, "response": s.responses[0]} for s in samples(64)]}
    async with client_of(engine, config={}) as client:
        first = (await client.post("/v1/score", json=body)).json()
        asked = len(engine.requests)
        second = (await client.post("/v1/score", json=body)).json()
    assert len(engine.requests) == asked >= 64
    assert [r["rewards"][0]["reward"] for r in first["results"]] == [r["rewards"][0]["reward"] for r in second["results"]]
    assert {r["rewards"][0]["judge_calls"] for r in second["results"]} == {0}


@pytest.mark.parametrize("votes", [1, 5])
def test_the_next_training_step_does_not_judge_the_same_completion_again(votes):
    """Greedy policies repeat themselves: what was judged in an earlier step costs nothing in this one."""
    engine = ScriptedEngine(lambda r: "VERDICT: 5")
    reward = JudgeReward(CONFIG | {"votes": votes}, engine=engine)
    first = reward(["Q?"] * 2, ["It is Paris.", "It is Rome."])
    second = reward(["Q?"] * 2, ["It is Rome.", "It is Bonn."])
    reward.close()
    assert (first, second) == ([1.0, 1.0], [1.0, 1.0])
    assert len(engine.requests) == 3 * votes


def test_off_means_off():
    """Whoever measures the judge itself wants every call to be one."""
    engine = ScriptedEngine(lambda r: "VERDICT: 5")
    with Judge.from_config(CONFIG | {"cache": False}, engine=engine) as judge:
        judge.score(samples(1))
        judge.score(samples(1))
    assert len(engine.requests) == 2


def test_a_failed_judgement_is_asked_again():
    """A judge that said nothing once may say something the next time: failures are never kept."""
    replies = iter(["I cannot say.", "VERDICT: 5"])
    engine = ScriptedEngine(lambda r: next(replies), capabilities=FAILED)
    with Judge.from_config(CONFIG, engine=engine) as judge:
        assert judge.score(samples(1))[0].reward is None
        assert judge.score(samples(1))[0].reward == 1.0


def test_a_folder_serves_the_next_process_and_the_next_run(tmp_path):
    """An evaluation after training, or a second run with another output folder, starts from what is known."""
    config = CONFIG | {"cache": str(tmp_path / "cache")}
    with Judge.from_config(config, engine=ScriptedEngine(lambda r: "VERDICT: 5")) as judge:
        judge.score(samples(20))
    silent = ScriptedEngine(lambda r: "must not be asked")
    run(tmp_path / "out", samples(20), silent, **config)
    assert len(silent.requests) == 0
    assert {v["raw_text"] for v in verdicts(tmp_path / "out")} == {"VERDICT: 5"}  # the run folder holds every reply itself
    found = stats(tmp_path / "cache")
    assert found.replies == 20
    assert found.oldest is not None


def test_several_processes_share_a_folder(tmp_path):
    """Eight ranks of a trainer write at once: nothing is lost, nothing is damaged, nobody waits for a lock and fails."""
    script = f"""
import sys
from judge.engine.scripted import ScriptedEngine
from judge import Judge, Sample
with Judge.from_config({CONFIG!r} | {{"cache": {str(tmp_path)!r}}}, engine=ScriptedEngine(lambda r: "VERDICT: 5")) as judge:
    rank = int(sys.argv[1])
    for step in range(5):
        judge.score([Sample.of(f"{{rank}} {{step}} {{i}}?", "Short waves are scattered more than long ones.") for i in range(20)])
"""
    ranks = [subprocess.Popen([sys.executable, "-c", script, str(rank)], stderr=subprocess.PIPE) for rank in range(3)]
    assert [(rank.communicate(timeout=120)[1], rank.returncode) for rank in ranks] == [(b"", 0)] * 3
    assert stats(tmp_path).replies == 300


def test_memory_has_a_limit():
    """A server that runs for weeks must not grow for weeks: the replies not used for longest go."""
    cache = Cache(max_mb=0.1)
    for number in range(1000):
        cache.keep(call(f"k{number}", "x" * 1000))
        cache.find("k0")
    assert cache.find("k0") is not None
    assert cache.find("k1") is None
    assert cache.find("k999") is not None


def test_a_folder_has_a_limit_and_can_be_pruned(tmp_path):
    """Disk is finite: the oldest replies go by themselves, and on command."""
    cache = Cache(tmp_path, max_mb=0.1)
    for number in range(1000):
        cache.keep(call(f"k{number}", "x" * 1000))
    cache.close()
    assert 0 < stats(tmp_path).replies <= 65
    out = run_judge("cache", "stats", str(tmp_path))
    assert out.code == 0
    assert "replies" in out.out
    assert run_judge("cache", "prune", str(tmp_path), "--max-mb", "0").code == 0
    assert stats(tmp_path).replies == 0
    assert run_judge("cache", "stats", str(tmp_path / "nowhere")).code == 4


def test_what_cannot_be_used_is_said_at_once(tmp_path):
    """A typing error in the path of the cache must not be found out by the bill."""
    (tmp_path / "file").write_text("")
    with (
        Judge.from_config(CONFIG | {"cache": str(tmp_path / "file")}, engine=ScriptedEngine(["VERDICT: 5"])) as judge,
        pytest.raises(OutputError, match=r"cache: .*file: cannot be used"),
    ):
        judge.score(samples(1))
    with pytest.raises(SettingsError, match="max_mb"):
        Judge.from_config(CONFIG | {"cache": {"where": "memory", "max_mb": 0}})
    with pytest.raises(OutputError, match="this is not a cache folder"):
        prune_folder(tmp_path, 1)


async def test_the_loop_is_not_held_up(tmp_path: Path):
    """Writing is a thread's business: while ten thousand replies are kept, nobody waits for the disk."""
    cache, worst, last = Cache(tmp_path), 0.0, time.perf_counter()
    for number in range(10_000):
        cache.keep(call(f"k{number}", "x" * 500))
        if number % 50 == 0:
            await asyncio.sleep(0)
            now = time.perf_counter()
            worst, last = max(worst, now - last), now
    cache.close()
    assert stats(tmp_path).replies == 10_000
    assert worst < 0.5  # seconds; some 2 ms on an idle machine


def test_a_reply_without_a_verdict_is_found_only_where_asked_for():
    """`judge attack` compares two judgements of the same reply, failures included; nobody else wants an old failure."""
    failed = Call("k", "judge", (0,), (), 0, 0, Completion("?"), NoVerdict(Reason.MISSING))
    plain, keeping = Cache(), Cache(keep_failures=True)
    for cache in (plain, keeping):
        cache.keep(failed)
    assert plain.find("k") is None
    assert keeping.find("k") is not None
