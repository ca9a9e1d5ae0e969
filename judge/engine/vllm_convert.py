"""Our records <-> vLLM's: sampling and constraints on the way in, text and log-probabilities on the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from judge.engine.chat_template import ChatTokenizer, first_line
from judge.types import Completion, FinishReason, ImagePart, Message, Sampling, Structured, TokenLogprobs

_FINISH: Mapping[str | None, FinishReason] = {"stop": "stop", "length": "length", "repetition": "length"}


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
            raise ValueError(f"the image `{part.url[:60]}` is not a data: URL, and vLLM in this process fetches none")
        try:
            out.append(Image.open(io.BytesIO(base64.b64decode(part.url.partition(";base64,")[2]))).convert("RGB"))
        except (OSError, ValueError) as why:
            raise ValueError(f"an image cannot be read: {first_line(why)}") from why
    return out


def sampling_params(sampling: Sampling, structured: Structured | None, seed: int, *, special: bool = False) -> Any:
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


def completion_of(output: Any, sampling: Sampling, seconds: float, chat: ChatTokenizer) -> Completion:
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


def request_errors() -> tuple[type[Exception], ...]:
    """Exceptions that blame one request and leave the engine running; older vLLMs raise plain ValueError."""
    from vllm import exceptions  # noqa: PLC0415
    from vllm.v1.engine.exceptions import EngineGenerateError  # noqa: PLC0415

    client = getattr(exceptions, "VLLMClientError", ValueError)
    return (client, EngineGenerateError, ValueError, TypeError)
