"""What a piece of work rests on: named by key and digest, bound by one full hash, and no matter of order."""

from dataclasses import replace

from studbook.llm.contracts import NO_EVIDENCE, ChatReply, Usage, evidence_of, seal_failure, seal_reply

KEYS = ("ab" * 32, "cd" * 32)
REPLY = ChatReply(text="because", usage=Usage(prompt_tokens=10, completion_tokens=2), model="small")


def test_the_order_of_calls_is_no_part_of_what_work_rests_on():
    seals = [seal_reply(key, "weak", REPLY) for key in KEYS]
    evidence = evidence_of(seals)
    assert evidence == evidence_of(reversed(seals))
    assert [name[:17] for name in evidence.names] == ["abababababababab:", "cdcdcdcdcdcdcdcd:"]
    assert len(evidence.names[0]) == 33
    assert len(evidence.whole) == 64


def test_a_call_made_twice_counts_twice():
    seal = seal_reply(KEYS[0], "weak", REPLY)
    assert evidence_of([seal, seal]).names == (seal.name, seal.name)
    assert evidence_of([seal, seal]).whole != evidence_of([seal]).whole


def test_nothing_rests_on_nothing():
    assert evidence_of([]) == NO_EVIDENCE


def test_a_seal_covers_all_that_was_answered_but_not_who_paid():
    seal = seal_reply(KEYS[0], "weak", REPLY)
    assert seal_reply(KEYS[0], "weak", replace(REPLY, recorded=True)) == seal
    others = [
        seal_reply(KEYS[1], "weak", REPLY),
        seal_reply(KEYS[0], "strong", REPLY),
        *(
            seal_reply(KEYS[0], "weak", replace(REPLY, **change))
            for change in (
                {"text": "because."},
                {"model": "large"},
                {"finish_reason": "length"},
                {"usage": Usage(prompt_tokens=10, completion_tokens=3)},
                {"usage": Usage(prompt_tokens=11, completion_tokens=2)},
            )
        ),
    ]
    assert len({seal.digest, *(other.digest for other in others)}) == 8


def test_a_call_that_failed_for_good_is_something_to_rest_on():
    seal = seal_failure(KEYS[0], "judge", "refused", "too long \ud800")
    assert seal == seal_failure(KEYS[0], "judge", "refused", "too long \ufffd")
    assert seal.digest != seal_failure(KEYS[0], "judge", "silent", "too long \ufffd").digest
    assert seal.digest != seal_reply(KEYS[0], "judge", REPLY).digest
