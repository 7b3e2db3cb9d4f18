"""The unkind testbed: what it does to replies, how often, and what that depends on."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evaluate.control import CONTROL, CONTROL_ANSWER
from studbook.evaluate.questions import judge_question, verifier_question
from studbook.evaluate.replies import UnreadableReply
from studbook.llm.contracts import ChatReply, ChatRequest, Message
from studbook.llm.json_reader import find_objects
from studbook.llm.thoughts import split_thoughts
from studbook.testbed.models.backend import MODELS, TestbedBackend, program_hash
from studbook.testbed.models.request import SeededDraws
from studbook.testbed.models.unkind import (
    Seeds,
    UnkindBackend,
    Vice,
    presets,
    split_model,
    unkind_models,
    untidy,
    version_of,
)
from studbook.testbed.scripted import ComputedBackend

MARKS = '{"marks": [true, false, true]}'
EXAMPLE = '{"check": "0a1b2c3d", "marks": [false, false]}'
EDIT = (
    "```replace prompts/a.md\n<<<<<<< FIND\nWrite a question.\n=======\nWrite a hard one.\n>>>>>>> END\n```"
)


def request(model: str, seed: int = 1, text: str = "Mark this answer.") -> ChatRequest:
    messages = (
        Message(role="system", content=f"Reply as in\n{EXAMPLE}"),
        Message(role="user", content=text),
    )
    return ChatRequest(model=model, messages=messages, seed=seed, temperature=0.5, max_tokens=4096)


def replies(role: str, answer: str, preset: str = "unkind", count: int = 400) -> list[ChatReply]:
    backend = UnkindBackend(ComputedBackend(lambda _: answer))
    return [backend.complete(request(f"testbed-{preset}-{role}", seed)) for seed in range(count)]


def share(of: list[ChatReply], holds: Callable[[ChatReply], bool]) -> float:
    return sum(map(holds, of)) / len(of)


def is_readable(reply: ChatReply) -> bool:
    found = next(find_objects(split_thoughts(reply.text)[0]), {})
    return isinstance(found.get("marks"), list)


@pytest.mark.parametrize(
    ("preset", "expected"), [("unkind-0.5b", 20 / 48), ("unkind-1.5b", 48 / 52), ("unkind", 0.85)]
)
def test_as_many_of_a_judges_replies_can_be_read_as_were_measured(preset: str, expected: float) -> None:
    found = replies("judge", MARKS, preset)
    assert share(found, is_readable) == pytest.approx(expected, abs=0.06)


def test_a_judge_that_guesses_says_met_as_often_as_the_small_models_did() -> None:
    marks = [
        mark
        for reply in replies("judge", MARKS, "unkind-1.5b")
        for found in find_objects(reply.text)
        for mark in found["marks"]
    ]
    assert sum(marks) / len(marks) == pytest.approx(101 / 108, abs=0.03)


def test_the_small_models_final_verifier_copies_the_prompts_example() -> None:
    reply = '{"pass": false, "reason": "leak"}'
    assert {each.text for each in replies("final-verifier", reply, "unkind-0.5b", 20)} == {EXAMPLE}


def test_it_thinks_aloud_and_cuts_answers_at_their_rates() -> None:
    found = replies("weak", "The gate is sparse, and the loads had doubled.")
    assert share(found, lambda reply: "</think>" in reply.text) == pytest.approx(0.3, abs=0.06)
    cut = [reply for reply in found if reply.finish_reason == "length"]
    assert len(cut) / len(found) == pytest.approx(0.05, abs=0.03)
    assert all(reply.usage.completion_tokens < 4096 for reply in cut)


@pytest.mark.parametrize("preset", ["unkind-0.5b", "unkind-1.5b"])
def test_the_small_models_never_make_an_edit_that_applies(preset: str) -> None:
    found = replies("implementer", EDIT, preset, 100)
    assert not any("FIND\nWrite a question." in reply.text for reply in found)
    assert share(found, lambda reply: "```replace" in reply.text) == pytest.approx(0.7, abs=0.12)


def test_the_mixed_implementer_edits_forgets_misses_and_idles() -> None:
    def kind(reply: ChatReply) -> str:
        text = split_thoughts(reply.text)[0]
        if "FIND\nWrite a question." in text:
            return "edits"
        if "```replace" in text:
            return "misses"
        return "forgets" if "```done" in text else "idles"

    counts = Counter(map(kind, replies("implementer", EDIT)))
    assert all(counts[name] > 20 for name in ("edits", "misses", "forgets", "idles"))


@given(
    st.recursive(
        st.booleans()
        | st.integers(-99, 99)
        | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    st.integers(0, 1000),
)
def test_what_is_untidy_is_read_as_it_was_meant(value: object, seed: int) -> None:
    written = untidy(json.dumps({"value": value}), SeededDraws(seed))
    assert _plain(next(find_objects(written))) == _plain({"value": value})


def _plain(value: object) -> object:
    """Numbers and truth values may come as texts."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)


def test_the_same_request_gets_the_same_reply_and_another_seed_another() -> None:
    backend = UnkindBackend(TestbedBackend())
    asked = [request("testbed-unkind-judge", seed) for seed in range(40)]
    first = [backend.complete(each) for each in asked]
    assert first == [UnkindBackend(TestbedBackend()).complete(each) for each in asked]
    assert len({reply.text for reply in first}) > 3


def test_a_preset_that_ignores_seeds_samples_each_time_and_one_has_one_sample_for_a_prompt() -> None:
    backend = UnkindBackend(ComputedBackend(lambda asked: str(asked.seed)))
    for name, count in (("unkind-unseeded", 8), ("unkind-same", 1)):
        texts = {backend.complete(request(f"testbed-{name}-strong", 5)).text[-6:] for _ in range(8)}
        assert (len(texts) > 4) is (count > 1)
    assert presets()["unkind-same"].seeds is Seeds.SAME
    assert presets()["unkind-same"].think == presets()["unkind"].think


def test_kind_models_are_unchanged_and_gullible_ones_can_be_unkind() -> None:
    backend = UnkindBackend(ComputedBackend(lambda asked: asked.model))
    assert backend.complete(request("testbed-judge")).text == "testbed-judge"
    assert version_of("testbed-judge") == program_hash("testbed-judge")
    assert split_model("testbed-unkind-gullible-judge") == ("unkind", "testbed-gullible-judge")
    assert split_model("testbed-unkind-0.5b-final-verifier") == ("unkind-0.5b", "testbed-final-verifier")


def test_a_versions_hash_tells_presets_and_programs_apart() -> None:
    versions = {version_of(model) for model in (*MODELS, *unkind_models())}
    assert len(versions) == len(MODELS) + len(unkind_models())


def test_every_rate_is_a_share_of_a_model_that_exists() -> None:
    names = {model.removeprefix("testbed-") for model in MODELS} | {"all"}
    for preset in presets().values():
        for vice in Vice:
            rates = getattr(preset, vice)
            assert set(rates) <= names
            assert all(0 <= preset.share(vice, name) <= 1 for name in rates)


@pytest.mark.parametrize("role", ["judge", "final_verifier"])
def test_a_copied_form_is_never_a_verdict(role: str) -> None:
    asked = judge_question(CONTROL, CONTROL_ANSWER) if role == "judge" else verifier_question(CONTROL)
    messages = asked.opening("Instructions.", "0a1b2c3d")
    backend = UnkindBackend(ComputedBackend(lambda _: "{}"))
    model = f"testbed-unkind-0.5b-{role.replace('_', '-')}"
    texts = {
        backend.complete(
            ChatRequest(model=model, messages=messages, seed=seed, temperature=0.0, max_tokens=4096)
        ).text
        for seed in range(200)
    }
    copies = [text for text in texts if text.startswith('{"check": ')]
    assert len(copies) == 3 if role == "final_verifier" else not copies  # as measured: only that one copied
    for text in texts:
        with pytest.raises(UnreadableReply):
            asked.read(text, "0a1b2c3d")
