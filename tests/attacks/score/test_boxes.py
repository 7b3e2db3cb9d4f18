"""Attacks on the score that go through the box: notes for later papers, spying, forged frames, dying in time.

In containers on one engine. The honest twin ran in this process, which gives the same trajectory
(tests/evaluate/test_seed_harness_in_boxes.py).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from attacks.score.arena import PAPERS, REPLICATES, Arena, Arm, World
from attacks.score.rows import Row, cheat

from studbook.populations.records import PaperVerdict
from studbook.sandbox.contract import Handler, Job, Outcome, Sandbox
from studbook.sandbox.kinds import docker

pytestmark = [
    pytest.mark.docker,
    pytest.mark.usefixtures("docker_engine"),
    pytest.mark.xdist_group("score-boxes"),
]

TITLES = [(paper.title, paper.text[2000:2060][::-1]) for paper in PAPERS]


class CountingBoxes:
    """A sandbox that counts what it ran."""

    def __init__(self, inner: Sandbox) -> None:
        self.name, self.identity = inner.name, inner.identity
        self.isolates_untrusted_code = inner.isolates_untrusted_code
        self.boxes = 0
        self._inner = inner

    def run(self, job: Job, handler: Handler) -> Outcome:
        self.boxes += 1
        return self._inner.run(job, handler)

    def close(self) -> None:
        self._inner.close()


@pytest.fixture(scope="module")
def boxes() -> Iterator[Sandbox]:
    sandbox = docker.plugin()
    yield sandbox
    sandbox.close()


def run_in_boxes(arena: Arena, tmp_path, row: Row, sandbox: CountingBoxes) -> Arm:
    """Every paper's first replicate before any second one, four boxes at a time."""
    evaluator = Arena(tmp_path, arena.records).evaluator(World.SOBER, sandbox)
    jobs = [(row.tree, paper, n) for n in REPLICATES for paper in PAPERS]
    with ThreadPoolExecutor(4) as pool:
        found = {
            (r.paper_id, r.replicate): r for r in pool.map(lambda job: evaluator.evaluate_paper(*job), jobs)
        }
    results = tuple(found[paper.paper_id, n] for paper in PAPERS for n in REPLICATES)
    return Arm(results=results, trajectories=tuple(evaluator.store.get(result.key) for result in results))


def logs(arm: Arm) -> list[str]:
    return [event["text"] for item in arm.trajectories for event in item.events if event["kind"] == "log"]


QUIET = [
    cheat(
        "notes for later papers",
        "notes",
        "notes in files, memory, keyrings, processes, its own source",
        settings={},
    ),
    cheat(
        "looking for other papers", "spy", "every file and process a box can see", settings={"titles": TITLES}
    ),
    cheat("forged frames", "forge", "verdicts written to every descriptor and to PID 1", settings={}),
]
DEATH = cheat(
    "dying after a bad round",
    "die",
    "SIGKILL for everybody, all memory, a segmentation fault, closed descriptors: to be run again",
    settings={"ways": ["kill everybody", "memory", "fault", "silence"]},
)
HARNESS_DIED = {PaperVerdict.CRASHED, PaperVerdict.OUT_OF_LIMITS, PaperVerdict.PROTOCOL_ERROR}


@pytest.mark.parametrize("row", QUIET, ids=lambda row: row.name)
def test_what_a_box_does_stays_in_it(row, arena, tmp_path, boxes, check_row):
    arm = run_in_boxes(arena, tmp_path, row, CountingBoxes(boxes))
    check_row(row, arm=arm, sandbox="docker")
    said = logs(arm)
    assert said
    assert not [line for line in said if line.startswith(("FOUND", "SEEN", "a note was worth"))]
    if row.name == "notes for later papers":
        assert any("files" in line for line in said if line.startswith("left a note")), "it wrote nowhere"


def test_a_box_that_dies_has_had_its_rounds(arena, tmp_path, boxes, check_row):
    counting = CountingBoxes(boxes)
    arm = run_in_boxes(arena, tmp_path, DEATH, counting)
    check_row(DEATH, arm=arm, sandbox="docker", note=f"; {counting.boxes} boxes for {arm.rate.n} papers")
    assert counting.boxes == arm.rate.n
    died = {result.verdict for result in arm.results if not result.passed}
    assert HARNESS_DIED & died and died <= HARNESS_DIED | {PaperVerdict.NOT_ACCEPTED}
