"""From `models:` of a spec to the one client that every role's calls go through.

The only place that turns the name of a key's variable into the key. Endpoints no role uses are not built.
Every endpoint masks the keys of all of them: two may be one gateway.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from experiments.models import role_models
from experiments.spec import EndpointSpec, ModelsSpec, Spec
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

SENT_BY_THE_SDK = "OPENAI_CUSTOM_HEADERS"
"""`Name: value` lines that the openai package adds to every request; a value may be a key."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def build_client(
    spec: Spec,
    records: CallRecords,
    environment: Mapping[str, str],
    *,
    on_notice: OnNotice = ignore_notice,
    tell: Callable[[str], None] = lambda text: None,
    replay_only: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> ModelClient:
    """With `replay_only` no endpoint is built, so no key is needed and nothing can be paid."""
    return ModelClient(
        roles=role_models(spec),
        endpoints={} if replay_only else build_endpoints(spec, environment, tell),
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
    """What is sent to an endpoint or a proxy beside the key, and may come back from there."""
    for line in environment.get(SENT_BY_THE_SDK, "").splitlines():
        yield Secret(line.partition(":")[2].strip())
    for name, value in environment.items():
        if name.lower() in PROXIES and "@" in value:
            user, _, password = urlsplit(value).netloc.rpartition("@")[0].partition(":")
            yield Secret(unquote(password or user))


def _key(name: str, endpoint: EndpointSpec, environment: Mapping[str, str]) -> Secret:
    if endpoint.kind == "testbed":
        return Secret()
    key = environment.get(endpoint.api_key_env, "").strip()
    if not key and endpoint.base_url is None:
        raise SpecError(
            f"endpoint {name!r} needs a key, and {endpoint.api_key_env} is not set\n"
            f"  put {endpoint.api_key_env}=… into .env or the environment, or give the endpoint a base_url"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SpecError(
            f"the key in {endpoint.api_key_env} (endpoint {name!r}) holds a blank, a line break or a foreign "
            f"letter\n  no key does: copy it again into .env or the environment"
        )
    return Secret(key)


def _backend(
    name: str, endpoint: EndpointSpec, key: Secret, secrets: list[Secret], tell: Callable[[str], None]
) -> Backend:
    if endpoint.kind == "testbed":
        return TestbedBackend()
    from studbook.llm.openai_backend import OpenAIBackend  # takes a second to import; most runs do without

    return OpenAIBackend(
        name=name,
        base_url=endpoint.base_url,
        api_key=key,
        timeout_seconds=endpoint.timeout_seconds,
        on_notice=tell,
        secrets=secrets,
    )
