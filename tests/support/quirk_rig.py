"""A small evaluation, or run, against an endpoint with one quirk, in this process over real sockets."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.effects import load_effects

from studbook.errors import StudbookError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.papers import make_paper
from studbook.experiments.library.working import run
from studbook.experiments.run.bench import Origin, open_bench
from studbook.experiments.run.environment import now
from studbook.experiments.run.notices import NoticeLog
from studbook.experiments.run.stopping import StopSwitch
from studbook.experiments.spec.model import Spec
from studbook.harnesses.folder import read_harness
from studbook.harnesses.tree import HarnessTree, set_knobs
from studbook.llm.contracts import ROLES, Usage
from studbook.llm.meter import sum_totals
from studbook.populations.records import PaperResult
from studbook.testbed.inline_sandbox import InlineSandbox
from studbook.testbed.models.backend import MODELS, TestbedBackend
from studbook.testbed.papers.synthesis import synthetic_papers
from studbook.testbed.server.quirks import Quirk, QuirkyMeddler
from studbook.testbed.server.server import BackendServer

KEY = "sk-quirk-0123456789abcdef"
MARKER = "FLAGGED"
ROUNDS = 2
NO_USAGE = Usage()


def papers() -> tuple[Paper, ...]:
    """The second one is the one that an endpoint may treat differently."""
    made = list(synthetic_papers(3, seed=31))
    made[1] = make_paper(f"{made[1].text}\n\nThis paragraph is {MARKER}.\n", made[1].source)
    return tuple(made)


FLAGGED_PAPER = 1


def four_findings() -> HarnessTree:
    effects = load_effects()
    tree: HarnessTree = effects.with_texts(read_harness(effects.SEED_HARNESS), effects.ALL)
    return set_knobs(tree, {"max_rounds": ROUNDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What came of it. `told`: every notice and the error, in the words that a user reads."""

    results: tuple[PaperResult, ...] = ()
    usage: Usage = NO_USAGE
    told: str = ""
    error: StudbookError | None = None
    is_met: bool = False

    @property
    def outcomes(self) -> list[tuple[object, ...]]:
        """All of a result that an endpoint's manners must not change."""
        return [
            (
                each.verdict.value,
                each.passed,
                [(r.status, r.category, r.weak_average, r.strong_average) for r in each.rounds],
                None if each.confirmation is None else each.confirmation.holds,
            )
            for each in self.results
        ]


def spec_for(url: str, changes: Mapping[str, Any]) -> Spec:
    models: dict[str, Any] = {
        "retry_wait_seconds": 0.002,
        "patience_minutes": 0.0,
        "endpoints": {"main": {"kind": "openai", "base_url": url, "api_key_env": "OPENAI_API_KEY"}},
        "default": {"endpoint": "main"},
        "roles": {role: {"model": f"testbed-{role.replace('_', '-')}"} for role in ROLES},
    }
    raw = {"version": 1, "name": "quirk", "workers": 3, "models": models}
    for path, value in changes.items():
        *way, last = path.split(".")
        place: dict[str, Any] = raw
        for name in way:
            place = place.setdefault(name, {})
        place[last] = value
    return Spec.model_validate(raw)


def observe(quirk: Quirk | None, folder: Path) -> Observed:
    meddler = None if quirk is None else QuirkyMeddler(quirk)
    shown: list[str] = []
    with ExitStack() as stack:
        server = BackendServer(TestbedBackend(), models=MODELS, meddler=meddler)
        stack.enter_context(server)
        tree = four_findings()
        sandbox = InlineSandbox()
        notices = NoticeLog(folder / "notices.jsonl", shown.append, now)
        seen = Observed()
        try:
            bench = stack.enter_context(
                open_bench(
                    spec_for(server.base_url, {} if quirk is None else quirk.spec),
                    sandbox,
                    Origin(sandbox=sandbox.fingerprint, roles=tree.manifest.roles),
                    {"OPENAI_API_KEY": KEY},
                    calls=None,
                    trajectories=folder / "trajectories",
                    notices=notices,
                    switch=StopSwitch(),
                )
            )
            done = bench.evaluate(
                tree, papers(), harness_id="four", split="given", replicate=0, on_result=lambda _: None
            )
            total = sum_totals(bench.client.meter.snapshot()).usage
            seen = replace(seen, results=tuple(done.results), usage=total)
        except StudbookError as error:
            seen = replace(seen, error=error)
    told = "\n".join([*_notices(folder / "notices.jsonl"), *shown, str(seen.error or "")])
    return replace(seen, told=told, is_met=meddler is not None and meddler.is_met)


RUN_SPEC = """\
version: 1
name: quirk
seed: 3
corpus: {{splits: {{train: 1, validation: 2, test: 1}}}}
search: {{iterations: 2, minibatch: 1, knob_share: 0}}
champion: {{candidates: 1, confirm_replicates: 1, test_replicates: 1}}
evaluator: {{max_rounds: 2}}
sandbox: process
workers: 2
models:
  retry_wait_seconds: 0.002
  patience_minutes: 0
  endpoints: {{main: {{kind: openai, base_url: "{url}"}}}}
  default: {{endpoint: main}}
  roles: {{{roles}}}
"""


def run_with(quirk: Quirk | None, folder: Path) -> tuple[list[tuple[str, str, str]], str]:
    """A whole small run: of each mutant name, verdict and hash of its files; and what the user reads."""
    folder.mkdir()
    meddler = None if quirk is None else QuirkyMeddler(quirk)
    roles = ", ".join(f"{role}: {{model: testbed-{role.replace('_', '-')}}}" for role in ROLES)
    with BackendServer(TestbedBackend(), models=MODELS, meddler=meddler) as server:
        spec = folder / "quirk.yaml"
        spec.write_text(RUN_SPEC.format(url=server.base_url, roles=roles), encoding="utf-8")
        done = run(spec, overrides=None if quirk is None else quirk.spec, runs_dir=folder / "runs")
    assert meddler is None or meddler.is_met, "the quirk was never met"
    told = "\n".join(_notices(folder / "runs" / done.name / "notices.jsonl"))
    return [(each.harness_id, str(each.verdict), each.tree_hash) for each in done.mutants()], told


def _notices(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
