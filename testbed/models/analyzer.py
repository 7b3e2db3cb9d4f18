"""The testbed's analyzer: counts what the trajectories show and says in prose what seems to be behind it.

A text program, not a language model. It reads the same prompt a real model would get and errs now and then,
as analysts do: then a hunch without evidence, or a minor cause, heads the analysis. It never sees which
harness it is about, nor what an edit would do.
"""

import random
import re

from studbook.identity import derive_seed
from studbook.llm.contracts import ChatRequest
from studbook.testbed.models.analyzer_causes import CAUSES, HUNCHES, Cause
from studbook.testbed.models.analyzer_signs import Quote, Signs, mean, read_signs, tally
from studbook.testbed.models.analyzer_trajectory import read_trajectories, tagged

ERROR_SHARE = 0.25
"""How often the analysis is led by something the counts do not support."""

_CAUSES_TOLD = 3
_LEAST_WEIGHT = 0.05
_REJECTED = re.compile(r"\b(rejected|broken|no_change|no change|duplicate)\b", re.IGNORECASE)
_ADMITTED = re.compile(r"\badmitted\b", re.IGNORECASE)


def reply(request: ChatRequest) -> str:
    """A Markdown diagnosis; the same request always gets the same one."""
    prompt = "\n".join(message.content for message in request.messages if message.role == "user")
    luck = random.Random(derive_seed(request.seed, "analyzer"))
    signs = read_signs(read_trajectories(prompt))
    if not signs.trajectories:
        return "# Diagnosis\n\nNo trajectory could be read, so nothing can be said about causes."
    ranked = _ranked(signs, luck)
    errs = luck.random() < ERROR_SHARE
    parts = [
        _summary(signs),
        _mistaken(signs, ranked, luck) if errs else _sound(signs, ranked, luck),
        _lessons(tagged(prompt, "history")),
    ]
    return "# Diagnosis\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _ranked(signs: Signs, luck: random.Random) -> list[Cause]:
    """Causes the counts speak for, most first; the eye is not exact, so weights blur by a quarter."""
    weighed = [(cause.weight(signs) * luck.uniform(0.75, 1.25), cause) for cause in CAUSES]
    return [cause for weight, cause in sorted(weighed, key=lambda pair: -pair[0]) if weight > _LEAST_WEIGHT]


def _summary(signs: Signs) -> str:
    lines = [
        f"{signs.trajectories} trajectories: {tally(signs.verdicts)}. {signs.rounds} rounds were evaluated.",
    ]
    if signs.categories:
        lines.append(f"Failed rounds by category: {tally(signs.categories)}.")
    if signs.weak_averages:
        lines.append(
            f"Mean weak average {mean(signs.weak_averages):.2f} over {len(signs.weak_averages)} reports."
        )
    if signs.strong_averages:
        lines.append(
            f"Mean strong average {mean(signs.strong_averages):.2f} over {len(signs.strong_averages)} "
            "reports."
        )
    if signs.unreadable or signs.quoted_weights:
        lines.append(
            f"{signs.unreadable} of {signs.replies} challenger replies hold no readable JSON, "
            f"{signs.quoted_weights} quote a weight as a string."
        )
    return " ".join(lines)


def _sound(signs: Signs, ranked: list[Cause], luck: random.Random) -> str:
    told = ranked[:_CAUSES_TOLD]
    if not told:
        return _mistaken(signs, ranked, luck)
    parts = ["## Root causes, most weighty first"]
    parts += [_told(number, cause, signs, luck) for number, cause in enumerate(told, 1)]
    parts.append("## Suggestions\n\n" + _suggestions(told, luck))
    title, suspicion = luck.choice(HUNCHES)
    parts.append(
        f"## Lesser suspicions\n\n{title}: {_lower(suspicion)} There is no direct evidence for this."
    )
    return "\n\n".join(parts)


def _mistaken(signs: Signs, ranked: list[Cause], luck: random.Random) -> str:
    """Led by a hunch, backed by a quote that does not really show it; the real causes go unnamed."""
    hunches = luck.sample(HUNCHES, 2)
    parts = ["## Root causes, most weighty first"]
    for number, (title, suspicion) in enumerate(hunches, 1):
        parts.append(f"### {number}. {title}\n\n{suspicion}\n\n{_any_quote(signs, luck)}".rstrip())
    if len(ranked) > _CAUSES_TOLD:
        parts.append(_told(3, luck.choice(ranked[_CAUSES_TOLD:]), signs, luck))
    advice = "\n".join(f"{number}. {suspicion}" for number, (_, suspicion) in enumerate(hunches, 1))
    parts.append("## Suggestions\n\n" + advice)
    return "\n\n".join(parts)


def _told(number: int, cause: Cause, signs: Signs, luck: random.Random) -> str:
    quotes = signs.quotes.get(cause.sign, [])
    chosen = luck.sample(quotes, min(2, len(quotes)))
    lines = [f"### {number}. {cause.title}", f"{cause.observed(signs)} {luck.choice(cause.readings)}"]
    return "\n\n".join(lines + [_quoted(quote) for quote in chosen])


def _suggestions(causes: list[Cause], luck: random.Random) -> str:
    return "\n".join(f"{number}. {luck.choice(cause.remedies)}" for number, cause in enumerate(causes, 1))


def _quoted(quote: Quote) -> str:
    return f"> “{quote.text}” ({quote.place})"


def _any_quote(signs: Signs, luck: random.Random) -> str:
    quotes = [quote for name in sorted(signs.quotes) for quote in signs.quotes[name]]
    return _quoted(luck.choice(quotes)) if quotes else ""


def _lessons(history: str) -> str:
    rejected = len(_REJECTED.findall(history))
    admitted = len(_ADMITTED.findall(history))
    if not rejected + admitted:
        return ""
    return (
        f"## What earlier iterations tell\n\n{admitted} earlier changes were admitted and {rejected} "
        "were not. "
        "What was turned down should not simply be proposed again in other words."
    )


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
