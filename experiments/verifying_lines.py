"""What `studbook verify` found, as lines for people. What a run's files say is hostile and is cleaned."""

from collections.abc import Iterator

from rich.text import Text

from experiments.run_lines import line
from experiments.text import clean_line, count
from experiments.verifying import NOT_CHECKED, Verified

PLURALS = {"trajectories": "trajectory", "harnesses": "harness"}
WIDTH = 220


def verified_lines(done: Verified) -> Iterator[Text]:
    findings = done.findings
    if findings.is_clean:
        yield line(("✓ ", "green"), (f"{done.run} is whole: everything in it says the same", "bold"))
    else:
        faults = count(len(findings.faults), "fault")
        yield line(("✗ ", "bold red"), (f"{done.run} was changed or damaged: {faults}", "bold"))
    for fault in findings.faults:
        yield line(
            ("  ✗ ", "red"), (clean_line(fault.place, WIDTH), "bold"), ": ", clean_line(fault.problem, WIDTH)
        )
        for name, text in (("expected", fault.expected), ("found", fault.found)):
            if text:
                yield line(f"      {name + ':':<10}", clean_line(text, WIDTH))
    checked = ", ".join(f"{number:,} {name}" for name, number in sorted(findings.checked.items()))
    yield line("  checked: ", checked or "nothing")
    for note in findings.notes:
        yield line("  note: ", clean_line(note, WIDTH))
    yield line("  journal head ", done.head or "none")
    yield from _limits(done)


def _limits(done: Verified) -> Iterator[Text]:
    yield line("  not covered:")
    for what, why in NOT_CHECKED.items():
        yield line(f"    {what}: {why}")
    yield line(
        "    a folder rewritten as a whole, in agreement with itself: publish the head above; who has it runs"
    )
    yield line(f"      studbook verify {done.run} --expect {done.head or 'HEAD_HASH'}")
