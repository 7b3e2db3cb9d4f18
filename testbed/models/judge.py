"""The judge: a criterion is met when one or two neighboring sentences of the answer entail it.

Entailment here means: most content words are shared, all numbers occur, negation is the same, and there are
no opposites. Negations are counted, opposites are listed, and a few phrases retract a statement; there is no
grammar. Questions and sentences about criteria assert nothing. It ignores framing such as "states that" or
"fails to see that", so negative criteria in the words of a correct answer misfire. It sometimes makes errors,
depending on the seed alone.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.request import SeededDraws, all_text, find_section, numbered_lines
from studbook.testbed.models.sentences import Sentence, read_sentence, split_sentences
from studbook.testbed.models.words import NEGATIONS, stem

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


_REASONS = {True: "The answer says so.", False: "The answer does not say it."}


def reply(request: ChatRequest) -> str:
    text = all_text(request.messages)
    answer = asserted(find_section(text, "answer"))
    criteria = numbered_lines(find_section(text, "criteria"))
    draws = SeededDraws(request.seed)
    marks = [_mark(criterion, answer, draws, number) for number, criterion in enumerate(criteria)]
    entries = [
        {"criterion": number, "reason": _REASONS[met], "met": met} for number, met in enumerate(marks, 1)
    ]
    return json.dumps({"check": find_section(text, "check"), "marks": entries})


def asserted(answer: str) -> tuple[Sentence, ...]:
    """The sentences that state something."""
    return tuple(item for item in split_sentences(answer) if not _UNASSERTED.search(item.text))


def _mark(criterion: str, answer: tuple[Sentence, ...], draws: SeededDraws, number: int) -> bool:
    if is_met(criterion, answer):
        return not draws.happens(OVERLOOKS, "overlook", number)
    return draws.happens(INVENTS, "invent", number)


def is_met(criterion: str, answer: tuple[Sentence, ...]) -> bool:
    """Does the answer entail the criterion, without any error of the judge?"""
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


LEAD = 3
"""How many words before a claim can negate it."""

_WITHDRAWN = re.compile(
    r"\b(?:mistake|wrong|incorrect|false|untrue|error|misconception|misleading|myth|fallacy)\b"
    r"(?: \w+){0,2} (?:to (?:say|think|believe|claim|assume|conclude|suppose)|that\b)"
    r"|\b(?:but|yet|though|and) (?:that|this|it) (?:is|was|would be) (?:wrong|false|untrue|incorrect)"
    r"|\b(?:one|some|people|you) (?:might|may|could) (?:think|believe|assume|suppose|say) that",
    re.IGNORECASE,
)

_OPPOSITE_PAIRS = """
increase/decrease increase/reduce raise/lower raise/reduce rise/fall higher/lower high/low more/less
more/fewer above/below before/after inside/outside first/last faster/slower fast/slow early/late
earlier/later large/small larger/smaller long/short longer/shorter warm/cold hot/cold warmer/colder
strong/weak stronger/weaker better/worse best/worst same/different upward/downward upwards/downwards
deep/shallow deeper/shallower up/down gain/lose present/absent add/remove accept/reject easy/hard
easier/harder near/far best/worst improve/worsen gain/loss open/closed many/few most/least full/empty
rich/poor positive/negative active/passive maximum/minimum begin/end attract/repel expand/contract
accelerate/slow strengthen/weaken include/exclude allow/prevent internal/external
"""


def _opposites() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITE_PAIRS.split():
        one, other = map(stem, pair.split("/"))
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return MappingProxyType({word: frozenset(others) for word, others in found.items()})


_OPPOSITE_OF = _opposites()


@lru_cache(maxsize=32_768)
def is_denial(sentence: Sentence) -> bool:
    """An odd number of negations; retracting a statement counts as one."""
    negations = sum(word.lower() in NEGATIONS or word.endswith(("n't", "n’t")) for word in sentence.words)
    return (negations + bool(_WITHDRAWN.search(sentence.text))) % 2 == 1


def is_denied_within(sentence: Sentence, claim: Sentence) -> bool:
    """Is the part of the sentence about the claim a denial? The rest does not count."""
    places = [place for place, word in enumerate(sentence.words) if stem(word) in claim.stem_set]
    if not places:
        return is_denial(sentence)
    first = {stem(sentence.words[place]): place for place in reversed(places)}.values()
    part = " ".join(sentence.words[max(0, min(first) - LEAD) : max(first) + 1])
    return is_denial(read_sentence(part))


def says_opposite(said: Iterable[Sentence], claim: Sentence) -> bool:
    """Does the claim have a word whose opposite was said instead?"""
    there = frozenset().union(*(_all_stems(sentence) for sentence in said))
    here = _all_stems(claim)
    return any(
        word not in there and any(other in there and other not in here for other in _OPPOSITE_OF[word])
        for word in here
        if word in _OPPOSITE_OF
    )


@lru_cache(maxsize=32_768)
def _all_stems(sentence: Sentence) -> frozenset[str]:
    """Includes function words, because "more" and "less" are among them."""
    return frozenset(map(stem, sentence.words))
