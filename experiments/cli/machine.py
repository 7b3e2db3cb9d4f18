"""Commands about this machine: doctor, and serving the testbed's models."""

from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from studbook.errors import UsageError
from studbook.experiments.cli.command import PLUGINS, RUNS, SET, command, flag, share
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.doctor import (
    BoxCheck,
    CheckResult,
    CheckState,
    LimitReading,
    check_docker,
    check_machine,
    check_process,
)
from studbook.experiments.model_checks import check_endpoints
from studbook.experiments.run.environment import read_user_environment
from studbook.experiments.run.plugins import check_buildable, plugging
from studbook.experiments.views.lines import TESTBED_MODELS, line
from studbook.experiments.views.text import clean_line, count
from studbook.llm.endpoints import SERVER
from studbook.sandbox.probes.judges import State as Limit

GLYPHS = {
    CheckState.FINE: ("✓", "green"),
    CheckState.WARNING: ("!", "yellow"),
    CheckState.MISSING: ("✗", "red"),
}


LIMIT_GLYPHS = {Limit.ENFORCED: ("✓", "green"), Limit.NOT_ENFORCED: ("!", "yellow"), Limit.UNTRIED: ("?", "")}
HOLE = ("✗", "red")


@command(
    "studbook doctor",
    flag("spec", metavar="SPEC", nargs="?", help="also check the endpoints and the sandbox of this spec"),
    flag(
        "--deep",
        action="store_true",
        help="probe every limit in this machine's sandboxes, and report which are enforced",
    ),
    flag(
        "--no-canary",
        action="store_true",
        help="leave out the planted cases for judge and verifier; a run begins with them in any case",
    ),
    SET,
    PLUGINS,
    RUNS,
)
def doctor(options: Namespace, terminal: Terminal) -> int:
    """Exits with 1 if a required check fails."""
    with plugging(options.plugins, spec=options.spec):
        return _doctor(options, terminal)


def _doctor(options: Namespace, terminal: Terminal) -> int:
    user = read_user_environment()
    spec = user.load(options.spec, options.overrides, terminal.progress)
    if options.spec is not None:
        check_buildable(spec)
    limits: list[LimitReading] = []
    boxes = BoxCheck(
        kind=spec.sandbox.kind,
        image=spec.sandbox.image,
        runtime=spec.sandbox.runtime,
        is_deep=options.deep,
        environment=user.variables,
        told=lambda found: _tell(found, limits, terminal, options.deep),
    )
    results = [
        *check_machine(Path(options.runs_dir)),
        *check_docker(boxes),
        check_process(boxes),
        *check_endpoints(spec, user.variables, terminal.progress, asks_canary=not options.no_canary),
    ]
    missing = [each for each in results if each.state is CheckState.MISSING]
    if terminal.wants_json:
        deep = {"limits": [_limit_json(each) for each in limits]} if options.deep else {}
        terminal.json({"schema": 1, "checks": results, **deep, "is_ready": not missing})
    else:
        terminal.result(["", *result_lines(results)] if options.deep else result_lines(results))
        terminal.result(
            ["", f"Not ready: {count(len(missing), 'required check')} failed" if missing else "ready"]
        )
    return 1 if missing else 0


def _tell(found: LimitReading, limits: list[LimitReading], terminal: Terminal, is_deep: bool) -> None:
    """Prints one line per limit as soon as it is known; with --json as progress, not as the result."""
    limits.append(found)
    if not is_deep:
        return
    if terminal.wants_json:
        terminal.progress(limit_lines(found)[0])
    else:
        terminal.result(limit_lines(found))


def limit_lines(found: LimitReading) -> list[Text]:
    reading = found.reading
    glyph, style = HOLE if reading.is_hole else LIMIT_GLYPHS[reading.state]
    lines = [
        line(
            (f"{glyph} {reading.state:<17}", style),
            (f" {found.sandbox:<7} {reading.limit:<21} ", "bold"),
            clean_line(reading.measured, 300),
        )
    ]
    if reading.next_step and found.sandbox == "docker":  # the process sandbox has one next step, shown once
        lines.append(Text(f"{'':<20}→ {clean_line(reading.next_step, 300)}"))
    return lines


def _limit_json(found: LimitReading) -> dict[str, Any]:
    return {"sandbox": found.sandbox, **asdict(found.reading)}


def result_lines(results: Iterable[CheckResult]) -> list[Text]:
    lines = []
    for each in results:
        glyph, style = GLYPHS[each.state]
        lines.append(
            line((f"{glyph} {each.state:<8}", style), (f"{each.name:<9}", "bold"), clean_line(each.text, 300))
        )
        if each.next_step:
            lines.append(Text(f"           → {clean_line(each.next_step, 300)}"))
    return lines


@command(
    "studbook testbed serve --port 8787",
    flag("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"),
    flag("--port", type=int, default=8787, help="port to listen on, 0 for any (default: %(default)s)"),
    flag(
        "--faults",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of requests that fail, in every way that a retry fixes, like 0.3",
    ),
    flag("--seed", type=int, default=0, help="random seed of the faults (default: %(default)s)"),
    flag(
        "--slow-faults",
        action="store_true",
        help="include faults that cost a client its whole timeout",
    ),
    flag("--quirk", metavar="NAME", help="behave like some real endpoint: a name from docs/quirks.md"),
)
def testbed_serve(options: Namespace, terminal: Terminal) -> int:
    """Serves until Ctrl-C; with --faults some requests fail on purpose, to test clients."""
    if options.quirk is not None and options.faults:
        raise UsageError("--quirk and --faults exclude each other\n  give one of them")
    try:
        server = SERVER.build(
            SERVER.find("testbed"),
            host=options.host,
            port=options.port,
            faults=options.faults,
            seed=options.seed,
            slow_faults=options.slow_faults,
            quirk=options.quirk,
        )
    except UsageError as error:
        if options.quirk is not None and "cannot listen" not in str(error):
            raise
        problem, other = str(error).splitlines()[0], 8898 if options.port == 8899 else 8899
        next_step = f"choose another port: --port {other}, or --port 0 for any free one"
        raise UsageError(f"{problem}\n{next_step}") from error
    if terminal.wants_json:
        terminal.json({"schema": 1, "base_url": server.base_url, "models": server.models})
    else:
        terminal.result([server.base_url])
    terminal.progress(f"serving {TESTBED_MODELS}")
    terminal.progress(f"models: {', '.join(server.models)}; any API key works; press Ctrl-C to stop")
    if options.faults:
        terminal.progress(f"{options.faults:.0%} of all requests fail on purpose (seed {options.seed})")
    if server.about:
        terminal.progress(f"quirk {options.quirk}: {server.about}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        terminal.progress("stopped")
        if options.faults or options.quirk:
            terminal.progress(f"served {_counted(server.counts)}")
    finally:
        server.close()
    return 0


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{number:,} {kind}" for kind, number in sorted(counts.items(), key=lambda each: -each[1])
    )
