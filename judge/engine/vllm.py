"""vLLM's asynchronous engine in this process, behind the engine protocol.

- Requests go in as token ids and are never cut: what does not fit comes back as `over_length` with the counts.
- On a CPU the engine core is told to run the model itself instead of starting a worker process: measured on two
  cores, 219 instead of 134 tokens/s, and ready in 13 s instead of 25 s. Cache blocks of 32 tokens instead of 128 share
  more of a common prefix (430 to 560 tokens/s); compiling the model gains 6 % and costs 75 s, so it is off there.
- vLLM's processes are spawned, and `spawn` runs the user's script again in each. They are given `vllm_child.py` to run
  instead, so a plain script without `if __name__ == "__main__"` works, and Ctrl-C does not kill the engine first.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import itertools
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from judge.engine.chat_template import ChatTokenizer, first_line, too_long
from judge.engine.models import fingerprint, resolve_model
from judge.errors import CapabilityError, EngineDown, EngineError, did_you_mean
from judge.shipped import install_command
from judge.types import Capability, Completion, FinishReason, ImagePart, Message, Request, Sampling, Structured, TokenLogprobs

_FINISH: Mapping[str | None, FinishReason] = {"stop": "stop", "length": "length", "repetition": "length"}
_CPU_CACHE_GIB = 2.0
_DEFAULTS: Mapping[str, Any] = {
    "dtype": "auto", "tensor_parallel_size": 1, "data_parallel_size": 1, "seed": 0, "enable_prefix_caching": True,
    "trust_remote_code": False,
}  # fmt: skip
_FEW_CORES = 8
_QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # its default is standard output, where our data goes
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


class VllmEngine:
    """Judge model on vLLM, GPU or CPU build. Nothing is imported or loaded before `start`.

    Args:
        model: Embedded name (`smollm2-135m`), local folder or Hugging Face name.
        max_model_len: Longest prompt plus completion, tokens. None: what the model was made for.
        dtype: Of the weights; `auto` follows the model.
        tensor_parallel_size: GPUs one copy of the model is spread over.
        data_parallel_size: Copies of the model.
        gpu_memory_utilization: Share of GPU memory, in (0, 1]; refused on a CPU. None: vLLM's default.
        max_num_seqs: Most requests computed at once. None: vLLM's default.
        seed: Of the engine itself; requests carry their own.
        enable_prefix_caching: Keep the cache of shared prefixes.
        cpu_kv_cache_gib: Cache on a CPU, GiB; refused on a GPU. None: `VLLM_CPU_KVCACHE_SPACE` where set, else 2.
        chat_template_kwargs: Passed to the chat template, for example `{"enable_thinking": False}`.
        trust_remote_code: Run code that comes with the model.
        revision: Branch, tag or commit on the hub.
        extra: Any other field of vLLM's `AsyncEngineArgs`; wins over everything above.
        progress: Receives one line a step.

    Attributes:
        identity: What else decides the output; complete after `start`.
    """

    capabilities = frozenset(
        {
            Capability.TOP_LOGPROBS,
            Capability.SCORE_CONTINUATION,
            Capability.STRUCTURED,
            Capability.PREFILL,
            Capability.SEED,
        }
    )

    def __init__(
        self,
        model: str,
        *,
        max_model_len: int | None = None,
        dtype: str = "auto",
        tensor_parallel_size: int = 1,
        data_parallel_size: int = 1,
        gpu_memory_utilization: float | None = None,
        max_num_seqs: int | None = None,
        seed: int = 0,
        enable_prefix_caching: bool = True,
        cpu_kv_cache_gib: float | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        extra: Mapping[str, Any] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.model = model
        self.identity: Mapping[str, str] = {}
        self.context_length: int | None = max_model_len
        self.control_tokens: frozenset[str] = frozenset()
        self._settings: dict[str, Any] = {
            "max_model_len": max_model_len,
            "dtype": dtype,
            "tensor_parallel_size": tensor_parallel_size,
            "data_parallel_size": data_parallel_size,
            "gpu_memory_utilization": gpu_memory_utilization,
            "max_num_seqs": max_num_seqs,
            "seed": seed,
            "enable_prefix_caching": enable_prefix_caching,
            "trust_remote_code": trust_remote_code,
            "revision": revision,
        }
        self._cpu_kv_cache_gib = cpu_kv_cache_gib
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._extra = dict(extra or {})
        self._progress = progress or (lambda line: None)
        self._names = itertools.count()
        self._lock: asyncio.Lock | None = None
        self._llm: Any = None
        self._chat: ChatTokenizer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Load the model; idempotent. Raises `EngineError` when vLLM is missing or cannot load it."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._llm is not None:
                if self._loop is not asyncio.get_running_loop():
                    raise EngineError(
                        "this VllmEngine was started in another event loop; close it there, or use one loop throughout"
                    )
                return
            preflight()
            began = time.monotonic()
            self._progress(f"loading {self.model}")
            await asyncio.to_thread(self._load)
            self._loop = asyncio.get_running_loop()
            self._progress(f"loading {self.model} ... ready in {time.monotonic() - began:.0f} s")

    def _load(self) -> None:
        """Everything slow: runs in a thread, so that a progress display and Ctrl-C stay alive."""
        revision, trust = self._settings["revision"], self._settings["trust_remote_code"]
        path = resolve_model(self.model, revision=revision, progress=self._progress)
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        logging.getLogger("vllm").addHandler(logging.NullHandler())  # it warns before its own logging is set up
        chat = ChatTokenizer.load(
            path, model=self.model, revision=revision, trust_remote_code=trust, template_kwargs=self._template_kwargs
        )
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415  # imports torch, takes seconds
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        arguments = self._arguments(path, AsyncEngineArgs, on_cpu=current_platform.is_cpu())
        try:
            cores = len(os.sched_getaffinity(0)) if current_platform.is_cpu() else 0
            with _startup(cores, eager=bool(arguments.get("enforce_eager"))):
                llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except (OSError, RuntimeError, ValueError, TypeError, AssertionError, ImportError) as why:
            raise EngineError(f"vLLM cannot load {self.model}: {_cause(why)}") from why
        config = llm.model_config
        self.context_length = int(config.max_model_len)
        self.control_tokens = chat.control_tokens
        self.identity = {
            "dtype": str(config.dtype).removeprefix("torch."),
            "quantization": str(config.quantization or "none"),
            "revision": str(getattr(config.hf_config, "_commit_hash", None) or fingerprint(path) or revision or ""),
            "chat_template": chat.template_hash,
        }
        if getattr(config, "is_multimodal_model", False):
            self.capabilities = VllmEngine.capabilities | {Capability.VISION}
        self._chat, self._llm = chat, llm

    def _arguments(self, path: str, args_class: Any, *, on_cpu: bool) -> dict[str, Any]:
        """Arguments for `AsyncEngineArgs`: the settings, what suits this platform, and `extra` over both."""
        known = {field.name for field in dataclasses.fields(args_class)}
        for name in self._extra:
            if name not in known:
                raise EngineError(f"engine.extra: vLLM has no engine argument `{name}`{did_you_mean(name, known)}")
        quiet = {"disable_log_stats": True, "use_tqdm_on_load": False}
        given = {name: value for name, value in self._settings.items() if value is not None}
        self._refuse_without_effect(given, known, on_cpu=on_cpu)
        arguments = {"model": path, **quiet, **given}
        if on_cpu:
            arguments |= {"enforce_eager": True, "block_size": 32}
            if self._cpu_kv_cache_gib is not None or not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
                os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would win over the argument
                arguments["kv_cache_memory_bytes"] = int((self._cpu_kv_cache_gib or _CPU_CACHE_GIB) * 2**30)
        return {k: v for k, v in arguments.items() if k in known} | self._extra

    def _refuse_without_effect(self, given: Mapping[str, Any], known: Collection[str], *, on_cpu: bool) -> None:
        """Refuse settings that this platform or this version of vLLM knows nothing of. Defaults ask for nothing."""
        if not on_cpu and self._cpu_kv_cache_gib is not None:
            raise EngineError(
                "engine.cpu_kv_cache_gib: has no effect on a GPU; leave it out, or set `engine.gpu_memory_utilization`"
            )
        if on_cpu and "gpu_memory_utilization" in given:
            raise EngineError(
                "engine.gpu_memory_utilization: has no effect on a CPU; leave it out, or set `engine.cpu_kv_cache_gib`"
            )
        for name, value in given.items():
            if name not in known and value != _DEFAULTS.get(name):
                raise EngineError(
                    f"engine.{name}: the installed vLLM has no such engine argument{did_you_mean(name, known)}; leave it out"
                )

    async def complete(self, request: Request) -> Completion:
        """Continue one conversation. Raises only `EngineError`, when the engine is dead."""
        ids = await self._prompt(request)
        return ids if isinstance(ids, Completion) else await self._generate(ids, request, request.sampling.seed)

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n completions, in order; completion k uses `seed + k` and equals `complete` with that seed.

        They are n requests over the same token ids: vLLM's own `n` fans out in the same way (also with seed + k), but
        reports one latency and one cache figure for all, and refuses n > 1 at temperature 0. All but the first take
        the prompt from the prefix cache.
        """
        ids = await self._prompt(request)
        if isinstance(ids, Completion):
            return [ids] * n
        return list(await asyncio.gather(*(self._generate(ids, request, request.sampling.seed + k) for k in range(n))))

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words.

        Raises:
            EngineError: The engine is dead.
            ValueError: The conversation does not fit, or the template refuses it.
        """
        chat, _ = self._ready()
        prompt, scored = await chat.aprompt_ids(messages), chat.text_ids(text)
        if error := too_long(len(prompt) + len(scored), 1, self.context_length):
            raise ValueError(error)
        if not scored:
            return ()
        from vllm import SamplingParams  # noqa: PLC0415
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        params = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0, output_kind=RequestOutputKind.FINAL_ONLY)
        output = await self._run([*prompt, *scored], params)
        table = output.prompt_logprobs[-len(scored) :]
        return tuple(float(position[token].logprob) for position, token in zip(table, scored, strict=True))

    async def rate(self, messages: Sequence[Message]) -> float:
        """Raise `CapabilityError`: this engine has a model that writes text."""
        raise CapabilityError(f"{self.model} writes text and has no scalar head")

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Prompt tokens of a conversation; None before `start`."""
        return None if self._chat is None else self._chat.count(messages)

    async def close(self) -> None:
        """Stop vLLM's processes and free their memory; idempotent."""
        llm, self._llm = self._llm, None
        if llm is None:
            return
        handler = getattr(llm, "output_handler", None)
        llm.shutdown()
        if handler is not None:
            await asyncio.wait([handler], timeout=5)
        llm.shutdown = lambda *args: None  # its destructor calls this again, at exit, when modules are already gone

    def _ready(self) -> tuple[ChatTokenizer, Any]:
        if self._llm is None or self._chat is None:
            raise EngineError("the engine is not running: call `await engine.start()` first (and not after `close`)")
        return self._chat, self._llm

    async def _prompt(self, request: Request) -> list[int] | Completion:
        """Token ids of the prompt, or the completion that says why there are none."""
        chat, _ = self._ready()
        try:
            ids = await chat.aprompt_ids(request.messages)
        except ValueError as why:
            return Completion(text="", finish_reason="error", error=str(why))
        if error := too_long(len(ids), request.sampling.max_tokens, self.context_length):
            return Completion(text="", finish_reason="over_length", error=error, prompt_tokens=len(ids))
        return ids

    async def _generate(self, ids: list[int], request: Request, seed: int) -> Completion:
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        began, (chat, _) = time.monotonic(), self._ready()
        try:
            params = _sampling_params(request.sampling, request.structured, seed, special=chat.keep_special)
            output = await self._run(ids, params, pictures(request.messages))
        except EngineDeadError as why:
            raise EngineDown(
                "vLLM's engine process died (out of memory?); what it said is on standard error, more of it with "
                "VLLM_LOGGING_LEVEL=INFO"
            ) from why
        except _request_errors() as why:  # this request is at fault, not the engine
            return Completion(text="", finish_reason="error", error=first_line(why), prompt_tokens=len(ids))
        return _completion(output, request.sampling, time.monotonic() - began, chat)

    async def _run(self, ids: list[int], params: Any, images: Sequence[Any] = ()) -> Any:
        """The finished output. Cancelling the caller aborts the request inside vLLM."""
        _, llm = self._ready()
        prompt: dict[str, Any] = {"type": "token", "prompt_token_ids": ids}  # "type": ready, which skips a thread a request
        if images:
            prompt = {"prompt_token_ids": ids, "multi_modal_data": {"image": list(images)}}
        stream = llm.generate(prompt, params, f"judge-{next(self._names)}")
        (output,) = [finished async for finished in stream]  # one, by FINAL_ONLY
        return output


def pictures(messages: Sequence[Message]) -> list[Any]:
    """The images of a conversation, opened.

    Raises:
        ValueError: One is no data: URL (nothing is fetched from here), or no picture.
    """
    parts = [p for m in messages if not isinstance(m.content, str) for p in m.content if isinstance(p, ImagePart)]
    if not parts:
        return []
    import base64  # noqa: PLC0415  # only for images
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415  # vLLM brings it

    out = []
    for part in parts:
        if not part.url.startswith("data:image/") or ";base64," not in part.url:
            raise ValueError(f"the image `{part.url[:60]}` is no data: URL, and vLLM in this process fetches none")
        try:
            out.append(Image.open(io.BytesIO(base64.b64decode(part.url.partition(";base64,")[2]))).convert("RGB"))
        except (OSError, ValueError) as why:
            raise ValueError(f"an image cannot be read: {first_line(why)}") from why
    return out


def preflight() -> None:
    """Raise `EngineError` naming the command that installs vLLM, where it is missing. Imports nothing."""
    if importlib.util.find_spec("vllm") is None:
        raise EngineError(
            f"vLLM is not installed: {install_command('vllm')} with an NVIDIA GPU, "
            f"{install_command('cpu')} without (`judge doctor` says which)"
        )


@contextmanager
def _startup(cores: int, *, eager: bool) -> Iterator[None]:
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


def _sampling_params(sampling: Sampling, structured: Structured | None, seed: int, *, special: bool = False) -> Any:
    """Our sampling as vLLM's. Greedy when the temperature is 0, whatever else is set; decoded with special tokens on demand."""
    from vllm import SamplingParams  # noqa: PLC0415
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        max_tokens=sampling.max_tokens,
        seed=seed,
        stop=list(sampling.stop),
        include_stop_str_in_output=True,
        skip_special_tokens=not special,
        logprobs=sampling.top_logprobs or None,
        structured_outputs=_constraint(structured),
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,  # made for this request alone
    )


def _constraint(structured: Structured | None) -> Any:
    from vllm.sampling_params import StructuredOutputsParams  # noqa: PLC0415

    if structured is None:
        return None
    if structured.choice:
        return StructuredOutputsParams(choice=list(structured.choice))
    if structured.regex:
        return StructuredOutputsParams(regex=structured.regex)
    return StructuredOutputsParams(json=structured.json_schema)


def _completion(output: Any, sampling: Sampling, seconds: float, chat: ChatTokenizer) -> Completion:
    """vLLM's finished output as ours."""
    generated = output.outputs[0]
    finish = _FINISH.get(generated.finish_reason, "error")
    return Completion(
        text=chat.said(generated.text),
        finish_reason=finish,
        prompt_tokens=len(output.prompt_token_ids),
        completion_tokens=len(generated.token_ids),
        cached_tokens=output.num_cached_tokens or 0,
        latency_s=seconds,
        error=f"vLLM ended the request: {generated.finish_reason}" if finish == "error" else "",
        logprobs=_logprobs(generated, sampling.top_logprobs),
    )


def _logprobs(generated: Any, top: int) -> tuple[TokenLogprobs, ...]:
    """The likeliest `top` tokens at each generated position. vLLM adds the drawn token; where it is not among them it goes."""
    if not top or not generated.logprobs:
        return ()
    out = []
    for token, position in zip(generated.token_ids, generated.logprobs, strict=True):
        best: dict[str, float] = {}
        for entry in sorted(position.values(), key=lambda e: -e.logprob):
            if entry.rank is None or entry.rank <= top:
                best.setdefault(entry.decoded_token or "", float(entry.logprob))  # two byte tokens may look alike
        out.append(TokenLogprobs(text=position[token].decoded_token or "", top=best))
    return tuple(out)


def _request_errors() -> tuple[type[Exception], ...]:
    """Exceptions that blame one request and leave the engine running; older vLLMs raise plain ValueError."""
    from vllm import exceptions  # noqa: PLC0415
    from vllm.v1.engine.exceptions import EngineGenerateError  # noqa: PLC0415

    client = getattr(exceptions, "VLLMClientError", ValueError)
    return (client, EngineGenerateError, ValueError, TypeError)


def _cause(why: BaseException) -> str:
    """The innermost exception: vLLM wraps the one that says something."""
    while why.__cause__ is not None:
        why = why.__cause__
    return first_line(why)
