"""The hardening of a container, written out once more by hand."""

from studbook.sandbox.contract import Limits
from studbook.sandbox.docker_box import GVISOR_TASKS, box_config, with_runtime

LIMITS = Limits(
    memory_bytes=1000, cpus=0.5, processes=7, open_files=9, tmpfs_bytes=2000, tmpfs_inodes=11, frame_bytes=5
)
CONFIG = box_config("sha256:abc", LIMITS, {"a": "b"}, ["/data"])
HOST = CONFIG["HostConfig"]


def test_a_box_has_no_network_no_mount_and_no_privilege():
    assert HOST["NetworkMode"] == "none"
    assert CONFIG["NetworkDisabled"] is True
    assert HOST["CapDrop"] == ["ALL"]
    assert HOST["SecurityOpt"] == ["no-new-privileges"]
    assert HOST["Privileged"] is False
    assert HOST["ReadonlyRootfs"] is True
    assert not {"Binds", "Mounts", "Devices", "PortBindings", "VolumesFrom", "CapAdd", "PidMode"} & set(HOST)
    assert not {"Volumes", "ExposedPorts"} & set(CONFIG)


def test_a_box_runs_as_nobody_and_its_shim_is_pid_1():
    assert CONFIG["User"] == "65534:65534"
    assert HOST["Init"] is False
    assert CONFIG["Entrypoint"][:4] == ["python3", "-I", "-u", "-c"]
    assert CONFIG["Env"] == ["LANG=C.UTF-8"]


def test_every_limit_is_passed_on():
    assert (HOST["Memory"], HOST["MemorySwap"]) == (1000, 1000)
    assert HOST["NanoCpus"] == 500_000_000
    assert HOST["PidsLimit"] == 7
    assert HOST["Ulimits"] == [
        {"Name": "nofile", "Soft": 9, "Hard": 9},
        {"Name": "fsize", "Soft": 2000, "Hard": 2000},
        {"Name": "core", "Soft": 0, "Hard": 0},
    ]
    assert HOST["Tmpfs"]["/tmp"] == (
        "rw,noexec,nosuid,nodev,mode=0700,uid=65534,gid=65534,size=2000,nr_inodes=11"
    )
    assert HOST["LogConfig"]["Type"] == "none"


def test_a_volume_of_the_image_is_covered_with_a_tiny_tmpfs():
    assert HOST["Tmpfs"]["/data"].endswith("size=4k,nr_inodes=8")


def test_a_runtime_is_named_and_gvisor_gets_processes_for_its_own_threads():
    plain = with_runtime(CONFIG, "kata")["HostConfig"]
    assert (plain["Runtime"], plain["PidsLimit"]) == ("kata", 7)
    assert with_runtime(CONFIG, "runsc")["HostConfig"]["PidsLimit"] == 7 + GVISOR_TASKS


def test_stdin_ends_with_the_host():
    assert CONFIG["OpenStdin"] is CONFIG["StdinOnce"] is True
    assert CONFIG["Tty"] is False


def test_a_box_ends_at_once_when_its_engine_does():
    assert CONFIG["StopSignal"] == "SIGKILL"
