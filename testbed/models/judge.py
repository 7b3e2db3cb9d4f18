"""The judge: a criterion is met when one or two neighbouring sentences of the answer entail it.

Entailment here is: most content words shared, all numbers there, negation alike, no opposites. Questions and
talk about criteria assert nothing. It reads past framing such as "states that" or "fails to see that", which
is why negative criteria in the words of a right answer misfire. It errs now and then, by the seed alone.
"""

import json
import re
from itertools import pairwise

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.luck import Luck
from studbook.testbed.models.polarity import is_denial, says_opposite
from studbook.testbed.models.sentences import (
    Sentence,
    all_text,
    find_section,
    numbered_lines,
    read_sentence,
    split_sentences,
)

NEEDED_SHARE = 0.62
OVERLOOKS = 0.05
INVENTS = 0.02

FRAMING = re.compile(
    r"^(?:the (?:answer|response|solver) )?(?:correctly |explicitly |clearly |wrongly |incorrectly )*"
    r"(?:states?|says?|explains?|mentions?|identifies|notes?|recogni[sz]es?|claims?|argues?|describes?|gives?|names?"
    r"|(?:fails?|omits|forgets|neglects) to (?:see|say|state|mention|explain|recogni[sz]e|note)"
    r"|overlooks?|misses|misunderstands?|confuses?|denies|ignores?)"
    r"(?: (?:that|how|why|the fact that|the point that))*[ ,:]+",
    re.IGNORECASE,
)
_UNASSERTED = re.compile(
    r"\?[\"'”’)\]]*$|\bwhether (?:it|the answer|an answer|the response) \w+s\b"
    r"|\bcriteri(?:on|a)\b.*\b(?:met|fulfilled|satisfied|asks?|asked)\b"
    r"|\b(?:answer|response) (?:should|must|would have to|needs to|has to)\b",
    re.IGNORECASE,
)


def reply(request: ChatRequest) -> str:
    text = all_text(request.messages)
    answer = asserted(find_section(text, "answer"))
    criteria = numbered_lines(find_section(text, "criteria"))
    luck = Luck(request.seed)
    marks = [_mark(criterion, answer, luck, number) for number, criterion in enumerate(criteria)]
    return json.dumps({"marks": marks})


def asserted(answer: str) -> tuple[Sentence, ...]:
    """The sentences that state something."""
    return tuple(item for item in split_sentences(answer) if not _UNASSERTED.search(item.text))


def _mark(criterion: str, answer: tuple[Sentence, ...], luck: Luck, number: int) -> bool:
    if is_met(criterion, answer):
        return not luck.happens(OVERLOOKS, "overlook", number)
    return luck.happens(INVENTS, "invent", number)


def is_met(criterion: str, answer: tuple[Sentence, ...]) -> bool:
    """Without luck: does the answer entail the criterion?"""
    claim = read_sentence(FRAMING.sub("", criterion, count=1))
    return any(_entails((sentence,), claim) for sentence in answer) or any(
        _entails(pair, claim) for pair in pairwise(answer)
    )


def _entails(said: tuple[Sentence, ...], claim: Sentence) -> bool:
    if not claim.stem_set:
        return any(claim.text.strip(" .").lower() == sentence.text.strip(" .").lower() for sentence in said)
    shared = claim.stem_set & said[0].stem_set
    for sentence in said[1:]:
        shared |= claim.stem_set & sentence.stem_set
    if len(shared) < NEEDED_SHARE * len(claim.stem_set):
        return False
    numbers = frozenset().union(*(sentence.numbers for sentence in said))
    is_denied = any(map(is_denial, said))
    return claim.numbers <= numbers and is_denial(claim) == is_denied and not says_opposite(said, claim)
