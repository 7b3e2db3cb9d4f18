"""Papers are read, or skipped with a reason; a paper is known by its content."""

import os

import pytest

from studbook.errors import CorpusError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.paper_files import Skipped
from studbook.evaluate.papers import corpus_stats, find_title, make_paper, read_corpus

LONG = "A sentence about sailing ships and the wind that moves them. " * 50


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.md").write_text(f"# Ships\n\n{LONG}")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text(f"Winds of the north\n\n{LONG}b")
    return tmp_path


def test_papers_are_read_from_a_folder_and_its_folders_in_order(folder):
    corpus = read_corpus(folder)
    assert [(paper.source, paper.title) for paper in corpus.papers] == [
        ("a.md", "Ships"),
        ("sub/b.txt", "Winds of the north"),
    ]
    assert corpus.skipped == ()


def test_one_file_is_a_corpus_too(folder):
    assert [paper.source for paper in read_corpus(folder / "a.md").papers] == ["a.md"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.md", b" \n", "empty"),
        ("binary.txt", b"text\0text" * 500, "binary, or text in UTF-16 (papers are UTF-8)"),
        ("utf16.txt", LONG.encode("utf-16"), "binary, or text in UTF-16 (papers are UTF-8)"),
        ("latin.txt", b"caf\xe9 " + LONG.encode(), "not UTF-8 text (byte 3)"),
        ("short.md", b"too short", "too short: 9 of 2,000 characters"),
        ("long.md", b"word " * 100_001, "too long: over 500,000 characters"),
        ("paper.pdf", b"%PDF", "unsupported format .pdf (read: .md .markdown .txt .rst .text)"),
        ("Makefile", b"all:", "unsupported format (none) (read: .md .markdown .txt .rst .text)"),
        ("twin.md", f"# Ships\n\n{LONG}".encode(), "the same content as a.md"),
        ("wrapped.md", f"# Ships\r\n\r\n{LONG}".replace(". ", ".\r\n").encode(), "the same content as a.md"),
    ],
)
def test_a_file_that_is_no_paper_is_skipped_with_its_reason(folder, name, data, reason):
    (folder / name).write_bytes(data)
    corpus = read_corpus(folder)
    assert corpus.skipped == (Skipped(source=name, reason=reason),)
    assert len(corpus.papers) == 2


def test_hidden_files_are_left_alone(folder):
    (folder / ".hidden.md").write_text(LONG + "d")
    corpus = read_corpus(folder)
    assert (len(corpus.papers), corpus.skipped) == (2, ())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_skipped(folder):
    (folder / "a.md").chmod(0)
    assert read_corpus(folder).skipped == (
        Skipped(source="a.md", reason="cannot be read: Permission denied"),
    )


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="nowhere does not exist"):
        read_corpus(tmp_path / "nowhere")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="holds no files"):
        read_corpus(tmp_path)


def test_a_folder_of_unreadable_files_says_why(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.md").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"0\.md: empty; 1\.md: empty; 2\.md: empty; and 2 more"):
        read_corpus(tmp_path)


def test_identity_is_by_content_and_not_by_name_or_layout():
    one, two = make_paper("a  b\n\n\n\nc ", "1.md"), make_paper("a b\nc", "2.md")
    assert one.paper_id == two.paper_id == make_paper("\ufeffa b\r\nc\u200b", "3.md").paper_id
    assert one.paper_id != make_paper("a b c d", "1.md").paper_id
    assert len(one.paper_id) == 16


@pytest.mark.parametrize("separator", ["\f", "\v", "\x85", "\u2028", "\u2029", "\x1c", "\r", "\r\n"])
def test_every_sort_of_line_end_parts_words(separator):
    paper = make_paper(f"the last word{separator}Another page", "x.txt")
    assert paper.text == "the last word\nAnother page"


def test_hidden_characters_do_not_reach_a_paper():
    assert make_paper("Ignore\u202e this\u200b", "x.md").text == "Ignore this"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# A heading #\n\nText", "A heading"),
        ("Underlined\n==========\n\nText", "Underlined"),
        ("==========\nBoth sides\n==========\n", "Both sides"),
        ("\n\nFirst line of text\nSecond", "First line of text"),
        ("----\n****\n", None),
    ],
)
def test_titles_are_found_in_each_format(text, title):
    assert find_title(text) == title


def test_a_paper_without_a_title_is_called_by_its_file():
    assert make_paper("----", "x.md") == Paper(
        paper_id=make_paper("----", "y").paper_id, title="x.md", text="----", source="x.md"
    )


def test_stats_count_what_was_read_and_what_was_not(folder):
    (folder / "empty.md").write_bytes(b"")
    (folder / "x.pdf").write_bytes(b"x")
    stats = corpus_stats(read_corpus(folder)).to_json()
    assert (stats["papers"], stats["skipped"]) == (2, 2)
    assert stats["formats"] == {".md": 1, ".txt": 1}
    assert stats["skip_reasons"] == {"empty": 1, "unsupported format .pdf": 1}
    assert stats["shortest_characters"] <= stats["median_characters"] <= stats["longest_characters"] < 3_200
