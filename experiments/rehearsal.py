"""Sends every role a request of a run: in its own shape, size and fields, read by its own reader.

A tiny question shows that a key works, and little else: it has no system message, no JSON, no long prompt.
The requests here come from the run's own components, which get a `Chat` that passes on the first call of the
role in question and refuses the second: a component that asks again could not read the reply. A harness's own
roles get a request like a harness's instead, because no harness runs here: two codes have to be found, at
the beginning and at the end of the longest paper. Roles that share endpoint, model and shape share a request.

Says nothing about whether a reply is right; for judge and final verifier, the canary does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from json import dumps

from studbook.errors import InfrastructureError, ModelError, ModelRejected
from studbook.evaluate.contracts import Paper
from studbook.evaluate.control import CONTROL, Unmeasurable
from studbook.evaluate.evaluator import Evaluator
from studbook.evaluate.planted.error_rates import ANY_SCORES
from studbook.evaluate.seeds import SeedScope
from studbook.evaluate.settings import Frozen
from studbook.evolve.contracts import ANALYZER, IMPLEMENTER, Diagnosis
from studbook.evolve.policies.replies import read_reply
from studbook.evolve.prompting import room_in
from studbook.experiments.run.bench import Origin, frozen_evaluator
from studbook.experiments.run.models import is_testbed_role, role_models
from studbook.experiments.run.plugins import find_plugin
from studbook.experiments.spec.model import Spec
from studbook.harnesses.tree import HarnessTree
from studbook.llm.contracts import (
    EVALUATOR_ROLES,
    HARNESS_ROLES,
    Chat,
    ChatCall,
    ChatReply,
    Message,
    Usage,
    count_tokens,
)
from studbook.llm.first_call import AskedAgain, FirstCall
from studbook.llm.json_reader import find_objects
from studbook.populations.records import PaperResult, PaperVerdict
from studbook.registry import Found

LONGEST_CHARACTERS = 120_000
"""Of a paper: a longer one would cost more and show nothing else."""
TRAJECTORY_CHARACTERS = 32_000
"""Of what the analyzer is shown; a run shows it up to its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What requests are made of: a spec, its seed harness and the longest of its papers.

    Everything that parses code is in it, because Python 3.11 cannot do that in several threads at once.
    """

    spec: Spec
    harness: HarnessTree
    paper: Paper
    frozen: Frozen
    analyzer: Found
    implementer: Found

    @staticmethod
    def of(spec: Spec, harness: HarnessTree, papers: Iterable[Paper]) -> "Material":
        """Raises PluginError, SpecError for policies that cannot be found."""
        longest = max(papers, key=lambda paper: len(paper.text))
        return Material(
            spec=spec,
            harness=harness,
            paper=replace(longest, text=longest.text[:LONGEST_CHARACTERS]),
            frozen=frozen_evaluator(spec, Origin(sandbox="", roles=())),
            analyzer=find_plugin(ANALYZER, spec.search.analyzer),
            implementer=find_plugin(IMPLEMENTER, spec.search.implementer),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One request and what came of it, for all `roles` that would send the same.

    `error` holds the words of one that failed; `problem` says why the reply is of no use, "" if it is read.
    """

    roles: tuple[str, ...]
    model: str
    reply: ChatReply | None
    seconds: float
    prompt_characters: int
    error: str = ""
    problem: str = ""


Ask = Callable[[Material, str, FirstCall], str]
"""Sends a role's request; returns why the reply is of no use, or ""."""

UNREADABLE = "the reply is not in the form that was asked for"


def shape_of(role: str) -> str:
    """Roles with the same shape on the same model send the same request."""
    return "reader" if role == "challenger" else "harness" if role in HARNESS_ROLES else role


def groups_of(spec: Spec) -> list[tuple[str, ...]]:
    """The roles at endpoints other than the testbed, by endpoint, model, settings and shape."""
    groups: dict[str, list[str]] = {}
    models = role_models(spec)
    for name, role in spec.models.roles.items():
        if not is_testbed_role(spec, role):
            groups.setdefault(f"{shape_of(name)} {models[name]!r}", []).append(name)
    return [tuple(group) for group in groups.values()]


def rehearsal_plan(material: Material) -> str:
    """One line about what will be asked; "" for nothing."""
    groups = groups_of(material.spec)
    if not groups:
        return ""
    reading = sum(group[0] in {"challenger", "strong", "final_verifier"} for group in groups)
    tokens = 1_500 * len(groups) + reading * count_tokens(material.paper.text)
    if any("analyzer" in group for group in groups):
        tokens += TRAJECTORY_CHARACTERS // 4 + sum(map(len, material.harness.files.values())) // 4
    return f"sending {len(groups)} requests like those of a run (about {round(tokens, -2):,} tokens)"


def rehearse(
    material: Material, chat: Chat, without: Sequence[str] = (), workers: int = 16
) -> Iterator[Rehearsed]:
    """One result per group of roles, as soon as it and those before it are known; none of `without`."""
    groups = [group for group in groups_of(material.spec) if not set(group) & set(without)]
    if not groups:
        return
    with ThreadPoolExecutor(min(workers, len(groups)), thread_name_prefix="rehearsal") as pool:
        yield from pool.map(lambda group: _rehearse(material, chat, group), groups)


def _rehearse(material: Material, chat: Chat, roles: tuple[str, ...]) -> Rehearsed:
    role, error, problem = roles[0], "", ""
    first = FirstCall(chat, role, _given(len(CONTROL.rubric)))
    try:
        problem = ASKS[shape_of(role)](material, role, first)
    except AskedAgain:
        problem = UNREADABLE
    except (InfrastructureError, Unmeasurable) as failure:
        error = str(failure if isinstance(failure, ModelError) else failure.__cause__ or failure)
    if first.failure is not None:  # a role may have caught it, to ask for less
        error = str(first.failure)
    messages = first.call.messages if first.call else ()
    return Rehearsed(
        roles=roles,
        model=role_models(material.spec)[role].model,
        reply=None if error else first.reply,
        seconds=first.seconds,
        prompt_characters=sum(len(message.content) for message in messages),
        error=error,
        problem=problem if first.reply else "",
    )


def _given(criteria: int) -> dict[str, str]:
    """The replies of roles that are not asked."""
    marks = dumps({"marks": [False] * criteria})
    passing = '{"reason": "Rehearsed.", "pass": true}'
    return {"weak": "Rehearsed.", "strong": "Rehearsed.", "judge": marks, "final_verifier": passing}


def _ask_evaluator(material: Material, role: str, first: FirstCall) -> str:
    """Through the evaluator: one rollout each, about its control example made from the longest paper."""
    settings = replace(
        material.frozen.settings, predicate=ANY_SCORES, weak_rollouts=1, strong_rollouts=1, reading_attempts=1
    )
    evaluator = Evaluator(
        chat=first,
        settings=settings,
        prompts=material.frozen.prompts,
        paper=material.paper,
        seeds=SeedScope(run_seed=material.spec.seed, paper_id="rehearsal", replicate=0),
    )
    evaluator.evaluate(CONTROL, 1, "weak" if role in {"weak", "judge"} else "both")  # one mark sheet, not two
    return ""


def _ask_analyzer(material: Material, role: str, first: FirstCall) -> str:
    repeated = material.paper.text * (1 + TRAJECTORY_CHARACTERS // max(1, len(material.paper.text)))
    shown = f"outcome: not_accepted\n### Round 1\n{repeated[:TRAJECTORY_CHARACTERS]}"
    room = room_in(role_models(material.spec)[role])
    analyzer = ANALYZER.build(
        material.analyzer,
        chat=first,
        render=lambda result, limit: shown[:limit],
        prompt_tokens=room.prompt_tokens,
        answer_tokens=room.answer_tokens,
    )
    result = PaperResult(
        key="",
        paper_id=material.paper.paper_id,
        replicate=0,
        verdict=PaperVerdict.NOT_ACCEPTED,
        reason="no example accepted in 1 round",
        rounds=(),
        usage=Usage(),
        calls=0,
        trajectory_hash="",
    )
    found = analyzer.analyze(material.harness, [result], (), material.spec.seed)
    return "" if found.text.strip() else UNREADABLE


DIAGNOSIS = (
    "The questions ask for plain facts, so that the weak solver answers them from the context. The prompt "
    "for the challenger says nothing about what makes a question hard. Ask for questions that need several "
    "facts of the paper to be connected, in one added sentence of the challenger's prompt."
)
NO_ACTION = "the reply holds no action: such an implementer edits nothing"


def _ask_implementer(material: Material, role: str, first: FirstCall) -> str:
    room = room_in(role_models(material.spec)[role])
    implementer = IMPLEMENTER.build(
        material.implementer,
        chat=first,
        prompt_tokens=room.prompt_tokens,
        answer_tokens=room.answer_tokens,
    )
    try:
        implementer.implement(
            material.harness, Diagnosis(text=DIAGNOSIS), (), lambda tree: "no try here", material.spec.seed
        )
    except AskedAgain:  # the dialogue goes on
        reply = first.reply
        return "" if reply and read_reply(reply) else NO_ACTION
    return ""


CODES = ("QUARTZ-4417", "HERON-8052")
CODE_SCHEMA = {
    "type": "object",
    "properties": {"first_code": {"type": "string"}, "last_code": {"type": "string"}},
    "required": ["first_code", "last_code"],
    "additionalProperties": False,
}
SYSTEM = "You read research papers closely and answer with one JSON object."
TASK = (
    "Two archive codes stand in the paper above, one in its first line and one in its last. Give both as one "
    'JSON object and nothing else: {"first_code": "…", "last_code": "…"}'
)


def _ask_reader(material: Material, role: str, first: FirstCall) -> str:
    """With the whole paper, as a challenger is asked."""
    return _ask_codes(role, first, material.paper.text, material.spec.seed)


def _ask_harness_role(material: Material, role: str, first: FirstCall) -> str:
    """With a page, as a verifier is asked."""
    return _ask_codes(role, first, material.paper.text[:4_000], material.spec.seed)


def _ask_codes(role: str, first: FirstCall, text: str, seed: int) -> str:
    paper = f"Archive code: {CODES[0]}\n\n{text}\n\nArchive code: {CODES[1]}"
    user = Message(role="user", content=f"<paper>\n{paper}\n</paper>\n\n{TASK}")
    call = ChatCall(
        role=role,
        messages=(Message(role="system", content=SYSTEM), user),
        seed=seed,
        json_mode=True,
        json_schema=CODE_SCHEMA,
    )
    reply = first.chat(call)
    if not any(True for _ in find_objects(reply.text)):
        return UNREADABLE
    lost = [
        place
        for code, place in zip(CODES, ("beginning", "end"), strict=True)
        if code not in reply.text.upper()
    ]
    if not lost:
        return ""
    told = f"did not find the code at the {' and '.join(lost)} of {len(user.content):,} characters"
    if not reply.is_estimated:
        return f"{told}: the prompt was counted whole, so the model does not read closely"
    if len(lost) == len(CODES):
        return f"{told}: a weak model, or a truncated prompt"
    raise ModelRejected(
        f"the server seems to truncate the prompt: {reply.model or 'the model'} {told}\n"
        "it does not count prompt tokens, so a run could not notice\n"
        "raise the server's context length (num_ctx, n_ctx, --max-model-len), or shorten the papers"
    )


ASKS: Mapping[str, Ask] = {
    "reader": _ask_reader,
    "harness": _ask_harness_role,
    **dict.fromkeys(EVALUATOR_ROLES, _ask_evaluator),
    "analyzer": _ask_analyzer,
    "implementer": _ask_implementer,
}
