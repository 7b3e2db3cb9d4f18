"""The conformance report: one page of Markdown about what each role could and could not do, also as JSON.

It can be sent to others: no key, no address of an endpoint unless it is asked for, no text of papers or
replies. Pass rates of papers are left out: a run this small cannot tell two harnesses apart, and with a judge
near chance a rate means nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from studbook.experiments.conformance.figures import READABLE, RoleFigures, RunFigures
from studbook.experiments.doctor import CheckResult, CheckState
from studbook.experiments.run.models import uses_only_testbed
from studbook.experiments.views.lines import TESTBED_MODELS, canary_line, spaced
from studbook.experiments.views.text import clean_line, count, dollars, duration
from studbook.experiments.views.views import as_json
from studbook.populations.records import CanaryVerdict
from studbook.rate import Rate

WITHHELD = "(endpoint)"
LONGEST_LIST = 8
PAGE_TITLE = "# Studbook conformance report"
HEAD = (
    "role",
    "replies",
    "readable",
    "cut off",
    "with thoughts",
    "failed requests",
    "tokens in (cached)",
    "tokens out",
    "time",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """A run's figures, what `doctor` said about the endpoints before it, and whether to name their hosts."""

    figures: RunFigures
    findings: tuple[CheckResult, ...] = ()
    names_host: bool = False


def conformance_json(found: Conformance) -> dict[str, Any]:
    """One JSON object; see docs/models.md."""
    figures = found.figures
    told = {
        "schema": 1,
        "run": figures.run,
        "state": figures.state,
        "spec": {"name": figures.spec.name, "seed": figures.spec.seed},
        "environment": _environment(figures),
        "is_testbed": uses_only_testbed(figures.spec),
        "endpoints": hosts(found) if found.names_host else [],
        "seconds": figures.seconds,
        "roles": [{**as_json(role), "readable_means": READABLE[role.role]} for role in figures.roles],
        "canary": [{**as_json(score), "verdict": score.verdict.value} for score in figures.canary],
        "edits": as_json(figures.edits),
        "papers": dict(figures.papers),
        "rounds": dict(figures.rounds),
        "iterations": figures.iterations,
        "learned": list(figures.learned),
        "troubles": dict(figures.troubles),
        "findings": as_json(found.findings),
    }
    if found.names_host:
        return told
    addresses = _addresses(found)
    troubles: Counter[str] = Counter()
    for text, number in figures.troubles.items():  # the only keys that are an endpoint's words
        troubles[_without(text, addresses)] += number
    cleaned: dict[str, Any] = _without({**told, "troubles": troubles}, addresses)
    return cleaned


def conformance_page(found: Conformance) -> str:
    figures = found.figures
    readable = "; ".join(f"{spaced(role.role)}: {READABLE[role.role]}" for role in figures.roles)
    lines = [
        PAGE_TITLE,
        "",
        *_about(found),
        "",
        "## Roles",
        "",
        *_table(
            HEAD,
            [_role_cells(role) for role in figures.roles] + [_total_cells(figures)],
        ),
        "",
        f"*Readable* means: {readable}. It says nothing about whether a reply is right.",
        "*Time* adds up the waiting for replies, which may overlap.",
        "",
        "## Planted truth",
        "",
        *_canary(figures),
        "",
        "## Edits",
        "",
        *_edits(figures),
        "",
        "## Papers",
        "",
        *_papers(figures),
        "",
        "## What the endpoint needed",
        "",
        *_endpoint(found),
    ]
    page = "\n".join(lines) + "\n"
    return page if found.names_host else _without(page, _addresses(found))


def hosts(found: Conformance) -> list[str]:
    return sorted({urlsplit(url).hostname or "" for url in _urls(found)} - {""})


def _urls(found: Conformance) -> list[str]:
    models = found.figures.spec.models
    used = {role.endpoint for role in models.roles.values()}
    return [url for name in sorted(used) if (url := models.endpoints[name].base_url)]


_PLACES = (
    r"(?<=://){0}(?![\w.-])",
    r"(?<=@){0}(?![\w.-])",
    r"(?<![\w.-]){0}(?=:\d)",
    r"(?<=host[ '=]){0}(?![\w.-])",
    r"(?<=host=['\"]){0}(?![\w.-])",
    r"\A{0}\Z",
)
"""Where a host's name that may be an ordinary word is an address: in one, after `host`, or alone."""


def _addresses(found: Conformance) -> list[re.Pattern[str]]:
    """What names an endpoint: its address, its host with port, its host; longest first.

    As a whole word each. A host without a dot, such as `model` in http://model:8000/v1, may be an ordinary
    word too and counts only in the places of an address.
    """
    parts = [(url, urlsplit(url)) for url in _urls(found)]
    named = {text for url, part in parts for text in (url, part.netloc, part.hostname or "")} - {""}
    return [_pattern(text) for text in sorted(named, key=len, reverse=True)]


def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text)
    if re.search("[.:]", text):
        return re.compile(rf"(?<![\w-]){escaped}(?![\w-])", re.IGNORECASE)
    return re.compile("|".join(place.format(escaped) for place in _PLACES), re.IGNORECASE)


def _without(value: Any, addresses: Sequence[re.Pattern[str]]) -> Any:
    """The same value with every address replaced in every text. Keys are names, and stay."""
    if isinstance(value, str):
        for address in addresses:
            value = address.sub(WITHHELD, value)
        return value
    if isinstance(value, Mapping):
        return {key: _without(inner, addresses) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, addresses) for inner in value]
    return value


def _environment(figures: RunFigures) -> dict[str, Any]:
    names = ("studbook", "commit", "python", "platform", "started", "sandbox", "evaluator_hash")
    return {name: figures.environment.get(name) for name in names}


def _about(found: Conformance) -> list[str]:
    figures = found.figures
    environment, sandbox = figures.environment, figures.environment.get("sandbox") or {}
    names = ("studbook", "commit", "python", "platform")
    studbook, commit, python, platform = (environment.get(name) for name in names)
    facts = [
        ("models", TESTBED_MODELS if uses_only_testbed(figures.spec) else models_words(figures.roles)),
        ("run", f"{figures.run} ({figures.state}), started {environment.get('started')}"),
        ("length", f"{count(figures.iterations, 'iteration')}, {duration(figures.seconds)}"),
        ("sandbox", f"{sandbox.get('kind')}"),
        ("software", f"Studbook {studbook} ({commit}), Python {python}, {platform}"),
    ]
    if found.names_host:
        facts.append(("endpoint", ", ".join(hosts(found)) or "none"))
    return [f"- **{name}**: {clean_line(text, 600)}" for name, text in facts]


def models_words(roles: Iterable[RoleFigures]) -> str:
    """Each model once with its roles; the name that the endpoint gave, where it is another one."""
    groups: dict[str, list[str]] = {}
    for role in roles:
        others = [name for name in role.answered_as if name != role.model]
        name = f"{role.model} (answers as {', '.join(others)})" if others else role.model
        groups.setdefault(name, []).append(spaced(role.role))
    if len(groups) == 1:
        return f"{next(iter(groups))} for all roles"
    return "; ".join(f"{name} for {', '.join(users)}" for name, users in groups.items())


def _role_cells(role: RoleFigures) -> tuple[str, ...]:
    failed = ", ".join(f"{number} {kind}" for kind, number in role.failures.items())
    return (
        spaced(role.role),
        f"{role.replies:,}",
        _share(role.readable),
        f"{role.cut:,}",
        f"{role.thinking:,}",
        failed or "0",
        f"{role.usage.prompt_tokens:,} ({role.usage.cached_tokens:,})",
        f"{role.usage.completion_tokens:,}",
        "–" if role.seconds is None else duration(role.seconds),
    )


def _total_cells(figures: RunFigures) -> tuple[str, ...]:
    totals, paid = figures.totals, figures.totals.dollars
    seconds = [role.seconds for role in figures.roles if role.seconds is not None]
    return (
        f"**all**{f', {dollars(paid)}' if paid else ''}",
        f"{totals.calls:,}",
        "",
        f"{sum(role.cut for role in figures.roles):,}",
        f"{sum(role.thinking for role in figures.roles):,}",
        f"{sum(sum(role.failures.values()) for role in figures.roles):,}",
        f"{totals.usage.prompt_tokens:,} ({totals.usage.cached_tokens:,})",
        f"{totals.usage.completion_tokens:,}",
        duration(sum(seconds)) if seconds else "–",
    )


def _share(rate: Rate) -> str:
    return f"{rate.passed:,} of {rate.n:,}" if rate.n else "–"


def _canary(figures: RunFigures) -> list[str]:
    if not figures.canary:
        return ["Judge and final verifier were not asked about planted cases."]
    lines = [f"- {clean_line(canary_line(score), 300)}" for score in figures.canary]
    if all(score.verdict is CanaryVerdict.ABOVE_CHANCE for score in figures.canary):
        return [*lines, "", "A smoke test; `benchmarks/verifier_errors.py` measures error rates."]
    return [*lines, "", "**Where a role is near chance or unreadable, verdicts and scores mean nothing.**"]


def _edits(figures: RunFigures) -> list[str]:
    edits = figures.edits
    if not edits.dialogues:
        return ["The implementer was never asked."]
    ended = ", ".join(f"{number} {spaced(verdict)}" for verdict, number in edits.verdicts.items())
    proposed = (
        f"In {count(edits.dialogues, 'dialogue')} ({count(edits.turns, 'turn')}) the implementer proposed "
        f"{count(edits.proposed, 'edit')}; {edits.applied} fitted the files, {edits.refused} not allowed."
    )
    changed = f"{edits.changed} of the dialogues changed the harness. Iterations ended as: {ended or 'none'}."
    return [f"{proposed} {changed}"]


def _papers(figures: RunFigures) -> list[str]:
    papers = ", ".join(f"{number} {spaced(verdict)}" for verdict, number in figures.papers.items())
    rounds = ", ".join(f"{number} {spaced(outcome)}" for outcome, number in figures.rounds.items())
    ended = f"Papers ended as: {papers or 'none'}. Rounds ended as: {rounds or 'none'}."
    return [f"{ended} Pass rates are not reported: so few papers cannot tell two harnesses apart."]


def _endpoint(found: Conformance) -> list[str]:
    figures = found.figures
    lines = [f"- {clean_line(text, 300)}" for text in figures.learned[:LONGEST_LIST]]
    lines += [
        f"- {count(number, 'time')}: {clean_line(text, 300)}"
        for text, number in sorted(figures.troubles.items(), key=lambda item: -item[1])[:LONGEST_LIST]
    ]
    lines += [
        f"- doctor: {clean_line(f'{each.name}: {each.text}', 300)}"
        for each in found.findings
        if each.state is not CheckState.FINE
    ]
    return lines or ["Nothing: every field was understood, and no request had to be repeated."]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in table]
