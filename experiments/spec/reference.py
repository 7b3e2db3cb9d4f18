"""Writes docs/spec.md, every key of a spec: `python -m studbook.experiments.spec.reference > docs/spec.md`.

Keys, types and defaults come from the models themselves; the meanings stand here. A test compares the
page with what this writes, and refuses a key without a meaning or a meaning without a key.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from studbook.experiments.spec.model import Choice, Spec

OPENING = """\
# Spec reference

*Written by `python -m studbook.experiments.spec.reference`; a test compares it with the spec's own models.*

A spec is a YAML file. Only `version` must be given; every other key has a default, and `name` is the file's. Any key can be changed
on the command line (`-s search.iterations=30`) or by the environment
(`STUDBOOK_SPEC_SEARCH__ITERATIONS=30`). Unknown keys are refused. `NAME` stands for a name of your own.
Keys that name a policy take a built-in's name, `module:Object`, or `{name: …, params: {…}}`: see
[plugging in your own](plugins.md).

| key | takes | default | meaning |
|---|---|---|---|
"""

MEANINGS = {
    "version": "The form of the spec.",
    "name": "Name of the experiment; runs are called NAME-1, NAME-2, …",
    "seed": "The random seed of the run: every other random seed is derived from it.",
    "harness": "The seed harness: a folder, or the name of a bundled harness.",
    "workers": "Papers evaluated at the same time. Never changes the lineage.",
    "display": "How the run is shown: auto (live on a terminal, else plain), live, plain, json, silent, or your own as `module:Object`. `--json` wins. Never changes a result.",
    "corpus.path": "A folder or file of papers, split by seed.",
    "corpus.train": "Papers for training, if you split them yourself; then validation and test are given too.",
    "corpus.validation": "Papers for validation.",
    "corpus.test": "Papers of the sealed test.",
    "corpus.readers": "Readers of papers; the first that reads a file's name has it.",
    "corpus.synthetic.count": "How many papers to generate when no path is given; null: as many as the splits need.",
    "corpus.synthetic.seed": "The random seed of generated papers.",
    "corpus.splits.train": "Training papers.",
    "corpus.splits.validation": "Validation papers.",
    "corpus.splits.test": "Sealed test papers.",
    "models.endpoints.NAME.kind": "Which program answers: `openai` for any OpenAI-compatible URL, `testbed`.",
    "models.endpoints.NAME.base_url": "The address; null: OPENAI_BASE_URL for the endpoint `openai`, else OpenAI's.",
    "models.endpoints.NAME.api_key_env": "The environment variable that holds the key. Never the key itself.",
    "models.endpoints.NAME.timeout_seconds": "How long one request may take.",
    "models.endpoints.NAME.concurrency": "Requests in flight at the same time.",
    "models.default": "What every role uses unless it says otherwise: the keys of a role.",
    "models.roles": "For a role (challenger, verifier, orchestrator, weak, strong, judge, final_verifier, analyzer, "
    "implementer): the keys in which it differs from the default.",
    "models.roles.ROLE.endpoint": "The endpoint that answers this role.",
    "models.roles.ROLE.model": "The model's name there.",
    "models.roles.ROLE.temperature": "Sampling temperature; null for the evaluator's roles, whose temperatures are "
    "keys of `evaluator`.",
    "models.roles.ROLE.max_tokens": "The longest answer, in tokens.",
    "models.roles.ROLE.dollars_per_million_input": "Price of prompt tokens, for the budget in dollars.",
    "models.roles.ROLE.dollars_per_million_output": "Price of completion tokens.",
    "models.retries": "Further tries of a failing request before the endpoint is asked a control question.",
    "models.retry_wait_seconds": "The first wait between two tries; later ones are longer.",
    "models.patience_minutes": "How long a silent endpoint is waited for before the run pauses; null: no end.",
    "models.strict_names": "Refuse a reply that names another model.",
    "evaluator.predicate": "The acceptance predicate.",
    "evaluator.max_rounds": "Examples a harness may propose per paper.",
    "evaluator.weak_rollouts": "Rollouts of the weak solver per example.",
    "evaluator.strong_rollouts": "Rollouts of the strong solver per example.",
    "evaluator.strong_sees_paper": "Give the strong solver the paper (privileged information).",
    "evaluator.solver_temperature": "Temperature of both solvers.",
    "evaluator.judge_temperature": "Temperature of judge and final verifier.",
    "evaluator.confirm": "Measure an accepted example once more, on fresh rollouts, beside the verdict.",
    "evaluator.calls_per_paper": "Model calls a harness may make per paper.",
    "evaluator.tokens_per_paper": "Tokens a harness may use per paper.",
    "sandbox.kind": "Where harness code runs; `auto` is Docker when an engine answers. `sandbox: docker` is short "
    "for it.",
    "sandbox.image": "The image of Docker boxes; null: the best Python there is.",
    "sandbox.params": "Parameters of a sandbox of your own.",
    "sandbox.limits.wall_seconds": "Time a box may take, waiting for models not counted.",
    "sandbox.limits.memory_megabytes": "Memory of a box.",
    "sandbox.limits.cpus": "Processors of a box.",
    "sandbox.limits.processes": "Processes and threads in a box.",
    "sandbox.limits.open_files": "Open files in a box.",
    "sandbox.limits.tmpfs_megabytes": "Temporary disk of a box.",
    "sandbox.limits.requests": "Requests a box may send to the host.",
    "search.iterations": "Mutants to try.",
    "search.selection": "The policy that draws the parent.",
    "search.temperature": "Temperature of Boltzmann selection; given to a policy that asks for `temperature`.",
    "search.admission": "The rule that lets a mutant into the population. Races are used with `strict` only.",
    "search.analyzer": "What diagnoses a parent's failures.",
    "search.implementer": "What changes the harness.",
    "search.knobs": "What proposes values for numeric knobs.",
    "search.minibatch": "Training papers on which a parent is diagnosed.",
    "search.lag": "Iteration i selects from the population after iteration i − lag; part of the experiment.",
    "search.knob_share": "Share of the iterations that change numeric knobs only.",
    "search.full_scores": "Finish a mutant's evaluation even when it has already won.",
    "search.patience": "Stop after so many iterations without an admission; null: never.",
    "champion.candidates": "Harnesses that are confirmed on fresh replicates at the end.",
    "champion.shrinkage": "Papers' worth of the seed's rate that is mixed into each candidate's.",
    "champion.confirm_replicates": "Fresh evaluations of each candidate and the seed.",
    "champion.test_replicates": "Evaluations of champion and seed on the sealed test papers.",
    "budget.dollars": "Limit in dollars; null: none.",
    "budget.calls": "Limit in model calls.",
    "budget.tokens": "Limit in tokens.",
    "budget.hours": "Limit in hours, from the start of the process.",
}  # fmt: skip
PLACEHOLDERS = {"models.endpoints": "NAME", "models.roles": "ROLE"}


def reference_text() -> str:
    """The whole page. Raises KeyError for a key without a meaning."""
    rows = [f"| `{key}` | {kind} | {default} | {MEANINGS[key]} |" for key, kind, default in keys_of(Spec)]
    return OPENING + "\n".join(rows) + "\n"


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, type, default) of every key below a model, in its order."""
    for name, field in model.model_fields.items():
        key = prefix + name
        inner = _models_within(field.annotation)
        if key == "models.default":
            yield key, "keys of a role", "the testbed"
        elif key in PLACEHOLDERS:
            if key == "models.roles":
                yield key, "roles", "as the default"
            yield from keys_of(inner[0], f"{key}.{PLACEHOLDERS[key]}.")
        elif inner and inner[0] is not Choice:
            yield from keys_of(inner[0], f"{key}.")
        else:
            yield key, _kind(field), _default(field)


def _models_within(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for part in get_args(annotation) for each in _models_within(part)]


def _kind(field: FieldInfo) -> str:
    if Choice in _models_within(field.annotation):
        return "list of policies" if get_origin(field.annotation) is list else "policy"
    words = re.sub(r"Annotated\[([^,\]]+).*?\]", r"\1", str(field.annotation))
    names = re.findall(r"\b(int|float|str|bool|dict|None|Literal\[[^\]]*\])", words.replace("<class '", ""))
    shown = {"str": "text", "float": "number", "int": "whole number", "bool": "true or false", "None": "null"}
    return " or ".join(
        dict.fromkeys(shown.get(name, name.removeprefix("Literal").strip("[]")) for name in names)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "–"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Choice):
        return f"`{value.name}`"
    if isinstance(value, list):
        return f"`[{', '.join(each.name for each in value)}]`"
    if value is None or isinstance(value, bool):
        return f"`{str(value).lower().replace('none', 'null')}`"
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(reference_text())
