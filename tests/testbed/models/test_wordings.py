"""How well meaning is read from wordings that the lexicon was not made from. The sets stand in wording/."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studbook.testbed.models.recognizer import Concept, recognize

WORDINGS = Path(__file__).parent / "wording"
FINDINGS = {
    "paper": Concept.PAPER_SPECIFIC,
    "leak": Concept.NO_LEAK,
    "positive": Concept.POSITIVE_ONLY,
    "cap": Concept.WEIGHT_CAP,
    "json": Concept.STRICT_JSON,
    "integers": Concept.INTEGER_WEIGHTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    heading: str
    text: str

    @property
    def expected(self) -> set[Concept]:
        names = self.heading.removeprefix("qv:").removeprefix("not ").split("+")
        return {FINDINGS[name] for name in names}


def wordings(name: str) -> Iterator[Wording]:
    heading = ""
    for line in (WORDINGS / f"{name}.txt").read_text().splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
        elif line and not line.startswith("#"):
            yield Wording(heading=heading, text=line)


def is_unrelated(wording: Wording) -> bool:
    return wording.heading.startswith("unrelated")


def is_negated(wording: Wording) -> bool:
    return wording.heading.removeprefix("qv:").startswith("not ")


def is_asked(wording: Wording) -> bool:
    return not is_unrelated(wording) and not is_negated(wording)


def read(text: str) -> dict[Concept, bool]:
    found = {rule.concept: rule.wanted for rule in recognize(text)}
    return {concept: found[concept] for concept in FINDINGS.values() if concept in found}


def chosen(name: str, kind: Callable[[Wording], bool]) -> list[Wording]:
    return [wording for wording in wordings(name) if kind(wording)]


@pytest.mark.parametrize(("name", "least"), [("findings", 0.95), ("more_findings", 0.92), ("unseen", 0.8)])
def test_most_paraphrases_are_understood(name, least):
    asked = chosen(name, is_asked)
    understood = [
        wording for wording in asked if all(read(wording.text).get(item) for item in wording.expected)
    ]
    assert len(asked) >= 25
    assert len(understood) >= least * len(asked)


@pytest.mark.parametrize("name", ["findings", "more_findings", "unseen"])
def test_hardly_a_paraphrase_is_read_as_its_opposite(name):
    asked = chosen(name, is_asked)
    inverted = [
        wording
        for wording in asked
        if any(read(wording.text).get(item) is False for item in wording.expected)
    ]
    assert len(inverted) <= 0.07 * len(asked)


@pytest.mark.parametrize("name", ["findings", "more_findings", "unseen"])
def test_hardly_a_negated_rule_is_read_as_asked_for(name):
    negated = chosen(name, is_negated)
    misread = [wording for wording in negated if any(read(wording.text).values())]
    assert len(misread) <= 0.03 * len(negated)


@pytest.mark.parametrize("name", ["findings", "more_findings", "unseen"])
def test_no_unrelated_sentence_reaches_a_finding(name):
    assert [wording for wording in chosen(name, is_unrelated) if read(wording.text)] == []
