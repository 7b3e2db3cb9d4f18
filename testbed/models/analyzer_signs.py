"""What the trajectories show, counted: the facts on which the testbed's analyzer bases its opinion.

Every count comes from the text of the trajectories alone, and each sign keeps real quotes with the place
they came from. It ranks nothing and knows no remedy; `analyzer_causes` does.

Overlaps of texts and the ring of questions, as the testbed's analyzer sees them.

Kept apart from the testbed's judge and solvers on purpose: the analyzer must guess from the outside what
they did, as an analyst would, and may guess wrong. It shares only their notion of a word.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from studbook.testbed.models.analyzer_trajectory import Round, Trajectory, read_json
from studbook.testbed.models.words import is_content, is_number, stem, tokens

_GENERIC_OPENING = re.compile(
    r"\s*(explain (why|how|what|the)|describe|discuss|summari[sz]e|why (is|are|does|do|might) |"
    r"what (is|are) (the )?(main|key|primary|general)|what (is|are|does|do) |how (does|do|is|are) )",
    re.IGNORECASE,
)

_SPECIFIC = re.compile(r"\d|\b[A-Z]{2,}\b|\b[A-Za-z]+-[A-Za-z]+\b|(?<=[a-z,] )[A-Z][a-z]+")


@lru_cache(maxsize=4096)
def content_words(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning, and the numbers."""
    return frozenset(stem(word) for word in tokens(text) if is_content(word) or is_number(word))


def covered_by(part: str, whole: str) -> float:
    """Share of the content words of `part` that also stand in `whole`; 0 when `part` has none."""
    wanted = content_words(part)
    return len(wanted & content_words(whole)) / len(wanted) if wanted else 0.0


def likeness(one: str, other: str) -> float:
    """Jaccard likeness of the content words of two texts, in [0, 1]."""
    left, right = content_words(one), content_words(other)
    union = left | right
    return len(left & right) / len(union) if union else 0.0


def sounds_generic(question: str) -> bool:
    """An opening that fits any paper, and nothing in the rest that ties it to one."""
    if not _GENERIC_OPENING.match(question):
        return False
    return len(_SPECIFIC.findall(question)) < 2


def shorten(text: str, limit: int = 160) -> str:
    """One line of at most `limit` characters, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[:limit].rsplit(" ", 1)[0] + " …"


_QUOTED_WEIGHT = re.compile(r'"weight"\s*:\s*"([^"]{0,12})"')

_REFUSED = re.compile(r'"pass"\s*:\s*false', re.IGNORECASE)

LEAK_SHARE = 0.5
"""Share of the reference answer's words standing in the context, from which on it counts as given away."""

GIVEN_SHARE = 0.6
"""Share of a criterion's words standing in the context, from which on a weak solver could copy it."""

REPEAT_SHARE = 0.5
"""Likeness of two questions of one paper, from which on the second counts as a rewording."""

MOST_QUOTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    text: str
    place: str


@dataclass(slots=True, kw_only=True)
class Signs:
    """Filled once by `read_signs`; quotes are grouped by the name of the sign they show."""

    trajectories: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    replies: int = 0
    unreadable: int = 0
    quoted_weights: int = 0
    verifier_replies: int = 0
    own_refusals: int = 0
    questions: int = 0
    generic: int = 0
    repeated: int = 0
    leaks: int = 0
    weak_met: int = 0
    weak_met_in_context: int = 0
    criteria: int = 0
    negatives: int = 0
    heavy: int = 0
    strong_negative_marks: int = 0
    misfires: int = 0
    ran_out: int = 0
    crashed: int = 0
    context_words: int = 0
    weak_averages: list[float] = field(default_factory=list)
    strong_averages: list[float] = field(default_factory=list)
    quotes: dict[str, list[Quote]] = field(default_factory=dict)

    def quote(self, sign: str, text: str, place: str) -> None:
        kept = self.quotes.setdefault(sign, [])
        line = shorten(text)
        if line and len(kept) < MOST_QUOTES and all(quote.text != line for quote in kept):
            kept.append(Quote(text=line, place=place))

    @property
    def failed_rounds(self) -> int:
        return sum(self.categories.values())

    def share(self, part: int, whole: int) -> float:
        return part / whole if whole else 0.0


def read_signs(trajectories: tuple[Trajectory, ...]) -> Signs:
    signs = Signs(trajectories=len(trajectories))
    most_rounds = max((len(trajectory.rounds) for trajectory in trajectories), default=0)
    for trajectory in trajectories:
        _count_ending(signs, trajectory, most_rounds)
        _count_replies(signs, trajectory)
        _count_questions(signs, trajectory)
        for number, example_round in enumerate(trajectory.rounds, 1):
            place = f"trajectory {trajectory.number}, round {example_round.number or number}"
            _count_report(signs, example_round, place)
            _count_leak(signs, example_round, place)
            _count_rubric(signs, example_round, place)
    return signs


def _count_ending(signs: Signs, trajectory: Trajectory, most_rounds: int) -> None:
    signs.verdicts[trajectory.verdict] += 1
    if trajectory.verdict in ("crashed", "timed_out", "out_of_limits", "protocol_error"):
        signs.crashed += 1
        for line in trajectory.box_lines[-2:]:
            signs.quote("crash", line, f"trajectory {trajectory.number}, box")
    if trajectory.verdict == "not_accepted" and len(trajectory.rounds) == most_rounds > 1:
        last = trajectory.rounds[-1]
        signs.ran_out += 1
        signs.quote("rounds", last.reason or last.category, f"trajectory {trajectory.number}, last round")


def _count_replies(signs: Signs, trajectory: Trajectory) -> None:
    for number, reply in enumerate(trajectory.challenger_replies, 1):
        place = f"trajectory {trajectory.number}, challenger reply {number}"
        signs.replies += 1
        found = _QUOTED_WEIGHT.search(reply)
        if found:
            signs.quoted_weights += 1
            signs.quote("form", found.group(), place)
        if read_json(reply) is None:
            signs.unreadable += 1
            signs.quote("form", reply.strip()[-110:], place)
    for number, reply in enumerate(trajectory.verifier_replies, 1):
        signs.verifier_replies += 1
        if _REFUSED.search(reply):
            signs.own_refusals += 1
            signs.quote("verifier", reply, f"trajectory {trajectory.number}, verifier reply {number}")


def _count_questions(signs: Signs, trajectory: Trajectory) -> None:
    earlier: list[str] = []
    for number, example_round in enumerate(trajectory.rounds, 1):
        question = example_round.text("question")
        if not question:
            continue
        place = f"trajectory {trajectory.number}, round {example_round.number or number}"
        signs.questions += 1
        if sounds_generic(question):
            signs.generic += 1
            signs.quote("generic", question, place)
        if any(likeness(question, other) >= REPEAT_SHARE for other in earlier):
            signs.repeated += 1
            signs.quote("repeat", question, place)
        earlier.append(question)


def _count_report(signs: Signs, example_round: Round, place: str) -> None:
    signs.rounds += 1
    if example_round.weak_average is not None:
        signs.weak_averages.append(example_round.weak_average)
    if example_round.strong_average is not None:
        signs.strong_averages.append(example_round.strong_average)
    category = example_round.category
    if category and category not in ("null", "None", "none", "-"):
        signs.categories[category] += 1
        signs.quote(category, example_round.reason, place)


def _count_leak(signs: Signs, example_round: Round, place: str) -> None:
    context, answer = example_round.text("context"), example_round.text("reference_answer")
    signs.context_words += len(context.split())
    if context and answer and covered_by(answer, context) >= LEAK_SHARE:
        signs.leaks += 1
        if len(signs.quotes.get("leak", ())) < MOST_QUOTES:
            signs.quote("leak", _shared_sentence(context, answer), place)


def _shared_sentence(context: str, answer: str) -> str:
    """The sentence of the context that gives most of the answer away."""
    sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+", context) if sentence.strip()]
    return max(sentences, key=lambda sentence: covered_by(answer, sentence), default="")


def _count_rubric(signs: Signs, example_round: Round, place: str) -> None:
    context = example_round.text("context")
    for index, item in enumerate(example_round.rubric):
        text, weight = str(item.get("criterion", "")), _number(item.get("weight"))
        signs.criteria += 1
        signs.negatives += weight < 0
        signs.heavy += abs(weight) > 7
        for answer in example_round.answers:
            met = index < len(answer.marks) and answer.marks[index]
            _count_mark(signs, answer.solver, text, weight, met, context, place)


def _count_mark(
    signs: Signs, solver: str, criterion: str, weight: float, met: bool, context: str, place: str
) -> None:
    if solver == "strong" and weight < 0:
        signs.strong_negative_marks += 1
        if met:
            signs.misfires += 1
            signs.quote("negative", criterion, place)
    if solver == "weak" and weight > 0 and met:
        signs.weak_met += 1
        if covered_by(criterion, context) >= GIVEN_SHARE:
            signs.weak_met_in_context += 1
            signs.quote("given", criterion, place)


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def tally(counts: Mapping[str, int]) -> str:
    """ "6 too easy, 2 malformed", most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in ordered if count)
