"""What an endpoint sent, read as an answer: each server's way of ending, thinking aloud and complaining."""

import pytest

from studbook.llm.answers import Content, end_of, is_cut, read_content, read_error
from studbook.llm.contracts import ChatReply, ChatRequest, Message, Usage


@pytest.mark.parametrize(
    ("given_reason", "end"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        (None, "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("FinishReason.MAX_TOKENS", "FinishReason.MAX_TOKENS"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("FINISH_REASON_SAFETY", "content_filter"),
        ("abort", "abort"),
        ("error", "error"),
        ("tool_calls", "tool_calls"),
    ],
)
def test_the_end_of_an_answer_has_one_name(given_reason, end):
    assert end_of(given_reason) == end


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": "a"}, Content(text="a", thoughts="")),
        ({"content": None}, Content(text="", thoughts="")),
        ({"content": "a", "reasoning_content": "hm"}, Content(text="a", thoughts="hm")),
        ({"content": "a", "reasoning": "hm"}, Content(text="a", thoughts="hm")),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            Content(text="a", thoughts="hm"),
        ),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            Content(text="ab", thoughts=""),
        ),
        ({"content": 7}, None),
        ({"content": [7]}, None),
        ("a", None),
        (None, None),
    ],
)
def test_a_message_is_a_text_or_a_list_of_parts(message, content):
    assert read_content(message) == content


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ("unknown field `seed`", "unknown field `seed`"),
        ({"object": "error", "message": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}, "body.seed: Extra inputs"),
        ([{"error": {"code": 400, "message": "no"}}], "no"),
        ({"errors": [{"detail": "one"}, {"detail": "two"}]}, "one; two"),
        (
            {"error": {"message": "Provider error", "metadata": {"raw": "too long"}}},
            "Provider error: too long",
        ),
        ({"error": {"type": "odd"}}, '{"type": "odd"}'),
        (None, ""),
    ],
)
def test_the_words_of_an_error_are_found_in_any_shape(body, message):
    assert read_error(body).message == message


def asked(characters: int) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=(Message(role="user", content="x" * characters),),
        seed=1,
        temperature=0,
        max_tokens=9,
    )


def counted(tokens: int, *, is_estimated: bool = False) -> ChatReply:
    return ChatReply(
        text="a", usage=Usage(prompt_tokens=tokens, completion_tokens=1), is_estimated=is_estimated
    )


def test_far_fewer_tokens_than_the_prompt_has_mean_that_it_was_cut():
    assert is_cut(asked(40_000), counted(4_000))
    assert not is_cut(asked(40_000), counted(5_000))
    assert not is_cut(asked(40_000), counted(10_000))
    assert not is_cut(asked(5_000), counted(10)), "too short to tell"
    assert not is_cut(asked(40_000), counted(4_000, is_estimated=True)), "the server counted nothing"
    assert not is_cut(asked(40_000), counted(0)), "the server counts nothing"
