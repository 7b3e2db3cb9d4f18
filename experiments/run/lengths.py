"""Which papers the models can read whole: some roles get a paper's full text, and a context has an end.

Tokens are estimated, because no tokenizer is at hand: one for every digit and one for every three other
bytes of UTF-8. This is more than common tokenizers need for prose, code, formulas and Chinese, so a paper
that fits by the estimate fits. Beside it, room is kept for the instructions with the example, and for the
answer.
Knows nothing about files or splits.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from studbook.errors import CorpusError, SpecError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.papers import MIN_CHARACTERS, Corpus, make_paper
from studbook.evolve.prompting import answer_room
from studbook.experiments.run.models import ask_contexts, is_testbed_role, role_models
from studbook.experiments.spec.model import CorpusSpec, Spec, TooLong
from studbook.experiments.views.text import count
from studbook.llm.contracts import Endpoint

BYTES_PER_TOKEN = 3
DIGIT = re.compile("[0-9]")
BESIDE_PAPER_TOKENS = 3_000
"""Room for what a prompt holds beside the paper: instructions, an example, feedback on earlier ones."""
SHORTEST_TOKENS = MIN_CHARACTERS // BYTES_PER_TOKEN
"""A context with less room than this holds no paper at all."""


def estimate_tokens(text: str) -> int:
    """A cautious estimate: more than a tokenizer is likely to count."""
    digits = len(DIGIT.findall(text))
    return digits + -(-(len(text.encode("utf-8")) - digits) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRoom:
    """`tokens`: how long a paper may be for this role, of the `context_tokens` of its model."""

    role: str
    model: str
    context_tokens: int
    tokens: int


def reading_roles(spec: Spec, harness_roles: Collection[str]) -> tuple[str, ...]:
    """The roles that get a paper's whole text; of a harness's own roles, the challenger."""
    return (
        *(["challenger"] if "challenger" in harness_roles else []),
        *(["strong"] if spec.evaluator.strong_sees_paper else []),
        "final_verifier",
    )


def reading_rooms(spec: Spec, harness_roles: Collection[str]) -> tuple[PaperRoom, ...]:
    """Of the roles that read whole papers with a model whose context is known; the smallest room first."""
    models = role_models(spec)
    rooms = []
    for role in reading_roles(spec, harness_roles):
        model = models[role]
        if model.context_tokens is not None:
            answer = answer_room(model.max_tokens, model.context_tokens)
            tokens = model.context_tokens - BESIDE_PAPER_TOKENS - answer
            rooms.append(
                PaperRoom(role=role, model=model.model, context_tokens=model.context_tokens, tokens=tokens)
            )
    return tuple(sorted(rooms, key=lambda room: room.tokens))


def unknown_contexts(spec: Spec, harness_roles: Collection[str]) -> tuple[str, ...]:
    """A line if papers cannot be compared with the context of a model that reads them."""
    reading = reading_roles(spec, harness_roles)
    roles = [
        name
        for name, role in spec.models.roles.items()
        if name in reading and role.context_tokens is None and not is_testbed_role(spec, role)
    ]
    if not roles:
        return ()
    note = f"how long a paper {', '.join(roles)} can read is unknown, because the endpoint does not say"
    return (f"{note}: give the model's context as context_tokens",)


def fit_spec(spec: Spec, endpoints: Mapping[str, Endpoint], harness_roles: Collection[str]) -> Spec:
    """The spec with the contexts that endpoints report and the longest paper that fits them.

    Raises SpecError for a context that has no room for any paper.
    """
    return with_longest(with_contexts(spec, ask_contexts(spec, endpoints)), harness_roles)


def fit_corpus(corpus: Corpus, spec: CorpusSpec) -> tuple[Corpus, str]:
    """The papers that everybody sees, and a line about the others; "" if every paper fits.

    Raises CorpusError if none is left, or if long ones are to be refused.
    """
    fitted = fit_papers(corpus.papers, spec.longest_tokens, shorten=spec.too_long == "shorten")
    note = length_note(fitted.long, spec.longest_tokens, spec.too_long)
    if fitted.long and spec.too_long == "refuse":
        raise CorpusError(f"{note}\n  {INSTEAD_OF_REFUSING}")
    if not corpus.papers:
        raise CorpusError("there are no papers: give at least one")
    if not fitted.papers:
        raise CorpusError(f"no paper is left: {note}\n  take shorter papers, or models with a larger context")
    return Corpus(papers=fitted.papers, skipped=corpus.skipped), note


INSTEAD_OF_REFUSING = (
    "take papers that fit or models with a larger context, or let Studbook leave them out "
    "(-s corpus.too_long=exclude) or shorten them (-s corpus.too_long=shorten)"
)


def with_contexts(spec: Spec, contexts: Mapping[str, int | None]) -> Spec:
    """The spec with the contexts of roles that it leaves open; `contexts` is by role."""
    roles = {
        name: role
        if role.context_tokens is not None or contexts.get(name) is None
        else role.model_copy(update={"context_tokens": contexts[name]})
        for name, role in spec.models.roles.items()
    }
    models = spec.models.model_copy(update={"roles": roles})
    return spec.model_copy(update={"models": models})


def with_longest(spec: Spec, harness_roles: Collection[str]) -> Spec:
    """The spec with `corpus.longest_tokens` set to what every reading role has room for.

    It is stored in the run, so that a resume or a replay sees the same papers without asking an endpoint.
    Raises SpecError for a context that has no room for any paper.
    """
    rooms = reading_rooms(spec, harness_roles)
    if not rooms:
        return spec
    least, given = rooms[0], spec.corpus.longest_tokens
    if least.tokens < SHORTEST_TOKENS:
        raise SpecError(
            f"no paper fits {least.model} (role {least.role}): of its {least.context_tokens:,} tokens, "
            f"{max(0, least.tokens):,} are left for a paper beside the instructions and the answer\n"
            f"  serve the model with a larger context, or take another one; a smaller "
            f"models.roles.{least.role}.max_tokens leaves more room"
        )
    longest = least.tokens if given is None else min(given, least.tokens)
    return spec.model_copy(update={"corpus": spec.corpus.model_copy(update={"longest_tokens": longest})})


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPaper:
    """A paper that was excluded or shortened; `tokens` is the estimate for its whole text."""

    source: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """`papers` are those that everybody sees, `long` those that were too long for it."""

    papers: tuple[Paper, ...]
    long: tuple[LongPaper, ...]


def fit_papers(papers: Iterable[Paper], longest_tokens: int | None, *, shorten: bool) -> Fitted:
    """Excludes or shortens papers of more than `longest_tokens` estimated tokens; None: no limit.

    A shortened paper is another paper: its identity is that of the text that is left.
    """
    kept: list[Paper] = []
    long: list[LongPaper] = []
    for paper in papers:
        tokens = 0 if longest_tokens is None else estimate_tokens(paper.text)
        if longest_tokens is None or tokens <= longest_tokens:
            kept.append(paper)
            continue
        long.append(LongPaper(source=paper.source, tokens=tokens))
        if shorten:
            kept.append(shorten_paper(paper, longest_tokens))
    return Fitted(papers=tuple(kept), long=tuple(long))


def shorten_paper(paper: Paper, longest_tokens: int) -> Paper:
    """The beginning of the paper, up to the last whole paragraph that fits.

    If that paragraph ends in the first half of what fits, the text is cut at the last space instead.
    """
    low, high = 0, len(paper.text)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if estimate_tokens(paper.text[:middle]) <= longest_tokens else (low, middle - 1)
        )
    beginning = paper.text[:low]
    end = beginning.rfind("\n\n")
    if end < low // 2:
        end = max(beginning.rfind(" "), beginning.rfind("\n"))
    short = make_paper(beginning[: end if end > 0 else low], paper.source)
    return replace(short, title=paper.title)


def length_note(long: Collection[LongPaper], longest_tokens: int | None, too_long: TooLong) -> str:
    """One line for the user, before any money is spent; "" if every paper fits."""
    if not long or longest_tokens is None:
        return ""
    named = sorted(long, key=lambda each: -each.tokens)
    shown = "; ".join(f"{each.source}: about {each.tokens:,}" for each in named[:3])
    more = f"; and {len(named) - 3} more" if len(named) > 3 else ""
    done = {"shorten": "shortened", "exclude": "left out", "refuse": "too long"}[too_long]
    return (
        f"{count(len(named), 'paper')} {done}: the models have room for {longest_tokens:,} tokens of a paper "
        f"({shown}{more})"
    )
