"""Which call records a piece of work rests on: named, and bound to what they answered.

A trajectory, a diagnosis and a decision each carry a `Evidence`. Whoever edits, deletes or exchanges a record
afterwards contradicts it, and the record can be named. Depends on the calls alone: not on who paid, on when,
or on what ran beside them. Opens no file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from studbook.identity import hash_json
from studbook.llm.contracts import ChatReply, valid_text

NAME_LENGTH = 16
"""Hex digits of a key and of a digest in a list: enough to name a call; `Evidence.whole` proves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One recorded call: its key in the records, and a hash of key, role and everything it answered."""

    key: str
    digest: str

    @property
    def name(self) -> str:
        return f"{self.key[:NAME_LENGTH]}:{self.digest[:NAME_LENGTH]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The calls that something rests on, each as often as it was made, in an order that no thread decides.

    Calls that failed for good are among them.

    `names` are `key:digest`, both cut short; `whole` is the full hash over the full keys and digests.
    """

    names: tuple[str, ...] = ()
    whole: str = ""


NO_EVIDENCE = Evidence()


def seal_reply(key: str, role: str, reply: ChatReply) -> Seal:
    usage = [reply.usage.prompt_tokens, reply.usage.completion_tokens]
    return Seal(key=key, digest=hash_json([key, role, reply.model, reply.text, reply.finish_reason, usage]))


def seal_failure(key: str, role: str, kind: str, message: str) -> Seal:
    """Of a request that its role cannot answer: that is on record too, and a result may rest on it."""
    return Seal(key=key, digest=hash_json([key, role, "failed", kind, valid_text(message)]))


def evidence_of(seals: Iterable[Seal]) -> Evidence:
    ordered = sorted(seals, key=lambda seal: (seal.key, seal.digest))
    if not ordered:
        return NO_EVIDENCE
    whole = hash_json([[seal.key, seal.digest] for seal in ordered])
    return Evidence(names=tuple(seal.name for seal in ordered), whole=whole)


def split_name(name: str) -> tuple[str, str]:
    """Both prefixes of a `key:digest`."""
    key, _, digest = name.partition(":")
    return key, digest
