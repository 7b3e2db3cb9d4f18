"""A trajectory judged again: an honest one has no fault, and no word of it can be changed without one."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.evaluation import PAPER, Rig, facts, harness

from studbook.errors import IntegrityError
from studbook.evaluate.settings import Frozen
from studbook.evaluate.trajectories import Trajectory, TrajectoryStore, read_trajectory, trajectory_body
from studbook.evaluate.trajectory_audit import Recheck, TrajectoryAudit
from studbook.experiments.pack.packing import is_packed
from studbook.experiments.verifying import list_trajectories
from studbook.findings import Findings
from studbook.llm.contracts import ROLES, RoleModel
from studbook.llm.records import CallRecords
from studbook.llm.records_audit import opened_for_audit

BODY = """
box.chat("challenger", [{"role": "user", "content": "Read: " + box.paper.text}])
def attempt(value, **more):
    try:
        box.evaluate(value, **more)
    except Exception as error:
        box.log(str(error))
attempt({"context": "no question"})
attempt(example("easy"))
attempt(example("easy") | {"context": "The same thing again."})
attempt(example("open"), solvers="weak")
attempt(example("open"))
attempt(example("good"))
"""


def knowing(solver: str) -> Callable[[Any], str]:
    """The weak one knows too much of the easy example, the strong one too little of the open one."""

    def answer(request: Any) -> str:
        text = request.messages[-1].content
        if solver == "weak":
            return facts(9 if "called easy" in text else 4)
        return facts(4 if "called open" in text else 8)

    return answer


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with CallRecords.open(tmp_path / "calls.sqlite") as records:
        rig = Rig(records=records, folder=tmp_path / "trajectories")
        rig.models.answers = {solver: knowing(solver) for solver in ("weak", "strong")}
        yield rig


@pytest.fixture
def trajectory(rig: Rig) -> Trajectory:
    result = rig.paper_evaluator().evaluate_paper(harness(BODY), PAPER, 0)
    return TrajectoryStore(rig.folder).get(result.key)


def audit(rig: Rig, trajectory: Trajectory, *, has_paper: bool = True) -> list[str]:
    findings = Findings()
    retold = TrajectoryAudit(settings=rig.settings, run_seed=7, findings=findings)
    again = Recheck(
        frozen=Frozen(settings=rig.settings, run_seed=7, models={"weak": "small"}),
        roles={role: RoleModel(endpoint="rule", model=role) for role in ROLES},
        papers={PAPER.paper_id: PAPER} if has_paper else {},
        findings=findings,
    )
    with opened_for_audit(rig.folder.parent / "calls.sqlite", findings, is_running=True) as calls:
        assert calls is not None
        calls.check()
        retold.check(trajectory, "t")
        answers = calls.answers_behind(trajectory.evidence, "t")
        retold.check_answers(trajectory, answers.calls, "t")
        again.check(trajectory, answers, "t")
    return [f"{fault.place}: {fault.problem}" for fault in findings.faults]


def changed(trajectory: Trajectory, change: Callable[[dict[str, Any]], object]) -> Trajectory:
    value = json.loads(trajectory_body(trajectory))
    change(value)
    key = trajectory.result.key
    return replace(read_trajectory(json.dumps(value).encode(), key, "t"), evidence=trajectory.evidence)


def test_an_honest_trajectory_with_every_kind_of_round_has_no_fault(rig, trajectory):
    rounds = [each.category.value if each.category else each.status for each in trajectory.result.rounds]
    assert rounds == ["malformed", "too_easy", "near_duplicate", "strong_failed", "accepted"]
    assert trajectory.result.confirmation is not None
    assert audit(rig, trajectory) == []
    assert audit(rig, trajectory, has_paper=False) == []


MUTE = """
def attempt(value):
    try:
        box.evaluate(value)
    except Exception as error:
        box.log(str(error))
attempt(example("mute"))
attempt(example("mute") | {"context": "Mended."})
"""


def test_a_repeat_of_an_example_that_could_not_be_measured_follows_from_its_event(rig):
    rig.models.answers["strong"] = lambda request: (
        "" if "called mute" in request.messages[-1].content else facts(8)
    )
    result = rig.paper_evaluator().evaluate_paper(harness(MUTE), PAPER, 0)
    found = TrajectoryStore(rig.folder).get(result.key)
    assert [each.category for each in result.rounds] == ["malformed", "near_duplicate"]
    assert audit(rig, found) == []
    without = changed(found, lambda value: event(value, "malformed").pop("example"))
    assert any("not a near duplicate" in fault for fault in audit(rig, without))


def event(value: dict[str, Any], kind: str, at: int = 0) -> dict[str, Any]:
    return [each for each in value["events"] if each["kind"] == kind][at]


def swap(rollouts: list[dict[str, Any]]) -> None:
    rollouts[0]["answer"], rollouts[1]["answer"] = "a", "b"


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a reply": (lambda v: event(v, "chat").update(reply="x"), "no call record of role challenger gave this"),
    "an answer": (lambda v: swap(event(v, "report")["weak"]), "no call record gave the answer"),
    "marks": (
        lambda v: event(v, "report")["weak"][0].update(marks=[True] * 10, score="1"),
        "t, event 3, weak rollout 0: its weak is not what its call records lead to",
    ),
    "a score": (lambda v: event(v, "report")["weak"][0].update(score="1/2"), "weak rollout 0: score is not"),
    "a seed": (lambda v: event(v, "report")["weak"][0].update(seed=1), "weak rollout 0: seed is not"),
    "a number": (lambda v: event(v, "report")["weak"][0].update(index=1), "weak rollout 0: number is not"),
    "an ending": (
        lambda v: event(v, "report")["weak"][0].update(truncated=True),
        "its weak is not what its call records lead to",
    ),
    "a weight": (
        lambda v: event(v, "report")["example"]["rubric"][0].update(weight=5),
        "weak rollout 0: score is not",
    ),
    "a word of an example": (
        lambda v: event(v, "report").update(example=event(v, "report")["example"] | {"question": "Which?"}),
        "its call records do not lead to it: there is no record of this call of role weak",
    ),
    "a status": (lambda v: event(v, "report").update(status="accepted"), "round 2: ruling is not"),
    "a reason": (lambda v: event(v, "report").update(reason="fine"), "round 2: ruling is not"),
    "a failed final check": (
        lambda v: event(v, "report", -1).update(
            status="rejected", category="quality", reason="final check failed: bad"
        ),
        "its ruling is not what its call records lead to",
    ),
    "a repeat of nothing": (
        lambda v: event(v, "report", 1).update(example=event(v, "report", -1)["example"]),
        "its example is not a near duplicate of an earlier round's",
    ),
    "a repeat of another round": (
        lambda v: event(v, "report", 1).update(reason="nearly the example of round 1"),
        "its ruling is not what its call records lead to",
    ),
    "a rollout less": (
        lambda v: event(v, "report")["weak"].pop(),
        "round 2: number of weak rollouts is not",
    ),
    "a malformed round": (lambda v: event(v, "malformed").update(reason="fine"), "result.rounds is not"),
    "the confirmation": (lambda v: event(v, "confirmation").update(holds=False), "its word is not what"),
    "a confirming score": (
        lambda v: event(v, "confirmation")["weak"][0].update(score="1"),
        "its weak is not what its call records lead to",
    ),
    "the recorded confirmation": (
        lambda v: v["result"]["confirmation"].update(holds=False),
        "result.confirmation is not what its call records lead to",
    ),
    "the end of the box": (lambda v: event(v, "box").update(status="crashed"), "result.reason is not"),
    "no end of the box": (
        lambda v: v["events"].remove(event(v, "box")),
        "it does not say how the box ended",
    ),
    "the verdict": (lambda v: v["result"].update(verdict="not_accepted"), "result.verdict is not"),
    "a round": (lambda v: v["result"]["rounds"].pop(), "result.rounds is not"),
    "calls": (lambda v: v["calls_by_role"].update(weak=1), "its call records are of other roles"),
    "truncations": (lambda v: v["truncated_by_role"].update(weak=1), "its truncated replies are not"),
    "tokens": (lambda v: v["result"]["usage"].update(prompt_tokens=1), "its tokens are not those"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_word_of_it_can_be_changed(name, rig, trajectory):
    change, problem = CHANGES[name]
    faults = audit(rig, changed(trajectory, change))
    assert any(problem in fault for fault in faults), faults


def test_nonsense_is_no_trajectory(trajectory):
    with pytest.raises(IntegrityError, match="weak: Input should be a valid list"):
        changed(trajectory, lambda value: event(value, "report").update(weak=7))


def test_a_rewritten_file_that_says_the_same_has_no_fault(rig, trajectory):
    assert audit(rig, changed(trajectory, copy.deepcopy)) == []


def test_a_redraw_that_waits_for_a_resume_is_no_fault(tmp_path):
    TrajectoryStore(tmp_path).put_redraws("ab" * 32, 1)
    (tmp_path / "ab" / "stray.redraws").write_text("1", encoding="utf-8")
    findings = Findings()
    assert list_trajectories(tmp_path, findings) == {}
    assert [fault.place.partition("/")[2] for fault in findings.faults] == ["ab/stray.redraws"]
    assert findings.notes == [f"{tmp_path.name}: a paper will be judged again with new random seeds"]


def test_a_file_of_a_file_manager_among_trajectories_is_a_note(tmp_path):
    (tmp_path / "ab").mkdir()
    for name in (".DS_Store", "ab/._x", "ab/.nfs0b1"):
        (tmp_path / name).write_bytes(b"x")
    findings = Findings()
    assert list_trajectories(tmp_path, findings) == {}
    assert findings.faults == []
    assert findings.notes[0] == f"{tmp_path.name}: .DS_Store is no file of a run; you can delete it"
    assert len(findings.notes) == 3


def test_redraws_are_packed():
    assert is_packed(f"trajectories/ab/{'ab' * 32}.redraws")
