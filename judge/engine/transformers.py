"""Plain Hugging Face generation behind the engine protocol, for machines without vLLM.

- Requests that wait together form one batch: `generate` is called once for up to `max_batch_size` prompts that share
  their sampling settings, in one worker thread, so the event loop never waits for the model.
- Prompts are padded on the left and positions follow the attention mask, so greedy text does not depend on the
  neighbours beyond the rounding of the number format (exact in float32 in all our tests, not always in bfloat16).
- `generate` draws for the whole batch from one generator, so in a batch a drawn sample would depend on its neighbours.
  Requests with a temperature therefore run one at a time, each from its own seed: slow, and the same in any order.
  So do those with a repetition penalty, which would fall on the padding as well.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from judge.engine.chat_template import ChatTokenizer, first_line, too_long
from judge.engine.lora import find_adapter
from judge.engine.models import fingerprint, resolve_model
from judge.engine.protocol import NO_HEAD, NO_WORDS
from judge.engine.transformers_load import alone, drawing, load_model, presence, unseeded
from judge.errors import CapabilityError, EngineError, RequestFailed
from judge.shipped import install_command
from judge.types import Capability, Completion, FinishReason, Message, Request, Sampling, TokenLogprobs


@dataclass(slots=True)
class _Waiting:
    """A request in the queue: its prompt, its settings with its own seed, and where its completion goes.

    A conversation that is rated has no settings, and its future gets a number.
    """

    ids: list[int]
    sampling: Sampling | None
    future: asyncio.Future[Any]
    began: float


class TransformersEngine:
    """Judge model on plain transformers. Nothing is imported or loaded before `start`.

    Args:
        model: Embedded name (`smollm2-135m`), local folder or Hugging Face name.
        adapter: LoRA adapter that answers in place of the bare model: a folder as peft saves one, or a Hugging Face name.
        revision: Branch, tag or commit on the hub.
        dtype: Of the weights (`bfloat16`, `float32`...); `auto` follows the model.
        device: `auto` (a GPU where there is one), `cpu`, `cuda:1`...
        max_batch_size: Most prompts in one call of `generate`.
        max_model_len: Longest prompt plus completion, tokens. None: what the model was made for.
        chat_template_kwargs: Passed to the chat template.
        trust_remote_code: Run code that comes with the model.
        progress: Receives one line a step.

    Structured output: `choice` only (each candidate is scored whole, and the likeliest wins). A regex or JSON schema
    gives a completion with an error, which is why the capability `structured` is not declared.
    """

    capabilities = frozenset({Capability.TOP_LOGPROBS, Capability.SCORE_CONTINUATION, Capability.PREFILL, Capability.SEED})

    def __init__(
        self,
        model: str,
        *,
        adapter: str | None = None,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        max_batch_size: int = 16,
        max_model_len: int | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        trust_remote_code: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.model = model
        self.identity: Mapping[str, str] = {}
        self.context_length: int | None = max_model_len
        self.control_tokens: frozenset[str] = frozenset()
        self.max_batch_size = max_batch_size
        self._adapter_name = adapter
        self._revision, self._dtype, self._device, self._trust = revision, dtype, device, trust_remote_code
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._progress = progress or (lambda line: None)
        self._starting: asyncio.Lock | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._queue: list[_Waiting] = []
        self._batcher: asyncio.Task[None] | None = None
        self._chat: ChatTokenizer | None = None
        self._lm: Any = None

    async def start(self) -> None:
        """Load the model; idempotent. Raises `EngineError` when it cannot."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._lm is not None:
                return
            missing = [need for need in ("torch", "transformers") if importlib.util.find_spec(need) is None]
            if missing:
                raise EngineError(f"{' and '.join(missing)} not installed: {install_command('transformers')}")
            began = time.monotonic()
            self._progress(f"loading {self.model}")
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge-transformers")
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
            self._progress(f"loading {self.model} ... ready in {time.monotonic() - began:.0f} s")

    def _load(self) -> None:
        path = resolve_model(self.model, revision=self._revision, progress=self._progress)
        adapter = find_adapter(self._adapter_name) if self._adapter_name else None
        chat = ChatTokenizer.load(
            path,
            model=self.model,
            revision=self._revision,
            trust_remote_code=self._trust,
            template_kwargs=self._template_kwargs,
        )
        lm, kind = load_model(
            path,
            self.model,
            revision=self._revision,
            dtype=self._dtype,
            device=self._device,
            trust_remote_code=self._trust,
            adapter=adapter,
        )
        if kind == "rate":
            self.capabilities = frozenset({Capability.RATE})
        made_for = getattr(lm.config.get_text_config(), "max_position_embeddings", None)
        self.context_length = min(filter(None, (self.context_length, made_for)), default=None)
        self.control_tokens = chat.control_tokens
        self.identity = {
            "dtype": str(lm.dtype).removeprefix("torch."),
            "revision": str(getattr(lm.config, "_commit_hash", None) or fingerprint(path) or self._revision or ""),
            "chat_template": chat.template_hash,
            **({"adapter": adapter.fingerprint} if adapter else {}),
        }
        self._chat, self._lm = chat, lm

    async def complete(self, request: Request) -> Completion:
        """Continue one conversation. Raises only `EngineError`."""
        return (await self.sample(request, 1))[0]

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n completions, in order; completion k uses `seed + k` and equals `complete` with that seed."""
        try:
            ids = await self._text_ids(request.messages)
        except RequestFailed as why:
            return [Completion(text="", finish_reason="error", error=str(why))] * n
        if error := too_long(len(ids), request.sampling.max_tokens, self.context_length):
            return [Completion(text="", finish_reason="over_length", error=error, prompt_tokens=len(ids))] * n
        if request.structured is not None:
            if not request.structured.choice:
                error = "the transformers engine knows no regex or JSON constraint; use kind: vllm or openai"
                return [Completion(text="", finish_reason="error", error=error, prompt_tokens=len(ids))] * n
            return [await self._choose(ids, request.structured.choice)] * n
        seeds = range(request.sampling.seed, request.sampling.seed + n)
        return list(await asyncio.gather(*(self._submit(ids, replace(request.sampling, seed=seed)) for seed in seeds)))

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words.

        Raises:
            CapabilityError: The model has a scalar head and writes no text.
            RequestFailed: The conversation does not fit, or the template refuses it.
        """
        prompt = await self._text_ids(messages)
        scored = self._ready().text_ids(text)
        if error := too_long(len(prompt) + len(scored), 0, self.context_length):
            raise RequestFailed(error, "over_length")
        if not scored:
            return ()
        try:
            scores: list[tuple[float, ...]] = await self._in_thread(self._score, prompt, [scored])
        except RuntimeError as why:  # out of memory, mostly
            raise RequestFailed(first_line(why)) from why
        return scores[0]

    async def rate(self, messages: Sequence[Message]) -> float:
        """What the scalar head says of a finished conversation, with no activation behind it.

        Raises:
            CapabilityError: The model writes text and has no scalar head.
            RequestFailed: The conversation does not fit, or the template refuses it.
        """
        chat = self._ready()
        if Capability.RATE not in self.capabilities:
            raise CapabilityError(NO_HEAD.format(self.model))
        try:
            ids = await chat.aprompt_ids(messages, whole=True)
        except ValueError as why:
            raise RequestFailed(str(why)) from why
        if error := too_long(len(ids), 0, self.context_length):
            raise RequestFailed(error, "over_length")
        return float(await self._submit(ids, None))

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Prompt tokens of a conversation; None before `start`."""
        return None if self._chat is None else self._chat.count(messages)

    async def close(self) -> None:
        """Stop the batcher and free the model; idempotent."""
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            batcher.cancel()
            await asyncio.wait([batcher])
        thread, self._thread, self._lm, self._chat = self._thread, None, None, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)

    def _ready(self) -> ChatTokenizer:
        if self._chat is None:
            raise EngineError("the engine is not running: call `await engine.start()` first (and not after `close`)")
        return self._chat

    async def _text_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids to go on with. Raises `RequestFailed`, or `CapabilityError` where the model writes no text."""
        chat = self._ready()
        if Capability.RATE in self.capabilities:
            raise CapabilityError(NO_WORDS.format(self.model))
        try:
            return await chat.aprompt_ids(messages)
        except ValueError as why:
            raise RequestFailed(str(why)) from why

    async def _in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _submit(self, ids: list[int], sampling: Sampling | None) -> Any:
        """Queue one prompt. A cancelled caller leaves the queue; a batch already running ends first."""
        item = _Waiting(ids, sampling, asyncio.get_running_loop().create_future(), time.monotonic())
        self._queue.append(item)
        if self._batcher is None or self._batcher.done():
            self._batcher = asyncio.create_task(self._work())
        return await item.future

    async def _work(self) -> None:
        """Take batches until nothing waits."""
        await asyncio.sleep(0)  # let everything that arrives in this step of the loop join the first batch
        while self._queue:
            batch = self._take()
            if not batch:
                continue
            rated, done = batch[0].sampling is None, []
            try:
                done = await self._in_thread(self._rate if rated else self._generate, batch)
            except RuntimeError as why:  # out of memory, mostly: these requests fail, later ones may fit
                error = first_line(why)
                done = [RequestFailed(error) if rated else Completion("", "error", error=error) for _ in batch]
            for item, result in zip(batch, done, strict=True):
                if item.future.done():
                    continue
                if isinstance(result, RequestFailed):
                    item.future.set_exception(result)
                else:
                    item.future.set_result(result)

    def _take(self) -> list[_Waiting]:
        """The oldest request and those that can share its call, oldest first; cancelled ones are forgotten."""
        self._queue = [item for item in self._queue if not item.future.cancelled()]
        if not self._queue:
            return []
        first = self._queue[0].sampling
        if alone(first) if first else self._lm.config.get_text_config().pad_token_id is None:
            return [self._queue.pop(0)]
        batch = [item for item in self._queue if unseeded(item.sampling) == unseeded(first)][: self.max_batch_size]
        chosen = {id(item) for item in batch}
        self._queue = [item for item in self._queue if id(item) not in chosen]
        return batch

    def _rate(self, batch: list[_Waiting]) -> list[float | RequestFailed]:
        """What the head says at the last token of each conversation, in the worker thread."""
        import torch  # noqa: PLC0415

        width, pad = max(len(item.ids) for item in batch), self._lm.config.get_text_config().pad_token_id
        ids = [item.ids + [pad] * (width - len(item.ids)) for item in batch]
        mask = [[1] * len(item.ids) + [0] * (width - len(item.ids)) for item in batch]
        with torch.inference_mode():
            logits = self._lm(
                input_ids=torch.tensor(ids, device=self._lm.device), attention_mask=torch.tensor(mask, device=self._lm.device)
            ).logits
        values = logits.float().reshape(len(batch)).tolist()
        failed = RequestFailed(f"the head of {self.model} gave no finite number")
        return [value if math.isfinite(value) else failed for value in values]

    def _generate(self, batch: list[_Waiting]) -> list[Completion]:
        """One call of `generate`, in the worker thread."""
        import torch  # noqa: PLC0415

        sampling, width = batch[0].sampling or Sampling(), max(len(item.ids) for item in batch)
        pad = self._pad()
        ids = torch.tensor([[pad] * (width - len(item.ids)) + item.ids for item in batch], device=self._lm.device)
        mask = torch.tensor([[0] * (width - len(i.ids)) + [1] * len(i.ids) for i in batch], device=self._lm.device)
        with torch.inference_mode(), torch.random.fork_rng(enabled=sampling.temperature > 0):
            torch.manual_seed(sampling.seed)
            penalty = presence(sampling.presence_penalty, width)
            out = self._lm.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=sampling.max_tokens,
                pad_token_id=pad,
                return_dict_in_generate=True,
                output_logits=sampling.top_logprobs > 0,
                logits_processor=penalty,
                **drawing(sampling),
                **({"stop_strings": list(sampling.stop), "tokenizer": self._tokenizer()} if sampling.stop else {}),
            )
        return [self._completion(out, row, item, width) for row, item in enumerate(batch)]

    def _completion(self, out: Any, row: int, item: _Waiting, width: int) -> Completion:
        """One row of the batch as a completion: cut at its own end, which may come before the batch's."""
        written = out.sequences[row, width:].tolist()
        over = self._ends() | {self._pad()}  # a row that is done is padded until the whole batch is
        size = next((at for at, token in enumerate(written) if token in over), len(written))
        said_end = size < len(written) and written[size] in self._ends()
        tokens, ended = written[:size], said_end
        text = self._ready().said(self._tokenizer().decode(tokens, skip_special_tokens=not self._ready().keep_special))
        sampling = item.sampling or Sampling()
        cut = min((at + len(stop) for stop in sampling.stop if (at := text.find(stop)) >= 0), default=-1)
        if cut >= 0:
            text, ended = text[:cut], True
        finish: FinishReason = "stop" if ended else "length"
        return Completion(
            text=text,
            finish_reason=finish,
            prompt_tokens=len(item.ids),
            completion_tokens=size + int(said_end),  # the end of turn is a token too
            latency_s=time.monotonic() - item.began,
            logprobs=self._top(out, row, written[: size + int(said_end)], sampling.top_logprobs),
        )

    def _top(self, out: Any, row: int, tokens: list[int], top: int) -> tuple[TokenLogprobs, ...]:
        """The likeliest tokens at each position, before temperature and cuts."""
        if not top:
            return ()
        read = []
        for token, logits in zip(tokens, out.logits, strict=False):
            values, ids = logits[row].float().log_softmax(-1).topk(top)
            best: dict[str, float] = {}
            for index, value in zip(ids.tolist(), values.tolist(), strict=True):
                best.setdefault(self._tokenizer().decode([index]), value)
            read.append(TokenLogprobs(text=self._tokenizer().decode([token]), top=best))
        return tuple(read)

    async def _choose(self, ids: list[int], choices: tuple[str, ...]) -> Completion:
        """The likeliest of the choices: the summed log-probability of each, ended by the end of turn."""
        began = time.monotonic()
        own = self._tokenizer().eos_token_id
        end = own if own in self._ends() else min(self._ends())
        candidates = [[*self._ready().text_ids(choice), end] for choice in choices]
        scores = [sum(scored) for scored in await self._in_thread(self._score, ids, candidates)]
        best = max(range(len(choices)), key=scores.__getitem__)
        return Completion(
            text=choices[best],
            prompt_tokens=len(ids),
            completion_tokens=len(candidates[best]),
            latency_s=time.monotonic() - began,
        )

    def _score(self, prompt: list[int], continuations: list[list[int]]) -> list[tuple[float, ...]]:
        """Log-probability of each token of each continuation: the logits at position t speak of token t + 1."""
        import torch  # noqa: PLC0415

        found = []
        for tokens in continuations:
            ids = torch.tensor([[*prompt, *tokens]], device=self._lm.device)
            with torch.inference_mode():
                logits = self._lm(input_ids=ids, logits_to_keep=len(tokens) + 1).logits[0, :-1].float()
            target = torch.tensor(tokens, device=logits.device)[:, None]
            found.append(tuple(logits.log_softmax(-1).gather(1, target)[:, 0].tolist()))
        return found

    def _tokenizer(self) -> Any:
        return self._ready().tokenizer

    def _ends(self) -> frozenset[int]:
        """Token ids that end a turn."""
        ends = self._lm.generation_config.eos_token_id
        return frozenset(ends if isinstance(ends, list) else [ends])

    def _pad(self) -> int:
        pad = self._tokenizer().pad_token_id
        return int(pad if pad is not None else min(self._ends()))
