"""From `models:` of a spec to the one client that every role's calls go through.

The only place that turns the name of a key's variable into the key. Endpoints no role uses are not built.
"""

from collections.abc import Callable, Mapping

from experiments.spec import FROZEN_TEMPERATURES, EndpointSpec, RoleSpec, Spec
from studbook.errors import SpecError
from studbook.identity import Json
from studbook.llm.client import ModelClient
from studbook.llm.contracts import META_ROLES, Backend
from studbook.llm.meter import Budget
from studbook.llm.notices import OnNotice, ignore_notice
from studbook.llm.openai_backend import OpenAIBackend
from studbook.llm.records import CallRecords
from studbook.llm.retry import RetryPolicy
from studbook.llm.roles import Endpoint, RoleModel
from studbook.llm.settings import Secret
from studbook.llm.testbed.backend import TestbedBackend

DEFAULT_TEMPERATURE = 0.7
OPENAI_HOST = "api.openai.com"


def build_client(
    spec: Spec,
    records: CallRecords,
    environment: Mapping[str, str],
    *,
    on_notice: OnNotice = ignore_notice,
    tell: Callable[[str], None] = lambda text: None,
    replay_only: bool = False,
) -> ModelClient:
    """With `replay_only` no endpoint is built, so no key is needed and nothing can be paid."""
    return ModelClient(
        roles=role_models(spec),
        endpoints={} if replay_only else build_endpoints(spec, environment, tell),
        records=records,
        retry=RetryPolicy(attempts=spec.models.retries + 1),
        budget=Budget(
            max_calls=spec.budget.calls, max_tokens=spec.budget.tokens, max_dollars=spec.budget.dollars
        ),
        replay_only=replay_only,
        on_notice=on_notice,
    )


def role_models(spec: Spec) -> dict[str, RoleModel]:
    return {name: _role_model(spec, name, role) for name, role in spec.models.roles.items()}


def build_endpoints(
    spec: Spec, environment: Mapping[str, str], tell: Callable[[str], None]
) -> dict[str, Endpoint]:
    used = {role.endpoint for role in spec.models.roles.values()}
    return {
        name: Endpoint(
            name=name,
            backend=_backend(name, endpoint, environment, tell),
            max_concurrent=endpoint.concurrency,
        )
        for name, endpoint in spec.models.endpoints.items()
        if name in used
    }


def _backend(
    name: str, endpoint: EndpointSpec, environment: Mapping[str, str], tell: Callable[[str], None]
) -> Backend:
    if endpoint.kind == "testbed":
        return TestbedBackend()
    key = environment.get(endpoint.api_key_env, "")
    if not key and endpoint.base_url is None:
        raise SpecError(
            f"endpoint {name!r} needs a key, and {endpoint.api_key_env} is not set\n"
            f"  put {endpoint.api_key_env}=… into .env or the environment, or give the endpoint a base_url"
        )
    return OpenAIBackend(
        name=name,
        base_url=endpoint.base_url,
        api_key=Secret(key),
        timeout_seconds=endpoint.timeout_seconds,
        on_notice=tell,
    )


def _role_model(spec: Spec, name: str, role: RoleSpec) -> RoleModel:
    return RoleModel(
        endpoint=role.endpoint,
        model=f"{role.model}-{name.replace('_', '-')}" if is_testbed_role(spec, role) else role.model,
        temperature=_temperature(spec, name, role),
        max_tokens=role.max_tokens,
        dollars_per_million_in=role.dollars_per_million_input,
        dollars_per_million_out=role.dollars_per_million_output,
    )


def _temperature(spec: Spec, name: str, role: RoleSpec) -> float:
    frozen = {str(known): key for known, key in FROZEN_TEMPERATURES.items()}
    if name in frozen:
        return float(getattr(spec.evaluator, frozen[name]))
    return DEFAULT_TEMPERATURE if role.temperature is None else role.temperature


def is_testbed_role(spec: Spec, role: RoleSpec) -> bool:
    return spec.models.endpoints[role.endpoint].kind == "testbed"


def uses_only_testbed(spec: Spec) -> bool:
    return all(is_testbed_role(spec, role) for role in spec.models.roles.values())


def evaluated_models(spec: Spec) -> dict[str, Json]:
    """What an evaluation depends on: every role but those that only propose changes."""
    return {
        name: {
            "kind": spec.models.endpoints[spec.models.roles[name].endpoint].kind,  # type: ignore[index]
            "model": model.model,
            "temperature": model.temperature,
            "max_tokens": model.max_tokens,
        }
        for name, model in role_models(spec).items()
        if name not in META_ROLES
    }


def models_line(spec: Spec, testbed_words: str) -> str:
    """Which models, for people: roles that share one are named together."""
    if uses_only_testbed(spec):
        return testbed_words
    grouped: dict[str, list[str]] = {}
    for name, role in spec.models.roles.items():
        label = testbed_words if is_testbed_role(spec, role) else f"{role.model} at {_place(spec, role)}"
        grouped.setdefault(label, []).append(name)
    if len(grouped) == 1:
        return next(iter(grouped))
    return "; ".join(f"{label} ({', '.join(names)})" for label, names in grouped.items())


def _place(spec: Spec, role: RoleSpec) -> str:
    url = spec.models.endpoints[role.endpoint].base_url
    return url or OPENAI_HOST
