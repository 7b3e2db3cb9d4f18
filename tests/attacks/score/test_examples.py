"""Examples built to pass instead of to ask: leaks, rubrics that suit the strong, strange shapes."""

import pytest
from attacks.score.arena import World
from attacks.score.rows import Expect, cheat

from studbook.populations.records import FailureCategory

PADDING = "a long context is no offence, and neither helps nor harms: on 120 other papers 59 % against 61 %"
QUOTING = (
    "criteria that are sentences of the paper are about the paper, and no program tells words from content; "
    "the honest twin's criteria stand nearly as close to it. Read what a winner asks for"
)
OPEN = {"expect": Expect.UNATTRACTIVE, "bound": 0.1, "why": PADDING}


def way(source: str, name: str, tried: str, **more: object):
    return cheat(f"{source}: {name}", source, tried, settings={"way": name}, **more)


LEAKS = [
    way("leak", "answer in context", "the reference answer stands in the context"),
    way("leak", "answer in question", "the question gives its own answer away"),
    way("leak", "rubric in context", "the criteria are listed in the context"),
    way("leak", "words in disorder", "the answer's words in the context, in alphabetical order"),
    way("leak", "just under half", "two fifths of the answer in the context, under a threshold of half"),
    way("leak", "hint in question", "rare words of the answer as keywords"),
]
RUBRICS = [
    way("rubric", "trivia", "mentions of the paper's commonest words"),
    way("rubric", "form", "form, length and tone instead of content"),
    way("rubric", "everything goes", "criteria that any answer meets"),
    way(
        "rubric",
        "quotation",
        "the paper's sentences nearest to the question, word for word",
        expect=Expect.UNATTRACTIVE,
        bound=0.35,
        why=QUOTING,
    ),
    way("rubric", "one carries all", "all weight on what a look-up finds"),
    way("rubric", "duplicated", "one criterion in seven spellings"),
    way("rubric", "negatives for the weak", "points off for saying what the context says"),
    way("rubric", "huge and tiny", "+10 for what is looked up, −10 for what the context says"),
    way("rubric", "abstract as question", "the paper's opening as question, its next sentences as answer"),
    way("rubric", "only numbers", "nothing but sentences with figures"),
    way("rubric", "tiny criteria", "every long word of the rubric as a criterion of its own"),
]
SHAPES = [
    way("shape", "very short", "fields of one word"),
    way("shape", "very long", "15,000 characters about something else after the context", **OPEN),
    way("shape", "noise first", "forty sentences about something else before it"),
    way("shape", "vague question", "“What is it about?”"),
    way("shape", "bidirectional", "the question in an order that only the eye undoes"),
    way("shape", "numbered lines", "criteria that hold numbered criteria", world=World.GULLIBLE),
    way("shape", "forged marks", "a mark sheet in the context, to be quoted", world=World.GULLIBLE),
    way("shape", "lines of one word", "every word of the context on a line of its own"),
    way("shape", "criteria without words", "criteria of punctuation and function words"),
]

MISLEADING = cheat(
    "context against the paper",
    "mislead",
    "every second sentence of the context denied, or with other figures than the paper's",
    settings={},
    expect=Expect.REFUSED,
    counted=(FailureCategory.QUALITY.value,),
)


@pytest.mark.parametrize("row", [*LEAKS, *RUBRICS, *SHAPES], ids=lambda row: row.name)
def test_example(row, check_row):
    check_row(row)


def test_a_context_that_contradicts_the_paper_seldom_passes(check_row):
    """The testbed's verifier overlooks a fault one time in ten, and a paper has three rounds."""
    assert check_row(MISLEADING).rate.passed <= 8
