"""Versions of one paper are found, and different papers on one subject are not."""

import random
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studbook.evaluate.near_duplicate_papers import find_near_duplicates, word_runs
from studbook.evaluate.papers import make_paper
from studbook.testbed.papers.synthesis import synthetic_papers

PAPERS = synthetic_papers(12, seed=5)
TEXT = PAPERS[0].text


def sources(papers):
    return sorted(sorted(paper.source for paper in group) for group in find_near_duplicates(papers))


def every_tenth_word_changed(text: str) -> str:
    words = text.split(" ")
    return " ".join(f"x{at}" if at % 10 == 7 else word for at, word in enumerate(words))


def in_another_order(text: str) -> str:
    parts = text.split("\n\n")
    return "\n\n".join(parts[len(parts) // 2 :] + parts[: len(parts) // 2])


VERSIONS = {
    "a line more": lambda text: f"{text}\n\nVersion 2.",
    "two words apart": lambda text: text.replace("the", "a", 2),
    "every tenth word changed": every_tenth_word_changed,
    "sections in another order": in_another_order,
    "half of it": lambda text: text[: len(text) // 2],
    "twice as long": lambda text: text + "\n\n" + " ".join(f"word{n}" for n in range(len(text) // 6)),
    "other line breaks and case": lambda text: "\n".join(text.upper().split()),
    "soft hyphens": lambda text: re.sub(r"(\w{4})(\w{3})", "\\1\u00ad\\2", text) + " New.",
    "letters of two code points": lambda text: unicodedata.normalize("NFD", text.replace("e", "é")) + " New.",
    "ligatures": lambda text: text.replace("fi", "ﬁ").replace("fl", "ﬂ"),
    "other markup": lambda text: text.replace("#", "=").replace(" ", " *", 40),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_of_a_paper_is_found(name):
    first, *others = PAPERS
    if name == "letters of two code points":
        first = make_paper(TEXT.replace("e", "é"), first.source)
    version = make_paper(VERSIONS[name](TEXT), "version.md")
    assert sources([first, *others, version]) == [sorted([first.source, "version.md"])]


def test_scripts_without_spaces_are_read_by_the_character():
    text = "".join(map(chr, random.Random(1).choices(range(0x0E01, 0x0E2F), k=3000)))
    changed = make_paper(f"{text[:1500]}\u0e50{text[1500:]}", "new.md")
    assert sources([*PAPERS, make_paper(text, "old.md"), changed]) == [["new.md", "old.md"]]


def test_different_papers_are_no_near_duplicates():
    assert find_near_duplicates(synthetic_papers(60, seed=9)) == ()


def test_a_version_of_a_version_belongs_to_the_group():
    text, versions = TEXT, []
    draws = random.Random(3)
    for number in range(6):
        words = text.split(" ")
        for at in draws.sample(range(len(words)), len(words) // 20):
            words[at] = f"new{number}x{at}"
        text = " ".join(words)
        versions.append(make_paper(text, f"v{number}.md"))
    assert sources([*PAPERS, *versions]) == [sorted([PAPERS[0].source, *(f"v{n}.md" for n in range(6))])]


def test_thirty_papers_with_a_new_version_each_are_thirty_groups():
    papers = synthetic_papers(30, seed=2)
    versions = [make_paper(every_tenth_word_changed(paper.text), f"new {paper.source}") for paper in papers]
    assert sources([*papers, *versions]) == sorted(sorted([p.source, f"new {p.source}"]) for p in papers)


@settings(max_examples=20)
@given(
    st.permutations([*PAPERS[:4], make_paper(TEXT + " More.", "a.md"), make_paper(TEXT + " Most.", "b.md")])
)
def test_the_order_of_papers_changes_nothing(papers):
    assert sources(papers) == [sorted([PAPERS[0].source, "a.md", "b.md"])]


def test_scripts_without_spaces_are_compared_by_character():
    text = "".join(chr(0x4E00 + (n * n * 7919) % 5000) for n in range(2_500))
    one, other = make_paper(text, "1.md"), make_paper(text[:1_200] + "新" + text[1_201:], "2.md")
    unlike = make_paper("".join(chr(0x4E00 + (n * n * 104_729 + 11) % 5000) for n in range(2_500)), "3.md")
    assert sources([one, other, unlike]) == [["1.md", "2.md"]]


@pytest.mark.parametrize("text", ["", "----", "one two"])
def test_a_text_of_few_words_is_one_run(text):
    assert len(word_runs(text)) == 1


def test_no_papers_and_one_paper_have_no_near_duplicates():
    assert find_near_duplicates([]) == find_near_duplicates(PAPERS[:1]) == ()
