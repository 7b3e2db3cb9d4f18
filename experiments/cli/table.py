"""Every command with its flags, its help and the function that carries it out.

Declares only: handlers are named ("module:function") and imported by `experiments/cli/main.py` when they are
called, because importing model and engine SDKs takes longer than most commands need.
"""

from dataclasses import dataclass
from typing import Any

RUNS_DIR = "runs"


@dataclass(frozen=True, slots=True)
class Flag:
    """Arguments of `add_argument`, kept until a parser is built."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`name` may have two words. `summary` is one plain sentence; `example` can be run as it stands."""

    name: str
    summary: str
    example: str
    handler: str
    flags: tuple[Flag, ...] = ()


def share(text: str) -> float:
    """A number from 0 to 1, for `type=`."""
    number = float(text)
    if not 0.0 <= number <= 1.0:
        raise ValueError
    return number


def flag(*names: str, **options: Any) -> Flag:
    return Flag(names, options)


RUN = flag("run", metavar="RUN", help="a run's name in the runs folder, or its path")
TARGET = flag(
    "target", metavar="RUN[:HARNESS]", help="a run, or a harness of it: RUN:best, RUN:m0031, RUN:m0031^"
)
RUNS = flag("--runs-dir", metavar="DIR", default=RUNS_DIR, help="where runs lie (default: %(default)s)")
SET = flag(
    "-s",
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="change one key of the spec, like -s search.iterations=30 (may be given many times)",
)
RESET = flag(
    "-s",
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="another budget, more search.iterations, other workers, like -s budget.calls=9000; the rest stays",
)
PAPERS = flag("papers", metavar="PAPERS", help="a folder or file of papers (.md, .txt)")

COMMANDS = (
    Command(
        name="run",
        summary="Evolve a harness as a spec describes, and leave a run folder behind.",
        example="studbook run quickstart -s search.iterations=2",
        handler="studbook.experiments.cli.running:run",
        flags=(
            flag(
                "spec",
                metavar="SPEC",
                help="a YAML file, or a bundled spec: quickstart, autodata",
            ),
            SET,
            RUNS,
            flag("--name", help="name of the run (default: the spec's name and a number)"),
            flag("--dry-run", action="store_true", help="print the plan and its worst-case cost, then stop"),
        ),
    ),
    Command(
        name="resume",
        summary="Go on with a run that was interrupted, without repeating what is finished.",
        example="studbook resume quickstart-1",
        handler="studbook.experiments.cli.running:resume",
        flags=(RUN, RESET, RUNS),
    ),
    Command(
        name="stop",
        summary="Ask a run in another terminal to save what it has and end.",
        example="studbook stop quickstart-1",
        handler="studbook.experiments.cli.running:stop",
        flags=(RUN, RUNS),
    ),
    Command(
        name="ls",
        summary="List the runs with their state, best harness and pass rates.",
        example="studbook ls",
        handler="studbook.experiments.cli.looking:list_runs_command",
        flags=(RUNS,),
    ),
    Command(
        name="show",
        summary="Show a run, one harness of it, or what one harness did on one paper.",
        example="studbook show quickstart-1:best",
        handler="studbook.experiments.cli.looking:show",
        flags=(
            TARGET,
            flag(
                "paper", metavar="PAPER", nargs="?", help="id of a paper (or its beginning): its trajectory"
            ),
            RUNS,
        ),
    ),
    Command(
        name="tree",
        summary="Draw the population of a run: who came from whom, and how it went.",
        example="studbook tree quickstart-1",
        handler="studbook.experiments.cli.looking:tree",
        flags=(RUN, RUNS),
    ),
    Command(
        name="lineage",
        summary="Show the chain of changes from the seed to one harness.",
        example="studbook lineage quickstart-1:best",
        handler="studbook.experiments.cli.looking:lineage",
        flags=(TARGET, RUNS),
    ),
    Command(
        name="diff",
        summary="Compare two harnesses: their files, then their papers, then their scores.",
        example="studbook diff quickstart-1:seed quickstart-1:best",
        handler="studbook.experiments.cli.looking:diff",
        flags=(
            flag("before", metavar="A", help="RUN:HARNESS, like quickstart-1:seed"),
            flag(
                "after",
                metavar="B",
                help="RUN:HARNESS, or only HARNESS of the same run; with another run only files are compared",
            ),
            RUNS,
        ),
    ),
    Command(
        name="replay",
        summary="Prove a run, a lineage or one paper of a harness against its records, or measure it afresh.",
        example="studbook replay quickstart-1:best --level recorded",
        handler="studbook.experiments.cli.replaying:replay",
        flags=(
            TARGET,
            flag(
                "paper",
                metavar="PAPER",
                nargs="?",
                help="only this paper: its id, or how that begins",
            ),
            flag(
                "--level",
                choices=("fold", "recorded", "live"),
                default="fold",
                help="fold: read and prove, no code runs; recorded: run everything again, models answer from "
                "the records; live: fresh calls, paid for, beside the old score (default: %(default)s)",
            ),
            flag("--alone", action="store_true", help="the harness without those it comes from"),
            flag("--papers", metavar="PATH", help="where the papers are now, if not where the spec says"),
            flag(
                "--replicates",
                metavar="N",
                type=int,
                help="live: how often each paper is measured (default: 3); more add to those that are there",
            ),
            RESET,
            RUNS,
        ),
    ),
    Command(
        name="verify",
        summary="Check everything a run wrote, and name each place that was changed or damaged.",
        example="studbook verify quickstart-1",
        handler="studbook.experiments.cli.verifying:verify_command",
        flags=(
            RUN,
            flag(
                "--expect",
                metavar="HEAD_HASH",
                help="the head hash of the journal as it was published: finds a folder rewritten as a whole",
            ),
            RUNS,
        ),
    ),
    Command(
        name="pack",
        summary="Make one file of a run, without keys, to be unpacked and replayed on another machine.",
        example="studbook pack quickstart-1",
        handler="studbook.experiments.cli.packing:pack_command",
        flags=(
            RUN,
            flag(
                "file",
                metavar="FILE",
                nargs="?",
                help="where to (default: RUN.studbook.tar.gz, in this folder)",
            ),
            RUNS,
        ),
    ),
    Command(
        name="unpack",
        summary="Check the file of a packed run, and put it among the runs only when it is whole.",
        example="studbook unpack quickstart-1.studbook.tar.gz",
        handler="studbook.experiments.cli.packing:unpack_command",
        flags=(
            flag("file", metavar="FILE", help="a file that studbook pack wrote"),
            flag("--name", help="name of the run here (default: the name it had)"),
            RUNS,
        ),
    ),
    Command(
        name="evaluate",
        summary="Measure one harness on papers with the frozen evaluator.",
        example="studbook evaluate agentic_self_instruct --papers papers --replicates 2",
        handler="studbook.experiments.cli.measuring:evaluate",
        flags=(
            flag(
                "harness",
                metavar="HARNESS",
                help="a folder, the name of a bundled harness, or RUN:HARNESS",
            ),
            flag("--papers", metavar="PATH", required=True, help="a folder or file of papers (.md, .txt)"),
            flag(
                "--replicates", metavar="N", type=int, default=1, help="independent repetitions (default: 1)"
            ),
            flag("--limit", metavar="N", type=int, help="only the first N papers, by file name"),
            flag("--out", metavar="FILE", help="write the accepted examples there, as JSONL"),
            flag("--spec", metavar="SPEC", help="take models, evaluator, sandbox and seed from this spec"),
            SET,
            RUNS,
        ),
    ),
    Command(
        name="export",
        summary="Write a harness of a run into a folder of its own.",
        example="studbook export quickstart-1:best exported-harness",
        handler="studbook.experiments.cli.exporting:export",
        flags=(
            TARGET,
            flag("folder", metavar="DIR", help="a folder that does not exist yet, or is empty"),
            RUNS,
        ),
    ),
    Command(
        name="report",
        summary="Write the run's report: one HTML file that opens offline.",
        example="studbook report quickstart-1",
        handler="studbook.experiments.cli.exporting:report",
        flags=(
            RUN,
            flag("--out", metavar="FILE", help="where to (default: report.html in the run folder)"),
            RUNS,
        ),
    ),
    Command(
        name="papers synth",
        summary="Write synthetic papers, each saying that it is synthetic.",
        example="studbook papers synth papers --count 20",
        handler="studbook.experiments.cli.papers:synth",
        flags=(
            flag("folder", metavar="DIR", help="where to; a file with other content is never replaced"),
            flag("--count", metavar="N", type=int, default=20, help="how many (default: %(default)s)"),
            flag("--seed", metavar="N", type=int, default=0, help="the same seed gives the same papers"),
        ),
    ),
    Command(
        name="papers show",
        summary="List the papers of a corpus, or print one of them.",
        example="studbook papers show papers",
        handler="studbook.experiments.cli.papers:show",
        flags=(PAPERS, flag("paper", metavar="PAPER", nargs="?", help="id of a paper, or its beginning")),
    ),
    Command(
        name="papers stats",
        summary="Count papers and characters, and say which files were skipped and why.",
        example="studbook papers stats papers",
        handler="studbook.experiments.cli.papers:stats",
        flags=(PAPERS,),
    ),
    Command(
        name="init",
        summary="Make a new harness that runs as it is, ready to be changed.",
        example="studbook init my-harness",
        handler="studbook.experiments.cli.measuring:init",
        flags=(flag("folder", metavar="DIR", help="a folder that does not exist yet, or is empty"),),
    ),
    Command(
        name="doctor",
        summary="Check what this machine has and lacks for running Studbook.",
        example="studbook doctor",
        handler="studbook.experiments.cli.machine:doctor",
        flags=(
            flag(
                "spec",
                metavar="SPEC",
                nargs="?",
                help="also check the endpoints and the sandbox of this spec",
            ),
            flag(
                "--deep",
                action="store_true",
                help="try every limit of a box in this machine's own sandboxes, and say which are enforced",
            ),
            SET,
            RUNS,
        ),
    ),
    Command(
        name="testbed serve",
        summary="Offer the testbed's models as an OpenAI-compatible server on this machine.",
        example="studbook testbed serve --port 8787",
        handler="studbook.experiments.cli.machine:testbed_serve",
        flags=(
            flag("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"),
            flag(
                "--port", type=int, default=8787, help="port to listen on, 0 for any (default: %(default)s)"
            ),
            flag(
                "--faults",
                type=share,
                default=0.0,
                metavar="SHARE",
                help="let this share of all requests fail, in every way that a second try mends, like 0.3",
            ),
            flag("--seed", type=int, default=0, help="which requests fail, and how (default: %(default)s)"),
            flag(
                "--slow-faults",
                action="store_true",
                help="among them those that cost a client its whole timeout",
            ),
        ),
    ),
)

GROUPS = {"papers": "Make and look at papers.", "testbed": "The testbed's models as a server."}
"""First words of two-word commands, and what they are about."""
