"""A container past its deadline ends at once, however busy the engine is with making and removing others."""

import threading
import time
from typing import Any

import docker
import pytest
from support.boxes import job_of

from studbook.sandbox.contract import BoxStatus, Frame
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.engine import Engine
from studbook.sandbox.owner import OWNER_LABEL, this_process

DEAF = """
import os, time
data = b""
while b'{"start"' not in data or not data.endswith(b"\\n"):
    data += os.read(0, 1 << 20)
os.write(1, b'{"kind":"ready","python":"3.12.0","warnings":[]}\\n')
os.write(1, b'{"kind":"request","id":1,"request":"log","body":{"text":""}}\\n')
time.sleep(1000)
"""


class DeafEngine(Engine):
    """Its boxes run a shim that does not hear that the host has gone."""

    def create(self, config: dict[str, Any]) -> tuple[str, list[str]]:
        return super().create({**config, "Entrypoint": ["python3", "-I", "-c", DEAF]})


def running_boxes(sandbox: DockerSandbox) -> list[str]:
    boxes = sandbox.engine.labelled(OWNER_LABEL).items()
    mine = [box for box, labels in boxes if labels[OWNER_LABEL] == str(this_process())]
    return [box for box in mine if sandbox.engine.state(box)["Running"]]


@pytest.mark.docker
def test_a_box_past_its_time_does_not_wait_for_its_turn_to_be_removed(docker_engine: None):
    sandbox = DockerSandbox.on(DeafEngine(docker.from_env(version="auto").api))
    gate, held, is_held = sandbox.engine.gate, 0, threading.Event()

    def hold(_kind: str, _body: Frame) -> Frame:
        nonlocal held
        while gate.acquire(blocking=False):  # as if as many boxes as may be were being made just now
            held += 1
        is_held.set()
        return {}

    outcomes = []
    runner = threading.Thread(target=lambda: outcomes.append(sandbox.run(job_of("", wall_seconds=0.5), hold)))
    runner.start()
    try:
        assert is_held.wait(30)
        until = time.monotonic() + 10
        while running_boxes(sandbox) and time.monotonic() < until:
            time.sleep(0.05)
        assert running_boxes(sandbox) == []
        assert outcomes == [], "it was removed, although nobody may be now"
    finally:
        for _ in range(held):
            gate.release()
        runner.join()
        sandbox.close()
    assert outcomes[0].status is BoxStatus.TIMED_OUT
