"""What a replay found, as lines for people."""

from collections.abc import Sequence

from rich.text import Text

from studbook.experiments.replay.live import Luck
from studbook.experiments.replay.recorded import Replayed
from studbook.experiments.views.lines import NOT_SHOWN, TESTBED_MODELS, line
from studbook.experiments.views.text import count

WORDS = {
    "fold": "read and proved; nothing was run",
    "recorded": "run again in the sandbox; every model call was answered from the records, none was paid",
}


def replayed_lines(done: Replayed) -> list[Text]:
    """A part has no events: those are the whole run's."""
    named = f": {done.part}" if done.part else ""
    counts = [
        *([count(done.events, "event")] if done.events else []),
        count(done.harnesses, "harness", "harnesses"),
        count(done.trajectories, "trajectory", "trajectories"),
        *([count(done.calls, "recorded call")] if done.calls else []),
    ]
    return [
        line(("✓ ", "green"), f"{done.run}{named} is identical: {WORDS[done.level]}"),
        line("  " + ", ".join(counts)),
        line(f"  journal head {done.head}"),
    ]


def luck_lines(found: Sequence[Luck], paid: int, recorded: int, *, is_testbed: bool) -> list[Text]:
    lines = [text for each in found for text in _of_one(each)]
    calls = f"  {count(paid, 'fresh call')}"
    lines.append(line(calls + (f", {recorded:,} from an earlier live replay" if recorded else "")))
    if is_testbed:
        lines.append(line(("  Measured with " + TESTBED_MODELS + ".", "yellow")))
    return lines


def _of_one(each: Luck) -> list[Text]:
    stopped = ", stopped early" if each.is_stopped else ""
    papers = f"{count(each.papers, 'paper')} × {count(each.replicates, 'replicate')}"
    low, high = (100 * end for end in each.interval)
    kind = "paired on papers" if each.papers > 1 else "one paper, independent samples"
    lines = [
        line((f"{each.harness_id:<6}", "bold"), f"  old   {each.old}{stopped}"),
        line(f"{'':<6}  new   {each.new}, {papers}, fresh luck"),
        line(
            f"{'':<6}  luck  {100 * float(each.luck):+.1f} points (95% CI {low:+.1f} to {high:+.1f}; {kind})"
        ),
    ]
    if each.share is not None and each.share_interval is not None:
        first, last = (100 * end for end in each.share_interval)
        share = f"{100 * each.share:.0f} % of the old score was luck (95 % {first:.0f} to {last:.0f} %)"
        lines.append(line(f"{'':<6}        {share}"))
    if each.expected is not None:
        told = (
            f"expected beforehand {100 * float(each.expected):.1f}%: the old score shrunk towards the seed's"
        )
        lines.append(line((f"{'':<6}        {told}", "dim")))
    if not each.is_shown:
        lines.append(line((f"{'':<6}        {NOT_SHOWN}", "yellow")))
    return lines
