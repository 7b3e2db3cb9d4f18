import sys

from studbook.sandbox.contract import BoxStatus, Job
from studbook.testbed.inline_sandbox import InlineSandbox

PAYLOAD = {"paper": {"id": "p", "title": "t", "text": "words"}, "knobs": {}, "max_rounds": 2}


def run(files, handler=lambda kind, body: {}):
    encoded = {path: text.encode() for path, text in files.items()}
    return InlineSandbox().run(Job(files=encoded, entry="agent.py:main", payload=PAYLOAD), handler)


def test_a_harness_imports_its_own_modules_and_the_kit_and_leaves_none_behind():
    before = set(sys.modules)
    seen = []
    outcome = run(
        {
            "agent.py": "import helper\nimport harness_kit\ndef main(box): box.log(helper.word(box))",
            "helper.py": "def word(box): return box.paper.text + box.read('note.md')",
            "note.md": "!",
        },
        lambda kind, body: seen.append((kind, body)) or {},
    )
    assert outcome.status is BoxStatus.FINISHED
    assert seen == [("log", {"text": "words!"})]
    assert not [name for name in set(sys.modules) - before if name.startswith("_studbook_inline")]


def test_a_harness_that_raises_is_a_crash_with_its_reason():
    outcome = run({"agent.py": "def main(box): raise ValueError('no')"})
    assert (outcome.status, outcome.detail) == (BoxStatus.CRASHED, "ValueError: no")


def test_it_never_claims_to_contain_hostile_code():
    assert InlineSandbox.isolates_untrusted_code is False
    assert InlineSandbox().name == "inline"
