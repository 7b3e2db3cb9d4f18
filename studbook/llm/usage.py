"""Counts the tokens of an answer from what the endpoint reported; the report is checked, not believed.

Servers count reasoning within the completion, beside it, or not at all; cached tokens have four names. What
is counted here is what is billed, because budgets and costs rest on it. Without a report, tokens are
estimated.
"""

from dataclasses import dataclass

from studbook.llm.answers import MOST_CHARACTERS_PER_TOKEN, count_in, member
from studbook.llm.contracts import ChatRequest, Usage, count_tokens

FEWEST_CHARACTERS = 400
"""Shorter answers are not compared with their count."""
FEWEST_PROMPT = 128
"""If fewer tokens of a long prompt were counted, the rest was cached: no server truncates to so few."""
LONG_PROMPT = 8 * FEWEST_PROMPT
"""In tokens, estimated."""
_CACHED_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedUsage:
    """`is_estimated`: the endpoint did not report the prompt's or the answer's tokens."""

    usage: Usage
    is_estimated: bool
    is_prompt_estimated: bool


def read_usage(request: ChatRequest, reported: object, answer: str) -> CountedUsage:
    """`reported`: the `usage` of a completion; `answer`: all of its text, with thoughts and tool calls."""
    prompt, completion = _prompt(reported), _completion(reported)
    total = count_in(reported, "total_tokens")
    if prompt is None and total is not None and completion and completion < total:
        prompt = total - completion
    asked = "".join(message.content for message in request.messages)
    if prompt is not None and prompt < FEWEST_PROMPT and count_tokens(asked) >= LONG_PROMPT:
        prompt = None
    is_prompt_estimated = prompt is None
    is_estimated = prompt is None or completion is None
    prompt = count_tokens(asked) if prompt is None else prompt
    if completion is None or (completion == 0 and answer):
        completion = count_tokens(answer)
    elif len(answer) > max(FEWEST_CHARACTERS, completion * MOST_CHARACTERS_PER_TOKEN):
        completion = count_tokens(answer)  # the thoughts in it were not counted
    usage = Usage(
        prompt_tokens=prompt, completion_tokens=completion, cached_tokens=min(prompt, _cached(reported))
    )
    return CountedUsage(usage=usage, is_estimated=is_estimated, is_prompt_estimated=is_prompt_estimated)


def _prompt(reported: object) -> int | None:
    """Anthropic's names count only what was neither read from the cache nor written to it.

    Gateways hand that number on as `prompt_tokens`: then more is cached than the prompt has.
    """
    beside = sum(count_in(reported, name) or 0 for name in _CACHED_BESIDE)
    prompt = count_in(reported, "prompt_tokens")
    if prompt is not None:
        cached = max(beside, _cached(reported))
        return (prompt + cached if cached > prompt else prompt) or None
    rest = count_in(reported, "input_tokens")
    return None if rest is None else rest + beside


def _completion(reported: object) -> int | None:
    """Includes reasoning: counted beside the completion if it is larger, or if only the total includes it."""
    completion = count_in(reported, "completion_tokens")
    if completion is None:
        completion = count_in(reported, "output_tokens")
    if completion is None:
        return None
    details = member(reported, "completion_tokens_details") or member(reported, "output_tokens_details")
    reasoning = count_in(details, "reasoning_tokens") or count_in(reported, "reasoning_tokens") or 0
    if reasoning > completion:
        completion += reasoning
    prompt, total = _prompt(reported), count_in(reported, "total_tokens")
    if prompt is not None and total is not None:
        completion = max(completion, total - prompt)
    return completion


def _cached(reported: object) -> int:
    details = member(reported, "prompt_tokens_details") or member(reported, "input_tokens_details")
    return (
        count_in(details, "cached_tokens")
        or count_in(reported, "prompt_cache_hit_tokens")
        or count_in(reported, "cache_read_input_tokens")
        or count_in(reported, "cached_tokens")
        or 0
    )
