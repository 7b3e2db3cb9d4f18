"""Visible reasoning is removed however a model marks it; what an answer merely mentions stays."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.llm.thoughts import split_thoughts

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
        ("analysisWe need {}. Hm.assistantfinal42", "42", "We need {}. Hm."),
        (
            "assistantanalysisFirst.assistantcommentarySecond.assistantfinal42",
            "42",
            "First.assistantcommentarySecond.",
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
        "analysis: where special tokens are dropped, assistantfinal is what is left of the marks",
        "It leaves analysisWe need…assistantfinal42 in the text.",
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


MARKS = '{"marks": [true, true]}'
ANALYSIS = f"<|channel|>analysis<|message|>{MARKS}<|end|>"
VERDICT = '{"marks": [false, false]}'


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (f"[1] holds, I think.\n</think>\n{VERDICT}", VERDICT),
        (f"[1] holds, I think. </think>\n{VERDICT}", VERDICT),
        (f"{MARKS} maybe no</think>{VERDICT}", VERDICT),
        (f"{MARKS}</think>\n\n{VERDICT}", VERDICT),
        (f"{MARKS}</think>{VERDICT}", VERDICT),
        (f"<think >{MARKS}</think >{VERDICT}", VERDICT),
        (f'<think type="x">{MARKS}</think>{VERDICT}', VERDICT),
        (f"Okay. <think>bad {MARKS}", "Okay."),
        (f"Okay. <think>bad {MARKS}</think>{VERDICT}", f"Okay. {VERDICT}"),
        (f"<thinking>a <reasoning>b</reasoning> {MARKS} </thinking>{VERDICT}", VERDICT),
        (f"<thinking>a {MARKS}</think>{VERDICT}", VERDICT),
        (f"<think>do not write `</think>` here; {MARKS}</think>{VERDICT}", VERDICT),
        (f"`x`</think>{VERDICT}", VERDICT),
        (f'He said "x"</think>{VERDICT}', VERDICT),
        (f'<think>He said "x"</think>{VERDICT}', VERDICT),
        (f"```json\n{MARKS}\n```</think>\n{VERDICT}", VERDICT),
        (f"```json\n{MARKS}\n```\n</think>\n```json\n{VERDICT}\n```", f"```json\n{VERDICT}\n```"),
        (f"<think>```write a.md\n{MARKS}</think>{VERDICT}", VERDICT),
        (
            f"<|START_THINKING|>{MARKS}<|END_THINKING|><|START_RESPONSE|>{VERDICT}<|END_RESPONSE|>",
            VERDICT,
        ),
        (f"<|inner_prefix|>{MARKS}<|inner_suffix|>{VERDICT}", VERDICT),
        (f"<analysis>\n{MARKS}\n</analysis>\n{VERDICT}", VERDICT),
        (f"```thinking\n{MARKS}\n```\n{VERDICT}", VERDICT),
        (f"```thinking\n```json\n{MARKS}\n```\nno\n```\n{VERDICT}", VERDICT),
        (f"```thinking\n{MARKS}", ""),
        (f'<details type="reasoning" done="true">\n{MARKS}\n</details>\n{VERDICT}', VERDICT),
        (f"<unused94>thought\n{MARKS}<unused95>{VERDICT}", VERDICT),
        (f"<think>a</think>\n{VERDICT}\n</think>", VERDICT),
        (f"<think>\r\n{MARKS}\r\n</think>\r\n{VERDICT}", VERDICT),
        (f"analysis<|message|>{MARKS}<|end|><|start|>assistant<|channel|>final<|message|>42", "42"),
        (f"<|channel|>final <|constrain|>json<|message|>{VERDICT}", VERDICT),
        (
            f"{ANALYSIS}<|start|>assistant<|channel|>final <|constrain|>json<|message|>{VERDICT}<|return|>",
            VERDICT,
        ),
    ],
)
def test_no_thought_stays_in_the_answer(reply, answer):
    assert split_thoughts(reply)[0] == answer


@pytest.mark.parametrize(
    "reply",
    [
        "models end it with </think> tokens. Hence 42.",
        "Some models write (</think>) there. Hence 42.",
        "```write p.md\nA\n<thinking>\nx\n</thinking>\nB\n```",
        "```write p.md\n```json\n{}\n```\n<thinking>\nx\n</thinking>\nB\n```",
        "```append p.md\nNever write </think> in your answer.\n```",
        "```append p.md\nNever write\n</think>\nin your answer.\n```",
        "```write p.md\nA\n<reasoning>\nB\n```\n\n```done\nC\n```",
        "~~~\n<think>\n~~~\nB",
        "I keep the file.\n```append p.md\nB\n```\nThe tag <think> opens a thought.",
        "The harmony format begins with <|channel|>; 42.",
        "It writes `<|channel|>analysis<|message|>` first; 42.",
        "<details>\n<summary>more</summary>\n42\n</details>",
        "Use <think/> there. 42",
        "```python\nthinking = 1\n```",
        '[{"text": "ends here.</think>"}]',
        'Result: see "it ends with</think>42".',
    ],
)
def test_a_marker_that_an_answer_mentions_takes_nothing_away(reply):
    assert split_thoughts(reply) == (reply, "")


@pytest.mark.parametrize(
    "piece",
    [
        "</think>\n",
        "<think>\n",
        "<think>",
        "</think> ",
        "x</think>y",
        "<think>a</think>\n",
        "`</think>` ",
        "```\n",
        "```x\n<think>\n",
        "<think ",
        "<details type=reasoning",
        "<details ",
        "<thinking>a</think>",
        "<think>a<thinking>",
        "<|channel|>a",
        "<|channel|>a<|message|>",
        "[",
        "[THINK]",
    ],
)
def test_the_time_is_linear_in_the_length(piece):
    begin = time.monotonic()
    split_thoughts(piece * (200_000 // len(piece)))
    assert time.monotonic() - begin < 5
