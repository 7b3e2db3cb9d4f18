"""A box as Podman takes it: the same walls, without the options that it refuses."""

from studbook.sandbox.contract import Limits
from studbook.sandbox.docker_box import box_config
from studbook.sandbox.podman import for_podman

LIMITS = Limits(processes=7, tmpfs_bytes=2000, tmpfs_inodes=11)
CONFIG = box_config("sha256:abc", LIMITS, {"a": "b"}, ["/data"])
HOST = for_podman(CONFIG)["HostConfig"]


def test_a_tmpfs_belongs_to_the_boxs_user_and_has_its_size():
    assert HOST["Tmpfs"]["/tmp"] == "rw,noexec,nosuid,nodev,mode=0700,size=2000,U,notmpcopyup"
    assert HOST["Tmpfs"]["/data"].endswith("size=4k,U,notmpcopyup")


def test_the_folders_that_podman_adds_are_covered_with_nothing_to_write_to():
    assert HOST["Tmpfs"]["/run"].startswith("ro,")
    assert HOST["Tmpfs"]["/var/tmp"].startswith("ro,")


def test_limits_that_podman_would_raise_are_named():
    assert {"Name": "nproc", "Soft": 448, "Hard": 448} in HOST["Ulimits"]
    assert {"Name": "core", "Soft": 0, "Hard": 0} in HOST["Ulimits"]


def test_everything_else_is_as_docker_gets_it():
    plain = CONFIG["HostConfig"]
    assert {name: value for name, value in HOST.items() if plain[name] != value}.keys() == {
        "Tmpfs",
        "Ulimits",
    }
    assert {**for_podman(CONFIG), "HostConfig": plain} == CONFIG
