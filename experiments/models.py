"""What `models:` of a spec says of each role: its model, its settings, and a line for people."""

from experiments.spec import FROZEN_TEMPERATURES, RoleSpec, Spec
from studbook.identity import Json
from studbook.llm.contracts import META_ROLES
from studbook.llm.roles import RoleModel
from studbook.llm.testbed.fingerprint import source_hash

DEFAULT_TEMPERATURE = 0.7
OPENAI_HOST = "api.openai.com"


def role_models(spec: Spec) -> dict[str, RoleModel]:
    return {name: _role_model(spec, name, role) for name, role in spec.models.roles.items()}


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
            **_version(spec, role),
            "model": role_models(spec)[name].model,
            "temperature": role_models(spec)[name].temperature,
            "max_tokens": role_models(spec)[name].max_tokens,
        }
        for name, role in spec.models.roles.items()
        if name not in META_ROLES
    }


def _version(spec: Spec, role: RoleSpec) -> dict[str, Json]:
    """The testbed's version is its source: no score of older text programs is ever taken for one of these."""
    if is_testbed_role(spec, role):
        return {"kind": "testbed", "code": source_hash()}
    return {"kind": spec.models.endpoints[role.endpoint].kind}


def models_line(spec: Spec, testbed_words: str) -> str:
    """Which models, for people: endpoints once each, and roles that share a model together."""
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
    url = spec.models.endpoints[role.endpoint].base_url
    return url or OPENAI_HOST
