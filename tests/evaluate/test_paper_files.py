"""A folder of papers is read whole, nothing outside of it is, and whatever is not read is named."""

import contextlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from studbook.errors import CorpusError
from studbook.evaluate.paper_files import (
    COPY,
    LEAVES,
    FoundFile,
    Skipped,
    UnreadableFile,
    find_files,
    read_file,
)
from studbook.evaluate.papers import read_corpus

LONG = "A sentence about sailing ships and the wind that moves them. " * 50
SECRET = "MARKER-PRIVATE " * 300


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "key.txt").write_text(SECRET)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "papers"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text(f"# Ships\n\n{LONG}")
    (folder / "sub" / "b.txt").write_text(f"Winds\n\n{LONG}b")
    return folder


def skipped(folder: Path) -> list[tuple[str, str]]:
    """After checking that both papers were read, and nothing else."""
    corpus = read_corpus(folder)
    assert [paper.source for paper in corpus.papers] == ["a.md", "sub/b.txt"]
    return [(each.source, each.reason) for each in corpus.skipped]


LINKS_OUT = {
    "absolute": lambda outside, link: link.symlink_to(outside / "key.txt"),
    "relative": lambda outside, link: link.symlink_to("../private/key.txt"),
    "through a folder of the corpus": lambda outside, link: link.symlink_to("sub/../../private/key.txt"),
    "through a link inside": lambda outside, link: (
        link.with_name("b.link").symlink_to(outside / "key.txt"),
        link.symlink_to("b.link"),
    ),
    "to a folder": lambda outside, link: link.symlink_to(outside),
    "to /proc": lambda outside, link: link.symlink_to("/proc/self/environ"),
}


@pytest.mark.parametrize("kind", LINKS_OUT)
def test_a_link_that_leaves_the_folder_is_not_read_and_told(folder, outside, kind):
    LINKS_OUT[kind](outside, folder / "notes.md")
    assert ("notes.md", LEAVES) in skipped(folder)


def test_bundled_papers_are_read_also_where_an_installer_linked_them_to_its_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("studbook.evaluate.paper_files.BUNDLED", tmp_path / "experiments")
    papers = tmp_path / "experiments" / "papers"
    papers.mkdir(parents=True)
    (tmp_path / "cache.md").write_text("A paper.")
    (papers / "archive.md").hardlink_to(tmp_path / "cache.md")
    assert [found.source for found in find_files(papers)] == ["archive.md"]
    assert isinstance(find_files(papers)[0], FoundFile)


def test_a_hard_link_to_a_file_outside_is_not_read_and_told(folder, outside):
    os.link(outside / "key.txt", folder / "notes.md")
    assert skipped(folder) == [("notes.md", f"a hard link to a file outside the folder ({COPY})")]


def test_a_file_with_two_names_inside_is_read_once(folder):
    os.link(folder / "a.md", folder / "sub" / "again.md")
    (folder / ".store").mkdir()
    os.link(folder / "sub" / "b.txt", folder / ".store" / "b")
    assert skipped(folder) == [("sub/again.md", "the same content as a.md")]


def test_a_link_inside_the_folder_is_followed(folder):
    (folder / ".store").mkdir()
    (folder / ".store" / "0123").write_text(LONG + "c")
    (folder / "c.md").symlink_to(".store/0123")
    (folder / "d.md").symlink_to(folder / "sub" / "b.txt")
    corpus = read_corpus(folder)
    assert [paper.source for paper in corpus.papers] == ["a.md", "c.md", "d.md"]
    assert corpus.skipped == (Skipped(source="sub/b.txt", reason="the same content as d.md"),)


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    (folder / "d.md").symlink_to("a.md")
    assert [paper.source for paper in read_corpus(tmp_path / "link").papers] == ["a.md", "sub/b.txt"]


def test_a_linked_folder_that_is_read_anyway_is_named(folder):
    (folder / "again").symlink_to("sub")
    (folder / "sub" / "up").symlink_to("..")
    assert skipped(folder) == [
        ("again", "a link to a folder that is read already (sub/)"),
        ("sub/up", "a link to a folder that is read already (the whole folder)"),
    ]


def test_a_folder_that_only_links_lead_to_is_followed_without_cycles(folder):
    (folder / ".store" / "deep").mkdir(parents=True)
    (folder / ".store" / "deep" / "c.md").write_text(LONG + "c")
    (folder / ".store" / "deep" / "round").symlink_to("../../.store")
    (folder / "linked").symlink_to(".store/deep")
    (folder / "twice").symlink_to(".store/deep")
    corpus = read_corpus(folder)
    assert [paper.source for paper in corpus.papers] == ["a.md", "sub/b.txt", "linked/c.md"]
    assert [each.source for each in corpus.skipped] == [
        "twice",
        "linked/round/deep/c.md",
        "linked/round/deep/round",
    ]


@pytest.mark.parametrize(
    ("target", "why"),
    [("gone.md", "No such file or directory"), ("x.md", "Too many levels of symbolic links")],
)
def test_a_link_that_leads_nowhere_is_told(folder, target, why):
    (folder / "x.md").symlink_to(target)
    assert skipped(folder) == [("x.md", f"a link that leads nowhere: {why}")]


def test_pipes_and_sockets_are_told_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(folder / "socket.md"))
        assert skipped(folder) == [
            ("pipe.md", "a pipe, not a plain file"),
            ("socket.md", "a socket, not a plain file"),
        ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices")
def test_a_device_is_told_and_not_read(folder):
    try:
        os.mknod(folder / "zero.md", 0o20644, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container may make no devices")
    assert skipped(folder) == [("zero.md", "a device, not a plain file")]


@pytest.mark.parametrize("place", ["/dev/zero", "/proc/self/environ", "/proc/self/maps"])
def test_what_the_kernel_makes_up_is_no_file(place):
    with pytest.raises(UnreadableFile):
        read_file(FoundFile(source=place, place=Path(place)), 1_000_000)


def test_a_file_that_is_given_by_name_is_followed_but_must_be_plain(folder, tmp_path):
    (tmp_path / "named.md").symlink_to(folder / "a.md")
    assert [paper.title for paper in read_corpus(tmp_path / "named.md").papers] == ["Ships"]
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(CorpusError, match=r"pipe\.md: a pipe, not a plain file"):
        read_corpus(tmp_path / "pipe.md")


def test_a_file_that_is_too_large_is_not_read(folder):
    with (folder / "large.md").open("wb") as file:
        file.truncate(9 * 1024**2)
    assert skipped(folder) == [("large.md", "larger than 8,388,608 bytes")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told(folder):
    (folder / "closed").mkdir(mode=0)
    assert skipped(folder) == [("closed/", "cannot be read: Permission denied")]


def test_a_name_that_is_no_utf8_can_be_shown(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md")).write_text("short")
    assert skipped(folder) == [("caf\ufffd.md", "too short: 5 of 2,000 characters")]


def test_very_deep_folders_are_read(tmp_path):
    """Deeper than Python recurses, and than a path may be long: what is too deep is told."""
    with contextlib.chdir(tmp_path):
        for _ in range(2_500):
            os.mkdir("d")
            os.chdir("d")
    found = find_files(tmp_path)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # shutil.rmtree recurses
    assert [each.reason for each in found if isinstance(each, Skipped)] == [
        "cannot be read: File name too long"
    ]


@pytest.fixture
def crowded(folder) -> Path:
    """A file whose path is too long to be looked at, which fails as one does that has vanished."""
    long = folder
    while len(os.fsencode(long)) < 3_890:
        long /= "d" * min(200, 3_890 - len(os.fsencode(long)))
    long.mkdir(parents=True)
    handle = os.open(long, os.O_RDONLY)
    os.close(os.open("x" * 210 + ".md", os.O_WRONLY | os.O_CREAT, dir_fd=handle))
    os.close(handle)
    return folder


def test_a_file_that_cannot_be_looked_at_is_told(crowded):
    os.link(crowded / "a.md", crowded / "sub" / "again.md")  # so that names are counted
    reasons = [reason for _, reason in skipped(crowded)]
    assert reasons == ["cannot be read: File name too long", "the same content as a.md"]


class Listing(contextlib.AbstractContextManager["Listing"]):
    """What `os.scandir` gave, kept while the disk changes."""

    def __init__(self, entries) -> None:
        self.entries = iter(list(entries))

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def __exit__(self, *_) -> None:
        pass


def test_what_vanishes_after_it_was_listed_is_told(folder, monkeypatch):
    (folder / ".store").mkdir()
    (folder / "linked").symlink_to(".store")
    (folder / "sub" / "c.md").write_text(LONG + "c")
    (folder / "sub" / "deep").mkdir()
    scandir = os.scandir

    def scan(place):
        listing = Listing(scandir(place))
        if Path(place).name == "sub":
            (folder / ".store").rmdir()
            (folder / "sub" / "c.md").unlink()
            (folder / "sub" / "deep").rmdir()
        return listing

    monkeypatch.setattr(os, "scandir", scan)
    gone = "cannot be read: No such file or directory"
    assert skipped(folder) == [("sub/c.md", gone), ("sub/deep/", gone), ("linked", gone)]


def replaced(place: Path) -> Path:
    place.rename(place.with_name(".before"))
    return place


SWAPS = {
    "by a link": (
        lambda sub, outside: replaced(sub / "key.txt").symlink_to(outside / "key.txt"),
        "a link, not a plain file",
    ),
    "by a hard link": (
        lambda sub, outside: replaced(sub / "key.txt").hardlink_to(outside / "key.txt"),
        "replaced while the folder was being read",
    ),
    "with its folder, by a link": (
        lambda sub, outside: replaced(sub).symlink_to(outside),
        "cannot be read: Not a directory",
    ),
    "by a pipe": (lambda sub, _: os.mkfifo(replaced(sub / "key.txt")), "a pipe, not a plain file"),
}


@pytest.mark.parametrize("kind", SWAPS)
def test_a_file_that_is_replaced_between_finding_and_reading_is_not_read(folder, outside, kind):
    swap, reason = SWAPS[kind]
    (folder / "sub" / "key.txt").write_text(LONG)
    (found,) = (each for each in find_files(folder) if each.source == "sub/key.txt")
    assert isinstance(found, FoundFile)
    assert read_file(found, 1_000_000) == LONG.encode()
    swap(folder / "sub", outside)
    with pytest.raises(UnreadableFile) as refusal:
        read_file(found, 1_000_000)
    assert str(refusal.value) == reason
