"""What an error reply says: about this request alone, about the account, or about a parameter."""

import json

import pytest

from judge.engine.faults import is_out_of_credit, is_over_length, refused_field

TOO_LONG = {
    "llama.cpp-400": (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
    "llama.cpp-500": (500, "Context size has been exceeded."),
    "llama.cpp-older": (
        500,
        "the request exceeds the available context size. try increasing the context size or enable context shift",
    ),
    "llama-cpp-python": (500, "Requested tokens (5000) exceed context window of 4096"),
    "llama.cpp-batch": (500, "input is too large to process. increase the physical batch size"),
    "sglang": (400, "Input length (9017 tokens) exceeds the maximum allowed length (8186 tokens)."),
    "sglang-older": (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
    "sglang-total": (
        400,
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5000 tokens",
    ),
    "sglang-pool": (500, "Request length is longer than the KV cache pool size or the max context length. Abort this request."),
    "vllm": (400, "This model's maximum context length is 2048 tokens. However, your request has 3000 input tokens."),
    "vllm-older": (
        400,
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, 100 in the"
        " completion). Please reduce the length of the messages or completion.",
    ),
    "vllm-engine": (
        500,
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no"
        " smaller than the number of text tokens.",
    ),
    "vllm-max-tokens": (
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum context length is 8192 tokens and your"
        " request has 300 input tokens (16384 > 8192 - 300).",
    ),
    "vllm-no-room": (400, "max_tokens must be at least 1, got -904."),
    "vllm-score": (400, "The prompt (total length 5000) is too long to fit into the model (context length 4096)"),
    "tgi": (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20"
        " `max_new_tokens`",
    ),
    "tgi-input": (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
    "openai": (
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the"
        " length of the messages.",
    ),
    "openai-responses": (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    "openai-new": (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens."),
    "openai-one-minute": (
        429,
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. The input or"
        " output tokens must be reduced in order to run successfully.",
    ),
    "openai-string": (400, "Invalid 'messages[0].content': string too long. Expected a string with maximum length 1048576."),
    "groq": (413, "Request too large for model `llama-3.1-8b-instant` on tokens per minute (TPM): Limit 6000, Requested 7000"),
    "cerebras": (400, "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192"),
    "anthropic": (400, "prompt is too long: 204808 tokens > 199999 maximum"),
    "anthropic-sum": (
        400,
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length or `max_tokens`",
    ),
    "bedrock": (400, "Input is too long for requested model."),
    "bedrock-count": (400, "Too many input tokens: Max input tokens: 8192, request input token count: 9000"),
    "lm-studio": (
        400,
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of"
        " only 4096 tokens, which is not enough.",
    ),
    "lm-studio-keep": (
        400,
        "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a"
        " larger context length, or provide a shorter input",
    ),
    "ollama": (400, "the input length exceeds the context length"),
    "ollama-500": (500, "input length exceeds maximum context length"),
    "ollama-prompt": (400, "prompt too long; exceeded max context length by 5 tokens"),
    "together": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens"),
    "fireworks": (400, "The prompt is too long: 140000, model maximum context length: 131071"),
    "deepseek": (400, "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens"),
    "mistral": (400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"),
    "gemini": (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575)."),
    "vertex": (
        400,
        "Unable to submit request because the input token count is 140000 but model only supports up to 131072. Reduce the input"
        " token count and try again.",
    ),
    "cohere": (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000"),
    "openrouter": (400, "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens"),
    "xai": (400, "This model's maximum prompt length is 131072 but the request contains 150000 tokens."),
    "copilot": (400, "prompt token count of 130000 exceeds the limit of 128000"),
    "dashscope": (400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]"),
    "moonshot": (400, "Invalid request: Your request exceeded model token limit: 8192"),
    "zhipu": (400, "Prompt exceeds max length"),
    "minimax": (400, "invalid params, context window exceeds limit"),
    "tensorrt-llm": (500, "Prompt length (5000) exceeds maximum input length (4096)."),
    "tensorrt-llm-sum": (
        400,
        "The sum of prompt length (5000), query length (0) and max_tokens (20) should not exceed max_num_tokens (4096)",
    ),
    "tabby": (400, "Prompt length 5000 is greater than max_seq_len 4096"),
    "cloudflare": (
        413,
        "The estimated number of tokens (9000) exceeded this model context window limit (8000).",
    ),
    "litellm": (400, "litellm.ContextWindowExceededError: This model's maximum context length is 8192 tokens"),
    "nginx": (413, "<html><center><h1>413 Request Entity Too Large</h1></center></html>"),
}
NOT_TOO_LONG = {
    "rate": (429, "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."),
    "throttled": (429, "Too many tokens, please wait before trying again."),
    "quota": (429, "You exceeded your current quota, please check your plan and billing details."),
    "slow": (500, "request exceeded the deadline of 60 s"),
    "busy": (503, "the maximum number of concurrent requests has been exceeded"),
    "crash": (500, "CUDA out of memory"),
    "parameter": (400, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens"),
    "temperature": (400, "temperature must be at most 2"),
    "key": (401, "Incorrect API key provided: the prompt is too long"),
    "plain": (500, "Internal Server Error"),
    "grammar": (400, "Grammar error: the regex is too complex"),
}


@pytest.mark.parametrize(("status", "said"), [pytest.param(*case, id=name) for name, case in TOO_LONG.items()])
def test_every_servers_word_for_too_long(status, said):
    """A prompt that does not fit is one row's fault; read as the endpoint's, twenty of them would stop the rest of the run."""
    raw = said if said.startswith("<html") else json.dumps({"error": {"message": said, "code": status}})
    assert is_over_length(raw.encode(), status)


@pytest.mark.parametrize(("status", "said"), [pytest.param(*case, id=name) for name, case in NOT_TOO_LONG.items()])
def test_other_limits_are_not_length(status, said):
    """A limit on something else may pass, or is the settings' fault; called too long, the row would never be asked again."""
    assert not is_over_length(json.dumps({"error": {"message": said}}).encode(), status)


@pytest.mark.parametrize(
    ("status", "body", "broke"),
    [
        pytest.param(402, {"error": {"message": "Insufficient Balance"}}, True, id="deepseek"),
        pytest.param(429, {"error": {"message": "no", "code": "insufficient_quota"}}, True, id="openai"),
        pytest.param(400, {"error": {"message": "Your credit balance is too low to access the API."}}, True, id="anthropic"),
        pytest.param(
            429,
            {"error": {"message": "You exceeded your current quota", "details": [{"retryDelay": "25s"}]}},
            False,
            id="gemini-a-minute",
        ),
        pytest.param(429, {"error": {"message": "Rate limit reached, try again in 1.2s"}}, False, id="rate"),
        pytest.param(500, {"error": {"message": "payment required"}}, False, id="another-status"),
    ],
)
def test_out_of_credit(status, body, broke):
    """An empty account fails every request that follows, and a rate limit only this moment's."""
    assert is_out_of_credit(json.dumps(body).encode(), status) is broke


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param("Unsupported parameter: 'seed' is not supported with this model.", "seed", id="openai"),
        pytest.param("Unsupported value: 'temperature' does not support 0.0 with this model.", "temperature", id="value"),
        pytest.param("property 'top_logprobs' is unsupported", "top_logprobs", id="groq"),
        pytest.param("Argument not supported on this model: stop", "stop", id="xai"),
        pytest.param("litellm.UnsupportedParamsError: openai does not support parameters: ['top_p']", "top_p", id="litellm"),
        pytest.param("the regex is not supported", "", id="another-thing"),
        pytest.param("seed must be at least 0", "", id="a-bad-value"),
    ],
)
def test_a_parameter_the_model_does_not_take(said, field):
    """The message can name the one setting that leaves the parameter out."""
    sent = ["temperature", "top_p", "seed", "stop", "logprobs", "top_logprobs"]
    assert refused_field(json.dumps({"error": {"message": said}}).encode(), sent) == field


def test_pydantic_names_the_field_in_its_place():
    """A strict server lists the fields it does not know, each with its place."""
    raw = b'{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}'
    assert refused_field(raw, ["temperature", "seed"]) == "seed"
