"""Before a run, puts planted cases to judge and final verifier; near chance, the run does not start.

The testbed's own programs are not asked: their error rates are known (docs/verifiers.md), and asking them
would add calls to their runs. All other calls go through the run's own client and into its own records,
under the role that answers. So they count in the budget and in `show`, and a resumed run does not pay for
them again. A run that is refused leaves no folder: its refusal quotes what was wrong, and a run started with
--accept-judge asks once more. No result of the run depends on them.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from studbook.errors import UsageError
from studbook.evaluate.planted.canary import ROLES, Canary, CanaryResult, canary_cases
from studbook.experiments.run.bench import Bench, Origin, frozen_evaluator
from studbook.experiments.run.models import is_testbed_role
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import canary_line
from studbook.experiments.views.text import clean_line, count
from studbook.llm.contracts import Chat
from studbook.populations.records import CanaryScore, CanaryVerdict

TOKENS = {"judge": 1_100, "final_verifier": 1_400}
"""Of one call, prompt and reply, roughly: to say before what will be asked."""

NEXT_STEPS = {
    CanaryVerdict.NEAR_CHANCE: "its replies would say nothing about a harness: use a stronger model",
    CanaryVerdict.UNREADABLE: "it does not keep to the form of a reply: use another model or more max_tokens",
}


def canary_calls(spec: Spec) -> dict[str, int]:
    """Roles that are asked, those at another endpoint than the testbed, and the number of calls."""
    examples, answers = canary_cases()
    numbers = {"judge": len(answers), "final_verifier": len(examples)}
    asked = [role for role, model in spec.models.roles.items() if not is_testbed_role(spec, model)]
    return {role: numbers[role] for role in ROLES if role in asked}


def canary_tokens(spec: Spec) -> int:
    return sum(number * TOKENS[role] for role, number in canary_calls(spec).items())


def measure_canary(spec: Spec, chat: Chat) -> tuple[CanaryResult, ...]:
    """Asks with the run's own prompts, settings and seed; () if no role is to be asked.

    Raises InfrastructureError, BudgetExceeded, and what else the chat raises to stop.
    """
    calls = canary_calls(spec)
    if not calls:
        return ()
    frozen = frozen_evaluator(spec, Origin(sandbox="", roles=()))
    canary = Canary(chat=chat, settings=frozen.settings, prompts=frozen.prompts, run_seed=spec.seed)
    with ThreadPoolExecutor(sum(calls.values()), thread_name_prefix="canary") as pool:
        return canary.ask(calls, pool)


def ask_canary(bench: Bench, tell: Callable[[str], None]) -> tuple[CanaryScore, ...]:
    """Before the first event of a run. Raises UsageError for a role near chance unless it is accepted."""
    if not canary_calls(bench.spec):
        return ()
    tell(canary_plan(bench.spec))
    results = measure_canary(bench.spec, bench.chat)
    for result in results:
        tell(canary_line(result.score))
    if not bench.spec.models.accept_judge:
        refuse_near_chance(results)
    return tuple(result.score for result in results)


def canary_plan(spec: Spec) -> str:
    """One line about what will be asked."""
    calls = canary_calls(spec)
    return (
        f"asking {' and '.join(calls)} about {sum(calls.values())} planted cases "
        f"(about {canary_tokens(spec):,} tokens)"
    )


QUOTED_CASES = 4
"""Of each role that is near chance: a few show whether it guesses, copies, or does not keep to the form."""
QUOTED_CHARACTERS = 160


def refuse_near_chance(results: Sequence[CanaryResult]) -> None:
    """Raises UsageError with what was found and some of the replies, unless every role is above chance."""
    failed = [result for result in results if result.score.verdict is not CanaryVerdict.ABOVE_CHANCE]
    if not failed:
        return
    told = ", ".join(f"{each.score.role} is {each.score.verdict}" for each in failed)
    steps = dict.fromkeys(NEXT_STEPS[each.score.verdict] for each in failed)
    lines = (line for each in failed for line in (canary_line(each.score), *_quotes(each)))
    raise UsageError(
        f"the run was not started: {told} on planted cases with known answers\n"
        + "".join(f"  {line}\n" for line in lines)
        + f"  {'; '.join(steps)}; to start as it is: --accept-judge"
    )


def _quotes(result: CanaryResult) -> Iterator[str]:
    for each in result.wrong[:QUOTED_CASES]:
        yield f"  {each.case}: {each.fault}: {clean_line(each.reply, QUOTED_CHARACTERS) or 'an empty reply'}"
    if (more := len(result.wrong) - QUOTED_CASES) > 0:
        yield f"  and {count(more, 'more wrong case')}"
