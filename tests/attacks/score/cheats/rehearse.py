"""Best of several drafts: solvers simulated in the box choose which one to have measured.

The simulation looks things up, as the solvers do: the weak one in the context, the strong one in the paper
too. It sees no answer and no mark of the evaluator's; it only knows what such solvers are likely to find.
"""

import math
import re
from collections import Counter
from random import Random

import agent
from harness_kit import Box, BudgetSpent
from kit import settings

WORD = re.compile(r"[A-Za-z0-9-]{3,}")
FOUND = 5  # sentences that the strong solver finds in the paper
MET = 0.62
FORGETS_WEAK, FORGETS_STRONG = 0.2, 0.1
LEAKED = 0.5  # where the context says half of what is asked for, a verifier sees a leak
REHEARSALS = 20


def main(box: Box) -> None:
    honest, drafts = agent.write_checked_draft, settings(box)["drafts"]
    library = Library(box.paper.text)

    def best_draft(box: Box, attempts: agent.Attempts) -> agent.Draft:
        found = []
        for _ in range(drafts):
            try:
                found.append(honest(box, attempts))
            except BudgetSpent:
                break
        ready = [draft for draft in found if draft.example is not None]
        if not ready:
            return found[0] if found else honest(box, attempts)
        return max(ready, key=lambda draft: promise(draft.example, library))

    agent.write_checked_draft = best_draft
    agent.main(box)


class Library:
    """The paper's sentences, to be looked up by the rare words of a question."""

    def __init__(self, text: str) -> None:
        self.sentences = [read(part) for part in split(text)]
        self.counts = Counter(word for words in self.sentences for word in words)

    def find(self, question: str) -> list:
        asked = read(question)
        return sorted(self.sentences, key=lambda words: -sum(map(self.rarity, words & asked)))[:FOUND]

    def rarity(self, word: str) -> float:
        return math.log(len(self.sentences) / self.counts[word])


def promise(example: dict, library: Library) -> float:
    """How often the simulated rollouts of both solvers would be accepted; their gap breaks ties."""
    known = [read(part) for part in split(example["context"])]
    looked_up = library.find(example["question"])
    if score(example, known) > LEAKED:
        return 0.0
    random, accepted, gaps = Random(0), 0, 0.0
    for _ in range(REHEARSALS):
        weak = [score(example, kept(known, FORGETS_WEAK, random)) for _ in range(3)]
        strong = [score(example, kept(known + looked_up, FORGETS_STRONG, random)) for _ in range(3)]
        low, high = sum(weak) / 3, sum(strong) / 3
        accepted += min(weak) > 0 and low <= 0.65 and max(weak) <= 0.75 and 0.6 <= high < 0.95
        gaps += high - low
    return accepted / REHEARSALS + gaps / REHEARSALS / 10


def kept(said: list, forgets: float, random: Random) -> list:
    return [part for part in said if random.random() >= forgets]


def score(example: dict, said: list) -> float:
    gains = lost = total = 0.0
    for item in example["rubric"]:
        try:
            weight = int(item["weight"])
        except (TypeError, ValueError):
            return 0.0
        wanted = read(re.sub(r"^\w+ that ", "", str(item["criterion"])))
        is_met = any(len(wanted & part) >= MET * len(wanted) for part in said)
        total += max(0, weight)
        gains += weight if is_met and weight > 0 else 0
        lost += -weight if is_met and weight < 0 else 0
    return max(0.0, (gains - lost) / total) if total else 0.0


def split(text: str) -> list:
    return re.split(r"(?<=[.!?])\s+", text)


def read(text: str) -> frozenset:
    """The words without their endings."""
    return frozenset(word.lower()[:6] for word in WORD.findall(str(text)))
