"""Turns `models:` of a spec into each role's model, a line for the user, and the one client for all calls.

Only this module resolves the name of a key's variable into the key. Endpoints that no role uses are not
built. Every endpoint masks the keys of all endpoints, because two of them may share a gateway.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from studbook.errors import SpecError
from studbook.experiments.run.credentials import is_at_its_service, is_on_this_machine
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.spec.model import (
    FROZEN_TEMPERATURES,
    KEY_OF_OPENAI,
    OPENAI,
    TESTBED,
    Choice,
    EndpointSpec,
    ModelsSpec,
    RoleSpec,
    Spec,
)
from studbook.identity import Json
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import EVALUATOR_ROLES, Backend, Endpoint, OnNotice, RoleModel, ignore_notice
from studbook.llm.endpoints import BACKEND, BackendKind, context_length
from studbook.llm.meter import Budget
from studbook.llm.records import CallRecords
from studbook.llm.secrets import Secret

DEFAULT_TEMPERATURE = 0.7
OPENAI_HOST = "api.openai.com"


def role_models(spec: Spec) -> dict[str, RoleModel]:
    return {name: _role_model(spec, name, role) for name, role in spec.models.roles.items()}


def _role_model(spec: Spec, name: str, role: RoleSpec) -> RoleModel:
    return RoleModel(
        endpoint=role.endpoint,
        model=backend_kind(spec, role).model_of(role.model, name),
        temperature=_temperature(spec, name, role),
        max_tokens=role.max_tokens,
        dollars_per_million_in=role.dollars_per_million_input or 0.0,
        dollars_per_million_out=role.dollars_per_million_output or 0.0,
        dollars_per_million_cached_in=role.dollars_per_million_cached_input,
        context_tokens=role.context_tokens,
        extra_body=role.extra_body,
    )


def _temperature(spec: Spec, name: str, role: RoleSpec) -> float:
    frozen = {str(known): key for known, key in FROZEN_TEMPERATURES.items()}
    if name in frozen:
        return float(getattr(spec.evaluator, frozen[name]))
    return DEFAULT_TEMPERATURE if role.temperature is None else role.temperature


def backend_kind(spec: Spec, role: RoleSpec) -> BackendKind:
    return _kind(spec.models.endpoints[role.endpoint].kind)


def _kind(name: str) -> BackendKind:
    return BACKEND.build(find_plugin(BACKEND, Choice(name=name)))


def is_testbed_endpoint(spec: Spec, name: str) -> bool:
    """Decided by name only, so that nothing is imported."""
    return spec.models.endpoints[name].kind == TESTBED


def is_testbed_role(spec: Spec, role: RoleSpec) -> bool:
    return is_testbed_endpoint(spec, role.endpoint)


def uses_only_testbed(spec: Spec) -> bool:
    return all(is_testbed_role(spec, role) for role in spec.models.roles.values())


def evaluated_models(spec: Spec, harness_roles: Collection[str]) -> dict[str, Json]:
    """What an evaluation depends on: the evaluator's roles and those that the harness calls."""
    return {
        name: {
            **_version(spec, name, role),
            "model": role_models(spec)[name].model,
            "temperature": role_models(spec)[name].temperature,
            "max_tokens": role_models(spec)[name].max_tokens,
            **({"extra_body": role.extra_body} if role.extra_body else {}),
        }
        for name, role in spec.models.roles.items()
        if name in EVALUATOR_ROLES or name in harness_roles
    }


def _version(spec: Spec, name: str, role: RoleSpec) -> dict[str, Json]:
    version = backend_kind(spec, role).version_of(role_models(spec)[name].model)
    kind: dict[str, Json] = {"kind": spec.models.endpoints[role.endpoint].kind}
    return kind if version is None else {**kind, "code": version}


def models_line(spec: Spec, testbed_words: str) -> str:
    """The models, for the user: each endpoint once, roles that share a model grouped."""
    if uses_only_testbed(spec):
        return testbed_words
    places: dict[str, dict[str, list[str]]] = {}
    for name, role in spec.models.roles.items():
        is_testbed = is_testbed_role(spec, role)
        place = testbed_words if is_testbed else _place(spec, role)
        places.setdefault(place, {}).setdefault("its own" if is_testbed else role.model, []).append(name)
    if len(places) == 1 and len(models := next(iter(places.values()))) == 1:
        return f"{next(iter(models))} at {next(iter(places))}"
    return "; ".join(f"at {place}: {_models_there(models)}" for place, models in places.items())


def _models_there(models: dict[str, list[str]]) -> str:
    return ", ".join(f"{model} ({', '.join(names)})" for model, names in models.items())


def _place(spec: Spec, role: RoleSpec) -> str:
    """The address, and the variable whose key goes there if it is not the one that everybody expects."""
    endpoint = spec.models.endpoints[role.endpoint]
    place = endpoint.base_url or OPENAI_HOST
    is_default = (role.endpoint, endpoint.api_key_env) == (OPENAI, KEY_OF_OPENAI)
    is_expected = is_at_its_service(endpoint) or (is_default and is_on_this_machine(endpoint))
    return (
        place
        if endpoint.api_key_env is None or is_expected
        else f"{place} with the key in {endpoint.api_key_env}"
    )


@runtime_checkable
class Closeable(Protocol):
    """A backend that keeps connections open (the testbed has none)."""

    def close(self) -> None: ...


SENT_BY_THE_SDK = "OPENAI_CUSTOM_HEADERS"
"""Variable of `Name: value` lines that the openai package adds to every request; a value may be a key."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def build_client(
    spec: Spec,
    records: CallRecords,
    endpoints: Mapping[str, Endpoint],
    *,
    on_notice: OnNotice = ignore_notice,
    replay_only: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> ModelClient:
    """`replay_only` answers from the records and needs no endpoint, no key and no money."""
    return ModelClient(
        roles=role_models(spec),
        endpoints=endpoints,
        records=records,
        retry=retry_policy(spec.models),
        budget=Budget(
            max_calls=spec.budget.calls,
            max_tokens=spec.budget.tokens,
            max_dollars=spec.budget.dollars,
            max_hours=spec.budget.hours,
        ),
        workers=spec.workers,
        replay_only=replay_only,
        strict_models=spec.models.strict_names,
        on_notice=on_notice,
        sleep=sleep,
    )


def retry_policy(models: ModelsSpec) -> RetryPolicy:
    patience = models.patience_minutes
    return RetryPolicy(
        attempts=models.retries + 1,
        patience_seconds=None if patience is None else patience * 60,
        first_wait_seconds=models.retry_wait_seconds,
        longest_backoff_seconds=30 * models.retry_wait_seconds,
    )


@contextmanager
def open_endpoints(
    spec: Spec, environment: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[dict[str, Endpoint]]:
    """Like `build_endpoints`, but closes the connections at the end of the block."""
    endpoints = build_endpoints(spec, environment, tell)
    try:
        yield endpoints
    finally:
        for endpoint in endpoints.values():
            if isinstance(endpoint.backend, Closeable):
                endpoint.backend.close()


def ask_contexts(spec: Spec, endpoints: Mapping[str, Endpoint]) -> dict[str, int | None]:
    """By role: the context length, in tokens, that an endpoint reports for its model; None if unknown.

    Endpoints are asked once per model, and only about roles whose context the spec leaves open.
    """
    asked: dict[tuple[str, str], int | None] = {}
    found: dict[str, int | None] = {}
    for name, role in role_models(spec).items():
        place = (role.endpoint, role.model)
        if role.context_tokens is None and place not in asked:
            asked[place] = context_length(endpoints[role.endpoint].backend, role.model)
        found[name] = role.context_tokens or asked[place]
    return found


def build_endpoints(
    spec: Spec, environment: Mapping[str, str], tell: Callable[[str], None]
) -> dict[str, Endpoint]:
    used = {role.endpoint for role in spec.models.roles.values()}
    chosen = {name: endpoint for name, endpoint in spec.models.endpoints.items() if name in used}
    keys = {name: _key(name, endpoint, environment) for name, endpoint in chosen.items()}
    secrets = [*keys.values(), *other_secrets(environment)]
    return {
        name: Endpoint(
            name=name,
            backend=_backend(name, endpoint, keys[name], secrets, tell),
            max_concurrent=endpoint.concurrency,
        )
        for name, endpoint in chosen.items()
    }


def other_secrets(environment: Mapping[str, str]) -> Iterator[Secret]:
    """Other secrets sent to an endpoint or a proxy, which may be echoed in a reply."""
    for line in environment.get(SENT_BY_THE_SDK, "").splitlines():
        yield Secret(line.partition(":")[2].strip())
    for name, value in environment.items():
        if name.lower() in PROXIES and "@" in value:
            user, _, password = urlsplit(value).netloc.rpartition("@")[0].partition(":")
            yield Secret(unquote(password or user))


def _key(name: str, endpoint: EndpointSpec, environment: Mapping[str, str]) -> Secret:
    if not _kind(endpoint.kind).needs_key:
        return Secret()
    if endpoint.api_key_env is None:
        if endpoint.base_url is None:
            raise SpecError(f"endpoint {name!r} needs a base_url, or an api_key_env for OpenAI's own address")
        return Secret()
    key = environment.get(endpoint.api_key_env, "").strip()
    if not key and endpoint.base_url is None:
        raise SpecError(
            f"endpoint {name!r} needs a key, and {endpoint.api_key_env} is not set\n"
            f"  put {endpoint.api_key_env}=… into .env or the environment, or give the endpoint a base_url"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SpecError(
            f"the key in {endpoint.api_key_env} (endpoint {name!r}) contains a space, a line break or a "
            f"non-ASCII character\n  copy it again into .env or the environment"
        )
    return Secret(key)


AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
AZURE_HEADER = "api-key"
BEARER = "authorization"
TOKEN = "eyJ"
"""What a token of Microsoft Entra begins with: it is sent as a bearer token, unlike a key."""


def key_header(endpoint: EndpointSpec, key: Secret) -> str | None:
    """None: as a bearer token."""
    if endpoint.api_key_header is not None:
        return None if endpoint.api_key_header.lower() == BEARER else endpoint.api_key_header
    host = urlsplit(endpoint.base_url or "").hostname or ""
    return AZURE_HEADER if host.endswith(AZURE) and not key.reveal().startswith(TOKEN) else None


def _backend(
    name: str, endpoint: EndpointSpec, key: Secret, secrets: list[Secret], tell: Callable[[str], None]
) -> Backend:
    return _kind(endpoint.kind).open(
        name=name,
        base_url=endpoint.base_url,
        api_key=key,
        timeout_seconds=endpoint.timeout_seconds,
        stream=endpoint.stream,
        query=endpoint.query,
        api_key_header=key_header(endpoint, key),
        on_notice=tell,
        secrets=secrets,
    )
