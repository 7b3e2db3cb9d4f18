"""What a `.env` file may decide. It lies in the current folder, so it may have come with that folder.

It may hold keys, for its own addresses and for the user's, and any setting; whatever it changes is shown. It
may not send a key from the environment to an address of its own, choose a sandbox that contains less, or name
code to import; nor both papers and where they are sent. Each refusal says how the user says so themselves.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studbook.errors import SpecError
from studbook.experiments.run.plugins import chosen
from studbook.experiments.spec.loading import DOTENV, Override
from studbook.experiments.spec.model import KEY_OF_OPENAI, SHORTHANDS, TESTBED, Spec
from studbook.experiments.spec.resuming import PAPERS
from studbook.experiments.views.text import clean_line

ADDRESS_OF_OPENAI = "OPENAI_BASE_URL"
CONTAINMENT = {"docker": 2, "auto": 1}
"""More contains more; every other kind counts 0."""
LOOSENING = frozenset({"image", "limits", "params", "runtime"})
"""Keys of `sandbox` by which the same kind of sandbox may contain less, or other code."""


def merged(environment: Mapping[str, str], dotenv: Mapping[str, str]) -> dict[str, str]:
    """The environment overrides `.env`, but the key that stands beside an address goes with that address."""
    variables = {**dotenv, **environment}
    own_key = dotenv.get(KEY_OF_OPENAI, "").strip()
    if own_key and dotenv.get(ADDRESS_OF_OPENAI) and not environment.get(ADDRESS_OF_OPENAI):
        variables[KEY_OF_OPENAI] = own_key
    return variables


def dotenv_lines(overrides: Sequence[Override]) -> Iterator[str]:
    """A line for every key of the spec that `.env` sets and nothing else overrides."""
    for override in _effective(overrides):
        yield clean_line(f"{override.origin} sets {override.key}: {override.value}", 200)


def dotenv_keys(spec: Spec, variables: Mapping[str, str], dotenv: Mapping[str, str]) -> Iterator[str]:
    """A line for every variable of which an endpoint in use gets the value in `.env`."""
    used = [spec.models.endpoints[role.endpoint] for role in spec.models.roles.values()]
    for name in sorted({each.api_key_env for each in used if each.kind != TESTBED and each.api_key_env}):
        if dotenv.get(name, "").strip() and variables[name].strip() == dotenv[name].strip():
            yield f"{DOTENV} gives the key in {name}"


def check_dotenv(spec: Spec, without: Spec | None, overrides: Sequence[Override]) -> None:
    """`without`: the spec as it is without the `.env`, None if it is none. Raises SpecError."""
    override = source_of(("sandbox", "kind"), overrides)
    if override is not None and override.is_from_dotenv:
        kind, before = spec.sandbox.kind, "auto" if without is None else without.sandbox.kind
        if kind != before and CONTAINMENT.get(kind, 0) < max(1, CONTAINMENT.get(before, 0)):
            raise _refused(override, f"choose the {kind} sandbox instead of {before}", "sandbox.kind", kind)
    for override in _effective(overrides):
        for key in sorted(_keys_of_sandbox(override) & LOOSENING):
            raise _refused(override, f"set sandbox.{key}", override.key, str(override.value))
    for override in _effective(overrides) if _addresses(spec, overrides) else ():
        for key in PAPERS:
            if source_of(("corpus", key), [override]) is not None:
                doing = f"say which papers are read, beside the address that they are sent to (corpus.{key})"
                raise _refused(override, doing, override.key, str(override.value))
    code = {choice.name: door.name for door, choice in chosen(spec).values() if ":" in choice.name}
    if ":" in spec.display.name:
        code[spec.display.name] = "display"
    for override in _effective(overrides):
        for name in code.keys() & set(_texts(override.value)):
            raise _refused(override, f"name the code of the {code[name]}", override.key, str(override.value))


def check_key_sources(
    spec: Spec, overrides: Sequence[Override], variables: Mapping[str, str], dotenv: Mapping[str, str]
) -> None:
    """Raises SpecError if a key from the environment would go to an address that only `.env` names."""
    for name in sorted({role.endpoint for role in spec.models.roles.values()}):
        endpoint = spec.models.endpoints[name]
        variable = endpoint.api_key_env
        if endpoint.kind == TESTBED or variable is None or not variables.get(variable, "").strip():
            continue
        if variables[variable] == dotenv.get(variable):
            continue  # it is the `.env`'s own key
        for key, value in (("base_url", endpoint.base_url), ("api_key_env", variable)):
            path = ("models", "endpoints", name, key)
            override = source_of(path, overrides)
            if override is not None and override.is_from_dotenv:
                address = endpoint.base_url or "OpenAI"
                doing = f"send the key in {variable}, which is in your environment, to {address}"
                raise _refused(override, doing, ".".join(path), str(value))


def _addresses(spec: Spec, overrides: Sequence[Override]) -> list[str]:
    """Of the endpoints in use, those that `.env` sets."""
    used = {role.endpoint for role in spec.models.roles.values()}
    found = {name: source_of(("models", "endpoints", name, "base_url"), overrides) for name in used}
    return [name for name, override in found.items() if override is not None and override.is_from_dotenv]


def _keys_of_sandbox(override: Override) -> set[str]:
    section, *rest = _place(override)
    if section != "sandbox":
        return set()
    return {rest[0]} if rest else set(override.value) if isinstance(override.value, dict) else set()


def _refused(override: Override, doing: str, key: str, value: str) -> SpecError:
    return SpecError(
        f"{override.origin} would {doing}\n"
        f"A {DOTENV} file may have come with this folder. If that is what you want, say so: "
        f"-s {shlex.quote(f'{key}={value}')}"
    )


def _effective(overrides: Sequence[Override]) -> Iterator[Override]:
    for number, override in enumerate(overrides):
        place, later = _place(override), (_place(each) for each in overrides[number + 1 :])
        if override.is_from_dotenv and not any(each == place[: len(each)] for each in later):
            yield override


def source_of(path: tuple[str, ...], overrides: Sequence[Override]) -> Override | None:
    """What set the key at `path` last."""
    for override in reversed(overrides):
        place = _place(override)
        if place == path[: len(place)]:
            return override if _holds(override.value, path[len(place) :]) else None
    return None


def _place(override: Override) -> tuple[str, ...]:
    """`sandbox: docker` sets `sandbox.kind`."""
    if override.key in SHORTHANDS and isinstance(override.value, str):
        return (override.key, SHORTHANDS[override.key])
    return override.path


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
