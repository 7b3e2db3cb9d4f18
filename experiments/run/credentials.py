"""To which addresses the key in a variable of the environment may go.

A spec names a variable, and its value is sent to the address beside it; a spec may be somebody else's. So a
key goes only to the service whose variable it is, to this machine, and where this user said that it may go:
by the environment or on the command line, which is remembered (`NAMED`, in the user's state folder).
"""

import ipaddress
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from studbook.errors import SpecError
from studbook.experiments.run.dotenv import source_of
from studbook.experiments.run.provenance import private_folder, read_private, state_folders
from studbook.experiments.spec.loading import FLAG, Override
from studbook.experiments.spec.model import KEY_OF_OPENAI, OPENAI, TESTBED, EndpointSpec, Spec
from studbook.populations.storage import write_all

ADDRESS_OF_OPENAI = "https://api.openai.com/v1"
GOOGLE = ("generativelanguage.googleapis.com",)
MEANT_FOR: dict[str, tuple[str, ...]] = {
    KEY_OF_OPENAI: ("api.openai.com", "*.api.openai.com"),
    "ANTHROPIC_API_KEY": ("api.anthropic.com",),
    "AZURE_OPENAI_API_KEY": (
        "*.openai.azure.com",
        "*.cognitiveservices.azure.com",
        "*.services.ai.azure.com",
    ),
    "CEREBRAS_API_KEY": ("api.cerebras.ai",),
    "DASHSCOPE_API_KEY": ("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
    "DEEPINFRA_API_KEY": ("api.deepinfra.com",),
    "DEEPSEEK_API_KEY": ("api.deepseek.com",),
    "FIREWORKS_API_KEY": ("api.fireworks.ai",),
    "GEMINI_API_KEY": GOOGLE,
    "GITHUB_TOKEN": ("models.github.ai",),
    "GOOGLE_API_KEY": GOOGLE,
    "GROQ_API_KEY": ("api.groq.com",),
    "HF_TOKEN": ("router.huggingface.co",),
    "MISTRAL_API_KEY": ("api.mistral.ai",),
    "OPENROUTER_API_KEY": ("openrouter.ai",),
    "TOGETHER_API_KEY": ("api.together.xyz", "api.together.ai"),
    "XAI_API_KEY": ("api.x.ai",),
}
"""Variables → the hosts that they are for, by https; `*` stands for one label.

Only hosts that nobody else can be: anyone may have one below amazonaws.com or huggingface.cloud.
"""
NAMED = "named-keys"
"""A line of JSON per variable and address that this user has named."""
MOST_BYTES = 1024 * 1024


def check_credentials(
    spec: Spec, overrides: Sequence[Override], variables: Mapping[str, str], dotenv: Mapping[str, str]
) -> None:
    """Raises SpecError for a key that would go where only the file of the spec says.

    `overrides`: all that is set beside it, later ones overriding earlier ones.
    """
    for name, endpoint in used_endpoints(spec):
        variable = endpoint.api_key_env
        if variable is None or not variables.get(variable, "").strip() or is_meant_for(endpoint):
            continue
        place = ("models", "endpoints", name)
        address = source_of((*place, "base_url"), overrides)
        if address is not None and address.is_from_dotenv and variables[variable] == dotenv.get(variable):
            continue  # the `.env`'s own key goes to its own address
        lacking, given = [], []
        for key, value in _settings_of_endpoint(name, endpoint):
            source = source_of((*place, key), overrides)
            if source is None or source.is_from_dotenv:
                lacking += ["-s", f"{'.'.join((*place, key))}={value}"]
            else:
                given.append(source)
        pair = json.dumps([variable, endpoint.base_url or ADDRESS_OF_OPENAI])
        if lacking and not _is_remembered(pair):
            raise SpecError(
                f"endpoint {name} would send the key in {variable} to {endpoint.base_url or 'OpenAI'}, "
                f"and you have not said that it may\n  if it may, say so once: {shlex.join(lacking)}"
            )
        if not lacking and any(each.origin == FLAG and place == each.path[:3] for each in given):
            _remember(pair)


def used_endpoints(spec: Spec) -> Iterator[tuple[str, EndpointSpec]]:
    """Those that are reached over a network."""
    for name in sorted({role.endpoint for role in spec.models.roles.values()}):
        endpoint = spec.models.endpoints[name]
        if endpoint.kind != TESTBED:
            yield name, endpoint


def endpoint_settings(spec: Spec) -> Iterator[tuple[str, str]]:
    """Keys and values of the spec that say where calls go, which variable goes with them, and what else.

    OPENAI_API_KEY at OpenAI's own address is what everybody has. Fields that Studbook does not know may have
    the service keep or search for what it is sent.
    """
    used = dict(used_endpoints(spec))
    for name, endpoint in used.items():
        for key, value in _settings_of_endpoint(name, endpoint):
            yield f"models.endpoints.{name}.{key}", value
        if endpoint.query:
            yield f"models.endpoints.{name}.query", json.dumps(endpoint.query)
        if endpoint.api_key_header is not None:
            yield f"models.endpoints.{name}.api_key_header", endpoint.api_key_header
    for role, settings in sorted(spec.models.roles.items()):
        if settings.extra_body and settings.endpoint in used:
            yield f"models.roles.{role}.extra_body", json.dumps(settings.extra_body)


def _settings_of_endpoint(name: str, endpoint: EndpointSpec) -> Iterator[tuple[str, str]]:
    if endpoint.base_url is not None:
        yield "base_url", endpoint.base_url
    if endpoint.api_key_env is not None and (name, endpoint.api_key_env) != (OPENAI, KEY_OF_OPENAI):
        yield "api_key_env", endpoint.api_key_env


def is_meant_for(endpoint: EndpointSpec) -> bool:
    """Whether nobody needs to be asked."""
    return endpoint.api_key_env is None or is_at_its_service(endpoint) or is_on_this_machine(endpoint)


def is_at_its_service(endpoint: EndpointSpec) -> bool:
    parts = urlsplit(endpoint.base_url or ADDRESS_OF_OPENAI)
    patterns = MEANT_FOR.get(endpoint.api_key_env or "", ())
    return parts.scheme == "https" and any(
        re.fullmatch(re.escape(each).replace(r"\*", "[a-z0-9-]+"), parts.hostname or "") for each in patterns
    )


def is_on_this_machine(endpoint: EndpointSpec) -> bool:
    host = urlsplit(endpoint.base_url or ADDRESS_OF_OPENAI).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_remembered(pair: str) -> bool:
    texts = (read_private(folder, NAMED, MOST_BYTES) for folder in state_folders(os.environ))
    return any(pair in text.splitlines() for text in texts if text is not None)


def _remember(pair: str) -> None:
    """Where no state folder can be written, this user is asked each time."""
    folder = private_folder()
    if folder is None or _is_remembered(pair):
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError):
        handle = os.open(folder / NAMED, flags, 0o600)
        try:
            write_all(handle, f"{pair}\n".encode())
        finally:
            os.close(handle)
