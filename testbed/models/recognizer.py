"""Reading instructions by meaning: prose in, rules out.

A concept is a meaning, not a wording: lexicon.toml contains the words, and concepts.toml says which
combinations mean which concept. Nothing states whether a concept helps: that depends on how the resulting
text affects solvers and judge.

Works sentence by sentence, so the position and the file of a sentence do not matter. Handles negation, double
negation, prohibitions phrased as judgments ("… is too easy"), permissions, hedges, caps on weights, and
canceled rules ("it is not necessary to"). Negations are counted: two of them cancel. It is a set of word
combinations, not a language model, and misses sufficiently unusual paraphrases.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from pydantic import with_config

from studbook.testbed.models.instructions import PhrasePlace, Syntax, read_syntax, split_instructions
from studbook.testbed.models.words import NUMBER, find_count, number_of, word_set
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("concepts.toml",)


class Concept(StrEnum):
    """What the challenger can be asked for; concepts.toml defines each. A cap on weights has a number."""

    PAPER_SPECIFIC = "paper_specific"
    NO_LEAK = "no_leak"
    POSITIVE_ONLY = "positive_only"
    WEIGHT_CAP = "weight_cap"
    STRICT_JSON = "strict_json"
    INTEGER_WEIGHTS = "integer_weights"
    LONG_CONTEXT = "long_context"
    SHORT_CONTEXT = "short_context"
    NUMBERS = "numbers"
    ABLATIONS = "ablations"
    WHY = "why"
    MULTI_PART = "multi_part"
    SINGLE_QUESTION = "single_question"
    YES_NO = "yes_no"
    DEFINITIONS = "definitions"
    MORE_CRITERIA = "more_criteria"
    FEWER_CRITERIA = "fewer_criteria"
    EQUAL_WEIGHTS = "equal_weights"
    HEAVY_WEIGHTS = "heavy_weights"
    ATOMIC_CRITERIA = "atomic_criteria"
    BROAD_CRITERIA = "broad_criteria"
    BEYOND_CONTEXT = "beyond_context"
    PRECISE_ERRORS = "precise_errors"
    STYLE_CRITERIA = "style_criteria"
    SECTION_NAMES = "section_names"
    LIMITATIONS = "limitations"
    FUTURE_WORK = "future_work"
    TITLE = "title"
    HYPOTHETICAL = "hypothetical"
    SHORT_ANSWER = "short_answer"
    HINTS = "hints"
    EASIER = "easier"
    HARDER = "harder"
    THINK_FIRST = "think_first"
    SIMPLE_LANGUAGE = "simple_language"
    FORMAL_TONE = "formal_tone"
    ABSTRACT = "abstract"
    COMPARE = "compare"
    LISTS = "lists"
    MECHANISM = "mechanism"
    NEW_ANGLE = "new_angle"
    DEEP_IN_PAPER = "deep_in_paper"


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptFrame:
    """A sentence that fills all `slots` is about `concept`; `clarity` < 1 for vaguer combinations."""

    concept: Concept
    slots: tuple[str, ...]
    asks_when_negated: bool = False
    has_opposite: bool = True
    is_ordered: bool = False
    unless: tuple[str, ...] = ()
    clarity: float = 1.0


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class _Frames:
    frame: tuple[ConceptFrame, ...]


@cache
def table_of_frames() -> tuple[ConceptFrame, ...]:
    return read_table(PACKAGE, DATA_FILES[0], _Frames).frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One request; with `wanted` False the opposite is requested.

    `explicitness` 3: must, never, only; 2: plain; 1: hedged. `amount` is a number given with it, if any.
    """

    concept: Concept
    wanted: bool
    explicitness: int
    clarity: float
    text: str
    amount: int | None = None


def recognize(text: str) -> tuple[Rule, ...]:
    """At most one rule per concept: the most explicit wins; of equally explicit ones, the later."""
    chosen: dict[Concept, Rule] = {}
    for sentence in split_instructions(text):
        for rule in rules_of(sentence):
            before = chosen.get(rule.concept)
            if before is None or rule.explicitness >= before.explicitness:
                chosen[rule.concept] = _reinforce(rule, before)
    return tuple(chosen[concept] for concept in Concept if concept in chosen)


def _reinforce(rule: Rule, before: Rule | None) -> Rule:
    """If the same rule is stated twice, the clearer statement counts."""
    if before and before.wanted == rule.wanted and before.explicitness == rule.explicitness:
        return before if before.clarity > rule.clarity else rule
    return rule


_Strength = tuple[float, int, int]
"""Order of readings: the clearer one wins, then the one in fewer clauses, then the one with more words."""


@lru_cache(maxsize=16_384)
def rules_of(text: str) -> tuple[Rule, ...]:
    """The requests in one sentence; questions contain none."""
    if text.rstrip(" \"'”’)*_`").endswith("?"):
        return ()
    sentence = read_syntax(text)
    found: dict[Concept, Rule] = {}
    strength: dict[Concept, _Strength] = {}
    for frame in table_of_frames():
        filled = _fill(frame, sentence)
        rule = _apply(frame, sentence, filled, text)
        if rule is None:
            continue
        this = (rule.clarity, -len({sentence.clauses[place.last] for place in filled}), len(frame.slots))
        if rule.concept not in found or this > strength[rule.concept]:
            found[rule.concept], strength[rule.concept] = rule, this
    cap = _find_cap(sentence, text)
    if cap:
        found[Concept.WEIGHT_CAP] = cap
    return tuple(found.values())


def _find_cap(sentence: Syntax, text: str) -> Rule | None:
    weight_rule = find_weight_rule(text, is_judged=bool(sentence.places("bad")))
    if weight_rule is None or sentence.places("cancellers"):
        return None
    return Rule(
        concept=Concept.WEIGHT_CAP,
        wanted=weight_rule.is_cap,
        explicitness=_explicitness(sentence),
        clarity=_clarity(sentence, 1.0),
        text=text,
        amount=weight_rule.limit,
    )


def _apply(frame: ConceptFrame, sentence: Syntax, filled: Sequence[PhrasePlace], text: str) -> Rule | None:
    if not filled or is_called_off(sentence, filled):
        return None
    wanted = is_negated(sentence, filled) == frame.asks_when_negated
    if not wanted and not frame.has_opposite:
        return None
    return Rule(
        concept=frame.concept,
        wanted=wanted,
        explicitness=_explicitness(sentence),
        clarity=_clarity(sentence, frame.clarity),
        text=text,
        amount=_amount(frame.concept, text),
    )


def _amount(concept: Concept, text: str) -> int | None:
    """The number of criteria that a sentence about their number requests."""
    if concept not in (Concept.MORE_CRITERIA, Concept.FEWER_CRITERIA):
        return None
    count = find_count(text, r"criteri(?:a|on)\b")
    return count.low if count else None


WIDEST_SPAN = 26


def _fill(frame: ConceptFrame, sentence: Syntax) -> tuple[PhrasePlace, ...]:
    """A place for each slot, none used twice, in the frame's order if it has one, near enough; else ()."""
    if any(not sentence.places(slot) for slot in frame.slots):
        return ()
    if any(sentence.places(slot) for slot in frame.unless):
        return ()
    filled: list[PhrasePlace] = []
    slots = (
        frame.slots if frame.is_ordered else sorted(frame.slots, key=lambda slot: len(sentence.places(slot)))
    )
    for slot in slots:
        earliest = filled[-1].last if frame.is_ordered and filled else -1
        free = [
            place
            for place in sentence.places(slot)
            if place.first > earliest and not any(place.overlaps(other) for other in filled)
        ]
        if not free:
            return ()
        filled.append(min(free, key=lambda place: _distance(sentence, place, filled)))
    span = max(place.last for place in filled) - min(place.first for place in filled)
    return tuple(filled) if span <= WIDEST_SPAN else ()


def _distance(sentence: Syntax, place: PhrasePlace, others: Sequence[PhrasePlace]) -> tuple[bool, int]:
    """Words in the same part of the sentence are nearer than words in another part."""
    part = sentence.parts[place.first]
    return min(
        ((part != sentence.parts[other.first], abs(place.first - other.first)) for other in others),
        default=(False, place.first),
    )


def _explicitness(sentence: Syntax) -> int:
    if sentence.places("hedges"):
        return 1
    return 3 if sentence.places("explicit") else 2


_CLARITY = {3: 1.0, 2: 0.92, 1: 0.45}


def _clarity(sentence: Syntax, of_frame: float) -> float:
    return of_frame * _CLARITY[_explicitness(sentence)]


def is_called_off(sentence: Syntax, filled: Sequence[PhrasePlace]) -> bool:
    last = max(place.last for place in filled)
    return any(
        place.first <= last or sentence.clauses[place.first] == sentence.clauses[last]
        for place in sentence.places("cancellers")
        if not _is_supposed(sentence, place)
    )


def _is_supposed(sentence: Syntax, place: PhrasePlace) -> bool:
    """ "If the paper is not needed, it is no good": a judged condition does not cancel the rule."""
    return bool(sentence.places("bad")) and any(
        0 < place.first - other.last <= CONDITION for other in sentence.places("supposes")
    )


_AUXILIARIES = word_set("must should shall may can is are be do does will would might")
_BEFORE_THEIR_NOUN = word_set("no nor neither without lacking")
_RELATIVES = word_set("that which who whose")


def is_negated(sentence: Syntax, filled: Sequence[PhrasePlace]) -> bool:
    """An odd number of negations: those that apply to the last slot, and judgments such as "is too easy"."""
    last = max(place.last for place in filled)
    judgments = sentence.free_places("bad", filled)
    count = int(any(_judges(sentence, place, last) for place in judgments))
    negators = sentence.free_places("negators", [*filled, *judgments])
    for place in negators:
        if sentence.clauses[place.first] == sentence.clauses[last]:
            count += place.first < last or _negates_what_precedes(sentence, place)
        else:
            count += any(place.last + 1 == other.first for other in filled)
    if count == 0:
        is_denied_later = any(_points_back(sentence, place, filled) for place in negators)
        return is_denied_later or bool(sentence.free_places("harms", filled))
    return count % 2 == 1


def _points_back(sentence: Syntax, place: PhrasePlace, filled: Sequence[PhrasePlace]) -> bool:
    """ "Negative criteria misfire, so do not include any": a later clause that negates an earlier one."""
    clause = sentence.clauses[place.first]
    if any(sentence.clauses[other.last] >= clause for other in filled):
        return False
    used = {other.first for other in sentence.places("uses")}
    after = place.first + 1 + (place.first + 1 in used)
    return any(other.first == after for other in sentence.places("anaphors"))


SHORT_JUDGMENT = 5
CONDITION = 6


def _judges(sentence: Syntax, judgment: PhrasePlace, last: int) -> bool:
    """In the same part of the sentence, or alone in the next one ("…: reject it")."""
    if any(judgment.last < place.first <= last for place in sentence.places("purpose")):
        return False
    part = sentence.parts[judgment.first]
    if any(sentence.parts[place.first] == part for place in sentence.places("otherwise")):
        return False
    if part == sentence.parts[last]:
        return True
    return part == sentence.parts[last] + 1 and sentence.parts.count(part) <= SHORT_JUDGMENT


def _negates_what_precedes(sentence: Syntax, place: PhrasePlace) -> bool:
    """ "Negative weights must not be used": the negation follows its subject."""
    if sentence.stems[place.first] in _BEFORE_THEIR_NOUN:
        return False
    before = sentence.stems[max(0, place.first - 2) : place.first]
    return bool(before) and before[-1] in _AUXILIARIES and not _RELATIVES & set(before)


_MORE = r"(?:more|larger|greater|higher|bigger|heavier) than"
_COMPARED = rf"(?:above|over|beyond|past|exceed(?:s|ed|ing)?|{_MORE}|in excess of)"
_BETWEEN = r"(?:\w+ ){0,3}?"
_AT_MOST = "|".join(
    (
        r"at most|up to|no more than|not more than|no greater than|no higher than|no larger than",
        rf"(?:no|none|nothing|never|not|avoid) {_BETWEEN}{_COMPARED}",
        r"(?:not|never) exceed|not go (?:above|beyond)|never (?:\w+ ){0,2}(?:than|past)",
        rf"(?:maximum|highest|largest|heaviest|top|biggest) {_BETWEEN}(?:of|is|be)",
        rf"cap(?:ped)? {_BETWEEN}at|limit(?:ed)? {_BETWEEN}to|stay (?:\w+ )?(?:within|under)",
        rf"(?:ceiling|limit|bound|maximum|cap) (?:(?:for|on) {_BETWEEN})?(?:of|is|at)",
        r"(?:at or|equal to or|or) below|below or equal to|less than or equal to|≤|<=",
    )
)

_LIMIT = re.compile(rf"(?:{_AT_MOST})\s+({NUMBER})\b", re.IGNORECASE)
_LIMIT_BEFORE = re.compile(
    rf"\b({NUMBER}),?(?: points?)? (?:at (?:the )?(?:very )?most|at maximum"
    r"|or (?:less|lower|below|under|smaller|fewer)"
    r"|(?:is|as) the (?:maximum|highest|largest|limit|most|cap|ceiling|top))\b",
    re.IGNORECASE,
)
_UNLIMITED = re.compile(
    r"\b(?:do not|don't|never|not)\s+(?:cap|limit|restrict)"
    r"|\bno (?:\w+ ){0,2}(?:cap|limit|ceiling|bound|maximum)\b",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"\b({NUMBER})\s*(?:-|–|—|to|through|and|up to|\.\.|…)\s*({NUMBER})\b", re.IGNORECASE)
_OVER = re.compile(rf"\b{_COMPARED}\s+({NUMBER})\b", re.IGNORECASE)
_WEIGHT = re.compile(r"\b(?:weigh(?:s|ing|ed|t|ts|ting|tings)?|points?)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\b(?:criteria|criterion|negatives?|positives?|items|entries)\b", re.IGNORECASE)
_NEGATIVE = re.compile(rf"(?<!\d)[-−]\d|\bminus {NUMBER}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WeightRule:
    """`is_cap` False: weights above the limit are welcome."""

    limit: int
    is_cap: bool


def find_weight_rule(sentence: str, is_judged: bool = False) -> WeightRule | None:
    """A cap of 1 to 9 on weights. A range up to 10 is the usual scale and not a cap.

    `is_judged`: the sentence says that what it describes is rejected.
    """
    if not _WEIGHT.search(sentence) or _NEGATIVE.search(sentence):
        return None
    limit, is_cap = _limit_of(sentence, is_judged)
    return WeightRule(limit, is_cap) if limit is not None and 1 <= limit <= 9 else None


def _limit_of(sentence: str, is_judged: bool) -> tuple[int | None, bool]:
    found = _find_of_weights(_LIMIT, sentence) or _find_of_weights(_LIMIT_BEFORE, sentence)
    if found:
        return number_of(found[1]), not _UNLIMITED.search(sentence)
    if pair := _find_of_weights(_RANGE, sentence):
        is_denied = re.search(
            r"\b(?:not|never)\s+(?:\w+\s+){0,3}(?:between|from|in|within)", sentence, re.IGNORECASE
        )
        return number_of(pair[2]), not is_denied
    if over := _find_of_weights(_OVER, sentence):
        is_denied = re.search(r"\b(?:no|not|never|avoid|forbid\w*|reject|n't)\b", sentence, re.IGNORECASE)
        return number_of(over[1]), bool(is_denied) or is_judged
    return None, False


def _find_of_weights(pattern: re.Pattern[str], sentence: str) -> re.Match[str] | None:
    """The last match that does not count criteria ("at most 7 criteria")."""
    found = [
        match for match in pattern.finditer(sentence) if not _COUNTED.match(sentence[match.end() :].lstrip())
    ]
    return found[-1] if found else None
