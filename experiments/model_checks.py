"""Checks a spec's models for `doctor`: do they answer what a run will ask, in its form, and above chance?

Repairs nothing and measures no quality. `rehearsal.py` makes the requests, `run/canary.py` has the planted
cases.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from studbook.errors import CorpusError, ModelError, SpecError, UsageError
from studbook.experiments.doctor import CheckResult, CheckState
from studbook.experiments.rehearsal import (
    Material,
    Rehearsed,
    rehearsal_plan,
    rehearse,
)
from studbook.experiments.run.canary import NEXT_STEPS, canary_calls, canary_plan, measure_canary
from studbook.experiments.run.corpus import LoadedPapers, load_papers
from studbook.experiments.run.lengths import with_contexts, with_longest
from studbook.experiments.run.models import (
    ask_contexts,
    open_endpoints,
    role_models,
    uses_only_testbed,
)
from studbook.experiments.spec.loading import harness_folder
from studbook.experiments.spec.model import TESTBED, CorpusSpec, Spec, SplitsSpec
from studbook.experiments.views.lines import canary_line
from studbook.harnesses.folder import read_harness
from studbook.llm.client import ModelClient, RetryPolicy
from studbook.llm.contracts import Endpoint
from studbook.llm.endpoints import probe
from studbook.llm.records import CallRecords
from studbook.populations.records import CanaryScore, CanaryVerdict

IMPATIENT = RetryPolicy(attempts=2, first_attempts=1, same_answer=1, other_seeds=0, patience_seconds=0.0)
"""A doctor says what is wrong now, without long waits."""


def check_endpoints(
    spec: Spec,
    variables: Mapping[str, str],
    tell: Callable[[str], None],
    *,
    asks_roles: bool = True,
    asks_canary: bool = True,
) -> Iterator[CheckResult]:
    """Whether the models of a spec can do what a run asks of them; `tell` says what is about to be asked.

    First one tiny call per (endpoint, model); an error common to all models is reported once. Then, of those
    that answer, a request of every role as in a run, and the planted cases of a run's start. The testbed's
    own programs, and without `asks_roles` all models, get the tiny call alone, and papers are read; without
    `asks_canary` the planted cases are left out.
    """
    learned: list[str] = []
    try:
        with open_endpoints(spec, variables, learned.append) as endpoints:
            silent: list[str] = []
            yield from _probe_all(spec, endpoints, silent)
            is_asked = asks_roles and not uses_only_testbed(spec)
            if is_asked and set(silent) < set(spec.models.roles):
                yield from _check_roles(spec, endpoints, silent, tell, asks_canary=asks_canary)
            elif asks_roles and (spec.corpus.path or spec.corpus.train):
                yield check_papers(spec)
        yield from (
            CheckResult(name="models", state=CheckState.FINE, text=text) for text in dict.fromkeys(learned)
        )
    except SpecError as error:
        text, *rest = str(error).splitlines()
        yield CheckResult(
            name="models", state=CheckState.MISSING, text=text, next_step=" ".join(rest).strip()
        )


def _probe_all(spec: Spec, endpoints: Mapping[str, Endpoint], silent: list[str]) -> Iterator[CheckResult]:
    """Adds the roles whose model does not answer to `silent`; says nothing of others that are asked more."""
    models = role_models(spec)
    roles: dict[tuple[str, str], list[str]] = {}
    for role, model in models.items():
        roles.setdefault((model.endpoint, model.model), []).append(role)
    found: dict[tuple[str, bool, tuple[str, ...]], list[str]] = {}
    for (endpoint, name), users in roles.items():
        told = probe(users[0], models[users[0]], endpoints[endpoint].backend)
        parts = (told.text,) if told.is_healthy else tuple(told.text.split(repr(name)))
        found.setdefault((endpoint, told.is_healthy, parts), []).extend(users)
    for (endpoint, is_healthy, parts), users in found.items():
        if is_healthy and spec.models.endpoints[endpoint].kind != TESTBED:
            continue
        names = " and ".join(dict.fromkeys(repr(models[user].model) for user in users))
        first, *rest = names.join(parts).splitlines()
        yield CheckResult(
            name="models",
            state=CheckState.FINE if is_healthy else CheckState.MISSING,
            text=f"{', '.join(users)}: {first}",
            next_step="; ".join(rest),
        )
        silent.extend([] if is_healthy else users)


def _check_roles(
    spec: Spec,
    endpoints: Mapping[str, Endpoint],
    silent: Sequence[str],
    tell: Callable[[str], None],
    *,
    asks_canary: bool,
) -> Iterator[CheckResult]:
    """Contexts, a request of every role, the planted cases."""
    try:
        harness = read_harness(harness_folder(spec.harness))
        fitted = with_longest(with_contexts(spec, ask_contexts(spec, endpoints)), harness.manifest.roles)
    except UsageError as error:
        yield _problem("context", CheckState.MISSING, error)
        return
    try:
        papers = load_papers(fitted.corpus, fitted.seed)
    except CorpusError as error:  # a doctor may be asked before there are papers
        yield _problem("papers", CheckState.WARNING, error)
        papers = load_papers(GENERATED, fitted.seed)
    yield from _context_results(fitted, papers)
    every = (*papers.splits.train, *papers.splits.validation, *papers.splits.test)
    material = Material.of(fitted, harness, every)
    client = ModelClient(
        roles=role_models(fitted),
        endpoints=endpoints,
        records=CallRecords.in_memory(),
        retry=IMPATIENT,
        strict_models=fitted.models.strict_names,
    )
    tell(rehearsal_plan(material))
    is_refused = False
    for rehearsed in rehearse(material, client, silent):
        result = rehearsal_result(rehearsed)
        is_refused = is_refused or result.state is CheckState.MISSING
        yield result
    if is_refused or not asks_canary or not canary_calls(fitted) or set(canary_calls(fitted)) & set(silent):
        return
    tell(canary_plan(fitted))
    try:
        yield from (canary_result(each.score) for each in measure_canary(fitted, client))
    except ModelError as error:
        text, *rest = str(error).splitlines()
        yield CheckResult(name="canary", state=CheckState.MISSING, text=text, next_step="; ".join(rest))


def check_papers(spec: Spec) -> CheckResult:
    """Whether the papers of a spec can be read and fill its splits, and what is odd about them."""
    try:
        papers = load_papers(spec.corpus, spec.seed)
    except CorpusError as error:
        return _problem("papers", CheckState.WARNING, error)
    sizes = " · ".join(f"{len(ids)} {name}" for name, ids in papers.splits.paper_ids().items())
    return CheckResult(
        name="papers",
        state=CheckState.WARNING if papers.notes else CheckState.FINE,
        text="; ".join([f"{papers.description}: {sizes}", *papers.notes]),
    )


GENERATED = CorpusSpec(splits=SplitsSpec(train=1, validation=1, test=1))
"""Papers for the requests, if those of the spec cannot be read."""


def _problem(name: str, state: CheckState, error: UsageError) -> CheckResult:
    text, *rest = str(error).splitlines()
    return CheckResult(name=name, state=state, text=text, next_step=" ".join(rest).strip())


def _context_results(spec: Spec, papers: LoadedPapers) -> Iterator[CheckResult]:
    known: dict[str, list[str]] = {}
    for name, role in spec.models.roles.items():
        if role.context_tokens is not None:
            known.setdefault(f"{role_models(spec)[name].model}: {role.context_tokens:,} tokens", []).append(
                name
            )
    said = "; ".join(f"{text} ({', '.join(names)})" for text, names in known.items())
    total = sum(len(ids) for ids in papers.splits.paper_ids().values())
    if papers.notes:
        text = "; ".join(filter(None, [said, *papers.notes]))
        yield CheckResult(name="context", state=CheckState.WARNING, text=text)
    elif said:
        yield CheckResult(name="context", state=CheckState.FINE, text=f"{said}; all {total} papers fit")
    else:
        step = "give models.roles.ROLE.context_tokens (or models.default.context_tokens), if you know it"
        text = "no endpoint says how long its models' contexts are"
        yield CheckResult(name="context", state=CheckState.FINE, text=text, next_step=step)


NO_REQUEST = "its policy made no request, so nothing is known about its model"


def rehearsal_result(found: Rehearsed) -> CheckResult:
    """One line: the roles, how the model answered, what it used."""
    who = f"{', '.join(found.roles)}: "
    if found.reply is None:
        text, *rest = (found.error or NO_REQUEST).splitlines()
        state = CheckState.MISSING if found.error else CheckState.WARNING
        return CheckResult(name="models", state=state, text=who + text, next_step="; ".join(rest))
    usage = found.reply.usage
    counted = "about " if found.reply.is_estimated else ""
    aloud = "; it thinks aloud, and its thoughts are removed" if found.reply.thoughts else ""
    used = f"{counted}{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens, {found.seconds:.1f} s"
    state, readable = CheckState.FINE, "readable"
    if found.problem:
        state, readable = CheckState.WARNING, found.problem
    return CheckResult(
        name="models", state=state, text=f"{who}{found.model} answers ({used}), {readable}{aloud}"
    )


def canary_result(score: CanaryScore) -> CheckResult:
    is_good = score.verdict is CanaryVerdict.ABOVE_CHANCE
    return CheckResult(
        name="canary",
        state=CheckState.FINE if is_good else CheckState.WARNING,
        text=canary_line(score),
        next_step="" if is_good else f"{NEXT_STEPS[score.verdict]}; a run needs --accept-judge",
    )
