"""Folders and paths that lead elsewhere: papers from outside their folder, results over the user's files.

A row is a folder of papers made to read, or to draw, what it must not: nothing of it becomes a paper, and
`studbook papers stats` names it. Or it is a place to write to, where something is that must not be lost.
Adding an attack is one line.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from support.made_runs import shared_run
from support.studbook_cli import studbook

from studbook.errors import ManifestError
from studbook.evaluate.near_duplicate_papers import find_near_duplicates
from studbook.evaluate.papers import make_paper, read_corpus
from studbook.evaluate.splits import SplitSizes, draw_splits
from studbook.harnesses.folder import find_left_out, read_harness, write_harness
from studbook.populations.storage import RunFolder
from studbook.testbed.fakes import fake_harness
from studbook.testbed.papers.synthesis import synthetic_papers, write_papers

MARK = "MARKER-PRIVATE"
SECRET = f"# Private notes\n\n{f'A line outside of the folder, with {MARK} in it. ' * 100}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lure:
    """`plant(papers, secret)` makes `told` in a folder of papers; `secret` is a file outside of it."""

    name: str
    plant: Callable[[Path, Path], object]
    told: str = "notes.md"


def link_to_link(papers: Path, secret: Path) -> None:
    (papers / "a").symlink_to(secret)
    (papers / "notes.md").symlink_to("a")


LURES = (
    Lure(name="absolute link", plant=lambda papers, secret: (papers / "notes.md").symlink_to(secret)),
    Lure(
        name="relative link",
        plant=lambda papers, secret: (papers / "notes.md").symlink_to(
            f"../{secret.parent.name}/{secret.name}"
        ),
    ),
    Lure(name="link to a link", plant=link_to_link),
    Lure(
        name="linked folder",
        plant=lambda papers, secret: (papers / "more").symlink_to(secret.parent),
        told="more",
    ),
    Lure(name="hard link", plant=lambda papers, secret: os.link(secret, papers / "notes.md")),
    Lure(
        name="link into /proc", plant=lambda papers, _: (papers / "notes.md").symlink_to("/proc/self/environ")
    ),
    Lure(name="named pipe", plant=lambda papers, _: os.mkfifo(papers / "notes.md")),
)


@pytest.mark.parametrize("lure", LURES, ids=lambda lure: lure.name)
def test_a_folder_of_papers_leads_out(lure, tmp_path, attack_row):
    papers, secret = tmp_path / "papers", tmp_path / "private" / "notes.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    write_papers(papers, 2, seed=0)
    lure.plant(papers, secret)
    began = monotonic()
    stats = studbook("papers", "stats", "papers", cwd=tmp_path, timeout=60, SECRET_VARIABLE=SECRET[:3_000])
    read = read_corpus(papers).papers
    is_out = any(MARK in paper.text for paper in read)
    is_told = f"  {lure.told}: " in stats.stdout
    attack_row(
        suite="paths",
        name=f"papers: {lure.name}",
        tried="a file outside of the folder, read and sent to endpoints",
        outcome=f"refused{'' if is_told else ', in silence'}",
        seconds=monotonic() - began,
    )
    assert not is_out
    assert len(read) == 2
    assert is_told, stats.stdout


def test_what_other_tools_keep_in_a_harness_folder(tmp_path, attack_row):
    folder = tmp_path / "harness"
    write_harness(fake_harness(), folder)
    (folder / ".git").symlink_to("/")
    (folder / ".env").write_text(f"OPENAI_API_KEY={MARK}")
    (folder / "agent.py~").write_text(MARK)
    os.mkfifo(folder / ".pipe")
    try:
        tree = read_harness(folder)
        outcome = "contained: left out and named"
    except ManifestError as error:
        tree, outcome = None, f"the harness cannot be used: {error}"
    attack_row(
        suite="paths", name="harness: hidden links, keys, pipes", tried="become part of it", outcome=outcome
    )
    assert tree is not None
    assert tree.tree_hash == fake_harness().tree_hash
    assert find_left_out(folder) == (".env", ".git/", ".pipe", "agent.py~")


SEEDS = range(40)


def test_versions_of_one_paper_in_training_and_sealed_test(attack_row):
    papers = list(synthetic_papers(10, seed=4))
    papers += [make_paper(f"{papers[0].text}\n\nVersion {number}.", f"v{number}.md") for number in (2, 3)]
    sizes = SplitSizes(train=4, validation=3, test=3)
    group = {paper.paper_id for paper in papers if paper.text.startswith(papers[0].text)}

    def apart(groups) -> int:
        """Random seeds with which the versions are in more than one split."""
        drawn = [draw_splits(papers, sizes, seed, groups).paper_ids() for seed in SEEDS]
        return sum(sum(bool(group & set(ids)) for ids in splits.values()) > 1 for splits in drawn)

    before, after = apart(()), apart(find_near_duplicates(papers))
    attack_row(
        suite="paths",
        name="papers: versions of one paper in several splits",
        tried=f"3 versions among 12 papers, {len(SEEDS)} random seeds",
        outcome=f"refused: {after} of {len(SEEDS)} draws (without the rule, {before})",
    )
    assert before > len(SEEDS) // 2, "the attack does nothing"
    assert after == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`plant` makes what is at `out`; `stands`: it is still there. `is_refused`: with exit code 2."""

    name: str
    plant: Callable[[Path], object]
    stands: Callable[[Path], bool]
    is_refused: bool = True
    umask: int = 0o022


def link_to_notes(out: Path) -> None:
    out.with_name("notes").write_text("mine")
    out.symlink_to("notes")


PLACES = (
    Place(
        name="notes of the user",
        plant=lambda out: out.write_text("mine"),
        stands=lambda out: out.read_text() == "mine",
    ),
    Place(
        name="a link to notes",
        plant=link_to_notes,
        stands=lambda out: out.is_symlink() and out.read_text() == "mine",
    ),
    Place(name="a pipe that nobody reads", plant=os.mkfifo, stands=Path.is_fifo),
    Place(
        name="a link to a device",
        plant=lambda out: out.symlink_to("/dev/null"),
        stands=lambda out: out.is_symlink() and Path("/dev/null").is_char_device(),
        is_refused=False,
    ),
    Place(
        name="a link to what is coming",
        plant=lambda out: out.symlink_to("coming"),
        stands=lambda out: out.is_symlink() and out.with_name("coming").is_file(),
        is_refused=False,
    ),
    Place(
        name="a new file under umask 077",
        plant=lambda out: None,
        stands=lambda out: out.stat().st_mode & 0o077 == 0,
        is_refused=False,
        umask=0o077,
    ),
)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["report", "pack"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_result_over_what_is_there(place, verb, made, tmp_path, attack_row):
    out = tmp_path / "out"
    place.plant(out)
    option = ("--out", "out") if verb == "report" else ("out",)
    before = os.umask(place.umask)
    began = monotonic()
    try:
        done = studbook(verb, made.root.as_posix(), *option, cwd=tmp_path, timeout=60)
    finally:
        os.umask(before)
    attack_row(
        suite="paths",
        name=f"{verb} to {place.name}",
        tried="replaced, lost, or open to others",
        outcome="refused" if place.is_refused else "contained: written to, and what was there stays",
        seconds=monotonic() - began,
    )
    assert place.stands(out)
    assert done.returncode == (2 if place.is_refused else 0), done.stderr
