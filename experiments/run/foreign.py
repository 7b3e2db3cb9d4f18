"""What a run that somebody else made may decide here: nothing, until this user has said so.

Its harness code runs in a container unless this user names another sandbox. No address, key variable or code
that it names is used before this user names it again. Each refusal says which command would do it. A run of
the user's own (`experiments/run/provenance.py`) is opened as it was made.
"""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from studbook.errors import SandboxError, SpecError, UsageError
from studbook.experiments.run.bench import open_clean_sandbox, open_recorded_sandbox
from studbook.experiments.run.credentials import endpoint_settings
from studbook.experiments.run.plugins import check_named_code, chosen
from studbook.experiments.run.provenance import Provenance
from studbook.experiments.spec.model import KEY_OF_OPENAI, OPENAI, LimitsSpec, SandboxSpec, Spec
from studbook.experiments.spec.resuming import PAPERS
from studbook.sandbox.contract import StatedSandbox
from studbook.sandbox.engine import Engine

CONTAINER = "docker"
"""The only kind of sandbox that is meant to contain hostile code."""
MOST_TIMES = 4
"""How much more than usual of any limit a container gives without asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What this user has said about a run: `sandbox` is the kind they named, `command` what they typed.

    `command` "": they called the library. `adopting` is the command that makes the run their own.
    """

    run: str
    provenance: Provenance
    command: str
    adopting: str
    sandbox: str | None = None

    def open_for_replay(self, spec: SandboxSpec) -> StatedSandbox:
        """The sandbox the user named; for their own run the recorded one, for any other a container.

        Raises UsageError if there is no container, SandboxError without an image.
        """
        if self.sandbox is not None:
            self._check_image(spec, self.sandbox)
            return open_clean_sandbox(named_sandbox(spec, self.sandbox))
        return open_recorded_sandbox(spec) if self.provenance.is_own else self._contained_as_asked(spec)

    def open_for_resume(self, spec: SandboxSpec) -> StatedSandbox:
        """The recorded one, which a resumed run keeps. Raises UsageError if it contains too little."""
        if self.sandbox not in {None, spec.kind}:
            raise UsageError(
                f"--sandbox {self.sandbox}: run {self.run} began in the {spec.kind} sandbox, and a resumed "
                "run keeps its sandbox"
            )
        if self.sandbox is not None or self.provenance.is_own:
            self._check_image(spec, spec.kind)
            return open_recorded_sandbox(spec)
        if spec.kind != CONTAINER:
            raise self._uncontained(
                f"a resumed run keeps the sandbox it began in, {spec.kind}, which contains too little",
                spec.kind,
            )
        return self._contained_as_asked(spec)

    def open_for_evaluation(self, spec: SandboxSpec) -> StatedSandbox:
        """For one harness of the run, by the user's own spec: a container, unless they name another kind."""
        if self.sandbox is not None:
            return open_clean_sandbox(named_sandbox(spec, self.sandbox))
        if self.provenance.is_own:
            return open_clean_sandbox(spec)
        return self._contained(spec)

    def _contained_as_asked(self, spec: SandboxSpec) -> StatedSandbox:
        """A container with the image and limits that the run names, if the user need not be asked."""
        self._check_image(spec, CONTAINER)
        if spec.runtime is not None:
            raise self._uncontained(f"it asks for sandbox.runtime={spec.runtime}", CONTAINER)
        usual = LimitsSpec()
        for name in LimitsSpec.model_fields:
            asked, most = getattr(spec.limits, name), MOST_TIMES * getattr(usual, name)
            if asked > most:
                raise self._uncontained(f"it asks for sandbox.limits.{name}={asked:,}", CONTAINER)
        return self._contained(spec)

    def _contained(self, spec: SandboxSpec) -> StatedSandbox:
        try:
            sandbox = open_clean_sandbox(named_sandbox(spec, CONTAINER))
        except UsageError as error:
            raise self._uncontained(f"no Docker to contain it ({str(error).splitlines()[0]})") from error
        if not sandbox.isolates_untrusted_code:
            sandbox.close()
            raise self._uncontained(f"this engine contains too little: {sandbox.statement}", CONTAINER)
        return sandbox

    def _check_image(self, spec: SandboxSpec, kind: str) -> None:
        """A pull would ask a server that the run names."""
        image = spec.image
        if image is None or kind != CONTAINER or self.provenance.is_own:
            return
        try:
            engine = Engine.connect()
        except SandboxError:
            return  # reported by whoever opens the sandbox
        try:
            is_there = engine.find_image(image) is not None
        finally:
            engine.close()
        if not is_there:
            raise UsageError(
                f"run {self.run} was not made by you, and its image {image} is not on this machine\n"
                f"  if you trust where it comes from: docker pull {shlex.quote(image)}"
            )

    def _uncontained(self, why: str, kind: str = "process") -> UsageError:
        return UsageError(
            f"run {self.run} holds code that is not yours: {self.provenance.reason}\n"
            f"It is not run unasked: {why}\n"
            f"To run it all the same: {self._again('--sandbox', kind)}\n"
            f"If the run is your own: {self.adopting}"
        )

    def check_code(self, spec: Spec) -> None:
        """Raises PluginError for a plug-in of the run that is in no folder the user named."""
        if not self.provenance.is_own:
            check_named_code(spec)

    def check_endpoints(self, spec: Spec, named: Collection[str]) -> None:
        """`spec` is the run's with what is changed of it, `named` are the keys that this user has set.

        Raises SpecError for an address or a key's variable that only the run or a `.env` names.
        """
        if self.provenance.is_own:
            return
        lacking = [pair for pair in endpoint_settings(spec) if pair[0] not in named]
        if not lacking:
            return
        flags = [part for key, value in lacking for part in ("-s", f"{key}={value}")]
        listed = "\n".join(f"  {key}: {value}" for key, value in lacking)
        if any(key == f"models.endpoints.{OPENAI}.base_url" for key, _ in lacking):
            listed += f"\n  (the key in {KEY_OF_OPENAI} would go there)"
        raise SpecError(
            f"run {self.run} names addresses or keys, and it is not yours: {self.provenance.reason}\n"
            f"{listed}\n"
            f"If your papers and keys may go there, name them yourself: {self._again(*flags)}\n"
            f"If the run is your own: {self.adopting}"
        )

    def check_papers(self, spec: Spec, named: Collection[str], papers: str | None = None) -> None:
        """Raises SpecError for papers in a place that only the run names: it could be any of this machine."""
        places = [key for key in PAPERS if getattr(spec.corpus, key) is not None]
        if self.provenance.is_own or papers is not None or not places:
            return
        if any(f"corpus.{key}" in named for key in PAPERS):
            return
        place = getattr(spec.corpus, places[0])
        raise SpecError(
            f"run {self.run} says that its papers are in {place}, and it is not yours\n"
            f"If they are there, say so: {self._again('--papers', place)}\n"
            f"If the run is your own: {self.adopting}"
        )

    def _again(self, *flags: str) -> str:
        return f"{self.command} {shlex.join(flags)}" if self.command else f"sandbox={flags[-1]!r}"


def named_sandbox(spec: SandboxSpec, kind: str) -> SandboxSpec:
    """The same limits and image in a sandbox of another kind."""
    return spec if kind == spec.kind else spec.model_copy(update={"kind": kind, "params": {}})


def decisions_of(spec: Spec) -> Iterator[tuple[str, str]]:
    """What a run decides once it is this user's own: its sandbox, code to import, addresses and keys."""
    yield "sandbox", spec.sandbox.kind
    for place, (door, choice) in chosen(spec).items():
        if choice.name not in door.names():
            yield place, choice.name
    yield from endpoint_settings(spec)
