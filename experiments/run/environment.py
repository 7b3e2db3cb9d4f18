"""The user's environment: what is read from it (variables, `.env`, the clock) and what a run records of it.

environment.json lists the versions and hashes a run was executed with, for people and for comparison. It
never contains environment variables, which may hold keys.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from studbook.errors import IntegrityError, SpecError
from studbook.experiments.run.credentials import check_credentials
from studbook.experiments.run.dotenv import (
    check_dotenv,
    check_key_sources,
    dotenv_keys,
    dotenv_lines,
    merged,
)
from studbook.experiments.spec.loading import DOTENV, all_overrides, load_spec
from studbook.experiments.spec.model import Spec
from studbook.experiments.spec.resuming import Resumed, resume_spec
from studbook.identity import Json, hash_json
from studbook.json_text import read_json
from studbook.llm.secrets import read_dotenv
from studbook.populations.storage import read_plain
from studbook.version import __version__

Tell = Callable[[str], object]


def ignore_message(_: str) -> None:
    """A library shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UserEnvironment:
    """Has no `repr`, because the values may be keys."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        return merged(self.environment, self.dotenv)

    def load(self, path: str | None, flags: Iterable[str], tell: Tell = ignore_message) -> Spec:
        """`path` None: the default spec, with the overrides of the flags. `tell`: what `.env` changes.

        Raises SpecError, also for what a `.env` may not change.
        """
        file, given = Path(path) if path else None, tuple(flags)
        spec = load_spec(file, given, environment=self.environment, dotenv=self.dotenv)
        overrides = all_overrides(given, self.environment, self.dotenv)
        check_dotenv(spec, self._without_dotenv(file, given), overrides)
        check_key_sources(spec, overrides, self.variables, self.dotenv)
        check_credentials(spec, overrides, self.variables, self.dotenv)
        for line in (*dotenv_lines(overrides), *dotenv_keys(spec, self.variables, self.dotenv)):
            tell(line)
        return spec

    def _without_dotenv(self, file: Path | None, flags: tuple[str, ...]) -> Spec | None:
        try:
            return load_spec(file, flags, environment=self.environment)
        except SpecError:
            return None

    def resume(self, spec: Spec, flags: Iterable[str], papers: str | None = None) -> Resumed:
        """The spec of an existing run with what this user changes of it. Raises SpecError."""
        resumed = resume_spec(spec, flags, papers=papers, environment=self.environment, dotenv=self.dotenv)
        check_key_sources(resumed.spec, resumed.overrides, self.variables, self.dotenv)
        return resumed


def read_user_environment() -> UserEnvironment:
    return UserEnvironment(environment=dict(os.environ), dotenv=read_dotenv(Path(DOTENV)))


def now() -> datetime:
    return datetime.now(UTC)


SCHEMA_VERSION = 1
MAX_BYTES = 1024 * 1024
CHECK = "check"
VERSION = re.compile(r"\d+\.\d+\.\w{1,12}")
PACKAGES = ("docker", "openai", "optuna", "pydantic", "pyyaml", "rich", "zstandard")


def describe_environment(
    *, sandbox: dict[str, str], evaluator_hash: str, started: str, home: Path
) -> dict[str, Json]:
    """`home` is the folder of our own code, `started` an ISO time."""
    return {
        "version": SCHEMA_VERSION,
        "started": started,
        "studbook": __version__,
        "commit": describe_commit(home),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git": command_version("git", "--version"),
        "packages": {name: package_version(name) for name in PACKAGES},
        "sandbox": dict(sandbox),
        "evaluator_hash": evaluator_hash,
    }


def environment_text(values: dict[str, Json]) -> str:
    """The last key is a checksum of the others: no event refers to this file, so no hash covers it."""
    return json.dumps({**values, CHECK: hash_json(values)}, indent=2, ensure_ascii=False) + "\n"


def python_difference(environment: Path) -> str:
    """What to say of a difference if the run was made with another Python; "" if not, or if it is unknown.

    Python's own words, such as those of a JSON error, change with its version; a harness may pass them on.
    """
    try:
        data = read_plain(environment, MAX_BYTES) or b"{}"
        made = read_json(data, environment.name).get("python")
    except (OSError, IntegrityError, AttributeError):
        return ""
    here = platform.python_version()
    if made == here or not isinstance(made, str) or not VERSION.fullmatch(made):
        return ""
    return f"made with Python {made}, replayed with Python {here}, whose error messages may have other words"


def describe_commit(home: Path) -> str:
    """Our commit, with -dirty if files differ from it; "unknown" outside a checkout.

    A repository around our folder is not ours, if Studbook is installed: git must neither obey nor name it.
    """
    if not (home / ".git").exists():
        return "unknown"
    return (
        command_output("git", "-C", str(home), "describe", "--always", "--dirty", "--abbrev=40") or "unknown"
    )


def package_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def command_version(*command: str) -> str:
    return command_output(*command) or "missing"


def command_output(*command: str) -> str:
    """The first line a program prints; "" if it is missing, fails or takes longer than ten seconds."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""
