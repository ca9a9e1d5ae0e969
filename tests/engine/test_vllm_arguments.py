"""What vLLM is started with: a setting has its effect, or is refused by name before anything is loaded; and a restart."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from judge.engine.lora import LoraAdapter
from judge.engine.vllm import VllmEngine
from judge.errors import EngineDown, EngineError
from judge.types import Message


@dataclass
class Args:
    """The engine arguments of some version of vLLM."""

    model: str = ""
    max_model_len: int | None = None
    gpu_memory_utilization: float = 0.9
    block_size: int = 16
    enforce_eager: bool = False
    kv_cache_memory_bytes: int | None = None
    max_num_seq: int = 8  # older versions had other names
    enable_lora: bool = False
    max_loras: int = 1
    max_lora_rank: int = 16


@pytest.mark.parametrize(
    ("settings", "on_cpu", "message"),
    [
        pytest.param({"cpu_kv_cache_gib": 1}, False, r"engine\.cpu_kv_cache_gib: .*`engine\.gpu_memory_utilization`", id="gpu"),
        pytest.param({"gpu_memory_utilization": 0.5}, True, r"engine\.gpu_memory_utilization: .*`engine\.cpu_kv", id="cpu"),
        pytest.param(
            {"max_num_seqs": 4}, False, r"engine\.max_num_seqs: the installed vLLM .*did you mean `max_num_seq`", id="old"
        ),
        pytest.param(
            {"tensor_parallel_size": 2}, False, r"engine\.tensor_parallel_size: the installed vLLM", id="not-the-default"
        ),
        pytest.param({"extra": {"max_num_seqs": 4}}, False, r"engine\.extra: .*did you mean `max_num_seq`", id="extra"),
    ],
)
def test_what_would_have_no_effect_is_refused(settings, on_cpu, message):
    """A run on two GPUs that runs on one, without a word, is found out after the bill."""
    with pytest.raises(EngineError, match=message):
        VllmEngine("m", **settings)._arguments("path", Args, on_cpu=on_cpu)


@pytest.mark.parametrize("on_cpu", [True, False], ids=["cpu", "gpu"])
def test_defaults_ask_for_nothing(on_cpu):
    """A version without a field whose default is wanted starts."""
    arguments = VllmEngine("m", max_model_len=512)._arguments("path", Args, on_cpu=on_cpu)
    assert (arguments["model"], arguments["max_model_len"]) == ("path", 512)
    assert "tensor_parallel_size" not in arguments
    assert arguments.get("enforce_eager", False) is on_cpu


@pytest.mark.parametrize(("rank", "most"), [(4, 8), (8, 8), (24, 32), (512, 512)])
def test_an_adapter_asks_for_room_for_its_rank(rank, most):
    """An adapter of any rank that vLLM takes works without a setting for it."""
    adapter = LoraAdapter("mine", "path", rank, "0" * 16)
    arguments = VllmEngine("m", adapter="mine")._arguments("path", Args, on_cpu=True, adapter=adapter)
    assert (arguments["enable_lora"], arguments["max_lora_rank"]) == (True, most)


def test_an_adapter_that_is_too_large_is_refused():
    """vLLM's own error names neither the adapter nor its rank."""
    with pytest.raises(EngineError, match=r"adapter mine: its rank is 600, and vLLM takes at most 512"):
        VllmEngine("m")._arguments("path", Args, on_cpu=True, adapter=LoraAdapter("mine", "path", 600, ""))


class _Llm:
    def shutdown(self) -> None:
        pass


class _Chat:
    async def aprompt_ids(self, messages, *, whole=False):
        return [1, 2, 3]


class _Restarting(VllmEngine):
    """An engine whose process died: loading it again takes until the test lets it end."""

    def __init__(self, why: str = "") -> None:
        super().__init__("m")
        self.ends, self._why = threading.Event(), why
        self._lock, self._llm, self._chat = asyncio.Lock(), _Llm(), _Chat()

    def _load(self) -> None:
        self.ends.wait(5)
        if self._why:
            raise EngineError(self._why)
        self._llm = _Llm()


async def _asked_meanwhile(engine: _Restarting) -> tuple[bool, object]:
    """Whether a request that comes during the restart waited for its end, and what it got."""
    first = asyncio.create_task(engine._revived(engine._llm))
    while engine._llm is not None:
        await asyncio.sleep(0)
    second = asyncio.create_task(engine._ids([Message("user", "2+2?")]))
    for _ in range(20):
        await asyncio.sleep(0)
    waited = not second.done()
    engine.ends.set()
    _, found = await asyncio.gather(first, second, return_exceptions=True)
    return waited, found


def test_a_request_that_comes_during_a_restart_waits_for_it():
    """A run of an hour does not end because its engine was loading again for a minute."""
    assert asyncio.run(_asked_meanwhile(_Restarting())) == (True, [1, 2, 3])


def test_a_restart_that_fails_is_an_outage_for_who_waited():
    """Who waited is told that the engine died, and not to call `start()`."""
    waited, found = asyncio.run(_asked_meanwhile(_Restarting("out of memory")))
    assert waited
    assert isinstance(found, EngineDown)


def test_an_engine_that_was_never_started_says_so():
    """Without a restart nobody waits."""
    with pytest.raises(EngineError, match=r"call `await engine.start\(\)` first"):
        asyncio.run(VllmEngine("m")._ids([Message("user", "2+2?")]))
