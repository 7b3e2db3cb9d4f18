"""What an endpoint's words mean, in the words of real ones."""

import pytest

from studbook.errors import ModelRejected, ModelUnavailable, RequestRefused
from studbook.llm.complaints import (
    complaint_of_status,
    limits_in,
    to_model_error,
    wait_in,
)
from studbook.llm.secrets import Mask

NO_KEYS = Mask.of([])
VLLM = (
    "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in "
    "the messages, 10000 in the completion). Please reduce the length of the messages or completion."
)
LLAMA = "the request exceeds the available context size, try increasing it (n_ctx 4096, n_prompt_tokens 5012)"


def error_of(status: int, words: str, code: str = "") -> Exception:
    return to_model_error(complaint_of_status(status, words, NO_KEYS, code=code), "here")


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "words",
    [
        VLLM,
        LLAMA,
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "The number of tokens to keep is greater than the context length (n_keep: 10247 >= n_ctx: 4096).",
        "Trying to keep the first 11149 tokens when context the overflows.",
        "However, the model is loaded with context length of only 4096 tokens. Input too long.",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
        "Range of input length should be [1, 30720]",
        "Your request exceeded model token limit: 8192",
        "Input is too long for requested model.",
        "input length exceeds the context length",
        "Request body too large for gpt-4o model. Max size: 8000 tokens.",
        "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000.",
        "Rate limit reached for gpt-x on tokens per min (TPM): Limit 30000, Requested 80000.",
        "Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 2000, Requested 7200. "
        "Please try again in 32s.",
        "Tokens requested (9000) exceed limit (8000) per minute",
        "TPM limit: 8000; this request needs 12,000 tokens",
        "Rate limit reached: requested 9000 tokens, limit 8000 per minute",
    ],
)
def test_too_large_is_about_the_request_whatever_its_status(status: int, words: str) -> None:
    assert type(error_of(status, words)) is RequestRefused


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (
            "Rate limit reached on tokens per min: Limit 30000, Used 25000, Requested 8000. Try again in 6s.",
            6.0,
        ),
        ("Rate limit reached: 3 requests per minute. Please reduce the number of requests.", None),
        ("Requests have exceeded token rate limit of your current tier. Please retry after 6 seconds.", 6.0),
        ("Too many tokens, please wait before trying again.", None),
        ("Too many requests. Please retry in 34.07s.", 34.07),
        ("Please try again in 1m2.5s.", 62.5),
        ("Please try again in 350ms.", 0.35),
        ("This request would exceed the rate limit of 40,000 input tokens per minute", None),
        (
            "This request would exceed your organization's rate limit of 40,000 input tokens per minute. For "
            "details, refer to the documentation. You can see the response headers for current usage. Please "
            "reduce the prompt length or the maximum tokens requested, or try again later.",
            None,
        ),
        ("input token limit exceeded for this minute, please slow down", None),
        ("max request limit exceeded", None),
        ("Rate limit reached (TPM): Limit 6000, Used 5500, Requested 1200. Try again in 7s.", 7.0),
        ("Rate limit reached for omni-moderation-latest on requests per min: Limit 30, Requested 1.", None),
        ("Your request was blocked by the rate limit of our content policy service", None),
        ("Rate limit reached: requested 3000 tokens, limit 8000 per minute", None),
        ("Rate limit reached: requested 3000 tokens, remaining limit 2000", None),
    ],
)
def test_an_ordinary_rate_limit_is_waited_for_as_long_as_it_says(words: str, seconds: float | None) -> None:
    error = error_of(429, words)
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("status", [400, 403, 422, 451, 500])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "",
        ),
        ("The request failed (ResponsibleAIPolicyViolation)", ""),
        ("Sorry.", "content_filter"),
        ("Your chosen model requires moderation and your input was flagged", ""),
        ("Output data may contain inappropriate content.", "data_inspection_failed"),
        ("jailbreak detected", ""),
        ("Content Exists Risk: your prompt was blocked by the safety system", ""),
        ("Prompt blocked due to security configurations", ""),
        ("Blocked by policy: PII detected in prompt", ""),
    ],
)
def test_one_flagged_request_costs_that_request_only(status: int, words: str, code: str) -> None:
    error = error_of(status, words, code)
    assert type(error) is RequestRefused
    assert "other requests are not affected" in str(error)


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (429, "Your prompt was flagged by moderation", ""),
        (429, "Sorry.", "content_filter"),
        (451, "Unavailable", ""),
        (503, "Your prompt was flagged by the content filter", ""),
    ],
)
def test_a_verdict_costs_one_request_under_any_status(status: int, words: str, code: str) -> None:
    assert type(error_of(status, words, code)) is RequestRefused


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    "words",
    [
        "The moderation service is temporarily unavailable, please retry",
        "content filter timed out",
        "Error while calling the moderation service",
        "guardrail service error",
    ],
)
def test_a_filter_that_is_out_of_order_gives_no_verdict(status: int, words: str) -> None:
    assert isinstance(error_of(status, words), ModelUnavailable)


def test_a_spent_quota_is_told_by_its_code_or_by_its_type() -> None:
    for code, words in (
        ("insufficient_quota", "No."),
        ("429", "You exceeded your quota. (insufficient_quota)"),
    ):
        error = error_of(429, words, code)
        assert type(error) is ModelRejected
        assert "add credit" in str(error)


def test_a_wrong_key_is_no_matter_of_content() -> None:
    assert type(error_of(401, "Your key was flagged by our safety system")) is ModelRejected
    assert type(error_of(403, "no access to this model")) is ModelRejected


@pytest.mark.parametrize(
    ("words", "context", "prompt", "answer"),
    [
        (VLLM, 16384, 112946, None),
        (LLAMA, 4096, 5012, None),
        (
            "This endpoint's maximum context length is 65536 tokens. However, you requested about 70000 tokens "
            "(50000 of text input, 20000 in the output).",
            65536,
            50000,
            None,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 32768. This model's maximum context length is "
            "32768 tokens and your request has 1234 input tokens (32768 > 32768 - 1234).",
            32768,
            1234,
            None,
        ),
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 3900 `inputs` "
            "tokens and 512 `max_new_tokens`",
            4097,
            3900,
            None,
        ),
        ("Requested tokens (2285) exceed context window of 2048", 2048, None, None),
        (
            "max_tokens is too large: 20480. This model supports at most 16384 completion tokens",
            None,
            None,
            16384,
        ),
        ("`max_tokens` must be less than or equal to `8192`, the maximum value", None, None, 8192),
        ("max_tokens for `llama-3.1-8b` must be less than or equal to 8000", None, None, 8000),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", None, None, 8192),
        ("max_tokens: 200000 > 8192, which is the maximum allowed number of output tokens", None, None, 8192),
        (
            "Unable to submit request because it has a maxOutputTokens value of 4000 but the supported range is "
            "from 1 (inclusive) to 2049 (exclusive).",
            None,
            None,
            2048,
        ),
        ("the supported range is from 1 (inclusive) to 8192 (inclusive) for max_tokens", None, None, 8192),
        ("temperature: the supported range is from 0 (inclusive) to 2 (inclusive)", None, None, None),
        ("temperature must be between 0 and 2", None, None, None),
        ("maximum context length is " + "9" * 5000, None, None, None),
    ],
)
def test_the_limits_in_an_error_are_read(
    words: str, context: int | None, prompt: int | None, answer: int | None
) -> None:
    limits = limits_in(words)
    assert (limits.context, limits.prompt, limits.answer) == (context, prompt, answer)
    assert limits_in(words).context == context


def test_words_without_a_wait_have_none() -> None:
    assert wait_in("try again later") is None
