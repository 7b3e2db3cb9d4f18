"""Grounds: a container engine, child processes, and child processes behind bubblewrap."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.box.ground import Ground, docker_ground
from support.boxes import Recorder, job_of

from studbook.sandbox.bubblewrap import PythonCopy
from studbook.sandbox.process_box import ProcessSandbox


@pytest.fixture(scope="module")
def engine_ground(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = docker_ground(tmp_path_factory.mktemp("docker"))
    ground.sandbox.run(
        job_of("def main(box): box.log('warm')"), Recorder({})
    )  # opens what the engine keeps open
    yield ground
    ground.sandbox.close()


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_path: Path, python_copy: PythonCopy) -> Ground:
    """By its kind, which is the parameter."""
    if request.param == "docker":
        found: Ground = request.getfixturevalue("engine_ground")
        return found
    program = None
    if request.param == "bubblewrap":
        program = request.getfixturevalue("bubblewrap")
    return Ground(
        kind=request.param,
        sandbox=ProcessSandbox(program, folder=tmp_path, copy=python_copy),
        folder=tmp_path,
    )
