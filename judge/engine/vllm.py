"""vLLM's asynchronous engine in this process, behind the engine protocol.

- Requests go in as token ids and are never cut: what does not fit comes back as `over_length` with the counts.
- A reward model (a scalar head in place of the words) is told by vLLM's own reading of its config. It can only `rate`.
- How the engine is started is in `vllm_start.py`.
- An engine process that dies is started again, once, and its requests are asked again: they hold their seeds, so they mean the
  same. When it dies again, the model or the machine is at fault, and the work stops.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from judge.engine.chat_template import ChatTokenizer, first_line, too_long
from judge.engine.lora import LoraAdapter, find_adapter, lora_request
from judge.engine.models import LOADING, fingerprint, resolve_model
from judge.engine.protocol import NO_HEAD, NO_WORDS
from judge.engine.vllm_convert import completion_of, pictures, request_errors, sampling_params
from judge.engine.vllm_start import QUIET, engine_arguments, innermost, preflight, starting
from judge.errors import CapabilityError, EngineDown, EngineError, RequestFailed
from judge.types import Capability, Completion, Message, Request

_RATING = ("classify", "token_classify")  # vLLM's tasks of a head: one value a text, one a token (the last counts)


DIED = "vLLM's engine process died (out of memory?); what it said is on standard error, more of it with VLLM_LOGGING_LEVEL=INFO."

logger = logging.getLogger("judge.engine")


class VllmEngine:
    """Judge model on vLLM, GPU or CPU build. Nothing is imported or loaded before `start`.

    Args:
        model: Embedded name (`smollm2-135m`), local folder or Hugging Face name.
        adapter: LoRA adapter that answers in place of the bare model: a folder as peft saves one, or a Hugging Face name.
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
        colocate: Start with vLLM's sleep mode, for `sleep` and `wake`; refused on a CPU.
        extra: Any other field of vLLM's `AsyncEngineArgs`; wins over everything above.
        progress: Receives one line a step.

    Attributes:
        identity: What else decides the output; complete after `start`.
        capabilities: Those of a model that writes text; after `start`, those of this model.
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
        adapter: str | None = None,
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
        colocate: bool = False,
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
            "enable_sleep_mode": colocate,
        }
        self._cpu_kv_cache_gib = cpu_kv_cache_gib
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._extra = dict(extra or {})
        self._progress = progress or (lambda line: None)
        self._adapter_name = adapter
        self._lora: Any = None
        self._task = ""  # of a scalar head
        self._restarted = False
        self._restarting = False
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
            await self._find_head()
            self._loop = asyncio.get_running_loop()
            self._progress(f"loading {self.model} ... ready in {time.monotonic() - began:.0f} s")

    async def _find_head(self) -> None:
        """Of a model that does not write text, find the task that gives a number. Raises `EngineError` where there is none."""
        if Capability.RATE not in self.capabilities:
            return
        tasks = await self._llm.get_supported_tasks()
        self._task = next((task for task in _RATING if task in tasks), "")
        if not self._task:
            await self.close()
            raise EngineError(f"{self.model} is an embedding model: it has no head that gives a number, and writes no text")

    def _load(self) -> None:
        """Everything slow: runs in a thread, so that a progress display and Ctrl-C stay alive."""
        revision, trust = self._settings["revision"], self._settings["trust_remote_code"]
        path = resolve_model(self.model, revision=revision, progress=self._progress)
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        logging.getLogger("vllm").addHandler(logging.NullHandler())  # it warns before its own logging is set up
        adapter = find_adapter(self._adapter_name) if self._adapter_name else None
        chat = ChatTokenizer.load(
            path, model=self.model, revision=revision, trust_remote_code=trust, template_kwargs=self._template_kwargs
        )
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415  # imports torch, takes seconds
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        arguments = self._arguments(path, AsyncEngineArgs, on_cpu=current_platform.is_cpu(), adapter=adapter)
        try:
            cores = len(os.sched_getaffinity(0)) if current_platform.is_cpu() else 0
            with LOADING, starting(cores, eager=bool(arguments.get("enforce_eager"))):
                llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except (OSError, RuntimeError, ValueError, TypeError, AssertionError, ImportError) as why:
            raise EngineError(f"vLLM cannot load {self.model}: {innermost(why)}") from why
        config = llm.model_config
        if config.runner_type == "pooling":
            self.capabilities = frozenset({Capability.RATE})
        elif getattr(config, "is_multimodal_model", False):
            self.capabilities = VllmEngine.capabilities | {Capability.VISION}
        self.context_length = int(config.max_model_len)
        self.control_tokens = chat.control_tokens
        self.identity = {
            "dtype": str(config.dtype).removeprefix("torch."),
            "quantization": str(config.quantization or "none"),
            "revision": str(getattr(config.hf_config, "_commit_hash", None) or fingerprint(path) or revision or ""),
            "chat_template": chat.template_hash,
        }
        if adapter is not None:
            self._lora = lora_request(adapter)
            self.identity = {**self.identity, "adapter": adapter.fingerprint}
        self._chat, self._llm = chat, llm

    def _arguments(self, path: str, kind: Any, *, on_cpu: bool, adapter: LoraAdapter | None = None) -> dict[str, Any]:
        return engine_arguments(
            path,
            kind,
            self._settings,
            extra=self._extra,
            cpu_kv_cache_gib=self._cpu_kv_cache_gib,
            on_cpu=on_cpu,
            adapter=adapter,
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
            CapabilityError: The model has a scalar head and writes no text.
            EngineError: The engine is dead.
            RequestFailed: The conversation does not fit, or the template refuses it.
        """
        chat, _ = await self._ready()
        if Capability.RATE in self.capabilities:
            raise CapabilityError(NO_WORDS.format(self.model))
        prompt = await self._ids(messages)
        scored = chat.text_ids(text)
        self._fits(len(prompt) + len(scored), 1)
        if not scored:
            return ()
        from vllm import SamplingParams  # noqa: PLC0415
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        params = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0, output_kind=RequestOutputKind.FINAL_ONLY)
        output = await self._number([*prompt, *scored], params)
        table = output.prompt_logprobs[-len(scored) :]
        return tuple(float(position[token].logprob) for position, token in zip(table, scored, strict=True))

    async def rate(self, messages: Sequence[Message]) -> float:
        """What the scalar head says of a finished conversation, without the activation that vLLM would put behind it.

        Raises:
            CapabilityError: The model writes text and has no scalar head.
            EngineError: The engine is dead, or the head gives no single number.
            RequestFailed: The conversation does not fit, or the template refuses it.
        """
        await self._ready()
        if Capability.RATE not in self.capabilities:
            raise CapabilityError(NO_HEAD.format(self.model))
        ids = await self._ids(messages, whole=True)
        self._fits(len(ids), 0)
        from vllm import PoolingParams  # noqa: PLC0415

        output = await self._number(ids, PoolingParams(task=self._task, use_activation=False))
        values = output.outputs.data.float()
        values = values.reshape(-1, values.shape[-1])[-1].tolist() if values.ndim else [float(values)]
        if len(values) != 1:
            raise EngineError(f"{self.model}: its head gives {len(values)} numbers, and a reward model's gives one")
        if not math.isfinite(values[0]):
            raise RequestFailed(f"the head of {self.model} gave {values[0]}")
        return float(values[0])

    async def sleep(self) -> None:
        """Move the weights to main memory and give the cache back, until `wake`. Nothing may be in flight.

        Raises:
            EngineError: The engine was started without `colocate`, or is dead.
        """
        await self._turned("sleep")

    async def wake(self) -> None:
        """Take the memory again. Raises as `sleep`."""
        await self._turned("wake_up")

    async def _turned(self, how: str) -> None:
        if not self._settings["enable_sleep_mode"]:
            raise EngineError("engine.colocate: the engine was started without it")
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        try:
            await getattr((await self._ready())[1], how)()
        except (EngineDeadError, RuntimeError) as why:
            raise EngineError(f"vLLM's {how.replace('_', ' ')} failed: {innermost(why)}") from why

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

    async def _ready(self) -> tuple[ChatTokenizer, Any]:
        """Tokenizer and engine; who comes while a dead engine is started again waits for the new one."""
        if self._restarting and self._lock is not None:
            async with self._lock:  # held until the restart has ended
                if self._llm is None:
                    raise EngineDown(f"{DIED} It could not be started again.")
        if self._llm is None or self._chat is None:
            raise EngineError("the engine is not running: call `await engine.start()` first (and not after `close`)")
        return self._chat, self._llm

    async def _prompt(self, request: Request) -> list[int] | Completion:
        """Token ids of the prompt, or the completion that says why there are none."""
        if Capability.RATE in self.capabilities:
            raise CapabilityError(NO_WORDS.format(self.model))
        try:
            ids = await self._ids(request.messages)
        except RequestFailed as why:
            return Completion(text="", finish_reason="error", error=str(why))
        if error := too_long(len(ids), request.sampling.max_tokens, self.context_length):
            return Completion(text="", finish_reason="over_length", error=error, prompt_tokens=len(ids))
        return ids

    async def _generate(self, ids: list[int], request: Request, seed: int) -> Completion:
        began, (chat, _) = time.monotonic(), await self._ready()
        try:
            params = sampling_params(request.sampling, request.structured, seed, special=chat.keep_special)
            output = await self._run(ids, params, pictures(request.messages))
        except request_errors() as why:  # this request is at fault, not the engine
            return Completion(text="", finish_reason="error", error=first_line(why), prompt_tokens=len(ids))
        return completion_of(output, request.sampling, time.monotonic() - began, chat)

    async def _ids(self, messages: Sequence[Message], *, whole: bool = False) -> list[int]:
        """Token ids of a conversation to go on with, or of a `whole` one. Raises `RequestFailed` where there are none."""
        try:
            return await (await self._ready())[0].aprompt_ids(messages, whole=whole)
        except ValueError as why:
            raise RequestFailed(str(why)) from why

    def _fits(self, tokens: int, more: int) -> None:
        if error := too_long(tokens, more, self.context_length):
            raise RequestFailed(error, "over_length")

    async def _number(self, ids: list[int], params: Any) -> Any:
        """The finished output of a request that has no completion to say what failed."""
        try:
            return await self._run(ids, params)
        except request_errors() as why:
            raise RequestFailed(first_line(why)) from why

    async def _run(self, ids: list[int], params: Any, images: Sequence[Any] = ()) -> Any:
        """The finished output. Cancelling the caller aborts the request inside vLLM.

        Raises:
            EngineDown: The engine's process died, and so did the one that was started in its place.
        """
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        while True:
            _, llm = await self._ready()
            try:
                return await self._output(llm, ids, params, images)
            except EngineDeadError as why:
                if not await self._revived(llm):
                    raise EngineDown(DIED) from why

    async def _output(self, llm: Any, ids: list[int], params: Any, images: Sequence[Any]) -> Any:
        prompt: dict[str, Any] = {"type": "token", "prompt_token_ids": ids}  # "type": ready, which skips a thread a request
        if images:
            prompt = {"prompt_token_ids": ids, "multi_modal_data": {"image": list(images)}}
        ask = llm.encode if Capability.RATE in self.capabilities else llm.generate
        stream = ask(prompt, params, f"judge-{next(self._names)}", lora_request=self._lora)
        (output,) = [finished async for finished in stream]  # one, by FINAL_ONLY
        return output

    async def _revived(self, dead: Any) -> bool:
        """Start a new engine in place of one that died, once; whoever comes meanwhile waits for it, and asks it again.

        Raises:
            EngineDown: It cannot be started.
        """
        assert self._lock is not None  # noqa: S101  # there is one since `start`
        async with self._lock:
            if self._llm is not dead:
                return self._llm is not None  # another call has done it
            if self._restarted:
                return False
            self._restarted = self._restarting = True
            logger.error("%s It is started again, once; what was in flight is asked again.", DIED)
            try:
                await self.close()
                await asyncio.to_thread(self._load)
            except EngineError as why:
                raise EngineDown(f"{DIED} It could not be started again: {why}") from why
            finally:
                self._restarting = False
            return True
