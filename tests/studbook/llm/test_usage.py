"""Usage as servers report it, and what is counted."""

from dataclasses import replace

import pytest

from studbook.llm.contracts import ChatRequest, Message, RoleModel, Usage
from studbook.llm.usage import read_usage

REQUEST = ChatRequest(
    model="small", messages=(Message(role="user", content="x" * 400),), seed=1, temperature=0.0, max_tokens=50
)


@pytest.mark.parametrize(
    ("reported", "counted"),
    [
        ({"prompt_tokens": 90, "completion_tokens": 20}, (90, 20, 0)),
        ({"prompt_tokens": 90, "completion_tokens": 20, "total_tokens": 110}, (90, 20, 0)),
        ({"prompt_tokens": 90.0, "completion_tokens": "20"}, (90, 20, 0)),
        ({"completion_tokens": 20, "total_tokens": 110}, (90, 20, 0)),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 900},
            },
            (90, 920, 0),
        ),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 920,
                "completion_tokens_details": {"reasoning_tokens": 900},
            },
            (90, 920, 0),
        ),
        ({"prompt_tokens": 90, "completion_tokens": 20, "reasoning_tokens": 30}, (90, 50, 0)),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 20,
                "total_tokens": 120,
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            (90, 30, 0),
        ),
        ({"prompt_tokens": 90, "completion_tokens": 20, "total_tokens": 1010}, (90, 920, 0)),
        (
            {"prompt_tokens": 90, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}},
            (90, 20, 64),
        ),
        ({"prompt_tokens": 90, "completion_tokens": 20, "prompt_cache_hit_tokens": 64}, (90, 20, 64)),
        ({"prompt_tokens": 90, "completion_tokens": 20, "cache_read_input_tokens": 64}, (90, 20, 64)),
        ({"prompt_tokens": 90, "completion_tokens": 20, "cached_tokens": 90}, (90, 20, 90)),
        ({"prompt_tokens": 10, "completion_tokens": 3, "cache_read_input_tokens": 8000}, (8010, 3, 8000)),
        ({"prompt_tokens": 10, "completion_tokens": 3, "cache_creation_input_tokens": 8000}, (8010, 3, 0)),
        (
            {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 64}},
            (74, 3, 64),
        ),
        (
            {
                "input_tokens": 20,
                "output_tokens": 20,
                "cache_read_input_tokens": 64,
                "cache_creation_input_tokens": 6,
            },
            (90, 20, 64),
        ),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 20,
                "prompt_tokens_details": None,
                "completion_tokens_details": "x",
            },
            (90, 20, 0),
        ),
    ],
)
def test_what_is_billed_is_counted(reported: object, counted: tuple[int, int, int]) -> None:
    found = read_usage(REQUEST, reported, "short")
    prompt, completion, cached = counted
    assert found.usage == Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)
    assert not found.is_estimated


def test_thoughts_that_were_not_counted_are() -> None:
    usage = {"prompt_tokens": 90, "completion_tokens": 20}
    assert read_usage(REQUEST, usage, "x" * 4000).usage.completion_tokens == 1000
    assert read_usage(REQUEST, usage, "x" * 160).usage.completion_tokens == 20


def test_a_prompt_of_which_only_the_uncached_rest_is_counted_is_no_truncated_one() -> None:
    long = replace(REQUEST, messages=(Message(role="user", content="x" * 40_000),))
    found = read_usage(long, {"prompt_tokens": 1, "completion_tokens": 3}, "short")
    assert found.usage.prompt_tokens == 10_000
    assert found.is_estimated
    cut = read_usage(long, {"prompt_tokens": 2048, "completion_tokens": 3}, "short")
    assert cut.usage.prompt_tokens == 2048
    assert not cut.is_estimated


@pytest.mark.parametrize("reported", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, "much", []])
def test_without_a_report_tokens_are_estimated(reported: object) -> None:
    found = read_usage(REQUEST, reported, "twelve chars")
    assert found.usage == Usage(prompt_tokens=100, completion_tokens=3)
    assert found.is_estimated


def test_the_prompts_count_is_known_without_the_answers() -> None:
    found = read_usage(REQUEST, {"prompt_tokens": 90}, "twelve chars")
    assert (found.is_estimated, found.is_prompt_estimated) == (True, False)
    found = read_usage(REQUEST, {"completion_tokens": 90}, "twelve chars")
    assert (found.is_estimated, found.is_prompt_estimated) == (True, True)


@pytest.mark.parametrize(("cached_price", "dollars"), [(None, 2.0), (0.25, 1.25), (0.0, 1.0)])
def test_cached_tokens_have_a_price_of_their_own(cached_price: float | None, dollars: float) -> None:
    to = RoleModel(
        endpoint="main", model="m", dollars_per_million_in=1.0, dollars_per_million_cached_in=cached_price
    )
    assert to.cost_dollars(Usage(prompt_tokens=2_000_000, cached_tokens=1_000_000)) == dollars
