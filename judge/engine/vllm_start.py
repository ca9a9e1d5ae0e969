"""How vLLM is started: its arguments on this platform, and the processes it spawns.

- On a CPU the engine core is told to run the model itself instead of starting a worker process: measured on two
  cores, 219 instead of 134 tokens/s, and ready in 13 s instead of 25 s. Cache blocks of 32 tokens instead of 128 share
  more of a common prefix (430 to 560 tokens/s); compiling the model gains 6 % and costs 75 s, so it is off there.
- There, too, a prompt is never computed in parts: where one is, and the reply is drawn by a seed, the engine process dies ("CPU
  Generator does not use offset", vLLM 0.32). One long prompt does it, and so do many short ones at once.
- vLLM's processes are spawned, and `spawn` runs the user's script again in each. They are given `vllm_child.py` to run
  instead, so a plain script without `if __name__ == "__main__"` works, and Ctrl-C does not kill the engine first.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from judge.engine.chat_template import first_line
from judge.engine.lora import LoraAdapter
from judge.errors import EngineError, did_you_mean
from judge.shipped import install_command

QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # its default is standard output, where our data goes
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
_CPU_CACHE_GIB = 2.0
_DEFAULTS: Mapping[str, Any] = {
    "dtype": "auto", "tensor_parallel_size": 1, "data_parallel_size": 1, "seed": 0, "enable_prefix_caching": True,
    "trust_remote_code": False, "enable_sleep_mode": False,
}  # fmt: skip
_FEW_CORES = 8
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what `max_lora_rank` may be


def preflight() -> None:
    """Raise `EngineError` naming the command that installs vLLM, where it is missing. Imports nothing."""
    if importlib.util.find_spec("vllm") is None:
        raise EngineError(
            f"vLLM is not installed: {install_command('vllm')} with an NVIDIA GPU, "
            f"{install_command('cpu')} without (`judge doctor` says which)"
        )


def engine_arguments(
    path: str,
    args_class: Any,
    settings: Mapping[str, Any],
    *,
    extra: Mapping[str, Any],
    cpu_kv_cache_gib: float | None,
    on_cpu: bool,
    adapter: LoraAdapter | None = None,
) -> dict[str, Any]:
    """Arguments for `AsyncEngineArgs`: the settings, what suits this platform, and `extra` over both.

    Raises:
        EngineError: A setting would have no effect here.
    """
    known = {field.name for field in dataclasses.fields(args_class)}
    for name in extra:
        if name not in known:
            raise EngineError(f"engine.extra: vLLM has no engine argument `{name}`{did_you_mean(name, known)}")
    quiet = {"disable_log_stats": True, "use_tqdm_on_load": False}
    given = {name: value for name, value in settings.items() if value is not None}
    _refuse_without_effect(given, known, cpu_kv_cache_gib, on_cpu=on_cpu)
    arguments = {"model": path, **quiet, **given}
    if adapter is not None:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": lora_rank(adapter)}
    if on_cpu:
        arguments |= {"enforce_eager": True, "block_size": 32, "enable_chunked_prefill": False}
        if cpu_kv_cache_gib is not None or not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would win over the argument
            arguments["kv_cache_memory_bytes"] = int((cpu_kv_cache_gib or _CPU_CACHE_GIB) * 2**30)
    return {k: v for k, v in arguments.items() if k in known} | dict(extra)


def lora_rank(adapter: LoraAdapter) -> int:
    """The least `max_lora_rank` that holds an adapter.

    Raises:
        EngineError: vLLM takes none that large.
    """
    rank = next((most for most in _LORA_RANKS if most >= adapter.rank), None)
    if rank is None:
        raise EngineError(f"adapter {adapter.name}: its rank is {adapter.rank}, and vLLM takes at most {_LORA_RANKS[-1]}")
    return rank


def _refuse_without_effect(
    given: Mapping[str, Any], known: Collection[str], cpu_kv_cache_gib: float | None, *, on_cpu: bool
) -> None:
    """Refuse settings that this platform or this version of vLLM knows nothing of. Defaults ask for nothing."""
    if not on_cpu and cpu_kv_cache_gib is not None:
        raise EngineError("engine.cpu_kv_cache_gib: has no effect on a GPU; leave it out, or set `engine.gpu_memory_utilization`")
    if on_cpu and "gpu_memory_utilization" in given:
        raise EngineError("engine.gpu_memory_utilization: has no effect on a CPU; leave it out, or set `engine.cpu_kv_cache_gib`")
    if on_cpu and given.get("enable_sleep_mode"):
        raise EngineError(
            "engine.colocate: vLLM's sleep mode needs a GPU, and on a CPU there is no GPU memory to give back; leave it out"
        )
    for name, value in given.items():
        if name not in known and value != _DEFAULTS.get(name):
            raise EngineError(
                f"engine.{name}: the installed vLLM has no such engine argument{did_you_mean(name, known)}; leave it out"
            )


@contextmanager
def starting(cores: int, *, eager: bool) -> Iterator[None]:
    """Set what must hold while vLLM starts its processes, and put it back.

    `cores` is 0 on a GPU; `eager` says that the model is not compiled. On a CPU with few cores the engine core runs the
    model itself; with many, vLLM's own worker process, bound to its cores, loses little and gains from the binding.
    """
    main: Any = sys.modules["__main__"]  # whatever the user runs
    spec, missing = getattr(main, "__spec__", None), object()
    file = main.__dict__.pop("__file__", missing)  # gone, not None: torch's `inspect.getmodule` trips over None
    wanted = {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}  # a fork of a process with threads, such as this one, can hang
    if 0 < cores <= _FEW_CORES:
        wanted["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    if cores:
        wanted["OMP_WAIT_POLICY"] = "passive"  # threads that spin cost three times the time as soon as another program runs
    if cores and eager:
        wanted["TORCHDYNAMO_DISABLE"] = "1"  # else the first request with log-probabilities waits 13 s for a C++ compiler
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    main.__spec__ = importlib.util.find_spec("judge.engine.vllm_child")
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        main.__spec__ = spec
        if file is not missing:
            main.__file__ = file


def innermost(why: BaseException) -> str:
    """The innermost exception: vLLM wraps the one that says something."""
    while why.__cause__ is not None:
        why = why.__cause__
    return first_line(why)
