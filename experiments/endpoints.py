"""From `models:` of a spec to the one client that every role's calls go through.

The only place that turns the name of a key's variable into the key. Endpoints no role uses are not built.
"""

from collections.abc import Callable, Mapping

from experiments.models import role_models
from experiments.spec import EndpointSpec, Spec
from studbook.errors import SpecError
from studbook.llm.client import ModelClient
from studbook.llm.contracts import Backend
from studbook.llm.meter import Budget
from studbook.llm.notices import OnNotice, ignore_notice
from studbook.llm.records import CallRecords
from studbook.llm.retry import RetryPolicy
from studbook.llm.roles import Endpoint
from studbook.llm.settings import Secret
from studbook.llm.testbed.backend import TestbedBackend


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
    from studbook.llm.openai_backend import OpenAIBackend  # takes a second to import; most runs do without

    return OpenAIBackend(
        name=name,
        base_url=endpoint.base_url,
        api_key=Secret(key),
        timeout_seconds=endpoint.timeout_seconds,
        on_notice=tell,
    )
