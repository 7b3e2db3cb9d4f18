"""Which names are one model, and which are not."""

import pytest

from studbook.llm.endpoint_pool import is_same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-x", "gpt-x-2026-01-31"),
        ("gpt-x", "gpt-x-0613"),
        ("sonnet-latest", "sonnet-20261022"),
        ("owner/small", "small"),
        ("small", "/models/owner/Small"),
        ("small", ""),
        ("small:latest", "small"),
        ("flash", "flash-001"),
    ],
)
def test_dates_owners_and_case_make_no_other_model(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-x", "gpt-x-mini"), ("large-70b", "large-8b"), ("small", "tiny"), ("gpt-5", "gpt-4")],
)
def test_another_size_or_generation_is_another_model(asked: str, answered: str) -> None:
    assert not is_same_model(asked, answered)
