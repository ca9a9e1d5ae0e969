"""Which model judges, and how it is reached."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen
from judge.settings.cost import Price

EMBEDDED_MODEL = "smollm2-135m"
ENGINE_KINDS = ("vllm", "openai", "transformers", "scripted", "none")


class VllmSettings(Frozen):
    """vLLM in this process (GPU, or the CPU build). `extra` goes to vLLM's engine arguments as it is.

    Attributes:
        adapter: LoRA adapter that answers in place of the bare model: a folder, or a Hugging Face name.
        model: Hugging Face name, local folder, or `smollm2-135m` (embedded).
        revision: Commit, branch or tag of a hub model. None: the newest.
        max_model_len: Context in tokens, prompt and reply together. None: the model's own.
        dtype: Number format of the weights; `auto` is that of the checkpoint.
        tensor_parallel_size: GPUs that one copy of the model is split over.
        data_parallel_size: Copies of the model.
        gpu_memory_utilization: Share of the GPU's memory that vLLM may take. None: vLLM's default.
        max_num_seqs: Requests that vLLM works on at once. None: vLLM's default.
        enable_prefix_caching: Keep the shared beginnings of prompts.
        cpu_kv_cache_gib: Size of the cache on a CPU in GiB. None: what the machine has room for.
        chat_template_kwargs: Arguments of the chat template (`enable_thinking: false`).
        trust_remote_code: Run code that comes with the checkpoint.
        colocate: The policy trains on the same GPUs: between the calls of a trainer the weights wait in main memory, and
            the cache is given back (vLLM's sleep mode). Not on a CPU.
        extra: Further engine arguments, passed to vLLM as they are.
        price: What it costs, a million tokens or an hour: for `budget`, `judge plan` and the cost of a run.
            None: unknown.
    """

    kind: Literal["vllm"] = "vllm"
    model: str = EMBEDDED_MODEL
    adapter: str | None = None
    revision: str | None = None
    max_model_len: int | None = Field(default=None, ge=16)
    dtype: str = "auto"
    tensor_parallel_size: int = Field(default=1, ge=1)
    data_parallel_size: int = Field(default=1, ge=1)
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    max_num_seqs: int | None = Field(default=None, ge=1)
    enable_prefix_caching: bool = True
    cpu_kv_cache_gib: float | None = Field(default=None, gt=0)
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    trust_remote_code: bool = False
    colocate: bool = False
    price: Price | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class OpenAiSettings(Frozen):
    """Any OpenAI-compatible endpoint; several share the load.

    Attributes:
        deadline_s: Bounds one request with all its retries.
        patience_s: How long an endpoint that has stopped working is waited for before the work stops (seconds); 0 stops at once.
            A key that is refused and an account without credit get at most 10 s: waiting does not mend them.
        omit: Body fields that this endpoint does not accept (`temperature`, `seed`...).
        adapter: Name under which the server knows a LoRA adapter of the model; it answers in place of the bare model.
        scoring: How the server gives log-probabilities of a given text: `prompt_logprobs`, `echo` or `off`; `auto` knows vLLM.
        tokenizer: Folder or Hugging Face name of the model's tokenizer, to count tokens and to score a text with.
        chat_template_kwargs: Arguments of the chat template (`enable_thinking: false`), sent with every request.
        check_model: Ask the endpoint at the start whether it knows the model.
        vision: The model can be shown images, as `image_url` parts. Without it a row with an image is refused.
        system_role: Where the system text goes: a message of its own (`system`), or in front of the first user message (`user`).
            `auto`: its own, until the server says that the model has no such role.
        model: Name under which the endpoint knows the model.
        base_url: Address of the API, with `/v1`; several addresses share the requests.
        transport: `aiohttp` (0.1 ms of processor time a request), or `openai`, the official client (ten times that),
            for hosted APIs.
        api_key_env: Environment variable that holds the key; unset means no key.
        dialect: Which extensions the endpoint knows; `auto` asks it.
        concurrency: Requests in flight to each address.
        max_retries: Further tries of a request that failed in a way that may pass.
        headers: Headers sent with every request.
        extra_body: Fields added to the body of every request.
        requests_per_minute: Requests sent at most, retries included, evenly over the minute. None: no limit of ours.
        tokens_per_minute: Prompt and completion tokens at most. None: no limit of ours.
        colocate: As for vLLM, of servers started with `--enable-sleep-mode` and VLLM_SERVER_DEV_MODE=1.
        price: As for vLLM.
    """

    kind: Literal["openai"] = "openai"
    model: str
    adapter: str | None = None
    base_url: str | tuple[str, ...] = "http://127.0.0.1:8000/v1"
    transport: Literal["aiohttp", "openai"] = "aiohttp"
    api_key_env: str = "OPENAI_API_KEY"
    dialect: Literal["auto", "vllm", "openai"] = "auto"
    concurrency: int = Field(default=256, ge=1, le=10_000)
    deadline_s: float = Field(default=120.0, gt=0)
    patience_s: float = Field(default=240.0, ge=0)
    max_retries: int = Field(default=4, ge=0, le=20)
    headers: dict[str, str] = Field(default_factory=dict)
    scoring: Literal["auto", "prompt_logprobs", "echo", "off"] = "auto"
    tokenizer: str | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    omit: tuple[str, ...] = ()
    check_model: bool = True
    vision: bool = False
    system_role: Literal["auto", "system", "user"] = "auto"
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    colocate: bool = False
    price: Price | None = None


class TransformersSettings(Frozen):
    """Plain Hugging Face generation with batching, for machines without vLLM.

    Attributes:
        adapter: As for vLLM; needs peft.
        price: As for vLLM.
        model: Hugging Face name, local folder, or `smollm2-135m` (embedded).
        revision: Commit, branch or tag of a hub model. None: the newest.
        dtype: Number format of the weights; `auto` is that of the checkpoint.
        device: `cpu`, `cuda`, `cuda:1`...; `auto` takes a GPU where there is one.
        max_batch_size: Requests generated together.
        max_model_len: Context in tokens, prompt and reply together. None: the model's own.
        chat_template_kwargs: Arguments of the chat template (`enable_thinking: false`).
        trust_remote_code: Run code that comes with the checkpoint.
    """

    kind: Literal["transformers"] = "transformers"
    model: str = EMBEDDED_MODEL
    adapter: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    max_batch_size: int = Field(default=16, ge=1)
    max_model_len: int | None = Field(default=None, ge=16)
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    trust_remote_code: bool = False
    price: Price | None = None


class ScriptedSettings(Frozen):
    """Canned replies instead of a model, to try a configuration in a second and at no cost.

    Attributes:
        reply: What the judge says to every request.
        replies: A JSON, JSON Lines or YAML file: a list, used in the order in which the requests arrive and then from its start
            again; or a mapping from a regular expression to the reply (the first one found in the request's messages counts).
            Relative to the settings file. Without all three, `judge.engine.scripted.ScriptedEngine` is passed in from Python.
        rate: What the scalar head of a reward model says of every conversation (recipes with `signal: scalar`).
        verdicts: `drawn`: replies in the form that the recipe asks for, whatever it is, with a verdict drawn from the words of
            each response. It says nothing about quality.
        price: As for vLLM, to try what a budget does.
        model: Name shown in the run.
    """

    kind: Literal["scripted"] = "scripted"
    model: str = "scripted"
    reply: str | None = None
    replies: str | None = None
    rate: float | None = None
    verdicts: Literal["drawn"] | None = None
    price: Price | None = None

    @model_validator(mode="after")
    def _one_script(self) -> Self:
        if sum(given is not None for given in (self.reply, self.replies, self.rate, self.verdicts)) > 1:
            raise ValueError("give one of `reply`, `replies`, `rate` and `verdicts`")
        return self


class NoEngineSettings(Frozen):
    """No model at all: what a recipe has that is a program. Set by itself for such a recipe.

    Attributes:
        model: Always `none`.
    """

    kind: Literal["none"] = "none"
    model: str = "none"


EngineSettings = Annotated[
    VllmSettings | OpenAiSettings | TransformersSettings | ScriptedSettings | NoEngineSettings, Field(discriminator="kind")
]
