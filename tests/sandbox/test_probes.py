"""What the probes say of the sandboxes of this machine, and what each judge makes of what a box told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studbook.errors import SandboxError
from studbook.sandbox.contract import BoxStatus, Outcome
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.probes.deep import (
    Visit,
    judge_cpu,
    judge_deadline,
    judge_memory,
    judge_swap,
    leftovers,
    probe_limits,
    visit,
)
from studbook.sandbox.probes.guest.census import fingerprint
from studbook.sandbox.probes.judges import (
    LIMITS,
    State,
    enforced,
    judge_environment,
    judge_exec,
    judge_file_size,
    judge_mounts,
    judge_other_places,
    judge_root,
    judge_section,
    judge_settings,
    judge_user,
    missing,
    reading,
    secrets_of,
)
from studbook.sandbox.process_box import ProcessSandbox

MIB = 1 << 20
MEMORY = {"held": 53 * MIB, "deaths": 1, "asked": 144 * MIB, "swap_total": 0, "swap_allowed": 0}
CPU = {"share": 0.5, "seconds": 1.6, "cores": 2, "periods": 16, "throttled": 16, "quota": 0.5, "idle": 2.0}
FINISHED = Outcome(status=BoxStatus.FINISHED, detail="returned", stderr_tail="", seconds=1.0)


@pytest.mark.docker
@pytest.mark.slow
def test_a_docker_box_here_holds_every_limit_that_can_be_tried(docker_engine: None):
    sandbox = DockerSandbox.connect()
    try:
        readings = list(probe_limits(sandbox, os.environ))
    finally:
        sandbox.close()
    assert [each for each in readings if each.state is State.NOT_ENFORCED] == []
    assert {each.limit for each in readings if each.state is State.UNTRIED} <= {"swap", "cpu"}
    assert sorted(each.limit for each in readings) == sorted(LIMITS)
    assert all(each.measured for each in readings)


@pytest.mark.slow
def test_a_plain_process_box_holds_few_and_says_so(tmp_path: Path):
    readings = {each.limit: each for each in probe_limits(ProcessSandbox(None, folder=tmp_path), os.environ)}
    holes = {name for name, each in readings.items() if each.is_hole}
    assert holes >= {"network", "read-only root", "environment", "memory", "processes"}
    assert readings["deadline"].state is readings["removal"].state is State.ENFORCED
    assert readings["engine's seccomp"].state is State.UNTRIED
    assert readings["memory"].next_step.endswith("use Docker for code that is not your own")
    assert list(tmp_path.iterdir()) == []


def test_the_value_of_no_variable_leaves_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = visit(ProcessSandbox(None, folder=tmp_path), "census").lines
    values = [value for value in os.environ.values() if len(value) > 30]
    assert told
    assert not [value for value in values for line in told if value in line]


class NoBox:
    """A sandbox whose first box runs and whose others do not."""

    name = "docker"
    isolates_untrusted_code = True
    identity: dict[str, str] = {}  # noqa: RUF012 (the contract's)

    def __init__(self, folder: Path) -> None:
        self._first: ProcessSandbox | None = ProcessSandbox(None, folder=folder)

    def run(self, job, handler):
        first, self._first = self._first, None
        if first is None:
            raise SandboxError("Docker, creating a box: NanoCPUs can not be set")
        return first.run(job, handler)

    def close(self) -> None:
        """Nothing is kept."""


def test_a_box_that_does_not_start_leaves_its_limits_untried_and_the_rest_goes_on(tmp_path: Path):
    readings = {each.limit: each for each in probe_limits(NoBox(tmp_path), {})}
    for name in ("memory", "swap", "processes", "cpu", "deadline", "output", "log", "removal"):
        assert readings[name].state is State.UNTRIED
        assert readings[name].measured == "Docker, creating a box: NanoCPUs can not be set"
        assert not readings[name].is_hole


def test_when_no_box_runs_at_all_that_is_an_error(tmp_path: Path):
    nowhere = NoBox(tmp_path)
    list(probe_limits(nowhere, {}))
    with pytest.raises(SandboxError, match="NanoCPUs"):
        list(probe_limits(nowhere, {}))


def test_what_is_left_of_a_box_is_named(tmp_path: Path):
    token = "1122334455667788"
    sandbox = ProcessSandbox(None, folder=tmp_path)
    assert leftovers(sandbox, token) == []
    daemon = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)", token],
        stdout=subprocess.PIPE,
    )
    with daemon:
        try:
            assert daemon.stdout is not None
            daemon.stdout.readline()  # before that its command line may not be there yet
            assert leftovers(sandbox, token) == [f"process {daemon.pid}"]
        finally:
            daemon.kill()


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, State.ENFORCED, "held 53 MiB together where 64 are allowed, then the kernel killed one"),
        ({"deaths": 0, "held": 144 * MIB}, State.NOT_ENFORCED, "held 144 MiB"),
        ({"held": 120 * MIB}, State.NOT_ENFORCED, "held 120 MiB"),  # somebody else's limit ended one
        ({"held": 120 * MIB, "swap_total": MIB}, State.ENFORCED, "held 120 MiB"),  # that is swap's to tell
    ],
)
def test_memory_is_limited_when_the_kernel_ended_a_process(change, state, words):
    verdict = judge_memory(Visit(outcome=FINISHED, facts={**MEMORY, **change}), 64 * MIB)
    assert verdict.state is state
    assert words in verdict.measured


@pytest.mark.parametrize(
    ("status", "state"), [(BoxStatus.OUT_OF_LIMITS, State.ENFORCED), (BoxStatus.CRASHED, State.UNTRIED)]
)
def test_an_engine_may_end_the_whole_box_for_its_memory(status, state):
    outcome = Outcome(status=status, detail="over 64", stderr_tail="", seconds=1.0)
    assert judge_memory(Visit(outcome=outcome), 64 * MIB).state is state


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, State.UNTRIED, "no swap, and the kernel allows none"),
        ({"swap_allowed": None}, State.UNTRIED, "no swap, and the kernel reports no limit"),
        ({"swap_allowed": 64 * MIB}, State.NOT_ENFORCED, "64 MiB in addition to memory"),
        ({"swap_allowed": 1 << 60}, State.NOT_ENFORCED, "any amount in addition to memory"),
        ({"swap_total": 512 * MIB}, State.ENFORCED, "53 MiB held with 512 MiB of swap available"),
        ({"swap_total": 512 * MIB, "held": 120 * MIB}, State.NOT_ENFORCED, "120 MiB held"),
    ],
)
def test_swap_is_judged_by_what_was_held_and_by_the_kernels_own_account(change, state, words):
    verdict = judge_swap({**MEMORY, **change}, 64 * MIB)
    assert verdict.state is state
    assert words in verdict.measured


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, State.ENFORCED, "0.50 of a core in 1.6 s where 0.5 is allowed; throttled 16 times"),
        ({"share": 1.9}, State.NOT_ENFORCED, "1.90 of a core"),
        ({"share": 0.3, "periods": 0, "throttled": 0}, State.NOT_ENFORCED, "reports no CPU quota"),
        ({"share": 0.3, "throttled": 0, "quota": 1.5}, State.NOT_ENFORCED, "the kernel's quota is 1.5"),
        ({"share": 0.3, "throttled": 0}, State.ENFORCED, "quota is 0.5, and a busy machine left less"),
        ({"periods": None, "throttled": None, "quota": None}, State.ENFORCED, "while 1.25 cores were idle"),
        ({"periods": None, "throttled": None, "quota": None, "idle": 0.0}, State.UNTRIED, "try again"),
        ({"periods": None, "throttled": None, "quota": None, "idle": None}, State.UNTRIED, "try again"),
    ],
)
def test_a_small_share_of_the_processor_alone_proves_nothing(change, state, words):
    verdict = judge_cpu({**CPU, **change})
    assert verdict.state is state
    assert words in verdict.measured


@pytest.mark.parametrize(
    ("status", "ended_at", "state", "is_hole"),
    [
        (BoxStatus.TIMED_OUT, 101.2, State.ENFORCED, False),
        (BoxStatus.TIMED_OUT, 104.0, State.NOT_ENFORCED, False),  # late, and yet ended
        (BoxStatus.FINISHED, 107.0, State.NOT_ENFORCED, True),
    ],
)
def test_a_deadline_is_held_within_two_seconds(status, ended_at, state, is_hole):
    outcome = Outcome(status=status, detail="", stderr_tail="", seconds=1.0)
    verdict = judge_deadline(Visit(outcome=outcome, heard_at=100.0, ended_at=ended_at))
    assert verdict.state is state
    assert reading("deadline", verdict, "docker").is_hole is is_hole


def test_a_root_that_only_rights_protect_is_not_read_only():
    assert judge_root({"root": {"/": "EROFS", "/etc": "EROFS"}}) == enforced(
        "no file could be created in any of 2 system folders"
    )
    assert judge_root({"root": {"/": "EROFS", "/etc": "EACCES"}}).state is State.NOT_ENFORCED
    assert judge_root({"root": {"/": ""}}).measured == "a file could be created in /"


def test_an_empty_tmpfs_of_the_engine_is_a_place_to_write_and_no_foreign_mount():
    tmpfs = {"place": "/run", "kind": "tmpfs", "error": "", "is_empty_tmpfs": True}
    home = {"place": "/home", "kind": "ext4", "error": "EROFS", "is_empty_tmpfs": False}
    assert judge_mounts({"mounts": [tmpfs]}).state is State.ENFORCED
    assert judge_other_places({"mounts": [tmpfs]}) == missing("/run writable")
    assert judge_mounts({"mounts": [tmpfs, home]}) == missing("/home; writable: none")
    assert judge_other_places({"mounts": [home]}).state is State.ENFORCED


def test_a_file_that_could_not_be_written_at_all_says_nothing_of_its_size():
    assert judge_file_size({"file_size": "EFBIG"}).state is State.ENFORCED
    assert judge_file_size({"file_size": ""}).state is State.NOT_ENFORCED
    assert judge_file_size({"file_size": "EACCES"}).state is State.UNTRIED
    assert judge_exec({"exec": {"/tmp": "ENOENT"}}).state is State.UNTRIED


def test_becoming_root_counts_as_being_root():
    assert judge_user({"user": 65534, "become_root": ""}).state is State.NOT_ENFORCED
    assert judge_user({"user": 65534, "become_root": "EPERM"}).state is State.ENFORCED


def test_settings_that_only_the_user_protects_are_named():
    told = judge_settings({"settings": {"/proc/sys": "refused", "/sys": "read-only"}})
    assert told == missing("not read-only, protected only by the box's user id: /proc/sys")


def test_a_section_that_failed_is_untried_and_names_its_failure():
    told = judge_section(judge_root, {"failure": "KeyError: 'x'"}, "read-only root", "docker")
    assert (told.state, told.measured) == (State.UNTRIED, "KeyError: 'x'")


def test_common_short_and_image_variables_are_no_secrets():
    machine = {
        "PATH": "/usr/bin:/bin",
        "SHORT": "1",
        "VERSION": "3.12.0-slim",
        "KEY": "sk-12345678",
        "OLD": "x" * 9,
    }
    hidden = secrets_of(machine, {"VERSION": "3.12.0-slim", "OLD": "another value"})
    assert sorted(hidden.values()) == ["KEY", "OLD"]
    told = {"fingerprints": [fingerprint(b"KEY=sk-12345678"), fingerprint(b"A=b")], "processes": 3}
    assert judge_environment(told, hidden) == missing("a box could read KEY")
    assert judge_environment({**told, "fingerprints": []}, hidden).state is State.ENFORCED
