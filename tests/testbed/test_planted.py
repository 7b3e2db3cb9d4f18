"""Planted cases: made from papers and written by hand; every one is what its kind says."""

from random import Random

import pytest

from studbook.errors import CorpusError
from studbook.evaluate.examples import ReadExample, read_example
from studbook.evaluate.planted.cases import (
    ANSWER_KINDS,
    EXAMPLE_KINDS,
    SETS,
    criterion_kind,
    read_cases,
    shipped_cases,
)
from studbook.testbed.papers.synthesis import synthetic_papers
from studbook.testbed.planted.material import denied, has_number, made_wrong, reworded, with_other_numbers
from studbook.testbed.planted.planting import plant

PAPERS = synthetic_papers(4, 7)
EXAMPLES, ANSWERS = plant(PAPERS, 1, "papers")


def examples_of(kind):
    return [case.submission for case in EXAMPLES if case.kind == kind]


GOOD = examples_of("good")


def test_every_paper_gives_one_example_and_one_answer_of_every_kind():
    kinds = [case.kind for case in EXAMPLES]
    assert {kind: kinds.count(kind) for kind in EXAMPLE_KINDS} == dict.fromkeys(EXAMPLE_KINDS, 4)
    planted = [case.kind for case in ANSWERS]
    expected = dict.fromkeys(ANSWER_KINDS, 4) | {"opposite": 0}  # written by hand only
    assert {kind: planted.count(kind) for kind in ANSWER_KINDS} == expected


def test_the_same_seed_plants_the_same_and_another_seed_plants_others():
    assert plant(PAPERS, 1, "papers") == (EXAMPLES, ANSWERS)
    assert plant(PAPERS, 2, "papers")[0] != EXAMPLES


def test_too_few_papers_plant_nothing():
    assert plant(PAPERS[:1], 1, "papers") == ([], [])


@pytest.mark.parametrize("name", ["papers", *SETS])
def test_every_planted_example_goes_through_the_door(name):
    cases = EXAMPLES if name == "papers" else shipped_cases(name)[0]
    assert [
        case.kind for case in cases if not isinstance(read_example(dict(case.submission)), ReadExample)
    ] == []


def test_a_good_example_asks_for_sentences_that_its_context_lacks():
    for example in GOOD:
        assert len(example["rubric"]) == 5 and len(example["context"]) >= 400
        for criterion in example["rubric"]:
            clause = criterion["criterion"].split(" that ", 1)[1][1:]
            assert clause in example["reference_answer"] and clause not in example["context"]


def test_leaks_hold_the_answer_and_the_others_do_not():
    for good, leak in zip(GOOD, examples_of("leak_context"), strict=True):
        assert all(sentence in leak["context"] for sentence in good["reference_answer"].split(". ")[1:-1])
    for good, leak in zip(GOOD, examples_of("rubric_in_context"), strict=True):
        assert all(item["criterion"] in leak["context"] for item in good["rubric"])


def test_a_wrong_reference_leaves_rubric_and_context_as_they_were():
    for good, bad in zip(GOOD, examples_of("wrong_reference"), strict=True):
        assert bad["reference_answer"] != good["reference_answer"]
        assert (bad["rubric"], bad["context"], bad["question"]) == (
            good["rubric"],
            good["context"],
            good["question"],
        )


def test_a_wrong_context_leaves_all_else_and_some_of_its_sentences_as_they_were():
    for good, bad in zip(GOOD, examples_of("wrong_context"), strict=True):
        assert {**bad, "context": ""} == {**good, "context": ""}
        kept = [sentence for sentence in good["context"].split(". ") if sentence in bad["context"]]
        assert 0 < len(kept) < len(good["context"].split(". "))


def test_a_case_by_hand_has_a_document_where_its_fault_needs_one():
    for name in SETS:
        cases = shipped_cases(name)[0]
        assert {case.kind for case in cases if case.document} == {"wrong_context"}
        assert all(case.document for case in cases if case.kind == "wrong_context")


def test_every_answer_has_one_truth_a_criterion():
    written = [case for name in SETS for case in shipped_cases(name)[1]]
    for case in [*ANSWERS, *written]:
        assert len(case.truth) == len(case.submission["rubric"])
    wanted = {case.kind: case.truth for case in ANSWERS}
    assert wanted["correct"] == (True,) * 5 + (False, False)
    assert wanted["negated"] == (False,) * 5 + (True, None)
    assert wanted["off_topic"] == (False,) * 6 + (None,)


def test_there_are_at_least_forty_examples_written_by_hand_and_most_are_held_out():
    written, held_out = (shipped_cases(name)[0] for name in SETS)
    assert len(written) + len(held_out) >= 40
    assert len(held_out) > len(written)
    assert {case.kind for case in held_out} >= set(EXAMPLE_KINDS) - {
        "leak_reworded",
        "wrong_everywhere",
        "foreign",
    }


def test_altered_sentences_are_wrong_in_the_way_their_name_says():
    text = "The valve halves the pressure within 12 seconds and is made of 3.5 kg of brass."
    assert (
        denied(text) == "The valve halves the pressure within 12 seconds and is not made of 3.5 kg of brass."
    )
    assert denied("It works.") == "It is not so that it works."
    other = with_other_numbers(text, Random(1))
    assert {"12", "3.5"}.isdisjoint(other.split()) and has_number(other)
    assert made_wrong("The valve is open.", Random(1)) == "The valve is not open."
    assert reworded("The method uses large data.", Random(2)).endswith(
        "the procedure employs big observations."
    )


@pytest.mark.parametrize(
    ("text", "weight", "kind"),
    [
        ("States that the valve opens", 5, "plain"),
        ("States that 12 valves open", 5, "figure"),
        ("States that the valve does not open", 5, "denial"),
        ("Claims that the valve is shut", -3, "mistake"),
        ("Fails to see that the valve is shut", -3, "oversight"),
    ],
)
def test_criteria_are_told_apart_by_what_a_judge_must_look_at(text, weight, kind):
    assert criterion_kind(text, weight) == kind


CASE = """
[[good]]
name = "a"
context = "c"
question = "q"
reference_answer = "r"
rubric = [[5, "States that x"]]
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[[bad]]\nof = "b"\nkind = "generic"', "'b'"),
        ('[[bad]]\nof = "a"\nkind = "dull"', "kind `dull` is not one of"),
        (
            '[[answer]]\nof = "a"\nkind = "empty"\ntext = ""\nmet = [2]',
            r"`met` names criteria \[2\], there are 1",
        ),
        ("[[good", "cannot be read"),
    ],
)
def test_cases_that_cannot_be_read_are_refused_with_what_is_wrong(more, told):
    with pytest.raises(CorpusError, match=told):
        read_cases(CASE + more, "mine.toml")
