"""Whether two sentences with the same words say the opposite: negations counted, opposites, and withdrawals.

Counts, a list of opposites and a few turns of phrase; no grammar. "It would be a mistake to say that it is
round" denies that it is round.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from studbook.testbed.models.sentences import Sentence, read_sentence
from studbook.testbed.models.words import NEGATIONS, stem

LEAD = 3
"""So many words before what a sentence says of a claim may deny it."""

_WITHDRAWN = re.compile(
    r"\b(?:mistake|wrong|incorrect|false|untrue|error|misconception|misleading|myth|fallacy)\b"
    r"(?: \w+){0,2} (?:to (?:say|think|believe|claim|assume|conclude|suppose)|that\b)"
    r"|\b(?:but|yet|though|and) (?:that|this|it) (?:is|was|would be) (?:wrong|false|untrue|incorrect)"
    r"|\b(?:one|some|people|you) (?:might|may|could) (?:think|believe|assume|suppose|say) that",
    re.IGNORECASE,
)
_OPPOSITES = """
increase/decrease increase/reduce raise/lower raise/reduce rise/fall higher/lower high/low more/less
more/fewer above/below before/after inside/outside first/last faster/slower fast/slow early/late
earlier/later large/small larger/smaller long/short longer/shorter warm/cold hot/cold warmer/colder
strong/weak stronger/weaker better/worse best/worst same/different upward/downward upwards/downwards
deep/shallow deeper/shallower up/down gain/lose present/absent add/remove accept/reject easy/hard
easier/harder near/far best/worst improve/worsen gain/loss open/closed many/few most/least full/empty
rich/poor positive/negative active/passive maximum/minimum begin/end attract/repel expand/contract
accelerate/slow strengthen/weaken include/exclude allow/prevent internal/external
"""


def _pairs() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split():
        one, other = map(stem, pair.split("/"))
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return MappingProxyType({word: frozenset(others) for word, others in found.items()})


_OPPOSITE_OF = _pairs()


@lru_cache(maxsize=32_768)
def is_denial(sentence: Sentence) -> bool:
    """An odd number of negations; taking a statement back counts as one."""
    negations = sum(word.lower() in NEGATIONS or word.endswith(("n't", "n’t")) for word in sentence.words)
    return (negations + bool(_WITHDRAWN.search(sentence.text))) % 2 == 1


def is_denied_within(sentence: Sentence, claim: Sentence) -> bool:
    """Whether the part of the sentence that speaks of the claim is a denial; the rest does not count."""
    places = [place for place, word in enumerate(sentence.words) if stem(word) in claim.stem_set]
    if not places:
        return is_denial(sentence)
    first = {stem(sentence.words[place]): place for place in reversed(places)}.values()
    part = " ".join(sentence.words[max(0, min(first) - LEAD) : max(first) + 1])
    return is_denial(read_sentence(part))


def says_opposite(said: Iterable[Sentence], claim: Sentence) -> bool:
    """The claim has a word whose opposite was said instead of it."""
    there = frozenset().union(*(_all_stems(sentence) for sentence in said))
    here = _all_stems(claim)
    return any(
        word not in there and any(other in there and other not in here for other in _OPPOSITE_OF[word])
        for word in here
        if word in _OPPOSITE_OF
    )


@lru_cache(maxsize=32_768)
def _all_stems(sentence: Sentence) -> frozenset[str]:
    """Of function words too: "more" and "less" are among them."""
    return frozenset(map(stem, sentence.words))
