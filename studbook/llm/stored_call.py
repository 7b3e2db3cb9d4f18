"""One call record as it is stored: the answer together with what it answers, so that no row can be exchanged.

Bytes in, value out. Knows no database.
"""

import json
from dataclasses import dataclass

from studbook.compression import compress, decompress
from studbook.errors import IntegrityError
from studbook.identity import canonical_json
from studbook.llm.contracts import ChatReply, Usage
from studbook.llm.seals import Seal, seal_reply

MAX_REPLY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    key: str
    role: str
    reply: ChatReply
    dollars: float

    @property
    def seal(self) -> Seal:
        return seal_reply(self.key, self.role, self.reply)


def pack(call: StoredCall) -> bytes:
    reply = call.reply
    value = {
        "key": call.key,
        "role": call.role,
        "text": reply.text,
        "usage": [reply.usage.prompt_tokens, reply.usage.completion_tokens],
        "finish_reason": reply.finish_reason,
        "model": reply.model,
        "dollars": call.dollars,
    }
    return compress(canonical_json(value))


def unpack(key: str, data: bytes, place: str) -> StoredCall:
    """The reply is marked `recorded`. Raises IntegrityError naming `place`, also for another key's record."""
    try:
        value = json.loads(decompress(data, max_bytes=MAX_REPLY_BYTES, place=place))
        call = StoredCall(
            key=value["key"],
            role=value["role"],
            reply=ChatReply(
                text=value["text"],
                usage=Usage(prompt_tokens=value["usage"][0], completion_tokens=value["usage"][1]),
                finish_reason=value["finish_reason"],
                model=value["model"],
                recorded=True,
            ),
            dollars=value["dollars"],
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise IntegrityError(f"{place} cannot be read: {error}") from error
    if call.key != key:
        raise IntegrityError(f"{place} holds the record of another call: {str(call.key)[:16]!r}")
    return call
