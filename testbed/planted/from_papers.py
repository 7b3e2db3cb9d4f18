"""Good examples made from any paper, by rule: what is asked for stands in the paper and not in the context.

They are correct and stiff: no model wrote them, and a strict reader may find the questions contrived. Which
sentences are worth asking about is chosen as the testbed's challenger does; nothing else is shared with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from studbook.evaluate.contracts import Paper
from studbook.testbed.models.facts import Fact, Reading, clause_of, key_phrase, rare_stems, read_paper
from studbook.testbed.planted.cases import Submission

FACTS = 5
CONTEXT_SENTENCES = 9
LONGEST = 24  # words: what a criterion can repeat whole
SHORTEST_CONTEXT = 400
MOST_SHARED = 0.5
"""No sentence of the context may hold more than this share of a fact's long words."""

_QUESTIONS = (
    "In {topic}, how do {points} belong together, and what follows from them?",
    "Concerning {topic}: why do {points} matter, and what do they explain taken together?",
    "How does {topic} account for {points}, and what would be misunderstood without them?",
)
_VERBS = ("States that", "Explains that", "Says that", "Points out that")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`facts` are the sentences that the criteria ask for, in the order of the rubric."""

    paper_id: str
    document: str
    topic: str
    facts: tuple[str, ...]
    clauses: tuple[str, ...]
    setting: tuple[str, ...]
    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a planted case is made of: a good example, that of another paper, and a source of chance."""

    made: Made
    other: Made
    random: Random


def make_good(paper: Paper, random: Random) -> Made | None:
    """None when the paper has too few plain sentences."""
    reading = read_paper(paper.text)
    usable = [fact for fact in reading.facts if _is_usable(fact)]
    start = random.randrange(max(1, min(12, len(usable) - FACTS)))
    chosen = _distinct(usable[start:], FACTS)
    setting = _setting(reading, chosen)
    if len(chosen) < FACTS or len(" ".join(setting)) < SHORTEST_CONTEXT:
        return None
    topic = " ".join(paper.title.split(":")[0].split()[:8]).strip(" .,;?") or "this work"
    points = [key_phrase(fact.sentence, rare_stems(reading.index, fact.sentence)) for fact in chosen[:3]]
    clauses = tuple(clause_of(fact.sentence.text) for fact in chosen)
    question = random.choice(_QUESTIONS).format(
        topic=topic, points=f"{', '.join(points[:2])} and {points[2]}"
    )
    facts = tuple(fact.sentence.text for fact in chosen)
    rubric = [
        {
            "criterion": f"{random.choice(_VERBS)} {clause}",
            "weight": random.randint(3, 7),
            "category": "insight",
        }
        for clause in clauses
    ]
    return Made(
        paper_id=paper.paper_id,
        document=paper.text,
        topic=topic,
        facts=facts,
        clauses=clauses,
        setting=setting,
        submission={
            "context": " ".join(setting),
            "question": question,
            "reference_answer": " ".join(facts),
            "rubric": rubric,
            "question_type": "explanation",
            "tags": ["synthesis"],
        },
    )


def _is_usable(fact: Fact) -> bool:
    text = fact.sentence.text
    return 8 <= len(text.split()) <= LONGEST and "?" not in text


def _distinct(facts: Sequence[Fact], count: int) -> list[Fact]:
    """The first ones that do not say the same as an earlier one."""
    chosen: list[Fact] = []
    for fact in facts:
        if len(chosen) < count and all(
            _shared(fact.sentence.text, other.sentence.text) < MOST_SHARED for other in chosen
        ):
            chosen.append(fact)
    return chosen


def _setting(reading: Reading, chosen: Sequence[Fact]) -> tuple[str, ...]:
    texts = [sentence.text for sentence in reading.opening]
    texts += [fact.sentence.text for fact in reading.facts[::-1]]
    hidden = [fact.sentence.text for fact in chosen]
    return tuple(_first(_apart(dict.fromkeys(texts), hidden), CONTEXT_SENTENCES))


def _apart(texts: dict[str, None], hidden: Sequence[str]) -> Iterator[str]:
    return (text for text in texts if all(_shared(fact, text) < MOST_SHARED for fact in hidden))


def _first(texts: Iterator[str], count: int) -> list[str]:
    return [text for text, _ in zip(texts, range(count), strict=False)]


def _shared(fact: str, text: str) -> float:
    """Share of the fact's long words that stand in the text."""
    words = _long_words(fact)
    return len(words & _long_words(text)) / max(1, len(words))


def _long_words(text: str) -> set[str]:
    return {word.strip(".,;:()“”\"'").lower()[:6] for word in text.split() if len(word) > 3}
