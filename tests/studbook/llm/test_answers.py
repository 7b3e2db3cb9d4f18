"""What an endpoint sent, read as an answer: each server's way of ending, thinking aloud and complaining."""

import pytest

from studbook.llm.answers import (
    Content,
    end_of,
    is_cut,
    read_content,
    read_end,
    read_error,
    read_tool_calls,
)
from studbook.llm.contracts import ChatReply, ChatRequest, Message, ToolCall, Usage


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
        ("FinishReason.MAX_TOKENS", "length"),
        ("FinishReason.STOP", "stop"),
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
        (
            {"content": [{"text": "hm", "thought": True}, {"text": "a"}]},
            Content(text="a", thoughts="hm"),
        ),
        (
            {"content": [{"type": "reasoning_text", "text": "hm"}, {"type": "text", "text": "a"}]},
            Content(text="a", thoughts="hm"),
        ),
        (
            {"content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "id": "r1"}]},
            Content(text="a", thoughts="hm"),
        ),
        ({"content": "a", "reasoning": {"content": "hm"}}, Content(text="a", thoughts="hm")),
        ({"content": "a", "reasoning": "hm", "reasoning_details": ["hm"]}, Content(text="a", thoughts="hm")),
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
        ({"error": "Bad Request", "message": "unknown field seed"}, "Bad Request: unknown field seed"),
        ({"error": None, "message": "unknown field seed"}, "unknown field seed"),
        ({"error": "", "detail": "unknown field seed"}, "unknown field seed"),
        ({"error": True, "message": "unknown field seed"}, "unknown field seed"),
        ({"error": {"code": 400}, "message": "unknown field seed"}, "unknown field seed"),
        ({"error": "no", "message": "no"}, "no"),
        ({"error": 429}, "429"),
        (None, ""),
    ],
)
def test_the_words_of_an_error_are_found_in_any_shape(body, message):
    assert read_error(body).message == message


@pytest.mark.parametrize(
    ("completion", "choice", "end"),
    [
        ({}, {"finish_reason": "stop"}, "stop"),
        ({}, {"finish_reason": ""}, None),
        ({"finish_reason": "length"}, {}, "length"),
        ({}, {"finish_reason": None, "native_finish_reason": "MAX_TOKENS"}, "MAX_TOKENS"),
        ({}, {"finish_reason": "stop", "native_finish_reason": "SAFETY"}, "SAFETY"),
        ({}, {"finish_reason": "stop", "native_finish_reason": "completed_by_eos"}, "stop"),
        ({}, {"finish_reason": "error", "native_finish_reason": "MAX_TOKENS"}, "error"),
        (None, None, None),
    ],
)
def test_the_finish_reason_is_found_where_a_server_puts_it(completion, choice, end):
    assert read_end(completion, choice) == end


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [], "function_call": {"name": "read", "arguments": "{}"}},
        {"function_call": {"name": "read", "arguments": {}}},
        {"tool_calls": [{"function": {"name": "read", "arguments": "{}"}}], "function_call": None},
    ],
)
def test_a_call_is_read_in_its_older_form_too(message):
    assert read_tool_calls(message) == (ToolCall(name="read", arguments="{}"),)


PROSE = (
    "The committee approved the annual report, although several members remained unconvinced. "
    "Further measurements are necessary before the procedure can be recommended (see below). "
)
LATEX = r"\begin{equation} x_{i+1} = \frac{a_{i} + b_{i}}{2} \sum_{k=0}^{n} c_{k}^{2} \end{equation} "
CODE = "def area(width, height):\n        return width * height  # in square meters\n\n"
TABLE = "| name        | value       |\n|-------------|-------------|\n| a           |           1 |\n"
CHINESE = "本文研究了大规模语言模型在科学文献理解任务中的表现,并提出了一种新的评估方法。"


def asked(text: str) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=(Message(role="user", content=text),),
        seed=1,
        temperature=0,
        max_tokens=9,
    )


def counted(tokens: float, *, is_estimated: bool = False) -> ChatReply:
    usage = Usage(prompt_tokens=int(tokens), completion_tokens=1)
    return ChatReply(text="a", usage=usage, is_prompt_estimated=is_estimated)


def filled(text: str, characters: int = 32_000) -> str:
    return (text * (characters // len(text) + 1))[:characters]


@pytest.mark.parametrize(
    ("text", "most", "least"),
    [
        # characters per token: the most that a tokenizer reaches, the least that only a cut explains
        (PROSE, 5.6, 7.5),
        (LATEX, 3.5, 5.5),
        (CODE, 4.5, 9.0),
        (CHINESE, 2.2, 3.0),
        (TABLE, 14.0, 40.0),
        (" " * 40 + "x\n", 40.0, 60.0),
        ("-" * 79 + "\n", 70.0, None),
        ("x" * 100, 90.0, None),
    ],
)
def test_fewer_tokens_than_the_text_can_have_mean_that_it_was_cut(text, most, least):
    request = asked(filled(text))
    assert not is_cut(request, counted(32_000 / most))
    if least is not None:
        assert is_cut(request, counted(32_000 / least))


def test_a_cut_is_seen_only_where_the_server_counted():
    long = asked(filled(PROSE))
    assert is_cut(long, counted(4_096))
    assert not is_cut(asked(filled(PROSE, 5_000)), counted(10)), "too short to tell"
    assert not is_cut(long, counted(4_000, is_estimated=True)), "the server counted nothing"
    assert not is_cut(long, counted(0)), "the server counts nothing"
    assert not is_cut(asked(filled("a b c ")), counted(8_000)), "the server counts a fourth"
