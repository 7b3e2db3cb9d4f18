"""What is built of a checkout: every file is in it, only `studbook` is added, and lost links are told."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.build import build
from support.repository import copy_of_the_repository, tracked_files

PACKAGES = ("evaluate", "evolve", "experiments", "harnesses", "populations", "sandbox", "testbed")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_repository(tmp_path_factory.mktemp("source") / "studbook")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def contents(wheel: Path) -> set[str]:
    """Without the folder of metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file_of_the_packages_and_adds_no_other_name(wheel: Path):
    named = {
        name for name in tracked_files() if name.startswith("studbook/") and Path(name).name not in PACKAGES
    }
    linked = {f"studbook/{name}" for name in tracked_files() if name.split("/")[0] in PACKAGES}
    assert contents(wheel) == named | linked
    assert "studbook/py.typed" in contents(wheel)
    assert "studbook/harnesses/agentic_self_instruct/prompts/refine.md" in contents(wheel)


def test_the_source_distribution_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path):
    sdist = build("sdist", source, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", folder, tmp_path / "again")
    assert contents(again) == contents(wheel)


def test_an_editable_installation_adds_no_other_name_either(source: Path, tmp_path: Path):
    """A path file that names the checkout would make a bare `import evaluate` work everywhere."""
    editable = build("editable", source, tmp_path / "editable")
    with zipfile.ZipFile(editable) as archive:
        finder = next(name for name in archive.namelist() if name.endswith("_finder.py"))
        text = archive.read(finder).decode()
        (path_file,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(".pth"))
    assert f"MAPPING: dict[str, str] = {{'studbook': {str(source / 'studbook')!r}}}" in text
    assert path_file.startswith("import __editable__")


def test_a_checkout_that_lost_its_links_says_so_in_one_line(source: Path, tmp_path: Path):
    """As git leaves it where links are switched off, or a zip file: a small text file for each link."""
    copy = copy_of_the_repository(tmp_path / "copy")
    for name in PACKAGES:
        (copy / "studbook" / name).unlink()
        (copy / "studbook" / name).write_text(f"../{name}")
    done = subprocess.run(
        [sys.executable, "-c", "import studbook.evolve.loop"], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: studbook: this checkout has lost its symbolic links")
    assert "git config core.symlinks true && git checkout -- studbook" in last
