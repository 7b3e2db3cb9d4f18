"""Whether a sentence asks for what its words name, or for the opposite, or calls the rule off.

Counts denials: two of them cancel. A judgement ("that is too easy", "reject it") denies as "not" does. What
comes after as a reason ("they misfire") or a reminder ("so leave them out") counts where nothing else denies.
"""

from collections.abc import Sequence

from studbook.llm.testbed.phrases import Place
from studbook.llm.testbed.syntax import Syntax
from studbook.llm.testbed.words import word_set


def is_called_off(sentence: Syntax, filled: Sequence[Place]) -> bool:
    last = max(place.last for place in filled)
    return any(
        place.first <= last or sentence.clauses[place.first] == sentence.clauses[last]
        for place in sentence.places("cancellers")
        if not _is_supposed(sentence, place)
    )


def _is_supposed(sentence: Syntax, place: Place) -> bool:
    """ "If the paper is not needed, it is no good": what a judged condition supposes is not called off."""
    return bool(sentence.places("bad")) and any(
        0 < place.first - other.last <= CONDITION for other in sentence.places("supposes")
    )


_AUXILIARIES = word_set("must should shall may can is are be do does will would might")
_BEFORE_THEIR_NOUN = word_set("no nor neither without lacking")
_RELATIVES = word_set("that which who whose")


def is_negated(sentence: Syntax, filled: Sequence[Place]) -> bool:
    """An odd number of denials: those that reach the last slot, and a judgement such as "is too easy"."""
    last = max(place.last for place in filled)
    judgements = sentence.free_places("bad", filled)
    count = int(any(_judges(sentence, place, last) for place in judgements))
    negators = sentence.free_places("negators", [*filled, *judgements])
    for place in negators:
        if sentence.clauses[place.first] == sentence.clauses[last]:
            count += place.first < last or _negates_what_precedes(sentence, place)
        else:
            count += any(place.last + 1 == other.first for other in filled)
    if count == 0:
        is_denied_later = any(_points_back(sentence, place, filled) for place in negators)
        return is_denied_later or bool(sentence.free_places("harms", filled))
    return count % 2 == 1


def _points_back(sentence: Syntax, place: Place, filled: Sequence[Place]) -> bool:
    """ "Negative criteria misfire, so do not include any": a later clause that denies what was spoken of."""
    clause = sentence.clauses[place.first]
    if any(sentence.clauses[other.last] >= clause for other in filled):
        return False
    used = {other.first for other in sentence.places("uses")}
    after = place.first + 1 + (place.first + 1 in used)
    return any(other.first == after for other in sentence.places("anaphors"))


SHORT_JUDGEMENT = 5
CONDITION = 6


def _judges(sentence: Syntax, judgement: Place, last: int) -> bool:
    """In the same part of the sentence, or alone in the next one ("…: reject it")."""
    if any(judgement.last < place.first <= last for place in sentence.places("purpose")):
        return False
    part = sentence.parts[judgement.first]
    if any(sentence.parts[place.first] == part for place in sentence.places("otherwise")):
        return False
    if part == sentence.parts[last]:
        return True
    return part == sentence.parts[last] + 1 and sentence.parts.count(part) <= SHORT_JUDGEMENT


def _negates_what_precedes(sentence: Syntax, place: Place) -> bool:
    """ "Negative weights must not be used": the negation follows its subject."""
    if sentence.stems[place.first] in _BEFORE_THEIR_NOUN:
        return False
    before = sentence.stems[max(0, place.first - 2) : place.first]
    return bool(before) and before[-1] in _AUXILIARIES and not _RELATIVES & set(before)
