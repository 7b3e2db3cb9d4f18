"""The probe tries what a box should refuse, and says plainly what it does not."""

from pathlib import Path

import pytest

from evaluate.sandbox.docker_box import DockerSandbox
from evaluate.sandbox.probe import probe_box, probe_engine, weaknesses
from evaluate.sandbox.process_box import ProcessSandbox

SOUND = {
    "user": 65534,
    "capabilities": "0000000000000000",
    "seccomp": "2",
    "no_new_privileges": "1",
    "write_to_root": "refused",
    "read_shim_memory": "refused: Permission denied",
    "network": "refused",
    "vsock": "refused: Address family not supported by protocol",
}


def test_a_sound_box_has_no_weakness():
    assert weaknesses(SOUND) == ()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"user": 0}, "the harness runs as root"),
        ({"network": "possible"}, "network is possible"),
        ({"seccomp": "0"}, "seccomp is 0, not 2"),
        ({"vsock": None}, "vsock is None"),
    ],
)
def test_every_hole_is_named(change: dict[str, object], line: str):
    assert weaknesses({**SOUND, **change}) == (line,)


@pytest.mark.docker
def test_a_docker_box_here_is_sound(docker_engine: None):
    sandbox = DockerSandbox.connect()
    try:
        engine, box = probe_engine(sandbox), probe_box(sandbox)
    finally:
        sandbox.close()
    assert box.weaknesses == ()
    assert engine.cgroup_version in {"1", "2"}
    assert engine.image_way in {"local", "pulled", "host python"}


def test_a_plain_process_box_is_not_and_says_so(tmp_path: Path):
    assert "network is possible" in probe_box(ProcessSandbox(None, folder=tmp_path)).weaknesses
