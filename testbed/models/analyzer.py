"""The testbed's analyzer: counts signs in the trajectories and describes their probable causes in prose.

A text program, not a language model. It reads the prompt a real model would get and is sometimes wrong, as
analysts are: then the analysis starts with a hunch without evidence, or with a minor cause. The counts decide
the order of causes; nothing here knows which remedy works, which harness it is about, or what an edit does.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pydantic import with_config

from studbook.identity import derive_seed
from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.signs import Quote, Signs, read_signs, read_trajectories, tagged, tally
from studbook.testbed.tables import read_table

PACKAGE = "studbook.testbed.models"
DATA_FILES = ("causes.toml",)

ERROR_SHARE = 0.25
"""How often the analysis starts with a cause that the counts do not support."""

_CAUSES_TOLD = 3
_LEAST_WEIGHT = 0.05

_REJECTED = re.compile(r"\b(rejected|broken|no_change|no change|duplicate)\b", re.IGNORECASE)
_ADMITTED = re.compile(r"\badmitted\b", re.IGNORECASE)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedCause:
    """`sign` names the quotes that show it; `observed` is a template with slots for the counts."""

    name: str
    title: str
    sign: str
    observed: str
    readings: tuple[str, ...]
    remedies: tuple[str, ...]

    def weight(self, signs: Signs) -> float:
        """The share of failures it may explain."""
        return _WEIGHTS[self.name](signs)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Hunch:
    title: str
    suspicion: str


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    cause: tuple[SuspectedCause, ...]
    hunch: tuple[Hunch, ...]


@cache
def read_causes() -> Causes:
    return read_table(PACKAGE, DATA_FILES[0], Causes)


def reply(request: ChatRequest) -> str:
    """A Markdown diagnosis; the same request always gets the same one."""
    prompt = "\n".join(message.content for message in request.messages if message.role == "user")
    rng = random.Random(derive_seed(request.seed, "analyzer"))
    signs = read_signs(read_trajectories(prompt))
    if not signs.trajectories:
        return _report("No trajectory could be read, so nothing can be said about causes.")
    ranked = _ranked(signs, rng)
    errs = rng.random() < ERROR_SHARE
    causes, change = _mistaken(signs, ranked, rng) if errs or not ranked else _sound(signs, ranked, rng)
    return _report(_summary(signs), causes, _lessons(tagged(prompt, "history")), change)


def _report(happened: str, causes: str = "None.", tried: str = "", change: str = "Nothing.") -> str:
    """The sections that the analyzer's prompt asks for."""
    sections = {
        "What happened": happened,
        "Root causes": causes,
        "Tried before": tried or "Nothing.",
        "What to change": change,
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items()) + "\n"


def _ranked(signs: Signs, rng: random.Random) -> list[SuspectedCause]:
    """Causes supported by the counts, strongest first; weights get 25% noise, as analysts are imprecise."""
    weighed = [(cause.weight(signs) * rng.uniform(0.75, 1.25), cause) for cause in read_causes().cause]
    return [cause for weight, cause in sorted(weighed, key=lambda pair: -pair[0]) if weight > _LEAST_WEIGHT]


def _summary(signs: Signs) -> str:
    lines = [
        f"{signs.trajectories} trajectories: {tally(signs.verdicts)}. {signs.rounds} rounds were evaluated.",
    ]
    if signs.categories:
        lines.append(f"Failed rounds by category: {tally(signs.categories)}.")
    if signs.weak_averages:
        lines.append(f"Mean weak average {signs.weak_average:.2f} over {len(signs.weak_averages)} reports.")
    if signs.strong_averages:
        lines.append(
            f"Mean strong average {signs.strong_average:.2f} over {len(signs.strong_averages)} reports."
        )
    if signs.unreadable or signs.quoted_weights:
        lines.append(
            f"{signs.unreadable} of {signs.replies} challenger replies hold no readable JSON, "
            f"{signs.quoted_weights} quote a weight as a string."
        )
    return " ".join(lines)


def _sound(signs: Signs, ranked: list[SuspectedCause], rng: random.Random) -> tuple[str, str]:
    """Root causes, and what to change."""
    told = ranked[:_CAUSES_TOLD]
    parts = [_told(number, cause, signs, rng) for number, cause in enumerate(told, 1)]
    change = _suggestions(told, rng)
    hunch = rng.choice(read_causes().hunch)
    suspicion = hunch.suspicion[0].lower() + hunch.suspicion[1:]
    parts.append(f"### Lesser suspicions\n\n{hunch.title}: {suspicion} There is no direct evidence for this.")
    return "\n\n".join(parts), change


def _mistaken(signs: Signs, ranked: list[SuspectedCause], rng: random.Random) -> tuple[str, str]:
    """An analysis led by a hunch, with a quote that does not really support it; omits the real causes."""
    hunches = rng.sample(read_causes().hunch, 2)
    parts = []
    for number, hunch in enumerate(hunches, 1):
        parts.append(f"### {number}. {hunch.title}\n\n{hunch.suspicion}\n\n{_any_quote(signs, rng)}".rstrip())
    if len(ranked) > _CAUSES_TOLD:
        parts.append(_told(3, rng.choice(ranked[_CAUSES_TOLD:]), signs, rng))
    advice = "\n".join(f"{number}. {hunch.suspicion}" for number, hunch in enumerate(hunches, 1))
    return "\n\n".join(parts), advice


def _told(number: int, cause: SuspectedCause, signs: Signs, rng: random.Random) -> str:
    quotes = signs.quotes.get(cause.sign, [])
    chosen = rng.sample(quotes, min(2, len(quotes)))
    lines = [
        f"### {number}. {cause.title}",
        f"{cause.observed.format(signs=signs)} {rng.choice(cause.readings)}",
    ]
    return "\n\n".join(lines + [_quoted(quote) for quote in chosen])


def _suggestions(causes: list[SuspectedCause], rng: random.Random) -> str:
    return "\n".join(f"{number}. {rng.choice(cause.remedies)}" for number, cause in enumerate(causes, 1))


def _quoted(quote: Quote) -> str:
    return f"> “{quote.text}” ({quote.place})"


def _any_quote(signs: Signs, rng: random.Random) -> str:
    quotes = [quote for name in sorted(signs.quotes) for quote in signs.quotes[name]]
    return _quoted(rng.choice(quotes)) if quotes else ""


def _lessons(history: str) -> str:
    rejected = len(_REJECTED.findall(history))
    admitted = len(_ADMITTED.findall(history))
    if not rejected + admitted:
        return ""
    return (
        f"{admitted} earlier changes were admitted and {rejected} were not. "
        "What was turned down should not simply be proposed again in other words."
    )


def _easy(signs: Signs) -> float:
    return signs.share(signs.categories["too_easy"] + signs.categories["small_gap"], signs.failed_rounds)


def _generic(signs: Signs) -> float:
    return 0.2 * _easy(signs) + 0.9 * signs.share(signs.generic, signs.questions)


def _leak(signs: Signs) -> float:
    leaking = signs.share(signs.leaks, signs.questions)
    given = signs.share(signs.weak_met_in_context, signs.weak_met)
    return 0.15 * _easy(signs) + 0.6 * leaking + 0.5 * given


def _misfire(signs: Signs) -> float:
    marks = signs.share(signs.misfires, signs.strong_negative_marks)
    failed = signs.share(
        signs.categories["strong_failed"] + signs.categories["small_gap"], signs.failed_rounds
    )
    return 2.0 * marks + 0.5 * failed * (signs.negatives > 0)


def _form(signs: Signs) -> float:
    lost = signs.unreadable + signs.quoted_weights + signs.categories["malformed"]
    return 0.9 * signs.share(lost, signs.replies + signs.categories["malformed"])


_WEIGHTS: Mapping[str, Callable[[Signs], float]] = MappingProxyType(
    {
        "generic": _generic,
        "leak": _leak,
        "negative": _misfire,
        "form": _form,
        "verifier": lambda signs: 0.5 * signs.share(signs.own_refusals, signs.verifier_replies),
        "repeat": lambda signs: 0.7 * signs.share(signs.repeated, signs.questions),
        "rounds": lambda signs: 0.3 * signs.share(signs.ran_out, signs.trajectories),
        "crash": lambda signs: 1.5 * signs.share(signs.crashed, signs.trajectories),
        "hard": lambda signs: 0.9 * signs.share(signs.categories["too_hard"], signs.failed_rounds),
        "quality": lambda signs: 0.9 * signs.share(signs.categories["quality"], signs.failed_rounds),
    }
)
