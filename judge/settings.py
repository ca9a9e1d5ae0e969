"""One YAML file of run settings, for all three uses: batch, HTTP server, trainer.

Unknown fields are errors with file, line and a suggestion. Any value can be overridden from the command line
(`--set engine.model=...`), and the override is checked exactly like the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from judge.errors import Problem, SettingsError
from judge.recipe.model import Order, SamplingSpec, Votes
from judge.rubric.model import Denominator, Fold, Frozen, Partial
from judge.yamlfile import Path_, Source, parse_yaml, read_yaml, shown, validate

EMBEDDED_MODEL = "smollm2-135m"
ENGINE_KINDS = ("vllm", "openai", "transformers", "scripted")


class VllmSettings(Frozen):
    """vLLM in this process (GPU, or the CPU build). `extra` goes to vLLM's engine arguments as it is."""

    kind: Literal["vllm"] = "vllm"
    model: str = EMBEDDED_MODEL
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
    extra: dict[str, Any] = Field(default_factory=dict)


class OpenAiSettings(Frozen):
    """Any OpenAI-compatible endpoint; several share the load.

    Attributes:
        deadline_s: Bounds one request with all its retries.
        omit: Body fields that this endpoint does not accept (`temperature`, `seed`...).
        check_model: Ask the endpoint at the start whether it knows the model.
    """

    kind: Literal["openai"] = "openai"
    model: str
    base_url: str | tuple[str, ...] = "http://127.0.0.1:8000/v1"
    transport: Literal["aiohttp", "openai"] = "aiohttp"
    api_key_env: str = "OPENAI_API_KEY"
    dialect: Literal["auto", "vllm", "openai"] = "auto"
    concurrency: int = Field(default=256, ge=1, le=10_000)
    deadline_s: float = Field(default=120.0, gt=0)
    max_retries: int = Field(default=4, ge=0, le=20)
    headers: dict[str, str] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    omit: tuple[str, ...] = ()
    check_model: bool = True


class TransformersSettings(Frozen):
    """Plain Hugging Face generation with batching, for machines without vLLM."""

    kind: Literal["transformers"] = "transformers"
    model: str = EMBEDDED_MODEL
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    max_batch_size: int = Field(default=16, ge=1)
    max_model_len: int | None = Field(default=None, ge=16)
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    trust_remote_code: bool = False


class ScriptedSettings(Frozen):
    """Canned replies instead of a model: `judge.engine.scripted.ScriptedEngine` is passed in from Python."""

    kind: Literal["scripted"] = "scripted"
    model: str = "scripted"


EngineSettings = Annotated[VllmSettings | OpenAiSettings | TransformersSettings | ScriptedSettings, Field(discriminator="kind")]


class FilterSettings(Frozen):
    """What is looked at before the judge.

    Attributes:
        trivial: A response with nothing to judge gets the lowest reward without a call (`veto`), no reward (`drop`), or is
            judged all the same (`off`).
        max_response_chars: Longer responses are refused (`over_length`), never cut.
    """

    trivial: Literal["veto", "drop", "off"] = "veto"
    max_response_chars: int = Field(default=2_000_000, ge=1)


class RewardSettings(Frozen):
    """Overrides of the rubric's own fold."""

    fold: Fold | None = None
    denominator: Denominator | None = None
    partial: Partial | None = None


class RecipeSettings(Frozen):
    """A recipe by name or folder, with values for its options."""

    name: str
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)


class RunSettings(Frozen):
    """Everything one run needs besides the data.

    Attributes:
        on_no_verdict: What a response without a reward becomes: `drop` (null), `group_mean` (of its group's rewards),
            `constant` (`no_verdict_constant`), `raise`.
        on_over_length: A prompt that does not fit the judge's context has no verdict (`no_verdict`), or loses the middle
            of its responses and is flagged `truncated_response` (`truncate`).
        top_logprobs: Log-probabilities to ask for at each token (0: none); with them a reward has an expected score
            and an entropy.
        max_in_flight: Samples worked on at once; the engine batches their requests.
        seed: Vote k uses seed + k; orders and boundaries follow from it too.
    """

    rubric: str | dict[str, Any] | None = None
    recipe: RecipeSettings = RecipeSettings(name="checklist")
    principle: str | None = None
    engine: EngineSettings = VllmSettings()
    sampling: SamplingSpec = SamplingSpec()
    votes: Votes | None = None
    order: Order | None = None
    filters: FilterSettings = FilterSettings()
    reward: RewardSettings = RewardSettings()
    on_no_verdict: Literal["drop", "group_mean", "constant", "raise"] = "drop"
    no_verdict_constant: float | None = Field(default=None, ge=0, le=1)
    on_over_length: Literal["no_verdict", "truncate"] = "no_verdict"
    top_logprobs: int = Field(default=0, ge=0, le=20)
    max_in_flight: int = Field(default=512, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("filters", mode="before")
    @classmethod
    def _filters(cls, value: Any) -> Any:
        if value == "default":
            return {}
        return {"trivial": "off"} if value in ("off", False) else value

    @field_validator("rubric", mode="before")
    @classmethod
    def _rubric(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | dict):
            return value
        raise ValueError(f"is a shipped name, a path, or a rubric written out, not {shown(value)}")

    @field_validator("engine", mode="before")
    @classmethod
    def _engine(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"is a group of fields; write `engine: {{kind: {value}}}`, and `model` where it needs one")
        return {"kind": "vllm", **value} if isinstance(value, dict) else value


class _Overridable(Source):
    """A source some of whose values came from `--set`; errors in those name the override, not a line."""

    def __init__(self, name: str, data: Any, lines: dict[Path_, int]) -> None:
        super().__init__(name, data, lines)
        self.overrides: dict[Path_, str] = {}

    def where(self, path: Path_) -> str:
        """The override that set this path or a part of it, or `file:line`."""
        at = [part for part in path if part not in ENGINE_KINDS]  # pydantic names the kind of engine on the way
        for given, text in reversed(self.overrides.items()):
            if tuple(at[: len(given)]) == given:
                return f"--set {text}"
        return super().where(path)


def load_settings(config: str | Path | Mapping[str, Any], overrides: Iterable[str] = ()) -> tuple[RunSettings, Path | None]:
    """Read run settings, and the folder that relative paths in them refer to.

    Args:
        config: A YAML file, or the same as a mapping.
        overrides: `path.to.field=value` strings; the value is read as YAML.

    Raises:
        SettingsError: With file and line, or with the override's text.
    """
    if isinstance(config, Mapping):
        source, base = Source("settings", dict(config), {}), None
    else:
        path = Path(config)
        source, base = read_yaml(path, SettingsError), path.parent
    source = _Overridable(source.name, source.data, source.lines)
    if not isinstance(source.data, dict):
        raise SettingsError(Problem(source.name, "settings are a mapping of fields, such as `rubric: helpfulness`"))
    for text in overrides:
        _override(source, text)
    settings = validate(RunSettings, source, error=SettingsError)
    if settings.on_no_verdict == "constant" and settings.no_verdict_constant is None:
        raise SettingsError(Problem(source.where(("on_no_verdict",)), "`on_no_verdict: constant` needs `no_verdict_constant`"))
    return settings, base


def _override(source: _Overridable, text: str) -> None:
    name, equals, raw = text.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"--set {text}: expected path.to.field=value, for example --set engine.model=Qwen/Qwen3-8B")
    *parents, last = names = name.strip().split(".")
    if not all(names):
        raise SettingsError(f"--set {text}: a field has no name; expected path.to.field=value")
    target, walked = source.data, []
    for part in parents:
        walked.append(part)
        target[part] = _group(target.get(part), ".".join(walked))
        target = target[part]
        if not isinstance(target, dict):
            raise SettingsError(f"--set {text}: `{'.'.join(walked)}` is not a group of fields")
    target[last] = parse_yaml(raw, f"--set {name}", SettingsError).data if raw.strip() else None
    source.overrides[tuple(names)] = text


def _group(value: Any, path: str) -> Any:
    """The value of a field that is about to get fields of its own: short forms are written out."""
    if path == "recipe" and not isinstance(value, dict):
        return {"name": value if isinstance(value, str) else RunSettings.model_fields["recipe"].default.name}
    if path == "filters" and value == "default":
        return {}
    return {} if value is None else value


def settings_dict(settings: RunSettings) -> dict[str, Any]:
    """The settings in force, defaults included, as plain values for `run.json`; headers may hold keys, so not their values."""
    plain = settings.model_dump(mode="json")
    headers = plain["engine"].get("headers", {})
    plain["engine"] |= {"headers": dict.fromkeys(headers, "***")} if headers else {}
    return plain
