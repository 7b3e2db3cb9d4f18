"""A run of somebody else whose repository gives git orders: nothing is obeyed, and the file is named.

A row of PLANTED is a file, a link or a pipe put into the repository of a really made run, and the name that
has to be told. Every way to read the repository refuses it, and `studbook verify` lists it. ORDERS holds the
commands that a config can contain; each only creates a file, which must not be there afterwards.
"""

import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import pytest
from support.forged_packs import BOMBS, ONE, write_pack
from support.made_runs import copy_run, shared_run
from support.studbook_cli import studbook

from studbook import open_run as open_as_library
from studbook.errors import IntegrityError
from studbook.experiments.pack.packing import is_packed
from studbook.experiments.pack.unpacking import unpack_run
from studbook.experiments.replay.fold import check_lineage
from studbook.experiments.run.opening import open_run
from studbook.findings import Findings
from studbook.populations.git_layout import CONFIG
from studbook.populations.git_objects import GitObject, commit_object
from studbook.populations.git_store import store
from studbook.populations.lineage import Lineage, rebuild
from studbook.populations.lineage_audit import LineageFiles
from studbook.populations.storage import RunFolder

Plant = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return shared_run(tmp_path_factory)


@pytest.fixture
def run(made: RunFolder, tmp_path: Path) -> RunFolder:
    return copy_run(made, tmp_path / "runs" / "trial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """`place`: what has to be named, from the run folder on."""

    name: str
    place: str
    plant: Plant


def file(place: str, text: str = "touch marker\n") -> Plant:
    def plant(repository: Path) -> None:
        (repository / place).parent.mkdir(parents=True, exist_ok=True)
        (repository / place).write_text(text)

    return plant


def link(place: str) -> Plant:
    """What was there moves away, and a link leads to it, so everything still works."""

    def plant(repository: Path) -> None:
        path = repository / place
        path.rename(repository.parent.parent / "elsewhere")
        path.symlink_to(repository.parent.parent / "elsewhere")

    return plant


def pipe(place: str) -> Plant:
    def plant(repository: Path) -> None:
        (repository / place).unlink(missing_ok=True)
        os.mkfifo(repository / place)

    return plant


def an_object(repository: Path) -> Path:
    """One that every reader needs: the commit of the seed."""
    sha = (repository / "refs/mutants/seed").read_text().strip()
    return repository / "objects" / sha[:2] / sha[2:]


def link_object(repository: Path) -> None:
    link(an_object(repository).relative_to(repository).as_posix())(repository)


def pipe_object(repository: Path) -> None:
    pipe(an_object(repository).relative_to(repository).as_posix())(repository)


def gitfile(repository: Path) -> None:
    repository.rename(repository.parent.parent / "other")
    repository.write_text("gitdir: ../../other\n")


def cut_index(length: int) -> Plant:
    """A pack whose index ends after `length` bytes."""

    def plant(repository: Path) -> None:
        write_pack(repository / "objects", BOMBS["another object than the name says"])
        index = next((repository / "objects/pack").glob("*.idx"))
        index.write_bytes(index.read_bytes()[:length])
        an_object(repository).unlink()

    return plant


def replace_packed_ref(repository: Path) -> None:
    subprocess.run(["git", "--git-dir", repository, "pack-refs", "--all"], check=True)
    sha = "a" * 40
    with (repository / "packed-refs").open("a") as out:
        out.write(f"{sha} refs/replace/{sha}\n")


ORDERS = {
    "a promised object that a command fetches": (
        "[extensions]\n\tpartialClone = other\n"
        '[remote "other"]\n\tpromisor = true\n\turl = .\n\tuploadpack = "touch {marker}; git-upload-pack"\n'
    ),
    "a pager": "[core]\n\tpager = touch {marker}; cat\n[pager]\n\tlog = touch {marker}; cat\n",
    "a file system monitor": "[core]\n\tfsmonitor = touch {marker}\n",
    "a hooks folder": "[core]\n\thooksPath = {marker}-hooks\n",
    "another work tree": "[core]\n\tbare = false\n\tworktree = /\n",
    "an included config": "[include]\n\tpath = {marker}-config\n",
    "a transport command": "[core]\n\tsshCommand = touch {marker}\n\tgitProxy = touch {marker}\n",
    "a filter and a text conversion": (
        '[filter "x"]\n\tsmudge = touch {marker}\n[diff "x"]\n\ttextconv = touch {marker}\n'
    ),
    "an external diff": "[diff]\n\texternal = touch {marker}\n",
    "an alias, an editor, a signature program": (
        '[alias]\n\tlog = "!touch {marker}"\n[core]\n\teditor = touch {marker}\n'
        "[gpg]\n\tprogram = touch {marker}\n[log]\n\tshowSignature = true\n"
    ),
    "a credential helper": '[credential]\n\thelper = "!touch {marker}"\n',
}

A, B = "a" * 40, "b" * 40
PLANTED = (
    *(
        Planted(
            name=f"config: {name}", place="lineage.git/config", plant=file("config", CONFIG.decode() + text)
        )
        for name, text in ORDERS.items()
    ),
    *(
        Planted(name=name, place=f"lineage.git/{place}", plant=file(place, text))
        for name, place, text in (
            ("a hook", "hooks/post-checkout", "#!/bin/sh\ntouch marker\n"),
            ("objects of another folder", "objects/info/alternates", "/somewhere/objects\n"),
            ("objects of another host", "objects/info/http-alternates", "http://127.0.0.1:9/objects\n"),
            ("a config of one work tree", "config.worktree", "[core]\n\tpager = touch marker\n"),
            ("a common folder elsewhere", "commondir", "../../other\n"),
            ("a work tree", "worktrees/one/gitdir", "/somewhere/.git\n"),
            ("a module", "modules/one/config", "[core]\n\tfsmonitor = touch marker\n"),
            ("grafts", "info/grafts", f"{A} {B}\n"),
            ("a shallow end", "shallow", f"{A}\n"),
            ("attributes", "info/attributes", "* filter=x diff=x\n"),
            ("a replacement", f"refs/replace/{A}", f"{B}\n"),
            ("a promised pack", f"objects/pack/pack-{A}.promisor", ""),
            ("an index over packs", "objects/pack/multi-pack-index", "MIDX"),
            ("a remote in the old style", "remotes/origin", "URL: ext::touch% marker\n"),
            ("an index", "index", "DIRC"),
            ("refs in another format", "reftable/tables.list", "x.ref\n"),
            ("a name that controls the terminal", "\x1b[2Jhook", ""),
        )
    ),
    Planted(name="a packed replacement", place="lineage.git/packed-refs", plant=replace_packed_ref),
    Planted(name="the repository as a link", place="lineage.git", plant=link("")),
    Planted(name="a file that names another repository", place="lineage.git", plant=gitfile),
    *(
        Planted(name=f"a link: {place}", place=f"lineage.git/{place}", plant=link(place))
        for place in ("config", "HEAD", "objects", "refs", "refs/mutants", "refs/mutants/seed")
    ),
    Planted(name="a link: an object", place="lineage.git/objects/", plant=link_object),
    *(
        Planted(name=f"a pipe: {place}", place=f"lineage.git/{place}", plant=pipe(place))
        for place in ("config", "packed-refs", "refs/mutants/seed")
    ),
    *(
        Planted(name=f"an index of {length} bytes", place="lineage.git/objects/pack", plant=cut_index(length))
        for length in (4, 8, 100)
    ),
    Planted(name="a pipe: an object", place="lineage.git/objects/", plant=pipe_object),
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_what_git_would_obey_is_refused_by_name(planted, run, attack_row):
    planted.plant(run.lineage)
    with pytest.raises(IntegrityError) as refused:
        check_lineage(open_run(str(run.root), run.root.parent))
    told = str(refused.value)
    findings = Findings()
    if run.lineage.is_dir():
        LineageFiles(run.lineage, findings)
    listed = any(fault.place.startswith(planted.place) for fault in findings.faults)
    attack_row(
        suite="foreign",
        name=f"git, {planted.name}",
        tried=planted.place,
        outcome="refused: named when read, and by verify",
    )
    assert f"{run.root}/{planted.place}".rstrip("/") in told or "\\x1b" in told
    assert "\x1b" not in told
    assert listed or not run.lineage.is_dir()


# -- every verb


def with_orders(run: RunFolder, marker: Path, config: bool = True) -> None:
    """Every order at once, hooks, and a pack that lacks all files, so that git would have to fetch them."""
    git = ["git", "--git-dir", str(run.lineage)]
    subprocess.run([*git, "gc", "-q", "--prune=now"], check=True)
    commits = subprocess.run([*git, "rev-list", "--all"], check=True, capture_output=True).stdout
    (run.lineage / "new").mkdir()
    new = [*git, "pack-objects", "-q", str(run.lineage / "new/pack")]
    subprocess.run(new, input=commits, check=True, capture_output=True)
    shutil.rmtree(run.lineage / "objects/pack")
    (run.lineage / "new").rename(run.lineage / "objects/pack")
    if config:
        text = "".join(ORDERS.values()).replace("{marker}", str(marker))
        (run.lineage / "config").write_text("[core]\n\trepositoryformatversion = 1\n\tbare = true\n" + text)


READS = (
    ("diff", "trial:seed", "m0002"),
    ("export", "trial:m0002", "exported"),
    ("export", "trial", "exported.git", "--git"),
    ("replay", "trial"),
    ("replay", "trial", "--level", "recorded"),
    ("replay", "trial:m0002"),
    ("resume", "trial", "-s", "search.iterations=5"),
    ("evaluate", "trial:m0002", "--papers", "papers", "-s", "sandbox=process"),
    ("verify", "trial"),
    ("pack", "trial", "trial.tar.gz"),
)
"""Verbs that need the repository, and so say no."""
LOOKS = (("ls",), ("show", "trial"), ("show", "trial:m0002"), ("tree", "trial"), ("lineage", "trial:m0002"))
"""Verbs that need the journal only."""
MAYBE = ("report", "trial")
"""Reads files only if the best harness is a mutant."""


@pytest.mark.slow
@pytest.mark.parametrize("verb", [*LOOKS, MAYBE, *READS], ids=" ".join)
def test_no_verb_obeys_a_repository(verb, run, tmp_path, attack_row):
    marker = tmp_path / "marker"
    with_orders(run, marker)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/one.md").write_text("# One\n\n" + "A fact about it was measured in 2021. " * 60)
    done = studbook(*verb, cwd=tmp_path, OPENAI_API_KEY="sk-secret-of-the-reader")
    told = done.stdout + done.stderr
    refused = verb in READS or (verb == MAYBE and done.returncode != 0)
    attack_row(
        suite="foreign",
        name=f"git, studbook {' '.join(verb)}",
        tried="a config full of commands, a pack without files",
        outcome="refused: named" if refused else "contained: only the journal is read",
    )
    assert not marker.exists()
    assert "Traceback" not in told
    assert done.returncode == (1 if refused else 0), told
    assert "lineage.git/config" in told or not refused, told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["papers", "runs"], "nothing half made is left"


@pytest.mark.slow
@pytest.mark.parametrize("verb", READS[:4], ids=" ".join)
def test_files_that_are_missing_are_named_and_not_fetched(verb, run, tmp_path, attack_row):
    with_orders(run, tmp_path / "marker", config=False)
    done = studbook(*verb, cwd=tmp_path)
    attack_row(
        suite="foreign",
        name=f"git, studbook {' '.join(verb)}",
        tried="a pack without files",
        outcome="refused: named",
    )
    assert done.returncode == 1, done.stderr
    assert "not there" in done.stderr
    assert "the copy of the run is incomplete" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["runs"], "nothing half made is left"


def test_the_library_does_not_obey_a_repository(run, tmp_path, attack_row):
    marker = tmp_path / "marker"
    with_orders(run, marker)
    opened = open_as_library(str(run.root))
    attack_row(
        suite="foreign",
        name="git, studbook.open_run",
        tried="a config full of commands, a pack without files",
        outcome="refused: named",
    )
    with pytest.raises(IntegrityError, match=r"lineage\.git/config is not what Studbook wrote"):
        _ = opened.harness("m0002").tree
    assert not marker.exists()


def test_unpack_refuses_a_config_that_gives_orders(run, tmp_path, attack_row):
    file("config", CONFIG.decode() + ORDERS["a pager"])(run.lineage)
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(run.root.rglob("*")):
            if is_packed(path.relative_to(run.root).as_posix()):
                tar.add(path, path.relative_to(run.root.parent).as_posix())
    attack_row(
        suite="foreign",
        name="git, unpack",
        tried="a packed config with a pager",
        outcome="refused: nothing was kept",
    )
    with pytest.raises(IntegrityError, match=r"lineage\.git/config: it is not what Studbook wrote"):
        unpack_run(evil, tmp_path / "others")
    assert list((tmp_path / "others").iterdir()) == []


def test_the_way_to_git_leads_around_the_foreign_repository(run, tmp_path, attack_row):
    """The README's: a new repository, of which every byte was made here."""
    done = studbook("export", "trial", "trial.git", "--git", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    log = ["git", "-C", str(tmp_path / "trial.git"), "log", "--graph", "--oneline", "--all"]
    told = subprocess.run(log, check=True, capture_output=True, text=True).stdout
    attack_row(
        suite="foreign",
        name="git, the README's git log",
        tried="a pager in the run's config",
        outcome="contained: git sees a repository made anew",
    )
    assert told.count("\n* ") + told.startswith("* ") >= 2
    assert (tmp_path / "trial.git/config").read_bytes() == CONFIG
    for ref in ("refs/heads/best", "refs/mutants/seed", "refs/mutants/m0002"):
        assert (tmp_path / "trial.git" / ref).read_bytes() == (run.lineage / ref).read_bytes()


# -- sizes


def in_a_pack(name: str) -> Plant:
    """The seed's commit is only in the pack."""

    def plant(repository: Path) -> None:
        path = an_object(repository)
        path.unlink()
        sha = path.parent.name + path.name
        write_pack(repository / "objects", [(sha if own == ONE else own, data) for own, data in BOMBS[name]])

    return plant


def loose_bomb(repository: Path) -> None:
    path = an_object(repository)
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"commit 200000000\0" + bytes(200_000_000)))


def forged_seed(make: Callable[[Path], str]) -> Plant:
    """A seed with another tree; the loose objects are there, and the commit names the tree."""

    def plant(repository: Path) -> None:
        message = "seed: forged\n\nMutant: seed\nTree-Hash: x\n"
        commit = commit_object(tree=make(repository), parent=None, author="x <x>", seconds=0, message=message)
        store(repository / "objects", [commit], {})
        (repository / "refs/mutants/seed").write_text(f"{commit.sha}\n")

    return plant


def wide_tree(repository: Path) -> str:
    """Ten to the thirtieth folders in three thousand bytes."""
    objects = [GitObject.of("tree", b"")]
    for _ in range(30):
        below = bytes.fromhex(objects[-1].sha)
        objects.append(GitObject.of("tree", b"".join(b"40000 %d\0" % n + below for n in range(10))))
    store(repository / "objects", objects, {})
    return objects[-1].sha


def outside_tree(repository: Path) -> str:
    return "../../../../../../../../../../dev/zero"


SIZES = {
    **{f"in a pack, {name}": in_a_pack(name) for name in BOMBS},
    "a loose object of 200 MB in 200 kB": loose_bomb,
    "a tree of endless folders": forged_seed(wide_tree),
    "a commit whose tree is a device": forged_seed(outside_tree),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_chosen_by_somebody_else_hang_nothing(name, run, attack_row):
    SIZES[name](run.lineage)
    began = process_time()
    with Lineage.existing(run.lineage) as lineage, pytest.raises(IntegrityError):
        lineage.read("seed")
    LineageFiles(run.lineage, Findings())
    spent = process_time() - began
    attack_row(
        suite="foreign",
        name=f"git, {name}",
        tried="the seed's files",
        outcome="refused: damaged",
        seconds=spent,
    )
    assert spent < 20


def test_a_repository_made_anew_is_the_one_the_journal_names_or_none(run, tmp_path):
    population = open_run(str(run.root), run.root.parent).population
    other = {name: replace(mutant, hypothesis="another") for name, mutant in population.mutants.items()}
    with (
        Lineage.existing(run.lineage) as lineage,
        pytest.raises(IntegrityError, match="differs from the journal"),
    ):
        rebuild(lineage, replace(population, mutants=other), tmp_path / "new.git")
