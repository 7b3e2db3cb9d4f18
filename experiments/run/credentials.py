"""For which hosts a variable of the environment is meant, as far as its name tells.

A spec names a variable, and its value is sent to the address beside it. Few variables of an environment hold
a model's key, and a spec may be somebody else's: one that is known to belong to something else is sent only
to that, or where this user says so on the command line.
"""

import re
import shlex
from collections.abc import Collection
from urllib.parse import urlsplit

from studbook.errors import SpecError
from studbook.experiments.spec.model import TESTBED, EndpointSpec, Spec

MEANT_FOR: dict[str, tuple[str, ...]] = {
    r"AWS_\w+": ("amazonaws.com",),
    r"(GITHUB|GH)_\w+": ("github.ai", "github.com", "githubcopilot.com", "azure.com"),
    r"(GOOGLE|GCP|GCLOUD)_(?!API_KEY)\w+": ("googleapis.com",),
    r"(HF|HUGGING_?FACE\w*)_TOKEN": ("huggingface.co", "huggingface.cloud"),
    r"AZURE_(CLIENT|STORAGE|DEVOPS)_\w+": ("azure.com",),
    r"\w*(PASSWORD|PASSWD|PASSPHRASE)\w*": (),
    r"(GITLAB|CI|ACTIONS|RUNNER|NPM|PYPI|TWINE|DOCKER|SSH|GPG|VAULT|KUBE\w*|PG|MYSQL|DATABASE|REDIS|STRIPE"
    r"|SLACK|SENTRY|TWILIO|TF)_\w+": (),
}
"""Names of variables → the ends of the hosts that they are for."""
HOLDS_A_SECRET = re.compile(r"KEY|TOKEN|SECRET|CREDENTIAL|AUTH|PASS", re.IGNORECASE)
"""No other variable is a key: PATH, HOME, USER."""


def check_credentials(spec: Spec, named: Collection[str]) -> None:
    """`named`: the keys and sections that this user set. Raises SpecError."""
    for name in sorted({role.endpoint for role in spec.models.roles.values()}):
        endpoint = spec.models.endpoints[name]
        key = f"models.endpoints.{name}.api_key_env"
        is_named = any(key == each or key.startswith(f"{each}.") for each in named)
        if endpoint.kind == TESTBED or is_named or is_meant_for(endpoint):
            continue
        address = endpoint.base_url or "OpenAI"
        raise SpecError(
            f"endpoint {name} would send {endpoint.api_key_env} to {address}, which it is not meant for\n"
            f"  if it is: {shlex.join(['-s', f'{key}={endpoint.api_key_env}'])}"
        )


def is_meant_for(endpoint: EndpointSpec) -> bool:
    variable = endpoint.api_key_env
    if variable is None:
        return True
    if not HOLDS_A_SECRET.search(variable):
        return False
    host = (urlsplit(endpoint.base_url or "https://api.openai.com").hostname or "").lower()
    for pattern, hosts in MEANT_FOR.items():
        if re.fullmatch(pattern, variable, re.IGNORECASE):
            return any(host == each or host.endswith(f".{each}") for each in hosts)
    return True
