"""Hostile boxes many at once, and honest boxes among them, which must not notice."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from attacks.box.attack import Attack, Kind, NotRun
from attacks.box.ground import NOT_BEGUN, Ground
from attacks.box.protocol import PROTOCOL_ATTACKS
from attacks.box.resources import RESOURCES
from attacks.box.watch import Bounds, watch_host
from attacks.conftest import MakeRow
from support.boxes import Recorder, job_of

from studbook.sandbox.contract import BoxStatus, Frame

BOMBS = {"fork bomb", "thread bomb"}
CROWD = {
    "fork bomb",
    "thread bomb",
    "memory bomb",
    "memory bomb of many children together",
    "filling the disk",
    "filling the inodes",
    "endless output",
    "endless records",
    "CPU spin",
    "descriptor bomb",
    "slow half-open connections",
    "frames larger in memory than on the wire",
}
HOSTILE = [attack for attack in (*RESOURCES, *PROTOCOL_ATTACKS) if attack.name in CROWD]
KINDS = (pytest.param("docker", marks=pytest.mark.docker), "process", "bubblewrap")

HONEST = """
import os, threading
def main(box):
    read, write = os.pipe()
    thread = threading.Thread(target=os.write, args=(write, b"x" * 5000))
    thread.start()
    thread.join()
    words = len(box.paper.text.split()) + len(os.read(read, 5000))
    with open(os.environ["TMPDIR"] + "/notes", "w") as file:
        file.write("y" * 100_000)
    said = [box.chat("challenger", [{"role": "user", "content": str(n)}]) for n in range(20)]
    total = sum(n * n for n in range(200_000))
    box.log("%d %s %d" % (words, ",".join(said), total))
"""
HONEST_BOXES = 4
NOT_BEGUN_AT_MOST = 3  # attacks that a machine of two cores did not let begin before their deadline
CROWD_OVERSHOOT_SECONDS = 20.0  # they share two cores with each other, and are removed one after the other
RIGHT = "5005 " + ",".join(f"answer {n}" for n in range(20)) + " 2666646666700000"


def reply(kind: str, body: Frame) -> Frame:
    return {"text": f"answer {body['messages'][0]['content']}"} if kind == "chat" else {}


def run_honest(ground: Ground) -> tuple[BoxStatus, list[str]]:
    recorder = Recorder(reply)
    outcome = ground.sandbox.run(job_of(HONEST, wall_seconds=30), recorder)
    return outcome.status, recorder.logged


def hold_crowd(ground: Ground, attacks: list[Attack], honest: int) -> "Crowd":
    """All attacks at once, and a moment later honest boxes among them; honest boxes alone before."""
    with ThreadPoolExecutor(len(attacks) + honest) as pool:
        began = time.monotonic()
        alone = list(pool.map(run_honest, [ground] * honest))
        alone_seconds = time.monotonic() - began
        left, began = ground.leftovers(), time.monotonic()
        hostile = [pool.submit(ground.carry_out, attack, left) for attack in attacks]
        time.sleep(0.3)
        beside_began = time.monotonic()
        beside = list(pool.map(run_honest, [ground] * honest))
        beside_seconds = time.monotonic() - beside_began
        findings = [future.result() for future in hostile]
    overshoots = [
        found.overshoot_seconds for found in findings if found.outcome.status is BoxStatus.TIMED_OUT
    ]
    return Crowd(
        honest=[*alone, *beside],
        ratio=beside_seconds / alone_seconds,
        seconds=time.monotonic() - began,
        objections=[
            f"{attack.name}: {objection}"
            for attack, found in zip(attacks, findings, strict=True)
            for objection in found.objections(attack, CROWD_OVERSHOOT_SECONDS)
        ],
        overshoot_seconds=max(0.0, *overshoots),
        left=left.find(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """`ratio`: how much longer honest boxes took among hostile ones than alone."""

    honest: list[tuple[BoxStatus, list[str]]]
    ratio: float
    seconds: float
    objections: list[str]
    overshoot_seconds: float
    left: dict[str, list[str]]


def is_left_out(attack: Attack, kind: Kind) -> bool:
    """Child processes of an ordinary user share one count of processes: a fork bomb spends everybody's."""
    shares_count = kind != "docker" and os.geteuid() != 0
    return isinstance(attack.promise(kind), NotRun) or (shares_count and attack.name in BOMBS)


@pytest.mark.slow
@pytest.mark.parametrize("ground", KINDS, indirect=True)
def test_many_attacks_at_once_are_held_and_honest_boxes_do_not_notice(ground: Ground, attack_row: MakeRow):
    attacks = [attack for attack in HOSTILE if not is_left_out(attack, ground.kind)]
    with watch_host(Bounds().times(len(attacks) + HONEST_BOXES)) as watch:
        crowd = hold_crowd(ground, attacks, HONEST_BOXES)
    right = crowd.honest[HONEST_BOXES:].count((BoxStatus.FINISHED, [RIGHT]))
    attack_row(
        suite="box",
        name=f"{len(attacks)} attacks at once, {HONEST_BOXES} honest boxes among them",
        sandbox=ground.kind,
        tried=", ".join(attack.name for attack in attacks),
        outcome=("contained: " if ground.kind == "docker" else "")
        + f"{right}/{HONEST_BOXES} honest boxes right, in {crowd.ratio:.1f} × the time; "
        f"at most {crowd.overshoot_seconds:.1f} s past the deadline",
        seconds=crowd.seconds,
        weaker=ground.kind != "docker",
    )
    assert crowd.honest == [(BoxStatus.FINISHED, [RIGHT])] * 2 * HONEST_BOXES
    not_begun = [each for each in crowd.objections if each.endswith(NOT_BEGUN)]
    assert len(not_begun) <= NOT_BEGUN_AT_MOST
    assert crowd.objections == not_begun, "; ".join(crowd.objections)
    assert watch.excesses() == []
    assert crowd.left == {}


@pytest.mark.docker
def test_the_next_box_is_as_good_as_new(engine_ground: Ground):
    fork_bomb = next(attack for attack in RESOURCES if attack.name == "fork bomb")
    engine_ground.carry_out(fork_bomb)
    assert run_honest(engine_ground) == (BoxStatus.FINISHED, [RIGHT])


@pytest.mark.docker
def test_boxes_keep_no_descriptor_and_no_thread(engine_ground: Ground):
    """The SDK keeps up to 25 connections to the engine; beyond that nothing grows."""
    for _ in range(12):
        run_honest(engine_ground)
    with watch_host(Bounds(kept_descriptors=4)) as watch:
        for _ in range(8):
            run_honest(engine_ground)
    assert watch.kept() == []
