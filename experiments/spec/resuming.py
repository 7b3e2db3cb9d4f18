"""What a run keeps of its spec: the keys that define the experiment, and those that a resume may change.

Where something is (addresses, key variables, papers), how fast it is asked (concurrency, timeouts, retries,
workers), what it costs and how long the search goes on change no result, so they are not hashed and may
change. Everything else defines the experiment: models and their parameters, evaluator, splits, random seed.
The papers' content is checked separately, by their hashes in the journal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studbook.errors import SpecError
from studbook.experiments.spec.loading import (
    DOTENV,
    PATH_KEYS,
    Override,
    environment_overrides,
    locate_path,
    parse_override,
    set_key,
    validate_spec,
)
from studbook.experiments.spec.model import Spec
from studbook.identity import hash_json

LENGTH = ("iterations", "patience")
"""Keys of `search` that affect only how many iterations a run has."""
WAITING = ("retries", "retry_wait_seconds", "patience_minutes", "accept_judge")
"""Keys of `models` that affect only how long a run takes, and whether it starts."""
PLACE = (
    "base_url",
    "api_key_env",
    "api_key_header",
    "query",
    "stream",
    "timeout_seconds",
    "concurrency",
)
"""Keys of an endpoint: where it is, how it is reached and how fast it is asked."""
PRICES = (
    "dollars_per_million_input",
    "dollars_per_million_cached_input",
    "dollars_per_million_output",
)
"""Keys of a role that affect only the cost."""
PAPERS = ("path", "train", "validation", "test")
"""Keys of `corpus` that say where papers are."""

RESUMABLE = (
    "budget",
    "workers",
    "speculation",
    "display",
    *(f"search.{key}" for key in LENGTH),
    *(f"models.{key}" for key in WAITING),
    *(f"models.endpoints.NAME.{key}" for key in PLACE),
    *(f"models.roles.ROLE.{key}" for key in PRICES),
    *(f"corpus.{key}" for key in PAPERS),
)
"""NAME and ROLE stand for any one word; a section stands for all of its keys."""

ADDRESS = ("models", "endpoints", "openai", "base_url")
"""The only key that OPENAI_BASE_URL sets."""


def spec_hash(spec: Spec) -> str:
    """Hash of every key that may change a result."""
    values = spec.model_dump(mode="json", exclude={"workers", "speculation", "display", "name", "budget"})
    values["corpus"] = {key: values["corpus"][key] for key in ("splits", "synthetic")}
    del values["harness"]
    for key in LENGTH:
        del values["search"][key]
    models = values["models"]
    for key in WAITING:
        del models[key]
    for endpoint in models["endpoints"].values():
        for key in PLACE:
            del endpoint[key]
    for role in (models["default"], *models["roles"].values()):
        for key in PRICES:
            del role[key]
    return hash_json(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The spec of a resumed run. `changes` has one line per key that differs from before.

    `overrides`: what flags, environment and `.env` set, later ones overriding earlier ones.
    """

    spec: Spec
    changes: tuple[str, ...]
    overrides: tuple[Override, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The keys that this user has set; a `.env` may have come with the folder."""
        return frozenset(each.key for each in self.overrides if not each.is_from_dotenv)


def resume_spec(
    spec: Spec,
    flags: Iterable[str],
    *,
    papers: str | None = None,
    environment: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str] | None = None,
) -> Resumed:
    """Flags override OPENAI_BASE_URL, which overrides the run's own spec; other variables are not read.

    `papers`: a folder or file that has them all. Raises SpecError for a key that defines the experiment.
    """
    given = [parse_override(text) for text in flags]
    for override in given:
        _check_resumable(override)
    if papers is not None:
        given.append(Override(path=("corpus", "path"), value=papers, origin="--papers"))
    overrides = given
    if any(role.endpoint == ADDRESS[-2] for role in spec.models.roles.values()):
        overrides = [*_addresses(dotenv or {}, DOTENV), *_addresses(environment or {}, "environment"), *given]
    raw = spec.model_dump(mode="json")
    for override in overrides:
        value = override.value
        if override.key in PATH_KEYS and isinstance(value, str):
            value = locate_path(override.key, value)
        _make_way(raw, override)
        set_key(raw, override, value)
    resumed = validate_spec(raw, "spec.resolved.yaml", overrides)
    changes = tuple(_changes(spec, resumed, overrides))
    return Resumed(spec=resumed, changes=changes, overrides=tuple(overrides))


def _addresses(environment: Mapping[str, str], origin: str) -> list[Override]:
    return [each for each in environment_overrides(environment, origin) if each.path == ADDRESS]


def _check_resumable(override: Override) -> None:
    if not any(_covers(tuple(pattern.split(".")), override.path) for pattern in RESUMABLE):
        raise SpecError(
            f"{override.origin} {override.key}: a resumed run keeps its spec, and this key is part of the "
            f"experiment\n  only {', '.join(RESUMABLE)} may change; for anything else start a new run"
        )


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    if len(path) < len(pattern):
        return False
    return all(part in {"NAME", "ROLE", step} for part, step in zip(pattern, path, strict=False))


def _make_way(raw: dict[str, Any], override: Override) -> None:
    """One folder replaces the three of the splits, and the other way round: the run's papers are known."""
    section, _, key = override.key.partition(".")
    if section == "corpus":
        for other in PAPERS[1:] if key == "path" else PAPERS[:1]:
            raw["corpus"][other] = None


def _changes(before: Spec, after: Spec, overrides: Iterable[Override]) -> Iterable[str]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for override in {each.key: each for each in overrides}.values():
        was, now = _value(old, override.path), _value(new, override.path)
        if was != now:
            yield f"{override.key}: {_shown(was)} → {_shown(now)} ({override.origin})"


def _value(values: Any, path: Sequence[str]) -> Any:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
