"""The gates before money."""

import pytest

from studbook.evolve.gates import check_duplicate, check_static, check_survival
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import Usage
from studbook.populations.records import PaperResult, PaperVerdict, Verdict
from studbook.testbed.fakes import MANIFEST, fake_harness

PARENT = fake_harness()


def static(changes):
    failure = check_static(PARENT, PARENT.replace(changes))
    return (failure.verdict, failure.reason) if failure else None


def test_a_proposal_that_changes_nothing_is_told_from_a_broken_one():
    assert static({}) == (Verdict.NO_CHANGE, "the implementer's edit left the harness as it was")


@pytest.mark.parametrize(
    "changes",
    [
        {"prompts/level.md": b"30\n"},
        {"prompts/new.md": "ünïcode".encode()},
        {"agent.py": b"import json\n\n\nasync def main(box):\n    return json.dumps({})\n"},
        {"helper.py": b"VALUE = 1\n"},
        {"harness.yaml": MANIFEST.replace(b"value: 0", b"value: 3")},
    ],
)
def test_a_sound_change_passes(changes):
    assert static(changes) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agent.py": b"def main(box:\n"}, "agent.py does not compile: '(' was never closed (line 1)"),
        ({"agent.py": b"def main(box):\n    return\x00\n"}, "NUL"),
        ({"helper.py": b"x = " + b"(" * 300 + b")" * 300}, "helper.py does not compile"),
        ({"agent.py": b"def other(box):\n    return main\n"}, "agent.py no longer defines main"),
        ({"agent.py": None}, "there is no file `agent.py`"),
        ({"prompts/level.md": b"\xff\xfe"}, "prompts/level.md is not UTF-8"),
        ({"notes.txt": b"x"}, "notes.txt is not editable"),
        ({"../outside.md": b"x"}, "../outside.md is not editable"),
        ({"harness_kit.py": b"x = 1\n"}, "harness_kit.py is not editable"),
        ({"prompts/..md": b"x"}, "not allowed in a path"),
        ({"prompts/LEVEL.md": b"x"}, "differ only in case"),
        ({"harness.yaml": None}, "harness.yaml is not editable"),
        ({"harness.yaml": b"version: 1\n"}, "harness.yaml is not editable"),
        ({"harness.yaml": MANIFEST.replace(b"high: 8", b"high: 80")}, "harness.yaml is not editable"),
        ({"harness.yaml": MANIFEST.replace(b'"*.py"', b'"**"')}, "harness.yaml is not editable"),
    ],
)
def test_an_unsound_change_is_broken_with_its_reason(changes, reason):
    verdict, told = static(changes)
    assert verdict is Verdict.BROKEN
    assert reason in told


def test_deeply_nested_code_is_broken_and_does_not_break_us():
    assert static({"helper.py": b"x = " + b"-" * 200_000 + b"1\n"})[0] is Verdict.BROKEN


def test_a_harness_seen_before_is_a_duplicate_by_name():
    failure = check_duplicate("m0007")
    assert (failure.verdict, failure.reason) == (Verdict.DUPLICATE, "the same harness as m0007")
    assert check_duplicate(None) is None


def survival(verdict):
    result = PaperResult(
        key="k",
        paper_id="p",
        replicate=1,
        verdict=verdict,
        reason="NameError: x",
        rounds=(),
        usage=Usage(),
        calls=0,
        trajectory_hash="",
    )
    failure = check_survival(result)
    return (failure.verdict, failure.reason) if failure else None


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (PaperVerdict.ACCEPTED, None),
        (PaperVerdict.NOT_ACCEPTED, None),
        (PaperVerdict.NO_EXAMPLE, None),
        (PaperVerdict.CRASHED, (Verdict.BROKEN, "crashed on a training paper: NameError: x")),
        (PaperVerdict.TIMED_OUT, (Verdict.BROKEN, "timed out on a training paper: NameError: x")),
        (PaperVerdict.OUT_OF_LIMITS, (Verdict.BROKEN, "out of limits on a training paper: NameError: x")),
        (PaperVerdict.PROTOCOL_ERROR, (Verdict.BROKEN, "protocol error on a training paper: NameError: x")),
    ],
)
def test_a_harness_survives_when_it_ends_in_order_whatever_was_accepted(verdict, expected):
    assert survival(verdict) == expected


def test_every_verdict_of_a_paper_has_a_place_in_the_survival_gate():
    assert {verdict for verdict in PaperVerdict if survival(verdict) is None} == {
        PaperVerdict.ACCEPTED,
        PaperVerdict.NOT_ACCEPTED,
        PaperVerdict.NO_EXAMPLE,
    }


def test_the_parent_is_not_held_to_the_editable_globs():
    parent = HarnessTree.of({**PARENT.files, "LICENSE.txt": b"free\n"})
    assert check_static(parent, parent.replace({"prompts/level.md": b"1\n"})) is None
