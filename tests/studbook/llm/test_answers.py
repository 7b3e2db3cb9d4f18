"""What an endpoint sent, read as an answer: each server's way of ending, thinking aloud and complaining."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.llm.answers import Content, end_of, is_cut, read_content, read_error, split_thoughts
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


DRAFT = 'Maybe {"marks": [true]}?\n```write prompts/refine.md\nno\n```\nNo.'


@pytest.mark.parametrize(
    ("reply", "answer", "thoughts"),
    [
        (f"<think>\n{DRAFT}\n</think>\n\n42", "42", DRAFT),
        (f"{DRAFT}\n</think>\n\n42", "42", DRAFT),
        (f"<thinking>{DRAFT}</thinking>42", "42", DRAFT),
        (f"<THINK>{DRAFT}</THINK>\n42", "42", DRAFT),
        (f"[THINK]{DRAFT}[/THINK]42", "42", DRAFT),
        (f'[THINK]{DRAFT}[/THINK]"42" it is', '"42" it is', DRAFT),
        (f"<seed:think>{DRAFT}</seed:think>42", "42", DRAFT),
        (f"◁think▷{DRAFT}◁/think▷42", "42", DRAFT),
        (f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>\n42", "42", DRAFT),
        ("<think>one</think><think>two</think>42", "42", "one\ntwo"),
        ("<think>never closed", "", "never closed"),
        ("<think>\n\n</think>\n\n42", "42", ""),
        ("So far.\n<think>\nhm\n</think>\nMore.", "So far.\n\nMore.", "hm"),
        ("So far.\n<think>\nhm", "So far.", "hm"),
        ("</think>\n<think></think><think>x", "", "\n\nx"),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>42<|return|>",
            "42",
            "hm",
        ),
    ],
)
def test_thoughts_are_apart_however_a_model_marks_them(reply, answer, thoughts):
    assert split_thoughts(reply) == (answer, thoughts)


@pytest.mark.parametrize(
    "reply",
    [
        "42",
        "a < b and [c] too",
        '{"answer": "the tag <think> opens and </think> closes"}',
        '{"context": "line\\n<think>x</think>"}',
        "The tag `</think>` ends a thought.",
        'Print "</think>" at the end.',
        "",
    ],
)
def test_a_tag_that_an_answer_quotes_belongs_to_it(reply):
    assert split_thoughts(reply) == (reply, "")


@given(st.text(max_size=200))
def test_a_text_without_tags_is_never_touched(text):
    if not set("<[◁") & set(text):
        assert split_thoughts(text) == (text, "")


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "\n", "{", "`", " "]), max_size=30).map("".join))
def test_any_mixture_of_tags_is_read_and_a_second_reading_finds_no_closed_thought_at_its_start(text):
    answer, _ = split_thoughts(text)
    assert not answer.startswith("<think>")


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
