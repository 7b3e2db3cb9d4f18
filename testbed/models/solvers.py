"""Solvers: retrieval over the text in the prompt, nothing else.

The weak solver sees the context and knows a few commonplaces. The strong solver also searches the source
document, if the prompt contains one, and keeps more of what it finds. Both forget sentences at random, more
often at a high temperature. Neither reasons, and neither can be told to fail: every sentence is only text to
retrieve.
"""

from dataclasses import dataclass

from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.request import SeededDraws, all_text, find_section
from studbook.testbed.models.sentences import (
    Hit,
    Index,
    Sentence,
    index_paper,
    index_prose,
    search,
    split_sentences,
)
from studbook.testbed.models.words import is_number, stem, tokens, word_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """The difference between the two solvers: how much they retrieve and how much they forget."""

    from_context: int
    from_source: int
    forgets_sentence: float
    forgets_number: float
    scatter: float  # noise in the ranking of sentences, as a share of the best score


WEAK = Ability(from_context=12, from_source=0, forgets_sentence=0.2, forgets_number=0.3, scatter=0.30)
STRONG = Ability(from_context=12, from_source=8, forgets_sentence=0.05, forgets_number=0.06, scatter=0.20)

COMMONPLACES = (
    "In general an approach like this improves performance at the cost of extra effort and complexity.",
    "It depends on the data, the parameters and the assumptions that are made.",
    "A simple method is easier to understand and to use, but less accurate.",
    "Results should be compared with earlier work and tested on more examples.",
    "The main reason is usually that structure in the problem is used instead of ignored.",
)


def weak(request: ChatRequest) -> str:
    return _answer(request, WEAK)


def strong(request: ChatRequest) -> str:
    return _answer(request, STRONG)


def _answer(request: ChatRequest, ability: Ability) -> str:
    text = all_text(request.messages)
    context, question = find_section(text, "context"), find_section(text, "question")
    query = tuple(dict.fromkeys(item for sentence in split_sentences(question) for item in sentence.stems))
    draws = SeededDraws(request.seed)
    recalled = _recall(index_prose(context), query, ability.from_context, ability, draws, "context")
    if ability.from_source and (source := find_section(text, "source_document")):
        recalled += _recall(index_paper(source), query, ability.from_source, ability, draws, "source")
    kept = _forget(list(dict.fromkeys(recalled)), ability, request.temperature, draws)
    said = [*_yes_or_no(question, draws), *kept, *_commonplaces(query, draws)]
    return " ".join(said)


def _recall(
    index: Index, query: tuple[str, ...], count: int, ability: Ability, draws: SeededDraws, where: str
) -> list[str]:
    """The best matching sentences; in the context, filled up with the first ones if too few match."""
    hits = search(index, query)[: count * 3]
    best = hits[0].score if hits else 0.0

    def rank(place: int, hit: Hit) -> float:
        return hit.score - best * ability.scatter * draws.uniform(f"{where} rank", place)

    ranked = sorted(enumerate(hits), key=lambda item: -rank(*item))
    found = [index.sentence(hit.number) for _, hit in ranked][:count]
    if where == "context":
        found += [passage.sentence for passage in index.passages if passage.sentence not in found]
    return [sentence.text for sentence in found[:count]]


def _forget(texts: list[str], ability: Ability, temperature: float, draws: SeededDraws) -> list[str]:
    heat = 0.3 + 0.7 * min(temperature, 1.5)
    kept = [
        (place, text)
        for place, text in enumerate(texts)
        if not draws.happens(ability.forgets_sentence * heat, "forget sentence", place)
    ]
    return [
        _blur(text) if draws.happens(ability.forgets_number * heat, "forget number", place) else text
        for place, text in kept
    ]


def _blur(text: str) -> str:
    """The sentence with its numbers forgotten."""
    numbers = {token for token in tokens(text) if is_number(token)}
    for token in sorted(numbers, key=lambda token: (-len(token), token)):  # "2.18" before "2"
        text = text.replace(token, "some")
    return text


PLAIN_QUESTION = 8


def _commonplaces(query: tuple[str, ...], draws: SeededDraws) -> list[str]:
    """Generic sentences; more of them for a question with few content words."""
    count = 4 if len(query) <= PLAIN_QUESTION else 1
    start = draws.between(0, len(COMMONPLACES) - 1, "commonplace")
    return [COMMONPLACES[(start + step) % len(COMMONPLACES)] for step in range(count)]


_AUXILIARIES = word_set("is are was were do does did can could will would has have should")


def _yes_or_no(question: str, draws: SeededDraws) -> list[str]:
    sentences: tuple[Sentence, ...] = split_sentences(question)
    opening = sentences[-1].words[:3] if sentences else ()
    is_closed = any(word.lower() in _AUXILIARIES for word in opening[:1]) or "true" in map(stem, opening)
    return [draws.pick(("Yes.", "Yes.", "No."), "yes or no")] if is_closed else []
