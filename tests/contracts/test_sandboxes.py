"""One contract, every sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.boxes import Recorder, job_of
from support.sandbox_contract import SandboxContract

from studbook.errors import SandboxError
from studbook.sandbox.bubblewrap import PythonCopy
from studbook.sandbox.contract import BoxStatus, Frame
from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.owner import OWNER_LABEL, this_process
from studbook.sandbox.process_box import ProcessSandbox


@pytest.fixture(scope="module")
def docker_sandbox(docker_engine: None) -> Iterator[DockerSandbox]:
    sandbox = DockerSandbox.connect()
    yield sandbox
    owners = [labels[OWNER_LABEL] for labels in sandbox.engine.labelled(OWNER_LABEL).values()]
    sandbox.close()
    assert str(this_process()) not in owners, "a container was left behind"


@pytest.mark.docker
class TestDocker(SandboxContract):
    @pytest.fixture
    def sandbox(self, docker_sandbox: DockerSandbox) -> DockerSandbox:
        return docker_sandbox

    def test_it_promises_containment(self, sandbox: DockerSandbox):
        assert sandbox.isolates_untrusted_code
        assert sandbox.statement.startswith(("docker ", "podman "))

    def test_a_box_that_is_killed_from_outside_is_lost_and_never_a_verdict(self, sandbox: DockerSandbox):
        def killer(kind: str, body: Frame) -> Frame:
            own = str(this_process())
            for box, labels in sandbox.engine.labelled(OWNER_LABEL).items():
                if labels[OWNER_LABEL] == own:
                    sandbox.engine.kill(box)
            return {"text": "too late", "finish_reason": "stop"}

        job = job_of("def main(box): box.chat('challenger', [{'role': 'user', 'content': 'why?'}])")
        with pytest.raises(SandboxError, match="killed from outside"):
            sandbox.run(job, killer)


class TestProcess(SandboxContract):
    @pytest.fixture
    def sandbox(self, tmp_path: Path) -> Iterator[ProcessSandbox]:
        yield ProcessSandbox(None, folder=tmp_path)
        assert list(tmp_path.iterdir()) == [], "a folder was left behind"

    def test_it_promises_nothing_it_cannot_keep(self, sandbox: ProcessSandbox):
        assert not sandbox.isolates_untrusted_code
        assert sandbox.statement.endswith("it does not isolate untrusted code")

    def test_the_packages_of_this_machine_are_not_in_reach(self, sandbox: ProcessSandbox):
        """In a container they are missing: what works here has to work there."""
        recorder = Recorder()
        job = job_of("""
            import sys
            def main(box): box.log(" ".join(p for p in sys.path if p.endswith("-packages")) or "none")
            """)
        assert sandbox.run(job, recorder).status is BoxStatus.FINISHED
        assert recorder.logged == ["none"]


class TestBubblewrap(SandboxContract):
    @pytest.fixture
    def sandbox(self, bubblewrap: str, python_copy: PythonCopy, tmp_path: Path) -> Iterator[ProcessSandbox]:
        yield ProcessSandbox(bubblewrap, folder=tmp_path, copy=python_copy)
        assert list(tmp_path.iterdir()) == [], "a folder was left behind"

    def test_it_still_promises_no_containment(self, sandbox: ProcessSandbox):
        assert not sandbox.isolates_untrusted_code
