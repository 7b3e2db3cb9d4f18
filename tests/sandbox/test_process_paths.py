"""What a process box says of its files does not depend on the random name of its folder: runs must repeat."""

from studbook.sandbox.contract import BoxStatus, Job, Outcome
from studbook.sandbox.process_box import ProcessSandbox

PRELUDE = "from pathlib import Path\n\n\ndef main(box):\n    "


def outcome_of(sandbox: ProcessSandbox, body: str) -> Outcome:
    files = {"agent.py": (PRELUDE + body).encode()}
    payload = {"paper": {"id": "p", "title": "t", "text": "x"}, "knobs": {}, "max_rounds": 1}
    return sandbox.run(Job(files=files, entry="agent.py:main", payload=payload), lambda kind, body: {})


def test_a_crash_names_the_same_path_with_and_without_bubblewrap():
    bare = ProcessSandbox(None)
    missing = [outcome_of(bare, "(Path(__file__).parent / 'none.md').read_text()\n") for _ in range(2)]
    assert [each.status for each in missing] == [BoxStatus.CRASHED] * 2
    assert (
        missing[0].detail == "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/harness/none.md'"
    )
    assert missing[0].detail == missing[1].detail
    assert 'File "/tmp/harness/agent.py", line 5, in main' in missing[0].stderr_tail
    assert missing[0].stderr_tail == missing[1].stderr_tail


def test_a_path_that_was_cut_off_is_the_same_as_well():
    bare = ProcessSandbox(None)
    cut = [outcome_of(bare, f"raise ValueError('x' * {pad} + __file__)\n") for pad in range(200, 520, 7)]
    assert not any("studbook-box-" in each.detail + each.stderr_tail for each in cut)
