"""The arithmetic of benchmarks/prompt_cache.py, and that it hears every call of a replayed run."""

from math import inf

import pytest

from benchmarks.prompt_cache import BLOCK_CHARACTERS, Prompt, found_shares, prompt_of, recorded_prompts
from studbook.experiments.library.working import run
from studbook.llm.contracts import ChatRequest, Message
from studbook.llm.records import CallRecords

TINY = {
    "corpus.splits": {"train": 1, "validation": 1, "test": 1},
    "search.iterations": 1,
    "champion.test_replicates": 1,
    "evaluator.max_rounds": 3,
    "sandbox.kind": "process",
    "workers": 2,
}


def prompt(*blocks, role="weak", model="m", rest=0):
    return Prompt(
        role=role, model=model, characters=len(blocks) * BLOCK_CHARACTERS + rest, blocks=tuple(blocks)
    )


def shares(*prompts, cache_tokens=inf):
    return {name: share.rate for name, share in found_shares(prompts, cache_tokens).items()}


def test_only_whole_blocks_from_the_beginning_are_found():
    assert shares(prompt(1, 2, 3), prompt(1, 2, 9), prompt(8, 2, 3)) == {"weak": 2 / 9, "all": 2 / 9}


def test_the_rest_of_a_prompt_after_its_last_block_is_never_found():
    assert shares(prompt(1, rest=128), prompt(1, rest=128))["all"] == pytest.approx(1 / 3)


def test_roles_share_the_cache_of_their_model_and_models_share_nothing():
    found = shares(prompt(1, role="weak"), prompt(1, role="judge"), prompt(1, role="judge", model="other"))
    assert found == {"judge": 0.5, "weak": 0.0, "all": 1 / 3}


def test_what_was_not_used_for_longest_leaves_first_and_of_a_prompt_its_end():
    room = 3 * 64
    assert shares(prompt(1, 2), prompt(3, 4), prompt(1, 2), cache_tokens=room)["all"] == 1 / 6
    assert shares(prompt(1, 2), prompt(1, 2), prompt(3, 4), prompt(1, 2), cache_tokens=room)["all"] == 3 / 8


def test_blocks_are_equal_only_if_everything_before_them_is():
    def blocks(text):
        request = ChatRequest(
            model="m",
            messages=(Message(role="user", content=text),),
            seed=1,
            temperature=0.0,
            max_tokens=9,
        )
        return prompt_of("weak", request).blocks

    same, other = blocks("a" * 600), blocks("b" + "a" * 599)
    assert len(same) == 2 and same == blocks("a" * 600)
    assert not set(same) & set(other)


def test_every_recorded_call_that_counts_is_heard(tmp_path):
    folder = run("quickstart", overrides=TINY, runs_dir=tmp_path).folder
    prompts = recorded_prompts(folder, None)
    with CallRecords.read_only(folder / "calls.sqlite") as records:
        calls = sum(total.calls for total in records.totals().values())
    assert len(prompts) == calls > 10
    assert {"challenger", "weak", "judge"} <= {each.role for each in prompts}
