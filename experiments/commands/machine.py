"""Commands about the machine: doctor, and the testbed as a server."""

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from rich.text import Text

from experiments.checkup import (
    Finding,
    State,
    check_docker,
    check_endpoints,
    check_machine,
    check_process_sandbox,
)
from experiments.console import Terminal
from experiments.run_lines import TESTBED_MODELS, line
from experiments.surroundings import read_surroundings
from experiments.text import clean_line
from studbook.errors import StorageError
from studbook.llm.serve import ModelServer
from studbook.llm.testbed.backend import MODELS, TestbedBackend

GLYPHS = {State.FINE: ("✓", "green"), State.WARNING: ("!", "yellow"), State.MISSING: ("✗", "red")}


def doctor(options: Namespace, terminal: Terminal) -> int:
    """Exit 1 when something required is missing."""
    surroundings = read_surroundings()
    spec = surroundings.load(options.spec, options.overrides)
    findings = [
        *check_machine(Path(options.runs_dir)),
        *check_docker(spec.sandbox.kind == "docker", spec.sandbox.image),
        check_process_sandbox(),
        *check_endpoints(spec, surroundings.variables, terminal.progress),
    ]
    missing = [each for each in findings if each.state is State.MISSING]
    if terminal.wants_json:
        terminal.json({"schema": 1, "findings": findings, "is_ready": not missing})
    else:
        terminal.result(finding_lines(findings))
        terminal.result(["", f"not ready: {len(missing)} required missing" if missing else "ready"])
    return 1 if missing else 0


def finding_lines(findings: Iterable[Finding]) -> list[Text]:
    lines = []
    for each in findings:
        glyph, style = GLYPHS[each.state]
        lines.append(
            line((f"{glyph} {each.state:<8}", style), (f"{each.name:<9}", "bold"), clean_line(each.text, 300))
        )
        if each.next_step:
            lines.append(Text(f"           → {clean_line(each.next_step, 300)}"))
    return lines


def testbed_serve(options: Namespace, terminal: Terminal) -> int:
    """Until Ctrl-C."""
    try:
        server = ModelServer(TestbedBackend(), models=MODELS, host=options.host, port=options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        reason = f"cannot listen on {where}: {error.strerror}\n  choose another --port, or 0 for any"
        raise StorageError(reason) from error
    if terminal.wants_json:
        terminal.json({"schema": 1, "base_url": server.base_url, "models": MODELS})
    else:
        terminal.result([server.base_url])
    terminal.progress(f"serving {TESTBED_MODELS}")
    terminal.progress(f"models: {', '.join(MODELS)}; any key will do; Ctrl-C ends it")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        terminal.progress("ended")
    finally:
        server.close()
    return 0
