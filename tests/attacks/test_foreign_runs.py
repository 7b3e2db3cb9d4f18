"""Somebody else's run, and the folder it came in, used as their reader would: what does it reach?

Its maker is another user with a state folder of their own, made it without bubblewrap, and its harness
creates a file wherever it is run uncontained. The reader has keys in the environment. An attack is one line.
"""

import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.echo_endpoint import EchoEndpoint
from support.made_runs import copy_run, shared_run
from support.studbook_cli import REPOSITORY, studbook
from support.tampering import change_reply, record_keys

from studbook.experiments.pack.packing import is_packed
from studbook.experiments.spec.loading import read_resolved, validate_spec, write_resolved
from studbook.populations.storage import RunFolder

pytestmark = pytest.mark.slow

MAKERS_KEY = "sk-makers-0123456789"
READERS = {"OTHER_SERVICE_TOKEN": "sk-readers-one-12345", "OPENAI_API_KEY": "sk-readers-two-67890"}
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent.sock"}

NOSY = """

def _elsewhere():
    import os

    try:
        if not os.path.exists({asleep!r}):
            open({marker!r}, "a").close()
    except OSError:
        pass


_elsewhere()
"""
SPEC = """\
version: 1
name: shared
harness: {harness}
corpus: {{synthetic: {{seed: 1}}, splits: {{train: 1, validation: 1, test: 1}}}}
models:
  retries: 1
  endpoints: {{other: {{kind: openai, base_url: "{base_url}", api_key_env: OTHER_SERVICE_TOKEN}}}}
  roles: {{weak: {{endpoint: other, model: testbed-weak}}}}
sandbox: process
evaluator: {{max_rounds: 2, confirm: false}}
search: {{iterations: 0}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`pack`: what its maker sends. `run`: the maker's own folder, with their mark."""

    pack: Path
    run: RunFolder
    marker: Path
    endpoint: EchoEndpoint
    path: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("maker")
    marker, asleep = folder / "marker", folder / "asleep"
    shutil.copytree(REPOSITORY / "harnesses" / "agentic_self_instruct", folder / "harness")
    with (folder / "harness" / "attempts.py").open("a") as file:
        file.write(NOSY.format(asleep=str(asleep), marker=str(marker)))
    asleep.touch()
    bare = {"XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder), "PATH": bare_path(folder)}
    with EchoEndpoint({MAKERS_KEY}, {}) as endpoint:
        spec = SPEC.format(harness=folder / "harness", base_url=endpoint.base_url)
        (folder / "spec.yaml").write_text(spec)
        for words in (
            ["run", "spec.yaml", "--name", "shared"],
            ["pack", "shared", "shared.studbook.tar.gz"],
        ):
            done = studbook(*words, cwd=folder, **bare, OTHER_SERVICE_TOKEN=MAKERS_KEY)
            assert done.returncode == 0, done.stderr
        asleep.unlink()
        assert not marker.exists()
        yield Made(
            pack=folder / "shared.studbook.tar.gz",
            run=RunFolder(folder / "runs" / "shared"),
            marker=marker,
            endpoint=endpoint,
            path=bare["PATH"],
        )


def bare_path(folder: Path) -> str:
    """A PATH without bubblewrap, as on macOS."""
    (folder / "bin").mkdir()
    for program in ("git", "sh", "env", "rm"):
        found = shutil.which(program)
        if found is not None:
            (folder / "bin" / program).symlink_to(found)
    return str(folder / "bin")


@pytest.fixture
def reader(made: Made, tmp_path: Path) -> Path:
    """The folder in which the reader works; their own state is the tests'."""
    made.marker.unlink(missing_ok=True)
    made.endpoint.headers_seen.clear()
    return tmp_path


# -- how a run comes to its reader


def unpacked(made: Made, reader: Path) -> None:
    done = studbook("unpack", str(made.pack), cwd=reader)
    assert done.returncode == 0, done.stderr


def copied_with_its_makers_mark(made: Made, reader: Path) -> None:
    shutil.copytree(made.run.root, reader / "runs" / "shared")
    assert RunFolder(reader / "runs" / "shared").provenance.exists()


def with_the_mark_of_a_run_of_the_readers(made: Made, reader: Path) -> None:
    spec = "version: 1\nname: mine\ncorpus: {splits: {train: 1, validation: 1, test: 1}}\nsandbox: process\n"
    (reader / "mine.yaml").write_text(f"{spec}evaluator: {{max_rounds: 1}}\nsearch: {{iterations: 0}}\n")
    done = studbook("run", "mine.yaml", "--name", "mine", cwd=reader)
    assert done.returncode in {0, 3}, done.stderr
    unpacked(made, reader)
    shutil.copyfile(reader / "runs/mine/provenance", reader / "runs/shared/provenance")


def extended_by_somebody_else(made: Made, reader: Path) -> None:
    """It was adopted once, and its sender replaced what lay in its folder."""
    unpacked(made, reader)
    assert studbook("adopt", "shared", cwd=reader).returncode == 0
    folder = RunFolder(reader / "runs/shared")
    raw = yaml.safe_load(folder.spec.read_text())
    raw["workers"] = 3
    folder.spec.write_text(write_resolved(validate_spec(raw, "the attack")))


WAYS = {
    "unpacked": unpacked,
    "copied, its maker's mark with it": copied_with_its_makers_mark,
    "with the mark of another run of the reader's": with_the_mark_of_a_run_of_the_readers,
    "adopted, then changed": extended_by_somebody_else,
}
NAMED = (
    "-s",
    "models.endpoints.other.base_url={url}",
    "-s",
    "models.endpoints.other.api_key_env=OTHER_SERVICE_TOKEN",
)
USES: dict[str, Sequence[str]] = {
    "replay recorded": ("replay", "shared", "--level", "recorded"),
    "replay recorded of a harness": ("replay", "shared:seed", "--level", "recorded"),
    "replay live, endpoints named": ("replay", "shared", "--level", "live", "--replicates", "1", *NAMED),
    "resume, endpoints named": ("resume", "shared", "-s", "search.iterations=1", *NAMED),
    "evaluate of a harness": ("evaluate", "shared:seed", "--papers", "paper.md"),
}


def use(made: Made, reader: Path, words: Sequence[str], **extra: str) -> tuple[int, str]:
    (reader / "paper.md").write_text("# Valves\n\n" + "A valve opens at 3 bar. It closes at 2 bar.\n" * 60)
    given = [word.format(url=made.endpoint.base_url) for word in words]
    variables = {**READERS, "OTHER_SERVICE_TOKEN": MAKERS_KEY, "PATH": made.path, **extra}
    done = studbook(*given, cwd=reader, **variables)
    return done.returncode, done.stdout + done.stderr


CASES = [
    *((way, "replay recorded") for way in WAYS),
    *(("unpacked", name) for name in USES if name != "replay recorded"),
]


@pytest.mark.parametrize(("way", "how"), CASES, ids=[f"{way}, {how}" for way, how in CASES])
def test_without_a_container_its_code_does_not_run(way, how, made, reader, attack_row):
    WAYS[way](made, reader)
    code, said = use(made, reader, USES[how], **NO_ENGINE)
    reached = made.marker.exists()
    attack_row(
        suite="foreign",
        name=f"a harness that runs uncontained ({way})",
        tried=f"{how}, no Docker",
        outcome="through: it ran on this machine" if reached else "refused: asks for --sandbox",
    )
    assert not reached
    assert code == 2, said
    assert "--sandbox process" in said


def test_a_limit_in_a_flag_does_not_name_the_sandbox(made, reader):
    unpacked(made, reader)
    words = [*USES["evaluate of a harness"], "-s", "sandbox.limits.memory_megabytes=600"]
    code, said = use(made, reader, words, STUDBOOK_SPEC_SANDBOX="process", **NO_ENGINE)
    assert (code, made.marker.exists()) == (2, False), said
    assert "--sandbox process" in said


@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("how", ["replay recorded", "replay recorded of a harness", "evaluate of a harness"])
def test_with_docker_its_code_runs_in_containers(how, made, reader, attack_row):
    unpacked(made, reader)
    code, said = use(made, reader, USES[how])
    reached = made.marker.exists()
    attack_row(
        suite="foreign",
        name="a harness that runs uncontained (unpacked)",
        tried=f"{how}, with Docker",
        outcome="through: it ran on this machine" if reached else "contained: a container, said on screen",
    )
    assert not reached
    assert code == 0, said
    assert "sandbox  docker" in said


def test_who_asks_for_it_gets_it(made, reader):
    """The attack works: without this the rows above would show nothing."""
    unpacked(made, reader)
    code, said = use(made, reader, [*USES["replay recorded"], "--sandbox", "process"], **NO_ENGINE)
    assert (code, made.marker.exists()) == (0, True), said
    assert "sandbox  child processes" in said


# -- keys

SENT = {
    "replay live": ("replay", "shared", "--level", "live", "--replicates", "1", "--sandbox", "process"),
    "resume": ("resume", "shared", "-s", "search.iterations=1", "--sandbox", "process"),
    "replay live, the address named": (
        *("replay", "shared", "--level", "live", "--sandbox", "process"),
        *NAMED[:2],
    ),
    "replay live, the variable named": (
        *("replay", "shared", "--level", "live", "--sandbox", "process"),
        *NAMED[2:],
    ),
}


@pytest.mark.parametrize("how", SENT)
def test_no_variable_that_only_the_run_names_is_sent(how, made, reader, attack_row):
    unpacked(made, reader)
    code, said = use(made, reader, SENT[how], **READERS)
    sent = [key for key in READERS.values() if key in str(made.endpoint.headers_seen)]
    attack_row(
        suite="foreign",
        name="a spec that names a variable and an address of its own",
        tried=how,
        outcome=f"through: {len(sent)} keys were sent" if sent else "refused: asks for both to be named",
    )
    assert not sent
    assert (code, made.endpoint.headers_seen) == (2, []), said
    assert "models.endpoints.other" in said


# -- code

NOT_OURS = "subprocess:Popen"


def naming(place: str, made: Made, reader: Path, name: str) -> None:
    """The run as its sender would change it: `place` names code, called with a command or imported."""
    unpacked(made, reader)
    folder = RunFolder(reader / "runs/shared")
    raw = read_resolved(folder.spec).model_dump(mode="json")
    params = {"args": ["touch", str(made.marker)]} if name == NOT_OURS else {}
    *parents, last = place.split(".")
    section = raw
    for parent in parents:
        section = section[parent]
    named = {"name": name, "params": params}
    section[last] = [named] if last == "readers" else name if last == "kind" else named
    folder.spec.write_text(write_resolved(validate_spec(raw, "the attack")))


def raw_pack(folder: RunFolder, file: Path) -> None:
    """As a sender packs who does not care whether it verifies."""
    with tarfile.open(file, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.root.rglob("*")):
            name = path.relative_to(folder.root).as_posix()
            if path.is_file() and is_packed(name):
                tar.add(path, f"{folder.name}/{name}")


def receive(made: Made, reader: Path) -> None:
    raw_pack(RunFolder(reader / "runs/shared"), reader / "sent.tar.gz")
    use(made, reader, ["unpack", "sent.tar.gz", "--name", "again"])


def reading(*commands: Sequence[str]) -> Callable[[Made, Path], None]:
    def act(made: Made, reader: Path) -> None:
        for words in commands:
            use(made, reader, words)

    return act


READ = {
    "unpack": receive,
    "verify, show, report": reading(["verify", "shared"], ["show", "shared"], ["report", "shared"]),
    "replay recorded": reading(["replay", "shared", "--level", "recorded"]),
    "resume": reading(["resume", "shared", *NAMED, "-s", "search.iterations=1", "--sandbox", "process"]),
}
PLACES = (
    "evaluator.predicate",
    "search.selection",
    "corpus.readers",
    "display",
    "models.endpoints.other.kind",
)
CODE = [
    *(("evaluator.predicate", NOT_OURS, how) for how in READ),
    *((place, "evil:Rule", "replay recorded") for place in PLACES),
]


@pytest.mark.parametrize(("place", "name", "how"), CODE, ids=[", ".join(case) for case in CODE])
def test_no_code_that_only_the_run_names_is_imported_or_called(place, name, how, made, reader, attack_row):
    naming(place, made, reader, name)
    (reader / "evil.py").write_text(f"open({str(made.marker)!r}, 'a').close()\n\n\nclass Rule:\n    pass\n")
    READ[how](made, reader)
    reached = made.marker.exists()
    attack_row(
        suite="foreign",
        name=f"a spec whose {place} is {name}",
        tried=how,
        outcome="through: it was imported" if reached else "refused: not imported",
    )
    assert not reached


def test_code_in_a_changed_reply_of_ones_own_run_is_not_run(made, reader, tmp_path_factory, attack_row):
    """The mark of a run does not cover its call records, whose replies become code in a replay."""
    run = copy_run(shared_run(tmp_path_factory), reader / "runs" / "trial")
    code = (made.run.root.parents[1] / "harness" / "attempts.py").read_text()
    for key in record_keys(run, "implementer"):
        change_reply(run, key, f"```write attempts.py\n{code}\n```\n```done\nbetter\n```")
    status, said = use(made, reader, ["replay", "trial", "--level", "recorded"], **NO_ENGINE)
    reached = made.marker.exists()
    attack_row(
        suite="foreign",
        name="code in a recorded reply of the reader's own run",
        tried="replay recorded, no Docker",
        outcome="through: it ran on this machine" if reached else "refused: not the reply of the journal",
    )
    assert not reached
    assert status == 1, said
    assert "is not the reply that the journal names" in said


# -- a `.env` in the folder

DOTENV = {
    "an address for the reader's key": ("OPENAI_BASE_URL={url}\n", ()),
    "an endpoint for another variable": (
        (
            "STUDBOOK_SPEC_MODELS__ENDPOINTS__NEW="
            "{{kind: openai, base_url: '{url}', api_key_env: OTHER_SERVICE_TOKEN}}\n"
            "STUDBOOK_SPEC_MODELS__DEFAULT__ENDPOINT=new\n"
        ),
        (),
    ),
    "process instead of docker": (
        "STUDBOOK_SPEC_SANDBOX=process\n",
        ("-s", "models.default.endpoint=testbed"),
    ),
    "code": ("STUDBOOK_SPEC_SEARCH__SELECTION=evil:Rule\n", ("-s", "models.default.endpoint=testbed")),
    "its own state folder, for a forged mark": ("XDG_STATE_HOME={state}\n", ()),
}


@pytest.mark.parametrize("what", DOTENV)
def test_a_dotenv_of_the_folder_redirects_nothing(what, made, reader, attack_row):
    text, flags = DOTENV[what]
    state = made.run.root.parents[1] / "state"
    (reader / ".env").write_text(text.format(url=made.endpoint.base_url, state=state))
    (reader / "evil.py").write_text(f"open({str(made.marker)!r}, 'a').close()\n\n\nclass Rule:\n    pass\n")
    harness = made.run.root.parents[1] / "harness"
    (reader / "own.yaml").write_text(
        f"version: 1\nname: own\nharness: {harness}\nsandbox: docker\n"
        "models: {default: {endpoint: openai, model: m}, patience_minutes: 0, retries: 0}\n"
        "corpus: {splits: {train: 1, validation: 1, test: 1}}\nsearch: {iterations: 0}\n"
    )
    words: Sequence[str] = ("run", "own.yaml", *flags)
    if "mark" in what:
        copied_with_its_makers_mark(made, reader)
        words = USES["replay recorded"]
    code, said = use(made, reader, words, **READERS, **NO_ENGINE)
    sent = [key for key in READERS.values() if key in str(made.endpoint.headers_seen)]
    reached = bool(sent) or made.marker.exists()
    attack_row(
        suite="foreign",
        name=f"a .env with {what}",
        tried=words[0],
        outcome=f"through: {sent or 'code ran'}" if reached else "refused: asks for a flag",
    )
    assert not reached
    assert code == 2, said
